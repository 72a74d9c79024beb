/**
 * The digest of what a person had before their eyes when they decided. It stands in the recording beside the
 * fingerprint of what ran, so that "I was shown something else" can be checked long after.
 *
 * It covers what never changes about an approval, as the channel cut it, and whether that was all. What people add to a
 * card while they decide (reviews, questions, reminders) is recorded by itself.
 */
import { createHash } from 'node:crypto'
import type { ApprovalId } from '../brands.ts'
import { canonicalJson } from '../json/canonical.ts'
import type { Card } from './card.ts'

export interface Shown {
  readonly approvalId: ApprovalId
  /** As it was cut; so are the others. */
  readonly headline: string
  readonly agent: string
  readonly upstream: string
  readonly tool: string
  readonly rule: string
  readonly statedReason: string | null
  readonly rows: readonly { readonly name: string; readonly value: string }[]
  /** Nothing of the call, nor of the reason that its agent states, was left out. */
  readonly isComplete: boolean
}

/** Grows when a member is added. */
const SHOWN_VERSION = 1

/** Where a channel shows everything before it lets anyone approve. */
export function wholeDigest(card: Card): string {
  return shownDigest({ ...card, rows: card.arguments, isComplete: true })
}

/** SHA-256, hexadecimal. */
export function shownDigest(shown: Shown): string {
  const { approvalId, headline, agent, upstream, tool, rule, statedReason, rows, isComplete } = shown
  const text = canonicalJson({
    version: SHOWN_VERSION,
    approvalId,
    headline,
    agent,
    upstream,
    tool,
    rule,
    statedReason,
    rows: rows.map(({ name, value }) => [name, value]),
    isComplete,
  })
  return createHash('sha256').update(text, 'utf8').digest('hex')
}
