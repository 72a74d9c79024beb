/**
 * The question put to people, with its state. One function applies every event; the store only compares and sets.
 *
 *                reviewed (approve, quorum reached)
 *   pending ─────────────────────────────────────────► approved   opens a single-use grant
 *      │  reviewed (deny)        ► denied
 *      │  deadline               ► expired
 *      │  cancelled              ► cancelled
 *      ├─ reviewed (approve, below quorum) ► pending, with one review more
 *      └─ step, reminded, remarked         ► pending: who is asked, where, and what was said about it
 *
 * What became of an approved call's one run is beside its state, in `run`; its own states are in run/run.ts. So is
 * whether anyone waits for the decision, in `agent`: it decides nothing, but what Approve will do depends on it. What
 * became of the standing grant that it opened or extended is in `standing`, for whoever looks at its card afterwards.
 * The right-hand states are final: a second click, a late one, or a deadline after a decision changes nothing
 * and is told `already_resolved`. Events carry their own time, so a replay never reads a clock.
 */

import type { AccessRequest } from '../access/access.ts'
import type { ApprovalId, CallId, EpochMs, Fingerprint, SessionId } from '../brands.ts'
import type { PrincipalSummary } from '../identity/principal.ts'
import { type Reviewer, samePerson } from '../people/reviewer.ts'
import type { ChannelName, Strength } from '../policy/decision.ts'
import { afterRunEvent, type RunEvent } from '../run/run.ts'
import { unreachable } from '../unreachable.ts'
import type { ToolAnnotations } from './annotations.ts'

export type ApprovalState = 'pending' | 'approved' | 'denied' | 'expired' | 'cancelled'

export interface Approval {
  readonly id: ApprovalId
  readonly state: ApprovalState
  /** Grows by one with every applied event; what the store compares before it sets. */
  readonly version: number
  readonly fingerprint: Fingerprint
  readonly callId: CallId
  readonly sessionId: SessionId
  readonly principal: PrincipalSummary
  readonly upstream: string
  readonly tool: string
  /** `params.arguments`, as RFC 8785 canonical JSON text: what the card shows and the fingerprint covers. */
  readonly argumentsJson: string
  /** What else the call carries beside its name and `_meta` (a task, answers to the server's questions); mostly `{}`. */
  readonly otherParamsJson: string
  readonly rule: string
  readonly reason: string | null
  readonly from: readonly string[]
  readonly quorum: number
  readonly channels: readonly ChannelName[]
  readonly requestedAt: EpochMs
  readonly expiresAt: EpochMs
  /** How long, from the decision, an approved call may still be made. Milliseconds. */
  readonly useWithinMs: number
  /** While people think; as it was when they had decided. */
  readonly agent: AgentPresence
  readonly reviews: readonly Review[]
  readonly resolvedAt: EpochMs | null
  /** Why it was cancelled; null in every other state. */
  readonly cancelReason: string | null
  /** Null unless the approved call's gateway stopped while the call was on its way. */
  readonly run: LostRun | null
  /** What is asked for, where it is no single call but elevated access; then `tool` is ACCESS_TOOL. */
  readonly access: AccessRequest | null
  /** What the tool's server says of it; null where its definition is not known, or no tool is called. */
  readonly annotations: ToolAnnotations | null
  /** What the agent says it wants the call for. Untrusted, and no part of what runs. */
  readonly statedReason: string | null
  readonly strength: Strength
  readonly readAll: boolean
  /** See ApprovalTerms. */
  readonly allowForMs: readonly number[]
  /** What the last approver chose of them; null: this call alone. */
  readonly allowedForMs: number | null
  /** Rooms that show it besides its channels' own; see ports.ts, Place. Grows by escalation. */
  readonly rooms: readonly string[]
  /** It came out of the rule's hours, so that others are asked. */
  readonly isOutOfHours: boolean
  /** Reminders and escalations, ascending by `at`. */
  readonly steps: readonly ApprovalStep[]
  /** How often people were reminded, and when last. */
  readonly reminders: { readonly count: number; readonly lastAt: EpochMs | null }
  /** Questions to the person behind the agent, and their answers. Oldest first, at most REMARKS_MAX. */
  readonly remarks: readonly Remark[]
  /** Null while its standing grant, if it has one, is as this approval made it. */
  readonly standing: StandingSince | null
}

export interface StandingSince {
  /** Until when it lasts since another approval made it end later; null: as this one said. */
  readonly until: EpochMs | null
  readonly ended: StandingEnd | null
}

export interface StandingEnd {
  readonly state: 'expired' | 'revoked'
  readonly at: EpochMs
  /** Who took it back; null where it expired, or the gateway did. */
  readonly by: Reviewer | null
}

/** Stands for the tool where access is asked for: no tool has a name with a space. */
export const ACCESS_TOOL = 'elevated access'

export interface ApprovalStep {
  readonly type: 'remind' | 'escalate'
  readonly at: EpochMs
  /** When it was taken; null while it is to come. */
  readonly doneAt: EpochMs | null
  readonly from: readonly string[]
  readonly rooms: readonly string[]
}

export interface Remark {
  readonly kind: 'question' | 'answer'
  readonly by: Reviewer
  readonly text: string
  readonly at: EpochMs
}

/** A discussion that needs more belongs elsewhere. */
export const REMARKS_MAX = 20
/** People remind each other by hand no oftener. */
export const REMIND_AGAIN_MS = 60_000

/** Whether an answer would find anyone. */
export interface AgentPresence {
  /** `waiting`: on a connection. `polling`: it has a task, whose result it fetches when it comes. */
  readonly state: 'waiting' | 'away' | 'polling'
  /** How many identical calls share this approval now; none while it is away. */
  readonly calls: number
  /** When it was last seen; null unless it is away. */
  readonly awaySince: EpochMs | null
  /** Null while nothing has changed since people were asked. */
  readonly changedAt: EpochMs | null
}

/** What an approval shows of its run, once that needs people. `by` is null while nobody has spoken. */
export interface LostRun {
  readonly state: 'unknown' | 'ran' | 'did_not_run'
  /** The call that took the fence; another than the one that asked, where an identical one came back. */
  readonly callId: CallId
  readonly at: EpochMs
  readonly by: Reviewer | null
}

/** One click by one person. */
export interface Review {
  readonly reviewer: Reviewer
  readonly choice: 'approve' | 'deny'
  readonly reason: string | null
  readonly channel: ChannelName
  readonly at: EpochMs
  readonly strength: ReviewStrength
  /** Approving for longer than this call: chosen of the rule's `allowForMs`. */
  readonly allowForMs: number | null
  /** SHA-256, hexadecimal, of what the channel showed this person; null where the channel didn't say. */
  readonly shownDigest: string | null
  /** Quicker than a person can have read what was shown. It counts, and the recording says so. */
  readonly isHasty: boolean
}

/** What stood behind a review: one tap, a second one, or a sign-in for this very approval. */
export type ReviewStrength = 'click' | 'confirmed' | 'stepped_up'

export type ApprovalEvent =
  | { readonly type: 'reviewed'; readonly review: Review; readonly at: EpochMs }
  | { readonly type: 'deadline'; readonly at: EpochMs }
  | { readonly type: 'cancelled'; readonly reason: string; readonly at: EpochMs }
  /** A reminder or an escalation is due. */
  | { readonly type: 'step'; readonly index: number; readonly at: EpochMs }
  /** A person reminded the others. */
  | { readonly type: 'reminded'; readonly by: Reviewer; readonly at: EpochMs }
  | { readonly type: 'remarked'; readonly remark: Remark; readonly at: EpochMs }
  | AgentEvent
  | RunApprovalEvent
  | GrantApprovalEvent

type GrantApprovalEvent =
  /** The standing grant that it opened or extended passes nothing any more. */
  | ({ readonly type: 'grant_ended' } & StandingEnd)
  /** Another approval made it end later. */
  | { readonly type: 'grant_extended'; readonly until: EpochMs; readonly at: EpochMs }

export type AgentEvent =
  /** Nobody has waited for the decision since. */
  | { readonly type: 'agent_left'; readonly awaySince: EpochMs; readonly at: EpochMs }
  /** Somebody does, or other calls do than before. */
  | {
      readonly type: 'agent_came'
      readonly state: 'waiting' | 'polling'
      readonly calls: number
      readonly at: EpochMs
    }

type RunApprovalEvent =
  /** The gateway that ran the approved call is gone, and its end is not known. */
  | { readonly type: 'run_lost'; readonly callId: CallId; readonly at: EpochMs }
  /** That gateway was only out of reach: it has said how the call ended. */
  | { readonly type: 'run_ended'; readonly at: EpochMs }
  /** A person has found out. */
  | { readonly type: 'run_resolved'; readonly ran: boolean; readonly by: Reviewer; readonly at: EpochMs }

export type Refusal =
  | 'already_resolved'
  | 'too_early'
  | 'too_late'
  | 'already_reviewed'
  | 'self_review'
  | 'owner_unknown'
  | 'not_a_reviewer'
  | 'unknown_approval'
  | 'run_known'
  | 'agent_known'
  | 'confirm_needed'
  | 'step_up_needed'
  | 'not_all_read'
  | 'not_offered'
  | 'card_changed'
  | 'step_known'
  | 'reminded_lately'
  | 'too_many_remarks'
  | 'not_the_requester'
  | 'too_many_grants'
  | 'grant_known'

export type Transition =
  | { readonly ok: true; readonly approval: Approval }
  | { readonly ok: false; readonly refusal: Refusal; readonly approval: Approval }

/**
 * Applies one event. Who may review is decided before, by review/review.ts; here only the state counts.
 *
 * A click after `expiresAt` is refused although the deadline's job has not run yet: the deadline is the promise,
 * the job only carries it out.
 */
export function transition(approval: Approval, event: ApprovalEvent): Transition {
  if (isOfRun(event)) return applyToRun(approval, event)
  if (isOfGrant(event)) return applyToGrant(approval, event)
  if (approval.state !== 'pending') return { ok: false, refusal: 'already_resolved', approval }
  switch (event.type) {
    case 'reviewed':
      return applyReview(approval, event.review, event.at)
    case 'deadline':
      if (event.at < approval.expiresAt) return { ok: false, refusal: 'too_early', approval }
      return resolve(approval, { state: 'expired', resolvedAt: event.at })
    case 'cancelled':
      return resolve(approval, { state: 'cancelled', resolvedAt: event.at, cancelReason: event.reason })
    case 'step':
      return applyStep(approval, event.index, event.at)
    case 'reminded':
      return applyReminder(approval, event.at)
    case 'remarked':
      if (approval.remarks.length >= REMARKS_MAX) return { ok: false, refusal: 'too_many_remarks', approval }
      return resolve(approval, { remarks: [...approval.remarks, event.remark] })
    case 'agent_left':
    case 'agent_came':
      return applyToAgent(approval, event)
    default:
      return unreachable(event)
  }
}

function applyReview(approval: Approval, review: Review, at: EpochMs): Transition {
  if (at >= approval.expiresAt) return { ok: false, refusal: 'too_late', approval }
  if (approval.reviews.some((earlier) => samePerson(earlier.reviewer, review.reviewer))) {
    return { ok: false, refusal: 'already_reviewed', approval }
  }
  const reviews = [...approval.reviews, review]
  if (review.choice === 'deny') return resolve(approval, { state: 'denied', reviews, resolvedAt: at })
  if (reviews.length < approval.quorum) return resolve(approval, { reviews })
  return resolve(approval, { state: 'approved', reviews, resolvedAt: at, allowedForMs: leastOf(reviews) })
}

/** Of several approvers the most careful decides; one who meant this call alone is the most careful of all. */
function leastOf(reviews: readonly Review[]): number | null {
  const wishes = reviews.map(({ allowForMs }) => allowForMs)
  return wishes.includes(null) ? null : Math.min(...(wishes as number[]))
}

/** In their order: a step whose job runs late is not overtaken by the next. */
function applyStep(approval: Approval, index: number, at: EpochMs): Transition {
  const step = approval.steps[index]
  if (step === undefined || step.doneAt !== null) return { ok: false, refusal: 'step_known', approval }
  if (at < step.at) return { ok: false, refusal: 'too_early', approval }
  // Its job ran too late: nobody needs to hurry any more.
  if (at >= approval.expiresAt) return { ok: false, refusal: 'too_late', approval }
  const steps = approval.steps.map((other) => (other === step ? { ...step, doneAt: at } : other))
  if (step.type === 'remind') {
    return resolve(approval, { steps, reminders: { count: approval.reminders.count + 1, lastAt: at } })
  }
  // Nobody in particular may review already: then everybody may still.
  const from = approval.from.length === 0 ? [] : [...new Set([...approval.from, ...step.from])]
  return resolve(approval, { steps, from, rooms: [...new Set([...approval.rooms, ...step.rooms])] })
}

function applyReminder(approval: Approval, at: EpochMs): Transition {
  const { count, lastAt } = approval.reminders
  if (at < (lastAt ?? approval.requestedAt) + REMIND_AGAIN_MS)
    return { ok: false, refusal: 'reminded_lately', approval }
  return resolve(approval, { reminders: { count: count + 1, lastAt: at } })
}

/** As the call that asks first finds its agent. */
export function agentAtFirst(state: 'waiting' | 'polling'): AgentPresence {
  return { state, calls: 1, awaySince: null, changedAt: null }
}

function applyToAgent(approval: Approval, event: AgentEvent): Transition {
  const { agent } = approval
  const { at: changedAt } = event
  const next: AgentPresence =
    event.type === 'agent_left'
      ? { state: 'away', calls: 0, awaySince: event.awaySince, changedAt }
      : { state: event.state, calls: event.calls, awaySince: null, changedAt }
  // A repaint that shows nothing new only makes people look up.
  const isKnown = next.state === agent.state && next.calls === agent.calls
  return isKnown ? { ok: false, refusal: 'agent_known', approval } : resolve(approval, { agent: next })
}

function isOfRun(event: ApprovalEvent): event is RunApprovalEvent {
  return event.type === 'run_lost' || event.type === 'run_ended' || event.type === 'run_resolved'
}

function applyToRun(approval: Approval, event: RunApprovalEvent): Transition {
  const after =
    approval.state === 'approved' ? afterRunEvent(approval.run?.state ?? 'running', runEventOf(event)) : null
  if (after === null || after === 'running') return { ok: false, refusal: 'run_known', approval }
  const callId = event.type === 'run_lost' ? event.callId : approval.run?.callId
  if (after === 'finished' || callId === undefined) return resolve(approval, { run: null })
  const by = event.type === 'run_resolved' ? event.by : null
  return resolve(approval, { run: { state: after, callId, at: event.at, by } })
}

export function isOfGrant(event: ApprovalEvent): event is GrantApprovalEvent {
  return event.type === 'grant_ended' || event.type === 'grant_extended'
}

/** Each is told by jobs that may run twice. */
function applyToGrant(approval: Approval, event: GrantApprovalEvent): Transition {
  const { state, access, allowedForMs, standing } = approval
  const hasGrant = state === 'approved' && (access !== null || allowedForMs !== null)
  const until = standing?.until ?? null
  if (!hasGrant || standing?.ended || (event.type === 'grant_extended' && event.until <= (until ?? 0))) {
    return { ok: false, refusal: 'grant_known', approval }
  }
  if (event.type === 'grant_extended') return resolve(approval, { standing: { until: event.until, ended: null } })
  return resolve(approval, { standing: { until, ended: { state: event.state, at: event.at, by: event.by } } })
}

export function runEventOf(event: RunApprovalEvent): RunEvent {
  switch (event.type) {
    case 'run_lost':
      return 'lost'
    case 'run_ended':
      return 'ended'
    case 'run_resolved':
      return event.ran ? 'resolved_ran' : 'resolved_did_not_run'
    default:
      return unreachable(event)
  }
}

function resolve(approval: Approval, change: Partial<Approval>): Transition {
  return { ok: true, approval: { ...approval, ...change, version: approval.version + 1 } }
}
