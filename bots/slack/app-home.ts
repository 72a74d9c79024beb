/**
 * App Home: painted when a person opens it and after what they do in it, from what is stored then. Each person's Home is
 * painted at most once a second, and a painting that is overtaken by another is left out: what was clicked ten times is
 * painted twice.
 *
 * Buttons here do what the same person could do elsewhere, through the same desks, which decide whether they may.
 */
import type { App } from '@slack/bolt'
import { z } from 'zod'
import type { Approval } from '../../src/approval/approval.ts'
import type { ApprovalId, GrantId } from '../../src/brands.ts'
import { GatewayError } from '../../src/errors.ts'
import { isHolder } from '../../src/grant/standing.ts'
import { type Reviewer, samePerson } from '../../src/people/reviewer.ts'
import { placeIn, placesOf } from '../../src/policy/place.ts'
import type {
  AccessDesk,
  ApprovalStore,
  Log,
  People,
  RecentSessions,
  Reviews,
  StandingGrants,
} from '../../src/ports.ts'
import { ChannelBusy } from '../../src/ports.ts'
import { isRequester, mayReview } from '../../src/review/review.ts'
import { refused } from '../chat/private-answer.ts'
import type { OpenExtension } from './access-clicks.ts'
import {
  HOME_EXTEND_ACTION,
  HOME_PAGE_ACTION,
  HOME_REVIEW_ACTION,
  HOME_REVOKE_ACTION,
  HOME_TAKE_BACK_ACTION,
  REVIEW_VIEW,
} from './actions.ts'
import {
  closedHomeView,
  FIRST_PAGES,
  type HomeContent,
  type HomeGrant,
  homeView,
  type Paged,
  type Pages,
  readPages,
  reviewView,
} from './app-home-view.ts'
import { answerBlocks, inTime } from './click-answers.ts'
import type { WindowClick } from './decide.ts'
import {
  HOME_EVERY_MS,
  HOME_GRANTS_MAX,
  HOME_RESOLVED_MAX,
  HOME_ROWS_MAX,
  HOME_SCAN_PAGE,
  HOME_SCANNED_MAX,
  HOMES_MAX,
} from './limits.ts'
import { errorName } from './log.ts'
import { messageView } from './more-view.ts'
import type { Reviewers } from './reviewers.ts'
import { readRef, workspaceOf } from './sent.ts'
import type { SlackWorkspace, Workspaces } from './workspaces.ts'

export interface HomeParts {
  readonly approvals: Pick<ApprovalStore, 'listPendingPage' | 'listResolved'>
  readonly people: Pick<People, 'isMember'>
  readonly sessions: Pick<RecentSessions, 'list'>
}

export interface HomeOptions extends HomeParts {
  readonly get: ApprovalStore['get']
  readonly grants: Pick<StandingGrants, 'listActive'> | null
  readonly access: Pick<AccessDesk, 'revoke'> | null
  readonly reviews: Pick<Reviews, 'cancel'>
  readonly openExtension: OpenExtension
  readonly reviewers: Reviewers
  readonly workspaces: Pick<Workspaces, 'authorised' | 'named'>
  readonly log: Log
}

export interface Homes {
  /** Paints it anew, soon. Pages left out: those that it shows now. */
  refresh(person: Person, pages?: Pages): void
  /** In the window in which a card is reviewed: it shows what became of it. Never rejects. */
  clicked(click: WindowClick): void
  close(): void
}

interface Person {
  /** Slack's id. */
  readonly userId: string
  /** Ours. */
  readonly team: string
}

const Click = z.object({
  user: z.object({ id: z.string() }),
  trigger_id: z.string(),
  view: z.object({ private_metadata: z.string().optional() }).optional(),
  actions: z.tuple([z.object({ action_id: z.string(), value: z.string() })]),
})
type Click = z.infer<typeof Click>

const ApprovalIdText = z.string().regex(/^apr_[a-z0-9]{1,64}$/)
const GrantIdText = z.string().regex(/^stg_[a-z0-9]{1,64}$/)

export function registerHome(app: App, options: HomeOptions): Homes {
  const { log } = options
  const homes = createHomes(options)

  app.event('app_home_opened', async ({ event, context }) => {
    if (event.tab === 'home') homes.refresh({ userId: event.user, team: String(context.teamId) }, FIRST_PAGES)
  })

  app.action(/^countersign_home_/, async ({ ack, body, context }) => {
    const click = Click.safeParse(body).data
    const person = { userId: click?.user.id ?? '', team: String(context.teamId) }
    const message = click === undefined ? null : await act(options, homes, click, person)
    await inTime(ack(), log)
    if (click === undefined || message === null) return
    await tell(options, click, { message, team: person.team })
  })

  app.view(REVIEW_VIEW, async ({ ack }) => inTime(ack(), log))
  return homes
}

// ---- clicks

/** What the person is to be told; null: the Home shows it. */
async function act(options: HomeOptions, homes: Homes, click: Click, person: Person): Promise<string | null> {
  const [{ action_id: action, value }] = click.actions
  try {
    if (action.startsWith(HOME_PAGE_ACTION)) {
      homes.refresh(person, readPages(value) ?? FIRST_PAGES)
      return null
    }
    const message = await actOn(options, click, person, action, value)
    homes.refresh(person, readPages(click.view?.private_metadata) ?? FIRST_PAGES)
    return message
  } catch (error) {
    options.log.error('slack click in App Home failed', { channel: 'slack', error: errorName(error) })
    const cure = error instanceof GatewayError ? error.cure : 'The gateway’s log has the details.'
    return `That failed: ${cure} Please click again.`
  }
}

async function actOn(
  options: HomeOptions,
  click: Click,
  person: Person,
  action: string,
  value: string,
): Promise<string | null> {
  switch (action) {
    case HOME_REVIEW_ACTION:
      return review(options, click, { value, team: person.team })
    case HOME_EXTEND_ACTION: {
      const grantId = GrantIdText.safeParse(value).data as GrantId | undefined
      if (grantId === undefined) return NOT_UNDERSTOOD
      await options.openExtension({ triggerId: click.trigger_id, ...person, grantId })
      return null
    }
    case HOME_REVOKE_ACTION:
      return revoke(options, person, value)
    case HOME_TAKE_BACK_ACTION:
      return takeBack(options, person, value)
    default:
      return NOT_UNDERSTOOD
  }
}

const NOT_UNDERSTOOD = 'This button is not one of this gateway’s.'

async function review(
  { get, workspaces }: HomeOptions,
  click: Click,
  { value, team }: { readonly value: string; readonly team: string },
): Promise<string | null> {
  const id = ApprovalIdText.safeParse(value).data
  const approval = id === undefined ? null : await get(id as ApprovalId)
  if (approval === null) return 'This approval is no longer kept.'
  const workspace = workspaces.authorised(team)
  if (!isAskedIn(approval, workspace)) return NOT_UNDERSTOOD
  // Whoever may not review sees it in the channel too; the click decides who may.
  await workspace.clickWeb.views.open({ trigger_id: click.trigger_id, view: reviewView(approval) })
  return null
}

async function revoke({ access, reviewers }: HomeOptions, person: Person, value: string): Promise<string | null> {
  const grantId = GrantIdText.safeParse(value).data as GrantId | undefined
  if (grantId === undefined) return NOT_UNDERSTOOD
  if (access === null) return 'Nothing can be revoked here. An operator can: countersign grants revoke.'
  const who = await reviewers.whoClicked(person.userId, person.team)
  if (!who.ok) return who.message
  const outcome = await access.revoke({ grantId, by: who.reviewer })
  return outcome.ok ? null : outcome.message
}

async function takeBack({ reviews, reviewers }: HomeOptions, person: Person, value: string): Promise<string | null> {
  const approvalId = ApprovalIdText.safeParse(value).data as ApprovalId | undefined
  if (approvalId === undefined) return NOT_UNDERSTOOD
  const who = await reviewers.whoClicked(person.userId, person.team)
  if (!who.ok) return who.message
  const outcome = await reviews.cancel({ approvalId, reviewer: who.reviewer })
  return outcome.ok ? null : outcome.message
}

/** A Home has no place for a message to one person but a window. */
async function tell(
  { workspaces, log }: HomeOptions,
  click: Click,
  { message, team }: { readonly message: string; readonly team: string },
): Promise<void> {
  await workspaces
    .authorised(team)
    .clickWeb.views.open({ trigger_id: click.trigger_id, view: messageView(answerBlocks(refused(message))) })
    .catch((error) => log.error('slack could not tell the person', { channel: 'slack', error: errorName(error) }))
}

// ---- painting

interface Home {
  person: Person
  pages: Pages
  /** Asked for while one is being painted. */
  again: boolean
  painting: boolean
  timer: NodeJS.Timeout | undefined
  paintedAt: number
}

function createHomes(options: HomeOptions): Homes {
  const { log } = options
  const homes = new Map<string, Home>()
  let closed = false

  function refresh(person: Person, pages?: Pages): void {
    const key = `${person.team}:${person.userId}`
    const known = homes.get(key)
    const home = known ?? { person, pages: FIRST_PAGES, again: false, painting: false, timer: undefined, paintedAt: 0 }
    if (pages !== undefined) home.pages = pages
    homes.delete(key)
    homes.set(key, home)
    forgetIdle()
    if (home.painting || home.timer !== undefined) home.again = true
    else schedule(home, home.paintedAt + HOME_EVERY_MS - performance.now())
  }

  function schedule(home: Home, delayMs: number): void {
    if (closed) return
    home.again = false
    home.timer = setTimeout(() => void paint(home), Math.max(0, delayMs))
    home.timer.unref()
  }

  async function paint(home: Home): Promise<void> {
    home.timer = undefined
    home.painting = true
    home.again = false
    home.paintedAt = performance.now()
    let delayMs = HOME_EVERY_MS
    try {
      await publish(options, home)
    } catch (error) {
      if (error instanceof ChannelBusy) {
        delayMs = error.retryAfterMs
        home.again = true
      } else log.warn('slack did not take a Home', { channel: 'slack', error: errorName(error) })
    }
    home.painting = false
    if (home.again) schedule(home, delayMs)
  }

  function forgetIdle(): void {
    for (const [key, home] of homes) {
      if (homes.size <= HOMES_MAX) return
      if (!home.painting && home.timer === undefined) homes.delete(key)
    }
  }

  return {
    refresh,
    clicked({ viewId, approvalId, ...person }) {
      refresh(person)
      repaintWindow(options, viewId, approvalId, person.team).catch((error) =>
        log.warn('slack window not repainted', { approval_id: approvalId, error: errorName(error) }),
      )
    },
    close() {
      closed = true
      for (const { timer } of homes.values()) clearTimeout(timer)
    },
  }
}

async function repaintWindow(
  { get, workspaces }: HomeOptions,
  viewId: string,
  approvalId: ApprovalId,
  team: string,
): Promise<void> {
  const approval = await get(approvalId)
  if (approval !== null)
    await workspaces.authorised(team).clickWeb.views.update({ view_id: viewId, view: reviewView(approval) })
}

async function publish(options: HomeOptions, { person, pages }: Home): Promise<void> {
  const { workspaces, reviewers } = options
  const workspace = workspaces.authorised(person.team)
  const who = await reviewers.whoClicked(person.userId, person.team)
  const view = who.ok ? await viewFor({ ...options, workspace }, who.reviewer, pages) : closedHomeView(who.message)
  await workspace.pace.run({ method: 'views.publish' }, () =>
    workspace.clickWeb.views.publish({ user_id: person.userId, view }),
  )
}

/** For a person of this workspace. */
type Painting = HomeOptions & { readonly workspace: SlackWorkspace }

async function viewFor(options: Painting, person: Reviewer, pages: Pages) {
  try {
    return homeView(await contentFor(options, person, pages))
  } catch (error) {
    options.log.error('slack Home could not be read', { channel: 'slack', error: errorName(error) })
    const cure = error instanceof GatewayError ? error.cure : 'The gateway’s log has the details.'
    return closedHomeView(`This can’t be shown now: ${cure} Open it again in a moment.`)
  }
}

async function contentFor(options: Painting, person: Reviewer, pages: Pages): Promise<HomeContent> {
  const [pending, resolved, grants, sessions] = await Promise.all([
    pendingFor(options, person),
    options.approvals.listResolved(HOME_RESOLVED_MAX),
    grantsOf(options, person),
    sessionsOf(options, person, pages.sessions),
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

async function pendingFor({ approvals, people, workspace }: Painting, person: Reviewer) {
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
      else if (isAskedIn(approval, workspace) && (await isWaitingFor(approval, person, people))) waiting.push(approval)
    }
  } while (read < total && read < HOME_SCANNED_MAX)
  return { waiting, own, unseen: Math.max(0, total - read) }
}

async function isWaitingFor(approval: Approval, person: Reviewer, people: HomeOptions['people']): Promise<boolean> {
  if (approval.reviews.some(({ reviewer }) => samePerson(reviewer, person))) return false
  return (await mayReview(approval, person, people, 'click')) === null
}

/**
 * A rule can ask in other channels only. And where it names nobody, "anyone" is anyone of a workspace that shows the card:
 * a second workspace's people must not decide what is put to the first's.
 */
function isAskedIn({ channels, rooms, from }: Approval, { name }: SlackWorkspace): boolean {
  const shown = placesOf({ channels: channels.length === 0 ? ['slack'] : channels, rooms }).map(placeIn)
  const here = shown.filter((place) => place?.channel === 'slack')
  return from.length > 0 ? here.length > 0 : here.some((place) => place?.workspace === name)
}

/** Their own first, then those that they approved. */
async function grantsOf({ grants }: HomeOptions, person: Reviewer): Promise<readonly HomeGrant[]> {
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
  { sessions, workspaces, log }: HomeOptions,
  { email }: Reviewer,
  page: number,
): Promise<HomeContent['sessions']> {
  if (email === null) return { items: [], total: 0 }
  const found = await sessions.list({ ownerEmail: email, offset: page * HOME_ROWS_MAX, max: HOME_ROWS_MAX })
  const items = await Promise.all(
    found.sessions.map(async (session) => ({
      session,
      link: session.channel === 'slack' ? await linkOf(session) : null,
    })),
  )
  return { items, total: found.total }

  async function linkOf({ ref }: { readonly ref: Parameters<typeof readRef>[0] }): Promise<string | null> {
    try {
      const where = readRef(ref)
      const web = workspaces.named(workspaceOf(where))?.clickWeb
      const found = await web?.chat.getPermalink({ channel: where.channel, message_ts: where.ts })
      return found?.permalink ?? null
    } catch (error) {
      // Deleted since, or the app is no longer in that channel.
      log.info('slack gave no link to a summary', { channel: 'slack', error: errorName(error) })
      return null
    }
  }
}
