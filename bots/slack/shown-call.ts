/**
 * What of a call stands on its card: the rows as they fit, and the digest of them. Painting a card and checking a click
 * both come here, so that a click can be held against what its copy must have shown.
 *
 * Short values stand beside their names, long ones and code in a block of their own, as they are. What does not fit is
 * said in words of ours outside of the value, where the value can't imitate them.
 */
import type { types } from '@slack/bolt'
import type { Card } from '../../src/approval/card.ts'
import { shownDigest } from '../../src/approval/shown.ts'
import type { ApprovalId } from '../../src/brands.ts'
import {
  ARGUMENT_BYTES_MAX,
  ARGUMENT_ROWS_MAX,
  ARGUMENTS_BYTES_MAX,
  HEADER_MAX,
  NAME_BYTES_MAX,
  REASON_BYTES_MAX,
  ROW_BYTES,
  SHORT_VALUE_MAX,
} from './limits.ts'
import { clip, clipped, code, count, jsonBytes, line, note, preformatted } from './text.ts'

type RichElement = types.RichTextBlockElement
type Row = Card['arguments'][number]

export interface ShownCall {
  readonly headline: string
  readonly agent: string
  readonly statedReason: string | null
  readonly elements: RichElement[]
  /** False where anything is cut or missing: the rest is in callRows. */
  readonly isComplete: boolean
  readonly digest: string
}

export function shownCall(card: Card): ShownCall {
  const headline = clipped(card.headline, HEADER_MAX)
  const agent = clipped(card.agent, AGENT_BYTES_MAX)
  const statedReason = card.statedReason === null ? null : clipped(card.statedReason, REASON_BYTES_MAX)
  const { elements, rows, isWhole } = shownRows(card.arguments)
  const isComplete = isWhole && headline === card.headline && agent === card.agent && statedReason === card.statedReason
  const { approvalId, rule, upstream, tool } = card
  const digest = shownDigest({ approvalId, headline, agent, upstream, tool, rule, statedReason, rows, isComplete })
  return { headline, agent, statedReason, elements, isComplete, digest }
}

/** Everything that must not be hidden from whoever approves: what didn't fit on the card too. */
export function callRows({
  headline,
  agent,
  arguments: rows,
  statedReason,
}: Card): readonly { name: string; value: string }[] {
  const before = headline === clipped(headline, HEADER_MAX) ? [] : [{ name: '(headline)', value: headline }]
  if (agent !== clipped(agent, AGENT_BYTES_MAX)) before.push({ name: '(agent)', value: agent })
  // A name's tail can say as much as a value's. The name itself stays above its value, cut.
  const named = rows.flatMap((row, at) =>
    row.name === clipped(row.name, NAME_BYTES_MAX) ? [row] : [{ name: `(name ${at + 1})`, value: row.name }, row],
  )
  const isShown = statedReason === null || statedReason === clipped(statedReason, REASON_BYTES_MAX)
  return [...before, ...named, ...(isShown ? [] : [{ name: '(what the agent says)', value: statedReason }])]
}

function shownRows(all: readonly Row[]) {
  const elements: RichElement[] = []
  const rows: { name: string; value: string }[] = []
  let left = ARGUMENTS_BYTES_MAX
  let hidden = 0
  for (const { name, value } of all) {
    if (rows.length === ARGUMENT_ROWS_MAX || left <= ROW_BYTES) break
    const cut = clip(value, Math.min(ARGUMENT_BYTES_MAX, left - ROW_BYTES))
    const shownName = clipped(name, NAME_BYTES_MAX)
    const row = rowElements(shownName, cut.text, cut.hidden)
    elements.push(...row)
    rows.push({ name: shownName, value: cut.text })
    hidden += cut.hidden + (shownName === name ? 0 : 1)
    left -= jsonBytes(row)
  }
  const missing = all.length - rows.length
  if (missing > 0) {
    elements.push(
      line(note(`${missing.toLocaleString('en')} more of ${count(all.length, 'argument')} not shown here.`)),
    )
  }
  if (all.length === 0) elements.push(line(note('No arguments.')))
  return { elements, rows, isWhole: hidden === 0 && missing === 0 }
}

function rowElements(name: string, value: string, hidden: number): RichElement[] {
  const language = languageOf(name)
  if (value.length <= SHORT_VALUE_MAX && !value.includes('\n') && language === null && hidden === 0) {
    return [line(code(name), { type: 'text', text: '  ' }, value === '' ? note('(empty)') : code(value), NEW_LINE)]
  }
  const row: RichElement[] = [line(code(name), ...(language === null ? [] : [note(` ${language}`)]))]
  if (value !== '') row.push(preformatted(value))
  if (hidden > 0) row.push(line(note(`${count(hidden, 'character')} of this value not shown here.`)))
  return row
}

const NEW_LINE = { type: 'text', text: '\n' } as const

/** Names by which tools mostly call what they run. Said beside the value; the value itself stays as it is. */
const LANGUAGES: Readonly<Record<string, string>> = {
  sql: 'SQL',
  statement: 'SQL',
  query: 'query',
  command: 'command',
  cmd: 'command',
  script: 'script',
  code: 'code',
}

function languageOf(name: string): string | null {
  return Object.hasOwn(LANGUAGES, name.toLowerCase()) ? (LANGUAGES[name.toLowerCase()] ?? null) : null
}

/** Client, owner and issuer. */
const AGENT_BYTES_MAX = 2 * NAME_BYTES_MAX

const DIGEST_DIGITS = 16

/** What a button carries: whose approval it is about, and what its copy of the card showed. */
export interface Subject {
  readonly id: ApprovalId
  /** The first digits of the digest; null on a copy of an earlier version. */
  readonly digest: string | null
}

export function subjectText({ approvalId }: Card, { digest }: ShownCall): string {
  return `${approvalId}:${digest.slice(0, DIGEST_DIGITS)}`
}

/** The ids that jobs make: `apr_` and lower-case base32. */
const SUBJECT = /^(apr_[a-z0-9]{1,64})(?::([0-9a-f]{16}))?$/

export function readSubject(text: string | undefined): Subject | null {
  const found = SUBJECT.exec(text ?? '')
  return found?.[1] === undefined ? null : { id: found[1] as ApprovalId, digest: found[2] ?? null }
}

/** What the click says of its copy, held against what the card shows now. */
export function shownBy({ digest }: Subject, card: Card) {
  if (digest === null) return { digest: null, isComplete: false }
  const now = shownCall(card)
  const isOutdated = !now.digest.startsWith(digest)
  return { digest: now.digest, isComplete: now.isComplete, isOutdated }
}
