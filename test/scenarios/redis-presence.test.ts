/** Whether anyone waits for an approval, over a real Redis and with replicas that leave, come back and die. */
import { afterEach, expect, it } from 'vitest'
import { AWAY_AFTER_MS, createApprovalStore, type RedisApprovalStore } from '../../jobs/approvals/store.ts'
import { createHolds, type HoldsService } from '../../jobs/holds.ts'
import { startInbox } from '../../jobs/inbox.ts'
import { startPresence } from '../../jobs/presence.ts'
import type { RedisHandle } from '../../jobs/redis.ts'
import { type RunsService, startRuns } from '../../jobs/runs.ts'
import type { Approval } from '../../src/approval/approval.ts'
import type { AuditEvent } from '../../src/audit/events.ts'
import { aFreshApproval, reviewed } from '../support/approvals.ts'
import { systemClock as clock, silentLog as log, startTestRedis, type TestRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'

const GRACE_MS = 300
const cleanups: (() => Promise<unknown> | unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

interface Replica {
  readonly redis: RedisHandle
  readonly store: RedisApprovalStore
  readonly holds: HoldsService
  readonly runs: RunsService
  /** One call that waits, as Redis knows, until `leave`. */
  attend(approval: Approval): Promise<() => Promise<void>>
}

const events: AuditEvent[] = []
const recorder = { record: async (event: AuditEvent) => void events.push(event) }

async function aReplica(server: TestRedis): Promise<Replica> {
  const redis = await server.connect('presence')
  const inbox = await startInbox(redis, log)
  const store = createApprovalStore({ redis, inbox })
  const runs = await startRuns({ redis, inbox, store, clock, log })
  const holds = createHolds({ redis, inbox, store, recorder, clock, log, graceMs: GRACE_MS })
  cleanups.push(
    () => inbox.close(),
    () => runs.close(),
    () => holds.close(),
  )
  return {
    ...{ redis, store, holds, runs },
    async attend(approval) {
      const leaving = new AbortController()
      cleanups.push(() => leaving.abort())
      const over = holds.wait(approval.id, leaving.signal).then(
        () => undefined,
        () => undefined,
      )
      await until('it is registered', () => redis.call('HGET', redis.key('attending', inbox.replica), approval.id))
      return () => {
        leaving.abort()
        return over
      }
    },
  }
}

/** With the jobs role, whose looks tell what became of what. */
async function aWorld(): Promise<{ server: TestRedis; here: Replica; there: Replica }> {
  events.length = 0
  const server = await startTestRedis()
  cleanups.push(() => server.stop())
  const [here, there] = [await aReplica(server), await aReplica(server)]
  const { redis, store } = here
  const presence = startPresence({ redis, store, recorder, clock, log, graceMs: GRACE_MS })
  cleanups.push(() => presence.close())
  return { server, here, there }
}

async function held(replica: Replica): Promise<Approval> {
  const approval = aFreshApproval()
  const { holds, redis } = replica
  await holds.open(approval)
  // Every new approval is looked at once; here that would take the real time of grace.
  await redis.call('ZREM', redis.key('presence-due'), approval.id)
  return approval
}

const agentOf = async ({ store }: Replica, { id }: Approval) => (await store.get(id))?.agent
const becomes = (replica: Replica, approval: Approval, state: Approval['agent']['state'], calls: number) =>
  until(`the agent is ${state}, ${calls} calls`, async () => {
    const agent = await agentOf(replica, approval)
    return agent?.state === state && agent.calls === calls ? agent : null
  })
const recordedOf = ({ id }: Approval) =>
  events.flatMap((event) => ('approval_id' in event && event.approval_id === id ? [event.type] : []))

it('[REQ-AWAY-1] an agent that has left is away after the grace, and back at once, on whichever replica it comes', async () => {
  const { here, there } = await aWorld()
  const approval = await held(here)
  const leave = await here.attend(approval)
  const before = Date.now()
  await leave()
  const { awaySince } = await becomes(there, approval, 'away', 0)
  expect(awaySince).toBeGreaterThanOrEqual(before - 50)
  expect(awaySince).toBeLessThanOrEqual(Date.now())
  await until('it is recorded', () => recordedOf(approval).length === 1)
  await there.attend(approval)
  await becomes(here, approval, 'waiting', 1)
  await until('both are recorded', () => recordedOf(approval).length === 2)
  expect(recordedOf(approval)).toEqual(['approval.agent_away', 'approval.agent_back'])
})

it('an agent that waits stays so while it goes from one request to the next', async () => {
  const { here, there } = await aWorld()
  const [approval, other] = [await held(here), await held(here)]
  let leave = await here.attend(approval)
  // Rounds, as often as fit until another one that has left is seen to be away.
  const leaveOther = await here.attend(other)
  await leaveOther()
  await until('the other is away', async () => {
    await leave()
    leave = await here.attend(approval)
    return (await agentOf(there, other))?.state === 'away'
  })
  expect(await here.store.get(approval.id)).toEqual(approval)
  expect(recordedOf(approval)).toEqual([])
})

it('an approval that nobody ever came to wait for is looked at too', async () => {
  const { here } = await aWorld()
  const approval = aFreshApproval()
  await here.holds.open(approval)
  const due = Number(await here.redis.call('ZSCORE', here.redis.key('presence-due'), approval.id))
  expect(due - Date.now()).toBeGreaterThan(AWAY_AFTER_MS - 5_000)
  await here.redis.call('ZADD', here.redis.key('presence-due'), Date.now(), approval.id)
  await becomes(here, approval, 'away', 0)
})

it('one that another replica still holds is not away, and the number of calls is theirs together', async () => {
  const { here, there } = await aWorld()
  const approval = await held(here)
  const leaveHere = await here.attend(approval)
  await here.attend(approval)
  const leaveThere = await there.attend(approval)
  await becomes(here, approval, 'waiting', 3)
  await leaveHere()
  await becomes(here, approval, 'waiting', 2)
  await leaveThere()
  await becomes(here, approval, 'waiting', 1)
  expect(recordedOf(approval)).toEqual([])
})

it('a replica whose heartbeat is missing holds nobody', async () => {
  const { here, there } = await aWorld()
  const approval = await held(there)
  await there.attend(approval)
  // What Redis knows of a replica that was killed, once its heartbeat has run out.
  await there.runs.close()
  await becomes(here, approval, 'away', 0)
})

it('a client that comes and goes changes the card no more often than once a grace', async () => {
  const { here } = await aWorld()
  const approval = await held(here)
  const changes: number[] = []
  const stopped = new AbortController()
  cleanups.push(() => stopped.abort())
  here.store.onChange((id) => {
    if (id === approval.id) changes.push(Date.now())
  }, stopped.signal)
  for (let round = 0; round < 3; round += 1) {
    const leave = await here.attend(approval)
    await becomes(here, approval, 'waiting', 1)
    await leave()
    await becomes(here, approval, 'away', 0)
  }
  const gaps = changes.slice(2).map((at, index) => at - (changes[index] ?? 0))
  expect(gaps.length).toBeGreaterThan(2)
  // Away and back are two; the next away comes two graces after the one before.
  expect(Math.min(...gaps)).toBeGreaterThanOrEqual(GRACE_MS)
})

it('nothing is changed of what is decided, and nothing stays due', async () => {
  const { here } = await aWorld()
  const approval = await held(here)
  await here.attend(approval)
  await here.store.apply(approval.id, reviewed('deny'))
  const { redis } = here
  await redis.call('ZADD', redis.key('presence-due'), 1, approval.id)
  await until('nothing is due', async () => Number(await redis.call('ZCARD', redis.key('presence-due'))) === 0)
  expect(await here.store.get(approval.id)).toMatchObject({ state: 'denied', version: 2 })
  await until('nobody is counted any more', async () => {
    const counted = await redis.call('KEYS', redis.key('attending', '*'))
    return Array.isArray(counted) && counted.length === 0
  })
})
