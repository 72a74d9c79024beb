/**
 * Microsoft Graph, as far as the product asks it. Each rule cites its page below learn.microsoft.com/graph.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { JsonObject } from '../../src/json/value.ts'
import { cursorOf, placeOf } from './fake-teams-connector.ts'
import { graphAudiences } from './fake-teams-entra.ts'
import { type Answer, answered, jsonIn, textOf } from './fake-teams-http.ts'
import { readToken } from './fake-teams-tokens.ts'
import { botMri, type FakeMessage, type FakePerson, type World } from './fake-teams-world.ts'

/** api/directoryobject-checkmembergroups: "up to a maximum of 20". */
const GROUPS_MAX = 20
/** api/channel-list-messages and api/chat-list-messages. */
const TOP_MAX = 50
const TOP_DEFAULT = 20

export async function graph(world: World, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', world.baseUrl)
  const body = jsonIn(await textOf(request))
  await answered(world, { operation: 'graph', request, response, body }, async () => {
    const token = await readToken(world, request.headers.authorization, graphAudiences(world))
    if (token === null) return fault(401, 'InvalidAuthenticationToken', 'Access token validation failure.')
    const parts = url.pathname.split('/').slice(2).map(decodeURIComponent)
    return route({ world, roles: token.roles, url, body, parts, method: request.method ?? 'GET' })
  })
}

interface Call {
  readonly world: World
  readonly roles: readonly string[]
  readonly url: URL
  readonly body: JsonObject | null
  readonly parts: readonly string[]
  readonly method: string
}

function route(call: Call): Answer {
  const { parts, method } = call
  const [what, id = '', more] = parts
  if (what === 'users' && method === 'GET' && parts.length === 1) return usersByAddress(call)
  if (what === 'users' && method === 'GET' && parts.length === 2) return user(call, id)
  if (what === 'users' && method === 'POST' && more === 'checkMemberGroups') return checkMemberGroups(call, id)
  if (what === 'groups' && method === 'GET' && parts.length === 2) return group(call, id)
  if (what === 'teams' && more === 'channels' && parts[4] === 'messages') return channelMessages(call)
  if (what === 'chats' && more === 'messages') return chatMessages(call)
  return fault(400, 'BadRequest', `Resource not found for the segment '${parts.at(-1)}'.`)
}

/** api/user-get: a few properties by default, others by `$select`. */
function user({ world, roles, url }: Call, id: string): Answer {
  if (!has(roles, 'User.Read.All', 'Directory.Read.All')) return denied()
  const person = findUser(world, id)
  if (person === null) return noResource(id)
  return { status: 200, body: userJson(url, person) }
}

/** api/user-list: `$filter` by `mail` and `userPrincipalName`, as OData writes texts; no other filter is understood. */
function usersByAddress({ world, roles, url }: Call): Answer {
  if (!has(roles, 'User.Read.All', 'Directory.Read.All')) return denied()
  const asked = /^mail eq '((?:[^']|'')+)' or userPrincipalName eq '\1'$/.exec(
    url.searchParams.get('$filter') ?? '',
  )?.[1]
  if (asked === undefined) return fault(400, 'BadRequest', 'Invalid filter clause')
  const address = asked.replaceAll("''", "'").toLowerCase()
  const here = [...world.people.values()].filter(({ tenantId = world.tenantId }) => tenantId === world.tenantId)
  const found = here.filter(({ email, userPrincipalName = email }) =>
    [email, userPrincipalName].some((one) => one?.toLowerCase() === address),
  )
  const value = found.slice(0, Number(url.searchParams.get('$top') ?? 100)).map((person) => userJson(url, person))
  return { status: 200, body: { value } }
}

function userJson(url: URL, person: FakePerson): object {
  const { name, email, userPrincipalName, userType = 'Member', accountEnabled = true } = person
  const all: Record<string, unknown> = {
    id: person.oid,
    displayName: name,
    mail: email ?? null,
    userPrincipalName: userPrincipalName ?? email ?? null,
    userType,
    accountEnabled,
    proxyAddresses: person.proxyAddresses ?? [],
  }
  return selected(url, all, ['id', 'displayName', 'mail', 'userPrincipalName'])
}

function selected(url: URL, all: Record<string, unknown>, usual: readonly string[]): object {
  const names = url.searchParams.get('$select')?.split(',') ?? usual
  return Object.fromEntries(names.filter((name) => name in all).map((name) => [name, all[name]]))
}

/** People of another tenant are not in our directory, unless as guests with an object id of ours. */
function findUser(world: World, id: string): FakePerson | null {
  const here = [...world.people.values()].filter(({ tenantId = world.tenantId }) => tenantId === world.tenantId)
  return here.find(({ oid, userPrincipalName }) => oid === id || userPrincipalName === id) ?? null
}

/** api/directoryobject-checkmembergroups: by way of other groups too; GroupMember.Read.All with User.Read.All. */
function checkMemberGroups({ world, roles, body }: Call, id: string): Answer {
  const isAllowed =
    has(roles, 'Directory.Read.All') || (has(roles, 'GroupMember.Read.All') && has(roles, 'User.Read.All'))
  if (!isAllowed) return denied()
  const person = findUser(world, id)
  if (person === null) return noResource(id)
  const asked = body?.groupIds
  if (!Array.isArray(asked)) return fault(400, 'Request_BadRequest', "A value is required for 'groupIds'.")
  if (asked.length > GROUPS_MAX) return fault(400, 'Request_BadRequest', 'The number of groupIds exceeds 20.')
  const unknown = asked.find((one) => !world.groups.has(String(one)))
  if (unknown !== undefined) return noResource(String(unknown))
  return { status: 200, body: { value: asked.filter((one) => person.groups?.includes(String(one))) } }
}

/** api/group-get */
function group({ world, roles, url }: Call, id: string): Answer {
  if (!has(roles, 'GroupMember.Read.All', 'Group.Read.All', 'Directory.Read.All')) return denied()
  const found = world.groups.get(id)
  if (found === undefined) return noResource(id)
  const all = { ...found, description: null, securityEnabled: true, mailEnabled: false }
  return { status: 200, body: selected(url, all, Object.keys(all)) }
}

/** api/channel-list-messages (threads' first messages), api/chatmessage-list-replies, api/chatmessage-get */
function channelMessages(call: Call): Answer {
  const { world, roles, parts } = call
  if (!has(roles, 'ChannelMessage.Read.All', 'ChannelMessage.Read.Group', 'Group.Read.All')) return forbidden()
  const [, groupId, , channelId, , rootId, replies] = parts
  const room = world.rooms.get(channelId ?? '')
  if (room?.kind !== 'channel' || room.team?.groupId !== groupId) return fault(404, 'NotFound', 'NotFound')
  const all = world.messages.filter((message) => message.conversationId === room.id && message.onlyTo === null)
  const roots = all.filter(({ id, threadId }) => threadId === id)
  if (rootId === undefined) return page(call, roots)
  if (rootId === 'delta') return delta(call, roots)
  const root = all.find(({ id }) => id === rootId)
  if (root === undefined) return fault(404, 'NotFound', 'NotFound')
  if (replies === undefined) return { status: 200, body: messageJson(world, root) }
  const answers = all.filter(({ id, threadId }) => threadId === rootId && id !== rootId)
  return page(call, answers)
}

/** api/chatmessage-delta: "the only supported filter is lastModifiedDateTime gt"; replies are left out. */
function delta(call: Call, roots: readonly FakeMessage[]): Answer {
  const filter = call.url.searchParams.get('$filter')
  const since = filter === null ? null : /^lastModifiedDateTime gt (\S+Z)$/.exec(filter)?.[1]
  if (since === undefined) return fault(400, 'BadRequest', 'Filter is not supported.')
  const found = since === null ? roots : roots.filter(({ createdAt }) => createdAt > Date.parse(since))
  return page(call, found, { isDelta: true })
}

/** api/chat-list-messages */
function chatMessages(call: Call): Answer {
  const { world, roles, parts } = call
  if (!has(roles, 'Chat.Read.All', 'Chat.ReadWrite.All', 'ChatMessage.Read.Chat')) return forbidden()
  const room = world.rooms.get(parts[1] ?? '')
  if (room === undefined || room.kind === 'channel') return fault(404, 'NotFound', 'NotFound')
  return page(
    call,
    world.messages.filter(({ conversationId, onlyTo }) => conversationId === room.id && onlyTo === null),
  )
}

function page({ world, url }: Call, all: readonly FakeMessage[], { isDelta = false } = {}): Answer {
  const top = Number(url.searchParams.get('$top') ?? TOP_DEFAULT)
  const token = url.searchParams.get('$skiptoken')
  const from = token === null ? 0 : placeOf(token)
  const order = url.searchParams.get('$orderby') ?? 'createdDateTime desc'
  // api/chat-list-messages: "only descending order is supported".
  if (!/^(?:createdDateTime|lastModifiedDateTime) desc$/.test(order))
    return fault(400, 'BadRequest', 'Unsupported $orderby.')
  if (!Number.isInteger(top) || top < 1 || top > TOP_MAX || Number.isNaN(from)) {
    return fault(400, 'BadRequest', `The limit of '${TOP_MAX}' for Top query has been exceeded.`)
  }
  const newest = all.toSorted((one, other) => other.createdAt - one.createdAt)
  const next = new URL(url)
  next.searchParams.set('$skiptoken', cursorOf(from + top))
  const last = new URL(`${url.origin}${url.pathname}?$deltatoken=${cursorOf(newest.length)}`)
  const ended = isDelta ? { '@odata.deltaLink': last.href } : {}
  const link = from + top < newest.length ? { '@odata.nextLink': next.href } : ended
  const value = newest.slice(from, from + top).map((message) => messageJson(world, message))
  return { status: 200, body: { '@odata.count': value.length, ...link, value } }
}

/** resources/chatmessage */
function messageJson(world: World, message: FakeMessage): object {
  const { id, threadId, card, text, summary, isDeleted, createdAt, edits } = message
  const room = world.rooms.get(message.conversationId)
  const isOurs = message.from === botMri(world)
  const application = { id: world.appId, displayName: 'Countersign', applicationIdentityType: 'bot' }
  const person = [...world.people].find(([mri]) => mri === message.from)?.[1]
  const attachment = {
    id: `${id}-card`,
    contentType: 'application/vnd.microsoft.card.adaptive',
    content: JSON.stringify(card),
  }
  const createdDateTime = new Date(createdAt).toISOString()
  return {
    ...{ id, replyToId: threadId === null || threadId === id ? null : threadId, etag: id, messageType: 'message' },
    ...{
      createdDateTime,
      lastModifiedDateTime: createdDateTime,
      lastEditedDateTime: edits === 0 ? null : createdDateTime,
    },
    deletedDateTime: isDeleted ? createdDateTime : null,
    summary: summary === '' ? null : summary,
    chatId: room?.kind === 'channel' ? null : message.conversationId,
    channelIdentity: room?.kind === 'channel' ? { teamId: room.team?.groupId, channelId: room.id } : null,
    from: isOurs
      ? { application, user: null, device: null }
      : { application: null, user: { id: person?.oid ?? null, displayName: person?.name }, device: null },
    body: { contentType: 'html', content: card === null ? text : `<attachment id="${attachment.id}"></attachment>` },
    attachments: card === null || isDeleted ? [] : [attachment],
  }
}

function has(roles: readonly string[], ...any: readonly string[]): boolean {
  return any.some((one) => roles.includes(one))
}

function denied(): Answer {
  return fault(403, 'Authorization_RequestDenied', 'Insufficient privileges to complete the operation.')
}

/** Teams' part of Graph says it in other words. */
function forbidden(): Answer {
  return fault(403, 'Forbidden', 'Missing role permissions on the request.')
}

function noResource(id: string): Answer {
  return fault(
    404,
    'Request_ResourceNotFound',
    `Resource '${id}' does not exist or one of its queried references is not present.`,
  )
}

/** resources/errors */
function fault(status: number, code: string, message: string): Answer {
  const innerError = { date: new Date().toISOString(), 'request-id': '00000000-0000-0000-0000-000000000000' }
  return { status, body: { error: { code, message, innerError } } }
}
