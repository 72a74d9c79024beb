/** Runs over a real Redis that stands still, and over replicas that fall silent. */
import { afterEach, describe, expect, it } from 'vitest'
import { approvalKeys } from '../../jobs/approvals/keys.ts'
import { createApprovalStore } from '../../jobs/approvals/store.ts'
import { createGrants } from '../../jobs/grants.ts'
import { startHoldsWorker } from '../../jobs/holds.ts'
import { startInbox } from '../../jobs/inbox.ts'
import { startLostRuns } from '../../jobs/lost-runs.ts'
import { BEAT_MS, startRuns, UNTOLD_ANSWERS_MAX } from '../../jobs/runs.ts'
import type { AuditEvent } from '../../src/audit/events.ts'
import type { CallId } from '../../src/brands.ts'
import { epochMs } from '../../src/brands.ts'
import { grantIdOf } from '../../src/grant/grant.ts'
import type { KeptAnswer } from '../../src/run/run.ts'
import { aFreshApproval, reviewed } from '../support/approvals.ts'
import { aReviewer } from '../support/examples.ts'
import { systemClock as clock, silentLog as log, startTestRedis, type TestRedis } from '../support/redis.ts'
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

async function aReplica(server: TestRedis) {
  const redis = await server.connect('runs')
  const inbox = await startInbox(redis, log)
  const store = createApprovalStore({ redis, inbox })
  const grants = createGrants(redis, inbox.replica)
  const runs = await startRuns({ redis, inbox, store, clock, log })
  cleanups.push(
    () => inbox.close(),
    () => runs.close(),
  )
  return { redis, inbox, store, grants, runs }
}
type Replica = Awaited<ReturnType<typeof aReplica>>

function aRecorder() {
  const events: AuditEvent[] = []
  return { events, record: async (event: AuditEvent) => void events.push(event) }
}

const callId = 'call_run' as CallId
const never = new AbortController().signal
const answer: KeptAnswer = { kind: 'message', json: '{"jsonrpc":"2.0","id":1,"result":{}}' }

async function running({ store, grants }: Replica) {
  const approval = aFreshApproval()
  await store.open(approval)
  await store.apply(approval.id, reviewed('approve'))
  await grants.consume(grantIdOf(approval.id), { fingerprint: approval.fingerprint, callId })
  return approval
}

describe('a run whose end Redis can’t be told', () => {
  it('keeps nobody waiting who has its answer, and is told when Redis is back', async () => {
    const server = await aServer()
    const here = await aReplica(server)
    const { id } = await running(here)
    server.signal('SIGSTOP')
    await here.runs.end(id, callId, answer)
    server.signal('SIGCONT')
    expect(await here.runs.wait(id, never)).toEqual({ state: 'finished', callId, answer })
  })
})

describe('a replica that Redis has not heard of', () => {
  it('[REQ-ONCE-1] starts no call any more, until it was heard of again', async () => {
    const server = await aServer()
    const here = await aReplica(server)
    expect(here.runs.isVouchedFor()).toBe(true)
    server.signal('SIGSTOP')
    await until('it knows that it is silent', () => !here.runs.isVouchedFor())
    server.signal('SIGCONT')
    await until('it was heard of', () => here.runs.isVouchedFor())
  })
})

describe('a run whose replica is silent', () => {
  it('[REQ-ONCE-1] is lost, recorded once, and those that wait hear of it; the runs of others go on', async () => {
    const server = await aServer()
    const [here, there] = [await aReplica(server), await aReplica(server)]
    const [lost, alive] = [await running(here), await running(there)]
    await here.runs.close()
    const recorder = aRecorder()
    const sweep = startLostRuns({ ...there, recorder, clock, log })
    cleanups.push(() => sweep.close())
    expect(await there.runs.wait(lost.id, never)).toEqual({ state: 'unknown', callId })
    await until('it is recorded', () => recorder.events.length > 0)
    expect(recorder.events).toMatchObject([
      { type: 'call.outcome_unknown', approval_id: lost.id, call_id: callId, session_id: lost.sessionId },
    ])
    expect(await there.runs.get(alive.id)).toBeNull()
    expect((await there.store.listUnknown()).map(({ id }) => id)).toEqual([lost.id])
  })

  it('is not lost where the replica only missed a beat', async () => {
    const server = await aServer()
    const here = await aReplica(server)
    const { id } = await running(here)
    const sweep = startLostRuns({ ...here, recorder: aRecorder(), clock, log })
    cleanups.push(() => sweep.close())
    const heartbeat = approvalKeys(here.redis).heartbeat(here.inbox.replica)
    await here.redis.call('DEL', heartbeat)
    const beaten = async () => (await here.redis.call('EXISTS', heartbeat)) === 1
    await until('it beats again', beaten, 2 * BEAT_MS)
    // The sweep has looked meanwhile; a run that it had lost would be lost by now.
    const nextBeat = Date.now() + BEAT_MS
    await until('it has looked again', () => Date.now() > nextBeat)
    expect(await here.runs.get(id)).toBeNull()
  })
})

describe('a lost run that nobody recorded', () => {
  it('is recorded by the next one with the jobs role, and so is what a person said', async () => {
    const server = await aServer()
    const here = await aReplica(server)
    const lost = await running(here)
    const found = await running(here)
    const at = epochMs(Date.now())
    for (const { id } of [lost, found]) await here.store.apply(id, { type: 'run_lost', callId, at })
    await here.store.apply(found.id, { type: 'run_resolved', ran: true, by: aReviewer('carol@example.com'), at })
    // As if that had been a while ago.
    const { unrecordedReviews } = approvalKeys(here.redis)
    const members = (await here.redis.call('ZRANGE', unrecordedReviews, 0, -1)) as string[]
    for (const member of members) await here.redis.call('ZADD', unrecordedReviews, 1, member)
    const recorder = aRecorder()
    const worker = startHoldsWorker({ ...here, clock, log, recorder })
    cleanups.push(() => worker.close())
    await until('nothing is unrecorded', async () => (await here.redis.call('ZCARD', unrecordedReviews)) === 0)
    const ofRuns = recorder.events.filter(({ type }) => type === 'call.outcome_unknown' || type === 'run.resolved')
    expect(ofRuns.map((event) => [event.type, 'approval_id' in event && event.approval_id])).toEqual(
      expect.arrayContaining([
        ['call.outcome_unknown', lost.id],
        ['call.outcome_unknown', found.id],
        ['run.resolved', found.id],
      ]),
    )
    expect(ofRuns).toHaveLength(3)
  })
})

it('[REQ-ONCE-2] every run that ended while Redis was away is over when it is back, of too many without the answer', async () => {
  const server = await aServer()
  const replica = await aReplica(server)
  const { redis, runs } = replica
  // As the embedded Redis is set: synced every second, a killed server can have lost what began last.
  await redis.call('CONFIG', 'SET', 'appendfsync', 'always')
  const begun: Awaited<ReturnType<typeof running>>[] = []
  for (let i = 0; i <= UNTOLD_ANSWERS_MAX; i++) begun.push(await running(replica))
  server.signal('SIGKILL')
  await until('the loss is noticed', () => !redis.isReady())
  for (const { id } of begun) await runs.end(id, callId, answer)
  await server.restart()
  await redis.whenReady()
  const ends = await until('all are over', async () => {
    const read = await Promise.all(begun.map(({ id }) => runs.get(id)))
    return read.every((end) => end !== null) ? read : null
  })
  const answers = ends.map((end) => (end?.state === 'finished' ? end.answer : end?.state))
  expect(answers.slice(0, UNTOLD_ANSWERS_MAX)).toEqual(Array(UNTOLD_ANSWERS_MAX).fill(answer))
  expect(answers.at(-1)).toEqual({ kind: 'not_kept' })
})
