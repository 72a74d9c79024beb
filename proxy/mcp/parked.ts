/**
 * A held call outlives its connection: what is parked, and how it becomes a call again, judged anew from its own bytes,
 * so that nothing but the bytes says what will run.
 */
import type { EpochMs } from '../../src/brands.ts'
import { GatewayError } from '../../src/errors.ts'
import type { Call } from '../../src/gate/call.ts'
import { parseStrict } from '../../src/json/strict.ts'
import type { Era, RpcId } from '../../src/mcp/message.ts'
import { classify, parseToolCall } from '../../src/mcp/message.ts'
import type { ParkedCall, ParkedCalls } from '../../src/ports.ts'

export interface ParkOptions {
  readonly call: Call
  readonly approvalId: ParkedCall['approvalId']
  readonly headers: ParkedCall['headers']
  readonly client: string | null
}

export function parkedCallOf({ call, approvalId, headers, client }: ParkOptions): ParkedCall {
  const { id: callId, sessionId, principal, upstream } = call
  const bytes = Buffer.from(call.bytes).toString('base64')
  return { callId, approvalId, sessionId, principal, upstream, bytes, headers, client }
}

/** False where there is no room: then its client can't come back to it, but call again. */
export async function parkIfRoom(parked: ParkedCalls, call: ParkedCall, until: EpochMs): Promise<boolean> {
  try {
    await parked.parkConnection(call, until)
    return true
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'too_many_holds') return false
    throw error
  }
}

/** The same call, which rejoins its own approval. Throws GatewayError `internal` where its bytes are no tools/call. */
export function callOfParked(parked: ParkedCall): Call {
  const { bytes, message, params } = read(parked)
  const { tool, arguments: args, otherParams, statedReason } = params
  const { callId: id, sessionId, principal, upstream, approvalId: rejoins } = parked
  const { id: rpcId, method } = message
  return {
    id,
    sessionId,
    principal,
    upstream,
    method,
    tool,
    arguments: args,
    otherParams,
    statedReason,
    rpcId,
    bytes,
    rejoins,
    continues: null,
  }
}

/** By which its client hears of progress, and how it speaks. Throws as `callOfParked`. */
export function clientOfParked(parked: ParkedCall): { readonly progressToken: RpcId | null; readonly era: Era } {
  const { message, params } = read(parked)
  return { progressToken: params.progressToken, era: message.era }
}

function read(parked: ParkedCall) {
  const bytes = Buffer.from(parked.bytes, 'base64')
  const value = parseStrict(bytes)
  const classified = value.ok ? classify(value.value) : null
  if (!classified?.ok || classified.message.kind !== 'request' || classified.message.method !== 'tools/call') {
    throw new GatewayError('internal', `The parked call ${parked.callId} cannot be read any more.`)
  }
  const { message } = classified
  const parsed = parseToolCall(message.params)
  if (!parsed.ok) throw new GatewayError('internal', `The parked call ${parked.callId} cannot be read any more.`)
  return { bytes, message, params: parsed.call }
}
