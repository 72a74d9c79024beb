/** The weekly digest in Block Kit: a headline, then a few short lists that one looks through on a phone. */
import type { types } from '@slack/bolt'
import type { Digest } from '../../src/audit/digest.ts'
import { digestText } from '../../src/audit/digest-text.ts'
import { ROW_BYTES_MAX } from '../chat/limits.ts'
import type { SlackMessage } from './card-blocks.ts'
import { HEADER_MAX } from './limits.ts'
import { sectionsBlock } from './sections.ts'
import { clipped, date, fallbackText, mrkdwn, plain } from './text.ts'

export function digestMessage(digest: Digest): SlackMessage {
  const { headline, sections, warnings } = digestText(digest)
  const lists = sectionsBlock(sections)
  const blocks: types.KnownBlock[] = [
    { type: 'header', text: plain(clipped(headline, HEADER_MAX)) },
    ...warnings.map((text) => ({ type: 'context' as const, elements: [plain(clipped(`⚠ ${text}`, ROW_BYTES_MAX))] })),
    ...(lists === null ? [] : [lists]),
    { type: 'context', elements: [mrkdwn(`From ${date(digest.from)} to ${date(digest.to)}`)] },
  ]
  return { text: fallbackText(headline), blocks }
}
