/**
 * What the app may read in the teams and chats that it is in, besides what the Bot Connector tells every bot, and why. Only
 * where the settings say `graph: true`; without it nothing of this is asked for. What an administrator has to grant for
 * the whole tenant is named where people and groups are looked up.
 */

/** Granted by whoever adds the app to a team or a chat, for that one alone. manifests/teams asks for exactly these. */
export const RESOURCE_PERMISSIONS = {
  'ChannelMessage.Read.Group': 'looks whether a card was posted, where the answer to posting it was lost',
  'ChatMessage.Read.Chat': 'the same in group chats',
} as const satisfies Record<string, string>
