/**
 * /access: a form at once, what may be asked for a moment later, and what policy says with each choice. Submitted, in the
 * only safe order: verify (Bolt) → authorise (who is it?) → durable write (the desk) → ack.
 *
 * Nothing that comes back is trusted: the desk looks up who may ask for what anew, and the window's metadata names no
 * more than the grant that is to be extended, which must be the person's own.
 */
import type { App } from '@slack/bolt'
import { z } from 'zod'
import type { GrantId } from '../../src/brands.ts'
import type { AccessDesk, Log, StandingGrants } from '../../src/ports.ts'
import {
  type AccessAsking,
  type AccessChoice,
  type AccessProblem,
  type AccessScreen,
  createAccessAsking,
  NO_DESK,
  problemText,
} from '../chat/access-asking.ts'
import type { Choice } from '../chat/access-form.ts'
import { errorName } from '../chat/error-name.ts'
import { grantIdIn } from '../chat/ids.ts'
import {
  accessView,
  askedView,
  extensionView,
  foundOptions,
  refusalView,
  skeletonView,
  toolsBlockId,
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
import type { Reviewers } from './reviewers.ts'
import { plainSection } from './text.ts'
import { platformError } from './web.ts'
import { WORDS } from './words.ts'
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
  readonly asking: AccessAsking
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
  const { desk, grants, log } = options
  const latest = createLatest()
  const asking = desk === null ? null : createAccessAsking({ desk, grants, channel: 'slack', words: WORDS, log })
  const withDesk = asking === null ? null : { ...options, asking, latest }

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
    const choice = Choosing.safeParse(body).data
    if (withDesk === null || choice === undefined) return
    const person = { userId: choice.user.id, team: String(context.teamId) }
    await paintChoice(withDesk, choice.view, person, chosenIn(choice.view.state.values))
  })

  app.options(ACCESS_TOOLS_INPUT, async ({ ack, body, context }) => {
    const asked = Suggestion.safeParse(body).data
    const found = withDesk === null || asked === undefined ? [] : await find(withDesk, asked, String(context.teamId))
    await inTime(ack({ options: foundOptions(found) }), log)
  })

  app.view(ACCESS_VIEW, async ({ ack, body, context }) => {
    const submission = Submission.safeParse(body).data
    const done = await answered(withDesk, submission, String(context.teamId))
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

const NOT_OPENED = 'Slack did not open the form. Please try again.'

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

const Choosing = z.object({
  user: z.object({ id: z.string() }),
  view: z.object({ id: z.string(), hash: z.string(), state: ViewState }),
})

const Suggestion = z.object({ user: z.object({ id: z.string() }), block_id: z.string(), value: z.string() })

const Metadata = z.object({
  extends: z
    .string()
    .nullable()
    .transform((text, context) => {
      const grantId = grantIdIn(text)
      if (text !== null && grantId === null) context.addIssue({ code: 'custom', message: 'is no grant’s id' })
      return grantId
    }),
})

const Submission = z.object({
  user: z.object({ id: z.string() }),
  view: z.object({
    private_metadata: z.string(),
    blocks: z.array(z.object({ block_id: z.string().optional() })).optional(),
    state: ViewState,
  }),
})
type Submission = z.infer<typeof Submission>

function chosenIn(values: Values): AccessChoice {
  const upstream = values[ACCESS_UPSTREAM_BLOCK]?.[ACCESS_UPSTREAM_INPUT]?.selected_option?.value ?? null
  const tools = upstream === null ? undefined : values[toolsBlockId(upstream)]?.[ACCESS_TOOLS_INPUT]
  return { upstream, tools: (tools?.selected_options ?? []).map(({ value }) => value) }
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

async function paintChoice(options: Options, view: OpenView, person: Person, chosen: AccessChoice): Promise<void> {
  const paint = painter(options, view, person.team)
  await telling(options, paint, async () => {
    const who = await options.reviewers.whoClicked(person.userId, person.team)
    const screen = await options.asking.choose(who, chosen, (sooner) => paint(screenView(sooner)))
    await paint(screenView(screen))
  })
}

async function paintExtension(options: Options, view: OpenView, person: Person, grantId: GrantId): Promise<void> {
  const paint = painter(options, view, person.team)
  await telling(options, paint, async () => {
    const who = await options.reviewers.whoClicked(person.userId, person.team)
    await paint(screenView(await options.asking.extend(who, grantId)))
  })
}

function screenView(screen: AccessScreen): ReturnType<typeof skeletonView> {
  switch (screen.kind) {
    case 'refusal':
      return refusalView(screen.message)
    case 'form':
      return accessView(screen.form)
    case 'extension':
      return extensionView(screen.grant, screen.preview)
  }
}

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
async function telling({ asking, log }: Options, paint: Paint, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    log.error('slack form for access failed', { channel: 'slack', error: errorName(error) })
    await paint(screenView(asking.failed(error))).catch((cause) =>
      log.error('slack could not tell the person', { channel: 'slack', error: errorName(cause) }),
    )
  }
}

async function find(
  { asking, reviewers }: Options,
  { user, block_id: block, value }: z.infer<typeof Suggestion>,
  team: string,
): Promise<readonly Choice[]> {
  const upstream = block.startsWith(`${ACCESS_TOOLS_BLOCK}:`) ? block.slice(ACCESS_TOOLS_BLOCK.length + 1) : null
  return upstream === null ? [] : asking.find(await reviewers.whoClicked(user.id, team), upstream, value)
}

// ---- submitting

type Done = { readonly view: ReturnType<typeof askedView> } | AccessProblem

async function answered(options: Options | null, submission: Submission | undefined, team: string): Promise<Done> {
  if (options === null) return { input: null, message: NO_DESK }
  return submission === undefined ? options.asking.notUnderstood : submitted(options, submission, team)
}

async function submitted({ asking, reviewers }: Options, submission: Submission, team: string): Promise<Done> {
  const { values } = submission.view.state
  const metadata = Metadata.safeParse(parsed(submission.view.private_metadata)).data
  if (metadata === undefined) return asking.notUnderstood
  const done = await asking.submit(() => reviewers.whoClicked(submission.user.id, team), {
    ...chosenIn(values),
    extends: metadata.extends,
    duration: values[ACCESS_DURATION_BLOCK]?.[ACCESS_DURATION_INPUT]?.selected_option?.value,
    reason: values[ACCESS_REASON_BLOCK]?.[ACCESS_REASON_INPUT]?.value ?? '',
  })
  return done.ok ? { view: askedView(done.approval, done.wasAsked) } : done
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** Slack refuses an error under a block that the window doesn't have, and the person would see nothing of it. */
function errorsIn(submission: Submission | undefined, problem: AccessProblem): Record<string, string> {
  const upstream = submission === undefined ? null : chosenIn(submission.view.state.values).upstream
  const blocks = new Set(submission?.view.blocks?.map(({ block_id: id }) => id))
  const wanted = {
    upstream: ACCESS_UPSTREAM_BLOCK,
    tools: toolsBlockId(upstream ?? ''),
    duration: ACCESS_DURATION_BLOCK,
    reason: ACCESS_REASON_BLOCK,
  }[problem.input ?? 'reason']
  const block = [wanted, ACCESS_REASON_BLOCK, ACCESS_UPSTREAM_BLOCK].find((id) => blocks.has(id)) ?? wanted
  return { [block]: problemText(problem) }
}

async function inTime(acknowledged: Promise<void>, log: Log): Promise<void> {
  await acknowledged.catch((error) => log.warn('slack form acknowledged too late', { error: errorName(error) }))
}
