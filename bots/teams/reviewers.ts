/**
 * Who clicked, as Teams vouches for them: looked up in the conversation of the click, by the activity's own name of the
 * person (`29:…`), whose object id must be the one that the activity says. What an activity says beside the two, a name
 * for instance, is never looked at. Where the app may ask Graph, Graph has to know them too: only Graph tells aliases and
 * that an account is disabled.
 *
 * The compose action is everywhere, and of a conversation that the bot isn't in the connector tells it nothing: then they
 * are looked up in their own talk with it.
 */
import { ChannelRefused, type Clock, type Conversations, type Log } from '../../src/ports.ts'
import { createWhoClicked, refused, strangerTo, type WhoClicked } from '../chat/who-clicked.ts'
import type { Entra } from './entra.ts'
import type { Asked } from './feature.ts'
import { CHAT, judgeMember, judgeUser, type Ours, refusalOfActor, withAddresses } from './people.ts'
import type { TeamsMember, Transport } from './transport.ts'

const UNKNOWN_HERE =
  'Countersign is not in this conversation, and does not know you yet: write “help” to it in your own talk with it first, then ask again.'

export interface Reviewers {
  /** Never rejects. */
  whoClicked(asked: Asked): Promise<WhoClicked>
}

export interface ReviewersOptions {
  readonly ours: Ours
  readonly transport: Pick<Transport, 'member'>
  readonly conversations: Pick<Conversations, 'withPerson'>
  /** Null: the app may not ask Graph. */
  readonly entra: Entra | null
  readonly clock: Clock
  readonly log: Log
}

export function createReviewers({ ours, transport, conversations, entra, clock, log }: ReviewersOptions): Reviewers {
  const ask = createWhoClicked({ channel: 'teams', chat: CHAT, clock, log })
  return {
    whoClicked: (asked) => {
      const { user } = asked
      return ask(`${user.tenantId}:${user.oid} ${user.mri}`, async () => {
        const [here, found] = await Promise.all([
          memberFor(asked, { transport, conversations }),
          entra === null ? null : entra.user(user.oid),
        ])
        if (!here.ok) return refused(UNKNOWN_HERE)
        const { member } = here
        const refusal = refusalOfActor(member, user, ours)
        if (member === null || refusal !== null) return refused(refusal ?? strangerTo(CHAT))
        if (entra === null) return judgeMember(member, ours)
        const who = judgeUser(found, user.oid, ours)
        if (!who.ok) return who
        return { ok: true, reviewer: withAddresses(who.reviewer, [member.email, member.userPrincipalName]) }
      })
    },
  }
}

/** Not ok: the connector tells us nothing of anybody there, and there is no talk with them. */
type Found = { readonly ok: true; readonly member: TeamsMember | null } | { readonly ok: false }

async function memberFor(
  { user, conversation, isCompose }: Asked,
  { transport, conversations }: Pick<ReviewersOptions, 'transport' | 'conversations'>,
): Promise<Found> {
  if (isCompose !== true) return { ok: true, member: await transport.member(conversation, user.mri) }
  const found = await memberIn(conversation)
  if (found.ok && found.member !== null) return found
  const own = await conversations.withPerson(user.tenantId, user.oid)
  return own === null ? found : memberIn(own)

  async function memberIn(talk: Asked['conversation']): Promise<Found> {
    try {
      return { ok: true, member: await transport.member(talk, user.mri) }
    } catch (error) {
      if (error instanceof ChannelRefused) return { ok: false }
      throw error
    }
  }
}
