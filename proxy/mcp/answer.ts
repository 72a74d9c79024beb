/** Says to the agent what became of its message: an outcome of the gate's, an answer of the upstream's, or a fault. */
import type { Approval } from '../../src/approval/approval.ts'
import { GatewayError } from '../../src/errors.ts'
import type { Call, Delivery, Reply } from '../../src/gate/call.ts'
import { AgentGone, CutOff, RunFault } from '../../src/gate/call.ts'
import type { JsonObject } from '../../src/json/value.ts'
import { faultAnswer, faultOfStop, pendingAnswer, stopAnswer, stopText } from '../../src/mcp/answers.ts'
import type { Log } from '../../src/ports.ts'
import { RETRY_MS } from '../response/sse.ts'
import type { Inquiry } from './inquiry.ts'
import type { Headers, Outlet, Pieces } from './outlet.ts'
import type { Rounds } from './rounds.ts'
import type { WaitingRoom } from './waiting.ts'

export interface AnswerOptions {
  readonly rounds: Rounds
  readonly waitingRoom: WaitingRoom
  /** Aborts when the gateway stops: held calls are let go, running ones finish. */
  readonly draining: AbortSignal
  readonly log: Log
}

/** Its client can't wait any longer: it is given a way to come back. */
export function answerPending(
  { rounds }: Pick<AnswerOptions, 'rounds'>,
  inquiry: Inquiry,
  call: Call,
  approval: Approval,
): void {
  const { outlet, callId, rpcId: id, era, waited } = inquiry
  if (id === null) throw new GatewayError('internal', 'A message without an id was held.')
  const round = era === 'modern' ? rounds.next(call, approval, waited) : null
  const body = round === null ? pendingAnswer({ id, era, callId, approval }) : { jsonrpc: '2.0', id, result: round }
  sendJson(outlet, 200, {}, body)
}

export async function answer(
  { waitingRoom }: Pick<AnswerOptions, 'waitingRoom'>,
  inquiry: Inquiry,
  reply: Exclude<Reply, { kind: 'pending' }>,
): Promise<void> {
  const { outlet, callId, rpcId, era, isToolCall } = inquiry
  switch (reply.kind) {
    case 'stopped':
      if (rpcId === null) {
        const { stop } = reply
        const fault = faultOfStop(stop, stop.why === 'frozen' ? stopText(stop) : 'Policy denies this message.')
        return sendJson(outlet, 403, {}, faultAnswer(fault, null, callId))
      }
      sendJson(outlet, 200, {}, stopAnswer({ id: rpcId, era, isToolCall, callId, stop: reply.stop }))
      return tellDelivered(outlet, reply)
    case 'whole':
      if (outlet.hasBegun) refuseWhatNoStreamCarries(reply)
      outlet.whole(reply.status, reply.headers, reply.body)
      return tellDelivered(outlet, reply)
    case 'stream':
      outlet.begin(reply.status, reply.headers)
      waitingRoom.streams(outlet)
      await reply.relay((event, isAnswer) => {
        const written = outlet.event(event)
        // Not only at the stream's end: its agent may act on the answer at once, and its server may keep the stream open.
        if (isAnswer) tellDelivered(outlet, reply)
        return written
      }, outlet.pieces?.event)
      return outlet.isGone ? undefined : outlet.end()
    case 'pieces':
      await reply.relay((piece) => piecesOf(outlet).body(reply.status, reply.headers, piece))
      return outlet.end()
  }
}

function piecesOf({ pieces }: Outlet): Pieces {
  if (pieces === null) throw new GatewayError('internal', 'An answer came in pieces to whom it was not asked for.')
  return pieces
}

function tellDelivered(outlet: Outlet, { delivered }: Delivery): void {
  if (delivered !== null) outlet.whenSent(delivered)
}

/** The stream of a held call has begun: the HTTP status of its answer can no longer say anything. */
function refuseWhatNoStreamCarries({ status, headers, body, delivered }: Extract<Reply, { kind: 'whole' }>): void {
  if (body.length > 0 && /^application\/json/i.test(headers['content-type'] ?? '')) return
  const fault = new GatewayError('upstream_bad_answer', `The MCP server answered ${status} without JSON.`)
  throw delivered === null ? fault : new RunFault(fault, delivered)
}

export function answerFault(
  options: Pick<AnswerOptions, 'draining' | 'log'>,
  inquiry: Inquiry,
  error: unknown,
  headers: Headers = {},
): void {
  const { outlet, callId, rpcId } = inquiry
  if (outlet.isGone) return
  if (outlet.hasBegun && rpcId === null) {
    // A listening stream answers no message that a fault could belong to: its end is what the client knows.
    if (options.draining.aborted) void outlet.event({ id: null, event: null, data: '', retryMs: RETRY_MS })
    outlet.end()
    return
  }
  const fault = asFault(options, inquiry, error)
  if (fault.httpStatus >= 500) {
    const { code, message } = fault
    options.log.warn('a call failed', { call_id: callId, code, message, cause: causeOf(fault) })
  }
  // RFC 9110 §15.5.6: a 405 must say what is allowed.
  const allow = fault.code === 'method_not_allowed' ? { allow: 'POST, GET, DELETE' } : {}
  sendJson(outlet, fault.httpStatus, { ...headers, ...allow }, faultAnswer(fault, rpcId, callId))
  if (fault instanceof RunFault) tellDelivered(outlet, fault)
}

const STILL_OPEN = 'The call was NOT executed; its approval stays open: call again with identical arguments to join it.'
const UNDER_WAY = 'An identical call is under way: call again with identical arguments to get its answer.'
const UNKNOWN = 'It is not known whether the call runs: call again with identical arguments to hear.'

function asFault(
  { draining, log }: Pick<AnswerOptions, 'draining' | 'log'>,
  { callId }: Inquiry,
  error: unknown,
): GatewayError {
  if (error instanceof GatewayError) return error
  if (error instanceof AgentGone && draining.aborted) {
    return new GatewayError('draining', `This gateway is stopping. ${error.isUnderWay ? UNDER_WAY : STILL_OPEN}`)
  }
  if (error instanceof CutOff) return new GatewayError('draining', `This gateway stops. ${UNKNOWN}`)
  log.error('an unexpected fault', { call_id: callId, error: error instanceof Error ? error.stack : String(error) })
  return new GatewayError('internal', `The gateway failed (${callId}).`)
}

/** The system's or the library's code, `ECONNREFUSED` for instance: its message could quote what an upstream sent. */
function causeOf({ cause }: GatewayError): string | undefined {
  return cause instanceof Error ? ((cause as NodeJS.ErrnoException).code ?? cause.name) : undefined
}

export function sendJson(outlet: Outlet, status: number, headers: Headers, body: JsonObject): void {
  outlet.whole(status, { ...headers, 'content-type': 'application/json' }, JSON.stringify(body))
}
