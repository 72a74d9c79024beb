/** Cards on their way to a channel that is busy, fails, or whose worker dies. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createApprovalStore, type RedisApprovalStore } from '../../jobs/approvals/store.ts'
import { createHolds, type HoldsService } from '../../jobs/holds.ts'
import { type Inbox, startInbox } from '../../jobs/inbox.ts'
import { startOutbox } from '../../jobs/outbox.ts'
import type { RedisHandle } from '../../jobs/redis.ts'
import type { Approval, Remark } from '../../src/approval/approval.ts'
import type { Card } from '../../src/approval/card.ts'
import type { Reply } from '../../src/approval/replies.ts'
import type { ApprovalId } from '../../src/brands.ts'
import { epochMs } from '../../src/brands.ts'
import type { ChannelName } from '../../src/policy/decision.ts'
import { type Channel, ChannelBusy, type MessageRef } from '../../src/ports.ts'
import { aFreshApproval, cancelled, reviewed } from '../support/approvals.ts'
import { aReviewer } from '../support/examples.ts'
import {
  systemClock as clock,
  silentLog as log,
  silentRecorder as recorder,
  startTestRedis,
  type TestRedis,
} from '../support/redis.ts'
import { until } from '../support/until.ts'

const cleanups: (() => Promise<unknown> | unknown)[] = []
let server: TestRedis
let redis: RedisHandle
let inbox: Inbox
let store: RedisApprovalStore
let holds: HoldsService

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
  await server.stop()
})

interface Painting {
  readonly ref: string
  readonly how: 'post' | 'update'
  readonly state: string
  readonly at: number
}

/** A channel in memory that shows what it was asked to, or fails as told. */
function aChannel(name: ChannelName = 'console') {
  const paintings: Painting[] = []
  const failures: Error[] = []
  let inside = 0
  let insideMost = 0
  const show = async (how: Painting['how'], ref: string, card: Card) => {
    insideMost = Math.max(insideMost, ++inside)
    await new Promise((resolve) => setImmediate(resolve))
    inside--
    const failure = failures.shift()
    if (failure) throw failure
    paintings.push({ ref, how, state: card.state, at: Date.now() })
    return ref as MessageRef
  }
  const channel: Channel = {
    name,
    post: (card) => show('post', `message-${card.approvalId}`, card),
    update: async (ref, card) => void (await show('update', ref, card)),
    summarise: async () => null,
    notify: async () => undefined,
  }
  return { channel, paintings, failures, insideMost: () => insideMost }
}

const cardOf = ({ id, state }: Approval) => ({ approvalId: id, state }) as Card

function outbox(...channels: Channel[]) {
  const started = startOutbox({ redis, inbox, store, channels, cardOf, clock, log })
  let closing: Promise<void> | undefined
  const close = () => {
    closing ??= started.close()
    return closing
  }
  cleanups.push(close)
  return { close }
}

const dueCards = () => redis.call('SMEMBERS', redis.key('cards-due'))
const nothingIsDue = () => until('no card is due', async () => ((await dueCards()) as string[]).length === 0)

async function anOpenHold(change: Partial<Approval> = {}): Promise<ApprovalId> {
  const approval = aFreshApproval(change)
  await holds.open(approval)
  return approval.id
}

const told = (paintings: readonly Painting[]) => paintings.map(({ how, state }) => `${how} ${state}`)

describe('the outbox', () => {
  it('asks and reminds below a card of which the rest can’t be put beside it, and gives that up', async () => {
    const { channel, paintings } = aChannel()
    const replies: string[] = []
    let tries = 0
    const attach = async () => {
      tries += 1
      throw new Error('socket hang up')
    }
    const reply = async (_ref: MessageRef, { type }: Reply) => void replies.push(type)
    outbox({ ...channel, attach, reply })
    const id = await anOpenHold()
    await until('it is posted', () => paintings.length === 1)
    const remark: Remark = { kind: 'question', by: aReviewer('bob@example.com'), text: 'Which?', at: clock.now() }
    await store.apply(id, { type: 'remarked', remark, at: clock.now() })
    await until('the question is asked', () => replies.length > 0)
    await nothingIsDue()
    expect(replies).toEqual(['remark'])
    expect(tries).toBe(4)
  })

  it('posts a card once and repaints it in the same message with each change', async () => {
    const { channel, paintings } = aChannel()
    outbox(channel)
    const id = await anOpenHold({ quorum: 2 })
    await until('it is posted', () => paintings.length === 1)
    await store.apply(id, reviewed('approve', 'bob'))
    await until('the first review is shown', () => paintings.length === 2)
    await store.apply(id, reviewed('approve', 'carol'))
    await nothingIsDue()
    expect(told(paintings)).toEqual(['post pending', 'update pending', 'update approved'])
    expect(new Set(paintings.map(({ ref }) => ref)).size).toBe(1)
  })

  it('shows an approval on the channels that it names, and on every one where it names none', async () => {
    const slack = aChannel('slack')
    const console = aChannel('console')
    outbox(slack.channel, console.channel)
    await anOpenHold({ channels: ['slack'] })
    await nothingIsDue()
    expect([slack.paintings.length, console.paintings.length]).toEqual([1, 0])
    await anOpenHold({ channels: [] })
    await nothingIsDue()
    expect([slack.paintings.length, console.paintings.length]).toEqual([2, 1])
  })

  it.each<[string, (id: ApprovalId) => Promise<unknown>, Partial<Approval>]>([
    ['decided', (id) => store.apply(id, cancelled()), {}],
    ['past its deadline', () => until('the deadline has passed', () => Date.now() > soonAt), {}],
  ])('never asks people about an approval that was %s before it could be posted', async (_, happen, change) => {
    const { channel, paintings } = aChannel()
    soonAt = Date.now() + 200
    const id = await anOpenHold({ ...change, expiresAt: epochMs(soonAt) })
    await happen(id)
    const open = await anOpenHold()
    outbox(channel)
    await until('the open one is posted', () => paintings.length > 0)
    await store.apply(id, { type: 'deadline', at: epochMs(soonAt + 1) })
    await nothingIsDue()
    expect(paintings.map(({ ref }) => ref)).toEqual([`message-${open}`])
  })

  it('repaints after a start what was decided while no outbox ran', async () => {
    const { channel, paintings } = aChannel()
    const first = outbox(channel)
    const id = await anOpenHold()
    await nothingIsDue()
    await first.close()
    await store.apply(id, reviewed('deny'))
    outbox(channel)
    await nothingIsDue()
    expect(told(paintings)).toEqual(['post pending', 'update denied'])
  })

  it('tries again after a failure, and shows the state as it is then', async () => {
    const { channel, paintings, failures } = aChannel()
    failures.push(new Error('down'), new Error('down'))
    outbox(channel)
    await anOpenHold()
    await nothingIsDue()
    expect(told(paintings)).toEqual(['post pending'])
  })

  it('waits as long as a busy channel asks, with every card, and then posts each once', async () => {
    const { channel, paintings, failures, insideMost } = aChannel('slack')
    const busyUntil = Date.now() + 1_500
    failures.push(new ChannelBusy(1_500))
    outbox(channel)
    const ids = await Promise.all(Array.from({ length: 5 }, () => anOpenHold({ channels: ['slack'] })))
    await nothingIsDue()
    expect(new Set(paintings.map(({ ref }) => ref))).toEqual(new Set(ids.map((id) => `message-${id}`)))
    expect(paintings).toHaveLength(5)
    for (const { at } of paintings) expect(at).toBeGreaterThanOrEqual(busyUntil)
    expect(insideMost()).toBe(1)
  })

  it('paints one card at a time although two processes have an outbox', async () => {
    const { channel, paintings, insideMost } = aChannel()
    outbox(channel)
    outbox(channel)
    const ids = await Promise.all(Array.from({ length: 20 }, () => anOpenHold()))
    await until('some are posted', () => paintings.length > 2)
    await Promise.all(ids.map((id) => store.apply(id, reviewed('approve'))))
    await nothingIsDue()
    expect(insideMost()).toBe(1)
    for (const id of ids) {
      const shown = paintings.filter(({ ref }) => ref === `message-${id}`)
      expect(shown.filter(({ how }) => how === 'post').length).toBeLessThanOrEqual(1)
      if (shown.length > 0) expect(shown.at(-1)?.state).toBe('approved')
    }
  })

  it('goes on after Redis was killed and came back', async () => {
    const { channel, paintings } = aChannel()
    outbox(channel)
    const id = await anOpenHold()
    await nothingIsDue()
    server.signal('SIGKILL')
    await until('the loss is noticed', () => !redis.isReady())
    await server.restart()
    await redis.whenReady()
    await store.apply(id, reviewed('approve'))
    await until('the decision is shown', () => paintings.length === 2)
    expect(told(paintings)).toEqual(['post pending', 'update approved'])
  })
})

let soonAt = 0
