/**
 * Makes what should be so: runs at start, each time that Redis is back, when poked, and every minute, because another
 * process may have died half-way and nobody tells us; again a moment later where it failed. One run at a time; pokes
 * during a run lead to one more. What it runs must be harmless when nothing is amiss.
 */
import { performance } from 'node:perf_hooks'
import { GatewayError } from '../src/errors.ts'
import type { Log } from '../src/ports.ts'
import type { RedisHandle } from './redis.ts'

const RETRY_MS = 500
/** What a crash elsewhere left half-done waits no longer than this. */
export const RECHECK_MS = 60_000

export interface Reconciler {
  /** Runs soon, or when so much time has passed, whichever of what was asked for comes first. */
  poke(afterMs?: number): void
  close(): Promise<void>
}

export function startReconciler(options: {
  readonly redis: Pick<RedisHandle, 'isReady' | 'whenReady' | 'onReconnect'>
  readonly name: string
  readonly log: Log
  readonly run: () => Promise<void>
}): Reconciler {
  const { redis, name, log, run } = options
  let closed = false
  let wanted = false
  let retrying = false
  let running: Promise<void> | null = null
  /** One timer, for the earliest of what is asked for: else each poke for later would begin a chain of its own. */
  let timer: NodeJS.Timeout | undefined
  let dueAt = Number.POSITIVE_INFINITY

  const loop = async () => {
    while (wanted && !closed && redis.isReady()) {
      wanted = false
      try {
        await run()
      } catch (error) {
        wanted = true
        retrying = true
        if (!closed) log.warn('reconciliation failed, will run again', { name, why: nameOf(error) })
        return later(RETRY_MS)
      }
    }
    later(RECHECK_MS)
  }
  const start = () => {
    // While Redis is away `wanted` stays set, and its return starts the loop.
    if (closed || running) return
    running = loop().finally(() => {
      running = null
      if (wanted && !retrying && redis.isReady()) start()
    })
  }
  const poke = () => {
    wanted = true
    start()
  }
  const later = (ms: number) => {
    const at = performance.now() + ms
    if (closed || at >= dueAt) return
    clearTimeout(timer)
    dueAt = at
    timer = setTimeout(() => {
      dueAt = Number.POSITIVE_INFINITY
      retrying = false
      poke()
    }, ms)
  }
  const forget = redis.onReconnect(poke)
  // Not at once: `run` may poke the reconciler that its caller doesn't have yet.
  queueMicrotask(poke)
  // Not ready yet: the first connection is no reconnection.
  if (!redis.isReady()) redis.whenReady().then(poke, () => undefined)

  return {
    poke: (afterMs) => (afterMs === undefined ? poke() : later(afterMs)),
    async close() {
      closed = true
      forget()
      clearTimeout(timer)
      await running
    },
  }
}

function nameOf(error: unknown): string {
  if (error instanceof GatewayError) return error.code
  return error instanceof Error ? error.name : 'unknown'
}
