/**
 * Finds the runs whose gateway is gone, and asks people about them: a call that was on its way when its gateway stopped
 * may have run, so nobody makes it again before a person has looked.
 *
 *   running, its replica's heartbeat missing ──SILENT_MIN_MS, by our own clock──► unknown, recorded, the card repainted
 *
 * Seen missing once is not enough: after Redis, or this machine, was stopped for longer than a heartbeat lives, every
 * replica is silent until its next beat, this one included.
 */
import { performance } from 'node:perf_hooks'
import type { ApprovalId, CallId } from '../src/brands.ts'
import type { Clock, Log, Recorder } from '../src/ports.ts'
import { recordLostRun } from '../src/review/review.ts'
import { approvalKeys } from './approvals/keys.ts'
import { SILENT_RUNS } from './approvals/scripts.ts'
import type { RedisApprovalStore } from './approvals/store.ts'
import { startReconciler } from './reconcile.ts'
import type { RedisHandle } from './redis.ts'
import { BEAT_MS } from './runs.ts'

/** One beat, and a reconnection's pause. */
const SILENT_MIN_MS = BEAT_MS + 1_500
/** One short command while nothing runs. */
const LOOK_EVERY_MS = 3_000
const PAGE = 500

interface Services {
  readonly redis: RedisHandle
  readonly store: Pick<RedisApprovalStore, 'apply' | 'reviewRecorded'>
  readonly recorder: Recorder
  readonly clock: Clock
  readonly log: Log
}

interface SilentRun {
  readonly id: ApprovalId
  readonly replica: string
  readonly callId: CallId
}

export function startLostRuns(services: Services): { close(): Promise<void> } {
  const { redis, log } = services
  /** By replica, since when it is silent. Monotonic: it stands still while this machine sleeps. */
  let silentSince: ReadonlyMap<string, number> = new Map()
  const reconciler = startReconciler({
    redis,
    name: 'lost-runs',
    log,
    run: async () => {
      // First, so that it is looked again also where something fails below.
      reconciler.poke(LOOK_EVERY_MS)
      const silent = await silentRuns(redis)
      const now = performance.now()
      silentSince = new Map(silent.map(({ replica }) => [replica, silentSince.get(replica) ?? now]))
      for (const run of silent) {
        if (now - (silentSince.get(run.replica) ?? now) >= SILENT_MIN_MS) await lose(services, run)
      }
    },
  })
  return reconciler
}

async function silentRuns(redis: RedisHandle): Promise<readonly SilentRun[]> {
  const { running } = approvalKeys(redis)
  const silent: SilentRun[] = []
  for (let start = 0; ; start += PAGE) {
    const prefixes = [redis.key('run', ''), redis.key('heartbeat', '')]
    const reply = await redis.run(SILENT_RUNS, [running], [start, start + PAGE - 1, ...prefixes])
    const [many, ...found] = Array.isArray(reply) ? reply : [0]
    for (let i = 0; i < found.length; i += 3) {
      const [id, replica, callId] = found.slice(i, i + 3).map(String) as [ApprovalId, string, CallId]
      silent.push({ id, replica, callId })
    }
    if (Number(many) < PAGE) return silent
  }
}

async function lose({ redis, store, recorder, clock, log }: Services, { id, callId }: SilentRun): Promise<void> {
  const applied = await store.apply(id, { type: 'run_lost', callId, at: clock.now() })
  if (!applied.ok) {
    // It ended just now, or Redis has forgotten the approval: either way there is nobody to ask.
    if (applied.refusal === 'unknown_approval') await redis.call('ZREM', approvalKeys(redis).running, id)
    return
  }
  log.warn('the outcome of a call is unknown', { approval_id: id, call_id: callId })
  await recordLostRun(recorder, applied.approval)
  await store.reviewRecorded(applied.approval)
}
