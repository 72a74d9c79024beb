/**
 * Carries a task on when its approval is decided or its client has answered: the call goes through the same gate as any
 * other, with nobody attached. A task is the one way in which a call runs although its agent is away, because its answer
 * waits for the agent.
 *
 * A worker may run again after a crash, on another replica, so the task's state says what is still to be done:
 *
 *   waiting, answering   nothing was sent by it yet: it goes through the gate, whose own fence is taken once
 *   running              an earlier run sent it and never said here how it ended: where its answer was kept, that is it;
 *                        else nobody knows, and nobody tries again
 *   anything else        is not the worker's turn
 *
 * What could not be sent because something was away is tried again until the approval may no longer be used.
 */
import type { Approval } from '../../src/approval/approval.ts'
import type { Outcome } from '../../src/audit/events.ts'
import type { CallId, IdPrefix, SessionId, TaskId } from '../../src/brands.ts'
import { epochMs } from '../../src/brands.ts'
import type { ErrorCode } from '../../src/errors.ts'
import { GatewayError } from '../../src/errors.ts'
import type { Attachment, Call, Reply } from '../../src/gate/call.ts'
import { AgentGone, CutOff, RunFault } from '../../src/gate/call.ts'
import type { Gate } from '../../src/gate/gate.ts'
import { summarisePrincipal } from '../../src/identity/principal.ts'
import type { JsonObject } from '../../src/json/value.ts'
import type { Stop } from '../../src/mcp/answers.ts'
import { faultAnswer, stopAnswer, stopText } from '../../src/mcp/answers.ts'
import type {
  ApprovalStore,
  Clock,
  Log,
  ParkedCall,
  ParkedCalls,
  Recorder,
  Runs,
  Sessions,
  Tasks,
} from '../../src/ports.ts'
import type { Task, TaskEvent } from '../../src/task/task.ts'
import { ANSWER_KEPT_MS, isOpen } from '../../src/task/task.ts'
import { unreachable } from '../../src/unreachable.ts'
import type { Endings } from './endings.ts'
import { createEndings } from './endings.ts'
import { callOfParked } from './parked.ts'
import type { Rounds } from './rounds.ts'
import type { TaskRoute } from './task-upstream.ts'
import { answerText, continuedCall, eventOfAnswer, exchangeOf, toldInstead } from './task-upstream.ts'

/** Why a card was withdrawn; people read it there. */
export const WITHDRAWN = 'Withdrawn by the agent.'
export const CANCELLED_BEFORE = 'Cancelled by the agent before the call was sent. The call was NOT executed.'
const CANCELLED_RUNNING =
  'Cancelled by the agent while the MCP server had the call. It may have run, wholly or in part.'
const LOST =
  'The gateway stopped while the MCP server had the call, so nobody knows whether it ran. ' +
  'It is not tried again; check before you repeat it.'
const RAN =
  'The call ran, as a reviewer found out, but its answer is lost: the gateway stopped while the MCP server had it.'
const DID_NOT_RUN =
  'The gateway stopped before the call ran, as a reviewer found out. Call again to ask for a new approval.'
const ANOTHERS =
  'An identical call has used the approval, and its MCP server has not done with that one. Follow that call instead.'
const NOT_KEPT = 'The call ran, but its answer was too large to keep, or no JSON-RPC message.'

/** How soon after an agent's cancel the request to the upstream is broken off. */
const LOOK_MS = 1_000
const RETRY_MIN_MS = 500
const RETRY_MAX_MS = 15_000
/** How often a worker asks for a run whose replica fell silent, until somebody has said that it is lost. */
const ASK_AGAIN_MS = 2_000
/** An upstream that only hands out a state wants to be asked again, not hammered. */
const AGAIN_MS = 1_000
/** How long a worker tries to say how a call ended while Redis is away. */
const TELL_MAX_MS = 120_000
const TELL_EVERY_MS = 500

export interface TaskRunsOptions extends TaskRoute {
  readonly tasks: Tasks
  readonly parkedCalls: ParkedCalls
  readonly approvals: Pick<ApprovalStore, 'get'>
  readonly runs: Pick<Runs, 'get' | 'delivered'>
  readonly gate: Gate
  readonly rounds: Pick<Rounds, 'read'>
  readonly sessions: Sessions
  readonly recorder: Recorder
  readonly clock: Clock
  readonly newId: (prefix: IdPrefix) => string
  readonly log: Log
}

interface Parts extends TaskRunsOptions {
  readonly endings: Endings
}

export type TaskStep = 'done' | { readonly againInMs: number }

export interface TaskRuns {
  run(id: TaskId): Promise<TaskStep>
  /** This process ends: what the MCP servers still have is given up, and nobody knows how it ends. */
  cutOff(): void
}

export function createTaskRuns(served: TaskRunsOptions): TaskRuns {
  const stopping = new AbortController()
  const options: Parts = { ...served, endings: createEndings(stopping.signal) }
  return {
    cutOff: () => stopping.abort(new CutOff('the gateway stops and can wait no longer')),
    async run(id) {
      const task = await options.tasks.get(id)
      if (task === null) return 'done'
      switch (task.state.step) {
        case 'waiting':
          return decided(options, task)
        case 'answering':
          return pass(options, task, (parked, own) =>
            continuedCall(parked, task.state as Extract<Task['state'], { step: 'answering' }>, {
              own,
              rounds: options.rounds,
            }),
          )
        case 'running':
          return leftBehind(options, task)
        default:
          return 'done'
      }
    },
  }
}

/** An earlier run died, or lost its lock, after it sent the call. */
async function leftBehind(options: TaskRunsOptions, task: Task): Promise<TaskStep> {
  const at = options.clock.now()
  const lost = (why: string) => end(options, task, failure(new GatewayError('internal', why), at))
  // The run that is known there is the approved call's first message to its server; later ones leave no trace but ours.
  if (task.round > 0) return lost(LOST)
  const run = await options.runs.get(task.approvalId)
  if (run === null) return { againInMs: ASK_AGAIN_MS }
  if (run.state === 'gone' || run.callId !== task.callId) return lost(LOST)
  switch (run.state) {
    case 'unknown':
      return lost(LOST)
    case 'ran':
      return lost(RAN)
    case 'did_not_run':
      return lost(DID_NOT_RUN)
    case 'finished': {
      const { answer } = run
      if (answer.kind === 'not_kept') return end(options, task, toldInstead(NOT_KEPT, at))
      if (answer.kind === 'fault') return end(options, task, failure(new GatewayError(answer.code, answer.message), at))
      const parked = await options.parkedCalls.get(task.callId)
      return end(options, task, eventOfAnswer(answer.json, at), parked ?? undefined)
    }
    default:
      return unreachable(run)
  }
}

/** People have spoken, or the deadline has. */
async function decided(options: Parts, task: Task): Promise<TaskStep> {
  const approval = await options.approvals.get(task.approvalId)
  if (approval === null) {
    const fault = new GatewayError('store_unavailable', 'The approval is lost. The call was NOT executed.')
    return end(options, task, failure(fault, options.clock.now()))
  }
  switch (approval.state) {
    case 'pending':
      return 'done'
    case 'approved':
      return pass(options, task, (parked) => callOfParked(parked))
    case 'denied':
      return stopped(options, task, { why: 'denied_by_reviewer', approval })
    case 'expired':
      return stopped(options, task, { why: 'expired', approval })
    case 'cancelled': {
      if (approval.cancelReason !== WITHDRAWN) return stopped(options, task, { why: 'cancelled', approval })
      const at = options.clock.now()
      return end(options, task, { type: 'cancelled', message: CANCELLED_BEFORE, isLetGo: false, at })
    }
  }
}

/** Without the gate, because nothing may run: so it is recorded here how the call ended. */
async function stopped(
  options: TaskRunsOptions,
  task: Task,
  stop: Extract<Stop, { why: 'denied_by_reviewer' | 'expired' | 'cancelled' }>,
): Promise<TaskStep> {
  const { approval } = stop
  await options.recorder.record(
    {
      type: 'call.outcome',
      at: options.clock.now(),
      session_id: approval.sessionId,
      call_id: task.callId,
      upstream: task.upstream,
      method: 'tools/call',
      tool: approval.tool,
      outcome: stop.why satisfies Outcome,
      duration_ms: 0,
      masked: [],
      answer_digest: null,
      approval_id: approval.id,
      error: null,
    },
    'written',
  )
  return end(options, task, stopEvent(task, stop, options.clock.now()))
}

function stopEvent(task: Task, stop: Stop, at: TaskEvent['at']): TaskEvent {
  if (stop.why === 'outcome_unknown') return failure(new GatewayError('internal', stopText(stop)), at)
  const answer = stopAnswer({ id: 0, era: 'modern', isToolCall: true, callId: task.callId, stop })
  return { type: 'completed', result: JSON.stringify(answer.result), message: stopText(stop), at }
}

// ---- through the gate

type MakeCall = (parked: ParkedCall, own: { readonly callId: CallId; readonly sessionId: SessionId }) => Call

async function pass(options: Parts, task: Task, make: MakeCall): Promise<TaskStep> {
  const { tasks, parkedCalls, sessions, newId, clock } = options
  const parked = await parkedCalls.get(task.callId)
  if (parked === null) {
    const fault = new GatewayError('store_unavailable', 'The parked call is lost. The call was NOT executed.')
    return end(options, task, failure(fault, clock.now()))
  }
  const sessionId = await sessions.touch(summarisePrincipal(parked.principal), parked.upstream)
  const call = make(parked, { callId: newId('call') as CallId, sessionId })
  const letGo = new AbortController()
  const cutOff = options.endings()
  letGo.signal.addEventListener('abort', () => cutOff.abort(letGo.signal.reason), { once: true })
  let isSent = false
  const exchange = exchangeOf(options, call, {
    headers: parked.headers,
    gone: letGo.signal,
    cutOff: cutOff.signal,
    before: async () => {
      const sent = await tasks.apply(task.id, { type: 'sent', at: clock.now() })
      if (!sent.ok) throw new AgentGone('the task was cancelled, or another worker has it')
      isSent = true
    },
  })
  const looking = setInterval(() => void look(options, task, parked, letGo), LOOK_MS)
  try {
    const reply = await options.gate.pass(call, unattended(letGo.signal), exchange)
    return await settle(options, { task, parked, call }, reply)
  } catch (error) {
    // Whoever takes the job over finds what became of it.
    if (error instanceof CutOff) return { againInMs: ASK_AGAIN_MS }
    return isSent ? await endSent(options, task, error) : await notSent(options, task, error)
  } finally {
    cutOff.release()
    clearInterval(looking)
  }
}

/** Nobody's connection: it can't leave, and it waits for nobody. */
function unattended(gone: AbortSignal): Attachment {
  return { held: () => undefined, gone, patience: AbortSignal.abort(), isPolling: true }
}

/** While it runs: has its agent given it up? And its session must not end before it does. */
async function look(options: TaskRunsOptions, task: Task, parked: ParkedCall, letGo: AbortController): Promise<void> {
  try {
    await options.sessions.touch(summarisePrincipal(parked.principal), parked.upstream)
    const now = await options.tasks.get(task.id)
    if (now?.state.step === 'running' && now.state.isCancelAsked) letGo.abort(new AgentGone('the task was cancelled'))
  } catch {
    // Redis is away: the next look comes.
  }
}

interface Passed {
  readonly task: Task
  readonly parked: ParkedCall
  readonly call: Call
}

async function settle(options: TaskRunsOptions, { task, parked, call }: Passed, reply: Reply): Promise<TaskStep> {
  const { clock } = options
  switch (reply.kind) {
    case 'stopped':
      return end(options, task, stopEvent(task, reply.stop, clock.now()))
    case 'pending':
      return askedAnew(options, { task, parked }, reply.approval)
    default: {
      const event = eventOfAnswer(await answerText(reply, call.rpcId), clock.now())
      // Delivered is what the agent has read of its task: one that lost the handle, and calls again, gets this answer.
      return end(options, task, event, parked)
    }
  }
}

/** What people were asked about is no longer what would run, so the gate has asked them about what would. */
async function askedAnew(
  options: TaskRunsOptions,
  { task, parked }: Pick<Passed, 'task' | 'parked'>,
  approval: Approval,
): Promise<TaskStep> {
  const { id: approvalId, rule, expiresAt: decisionUntil, useWithinMs } = approval
  // An identical call has used the approval, and is under way: its answer is this one's, too.
  if (approval.state === 'approved') return { againInMs: backOffMs(options, approval) }
  const expiresAt = epochMs(decisionUntil + useWithinMs + ANSWER_KEPT_MS)
  await options.parkedCalls.park({ ...parked, approvalId }, expiresAt)
  const at = options.clock.now()
  await options.tasks.apply(task.id, { type: 'asked_anew', approvalId, rule, decisionUntil, expiresAt, at })
  // It may be decided already, and then nobody wakes us for it any more.
  return { againInMs: AGAIN_MS }
}

const AWAY: ReadonlySet<ErrorCode> = new Set(['store_unavailable', 'upstream_unreachable', 'directory_unavailable'])

/** Something was away, and nothing has been sent. */
async function notSent(options: TaskRunsOptions, task: Task, error: unknown): Promise<TaskStep> {
  const now = await options.tasks.get(task.id)
  if (now === null || !isOpen(now) || error instanceof AgentGone) return 'done'
  const fault = asFault(options, task, error)
  const isAway = AWAY.has(fault.code)
  const approval = await options.approvals.get(task.approvalId)
  const at = options.clock.now()
  // A fault after the fence has used the approval up.
  const mayStill = isAway && !(error instanceof RunFault)
  if (mayStill && approval?.state === 'approved' && approval.resolvedAt !== null) {
    if (at - approval.resolvedAt < approval.useWithinMs) return { againInMs: backOffMs(options, approval) }
  }
  return end(options, task, failure(fault, at))
}

function backOffMs({ clock }: TaskRunsOptions, { resolvedAt }: Approval): number {
  const ageMs = clock.now() - (resolvedAt ?? 0)
  return Math.min(RETRY_MAX_MS, Math.max(RETRY_MIN_MS, ageMs / 4))
}

async function endSent(options: TaskRunsOptions, task: Task, error: unknown): Promise<TaskStep> {
  const at = options.clock.now()
  if (error instanceof AgentGone) {
    return end(options, task, { type: 'cancelled', message: CANCELLED_RUNNING, isLetGo: true, at })
  }
  return end(options, task, failure(asFault(options, task, error), at))
}

/**
 * Says what became of it. A call that has run must not be forgotten because Redis is away just then: a second run would
 * find it `running`, and say that nobody knows.
 */
async function end(options: TaskRunsOptions, task: Task, event: TaskEvent, parked?: ParkedCall): Promise<TaskStep> {
  const { tasks, parkedCalls } = options
  const outcome = await insist(() => tasks.apply(task.id, event))
  if (!outcome.ok) {
    // What an identical call was answered, and what it alone can be carried on with.
    const isAnothers = outcome.refusal === 'not_now' && (event.type === 'asked' || event.type === 'delegated')
    return isAnothers ? end(options, task, failure(new GatewayError('internal', ANOTHERS), event.at)) : 'done'
  }
  if (!isOpen(outcome.task)) {
    await parkedCalls.forget(task.callId).catch(() => undefined)
    return 'done'
  }
  // It has longer to live now, and so has its call.
  if (parked !== undefined) await insist(() => parkedCalls.park(parked, outcome.task.expiresAt))
  if (outcome.task.state.step === 'answering') await insist(() => tasks.wake(outcome.task, AGAIN_MS))
  return 'done'
}

async function insist<T>(action: () => Promise<T>): Promise<T> {
  for (const until = performance.now() + TELL_MAX_MS; ; ) {
    try {
      return await action()
    } catch (error) {
      const isAway = error instanceof GatewayError && error.code === 'store_unavailable'
      if (!isAway || performance.now() > until) throw error
      await new Promise((resolve) => setTimeout(resolve, TELL_EVERY_MS))
    }
  }
}

function failure(fault: GatewayError, at: TaskEvent['at']): TaskEvent {
  const { error } = faultAnswer(fault, null, null) as { error: JsonObject }
  return { type: 'failed', error: JSON.stringify(error), message: fault.message, at }
}

function asFault({ log }: TaskRunsOptions, task: Task, error: unknown): GatewayError {
  if (error instanceof GatewayError) return error
  log.error('an unexpected fault', { task_id: task.id, error: error instanceof Error ? error.stack : String(error) })
  return new GatewayError('internal', `The gateway failed (${task.callId}).`)
}
