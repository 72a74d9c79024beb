/**
 * What the app may read besides what the Bot Connector tells every bot, and why. Only where the settings say `graph: true`;
 * without it nothing of this is asked for. A test compares the manifest.
 */

/** Granted by whoever adds the app to a team or a chat, for that one alone. manifests/teams asks for exactly these. */
export const RESOURCE_PERMISSIONS = {
  'ChannelMessage.Read.Group': 'looks whether a card was posted, where the answer to posting it was lost',
  'ChatMessage.Read.Chat': 'the same in group chats',
} as const satisfies Record<string, string>

/** Granted by an administrator of the tenant, in the app registration: application permissions of Microsoft Graph. */
export const GRAPH_PERMISSIONS = {
  'User.Read.All': 'knows who left or was made a guest before an approved call runs',
  'GroupMember.Read.All': 'knows the members of Entra’s groups that people.groups names',
} as const satisfies Record<string, string>
