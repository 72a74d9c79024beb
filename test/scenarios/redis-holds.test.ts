/** Holds over a real Redis that is stopped, killed and started again. */
import { afterEach, describe, expect, it } from 'vitest'
import { createApprovalStore, type RedisApprovalStore } from '../../jobs/approvals/store.ts'
import { startGrantRevocation } from '../../jobs/grant-revocation.ts'
import { createGrants } from '../../jobs/grants.ts'
import { createHolds, type HoldsService, holdJobId, startHoldsWorker } from '../../jobs/holds.ts'
import { type Inbox, startInbox } from '../../jobs/inbox.ts'
import { openQueue } from '../../jobs/queues.ts'
import { connectRedis, type RedisHandle } from '../../jobs/redis.ts'
import { sessionBusy } from '../../jobs/session-busy.ts'
import type { AuditEvent } from '../../src/audit/events.ts'
import type { SessionId } from '../../src/brands.ts'
import { epochMs } from '../../src/brands.ts'
import { grantIdOf } from '../../src/grant/grant.ts'
import type { Recorder } from '../../src/ports.ts'
import { aFreshApproval, cancelled, reviewed } from '../support/approvals.ts'
import {
  systemClock as clock,
  silentLog as log,
  silentRecorder,
  startTestRedis,
  type TestRedis,
} from '../support/redis.ts'
import { until } from '../support/until.ts'

const cleanups: (() => Promise<unknown> | unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function aServer(): Promise<TestRedis> {
  const server = await startTestRedis()
  cleanups.push(() => server.stop())
  return server
}

interface Gateway {
  readonly redis: RedisHandle
  readonly inbox: Inbox
  readonly store: RedisApprovalStore
  readonly holds: HoldsService
}

async function aGateway(server: TestRedis, keyPrefix: string): Promise<Gateway> {
  const redis = await server.connect(keyPrefix)
  const inbox = await startInbox(redis, log)
  const store = createApprovalStore({ redis, inbox })
  const holds = createHolds({ redis, inbox, store, recorder: silentRecorder, clock, log })
  cleanups.push(
    () => inbox.close(),
    () => holds.close(),
  )
  return { redis, inbox, store, holds }
}

function aRecorder(failures = 0): Recorder & { readonly events: AuditEvent[] } {
  let left = failures
  const events: AuditEvent[] = []
  return {
    events,
    async record(event) {
      if (left-- > 0) throw new Error('disk full')
      events.push(event)
    },
  }
}

function aHoldsWorker({ redis, store }: Gateway, recorder: Recorder) {
  const worker = startHoldsWorker({ redis, store, clock, log, recorder })
  cleanups.push(() => worker.close())
  return worker
}

const soon = (ms: number) => epochMs(Date.now() + ms)
const never = new AbortController().signal

/** What is left of an approval: it, its job, and the lists that show it. */
async function tracesOf({ redis, store }: Gateway, id: Parameters<RedisApprovalStore['get']>[0]) {
  const queue = openQueue(redis, 'holds')
  const traces = {
    approval: await store.get(id),
    job: await queue.has(holdJobId(id)),
    pending: await store.listPending(),
  }
  await queue.close()
  return traces
}

describe('a hold', () => {
  it('wakes its waiting connection when another gateway decides, and one that comes later finds the decision', async () => {
    const server = await aServer()
    const here = await aGateway(server, 'shared')
    const there = await aGateway(server, 'shared')
    const approval = aFreshApproval()
    expect(await here.holds.open(approval)).toEqual({ outcome: 'opened', approval })
    const waits = [
      here.holds.wait(approval.id, never),
      here.holds.wait(approval.id, never),
      there.holds.wait(approval.id, never),
    ]
    await there.store.apply(approval.id, reviewed('approve'))
    for (const outcome of await Promise.all(waits)) expect(outcome.state).toBe('approved')
    expect((await there.holds.wait(approval.id, never)).state).toBe('approved')
  })

  it('rejects with the reason of the signal, and leaves the approval open', async () => {
    const here = await aGateway(await aServer(), 'test')
    const approval = aFreshApproval()
    await here.holds.open(approval)
    const left = new AbortController()
    const waiting = here.holds.wait(approval.id, left.signal)
    left.abort(new Error('the agent left'))
    await expect(waiting).rejects.toThrow('the agent left')
    await expect(here.holds.wait(approval.id, left.signal)).rejects.toThrow('the agent left')
    expect((await here.store.get(approval.id))?.state).toBe('pending')
  })

  it('[REQ-HOLD-2] expires by its job, recorded once, although the first attempts to record fail', async () => {
    const here = await aGateway(await aServer(), 'test')
    const recorder = aRecorder(2)
    aHoldsWorker(here, recorder)
    const approval = aFreshApproval({ expiresAt: soon(300) })
    await here.holds.open(approval)
    const outcome = await here.holds.wait(approval.id, never)
    expect(outcome.state).toBe('expired')
    expect(outcome.resolvedAt).toBeGreaterThanOrEqual(approval.expiresAt)
    await until('the expiry is recorded', () => recorder.events.length > 0)
    expect(recorder.events).toEqual([
      {
        type: 'approval.resolved',
        at: outcome.resolvedAt,
        session_id: approval.sessionId,
        approval_id: approval.id,
        state: 'expired',
      },
    ])
  })

  it('expires although no worker ran at its deadline and its job was lost', async () => {
    const here = await aGateway(await aServer(), 'test')
    const approval = aFreshApproval({ expiresAt: soon(100), requestedAt: soon(-60_000) })
    await here.holds.open(approval)
    const queue = openQueue(here.redis, 'holds')
    await queue.remove(holdJobId(approval.id))
    await queue.close()
    aHoldsWorker(here, aRecorder())
    expect((await here.holds.wait(approval.id, never)).state).toBe('expired')
  })

  it('is decided, and its job then does nothing', async () => {
    const here = await aGateway(await aServer(), 'test')
    const recorder = aRecorder()
    const approval = aFreshApproval({ expiresAt: soon(400) })
    await here.holds.open(approval)
    await here.store.apply(approval.id, reviewed('deny', 'bob', approval.requestedAt))
    aHoldsWorker(here, recorder)
    await until('the job has run', async () => !(await tracesOf(here, approval.id)).job)
    expect((await here.store.get(approval.id))?.state).toBe('denied')
    expect(recorder.events).toEqual([])
  })
})

describe('Redis stopped (it answers nothing, the connection stands)', () => {
  it('[REQ-HOLD-6] refuses a hold within a second or so and leaves no ghost when Redis goes on: no approval, no job', async () => {
    const server = await aServer()
    const here = await aGateway(server, 'test')
    const approval = aFreshApproval()
    server.signal('SIGSTOP')
    const startedAt = Date.now()
    await expect(here.holds.open(approval)).rejects.toMatchObject({ code: 'store_unavailable' })
    expect(Date.now() - startedAt).toBeLessThan(3_000)
    server.signal('SIGCONT')
    await until('Redis answers again', () =>
      here.store.listPending().then(
        () => true,
        () => false,
      ),
    )
    expect(await tracesOf(here, approval.id)).toEqual({ approval: null, job: false, pending: [] })
    // The same call can be held now.
    expect(await here.holds.open(approval)).toMatchObject({ outcome: 'opened' })
  })

  it('withdraws a hold whose job timed out: cancelled, without a job, shown to nobody', async () => {
    const server = await aServer()
    const here = await aGateway(server, 'test')
    const changes: string[] = []
    const approval = aFreshApproval()
    // Redis stops between the approval and its job.
    const stopping: RedisApprovalStore = {
      ...here.store,
      async open(opened) {
        const answer = await here.store.open(opened)
        server.signal('SIGSTOP')
        return answer
      },
    }
    const holds = createHolds({
      redis: here.redis,
      inbox: here.inbox,
      store: stopping,
      recorder: silentRecorder,
      clock,
      log,
    })
    cleanups.push(() => holds.close())
    here.store.onChange((id) => changes.push(id), never)
    await expect(holds.open(approval)).rejects.toMatchObject({ code: 'store_unavailable' })
    server.signal('SIGCONT')
    await until(
      'it is withdrawn',
      async () => (await here.store.get(approval.id).catch(() => null))?.state === 'cancelled',
    )
    await until('its job is gone', async () => !(await tracesOf(here, approval.id)).job)
    expect((await tracesOf(here, approval.id)).pending).toEqual([])
    expect(await here.redis.call('SMEMBERS', here.redis.key('cards-due'))).toEqual([])
  })

  it('a decision that timed out never takes effect later', async () => {
    const server = await aServer()
    const here = await aGateway(server, 'test')
    const approval = aFreshApproval()
    await here.holds.open(approval)
    // Redis stops between the read and the write.
    const stopping: RedisHandle = {
      ...here.redis,
      runInTime(...write) {
        server.signal('SIGSTOP')
        return here.redis.runInTime(...write)
      },
    }
    const store = createApprovalStore({ redis: stopping, inbox: here.inbox })
    await expect(store.apply(approval.id, reviewed('approve'))).rejects.toMatchObject({ code: 'store_unavailable' })
    server.signal('SIGCONT')
    await until('Redis answers again', () => here.store.get(approval.id).catch(() => null))
    expect(await here.store.get(approval.id)).toEqual(approval)
    expect(await createGrants(here.redis, here.inbox.replica).get(grantIdOf(approval.id))).toBeNull()
  })
})

describe('Redis down at start', () => {
  it('refuses at once until it is there, and then everything works that was started before', async () => {
    const server = await aServer()
    server.signal('SIGKILL')
    const redis = connectRedis({ url: server.url, keyPrefix: 'test', clock, log })
    const inbox = await startInbox(redis, log)
    const store = createApprovalStore({ redis, inbox })
    const holds = createHolds({ redis, inbox, store, recorder: silentRecorder, clock, log })
    const here = { redis, inbox, store, holds }
    cleanups.push(
      () => redis.close(),
      () => inbox.close(),
      () => holds.close(),
    )
    const recorder = aRecorder()
    aHoldsWorker(here, recorder)
    const approval = aFreshApproval({ expiresAt: soon(2_500) })
    await expect(holds.open(approval)).rejects.toMatchObject({ code: 'store_unavailable' })
    expect(redis.isReady()).toBe(false)

    await server.restart()
    await redis.whenReady()
    expect(await holds.open(approval)).toMatchObject({ outcome: 'opened' })
    expect((await holds.wait(approval.id, never)).state).toBe('expired')
    await until('the expiry is recorded', () => recorder.events.length === 1)
  })
})

describe('Redis killed', () => {
  it('refuses at once, and when Redis is back the waiting hold still wakes and new ones open', async () => {
    const server = await aServer()
    const here = await aGateway(server, 'test')
    const approval = aFreshApproval()
    await here.holds.open(approval)
    const waiting = here.holds.wait(approval.id, never)
    server.signal('SIGKILL')
    await until('the loss is noticed', () => !here.redis.isReady())
    const startedAt = Date.now()
    await expect(here.holds.open(aFreshApproval())).rejects.toMatchObject({ code: 'store_unavailable' })
    await expect(here.store.get(approval.id)).rejects.toMatchObject({ code: 'store_unavailable' })
    expect(Date.now() - startedAt).toBeLessThan(500)

    await server.restart()
    await here.redis.whenReady()
    expect((await here.store.get(approval.id))?.state).toBe('pending')
    await here.store.apply(approval.id, reviewed('approve'))
    expect((await waiting).state).toBe('approved')
    expect(await here.holds.open(aFreshApproval())).toMatchObject({ outcome: 'opened' })
  })

  it('wakes a hold that was decided while the waiting gateway could not hear', async () => {
    const server = await aServer()
    const here = await aGateway(server, 'shared')
    const approval = aFreshApproval()
    await here.holds.open(approval)
    const waiting = here.holds.wait(approval.id, never)
    const there = await aGateway(server, 'shared')
    // Cut the waiting gateway's connections, all of them, and decide before it can be back.
    const clients = String(await there.redis.call('CLIENT', 'LIST'))
    const mine = Number(await there.redis.call('CLIENT', 'ID'))
    for (const line of clients.trim().split('\n')) {
      const id = Number(/\bid=(\d+)/.exec(line)?.[1])
      if (id < mine - 10) await there.redis.call('CLIENT', 'KILL', 'ID', id)
    }
    await there.store.apply(approval.id, reviewed('deny'))
    expect((await waiting).state).toBe('denied')
  })

  it('lets the workers go on when Redis is back: a deadline that passed meanwhile is carried out', async () => {
    const server = await aServer()
    const here = await aGateway(server, 'test')
    const recorder = aRecorder()
    aHoldsWorker(here, recorder)
    const approval = aFreshApproval({ expiresAt: soon(1_000) })
    await here.holds.open(approval)
    const waiting = here.holds.wait(approval.id, never)
    server.signal('SIGKILL')
    await until('the loss is noticed', () => !here.redis.isReady())
    await until('the deadline has passed', () => Date.now() > approval.expiresAt)
    await server.restart()
    expect((await waiting).state).toBe('expired')
    await until('the expiry is recorded', () => recorder.events.length === 1)
  })

  it('closes everything in bounded time while Redis is away', async () => {
    const server = await aServer()
    const here = await aGateway(server, 'test')
    const worker = startHoldsWorker({ ...here, clock, log, recorder: aRecorder() })
    server.signal('SIGKILL')
    await until('the loss is noticed', () => !here.redis.isReady())
    const startedAt = Date.now()
    await Promise.all([worker.close(), here.holds.close(), here.inbox.close()])
    expect(Date.now() - startedAt).toBeLessThan(15_000)
  })
})

describe('a worker that ended', () => {
  it('has its deadlines carried out by the next one', async () => {
    const here = await aGateway(await aServer(), 'test')
    const first = startHoldsWorker({ ...here, clock, log, recorder: aRecorder() })
    const approval = aFreshApproval({ expiresAt: soon(3_000) })
    await here.holds.open(approval)
    await first.close()
    await until('the deadline has passed', () => Date.now() > approval.expiresAt)
    expect((await here.store.get(approval.id))?.state).toBe('pending')
    aHoldsWorker(here, aRecorder())
    expect((await here.holds.wait(approval.id, never)).state).toBe('expired')
  })
})

describe('a grant that nobody uses', () => {
  it.each([
    ['approved while the worker runs', true],
    ['approved before the worker started', false],
  ])('[REQ-REVOKE-1] is ended at its expiry and recorded: %s', async (_, workerFirst) => {
    const here = await aGateway(await aServer(), 'test')
    const grants = createGrants(here.redis, here.inbox.replica)
    const recorder = aRecorder()
    const start = () => {
      const worker = startGrantRevocation({ ...here, grants, recorder, clock, log })
      cleanups.push(() => worker.close())
    }
    if (workerFirst) start()
    const approval = aFreshApproval({ useWithinMs: 300 })
    await here.holds.open(approval)
    await here.store.apply(approval.id, reviewed('approve'))
    if (!workerFirst) start()
    const id = grantIdOf(approval.id)
    await until('its end is recorded', () => recorder.events.length > 0)
    const grant = await grants.get(id)
    expect(grant?.state).toBe('expired')
    expect(grant?.endedAt).toBeGreaterThanOrEqual(grant?.expiresAt ?? Number.POSITIVE_INFINITY)
    expect(recorder.events).toMatchObject([
      { type: 'grant.ended', grant_id: id, approval_id: approval.id, session_id: approval.sessionId, state: 'expired' },
    ])
  })
})

describe('a review that took effect', () => {
  /** As if it had been applied a while ago, by a process that nobody has heard of since. */
  async function longAgo({ redis }: Gateway): Promise<void> {
    const key = redis.key('reviews-unrecorded')
    const members = (await redis.call('ZRANGE', key, 0, -1)) as string[]
    for (const member of members) await redis.call('ZADD', key, 1, member)
  }

  it('and was not recorded by whoever applied it is recorded by the jobs, with all that it brought about', async () => {
    const here = await aGateway(await aServer(), 'test')
    const approval = aFreshApproval({ quorum: 2 })
    await here.holds.open(approval)
    await here.store.apply(approval.id, reviewed('approve', 'bob'))
    await here.store.apply(approval.id, reviewed('approve', 'carol'))
    await createGrants(here.redis, here.inbox.replica).end(grantIdOf(approval.id), 'revoked')
    await longAgo(here)
    const recorder = aRecorder(1)
    aHoldsWorker(here, recorder)
    await until('all is recorded', () => recorder.events.length >= 5)
    const { reviews } = (await here.store.get(approval.id)) ?? approval
    expect(recorder.events).toMatchObject([
      { type: 'approval.reviewed', approval_id: approval.id, session_id: approval.sessionId, review: reviews[0] },
      { type: 'approval.reviewed', review: reviews[1] },
      { type: 'approval.resolved', state: 'approved' },
      { type: 'grant.opened' },
      { type: 'grant.ended', state: 'revoked' },
    ])
    await until(
      'none is left',
      async () => (await here.redis.call('ZCARD', here.redis.key('reviews-unrecorded'))) === 0,
    )
  })

  it('or a withdrawal that was not recorded by whoever applied it is recorded by the jobs, but not one of a hold that nobody saw', async () => {
    const here = await aGateway(await aServer(), 'test')
    const [withdrawn, recorded, halfOpened] = [aFreshApproval(), aFreshApproval(), aFreshApproval()]
    for (const approval of [withdrawn, recorded, halfOpened]) await here.holds.open(approval)
    await here.store.apply(withdrawn.id, cancelled())
    const applied = await here.store.apply(recorded.id, cancelled())
    if (applied.ok) await here.store.reviewRecorded(applied.approval)
    await here.store.withdraw(halfOpened.id, cancelled())
    await longAgo(here)
    const recorder = aRecorder()
    aHoldsWorker(here, recorder)
    await until(
      'none is left',
      async () => (await here.redis.call('ZCARD', here.redis.key('reviews-unrecorded'))) === 0,
    )
    const { sessionId: session_id, id: approval_id } = withdrawn
    expect(recorder.events).toMatchObject([{ type: 'approval.resolved', session_id, approval_id, state: 'cancelled' }])
  })

  it('and was recorded is not recorded again', async () => {
    const here = await aGateway(await aServer(), 'test')
    const approval = aFreshApproval()
    await here.holds.open(approval)
    const applied = await here.store.apply(approval.id, reviewed('deny'))
    if (applied.ok) await here.store.reviewRecorded(applied.approval)
    expect(await here.redis.call('ZCARD', here.redis.key('reviews-unrecorded'))).toBe(0)
  })
})

describe('a session', () => {
  it('is busy while something of it waits for people or for its call, and not for what others wait for', async () => {
    const here = await aGateway(await aServer(), 'test')
    const grants = createGrants(here.redis, here.inbox.replica)
    const isBusy = sessionBusy({ redis: here.redis, grants })
    const approval = aFreshApproval()
    const other = 'ses_other' as SessionId
    expect(await isBusy(approval.sessionId)).toBe(false)
    await here.holds.open(approval)
    expect([await isBusy(approval.sessionId), await isBusy(other)]).toEqual([true, false])
    await here.store.apply(approval.id, reviewed('approve'))
    expect([await isBusy(approval.sessionId), await isBusy(other)]).toEqual([true, false])
    await grants.end(grantIdOf(approval.id), 'revoked')
    expect(await isBusy(approval.sessionId)).toBe(false)
  })
})
