/** The weekly digest: a headline, then a few short lists that one looks through on a phone. */
import type { Digest } from '../../src/audit/digest.ts'
import { digestText } from '../../src/audit/digest-text.ts'
import { clipped } from '../chat/clip.ts'
import { ROW_BYTES_MAX } from '../chat/limits.ts'
import { HEADLINE_BYTES_MAX } from './limits.ts'
import { sectionElements } from './sections.ts'
import { adaptiveCard, heading, instant, line, smallBlock, summaryText, warning, words } from './text.ts'
import type { CardMessage } from './transport.ts'

export function digestMessage(digest: Digest): CardMessage {
  const { headline, sections, warnings } = digestText(digest)
  const body = [
    line(heading(clipped(headline, HEADLINE_BYTES_MAX))),
    ...warnings.map((text) => line(warning(clipped(`⚠ ${text}`, ROW_BYTES_MAX)))),
    ...sectionElements(sections),
    smallBlock(words`From ${instant(digest.from)} to ${instant(digest.to)}`),
  ]
  const text = summaryText(headline)
  return { card: adaptiveCard({ body, fallbackText: text }), summary: text }
}
