/** Slack's Web API and response_urls: each rule cites its page below docs.slack.dev. */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import {
  conversationsInfo,
  conversationsMembers,
  directoryRate,
  usergroupsUsersList,
  usersLookupByEmail,
} from './fake-slack-directory.ts'
import { completeUploadExternal, getUploadURLExternal, upload } from './fake-slack-files.ts'
import { keptState } from './fake-slack-forms.ts'
import { conversationsHistory, conversationsOpen, conversationsReplies, metadataIn } from './fake-slack-history.ts'
import type { World } from './fake-slack-world.ts'
import { type Block, ruleHome, ruleMessageBlocks, ruleModal } from './slack-block-rules.ts'

/** interactivity/handling-user-interaction: a trigger_id works once, within 3 seconds. */
const TRIGGER_LIVES_MS = 3000
/** interactivity/handling-user-interaction: a response_url works 5 times within 30 minutes. */
const RESPONSE_URL_USES_MAX = 5
const RESPONSE_URL_LIVES_MS = 30 * 60_000

export async function route(world: World, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname } = new URL(request.url ?? '/', world.baseUrl)
  const body = await text(request)
  const responseUrl = pathname.match(/^\/response\/(.+)$/)?.[1]
  if (responseUrl !== undefined) return respond(world, responseUrl, body, response)
  if (pathname.startsWith('/upload/')) {
    return upload(world, pathname, request.headers['content-type'] ?? '', body, response)
  }
  const method = pathname.match(/^\/api\/([a-zA-Z.]+)$/)?.[1]
  if (method === undefined || request.method !== 'POST') return void response.writeHead(404).end()
  const args = argsOf(request, body)
  const failure = world.failures.get(method)?.shift()
  if (failure?.delayMs !== undefined) await new Promise((resolve) => setTimeout(resolve, failure.delayMs))
  const limited = failure?.retryAfterSec ?? overRate(world, method, args)
  if (limited !== null) return rateLimited(world, method, args, limited, response)
  const answer = failure?.error === undefined ? call(world, method, args, request) : refuse(failure.error)
  world.calls.push({ method, args, error: answer.ok ? null : String(answer.error) })
  if (failure?.isAnswerLost || failure?.isAnswerHeld) {
    world.changed.emit('change')
    return failure.isAnswerLost ? void request.socket.destroy() : undefined
  }
  const token = tokenOf(request)
  const scopes = token === world.appToken ? 'connections:write' : world.scopes.join(',')
  const date = new Date(Date.now() + world.clockAheadMs).toUTCString()
  response.writeHead(200, { 'content-type': 'application/json', 'x-oauth-scopes': scopes, date })
  response.end(JSON.stringify(answer))
  world.changed.emit('change')
}

function rateLimited(
  world: World,
  method: string,
  args: Readonly<Record<string, string>>,
  retryAfterSec: number,
  response: ServerResponse,
): void {
  world.calls.push({ method, args, error: 'ratelimited' })
  response.writeHead(429, { 'retry-after': String(retryAfterSec), 'content-type': 'application/json' })
  response.end(JSON.stringify({ ok: false, error: 'ratelimited' }))
}

/** Seconds to wait, or null. */
function overRate(world: World, method: string, args: Readonly<Record<string, string>>): number | null {
  const tier = directoryRate(world, method)
  if (tier !== null) return tier
  if (method !== 'chat.postMessage') return null
  const now = Date.now()
  const channel = args.channel ?? ''
  const bucket = world.buckets.get(channel) ?? { tokens: world.rate.burst, at: now }
  const tokens = Math.min(world.rate.burst, bucket.tokens + ((now - bucket.at) / 1000) * world.rate.perSecond)
  world.buckets.set(channel, { tokens: tokens < 1 ? tokens : tokens - 1, at: now })
  return tokens < 1 ? Math.max(1, Math.ceil((1 - tokens) / world.rate.perSecond)) : null
}

type Answer = { ok: boolean } & Record<string, unknown>
type Args = Readonly<Record<string, string>>

function call(world: World, method: string, args: Args, request: IncomingMessage): Answer {
  const token = tokenOf(request)
  if (token === null) return refuse('not_authed')
  if (method === 'apps.connections.open') return openConnection(world, token)
  if (token !== world.botToken) return refuse('invalid_auth')
  if (world.isRevoked) return refuse('token_revoked')
  switch (method) {
    case 'auth.test':
      return {
        ...{ ok: true, url: world.baseUrl, team: 'Fake', team_id: world.teamId, user_id: 'U0BOT' },
        ...(!world.isPersonsToken && { bot_id: 'B0BOT' }),
      }
    case 'chat.postMessage':
      return scoped(world, 'chat:write', () => postMessage(world, args))
    case 'chat.update':
      return scoped(world, 'chat:write', () => update(world, args))
    case 'chat.postEphemeral':
      return scoped(world, 'chat:write', () => postEphemeral(world, args))
    case 'users.info':
      return scoped(world, 'users:read', () => usersInfo(world, args))
    case 'users.lookupByEmail':
      return scoped(world, 'users:read.email', () => usersLookupByEmail(world, args, usersInfo))
    case 'usergroups.users.list':
      return scoped(world, 'usergroups:read', () => usergroupsUsersList(world, args))
    case 'conversations.info':
      return conversationsInfo(world, args, scoped)
    case 'conversations.members':
      return conversationsMembers(world, args, scoped)
    case 'conversations.open':
      return scoped(world, 'im:write', () => conversationsOpen(world, args))
    case 'conversations.history':
      return conversationsHistory(world, args, scoped)
    case 'conversations.replies':
      return conversationsReplies(world, args, scoped)
    case 'files.getUploadURLExternal':
      return scoped(world, 'files:write', () => getUploadURLExternal(world, args))
    case 'files.completeUploadExternal':
      return scoped(world, 'files:write', () => completeUploadExternal(world, args))
    case 'views.open':
      return viewsOpen(world, args)
    case 'views.push':
      return viewsPush(world, args)
    case 'views.update':
      return viewsUpdate(world, args)
    case 'chat.getPermalink':
      return getPermalink(world, args)
    case 'views.publish':
      return viewsPublish(world, args)
    default:
      return refuse('unknown_method')
  }
}

function scoped(world: World, needed: string, run: () => Answer): Answer {
  return world.scopes.includes(needed)
    ? run()
    : { ...refuse('missing_scope'), needed, provided: world.scopes.join(',') }
}

function openConnection(world: World, token: string): Answer {
  if (token !== world.appToken) return refuse('invalid_auth')
  const ticket = randomUUID()
  world.tickets.add(ticket)
  return { ok: true, url: `${world.baseUrl.replace('http', 'ws')}/link?ticket=${ticket}` }
}

/** The text and blocks of a message, as Slack would take them. */
function content(args: Args): { ok: true; text: string; blocks: Block[] } | { ok: false; answer: Answer } {
  const text = args.text ?? ''
  if (args.blocks === undefined) {
    return text === '' ? { ok: false, answer: refuse('no_text') } : { ok: true, text, blocks: [] }
  }
  const ruled = ruleMessageBlocks(args.blocks)
  if (!ruled.ok) return { ok: false, answer: refuse(ruled.error, ruled.messages) }
  // Slack cuts at 40,000 (changelog/2018-truncating-really-long-messages); a cut text would hide our mistake.
  if (text.length > 40_000) return { ok: false, answer: refuse('msg_too_long') }
  return { ok: true, text, blocks: ruled.value }
}

function postMessage(world: World, args: Args): Answer {
  if (args.channel === undefined) return refuse('invalid_arguments', ['[ERROR] missing required field: channel'])
  if (!world.channels.has(args.channel)) return refuse('channel_not_found')
  const taken = content(args)
  if (!taken.ok) return taken.answer
  const marked = metadataIn(args)
  if (!marked.ok) return refuse('invalid_metadata_format')
  const threadTs = args.thread_ts ?? null
  const parent = world.messages.find(({ ts, channel }) => ts === threadTs && channel === args.channel)
  if (threadTs !== null && parent === undefined) return refuse('thread_not_found')
  const ts = nextTs(world)
  world.messages.push({
    channel: args.channel,
    ts,
    text: taken.text,
    blocks: taken.blocks,
    args,
    edits: 0,
    threadTs,
    isBroadcast: args.reply_broadcast === 'true',
    metadata: marked.metadata,
    botId: 'B0BOT',
  })
  return { ok: true, channel: args.channel, ts, message: { text: taken.text, blocks: taken.blocks } }
}

function update(world: World, args: Args): Answer {
  if (!world.channels.has(args.channel ?? '')) return refuse('channel_not_found')
  const message = world.messages.find((one) => one.ts === args.ts && one.channel === args.channel)
  if (message === undefined) return refuse('message_not_found')
  const taken = content(args)
  if (!taken.ok) return taken.answer
  const before = new Set(message.blocks.map((block) => block.block_id))
  const reused = taken.blocks.some((block) => block.block_id !== undefined && before.has(block.block_id))
  const changed = JSON.stringify(taken.blocks) !== JSON.stringify(message.blocks)
  // reference/block-kit/blocks/actions-block: an updated message should bring a new block_id. Slack is lenient here;
  // we hold ourselves to it.
  if (reused && changed) return refuse('invalid_blocks', ['[ERROR] block_id reused in an update'])
  Object.assign(message, { text: taken.text, blocks: taken.blocks, args, edits: message.edits + 1 })
  return { ok: true, channel: message.channel, ts: message.ts, text: taken.text }
}

function postEphemeral(world: World, args: Args): Answer {
  if (!world.channels.has(args.channel ?? '')) return refuse('channel_not_found')
  if (!world.users.has(args.user ?? '')) return refuse('user_not_in_channel')
  const taken = content(args)
  if (!taken.ok) return taken.answer
  const { text, blocks } = taken
  world.ephemerals.push({
    userId: args.user ?? '',
    channel: args.channel ?? '',
    text,
    blocks,
    via: 'chat.postEphemeral',
  })
  return { ok: true, message_ts: nextTs(world) }
}

function usersInfo(world: World, args: Args): Answer {
  const user = world.users.get(args.user ?? '')
  if (user === undefined) return refuse('user_not_found')
  const email = world.scopes.includes('users:read.email') ? user.email : undefined
  return {
    ok: true,
    user: {
      id: user.id,
      team_id: user.teamId ?? world.teamId,
      name: user.name,
      deleted: user.deleted ?? false,
      is_bot: user.isBot ?? false,
      is_restricted: (user.isGuest ?? false) || (user.isSingleChannelGuest ?? false),
      is_ultra_restricted: user.isSingleChannelGuest ?? false,
      ...(user.isStranger && { is_stranger: true }),
      is_email_confirmed: user.isEmailConfirmed ?? true,
      ...(user.enterpriseTeams && { enterprise_user: { id: user.id, teams: user.enterpriseTeams } }),
      profile: { display_name: user.displayName ?? '', real_name: user.name, ...(email !== undefined && { email }) },
    },
  }
}

function viewsOpen(world: World, args: Args): Answer {
  const trigger = world.triggers.get(args.trigger_id ?? '')
  if (trigger === undefined) return refuse('invalid_trigger_id')
  if (trigger.used) return refuse('exchanged_trigger_id')
  if (Date.now() - trigger.at > TRIGGER_LIVES_MS) return refuse('expired_trigger_id')
  const ruled = ruleModal(args.view ?? '')
  if (!ruled.ok) return refuse(ruled.error, ruled.messages)
  trigger.used = true
  const view = {
    id: `V${++world.serial}`,
    userId: trigger.userId,
    hash: randomUUID(),
    modal: ruled.value,
    open: true,
  }
  world.views.push(view)
  return { ok: true, view: { id: view.id, hash: view.hash } }
}

/** reference/methods/views.push: on top of the window whose click gave the trigger; three at most. */
function viewsPush(world: World, args: Args): Answer {
  const trigger = world.triggers.get(args.trigger_id ?? '')
  const below = world.views.filter(({ open, userId }) => open && userId === trigger?.userId)
  if (trigger !== undefined && below.length === 0) return refuse('invalid_trigger_id')
  return below.length >= PUSHED_VIEWS_MAX ? refuse('push_limit_reached') : viewsOpen(world, args)
}

const PUSHED_VIEWS_MAX = 3

function viewsUpdate(world: World, args: Args): Answer {
  const view = world.views.find((one) => one.id === args.view_id && one.open)
  if (view === undefined) return refuse('not_found')
  if (args.hash !== undefined && args.hash !== view.hash) return refuse('hash_conflict')
  const ruled = ruleModal(args.view ?? '')
  if (!ruled.ok) return refuse(ruled.error, ruled.messages)
  Object.assign(view, { modal: ruled.value, hash: randomUUID(), state: keptState(view, ruled.value) })
  return { ok: true, view: { id: view.id, hash: view.hash } }
}

/** reference/methods/chat.getPermalink: needs no scope. */
function getPermalink(world: World, args: Args): Answer {
  const message = world.messages.find(({ channel, ts }) => channel === args.channel && ts === args.message_ts)
  if (message === undefined) return refuse('message_not_found')
  return {
    ok: true,
    channel: message.channel,
    permalink: `https://fake.slack.com/archives/${message.channel}/p${message.ts.replace('.', '')}`,
  }
}

/** reference/methods/views.publish */
function viewsPublish(world: World, args: Args): Answer {
  const userId = args.user_id ?? ''
  if (!world.users.has(userId)) return refuse('user_not_found')
  const ruled = ruleHome(args.view ?? '')
  if (!ruled.ok) return refuse(ruled.error, ruled.messages)
  const before = world.homes.get(userId)
  if (args.hash !== undefined && args.hash !== before?.hash) return refuse('hash_conflict')
  const home = {
    userId,
    id: before?.id ?? `V${++world.serial}`,
    hash: randomUUID(),
    view: ruled.value,
    published: (before?.published ?? 0) + 1,
  }
  world.homes.set(userId, home)
  return { ok: true, view: { id: home.id, hash: home.hash } }
}

function respond(world: World, key: string, body: string, response: ServerResponse): void {
  const failure = world.failures.get('response_url')?.shift()
  if (failure?.error !== undefined) return void response.writeHead(404).end(failure.error)
  const target = world.responseUrls.get(key)
  if (target === undefined) return void response.writeHead(404).end('expired_url')
  const expired = Date.now() - target.at > RESPONSE_URL_LIVES_MS || target.uses >= RESPONSE_URL_USES_MAX
  if (expired) return void response.writeHead(404).end('used_url')
  target.uses += 1
  const message = JSON.parse(body) as { text?: string; blocks?: unknown; response_type?: string }
  const blocks = message.blocks === undefined ? undefined : JSON.stringify(message.blocks)
  const taken = content({ text: message.text ?? '', ...(blocks !== undefined && { blocks }) })
  if (!taken.ok) return void response.writeHead(400).end(String(taken.answer.error))
  const { text, blocks: shown } = taken
  if (message.response_type === 'ephemeral') {
    const { userId, channel } = target
    world.ephemerals.push({ userId, channel, text, blocks: shown, via: 'response_url' })
  }
  response.writeHead(200).end('ok')
  world.changed.emit('change')
}

function refuse(
  error: string,
  messages: readonly string[] = [],
): { ok: false; error: string } & Record<string, unknown> {
  return { ok: false, error, ...(messages.length > 0 && { errors: messages, response_metadata: { messages } }) }
}

function nextTs(world: { serial: number }): string {
  return `${Math.floor(Date.now() / 1000)}.${String(++world.serial).padStart(6, '0')}`
}

function tokenOf(request: IncomingMessage): string | null {
  return request.headers.authorization?.match(/^Bearer (.+)$/)?.[1] ?? null
}

function argsOf(request: IncomingMessage, body: string): Readonly<Record<string, string>> {
  if (request.headers['content-type']?.startsWith('application/json')) {
    const object = JSON.parse(body) as Record<string, unknown>
    return Object.fromEntries(
      Object.entries(object).map(([key, value]) => [key, typeof value === 'string' ? value : JSON.stringify(value)]),
    )
  }
  return Object.fromEntries(new URLSearchParams(body))
}

async function text(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}
