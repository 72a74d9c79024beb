/** What the person behind an agent clicks in their private talk, as Slack tells of it: see bots/chat/requester-clicks.ts. */
import type { App } from '@slack/bolt'
import { z } from 'zod'
import { visible } from '../../src/approval/visible.ts'
import type { ApprovalId } from '../../src/brands.ts'
import type { Log } from '../../src/ports.ts'
import { errorName } from '../chat/error-name.ts'
import { guarded, NOT_UNDERSTOOD, type PrivateAnswer } from '../chat/private-answer.ts'
import {
  actAsRequester,
  answerAsRequester,
  type RequesterClicksOptions as Requesters,
} from '../chat/requester-clicks.ts'
import { ANSWER_BLOCK, ANSWER_INPUT, ANSWER_VIEW } from './actions.ts'
import { answerView } from './answer-view.ts'
import { answerBlocks, inTime } from './click-answers.ts'
import type { Reviewers } from './reviewers.ts'
import { fallbackText } from './text.ts'
import type { WebOf } from './workspaces.ts'

export interface RequesterClicksOptions extends Requesters {
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
  const where = { log, channel: 'slack' } as const
  app.action(/^requester_/, async ({ ack, body, context, respond }) => {
    const click = Click.safeParse(body).data
    const team = String(context.teamId)
    const answer = click === undefined ? NOT_UNDERSTOOD : await guarded(() => acted(options, click, team), where)
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
      submission === undefined ? NOT_UNDERSTOOD : await guarded(() => answered(options, submission, team), where)
    // A refusal stands beside the input, so that what was written is not lost.
    const errors = { [ANSWER_BLOCK]: visible(answer.message ?? '') }
    await inTime(answer.message === null ? ack() : ack({ response_action: 'errors', errors }), log)
  })
}

async function acted(options: RequesterClicksOptions, click: Click, team: string): Promise<PrivateAnswer> {
  const { reviewers, webOf } = options
  const [{ action_id: action, value: approvalId }] = click.actions
  const who = () => reviewers.whoClicked(click.user.id, team)
  // A trigger lives three seconds.
  return actAsRequester(options, { approvalId, who }, action, (approval) =>
    webOf(team).views.open({ trigger_id: click.trigger_id, view: answerView(approval) }),
  )
}

async function answered(
  options: RequesterClicksOptions,
  { user, view }: z.infer<typeof Submission>,
  team: string,
): Promise<PrivateAnswer> {
  const text = view.state.values[ANSWER_BLOCK][ANSWER_INPUT].value
  const who = () => options.reviewers.whoClicked(user.id, team)
  return answerAsRequester(options, { approvalId: view.private_metadata, who }, text)
}
