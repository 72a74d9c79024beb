/**
 * Messages in a card's thread. Null: the place has no need of it, because the card there says it already, or because it
 * is the reader's own doing.
 */
import type { Card } from '../../src/approval/card.ts'
import type { Reply } from '../../src/approval/replies.ts'
import { visible, visibleLines } from '../../src/approval/visible.ts'
import type { EpochMs } from '../../src/brands.ts'
import { clipped } from './clip.ts'
import { NAME_BYTES_MAX, OUTCOME_BYTES_MAX, REMARK_REPLY_BYTES_MAX } from './limits.ts'

export interface ReplyText {
  /** May hold a verified address; empty: there is none. */
  readonly lead: string
  /** Anything: untrusted. */
  readonly text: string
  readonly decideBy: EpochMs | null
  /** Meant to be noticed by those too who don't follow the thread. */
  readonly isBroadcast: boolean
}

export interface ReplyPlace {
  /** The private talk with the person behind the agent. */
  readonly isRequesters: boolean
  /** What the chat shows of a headline. */
  readonly headlineBytesMax: number
}

export function replyText(reply: Reply, card: Card, { isRequesters, headlineBytesMax }: ReplyPlace): ReplyText | null {
  const headline = clipped(card.headline, headlineBytesMax)
  return isRequesters ? toRequester(reply, card, headline) : toReviewers(reply, card, headline)
}

function toReviewers(reply: Reply, card: Card, headline: string): ReplyText | null {
  const decideBy = card.expiresAt
  switch (reply.type) {
    case 'reminder':
      return { lead: 'Reminder: this still waits for a decision. ', text: headline, decideBy, isBroadcast: true }
    case 'escalated': {
      const asked = clipped(visible(reply.from.join(', ')), OUTCOME_BYTES_MAX)
      const who = reply.from.length === 0 ? 'asked in other channels too' : `${asked} may decide too from now on`
      const isBroadcast = reply.from.length > 0
      return { lead: 'Nobody has decided yet: ', text: `${who}. ${headline}`, decideBy, isBroadcast }
    }
    case 'remark':
      // Whoever asked follows the channel, not this thread: they asked by a button.
      return remarkText(reply.remark, reply.remark.kind === 'answer')
    case 'resolved':
      return null
  }
}

function toRequester(reply: Reply, card: Card, headline: string): ReplyText | null {
  switch (reply.type) {
    case 'remark':
      return reply.remark.kind === 'answer' ? null : remarkText(reply.remark, true)
    case 'resolved': {
      // Their own cancelling is no news; the rest is what they wait for.
      if (card.state === 'cancelled' || card.outcome === null) return null
      const text = `${clipped(card.outcome, OUTCOME_BYTES_MAX)} – ${headline}`
      return { lead: '', text, decideBy: null, isBroadcast: true }
    }
    case 'reminder':
    case 'escalated':
      return null
  }
}

function remarkText({ kind, by, text }: Extract<Reply, { type: 'remark' }>['remark'], isBroadcast: boolean): ReplyText {
  const who = clipped(visible(by.email ?? by.id), NAME_BYTES_MAX)
  const lead = kind === 'question' ? `${who} asks: ` : `${who} answers: `
  return { lead, text: clipped(visibleLines(text), REMARK_REPLY_BYTES_MAX), decideBy: null, isBroadcast }
}
