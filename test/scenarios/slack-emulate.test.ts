/**
 * The Slack channel against a Slack that nobody here wrote, with exactly the scopes that the manifest asks for. What comes
 * from Slack, clicks and events, is signed and delivered here, since emulate sends none.
 *
 * Where emulate is not what docs.slack.dev says, the product keeps to the documentation, and a test says what differs.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { APPROVE_ACTION, MORE_ACTION } from '../../bots/slack/actions.ts'
import { messageView } from '../../bots/slack/more-view.ts'
import { BOT_SCOPES } from '../../bots/slack/scopes.ts'
import type { Approval } from '../../src/approval/approval.ts'
import { cardOf } from '../../src/approval/card-of.ts'
import type { ApprovalId } from '../../src/brands.ts'
import { epochMs } from '../../src/brands.ts'
import type { MessageRef, Place } from '../../src/ports.ts'
import { type EmulatedSlack, startEmulatedSlack } from '../support/emulated-slack.ts'
import { type SlackGateway, startSlackGateway } from '../support/slack-gateway.ts'
import { aSummary } from '../support/summaries.ts'
import { until } from '../support/until.ts'

/** docs.slack.dev: a workspace's id; emulate has one workspace. */
const TEAM = 'T000000001'

let slack: EmulatedSlack
let gateway: SlackGateway
let approvals: string
let bob: string

beforeAll(async () => {
  slack = await startEmulatedSlack({ people: ['alice', 'bob'], channels: ['approvals', 'summaries'] })
  approvals = slack.channel('approvals')
  const counterparty = { apiUrl: slack.apiUrl, token: slack.token, approvals, summaries: slack.channel('summaries') }
  gateway = await startSlackGateway({ counterparty })
  bob = await slack.userId('bob')
})
afterAll(async () => {
  await gateway?.close()
  await slack?.close()
})

let serial = 0
async function ask(change: Partial<Approval> = {}): Promise<{ id: ApprovalId; ts: string }> {
  serial += 1
  const id = `apr_${String(serial).padStart(26, 'a')}` as ApprovalId
  return { id, ts: await gateway.ask({ id, ...change }) }
}

async function messages(channel: string) {
  return (await slack.asPerson.conversations.history({ channel, include_all_metadata: true })).messages ?? []
}
async function message(channel: string, ts: string) {
  return (await messages(channel)).find((one) => one.ts === ts)
}
async function thread(channel: string, ts: string) {
  const { messages: all = [] } = await slack.asPerson.conversations.replies({ channel, ts })
  return all.filter((one) => one.ts !== ts)
}

/** As docs.slack.dev/reference/interaction-payloads/block_actions-payload has it. */
async function click({ ts, id }: { ts: string; id: ApprovalId }, action: string, userId: string) {
  const trigger_id = await slack.triggerFor(userId)
  const payload = {
    ...{ type: 'block_actions', team: { id: TEAM }, user: { id: userId, team_id: TEAM }, trigger_id },
    ...{ channel: { id: approvals }, message: { ts }, container: { type: 'message', message_ts: ts } },
    actions: [{ type: 'button', action_id: action, value: id, action_ts: `${Date.now() / 1000}` }],
  }
  return gateway.slack.deliver({ payload })
}

describe('in a Slack that nobody here wrote', () => {
  it('the doctor misses the app in its channels until somebody invites it', async () => {
    const all = async () => (await gateway.check()).filter(({ ok }) => !ok).map(({ what }) => what)
    // Slack names a token’s scopes in the header X-OAuth-Scopes; emulate does not, so that the doctor misses each of them.
    // That they are the right ones, its strict_scopes show in all that follows.
    expect(await all()).toHaveLength(Object.keys(BOT_SCOPES).length + 2)
    const failing = async () => (await all()).filter((what) => !what.startsWith('Slack scope'))
    expect(await failing()).toEqual([
      `the app is not in #approvals (${approvals}), for cards`,
      `the app is not in #summaries (${slack.channel('summaries')}), for summaries`,
    ])
    for (const name of ['approvals', 'summaries']) {
      await slack.asPerson.conversations.invite({ channel: slack.channel(name), users: slack.botUserId })
    }
    expect(await failing()).toEqual([])
  })

  it('a card is posted, found in the history by what it says of itself, and repainted when it is decided', async () => {
    const asked = await ask()
    const card = await message(approvals, asked.ts)
    expect(card).toMatchObject({
      user: slack.botUserId,
      metadata: { event_type: 'countersign_card', event_payload: { approval_id: asked.id, place: 'slack' } },
    })
    expect(JSON.stringify(card?.blocks)).toContain(APPROVE_ACTION)
    expect(await click(asked, APPROVE_ACTION, bob)).toMatchObject({ status: 200 })
    const decided = await until('the card says who approved', async () => {
      const now = await message(approvals, asked.ts)
      return JSON.stringify(now?.blocks).includes('bob@example.com') && now
    })
    expect(JSON.stringify(decided.blocks)).not.toContain(APPROVE_ACTION)
    // docs.slack.dev/reference/methods/chat.update: metadata that is not given stays.
    expect(decided.metadata).toEqual(card?.metadata)
    expect(await gateway.approvals.get(asked.id)).toMatchObject({ state: 'approved' })
  })

  it('a lost answer’s card is looked for; emulate’s messages name no bot, so none is taken for ours', async () => {
    const asked = await ask()
    // docs.slack.dev/reference/methods/chat.postMessage has `bot_id` in each message of an app; emulate has it in none.
    expect((await message(approvals, asked.ts))?.bot_id).toBeUndefined()
    const sent = { kind: 'card', approvalId: asked.id, place: 'slack' as Place } as const
    expect(await gateway.channel.find?.(sent, epochMs(Date.now()))).toBeNull()
  })

  it('a decision is told in the card’s thread, and what didn’t fit lies there as a file', async () => {
    const long = `tail-${'x'.repeat(60_000)}-end`
    const asked = await ask({ argumentsJson: JSON.stringify({ content: long }) })
    const approval = await gateway.approvals.get(asked.id)
    if (approval === null) throw new Error('it was just opened')
    const ref = JSON.stringify({ channel: approvals, ts: asked.ts }) as MessageRef
    const card = cardOf(approval)
    await gateway.channel.attach?.(ref, card)
    await gateway.channel.reply?.(
      ref,
      { id: 'step-1', type: 'reminder', at: epochMs(Date.now()) },
      { card, place: 'slack' },
    )
    const [file, reminder] = await thread(approvals, asked.ts)
    expect(file).toMatchObject({ files: [{ name: `arguments-${asked.id}.txt`, user: slack.botUserId }] })
    expect(Number(file?.files?.[0]?.size)).toBeGreaterThan(60_000)
    expect(reminder).toMatchObject({ thread_ts: asked.ts, metadata: { event_type: 'countersign_reply' } })
  })

  it('More opens a window by the click’s trigger, which works once', async () => {
    const asked = await ask()
    expect(await click(asked, MORE_ACTION, bob)).toMatchObject({ status: 200 })
    expect(await slack.viewsPage()).toContain('Deny with a reason…')
    const trigger_id = await slack.triggerFor(bob)
    const view = messageView([])
    await slack.asApp.views.open({ trigger_id, view })
    await expect(slack.asApp.views.open({ trigger_id, view })).rejects.toThrow('exchanged_trigger_id')
  })

  it('the person behind the agent is found by their address, and written to in private', async () => {
    await ask()
    const approval = (await gateway.approvals.listPending()).at(-1)
    if (approval === undefined) throw new Error('nothing waits')
    const ref = JSON.parse(await gateway.post(cardOf(approval), 'slack:requester')) as { channel: string; ts: string }
    const { channel: talk } = await slack.asApp.conversations.open({ users: await slack.userId('alice') })
    expect(ref.channel).toBe(talk?.id)
    const { messages: told = [] } = await slack.asApp.conversations.history({ channel: ref.channel })
    expect(told.map(({ ts }) => ts)).toEqual([ref.ts])
  })

  it('App Home is painted for whoever opens it', async () => {
    const NO_HOME = 'No App Home views have been published.'
    expect(await slack.viewsPage()).toContain(NO_HOME)
    const event = { type: 'app_home_opened', user: bob, channel: 'D1', tab: 'home', event_ts: `${Date.now() / 1000}` }
    const body = { type: 'event_callback', team_id: TEAM, api_app_id: 'A1', event, event_id: 'Ev1', event_time: 1 }
    const rawBody = JSON.stringify({ ...body, authorizations: [{ team_id: TEAM, user_id: 'U1', is_bot: true }] })
    const ack = await gateway.slack.deliver({ payload: null, rawBody, contentType: 'application/json' })
    expect(ack.status).toBe(200)
    await until('emulate shows a Home', async () => !(await slack.viewsPage()).includes(NO_HOME))
  })

  it('a session’s summary goes into its channel', async () => {
    await gateway.channel.summarise(aSummary({ upstream: 'pg-prod' }), 'slack')
    const [summary] = await messages(slack.channel('summaries'))
    expect(JSON.stringify(summary?.blocks)).toContain('agent on pg-prod: 16 calls')
  })

  it('a scope less is refused as Slack refuses it, and named', async () => {
    await expect(slack.asApp.files.list({})).rejects.toMatchObject({
      data: { error: 'missing_scope', needed: 'files:read' },
    })
  })
})
