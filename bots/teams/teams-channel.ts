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
  StandingGrants,
} from '../../src/ports.ts'
import { errorName } from '../chat/error-name.ts'
import type { FreezeCommandsOptions } from '../chat/freeze-commands.ts'
import type { HomeParts } from '../chat/home.ts'
import type { ReviewClicksOptions } from '../chat/review-clicks.ts'
import { PUBLIC_CLOUD } from './endpoints.ts'
import type { Feature } from './feature.ts'
import { createInbound } from './inbound.ts'
import { openTransport } from './open-transport.ts'

export interface TeamsOptions {
  readonly settings: TeamsSettings
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
  readonly channel: Channel | null
  /** Serves POST /api/messages; mount it at the root, behind no body parser. */
  readonly router: IRouter
  start(): Promise<void>
  stop(): Promise<void>
}

export function createTeamsChannel(options: TeamsOptions): TeamsChannel {
  const { settings, clock, log } = options
  const transport = openTransport({ settings, clock, log })
  const { issuer, connectors } = settings.endpoints ?? PUBLIC_CLOUD
  const inbound = createInbound({
    ours: { appId: settings.appId, tenantId: settings.tenantId, issuer, connectors },
    features: featuresOf(options),
    runCommand: async () => ({ message: null }),
    ...{ transport, conversations: options.conversations, isFirst: options.isFirst, clock, log },
  })
  return {
    channel: null,
    router: inbound.router,
    start: async () => {
      await transport.ready()
      // Nobody waits for it: holds work without Teams, and the outbox posts what is missing.
      await transport.token((settings.endpoints ?? PUBLIC_CLOUD).scope).catch((error: unknown) => {
        log.error('teams gives the app no token', { channel: 'teams', error: errorName(error) })
      })
    },
    stop: () => inbound.settled(),
  }
}

/** What cards, dialogs and the compose action do: a line each. */
function featuresOf(_options: TeamsOptions): readonly Feature[] {
  return []
}
