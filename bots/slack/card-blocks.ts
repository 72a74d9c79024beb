/**
 * The card in Block Kit, in the order in which one decides: who wants what, with which arguments, why it is held, until
 * when. It is painted whole from the card's state each time; nothing is patched.
 *
 * What does not fit is said in words of ours outside of the value, where the value can't imitate them.
 */
import type { types } from '@slack/bolt'
import type { Card, CardNote, CardReview } from '../../src/approval/card.ts'
import { visible } from '../../src/approval/visible.ts'
import {
  APPROVE_ACTION,
  DENY_ACTION,
  DENY_WITH_REASON_ACTION,
  IT_DID_NOT_RUN_ACTION,
  IT_RAN_ACTION,
  SHOW_ALL_ACTION,
} from './actions.ts'
import {
  ARGUMENT_BYTES_MAX,
  ARGUMENT_ROWS_MAX,
  ARGUMENTS_BYTES_MAX,
  HEADER_MAX,
  NAME_BYTES_MAX,
  OUTCOME_BYTES_MAX,
  REASON_BYTES_MAX,
  ROW_BYTES,
} from './limits.ts'
import {
  clip,
  clipped,
  code,
  count,
  date,
  fallbackText,
  jsonBytes,
  label,
  line,
  note,
  plain,
  preformatted,
  quoted,
  separated,
} from './text.ts'

export interface SlackMessage {
  readonly text: string
  readonly blocks: types.KnownBlock[]
}

type RichElement = types.RichTextBlockElement

export function cardMessage(card: Card): SlackMessage {
  const shown = shownArguments(card)
  const blocks: types.KnownBlock[] = [
    { type: 'header', text: plain(clipped(card.headline, HEADER_MAX)) },
    { type: 'rich_text', elements: facts(card) },
  ]
  if (shown.elements.length > 0) blocks.push({ type: 'rich_text', elements: shown.elements })
  const decided = decision(card)
  if (decided.length > 0) blocks.push({ type: 'rich_text', elements: decided })
  blocks.push({ type: 'context', elements: [{ type: 'mrkdwn', text: when(card) }] })
  if (card.notes.length > 0) blocks.push({ type: 'context', elements: card.notes.map(noteText) })
  const buttons = actions(card, shown.complete)
  if (buttons !== null) blocks.push(buttons)
  return { text: notification(card), blocks }
}

/** The headline, and the outcome where there is one. */
function notification(card: Card): string {
  return fallbackText(card.outcome === null ? card.headline : `${card.outcome} – ${card.headline}`)
}

function facts(card: Card): RichElement[] {
  const rows = [
    line(label('Agent: '), quoted(clipped(card.agent, 2 * NAME_BYTES_MAX))),
    line(
      label('Tool: '),
      code(clipped(card.tool, NAME_BYTES_MAX)),
      note(' on '),
      code(clipped(card.upstream, NAME_BYTES_MAX)),
    ),
    card.reason === null
      ? line(label('Held by rule: '), code(clipped(visible(card.rule), NAME_BYTES_MAX)))
      : line(
          label('Held by rule: '),
          code(clipped(visible(card.rule), NAME_BYTES_MAX)),
          note(' because '),
          quoted(clipped(visible(card.reason), REASON_BYTES_MAX)),
        ),
  ]
  return separated(rows)
}

interface ShownArguments {
  readonly elements: RichElement[]
  /** False where a value is cut or a row is missing. */
  readonly complete: boolean
}

function shownArguments(card: Card): ShownArguments {
  if (card.arguments.length === 0) return { elements: [line(note('No arguments.'))], complete: true }
  const elements: RichElement[] = []
  let left = ARGUMENTS_BYTES_MAX
  let complete = true
  let rows = 0
  for (const { name, value } of card.arguments) {
    if (rows === ARGUMENT_ROWS_MAX || left <= ROW_BYTES) break
    const cut = clip(value, Math.min(ARGUMENT_BYTES_MAX, left - ROW_BYTES))
    const row: RichElement[] = [line(code(clipped(name, NAME_BYTES_MAX)), ...(value === '' ? [note(' (empty)')] : []))]
    if (cut.text !== '') row.push(preformatted(cut.text))
    if (cut.hidden > 0) row.push(line(note(`${count(cut.hidden, 'character')} of this value not shown here.`)))
    elements.push(...row)
    complete &&= cut.hidden === 0
    left -= jsonBytes(row)
    rows += 1
  }
  const missing = card.arguments.length - rows
  if (missing > 0)
    elements.push(
      line(note(`${missing.toLocaleString('en')} more of ${count(card.arguments.length, 'argument')} not shown here.`)),
    )
  return { elements, complete: complete && missing === 0 }
}

const LOOK =
  '\nLook on the MCP server whether it has happened, then say so here. Until then the agent is told not to repeat it.'

function decision(card: Card): RichElement[] {
  if (card.outcome !== null) {
    const outcome = label(clipped(card.outcome, OUTCOME_BYTES_MAX))
    return [card.asksWhetherItRan ? line(outcome, note(LOOK)) : line(outcome)]
  }
  if (card.reviews.length === 0) return []
  const names = clipped(card.reviews.map(({ by }: CardReview) => by).join(', '), OUTCOME_BYTES_MAX)
  return [line(label(`Approved so far, ${card.reviews.length} of ${card.quorum}: `), quoted(names))]
}

/** mrkdwn, so that dates show in the reader's time zone: numbers and words of ours only. */
function when(card: Card): string {
  const parts = [
    card.resolvedAt === null ? `Decide by ${date(card.expiresAt)}` : `Decided ${date(card.resolvedAt)}`,
    `asked ${date(card.requestedAt)}`,
  ]
  if (card.quorum > 1 && card.resolvedAt === null) parts.push(`needs ${Math.trunc(card.quorum)} approvals`)
  parts.push(`fingerprint ${card.shortFingerprint.replace(/[^0-9a-f]/g, '')}`)
  return parts.join(' · ')
}

/** mrkdwn for the same reason: words of ours and instants only. */
function noteText(note: CardNote): types.MrkdwnElement {
  return { type: 'mrkdwn', text: note.map((part) => (typeof part === 'string' ? part : date(part))).join('') }
}

function actions(card: Card, complete: boolean): types.ActionsBlock | null {
  const value = card.approvalId
  const elements: types.Button[] = []
  if (card.outcome === null) {
    elements.push(
      { type: 'button', style: 'primary', text: plain('Approve'), action_id: APPROVE_ACTION, value },
      { type: 'button', style: 'danger', text: plain('Deny'), action_id: DENY_ACTION, value },
      { type: 'button', text: plain('Deny with a reason…'), action_id: DENY_WITH_REASON_ACTION, value },
    )
  }
  if (card.asksWhetherItRan) {
    elements.push(
      { type: 'button', text: plain('It ran'), action_id: IT_RAN_ACTION, value },
      { type: 'button', text: plain('It did not run'), action_id: IT_DID_NOT_RUN_ACTION, value },
    )
  }
  if (!complete) elements.push({ type: 'button', text: plain('Show all arguments'), action_id: SHOW_ALL_ACTION, value })
  if (elements.length === 0) return null
  // A block's id must change with each repaint: docs.slack.dev/reference/block-kit/blocks/actions-block
  return {
    type: 'actions',
    block_id: `${value}:${card.version}`,
    elements,
  }
}
