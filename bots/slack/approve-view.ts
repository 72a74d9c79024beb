/**
 * The second look: what is asked, whole and page by page, and a button that confirms. It is how an approval with a note
 * or for a while is given, and the second tap where the rule wants one.
 */
import type { types } from '@slack/bolt'
import type { Card } from '../../src/approval/card.ts'
import { APPROVE_WORDS, durationChoices } from '../chat/forms.ts'
import { APPROVE_VIEW, DURATION_BLOCK, DURATION_INPUT, NOTE_BLOCK, NOTE_INPUT } from './actions.ts'
import { pageBlocks } from './arguments-view.ts'
import { DURATIONS_SHOWN_MAX, HEADER_MAX, REASON_BYTES_MAX } from './limits.ts'
import { clipped, label, line, note, plain } from './text.ts'

export interface ApproveForm {
  readonly subject: string
  readonly page: number
  /** Chosen at first; null: this call alone. */
  readonly allowForMs: number | null
}

export function approveView(card: Card, { subject, page, allowForMs }: ApproveForm): types.ModalView {
  return {
    type: 'modal',
    callback_id: APPROVE_VIEW,
    title: plain(APPROVE_WORDS.title),
    submit: plain(APPROVE_WORDS.submit),
    close: plain('Back'),
    private_metadata: subject,
    blocks: [
      { type: 'header', text: plain(clipped(card.headline, HEADER_MAX)) },
      { type: 'rich_text', elements: [line(label('Risk: '), note(`${card.risk.join(', ')}.`))] },
      ...pageBlocks(card, page).blocks,
      ...durationInput(card, allowForMs),
      noteInput(),
    ],
  }
}

function durationInput(card: Card, chosen: number | null): types.InputBlock[] {
  const options = durationChoices(card, DURATIONS_SHOWN_MAX).map(({ text, value }) => ({ text: plain(text), value }))
  const initial = options.find(({ value }) => value === String(chosen)) ?? options[0]
  if (initial === undefined) return []
  return [
    {
      type: 'input',
      block_id: DURATION_BLOCK,
      label: plain(APPROVE_WORDS.duration),
      element: { type: 'radio_buttons', action_id: DURATION_INPUT, options, initial_option: initial },
    },
  ]
}

function noteInput(): types.InputBlock {
  return {
    type: 'input',
    block_id: NOTE_BLOCK,
    label: plain(APPROVE_WORDS.note),
    optional: true,
    element: { type: 'plain_text_input', action_id: NOTE_INPUT, multiline: true, max_length: REASON_BYTES_MAX },
  }
}
