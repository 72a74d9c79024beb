/** What a standing grant is about, what opens one, and what an access request shows of the agent: nothing. */
import { describe, expect, it } from 'vitest'
import { presenceNotes } from '../../src/approval/presence-notes.ts'
import type { GrantId } from '../../src/brands.ts'
import { epochMs } from '../../src/brands.ts'
import type { StandingGrant, StandingGrantCall } from '../../src/grant/standing.ts'
import { isAbout, isExtendedBy, openStandingGrant } from '../../src/grant/standing.ts'
import { summarisePrincipal } from '../../src/identity/principal.ts'
import { anApproval, aPrincipal, aReview, aReviewer } from '../support/examples.ts'
import { aGrantCall, anAccessApproval, MINUTE } from '../support/standing-grants.ts'

const AT = epochMs(1_000)

function opened(approval: Parameters<typeof openStandingGrant>[0]): StandingGrant {
  const grant = openStandingGrant(approval, AT)
  if (grant === null) throw new Error('it opens none')
  return grant
}

const ofAgent = opened(anApproval({ state: 'approved', allowedForMs: MINUTE, reviews: [aReview()] }))
const ofOwner = opened(anAccessApproval())
const all: StandingGrant = { ...ofOwner, tools: ['*'] }
const from = (change: Parameters<typeof aPrincipal>[0]) => ({ principal: summarisePrincipal(aPrincipal(change)) })

describe('a standing grant', () => {
  it.each<[string, StandingGrant, Partial<StandingGrantCall>, boolean]>([
    ['of an agent is about its call', ofAgent, {}, true],
    ['of an agent is not about another client', ofAgent, from({ client: 'other' }), false],
    ['of an agent is not about a token without a client', ofAgent, from({ client: null }), false],
    ['of an agent is not about another principal', ofAgent, from({ subject: 'carol@example.com' }), false],
    ['of an agent is about it whatever its e-mail', ofAgent, from({ email: null }), true],
    ['of an agent is not about another rule', ofAgent, { rule: 'other' }, false],
    ['of an agent is not about another tool', ofAgent, { tool: 'move_file' }, false],
    ['of an agent is not about another upstream', ofAgent, { upstream: 'other' }, false],
    ['of an owner is about any agent of theirs', ofOwner, from({ client: 'other', subject: 'agent-7' }), true],
    ['of an owner is about any rule', ofOwner, { rule: 'other' }, true],
    ['of an owner is not about another owner', ofOwner, from({ email: 'bob@example.com' }), false],
    ['of an owner is not about nobody’s agent', ofOwner, from({ email: null }), false],
    ['of an owner is not about another tool', ofOwner, { tool: 'edit_file' }, false],
    ['for all tools is about any', all, { tool: 'edit_file' }, true],
    ['for all tools is not about another upstream', all, { tool: 'edit_file', upstream: 'other' }, false],
    ['for one tool is not about one that is called like all', ofAgent, { tool: '*' }, false],
  ])('%s', (_sentence, grant, change, expected) => {
    expect(isAbout(grant, aGrantCall(change))).toBe(expected)
  })

  it('is opened by an approval for longer than its call, until then, in the name of who approved', () => {
    expect(ofAgent).toMatchObject({ openedAt: AT, expiresAt: AT + MINUTE, rule: 'writes', tools: ['write_file'] })
    expect(ofAgent.approvedBy).toEqual([aReviewer('bob@example.com')])
    expect(openStandingGrant(anApproval({ state: 'approved' }), AT)).toBeNull()
  })

  it('[REQ-GRANT-1] is not opened by approving a tool that is called like all of them', () => {
    expect(openStandingGrant(anApproval({ state: 'approved', tool: '*', allowedForMs: MINUTE }), AT)).toBeNull()
  })

  it.each<[string, StandingGrant, Partial<StandingGrant>, boolean]>([
    ['by the same, longer', ofOwner, {}, true],
    ['once it was revoked', { ...ofOwner, state: 'revoked' }, {}, false],
    ['once it has expired', { ...ofOwner, expiresAt: AT }, {}, false],
    ['by another owner’s', ofOwner, { holder: { kind: 'owner', email: 'bob@example.com' } }, false],
    ['by one for more tools', ofOwner, { tools: ['write_file', 'move_file', 'edit_file'] }, false],
    ['by one for all tools', ofOwner, { tools: ['*'] }, false],
    ['by naming one tool twice', ofOwner, { tools: ['write_file', 'write_file'] }, false],
    ['by one on another upstream', ofOwner, { upstream: 'other' }, false],
    ['where it is an agent’s', ofAgent, {}, false],
  ])('is extended %s: %#', (_sentence, grant, change, expected) => {
    expect(isExtendedBy(grant, { ...ofOwner, ...change }, AT)).toBe(expected)
  })

  it('of an extension is the one that it extends', () => {
    expect(opened(anAccessApproval({ extends: 'stg_first' as GrantId })).id).toBe('stg_first')
  })
})

it('nobody is said to wait, or to be away, where access is asked for', () => {
  const away = { state: 'away', calls: 0, awaySince: AT, changedAt: AT } as const
  expect(presenceNotes(anAccessApproval({}, { agent: away }))).toEqual([])
  expect(presenceNotes(anApproval({ agent: away }))).not.toEqual([])
})
