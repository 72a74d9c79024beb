/** What the person behind an agent sees in their personal talk with the app. Painted whole from state, like the card. */
import type { Approval } from '../../src/approval/approval.ts'
import type { Card } from '../../src/approval/card.ts'
import { cardOf } from '../../src/approval/card-of.ts'
import { ANSWER_INPUT, ANSWER_VIEW, REQUESTER_ANSWER_ACTION } from '../chat/actions.ts'
import { clipped } from '../chat/clip.ts'
import { ANSWER_WORDS, questionOf } from '../chat/forms.ts'
import { OWN_REMARK_BYTES_MAX } from '../chat/limits.ts'
import type { PrivateAnswer } from '../chat/private-answer.ts'
import {
  requesterButtons,
  requesterHeadline,
  requesterLines,
  requesterNotification,
  requesterWhen,
} from '../chat/requester-lines.ts'
import { actionSets, execute, inDialog, opensDialog } from './buttons.ts'
import type { Action, AdaptiveCard, CardElement } from './card-elements.ts'
import type { Dialog } from './feature.ts'
import { HEADLINE_BYTES_MAX, REMARK_CHARS_MAX } from './limits.ts'
import {
  adaptiveCard,
  heading,
  inert,
  inputValue,
  line,
  linesOf,
  noteLine,
  quoted,
  saidLine,
  summaryText,
  whenBlock,
  words,
} from './text.ts'
import type { CardMessage } from './transport.ts'

export function requesterMessage(approval: Approval, card: Card): CardMessage {
  return { card: painted(approval, card, null), summary: summaryText(requesterNotification(approval, card)) }
}

/** After a click of theirs. */
export function ownRequesterCard(approval: Approval, answer: PrivateAnswer): AdaptiveCard {
  return painted(approval, cardOf(approval), answer)
}

function painted(approval: Approval, card: Card, answer: PrivateAnswer | null): AdaptiveCard {
  const buttons = requesterButtons(approval).map(({ text, action, style }): Action => {
    const data = { subject: approval.id }
    const paint = action === REQUESTER_ANSWER_ACTION ? opensDialog : execute
    return paint(inert(text), action, data, style)
  })
  const body: CardElement[] = [
    line(heading(clipped(requesterHeadline(approval, card), HEADLINE_BYTES_MAX))),
    ...linesOf(requesterLines(approval, card)),
    whenBlock(requesterWhen(card)),
    ...said(answer),
    ...actionSets(buttons),
    ...(buttons.length > 0 ? [] : card.notes.map(noteLine)),
  ]
  return adaptiveCard({ body, fallbackText: summaryText(requesterNotification(approval, card)) })
}

function said(answer: PrivateAnswer | null): CardElement[] {
  return answer === null || answer.message === null ? [] : [saidLine(answer.message, answer.isDone)]
}

/** Answers a reviewer's question; the question stands above, so that nobody answers another one. */
export function answerDialog(
  approval: Approval,
  { problem, written }: { readonly problem: string | null; readonly written: string },
): Dialog {
  const body: CardElement[] = [
    line(quoted(clipped(questionOf(approval), OWN_REMARK_BYTES_MAX))),
    ...(problem === null ? [] : [saidLine(problem, false)]),
    {
      type: 'Input.Text',
      id: ANSWER_INPUT,
      label: inert(ANSWER_WORDS.answer),
      isMultiline: true,
      isRequired: true,
      errorMessage: words`Please write your answer.`,
      maxLength: REMARK_CHARS_MAX,
      ...(written !== '' && { value: inputValue(written) }),
    },
    ...actionSets([inDialog(inert(ANSWER_WORDS.submit), ANSWER_VIEW, { subject: approval.id }, 'primary')]),
  ]
  const card = adaptiveCard({ body, fallbackText: inert(ANSWER_WORDS.title) })
  return { title: ANSWER_WORDS.title, size: 'medium', card }
}
