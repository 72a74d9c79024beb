/** What masking does to a whole answer and to one that it takes apart while it arrives is the same. */
import { describe, expect, it } from 'vitest'
import { GatewayError } from '../../src/errors.ts'
import { maskAnswer } from '../../src/gate/answer.ts'
import { createLargeMask } from '../../src/gate/large.ts'
import { createMasker } from '../../src/masking/masker.ts'
import { Secret } from '../../src/secret.ts'

const masker = createMasker()
const LENT = 'fs-upstream-8f3a9c'
const lent = [new Secret(LENT)]
const GITHUB = `ghp_${'aB3dE5gH7jK9mN1pQ3sT5vX7zA9cD1eF3hJ5'.slice(0, 36)}`

function piecewise(json: string, size: number) {
  const bytes = Buffer.from(json)
  const mask = createLargeMask(masker, lent)
  const out: Uint8Array[] = []
  for (let at = 0; at < bytes.length; at += size) out.push(...mask.feed(bytes.subarray(at, at + size)))
  return { ...mask.end(), text: Buffer.concat(out).toString('utf8') }
}

function whole(json: string) {
  const answer = {
    kind: 'whole',
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: Buffer.from(json),
  } as const
  const masked = maskAnswer(masker, answer, lent)
  return { ...masked, text: Buffer.from(masked.body).toString('utf8') }
}

const content = (...items: unknown[]) => ({ jsonrpc: '2.0', id: 7, result: { content: items, isError: false } })
const text = (value: string) => ({ type: 'text', text: value })

describe('a large answer', () => {
  it.each<[string, unknown]>([
    ['nothing to mask', content(text('plain'), text('also plain'))],
    ['a token in a text', content(text(`key ${GITHUB} here`), text('plain'))],
    [
      'the lent credential, in text and in base64',
      content(text(LENT), { type: 'image', data: btoa(LENT), mimeType: 'image/png' }),
    ],
    ['JSON within a text', content(text(JSON.stringify({ rows: [{ password: 'hunter2' }] })))],
    ['names and values', content({ type: 'x', rows: [{ name: 'DB_PASSWORD', value: 'x' }] })],
    [
      'secrets beside the content',
      { ...content(text('a')), result: { structuredContent: { api_key: 'x' }, content: [] } },
    ],
    ['a resource', { jsonrpc: '2.0', id: 'r', result: { contents: [{ uri: 'file:///a', text: GITHUB }] } }],
    ['a cursor that must come back', { jsonrpc: '2.0', id: 1, result: { nextCursor: GITHUB, content: [] } }],
    ['a cursor that holds the credential', { jsonrpc: '2.0', id: 1, result: { nextCursor: LENT, content: [] } }],
    ['a tool’s failure', { jsonrpc: '2.0', id: 1, result: { isError: true, content: [text(GITHUB)] } }],
    ['an error', { jsonrpc: '2.0', id: 1, error: { code: -1, message: `bad ${LENT}`, data: { token: GITHUB } } }],
    ['a notification', { jsonrpc: '2.0', method: 'notifications/message', params: { data: GITHUB } }],
    ['a result that is no object', { jsonrpc: '2.0', id: 1, result: [GITHUB] }],
  ])('with %s is masked as the whole is', (_sentence, message) => {
    for (const json of [JSON.stringify(message), JSON.stringify(message, null, 2)]) {
      const expected = whole(json)
      for (const size of [1, 16, 100_000]) {
        const { text: masked, findings, outcome } = piecewise(json, size)
        expect(masked).toBe(expected.text)
        expect(findings).toEqual(expected.findings)
        if ('method' in (message as object)) expect(outcome).toBeNull()
        else expect(outcome).toBe(expected.outcome)
      }
    }
  })

  it('keeps numbers that a double would round', () => {
    const json = `{"id":1,"result":{"content":[{"n":9007199254740993,"t":"${GITHUB}"}]}}`
    expect(piecewise(json, 10).text).toBe(json.replace(GITHUB, '[masked:github-token]'))
  })

  it('says which call it answers', () => {
    expect(piecewise('{"result":{"content":[]},"id":"x"}', 3).id).toBe('x')
    expect(piecewise('{"result":{"content":[]},"id":4}', 3).id).toBe(4)
    expect(piecewise('{"result":{"content":[]}}', 3).id).toBeNull()
  })

  it.each<[string, string]>([
    ['a key twice in a piece', '{"id":1,"result":{"content":[{"a":1,"a":2}]}}'],
    ['a key twice at the top', '{"id":1,"id":2}'],
    ['half a surrogate pair', '{"id":1,"result":{"content":["\\ud800"]}}'],
    ['a secret in a key of the result', `{"id":1,"result":{"${LENT}":1}}`],
    ['a value whose name may come later', '{"id":1,"result":{"value":"x","name":"DB_PASSWORD"}}'],
    ['a text that breaks off', '{"id":1,"result":{"content":[1'],
    ['no JSON', 'hello'],
  ])('is withheld with %s', (_sentence, json) => {
    for (const size of [1, 1_000]) expect(() => piecewise(json, size)).toThrow(GatewayError)
  })
})
