/** Asks why: the reason goes to the agent, which can then do better than try again. */
import type { types } from '@slack/bolt'
import { DENY_ALL_VIEW, DENY_VIEW, REASON_BLOCK, REASON_INPUT } from './actions.ts'
import { REASON_BYTES_MAX } from './limits.ts'
import { count, plain, plainSection } from './text.ts'

export function denyView(subject: string): types.ModalView {
  return {
    type: 'modal',
    callback_id: DENY_VIEW,
    title: plain('Deny this call'),
    submit: plain('Deny'),
    close: plain('Back'),
    private_metadata: subject,
    blocks: [reasonInput('Reason (the agent is told)', false)],
  }
}

/** `waiting`: how many calls of that agent wait now; more may come until it is submitted. */
export function denyAllView(subject: string, waiting: number): types.ModalView {
  const what = `This denies everything that this agent waits for now, as far as you may review it: ${count(waiting, 'call')}.`
  return {
    type: 'modal',
    callback_id: DENY_ALL_VIEW,
    title: plain('Deny all'),
    submit: plain('Deny all'),
    close: plain('Back'),
    private_metadata: subject,
    blocks: [plainSection(what), reasonInput('Reason (the agent is told each time)', true)],
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
