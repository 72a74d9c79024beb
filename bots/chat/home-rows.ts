/**
 * What stands in a person's home, in words and buttons that each chat paints. A card's own buttons aren't here: who decides
 * must see what they decide about, so Review opens the card.
 */
import type { Approval } from '../../src/approval/approval.ts'
import type { CardNote } from '../../src/approval/card.ts'
import { cardOf } from '../../src/approval/card-of.ts'
import { visible } from '../../src/approval/visible.ts'
import { ALL_TOOLS } from '../../src/grant/standing.ts'
import { clipped, count } from './clip.ts'
import type { HomeContent, HomeGrant, HomeSession, Paged, Pages, Section } from './home.ts'
import { HEADLINE_BYTES_MAX, HOME_ROWS_MAX, NAME_BYTES_MAX, OUTCOME_BYTES_MAX, REASON_BYTES_MAX } from './limits.ts'
import { type Line, label, note, quoted } from './line.ts'
import type { Words } from './words.ts'

export type HomeActionName = 'review' | 'take_back' | 'revoke' | 'extend'

export interface HomeAction {
  readonly name: HomeActionName
  readonly title: string
  /** Of the approval or the grant. */
  readonly id: string
  readonly style: 'primary' | 'danger' | null
  /** Asked before it is done, where that can't be undone. */
  readonly confirm: { readonly title: string; readonly text: string; readonly no: string } | null
}

export interface HomeRow {
  readonly what: Line
  /** After it, an address of ours to tap. */
  readonly link: { readonly url: string; readonly text: string } | null
  /** What came of it. */
  readonly outcome: Line | null
  /** Words of ours and numbers alone. */
  readonly when: CardNote
  readonly actions: readonly HomeAction[]
}

export interface HomeTurn {
  readonly title: 'Previous' | 'Next'
  readonly pages: Pages
}

export interface HomeSection {
  readonly name: Section
  readonly title: string
  readonly rows: readonly HomeRow[]
  /** Instead of rows; null where there are some. */
  readonly empty: string | null
  /** `Page 2 of 7`, and where one can go from there; empty where all fits on one. */
  readonly page: string
  readonly turns: readonly HomeTurn[]
  /** What isn't listed, and why; null: all is. */
  readonly remark: string | null
}

export function homeSections(content: HomeContent, words: Words): readonly HomeSection[] {
  const { pages, waiting, requests, grants, sessions, unseen } = content
  const section = sectionsAt(pages)
  const remark = unseen > 0 ? `${count(unseen, 'more open question')} not looked through for you here.` : null
  return [
    { ...section('waiting', 'Waits for you', 'Nothing waits for you.', waiting, waitingRow), remark },
    section('requests', 'What you and your agents asked', 'Nothing lately.', requests, requestRow),
    section('grants', 'Active grants', `None. Ask for one with ${words.access}.`, grants, grantRow),
    section('sessions', 'Recent sessions of your agents', 'None lately.', sessions, sessionRow),
  ]
}

function sectionsAt(pages: Pages) {
  return <Item>(
    name: Section,
    title: string,
    empty: string,
    { items, total }: Paged<Item>,
    row: (item: Item) => HomeRow,
  ): HomeSection => ({
    name,
    title: total === 0 ? title : `${title} (${total})`,
    rows: items.slice(0, HOME_ROWS_MAX).map(row),
    empty: items.length === 0 ? empty : null,
    ...(items.length === 0 ? { page: '', turns: [] } : turnsOf(name, pages, total)),
    remark: null,
  })
}

function turnsOf(name: Section, pages: Pages, total: number): Pick<HomeSection, 'page' | 'turns'> {
  const page = pages[name]
  const last = Math.max(0, Math.ceil(total / HOME_ROWS_MAX) - 1)
  const turn = (title: HomeTurn['title'], to: number): HomeTurn => ({ title, pages: { ...pages, [name]: to } })
  const turns = [...(page > 0 ? [turn('Previous', page - 1)] : []), ...(page < last ? [turn('Next', page + 1)] : [])]
  return { page: turns.length === 0 ? '' : `Page ${page + 1} of ${last + 1}`, turns }
}

function waitingRow(approval: Approval): HomeRow {
  return row(headline(approval), ['Decide by ', approval.expiresAt, ' · asked ', approval.requestedAt], {
    actions: [{ ...action('review', 'Review…', approval.id), style: 'primary' }],
  })
}

function requestRow(approval: Approval): HomeRow {
  if (approval.state === 'pending') {
    return row(headline(approval), ['Waits for a decision until ', approval.expiresAt], {
      actions: [action('take_back', 'Take back', approval.id)],
    })
  }
  const outcome = clipped(cardOf(approval).outcome ?? visible(approval.state), OUTCOME_BYTES_MAX)
  const when: CardNote = ['Decided ', approval.resolvedAt ?? approval.expiresAt]
  return row(headline(approval), when, { outcome: [note(outcome)] })
}

function grantRow({ grant, isTheirs }: HomeGrant): HomeRow {
  const { holder, upstream, tools, expiresAt, uses, id } = grant
  const whose =
    holder.kind === 'owner' ? holder.email : `one agent of ${holder.principal.email ?? holder.principal.subject}`
  const names = tools.includes(ALL_TOOLS) ? 'all tools' : tools.join(', ')
  const passed = Object.values(uses).reduce((sum, number) => sum + number, 0)
  const title = isTheirs ? `Yours on ${upstream}` : `${whose} on ${upstream}`
  const what = [
    label(clipped(visible(title), 2 * NAME_BYTES_MAX)),
    quoted(': '),
    quoted(clipped(visible(names), REASON_BYTES_MAX)),
  ]
  const extend = isTheirs && holder.kind === 'owner' ? [action('extend', 'Extend…', id)] : []
  return row(what, ['Ends ', expiresAt, ` · ${count(passed, 'call')} passed`], {
    actions: [{ ...action('revoke', 'Revoke', id), style: 'danger', confirm: SURELY }, ...extend],
  })
}

const SURELY = {
  title: 'Revoke this grant?',
  text: 'Its calls ask again from now on.',
  no: 'Keep it',
} as const

function sessionRow({ session, link }: HomeSession): HomeRow {
  const { upstream, calls, recordingId, startedAt, endedAt } = session
  const what = `${count(calls, 'call')} on ${upstream}, recording ${recordingId}`
  return row([quoted(clipped(visible(what), REASON_BYTES_MAX))], ['From ', startedAt, ' to ', endedAt], {
    link: link === null ? null : { url: link, text: 'Open the summary' },
  })
}

function row(what: Line, when: CardNote, rest: Partial<Pick<HomeRow, 'link' | 'outcome' | 'actions'>>): HomeRow {
  return { what, when, link: null, outcome: null, actions: [], ...rest }
}

function headline(approval: Approval): Line {
  return [label(clipped(cardOf(approval).headline, HEADLINE_BYTES_MAX))]
}

function action(name: HomeActionName, title: string, id: string): HomeAction {
  return { name, title, id, style: null, confirm: null }
}
