/**
 * When a server that ended by itself may be started again. The first time at once: a single crash is no reason to
 * refuse the next session. After that the delay doubles, with jitter, so that a command which can't run doesn't take a
 * core by being started for every message; meanwhile callers are refused with the reason, and need not wait.
 *
 * Counted by owner (a principal, or everybody where the process is shared): who makes their own server crash must not
 * keep others from theirs.
 */
import type { Clock } from '../../src/ports.ts'

const FIRST_DELAY_MS = 500
const DELAY_MAX_MS = 60_000
/** A server that ran for so long is no crash loop; counting starts anew. */
const STEADY_MS = 30_000
/** Owners that are remembered; past it the oldest is forgotten, and may start at once. */
const OWNERS_MAX = 1_000

export interface Backoff {
  /** Null where a start is allowed; else how long it is not, and why. */
  refusal(owner: string): { readonly waitMs: number; readonly times: number; readonly reason: string } | null
  /** A process ended although nobody had asked it to. */
  ended(owner: string, end: { readonly ranMs: number; readonly reason: string }): void
}

interface Failures {
  readonly times: number
  readonly reason: string
  readonly until: number
}

/** @param random from 0 to 1 */
export function createBackoff(clock: Clock, random: () => number): Backoff {
  const failures = new Map<string, Failures>()
  return {
    refusal(owner) {
      const failed = failures.get(owner)
      const waitMs = failed === undefined ? 0 : failed.until - clock.now()
      return failed === undefined || waitMs <= 0 ? null : { waitMs, times: failed.times, reason: failed.reason }
    },
    ended(owner, { ranMs, reason }) {
      const times = ranMs >= STEADY_MS ? 1 : (failures.get(owner)?.times ?? 0) + 1
      // Moved to the end: the map's order is from the oldest to the newest.
      failures.delete(owner)
      failures.set(owner, { times, reason, until: clock.now() + delayOf(times, random) })
      const [oldest] = failures.keys()
      if (failures.size > OWNERS_MAX && oldest !== undefined) failures.delete(oldest)
    },
  }
}

/** None, then 0.5 s, 1 s, 2 s … 60 s, each between half of it and all of it. */
function delayOf(times: number, random: () => number): number {
  if (times < 2) return 0
  const full = Math.min(DELAY_MAX_MS, FIRST_DELAY_MS * 2 ** (times - 2))
  return Math.ceil(full / 2 + (random() * full) / 2)
}
