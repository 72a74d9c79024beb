/** A session's summary in Block Kit: the message, and its details for the thread. */
import type { types } from '@slack/bolt'
import type { SessionSummary } from '../../src/audit/summary.ts'
import {
  detailsNotification,
  recordingLines,
  summaryHeadline,
  summaryLine,
  summaryNotification,
  summarySections,
  summaryWhen,
} from '../chat/summary-lines.ts'
import type { SlackMessage } from './card-blocks.ts'
import { HEADER_MAX } from './limits.ts'
import { sectionsBlock } from './sections.ts'
import { clipped, contextLine, fallbackText, paintedLines, plain } from './text.ts'

export function summaryMessage(summary: SessionSummary): SlackMessage {
  return {
    text: fallbackText(summaryNotification(summary)),
    blocks: [
      { type: 'header', text: plain(clipped(summaryHeadline(summary), HEADER_MAX)) },
      { type: 'rich_text', elements: paintedLines([summaryLine(summary)]) },
      contextLine(summaryWhen(summary).flat()),
    ],
  }
}

export function summaryDetails(summary: SessionSummary): SlackMessage {
  const lists = sectionsBlock(summarySections(summary))
  const blocks: types.KnownBlock[] = lists === null ? [] : [lists]
  return {
    text: fallbackText(detailsNotification(summary)),
    blocks: [...blocks, { type: 'rich_text', elements: paintedLines(recordingLines(summary)) }],
  }
}
