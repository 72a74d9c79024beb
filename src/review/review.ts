/**
 * One click is one review. Decides who may and whether the click is strong enough, applies it by compare-and-set, and
 * says in plain words what came of it.
 *
 *   authorise -> strong enough? all read? -> compare and set -> record
 *
 * The requester and the agent's owner never approve, by whatever account they come. An approval that can't be recorded
 * is taken back before anyone is told that it counts. A denial needs no strength and no reading: it is the safe side.
 */
import type { Approval, ApprovalEvent, Refusal, Remark, Review } from '../approval/approval.ts'
import type { EpochMs } from '../brands.ts'
import { epochMs } from '../brands.ts'
import { grantIdOf } from '../grant/grant.ts'
import { GRANTS_PER_HOLDER_MAX, openStandingGrant } from '../grant/standing.ts'
import { namesOf } from '../identity/principal.ts'
import { addressesOf, type Reviewer, samePerson } from '../people/reviewer.ts'
import type {
  ApprovalStore,
  Clock,
  Grants,
  Log,
  People,
  Readings,
  Recorder,
  RemarkClick,
  ReviewClick,
  ReviewOutcome,
  Reviews,
  StandingGrants,
} from '../ports.ts'
import { unreachable } from '../unreachable.ts'

export interface ReviewOptions {
  readonly approvals: ApprovalStore
  readonly grants: Grants
  readonly standingGrants: Pick<StandingGrants, 'end'>
  readonly people: People
  readonly readings: Readings
  readonly recorder: Recorder
  readonly clock: Clock
  readonly log: Log
}

/** What a reviewer may write with a click; more is cut, for cards and the agent's answer. */
const REASON_LENGTH_MAX = 1_000

/** A question, or its answer: a few sentences. */
export const REMARK_LENGTH_MAX = 2_000

export function createReviews(options: ReviewOptions): Reviews {
  return {
    submit: (click) => submit(options, click),
    stillMay: (approval) => stillMay(options, approval),
    ask: (click) => remark(options, click, 'question'),
    answer: (click) => remark(options, click, 'answer'),
    remind: (click) => remind(options, click),
    cancel: (click) => cancel(options, click),
    denyAll: (click) => denyAll(options, click),
    resolveRun: (click) => resolveRun(options, click),
  }
}

async function submit(options: ReviewOptions, click: ReviewClick): Promise<ReviewOutcome> {
  const { approvals, people, clock } = options
  const { approvalId, reviewer, choice, channel } = click
  const approval = await approvals.get(approvalId)
  if (approval === null) return refuse('unknown_approval', null)
  if (approval.state !== 'pending') return refuse('already_resolved', approval)
  const refusal =
    (await mayReview(approval, reviewer, people, 'click')) ??
    (choice === 'approve' ? await isTooWeak(options, approval, click) : null)
  if (refusal !== null) return refused(options, approval, reviewer, refusal)
  const at = clock.now()
  const review: Review = {
    reviewer,
    choice,
    reason: trimmed(click.reason, REASON_LENGTH_MAX),
    channel,
    at,
    strength: click.strength ?? 'click',
    allowForMs: choice === 'approve' ? (click.allowForMs ?? null) : null,
    shownDigest: click.shown?.digest ?? null,
    isHasty: choice === 'approve' && at - approval.requestedAt < readingMs(approval),
  }
  const applied = await approvals.apply(approvalId, { type: 'reviewed', review, at })
  if (applied.ok) return recorded(options, applied.approval, review)
  if (applied.refusal === 'unknown_approval') return refuse('unknown_approval', null)
  return refused(options, applied.approval, reviewer, applied.refusal)
}

const STRENGTHS = { click: 0, confirmed: 1, stepped_up: 2 } as const
const NEEDED = { click: STRENGTHS.click, confirm: STRENGTHS.confirmed, step_up: STRENGTHS.stepped_up } as const

async function isTooWeak(
  { readings }: ReviewOptions,
  approval: Approval,
  { reviewer, strength = 'click', allowForMs = null, shown }: ReviewClick,
): Promise<Refusal | null> {
  if (shown?.isOutdated === true) return 'card_changed'
  if (allowForMs !== null && !approval.allowForMs.includes(allowForMs)) return 'not_offered'
  const isWhole = shown?.isComplete ?? false
  if (approval.readAll && !isWhole && !(await readings.hasSeenAll(approval.id, reviewer.id))) return 'not_all_read'
  if (STRENGTHS[strength] >= NEEDED[approval.strength]) return null
  return approval.strength === 'step_up' ? 'step_up_needed' : 'confirm_needed'
}

/** Characters a second that a practised eye takes in; twice what people read. */
const READ_A_SECOND = 50
/** To take the card in at all. */
const GLANCE_MS = 1_500
/** Beyond it nobody reads on: they look for what matters. */
const READING_MAX_MS = 20_000

/** In less time nobody has read what was asked. */
export function readingMs({ argumentsJson, otherParamsJson }: Approval): number {
  const characters = argumentsJson.length + otherParamsJson.length
  return Math.min(READING_MAX_MS, GLANCE_MS + (characters / READ_A_SECOND) * 1_000)
}

async function remark(
  options: ReviewOptions,
  { approvalId, reviewer, text }: RemarkClick,
  kind: Remark['kind'],
): Promise<ReviewOutcome> {
  const { approvals, people, clock } = options
  const approval = await approvals.get(approvalId)
  if (approval === null) return refuse('unknown_approval', null)
  if (approval.state !== 'pending') return refuse('already_resolved', approval)
  const isTheirs = isRequester(approval, reviewer)
  if (kind === 'answer' && !isTheirs) return refuse('not_the_requester', approval)
  const refusal = kind === 'question' ? await mayReview(approval, reviewer, people, 'click') : null
  if (refusal !== null) return refused(options, approval, reviewer, refusal)
  const at = clock.now()
  const said = { kind, by: reviewer, text: text.trim().slice(0, REMARK_LENGTH_MAX), at }
  return applied(options, approval, reviewer, { type: 'remarked', remark: said, at })
}

async function remind(
  options: ReviewOptions,
  { approvalId, reviewer }: Parameters<Reviews['remind']>[0],
): Promise<ReviewOutcome> {
  const { approvals, people, clock } = options
  const approval = await approvals.get(approvalId)
  if (approval === null) return refuse('unknown_approval', null)
  const refusal = isRequester(approval, reviewer) ? null : await mayReview(approval, reviewer, people, 'click')
  if (refusal !== null) return refuse(refusal, approval)
  return applied(options, approval, reviewer, { type: 'reminded', by: reviewer, at: clock.now() })
}

async function cancel(
  options: ReviewOptions,
  { approvalId, reviewer }: Parameters<Reviews['cancel']>[0],
): Promise<ReviewOutcome> {
  const { approvals, clock } = options
  const approval = await approvals.get(approvalId)
  if (approval === null) return refuse('unknown_approval', null)
  if (!isRequester(approval, reviewer)) return refuse('not_the_requester', approval)
  const reason = `${reviewer.email ?? reviewer.name} took it back.`
  return applied(options, approval, reviewer, { type: 'cancelled', reason, at: clock.now() })
}

/** The other events of people: applied, then recorded. */
async function applied(
  options: ReviewOptions,
  { id }: Approval,
  by: Reviewer,
  event: ApprovalEvent,
): Promise<ReviewOutcome> {
  const { approvals, recorder } = options
  const result = await approvals.apply(id, event)
  if (!result.ok && result.refusal === 'unknown_approval') return refuse('unknown_approval', null)
  if (!result.ok) return refuse(result.refusal, result.approval)
  const { approval } = result
  const common = { at: event.at, session_id: approval.sessionId, approval_id: id } as const
  switch (event.type) {
    case 'cancelled':
      await recordCancelled(recorder, approval, event.at)
      await approvals.reviewRecorded(approval).catch(() => undefined)
      break
    case 'remarked':
      await recorder.record({ type: 'approval.remarked', ...common, remark: event.remark }, 'written')
      break
    case 'reminded':
      await recorder.record({ type: 'approval.reminded', ...common, by }, 'written')
      break
    default:
      throw new TypeError(`${event.type} is no event of a person's`)
  }
  return { ok: true, approval }
}

/**
 * All at once, since an agent waits. Who may no more is a no, whatever becomes of the others' look-ups: that some of them
 * can't be told is no reason to try again.
 */
async function stillMay(options: ReviewOptions, approval: Approval): Promise<Refusal | null> {
  const asked = approval.reviews.map(async ({ reviewer }) => {
    const now = await options.people.current(reviewer)
    const refusal = now === null ? 'not_a_reviewer' : await mayReview(approval, now, options.people, 'run')
    return { reviewer, refusal }
  })
  const answers = await Promise.allSettled(asked)
  const known = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
  const lapsed = known.flatMap(({ reviewer, refusal }) => (refusal === null ? [] : [{ reviewer, refusal }]))
  for (const { reviewer, refusal } of lapsed) await recordLapsed(options, approval, reviewer, refusal)
  if (lapsed[0] !== undefined) return lapsed[0].refusal
  const fault = answers.find((answer) => answer.status === 'rejected')
  if (fault !== undefined) throw fault.reason
  return null
}

async function recordLapsed(
  { recorder, clock }: ReviewOptions,
  { sessionId, id }: Approval,
  reviewer: Reviewer,
  refusal: Refusal,
): Promise<void> {
  const common = { at: clock.now(), session_id: sessionId, approval_id: id } as const
  await recorder.record({ type: 'approval.review_lapsed', ...common, reviewer: reviewer.id, refusal }, 'written')
}

/** Each on its own: a person may review some of them, and others are decided meanwhile. */
async function denyAll(
  options: ReviewOptions,
  click: Parameters<Reviews['denyAll']>[0],
): Promise<{ readonly denied: number; readonly refused: number }> {
  const shown = await options.approvals.get(click.approvalId)
  if (shown === null) return { denied: 0, refused: 0 }
  const pending = await options.approvals.listPending()
  const theirs = pending.filter(({ principal }) => principal.id === shown.principal.id)
  const count = { denied: 0, refused: 0 }
  for (const { id } of theirs) {
    const outcome = await submit(options, { ...click, approvalId: id, choice: 'deny' })
    count[outcome.ok ? 'denied' : 'refused'] += 1
  }
  return count
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
  const refusal = await mayReview(approval, reviewer, people, 'click')
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
export async function mayReview(
  approval: Approval,
  reviewer: Reviewer,
  people: Pick<People, 'isMember'>,
  when: 'click' | 'run',
): Promise<Refusal | null> {
  if (isRequester(approval, reviewer)) return 'self_review'
  if (approval.from.length > 0) {
    return (await people.isMember(reviewer, approval.from, when)) ? null : 'not_a_reviewer'
  }
  // Anyone but the owner may: that can't be told where the token names no person.
  return ownerOf(approval) === null ? 'owner_unknown' : null
}

/** Okta's `sub` is the owner's login, which is mostly their e-mail, so a subject with an `@` names a person too. */
export function ownerOf({ principal: { email, subject } }: Approval): string | null {
  return email ?? (subject.includes('@') ? subject : null)
}

/**
 * The person behind the agent, or who asks for access. All of a token's names count, and all of a person's addresses: an
 * issuer may call an e-mail unverified and still use it as the login, and a login may be another of their addresses.
 */
export function isRequester({ principal, access }: Approval, reviewer: Reviewer): boolean {
  if (access !== null && samePerson(access.requester, reviewer)) return true
  const names = namesOf(principal)
  return addressesOf(reviewer).some((address) => names.includes(address))
}

function trimmed(written: string | null, lengthMax: number): string | null {
  const text = written?.trim() ?? ''
  return text === '' ? null : text.slice(0, lengthMax)
}

async function recorded(options: ReviewOptions, approval: Approval, review: Review): Promise<ReviewOutcome> {
  const { approvals, recorder, clock } = options
  try {
    await recordReview(recorder, approval, review, clock.now())
  } catch (error) {
    await takeBack(options, approval, clock.now())
    throw error
  }
  // Where this is lost, the review is recorded once more: twice is harmless, never is not.
  await approvals.reviewRecorded(approval).catch(() => undefined)
  return { ok: true, approval }
}

/** Whatever it opened. A standing grant that it only extended goes too: until when it was to last is not said any more. */
async function takeBack(
  { grants, standingGrants, log }: ReviewOptions,
  approval: Approval,
  at: EpochMs,
): Promise<void> {
  if (approval.state !== 'approved') return
  const standing = openStandingGrant(approval, at)
  const ends = await Promise.allSettled([
    grants.end(grantIdOf(approval.id), 'revoked'),
    standing && standingGrants.end(standing.id, { state: 'revoked', by: null }),
  ])
  if (ends.some(({ status }) => status === 'rejected')) {
    log.error('could not revoke an unrecorded grant', { approval_id: approval.id })
  }
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
  if (approval.state === 'approved') await recordOpened(recorder, approval, at)
}

async function recordOpened(recorder: Recorder, approval: Approval, at: EpochMs): Promise<void> {
  const { id: approval_id, sessionId: session_id, access, useWithinMs, resolvedAt } = approval
  const common = { at, session_id, approval_id } as const
  const openedAt = resolvedAt ?? at
  if (access === null) {
    const [grant_id, expires_at] = [grantIdOf(approval_id), epochMs(openedAt + useWithinMs)]
    await recorder.record({ type: 'grant.opened', ...common, grant_id, expires_at }, 'written')
  }
  const grant = openStandingGrant(approval, openedAt)
  if (grant === null) return
  const { id: grant_id, expiresAt: expires_at, holder, upstream, tools, rule } = grant
  await recorder.record(
    access !== null && access.extends !== null
      ? { type: 'grant.extended', ...common, grant_id, expires_at }
      : { type: 'grant.opened', ...common, grant_id, expires_at, standing: { holder, upstream, tools, rule } },
    'written',
  )
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
    case 'confirm_needed':
      return 'The rule asks for a second tap: press Approve once more and confirm what you read.'
    case 'step_up_needed':
      return 'The rule asks you to sign in for this one. Open the link that Approve gives you.'
    case 'not_all_read':
      return 'Not approved: the rule asks you to open what did not fit on the card first. Show all of it, to the last page.'
    case 'not_offered':
      return 'The rule does not offer to approve for that long. Approve it once, or for one of the offered times.'
    case 'card_changed':
      return 'Your click changed nothing: that card is not what this approval asks now. Look at it again.'
    case 'reminded_lately':
      return 'They were reminded a moment ago. Give them a minute.'
    case 'too_many_remarks':
      return 'There are too many questions and answers here already. Talk to each other directly.'
    case 'not_the_requester':
      return 'Only the person behind the agent can do that.'
    case 'too_many_grants':
      return (
        `Not approved: ${GRANTS_PER_HOLDER_MAX} grants are active for this agent, or its owner, already. ` +
        'Approve it once, or revoke some first.'
      )
    case 'grant_known':
      return 'What became of the grant is known.'
    case 'step_known':
      return 'That step was taken already.'
    default:
      return unreachable(refusal)
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
