/**
 * What the person behind an agent sees in their private talk with the app: what their agent waits for and for whom, until
 * when, what they were asked about it, and in the end who decided and why. Painted whole from state, like the card.
 */
import type { types } from '@slack/bolt'
import type { Approval, Remark } from '../../src/approval/approval.ts'
import type { Card } from '../../src/approval/card.ts'
import { visible, visibleLines } from '../../src/approval/visible.ts'
import { REQUESTER_ANSWER_ACTION, REQUESTER_CANCEL_ACTION, REQUESTER_REMIND_ACTION } from './actions.ts'
import type { SlackMessage } from './card-blocks.ts'
import {
  HEADER_MAX,
  NAME_BYTES_MAX,
  OUTCOME_BYTES_MAX,
  OWN_ARGUMENT_BYTES_MAX,
  OWN_ARGUMENT_ROWS_MAX,
  OWN_REMARK_BYTES_MAX,
} from './limits.ts'
import {
  clipped,
  code,
  contextLine,
  count,
  countdown,
  date,
  fallbackText,
  label,
  line,
  note,
  plain,
  quoted,
  separated,
} from './text.ts'

export function requesterMessage(approval: Approval, card: Card): SlackMessage {
  const headline = approval.access === null ? `Your agent wants ${card.tool} on ${card.upstream}` : card.headline
  const rows = [...what(card), waiting(approval, card), ...remarks(approval)]
  const blocks: types.KnownBlock[] = [
    { type: 'header', text: plain(clipped(headline, HEADER_MAX)) },
    { type: 'rich_text', elements: separated(rows) },
    { type: 'context', elements: [{ type: 'mrkdwn', text: when(card) }] },
  ]
  if (card.state === 'pending') blocks.push(buttons(approval))
  else blocks.push(...card.notes.map(contextLine))
  const state = card.outcome ?? 'Waiting for approval'
  return { text: fallbackText(`${state} – ${headline}`), blocks }
}

function what(card: Card): types.RichTextSection[] {
  const shown = card.arguments.slice(0, OWN_ARGUMENT_ROWS_MAX).map(({ name, value }) =>
    // One line each: here one recognises the call; it is read on the card.
    line(
      label(`${clipped(name, NAME_BYTES_MAX)}: `),
      code(clipped(value.replaceAll(/\s+/g, ' ').trim(), OWN_ARGUMENT_BYTES_MAX)),
    ),
  )
  const missing = card.arguments.length - shown.length
  const by = card.isAccess ? [] : [line(label('Agent: '), quoted(clipped(card.agent, 2 * NAME_BYTES_MAX)))]
  return missing > 0 ? [...by, ...shown, line(note(`and ${count(missing, 'more argument')}`))] : [...by, ...shown]
}

function waiting({ from, reviews, quorum, state }: Approval, card: Card): types.RichTextSection {
  if (state !== 'pending') return line(label(clipped(card.outcome ?? 'Decided', OUTCOME_BYTES_MAX)))
  const whom = from.length === 0 ? 'anyone in the channel but you' : from.join(' or ')
  const elements = [label('Waiting for: '), quoted(clipped(visible(whom), OUTCOME_BYTES_MAX))]
  if (quorum > 1) elements.push(note(`, ${quorum} of them`))
  if (reviews.length > 0) {
    const names = reviews.map(({ reviewer }) => reviewer.email ?? reviewer.id).join(', ')
    elements.push(note('; approved so far by '), quoted(clipped(visible(names), OUTCOME_BYTES_MAX)))
  }
  return line(...elements)
}

/** The last question, and its answer where there is one. */
function remarks({ remarks }: Approval): types.RichTextSection[] {
  const at = remarks.findLastIndex(({ kind }) => kind === 'question')
  return remarks.slice(at === -1 ? remarks.length : at).map(remarkRow)
}

function remarkRow({ kind, by, text }: Remark): types.RichTextSection {
  const who = kind === 'question' ? `${visible(by.email ?? by.id)} asks: ` : 'You answered: '
  return line(label(clipped(who, NAME_BYTES_MAX)), quoted(clipped(visibleLines(text), OWN_REMARK_BYTES_MAX)))
}

/** mrkdwn, so that dates show in the reader's time zone: numbers and words of ours only. */
function when(card: Card): string {
  const { resolvedAt, expiresAt, requestedAt, remindedAt, shortFingerprint } = card
  const parts = [
    resolvedAt === null ? `Denied unless decided by ${countdown(expiresAt)}` : `Decided ${date(resolvedAt)}`,
    `asked ${date(requestedAt)}`,
  ]
  if (remindedAt !== null && resolvedAt === null) parts.push(`reminded ${date(remindedAt)}`)
  if (card.standing?.endedAt === null) parts.push(`lasts until ${countdown(card.standing.until)}`)
  parts.push(`fingerprint ${shortFingerprint.replace(/[^0-9a-f]/g, '')}`)
  return parts.join(' · ')
}

function buttons({ id, version, remarks }: Approval): types.ActionsBlock {
  const elements: types.Button[] = [
    { type: 'button', text: plain('Remind them'), action_id: REQUESTER_REMIND_ACTION, value: id },
    { type: 'button', text: plain('Cancel it'), style: 'danger', action_id: REQUESTER_CANCEL_ACTION, value: id },
  ]
  if (remarks.at(-1)?.kind === 'question') {
    elements.unshift({
      type: 'button',
      text: plain('Answer'),
      style: 'primary',
      action_id: REQUESTER_ANSWER_ACTION,
      value: id,
    })
  }
  // A block's id must change with each repaint: docs.slack.dev/reference/block-kit/blocks/actions-block
  return { type: 'actions', block_id: `${id}:requester:${version}`, elements }
}
