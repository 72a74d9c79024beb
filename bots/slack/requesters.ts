/**
 * Where to reach the person behind an agent: the private talk with whoever Slack knows by the owner's e-mail address, or
 * with the very account that asked for access. Only a full member with a confirmed address is written to: what an agent
 * is about to do is nobody else's business, and the buttons would refuse others anyway.
 *
 * Of several workspaces the first that knows them is theirs, in the order of the settings: nobody is told twice. One that
 * refuses to be asked at all, its token revoked for instance, has no say in it; while one only can't be reached nobody is
 * told, because the next one's answer could make it two messages.
 */
import { ChannelRefused, type Clock } from '../../src/ports.ts'
import { REVIEWER_CACHED_MS, REVIEWERS_CACHED_MAX } from '../chat/limits.ts'
import { createRequesters as createChatRequesters, type Requesters } from '../chat/requesters.ts'
import { judge } from './reviewers.ts'
import { platformError } from './web.ts'
import type { SlackWorkspace, Workspaces } from './workspaces.ts'

export interface Talk {
  readonly workspace: SlackWorkspace
  /** The conversation's id. */
  readonly conversation: string
}

export function createRequesters({ all }: Pick<Workspaces, 'all'>, clock: Clock): Requesters<Talk> {
  return createChatRequesters({
    clock,
    cachedMs: REVIEWER_CACHED_MS,
    cachedMax: REVIEWERS_CACHED_MAX,
    find: (who) =>
      firstTalk(all, (workspace) =>
        who.kind === 'email' ? byEmail(workspace, who.email) : byReviewerId(workspace, who.id),
      ),
  })
}

async function firstTalk(
  all: readonly SlackWorkspace[],
  userIn: (workspace: SlackWorkspace) => Promise<string | null>,
): Promise<Talk | null> {
  let refusal: ChannelRefused | null = null
  for (const workspace of all) {
    try {
      const user = await userIn(workspace)
      const conversation = user === null ? null : await open(workspace, user)
      if (conversation !== null) return { workspace, conversation }
    } catch (error) {
      const isSlacksNo = error instanceof ChannelRefused && platformError(error.cause) !== null
      if (!isSlacksNo) throw error
      refusal = error
    }
  }
  if (refusal !== null) throw refusal
  return null
}

/** docs.slack.dev/reference/methods/users.lookupByEmail */
async function byEmail({ web, pace, ours }: SlackWorkspace, email: string): Promise<string | null> {
  const found = await orNull(['users_not_found'], () =>
    pace.run({ method: 'users.lookupByEmail' }, () => web.users.lookupByEmail({ email })),
  )
  const id = found?.user?.id
  if (id === undefined) return null
  const who = judge(found?.user, id, (await ours()).teamId)
  return who.ok && who.reviewer.email === email ? id : null
}

/** `slack:<team>:<user>`; whoever asked elsewhere is not to be found here. */
async function byReviewerId({ ours }: SlackWorkspace, reviewerId: string): Promise<string | null> {
  const [channel, team, user] = reviewerId.split(':')
  return channel === 'slack' && user !== undefined && team === (await ours()).teamId ? user : null
}

/** docs.slack.dev/reference/methods/conversations.open: these say that this person can't be written to. */
const UNREACHABLE = ['user_not_found', 'users_not_found', 'user_disabled', 'user_not_visible', 'cannot_dm_bot']

async function open({ web, pace }: SlackWorkspace, user: string): Promise<string | null> {
  const opened = await orNull(UNREACHABLE, () =>
    pace.run({ method: 'conversations.open' }, () => web.conversations.open({ users: user })),
  )
  return opened?.channel?.id ?? null
}

async function orNull<Answer>(nobody: readonly string[], ask: () => Promise<Answer>): Promise<Answer | null> {
  try {
    return await ask()
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : platformError(error)
    if (typeof code === 'string' && nobody.includes(code)) return null
    throw error
  }
}
