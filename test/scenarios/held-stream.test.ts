/** What an agent's connection sees while people think, byte for byte and through the official SDKs. */
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { ConsoleReviewer } from '../../demo/console-reviewer.ts'
import type { Gateway, World } from '../support/gateway.ts'
import { startWorld } from '../support/gateway.ts'
import type { Era } from '../support/mcp-clients.ts'
import { connectAgent } from '../support/mcp-clients.ts'
import { until } from '../support/until.ts'

let world: World
let gateway: Gateway
let reviewer: ConsoleReviewer
let token: string

beforeAll(async () => {
  world = await startWorld()
  gateway = await world.startGateway()
  reviewer = await gateway.console()
  token = await gateway.token()
})
afterAll(() => world?.close())

const write = (name: string) => ({ path: path.join(world.files, name), content: name })

async function denyTheOnlyOne(): Promise<string> {
  const card = await until('the card is shown', async () => (await reviewer.state()).json.pending[0])
  await reviewer.click(card.approvalId, 'deny')
  return card.approvalId
}

function post(name: string, options: { accept: string; meta?: object }): Promise<Response> {
  const { accept, meta } = options
  const params = { name: 'write_file', arguments: write(name), ...(meta === undefined ? {} : { _meta: meta }) }
  return fetch(gateway.mcp, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', accept },
    body: JSON.stringify({ jsonrpc: '2.0', id: 'held', method: 'tools/call', params }),
  })
}

const BOTH = 'application/json, text/event-stream'

it('[REQ-HOLD-3] the stream is open before anyone decides, and says so in a comment', async () => {
  const answer = await post('comment.txt', { accept: BOTH })
  expect(answer.status).toBe(200)
  expect(answer.headers.get('content-type')).toBe('text/event-stream')
  expect(answer.headers.get('x-accel-buffering')).toBe('no')
  await denyTheOnlyOne()
  const [first, ...rest] = (await answer.text()).split('\n\n')
  expect(first).toBe(': waiting for approval')
  expect(rest.join('\n\n')).toContain('"id":"held"')
  expect(rest.join('\n\n')).not.toContain('notifications/progress')
})

it('[REQ-HOLD-3] a client that gave a token gets progress, which names the approval and the rule', async () => {
  const answer = await post('progress.txt', { accept: BOTH, meta: { progressToken: 'tok' } })
  const approvalId = await denyTheOnlyOne()
  const [first, last] = dataOf(await answer.text())
  expect(first).toMatchObject({
    method: 'notifications/progress',
    params: { progressToken: 'tok', progress: 1, message: expect.stringContaining(approvalId) },
  })
  expect(first).toMatchObject({ params: { message: expect.stringContaining('rule "writing"') } })
  expect(last).toMatchObject({ id: 'held', result: { isError: true } })
})

it('a client that takes no stream waits for one JSON answer', async () => {
  const pending = post('json.txt', { accept: 'application/json' })
  await denyTheOnlyOne()
  const answer = await pending
  expect(answer.headers.get('content-type')).toBe('application/json')
  expect(await answer.json()).toMatchObject({ id: 'held', result: { isError: true } })
})

it.each<Era>(['modern', 'legacy'])('[REQ-HOLD-3] the official SDK hears of progress, %s era', async (era) => {
  const agent = await connectAgent(era, gateway.mcp, token)
  let heard = 0
  const call = agent.call('write_file', write(`${era}.txt`), {
    onprogress: () => {
      heard += 1
    },
  })
  await until('progress is heard', () => heard > 0)
  await denyTheOnlyOne()
  expect((await call).isError).toBe(true)
  await agent.close()
})

function dataOf(stream: string): readonly unknown[] {
  return [...stream.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(String(data)) as unknown)
}
