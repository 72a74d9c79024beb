/**
 * One click is one review. Decides who may, applies it by compare-and-set, and says in plain words what came of it.
 *
 *   authorise -> compare and set -> record
 *
 * The requester and the agent's owner never approve, by whatever account they come. An approval that can't be recorded
 * is taken back before anyone is told that it counts.
 */
import type { Approval, Refusal, Review, Reviewer } from '../approval/approval.ts'
import type { EpochMs } from '../brands.ts'
import { epochMs } from '../brands.ts'
import { grantIdOf } from '../grant/grant.ts'
import type { ApprovalStore, Clock, Grants, Log, People, Recorder, ReviewOutcome, Reviews } from '../ports.ts'

export interface ReviewOptions {
  readonly approvals: ApprovalStore
  readonly grants: Grants
  readonly people: People
  readonly recorder: Recorder
  readonly clock: Clock
  readonly log: Log
}

/** What a reviewer may write with a click; more is cut, for cards and the agent's answer. */
const REASON_LENGTH_MAX = 1_000

export function createReviews(options: ReviewOptions): Reviews {
  const { approvals, people, clock } = options
  return {
    async submit({ approvalId, reviewer, choice, reason, channel }) {
      const approval = await approvals.get(approvalId)
      if (approval === null) return refuse('unknown_approval', null)
      if (approval.state !== 'pending') return refuse('already_resolved', approval)
      const refusal = mayReview(approval, reviewer, people)
      if (refusal !== null) return refused(options, approval, reviewer, refusal)
      const at = clock.now()
      const review: Review = { reviewer, choice, reason: trimReason(reason), channel, at }
      const applied = await approvals.apply(approvalId, { type: 'reviewed', review, at })
      if (applied.ok) return recorded(options, applied.approval, review)
      if (applied.refusal === 'unknown_approval') return refuse('unknown_approval', null)
      return refused(options, applied.approval, reviewer, applied.refusal)
    },
    resolveRun: (click) => resolveRun(options, click),
  }
}

/** Applied, then recorded, like a review: whoever loses the race must not stand in the recording as the one who said it. */
async function resolveRun(
  options: ReviewOptions,
  { approvalId, reviewer, ran }: Parameters<Reviews['resolveRun']>[0],
): Promise<ReviewOutcome> {
  const { approvals, people, clock, recorder } = options
  const approval = await approvals.get(approvalId)
  if (approval === null) return refuse('unknown_approval', null)
  if (approval.run?.state !== 'unknown') return refuse('run_known', approval)
  const refusal = mayReview(approval, reviewer, people)
  if (refusal !== null) return refused(options, approval, reviewer, refusal)
  const applied = await approvals.apply(approvalId, { type: 'run_resolved', ran, by: reviewer, at: clock.now() })
  if (!applied.ok && applied.refusal === 'unknown_approval') return refuse('unknown_approval', null)
  if (!applied.ok) return refuse(applied.refusal, applied.approval)
  await recordLostRun(recorder, applied.approval)
  await approvals.reviewRecorded(applied.approval).catch(() => undefined)
  return { ok: true, approval: applied.approval }
}

/** What `approval.run` says: that nobody knows, or who said what. */
export async function recordLostRun(recorder: Recorder, approval: Approval): Promise<void> {
  const { run, sessionId, id } = approval
  if (run === null) return
  const common = { at: run.at, session_id: sessionId, approval_id: id, call_id: run.callId } as const
  const ran = run.state === 'ran'
  await recorder.record(
    run.by === null
      ? { type: 'call.outcome_unknown', ...common }
      : { type: 'run.resolved', ...common, ran, reviewer: run.by },
    'synced',
  )
}

/** Null when this person may review. A denial by the owner is refused too: they can cancel, but not review. */
export function mayReview(approval: Approval, reviewer: Reviewer, people: People): Refusal | null {
  if (isRequester(approval, reviewer)) return 'self_review'
  if (approval.from.length > 0) return people.isMember(reviewer, approval.from) ? null : 'not_a_reviewer'
  // Anyone but the owner may: that can't be told where the token names no person.
  return ownerOf(approval) === null ? 'owner_unknown' : null
}

/** Okta's `sub` is the owner's login, which is mostly their e-mail, so a subject with an `@` names a person too. */
function ownerOf({ principal: { email, subject } }: Approval): string | null {
  return email ?? (subject.includes('@') ? subject : null)
}

/** Both count, since an issuer may call an e-mail unverified and still use it as the login. */
function isRequester({ principal }: Approval, reviewer: Reviewer): boolean {
  if (reviewer.email === null) return false
  const email = reviewer.email.toLowerCase()
  return email === principal.email?.toLowerCase() || email === principal.subject.toLowerCase()
}

function trimReason(reason: string | null): string | null {
  const text = reason?.trim() ?? ''
  return text === '' ? null : text.slice(0, REASON_LENGTH_MAX)
}

async function recorded(options: ReviewOptions, approval: Approval, review: Review): Promise<ReviewOutcome> {
  const { approvals, recorder, grants, clock, log } = options
  try {
    await recordReview(recorder, approval, review, clock.now())
  } catch (error) {
    await grants
      .end(grantIdOf(approval.id), 'revoked')
      .catch(() => log.error('could not revoke an unrecorded grant', { approval_id: approval.id }))
    throw error
  }
  // Where this is lost, the review is recorded once more: twice is harmless, never is not.
  await approvals.reviewRecorded(approval).catch(() => undefined)
  return { ok: true, approval }
}

/** Whoever asked took the question back. */
export async function recordCancelled(recorder: Recorder, approval: Approval, now: EpochMs): Promise<void> {
  const { id: approval_id, sessionId: session_id, resolvedAt } = approval
  const at = resolvedAt ?? now
  await recorder.record({ type: 'approval.resolved', at, session_id, approval_id, state: 'cancelled' }, 'written')
}

/** `approval` as this review made it. */
export async function recordReview(recorder: Recorder, approval: Approval, review: Review, at: EpochMs): Promise<void> {
  const common = { at, session_id: approval.sessionId, approval_id: approval.id } as const
  await recorder.record({ type: 'approval.reviewed', ...common, review }, 'synced')
  if (approval.state === 'approved' || approval.state === 'denied') {
    await recorder.record({ type: 'approval.resolved', ...common, state: approval.state }, 'written')
  }
  if (approval.state === 'approved') {
    const grant_id = grantIdOf(approval.id)
    const expires_at = epochMs((approval.resolvedAt ?? at) + approval.useWithinMs)
    await recorder.record({ type: 'grant.opened', ...common, grant_id, expires_at }, 'written')
  }
}

async function refused(
  { recorder, clock }: ReviewOptions,
  approval: Approval,
  reviewer: Reviewer,
  refusal: Refusal,
): Promise<ReviewOutcome> {
  const at = clock.now()
  await recorder.record(
    {
      type: 'approval.review_refused',
      at,
      session_id: approval.sessionId,
      approval_id: approval.id,
      reviewer: reviewer.id,
      refusal,
    },
    'written',
  )
  return refuse(refusal, approval)
}

function refuse(refusal: Refusal, approval: Approval | null): ReviewOutcome {
  return { ok: false, refusal, message: refusalText(refusal, approval), approval }
}

/** For the person who clicked. */
export function refusalText(refusal: Refusal, approval: Approval | null): string {
  switch (refusal) {
    case 'already_resolved':
      return `Your click changed nothing: this was already ${approval?.state ?? 'decided'}${deciders(approval)}.`
    case 'too_late':
      return 'Your click changed nothing: the deadline has passed.'
    case 'too_early':
      return 'The deadline has not come yet.'
    case 'already_reviewed':
      return 'You have already reviewed this one; another person is needed.'
    case 'self_review':
      return 'You can’t review this: the agent acts for you. Someone else has to decide.'
    case 'owner_unknown':
      return (
        'The agent’s token doesn’t say for whom it acts, so nobody can be told apart from its owner. ' +
        'Name the reviewers in the rule (approval.from), or map the e-mail claim of the issuer.'
      )
    case 'not_a_reviewer':
      return `You can’t review this: the rule asks for ${approval?.from.join(', ') ?? 'other people'}.`
    case 'unknown_approval':
      return 'This approval no longer exists.'
    case 'agent_known':
      return 'Your click changed nothing: where the agent is was known.'
    case 'run_known':
      return `Your click changed nothing: ${whatIsKnown(approval)}`
  }
}

function whatIsKnown(approval: Approval | null): string {
  const run = approval?.run
  if (!run?.by) return 'how this call ended is known.'
  return `${run.by.name} has already said that it ${run.state === 'ran' ? 'ran' : 'did not run'}.`
}

function deciders(approval: Approval | null): string {
  const last = approval?.reviews.at(-1)
  return last === undefined || approval?.state === 'expired' ? '' : ` by ${last.reviewer.name}`
}
