/**
 * Where an approval is asked, as Teams has it, and whether a person belongs there.
 *
 * A card can leave its place: people forward and copy messages, and whoever speaks to Teams by a program of their own can
 * send any click from any conversation that they share with the bot. So what a click may do depends on nothing that it
 * brings along, but on who it is and where the approval is asked:
 *
 *   - where the rule names people, they decide, wherever they see it;
 *   - where it names nobody, "anyone" is anyone of the conversations that it is asked in;
 *   - the person behind the agent may see it anywhere.
 *
 * Whoever is none of these is told nothing of it and decides nothing.
 */
import type { Approval } from '../../src/approval/approval.ts'
import type { Reviewer } from '../../src/people/reviewer.ts'
import { placeIn, placesOf } from '../../src/policy/place.ts'
import type { Conversation, People, Place } from '../../src/ports.ts'
import { isRequester, mayReview } from '../../src/review/review.ts'
import type { Asked } from './feature.ts'
import type { Rooms } from './rooms.ts'
import type { Transport } from './transport.ts'

export interface OwnPlaces {
  /** Rejects where it can't be told. */
  isFor(approval: Approval, person: Reviewer, asked: Asked): Promise<boolean>
  /** As which of its places it is asked in this conversation; null: it isn't. */
  placeIn(approval: Approval, conversation: Pick<Conversation, 'id'>): Place | null
}

export interface OwnPlacesOptions {
  /** The conversation that the place `teams` is. */
  readonly approvalsRoom: string
  /** How a room is reached. Rejects where nobody knows. */
  readonly rooms: Pick<Rooms, 'named'>
  readonly transport: Pick<Transport, 'member'>
  readonly people: Pick<People, 'isMember'>
}

export function createOwnPlaces({ approvalsRoom, rooms, transport, people }: OwnPlacesOptions): OwnPlaces {
  function askedIn({ channels, rooms: named }: Approval): readonly { readonly place: Place; readonly room: string }[] {
    const places = placesOf({ channels: channels.length === 0 ? ['teams'] : channels, rooms: named })
    return places.flatMap((place) => {
      const parsed = placeIn(place)
      return parsed?.channel === 'teams' ? [{ place, room: parsed.room ?? approvalsRoom }] : []
    })
  }

  /** Also somebody who left a moment ago is none of it: the connector is asked, and no list. */
  async function isIn(room: string, oid: string): Promise<boolean> {
    return (await transport.member(await rooms.named(room), oid)) !== null
  }

  return {
    placeIn: (approval, { id }) => askedIn(approval).find(({ room }) => room === id)?.place ?? null,
    async isFor(approval, person, { conversation, user }) {
      const own = askedIn(approval).map(({ room }) => room)
      // Teams delivers nothing of a conversation from whoever is not in it.
      if (own.includes(conversation.id) || isRequester(approval, person)) return true
      if (own.length === 0) return false
      if (approval.from.length > 0) return (await mayReview(approval, person, people, 'click')) === null
      const found = await Promise.all(own.map((room) => isIn(room, user.oid)))
      return found.includes(true)
    },
  }
}
