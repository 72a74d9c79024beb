/** What the person behind an agent sees in their private talk with the app, in Block Kit. Painted whole from state. */
import type { types } from '@slack/bolt'
import type { Approval } from '../../src/approval/approval.ts'
import type { Card } from '../../src/approval/card.ts'
import {
  requesterButtons,
  requesterHeadline,
  requesterLines,
  requesterNotification,
  requesterWhen,
} from '../chat/requester-lines.ts'
import { actionsBlock, type SlackMessage } from './card-blocks.ts'
import { HEADER_MAX } from './limits.ts'
import { clipped, contextLine, fallbackText, paintedLines, plain, whenContext } from './text.ts'

export function requesterMessage(approval: Approval, card: Card): SlackMessage {
  const blocks: types.KnownBlock[] = [
    { type: 'header', text: plain(clipped(requesterHeadline(approval, card), HEADER_MAX)) },
    { type: 'rich_text', elements: paintedLines(requesterLines(approval, card)) },
    whenContext(requesterWhen(card)),
  ]
  const buttons = requesterButtons(approval)
  if (buttons.length > 0)
    blocks.push(actionsBlock(buttons, approval.id, `${approval.id}:requester:${approval.version}`))
  else blocks.push(...card.notes.map(contextLine))
  return { text: fallbackText(requesterNotification(approval, card)), blocks }
}
