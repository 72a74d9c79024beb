/**
 * Every way of approving without being one of those who may that anyone found, against the whole gateway: groups of Slack,
 * of Okta and of tokens, people who change between their click and the run, and directories that are away. Rows are never
 * deleted.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { APPROVE_ACTION } from '../../bots/slack/actions.ts'
import { type FakeOkta, startFakeOkta } from '../support/fake-okta.ts'
import { type FakeSlack, startFakeSlack } from '../support/fake-slack.ts'
import type { FakeMessage, FakeUser } from '../support/fake-slack-world.ts'
import { COMMAND, type Gateway, startWorld, type World } from '../support/gateway.ts'
import { type Agent, connectAgent } from '../support/mcp-clients.ts'
import { BOB as BOB_AT_ISSUER } from '../support/oidc-issuer.ts'
import { until } from '../support/until.ts'

const BOB: FakeUser = { id: 'U2', name: 'bob', email: 'bob@example.com' }
const ALICE: FakeUser = { id: 'U1', name: 'alice', email: 'alice@example.com' }
const ERIN: FakeUser = { id: 'U5', name: 'erin', email: 'erin@example.com' }
/** A busy machine posts late. */
const PATIENCE_MS = 40_000
const CAROL: FakeUser = { id: 'U3', name: 'carol', email: 'carol@example.com' }
/**
 * A rule and a group of its own for each row: what was looked up is known for half a minute at clicks, so a row that changes
 * a group would decide the next one's clicks.
 */
const GROUPS: Readonly<Record<string, string>> = {
  usergroup: 'slack:usergroup:S01',
  channel: 'slack:channel:C01',
  okta: 'okta:DBA',
  idp: 'idp:engineering',
  outsiders: 'slack:channel:C02',
  twice: 'slack:channel:C03',
  again: 'okta:Ops',
  falls: 'slack:channel:C04',
  removed: 'slack:channel:C05',
  deactivated: 'slack:channel:C06',
  guest: 'slack:channel:C07',
  address: 'slack:channel:C08',
  silent: 'slack:usergroup:S02',
  unsure: 'slack:channel:C09',
  unlisted: 'slack:channel:C10',
}
const CHANNELS = Object.values(GROUPS).flatMap((member) => /^slack:channel:(.*)$/.exec(member)?.[1] ?? [])

const rule = (name: string, terms: string) => `
  - id: by-${name}
    match: { upstream: files, tool: write_file }
    when: 'mcp.tool.arguments.path.contains("/${name}-")'
    effect: require_approval
    approval: { ${terms} }`

const POLICY = `
version: 1
defaults: { effect: deny }
rules:${Object.keys(GROUPS)
  .map((name) => rule(name, name === 'falls' ? 'from: [falls], quorum: 2' : `from: [${name}]`))
  .join('')}${rule('both', 'from: [twice, again], quorum: 2')}
  - id: reading
    match: { upstream: files, tool: "list_*" }
    effect: allow
`

let world: World
let slack: FakeSlack
let okta: FakeOkta
let gateway: Gateway
let agent: Agent
let serial = 0

beforeAll(async () => {
  world = await startWorld()
  slack = await startFakeSlack({
    messagesPerSecond: 100,
    userGroups: { S01: { users: [BOB.id] }, S02: { users: [BOB.id] } },
    channelMembers: Object.fromEntries(CHANNELS.map((id) => [id, { members: [BOB.id, CAROL.id] }])),
  })
  okta = await startFakeOkta({
    groups: [
      { id: '00gdba00000000000000', name: 'DBA', users: [{ login: 'erin@example.com' }] },
      { id: '00gops00000000000000', name: 'Ops', users: [{ login: 'bob@example.com' }] },
    ],
  })
  gateway = await world.startGateway({
    policy: POLICY,
    environment: {
      SLACK_BOT_TOKEN: slack.botToken,
      SLACK_SIGNING_SECRET: slack.signingSecret,
      OKTA_TOKEN: okta.token,
    },
    settings: `
people:
  groups:
${Object.entries(GROUPS)
  .map(([name, member]) => `    ${name}: ["${member}"]`)
  .join('\n')}
  okta: { url: "${okta.url}", token: "\${OKTA_TOKEN}" }
channels:
  slack:
    botToken: "\${SLACK_BOT_TOKEN}"
    signingSecret: "\${SLACK_SIGNING_SECRET}"
    approvals: C0APPROVALS
    apiUrl: ${slack.apiUrl}
  console: { enabled: false }
holds: { defaultBudget: 1s }`,
  })
  slack.deliverTo(`${gateway.url}/slack/events`)
  agent = await connectAgent('legacy', gateway.mcp, await gateway.token())
})
afterAll(async () => {
  await agent?.close()
  await slack?.close()
  await okta?.close()
  await world?.close()
})

beforeEach(() => {
  for (const user of [ALICE, BOB, CAROL, ERIN]) slack.addUser(user)
})

interface Asked {
  readonly file: string
  readonly card: FakeMessage
  /** The agent makes the same call once more. */
  again(): Promise<{ text: string; isError: boolean }>
  ran(): boolean
}

/** The agent asks, and has gone by when people decide: between their click and the run there is time. */
async function asked(group: string): Promise<Asked> {
  const file = path.join(world.files, `${group}-${++serial}`)
  const again = () => agent.call('write_file', { path: file, content: 'x' })
  expect((await again()).text).toContain('is pending')
  return { file, card: await cardOf(file), again, ran: () => existsSync(file) }
}

/** `not`: another one, about the same. */
const cardOf = (file: string, not?: FakeMessage) =>
  slack.waitForMessage(
    ({ ts, channel, blocks }) =>
      ts !== not?.ts && channel === 'C0APPROVALS' && JSON.stringify(blocks).includes(path.basename(file)),
    PATIENCE_MS,
  )
const approve = (card: FakeMessage, userId: string) =>
  slack.click({ messageTs: card.ts, actionId: APPROVE_ACTION, userId })
const isPainted = (card: FakeMessage, text: string) =>
  slack.waitForMessage(({ ts, blocks }) => ts === card.ts && JSON.stringify(blocks).includes(text), PATIENCE_MS)
/** What this person was told since the click. */
async function told(userId: string, act: () => Promise<unknown>): Promise<string> {
  const before = slack.ephemerals.filter((one) => one.userId === userId).length
  await act()
  return until(
    `${userId} is told something`,
    () => slack.ephemerals.filter((one) => one.userId === userId)[before]?.text,
  )
}

describe('a member of a group elsewhere', () => {
  it.each<[string, string, FakeUser]>([
    ['a user group of Slack', 'usergroup', BOB],
    ['a channel of Slack', 'channel', CAROL],
    ['a group of Okta', 'okta', ERIN],
  ])('[REQ-WHO-1] approves: %s', async (_sentence, group, user) => {
    const { card, again, ran } = await asked(group)
    await approve(card, user.id)
    await isPainted(card, 'Approved by')
    expect((await again()).isError).toBe(false)
    expect(ran()).toBe(true)
  })

  it('[REQ-WHO-1] approves: a group that a token of their own named lately, and nobody before', async () => {
    const { card, again, ran } = await asked('idp')
    expect(await told(BOB.id, () => approve(card, BOB.id))).toContain('the rule asks for idp')
    const own = await connectAgent('legacy', gateway.mcp, await world.issuer.tokenFor(BOB_AT_ISSUER, gateway.mcp.href))
    await own.call('list_directory', { path: world.files })
    await own.close()
    await approve(card, BOB.id)
    await isPainted(card, 'Approved by')
    expect((await again()).isError).toBe(false)
    expect(ran()).toBe(true)
  })
})

describe('who is no reviewer', () => {
  const rows: [string, FakeUser, RegExp][] = [
    [
      'somebody of the workspace in none of the groups',
      { id: 'UX1', name: 'x', email: 'x@example.com' },
      /the rule asks for outsiders/,
    ],
    [
      'the agent’s owner by a second account with the same address',
      { id: 'UX2', name: 'y', email: 'Alice@Example.com' },
      /the agent acts for you/,
    ],
    ['a guest in the channel', { id: 'UX3', name: 'g', email: 'g@example.com', isGuest: true }, /Guests cannot review/],
    [
      'a guest of that one channel',
      { id: 'UX4', name: 'h', email: 'h@example.com', isSingleChannelGuest: true },
      /Guests cannot review/,
    ],
    [
      'a person of another workspace in the channel',
      { id: 'UX5', name: 'o', email: 'o@example.com', teamId: 'T0OTHER' },
      /Only members/,
    ],
    ['a bot in the channel', { id: 'UX6', name: 'b', email: 'b@example.com', isBot: true }, /Bots cannot review/],
    ['a deactivated account', { id: 'UX7', name: 'd', email: 'd@example.com', deleted: true }, /deactivated/],
    [
      'who wrote a reviewer’s address into their profile',
      { id: 'UX8', name: 'm', email: 'erin@example.com', isEmailConfirmed: false },
      /no confirmed e-mail/,
    ],
  ]
  it('[REQ-WHO-4] decides nothing, although in the group, and is told why', async () => {
    for (const [, user] of rows) slack.addUser(user)
    slack.setChannelMembers('C02', { members: rows.slice(1).map(([, { id }]) => id) })
    const { card, ran } = await asked('outsiders')
    for (const [sentence, user, why] of rows) {
      expect(await told(user.id, () => approve(card, user.id)), sentence).toMatch(why)
    }
    expect(ran()).toBe(false)
    const { blocks } = slack.messages.find(({ ts }) => ts === card.ts) as FakeMessage
    expect(JSON.stringify(blocks)).toContain(APPROVE_ACTION)
  })
})

describe('a quorum of two', () => {
  it('[REQ-WHO-4] counts a reviewer once who is in two groups, and once who has two accounts', async () => {
    const second: FakeUser = { id: 'UB2', name: 'bob2', email: 'Bob@example.com' }
    slack.addUser(second)
    slack.setChannelMembers('C03', { members: [BOB.id, second.id, CAROL.id] })
    const { card, again, ran } = await asked('both')
    await approve(card, BOB.id)
    await isPainted(card, 'bob@example.com')
    expect(await told(BOB.id, () => approve(card, BOB.id))).toContain('already reviewed')
    expect(await told(second.id, () => approve(card, second.id))).toContain('already reviewed')
    expect((await again()).text).toContain('is pending')
    await approve(card, CAROL.id)
    await isPainted(card, 'Approved by')
    expect((await again()).isError).toBe(false)
    expect(ran()).toBe(true)
  })

  it('[REQ-WHO-2] falls where one of the two may no longer', async () => {
    const { card, again, ran } = await asked('falls')
    await approve(card, BOB.id)
    await approve(card, CAROL.id)
    await isPainted(card, 'Approved by')
    slack.setChannelMembers('C04', { members: [CAROL.id] })
    expect((await again()).text).toContain('by someone who may approve it no longer')
    expect(ran()).toBe(false)
  })
})

describe('between the click and the run', () => {
  it.each<[string, string, () => void]>([
    ['was taken out of the group', 'removed', () => slack.setChannelMembers('C05', { members: [CAROL.id] })],
    ['was deactivated', 'deactivated', () => slack.addUser({ ...BOB, deleted: true })],
    ['became a guest', 'guest', () => slack.addUser({ ...BOB, isGuest: true })],
    ['has another address', 'address', () => slack.addUser({ ...BOB, email: 'alice@example.com' })],
  ])('[REQ-WHO-2] whoever approved %s: nothing runs, and the agent may ask anew', async (_sentence, group, change) => {
    const { card, again, ran, file } = await asked(group)
    await approve(card, BOB.id)
    await isPainted(card, 'Approved by')
    change()
    const refused = await again()
    expect(refused.isError).toBe(true)
    expect(refused.text).toContain('by someone who may approve it no longer. Call again to ask for a new approval.')
    expect(ran()).toBe(false)
    const events = await gateway.events()
    const lapsed = events.filter(({ type }) => type === 'approval.review_lapsed').at(-1)
    expect(lapsed).toMatchObject({ reviewer: `slack:${slack.teamId}:${BOB.id}`, refusal: 'not_a_reviewer' })
    expect(events).toContainEqual(
      expect.objectContaining({ type: 'grant.ended', state: 'revoked', approval_id: lapsed?.approval_id }),
    )

    expect((await again()).text).toContain('is pending')
    const anew = await cardOf(file, card)
    await approve(anew, CAROL.id)
    await isPainted(anew, 'Approved by')
    expect((await again()).isError).toBe(false)
    expect(ran()).toBe(true)
  })
})

describe('a directory that is away', () => {
  it('[REQ-WHO-3] at the click: nothing is decided, and the person is told to click again, which works', async () => {
    const { card, again, ran } = await asked('silent')
    slack.failNext('usergroups.users.list', { error: 'internal_error' })
    const said = await told(BOB.id, () => approve(card, BOB.id))
    expect(said).toContain('cannot be looked up')
    expect(said).toContain('click again')
    expect((await again()).text).toContain('is pending')
    await approve(card, BOB.id)
    await isPainted(card, 'Approved by')
    expect((await again()).isError).toBe(false)
    expect(ran()).toBe(true)
  })

  it.each([
    ['users.info', 'unsure'],
    ['conversations.members', 'unlisted'],
  ])('[REQ-WHO-3] at the run (%s): nothing runs until it is back', async (method, group) => {
    const { card, again, ran } = await asked(group)
    await approve(card, BOB.id)
    await isPainted(card, 'Approved by')
    slack.failNext(method, { error: 'internal_error' })
    await expect(again()).rejects.toThrow('cannot be looked up right now')
    expect(ran()).toBe(false)
    expect((await again()).isError).toBe(false)
    expect(ran()).toBe(true)
  })
})

it('[REQ-DOCTOR-1] the doctor tries each group, and knows the cure', async () => {
  okta.removeGroup('00gops00000000000000')
  const env = {
    ...process.env,
    UPSTREAM_KEY: 'upstream-key-7f3a9c',
    SLACK_BOT_TOKEN: slack.botToken,
    SLACK_SIGNING_SECRET: slack.signingSecret,
    OKTA_TOKEN: okta.token,
  }
  const args = [COMMAND, 'doctor', '--config', gateway.settingsFile, '--json']
  const out = await promisify(execFile)(process.execPath, args, { env, timeout: 60_000 }).catch((error) => error)
  const lines = String(out.stdout)
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { check: string; ok: boolean; detail: string; cure: string | null })
  const of = (group: string) => lines.find(({ check }) => check === `people.groups ${group}`)
  expect(of('usergroup')).toMatchObject({ ok: true, detail: 'slack:usergroup:S01: 1 person' })
  expect(of('okta')).toMatchObject({ ok: true, detail: 'okta:DBA: 1 active person' })
  expect(of('again')).toMatchObject({ ok: false, detail: 'okta:Ops: cannot be looked up: group_not_found' })
  expect(of('again')?.cure).toContain('exactly as Okta shows it')
  expect(of('idp')).toMatchObject({ ok: true, detail: expect.stringContaining('idp:engineering: has whoever') })
  expect(lines.filter(({ check }) => check.startsWith('people.groups'))).toHaveLength(Object.keys(GROUPS).length)
})
