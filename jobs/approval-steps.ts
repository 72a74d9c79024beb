/**
 * Reminds and escalates while nobody decides: a delayed job for each approval's next step, so that no timer of ours has
 * to survive a restart. The step after it gets its job when it is taken, so that none overtakes another.
 *
 * Which steps are to come is an index, whose first entry is written in the step that opens the approval: what a process
 * that died, or a Redis that was away, left undone is scheduled by the next reconciliation. The compare-and-set lets
 * each step be taken once, however many jobs run for it; it leaves the index only when it is in the recording.
 */
import type { Approval } from '../src/approval/approval.ts'
import type { ApprovalId } from '../src/brands.ts'
import { epochMs } from '../src/brands.ts'
import type { ApprovalStore, Clock, Log, Recorder } from '../src/ports.ts'
import { approvalKeys } from './approvals/keys.ts'
import { STEP_TAKEN } from './approvals/scripts.ts'
import type { Inbox } from './inbox.ts'
import { type JobQueue, openQueue, type RunResult, startWorker } from './queues.ts'
import { startReconciler } from './reconcile.ts'
import type { RedisHandle } from './redis.ts'

const QUEUE = 'approval-steps'
/** Steps that fall together: each is a few round trips and a line in the recording. */
const CONCURRENCY = 8
const PAGE = 500

interface StepJob {
  readonly approvalId: ApprovalId
  readonly index: number
}

interface Services {
  readonly redis: RedisHandle
  readonly store: Pick<ApprovalStore, 'apply'>
  readonly recorder: Recorder
  readonly clock: Clock
  readonly log: Log
}

/** For the jobs role. */
export function startApprovalSteps(services: Services & { readonly inbox: Inbox }): { close(): Promise<void> } {
  const { redis, inbox, clock, log } = services
  const queue = openQueue<StepJob>(redis, QUEUE)
  const worker = startWorker<StepJob>({
    redis,
    queue: QUEUE,
    concurrency: CONCURRENCY,
    log,
    run: ({ data }) => takeStep({ ...services, queue }, data),
  })
  const reconciler = startReconciler({ redis, name: QUEUE, log, run: () => scheduleAll(redis, queue, clock) })
  const forget = inbox.onChange((id) => {
    scheduleFirst({ redis, queue, clock }, id).catch(() => reconciler.poke())
  })
  return {
    async close() {
      forget()
      await reconciler.close()
      await worker.close()
      await queue.close()
    },
  }
}

const memberOf = ({ approvalId, index }: StepJob) => `${approvalId}:${index}`

function stepJob(step: StepJob, delayMs: number) {
  return { id: `step-${step.approvalId}-${step.index}`, data: step, delayMs }
}

/** Hears of every change of every approval, so it reads no more than whether this one still waits for its first step. */
async function scheduleFirst(
  { redis, queue, clock }: { redis: RedisHandle; queue: JobQueue<StepJob>; clock: Clock },
  approvalId: ApprovalId,
): Promise<void> {
  const step = { approvalId, index: 0 }
  const dueAt = await redis.call('ZSCORE', approvalKeys(redis).stepsDue, memberOf(step))
  if (dueAt !== null) await queue.add(stepJob(step, Number(dueAt) - clock.now()))
}

async function scheduleAll(redis: RedisHandle, queue: JobQueue<StepJob>, clock: Clock): Promise<void> {
  const { stepsDue } = approvalKeys(redis)
  for (let start = 0; ; start += PAGE) {
    const reply = await redis.call('ZRANGE', stepsDue, start, start + PAGE - 1, 'WITHSCORES')
    const flat = Array.isArray(reply) ? reply.flat().map(String) : []
    const jobs = flat.flatMap((member, i) => {
      if (i % 2 === 1) return []
      const [approvalId = '', index] = member.split(':')
      return [
        stepJob({ approvalId: approvalId as ApprovalId, index: Number(index) }, Number(flat[i + 1]) - clock.now()),
      ]
    })
    if (jobs.length > 0) await queue.addMany(jobs)
    if (jobs.length < PAGE) return
  }
}

async function takeStep(services: Services & { queue: JobQueue<StepJob> }, step: StepJob): Promise<RunResult> {
  const { redis, store, recorder, clock, queue } = services
  const { approvalId, index } = step
  const at = clock.now()
  const applied = await store.apply(approvalId, { type: 'step', index, at })
  const approval = !applied.ok && applied.refusal === 'unknown_approval' ? null : applied.approval
  const known = approval?.steps[index]
  if (!applied.ok && applied.refusal === 'too_early' && known !== undefined) return { againInMs: known.at - at }
  // Also where an earlier run took it: that one may have died before it recorded.
  if (approval && known && known.doneAt !== null) await recordStep(recorder, approval, index)
  const next = approval?.state === 'pending' ? approval.steps[index + 1] : undefined
  const following = { approvalId, index: index + 1 }
  const { stepsDue } = approvalKeys(redis)
  await redis.run(
    STEP_TAKEN,
    [stepsDue],
    [memberOf(step), next === undefined ? '' : memberOf(following), next?.at ?? ''],
  )
  if (next !== undefined) await queue.add(stepJob(following, next.at - clock.now()))
  return 'done'
}

async function recordStep(recorder: Recorder, approval: Approval, index: number): Promise<void> {
  const step = approval.steps[index]
  if (step === undefined) return
  const { sessionId: session_id, id: approval_id } = approval
  const common = { at: step.doneAt ?? epochMs(step.at), session_id, approval_id } as const
  const { from, rooms } = step
  await recorder.record(
    step.type === 'remind'
      ? { type: 'approval.reminded', ...common, by: null }
      : { type: 'approval.escalated', ...common, from, rooms },
    'written',
  )
}
