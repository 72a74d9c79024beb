/** What the doctor says of Slack: each thing that can be wrong there, its cure, and nothing else beside it. */
import { afterEach, describe, expect, it } from 'vitest'
import { ROOMS_CHECKED_MAX } from '../../bots/slack/limits.ts'
import { BOT_SCOPES } from '../../bots/slack/scopes.ts'
import { type SlackGateway, type SlackGatewayOptions, startSlackGateway } from '../support/slack-gateway.ts'
import { until } from '../support/until.ts'

let gateway: SlackGateway
afterEach(() => gateway.close())

type Asked = Parameters<SlackGateway['check']>[0]
const failing = async (asked?: Asked) => (await gateway.check(asked)).filter(({ ok }) => !ok)
const shortOf = (...missing: string[]) => Object.keys(BOT_SCOPES).filter((scope) => !missing.includes(scope))

it('[REQ-DOCTOR-2] finds everything in place, a line each', async () => {
  gateway = await startSlackGateway({ channelMembers: { C0OPS: { members: [], name: 'ops' } } })
  const lines = await gateway.check({ rooms: ['slack:C0OPS', 'console'] })
  expect(lines.filter(({ ok, cure }) => !ok || cure !== null)).toEqual([])
  const told = lines.map(({ what }) => what)
  expect(told).toEqual([
    'Slack accepts the bot token in the workspace Fake (T0FAKE)',
    ...Object.entries(BOT_SCOPES).map(([scope, why]) => `Slack scope ${scope}: ${why}`),
    'the app is in #c0approvals (C0APPROVALS), for cards',
    'the app is in #c0summaries (C0SUMMARIES), for summaries',
    'the app is in #ops (C0OPS), for cards',
    expect.stringMatching(/^the signing secret looks like one\. .*401.*"Request verification failed"$/),
    expect.stringMatching(
      /^the app’s settings in Slack must name https:\/\/gateway\.example\.com\/slack\/events as Request URL .*\/access, \/countersign.*Options Load URL/,
    ),
    'this machine’s clock agrees with Slack’s',
  ])
})

it('says nothing of signatures and URLs in Socket Mode, and opens a connection of its own', async () => {
  gateway = await startSlackGateway({ socketMode: true })
  const told = (await gateway.check({ publicUrl: 'http://127.0.0.1:8080' })).map(({ ok, what }) => `${ok} ${what}`)
  expect(told).toContain('true Slack opens Socket Mode with the app token')
  expect(told.filter((line) => line.startsWith('false') || /signing|Request URL/.test(line))).toEqual([])
})

describe('what is wrong is named, with its cure', () => {
  const rows: [string, SlackGatewayOptions, Asked, RegExp, RegExp][] = [
    [
      'a scope is missing',
      { scopes: shortOf('users:read.email') },
      {},
      /scope users:read\.email: .*owner/,
      /OAuth & Permissions.*reinstall/,
    ],
    [
      'the token is a person’s',
      { isPersonsToken: true },
      {},
      /a person’s and not the app’s/,
      /Bot User OAuth Token \(xoxb-…\)/,
    ],
    [
      'the app was not invited to a public channel',
      { channelMembers: { C0APPROVALS: { members: [], name: 'approvals', isAppIn: false } } },
      {},
      /^the app is not in #approvals \(C0APPROVALS\), for cards$/,
      /\/invite @Countersign/,
    ],
    [
      'the app was not invited to a private channel, so that Slack knows none',
      { channelMembers: { C0SUMMARIES: { members: [], isPrivate: true, isAppIn: false } } },
      {},
      /^Slack shows the app no channel C0SUMMARIES, for summaries$/,
      /channels\.slack\.summaries.*private.*\/invite @Countersign/,
    ],
    [
      'the policy names a room that is not there',
      {},
      { rooms: ['slack:C0TYPO'] },
      /no channel C0TYPO/,
      /in the policy file/,
    ],
    [
      'a channel is archived',
      { channelMembers: { C0APPROVALS: { members: [], isArchived: true } } },
      {},
      /C0APPROVALS.*is archived/,
      /another in channels\.slack\.approvals/,
    ],
    [
      'the signing secret is another of the app’s secrets',
      { signingSecret: 'xapp-1-A0-0-abc' },
      {},
      /not of 32 hexadecimal digits/,
      /App Credentials → Signing Secret/,
    ],
    [
      'Slack’s clock is ahead',
      { clockAheadMs: 90_000 },
      {},
      /clock is (8[89]|90) s behind Slack’s/,
      /set by the network.*refused/,
    ],
    ['Slack’s clock is behind', { clockAheadMs: -90_000 }, {}, /clock is (89|90|91) s ahead of Slack’s/, /refused/],
    [
      'the gateway has no address that Slack could send to',
      {},
      { publicUrl: 'http://127.0.0.1:8080' },
      /^Slack cannot send to http:\/\/127\.0\.0\.1:8080\/slack\/events$/,
      /gateway\.publicUrl, or use Socket Mode/,
    ],
    [
      'its name is this machine’s own',
      {},
      { publicUrl: 'https://localhost' },
      /cannot send to https:\/\/localhost/,
      /./,
    ],
  ]
  it.each(rows)('[REQ-DOCTOR-2] %s', async (_sentence, options, asked, what, cure) => {
    gateway = await startSlackGateway(options)
    const found = await failing(asked)
    expect(found).toEqual([{ ok: false, what: expect.stringMatching(what), cure: expect.stringMatching(cure) }])
  })

  it('says that Slack refuses the token, and asks nothing further with it', async () => {
    gateway = await startSlackGateway()
    gateway.slack.failNext('auth.test', { error: 'token_revoked' })
    const lines = await gateway.check()
    expect(lines[0]).toEqual({
      ok: false,
      what: 'Slack accepts the bot token: token_revoked',
      cure: 'Reinstall the app and set channels.slack.botToken anew.',
    })
    expect(gateway.slack.calls.filter(({ method }) => method === 'conversations.info')).toEqual([])
  })

  it('a refused app token', async () => {
    gateway = await startSlackGateway({ socketMode: true })
    gateway.slack.failNext('apps.connections.open', { error: 'not_allowed_token_type' })
    expect(await failing()).toEqual([
      {
        ok: false,
        what: 'Slack opens Socket Mode with the app token: not_allowed_token_type',
        cure: expect.stringContaining('connections:write'),
      },
    ])
  })

  it('Slack that can’t be reached, and Slack that asks to wait', async () => {
    gateway = await startSlackGateway()
    gateway.slack.failNext('conversations.info', { retryAfterSec: 30 })
    expect(await failing()).toMatchObject([
      { what: expect.stringContaining('asks to wait'), cure: expect.stringContaining('again in a minute') },
    ])
    await gateway.slack.setDown(true)
    expect(await failing()).toMatchObject([{ what: expect.stringContaining('could not be reached for auth.test') }])
  })
})

it('a channel that other companies read along in is said to be one', async () => {
  gateway = await startSlackGateway({ channelMembers: { C0APPROVALS: { members: [], isShared: true } } })
  const lines = await gateway.check()
  expect(lines.find(({ what }) => what.includes('C0APPROVALS'))).toMatchObject({
    ok: true,
    what: expect.stringContaining('people of other companies read along'),
  })
})

it('asks about no more rooms than Slack answers in a minute, and says how many it left out', async () => {
  gateway = await startSlackGateway()
  const rooms = Array.from({ length: ROOMS_CHECKED_MAX + 3 }, (_, at) => `slack:C0ROOM${at}`)
  const lines = await gateway.check({ rooms })
  expect(lines.map(({ what }) => what)).toContain('5 more rooms of the policy were not asked about')
  expect(gateway.slack.calls.filter(({ method }) => method === 'conversations.info')).toHaveLength(ROOMS_CHECKED_MAX)
})

it('a signing secret that is another app’s shows as the doctor says: 401, and that line in the log', async () => {
  gateway = await startSlackGateway()
  const ts = await gateway.ask()
  const payload = gateway.slack.payloadOf({ messageTs: ts, actionId: 'countersign_approve', userId: 'U2' })
  const ack = await gateway.slack.deliver({ payload, signature: `v0=${'0'.repeat(64)}` })
  expect(ack.status).toBe(401)
  await until('the log tells', () => gateway.lines.some((line) => line.includes('Request verification failed')))
})
