/** Elevated access against the whole gateway: asked for in Slack, approved there, used by an agent, and taken back. */
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  ACCESS_REASON_INPUT,
  ACCESS_TOOLS_INPUT,
  APPROVE_ACTION,
  HOME_REVOKE_ACTION,
} from '../../bots/slack/actions.ts'
import type { FakeSlack } from '../support/fake-slack.ts'
import { startFakeSlack } from '../support/fake-slack.ts'
import { type Gateway, POLICY, startWorld, type World } from '../support/gateway.ts'
import { type Agent, connectAgent } from '../support/mcp-clients.ts'
import { until } from '../support/until.ts'

const ALICE = { id: 'U1', name: 'alice', displayName: 'Alice', email: 'alice@example.com' }
const BOB = { id: 'U2', name: 'bob', displayName: 'Bob', email: 'bob@example.com' }

const ACCESS = `
access:
  - id: writing-for-a-while
    match: { upstream: files, tool: [write_file, edit_file] }
    longest: 2h
    approval: { deadline: 15m }
    reason: "A migration writes much."
`

const settingsOf = (slack: FakeSlack) => `
channels:
  slack:
    botToken: "\${SLACK_BOT_TOKEN}"
    signingSecret: "\${SLACK_SIGNING_SECRET}"
    approvals: C0APPROVALS
    summaries: C0SUMMARIES
    apiUrl: ${slack.apiUrl}
  console: { enabled: false }`

const optionsOf = (slack: FakeSlack) => ({
  policy: POLICY + ACCESS,
  environment: { SLACK_BOT_TOKEN: slack.botToken, SLACK_SIGNING_SECRET: slack.signingSecret },
  settings: settingsOf(slack),
})

describe('elevated access', () => {
  let world: World
  let slack: FakeSlack
  let gateway: Gateway
  let agent: Agent
  beforeAll(async () => {
    world = await startWorld()
    slack = await startFakeSlack({ users: [ALICE, BOB], messagesPerSecond: 100 })
    gateway = await world.startGateway(optionsOf(slack))
    slack.deliverTo(`${gateway.url}/slack/events`)
    agent = await connectAgent('modern', gateway.mcp, await gateway.token())
  })
  afterAll(async () => {
    await agent?.close()
    await slack?.close()
    await world?.close()
  })

  const text = (value: unknown) => JSON.stringify(value)
  const write = (name: string) => agent.call('write_file', { path: path.join(world.files, name), content: 'x' })

  it('[REQ-ACCESS-1] passes the agent’s calls from the approval to the revocation, and not a moment longer', async () => {
    await slack.slash({ command: '/access', userId: ALICE.id })
    const form = await slack.waitForView(({ modal }) => text(modal).includes('write_file'))
    await slack.choose({ viewId: form.id, userId: ALICE.id, actionId: ACCESS_TOOLS_INPUT, values: ['write_file'] })
    await slack.waitForView(({ modal }) => text(modal).includes('write_file: passes without a card'))
    await slack.submitForm({ viewId: form.id, userId: ALICE.id, texts: { [ACCESS_REASON_INPUT]: 'The migration' } })
    expect(text(form.modal)).toContain('alice@example.com asks for access to 1 tool on files for 1 hour')

    const card = await slack.waitForMessage(
      ({ channel, blocks }) => channel === 'C0APPROVALS' && text(blocks).includes('The migration'),
    )
    expect(text(card.blocks)).toContain('A migration writes much.')
    await slack.click({ messageTs: card.ts, actionId: APPROVE_ACTION, userId: ALICE.id })
    await slack.waitForEphemeral(({ userId, text: said }) => userId === ALICE.id && said.includes('can’t review'))
    await slack.click({ messageTs: card.ts, actionId: APPROVE_ACTION, userId: BOB.id })
    await slack.waitForMessage(({ ts, blocks }) => ts === card.ts && text(blocks).includes('Approved by'))

    const cardsBefore = slack.messages.filter(({ channel }) => channel === 'C0APPROVALS').length
    expect(await write('while-granted.txt')).toMatchObject({ isError: false })
    const asked = (await gateway.events()).filter(({ type }) => type === 'approval.requested').length
    expect(asked, 'nobody was asked about the call').toBe(1)
    expect(slack.messages.filter(({ channel }) => channel === 'C0APPROVALS').length).toBe(cardsBefore)

    await slack.openHome({ userId: ALICE.id })
    await slack.waitForHome(ALICE.id, ({ view }) => text(view).includes('Yours on files'))
    await slack.clickInHome({ actionId: HOME_REVOKE_ACTION, userId: ALICE.id })
    await slack.waitForHome(ALICE.id, ({ view }) => !text(view).includes('Yours on files'))
    const held = write('after-the-revocation.txt')
    const again = await slack.waitForMessage(({ blocks }) => text(blocks).includes('after-the-revocation.txt'))
    await slack.click({ messageTs: again.ts, actionId: APPROVE_ACTION, userId: BOB.id })
    expect(await held).toMatchObject({ isError: false })

    const events = await until('the end of the grant is recorded', async () => {
      const all = await gateway.events()
      return all.some(({ type, state }) => type === 'grant.ended' && state === 'revoked') && all
    })
    expect(events.find(({ type, state }) => type === 'grant.ended' && state === 'revoked')).toMatchObject({
      by: { email: 'alice@example.com' },
      uses: { write_file: 1 },
    })
  })

  it('[REQ-ACCESS-4] lists an upstream’s tools and asks also where the process of the bots serves no agent', async () => {
    const apart = await startFakeSlack({ users: [ALICE, BOB], messagesPerSecond: 100 })
    try {
      const bots = await world.startGateway({ ...optionsOf(apart), roles: 'bots,jobs' })
      apart.deliverTo(`${bots.url}/slack/events`)
      await apart.slash({ command: '/access', userId: ALICE.id })
      const form = await apart.waitForView(({ modal }) => text(modal).includes('write_file'))
      await apart.choose({ viewId: form.id, userId: ALICE.id, actionId: ACCESS_TOOLS_INPUT, values: ['edit_file'] })
      await apart.submitForm({ viewId: form.id, userId: ALICE.id, texts: { [ACCESS_REASON_INPUT]: 'From afar' } })
      await apart.waitForMessage(
        ({ channel, blocks }) => channel === 'C0APPROVALS' && text(blocks).includes('From afar'),
      )
      await bots.stop()
    } finally {
      await apart.close()
    }
  })
})
