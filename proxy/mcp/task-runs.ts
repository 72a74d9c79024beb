/**
 * Carries a task on when its approval is decided or its client has answered: the call goes through the same gate as any
 * other, with nobody attached. A task is the one way in which a call runs although its agent is away, because its answer
 * waits for the agent.
 *
 * A worker may run again after a crash, on another replica, so the task's state says what is still to be done:
 *
 *   waiting, answering   nothing was sent by it yet: it goes through the gate, whose own fence is taken once
 *   running              an earlier run sent it and never said how it ended: nobody knows, and nobody tries again
 *   anything else        is not the worker's turn
 *
 * What could not be sent because something was away is tried again until the approval may no longer be used.
 */
import type { Approval } from '../../src/approval/approval.ts'
import type { Outcome } from '../../src/audit/events.ts'
import type { CallId, IdPrefix, SessionId, TaskId } from '../../src/brands.ts'
import { epochMs } from '../../src/brands.ts'
import { GatewayError } from '../../src/errors.ts'
import type { Attachment, Call, Reply } from '../../src/gate/call.ts'
import { AgentGone, RunFault } from '../../src/gate/call.ts'
import type { Gate } from '../../src/gate/gate.ts'
import { summarisePrincipal } from '../../src/identity/principal.ts'
import type { JsonObject } from '../../src/json/value.ts'
import type { Stop } from '../../src/mcp/answers.ts'
import { faultAnswer, stopAnswer, stopText } from '../../src/mcp/answers.ts'
import type { ApprovalStore, Clock, Log, ParkedCall, ParkedCalls, Recorder, Sessions, Tasks } from '../../src/ports.ts'
import type { Task, TaskEvent } from '../../src/task/task.ts'
import { ANSWER_KEPT_MS, isOpen } from '../../src/task/task.ts'
import { callOfParked } from './parked.ts'
import type { Rounds } from './rounds.ts'
import type { TaskRoute } from './task-upstream.ts'
import { answerText, continuedCall, eventOfAnswer, exchangeOf } from './task-upstream.ts'

/** Why a card was withdrawn; people read it there. */
export const WITHDRAWN = 'Withdrawn by the agent.'
export const CANCELLED_BEFORE = 'Cancelled by the agent before the call was sent. The call was NOT executed.'
const CANCELLED_RUNNING =
  'Cancelled by the agent while the MCP server had the call. It may have run, wholly or in part.'
const LOST =
  'The gateway stopped while the MCP server had the call, so nobody knows whether it ran. ' +
  'It is not tried again; check before you repeat it.'

/** How soon after an agent's cancel the request to the upstream is broken off. */
const LOOK_MS = 1_000
const RETRY_MIN_MS = 500
const RETRY_MAX_MS = 15_000
/** An upstream that only hands out a state wants to be asked again, not hammered. */
const AGAIN_MS = 1_000
/** How long a worker tries to say how a call ended while Redis is away. */
const TELL_MAX_MS = 120_000
const TELL_EVERY_MS = 500

export interface TaskRunsOptions extends TaskRoute {
  readonly tasks: Tasks
  readonly parkedCalls: ParkedCalls
  readonly approvals: Pick<ApprovalStore, 'get'>
  readonly gate: Gate
  readonly rounds: Pick<Rounds, 'read'>
  readonly sessions: Sessions
  readonly recorder: Recorder
  readonly clock: Clock
  readonly newId: (prefix: IdPrefix) => string
  readonly log: Log
}

export type TaskStep = 'done' | { readonly againInMs: number }

export function createTaskRuns(options: TaskRunsOptions): { run(id: TaskId): Promise<TaskStep> } {
  return {
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
          return end(options, task, failure(new GatewayError('internal', LOST), options.clock.now()))
        default:
          return 'done'
      }
    },
  }
}

/** People have spoken, or the deadline has. */
async function decided(options: TaskRunsOptions, task: Task): Promise<TaskStep> {
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
  const answer = stopAnswer({ id: 0, era: 'modern', isToolCall: true, callId: task.callId, stop })
  return { type: 'completed', result: JSON.stringify(answer.result), message: stopText(stop), at }
}

// ---- through the gate

type MakeCall = (parked: ParkedCall, own: { readonly callId: CallId; readonly sessionId: SessionId }) => Call

async function pass(options: TaskRunsOptions, task: Task, make: MakeCall): Promise<TaskStep> {
  const { tasks, parkedCalls, sessions, newId, clock } = options
  const parked = await parkedCalls.get(task.callId)
  if (parked === null) {
    const fault = new GatewayError('store_unavailable', 'The parked call is lost. The call was NOT executed.')
    return end(options, task, failure(fault, clock.now()))
  }
  const sessionId = await sessions.touch(summarisePrincipal(parked.principal), parked.upstream)
  const call = make(parked, { callId: newId('call') as CallId, sessionId })
  const letGo = new AbortController()
  let isSent = false
  const exchange = exchangeOf(options, call, {
    headers: parked.headers,
    gone: letGo.signal,
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
    return isSent ? await endSent(options, task, error) : await notSent(options, task, error)
  } finally {
    clearInterval(looking)
  }
}

/** Nobody's connection: it can't leave, and it waits for nobody. */
function unattended(gone: AbortSignal): Attachment {
  return { held: () => undefined, gone, patience: AbortSignal.abort() }
}

/** While it runs: has its agent given it up? And its session must not end before it does. */
async function look(options: TaskRunsOptions, task: Task, parked: ParkedCall, letGo: AbortController): Promise<void> {
  try {
    await options.sessions.touch(summarisePrincipal(parked.principal), parked.upstream)
    const now = await options.tasks.get(task.id)
    if (now?.state.step === 'running' && now.state.isCancelAsked) letGo.abort()
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
    case 'stopped': {
      const step = await end(options, task, stopEvent(task, reply.stop, clock.now()))
      reply.delivered?.()
      return step
    }
    case 'pending':
      return askedAnew(options, { task, parked }, reply.approval)
    default: {
      const event = eventOfAnswer(await answerText(reply, call.rpcId), clock.now())
      const step = await end(options, task, event, parked)
      // Its task keeps the answer from here on.
      reply.delivered?.()
      return step
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
  const expiresAt = epochMs(decisionUntil + useWithinMs + ANSWER_KEPT_MS)
  await options.parkedCalls.park({ ...parked, approvalId }, expiresAt)
  const at = options.clock.now()
  await options.tasks.apply(task.id, { type: 'asked_anew', approvalId, rule, decisionUntil, expiresAt, at })
  // It may be decided already, and then nobody wakes us for it any more.
  return { againInMs: AGAIN_MS }
}

/** Something was away, and nothing has been sent. */
async function notSent(options: TaskRunsOptions, task: Task, error: unknown): Promise<TaskStep> {
  const now = await options.tasks.get(task.id)
  if (now === null || !isOpen(now) || error instanceof AgentGone) return 'done'
  const fault = asFault(options, task, error)
  const isAway = fault.code === 'store_unavailable' || fault.code === 'upstream_unreachable'
  const approval = await options.approvals.get(task.approvalId)
  const at = options.clock.now()
  if (isAway && approval?.state === 'approved' && approval.resolvedAt !== null) {
    const ageMs = at - approval.resolvedAt
    if (ageMs < approval.useWithinMs) {
      return { againInMs: Math.min(RETRY_MAX_MS, Math.max(RETRY_MIN_MS, ageMs / 4)) }
    }
  }
  return end(options, task, failure(fault, at))
}

async function endSent(options: TaskRunsOptions, task: Task, error: unknown): Promise<TaskStep> {
  const at = options.clock.now()
  if (error instanceof AgentGone) {
    return end(options, task, { type: 'cancelled', message: CANCELLED_RUNNING, isLetGo: true, at })
  }
  const step = await end(options, task, failure(asFault(options, task, error), at))
  if (error instanceof RunFault) error.delivered()
  return step
}

/**
 * Says what became of it. A call that has run must not be forgotten because Redis is away just then: a second run would
 * find it `running`, and say that nobody knows.
 */
async function end(options: TaskRunsOptions, task: Task, event: TaskEvent, parked?: ParkedCall): Promise<TaskStep> {
  const { tasks, parkedCalls } = options
  const outcome = await insist(() => tasks.apply(task.id, event))
  if (!outcome.ok) return 'done'
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
