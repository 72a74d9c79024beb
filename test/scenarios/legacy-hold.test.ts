/** How clients of MCP 2025-11-25 and earlier wait, come back and give up: the official SDK, and raw HTTP. */
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import type { StreamableHTTPClientTransportOptions } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { ConsoleReviewer } from '../../demo/console-reviewer.ts'
import type { Gateway, GatewayOptions, World } from '../support/gateway.ts'
import { startWorld } from '../support/gateway.ts'
import { BOB } from '../support/oidc-issuer.ts'
import type { Switch } from '../support/switch.ts'
import { startSwitch } from '../support/switch.ts'
import { until } from '../support/until.ts'

let world: World
const closing: (() => unknown)[] = []

beforeAll(async () => {
  world = await startWorld()
})
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})
afterAll(() => world?.close())

const ALLOW_ALL = 'version: 1\nrules: [{ id: all, effect: allow }]\n'
const CHANNELS = 'channels: { console: { reviewer: bob@example.com } }'

async function startGateway(options: GatewayOptions = {}): Promise<Gateway> {
  const gateway = await world.startGateway(options)
  closing.push(() => gateway.stop())
  return gateway
}

interface Replicas {
  readonly door: Switch
  readonly one: Gateway
  readonly other: Gateway
}

/** Two gateways on one Redis behind one address; it points to the first. */
async function startReplicas(name: string): Promise<Replicas> {
  const door = await startSwitch()
  closing.push(() => door.close())
  const options = { publicUrl: door.url, keyPrefix: name }
  const [one, other] = await Promise.all([startGateway(options), startGateway(options)])
  door.pointTo(one.url)
  return { door, one, other }
}

interface Sdk {
  readonly client: Client
  call(name: string, options?: Parameters<Client['callTool']>[2]): Promise<{ text: string; isError: boolean }>
}

async function connect(gateway: Gateway, more: StreamableHTTPClientTransportOptions = {}): Promise<Sdk> {
  const client = new Client({ name: 'patient agent', version: '1.0.0' })
  const requestInit = { headers: { authorization: `Bearer ${await gateway.token()}` } }
  await client.connect(new StreamableHTTPClientTransport(gateway.mcp, { requestInit, ...more }))
  closing.push(() => client.close())
  return {
    client,
    async call(name, options) {
      const answer = await client.callTool({ name: 'write_file', arguments: write(name) }, undefined, options)
      const [part] = answer.content as { text: string }[]
      return { text: part?.text ?? '', isError: answer.isError === true }
    },
  }
}

const write = (name: string) => ({ path: path.join(world.files, name), content: `content of ${name}` })
const sentFor = (name: string) => world.tap.callsOf('write_file').filter(({ body }) => body.includes(name))
const isWritten = (name: string) => readFileSync(path.join(world.files, name), 'utf8') === `content of ${name}`

const onlyCard = (reviewer: ConsoleReviewer) =>
  until('one card is shown', async () => {
    const { pending } = (await reviewer.state()).json
    return pending.length === 1 ? pending[0] : null
  })
/** The card may be there a moment before the client has what it comes back with. */
function comeback(): { readonly place: Promise<string>; readonly onresumptiontoken: (token: string) => void } {
  let onresumptiontoken: (token: string) => void = () => undefined
  const place = new Promise<string>((resolve) => {
    onresumptiontoken = resolve
  })
  return { place, onresumptiontoken }
}
const outcomeOf = (gateway: Gateway, outcome: string) =>
  until(`the outcome ${outcome} is recorded`, async () =>
    (await gateway.events()).find((event) => event.type === 'call.outcome' && event.outcome === outcome),
  )
const joined = (gateway: Gateway) =>
  until('the call has come back', async () => (await gateway.events()).some(({ type }) => type === 'approval.joined'))

describe('a client with the SDK’s defaults', () => {
  it('[REQ-LEGACY-1] gets the pending answer before its own time-out; called again, it joins and gets its one result', async () => {
    const gateway = await startGateway({ settings: `holds: { defaultBudget: 1s }\n${CHANNELS}` })
    const reviewer = await gateway.console()
    const agent = await connect(gateway)
    const first = await agent.call('pending.txt')
    expect(first.isError).toBe(true)
    const card = await onlyCard(reviewer)
    expect(first.text).toContain(`NOT executed: approval ${card.approvalId} is pending`)
    expect(first.text).toContain('Call again with identical arguments')
    await reviewer.click(card.approvalId, 'approve')
    expect((await agent.call('pending.txt')).isError).toBe(false)
    expect(isWritten('pending.txt')).toBe(true)
    expect(sentFor('pending.txt')).toHaveLength(1)
  })

  it('[REQ-LEGACY-1] waits on where progress keeps it', async () => {
    const gateway = await startGateway({ settings: `holds: { defaultBudget: 1s }\n${CHANNELS}` })
    const reviewer = await gateway.console()
    const agent = await connect(gateway)
    let heard = 0
    const onprogress = () => {
      heard += 1
    }
    const startedAt = Date.now()
    const call = agent.call('progress.txt', { onprogress, resetTimeoutOnProgress: true })
    const card = await onlyCard(reviewer)
    await until('its budget would be over', () => Date.now() - startedAt > 1_500)
    await reviewer.click(card.approvalId, 'approve')
    expect((await call).isError).toBe(false)
    expect(heard).toBeGreaterThan(0)
    expect(sentFor('progress.txt')).toHaveLength(1)
  })
})

describe('the gateway goes while it holds a call, and the client’s one call gets its one result', () => {
  it('[REQ-LEGACY-2] killed and restarted', async () => {
    const gateway = await startGateway()
    // By default it tries twice, in ten seconds: a machine that runs all tests at once may take longer to start a gateway.
    const reconnectionOptions = {
      initialReconnectionDelay: 5_000,
      maxReconnectionDelay: 5_000,
      reconnectionDelayGrowFactor: 1,
      maxRetries: 10,
    }
    const agent = await connect(gateway, { reconnectionOptions })
    const { place, onresumptiontoken } = comeback()
    const call = agent.call('killed.txt', { timeout: 120_000, onresumptiontoken })
    await onlyCard(await gateway.console())
    await place
    await gateway.kill()
    await gateway.restart()
    const reviewer = await gateway.console()
    const card = await onlyCard(reviewer)
    await joined(gateway)
    await reviewer.click(card.approvalId, 'approve')
    expect((await call).isError).toBe(false)
    expect(isWritten('killed.txt')).toBe(true)
    expect(sentFor('killed.txt')).toHaveLength(1)
  })

  it.each<[string, (gateway: Gateway) => Promise<unknown>]>([
    ['killed', (gateway) => gateway.kill()],
    ['told to stop', async (gateway) => expect(await gateway.stop()).toBe(0)],
  ])('[REQ-LEGACY-2] %s, with another replica', async (how, end) => {
    const name = `replica-${how.length}.txt`
    const { door, one, other } = await startReplicas(`two-${how.length}`)
    const agent = await connect(one)
    const { place, onresumptiontoken } = comeback()
    const call = agent.call(name, { onresumptiontoken })
    const reviewer = await other.console()
    const card = await onlyCard(reviewer)
    await place
    door.pointTo(other.url)
    await end(one)
    // Decided while nobody is attached: it runs when its client is back, and not before.
    await reviewer.click(card.approvalId, 'approve')
    expect(sentFor(name)).toHaveLength(0)
    expect((await call).isError).toBe(false)
    expect(isWritten(name)).toBe(true)
    expect(sentFor(name)).toHaveLength(1)
  })
})

describe('a client cancels a held call', () => {
  it('[REQ-LEGACY-3] by an abort: the card is withdrawn, with its words', async () => {
    const gateway = await startGateway()
    const reviewer = await gateway.console()
    const agent = await connect(gateway)
    const abort = new AbortController()
    const call = agent.call('aborted.txt', { signal: abort.signal }).catch(String)
    const card = await onlyCard(reviewer)
    abort.abort('not today\u202e')
    expect(await call).toContain('not today')
    const resolved = await until('the card is withdrawn', async () =>
      (await reviewer.state()).json.decided.find(({ approvalId }) => approvalId === card.approvalId),
    )
    expect(JSON.stringify(resolved)).toContain('Withdrawn by the agent: not today⟨U+202E⟩')
    await outcomeOf(gateway, 'abandoned')
    expect(await gateway.events()).toContainEqual(
      expect.objectContaining({ type: 'approval.resolved', approval_id: card.approvalId, state: 'cancelled' }),
    )
    expect(sentFor('aborted.txt')).toHaveLength(0)
    expect(world.tap.seen.filter(({ body }) => body.includes('notifications/cancelled'))).toHaveLength(0)

    const again = agent.call('aborted.txt')
    const asked = await onlyCard(reviewer)
    expect(asked.approvalId, 'the same call, made again, asks again').not.toBe(card.approvalId)
    await reviewer.click(asked.approvalId, 'deny')
    expect((await again).isError).toBe(true)
  })

  it('[REQ-LEGACY-3] by its time-out: nobody waits any more, the question stays, and its answer waits for the next call', async () => {
    const gateway = await startGateway()
    const reviewer = await gateway.console()
    const agent = await connect(gateway)
    const call = agent.call('timed-out.txt', { timeout: 1_000 }).catch(String)
    const card = await onlyCard(reviewer)
    expect(await call).toContain('Request timed out')
    await outcomeOf(gateway, 'abandoned')
    await reviewer.click(card.approvalId, 'approve')
    expect(sentFor('timed-out.txt'), 'nothing runs with nobody attached').toHaveLength(0)
    expect((await agent.call('timed-out.txt')).isError).toBe(false)
    expect(sentFor('timed-out.txt')).toHaveLength(1)
  })

  it('[REQ-LEGACY-3] at another replica', async () => {
    const { door, one, other } = await startReplicas('cancel')
    const reviewer = await other.console()
    const agent = await connect(one)
    const abort = new AbortController()
    const call = agent.call('elsewhere.txt', { signal: abort.signal }).catch(String)
    await onlyCard(reviewer)
    door.pointTo(other.url)
    abort.abort()
    await call
    await until('the card is withdrawn', async () => (await reviewer.state()).json.pending.length === 0)
    await outcomeOf(one, 'abandoned')
  })

  it('[REQ-LEGACY-3] while another connection waits for the same approval: the card stays', async () => {
    const gateway = await startGateway()
    const reviewer = await gateway.console()
    const [first, second] = [await connect(gateway), await connect(gateway)]
    const abort = new AbortController()
    const aborted = first.call('shared.txt', { signal: abort.signal }).catch(String)
    const card = await onlyCard(reviewer)
    const call = second.call('shared.txt')
    await joined(gateway)
    abort.abort()
    await aborted
    await outcomeOf(gateway, 'abandoned')
    await reviewer.click(card.approvalId, 'approve')
    expect((await call).isError).toBe(false)
    expect(sentFor('shared.txt')).toHaveLength(1)
  })
})

// ---- raw HTTP

interface Raw {
  post(message: object, more?: Record<string, string>): Promise<Response>
  get(lastEventId: string): Promise<Response>
}

async function rawClient(gateway: Gateway, version: string, token?: string): Promise<Raw> {
  const headers: Record<string, string> = {
    authorization: `Bearer ${token ?? (await gateway.token())}`,
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
  }
  const post = (message: object, more: Record<string, string> = {}) =>
    fetch(gateway.mcp, { method: 'POST', headers: { ...headers, ...more }, body: JSON.stringify(message) })
  const clientInfo = { name: 'raw', version: '1' }
  const initialized = await post({
    jsonrpc: '2.0',
    id: 0,
    method: 'initialize',
    params: { protocolVersion: version, capabilities: {}, clientInfo },
  })
  await initialized.text()
  headers['mcp-protocol-version'] = version
  const session = initialized.headers.get('mcp-session-id')
  if (session !== null) headers['mcp-session-id'] = session
  await post({ jsonrpc: '2.0', method: 'notifications/initialized' })
  return {
    post,
    get: (lastEventId) => fetch(gateway.mcp, { headers: { ...headers, 'last-event-id': lastEventId } }),
  }
}

const callOf = (name: string, id: number) => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name: 'write_file', arguments: write(name) },
})

/** The stream's first event and the id in it; the rest goes on being read. */
async function primedBy(answer: Response): Promise<{ first: string; id: string; rest: Promise<string> }> {
  const reader = (answer.body as ReadableStream<Uint8Array>).getReader()
  const decoder = new TextDecoder()
  let text = ''
  while (!text.includes('\n\n')) text += decoder.decode((await reader.read()).value, { stream: true })
  const rest = (async () => {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return text
      text += decoder.decode(value, { stream: true })
    }
  })()
  const first = text.slice(0, text.indexOf('\n\n'))
  return { first, id: /^id: (.*)$/m.exec(first)?.[1] ?? '', rest }
}

describe('on the wire', () => {
  it('a client of 2025-11-25 is primed; of 2025-06-18, which would parse the empty data, it is not', async () => {
    const gateway = await startGateway()
    const reviewer = await gateway.console()
    const [now, before] = [await rawClient(gateway, '2025-11-25'), await rawClient(gateway, '2025-06-18')]
    const primed = await primedBy(await now.post(callOf('wire.txt', 7)))
    expect(primed.first).toMatch(/^retry: 5000\nid: cs1\.\S+\ndata: $/)
    const older = await primedBy(await before.post(callOf('wire.txt', 7)))
    expect(older.first).toBe(': waiting for approval')
    await reviewer.click((await onlyCard(reviewer)).approvalId, 'deny')
    expect(await older.rest).not.toMatch(/^id:/m)
    const [, ...events] = (await primed.rest).trim().split('\n\n')
    expect(events.at(-2)).toContain('"id":7')
    expect(events.at(-1), 'an id behind the answer').toMatch(/^id: cs1\.\S+\ndata:$/)
  })

  it('[REQ-LEGACY-4] whoever comes back finds its answer or nothing, and never a second run', async () => {
    const gateway = await startGateway()
    const reviewer = await gateway.console()
    const client = await rawClient(gateway, '2025-11-25')
    const primed = await primedBy(await client.post(callOf('twice.txt', 7)))
    const card = await onlyCard(reviewer)
    const again = await primedBy(await client.get(primed.id))
    expect(await primed.rest, 'the connection before ends without an answer').not.toContain('"jsonrpc"')
    await reviewer.click(card.approvalId, 'approve')
    const answer = await again.rest
    expect(answer).toContain('"id":7')
    expect(sentFor('twice.txt')).toHaveLength(1)
    const last = [...answer.matchAll(/^id: (.*)$/gm)].at(-1)?.[1] ?? ''
    expect((await client.get(last)).status, 'nothing is behind the answer').toBe(204)
    const replayed = await client.get(primed.id)
    expect(await replayed.text()).toContain('"id":7')
    expect(sentFor('twice.txt')).toHaveLength(1)
  })

  it('[REQ-LEGACY-4] also where policy has come to allow the call, which no fence then keeps from a second run', async () => {
    const gateway = await startGateway()
    const client = await rawClient(gateway, '2025-11-25')
    const primed = await primedBy(await client.post(callOf('allowed.txt', 7)))
    await onlyCard(await gateway.console())
    primed.rest.catch(() => undefined)
    await gateway.kill()
    await writeFile(path.join(gateway.directory, 'policy.yaml'), ALLOW_ALL)
    await gateway.restart()
    const answers = await Promise.all([client.get(primed.id), client.get(primed.id)])
    const texts = await Promise.all(answers.map((answer) => answer.text()))
    expect(texts.filter((text) => text.includes('"result"'))).toHaveLength(1)
    expect((await client.get(primed.id)).status).toBe(204)
    expect(sentFor('allowed.txt')).toHaveLength(1)
  })

  it('[REQ-LEGACY-4] nobody else comes back to it, or takes it back', async () => {
    const gateway = await startGateway()
    const reviewer = await gateway.console()
    const client = await rawClient(gateway, '2025-11-25')
    const ofBob = await world.issuer.tokenFor(BOB, gateway.mcp.href)
    const bob = await rawClient(gateway, '2025-11-25', ofBob)
    const otherSession = await rawClient(gateway, '2025-11-25')
    const primed = await primedBy(await client.post(callOf('mine.txt', 7)))
    const card = await onlyCard(reviewer)

    expect((await bob.get(primed.id)).status).toBe(400)
    expect((await client.get(`${primed.id.slice(0, -3)}AAA`)).status).toBe(400)
    const cancel = (reason: string) => ({
      jsonrpc: '2.0',
      method: 'notifications/cancelled',
      params: { requestId: 7, reason },
    })
    for (const stranger of [bob, otherSession]) {
      for (const reason of ['stopped', 'Request timed out']) await (await stranger.post(cancel(reason))).text()
    }
    expect((await onlyCard(reviewer)).approvalId).toBe(card.approvalId)
    await reviewer.click(card.approvalId, 'approve')
    expect(await primed.rest).toContain('"id":7')
    expect(sentFor('mine.txt')).toHaveLength(1)
  })

  it('a client that takes no stream, and is told to wait for another gateway, gets the pending answer', async () => {
    const gateway = await startGateway()
    const client = await rawClient(gateway, '2025-06-18')
    const call = client.post(callOf('json.txt', 7), { accept: 'application/json' })
    await onlyCard(await gateway.console())
    expect(await gateway.stop()).toBe(0)
    expect(await (await call).json()).toMatchObject({ id: 7, result: { isError: true } })
  })
})
