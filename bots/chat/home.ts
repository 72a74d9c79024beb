/**
 * A person's home, whatever the chat: what waits for them, what they and their agents asked for, what stands open, and
 * what their agents did. Read whole from what is stored each time, never patched.
 */
import type { Approval } from '../../src/approval/approval.ts'
import { isHolder, type StandingGrant } from '../../src/grant/standing.ts'
import { type Reviewer, samePerson } from '../../src/people/reviewer.ts'
import type { ChannelName } from '../../src/policy/decision.ts'
import type { ApprovalStore, EndedSession, Log, People, RecentSessions, StandingGrants } from '../../src/ports.ts'
import { isRequester, mayReview } from '../../src/review/review.ts'
import { errorName } from './error-name.ts'
import { cureOf } from './fault.ts'
import { HOME_GRANTS_MAX, HOME_RESOLVED_MAX, HOME_ROWS_MAX, HOME_SCAN_PAGE, HOME_SCANNED_MAX } from './limits.ts'

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
  readonly sessions: Paged<HomeSession>
}

export interface HomeGrant {
  readonly grant: StandingGrant
  /** The person's own, who may have it extended. */
  readonly isTheirs: boolean
}

export interface HomeSession {
  readonly session: EndedSession
  /** To its summary; null where the chat gives none. */
  readonly link: string | null
}

export interface HomeParts {
  readonly approvals: Pick<ApprovalStore, 'listPendingPage' | 'listResolved'>
  readonly people: Pick<People, 'isMember'>
  readonly sessions: Pick<RecentSessions, 'list'>
}

export interface HomeSources extends HomeParts {
  readonly grants: Pick<StandingGrants, 'listActive'> | null
  readonly log: Log
}

/** Where the person's home is. */
export interface HomeWhere {
  readonly channel: ChannelName
  /** Whether it is asked where this person is: what is put to others is none of theirs. */
  isAskedHere(approval: Approval): boolean | Promise<boolean>
  /** To a summary that was posted here; null: it is gone. */
  linkTo(session: EndedSession): Promise<string | null>
}

/** Never rejects: what fails is told in the home's place. */
export async function readHome(
  sources: HomeSources,
  { person, pages, where }: { readonly person: Reviewer; readonly pages: Pages; readonly where: HomeWhere },
): Promise<{ readonly ok: true; readonly content: HomeContent } | { readonly ok: false; readonly message: string }> {
  try {
    return { ok: true, content: await contentFor(sources, person, pages, where) }
  } catch (error) {
    const { channel } = where
    sources.log.error(`${channel} Home could not be read`, { channel, error: errorName(error) })
    return { ok: false, message: `This can’t be shown now: ${cureOf(error)} Open it again in a moment.` }
  }
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

async function contentFor(
  sources: HomeSources,
  person: Reviewer,
  pages: Pages,
  where: HomeWhere,
): Promise<HomeContent> {
  const [pending, resolved, grants, sessions] = await Promise.all([
    pendingFor(sources, person, where),
    sources.approvals.listResolved(HOME_RESOLVED_MAX),
    grantsOf(sources, person),
    sessionsOf(sources, person, pages.sessions, where),
  ])
  const requests = [...pending.own, ...resolved.filter((approval) => isRequester(approval, person))]
  return {
    pages,
    waiting: pageOf(pending.waiting, pages.waiting),
    unseen: pending.unseen,
    requests: pageOf(requests, pages.requests),
    grants: pageOf(grants, pages.grants),
    sessions,
  }
}

function pageOf<Item>(all: readonly Item[], page: number): Paged<Item> {
  return { items: all.slice(page * HOME_ROWS_MAX, (page + 1) * HOME_ROWS_MAX), total: all.length }
}

async function pendingFor({ approvals, people }: HomeSources, person: Reviewer, where: HomeWhere) {
  const waiting: Approval[] = []
  const own: Approval[] = []
  let total = 0
  let read = 0
  do {
    const page = await approvals.listPendingPage({ offset: read, max: HOME_SCAN_PAGE })
    total = page.total
    read += HOME_SCAN_PAGE
    for (const approval of page.approvals) {
      if (isRequester(approval, person)) own.push(approval)
      else if ((await where.isAskedHere(approval)) && (await isWaitingFor(approval, person, people)))
        waiting.push(approval)
    }
  } while (read < total && read < HOME_SCANNED_MAX)
  return { waiting, own, unseen: Math.max(0, total - read) }
}

async function isWaitingFor(approval: Approval, person: Reviewer, people: HomeParts['people']): Promise<boolean> {
  if (approval.reviews.some(({ reviewer }) => samePerson(reviewer, person))) return false
  return (await mayReview(approval, person, people, 'click')) === null
}

/** Their own first, then those that they approved. */
async function grantsOf({ grants }: HomeSources, person: Reviewer): Promise<readonly HomeGrant[]> {
  if (grants === null || person.email === null) return []
  const page = { offset: 0, max: HOME_GRANTS_MAX }
  const [own, all] = await Promise.all([
    grants.listActive({ ...page, ownerEmail: person.email }),
    grants.listActive(page),
  ])
  const theirs = new Set(own.grants.map(({ id }) => id))
  const approved = all.grants.filter(
    ({ id, approvedBy }) => !theirs.has(id) && approvedBy.some((reviewer) => samePerson(reviewer, person)),
  )
  return [
    ...own.grants.map((grant) => ({ grant, isTheirs: isHolder(grant, person) })),
    ...approved.map((grant) => ({ grant, isTheirs: false })),
  ]
}

async function sessionsOf(
  { sessions }: HomeSources,
  { email }: Reviewer,
  page: number,
  { channel, linkTo }: HomeWhere,
): Promise<Paged<HomeSession>> {
  if (email === null) return { items: [], total: 0 }
  const found = await sessions.list({ ownerEmail: email, offset: page * HOME_ROWS_MAX, max: HOME_ROWS_MAX })
  const items = await Promise.all(
    found.sessions.map(async (session) => ({
      session,
      link: session.channel === channel ? await linkTo(session) : null,
    })),
  )
  return { items, total: found.total }
}
