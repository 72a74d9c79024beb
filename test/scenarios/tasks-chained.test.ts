/**
 * What a server asks about an approved call, and a task that it makes of it, reach the agent through the gateway's own
 * task: people are asked once, and every answer goes to the server once.
 */
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import type { ConsoleReviewer } from '../../demo/console-reviewer.ts'
import type { AskingUpstream } from '../support/asking-upstream.ts'
import { NAME_REQUEST, OWN_TASK_ID, startAskingUpstream } from '../support/asking-upstream.ts'
import type { Gateway, World } from '../support/gateway.ts'
import { startWorld } from '../support/gateway.ts'
import type { TaskClient, TaskResult } from '../support/task-client.ts'
import { taskClient } from '../support/task-client.ts'
import { until } from '../support/until.ts'

const POLICY = `
version: 1
rules:
  - { id: asking, match: { upstream: asking, tool: "*" }, effect: require_approval, approval: { deadline: 15m } }
`

let world: World
let upstream: AskingUpstream
let gateway: Gateway
let reviewer: ConsoleReviewer
let client: TaskClient

beforeAll(async () => {
  ;[world, upstream] = await Promise.all([startWorld(), startAskingUpstream()])
  gateway = await world.startGateway({
    policy: POLICY,
    upstreams: `  asking: { url: ${upstream.url} }`,
  })
  reviewer = await gateway.console()
  const url = new URL(`${gateway.url}/mcp/asking`)
  client = taskClient(url, await gateway.token(url.href))
})
beforeEach(() => {
  upstream.own = { status: 'working' }
})
afterAll(async () => {
  await Promise.all([world?.close(), upstream?.close()])
})

/** The task of a call that is approved. */
async function approved(tool: string, args: object = {}): Promise<TaskResult> {
  const { result: task } = await client.call(tool, args)
  if (task?.resultType !== 'task') throw new Error(`no task: ${client.lastText}`)
  const card = await until('the card is shown', async () => (await reviewer.state()).json.pending[0])
  await reviewer.click(card.approvalId, 'approve')
  return task
}

const status = (taskId: string, wanted: TaskResult['status'], has: (task: TaskResult) => boolean = () => true) =>
  until(`the task is ${wanted}`, async () => {
    const { result } = await client.get(taskId)
    return result?.status === wanted && has(result) ? result : null
  })

it('[REQ-TASK-4] asks the client what the server asks, and takes each answer to it once, without a second approval', async () => {
  const { taskId } = await approved('ask', { run: 1 })
  const asking = await status(taskId, 'input_required')
  expect(asking.inputRequests).toEqual(NAME_REQUEST)
  const answers = { name: { action: 'accept', content: { name: 'Luca' } }, nobody: { action: 'accept' } }
  expect((await client.update(taskId, {})).result).toEqual({ resultType: 'complete' })
  expect((await client.get(taskId)).result?.status).toBe('input_required')
  const updates = await Promise.all([client.update(taskId, answers), client.update(taskId, answers)])
  expect(updates.map(({ result }) => result)).toEqual([{ resultType: 'complete' }, { resultType: 'complete' }])
  const end = await status(taskId, 'completed')
  expect(end.result?.content[0]?.text).toBe('Hello, Luca!')
  await client.update(taskId, { name: { action: 'accept', content: { name: 'Eve' } } })
  const calls = upstream.seenOf('tools/call', 'ask')
  expect(calls).toHaveLength(2)
  expect(calls[1]?.id).not.toBe(calls[0]?.id)
  expect(calls[1]?.params).toMatchObject({
    arguments: { run: 1 },
    requestState: 'state of the server',
    inputResponses: { name: { action: 'accept', content: { name: 'Luca' } } },
  })
  expect(calls[1]?.params.inputResponses).not.toHaveProperty('nobody')
  expect((await client.get(taskId)).result).toEqual(end)
  expect((await reviewer.state()).json.pending).toEqual([])
  const events = await gateway.events()
  const intents = events.filter(({ type, tool }) => type === 'call.intent' && tool === 'ask')
  expect(intents).toHaveLength(2)
  expect(new Set(intents.map((event) => event.approval_id)).size, 'both name one approval').toBe(1)
})

it('comes back to a server that gives nothing but a state', async () => {
  const { taskId } = await approved('insist')
  const end = await status(taskId, 'completed')
  expect(end.result?.content[0]?.text).toBe('came back with once more')
  expect(upstream.seenOf('tools/call', 'insist')).toHaveLength(2)
})

it('stops for good where the client cancels while the server waits for its answer', async () => {
  const { taskId } = await approved('ask', { run: 2 })
  await status(taskId, 'input_required')
  await client.cancel(taskId)
  await client.update(taskId, { name: { action: 'accept', content: { name: 'Luca' } } })
  expect((await client.get(taskId)).result).toMatchObject({ status: 'cancelled' })
  expect(upstream.seenOf('tools/call', 'ask').filter(({ params }) => params.inputResponses)).toHaveLength(1)
})

it('[REQ-TASK-4] shows the server’s own task through its own, and passes input and cancel on by the server’s id', async () => {
  const { taskId } = await approved('delegate', { run: 1 })
  await until('the server has the call', () => upstream.seenOf('tools/call', 'delegate').length === 1)
  await until('the server is asked', async () => {
    await client.get(taskId)
    return upstream.seenOf('tasks/get').length > 0
  })
  expect((await client.get(taskId)).result).toMatchObject({ taskId, status: 'working', pollIntervalMs: 500 })
  upstream.own = { status: 'input_required', statusMessage: 'Who are you?', inputRequests: NAME_REQUEST }
  const asking = await status(taskId, 'input_required')
  expect(asking).toMatchObject({ taskId, statusMessage: 'Who are you?', inputRequests: NAME_REQUEST })
  const answers = { name: { action: 'accept', content: { name: 'Luca' } } }
  expect((await client.update(taskId, answers)).result).toEqual({ resultType: 'complete' })
  expect(upstream.seenOf('tasks/update')[0]?.params).toMatchObject({ taskId: OWN_TASK_ID, inputResponses: answers })
  upstream.own = { status: 'completed', result: { content: [{ type: 'text', text: 'done by the server' }] } }
  const end = await status(taskId, 'completed')
  expect(end.result?.content[0]?.text).toBe('done by the server')
  expect(JSON.stringify(end)).not.toContain(OWN_TASK_ID)
  const looks = upstream.seenOf('tasks/get').length
  await client.get(taskId)
  expect(upstream.seenOf('tasks/get')).toHaveLength(looks)
  const events = await gateway.events()
  const follows = events.filter(({ type, method }) => type === 'call.intent' && String(method).startsWith('tasks/'))
  expect(follows.map(({ method }) => method)).toContain('tasks/update')
  expect(follows.every((event) => typeof event.approval_id === 'string')).toBe(true)
})

it('cancels the server’s own task by asking the server', async () => {
  const { taskId } = await approved('delegate', { run: 2 })
  await until('the server has the call', () => upstream.seenOf('tools/call', 'delegate').length === 2)
  await until('the cancel is passed on', async () => {
    await client.cancel(taskId)
    return upstream.seenOf('tasks/cancel').length > 0
  })
  expect(await status(taskId, 'cancelled')).toMatchObject({ taskId })
})

it('fails with the server’s own error', async () => {
  const { taskId } = await approved('delegate', { run: 3 })
  upstream.own = { status: 'failed', error: { code: -32050, message: 'out of paper' } }
  expect(await status(taskId, 'failed')).toMatchObject({ error: { code: -32050, message: 'out of paper' } })
})

it('hands on what the server answered in the server’s own bytes', async () => {
  const { taskId } = await approved('number')
  await status(taskId, 'completed')
  expect(client.lastText).toContain('"n":9007199254740993}')
})

it('leaves a server’s task whose id is not the gateway’s to policy, which denies it here', async () => {
  const { error } = await client.get(OWN_TASK_ID, {
    headers: { 'mcp-name': `=?base64?${Buffer.from(OWN_TASK_ID).toString('base64')}?=` },
  })
  expect(error).toMatchObject({ code: -32003 })
})
