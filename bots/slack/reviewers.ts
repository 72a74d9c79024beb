/**
 * Who clicked, as Slack vouches for them. A click counts only for a full member of the workspace that the app is
 * installed in: bots, guests, deactivated people and people of other workspaces (Slack Connect) are refused before
 * the review, because a channel's membership is wider than the trust put in it.
 *
 * An e-mail address is needed: without one nobody can tell whether the agent acts for whoever clicks. An unconfirmed
 * address is none, because whoever sets it could become somebody else.
 */
import type { Clock, Log } from '../../src/ports.ts'
import type { WhoClicked } from '../chat/who-clicked.ts'
import { REVIEWER_CACHED_MS, REVIEWERS_CACHED_MAX } from './limits.ts'
import { errorName } from './log.ts'
import type { SlackUser } from './workspace.ts'
import type { WebOf } from './workspaces.ts'

export interface Reviewers {
  /** `teamId` is one of ours, as the delivery was authorised for; never rejects. */
  whoClicked(userId: string, teamId: string): Promise<WhoClicked>
}

export function createReviewers({ webOf, clock, log }: { webOf: WebOf; clock: Clock; log: Log }): Reviewers {
  const known = new Map<string, { readonly who: WhoClicked; readonly until: number }>()
  return {
    async whoClicked(userId, teamId) {
      // In another workspace the same id may be somebody else, or a guest.
      const key = `${teamId}:${userId}`
      const cached = known.get(key)
      if (cached !== undefined && cached.until > clock.now()) return cached.who
      known.delete(key)
      try {
        const { user } = await webOf(teamId).users.info({ user: userId })
        const who = judge(user, userId, teamId)
        // A refusal is asked anew: whoever becomes a member should not have to wait.
        if (!who.ok) return who
        if (known.size >= REVIEWERS_CACHED_MAX) known.delete(known.keys().next().value ?? '')
        known.set(key, { who, until: clock.now() + REVIEWER_CACHED_MS })
        return who
      } catch (error) {
        log.warn('slack did not say who clicked', { channel: 'slack', reviewer: userId, error: errorName(error) })
        return { ok: false, message: 'Slack did not tell who you are, so nothing was decided. Please click again.' }
      }
    },
  }
}

/** Also for whoever clicked before: see groups.ts. */
export function judge(user: SlackUser | undefined, userId: string, teamId: string): WhoClicked {
  const refusal = refusalOf(user, userId, teamId)
  if (user === undefined || refusal !== null) return refused(refusal ?? 'Slack does not know you.')
  const email = user.is_email_confirmed === false ? '' : (user.profile?.email ?? '').toLowerCase()
  if (email === '') {
    return refused('Slack shows no confirmed e-mail address of yours, so nobody can tell whether the agent is yours.')
  }
  const name = user.profile?.display_name || user.profile?.real_name || user.name || userId
  return { ok: true, reviewer: { id: `slack:${teamId}:${userId}`, email, name } }
}

function refused(why: string): WhoClicked {
  return { ok: false, message: `${why} Nothing was decided.` }
}

function refusalOf(user: SlackUser | undefined, userId: string, teamId: string): string | null {
  // Of another person than was asked about, nothing that follows would be true.
  if (user === undefined || user.id !== userId) return 'Slack does not know you.'
  if (user.deleted === true) return 'Your account is deactivated.'
  const { is_bot, is_workflow_bot, is_connector_bot } = user
  if (is_bot === true || is_workflow_bot === true || is_connector_bot === true || userId === 'USLACKBOT') {
    return 'Bots cannot review.'
  }
  if (user.is_restricted === true || user.is_ultra_restricted === true || user.is_stranger === true) {
    return 'Guests cannot review.'
  }
  // Enterprise Grid: a member of several workspaces has one of them as `team_id`.
  const member = user.team_id === teamId || user.enterprise_user?.teams?.includes(teamId) === true
  return member ? null : 'Only members of this workspace can review.'
}
