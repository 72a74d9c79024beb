/**
 * The agent's endpoint of one upstream: POST, GET and DELETE /mcp/<name>.
 *
 *   origin -> identity -> body -> strict JSON -> what is it -> headers equal body -> session -> gate -> answer
 *
 * Each step refuses before the next looks, cheapest first, and nothing reaches the gate that policy could not judge.
 * Registered before any middleware, because the path of an allowed call is hot.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Approval } from '../../src/approval/approval.ts'
import type { CallId, IdPrefix } from '../../src/brands.ts'
import { GatewayError } from '../../src/errors.ts'
import type { Attachment, Call, Catalogue, Exchange, Reply, StreamEvent } from '../../src/gate/call.ts'
import { AgentGone } from '../../src/gate/call.ts'
import type { Gate } from '../../src/gate/gate.ts'
import type { Principal } from '../../src/identity/principal.ts'
import { summarisePrincipal } from '../../src/identity/principal.ts'
import { parseStrict } from '../../src/json/strict.ts'
import type { JsonObject, JsonValue } from '../../src/json/value.ts'
import { faultAnswer, pendingAnswer, stopAnswer } from '../../src/mcp/answers.ts'
import { checkHeaders, hasParamHeaders } from '../../src/mcp/headers.ts'
import type { Era, Message, RpcId } from '../../src/mcp/message.ts'
import { classify, parseToolCall, RESPONSE_METHOD, SESSION_END_METHOD, STREAM_METHOD } from '../../src/mcp/message.ts'
import type { Log, Sessions } from '../../src/ports.ts'
import type { Sealer } from '../../src/sealing/seal.ts'
import type { Authenticator } from '../authenticate/authenticator.ts'
import { createExchange } from '../forward/exchange.ts'
import type { Sender, Target } from '../forward/http-proxy.ts'
import { formatEvent, messageEvent } from '../response/sse.ts'
import { checkMediaType, readBody } from './body.ts'
import type { Rounds, Waited } from './rounds.ts'
import type { WaitingRoom } from './waiting.ts'
import { STREAM_HEADERS } from './waiting.ts'

export interface EndpointOptions {
  readonly targets: ReadonlyMap<string, Target>
  readonly authenticator: Authenticator
  readonly gate: Gate
  readonly catalogue: Catalogue
  readonly sessions: Sessions
  readonly sender: Sender
  readonly waitingRoom: WaitingRoom
  readonly rounds: Rounds
  /** How long one request of a held call waits before its client gets an answer that brings it back. */
  readonly budgetMs: number
  /** For what an agent is given and must bring back unchanged: its session's id, the state of a call it retries. */
  readonly sealer: Sealer
  readonly newId: (prefix: IdPrefix) => string
  /** Origins that browsers may call from, and host names under which this gateway answers. */
  readonly origins: ReadonlySet<string>
  readonly hosts: ReadonlySet<string>
  readonly bodyBytesMax: number
  /** How often the sessions of calls under way are touched: well below the sessions' idle time. */
  readonly touchMs: number
  /** Aborts when the gateway stops: held calls are let go, running ones finish. */
  readonly draining: AbortSignal
  readonly log: Log
}

/** What the answer to one HTTP request needs to know. */
interface Inquiry {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly callId: CallId
  rpcId: RpcId | null
  era: Era
  isToolCall: boolean
  progressToken: RpcId | null
  /** What an earlier request of this call waited for; see rounds.ts. */
  waited: Waited | null
}

export interface Endpoint {
  /** Answers one request; never rejects. */
  serve(request: IncomingMessage, response: ServerResponse, upstream: string): Promise<void>
  close(): void
}

export function createEndpoint(options: EndpointOptions): Endpoint {
  const underWay = new Set<Call>()
  const touching = setInterval(() => touchAll(options.sessions, underWay), options.touchMs)
  touching.unref()
  const parts: Parts = { ...options, underWay }
  return {
    serve: (request, response, upstream) => answerOne(parts, request, response, upstream),
    close: () => clearInterval(touching),
  }
}

interface Parts extends EndpointOptions {
  readonly underWay: Set<Call>
}

/** A session must not end before its calls do, or their outcomes would be missing in its summary. */
function touchAll(sessions: Sessions, underWay: ReadonlySet<Call>): void {
  for (const { principal, upstream } of underWay) {
    const touched = sessions.touch(summarisePrincipal(principal), upstream)
    // Redis is away: the next touch comes, and a call under way is not to be broken off for it.
    if (touched instanceof Promise) touched.catch(() => undefined)
  }
}

async function answerOne(
  options: Parts,
  request: IncomingMessage,
  response: ServerResponse,
  upstream: string,
): Promise<void> {
  const inquiry: Inquiry = {
    request,
    response,
    callId: options.newId('call') as CallId,
    rpcId: null,
    era: 'legacy',
    isToolCall: false,
    progressToken: null,
    waited: null,
  }
  try {
    await serve(options, inquiry, upstream)
  } catch (error) {
    fail(options, inquiry, error)
  } finally {
    options.waitingRoom.leave(response)
  }
}

async function serve(options: Parts, inquiry: Inquiry, upstream: string): Promise<void> {
  const { request, response } = inquiry
  checkOrigin(options, request)
  const target = options.targets.get(upstream)
  if (target === undefined) throw new GatewayError('unknown_upstream', `There is no upstream "${upstream}".`)
  if (options.draining.aborted) throw new GatewayError('draining', 'This gateway is stopping.')
  const pending = options.authenticator.authenticate(
    { rawHeaders: request.rawHeaders, url: request.url ?? '' },
    upstream,
  )
  const authentication = pending instanceof Promise ? await pending : pending
  if (!authentication.ok) {
    const { status, code, headers, message } = options.authenticator.challenge(upstream, authentication.failure)
    // The body may still be on its way, and nobody will read it.
    if (!request.complete) response.shouldKeepAlive = false
    sendJson(response, status, headers, faultAnswer(new GatewayError(code, message), null, null))
    return
  }
  const judged = await read(options, inquiry, { upstream, principal: authentication.principal })
  const call = await asCall(options, inquiry, upstream, authentication.principal, judged)
  // It may have happened while the session was looked up: nobody would hear of it any more.
  if (response.closed) throw new AgentGone('the agent left before its call was judged')
  const left = new AbortController()
  response.once('close', () => {
    if (!response.writableFinished) left.abort()
  })
  const upstreamSide = createExchange({
    sender: options.sender,
    target,
    method: request.method as 'POST' | 'GET' | 'DELETE',
    incoming: request.headers,
    mcpHeaders: judged.mcpHeaders,
    body: judged.bytes,
    // A listening stream has no end of its own: stopping must not wait for it.
    gone: call.method === STREAM_METHOD ? AbortSignal.any([left.signal, options.draining]) : left.signal,
    socket: request.socket,
  })
  const exchange: Exchange = {
    send(lease) {
      options.waitingRoom.forwarded(response)
      return upstreamSide.send(lease)
    },
  }
  // A listening stream does nothing by itself: a client that only listens is idle.
  if (call.method !== STREAM_METHOD) options.underWay.add(call)
  try {
    const reply = await options.gate.pass(call, attach(options, inquiry, left.signal), exchange)
    if (reply.kind === 'pending') answerPending(options, inquiry, call, reply.approval)
    else await answer(inquiry, reply)
  } finally {
    options.underWay.delete(call)
  }
}

/** A browser page must not reach a gateway on its user's machine (DNS rebinding; MCP streamable-http, "Security"). */
function checkOrigin({ origins, hosts }: EndpointOptions, request: IncomingMessage): void {
  const { origin, host } = request.headers
  if (origin !== undefined && !origins.has(origin)) {
    throw new GatewayError('origin_refused', 'Requests from this web origin are not accepted.')
  }
  if (host === undefined || !hosts.has(host.toLowerCase())) {
    throw new GatewayError('host_refused', 'The Host header names another host than this gateway.')
  }
}

// ---- what is it

interface Judged {
  readonly bytes: Uint8Array
  readonly method: string
  readonly tool: string | null
  readonly arguments: JsonValue
  readonly otherParams: JsonValue
  readonly mcpHeaders: Readonly<Record<string, string>>
  readonly rejoins: Call['rejoins']
  readonly continues: Call['continues']
}

const FIRST_ROUND = { rejoins: null, continues: null } as const
const NOTHING = new Uint8Array(0)

/** Who sent it, and to which upstream. */
interface Sent {
  readonly upstream: string
  readonly principal: Principal
}

async function read(options: EndpointOptions, inquiry: Inquiry, sent: Sent): Promise<Judged> {
  const { request } = inquiry
  switch (request.method) {
    case 'POST':
      return readPost(options, inquiry, sent)
    case 'GET':
      return readBodiless(request, STREAM_METHOD)
    case 'DELETE':
      return readBodiless(request, SESSION_END_METHOD)
    default:
      throw new GatewayError('method_not_allowed', 'The MCP endpoint accepts POST, GET and DELETE.')
  }
}

/** Legacy sessions' stream and end have no JSON-RPC method; policy knows them by a pseudo-method. */
function readBodiless(request: IncomingMessage, method: string): Judged {
  const { headers } = request
  if (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0) {
    throw new GatewayError('invalid_request', `A ${request.method} request must have no body.`)
  }
  const version = headers['mcp-protocol-version']
  const mcpHeaders = typeof version === 'string' ? { 'mcp-protocol-version': version } : {}
  return { ...FIRST_ROUND, bytes: NOTHING, method, tool: null, arguments: {}, otherParams: null, mcpHeaders }
}

async function readPost(options: EndpointOptions, inquiry: Inquiry, sent: Sent): Promise<Judged> {
  const { headers } = inquiry.request
  checkMediaType(headers)
  const bytes = await readBody(inquiry.request, options.bodyBytesMax)
  const parsed = parseStrict(bytes)
  if (!parsed.ok) throw new GatewayError('parse_error', parsed.problem.message)
  const classified = classify(parsed.value)
  if (!classified.ok) {
    inquiry.rpcId = classified.id
    throw new GatewayError(classified.code, classified.message)
  }
  const { message } = classified
  if (message.kind === 'request') inquiry.rpcId = message.id
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
  options: EndpointOptions,
  inquiry: Inquiry,
  { upstream, principal }: Sent,
  sent: { readonly message: Exclude<Message, { kind: 'response' }>; readonly bytes: Uint8Array },
): Promise<Judged> {
  if (sent.message.kind === 'notification') {
    throw new GatewayError('invalid_request', 'A tools/call must have an `id`: nobody could be told how it ended.')
  }
  inquiry.isToolCall = true
  const returned = options.rounds.read({ bytes: sent.bytes, params: sent.message.params, principal, upstream })
  inquiry.waited = returned?.waited ?? null
  const message = returned === null ? sent.message : { ...sent.message, params: returned.params }
  const parsed = parseToolCall(message.params)
  if (!parsed.ok) throw new GatewayError('invalid_params', parsed.message)
  const { tool, arguments: args, otherParams, progressToken } = parsed.call
  inquiry.progressToken = progressToken
  const mcpHeaders = await toolHeaders(options.catalogue, inquiry.request.headers, { message, upstream, tool })
  return {
    bytes: returned?.bytes ?? sent.bytes,
    method: message.method,
    tool,
    arguments: args,
    otherParams,
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

async function asCall(
  options: EndpointOptions,
  inquiry: Inquiry,
  upstream: string,
  principal: Principal,
  judged: Judged,
): Promise<Call> {
  const touched = options.sessions.touch(summarisePrincipal(principal), upstream)
  const sessionId = touched instanceof Promise ? await touched : touched
  const { mcpHeaders: _, ...what } = judged
  const { callId: id, rpcId } = inquiry
  return { ...what, id, sessionId, principal, upstream, rpcId }
}

// ---- while it is held

function attach(options: EndpointOptions, inquiry: Inquiry, left: AbortSignal): Attachment {
  const { request, response, progressToken } = inquiry
  let gone: AbortSignal | null = null
  const patience = new AbortController()
  return {
    held(approval) {
      if (inquiry.era === 'modern') {
        const timer = setTimeout(() => patience.abort(), options.budgetMs)
        response.once('close', () => clearTimeout(timer))
      }
      // A client that takes no stream waits without a sign of life: better than refusing it.
      if (!String(request.headers.accept ?? '').includes('text/event-stream')) return
      options.waitingRoom.enter(response, approval, progressToken)
    },
    // Made only when a call is held: an allowed call needs none.
    get gone() {
      gone ??= AbortSignal.any([left, options.draining])
      return gone
    },
    patience: patience.signal,
  }
}

// ---- the answer

/**
 * How long a stream's head waits for its first event, to go out in one write with it. No longer: a client that listens
 * may never get an event and must still learn that its stream stands.
 */
const HEAD_WAITS_MS = 50

/** Its client can't wait any longer: it is given a way to come back. */
function answerPending(options: EndpointOptions, inquiry: Inquiry, call: Call, approval: Approval): void {
  const { response, callId, rpcId: id, era, waited } = inquiry
  if (id === null) throw new GatewayError('internal', 'A message without an id was held.')
  const round = era === 'modern' ? options.rounds.next(call, approval, waited) : null
  const body = round === null ? pendingAnswer({ id, era, callId, approval }) : { jsonrpc: '2.0', id, result: round }
  sendJson(response, 200, {}, body)
}

async function answer(inquiry: Inquiry, reply: Exclude<Reply, { kind: 'pending' }>): Promise<void> {
  const { response, callId, rpcId, era, isToolCall } = inquiry
  switch (reply.kind) {
    case 'stopped':
      if (rpcId === null) {
        const fault = new GatewayError('denied_by_policy', 'Policy denies this message.')
        return sendJson(response, 403, {}, faultAnswer(fault, null, callId))
      }
      return sendJson(response, 200, {}, stopAnswer({ id: rpcId, era, isToolCall, callId, stop: reply.stop }))
    case 'whole':
      return response.headersSent
        ? endStream(inquiry, reply)
        : sendBytes(response, reply.status, reply.headers, reply.body)
    case 'stream':
      return answerStream(response, reply)
  }
}

async function answerStream(response: ServerResponse, reply: Extract<Reply, { kind: 'stream' }>): Promise<void> {
  if (!response.headersSent) response.writeHead(reply.status, { ...reply.headers, ...STREAM_HEADERS })
  const head = setTimeout(() => response.flushHeaders(), HEAD_WAITS_MS)
  try {
    await reply.relay((event) => writeEvent(response, event))
  } finally {
    clearTimeout(head)
  }
  response.end()
}

/** The answer of a held call whose stream has begun: its HTTP status can no longer say anything. */
function endStream(inquiry: Inquiry, reply: Extract<Reply, { kind: 'whole' }>): void {
  const isAnswer = reply.body.length > 0 && /^application\/json/i.test(reply.headers['content-type'] ?? '')
  if (!isAnswer) throw new GatewayError('upstream_bad_answer', `The MCP server answered ${reply.status} without JSON.`)
  inquiry.response.end(messageEvent(Buffer.from(reply.body).toString('utf8')))
}

async function writeEvent(response: ServerResponse, event: StreamEvent): Promise<void> {
  if (response.destroyed) throw new AgentGone('the agent left while its answer was streaming')
  if (response.write(formatEvent(event))) return
  // A slow reader slows the upstream down instead of filling our memory.
  await new Promise<void>((resolve) => {
    const go = () => {
      response.off('drain', go)
      response.off('close', go)
      resolve()
    }
    response.once('drain', go)
    response.once('close', go)
  })
}

function fail(options: EndpointOptions, inquiry: Inquiry, error: unknown): void {
  const { response, callId, rpcId } = inquiry
  if (response.destroyed) return
  if (response.headersSent && rpcId === null) {
    // A listening stream answers no message that a fault could belong to: its end is what the client knows.
    response.end()
    return
  }
  const fault = asFault(options, inquiry, error)
  if (fault.httpStatus >= 500) {
    const { code, message } = fault
    options.log.warn('a call failed', { call_id: callId, code, message, cause: causeOf(fault) })
  }
  const body = faultAnswer(fault, rpcId, callId)
  // A refused body may still be on its way; closing says that nobody reads it.
  if (!inquiry.request.complete) response.shouldKeepAlive = false
  // RFC 9110 §15.5.6: a 405 must say what is allowed.
  sendJson(response, fault.httpStatus, fault.code === 'method_not_allowed' ? { allow: 'POST, GET, DELETE' } : {}, body)
}

function asFault(options: EndpointOptions, { callId }: Inquiry, error: unknown): GatewayError {
  if (error instanceof GatewayError) return error
  if (error instanceof AgentGone && options.draining.aborted) {
    return new GatewayError(
      'draining',
      'This gateway is stopping. The call was NOT executed; its approval stays open: call again with identical arguments to join it.',
    )
  }
  options.log.error('an unexpected fault', {
    call_id: callId,
    error: error instanceof Error ? error.stack : String(error),
  })
  return new GatewayError('internal', `The gateway failed (${callId}).`)
}

/** The system's or the library's code, `ECONNREFUSED` for instance: its message could quote what an upstream sent. */
function causeOf({ cause }: GatewayError): string | undefined {
  return cause instanceof Error ? ((cause as NodeJS.ErrnoException).code ?? cause.name) : undefined
}

function sendJson(
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string>>,
  body: JsonObject,
): void {
  const text = JSON.stringify(body)
  if (response.headersSent) {
    response.end(messageEvent(text))
    return
  }
  sendBytes(response, status, { ...headers, 'content-type': 'application/json' }, Buffer.from(text))
}

function sendBytes(
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string>>,
  body: Uint8Array,
): void {
  response.writeHead(status, { ...headers, 'content-length': String(body.length) })
  response.end(body)
}
