/**
 * Every way of approving in Teams without being one of those who may that anyone found: asked of the connector and of
 * Graph over HTTP, through the library. Rows are never deleted.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createTeamsDirectory, oidByEmail, openEntra } from '../../bots/teams/directory.ts'
import { openTransport } from '../../bots/teams/open-transport.ts'
import { createReviewers } from '../../bots/teams/reviewers.ts'
import { epochMs } from '../../src/brands.ts'
import type { TeamsSettings } from '../../src/config/settings.ts'
import { peopleOf } from '../../src/people/people.ts'
import { type Reviewer, samePerson } from '../../src/people/reviewer.ts'
import type { Conversation, Conversations } from '../../src/ports.ts'
import { mayReview } from '../../src/review/review.ts'
import { Secret } from '../../src/secret.ts'
import { anApproval } from '../support/examples.ts'
import { type FakeTeams, startFakeTeams } from '../support/fake-teams.ts'
import { APPROVALS, type FakePerson, GROUP_CHAT, OTHER_TENANT, TEAM, TENANT } from '../support/fake-teams-world.ts'

const DBA = 'aaaaaaaa-0000-4000-8000-00000000000a'
const oidOf = (n: number) => `0000000${n}-0000-4000-8000-000000000000`
const BOB: FakePerson = {
  oid: oidOf(1),
  name: 'Bob',
  email: 'bob@example.com',
  userPrincipalName: 'b.jones@corp.example.com',
  userRole: 'user',
  groups: [DBA],
}
const BOB_REVIEWS: Reviewer = {
  id: `teams:${TENANT}:${oidOf(1)}`,
  email: 'bob@example.com',
  name: 'Bob',
  otherAddresses: ['b.jones@corp.example.com'],
}
const NOW = { maxAgeMs: 0, patienceMs: 5_000 }
const clock = { now: () => epochMs(Date.now()) }
const log = { info: () => undefined, warn: () => undefined, error: () => undefined }

let teams: FakeTeams
beforeAll(async () => {
  teams = await startFakeTeams({ users: [BOB], groups: [{ id: DBA, displayName: 'DBA' }], rate: { members: [] } })
  for (const id of [TEAM, APPROVALS]) await teams.install(id).catch(() => undefined)
})
afterAll(() => teams?.close())
beforeEach(() => {
  teams.addUser(BOB)
  talks.clear()
})

/** Whose own talk with the bot is known. */
const talks = new Set<string>()

function rig(change: Partial<TeamsSettings> = {}) {
  const settings: TeamsSettings = {
    ...{ appId: teams.appId, tenantId: teams.tenantId, appType: 'SingleTenant', library: 'botbuilder' },
    ...{ appPassword: new Secret(teams.appPassword), approvals: APPROVALS, summaries: APPROVALS },
    ...{ email: 'mail', graph: true, endpoints: teams.endpoints },
    ...change,
  }
  const room = (id: string): Conversation => ({
    ...{ id, kind: 'channel', tenantId: TENANT, serviceUrl: teams.serviceUrl, oid: null, teamGroupId: null },
  })
  const conversations: Conversations = {
    remember: async () => undefined,
    get: async (id) => room(id),
    withPerson: async (_tenantId, oid) => (talks.has(oid) ? { ...room(teams.personalConversation(oid)), oid } : null),
    rooms: async () => [],
    forget: async () => undefined,
  }
  const transport = openTransport({ settings, clock, log })
  const entra = openEntra({ settings, transport, clock })
  const directory = createTeamsDirectory({ settings, transport, conversations, rooms: [], clock, log })
  const reviewers = createReviewers({ ours: settings, transport, conversations, entra, clock, log })
  /** By the compose action, in a conversation that the bot isn't in. */
  const compose = (who: FakePerson, said: { oid?: string } = {}) =>
    reviewers.whoClicked({
      user: { oid: said.oid ?? who.oid ?? '', tenantId: TENANT, mri: teams.mriOf(who.name) },
      ...{ conversation: room(GROUP_CHAT), messageId: null, isCompose: true },
    })
  const click = (who: FakePerson, said: { oid?: string; tenantId?: string } = {}) =>
    reviewers.whoClicked({
      user: { oid: said.oid ?? who.oid ?? '', tenantId: said.tenantId ?? TENANT, mri: teams.mriOf(who.name) },
      conversation: room(APPROVALS),
      messageId: null,
    })
  return { settings, entra, click, compose, ...directory }
}

describe.each([true, false])('who clicked (Graph: %s)', (graph) => {
  it('[REQ-WHO-5] is a member of the tenant, by their object id, with all their addresses', async () => {
    expect(await rig({ graph }).click(BOB)).toEqual({ ok: true, reviewer: BOB_REVIEWS })
    const byName = await rig({ graph, email: 'userPrincipalName' }).click(BOB)
    expect(byName).toMatchObject({
      reviewer: { email: 'b.jones@corp.example.com', otherAddresses: ['bob@example.com'] },
    })
  })

  it.each<[string, Partial<FakePerson>, { oid?: string; tenantId?: string }, RegExp]>([
    ['a guest', { userRole: 'guest', userType: 'Guest' }, {}, /^Guests cannot review/],
    ['a guest by the sign-in name alone', { userPrincipalName: 'b_x.com#EXT#@corp.example.com' }, {}, /^Guests/],
    ['anonymous', { userRole: 'anonymous' }, {}, /^Only members of this organisation/],
    ['of a federated organisation', { userRole: 'federated' }, {}, /^Only members of this organisation/],
    ['of another tenant', { tenantId: OTHER_TENANT }, {}, /^Only members of this organisation/],
    ['said to be of another tenant', {}, { tenantId: OTHER_TENANT }, /^Only members of this organisation/],
    ['said to be somebody else by the object id', {}, { oid: oidOf(2) }, /^Teams does not know you/],
    ['without an address', { email: '', userPrincipalName: 'b.jones@corp.example.com' }, {}, /no e-mail address/],
  ])('[REQ-WHO-5] is nobody who may review if they are %s', async (_sentence, change, said, told) => {
    const who = { ...BOB, ...change }
    teams.addUser(who)
    expect(await rig({ graph }).click(who, said)).toEqual({ ok: false, message: expect.stringMatching(told) })
  })
})

describe('who asks by the compose action, where the bot is not', () => {
  const told = (message: RegExp) => ({ ok: false, message: expect.stringMatching(message) })

  it('[REQ-WHO-5] is whom their own talk with the bot knows', async () => {
    await teams.install(teams.personalConversation('Bob'))
    talks.add(oidOf(1))
    expect(await rig().compose(BOB)).toEqual({ ok: true, reviewer: BOB_REVIEWS })
  })

  it('[REQ-WHO-5] is nobody before they wrote to it, or after they took it out again', async () => {
    expect(await rig().compose(BOB)).toEqual(told(/does not know you yet: write “help” to it/))
    talks.add(oidOf(1))
    await teams.uninstall(teams.personalConversation('Bob'))
    expect(await rig().compose(BOB)).toEqual(told(/does not know you yet/))
  })

  it('[REQ-WHO-5] is nobody by another person’s talk, and a guest remains one', async () => {
    await teams.install(teams.personalConversation('Bob'))
    talks.add(oidOf(1)).add(oidOf(2))
    const mallory = { oid: oidOf(2), name: 'Mallory', email: 'm@example.com', userPrincipalName: 'm@example.com' }
    teams.addUser(mallory)
    expect(await rig().compose(mallory, { oid: oidOf(1) })).toMatchObject({ ok: false })
    teams.addUser({ ...BOB, userRole: 'guest', userType: 'Guest' })
    expect(await rig().compose(BOB)).toEqual(told(/^Guests cannot review/))
  })
})

describe('an account that is disabled', () => {
  it('decides nothing where Graph can tell', async () => {
    teams.addUser({ ...BOB, accountEnabled: false })
    expect(await rig().click(BOB)).toMatchObject({ ok: false, message: expect.stringMatching(/deactivated/) })
  })
})

describe('who approved, before the call runs', () => {
  it.each([true, false])('[REQ-WHO-4] is who they were (Graph: %s)', async (graph) => {
    expect(await rig({ graph }).persons.current(BOB_REVIEWS, NOW)).toEqual(BOB_REVIEWS)
  })

  it.each<[string, boolean, Partial<FakePerson>]>([
    ['disabled', true, { accountEnabled: false }],
    ['a guest', true, { userType: 'Guest' }],
    ['a guest', false, { userRole: 'guest' }],
    ['known by another address', true, { email: 'alice@example.com' }],
    ['known by another address', false, { email: 'alice@example.com' }],
    ['of another tenant', false, { tenantId: OTHER_TENANT }],
  ])('[REQ-WHO-4] may no more once they are %s (Graph: %s)', async (_sentence, graph, change) => {
    teams.addUser({ ...BOB, ...change })
    expect(await rig({ graph }).persons.current(BOB_REVIEWS, NOW)).toBeNull()
  })

  it('is nobody of another tenant, whose object id is the same', async () => {
    const other = { ...BOB_REVIEWS, id: `teams:${OTHER_TENANT}:${oidOf(1)}` }
    expect(await rig().persons.current(other, NOW)).toBeNull()
  })

  it('turns out to be the agent’s owner by an alias that only Graph knows', async () => {
    teams.addUser({ ...BOB, proxyAddresses: ['SMTP:bob@example.com', 'smtp:Alice@example.com', 'SIP:x@example.com'] })
    const now = await rig().persons.current(BOB_REVIEWS, NOW)
    expect(now?.otherAddresses).toEqual(['b.jones@corp.example.com', 'alice@example.com'])
    const people = peopleOf(new Map())
    expect(await mayReview(anApproval(), now as Reviewer, people, 'run')).toBe('self_review')
  })
})

describe('a group', () => {
  const slack = (email: string | null): Reviewer => ({ id: 'slack:T1:U1', email, name: 'x' })
  const team = `teams:team:${TEAM}`
  it.each<[string, Reviewer, string, boolean]>([
    ['of Entra has its members', BOB_REVIEWS, `entra:group:${DBA}`, true],
    [
      'of Entra has who reviews elsewhere, by the verified address',
      slack('Bob@example.com'),
      `entra:group:${DBA}`,
      true,
    ],
    ['of Entra has nobody without an address', slack(null), `entra:group:${DBA}`, false],
    ['of Entra has nobody with an address of no one', slack("o'neil@example.com"), `entra:group:${DBA}`, false],
    [
      'of Entra has nobody of another tenant',
      { ...BOB_REVIEWS, id: `teams:${OTHER_TENANT}:${oidOf(1)}` },
      `entra:group:${DBA}`,
      false,
    ],
    ['that is a team has its members', BOB_REVIEWS, team, true],
    ['that is a team has who reviews elsewhere', slack('bob@example.com'), team, true],
    ['that is a team has nobody else', slack('eve@example.com'), team, false],
  ])('[REQ-WHO-6] %s', async (_sentence, reviewer, member, expected) => {
    const { groups } = rig()
    expect(groups.knows(member)).toBe(true)
    expect(await groups.isMember(reviewer, member, NOW)).toBe(expected)
  })

  it('has nobody by an address that two people have', async () => {
    const twin = { ...BOB, oid: oidOf(3), name: 'Twin', userPrincipalName: 'twin@corp.example.com' }
    teams.addUser(twin)
    const { groups, entra, settings } = rig()
    expect(await groups.isMember(slack('bob@example.com'), `entra:group:${DBA}`, NOW)).toBe(false)
    expect(await groups.isMember(slack('bob@example.com'), team, NOW)).toBe(false)
    expect(await oidByEmail(entra, 'bob@example.com', settings)).toBeNull()
    teams.addUser({ ...twin, email: 'twin@example.com' })
  })

  it('[REQ-WHO-2] has nobody who was removed between the click and the run', async () => {
    const { groups } = rig()
    expect(await groups.isMember(BOB_REVIEWS, `entra:group:${DBA}`, NOW)).toBe(true)
    teams.addUser({ ...BOB, groups: [] })
    expect(await groups.isMember(BOB_REVIEWS, `entra:group:${DBA}`, NOW)).toBe(false)
  })

  it('[REQ-WHO-3] can’t be told without the permission, and the doctor says which', async () => {
    teams.setPermissions([])
    try {
      const { groups } = rig()
      await expect(groups.isMember(BOB_REVIEWS, `entra:group:${DBA}`, NOW)).rejects.toMatchObject({
        code: 'Authorization_RequestDenied',
      })
      const examined = await groups.examine(`entra:group:${DBA}`)
      expect(examined).toMatchObject({ ok: false, cure: expect.stringContaining('GroupMember.Read.All') })
    } finally {
      teams.setPermissions(['User.Read.All', 'GroupMember.Read.All'])
    }
  })
})

describe('one person', () => {
  it.each<[string, Reviewer]>([
    ['in Slack with the mail address', { id: 'slack:T1:U1', email: 'bob@example.com', name: 'b' }],
    ['in the console with the sign-in name', { id: 'console:x', email: 'b.jones@corp.example.com', name: 'b' }],
  ])('[REQ-WHO-5] counts once: in Teams and %s', (_sentence, other) => {
    expect(samePerson(BOB_REVIEWS, other)).toBe(true)
    expect(samePerson(other, BOB_REVIEWS)).toBe(true)
  })
})
