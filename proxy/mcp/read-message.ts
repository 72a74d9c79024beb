/**
 * Tells what an agent sent, before policy sees it: the body is read once, strictly, and what the agent repeats in
 * headers must equal it.
 */
import type { IncomingMessage } from 'node:http'
import { GatewayError } from '../../src/errors.ts'
import type { Call, Catalogue } from '../../src/gate/call.ts'
import type { Principal } from '../../src/identity/principal.ts'
import { elementsOf } from '../../src/json/elements.ts'
import { parseStrict } from '../../src/json/strict.ts'
import type { JsonObject, JsonValue } from '../../src/json/value.ts'
import { checkHeaders, hasParamHeaders } from '../../src/mcp/headers.ts'
import type { Message } from '../../src/mcp/message.ts'
import {
  classify,
  clientNameOf,
  parseToolCall,
  RESPONSE_METHOD,
  SESSION_END_METHOD,
  STREAM_METHOD,
} from '../../src/mcp/message.ts'
import { declaresTasks } from '../../src/task/task.ts'
import type { Element } from './batch.ts'
import { checkBatch, takesBatches } from './batch.ts'
import { checkMediaType, readBody } from './body.ts'
import type { Inquiry } from './inquiry.ts'
import type { Rounds } from './rounds.ts'

export interface ReadOptions {
  readonly catalogue: Catalogue
  readonly rounds: Rounds
  readonly bodyBytesMax: number
}

/** One message as it is judged, and the Mcp-* headers that its upstream request gets. */
export interface Judged {
  readonly bytes: Uint8Array
  readonly method: string
  readonly tool: string | null
  readonly arguments: JsonValue
  readonly otherParams: JsonValue
  /** See Call. */
  readonly statedReason?: string | null
  readonly mcpHeaders: Readonly<Record<string, string>>
  readonly rejoins: Call['rejoins']
  readonly continues: Call['continues']
}

const FIRST_ROUND = { rejoins: null, continues: null } as const
const NOTHING = new Uint8Array(0)

/** Who sent it, and to which upstream. */
export interface Sent {
  readonly upstream: string
  readonly principal: Principal
}

/** What came, before it is told what it is. */
export type Received =
  | { readonly kind: 'bodiless'; readonly method: string }
  | ({ readonly kind: 'message' } & Element)
  | { readonly kind: 'batch'; readonly elements: readonly Element[] }

export async function receive({ bodyBytesMax }: ReadOptions, request: IncomingMessage): Promise<Received> {
  switch (request.method) {
    case 'POST':
      return receivePost(request, bodyBytesMax)
    case 'GET':
      refuseOldTransport(request)
      refuseBody(request)
      return { kind: 'bodiless', method: STREAM_METHOD }
    case 'DELETE':
      refuseBody(request)
      return { kind: 'bodiless', method: SESSION_END_METHOD }
    default:
      throw new GatewayError('method_not_allowed', 'The MCP endpoint accepts POST, GET and DELETE.')
  }
}

async function receivePost(request: IncomingMessage, bodyBytesMax: number): Promise<Received> {
  checkMediaType(request.headers)
  const bytes = await readBody(request, bodyBytesMax)
  const value = parsed(bytes)
  if (!Array.isArray(value) || !takesBatches(request)) return { kind: 'message', bytes, value }
  const elements = elementsOf(bytes).map((slice) => ({ bytes: slice, value: parsed(slice) }))
  checkBatch(elements)
  return { kind: 'batch', elements }
}

function parsed(bytes: Uint8Array): JsonValue {
  const result = parseStrict(bytes)
  if (!result.ok) throw new GatewayError('parse_error', result.problem.message)
  return result.value
}

/**
 * Every client that speaks streamable HTTP names a session or its revision by now. One that names neither looks for the
 * `endpoint` event of the transport before (MCP 2025-03-26 basic/transports, "Backwards Compatibility"), and would wait
 * for it on a stream that never has one.
 */
function refuseOldTransport({ headers }: IncomingMessage): void {
  if (headers['mcp-session-id'] !== undefined || headers['mcp-protocol-version'] !== undefined) return
  throw new GatewayError(
    'method_not_allowed',
    'This endpoint speaks streamable HTTP (MCP 2025-03-26 and later): POST a message to it. The HTTP+SSE transport of ' +
      '2024-11-05 is not supported.',
  )
}

function refuseBody({ method, headers }: IncomingMessage): void {
  if (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0) {
    throw new GatewayError('invalid_request', `A ${method} request must have no body.`)
  }
}

/** Legacy sessions' stream and end have no JSON-RPC method; policy knows them by a pseudo-method. */
function judgeBodiless({ headers }: IncomingMessage, method: string): Judged {
  const version = headers['mcp-protocol-version']
  const mcpHeaders = typeof version === 'string' ? { 'mcp-protocol-version': version } : {}
  return { ...FIRST_ROUND, bytes: NOTHING, method, tool: null, arguments: {}, otherParams: null, mcpHeaders }
}

export async function judge(
  options: ReadOptions,
  inquiry: Inquiry,
  sent: Sent,
  received: Exclude<Received, { kind: 'batch' }>,
): Promise<Judged> {
  if (received.kind === 'bodiless') return judgeBodiless(inquiry.request, received.method)
  const { bytes, value } = received
  const { headers } = inquiry.request
  const classified = classify(value)
  if (!classified.ok) {
    inquiry.rpcId = classified.id
    throw new GatewayError(classified.code, classified.message)
  }
  const { message } = classified
  if (message.kind === 'request') inquiry.rpcId = message.id
  inquiry.client = { name: clientNameOf(message) }
  if (message.kind === 'response') {
    const { headers: mcpHeaders } = headersOf(headers, message, null)
    const what = { method: RESPONSE_METHOD, tool: null, arguments: message.body, otherParams: null }
    return { ...FIRST_ROUND, ...what, bytes, mcpHeaders }
  }
  inquiry.era = message.era
  return message.method === 'tools/call'
    ? readToolCall(options, inquiry, sent, { message, bytes })
    : {
        ...FIRST_ROUND,
        bytes,
        method: message.method,
        tool: null,
        arguments: message.params,
        otherParams: null,
        mcpHeaders: headersOf(headers, message, null).headers,
      }
}

async function readToolCall(
  options: ReadOptions,
  inquiry: Inquiry,
  { upstream, principal }: Sent,
  sent: { readonly message: Exclude<Message, { kind: 'response' }>; readonly bytes: Uint8Array },
): Promise<Judged> {
  if (sent.message.kind === 'notification') {
    throw new GatewayError('invalid_request', 'A tools/call must have an `id`: nobody could be told how it ended.')
  }
  inquiry.isToolCall = true
  inquiry.takesTasks = sent.message.era === 'modern' && declaresTasks(sent.message.params)
  const returned = options.rounds.read({ bytes: sent.bytes, params: sent.message.params, principal, upstream })
  inquiry.waited = returned?.waited ?? null
  const message = returned === null ? sent.message : { ...sent.message, params: returned.params }
  const parsed = parseToolCall(message.params)
  if (!parsed.ok) throw new GatewayError('invalid_params', parsed.message)
  const { tool, arguments: args, otherParams, progressToken, statedReason } = parsed.call
  inquiry.progressToken = progressToken
  const mcpHeaders = await toolHeaders(options.catalogue, inquiry.request.headers, { message, upstream, tool })
  return {
    bytes: returned?.bytes ?? sent.bytes,
    method: message.method,
    tool,
    arguments: args,
    otherParams,
    statedReason,
    mcpHeaders,
    rejoins: inquiry.waited?.approvalId ?? null,
    continues: returned?.continues ?? null,
  }
}

async function toolHeaders(
  catalogue: Catalogue,
  headers: IncomingMessage['headers'],
  call: { readonly message: Message; readonly upstream: string; readonly tool: string },
): Promise<Readonly<Record<string, string>>> {
  const { message, upstream, tool } = call
  if (!hasParamHeaders(headers)) return headersOf(headers, message, null).headers
  const checked = checkHeaders(headers, message, await catalogue.definition(upstream, tool, 'cached'))
  if (checked.ok) return checked.headers
  // A client that has seen a newer definition than our copy is right.
  return headersOf(headers, message, await catalogue.definition(upstream, tool, 'fresh')).headers
}

function headersOf(headers: IncomingMessage['headers'], message: Message, definition: JsonObject | null) {
  const checked = checkHeaders(headers, message, definition)
  if (!checked.ok) throw new GatewayError(checked.code, checked.message)
  return checked
}
