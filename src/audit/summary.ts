/** What the channel reads at a session's end. Built from the recording alone, so that it can't say more than that. */
import type { EpochMs, GrantId, SessionId } from '../brands.ts'
import type { PrincipalSummary } from '../identity/principal.ts'
import type { Finding, Outcome } from './events.ts'

export interface SessionSummary {
  readonly sessionId: SessionId
  readonly principal: PrincipalSummary
  readonly upstream: string
  readonly startedAt: EpochMs
  readonly endedAt: EpochMs
  /** Calls by outcome; absent: none. */
  readonly calls: Readonly<Partial<Record<Outcome, number>>>
  /** Calls whose outcome is missing: the gateway stopped in between. Nobody knew whether they ran. */
  readonly unknownOutcomes: number
  /** Of those, the ones of which people have found out. */
  readonly unknownResolved: number
  /** What each tool did, those called most first. */
  readonly tools: readonly ToolInSummary[]
  readonly approvals: readonly ApprovalInSummary[]
  /** Standing grants that were given in the session, or used in it. */
  readonly grants: readonly GrantInSummary[]
  readonly masked: readonly Finding[]
  /** `rec_…`: the session's id under another prefix. */
  readonly recordingId: string
  /** SHA-256, hexadecimal, over the hashes of the session's events in order; see audit/chain.ts. */
  readonly recordingHash: string
}

export interface ToolInSummary {
  readonly tool: string
  readonly calls: Readonly<Partial<Record<Outcome, number>>>
  readonly unknownOutcomes: number
}

export interface ApprovalInSummary {
  readonly tool: string
  readonly state: 'pending' | 'approved' | 'denied' | 'expired' | 'cancelled'
  readonly reviewers: readonly string[]
  /** From the question to the review that decided it; null where no review did, or the question stands elsewhere. */
  readonly decidedAfterMs: number | null
  /** Somebody approved it faster than it can be read. */
  readonly isHasty: boolean
}

export interface GrantInSummary {
  readonly id: GrantId
  /** Null where it was given in another session. */
  readonly tools: readonly string[] | null
  /** Calls of this session that it passed. */
  readonly used: number
  /** Null while it stands, or where its end is recorded elsewhere. */
  readonly ended: 'expired' | 'revoked' | null
  /** Who took it back; null where nobody did. */
  readonly endedBy: string | null
}
