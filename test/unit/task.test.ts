/** What may become of a task, and what its client is shown of it. */
import { describe, expect, it } from 'vitest'
import type { ApprovalId } from '../../src/brands.ts'
import { epochMs } from '../../src/brands.ts'
import type { JsonObject } from '../../src/json/value.ts'
import type { Task, TaskEvent, TaskState, UpstreamTask } from '../../src/task/task.ts'
import { ANSWER_KEPT_MS, createTaskResult, declaresTasks, getTaskResult, transition } from '../../src/task/task.ts'
import { aTask } from '../support/tasks.ts'

const at = epochMs(2_000)
const ASKED = '{"name":{"method":"elicitation/create"},"age":{"method":"elicitation/create"}}'
const asking: TaskState = { step: 'asking', inputRequests: ASKED, inputResponses: {}, requestState: 'sealed' }
const answering: TaskState = { step: 'answering', inputResponses: { name: 1 }, requestState: 'sealed' }
const running: TaskState = { step: 'running', isCancelAsked: false }
const theirs: UpstreamTask = {
  upstreamTaskId: 'theirs',
  status: 'working',
  message: null,
  inputRequests: null,
  pollIntervalMs: 1_000,
}
const chained: TaskState = { step: 'chained', nextPollAt: epochMs(3_000), ...theirs }
const completed: TaskState = { step: 'completed', result: '{}', message: null }
const failed: TaskState = { step: 'failed', error: '{"code":-32603}', message: 'no' }
const cancelled: TaskState = { step: 'cancelled', message: 'no' }

const sent: TaskEvent = { type: 'sent', at }
const asked: TaskEvent = { type: 'asked', inputRequests: ASKED, requestState: 'sealed', at }
const cancel = (isLetGo: boolean): TaskEvent => ({ type: 'cancelled', message: 'by the agent', isLetGo, at })
const answered = (inputResponses: JsonObject): TaskEvent => ({ type: 'answered', inputResponses, at })
const anew: TaskEvent = {
  type: 'asked_anew',
  approvalId: 'apr_2' as ApprovalId,
  rule: 'writes',
  decisionUntil: epochMs(7_000),
  expiresAt: epochMs(8_000),
  at,
}

describe('a task', () => {
  it.each<[string, TaskState, TaskEvent, TaskState['step'] | 'ended' | 'not_now']>([
    ['is sent from the wait for people', { step: 'waiting' }, sent, 'running'],
    ['is sent with the client’s answers', answering, sent, 'running'],
    ['is not sent a second time', running, sent, 'not_now'],
    ['is not sent while the server asks', asking, sent, 'not_now'],
    ['is not sent again once the server has made a task of it', chained, sent, 'not_now'],
    ['is not sent once it is cancelled', cancelled, sent, 'ended'],
    ['is not sent once it has completed', completed, sent, 'ended'],
    ['is cancelled while people think', { step: 'waiting' }, cancel(false), 'cancelled'],
    ['is cancelled while the server waits for input', asking, cancel(false), 'cancelled'],
    ['is cancelled before its answers are sent', answering, cancel(false), 'cancelled'],
    ['is not said to be cancelled while the server has its call', running, cancel(false), 'not_now'],
    ['is cancelled once the request to the server is broken off', running, cancel(true), 'cancelled'],
    ['notes that its agent wants it to end while the server has it', running, { type: 'cancel_asked', at }, 'running'],
    ['asks for what the server asks', running, asked, 'asking'],
    ['asks for nothing that was not asked in its turn', { step: 'waiting' }, asked, 'not_now'],
    ['comes back by itself to a state alone', running, { ...asked, inputRequests: null }, 'answering'],
    ['waits until every question has its answer', asking, answered({ name: 1 }), 'asking'],
    ['goes on when every question has its answer', asking, answered({ name: 1, age: 2 }), 'answering'],
    ['ignores answers to what nobody asked', asking, answered({ other: 1, toString: 2 }), 'asking'],
    ['ignores answers where nothing is asked', running, answered({ name: 1 }), 'not_now'],
    ['ignores answers after its end', completed, answered({ name: 1 }), 'ended'],
    ['follows the server’s own task', running, { type: 'delegated', task: theirs, at }, 'chained'],
    ['does not look before the server wants it', chained, { type: 'polling', at }, 'not_now'],
    ['looks when it is due', chained, { type: 'polling', at: epochMs(3_000) }, 'chained'],
    ['is asked for anew before it was sent', { step: 'waiting' }, anew, 'waiting'],
    ['is not asked for anew once it was sent', running, anew, 'not_now'],
    ['does not fail after it has completed', completed, { type: 'failed', error: '{}', message: '', at }, 'ended'],
    ['does not complete after it has failed', failed, { type: 'completed', result: '{}', message: null, at }, 'ended'],
  ])('%s', (_sentence, state, event, expected) => {
    const before = aTask(state)
    const changed = transition(before, event)
    if (!changed.ok) {
      expect(changed.refusal).toBe(expected)
      expect(changed.task).toBe(before)
      return
    }
    expect(changed.task.state.step).toBe(expected)
    expect(changed.task.version).toBe(2)
  })

  it('lets one of two lookers look at the server’s task', () => {
    const due: TaskEvent = { type: 'polling', at: epochMs(3_000) }
    const first = transition(aTask(chained), due)
    expect(first.ok && transition(first.task, due)).toMatchObject({ ok: false, refusal: 'not_now' })
  })

  it('keeps the first answer to a question', () => {
    const first = transition(aTask(asking), answered({ name: 'Luca' })).task
    const { task } = transition(first, answered({ name: 'Eve', age: 7 }))
    expect(task).toMatchObject({ round: 1, state: { inputResponses: { name: 'Luca', age: 7 } } })
  })

  it('keeps what happens late for as long as what happens early', () => {
    const late = epochMs(5_400_000)
    const changed = transition(aTask(running), { type: 'completed', result: '{}', message: null, at: late })
    expect(changed.task.expiresAt).toBe(late + ANSWER_KEPT_MS)
  })
})

describe('what a client is shown', () => {
  const shown = (task: Task, now = 2_000) => JSON.parse(getTaskResult(task, epochMs(now))) as JsonObject

  it.each<[string, TaskState, JsonObject]>([
    [
      'that people are asked, about which approval, until when, and that nothing ran',
      { step: 'waiting' },
      {
        status: 'working',
        statusMessage:
          'Waiting for a person to approve (approval apr_example, rule "writes", until 1970-01-01T00:15:01.000Z). ' +
          'The call has NOT run yet.',
      },
    ],
    ['that the server has it', running, { status: 'working' }],
    ['what is asked', asking, { status: 'input_required', inputRequests: JSON.parse(ASKED) as JsonObject }],
    [
      'only what is still asked',
      { ...asking, inputResponses: { name: 1 } },
      { status: 'input_required', inputRequests: { age: { method: 'elicitation/create' } } },
    ],
    ['that its answers are on their way', answering, { status: 'working' }],
    ['the server’s own task as ours', chained, { taskId: 'cst_example', status: 'working', pollIntervalMs: 1_000 }],
    ['its answer', { ...completed, result: '{"content":[]}' }, { status: 'completed', result: { content: [] } }],
    ['its error', failed, { status: 'failed', error: { code: -32603 }, statusMessage: 'no' }],
    ['its cancellation', cancelled, { status: 'cancelled', statusMessage: 'no' }],
  ])('is %s', (_sentence, state, expected) => {
    expect(shown(aTask(state))).toMatchObject({
      resultType: 'complete',
      taskId: 'cst_example',
      createdAt: '1970-01-01T00:00:01.000Z',
      lastUpdatedAt: '1970-01-01T00:00:01.000Z',
      ttlMs: 5_400_000,
      ...expected,
    })
  })

  it('has no result, error or requests where its status has none', () => {
    for (const state of [running, cancelled, chained, answering]) {
      expect(Object.keys(shown(aTask(state)))).not.toEqual(
        expect.arrayContaining([expect.stringMatching(/^(?:result|error|inputRequests)$/)]),
      )
    }
  })

  it('has the server’s numbers as the server wrote them', () => {
    const result = '{"structuredContent":{"n":9007199254740993}}'
    expect(getTaskResult(aTask({ ...completed, result }), at)).toContain(`"result":${result}}`)
  })

  it('is a task at once, and asks to be looked at less often as it grows old', () => {
    expect(createTaskResult(aTask(), epochMs(1_000))).toMatchObject({ resultType: 'task', pollIntervalMs: 2_000 })
    expect([2_000, 40_000, 400_000].map((now) => shown(aTask(), now).pollIntervalMs)).toEqual([2_000, 5_000, 10_000])
  })
})

describe('the declaration of tasks', () => {
  const declaring = (capabilities: unknown) =>
    declaresTasks({ _meta: { 'io.modelcontextprotocol/clientCapabilities': capabilities } } as JsonObject)
  it.each<[string, boolean, boolean]>([
    ['an empty object', declaring({ extensions: { 'io.modelcontextprotocol/tasks': {} } }), true],
    ['no extension', declaring({ extensions: {} }), false],
    ['no capabilities', declaring(undefined), false],
    ['null', declaring({ extensions: { 'io.modelcontextprotocol/tasks': null } }), false],
    ['the tasks of 2025-11-25', declaring({ tasks: {} }), false],
    ['something without _meta', declaresTasks({}), false],
  ])('%s', (_what, declared, expected) => {
    expect(declared).toBe(expected)
  })
})
