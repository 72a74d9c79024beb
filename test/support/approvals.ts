/** An approval as the gate would make it, and events on it. */
import { randomBytes } from 'node:crypto'
import type { Approval, ApprovalEvent, Review } from '../../src/approval/approval.ts'
import type { ApprovalId, CallId, Fingerprint, SessionId } from '../../src/brands.ts'
import { epochMs } from '../../src/brands.ts'
import { anApproval, aReview } from './examples.ts'

/** One of its own each time, requested now: what a store is given. */
export function aFreshApproval(change: Partial<Approval> = {}): Approval {
  const now = Date.now()
  const unique = randomBytes(16).toString('hex')
  return anApproval({
    id: `apr_${unique}` as ApprovalId,
    fingerprint: randomBytes(32).toString('hex') as Fingerprint,
    callId: `call_${unique}` as CallId,
    sessionId: `ses_${unique}` as SessionId,
    requestedAt: epochMs(now),
    expiresAt: epochMs(now + 60_000),
    useWithinMs: 60_000,
    ...change,
  })
}

export function reviewed(choice: Review['choice'], who = 'bob', at = Date.now()): ApprovalEvent {
  const reviewer = { id: `console:${who}@example.com`, email: `${who}@example.com`, name: who }
  return {
    type: 'reviewed',
    review: aReview({ reviewer, choice, at: epochMs(at) }),
    at: epochMs(at),
  }
}

export const cancelled = (at = Date.now()): ApprovalEvent => ({ type: 'cancelled', reason: 'test', at: epochMs(at) })
export const deadline = (at: number): ApprovalEvent => ({ type: 'deadline', at: epochMs(at) })
