/** A notice: what happened in one line, then what one looks up next, then when. */
import type { NoticeText } from '../../src/notice/notice-text.ts'
import { clipped } from '../chat/clip.ts'
import { OUTCOME_BYTES_MAX } from '../chat/limits.ts'
import { label as labelPart, quoted as quotedPart } from '../chat/line.ts'
import { HEADLINE_BYTES_MAX } from './limits.ts'
import { adaptiveCard, heading, instant, line, linesOf, smallBlock, summaryText } from './text.ts'
import type { CardMessage } from './transport.ts'

export function noticeMessage({ headline, facts, at, isWarning }: NoticeText): CardMessage {
  const marked = isWarning ? `⚠ ${headline}` : headline
  const lines = facts.map(({ name, value }) => [labelPart(`${name}: `), quotedPart(clipped(value, OUTCOME_BYTES_MAX))])
  const summary = summaryText(marked)
  const body = [line(heading(clipped(marked, HEADLINE_BYTES_MAX))), ...linesOf(lines), smallBlock(instant(at))]
  return { card: adaptiveCard({ body, fallbackText: summary }), summary }
}
