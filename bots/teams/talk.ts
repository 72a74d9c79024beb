/**
 * What people write to the bot. Teams takes the message at once and hears the answer as a message of its own: in the
 * thread of a channel, in the talk, or to its writer alone where they alone see what they wrote.
 *
 * Whoever wrote waits for it, and a channel in which much goes on takes no more for a moment: then it is said again, while
 * nothing was taken. It is not kept beyond this process: they can write the same again.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { ChannelBusy, type Log } from '../../src/ports.ts'
import { errorName } from '../chat/error-name.ts'
import type { Incoming } from './activity.ts'
import type { Asked, CommandAnswer, CommandWords } from './feature.ts'
import { adaptiveCard, line, nextLine, quoted, summaryText } from './text.ts'
import type { TeamsMessage, Transport } from './transport.ts'

/** With the waits between them no longer than somebody looks at what they wrote. */
const ANSWER_TRIES_MAX = 4
const ANSWER_WAIT_MS_MAX = 8_000

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
  const say = (message: TeamsMessage) => untilTaken(() => transport.send(conversation, message, where))
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

/** What may have been taken is not sent twice; see Transport. */
async function untilTaken(send: () => Promise<unknown>): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await send()
      return
    } catch (error) {
      const isOver = attempt === ANSWER_TRIES_MAX || !(error instanceof ChannelBusy)
      if (isOver || error.retryAfterMs > ANSWER_WAIT_MS_MAX) throw error
      await pause(error.retryAfterMs)
    }
  }
}
