/**
 * What people write to the bot. Teams takes the message at once and hears the answer as a message of its own: in the
 * thread of a channel, in the talk, or to its writer alone where they alone see what they wrote.
 */
import type { Log } from '../../src/ports.ts'
import { errorName } from '../chat/error-name.ts'
import type { Incoming } from './activity.ts'
import type { Asked, CommandAnswer, CommandWords } from './feature.ts'
import { adaptiveCard, line, nextLine, quoted, summaryText } from './text.ts'
import type { TeamsMessage, Transport } from './transport.ts'

export interface TalkParts {
  /** Never rejects. */
  readonly runCommand: (asked: Asked, words: CommandWords) => Promise<CommandAnswer>
  readonly transport: Pick<Transport, 'send'>
  readonly log: Log
}

/** Never rejects. */
export async function talk(
  { conversation, threadId, id }: Pick<Incoming, 'conversation' | 'threadId' | 'id'>,
  { asked, words }: { readonly asked: Asked; readonly words: CommandWords },
  { runCommand, transport, log }: TalkParts,
): Promise<void> {
  const root = threadId ?? id
  const where = {
    ...(root === null ? {} : { replyTo: root }),
    ...(asked.isTargeted === true ? { onlyTo: asked.user.mri } : {}),
  }
  const say = (message: TeamsMessage) => transport.send(conversation, message, where)
  try {
    const { message, card, later } = await runCommand(asked, words)
    if (card !== undefined) await say({ card, summary: message ?? '' })
    else if (message !== null) await say(inLines(message))
    const rest = await later
    if (rest !== undefined) await say(inLines(rest))
  } catch (error) {
    log.error('a command of teams was run, and its answer not delivered', { channel: 'teams', error: errorName(error) })
  }
}

/** On a card, because clients run the lines of a plain message into one; what was quoted is drawn as it is. */
function inLines(message: string): TeamsMessage {
  const [first = '', ...rest] = message.split('\n').filter((text) => text !== '')
  const body = [line(quoted(first)), ...rest.map((text) => nextLine(quoted(text)))]
  return { card: adaptiveCard({ body, fallbackText: summaryText(message) }), summary: message }
}
