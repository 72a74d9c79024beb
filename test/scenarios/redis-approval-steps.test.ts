/** Reminders and escalations over a real Redis that goes away, and processes that end half-way or run beside each other. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startApprovalSteps } from '../../jobs/approval-steps.ts'
import { approvalKeys } from '../../jobs/approvals/keys.ts'
import { createApprovalStore, type RedisApprovalStore } from '../../jobs/approvals/store.ts'
import { createHolds } from '../../jobs/holds.ts'
import { startInbox } from '../../jobs/inbox.ts'
import { openQueue } from '../../jobs/queues.ts'
import type { RedisHandle } from '../../jobs/redis.ts'
import type { Approval, ApprovalStep } from '../../src/approval/approval.ts'
import type { AuditEvent } from '../../src/audit/events.ts'
import type { ApprovalId } from '../../src/brands.ts'
import { epochMs } from '../../src/brands.ts'
import type { ApprovalStore, Clock, Recorder } from '../../src/ports.ts'
import { aFreshApproval, reviewed } from '../support/approvals.ts'
import { silentLog as log, silentRecorder, startTestRedis, systemClock, type TestRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'

const cleanups: (() => Promise<unknown> | unknown)[] = []
let server: TestRedis
beforeEach(async () => {
  server = await startTestRedis()
})
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
  await server.stop()
})

interface Process {
  readonly redis: RedisHandle
  readonly store: RedisApprovalStore
  readonly open: (approval: Approval) => Promise<unknown>
  readonly startSteps: (options?: { recorder?: Recorder; store?: Pick<ApprovalStore, 'apply'>; clock?: Clock }) => {
    close(): Promise<void>
  }
}

async function aProcess(): Promise<Process> {
  const redis = await server.connect('shared')
  const inbox = await startInbox(redis, log)
  const store = createApprovalStore({ redis, inbox })
  const holds = createHolds({ redis, inbox, store, recorder: silentRecorder, clock: systemClock, log })
  cleanups.push(
    () => inbox.close(),
    () => holds.close(),
  )
  return {
    redis,
    store,
    open: (approval) => holds.open(approval),
    startSteps(options = {}) {
      const steps = startApprovalSteps({
        redis,
        inbox,
        store,
        recorder: silentRecorder,
        clock: systemClock,
        log,
        ...options,
      })
      cleanups.push(() => steps.close())
      return steps
    },
  }
}

function aRecorder(failures = 0) {
  let left = failures
  const events: AuditEvent[] = []
  const recorder: Recorder = {
    async record(event) {
      if (left-- > 0) throw new Error('disk full')
      events.push(event)
    },
  }
  return { recorder, events }
}

const remind = (afterMs: number): ApprovalStep => ({
  type: 'remind',
  at: epochMs(Date.now() + afterMs),
  doneAt: null,
  from: [],
  rooms: [],
})
const escalate = (afterMs: number): ApprovalStep => ({
  ...remind(afterMs),
  type: 'escalate',
  from: ['leads'],
  rooms: ['slack:C0456'],
})

const doneSteps = ({ steps }: Approval) => steps.filter(({ doneAt }) => doneAt !== null).length

async function untilDone(store: RedisApprovalStore, id: ApprovalId, count: number): Promise<Approval> {
  const isDone = (found: Approval | null): found is Approval => found !== null && doneSteps(found) === count
  return until(`${count} steps are taken`, async () => {
    const found = await store.get(id)
    return isDone(found) ? found : null
  })
}

const stepsDue = async ({ redis }: Process) =>
  (await redis.call('ZRANGE', approvalKeys(redis).stepsDue, 0, -1)) as string[]
const untilForgotten = (process: Process) =>
  until('no step is to come', async () => (await stepsDue(process)).length === 0)

describe('the steps of an approval', () => {
  it('[REQ-STEPS-1] are taken in their order, each once, and recorded', async () => {
    const process = await aProcess()
    const { recorder, events } = aRecorder()
    process.startSteps({ recorder })
    const approval = aFreshApproval({ from: ['dba'], steps: [remind(50), escalate(100), remind(150)] })
    await process.open(approval)
    const after = await untilDone(process.store, approval.id, 3)
    expect(after).toMatchObject({
      state: 'pending',
      from: ['dba', 'leads'],
      rooms: ['slack:C0456'],
      reminders: { count: 2 },
    })
    await until('3 recorded', () => events.length === 3)
    const common = { approval_id: approval.id, session_id: approval.sessionId }
    expect(events).toMatchObject([
      { type: 'approval.reminded', ...common, by: null },
      { type: 'approval.escalated', ...common, from: ['leads'], rooms: ['slack:C0456'] },
      { type: 'approval.reminded', ...common, by: null },
    ])
    expect(events.map(({ at }) => at)).toEqual(after.steps.map(({ doneAt }) => doneAt))
    await untilForgotten(process)
  })

  it('are not taken once it is decided, and are forgotten', async () => {
    const process = await aProcess()
    const { recorder, events } = aRecorder()
    const approval = aFreshApproval({ steps: [remind(0), escalate(0)] })
    await process.open(approval)
    await process.store.apply(approval.id, reviewed('deny'))
    process.startSteps({ recorder })
    await untilForgotten(process)
    expect(doneSteps((await process.store.get(approval.id)) as Approval)).toBe(0)
    expect(events).toEqual([])
  })

  it('are not taken after the deadline, when nobody needs to hurry any more', async () => {
    const process = await aProcess()
    const { recorder, events } = aRecorder()
    const approval = aFreshApproval({ expiresAt: epochMs(Date.now() + 60_000), steps: [remind(10)] })
    await process.open(approval)
    process.startSteps({ recorder, clock: { now: () => epochMs(Date.now() + 120_000) } })
    await untilForgotten(process)
    expect(doneSteps((await process.store.get(approval.id)) as Approval)).toBe(0)
    expect(events).toEqual([])
  })

  it('[REQ-STEPS-1] that came due while no process ran are taken by the next, the earlier first', async () => {
    const process = await aProcess()
    const { recorder, events } = aRecorder()
    const approval = aFreshApproval({ steps: [remind(0), escalate(1)] })
    await process.open(approval)
    process.startSteps({ recorder })
    await untilDone(process.store, approval.id, 2)
    await until('2 recorded', () => events.length === 2)
    expect(events.map(({ type }) => type)).toEqual(['approval.reminded', 'approval.escalated'])
  })

  it('[REQ-STEPS-1] are taken once by two processes that run at the same time', async () => {
    const [one, two] = [await aProcess(), await aProcess()]
    const { recorder, events } = aRecorder()
    one.startSteps({ recorder })
    two.startSteps({ recorder })
    const approvals = Array.from({ length: 20 }, (_, at) =>
      aFreshApproval({ from: ['dba'], steps: [remind(20 + at), escalate(60), remind(61)] }),
    )
    await Promise.all(approvals.map((approval, at) => (at % 2 === 0 ? one : two).open(approval)))
    for (const { id } of approvals) {
      expect((await untilDone(one.store, id, 3)).reminders.count).toBe(2)
    }
    await untilForgotten(one)
    expect(events.map((event) => `${event.type} ${'approval_id' in event ? event.approval_id : ''}`).sort()).toEqual(
      approvals
        .flatMap(({ id }) => [`approval.escalated ${id}`, `approval.reminded ${id}`, `approval.reminded ${id}`])
        .sort(),
    )
  })

  it('[REQ-STEPS-1] go on after Redis was killed and came back, whichever was to come next', async () => {
    const process = await aProcess()
    await process.redis.call('CONFIG', 'SET', 'appendfsync', 'always')
    const { recorder, events } = aRecorder()
    process.startSteps({ recorder })
    const approval = aFreshApproval({ from: ['dba'], steps: [remind(0), escalate(3_000)] })
    await process.open(approval)
    await untilDone(process.store, approval.id, 1)
    await until('the second step is to come', async () => (await stepsDue(process)).includes(`${approval.id}:1`))
    server.signal('SIGKILL')
    await until('the loss is noticed', () => !process.redis.isReady())
    await server.restart()
    await process.redis.whenReady()
    await untilDone(process.store, approval.id, 2)
    await until('the second recorded', () => events.some(({ type }) => type === 'approval.escalated'))
    // Where the kill met the first job before it was over, it ran again, and its event stands twice: never a step less.
    expect([...new Set(events.map(({ type }) => type))]).toEqual(['approval.reminded', 'approval.escalated'])
  })

  it('[REQ-STEPS-1] whose job Redis lost are scheduled anew from the index', async () => {
    const process = await aProcess()
    const { recorder, events } = aRecorder()
    const first = process.startSteps()
    const approval = aFreshApproval({ steps: [remind(0), escalate(3_000)] })
    await process.open(approval)
    await until('the second step is to come', async () => (await stepsDue(process)).includes(`${approval.id}:1`))
    await first.close()
    const jobs = (await process.redis.call('KEYS', `*approval-steps*`)) as string[]
    expect(jobs.length).toBeGreaterThan(0)
    await process.redis.call('DEL', ...jobs)
    process.startSteps({ recorder })
    await untilDone(process.store, approval.id, 2)
    await until('1 recorded', () => events.length === 1)
    expect(events).toMatchObject([{ type: 'approval.escalated' }])
  })

  it('[REQ-STEPS-1] are recorded although the recording failed at first, and are taken no second time', async () => {
    const process = await aProcess()
    const { recorder, events } = aRecorder(1)
    process.startSteps({ recorder })
    const approval = aFreshApproval({ steps: [remind(0)] })
    await process.open(approval)
    await until('1 recorded', () => events.length === 1)
    await untilForgotten(process)
    expect((await process.store.get(approval.id))?.reminders.count).toBe(1)
  })

  it('[REQ-STEPS-1] are recorded although the process died between the two, and it was decided meanwhile', async () => {
    const process = await aProcess()
    const approval = aFreshApproval({ steps: [remind(0), escalate(60_000)] })
    await process.open(approval)
    // What that process did before it died.
    await process.store.apply(approval.id, { type: 'step', index: 0, at: epochMs(Date.now()) })
    await process.store.apply(approval.id, reviewed('deny'))
    const { recorder, events } = aRecorder()
    process.startSteps({ recorder })
    await until('1 recorded', () => events.length === 1)
    expect(events).toMatchObject([{ type: 'approval.reminded', approval_id: approval.id }])
    await untilForgotten(process)
  })

  it('wait for their instant: a job that runs early takes nothing', async () => {
    const process = await aProcess()
    const approval = aFreshApproval({ steps: [remind(700)] })
    await process.open(approval)
    const queue = openQueue(process.redis, 'approval-steps')
    await queue.add({ id: `step-${approval.id}-0`, data: { approvalId: approval.id, index: 0 } })
    await queue.close()
    const answers: string[] = []
    process.startSteps({
      store: {
        async apply(id, event) {
          const applied = await process.store.apply(id, event)
          answers.push(applied.ok ? 'taken' : applied.refusal)
          return applied
        },
      },
    })
    const { steps } = await untilDone(process.store, approval.id, 1)
    expect(answers).toEqual(['too_early', 'taken'])
    expect(steps[0]?.doneAt).toBeGreaterThanOrEqual(steps[0]?.at ?? Number.POSITIVE_INFINITY)
  })
})
