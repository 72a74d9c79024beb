/** A question to the person behind the agent. It comes back as an answer on the card, and decides nothing by itself. */
import type { types } from '@slack/bolt'
import type { Card } from '../../src/approval/card.ts'
import { ASK_WORDS, questionLabel } from '../chat/forms.ts'
import { ASK_VIEW, QUESTION_BLOCK, QUESTION_INPUT } from './actions.ts'
import { HEADER_MAX, QUESTION_MAX } from './limits.ts'
import { clipped, plain, plainSection } from './text.ts'

export function askView(card: Card, subject: string): types.ModalView {
  return {
    type: 'modal',
    callback_id: ASK_VIEW,
    title: plain(ASK_WORDS.title),
    submit: plain(ASK_WORDS.submit),
    close: plain('Back'),
    private_metadata: subject,
    blocks: [
      plainSection(clipped(card.headline, HEADER_MAX)),
      {
        type: 'input',
        block_id: QUESTION_BLOCK,
        label: plain(questionLabel(card)),
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
