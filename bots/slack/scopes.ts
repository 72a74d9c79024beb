import { ACCESS_COMMAND, COMMAND } from './actions.ts'

/** What the app may do in the workspace, and why. manifests/slack asks for exactly these; a test compares. */
export const BOT_SCOPES = {
  commands: 'takes /access and /countersign',
  'channels:history': 'looks whether a card was posted, where the answer to posting it was lost',
  'chat:write': 'posts, repaints and answers cards',
  'groups:history': 'the same in private channels',
  'im:history': 'the same in the private talk with the person behind an agent',
  'im:write': 'opens that talk, to tell them what their agent waits for',
  'users:read': 'tells members from guests and bots before a click counts',
  'users:read.email': 'recognises the agent’s owner, who may not approve, and the members of people.groups',
  'usergroups:read': 'knows the members of user groups that people.groups names',
  'channels:read': 'knows whether it is in a channel, and the members of public channels that people.groups names',
  'groups:read': 'the same of private channels',
  'files:write': 'puts arguments that don’t fit on a card into its thread',
} as const satisfies Record<string, string>

/** Commands and events that Slack sends, and what comes of them; in the manifests too, and compared likewise. */
export const SLASH_COMMANDS = {
  [ACCESS_COMMAND]: 'opens the form for elevated access',
  [COMMAND]: 'freezes, thaws, and tells what waits',
} as const satisfies Record<string, string>
export const BOT_EVENTS = {
  app_home_opened: 'paints App Home for whoever opens it',
} as const satisfies Record<string, string>
