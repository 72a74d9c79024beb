import { describe, expect, it } from 'vitest'
import type { Approval, ApprovalEvent, Review } from '../../src/approval/approval.ts'
import { transition } from '../../src/approval/approval.ts'
import type { CallId } from '../../src/brands.ts'
import { epochMs } from '../../src/brands.ts'
import { anApproval, aReview, aReviewer } from '../support/examples.ts'

const DEADLINE = 900_000

function reviewed(email: string, choice: Review['choice'], at = 1_000): ApprovalEvent {
  const review = aReview({ reviewer: aReviewer(email), choice, at: epochMs(at) })
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
    [
      'the same person by a second account that has the first one’s address beside its own',
      having(twoNeeded, reviewed('bob@example.com', 'approve')),
      {
        ...reviewed('b.jones@example.com', 'approve'),
        review: {
          ...reviewOf('b.jones@example.com'),
          reviewer: { id: 'teams:t:1', email: 'b.jones@example.com', name: 'B', otherAddresses: ['bob@example.com'] },
        },
      } as ApprovalEvent,
      'already_reviewed',
    ],
    ['a cancellation after expiry', having(pending, deadline(DEADLINE)), cancelled, 'already_resolved'],
  ])('refuses %s, and changes nothing', (_sentence, approval, event, refusal) => {
    expect(transition(approval, event)).toEqual({ ok: false, refusal, approval })
  })
})

describe('an approved call of which nobody knows whether it ran', () => {
  const callId = 'call_run' as CallId
  const approved = having(pending, reviewed('bob@example.com', 'approve'))
  const lost: ApprovalEvent = { type: 'run_lost', callId, at: epochMs(2_000) }
  const ended: ApprovalEvent = { type: 'run_ended', at: epochMs(3_000) }
  const resolved = (ran: boolean): ApprovalEvent => ({
    type: 'run_resolved',
    ran,
    by: aReviewer('carol@example.com'),
    at: epochMs(4_000),
  })
  const unknown = { state: 'unknown', callId, at: 2_000, by: null }

  it.each<[string, ApprovalEvent[], Approval['run'] | object]>([
    ['names the call that took the fence', [lost], unknown],
    ['is known again where its gateway was only out of reach', [lost, ended], null],
    ['ran, says a person', [lost, resolved(true)], { ...unknown, state: 'ran', at: 4_000, by: { name: 'carol' } }],
    ['did not run, says a person', [lost, resolved(false)], { state: 'did_not_run', callId, by: { name: 'carol' } }],
  ])('%s, and stays approved', (_sentence, events, run) => {
    const after = having(approved, ...events)
    expect(after).toMatchObject({ state: 'approved', run, version: approved.version + events.length })
  })

  it.each<[string, Approval, ApprovalEvent]>([
    ['a loss of a call that was never approved', having(pending, reviewed('bob@example.com', 'deny')), lost],
    ['a loss of a call that is still asked about', pending, lost],
    ['a second loss', having(approved, lost), lost],
    ['what a person says of a call whose end is known', approved, resolved(true)],
    ['what a second person says', having(approved, lost, resolved(true)), resolved(false)],
    ['an end after people have spoken', having(approved, lost, resolved(false)), ended],
  ])('refuses %s, and changes nothing', (_sentence, approval, event) => {
    expect(transition(approval, event)).toEqual({ ok: false, refusal: 'run_known', approval })
  })
})

const left = (at: number): ApprovalEvent => ({ type: 'agent_left', awaySince: epochMs(at - 15), at: epochMs(at) })
const came = (state: 'waiting' | 'polling', calls: number, at = 2_000): ApprovalEvent => ({
  type: 'agent_came',
  state,
  calls,
  at: epochMs(at),
})

describe('whether anyone waits for an approval', () => {
  it.each<[string, ApprovalEvent[], Approval['agent']]>([
    ['at first the call that asked does', [], { state: 'waiting', calls: 1, awaySince: null, changedAt: null }],
    [
      'nobody does once it has left',
      [left(1_000)],
      { state: 'away', calls: 0, awaySince: epochMs(985), changedAt: epochMs(1_000) },
    ],
    [
      'it does again once it is back',
      [left(1_000), came('waiting', 1)],
      { state: 'waiting', calls: 1, awaySince: null, changedAt: epochMs(2_000) },
    ],
    [
      'a task in its place does not wait',
      [left(1_000), came('polling', 1)],
      { state: 'polling', calls: 1, awaySince: null, changedAt: epochMs(2_000) },
    ],
    [
      'several identical calls may',
      [came('waiting', 3)],
      { state: 'waiting', calls: 3, awaySince: null, changedAt: epochMs(2_000) },
    ],
  ])('%s', (_sentence, events, agent) => {
    const after = having(pending, ...events)
    expect(after).toMatchObject({ state: 'pending', agent, version: pending.version + events.length })
  })

  it.each<[string, Approval, ApprovalEvent, string]>([
    ['that it waits, which is known', pending, came('waiting', 1), 'agent_known'],
    ['that it left, once more', having(pending, left(1_000)), left(2_000), 'agent_known'],
    [
      'that it left, after the decision',
      having(pending, reviewed('bob@example.com', 'deny')),
      left(2_000),
      'already_resolved',
    ],
    [
      'that it is back, after the deadline',
      having(pending, deadline(DEADLINE)),
      came('waiting', 1),
      'already_resolved',
    ],
  ])('is not told %s', (_sentence, approval, event, refusal) => {
    expect(transition(approval, event)).toEqual({ ok: false, refusal, approval })
  })

  it('[REQ-AWAY-1] a click counts while nobody waits, and its grant waits for whoever comes back', () => {
    expect(having(pending, left(1_000), reviewed('bob@example.com', 'approve'))).toMatchObject({
      state: 'approved',
      agent: { state: 'away' },
      run: null,
    })
  })
})

function reviewOf(email: string): Review {
  const event = reviewed(email, 'approve')
  if (event.type !== 'reviewed') throw new Error('not a review')
  return event.review
}

const endedAt = epochMs(500_000)
const grantEnded: ApprovalEvent = { type: 'grant_ended', state: 'expired', at: endedAt, by: null }
const grantExtended = (until: number): ApprovalEvent => ({ type: 'grant_extended', until: epochMs(until), at: endedAt })

describe('the standing grant that an approval opened', () => {
  const withGrant = { ...having(pending, reviewed('bob@example.com', 'approve')), allowedForMs: 900_000 }

  it.each<[string, ApprovalEvent[], Approval['standing']]>([
    ['ended', [grantEnded], { until: null, ended: { state: 'expired', at: endedAt, by: null } }],
    ['was made to end later', [grantExtended(9_000)], { until: epochMs(9_000), ended: null }],
    [
      'was made to end later, and ended',
      [grantExtended(9_000), grantEnded],
      { until: epochMs(9_000), ended: { state: 'expired', at: endedAt, by: null } },
    ],
  ])('%s, and it stays approved', (_sentence, events, standing) => {
    const after = having(withGrant, ...events)
    expect(after).toMatchObject({ state: 'approved', standing, version: withGrant.version + events.length })
  })

  it.each<[string, Approval, ApprovalEvent]>([
    ['of what is still asked about', pending, grantEnded],
    ['of what let this call alone pass', { ...withGrant, allowedForMs: null }, grantEnded],
    ['twice', having(withGrant, grantEnded), grantEnded],
    ['to an end that is no later', having(withGrant, grantExtended(9_000)), grantExtended(9_000)],
    ['after its end', having(withGrant, grantEnded), grantExtended(9_000)],
  ])('changes nothing %s', (_sentence, approval, event) => {
    expect(transition(approval, event)).toEqual({ ok: false, refusal: 'grant_known', approval })
  })
})
