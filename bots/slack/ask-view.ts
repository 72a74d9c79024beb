/** A question to the person behind the agent. It comes back as an answer on the card, and decides nothing by itself. */
import type { types } from '@slack/bolt'
import type { Card } from '../../src/approval/card.ts'
import { ASK_VIEW, QUESTION_BLOCK, QUESTION_INPUT } from './actions.ts'
import { HEADER_MAX, QUESTION_MAX } from './limits.ts'
import { clipped, plain, plainSection } from './text.ts'

export function askView(card: Card, subject: string): types.ModalView {
  return {
    type: 'modal',
    callback_id: ASK_VIEW,
    title: plain('Ask'),
    submit: plain('Ask'),
    close: plain('Back'),
    private_metadata: subject,
    blocks: [
      plainSection(clipped(card.headline, HEADER_MAX)),
      {
        type: 'input',
        block_id: QUESTION_BLOCK,
        label: plain(
          card.isAccess ? 'Your question to who asks for it' : 'Your question to the person behind the agent',
        ),
        element: {
          type: 'plain_text_input',
          action_id: QUESTION_INPUT,
          multiline: true,
          min_length: 1,
          max_length: QUESTION_MAX,
        },
      },
    ],
  }
}
