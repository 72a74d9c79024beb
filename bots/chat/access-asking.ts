/**
 * Asking for elevated access in a form: what is to be shown for a choice, and what a submission does, in the only safe
 * order: authorise (who is it?) → durable write (the desk) → answer.
 *
 * Nothing that comes back is trusted: the desk looks up who may ask for what anew, and an extension names no more than
 * the grant, which must be the person's own.
 */
import { visible } from '../../src/approval/visible.ts'
import type { GrantId } from '../../src/brands.ts'
import { GatewayError } from '../../src/errors.ts'
import type { StandingGrant } from '../../src/grant/standing.ts'
import type { Reviewer } from '../../src/people/reviewer.ts'
import type { ChannelName } from '../../src/policy/decision.ts'
import type { AccessDesk, AccessInput, AccessOffer, AccessPreview, Log, StandingGrants } from '../../src/ports.ts'
import {
  type AccessForm,
  type AskedForAccess,
  type Choice,
  isDigest,
  matchingChoices,
  toolNamesOf,
} from './access-form.ts'
import { clipped } from './clip.ts'
import { errorName } from './error-name.ts'
import { cureOf } from './fault.ts'
import { REASON_BYTES_MAX } from './limits.ts'
import type { WhoClicked } from './who-clicked.ts'
import type { Words } from './words.ts'

export interface AccessAskingOptions {
  readonly desk: Pick<AccessDesk, 'upstreams' | 'offer' | 'preview' | 'request'>
  readonly grants: Pick<StandingGrants, 'get'> | null
  readonly channel: ChannelName
  readonly words: Words
  readonly log: Log
}

/** What the form shows. */
export type AccessScreen =
  /** Nothing can be asked for, and why. */
  | { readonly kind: 'refusal'; readonly message: string }
  | { readonly kind: 'form'; readonly form: AccessForm }
  /** For the same tools, for longer. */
  | { readonly kind: 'extension'; readonly grant: StandingGrant; readonly preview: AccessPreview }

export interface AccessChoice {
  readonly upstream: string | null
  /** Values of choices; see toolValue. */
  readonly tools: readonly string[]
  /** The form is painted once more, so that its tools are those that were listed for it. */
  readonly isAgain?: boolean
}

export interface AccessSubmission extends Pick<AccessChoice, 'upstream' | 'tools'> {
  readonly extends: GrantId | null
  /** As it came back: milliseconds. */
  readonly duration: string | undefined
  readonly reason: string
}

export interface AccessProblem {
  /** Beside which it stands; null: it is about none of them. */
  readonly input: AccessInput | null
  readonly message: string
}

export type AccessDone = ({ readonly ok: true } & AskedForAccess) | ({ readonly ok: false } & AccessProblem)

export interface AccessAsking {
  /**
   * What is shown for a choice. Listing tools takes its time: `meanwhile` hears of what can be shown before. Rejects where
   * the desk does: `failed` has the words for it.
   */
  choose(
    who: WhoClicked,
    chosen: AccessChoice,
    meanwhile?: (screen: AccessScreen) => Promise<void>,
  ): Promise<AccessScreen>
  extend(who: WhoClicked, grantId: GrantId): Promise<AccessScreen>
  failed(error: unknown): AccessScreen
  /** Tools of an upstream that a person's typing finds; none where it can't be told. Never rejects. */
  find(who: WhoClicked, upstream: string, typed: string): Promise<readonly Choice[]>
  /** Never rejects. `who` is asked only where something was chosen. */
  submit(who: () => Promise<WhoClicked>, submission: AccessSubmission): Promise<AccessDone>
  /** For what is no form of ours. */
  readonly notUnderstood: AccessProblem
}

/** Where this gateway has no desk. */
export const NO_DESK = 'Elevated access can’t be asked for here: this gateway’s policy offers none.'

const NOTHING_OFFERED =
  'The policy lets you ask for nothing. Whoever writes it can offer something under access, to you or to your groups.'

export function createAccessAsking(options: AccessAskingOptions): AccessAsking {
  const { desk, words, channel, log } = options
  return {
    choose: (who, chosen, meanwhile) => choose(options, who, chosen, meanwhile),
    extend: (who, grantId) => extend(options, who, grantId),
    failed: (error) =>
      refusal(`That failed: ${cureOf(error)} Nobody was asked. Please begin anew with ${words.access}.`),
    async find(who, upstream, typed) {
      if (!who.ok) return []
      try {
        return matchingChoices(await desk.offer(who.reviewer, upstream, 'cached'), typed)
      } catch (error) {
        log.warn(`${channel} menu of tools stays empty`, { channel, error: errorName(error) })
        return []
      }
    },
    submit: (who, submission) => submit(options, who, submission),
    notUnderstood: {
      input: 'reason',
      message: `This form is not one of this gateway’s. Close it, and begin anew with ${words.access}.`,
    },
  }
}

/** A problem as it stands beside an input. */
export function problemText({ message }: AccessProblem): string {
  return clipped(visible(message), REASON_BYTES_MAX)
}

function refusal(message: string): AccessScreen {
  return { kind: 'refusal', message }
}

async function choose(
  options: AccessAskingOptions,
  who: WhoClicked,
  chosen: AccessChoice,
  meanwhile: ((screen: AccessScreen) => Promise<void>) | undefined,
): Promise<AccessScreen> {
  if (!who.ok) return refusal(who.message)
  const { reviewer } = who
  const upstreams = await options.desk.upstreams(reviewer)
  if (upstreams.length === 0) return refusal(NOTHING_OFFERED)
  const only = upstreams.length === 1 ? (upstreams[0] ?? null) : null
  const upstream = upstreams.find((name) => name === chosen.upstream) ?? only
  const form = { upstreams, upstream, offer: null, preview: null, problem: null }
  if (upstream === null) return { kind: 'form', form }
  // What is there already must not give way to a note that it is being looked up.
  if (chosen.tools.length === 0) await meanwhile?.({ kind: 'form', form })
  return { kind: 'form', form: await offered(options, reviewer, form, upstream, chosen) }
}

async function offered(
  { desk }: AccessAskingOptions,
  requester: Reviewer,
  form: AccessForm,
  upstream: string,
  chosen: AccessChoice,
): Promise<AccessForm> {
  try {
    const isOpen = chosen.isAgain === true || chosen.tools.length > 0
    const offer = await desk.offer(requester, upstream, isOpen ? 'cached' : 'fresh')
    const tools = toolNamesOf(chosen.tools, offer)
    const preview = tools.length === 0 ? null : await desk.preview({ requester, upstream, tools })
    return { ...form, offer, preview }
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== 'upstream_unreachable') throw error
    return { ...form, problem: 'Its tools could not be listed just now. Choose it once more in a moment.' }
  }
}

async function extend(
  { desk, grants, words }: AccessAskingOptions,
  who: WhoClicked,
  grantId: GrantId,
): Promise<AccessScreen> {
  if (!who.ok) return refusal(who.message)
  const grant = (await grants?.get(grantId)) ?? null
  const isTheirs = grant?.holder.kind === 'owner' && grant.holder.email === who.reviewer.email
  if (grant === null || !isTheirs || grant.state !== 'active') {
    return refusal(`You have no such grant any more. Ask for a new one with ${words.access}.`)
  }
  const { upstream, tools } = grant
  return { kind: 'extension', grant, preview: await desk.preview({ requester: who.reviewer, upstream, tools }) }
}

async function submit(
  options: AccessAskingOptions,
  who: () => Promise<WhoClicked>,
  submission: AccessSubmission,
): Promise<AccessDone> {
  const { desk, channel, log } = options
  const { upstream, tools, reason, duration } = submission
  if (submission.extends === null && upstream === null) return problem('upstream', 'Choose one.')
  if (submission.extends === null && tools.length === 0) return problem('tools', 'Choose at least one tool.')
  try {
    const asker = await who()
    if (!asker.ok) return problem(null, asker.message)
    const { reviewer: requester } = asker
    const what = { upstream: upstream ?? '', tools: await toolNames(desk, requester, upstream ?? '', tools) }
    return await desk.request({
      ...{ requester, ...what, durationMs: Number(duration), reason },
      extends: submission.extends,
    })
  } catch (error) {
    log.error(`${channel} request for access failed`, { channel, error: errorName(error) })
    return problem(null, `That failed: ${cureOf(error)} Please try again.`)
  }
}

function problem(input: AccessInput | null, message: string): AccessDone {
  return { ok: false, input, message }
}

/** Only names that a chat can't carry are looked up: a chat waits a few seconds, and everything else is one look less. */
async function toolNames(
  desk: AccessAskingOptions['desk'],
  requester: Reviewer,
  upstream: string,
  values: readonly string[],
): Promise<readonly string[]> {
  if (!values.some(isDigest)) return values
  const offer: AccessOffer = await desk.offer(requester, upstream, 'cached')
  return toolNamesOf(values, offer)
}
