/** What came of a click, and how the person who clicked hears of it. */
import type { types } from '@slack/bolt'
import type { Approval } from '../../src/approval/approval.ts'
import { visible } from '../../src/approval/visible.ts'
import { GatewayError } from '../../src/errors.ts'
import type { Log, ReviewOutcome } from '../../src/ports.ts'
import { errorName } from './log.ts'
import { line, linkTo, plainSection } from './text.ts'

export interface Answer {
  /** What the person is told; null: nothing, the repainted card or the opened window says it. */
  readonly message: string | null
  /** Whether what was wanted was done. */
  readonly isDone: boolean
  /** The approval as it stands, where the clicked copy of the card may be out of date. */
  readonly stale: Approval | null
  /** An address of ours that the message sends to. */
  readonly link: { readonly url: string; readonly text: string } | null
}

export const SAID_NOTHING: Answer = { message: null, isDone: true, stale: null, link: null }
export const GONE = refused('This approval is no longer kept.')
export const NOT_UNDERSTOOD = refused('This button is not one of this gateway’s.')

export function refused(message: string, stale: Approval | null = null): Answer {
  return { message, isDone: false, stale, link: null }
}

export function done(message: string): Answer {
  return { message, isDone: true, stale: null, link: null }
}

/** A copy that still asks what is decided, or that shows something else, is painted anew. */
export function answerOf(outcome: ReviewOutcome, message: string | null = null): Answer {
  if (outcome.ok) return { ...SAID_NOTHING, message }
  const { approval, refusal } = outcome
  const isStale = approval !== null && (approval.state !== 'pending' || refusal === 'card_changed')
  return refused(outcome.message, isStale ? approval : null)
}

export function answerBlocks({ message, link }: Answer): types.KnownBlock[] {
  const blocks: types.KnownBlock[] = [plainSection(visible(message ?? ''))]
  if (link !== null) blocks.push({ type: 'rich_text', elements: [line(linkTo(link.url, link.text))] })
  return blocks
}

/** A fault ends as a sentence to the person, never as a click that seems to have worked. */
export async function guarded(work: () => Promise<Answer>, log: Log): Promise<Answer> {
  try {
    return await work()
  } catch (error) {
    log.error('slack click failed', { channel: 'slack', error: errorName(error) })
    const cure = error instanceof GatewayError ? error.cure : 'The gateway’s log has the details.'
    return refused(`That failed: ${cure} If the card still asks, please click again.`)
  }
}

/** An acknowledgement that comes too late throws; what was decided stands, and the rest still has to be told. */
export async function inTime(acknowledged: Promise<void>, log: Log): Promise<void> {
  await acknowledged.catch((error) => log.warn('slack click acknowledged too late', { error: errorName(error) }))
}
