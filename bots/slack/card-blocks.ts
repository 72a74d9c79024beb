/** The card in Block Kit. What it says and offers, in which order and why, is in bots/chat/card-lines.ts. */
import type { types } from '@slack/bolt'
import type { Card } from '../../src/approval/card.ts'
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
import { ADDED_SHOWN } from '../chat/limits.ts'
import type { Line } from '../chat/line.ts'
import { type ShownCall, subjectText } from '../chat/shown-call.ts'
import { BLOCKS_BYTES_MAX } from './limits.ts'
import { callElements, shownCall } from './shown-call.ts'
import { contextLine, fallbackText, jsonBytes, paintedLines, plain, whenContext } from './text.ts'

export interface SlackMessage {
  readonly text: string
  readonly blocks: types.KnownBlock[]
}

export function cardMessage(card: Card): SlackMessage {
  const shown = shownCall(card)
  const blocks = firstThatFits(
    ADDED_SHOWN,
    (added) => cardBlocks(card, shown, added),
    (painted) => jsonBytes(painted) <= BLOCKS_BYTES_MAX,
  )
  return { text: fallbackText(cardNotification(card)), blocks }
}

function cardBlocks(card: Card, shown: ShownCall, added: Added): types.KnownBlock[] {
  const blocks: types.KnownBlock[] = [
    { type: 'header', text: plain(shown.headline) },
    ...richText(decisionLines(card, added)),
    ...richText(stakeLines(card, shown)),
    { type: 'rich_text', elements: callElements(shown) },
    ...richText(remarkLines(card)),
    whenContext(whenParts(card)),
  ]
  const buttons = cardButtons(card, shown)
  const value = subjectText(card, shown)
  if (buttons.length > 0) blocks.push(actionsBlock(buttons, value, `${value}:${card.version}`))
  blocks.push(...belowLines(card, shown, added).map(contextLine))
  return blocks
}

function richText(lines: readonly Line[]): types.RichTextBlock[] {
  return lines.length === 0 ? [] : [{ type: 'rich_text', elements: paintedLines(lines) }]
}

/** A block's id must change with each repaint: docs.slack.dev/reference/block-kit/blocks/actions-block */
export function actionsBlock(buttons: readonly CardButton[], value: string, blockId: string): types.ActionsBlock {
  const elements = buttons.map(
    ({ text, action, style }): types.Button => ({
      type: 'button',
      text: plain(text),
      action_id: action,
      value,
      ...(style !== null && { style }),
    }),
  )
  return { type: 'actions', block_id: blockId, elements }
}
