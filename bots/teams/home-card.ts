/**
 * A person's home in their own talk with the app, painted whole from what is stored, never patched. Teams asks for it anew
 * when it comes in sight. Names of its buttons live on in cards already posted: add, never rename.
 */
import { visible } from '../../src/approval/visible.ts'
import type { GrantId } from '../../src/brands.ts'
import type { JsonObject } from '../../src/json/value.ts'
import { ACCESS_WORDS } from '../chat/access-form.ts'
import { clipped, jsonBytes } from '../chat/clip.ts'
import { FIRST_PAGES, type HomeContent, type Pages, pagesText } from '../chat/home.ts'
import { type HomeAction, type HomeRow, type HomeSection, homeSections } from '../chat/home-rows.ts'
import { REASON_BYTES_MAX } from '../chat/limits.ts'
import type { Line } from '../chat/line.ts'
import { opening } from './access-dialog.ts'
import type { Action, AdaptiveCard, CardElement, Execute, Inert, Refresh } from './card-elements.ts'
import { CARD_BYTES_MAX } from './limits.ts'
import { adaptiveCard, block, inert, instantLine, line, lineOf, quoted, smallBlock, words } from './text.ts'
import type { CardMessage } from './transport.ts'
import { WORDS } from './words.ts'

export const HOME_PREFIX = 'countersign_home_'
/** Also what Teams itself sends when the card comes in sight; its pages are in its data. */
export const HOME_SHOW = 'countersign_home_show'
export const HOME_REVIEW = 'countersign_home_review'
export const HOME_TAKE_BACK = 'countersign_home_take_back'
export const HOME_REVOKE = 'countersign_home_revoke'

export interface HomeAbout {
  readonly pages: Pages
  /** Who sees it; for its refresh. */
  readonly mri: string
  /** What they are told of what they did; null: the home shows it. May quote people. */
  readonly said: string | null
}

/** Bytes of one part of a row. The first that fits is taken. */
const PART_BYTES = [1200, 400, 160] as const
const LEAST_PART_BYTES = 60

export function homeCard(content: HomeContent, about: HomeAbout): AdaptiveCard {
  const sections = homeSections(content, WORDS)
  for (const partBytes of PART_BYTES) {
    const card = painted(sections, about, partBytes)
    if (jsonBytes(card) <= CARD_BYTES_MAX) return card
  }
  return painted(sections, about, LEAST_PART_BYTES)
}

/** For whoever can't be shown anything, and why. */
export function closedHomeCard(message: string, about: HomeAbout): AdaptiveCard {
  const body = [said(message), buttons(show(words`Try again`, about.pages))]
  return adaptiveCard({ body, fallbackText: FALLBACK })
}

/** After the bot was installed for one person, or they came back: what can be done here. Nothing on it is theirs alone. */
export function welcomeMessage(): CardMessage {
  const body = [
    block(words`Countersign`, { size: 'Medium', weight: 'Bolder', style: 'heading' }),
    block(WELCOME),
    buttons(show(words`Show my home`, FIRST_PAGES), opening(inert(`${ACCESS_WORDS.title}…`), { upstream: null })),
  ]
  return { card: adaptiveCard({ body, fallbackText: WELCOME }), summary: WELCOME }
}

const WELCOME = words`Agents’ calls that need a person are decided here. What waits for you, what you and your agents asked, and what stands open is in your home: write “home”. Write “help” for what else can be done.`

/** The approval as its reviewer sees it, and the way back. */
export function withWayBack(card: AdaptiveCard, pages: Pages): AdaptiveCard {
  return { ...card, body: [...card.body, buttons(show(words`Back to my home`, pages))] }
}

const FALLBACK = words`This client draws no cards: your home is shown in another one.`

function painted(sections: readonly HomeSection[], about: HomeAbout, partBytes: number): AdaptiveCard {
  const body = [
    ...(about.said === null ? [] : [said(about.said)]),
    ...sections.flatMap((section) => sectionElements(section, about.pages, partBytes)),
    buttons(show(words`Refresh`, about.pages), opening(inert(`${ACCESS_WORDS.title}…`), { upstream: null })),
  ]
  return adaptiveCard({ body, fallbackText: FALLBACK, refresh: refreshFor(about) })
}

function refreshFor({ mri, pages }: HomeAbout): Refresh {
  return { action: show(words`Refresh`, pages), userIds: [mri] }
}

function said(message: string): CardElement {
  const items = [line(quoted(clipped(visible(message), REASON_BYTES_MAX)))]
  return { type: 'Container', style: 'emphasis', items }
}

function sectionElements(section: HomeSection, pages: Pages, partBytes: number): CardElement[] {
  const { title, rows, empty, page, turns, remark } = section
  return [
    block(inert(title), { size: 'Medium', weight: 'Bolder', style: 'heading', spacing: 'Large' }),
    ...(empty === null ? [] : [smallBlock(inert(empty))]),
    ...rows.flatMap((row) => rowElements(row, pages, partBytes)),
    ...(turns.length === 0 ? [] : [smallBlock(inert(page))]),
    ...(turns.length === 0 ? [] : [buttons(...turns.map((turn) => show(inert(turn.title), turn.pages)))]),
    ...(remark === null ? [] : [smallBlock(inert(remark))]),
  ]
}

function rowElements({ what, link, outcome, when, actions }: HomeRow, pages: Pages, partBytes: number): CardElement[] {
  const open = link === null ? [] : [{ type: 'Action.OpenUrl', title: inert(link.text), url: link.url } as const]
  const all = [...actions.map((one) => actionOf(one, pages)), ...open]
  return [
    { ...lineOf(cut(what, partBytes)), separator: true },
    ...(outcome === null ? [] : [lineOf(cut(outcome, partBytes))]),
    instantLine(when),
    ...(all.length === 0 ? [] : [buttons(...all)]),
  ]
}

function cut(parts: Line, partBytes: number): Line {
  return parts.map((part) => ({ ...part, text: clipped(part.text, partBytes) }))
}

function actionOf({ name, title, id, confirm }: HomeAction, pages: Pages): Action {
  switch (name) {
    case 'review':
      return { ...execute(inert(title), HOME_REVIEW, { id }, pages), style: 'positive' }
    case 'take_back':
      return execute(inert(title), HOME_TAKE_BACK, { id }, pages)
    case 'extend':
      return opening(inert(title), { grant: id as GrantId })
    case 'revoke': {
      const revoke: Execute = { ...execute(inert(title), HOME_REVOKE, { id }, pages), style: 'destructive' }
      return confirm === null ? revoke : confirmed(inert(`${title}…`), confirm, revoke)
    }
  }
}

/** Teams asks nothing by itself: what can't be undone unfolds first. Folding it again keeps it. */
function confirmed(title: Inert, { title: question, text }: NonNullable<HomeAction['confirm']>, done: Execute): Action {
  const body = [block(inert(`${question} ${text}`)), buttons(done)]
  return { type: 'Action.ShowCard', title, card: { type: 'AdaptiveCard', body } }
}

function show(title: Inert, pages: Pages): Execute {
  return execute(title, HOME_SHOW, {}, pages)
}

function execute(title: Inert, verb: string, data: JsonObject, pages: Pages): Execute {
  return { type: 'Action.Execute', title, verb, data: { ...data, pages: pagesText(pages) } }
}

function buttons(...actions: Action[]): CardElement {
  return { type: 'ActionSet', actions }
}
