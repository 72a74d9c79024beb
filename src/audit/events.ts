/**
 * What a recording can say. One line of NDJSON an event; the chain around it is audit/chain.ts.
 *
 * Names are shared with the log and the metrics. Values that could be secret are masked before they come here
 * (`arguments`), or kept as digests. Intent is recorded before the upstream sees a call, outcome after: an intent
 * without an outcome is exactly the call that crashed us, and the summary shows it.
 */

import type { Remark, Review } from '../approval/approval.ts'
import type { ApprovalId, CallId, EpochMs, Fingerprint, GrantId, PolicyVersion, SessionId } from '../brands.ts'
import type { FreezeScope } from '../freeze/freeze.ts'
import type { StandingGrant } from '../grant/standing.ts'
import type { PrincipalSummary } from '../identity/principal.ts'
import type { JsonValue } from '../json/value.ts'
import type { Reviewer } from '../people/reviewer.ts'
import type { ChannelName, Effect } from '../policy/decision.ts'
import type { StepUpRefusal } from '../step-up/step-up.ts'

/** How often a named detector replaced something. Never the match itself. */
export interface Finding {
  readonly detector: string
  readonly count: number
}

/** How a call ended. The summary counts by these words. */
export type Outcome =
  | 'succeeded' // the upstream answered with a result
  | 'tool_error' // the upstream answered with isError: true
  | 'rpc_error' // the upstream answered with a JSON-RPC error
  | 'upstream_failed' // unreachable, broke off, or broke a limit
  | 'denied_by_policy'
  | 'denied_by_reviewer'
  | 'expired'
  | 'cancelled'
  | 'refused' // approved, but no longer what was approved; or the gateway could not vouch for it
  | 'pending' // the agent was told to come back, because nobody had decided before its patience ended
  | 'replayed' // answered with what the approval's one run had answered; nothing was forwarded
  | 'detached' // the upstream ended its stream before the answer, which the agent fetches by another
  | 'abandoned' // the agent left before it had its answer; an intent says whether the call was forwarded

interface Common {
  readonly at: EpochMs
  /** Null only for events of the service itself. */
  readonly session_id: SessionId | null
}

interface OfCall {
  readonly call_id: CallId
  readonly upstream: string
  readonly method: string
  readonly tool: string | null
}

export type AuditEvent = Common &
  (
    | { readonly type: 'service.started'; readonly version: string; readonly policy: PolicyVersion }
    | { readonly type: 'service.stopped' }
    | { readonly type: 'identity.stale_keys_used'; readonly issuer: string; readonly stale_ms: number }
    | { readonly type: 'session.started'; readonly principal: PrincipalSummary; readonly upstream: string }
    | { readonly type: 'session.ended'; readonly why: 'idle' | 'stopped' }
    | (OfCall & {
        /** A call that policy judged and that goes no further on its own: denied, or put to people. */
        readonly type: 'call.decided'
        readonly effect: Effect
        readonly rule: string
        readonly policy: PolicyVersion
      })
    | (OfCall & {
        readonly type: 'call.intent'
        readonly effect: Effect
        readonly rule: string
        readonly policy: PolicyVersion
        /** Masked. */
        readonly arguments: JsonValue
        /** SHA-256, hexadecimal, of the bytes forwarded. */
        readonly request_digest: string
        readonly fingerprint: Fingerprint | null
        readonly approval_id: ApprovalId | null
        readonly grant_id: GrantId | null
        /**
         * Reviewers' ids. The review itself is recorded by whoever received the click, which may be a moment later: who
         * approved is on the disk before the call goes on, whatever becomes of that.
         */
        readonly approved_by: readonly string[]
      })
    | (OfCall & {
        readonly type: 'call.outcome'
        readonly outcome: Outcome
        readonly duration_ms: number
        readonly masked: readonly Finding[]
        /** SHA-256, hexadecimal, of the masked answer as the agent received it; null where there is none. */
        readonly answer_digest: string | null
        readonly approval_id: ApprovalId | null
        /** An error code of errors.ts; null where nothing failed. */
        readonly error: string | null
      })
    | {
        /** The gateway of an approved call stopped between the fence and the outcome: nobody knows whether it ran. */
        readonly type: 'call.outcome_unknown'
        readonly call_id: CallId
        readonly approval_id: ApprovalId
      }
    | {
        /** A person has found out. */
        readonly type: 'run.resolved'
        readonly approval_id: ApprovalId
        readonly call_id: CallId
        readonly ran: boolean
        readonly reviewer: Reviewer
      }
    | {
        readonly type: 'approval.requested'
        readonly approval_id: ApprovalId
        readonly call_id: CallId
        readonly fingerprint: Fingerprint
        readonly principal: PrincipalSummary
        readonly upstream: string
        readonly tool: string
        readonly rule: string
        readonly expires_at: EpochMs
        readonly channels: readonly ChannelName[]
        /** What the agent says it wants the call for, masked; left out where it says nothing. */
        readonly stated_reason?: string
      }
    | { readonly type: 'approval.joined'; readonly approval_id: ApprovalId; readonly call_id: CallId }
    | {
        /** Nobody has waited for the decision since. */
        readonly type: 'approval.agent_away'
        readonly approval_id: ApprovalId
        readonly since: EpochMs
      }
    | { readonly type: 'approval.agent_back'; readonly approval_id: ApprovalId }
    | {
        /** People were reminded: by the rule's schedule where nobody is named. */
        readonly type: 'approval.reminded'
        readonly approval_id: ApprovalId
        readonly by: Reviewer | null
      }
    | {
        /** More people, or other rooms, are asked from now on. */
        readonly type: 'approval.escalated'
        readonly approval_id: ApprovalId
        readonly from: readonly string[]
        readonly rooms: readonly string[]
      }
    | { readonly type: 'approval.remarked'; readonly approval_id: ApprovalId; readonly remark: Remark }
    | { readonly type: 'approval.reviewed'; readonly approval_id: ApprovalId; readonly review: Review }
    | {
        readonly type: 'approval.review_refused'
        readonly approval_id: ApprovalId
        readonly reviewer: string
        readonly refusal: string
      }
    | {
        /** Someone who approved it may review no more, as was found before the call would have run. */
        readonly type: 'approval.review_lapsed'
        readonly approval_id: ApprovalId
        readonly reviewer: string
        readonly refusal: string
      }
    | {
        /** The reviewer signed in for this approval alone; the review that follows is that person's. */
        readonly type: 'approval.stepped_up'
        readonly approval_id: ApprovalId
        readonly fingerprint: Fingerprint
        readonly reviewer: string
        readonly signed_in_as: { readonly issuer: string; readonly subject: string }
        /** The credential's id; null where none was asked for. */
        readonly passkey: string | null
      }
    | {
        /** Whoever opened the reviewer's link was sent away. */
        readonly type: 'approval.step_up_refused'
        readonly approval_id: ApprovalId
        /** For whom the link was. */
        readonly reviewer: string
        readonly refusal: StepUpRefusal
        /** As far as the issuer said. */
        readonly signed_in_as: { readonly issuer: string; readonly subject: string | null } | null
      }
    | {
        readonly type: 'passkey.added'
        readonly email: string
        readonly passkey: string
        /** Taken on trust: nothing but the issuer's sign-in stood behind it. */
        readonly is_first: boolean
        readonly signed_in_as: { readonly issuer: string; readonly subject: string }
      }
    | {
        readonly type: 'passkey.removed'
        readonly email: string
        readonly passkey: string
        readonly signed_in_as: { readonly issuer: string; readonly subject: string }
      }
    | {
        readonly type: 'approval.resolved'
        readonly approval_id: ApprovalId
        readonly state: 'approved' | 'denied' | 'expired' | 'cancelled'
      }
    | {
        /** The emergency stop, by whoever ordered it; what it ended is recorded with each approval and grant. */
        readonly type: 'freeze.frozen'
        readonly scope: FreezeScope
        readonly by: Reviewer
        readonly reason: string | null
        /** Somebody had frozen it before. */
        readonly already: boolean
      }
    | { readonly type: 'freeze.thawed'; readonly scope: FreezeScope; readonly by: Reviewer }
    | {
        readonly type: 'grant.opened'
        readonly grant_id: GrantId
        readonly approval_id: ApprovalId
        readonly expires_at: EpochMs
        /** What it passes, where it is for more than one call. */
        readonly standing?: Pick<StandingGrant, 'holder' | 'upstream' | 'tools' | 'rule'>
      }
    | {
        /** It ends later than it would have. */
        readonly type: 'grant.extended'
        readonly grant_id: GrantId
        readonly approval_id: ApprovalId
        readonly expires_at: EpochMs
      }
    | {
        readonly type: 'grant.ended'
        readonly grant_id: GrantId
        readonly approval_id: ApprovalId
        readonly state: 'consumed' | 'expired' | 'revoked'
        /** Of a standing grant: who took it back, where a person did, and how many calls of which tool it passed. */
        readonly by?: Reviewer | null
        readonly uses?: Readonly<Record<string, number>>
      }
  )
