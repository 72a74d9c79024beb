/**
 * What each button and each form on a reviewer's card does, in whichever chat. The chat says who clicked on what and paints
 * what comes of it; who may, and whether the click is strong enough, is decided by src/review.
 *
 * In the only safe order: the chat verifies → who is it? → durable write (the review) → what the person is told. A form is
 * opened only for what needs one: in a chat the trigger for it may live three seconds, and work once. So forms open while
 * it is still being looked up who asks for them: whoever sees the card may see those.
 */
import type { Approval } from '../../src/approval/approval.ts'
import type { Card } from '../../src/approval/card.ts'
import { cardOf } from '../../src/approval/card-of.ts'
import { inWords } from '../../src/approval/in-words.ts'
import type { ApprovalId } from '../../src/brands.ts'
import { standingGrantOf } from '../../src/grant/standing.ts'
import type { Reviewer } from '../../src/people/reviewer.ts'
import type { ChannelName } from '../../src/policy/decision.ts'
import type { AccessDesk, ApprovalStore, Readings, ReviewClick, Reviews } from '../../src/ports.ts'
import {
  APPROVE_ACTION,
  APPROVE_FOR_ACTION,
  APPROVE_WITH_NOTE_ACTION,
  ASK_ACTION,
  DENY_ACTION,
  DENY_ALL_ACTION,
  DENY_WITH_REASON_ACTION,
  IT_DID_NOT_RUN_ACTION,
  IT_RAN_ACTION,
  MORE_ACTION,
  REMIND_ACTION,
  REVOKE_ACTION,
  SHOW_ALL_ACTION,
} from './actions.ts'
import { count } from './clip.ts'
import { chosenMs, type Form, type Submitted } from './forms.ts'
import { answerOf, done, NOT_UNDERSTOOD, type PrivateAnswer, refused, SAID_NOTHING } from './private-answer.ts'
import { revokeGrant } from './revoke.ts'
import type { WhoClicked } from './who-clicked.ts'

export interface ReviewClicksOptions {
  readonly channel: ChatPainting
  readonly reviews: Reviews
  readonly readings: Pick<Readings, 'seen'>
  readonly approvals: Pick<ApprovalStore, 'listPending'>
  /** Null: grants are taken back elsewhere. */
  readonly access: Pick<AccessDesk, 'revoke'> | null
  /** Where this reviewer signs in for this approval; null: the gateway has no such page. */
  readonly stepUpLink: ((approvalId: ApprovalId, reviewer: Reviewer) => Promise<string>) | null
}

/** What a click has to be held against, which depends on how much the chat's cards and pages hold. */
export interface ChatPainting {
  readonly name: ChannelName
  /** How many pages all of the card's call takes; at least one. */
  readonly pagesOf: (card: Card) => number
}

/** What a person did, on something about this approval. */
export interface Clicked {
  readonly approval: Approval
  /** What the clicked copy showed of it. */
  readonly shown: NonNullable<ReviewClick['shown']>
  /** Who it is; asked for only where that matters. Never rejects. */
  readonly who: () => Promise<WhoClicked>
}

/**
 * Puts a form before whoever clicked. False: another one stands there meanwhile, so that they didn't see it. Null: none can
 * be opened from where they clicked; then what needs one is refused by the reviews.
 */
export type OpenForm = ((form: Form) => Promise<boolean>) | null

export async function act(
  options: ReviewClicksOptions,
  clicked: Clicked,
  action: string,
  open: OpenForm,
): Promise<PrivateAnswer> {
  if (action.startsWith(APPROVE_FOR_ACTION)) {
    return approve(options, clicked, Number(action.slice(APPROVE_FOR_ACTION.length)), open)
  }
  if (action === APPROVE_ACTION) return approve(options, clicked, null, open)
  if (action === DENY_ACTION) return submitForm(options, clicked, { form: 'deny', reason: null })
  const atOnce = AT_ONCE.get(action)
  if (atOnce !== undefined) return withWho(clicked, (reviewer) => atOnce(options, clicked, reviewer))
  const card = cardOf(clicked.approval)
  switch (action) {
    case APPROVE_WITH_NOTE_ACTION:
      return read(options, clicked, { form: 'approve', card, page: 1, allowForMs: null }, open)
    case SHOW_ALL_ACTION:
      return read(options, clicked, { form: 'arguments', card, page: 1 }, open)
    case DENY_WITH_REASON_ACTION:
      return opened({ form: 'deny', card }, open)
    case DENY_ALL_ACTION:
      return opened({ form: 'deny_all', card, waiting: await waitingOf(options, clicked) }, open)
    case ASK_ACTION:
      return opened({ form: 'ask', card }, open)
    case MORE_ACTION:
      return opened({ form: 'more', card }, open)
    default:
      return NOT_UNDERSTOOD
  }
}

/** What is done with one tap, by whoever it was. */
const AT_ONCE: ReadonlyMap<
  string,
  (options: ReviewClicksOptions, clicked: Clicked, reviewer: Reviewer) => Promise<PrivateAnswer>
> = new Map([
  [REMIND_ACTION, remind],
  [REVOKE_ACTION, revoke],
  [IT_RAN_ACTION, (options, clicked, reviewer) => resolveRun(options, clicked, reviewer, true)],
  [IT_DID_NOT_RUN_ACTION, (options, clicked, reviewer) => resolveRun(options, clicked, reviewer, false)],
])

/** One tap where that is enough; else the form that confirms, or the way to sign in. */
async function approve(
  options: ReviewClicksOptions,
  clicked: Clicked,
  allowForMs: number | null,
  open: OpenForm,
): Promise<PrivateAnswer> {
  const { approval, shown } = clicked
  const isOpen = approval.state === 'pending' && shown.isOutdated !== true
  if (isOpen && approval.strength === 'confirm' && open !== null) {
    return read(options, clicked, { form: 'approve', card: cardOf(approval), page: 1, allowForMs }, open)
  }
  if (isOpen && approval.strength === 'step_up') return sendToSignIn(options, clicked)
  return withWho(clicked, (reviewer) =>
    review(options, clicked, { reviewer, choice: 'approve', reason: null, allowForMs }),
  )
}

async function review(
  { reviews, channel }: ReviewClicksOptions,
  { approval, shown }: Clicked,
  wanted: Pick<ReviewClick, 'reviewer' | 'choice' | 'reason' | 'strength' | 'allowForMs'>,
): Promise<PrivateAnswer> {
  const outcome = await reviews.submit({ ...wanted, approvalId: approval.id, channel: channel.name, shown })
  return answerOf(outcome, wanted.allowForMs == null || !outcome.ok ? null : sentence(outcome.approval))
}

/** For whoever chose in a form, where no card is in sight. */
function sentence({ state, reviews, quorum, allowedForMs }: Approval): string {
  if (state === 'pending') return `Your approval counts: ${reviews.length} of ${quorum}.`
  return allowedForMs === null ? 'Approved, this call alone.' : `Approved for ${inWords(allowedForMs)}.`
}

// ---- forms

async function opened(form: Form, open: OpenForm): Promise<PrivateAnswer> {
  if (open === null) return NOT_UNDERSTOOD
  await open(form)
  return SAID_NOTHING
}

/**
 * Whoever can see the card may read all of it. Only for a reviewer is it remembered; in what order doesn't matter, since
 * whoever isn't known yet reads it again.
 */
async function read(
  { readings, channel }: ReviewClicksOptions,
  { who: ask, approval }: Clicked,
  form: Extract<Form, { form: 'approve' | 'arguments' }>,
  open: OpenForm,
): Promise<PrivateAnswer> {
  if (open === null) return NOT_UNDERSTOOD
  const [who, isShown] = await Promise.all([ask(), open(form)])
  if (!who.ok || !isShown) return SAID_NOTHING
  const pages = channel.pagesOf(form.card)
  await readings.seen({ approvalId: approval.id, reviewerId: who.reviewer.id, page: form.page, pages })
  return SAID_NOTHING
}

/** A number out of range shows the nearest page. `duration`: what is chosen in the form at that moment. */
export async function turnPage(
  options: ReviewClicksOptions,
  clicked: Clicked,
  turn: { readonly form: 'approve' | 'arguments'; readonly page: number; readonly duration: string | undefined },
  open: OpenForm,
): Promise<PrivateAnswer> {
  if (!Number.isSafeInteger(turn.page)) return NOT_UNDERSTOOD
  const card = cardOf(clicked.approval)
  const page = Math.min(Math.max(1, turn.page), options.channel.pagesOf(card))
  const form =
    turn.form === 'approve'
      ? { form: turn.form, card, page, allowForMs: chosenMs(turn.duration) ?? null }
      : { form: turn.form, card, page }
  return read(options, clicked, form, open)
}

async function waitingOf({ approvals }: ReviewClicksOptions, { approval }: Clicked): Promise<number> {
  const pending = await approvals.listPending()
  return pending.filter(({ principal }) => principal.id === approval.principal.id).length
}

export async function submitForm(
  options: ReviewClicksOptions,
  clicked: Clicked,
  submitted: Submitted,
): Promise<PrivateAnswer> {
  return withWho(clicked, (reviewer) => {
    switch (submitted.form) {
      case 'approve':
        return confirm(options, clicked, reviewer, submitted)
      case 'deny':
        return review(options, clicked, { reviewer, choice: 'deny', reason: written(submitted.reason) })
      case 'deny_all':
        return denyAll(options, clicked, reviewer, written(submitted.reason))
      case 'ask':
        return ask(options, clicked, reviewer, written(submitted.question))
    }
  })
}

async function confirm(
  options: ReviewClicksOptions,
  clicked: Clicked,
  reviewer: Reviewer,
  { note, duration }: Extract<Submitted, { form: 'approve' }>,
): Promise<PrivateAnswer> {
  const allowForMs = chosenMs(duration)
  if (allowForMs === undefined) return NOT_UNDERSTOOD
  const wanted = { reviewer, choice: 'approve', reason: written(note), allowForMs, strength: 'confirmed' } as const
  const answer = await review(options, clicked, wanted)
  // The card says it, and it is in sight when the form closes.
  return answer.isDone ? { ...answer, message: null } : answer
}

async function denyAll(
  { reviews, channel }: ReviewClicksOptions,
  { approval }: Clicked,
  reviewer: Reviewer,
  reason: string | null,
): Promise<PrivateAnswer> {
  const click = { approvalId: approval.id, reviewer, reason, channel: channel.name }
  const { denied, refused: kept } = await reviews.denyAll(click)
  if (denied === 0 && kept > 0) return refused(`Nothing was denied: others have to decide ${count(kept, 'call')}.`)
  const rest = kept === 0 ? '' : ` Of ${kept.toLocaleString('en')} more others decide, or have decided meanwhile.`
  return done(`Denied ${count(denied, 'call')}.${rest}`)
}

async function ask(
  { reviews }: ReviewClicksOptions,
  { approval }: Clicked,
  reviewer: Reviewer,
  text: string | null,
): Promise<PrivateAnswer> {
  if (text === null) return refused('Please write your question.')
  return answerOf(await reviews.ask({ approvalId: approval.id, reviewer, text }))
}

// ---- at once

async function sendToSignIn({ stepUpLink }: ReviewClicksOptions, clicked: Clicked): Promise<PrivateAnswer> {
  if (stepUpLink === null) {
    return refused('The rule asks you to sign in for this one, and the gateway has no page for that: ask its operator.')
  }
  return withWho(clicked, async (reviewer) => {
    const url = await stepUpLink(clicked.approval.id, reviewer)
    const message = 'This one needs more than a tap: sign in at the gateway, look at it again there, and approve.'
    return { ...done(message), link: { url, text: 'Sign in to approve' } }
  })
}

async function remind(
  { reviews }: ReviewClicksOptions,
  { approval }: Clicked,
  reviewer: Reviewer,
): Promise<PrivateAnswer> {
  return answerOf(await reviews.remind({ approvalId: approval.id, reviewer }), 'They were reminded.')
}

async function resolveRun(
  { reviews }: ReviewClicksOptions,
  { approval }: Clicked,
  reviewer: Reviewer,
  ran: boolean,
): Promise<PrivateAnswer> {
  const outcome = await reviews.resolveRun({ approvalId: approval.id, reviewer, ran })
  if (outcome.ok) return SAID_NOTHING
  return refused(outcome.message, outcome.refusal === 'run_known' ? outcome.approval : null)
}

async function revoke({ access }: ReviewClicksOptions, { approval }: Clicked, by: Reviewer): Promise<PrivateAnswer> {
  return revokeGrant(access, { grantId: standingGrantOf(approval), by })
}

async function withWho(
  { who: ask }: Pick<Clicked, 'who'>,
  work: (reviewer: Reviewer) => Promise<PrivateAnswer>,
): Promise<PrivateAnswer> {
  const who = await ask()
  return who.ok ? work(who.reviewer) : refused(who.message)
}

function written(text: string | null): string | null {
  return text?.trim() || null
}
