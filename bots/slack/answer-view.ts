/** Answers a reviewer's question; the question stands above, so that nobody answers another one. */
import type { types } from '@slack/bolt'
import type { Approval } from '../../src/approval/approval.ts'
import { ANSWER_WORDS, questionOf } from '../chat/forms.ts'
import { OWN_REMARK_BYTES_MAX } from '../chat/limits.ts'
import { ANSWER_BLOCK, ANSWER_INPUT, ANSWER_VIEW } from './actions.ts'
import { clipped, plain, plainSection } from './text.ts'

/** REMARK_LENGTH_MAX in review.ts; Slack's own limit is 3000 (docs.slack.dev/reference/block-kit/block-elements). */
const ANSWER_CHARS_MAX = 2000

export function answerView(approval: Approval): types.ModalView {
  return {
    type: 'modal',
    callback_id: ANSWER_VIEW,
    title: plain(ANSWER_WORDS.title),
    submit: plain(ANSWER_WORDS.submit),
    close: plain('Back'),
    private_metadata: approval.id,
    blocks: [
      plainSection(clipped(questionOf(approval), OWN_REMARK_BYTES_MAX)),
      {
        type: 'input',
        block_id: ANSWER_BLOCK,
        label: plain(ANSWER_WORDS.answer),
        element: {
          type: 'plain_text_input',
          action_id: ANSWER_INPUT,
          multiline: true,
          min_length: 1,
          max_length: ANSWER_CHARS_MAX,
        },
      },
    ],
  }
}
