/**
 * Elevated access: what a person asks for themselves, so that their agents may do it for a while without asking. It
 * becomes an approval like any other, and, once approved, a standing grant (grant/standing.ts).
 */

import type { GrantId } from '../brands.ts'
import type { Reviewer } from '../people/reviewer.ts'

export interface AccessRequest {
  /** Who asks, as their channel verified them; never a reviewer of it. */
  readonly requester: Reviewer
  /** Lower case. Whose agents the grant is for: those whose token names this owner. */
  readonly ownerEmail: string
  readonly upstream: string
  /** Names of tools, as the upstream lists them; `*` alone: all of them. */
  readonly tools: readonly string[]
  /** From the approval on. Milliseconds. */
  readonly durationMs: number
  readonly reason: string
  /** The grant that is to end later; null: a new one. */
  readonly extends: GrantId | null
}

/** A reviewer reads them all. */
export const ACCESS_TOOLS_MAX = 50
export const ACCESS_REASON_CHARS_MAX = 500
/** Open at once, of one person: more are no exception any more, and reviewers would stop reading. */
export const ACCESS_PENDING_MAX = 10
