/**
 * Records the reviews that took effect and of which nobody recorded anything: their process died in between, or Redis'
 * answer was lost on its way, so that the person was told it had failed while the call went through.
 *
 * The store notes a review as unrecorded in the step that applies it, with how many reviews there are then, which tells
 * which one it was; the loss of an approved call's run, what a person found out about it, and that the agent took its
 * question back, likewise. One that is noted for longer than recording takes is recorded here. Its process may still come
 * to it: an event that stands twice is harmless.
 */
import type { Approval } from '../src/approval/approval.ts'
import type { ApprovalId } from '../src/brands.ts'
import { grantIdOf } from '../src/grant/grant.ts'
import type { ApprovalStore, Clock, Log, Recorder } from '../src/ports.ts'
import { recordCancelled, recordLostRun, recordReview } from '../src/review/review.ts'
import { approvalKeys } from './approvals/keys.ts'
import { parseGrant } from './grant-fields.ts'
import { type Reconciler, startReconciler } from './reconcile.ts'
import type { RedisHandle } from './redis.ts'

/** Applying and recording take milliseconds; a process that stalls longer is taken for dead. */
const RECORDING_MAX_MS = 5_000
const PAGE = 100

interface Services {
  readonly redis: RedisHandle
  readonly store: Pick<ApprovalStore, 'get' | 'reviewRecorded'>
  readonly recorder: Recorder
  readonly clock: Clock
  readonly log: Log
}

export function startUnrecordedReviews(services: Services): Reconciler {
  const { redis, log } = services
  return startReconciler({ redis, name: 'unrecorded-reviews', log, run: () => recordAll(services) })
}

async function recordAll(services: Services): Promise<void> {
  const { redis } = services
  const { unrecordedReviews } = approvalKeys(redis)
  for (;;) {
    const before = redis.serverNow() - RECORDING_MAX_MS
    const page = await redis.call('ZRANGEBYSCORE', unrecordedReviews, '-inf', before, 'LIMIT', 0, PAGE)
    const members = Array.isArray(page) ? page.map(String) : []
    for (const member of members) await recordOne(services, member)
    if (members.length < PAGE) return
  }
}

async function recordOne({ redis, store, recorder, clock, log }: Services, member: string): Promise<void> {
  const [id = '', many] = member.split(':')
  const approval = await store.get(id as ApprovalId)
  if (approval?.run && (many === 'lost' || many === 'resolved')) {
    const { run } = approval
    await recordLostRun(recorder, many === 'resolved' ? approval : { ...approval, run: { ...run, by: null } })
  }
  if (approval?.state === 'cancelled' && many === 'cancelled') await recordCancelled(recorder, approval, clock.now())
  const made = approval && asOf(approval, Number(many))
  const review = made?.reviews.at(-1)
  if (made && review) {
    await recordReview(recorder, made, review, clock.now())
    if (made.state === 'approved') await recordRevocation({ redis, recorder, clock }, made)
    log.warn('a review was not recorded by whoever applied it', { approval_id: made.id })
  }
  await redis.call('ZREM', approvalKeys(redis).unrecordedReviews, member)
}

/** The approval as the review made it: whatever came after, it was pending then. */
function asOf(approval: Approval, many: number): Approval {
  const { state, reviews } = approval
  const isLast = many === reviews.length && (state === 'approved' || state === 'denied')
  return isLast ? approval : { ...approval, reviews: reviews.slice(0, many), state: 'pending', resolvedAt: null }
}

/** An approval that could not be recorded was taken back at once: see review/review.ts. */
async function recordRevocation(
  { redis, recorder, clock }: Pick<Services, 'redis' | 'recorder' | 'clock'>,
  { id, sessionId }: Approval,
): Promise<void> {
  const grant = parseGrant(await redis.call('HGETALL', approvalKeys(redis).grant(grantIdOf(id))))
  if (grant?.state !== 'revoked') return
  await recorder.record(
    {
      type: 'grant.ended',
      at: grant.endedAt ?? clock.now(),
      session_id: sessionId,
      grant_id: grant.id,
      approval_id: id,
      state: 'revoked',
    },
    'written',
  )
}
