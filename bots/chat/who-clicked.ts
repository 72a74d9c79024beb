/**
 * Whoever acted in a chat, once the chat vouched for them. It is asked for each of their clicks, and what it said counts
 * for a moment; a refusal is asked anew, because whoever becomes a member should not have to wait.
 */
import type { Reviewer } from '../../src/people/reviewer.ts'
import type { Clock, Log } from '../../src/ports.ts'
import { errorName } from './error-name.ts'
import { REVIEWER_CACHED_MS, REVIEWERS_CACHED_MAX } from './limits.ts'

export type WhoClicked =
  | { readonly ok: true; readonly reviewer: Reviewer }
  /** `message` is for them: guests, strangers, people without an address. */
  | { readonly ok: false; readonly message: string }

export const BOT = 'Bots cannot review.'
export const GUEST = 'Guests cannot review.'
export const DEACTIVATED = 'Your account is deactivated.'
export const strangerTo = (chat: string): string => `${chat} does not know you.`

/** `what`: an address that Slack calls confirmed, for one. */
export const withoutAddress = (chat: string, what: string): string =>
  `${chat} shows no ${what} of yours, so nobody can tell whether the agent is yours.`

export function refused(why: string): WhoClicked {
  return { ok: false, message: `${why} Nothing was decided.` }
}

export interface WhoClickedOptions {
  readonly channel: 'slack' | 'teams'
  /** As people call it: it is in what they are told. */
  readonly chat: string
  readonly clock: Clock
  readonly log: Log
}

/** `key`: one person, of one workspace or tenant. Never rejects. */
export type Ask = (key: string, look: () => Promise<WhoClicked>) => Promise<WhoClicked>

export function createWhoClicked({ channel, chat, clock, log }: WhoClickedOptions): Ask {
  const known = new Map<string, { readonly who: WhoClicked; readonly until: number }>()
  return async (key, look) => {
    const cached = known.get(key)
    if (cached !== undefined && cached.until > clock.now()) return cached.who
    known.delete(key)
    try {
      const who = await look()
      if (!who.ok) return who
      if (known.size >= REVIEWERS_CACHED_MAX) known.delete(known.keys().next().value ?? '')
      known.set(key, { who, until: clock.now() + REVIEWER_CACHED_MS })
      return who
    } catch (error) {
      log.warn(`${channel} did not say who clicked`, { channel, reviewer: key, error: errorName(error) })
      return { ok: false, message: `${chat} did not tell who you are, so nothing was decided. Please click again.` }
    }
  }
}
