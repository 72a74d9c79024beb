/**
 * What people see of an approval, independent of the channel: each channel renders this and adds nothing.
 *
 * Everything an agent or a token wrote (`Untrusted`) must land only in elements that cannot format, link or
 * mention (Slack: rich_text and plain_text; the console: text nodes), after `visible()` made bidirectional
 * controls and zero-width characters readable.
 */
import type { ApprovalId, EpochMs, GrantId } from '../brands.ts'
import type { Strength } from '../policy/decision.ts'
import type { ApprovalState } from './approval.ts'

/** Text that someone outside wrote. A marker for renderers; made by `visible()`. */
export type Untrusted = string & { readonly __untrusted: true }

export interface Card {
  readonly approvalId: ApprovalId
  readonly state: ApprovalState
  /** Of the approval: grows with everything that changes a card. */
  readonly version: number
  /** `alice@example.com’s agent wants write_file on files` */
  readonly headline: Untrusted
  readonly agent: Untrusted
  readonly upstream: Untrusted
  readonly tool: Untrusted
  /**
   * One row a top-level argument, in the order of the canonical JSON, then one a further member of `params`, named
   * `params.<name>`. Long values are whole, renderers page them.
   */
  readonly arguments: readonly { readonly name: Untrusted; readonly value: Untrusted }[]
  /** Why it is held: the rule's id and its author's reason. */
  readonly rule: string
  readonly reason: string | null
  /** Why those who see it are asked: a line each, the last escalation last. Empty once it is decided. */
  readonly why: readonly CardNote[]
  /** What the agent says it wants the call for; no part of what runs. Null where it says nothing. */
  readonly statedReason: Untrusted | null
  /** What there is to fear, and what approving takes beside one tap: short words of ours. */
  readonly risk: readonly string[]
  readonly demands: readonly string[]
  readonly strength: Strength
  readonly readAll: boolean
  /** For how long an approver may let the like pass, ascending; empty: this call alone. */
  readonly allowForMs: readonly number[]
  /** Elevated access is asked for, and no single call. */
  readonly isAccess: boolean
  /** What passes, or passed, without a card since it was approved; null: nothing beyond this call. */
  readonly standing: CardStanding | null
  readonly requestedAt: EpochMs
  readonly expiresAt: EpochMs
  /** First 8 hexadecimal digits of the fingerprint, to compare by eye with the recording. */
  readonly shortFingerprint: string
  readonly quorum: number
  readonly reviews: readonly CardReview[]
  /** The last question or answer; null: none. */
  readonly remark: CardRemark | null
  readonly remarks: number
  /** When people were reminded last, and when more people were asked; null: never. */
  readonly remindedAt: EpochMs | null
  readonly escalatedAt: EpochMs | null
  /** What Approve will do, where that isn't plain; once decided, how what it let pass has ended. Short lines of ours. */
  readonly notes: readonly CardNote[]
  /** `Approved by Bob` and the like; null while pending. */
  readonly outcome: Untrusted | null
  readonly resolvedAt: EpochMs | null
  /** Nobody knows whether the approved call ran, and whoever may review is asked to find out. */
  readonly asksWhetherItRan: boolean
}

/** Words of ours, and instants, which each channel shows in its reader's time zone. */
export type CardNote = readonly (string | EpochMs)[]

export interface CardReview {
  readonly by: Untrusted
  readonly choice: 'approve' | 'deny'
  readonly reason: Untrusted | null
  readonly at: EpochMs
}

export interface CardStanding {
  readonly grantId: GrantId
  readonly until: EpochMs
  /** When it ended, by its time or because someone took it back; null: it lasts. */
  readonly endedAt: EpochMs | null
}

export interface CardRemark {
  readonly kind: 'question' | 'answer'
  readonly by: Untrusted
  readonly text: Untrusted
  readonly at: EpochMs
}
