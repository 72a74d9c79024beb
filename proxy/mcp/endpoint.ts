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
import type { Attachment, Call, Exchange, Reply, SendOptions } from '../../src/gate/call.ts'
import { AgentGone } from '../../src/gate/call.ts'
import type { Gate } from '../../src/gate/gate.ts'
import type { Principal } from '../../src/identity/principal.ts'
import { summarisePrincipal } from '../../src/identity/principal.ts'
import { isObject } from '../../src/json/value.ts'
import { faultAnswer } from '../../src/mcp/answers.ts'
import { STREAM_METHOD } from '../../src/mcp/message.ts'
import type { ParkedCalls, Sessions } from '../../src/ports.ts'
import type { Sealer } from '../../src/sealing/seal.ts'
import type { Authenticator } from '../authenticate/authenticator.ts'
import { listedHeaders } from '../forward/exchange.ts'
import type { UpstreamTarget } from '../forward/exchange-for.ts'
import { exchangeFor } from '../forward/exchange-for.ts'
import type { Sender } from '../forward/http-proxy.ts'
import { RETRY_MS } from '../response/sse.ts'
import type { AnswerOptions } from './answer.ts'
import { answer, answerFault, answerPending, sendJson } from './answer.ts'
import { answerBatch } from './batch.ts'
import type { ClientSessions } from './client-session.ts'
import { createClientSessions } from './client-session.ts'
import type { Door } from './door.ts'
import { answerPreflight, checkDoor, isPreflight } from './door.ts'
import type { Endings } from './endings.ts'
import { createEndings } from './endings.ts'
import type { Inquiry } from './inquiry.ts'
import { newInquiry } from './inquiry.ts'
import type { Lasting, LastingCall } from './lasting.ts'
import { createLasting } from './lasting.ts'
import type { LegacyAttachment, LegacyHolds } from './legacy-hold.ts'
import { placesOf } from './legacy-hold.ts'
import type { ModernHolds } from './modern-hold.ts'
import type { Judged, ReadOptions, Received, Sent } from './read-message.ts'
import { judge, receive } from './read-message.ts'
import { ResumableOutlet } from './resumable-outlet.ts'
import type { Cursor } from './resume.ts'
import { isOurCursor, resume } from './resume.ts'
import type { TaskDesk } from './tasks.ts'
import { aboutTask } from './tasks.ts'

export interface EndpointOptions extends ReadOptions, AnswerOptions, Door {
  readonly targets: ReadonlyMap<string, UpstreamTarget>
  readonly authenticator: Authenticator
  readonly gate: Gate
  readonly sessions: Sessions
  readonly sender: Sender
  readonly tasks: TaskDesk
  readonly modernHolds: ModernHolds
  readonly legacyHolds: LegacyHolds
  /** Calls whose clients come back for the answer. */
  readonly parked: ParkedCalls
  /** For what an agent is given and must bring back unchanged: its session's id, the state of a call it retries. */
  readonly sealer: Sealer
  readonly newId: (prefix: IdPrefix) => string
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
  const endings = createEndings(options.draining)
  const parts: Parts = { ...options, underWay, lasting, endings, clientSessions: createClientSessions(options.sealer) }
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
  readonly endings: Endings
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
  const inquiry = newInquiry(request, new ResumableOutlet(request, response), options.newId('call') as CallId)
  await answering(options, inquiry, () => serve(options, inquiry, response, upstream))
}

/** Never rejects: a fault is answered. */
async function answering(options: Parts, inquiry: Inquiry, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    answerFault(options, inquiry, error)
  } finally {
    options.waitingRoom.leave(inquiry.outlet)
  }
}

/** One HTTP request, once it is known who sent it. */
interface Visit extends Sent {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly target: UpstreamTarget
  /** Aborts when the agent's connection ends before its answer. */
  readonly left: AbortSignal
}

async function serve(options: Parts, inquiry: Inquiry, response: ServerResponse, upstream: string): Promise<void> {
  const { request, outlet } = inquiry
  checkDoor(options, request, response)
  if (isPreflight(request)) return answerPreflight(request, response)
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
  const visit: Visit = { request, response, target, upstream, principal, left: leftOf(response) }
  const lastEventId = request.headers['last-event-id']
  if (request.method === 'GET' && isOurCursor(lastEventId)) return passBack(options, visit, inquiry, lastEventId)
  const received = await receive(options, request)
  if (received.kind !== 'batch') return passOne(options, visit, inquiry, received)
  await answerBatch(visit, received.elements, (element, part) => {
    const own = newInquiry(request, part, options.newId('call') as CallId)
    return answering(options, own, () => passOne(options, visit, own, { kind: 'message', ...element }))
  })
}

function leftOf(response: ServerResponse): AbortSignal {
  const left = new AbortController()
  response.once('close', () => {
    if (!response.writableFinished) left.abort()
  })
  return left.signal
}

/** A message as it goes through the gate. */
interface Passing {
  readonly call: Call
  readonly method: 'POST' | 'GET' | 'DELETE'
  /** The agent's headers, of which the listed ones pass, and those that are made from the body. */
  readonly incoming: IncomingMessage['headers']
  readonly mcpHeaders: Readonly<Record<string, string>>
  /** Not null where the call was held before, and its client comes back for the answer. */
  readonly cursor: Cursor | null
}

/** One message: judged, passed through the gate, and answered. */
async function passOne(
  options: Parts,
  visit: Visit,
  inquiry: Inquiry,
  received: Exclude<Received, { kind: 'batch' }>,
): Promise<void> {
  const { request, upstream, principal } = visit
  const judged = await judge(options, inquiry, visit, received)
  const sessionHeaders = openSession(options, inquiry, visit)
  if (await answerTask(options, inquiry, { upstream, principal, judged })) return
  await passOn(options, visit, inquiry, {
    call: await asCall(options, inquiry, upstream, principal, judged),
    method: request.method as Passing['method'],
    incoming: { accept: request.headers.accept, ...sessionHeaders },
    mcpHeaders: judged.mcpHeaders,
    cursor: null,
  })
}

/** A client comes back for the answer of a call that was held. */
async function passBack(options: Parts, visit: Visit, inquiry: Inquiry, lastEventId: string): Promise<void> {
  const { principal, upstream } = visit
  const { outlet } = inquiry
  openSession(options, inquiry, visit)
  const resumed = await resume(options, { lastEventId, principal, upstream })
  if (resumed === null) return outlet.whole(204, {}, '')
  const { call, cursor, parked, progressToken, era } = resumed
  const touched = options.sessions.touch(summarisePrincipal(principal), upstream)
  const sessionId = touched instanceof Promise ? await touched : touched
  const waited = cursor.round === 0 ? null : { approvalId: parked.approvalId, round: cursor.round }
  Object.assign(inquiry, { callId: call.id, rpcId: call.rpcId, isToolCall: true, progressToken, era, waited })
  // From here on it is a stream, whatever comes of the call; and one that can be cut again.
  if (outlet instanceof ResumableOutlet) outlet.prime(...placesOf(options.sealer, call, cursor))
  const { headers } = parked
  await passOn(options, visit, inquiry, {
    call: { ...call, sessionId },
    method: 'POST',
    incoming: headers,
    mcpHeaders: headers,
    cursor,
  })
}

async function passOn(options: Parts, visit: Visit, inquiry: Inquiry, passing: Passing): Promise<void> {
  const { request, response, target, left } = visit
  const { outlet } = inquiry
  const { call } = passing
  // It may have happened while the session was looked up: nobody would hear of it any more.
  if (response.closed) throw new AgentGone('the agent left before its call was judged')
  let lasting: LastingCall | null = null
  const listening = call.method === STREAM_METHOD ? options.endings() : null
  if (listening !== null) left.addEventListener('abort', () => listening.abort(), { once: true })
  const upstreamSide = exchangeFor(target, {
    principal: call.principal.id,
    sender: options.sender,
    method: passing.method,
    incoming: passing.incoming,
    mcpHeaders: passing.mcpHeaders,
    body: call.bytes,
    // A listening stream has no end of its own: stopping must not wait for it.
    gone: listening?.signal ?? left,
    // Asked for by approved calls alone: an allowed call needs none.
    cutOff: () => {
      lasting ??= options.lasting.begin(left)
      return lasting.signal
    },
    socket: request.socket,
  })
  const legacy = inquiry.era === 'legacy' ? attachLegacy(options, inquiry, passing, left) : null
  const exchange: Exchange = {
    async send(lease, how) {
      // What was never told of the call has nothing to cancel.
      if (legacy !== null && (await isCancelledHold(options, inquiry, call))) return ACCEPTED
      if (passing.cursor !== null) await takeBack(options, call, how)
      legacy?.forwarded()
      options.waitingRoom.forwarded(outlet)
      return upstreamSide.send(lease, how && { ...how, takesPieces: how.takesPieces && outlet.pieces !== null })
    },
  }
  // A listening stream does nothing by itself: a client that only listens is idle.
  if (call.method !== STREAM_METHOD) options.underWay.add(call)
  let isAnswered = false
  try {
    const attachment = legacy ?? attachModern(options, inquiry, passing, visit)
    const passed = await options.gate.pass(call, attachment, exchange)
    const reply = options.clientSessions.outgoing(passed, call, inquiry)
    if (reply.kind === 'pending' && inquiry.takesTasks) await answerByTask(options, inquiry, { passing, reply })
    else if (reply.kind === 'pending') {
      // Its client comes back by itself, to another replica or to this one when it is up again.
      if (options.draining.aborted && outlet instanceof ResumableOutlet && outlet.isPrimed) {
        return outlet.endForNow(RETRY_MS)
      }
      answerPending(options, inquiry, call, reply.approval)
    } else await answer(options, inquiry, reply)
    isAnswered = true
  } catch (error) {
    if (!(error instanceof AgentGone) || (legacy?.end ?? null) === null) throw error
    // A cancelled request gets no answer (MCP 2025-11-25 basic/utilities/cancellation, "Behavior Requirements").
    if (outlet instanceof ResumableOutlet) outlet.endUnanswered()
  } finally {
    options.underWay.delete(call)
    listening?.release()
    endLasting(lasting)
    legacy?.close(isAnswered ? 'answered' : 'cut')
  }
}

/**
 * Policy may have come to allow what was held. No fence then keeps a client that comes back again from running its call
 * again, so that the first takes the call away.
 */
async function takeBack({ parked }: EndpointOptions, call: Call, how: SendOptions | undefined): Promise<void> {
  const isApproved = how?.outlivesAgent === true
  if (isApproved || (await parked.forget(call.id))) return
  throw new GatewayError('invalid_request', 'This call was made already, and its answer was not kept.')
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
  { request, outlet, rpcId: id, client }: Inquiry,
  { passing, reply }: { passing: Passing; reply: Extract<Reply, { kind: 'pending' }> },
): Promise<void> {
  if (id === null) throw new GatewayError('internal', 'A message without an id was held.')
  const { call, mcpHeaders } = passing
  const { accept } = request.headers
  const headers = { ...mcpHeaders, ...(accept === undefined ? {} : { accept }) }
  const result = await tasks.create({ call, approval: reply.approval, headers, client: client.name })
  sendJson(outlet, 200, {}, { jsonrpc: '2.0', id, result })
}

function endLasting(call: LastingCall | null): void {
  call?.done()
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

const CANCELLED_METHOD = 'notifications/cancelled'
const ACCEPTED = { kind: 'whole', status: 202, headers: {}, body: new Uint8Array(0) } as const

async function isCancelledHold(options: EndpointOptions, { session }: Inquiry, call: Call): Promise<boolean> {
  if (call.method !== CANCELLED_METHOD) return false
  const { principal, upstream, arguments: params } = call
  return options.legacyHolds.cancelled({
    principal,
    upstream,
    session: session?.upstreamId ?? null,
    params: isObject(params) ? params : {},
  })
}

function attachModern(
  options: Parts,
  { outlet, progressToken, takesTasks, client, waited }: Inquiry,
  { call, cursor, incoming, mcpHeaders }: Passing,
  { left, response }: Visit,
): Attachment {
  return options.modernHolds.attach({
    call,
    outlet,
    progressToken,
    takesTasks,
    client: client.name,
    cursor,
    round: waited?.round ?? 0,
    headers: () => ({ ...listedHeaders(incoming), ...mcpHeaders }),
    left,
    response,
  })
}

function attachLegacy(
  options: EndpointOptions,
  { request, outlet, progressToken, client, session }: Inquiry,
  { call, cursor, incoming, mcpHeaders }: Passing,
  left: AbortSignal,
): LegacyAttachment {
  return options.legacyHolds.attach({
    call,
    request,
    outlet,
    progressToken,
    client: client.name,
    session: session?.upstreamId ?? null,
    cursor,
    headers: () => ({ ...listedHeaders(incoming), ...mcpHeaders }),
    left,
  })
}
