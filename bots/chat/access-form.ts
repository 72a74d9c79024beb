/**
 * The form in which a person asks for elevated access: what stands on it, and what comes back of it, whatever the chat.
 * Each chat paints it with inputs of its own.
 */
import { createHash } from 'node:crypto'
import type { Approval } from '../../src/approval/approval.ts'
import type { CardNote } from '../../src/approval/card.ts'
import { cardOf } from '../../src/approval/card-of.ts'
import { inWords } from '../../src/approval/in-words.ts'
import { visible } from '../../src/approval/visible.ts'
import { ALL_TOOLS, type StandingGrant } from '../../src/grant/standing.ts'
import type { AccessOffer, AccessPreview } from '../../src/ports.ts'
import { clipped, count } from './clip.ts'
import { NAME_BYTES_MAX, PREVIEW_SENTENCES_MAX, REASON_BYTES_MAX } from './limits.ts'
import { code, type Line, label, note, quoted } from './line.ts'
import type { Words } from './words.ts'

export interface AccessForm {
  readonly upstreams: readonly string[]
  /** Null until one is chosen. */
  readonly upstream: string | null
  /** Null while its tools are being listed. */
  readonly offer: AccessOffer | null
  /** What policy says of what is chosen; null while nothing is. */
  readonly preview: AccessPreview | null
  /** Why its tools could not be listed. */
  readonly problem: string | null
}

/** What the form has besides its inputs, and what its inputs are called. */
export const ACCESS_WORDS = {
  title: 'Ask for access',
  extensionTitle: 'Extend access',
  ask: 'Ask',
  upstream: 'MCP server',
  tools: 'Tools',
  chooseOne: 'Choose one',
  chooseTools: 'Choose tools',
  duration: 'For how long, from the approval on',
  reason: 'What for (reviewers read this)',
  listing: 'Listing its tools…',
  nothingListed: 'It lists no tool now that policy lets you ask for.',
  choose: 'Choose tools to see who will be asked, and what policy will say.',
} as const

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
/** What people mean by "for a while"; the longest that policy offers is added. */
const DURATIONS_MS = [
  15 * MINUTE_MS,
  30 * MINUTE_MS,
  HOUR_MS,
  2 * HOUR_MS,
  4 * HOUR_MS,
  8 * HOUR_MS,
  DAY_MS,
  2 * DAY_MS,
  3 * DAY_MS,
  7 * DAY_MS,
]

/** Whether there is anything to choose from, so that the rest is asked too. */
export function isOffered({ upstream, offer }: AccessForm): boolean {
  return upstream !== null && offer !== null && (offer.tools.length > 0 || offer.offersAll)
}

// ---- choices

export interface Choice {
  readonly value: string
  /** Both untrusted, whole. */
  readonly title: string
  readonly about: string | null
}

export function toolChoices({ tools, offersAll }: AccessOffer): readonly Choice[] {
  const all = offersAll ? [{ value: ALL_TOOLS, title: 'All tools, also later ones', about: null }] : []
  return [
    ...all,
    ...tools.map(({ name, description }) => ({ value: toolValue(name), title: name, about: description })),
  ]
}

/** Those that a person's typing finds. */
export function matchingChoices(offer: AccessOffer, typed: string): readonly Choice[] {
  const wanted = typed.trim().toLowerCase()
  const tools = offer.tools.filter(({ name }) => name.toLowerCase().includes(wanted))
  return toolChoices({ ...offer, tools, offersAll: offer.offersAll && 'all tools'.includes(wanted) })
}

/**
 * What comes back of a choice. Slack takes 150 characters, and says that it converts others than the usual in what it
 * sends back (docs.slack.dev/reference/views/modal-views); Teams joins several by commas
 * (adaptivecards.io/explorer/Input.ChoiceSet). A name of other characters travels as its digest.
 */
export function toolValue(name: string): string {
  if (/^[\w./:-]{1,150}$/.test(name) && !name.startsWith(DIGEST_PREFIX)) return name
  return `${DIGEST_PREFIX}${createHash('sha256').update(name).digest('hex').slice(0, 32)}`
}

const DIGEST_PREFIX = 'sha256:'

export function isDigest(value: string): boolean {
  return value.startsWith(DIGEST_PREFIX)
}

/** Names that travelled as digests are found among what is offered. */
export function toolNamesOf(values: readonly string[], { tools }: Pick<AccessOffer, 'tools'>): readonly string[] {
  const byValue = new Map(tools.map(({ name }) => [toolValue(name), name]))
  return values.map((value) => byValue.get(value) ?? value)
}

export interface DurationChoice {
  readonly ms: number
  readonly words: string
  /** Chosen already. */
  readonly isInitial: boolean
}

export function durationChoices(longestMs: number): readonly DurationChoice[] {
  const offered = [...new Set([...DURATIONS_MS.filter((ms) => ms < longestMs), longestMs])]
  const initial = Math.min(HOUR_MS, longestMs)
  return offered.map((ms) => ({ ms, words: inWords(ms), isInitial: ms === initial }))
}

/** Where policy names no longest, an hour is plenty. */
export function longestOf({ longestMs }: AccessPreview): number {
  return longestMs ?? HOUR_MS
}

// ---- what policy says

export function previewLines(
  { rule, from, quorum, longestMs, sentences }: AccessPreview,
  sentencesMax = PREVIEW_SENTENCES_MAX,
): readonly Line[] {
  const said = sentences
    .slice(0, sentencesMax)
    .map((sentence) => [quoted(`• ${clipped(visible(sentence), 2 * NAME_BYTES_MAX)}`)])
  const rest = sentences.length - said.length
  return [
    ...(rule === null ? [] : [whoIsAsked(rule, from, quorum, longestMs)]),
    ...said,
    ...(rest > 0 ? [[note(`and ${count(rest, 'more tool')}`)]] : []),
  ]
}

function whoIsAsked(rule: string, from: readonly string[], quorum: number, longestMs: number | null): Line {
  const who = from.length === 0 ? 'anyone else who sees the card' : from.join(', ')
  const longest = longestMs === null ? 'as long as policy says' : inWords(longestMs)
  return [
    label('Will be asked: '),
    quoted(clipped(visible(who), REASON_BYTES_MAX)),
    quoted(`${quorum > 1 ? `; ${quorum} of them must approve` : ''}; at most ${longest}`),
    note(' by rule '),
    code(clipped(visible(rule), NAME_BYTES_MAX)),
  ]
}

// ---- a grant that is to end later

/** What it is, for an extension asks for the same. */
export function extensionLines({ upstream, tools }: StandingGrant): readonly Line[] {
  const names = tools.includes(ALL_TOOLS) ? 'all, also later ones' : tools.join(', ')
  return [
    [label('Upstream: '), code(clipped(visible(upstream), NAME_BYTES_MAX))],
    [label('Tools: '), quoted(clipped(visible(names), REASON_BYTES_MAX))],
  ]
}

export function extensionNote({ expiresAt }: StandingGrant): CardNote {
  return ['Ends ', expiresAt, ' as it is']
}

// ---- asked

/** In the form's place: what was asked, and what comes next. */
export function askedLines({ approval, wasAsked }: AskedForAccess, { home }: Words): readonly Line[] {
  const from = approval.from.length === 0 ? 'whoever sees the card' : approval.from.join(', ')
  return [
    [
      label(wasAsked ? 'This was asked already, and is still open.' : 'Asked.'),
      quoted(' '),
      quoted(clipped(cardOf(approval).headline, REASON_BYTES_MAX)),
    ],
    [
      quoted(`${count(approval.quorum, 'approval')} needed, from `),
      quoted(clipped(visible(from), REASON_BYTES_MAX)),
      note(`. You find it ${home}, and may take it back there.`),
    ],
  ]
}

export function askedNote({ approval }: AskedForAccess): CardNote {
  const { shortFingerprint } = cardOf(approval)
  return ['Decided by ', approval.expiresAt, `, or denied · fingerprint ${shortFingerprint.replace(/[^0-9a-f]/g, '')}`]
}

export interface AskedForAccess {
  readonly approval: Approval
  /** The same was asked before, and is still open. */
  readonly wasAsked: boolean
}
