/**
 * Where to reach the person behind an agent: the private talk with whoever Slack knows by the owner's e-mail address, or
 * with the very account that asked for access. Only a full member with a confirmed address is written to: what an agent
 * is about to do is nobody else's business, and the buttons would refuse others anyway.
 */
import type { Approval } from '../../src/approval/approval.ts'
import type { Clock } from '../../src/ports.ts'
import { ownerOf } from '../../src/review/review.ts'
import { REVIEWER_CACHED_MS, REVIEWERS_CACHED_MAX } from './limits.ts'
import type { Pace } from './pace.ts'
import { judge } from './reviewers.ts'
import { platformError, type SlackWeb } from './web.ts'

export interface Requesters {
  /** The conversation's id; null: nobody is to be found. Rejects where that can't be told. */
  conversationWith(approval: Approval): Promise<string | null>
}

export interface RequestersOptions {
  readonly web: SlackWeb
  readonly pace: Pace
  /** Of our workspace. */
  readonly teamId: () => Promise<string>
  readonly clock: Clock
}

export function createRequesters(options: RequestersOptions): Requesters {
  const known = new Map<string, { readonly conversation: string; readonly until: number }>()
  const remember = (who: string, conversation: string) => {
    if (known.size >= REVIEWERS_CACHED_MAX) known.delete(known.keys().next().value ?? '')
    known.set(who, { conversation, until: options.clock.now() + REVIEWER_CACHED_MS })
  }
  return {
    async conversationWith(approval) {
      const who = approval.access?.requester.id ?? ownerOf(approval)?.toLowerCase() ?? null
      if (who === null) return null
      const cached = known.get(who)
      if (cached !== undefined && cached.until > options.clock.now()) return cached.conversation
      known.delete(who)
      const userId = approval.access === null ? await byEmail(options, who) : await byReviewerId(options, who)
      const conversation = userId === null ? null : await open(options, userId)
      if (conversation !== null) remember(who, conversation)
      return conversation
    },
  }
}

/** docs.slack.dev/reference/methods/users.lookupByEmail */
async function byEmail({ web, pace, teamId }: RequestersOptions, email: string): Promise<string | null> {
  // An owner may be known by a login that is no address.
  if (!email.includes('@')) return null
  const found = await orNull(['users_not_found'], () =>
    pace.run({ method: 'users.lookupByEmail' }, () => web.users.lookupByEmail({ email })),
  )
  const id = found?.user?.id
  if (id === undefined) return null
  const who = judge(found?.user, id, await teamId())
  return who.ok && who.reviewer.email === email ? id : null
}

/** `slack:<team>:<user>`; whoever asked elsewhere is not to be found here. */
async function byReviewerId({ teamId }: RequestersOptions, reviewerId: string): Promise<string | null> {
  const [channel, team, user] = reviewerId.split(':')
  return channel === 'slack' && team === (await teamId()) && user !== undefined ? user : null
}

/** docs.slack.dev/reference/methods/conversations.open: these say that this person can't be written to. */
const UNREACHABLE = ['user_not_found', 'users_not_found', 'user_disabled', 'user_not_visible', 'cannot_dm_bot']

async function open({ web, pace }: RequestersOptions, user: string): Promise<string | null> {
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
