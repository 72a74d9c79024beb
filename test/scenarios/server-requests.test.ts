/**
 * A server that asks back, and two clients of the SDK whose JSON-RPC ids, progress tokens, event ids and the server's
 * own request ids are all the same: each hears, answers, takes back and resumes what is its own.
 */
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  LoggingMessageNotificationSchema,
  ResourceUpdatedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { ConsoleReviewer } from '../../demo/console-reviewer.ts'
import type { AskingServer } from '../support/asking-server.ts'
import { startAskingServer } from '../support/asking-server.ts'
import type { Gateway, World } from '../support/gateway.ts'
import { startWorld } from '../support/gateway.ts'
import { ALICE, BOB } from '../support/oidc-issuer.ts'
import { until } from '../support/until.ts'

/** Without a rule for `response`: an answer to the server's question needs none. */
const POLICY = `
version: 1
rules:
  - { id: consent, match: { upstream: asking, tool: consent }, effect: require_approval }
  - { id: tools, match: { upstream: asking, tool: "*" }, effect: allow }
`

let world: World
let server: AskingServer
let gateway: Gateway
let reviewer: ConsoleReviewer
let mcp: URL
const tokens = new Map<string, string>()
const agents: Agent[] = []

interface Agent {
  readonly client: Client
  readonly transport: StreamableHTTPClientTransport
  readonly logged: unknown[]
  readonly updated: string[]
  readonly asked: string[]
}

beforeAll(async () => {
  ;[world, server] = await Promise.all([startWorld(), startAskingServer()])
  gateway = await world.startGateway({
    policy: POLICY,
    upstreams: `  asking:\n    url: ${server.url}\n`,
    reviewer: 'carol@example.com',
  })
  reviewer = await gateway.console()
  mcp = new URL(`${gateway.url}/mcp/asking`)
  for (const person of [ALICE, BOB]) tokens.set(person.login, await world.issuer.tokenFor(person, mcp.href))
})
afterAll(async () => {
  await Promise.all(agents.map(({ client }) => client.close()))
  await world?.close()
  server?.close()
})

async function connect(name: string, login: string): Promise<Agent> {
  const client = new Client({ name, version: '1.0.0' }, { capabilities: { sampling: {}, elicitation: {} } })
  const agent = { logged: [] as unknown[], updated: [] as string[], asked: [] as string[] }
  client.setRequestHandler(CreateMessageRequestSchema, ({ params }) => {
    agent.asked.push(JSON.stringify(params.messages))
    return { model: name, role: 'assistant', content: { type: 'text', text: 'me' } }
  })
  client.setRequestHandler(ElicitRequestSchema, ({ params }) => {
    agent.asked.push(params.message)
    return { action: 'accept', content: { word: name } }
  })
  client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => void agent.logged.push(params.data))
  client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => void agent.updated.push(params.uri))
  const headers = { authorization: `Bearer ${tokens.get(login)}` }
  const transport = new StreamableHTTPClientTransport(mcp, { requestInit: { headers } })
  await client.connect(transport as Parameters<Client['connect']>[0])
  const connected = { client, transport, ...agent }
  agents.push(connected)
  return connected
}

const bothAgents = () => Promise.all([connect('alices', ALICE.login), connect('bobs', BOB.login)])

function textOf(answer: Awaited<ReturnType<Client['callTool']>>): string {
  return (answer.content as { text: string }[]).map((part) => part.text).join()
}

it('[REQ-SESSION-3] a server’s question goes to the client whose call it belongs to, and its answer back into that session', async () => {
  const [alice, bob] = await bothAgents()
  for (let round = 0; round < 3; round++) {
    const answers = await Promise.all([alice, bob].map(({ client }) => client.callTool({ name: 'whoami' })))
    expect(answers.map(textOf)).toEqual(['alices answered as alices', 'bobs answered as bobs'])
  }
  expect(alice.asked.every((question) => question.includes('Who is alices?'))).toBe(true)
  expect(bob.asked).toHaveLength(3)
})

it('[REQ-SESSION-3] nobody answers in another’s place, whichever session they name', async () => {
  const [alice, bob] = await bothAgents()
  let release: (() => void) | null = null
  alice.client.setRequestHandler(CreateMessageRequestSchema, async () => {
    await new Promise<void>((resolve) => {
      release = resolve
    })
    return { model: 'alice herself', role: 'assistant', content: { type: 'text', text: 'me' } }
  })
  const call = alice.client.callTool({ name: 'whoami' })
  const answered = await until('alice is asked', () => release)
  for (const id of [0, 1, 2]) {
    const forged = {
      jsonrpc: '2.0',
      id,
      result: { model: 'mallory', role: 'assistant', content: { type: 'text', text: 'x' } },
    }
    expect(await postAs(BOB.login, forged, alice.transport.sessionId)).toBe(404)
    expect(await postAs(BOB.login, forged, bob.transport.sessionId)).toBe(202)
  }
  answered()
  expect(textOf(await call)).toBe('alices answered as alice herself')
})

it('[REQ-SESSION-3] progress and log messages are heard by the one whose call they are about', async () => {
  const [alice, bob] = await bothAgents()
  const heard: string[] = []
  const [, counted] = await Promise.all([
    bob.client.callTool({ name: 'count' }),
    alice.client.callTool({ name: 'count' }, undefined, { onprogress: ({ message }) => heard.push(String(message)) }),
  ])
  expect(textOf(counted)).toBe('counted')
  expect(heard).toEqual(['for alices', 'for alices', 'for alices'])
  expect([alice.logged, bob.logged]).toEqual([
    ['alices', 'alices', 'alices'],
    ['bobs', 'bobs', 'bobs'],
  ])
})

it('[REQ-SESSION-3] a client takes its own call back, and not another’s of the same id', async () => {
  const [alice, bob] = await bothAgents()
  const taken = new AbortController()
  const calls = [
    alice.client.callTool({ name: 'endless' }, undefined, { signal: taken.signal }),
    bob.client.callTool({ name: 'endless' }),
  ]
  const settled = Promise.allSettled(calls)
  await until('both calls run', () => server.endless.running.size === 2)
  taken.abort('enough')
  await until('alice’s call is cancelled', () => server.endless.cancelled.has('alices'))
  expect([...server.endless.running]).toEqual(['bobs'])
  await bob.client.close()
  expect((await settled).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
})

it('[REQ-SESSION-2] a stream that the server ends before its answer is resumed, each by its own client', async () => {
  const [alice, bob] = await bothAgents()
  const answers = await Promise.all([alice, bob].map(({ client }) => client.callTool({ name: 'away' })))
  expect(answers.map(textOf)).toEqual(['back at alices', 'back at bobs'])
  expect(
    server.resumed.filter((id) => /^\d+$/.test(id)),
    'the server hears its own ids',
  ).toHaveLength(2)
  const outcomes = (await gateway.events()).filter(({ type, tool }) => type === 'call.outcome' && tool === 'away')
  expect(outcomes.map(({ outcome }) => outcome)).toEqual(['detached', 'detached'])
})

it('[REQ-SESSION-3] what a server says on its listening stream reaches the one client', async () => {
  const [alice, bob] = [await connect('listening', ALICE.login), await connect('other', BOB.login)]
  await until('alice hears', async () => {
    await server.notify('listening')
    return alice.updated.length > 0
  })
  expect(new Set(alice.updated)).toEqual(new Set(['for:listening']))
  expect(bob.updated).toEqual([])
})

it('asks its client over the stream on which the call was held, once people approved it', async () => {
  const [alice] = await bothAgents()
  const call = alice.client.callTool({ name: 'consent' })
  const card = await until('the card is shown', async () => (await reviewer.state()).json.pending[0])
  expect(alice.asked, 'nobody is asked before').toEqual([])
  await reviewer.click(card.approvalId, 'approve')
  expect(textOf(await call)).toBe('alices: accept alices')
})

it('large and oddly written numbers arrive byte for byte, alone and in a batch', async () => {
  const [alice] = await bothAgents()
  const call = (id: number) =>
    `{ "jsonrpc":"2.0","id" : ${id}, "method":"tools/call","params":{"name":"count","arguments":{"big":9007199254740991, "tiny":1.50e-7,"kept":"\\u00e9"}}}`
  const send = (body: string, version: string) => post(ALICE.login, body, alice.transport.sessionId, version)
  expect((await send(call(70), '2025-11-25')).status).toBe(200)
  expect(server.bodies).toContain(call(70))
  const batch = await send(`[${call(71)},\n${call(72)}]`, '2025-03-26')
  expect((await batch.text()).match(/"id":7[12]/g)?.sort()).toEqual(['"id":71', '"id":72'])
  expect(server.bodies).toEqual(expect.arrayContaining([call(71), call(72)]))
})

it('[REQ-BATCH-1] an element of a batch that is held keeps no other waiting, and its denial stops none', async () => {
  const [alice] = await bothAgents()
  const call = (id: number, name: string) => ({ jsonrpc: '2.0', id, method: 'tools/call', params: { name } })
  const batch = JSON.stringify([call(80, 'consent'), call(81, 'count')])
  const answer = await post(ALICE.login, batch, alice.transport.sessionId, '2025-03-26')
  const reader = (answer.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader()
  let heard = ''
  const hear = async (what: string) => {
    while (!heard.includes(what)) heard += (await reader.read()).value ?? ''
  }
  await hear('"id":81')
  await hear(': waiting for approval')
  expect(heard).not.toContain('"id":80')
  const card = await until('the card is shown', async () => (await reviewer.state()).json.pending[0])
  await reviewer.click(card.approvalId, 'deny')
  await hear('"id":80')
  const denied = heard.split('\n').find((line) => line.includes('"id":80'))
  expect(denied).toContain('"isError":true')
  expect((await reader.read()).done, 'every element is answered').toBe(true)
})

function post(login: string, body: string, session: string | undefined, version: string): Promise<Response> {
  return fetch(mcp, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${tokens.get(login)}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': version,
      ...(session === undefined ? {} : { 'mcp-session-id': session }),
    },
    body,
  })
}

async function postAs(login: string, message: object, session: string | undefined): Promise<number> {
  return (await post(login, JSON.stringify(message), session, '2025-11-25')).status
}
