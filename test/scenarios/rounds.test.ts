/**
 * A client of MCP 2026-07-28 without tasks waits in rounds. One round's time is set to a second here, so that the
 * official SDK's client goes through several while a person thinks.
 */
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { ConsoleReviewer } from '../../demo/console-reviewer.ts'
import type { Gateway, World } from '../support/gateway.ts'
import { startWorld } from '../support/gateway.ts'
import { connectAgent } from '../support/mcp-clients.ts'
import { BOB } from '../support/oidc-issuer.ts'
import { until } from '../support/until.ts'

let world: World
let gateway: Gateway
let reviewer: ConsoleReviewer
let token: string

beforeAll(async () => {
  world = await startWorld()
  const settings = 'channels: { console: { reviewer: bob@example.com } }\nholds: { defaultBudget: 1s }'
  gateway = await world.startGateway({ settings })
  reviewer = await gateway.console()
  token = await gateway.token()
})
afterAll(() => world?.close())

const write = (name: string) => ({ path: path.join(world.files, name), content: name })
const pending = async () => (await reviewer.state()).json.pending
const theCard = () => until('the card is shown', async () => (await pending())[0])
const joined = async () => (await gateway.events()).filter(({ type }) => type === 'approval.joined').length

const META = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientInfo': { name: 'raw', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {},
}

interface RawAnswer {
  readonly result?: { readonly resultType?: string; readonly requestState?: string; readonly isError?: boolean }
  readonly error?: { readonly code: number; readonly message: string }
}

/** One request, without an SDK that would come back by itself. */
async function call(id: number, args: object, more: object = {}, bearer = token): Promise<RawAnswer> {
  const answer = await fetch(gateway.mcp, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${bearer}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': 'write_file',
    },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id,
      method: 'tools/call',
      params: { name: 'write_file', arguments: args, ...more, _meta: META },
    }),
  })
  const text = await answer.text()
  const data = /^data: (.+)$/m.exec(text)?.[1] ?? text
  return JSON.parse(data) as RawAnswer
}

it('[REQ-ROUND-1] the official SDK’s client comes back round after round, and has one result', async () => {
  const agent = await connectAgent('modern', gateway.mcp, token)
  const answered = agent.call('write_file', write('rounds.txt'))
  const card = await theCard()
  const before = await joined()
  await until('the client has come back twice', async () => (await joined()) >= before + 2)
  expect(await pending()).toHaveLength(1)
  await reviewer.click(card.approvalId, 'approve')
  expect(await answered).toMatchObject({ isError: false })
  await agent.close()
  const seen = world.tap.callsOf('write_file')
  expect(seen).toHaveLength(1)
  expect(seen[0]?.body).not.toContain('requestState')
})

it('[REQ-ROUND-3] a client whose gateway dies in the middle of a round has its one result from the next', async () => {
  const settings = 'channels: { console: { reviewer: bob@example.com } }\nholds: { defaultBudget: 50s }'
  const dying = await world.startGateway({ settings })
  const before = world.tap.callsOf('write_file').length
  const agent = await connectAgent('modern', dying.mcp, await dying.token())
  let heard = 0
  const answered = agent.call('write_file', write('survives.txt'), { onprogress: () => void heard++ })
  const first = await dying.console()
  const card = await until('the card is shown', async () => (await first.state()).json.pending[0])
  // Behind the event by which it can come back.
  await until('the client has something of its stream', () => heard > 0)
  await dying.kill()
  await dying.restart()
  const second = await dying.console()
  await second.click(card.approvalId, 'approve')
  expect(await answered).toMatchObject({ isError: false })
  expect(world.tap.callsOf('write_file')).toHaveLength(before + 1)
  await agent.close()
})

it('[REQ-ROUND-1] who was denied between two rounds hears it, instead of asking people again', async () => {
  const { result } = await call(1, write('denied.txt'))
  expect(result).toMatchObject({ resultType: 'input_required' })
  await reviewer.click((await theCard()).approvalId, 'deny', 'not today')
  const { requestState } = result ?? {}
  expect(await call(2, write('denied.txt'), { requestState })).toMatchObject({
    result: { resultType: 'complete', isError: true, content: [{ text: expect.stringContaining('not today') }] },
  })
  expect(await pending()).toEqual([])
})

it('[REQ-ROUND-1] a state is good for its own call and its own principal only', async () => {
  const { requestState } = (await call(1, write('mine.txt'))).result ?? {}
  const bobs = await world.issuer.tokenFor(BOB, gateway.mcp.href)
  for (const foreign of [
    call(2, write('another.txt'), { requestState }),
    call(3, write('mine.txt'), { requestState }, bobs),
  ]) {
    expect((await foreign).error).toMatchObject({ code: -32602, message: expect.stringContaining('requestState') })
  }
  expect(await pending()).toHaveLength(1)
  await reviewer.click((await theCard()).approvalId, 'deny')
})

it('[REQ-ROUND-2] the answer to what the upstream asks goes on without a second card, and once', async () => {
  const seenBefore = world.tap.callsOf('write_file').length
  world.tap.intercept = (seen, response) => {
    if (!seen.body.includes('asks.txt') || seen.body.includes('inputResponses')) return false
    const { id } = JSON.parse(seen.body) as { id: number }
    const inputRequests = { sure: { method: 'elicitation/create', params: { message: 'Sure?' } } }
    response.setHeader('content-type', 'application/json')
    response.end(
      JSON.stringify({
        jsonrpc: '2.0',
        id,
        result: { resultType: 'input_required', inputRequests, requestState: 'theirs' },
      }),
    )
    return true
  }
  const first = call(1, write('asks.txt'))
  await reviewer.click((await theCard()).approvalId, 'approve')
  const { requestState } = (await first).result ?? {}
  expect(requestState).not.toContain('theirs')

  const answers = { inputResponses: { sure: { action: 'accept' } }, requestState }
  expect((await call(2, write('asks.txt'), answers)).result).toMatchObject({ resultType: 'complete' })
  const seen = world.tap.callsOf('write_file').slice(seenBefore)
  expect(seen).toHaveLength(2)
  expect(seen[1]?.body).toContain('"requestState":"theirs"')

  expect((await call(3, write('asks.txt'), answers)).result).toMatchObject({ isError: true })
  expect(await pending()).toEqual([])
  expect(world.tap.callsOf('write_file')).toHaveLength(seenBefore + 2)
  world.tap.intercept = null
})
