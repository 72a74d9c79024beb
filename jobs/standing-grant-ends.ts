/**
 * What follows when a standing grant ends: it is recorded with what was done under it, and people are told.
 *
 *   opened ─► a delayed job at its expiry ends it (an extension puts the job off)
 *   ended, by that job or by a person in whatever process ─► noted as unreported in the same step ─► a job reports it
 *
 * A grant that has expired or was taken back passes nothing by itself (standing-grants.ts); this makes its end known.
 * Ending and telling are apart, so that a command in a shell, which has neither a recording nor a channel, can revoke one
 * and be gone. Both jobs follow from indexes, so that one whose process died is added by the next reconciliation.
 */
import type { ApprovalId, EpochMs, GrantId } from '../src/brands.ts'
import type { StandingGrant } from '../src/grant/standing.ts'
import { standingGrantIdOf } from '../src/grant/standing.ts'
import type { Clock, Log, Notices, Recorder, StandingGrants } from '../src/ports.ts'
import { approvalKeys } from './approvals/keys.ts'
import type { Inbox } from './inbox.ts'
import { type Job, type JobQueue, openQueue, type RunResult, startWorker } from './queues.ts'
import { startReconciler } from './reconcile.ts'
import type { RedisHandle } from './redis.ts'

const QUEUE = 'standing-grants'
const CONCURRENCY = 8
const PAGE = 500

interface GrantJob {
  readonly grantId: GrantId
  readonly what: 'expire' | 'report'
}

interface Services {
  readonly redis: RedisHandle
  readonly standingGrants: StandingGrants
  readonly recorder: Recorder
  readonly notices: Notices
  readonly log: Log
}

export function startStandingGrantEnds(services: Services & { readonly inbox: Inbox; readonly clock: Clock }): {
  close(): Promise<void>
} {
  const { redis, inbox, standingGrants, log, clock } = services
  const queue = openQueue<GrantJob>(redis, QUEUE)
  const worker = startWorker<GrantJob>({
    redis,
    queue: QUEUE,
    concurrency: CONCURRENCY,
    log,
    run: ({ data }) =>
      data.what === 'expire' ? expire(services, queue, data.grantId) : report(services, data.grantId),
  })
  const reconciler = startReconciler({ redis, name: QUEUE, log, run: () => scheduleAll({ redis, queue, clock }) })
  const schedule = async (id: ApprovalId) => {
    const grant = await standingGrants.get(standingGrantIdOf(id))
    if (grant?.state === 'active') await queue.add(expiryOf(grant.id, grant.expiresAt - clock.now()))
    else if (grant !== null) await queue.add(reportOf(grant.id))
  }
  const forget = inbox.onChange((id) => {
    schedule(id).catch(() => reconciler.poke())
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

const expiryOf = (grantId: GrantId, delayMs: number): Job<GrantJob> => ({
  id: `expire-${grantId}`,
  data: { grantId, what: 'expire' },
  delayMs,
})

const reportOf = (grantId: GrantId): Job<GrantJob> => ({ id: `report-${grantId}`, data: { grantId, what: 'report' } })

interface Scheduling {
  readonly redis: RedisHandle
  readonly queue: JobQueue<GrantJob>
  readonly clock: Clock
}

async function scheduleAll({ redis, queue, clock }: Scheduling): Promise<void> {
  const keys = approvalKeys(redis)
  const add = async (index: string, jobOf: (id: GrantId, at: EpochMs) => Job<GrantJob>) => {
    for (let start = 0; ; start += PAGE) {
      const reply = await redis.call('ZRANGE', index, start, start + PAGE - 1, 'WITHSCORES')
      const flat = Array.isArray(reply) ? reply.flat().map(String) : []
      const jobs = flat.flatMap((id, i) => (i % 2 === 0 ? [jobOf(id as GrantId, Number(flat[i + 1]) as EpochMs)] : []))
      if (jobs.length > 0) await queue.addMany(jobs)
      if (jobs.length < PAGE) return
    }
  }
  await add(keys.activeStanding, (id, expiresAt) => expiryOf(id, expiresAt - clock.now()))
  await add(keys.unreportedStanding, reportOf)
}

async function expire({ standingGrants, redis }: Services, queue: JobQueue<GrantJob>, id: GrantId): Promise<RunResult> {
  const grant = await standingGrants.get(id)
  if (grant === null) return 'done'
  const earlyMs = grant.state === 'active' ? grant.expiresAt - redis.serverNow() : 0
  if (earlyMs > 0) return { againInMs: earlyMs }
  // It may have been extended just now: then it is not ended, and looked at again.
  const ended = grant.state === 'active' ? await standingGrants.end(id, { state: 'expired', by: null }) : grant
  if (ended === null) return { againInMs: LOOKED_AT_AGAIN_MS }
  await queue.add(reportOf(id))
  return 'done'
}

/** Redis' clock, as we know it, may be a little behind. */
const LOOKED_AT_AGAIN_MS = 50

/** It may run twice: an event that stands twice is harmless, and a notice is told once. */
async function report({ standingGrants, recorder, notices, redis }: Services, id: GrantId): Promise<RunResult> {
  const unreported = approvalKeys(redis).unreportedStanding
  const grant = await standingGrants.get(id)
  if (grant !== null && (await redis.call('ZSCORE', unreported, id)) !== null) {
    await recordEnded(recorder, grant)
    await notices.send(`grant-ended-${id}`, { type: 'grant_ended', grant })
  }
  await redis.call('ZREM', unreported, id)
  return 'done'
}

async function recordEnded(recorder: Recorder, grant: StandingGrant): Promise<void> {
  const { id, state, approvalId, sessionId, endedAt, endedBy, expiresAt, uses } = grant
  if (state === 'active') return
  await recorder.record(
    {
      type: 'grant.ended',
      at: endedAt ?? expiresAt,
      session_id: sessionId,
      grant_id: id,
      approval_id: approvalId,
      state,
      by: endedBy,
      uses,
    },
    'written',
  )
}
