/**
 * One suite for whichever library speaks to Teams: what each takes and refuses, and what each says of what it sent.
 * The library is the settings' choice, so that nobody may notice which one it is.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { createAppTokens } from '../../bots/teams/app-token.ts'
import type { AdaptiveCard } from '../../bots/teams/card-elements.ts'
import { type OpenedTransport, openTransport } from '../../bots/teams/open-transport.ts'
import { inert, words } from '../../bots/teams/text.ts'
import { type TeamsMessage, Unauthenticated } from '../../bots/teams/transport.ts'
import { epochMs } from '../../src/brands.ts'
import type { JsonObject } from '../../src/json/value.ts'
import { ChannelBusy, ChannelRefused, type Conversation } from '../../src/ports.ts'
import { Secret } from '../../src/secret.ts'
import { type FakeTeams, startFakeTeams } from '../support/fake-teams.ts'
import type { TokenOptions } from '../support/fake-teams-tokens.ts'
import { APPROVALS, type FakePerson, GROUP_CHAT, OTHER_TENANT } from '../support/fake-teams-world.ts'
import { silentLog } from '../support/redis.ts'

const ALICE = {
  oid: 'aaaaaaaa-0000-4000-8000-00000000000a',
  name: 'Alice',
  email: 'alice@example.com',
  userPrincipalName: 'alice@corp.example.com',
}
const STRANGER = { oid: 'cccccccc-0000-4000-8000-00000000000c', name: 'Stranger', email: 'stranger@example.com' }
const CROWD: readonly FakePerson[] = Array.from({ length: 520 }, (_, at) => ({
  oid: `dddddddd-0000-4000-8000-${String(at).padStart(12, '0')}`,
  name: `Person ${at}`,
}))

const cardOf = (text: string): AdaptiveCard => ({
  ...{ type: 'AdaptiveCard', version: '1.5', fallbackText: words`A card` },
  body: [{ type: 'TextBlock', text: inert(text), wrap: true }],
})
const CARD = cardOf('Approve?')
const MESSAGE: TeamsMessage = { card: CARD, summary: 'Approve?' }

describe.each(['botbuilder', 'agents-hosting'] as const)('%s', (library) => {
  let teams: FakeTeams
  let transport: OpenedTransport
  let skewMs = 0
  const clock = { now: () => epochMs(Date.now() + skewMs) }
  const room = (id: string, kind: Conversation['kind']): Conversation => ({
    ...{ id, kind, tenantId: teams.tenantId, serviceUrl: teams.serviceUrl, oid: null, teamGroupId: null },
  })
  const channel = () => room(APPROVALS, 'channel')

  function open(
    change: { appPassword?: string | null; endpoints?: Partial<FakeTeams['endpoints']> } = {},
  ): OpenedTransport {
    const { appId, appPassword, tenantId, endpoints } = teams
    return openTransport({
      settings: {
        ...{ library, appId, tenantId, appType: change.appPassword === null ? 'UserAssignedMSI' : 'SingleTenant' },
        appPassword: change.appPassword === null ? null : new Secret(change.appPassword ?? appPassword),
        endpoints: { ...endpoints, ...change.endpoints },
      },
      ...{ clock, log: silentLog },
    })
  }

  beforeAll(async () => {
    const users = [ALICE, STRANGER, ...CROWD]
    const members = [ALICE.oid, ...CROWD.map(({ oid }) => oid ?? '')]
    teams = await startFakeTeams({
      users,
      conversations: [
        { id: APPROVALS, kind: 'channel', members, isInstalled: true },
        { id: GROUP_CHAT, kind: 'groupChat', members: [ALICE.oid], isInstalled: true },
      ],
      rate: { send: [[1, 1000]], members: [[1, 1000]] },
    })
    transport = open()
    await transport.ready()
  })
  afterAll(() => teams.close())
  afterEach(() => {
    skewMs = 0
  })

  // ---- what comes in

  const verify = async (options: TokenOptions = {}, change: JsonObject = {}) => {
    const activity = { ...teams.activityOf({ user: 'Alice', conversation: APPROVALS }), ...change }
    return transport.verify(`Bearer ${await teams.tokenOf(options)}`, activity)
  }

  it('[REQ-TEAMS-1] takes what the Bot Connector signed for us, with its claims', async () => {
    expect((await verify()).claims).toEqual({
      ...{ audience: teams.appId, issuer: teams.endpoints.issuer, serviceUrl: teams.serviceUrl },
    })
  })

  const soon = () => Math.floor(Date.now() / 1000)
  it.each<[string, () => TokenOptions, JsonObject?]>([
    ['signed by a key that nobody published', () => ({ key: 'unknown' })],
    ['signed by another key under the connector’s name', () => ({ key: 'unknown', kid: 'KID' })],
    ['signed by a key for other channels', () => ({ key: 'otherChannel' })],
    ['signed by a key of which nobody says what for', () => ({ key: 'bare' })],
    ['signed by Entra', () => ({ key: 'entra' })],
    ['not signed', () => ({ alg: 'none' })],
    ['signed by the public key as a secret', () => ({ alg: 'HS256' })],
    ['expired', () => ({ claims: { exp: soon() - 301 } })],
    ['without an expiry', () => ({ claims: { exp: undefined } })],
    ['not good yet', () => ({ claims: { nbf: soon() + 360 } })],
    ['for another app', () => ({ claims: { aud: '77777777-7777-4777-8777-777777777777' } })],
    ['for us and others', () => ({ claims: { aud: ['77777777-7777-4777-8777-777777777777'] } })],
    ['of another issuer', () => ({ claims: { iss: 'https://sts.windows.net/f8cdef31-a31e-4b4a-93e4-5f571e91255a/' } })],
    [
      'of an emulator',
      () => ({ claims: { iss: `https://login.microsoftonline.com/${OTHER_TENANT}/v2.0`, ver: '2.0' } }),
    ],
    ['for another serviceUrl', () => ({ claims: { serviceurl: 'https://evil.example/' } })],
    ['without a serviceUrl', () => ({ claims: { serviceurl: undefined } })],
    ['for another serviceUrl than the activity’s', () => ({}), { serviceUrl: 'http://127.0.0.1:9/emea/' }],
  ])('[REQ-TEAMS-1] refuses a token %s', async (_name, options, change) => {
    const asked = options()
    const good = JSON.parse(Buffer.from((await teams.tokenOf()).split('.')[0] ?? '', 'base64url').toString()) as {
      kid: string
    }
    const token = asked.kid === 'KID' ? { ...asked, kid: good.kid } : asked
    await expect(verify(token, change)).rejects.toBeInstanceOf(Unauthenticated)
  })

  it('[REQ-TEAMS-1] refuses a request without a token, and one that is no token', async () => {
    const activity = teams.activityOf({ user: 'Alice', conversation: APPROVALS })
    for (const header of [undefined, '', 'Bearer', 'Bearer a.b.c', 'Basic YTpi', 'bearer x']) {
      await expect(transport.verify(header, activity)).rejects.toBeInstanceOf(Unauthenticated)
    }
  })

  it('takes a key that the connector changed to, and no longer the one before', async () => {
    const before = await teams.tokenOf()
    await verify()
    await teams.rotateKeys()
    skewMs = 11_000
    await verify()
    const activity = teams.activityOf({ user: 'Alice', conversation: APPROVALS })
    await expect(transport.verify(`Bearer ${before}`, activity)).rejects.toBeInstanceOf(Unauthenticated)
  })

  it('asks for keys once, however many tokens name keys that nobody has', async () => {
    await verify()
    skewMs = 60_000
    const before = teams.calls.length
    const tokens = Array.from({ length: 20 }, (_, at) => verify({ key: 'unknown', kid: `no-such-key-${at}` }))
    const outcomes = await Promise.allSettled(tokens)
    expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true)
    expect(teams.calls.slice(before).filter(({ path }) => path.endsWith('/keys'))).toHaveLength(1)
  })

  it('[REQ-TEAMS-1] lets nothing pass while the keys cannot be read, and says that it is not the sender’s fault', async () => {
    const apart = open({ endpoints: { openIdMetadata: 'http://127.0.0.1:9/openidconfiguration' } })
    const activity = teams.activityOf({ user: 'Alice', conversation: APPROVALS })
    const outcome = await apart.verify(`Bearer ${await teams.tokenOf()}`, activity).catch((error: unknown) => error)
    expect(outcome).toBeInstanceOf(Error)
    expect(outcome).not.toBeInstanceOf(Unauthenticated)
  })

  // ---- what goes out

  const posted = (id: string) => teams.messages.find((message) => message.id === id)

  it('posts a card, repaints it, and answers in its thread', async () => {
    const id = await transport.send(channel(), MESSAGE)
    expect(posted(id)).toMatchObject({ conversationId: APPROVALS, threadId: id, card: CARD, summary: 'Approve?' })
    const painted = cardOf('Approved')
    await transport.update(channel(), id, { card: painted, summary: 'Approved' })
    expect(posted(id)).toMatchObject({ card: painted, edits: 1 })
    const reply = await transport.send(channel(), { card: null, summary: 'Noted *as is*' }, { replyTo: id })
    expect(posted(reply)).toMatchObject({ threadId: id, text: 'Noted *as is*', activity: { textFormat: 'plain' } })
  })

  it('shows a message to one member alone', async () => {
    const onlyTo = teams.mriOf('Alice')
    const id = await transport.send(room(GROUP_CHAT, 'groupChat'), { card: null, summary: 'For you' }, { onlyTo })
    expect(posted(id)).toMatchObject({ onlyTo, text: 'For you' })
  })

  it('opens a talk of two, and writes into it; null where somebody can’t be written to', async () => {
    const { serviceUrl } = teams
    const talk = await transport.openPersonal({ oid: ALICE.oid, serviceUrl })
    expect(talk).toMatchObject({ id: teams.personalConversation('Alice'), kind: 'personal', oid: ALICE.oid })
    if (talk === null) throw new Error('no talk')
    expect(posted(await transport.send(talk, MESSAGE))).toMatchObject({ conversationId: talk.id })
    expect(await transport.openPersonal({ oid: STRANGER.oid, serviceUrl })).toBeNull()
  })

  it('knows a member by either id, with both addresses, and nobody else', async () => {
    const known = {
      ...{ mri: teams.mriOf('Alice'), oid: ALICE.oid, tenantId: teams.tenantId, name: 'Alice', userRole: 'user' },
      ...{ email: ALICE.email, userPrincipalName: ALICE.userPrincipalName },
    }
    expect(await transport.member(channel(), ALICE.oid)).toEqual(known)
    expect(await transport.member(channel(), teams.mriOf('Alice'))).toEqual(known)
    expect(await transport.member(channel(), STRANGER.oid)).toBeNull()
  })

  it('reads a roster to its end, and gives up where it is longer than wanted', async () => {
    expect(await transport.members(channel(), 1000)).toHaveLength(521)
    await expect(transport.members(channel(), 520)).rejects.toMatchObject({ code: 'too_many_members' })
  })

  it('asks Entra for a token once, and anew where the connector no longer takes it', async () => {
    const asked = () => teams.calls.filter(({ operation }) => operation === 'token').length
    await transport.send(channel(), MESSAGE)
    const before = asked()
    await transport.send(channel(), MESSAGE)
    expect(asked()).toBe(before)
    teams.revokeTokens()
    await transport.send(channel(), MESSAGE)
    expect(asked()).toBe(before + 1)
  })

  it('names Entra’s own code where the secret is wrong, and sends nothing', async () => {
    const before = teams.messages.length
    const outcome = await open({ appPassword: 'wrong' })
      .send(channel(), MESSAGE)
      .catch((error: unknown) => error)
    expect(outcome).toBeInstanceOf(ChannelRefused)
    expect(outcome).toMatchObject({ code: 'AADSTS7000215' })
    expect(teams.messages).toHaveLength(before)
  })

  // The libraries keep what they know of the machine for a whole process; the other has one in scenarios/teams-endpoint.
  if (library === 'botbuilder') {
    it('is given its token by the machine, where it has a managed identity', async () => {
      for (const [name, value] of Object.entries(teams.identityEnvironment)) vi.stubEnv(name, value)
      const before = teams.calls.length
      await open({ appPassword: null }).send(channel(), MESSAGE)
      vi.unstubAllEnvs()
      expect(teams.calls.slice(before).map(({ path }) => path.split('?')[0])).toContain('/msi/token')
    })
  }

  it('never sends its token to an address that is none of the connector’s', async () => {
    const elsewhere = { ...channel(), serviceUrl: 'http://127.0.0.1:9/emea/' }
    await expect(transport.send(elsewhere, MESSAGE)).rejects.toMatchObject({ code: 'unknown_service_url' })
  })

  // ---- what became of it

  const sends = () => teams.calls.filter(({ operation }) => operation === 'send').length
  const outcomeOf = (work: Promise<unknown>): Promise<unknown> =>
    work.then(
      () => 'done',
      (error: unknown) => error,
    )

  it.each<[number, number | undefined, number, boolean]>([
    [429, 7, 7000, true],
    [412, undefined, 2000, true],
    [502, undefined, 5000, false],
    [503, 3, 3000, false],
  ])(
    '[REQ-TEAMS-2] asks to wait after a %i, with jitter, and sends nothing by itself',
    async (status, sec, waitMs, isForThisOnly) => {
      const before = sends()
      teams.failNext('send', { status, ...(sec !== undefined && { retryAfterSec: sec }) })
      const outcome = await outcomeOf(transport.send(channel(), MESSAGE))
      expect(outcome).toBeInstanceOf(ChannelBusy)
      const { retryAfterMs } = outcome as ChannelBusy
      expect(retryAfterMs).toBeGreaterThanOrEqual(waitMs)
      expect(retryAfterMs).toBeLessThanOrEqual(waitMs * 1.5 + 1)
      expect(outcome).toMatchObject({ isForThisOnly })
      expect(sends()).toBe(before + 1)
    },
  )

  it.each([500, 504])('[REQ-TEAMS-2] leaves it open after a %i whether the message was posted', async (status) => {
    const before = sends()
    teams.failNext('send', { status })
    const outcome = await outcomeOf(transport.send(channel(), MESSAGE))
    expect(outcome).toBeInstanceOf(Error)
    expect(outcome).not.toBeInstanceOf(ChannelBusy)
    expect(outcome).not.toBeInstanceOf(ChannelRefused)
    expect(sends()).toBe(before + 1)
  })

  it('[REQ-TEAMS-2] leaves it open where the answer was lost, and posts once', async () => {
    const before = teams.messages.length
    teams.failNext('send', { isAnswerLost: true })
    const outcome = await outcomeOf(transport.send(channel(), MESSAGE))
    expect(outcome).toBeInstanceOf(Error)
    expect(outcome).not.toBeInstanceOf(ChannelBusy)
    expect(outcome).not.toBeInstanceOf(ChannelRefused)
    expect(teams.messages).toHaveLength(before + 1)
  })

  it('tries a repainting again later whatever became of it: twice is once', async () => {
    const id = await transport.send(channel(), MESSAGE)
    for (const fault of [{ status: 504 }, { status: 500 }, { isAnswerLost: true }] as const) {
      teams.failNext('update', fault)
      await expect(transport.update(channel(), id, MESSAGE)).rejects.toBeInstanceOf(ChannelBusy)
    }
  })

  it.each([
    [403, 'BotNotInConversationRoster'],
    [404, 'ConversationNotFound'],
    [413, 'MessageSizeTooBig'],
  ])('says that a %i was a no, and Teams’ word for it', async (status, code) => {
    teams.failNext('send', { status, code })
    const outcome = await outcomeOf(transport.send(channel(), MESSAGE))
    expect(outcome).toBeInstanceOf(ChannelRefused)
    expect(outcome).toMatchObject({ code })
  })

  it('gives up on a person’s look-up in time', async () => {
    teams.failNext('member', { isAnswerHeld: true })
    await expect(transport.member(channel(), ALICE.oid)).rejects.toBeInstanceOf(ChannelBusy)
  })

  it('asks to wait while nothing listens: nothing was taken', async () => {
    await teams.setDown(true)
    await expect(transport.send(channel(), MESSAGE)).rejects.toBeInstanceOf(ChannelBusy)
    await teams.setDown(false)
    await transport.send(channel(), MESSAGE)
  })
})

describe('tokens of the app', () => {
  const clock = { now: () => epochMs(Date.now()) }

  it('are asked for once, however many wait, and anew before they end', async () => {
    let asked = 0
    let lifeMs = 3_600_000
    const tokens = createAppTokens(clock, async () => ({ token: `t${++asked}`, expiresAt: Date.now() + lifeMs }))
    expect(await Promise.all([tokens.token('a'), tokens.token('a'), tokens.token('a')])).toEqual(['t1', 't1', 't1'])
    tokens.forget('a')
    lifeMs = 60_000
    expect([await tokens.token('a'), await tokens.token('a')]).toEqual(['t2', 't3'])
  })

  it('make whoever sends wait where they cannot be got: without one nothing was sent', async () => {
    const tokens = createAppTokens(clock, () => Promise.reject(new Error('the machine knows no identity')))
    await expect(tokens.token('a')).rejects.toBeInstanceOf(ChannelBusy)
  })
})
