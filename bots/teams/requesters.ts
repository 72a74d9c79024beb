/**
 * Where to reach the person behind an agent in Teams: the private talk with whoever the approvals' conversation, or Graph,
 * knows by the owner's address, or with the very account that asked for access. Only a full member of the tenant is
 * written to: what an agent is about to do is nobody else's business, and the buttons would refuse others anyway.
 *
 * The connector finds nobody by address, so without Graph an owner who is not in that conversation hears nothing by
 * itself. They are shown their own requests all the same when they ask the bot.
 */
import type { Reviewer } from '../../src/people/reviewer.ts'
import { ChannelBusy, type Clock, type Conversation, type Conversations } from '../../src/ports.ts'
import { createRequesters as createChatRequesters, type RequesterName, type Requesters } from '../chat/requesters.ts'
import { REQUESTER_CACHED_MS, REQUESTERS_CACHED_MAX, ROSTER_RETRY_MS } from './limits.ts'
import type { Rosters } from './rosters.ts'
import type { Transport } from './transport.ts'

export interface TeamsRequestersOptions {
  readonly tenantId: string
  readonly conversations: Pick<Conversations, 'withPerson' | 'remember'>
  readonly transport: Pick<Transport, 'openPersonal'>
  readonly rosters: Rosters
  /** The approvals' conversation. */
  readonly home: () => Promise<Conversation>
  /** The object id of the one full member who has this address; null: nobody, or nobody can be asked. */
  readonly oidByEmail: (email: string) => Promise<string | null>
  readonly clock: Clock
}

export function createRequesters(options: TeamsRequestersOptions): Requesters<Conversation> {
  return createChatRequesters({
    clock: options.clock,
    cachedMs: REQUESTER_CACHED_MS,
    cachedMax: REQUESTERS_CACHED_MAX,
    find: (who) => talkWith(options, who),
  })
}

async function talkWith(options: TeamsRequestersOptions, who: RequesterName): Promise<Conversation | null> {
  const { tenantId, conversations, transport, home } = options
  const oid = who.kind === 'reviewer' ? oidOf(who.id, tenantId) : await byEmail(options, who.email)
  if (oid === null) return null
  const known = await conversations.withPerson(tenantId, oid)
  if (known !== null) return known
  const { serviceUrl } = await home()
  const opened = await transport.openPersonal({ oid, serviceUrl })
  if (opened !== null) await conversations.remember(opened)
  return opened
}

/** `teams:<tenant>:<object id>`; whoever asked elsewhere is not to be found here. */
function oidOf(reviewerId: string, tenantId: string): string | null {
  const [channel, tenant, oid] = reviewerId.split(':')
  return channel === 'teams' && tenant === tenantId && oid !== undefined ? oid : null
}

async function byEmail({ rosters, home, oidByEmail, tenantId }: TeamsRequestersOptions, email: string) {
  const roster = await rosters.peopleIn(await home())
  const people = roster ?? []
  const has = ({ email: address }: Reviewer) => address?.toLowerCase() === email
  const found = people.filter(({ reviewer }) => has(reviewer))
  // Of two who have one address nobody knows which it is.
  if (found.length > 1) return null
  const oid = found.length === 1 ? oidOf(found[0]?.reviewer.id ?? '', tenantId) : await oidByEmail(email)
  // Whoever is not found is never told: that must not come of a moment in which Teams did not answer.
  if (oid === null && roster === null) throw new ChannelBusy(ROSTER_RETRY_MS, { isForThisOnly: true })
  return oid
}
