/** Whom an approval is put to, as far as it stands where they are. */
import type { Approval } from '../../src/approval/approval.ts'
import type { ChannelName } from '../../src/policy/decision.ts'
import { placeIn, placesOf } from '../../src/policy/place.ts'

/** A workspace of a channel; null: its first, or only, one. */
export interface Workspace {
  readonly channel: ChannelName
  readonly workspace: string | null
}

/**
 * A rule can ask in other channels only. And where it names nobody, "anyone" is anyone of a workspace that shows the card:
 * a second workspace's people must not decide what is put to the first's.
 */
export function isAskedIn({ channels, rooms, from }: Approval, { channel, workspace }: Workspace): boolean {
  // Approvals of a gateway that knew Slack alone name none.
  const shown = placesOf({ channels: channels.length === 0 ? ['slack'] : channels, rooms }).map(placeIn)
  const here = shown.filter((place) => place?.channel === channel)
  return from.length > 0 ? here.length > 0 : here.some((place) => place?.workspace === workspace)
}
