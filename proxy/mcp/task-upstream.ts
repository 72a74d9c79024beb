/**
 * The upstream's side of a task: what is sent there without anyone's connection, and what its answer means. Everything
 * goes through the gate; this only writes the messages and reads the masked answers.
 */
import { Socket } from 'node:net'
import type { CallId, SessionId } from '../../src/brands.ts'
import { GatewayError } from '../../src/errors.ts'
import type { Call, Exchange, Reply } from '../../src/gate/call.ts'
import { editMembers, memberText } from '../../src/json/edit.ts'
import type { JsonObject, JsonValue } from '../../src/json/value.ts'
import { isObject } from '../../src/json/value.ts'
import { encodeHeader } from '../../src/mcp/headers.ts'
import type { RpcId } from '../../src/mcp/message.ts'
import { parseToolCall } from '../../src/mcp/message.ts'
import type { ParkedCall } from '../../src/ports.ts'
import type { JsonText, TaskEvent, UpstreamTask } from '../../src/task/task.ts'
import { UPSTREAM_TASK_ID_LENGTH_MAX, upstreamPollMs } from '../../src/task/task.ts'
import type { UpstreamTarget } from '../forward/exchange-for.ts'
import { exchangeFor } from '../forward/exchange-for.ts'
import type { Sender } from '../forward/http-proxy.ts'
import { callOfParked } from './parked.ts'
import type { Rounds } from './rounds.ts'

/** Kept in Redis until its agent asks for it. */
export const TASK_ANSWER_BYTES_MAX = 4 * 1024 * 1024

/** http-proxy looks at the agent's socket to tell whose reset a reset was; a task has none, and this one never resets. */
const NOBODY = new Socket()

export interface TaskRoute {
  readonly sender: Sender
  readonly targets: ReadonlyMap<string, UpstreamTarget>
}

/** Sends the call's bytes with the parked headers; `before` is the last word on whether it may. */
export function exchangeOf(
  { sender, targets }: TaskRoute,
  call: Call,
  options: {
    readonly headers: ParkedCall['headers']
    readonly gone: AbortSignal
    /** Ends an approved call for the error that is its reason. Left out: `gone` ends it. */
    readonly cutOff?: AbortSignal
    before?(): Promise<void>
  },
): Exchange {
  const { headers, gone, cutOff, before } = options
  const target = targets.get(call.upstream)
  if (target === undefined) throw new GatewayError('unknown_upstream', `There is no upstream "${call.upstream}".`)
  const exchange = exchangeFor(target, {
    sender,
    principal: call.principal.id,
    method: 'POST',
    incoming: headers,
    mcpHeaders: mcpHeadersOf(headers),
    body: call.bytes,
    gone,
    cutOff: cutOff === undefined ? null : () => cutOff,
    socket: NOBODY,
  })
  return {
    async send(lease, how) {
      await before?.()
      // Kept whole for its agent, also where policy has come to allow the call.
      return exchange.send(lease, how && { ...how, takesPieces: false })
    },
  }
}

function mcpHeadersOf(headers: ParkedCall['headers']): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith('mcp-')))
}

// ---- messages

/** What every later message of a task has of its own. */
export interface Own {
  readonly callId: CallId
  readonly sessionId: SessionId
}

/** The call again, with what the client answered; `rounds` finds in its state which approval it carries on. */
export function continuedCall(
  parked: ParkedCall,
  answers: { readonly inputResponses: JsonObject; readonly requestState: string | null },
  { own, rounds }: { readonly own: Own; readonly rounds: Pick<Rounds, 'read'> },
): Call {
  const { requestState } = answers
  const text = editMembers(textOf(parked), ['params'], {
    inputResponses: Object.keys(answers.inputResponses).length === 0 ? null : JSON.stringify(answers.inputResponses),
    requestState: requestState === null ? null : JSON.stringify(requestState),
  })
  // MCP 2026-07-28 basic/patterns/mrtr: the retry has another JSON-RPC id.
  const sent = Buffer.from(editMembers(text, [], { id: JSON.stringify(own.callId) }))
  const { principal, upstream } = parked
  const params = (JSON.parse(sent.toString('utf8')) as { params: JsonObject }).params
  const returned = rounds.read({ bytes: sent, params, principal, upstream })
  const parsed = parseToolCall(returned?.params ?? params)
  if (!parsed.ok) throw new GatewayError('internal', parsed.message)
  return {
    ...callOfParked(parked),
    id: own.callId,
    sessionId: own.sessionId,
    rpcId: own.callId,
    otherParams: parsed.call.otherParams,
    bytes: returned?.bytes ?? sent,
    rejoins: null,
    continues: returned?.continues ?? null,
  }
}

export type TaskMethod = 'tasks/get' | 'tasks/update' | 'tasks/cancel'

/** A message about the upstream's own task, with what the client said of itself in its call. */
export function upstreamTaskMessage(
  parked: ParkedCall,
  { method, taskId, more }: { readonly method: TaskMethod; readonly taskId: string; readonly more: JsonObject },
  own: Own,
): { readonly message: Call; readonly headers: ParkedCall['headers'] } {
  const { principal, upstream } = parked
  const meta = editMembers(memberText(textOf(parked), ['params', '_meta']) ?? '{}', [], { progressToken: null })
  const params: JsonObject = { taskId, ...more, _meta: JSON.parse(meta) as JsonValue }
  const body = { jsonrpc: '2.0', id: own.callId, method, params }
  const kept = Object.entries(parked.headers).filter(([name]) => !name.startsWith('mcp-param-'))
  return {
    message: {
      id: own.callId,
      sessionId: own.sessionId,
      principal,
      upstream,
      method,
      tool: null,
      arguments: params,
      otherParams: null,
      rpcId: own.callId,
      bytes: Buffer.from(JSON.stringify(body)),
      rejoins: null,
      continues: null,
    },
    headers: { ...Object.fromEntries(kept), 'mcp-method': method, 'mcp-name': encodeHeader(taskId) },
  }
}

function textOf({ bytes }: ParkedCall): string {
  return Buffer.from(bytes, 'base64').toString('utf8')
}

// ---- answers

/** The JSON-RPC message that answers `id`, as text. */
export async function answerText(
  reply: Extract<Reply, { kind: 'whole' | 'stream' | 'pieces' }>,
  id: RpcId | null,
): Promise<JsonText> {
  if (reply.kind === 'whole') {
    const isJson = reply.body.length > 0 && /^application\/json/i.test(reply.headers['content-type'] ?? '')
    if (isJson) return Buffer.from(reply.body).toString('utf8')
    throw new GatewayError('upstream_bad_answer', `The MCP server answered ${reply.status} without JSON.`)
  }
  // Asked for by no approved call.
  if (reply.kind === 'pieces') throw new GatewayError('internal', 'The answer of a task’s call came in pieces.')
  let answer: string | null = null
  await reply.relay(({ data }) => {
    if (data !== '' && memberText(data, ['id']) === JSON.stringify(id) && memberText(data, ['method']) === null) {
      answer = data
    }
  })
  if (answer === null) throw new GatewayError('upstream_bad_answer', 'The MCP server did not answer.')
  return answer
}

/** What became of the call, by the upstream's answer to it. */
export function eventOfAnswer(text: JsonText, at: TaskEvent['at']): TaskEvent {
  const error = memberText(text, ['error'])
  if (error !== null) return { type: 'failed', error, message: messageOfError(error), at }
  const result = memberText(text, ['result'])
  if (result === null)
    throw new GatewayError('upstream_bad_answer', 'The MCP server answered neither result nor error.')
  switch (stringAt(result, 'resultType')) {
    case 'input_required':
      return {
        type: 'asked',
        inputRequests: objectTextAt(result, 'inputRequests'),
        requestState: stringAt(result, 'requestState'),
        at,
      }
    case 'task':
      return { type: 'delegated', task: upstreamTaskOf(result, null), at }
    default:
      return kept(result, at)
  }
}

/** What became of the upstream's own task, by its answer to `tasks/get`. */
export function eventOfUpstreamTask(text: JsonText, known: UpstreamTask, at: TaskEvent['at']): TaskEvent {
  const error = memberText(text, ['error'])
  if (error !== null) return { type: 'failed', error, message: messageOfError(error), at }
  const task = memberText(text, ['result']) ?? '{}'
  const message = stringAt(task, 'statusMessage')
  switch (stringAt(task, 'status')) {
    case 'completed':
      return { ...kept(memberText(task, ['result']) ?? '{}', at), message }
    case 'failed': {
      const failure = memberText(task, ['error']) ?? '{"code":-32603,"message":"The MCP server’s task failed."}'
      return { type: 'failed', error: failure, message: message ?? messageOfError(failure), at }
    }
    case 'cancelled':
      return {
        type: 'cancelled',
        message: message ?? 'The MCP server cancelled its task. Part of it may have run.',
        isLetGo: true,
        at,
      }
    default:
      return { type: 'polled', task: upstreamTaskOf(task, known), at }
  }
}

function kept(result: JsonText, at: TaskEvent['at']): Extract<TaskEvent, { type: 'completed' }> {
  const bytes = Buffer.byteLength(result)
  if (bytes <= TASK_ANSWER_BYTES_MAX) return { type: 'completed', result, message: null, at }
  const said = `The call WAS executed, but its answer of ${bytes} bytes is larger than what a task can keep.`
  return toldInstead(said, at)
}

/** For models, where the answer itself can't be had. */
export function toldInstead(text: string, at: TaskEvent['at']): Extract<TaskEvent, { type: 'completed' }> {
  const result: JsonObject = { resultType: 'complete', content: [{ type: 'text', text }], isError: true }
  return { type: 'completed', result: JSON.stringify(result), message: text, at }
}

function upstreamTaskOf(task: JsonText, known: UpstreamTask | null): UpstreamTask {
  const upstreamTaskId = known?.upstreamTaskId ?? stringAt(task, 'taskId') ?? ''
  const isId = upstreamTaskId !== '' && upstreamTaskId.length <= UPSTREAM_TASK_ID_LENGTH_MAX
  if (!isId) throw new GatewayError('upstream_bad_answer', "The MCP server's task has no id, or one that is too long.")
  const isAsking = stringAt(task, 'status') === 'input_required'
  return {
    upstreamTaskId,
    status: isAsking ? 'input_required' : 'working',
    message: stringAt(task, 'statusMessage'),
    inputRequests: isAsking ? objectTextAt(task, 'inputRequests') : null,
    pollIntervalMs: upstreamPollMs(JSON.parse(memberText(task, ['pollIntervalMs']) ?? 'null') as JsonValue),
  }
}

function stringAt(object: JsonText, key: string): string | null {
  const value = JSON.parse(memberText(object, [key]) ?? 'null') as JsonValue
  return typeof value === 'string' ? value : null
}

function objectTextAt(object: JsonText, key: string): JsonText | null {
  const text = memberText(object, [key])
  return text !== null && isObject(JSON.parse(text) as JsonValue) ? text : null
}

function messageOfError(error: JsonText): string {
  return stringAt(error, 'message') ?? 'The MCP server answered with an error.'
}
