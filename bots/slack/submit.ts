/** What each window does when it is submitted. What it refuses stands beside the window's input. */
import { z } from 'zod'
import { readSubject } from '../chat/shown-call.ts'
import {
  APPROVE_VIEW,
  ASK_VIEW,
  DENY_ALL_VIEW,
  DENY_VIEW,
  DURATION_BLOCK,
  DURATION_INPUT,
  NOTE_BLOCK,
  NOTE_INPUT,
  QUESTION_BLOCK,
  QUESTION_INPUT,
  REASON_BLOCK,
  REASON_INPUT,
} from './actions.ts'
import { chosenMs } from './approve-view.ts'
import { type Answer, answerOf, done, GONE, NOT_UNDERSTOOD, refused } from './click-answers.ts'
import { type ClicksOptions, submit, Values } from './decide.ts'
import { count } from './text.ts'

export const Submission = z.object({
  user: z.object({ id: z.string() }),
  view: z.object({ private_metadata: z.string(), state: z.object({ values: Values }) }),
})
type Submission = z.infer<typeof Submission>

export type SubmittedView = typeof APPROVE_VIEW | typeof DENY_VIEW | typeof DENY_ALL_VIEW | typeof ASK_VIEW

interface Handler {
  /** The block beside which a refusal stands. */
  readonly input: string
  run(options: ClicksOptions, submission: Submission, team: string): Promise<Answer>
}

export const SUBMISSIONS: Readonly<Record<SubmittedView, Handler>> = {
  [APPROVE_VIEW]: { input: NOTE_BLOCK, run: approve },
  [DENY_VIEW]: { input: REASON_BLOCK, run: deny },
  [DENY_ALL_VIEW]: { input: REASON_BLOCK, run: denyAll },
  [ASK_VIEW]: { input: QUESTION_BLOCK, run: ask },
}

async function approve(options: ClicksOptions, submission: Submission, team: string): Promise<Answer> {
  const { subject, approval, who } = await read(options, submission, team)
  if (subject === null || approval === null) return GONE
  if (!who.ok) return refused(who.message)
  const allowForMs = chosenMs(submission.view.state.values[DURATION_BLOCK]?.[DURATION_INPUT]?.selected_option?.value)
  if (allowForMs === undefined) return NOT_UNDERSTOOD
  const reason = textOf(submission, NOTE_BLOCK, NOTE_INPUT)
  const { reviewer } = who
  const wanted = { approval, subject, reviewer, choice: 'approve', reason, allowForMs, strength: 'confirmed' } as const
  const answer = await submit(options, wanted)
  // The card says it, and it is in sight when the window closes.
  return answer.isDone ? { ...answer, message: null } : answer
}

async function deny(options: ClicksOptions, submission: Submission, team: string): Promise<Answer> {
  const { subject, approval, who } = await read(options, submission, team)
  if (subject === null || approval === null) return GONE
  if (!who.ok) return refused(who.message)
  const reason = textOf(submission, REASON_BLOCK, REASON_INPUT)
  return submit(options, { approval, subject, reviewer: who.reviewer, choice: 'deny', reason })
}

async function denyAll(options: ClicksOptions, submission: Submission, team: string): Promise<Answer> {
  const { subject, who } = await read(options, submission, team)
  if (subject === null) return GONE
  if (!who.ok) return refused(who.message)
  const reason = textOf(submission, REASON_BLOCK, REASON_INPUT)
  const click = { approvalId: subject.id, reviewer: who.reviewer, reason, channel: 'slack' } as const
  const { denied, refused: kept } = await options.reviews.denyAll(click)
  if (denied === 0 && kept > 0) return refused(`Nothing was denied: others have to decide ${count(kept, 'call')}.`)
  const rest = kept === 0 ? '' : ` Of ${kept.toLocaleString('en')} more others decide, or have decided meanwhile.`
  return done(`Denied ${count(denied, 'call')}.${rest}`)
}

async function ask(options: ClicksOptions, submission: Submission, team: string): Promise<Answer> {
  const { subject, who } = await read(options, submission, team)
  if (subject === null) return GONE
  if (!who.ok) return refused(who.message)
  const text = textOf(submission, QUESTION_BLOCK, QUESTION_INPUT)
  if (text === null) return refused('Please write your question.')
  return answerOf(await options.reviews.ask({ approvalId: subject.id, reviewer: who.reviewer, text }))
}

async function read(options: ClicksOptions, { view, user }: Submission, team: string) {
  const subject = readSubject(view.private_metadata)
  const approval = subject === null ? null : options.approvals.get(subject.id)
  const [found, who] = await Promise.all([approval, options.reviewers.whoClicked(user.id, team)])
  return { subject, approval: found, who }
}

function textOf({ view }: Submission, block: string, input: string): string | null {
  return view.state.values[block]?.[input]?.value?.trim() || null
}
