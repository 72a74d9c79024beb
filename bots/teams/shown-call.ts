/** A call as it fits on a card of Teams: its budget, and how its rows are painted. The rule is in bots/chat. */
import type { Card } from '../../src/approval/card.ts'
import { type CallPage, callPage, callPages, type PageBudget, type PageRow } from '../chat/call-pages.ts'
import { jsonBytes } from '../chat/clip.ts'
import { NAME_BYTES_MAX, REASON_BYTES_MAX } from '../chat/limits.ts'
import * as chat from '../chat/shown-call.ts'
import type { Container, RichTextBlock } from './card-elements.ts'
import {
  ARGUMENT_BYTES_MAX,
  ARGUMENT_LINES_MAX,
  ARGUMENT_ROWS_MAX,
  ARGUMENTS_BYTES_MAX,
  HEADLINE_BYTES_MAX,
  LINE_BYTES,
  PAGE_BYTES_MAX,
  ROW_BYTES,
  SHORT_VALUE_MAX,
} from './limits.ts'
import { code, codeLabel, line, nextLine, note } from './text.ts'

const CALL_BUDGET: chat.CallBudget = {
  headlineBytesMax: HEADLINE_BYTES_MAX,
  agentBytesMax: 2 * NAME_BYTES_MAX,
  statedReasonBytesMax: REASON_BYTES_MAX,
  nameBytesMax: NAME_BYTES_MAX,
  valueBytesMax: ARGUMENT_BYTES_MAX,
  rowsBytesMax: ARGUMENTS_BYTES_MAX,
  rowsMax: ARGUMENT_ROWS_MAX,
  valueLinesMax: ARGUMENT_LINES_MAX,
  rowBytes: ROW_BYTES,
  shortValueMax: SHORT_VALUE_MAX,
  bytesOf: (row) => jsonBytes(rowElements(row)) + LINE_BYTES * row.value.split('\n').length,
}

const PAGE_BUDGET: PageBudget = {
  pageBytesMax: PAGE_BYTES_MAX,
  bytesOf: (row) => jsonBytes(pageRowElements(row)),
}

const BUDGETS = { call: CALL_BUDGET, page: PAGE_BUDGET } as const

export const shownCall = (card: Card): chat.ShownCall => chat.shownCall(card, CALL_BUDGET)
export const shownBy = (subject: chat.Subject, card: Card) => chat.shownBy(subject, card, CALL_BUDGET)
/** At least one: a call without arguments has an empty page. */
export const pagesOf = (card: Card): number => Math.max(1, callPages(card, BUDGETS).length)
export const pageOf = (card: Card, wanted: number): CallPage => callPage(card, wanted, BUDGETS)

export function callBox({ rows, rest }: chat.ShownCall): Container {
  const last = rest === null ? [] : [line(note(rest))]
  return { type: 'Container', style: 'emphasis', items: [...rows.flatMap(rowElements), ...last] }
}

function rowElements({ name, value, hidden, language, isShort }: chat.ShownRow): RichTextBlock[] {
  // A value of one line in a paragraph of its own would push the buttons off a phone's first screen.
  if (isShort) return [nextLine(codeLabel(name), note(' = '), code(value))]
  const head = nextLine(codeLabel(name), ...(language === null ? [] : [note(` ${language}`)]))
  const body = value === '' ? [] : [nextLine(code(value))]
  return [head, ...body, ...(hidden > 0 ? [nextLine(note(chat.hiddenNote(hidden)))] : [])]
}

export function pageBox({ rows }: CallPage): Container {
  const items = rows.length === 0 ? [line(note('No arguments.'))] : rows.flatMap(pageRowElements)
  return { type: 'Container', style: 'emphasis', items }
}

function pageRowElements({ name, value, isContinued }: PageRow): RichTextBlock[] {
  const suffix = isContinued ? ' (continued)' : value === '' ? ' (empty)' : ''
  const head = line(codeLabel(name), ...(suffix === '' ? [] : [note(suffix)]))
  return value === '' ? [head] : [head, nextLine(code(value))]
}
