/**
 * The agent's endpoint of one upstream: POST, GET and DELETE /mcp/<name>.
 *
 *   origin -> identity -> body -> strict JSON -> what is it -> headers equal body -> session -> gate -> answer
 *
 * Each step refuses before the next looks, cheapest first, and nothing reaches the gate that policy could not judge.
 * Registered before any middleware, because the path of an allowed call is hot.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { CallId, IdPrefix } from '../../src/brands.ts'
import { GatewayError } from '../../src/errors.ts'
import type { Attachment, Call, Exchange, Reply } from '../../src/gate/call.ts'
import { AgentGone } from '../../src/gate/call.ts'
import type { Gate } from '../../src/gate/gate.ts'
import type { Principal } from '../../src/identity/principal.ts'
import { summarisePrincipal } from '../../src/identity/principal.ts'
import { faultAnswer } from '../../src/mcp/answers.ts'
import { STREAM_METHOD } from '../../src/mcp/message.ts'
import type { Sessions } from '../../src/ports.ts'
import type { Sealer } from '../../src/sealing/seal.ts'
import type { Authenticator } from '../authenticate/authenticator.ts'
import type { UpstreamTarget } from '../forward/exchange-for.ts'
import { exchangeFor } from '../forward/exchange-for.ts'
import type { Sender } from '../forward/http-proxy.ts'
import type { AnswerOptions } from './answer.ts'
import { answer, answerFault, answerPending, sendJson } from './answer.ts'
import type { ClientSessions } from './client-session.ts'
import { createClientSessions } from './client-session.ts'
import type { Inquiry } from './inquiry.ts'
import { newInquiry } from './inquiry.ts'
import type { Lasting, LastingCall } from './lasting.ts'
import { createLasting } from './lasting.ts'
import { ResponseOutlet } from './outlet.ts'
import type { Judged, ReadOptions, Sent } from './read-message.ts'
import { readMessage } from './read-message.ts'
import type { TaskDesk } from './tasks.ts'
import { aboutTask } from './tasks.ts'

export interface EndpointOptions extends ReadOptions, AnswerOptions {
  readonly targets: ReadonlyMap<string, UpstreamTarget>
  readonly authenticator: Authenticator
  readonly gate: Gate
  readonly sessions: Sessions
  readonly sender: Sender
  readonly tasks: TaskDesk
  /** How long one request of a held call waits before its client gets an answer that brings it back. */
  readonly budgetMs: number
  /** For what an agent is given and must bring back unchanged: its session's id, the state of a call it retries. */
  readonly sealer: Sealer
  readonly newId: (prefix: IdPrefix) => string
  /** Origins that browsers may call from, and host names under which this gateway answers. */
  readonly origins: ReadonlySet<string>
  readonly hosts: ReadonlySet<string>
  /** How often the sessions of calls under way are touched: well below the sessions' idle time. */
  readonly touchMs: number
}

export interface Endpoint {
  /** Answers one request; never rejects. */
  serve(request: IncomingMessage, response: ServerResponse, upstream: string): Promise<void>
  /** Resolves when no approved call is under way, with or without its agent. */
  settled(): Promise<void>
  /** Gives up what is still under way: nobody knows how it ends. */
  cutOff(): void
  close(): void
}

export function createEndpoint(options: EndpointOptions): Endpoint {
  const underWay = new Set<Call>()
  const touching = setInterval(() => touchAll(options.sessions, underWay), options.touchMs)
  touching.unref()
  const lasting = createLasting()
  const parts: Parts = { ...options, underWay, lasting, clientSessions: createClientSessions(options.sealer) }
  return {
    serve: (request, response, upstream) => answerOne(parts, request, response, upstream),
    settled: lasting.settled,
    cutOff: lasting.cutOff,
    close: () => clearInterval(touching),
  }
}

interface Parts extends EndpointOptions {
  readonly clientSessions: ClientSessions
  readonly underWay: Set<Call>
  readonly lasting: Lasting
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
  const outlet = new ResponseOutlet(request, response)
  const inquiry = newInquiry(request, outlet, options.newId('call') as CallId)
  try {
    await serve(options, inquiry, response, upstream)
  } catch (error) {
    answerFault(options, inquiry, error)
  } finally {
    options.waitingRoom.leave(outlet)
  }
}

async function serve(options: Parts, inquiry: Inquiry, response: ServerResponse, upstream: string): Promise<void> {
  const { request, outlet } = inquiry
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
    sendJson(outlet, status, headers, faultAnswer(new GatewayError(code, message), null, null))
    return
  }
  const { principal } = authentication
  const sent = { upstream, principal }
  const judged = await readMessage(options, inquiry, sent)
  const sessionHeaders = openSession(options, inquiry, sent)
  if (await answerTask(options, inquiry, { upstream, principal, judged })) return
  const call = await asCall(options, inquiry, upstream, principal, judged)
  // It may have happened while the session was looked up: nobody would hear of it any more.
  if (response.closed) throw new AgentGone('the agent left before its call was judged')
  const left = new AbortController()
  response.once('close', () => {
    if (!response.writableFinished) left.abort()
  })
  let lasting: LastingCall | null = null
  const upstreamSide = exchangeFor(target, {
    principal: call.principal.id,
    sender: options.sender,
    method: request.method as 'POST' | 'GET' | 'DELETE',
    incoming: { accept: request.headers.accept, ...sessionHeaders },
    mcpHeaders: judged.mcpHeaders,
    body: judged.bytes,
    // A listening stream has no end of its own: stopping must not wait for it.
    gone: call.method === STREAM_METHOD ? AbortSignal.any([left.signal, options.draining]) : left.signal,
    // Asked for by approved calls alone: an allowed call needs none.
    cutOff: () => {
      lasting ??= options.lasting.begin(left.signal)
      return lasting.signal
    },
    socket: request.socket,
  })
  const exchange: Exchange = {
    send(lease, how) {
      options.waitingRoom.forwarded(outlet)
      return upstreamSide.send(lease, how)
    },
  }
  // A listening stream does nothing by itself: a client that only listens is idle.
  if (call.method !== STREAM_METHOD) options.underWay.add(call)
  try {
    const passed = await options.gate.pass(call, attach(options, inquiry, { response, left: left.signal }), exchange)
    const reply = options.clientSessions.outgoing(passed, sent, inquiry)
    if (reply.kind === 'pending' && inquiry.takesTasks) await answerByTask(options, inquiry, { call, judged, reply })
    else if (reply.kind === 'pending') answerPending(options, inquiry, call, reply.approval)
    else await answer(options, inquiry, reply)
  } finally {
    options.underWay.delete(call)
    endLasting(lasting)
  }
}

/** True where it was about a task of ours, and is answered. */
async function answerTask(
  { tasks }: EndpointOptions,
  { outlet, rpcId, callId }: Inquiry,
  { upstream, principal, judged }: { upstream: string; principal: Principal; judged: Judged },
): Promise<boolean> {
  const asked = aboutTask(judged.method, judged.arguments)
  if (asked === null || rpcId === null) return false
  const { status, body } = await tasks.answer({ ...asked, id: rpcId, callId, principal, upstream })
  outlet.whole(status, { 'content-type': 'application/json' }, body)
  return true
}

/** Its client needs no connection to wait: it asks for the task. */
async function answerByTask(
  { tasks }: EndpointOptions,
  { request, outlet, rpcId: id }: Inquiry,
  { call, judged, reply }: { call: Call; judged: Judged; reply: Extract<Reply, { kind: 'pending' }> },
): Promise<void> {
  if (id === null) throw new GatewayError('internal', 'A message without an id was held.')
  const { accept } = request.headers
  const headers = { ...judged.mcpHeaders, ...(accept === undefined ? {} : { accept }) }
  const result = await tasks.create({ call, approval: reply.approval, headers, client: null })
  sendJson(outlet, 200, {}, { jsonrpc: '2.0', id, result })
}

function endLasting(call: LastingCall | null): void {
  call?.done()
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

/** What the upstream is told of its own session; the agent holds sealed ids in their place. */
function openSession({ clientSessions }: Parts, inquiry: Inquiry, sent: Sent): Record<string, string> {
  // MCP 2026-07-28 streamable-http, "Earlier Streamable HTTP Revisions": such a message's session id is ignored.
  if (inquiry.era === 'modern') return {}
  const { method, headers } = inquiry.request
  const session = clientSessions.open(headers, sent)
  const lastEventId = method === 'GET' ? clientSessions.lastEventId(headers, sent) : null
  if (session !== null) {
    inquiry.session = session
    if (inquiry.client.name === null) inquiry.client = { name: session.clientName }
  }
  return {
    ...(session === null ? {} : { 'mcp-session-id': session.upstreamId }),
    ...(lastEventId === null ? {} : { 'last-event-id': lastEventId }),
  }
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

function attach(
  options: EndpointOptions,
  inquiry: Inquiry,
  { response, left }: { readonly response: ServerResponse; readonly left: AbortSignal },
): Attachment {
  const { outlet, progressToken } = inquiry
  let gone: AbortSignal | null = null
  const patience = new AbortController()
  if (inquiry.takesTasks) patience.abort()
  return {
    held(approval) {
      if (inquiry.takesTasks) return
      if (inquiry.era === 'modern') {
        const timer = setTimeout(() => patience.abort(), options.budgetMs)
        response.once('close', () => clearTimeout(timer))
      }
      // A client that takes no stream waits without a sign of life: better than refusing it.
      if (outlet.takesStream) options.waitingRoom.enter(outlet, approval, progressToken)
    },
    // Made only when a call is held: an allowed call needs none.
    get gone() {
      gone ??= AbortSignal.any([left, options.draining])
      return gone
    },
    patience: patience.signal,
  }
}
