/**
 * Messages in a card's thread. Null: the place has no need of it, because the card there says it already, or because it
 * is the reader's own doing.
 */
import type { types } from '@slack/bolt'
import type { Card } from '../../src/approval/card.ts'
import type { Reply } from '../../src/approval/replies.ts'
import { visible, visibleLines } from '../../src/approval/visible.ts'
import { type Place, placeOfRequester } from '../../src/ports.ts'
import type { SlackMessage } from './card-blocks.ts'
import { HEADER_MAX, NAME_BYTES_MAX, OUTCOME_BYTES_MAX, REMARK_REPLY_BYTES_MAX } from './limits.ts'
import { clipped, date, fallbackText, label, line, quoted } from './text.ts'

export interface ReplyMessage extends SlackMessage {
  /** Shown in the conversation too, not only in the thread: it is meant to be noticed. */
  readonly isBroadcast: boolean
}

export function replyMessage(reply: Reply, { card, place }: { card: Card; place: Place }): ReplyMessage | null {
  return place === placeOfRequester('slack') ? toRequester(reply, card) : toReviewers(reply, card)
}

function toReviewers(reply: Reply, card: Card): ReplyMessage | null {
  const headline = clipped(card.headline, HEADER_MAX)
  switch (reply.type) {
    case 'reminder':
      return message(`Reminder: this still waits for a decision. `, headline, {
        note: `Decide by ${date(card.expiresAt)}`,
        isBroadcast: true,
      })
    case 'escalated': {
      const asked = clipped(visible(reply.from.join(', ')), OUTCOME_BYTES_MAX)
      const who = reply.from.length === 0 ? 'asked in other channels too' : `${asked} may decide too from now on`
      return message(`Nobody has decided yet: `, `${who}. ${headline}`, {
        note: `Decide by ${date(card.expiresAt)}`,
        isBroadcast: reply.from.length > 0,
      })
    }
    case 'remark': {
      const { kind, text } = reply.remark
      // Whoever asked follows the channel, not this thread: they asked by a button.
      return message(remarkBy(reply.remark), clipped(visibleLines(text), REMARK_REPLY_BYTES_MAX), {
        isBroadcast: kind === 'answer',
      })
    }
    case 'resolved':
      return null
  }
}

function toRequester(reply: Reply, card: Card): ReplyMessage | null {
  switch (reply.type) {
    case 'remark': {
      if (reply.remark.kind === 'answer') return null
      const text = clipped(visibleLines(reply.remark.text), REMARK_REPLY_BYTES_MAX)
      return message(remarkBy(reply.remark), text, { isBroadcast: true })
    }
    case 'resolved':
      // Their own cancelling is no news; the rest is what they wait for.
      if (card.state === 'cancelled' || card.outcome === null) return null
      return message('', `${clipped(card.outcome, OUTCOME_BYTES_MAX)} – ${clipped(card.headline, HEADER_MAX)}`, {
        isBroadcast: true,
      })
    case 'reminder':
    case 'escalated':
      return null
  }
}

function remarkBy({ kind, by }: Extract<Reply, { type: 'remark' }>['remark']): string {
  const who = clipped(visible(by.email ?? by.id), NAME_BYTES_MAX)
  return kind === 'question' ? `${who} asks: ` : `${who} answers: `
}

/** `lead` may hold a verified address, `text` anything; neither formats. */
function message(
  lead: string,
  text: string,
  { note, isBroadcast }: { readonly note?: string; readonly isBroadcast: boolean },
): ReplyMessage {
  const elements = lead === '' ? [quoted(text)] : [label(lead), quoted(text)]
  const blocks: types.KnownBlock[] = [{ type: 'rich_text', elements: [line(...elements)] }]
  if (note !== undefined) blocks.push({ type: 'context', elements: [{ type: 'mrkdwn', text: note }] })
  return { text: fallbackText(`${lead}${text}`), blocks, isBroadcast }
}
