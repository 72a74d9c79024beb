/**
 * `/countersign freeze`, `thaw` and `status`, as Slack names people.
 *
 * The command is registered with `should_escape`, so that a mention comes as `<@U123|name>`: the name is whatever its
 * owner chose, and only the id counts.
 */
import { type FreezeCommandsOptions, freezeCommands, type NamedTarget } from '../chat/freeze-commands.ts'
import { COMMAND } from './actions.ts'
import type { Subcommand } from './commands.ts'
import { platformError, type SlackWeb } from './web.ts'
import type { WebOf } from './workspaces.ts'

export interface SlackFreezeOptions extends FreezeCommandsOptions {
  readonly webOf: WebOf
}

export function slackFreezeCommands(options: SlackFreezeOptions): readonly Subcommand[] {
  return freezeCommands(options).map((command) => ({
    ...command,
    run: ({ reviewer, teamId, words }) =>
      command.run({
        ...{ reviewer, words },
        call: `${COMMAND} `,
        // Slack shows an answer to a command to whoever typed it alone.
        isPrivate: true,
        whois: (word) => whois(options.webOf, teamId, word),
        plain: unescaped,
      }),
  }))
}

async function whois(webOf: WebOf, teamId: string, word: string): Promise<NamedTarget> {
  const mention = /^(?:agent:)?<@([UW][A-Z0-9]{1,30})(?:\|[^>]*)?>$/.exec(word)?.[1]
  if (mention === undefined) {
    return { kind: 'text', text: unescaped(/^(?:agent:)?<mailto:[^|>]*\|([^>]*)>$/.exec(word)?.[1] ?? word) }
  }
  const email = await addressOf(webOf(teamId), mention, teamId)
  return email === null ? { kind: 'refused', message: NO_ADDRESS } : { kind: 'person', email }
}

const NO_ADDRESS = 'Slack shows no confirmed address of theirs in this workspace. Name the agent by its owner’s e-mail.'

/** Of anyone of our workspace, also a guest or somebody who left: their agents may still be there. */
async function addressOf(web: SlackWeb, userId: string, teamId: string): Promise<string | null> {
  const { user } = await web.users.info({ user: userId }).catch((error: unknown) => {
    if (platformError(error) === null) throw error
    return { user: undefined }
  })
  if (user === undefined || user.id !== userId || user.is_email_confirmed === false) return null
  const isOurs = user.team_id === teamId || user.enterprise_user?.teams?.includes(teamId) === true
  return isOurs ? user.profile?.email || null : null
}

/** docs.slack.dev/messaging/formatting-message-text, "Escaping text" */
function unescaped(text: string): string {
  return text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&')
}
