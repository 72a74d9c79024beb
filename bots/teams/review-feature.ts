/**
 * What people do on a card in Teams, in the only safe order: verified (inbound.ts) → who is it? → is it asked where they
 * may see it? → durable write (the review) → the answer. What each button does is in bots/chat/review-clicks.ts.
 *
 * The answer is the person's own view of the card, painted from what is stored by then, with a line that says what they
 * were told. What a click brings along (its approval, what its copy showed, what was written, the message that it names)
 * is anyone's, because whoever has an account can send any of it. So no message is ever edited because a click names it:
 * everybody's copies are painted by the outbox, which is told of a message that it may have lost.
 *
 * Only a dialog can confirm. A button of the card itself can't open one by Action.Execute, and a click that needs one and
 * comes without is refused by the reviews.
 */
import type { Approval } from '../../src/approval/approval.ts'
import type { Card } from '../../src/approval/card.ts'
import { cardOf } from '../../src/approval/card-of.ts'
import { visible } from '../../src/approval/visible.ts'
import type { JsonObject } from '../../src/json/value.ts'
import type { Reviewer } from '../../src/people/reviewer.ts'
import type { ApprovalStore, People } from '../../src/ports.ts'
import {
  APPROVE_ACTION,
  APPROVE_VIEW,
  ASK_VIEW,
  DENY_ACTION,
  DENY_ALL_VIEW,
  DENY_VIEW,
  DURATION_INPUT,
  MORE_ACTION,
  NEXT_PAGE_ACTION,
  NOTE_INPUT,
  PREVIOUS_PAGE_ACTION,
  QUESTION_INPUT,
  REASON_INPUT,
  SHOW_ALL_ACTION,
} from '../chat/actions.ts'
import { errorName } from '../chat/error-name.ts'
import { chosenMs, type Form, type Submitted } from '../chat/forms.ts'
import { GONE, guarded, NOT_UNDERSTOOD, type PrivateAnswer, refused, SAID_NOTHING } from '../chat/private-answer.ts'
import { act, type Clicked, type ReviewClicksOptions, submitForm, turnPage } from '../chat/review-clicks.ts'
import { readSubject, type Subject } from '../chat/shown-call.ts'
import { type Viewer, viewerOf } from '../chat/viewer.ts'
import type { WhoClicked } from '../chat/who-clicked.ts'
import type { AdaptiveCard } from './card-elements.ts'
import { inputIn, numberIn, textIn, valueIn } from './click-data.ts'
import type { Asked, Dialog, DialogAnswer, ExecuteAnswer, Feature } from './feature.ts'
import type { OwnPlaces } from './own-places.ts'
import { type Seeing, tellSeen } from './seen.ts'

export const REVIEW_PREFIX = 'countersign_'
/** Sent by Teams itself, for whom `refresh` names, when the card comes in sight. */
export const REFRESH_ACTION = 'countersign_refresh'

export interface ReviewFeatureOptions extends Omit<ReviewClicksOptions, 'channel' | 'approvals'>, Seeing {
  readonly approvals: Pick<ApprovalStore, 'get' | 'listPending'>
  readonly people: Pick<People, 'isMember'>
  readonly places: OwnPlaces
  /** Never rejects. */
  readonly whoClicked: (asked: Asked) => Promise<WhoClicked>
  readonly painting: ReviewPainting
}

export interface ReviewPainting {
  readonly pagesOf: (card: Card) => number
  readonly shownBy: (subject: Subject, card: Card) => Clicked['shown']
  /** As one person sees it. */
  readonly ownCard: (approval: Approval, card: Card, own: OwnView) => AdaptiveCard
  readonly dialog: (form: Form, about: DialogAbout) => Painted
  /** What was said, with a link. */
  readonly lastWords: (answer: PrivateAnswer) => Painted
}

export interface OwnView {
  /** Null: nobody can tell now; then it shows what it shows to all. */
  readonly viewer: Viewer | null
  readonly answer: PrivateAnswer
  /** Who sees it; for its refresh. */
  readonly mri: string
}

export interface DialogAbout {
  /** Travels on with what is submitted. */
  readonly subject: string
  /** What was wrong with what was written; null: nothing. */
  readonly problem: string | null
  /** What was written, so that it is not lost: texts by the inputs' names. */
  readonly written: ReadonlyMap<string, string>
}

export type Painted = Dialog

/** A click on something of an approval's, by somebody who may see it. */
interface Taken {
  readonly clicked: Clicked
  readonly reviewer: Reviewer
  /** As it travels on, to the next dialog. */
  readonly subject: string
}

type Take = { readonly ok: true; readonly taken: Taken } | { readonly ok: false; readonly answer: PrivateAnswer }

export function createReviewFeature(options: ReviewFeatureOptions): Feature {
  return {
    prefix: REVIEW_PREFIX,
    refreshes: [REFRESH_ACTION],
    execute: (asked, name, data) => execute(options, asked, name, data),
    openDialog: (asked, name, data) =>
      inDialog(options, asked, data, async ({ clicked }, open) =>
        opensOnly(clicked, name) ? act(neutral(options), clicked, name, open) : NOT_UNDERSTOOD,
      ),
    submitDialog: (asked, name, data) =>
      inDialog(options, asked, data, ({ clicked }, open) => submit(options, clicked, { name, data }, open)),
  }
}

const neutral = (options: ReviewFeatureOptions): ReviewClicksOptions => ({
  ...options,
  channel: { name: 'teams', pagesOf: options.painting.pagesOf },
})

const where = ({ log }: ReviewFeatureOptions) => ({ log, channel: 'teams' }) as const

// ---- who, and whether it is for them

const ELSEWHERE =
  'This is asked elsewhere, and of others: nothing was decided. Where it is asked, whoever may decide finds the card itself.'

async function take(options: ReviewFeatureOptions, asked: Asked, data: JsonObject): Promise<Take> {
  const no = (answer: PrivateAnswer): Take => ({ ok: false, answer })
  const text = textIn(data, 'subject')
  const subject = text === null ? null : readSubject(text)
  // Every card of ours says what it shows.
  if (text === null || subject?.digest == null) return no(NOT_UNDERSTOOD)
  const [approval, who] = await Promise.all([options.approvals.get(subject.id), options.whoClicked(asked)])
  if (!who.ok) return no(refused(who.message))
  if (approval === null) return no(GONE)
  const { reviewer } = who
  if (!(await options.places.isFor(approval, reviewer, asked))) {
    options.log.warn('teams click from elsewhere refused', {
      channel: 'teams',
      approval_id: approval.id,
      reviewer: reviewer.id,
    })
    return no(refused(ELSEWHERE))
  }
  // Elsewhere stand copies that people made.
  const place = options.places.placeIn(approval, asked.conversation)
  if (place !== null) await tellSeen(options, { id: approval.id, place }, asked)
  const shown = options.painting.shownBy(subject, cardOf(approval))
  return { ok: true, taken: { clicked: { approval, shown, who: async () => who }, reviewer, subject: text } }
}

// ---- on the card

async function execute(
  options: ReviewFeatureOptions,
  asked: Asked,
  name: string,
  data: JsonObject,
): Promise<ExecuteAnswer> {
  const seen: { taken: Taken | null } = { taken: null }
  const answer = await guarded(async () => {
    const found = await take(options, asked, data)
    if (!found.ok) return found.answer
    seen.taken = found.taken
    return name === REFRESH_ACTION ? SAID_NOTHING : onCard(options, found.taken, name, data)
  }, where(options))
  const card = seen.taken === null ? null : await ownCard(options, seen.taken, answer, asked)
  return card === null ? { kind: 'message', text: visible(answer.message ?? NOTHING_TO_SHOW) } : { kind: 'card', card }
}

const NOTHING_TO_SHOW = 'This can’t be shown now. Please try again in a moment.'

/** Forms that unfold on the card itself are submitted by the names that they have as dialogs. */
async function onCard(
  options: ReviewFeatureOptions,
  { clicked }: Taken,
  name: string,
  data: JsonObject,
): Promise<PrivateAnswer> {
  const submitted = name === APPROVE_VIEW ? null : submittedIn(name === DENY_ACTION ? DENY_VIEW : name, data)
  return submitted === null
    ? act(neutral(options), clicked, name, null)
    : submitForm(neutral(options), clicked, submitted)
}

/** As it stands by now. Null: it can't be read, so that the answer has to say all. */
async function ownCard(
  { approvals, people, painting, log }: ReviewFeatureOptions,
  { clicked: { approval: before }, reviewer }: Taken,
  answer: PrivateAnswer,
  { user: { mri } }: Asked,
): Promise<AdaptiveCard | null> {
  const failed = (what: string) => (error: unknown) => {
    log.warn(what, { channel: 'teams', approval_id: before.id, error: errorName(error) })
    return null
  }
  const approval = await approvals.get(before.id).catch(failed('teams view not painted'))
  if (approval === null) return null
  const viewer = await viewerOf(approval, reviewer, people).catch(failed('teams cannot tell who looks'))
  return painting.ownCard(approval, cardOf(approval), { viewer, answer, mri })
}

// ---- in a dialog

/**
 * Whether asking for this dialog decides nothing by itself, whatever it answers: a request for a dialog counts as a
 * question, and is answered each time that it comes.
 */
function opensOnly({ approval }: Clicked, name: string): boolean {
  if (name === SHOW_ALL_ACTION || name === MORE_ACTION) return true
  return name === APPROVE_ACTION && approval.strength === 'confirm'
}

type Open = (form: Form) => Promise<boolean>

/** A dialog is the answer to what asked for it. */
async function inDialog(
  options: ReviewFeatureOptions,
  asked: Asked,
  data: JsonObject,
  work: (taken: Taken, open: Open) => Promise<PrivateAnswer>,
): Promise<DialogAnswer> {
  const opened: { form: Form | null } = { form: null }
  const subject = textIn(data, 'subject') ?? ''
  const answer = await guarded(async () => {
    const found = await take(options, asked, data)
    if (!found.ok) return found.answer
    return work(found.taken, async (form) => {
      opened.form = form
      return true
    })
  }, where(options))
  const { message, isDone, link } = answer
  const { form } = opened
  // A refusal stands in the form, so that what was written is not lost.
  if (form !== null && (message === null || !isDone)) {
    return { kind: 'dialog', ...options.painting.dialog(form, { subject, problem: message, written: writtenIn(data) }) }
  }
  if (link !== null) return { kind: 'dialog', ...options.painting.lastWords(answer) }
  return message === null ? { kind: 'close' } : { kind: 'message', text: visible(message) }
}

async function submit(
  options: ReviewFeatureOptions,
  clicked: Clicked,
  { name, data }: { readonly name: string; readonly data: JsonObject },
  open: Open,
): Promise<PrivateAnswer> {
  if (name === PREVIOUS_PAGE_ACTION || name === NEXT_PAGE_ACTION) {
    const form = textIn(data, 'form') === 'approve' ? 'approve' : 'arguments'
    const turn = { form, page: numberIn(data, 'page'), duration: durationIn(data) } as const
    return turnPage(neutral(options), clicked, turn, open)
  }
  const submitted = submittedIn(name, data)
  if (submitted === null) return act(neutral(options), clicked, name, open)
  // A fault stands in the form too, beside what was written.
  const answer = await guarded(() => submitForm(neutral(options), clicked, submitted), where(options))
  const again = answer.isDone || answer.stale !== null ? null : formAgain(clicked, submitted, data)
  if (again !== null) await open(again)
  return answer
}

/** For another try. Nothing is counted as read by it. */
function formAgain({ approval }: Clicked, { form }: Submitted, data: JsonObject): Form | null {
  const card = cardOf(approval)
  switch (form) {
    case 'approve': {
      const page = numberIn(data, 'page')
      const allowForMs = chosenMs(durationIn(data)) ?? null
      return { form, card, page: Number.isSafeInteger(page) ? page : 1, allowForMs }
    }
    case 'deny':
    case 'ask':
      return { form, card }
    case 'deny_all':
      return null
  }
}

// ---- what came along

function submittedIn(name: string, data: JsonObject): Submitted | null {
  switch (name) {
    case APPROVE_VIEW:
      return { form: 'approve', note: inputIn(data, NOTE_INPUT), duration: durationIn(data) }
    case DENY_VIEW:
      return { form: 'deny', reason: inputIn(data, REASON_INPUT) }
    case DENY_ALL_VIEW:
      return { form: 'deny_all', reason: inputIn(data, REASON_INPUT) }
    case ASK_VIEW:
      return { form: 'ask', question: inputIn(data, QUESTION_INPUT) }
    default:
      return null
  }
}

/** Something else than a text is no option of ours, and must not be taken for none. */
function durationIn(data: JsonObject): string | undefined {
  if (valueIn(data, DURATION_INPUT) === undefined) return undefined
  return textIn(data, DURATION_INPUT) ?? 'no text'
}

function writtenIn(data: JsonObject): ReadonlyMap<string, string> {
  const names = [REASON_INPUT, NOTE_INPUT, QUESTION_INPUT]
  return new Map(
    names.flatMap((name) => [[name, inputIn(data, name) ?? ''] as const].filter(([, text]) => text !== '')),
  )
}
