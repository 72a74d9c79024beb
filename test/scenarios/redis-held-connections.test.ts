/** A cancellation finds its call on whichever replica it is held, and takes back only what is its own. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { ClientBudgetsService } from '../../jobs/client-budgets.ts'
import { startClientBudgets } from '../../jobs/client-budgets.ts'
import type { HeldConnectionsService } from '../../jobs/held-connections.ts'
import { startHeldConnections } from '../../jobs/held-connections.ts'
import type { Inbox } from '../../jobs/inbox.ts'
import { startInbox } from '../../jobs/inbox.ts'
import { createParkedCalls } from '../../jobs/parked-calls.ts'
import type { RedisHandle } from '../../jobs/redis.ts'
import type { ApprovalId, CallId } from '../../src/brands.ts'
import { epochMs } from '../../src/brands.ts'
import type { HeldConnection, ParkedCall, RequestName } from '../../src/ports.ts'
import { aPrincipal } from '../support/examples.ts'
import type { TestRedis } from '../support/redis.ts'
import { silentLog, startTestRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'

let server: TestRedis

interface Replica {
  readonly redis: RedisHandle
  readonly inbox: Inbox
  readonly held: HeldConnectionsService
}
let one: Replica
let other: Replica
let count = 0

beforeAll(async () => {
  server = await startTestRedis()
  one = await startReplica()
  other = await startReplica()
})
afterAll(async () => {
  for (const { held, inbox } of [one, other]) {
    held.close()
    await inbox.close()
  }
  await server.stop()
})

async function startReplica(): Promise<Replica> {
  const redis = await server.connect('held')
  const inbox = await startInbox(redis, silentLog)
  return { redis, inbox, held: startHeldConnections({ redis, inbox, log: silentLog }) }
}

interface Hold {
  readonly callId: CallId
  readonly approvalId: ApprovalId
  readonly request: RequestName
}
let hold: Hold
const until60 = () => epochMs(Date.now() + 60_000)

beforeEach(() => {
  count += 1
  hold = aHold()
})

function aHold(approvalId = `apr_${count}` as ApprovalId, suffix = ''): Hold {
  const request: RequestName = { digest: `request-${count}${suffix}`, hasSession: true }
  return { callId: `call_${count}${suffix}` as CallId, approvalId, request }
}
const attach = (replica: Replica, which: Hold = hold) => replica.held.attach({ ...which, until: until60() })
const ended = (connection: HeldConnection) => until('it has ended', () => connection.ended.aborted)

describe('a cancellation', () => {
  it.each<[string, () => Replica]>([
    ['that comes to the replica which holds the call', () => one],
    ['that comes to another', () => other],
  ])('%s ends the connection, and finds that nobody else waits', async (_sentence, replica) => {
    const connection = await attach(one)
    expect(connection.ended.aborted).toBe(false)
    const { callId, approvalId, request } = hold
    expect(await replica().held.cancel(request, 'withdrawn')).toEqual({ callId, approvalId, isAlone: true })
    await ended(connection)
    expect(connection.ended.reason).toBe('withdrawn')
    connection.left()
  })

  it('says who else waits, on whichever replica, as long as that one waits and its replica lives', async () => {
    await attach(one)
    const second = aHold(hold.approvalId, '-b')
    const connection = await attach(other, second)
    expect(await one.held.cancel(hold.request, 'withdrawn')).toMatchObject({ isAlone: false })
    expect(connection.ended.aborted, 'another request of the same approval').toBe(false)

    await attach(one, aHold(hold.approvalId, '-c'))
    connection.left()
    await until('only one waits', async () => (await attachedTo(hold.approvalId)) === 1)
    expect(await one.held.cancel(aHold(hold.approvalId, '-c').request, 'withdrawn')).toMatchObject({ isAlone: true })

    await attach(one, aHold(hold.approvalId, '-d'))
    await one.redis.call('SADD', one.redis.key('attached', hold.approvalId), 'dead dead/1 call_x')
    expect(await one.held.cancel(aHold(hold.approvalId, '-d').request, 'withdrawn')).toMatchObject({ isAlone: true })
  })

  it('takes the parked call away, so that its client can’t come back to it', async () => {
    const parked = createParkedCalls(one.redis)
    await parked.park({ callId: hold.callId, principal: aPrincipal() } as ParkedCall, until60())
    const connection = await attach(one)
    connection.left()
    expect(await other.held.cancel(hold.request, 'timed_out')).toMatchObject({ callId: hold.callId })
    expect(await parked.get(hold.callId)).toBeNull()
    expect(await one.redis.call('EXISTS', one.redis.key('parked-bytes')), 'its memory').toBe(0)
  })

  it('that overtakes its request ends it when it comes to be held', async () => {
    expect(await other.held.cancel(hold.request, 'withdrawn')).toBeNull()
    const connection = await attach(one)
    expect(connection.cancelled).toEqual({ end: 'withdrawn', isAlone: true })
    expect(connection.ended.reason).toBe('withdrawn')
  })

  it('without a session means nothing where two clients may mean it, and nothing that comes later', async () => {
    const request = { ...hold.request, hasSession: false }
    const first = await attach(one, { ...hold, request })
    const second = await attach(other, { ...aHold(hold.approvalId, '-b'), request })
    expect(await one.held.cancel(request, 'withdrawn')).toBeNull()
    expect([first.ended.aborted, second.ended.aborted]).toEqual([false, false])

    const later = { ...request, digest: `${request.digest}-c` }
    expect(await one.held.cancel(later, 'withdrawn')).toBeNull()
    expect((await attach(one, { ...aHold(hold.approvalId, '-c'), request: later })).cancelled).toBeNull()
  })

  it('of a call that went to the MCP server is none of a hold', async () => {
    const connection = await attach(one)
    connection.settled()
    await until('it is settled', async () => (await attachedTo(hold.approvalId)) === 0)
    expect(await other.held.cancel(hold.request, 'withdrawn')).toBeNull()
    expect(connection.ended.aborted).toBe(false)
  })
})

it('a client that comes back over another connection ends the one before, and only that', async () => {
  const before = await attach(one)
  const after = await attach(other)
  await ended(before)
  expect(before.ended.reason).toBe('superseded')
  expect(after.ended.aborted).toBe(false)
})

describe('a client’s patience', () => {
  const budgets: ClientBudgetsService[] = []
  const kind = (client: string, hasToken = false) => ({ client, oauthClient: 'cid', hasToken })
  beforeAll(() => {
    budgets.push(startClientBudgets(one.redis, silentLog), startClientBudgets(other.redis, silentLog))
  })
  afterAll(() => {
    for (const service of budgets) service.close()
  })
  const [here, there] = [() => budgets[0] as ClientBudgetsService, () => budgets[1] as ClientBudgetsService]

  it('is known at once where it was seen, and to the other replicas when they read again', async () => {
    here().gaveUp(kind('Impatient'), 60_000, 'said')
    expect(here().learnedMs(kind('impatient'))).toBe(48_000)
    await until('the other replica knows', async () => {
      await there().refresh()
      return there().learnedMs(kind('impatient')) === 48_000
    })
  })

  it.each<[string, Parameters<ClientBudgetsService['learnedMs']>[0]]>([
    ['another name', kind('patient')],
    ['a call with a token', kind('impatient', true)],
    ['the same name with another OAuth client', { ...kind('impatient'), oauthClient: 'other' }],
  ])('is not that of %s', (_sentence, unlike) => {
    here().gaveUp(kind('impatient'), 60_000, 'said')
    expect(here().learnedMs(unlike)).toBeNull()
  })

  it('is not learned from one that merely left, until it leaves again after the same time', () => {
    here().gaveUp(kind('leaves'), 60_000, 'left')
    expect(here().learnedMs(kind('leaves'))).toBeNull()
    here().gaveUp(kind('leaves'), 25_000, 'left')
    expect(here().learnedMs(kind('leaves'))).toBeNull()
    here().gaveUp(kind('leaves'), 26_000, 'left')
    expect(here().learnedMs(kind('leaves'))).toBe(20_800)
  })

  it('is kept of a bounded number of clients, the latest', async () => {
    const names = Array.from({ length: 1_010 }, (_, at) => `many-${at}`)
    for (const name of names) here().gaveUp(kind(name), 60_000, 'said')
    await until('all are told', async () => {
      await there().refresh()
      return there().learnedMs(kind('many-1009')) !== null
    })
    expect(await one.redis.call('HLEN', one.redis.key('client-budgets'))).toBe(1_000)
    expect(there().learnedMs(kind('many-0'))).toBeNull()
  })
})

async function attachedTo(id: ApprovalId): Promise<number> {
  return Number(await one.redis.call('SCARD', one.redis.key('attached', id)))
}
