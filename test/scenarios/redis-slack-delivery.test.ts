/** Cards on their way to a Slack that is busy, away, or whose answers are lost: each is posted once, and in time. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createOutgoing } from '../../bots/slack/outgoing.ts'
import { BOT_SCOPES } from '../../bots/slack/scopes.ts'
import { createWeb } from '../../bots/slack/web.ts'
import { openWorkspaces } from '../../bots/slack/workspaces.ts'
import { createApprovalStore, type RedisApprovalStore } from '../../jobs/approvals/store.ts'
import { createHolds, type HoldsService } from '../../jobs/holds.ts'
import { type Inbox, startInbox } from '../../jobs/inbox.ts'
import { startOutbox } from '../../jobs/outbox.ts'
import { LOST_AFTER_MS } from '../../jobs/post-once.ts'
import type { RedisHandle } from '../../jobs/redis.ts'
import type { Approval } from '../../src/approval/approval.ts'
import { cardOf } from '../../src/approval/card-of.ts'
import type { ApprovalId } from '../../src/brands.ts'
import { epochMs } from '../../src/brands.ts'
import { Secret } from '../../src/secret.ts'
import { aFreshApproval, cancelled, reviewed } from '../support/approvals.ts'
import { type FakeSlack, startFakeSlack } from '../support/fake-slack.ts'
import type { FakeMessage, FakeSlackOptions } from '../support/fake-slack-world.ts'
import {
  systemClock as clock,
  silentLog as log,
  silentRecorder as recorder,
  startTestRedis,
  type TestRedis,
} from '../support/redis.ts'
import { until } from '../support/until.ts'

const ALICE = { id: 'U1', name: 'alice', displayName: 'Alice', email: 'Alice@example.com' }
const BOB = { id: 'slack:T0FAKE:U2', email: 'bob@example.com', name: 'Bob' }

const cleanups: (() => Promise<unknown> | unknown)[] = []
let server: TestRedis
let redis: RedisHandle
let inbox: Inbox
let store: RedisApprovalStore
let holds: HoldsService
let slack: FakeSlack

beforeEach(async () => {
  server = await startTestRedis()
  redis = await server.connect('test')
  inbox = await startInbox(redis, log)
  store = createApprovalStore({ redis, inbox })
  holds = createHolds({ redis, inbox, store, recorder, clock, log })
})
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
  await holds.close()
  await inbox.close()
  await slack.close()
  await server.stop()
})

async function aSlack(options: FakeSlackOptions = {}): Promise<void> {
  slack = await startFakeSlack({ users: [ALICE], channels: ['C0APPROVALS', 'C0SUMMARIES', 'C0NIGHT'], ...options })
}

/** As a process that starts: its own web client, its own memory of Slack's pace. */
function outbox(timeoutMs = 5_000) {
  const { apiUrl } = slack
  const token = new Secret(slack.botToken)
  const rooms = { approvals: 'C0APPROVALS', summaries: 'C0SUMMARIES' }
  const { first } = openWorkspaces({ botToken: token, ...rooms, workspaces: new Map(), apiUrl, clock, log })
  const workspace = { ...first, web: createWeb({ token, timeoutMs, apiUrl, log }) }
  const channel = createOutgoing({
    workspaces: { all: [workspace], named: () => workspace },
    get: store.get,
    clock,
    log,
  })
  const started = startOutbox({ redis, inbox, store, channels: [channel], cardOf, clock, log })
  let closing: Promise<void> | undefined
  const close = () => {
    closing ??= started.close()
    return closing
  }
  cleanups.push(close)
  return { close, channel }
}

async function anOpenHold(change: Partial<Approval> = {}): Promise<ApprovalId> {
  const approval = aFreshApproval({ channels: ['slack'], ...change })
  await holds.open(approval)
  return approval.id
}

const isCardOf = (id: ApprovalId) => (message: FakeMessage) =>
  message.metadata?.event_type === 'countersign_card' && message.metadata.event_payload.approval_id === id
const cardsOf = (id: ApprovalId, channel = 'C0APPROVALS') =>
  slack.messages.filter((message) => message.channel === channel && isCardOf(id)(message))
const textIn = (message: FakeMessage | undefined) => JSON.stringify(message?.blocks)
const repliesTo = (id: ApprovalId, channel = 'C0APPROVALS') => {
  const ts = cardsOf(id, channel)[0]?.ts
  return slack.messages.filter(({ threadTs }) => threadTs !== null && threadTs === ts)
}
const nothingIsDue = () =>
  until('no card is due', async () => ((await redis.call('SCARD', redis.key('cards-due'))) as number) === 0, 30_000)

describe('an approval', () => {
  it('is shown in the channel and told to the person behind the agent, and both follow what becomes of it', async () => {
    await aSlack()
    outbox()
    const id = await anOpenHold()
    await nothingIsDue()
    expect([cardsOf(id), cardsOf(id, 'D0U1')].map((cards) => cards.length)).toEqual([1, 1])
    await store.apply(id, reviewed('deny', 'bob'))
    await nothingIsDue()
    for (const channel of ['C0APPROVALS', 'D0U1']) {
      expect(cardsOf(id, channel)).toHaveLength(1)
      expect(textIn(cardsOf(id, channel)[0])).toContain('Denied by bob')
    }
    expect(repliesTo(id, 'D0U1').map(({ isBroadcast, text }) => [isBroadcast, text.slice(0, 13)])).toEqual([
      [true, 'Denied by bob'],
    ])
    expect(repliesTo(id)).toEqual([])
  })

  it.each<[string, FakeSlackOptions]>([
    ['Slack does not know', { users: [] }],
    ['is a guest there', { users: [{ ...ALICE, isGuest: true }] }],
    ['has not confirmed the address', { users: [{ ...ALICE, isEmailConfirmed: false }] }],
  ])('is told to nobody where the person behind the agent %s, which is asked once', async (_sentence, options) => {
    await aSlack(options)
    outbox()
    const id = await anOpenHold({ quorum: 2 })
    await nothingIsDue()
    await store.apply(id, reviewed('approve', 'bob'))
    await nothingIsDue()
    expect(slack.messages.map(({ channel }) => channel)).toEqual(['C0APPROVALS'])
    expect(slack.calls.filter(({ method }) => method === 'users.lookupByEmail')).toHaveLength(1)
    expect(slack.calls.filter(({ method }) => method === 'conversations.open')).toEqual([])
  })

  it('for access is told to the very account that asked', async () => {
    await aSlack({ users: [{ id: 'U7', name: 'alice' }] })
    outbox()
    const requester = { id: `slack:${slack.teamId}:U7`, email: 'alice@example.com', name: 'Alice' }
    const access = {
      requester,
      ownerEmail: 'alice@example.com',
      upstream: 'files',
      tools: ['write_file'],
      durationMs: 60_000,
      reason: 'why',
      extends: null,
    }
    const id = await anOpenHold({ access })
    await nothingIsDue()
    expect(cardsOf(id, 'D0U7')).toHaveLength(1)
  })

  it('gets a card in a room when it escalates to there, and its first room is told', async () => {
    await aSlack()
    outbox()
    const at = epochMs(Date.now() + 50)
    const steps = [{ type: 'escalate', at, doneAt: null, from: ['ops'], rooms: ['slack', 'slack:C0NIGHT'] }] as const
    const id = await anOpenHold({ from: ['dba'], steps })
    await nothingIsDue()
    expect(cardsOf(id, 'C0NIGHT')).toHaveLength(0)
    await until('the step is due', () => Date.now() >= at)
    await store.apply(id, { type: 'step', index: 0, at: epochMs(Date.now()) })
    await nothingIsDue()
    expect([cardsOf(id), cardsOf(id, 'C0NIGHT')].map((cards) => cards.length)).toEqual([1, 1])
    expect(repliesTo(id).map(({ text }) => text)).toEqual([expect.stringContaining('ops may decide too')])
    expect(repliesTo(id, 'C0NIGHT')).toEqual([])
  })

  it('is discussed and reminded of in its threads, each message once, in every place that needs it', async () => {
    await aSlack()
    const first = outbox()
    const id = await anOpenHold({ requestedAt: epochMs(Date.now() - 120_000) })
    await nothingIsDue()
    const remark = { kind: 'question', by: BOB, text: 'Which month?', at: epochMs(Date.now()) } as const
    await store.apply(id, { type: 'remarked', remark, at: remark.at })
    await nothingIsDue()
    await store.apply(id, { type: 'reminded', by: BOB, at: epochMs(Date.now()) })
    await nothingIsDue()
    await first.close()
    outbox()
    await store.apply(id, { type: 'agent_left', awaySince: epochMs(Date.now()), at: epochMs(Date.now()) })
    await nothingIsDue()
    expect(repliesTo(id).map(({ text, isBroadcast }) => [text.split(':')[0], isBroadcast])).toEqual([
      ['bob@example.com asks', false],
      ['Reminder', true],
    ])
    expect(repliesTo(id, 'D0U1').map(({ text }) => text)).toEqual(['bob@example.com asks: Which month?'])
    expect(textIn(cardsOf(id, 'D0U1')[0])).toContain('requester_answer')
  })
})

describe('an answer of Slack that is lost', () => {
  it('leaves one card, which is found and goes on being repainted', async () => {
    await aSlack()
    slack.failNext('chat.postMessage', { isAnswerLost: true })
    outbox()
    const id = await anOpenHold()
    await nothingIsDue()
    await store.apply(id, reviewed('approve', 'carol'))
    await nothingIsDue()
    expect(cardsOf(id)).toHaveLength(1)
    expect(textIn(cardsOf(id)[0])).toContain('Approved by carol')
  })

  it('leaves one reminder, and one question', async () => {
    await aSlack()
    outbox()
    const id = await anOpenHold({ requestedAt: epochMs(Date.now() - 120_000) })
    await nothingIsDue()
    slack.failNext('chat.postMessage', { isAnswerLost: true })
    await store.apply(id, { type: 'reminded', by: BOB, at: epochMs(Date.now()) })
    await nothingIsDue()
    expect(repliesTo(id)).toHaveLength(1)
  })

  it('[REQ-DELIVERY-1] leaves one card although the process died before it could remember it', async () => {
    await aSlack()
    // It dies between posting and remembering: Slack has the card, and all that is left is what was written before.
    const { close, channel } = outbox()
    await close()
    const id = await anOpenHold()
    const card = cardOf((await store.get(id)) as Approval)
    await redis.call('HSET', redis.key('cards', id), 'slack:posting:card', Date.now())
    await channel.post(card, 'slack')
    outbox()
    await nothingIsDue()
    expect(cardsOf(id)).toHaveLength(1)
    await store.apply(id, reviewed('approve', 'carol'))
    await nothingIsDue()
    expect(textIn(cardsOf(id)[0])).toContain('Approved by carol')
  })

  it('is told from a message that another app made to look like ours', async () => {
    await aSlack()
    const id = await anOpenHold()
    const event_payload = { approval_id: id, place: 'slack' }
    slack.forge({ channel: 'C0APPROVALS', text: 'x', metadata: { event_type: 'countersign_card', event_payload } })
    await redis.call('HSET', redis.key('cards', id), 'slack:posting:card', Date.now() - LOST_AFTER_MS)
    outbox()
    await nothingIsDue()
    expect(cardsOf(id).map(({ botId }) => botId)).toEqual(['B0OTHER', 'B0BOT'])
  })

  it('is waited for where Slack cannot tell, rather than posting twice', async () => {
    await aSlack({ scopes: Object.keys(BOT_SCOPES).filter((scope) => scope !== 'channels:history') })
    const id = await anOpenHold()
    await redis.call('HSET', redis.key('cards', id), 'slack:posting:card', Date.now() - LOST_AFTER_MS)
    outbox()
    await until('it has asked twice', () => asked('conversations.history') >= 2, 20_000)
    expect(cardsOf(id)).toEqual([])
  })

  it('that nothing became of is posted after a while', async () => {
    await aSlack()
    const id = await anOpenHold()
    await redis.call('HSET', redis.key('cards', id), 'slack:posting:card', Date.now() - LOST_AFTER_MS)
    outbox()
    await nothingIsDue()
    expect(cardsOf(id)).toHaveLength(1)
  })
})

const asked = (method: string) => slack.calls.filter((call) => call.method === method).length

describe('Slack’s limits', () => {
  it('[REQ-DELIVERY-2] a storm of 429s loses no card and doubles none', async () => {
    await aSlack({ burst: 1, messagesPerSecond: 4, users: [] })
    for (let at = 0; at < 4; at += 1) slack.failNext('chat.postMessage', { retryAfterSec: 1 })
    outbox()
    outbox()
    const ids = await Promise.all(Array.from({ length: 8 }, () => anOpenHold()))
    await nothingIsDue()
    expect(ids.map((id) => cardsOf(id).length)).toEqual(ids.map(() => 1))
  })

  it('a conversation that is full holds up no decision in it', async () => {
    await aSlack({ users: [] })
    outbox()
    const shown = await anOpenHold()
    await nothingIsDue()
    slack.failNext('chat.postMessage', { retryAfterSec: 600 })
    const waiting = await anOpenHold()
    await until('Slack has said later', () => slack.calls.some(({ error }) => error === 'ratelimited'))
    await store.apply(shown, reviewed('approve', 'carol'))
    await until('the decision is shown', () => textIn(cardsOf(shown)[0]).includes('Approved by carol'))
    expect(cardsOf(waiting)).toEqual([])
    expect(slack.calls.filter(({ error }) => error === 'ratelimited')).toHaveLength(1)
  })

  it('a card that waited for its turn is not posted any more once it is decided', async () => {
    await aSlack({ users: [] })
    slack.failNext('chat.postMessage', { retryAfterSec: 2 })
    outbox()
    const [decided, open] = [await anOpenHold(), await anOpenHold()]
    await until('Slack has said later', () => slack.calls.some(({ error }) => error === 'ratelimited'))
    await store.apply(decided, cancelled())
    await nothingIsDue()
    expect([decided, open].map((id) => cardsOf(id).length)).toEqual([0, 1])
  })
})

describe('while Slack is down', () => {
  it('[REQ-DELIVERY-3] holds wait, others decide, cards appear when it is back, and expired ones never do', async () => {
    await aSlack({ users: [] })
    await slack.setDown(true)
    outbox()
    const decided = await anOpenHold()
    const expired = await anOpenHold({ expiresAt: epochMs(Date.now() + 300) })
    const open = await anOpenHold()
    expect((await store.apply(decided, reviewed('approve', 'carol'))).ok).toBe(true)
    const { expiresAt } = (await store.get(expired)) as Approval
    await until('the deadline has passed', () => Date.now() > expiresAt)
    await store.apply(expired, { type: 'deadline', at: expiresAt })
    expect((await store.get(open))?.state).toBe('pending')
    await slack.setDown(false)
    await until('it is shown', () => cardsOf(open).length > 0, 40_000)
    await nothingIsDue()
    expect([decided, expired, open].map((id) => cardsOf(id).length)).toEqual([0, 0, 1])
  })
})
