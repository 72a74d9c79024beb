/**
 * The Bot Connector of Teams.
 * learn.microsoft.com/azure/bot-service/rest-api/bot-framework-rest-connector-api-reference;
 * learn.microsoft.com/microsoftteams/platform/bots/how-to/conversations and …/build-conversational-capability
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { isObject, type JsonObject, type JsonValue } from '../../src/json/value.ts'
import { cardProblems } from './fake-teams-card-rules.ts'
import { type Answer, answered, jsonIn, refuse, textOf } from './fake-teams-http.ts'
import { overRate } from './fake-teams-rate.ts'
import { readToken } from './fake-teams-tokens.ts'
import {
  botMri,
  type FakeMessage,
  type FakePerson,
  findPerson,
  membersOf,
  mriOf,
  nextMessageId,
  type Operation,
  personalRoom,
  type Room,
  type World,
} from './fake-teams-world.ts'

/** "within 80 KB to guarantee successful message delivery", as UTF-16: …/bots/how-to/format-your-bot-messages */
export const MESSAGE_BYTES_MAX = 80 * 1024
/** …/resources/team-chat-member-api-changes: at least 50, at most 500 a page. */
const PAGE_MIN = 50
const PAGE_MAX = 500
export const CARD_TYPE = 'application/vnd.microsoft.card.adaptive'

interface Call {
  readonly world: World
  readonly query: URLSearchParams
  readonly body: JsonObject | null
}

interface Target {
  readonly room: Room
  /** In a channel, of `;messageid=`. */
  readonly threadId: string | null
}

/** Below the service URL: `/emea/v3/…`. */
export async function connector(world: World, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', world.baseUrl)
  const parts = url.pathname.split('/').slice(2).map(decodeURIComponent)
  const route = routeOf(request.method ?? 'GET', parts)
  if (route === null) return void response.writeHead(404).end()
  const text = await textOf(request)
  const body = jsonIn(text)
  await answered(world, { operation: route.operation, request, response, body }, async () => {
    const audience = world.scope.replace(/\/\.default$/, '')
    if ((await readToken(world, request.headers.authorization, [audience])) === null) {
      return refuse(401, 'Unauthorized', 'Authorization has been denied for this request.')
    }
    const conversation = parts[2] ?? channelIn(body) ?? ''
    const waitSec = overRate(world, route.operation, conversation.split(';')[0] ?? '')
    if (waitSec !== null) return refuse(429, 'Throttled', 'Too many requests.', { 'retry-after': String(waitSec) })
    if (text.length * 2 > MESSAGE_BYTES_MAX) return refuse(413, 'MessageSizeTooBig', 'Message size too large.')
    if (request.method !== 'GET' && request.method !== 'DELETE' && body === null) return badSyntax('no JSON object')
    return route.run({ world, query: url.searchParams, body }, parts)
  })
}

interface Route {
  readonly operation: Operation
  run(call: Call, parts: readonly string[]): Answer
}

function routeOf(method: string, parts: readonly string[]): Route | null {
  const [version, conversations, id, what, item] = parts
  if (version !== 'v3' || conversations !== 'conversations' || parts.length > 5) return null
  const at = (operation: Operation, run: (call: Call, target: Target, item: string) => Answer): Route => ({
    operation,
    run: (call) => within(call, id ?? '', (target) => run(call, target, item ?? '')),
  })
  if (parts.length === 2) return method === 'POST' ? { operation: 'create', run: create } : null
  const name = `${method} ${what}${item === undefined ? '' : '/id'}`
  switch (name) {
    case 'POST activities':
      return at('send', (call, target) => send(call, target, null))
    case 'POST activities/id':
      return at('send', (call, target, replyTo) => send(call, target, replyTo))
    case 'PUT activities/id':
      return at('update', update)
    case 'DELETE activities/id':
      return at('delete', remove)
    case 'GET members':
      return at('members', ({ world }, { room }) => ({
        status: 200,
        body: membersOf(world, room).map((one) => memberJson(world, one)),
      }))
    case 'GET pagedmembers':
      return at('members', pagedMembers)
    case 'GET members/id':
      return at('member', member)
    default:
      return null
  }
}

/** A bot is only where it was installed: everywhere else it is no member, and is told so. */
function within({ world }: Call, id: string, run: (target: Target) => Answer): Answer {
  const [, roomId = '', threadId = null] = /^([^;]+)(?:;messageid=(\d+))?$/.exec(id) ?? []
  const room = world.rooms.get(roomId)
  if (room === undefined) return refuse(404, 'ConversationNotFound', 'Conversation not found.')
  if (!isBotIn(world, room)) {
    return refuse(403, 'BotNotInConversationRoster', 'The bot is not part of the conversation roster.')
  }
  if (threadId !== null && (room.kind !== 'channel' || !exists(world, room, threadId))) {
    return refuse(404, 'ConversationNotFound', 'Conversation not found.')
  }
  return run({ room, threadId })
}

/** An installation in a team is one for all of its channels. */
export function isBotIn(world: World, room: Room): boolean {
  if (room.isInstalled) return true
  const { team } = room
  return team !== undefined && [...world.rooms.values()].some((one) => one.isInstalled && one.team?.id === team.id)
}

function exists(world: World, room: Room, messageId: string): boolean {
  return world.messages.some(
    ({ id, conversationId, isDeleted }) => id === messageId && conversationId === room.id && !isDeleted,
  )
}

function send({ world, query, body }: Call, { room, threadId }: Target, replyTo: string | null): Answer {
  if (room.isBlocked) {
    return refuse(403, 'ConversationBlockedByUser', 'User blocked the conversation with the bot.')
  }
  const onlyTo = targeted(world, room, query, body)
  if (!onlyTo.ok) return onlyTo.answer
  const content = contentOf(body)
  if (!content.ok) return content.answer
  if (replyTo !== null && !exists(world, room, replyTo)) return noActivity()
  const id = nextMessageId(world)
  const parent = threadId ?? (replyTo === null ? null : rootOf(world, room, replyTo))
  world.messages.push({
    ...{ id, conversationId: room.id, threadId: room.kind === 'channel' ? (parent ?? id) : null },
    ...{
      from: botMri(world),
      onlyTo: onlyTo.mri,
      ...content.content,
      edits: 0,
      isDeleted: false,
      createdAt: Number(id),
    },
  })
  return { status: 201, body: { id } }
}

/** learn.microsoft.com/microsoftteams/platform/agents-in-teams/targeted-messages: one member of a channel or chat alone. */
function targeted(
  world: World,
  room: Room,
  query: URLSearchParams,
  body: JsonObject | null,
): { ok: true; mri: string | null } | { ok: false; answer: Answer } {
  if (query.get('isTargetedActivity') !== 'true') return { ok: true, mri: null }
  if (room.kind === 'personal') return { ok: false, answer: badSyntax('a talk of two has no targeted messages') }
  const recipient = isObject(body?.recipient) ? body.recipient.id : undefined
  const found = membersOf(world, room).find((person) => mriOf(person) === recipient)
  return found === undefined
    ? { ok: false, answer: badSyntax('the recipient is no member of the conversation') }
    : { ok: true, mri: mriOf(found) }
}

function rootOf(world: World, room: Room, messageId: string): string | null {
  return (
    world.messages.find(({ id, conversationId }) => id === messageId && conversationId === room.id)?.threadId ?? null
  )
}

function update({ world, body }: Call, { room }: Target, messageId: string): Answer {
  const message = ownMessage(world, room, messageId)
  if (message === null) return noActivity()
  const content = contentOf(body)
  if (!content.ok) return content.answer
  Object.assign(message, { ...content.content, edits: message.edits + 1 })
  for (const key of world.personal.keys()) if (key.startsWith(`${messageId} `)) world.personal.delete(key)
  return { status: 200, body: { id: messageId } }
}

function remove({ world }: Call, { room }: Target, messageId: string): Answer {
  const message = ownMessage(world, room, messageId)
  if (message === null) return noActivity()
  message.isDeleted = true
  return { status: 200 }
}

/** A bot edits its own messages alone. */
function ownMessage(world: World, room: Room, messageId: string): FakeMessage | null {
  const found = world.messages.find(({ id, conversationId }) => id === messageId && conversationId === room.id)
  return found === undefined || found.isDeleted || found.from !== botMri(world) ? null : found
}

type Content = Pick<FakeMessage, 'activity' | 'card' | 'text' | 'summary'>

function contentOf(body: JsonObject | null): { ok: true; content: Content } | { ok: false; answer: Answer } {
  const no = (sentence: string) => ({ ok: false, answer: badSyntax(sentence) }) as const
  if (body === null || body.type !== 'message') return no('Activity type must be message')
  const { text = '', summary = '', attachments = [], textFormat } = body
  if (typeof text !== 'string' || typeof summary !== 'string') return no('text and summary are strings')
  if (textFormat !== undefined && !['plain', 'markdown', 'xml'].includes(String(textFormat)))
    return no('unknown textFormat')
  if (!Array.isArray(attachments)) return no('attachments is no list')
  const found = attachments.map(cardIn)
  if (text === '' && attachments.length === 0) return no('the message has neither text nor attachments')
  const problems = found.flatMap(({ problem }) => problem)
  if (problems.length > 0) return no(problems.join('; '))
  return { ok: true, content: { activity: body, card: found[0]?.card ?? null, text, summary } }
}

function cardIn(attachment: JsonValue): { card: JsonObject | null; problem: readonly string[] } {
  if (!isObject(attachment) || attachment.contentType !== CARD_TYPE) {
    return { card: null, problem: ['an attachment is no Adaptive Card'] }
  }
  const { content } = attachment
  return { card: isObject(content) ? content : null, problem: cardProblems(content) }
}

/** A talk of two, or a new thread of a channel; "You can't create a new group chat or a new channel". */
function create({ world, body }: Call): Answer {
  const channel = channelIn(body)
  if (body?.isGroup === true || channel !== null) return createThread(world, body, channel)
  const members = Array.isArray(body?.members) ? body.members : []
  const [member] = members
  const tenant = tenantIn(body)
  if (members.length !== 1 || !isObject(member)) return badSyntax('members must name one person')
  if (tenant === null) return badSyntax('channelData.tenant.id is missing')
  if (tenant.toLowerCase() !== world.tenantId)
    return refuse(403, 'BotNotInConversationRoster', 'The bot is not part of the tenant.')
  const person = findPerson(world, String(member.id))
  if (person === null || mriOf(person).startsWith('28:')) return badSyntax('Bad format of conversation ID')
  const room = personalRoom(world, person)
  if (!room.isInstalled && !sharesTeam(world, person)) {
    return refuse(403, 'ForbiddenOperationException', "Bot isn't installed in user's personal scope")
  }
  room.isInstalled = true
  if (!isObject(body?.activity)) return { status: 201, body: { id: room.id } }
  const sent = send({ world, query: new URLSearchParams(), body: body.activity }, { room, threadId: null }, null)
  return sent.status === 201
    ? { status: 201, body: { id: room.id, activityId: (sent.body as { id: string }).id } }
    : sent
}

/** "install the app for the user or make the user a part of a team in which the app is installed" */
function sharesTeam(world: World, person: FakePerson): boolean {
  const rooms = [...world.rooms.values()].filter((room) => room.kind === 'channel' && isBotIn(world, room))
  return rooms.some((room) => membersOf(world, room).includes(person))
}

function createThread(world: World, body: JsonObject | null, channel: string | null): Answer {
  if (channel === null) return badSyntax('channelData.channel.id is missing')
  if (!isObject(body?.activity)) return badSyntax('activity is missing')
  const { activity } = body
  const call = { world, query: new URLSearchParams(), body: activity }
  const sent = within(call, channel, (target) => send(call, target, null))
  if (sent.status !== 201) return sent
  const { id } = sent.body as { id: string }
  return { status: 201, body: { id: `${channel};messageid=${id}`, activityId: id } }
}

function channelIn(body: JsonObject | null): string | null {
  const data = isObject(body?.channelData) ? body.channelData : {}
  const channel = isObject(data.channel) ? data.channel.id : data.teamsChannelId
  return typeof channel === 'string' ? channel : null
}

function tenantIn(body: JsonObject | null): string | null {
  const data = isObject(body?.channelData) ? body.channelData : {}
  const tenant = isObject(data.tenant) ? data.tenant.id : body?.tenantId
  return typeof tenant === 'string' ? tenant : null
}

function pagedMembers({ world, query }: Call, { room }: Target): Answer {
  const size = Math.min(PAGE_MAX, Math.max(PAGE_MIN, Number(query.get('pageSize') ?? PAGE_MAX)))
  const token = query.get('continuationToken')
  const from = token === null ? 0 : placeOf(token)
  if (Number.isNaN(size) || Number.isNaN(from)) return badSyntax('pageSize or continuationToken')
  const all = membersOf(world, room)
  const members = all.slice(from, from + size).map((one) => memberJson(world, one))
  const next = from + size
  return { status: 200, body: { members, ...(next < all.length && { continuationToken: cursorOf(next) }) } }
}

function member({ world }: Call, { room }: Target, id: string): Answer {
  const found = membersOf(world, room).find((person) => mriOf(person) === id || person.oid === id.toLowerCase())
  if (found !== undefined) return { status: 200, body: memberJson(world, found) }
  return refuse(404, 'MemberNotFoundInConversation', 'Member not found in conversation.')
}

/** …/bots/how-to/get-teams-context, "Fetch the roster or user profile" */
export function memberJson(world: World, person: FakePerson): object {
  const { oid, name, email, userPrincipalName, userRole = 'user' } = person
  const [givenName, ...rest] = name.split(' ')
  const entra = oid === null ? {} : { objectId: oid, aadObjectId: oid, userPrincipalName: userPrincipalName ?? email }
  return {
    ...{ id: mriOf(person), name, givenName, surname: rest.join(' '), ...entra },
    ...{ ...(email !== undefined && { email }), tenantId: person.tenantId ?? world.tenantId, userRole },
  }
}

/** Opaque, so that whoever counts instead of giving it back gets nothing. */
export const cursorOf = (place: number): string => Buffer.from(`after:${place}`).toString('base64url')
export const placeOf = (cursor: string): number =>
  Number(/^after:(\d+)$/.exec(Buffer.from(cursor, 'base64url').toString())?.[1])

function badSyntax(message: string): Answer {
  return refuse(400, 'BadSyntax', message)
}

function noActivity(): Answer {
  return refuse(
    404,
    'ActivityNotFoundInConversation',
    'The message ID provided could not be found in the conversation.',
  )
}
