/** Messages in a card's thread, in Block Kit. Null: the place has no need of it. */
import type { types } from '@slack/bolt'
import type { Card } from '../../src/approval/card.ts'
import type { Reply } from '../../src/approval/replies.ts'
import { type Place, placeOfRequester } from '../../src/ports.ts'
import { replyText } from '../chat/reply-lines.ts'
import type { SlackMessage } from './card-blocks.ts'
import { HEADER_MAX } from './limits.ts'
import { date, fallbackText, label, line, mrkdwn, quoted } from './text.ts'

export interface ReplyMessage extends SlackMessage {
  /** Shown in the conversation too, not only in the thread: it is meant to be noticed. */
  readonly isBroadcast: boolean
}

export function replyMessage(reply: Reply, { card, place }: { card: Card; place: Place }): ReplyMessage | null {
  const isRequesters = place === placeOfRequester('slack')
  const said = replyText(reply, card, { isRequesters, headlineBytesMax: HEADER_MAX })
  if (said === null) return null
  const { lead, text, decideBy, isBroadcast } = said
  const elements = lead === '' ? [quoted(text)] : [label(lead), quoted(text)]
  const blocks: types.KnownBlock[] = [{ type: 'rich_text', elements: [line(...elements)] }]
  if (decideBy !== null) blocks.push({ type: 'context', elements: [mrkdwn(`Decide by ${date(decideBy)}`)] })
  return { text: fallbackText(`${lead}${text}`), blocks, isBroadcast }
}
