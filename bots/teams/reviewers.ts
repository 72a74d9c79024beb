/**
 * Who clicked, as Teams vouches for them: looked up in the conversation of the click, by the activity's own name of the
 * person (`29:…`), whose object id must be the one that the activity says. What an activity says beside the two, a name
 * for instance, is never looked at. Where the app may ask Graph, Graph has to know them too: only Graph tells aliases and
 * that an account is disabled.
 */
import type { Clock, Log } from '../../src/ports.ts'
import { createWhoClicked, refused, strangerTo, type WhoClicked } from '../chat/who-clicked.ts'
import type { Entra } from './entra.ts'
import type { Asked } from './feature.ts'
import { CHAT, judgeMember, judgeUser, type Ours, refusalOfActor, withAddresses } from './people.ts'
import type { Transport } from './transport.ts'

export interface Reviewers {
  /** Never rejects. */
  whoClicked(asked: Asked): Promise<WhoClicked>
}

export interface ReviewersOptions {
  readonly ours: Ours
  readonly transport: Pick<Transport, 'member'>
  /** Null: the app may not ask Graph. */
  readonly entra: Entra | null
  readonly clock: Clock
  readonly log: Log
}

export function createReviewers({ ours, transport, entra, clock, log }: ReviewersOptions): Reviewers {
  const ask = createWhoClicked({ channel: 'teams', chat: CHAT, clock, log })
  return {
    whoClicked: ({ user, conversation }) =>
      ask(`${user.tenantId}:${user.oid} ${user.mri}`, async () => {
        const [member, found] = await Promise.all([
          transport.member(conversation, user.mri),
          entra === null ? null : entra.user(user.oid),
        ])
        const refusal = refusalOfActor(member, user, ours)
        if (member === null || refusal !== null) return refused(refusal ?? strangerTo(CHAT))
        if (entra === null) return judgeMember(member, ours)
        const who = judgeUser(found, user.oid, ours)
        if (!who.ok) return who
        return { ok: true, reviewer: withAddresses(who.reviewer, [member.email, member.userPrincipalName]) }
      }),
  }
}
