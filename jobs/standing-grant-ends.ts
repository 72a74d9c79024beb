/**
 * What follows when a standing grant ends: it is recorded with what was done under it, people are told, and the cards that
 * offer to take it back say that it is over.
 *
 *   opened ─► a delayed job at its expiry ends it (an extension puts the job off)
 *   ended, by that job or by a person in whatever process ─► noted as unreported in the same step ─► a job reports it
 *   extended ─► noted as unshown in the same step ─► a job lets its earlier cards say until when it lasts now
 *
 * A grant that has expired or was taken back passes nothing by itself (standing-grants.ts); this makes its end known.
 * Ending and telling are apart, so that a command in a shell, which has neither a recording nor a channel, can revoke one
 * and be gone. All jobs follow from indexes, so that one whose process died is added by the next reconciliation.
 */
import type { ApprovalId, EpochMs, GrantId } from '../src/brands.ts'
import type { StandingGrant } from '../src/grant/standing.ts'
import { standingGrantIdOf } from '../src/grant/standing.ts'
import type { ApprovalStore, Clock, Log, Notices, Recorder, StandingGrants } from '../src/ports.ts'
import { approvalKeys } from './approvals/keys.ts'
import type { Inbox } from './inbox.ts'
import { type Job, type JobQueue, openQueue, type RunResult, startWorker } from './queues.ts'
import { startReconciler } from './reconcile.ts'
import type { RedisHandle } from './redis.ts'
import { approvalsOf } from './standing-grant-fields.ts'
import { SHOWN_STANDING } from './standing-grant-scripts.ts'

const QUEUE = 'standing-grants'
const CONCURRENCY = 8
const PAGE = 500

interface GrantJob {
  readonly grantId: GrantId
  readonly what: 'expire' | 'report' | 'extended'
}

interface Services {
  readonly redis: RedisHandle
  readonly standingGrants: StandingGrants
  readonly store: Pick<ApprovalStore, 'apply'>
  readonly recorder: Recorder
  readonly notices: Notices
  readonly clock: Clock
  readonly log: Log
}

export function startStandingGrantEnds(services: Services & { readonly inbox: Inbox }): {
  close(): Promise<void>
} {
  const { redis, inbox, standingGrants, log, clock } = services
  const queue = openQueue<GrantJob>(redis, QUEUE)
  const worker = startWorker<GrantJob>({
    redis,
    queue: QUEUE,
    concurrency: CONCURRENCY,
    log,
    run: ({ data: { what, grantId } }) => {
      if (what === 'expire') return expire(services, queue, grantId)
      return what === 'report' ? report(services, grantId) : showExtended(services, grantId)
    },
  })
  const reconciler = startReconciler({ redis, name: QUEUE, log, run: () => scheduleAll({ redis, queue, clock }) })
  const schedule = async (id: ApprovalId) => {
    const grant = await standingGrants.get(standingGrantIdOf(id))
    if (grant === null) return
    if (grant.state !== 'active') return queue.add(reportOf(grant.id))
    await queue.add(expiryOf(grant.id, grant.expiresAt - clock.now()))
    const unshown = await redis.call('ZSCORE', approvalKeys(redis).unshownStanding, grant.id)
    if (unshown !== null) await queue.add(extendedOf(grant.id))
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

const extendedOf = (grantId: GrantId): Job<GrantJob> => ({
  id: `extended-${grantId}`,
  data: { grantId, what: 'extended' },
})

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
  await add(keys.unshownStanding, extendedOf)
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
async function report(services: Services, id: GrantId): Promise<RunResult> {
  const { standingGrants, recorder, notices, redis } = services
  const unreported = approvalKeys(redis).unreportedStanding
  const grant = await standingGrants.get(id)
  if (grant !== null && (await redis.call('ZSCORE', unreported, id)) !== null) {
    await recordEnded(recorder, grant)
    await showEnded(services, grant)
    await notices.send(`grant-ended-${id}`, { type: 'grant_ended', grant })
  }
  await redis.call('ZREM', unreported, id)
  return 'done'
}

async function showEnded({ store, redis }: Services, grant: StandingGrant): Promise<void> {
  const { state, endedAt, endedBy: by, expiresAt } = grant
  if (state === 'active') return
  const at = endedAt ?? expiresAt
  for (const id of await shownOn(redis, grant)) await store.apply(id, { type: 'grant_ended', state, at, by })
}

/** The last approval that made it end later says so itself. */
async function showExtended({ standingGrants, store, redis, clock }: Services, id: GrantId): Promise<RunResult> {
  const { unshownStanding } = approvalKeys(redis)
  const grant = await standingGrants.get(id)
  const until = grant?.state === 'active' ? grant.expiresAt : null
  if (grant === null || until === null) {
    await redis.call('ZREM', unshownStanding, id)
    return 'done'
  }
  const earlier = (await shownOn(redis, grant)).slice(0, -1)
  for (const shownOn of earlier) await store.apply(shownOn, { type: 'grant_extended', until, at: clock.now() })
  const isShown = await redis.run(SHOWN_STANDING, [unshownStanding], [id, until])
  return Number(isShown) === 1 ? 'done' : { againInMs: LOOKED_AT_AGAIN_MS }
}

async function shownOn(redis: RedisHandle, grant: StandingGrant): Promise<readonly ApprovalId[]> {
  return approvalsOf(grant, await redis.call('HGET', approvalKeys(redis).standingGrant(grant.id), 'extensions'))
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
