/** Approvals that open standing grants, and calls that those pass. */
import { randomBytes } from 'node:crypto'
import type { AccessRequest } from '../../src/access/access.ts'
import type { Approval, ApprovalEvent } from '../../src/approval/approval.ts'
import { ACCESS_TOOL } from '../../src/approval/approval.ts'
import type { Fingerprint } from '../../src/brands.ts'
import { epochMs } from '../../src/brands.ts'
import type { StandingGrantCall } from '../../src/grant/standing.ts'
import { summarisePrincipal } from '../../src/identity/principal.ts'
import { aFreshApproval } from './approvals.ts'
import { aPrincipal, aReview, aReviewer } from './examples.ts'

export const MINUTE = 60_000

export function anAccessRequest(change: Partial<AccessRequest> = {}): AccessRequest {
  return {
    requester: { id: 'slack:T1:UALICE', email: 'alice@example.com', name: 'Alice' },
    ownerEmail: 'alice@example.com',
    upstream: 'files',
    tools: ['write_file', 'move_file'],
    durationMs: 30 * MINUTE,
    reason: 'Tidying up before the release.',
    extends: null,
    ...change,
  }
}

export function anAccessApproval(request: Partial<AccessRequest> = {}, change: Partial<Approval> = {}): Approval {
  const access = anAccessRequest(request)
  return aFreshApproval({ access, upstream: access.upstream, tool: ACCESS_TOOL, argumentsJson: '{}', ...change })
}

/** Bob's, for this call and for as long as `allowForMs` says. */
export function approvedFor(allowForMs: number | null, who = 'bob'): ApprovalEvent {
  const at = epochMs(Date.now())
  const reviewer = aReviewer(`${who}@example.com`)
  return { type: 'reviewed', review: aReview({ reviewer, at, allowForMs }), at }
}

/** What the example approval's agent asks for. */
export function aGrantCall(change: Partial<StandingGrantCall> = {}): StandingGrantCall {
  const principal = summarisePrincipal(aPrincipal())
  return { principal, upstream: 'files', tool: 'write_file', rule: 'writes', ...change }
}

export function anyFingerprint(): Fingerprint {
  return randomBytes(32).toString('hex') as Fingerprint
}
