/** Cards on their way to a Teams that is busy, away, or whose answers are lost: each is posted once, and in time. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createGraph } from '../../bots/teams/graph.ts'
import { openTransport } from '../../bots/teams/open-transport.ts'
import { createOutgoing } from '../../bots/teams/outgoing.ts'
import { markOf, writeRef } from '../../bots/teams/sent.ts'
import type { TeamsMember } from '../../bots/teams/transport.ts'
import { createApprovalStore, type RedisApprovalStore } from '../../jobs/approvals/store.ts'
import { createConversations } from '../../jobs/conversations.ts'
import { createHolds, type HoldsService } from '../../jobs/holds.ts'
import { type Inbox, startInbox } from '../../jobs/inbox.ts'
import { startOutbox } from '../../jobs/outbox.ts'
import { LOST_AFTER_MS } from '../../jobs/post-once.ts'
import type { RedisHandle } from '../../jobs/redis.ts'
import { createSeenCards } from '../../jobs/seen-cards.ts'
import type { Approval } from '../../src/approval/approval.ts'
import { cardOf } from '../../src/approval/card-of.ts'
import type { ApprovalId } from '../../src/brands.ts'
import { epochMs } from '../../src/brands.ts'
import type { TeamsSettings } from '../../src/config/settings.ts'
import { isObject, type JsonValue } from '../../src/json/value.ts'
import { type Channel, ChannelBusy, ChannelRefused, type Conversations, type Log, type Place } from '../../src/ports.ts'
import { Secret } from '../../src/secret.ts'
import { aFreshApproval, reviewed } from '../support/approvals.ts'
import { type FakeTeams, startFakeTeams } from '../support/fake-teams.ts'
import { APPROVALS, type FakeMessage, GROUP_CHAT, SUMMARIES, TEAM, TEAM_GROUP } from '../support/fake-teams-world.ts'
import {
  systemClock as clock,
  silentRecorder as recorder,
  silentLog,
  startTestRedis,
  type TestRedis,
} from '../support/redis.ts'
import { until } from '../support/until.ts'

const ALICE = { oid: 'a11ce000-0000-4000-8000-000000000001', name: 'Alice', email: 'Alice@example.com' }
const BOB = { oid: 'b0b00000-0000-4000-8000-000000000002', name: 'Bob', email: 'bob@example.com' }
const GUEST = {
  oid: '90e57000-0000-4000-8000-000000000003',
  name: 'Gus',
  email: 'gus@else.example',
  userRole: 'guest' as const,
}

const cleanups: (() => Promise<unknown> | unknown)[] = []
let server: TestRedis
let redis: RedisHandle
let inbox: Inbox
let store: RedisApprovalStore
let holds: HoldsService
let conversations: Conversations
let teams: FakeTeams
let errors: string[]

const log: Log = { ...silentLog, error: (message) => void errors.push(message) }

beforeAll(async () => {
  server = await startTestRedis()
})
afterAll(() => server.stop())
beforeEach(async () => {
  errors = []
  redis = await server.connect()
  inbox = await startInbox(redis, silentLog)
  store = createApprovalStore({ redis, inbox })
  holds = createHolds({ redis, inbox, store, recorder, clock, log: silentLog })
  conversations = createConversations(redis)
  teams = await startFakeTeams({ users: [ALICE, BOB, GUEST] })
})
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
  await holds.close()
  await inbox.close()
  await teams.close()
})

/** As the endpoint learns it: the app was put into the team, which names its first channel alone. */
async function installed(id = TEAM): Promise<void> {
  teams.deliverTo('http://127.0.0.1:9/nobody')
  await teams.install(id).catch(() => undefined)
  const kind = id === GROUP_CHAT ? 'groupChat' : 'channel'
  const { serviceUrl, tenantId } = teams
  const teamGroupId = kind === 'channel' ? TEAM_GROUP : null
  await conversations.remember({ id, kind, tenantId, serviceUrl, oid: null, teamGroupId })
}

function reviewerOf({ oid, tenantId, name, email, userRole }: TeamsMember) {
  if (userRole !== 'user' || tenantId !== teams.tenantId) return null
  return { id: `teams:${tenantId}:${oid}`, name, email: email?.toLowerCase() ?? null }
}

/** As a process that starts: its own client, its own memory of Teams' pace. */
function outgoing({ graph = true, approvals = APPROVALS } = {}): Channel {
  const settings: TeamsSettings = {
    appId: teams.appId,
    tenantId: teams.tenantId,
    appType: 'SingleTenant',
    appPassword: new Secret(teams.appPassword),
    approvals,
    summaries: SUMMARIES,
    library: 'botbuilder',
    email: 'mail',
    graph,
    endpoints: teams.endpoints,
  }
  const transport = openTransport({ settings, clock, log })
  return createOutgoing({
    settings,
    transport,
    conversations,
    people: { isMember: async ({ email }) => email === BOB.email },
    reviewerOf,
    oidByEmail: async () => null,
    graph: graph ? createGraph({ origin: teams.endpoints.graph, token: transport.token, clock }) : null,
    get: store.get,
    clock,
    log,
  })
}

function outbox(options: Parameters<typeof outgoing>[0] = {}) {
  const channel = outgoing(options)
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
  const approval = aFreshApproval({ channels: ['teams'], ...change })
  await holds.open(approval)
  return approval.id
}

const markIn = ({ card }: FakeMessage): JsonValue => {
  const [first] = Array.isArray(card?.body) ? card.body : []
  return isObject(first) ? (first.id ?? null) : null
}
const cardsOf = (approvalId: ApprovalId, place: Place = 'teams') =>
  teams.messages.filter((message) => markIn(message) === markOf({ kind: 'card', approvalId, place }))
const textIn = (message: FakeMessage | undefined) => JSON.stringify(message?.card)
const below = (root: FakeMessage | undefined) =>
  teams.messages.filter(({ id, threadId }) => root !== undefined && threadId === root.id && id !== root.id)
const nothingIsDue = () =>
  until('no card is due', async () => ((await redis.call('SCARD', redis.key('cards-due'))) as number) === 0, 30_000)
const sends = () => teams.calls.filter(({ operation }) => operation === 'send').length
/** It was tried, and the process died before it could remember more. */
const tried = (id: ApprovalId, msAgo = 0, place: Place = 'teams') =>
  redis.call('HSET', redis.key('cards', id), `${place}:posting:card`, Date.now() - msAgo)

/** As a click on that message tells. */
const seen = (id: ApprovalId, message: string) =>
  createSeenCards(redis).seen(id, 'teams', writeRef({ conversation: APPROVALS, message }))

describe('an approval', () => {
  it('begins a thread in the channel and is told to the person behind the agent, and both follow what becomes of it', async () => {
    await installed()
    await teams.install(teams.personalConversation('Alice')).catch(() => undefined)
    outbox()
    const id = await anOpenHold({ from: ['dba'] })
    await nothingIsDue()
    const [card] = cardsOf(id)
    expect([cardsOf(id).length, cardsOf(id, 'teams:requester').length]).toEqual([1, 1])
    expect([card?.conversationId, card?.threadId]).toEqual([APPROVALS, card?.id])
    expect(cardsOf(id, 'teams:requester')[0]?.conversationId).toBe(teams.personalConversation('Alice'))
    // Whose own views Teams asks for: the agent's owner, and who may review it.
    expect(card?.card?.refresh).toMatchObject({ userIds: [teams.mriOf('Alice'), teams.mriOf('Bob')] })
    await store.apply(id, reviewed('deny', 'bob'))
    await nothingIsDue()
    for (const place of ['teams', 'teams:requester']) {
      expect(cardsOf(id, place)).toHaveLength(1)
      expect(textIn(cardsOf(id, place)[0])).toContain('Denied by bob')
    }
    expect(errors).toEqual([])
  })

  it('is reminded of in its thread, once, also by the next process', async () => {
    await installed()
    const first = outbox()
    const id = await anOpenHold({ requestedAt: epochMs(Date.now() - 120_000) })
    await nothingIsDue()
    const by = { id: 'teams:x:y', email: 'bob@example.com', name: 'Bob' }
    await store.apply(id, { type: 'reminded', by, at: epochMs(Date.now()) })
    await nothingIsDue()
    await first.close()
    outbox()
    await store.apply(id, { type: 'agent_left', awaySince: epochMs(Date.now()), at: epochMs(Date.now()) })
    await nothingIsDue()
    expect(below(cardsOf(id)[0]).map(textIn)).toEqual([expect.stringContaining('Reminder')])
  })

  it('in a group chat is followed in the chat, which has no threads', async () => {
    await installed(GROUP_CHAT)
    outbox({ approvals: GROUP_CHAT })
    const id = await anOpenHold({ requestedAt: epochMs(Date.now() - 120_000) })
    await nothingIsDue()
    const by = { id: 'teams:x:y', email: 'bob@example.com', name: 'Bob' }
    await store.apply(id, { type: 'reminded', by, at: epochMs(Date.now()) })
    await nothingIsDue()
    const inChat = teams.messages.filter(({ conversationId }) => conversationId === GROUP_CHAT)
    expect(inChat).toHaveLength(2)
  })

  it('whose message was deleted is decided all the same', async () => {
    await installed()
    outbox()
    const id = await anOpenHold()
    await nothingIsDue()
    teams.deleteMessage(cardsOf(id)[0]?.id ?? '')
    expect((await store.apply(id, reviewed('approve', 'carol'))).ok).toBe(true)
    await nothingIsDue()
    expect(cardsOf(id)).toHaveLength(1)
  })
})

describe('an answer of Teams that is lost', () => {
  it('[REQ-DELIVERY-5] leaves one card, which Graph finds and which goes on being repainted', async () => {
    await installed()
    teams.failNext('send', { isAnswerLost: true })
    outbox()
    const id = await anOpenHold()
    await nothingIsDue()
    await store.apply(id, reviewed('approve', 'carol'))
    await nothingIsDue()
    expect(cardsOf(id)).toHaveLength(1)
    expect(textIn(cardsOf(id)[0])).toContain('Approved by carol')
    expect(teams.calls.some(({ operation }) => operation === 'graph')).toBe(true)
  })

  it('leaves one reminder in its thread', async () => {
    await installed()
    outbox()
    const id = await anOpenHold({ requestedAt: epochMs(Date.now() - 120_000) })
    await nothingIsDue()
    teams.failNext('send', { isAnswerLost: true })
    const by = { id: 'teams:x:y', email: 'bob@example.com', name: 'Bob' }
    await store.apply(id, { type: 'reminded', by, at: epochMs(Date.now()) })
    await nothingIsDue()
    expect(below(cardsOf(id)[0])).toHaveLength(1)
  })

  it('that nothing became of is posted after a while', async () => {
    await installed()
    const id = await anOpenHold()
    await tried(id, LOST_AFTER_MS)
    outbox()
    await nothingIsDue()
    expect(cardsOf(id)).toHaveLength(1)
  })

  it('is told from a message that another bot made to look like ours', async () => {
    await installed()
    const id = await anOpenHold()
    const mark = markOf({ kind: 'card', approvalId: id, place: 'teams' })
    teams.forge({ conversationId: APPROVALS, card: { type: 'AdaptiveCard', version: '1.5', body: [{ id: mark }] } })
    await tried(id, LOST_AFTER_MS)
    outbox()
    await nothingIsDue()
    expect(cardsOf(id).map(({ from }) => from === teams.botMri)).toEqual([false, true])
  })

  it('[REQ-DELIVERY-5] without Graph is never posted again; a click on it makes it the one that is repainted', async () => {
    await installed()
    teams.failNext('send', { isAnswerLost: true })
    outbox({ graph: false })
    const id = await anOpenHold()
    await nothingIsDue()
    expect(cardsOf(id)).toHaveLength(1)
    expect(errors).toEqual([expect.stringContaining('set channels.teams.graph to true')])
    const said = sends()
    await store.apply(id, { type: 'agent_left', awaySince: epochMs(Date.now()), at: epochMs(Date.now()) })
    await nothingIsDue()
    expect([sends(), errors.length], 'it neither spins nor complains again').toEqual([said, 1])
    await seen(id, cardsOf(id)[0]?.id ?? '')
    await store.apply(id, reviewed('approve', 'carol'))
    await nothingIsDue()
    await until('it is repainted', () => textIn(cardsOf(id)[0]).includes('Approved by carol'))
    expect(cardsOf(id)).toHaveLength(1)
  })

  it('a click on a forwarded copy takes nothing from a card that is known', async () => {
    await installed()
    outbox()
    const id = await anOpenHold()
    await nothingIsDue()
    const copy = teams.forge({ conversationId: APPROVALS, card: cardsOf(id)[0]?.card ?? null })
    await seen(id, copy)
    await store.apply(id, reviewed('approve', 'carol'))
    await nothingIsDue()
    expect(cardsOf(id).map((message) => textIn(message).includes('Approved by carol'))).toEqual([true, false])
  })
})

describe('Teams’ limits', () => {
  it('a storm of new cards and of 429s and 412s loses none and doubles none, and a repaint does not wait for it', async () => {
    await installed()
    outbox()
    const shown = await anOpenHold({ from: ['x'] })
    await nothingIsDue()
    teams.failNext('send', { status: 429, retryAfterSec: 1 })
    teams.failNext('send', { status: 412, retryAfterSec: 1 })
    const ids = await Promise.all(Array.from({ length: 3 }, () => anOpenHold()))
    await store.apply(shown, reviewed('approve', 'carol'))
    await until('the decision is shown', () => textIn(cardsOf(shown)[0]).includes('Approved by carol'))
    await nothingIsDue()
    expect(ids.map((id) => cardsOf(id).length)).toEqual(ids.map(() => 1))
    const refused = teams.calls.filter(({ operation, status }) => operation === 'send' && status === 429)
    expect(refused, 'ours were kept by pacing: the one that was planted alone').toHaveLength(1)
  })
})

describe('a conversation', () => {
  it('that Teams has not told of is waited for, and the log says once what to do', async () => {
    const channel = outgoing()
    const card = cardOf(aFreshApproval({ channels: ['teams'] }))
    await expect(channel.post(card, 'teams')).rejects.toBeInstanceOf(ChannelBusy)
    await expect(channel.post(card, 'teams')).rejects.toBeInstanceOf(ChannelBusy)
    expect(errors).toEqual([expect.stringContaining('install the app')])
    expect(sends()).toBe(0)
  })

  it('that the app was taken out of is refused, known no more, and the log says so', async () => {
    const channel = outgoing()
    const { serviceUrl, tenantId } = teams
    const gone = { id: APPROVALS, kind: 'channel', tenantId, serviceUrl, oid: null, teamGroupId: TEAM_GROUP } as const
    await conversations.remember(gone)
    const id = await anOpenHold()
    const card = cardOf((await store.get(id)) as Approval)
    await expect(channel.post(card, 'teams')).rejects.toBeInstanceOf(ChannelRefused)
    expect(errors).toEqual([expect.stringContaining('the app is not in this conversation')])
    expect(await conversations.get(APPROVALS)).toBeNull()
  })
})
