/** Groups and people as the workspace knows them, asked of the fake Slack over HTTP. */
import { afterEach, describe, expect, it } from 'vitest'
import { GROUP_MEMBERS_MAX } from '../../bots/chat/limits.ts'
import { createSlackDirectory } from '../../bots/slack/groups.ts'
import { epochMs } from '../../src/brands.ts'
import type { Reviewer } from '../../src/people/reviewer.ts'
import type { LookUpLimits } from '../../src/ports.ts'
import { Secret } from '../../src/secret.ts'
import { type FakeSlack, startFakeSlack } from '../support/fake-slack.ts'
import type { FakeSlackOptions, FakeUser } from '../support/fake-slack-world.ts'

const USERS: FakeUser[] = [
  { id: 'U2', name: 'bob', displayName: 'Bob', email: 'bob@example.com' },
  { id: 'U3', name: 'carol', email: 'carol@example.com' },
]
const BOB: Reviewer = { id: 'slack:T0FAKE:U2', email: 'bob@example.com', name: 'Bob' }
const atConsole = (email: string | null): Reviewer => ({ id: `console:${email ?? 'operator'}`, email, name: 'x' })
const NOW: LookUpLimits = { maxAgeMs: 0, patienceMs: 5_000 }
const LATELY: LookUpLimits = { maxAgeMs: 30_000, patienceMs: 5_000 }

const open: FakeSlack[] = []
afterEach(async () => {
  for (const slack of open.splice(0)) await slack.close()
})

async function rig(options: FakeSlackOptions & { workspace?: string } = {}) {
  const slack = await startFakeSlack({
    users: USERS,
    userGroups: { S1: { users: ['U2'] }, S9: { users: ['U2'], disabled: true } },
    channelMembers: { C1: { members: ['U2'] }, C2: { members: ['U2'], isPrivate: true, isAppIn: false } },
    ...options,
  })
  open.push(slack)
  const time = { aheadMs: 0 }
  const lines: string[] = []
  const log = (message: string, fields?: unknown) => void lines.push(`${message} ${JSON.stringify(fields ?? {})}`)
  const { groups, persons } = createSlackDirectory({
    botToken: new Secret(slack.botToken),
    workspace: options.workspace ?? null,
    apiUrl: slack.apiUrl,
    clock: { now: () => epochMs(Date.now() + time.aheadMs) },
    log: { info: log, warn: log, error: log },
  })
  const callsOf = (method: string) => slack.calls.filter((call) => call.method === method)
  return { slack, groups, persons, time, lines, callsOf }
}

describe('a group of Slack', () => {
  it.each<[string, Reviewer, string, boolean]>([
    ['[REQ-WHO-1] has whom it lists, by Slack’s id', BOB, 'slack:usergroup:S1', true],
    [
      'has whom it lists, although they review elsewhere, by e-mail',
      atConsole('bob@example.com'),
      'slack:usergroup:S1',
      true,
    ],
    ['has who is in the channel', BOB, 'slack:channel:C1', true],
    ['has nobody else of the workspace', { ...BOB, id: 'slack:T0FAKE:U3' }, 'slack:usergroup:S1', false],
    ['has nobody of another channel', { ...BOB, id: 'slack:T0FAKE:U3' }, 'slack:channel:C1', false],
    ['has nobody whom Slack doesn’t know by e-mail', atConsole('eve@example.com'), 'slack:usergroup:S1', false],
    ['has nobody without an e-mail who reviews elsewhere', atConsole(null), 'slack:usergroup:S1', false],
    [
      'has nobody with the same id in another workspace',
      { ...BOB, id: 'slack:T0OTHER:U2', email: null },
      'slack:usergroup:S1',
      false,
    ],
  ])('%s', async (_sentence, reviewer, member, expected) => {
    const { groups } = await rig()
    expect(groups.knows(member)).toBe(true)
    expect(await groups.isMember(reviewer, member, NOW)).toBe(expected)
  })

  it.each<[string, Partial<FakeUser>]>([
    ['a guest', { isGuest: true }],
    ['a guest of one channel', { isSingleChannelGuest: true }],
    ['a bot', { isBot: true }],
    ['of another workspace', { teamId: 'T0OTHER' }],
    ['not confirmed', { isEmailConfirmed: false }],
    ['deactivated', { deleted: true }],
  ])('has nobody by e-mail who is %s in Slack', async (_sentence, change) => {
    const { groups } = await rig({ users: [{ id: 'U2', name: 'bob', email: 'bob@example.com', ...change }] })
    expect(await groups.isMember(atConsole('bob@example.com'), 'slack:channel:C1', NOW)).toBe(false)
  })

  it('of a workspace with a name is that one’s alone', async () => {
    const { groups } = await rig({ workspace: 'acme' })
    expect(['slack/acme:usergroup:S1', 'slack:usergroup:S1', 'okta:DBA'].map((member) => groups.knows(member))).toEqual(
      [true, false, false],
    )
    expect(await groups.isMember(BOB, 'slack/acme:usergroup:S1', NOW)).toBe(true)
  })

  it('that is large is read to its last page', async () => {
    const members = Array.from({ length: 2_500 }, (_, at) => `UX${at}`)
    const { groups, callsOf } = await rig({ channelMembers: { C1: { members: [...members, 'U2'] } } })
    expect(await groups.isMember(BOB, 'slack:channel:C1', NOW)).toBe(true)
    expect(callsOf('conversations.members')).toHaveLength(3)
  })

  it('that has everybody in it can’t be told, instead of being read without end', async () => {
    const members = Array.from({ length: GROUP_MEMBERS_MAX + 1_000 }, (_, at) => `UX${at}`)
    const { groups } = await rig({ channelMembers: { C1: { members } } })
    await expect(groups.isMember(BOB, 'slack:channel:C1', NOW)).rejects.toMatchObject({ code: 'too_many_members' })
  })

  it('is asked about anew where it must be new, and else once in a while', async () => {
    const { slack, groups, callsOf, time } = await rig()
    expect(await groups.isMember(BOB, 'slack:usergroup:S1', LATELY)).toBe(true)
    slack.setUserGroup('S1', { users: [] })
    expect(await groups.isMember(BOB, 'slack:usergroup:S1', LATELY)).toBe(true)
    expect(callsOf('usergroups.users.list')).toHaveLength(1)
    expect(await groups.isMember(BOB, 'slack:usergroup:S1', NOW)).toBe(false)
    slack.setUserGroup('S1', { users: ['U2'] })
    time.aheadMs += 30_000
    expect(await groups.isMember(BOB, 'slack:usergroup:S1', LATELY)).toBe(true)
    expect(callsOf('usergroups.users.list')).toHaveLength(3)
  })

  it.each<[string, FakeSlackOptions, string, string]>([
    ['does not exist', {}, 'slack:usergroup:S404', 'no_such_subteam'],
    ['is disabled', {}, 'slack:usergroup:S9', 'no_such_subteam'],
    ['is a private channel without the app', {}, 'slack:channel:C2', 'channel_not_found'],
    ['is out of the token’s scopes', { scopes: ['users:read'] }, 'slack:usergroup:S1', 'missing_scope'],
  ])('that %s can’t be told: nobody is in it, and nobody is out of it', async (_sentence, options, member, code) => {
    const { groups, lines } = await rig(options)
    await expect(groups.isMember(BOB, member, NOW)).rejects.toMatchObject({ code })
    expect(lines.join()).toContain(code)
    const examined = await groups.examine(member)
    expect(examined).toMatchObject({ ok: false, detail: expect.stringContaining(code) })
    expect(examined.cure).toMatch(/^[A-Z].*\.$|countersign/i)
  })

  it('is not asked for again before Slack’s Retry-After is over', async () => {
    const { slack, groups, callsOf, time } = await rig()
    slack.failNext('usergroups.users.list', { retryAfterSec: 30 })
    await expect(groups.isMember(BOB, 'slack:usergroup:S1', NOW)).rejects.toThrow('asks to wait')
    time.aheadMs += 29_000
    await expect(groups.isMember(BOB, 'slack:usergroup:S1', NOW)).rejects.toThrow('asks to wait')
    expect(callsOf('usergroups.users.list')).toHaveLength(1)
    time.aheadMs += 2_000
    expect(await groups.isMember(BOB, 'slack:usergroup:S1', NOW)).toBe(true)
  })

  it('is asked for twice, however many calls wait for it at once', async () => {
    const { groups, callsOf } = await rig()
    const all = await Promise.all(Array.from({ length: 50 }, () => groups.isMember(BOB, 'slack:usergroup:S1', NOW)))
    expect(all.every((one) => one)).toBe(true)
    expect(callsOf('usergroups.users.list')).toHaveLength(2)
  })

  it('that Slack is slow about is not waited for longer than the asker can', async () => {
    const { slack, groups } = await rig()
    await groups.isMember(BOB, 'slack:channel:C1', NOW)
    slack.failNext('usergroups.users.list', { delayMs: 1_000 })
    const impatient = groups.isMember(BOB, 'slack:usergroup:S1', { maxAgeMs: 30_000, patienceMs: 50 })
    await expect(impatient).rejects.toMatchObject({ name: 'TimeoutError' })
    // Its answer, when it comes, serves whoever clicks again.
    expect(await groups.isMember(BOB, 'slack:usergroup:S1', LATELY)).toBe(true)
    expect(slack.calls.filter(({ method }) => method === 'usergroups.users.list')).toHaveLength(1)
  })

  it('says of itself how many people are in it', async () => {
    const { groups } = await rig()
    expect(await groups.examine('slack:usergroup:S1')).toEqual({ ok: true, detail: '1 person', cure: null })
  })
})

describe('who clicked in Slack, asked about anew', () => {
  it('is who they are by now', async () => {
    const { slack, persons } = await rig()
    slack.addUser({ id: 'U2', name: 'bob', displayName: 'Robert', email: 'Bob@example.com' })
    expect(await persons.current(BOB, NOW)).toEqual({ ...BOB, name: 'Robert' })
  })

  it.each<[string, Partial<FakeUser>]>([
    ['deactivated', { deleted: true }],
    ['a guest', { isGuest: true }],
    ['a guest of one channel', { isSingleChannelGuest: true }],
    ['a stranger', { isStranger: true }],
    ['in another workspace', { teamId: 'T0OTHER' }],
    ['in other workspaces of the organisation', { teamId: 'T0OTHER', enterpriseTeams: ['T0OTHER', 'T0THIRD'] }],
    ['known by another address', { email: 'alice@example.com' }],
    ['known by an address that is not confirmed', { isEmailConfirmed: false }],
  ])('[REQ-WHO-4] is nobody who may review once they are %s', async (_sentence, change) => {
    const { slack, persons } = await rig()
    expect(await persons.current(BOB, NOW)).toEqual(BOB)
    slack.addUser({ id: 'U2', name: 'bob', email: 'bob@example.com', ...change })
    expect(await persons.current(BOB, NOW)).toBeNull()
  })

  it('is a member whose organisation counts them to another workspace first', async () => {
    const { persons } = await rig({
      users: [
        {
          id: 'U2',
          name: 'bob',
          displayName: 'Bob',
          email: 'bob@example.com',
          teamId: 'T0FIRST',
          enterpriseTeams: ['T0FIRST', 'T0FAKE'],
        },
      ],
    })
    expect(await persons.current(BOB, NOW)).toEqual(BOB)
  })

  it.each<[string, Reviewer]>([
    ['Slack doesn’t know', { ...BOB, id: 'slack:T0FAKE:U404' }],
    ['clicked in a workspace that is not this one', { ...BOB, id: 'slack:T0OTHER:U2' }],
  ])('is nobody whom %s', async (_sentence, reviewer) => {
    const { persons } = await rig()
    expect(persons.knows(reviewer)).toBe(true)
    expect(await persons.current(reviewer, NOW)).toBeNull()
  })

  it('is not this channel’s affair where they reviewed elsewhere', async () => {
    const { persons } = await rig()
    expect(persons.knows(atConsole('bob@example.com'))).toBe(false)
  })

  it('can’t be told while Slack fails', async () => {
    const { slack, persons } = await rig()
    slack.failNext('users.info', { error: 'internal_error' })
    await expect(persons.current(BOB, NOW)).rejects.toMatchObject({ code: 'internal_error' })
    expect(await persons.current(BOB, NOW)).toEqual(BOB)
  })

  it('can’t be told while Slack does not even say whose token it is', async () => {
    const { slack, persons } = await rig()
    slack.failNext('auth.test', { error: 'internal_error' })
    await expect(persons.current(BOB, NOW)).rejects.toMatchObject({ code: 'internal_error' })
    expect(await persons.current(BOB, NOW)).toEqual(BOB)
  })
})
