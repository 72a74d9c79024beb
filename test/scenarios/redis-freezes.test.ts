/** What stands frozen, in a real Redis and in two replicas: known at once, kept through cuts, and never lost with a message. */
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { approvalKeys } from '../../jobs/approvals/keys.ts'
import type { FreezesService } from '../../jobs/freezes.ts'
import { createFreezes, FREEZES_MAX, startFreezes } from '../../jobs/freezes.ts'
import type { Inbox } from '../../jobs/inbox.ts'
import { startInbox } from '../../jobs/inbox.ts'
import type { RedisHandle } from '../../jobs/redis.ts'
import { epochMs } from '../../src/brands.ts'
import type { Freeze, FreezeScope } from '../../src/freeze/freeze.ts'
import { aPrincipal, aReviewer } from '../support/examples.ts'
import type { TestRedis } from '../support/redis.ts'
import { silentLog, startTestRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'

interface Replica {
  readonly redis: RedisHandle
  readonly inbox: Inbox
  readonly freezes: FreezesService
}

const never = new AbortController().signal
const ALICE_CALLS = { principal: aPrincipal(), upstream: 'files' }
const OTHERS_CALL = { principal: aPrincipal({ subject: 'bob', email: 'bob@example.com' }), upstream: 'mail' }
let server: TestRedis
const replicas: Replica[] = []
let count = 0

beforeAll(async () => {
  server = await startTestRedis()
})
beforeEach(async () => {
  await closeAll()
  count += 1
})
afterAll(async () => {
  await closeAll()
  await server?.stop()
})

async function closeAll(): Promise<void> {
  for (const { freezes, inbox } of replicas.splice(0)) {
    freezes.close()
    await inbox.close()
  }
}

async function aReplica(): Promise<Replica> {
  const redis = await server.connect(`freezes-${count}`)
  const inbox = await startInbox(redis, silentLog)
  const replica = { redis, inbox, freezes: await startFreezes({ redis, inbox, log: silentLog, signal: never }) }
  replicas.push(replica)
  return replica
}

const aFreeze = (scope: FreezeScope, at = 1_000): Freeze => ({
  scope,
  by: aReviewer('bob@example.com'),
  at: epochMs(at),
  reason: 'a leaked token',
})
const ALL: FreezeScope = { kind: 'all' }

it('[REQ-FREEZE-1] every replica hears of a freeze, and of its end', async () => {
  const [one, other] = [await aReplica(), await aReplica()]
  expect(other.freezes.stops(ALICE_CALLS)).toBeNull()
  const freeze = aFreeze({ kind: 'agent', owner: 'alice@example.com' })
  expect(await one.freezes.add(freeze)).toEqual(freeze)
  await until('the other replica has heard', () => other.freezes.stops(ALICE_CALLS) ?? undefined)
  expect(other.freezes.stops(ALICE_CALLS)).toEqual(freeze)
  expect(other.freezes.stops(OTHERS_CALL)).toBeNull()
  expect(await other.freezes.remove(freeze.scope)).toBe(true)
  await until('both let it through', () =>
    [one, other].every(({ freezes }) => freezes.stops(ALICE_CALLS) === null) ? true : undefined,
  )
  expect(await one.freezes.remove(freeze.scope)).toBe(false)
})

it('a process that starts knows what stood before, before it is asked anything', async () => {
  const shell = createFreezes(await server.connect(`freezes-${count}`))
  await shell.add(aFreeze({ kind: 'upstream', upstream: 'files' }))
  const { freezes } = await aReplica()
  expect(freezes.stops(ALICE_CALLS)?.scope).toEqual({ kind: 'upstream', upstream: 'files' })
})

it('the first to freeze a scope stays, also of two at once', async () => {
  const [one, other] = [await aReplica(), await aReplica()]
  const answers = await Promise.all([one.freezes.add(aFreeze(ALL, 1)), other.freezes.add(aFreeze(ALL, 2))])
  expect(answers[0]).toEqual(answers[1])
  expect(await one.freezes.list()).toEqual([answers[0]])
})

it('what is frozen under several names is free only when all are thawed', async () => {
  const { freezes } = await aReplica()
  await freezes.add(aFreeze(ALL))
  await freezes.add(aFreeze({ kind: 'upstream', upstream: 'files' }, 2_000))
  await freezes.remove(ALL)
  await until('the others are free', () => (freezes.stops(OTHERS_CALL) === null ? true : undefined))
  expect(freezes.stops(ALICE_CALLS)).not.toBeNull()
})

it('[REQ-FREEZE-1] while Redis is away the last known freezes hold, and nothing can be thawed', async () => {
  const { freezes } = await aReplica()
  await freezes.add(aFreeze(ALL))
  await until('it is known', () => freezes.stops(ALICE_CALLS) ?? undefined)
  server.signal('SIGSTOP')
  try {
    await expect(freezes.remove(ALL)).rejects.toMatchObject({ code: 'store_unavailable' })
    expect(freezes.stops(ALICE_CALLS)).not.toBeNull()
  } finally {
    server.signal('SIGCONT')
  }
  await until('Redis answers again', () => freezes.list().catch(() => undefined))
  expect(freezes.stops(ALICE_CALLS)).not.toBeNull()
})

it('[REQ-FREEZE-1] a Redis that lost its data does not thaw: whoever still knows puts it back', async () => {
  const { freezes, redis } = await aReplica()
  const keys = approvalKeys(redis)
  await freezes.add(aFreeze(ALL))
  await until('it is known', () => freezes.stops(ALICE_CALLS) ?? undefined)
  await redis.call('DEL', keys.freezes)
  // As any freeze would: it makes every replica read.
  await redis.call('XADD', keys.freezeChanges, '*', 'id', '1')
  await until('it is put back', async () => ((await freezes.list()).length === 1 ? true : undefined))
  expect(freezes.stops(ALICE_CALLS)).not.toBeNull()
  expect(await freezes.remove(ALL)).toBe(true)
  await until('it can be thawed after all', () => (freezes.stops(ALICE_CALLS) === null ? true : undefined))
})

it('no more stand than every call can be held against', async () => {
  const { freezes } = await aReplica()
  for (let at = 0; at < FREEZES_MAX; at += 1) await freezes.add(aFreeze({ kind: 'agent', owner: `a${at}@example.com` }))
  expect(await freezes.add(aFreeze({ kind: 'agent', owner: 'one-more@example.com' }))).toBeNull()
  expect(await freezes.list()).toHaveLength(FREEZES_MAX)
})
