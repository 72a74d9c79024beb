/** Every way that anyone found to hide one call behind another in a batch (MCP 2025-03-26). */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BATCH_ELEMENTS_MAX } from '../../proxy/mcp/batch.ts'
import type { Wire } from '../support/wire.ts'
import { echoing, request, startWire } from '../support/wire.ts'

const RULES = `
  - { id: no-deletes, effect: deny, match: { tool: "delete_*" }, reason: "Nothing is deleted here." }
  - { id: no-logs, effect: deny, match: { method: "logging/*" } }
  - { id: all, effect: allow, match: { method: "*" } }`

let wire: Wire
beforeAll(async () => {
  wire = await startWire({ upstream: echoing, rules: RULES })
})
afterAll(() => wire?.close())

const call = (id: number | string, name: string, args = '{}') =>
  `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"method":"tools/call","params":{"name":"${name}","arguments":${args}}}`
const JSON_ALONE = { accept: 'application/json' }

interface Answered {
  readonly status: number
  readonly answers: readonly { id: unknown; result?: { isError?: boolean }; error?: { message: string } }[]
  /** What reached the upstream, as it came. */
  readonly forwarded: readonly string[]
}

async function post(body: string, headers: Record<string, string> = JSON_ALONE): Promise<Answered> {
  const before = wire.seen.length
  const answer = await wire.send('alice', { body, headers })
  const text = await answer.text()
  const isStream = answer.headers.get('content-type') === 'text/event-stream'
  const messages = isStream
    ? [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(String(data)) as unknown)
    : text === ''
      ? []
      : (JSON.parse(text) as unknown)
  const answers = (Array.isArray(messages) ? messages : [messages]) as Answered['answers']
  return { status: answer.status, answers, forwarded: wire.seen.slice(before).map(({ body: seen }) => seen) }
}

describe('a batch', () => {
  it.each([
    ['as a stream', {}],
    ['as an array', JSON_ALONE],
  ])(
    '[REQ-BATCH-1] has each element judged alone and forwarded by its own bytes, and answers %s',
    async (_sentence, headers) => {
      const first = call(1, 'read', '{ "n" : 1.50, "s":"],[" }')
      const third = call('three', 'read', '{"unicode":"\\u00e9"}')
      const { status, answers, forwarded } = await post(`[ ${first} ,\n${call(2, 'delete_all')}, ${third}]`, headers)
      expect(status).toBe(200)
      expect([...forwarded].sort(), 'the denied one never left, the others are what was sent').toEqual(
        [first, third].sort(),
      )
      expect(answers.map(({ id }) => id).sort()).toEqual([1, 2, 'three'])
      expect(answers.find(({ id }) => id === 2)?.result).toMatchObject({ isError: true })
      expect(answers.find(({ id }) => id === 'three')?.result?.isError).toBeUndefined()
    },
  )

  it.each<[string, string]>([
    ['an array in it', `[${call(1, 'read')},[${call(2, 'delete_all')}]]`],
    ['an element that is no object', `[${call(1, 'read')},"delete_all"]`],
    ['an element that is no message', `[${call(1, 'read')},{"jsonrpc":"2.0"}]`],
    ['two requests of one id', `[${call(1, 'read')},${call(1, 'delete_all')}]`],
    ['initialize in it', `[${request(1, 'initialize')},${call(2, 'read')}]`],
    ['a tools/call in capitals', `[${call(1, 'read')},${call(2, 'read').replace('params', 'PARAMS')}]`],
    ['a key that is there twice', `[${call(1, 'read')},{"jsonrpc":"2.0","id":2,"id":3,"method":"ping"}]`],
    ['half a surrogate pair', `[${call(1, 'read', '{"a":"\\ud800"}')}]`],
    ['an integer that no double holds', `[${call(1, 'read', '{"a":12345678901234567890}')}]`],
    ['more within each other than is read', `[${call(1, 'read', `{"a":${'['.repeat(100)}${']'.repeat(100)}}`)}]`],
    ['no element', '[]'],
    [
      'more elements than it may',
      `[${Array.from({ length: BATCH_ELEMENTS_MAX + 1 }, (_, id) => call(id, 'read')).join()}]`,
    ],
    [
      'a message of a revision without batches',
      `[${request(1, 'tools/list', { _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' } })}]`,
    ],
  ])('[REQ-BATCH-1] is refused whole, and nothing of it forwarded, with %s', async (_sentence, body) => {
    const { status, answers, forwarded } = await post(body)
    expect(status).toBe(400)
    expect(answers[0]?.error?.message).toMatch(/\w/)
    expect(forwarded).toEqual([])
  })

  it.each(['2025-06-18', '2025-11-25', '2026-07-28'])('is refused in revision %s', async (version) => {
    const headers = { ...JSON_ALONE, 'mcp-protocol-version': version }
    const { status, forwarded } = await post(`[${call(1, 'read')}]`, headers)
    expect(status).toBe(400)
    expect(forwarded).toEqual([])
  })

  it('is taken in the revision that has them, by name too', async () => {
    expect((await post(`[${call(1, 'read')}]`, { ...JSON_ALONE, 'mcp-protocol-version': '2025-03-26' })).status).toBe(
      200,
    )
  })

  it('[REQ-BATCH-1] denies a tools/call without an id without stopping the rest', async () => {
    const silent = '{"jsonrpc":"2.0","method":"tools/call","params":{"name":"delete_all"}}'
    const { answers, forwarded } = await post(`[${silent},${call(1, 'read')}]`)
    expect(answers.map(({ id }) => id)).toEqual([1])
    expect(forwarded).toEqual([call(1, 'read')])
  })

  it('of nothing that has an answer is 202, unless every element is refused', async () => {
    const note = (method: string) => `{"jsonrpc":"2.0","method":"${method}"}`
    const response = '{"jsonrpc":"2.0","id":7,"result":{}}'
    const taken = await post(`[${note('notifications/initialized')},${response},${note('logging/secret')}]`)
    expect(taken).toMatchObject({ status: 202, answers: [] })
    expect(taken.forwarded).toHaveLength(2)
    const refused = await post(`[${note('logging/secret')},${note('logging/other')}]`)
    expect(refused).toMatchObject({ status: 403, forwarded: [] })
  })
})
