/** A session's summary: the message, and its details for the thread. */
import type { SessionSummary } from '../../src/audit/summary.ts'
import { clipped } from '../chat/clip.ts'
import {
  detailsNotification,
  recordingLines,
  summaryHeadline,
  summaryLine,
  summaryNotification,
  summarySections,
  summaryWhen,
} from '../chat/summary-lines.ts'
import { HEADLINE_BYTES_MAX } from './limits.ts'
import { sectionElements } from './sections.ts'
import { adaptiveCard, heading, line, lineOf, linesOf, noteLine, summaryText } from './text.ts'
import type { CardMessage } from './transport.ts'

export function summaryMessage(summary: SessionSummary): CardMessage {
  const body = [
    line(heading(clipped(summaryHeadline(summary), HEADLINE_BYTES_MAX))),
    lineOf(summaryLine(summary)),
    ...summaryWhen(summary).map(noteLine),
  ]
  const text = summaryText(summaryNotification(summary))
  return { card: adaptiveCard({ body, fallbackText: text }), summary: text }
}

export function summaryDetails(summary: SessionSummary): CardMessage {
  const body = [...sectionElements(summarySections(summary)), ...linesOf(recordingLines(summary))]
  const text = summaryText(detailsNotification(summary))
  return { card: adaptiveCard({ body, fallbackText: text }), summary: text }
}
