/** The ring of sealing keys in a real Redis, as several replicas and a restarted gateway read it. */
import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { readRing, startSealingKeys } from '../../jobs/sealing-keys.ts'
import { createSealer, type SealingKey } from '../../src/sealing/seal.ts'
import { silentLog, startTestRedis, type TestRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'

let server: TestRedis
beforeAll(async () => {
  server = await startTestRedis()
})
afterAll(() => server?.stop())

const reveal = (ring: readonly SealingKey[]) => ring.map(({ secret }) => secret.reveal())
const never = new AbortController().signal
const HOUR_MS = 60 * 60 * 1_000

it('replicas that start at once share the one key that the first of them made, also after a restart', async () => {
  const [one, other] = [await server.connect('ring-shared'), await server.connect('ring-shared')]
  const [mine, theirs] = await Promise.all([
    startSealingKeys(one, silentLog, never),
    startSealingKeys(other, silentLog, never),
  ])
  expect(mine.ring()).toHaveLength(1)
  expect(reveal(mine.ring())).toEqual(reveal(theirs.ring()))
  const text = createSealer({ ring: mine.ring, randomBytes }).seal('request-state', { hold: 'h' }, 'alice')
  mine.close()
  theirs.close()
  const again = await startSealingKeys(await server.connect('ring-shared'), silentLog, never)
  expect(createSealer({ ring: again.ring, randomBytes }).open('request-state', text, 'alice')).toEqual({ hold: 'h' })
  again.close()
})

it('a gateway that is told to stop while Redis is away does not wait for it', async () => {
  const own = await startTestRedis()
  try {
    const redis = await own.connect()
    own.signal('SIGKILL')
    await until('the loss is noticed', () => !redis.isReady())
    const stopping = new AbortController()
    const starting = startSealingKeys(redis, silentLog, stopping.signal)
    stopping.abort()
    await expect(starting).rejects.toMatchObject({ code: 'store_unavailable' })
    await expect(startSealingKeys(redis, silentLog, stopping.signal)).rejects.toThrow()
  } finally {
    await own.stop()
  }
})

it('a key that is old enough gets one successor, which seals only once every replica has had time to read it', async () => {
  const redis = await server.connect('ring-old')
  const [first] = reveal(await readRing(redis, redis))
  // Keys of one instant have no order; in service a week lies between them.
  await pause(2)
  const due = { rotateAfterMs: 0, keptMs: HOUR_MS, activeAfterMs: HOUR_MS }
  const grown = await readRing(redis, redis, due)
  expect(reveal(grown)).toHaveLength(2)
  expect(
    grown.map(({ isActive }) => isActive),
    'the successor opens, the first still seals',
  ).toEqual([false, true])
  expect(reveal(grown)[1]).toBe(first)
  expect(reveal(await readRing(redis, redis)), 'not due: nothing is added').toEqual(reveal(grown))
  const later = await readRing(redis, redis, { activeAfterMs: 0 })
  expect(later.map(({ isActive }) => isActive)).toEqual([true, true])
})

it('a key that nothing needs any more is dropped', async () => {
  const redis = await server.connect('ring-dropped')
  const [first] = reveal(await readRing(redis, redis))
  const ring = await readRing(redis, redis, { keptMs: 0 })
  expect(reveal(ring)).toHaveLength(1)
  expect(reveal(ring)).not.toContain(first)
})
