/** Asks why: the reason goes to the agent, which can then do better than try again. */
import type { types } from '@slack/bolt'
import type { ApprovalId } from '../../src/brands.ts'
import { DENY_VIEW, REASON_BLOCK, REASON_INPUT } from './actions.ts'
import { REASON_BYTES_MAX } from './limits.ts'
import { plain } from './text.ts'

export function denyView(approvalId: ApprovalId): types.ModalView {
  return {
    type: 'modal',
    callback_id: DENY_VIEW,
    title: plain('Deny this call'),
    submit: plain('Deny'),
    close: plain('Back'),
    private_metadata: approvalId,
    blocks: [
      {
        type: 'input',
        block_id: REASON_BLOCK,
        label: plain('Reason (the agent is told)'),
        element: {
          type: 'plain_text_input',
          action_id: REASON_INPUT,
          multiline: true,
          min_length: 1,
          max_length: REASON_BYTES_MAX,
        },
      },
    ],
  }
}
