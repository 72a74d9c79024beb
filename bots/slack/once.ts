/**
 * Runs a delivery once. Slack sends again what it believes lost, and a signed request can be replayed while its
 * signature is fresh; both carry the same body. The state machine makes a second click harmless; this keeps it from
 * being worked on at all, within one process.
 *
 * Bounded: the oldest are forgotten first. A delivery that failed is forgotten at once, so that a retry may succeed.
 */
import { createHash } from 'node:crypto'
import type { Clock } from '../../src/ports.ts'
import { SEEN_REQUESTS_MAX, SIGNATURE_AGE_MAX_MS, SIGNATURE_SKEW_MAX_MS } from './limits.ts'

const REMEMBERED_MS = SIGNATURE_AGE_MAX_MS + SIGNATURE_SKEW_MAX_MS

export interface Once {
  /** False where the same body came before. */
  first(body: unknown): boolean
  forget(body: unknown): void
}

export function createOnce(clock: Clock): Once {
  const seen = new Map<string, number>()
  return {
    first(body) {
      const key = digest(body)
      const now = clock.now()
      for (const [old, until] of seen) {
        if (until > now && seen.size < SEEN_REQUESTS_MAX) break
        seen.delete(old)
      }
      if (seen.has(key)) return false
      seen.set(key, now + REMEMBERED_MS)
      return true
    },
    forget(body) {
      seen.delete(digest(body))
    },
  }
}

function digest(body: unknown): string {
  return createHash('sha256').update(JSON.stringify(body)).digest('base64')
}
