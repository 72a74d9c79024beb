/** What the channel reads at a session's end. Built from the recording alone, so that it can't say more than that. */
import type { EpochMs, SessionId } from '../brands.ts'
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
  readonly approvals: readonly {
    readonly tool: string
    readonly state: 'pending' | 'approved' | 'denied' | 'expired' | 'cancelled'
    readonly reviewers: readonly string[]
  }[]
  readonly masked: readonly Finding[]
  /** `rec_…`: the session's id under another prefix. */
  readonly recordingId: string
  /** SHA-256, hexadecimal, over the hashes of the session's events in order; see audit/chain.ts. */
  readonly recordingHash: string
}
