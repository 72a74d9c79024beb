/** Recorded events by the handful, for every test that needs some. */
import type { ChainState, RecordedEvent, SegmentHeader } from '../../src/audit/chain.ts'
import { sealHeader, sealLine } from '../../src/audit/chain.ts'
import type { AuditEvent, Outcome } from '../../src/audit/events.ts'
import type { ApprovalId, CallId, Fingerprint, GrantId, PolicyVersion, SessionId } from '../../src/brands.ts'
import { epochMs, principalId } from '../../src/brands.ts'
import type { PrincipalSummary } from '../../src/identity/principal.ts'
import { aReview, aReviewer } from './examples.ts'

export const ALICE: PrincipalSummary = {
  id: principalId('https://issuer.example', 'alice'),
  issuer: 'https://issuer.example',
  subject: 'alice',
  client: 'agent',
  email: 'alice@example.com',
}
export const SESSION = 'ses_one' as SessionId
export const POLICY = 'a'.repeat(64) as PolicyVersion

export function started(at: number, session: SessionId = SESSION): AuditEvent {
  return { type: 'session.started', at: epochMs(at), session_id: session, principal: ALICE, upstream: 'files' }
}

export function ended(at: number, session: SessionId = SESSION): AuditEvent {
  return { type: 'session.ended', at: epochMs(at), session_id: session, why: 'idle' }
}

const ofCall = (id: string, tool: string | null) => ({
  call_id: `call_${id}` as CallId,
  upstream: 'files',
  method: tool === null ? 'tools/list' : 'tools/call',
  tool,
})

export function intent(at: number, call: string, tool: string | null = 'read_file', session = SESSION): AuditEvent {
  return {
    type: 'call.intent',
    at: epochMs(at),
    session_id: session,
    ...ofCall(call, tool),
    effect: 'allow',
    rule: 'readers',
    policy: POLICY,
    arguments: { path: '/tmp/ä “quoted” \u2028 file', n: 1 },
    request_digest: 'b'.repeat(64),
    fingerprint: null,
    approval_id: null,
    grant_id: null,
    approved_by: [],
  }
}

export function outcomeUnknown(at: number, call: string): AuditEvent {
  return { ...lostRun(at, call), type: 'call.outcome_unknown' }
}

export function runResolved(at: number, call: string): AuditEvent {
  return { ...lostRun(at, call), type: 'run.resolved', ran: true, reviewer: aReviewer('carol@example.com') }
}

function lostRun(at: number, call: string) {
  const approval_id = `apr_${call}` as ApprovalId
  return { at: epochMs(at), session_id: SESSION, approval_id, call_id: `call_${call}` as CallId } as const
}

export function outcome(
  at: number,
  call: string,
  what: Outcome = 'succeeded',
  more: Partial<Extract<AuditEvent, { type: 'call.outcome' }>> = {},
): AuditEvent {
  return {
    type: 'call.outcome',
    at: epochMs(at),
    session_id: SESSION,
    ...ofCall(call, 'read_file'),
    outcome: what,
    duration_ms: 3,
    masked: [],
    answer_digest: null,
    approval_id: null,
    error: null,
    ...more,
  }
}

export function requested(at: number, approval: string, tool = 'write_file'): AuditEvent {
  return {
    type: 'approval.requested',
    at: epochMs(at),
    session_id: SESSION,
    approval_id: `apr_${approval}` as ApprovalId,
    call_id: 'call_held' as CallId,
    fingerprint: 'c'.repeat(64) as Fingerprint,
    principal: ALICE,
    upstream: 'files',
    tool,
    rule: 'writers',
    expires_at: epochMs(at + 60_000),
    channels: ['console'],
  }
}

export function agentAway(at: number, approval: string, since: number): AuditEvent {
  return {
    type: 'approval.agent_away',
    at: epochMs(at),
    session_id: SESSION,
    approval_id: `apr_${approval}` as ApprovalId,
    since: epochMs(since),
  }
}

export function agentBack(at: number, approval: string): AuditEvent {
  return {
    type: 'approval.agent_back',
    at: epochMs(at),
    session_id: SESSION,
    approval_id: `apr_${approval}` as ApprovalId,
  }
}

export function reviewed(
  at: number,
  approval: string,
  name: string,
  choice: 'approve' | 'deny' = 'approve',
): AuditEvent {
  return {
    type: 'approval.reviewed',
    at: epochMs(at),
    session_id: SESSION,
    approval_id: `apr_${approval}` as ApprovalId,
    review: aReview({
      reviewer: { id: `console:${name}`, email: `${name}@example.com`, name },
      choice,
      at: epochMs(at),
    }),
  }
}

/** Faster than what was shown can be read. */
export function hasty(event: AuditEvent): AuditEvent {
  return event.type === 'approval.reviewed' ? { ...event, review: { ...event.review, isHasty: true } } : event
}

export function resolved(
  at: number,
  approval: string,
  state: 'approved' | 'denied' | 'expired' | 'cancelled',
): AuditEvent {
  return {
    type: 'approval.resolved',
    at: epochMs(at),
    session_id: SESSION,
    approval_id: `apr_${approval}` as ApprovalId,
    state,
  }
}

export function grantEnded(at: number, approval: string): AuditEvent {
  return {
    type: 'grant.ended',
    at: epochMs(at),
    session_id: SESSION,
    grant_id: `gnt_${approval}` as GrantId,
    approval_id: `apr_${approval}` as ApprovalId,
    state: 'consumed',
  }
}

/** A standing grant: what it passes, a call under it, and its end. */
export function standingOpened(at: number, grant: string, tools: readonly string[]): AuditEvent {
  return {
    type: 'grant.opened',
    ...ofGrant(at, grant),
    expires_at: epochMs(at + 3_600_000),
    standing: { holder: { kind: 'agent', principal: ALICE }, upstream: 'files', tools, rule: 'writers' },
  }
}

export function intentUnder(at: number, call: string, grant: string, tool = 'write_file'): AuditEvent {
  const event = intent(at, call, tool)
  return event.type === 'call.intent' ? { ...event, grant_id: `stg_${grant}` as GrantId } : event
}

export function standingEnded(
  at: number,
  grant: string,
  state: 'expired' | 'revoked',
  by: string | null = null,
): AuditEvent {
  const who = by === null ? null : aReviewer(`${by}@example.com`)
  return { type: 'grant.ended', ...ofGrant(at, grant), state, by: who, uses: {} }
}

function ofGrant(at: number, grant: string) {
  const [grant_id, approval_id] = [`stg_${grant}` as GrantId, `apr_${grant}` as ApprovalId]
  return { at: epochMs(at), session_id: SESSION, grant_id, approval_id } as const
}

/** A whole segment, as its lines: the header first. */
export function segmentOf(
  events: readonly AuditEvent[],
  header: Partial<SegmentHeader> = {},
): { lines: string[]; recorded: RecordedEvent[]; last: ChainState } {
  const first = sealHeader({ segment: 'seg_one', replica: 'test', startedAt: epochMs(0), previous: null, ...header })
  const lines = [first.line]
  const recorded: RecordedEvent[] = []
  let { state } = first
  for (const event of events) {
    const sealed = sealLine(event, state)
    state = sealed.state
    lines.push(sealed.line)
    recorded.push({ segment: state.segment, seq: state.seq, hash: state.hash, event })
  }
  return { lines, recorded, last: state }
}
