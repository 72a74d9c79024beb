/** A call as it fits on a card of Slack's: its budget, and how its rows are painted. The rule is in bots/chat. */
import type { types } from '@slack/bolt'
import type { Card } from '../../src/approval/card.ts'
import type { CallPage, PageBudget, PageRow } from '../chat/call-pages.ts'
import { callPage, callPages } from '../chat/call-pages.ts'
import * as chat from '../chat/shown-call.ts'
import {
  ARGUMENT_BYTES_MAX,
  ARGUMENT_ROWS_MAX,
  ARGUMENTS_BYTES_MAX,
  HEADER_MAX,
  NAME_BYTES_MAX,
  PAGE_BYTES_MAX,
  REASON_BYTES_MAX,
  ROW_BYTES,
  SHORT_VALUE_MAX,
} from './limits.ts'
import { code, jsonBytes, line, note, preformatted } from './text.ts'

type RichElement = types.RichTextBlockElement

export const CALL_BUDGET: chat.CallBudget = {
  headlineBytesMax: HEADER_MAX,
  agentBytesMax: 2 * NAME_BYTES_MAX,
  statedReasonBytesMax: REASON_BYTES_MAX,
  nameBytesMax: NAME_BYTES_MAX,
  valueBytesMax: ARGUMENT_BYTES_MAX,
  rowsBytesMax: ARGUMENTS_BYTES_MAX,
  rowsMax: ARGUMENT_ROWS_MAX,
  valueLinesMax: null,
  rowBytes: ROW_BYTES,
  shortValueMax: SHORT_VALUE_MAX,
  bytesOf: (row) => jsonBytes(rowElements(row)),
}

export const PAGE_BUDGET: PageBudget = {
  pageBytesMax: PAGE_BYTES_MAX,
  bytesOf: (row) => jsonBytes(pageRowElements(row)),
}

const BUDGETS = { call: CALL_BUDGET, page: PAGE_BUDGET } as const

export const shownCall = (card: Card): chat.ShownCall => chat.shownCall(card, CALL_BUDGET)
export const callRows = (card: Card) => chat.callRows(card, CALL_BUDGET)
export const shownBy = (subject: chat.Subject, card: Card) => chat.shownBy(subject, card, CALL_BUDGET)
export const pagesOf = (card: Card) => callPages(card, BUDGETS)
export const pageOf = (card: Card, wanted: number): CallPage => callPage(card, wanted, BUDGETS)

export function callElements({ rows, rest }: chat.ShownCall): RichElement[] {
  return [...rows.flatMap(rowElements), ...(rest === null ? [] : [line(note(rest))])]
}

function rowElements({ name, value, hidden, language, isShort }: chat.ShownRow): RichElement[] {
  if (isShort) {
    return [line(code(name), { type: 'text', text: '  ' }, value === '' ? note('(empty)') : code(value), NEW_LINE)]
  }
  const row: RichElement[] = [line(code(name), ...(language === null ? [] : [note(` ${language}`)]))]
  if (value !== '') row.push(preformatted(value))
  if (hidden > 0) row.push(line(note(chat.hiddenNote(hidden))))
  return row
}

const NEW_LINE = { type: 'text', text: '\n' } as const

export function pageRowElements({ name, value, isContinued }: PageRow): RichElement[] {
  const suffix = isContinued ? ' (continued)' : value === '' ? ' (empty)' : ''
  const row: RichElement[] = [line(code(name), ...(suffix === '' ? [] : [note(suffix)]))]
  if (value !== '') row.push(preformatted(value))
  return row
}
