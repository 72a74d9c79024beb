/**
 * Makes what should be so: runs at start, each time that Redis is back, and when poked; again a moment later where it
 * failed. One run at a time; pokes during a run lead to one more. What it runs must be harmless when nothing is amiss.
 */
import { GatewayError } from '../src/errors.ts'
import type { Log } from '../src/ports.ts'
import type { RedisHandle } from './redis.ts'

const RETRY_MS = 500

export interface Reconciler {
  /** Runs soon. */
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
  const timers = new Set<NodeJS.Timeout>()

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
    if (closed) return
    const timer = setTimeout(() => {
      timers.delete(timer)
      retrying = false
      poke()
    }, ms)
    timers.add(timer)
  }
  const forget = redis.onReconnect(poke)
  poke()
  // Not ready yet: the first connection is no reconnection.
  if (!redis.isReady()) redis.whenReady().then(poke, () => undefined)

  return {
    poke: (afterMs) => (afterMs === undefined ? poke() : later(afterMs)),
    async close() {
      closed = true
      forget()
      for (const timer of timers) clearTimeout(timer)
      await running
    },
  }
}

function nameOf(error: unknown): string {
  if (error instanceof GatewayError) return error.code
  return error instanceof Error ? error.name : 'unknown'
}
