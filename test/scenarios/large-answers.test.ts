/**
 * An answer that is larger than anyone should hold goes through while it arrives: its client has the beginning before
 * its server has sent the end. Whole answers of this size are refused.
 */
import type { ServerResponse } from 'node:http'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { ANSWER_BYTES_MAX } from '../../proxy/forward/exchange.ts'
import type { Gateway, World } from '../support/gateway.ts'
import { startWorld, UPSTREAM_KEY } from '../support/gateway.ts'
import { until } from '../support/until.ts'

let world: World
let gateway: Gateway
let token: string

beforeAll(async () => {
  world = await startWorld()
  gateway = await world.startGateway()
  token = await gateway.token()
})
afterAll(() => world?.close())
afterEach(() => {
  world.tap.intercept = null
})

const ROW_BYTES = 64 * 1024
const ROWS = Math.ceil((ANSWER_BYTES_MAX * 1.25) / ROW_BYTES)
const row = (index: number, text = 'x'.repeat(ROW_BYTES)) => `{"type":"text","text":"${index}: ${text}"}`
/** As some servers do: the secret of the gateway itself, in the middle of a row. */
const SECRET_ROW = 7

/** What the upstream says, with a pause in the middle until its client has something of it. */
function upstreamSays(how: { contentType: string; before: string; after: string; end?: string }) {
  let goOn = () => {}
  const clientHasSome = new Promise<void>((resolve) => {
    goOn = resolve
  })
  world.tap.intercept = (seen, response) => {
    if (!seen.body.includes('"tools/call"')) return false
    const { id } = JSON.parse(seen.body) as { id: number }
    void send(response, id)
    return true
  }
  async function send(response: ServerResponse, id: number) {
    response.writeHead(200, { 'content-type': how.contentType })
    response.write(`${how.before}{"jsonrpc":"2.0","id":${id},"result":{"content":[`)
    for (let index = 0; index < ROWS; index++) {
      if (index === ROWS / 2) await clientHasSome
      const text = index === SECRET_ROW ? row(index, `key ${UPSTREAM_KEY} here`) : row(index)
      if (!response.write(`${index === 0 ? '' : ','}${text}`) && !response.destroyed) {
        await new Promise((resolve) => response.once('drain', resolve))
      }
    }
    response.end(how.end ?? `],"isError":false,"big":9007199254740993}}${how.after}`)
  }
  return { goOn: () => goOn() }
}

async function call(tool: string, id: number): Promise<Response> {
  return fetch(gateway.mcp, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
    },
    body: JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params: { name: tool, arguments: { id } } }),
  })
}

async function readAll(answer: Response, onSome: () => void): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of answer.body as unknown as AsyncIterable<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true })
    if (text.length > ROW_BYTES) onSome()
  }
  return text
}

const outcomeOf = async (tool: string) =>
  (await gateway.events()).find((event) => event.type === 'call.outcome' && event.tool === tool)

it.each([
  ['a JSON body', 'read_body', { contentType: 'application/json', before: '', after: '' }],
  [
    'an event',
    'read_event',
    { contentType: 'text/event-stream', before: 'event: message\nid: 1\ndata: ', after: '\n\n' },
  ],
])('[REQ-LARGE-1] %s is handed on while it arrives, masked', async (_sentence, tool, how) => {
  const upstream = upstreamSays(how)
  const text = await readAll(await call(tool, 1), upstream.goOn)
  const json = how.before === '' ? text : (/^data: (.*)$/m.exec(text)?.[1] ?? '')
  const message = JSON.parse(json) as { id: number; result: { content: { text: string }[] } }
  expect(message.id).toBe(1)
  expect(message.result.content).toHaveLength(ROWS)
  expect(message.result.content[SECRET_ROW]?.text).toBe(`${SECRET_ROW}: key [masked:credential] here`)
  expect(json).toContain('"big":9007199254740993')
  expect(await outcomeOf(tool)).toMatchObject({ outcome: 'succeeded', masked: [{ detector: 'credential', count: 1 }] })
})

it('[REQ-LARGE-1] one that breaks off is never taken for an answer', async () => {
  for (const [tool, how] of [
    ['read_cut_body', { contentType: 'application/json', before: '', after: '', end: ',' }],
    ['read_cut_event', { contentType: 'text/event-stream', before: 'data: ', after: '', end: ',' }],
  ] as const) {
    const upstream = upstreamSays(how)
    const answer = await call(tool, 2)
    await expect(readAll(answer, upstream.goOn)).rejects.toThrow()
    expect(await outcomeOf(tool)).toMatchObject({ outcome: 'upstream_failed' })
  }
})

it('[REQ-LARGE-1] a large answer to an approved call is too large to be kept, so it is refused whole', async () => {
  upstreamSays({ contentType: 'application/json', before: '', after: '' }).goOn()
  const reviewer = await gateway.console()
  const pending = call('create_directory', 3)
  const card = await until('the card is shown', async () => (await reviewer.state()).json.pending[0])
  await reviewer.click(card.approvalId, 'approve')
  expect(await (await pending).text()).toContain(`exceeds ${ANSWER_BYTES_MAX} bytes`)
})
