/**
 * Decides one call, in the only safe order:
 *
 *   evaluate -> (standing grant, or hold -> may they still? -> fence) -> record intent -> lend -> forward -> return the lease
 *            -> mask -> record outcome
 *            -> keep an approved call's answer -> answer
 *
 * Intent is recorded before the upstream sees the call: recording afterwards would lose exactly the call that crashed
 * us. If recording fails, nothing is forwarded; if the outcome can't be recorded, the answer is withheld. The fence is
 * taken before the intent, so that of two calls that wake for one approval only one ever gets this far; the other gets
 * its answer. An approved call outlives its agent, and its answer is kept before it is handed on: whoever comes back
 * must get what ran, because it is never run again.
 */
import { createHash } from 'node:crypto'
import { annotationsOf } from '../approval/annotations.ts'
import { type Approval, agentAtFirst } from '../approval/approval.ts'
import { askedAt } from '../approval/asked.ts'
import { fingerprintOf } from '../approval/fingerprint.ts'
import type { AuditEvent, Finding, Outcome } from '../audit/events.ts'
import type { ApprovalId, CallId, EpochMs, Fingerprint, GrantId } from '../brands.ts'
import { epochMs } from '../brands.ts'
import type { Broker, Lease } from '../credential/lease.ts'
import type { ErrorCode } from '../errors.ts'
import { GatewayError } from '../errors.ts'
import { type Freeze, freezeText } from '../freeze/freeze.ts'
import { type GrantRefusal, grantIdOf } from '../grant/grant.ts'
import { ALL_TOOLS, standingGrantIdOf } from '../grant/standing.ts'
import { summarisePrincipal } from '../identity/principal.ts'
import { canonicalJson } from '../json/canonical.ts'
import { editMembers, memberText } from '../json/edit.ts'
import type { JsonObject } from '../json/value.ts'
import type { Masker } from '../masking/masker.ts'
import { replayedAnswer, type Stop } from '../mcp/answers.ts'
import { SESSION_END_METHOD, STREAM_METHOD } from '../mcp/message.ts'
import type { ApprovalTerms, ChannelName, Decision, Policy } from '../policy/decision.ts'
import type {
  ApprovalStore,
  Clock,
  Continuations,
  Freezes,
  Grants,
  Holds,
  Ids,
  Log,
  Recorder,
  Reviews,
  Runs,
  StandingGrants,
} from '../ports.ts'
import type { KeptAnswer, RunEnd } from '../run/run.ts'
import { unreachable } from '../unreachable.ts'
import { isJson, maskAnswer, maskEvent, maskHead } from './answer.ts'
import type {
  Attachment,
  Call,
  Catalogue,
  Continuation,
  Exchange,
  LargeEvent,
  Reply,
  StreamEvent,
  WriteEvent,
} from './call.ts'
import { AgentGone, CutOff, RunFault } from './call.ts'
import { createLargeMask, maskedPieces } from './large.ts'
import { shapeOf } from './listing.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder()

export interface GateOptions {
  readonly policy: Policy
  readonly freezes: Pick<Freezes, 'stops'>
  /** Where a rule names no channel, the card goes to all of these. */
  readonly channels: readonly ChannelName[]
  readonly holds: Holds
  readonly approvals: Pick<ApprovalStore, 'apply' | 'get'>
  readonly grants: Grants
  readonly reviews: Pick<Reviews, 'stillMay'>
  readonly standingGrants: Pick<StandingGrants, 'use' | 'end'>
  readonly runs: Runs
  readonly continuations: Continuations
  readonly recorder: Recorder
  readonly broker: Broker
  readonly catalogue: Catalogue
  readonly masker: Masker
  readonly clock: Clock
  readonly ids: Ids
  readonly log: Log
  /** Whether held calls are answered with tasks, where the client knows them: `server/discover` then says so. */
  readonly tasks?: boolean
}

/** What let a call through: a rule alone, or a rule and an approval, of this very call or of many for a while. */
interface Clearance {
  readonly decision: Decision
  readonly fingerprint: Fingerprint | null
  readonly approvalId: ApprovalId | null
  readonly grantId: GrantId | null
  readonly approvedBy: readonly string[]
  /** A standing grant passed it: nobody was asked about this call, so that it may be made again like an allowed one. */
  readonly isStanding: boolean
}

const WITHOUT_APPROVAL = {
  fingerprint: null,
  approvalId: null,
  grantId: null,
  approvedBy: [],
  isStanding: false,
} as const

/** The approval of this very call; null where there is none. */
function ownApproval({ approvalId, isStanding }: Clearance): ApprovalId | null {
  return isStanding ? null : approvalId
}

/** The approval whose one run this is; null where it is no such run. */
function approvalOfRun(clearance: Clearance): ApprovalId | null {
  return clearance.grantId === null ? null : ownApproval(clearance)
}

export interface Gate {
  /** Rejects with a GatewayError; an agent that left before its call was forwarded rejects with `AgentGone`. */
  pass(call: Call, attachment: Attachment, exchange: Exchange): Promise<Reply>
  /**
   * Forwards a message about what an approved call has begun at its upstream, a task there for instance, in the
   * approval's name. Policy is asked about the call once more: what it denies by now is not followed any further.
   */
  follow(
    message: Call,
    begunBy: { readonly call: Call; readonly approvalId: ApprovalId },
    exchange: Exchange,
  ): Promise<Reply>
}

export function createGate(options: GateOptions): Gate {
  return {
    async pass(call, attachment, exchange) {
      // What comes back for its answer may have run before the freeze: it is looked at before its fence.
      const freeze = call.rejoins === null ? freezeOf(options, call) : null
      if (freeze !== null) return frozen(options, call, freeze, call.continues?.approvalId ?? null)
      const decision = evaluate(options, call)
      switch (decision.effect) {
        case 'allow':
          return forward(options, call, exchange, { ...WITHOUT_APPROVAL, decision })
        case 'deny':
          await options.recorder.record(decided(options, call, decision), 'written')
          await options.recorder.record(stoppedOutcome(options, call, 'denied_by_policy', null), 'written')
          return stopped({ why: 'denied_by_policy', rule: decision.rule, reason: decision.reason })
        case 'require_approval':
          return call.continues === null
            ? hold(options, call, decision, attachment, exchange)
            : carryOn(options, call, decision, call.continues, exchange)
      }
    },
    follow: (message, begunBy, exchange) => follow(options, message, begunBy, exchange),
  }
}

/**
 * What an emergency stop lets through: that a client can connect, so that its first call tells the agent who stopped it
 * and whom to ask, instead of a server that seems broken; and what only ends something. Lists, resources, prompts,
 * streams and answers to a server's questions are stopped like calls: through each of them the two sides still talk.
 */
const PASSES_FROZEN: ReadonlySet<string> = new Set([
  'initialize',
  'notifications/initialized',
  'ping',
  'server/discover',
  'notifications/cancelled',
  'tasks/cancel',
  SESSION_END_METHOD,
])

function freezeOf({ freezes }: GateOptions, call: Call): Freeze | null {
  const freeze = freezes.stops(call)
  return freeze === null || PASSES_FROZEN.has(call.method) ? null : freeze
}

async function frozen(options: GateOptions, call: Call, freeze: Freeze, approvalId: ApprovalId | null): Promise<Reply> {
  await options.recorder.record(stoppedOutcome(options, call, 'refused', approvalId, 'frozen'), 'written')
  return stopped({ why: 'frozen', freeze, isBegun: call.continues !== null })
}

/** The last look, when nothing stands between the call and its upstream any more. */
function refuseFrozen(options: GateOptions, call: Call): void {
  const freeze = freezeOf(options, call)
  if (freeze !== null) throw new GatewayError('frozen', `${freezeText(freeze)} Nothing was sent to the MCP server.`)
}

function evaluate({ policy, catalogue, clock }: GateOptions, call: Call): Decision {
  return policy.evaluate({
    upstream: call.upstream,
    method: call.method,
    tool: call.tool,
    arguments: call.arguments,
    principal: call.principal,
    toolDefinition: call.tool === null ? null : catalogue.known(call.upstream, call.tool),
    now: clock.now(),
  })
}

// ---- hold

async function hold(
  options: GateOptions,
  call: Call,
  decision: Decision,
  attachment: Attachment,
  exchange: Exchange,
): Promise<Reply> {
  let isDecided = false
  const recordDecided = async () => {
    await options.recorder.record(decided(options, call, decision), 'synced')
    isDecided = true
  }
  let cleared: Reply | Clearance | null
  try {
    cleared = await passedByGrant(options, call, decision)
    if (cleared === null) {
      await recordDecided()
      cleared = await clear(options, call, decision, attachment)
    }
  } catch (error) {
    if (error instanceof GatewayError && error.code !== 'recording_failed') {
      if (!isDecided) await recordDecided()
      await options.recorder.record(stoppedOutcome(options, call, 'refused', null, error.code), 'written')
    }
    throw error
  }
  return 'kind' in cleared ? cleared : forward(options, call, exchange, cleared)
}

/**
 * Null where people must be asked. A call that comes back for an approval of its own isn't passed by another's: its one
 * run may have begun. For the same reason the store is told the fingerprint, by which it finds such an approval of a call
 * that merely is identical, and what people have denied: that is asked about anew. What the tool was listed as a moment
 * ago will do for that.
 */
async function passedByGrant(options: GateOptions, call: Call, decision: Decision): Promise<Clearance | null> {
  const { tool, upstream, rejoins } = call
  if (tool === null || rejoins !== null || !decision.approval?.acceptsGrants) return null
  const fingerprint = await fingerprintOfCall(options, call, tool, 'cached')
  const principal = { ...summarisePrincipal(call.principal), email: call.principal.vouchedEmail ?? null }
  const grant = await options.standingGrants.use({ principal, upstream, tool, rule: decision.rule }, fingerprint)
  if (grant === null) return null
  const approvedBy = grant.approvedBy.map(({ id }) => id)
  return { decision, fingerprint, approvalId: grant.approvalId, grantId: grant.id, approvedBy, isStanding: true }
}

const stopped = (stop: Stop, delivered: (() => void) | null = null): Reply => ({ kind: 'stopped', stop, delivered })

/**
 * Everything between the decision and the intent: what people said, and whether this call is the one that may run. A
 * reply where it is not.
 */
async function clear(
  options: GateOptions,
  call: Call,
  decision: Decision,
  attachment: Attachment,
): Promise<Reply | Clearance> {
  const { recorder } = options
  const terms = decision.approval
  if (terms === null || call.tool === null) {
    throw new GatewayError('internal', `Rule "${decision.rule}" asks for approval without saying from whom.`)
  }
  const fingerprint = await fingerprintOfCall(options, call, call.tool)
  const rejoined = await rejoin(options, call, fingerprint)
  // The tool was looked up meanwhile, and a freeze that came in between has ended the holds that it found.
  const early = rejoined === null ? freezeOf(options, call) : null
  if (early !== null) return frozen(options, call, early, null)
  const approval =
    rejoined ??
    (await openHold(options, call, {
      ...askFor(options, call, call.tool, decision, terms, fingerprint),
      agent: agentAtFirst(attachment.isPolling ? 'polling' : 'waiting'),
    }))
  const settled = approval.state === 'pending' ? await waitFor(options, call, approval, attachment) : approval
  switch (settled.state) {
    case 'pending':
      await recorder.record(stoppedOutcome(options, call, 'pending', settled.id), 'written')
      return { kind: 'pending', approval: settled }
    case 'approved':
      break
    default: {
      const why = WHY_STOPPED[settled.state]
      await recorder.record(stoppedOutcome(options, call, why, settled.id), 'written')
      return stopped({ why, approval: settled }, deliveryOf(options, settled.id))
    }
  }
  const fingerprintNow = await fingerprintOfCall(options, call, call.tool)
  if (await isLapsed(options, settled)) {
    await recorder.record(stoppedOutcome(options, call, 'refused', settled.id), 'written')
    return stopped({ why: 'refused', approval: settled, detail: LAPSED })
  }
  // Before the fence: a call that nobody waits for any more must not use the approval up.
  if (attachment.gone.aborted) return abandon(options, call, settled.id)
  const freeze = freezeOf(options, call)
  // What ran before the freeze has an answer, and its agent may have that.
  if (freeze !== null && (await options.grants.get(grantIdOf(settled.id)))?.state !== 'consumed') {
    return frozen(options, call, freeze, settled.id)
  }
  const refusal = await takeFence(options, call, settled, fingerprintNow)
  if (refusal === null) return useGrant(options, call, decision, settled)
  if (refusal === 'consumed')
    return replay(options, call, settled, { attachment, isHeld: approval.state === 'pending' })
  await recorder.record(stoppedOutcome(options, call, 'refused', settled.id), 'written')
  return stopped({ why: 'refused', approval: settled, detail: REFUSALS[refusal] })
}

const WHY_STOPPED = { denied: 'denied_by_reviewer', cancelled: 'cancelled', expired: 'expired' } as const

function deliveryOf({ runs }: GateOptions, id: ApprovalId): () => void {
  return () => void runs.delivered(id)
}

/** The fence is taken: from here on the run must end, whatever happens. */
async function useGrant(options: GateOptions, call: Call, decision: Decision, approval: Approval): Promise<Clearance> {
  const { id: approvalId, fingerprint } = approval
  const grantId = grantIdOf(approvalId)
  const ids = { session_id: call.sessionId, grant_id: grantId, approval_id: approvalId } as const
  const event: AuditEvent = { type: 'grant.ended', at: options.clock.now(), ...ids, state: 'consumed' }
  const approvedBy = approval.reviews.map(({ reviewer }) => reviewer.id)
  try {
    await options.recorder.record(event, 'written')
  } catch (error) {
    throw await endWithFault(options, { approvalId, callId: call.id }, error)
  }
  return { decision, fingerprint, approvalId, grantId, approvedBy, isStanding: false }
}

/** What a reviewer is asked about and what may run are one value: everything that could change what happens is in it. */
async function fingerprintOfCall(
  { catalogue, policy }: GateOptions,
  call: Call,
  tool: string,
  age: 'fresh' | 'cached' = 'fresh',
): Promise<Fingerprint> {
  return fingerprintOf({
    principal: call.principal.id,
    upstream: call.upstream,
    tool,
    arguments: call.arguments,
    inputResponses: call.otherParams,
    toolDefinition: await catalogue.definition(call.upstream, tool, age),
    policy: policy.version,
  })
}

/**
 * What a person can be asked about, in characters of canonical JSON. Nobody reads more, and every open question is
 * kept whole in Redis.
 */
export const HELD_ARGUMENTS_MAX = 512 * 1024

function askFor(
  { ids, clock, channels, catalogue }: GateOptions,
  call: Call,
  tool: string,
  decision: Decision,
  terms: ApprovalTerms,
  fingerprint: Fingerprint,
): Omit<Approval, 'agent'> {
  const requestedAt = clock.now()
  const argumentsJson = canonicalJson(call.arguments)
  const otherParamsJson = canonicalJson(call.otherParams ?? {})
  if (argumentsJson.length + otherParamsJson.length > HELD_ARGUMENTS_MAX) {
    const limit = `${HELD_ARGUMENTS_MAX} characters`
    throw new GatewayError(
      'body_too_large',
      `Rule "${decision.rule}" asks for approval of at most ${limit} of arguments.`,
    )
  }
  return {
    id: ids.next('apr') as ApprovalId,
    state: 'pending',
    version: 1,
    fingerprint,
    callId: call.id,
    sessionId: call.sessionId,
    principal: summarisePrincipal(call.principal),
    upstream: call.upstream,
    tool,
    argumentsJson,
    otherParamsJson,
    rule: decision.rule,
    reason: decision.reason,
    ...askedAt(terms, requestedAt),
    quorum: terms.quorum,
    channels: terms.channels.length === 0 ? channels : terms.channels,
    requestedAt,
    expiresAt: epochMs(requestedAt + terms.deadlineMs),
    useWithinMs: terms.useWithinMs,
    reviews: [],
    resolvedAt: null,
    cancelReason: null,
    run: null,
    access: null,
    // The fingerprint has just had it listed.
    annotations: annotationsOf(catalogue.known(call.upstream, tool)),
    statedReason: call.statedReason ?? null,
    strength: terms.strength,
    readAll: terms.readAll,
    allowForMs: tool === ALL_TOOLS ? [] : terms.allowForMs,
    allowedForMs: null,
    rooms: terms.rooms,
    reminders: { count: 0, lastAt: null },
    remarks: [],
    standing: null,
  }
}

/**
 * The approval that this very call waited for before; null where it comes for the first time, or where what was asked
 * about has changed since. Unlike opening by fingerprint, it also finds an approval that has ended: its agent must hear
 * how, instead of asking people again.
 */
async function rejoin(options: GateOptions, call: Call, fingerprint: Fingerprint): Promise<Approval | null> {
  if (call.rejoins === null) return null
  const approval = await options.approvals.get(call.rejoins)
  if (approval === null || approval.fingerprint !== fingerprint) return null
  await options.recorder.record(
    {
      type: 'approval.joined',
      at: options.clock.now(),
      session_id: call.sessionId,
      approval_id: approval.id,
      call_id: call.id,
    },
    'written',
  )
  return approval
}

/** Opens or joins. What can't be recorded must not be asked either: the question is then taken back. */
async function openHold(options: GateOptions, call: Call, asked: Approval): Promise<Approval> {
  const { holds, approvals, recorder, runs, clock, log } = options
  const { outcome, approval } = await holds.open(asked)
  const common = { at: clock.now(), session_id: call.sessionId, approval_id: approval.id, call_id: call.id } as const
  const event: AuditEvent =
    outcome === 'opened'
      ? {
          ...common,
          type: 'approval.requested',
          fingerprint: approval.fingerprint,
          principal: approval.principal,
          upstream: approval.upstream,
          tool: approval.tool,
          rule: approval.rule,
          expires_at: approval.expiresAt,
          channels: approval.channels,
          ...statedReason(options, approval),
        }
      : { ...common, type: 'approval.joined' }
  try {
    await recorder.record(event, 'written')
  } catch (error) {
    if (outcome === 'opened') {
      await approvals
        .apply(approval.id, { type: 'cancelled', reason: 'The recording failed.', at: clock.now() })
        .catch(() => log.error('could not take back an approval', { approval_id: approval.id }))
      // Its agent is told at once, and may ask anew.
      await runs.delivered(approval.id)
    }
    throw error
  }
  return approval
}

function statedReason({ masker }: GateOptions, { statedReason: reason }: Approval): { stated_reason?: string } {
  return reason === null ? {} : { stated_reason: String(masker.maskValue(reason, []).value) }
}

/** Answers the approval still pending where the agent's patience ended first. */
async function waitFor(
  options: GateOptions,
  call: Call,
  approval: Approval,
  attachment: Attachment,
): Promise<Approval> {
  await attachment.held(approval)
  const { gone, patience } = attachment
  if (patience?.aborted) return approval
  try {
    return await options.holds.wait(approval.id, patience === null ? gone : AbortSignal.any([gone, patience]))
  } catch (error) {
    if (gone.aborted) return abandon(options, call, approval.id)
    if (patience?.aborted) return approval
    throw error
  }
}

async function abandon(
  options: GateOptions,
  call: Call,
  approvalId: ApprovalId,
  { isUnderWay }: { isUnderWay: boolean } = { isUnderWay: false },
): Promise<never> {
  await options.recorder.record(stoppedOutcome(options, call, 'abandoned', approvalId), 'written')
  throw new AgentGone('the agent left while its call was held', { isUnderWay })
}

/** To follow `Approval … was given, but`. */
const LAPSED = 'by someone who may approve it no longer. Call again to ask for a new approval.'

/**
 * People are asked about at the click and once more here, because hours may lie between: whoever left, or was taken out
 * of the group, must not have the last word. What they gave is taken back, also for other calls, so that an identical
 * call asks anew.
 */
async function isLapsed(
  { grants, standingGrants, reviews, recorder, clock }: GateOptions,
  approval: Approval,
): Promise<boolean> {
  const grant = await grants.get(grantIdOf(approval.id))
  // Used already: then this call gets the answer of the one that ran, whoever may approve by now.
  if (grant?.state !== 'active') return false
  if ((await reviews.stillMay(approval)) === null) return false
  if (approval.allowedForMs !== null) {
    await standingGrants.end(standingGrantIdOf(approval.id), { state: 'revoked', by: null })
  }
  // Where an identical call was quicker, with people who still might, its answer is this one's too.
  if (!(await grants.end(grant.id, 'revoked'))) return false
  const ids = { session_id: approval.sessionId, grant_id: grant.id, approval_id: approval.id } as const
  await recorder.record({ type: 'grant.ended', at: clock.now(), ...ids, state: 'revoked' }, 'written')
  return true
}

const CHANGED_SINCE = 'the tool’s definition or the policy has changed since. Call again to ask for a new approval.'

type FenceRefusal = GrantRefusal | 'changed'

/** Null when this call, and no other, may run. */
async function takeFence(
  options: GateOptions,
  call: Call,
  approval: Approval,
  fingerprint: Fingerprint,
): Promise<FenceRefusal | null> {
  if (fingerprint !== approval.fingerprint) return 'changed'
  try {
    const fence = await options.grants.consume(grantIdOf(approval.id), { fingerprint, callId: call.id })
    return fence.ok ? null : fence.refusal
  } catch (error) {
    // It may have been taken although its answer was lost; then nobody else would ever end this run.
    throw await endWithFault(options, { approvalId: approval.id, callId: call.id }, error)
  }
}

/** To follow `Approval … was given, but`. */
const REFUSALS: Readonly<Record<Exclude<FenceRefusal, 'consumed'>, string>> = {
  changed: CHANGED_SINCE,
  expired: 'it was not used in time. Call again to ask for a new approval.',
  revoked: 'it was taken back. Do not repeat the call unchanged.',
  unknown: 'its grant is not to be found. Call again to ask for a new approval.',
}

// ---- replay

/** An identical call has had the approval: this one gets what that one was answered, and nothing runs a second time. */
async function replay(
  options: GateOptions,
  call: Call,
  approval: Approval,
  how: { readonly attachment: Attachment; readonly isHeld: boolean },
): Promise<Reply> {
  const end = await waitForRun(options, call, approval, how)
  const record = (outcome: Outcome) =>
    options.recorder.record(stoppedOutcome(options, call, outcome, approval.id), 'written')
  const delivered = deliveryOf(options, approval.id)
  switch (end.state) {
    case 'running':
      await record('pending')
      return { kind: 'pending', approval }
    case 'finished':
      await record('replayed')
      return replayed(call, approval, end, delivered)
    case 'ran':
      await record('replayed')
      return stopped({ why: 'answer_lost', approval }, delivered)
    case 'unknown':
      await record('refused')
      return stopped({ why: 'outcome_unknown', approval })
    case 'did_not_run':
      await record('refused')
      return stopped({ why: 'refused', approval, detail: DID_NOT_RUN })
    case 'gone':
      await record('refused')
      return stopped({ why: 'answer_gone', approval })
    default:
      return unreachable(end)
  }
}

const DID_NOT_RUN =
  'the gateway stopped before the call ran, as a reviewer found out. Call again to ask for a new approval.'

/** `running` where the agent's patience ended first. */
async function waitForRun(
  options: GateOptions,
  call: Call,
  approval: Approval,
  { attachment, isHeld }: { readonly attachment: Attachment; readonly isHeld: boolean },
): Promise<RunEnd | { readonly state: 'running' }> {
  const { id } = approval
  // It may have ended long ago, and then nobody need be told that it waits.
  const ended = await options.runs.get(id)
  if (ended !== null) return ended
  if (!isHeld) await attachment.held(approval)
  const { gone, patience } = attachment
  if (patience?.aborted) return { state: 'running' }
  try {
    return await options.runs.wait(id, patience === null ? gone : AbortSignal.any([gone, patience]))
  } catch (error) {
    if (gone.aborted) return abandon(options, call, id, { isUnderWay: true })
    if (patience?.aborted) return { state: 'running' }
    throw error
  }
}

function replayed(
  call: Call,
  approval: Approval,
  { answer, callId: runCallId }: Extract<RunEnd, { state: 'finished' }>,
  delivered: () => void,
): Reply {
  if (answer.kind === 'not_kept') return stopped({ why: 'answer_not_kept', approval }, delivered)
  if (call.rpcId === null) throw new GatewayError('internal', 'A message without an id was held.')
  const text = replayedAnswer({ id: call.rpcId, callId: call.id, approval, runCallId, answer })
  const status = answer.kind === 'fault' ? new GatewayError(answer.code, answer.message).httpStatus : 200
  const headers = { 'content-type': 'application/json' }
  return { kind: 'whole', status, headers, body: encoder.encode(text), delivered }
}

// ---- carry on

/**
 * The client's answer to what the upstream asked about an approved call. People approved the call, so they aren't asked
 * again; but only for that call, while its tool and the policy are what they were, and once for each question.
 */
async function carryOn(
  options: GateOptions,
  call: Call,
  decision: Decision,
  { approvalId, nonce }: Continuation,
  exchange: Exchange,
): Promise<Reply> {
  await options.recorder.record(decided(options, call, decision), 'synced')
  const approval = await options.approvals.get(approvalId)
  if (approval?.state !== 'approved' || call.tool === null) {
    await options.recorder.record(stoppedOutcome(options, call, 'refused', approvalId, 'invalid_params'), 'written')
    throw new GatewayError('invalid_params', '`params.requestState` belongs to no approval that is known any more.')
  }
  const refusal: Stop | null = !(await isWhatWasApproved(options, call, call.tool, approval))
    ? { why: 'refused', approval, detail: CHANGED_SINCE }
    : (await options.reviews.stillMay(approval)) !== null
      ? { why: 'refused', approval, detail: LAPSED }
      : (await options.continuations.take(nonce))
        ? null
        : { why: 'answered_already', approval }
  if (refusal !== null) {
    await options.recorder.record(stoppedOutcome(options, call, 'refused', approvalId), 'written')
    return stopped(refusal)
  }
  const approvedBy = approval.reviews.map(({ reviewer }) => reviewer.id)
  return forward(options, call, exchange, {
    decision,
    fingerprint: approval.fingerprint,
    approvalId,
    grantId: null,
    approvedBy,
    isStanding: false,
  })
}

/** All but the client's answers, which are what is new. */
async function isWhatWasApproved(options: GateOptions, call: Call, tool: string, approval: Approval): Promise<boolean> {
  const asked = JSON.parse(approval.otherParamsJson) as JsonObject
  const otherParams = Object.keys(asked).length === 0 ? null : asked
  return (await fingerprintOfCall(options, { ...call, otherParams }, tool)) === approval.fingerprint
}

// ---- follow

async function follow(
  options: GateOptions,
  message: Call,
  { call, approvalId }: { readonly call: Call; readonly approvalId: ApprovalId },
  exchange: Exchange,
): Promise<Reply> {
  const freeze = freezeOf(options, message)
  if (freeze !== null) {
    // What the upstream has begun can be followed again once it is thawed.
    await options.recorder.record(stoppedOutcome(options, message, 'refused', approvalId, 'frozen'), 'written')
    throw new GatewayError('frozen', `${freezeText(freeze)} The MCP server was asked nothing about its task.`)
  }
  const decision = evaluate(options, call)
  const { effect, rule, reason } = decision
  if (effect === 'deny') {
    await options.recorder.record(decided(options, message, decision), 'written')
    await options.recorder.record(stoppedOutcome(options, message, 'denied_by_policy', approvalId), 'written')
    return stopped({ why: 'denied_by_policy', rule, reason })
  }
  const approval = await options.approvals.get(approvalId)
  if (approval?.state !== 'approved') throw new GatewayError('internal', 'The approval is not known any more.')
  const { fingerprint, reviews } = approval
  const approvedBy = reviews.map(({ reviewer }) => reviewer.id)
  const clearance = { decision, fingerprint, approvalId, grantId: null, approvedBy, isStanding: false }
  return forward(options, message, exchange, clearance)
}

// ---- forward

async function forward(options: GateOptions, call: Call, exchange: Exchange, clearance: Clearance): Promise<Reply> {
  const run: Run = { options, call, clearance, startedAt: options.clock.now(), findings: new Map() }
  const isApproved = ownApproval(clearance) !== null
  const delivered = runDelivery(run)
  let lease: Lease | null = null
  let isIntended = false
  try {
    await options.recorder.record(intent(run), clearance.approvalId === null ? 'written' : 'synced')
    isIntended = true
    if (delivered !== null && !options.runs.isVouchedFor()) throw new GatewayError('store_unavailable', UNHEARD_OF)
    lease = await options.broker.lend(call.upstream)
    refuseFrozen(options, call)
    const shape = shapeOfAnswers(run)
    // What is kept, or cut down to what policy allows, is looked at whole.
    const takesPieces = !isApproved && shape === null && call.rpcId !== null
    const answer = await exchange.send(lease, { outlivesAgent: isApproved, takesPieces })
    if (answer.kind === 'pieces') return { ...answer, relay: relayPiecesOf(run, lease, answer.chunks), delivered }
    if (answer.kind === 'stream') return { ...answer, relay: relayOf(run, lease, answer.events), delivered }
    lease.release()
    const masked = maskAnswer(options.masker, answer, lease.secrets, shape)
    countFindings(run, masked.findings)
    const body = wrapState(run, masked.body)
    await recordOutcome(run, { outcome: masked.outcome, answerDigest: sha256(body), error: null })
    const { status, headers } = answer
    await endRun(run, () => keptAnswer(headers, body))
    return { kind: 'whole', status, headers, body, delivered }
  } catch (error) {
    lease?.release()
    throw isIntended ? await failed(run, error) : await endedWithFault(run, error)
  }
}

const UNHEARD_OF = 'Redis has not heard of this gateway for a while, so the call was not made.'

/** One forwarded call, from intent to outcome. */
interface Run {
  readonly options: GateOptions
  readonly call: Call
  readonly clearance: Clearance
  readonly startedAt: EpochMs
  readonly findings: Map<string, number>
}

/** A body that is too large to be held. */
function relayPiecesOf(run: Run, lease: Lease, chunks: AsyncIterable<Uint8Array>) {
  return async (write: (piece: Uint8Array) => void | Promise<void>): Promise<void> => {
    const mask = createLargeMask(run.options.masker, lease.secrets)
    let isRecorded = false
    try {
      const pieces = maskedPieces(mask, chunks, async ({ findings, outcome }, answerDigest) => {
        countFindings(run, findings)
        isRecorded = true
        await recordOutcome(run, { outcome: outcome ?? 'succeeded', answerDigest, error: null })
      })
      for await (const piece of pieces) await write(piece)
    } catch (error) {
      throw isRecorded ? error : await failed(run, error)
    } finally {
      lease.release()
    }
  }
}

/** `onAnswer` where it is the call's answer, whose outcome is then to be recorded; its last piece comes after that. */
async function relayLarge(
  run: Run,
  lease: Lease,
  event: LargeEvent,
  {
    write,
    onAnswer,
  }: { readonly write: ((event: LargeEvent) => Promise<void>) | undefined; readonly onAnswer: () => void },
): Promise<void> {
  if (write === undefined) throw new GatewayError('internal', 'A large event came to whom it was not asked for.')
  const mask = createLargeMask(run.options.masker, lease.secrets)
  const chunks = maskedPieces(mask, event.chunks, async ({ findings, outcome, id }, answerDigest) => {
    countFindings(run, findings)
    if (outcome === null || id !== run.call.rpcId) return
    onAnswer()
    await recordOutcome(run, { outcome, answerDigest, error: null })
  })
  await write({ ...maskHead(event, lease.secrets), chunks })
}

/** A stream's outcome is recorded before its last event is handed on, or when it breaks off. */
function relayOf(run: Run, lease: Lease, events: AsyncIterable<StreamEvent | LargeEvent>) {
  return async (write: WriteEvent, writeLarge?: (event: LargeEvent) => Promise<void>): Promise<void> => {
    const { call, options, clearance } = run
    const shape = shapeOfAnswers(run)
    let isRecorded = false
    let isResumable = false
    let hasLeft = false
    try {
      for await (const event of events) {
        isResumable ||= event.id !== null
        if ('chunks' in event) {
          if (isRecorded) throw new GatewayError('upstream_bad_answer', 'The MCP server went on after its answer.')
          const onAnswer = () => {
            isRecorded = true
          }
          await relayLarge(run, lease, event, { write: writeLarge, onAnswer })
          continue
        }
        const masked = maskEvent(options.masker, event, lease.secrets, shape)
        countFindings(run, masked.findings)
        let handedOn = masked.event
        const isAnswer = call.rpcId !== null && masked.answers === call.rpcId
        if (isAnswer) {
          // What follows the answer that was recorded is no answer.
          if (isRecorded) continue
          isRecorded = true
          handedOn = { ...handedOn, data: wrapStateText(run, handedOn.data) }
          await recordOutcome(run, { outcome: masked.outcome, answerDigest: sha256(handedOn.data), error: null })
          await endRun(run, () => ({ kind: 'message', json: handedOn.data }))
        }
        if (!hasLeft) hasLeft = await isLostOn(() => write(handedOn, isAnswer))
        if (hasLeft && ownApproval(clearance) === null)
          throw new AgentGone('the agent left while its answer was streaming')
        if (hasLeft && isRecorded) return
      }
      if (call.rpcId === null)
        return await recordOutcome(run, { outcome: 'succeeded', answerDigest: null, error: null })
      // MCP 2025-11-25 basic/transports, "Sending Messages": a server may end a stream whose events have ids before its
      // answer, which the client then fetches with Last-Event-ID.
      if (!isRecorded && isResumable) {
        await recordOutcome(run, { outcome: 'detached', answerDigest: null, error: null })
        await endRun(run, () => ({ kind: 'not_kept' }))
        // Whoever has the stream has what fetches its answer.
        if (!hasLeft) runDelivery(run)?.()
        return
      }
      if (!isRecorded)
        throw new GatewayError('upstream_bad_answer', 'The MCP server ended the stream without an answer.')
    } catch (error) {
      throw isRecorded ? await endedWithFault(run, error) : await failed(run, error)
    } finally {
      lease.release()
    }
  }
}

/** True where the agent has left. */
async function isLostOn(write: () => void | Promise<void>): Promise<boolean> {
  try {
    await write()
    return false
  } catch (error) {
    if (error instanceof AgentGone) return true
    throw error
  }
}

// ---- the end of an approved call's run

/** Kept before the agent has it: where we die in between, it comes back, and must not be told that it may ask again. */
async function endRun({ options, call, clearance }: Run, answer: () => KeptAnswer): Promise<void> {
  const approvalId = approvalOfRun(clearance)
  if (approvalId !== null) await options.runs.end(approvalId, call.id, answer())
}

/** Null for a call that has no run. */
function runDelivery({ options, clearance }: Run): (() => void) | null {
  const approvalId = approvalOfRun(clearance)
  return approvalId === null ? null : deliveryOf(options, approvalId)
}

function keptAnswer(headers: Readonly<Record<string, string>>, body: Uint8Array): KeptAnswer {
  const json = isJson(headers['content-type']) ? decoder.decode(body) : ''
  const isResponse = memberText(json, ['result']) !== null || memberText(json, ['error']) !== null
  return isResponse ? { kind: 'message', json } : { kind: 'not_kept' }
}

/** After the intent. Answers what is to be thrown. */
async function failed(run: Run, error: unknown): Promise<unknown> {
  // Nobody knows how it ends, and both the intent without outcome and the run without end say so.
  if (error instanceof CutOff) return error
  try {
    await recordFailure(run, error)
  } catch (cause) {
    return endedWithFault(run, cause)
  }
  return endedWithFault(run, error)
}

async function endedWithFault({ options, call, clearance }: Run, error: unknown): Promise<unknown> {
  const approvalId = approvalOfRun(clearance)
  if (approvalId === null || error instanceof CutOff) return error
  return endWithFault(options, { approvalId, callId: call.id }, error)
}

/** Of a task's call, whose agent alone can do so. */
const GIVEN_UP: KeptAnswer = {
  kind: 'fault',
  code: 'upstream_unreachable',
  message: 'The agent gave the call up while it was on its way. It may have run, wholly or in part.',
}

/** Answers what is to be thrown: the fault, with which its agent's next identical call is a new one. */
async function endWithFault(
  options: GateOptions,
  { approvalId, callId }: { approvalId: ApprovalId; callId: CallId },
  error: unknown,
): Promise<unknown> {
  if (error instanceof AgentGone) {
    await options.runs.end(approvalId, callId, GIVEN_UP)
    return error
  }
  const fault =
    error instanceof GatewayError
      ? error
      : new GatewayError('internal', `The gateway failed (${callId}).`, { cause: error })
  await options.runs.end(approvalId, callId, { kind: 'fault', code: fault.code, message: fault.message })
  return new RunFault(fault, deliveryOf(options, approvalId))
}

/**
 * Where the upstream asks about an approved call, its state goes out within ours, so that the client's next call shows
 * which approval it carries on. Whatever else it answered stays as it is.
 */
function wrapState(run: Run, body: Uint8Array): Uint8Array {
  if (ownApproval(run.clearance) === null) return body
  const text = decoder.decode(body)
  const wrapped = wrapStateText(run, text)
  return wrapped === text ? body : encoder.encode(wrapped)
}

function wrapStateText({ options, call, clearance }: Run, text: string): string {
  const approvalId = ownApproval(clearance)
  if (approvalId === null || memberText(text, ['result', 'resultType']) !== '"input_required"') return text
  const state = memberText(text, ['result', 'requestState'])
  const upstreamState: unknown = state === null ? null : JSON.parse(state)
  if (upstreamState !== null && typeof upstreamState !== 'string') {
    throw new GatewayError('upstream_bad_answer', "The MCP server's `requestState` is no string.")
  }
  const requestState = JSON.stringify(options.continuations.wrap(call, approvalId, upstreamState))
  return editMembers(text, ['result'], { requestState })
}

function shapeOfAnswers({ call, options: { policy, tasks = false } }: Run) {
  return shapeOf({ policy, tasks }, call)
}

function countFindings(run: Run, findings: readonly Finding[]): void {
  for (const { detector, count } of findings) run.findings.set(detector, (run.findings.get(detector) ?? 0) + count)
}

// ---- what is recorded

function ofCall(call: Call) {
  return {
    session_id: call.sessionId,
    call_id: call.id,
    upstream: call.upstream,
    method: call.method,
    tool: call.tool,
  } as const
}

function decided({ clock, policy }: GateOptions, call: Call, decision: Decision): AuditEvent {
  const { effect, rule } = decision
  return { type: 'call.decided', at: clock.now(), ...ofCall(call), effect, rule, policy: policy.version }
}

function intent({ options, call, clearance, startedAt }: Run): AuditEvent {
  const { decision, fingerprint, approvalId, grantId, approvedBy } = clearance
  return {
    type: 'call.intent',
    at: startedAt,
    ...ofCall(call),
    effect: decision.effect,
    rule: decision.rule,
    policy: options.policy.version,
    arguments: options.masker.maskValue(call.arguments, []).value,
    request_digest: sha256(call.bytes),
    fingerprint,
    approval_id: approvalId,
    grant_id: grantId,
    approved_by: approvedBy,
  }
}

function recordOutcome(
  { options, call, clearance, startedAt, findings }: Run,
  end: { outcome: Outcome; answerDigest: string | null; error: ErrorCode | null },
): Promise<void> {
  const at = options.clock.now()
  const event: AuditEvent = {
    type: 'call.outcome',
    at,
    ...ofCall(call),
    outcome: end.outcome,
    duration_ms: at - startedAt,
    masked: [...findings].map(([detector, count]) => ({ detector, count })),
    answer_digest: end.answerDigest,
    approval_id: clearance.approvalId,
    error: end.error,
  }
  return options.recorder.record(event, 'written')
}

/** A fault after the intent. Where even this can't be recorded, the intent without outcome tells it. */
async function recordFailure(run: Run, error: unknown): Promise<void> {
  if (error instanceof GatewayError && error.code === 'recording_failed') return
  // A client ends its listening stream by leaving; whoever waited for an answer left before it.
  const left = run.call.method === STREAM_METHOD ? 'succeeded' : 'abandoned'
  const end =
    error instanceof AgentGone
      ? ({ outcome: left, error: null } as const)
      : ({ outcome: isOurs(error) ? 'refused' : 'upstream_failed', error: codeOf(error) } as const)
  await recordOutcome(run, { ...end, answerDigest: null })
}

function codeOf(error: unknown): ErrorCode {
  return error instanceof GatewayError ? error.code : 'internal'
}

/** It never reached the upstream. */
function isOurs(error: unknown): boolean {
  return codeOf(error) === 'store_unavailable' || codeOf(error) === 'frozen'
}

/** The outcome of a call that never reached the upstream. */
function stoppedOutcome(
  { clock }: GateOptions,
  call: Call,
  outcome: Outcome,
  approvalId: ApprovalId | null,
  error: ErrorCode | null = null,
): AuditEvent {
  return {
    type: 'call.outcome',
    at: clock.now(),
    ...ofCall(call),
    outcome,
    duration_ms: 0,
    masked: [],
    answer_digest: null,
    approval_id: approvalId,
    error,
  }
}

function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex')
}
