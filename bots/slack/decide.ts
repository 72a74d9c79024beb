/**
 * A click or a submitted window as Slack tells of it, brought to bots/chat/review-clicks.ts, which knows what each does; and
 * the windows that it opens.
 */
import type { types } from '@slack/bolt'
import { z } from 'zod'
import { cardOf } from '../../src/approval/card-of.ts'
import type { ApprovalId } from '../../src/brands.ts'
import type { ApprovalStore, Log } from '../../src/ports.ts'
import type { Form, Submitted } from '../chat/forms.ts'
import { GONE, NOT_UNDERSTOOD, type PrivateAnswer } from '../chat/private-answer.ts'
import {
  act,
  type Clicked,
  type OpenForm,
  type ReviewClicksOptions,
  submitForm,
  turnPage,
} from '../chat/review-clicks.ts'
import { readSubject, type Subject } from '../chat/shown-call.ts'
import {
  APPROVE_VIEW,
  ASK_VIEW,
  DENY_ALL_VIEW,
  DENY_VIEW,
  DURATION_BLOCK,
  DURATION_INPUT,
  NEXT_PAGE_ACTION,
  NOTE_BLOCK,
  NOTE_INPUT,
  PREVIOUS_PAGE_ACTION,
  QUESTION_BLOCK,
  QUESTION_INPUT,
  REASON_BLOCK,
  REASON_INPUT,
} from './actions.ts'
import { approveView } from './approve-view.ts'
import { argumentPages, argumentsView } from './arguments-view.ts'
import { askView } from './ask-view.ts'
import { denyAllView, denyView } from './deny-view.ts'
import { moreView } from './more-view.ts'
import type { Reviewers } from './reviewers.ts'
import { shownBy } from './shown-call.ts'
import { platformError } from './web.ts'
import type { WebOf } from './workspaces.ts'

export interface ClicksOptions extends Omit<ReviewClicksOptions, 'channel' | 'approvals'> {
  readonly approvals: Pick<ApprovalStore, 'get' | 'listPending'>
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
const Values = z.record(z.string(), z.record(z.string(), Input))
type Values = z.infer<typeof Values>

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

export const Submission = z.object({
  user: z.object({ id: z.string() }),
  view: z.object({ private_metadata: z.string(), state: z.object({ values: Values }) }),
})
type Submission = z.infer<typeof Submission>

const neutral = (options: ClicksOptions): ReviewClicksOptions => ({
  ...options,
  channel: { name: 'slack', pagesOf: (card) => Math.max(1, argumentPages(card).length) },
})

export async function clicked(options: ClicksOptions, click: Click, team: string): Promise<PrivateAnswer> {
  const [{ action_id: action, value }] = click.actions
  const isTurn = action === PREVIOUS_PAGE_ACTION || action === NEXT_PAGE_ACTION
  const metadata = isTurn ? (click.view?.private_metadata ?? '') : value
  const subject = readSubject(metadata)
  if (subject === null) return isTurn ? GONE : NOT_UNDERSTOOD
  const about = await on(options, subject, { userId: click.user.id, team })
  if (about === null) return GONE
  const { view } = click
  if (!isTurn) return act(neutral(options), about, action, opening(options, click, team, metadata))
  if (view === undefined) return GONE
  const form = view.callback_id === APPROVE_VIEW ? 'approve' : 'arguments'
  const duration = chosen(view.state?.values)
  const turn = { form, page: Number(value), duration } as const
  return turnPage(neutral(options), about, turn, turning(options, view, team))
}

async function on(
  { approvals, reviewers }: ClicksOptions,
  subject: Subject,
  { userId, team }: { readonly userId: string; readonly team: string },
): Promise<Clicked | null> {
  const approval = await approvals.get(subject.id)
  if (approval === null) return null
  const shown = shownBy(subject, cardOf(approval))
  return { approval, shown, who: () => reviewers.whoClicked(userId, team) }
}

// ---- windows

function viewOf(form: Form, metadata: string): types.ModalView {
  switch (form.form) {
    case 'approve':
      return approveView(form.card, { ...form, subject: metadata })
    case 'arguments':
      return argumentsView(form.card, form.page, metadata)
    case 'deny':
      return denyView(metadata)
    case 'deny_all':
      return denyAllView(metadata, form.waiting)
    case 'ask':
      return askView(form.card, metadata)
    case 'more':
      return moreView(form.card, metadata)
  }
}

/** On top of the window that was clicked in, so that Back leads back; else a first one. */
function opening({ webOf }: ClicksOptions, click: Click, team: string, metadata: string): OpenForm {
  return async (form) => {
    const web = webOf(team)
    const opened = { trigger_id: click.trigger_id, view: viewOf(form, metadata) }
    await (click.view === undefined ? web.views.open(opened) : web.views.push(opened))
    return true
  }
}

/** In its place. Of two quick clicks the later page is the one that stays. */
function turning({ webOf }: ClicksOptions, view: NonNullable<Click['view']>, team: string): OpenForm {
  return async (form) => {
    try {
      const web = webOf(team)
      const next = viewOf(form, view.private_metadata)
      await web.views.update({ view_id: view.id, hash: view.hash, view: next })
      return true
    } catch (error) {
      if (platformError(error) !== 'hash_conflict') throw error
      return false
    }
  }
}

// ---- submitted windows

export type SubmittedView = typeof APPROVE_VIEW | typeof DENY_VIEW | typeof DENY_ALL_VIEW | typeof ASK_VIEW

interface Submitting {
  /** The block beside which a refusal stands. */
  readonly input: string
  read(values: Values): Submitted
}

const reasonIn = (values: Values) => textOf(values, REASON_BLOCK, REASON_INPUT)

export const SUBMISSIONS: Readonly<Record<SubmittedView, Submitting>> = {
  [APPROVE_VIEW]: {
    input: NOTE_BLOCK,
    read: (values) => ({ form: 'approve', note: textOf(values, NOTE_BLOCK, NOTE_INPUT), duration: chosen(values) }),
  },
  [DENY_VIEW]: { input: REASON_BLOCK, read: (values) => ({ form: 'deny', reason: reasonIn(values) }) },
  [DENY_ALL_VIEW]: { input: REASON_BLOCK, read: (values) => ({ form: 'deny_all', reason: reasonIn(values) }) },
  [ASK_VIEW]: {
    input: QUESTION_BLOCK,
    read: (values) => ({ form: 'ask', question: textOf(values, QUESTION_BLOCK, QUESTION_INPUT) }),
  },
}

export async function submitted(
  options: ClicksOptions,
  name: SubmittedView,
  { user, view }: Submission,
  team: string,
): Promise<PrivateAnswer> {
  const subject = readSubject(view.private_metadata)
  const about = subject === null ? null : await on(options, subject, { userId: user.id, team })
  if (about === null) return GONE
  return submitForm(neutral(options), about, SUBMISSIONS[name].read(view.state.values))
}

function chosen(values: Values | undefined): string | undefined {
  return values?.[DURATION_BLOCK]?.[DURATION_INPUT]?.selected_option?.value
}

function textOf(values: Values, block: string, input: string): string | null {
  return values[block]?.[input]?.value ?? null
}
