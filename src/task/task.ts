/**
 * The handle that an agent gets for a held call (MCP extension io.modelcontextprotocol/tasks, specification/draft/tasks),
 * with what became of the call so far. One function applies every event; the store only compares and sets.
 *
 *            sent                    completed | failed
 *   waiting ──────► running ───────────────────────────► the end
 *                    ▲   │ asked
 *              sent  │   ▼          answered
 *              answering ◄──────── asking
 *                        │ delegated
 *   running ─────────────┴──────► chained ─ polled ─► chained, or the end
 *
 * `sent` is a fence: it is accepted once from `waiting` and once from each `answering`, so that of two workers on one
 * task only one calls the MCP server, whatever policy says by then. `cancelled` is accepted from every state but
 * `running`: nobody may say of a call that is under way that it did not run.
 */
import type { ApprovalId, CallId, EpochMs, PrincipalId, TaskId } from '../brands.ts'
import { epochMs } from '../brands.ts'
import { editMembers } from '../json/edit.ts'
import type { JsonObject, JsonValue } from '../json/value.ts'
import { isObject } from '../json/value.ts'
import { unreachable } from '../unreachable.ts'

/** What clients and servers call the extension. */
export const TASKS_EXTENSION = 'io.modelcontextprotocol/tasks'
/** So that our ids are told from those of an upstream's own tasks without asking anyone. */
export const TASK_ID_PREFIX = 'cst_'
/** How long an answer is kept for an agent that was away: as long as a person's lunch. */
export const ANSWER_KEPT_MS = 60 * 60 * 1_000
/** An upstream that asks and asks is not followed for ever. */
export const ROUNDS_MAX = 64
/** An upstream's own task id goes into a header and into Redis. */
export const UPSTREAM_TASK_ID_LENGTH_MAX = 1_024
/** An upstream may want to be polled seldom, but a day is no interval. */
const UPSTREAM_POLL_MS_MAX = 60_000
const UPSTREAM_POLL_MS_MIN = 500
const UPSTREAM_POLL_MS = 2_000

/** JSON as text: answers hold numbers that a double would round, so nobody reads and writes them again. */
export type JsonText = string

export interface Task {
  readonly id: TaskId
  /** Grows by one with every applied event; what the store compares before it sets. */
  readonly version: number
  /** Who may ask about it: nobody else, not even another client of the same principal. */
  readonly principal: PrincipalId
  readonly client: string | null
  readonly upstream: string
  readonly callId: CallId
  readonly approvalId: ApprovalId
  readonly rule: string
  readonly createdAt: EpochMs
  readonly updatedAt: EpochMs
  /** When its people may no longer decide. */
  readonly decisionUntil: EpochMs
  /** When it is forgotten. */
  readonly expiresAt: EpochMs
  /** How many answers of the client's have gone to the upstream. */
  readonly round: number
  readonly state: TaskState
}

export type TaskState =
  /** For people. Nothing was sent. */
  | { readonly step: 'waiting' }
  /** The MCP server has the call. */
  | { readonly step: 'running'; readonly isCancelAsked: boolean }
  /** The MCP server wants to know something before it goes on; `requestState` is the one that brings the call back. */
  | {
      readonly step: 'asking'
      readonly inputRequests: JsonText
      readonly inputResponses: JsonObject
      readonly requestState: string | null
    }
  /** Every answer is there; a worker takes them to the MCP server. */
  | { readonly step: 'answering'; readonly inputResponses: JsonObject; readonly requestState: string | null }
  /** The MCP server made a task of its own of it. */
  | ({ readonly step: 'chained'; readonly nextPollAt: EpochMs } & UpstreamTask)
  | { readonly step: 'completed'; readonly result: JsonText; readonly message: string | null }
  | { readonly step: 'failed'; readonly error: JsonText; readonly message: string }
  | { readonly step: 'cancelled'; readonly message: string }

/** What an upstream said of its own task. */
export interface UpstreamTask {
  readonly upstreamTaskId: string
  readonly status: 'working' | 'input_required'
  readonly message: string | null
  readonly inputRequests: JsonText | null
  readonly pollIntervalMs: number
}

export type TaskEvent =
  | { readonly type: 'sent'; readonly at: EpochMs }
  /** What was approved has changed, so people are asked anew. */
  | {
      readonly type: 'asked_anew'
      readonly approvalId: ApprovalId
      readonly rule: string
      readonly decisionUntil: EpochMs
      readonly expiresAt: EpochMs
      readonly at: EpochMs
    }
  | {
      readonly type: 'asked'
      readonly inputRequests: JsonText | null
      readonly requestState: string | null
      readonly at: EpochMs
    }
  | { readonly type: 'answered'; readonly inputResponses: JsonObject; readonly at: EpochMs }
  | { readonly type: 'delegated'; readonly task: UpstreamTask; readonly at: EpochMs }
  /** A poll of the upstream begins: until the next one is due, nobody else begins one. */
  | { readonly type: 'polling'; readonly at: EpochMs }
  | { readonly type: 'polled'; readonly task: UpstreamTask; readonly at: EpochMs }
  /** The upstream has been told something, so its answer is asked for at once. */
  | { readonly type: 'poll_soon'; readonly at: EpochMs }
  | { readonly type: 'completed'; readonly result: JsonText; readonly message: string | null; readonly at: EpochMs }
  | { readonly type: 'failed'; readonly error: JsonText; readonly message: string; readonly at: EpochMs }
  | { readonly type: 'cancel_asked'; readonly at: EpochMs }
  /** `isLetGo`: the request to the MCP server was broken off, so that it may be said of a running one, too. */
  | { readonly type: 'cancelled'; readonly message: string; readonly isLetGo: boolean; readonly at: EpochMs }

export type TaskTransition =
  | { readonly ok: true; readonly task: Task }
  /** `ended`: nothing happens to it any more. `not_now`: not in this state; also what the second of two is told. */
  | { readonly ok: false; readonly refusal: 'ended' | 'not_now'; readonly task: Task }

export function isOpen({ state }: Task): boolean {
  return state.step !== 'completed' && state.step !== 'failed' && state.step !== 'cancelled'
}

export function isOwnedBy(
  task: Task,
  who: { readonly principal: PrincipalId; readonly client: string | null; readonly upstream: string },
): boolean {
  return task.principal === who.principal && task.client === who.client && task.upstream === who.upstream
}

export function transition(task: Task, event: TaskEvent): TaskTransition {
  if (!isOpen(task)) return { ok: false, refusal: 'ended', task }
  const changed = change(task, event)
  if (changed === null) return { ok: false, refusal: 'not_now', task }
  // Whatever happens late in its life must still be read by its agent.
  const expiresAt = epochMs(Math.max(task.expiresAt, event.at + ANSWER_KEPT_MS))
  const updatedAt = event.type === 'polling' || event.type === 'poll_soon' ? task.updatedAt : event.at
  return { ok: true, task: { ...task, expiresAt, ...changed, updatedAt, version: task.version + 1 } }
}

/** Null where the event means nothing in this state. */
function change(task: Task, event: TaskEvent): Partial<Task> | null {
  const { state } = task
  switch (event.type) {
    case 'sent':
      return state.step === 'waiting' || state.step === 'answering'
        ? into({ step: 'running', isCancelAsked: false })
        : null
    case 'asked_anew': {
      const { approvalId, rule, decisionUntil, expiresAt } = event
      return state.step === 'waiting' ? { approvalId, rule, decisionUntil, expiresAt } : null
    }
    case 'asked':
      return state.step === 'running' ? asked(task, event) : null
    case 'answered':
      return state.step === 'asking' ? answered(task, state, event.inputResponses) : null
    case 'delegated':
      return state.step === 'running' ? chained(event.task, event.at) : null
    case 'polling':
      if (state.step !== 'chained' || event.at < state.nextPollAt) return null
      return into({ ...state, nextPollAt: epochMs(event.at + state.pollIntervalMs) })
    case 'polled':
      return state.step === 'chained' ? chained(event.task, event.at) : null
    case 'poll_soon':
      return state.step === 'chained' ? into({ ...state, nextPollAt: event.at }) : null
    case 'completed':
      return into({ step: 'completed', result: event.result, message: event.message })
    case 'failed':
      return into({ step: 'failed', error: event.error, message: event.message })
    case 'cancel_asked':
      return state.step === 'running' ? into({ ...state, isCancelAsked: true }) : null
    case 'cancelled':
      return state.step === 'running' && !event.isLetGo ? null : into({ step: 'cancelled', message: event.message })
    default:
      return unreachable(event)
  }
}

const into = (state: TaskState): Partial<Task> => ({ state })

/** A state alone is brought back at once, as a client would (MCP 2026-07-28 basic/patterns/mrtr, "Client Requirements"). */
function asked(task: Task, { inputRequests, requestState }: Extract<TaskEvent, { type: 'asked' }>): Partial<Task> {
  if (inputRequests === null) {
    return { round: task.round + 1, state: { step: 'answering', inputResponses: {}, requestState } }
  }
  return into({ step: 'asking', inputRequests, inputResponses: {}, requestState })
}

/** Answers to what nobody asked, or to what is answered, are ignored (tasks, "Task Update Requests"). */
function answered(task: Task, state: Extract<TaskState, { step: 'asking' }>, given: JsonObject): Partial<Task> {
  const wanted = keysOf(state.inputRequests)
  const taken = Object.entries(given).filter(
    ([key]) => wanted.includes(key) && !Object.hasOwn(state.inputResponses, key),
  )
  const inputResponses = { ...state.inputResponses, ...Object.fromEntries(taken) }
  const isWhole = wanted.every((key) => Object.hasOwn(inputResponses, key))
  if (!isWhole) return into({ ...state, inputResponses })
  return { round: task.round + 1, state: { step: 'answering', inputResponses, requestState: state.requestState } }
}

function keysOf(object: JsonText): readonly string[] {
  return Object.keys(JSON.parse(object) as JsonObject)
}

function chained(task: UpstreamTask, at: EpochMs): Partial<Task> {
  return into({ ...task, step: 'chained', nextPollAt: epochMs(at + task.pollIntervalMs) })
}

/** What an upstream asks for, within our bounds. */
export function upstreamPollMs(asked: JsonValue | undefined): number {
  if (typeof asked !== 'number' || !(asked > 0)) return UPSTREAM_POLL_MS
  return Math.min(UPSTREAM_POLL_MS_MAX, Math.max(UPSTREAM_POLL_MS_MIN, Math.ceil(asked)))
}

// ---- on the wire

/** Per request, whatever the client said before ("Capability Negotiation"). */
export function declaresTasks(params: JsonObject): boolean {
  const meta = params._meta
  const capabilities = isObject(meta) ? meta['io.modelcontextprotocol/clientCapabilities'] : undefined
  const extensions = isObject(capabilities) ? capabilities.extensions : undefined
  return isObject(extensions) && isObject(extensions[TASKS_EXTENSION])
}

type WireStatus = 'working' | 'input_required' | 'completed' | 'failed' | 'cancelled'

/** The first answer to the call: `CreateTaskResult`. */
export function createTaskResult(task: Task, now: EpochMs): JsonObject {
  return { resultType: 'task', ...headOf(task, now) }
}

/** What `tasks/get` answers: `GetTaskResult`, as text, with what the upstream answered in its own bytes. */
export function getTaskResult(task: Task, now: EpochMs): JsonText {
  const head = JSON.stringify({ resultType: 'complete', ...headOf(task, now) })
  const rest = restOf(task.state)
  return rest === null ? head : `${head.slice(0, -1)},${JSON.stringify(rest.key)}:${rest.text}}`
}

function headOf(task: Task, now: EpochMs): JsonObject {
  const { id, createdAt, updatedAt, expiresAt } = task
  const message = messageOf(task)
  return {
    taskId: id,
    status: statusOf(task.state),
    ...(message === null ? {} : { statusMessage: message }),
    createdAt: new Date(createdAt).toISOString(),
    lastUpdatedAt: new Date(updatedAt).toISOString(),
    ttlMs: expiresAt - createdAt,
    pollIntervalMs: pollIntervalMs(task, now),
  }
}

function statusOf(state: TaskState): WireStatus {
  switch (state.step) {
    case 'waiting':
    case 'running':
    case 'answering':
      return 'working'
    case 'asking':
      return 'input_required'
    case 'chained':
      return state.status
    case 'completed':
    case 'failed':
    case 'cancelled':
      return state.step
  }
}

/** Read by models and by people. */
function messageOf({ approvalId, rule, decisionUntil, state }: Task): string | null {
  switch (state.step) {
    case 'waiting':
      return (
        `Waiting for a person to approve (approval ${approvalId}, rule "${rule}", ` +
        `until ${new Date(decisionUntil).toISOString()}). The call has NOT run yet.`
      )
    case 'running':
      return state.isCancelAsked
        ? 'Approved, and the MCP server has the call. It was asked to stop; it may still run to its end.'
        : 'Approved; the MCP server is working on it.'
    case 'asking':
      return 'Approved; the MCP server asks for input before it goes on.'
    case 'answering':
      return 'Approved; the input is on its way to the MCP server.'
    case 'chained':
      return state.message ?? 'Approved; the MCP server is working on it.'
    case 'completed':
    case 'failed':
    case 'cancelled':
      return state.message
  }
}

function restOf(state: TaskState): { readonly key: string; readonly text: JsonText } | null {
  switch (state.step) {
    case 'asking':
      return { key: 'inputRequests', text: outstanding(state.inputRequests, state.inputResponses) }
    case 'chained':
      return state.status === 'input_required' ? { key: 'inputRequests', text: state.inputRequests ?? '{}' } : null
    case 'completed':
      return { key: 'result', text: state.result }
    case 'failed':
      return { key: 'error', text: state.error }
    default:
      return null
  }
}

/** Those without an answer yet. */
function outstanding(inputRequests: JsonText, inputResponses: JsonObject): JsonText {
  const answeredKeys = Object.keys(inputResponses)
  if (answeredKeys.length === 0) return inputRequests
  return editMembers(inputRequests, [], Object.fromEntries(answeredKeys.map((key) => [key, null])))
}

/** A person is seldom quicker than some seconds, and what is old is seldom decided this second. */
const POLLS = [
  { untilAgeMs: 30_000, everyMs: 2_000 },
  { untilAgeMs: 5 * 60_000, everyMs: 5_000 },
] as const
const POLL_OLD_MS = 10_000

/** Counted from the last change: what has just been approved is done soon. */
function pollIntervalMs({ state, updatedAt }: Task, now: EpochMs): number {
  const ageMs = now - updatedAt
  const everyMs = POLLS.find(({ untilAgeMs }) => ageMs < untilAgeMs)?.everyMs ?? POLL_OLD_MS
  return state.step === 'chained' ? state.pollIntervalMs : everyMs
}
