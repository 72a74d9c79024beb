/**
 * App Home as one person sees it, painted whole from what is stored, never patched. Review opens the card in a window.
 */
import type { types } from '@slack/bolt'
import type { Approval } from '../../src/approval/approval.ts'
import { cardOf } from '../../src/approval/card-of.ts'
import { visible } from '../../src/approval/visible.ts'
import { type HomeContent, pagesText } from '../chat/home.ts'
import {
  type HomeAction,
  type HomeActionName,
  type HomeRow,
  type HomeSection,
  homeSections,
} from '../chat/home-rows.ts'
import { REASON_BYTES_MAX } from '../chat/limits.ts'
import { subjectText } from '../chat/shown-call.ts'
import {
  HOME_EXTEND_ACTION,
  HOME_PAGE_ACTION,
  HOME_REVIEW_ACTION,
  HOME_REVOKE_ACTION,
  HOME_TAKE_BACK_ACTION,
  REVIEW_VIEW,
} from './actions.ts'
import { cardMessage } from './card-blocks.ts'
import { shownCall } from './shown-call.ts'
import { clipped, line, linkTo, paintedLines, paintedParts, plain, plainSection, quoted, whenBlock } from './text.ts'
import { WORDS } from './words.ts'

export function homeView(content: HomeContent): types.HomeView {
  const blocks = homeSections(content, WORDS).flatMap(sectionBlocks)
  return { type: 'home', private_metadata: pagesText(content.pages), blocks }
}

/** For whoever can't be shown anything, and why. */
export function closedHomeView(message: string): types.HomeView {
  return { type: 'home', blocks: [plainSection(clipped(visible(message), REASON_BYTES_MAX))] }
}

function sectionBlocks(section: HomeSection): types.KnownBlock[] {
  const { title, rows, empty, remark } = section
  return [
    { type: 'header', text: plain(title) },
    ...(empty === null ? [] : [small(empty)]),
    ...rows.flatMap(rowBlocks),
    ...turnBlocks(section),
    ...(remark === null ? [] : [small(remark)]),
  ]
}

function rowBlocks({ what, link, outcome, when, actions }: HomeRow): types.KnownBlock[] {
  const linked = link === null ? [] : [quoted(' '), linkTo(link.url, link.text)]
  return [
    { type: 'rich_text', elements: [line(...paintedParts(what), ...linked)] },
    ...(outcome === null ? [] : [{ type: 'rich_text', elements: paintedLines([outcome]) } as const]),
    whenBlock(when),
    ...(actions.length === 0 ? [] : [{ type: 'actions', elements: actions.map(button) } as const]),
  ]
}

function turnBlocks({ name, page, turns }: HomeSection): types.KnownBlock[] {
  if (turns.length === 0) return []
  const elements = turns.map(
    ({ title, pages }): types.Button => ({
      type: 'button',
      text: plain(title),
      action_id: `${HOME_PAGE_ACTION}${name}_${title.toLowerCase()}`,
      value: pagesText(pages),
    }),
  )
  return [small(page), { type: 'actions', elements }]
}

const ACTIONS: Readonly<Record<HomeActionName, string>> = {
  review: HOME_REVIEW_ACTION,
  take_back: HOME_TAKE_BACK_ACTION,
  revoke: HOME_REVOKE_ACTION,
  extend: HOME_EXTEND_ACTION,
}

function button({ name, title, id, style, confirm }: HomeAction): types.Button {
  return {
    type: 'button',
    text: plain(title),
    action_id: ACTIONS[name],
    value: id,
    ...(style !== null && { style }),
    ...(confirm !== null && {
      confirm: {
        title: plain(confirm.title),
        text: plain(confirm.text),
        confirm: plain(title),
        deny: plain(confirm.no),
      },
    }),
  }
}

function small(text: string): types.ContextBlock {
  return { type: 'context', elements: [plain(text)] }
}

/** The card in a window: the same blocks and buttons, so that what is shown, and its digest, are the same. */
export function reviewView(approval: Approval): types.ModalView {
  const card = cardOf(approval)
  return {
    type: 'modal',
    callback_id: REVIEW_VIEW,
    title: plain('Review'),
    close: plain('Close'),
    private_metadata: subjectText(card, shownCall(card)),
    blocks: cardMessage(card).blocks,
  }
}
