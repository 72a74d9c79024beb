/**
 * What a click does, in the only safe order: verify (Bolt) → authorise (who is it?) → durable write (the review) → ack.
 *
 * The acknowledgement comes last on purpose: a click that Slack shows as accepted has been stored. Where storing
 * fails, the person is told and the buttons stay. An accepted review paints nothing here: the outbox repaints every
 * copy of the card from its state. Only a copy that was clicked too late is repainted at once, because a copy that
 * still asks may be one that nobody else knows of.
 */
import type { App } from '@slack/bolt'
import { z } from 'zod'
import type { Approval } from '../../src/approval/approval.ts'
import { cardOf } from '../../src/approval/card-of.ts'
import { visible } from '../../src/approval/visible.ts'
import type { ApprovalId } from '../../src/brands.ts'
import { GatewayError } from '../../src/errors.ts'
import type { Log, Reviews } from '../../src/ports.ts'
import {
  APPROVE_ACTION,
  ARGUMENTS_VIEW,
  DENY_ACTION,
  DENY_VIEW,
  DENY_WITH_REASON_ACTION,
  IT_DID_NOT_RUN_ACTION,
  IT_RAN_ACTION,
  NEXT_PAGE_ACTION,
  PREVIOUS_PAGE_ACTION,
  REASON_BLOCK,
  REASON_INPUT,
  SHOW_ALL_ACTION,
} from './actions.ts'
import { argumentsView } from './arguments-view.ts'
import { cardMessage } from './card-blocks.ts'
import { denyView } from './deny-view.ts'
import { errorName } from './log.ts'
import type { Reviewers } from './reviewers.ts'
import { fallbackText, plainSection } from './text.ts'
import { platformError, type SlackWeb } from './web.ts'

export interface ClicksOptions {
  readonly reviews: Reviews
  readonly get: (id: ApprovalId) => Promise<Approval | null>
  readonly reviewers: Reviewers
  /** Short deadline: it works within a click. */
  readonly web: SlackWeb
  readonly log: Log
}

/** The ids that jobs make: `apr_` and lower-case base32. */
const ApprovalIdText = z
  .string()
  .regex(/^apr_[a-z0-9]{1,64}$/)
  .transform((text) => text as ApprovalId)

const Click = z.object({
  user: z.object({ id: z.string() }),
  trigger_id: z.string(),
  channel: z.object({ id: z.string() }).optional(),
  message: z.object({ ts: z.string() }).optional(),
  view: z.object({ id: z.string(), hash: z.string(), private_metadata: z.string() }).optional(),
  actions: z.tuple([z.object({ action_id: z.string(), value: z.string() })]),
})
type Click = z.infer<typeof Click>

const DenySubmission = z.object({
  user: z.object({ id: z.string() }),
  view: z.object({
    private_metadata: ApprovalIdText,
    state: z.object({
      values: z.object({ [REASON_BLOCK]: z.object({ [REASON_INPUT]: z.object({ value: z.string().trim() }) }) }),
    }),
  }),
})

/** What the person is told; null: nothing, the repainted card says it. */
interface Answer {
  readonly message: string | null
  /** The approval as it stands, where the clicked copy of the card may be out of date. */
  readonly stale: Approval | null
}

const SAID_NOTHING: Answer = { message: null, stale: null }
const GONE: Answer = { message: 'This approval is no longer kept.', stale: null }
const NOT_UNDERSTOOD: Answer = { message: 'This button is not one of this gateway’s.', stale: null }

export function registerClicks(app: App, options: ClicksOptions): void {
  const { log, web } = options

  app.action(/./, async ({ ack, body, context, respond }) => {
    const click = Click.safeParse(body).data
    const team = String(context.teamId)
    const answer = click === undefined ? NOT_UNDERSTOOD : await guarded(() => act(options, click, team), log)
    await inTime(ack(), log)
    if (answer.message !== null) await tell(answer.message)
    if (answer.stale !== null && click !== undefined) await repaint(web, click, answer.stale, log)

    async function tell(message: string): Promise<void> {
      const text = fallbackText(message)
      const blocks = [plainSection(visible(message))]
      try {
        await respond({ response_type: 'ephemeral', replace_original: false, text, blocks })
      } catch (error) {
        log.warn('slack response_url failed', { channel: 'slack', error: errorName(error) })
        if (click?.channel === undefined) return
        await web.chat
          .postEphemeral({ channel: click.channel.id, user: click.user.id, text, blocks })
          .catch((cause) => log.error('slack could not tell the person', { channel: 'slack', error: errorName(cause) }))
      }
    }
  })

  app.view(DENY_VIEW, async ({ ack, body, context }) => {
    const deny = DenySubmission.safeParse(body).data
    const answer =
      deny === undefined
        ? NOT_UNDERSTOOD
        : await guarded(() => {
            const reason = deny.view.state.values[REASON_BLOCK][REASON_INPUT].value
            return review(
              options,
              { id: deny.view.private_metadata, choice: 'deny', reason, user: deny.user.id },
              team(),
            )
          }, log)
    if (answer.message === null) await inTime(ack(), log)
    else await inTime(ack({ response_action: 'errors', errors: { [REASON_BLOCK]: visible(answer.message) } }), log)

    function team(): string {
      return String(context.teamId)
    }
  })

  app.view(ARGUMENTS_VIEW, async ({ ack }) => ack())
}

/** An acknowledgement that comes too late throws; what was decided stands, and the rest still has to be told. */
async function inTime(acknowledged: Promise<void>, log: Log): Promise<void> {
  await acknowledged.catch((error) => log.warn('slack click acknowledged too late', { error: errorName(error) }))
}

/** A fault ends as a sentence to the person, never as a click that seems to have worked. */
async function guarded(work: () => Promise<Answer>, log: Log): Promise<Answer> {
  try {
    return await work()
  } catch (error) {
    log.error('slack click failed', { channel: 'slack', error: errorName(error) })
    const cure = error instanceof GatewayError ? error.cure : 'The gateway’s log has the details.'
    return { message: `That failed: ${cure} If the card still asks, please click again.`, stale: null }
  }
}

async function act(options: ClicksOptions, click: Click, team: string): Promise<Answer> {
  const [{ action_id: action, value }] = click.actions
  if (action === PREVIOUS_PAGE_ACTION || action === NEXT_PAGE_ACTION) return turnPage(options, click, Number(value))
  const id = ApprovalIdText.safeParse(value).data
  if (id === undefined) return NOT_UNDERSTOOD
  switch (action) {
    case APPROVE_ACTION:
      return review(options, { id, choice: 'approve', reason: null, user: click.user.id }, team)
    case DENY_ACTION:
      return review(options, { id, choice: 'deny', reason: null, user: click.user.id }, team)
    case DENY_WITH_REASON_ACTION:
      await options.web.views.open({ trigger_id: click.trigger_id, view: denyView(id) })
      return SAID_NOTHING
    case IT_RAN_ACTION:
    case IT_DID_NOT_RUN_ACTION:
      return resolveRun(options, { id, ran: action === IT_RAN_ACTION, user: click.user.id }, team)
    case SHOW_ALL_ACTION:
      return showAll(options, click, id)
    default:
      return NOT_UNDERSTOOD
  }
}

interface Wanted {
  readonly id: ApprovalId
  readonly choice: 'approve' | 'deny'
  readonly reason: string | null
  /** Slack's id of the person. */
  readonly user: string
}

async function review({ reviewers, reviews }: ClicksOptions, wanted: Wanted, team: string): Promise<Answer> {
  const who = await reviewers.whoClicked(wanted.user, team)
  if (!who.ok) return { message: who.message, stale: null }
  const outcome = await reviews.submit({
    approvalId: wanted.id,
    reviewer: who.reviewer,
    choice: wanted.choice,
    reason: wanted.reason,
    channel: 'slack',
  })
  if (outcome.ok) return SAID_NOTHING
  const stale = outcome.approval !== null && outcome.approval.state !== 'pending' ? outcome.approval : null
  return { message: outcome.message, stale }
}

async function resolveRun(
  { reviewers, reviews }: ClicksOptions,
  { id, ran, user }: { readonly id: ApprovalId; readonly ran: boolean; readonly user: string },
  team: string,
): Promise<Answer> {
  const who = await reviewers.whoClicked(user, team)
  if (!who.ok) return { message: who.message, stale: null }
  const outcome = await reviews.resolveRun({ approvalId: id, reviewer: who.reviewer, ran })
  if (outcome.ok) return SAID_NOTHING
  return { message: outcome.message, stale: outcome.refusal === 'run_known' ? outcome.approval : null }
}

async function showAll({ get, web }: ClicksOptions, click: Click, id: ApprovalId): Promise<Answer> {
  const approval = await get(id)
  if (approval === null) return GONE
  await web.views.open({ trigger_id: click.trigger_id, view: argumentsView(cardOf(approval), 1) })
  return SAID_NOTHING
}

async function turnPage({ get, web }: ClicksOptions, { view }: Click, page: number): Promise<Answer> {
  const id = ApprovalIdText.safeParse(view?.private_metadata).data
  const approval = id === undefined ? null : await get(id)
  if (approval === null || view === undefined || !Number.isSafeInteger(page)) return GONE
  try {
    await web.views.update({ view_id: view.id, hash: view.hash, view: argumentsView(cardOf(approval), page) })
  } catch (error) {
    // Two quick clicks: the later page is the one that stays.
    if (platformError(error) !== 'hash_conflict') throw error
  }
  return SAID_NOTHING
}

async function repaint(web: SlackWeb, { channel, message }: Click, approval: Approval, log: Log): Promise<void> {
  if (channel === undefined || message === undefined) return
  const card = cardMessage(cardOf(approval))
  await web.chat
    .update({ channel: channel.id, ts: message.ts, ...card })
    .catch((error) => log.warn('slack copy not repainted', { approval_id: approval.id, error: errorName(error) }))
}
