/** What must hold when something falls: the gateway, Redis, the disk. Real processes, real signals. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { ConsoleReviewer } from '../../demo/console-reviewer.ts'
import type { Gateway, World } from '../support/gateway.ts'
import { startWorld } from '../support/gateway.ts'
import { connectAgent } from '../support/mcp-clients.ts'
import { until } from '../support/until.ts'

let world: World
const gateways: Gateway[] = []

beforeAll(async () => {
  world = await startWorld()
})
afterEach(async () => {
  world.tap.intercept = null
  await Promise.all(gateways.splice(0).map((gateway) => gateway.stop()))
})
afterAll(() => world?.close())

async function startGateway(options: Parameters<World['startGateway']>[0] = {}): Promise<Gateway> {
  const gateway = await world.startGateway(options)
  gateways.push(gateway)
  return gateway
}

const onlyCard = (reviewer: ConsoleReviewer) =>
  until('one card is shown', async () => {
    const { pending } = (await reviewer.state()).json
    return pending.length === 1 ? pending[0] : null
  })

const write = (name: string) => ({ path: path.join(world.files, name), content: `content of ${name}` })
const sentFor = (name: string) => world.tap.callsOf('write_file').filter(({ body }) => body.includes(name))

/**
 * A call whose connection will be cut. Nobody waits for what comes of it: the SDK notices a stream that broke off only
 * when its own request times out.
 */
function callAndLose(gateway: Gateway, name: string): void {
  gateway
    .token()
    .then((token) => connectAgent('modern', gateway.mcp, token))
    .then((agent) => agent.call('write_file', write(name)))
    .catch(() => undefined)
}

describe('the gateway is killed while it holds a call', () => {
  it.each<[string, 'before' | 'after']>([
    ['after the approval, and uses it', 'after'],
    ['before the approval, and joins it', 'before'],
  ])(
    '[REQ-HOLD-4] the client that comes back %s gets its one result; the upstream saw one call',
    async (_sentence, order) => {
      const name = `killed-${order}.txt`
      const gateway = await startGateway()
      callAndLose(gateway, name)
      await onlyCard(await gateway.console())
      await gateway.kill()
      await gateway.restart()
      const reviewer = await gateway.console()
      const card = await onlyCard(reviewer)
      const agent = await connectAgent('modern', gateway.mcp, await gateway.token())
      if (order === 'after') await reviewer.click(card.approvalId, 'approve')
      const call = agent.call('write_file', write(name))
      if (order === 'before') {
        await until('the call has joined', async () =>
          (await gateway.events()).some(
            ({ type, approval_id }) => type === 'approval.joined' && approval_id === card.approvalId,
          ),
        )
        await reviewer.click(card.approvalId, 'approve')
      }
      expect((await call).isError).toBe(false)
      expect(readFileSync(path.join(world.files, name), 'utf8')).toBe(`content of ${name}`)
      expect(sentFor(name)).toHaveLength(1)
      await agent.close()
    },
  )
})

describe('the gateway is told to stop while it holds a call', () => {
  it('[REQ-HOLD-7] lets the agent go with the approval open, exits 0, and knows the approval after its start', async () => {
    const name = 'stopped.txt'
    const gateway = await startGateway()
    const agent = await connectAgent('legacy', gateway.mcp, await gateway.token())
    // Its client comes back by itself (legacy-hold.test.ts), or not: the approval is there either way.
    agent.call('write_file', write(name)).catch(() => undefined)
    const card = await onlyCard(await gateway.console())
    expect(await gateway.stop()).toBe(0)
    expect(existsSync(path.join(world.files, name))).toBe(false)
    await gateway.restart()
    expect((await onlyCard(await gateway.console())).approvalId).toBe(card.approvalId)
    expect(gateway.process.output()).not.toContain('error')
  })
})

describe('the gateway is told to stop while a client listens and a call runs', () => {
  it('waits for the call, and neither for the stream nor for the connection that the client keeps', async () => {
    // Longer than the test would wait for the process to end by itself.
    const gateway = await startGateway({ settings: 'shutdown: { drain: 10m }\nchannels: { console: {} }' })
    const headers = { authorization: `Bearer ${await gateway.token()}`, accept: 'application/json, text/event-stream' }
    let finish: () => void = () => undefined
    const isRunning = new Promise<void>((resolve) => {
      world.tap.intercept = ({ method, body }, response) => {
        if (method === 'GET') response.writeHead(200, { 'content-type': 'text/event-stream' }).write(': here\n\n')
        else {
          const { id } = JSON.parse(body) as { id: number }
          const answer = JSON.stringify({ jsonrpc: '2.0', id, result: { content: [] } })
          finish = () => void response.writeHead(200, { 'content-type': 'application/json' }).end(answer)
          resolve()
        }
        return true
      }
    })
    // A client of today names its revision.
    const listening = await fetch(gateway.mcp, { headers: { ...headers, 'mcp-protocol-version': '2025-11-25' } })
    const body = '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"list_allowed_directories"}}'
    const call = fetch(gateway.mcp, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body,
    })
    await isRunning
    const stopped = gateway.stop()
    await gateway.process.line(/stopping/)
    expect(await listening.text(), 'no message, only when to come back').toBe('retry: 5000\n\n')
    finish()
    expect(await (await call).json()).toMatchObject({ id: 7, result: {} })
    expect(await stopped).toBe(0)
    world.tap.intercept = null
  })
})

describe('Redis is away', () => {
  it('at start: the gateway listens, refuses in milliseconds, and is ready once Redis is there', async () => {
    const redis = await import('../support/redis.ts').then(({ startTestRedis }) => startTestRedis())
    redis.signal('SIGKILL')
    const slack = '{ botToken: xoxb-1, signingSecret: s, approvals: C0123ABCD, apiUrl: "http://127.0.0.1:9/api/" }'
    const settings = `channels: { slack: ${slack}, console: { reviewer: bob@example.com } }`
    const gateway = await startGateway({ redisUrl: redis.url, unready: true, settings })
    const before = Date.now()
    const answer = await fetch(gateway.mcp, { method: 'POST' })
    expect(answer.status).toBe(503)
    expect(await answer.text()).toContain('store_unavailable')
    expect(Date.now() - before, 'closed at once, on a machine however slow').toBeLessThan(5_000)
    expect((await fetch(`${gateway.url}/readyz`)).status).toBe(503)
    expect((await fetch(`${gateway.url}/healthz`)).status).toBe(200)
    const statusOf = async (path: string) => (await fetch(`${gateway.url}${path}`, { method: 'POST' })).status
    expect(await statusOf('/slack/events'), 'so that Slack sends it again').toBe(503)
    expect(await statusOf('/api/messages'), 'of a channel that is not configured').toBe(404)
    await redis.restart()
    await until('the gateway is ready', async () => (await fetch(`${gateway.url}/readyz`)).status === 200)
    await gateway.stop()
    await redis.stop()
  })

  it.each<[string, NodeJS.Signals]>([
    ['killed', 'SIGKILL'],
    ['frozen', 'SIGSTOP'],
  ])(
    '[REQ-HOLD-6] mid-way, %s: a call is refused, nothing is forwarded, and no ghost of it appears later',
    async (how, signal) => {
      const redis = await import('../support/redis.ts').then(({ startTestRedis }) => startTestRedis())
      const name = `redis-${how}.txt`
      const gateway = await startGateway({ redisUrl: redis.url })
      const agent = await connectAgent('modern', gateway.mcp, await gateway.token())
      await agent.call('list_allowed_directories', {})
      redis.signal(signal)
      const refused = await agent.call('write_file', write(name)).catch((error: Error) => error)
      expect(String(refused)).toMatch(/503|store_unavailable|Redis/)
      if (signal === 'SIGSTOP') redis.signal('SIGCONT')
      else await redis.restart()
      await until('the gateway is ready again', async () => (await fetch(`${gateway.url}/readyz`)).status === 200)
      // A call that is asked afterwards is the only one that anybody is asked about.
      const reviewer = await gateway.console()
      const call = agent.call('write_file', write(`after-${name}`))
      const card = await onlyCard(reviewer)
      await reviewer.click(card.approvalId, 'approve')
      expect((await call).isError).toBe(false)
      expect((await reviewer.state()).json.pending).toEqual([])
      expect(existsSync(path.join(world.files, name))).toBe(false)
      expect(sentFor(`/${name}`)).toHaveLength(0)
      await agent.close()
      await gateway.stop()
      await redis.stop()
    },
  )
})

describe('the recording cannot be written', () => {
  it('from the start: the gateway is not ready and forwards nothing', async () => {
    const gateway = await startGateway({ recordings: '/dev/null/recordings', unready: true })
    const readiness = await until('all but the recording is ready', async () => {
      const answer = await fetch(`${gateway.url}/readyz`)
      const { checks } = (await answer.json()) as { checks: Record<string, boolean> }
      return checks.redis && checks.started ? { status: answer.status, checks } : null
    })
    expect(readiness).toMatchObject({ status: 503, checks: { recording: false } })
    const before = world.tap.seen.length
    await expect(connectAgent('legacy', gateway.mcp, await gateway.token())).rejects.toThrow(/recording/)
    expect(world.tap.seen).toHaveLength(before)
  })

  it('[REQ-RECORD-3] mid-way: neither allowed nor approved calls are forwarded any more', async () => {
    const name = 'no-disk.txt'
    const gateway = await startGateway()
    const agent = await connectAgent('modern', gateway.mcp, await gateway.token())
    const call = agent.call('write_file', write(name)).catch((error: Error) => error)
    const reviewer = await gateway.console()
    const card = await onlyCard(reviewer)
    const before = world.tap.callsOf('list_allowed_directories').length
    // The kernel refuses every further byte, as on a full disk.
    execFileSync('prlimit', ['--pid', String(gateway.process.child.pid), '--fsize=1:1'])
    await expect(agent.call('list_allowed_directories', {})).rejects.toThrow(/recording/)
    expect(world.tap.callsOf('list_allowed_directories')).toHaveLength(before)
    const click = await reviewer.click(card.approvalId, 'approve')
    expect(click.body.ok, 'an approval that can’t be recorded does not count').not.toBe(true)
    expect(String(await call)).toContain('recording')
    expect(existsSync(path.join(world.files, name))).toBe(false)
    expect(sentFor(name)).toHaveLength(0)
  })
})
