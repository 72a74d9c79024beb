/**
 * How often a stranger may make us work: look up a code that is none, or begin to sign in for nothing. By peer address, so
 * that one can't use up another's; behind a proxy all share one, so the limit is one that people don't meet.
 */
import type { Clock } from '../../src/ports.ts'

const WINDOW_MS = 60_000
export const TRIES_A_MINUTE_MAX = 60
/** More addresses than that at once are an attack; then the oldest is forgotten. */
const ADDRESSES_MAX = 10_000

export interface Rate {
  /** Counts one; false where it is one too many. */
  allows(address: string | undefined): boolean
}

export function createRate(clock: Clock): Rate {
  const windows = new Map<string, { readonly until: number; count: number }>()
  return {
    allows(address = '') {
      const now = clock.now()
      const known = windows.get(address)
      if (known !== undefined && known.until > now) {
        known.count += 1
        return known.count <= TRIES_A_MINUTE_MAX
      }
      windows.delete(address)
      windows.set(address, { until: now + WINDOW_MS, count: 1 })
      const [oldest] = windows.keys()
      if (windows.size > ADDRESSES_MAX && oldest !== undefined) windows.delete(oldest)
      return true
    },
  }
}
