/**
 * A place as a policy names it: a channel, or a room of it, each perhaps of a named workspace; see Place in ports.ts.
 *
 *   slack   slack:C0123ABCD   slack/acme   slack/acme:C0123ABCD   console   teams   teams:19:…@thread.tacv2
 *
 * A room goes by its id, because names can be given to another room.
 */
import type { ChannelName } from './decision.ts'

export interface ParsedPlace {
  readonly channel: ChannelName
  /** Null: the channel's first, or only, one. */
  readonly workspace: string | null
  /** Null: the workspace's own room for approvals. */
  readonly room: string | null
}

/** Slack's conversations: C for channels, G for older private ones. D is a talk of two, where nobody else could decide. */
const SLACK = /^slack(?:\/([a-z0-9][a-z0-9-]{0,62}))?(?::([CG][A-Z0-9]{2,31}))?$/

/** Teams' channels and group chats. A talk of two has another form, and nobody else could decide in it. */
const TEAMS = /^teams(?::(19:[A-Za-z0-9_-]{1,200}@(?:thread\.tacv2|thread\.skype|thread\.v2|unq\.gbl\.spaces)))?$/

/** Null where the text names no place. */
export function placeIn(text: string): ParsedPlace | null {
  if (text === 'console') return { channel: text, workspace: null, room: null }
  const teams = TEAMS.exec(text)
  if (teams !== null) return { channel: 'teams', workspace: null, room: teams[1] ?? null }
  const parts = SLACK.exec(text)
  if (parts === null) return null
  return { channel: 'slack', workspace: parts[1] ?? null, room: parts[2] ?? null }
}

/** Whether it is more than its channel's own place. */
export function isRoom({ workspace, room }: ParsedPlace): boolean {
  return workspace !== null || room !== null
}

/**
 * Where an approval is shown: in each of its channels, and there in the rooms that are named, or in the channel's own
 * place where none is. Also in named rooms of other channels, which an escalation adds.
 */
export function placesOf(shown: {
  readonly channels: readonly ChannelName[]
  readonly rooms: readonly string[]
}): readonly string[] {
  const named = new Set(shown.rooms.map((room) => placeIn(room)?.channel))
  return [...new Set([...shown.channels.filter((channel) => !named.has(channel)), ...shown.rooms])]
}
