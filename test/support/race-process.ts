/**
 * A process among several that decide the same approvals at the same time, with the real store, reviews, jobs and
 * recording. It is told what to do over its parent's channel and tells how each went, in the same order:
 *
 *   parent  { type: 'race', moves }   child  { type: 'raced', answers }
 *   parent  { type: 'take', takes }   child  { type: 'taken', answers }
 *   parent  { type: 'end' }           child  ends
 *
 * argv: Redis' URL, key prefix, recordings' directory, by how many milliseconds its clock is wrong.
 */
import { once } from 'node:events'
import { startApprovalSteps } from '../../jobs/approval-steps.ts'
import { createApprovalStore } from '../../jobs/approvals/store.ts'
import { createFreezes } from '../../jobs/freezes.ts'
import { createGrants, listUnused } from '../../jobs/grants.ts'
import { startHoldsWorker } from '../../jobs/holds.ts'
import { startInbox } from '../../jobs/inbox.ts'
import { createNotices } from '../../jobs/notices.ts'
import { createReadings } from '../../jobs/readings.ts'
import { startRecorder } from '../../jobs/recording/recorder.ts'
import { connectRedis } from '../../jobs/redis.ts'
import { createStandingGrants } from '../../jobs/standing-grants.ts'
import type { ApprovalState, Refusal } from '../../src/approval/approval.ts'
import type { ApprovalId, CallId, Fingerprint } from '../../src/brands.ts'
import { epochMs } from '../../src/brands.ts'
import { createFreezeDesk, operatorsMay } from '../../src/freeze/desk.ts'
import { grantIdOf } from '../../src/grant/grant.ts'
import { peopleOf } from '../../src/people/people.ts'
import type { Reviewer } from '../../src/people/reviewer.ts'
import type { Clock, ReviewOutcome } from '../../src/ports.ts'
import { createReviews } from '../../src/review/review.ts'
import { randomIds } from './random-ids.ts'
import { silentLog as log } from './redis.ts'

export interface Move {
  readonly kind: 'approve' | 'deny' | 'cancel' | 'ask' | 'remind' | 'freeze'
  /** A freeze stops all that is asked for whom this one is asked for. */
  readonly approvalId: ApprovalId
  readonly who: Reviewer
  /** The person behind the agent. */
  readonly owner: string
  readonly allowForMs: number | null
}

export type MoveAnswer =
  | { readonly ok: true; readonly state: ApprovalState; readonly version: number }
  | { readonly ok: true; readonly state: 'frozen'; readonly ended: { readonly approvals: number } }
  | { readonly ok: false; readonly refusal: Refusal; readonly state: ApprovalState | null }
  /** Nobody may hear of a fault here. */
  | { readonly ok: false; readonly refusal: 'fault'; readonly state: string }

export interface Take {
  readonly act: 'consume' | 'revoke'
  readonly approvalId: ApprovalId
  readonly fingerprint: Fingerprint
  readonly callId: CallId
}

export type Order =
  | { readonly type: 'race'; readonly moves: readonly Move[] }
  | { readonly type: 'take'; readonly takes: readonly Take[] }
  | { readonly type: 'end' }

export type Told =
  | { readonly type: 'ready' }
  | { readonly type: 'raced'; readonly answers: readonly MoveAnswer[] }
  | { readonly type: 'taken'; readonly answers: readonly boolean[] }

/** Moves at once: so many of each process meet on the same approvals. */
const AT_ONCE = 48

const group = (...emails: readonly string[]) => ({
  emails: new Set(emails),
  reviewerIds: new Set<string>(),
  lookedUp: [],
})
const GROUPS = new Map([
  ['dba', group('bob@example.com', 'carol@example.com', 'dave@example.com')],
  ['leads', group('lena@example.com')],
])

async function run([url = '', keyPrefix = '', directory = '', wrongBy = '0']: readonly string[]): Promise<void> {
  const clock: Clock = { now: () => epochMs(Date.now() + Number(wrongBy)) }
  const redis = connectRedis({ url, keyPrefix, clock, log })
  await redis.whenReady()
  const replica = randomIds.next('seg')
  const recorder = await startRecorder({ directory, replica, sync: 'group', clock, ids: randomIds, log })
  const inbox = await startInbox(redis, log)
  const store = createApprovalStore({ redis, inbox })
  const grants = createGrants(redis, inbox.replica)
  const standingGrants = createStandingGrants(redis)
  const parts = { approvals: store, grants, standingGrants, recorder, clock, log }
  const reviews = createReviews({ ...parts, people: peopleOf(GROUPS), readings: createReadings(redis) })
  const notices = createNotices(redis, ['console'])
  const desk = createFreezeDesk({
    ...{ ...parts, notices, freezes: createFreezes(redis) },
    authority: operatorsMay(peopleOf(GROUPS), null),
    listUnused: () => listUnused(redis),
  })
  const holds = startHoldsWorker({ redis, store, clock, log, recorder })
  const steps = startApprovalSteps({ redis, inbox, store, recorder, clock, log })

  process.on('message', (order: Order) => {
    switch (order.type) {
      case 'race':
        return void inWaves(order.moves, make).then((answers) => tell({ type: 'raced', answers }))
      case 'take':
        return void inWaves(order.takes, take).then((answers) => tell({ type: 'taken', answers }))
      case 'end':
        return process.disconnect()
    }
  })
  tell({ type: 'ready' })
  await once(process, 'disconnect')
  await Promise.all([holds.close(), steps.close(), notices.close()])
  await inbox.close()
  await recorder.close()
  await redis.close()

  async function make(move: Move): Promise<MoveAnswer> {
    try {
      if (move.kind === 'freeze') return await freeze(move)
      const outcome = await decide({ ...move, kind: move.kind })
      if (outcome.ok) return { ok: true, state: outcome.approval.state, version: outcome.approval.version }
      return { ok: false, refusal: outcome.refusal, state: outcome.approval?.state ?? null }
    } catch (error) {
      return { ok: false, refusal: 'fault', state: String(error) }
    }
  }

  async function freeze({ owner, who: by }: Move): Promise<MoveAnswer> {
    const outcome = await desk.freeze({ scope: { kind: 'agent', owner }, by, reason: null })
    if (!outcome.ok || outcome.note !== null) throw new Error(outcome.ok ? String(outcome.note) : outcome.message)
    return { ok: true, state: 'frozen', ended: outcome.ended }
  }

  type Decision = Move & { readonly kind: Exclude<Move['kind'], 'freeze'> }
  function decide({ kind, approvalId, who: reviewer, allowForMs }: Decision): Promise<ReviewOutcome> {
    switch (kind) {
      case 'approve':
      case 'deny':
        return reviews.submit({ approvalId, reviewer, choice: kind, reason: null, channel: 'console', allowForMs })
      case 'cancel':
        return reviews.cancel({ approvalId, reviewer })
      case 'ask':
        return reviews.ask({ approvalId, reviewer, text: 'What for?' })
      case 'remind':
        return reviews.remind({ approvalId, reviewer })
    }
  }

  async function take({ act, approvalId, fingerprint, callId }: Take): Promise<boolean> {
    const id = grantIdOf(approvalId)
    return act === 'revoke' ? grants.end(id, 'revoked') : (await grants.consume(id, { fingerprint, callId })).ok
  }
}

/** So many on their way at any time, begun in their order. */
async function inWaves<T, A>(all: readonly T[], work: (one: T) => Promise<A>): Promise<A[]> {
  const answers: A[] = []
  let next = 0
  const lane = async () => {
    for (let at = next++; at < all.length; at = next++) answers[at] = await work(all[at] as T)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, lane))
  return answers
}

function tell(told: Told): void {
  process.send?.(told)
}

// Its parent imports the types and the groups.
if (process.send !== undefined && process.argv[1]?.endsWith('race-process.js')) await run(process.argv.slice(2))
