/**
 * Slash commands: `/countersign <what> …`, and others of their own name. In the only safe order, as with clicks: verify
 * (Bolt) → authorise (who is it?) → once → durable write → ack. The acknowledgement is the answer, which only this person
 * sees; where the rest takes longer than Slack waits, it says what stands so far, and the rest follows.
 *
 * Slack does not send a command again by itself, but whoever saw a signed one could, to any replica. So each runs once,
 * by its trigger's id, in Redis: a thaw that is replayed must not undo a later freeze.
 */
import type { App } from '@slack/bolt'
import { z } from 'zod'
import type { Reviewer } from '../../src/people/reviewer.ts'
import type { Log } from '../../src/ports.ts'
import { answerLines, chooseCommand, failureText, type NamedCommand, type Said } from '../chat/commands.ts'
import { COMMAND } from './actions.ts'
import { COMMAND_ANSWER_MAX } from './limits.ts'
import { errorName } from './log.ts'
import type { Reviewers } from './reviewers.ts'
import { fallbackText, plainSection } from './text.ts'
import type { WebOf } from './workspaces.ts'

export interface Asked {
  readonly reviewer: Reviewer
  /** Our workspace, whose full member they are. */
  readonly teamId: string
  readonly channelId: string
  /** Opens one modal, within three seconds. */
  readonly triggerId: string
  /** What follows the command and its subcommand, with Slack's escapes. Untrusted. */
  readonly words: string
}

export interface Subcommand extends NamedCommand {
  /** What it says is for this person alone. */
  run(asked: Asked): Promise<Said>
}

export interface CommandsOptions {
  readonly reviewers: Reviewers
  /** True for the first who asks for this delivery, on whichever replica. Rejects with `store_unavailable`. */
  readonly isFirst: (delivery: string) => Promise<boolean>
  readonly webOf: WebOf
  readonly log: Log
}

/** docs.slack.dev/interactivity/implementing-slash-commands, "Understanding the payload" */
const Payload = z.object({
  user_id: z.string(),
  channel_id: z.string(),
  trigger_id: z.string().min(1).max(200),
  text: z.string().default(''),
})
type Payload = z.infer<typeof Payload>

const NOT_UNDERSTOOD: Said = { message: 'Slack sent a command that this gateway does not understand.' }

/** `/countersign`: help, and what the features bring. */
export function registerSubcommands(app: App, subcommands: readonly Subcommand[], options: CommandsOptions): void {
  registerCommand(app, COMMAND, (asked) => runSubcommand(subcommands, asked), options)
}

/** A command of its own name. */
export function registerCommand(
  app: App,
  name: string,
  run: (asked: Asked) => Promise<Said>,
  options: CommandsOptions,
): void {
  const { log } = options
  app.command(name, async ({ ack, body, context, respond }) => {
    const payload = Payload.safeParse(body).data
    const said = payload === undefined ? NOT_UNDERSTOOD : await answer(options, run, payload, String(context.teamId))
    const tell = async (message: string) => {
      try {
        await respond(toOne(message))
      } catch (error) {
        log.warn('slack response_url failed', { channel: 'slack', error: errorName(error) })
        if (payload !== undefined) await tellInChannel(options, payload, { message, team: String(context.teamId) })
      }
    }
    try {
      await (said.message === null ? ack() : ack(toOne(said.message)))
    } catch (error) {
      log.warn('slack command acknowledged too late', { error: errorName(error) })
      if (said.message !== null) await tell(said.message)
    }
    if (said.later !== undefined) await tell(await said.later.catch((error: unknown) => failure(error, log)))
  })
}

async function answer(
  { reviewers, isFirst, log }: CommandsOptions,
  run: (asked: Asked) => Promise<Said>,
  { user_id: user, channel_id: channelId, trigger_id: triggerId, text }: Payload,
  teamId: string,
): Promise<Said> {
  try {
    const who = await reviewers.whoClicked(user, teamId)
    if (!who.ok) return { message: who.message }
    if (!(await isFirst(triggerId))) {
      log.info('slack command repeated; nothing ran', { channel: 'slack' })
      return { message: null }
    }
    return await run({ reviewer: who.reviewer, teamId, channelId, triggerId, words: text.trim() })
  } catch (error) {
    return { message: failure(error, log) }
  }
}

function failure(error: unknown, log: Log): string {
  log.error('slack command failed', { channel: 'slack', error: errorName(error) })
  return failureText(error)
}

function toOne(message: string) {
  const text = answerLines(message, COMMAND_ANSWER_MAX)
  return { response_type: 'ephemeral' as const, text: fallbackText(text), blocks: [plainSection(text)] }
}

async function tellInChannel(
  { webOf, log }: CommandsOptions,
  payload: Payload,
  { message, team }: { readonly message: string; readonly team: string },
): Promise<void> {
  const { text, blocks } = toOne(message)
  await webOf(team)
    .chat.postEphemeral({ channel: payload.channel_id, user: payload.user_id, text, blocks })
    .catch((cause) => log.error('slack could not tell the person', { channel: 'slack', error: errorName(cause) }))
}

// ---- /countersign

async function runSubcommand(subcommands: readonly Subcommand[], asked: Asked): Promise<Said> {
  const chosen = chooseCommand(subcommands, asked.words, `${COMMAND} `)
  return chosen.ok ? chosen.command.run({ ...asked, words: chosen.words }) : { message: chosen.message }
}
