/**
 * The only makers of text for Teams; why there are two kinds of it says card-elements.ts.
 *
 * `{{DATE(…)}}` and `{{TIME(…)}}` are replaced by the client in every text of a card, TextRun too. So that nobody outside
 * can write a time that looks like ours, neighbouring braces are parted, everywhere, by a word joiner: it has no width,
 * and an agent's own would have been shown as `⟨U+2060⟩` by then.
 */
import { visible } from '../../src/approval/visible.ts'
import type { EpochMs } from '../../src/brands.ts'
import type { WhenPart } from '../chat/card-lines.ts'
import { clipped } from '../chat/clip.ts'
import type { Line, Part } from '../chat/line.ts'
import type {
  AdaptiveCard,
  CardElement,
  Color,
  Inert,
  InputValue,
  Refresh,
  RichTextBlock,
  RunText,
  TextBlock,
  TextRun,
} from './card-elements.ts'
import { NOTE_BYTES_MAX, SAID_BYTES_MAX, SUMMARY_BYTES_MAX } from './limits.ts'

const JOINER = '\u2060'

function parted(text: string): string {
  return text.replace(/\{(?=\{)/g, `{${JOINER}`)
}

// ---- runs: anybody's text

function run(text: string, looks: Omit<TextRun, 'type' | 'text'> = {}): TextRun {
  return { type: 'TextRun', text: parted(text) as RunText, ...looks }
}

/** Words of ours. */
export function label(text: string, color?: Color): TextRun {
  return run(text, { weight: 'Bolder', ...(color !== undefined && { color }) })
}

/** Words of ours that stand beside text from outside. */
export function note(text: string): TextRun {
  return run(text, { isSubtle: true })
}

/** Text from outside. */
export function quoted(text: string): TextRun {
  return text === '' ? note('(empty)') : run(text)
}

/** Text from outside, each character as it is. */
export function code(text: string): TextRun {
  return text === '' ? note('(empty)') : run(unfolded(text), { fontType: 'Monospace' })
}

/** An argument's name: untrusted like its value, and told from it at a glance. */
export function codeLabel(text: string): TextRun {
  return { ...code(text), weight: 'Bolder' }
}

/** What somebody has to do something about. */
export function warning(text: string): TextRun {
  return run(text, { color: 'Attention' })
}

export function heading(text: string): TextRun {
  return run(text, { weight: 'Bolder', size: 'Medium' })
}

/** What one looks up, and does not decide by. */
export function small(text: string): TextRun {
  return run(text, { size: 'Small', isSubtle: true })
}

/**
 * Clients fold blanks, as HTML does: two commands that differ in them would look the same. An agent's own no-break spaces
 * are shown as escapes by now, so that one stands for a blank and nothing else.
 */
function unfolded(text: string): string {
  return text.replaceAll('\t', '\u00a0\u00a0').replace(/(?<=[ \n\u00a0]|^) /g, '\u00a0')
}

export function line(...inlines: TextRun[]): RichTextBlock {
  return { type: 'RichTextBlock', inlines }
}

/** A further line of what stands above it. */
export function nextLine(...inlines: TextRun[]): RichTextBlock {
  return { type: 'RichTextBlock', spacing: 'None', inlines }
}

const MAKERS: Readonly<Record<Part['as'], (text: string) => TextRun>> = { label, note, text: quoted, code }

/** What bots/chat says in lines, whichever the chat. `color` is for its labels. */
export function lineOf(parts: Line, color?: Color): RichTextBlock {
  return line(...parts.map(({ as, text }) => (as === 'label' ? label(text, color) : MAKERS[as](text))))
}

/** Below one another, as one paragraph. */
export function linesOf(lines: readonly Line[]): RichTextBlock[] {
  return lines.map((parts, index) => (index === 0 ? lineOf(parts) : { ...lineOf(parts), spacing: 'None' }))
}

// ---- inert text: titles, labels, blocks

/**
 * Words of ours: words`Approve for ${2} hours`. What is put into them must be a number or inert itself, so that no text
 * from outside gets in.
 */
export function words(parts: TemplateStringsArray, ...values: readonly (Inert | number)[]): Inert {
  return parts.reduce((text, part, at) => {
    const value = values[at - 1]
    return `${text}${typeof value === 'number' ? value.toLocaleString('en') : value}${part}`
  }) as Inert
}

/**
 * Text from outside, of one line, where only a title will do. Clients read Markdown in TextBlock, Fact and, depending on
 * their settings, in choices (adaptivecards: useMarkdownInRadioButtonAndCheckbox), and there is no escape that none of
 * them shows. So what would format, link or list is replaced by a look-alike: one recognises it, and decides by the runs.
 */
export function inert(text: string): Inert {
  return parted(text)
    .replaceAll(/\s+/g, ' ')
    .trim()
    .replace(/[*~`[\]<>\\&|!]/g, (mark) => LOOK_ALIKES[mark] ?? ' ')
    .replace(/(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])/gu, 'ˍ')
    .replaceAll('://', '꞉∕∕')
    .replace(/\b(www|mailto|tel)(?=[.:])/gi, `$1${JOINER}`)
    .replace(/^([-+#=]|\d+(?=[.)]))/, `${JOINER}$1${JOINER}`) as Inert
}

const LOOK_ALIKES: Readonly<Record<string, string>> = {
  ...{ '*': '∗', '~': '∼', '`': 'ˋ', '[': '［', ']': '］', '<': '‹', '>': '›' },
  ...{ '\\': '＼', '&': '＆', '|': '∣', '!': 'ǃ' },
}

/** An instant in the reader's own time zone: learn.microsoft.com/adaptive-cards/authoring-cards/text-features. */
export function instant(at: EpochMs): Inert {
  const text = `${new Date(at).toISOString().slice(0, 19)}Z`
  return `{{DATE(${text}, SHORT)}} {{TIME(${text})}}` as Inert
}

/** Where nothing is replaced by the client, and beside text from outside. */
export function utc(at: EpochMs): Inert {
  return `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC` as Inert
}

/** What one person is told of what they did. It may quote others. */
export function saidLine(message: string, isDone: boolean): RichTextBlock {
  const text = clipped(visible(message), SAID_BYTES_MAX)
  return line(isDone ? quoted(text) : warning(text))
}

export function block(text: Inert, looks: Omit<TextBlock, 'type' | 'text' | 'wrap'> = {}): TextBlock {
  return { type: 'TextBlock', text, wrap: true, ...looks }
}

export function smallBlock(text: Inert): TextBlock {
  return block(text, { size: 'Small', isSubtle: true, spacing: 'Small' })
}

/** Instants in the reader's own time zone, small: words of ours alone. */
export function whenBlock(parts: readonly WhenPart[]): TextBlock {
  const text = parts.map(({ words: said, at }) => (at === null ? inert(said) : words`${inert(said)} ${instant(at)}`))
  return smallBlock(text.reduce((all, part) => words`${all} · ${part}`))
}

/** Words of ours with instants in them, small; names in them are untrusted, so that the instants are of UTC. */
export function noteLine(parts: readonly (string | EpochMs)[]): RichTextBlock {
  const text = parts
    .map((part) => (typeof part === 'string' ? part : utc(part)))
    .reduce((all, part) => (/\w$/.test(all) && /^\w/.test(part) ? `${all} ${part}` : `${all}${part}`), '')
  return { type: 'RichTextBlock', spacing: 'Small', inlines: [small(clipped(text, NOTE_BYTES_MAX))] }
}

/**
 * Words of ours and instants alone, small, in the reader's own time zone. Clients read Markdown in it: nobody's name may
 * stand there.
 */
export function instantLine(parts: readonly (string | EpochMs)[]): TextBlock {
  const text = parts.map((part) => (typeof part === 'string' ? inert(part) : instant(part))).join(' ')
  return smallBlock(text.replaceAll(' ,', ',') as Inert)
}

/** What an input holds at first; fromInput gives back what was written. */
export function inputValue(text: string): InputValue {
  return parted(text) as InputValue
}

export function fromInput(text: string): string {
  return text.replace(/\{\u2060(?=\{)/g, '{')
}

/** For notifications, and for clients that draw no cards. */
export function summaryText(text: string): Inert {
  return inert(clipped(text, SUMMARY_BYTES_MAX))
}

export function adaptiveCard(card: {
  readonly body: CardElement[]
  readonly fallbackText: Inert
  readonly refresh?: Refresh | null
}): AdaptiveCard {
  const { body, fallbackText, refresh } = card
  return { type: 'AdaptiveCard', version: '1.5', fallbackText, ...(refresh && { refresh }), body }
}
