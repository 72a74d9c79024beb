/** A message that a click came from. Whoever sent messages may have lost the answer to one, and finds it so. */
import type { ApprovalId } from '../../src/brands.ts'
import type { Log } from '../../src/ports.ts'
import { errorName } from '../chat/error-name.ts'
import type { Asked } from './feature.ts'

export interface Seeing {
  /**
   * A message in a place of this approval's shows it, says a click. Anyone may say so: what is known of a message otherwise
   * must not be forgotten for it.
   */
  readonly seen: (approvalId: ApprovalId, conversationId: string, messageId: string) => Promise<void>
  readonly log: Log
}

/** Never rejects: a click must not fail for it. */
export async function tellSeen({ seen, log }: Seeing, approvalId: ApprovalId, asked: Asked): Promise<void> {
  const { conversation, messageId } = asked
  if (messageId === null) return
  await seen(approvalId, conversation.id, messageId).catch((error: unknown) => {
    log.warn('teams message not noted', { channel: 'teams', approval_id: approvalId, error: errorName(error) })
  })
}
