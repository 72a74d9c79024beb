/** Who is in which group, as Slack's Web API tells it: each rule cites its page below docs.slack.dev. */
import type { World } from './fake-slack-world.ts'

type Answer = { ok: boolean } & Record<string, unknown>
type Args = Readonly<Record<string, string>>
type Scoped = (world: World, needed: string, run: () => Answer) => Answer

/** apis/web-api/rate-limits: calls a minute of tiers 2, 3 and 4, as each method's page names its tier. */
const TIERS: Readonly<Record<string, number>> = {
  'usergroups.users.list': 20,
  'users.lookupByEmail': 50,
  'conversations.members': 100,
  'conversations.info': 50,
}

/** Seconds to wait, or null. */
export function directoryRate(world: World, method: string): number | null {
  const perMinute = TIERS[method]
  if (perMinute === undefined) return null
  const now = Date.now()
  const bucket = world.buckets.get(method) ?? { tokens: perMinute, at: now }
  const tokens = Math.min(perMinute, bucket.tokens + ((now - bucket.at) / 60_000) * perMinute)
  world.buckets.set(method, { tokens: tokens < 1 ? tokens : tokens - 1, at: now })
  return tokens < 1 ? Math.ceil(((1 - tokens) / perMinute) * 60) : null
}

/** reference/methods/usergroups.users.list */
export function usergroupsUsersList(world: World, args: Args): Answer {
  if (args.usergroup === undefined) return refuse('invalid_arguments')
  const group = world.userGroups.get(args.usergroup)
  if (group === undefined || (group.disabled === true && args.include_disabled !== 'true')) {
    return refuse('no_such_subteam')
  }
  return { ok: true, users: group.users }
}

/** reference/methods/users.lookupByEmail: the user, like users.info; deactivated people are not found. */
export function usersLookupByEmail(world: World, args: Args, info: (world: World, args: Args) => Answer): Answer {
  const wanted = args.email?.toLowerCase()
  const found = [...world.users.values()].find(({ email, deleted }) => !deleted && email?.toLowerCase() === wanted)
  return found === undefined ? refuse('users_not_found') : info(world, { user: found.id })
}

/** reference/methods/conversations.members: 100 a page where no limit is given, 999 at most. */
const PAGE_DEFAULT = 100
const PAGE_MAX = 999
/** "Fewer than the requested number of items may be returned": whoever pages must not count. */
const PAGE_SHORT_BY = 1

export function conversationsMembers(world: World, args: Args, scoped: Scoped): Answer {
  const channel = world.channelMembers.get(args.channel ?? '')
  if (channel === undefined) return refuse('channel_not_found')
  return scoped(world, channel.isPrivate ? 'groups:read' : 'channels:read', () => {
    if (channel.isPrivate && channel.isAppIn === false) return refuse('channel_not_found')
    const limit = Number(args.limit ?? PAGE_DEFAULT)
    if (!Number.isInteger(limit) || limit < 1 || limit > PAGE_MAX) return refuse('invalid_limit')
    const from = args.cursor ? Number(Buffer.from(args.cursor, 'base64').toString().replace('member:', '')) : 0
    if (!Number.isInteger(from) || from < 0) return refuse('invalid_cursor')
    const to = from + Math.max(1, limit - PAGE_SHORT_BY)
    const next = to < channel.members.length ? Buffer.from(`member:${to}`).toString('base64') : ''
    return { ok: true, members: channel.members.slice(from, to), response_metadata: { next_cursor: next } }
  })
}

/** reference/methods/conversations.info, reference/objects/conversation-object: `is_member` is about the token's bot. */
export function conversationsInfo(world: World, args: Args, scoped: Scoped): Answer {
  const id = args.channel ?? ''
  const channel = world.channelMembers.get(id) ?? (world.channels.has(id) ? { members: [] } : undefined)
  if (channel === undefined) return refuse('channel_not_found')
  const { isPrivate = false, isAppIn = true, isArchived = false, isShared = false, name = id.toLowerCase() } = channel
  return scoped(world, isPrivate ? 'groups:read' : 'channels:read', () => {
    if (isPrivate && !isAppIn) return refuse('channel_not_found')
    const flags = { is_private: isPrivate, is_archived: isArchived, is_ext_shared: isShared, is_member: isAppIn }
    return { ok: true, channel: { id, name, is_channel: true, ...flags } }
  })
}

function refuse(error: string): { ok: false; error: string } {
  return { ok: false, error }
}
