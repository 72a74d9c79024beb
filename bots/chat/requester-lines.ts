/**
 * What the person behind an agent sees in their private talk with the app: what their agent waits for and for whom, until
 * when, what they were asked about it, and in the end who decided and why.
 */
import type { Approval, Remark } from '../../src/approval/approval.ts'
import type { Card } from '../../src/approval/card.ts'
import { visible, visibleLines } from '../../src/approval/visible.ts'
import { REQUESTER_ANSWER_ACTION, REQUESTER_CANCEL_ACTION, REQUESTER_REMIND_ACTION } from './actions.ts'
import { at, type CardButton, fingerprintPart, until, type WhenPart } from './card-lines.ts'
import { clipped, count } from './clip.ts'
import {
  NAME_BYTES_MAX,
  OUTCOME_BYTES_MAX,
  OWN_ARGUMENT_BYTES_MAX,
  OWN_ARGUMENT_ROWS_MAX,
  OWN_REMARK_BYTES_MAX,
} from './limits.ts'
import { code, type Line, label, note, quoted } from './line.ts'

/** Untrusted, and whole: each chat cuts its first line. */
export function requesterHeadline({ access }: Approval, card: Card): string {
  return access === null ? `Your agent wants ${card.tool} on ${card.upstream}` : card.headline
}

export function requesterNotification(approval: Approval, card: Card): string {
  return `${card.outcome ?? 'Waiting for approval'} – ${requesterHeadline(approval, card)}`
}

export function requesterLines(approval: Approval, card: Card): readonly Line[] {
  return [...what(card), waiting(approval, card), ...remarkLines(approval)]
}

function what(card: Card): readonly Line[] {
  const shown = card.arguments.slice(0, OWN_ARGUMENT_ROWS_MAX).map(
    ({ name, value }): Line =>
      // One line each: here one recognises the call; it is read on the card.
      [
        label(`${clipped(name, NAME_BYTES_MAX)}: `),
        code(clipped(value.replaceAll(/\s+/g, ' ').trim(), OWN_ARGUMENT_BYTES_MAX)),
      ],
  )
  const missing = card.arguments.length - shown.length
  const by: Line[] = card.isAccess ? [] : [[label('Agent: '), quoted(clipped(card.agent, 2 * NAME_BYTES_MAX))]]
  return missing > 0 ? [...by, ...shown, [note(`and ${count(missing, 'more argument')}`)]] : [...by, ...shown]
}

function waiting({ from, reviews, quorum, state }: Approval, card: Card): Line {
  if (state !== 'pending') return [label(clipped(card.outcome ?? 'Decided', OUTCOME_BYTES_MAX))]
  const whom = from.length === 0 ? 'anyone in the channel but you' : from.join(' or ')
  const parts = [label('Waiting for: '), quoted(clipped(visible(whom), OUTCOME_BYTES_MAX))]
  if (quorum > 1) parts.push(note(`, ${quorum} of them`))
  if (reviews.length > 0) {
    const names = reviews.map(({ reviewer }) => reviewer.email ?? reviewer.id).join(', ')
    parts.push(note('; approved so far by '), quoted(clipped(visible(names), OUTCOME_BYTES_MAX)))
  }
  return parts
}

/** The last question, and its answer where there is one. */
function remarkLines({ remarks }: Approval): readonly Line[] {
  const from = remarks.findLastIndex(({ kind }) => kind === 'question')
  return remarks.slice(from === -1 ? remarks.length : from).map(remarkLine)
}

function remarkLine({ kind, by, text }: Remark): Line {
  const who = kind === 'question' ? `${visible(by.email ?? by.id)} asks: ` : 'You answered: '
  return [label(clipped(who, NAME_BYTES_MAX)), quoted(clipped(visibleLines(text), OWN_REMARK_BYTES_MAX))]
}

export function requesterWhen(card: Card): readonly WhenPart[] {
  const { resolvedAt, expiresAt, requestedAt, remindedAt, standing } = card
  const parts = [
    resolvedAt === null ? until('Denied unless decided by', expiresAt) : at('Decided', resolvedAt),
    at('asked', requestedAt),
  ]
  if (remindedAt !== null && resolvedAt === null) parts.push(at('reminded', remindedAt))
  if (standing?.endedAt === null) parts.push(until('lasts until', standing.until))
  return [...parts, fingerprintPart(card)]
}

/** Only while it waits. Answer, while nobody has answered the last question. */
export function requesterButtons({ state, remarks }: Approval): readonly CardButton[] {
  if (state !== 'pending') return []
  const answer: CardButton = { text: 'Answer', action: REQUESTER_ANSWER_ACTION, style: 'primary' }
  return [
    ...(remarks.at(-1)?.kind === 'question' ? [answer] : []),
    { text: 'Remind them', action: REQUESTER_REMIND_ACTION, style: null },
    { text: 'Cancel it', action: REQUESTER_CANCEL_ACTION, style: 'danger' },
  ]
}
