/**
 * Messages to the bot: in its personal talk the words alone, in a channel or a group chat with its mention, or by `/`,
 * which nobody else sees. The first word is the command; whatever else is said is answered with help.
 *
 * Nothing is told to whom a click would not count of: guests, other tenants and bots learn that, and not what stands.
 * inbound.ts has verified who wrote, and that this delivery is the first: a thaw that comes again must not undo a freeze.
 */
import type { Log } from '../../src/ports.ts'
import { answerLines, chooseCommand, failureText } from '../chat/commands.ts'
import { errorName } from '../chat/error-name.ts'
import type { WhoClicked } from '../chat/who-clicked.ts'
import { type Asked, type Command, type CommandAnswer, type CommandWords, isPrivate } from './feature.ts'

/** The bot's name in manifests/teams, by which it is mentioned. */
export const BOT_NAME = 'Countersign'

/** UTF-16 units, of three bytes at most: with the lines' own JSON it stays below CARD_BYTES_MAX of limits.ts. */
const ANSWER_MAX = 6000

export interface CommandsOptions {
  readonly commands: readonly Command[]
  /** Never rejects. */
  readonly whoActed: (asked: Asked) => Promise<WhoClicked>
  readonly log: Log
}

/** Never rejects: what fails is said. Answers hold no invisible characters, and are plain text. */
export type RunCommand = (asked: Asked, words: CommandWords) => Promise<CommandAnswer>

export function createCommands(options: CommandsOptions): RunCommand {
  const { commands, log } = options
  return async (asked, { text, mentioned }) => {
    try {
      const who = await options.whoActed(asked)
      if (!who.ok) return said({ message: who.message }, log)
      const chosen = chooseCommand(commands, text.trim(), callOf(asked))
      if (!chosen.ok) return said({ message: chosen.message }, log)
      const { command, words } = chosen
      return said(await command.run({ ...asked, reviewer: who.reviewer }, { text: words, mentioned }), log)
    } catch (error) {
      return said({ message: failure(error, log) }, log)
    }
  }
}

/** What stands before a command's name where it was typed; by `/` Teams brings the name alone. */
export function callOf(asked: Asked): string {
  return isPrivate(asked) ? '' : `@${BOT_NAME} `
}

function said({ message, later, ...answer }: CommandAnswer, log: Log): CommandAnswer {
  return {
    ...answer,
    message: message === null ? null : answerLines(message, ANSWER_MAX),
    ...(later === undefined ? {} : { later: later.catch((error: unknown) => failure(error, log)).then(shortened) }),
  }
}

const shortened = (text: string) => answerLines(text, ANSWER_MAX)

function failure(error: unknown, log: Log): string {
  log.error('teams command failed', { channel: 'teams', error: errorName(error) })
  return failureText(error)
}
