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
import type { Conversation, Conversations, People } from '../../src/ports.ts'
import { isRequester, mayReview } from '../../src/review/review.ts'
import type { Asked } from './feature.ts'
import type { Transport } from './transport.ts'

export interface OwnPlaces {
  /** Rejects where it can't be told. */
  isFor(approval: Approval, person: Reviewer, asked: Asked): Promise<boolean>
  /** Whether it is asked in this conversation. */
  isAskedIn(approval: Approval, conversation: Pick<Conversation, 'id'>): boolean
}

export interface OwnPlacesOptions {
  /** The conversation that the place `teams` is. */
  readonly approvalsRoom: string
  readonly conversations: Pick<Conversations, 'get'>
  readonly transport: Pick<Transport, 'member'>
  readonly people: Pick<People, 'isMember'>
}

export function createOwnPlaces({ approvalsRoom, conversations, transport, people }: OwnPlacesOptions): OwnPlaces {
  function roomsOf({ channels, rooms }: Approval): readonly string[] {
    const places = placesOf({ channels: channels.length === 0 ? ['teams'] : channels, rooms }).map(placeIn)
    return places.flatMap((place) => (place?.channel === 'teams' ? [place.room ?? approvalsRoom] : []))
  }

  /** Also somebody who left a moment ago is none of it: the connector is asked, and no list. */
  async function isIn(room: string, oid: string): Promise<boolean> {
    const conversation = await conversations.get(room)
    return conversation !== null && (await transport.member(conversation, oid)) !== null
  }

  return {
    isAskedIn: (approval, { id }) => roomsOf(approval).includes(id),
    async isFor(approval, person, { conversation, user }) {
      const rooms = roomsOf(approval)
      // The connector knew them as a member of the conversation that they clicked in: see reviewers.ts.
      if (rooms.includes(conversation.id) || isRequester(approval, person)) return true
      if (rooms.length === 0) return false
      if (approval.from.length > 0) return (await mayReview(approval, person, people, 'click')) === null
      const found = await Promise.all(rooms.map((room) => isIn(room, user.oid)))
      return found.includes(true)
    },
  }
}
