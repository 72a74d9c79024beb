/** A notice in Block Kit: what happened in one line, then what one looks up next, then when. */
import type { types } from '@slack/bolt'
import type { NoticeText } from '../../src/notice/notice-text.ts'
import type { SlackMessage } from './card-blocks.ts'
import { HEADER_MAX, OUTCOME_BYTES_MAX } from './limits.ts'
import { clipped, date, fallbackText, label, line, plain, quoted, separated } from './text.ts'

export function noticeMessage({ headline, facts, at, isWarning }: NoticeText): SlackMessage {
  // A header shows no emoji of ours: that would need the setting which turns text from outside into emoji too.
  const marked = isWarning ? `⚠ ${headline}` : headline
  const rows = facts.map(({ name, value }) => line(label(`${name}: `), quoted(clipped(value, OUTCOME_BYTES_MAX))))
  const blocks: types.KnownBlock[] = [{ type: 'header', text: plain(clipped(marked, HEADER_MAX)) }]
  if (rows.length > 0) blocks.push({ type: 'rich_text', elements: separated(rows) })
  blocks.push({ type: 'context', elements: [{ type: 'mrkdwn', text: date(at) }] })
  return { text: fallbackText(marked), blocks }
}
