/**
 * What of a call stands on its card: its rows as they fit, and the digest of them. Painting a card and checking a click
 * both come here, so that a click can be held against what its copy must have shown. Each channel brings its budget,
 * because each refuses cards of another size; the rule by which a call is cut to it is one.
 *
 * Short values stand beside their names, long ones and code in a block of their own, as they are. What does not fit is
 * said in words of ours outside of the value, where the value can't imitate them.
 */
import type { Card } from '../../src/approval/card.ts'
import { shownDigest } from '../../src/approval/shown.ts'
import type { ApprovalId } from '../../src/brands.ts'
import { type Clipped, clip, clipped, count } from './clip.ts'

/** Bytes are of JSON in UTF-8, as clip.ts counts them. A change of any makes every card outdated that is posted already. */
export interface CallBudget {
  readonly headlineBytesMax: number
  /** Client, owner and issuer. */
  readonly agentBytesMax: number
  readonly statedReasonBytesMax: number
  readonly nameBytesMax: number
  /** One value, and all rows together. */
  readonly valueBytesMax: number
  readonly rowsBytesMax: number
  readonly rowsMax: number
  /** Of one value, where the chat folds no long message; null: it does. */
  readonly valueLinesMax: number | null
  /** A row's name, its note and the JSON around them. */
  readonly rowBytes: number
  /** A value of one line that stands beside its name. Characters. */
  readonly shortValueMax: number
  /** What this row takes as the channel paints it. */
  bytesOf(row: ShownRow): number
}

export interface ShownRow {
  readonly name: string
  readonly value: string
  /** UTF-16 units of the value that are not shown. */
  readonly hidden: number
  /** What the value is, where its name tells: `SQL`. Said beside the value; the value itself stays as it is. */
  readonly language: string | null
  /** Stands beside its name. */
  readonly isShort: boolean
}

export interface ShownCall {
  readonly headline: string
  readonly agent: string
  readonly statedReason: string | null
  readonly rows: readonly ShownRow[]
  /** Says how many rows are missing, or that there are none; null: all are there. */
  readonly rest: string | null
  /** False where anything is cut or missing: the rest is in callRows. */
  readonly isComplete: boolean
  readonly digest: string
}

export function shownCall(card: Card, budget: CallBudget): ShownCall {
  const { headline, agent, statedReason } = cutTexts(card, budget)
  const { rows, isWhole } = shownRows(card.arguments, budget)
  const isComplete = isWhole && headline === card.headline && agent === card.agent && statedReason === card.statedReason
  const { approvalId, rule, upstream, tool } = card
  const shown = rows.map(({ name, value }) => ({ name, value }))
  const digest = shownDigest({
    approvalId,
    headline,
    agent,
    upstream,
    tool,
    rule,
    statedReason,
    rows: shown,
    isComplete,
  })
  return { headline, agent, statedReason, rows, rest: restOf(card.arguments.length, rows.length), isComplete, digest }
}

function cutTexts({ headline, agent, statedReason }: Card, budget: CallBudget) {
  return {
    headline: clipped(headline, budget.headlineBytesMax),
    agent: clipped(agent, budget.agentBytesMax),
    statedReason: statedReason === null ? null : clipped(statedReason, budget.statedReasonBytesMax),
  }
}

/** Everything that must not be hidden from whoever approves: what didn't fit on the card too. */
export function callRows(card: Card, budget: CallBudget): readonly { readonly name: string; readonly value: string }[] {
  const { headline, agent, arguments: rows, statedReason } = card
  const cut = cutTexts(card, budget)
  const before = headline === cut.headline ? [] : [{ name: '(headline)', value: headline }]
  if (agent !== cut.agent) before.push({ name: '(agent)', value: agent })
  // A name's tail can say as much as a value's. The name itself stays above its value, cut.
  const named = rows.flatMap((row, at) =>
    row.name === clipped(row.name, budget.nameBytesMax) ? [row] : [{ name: `(name ${at + 1})`, value: row.name }, row],
  )
  const isShown = statedReason === null || statedReason === cut.statedReason
  return [...before, ...named, ...(isShown ? [] : [{ name: '(what the agent says)', value: statedReason }])]
}

function shownRows(all: Card['arguments'], budget: CallBudget) {
  const { rowsBytesMax, rowsMax, rowBytes, valueBytesMax, nameBytesMax } = budget
  const rows: ShownRow[] = []
  let left = rowsBytesMax
  let isWhole = true
  for (const { name, value } of all) {
    if (rows.length === rowsMax || left <= rowBytes) break
    const cut = clipLines(value, clip(value, Math.min(valueBytesMax, left - rowBytes)), budget.valueLinesMax)
    const shownName = clipped(name, nameBytesMax)
    const row = shownRow(shownName, cut, budget)
    rows.push(row)
    if (cut.hidden > 0 || shownName !== name) isWhole = false
    left -= budget.bytesOf(row)
  }
  return { rows, isWhole: isWhole && rows.length === all.length }
}

function clipLines(value: string, cut: Clipped, linesMax: number | null): Clipped {
  let end = -1
  for (let lines = 0; lines < (linesMax ?? 0); lines += 1) {
    end = cut.text.indexOf('\n', end + 1)
    if (end === -1) return cut
  }
  return linesMax === null ? cut : { text: value.slice(0, end), hidden: value.length - end }
}

function shownRow(name: string, { text, hidden }: Clipped, { shortValueMax }: CallBudget): ShownRow {
  const language = languageOf(name)
  const isShort = text.length <= shortValueMax && !text.includes('\n') && language === null && hidden === 0
  return { name, value: text, hidden, language, isShort }
}

function restOf(all: number, shown: number): string | null {
  if (all === 0) return 'No arguments.'
  return all === shown
    ? null
    : `${(all - shown).toLocaleString('en')} more of ${count(all, 'argument')} not shown here.`
}

/** Beside a value that is cut. */
export function hiddenNote(hidden: number): string {
  return `${count(hidden, 'character')} of this value not shown here.`
}

/** Names by which tools mostly call what they run. */
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
export function shownBy({ digest }: Subject, card: Card, budget: CallBudget) {
  if (digest === null) return { digest: null, isComplete: false }
  const now = shownCall(card, budget)
  const isOutdated = !now.digest.startsWith(digest)
  return { digest: now.digest, isComplete: now.isComplete, isOutdated }
}
