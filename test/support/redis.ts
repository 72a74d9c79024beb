/** A real Redis for a test: its own data directory, stopped and removed afterwards. */
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { cacheDirectoryOf, type EmbeddedRedis, startEmbeddedRedis } from '../../jobs/embedded-redis.ts'
import { connectRedis, type RedisHandle } from '../../jobs/redis.ts'
import { epochMs } from '../../src/brands.ts'
import type { Clock, Log, Recorder } from '../../src/ports.ts'

export const systemClock: Clock = { now: () => epochMs(Date.now()) }
export const silentRecorder: Recorder = { record: async () => undefined }
export const silentLog: Log = { info: () => undefined, warn: () => undefined, error: () => undefined }

export interface TestRedis extends EmbeddedRedis {
  readonly directory: string
  /** A handle under a key prefix that nobody else has, closed by `stop`. */
  connect(keyPrefix?: string): Promise<RedisHandle>
  /** As SIGKILL, SIGSTOP or SIGCONT from outside would. */
  signal(name: NodeJS.Signals): void
  /** Again on the same directory and port, after it was killed. */
  restart(): Promise<void>
}

export async function startTestRedis(): Promise<TestRedis> {
  const directory = await mkdtemp(join(tmpdir(), 'countersign-redis-'))
  const settings = {
    directory,
    log: silentLog,
    path: process.env.PATH ?? '',
    cacheDirectory: cacheDirectoryOf({ xdgCacheHome: process.env.XDG_CACHE_HOME, home: homedir() }),
  }
  const start = async () => {
    const started = await startEmbeddedRedis(settings)
    await relaxSync(started.url)
    return started
  }
  let embedded = await start()
  const handles: RedisHandle[] = []
  return {
    directory,
    how: embedded.how,
    get url() {
      return embedded.url
    },
    get pid() {
      return embedded.pid
    },
    async connect(keyPrefix = `test-${randomUUID()}`) {
      const handle = connectRedis({ url: embedded.url, keyPrefix, clock: systemClock, log: silentLog })
      handles.push(handle)
      await handle.whenReady()
      return handle
    },
    signal: (name) => void process.kill(embedded.pid, name),
    async restart() {
      embedded = await start()
    },
    async stop() {
      await Promise.all(handles.map((handle) => handle.close()))
      await embedded.stop()
      // A gateway of a test that failed may still be connected, and would keep it: this one ends with its test.
      killIfAlive(embedded.pid)
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/**
 * No test cuts the power, and a killed Redis loses nothing by this; but tests beside each other keep a disk so busy that
 * syncing every write takes longer than the request path waits.
 */
async function relaxSync(url: string): Promise<void> {
  const redis = connectRedis({ url, keyPrefix: 'test-setup', clock: systemClock, log: silentLog })
  await redis.whenReady()
  await redis.call('CONFIG', 'SET', 'appendfsync', 'everysec')
  await redis.close()
}

function killIfAlive(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended, as it should.
  }
}
