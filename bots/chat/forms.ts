/**
 * The forms that a chat opens for one person: what each is about, and its words. The chat paints them (Slack as a modal,
 * Teams as a dialog) and gives back what was written; review-clicks.ts and requester-clicks.ts say what that does.
 */
import type { Approval } from '../../src/approval/approval.ts'
import type { Card } from '../../src/approval/card.ts'
import { inWords } from '../../src/approval/in-words.ts'
import { visibleLines } from '../../src/approval/visible.ts'
import {
  APPROVE_FOR_ACTION,
  APPROVE_WITH_NOTE_ACTION,
  ASK_ACTION,
  DENY_ALL_ACTION,
  DENY_WITH_REASON_ACTION,
  REMIND_ACTION,
  SHOW_ALL_ACTION,
} from './actions.ts'
import { count } from './clip.ts'

export type Form =
  /** The second look: all that is asked, page by page, and a button that confirms. */
  | {
      readonly form: 'approve'
      readonly card: Card
      readonly page: number
      /** Chosen at first; null: this call alone. */
      readonly allowForMs: number | null
    }
  /** All that is asked, to read. */
  | { readonly form: 'arguments'; readonly card: Card; readonly page: number }
  | { readonly form: 'deny'; readonly card: Card }
  /** `waiting`: how many calls of that agent wait now; more may come until it is submitted. */
  | { readonly form: 'deny_all'; readonly card: Card; readonly waiting: number }
  | { readonly form: 'ask'; readonly card: Card }
  /** Everything but the plain Approve and Deny. */
  | { readonly form: 'more'; readonly card: Card }

/** What comes back of a form. Written texts are trimmed here, and cut by the reviews. */
export type Submitted =
  | { readonly form: 'approve'; readonly note: string | null; readonly duration: string | undefined }
  | { readonly form: 'deny'; readonly reason: string | null }
  | { readonly form: 'deny_all'; readonly reason: string | null }
  | { readonly form: 'ask'; readonly question: string | null }

export const APPROVE_WORDS = {
  title: 'Approve',
  submit: 'Confirm',
  duration: 'Let pass',
  note: 'Note (on the card and in the recording)',
} as const
export const DENY_WORDS = { title: 'Deny this call', submit: 'Deny', reason: 'Reason (the agent is told)' } as const
export const DENY_ALL_WORDS = {
  title: 'Deny all',
  submit: 'Deny all',
  reason: 'Reason (the agent is told each time)',
} as const
export const ASK_WORDS = { title: 'Ask', submit: 'Ask' } as const
export const MORE_WORDS = { title: 'More' } as const
export const ANSWER_WORDS = { title: 'Answer', submit: 'Send', answer: 'Your answer (the reviewers see it)' } as const

export function argumentsTitle({ isAccess }: Card): string {
  return isAccess ? 'All of it' : 'All arguments'
}

export function denyAllSentence(waiting: number): string {
  return `This denies everything that this agent waits for now, as far as you may review it: ${count(waiting, 'call')}.`
}

export function questionLabel({ isAccess }: Card): string {
  return isAccess ? 'Your question to who asks for it' : 'Your question to the person behind the agent'
}

/** It stands above the answer, so that nobody answers another one. Untrusted, made visible. */
export function questionOf({ remarks }: Approval): string {
  return visibleLines(remarks.findLast(({ kind }) => kind === 'question')?.text ?? 'Nobody has asked anything.')
}

// ---- for how long

const ONCE = 'once'

export interface DurationChoice {
  readonly text: string
  readonly value: string
}

/** The first is this call alone; empty where that is all that the rule offers. At most `max` others. */
export function durationChoices({ allowForMs, isAccess }: Card, max: number): readonly DurationChoice[] {
  if (isAccess || allowForMs.length === 0) return []
  const times = allowForMs.slice(0, max).map((ms) => ({ text: `Calls like it for ${inWords(ms)}`, value: String(ms) }))
  return [{ text: 'This call only', value: ONCE }, ...times]
}

/** What the chosen option says: null is this call alone; undefined is no option of ours. */
export function chosenMs(value: string | undefined): number | null | undefined {
  if (value === undefined || value === ONCE) return null
  return /^\d{1,12}$/.test(value) ? Number(value) : undefined
}

// ---- more

export interface MoreChoice {
  readonly text: string
  readonly action: string
  readonly isDangerous?: true
}

/** In groups, none of them empty. At most `durationsMax` times to approve for. */
export function moreChoices(card: Card, durationsMax: number): readonly (readonly MoreChoice[])[] {
  const { strength, isAccess, allowForMs, outcome } = card
  if (outcome !== null) return [SHOW_ALL]
  const times = isAccess ? [] : allowForMs.slice(0, durationsMax)
  const approve = [
    ...times.map((ms) => ({ text: `Approve for ${inWords(ms)}`, action: `${APPROVE_FOR_ACTION}${ms}` })),
    { text: 'Approve with a note…', action: APPROVE_WITH_NOTE_ACTION },
  ]
  const all = isAccess ? 'Deny all from this person…' : 'Deny all from this agent…'
  return [
    // Where people sign in to approve, the gateway's own page offers the choices.
    ...(strength === 'step_up' ? [] : [approve]),
    [
      { text: 'Deny with a reason…', action: DENY_WITH_REASON_ACTION },
      { text: all, action: DENY_ALL_ACTION, isDangerous: true },
    ],
    [
      { text: 'Ask the requester…', action: ASK_ACTION },
      { text: 'Remind everybody', action: REMIND_ACTION },
    ],
    SHOW_ALL,
  ]
}

const SHOW_ALL: readonly MoreChoice[] = [{ text: 'Show all arguments', action: SHOW_ALL_ACTION }]
