/** The emergency stop, on two replicas of the whole gateway, from a shell: it needs no chat, and no gateway. */
import { execFile } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { ConsoleReviewer } from '../../demo/console-reviewer.ts'
import { createFreezes } from '../../jobs/freezes.ts'
import { epochMs } from '../../src/brands.ts'
import { operatorOf } from '../../src/cli/at-redis.ts'
import type { Gateway, World } from '../support/gateway.ts'
import { COMMAND, startWorld, UPSTREAM_KEY } from '../support/gateway.ts'
import type { RawMessage } from '../support/raw-agent.ts'
import { rawAgent, textOf } from '../support/raw-agent.ts'
import { taskClient } from '../support/task-client.ts'
import { until } from '../support/until.ts'

let world: World
let one: Gateway
let other: Gateway
let reviewer: ConsoleReviewer
/** Those that are to pass again after each test. */
let running: Gateway[] = []
let serial = 0

beforeAll(async () => {
  world = await startWorld()
  ;[one, other] = await Promise.all([
    world.startGateway({ keyPrefix: 'frozen' }),
    world.startGateway({ keyPrefix: 'frozen' }),
  ])
  running = [one, other]
  reviewer = await one.console()
})
afterEach(async () => {
  world.tap.intercept = null
  const freezes = createFreezes(await world.redis.connect('frozen'))
  for (const { scope } of await freezes.list()) await freezes.remove(scope)
  await until('it is thawed everywhere', async () =>
    (await Promise.all(running.map((gateway) => read(gateway)))).every((answer) => !isFrozen(answer)),
  )
})
afterAll(() => world?.close())

interface Said {
  readonly code: number
  readonly out: string
  readonly err: string
}

function countersign(command: 'freeze' | 'thaw', what: string, ...more: string[]): Promise<Said> {
  const args = [COMMAND, command, what, '--config', one.settingsFile, ...more]
  const env = { ...process.env, REDIS_URL: '', UPSTREAM_KEY }
  return new Promise((resolve) => {
    execFile(process.execPath, args, { env, timeout: 45_000, killSignal: 'SIGKILL' }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    )
  })
}

/** One MCP session a gateway, begun before anything is frozen. */
const agents = new Map<Gateway, ReturnType<typeof rawAgent>>()
async function agentOf(gateway: Gateway) {
  const known = agents.get(gateway)
  if (known !== undefined) return known
  const agent = rawAgent(gateway.mcp, await gateway.token())
  await agent.initialize()
  agents.set(gateway, agent)
  return agent
}

const call = async (gateway: Gateway, tool: string, args: Record<string, unknown>) => {
  serial += 1
  return (await agentOf(gateway)).call(tool, serial, args)
}
const read = (gateway: Gateway) => call(gateway, 'list_directory', { path: world.files })
const fileOf = (name: string) => path.join(world.files, `${name}.txt`)
const write = (gateway: Gateway, name: string) =>
  call(gateway, 'write_file', { path: fileOf(name), content: 'written' })
const isFrozen = ({ result }: RawMessage) =>
  (result?._meta as Record<string, { outcome?: string }> | undefined)?.['dev.countersign/decision']?.outcome ===
  'frozen'
const waits = (name: string) =>
  until('its card is shown', async () =>
    (await reviewer.state()).json.pending.find((card) => card.arguments.some(({ value }) => value === fileOf(name))),
  )

it('[REQ-FREEZE-1] a freeze stops every replica, says so to the agent, and a thaw lets through again', async () => {
  expect(isFrozen(await read(one))).toBe(false)
  const reached = world.tap.seen.length
  const said = await countersign('freeze', 'all', '--reason', 'A leaked token', '--by', 'Bob')
  expect(said).toMatchObject({ code: 0, out: expect.stringMatching(/Frozen\. Bob has stopped every call/) })
  for (const gateway of [one, other]) {
    const answer = await until('it is frozen', async () => {
      const got = await read(gateway)
      return isFrozen(got) && got
    })
    expect(textOf(answer)).toMatch(
      /Bob has stopped every call of every agent since 20.*A leaked token.*NOT executed.*ask Bob/,
    )
  }
  const before = world.tap.seen.length
  const agent = rawAgent(other.mcp, await other.token())
  await agent.initialize()
  const { messages } = await agent.post({ jsonrpc: '2.0', id: 7, method: 'tools/list' })
  expect(messages[0]).toMatchObject({ error: { code: -32004, data: { outcome: 'frozen', scope: 'all' } } })
  expect((await agent.send('GET')).status).toBe(403)
  // Connecting goes on, so that the first call can say what is the matter.
  const methods = world.tap.seen.slice(before).map(({ body }) => /"method":"([^"]+)"/.exec(body)?.[1])
  expect(new Set(methods)).toEqual(new Set(['initialize', 'notifications/initialized']))
  expect(world.tap.seen.slice(reached).some(({ body }) => body.includes('tools/'))).toBe(false)
  expect(await countersign('thaw', 'all', '--by', 'Carol')).toMatchObject({ code: 0 })
  await until('calls pass', async () => !isFrozen(await read(other)))
  // Not the name that was typed.
  const shellUser = operatorOf(undefined).id
  const events = await one.events()
  expect(events.filter(({ type }) => type.startsWith('freeze.'))).toMatchObject([
    { type: 'freeze.frozen', scope: { kind: 'all' }, by: { id: shellUser, name: 'Bob' }, reason: 'A leaked token' },
    { type: 'freeze.thawed', scope: { kind: 'all' }, by: { id: shellUser, name: 'Carol' } },
  ])
  expect(events.find(({ error }) => error === 'frozen')).toMatchObject({ type: 'call.outcome', outcome: 'refused' })
})

it('[REQ-FREEZE-3] ends the holds of the agent, on its connection, and tells it who did', async () => {
  const held = write(other, 'held')
  const card = await waits('held')
  const { out } = await countersign('freeze', 'agent:Alice@Example.com', '--by', 'Bob', '--json')
  expect(JSON.parse(out)).toMatchObject({ scope: 'agent:alice@example.com', ok: true, ended: { approvals: 1 } })
  expect(textOf(await held)).toMatch(
    /was cancelled: Bob has stopped every call of alice@example.com’s agents.*NOT executed/,
  )
  expect((await reviewer.click(card.approvalId, 'approve')).body).toMatchObject({
    ok: false,
    refusal: 'already_resolved',
  })
  expect(existsSync(fileOf('held'))).toBe(false)
})

it('[REQ-FREEZE-3] takes back what was approved and not used yet, and a thaw does not bring it back: people are asked anew', async () => {
  const leaving = new AbortController()
  const params = { name: 'write_file', arguments: { path: fileOf('unused'), content: 'written' } }
  const body = { jsonrpc: '2.0', id: 'unused', method: 'tools/call', params }
  const gone = (await agentOf(one)).post(body, { signal: leaving.signal })
  const card = await waits('unused')
  leaving.abort()
  await expect(gone).rejects.toThrow()
  expect((await reviewer.click(card.approvalId, 'approve')).body.ok).toBe(true)
  const { out } = await countersign('freeze', 'upstream:files', '--json')
  expect(JSON.parse(out)).toMatchObject({ ended: { approvals: 0, grants: 1 } })
  await countersign('thaw', 'upstream:files')
  await until('calls pass', async () => !isFrozen(await read(one)))
  // People are asked anew, about a call that nobody has approved.
  const again = write(one, 'unused')
  const anew = await waits('unused')
  expect(anew.approvalId).not.toBe(card.approvalId)
  expect(existsSync(fileOf('unused'))).toBe(false)
  await reviewer.click(anew.approvalId, 'deny')
  expect(textOf(await again)).toMatch(/Denied by a reviewer/)
})

it('ends a task that waits, and lets none run', async () => {
  const client = taskClient(one.mcp, await one.token())
  const { result } = await client.call('write_file', { path: fileOf('task'), content: 'written' })
  await waits('task')
  await countersign('freeze', 'all', '--by', 'Bob')
  const ended = await until('the task has ended', async () => {
    const got = (await client.get(String(result?.taskId))).result
    return got?.status === 'working' ? null : got
  })
  expect(JSON.stringify(ended)).toMatch(/Bob has stopped every call/)
  expect(existsSync(fileOf('task'))).toBe(false)
})

it('a call that its MCP server has already is not broken off', async () => {
  let release = () => {}
  const reached = new Promise<void>((resolve) => {
    world.tap.intercept = ({ body }, response) => {
      if (!body.includes('list_directory')) return false
      release = () => {
        const id = (JSON.parse(body) as { id: number }).id
        response.writeHead(200, { 'content-type': 'application/json' })
        response.end(JSON.stringify({ jsonrpc: '2.0', id, result: { content: [{ type: 'text', text: 'at last' }] } }))
      }
      resolve()
      return true
    }
  })
  const underWay = read(one)
  await reached
  world.tap.intercept = null
  await countersign('freeze', 'all')
  await until('it is frozen', async () => isFrozen(await read(one)))
  release()
  expect(textOf(await underWay)).toBe('at last')
})

describe('[REQ-FREEZE-4] the command', () => {
  it('lists what stands frozen, for people and for machines', async () => {
    await createFreezes(await world.redis.connect('frozen')).add({
      scope: { kind: 'upstream', upstream: 'files' },
      by: { id: 'shell:Bob', email: null, name: 'Bob' },
      at: epochMs(Date.now()),
      reason: 'Look at this',
    })
    const { code, out } = await countersign('freeze', 'list')
    expect(code).toBe(0)
    expect(out).toMatch(/^upstream:files: Bob has stopped every call to “files” since .*Look at this\.\n$/)
    const { out: json } = await countersign('freeze', 'list', '--json')
    expect(JSON.parse(json)).toMatchObject({ scope: 'upstream:files', by: { name: 'Bob' }, reason: 'Look at this' })
  })

  it('says that nothing is frozen', async () => {
    expect((await countersign('freeze', 'list')).out).toBe('Nothing is frozen.\n')
  })

  it.each<[string, 'freeze' | 'thaw', string, number, RegExp]>([
    [
      'an unknown upstream is wrong usage, with a suggestion',
      'freeze',
      'upstream:fles',
      2,
      /no upstream “fles”.*Did you mean files/,
    ],
    ['thawing what is not frozen is a no', 'thaw', 'all', 1, /Nothing has stopped every call of every agent/],
  ])('%s', async (_sentence, command, what, code, message) => {
    const said = await countersign(command, what)
    expect(said.code).toBe(code)
    expect(said.out + said.err).toMatch(message)
  })

  it('explains itself', async () => {
    const { code, out } = await countersign('freeze', '--help')
    expect(code).toBe(0)
    expect(out).toMatch(/Examples:\n {2}\$ countersign freeze all/)
  })

  it('says in a sentence that Redis is away', async () => {
    const file = path.join(one.directory, 'no-redis.yaml')
    const text = readFileSync(one.settingsFile, 'utf8').replace(/url: "redis:[^"]*"/, 'url: "redis://127.0.0.1:1/0"')
    writeFileSync(file, text)
    const said = await countersign('freeze', 'all', '--config', file)
    expect(said.code).toBe(1)
    expect(said.err).toMatch(/Redis cannot be reached: start it/)
  })
})

it('[REQ-FREEZE-4] needs no gateway: what it freezes is frozen for the one that starts next', async () => {
  running = [other]
  await Promise.all([one.kill(), other.kill()])
  expect(await countersign('freeze', 'upstream:files', '--by', 'Bob')).toMatchObject({ code: 0 })
  await other.restart()
  expect(isFrozen(await read(other))).toBe(true)
  await other.kill()
  await other.restart()
  expect(isFrozen(await read(other)), 'and it outlives that one too').toBe(true)
})
