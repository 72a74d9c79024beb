/** How long whoever was told "later" by a channel waits before asking again. */
import type { ChannelBusy } from '../src/ports.ts'

/** A channel that asks for more is asked again after this: chats say seconds. */
const BUSY_MAX_MS = 10 * 60 * 1_000
/** What was put off together must not come back together, and no person may notice. */
const JITTER_SHARE = 0.1
const JITTER_MAX_MS = 1_000

/** Never sooner than it said, unless that is absurd. */
export function waitOf({ retryAfterMs }: ChannelBusy): number {
  const waitMs = Math.min(retryAfterMs, BUSY_MAX_MS)
  return Math.round(waitMs + Math.random() * Math.min(JITTER_MAX_MS, waitMs * JITTER_SHARE))
}
