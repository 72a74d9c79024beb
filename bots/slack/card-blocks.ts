/**
 * The card in Block Kit, in the order in which one decides: who wants what, how bad that can be, with which arguments,
 * until when, and the buttons. Why it is held and why you are asked stands small below them: on a phone the first
 * screen has to hold the decision. It is painted whole from the card's state each time; nothing is patched.
 */
import type { types } from '@slack/bolt'
import type { Card, CardNote } from '../../src/approval/card.ts'
import { visible } from '../../src/approval/visible.ts'
import { type ShownCall, subjectText } from '../chat/shown-call.ts'
import {
  APPROVE_ACTION,
  DENY_ACTION,
  IT_DID_NOT_RUN_ACTION,
  IT_RAN_ACTION,
  MORE_ACTION,
  REVOKE_ACTION,
  SHOW_ALL_ACTION,
} from './actions.ts'
import { ADDED_SHOWN, BLOCKS_BYTES_MAX, NAME_BYTES_MAX, REASON_BYTES_MAX, REMARK_BYTES_MAX } from './limits.ts'
import { callElements, shownCall } from './shown-call.ts'
import {
  clipped,
  contextLine,
  count,
  countdown,
  date,
  fallbackText,
  jsonBytes,
  label,
  line,
  mrkdwn,
  note,
  plain,
  quoted,
  separated,
} from './text.ts'

export interface SlackMessage {
  readonly text: string
  readonly blocks: types.KnownBlock[]
}

/** How much is shown of what people added; see ADDED_SHOWN. */
type Added = (typeof ADDED_SHOWN)[number]

export function cardMessage(card: Card): SlackMessage {
  const shown = shownCall(card)
  const paintings = ADDED_SHOWN.map((added) => () => cardBlocks(card, shown, added))
  const blocks = firstThatFits(paintings)
  return { text: notification(card), blocks }
}

function firstThatFits(paintings: readonly (() => types.KnownBlock[])[]): types.KnownBlock[] {
  let blocks: types.KnownBlock[] = []
  for (const paint of paintings) {
    blocks = paint()
    if (jsonBytes(blocks) <= BLOCKS_BYTES_MAX) break
  }
  return blocks
}

function cardBlocks(card: Card, shown: ShownCall, added: Added): types.KnownBlock[] {
  const blocks: types.KnownBlock[] = [
    { type: 'header', text: plain(shown.headline) },
    ...richText(decision(card, added)),
    ...richText(stakes(card, shown)),
    { type: 'rich_text', elements: callElements(shown) },
    ...richText(remarks(card)),
    { type: 'context', elements: [mrkdwn(when(card))] },
  ]
  const buttons = actions(card, shown)
  if (buttons !== null) blocks.push(buttons)
  blocks.push(...card.notes.map(contextLine), ...reasons(card, shown, added))
  return blocks
}

/** The headline, and the outcome where there is one. */
function notification(card: Card): string {
  return fallbackText(card.outcome === null ? card.headline : `${card.outcome} – ${card.headline}`)
}

function richText(rows: types.RichTextSection[]): types.RichTextBlock[] {
  return rows.length === 0 ? [] : [{ type: 'rich_text', elements: separated(rows) }]
}

/** What there is to fear and what the agent says, while people decide. */
function stakes(card: Card, { statedReason, isComplete }: ShownCall): types.RichTextSection[] {
  const rows: types.RichTextSection[] = []
  if (card.outcome === null) {
    const demands = [...card.demands, ...(card.readAll && !isComplete ? ['all of it opened first'] : [])]
    const takes = demands.length === 0 ? [] : [label(' Approving takes: '), note(demands.join(', '))]
    rows.push(line(label('Risk: '), note(`${card.risk.join(', ')}.`), ...takes))
  }
  if (statedReason !== null) rows.push(line(label('The agent says: '), quoted(statedReason)))
  return rows
}

const LOOK =
  '\nLook on the MCP server whether it has happened, then say so here. Until then the agent is told not to repeat it.'

function decision(card: Card, added: Added): types.RichTextSection[] {
  const approvals = card.reviews.filter(({ choice }) => choice === 'approve')
  const withNote = approvals.filter(({ reason }) => reason !== null)
  const noted = withNote.slice(withNote.length - Math.min(withNote.length, added.notes))
  const notes = noted.map(({ by, reason }) =>
    line(
      note(`Note by `),
      quoted(clipped(by, NAME_BYTES_MAX)),
      note(': '),
      quoted(clipped(reason ?? '', REMARK_BYTES_MAX)),
    ),
  )
  if (card.outcome !== null) {
    const outcome = label(clipped(card.outcome, added.outcomeBytes))
    return [card.asksWhetherItRan ? line(outcome, note(LOOK)) : line(outcome), ...notes]
  }
  if (approvals.length === 0) return []
  const names = clipped(approvals.map(({ by }) => by).join(', '), added.outcomeBytes)
  return [line(label(`Approved so far, ${approvals.length} of ${card.quorum}: `), quoted(names)), ...notes]
}

/** The last question or answer; the others are in the thread. */
function remarks({ remark, remarks }: Card): types.RichTextSection[] {
  if (remark === null) return []
  const said = remark.kind === 'question' ? ' asks: ' : ' answers: '
  const earlier = remarks > 1 ? [note(` (${count(remarks - 1, 'earlier remark')})`)] : []
  const who = quoted(clipped(remark.by, NAME_BYTES_MAX))
  return [line(who, label(said), quoted(clipped(remark.text, REMARK_BYTES_MAX)), ...earlier)]
}

/** mrkdwn, so that dates show in the reader's time zone: numbers and words of ours only. */
function when(card: Card): string {
  const parts =
    card.resolvedAt === null ? [`Decide by ${countdown(card.expiresAt)}`] : [`Decided ${date(card.resolvedAt)}`]
  if (card.standing?.endedAt === null) parts.push(`lasts until ${countdown(card.standing.until)}`)
  parts.push(`asked ${date(card.requestedAt)}`)
  if (card.resolvedAt === null && card.escalatedAt !== null) parts.push(`escalated ${date(card.escalatedAt)}`)
  if (card.resolvedAt === null && card.remindedAt !== null) parts.push(`reminded ${date(card.remindedAt)}`)
  parts.push(`fingerprint ${card.shortFingerprint.replace(/[^0-9a-f]/g, '')}`)
  return parts.join(' · ')
}

/** Small and last: what one looks up, and does not decide by. */
function reasons(card: Card, { agent }: ShownCall, { why }: Added): types.ContextBlock[] {
  const rule = clipped(visible(card.rule), NAME_BYTES_MAX)
  const because = card.reason === null ? '' : ` because: ${clipped(visible(card.reason), REASON_BYTES_MAX)}`
  const held: CardNote = [`${card.isAccess ? 'Asked' : 'Held'} by rule ${rule}${because}`]
  return [held, ...card.why.slice(-why), [`${card.isAccess ? 'For' : 'Agent:'} ${agent}`]].map(contextLine)
}

function actions(card: Card, shown: ShownCall): types.ActionsBlock | null {
  const value = subjectText(card, shown)
  const elements: types.Button[] = []
  const add = (text: string, action: string, style?: 'primary' | 'danger') => {
    elements.push({ type: 'button', text: plain(text), action_id: action, value, ...(style && { style }) })
  }
  if (card.outcome === null) {
    add(APPROVE_LABELS[card.strength], APPROVE_ACTION, 'primary')
    add('Deny', DENY_ACTION, 'danger')
  }
  if (card.asksWhetherItRan) {
    add('It ran', IT_RAN_ACTION)
    add('It did not run', IT_DID_NOT_RUN_ACTION)
  }
  if (card.standing?.endedAt === null) add('Revoke', REVOKE_ACTION, 'danger')
  if (!shown.isComplete) add(card.isAccess ? 'Show all' : 'Show all arguments', SHOW_ALL_ACTION)
  if (card.outcome === null) add('More…', MORE_ACTION)
  if (elements.length === 0) return null
  // A block's id must change with each repaint: docs.slack.dev/reference/block-kit/blocks/actions-block
  return { type: 'actions', block_id: `${value}:${card.version}`, elements }
}

/** An ellipsis where something is still to do after the tap. */
const APPROVE_LABELS = { click: 'Approve', confirm: 'Approve…', step_up: 'Sign in to approve…' } as const
