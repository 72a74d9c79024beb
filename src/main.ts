/**
 * The service: wires the layers and nothing else. `proxy`, `bots` and `jobs` never import each other; here each is
 * handed what it needs through the ports.
 *
 * Starting never waits for Redis, Slack or an upstream: the listener opens at once and refuses calls in milliseconds
 * until what they need is there. Stopping drains: held calls are let go with their approvals open, running calls
 * finish, and what is recorded is on the disk before the process ends.
 *
 * Channels and step-up are loaded only where the settings have them: their libraries are a third of what there is to load.
 */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { Server } from 'node:http'
import type { ErrorRequestHandler, Express, RequestHandler, Response } from 'express'
import express from 'express'
import type { Console } from '../bots/console/console.ts'
import { createConsole } from '../bots/console/console.ts'
import type { SlackDirectory } from '../bots/slack/groups.ts'
import { DELIVERY_ONCE_MS } from '../bots/slack/limits.ts'
import type { SlackChannel, SlackOptions } from '../bots/slack/slack-channel.ts'
import type { StepUp } from '../bots/step-up/step-up.ts'
import { createTeamsDirectory, type TeamsDirectory } from '../bots/teams/directory.ts'
import { TEAMS_ONCE_MS } from '../bots/teams/inbound.ts'
import { type OpenedTransport, openTransport } from '../bots/teams/open-transport.ts'
import type { TeamsChannel, TeamsOptions } from '../bots/teams/teams-channel.ts'
import { startApprovalSteps } from '../jobs/approval-steps.ts'
import type { RedisApprovalStore } from '../jobs/approvals/store.ts'
import { createApprovalStore } from '../jobs/approvals/store.ts'
import { startAuditDigests } from '../jobs/audit-digest.ts'
import { startClientBudgets } from '../jobs/client-budgets.ts'
import { createConversations } from '../jobs/conversations.ts'
import { startFreezes } from '../jobs/freezes.ts'
import { startGrantRevocation } from '../jobs/grant-revocation.ts'
import { createGrants, listUnused } from '../jobs/grants.ts'
import { startHeldConnections } from '../jobs/held-connections.ts'
import type { HoldsService } from '../jobs/holds.ts'
import { createHolds, startHoldsWorker } from '../jobs/holds.ts'
import type { Inbox } from '../jobs/inbox.ts'
import { startInbox } from '../jobs/inbox.ts'
import { startLostRuns } from '../jobs/lost-runs.ts'
import { createNotices, startNoticesWorker } from '../jobs/notices.ts'
import { startOutbox } from '../jobs/outbox.ts'
import { createParkedCalls } from '../jobs/parked-calls.ts'
import { createPasskeys } from '../jobs/passkeys.ts'
import { createReadings } from '../jobs/readings.ts'
import { createRecentSessions } from '../jobs/recent-sessions.ts'
import type { FileRecorder } from '../jobs/recording/recorder.ts'
import { startRecorder } from '../jobs/recording/recorder.ts'
import type { RedisHandle } from '../jobs/redis.ts'
import { connectRedis } from '../jobs/redis.ts'
import { startRuns } from '../jobs/runs.ts'
import { type SealingKeys, startSealingKeys } from '../jobs/sealing-keys.ts'
import { createSeenCards } from '../jobs/seen-cards.ts'
import { sessionBusy } from '../jobs/session-busy.ts'
import { startSessionSummaries } from '../jobs/session-summary.ts'
import type { SessionRegistry } from '../jobs/sessions.ts'
import { createSessions } from '../jobs/sessions.ts'
import { createSignedInGroups, type SignedInGroups } from '../jobs/signed-in-groups.ts'
import { startStandingGrantEnds } from '../jobs/standing-grant-ends.ts'
import { createStandingGrants } from '../jobs/standing-grants.ts'
import { createStepUps } from '../jobs/step-ups.ts'
import { createTakenNonces } from '../jobs/taken-nonces.ts'
import { createTasks, startTaskRuns } from '../jobs/tasks.ts'
import { createAuthenticator } from '../proxy/authenticate/authenticator.ts'
import { createStaticBroker } from '../proxy/broker/static.ts'
import type { UpstreamCatalogue } from '../proxy/catalogue.ts'
import { createCatalogue } from '../proxy/catalogue.ts'
import { createOktaGroups } from '../proxy/directory/okta.ts'
import { createSender } from '../proxy/forward/http-proxy.ts'
import { closeIdle, createHttpServer } from '../proxy/http-server.ts'
import { createBudgets } from '../proxy/mcp/budget.ts'
import type { Endpoint } from '../proxy/mcp/endpoint.ts'
import { createEndpoint } from '../proxy/mcp/endpoint.ts'
import { createLegacyHolds } from '../proxy/mcp/legacy-hold.ts'
import { createModernHolds } from '../proxy/mcp/modern-hold.ts'
import { CONTINUATION_LIFE_MS, createRounds } from '../proxy/mcp/rounds.ts'
import { createTaskRuns } from '../proxy/mcp/task-runs.ts'
import { createTaskDesk } from '../proxy/mcp/tasks.ts'
import { createWaitingRoom } from '../proxy/mcp/waiting.ts'
import { resourceMetadataRouter } from '../proxy/resource-metadata.ts'
import type { Upstreams } from '../proxy/upstreams.ts'
import { openUpstreams } from '../proxy/upstreams.ts'
import { createAccessDesk } from './access/desk.ts'
import { cardOf } from './approval/card-of.ts'
import type { IdPrefix } from './brands.ts'
import { epochMs } from './brands.ts'
import {
  channelNames,
  type Settings,
  type SlackSettings,
  type StaticCredential,
  type TeamsSettings,
} from './config/settings.ts'
import type { Broker } from './credential/lease.ts'
import { GatewayError } from './errors.ts'
import { createFreezeDesk, operatorsMay } from './freeze/desk.ts'
import { createGate } from './gate/gate.ts'
import { createIds } from './ids.ts'
import type { Masker } from './masking/masker.ts'
import { createMasker } from './masking/masker.ts'
import { faultAnswer } from './mcp/answers.ts'
import { type Directories, peopleOf } from './people/people.ts'
import type { Reviewer } from './people/reviewer.ts'
import type { CompiledPolicy } from './policy/evaluate.ts'
import { placeIn } from './policy/place.ts'
import type {
  ApprovalStore,
  Channel,
  Clock,
  Conversations,
  Freezes,
  Grants,
  Ids,
  Log,
  Notices,
  Place,
  Reviews,
  Runs,
  StandingGrants,
} from './ports.ts'
import { createReviews } from './review/review.ts'
import { createSealer } from './sealing/seal.ts'
import type { Secret } from './secret.ts'

export type Role = 'gateway' | 'bots' | 'jobs'
export const ROLES: readonly Role[] = ['gateway', 'bots', 'jobs']

export interface ServiceOptions {
  readonly settings: Settings
  readonly policy: CompiledPolicy
  /** May hold a password. */
  readonly redisUrl: string
  readonly recordingsDirectory: string
  /** Of the settings file: what its paths are relative to. */
  readonly settingsDirectory: string
  /** The gateway's own; upstreams that are started get a few of it. */
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly roles: ReadonlySet<Role>
  readonly version: string
  readonly log: Log
}

export interface Service {
  /** `http://127.0.0.1:8080` */
  readonly url: string
  /** Resolves when calls can pass. Rejects when the service can't start; then it is to be stopped. */
  readonly ready: Promise<void>
  /** A one-time link to the console, once it is there; null where this process has none. Rejects when stopped before. */
  consoleLink(): Promise<string | null>
  /** Drains and ends everything. Never rejects; may be called again. */
  stop(): Promise<void>
}

/** All that the roles share. */
interface Base extends ServiceOptions {
  readonly clock: Clock
  readonly ids: Ids
  readonly redis: RedisHandle
  readonly recorder: FileRecorder
  readonly draining: AbortSignal
  readonly url: string
}

/** What runs once Redis is there. */
interface Running {
  readonly endpoint: Endpoint | null
  readonly console: Console | null
  readonly slack: SlackChannel | null
  readonly teams: TeamsChannel | null
  readonly stepUp: StepUp | null
}

/** What was started, in that order; ended in reverse, also where starting failed half-way. */
type Closers = (() => Promise<void> | void)[]

export async function startService(options: ServiceOptions): Promise<Service> {
  const { settings, log, roles, version, policy } = options
  const clock: Clock = { now: () => epochMs(Date.now()) }
  const ids = createIds(randomBytes)
  const drain = new AbortController()
  const redis = connectRedis({ url: options.redisUrl, keyPrefix: settings.redis.keyPrefix, clock, log })
  const recorder = await startRecorder({
    directory: options.recordingsDirectory,
    replica: ids.next('seg'),
    sync: settings.recordings.sync,
    maxSegmentBytes: settings.recordings.maxSegmentBytes,
    clock,
    ids,
    log,
  })
  let running: Running | null = null
  const app = express()
  const server = createHttpServer(app)
  // First, and before any middleware: the path of an allowed call is hot.
  if (roles.has('gateway')) mountEndpoint(app, () => running?.endpoint ?? null)
  const url = await listen(server, settings.gateway.listen).catch(async (error: unknown) => {
    // Nobody has a service to stop, and what is open would keep the process from ending.
    await Promise.all([recorder.close(), redis.close()])
    throw error
  })
  const base: Base = { ...options, clock, ids, redis, recorder, draining: drain.signal, url }
  if (roles.has('gateway')) app.use(metadataOf(settings))
  mountOperations(app, { redis, recorder, draining: drain.signal, isRunning: () => running !== null })
  if (roles.has('bots')) mountChannels(app, settings.channels, () => running)
  app.use(notFound)
  app.use(failed(log))
  await recorder
    .record({ type: 'service.started', at: clock.now(), session_id: null, version, policy: policy.version }, 'written')
    .catch(() => log.error('the recording cannot be written: no call will pass until it can'))

  const closers: Closers = []
  const starting = startWhenReady(base, closers).then((started) => {
    running = started
    log.info('ready', { url, roles: [...roles].join(',') })
    return started
  })
  const ready = starting.then(() => undefined)
  // Handled here for a caller that never asks.
  ready.catch(() => undefined)
  let stopping: Promise<void> | null = null
  return {
    url,
    ready,
    async consoleLink() {
      return (await starting).console?.newLink() ?? null
    },
    stop() {
      stopping ??= stop({ base, server, drain, starting, closers })
      return stopping
    },
  }
}

// ---- the three roles

/** A running call touches its session so many times while the session could become idle: one lost touch ends nothing. */
const TOUCHES_PER_IDLE = 4

async function startWhenReady(base: Base, closers: Closers): Promise<Running> {
  const { redis, draining, log, roles, settings, recorder, clock } = base
  if (!redis.isReady()) log.warn('waiting for Redis; calls are refused until it is there')
  await redis.whenReady(draining)
  const inbox = await startInbox(redis, log)
  closers.push(() => inbox.close())
  const store = createApprovalStore({ redis, inbox, maxPerAgent: settings.holds.maxPerAgent })
  const grants = createGrants(redis, inbox.replica)
  const standingGrants = createStandingGrants(redis)
  const runs = await startRuns({ redis, inbox, store, clock, log })
  closers.push(() => runs.close())
  const freezes = await startFreezes({ redis, inbox, log, signal: draining })
  closers.push(() => freezes.close())
  const notices = createNotices(redis, channelNames(settings))
  closers.push(() => notices.close())
  const lookedUp = [...settings.people.groups.values()].flatMap((group) => group.lookedUp)
  const signedIn = createSignedInGroups(redis, { members: lookedUp, clock, log })
  const conversations = createConversations(redis)
  const transport = openTeamsTransport(base)
  const { groups, persons } = await openDirectories(base, { transport, conversations, rooms: base.policy.rooms })
  const people = peopleOf(settings.people.groups, { groups: [...groups, signedIn.source], persons })
  const readings = createReadings(redis)
  const reviews = createReviews({
    approvals: store,
    grants,
    standingGrants,
    people,
    readings,
    recorder,
    clock,
    log,
  })

  // People in channels ask for access to what agents call.
  const calls = roles.has('gateway') || roles.has('bots') ? startCalls(base, { inbox, store }, closers) : null
  const endpoint =
    roles.has('gateway') && calls !== null
      ? startGateway(
          base,
          {
            ...{ inbox, store, grants, standingGrants, runs, reviews, freezes, signedIn, calls },
            sealingKeys: await startSealingKeys(redis, log, draining),
          },
          closers,
        )
      : null
  const { operators } = settings.people
  const isOperator = async (person: Reviewer) => operators !== null && people.isMember(person, operators, 'click')
  const desk = createFreezeDesk({
    authority: operatorsMay(people, operators),
    ...{ freezes, grants, standingGrants, notices, recorder, clock, log },
    approvals: store,
    listUnused: () => listUnused(redis),
  })
  const freezing = { desk, list: freezes.list, upstreams: [...settings.upstreams.keys()] }
  const deliveries = createTakenNonces(redis, DELIVERY_ONCE_MS)
  const isFirst = (delivery: string) => deliveries.take(`slack:${delivery}`)
  const activities = createTakenNonces(redis, TEAMS_ONCE_MS)
  // The jobs role posts summaries, so it speaks to the channels too; only bots receives clicks.
  const speaks = roles.has('bots') || roles.has('jobs')
  const stepUp = roles.has('bots') ? await openStepUp(base, store, reviews) : null
  const stepUpLink = stepUp?.link ?? null
  const access =
    roles.has('bots') && calls !== null
      ? createAccessDesk({
          ...{ policy: base.policy, channels: channelNames(settings), upstreams: [...settings.upstreams.keys()] },
          ...{ listing: calls.catalogue, holds: calls.holds, sessions: calls.sessions },
          ...{ people, isOperator, approvals: store, runs, grants: standingGrants },
          ...{ recorder, clock, ids: base.ids, log },
        })
      : null
  const recent = createRecentSessions(redis)
  const home = roles.has('bots') ? { approvals: store, people, sessions: recent } : null
  const desks = { reviews, readings, access, grants: standingGrants, home, stepUpLink, freezing, isFirst }
  const slack = speaks ? await openSlack(base, store, desks) : null
  const teams =
    speaks && transport !== null
      ? await openTeams(base, store, {
          ...{ ...desks, transport, people, conversations, seenCards: createSeenCards(redis) },
          isFirst: (activity) => activities.take(`teams:${activity}`),
        })
      : null
  const consolePage = roles.has('bots') ? openConsole(base, store, { reviews, stepUpLink }) : null
  const channels = [slack?.channel, teams?.channel, consolePage?.channel].filter((channel) => channel !== undefined)
  closers.push(
    () => slack?.stop(),
    () => teams?.stop(),
    () => consolePage?.close(),
  )
  if (roles.has('bots')) startBots(base, { inbox, store, slack, teams, channels }, closers)
  if (roles.has('jobs')) startJobs(base, { inbox, store, grants, standingGrants, notices, channels }, closers)
  return { endpoint, console: consolePage, slack, teams, stepUp }
}

/** What a question needs that is put to people: the hold, its session, and what upstreams list. */
interface Calls {
  readonly holds: HoldsService
  readonly sessions: SessionRegistry
  readonly masker: Masker
  readonly upstreams: Upstreams
  readonly broker: Broker
  readonly catalogue: UpstreamCatalogue
}

/** Starts no upstream yet: one that is a command begins when it is first asked. */
function startCalls(base: Base, parts: { inbox: Inbox; store: RedisApprovalStore }, closers: Closers): Calls {
  const { settings, redis, recorder, clock, ids, log, version } = base
  const holds = createHolds({ redis, ...parts, recorder, clock, log })
  const sessions = createSessions({ redis, recorder, clock, ids, idleMs: settings.sessions.idleMs })
  const masker = createMasker()
  const upstreams = openUpstreams(settings.upstreams, {
    directory: base.settingsDirectory,
    environment: base.environment,
    masker,
    clock,
    log,
    version,
  })
  const broker = createStaticBroker(credentialsOf(settings))
  const catalogue = createCatalogue({ upstreams: upstreams.sources, broker, clock, log, version })
  closers.push(
    () => upstreams.close(),
    () => catalogue.close(),
    () => holds.close(),
    () => sessions.close(),
  )
  return { holds, sessions, masker, upstreams, broker, catalogue }
}

function startGateway(
  base: Base,
  parts: {
    inbox: Inbox
    store: RedisApprovalStore
    grants: Grants
    standingGrants: StandingGrants
    runs: Runs
    reviews: Reviews
    freezes: Freezes
    signedIn: SignedInGroups
    calls: Calls
    sealingKeys: SealingKeys
  },
  closers: Closers,
): Endpoint {
  const { inbox, store, grants, standingGrants, runs, reviews, freezes, signedIn, sealingKeys } = parts
  const { holds, sessions, masker, upstreams, broker, catalogue } = parts.calls
  const { settings, policy, redis, recorder, clock, ids, log, draining, url } = base
  if (policy.needsToolDefinition) catalogue.keepWarm()
  const authenticator = authenticatorOf(base, signedIn)
  authenticator.warm().then(
    (issuers) => {
      for (const { issuer, ok, problem } of issuers)
        if (!ok) log.warn('an issuer’s keys cannot be read', { issuer, problem })
    },
    () => undefined,
  )
  const sender = createSender()
  const waitingRoom = createWaitingRoom(clock)
  closers.push(
    () => authenticator.close(),
    () => sender.close(),
    () => waitingRoom.close(),
    () => sealingKeys.close(),
  )
  const sealer = createSealer({ ring: sealingKeys.ring, randomBytes })
  const rounds = createRounds({ sealer, clock, newNonce: () => ids.next('call') })
  const gate = createGate({
    policy,
    freezes,
    channels: channelNames(settings),
    holds,
    approvals: store,
    grants,
    reviews,
    standingGrants,
    runs,
    continuations: { wrap: rounds.wrap, take: createTakenNonces(redis, CONTINUATION_LIFE_MS).take },
    recorder,
    broker,
    catalogue,
    masker,
    clock,
    ids,
    log,
    tasks: true,
  })
  const newId = (prefix: IdPrefix) => ids.next(prefix)
  const tasks = createTasks(redis)
  const parkedCalls = createParkedCalls(redis)
  const taskOptions = {
    runs,
    tasks,
    parkedCalls,
    approvals: store,
    gate,
    rounds,
    sessions,
    sender,
    targets: upstreams.targets,
    recorder,
  }
  const learned = startClientBudgets(redis, log)
  const connections = startHeldConnections({ redis, inbox, log })
  closers.push(
    () => learned.close(),
    () => connections.close(),
  )
  const budgets = createBudgets(settings.holds, learned)
  const legacyHolds = createLegacyHolds({
    waitingRoom,
    connections,
    parked: parkedCalls,
    approvals: store,
    tasks,
    runs,
    recorder,
    budgets,
    sealer,
    draining,
    clock,
    log,
  })
  const endpoint = createEndpoint({
    targets: upstreams.targets,
    tasks: createTaskDesk({ ...taskOptions, connections, clock, newId, log }),
    authenticator,
    gate,
    catalogue,
    sessions,
    sender,
    waitingRoom,
    sealer,
    rounds,
    modernHolds: createModernHolds({ waitingRoom, connections, parked: parkedCalls, budgets, sealer, draining, clock }),
    legacyHolds,
    parked: parkedCalls,
    newId,
    origins: new Set(
      [settings.gateway.publicUrl, ...settings.gateway.allowedOrigins].map((item) => new URL(item).origin),
    ),
    hosts: hostsOf(url, settings.gateway.publicUrl),
    bodyBytesMax: settings.gateway.maxBodyBytes,
    draining,
    touchMs: settings.sessions.idleMs / TOUCHES_PER_IDLE,
    log,
  })
  const { run, cutOff } = createTaskRuns({ ...taskOptions, clock, newId, log })
  const { drainMs } = settings.shutdown
  const taskRuns = startTaskRuns({ redis, inbox, approvals: store, tasks, log, drainMs, run, cutOff })
  // Takes no more, while the calls that run finish beside it.
  draining.addEventListener('abort', () => void taskRuns.close(), { once: true })
  closers.push(
    () => tasks.close(),
    () => endpoint.close(),
    () => taskRuns.close(),
  )
  return endpoint
}

function startBots(
  { redis, clock, log }: Base,
  parts: {
    inbox: Inbox
    store: RedisApprovalStore
    slack: SlackChannel | null
    teams: TeamsChannel | null
    channels: readonly Channel[]
  },
  closers: Closers,
): void {
  const { inbox, store, slack, teams, channels } = parts
  // Not awaited: Slack may be slow or away, and agents must not wait for it.
  slack?.start().catch((error: unknown) => log.error('slack did not start', { error: String(error) }))
  teams?.start().catch((error: unknown) => log.error('teams did not start', { error: String(error) }))
  const outbox = startOutbox({ redis, inbox, store, channels, cardOf, clock, log })
  const noticesWorker = startNoticesWorker({ redis, channels, clock, log })
  closers.push(
    () => outbox.close(),
    () => noticesWorker.close(),
  )
}

function startJobs(
  base: Base,
  parts: {
    inbox: Inbox
    store: RedisApprovalStore
    grants: Grants
    standingGrants: StandingGrants
    notices: Notices
    channels: readonly Channel[]
  },
  closers: Closers,
): void {
  const { redis, recorder, clock, log, settings, recordingsDirectory } = base
  const { inbox, store, grants, standingGrants, notices, channels } = parts
  const holdsWorker = startHoldsWorker({ redis, store, recorder, clock, log })
  const lostRuns = startLostRuns({ redis, store, recorder, clock, log })
  const steps = startApprovalSteps({ redis, inbox, store, recorder, clock, log })
  const revocation = startGrantRevocation({ redis, inbox, grants, recorder, clock, log })
  const standingEnds = startStandingGrantEnds({ redis, inbox, store, standingGrants, recorder, notices, clock, log })
  const summaries = startSessionSummaries({
    redis,
    recorder,
    clock,
    log,
    idleMs: settings.sessions.idleMs,
    directory: recordingsDirectory,
    channels,
    recent: createRecentSessions(redis),
    isBusy: sessionBusy({ redis, grants }),
  })
  const { digest: schedule } = settings.recordings
  const digests =
    schedule === null
      ? null
      : startAuditDigests({ redis, schedule, directory: recordingsDirectory, channels, clock, log })
  closers.push(
    () => holdsWorker.close(),
    () => lostRuns.close(),
    () => steps.close(),
    () => revocation.close(),
    () => standingEnds.close(),
    () => summaries.close(),
    () => digests?.close(),
  )
}

// ---- parts

function authenticatorOf({ settings, recorder, clock, log }: Base, signedIn: SignedInGroups) {
  return createAuthenticator({
    onVerified: signedIn.verified,
    issuers: settings.identity.issuers,
    publicUrl: settings.gateway.publicUrl,
    clock,
    log,
    scopesOf: () => settings.identity.scopes,
    onStaleKeys({ issuer, staleMs, at }) {
      recorder
        .record({ type: 'identity.stale_keys_used', at, session_id: null, issuer, stale_ms: staleMs }, 'written')
        .catch(() => log.error('could not record that stale keys were used', { issuer }))
    },
  })
}

export function credentialsOf(settings: Settings): ReadonlyMap<string, StaticCredential> {
  const credentials = new Map<string, StaticCredential>()
  for (const { name, credential } of settings.upstreams.values()) if (credential) credentials.set(name, credential)
  return credentials
}

/** What is asked over the network about groups and people. The same for the service and for `doctor`. */
export async function openDirectories(
  { settings, clock, log }: Pick<Base, 'settings' | 'clock' | 'log'>,
  known: TeamsKnown,
): Promise<Directories> {
  const { okta } = settings.people
  const { slack, teams } = settings.channels
  const { transport } = known
  const tenants =
    teams === null || transport === null ? [] : [openTeamsDirectory(teams, { ...known, transport, clock, log })]
  const workspaces = slack === null ? [] : await openWorkspaces(slack, { clock, log })
  return {
    groups: [
      ...workspaces.map(({ groups }) => groups),
      ...tenants.map(({ groups }) => groups),
      ...(okta === null ? [] : [createOktaGroups(okta, { clock, log })]),
    ],
    persons: [...workspaces, ...tenants].map(({ persons }) => persons),
  }
}

async function openWorkspaces(slack: SlackSettings, parts: Pick<Base, 'clock' | 'log'>): Promise<SlackDirectory[]> {
  const { createSlackDirectory } = await import('../bots/slack/groups.ts')
  const named: [string | null, { botToken: Secret }][] = [[null, slack], ...slack.workspaces]
  return named.map(([workspace, { botToken }]) =>
    createSlackDirectory({ botToken, apiUrl: slack.apiUrl ?? undefined, workspace, ...parts }),
  )
}

interface TeamsKnown {
  /** Null: Teams is not configured. */
  readonly transport: OpenedTransport | null
  readonly conversations: Conversations
  readonly rooms: readonly Place[]
}

function openTeamsDirectory(
  teams: TeamsSettings,
  parts: TeamsKnown & { readonly transport: OpenedTransport } & Pick<Base, 'clock' | 'log'>,
): TeamsDirectory {
  const rooms = parts.rooms.map(placeIn).flatMap((place) => (place?.channel === 'teams' ? (place.room ?? []) : []))
  return createTeamsDirectory({ ...parts, settings: teams, rooms })
}

/** One for all of a process: its keys and its tokens. The same for the service and for `doctor`. */
export function openTeamsTransport({
  settings,
  clock,
  log,
}: Pick<Base, 'settings' | 'clock' | 'log'>): OpenedTransport | null {
  const { teams } = settings.channels
  return teams === null ? null : openTransport({ settings: teams, clock, log })
}

/** The same for the service and for `doctor`. */
export async function openSlack(
  { settings, clock, log }: Pick<Base, 'settings' | 'clock' | 'log'>,
  { get, listPending }: Pick<ApprovalStore, 'get' | 'listPending'>,
  desks: Pick<
    SlackOptions,
    'reviews' | 'readings' | 'access' | 'grants' | 'home' | 'stepUpLink' | 'freezing' | 'isFirst'
  >,
): Promise<SlackChannel | null> {
  const slack = settings.channels.slack
  if (slack === null) return null
  const { createSlackChannel } = await import('../bots/slack/slack-channel.ts')
  return createSlackChannel({ ...slack, apiUrl: slack.apiUrl ?? undefined, ...desks, get, listPending, clock, log })
}

async function openTeams(
  { settings, clock, log }: Pick<Base, 'settings' | 'clock' | 'log'>,
  { get, listPending }: Pick<ApprovalStore, 'get' | 'listPending'>,
  desks: Omit<TeamsOptions, 'settings' | 'get' | 'listPending' | 'clock' | 'log'>,
): Promise<TeamsChannel | null> {
  const teams = settings.channels.teams
  if (teams === null) return null
  const { createTeamsChannel } = await import('../bots/teams/teams-channel.ts')
  return createTeamsChannel({ ...desks, settings: teams, get, listPending, clock, log })
}

/** Null where no issuer lets reviewers sign in. */
async function openStepUp(base: Base, approvals: ApprovalStore, reviews: Reviews): Promise<StepUp | null> {
  const { settings, redis, recorder, clock, log } = base
  if (settings.identity.signIns.length === 0) return null
  const { createStepUp } = await import('../bots/step-up/step-up.ts')
  return createStepUp({
    publicUrl: settings.gateway.publicUrl,
    signIns: settings.identity.signIns,
    passkeysWanted: settings.people.passkeys,
    approvals,
    reviews,
    stepUps: createStepUps(redis),
    passkeys: createPasskeys(redis),
    recorder,
    cardOf,
    clock,
    random: randomBytes,
    log,
  })
}

function openConsole(
  { settings, clock, log, url }: Base,
  store: ApprovalStore,
  { reviews, stepUpLink }: { reviews: Reviews; stepUpLink: StepUp['link'] | null },
): Console | null {
  const { enabled, reviewer } = settings.channels.console
  if (!enabled) return null
  return createConsole({
    loopbackUrl: url,
    // Loopback names only: behind a proxy on this machine every visitor of the public name would look like a local one.
    publicUrl: null,
    reviewer,
    store,
    reviews,
    stepUpLink,
    cardOf,
    clock,
    random: randomBytes,
    log,
  })
}

// ---- HTTP

function mountEndpoint(app: Express, endpoint: () => Endpoint | null): void {
  app.disable('x-powered-by')
  app.all('/mcp/:upstream', (request, response) => {
    const found = endpoint()
    if (found !== null) return found.serve(request, response, request.params.upstream)
    const fault = new GatewayError('store_unavailable', 'The gateway has not reached Redis yet.')
    response.status(fault.httpStatus).json(faultAnswer(fault, null, null))
    return undefined
  })
}

function metadataOf(settings: Settings): RequestHandler {
  return resourceMetadataRouter({
    publicUrl: settings.gateway.publicUrl,
    issuers: settings.identity.issuers.map(({ issuer }) => issuer),
    upstreams: new Set(settings.upstreams.keys()),
    scopesOf: () => settings.identity.scopes,
  })
}

/** `/healthz`: the process lives. `/readyz`: a call could pass. Neither says anything that is not for strangers. */
function mountOperations(
  app: Express,
  state: { redis: RedisHandle; recorder: FileRecorder; draining: AbortSignal; isRunning: () => boolean },
): void {
  app.get('/healthz', (_request, response) => void response.json({ status: 'ok' }))
  app.get('/readyz', (_request, response) => {
    const checks = {
      redis: state.redis.isReady(),
      recording: state.recorder.canRecord().ok,
      started: state.isRunning(),
      draining: state.draining.aborted,
    }
    const ready = checks.redis && checks.recording && checks.started && !checks.draining
    response.status(ready ? 200 : 503).json({ status: ready ? 'ready' : 'not ready', checks })
  })
}

function mountChannels(app: Express, { slack, teams }: Settings['channels'], running: () => Running | null): void {
  const starting = (response: Response) =>
    void response.status(503).type('text').send('Starting: waiting for Redis. Try again soon.\n')
  // What chats send meanwhile they send again, once they are told that it was not taken.
  app.use((request, response, next) => {
    const parts = running()
    const isSlacks = slack !== null && request.path.startsWith('/slack/')
    const isTeams = teams !== null && request.path.startsWith('/api/')
    if (parts === null) return isSlacks || isTeams ? starting(response) : next()
    if (isSlacks && parts.slack?.router) return parts.slack.router(request, response, next)
    if (isTeams && parts.teams) return parts.teams.router(request, response, next)
    return next()
  })
  app.use('/step-up', (request, response, next) => {
    const parts = running()
    if (parts === null) return starting(response)
    if (parts.stepUp === null) return next()
    return parts.stepUp.router(request, response, next)
  })
  app.use('/console', (request, response, next) => {
    const parts = running()
    if (parts === null) return starting(response)
    if (parts.console === null) return next()
    return parts.console.router(request, response, next)
  })
}

const notFound: RequestHandler = (_request, response) => {
  response.status(404).json({ error: 'not_found', message: 'There is nothing here. Agents use /mcp/<upstream>.' })
}

/** Express's own handler would answer a stranger with a stack trace. */
function failed(log: Log): ErrorRequestHandler {
  return (error: unknown, _request, response, next) => {
    if (response.headersSent) return next(error)
    const status = error instanceof URIError ? 400 : 500
    if (status === 500) log.error('a request failed', { error: error instanceof Error ? error.name : 'unknown' })
    response.status(status).json({ error: status === 400 ? 'bad_request' : 'internal', message: 'The request failed.' })
  }
}

async function listen(server: Server, { host, port }: { host: string; port: number }): Promise<string> {
  server.listen(port, host)
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the listener has no address')
  const name = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host
  return `http://${name.includes(':') ? `[${name}]` : name}:${address.port}`
}

/** Under which names agents may reach this gateway: others are a browser tricked by its DNS. */
export function hostsOf(listening: string, publicUrl: string): ReadonlySet<string> {
  const own = new URL(listening)
  const local = [own.hostname, '127.0.0.1', 'localhost', '[::1]'].flatMap((hostname) => spellingsOf(hostname, own))
  const named = new URL(publicUrl)
  return new Set([...local, ...spellingsOf(named.hostname, named)])
}

/** The scheme's own port may be left out or written (RFC 9110 §4.2.3); some proxies write it. */
function spellingsOf(hostname: string, { protocol, port }: URL): readonly string[] {
  return port === '' ? [hostname, `${hostname}:${protocol === 'https:' ? 443 : 80}`] : [`${hostname}:${port}`]
}

// ---- the end

const IDLE_CLOSED_EVERY_MS = 50

async function stop(parts: {
  base: Base
  server: Server
  drain: AbortController
  starting: Promise<Running>
  closers: Closers
}): Promise<void> {
  const { base, server, drain, starting, closers } = parts
  const { log, recorder, redis, clock, settings } = base
  log.info('stopping')
  drain.abort()
  const closed = once(server, 'close')
  server.close()
  // Again and again: a connection whose last answer came while we stop would stay open for its keep-alive time.
  const idle = setInterval(() => closeIdle(server), IDLE_CLOSED_EVERY_MS)
  let endpoint: Endpoint | null = null
  const patience = setTimeout(() => {
    server.closeAllConnections()
    endpoint?.cutOff()
  }, settings.shutdown.drainMs)
  // The console's event streams end only when they are closed; they must not use up the patience.
  const running = await starting.catch(() => null)
  running?.console?.close()
  endpoint = running?.endpoint ?? null
  // Approved calls may be under way whose agents have left.
  await Promise.all([closed, endpoint?.settled()])
  clearTimeout(patience)
  clearInterval(idle)
  for (const close of closers.reverse()) {
    try {
      await close()
    } catch (error) {
      log.error('a part did not close', { error: String(error) })
    }
  }
  await recorder.record({ type: 'service.stopped', at: clock.now(), session_id: null }, 'synced').catch(() => undefined)
  await recorder.close()
  await redis.close()
  log.info('stopped')
}
