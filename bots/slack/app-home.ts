/**
 * App Home: painted when a person opens it and after what they do in it, from what is stored then. Each person's Home is
 * painted at most once a second, and a painting that is overtaken by another is left out: what was clicked ten times is
 * painted twice.
 *
 * Buttons here do what the same person could do elsewhere, through the same desks, which decide whether they may.
 */
import type { App } from '@slack/bolt'
import { z } from 'zod'
import type { ApprovalId } from '../../src/brands.ts'
import { placeIn, placesOf } from '../../src/policy/place.ts'
import type { EndedSession, Log } from '../../src/ports.ts'
import { ChannelBusy } from '../../src/ports.ts'
import { errorName } from '../chat/error-name.ts'
import {
  FIRST_PAGES,
  type HomeParts,
  type HomeSources,
  type HomeWhere,
  type Pages,
  readHome,
  readPages,
} from '../chat/home.ts'
import { createHomeActs, type HomeActs, type HomeActsOptions, homeFailed } from '../chat/home-acts.ts'
import { grantIdIn } from '../chat/ids.ts'
import { NOT_UNDERSTOOD, type PrivateAnswer, SAID_NOTHING } from '../chat/private-answer.ts'
import type { OpenExtension } from './access-clicks.ts'
import {
  HOME_EXTEND_ACTION,
  HOME_PAGE_ACTION,
  HOME_REVIEW_ACTION,
  HOME_REVOKE_ACTION,
  HOME_TAKE_BACK_ACTION,
  REVIEW_VIEW,
} from './actions.ts'
import { closedHomeView, homeView, reviewView } from './app-home-view.ts'
import { answerBlocks, inTime } from './click-answers.ts'
import type { WindowClick } from './decide.ts'
import { HOME_EVERY_MS, HOMES_MAX } from './limits.ts'
import { messageView } from './more-view.ts'
import type { Reviewers } from './reviewers.ts'
import { readRef, workspaceOf } from './sent.ts'
import type { SlackWorkspace, Workspaces } from './workspaces.ts'

export interface HomeOptions extends HomeParts, HomeActsOptions {
  readonly grants: HomeSources['grants']
  readonly openExtension: OpenExtension
  readonly reviewers: Reviewers
  readonly workspaces: Pick<Workspaces, 'authorised' | 'named'>
  readonly log: Log
}

type Options = HomeOptions & { readonly acts: HomeActs }

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

export function registerHome(app: App, parts: HomeOptions): Homes {
  const options = { ...parts, acts: createHomeActs(parts) }
  const { log } = options
  const homes = createHomes(options)

  app.event('app_home_opened', async ({ event, context }) => {
    if (event.tab === 'home') homes.refresh({ userId: event.user, team: String(context.teamId) }, FIRST_PAGES)
  })

  app.action(/^countersign_home_/, async ({ ack, body, context }) => {
    const click = Click.safeParse(body).data
    const person = { userId: click?.user.id ?? '', team: String(context.teamId) }
    const answer = click === undefined ? SAID_NOTHING : await act(options, homes, click, person)
    await inTime(ack(), log)
    if (click === undefined || answer.message === null) return
    await tell(options, click, { answer, team: person.team })
  })

  app.view(REVIEW_VIEW, async ({ ack }) => inTime(ack(), log))
  return homes
}

// ---- clicks

async function act(options: Options, homes: Homes, click: Click, person: Person): Promise<PrivateAnswer> {
  const [{ action_id: action, value }] = click.actions
  try {
    if (action.startsWith(HOME_PAGE_ACTION)) {
      homes.refresh(person, readPages(value) ?? FIRST_PAGES)
      return SAID_NOTHING
    }
    const answer = await actOn(options, click, person, action, value)
    homes.refresh(person, readPages(click.view?.private_metadata) ?? FIRST_PAGES)
    return answer
  } catch (error) {
    options.log.error('slack click in App Home failed', { channel: 'slack', error: errorName(error) })
    return homeFailed(error)
  }
}

async function actOn(
  options: Options,
  click: Click,
  person: Person,
  action: string,
  value: string,
): Promise<PrivateAnswer> {
  const who = () => options.reviewers.whoClicked(person.userId, person.team)
  switch (action) {
    case HOME_REVIEW_ACTION:
      return review(options, click, { value, team: person.team })
    case HOME_EXTEND_ACTION: {
      const grantId = grantIdIn(value)
      if (grantId === null) return NOT_UNDERSTOOD
      await options.openExtension({ triggerId: click.trigger_id, ...person, grantId })
      return SAID_NOTHING
    }
    case HOME_REVOKE_ACTION:
      return options.acts.revoke(who, value)
    case HOME_TAKE_BACK_ACTION:
      return options.acts.takeBack(who, value)
    default:
      return NOT_UNDERSTOOD
  }
}

async function review(
  { acts, workspaces }: Options,
  click: Click,
  { value, team }: { readonly value: string; readonly team: string },
): Promise<PrivateAnswer> {
  const workspace = workspaces.authorised(team)
  const found = await acts.review(value, askedIn(workspace))
  if ('answer' in found) return found.answer
  await workspace.clickWeb.views.open({ trigger_id: click.trigger_id, view: reviewView(found.approval) })
  return SAID_NOTHING
}

/**
 * A rule can ask in other channels only. And where it names nobody, "anyone" is anyone of a workspace that shows the card:
 * a second workspace's people must not decide what is put to the first's.
 */
function askedIn({ name }: SlackWorkspace): Pick<HomeWhere, 'isAskedHere'> {
  return {
    isAskedHere({ channels, rooms, from }) {
      const shown = placesOf({ channels: channels.length === 0 ? ['slack'] : channels, rooms }).map(placeIn)
      const here = shown.filter((place) => place?.channel === 'slack')
      return from.length > 0 ? here.length > 0 : here.some((place) => place?.workspace === name)
    },
  }
}

/** A Home has no place for a message to one person but a window. */
async function tell(
  { workspaces, log }: HomeOptions,
  click: Click,
  { answer, team }: { readonly answer: PrivateAnswer; readonly team: string },
): Promise<void> {
  await workspaces
    .authorised(team)
    .clickWeb.views.open({ trigger_id: click.trigger_id, view: messageView(answerBlocks(answer)) })
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
  const where: HomeWhere = {
    ...{ channel: 'slack', ...askedIn(workspace) },
    linkTo: (session) => linkTo(options, session),
  }
  const read = who.ok ? await readHome(options, { person: who.reviewer, pages, where }) : who
  const view = 'content' in read ? homeView(read.content) : closedHomeView(read.message)
  await workspace.pace.run({ method: 'views.publish' }, () =>
    workspace.clickWeb.views.publish({ user_id: person.userId, view }),
  )
}

async function linkTo({ workspaces, log }: HomeOptions, { ref }: EndedSession): Promise<string | null> {
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
