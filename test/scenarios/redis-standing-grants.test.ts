/** Standing grants over a real Redis: what opens them, what they pass, and that an end is an end. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createApprovalStore, type RedisApprovalStore } from '../../jobs/approvals/store.ts'
import { createGrants } from '../../jobs/grants.ts'
import { createHolds } from '../../jobs/holds.ts'
import { type Inbox, startInbox } from '../../jobs/inbox.ts'
import type { RedisHandle } from '../../jobs/redis.ts'
import { sessionBusy } from '../../jobs/session-busy.ts'
import { startStandingGrantEnds } from '../../jobs/standing-grant-ends.ts'
import { createStandingGrants } from '../../jobs/standing-grants.ts'
import type { Approval } from '../../src/approval/approval.ts'
import type { AuditEvent } from '../../src/audit/events.ts'
import type { CallId, GrantId } from '../../src/brands.ts'
import { grantIdOf } from '../../src/grant/grant.ts'
import { GRANTS_PER_HOLDER_MAX, OTHER_TOOLS, standingGrantIdOf } from '../../src/grant/standing.ts'
import { summarisePrincipal } from '../../src/identity/principal.ts'
import type { Grants, Holds, Notice, StandingGrants } from '../../src/ports.ts'
import { aFreshApproval, reviewed } from '../support/approvals.ts'
import { aPrincipal, aReviewer } from '../support/examples.ts'
import {
  systemClock as clock,
  silentLog as log,
  silentRecorder,
  startTestRedis,
  type TestRedis,
} from '../support/redis.ts'
import { aGrantCall, anAccessApproval, anyFingerprint, approvedFor, MINUTE } from '../support/standing-grants.ts'
import { until } from '../support/until.ts'

let server: TestRedis
beforeAll(async () => {
  server = await startTestRedis()
})
afterAll(() => server.stop())

const cleanups: (() => Promise<unknown> | unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

interface Parts {
  readonly redis: RedisHandle
  readonly inbox: Inbox
  readonly store: RedisApprovalStore
  readonly holds: Holds
  readonly grants: Grants
  readonly standing: StandingGrants
}

async function parts(): Promise<Parts> {
  const redis = await server.connect()
  const inbox = await startInbox(redis, log)
  const store = createApprovalStore({ redis, inbox })
  const holds = createHolds({ redis, inbox, store, recorder: silentRecorder, clock, log })
  cleanups.push(
    () => inbox.close(),
    () => holds.close(),
  )
  const grants = createGrants(redis, inbox.replica)
  return { redis, inbox, store, holds, grants, standing: createStandingGrants(redis) }
}

/** Held, and approved for as long. */
async function approve({ holds, store }: Parts, approval: Approval, forMs: number | null, who?: string) {
  await holds.open(approval)
  return store.apply(approval.id, approvedFor(forMs, who))
}

/** For fifteen minutes, of the example's agent. */
async function aGrant(here: Parts, change: Partial<Approval> = {}): Promise<GrantId> {
  const approval = aFreshApproval({ allowForMs: [15 * MINUTE], ...change })
  await approve(here, approval, 15 * MINUTE)
  return standingGrantIdOf(approval.id)
}

const revoked = { state: 'revoked', by: aReviewer('carol@example.com') } as const

describe('an approval', () => {
  it('for this call alone opens no standing grant', async () => {
    const here = await parts()
    const approval = aFreshApproval()
    await approve(here, approval, null)
    expect(await here.standing.get(standingGrantIdOf(approval.id))).toBeNull()
    expect(await here.standing.use(aGrantCall(), anyFingerprint())).toBeNull()
    expect((await here.standing.listActive({ offset: 0, max: 10 })).total).toBe(0)
  })

  it('for fifteen minutes opens one beside the call’s own, for the same agent, tool and rule', async () => {
    const here = await parts()
    const approval = aFreshApproval({ allowForMs: [15 * MINUTE] })
    await approve(here, approval, 15 * MINUTE)
    const own = await here.grants.get(grantIdOf(approval.id))
    const grant = await here.standing.get(standingGrantIdOf(approval.id))
    expect(own?.state).toBe('active')
    expect(grant).toMatchObject({
      state: 'active',
      approvalId: approval.id,
      sessionId: approval.sessionId,
      holder: { kind: 'agent', principal: approval.principal },
      ...{ upstream: 'files', tools: ['write_file'], rule: 'writes', uses: {}, endedAt: null, endedBy: null },
      approvedBy: [aReviewer('bob@example.com')],
    })
    expect((grant?.expiresAt ?? 0) - (grant?.openedAt ?? 0)).toBe(15 * MINUTE)
  })

  it('below its quorum opens nothing, and of two approvers the more careful decides', async () => {
    const here = await parts()
    const approval = aFreshApproval({ quorum: 2, allowForMs: [MINUTE, 15 * MINUTE] })
    const id = standingGrantIdOf(approval.id)
    await approve(here, approval, 15 * MINUTE)
    expect(await here.standing.get(id)).toBeNull()
    await here.store.apply(approval.id, approvedFor(MINUTE, 'carol'))
    const grant = await here.standing.get(id)
    expect((grant?.expiresAt ?? 0) - (grant?.openedAt ?? 0)).toBe(MINUTE)
    expect(grant?.approvedBy.map(({ email }) => email)).toEqual(['bob@example.com', 'carol@example.com'])
  })

  it('of access opens one for its owner’s agents, and no call may be made in its own name', async () => {
    const here = await parts()
    const approval = anAccessApproval()
    await approve(here, approval, null)
    expect(await here.grants.get(grantIdOf(approval.id))).toBeNull()
    expect(await here.standing.get(standingGrantIdOf(approval.id))).toMatchObject({
      holder: { kind: 'owner', email: 'alice@example.com' },
      ...{ tools: ['write_file', 'move_file'], rule: null, reason: 'Tidying up before the release.' },
    })
    expect(await here.redis.call('EXISTS', here.redis.key('fingerprint', approval.fingerprint))).toBe(0)
  })

  it.each(['denied', 'cancelled', 'expired'] as const)('of access that is %s opens nothing', async (how) => {
    const here = await parts()
    const approval = anAccessApproval()
    await here.holds.open(approval)
    const at = clock.now()
    const applied = await here.store.apply(
      approval.id,
      how === 'denied'
        ? reviewed('deny')
        : how === 'cancelled'
          ? { type: 'cancelled', reason: 'Alice took it back.', at }
          : { type: 'deadline', at: approval.expiresAt },
    )
    expect(applied.ok && applied.approval.state).toBe(how)
    expect(await here.standing.get(standingGrantIdOf(approval.id))).toBeNull()
  })

  it(`is refused where its holder has ${GRANTS_PER_HOLDER_MAX} active grants, and stays open`, async () => {
    const here = await parts()
    for (let made = 0; made < GRANTS_PER_HOLDER_MAX; made++) await aGrant(here)
    const approval = aFreshApproval({ allowForMs: [MINUTE] })
    expect(await approve(here, approval, MINUTE)).toMatchObject({ ok: false, refusal: 'too_many_grants' })
    expect((await here.store.get(approval.id))?.state).toBe('pending')
    expect((await here.store.apply(approval.id, approvedFor(null))).ok).toBe(true)
    const other = { ...aFreshApproval().principal, client: 'another-client' }
    expect((await approve(here, aFreshApproval({ principal: other, allowForMs: [MINUTE] }), MINUTE)).ok).toBe(true)
  })
})

describe('an extension', () => {
  it('makes the grant end later, keeps what it passed, and says who approved it', async () => {
    const here = await parts()
    const first = anAccessApproval({ durationMs: MINUTE })
    await approve(here, first, null)
    const id = standingGrantIdOf(first.id)
    await here.standing.use(aGrantCall(), anyFingerprint())
    const second = anAccessApproval({ extends: id, tools: ['move_file', 'write_file'] })
    const applied = await approve(here, second, null, 'carol')
    const grant = await here.standing.get(id)
    expect(grant).toMatchObject({ state: 'active', approvalId: first.id, uses: { write_file: 1 } })
    expect(grant?.approvedBy.map(({ email }) => email)).toEqual(['bob@example.com', 'carol@example.com'])
    expect(applied.ok && (applied.approval.resolvedAt ?? 0) + 30 * MINUTE).toBe(grant?.expiresAt)
    expect(await here.standing.get(standingGrantIdOf(second.id))).toBeNull()
    expect((await here.standing.listActive({ offset: 0, max: 10 })).total).toBe(1)
  })

  it('makes nothing end earlier', async () => {
    const here = await parts()
    const first = anAccessApproval()
    await approve(here, first, null)
    const before = await here.standing.get(standingGrantIdOf(first.id))
    const second = anAccessApproval({ extends: standingGrantIdOf(first.id), durationMs: MINUTE })
    await approve(here, second, null)
    expect((await here.standing.get(standingGrantIdOf(first.id)))?.expiresAt).toBe(before?.expiresAt)
  })

  it.each<[string, (first: Approval) => Approval, boolean]>([
    ['that has ended', (first) => anAccessApproval({ extends: standingGrantIdOf(first.id) }), true],
    ['of someone else', (first) => forBob(first), false],
    ['for more tools', (first) => extending(first, { tools: ['write_file', 'move_file', 'edit_file'] }), false],
    ['for fewer tools', (first) => extending(first, { tools: ['write_file'] }), false],
    ['on another upstream', (first) => extending(first, { upstream: 'pg' }), false],
  ])('of a grant %s leaves that alone and opens one of its own', async (_sentence, second, ends) => {
    const here = await parts()
    const first = anAccessApproval({ durationMs: MINUTE })
    await approve(here, first, null)
    if (ends) await here.standing.end(standingGrantIdOf(first.id), revoked)
    const before = await here.standing.get(standingGrantIdOf(first.id))
    const applied = await approve(here, second(first), null)
    expect(await here.standing.get(standingGrantIdOf(first.id))).toEqual(before)
    if (!applied.ok) throw new Error(applied.refusal)
    expect(applied.approval.access?.extends).toBeNull()
    expect((await here.standing.get(standingGrantIdOf(applied.approval.id)))?.state).toBe('active')
  })

  const extending = (first: Approval, change: Parameters<typeof anAccessApproval>[0]) =>
    anAccessApproval({ extends: standingGrantIdOf(first.id), ...change })
  const forBob = (first: Approval) => extending(first, { ownerEmail: 'bob@example.com' })
})

describe('a grant of one agent', () => {
  const alice = aPrincipal()
  const as = (change: Parameters<typeof aPrincipal>[0]) => ({ principal: summarisePrincipal(aPrincipal(change)) })
  it.each<[string, Parameters<typeof aGrantCall>[0], boolean]>([
    ['passes the agent’s call of that tool', {}, true],
    ['passes it whatever e-mail its token names now', as({ email: null }), true],
    ['does not pass another tool', { tool: 'move_file' }, false],
    ['does not pass a tool whose name begins likewise', { tool: 'write_file2' }, false],
    ['does not pass a tool that is called like all of them', { tool: '*' }, false],
    ['does not pass the tool of another upstream', { upstream: 'files2' }, false],
    ['does not pass what another rule holds', { rule: 'writes-to-prod' }, false],
    ['[REQ-GRANT-2] does not pass the same principal’s other client', as({ client: 'another-client' }), false],
    ['does not pass a token that names no client', as({ client: null }), false],
    ['does not pass another principal of the same client', as({ subject: 'bob@example.com' }), false],
    [
      'does not pass another principal who has the owner’s e-mail',
      { principal: { ...summarisePrincipal(alice), id: `${alice.issuer}2|${alice.subject}` as typeof alice.id } },
      false,
    ],
  ])('%s', async (_sentence, call, passes) => {
    const here = await parts()
    const id = await aGrant(here)
    expect((await here.standing.use(aGrantCall(call), anyFingerprint()))?.id).toBe(passes ? id : undefined)
    expect((await here.standing.get(id))?.uses).toEqual(passes ? { write_file: 1 } : {})
  })
})

describe('a grant of all agents of a person', () => {
  const as = (change: Parameters<typeof aPrincipal>[0]) => ({ principal: summarisePrincipal(aPrincipal(change)) })
  it.each<[string, Parameters<typeof aGrantCall>[0], boolean]>([
    ['passes any agent of hers', as({ subject: 'agent-7', client: 'another-client' }), true],
    ['passes each of its tools', { tool: 'move_file' }, true],
    ['passes what any rule holds', { rule: 'another' }, true],
    ['does not pass another tool', { tool: 'edit_file' }, false],
    ['does not pass another upstream', { upstream: 'pg' }, false],
    ['does not pass an agent of someone else', as({ subject: 'x', email: 'bob@example.com' }), false],
    ['does not pass an agent whose owner nobody vouches for', as({ email: null }), false],
  ])('%s', async (_sentence, call, passes) => {
    const here = await parts()
    const approval = anAccessApproval()
    await approve(here, approval, null)
    const used = await here.standing.use(aGrantCall(call), anyFingerprint())
    expect(used?.id).toBe(passes ? standingGrantIdOf(approval.id) : undefined)
  })

  it('for all tools counts the first few hundred by name, and the rest together', async () => {
    const here = await parts()
    const approval = anAccessApproval({ tools: ['*'] })
    await approve(here, approval, null)
    const used = []
    for (let tool = 0; tool < 400; tool++) {
      used.push(await here.standing.use(aGrantCall({ tool: `tool_${tool}` }), anyFingerprint()))
    }
    expect(used.every((grant) => grant !== null)).toBe(true)
    const uses = (await here.standing.get(standingGrantIdOf(approval.id)))?.uses ?? {}
    expect(uses.tool_0).toBe(1)
    expect(uses[OTHER_TOOLS]).toBeGreaterThan(100)
    expect(Object.values(uses).reduce((sum, many) => sum + many, 0)).toBe(400)
  })
})

describe('an identical call whose own approval waits comes first', () => {
  it('while that is unused, while it runs, and until its answer is delivered', async () => {
    const here = await parts()
    const approval = aFreshApproval({ allowForMs: [15 * MINUTE] })
    const pass = async () => (await here.standing.use(aGrantCall(), approval.fingerprint)) !== null
    await approve(here, approval, 15 * MINUTE)
    expect(await pass()).toBe(false)
    await here.grants.consume(grantIdOf(approval.id), { ...approval, callId: approval.callId as CallId })
    expect(await pass()).toBe(false)
    expect(await here.standing.use(aGrantCall(), anyFingerprint())).not.toBeNull()
    // What Runs.delivered does, once the agent has the answer.
    await here.redis.call('DEL', here.redis.key('fingerprint', approval.fingerprint))
    expect(await pass()).toBe(true)
  })

  it('and where it was denied the agent hears that', async () => {
    const here = await parts()
    const denied = aFreshApproval()
    await here.holds.open(denied)
    await here.store.apply(denied.id, reviewed('deny'))
    await aGrant(here)
    expect(await here.standing.use(aGrantCall(), denied.fingerprint)).toBeNull()
    expect(await here.standing.use(aGrantCall(), anyFingerprint())).not.toBeNull()
  })

  it('[REQ-GRANT-1] and what people denied is asked about anew, not passed, once its agent has heard', async () => {
    const here = await parts()
    const denied = aFreshApproval()
    const pass = async () => (await here.standing.use(aGrantCall(), denied.fingerprint)) !== null
    await here.holds.open(denied)
    await here.store.apply(denied.id, reviewed('deny'))
    await aGrant(here)
    // What Runs.delivered does, once the agent has heard.
    const deliver = () => here.redis.call('DEL', here.redis.key('fingerprint', denied.fingerprint))
    await deliver()
    expect(await pass()).toBe(false)
    const again = aFreshApproval({ fingerprint: denied.fingerprint })
    expect((await here.holds.open(again)).outcome).toBe('opened')
    expect(await pass()).toBe(false)
    await here.store.apply(again.id, approvedFor(null))
    await deliver()
    expect(await pass()).toBe(true)
  })

  it('but one that people still think about keeps no call waiting that a grant passes', async () => {
    const here = await parts()
    const pending = aFreshApproval()
    await here.holds.open(pending)
    await aGrant(here)
    expect(await here.standing.use(aGrantCall(), pending.fingerprint)).not.toBeNull()
  })
})

describe('the end', () => {
  it('[REQ-GRANT-3] passes nothing any more once a revocation is answered, however many calls race with it', async () => {
    const here = await parts()
    for (let round = 0; round < 50; round++) {
      const id = await aGrant(here)
      let isEnded = false
      const late: unknown[] = []
      const use = async () => {
        for (let call = 0; call < 5; call++) {
          const wasEnded = isEnded
          const used = await here.standing.use(aGrantCall(), anyFingerprint())
          if (wasEnded && used !== null) late.push(used)
        }
      }
      const ending = here.standing.end(id, revoked).then(() => {
        isEnded = true
      })
      await Promise.all([use(), use(), ending, use()])
      expect(late).toEqual([])
    }
  })

  it('comes once: of two who revoke one grant, one is told that it had ended', async () => {
    const here = await parts()
    const id = await aGrant(here)
    const ends = await Promise.all([here.standing.end(id, revoked), here.standing.end(id, revoked)])
    expect(ends.filter((grant) => grant !== null)).toHaveLength(1)
    expect(await here.standing.get(id)).toMatchObject({ state: 'revoked', endedBy: revoked.by })
    expect(await here.standing.end('stg_unknown' as GrantId, revoked)).toBeNull()
  })

  it('does not come as an expiry before its time', async () => {
    const here = await parts()
    const id = await aGrant(here)
    expect(await here.standing.end(id, { state: 'expired', by: null })).toBeNull()
    expect(await here.standing.use(aGrantCall(), anyFingerprint())).not.toBeNull()
  })

  it('[REQ-GRANT-4] by expiry is recorded with what was done under it, and told; and from then on nothing passes', async () => {
    const here = await parts()
    const told = aTeller()
    const events = startEnds(here, told)
    const approval = aFreshApproval({ allowForMs: [400] })
    await approve(here, approval, 400)
    const id = standingGrantIdOf(approval.id)
    await here.standing.use(aGrantCall(), anyFingerprint())
    await until('it is told', () => told.sent.length > 0)
    expect(await here.standing.use(aGrantCall(), anyFingerprint())).toBeNull()
    expect(told.sent).toMatchObject([
      {
        id: `grant-ended-${id}`,
        notice: { type: 'grant_ended', grant: { state: 'expired', uses: { write_file: 1 } } },
      },
    ])
    const { expiresAt } = (await here.standing.get(id)) ?? {}
    expect(events).toMatchObject([
      { type: 'grant.ended', state: 'expired', grant_id: id, at: expiresAt, by: null, uses: { write_file: 1 } },
    ])
    expect((await here.standing.listActive({ offset: 0, max: 10 })).total).toBe(0)
  })

  it('[REQ-GRANT-4] by a person in a process that records nothing is recorded with their name', async () => {
    const here = await parts()
    const id = await aGrant(here)
    // As a command in a shell: nobody who reports is there yet.
    await here.standing.end(id, revoked)
    const told = aTeller()
    const events = startEnds(here, told)
    await until('it is told', () => told.sent.length > 0)
    expect(events).toMatchObject([{ type: 'grant.ended', state: 'revoked', by: revoked.by, uses: {} }])
    await until('it is no longer noted', async () => (await unreported(here)) === 0)
  })

  it('is reported again where people could not be told', async () => {
    const here = await parts()
    const told = aTeller(1)
    const events = startEnds(here, told)
    const id = await aGrant(here)
    await here.standing.end(id, revoked)
    await until('it is told', () => told.sent.length > 0)
    expect(events.length).toBeGreaterThan(1)
    await until('it is no longer noted', async () => (await unreported(here)) === 0)
  })

  it('comes later where the grant was extended', async () => {
    const here = await parts()
    const told = aTeller()
    startEnds(here, told)
    const first = anAccessApproval({ durationMs: 300 })
    const second = anAccessApproval({ extends: standingGrantIdOf(first.id), durationMs: 900 })
    await here.holds.open(second)
    await approve(here, first, null)
    const applied = await here.store.apply(second.id, approvedFor(null))
    await until('it is told', () => told.sent.length > 0)
    const endsAt = applied.ok ? (applied.approval.resolvedAt ?? 0) + 900 : 0
    expect(told.sent).toMatchObject([{ notice: { grant: { approvalId: first.id, endedAt: endsAt } } }])
  })

  it('is shown on every card that offers to take it back, and leads no identical call elsewhere', async () => {
    const here = await parts()
    startEnds(here, aTeller())
    const first = aFreshApproval({ allowForMs: [MINUTE] })
    await approve(here, first, MINUTE)
    const pointer = here.redis.key('fingerprint', first.fingerprint)
    const ledUntil = await here.redis.call('PEXPIRETIME', pointer)
    await here.standing.end(standingGrantIdOf(first.id), revoked)
    await until('its card says so', async () => (await here.store.get(first.id))?.standing?.ended != null)
    expect(await here.store.get(first.id)).toMatchObject({ state: 'approved', standing: { ended: revoked } })
    expect(await here.redis.call('SISMEMBER', here.redis.key('cards-due'), first.id)).toBe(1)
    expect(await here.redis.call('PEXPIRETIME', pointer)).toBe(ledUntil)
  })

  it('is shown on the cards of those who made it last longer too, and so is how long it lasts', async () => {
    const here = await parts()
    startEnds(here, aTeller())
    const first = anAccessApproval({ durationMs: MINUTE })
    const id = standingGrantIdOf(first.id)
    const second = anAccessApproval({ extends: id, durationMs: 2 * MINUTE })
    const third = anAccessApproval({ extends: id, durationMs: 3 * MINUTE })
    const standingOf = async (approval: Approval) => (await here.store.get(approval.id))?.standing ?? null
    for (const approval of [first, second, third]) await approve(here, approval, null)
    const endsAt = (await here.standing.get(id))?.expiresAt
    await until('both earlier cards say until when', async () => {
      const shown = [await standingOf(first), await standingOf(second)]
      return shown.every((standing) => standing?.until === endsAt)
    })
    expect(await standingOf(third)).toBeNull()
    await here.standing.end(id, revoked)
    await until('all three say that it ended', async () => {
      const shown = [await standingOf(first), await standingOf(second), await standingOf(third)]
      return shown.every((standing) => standing?.ended?.by?.id === revoked.by.id)
    })
    await until('nothing is left to show', async () => {
      return (await here.redis.call('EXISTS', here.redis.key('standing-unshown'))) === 0
    })
  })

  it('keeps its session open until then', async () => {
    const here = await parts()
    const approval = aFreshApproval({ allowForMs: [MINUTE] })
    const isBusy = sessionBusy(here)
    await approve(here, approval, MINUTE)
    await here.grants.end(grantIdOf(approval.id), 'revoked')
    expect(await isBusy(approval.sessionId)).toBe(true)
    await here.standing.end(standingGrantIdOf(approval.id), revoked)
    expect(await isBusy(approval.sessionId)).toBe(false)
  })
})

describe('the list', () => {
  it('has those first that end first, by pages, and by whose agents they are for', async () => {
    const here = await parts()
    const of = (email: string) => ({ ...aFreshApproval().principal, email })
    const long = await aGrant(here, { principal: of('alice@example.com') })
    const short = anAccessApproval({ durationMs: MINUTE })
    await approve(here, short, null)
    const bobs = await aGrant(here, { principal: of('bob@example.com') })
    const list = async (page: Parameters<StandingGrants['listActive']>[0]) => {
      const { grants, total } = await here.standing.listActive(page)
      return [total, ...grants.map(({ id }) => id)]
    }
    expect(await list({ offset: 0, max: 10 })).toEqual([3, standingGrantIdOf(short.id), long, bobs])
    expect(await list({ offset: 1, max: 1 })).toEqual([3, long])
    expect(await list({ offset: 0, max: 10, ownerEmail: 'Alice@example.com' })).toEqual([
      2,
      standingGrantIdOf(short.id),
      long,
    ])
    await here.standing.end(long, revoked)
    expect(await list({ offset: 0, max: 10, ownerEmail: 'alice@example.com' })).toEqual([
      1,
      standingGrantIdOf(short.id),
    ])
  })
})

function aTeller(failures = 0) {
  let left = failures
  const sent: { readonly id: string; readonly notice: Notice }[] = []
  return {
    sent,
    async send(id: string, notice: Notice) {
      if (left-- > 0) throw new Error('nobody can be told')
      sent.push({ id, notice })
    },
  }
}

/** What is recorded. */
function startEnds(here: Parts, notices: ReturnType<typeof aTeller>): readonly AuditEvent[] {
  const events: AuditEvent[] = []
  const recorder = { record: async (event: AuditEvent) => void events.push(event) }
  const ends = startStandingGrantEnds({ ...here, standingGrants: here.standing, recorder, notices, clock, log })
  cleanups.push(() => ends.close())
  return events
}

async function unreported({ redis }: Parts): Promise<number> {
  return Number(await redis.call('ZCARD', redis.key('standing-unreported')))
}
