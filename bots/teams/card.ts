/**
 * The card in Adaptive Cards. What it says and offers, in which order and why, is in bots/chat/card-lines.ts; here is how
 * it looks, for all who see the message and for one person alone. A person's own view leaves out buttons that would be
 * refused: a convenience, for what a click may do is decided when it comes.
 */
import type { Card } from '../../src/approval/card.ts'
import { refusalText } from '../../src/review/review.ts'
import {
  APPROVE_ACTION,
  DENY_ACTION,
  DENY_VIEW,
  IT_DID_NOT_RUN_ACTION,
  IT_RAN_ACTION,
  MORE_ACTION,
  REASON_INPUT,
  SHOW_ALL_ACTION,
} from '../chat/actions.ts'
import {
  type Added,
  belowLines,
  type CardButton,
  cardButtons,
  cardNotification,
  decisionLines,
  firstThatFits,
  remarkLines,
  stakeLines,
  whenParts,
} from '../chat/card-lines.ts'
import { jsonBytes } from '../chat/clip.ts'
import { DENY_WORDS } from '../chat/forms.ts'
import { ADDED_SHOWN } from '../chat/limits.ts'
import { type ShownCall, subjectText } from '../chat/shown-call.ts'
import type { Viewer } from '../chat/viewer.ts'
import { actionSets, execute, opensDialog, unfolds } from './buttons.ts'
import type { Action, AdaptiveCard, CardElement, Color, Refresh, TextInput } from './card-elements.ts'
import { BODY_BYTES_MAX, CARD_BYTES_MAX, REASON_CHARS_MAX, REFRESH_PEOPLE_MAX } from './limits.ts'
import { type OwnView, REFRESH_ACTION } from './review-feature.ts'
import { callBox, shownCall } from './shown-call.ts'
import {
  adaptiveCard,
  heading,
  inert,
  line,
  lineOf,
  linesOf,
  note,
  noteLine,
  saidLine,
  summaryText,
  utc,
  whenBlock,
  words,
} from './text.ts'
import type { CardMessage } from './transport.ts'

/** As all see it. `refreshFor`: the people whose own views Teams asks for; null or none: nobody's. */
export function cardMessage(card: Card, refreshFor: readonly string[] | null = null): CardMessage {
  return { card: painted(card, refreshFor ?? [], null), summary: summaryText(cardNotification(card)) }
}

export function ownCard(card: Card, own: OwnView): AdaptiveCard {
  return painted(card, [own.mri], own)
}

function painted(card: Card, refreshFor: readonly string[], own: OwnView | null): AdaptiveCard {
  const shown = shownCall(card)
  const body = firstThatFits(
    ADDED_SHOWN,
    (added) => cardBody(card, shown, { added, own }),
    (elements) => jsonBytes(elements) <= BODY_BYTES_MAX,
  )
  const whole = adaptiveCard({ body, fallbackText: fallback(card) })
  const wide = { ...whole, msteams: { width: 'Full' } }
  return withRefresh(wide, subjectText(card, shown), refreshFor)
}

function fallback(card: Card) {
  const what = summaryText(cardNotification(card))
  return card.outcome === null
    ? words`${what} (decide by ${utc(card.expiresAt)}). This client shows no cards: please decide in another one.`
    : what
}

/** As many people as there is room for. An empty list would have everybody's refreshed in small conversations. */
function withRefresh(card: AdaptiveCard, subject: string, people: readonly string[]): AdaptiveCard {
  const action = execute(words`Refresh`, REFRESH_ACTION, { subject })
  const refreshed = (userIds: string[]): AdaptiveCard => {
    const refresh: Refresh = { action, userIds }
    return { ...card, refresh }
  }
  const some = people.slice(0, REFRESH_PEOPLE_MAX)
  while (some.length > 0 && jsonBytes(refreshed(some)) > CARD_BYTES_MAX) some.pop()
  return some.length === 0 ? card : refreshed(some)
}

interface Looks {
  readonly added: Added
  readonly own: OwnView | null
}

function cardBody(card: Card, shown: ShownCall, { added, own }: Looks): CardElement[] {
  const viewer = card.outcome === null ? (own?.viewer ?? null) : null
  return [
    line(heading(shown.headline)),
    ...decision(card, added),
    ...linesOf(stakeLines(card, shown)),
    callBox(shown),
    ...buttons(card, shown, viewer, 'reading'),
    ...linesOf(remarkLines(card)),
    whenBlock(whenParts(card)),
    ...said(card, viewer, own),
    ...buttons(card, shown, viewer, 'deciding'),
    ...buttons(card, shown, viewer, 'further'),
    ...belowLines(card, shown, added).map(noteLine),
  ]
}

function decision(card: Card, added: Added): CardElement[] {
  const [first, ...notes] = decisionLines(card, added)
  if (first === undefined) return []
  return [card.outcome === null ? lineOf(first) : lineOf(first, colorOf(card)), ...linesOf(notes)]
}

function colorOf({ state, asksWhetherItRan }: Card): Color {
  if (asksWhetherItRan || state === 'denied') return 'Attention'
  return state === 'approved' ? 'Good' : 'Warning'
}

// ---- for one person

/** Next to the buttons, where they have just tapped. */
function said(card: Card, viewer: Viewer | null, own: OwnView | null): CardElement[] {
  const role = viewer === null ? null : roleText(viewer, card)
  const elements: CardElement[] = role === null ? [] : [line(note(role))]
  const { message = null, isDone = true, link = null } = own?.answer ?? {}
  if (message !== null) elements.push(saidLine(message, isDone))
  if (link !== null) {
    elements.push(...actionSets([{ type: 'Action.OpenUrl', title: inert(link.text), url: link.url }]))
  }
  return elements
}

function roleText(viewer: Viewer, { isAccess, quorum, reviews }: Card): string | null {
  switch (viewer) {
    case 'requester':
      return isAccess ? 'You asked for this: others decide it.' : 'This is your own agent’s call: others decide it.'
    case 'reviewed':
      return `You approved it already: it waits for ${Math.max(1, quorum - reviews.length)} more.`
    case 'bystander':
      return 'You are not among those who may decide this.'
    case 'undecidable':
      return refusalText('owner_unknown', null)
    case 'reviewer':
      return null
  }
}

const DECIDING = [APPROVE_ACTION, DENY_ACTION, MORE_ACTION, IT_RAN_ACTION, IT_DID_NOT_RUN_ACTION]
const NOT_FOR: Readonly<Record<Viewer, readonly string[]>> = {
  requester: DECIDING,
  bystander: DECIDING,
  undecidable: DECIDING,
  reviewed: [APPROVE_ACTION],
  reviewer: [],
}

function isFor(viewer: Viewer | null): (button: CardButton) => boolean {
  return ({ action }) => viewer === null || !NOT_FOR[viewer].includes(action)
}

// ---- buttons

type Row = 'reading' | 'deciding' | 'further'

/** A row each: a phone has room for two or three buttons in one. */
function rowOf(action: string): Row {
  if (action === SHOW_ALL_ACTION) return 'reading'
  return action === MORE_ACTION ? 'further' : 'deciding'
}

function buttons(card: Card, shown: ShownCall, viewer: Viewer | null, row: Row): CardElement[] {
  const subject = subjectText(card, shown)
  const all = cardButtons(card, shown).filter(isFor(viewer))
  const own = all.filter(({ action }) => rowOf(action) === row).map((button) => actionOf(card, button, subject))
  const saysWhy = row === 'further' && all.some(({ action }) => action === DENY_ACTION)
  return actionSets(saysWhy ? [denyWithReason(subject), ...own] : own)
}

/** What opens a dialog, and what is done at once. */
function actionOf(card: Card, { text, action, style }: CardButton, subject: string): Action {
  const title = inert(text)
  if (OPENING.includes(action) || (action === APPROVE_ACTION && card.strength === 'confirm')) {
    return opensDialog(title, action, { subject }, style)
  }
  return { ...execute(title, action, { subject }, style), associatedInputs: 'none' }
}

const OPENING = [SHOW_ALL_ACTION, MORE_ACTION]

function denyWithReason(subject: string): Action {
  const input: TextInput = {
    type: 'Input.Text',
    id: REASON_INPUT,
    label: inert(DENY_WORDS.reason),
    isMultiline: true,
    isRequired: true,
    errorMessage: words`Please write a reason.`,
    maxLength: REASON_CHARS_MAX,
  }
  return unfolds(words`Deny, saying why`, input, execute(words`Deny`, DENY_VIEW, { subject }, 'danger'))
}
