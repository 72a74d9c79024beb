/** Asks why: the reason goes to the agent, which can then do better than try again. */
import type { types } from '@slack/bolt'
import { DENY_ALL_WORDS, DENY_WORDS, denyAllSentence } from '../chat/forms.ts'
import { DENY_ALL_VIEW, DENY_VIEW, REASON_BLOCK, REASON_INPUT } from './actions.ts'
import { REASON_BYTES_MAX } from './limits.ts'
import { plain, plainSection } from './text.ts'

export function denyView(subject: string): types.ModalView {
  return {
    type: 'modal',
    callback_id: DENY_VIEW,
    title: plain(DENY_WORDS.title),
    submit: plain(DENY_WORDS.submit),
    close: plain('Back'),
    private_metadata: subject,
    blocks: [reasonInput(DENY_WORDS.reason, false)],
  }
}

export function denyAllView(subject: string, waiting: number): types.ModalView {
  return {
    type: 'modal',
    callback_id: DENY_ALL_VIEW,
    title: plain(DENY_ALL_WORDS.title),
    submit: plain(DENY_ALL_WORDS.submit),
    close: plain('Back'),
    private_metadata: subject,
    blocks: [plainSection(denyAllSentence(waiting)), reasonInput(DENY_ALL_WORDS.reason, true)],
  }
}

function reasonInput(label: string, optional: boolean): types.InputBlock {
  return {
    type: 'input',
    block_id: REASON_BLOCK,
    label: plain(label),
    optional,
    element: {
      type: 'plain_text_input',
      action_id: REASON_INPUT,
      multiline: true,
      ...(optional ? {} : { min_length: 1 }),
      max_length: REASON_BYTES_MAX,
    },
  }
}
