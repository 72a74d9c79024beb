/** What the app may do in the workspace, and why. manifests/slack asks for exactly these; a test compares. */
export const BOT_SCOPES = {
  'chat:write': 'posts, repaints and answers cards',
  'users:read': 'tells members from guests and bots before a click counts',
  'users:read.email': 'recognises the agent’s owner, who may not approve, and the members of people.groups',
  'usergroups:read': 'knows the members of user groups that people.groups names',
  'channels:read': 'knows the members of public channels that people.groups names',
  'groups:read': 'knows the members of private channels that people.groups names',
} as const satisfies Record<string, string>
