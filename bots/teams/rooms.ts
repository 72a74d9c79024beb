/**
 * How a conversation that the settings or a policy name is reached. A bot can't look that up: it knows what Teams told of
 * (jobs/conversations.ts). An installation in a team tells of its first channel alone, so that another channel is reached
 * where any conversation of this tenant is; and before anything is known, at the address that Microsoft documents for
 * bots which start the talk themselves (learn.microsoft.com/microsoftteams/platform/bots/how-to/conversations/
 * send-proactive-messages): the id names the conversation, and a bot that isn't in it is refused. Other clouds have no
 * such address here: there it waits until it is told.
 */
import type { TeamsSettings } from '../../src/config/settings.ts'
import { ChannelBusy, ChannelRefused, type Conversation, type Conversations, type Log } from '../../src/ports.ts'
import { TEAMS_TRIED_MAX, UNKNOWN_CONVERSATION_RETRY_MS } from './limits.ts'

const PUBLIC_SERVICE_URL = 'https://smba.trafficmanager.net/teams/'

export interface Rooms {
  /** Rejects with ChannelBusy where nobody knows yet. */
  named(id: string): Promise<Conversation>
  /** Group ids of the teams that a channel may be of: its own, or those that are known. */
  groupsOf(conversation: Conversation): Promise<readonly string[]>
  /** Says once what to do about a conversation that the bot is not in, and knows it no more. Never rejects. */
  refused(conversation: Conversation, error: unknown): Promise<void>
}

export interface RoomsOptions {
  readonly settings: Pick<TeamsSettings, 'tenantId' | 'endpoints'>
  readonly conversations: Conversations
  readonly log: Log
}

/** learn.microsoft.com/microsoftteams/platform/bots/build-conversational-capability, status codes. */
const NOT_THERE: ReadonlySet<string> = new Set(['BotNotInConversationRoster', 'ForbiddenOperationException'])

export const isNotThere = (error: unknown): boolean => error instanceof ChannelRefused && NOT_THERE.has(error.code)

export function createRooms({ settings, conversations, log }: RoomsOptions): Rooms {
  const told = new Set<string>()
  const tellOnce = (id: string, message: string) => {
    if (told.has(id)) return
    told.add(id)
    log.error(message, { channel: 'teams', conversation: id })
  }
  async function serviceUrl(): Promise<string | null> {
    const [newest] = await conversations.rooms(1)
    return newest?.serviceUrl ?? (settings.endpoints === null ? PUBLIC_SERVICE_URL : null)
  }
  return {
    async named(id) {
      const known = await conversations.get(id)
      if (known !== null) {
        told.delete(id)
        return known
      }
      const url = await serviceUrl()
      if (url === null) {
        tellOnce(
          id,
          'teams has not told of a conversation yet: install the app in its team or chat, or mention it there once',
        )
        throw new ChannelBusy(UNKNOWN_CONVERSATION_RETRY_MS, { isForThisOnly: true })
      }
      return { id, kind: kindOf(id), tenantId: settings.tenantId, serviceUrl: url, oid: null, teamGroupId: null }
    },
    async groupsOf({ kind, teamGroupId }) {
      if (kind !== 'channel') return []
      if (teamGroupId !== null) return [teamGroupId]
      const known = await conversations.rooms(TEAMS_TRIED_MAX)
      return [...new Set(known.flatMap((room) => (room.teamGroupId === null ? [] : [room.teamGroupId])))]
    },
    async refused(conversation, error) {
      if (!isNotThere(error)) return
      tellOnce(conversation.id, 'teams: the app is not in this conversation: install it in its team or chat')
      await conversations.forget(conversation.id).catch(() => undefined)
    },
  }
}

/** By the form of its id. Old group chats have that of old channels, where a thread is the whole talk. */
function kindOf(id: string): Conversation['kind'] {
  return /@thread\.(?:tacv2|skype)$/.test(id) ? 'channel' : 'groupChat'
}
