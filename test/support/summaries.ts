/** A session's summary with something of everything in it. */
import type { SessionSummary } from '../../src/audit/summary.ts'
import type { GrantId, SessionId } from '../../src/brands.ts'
import { epochMs } from '../../src/brands.ts'
import { aPrincipal } from './examples.ts'

export const SUMMED_UP_AT = Date.UTC(2030, 0, 2, 3, 4, 5)

export function aSummary(change: Partial<SessionSummary> = {}): SessionSummary {
  const { id, issuer, subject, client, email } = aPrincipal()
  return {
    sessionId: 'ses_example' as SessionId,
    principal: { id, issuer, subject, client, email },
    upstream: 'files',
    startedAt: epochMs(SUMMED_UP_AT - 31 * 60_000),
    endedAt: epochMs(SUMMED_UP_AT),
    calls: { succeeded: 14, denied_by_policy: 1, denied_by_reviewer: 1 },
    unknownOutcomes: 0,
    unknownResolved: 0,
    tools: [
      { tool: 'read_file', calls: { succeeded: 11, denied_by_policy: 1 }, unknownOutcomes: 0 },
      { tool: 'write_file', calls: { succeeded: 3 }, unknownOutcomes: 0 },
      { tool: 'move_file', calls: { denied_by_reviewer: 1 }, unknownOutcomes: 0 },
    ],
    approvals: [
      {
        tool: 'write_file',
        state: 'approved',
        reviewers: ['bob@example.com'],
        decidedAfterMs: 42_000,
        isHasty: false,
      },
      {
        tool: 'move_file',
        state: 'denied',
        reviewers: ['carol@example.com'],
        decidedAfterMs: 190_000,
        isHasty: false,
      },
    ],
    grants: [{ id: 'stg_example' as GrantId, tools: ['write_file'], used: 2, ended: 'expired', endedBy: null }],
    masked: [{ detector: 'aws-access-key', count: 2 }],
    recordingId: 'rec_example234567abcdefghij',
    recordingHash: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
    ...change,
  }
}
