/** The message that a click came from. Whoever sends messages may have lost the answer to one, and finds it so. */
import type { ApprovalId } from '../../src/brands.ts'
import type { Log, Place, SeenCards } from '../../src/ports.ts'
import { errorName } from '../chat/error-name.ts'
import type { Asked } from './feature.ts'
import { writeRef } from './sent.ts'

export interface Seeing {
  readonly seenCards: SeenCards
  readonly log: Log
}

/** Never rejects: a click must not fail for it. */
export async function tellSeen(
  { seenCards, log }: Seeing,
  { id, place }: { readonly id: ApprovalId; readonly place: Place },
  { conversation, messageId }: Asked,
): Promise<void> {
  if (messageId === null) return
  const ref = writeRef({ conversation: conversation.id, message: messageId })
  await seenCards.seen(id, place, ref).catch((error: unknown) => {
    log.warn('teams message not noted', { channel: 'teams', approval_id: id, error: errorName(error) })
  })
}
