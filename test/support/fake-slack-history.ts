/** What was posted, read back, and private talks: each rule cites its page below docs.slack.dev. */
import { z } from 'zod'
import type { FakeMessage, FakeMetadata, World } from './fake-slack-world.ts'

type Answer = { ok: boolean } & Record<string, unknown>
type Args = Readonly<Record<string, string>>
type Scoped = (world: World, needed: string, run: () => Answer) => Answer

/** messaging/message-metadata: flat names and values, at most an object deep. */
const value = z.union([z.string(), z.number(), z.boolean()])
const Metadata = z.strictObject({
  event_type: z.string().regex(/^[a-zA-Z][\w.-]{0,254}$/),
  event_payload: z.record(z.string(), z.union([value, z.record(z.string(), value)])),
})

/** reference/methods/chat.postMessage: `invalid_metadata_format`. */
export function metadataIn(args: Args): { ok: true; metadata: FakeMetadata | null } | { ok: false } {
  if (args.metadata === undefined) return { ok: true, metadata: null }
  try {
    return { ok: true, metadata: Metadata.parse(JSON.parse(args.metadata)) }
  } catch {
    return { ok: false }
  }
}

/** reference/methods/conversations.open: im:write; the same talk each time. */
export function conversationsOpen(world: World, args: Args): Answer {
  const user = world.users.get(args.users ?? '')
  if (user === undefined) return refuse('user_not_found')
  if (user.deleted === true) return refuse('user_disabled')
  if (user.isBot === true) return refuse('cannot_dm_bot')
  const id = `D0${user.id}`
  const isKnown = world.channels.has(id)
  world.channels.add(id)
  return { ok: true, channel: { id }, ...(isKnown && { already_open: true, no_op: true }) }
}

/** reference/methods/conversations.history: newest first, messages of threads only where they were broadcast. */
export function conversationsHistory(world: World, args: Args, scoped: Scoped): Answer {
  return scoped(world, historyScope(args.channel ?? ''), () => {
    if (!world.channels.has(args.channel ?? '')) return refuse('channel_not_found')
    const all = world.messages.filter(
      (message) => message.channel === args.channel && (message.threadTs === null || message.isBroadcast),
    )
    return page([...all].reverse(), args, HISTORY_DEFAULT)
  })
}

/** reference/methods/conversations.replies: the parent first, then its replies, oldest first. */
export function conversationsReplies(world: World, args: Args, scoped: Scoped): Answer {
  return scoped(world, historyScope(args.channel ?? ''), () => {
    if (!world.channels.has(args.channel ?? '')) return refuse('channel_not_found')
    const parent = world.messages.find(({ channel, ts }) => channel === args.channel && ts === args.ts)
    if (parent === undefined) return refuse('thread_not_found')
    const replies = world.messages.filter(({ channel, threadTs }) => channel === args.channel && threadTs === args.ts)
    return page([parent, ...replies], args, REPLIES_DEFAULT, parent)
  })
}

const HISTORY_DEFAULT = 100
const REPLIES_DEFAULT = 1000
const LIMIT_MAX = 999

function historyScope(channel: string): string {
  if (channel.startsWith('D')) return 'im:history'
  return channel.startsWith('G') ? 'groups:history' : 'channels:history'
}

function page(all: readonly FakeMessage[], args: Args, limitDefault: number, always?: FakeMessage): Answer {
  const limit = Number(args.limit ?? limitDefault)
  if (!Number.isInteger(limit) || limit < 1 || (args.limit !== undefined && limit > LIMIT_MAX)) {
    return refuse('invalid_limit')
  }
  const oldest = Number(args.oldest ?? 0)
  const latest = Number(args.latest ?? Number.POSITIVE_INFINITY)
  if (Number.isNaN(oldest) || Number.isNaN(latest)) return refuse('invalid_arguments')
  const within = all.filter((one) => one === always || (Number(one.ts) > oldest && Number(one.ts) < latest))
  const from = args.cursor ? Number(Buffer.from(args.cursor, 'base64').toString().replace('next:', '')) : 0
  if (!Number.isInteger(from) || from < 0) return refuse('invalid_cursor')
  const shown = within.slice(from, from + limit)
  const hasMore = within.length > from + limit
  const next = hasMore ? Buffer.from(`next:${from + limit}`).toString('base64') : ''
  const messages = shown.map((one) => ({
    type: 'message',
    ts: one.ts,
    text: one.text,
    bot_id: one.botId,
    ...(one.threadTs !== null && { thread_ts: one.threadTs }),
    // messaging/message-metadata: the payload only where it is asked for.
    ...(one.metadata !== null &&
      (args.include_all_metadata === 'true'
        ? { metadata: one.metadata }
        : { metadata: { event_type: one.metadata.event_type } })),
  }))
  return { ok: true, messages, has_more: hasMore, response_metadata: { next_cursor: next } }
}

function refuse(error: string): Answer {
  return { ok: false, error }
}
