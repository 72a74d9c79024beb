/** Every way that anyone found to reach a call through a task that it isn't theirs, or to have it run without approval or twice. */
import { describe, expect, it } from 'vitest'
import type { TaskDeskOptions, TaskRequest } from '../../proxy/mcp/tasks.ts'
import { aboutTask, createTaskDesk } from '../../proxy/mcp/tasks.ts'
import type { CallId } from '../../src/brands.ts'
import { epochMs } from '../../src/brands.ts'
import type { JsonObject } from '../../src/json/value.ts'
import type { TaskState } from '../../src/task/task.ts'
import { anApproval, aPrincipal } from '../support/examples.ts'
import { aTask, memoryTasks } from '../support/tasks.ts'

const DECLARED: JsonObject = {
  'io.modelcontextprotocol/clientCapabilities': { extensions: { 'io.modelcontextprotocol/tasks': {} } },
}
const ASKING: TaskState = {
  step: 'asking',
  inputRequests: '{"name":{}}',
  inputResponses: {},
  requestState: 'sealed',
}

/** One task, and a desk that may do nothing but look at it, change it and withdraw its approval. */
function deskOf(state: TaskState, others: readonly ReturnType<typeof aTask>[] = [], connected = 0) {
  const tasks = memoryTasks(aTask(state), ...others)
  const withdrawn: string[] = []
  const refuse = () => Promise.reject(new Error('is not to be asked'))
  const desk = createTaskDesk({
    tasks,
    approvals: {
      reviewRecorded: async () => undefined,
      get: refuse,
      apply: async (id: string) => {
        withdrawn.push(id)
        return { ok: true, approval: anApproval({ state: 'cancelled' }) }
      },
    },
    connections: { countFor: async () => connected },
    runs: { get: refuse, delivered: async () => undefined },
    gate: { pass: refuse, follow: refuse },
    parkedCalls: { get: refuse, park: refuse, forget: refuse },
    recorder: { record: async () => undefined },
    clock: { now: () => epochMs(2_000) },
  } as unknown as TaskDeskOptions)
  const ask = (method: TaskRequest['method'], change: Partial<TaskRequest> = {}, params: JsonObject = {}) =>
    desk.answer({
      id: 1,
      callId: 'call_1' as CallId,
      method,
      params: { taskId: 'cst_example', inputResponses: { name: {} }, _meta: DECLARED, ...params },
      principal: aPrincipal(),
      upstream: 'files',
      ...change,
    })
  return { tasks, withdrawn, ask }
}

const METHODS: readonly TaskRequest['method'][] = ['tasks/get', 'tasks/update', 'tasks/cancel']

describe('[REQ-TASK-2] a task is neither shown, nor answered for, nor cancelled', () => {
  it.each<[string, Partial<TaskRequest>, JsonObject]>([
    ['for another principal who has its id', { principal: aPrincipal({ subject: 'eve@example.com' }) }, {}],
    ['for another OAuth client of the same person', { principal: aPrincipal({ client: 'another' }) }, {}],
    ['for a client without a name', { principal: aPrincipal({ client: null }) }, {}],
    ['on the route of another upstream', { upstream: 'mail' }, {}],
    ['by a guessed id', {}, { taskId: `cst_${'a'.repeat(26)}` }],
    ['by its id in capitals', {}, { taskId: 'cst_EXAMPLE' }],
    ['by the name of a key beside it', {}, { taskId: 'cst_example:x' }],
  ])('%s', async (_sentence, change, params) => {
    for (const state of [{ step: 'waiting' }, ASKING] as const) {
      const { tasks, withdrawn, ask } = deskOf(state)
      const before = await tasks.get(aTask().id)
      for (const method of METHODS) {
        await expect(ask(method, change, params)).rejects.toMatchObject({ code: 'unknown_task' })
      }
      expect(await tasks.get(aTask().id)).toEqual(before)
      expect([...withdrawn, ...tasks.woken]).toEqual([])
    }
  })

  it('for one who does not declare tasks', async () => {
    const { tasks, withdrawn, ask } = deskOf({ step: 'waiting' })
    for (const method of METHODS) {
      expect(await ask(method, {}, { _meta: {} })).toMatchObject({
        status: 400,
        body: expect.stringContaining('-32021'),
      })
    }
    expect((await tasks.get(aTask().id))?.state.step).toBe('waiting')
    expect(withdrawn).toEqual([])
  })
})

describe('[REQ-TASK-3] a call', () => {
  it('that was cancelled while people thought is not sent, although it is approved in that moment', async () => {
    const { tasks, ask } = deskOf({ step: 'waiting' })
    await ask('tasks/cancel')
    expect(await tasks.apply(aTask().id, { type: 'sent', at: epochMs(2_001) })).toMatchObject({ refusal: 'ended' })
  })

  it('that the server has is not called cancelled', async () => {
    const { tasks, ask } = deskOf({ step: 'running', isCancelAsked: false })
    await ask('tasks/cancel')
    const { body } = await ask('tasks/get')
    expect(JSON.parse(body)).toMatchObject({ result: { status: 'working' } })
    expect((await tasks.get(aTask().id))?.state).toMatchObject({ step: 'running', isCancelAsked: true })
    expect(body).not.toContain('NOT')
  })

  it('does not lose its approval because another client’s identical call is cancelled', async () => {
    const other = aTask({ step: 'waiting' }, { id: 'cst_other' as never, client: 'another' })
    const { tasks, withdrawn, ask } = deskOf({ step: 'waiting' }, [other])
    await ask('tasks/cancel')
    expect(withdrawn).toEqual([])
    expect((await tasks.get(other.id))?.state.step).toBe('waiting')
  })

  it('and none of its own takes an approval from a connection that waits for it', async () => {
    const { withdrawn, ask } = deskOf({ step: 'waiting' }, [], 1)
    await ask('tasks/cancel')
    expect(withdrawn).toEqual([])
  })
})

describe('an update', () => {
  it('neither runs a call that nobody approved, nor one that has run', async () => {
    for (const state of [
      { step: 'waiting' },
      { step: 'running', isCancelAsked: false },
      { step: 'completed', result: '{}', message: null },
    ] as const) {
      const { tasks, ask } = deskOf(state)
      await ask('tasks/update')
      expect((await tasks.get(aTask().id))?.state.step).toBe(state.step)
      expect(tasks.woken).toEqual([])
    }
  })

  it('takes one answer to the server once, however often it comes', async () => {
    const { tasks, ask } = deskOf(ASKING)
    await Promise.all([ask('tasks/update'), ask('tasks/update'), ask('tasks/update')])
    expect(tasks.woken).toHaveLength(1)
  })
})

describe('a message is taken for one about our task', () => {
  it.each<[string, string, JsonObject, boolean]>([
    ['with our id', 'tasks/get', { taskId: 'cst_a' }, true],
    ['with an upstream’s id', 'tasks/get', { taskId: 'a' }, false],
    ['by another method', 'tasks/result', { taskId: 'cst_a' }, false],
    ['by its id in a list', 'tasks/get', { taskId: ['cst_a'] }, false],
    ['without an id', 'tasks/cancel', {}, false],
  ])('%s', (_sentence, method, params, expected) => {
    expect(aboutTask(method, params) !== null).toBe(expected)
  })
})
