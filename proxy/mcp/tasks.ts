/**
 * The agent's side of the tasks extension (io.modelcontextprotocol/tasks, specification/draft/tasks): makes the handle of
 * a held call, and answers `tasks/get`, `tasks/update` and `tasks/cancel` about it on any replica.
 *
 * Policy is not asked about these three: they tell a client what became of its own call, and nothing else. Whose task it
 * is decides, and whoever it isn't for is told what someone is told who made the id up. Looks are not recorded, or a
 * client that polls every two seconds would bury its call; what people, upstreams and cancellations do is.
 *
 * An id that isn't ours belongs to a task of the upstream's own. It goes the way of every other message.
 */
import type { Approval } from '../../src/approval/approval.ts'
import type { CallId, TaskId } from '../../src/brands.ts'
import { epochMs } from '../../src/brands.ts'
import { GatewayError } from '../../src/errors.ts'
import type { Call, Reply } from '../../src/gate/call.ts'
import type { Principal } from '../../src/identity/principal.ts'
import { summarisePrincipal } from '../../src/identity/principal.ts'
import type { JsonObject, JsonValue } from '../../src/json/value.ts'
import { isObject } from '../../src/json/value.ts'
import { faultAnswer } from '../../src/mcp/answers.ts'
import type { RpcId } from '../../src/mcp/message.ts'
import type { ApprovalStore, HeldConnections, ParkedCall } from '../../src/ports.ts'
import { recordCancelled } from '../../src/review/review.ts'
import type { JsonText, Task, TaskEvent } from '../../src/task/task.ts'
import {
  ANSWER_KEPT_MS,
  createTaskResult,
  declaresTasks,
  getTaskResult,
  isOpen,
  isOwnedBy,
  TASK_ID_PREFIX,
  TASKS_EXTENSION,
} from '../../src/task/task.ts'
import { callOfParked, parkedCallOf } from './parked.ts'
import type { TaskRunsOptions } from './task-runs.ts'
import { CANCELLED_BEFORE, WITHDRAWN } from './task-runs.ts'
import type { TaskMethod } from './task-upstream.ts'
import { answerText, eventOfUpstreamTask, exchangeOf, upstreamTaskMessage } from './task-upstream.ts'

export interface TaskDeskOptions extends Omit<TaskRunsOptions, 'approvals'> {
  readonly approvals: Pick<ApprovalStore, 'get' | 'apply' | 'reviewRecorded'>
  readonly connections: Pick<HeldConnections, 'countFor'>
}

/** A request about a task of ours. */
export interface TaskRequest {
  readonly id: RpcId
  readonly callId: CallId
  readonly method: TaskMethod
  readonly params: JsonObject
  readonly principal: Principal
  readonly upstream: string
}

export interface TaskDesk {
  /** The durable handle of a held call: the result to answer it with. Rejects with `store_unavailable`; then there is none. */
  create(held: {
    readonly call: Call
    readonly approval: Approval
    readonly headers: ParkedCall['headers']
    readonly client: string | null
  }): Promise<JsonObject>
  /** The answer's status and its JSON. Rejects with a GatewayError. */
  answer(request: TaskRequest): Promise<{ readonly status: number; readonly body: JsonText }>
}

const METHODS: ReadonlySet<string> = new Set<TaskMethod>(['tasks/get', 'tasks/update', 'tasks/cancel'])

/** Null unless it is about a task of ours, whoever asks. */
export function aboutTask(method: string, params: JsonValue): Pick<TaskRequest, 'method' | 'params'> | null {
  if (!METHODS.has(method) || !isObject(params)) return null
  const { taskId } = params
  if (typeof taskId !== 'string' || !taskId.startsWith(TASK_ID_PREFIX)) return null
  return { method: method as TaskMethod, params }
}

export function createTaskDesk(options: TaskDeskOptions): TaskDesk {
  return {
    create: (held) => create(options, held),
    async answer(request) {
      if (!declaresTasks(request.params)) return undeclared(request)
      const task = await find(options, request)
      const result = await act(options, request, task)
      return { status: 200, body: `{"jsonrpc":"2.0","id":${JSON.stringify(request.id)},"result":${result}}` }
    },
  }
}

async function create(options: TaskDeskOptions, held: Parameters<TaskDesk['create']>[0]): Promise<JsonObject> {
  const { tasks, parkedCalls, approvals, clock, newId } = options
  const { call, approval, headers, client } = held
  const now = clock.now()
  const expiresAt = epochMs(approval.expiresAt + approval.useWithinMs + ANSWER_KEPT_MS)
  const asked: Task = {
    id: newId('cst') as TaskId,
    version: 1,
    principal: call.principal.id,
    client: call.principal.client,
    upstream: call.upstream,
    callId: call.id,
    approvalId: approval.id,
    rule: approval.rule,
    createdAt: now,
    updatedAt: now,
    decisionUntil: approval.expiresAt,
    expiresAt,
    round: 0,
    state: { step: 'waiting' },
  }
  // The call first: a task without it could never run.
  await parkedCalls.park(parkedCallOf({ call, approvalId: approval.id, headers, client }), expiresAt)
  const task = await tasks.create(asked)
  if (task.id !== asked.id) await parkedCalls.forget(call.id).catch(() => undefined)
  // Whoever decided meanwhile found no task to wake.
  else if ((await approvals.get(approval.id))?.state !== 'pending') await tasks.wake(task)
  return createTaskResult(task, now)
}

// ---- the three methods

/** MCP 2026-07-28 schema, "MissingRequiredClientCapabilityError"; tasks, "Protocol Errors". */
function undeclared({ id, callId }: TaskRequest): { readonly status: number; readonly body: JsonText } {
  const fault = new GatewayError('missing_capability', `The request does not declare the extension ${TASKS_EXTENSION}.`)
  const answer = faultAnswer(fault, id, callId) as { error: { data: JsonObject } }
  answer.error.data.requiredCapabilities = { extensions: { [TASKS_EXTENSION]: {} } }
  return { status: fault.httpStatus, body: JSON.stringify(answer) }
}

async function find({ tasks }: TaskDeskOptions, request: TaskRequest): Promise<Task> {
  const { params, principal, upstream } = request
  const task = await tasks.get(params.taskId as TaskId)
  if (task !== null && isOwnedBy(task, { principal: principal.id, client: principal.client, upstream })) return task
  throw unknownTask()
}

function unknownTask(): GatewayError {
  return new GatewayError('unknown_task', 'There is no such task, or it has been forgotten.')
}

const ACKNOWLEDGED = '{"resultType":"complete"}'

async function act(options: TaskDeskOptions, request: TaskRequest, task: Task): Promise<JsonText> {
  switch (request.method) {
    case 'tasks/get': {
      const now = options.clock.now()
      const shown = isPollDue(task, now) ? await polled(options, task) : task
      // Its agent has the answer: from now on an identical call is a new call.
      if (!isOpen(shown)) await options.runs.delivered(shown.approvalId)
      return getTaskResult(shown, now)
    }
    case 'tasks/update':
      await update(options, request, task)
      return ACKNOWLEDGED
    case 'tasks/cancel':
      await cancel(options, task)
      return ACKNOWLEDGED
  }
}

async function update(options: TaskDeskOptions, { params }: TaskRequest, task: Task): Promise<void> {
  const { tasks, clock } = options
  const { inputResponses } = params
  if (!isObject(inputResponses)) throw new GatewayError('invalid_params', '`params.inputResponses` must be an object.')
  if (task.state.step === 'chained') {
    await tellUpstream(options, task, { method: 'tasks/update', more: { inputResponses } })
    return
  }
  const outcome = await tasks.apply(task.id, { type: 'answered', inputResponses, at: clock.now() })
  // Where nothing is asked, answers are ignored.
  if (outcome.ok && outcome.task.state.step === 'answering') await tasks.wake(outcome.task)
}

/** A cancel may race with the decision, and with the worker that then sends the call. */
const CANCELS_MAX = 4

async function cancel(options: TaskDeskOptions, found: Task): Promise<void> {
  let task = found
  for (let attempt = 0; attempt < CANCELS_MAX; attempt++) {
    if (task.state.step === 'chained') return tellUpstream(options, task, { method: 'tasks/cancel', more: {} })
    if (task.state.step === 'waiting') await withdraw(options, task)
    const outcome = await options.tasks.apply(task.id, cancelling(task, options.clock.now()))
    if (outcome.ok || outcome.refusal === 'unknown' || outcome.refusal === 'ended') return
    task = outcome.task
  }
}

function cancelling({ state }: Task, at: TaskEvent['at']): TaskEvent {
  if (state.step === 'running') return { type: 'cancel_asked', at }
  const message =
    state.step === 'waiting'
      ? CANCELLED_BEFORE
      : 'Cancelled by the agent. The MCP server had begun with the call and waited for input, which it never gets.'
  return { type: 'cancelled', message, isLetGo: false, at }
}

/** Takes the question back, unless another client waits for the same people, by a task or on a connection. */
async function withdraw(options: TaskDeskOptions, task: Task): Promise<void> {
  const { tasks, connections, approvals, runs, recorder, clock } = options
  const waiting = await Promise.all([tasks.countFor(task.approvalId), connections.countFor(task.approvalId)])
  if (waiting[0] > 1 || waiting[1] > 0) return
  const at = clock.now()
  const applied = await approvals.apply(task.approvalId, { type: 'cancelled', reason: WITHDRAWN, at })
  if (!applied.ok) return
  await recordCancelled(recorder, applied.approval, at)
  await approvals.reviewRecorded(applied.approval).catch(() => undefined)
  // Nobody need tell its agent, which may ask anew.
  await runs.delivered(applied.approval.id)
}

// ---- the upstream's own task behind ours

function isPollDue({ state }: Task, now: Task['createdAt']): boolean {
  return state.step === 'chained' && now >= state.nextPollAt
}

/** The task as its upstream sees it now. An upstream that can't be reached changes nothing: the next look comes. */
async function polled(options: TaskDeskOptions, task: Task): Promise<Task> {
  const { tasks, clock, log } = options
  const begun = await tasks.apply(task.id, { type: 'polling', at: clock.now() })
  if (begun.ok === false) return begun.refusal === 'unknown' ? task : begun.task
  const { state } = begun.task
  if (state.step !== 'chained') return begun.task
  try {
    const { reply, rpcId } = await follow(options, begun.task, { method: 'tasks/get', more: {} })
    const event =
      reply.kind === 'stopped'
        ? notFollowed(clock.now())
        : eventOfUpstreamTask(await answerOf(reply, rpcId), state, clock.now())
    const outcome = await tasks.apply(task.id, event)
    return outcome.ok || outcome.refusal !== 'unknown' ? outcome.task : begun.task
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code === 'store_unavailable') throw error
    log.warn('a task of an upstream could not be looked at', { task_id: task.id, code: error.code })
    return begun.task
  }
}

function notFollowed(at: TaskEvent['at']): TaskEvent {
  const message =
    'The MCP server has the call and may run it to its end, but policy lets its task be followed no longer.'
  const fault = new GatewayError('denied_by_policy', message)
  return { type: 'failed', error: JSON.stringify(faultAnswer(fault, null, null).error), message, at }
}

/** What the upstream answers to an update or a cancel is the client's to know, where it is a refusal. */
async function tellUpstream(
  options: TaskDeskOptions,
  task: Task,
  message: { readonly method: TaskMethod; readonly more: JsonObject },
): Promise<void> {
  const { reply, rpcId } = await follow(options, task, message)
  if (reply.kind === 'stopped') {
    throw new GatewayError('denied_by_policy', 'The MCP server was told nothing: policy denies the task’s call by now.')
  }
  const { error } = JSON.parse(await answerOf(reply, rpcId)) as { error?: { message?: unknown } }
  if (error !== undefined) {
    throw new GatewayError('invalid_params', `The MCP server refused it: ${String(error.message ?? 'no reason given')}`)
  }
  await options.tasks.apply(task.id, { type: 'poll_soon', at: options.clock.now() })
}

async function follow(
  options: TaskDeskOptions,
  task: Task,
  { method, more }: { readonly method: TaskMethod; readonly more: JsonObject },
): Promise<{ readonly reply: Reply; readonly rpcId: RpcId | null }> {
  const { parkedCalls, sessions, gate, newId } = options
  const parked = await parkedCalls.get(task.callId)
  if (parked === null || task.state.step !== 'chained') throw unknownTask()
  const sessionId = await sessions.touch(summarisePrincipal(parked.principal), parked.upstream)
  const own = { callId: newId('call') as CallId, sessionId }
  const { message, headers } = upstreamTaskMessage(parked, { method, taskId: task.state.upstreamTaskId, more }, own)
  const gone = AbortSignal.timeout(UPSTREAM_ANSWER_MAX_MS)
  const begunBy = { call: callOfParked(parked), approvalId: task.approvalId }
  const reply = await gate.follow(message, begunBy, exchangeOf(options, message, { headers, gone }))
  return { reply, rpcId: message.rpcId }
}

/** The agent's own request waits for it. */
const UPSTREAM_ANSWER_MAX_MS = 20_000

function answerOf(reply: Reply, rpcId: RpcId | null): Promise<JsonText> {
  if (reply.kind === 'whole' || reply.kind === 'stream') return answerText(reply, rpcId)
  throw new GatewayError('internal', 'A message that follows a call was held.')
}
