/**
 * A person's home in their own talk with the app: what waits for them, what they asked for, what stands open, and what
 * their agents did. A card of the bot and no tab: a tab is a web page with a sign-in and a session of its own, while a
 * click on a card comes verified like every other.
 *
 * Only there: in a channel the card that `home` answers with would show everybody one person's matters. Buttons do what
 * the same person could do elsewhere, through the same desks, which decide whether they may; see bots/chat/home-acts.ts.
 */
import type { Approval } from '../../src/approval/approval.ts'
import type { JsonObject } from '../../src/json/value.ts'
import type { Reviewer } from '../../src/people/reviewer.ts'
import type { EndedSession, Log } from '../../src/ports.ts'
import { errorName } from '../chat/error-name.ts'
import { FIRST_PAGES, type HomeParts, type HomeSources, type HomeWhere, readHome, readPages } from '../chat/home.ts'
import { createHomeActs, type HomeActs, type HomeActsOptions, homeFailed } from '../chat/home-acts.ts'
import { NOT_UNDERSTOOD, type PrivateAnswer, SAID_NOTHING } from '../chat/private-answer.ts'
import type { WhoClicked } from '../chat/who-clicked.ts'
import type { AdaptiveCard } from './card-elements.ts'
import { textIn, valueIn } from './click-data.ts'
import type { Asked, Command, ExecuteAnswer, Feature } from './feature.ts'
import {
  closedHomeCard,
  HOME_PREFIX,
  HOME_REVIEW,
  HOME_REVOKE,
  HOME_SHOW,
  HOME_TAKE_BACK,
  type HomeAbout,
  homeCard,
  withWayBack,
} from './home-card.ts'
import type { OwnPlaces } from './own-places.ts'

export interface TeamsHomeOptions extends HomeParts, HomeActsOptions {
  readonly grants: HomeSources['grants']
  readonly places: Pick<OwnPlaces, 'isFor'>
  /** Never rejects. */
  readonly whoClicked: (asked: Asked) => Promise<WhoClicked>
  /** The approval as this person sees it, with the buttons of its card. */
  readonly paintApproval: (approval: Approval, viewer: ApprovalViewer) => Promise<AdaptiveCard>
  /** To a summary in Teams; null: there is none. */
  readonly linkTo: (session: EndedSession) => Promise<string | null>
  readonly log: Log
}

export interface ApprovalViewer {
  readonly reviewer: Reviewer
  readonly mri: string
}

export interface TeamsHome {
  readonly feature: Feature
  readonly command: Command
}

export function createTeamsHome(parts: TeamsHomeOptions): TeamsHome {
  const options = { ...parts, acts: createHomeActs(parts) }
  return {
    feature: {
      ...{ prefix: HOME_PREFIX, refreshes: [HOME_SHOW] },
      execute: (asked, name, data) => execute(options, asked, name, data),
    },
    command: {
      name: 'home',
      usage: '',
      does: 'shows what waits for you, what you asked for, and what stands open',
      async run(asked) {
        if (!isHome(asked)) return { message: ELSEWHERE }
        const about = { pages: FIRST_PAGES, mri: asked.user.mri, said: null }
        return { message: null, card: await paint(options, asked, { ok: true, reviewer: asked.reviewer }, about) }
      },
    },
  }
}

type Options = TeamsHomeOptions & { readonly acts: HomeActs }

const ELSEWHERE = 'What is yours is shown where nobody else reads it: write “home” to me in our own talk.'

function isHome({ conversation }: Asked): boolean {
  return conversation.kind === 'personal'
}

async function execute(options: Options, asked: Asked, name: string, data: JsonObject): Promise<ExecuteAnswer> {
  if (!isHome(asked)) return { kind: 'message', text: ELSEWHERE }
  const pages = readPages(textIn(data, 'pages') ?? undefined) ?? FIRST_PAGES
  const about = (message: string | null): HomeAbout => ({ pages, mri: asked.user.mri, said: message })
  const who = await options.whoClicked(asked)
  if (!who.ok) return { kind: 'card', card: closedHomeCard(who.message, about(null)) }
  const done = await act(options, { asked, reviewer: who.reviewer }, name, valueIn(data, 'id')).catch((error) => {
    options.log.error('teams click in a home failed', { channel: 'teams', error: errorName(error) })
    return homeFailed(error)
  })
  if ('card' in done) return { kind: 'card', card: withWayBack(done.card, pages) }
  return { kind: 'card', card: await paint(options, asked, who, about(done.message)) }
}

interface Person {
  readonly asked: Asked
  readonly reviewer: Reviewer
}

/** Whose matter it is, is decided by the desks: an id that comes back is anyone's. */
async function act(
  options: Options,
  { asked, reviewer }: Person,
  name: string,
  id: unknown,
): Promise<PrivateAnswer | { readonly card: AdaptiveCard }> {
  const { acts } = options
  const who = async () => ({ ok: true, reviewer }) as const
  switch (name) {
    case HOME_SHOW:
      return SAID_NOTHING
    case HOME_TAKE_BACK:
      return acts.takeBack(who, id)
    case HOME_REVOKE:
      return acts.revoke(who, id)
    case HOME_REVIEW: {
      const found = await acts.review(id, {
        isAskedHere: (approval) => options.places.isFor(approval, reviewer, asked),
      })
      if ('answer' in found) return found.answer
      return { card: await options.paintApproval(found.approval, { reviewer, mri: asked.user.mri }) }
    }
    default:
      return NOT_UNDERSTOOD
  }
}

async function paint(options: Options, asked: Asked, who: WhoClicked, about: HomeAbout): Promise<AdaptiveCard> {
  if (!who.ok) return closedHomeCard(who.message, about)
  const person = who.reviewer
  const where: HomeWhere = {
    channel: 'teams',
    isAskedHere: askedHere(options, { asked, reviewer: person }),
    linkTo: options.linkTo,
  }
  const home = await readHome(options, { person, pages: about.pages, where })
  return home.ok ? homeCard(home.content, about) : closedHomeCard(home.message, about)
}

/**
 * Where a rule names nobody, whether they are in its conversations is asked of the connector: for one home once for
 * approvals of the same conversations, however many there are. The click itself asks anew.
 */
function askedHere({ places }: Options, { asked, reviewer }: Person): HomeWhere['isAskedHere'] {
  const known = new Map<string, Promise<boolean>>()
  return (approval) => {
    if (approval.from.length > 0) return places.isFor(approval, reviewer, asked)
    const key = JSON.stringify([approval.channels, approval.rooms])
    const found = known.get(key) ?? places.isFor(approval, reviewer, asked)
    known.set(key, found)
    return found
  }
}
