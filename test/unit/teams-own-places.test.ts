/** Where an approval is asked in Teams, and who may see it anywhere else. */
import { describe, expect, it } from 'vitest'
import { viewerOf } from '../../bots/chat/viewer.ts'
import { createOwnPlaces } from '../../bots/teams/own-places.ts'
import type { Approval } from '../../src/approval/approval.ts'
import { epochMs } from '../../src/brands.ts'
import type { Reviewer } from '../../src/people/reviewer.ts'
import type { Conversation } from '../../src/ports.ts'
import { anApproval } from '../support/examples.ts'

const TENANT = '11111111-1111-4111-8111-111111111111'
const ROOM = '19:approvals@thread.tacv2'
const OTHER = '19:other@thread.tacv2'
const INSIDER = '22222222-2222-4222-8222-222222222222'
const OUTSIDER = '33333333-3333-4333-8333-333333333333'

const conversation = (id: string, kind: Conversation['kind'] = 'channel'): Conversation => ({
  ...{ id, kind, tenantId: TENANT, serviceUrl: 'https://smba.trafficmanager.net/emea/' },
  ...{ oid: null, teamGroupId: null },
})

const person = (oid: string, email: string): Reviewer => ({ id: `teams:${TENANT}:${oid}`, email, name: email })
const bob = person(INSIDER, 'bob@example.com')
const mallory = person(OUTSIDER, 'mallory@example.com')
const alice = person(OUTSIDER, 'alice@example.com')

const people = { isMember: async ({ email }: Reviewer, groups: readonly string[]) => groups.includes(email ?? '') }

function places(members: Readonly<Record<string, readonly string[]>> = { [ROOM]: [INSIDER] }) {
  return createOwnPlaces({
    approvalsRoom: ROOM,
    rooms: { named: async (id) => conversation(id) },
    transport: {
      member: async ({ id }, oid) =>
        members[id]?.includes(oid) === true
          ? {
              ...{ mri: `29:${oid}`, oid, tenantId: TENANT, name: 'x' },
              email: null,
              userPrincipalName: null,
              userRole: null,
            }
          : null,
    },
    people,
  })
}

const asked = (id: string, oid: string, kind: Conversation['kind'] = 'channel') => ({
  user: { oid, tenantId: TENANT, mri: `29:${oid}` },
  conversation: conversation(id, kind),
  messageId: '1',
})

const approval = (change: Partial<Approval> = {}) => anApproval({ channels: ['teams'], from: [], ...change })

describe('who may see an approval where they clicked', () => {
  const rows: [string, Partial<Approval>, Reviewer, ReturnType<typeof asked>, boolean][] = [
    ['anyone in the conversation that it is asked in', {}, mallory, asked(ROOM, OUTSIDER), true],
    ['a member of it who was sent the card elsewhere', {}, bob, asked('a:1', INSIDER, 'personal'), true],
    ['nobody else who was sent it', {}, mallory, asked('a:2', OUTSIDER, 'personal'), false],
    ['nobody of another channel that it was copied to', {}, mallory, asked(OTHER, OUTSIDER), false],
    [
      'a member of a room that an escalation added',
      { rooms: [`teams:${OTHER}`] },
      mallory,
      asked(OTHER, OUTSIDER),
      true,
    ],
    [
      'not a member of the usual room, where the rule names another',
      { rooms: [`teams:${OTHER}`] },
      bob,
      asked('a:1', INSIDER),
      false,
    ],
    ['whom the rule names, anywhere', { from: ['mallory@example.com'] }, mallory, asked('a:2', OUTSIDER), true],
    [
      'not a member of the room, elsewhere, where the rule names others',
      { from: ['carol@example.com'] },
      bob,
      asked('a:1', INSIDER),
      false,
    ],
    [
      'whoever is in the room, where the rule names others: the review tells them no',
      { from: ['carol@example.com'] },
      bob,
      asked(ROOM, INSIDER),
      true,
    ],
    [
      'whom the rule names, but where it asks in another chat alone',
      { channels: ['slack'], from: ['bob@example.com'] },
      bob,
      asked(ROOM, INSIDER),
      false,
    ],
    [
      'anyone of the room, where it is asked in another chat alone',
      { channels: ['slack'] },
      bob,
      asked(ROOM, INSIDER),
      false,
    ],
    ['the person behind the agent, anywhere', {}, alice, asked('a:3', OUTSIDER, 'personal'), true],
  ]
  it.each(rows)('%s', async (_sentence, change, who, where, expected) => {
    expect(await places().isFor(approval(change), who, where)).toBe(expected)
  })

  it('a room without this person has them for no member', async () => {
    expect(await places({}).isFor(approval(), bob, asked('a:1', INSIDER, 'personal'))).toBe(false)
  })

  it('where it can’t be told, nobody is taken for a member', async () => {
    const away = createOwnPlaces({
      approvalsRoom: ROOM,
      rooms: { named: async (id) => conversation(id) },
      transport: { member: () => Promise.reject(new Error('the connector is away')) },
      people,
    })
    await expect(away.isFor(approval(), bob, asked('a:1', INSIDER, 'personal'))).rejects.toThrow('away')
  })
})

describe('who somebody is to an approval', () => {
  const review = { reviewer: bob, choice: 'approve', reason: null, channel: 'teams', at: epochMs(1) } as const
  const byBob = { ...review, strength: 'click', allowForMs: null, shownDigest: null, isHasty: false } as const
  const ownerless = { ...approval().principal, email: null, subject: 'service-1' }
  const sameAddress: Reviewer = { id: 'slack:T1:U2', email: 'bob@example.com', name: 'Bob' }
  const rows: [string, Partial<Approval>, Reviewer, string][] = [
    ['the person behind the agent', {}, alice, 'requester'],
    ['who may decide', {}, bob, 'reviewer'],
    ['who may not', { from: ['carol@example.com'] }, bob, 'bystander'],
    ['anyone, where nobody knows whose agent it is', { principal: ownerless }, bob, 'undecidable'],
    ['who has decided already', { quorum: 2, reviews: [byBob] }, bob, 'reviewed'],
    ['who has, by another account', { quorum: 2, reviews: [byBob] }, sameAddress, 'reviewed'],
  ]
  it.each(rows)('%s', async (_sentence, change, who, expected) => {
    expect(await viewerOf(approval(change), who, people)).toBe(expected)
  })
})
