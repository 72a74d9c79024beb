/**
 * What came of something that a person did in a chat, and what they alone are told of it. Every click and every submitted
 * form ends in one of these, whichever chat it came from; the chat only paints it: Slack as a message that one person sees,
 * or in the window; Teams as that person's own view of the card, or as the dialog's last words.
 *
 * A fault ends as a sentence too. Nothing here ever looks like success that was none.
 */
import type { Approval } from '../../src/approval/approval.ts'
import type { ChannelName } from '../../src/policy/decision.ts'
import type { Log, ReviewOutcome } from '../../src/ports.ts'
import { errorName } from './error-name.ts'
import { cureOf } from './fault.ts'

export interface PrivateAnswer {
  /** Null: nothing, the repainted card or the opened form says it. May quote people: untrusted. */
  readonly message: string | null
  /** Whether what was wanted was done. */
  readonly isDone: boolean
  /** The approval as it stands, where the clicked copy of the card may be out of date. */
  readonly stale: Approval | null
  /** An address of ours that the message sends to. */
  readonly link: { readonly url: string; readonly text: string } | null
}

export const SAID_NOTHING: PrivateAnswer = { message: null, isDone: true, stale: null, link: null }
export const GONE = refused('This approval is no longer kept.')
export const NOT_UNDERSTOOD = refused('This button is not one of this gateway’s.')

export function refused(message: string, stale: Approval | null = null): PrivateAnswer {
  return { message, isDone: false, stale, link: null }
}

export function done(message: string): PrivateAnswer {
  return { message, isDone: true, stale: null, link: null }
}

/** A copy that still asks what is decided, or that shows something else, is painted anew. */
export function answerOf(outcome: ReviewOutcome, message: string | null = null): PrivateAnswer {
  if (outcome.ok) return { ...SAID_NOTHING, message }
  const { approval, refusal } = outcome
  const isStale = approval !== null && (approval.state !== 'pending' || refusal === 'card_changed')
  return refused(outcome.message, isStale ? approval : null)
}

/** A fault ends as a sentence to the person, never as a click that seems to have worked. */
export async function guarded(
  work: () => Promise<PrivateAnswer>,
  { log, channel }: { readonly log: Log; readonly channel: ChannelName },
): Promise<PrivateAnswer> {
  try {
    return await work()
  } catch (error) {
    log.error(`${channel} click failed`, { channel, error: errorName(error) })
    return refused(failureOf(error))
  }
}

export function failureOf(error: unknown): string {
  return `That failed: ${cureOf(error)} If the card still asks, please click again.`
}
