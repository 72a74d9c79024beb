/**
 * Tells whether something came before, within one process, at once and without Redis.
 *
 * Bounded: the oldest are forgotten first. What failed is forgotten at once, so that a retry may succeed.
 */
import type { Clock } from '../../src/ports.ts'

export interface Once {
  /** False where the same key came before. */
  first(key: string): boolean
  forget(key: string): void
}

export function createOnce(options: {
  readonly clock: Clock
  readonly keptMs: number
  readonly keysMax: number
}): Once {
  const { clock, keptMs, keysMax } = options
  const seen = new Map<string, number>()
  return {
    first(key) {
      const now = clock.now()
      for (const [old, until] of seen) {
        if (until > now && seen.size < keysMax) break
        seen.delete(old)
      }
      if (seen.has(key)) return false
      seen.set(key, now + keptMs)
      return true
    },
    forget(key) {
      seen.delete(key)
    },
  }
}
