/** A task outlives the gateway that made it: replicas on one Redis, real processes, real signals. */
import { existsSync, readFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import type { ConsoleReviewer } from '../../demo/console-reviewer.ts'
import type { Gateway, World } from '../support/gateway.ts'
import { startWorld } from '../support/gateway.ts'
import { startTestRedis } from '../support/redis.ts'
import type { TaskClient, TaskResult } from '../support/task-client.ts'
import { taskClient } from '../support/task-client.ts'
import { until } from '../support/until.ts'

let world: World
const running: Gateway[] = []
let groups = 0

beforeAll(async () => {
  world = await startWorld()
})
afterEach(async () => {
  world.tap.intercept = null
  await Promise.all(running.splice(0).map((gateway) => gateway.stop()))
})
afterAll(() => world?.close())

/** A way to start replicas of one another. */
function replicas(options: Parameters<World['startGateway']>[0] = {}): () => Promise<Gateway> {
  groups += 1
  const keyPrefix = `replicas-${groups}`
  return async () => {
    const gateway = await world.startGateway({ ...options, keyPrefix })
    running.push(gateway)
    return gateway
  }
}

const clientOf = async (gateway: Gateway) => taskClient(gateway.mcp, await gateway.token())
const write = (name: string) => ({ path: path.join(world.files, name), content: `content of ${name}` })
const sentFor = (name: string) => world.tap.callsOf('write_file').filter(({ body }) => body.includes(name))

async function taskOf(client: TaskClient, name: string): Promise<TaskResult> {
  const { result } = await client.call('write_file', write(name))
  if (result?.resultType !== 'task') throw new Error(`no task: ${client.lastText}`)
  return result
}

async function approve(gateway: Gateway): Promise<void> {
  const reviewer = await reviewerOf(gateway)
  const card = await until('the card is shown', async () => (await reviewer.state()).json.pending[0])
  expect((await reviewer.click(card.approvalId, 'approve')).body.ok).toBe(true)
}

/** A start prints one link, which opens the console once. */
const reviewers = new Map<Gateway, Promise<ConsoleReviewer>>()
function reviewerOf(gateway: Gateway): Promise<ConsoleReviewer> {
  const known = reviewers.get(gateway) ?? gateway.console()
  reviewers.set(gateway, known)
  return known
}

const ended = (client: TaskClient, taskId: string, timeoutMs?: number) =>
  until(
    'the task has ended',
    async () => {
      const { result } = await client.get(taskId)
      return result && result.status !== 'working' ? result : null
    },
    timeoutMs,
  )

/** The server takes the call and does not answer it. */
function silence(name: string): { readonly taken: Promise<ServerResponse> } {
  return {
    taken: new Promise((resolve) => {
      world.tap.intercept = ({ body }, response) => {
        if (!body.includes(name)) return false
        resolve(response)
        return true
      }
    }),
  }
}

function answer(response: ServerResponse, name: string): void {
  const { id } = JSON.parse(sentFor(name)[0]?.body ?? '{}') as { id: number }
  const body = JSON.stringify({ jsonrpc: '2.0', id, result: { content: [{ type: 'text', text: 'late' }] } })
  response.writeHead(200, { 'content-type': 'application/json' }).end(body)
}

it('[REQ-TASK-1] is made on one replica and carried on by another, which outlives the first; each call is made once', async () => {
  const start = replicas()
  const [one, other] = [await start(), await start()]
  const [here, there] = [await clientOf(one), await clientOf(other)]
  const first = await taskOf(here, 'two.txt')
  expect((await there.get(first.taskId)).result).toMatchObject({ taskId: first.taskId, status: 'working' })
  await approve(other)
  expect(await ended(there, first.taskId)).toMatchObject({ status: 'completed' })
  expect(await ended(here, first.taskId)).toMatchObject({ status: 'completed' })
  expect(readFileSync(path.join(world.files, 'two.txt'), 'utf8')).toBe('content of two.txt')

  const second = await taskOf(here, 'survivor.txt')
  await one.kill()
  await approve(other)
  expect(await ended(there, second.taskId)).toMatchObject({ status: 'completed' })
  expect([sentFor('two.txt'), sentFor('survivor.txt')].map(({ length }) => length)).toEqual([1, 1])
})

it('whose gateway was killed while the server had its call fails, saying that nobody knows; the server saw it once', async () => {
  const start = replicas()
  const one = await start()
  const task = await taskOf(await clientOf(one), 'unknown.txt')
  const { taken } = silence('unknown.txt')
  await approve(one)
  await taken
  await one.kill()
  const there = await clientOf(await start())
  // A killed worker's job is taken over when its lock is over.
  const end = await ended(there, task.taskId, 60_000)
  expect(end).toMatchObject({ status: 'failed', error: { message: expect.stringMatching(/nobody knows/) } })
  expect(end.statusMessage).not.toContain('NOT executed')
  expect(sentFor('unknown.txt')).toHaveLength(1)
})

it('whose gateway is told to stop while the server has its call gets the answer that comes meanwhile', async () => {
  const start = replicas()
  const one = await start()
  const task = await taskOf(await clientOf(one), 'drained.txt')
  const { taken } = silence('drained.txt')
  await approve(one)
  const response = await taken
  const stopped = one.stop()
  await one.process.line(/stopping/)
  answer(response, 'drained.txt')
  expect(await stopped).toBe(0)
  const end = await ended(await clientOf(await start()), task.taskId)
  expect(end).toMatchObject({ status: 'completed', result: { content: [{ text: 'late' }] } })
  expect(sentFor('drained.txt')).toHaveLength(1)
})

it('whose gateway stops and can wait no longer is lost, as any approved call: nobody is told that it failed', async () => {
  const start = replicas({
    settings: 'shutdown: { drain: 1s }\nchannels: { console: { reviewer: bob@example.com } }',
  })
  const one = await start()
  const task = await taskOf(await clientOf(one), 'cut-off.txt')
  const { taken } = silence('cut-off.txt')
  await approve(one)
  await taken
  expect(await one.stop()).toBe(0)
  expect((await one.events()).filter(({ type }) => type === 'call.outcome').map(({ outcome }) => outcome)).toEqual([
    'pending',
  ])
  const other = await start()
  const there = await clientOf(other)
  const reviewer = await reviewerOf(other)
  await until('people are asked', async () => (await reviewer.state()).json.pending[0]?.asksWhetherItRan)
  const end = await ended(there, task.taskId, 60_000)
  expect(end).toMatchObject({ status: 'failed', error: { message: expect.stringMatching(/nobody knows/) } })
  expect(sentFor('cut-off.txt')).toHaveLength(1)
})

it('is not promised while Redis is away: the call is refused, and nothing of it is sent later', async () => {
  const redis = await startTestRedis()
  const one = await replicas({ redisUrl: redis.url })()
  const client = await clientOf(one)
  await client.call('list_allowed_directories', {})
  redis.signal('SIGKILL')
  const refused = await client.call('write_file', write('refused.txt'))
  expect(refused.httpStatus).toBe(503)
  expect(refused.result).toBeUndefined()
  await redis.restart()
  await until('the gateway is ready again', async () => (await fetch(`${one.url}/readyz`)).status === 200)
  expect((await (await reviewerOf(one)).state()).json.pending).toEqual([])
  expect(existsSync(path.join(world.files, 'refused.txt'))).toBe(false)
  await one.stop()
  await redis.stop()
})

it('is carried on after Redis was away when its approval was given', async () => {
  const redis = await startTestRedis()
  const one = await replicas({ redisUrl: redis.url })()
  const client = await clientOf(one)
  const task = await taskOf(client, 'outage.txt')
  const { taken } = silence('outage.txt')
  await approve(one)
  const response = await taken
  redis.signal('SIGKILL')
  answer(response, 'outage.txt')
  await redis.restart()
  await until('the gateway is ready again', async () => (await fetch(`${one.url}/readyz`)).status === 200)
  expect(await ended(client, task.taskId)).toMatchObject({
    status: 'completed',
    result: { content: [{ text: 'late' }] },
  })
  expect(sentFor('outage.txt')).toHaveLength(1)
  await one.stop()
  await redis.stop()
})
