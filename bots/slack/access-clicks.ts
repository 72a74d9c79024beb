/**
 * /access: a form at once, what may be asked for a moment later, and what policy says with each choice. Submitted, in the
 * only safe order: verify (Bolt) → authorise (who is it?) → durable write (the desk) → ack.
 *
 * Nothing that comes back is trusted: the desk looks up who may ask for what anew, and the window's metadata names no
 * more than the grant that is to be extended, which must be the person's own.
 */
import type { App } from '@slack/bolt'
import { z } from 'zod'
import { visible } from '../../src/approval/visible.ts'
import type { GrantId } from '../../src/brands.ts'
import { GatewayError } from '../../src/errors.ts'
import type { Reviewer } from '../../src/people/reviewer.ts'
import type { AccessDesk, AccessInput, AccessOffer, Log, StandingGrants } from '../../src/ports.ts'
import {
  type AccessForm,
  accessView,
  askedView,
  DIGEST_PREFIX,
  extensionView,
  matchingOptions,
  refusalView,
  skeletonView,
  toolsBlockId,
  toolValue,
} from './access-view.ts'
import {
  ACCESS_COMMAND,
  ACCESS_DURATION_BLOCK,
  ACCESS_DURATION_INPUT,
  ACCESS_NOTE_VIEW,
  ACCESS_REASON_BLOCK,
  ACCESS_REASON_INPUT,
  ACCESS_TOOLS_BLOCK,
  ACCESS_TOOLS_INPUT,
  ACCESS_UPSTREAM_BLOCK,
  ACCESS_UPSTREAM_INPUT,
  ACCESS_VIEW,
} from './actions.ts'
import { REASON_BYTES_MAX } from './limits.ts'
import { errorName } from './log.ts'
import type { Reviewers } from './reviewers.ts'
import { clipped, plainSection } from './text.ts'
import { platformError } from './web.ts'
import type { WebOf } from './workspaces.ts'

export interface AccessOptions {
  /** Null: this gateway has no desk here. */
  readonly desk: Pick<AccessDesk, 'upstreams' | 'offer' | 'preview' | 'request'> | null
  readonly grants: Pick<StandingGrants, 'get'> | null
  readonly reviewers: Reviewers
  readonly webOf: WebOf
  readonly log: Log
}

type Options = AccessOptions & {
  readonly desk: NonNullable<AccessOptions['desk']>
  readonly latest: Latest
}

/** Opens the form in which a grant is extended. Never rejects: what fails is told in the window, or logged. */
export type OpenExtension = (click: {
  readonly triggerId: string
  readonly userId: string
  readonly team: string
  readonly grantId: GrantId
}) => Promise<void>

export function registerAccess(app: App, options: AccessOptions): OpenExtension {
  const { desk, log } = options
  const latest = createLatest()
  const withDesk = desk === null ? null : { ...options, desk, latest }

  app.command(ACCESS_COMMAND, async ({ ack, command, context }) => {
    const person = { userId: command.user_id, team: String(context.teamId) }
    const view = withDesk === null ? null : await openSkeleton(options, command.trigger_id, person.team)
    const sorry = withDesk === null ? NO_DESK : view === null ? NOT_OPENED : null
    const told =
      sorry === null ? ack() : ack({ response_type: 'ephemeral', text: sorry, blocks: [plainSection(sorry)] })
    await inTime(told, log)
    if (withDesk === null || view === null) return
    await paintChoice(withDesk, view, person, { upstream: command.text.trim(), tools: [] })
  })

  app.action(/^countersign_access_/, async ({ ack, body, context }) => {
    // Nothing is decided by a choice.
    await inTime(ack(), log)
    const choice = Choice.safeParse(body).data
    if (withDesk === null || choice === undefined) return
    const person = { userId: choice.user.id, team: String(context.teamId) }
    await paintChoice(withDesk, choice.view, person, chosenIn(choice.view.state.values))
  })

  app.options(ACCESS_TOOLS_INPUT, async ({ ack, body, context }) => {
    const asked = Suggestion.safeParse(body).data
    const offer =
      withDesk === null || asked === undefined ? null : await offerOf(withDesk, asked, String(context.teamId))
    await inTime(ack({ options: offer === null ? [] : matchingOptions(offer, asked?.value ?? '') }), log)
  })

  app.view(ACCESS_VIEW, async ({ ack, body, context }) => {
    const submission = Submission.safeParse(body).data
    const done =
      withDesk === null || submission === undefined
        ? problem('reason', NOT_UNDERSTOOD)
        : await submitted(withDesk, submission, String(context.teamId))
    const told =
      'view' in done
        ? ack({ response_action: 'update', view: done.view })
        : ack({ response_action: 'errors', errors: errorsIn(submission, done) })
    await inTime(told, log)
  })

  app.view(ACCESS_NOTE_VIEW, async ({ ack }) => inTime(ack(), log))

  return async ({ triggerId, grantId, ...person }) => {
    const view = withDesk === null ? null : await openSkeleton(options, triggerId, person.team)
    if (withDesk !== null && view !== null) await paintExtension(withDesk, view, person, grantId)
  }
}

const NO_DESK = 'Elevated access can’t be asked for here: this gateway’s policy offers none.'
const NOT_OPENED = 'Slack did not open the form. Please try again.'
const NOT_UNDERSTOOD = 'This form is not one of this gateway’s. Close it, and begin anew with /access.'

interface Person {
  /** Slack's id. */
  readonly userId: string
  /** Ours. */
  readonly team: string
}

// ---- what comes back

const Input = z.object({
  value: z.string().nullish(),
  selected_option: z.object({ value: z.string() }).nullish(),
  selected_options: z.array(z.object({ value: z.string() })).nullish(),
})
const Values = z.record(z.string(), z.record(z.string(), Input))
type Values = z.infer<typeof Values>

const ViewState = z.object({ values: Values })

const Choice = z.object({
  user: z.object({ id: z.string() }),
  view: z.object({ id: z.string(), hash: z.string(), state: ViewState }),
})

const Suggestion = z.object({ user: z.object({ id: z.string() }), block_id: z.string(), value: z.string() })

/** As `standingGrantIdOf` makes them. */
const GrantIdText = z
  .string()
  .regex(/^stg_[a-z0-9]{1,64}$/)
  .transform((text) => text as GrantId)
const Metadata = z.object({ extends: GrantIdText.nullable() })

const Submission = z.object({
  user: z.object({ id: z.string() }),
  view: z.object({
    private_metadata: z.string(),
    blocks: z.array(z.object({ block_id: z.string().optional() })).optional(),
    state: ViewState,
  }),
})
type Submission = z.infer<typeof Submission>

interface Chosen {
  readonly upstream: string | null
  /** Values of options; see toolValue. */
  readonly tools: readonly string[]
}

function chosenIn(values: Values): Chosen {
  const upstream = values[ACCESS_UPSTREAM_BLOCK]?.[ACCESS_UPSTREAM_INPUT]?.selected_option?.value ?? null
  const tools = upstream === null ? undefined : values[toolsBlockId(upstream)]?.[ACCESS_TOOLS_INPUT]
  return { upstream, tools: (tools?.selected_options ?? []).map(({ value }) => value) }
}

/** Names that travelled as digests are found among what is offered. */
function namesOf(values: readonly string[], { tools }: Pick<AccessOffer, 'tools'>): readonly string[] {
  const byValue = new Map(tools.map(({ name }) => [toolValue(name), name]))
  return values.map((value) => byValue.get(value) ?? value)
}

// ---- painting

interface OpenView {
  readonly id: string
  readonly hash: string
}

async function openSkeleton({ webOf, log }: AccessOptions, triggerId: string, team: string): Promise<OpenView | null> {
  try {
    const { view } = await webOf(team).views.open({ trigger_id: triggerId, view: skeletonView() })
    return view?.id === undefined || view.hash === undefined ? null : { id: view.id, hash: view.hash }
  } catch (error) {
    log.warn('slack did not open the form for access', {
      channel: 'slack',
      error: platformError(error) ?? errorName(error),
    })
    return null
  }
}

async function paintChoice(options: Options, view: OpenView, person: Person, chosen: Chosen): Promise<void> {
  const paint = painter(options, view, person.team)
  await telling(options, paint, async () => {
    const who = await options.reviewers.whoClicked(person.userId, person.team)
    if (!who.ok) return paint(refusalView(who.message))
    const { reviewer } = who
    const upstreams = await options.desk.upstreams(reviewer)
    if (upstreams.length === 0) return paint(refusalView(NOTHING_OFFERED))
    const only = upstreams.length === 1 ? (upstreams[0] ?? null) : null
    const upstream = upstreams.find((name) => name === chosen.upstream) ?? only
    const form = { upstreams, upstream, offer: null, preview: null, problem: null }
    if (upstream === null) return paint(accessView(form))
    // What is there already must not give way to a note that it is being looked up.
    if (chosen.tools.length === 0) await paint(accessView(form))
    return paint(accessView(await offered(options, reviewer, form, upstream, chosen.tools)))
  })
}

const NOTHING_OFFERED =
  'The policy lets you ask for nothing. Whoever writes it can offer something under access, to you or to your groups.'

async function offered(
  { desk }: Options,
  requester: Reviewer,
  form: AccessForm,
  upstream: string,
  values: readonly string[],
): Promise<AccessForm> {
  try {
    const offer = await desk.offer(requester, upstream, values.length === 0 ? 'fresh' : 'cached')
    const tools = namesOf(values, offer)
    const preview = tools.length === 0 ? null : await desk.preview({ requester, upstream, tools })
    return { ...form, offer, preview }
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== 'upstream_unreachable') throw error
    return { ...form, problem: 'Its tools could not be listed just now. Choose it once more in a moment.' }
  }
}

async function paintExtension(options: Options, view: OpenView, person: Person, grantId: GrantId): Promise<void> {
  const paint = painter(options, view, person.team)
  await telling(options, paint, async () => {
    const who = await options.reviewers.whoClicked(person.userId, person.team)
    if (!who.ok) return paint(refusalView(who.message))
    const grant = (await options.grants?.get(grantId)) ?? null
    const isTheirs = grant?.holder.kind === 'owner' && grant.holder.email === who.reviewer.email
    if (grant === null || !isTheirs || grant.state !== 'active') return paint(refusalView(NOT_THEIRS))
    const { upstream, tools } = grant
    return paint(extensionView(grant, await options.desk.preview({ requester: who.reviewer, upstream, tools })))
  })
}

const NOT_THEIRS = 'You have no such grant any more. Ask for a new one with /access.'

type Paint = (view: ReturnType<typeof skeletonView>) => Promise<void>

/**
 * Paints one window, and only for its newest choice: an older one's answer may come later. With the hash, so that another
 * process' painting isn't lost; where that came between although this choice is the newest, without it.
 */
function painter({ webOf, latest }: Options, { id, hash }: OpenView, team: string): Paint {
  const web = webOf(team)
  const isNewest = latest.next(id)
  let known = hash
  const update = async (view: Parameters<Paint>[0], withHash: boolean) => {
    const answer = await web.views.update({ view_id: id, view, ...(withHash && { hash: known }) })
    known = answer.view?.hash ?? known
  }
  return async (view) => {
    if (!isNewest()) return
    try {
      await update(view, true)
    } catch (error) {
      const reason = platformError(error)
      // The person has closed it.
      if (reason === 'not_found') return
      if (reason !== 'hash_conflict') throw error
      if (isNewest()) await update(view, false)
    }
  }
}

/** Windows that are remembered: each lives as long as a person looks at it. */
const WINDOWS_MAX = 1_000

interface Latest {
  /** Answers whether no later choice has come for this window. */
  next(viewId: string): () => boolean
}

function createLatest(): Latest {
  const choices = new Map<string, number>()
  let count = 0
  return {
    next(viewId) {
      count += 1
      const own = count
      choices.delete(viewId)
      choices.set(viewId, own)
      const oldest = choices.size > WINDOWS_MAX ? choices.keys().next().value : undefined
      if (oldest !== undefined) choices.delete(oldest)
      return () => (choices.get(viewId) ?? own) === own
    },
  }
}

/** A fault stands in the window, where the person waits for it. */
async function telling({ log }: Options, paint: Paint, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    log.error('slack form for access failed', { channel: 'slack', error: errorName(error) })
    await paint(refusalView(faultText(error))).catch((cause) =>
      log.error('slack could not tell the person', { channel: 'slack', error: errorName(cause) }),
    )
  }
}

function faultText(error: unknown): string {
  const cure = error instanceof GatewayError ? error.cure : 'The gateway’s log has the details.'
  return `That failed: ${cure} Nobody was asked. Please begin anew with /access.`
}

async function offerOf(
  { desk, reviewers, log }: Options,
  { user, block_id: block }: z.infer<typeof Suggestion>,
  team: string,
): Promise<AccessOffer | null> {
  const who = await reviewers.whoClicked(user.id, team)
  const upstream = block.startsWith(`${ACCESS_TOOLS_BLOCK}:`) ? block.slice(ACCESS_TOOLS_BLOCK.length + 1) : null
  if (!who.ok || upstream === null) return null
  try {
    return await desk.offer(who.reviewer, upstream, 'cached')
  } catch (error) {
    log.warn('slack menu of tools stays empty', { channel: 'slack', error: errorName(error) })
    return null
  }
}

// ---- submitting

interface Problem {
  readonly input: AccessInput | null
  readonly message: string
}

const problem = (input: AccessInput | null, message: string): Problem => ({ input, message })

type Done = { readonly view: ReturnType<typeof askedView> } | Problem

async function submitted(options: Options, submission: Submission, team: string): Promise<Done> {
  const { reviewers, desk, log } = options
  const { values } = submission.view.state
  const metadata = Metadata.safeParse(parsed(submission.view.private_metadata)).data
  if (metadata === undefined) return problem('reason', NOT_UNDERSTOOD)
  const chosen = chosenIn(values)
  if (metadata.extends === null && chosen.upstream === null) return problem('upstream', 'Choose one.')
  if (metadata.extends === null && chosen.tools.length === 0) return problem('tools', 'Choose at least one tool.')
  const durationMs = Number(values[ACCESS_DURATION_BLOCK]?.[ACCESS_DURATION_INPUT]?.selected_option?.value)
  const reason = values[ACCESS_REASON_BLOCK]?.[ACCESS_REASON_INPUT]?.value ?? ''
  try {
    const who = await reviewers.whoClicked(submission.user.id, team)
    if (!who.ok) return problem(null, who.message)
    const upstream = chosen.upstream ?? ''
    const tools = await toolNames(options, who.reviewer, upstream, chosen.tools)
    const wish = { requester: who.reviewer, upstream, tools, durationMs, reason, extends: metadata.extends }
    const outcome = await desk.request(wish)
    return outcome.ok ? { view: askedView(outcome.approval, outcome.wasAsked) } : outcome
  } catch (error) {
    log.error('slack request for access failed', { channel: 'slack', error: errorName(error) })
    const cure = error instanceof GatewayError ? error.cure : 'The gateway’s log has the details.'
    return problem(null, `That failed: ${cure} Please try again.`)
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** Only names that Slack can't carry are looked up: everything within these three seconds is one look less. */
async function toolNames(
  { desk }: Options,
  requester: Reviewer,
  upstream: string,
  values: readonly string[],
): Promise<readonly string[]> {
  if (!values.some((value) => value.startsWith(DIGEST_PREFIX))) return values
  return namesOf(values, await desk.offer(requester, upstream, 'cached'))
}

/** Slack refuses an error under a block that the window doesn't have, and the person would see nothing of it. */
function errorsIn(submission: Submission | undefined, { input, message }: Problem): Record<string, string> {
  const upstream = submission === undefined ? null : chosenIn(submission.view.state.values).upstream
  const blocks = new Set(submission?.view.blocks?.map(({ block_id: id }) => id))
  const wanted = {
    upstream: ACCESS_UPSTREAM_BLOCK,
    tools: toolsBlockId(upstream ?? ''),
    duration: ACCESS_DURATION_BLOCK,
    reason: ACCESS_REASON_BLOCK,
  }[input ?? 'reason']
  const block = [wanted, ACCESS_REASON_BLOCK, ACCESS_UPSTREAM_BLOCK].find((id) => blocks.has(id)) ?? wanted
  return { [block]: clipped(visible(message), REASON_BYTES_MAX) }
}

async function inTime(acknowledged: Promise<void>, log: Log): Promise<void> {
  await acknowledged.catch((error) => log.warn('slack form acknowledged too late', { error: errorName(error) }))
}
