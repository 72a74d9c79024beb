/** Messages in a card's thread. Null: the place has no need of it. */
import type { Card } from '../../src/approval/card.ts'
import type { Reply } from '../../src/approval/replies.ts'
import { type Place, placeOfRequester } from '../../src/ports.ts'
import { replyText } from '../chat/reply-lines.ts'
import type { CardElement } from './card-elements.ts'
import { HEADLINE_BYTES_MAX } from './limits.ts'
import { adaptiveCard, instant, label, line, quoted, smallBlock, summaryText, words } from './text.ts'
import type { CardMessage } from './transport.ts'

export function replyMessage(reply: Reply, { card, place }: { card: Card; place: Place }): CardMessage | null {
  const isRequesters = place === placeOfRequester('teams')
  const said = replyText(reply, card, { isRequesters, headlineBytesMax: HEADLINE_BYTES_MAX })
  if (said === null) return null
  const { lead, text, decideBy } = said
  const body: CardElement[] = [line(...(lead === '' ? [] : [label(lead)]), quoted(text))]
  if (decideBy !== null) body.push(smallBlock(words`Decide by ${instant(decideBy)}`))
  const summary = summaryText(`${lead}${text}`)
  return { card: adaptiveCard({ body, fallbackText: summary }), summary }
}
