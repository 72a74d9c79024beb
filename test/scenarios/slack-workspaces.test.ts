/** Two workspaces of one app: each asks its own people, answers where it was asked, and goes on without the other. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { APPROVE_ACTION } from '../../bots/slack/actions.ts'
import { type FakeSlack, startFakeSlack } from '../support/fake-slack.ts'
import { startWorld, type World } from '../support/gateway.ts'
import { type Agent, connectAgent } from '../support/mcp-clients.ts'

const ALICE = { id: 'U1', name: 'alice', email: 'alice@example.com' }
const BOB = { id: 'U2', name: 'bob', displayName: 'Bob', email: 'bob@example.com' }
/** The same ids as others have in the first workspace. */
const DAVE_AT_ACME = { id: 'U1', name: 'dave', displayName: 'Dave', email: 'dave@acme.example' }
const BOB_AT_ACME = { id: 'U3', name: 'bob', displayName: 'Bob', email: 'bob@example.com' }
/** A busy machine posts late. */
const PATIENCE_MS = 40_000

const rule = (name: string, terms: string) => `
  - id: by-${name}
    match: { upstream: files, tool: write_file }
    when: 'mcp.tool.arguments.path.contains("/${name}-")'
    effect: require_approval
    approval: ${terms}`
const POLICY = `
version: 1
defaults: { effect: deny }
rules:${rule('acme', '{ channel: slack/acme }')}${rule('any', '{}')}${rule(
  'partners',
  '{ channel: slack/acme, from: [partners] }',
)}${rule('both', '{ channel: [slack, slack/acme], quorum: 2 }')}
`

describe.each<[string, boolean]>([
  ['the Events API over HTTP', false],
  ['Socket Mode', true],
])('with Slack by %s', (_sentence, isSocketMode) => {
  let world: World
  let slack: FakeSlack
  let acme: ReturnType<FakeSlack['inTeam']>
  let agent: Agent
  let serial = 0

  beforeAll(async () => {
    world = await startWorld()
    slack = await startFakeSlack({
      users: [ALICE, BOB],
      messagesPerSecond: 100,
      teams: [
        {
          ...{ teamId: 'T0ACME', botToken: 'xoxb-acme', channels: ['C0ACME'], messagesPerSecond: 100 },
          users: [DAVE_AT_ACME, BOB_AT_ACME],
          channelMembers: { C0TEAM: { members: [DAVE_AT_ACME.id] } },
        },
      ],
    })
    acme = slack.inTeam('T0ACME')
    const gateway = await world.startGateway({
      policy: POLICY,
      environment: { FIRST_TOKEN: slack.botToken, ACME_TOKEN: 'xoxb-acme', SECRET: slack.signingSecret },
      settings: `
people: { groups: { partners: ["slack/acme:channel:C0TEAM"] } }
channels:
  slack:
    botToken: "\${FIRST_TOKEN}"
    signingSecret: "\${SECRET}"
    appToken: "${isSocketMode ? slack.appToken : ''}"
    approvals: C0APPROVALS
    apiUrl: ${slack.apiUrl}
    workspaces: { acme: { botToken: "\${ACME_TOKEN}", approvals: C0ACME } }
  console: { enabled: false }`,
    })
    slack.deliverTo(`${gateway.url}/slack/events`)
    if (isSocketMode) await slack.waitForConnections(1)
    agent = await connectAgent('modern', gateway.mcp, await gateway.token())
  })
  afterAll(async () => {
    await agent?.close()
    await slack?.close()
    await world?.close()
  })

  type Team = Pick<FakeSlack, 'waitForMessage' | 'click'>
  function ask(kind: string) {
    const file = path.join(world.files, `${kind}-${++serial}`)
    const shows = (text: string) => (message: { blocks: unknown }) => JSON.stringify(message.blocks).includes(text)
    const answer = agent.call('write_file', { path: file, content: 'x' })
    return {
      answer,
      ran: () => existsSync(file),
      cardIn: (team: Team) => team.waitForMessage(shows(path.basename(file)), PATIENCE_MS),
      isIn: (team: Pick<FakeSlack, 'messages'>, channel: string) =>
        team.messages.some((message) => message.channel === channel && shows(path.basename(file))(message)),
    }
  }
  const approve = (team: Team, messageTs: string, userId: string) =>
    team.click({ messageTs, actionId: APPROVE_ACTION, userId })
  const painted = (team: Team, ts: string, text: string) =>
    team.waitForMessage((one) => one.ts === ts && JSON.stringify(one.blocks).includes(text), PATIENCE_MS)

  it('[REQ-WORKSPACES-1] a rule asks in the second one, and it is approved and repainted there', async () => {
    const asked = ask('acme')
    const card = await asked.cardIn(acme)
    expect(card.channel).toBe('C0ACME')
    expect((await approve(acme, card.ts, DAVE_AT_ACME.id)).ok).toBe(true)
    expect((await asked.answer).isError).toBe(false)
    await painted(acme, card.ts, 'Approved by Dave (dave@acme.example)')
    expect([asked.ran(), asked.isIn(slack, 'C0APPROVALS')]).toEqual([true, false])
  })

  it('a rule that names no room asks in the first one alone', async () => {
    const asked = ask('any')
    const card = await asked.cardIn(slack)
    await approve(slack, card.ts, BOB.id)
    expect((await asked.answer).isError).toBe(false)
    expect(asked.isIn(acme, 'C0ACME')).toBe(false)
  })

  it('groups of the second one are looked up in it, at the click and before the call runs', async () => {
    const asked = ask('partners')
    const card = await asked.cardIn(acme)
    await approve(acme, card.ts, BOB_AT_ACME.id)
    expect((await acme.waitForEphemeral(({ userId }) => userId === BOB_AT_ACME.id)).text).toContain('the rule asks for')
    await approve(acme, card.ts, DAVE_AT_ACME.id)
    expect((await asked.answer).isError).toBe(false)
  })

  it('[REQ-WORKSPACES-2] one person of both counts once, and both copies show who decided', async () => {
    const asked = ask('both')
    const [first, second] = [await asked.cardIn(slack), await asked.cardIn(acme)]
    await approve(slack, first.ts, BOB.id)
    await painted(acme, second.ts, '1 of 2')
    await approve(acme, second.ts, BOB_AT_ACME.id)
    const told = await acme.waitForEphemeral(({ text }) => text.includes('already reviewed'))
    expect([told.userId, asked.ran()]).toEqual([BOB_AT_ACME.id, false])
    await approve(acme, second.ts, DAVE_AT_ACME.id)
    expect((await asked.answer).isError).toBe(false)
    for (const [team, ts] of [[slack, first.ts] as const, [acme, second.ts] as const])
      await painted(team, ts, 'Approved by Bob')
  })

  it('a third team’s click decides nothing', async () => {
    const asked = ask('acme')
    const card = await asked.cardIn(acme)
    const ack = await acme.click({ messageTs: card.ts, actionId: APPROVE_ACTION, userId: 'U1', teamId: 'T0OTHER' })
    expect(ack).toMatchObject({ ok: false, error: isSocketMode ? 'operation_timeout' : 'http_403' })
    expect(asked.ran()).toBe(false)
    await approve(acme, card.ts, DAVE_AT_ACME.id)
    expect((await asked.answer).isError).toBe(false)
  })

  it.each<[string, 'acme' | 'any', () => { gone: { setRevoked(is: boolean): void }; other: Team; reviewer: string }]>([
    ['the second one’s', 'any', () => ({ gone: acme, other: slack, reviewer: BOB.id })],
    ['the first one’s', 'acme', () => ({ gone: slack, other: acme, reviewer: DAVE_AT_ACME.id })],
  ])('[REQ-WORKSPACES-3] %s token is revoked, and the other goes on', async (_sentence, kind, parts) => {
    const { gone, other, reviewer } = parts()
    gone.setRevoked(true)
    try {
      const asked = ask(kind)
      const card = await asked.cardIn(other)
      expect((await approve(other, card.ts, reviewer)).ok).toBe(true)
      expect((await asked.answer).isError).toBe(false)
      await painted(other, card.ts, 'Approved by')
    } finally {
      gone.setRevoked(false)
    }
  })
})
