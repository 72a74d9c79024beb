/**
 * What each button does. Whoever clicks is looked up first; what decides goes through the reviews, which know who may.
 * A window is opened only for what needs one: its trigger lives three seconds, and works once.
 */
import type { types } from '@slack/bolt'
import { z } from 'zod'
import type { Approval } from '../../src/approval/approval.ts'
import type { Card } from '../../src/approval/card.ts'
import { cardOf } from '../../src/approval/card-of.ts'
import { inWords } from '../../src/approval/in-words.ts'
import type { ApprovalId } from '../../src/brands.ts'
import { standingGrantOf } from '../../src/grant/standing.ts'
import type { Reviewer } from '../../src/people/reviewer.ts'
import type { AccessDesk, ApprovalStore, Log, Readings, ReviewClick, Reviews } from '../../src/ports.ts'
import { readSubject, type Subject } from '../chat/shown-call.ts'
import {
  APPROVE_ACTION,
  APPROVE_FOR_ACTION,
  APPROVE_VIEW,
  APPROVE_WITH_NOTE_ACTION,
  ASK_ACTION,
  DENY_ACTION,
  DENY_ALL_ACTION,
  DENY_WITH_REASON_ACTION,
  DURATION_BLOCK,
  DURATION_INPUT,
  IT_DID_NOT_RUN_ACTION,
  IT_RAN_ACTION,
  MORE_ACTION,
  NEXT_PAGE_ACTION,
  PREVIOUS_PAGE_ACTION,
  REMIND_ACTION,
  REVOKE_ACTION,
  SHOW_ALL_ACTION,
} from './actions.ts'
import { type ApproveForm, approveView, chosenMs } from './approve-view.ts'
import { argumentPages, argumentsView, pageBlocks } from './arguments-view.ts'
import { askView } from './ask-view.ts'
import { type Answer, answerOf, done, GONE, NOT_UNDERSTOOD, refused, SAID_NOTHING } from './click-answers.ts'
import { denyAllView, denyView } from './deny-view.ts'
import { moreView } from './more-view.ts'
import type { Reviewers } from './reviewers.ts'
import { shownBy } from './shown-call.ts'
import { platformError } from './web.ts'
import type { WebOf } from './workspaces.ts'

export interface ClicksOptions {
  readonly reviews: Reviews
  readonly readings: Pick<Readings, 'seen'>
  readonly approvals: Pick<ApprovalStore, 'get' | 'listPending'>
  /** Null: grants are taken back elsewhere. */
  readonly access: Pick<AccessDesk, 'revoke'> | null
  /** Where this reviewer signs in for this approval; null: the gateway has no such page. */
  readonly stepUpLink: ((approvalId: ApprovalId, reviewer: Reviewer) => Promise<string>) | null
  /** After a click on a card that stands in a window: nothing else paints that. */
  readonly inWindow: (click: WindowClick) => void
  readonly reviewers: Reviewers
  readonly webOf: WebOf
  readonly log: Log
}

export interface WindowClick {
  readonly viewId: string
  readonly approvalId: ApprovalId
  readonly userId: string
  readonly team: string
}

const Input = z.object({
  value: z.string().nullish(),
  selected_option: z.object({ value: z.string() }).nullish(),
})
export const Values = z.record(z.string(), z.record(z.string(), Input))

export const Click = z.object({
  user: z.object({ id: z.string() }),
  trigger_id: z.string(),
  channel: z.object({ id: z.string() }).optional(),
  message: z.object({ ts: z.string() }).optional(),
  view: z
    .object({
      id: z.string(),
      hash: z.string(),
      callback_id: z.string(),
      private_metadata: z.string(),
      state: z.object({ values: Values }).optional(),
    })
    .optional(),
  actions: z.tuple([z.object({ action_id: z.string(), value: z.string() })]),
})
type Click = z.infer<typeof Click>

/** One click on something of ours, with all that it needs. */
interface Taken {
  readonly options: ClicksOptions
  readonly click: Click
  readonly team: string
  readonly subject: Subject
  readonly approval: Approval
  readonly card: Card
  /** The subject as it travels on, to the window's submission. */
  readonly metadata: string
}

export async function act(options: ClicksOptions, click: Click, team: string): Promise<Answer> {
  const [{ action_id: action, value }] = click.actions
  if (action === PREVIOUS_PAGE_ACTION || action === NEXT_PAGE_ACTION)
    return turnPage(options, click, team, Number(value))
  const subject = readSubject(value)
  if (subject === null) return NOT_UNDERSTOOD
  const approval = await options.approvals.get(subject.id)
  if (approval === null) return GONE
  const taken = { options, click, team, subject, approval, card: cardOf(approval), metadata: value }
  const forMs = action.startsWith(APPROVE_FOR_ACTION) ? Number(action.slice(APPROVE_FOR_ACTION.length)) : null
  return forMs === null ? actOn(taken, action) : approve(taken, forMs)
}

async function actOn(taken: Taken, action: string): Promise<Answer> {
  const { card, metadata } = taken
  switch (action) {
    case APPROVE_ACTION:
      return approve(taken, null)
    case APPROVE_WITH_NOTE_ACTION:
      return askToConfirm(taken, null)
    case DENY_ACTION:
      return deny(taken)
    case DENY_WITH_REASON_ACTION:
      return open(taken, denyView(metadata))
    case DENY_ALL_ACTION:
      return open(taken, denyAllView(metadata, await waitingOf(taken)))
    case MORE_ACTION:
      return open(taken, moreView(card, metadata))
    case ASK_ACTION:
      return open(taken, askView(card, metadata))
    case REMIND_ACTION:
      return remind(taken)
    case IT_RAN_ACTION:
    case IT_DID_NOT_RUN_ACTION:
      return resolveRun(taken, action === IT_RAN_ACTION)
    case SHOW_ALL_ACTION:
      return showAll(taken)
    case REVOKE_ACTION:
      return revoke(taken)
    default:
      return NOT_UNDERSTOOD
  }
}

/** One tap where that is enough; else the window that confirms, or the way to sign in. */
async function approve(taken: Taken, allowForMs: number | null): Promise<Answer> {
  const { options, approval, subject, card, click, team } = taken
  const isOpen = approval.state === 'pending' && shownBy(subject, card).isOutdated !== true
  if (isOpen && approval.strength === 'confirm') return askToConfirm(taken, allowForMs)
  if (isOpen && approval.strength === 'step_up') return sendToSignIn(taken)
  const who = await options.reviewers.whoClicked(click.user.id, team)
  if (!who.ok) return refused(who.message)
  return submit(options, { approval, subject, reviewer: who.reviewer, choice: 'approve', reason: null, allowForMs })
}

async function deny({ options, approval, subject, click, team }: Taken): Promise<Answer> {
  const who = await options.reviewers.whoClicked(click.user.id, team)
  if (!who.ok) return refused(who.message)
  return submit(options, { approval, subject, reviewer: who.reviewer, choice: 'deny', reason: null })
}

export async function submit(
  { reviews }: Pick<ClicksOptions, 'reviews'>,
  wanted: Pick<ReviewClick, 'reviewer' | 'choice' | 'reason' | 'strength' | 'allowForMs'> & {
    readonly approval: Approval
    readonly subject: Subject
  },
): Promise<Answer> {
  const { approval, subject, ...click } = wanted
  const shown = shownBy(subject, cardOf(approval))
  const outcome = await reviews.submit({ ...click, approvalId: subject.id, channel: 'slack', shown })
  return answerOf(outcome, click.allowForMs == null || !outcome.ok ? null : sentence(outcome.approval))
}

/** For whoever chose in a window, where no card is in sight. */
function sentence({ state, reviews, quorum, allowedForMs }: Approval): string {
  if (state === 'pending') return `Your approval counts: ${reviews.length} of ${quorum}.`
  return allowedForMs === null ? 'Approved, this call alone.' : `Approved for ${inWords(allowedForMs)}.`
}

/** The window shows what is asked once more, and to the end: each page that was opened is remembered. */
async function askToConfirm(taken: Taken, allowForMs: number | null): Promise<Answer> {
  const { card, metadata } = taken
  const form: ApproveForm = { subject: metadata, page: 1, allowForMs }
  return openPage(taken, approveView(card, form))
}

async function showAll(taken: Taken): Promise<Answer> {
  return openPage(taken, argumentsView(taken.card, 1, taken.metadata))
}

/**
 * Whoever can see the card may read all of it. Only for a reviewer is it remembered; in what order doesn't matter, since
 * whoever isn't known yet reads it again.
 */
async function openPage(taken: Taken, view: types.ModalView): Promise<Answer> {
  const { options, click, team, card } = taken
  const [who] = await Promise.all([options.reviewers.whoClicked(click.user.id, team), open(taken, view)])
  if (who.ok) await remember(options, card, who.reviewer, 1)
  return SAID_NOTHING
}

async function remember({ readings }: ClicksOptions, card: Card, reviewer: Reviewer, page: number): Promise<void> {
  const pages = Math.max(1, argumentPages(card).length)
  await readings.seen({ approvalId: card.approvalId, reviewerId: reviewer.id, page, pages })
}

async function turnPage(options: ClicksOptions, { view, user }: Click, team: string, wanted: number): Promise<Answer> {
  const subject = readSubject(view?.private_metadata)
  const approval = subject === null ? null : await options.approvals.get(subject.id)
  if (approval === null || view === undefined || !Number.isSafeInteger(wanted)) return GONE
  const card = cardOf(approval)
  const { page } = pageBlocks(card, wanted)
  const chosen = view.state?.values[DURATION_BLOCK]?.[DURATION_INPUT]?.selected_option?.value
  const metadata = view.private_metadata
  const next =
    view.callback_id === APPROVE_VIEW
      ? approveView(card, { subject: metadata, page, allowForMs: chosenMs(chosen) ?? null })
      : argumentsView(card, page, metadata)
  const { views } = options.webOf(team)
  const turned = views.update({ view_id: view.id, hash: view.hash, view: next }).catch((error: unknown) => {
    // Two quick clicks: the later page is the one that stays.
    if (platformError(error) !== 'hash_conflict') throw error
    return null
  })
  const [who, shown] = await Promise.all([options.reviewers.whoClicked(user.id, team), turned])
  if (who.ok && shown !== null) await remember(options, card, who.reviewer, page)
  return SAID_NOTHING
}

/** On top of the window that was clicked in, so that Back leads back; else a first one. */
async function open({ options, click, team }: Taken, view: types.ModalView): Promise<Answer> {
  const web = options.webOf(team)
  const { trigger_id } = click
  await (click.view === undefined ? web.views.open({ trigger_id, view }) : web.views.push({ trigger_id, view }))
  return SAID_NOTHING
}

async function waitingOf({ options, approval }: Taken): Promise<number> {
  const pending = await options.approvals.listPending()
  return pending.filter(({ principal }) => principal.id === approval.principal.id).length
}

async function sendToSignIn({ options, approval, click, team }: Taken): Promise<Answer> {
  if (options.stepUpLink === null) {
    return refused('The rule asks you to sign in for this one, and the gateway has no page for that: ask its operator.')
  }
  const who = await options.reviewers.whoClicked(click.user.id, team)
  if (!who.ok) return refused(who.message)
  const url = await options.stepUpLink(approval.id, who.reviewer)
  const message = 'This one needs more than a tap: sign in at the gateway, look at it again there, and approve.'
  return { ...done(message), link: { url, text: 'Sign in to approve' } }
}

async function remind({ options, approval, click, team }: Taken): Promise<Answer> {
  const who = await options.reviewers.whoClicked(click.user.id, team)
  if (!who.ok) return refused(who.message)
  const outcome = await options.reviews.remind({ approvalId: approval.id, reviewer: who.reviewer })
  return answerOf(outcome, 'They were reminded.')
}

async function resolveRun({ options, approval, click, team }: Taken, ran: boolean): Promise<Answer> {
  const who = await options.reviewers.whoClicked(click.user.id, team)
  if (!who.ok) return refused(who.message)
  const outcome = await options.reviews.resolveRun({ approvalId: approval.id, reviewer: who.reviewer, ran })
  if (outcome.ok) return SAID_NOTHING
  return refused(outcome.message, outcome.refusal === 'run_known' ? outcome.approval : null)
}

async function revoke({ options, approval, click, team }: Taken): Promise<Answer> {
  if (options.access === null)
    return refused('Nothing can be revoked here. An operator can: countersign grants revoke.')
  const who = await options.reviewers.whoClicked(click.user.id, team)
  if (!who.ok) return refused(who.message)
  const outcome = await options.access.revoke({ grantId: standingGrantOf(approval), by: who.reviewer })
  return outcome.ok ? done('Revoked: its calls ask again from now on.') : refused(outcome.message)
}
