/**
 * What the workspace is asked about its people and groups. Each answer is asked anew; whoever asks decides how old one may
 * be (src/people/look-ups.ts). Slack's 429 is kept to here, for every asker at once.
 */
import type { webApi } from '@slack/bolt'
import { ChannelBusy, type Clock, type Log } from '../../src/ports.ts'
import type { Secret } from '../../src/secret.ts'
import { GROUP_MEMBERS_MAX } from '../chat/limits.ts'
import { API_TIMEOUT_MS, GROUP_PAGE_MAX } from './limits.ts'
import { asChannelError, createWeb, type SlackWeb } from './web.ts'

export type SlackUser = NonNullable<webApi.UsersInfoResponse['user']>

export interface Workspace {
  /** The one that the bot token belongs to. */
  team(): Promise<string>
  /** Null: Slack knows nobody of this id. */
  user(id: string): Promise<SlackUser | null>
  userByEmail(email: string): Promise<SlackUser | null>
  /** Ids of people. */
  userGroup(id: string): Promise<ReadonlySet<string>>
  channelMembers(id: string): Promise<ReadonlySet<string>>
}

export interface WorkspaceOptions {
  readonly botToken: Secret
  /** Slack's own where left out; another address only stands in for it. */
  readonly apiUrl?: string | undefined
  readonly clock: Clock
  readonly log: Log
}

export function openWorkspace({ botToken, apiUrl, clock, log }: WorkspaceOptions): Workspace {
  const web = createWeb({ token: botToken, timeoutMs: API_TIMEOUT_MS, apiUrl, log })
  const ask = createAsk(clock)
  return {
    async team() {
      const { team_id: id } = await ask('auth.test', () => web.auth.test())
      if (id === undefined) throw new Error('Slack named no workspace for the bot token')
      return id
    },
    user: (id) => userOrNull('user_not_found', () => ask('users.info', () => web.users.info({ user: id }))),
    userByEmail: (email) =>
      userOrNull('users_not_found', () => ask('users.lookupByEmail', () => web.users.lookupByEmail({ email }))),
    async userGroup(id) {
      // A disabled group answers `no_such_subteam`, since `include_disabled` is not asked for.
      const { users } = await ask('usergroups.users.list', () => web.usergroups.users.list({ usergroup: id }))
      return new Set(users ?? [])
    },
    channelMembers: (id) => channelMembers(web, id, ask),
  }
}

type Ask = <Answer>(method: string, call: () => Promise<Answer>) => Promise<Answer>

/** docs.slack.dev/apis/web-api/rate-limits: after a 429 a method is not to be asked before its Retry-After is over. */
function createAsk(clock: Clock): Ask {
  const notBefore = new Map<string, number>()
  return async (method, call) => {
    const waitMs = (notBefore.get(method) ?? 0) - clock.now()
    if (waitMs > 0) throw new ChannelBusy(waitMs)
    try {
      return await call()
    } catch (error) {
      const told = asChannelError(method, error)
      if (told instanceof ChannelBusy) notBefore.set(method, clock.now() + told.retryAfterMs)
      throw told
    }
  }
}

async function userOrNull(
  nobody: string,
  asked: () => Promise<{ readonly user?: SlackUser | undefined }>,
): Promise<SlackUser | null> {
  try {
    return (await asked()).user ?? null
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === nobody) return null
    throw error
  }
}

async function channelMembers(web: SlackWeb, channel: string, ask: Ask): Promise<ReadonlySet<string>> {
  const members = new Set<string>()
  let cursor = ''
  do {
    const page = { channel, limit: GROUP_PAGE_MAX, ...(cursor === '' ? {} : { cursor }) }
    const answer = await ask('conversations.members', () => web.conversations.members(page))
    for (const id of answer.members ?? []) members.add(id)
    if (members.size > GROUP_MEMBERS_MAX) {
      const told = `The channel has more than ${GROUP_MEMBERS_MAX} members. Name a channel of reviewers instead.`
      throw Object.assign(new Error(told), { code: 'too_many_members' })
    }
    // docs.slack.dev/apis/web-api/pagination: an empty cursor is the last page's.
    cursor = answer.response_metadata?.next_cursor ?? ''
  } while (cursor !== '')
  return members
}
