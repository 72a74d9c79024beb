/** Every way that anyone found to have the gateway judge one message and the upstream run another, or to get its secret back. */
import { describe, expect, it } from 'vitest'
import { parseStrict } from '../../src/json/strict.ts'
import { classify } from '../../src/mcp/message.ts'

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
