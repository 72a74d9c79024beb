import { describe, expect, it } from 'vitest'
import type { Approval, ApprovalEvent, Review } from '../../src/approval/approval.ts'
import { transition } from '../../src/approval/approval.ts'
import { epochMs } from '../../src/brands.ts'
import { anApproval, aReviewer } from '../support/examples.ts'

const DEADLINE = 900_000

function reviewed(email: string, choice: Review['choice'], at = 1_000): ApprovalEvent {
  const review: Review = { reviewer: aReviewer(email), choice, reason: null, channel: 'console', at: epochMs(at) }
  return { type: 'reviewed', review, at: epochMs(at) }
}

const deadline = (at: number): ApprovalEvent => ({ type: 'deadline', at: epochMs(at) })
const cancelled: ApprovalEvent = { type: 'cancelled', reason: 'withdrawn', at: epochMs(1_000) }

const pending = anApproval({ requestedAt: epochMs(0), expiresAt: epochMs(DEADLINE) })
const twoNeeded = anApproval({ requestedAt: epochMs(0), expiresAt: epochMs(DEADLINE), quorum: 2 })
const having = (approval: Approval, ...events: ApprovalEvent[]): Approval =>
  events.reduce((current, event) => transition(current, event).approval, approval)

describe('an approval', () => {
  it.each<[string, Approval, ApprovalEvent, string]>([
    ['is approved by one click where one is enough', pending, reviewed('bob@example.com', 'approve'), 'approved'],
    ['is denied by one click', pending, reviewed('bob@example.com', 'deny'), 'denied'],
    ['stays pending below its quorum', twoNeeded, reviewed('bob@example.com', 'approve'), 'pending'],
    ['is denied by one click whatever its quorum', twoNeeded, reviewed('bob@example.com', 'deny'), 'denied'],
    [
      'is approved when the second person completes the quorum',
      having(twoNeeded, reviewed('bob@example.com', 'approve')),
      reviewed('carol@example.com', 'approve'),
      'approved',
    ],
    ['[REQ-HOLD-2] expires at its deadline', pending, deadline(DEADLINE), 'expired'],
    ['can be cancelled', pending, cancelled, 'cancelled'],
  ])('%s', (_sentence, approval, event, state) => {
    const result = transition(approval, event)
    expect(result).toMatchObject({ ok: true, approval: { state, version: approval.version + 1 } })
  })

  it.each<[string, Approval, ApprovalEvent, string]>([
    [
      '[REQ-REVIEW-3] a second click after the decision',
      having(pending, reviewed('bob@example.com', 'approve')),
      reviewed('carol@example.com', 'deny'),
      'already_resolved',
    ],
    [
      'a click at the deadline, before its job ran',
      pending,
      reviewed('bob@example.com', 'approve', DEADLINE),
      'too_late',
    ],
    ['a deadline that comes early', pending, deadline(DEADLINE - 1), 'too_early'],
    [
      'a deadline after a denial',
      having(pending, reviewed('bob@example.com', 'deny')),
      deadline(DEADLINE),
      'already_resolved',
    ],
    [
      'the same person twice',
      having(twoNeeded, reviewed('bob@example.com', 'approve')),
      reviewed('bob@example.com', 'approve'),
      'already_reviewed',
    ],
    [
      'the same e-mail by a second account',
      having(twoNeeded, reviewed('bob@example.com', 'approve')),
      {
        ...reviewed('bob@example.com', 'approve'),
        review: { ...reviewOf('bob@example.com'), reviewer: { ...aReviewer('bob@example.com'), id: 'slack:T1:U9' } },
      } as ApprovalEvent,
      'already_reviewed',
    ],
    ['a cancellation after expiry', having(pending, deadline(DEADLINE)), cancelled, 'already_resolved'],
  ])('refuses %s, and changes nothing', (_sentence, approval, event, refusal) => {
    expect(transition(approval, event)).toEqual({ ok: false, refusal, approval })
  })
})

function reviewOf(email: string): Review {
  const event = reviewed(email, 'approve')
  if (event.type !== 'reviewed') throw new Error('not a review')
  return event.review
}
