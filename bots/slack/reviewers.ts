/**
 * Who clicked, as Slack vouches for them. A click counts only for a full member of the workspace that the app is
 * installed in: bots, guests, deactivated people and people of other workspaces (Slack Connect) are refused before
 * the review, because a channel's membership is wider than the trust put in it.
 *
 * An e-mail address is needed: without one nobody can tell whether the agent acts for whoever clicks. An unconfirmed
 * address is none, because whoever sets it could become somebody else.
 */
import type { Clock, Log } from '../../src/ports.ts'
import {
  BOT,
  createWhoClicked,
  DEACTIVATED,
  GUEST,
  refused,
  strangerTo,
  type WhoClicked,
  withoutAddress,
} from '../chat/who-clicked.ts'
import type { SlackUser } from './workspace.ts'
import type { WebOf } from './workspaces.ts'

const CHAT = 'Slack'

export interface Reviewers {
  /** `teamId` is one of ours, as the delivery was authorised for; never rejects. */
  whoClicked(userId: string, teamId: string): Promise<WhoClicked>
}

export function createReviewers({ webOf, clock, log }: { webOf: WebOf; clock: Clock; log: Log }): Reviewers {
  const ask = createWhoClicked({ channel: 'slack', chat: CHAT, clock, log })
  return {
    // In another workspace the same id may be somebody else, or a guest.
    whoClicked: (userId, teamId) =>
      ask(`${teamId}:${userId}`, async () => {
        const { user } = await webOf(teamId).users.info({ user: userId })
        return judge(user, userId, teamId)
      }),
  }
}

/** Also for whoever clicked before: see groups.ts. */
export function judge(user: SlackUser | undefined, userId: string, teamId: string): WhoClicked {
  const refusal = refusalOf(user, userId, teamId)
  if (user === undefined || refusal !== null) return refused(refusal ?? strangerTo(CHAT))
  const email = user.is_email_confirmed === false ? '' : (user.profile?.email ?? '').toLowerCase()
  if (email === '') {
    return refused(withoutAddress(CHAT, 'confirmed e-mail address'))
  }
  const name = user.profile?.display_name || user.profile?.real_name || user.name || userId
  return { ok: true, reviewer: { id: `slack:${teamId}:${userId}`, email, name } }
}

function refusalOf(user: SlackUser | undefined, userId: string, teamId: string): string | null {
  // Of another person than was asked about, nothing that follows would be true.
  if (user === undefined || user.id !== userId) return strangerTo(CHAT)
  if (user.deleted === true) return DEACTIVATED
  const { is_bot, is_workflow_bot, is_connector_bot } = user
  if (is_bot === true || is_workflow_bot === true || is_connector_bot === true || userId === 'USLACKBOT') {
    return BOT
  }
  if (user.is_restricted === true || user.is_ultra_restricted === true || user.is_stranger === true) {
    return GUEST
  }
  // Enterprise Grid: a member of several workspaces has one of them as `team_id`.
  const member = user.team_id === teamId || user.enterprise_user?.teams?.includes(teamId) === true
  return member ? null : 'Only members of this workspace can review.'
}
