/**
 * Everything but the plain Approve and Deny. A modal and no overflow menu: a menu holds five entries at most
 * (docs.slack.dev/reference/block-kit/block-elements/overflow-menu-element), and a rule may offer more times than that.
 */
import type { types } from '@slack/bolt'
import type { Card } from '../../src/approval/card.ts'
import { MORE_WORDS, type MoreChoice, moreChoices } from '../chat/forms.ts'
import { MESSAGE_VIEW, MORE_VIEW } from './actions.ts'
import { DURATIONS_SHOWN_MAX, HEADER_MAX } from './limits.ts'
import { clipped, plain, plainSection } from './text.ts'

export function moreView(card: Card, subject: string): types.ModalView {
  return {
    type: 'modal',
    callback_id: MORE_VIEW,
    title: plain(MORE_WORDS.title),
    close: plain('Close'),
    private_metadata: subject,
    blocks: [
      plainSection(clipped(card.headline, HEADER_MAX)),
      ...moreChoices(card, DURATIONS_SHOWN_MAX).map((group) => row(group, subject)),
    ],
  }
}

function row(group: readonly MoreChoice[], value: string): types.ActionsBlock {
  return {
    type: 'actions',
    elements: group.map(({ text, action, isDangerous }) => ({
      type: 'button',
      text: plain(text),
      action_id: action,
      value,
      ...(isDangerous && { style: 'danger' as const }),
    })),
  }
}

/** What came of it, in place of the window in which it was asked for. */
export function messageView(blocks: types.KnownBlock[]): types.ModalView {
  return { type: 'modal', callback_id: MESSAGE_VIEW, title: plain('Countersign'), close: plain('Close'), blocks }
}
