/**
 * All that goes out to Teams by itself: cards, their repaints and threads, what the person behind an agent is told,
 * summaries and notices. When, and whether at all, is the outbox's to say; here is where and how.
 *
 * A message into a channel begins a thread, and what follows it goes there; chats have no threads, so there it follows in
 * the talk. Nothing is broadcast: in a channel an answer lifts its thread to the end, where people see it.
 */
import type { Card } from '../../src/approval/card.ts'
import type { EpochMs } from '../../src/brands.ts'
import type { TeamsSettings } from '../../src/config/settings.ts'
import { noticeText } from '../../src/notice/notice-text.ts'
import type { Reviewer } from '../../src/people/reviewer.ts'
import { placeIn } from '../../src/policy/place.ts'
import {
  type ApprovalStore,
  type Channel,
  ChannelBusy,
  ChannelRefused,
  type Clock,
  type Conversation,
  type Conversations,
  type Log,
  type LogFields,
  type MessageRef,
  type People,
  type Place,
  placeOfRequester,
  type Sent,
  SUMMARY_DETAILS,
} from '../../src/ports.ts'
import { errorName } from '../chat/error-name.ts'
import { isGone } from '../chat/gone.ts'
import { createPace, type Pace } from '../chat/pace.ts'
import type { Requesters } from '../chat/requesters.ts'
import { cardMessage } from './card.ts'
import { digestMessage } from './digest-card.ts'
import type { Graph } from './graph.ts'
import { NOT_READY_RETRY_MS, POST_LIMITS, UPDATE_LIMITS } from './limits.ts'
import { noticeMessage } from './notice-card.ts'
import { replyMessage } from './reply-card.ts'
import { requesterMessage } from './requester-card.ts'
import { createRequesters } from './requesters.ts'
import { createRooms, isNotThere, type Rooms } from './rooms.ts'
import { createRosters, type Rosters } from './rosters.ts'
import { findSent, marked, readRef, writeRef } from './sent.ts'
import { summaryDetails, summaryMessage } from './summary-card.ts'
import type { TeamsMember, TeamsMessage, Transport } from './transport.ts'

export interface OutgoingOptions {
  readonly settings: Pick<TeamsSettings, 'appId' | 'tenantId' | 'endpoints' | 'approvals' | 'summaries'>
  readonly transport: Transport
  readonly conversations: Conversations
  readonly people: Pick<People, 'isMember'>
  /** Null: a guest, or nobody who may review. */
  readonly reviewerOf: (member: TeamsMember) => Reviewer | null
  /** See TeamsRequestersOptions. */
  readonly oidByEmail: (email: string) => Promise<string | null>
  /** Null: the settings don't allow it. */
  readonly graph: Graph | null
  readonly get: ApprovalStore['get']
  readonly clock: Clock
  readonly log: Log
}

interface Parts extends OutgoingOptions {
  readonly rooms: Rooms
  readonly rosters: Rosters
  readonly requesters: Requesters<Conversation>
  readonly posts: Pace
  readonly updates: Pace
}

const REQUESTER = placeOfRequester('teams')

export function createOutgoing(options: OutgoingOptions): Channel {
  const { settings, clock } = options
  const rooms = createRooms(options)
  const rosters = createRosters(options)
  const home = () => rooms.named(settings.approvals)
  const requesters = createRequesters({ ...options, tenantId: settings.tenantId, rosters, home })
  // What a library answers is in our words already: see transport.ts.
  const paced = { clock, asChannelError: (_method: string, error: unknown) => error }
  const posts = createPace({ ...paced, limits: POST_LIMITS })
  const updates = createPace({ ...paced, limits: UPDATE_LIMITS })
  const parts: Parts = { ...options, rooms, rosters, requesters, posts, updates }
  return channelOf(parts)
}

function channelOf(parts: Parts): Channel {
  return {
    name: 'teams',
    tellsRequester: true,
    async post(card, place) {
      const sent = { kind: 'card', approvalId: card.approvalId, place } as const
      const made = await beforeSending(parts, async () => {
        const to = await conversationFor(parts, sent)
        const message = to === null ? null : await messageFor(parts, card, { place, conversation: to })
        return to === null || message === null ? null : { to, message }
      })
      return made === null ? null : post(parts, { ...made, sent }).catch(nobodyIn(place))
    },
    update: (ref, card, place) => update(parts, { ref, card, place }),
    async reply(ref, reply, about) {
      const message = replyMessage(reply, about)
      if (message === null) return
      const sent = { kind: 'reply', ref, replyId: reply.id } as const
      await follow(parts, { message, sent, fields: { approval_id: about.card.approvalId } })
    },
    async notify(id, notice, place) {
      const sent = { kind: 'notice', id, place } as const
      const to = await beforeSending(parts, () => roomIn(parts, place))
      await post(parts, { to, message: noticeMessage(noticeText(notice)), sent })
    },
    async summarise(summary, place) {
      const sent = { kind: 'summary', sessionId: summary.sessionId, place } as const
      const to = await beforeSending(parts, () => summariesIn(parts))
      return post(parts, { to, message: summaryMessage(summary), sent })
    },
    async detail(ref, summary) {
      const sent = { kind: 'reply', ref, replyId: SUMMARY_DETAILS } as const
      await follow(parts, { message: summaryDetails(summary), sent, fields: { session_id: summary.sessionId } })
    },
    async digest(digest, place) {
      const sent = { kind: 'digest', week: digest.week, place } as const
      const to = await beforeSending(parts, () => summariesIn(parts))
      await post(parts, { to, message: digestMessage(digest), sent })
    },
    find: (sent, at) => find(parts, sent, at),
  }
}

/**
 * Whatever fails in here (Redis, Graph), nothing was posted. Said in other words than the outbox knows, it would count as
 * a message that may be there, and without Graph such a message is given up.
 */
async function beforeSending<Made>({ log }: Parts, make: () => Promise<Made>): Promise<Made> {
  try {
    return await make()
  } catch (error) {
    if (error instanceof ChannelBusy || error instanceof ChannelRefused) throw error
    log.warn('a message to teams is put off', { channel: 'teams', error: errorName(error) })
    throw new ChannelBusy(NOT_READY_RETRY_MS, { cause: error, isForThisOnly: true })
  }
}

interface Post {
  readonly to: Conversation
  readonly message: TeamsMessage
  readonly sent: Sent
  readonly replyTo?: string
}

async function post({ transport, posts, rooms }: Parts, { to, message, sent, replyTo }: Post): Promise<MessageRef> {
  const thread = replyTo === undefined ? {} : { replyTo }
  try {
    const id = await posts.run({ method: 'post', conversation: to.id }, () =>
      transport.send(to, marked(message, sent), thread),
    )
    return writeRef({ conversation: to.id, message: id })
  } catch (error) {
    await rooms.refused(to, error)
    throw error
  }
}

/** They don't have the app any more, or block it: for people that is an answer; a room has to be mended. */
function nobodyIn(place: Place): (error: unknown) => null {
  return (error) => {
    const isBlocked = error instanceof ChannelRefused && BLOCKED.has(error.code)
    if (place === REQUESTER && (isBlocked || isNotThere(error))) return null
    throw error
  }
}

/** learn.microsoft.com/microsoftteams/platform/bots/build-conversational-capability, status codes. */
const BLOCKED = new Set(['ConversationBlockedByUser', 'MessageWritesBlocked', 'BotDisabledByAdmin'])
const GONE = new Set([...BLOCKED, 'ActivityNotFoundInConversation', 'ConversationNotFound', 'http_404'])

const unlessGone = ({ log }: Parts, fields: LogFields) => isGone(GONE, { chat: 'teams', log, fields })

interface Follow {
  readonly message: TeamsMessage
  readonly sent: Extract<Sent, { kind: 'reply' }>
  readonly fields: LogFields
}

async function follow(parts: Parts, { message, sent, fields }: Follow): Promise<void> {
  const { conversation, message: root } = readRef(sent.ref)
  const to = await beforeSending(parts, () => standing(parts, conversation))
  await post(parts, { to, message, sent, ...(to.kind === 'channel' && { replyTo: root }) }).catch(
    unlessGone(parts, fields),
  )
}

async function update(
  parts: Parts,
  { ref, card, place }: { readonly ref: MessageRef; readonly card: Card; readonly place: Place },
): Promise<void> {
  const { transport, updates } = parts
  const where = readRef(ref)
  const conversation = await standing(parts, where.conversation)
  const message = await messageFor(parts, card, { place, conversation })
  if (message === null) return
  const painted = marked(message, { kind: 'card', approvalId: card.approvalId, place })
  await updates
    .run({ method: 'update', conversation: conversation.id }, () =>
      transport.update(conversation, where.message, painted),
    )
    .catch(unlessGone(parts, { approval_id: card.approvalId }))
}

/** Null: the approval is kept no longer. */
async function messageFor(
  { get, rosters }: Parts,
  card: Card,
  { place, conversation }: { readonly place: Place; readonly conversation: Conversation },
): Promise<TeamsMessage | null> {
  const approval = await get(card.approvalId)
  if (place === REQUESTER) return approval === null ? null : requesterMessage(approval, card)
  // A resolved one offers nothing that differs from person to person.
  const isAsking = approval?.state === 'pending'
  return cardMessage(card, isAsking ? await rosters.viewersOf(approval, conversation) : null)
}

/** Of a message that is there: a personal talk is known by its id too. */
async function standing({ conversations, rooms }: Parts, id: string): Promise<Conversation> {
  return (await conversations.get(id)) ?? rooms.named(id)
}

/** Null: nobody is to be found there. */
async function conversationFor(parts: Parts, sent: Sent): Promise<Conversation | null> {
  switch (sent.kind) {
    case 'notice':
      return roomIn(parts, sent.place)
    case 'summary':
    case 'digest':
      return summariesIn(parts)
    case 'reply':
      return standing(parts, readRef(sent.ref).conversation)
    case 'card': {
      if (sent.place !== REQUESTER) return roomIn(parts, sent.place)
      const approval = await parts.get(sent.approvalId)
      return approval === null ? null : parts.requesters.conversationWith(approval)
    }
  }
}

async function roomIn({ rooms, settings }: Parts, place: Place): Promise<Conversation> {
  const parsed = placeIn(place)
  if (parsed?.channel !== 'teams') {
    throw new ChannelRefused(`channels.teams has no place "${place}"`, { code: 'unknown_place' })
  }
  return rooms.named(parsed.room ?? settings.approvals)
}

const summariesIn = ({ rooms, settings }: Parts) => rooms.named(settings.summaries)

async function find(parts: Parts, sent: Sent, at: EpochMs): Promise<MessageRef | null> {
  const { graph, settings, rooms } = parts
  const conversation = await conversationFor(parts, sent)
  if (conversation === null) return null
  const threadId = sent.kind === 'reply' && conversation.kind === 'channel' ? readRef(sent.ref).message : null
  const groups = await rooms.groupsOf(conversation)
  return findSent({ graph, appId: settings.appId, conversation, groups, threadId, sent, at })
}
