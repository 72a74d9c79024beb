/**
 * App Home as one person sees it: what waits for them, what they asked for, what stands open, and what their agents did.
 * Painted whole from what is stored, never patched. A card's own buttons aren't here: who decides must see what they
 * decide about, so Review opens the card in a window.
 */
import type { types } from '@slack/bolt'
import type { Approval } from '../../src/approval/approval.ts'
import { cardOf } from '../../src/approval/card-of.ts'
import { visible } from '../../src/approval/visible.ts'
import type { StandingGrant } from '../../src/grant/standing.ts'
import type { EndedSession } from '../../src/ports.ts'
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
import { HEADER_MAX, HOME_ROWS_MAX, NAME_BYTES_MAX, OUTCOME_BYTES_MAX, REASON_BYTES_MAX } from './limits.ts'
import { shownCall } from './shown-call.ts'
import { clipped, count, date, label, line, linkTo, note, plain, plainSection, quoted } from './text.ts'

export const SECTIONS = ['waiting', 'requests', 'grants', 'sessions'] as const
export type Section = (typeof SECTIONS)[number]
/** From 0. */
export type Pages = Readonly<Record<Section, number>>
export const FIRST_PAGES: Pages = { waiting: 0, requests: 0, grants: 0, sessions: 0 }

export interface Paged<Item> {
  readonly items: readonly Item[]
  readonly total: number
}

export interface HomeContent {
  readonly pages: Pages
  readonly waiting: Paged<Approval>
  /** Open approvals that were not looked through. */
  readonly unseen: number
  readonly requests: Paged<Approval>
  readonly grants: Paged<HomeGrant>
  readonly sessions: Paged<{ readonly session: EndedSession; readonly link: string | null }>
}

export interface HomeGrant {
  readonly grant: StandingGrant
  /** The person's own, who may have it extended. */
  readonly isTheirs: boolean
}

export function homeView(content: HomeContent): types.HomeView {
  const { pages, waiting, requests, grants, sessions, unseen } = content
  const blocks = [
    ...section('waiting', 'Waits for you', 'Nothing waits for you.', pages, waiting, waitingRows),
    ...(unseen > 0 ? [small(`${count(unseen, 'more open question')} not looked through for you here.`)] : []),
    ...section('requests', 'What you and your agents asked', 'Nothing lately.', pages, requests, requestRows),
    ...section('grants', 'Active grants', 'None. Ask for one with /access.', pages, grants, grantRows),
    ...section('sessions', 'Recent sessions of your agents', 'None lately.', pages, sessions, sessionRows),
  ]
  return { type: 'home', private_metadata: pagesText(pages), blocks }
}

/** For whoever can't be shown anything, and why. */
export function closedHomeView(message: string): types.HomeView {
  return { type: 'home', blocks: [plainSection(clipped(visible(message), REASON_BYTES_MAX))] }
}

export function pagesText(pages: Pages): string {
  return SECTIONS.map((name) => pages[name]).join(',')
}

/** Null where it is none of ours. */
export function readPages(text: string | undefined): Pages | null {
  if (text === undefined || !/^\d{1,4}(,\d{1,4}){3}$/.test(text)) return null
  const numbers = text.split(',').map(Number)
  return Object.fromEntries(SECTIONS.map((name, at) => [name, numbers[at] ?? 0])) as unknown as Pages
}

function section<Item>(
  name: Section,
  title: string,
  empty: string,
  pages: Pages,
  { items, total }: Paged<Item>,
  rows: (item: Item) => types.KnownBlock[],
): types.KnownBlock[] {
  const heading: types.KnownBlock = { type: 'header', text: plain(total === 0 ? title : `${title} (${total})`) }
  if (items.length === 0) return [heading, small(empty)]
  return [heading, ...items.slice(0, HOME_ROWS_MAX).flatMap(rows), ...turns(name, pages, total)]
}

function turns(name: Section, pages: Pages, total: number): types.KnownBlock[] {
  const page = pages[name]
  const last = Math.max(0, Math.ceil(total / HOME_ROWS_MAX) - 1)
  const turn = (text: string, to: number): types.Button => ({
    type: 'button',
    text: plain(text),
    action_id: `${HOME_PAGE_ACTION}${name}_${text.toLowerCase()}`,
    value: pagesText({ ...pages, [name]: to }),
  })
  const elements = [...(page > 0 ? [turn('Previous', page - 1)] : []), ...(page < last ? [turn('Next', page + 1)] : [])]
  return elements.length === 0 ? [] : [small(`Page ${page + 1} of ${last + 1}`), { type: 'actions', elements }]
}

function waitingRows(approval: Approval): types.KnownBlock[] {
  return [
    headline(approval),
    when(`Decide by ${date(approval.expiresAt)} · asked ${date(approval.requestedAt)}`),
    actions(button('Review…', HOME_REVIEW_ACTION, approval.id, 'primary')),
  ]
}

function requestRows(approval: Approval): types.KnownBlock[] {
  const card = cardOf(approval)
  if (approval.state === 'pending') {
    return [
      headline(approval),
      when(`Waits for a decision until ${date(approval.expiresAt)}`),
      actions(button('Take back', HOME_TAKE_BACK_ACTION, approval.id)),
    ]
  }
  const outcome = clipped(card.outcome ?? visible(approval.state), OUTCOME_BYTES_MAX)
  return [
    headline(approval),
    { type: 'rich_text', elements: [line(note(outcome))] },
    when(`Decided ${date(approval.resolvedAt ?? approval.expiresAt)}`),
  ]
}

function grantRows({ grant, isTheirs }: HomeGrant): types.KnownBlock[] {
  const { holder, upstream, tools, expiresAt, uses, id } = grant
  const whose =
    holder.kind === 'owner' ? holder.email : `one agent of ${holder.principal.email ?? holder.principal.subject}`
  const what = tools.includes('*') ? 'all tools' : tools.join(', ')
  const passed = Object.values(uses).reduce((sum, number) => sum + number, 0)
  const extend = isTheirs && holder.kind === 'owner' ? [button('Extend…', HOME_EXTEND_ACTION, id)] : []
  return [
    {
      type: 'rich_text',
      elements: [
        line(
          label(clipped(visible(isTheirs ? `Yours on ${upstream}` : `${whose} on ${upstream}`), 2 * NAME_BYTES_MAX)),
          quoted(': '),
          quoted(clipped(visible(what), REASON_BYTES_MAX)),
        ),
      ],
    },
    when(`Ends ${date(expiresAt)} · ${count(passed, 'call')} passed`),
    actions({ ...button('Revoke', HOME_REVOKE_ACTION, id, 'danger'), confirm: SURELY }, ...extend),
  ]
}

const SURELY: types.ConfirmationDialog = {
  title: plain('Revoke this grant?'),
  text: plain('Its calls ask again from now on.'),
  confirm: plain('Revoke'),
  deny: plain('Keep it'),
}

function sessionRows({ session, link }: HomeContent['sessions']['items'][number]): types.KnownBlock[] {
  const { upstream, calls, recordingId, startedAt, endedAt } = session
  const what = `${count(calls, 'call')} on ${upstream}, recording ${recordingId}`
  const message = link === null ? [] : [quoted(' '), linkTo(link, 'Open the summary')]
  return [
    { type: 'rich_text', elements: [line(quoted(clipped(visible(what), REASON_BYTES_MAX)), ...message)] },
    when(`From ${date(startedAt)} to ${date(endedAt)}`),
  ]
}

function headline(approval: Approval): types.RichTextBlock {
  return { type: 'rich_text', elements: [line(label(clipped(cardOf(approval).headline, 2 * HEADER_MAX)))] }
}

/** mrkdwn for its dates: words of ours and numbers alone. */
function when(text: string): types.ContextBlock {
  return { type: 'context', elements: [{ type: 'mrkdwn', text }] }
}

function small(text: string): types.ContextBlock {
  return { type: 'context', elements: [plain(text)] }
}

function actions(...elements: types.Button[]): types.ActionsBlock {
  return { type: 'actions', elements }
}

function button(text: string, action: string, value: string, style?: 'primary' | 'danger'): types.Button {
  return { type: 'button', text: plain(text), action_id: action, value, ...(style && { style }) }
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
