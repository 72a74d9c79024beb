/** What tokens say of their people's groups, kept in a real Redis and read by other replicas. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RedisHandle } from '../../jobs/redis.ts'
import { CLIENTS_MAX, createSignedInGroups, KNOWN_FOR_MS } from '../../jobs/signed-in-groups.ts'
import { epochMs } from '../../src/brands.ts'
import type { Principal } from '../../src/identity/principal.ts'
import type { Reviewer } from '../../src/people/reviewer.ts'
import { aPrincipal } from '../support/examples.ts'
import { silentLog as log, startTestRedis, type TestRedis } from '../support/redis.ts'

const LIMITS = { maxAgeMs: 0, patienceMs: 5_000 }
const HOUR_MS = 3_600_000
const OTHER_ISSUER = 'https://partner.example'

let server: TestRedis
let serial = 0
beforeAll(async () => {
  server = await startTestRedis()
})
afterAll(() => server.stop())

/** Two replicas; a person of their own for each test. */
async function rig(members = ['idp:dba', `idp:${OTHER_ISSUER}|dba`, 'okta:DBA']) {
  const redis = await server.connect()
  const other = await server.connect(redis.key('').slice(1, -2))
  const time = { aheadMs: 0 }
  const clock = { now: () => epochMs(Date.now() + time.aheadMs) }
  const here = createSignedInGroups(redis, { members, clock, log })
  const there = createSignedInGroups(other, { members, clock, log })
  const email = `person${++serial}@example.com`
  const reviewer: Reviewer = { id: 'slack:T1:U1', email, name: 'x' }
  const startedAt = Date.now()
  return {
    redis,
    time,
    here,
    email,
    async shows(change: Partial<Principal> & { iat?: number; forMs?: number }) {
      const { iat = 1_000, forMs = HOUR_MS, ...token } = change
      const principal = aPrincipal({ email, vouchedEmail: email, groups: [], claims: { iat }, ...token })
      here.verified({ principal, expiresAt: epochMs(startedAt + forMs) })
      await here.settled()
    },
    isIn: (member = 'idp:dba', who = reviewer) => there.source.isMember(who, member, LIMITS),
    entries: async () => {
      const keys = (await redis.call('KEYS', redis.key('idp', '*'))) as string[]
      return Promise.all(keys.map((key) => redis.call('HGETALL', key) as Promise<string[]>))
    },
  }
}

describe('a group as tokens name it', () => {
  it('[REQ-WHO-1] has whoever showed a token that names it, on every replica', async () => {
    const { shows, isIn } = await rig()
    expect(await isIn()).toBe(false)
    await shows({ groups: ['dba', 'everyone'] })
    expect(await isIn()).toBe(true)
  })

  it('has nobody else, and nobody without an e-mail', async () => {
    const { shows, isIn } = await rig()
    await shows({ groups: ['dba'] })
    expect(await isIn('idp:dba', { id: 'slack:T1:U2', email: 'eve@example.com', name: 'x' })).toBe(false)
    expect(await isIn('idp:dba', { id: 'console:operator', email: null, name: 'x' })).toBe(false)
  })

  it('has nobody whose address nobody vouches for', async () => {
    const { shows, isIn } = await rig()
    await shows({ groups: ['dba'], vouchedEmail: null })
    expect(await isIn()).toBe(false)
  })

  it('loses whose newer token of the same client no longer names it, also when that comes from another replica', async () => {
    const { shows, isIn } = await rig()
    await shows({ groups: ['dba'], iat: 1_000 })
    await shows({ groups: [], iat: 1_001 })
    expect(await isIn()).toBe(false)
    // The older token is good still, but it is the older one.
    await shows({ groups: ['dba'], iat: 999 })
    expect(await isIn()).toBe(false)
  })

  it('keeps whose other client’s token carries no groups', async () => {
    const { shows, isIn } = await rig()
    await shows({ groups: ['dba'], client: 'one' })
    await shows({ groups: [], client: 'two', iat: 2_000 })
    expect(await isIn()).toBe(true)
  })

  it('loses whose token has ended', async () => {
    const { shows, isIn, time } = await rig()
    await shows({ groups: ['dba'], forMs: 60_000 })
    expect(await isIn()).toBe(true)
    time.aheadMs += 60_001
    expect(await isIn()).toBe(false)
  })

  it('loses everybody after twelve hours, however long their tokens are good', async () => {
    const { shows, isIn, time } = await rig()
    await shows({ groups: ['dba'], forMs: 30 * 24 * HOUR_MS })
    time.aheadMs += KNOWN_FOR_MS - 60_000
    expect(await isIn()).toBe(true)
    time.aheadMs += 60_001
    expect(await isIn()).toBe(false)
  })

  it('of one issuer is that issuer’s alone', async () => {
    const { shows, isIn } = await rig()
    await shows({ groups: ['dba'] })
    expect(await isIn(`idp:${OTHER_ISSUER}|dba`)).toBe(false)
    await shows({ groups: ['dba'], issuer: OTHER_ISSUER })
    expect(await isIn(`idp:${OTHER_ISSUER}|dba`)).toBe(true)
  })

  it('is all that is kept of a token, under a key that names nobody', async () => {
    const { shows, entries, redis, email } = await rig()
    await shows({ groups: ['dba', 'hr-secret'] })
    expect(JSON.stringify(await entries())).not.toContain('hr-secret')
    expect(JSON.stringify(await redis.call('KEYS', '*'))).not.toContain(email)
  })

  it('is written once for each token, not with each check of it', async () => {
    const { shows, redis } = await rig()
    await shows({ groups: ['dba'] })
    const before = await writesOf(redis)
    for (let check = 0; check < 5; check++) await shows({ groups: ['dba'] })
    expect(await writesOf(redis)).toBe(before)
  })

  it('is not written at all where the settings name none', async () => {
    const { shows, entries } = await rig(['okta:DBA'])
    await shows({ groups: ['dba'] })
    expect(await entries()).toEqual([])
  })

  it('is kept for so many clients of one person at most: the oldest goes', async () => {
    const { shows, entries, isIn } = await rig()
    await shows({ groups: ['dba'], client: 'first', iat: 1 })
    expect(await isIn()).toBe(true)
    for (let client = 0; client < CLIENTS_MAX; client++) await shows({ client: `c${client}`, iat: 10 + client })
    expect((await entries())[0]).toHaveLength(CLIENTS_MAX * 2)
    expect(await isIn()).toBe(false)
  })

  it('can’t be told while Redis is away, and no token’s check fails for it', async () => {
    const own = await startTestRedis()
    const redis = await own.connect()
    const groups = createSignedInGroups(redis, { members: ['idp:dba'], clock: { now: () => epochMs(Date.now()) }, log })
    own.signal('SIGSTOP')
    try {
      const principal = aPrincipal({ vouchedEmail: 'alice@example.com', groups: ['dba'], claims: { iat: 1 } })
      groups.verified({ principal, expiresAt: epochMs(Date.now() + HOUR_MS) })
      const alice: Reviewer = { id: 'x', email: 'alice@example.com', name: 'x' }
      await expect(groups.source.isMember(alice, 'idp:dba', LIMITS)).rejects.toMatchObject({
        code: 'store_unavailable',
      })
      await groups.settled()
    } finally {
      own.signal('SIGCONT')
      await own.stop()
    }
  })
})

async function writesOf(redis: RedisHandle): Promise<number> {
  const info = String(await redis.call('INFO', 'commandstats'))
  return Number(/cmdstat_evalsha:calls=(\d+)/.exec(info)?.[1] ?? 0)
}
