/**
 * All of a call, page by page, in a modal: what did not fit on the card can be read before deciding. The page is cut
 * anew from the approval at each turn, so that nothing but its id and a number travels through Slack.
 */
import type { types } from '@slack/bolt'
import type { Card } from '../../src/approval/card.ts'
import { ARGUMENTS_VIEW, NEXT_PAGE_ACTION, PREVIOUS_PAGE_ACTION } from './actions.ts'
import { NAME_BYTES_MAX, PAGE_BYTES_MAX, ROW_BYTES } from './limits.ts'
import { callRows } from './shown-call.ts'
import { clip, clipped, code, jsonBytes, line, note, plain, preformatted } from './text.ts'

type RichElement = types.RichTextBlockElement

export interface Paged {
  readonly blocks: types.KnownBlock[]
  /** Counted from 1. */
  readonly page: number
  readonly pages: number
}

export function argumentsView(card: Card, wanted: number, subject: string = card.approvalId): types.ModalView {
  return {
    type: 'modal',
    callback_id: ARGUMENTS_VIEW,
    title: plain(card.isAccess ? 'All of it' : 'All arguments'),
    close: plain('Close'),
    private_metadata: subject,
    blocks: pageBlocks(card, wanted).blocks,
  }
}

/** A number out of range shows the nearest page. */
export function pageBlocks(card: Card, wanted: number): Paged {
  const all = argumentPages(card)
  const pages = Math.max(1, all.length)
  const page = Math.min(Math.max(1, wanted), pages)
  const elements = all[page - 1] ?? [line(note('No arguments.'))]
  const blocks: types.KnownBlock[] = [{ type: 'rich_text', elements }]
  const turns = buttons(page, pages)
  if (turns.length > 0) {
    blocks.push({ type: 'context', elements: [plain(`Page ${page} of ${pages}`)] })
    blocks.push({ type: 'actions', elements: turns })
  }
  return { blocks, page, pages }
}

function buttons(page: number, pages: number): types.Button[] {
  const turns: types.Button[] = []
  if (page > 1) turns.push(turn('Previous', PREVIOUS_PAGE_ACTION, page - 1))
  if (page < pages) turns.push(turn('Next', NEXT_PAGE_ACTION, page + 1))
  return turns
}

function turn(text: string, action: string, page: number): types.Button {
  return { type: 'button', text: plain(text), action_id: action, value: String(page) }
}

export function argumentPages(card: Card): RichElement[][] {
  const pages: RichElement[][] = []
  let page: RichElement[] = []
  let left = PAGE_BYTES_MAX
  const turnPage = () => {
    pages.push(page)
    page = []
    left = PAGE_BYTES_MAX
  }
  for (const { name, value } of callRows(card)) {
    let rest: string = value
    let continued = false
    do {
      if (left < 2 * ROW_BYTES) turnPage()
      const cut = clip(rest, left - ROW_BYTES)
      const suffix = continued ? ' (continued)' : value === '' ? ' (empty)' : ''
      const row: RichElement[] = [line(code(clipped(name, NAME_BYTES_MAX)), ...(suffix === '' ? [] : [note(suffix)]))]
      if (cut.text !== '') row.push(preformatted(cut.text))
      page.push(...row)
      left -= jsonBytes(row)
      rest = rest.slice(cut.text.length)
      continued = true
    } while (rest !== '')
  }
  if (page.length > 0) pages.push(page)
  return pages
}
