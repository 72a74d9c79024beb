/**
 * Slack as a channel: cards go out through the Web API, clicks come in through Bolt, by HTTP inside our Express app or,
 * where an app token is set, by Socket Mode. Both ways run the same handlers.
 */
import { App, AuthorizationError, ExpressReceiver, type Receiver } from '@slack/bolt'
import { type IRouter, Router } from 'express'
import type {
  AccessDesk,
  ApprovalStore,
  Channel,
  Clock,
  Log,
  Readings,
  Reviews,
  StandingGrants,
} from '../../src/ports.ts'
import type { Secret } from '../../src/secret.ts'
import type { HomeParts } from '../chat/home.ts'
import { registerAccess } from './access-clicks.ts'
import { registerHome } from './app-home.ts'
import { type CheckLine, type CheckSurroundings, checkSlack } from './check.ts'
import { registerClicks } from './clicks.ts'
import { type CommandsOptions, registerSubcommands } from './commands.ts'
import type { ClicksOptions } from './decide.ts'
import { type SlackFreezeOptions, slackFreezeCommands } from './freeze-commands.ts'
import { createGate } from './gate.ts'
import { ACK_WITHIN_MS, CLICK_API_TIMEOUT_MS, REQUEST_BYTES_MAX } from './limits.ts'
import { boltLogger, errorName } from './log.ts'
import { createOnce, isFirstAnywhere, isQuestion } from './once.ts'
import { createOutgoing } from './outgoing.ts'
import { registerRequester } from './requester-clicks.ts'
import { createReviewers } from './reviewers.ts'
import { createSocketMode } from './socket-mode.ts'
import { openWorkspaces, type Workspaces, type WorkspacesOptions } from './workspaces.ts'

export const EVENTS_PATH = '/slack/events'

export interface SlackOptions {
  readonly botToken: Secret
  /** Further ones that the app is installed in, by the names that places call them. */
  readonly workspaces: WorkspacesOptions['workspaces']
  /** Null only in Socket Mode, where Slack signs nothing. */
  readonly signingSecret: Secret | null
  /** Set: Socket Mode, and no HTTP endpoint. */
  readonly appToken: Secret | null
  /** Ids of the channels for cards and for summaries. */
  readonly approvals: string
  readonly summaries: string
  readonly apiUrl?: string | undefined
  readonly reviews: Reviews
  readonly readings: Pick<Readings, 'seen'>
  readonly get: ApprovalStore['get']
  readonly listPending: ApprovalStore['listPending']
  /** Null where no clicks are received. */
  readonly access: AccessDesk | null
  readonly grants: StandingGrants | null
  /** What App Home lists beside them; null where no clicks are received. */
  readonly home: HomeParts | null
  /** See ClicksOptions. */
  readonly stepUpLink: ClicksOptions['stepUpLink']
  readonly freezing: Omit<SlackFreezeOptions, 'webOf' | 'listPending'>
  /** See CommandsOptions. */
  readonly isFirst: CommandsOptions['isFirst']
  readonly clock: Clock
  readonly log: Log
}

export interface SlackChannel {
  readonly channel: Channel
  /** Serves POST /slack/events; mount it at the root, behind no body parser. Null in Socket Mode. */
  readonly router: IRouter | null
  start(): Promise<void>
  stop(): Promise<void>
  /** `publicUrl` without a trailing slash. */
  check(about: { readonly publicUrl: string } & Pick<CheckSurroundings, 'rooms'>): Promise<CheckLine[]>
}

export function createSlackChannel(options: SlackOptions): SlackChannel {
  const { appToken, apiUrl, log } = options
  const workspaces = openWorkspaces(options)
  const { webOf } = workspaces
  let stopped = false
  const edge = appToken === null ? createHttp(options) : createSocketMode({ appToken, apiUrl, log })
  const app = createApp({ receiver: edge.receiver, workspaces, options })
  const reviewers = createReviewers({ webOf, clock: options.clock, log })
  registerClicks(app, {
    reviews: options.reviews,
    readings: options.readings,
    approvals: options,
    access: options.access,
    stepUpLink: options.stepUpLink,
    inWindow: (click) => homes?.clicked(click),
    reviewers,
    webOf,
    log,
  })
  registerSubcommands(app, slackFreezeCommands({ ...options.freezing, listPending: options.listPending, webOf }), {
    ...{ reviewers, isFirst: options.isFirst, webOf, log },
  })
  registerRequester(app, { reviews: options.reviews, get: options.get, reviewers, webOf, log })
  const openExtension = registerAccess(app, {
    ...{ desk: options.access, grants: options.grants },
    ...{ reviewers, webOf, log },
  })
  const homes =
    options.home === null
      ? null
      : registerHome(app, {
          ...options.home,
          ...{ get: options.get, grants: options.grants, access: options.access, reviews: options.reviews },
          ...{ openExtension, reviewers, workspaces, log },
        })
  return {
    channel: createOutgoing({ ...options, workspaces }),
    router: 'router' in edge ? edge.router : null,
    start: async () => {
      await warmUp(workspaces, log)
      // Nobody waits for a start, so a stop may have come first.
      if (!stopped && 'start' in edge) await edge.start()
    },
    stop: async () => {
      stopped = true
      homes?.close()
      if ('stop' in edge) await edge.stop()
    },
    check: ({ publicUrl, rooms }) => checkSlack(options, { eventsUrl: `${publicUrl}${EVENTS_PATH}`, rooms }),
  }
}

/** Neither way waits for Slack to be up: holds work without it, and the outbox posts what is missing. */
async function warmUp({ all }: Workspaces, log: Log): Promise<void> {
  await Promise.all(
    all.map(({ place, ours }) =>
      ours().catch((error) => {
        log.error('slack does not accept the bot token', { channel: 'slack', place, error: errorName(error) })
      }),
    ),
  )
}

function createHttp({ signingSecret, clock, log }: SlackOptions): { receiver: ExpressReceiver; router: IRouter } {
  if (signingSecret === null) throw new TypeError('without an app token the signing secret is needed')
  const router = Router()
  router.post(EVENTS_PATH, createGate({ clock, log }))
  const receiver = new ExpressReceiver({
    signingSecret: signingSecret.reveal(),
    endpoints: EVENTS_PATH,
    router,
    logger: boltLogger(log),
    bodyLimit: REQUEST_BYTES_MAX,
    unhandledRequestTimeoutMillis: ACK_WITHIN_MS,
    unhandledRequestHandler: ({ response }) => {
      log.error('slack request not answered in time', { channel: 'slack' })
      if (!response.headersSent) response.writeHead(503).end()
    },
    processEventErrorHandler: async ({ error, response }) => {
      const unknown = error instanceof AuthorizationError && error.original instanceof UnknownTeam
      const reason = unknown ? error.original.message : 'the gateway could not work on this; try again'
      if (!response.headersSent) {
        response.writeHead(unknown ? 403 : 503, { 'content-type': 'application/json' })
        response.end(JSON.stringify({ error: reason }))
      }
      return true
    },
  })
  return { receiver, router }
}

interface AppParts {
  readonly receiver: Receiver
  readonly workspaces: Workspaces
  readonly options: SlackOptions
}

function createApp({ receiver, workspaces, options }: AppParts): App {
  const { log, clock } = options
  const once = createOnce(clock)
  const app = new App({
    receiver,
    logger: boltLogger(log),
    // Bolt's conversation store would grow without a limit.
    convoStore: false,
    clientOptions: {
      fetch: (url, init) => fetch(url, { ...init, signal: AbortSignal.timeout(CLICK_API_TIMEOUT_MS) }),
    },
    authorize: async ({ teamId }) => {
      // Without a team it comes from an installation for a whole organisation.
      const workspace = teamId === undefined ? null : await workspaces.ofTeam(teamId)
      if (workspace === null) throw new UnknownTeam()
      return workspace.ours()
    },
  })
  app.use(async (args) => {
    const { body, next } = args
    if (isQuestion(body)) return next()
    if (!once.first(body) || !(await isFirstAnywhere(body, options.isFirst))) {
      log.info('slack delivery repeated; nothing ran', { channel: 'slack' })
      if ('ack' in args && typeof args.ack === 'function') await (args.ack as () => Promise<void>)()
      return
    }
    try {
      await next()
    } catch (error) {
      once.forget(body)
      throw error
    }
  })
  return app
}

class UnknownTeam extends Error {
  override readonly name = 'UnknownTeam'
  constructor() {
    super('this gateway is not installed in that workspace')
  }
}
