/** What every ApprovalStore and Grants must do. Here the Redis one, from two connections as two gateways would. */
import { setMaxListeners } from 'node:events'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { approvalKeys } from '../../jobs/approvals/keys.ts'
import {
  createApprovalStore,
  PENDING_PER_AGENT_DEFAULT,
  PENDING_PER_UPSTREAM_MAX,
  type RedisApprovalStore,
} from '../../jobs/approvals/store.ts'
import { createGrants } from '../../jobs/grants.ts'
import { type Inbox, startInbox } from '../../jobs/inbox.ts'
import type { RedisHandle } from '../../jobs/redis.ts'
import { startRuns } from '../../jobs/runs.ts'
import { ACCESS_PENDING_MAX } from '../../src/access/access.ts'
import type { Approval, ApprovalEvent } from '../../src/approval/approval.ts'
import type { ApprovalId, CallId, Fingerprint } from '../../src/brands.ts'
import { epochMs, principalId } from '../../src/brands.ts'
import { grantIdOf } from '../../src/grant/grant.ts'
import type { ApprovalStore, Grants, Runs } from '../../src/ports.ts'
import type { KeptAnswer } from '../../src/run/run.ts'
import { KEPT_ANSWER_BYTES_MAX } from '../../src/run/run.ts'
import { aFreshApproval, cancelled, deadline, reviewed } from '../support/approvals.ts'
import { aReviewer } from '../support/examples.ts'
import { createMemoryApprovalStore } from '../support/memory-approval-store.ts'
import { silentLog, startTestRedis, systemClock, type TestRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'

let server: TestRedis
const inboxes: Inbox[] = []
const services: { close(): Promise<void> }[] = []

beforeAll(async () => {
  server = await startTestRedis()
})
afterAll(async () => {
  await Promise.all(services.map((service) => service.close()))
  await Promise.all(inboxes.map((inbox) => inbox.close()))
  await server.stop()
})

interface Gateway {
  readonly redis: RedisHandle
  readonly runs: Runs
  readonly store: RedisApprovalStore
  readonly grants: Grants
  readonly inbox: Inbox
}

/** Gateways that share their keys with each other and with no other test. */
async function gateways<N extends number>(count: N): Promise<Gateway[]> {
  const keyPrefix = `test-${Math.random().toString(36).slice(2)}`
  return Promise.all(
    Array.from({ length: count }, async () => {
      const redis = await server.connect(keyPrefix)
      const inbox = await startInbox(redis, silentLog)
      inboxes.push(inbox)
      const store = createApprovalStore({ redis, inbox })
      const runs = await startRuns({ redis, inbox, store, clock: systemClock, log: silentLog })
      services.push(runs)
      return { redis, store, grants: createGrants(redis, inbox.replica), runs, inbox }
    }),
  )
}

const oneGateway = async () => (await gateways(1))[0] as Gateway

describe('opening', () => {
  it('[REQ-HOLD-5] opens once, joins the same call while it is pending, and knows nothing of an unknown one', async () => {
    const { store } = await oneGateway()
    const first = aFreshApproval()
    const again = aFreshApproval({ fingerprint: first.fingerprint })
    expect(await store.open(first)).toMatchObject({ outcome: 'opened', approval: first })
    expect(await store.open(again)).toMatchObject({ outcome: 'joined', approval: first })
    expect(await store.get(first.id)).toEqual(first)
    expect(await store.get(again.id)).toBeNull()
    // Nobody is shown what has no deadline yet.
    expect(await store.listPending()).toEqual([])
    expect(await store.arm(first.id)).toBe(true)
    expect(await store.listPending()).toEqual([first])
    expect(await store.apply('apr_unknown' as ApprovalId, cancelled())).toEqual({
      ok: false,
      refusal: 'unknown_approval',
    })
  })

  it('reads pending ones a page at a time, oldest first, and says how many there are', async () => {
    const { store } = await oneGateway()
    const ids: ApprovalId[] = []
    for (let at = 0; at < 7; at += 1) {
      const approval = aFreshApproval({ requestedAt: epochMs(1_000 + at) })
      ids.push(approval.id)
      await store.open(approval)
      // The last one is still being opened: nobody is shown it.
      if (at < 6) await store.arm(approval.id)
    }
    const page = async (offset: number, max: number) => {
      const { approvals, total } = await store.listPendingPage({ offset, max })
      return [approvals.map(({ id }) => ids.indexOf(id)), total]
    }
    expect(await page(0, 3)).toEqual([[0, 1, 2], 7])
    expect(await page(3, 3)).toEqual([[3, 4, 5], 7])
    expect(await page(6, 3)).toEqual([[], 7])
    expect(await page(9, 3)).toEqual([[], 7])
  })

  it('takes as many requests for access of one person as a reviewer can read, and their calls besides', async () => {
    const { store } = await oneGateway()
    const requester = aReviewer('alice@example.com')
    const access = {
      ...{ requester, ownerEmail: 'alice@example.com', upstream: 'files', tools: ['write_file'] },
      ...{ durationMs: 3_600_000, reason: 'A migration', extends: null },
    }
    for (let at = 0; at < ACCESS_PENDING_MAX; at += 1) await store.open(aFreshApproval({ access }))
    await expect(store.open(aFreshApproval({ access }))).rejects.toMatchObject({ code: 'too_many_holds' })
    expect(await store.open(aFreshApproval())).toMatchObject({ outcome: 'opened' })
  })

  it('lets an identical call have an unused grant, leads it to the run of a used one, and asks anew once it ended or expired', async () => {
    const { store, grants } = await oneGateway()
    const approve = async (change = {}) => {
      const approval = aFreshApproval(change)
      await store.open(approval)
      await store.apply(approval.id, reviewed('approve'))
      return approval
    }
    const again = (fingerprint: Fingerprint) => store.open(aFreshApproval({ fingerprint }))

    const unused = await approve()
    expect(await again(unused.fingerprint)).toMatchObject({
      outcome: 'granted',
      approval: { id: unused.id, state: 'approved' },
      grant: { id: grantIdOf(unused.id), state: 'active', fingerprint: unused.fingerprint, consumedBy: null },
    })
    await grants.consume(grantIdOf(unused.id), { fingerprint: unused.fingerprint, callId: 'call_1' as CallId })
    expect(await again(unused.fingerprint)).toMatchObject({ outcome: 'begun', approval: { id: unused.id } })

    const revoked = await approve()
    await grants.end(grantIdOf(revoked.id), 'revoked')
    expect(await again(revoked.fingerprint)).toMatchObject({ outcome: 'opened' })

    const outdated = await approve({ useWithinMs: 0 })
    expect(await again(outdated.fingerprint)).toMatchObject({ outcome: 'opened' })
  })

  it('forgets a run of which nobody ever said whether it ran, as it forgets its approval', async () => {
    const { store, redis } = await oneGateway()
    const { unknownRuns } = approvalKeys(redis)
    await redis.call('ZADD', unknownRuns, 1, 'apr_forgotten')
    const approval = aFreshApproval()
    await store.open(approval)
    await store.apply(approval.id, cancelled())
    expect(await redis.call('ZRANGE', unknownRuns, 0, -1)).toEqual([])
  })

  it('asks anew after the earlier approval expired', async () => {
    const { store } = await oneGateway()
    const approval = aFreshApproval()
    await store.open(approval)
    const expired = await store.apply(approval.id, deadline(Date.now() + 120_000))
    expect(expired).toMatchObject({ ok: true, approval: { state: 'expired' } })
    expect(await store.open(aFreshApproval({ fingerprint: approval.fingerprint }))).toMatchObject({ outcome: 'opened' })
    expect((await store.listResolved(10)).map(({ id }) => id)).toEqual([approval.id])
  })

  it.each([
    ['denied', reviewed('deny')],
    ['cancelled', cancelled()],
  ])(
    '[REQ-ONCE-4] leads an identical call to an approval that was %s until its agent has heard it',
    async (state, event) => {
      const { store, runs } = await oneGateway()
      const approval = aFreshApproval()
      await store.open(approval)
      await runs.delivered(approval.id)
      expect(await store.open(aFreshApproval({ fingerprint: approval.fingerprint }))).toMatchObject({
        outcome: 'joined',
      })
      expect(await store.apply(approval.id, event)).toMatchObject({ ok: true, approval: { state } })
      const again = () => store.open(aFreshApproval({ fingerprint: approval.fingerprint }))
      for (let i = 0; i < 2; i++) {
        expect(await again()).toMatchObject({ outcome: 'settled', approval: { id: approval.id, state } })
      }
      await runs.delivered(approval.id)
      expect(await again()).toMatchObject({ outcome: 'opened' })
      // The next question is another one: a late word about the first must not take it away.
      await runs.delivered(approval.id)
      expect(await again()).toMatchObject({ outcome: 'joined' })
    },
  )

  it('[REQ-HOLD-8] refuses one agent too many, names the setting, and still lets others in', async () => {
    const { store } = await oneGateway()
    const oldest = aFreshApproval()
    await store.open(oldest)
    for (let i = 1; i < PENDING_PER_AGENT_DEFAULT; i++) await store.open(aFreshApproval())
    await expect(store.open(aFreshApproval())).rejects.toMatchObject({
      code: 'too_many_holds',
      message:
        'Nobody was asked: the limit is 50 open approvals of one agent (holds.maxPerAgent). ' +
        'Wait for people to decide, or cancel some.',
    })
    // What asks nobody anew is not too many.
    const again = aFreshApproval({ fingerprint: oldest.fingerprint })
    expect(await store.open(again)).toMatchObject({ outcome: 'joined' })
    const { principal } = aFreshApproval()
    const other = { ...principal, id: principalId('https://issuer.example', 'carol') }
    expect(await store.open(aFreshApproval({ principal: other }))).toMatchObject({ outcome: 'opened' })
    await store.apply(oldest.id, cancelled())
    expect(await store.open(aFreshApproval())).toMatchObject({ outcome: 'opened' })
  })

  it('lets one agent have as many open approvals as the settings say', async () => {
    const { redis, inbox } = await oneGateway()
    const store = createApprovalStore({ redis, inbox, maxPerAgent: 2 })
    for (let i = 0; i < 2; i++) await store.open(aFreshApproval())
    await expect(store.open(aFreshApproval())).rejects.toMatchObject({
      code: 'too_many_holds',
      message: expect.stringContaining('the limit is 2 open approvals of one agent'),
    })
  })

  it('refuses one upstream too many, names the limit, and still lets calls of others in', async () => {
    const { store, redis } = await oneGateway()
    const full = redis.key('approvals-on', 'busy')
    const ids = Array.from({ length: PENDING_PER_UPSTREAM_MAX }, (_, i) => `apr_${i}`)
    await redis.call('SADD', full, ...ids)
    const limit = `${PENDING_PER_UPSTREAM_MAX} open approvals of one upstream ("busy")`
    await expect(store.open(aFreshApproval({ upstream: 'busy' }))).rejects.toMatchObject({
      code: 'too_many_holds',
      message: expect.stringContaining(limit),
    })
    expect(await store.open(aFreshApproval())).toMatchObject({ outcome: 'opened' })
    await redis.call('SREM', full, 'apr_0')
    const last = aFreshApproval({ upstream: 'busy' })
    expect(await store.open(last)).toMatchObject({ outcome: 'opened' })
    await store.apply(last.id, cancelled())
    expect(await store.open(aFreshApproval({ upstream: 'busy' }))).toMatchObject({ outcome: 'opened' })
  })
})

describe('deciding', () => {
  it('[REQ-REVIEW-1] has one winner among an approval, a denial, a deadline and a cancel at once, in every round', async () => {
    const [here, there] = (await gateways(2)) as [Gateway, Gateway]
    const winners = new Map<string, number>()
    for (let round = 0; round < 100; round++) {
      const approval = aFreshApproval()
      await here.store.open(approval)
      const events: ApprovalEvent[] = [
        reviewed('approve', 'bob'),
        reviewed('deny', 'carol'),
        deadline(approval.expiresAt),
        cancelled(),
      ]
      const shuffled = events
        .map((event, i) => ({ event, store: (i + round) % 2 ? here.store : there.store }))
        .sort(() => Math.random() - 0.5)
      const answers = await Promise.all(shuffled.map(({ event, store }) => store.apply(approval.id, event)))
      const won = answers.filter((answer) => answer.ok)
      expect(won).toHaveLength(1)
      const after = await there.store.get(approval.id)
      expect(after).toEqual(won[0]?.approval)
      for (const answer of answers)
        if (!answer.ok) expect(answer).toMatchObject({ refusal: 'already_resolved', approval: after })
      const grant = await here.grants.get(grantIdOf(approval.id))
      expect(grant?.state ?? null).toBe(after?.state === 'approved' ? 'active' : null)
      winners.set(after?.state ?? '', (winners.get(after?.state ?? '') ?? 0) + 1)
    }
    expect(await here.store.listPending()).toEqual([])
    expect(winners.size).toBeGreaterThan(1)
  })

  it('counts every review of a quorum that click at once, once each', async () => {
    const [here, there] = (await gateways(2)) as [Gateway, Gateway]
    const approval = aFreshApproval({ quorum: 5 })
    await here.store.open(approval)
    const people = ['bob', 'carol', 'dave', 'erin', 'frank']
    const answers = await Promise.all(
      people.flatMap((who) => [
        here.store.apply(approval.id, reviewed('approve', who)),
        there.store.apply(approval.id, reviewed('approve', who)),
      ]),
    )
    expect(answers.filter((answer) => answer.ok)).toHaveLength(5)
    const after = await here.store.get(approval.id)
    expect(after).toMatchObject({ state: 'approved', version: approval.version + 5 })
    expect(new Set(after?.reviews.map(({ reviewer }) => reviewer.id)).size).toBe(5)
  })

  it('tells the replica that waits of the resolution, and everyone of each change', async () => {
    const [here, there] = (await gateways(2)) as [Gateway, Gateway]
    const resolved: string[] = []
    const elsewhere: string[] = []
    const changed: string[] = []
    here.inbox.onResolved((id) => resolved.push(id))
    there.inbox.onResolved((id) => elsewhere.push(id))
    const stop = new AbortController()
    there.store.onChange((id) => changed.push(id), stop.signal)
    const approval = aFreshApproval({ quorum: 2 })
    await here.store.open(approval)
    expect(await here.store.arm(approval.id)).toBe(true)
    await there.store.apply(approval.id, reviewed('approve', 'bob'))
    await there.store.apply(approval.id, reviewed('approve', 'carol'))
    await until('all three changes were heard of', () => changed.length === 3)
    await until('the waiting replica heard', () => resolved.length === 1)
    expect(resolved).toEqual([approval.id])
    expect(elsewhere).toEqual([])

    stop.abort()
    const later = aFreshApproval()
    await here.store.open(later)
    await here.store.arm(later.id)
    await here.store.apply(later.id, cancelled())
    await until('the later one was heard of', () => resolved.includes(later.id))
    expect(changed).toHaveLength(3)
  })
})

describe('where the agent is', () => {
  const left = (): ApprovalEvent => ({ type: 'agent_left', awaySince: epochMs(1_000), at: epochMs(Date.now()) })
  const came = (calls: number): ApprovalEvent => {
    return { type: 'agent_came', state: 'waiting', calls, at: epochMs(Date.now()) }
  }
  const stores: [string, () => Promise<readonly [ApprovalStore, ApprovalStore, (approval: Approval) => unknown]>][] = [
    [
      'in Redis',
      async () => {
        const [one, other] = await gateways(2)
        if (one === undefined || other === undefined) throw new Error('two are needed')
        return [one.store, other.store, (approval) => one.store.open(approval)]
      },
    ],
    [
      'in memory',
      async () => {
        const store = createMemoryApprovalStore()
        return [store, store, store.open]
      },
    ],
  ]

  it.each(stores)(
    '[REQ-AWAY-1] %s, is changed once by whoever notices, and by nobody after the decision',
    async (_where, of) => {
      const [one, other, open] = await of()
      const approval = aFreshApproval()
      await open(approval)
      const noticed = await Promise.all([one.apply(approval.id, left()), other.apply(approval.id, left())])
      expect(noticed.map((applied) => (applied.ok ? 'ok' : applied.refusal)).sort()).toEqual(['agent_known', 'ok'])
      expect(await other.get(approval.id)).toMatchObject({
        state: 'pending',
        version: 2,
        agent: { state: 'away', calls: 0 },
      })
      await other.apply(approval.id, came(2))
      await one.apply(approval.id, reviewed('approve'))
      expect(await one.apply(approval.id, left())).toMatchObject({ ok: false, refusal: 'already_resolved' })
      expect(await one.get(approval.id)).toMatchObject({ state: 'approved', agent: { state: 'waiting', calls: 2 } })
    },
  )

  it('counts the calls that wait on all replicas', async () => {
    const [one, other] = await gateways(2)
    const approval = aFreshApproval()
    await one?.store.open(approval)
    expect(await one?.store.attach(approval.id, 2)).toMatchObject({ approval, calls: 2 })
    expect(await other?.store.attach(approval.id, 1)).toMatchObject({ approval, calls: 3 })
    await one?.store.apply(approval.id, cancelled())
    expect(await other?.store.attach(approval.id, 1)).toMatchObject({ approval: { state: 'cancelled' }, calls: 0 })
    expect(await other?.store.attach('apr_unknown' as ApprovalId, 1)).toBeNull()
  })
})

describe('the fence', () => {
  it('[REQ-FORWARD-4] lets one of many calls through', async () => {
    const [here, there] = (await gateways(2)) as [Gateway, Gateway]
    const approval = aFreshApproval()
    await here.store.open(approval)
    await here.store.apply(approval.id, reviewed('approve'))
    const { fingerprint } = approval
    const fences = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        (i % 2 ? here : there).grants.consume(grantIdOf(approval.id), { fingerprint, callId: `call_${i}` as CallId }),
      ),
    )
    const through = fences.filter((fence) => fence.ok)
    expect(through).toHaveLength(1)
    expect(fences.filter((fence) => !fence.ok && fence.refusal === 'consumed')).toHaveLength(19)
    expect(through[0]).toMatchObject({ ok: true, grant: { state: 'consumed', approvalId: approval.id } })
  })

  it.each<
    [string, { useWithinMs?: number; end?: 'expired' | 'revoked'; otherFingerprint?: boolean; deny?: boolean }, string]
  >([
    ['the grant of another call', { otherFingerprint: true }, 'unknown'],
    ['a denied approval', { deny: true }, 'unknown'],
    ['a grant past its expiry that no job has ended yet', { useWithinMs: 0 }, 'expired'],
    ['a grant that a job has ended', { end: 'expired' }, 'expired'],
    ['a grant that a person took back', { end: 'revoked' }, 'revoked'],
  ])('refuses %s', async (_, setup, refusal) => {
    const { store, grants } = await oneGateway()
    const approval = aFreshApproval({ useWithinMs: setup.useWithinMs ?? 60_000 })
    await store.open(approval)
    await store.apply(approval.id, reviewed(setup.deny ? 'deny' : 'approve'))
    const id = grantIdOf(approval.id)
    if (setup.end) expect(await grants.end(id, setup.end)).toBe(true)
    if (setup.end) expect(await grants.end(id, 'revoked')).toBe(false)
    const fingerprint = setup.otherFingerprint ? aFreshApproval().fingerprint : approval.fingerprint
    expect(await grants.consume(id, { fingerprint, callId: 'call_1' as CallId })).toEqual({ ok: false, refusal })
  })
})

describe('the run of an approved call', () => {
  const answer: KeptAnswer = { kind: 'message', json: '{"jsonrpc":"2.0","id":1,"result":{}}' }
  const never = new AbortController().signal
  setMaxListeners(0, never)
  const callId = 'call_1' as CallId

  async function running({ store, grants }: Gateway) {
    const approval = aFreshApproval()
    await store.open(approval)
    await store.apply(approval.id, reviewed('approve'))
    const fence = await grants.consume(grantIdOf(approval.id), { fingerprint: approval.fingerprint, callId })
    expect(fence.ok).toBe(true)
    return approval
  }
  const lost = (at = Date.now()): ApprovalEvent => ({ type: 'run_lost', callId, at: epochMs(at) })
  const resolved = (ran: boolean): ApprovalEvent => ({
    type: 'run_resolved',
    ran,
    by: aReviewer('carol@example.com'),
    at: epochMs(Date.now()),
  })

  it('[REQ-ONCE-2] tells every one that waits how it ended, in any process, before and after', async () => {
    const [here, there] = (await gateways(2)) as [Gateway, Gateway]
    const { id, fingerprint } = await running(here)
    const waits = [here.runs.wait(id, never), there.runs.wait(id, never), there.runs.wait(id, never)]
    await here.runs.end(id, callId, answer)
    const end = { state: 'finished', callId, answer }
    expect(await Promise.all(waits)).toEqual([end, end, end])
    expect(await there.runs.wait(id, never)).toEqual(end)
    expect(await there.store.open(aFreshApproval({ fingerprint }))).toMatchObject({ outcome: 'begun' })
    await here.runs.delivered(id)
    expect(await there.store.open(aFreshApproval({ fingerprint }))).toMatchObject({ outcome: 'opened' })
    // Who comes back to this very approval still finds it.
    expect(await there.runs.wait(id, never)).toEqual(end)
  })

  it('keeps the first end alone, only from the call that has the fence, and no answer that is too large', async () => {
    const gateway = await oneGateway()
    const { runs } = gateway
    const { id } = await running(gateway)
    await runs.end(id, 'call_2' as CallId, answer)
    await runs.end(id, callId, { kind: 'message', json: `"${'x'.repeat(KEPT_ANSWER_BYTES_MAX)}"` })
    await runs.end(id, callId, answer)
    expect(await runs.wait(id, never)).toEqual({ state: 'finished', callId, answer: { kind: 'not_kept' } })
    expect(await runs.wait('apr_never' as ApprovalId, never)).toEqual({ state: 'gone' })
    const waiting = runs.wait((await running(gateway)).id, AbortSignal.abort(new Error('left')))
    await expect(waiting).rejects.toThrow('left')
  })

  it('[REQ-ONCE-1] leads identical calls to a lost run until people have said what became of it', async () => {
    const gateway = await oneGateway()
    const { store, runs } = gateway
    for (const ran of [true, false]) {
      const { id, fingerprint } = await running(gateway)
      const again = async () => (await store.open(aFreshApproval({ fingerprint }))).outcome
      const waiting = runs.wait(id, never)
      const unknown = { state: 'unknown', callId, by: null }
      expect(await store.apply(id, resolved(ran))).toMatchObject({ ok: false, refusal: 'run_known' })
      expect(await store.apply(id, lost())).toMatchObject({ ok: true, approval: { state: 'approved', run: unknown } })
      expect(await store.apply(id, lost())).toMatchObject({ ok: false, refusal: 'run_known' })
      expect(await waiting).toEqual({ state: 'unknown', callId })
      expect((await store.listUnknown()).map((approval) => approval.id)).toEqual([id])
      await runs.delivered(id)
      expect(await again()).toBe('begun')

      const said = { state: ran ? 'ran' : 'did_not_run', callId, by: aReviewer('carol@example.com') }
      expect(await store.apply(id, resolved(ran))).toMatchObject({ ok: true, approval: { run: said } })
      expect(await store.apply(id, resolved(!ran))).toMatchObject({ ok: false, refusal: 'run_known' })
      expect(await store.listUnknown()).toEqual([])
      expect(await runs.wait(id, never)).toEqual({ state: ran ? 'ran' : 'did_not_run', callId })
      if (ran) {
        expect(await again()).toBe('begun')
        await runs.delivered(id)
      }
      expect(await again()).toBe('opened')
    }
  })

  it('knows again where the gateway that was taken for lost says how it ended, unless people were first', async () => {
    const gateway = await oneGateway()
    const { store, runs } = gateway
    const { id } = await running(gateway)
    await store.apply(id, lost())
    await runs.end(id, callId, answer)
    expect(await store.get(id)).toMatchObject({ state: 'approved', run: null })
    expect(await runs.wait(id, never)).toEqual({ state: 'finished', callId, answer })
    expect(await store.listUnknown()).toEqual([])

    const other = await running(gateway)
    await store.apply(other.id, lost())
    await store.apply(other.id, resolved(false))
    await runs.end(other.id, callId, answer)
    expect(await runs.wait(other.id, never)).toEqual({ state: 'did_not_run', callId })
  })

  it('has one history in every round of an end, a loss, two people, waits and deliveries at once', async () => {
    const [here, there] = (await gateways(2)) as [Gateway, Gateway]
    const seen = new Map<string, number>()
    const rounds = 1_000
    const oneRound = async (round: number) => {
      const { id, fingerprint } = await running(round % 4 < 2 ? here : there)
      const left = new AbortController()
      const waits = [here.runs.wait(id, never), there.runs.wait(id, never), here.runs.wait(id, left.signal)]
      const steps = [
        // Its gateway is really gone in every other round.
        async () => (round % 2 ? here.runs.end(id, callId, answer) : undefined),
        () => there.store.apply(id, lost()).then(() => there.store.apply(id, resolved(false))),
        () => here.store.apply(id, lost()).then(() => here.store.apply(id, resolved(true))),
        () => there.runs.delivered(id),
        async () => left.abort(new Error('left')),
      ].sort(() => Math.random() - 0.5)
      const [answers, ends] = await Promise.all([Promise.all(steps.map((step) => step())), Promise.allSettled(waits)])
      const [approval, now] = [await there.store.get(id), await here.runs.wait(id, never)]
      if (now.state === 'gone') throw new Error('an ended run is not to be found')
      seen.set(now.state, (seen.get(now.state) ?? 0) + 1)
      // Ended and lost exclude each other, but for an end that came late.
      expect(now.state === 'finished' ? approval?.run : approval?.run?.state).toBe(
        now.state === 'finished' ? null : now.state,
      )
      expect(answers.filter((each) => each && 'ok' in each && each.ok && each.approval.run?.by).length).toBeLessThan(2)
      for (const end of ends) if (end.status === 'fulfilled') expect(end.value.state).not.toBe('gone')
      const { outcome } = await here.store.open(aFreshApproval({ fingerprint }))
      expect(
        now.state === 'unknown' ? ['begun'] : now.state === 'did_not_run' ? ['opened'] : ['begun', 'opened'],
      ).toContain(outcome)
    }
    for (let start = 0; start < rounds; start += 50) {
      await Promise.all(Array.from({ length: 50 }, (_, i) => oneRound(start + i)))
      // One principal may not have so many open questions.
      const pending = await here.redis.call('ZRANGE', here.redis.key('approvals-pending'), 0, -1)
      for (const id of pending as ApprovalId[]) await here.store.apply(id, cancelled())
    }
    expect([...seen.values()].reduce((sum, many) => sum + many, 0)).toBe(rounds)
    expect(seen.size).toBeGreaterThan(2)
  })
})
