/**
 * The tasks extension end to end: a held call is answered at once with a handle, and its call is made by a worker, on
 * whichever replica is there. Real gateways, one Redis, a real MCP server behind a tap.
 */
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { ConsoleReviewer, ShownCard } from '../../demo/console-reviewer.ts'
import type { Gateway, World } from '../support/gateway.ts'
import { startWorld } from '../support/gateway.ts'
import { BOB } from '../support/oidc-issuer.ts'
import type { TaskClient, TaskResult } from '../support/task-client.ts'
import { TASKS_EXTENSION, taskClient } from '../support/task-client.ts'
import { until } from '../support/until.ts'

let world: World
let gateway: Gateway
let reviewer: ConsoleReviewer
let client: TaskClient
const more: Gateway[] = []

beforeAll(async () => {
  world = await startWorld()
  gateway = await world.startGateway()
  reviewer = await gateway.console()
  client = taskClient(gateway.mcp, await gateway.token())
})
afterEach(async () => {
  await Promise.all(more.splice(0).map((one) => one.stop()))
})
afterAll(() => world?.close())

const write = (name: string) => ({ path: path.join(world.files, name), content: `content of ${name}` })
const sentFor = (name: string) => world.tap.callsOf('write_file').filter(({ body }) => body.includes(name))
const cardOf = (approvalId: string, who = reviewer) =>
  until('the card is shown', async () =>
    (await who.state()).json.pending.find((card) => card.approvalId === approvalId),
  )

/** A held call's task, and the card that it waits for. */
async function held(name: string, by = client, who = reviewer): Promise<{ task: TaskResult; card: ShownCard }> {
  const { result } = await by.call('write_file', write(name))
  if (result?.resultType !== 'task') throw new Error(`no task: ${JSON.stringify(result)}`)
  return { task: result, card: await cardOf(approvalIn(result), who) }
}

function approvalIn({ statusMessage = '' }: TaskResult): string {
  const [, id = ''] = /approval (apr_[a-z2-7]+)/.exec(statusMessage) ?? []
  return id
}

const ended = (taskId: string, by = client) =>
  until('the task has ended', async () => {
    const { result } = await by.get(taskId)
    return result && result.status !== 'working' ? result : null
  })

describe('a held call of a client that knows tasks', () => {
  it('[REQ-TASK-1] is answered at once with a task, which completes once a person approves; the server saw one call', async () => {
    const { task, card } = await held('approved.txt')
    expect(task).toMatchObject({ resultType: 'task', status: 'working', pollIntervalMs: 2_000 })
    expect(task.taskId).toMatch(/^cst_[a-z2-7]{26}$/)
    expect(task.statusMessage).toContain('Waiting for a person to approve')
    expect(task.ttlMs).toBeGreaterThan(15 * 60_000)
    expect((await client.get(task.taskId)).result).toMatchObject({ resultType: 'complete', status: 'working' })
    expect(sentFor('approved.txt')).toHaveLength(0)
    await reviewer.click(card.approvalId, 'approve')
    const end = await ended(task.taskId)
    expect(end).toMatchObject({ resultType: 'complete', taskId: task.taskId, status: 'completed' })
    expect(end.result?.isError ?? false).toBe(false)
    expect(readFileSync(path.join(world.files, 'approved.txt'), 'utf8')).toBe('content of approved.txt')
    expect(sentFor('approved.txt')).toHaveLength(1)
    // Asked again, it is the same answer and no second call.
    expect((await client.get(task.taskId)).result).toEqual(end)
    expect(sentFor('approved.txt')).toHaveLength(1)
  })

  it('that is repeated gets the answer that nobody has read yet; once it was read, people are asked anew', async () => {
    const { card } = await held('repeated.txt')
    await reviewer.click(card.approvalId, 'approve')
    await until('the server has answered', async () =>
      (await gateway.events()).some(
        ({ type, approval_id, outcome }) =>
          type === 'call.outcome' && approval_id === card.approvalId && outcome === 'succeeded',
      ),
    )
    const again = await until('the answer is kept', async () => {
      const { result } = await client.call('write_file', write('repeated.txt'))
      return result?.content ? result : null
    })
    expect(again.content?.[0]?.text).toContain('repeated.txt')
    const { card: second } = await held('repeated.txt')
    expect(second.approvalId).not.toBe(card.approvalId)
    expect(sentFor('repeated.txt')).toHaveLength(1)
    await reviewer.click(second.approvalId, 'deny')
  })

  it('is recorded as held, approved, sent and answered, and its looks are not', async () => {
    const { task, card } = await held('recorded.txt')
    await reviewer.click(card.approvalId, 'approve')
    await ended(task.taskId)
    const events = await gateway.events()
    const ofApproval = events.filter((event) => event.approval_id === card.approvalId)
    const types = ofApproval.map(({ type }) => type)
    expect(types).toEqual(expect.arrayContaining(['approval.requested', 'approval.reviewed', 'call.intent']))
    const outcomes = ofApproval.filter(({ type }) => type === 'call.outcome').map(({ outcome }) => outcome)
    expect(outcomes).toEqual(['pending', 'succeeded'])
    expect(events.filter(({ method }) => String(method).startsWith('tasks/'))).toEqual([])
  })

  it.each<[string, 'deny' | 'deadline', string]>([
    ['denied', 'deny', 'Denied by a reviewer: too risky'],
    ['not decided in time', 'deadline', 'Nobody approved the call in time'],
  ])('that is %s completes with an answer that its model reads, and nothing was sent', async (_word, how, text) => {
    const tool = how === 'deny' ? 'write_file' : 'directory_tree'
    const before = world.tap.callsOf(tool).length
    const args = how === 'deny' ? write('denied.txt') : { path: world.files }
    const { result: task } = await client.call(tool, args)
    if (task === undefined) throw new Error('no task')
    if (how === 'deny') await reviewer.click((await cardOf(approvalIn(task))).approvalId, 'deny', 'too risky')
    const end = await ended(task.taskId)
    expect(end.status).toBe('completed')
    expect(end.result).toMatchObject({ isError: true })
    expect(end.result?.content[0]?.text).toContain(text)
    expect(end.result?.content[0]?.text).toContain('NOT executed')
    expect(world.tap.callsOf(tool)).toHaveLength(before)
  })

  it('that comes a second time while it waits gets the same task, and no second card', async () => {
    const { task, card } = await held('twice.txt')
    const second = await client.call('write_file', write('twice.txt'))
    expect(second.result?.taskId).toBe(task.taskId)
    await reviewer.click(card.approvalId, 'approve')
    await ended(task.taskId)
    expect(sentFor('twice.txt')).toHaveLength(1)
  })

  it('is told by server/discover that there are tasks', async () => {
    const { result } = await client.request('server/discover', {})
    expect(result).toMatchObject({ capabilities: { extensions: { [TASKS_EXTENSION]: {} } } })
  })
})

describe('tasks/cancel', () => {
  it('[REQ-TASK-3] takes the question back while people think: the card goes, and nothing is sent', async () => {
    const { task, card } = await held('withdrawn.txt')
    expect((await client.cancel(task.taskId)).result).toEqual({ resultType: 'complete' })
    expect(await ended(task.taskId)).toMatchObject({ status: 'cancelled' })
    await until('the card is withdrawn', async () =>
      (await reviewer.state()).json.decided.some((one) => one.approvalId === card.approvalId),
    )
    expect((await reviewer.click(card.approvalId, 'approve')).body.ok).not.toBe(true)
    expect(existsSync(path.join(world.files, 'withdrawn.txt'))).toBe(false)
    expect(sentFor('withdrawn.txt')).toHaveLength(0)
  })

  it('of a call that the server has breaks the request off, and never says that it did not run', async () => {
    const { task, card } = await held('running.txt')
    const gone = new Promise<void>((resolve) => {
      world.tap.intercept = ({ body }, response) => {
        if (!body.includes('running.txt')) return false
        response.once('close', resolve)
        return true
      }
    })
    await reviewer.click(card.approvalId, 'approve')
    await until('the server has it', () => sentFor('running.txt').length === 1)
    expect((await client.cancel(task.taskId)).result).toEqual({ resultType: 'complete' })
    await gone
    world.tap.intercept = null
    const end = await ended(task.taskId)
    expect(end.status).toBe('cancelled')
    expect(end.statusMessage).toContain('may have run')
    expect(end.statusMessage).not.toContain('NOT executed')
    expect(sentFor('running.txt')).toHaveLength(1)
  })

  it('of a task that has ended is acknowledged, and changes nothing', async () => {
    const { task, card } = await held('over.txt')
    await reviewer.click(card.approvalId, 'approve')
    const end = await ended(task.taskId)
    expect((await client.cancel(task.taskId)).result).toEqual({ resultType: 'complete' })
    expect((await client.get(task.taskId)).result).toEqual(end)
  })
})

describe('[REQ-TASK-2] a task is for the client that it was made for', () => {
  it('is unknown to another principal, whatever they do with its id', async () => {
    const { task, card } = await held('mine.txt')
    const token = await world.issuer.tokenFor(BOB, `${gateway.url}/mcp/files`)
    const madeUp = `cst_${'a'.repeat(26)}`
    for (const taskId of [task.taskId, madeUp]) {
      for (const answer of [
        await client.get(taskId, { token }),
        await client.update(taskId, {}, { token }),
        await client.cancel(taskId, { token }),
      ]) {
        expect(answer.error).toMatchObject({ code: -32602, message: expect.stringContaining('no such task') })
      }
    }
    expect((await client.get(task.taskId)).result).toMatchObject({ status: 'working' })
    await reviewer.click(card.approvalId, 'deny')
  })

  it('is unknown to another OAuth client of the same person, who gets a task of its own', async () => {
    const { task, card } = await held('other-client.txt')
    const claims = world.issuer.claimsFor(
      { login: 'alice@example.com', uid: '00u1alice', groups: [] },
      `${gateway.url}/mcp/files`,
      Date.now(),
    )
    const token = await world.issuer.forge({ ...claims, cid: 'another-client', client_id: 'another-client' })
    expect((await client.get(task.taskId, { token })).error).toMatchObject({ code: -32602 })
    await reviewer.click(card.approvalId, 'deny')
  })

  it('is told nothing of to a client that does not declare tasks on the request', async () => {
    const { task, card } = await held('undeclared.txt')
    for (const method of ['get', 'cancel'] as const) {
      const answer = await client[method](task.taskId, { declares: false })
      expect(answer.httpStatus).toBe(400)
      expect(answer.error).toMatchObject({
        code: -32021,
        data: { requiredCapabilities: { extensions: { [TASKS_EXTENSION]: {} } } },
      })
    }
    expect((await client.get(task.taskId)).result?.status).toBe('working')
    await reviewer.click(card.approvalId, 'deny')
  })

  it('is not named by one header and another body', async () => {
    const { task, card } = await held('header.txt')
    const answer = await client.get(task.taskId, { headers: { 'mcp-name': 'cst_another' } })
    expect(answer.error).toMatchObject({ code: -32020 })
    await reviewer.click(card.approvalId, 'deny')
  })
})
