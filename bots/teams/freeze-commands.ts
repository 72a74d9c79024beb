/**
 * `freeze`, `thaw` and `status`, as Teams names people: a mention comes with its owner's id, and the name beside it is
 * whatever its owner chose. Everybody in a channel reads what is answered there, so that a freeze is told (the notice
 * says as much) and what waits for one person is not.
 */
import { type FreezeCommandsOptions, freezeCommands, type NamedTarget } from '../chat/freeze-commands.ts'
import { callOf } from './commands.ts'
import { type Asked, type Command, type CommandWords, isPrivate } from './feature.ts'

export interface TeamsFreezeOptions extends FreezeCommandsOptions {
  /** Of anyone of our tenant who is in this conversation, guests too: their agents may be stopped. Null: nobody knows. */
  readonly addressOf: (
    conversation: Asked['conversation'],
    person: CommandWords['mentioned'][number],
  ) => Promise<string | null>
}

export function teamsFreezeCommands(options: TeamsFreezeOptions): readonly Command[] {
  return freezeCommands(options).map((command) => ({
    ...command,
    run: (asked, words) =>
      command.run({
        ...{ reviewer: asked.reviewer, call: callOf(asked), isPrivate: isPrivate(asked), plain },
        words: words.text,
        whois: (word) => whois(options, { asked, mentioned: words.mentioned, word }),
      }),
  }))
}

async function whois(
  { addressOf }: TeamsFreezeOptions,
  { asked, mentioned, word }: { readonly asked: Asked; readonly word: string } & Pick<CommandWords, 'mentioned'>,
): Promise<NamedTarget> {
  const number = /^(?:agent:)?<at:(\d{1,4})>[,;:]?$/i.exec(word)?.[1]
  if (number === undefined) {
    // A mention that Teams doesn't say the owner of: its name alone is no name of anybody.
    return /<\/?at\b/i.test(word) ? refused(UNCLEAR) : { kind: 'text', text: plain(word) }
  }
  const person = mentioned[Number(number)]
  const email = person === undefined ? null : await addressOf(asked.conversation, person)
  return email === null ? refused(NO_ADDRESS) : { kind: 'person', email }
}

const UNCLEAR = 'Teams does not say whom this mentions. Name the agent by its owner’s e-mail.'
const NO_ADDRESS = 'Teams shows no address of theirs in this tenant. Name the agent by its owner’s e-mail.'

function refused(message: string): NamedTarget {
  return { kind: 'refused', message }
}

/** What people type comes with HTML's own characters as entities; the ampersand's last, or `&amp;lt;` would change twice. */
function plain(text: string): string {
  return text
    .replaceAll('&nbsp;', ' ')
    .replaceAll('\u00a0', ' ')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&amp;', '&')
}
