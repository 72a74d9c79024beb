/**
 * Microsoft Teams as a channel: cards go out through the Bot Connector, and what people do comes in at one endpoint.
 * Which library speaks the protocol is the settings' choice; see transport.ts.
 */
import type { IRouter } from 'express'
import type { TeamsSettings } from '../../src/config/settings.ts'
import type {
  AccessDesk,
  ApprovalStore,
  Channel,
  Clock,
  Conversations,
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
import type { ReviewClicksOptions } from '../chat/review-clicks.ts'
import { openEntra } from './directory.ts'
import { PUBLIC_CLOUD } from './endpoints.ts'
import type { Feature } from './feature.ts'
import { createGraph } from './graph.ts'
import { createInbound } from './inbound.ts'
import { type OpenedTransport, openTransport } from './open-transport.ts'
import { createOutgoing } from './outgoing.ts'
import { judgeUser, reviewerOf } from './people.ts'

export interface TeamsOptions {
  readonly settings: TeamsSettings
  readonly conversations: Conversations
  readonly seenCards: SeenCards
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

export function createTeamsChannel(options: TeamsOptions): TeamsChannel {
  const { settings, clock, log } = options
  const transport = openTransport({ settings, clock, log })
  const endpoints = settings.endpoints ?? PUBLIC_CLOUD
  const { issuer, connectors } = endpoints
  const inbound = createInbound({
    ours: { appId: settings.appId, tenantId: settings.tenantId, issuer, connectors },
    features: featuresOf(options),
    runCommand: async () => ({ message: null }),
    ...{ transport, conversations: options.conversations, isFirst: options.isFirst, clock, log },
  })
  const channel = createOutgoing({
    ...{ settings, transport, clock, log },
    ...{ conversations: options.conversations, people: options.people, get: options.get },
    ...{ reviewerOf: (member) => reviewerOf(member, settings), oidByEmail: oidByEmail(options, transport) },
    graph: settings.graph ? createGraph({ origin: endpoints.graph, token: transport.token, clock }) : null,
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

/** The one full member who has this address, as Graph knows them; nobody where it may not be asked. */
function oidByEmail({ settings, clock }: TeamsOptions, transport: OpenedTransport) {
  const entra = openEntra({ settings, transport, clock })
  return async (email: string): Promise<string | null> => {
    const user = (await entra?.userByAddress(email)) ?? null
    const who = user === null ? null : judgeUser(user, user.id, settings)
    return who?.ok === true && who.reviewer.email === email ? (user?.id ?? null) : null
  }
}

/** What cards, dialogs and the compose action do: a line each. */
function featuresOf(_options: TeamsOptions): readonly Feature[] {
  return []
}
