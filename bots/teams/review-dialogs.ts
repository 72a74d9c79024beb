/**
 * The dialogs that open from a card. Their words are in bots/chat/forms.ts; their buttons carry the card's subject on, so
 * that what is submitted is held against what the card showed.
 */
import type { Card } from '../../src/approval/card.ts'
import type { JsonObject } from '../../src/json/value.ts'
import {
  APPROVE_VIEW,
  ASK_VIEW,
  DENY_ALL_VIEW,
  DENY_VIEW,
  DURATION_INPUT,
  NEXT_PAGE_ACTION,
  NOTE_INPUT,
  PREVIOUS_PAGE_ACTION,
  QUESTION_INPUT,
  REASON_INPUT,
} from '../chat/actions.ts'
import type { CallPage } from '../chat/call-pages.ts'
import { riskLine } from '../chat/card-lines.ts'
import { clipped } from '../chat/clip.ts'
import {
  APPROVE_WORDS,
  ASK_WORDS,
  argumentsTitle,
  DENY_ALL_WORDS,
  DENY_WORDS,
  denyAllSentence,
  durationChoices,
  type Form,
  MORE_WORDS,
  moreChoices,
  questionLabel,
} from '../chat/forms.ts'
import type { PrivateAnswer } from '../chat/private-answer.ts'
import { actionSets, inDialog } from './buttons.ts'
import type { CardElement, ChoiceInput, Inert, TextInput } from './card-elements.ts'
import type { Dialog } from './feature.ts'
import { DURATIONS_SHOWN_MAX, HEADLINE_BYTES_MAX, REASON_CHARS_MAX, REMARK_CHARS_MAX } from './limits.ts'
import type { DialogAbout } from './review-feature.ts'
import { pageBox, pageOf } from './shown-call.ts'
import { adaptiveCard, block, heading, inert, inputValue, line, lineOf, saidLine, smallBlock, words } from './text.ts'

export function reviewDialog(form: Form, about: DialogAbout): Dialog {
  switch (form.form) {
    case 'approve':
      return approveDialog(form, about)
    case 'arguments':
      return argumentsDialog(form, about)
    case 'deny':
      return denyDialog(form.card, about)
    case 'deny_all':
      return denyAllDialog(form, about)
    case 'ask':
      return askDialog(form.card, about)
    case 'more':
      return moreDialog(form.card, about)
  }
}

/** What came of it, with a way on; where there is no card in sight to say it. */
export function lastWords({ message, isDone, link }: Pick<PrivateAnswer, 'message' | 'isDone' | 'link'>): Dialog {
  const way = link === null ? [] : [{ type: 'Action.OpenUrl', title: inert(link.text), url: link.url } as const]
  return dialog('Countersign', 'small', [saidLine(message ?? '', isDone), ...actionSets(way)])
}

function dialog(title: string, size: NonNullable<Dialog['size']>, body: CardElement[]): Dialog {
  return { title, size, card: adaptiveCard({ body, fallbackText: words`This client shows no dialogs.` }) }
}

function approveDialog(
  { card, page: wanted, allowForMs }: Extract<Form, { form: 'approve' }>,
  about: DialogAbout,
): Dialog {
  const page = pageOf(card, wanted)
  const data = { subject: about.subject, page: page.page, form: 'approve' }
  return dialog(APPROVE_WORDS.title, 'large', [
    line(heading(clipped(card.headline, HEADLINE_BYTES_MAX))),
    lineOf(riskLine(card)),
    pageBox(page),
    ...turns(page, data),
    ...durationInput(card, allowForMs),
    textInput(about, NOTE_INPUT, inert(APPROVE_WORDS.note), { max: REASON_CHARS_MAX }),
    ...problemLine(about),
    ...actionSets([inDialog(inert(APPROVE_WORDS.submit), APPROVE_VIEW, data, 'primary')]),
  ])
}

function argumentsDialog(
  { card, page: wanted }: Extract<Form, { form: 'arguments' }>,
  { subject }: DialogAbout,
): Dialog {
  const page = pageOf(card, wanted)
  return dialog(argumentsTitle(card), 'large', [pageBox(page), ...turns(page, { subject, form: 'arguments' })])
}

/** What is chosen and written in a form goes along, so that it is there on the next page too. */
function turns({ page, pages }: CallPage, data: JsonObject): CardElement[] {
  const back = { ...data, page: page - 1 }
  const on = { ...data, page: page + 1 }
  const buttons = [
    ...(page > 1 ? [inDialog(words`Previous`, PREVIOUS_PAGE_ACTION, back)] : []),
    ...(page < pages ? [inDialog(words`Next`, NEXT_PAGE_ACTION, on)] : []),
  ]
  return buttons.length === 0 ? [] : [smallBlock(words`Page ${page} of ${pages}`), ...actionSets(buttons)]
}

function durationInput(card: Card, chosen: number | null): ChoiceInput[] {
  const choices = durationChoices(card, DURATIONS_SHOWN_MAX)
  const [once] = choices
  if (once === undefined) return []
  const first = choices.find(({ value }) => value === String(chosen)) ?? once
  return [
    {
      type: 'Input.ChoiceSet',
      id: DURATION_INPUT,
      label: inert(APPROVE_WORDS.duration),
      style: 'expanded',
      choices: choices.map(({ text, value }) => ({ title: inert(text), value })),
      value: first.value,
    },
  ]
}

function denyDialog({ headline }: Card, about: DialogAbout): Dialog {
  return dialog(DENY_WORDS.title, 'medium', [
    line(heading(clipped(headline, HEADLINE_BYTES_MAX))),
    textInput(about, REASON_INPUT, inert(DENY_WORDS.reason), {
      max: REASON_CHARS_MAX,
      missing: words`Please write a reason.`,
    }),
    ...problemLine(about),
    ...actionSets([inDialog(inert(DENY_WORDS.submit), DENY_VIEW, { subject: about.subject }, 'danger')]),
  ])
}

function denyAllDialog({ waiting }: Extract<Form, { form: 'deny_all' }>, about: DialogAbout): Dialog {
  return dialog(DENY_ALL_WORDS.title, 'medium', [
    block(inert(denyAllSentence(waiting))),
    textInput(about, REASON_INPUT, inert(DENY_ALL_WORDS.reason), { max: REASON_CHARS_MAX }),
    ...problemLine(about),
    ...actionSets([inDialog(inert(DENY_ALL_WORDS.submit), DENY_ALL_VIEW, { subject: about.subject }, 'danger')]),
  ])
}

function askDialog(card: Card, about: DialogAbout): Dialog {
  return dialog(ASK_WORDS.title, 'medium', [
    line(heading(clipped(card.headline, HEADLINE_BYTES_MAX))),
    textInput(about, QUESTION_INPUT, inert(questionLabel(card)), {
      max: REMARK_CHARS_MAX,
      missing: words`Please write your question.`,
    }),
    ...problemLine(about),
    ...actionSets([inDialog(inert(ASK_WORDS.submit), ASK_VIEW, { subject: about.subject }, 'primary')]),
  ])
}

/** A dialog and no overflow menu of the card: a rule may offer more times than a set of buttons holds. */
function moreDialog(card: Card, about: DialogAbout): Dialog {
  // One a row: two of these are wider than a phone.
  const rows = moreChoices(card, DURATIONS_SHOWN_MAX)
    .flat()
    .flatMap(({ text, action, isDangerous }) =>
      actionSets([inDialog(inert(text), action, { subject: about.subject }, isDangerous ? 'danger' : null)]),
    )
  const head = line(heading(clipped(card.headline, HEADLINE_BYTES_MAX)))
  return dialog(MORE_WORDS.title, 'medium', [head, ...problemLine(about), ...rows])
}

function textInput(
  { written }: DialogAbout,
  id: string,
  label: Inert,
  { max, missing }: { readonly max: number; readonly missing?: Inert },
): TextInput {
  const value = written.get(id) ?? ''
  return {
    type: 'Input.Text',
    id,
    label,
    isMultiline: true,
    maxLength: max,
    ...(missing !== undefined && { isRequired: true, errorMessage: missing }),
    ...(value !== '' && { value: inputValue(value) }),
  }
}

function problemLine({ problem }: DialogAbout): CardElement[] {
  return problem === null ? [] : [saidLine(problem, false)]
}
