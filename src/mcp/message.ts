/**
 * Tells what one POSTed JSON value is, before policy sees it. Whatever this can't name is refused: nothing passes
 * that policy didn't judge, and policy judges only what has a method.
 *
 * Two eras share one route (MCP 2026-07-28 basic/versioning, "Terminology"): a *modern* message carries its protocol
 * version in `params._meta`; a *legacy* one belongs to a session that began with `initialize`.
 */
import type { JsonObject, JsonValue } from '../json/value.ts'
import { isObject } from '../json/value.ts'

export type Era = 'modern' | 'legacy'
export type RpcId = string | number

export type Message =
  | {
      readonly kind: 'request'
      readonly id: RpcId
      readonly method: string
      readonly params: JsonObject
      readonly era: Era
    }
  | { readonly kind: 'notification'; readonly method: string; readonly params: JsonObject; readonly era: Era }
  /** A legacy client's answer to a request of the server's (sampling, elicitation, roots). */
  | { readonly kind: 'response'; readonly id: RpcId; readonly body: JsonObject }

export type Classified =
  | { readonly ok: true; readonly message: Message }
  | {
      readonly ok: false
      readonly code: 'invalid_request' | 'invalid_params'
      readonly message: string
      readonly id: RpcId | null
    }

/** Pseudo-methods, by which policy and recordings know what has no JSON-RPC method: legacy sessions' GET and DELETE. */
export const STREAM_METHOD = 'stream/get'
export const SESSION_END_METHOD = 'session/delete'
/** And a legacy client's answer to a request of the server's. */
export const RESPONSE_METHOD = 'response'
/** No message may call itself so: it would be judged as what it is not, and two of these are allowed from the start. */
const PSEUDO_METHODS: ReadonlySet<string> = new Set([STREAM_METHOD, SESSION_END_METHOD, RESPONSE_METHOD])

export const META_PROTOCOL_VERSION = 'io.modelcontextprotocol/protocolVersion'
const META_CLIENT_INFO = 'io.modelcontextprotocol/clientInfo'
/** Our own key: why the agent wants a call that may be put to people. No part of the fingerprint, like all of `_meta`. */
export const META_REASON = 'countersign/reason'
/** A few sentences on a card. */
export const STATED_REASON_LENGTH_MAX = 500
/** What programs call themselves is compared and shown; none needs more. */
const CLIENT_NAME_LENGTH_MAX = 128
/** A method's name is used as a key and shown to people; the longest in MCP has 40 characters. */
const METHOD_LENGTH_MAX = 128
/** A tool's name should have at most 128 characters (MCP 2025-11-25 server/tools, "Tool Names"); some have more. */
const TOOL_NAME_LENGTH_MAX = 256
/** An id comes back in answers and logs. */
const ID_LENGTH_MAX = 256

/**
 * JSON-RPC 2.0 §4 and §5 know these. Go's encoding/json, on which many servers stand, also takes `Method` for `method`:
 * such a server would run another message than the one that was judged.
 */
const MEMBERS: ReadonlySet<string> = new Set(['jsonrpc', 'id', 'method', 'params', 'result', 'error'])
/** The members of `params` by which calls are judged. */
const JUDGED_PARAMS: ReadonlySet<string> = new Set([
  'name',
  'arguments',
  'uri',
  'taskId',
  'inputResponses',
  'requestState',
])
const JUDGED_BY_FOLDED: ReadonlyMap<string, string> = new Map([...JUDGED_PARAMS].map((name) => [fold(name), name]))

export function classify(value: JsonValue): Classified {
  if (Array.isArray(value)) {
    return refuse(
      'Batches are not accepted here: send each JSON-RPC message in a POST of its own (MCP 2025-06-18 and later).',
    )
  }
  if (!isObject(value)) return refuse('The body is not a JSON-RPC object.')
  const id = idOf(value)
  if (!Object.keys(value).every((key) => MEMBERS.has(key))) {
    return refuse(`A JSON-RPC message has no members but ${[...MEMBERS].join(', ')}, spelt like that.`, id)
  }
  if (value.jsonrpc !== '2.0') return refuse('`jsonrpc` must be "2.0".', id)
  if (value.id !== undefined && id === null) {
    return refuse(`\`id\` must be an integer or a string of at most ${ID_LENGTH_MAX} characters.`)
  }
  if (value.method === undefined) return classifyResponse(value, id)
  if (value.result !== undefined || value.error !== undefined) {
    return refuse('A message has either `method` or `result`/`error`, not both.', id)
  }
  const method = value.method
  if (typeof method !== 'string' || method === '' || method.length > METHOD_LENGTH_MAX) {
    return refuse(`\`method\` must be a string of 1 to ${METHOD_LENGTH_MAX} characters.`, id)
  }
  if (PSEUDO_METHODS.has(method)) return refuse(`\`method\` must not be "${method}": that is no JSON-RPC method.`, id)
  const params = value.params ?? {}
  if (!isObject(params)) return { ok: false, code: 'invalid_params', message: '`params` must be an object.', id }
  const misspelt = misspeltIn(params)
  if (misspelt !== null) {
    return { ok: false, code: 'invalid_params', message: `\`params.${misspelt}\` must be spelt like that.`, id }
  }
  const era = eraOf(params)
  if (id === null) return { ok: true, message: { kind: 'notification', method, params, era } }
  return { ok: true, message: { kind: 'request', id, method, params, era } }
}

function classifyResponse(value: JsonObject, id: RpcId | null): Classified {
  if (id === null || (value.result === undefined) === (value.error === undefined)) {
    return refuse('The message has neither a `method` nor an `id` with exactly one of `result` and `error`.', id)
  }
  return { ok: true, message: { kind: 'response', id, body: value } }
}

/** The member that a reader without regard to case would find under another spelling; null where there is none. */
function misspeltIn(params: JsonObject): string | null {
  for (const key of Object.keys(params)) {
    if (JUDGED_PARAMS.has(key)) continue
    const judged = JUDGED_BY_FOLDED.get(fold(key))
    if (judged !== undefined) return judged
  }
  return null
}

/** Go folds by Unicode: `ſ` is an `s` to it too. */
function fold(name: string): string {
  return name.normalize('NFKC').toLowerCase()
}

export function eraOf(params: JsonObject): Era {
  const meta = params._meta
  return isObject(meta) && meta[META_PROTOCOL_VERSION] !== undefined ? 'modern' : 'legacy'
}

/** What the agent's program calls itself, where this message says so: each modern one, and a legacy `initialize`. */
export function clientNameOf(message: Message): string | null {
  if (message.kind === 'response') return null
  const { params, era, method } = message
  const meta = params._meta
  const info =
    era === 'modern' ? isObject(meta) && meta[META_CLIENT_INFO] : method === 'initialize' && params.clientInfo
  if (info === false || !isObject(info) || typeof info.name !== 'string' || info.name === '') return null
  return info.name.slice(0, CLIENT_NAME_LENGTH_MAX)
}

function idOf(value: JsonObject): RpcId | null {
  const id = value.id
  if (typeof id === 'number') return Number.isSafeInteger(id) ? id : null
  return typeof id === 'string' && id.length <= ID_LENGTH_MAX ? id : null
}

function refuse(message: string, id: RpcId | null = null): Classified {
  return { ok: false, code: 'invalid_request', message, id }
}

export interface ToolCallParams {
  readonly tool: string
  readonly arguments: JsonObject
  /**
   * Answers to an earlier `input_required` result (MCP 2026-07-28 basic/patterns/mrtr), and every other member of
   * `params` that a server may act on; part of what is approved. Null where there is none.
   */
  readonly otherParams: JsonValue
  readonly progressToken: RpcId | null
  /** What the agent says it wants the call for. People see it; nothing is judged by it. Null where it says nothing. */
  readonly statedReason: string | null
}

export type ParsedToolCall =
  | { readonly ok: true; readonly call: ToolCallParams }
  | { readonly ok: false; readonly message: string }

/** What is longer is left out whole: half a reason may say the opposite. */
function statedReasonIn(meta: JsonValue | undefined): string | null {
  const reason = isObject(meta) ? meta[META_REASON] : undefined
  const text = typeof reason === 'string' ? reason.trim() : ''
  return text === '' || text.length > STATED_REASON_LENGTH_MAX ? null : text
}

/** The parts of a tools/call that policy, people and the fingerprint judge. */
export function parseToolCall(params: JsonObject): ParsedToolCall {
  const tool = params.name
  if (typeof tool !== 'string' || tool === '' || tool.length > TOOL_NAME_LENGTH_MAX) {
    return { ok: false, message: `\`params.name\` must be a string of 1 to ${TOOL_NAME_LENGTH_MAX} characters.` }
  }
  const args = params.arguments ?? {}
  if (!isObject(args)) return { ok: false, message: '`params.arguments` must be an object.' }
  const meta = params._meta
  const token = isObject(meta) ? meta.progressToken : undefined
  const progressToken = typeof token === 'string' || typeof token === 'number' ? token : null
  // `_meta` is left out: clients put an id of their own for each call there, and no identical call could join.
  const { name: _name, arguments: _arguments, _meta, ...others } = params
  const otherParams = Object.keys(others).length === 0 ? null : others
  return { ok: true, call: { tool, arguments: args, otherParams, progressToken, statedReason: statedReasonIn(meta) } }
}
