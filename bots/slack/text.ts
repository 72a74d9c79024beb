/**
 * The only makers of text for Slack.
 *
 * Slack's mrkdwn has no escape for `*`, `_`, `~` and the backtick, so text from outside never goes there: it goes into
 * `rich_text` text elements or `plain_text` without emoji, which neither format nor link nor mention. `mrkdwn` carries
 * numbers and words of ours alone. The fallback `text` of a message is mrkdwn by nature: see fallbackText.
 */
import type { types } from '@slack/bolt'
import type { CardNote } from '../../src/approval/card.ts'
import type { EpochMs } from '../../src/brands.ts'
import type { WhenPart } from '../chat/card-lines.ts'
import { clipped } from '../chat/clip.ts'
import type { Line } from '../chat/line.ts'

export { type Clipped, clip, clipped, count, jsonBytes } from '../chat/clip.ts'

type TextElement = types.RichTextText

/** Words of ours. */
export function label(text: string): TextElement {
  return { type: 'text', text, style: { bold: true } }
}

/** Words of ours that stand beside text from outside. */
export function note(text: string): TextElement {
  return { type: 'text', text, style: { italic: true } }
}

/** Text from outside. Slack refuses an empty element. */
export function quoted(text: string): TextElement {
  return text === '' ? note('(empty)') : { type: 'text', text }
}

export function code(text: string): TextElement {
  return text === '' ? note('(empty)') : { type: 'text', text, style: { code: true } }
}

/** An address of ours, which alone may be one to tap. */
export function linkTo(url: string, text: string): types.RichTextLink {
  return { type: 'link', url, text }
}

export function line(...elements: (TextElement | types.RichTextLink)[]): types.RichTextSection {
  return { type: 'rich_text_section', elements }
}

/** rich_text sections run into one another: each but the last ends its line. */
export function separated(rows: types.RichTextSection[]): types.RichTextSection[] {
  return rows.map((row, at) =>
    at === rows.length - 1 ? row : { ...row, elements: [...row.elements, { type: 'text', text: '\n' }] },
  )
}

/** What every chat says, in Slack's elements. */
export function paintedLines(lines: readonly Line[]): types.RichTextSection[] {
  return separated(lines.map((parts) => line(...paintedParts(parts))))
}

export function paintedParts(parts: Line): TextElement[] {
  return parts.map(({ as, text }) => PAINTERS[as](text))
}

const PAINTERS = { label, note, text: quoted, code } as const

export function preformatted(text: string): types.RichTextPreformatted {
  return { type: 'rich_text_preformatted', elements: [{ type: 'text', text }] }
}

export function plain(text: string): types.PlainTextElement {
  return { type: 'plain_text', text, emoji: false }
}

/** A message of ours to one person; it may quote text from outside, so it is plain. */
export function plainSection(text: string): types.SectionBlock {
  return { type: 'section', text: plain(text) }
}

/** mrkdwn that holds nothing but this number: shown in the reader's own time zone. */
export function date(at: EpochMs): string {
  const utc = `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`
  return `<!date^${Math.floor(at / 1000)}^{date_short_pretty} {time}|${utc}>`
}

/**
 * A deadline that runs: the clock time, and how far off it is, which clients count anew as they paint. `{ago}` is
 * documented with examples of the past alone (docs.slack.dev/reference/block-kit/block-elements/date-element), so the
 * clock time stands before it and no wording is relied on.
 */
export function countdown(at: EpochMs): string {
  return date(at).replace('{time}', '{time} ({ago})')
}

/** mrkdwn, so that dates show in the reader's time zone: numbers and words of ours only. */
export function whenContext(parts: readonly WhenPart[]): types.ContextBlock {
  const text = parts.map(({ words, at, isDeadline }) => {
    if (at === null) return words
    return `${words} ${isDeadline ? countdown(at) : date(at)}`
  })
  return { type: 'context', elements: [mrkdwn(text.join(' · '))] }
}

/** Words of ours with instants in them, small: each part an element of its own, so that names stay plain. */
export function contextLine(parts: readonly (string | EpochMs)[]): types.ContextBlock {
  const elements = parts
    .filter((part) => part !== '')
    .slice(0, CONTEXT_PARTS_MAX)
    .map((part) => (typeof part === 'string' ? plain(clipped(part, CONTEXT_BYTES_MAX)) : mrkdwn(date(part))))
  return { type: 'context', elements }
}

/** mrkdwn for its dates: words of ours and numbers alone. */
export function whenBlock(parts: CardNote): types.ContextBlock {
  return {
    type: 'context',
    elements: [mrkdwn(parts.map((part) => (typeof part === 'string' ? part : date(part))).join(''))],
  }
}

export function mrkdwn(text: string): types.MrkdwnElement {
  return { type: 'mrkdwn', text }
}

/** docs.slack.dev/reference/block-kit/blocks/context-block */
const CONTEXT_PARTS_MAX = 10
const CONTEXT_BYTES_MAX = 700

/**
 * For notifications and screen readers. `&<>` are escaped as Slack documents; what would format, mention or become an
 * emoji is replaced by a look-alike, because this text is never what one decides by.
 */
export function fallbackText(text: string, bytesMax = 300): string {
  return clipped(text, bytesMax)
    .replace(/[*~`]/g, (mark) => LOOK_ALIKES[mark] ?? ' ')
    .replace(/(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])/gu, 'ˍ')
    .replace(/:(?=[\w+'-]+:)/g, '꞉')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
}

const LOOK_ALIKES: Readonly<Record<string, string>> = { '*': '∗', '~': '∼', '`': 'ˋ' }
