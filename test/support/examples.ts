/** Values that many tests need whole although they look at one field. */
import { type Approval, agentAtFirst, type Review } from '../../src/approval/approval.ts'
import type { ApprovalId, CallId, Fingerprint, SessionId } from '../../src/brands.ts'
import { epochMs, principalId } from '../../src/brands.ts'
import type { Principal } from '../../src/identity/principal.ts'
import { summarisePrincipal } from '../../src/identity/principal.ts'
import type { Reviewer } from '../../src/people/reviewer.ts'
import type { ApprovalTerms } from '../../src/policy/decision.ts'

const ISSUER = 'https://example.okta.com/oauth2/default'

export function aPrincipal(change: Partial<Principal> = {}): Principal {
  const subject = change.subject ?? 'alice@example.com'
  return {
    id: principalId(ISSUER, subject),
    issuer: ISSUER,
    subject,
    client: 'agent-client',
    email: 'alice@example.com',
    vouchedEmail: 'alice@example.com',
    groups: ['engineering'],
    scopes: ['mcp'],
    claims: { iss: ISSUER, sub: subject },
    ...change,
  }
}

export function aReviewer(email: string): Reviewer {
  return { id: `console:${email}`, email, name: email.split('@')[0] ?? email }
}

export function someTerms(change: Partial<ApprovalTerms> = {}): ApprovalTerms {
  return {
    from: [],
    quorum: 1,
    deadlineMs: 900_000,
    useWithinMs: 900_000,
    channels: [],
    rooms: [],
    strength: 'click',
    readAll: false,
    allowForMs: [],
    acceptsGrants: true,
    steps: [],
    hours: null,
    ...change,
  }
}

export function aReview(change: Partial<Review> = {}): Review {
  return {
    reviewer: aReviewer('bob@example.com'),
    choice: 'approve',
    reason: null,
    channel: 'console',
    at: epochMs(2_000),
    strength: 'click',
    allowForMs: null,
    shownDigest: null,
    isHasty: false,
    ...change,
  }
}

export function anApproval(change: Partial<Approval> = {}): Approval {
  return {
    id: 'apr_example' as ApprovalId,
    state: 'pending',
    version: 1,
    fingerprint: 'f'.repeat(64) as Fingerprint,
    callId: 'call_example' as CallId,
    sessionId: 'ses_example' as SessionId,
    principal: summarisePrincipal(aPrincipal()),
    upstream: 'files',
    tool: 'write_file',
    argumentsJson: '{"content":"hello","path":"a.txt"}',
    otherParamsJson: '{}',
    rule: 'writes',
    reason: 'Writing needs a second pair of eyes.',
    from: [],
    quorum: 1,
    channels: ['console'],
    requestedAt: epochMs(1_000),
    expiresAt: epochMs(901_000),
    useWithinMs: 900_000,
    agent: agentAtFirst('waiting'),
    reviews: [],
    resolvedAt: null,
    cancelReason: null,
    run: null,
    access: null,
    annotations: null,
    statedReason: null,
    strength: 'click',
    readAll: false,
    allowForMs: [],
    allowedForMs: null,
    rooms: [],
    isOutOfHours: false,
    steps: [],
    reminders: { count: 0, lastAt: null },
    remarks: [],
    standing: null,
    ...change,
  }
}
