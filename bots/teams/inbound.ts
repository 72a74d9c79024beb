/**
 * The messaging endpoint. In this order, and nothing of an activity is acted on before all of it passed:
 *
 *   form and size -> strict JSON -> the library's verification -> our own checks -> parsed -> once -> feature or command
 *
 * Once: Teams sends again what was answered too slowly, and whoever caught a request could send it again while its token
 * is fresh. An activity is named by what it is and where, who acted, and what was sent; see `keyOf`. In one process a
 * repeated invoke shares the answer that is under way; on another replica it is told so. What only asks is answered again.
 *
 * Slow: Teams gives up on an invoke after some seconds, and shows a failure where something may yet be done. So the
 * person hears in time that it goes on.
 */
import { createHash } from 'node:crypto'
import express, { type IRouter, type Request, type Response, Router } from 'express'
import { canonicalJson } from '../../src/json/canonical.ts'
import { parseStrict } from '../../src/json/strict.ts'
import { isObject, type JsonObject } from '../../src/json/value.ts'
import type { Clock, Conversation, Conversations, Log } from '../../src/ports.ts'
import { errorName } from '../chat/error-name.ts'
import { createOnce } from '../chat/once.ts'
import { type Incoming, parseActivity } from './activity.ts'
import { foreignIn, type Ours } from './checks.ts'
import type { Asked, Feature, TeamsUser } from './feature.ts'
import { answerInvoke, isQuestion, sentence } from './invokes.ts'
import { type TalkParts, talk } from './talk.ts'
import { type TeamsMessage, type Transport, Unauthenticated } from './transport.ts'

export const MESSAGES_PATH = '/api/messages'

/** A message has 28 KB, a card as much, and an invoke repeats no message; encodings at their longest. */
export const REQUEST_BYTES_MAX = 256 * 1024
/** learn.microsoft.com/microsoftteams/platform/messaging-extensions: five seconds, of which the way takes some. */
export const ANSWER_WITHIN_MS = 4000
/** Longer than a token of the connector is good for: an hour as Microsoft issues them, a day at most by Entra's limits. */
export const TEAMS_ONCE_MS = 25 * 60 * 60_000
/** Activities that this process remembers; the store that all replicas share remembers the rest. */
const SEEN_ACTIVITIES_MAX = 10_000
/** Conversations of which this process knows that they are remembered. */
const KNOWN_CONVERSATIONS_MAX = 2000
/** After it they are remembered anew: another process may have forgotten one, and who is heard of longest ago goes first. */
const KNOWN_CONVERSATION_MS = 10 * 60_000

const late = Symbol('late')

const SLOW =
  'This takes longer than Teams waits for an answer. It goes on: the card will show what came of it. If it still asks in a minute, please click again.'
const REPEATED = 'This was received already; the card shows what came of it.'

export interface InboundOptions extends TalkParts {
  readonly ours: Ours
  readonly transport: Pick<Transport, 'verify' | 'send'>
  readonly features: readonly Feature[]
  readonly conversations: Pick<Conversations, 'remember' | 'forget'>
  /** To whoever has the app put into their own talk with it; holds nothing of anybody. */
  readonly welcome: TeamsMessage
  /** True for the first who names this delivery, on whichever replica. */
  readonly isFirst: (delivery: string) => Promise<boolean>
  readonly clock: Clock
  readonly log: Log
  /** Left out: ANSWER_WITHIN_MS. */
  readonly answerWithinMs?: number
}

export interface Inbound {
  readonly router: IRouter
  /** Resolves when what was taken is done. */
  settled(): Promise<void>
}

export function createInbound(options: InboundOptions): Inbound {
  const running = new Set<Promise<unknown>>()
  const handle = createHandler(options, (work) => {
    running.add(work)
    work.finally(() => running.delete(work)).catch(() => undefined)
  })
  const router = Router()
  const body = express.raw({ type: () => true, inflate: false, limit: REQUEST_BYTES_MAX })
  router.all(MESSAGES_PATH, (request, response) => {
    const refused = refusal(request)
    if (refused !== null) return answer(response, refused)
    body(request, response, (fault?: unknown) => {
      if (fault !== undefined) return answer(response, unreadable(fault))
      receive(request, options)
        .then(async (taken) => answer(response, taken.ok ? await handle(taken.activity) : taken.refused))
        .catch((error: unknown) => {
          options.log.error('teams activity failed', { channel: 'teams', error: errorName(error) })
          // Teams may send it again.
          answer(response, { status: 503, reason: 'the gateway could not work on this; try again' })
        })
    })
  })
  return {
    router,
    settled: async () => {
      await Promise.allSettled(running)
    },
  }
}

// ---- before anything is looked at

type Answer =
  | { readonly status: 200; readonly body: JsonObject | null }
  | { readonly status: Exclude<number, 200>; readonly reason: string }

function answer(response: Response, given: Answer): void {
  if (response.headersSent) return
  if (!('reason' in given)) {
    response.status(200)
    if (given.body === null) response.end()
    else response.json(given.body)
    return
  }
  // The body may not have been read: keeping the connection would mean reading it.
  response.set('connection', 'close').status(given.status)
  if (given.status === 401) response.set('www-authenticate', 'Bearer')
  response.json({ error: given.reason })
}

function refusal({ method, headers }: Request): Answer | null {
  if (method !== 'POST') return { status: 405, reason: 'only POST is answered here' }
  // Node keeps the first of several Authorization headers.
  if (!/^Bearer [\w-]+\.[\w-]+\.[\w-]+$/.test(headers.authorization ?? '')) return { status: 401, reason: UNSIGNED }
  if (headers['content-encoding'] !== undefined) return { status: 415, reason: 'no content encoding is accepted' }
  const type = headers['content-type'] ?? ''
  if (!/^application\/json(?:\s*;\s*charset="?utf-8"?)?$/i.test(type))
    return { status: 415, reason: 'only application/json is accepted' }
  return null
}

const UNSIGNED = 'the request lacks a bearer token of the Bot Connector'

function unreadable(fault: unknown): Answer {
  const isTooLarge = fault instanceof Error && 'type' in fault && fault.type === 'entity.too.large'
  return isTooLarge ? { status: 413, reason: 'the activity is too large' } : { status: 400, reason: 'no body came' }
}

type Taken = { readonly ok: true; readonly activity: JsonObject } | { readonly ok: false; readonly refused: Answer }

async function receive(request: Request, { transport, ours, log }: InboundOptions): Promise<Taken> {
  const refuse = (status: number, reason: string): Taken => {
    log.warn('teams request refused', { channel: 'teams', status, reason })
    return { ok: false, refused: { status, reason } }
  }
  const bytes: unknown = request.body
  // Large numbers are none of what we read; refusing them would refuse Teams.
  const parsed = Buffer.isBuffer(bytes) ? parseStrict(bytes, { numbers: 'any' }) : null
  if (parsed === null || !parsed.ok || !isObject(parsed.value)) return refuse(400, 'the activity is no JSON object')
  try {
    const verified = await transport.verify(request.headers.authorization, parsed.value)
    const foreign = foreignIn(verified, ours)
    return foreign === null ? { ok: true, activity: verified.activity } : refuse(foreign.status, foreign.reason)
  } catch (error) {
    if (error instanceof Unauthenticated) return refuse(401, 'the token is not one of the Bot Connector for this app')
    log.error('teams activity cannot be verified', { channel: 'teams', error: errorName(error) })
    return refuse(503, 'the Bot Connector’s keys cannot be read; try again later')
  }
}

// ---- what was verified

type Handle = (activity: JsonObject) => Promise<Answer>

const NOTHING: Answer = { status: 200, body: null }

function createHandler(options: InboundOptions, track: (work: Promise<unknown>) => void): Handle {
  const { ours, log, clock } = options
  const once = createOnce({ clock, keptMs: TEAMS_ONCE_MS, keysMax: SEEN_ACTIVITIES_MAX })
  const underWay = new Map<string, Promise<Answer>>()
  const learn = createLearning(options)
  return async (activity) => {
    const parsed = parseActivity(activity, ours)
    if (!parsed.ok) {
      log.warn('teams activity not understood', { channel: 'teams', members: parsed.problem })
      return { status: 400, reason: `the activity’s ${parsed.problem} is not as Teams documents it` }
    }
    const { incoming } = parsed
    const { type, user, words } = incoming
    // What else is written in a channel is not for us, whoever wrote it.
    if (type === 'message' && words === null) return NOTHING
    if ((type === 'message' || type === 'invoke') && user === null) return NOBODY
    await learn(incoming)
    if (isWelcome(incoming) && (await firstOnly(keyOf(activity), once, options))) track(welcome(incoming, options))
    if (user === null) return NOTHING
    const asked = askedOf(incoming, user)
    if (type === 'invoke') return invoked(activity, incoming, asked)
    if (words === null || !(await firstOnly(keyOf(activity), once, options))) return NOTHING
    track(talk(incoming, { asked, words }, options))
    return NOTHING
  }
  async function invoked(activity: JsonObject, incoming: Incoming, asked: Asked): Promise<Answer> {
    if (isQuestion(incoming)) return invoke(incoming, asked, options, track)
    const key = keyOf(activity)
    const same = underWay.get(key)
    if (same !== undefined) return same
    const work = firstOnly(key, once, options).then((isFirst) =>
      isFirst ? invoke(incoming, asked, options, track) : repeated(incoming, log),
    )
    underWay.set(key, work)
    return work.finally(() => underWay.delete(key))
  }
}

function askedOf({ conversation, messageId, isTargeted, isCompose }: Incoming, user: TeamsUser): Asked {
  return { user, conversation, messageId, isTargeted, isCompose }
}

const NOBODY: Answer = { status: 403, reason: 'the activity names no person of Entra' }

function repeated({ name }: Incoming, log: Log): Answer {
  log.info('teams delivery repeated; nothing ran', { channel: 'teams' })
  return { status: 200, body: sentence(name, REPEATED) }
}

/** Where the store that knows of other replicas is away, nothing can be decided either: the handler has to say so. */
async function firstOnly(
  key: string,
  once: ReturnType<typeof createOnce>,
  { isFirst }: InboundOptions,
): Promise<boolean> {
  return once.first(key) && (await isFirst(key).catch(() => true))
}

/**
 * What Teams sends again is the same in all of these; what a person does again has another id. All of what was sent
 * counts, so that nothing else is ever taken for a repetition. A service that repeats under another id would not be
 * noticed here: then the state of the approval decides, as it does with two clicks.
 */
export function keyOf({ type, name, id, replyToId, conversation, from, text, value }: JsonObject): string {
  const ids = [conversation, from].map((one) => (isObject(one) ? (one.id ?? null) : null))
  const parts = [type, name, id, replyToId, text, value].map((part) => part ?? null)
  return createHash('sha256')
    .update(canonicalJson([...ids, ...parts]))
    .digest('base64url')
}

async function invoke(
  incoming: Incoming,
  asked: Asked,
  options: InboundOptions,
  track: (work: Promise<unknown>) => void,
): Promise<Answer> {
  const work = answerInvoke(incoming, asked, options)
  track(work)
  let timer: NodeJS.Timeout | undefined
  const patience = new Promise<typeof late>((resolve) => {
    timer = setTimeout(resolve, options.answerWithinMs ?? ANSWER_WITHIN_MS, late)
  })
  try {
    const body = await Promise.race([work, patience])
    if (body === late) {
      options.log.warn('teams click answered before it was done', { channel: 'teams' })
      return { status: 200, body: sentence(incoming.name, SLOW) }
    }
    // As Microsoft's own libraries answer what a bot has no handler for.
    return body === null ? { status: 501, reason: 'this gateway has no such thing' } : { status: 200, body }
  } finally {
    clearTimeout(timer)
  }
}

// ---- where we are

/** Not in channels: everybody of the team would read it. */
function isWelcome({ isInstallation, conversation }: Incoming): boolean {
  return isInstallation && conversation.kind === 'personal'
}

/** Never rejects: nobody waits for it. */
async function welcome(
  { conversation }: Incoming,
  { transport, welcome: message, log }: InboundOptions,
): Promise<void> {
  await transport.send(conversation, message).catch((error: unknown) => {
    log.warn('teams took no welcome', { channel: 'teams', error: errorName(error) })
  })
}

/**
 * An installation is remembered before Teams hears that it arrived: it is told of once. Of everything else the address
 * is noted beside the work, where it is new.
 */
function createLearning({ conversations, clock, log }: InboundOptions): (incoming: Incoming) => Promise<void> {
  const known = new Map<string, { readonly written: string; readonly until: number }>()
  const remember = async (conversation: Conversation) => {
    const written = JSON.stringify(conversation)
    const before = known.get(conversation.id)
    if (before?.written === written && before.until > clock.now()) return
    await conversations.remember(conversation)
    known.delete(conversation.id)
    known.set(conversation.id, { written, until: clock.now() + KNOWN_CONVERSATION_MS })
    for (const [oldest] of known) {
      if (known.size <= KNOWN_CONVERSATIONS_MAX) break
      known.delete(oldest)
    }
  }
  return async ({ type, conversation, joined, left, isCompose }) => {
    if (left.length > 0) {
      for (const id of left) known.delete(id)
      await Promise.all(left.map((id) => conversations.forget(id)))
      log.info('the app was removed from a conversation of teams', { channel: 'teams', conversation: conversation.id })
      return
    }
    if (joined.length > 0) {
      for (const { id } of joined) known.delete(id)
      await Promise.all(joined.map(remember))
      log.info('the app is in a conversation of teams', { channel: 'teams', conversation: conversation.id })
      return
    }
    // Other events of a team name its first channel, whichever they are about.
    if (type !== 'message' && type !== 'invoke') return
    // A talk of two people, for one, would pass for the talk of one of them with us.
    if (isCompose) return
    remember(conversation).catch((error: unknown) => {
      log.warn('a conversation of teams could not be remembered', { channel: 'teams', error: errorName(error) })
    })
  }
}
