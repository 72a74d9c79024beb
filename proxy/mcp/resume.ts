/**
 * A client that comes back for its answer (MCP 2025-11-25 basic/transports, "Resumability and Redelivery"): GET with the
 * last id that it heard. The id is sealed for its principal, its OAuth client and the upstream, and names the parked
 * call; so any replica, and a gateway that was restarted, can carry the same call on. It passes the same gate once more,
 * and comes back to its own approval.
 *
 * MCP 2026-07-28 has no such resumption, and asks for none; but the SDKs' clients of that revision come back all the same
 * where a stream began with an id. So theirs begin with one too: without it a gateway that dies under a held call leaves
 * them waiting for their own time-out.
 *
 * A stream that is over, or whose call its client took back, is answered 204: that is how server-sent events tell a
 * client to stop coming back (WHATWG HTML §9.2.3), and the SDKs take it as the stream's end. With an empty stream they
 * would come back for ever.
 */
import type { CallId, EpochMs } from '../../src/brands.ts'
import { GatewayError } from '../../src/errors.ts'
import type { Call } from '../../src/gate/call.ts'
import type { Principal } from '../../src/identity/principal.ts'
import type { JsonObject } from '../../src/json/value.ts'
import type { Era, RpcId } from '../../src/mcp/message.ts'
import type { ParkedCall, ParkedCalls } from '../../src/ports.ts'
import type { Sealer } from '../../src/sealing/seal.ts'
import { boundTo, SEAL_PREFIX } from '../../src/sealing/seal.ts'
import { callOfParked, clientOfParked } from './parked.ts'

/** A place in a held call's stream: before its answer, or behind it. */
export interface Cursor {
  readonly callId: CallId
  /** When its request came. */
  readonly arrivedAt: EpochMs
  /** When its client must have an answer, whichever connection it then has; null: not before the deadline. */
  readonly answerBy: EpochMs | null
  /** How many rounds its client had had; see rounds.ts. */
  readonly round: number
  readonly isOver: boolean
}

export interface Resumed {
  readonly cursor: Cursor
  readonly parked: ParkedCall
  /** Whoever brings the id brings a token of the same principal, and it counts as it is now. */
  readonly call: Call
  readonly progressToken: RpcId | null
  readonly era: Era
}

/** Visible ASCII, some 150 characters: it comes back as a header. */
export function sealCursor(sealer: Sealer, cursor: Cursor, call: Pick<Call, 'principal' | 'upstream'>): string {
  const { callId, arrivedAt, answerBy, round, isOver } = cursor
  const value: JsonObject = { call: callId, at: arrivedAt, by: answerBy, round, over: isOver }
  return sealer.seal('stream-event', value, boundTo(call.principal, call.upstream))
}

/** Only an id of ours; any other is the MCP server's affair. */
export function isOurCursor(lastEventId: string | string[] | undefined): lastEventId is string {
  return typeof lastEventId === 'string' && lastEventId.startsWith(SEAL_PREFIX)
}

/**
 * Null where nothing is to come on that stream any more. Throws GatewayError `invalid_request` for an id that this
 * client was not given, and `store_unavailable`.
 */
export async function resume(
  { sealer, parked: calls }: { readonly sealer: Sealer; readonly parked: ParkedCalls },
  from: { readonly lastEventId: string; readonly principal: Principal; readonly upstream: string },
): Promise<Resumed | null> {
  const { principal, upstream } = from
  const value = sealer.open('stream-event', from.lastEventId, boundTo(principal, upstream))
  // Events of the MCP server are sealed for the same purpose, and name no call.
  if (typeof value?.call !== 'string') {
    throw new GatewayError('invalid_request', 'Last-Event-ID names no stream of this client.')
  }
  const cursor: Cursor = {
    callId: value.call as CallId,
    arrivedAt: value.at as EpochMs,
    answerBy: value.by as EpochMs | null,
    round: value.round as number,
    isOver: value.over === true,
  }
  if (cursor.isOver) return null
  const parked = await calls.get(cursor.callId)
  if (parked === null) return null
  const call = { ...callOfParked(parked), principal }
  return { cursor, parked, call, ...clientOfParked(parked) }
}
