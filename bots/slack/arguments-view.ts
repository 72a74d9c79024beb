/** All of a call, page by page, in a modal. */
import type { types } from '@slack/bolt'
import type { Card } from '../../src/approval/card.ts'
import { argumentsTitle } from '../chat/forms.ts'
import { ARGUMENTS_VIEW, NEXT_PAGE_ACTION, PREVIOUS_PAGE_ACTION } from './actions.ts'
import { pageOf, pageRowElements, pagesOf } from './shown-call.ts'
import { line, note, plain } from './text.ts'

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
    title: plain(argumentsTitle(card)),
    close: plain('Close'),
    private_metadata: subject,
    blocks: pageBlocks(card, wanted).blocks,
  }
}

/** A number out of range shows the nearest page. */
export function pageBlocks(card: Card, wanted: number): Paged {
  const { rows, page, pages } = pageOf(card, wanted)
  const elements = rows.length === 0 ? [line(note('No arguments.'))] : rows.flatMap(pageRowElements)
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
  return pagesOf(card).map((rows) => rows.flatMap(pageRowElements))
}
