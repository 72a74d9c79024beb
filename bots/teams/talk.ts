/**
 * Commands: what people write to the bot. Teams takes the message at once and hears the answer as a message of its own,
 * in the thread of a channel or in the talk, because a message has no answer that its writer alone would see.
 */
import type { Log } from '../../src/ports.ts'
import { errorName } from '../chat/error-name.ts'
import { faultSentence } from '../chat/faults.ts'
import type { Incoming } from './activity.ts'
import type { Asked, Command, CommandAnswer, CommandWords } from './feature.ts'
import type { TeamsMessage, Transport } from './transport.ts'

/** What is run for words that are no command. */
export const HELP = 'help'

export interface TalkParts {
  readonly commands: readonly Command[]
  readonly transport: Pick<Transport, 'send'>
  readonly log: Log
}

/** Never rejects. */
export async function runCommand(
  incoming: Pick<Incoming, 'conversation' | 'threadId' | 'id'>,
  about: { readonly asked: Asked; readonly words: CommandWords },
  { commands, transport, log }: TalkParts,
): Promise<void> {
  const chosen = chooseCommand(commands, about.words)
  if (chosen === null) return
  const root = incoming.threadId ?? incoming.id
  const say = (message: TeamsMessage) =>
    transport.send(incoming.conversation, message, root === null ? {} : { replyTo: root })
  const answer = await chosen.command.run(about.asked, chosen.words).catch((error): CommandAnswer => {
    log.error('teams command failed', { channel: 'teams', command: chosen.command.name, error: errorName(error) })
    return { message: faultSentence(error) }
  })
  try {
    if (answer.card !== undefined) await say({ card: answer.card, summary: answer.message ?? '' })
    else if (answer.message !== null) await say({ card: null, summary: answer.message })
    const later = await answer.later?.catch(faultSentence)
    if (later !== undefined) await say({ card: null, summary: later })
  } catch (error) {
    log.error('teams command was run, and its answer not delivered', { channel: 'teams', error: errorName(error) })
  }
}

/** The first word is its name; anything else asks for help. Null where there is none. */
export function chooseCommand(
  commands: readonly Command[],
  { text, mentioned }: CommandWords,
): { readonly command: Command; readonly words: CommandWords } | null {
  const [, name = '', rest = ''] = /^(\S*)\s*([\s\S]*)$/.exec(text.trim()) ?? []
  const command = commands.find((one) => one.name === name.toLowerCase())
  if (command !== undefined) return { command, words: { text: rest, mentioned } }
  const help = commands.find((one) => one.name === HELP)
  return help === undefined ? null : { command: help, words: { text, mentioned } }
}
