/**
 * Who is in a conversation, for convenience alone: whom Teams is to ask for their own view of a card (`refresh`, at most 60
 * people), and where the owner of an agent may be found. Nothing is decided by it: each click is judged when it comes. So
 * it may be minutes old, and where it can't be had, cards go out without it.
 */
import type { Approval } from '../../src/approval/approval.ts'
import type { Reviewer } from '../../src/people/reviewer.ts'
import { ChannelRefused, type Clock, type Conversation, type Log, type People } from '../../src/ports.ts'
import { isRequester } from '../../src/review/review.ts'
import { errorName } from '../chat/error-name.ts'
import {
  REFRESH_PEOPLE_MAX,
  ROSTER_CACHED_MS,
  ROSTER_MAX,
  ROSTER_RETRY_MS,
  ROSTERS_CACHED_MAX,
  VIEWERS_WITHIN_MS,
} from './limits.ts'
import type { TeamsMember, Transport } from './transport.ts'

export interface RosterPerson {
  readonly mri: string
  readonly reviewer: Reviewer
}

export interface Rosters {
  /** Full members of the tenant, none where Teams names nobody; null where it can't be told now. Never rejects. */
  peopleIn(conversation: Conversation): Promise<readonly RosterPerson[] | null>
  /** Whose own views of this approval's card are to be asked for, by MRI. Never rejects. */
  viewersOf(approval: Approval, conversation: Conversation): Promise<readonly string[]>
}

export interface RostersOptions {
  readonly transport: Pick<Transport, 'members'>
  readonly people: Pick<People, 'isMember'>
  /** Null: a guest, or nobody who may review. */
  readonly reviewerOf: (member: TeamsMember) => Reviewer | null
  readonly clock: Clock
  readonly log: Log
}

export function createRosters(options: RostersOptions): Rosters {
  const { transport, reviewerOf, clock, log } = options
  const known = new Map<string, { readonly people: Promise<readonly RosterPerson[] | null>; until: number }>()
  async function read(conversation: Conversation): Promise<readonly RosterPerson[] | null> {
    try {
      const members = await transport.members(conversation, ROSTER_MAX)
      return members.flatMap((member) => {
        const reviewer = reviewerOf(member)
        return reviewer === null ? [] : [{ mri: member.mri, reviewer }]
      })
    } catch (error) {
      log.warn('teams does not tell who is in a conversation; cards there look the same to all', {
        channel: 'teams',
        conversation: conversation.id,
        error: errorName(error),
      })
      // A no, such as too many members, stays one: whoever waits for another answer waits for ever.
      return error instanceof ChannelRefused ? [] : null
    }
  }
  function peopleIn(conversation: Conversation): Promise<readonly RosterPerson[] | null> {
    const cached = known.get(conversation.id)
    if (cached !== undefined && cached.until > clock.now()) return cached.people
    known.delete(conversation.id)
    if (known.size >= ROSTERS_CACHED_MAX) known.delete(known.keys().next().value ?? '')
    const entry = { people: read(conversation), until: clock.now() + ROSTER_CACHED_MS }
    known.set(conversation.id, entry)
    void entry.people.then((people) => {
      if (people === null || people.length === 0) entry.until = clock.now() + ROSTER_RETRY_MS
    })
    return entry.people
  }
  return {
    peopleIn,
    async viewersOf(approval, conversation) {
      const people = await peopleIn(conversation)
      return people === null ? [] : (await choose(options, approval, people)).map(({ mri }) => mri)
    },
  }
}

/** The person behind the agent, and who may review it; where nobody can tell in time, the first ones. */
async function choose(
  { people: groups, clock }: RostersOptions,
  approval: Approval,
  people: readonly RosterPerson[],
): Promise<readonly RosterPerson[]> {
  const owner = people.filter(({ reviewer }) => isRequester(approval, reviewer))
  const others = people.filter((person) => !owner.includes(person))
  const first = [...owner, ...others].slice(0, REFRESH_PEOPLE_MAX)
  if (approval.from.length === 0) return first
  const chosen = [...owner]
  const until = clock.now() + VIEWERS_WITHIN_MS
  try {
    for (const person of others) {
      if (chosen.length >= REFRESH_PEOPLE_MAX) break
      if (clock.now() > until) return chosen
      if (await groups.isMember(person.reviewer, approval.from, 'click')) chosen.push(person)
    }
    return chosen.slice(0, REFRESH_PEOPLE_MAX)
  } catch {
    return first
  }
}
