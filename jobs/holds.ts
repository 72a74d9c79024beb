/**
 * Parks calls. Decides what must stand before a call counts as held, and in which order:
 *
 *   open the approval -> add the deadline's job -> arm it, which makes its cards due
 *
 * A card is therefore never shown for a hold without a deadline, and a hold that failed half-way was seen by nobody: it
 * is withdrawn, at once or as soon as Redis answers. Whoever crashes in between leaves a pending approval that the
 * reconciliation completes: its agent may come back and join.
 *
 * The deadline is a delayed job, so that it needs no timer of ours and outlives every process.
 */
import type { Approval } from '../src/approval/approval.ts'
import type { ApprovalId } from '../src/brands.ts'
import { epochMs } from '../src/brands.ts'
import { GatewayError } from '../src/errors.ts'
import type { Clock, Holds, Log, OpenedHold, Recorder } from '../src/ports.ts'
import type { RedisApprovalStore } from './approvals/store.ts'
import type { Inbox } from './inbox.ts'
import { cameBack, startAttendance, startPresence } from './presence.ts'
import { type JobQueue, openQueue, type RunResult, startWorker } from './queues.ts'
import { startReconciler } from './reconcile.ts'
import type { RedisHandle } from './redis.ts'
import { startUnrecordedReviews } from './unrecorded-reviews.ts'
import { Lost, startWaiting } from './waiting.ts'

const QUEUE = 'holds'
/** Deadlines that fall together: each is two round trips. */
const CONCURRENCY = 16
/** How many openings are completed at once. */
const PAGE = 100
/** An approval that is younger is still being opened by whoever opens it. */
const OPENING_MAX_MS = 5_000
/** More half-opened holds than this are left to the reconciliation, which lets them expire. */
const WITHDRAWALS_MAX = 10_000

interface HoldJob {
  readonly approvalId: ApprovalId
}

interface Services {
  readonly redis: RedisHandle
  readonly store: RedisApprovalStore
  readonly clock: Clock
  readonly log: Log
}

export interface HoldsService extends Holds {
  close(): Promise<void>
}

/** For the gateway: opens holds and waits for them. */
export function createHolds(
  services: Services & {
    readonly inbox: Inbox
    readonly recorder: Recorder
    /** After what time nobody waits; AWAY_AFTER_MS where left out. */
    readonly graceMs?: number
  },
): HoldsService {
  const { redis, store, inbox, clock, log } = services
  const queue = openQueue<HoldJob>(redis, QUEUE)
  const withdrawals = startWithdrawals({ ...services, queue })
  const attendance = startAttendance(services)
  const waiting = startWaiting<Approval>({
    ...{ redis, inbox, log, name: 'waiting' },
    read: async (id) => {
      const attached = await store.attach(id, attendance.tell(id))
      if (attached === null) throw new Lost('Redis no longer knows this approval')
      const { approval, calls } = attached
      if (approval.state !== 'pending') return approval
      if (approval.agent.state === 'away') await cameBack(services, approval, calls)
      return null
    },
  })
  return {
    async open(approval) {
      const opened = await openOrWithdraw(services, approval, withdrawals.add)
      if (opened.armed) return withoutArmed(opened)
      try {
        await queue.add(holdJob(opened.approval, clock))
        await store.arm(opened.approval.id)
        return withoutArmed(opened)
      } catch (error) {
        if (opened.outcome === 'opened') withdrawals.add(approval.id)
        throw error
      }
    },
    wait(id, signal) {
      // First: waiting tells at once how many do.
      const leave = attendance.attend(id)
      return waiting.wait(id, signal).finally(leave)
    },
    async close() {
      await Promise.all([withdrawals.close(), waiting.close(), attendance.close()])
      await queue.close()
    },
  }
}

type Opened = Awaited<ReturnType<RedisApprovalStore['open']>>

async function openOrWithdraw(
  { redis, store }: Services,
  approval: Approval,
  withdraw: (id: ApprovalId) => void,
): Promise<Opened> {
  // Nothing was sent, so that nothing can have taken effect.
  if (!redis.isReady()) throw new GatewayError('store_unavailable', 'Redis is not connected')
  try {
    return await store.open(approval)
  } catch (error) {
    // A lost answer: the approval may stand.
    if (error instanceof GatewayError && error.code === 'store_unavailable') withdraw(approval.id)
    throw error
  }
}

function withoutArmed({ armed: _, ...opened }: Opened): OpenedHold {
  return opened
}

function holdJob({ id, expiresAt }: Approval, clock: Clock) {
  return { id: holdJobId(id), data: { approvalId: id }, delayMs: expiresAt - clock.now() }
}

export const holdJobId = (id: ApprovalId) => `hold-${id}`

/** Takes back what could not be opened wholly, until it is done. */
function startWithdrawals({ redis, store, clock, log, queue }: Services & { queue: JobQueue<HoldJob> }) {
  const ids = new Set<ApprovalId>()
  const reconciler = startReconciler({
    redis,
    name: 'withdrawals',
    log,
    run: async () => {
      for (const id of ids) {
        await store.withdraw(id, {
          type: 'cancelled',
          reason: 'Redis did not answer while it was opened',
          at: clock.now(),
        })
        // On the connection that may still carry the job that timed out: so this comes after it.
        if (await isGone(store, id)) await queue.remove(holdJobId(id))
        ids.delete(id)
        log.info('hold withdrawn', { approval_id: id })
      }
    },
  })
  return {
    add(id: ApprovalId) {
      if (ids.size < WITHDRAWALS_MAX) ids.add(id)
      reconciler.poke()
    },
    close: reconciler.close,
  }
}

async function isGone(store: RedisApprovalStore, id: ApprovalId): Promise<boolean> {
  return (await store.get(id))?.state !== 'pending'
}

/**
 * For the jobs role: lets holds expire at their deadline and records that, completes what a crash left half-done,
 * records the reviews that nobody could, and notices when nobody waits any more.
 * A job whose approval is unknown or decided does nothing.
 */
export function startHoldsWorker(services: Services & { readonly recorder: Recorder }): { close(): Promise<void> } {
  const { redis, store, clock, log, recorder } = services
  const queue = openQueue<HoldJob>(redis, QUEUE)
  const worker = startWorker<HoldJob>({
    redis,
    queue: QUEUE,
    concurrency: CONCURRENCY,
    log,
    run: ({ data, attempt }) => expire({ store, clock, recorder }, data.approvalId, attempt),
  })
  const reconciler = startReconciler({
    redis,
    name: 'holds',
    log,
    run: async () => {
      const unfinished = await completeOpenings({ store, clock, queue })
      if (unfinished) reconciler.poke(OPENING_MAX_MS)
    },
  })
  const unrecordedReviews = startUnrecordedReviews({ redis, store, recorder, clock, log })
  const presence = startPresence({ redis, store, recorder, clock, log })
  return {
    async close() {
      await Promise.all([reconciler.close(), unrecordedReviews.close(), presence.close()])
      await worker.close()
      await queue.close()
    },
  }
}

async function expire(
  { store, clock, recorder }: { store: RedisApprovalStore; clock: Clock; recorder: Recorder },
  id: ApprovalId,
  attempt: number,
): Promise<RunResult> {
  const at = clock.now()
  const applied = await store.apply(id, { type: 'deadline', at })
  if (!applied.ok && applied.refusal === 'unknown_approval') return 'done'
  const { approval } = applied
  if (!applied.ok && applied.refusal === 'too_early') return { againInMs: approval.expiresAt - at }
  // A second attempt finds it expired already: the first one may have died before it recorded.
  const ours = applied.ok || attempt > 1
  if (approval.state === 'expired' && ours) {
    await recorder.record(
      {
        type: 'approval.resolved',
        at: approval.resolvedAt ?? at,
        session_id: approval.sessionId,
        approval_id: id,
        state: 'expired',
      },
      'written',
    )
  }
  return 'done'
}

/** Answers true where some are too young to tell, so that it must look again. */
async function completeOpenings(services: {
  store: RedisApprovalStore
  clock: Clock
  queue: JobQueue<HoldJob>
}): Promise<boolean> {
  const { store, clock, queue } = services
  const openedBefore = epochMs(clock.now() - OPENING_MAX_MS)
  const { ids, younger } = await store.pendingIds(openedBefore)
  for (let start = 0; start < ids.length; start += PAGE) {
    await Promise.all(
      ids.slice(start, start + PAGE).map(async (id) => {
        if (!(await queue.has(holdJobId(id)))) {
          const approval = await store.get(id)
          if (approval?.state === 'pending') await queue.add(holdJob(approval, clock))
        }
        await store.arm(id)
      }),
    )
  }
  return younger > 0
}
