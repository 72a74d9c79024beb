/**
 * Microsoft Teams as a channel: cards go out through the Bot Connector, and what people do comes in at one endpoint.
 * Which library speaks the protocol is the settings' choice; see transport.ts.
 */
import type { IRouter } from 'express'
import type { Approval } from '../../src/approval/approval.ts'
import { cardOf } from '../../src/approval/card-of.ts'
import type { TeamsSettings } from '../../src/config/settings.ts'
import type {
  AccessDesk,
  ApprovalStore,
  Channel,
  Clock,
  Conversations,
  EndedSession,
  Log,
  People,
  Readings,
  Reviews,
  SeenCards,
  StandingGrants,
} from '../../src/ports.ts'
import { errorName } from '../chat/error-name.ts'
import type { FreezeCommandsOptions } from '../chat/freeze-commands.ts'
import type { HomeParts } from '../chat/home.ts'
import { SAID_NOTHING } from '../chat/private-answer.ts'
import type { ReviewClicksOptions } from '../chat/review-clicks.ts'
import { viewerOf } from '../chat/viewer.ts'
import type { WhoClicked } from '../chat/who-clicked.ts'
import { accessCommand, createAccessFeature } from './access-feature.ts'
import { ownCard } from './card.ts'
import type { AdaptiveCard } from './card-elements.ts'
import { createCommands } from './commands.ts'
import { linkToMessage } from './deep-link.ts'
import { oidByEmail, openEntra } from './directory.ts'
import { PUBLIC_CLOUD } from './endpoints.ts'
import type { Asked, Command, Feature } from './feature.ts'
import { createAddressOf, teamsFreezeCommands } from './freeze-commands.ts'
import { createGraph } from './graph.ts'
import { welcomeMessage } from './home-card.ts'
import { type ApprovalViewer, createTeamsHome, type TeamsHome } from './home-feature.ts'
import { createInbound } from './inbound.ts'
import type { OpenedTransport } from './open-transport.ts'
import { createOutgoing } from './outgoing.ts'
import { createOwnPlaces, type OwnPlaces } from './own-places.ts'
import { REQUESTER_PAINTING, REVIEW_PAINTING } from './painting.ts'
import { reviewerOf } from './people.ts'
import { createRequesterFeature } from './requester-feature.ts'
import { createReviewFeature } from './review-feature.ts'
import { createReviewers } from './reviewers.ts'
import { createRooms } from './rooms.ts'
import { readRef } from './sent.ts'

export interface TeamsOptions {
  readonly settings: TeamsSettings
  readonly transport: OpenedTransport
  readonly seenCards: SeenCards
  readonly conversations: Conversations
  readonly reviews: Reviews
  readonly readings: Pick<Readings, 'seen'>
  readonly get: ApprovalStore['get']
  readonly listPending: ApprovalStore['listPending']
  readonly people: People
  /** Null where no clicks are received. */
  readonly access: AccessDesk | null
  readonly grants: StandingGrants | null
  /** What the bot's home lists beside them; null where no clicks are received. */
  readonly home: HomeParts | null
  readonly stepUpLink: ReviewClicksOptions['stepUpLink']
  readonly freezing: Omit<FreezeCommandsOptions, 'listPending'>
  /** True for the first who names this delivery, on whichever replica. */
  readonly isFirst: (delivery: string) => Promise<boolean>
  readonly clock: Clock
  readonly log: Log
}

export interface TeamsChannel {
  readonly channel: Channel
  /** Serves POST /api/messages; mount it at the root, behind no body parser. */
  readonly router: IRouter
  start(): Promise<void>
  stop(): Promise<void>
}

/** What people do here is known to be theirs, and where it counts. */
interface Parts extends TeamsOptions {
  readonly whoClicked: (asked: Asked) => Promise<WhoClicked>
  readonly places: OwnPlaces
  /** Null where no clicks are received. */
  readonly botHome: TeamsHome | null
}

export function createTeamsChannel(options: TeamsOptions): TeamsChannel {
  const { settings, transport, log } = options
  const endpoints = settings.endpoints ?? PUBLIC_CLOUD
  const entra = openEntra(options)
  const channel = createOutgoing({
    ...options,
    reviewerOf: (member) => reviewerOf(member, settings),
    oidByEmail: (email) => oidByEmail(entra, email, settings),
    graph: settings.graph
      ? createGraph({ origin: endpoints.graph, token: transport.token, clock: options.clock })
      : null,
  })
  const parts = partsOf(options, createReviewers({ ...options, ours: settings, entra }))
  const inbound = createInbound({
    ...options,
    ours: { ...settings, issuer: endpoints.issuer, connectors: endpoints.connectors },
    features: featuresOf(parts),
    welcome: welcomeMessage(),
    runCommand: createCommands({ commands: commandsOf(parts), whoActed: parts.whoClicked, log }),
  })
  return {
    channel,
    router: inbound.router,
    start: async () => {
      await transport.ready()
      // Nobody waits for it: holds work without Teams, and the outbox posts what is missing.
      await transport.token(endpoints.scope).catch((error: unknown) => {
        log.error('teams gives the app no token', { channel: 'teams', error: errorName(error) })
      })
    },
    stop: () => inbound.settled(),
  }
}

function partsOf(options: TeamsOptions, made: Pick<Parts, 'whoClicked'>): Parts {
  const places = createOwnPlaces({ ...options, rooms: createRooms(options), approvalsRoom: options.settings.approvals })
  const { home } = options
  const botHome =
    home === null
      ? null
      : createTeamsHome({
          ...{ ...options, ...home, ...made, places },
          paintApproval: (approval, viewer) => paintFor(approval, viewer, home.people),
          linkTo: (session) => linkTo(options, session),
        })
  return { ...options, ...made, places, botHome }
}

/** What cards, dialogs and the compose action do: a line each. */
function featuresOf(parts: Parts): readonly Feature[] {
  const { access, get, listPending, botHome } = parts
  return [
    createReviewFeature({ ...parts, approvals: { get, listPending }, painting: REVIEW_PAINTING }),
    createRequesterFeature({ ...parts, painting: REQUESTER_PAINTING }),
    createAccessFeature({ ...parts, desk: access }),
    ...(botHome === null ? [] : [botHome.feature]),
  ]
}

/** What people write: a line each. */
function commandsOf(parts: Parts): readonly Command[] {
  const { freezing, listPending, botHome, settings, transport } = parts
  return [
    ...(botHome === null ? [] : [botHome.command]),
    accessCommand,
    ...teamsFreezeCommands({
      ...{ ...freezing, listPending },
      addressOf: createAddressOf({ ours: settings, transport }),
    }),
  ]
}

/** With the buttons that are for them; where nobody can tell, with all: the click decides. */
async function paintFor(
  approval: Approval,
  { reviewer, mri }: ApprovalViewer,
  people: Pick<People, 'isMember'>,
): Promise<AdaptiveCard> {
  const viewer = await viewerOf(approval, reviewer, people).catch(() => null)
  return ownCard(cardOf(approval), { viewer, answer: SAID_NOTHING, mri })
}

async function linkTo({ conversations, settings }: TeamsOptions, { ref }: EndedSession): Promise<string | null> {
  const { conversation, message } = readRef(ref)
  const known = await conversations.get(conversation)
  return known === null ? null : linkToMessage(known, message, { isPublicCloud: settings.endpoints === null })
}
