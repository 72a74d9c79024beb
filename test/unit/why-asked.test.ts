import { describe, expect, it } from 'vitest'
import type { Approval, ApprovalStep } from '../../src/approval/approval.ts'
import { cardOf } from '../../src/approval/card-of.ts'
import { whyAsked } from '../../src/approval/why-asked.ts'
import { epochMs } from '../../src/brands.ts'
import { anApproval, aReviewer } from '../support/examples.ts'

const AT = epochMs(600_000)

const escalation = (change: Partial<ApprovalStep> = {}): ApprovalStep => ({
  type: 'escalate',
  at: AT,
  doneAt: epochMs(AT + 5),
  from: ['dba-leads'],
  rooms: [],
  ...change,
})

describe('why you', () => {
  it.each<[string, Partial<Approval>, (string | number)[][]]>([
    [
      'a rule that names nobody asks anyone but the owner',
      {},
      [['You are asked because rule writes lets anyone here decide, except the person behind the agent.']],
    ],
    ['the rule names a group', { from: ['dba'] }, [['You are asked because rule writes asks dba.']]],
    [
      'several groups and a person',
      { from: ['dba', 'sre', 'bob@example.com'] },
      [['You are asked because rule writes asks dba, sre or bob@example.com.']],
    ],
    [
      'it came out of hours',
      { from: ['oncall'], isOutOfHours: true },
      [['You are asked because rule writes is out of its hours, when it asks oncall.']],
    ],
    [
      'an escalation that is still to come is not told',
      { from: ['dba'], steps: [escalation({ doneAt: null })] },
      [['You are asked because rule writes asks dba.']],
    ],
    [
      'it was escalated: who was asked first, and who is besides',
      { from: ['dba', 'dba-leads'], steps: [escalation()] },
      [
        ['You are asked because rule writes asks dba.'],
        ['Nobody had decided by ', AT + 5, ', so dba-leads may decide too.'],
      ],
    ],
    [
      'it was escalated to a room alone',
      { from: ['dba'], steps: [escalation({ from: [], rooms: ['slack:C0123'] })] },
      [
        ['You are asked because rule writes asks dba.'],
        ['Nobody had decided by ', AT + 5, ', so it is shown here too.'],
      ],
    ],
    [
      'a reminder adds nobody',
      { from: ['dba'], steps: [{ type: 'remind', at: AT, doneAt: AT, from: [], rooms: [] }] },
      [['You are asked because rule writes asks dba.']],
    ],
    ['nobody is asked what is decided', { from: ['dba'], state: 'approved', steps: [escalation()] }, []],
  ])('%s', (_sentence, change, expected) => {
    expect(whyAsked(anApproval(change))).toEqual(expected)
    expect(cardOf(anApproval(change)).why).toEqual(expected)
  })

  it('says of elevated access that the one who asks may not decide', () => {
    const access = {
      requester: aReviewer('alice@example.com'),
      ownerEmail: 'alice@example.com',
      upstream: 'files',
      tools: ['*'],
      durationMs: 60_000,
      reason: 'the weekly clean-up',
      extends: null,
    }
    expect(whyAsked(anApproval({ access }))).toEqual([
      ['You are asked because rule writes lets anyone here decide, except the person who asks.'],
    ])
  })

  it('shows what is invisible in an address that the policy holds', () => {
    expect(whyAsked(anApproval({ from: ['b\u200Bob@example.com'] }))).toEqual([
      ['You are asked because rule writes asks b⟨U+200B⟩ob@example.com.'],
    ])
  })
})

describe('the reason that an agent states', () => {
  it('is on the card, its invisible characters shown', () => {
    expect(cardOf(anApproval({ statedReason: 'clean up\u202E' })).statedReason).toBe('clean up⟨U+202E⟩')
  })

  it('is null where the agent states none', () => {
    expect(cardOf(anApproval()).statedReason).toBeNull()
  })
})
