/**
 * The second look: what is asked, whole and page by page, and a button that confirms. It is how an approval with a note
 * or for a while is given, and the second tap where the rule wants one.
 */
import type { types } from '@slack/bolt'
import type { Card } from '../../src/approval/card.ts'
import { inWords } from '../../src/approval/in-words.ts'
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
    title: plain('Approve'),
    submit: plain('Confirm'),
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

const ONCE = 'once'

/** What the chosen option says: null is this call alone; undefined is no option of ours. */
export function chosenMs(value: string | undefined): number | null | undefined {
  if (value === undefined || value === ONCE) return null
  return /^\d{1,12}$/.test(value) ? Number(value) : undefined
}

function durationInput({ allowForMs, isAccess }: Card, chosen: number | null): types.InputBlock[] {
  if (isAccess || allowForMs.length === 0) return []
  const once = { text: plain('This call only'), value: ONCE }
  const times = allowForMs
    .slice(0, DURATIONS_SHOWN_MAX)
    .map((ms) => ({ text: plain(`Calls like it for ${inWords(ms)}`), value: String(ms) }))
  const initial = times.find(({ value }) => value === String(chosen)) ?? once
  return [
    {
      type: 'input',
      block_id: DURATION_BLOCK,
      label: plain('Let pass'),
      element: {
        type: 'radio_buttons',
        action_id: DURATION_INPUT,
        options: [once, ...times],
        initial_option: initial,
      },
    },
  ]
}

function noteInput(): types.InputBlock {
  return {
    type: 'input',
    block_id: NOTE_BLOCK,
    label: plain('Note (on the card and in the recording)'),
    optional: true,
    element: { type: 'plain_text_input', action_id: NOTE_INPUT, multiline: true, max_length: REASON_BYTES_MAX },
  }
}
