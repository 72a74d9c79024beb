/**
 * What a message of ours says about itself where people don't see it, and how it is found by that.
 *
 * Posting to the Bot Connector is not idempotent and takes no key of its caller's. So each card carries a mark that names
 * it among all others: the `id` of its first element, which no client shows and no text from outside can become. Microsoft
 * Graph gives back a card as it was posted; it alone can list messages, and only where an administrator has allowed it.
 * Any bot can copy the mark: only a message that our own posted is ours.
 */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { EpochMs } from '../../src/brands.ts'
import { isObject, type JsonObject, type JsonValue } from '../../src/json/value.ts'
import { ChannelUnsure, type Conversation, type MessageRef, type Sent } from '../../src/ports.ts'
import { nameOfSent } from '../chat/sent-name.ts'
import type { CardElement } from './card-elements.ts'
import { type Graph, GraphFault } from './graph.ts'
import { FIND_AFTER_MS, FIND_BEFORE_MS, FIND_PAGE, FIND_PAGES_MAX } from './limits.ts'
import type { TeamsMessage } from './transport.ts'

const Ref = z.object({ conversation: z.string(), message: z.string() })
/** Where a message stands, as Teams names it. */
export type TeamsRef = z.infer<typeof Ref>

export const readRef = (ref: MessageRef): TeamsRef => Ref.parse(JSON.parse(ref))
export const writeRef = ({ conversation, message }: TeamsRef): MessageRef =>
  JSON.stringify({ conversation, message }) as MessageRef

export function markOf(sent: Sent): string {
  const { type, payload } = nameOfSent(sent)
  const text = JSON.stringify([type, ...Object.entries(payload).toSorted(([one], [other]) => (one < other ? -1 : 1))])
  return `countersign-${createHash('sha256').update(text).digest('base64url')}`
}

export function marked(message: TeamsMessage, sent: Sent): TeamsMessage {
  const { card } = message
  if (card === null) throw new TypeError('words alone can’t be found again')
  const [first, ...rest] = card.body
  if (first === undefined || 'id' in first) throw new TypeError('a card’s first element must be free for its mark')
  const named: CardElement = Object.assign({ ...first }, { id: markOf(sent) })
  return { ...message, card: { ...card, body: [named, ...rest] } }
}

export interface Search {
  /** Null: the settings don't allow it. */
  readonly graph: Graph | null
  /** Of our bot, which alone posts what is ours. */
  readonly appId: string
  readonly conversation: Conversation
  /** Group ids of the teams that the conversation may be of, where it is a channel. */
  readonly groups: readonly string[]
  /** The message whose thread it is in; null: none. */
  readonly threadId: string | null
  readonly sent: Sent
  readonly at: EpochMs
}

/** Null: it was not posted. Rejects where that can't be told; with ChannelUnsure where it never can. */
export async function findSent(search: Search): Promise<MessageRef | null> {
  const { conversation, graph } = search
  if (conversation.kind === 'personal') {
    throw new ChannelUnsure('Microsoft Graph lets no app list its talk with one person; a click on it would tell')
  }
  if (graph === null) {
    throw new ChannelUnsure(
      'only Microsoft Graph could tell: set channels.teams.graph to true, and let an administrator allow it',
    )
  }
  return conversation.kind === 'channel' ? findInChannel(search, graph) : findIn(search, graph, chatMessages(search))
}

async function findInChannel(search: Search, graph: Graph): Promise<MessageRef | null> {
  let unknown = new GraphFault('no_team_known')
  for (const group of search.groups) {
    try {
      return await findIn(search, graph, channelMessages(search, group))
    } catch (error) {
      if (!(error instanceof GraphFault) || error.status !== 404) throw error
      // The thread went with its message, and so did what was in it; or the channel is another team's.
      if (search.threadId !== null && group === search.conversation.teamGroupId) return null
      unknown = error
    }
  }
  throw unknown
}

interface Listing {
  readonly path: string
  /** Pages after one that is older than this hold nothing newer. */
  readonly isNewestFirst: boolean
}

/** learn.microsoft.com/graph/api/chat-list-messages */
function chatMessages({ conversation }: Search): Listing {
  const query = `$top=${FIND_PAGE}&$orderby=${encodeURIComponent('createdDateTime desc')}`
  return { path: `/v1.0/chats/${encodeURIComponent(conversation.id)}/messages?${query}`, isNewestFirst: true }
}

/**
 * learn.microsoft.com/graph/api/chatmessage-delta: a plain list of a channel's messages can't be asked for a time, and
 * says no order. Replies have no such list; a thread of ours is short (…/chatmessage-list-replies).
 */
function channelMessages({ conversation, threadId, at }: Search, group: string): Listing {
  const messages = `/v1.0/teams/${group}/channels/${encodeURIComponent(conversation.id)}/messages`
  if (threadId !== null) return { path: `${messages}/${threadId}/replies?$top=${FIND_PAGE}`, isNewestFirst: false }
  const since = `lastModifiedDateTime gt ${new Date(at - FIND_BEFORE_MS).toISOString()}`
  return {
    path: `${messages}/delta?$top=${FIND_PAGE}&$filter=${encodeURIComponent(since)}`,
    isNewestFirst: false,
  }
}

async function findIn(search: Search, graph: Graph, { path, isNewestFirst }: Listing): Promise<MessageRef | null> {
  const { at, appId, conversation } = search
  const mark = markOf(search.sent)
  const [from, to] = [at - FIND_BEFORE_MS, at + FIND_AFTER_MS]
  let pages = 0
  for await (const page of graph.pages(path)) {
    const found = page.find((message) => isIt(message, { appId, mark, from, to }))
    if (typeof found?.id === 'string') return writeRef({ conversation: conversation.id, message: found.id })
    if (isNewestFirst && page.length > 0 && page.every((message) => createdAt(message) < from)) return null
    pages += 1
    if (pages >= FIND_PAGES_MAX) throw new GraphFault('too_many_messages')
  }
  return null
}

interface Wanted {
  readonly appId: string
  readonly mark: string
  readonly from: number
  readonly to: number
}

/** learn.microsoft.com/graph/api/resources/chatmessage */
function isIt(message: JsonObject, { appId, mark, from, to }: Wanted): boolean {
  const created = createdAt(message)
  if (!(created >= from && created <= to) || (message.deletedDateTime ?? null) !== null) return false
  const application = member(message.from, 'application')
  if (String(member(application, 'id')).toLowerCase() !== appId) return false
  const attachments = Array.isArray(message.attachments) ? message.attachments : []
  return attachments.some((each) => isMarked(member(each, 'content'), mark))
}

function isMarked(content: JsonValue, mark: string): boolean {
  if (typeof content !== 'string' || !content.includes(mark)) return false
  try {
    const body = member(JSON.parse(content) as JsonValue, 'body')
    return Array.isArray(body) && member(body[0] ?? null, 'id') === mark
  } catch {
    return false
  }
}

function member(value: JsonValue | undefined, name: string): JsonValue {
  return isObject(value) ? (value[name] ?? null) : null
}

function createdAt({ createdDateTime }: JsonObject): number {
  return typeof createdDateTime === 'string' ? Date.parse(createdDateTime) : Number.NaN
}
