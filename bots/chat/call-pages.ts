/**
 * All of a call, cut into pages for a window: what did not fit on the card can be read before deciding. The page is cut
 * anew from the approval at each turn, so that nothing but its id and a number travels through the chat.
 */
import type { Card } from '../../src/approval/card.ts'
import { clip, clipped } from './clip.ts'
import { type CallBudget, callRows } from './shown-call.ts'

export interface PageBudget {
  readonly pageBytesMax: number
  /** What this row takes as the channel paints it. */
  bytesOf(row: PageRow): number
}

export interface PageRow {
  readonly name: string
  /** A part of the value where it is long; empty where the value is. */
  readonly value: string
  /** The value began on this page, or on an earlier one, in another row. */
  readonly isContinued: boolean
}

export interface CallPage {
  readonly rows: readonly PageRow[]
  /** Counted from 1. */
  readonly page: number
  readonly pages: number
}

/** A number out of range shows the nearest page. */
export function callPage(card: Card, wanted: number, budgets: { call: CallBudget; page: PageBudget }): CallPage {
  const all = callPages(card, budgets)
  const pages = Math.max(1, all.length)
  const page = Math.min(Math.max(1, wanted), pages)
  return { rows: all[page - 1] ?? [], page, pages }
}

/** None where there is nothing to show. */
export function callPages(card: Card, { call, page }: { call: CallBudget; page: PageBudget }): readonly PageRow[][] {
  const pages: PageRow[][] = []
  let rows: PageRow[] = []
  let left = page.pageBytesMax
  const turnPage = () => {
    pages.push(rows)
    rows = []
    left = page.pageBytesMax
  }
  for (const { name, value } of callRows(card, call)) {
    let rest: string = value
    let isContinued = false
    do {
      if (left < 2 * call.rowBytes) turnPage()
      const cut = clip(rest, left - call.rowBytes)
      const row = { name: clipped(name, call.nameBytesMax), value: cut.text, isContinued }
      rows.push(row)
      left -= page.bytesOf(row)
      rest = rest.slice(cut.text.length)
      isContinued = true
    } while (rest !== '')
  }
  if (rows.length > 0) pages.push(rows)
  return pages
}
