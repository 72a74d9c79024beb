/** Every card and dialog of Teams that an approval leads to, by name: what the tests paint, weigh and look at. */

import { NOTE_INPUT, QUESTION_INPUT, REASON_INPUT } from '../../bots/chat/actions.ts'
import type { Form } from '../../bots/chat/forms.ts'
import type { Viewer } from '../../bots/chat/viewer.ts'
import { cardMessage, ownCard } from '../../bots/teams/card.ts'
import type { AdaptiveCard } from '../../bots/teams/card-elements.ts'
import { answerDialog, requesterMessage } from '../../bots/teams/requester-card.ts'
import { lastWords, reviewDialog } from '../../bots/teams/review-dialogs.ts'
import type { Approval } from '../../src/approval/approval.ts'
import { cardOf } from '../../src/approval/card-of.ts'

export const MRI = '29:1bob-towards-this-bot-0123456789abcdefghijklmnopqrstuvwxyz'
export const NOTHING_SAID = { message: null, isDone: true, stale: null, link: null } as const
export const VIEWERS: readonly Viewer[] = ['reviewer', 'requester', 'reviewed', 'bystander', 'undecidable']

export function ownCardOf(approval: Approval, viewer: Viewer | null, message: string | null = null): AdaptiveCard {
  return ownCard(cardOf(approval), { viewer, answer: { ...NOTHING_SAID, message, isDone: message === null }, mri: MRI })
}

export const DIALOGS: readonly [string, (one: Approval, written?: string) => AdaptiveCard][] = [
  ['dialog-more', (one) => dialogOf({ form: 'more', card: cardOf(one) })],
  [
    'dialog-approve',
    (one, text) => dialogOf({ form: 'approve', card: cardOf(one), page: 1, allowForMs: 900_000 }, text),
  ],
  ['dialog-ask', (one, text) => dialogOf({ form: 'ask', card: cardOf(one) }, text)],
  ['dialog-deny', (one, text) => dialogOf({ form: 'deny', card: cardOf(one) }, text)],
  ['dialog-deny-all', (one, text) => dialogOf({ form: 'deny_all', card: cardOf(one), waiting: 3 }, text)],
  ['dialog-arguments', (one) => dialogOf({ form: 'arguments', card: cardOf(one), page: 1 })],
  ['dialog-answer', (one, text) => answerDialog(one, { problem: text ?? null, written: text ?? '' }).card],
]

function dialogOf(form: Form, text = ''): AdaptiveCard {
  const inputs = [REASON_INPUT, NOTE_INPUT, QUESTION_INPUT]
  const written = new Map(inputs.map((id) => [id, text] as const))
  const problem = text === '' ? null : text
  return reviewDialog(form, { subject: `${form.card.approvalId}:0123456789abcdef`, problem, written }).card
}

/** All that is painted from one approval. `text`: what people wrote or were told. */
export function cardsOf(one: Approval, text = 'Please wait.'): readonly (readonly [string, AdaptiveCard])[] {
  const card = cardOf(one)
  const answer = { message: text, isDone: false, link: { url: 'https://gateway.example/step-up/x', text: 'Sign in' } }
  return [
    ['card', cardMessage(card, [MRI]).card],
    ...VIEWERS.map((viewer) => [`own-${viewer}`, ownCardOf(one, viewer, text)] as const),
    ['requester', requesterMessage(one, card).card],
    ['last-words', lastWords(answer).card],
    ...DIALOGS.map(([name, paint]) => [name, paint(one, text)] as const),
  ]
}
