import { afterEach, describe, expect, it, vi } from 'vitest'
import { packagesOfSoname } from '../../jobs/debian-packages.ts'
import { cacheDirectoryOf } from '../../jobs/embedded-redis.ts'
import { backoffMs } from '../../jobs/queues.ts'
import { RECHECK_MS, startReconciler } from '../../jobs/reconcile.ts'
import { connectRedis, parseRedisUrl, refuseOldVersion } from '../../jobs/redis.ts'
import type { LogFields } from '../../src/ports.ts'
import { silentLog, systemClock } from '../support/redis.ts'
import { until } from '../support/until.ts'

describe('the URL of Redis', () => {
  it.each([
    ['a host alone', 'redis://cache', { host: 'cache', port: 6379, db: 0 }],
    [
      'all of it',
      'redis://me:p%40ss@10.0.0.1:7000/3',
      { host: '10.0.0.1', port: 7000, db: 3, username: 'me', password: 'p@ss' },
    ],
    ['a password without a name', 'redis://:pw@cache', { host: 'cache', port: 6379, db: 0, password: 'pw' }],
    ['IPv6', 'redis://[::1]:6380', { host: '::1', port: 6380, db: 0 }],
    ['TLS', 'rediss://cache', { host: 'cache', port: 6379, db: 0, tls: {} }],
  ])('is read: %s', (_, url, endpoint) => {
    expect(parseRedisUrl(url)).toEqual(endpoint)
  })

  it.each([
    ['another protocol', 'http://me:hunter2@cache'],
    ['no URL', 'cache:hunter2'],
    ['a query, which would set the driver’s options', 'redis://:hunter2@cache?enableOfflineQueue=true'],
    ['a database that is no number', 'redis://:hunter2@cache/main'],
    ['no host', 'redis:///0'],
    ['a password that is not percent-encoded', 'redis://:hunter2%zz@cache'],
  ])('is refused without being quoted: %s', (_, url) => {
    let message = ''
    try {
      parseRedisUrl(url)
    } catch (error) {
      message = String(error)
    }
    expect(message).toContain('a Redis URL looks like')
    expect(message).not.toContain('hunter2')
  })
})

describe('a Redis that is not there', () => {
  it('is refused in milliseconds, under one code, and its password appears nowhere', async () => {
    const lines: [string, LogFields | undefined][] = []
    const note = (message: string, fields?: LogFields) => void lines.push([message, fields])
    const log = { info: note, warn: note, error: note }
    // Port 1 on loopback: nothing listens.
    const redis = connectRedis({ url: 'redis://:hunter2@127.0.0.1:1', keyPrefix: 'test', clock: systemClock, log })
    await until('the failure is logged', () => lines.length > 0)
    const startedAt = performance.now()
    const errors = await Promise.all(
      [redis.call('GET', 'key'), redis.whenReady(AbortSignal.timeout(50))].map((answer) =>
        answer.catch((error) => error),
      ),
    )
    expect(performance.now() - startedAt).toBeLessThan(2_000)
    expect(errors[0]).toMatchObject({ code: 'store_unavailable' })
    expect(errors[1]).toMatchObject({ name: 'TimeoutError' })
    expect(redis.isReady()).toBe(false)
    const waiting = redis.whenReady()
    await redis.close()
    await expect(waiting).rejects.toMatchObject({ code: 'store_unavailable' })
    expect(JSON.stringify([lines, errors, errors.map(String)])).not.toContain('hunter2')
  })

  it('takes no key prefix that would break the hash tag', () => {
    const connect = (keyPrefix: string) =>
      connectRedis({ url: 'redis://127.0.0.1:1', keyPrefix, clock: systemClock, log: silentLog })
    for (const prefix of ['', '{a}', 'a:b', 'a'.repeat(65)]) expect(() => connect(prefix)).toThrow('key prefix')
  })
})

describe('the version of Redis', () => {
  it.each([
    ['Redis 6.2', 'redis_version:6.2.0', true],
    ['Redis 7.0', '# Server\r\nredis_version:7.0.15\r\n', true],
    ['Redis 10', 'redis_version:10.0.1', true],
    ['Valkey, which calls itself an old Redis too', 'redis_version:7.2.4\r\nvalkey_version:8.0.1', true],
    ['Redis 6.0', 'redis_version:6.0.16', false],
    ['Redis 5', 'redis_version:5.0.7', false],
    ['a server that does not say', 'server:something', false],
  ])('%s', (_, info, accepted) => {
    expect(refuseOldVersion(info) === null).toBe(accepted)
  })
})

describe('the package of a library (Debian Policy §8.1)', () => {
  it.each([
    ['a name and a version', 'libjemalloc.so.2', 'libjemalloc2'],
    ['a name that ends in a digit', 'liblua5.1.so.0', 'liblua5.1-0'],
    ['an underscore and capitals', 'libFoo_bar.so.1', 'libfoo-bar1'],
    ['a longer version', 'libhiredis.so.0.14', 'libhiredis0.14'],
    ['a version in the name', 'libdb-5.3.so', 'libdb5.3'],
  ])('%s', (_, soname, name) => {
    expect(packagesOfSoname(soname)).toEqual([name, `${name}t64`])
  })

  it('is unknown for what is no soname', () => {
    expect(packagesOfSoname('ld-linux')).toEqual([])
  })
})

describe('the cache for programs', () => {
  it.each([
    ['the user’s own cache', { xdgCacheHome: '/caches', home: '/home/a' }, '/caches/countersign'],
    ['the usual one', { xdgCacheHome: undefined, home: '/home/a' }, '/home/a/.cache/countersign'],
    [
      'not a relative one, which the specification tells to ignore',
      { xdgCacheHome: 'caches', home: '/home/a' },
      '/home/a/.cache/countersign',
    ],
  ])('is in %s', (_, user, directory) => {
    expect(cacheDirectoryOf(user)).toBe(directory)
  })
})

describe('the wait before a failed job runs again', () => {
  it('doubles, never exceeds half a minute, and is never less than half of itself', () => {
    for (const [attempt, fullMs] of [
      [1, 500],
      [2, 1_000],
      [5, 8_000],
      [7, 30_000],
      [900, 30_000],
    ] as const) {
      for (let i = 0; i < 100; i++) {
        const ms = backoffMs(attempt)
        expect(ms).toBeGreaterThanOrEqual(fullMs / 2)
        expect(ms).toBeLessThanOrEqual(fullMs)
      }
    }
  })
})

describe('reconciliation', () => {
  /** Redis as a switch. */
  function aSwitch(ready: boolean) {
    const listeners = new Set<() => void>()
    const first = aPromise()
    const redis = {
      isReady: () => ready,
      whenReady: () => first.promise,
      onReconnect: (listener: () => void) => {
        listeners.add(listener)
        return () => void listeners.delete(listener)
      },
    }
    const comeBack = () => {
      ready = true
      first.resolve()
      for (const listener of listeners) listener()
    }
    return { redis, comeBack }
  }

  it('may be poked by its own first run', async () => {
    const warnings: string[] = []
    const log = { ...silentLog, warn: (message: string) => void warnings.push(message) }
    await new Promise<void>((resolve) => {
      const reconciler = startReconciler({
        redis: aSwitch(true).redis,
        name: 'test',
        log,
        run: async () => {
          reconciler.poke(RECHECK_MS)
          resolve(reconciler.close())
        },
      })
    })
    expect(warnings).toEqual([])
  })

  it('runs at start, and again a moment later where it failed', async () => {
    let runs = 0
    const run = async () => {
      if (++runs < 3) throw new Error('not yet')
    }
    const reconciler = startReconciler({ redis: aSwitch(true).redis, name: 'test', log: silentLog, run })
    await until('it has succeeded', () => runs === 3)
    await reconciler.close()
    expect(runs).toBe(3)
  })

  it('runs nothing while Redis is away, and once when it comes', async () => {
    let runs = 0
    const { redis, comeBack } = aSwitch(false)
    const reconciler = startReconciler({ redis, name: 'test', log: silentLog, run: async () => void runs++ })
    reconciler.poke()
    reconciler.poke()
    await new Promise((resolve) => setImmediate(resolve))
    expect(runs).toBe(0)
    comeBack()
    await until('it has run', () => runs > 0)
    await reconciler.close()
    expect(runs).toBeLessThanOrEqual(2)
  })

  it('never runs twice at once; pokes during a run lead to one more, and none follows its close', async () => {
    let runs = 0
    const gates = [aPromise(), aPromise()]
    const reconciler = startReconciler({
      redis: aSwitch(true).redis,
      name: 'test',
      log: silentLog,
      run: async () => gates[runs++]?.promise,
    })
    for (let i = 0; i < 5; i++) reconciler.poke()
    expect(runs).toBe(1)
    gates[0]?.resolve()
    await until('the second run has begun', () => runs === 2)
    reconciler.poke()
    const closing = reconciler.close()
    gates[1]?.resolve()
    await closing
    reconciler.poke()
    await new Promise((resolve) => setImmediate(resolve))
    expect(runs).toBe(2)
  })

  describe('by itself', () => {
    afterEach(() => void vi.useRealTimers())

    it('runs every minute, for what died half-way elsewhere', async () => {
      vi.useFakeTimers()
      let runs = 0
      const run = async () => void runs++
      const reconciler = startReconciler({ redis: aSwitch(true).redis, name: 'test', log: silentLog, run })
      await vi.advanceTimersByTimeAsync(3 * RECHECK_MS)
      expect(runs).toBe(4)
      await reconciler.close()
    })

    it('keeps one rhythm however often Redis comes back, where each run asks for another one later', async () => {
      vi.useFakeTimers()
      let runs = 0
      const { redis, comeBack } = aSwitch(true)
      const run = async () => {
        runs++
        reconciler.poke(5_000)
      }
      const reconciler = startReconciler({ redis, name: 'test', log: silentLog, run: () => run() })
      for (let times = 0; times < 10; times++) comeBack()
      await vi.advanceTimersByTimeAsync(0)
      const before = runs
      await vi.advanceTimersByTimeAsync(50_000)
      expect(runs - before).toBe(10)
      await reconciler.close()
    })
  })
})

/** Promise.withResolvers, which Node 20 does not have. */
function aPromise() {
  let resolve: () => void = () => undefined
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}
