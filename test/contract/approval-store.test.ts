/** What every ApprovalStore and Grants must do. Here the Redis one, from two connections as two gateways would. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createApprovalStore, PENDING_PER_PRINCIPAL_MAX, type RedisApprovalStore } from '../../jobs/approvals/store.ts'
import { createGrants } from '../../jobs/grants.ts'
import { type Inbox, startInbox } from '../../jobs/inbox.ts'
import type { ApprovalEvent } from '../../src/approval/approval.ts'
import type { ApprovalId, CallId, Fingerprint } from '../../src/brands.ts'
import { principalId } from '../../src/brands.ts'
import { grantIdOf } from '../../src/grant/grant.ts'
import type { Grants } from '../../src/ports.ts'
import { aFreshApproval, cancelled, deadline, reviewed } from '../support/approvals.ts'
import { silentLog, startTestRedis, type TestRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'

let server: TestRedis
const inboxes: Inbox[] = []

beforeAll(async () => {
  server = await startTestRedis()
})
afterAll(async () => {
  await Promise.all(inboxes.map((inbox) => inbox.close()))
  await server.stop()
})

interface Gateway {
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
      return { store: createApprovalStore({ redis, inbox }), grants: createGrants(redis), inbox }
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

  it('lets an identical call have an unused grant, and asks anew once it is used, ended or expired', async () => {
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
    expect(await again(unused.fingerprint)).toMatchObject({ outcome: 'opened' })

    const revoked = await approve()
    await grants.end(grantIdOf(revoked.id), 'revoked')
    expect(await again(revoked.fingerprint)).toMatchObject({ outcome: 'opened' })

    const outdated = await approve({ useWithinMs: 0 })
    expect(await again(outdated.fingerprint)).toMatchObject({ outcome: 'opened' })
  })

  it.each([
    ['denied', reviewed('deny')],
    ['cancelled', cancelled()],
    ['expired', deadline(Date.now() + 120_000)],
  ])('asks anew after the earlier approval was %s', async (state, event) => {
    const { store } = await oneGateway()
    const approval = aFreshApproval()
    await store.open(approval)
    expect(await store.apply(approval.id, event)).toMatchObject({ ok: true, approval: { state } })
    expect(await store.open(aFreshApproval({ fingerprint: approval.fingerprint }))).toMatchObject({ outcome: 'opened' })
    expect((await store.listResolved(10)).map(({ id }) => id)).toEqual([approval.id])
  })

  it('refuses one principal too many, and still lets others in', async () => {
    const { store } = await oneGateway()
    const oldest = aFreshApproval()
    await store.open(oldest)
    for (let i = 1; i < PENDING_PER_PRINCIPAL_MAX; i++) await store.open(aFreshApproval())
    await expect(store.open(aFreshApproval())).rejects.toMatchObject({ code: 'too_many_holds' })
    const { principal } = aFreshApproval()
    const other = { ...principal, id: principalId('https://issuer.example', 'carol') }
    expect(await store.open(aFreshApproval({ principal: other }))).toMatchObject({ outcome: 'opened' })
    await store.apply(oldest.id, cancelled())
    expect(await store.open(aFreshApproval())).toMatchObject({ outcome: 'opened' })
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
