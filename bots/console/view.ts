/**
 * What the page is told, as JSON. It is the card of approval/card.ts and nothing more, cut to what a page can hold.
 *
 * A stream that carried every argument whole would let one agent's 1 MB calls fill every tab, so long arguments travel
 * as a preview which says how much is missing; the page fetches the rest when a person asks, and its Approve waits
 * until then. Nobody approves what the page did not have.
 */
import type { Approval } from '../../src/approval/approval.ts'
import type { Card } from '../../src/approval/card.ts'
import { spanInWords } from '../../src/approval/in-words.ts'
import { visible } from '../../src/approval/visible.ts'
import type { SessionSummary } from '../../src/audit/summary.ts'
import type { NoticeText } from '../../src/notice/notice-text.ts'

/** Characters of all argument values of one card in the stream: two screens of text. */
export const PREVIEW_MAX_CHARS = 8_000
/** Argument rows of one card in the stream. */
export const PREVIEW_MAX_ROWS = 50

export interface CardView extends Omit<Card, 'arguments'> {
  /** The approval's version: the page never paints an older state over a newer one. */
  readonly version: number
  readonly arguments: readonly { readonly name: string; readonly value: string }[]
  /** Null: the arguments are whole. Else how many characters they have in all. */
  readonly cutFromChars: number | null
}

export interface SummaryView {
  readonly sessionId: string
  readonly who: string
  readonly upstream: string
  readonly startedAt: number
  readonly endedAt: number
  readonly calls: readonly { readonly outcome: string; readonly count: number }[]
  readonly unknownOutcomes: number
  readonly unknownResolved: number
  readonly approvals: readonly {
    readonly tool: string
    readonly state: string
    readonly reviewers: readonly string[]
    /** Null where no review decided it. */
    readonly decidedAfter: string | null
    readonly isHasty: boolean
  }[]
  readonly masked: readonly { readonly detector: string; readonly count: number }[]
  readonly recordingId: string
  readonly recordingHash: string
}

export interface StateView {
  readonly now: number
  readonly reviewer: { readonly name: string }
  /** What waits for people: questions, and calls of which nobody knows whether they ran. */
  readonly pending: readonly CardView[]
  /** Pending ones that this state leaves out, because a page can't hold them. */
  readonly pendingMore: number
  readonly decided: readonly CardView[]
  readonly sessions: readonly SummaryView[]
  /** Newest first. */
  readonly notices: readonly NoticeView[]
}

export interface NoticeView extends NoticeText {
  readonly id: string
}

export function wholeView(approval: Approval, card: Card): CardView {
  return { ...card, version: approval.version, cutFromChars: null }
}

export function previewView(approval: Approval, card: Card): CardView {
  const rows: { name: string; value: string }[] = []
  let left = PREVIEW_MAX_CHARS
  let cut = card.arguments.length > PREVIEW_MAX_ROWS
  for (const { name, value } of card.arguments.slice(0, PREVIEW_MAX_ROWS)) {
    const text = { name: clip(name, left), value: clip(value, left - Math.min(name.length, left)) }
    if (text.name.length < name.length || text.value.length < value.length) cut = true
    left -= text.name.length + text.value.length
    rows.push(text)
  }
  if (!cut) return wholeView(approval, card)
  const cutFromChars = card.arguments.reduce((sum, { name, value }) => sum + name.length + value.length, 0)
  return {
    ...card,
    version: approval.version,
    arguments: rows.filter(({ name, value }) => name + value !== ''),
    cutFromChars,
  }
}

/** Never between the halves of a surrogate pair. */
function clip(text: string, max: number): string {
  if (text.length <= max) return text
  const cut = text.slice(0, Math.max(0, max))
  return /[\uD800-\uDBFF]$/.test(cut) ? cut.slice(0, -1) : cut
}

export function summaryView(summary: SessionSummary): SummaryView {
  const { principal, calls, approvals, masked } = summary
  return {
    sessionId: summary.sessionId,
    who: visible(principal.email ?? principal.subject),
    upstream: visible(summary.upstream),
    startedAt: summary.startedAt,
    endedAt: summary.endedAt,
    calls: Object.entries(calls).map(([outcome, count]) => ({ outcome: outcome.replaceAll('_', ' '), count })),
    unknownOutcomes: summary.unknownOutcomes,
    unknownResolved: summary.unknownResolved,
    approvals: approvals.map(({ tool, state, reviewers, decidedAfterMs, isHasty }) => ({
      tool: visible(tool),
      state,
      reviewers: reviewers.map(visible),
      decidedAfter: decidedAfterMs === null ? null : spanInWords(decidedAfterMs),
      isHasty,
    })),
    masked: masked.map(({ detector, count }) => ({ detector: visible(detector), count })),
    recordingId: summary.recordingId,
    recordingHash: summary.recordingHash,
  }
}
