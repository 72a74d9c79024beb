/** Answers a reviewer's question; the question stands above, so that nobody answers another one. */
import type { types } from '@slack/bolt'
import type { Approval } from '../../src/approval/approval.ts'
import { visibleLines } from '../../src/approval/visible.ts'
import { ANSWER_BLOCK, ANSWER_INPUT, ANSWER_VIEW } from './actions.ts'
import { OWN_REMARK_BYTES_MAX } from './limits.ts'
import { clipped, plain, plainSection } from './text.ts'

/** REMARK_LENGTH_MAX in review.ts; Slack's own limit is 3000 (docs.slack.dev/reference/block-kit/block-elements). */
const ANSWER_CHARS_MAX = 2000

export function answerView({ id, remarks }: Approval): types.ModalView {
  const question = remarks.findLast(({ kind }) => kind === 'question')?.text ?? 'Nobody has asked anything.'
  return {
    type: 'modal',
    callback_id: ANSWER_VIEW,
    title: plain('Answer'),
    submit: plain('Send'),
    close: plain('Back'),
    private_metadata: id,
    blocks: [
      plainSection(clipped(visibleLines(question), OWN_REMARK_BYTES_MAX)),
      {
        type: 'input',
        block_id: ANSWER_BLOCK,
        label: plain('Your answer (the reviewers see it)'),
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
