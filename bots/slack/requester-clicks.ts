/**
 * What the person behind an agent clicks in their private talk: remind, cancel, answer. In the same order as a review:
 * who is it → durable write → ack. Whether it is theirs to do is decided by src/review, from the address that Slack
 * vouches for; nothing here trusts that only one person sees the buttons.
 */
import type { App } from '@slack/bolt'
import { z } from 'zod'
import { visible } from '../../src/approval/visible.ts'
import type { ApprovalId } from '../../src/brands.ts'
import type { Reviewer } from '../../src/people/reviewer.ts'
import type { ApprovalStore, Log, ReviewOutcome, Reviews } from '../../src/ports.ts'
import {
  ANSWER_BLOCK,
  ANSWER_INPUT,
  ANSWER_VIEW,
  REQUESTER_ANSWER_ACTION,
  REQUESTER_CANCEL_ACTION,
  REQUESTER_REMIND_ACTION,
} from './actions.ts'
import { answerView } from './answer-view.ts'
import {
  type Answer,
  answerBlocks,
  answerOf,
  GONE,
  guarded,
  inTime,
  NOT_UNDERSTOOD,
  refused,
  SAID_NOTHING,
} from './click-answers.ts'
import { errorName } from './log.ts'
import type { Reviewers } from './reviewers.ts'
import { fallbackText } from './text.ts'
import type { WebOf } from './workspaces.ts'

export interface RequesterClicksOptions {
  readonly reviews: Pick<Reviews, 'remind' | 'cancel' | 'answer'>
  readonly get: ApprovalStore['get']
  readonly reviewers: Reviewers
  readonly webOf: WebOf
  readonly log: Log
}

const ApprovalIdText = z
  .string()
  .regex(/^apr_[a-z0-9]{1,64}$/)
  .transform((text) => text as ApprovalId)

const Click = z.object({
  user: z.object({ id: z.string() }),
  trigger_id: z.string(),
  actions: z.tuple([z.object({ action_id: z.string(), value: ApprovalIdText })]),
})
type Click = z.infer<typeof Click>

const Submission = z.object({
  user: z.object({ id: z.string() }),
  view: z.object({
    private_metadata: ApprovalIdText,
    state: z.object({
      values: z.object({
        [ANSWER_BLOCK]: z.object({ [ANSWER_INPUT]: z.object({ value: z.string().trim().min(1) }) }),
      }),
    }),
  }),
})

export function registerRequester(app: App, options: RequesterClicksOptions): void {
  const { log } = options
  app.action(/^requester_/, async ({ ack, body, context, respond }) => {
    const click = Click.safeParse(body).data
    const team = String(context.teamId)
    const answer = click === undefined ? NOT_UNDERSTOOD : await guarded(() => act(options, click, team), log)
    await inTime(ack(), log)
    if (answer.message === null) return
    const message = { text: fallbackText(answer.message), blocks: answerBlocks(answer) }
    await respond({ response_type: 'ephemeral', replace_original: false, ...message }).catch((error: unknown) =>
      log.error('slack could not tell the person', { channel: 'slack', error: errorName(error) }),
    )
  })

  app.view(ANSWER_VIEW, async ({ ack, body, context }) => {
    const submission = Submission.safeParse(body).data
    const team = String(context.teamId)
    const answer =
      submission === undefined ? NOT_UNDERSTOOD : await guarded(() => submit(options, submission, team), log)
    // A refusal stands beside the input, so that what was written is not lost.
    const errors = { [ANSWER_BLOCK]: visible(answer.message ?? '') }
    await inTime(answer.message === null ? ack() : ack({ response_action: 'errors', errors }), log)
  })
}

async function act(options: RequesterClicksOptions, click: Click, team: string): Promise<Answer> {
  const { reviews } = options
  const [{ action_id: action, value: approvalId }] = click.actions
  switch (action) {
    case REQUESTER_REMIND_ACTION:
      return asWhoever(options, click.user.id, team, (reviewer) => reviews.remind({ approvalId, reviewer }))
    case REQUESTER_CANCEL_ACTION:
      return asWhoever(options, click.user.id, team, (reviewer) => reviews.cancel({ approvalId, reviewer }))
    case REQUESTER_ANSWER_ACTION:
      return openAnswer(options, click, { approvalId, team })
    default:
      return NOT_UNDERSTOOD
  }
}

/** The window opens at once: a trigger lives three seconds. Whose answer counts is asked when it is sent. */
async function openAnswer(
  { get, webOf }: RequesterClicksOptions,
  click: Click,
  { approvalId, team }: { readonly approvalId: ApprovalId; readonly team: string },
): Promise<Answer> {
  const approval = await get(approvalId)
  if (approval === null) return GONE
  if (approval.state !== 'pending') {
    return refused('It is decided already, so that nobody waits for an answer any more.')
  }
  await webOf(team).views.open({ trigger_id: click.trigger_id, view: answerView(approval) })
  return SAID_NOTHING
}

async function submit(
  options: RequesterClicksOptions,
  { user, view }: z.infer<typeof Submission>,
  team: string,
): Promise<Answer> {
  const text = view.state.values[ANSWER_BLOCK][ANSWER_INPUT].value
  return asWhoever(options, user.id, team, (reviewer) =>
    options.reviews.answer({ approvalId: view.private_metadata, reviewer, text }),
  )
}

async function asWhoever(
  { reviewers }: RequesterClicksOptions,
  userId: string,
  team: string,
  work: (reviewer: Reviewer) => Promise<ReviewOutcome>,
): Promise<Answer> {
  const who = await reviewers.whoClicked(userId, team)
  return who.ok ? answerOf(await work(who.reviewer)) : refused(who.message)
}
