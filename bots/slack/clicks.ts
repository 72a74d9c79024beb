/**
 * Takes clicks and submitted windows, in the only safe order: verify (Bolt) → authorise (who is it?) → durable write (the
 * review) → ack. What a click does is in bots/chat/review-clicks.ts; here is how it comes and how its answer goes.
 *
 * The acknowledgement comes last on purpose: a click that Slack shows as accepted has been stored. Where storing
 * fails, the person is told and the buttons stay. An accepted review paints nothing here: the outbox repaints every
 * copy of the card from its state. Only a copy that was clicked too late is repainted at once, because a copy that
 * still asks may be one that nobody else knows of.
 */
import type { App, ViewResponseAction } from '@slack/bolt'
import type { z } from 'zod'
import type { Approval } from '../../src/approval/approval.ts'
import { cardOf } from '../../src/approval/card-of.ts'
import { visible } from '../../src/approval/visible.ts'
import type { Log } from '../../src/ports.ts'
import { guarded, NOT_UNDERSTOOD, type PrivateAnswer } from '../chat/private-answer.ts'
import { readSubject } from '../chat/shown-call.ts'
import {
  APPROVE_VIEW,
  ARGUMENTS_VIEW,
  ASK_VIEW,
  DENY_ALL_VIEW,
  DENY_VIEW,
  MESSAGE_VIEW,
  MORE_VIEW,
  REVIEW_VIEW,
} from './actions.ts'
import { cardMessage } from './card-blocks.ts'
import { answerBlocks, inTime } from './click-answers.ts'
import { Click, type ClicksOptions, clicked, SUBMISSIONS, Submission, type SubmittedView, submitted } from './decide.ts'
import { errorName } from './log.ts'
import { messageView } from './more-view.ts'
import { fallbackText } from './text.ts'
import type { SlackWeb } from './web.ts'

/** The actions of ours that this file answers; App Home and other windows have their own. */
const OURS = /^countersign_(?!home_|access_)/

export function registerClicks(app: App, options: ClicksOptions): void {
  const { log, webOf } = options
  const where = { log, channel: 'slack' } as const

  app.action(OURS, async ({ ack, body, context, respond }) => {
    const click = Click.safeParse(body).data
    const team = String(context.teamId)
    const answer = click === undefined ? NOT_UNDERSTOOD : await guarded(() => clicked(options, click, team), where)
    await inTime(ack(), log)
    if (answer.message !== null) await tell(answer, click ?? null, respond, { web: webOf(team), log })
    if (answer.stale !== null && click !== undefined) await repaint(webOf(team), click, answer.stale, log)
    if (click?.view?.callback_id !== REVIEW_VIEW || answer.message !== null) return
    const subject = readSubject(click.view.private_metadata)
    if (subject === null) return
    options.inWindow({ viewId: click.view.id, approvalId: subject.id, userId: click.user.id, team })
  })

  for (const view of [APPROVE_VIEW, DENY_VIEW, DENY_ALL_VIEW, ASK_VIEW] as const) {
    app.view(view, async ({ ack, body, context }) => {
      const submission = Submission.safeParse(body).data
      const team = String(context.teamId)
      const answer =
        submission === undefined
          ? NOT_UNDERSTOOD
          : await guarded(() => submitted(options, view, submission, team), where)
      const response = responseTo(view, answer)
      await inTime(response === null ? ack() : ack(response), log)
    })
  }

  for (const view of [ARGUMENTS_VIEW, MORE_VIEW, MESSAGE_VIEW]) app.view(view, async ({ ack }) => ack())
}

/** A refusal stands beside the input, so that what was written is not lost; what is done closes all windows. */
function responseTo(view: SubmittedView, answer: PrivateAnswer): ViewResponseAction | null {
  if (answer.message === null) return { response_action: 'clear' }
  if (answer.isDone) return { response_action: 'update', view: messageView(answerBlocks(answer)) }
  return { response_action: 'errors', errors: { [SUBMISSIONS[view].input]: visible(answer.message) } }
}

type Respond = (message: {
  response_type: 'ephemeral'
  replace_original: false
  text: string
  blocks: ReturnType<typeof answerBlocks>
}) => Promise<unknown>

/** Where the click was: in the window, or to this person alone in the channel. */
async function tell(
  answer: PrivateAnswer,
  click: z.infer<typeof Click> | null,
  respond: Respond | undefined,
  { web, log }: { readonly web: SlackWeb; readonly log: Log },
): Promise<void> {
  const blocks = answerBlocks(answer)
  if (click?.view !== undefined) {
    await web.views
      .update({ view_id: click.view.id, view: messageView(blocks) })
      .catch((error) => log.error('slack could not tell the person', { channel: 'slack', error: errorName(error) }))
    return
  }
  const text = fallbackText(answer.message ?? '')
  try {
    if (respond === undefined) throw new TypeError('this click has no response_url')
    await respond({ response_type: 'ephemeral', replace_original: false, text, blocks })
  } catch (error) {
    log.warn('slack response_url failed', { channel: 'slack', error: errorName(error) })
    if (click?.channel === undefined) return
    await web.chat
      .postEphemeral({ channel: click.channel.id, user: click.user.id, text, blocks })
      .catch((cause) => log.error('slack could not tell the person', { channel: 'slack', error: errorName(cause) }))
  }
}

async function repaint(
  web: SlackWeb,
  { channel, message }: z.infer<typeof Click>,
  approval: Approval,
  log: Log,
): Promise<void> {
  if (channel === undefined || message === undefined) return
  const card = cardMessage(cardOf(approval))
  await web.chat
    .update({ channel: channel.id, ts: message.ts, ...card })
    .catch((error) => log.warn('slack copy not repainted', { approval_id: approval.id, error: errorName(error) }))
}
