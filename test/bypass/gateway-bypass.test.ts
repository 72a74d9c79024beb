/** Every way that anyone found to have the gateway judge one message and the upstream run another, or to get its secret back. */
import { describe, expect, it } from 'vitest'
import { maskAnswer, maskEvent } from '../../src/gate/answer.ts'
import { parseStrict } from '../../src/json/strict.ts'
import { createMasker } from '../../src/masking/masker.ts'
import { classify } from '../../src/mcp/message.ts'
import { Secret } from '../../src/secret.ts'

function read(text: string) {
  const parsed = parseStrict(new TextEncoder().encode(text))
  if (!parsed.ok) throw new Error(parsed.problem.message)
  return classify(parsed.value)
}

describe('a message that a server without regard to case would read otherwise', () => {
  it.each<[string, string]>([
    [
      'a harmless method, and another one in capitals',
      '{"jsonrpc":"2.0","id":1,"method":"tools/list","Method":"tools/call","params":{"name":"delete_user"}}',
    ],
    [
      'harmless params, and others in capitals',
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read"},"PARAMS":{"name":"delete_user"}}',
    ],
    [
      'a harmless tool, and another one in capitals',
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","Name":"delete_user"}}',
    ],
    [
      'harmless arguments, and others in capitals',
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","arguments":{},"Arguments":{"path":"/"}}}',
    ],
    [
      'harmless arguments, and others with a long s',
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","argument\u017f":{"path":"/"}}}',
    ],
    [
      'a resource in capitals alone',
      '{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"URI":"file:///etc/passwd"}}',
    ],
  ])('is refused: %s', (_sentence, text) => {
    expect(read(text)).toMatchObject({ ok: false })
  })

  it('is not one that only has members of the server’s own', () => {
    expect(read('{"jsonrpc":"2.0","id":1,"method":"x","params":{"Title":"a","task":{}}}')).toMatchObject({ ok: true })
  })
})

describe('the upstream’s secret doesn’t come back', () => {
  const KEY = 'upstream-key-7f3a9c'
  const lent = [new Secret(KEY)]
  const masker = createMasker()

  it('as the id or the name of an event', () => {
    for (const data of ['', '{"jsonrpc":"2.0","id":1,"result":{}}']) {
      const event = { id: `at-${KEY}`, event: Buffer.from(KEY).toString('base64'), data, retryMs: null }
      expect(maskEvent(masker, event, lent).event).toEqual({ id: null, event: null, data, retryMs: null })
    }
    const harmless = { id: 'at-7', event: 'message', data: '', retryMs: null }
    expect(maskEvent(masker, harmless, lent).event, 'the agent resumes by this id').toBe(harmless)
  })

  it('as a key that is named in an error, because it stands there twice', () => {
    const headers = { 'content-type': 'application/json' }
    const body = new TextEncoder().encode(`{"jsonrpc":"2.0","id":1,"result":{"${KEY}":1,"${KEY}":2}}`)
    const answered = () => maskAnswer(masker, { kind: 'whole', status: 200, headers, body }, lent)
    expect(answered).toThrow(/duplicate key at byte \d+/)
    expect(answered).not.toThrow(KEY)
  })
})
