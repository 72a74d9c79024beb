/**
 * Everything but the plain Approve and Deny. A modal and no overflow menu: a menu holds five entries at most
 * (docs.slack.dev/reference/block-kit/block-elements/overflow-menu-element), and a rule may offer more times than that.
 */
import type { types } from '@slack/bolt'
import type { Card } from '../../src/approval/card.ts'
import { inWords } from '../../src/approval/in-words.ts'
import {
  APPROVE_FOR_ACTION,
  APPROVE_WITH_NOTE_ACTION,
  ASK_ACTION,
  DENY_ALL_ACTION,
  DENY_WITH_REASON_ACTION,
  MESSAGE_VIEW,
  MORE_VIEW,
  REMIND_ACTION,
  SHOW_ALL_ACTION,
} from './actions.ts'
import { DURATIONS_SHOWN_MAX, HEADER_MAX } from './limits.ts'
import { clipped, plain, plainSection } from './text.ts'

type Choice = readonly [text: string, action: string, style?: 'danger']

export function moreView(card: Card, subject: string): types.ModalView {
  const groups = card.outcome === null ? choices(card) : [SHOW_ALL]
  return {
    type: 'modal',
    callback_id: MORE_VIEW,
    title: plain('More'),
    close: plain('Close'),
    private_metadata: subject,
    blocks: [
      plainSection(clipped(card.headline, HEADER_MAX)),
      ...groups.filter((group) => group.length > 0).map((group) => row(group, subject)),
    ],
  }
}

const SHOW_ALL: readonly Choice[] = [['Show all arguments', SHOW_ALL_ACTION]]

function choices({ strength, isAccess, allowForMs }: Card): readonly (readonly Choice[])[] {
  const times = isAccess ? [] : allowForMs.slice(0, DURATIONS_SHOWN_MAX)
  const approve: Choice[] = [
    ...times.map((ms): Choice => [`Approve for ${inWords(ms)}`, `${APPROVE_FOR_ACTION}${ms}`]),
    ['Approve with a note…', APPROVE_WITH_NOTE_ACTION],
  ]
  return [
    // Where people sign in to approve, the gateway's own page offers the choices.
    strength === 'step_up' ? [] : approve,
    [
      ['Deny with a reason…', DENY_WITH_REASON_ACTION],
      [isAccess ? 'Deny all from this person…' : 'Deny all from this agent…', DENY_ALL_ACTION, 'danger'],
    ],
    [
      ['Ask the requester…', ASK_ACTION],
      ['Remind everybody', REMIND_ACTION],
    ],
    SHOW_ALL,
  ]
}

function row(group: readonly Choice[], value: string): types.ActionsBlock {
  return {
    type: 'actions',
    elements: group.map(([text, action, style]) => ({
      type: 'button',
      text: plain(text),
      action_id: action,
      value,
      ...(style && { style }),
    })),
  }
}

/** What came of it, in place of the window in which it was asked for. */
export function messageView(blocks: types.KnownBlock[]): types.ModalView {
  return { type: 'modal', callback_id: MESSAGE_VIEW, title: plain('Countersign'), close: plain('Close'), blocks }
}
