/**
 * What a message of ours is called among all others, where people don't see it: by this it is found again when the answer
 * to its posting was lost. Names travel in messages that are already posted: add, never rename.
 */
import type { Sent } from '../../src/ports.ts'

export interface SentName {
  readonly type: string
  readonly payload: Readonly<Record<string, string>>
}

export function nameOfSent(sent: Sent): SentName {
  switch (sent.kind) {
    case 'card':
      return { type: 'countersign_card', payload: { approval_id: sent.approvalId, place: sent.place } }
    case 'reply':
      return { type: 'countersign_reply', payload: { reply_id: sent.replyId } }
    case 'notice':
      return { type: 'countersign_notice', payload: { notice_id: sent.id } }
    case 'summary':
      return { type: 'countersign_summary', payload: { session_id: sent.sessionId } }
    case 'digest':
      return { type: 'countersign_digest', payload: { week: sent.week } }
  }
}
