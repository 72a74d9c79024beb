/** One judged message on its way through the gate, and the two sides that it passes between. */
import type { Approval } from '../approval/approval.ts'
import type { ApprovalId, CallId, SessionId } from '../brands.ts'
import type { Lease } from '../credential/lease.ts'
import { GatewayError } from '../errors.ts'
import type { Principal } from '../identity/principal.ts'
import type { JsonObject, JsonValue } from '../json/value.ts'
import type { Stop } from '../mcp/answers.ts'
import type { RpcId } from '../mcp/message.ts'

export interface Call {
  readonly id: CallId
  readonly sessionId: SessionId
  readonly principal: Principal
  readonly upstream: string
  readonly method: string
  /** Null for everything but a tools/call. */
  readonly tool: string | null
  /** `params.arguments` of a tools/call, else `params`. */
  readonly arguments: JsonValue
  /** What else of a tools/call's `params` a server may act on; see mcp/message.ts. */
  readonly otherParams: JsonValue
  /** What the agent says it wants a tools/call for; see mcp/message.ts. Left out or null: it says nothing. */
  readonly statedReason?: string | null
  /** The JSON-RPC id whose answer ends the exchange; null for notifications, responses and streams. */
  readonly rpcId: RpcId | null
  /** The bytes that were judged and are forwarded; empty for GET and DELETE. */
  readonly bytes: Uint8Array
  /** What this call waited for before, as our own sealed state proved it; null for a call that comes for the first time. */
  readonly rejoins: ApprovalId | null
  /** The approved call that this one carries on, as our own sealed state proved it; null for every other. */
  readonly continues: Continuation | null
}

/**
 * An upstream may answer an approved call with a question to its client (MCP 2026-07-28 basic/patterns/mrtr). The call
 * that brings the answer is the same call to people, and each such answer counts once.
 */
export interface Continuation {
  readonly approvalId: ApprovalId
  readonly nonce: string
}

/** The agent's side: proxy/mcp implements it for one connection. */
export interface Attachment {
  /** The call is parked: start telling the agent that it waits. What it can come back with is durable when it resolves. */
  held(approval: Approval): void | Promise<void>
  /** Aborts when the agent's connection is gone, or when this gateway is stopping. */
  readonly gone: AbortSignal
  /**
   * Aborts when this connection must have an answer, because its client would give up; from the start where it can't
   * wait at all (a task's). Null: it waits until the deadline. Asked for after `held`.
   */
  readonly patience: AbortSignal | null
  /** It gets a task, and fetches the result when it likes: the call runs as soon as it is approved. Left out: no. */
  readonly isPolling?: boolean
}

/** The upstream's side: proxy/forward implements it for one request. */
export interface Exchange {
  /**
   * Sends the judged bytes under the lease. Rejects with a GatewayError `upstream_…`, with `AgentGone` where the agent
   * left, or with `CutOff`. An approved call outlives its agent: people approved it once, so it is not broken off, and
   * its answer waits for whoever comes back. `takesPieces`: a large answer may come in pieces.
   */
  send(lease: Lease, options?: SendOptions): Promise<UpstreamAnswer>
}

export interface SendOptions {
  readonly outlivesAgent: boolean
  readonly takesPieces: boolean
}

export interface AnswerHead {
  readonly status: number
  /** From an allow-list, lower-case names. */
  readonly headers: Readonly<Record<string, string>>
}

export type UpstreamAnswer =
  | (AnswerHead & { readonly kind: 'whole'; readonly body: Uint8Array })
  /** A JSON body that is too large to be held. Its chunks are read once. */
  | (AnswerHead & { readonly kind: 'pieces'; readonly chunks: AsyncIterable<Uint8Array> })
  | (AnswerHead & { readonly kind: 'stream'; readonly events: AsyncIterable<StreamEvent | LargeEvent> })

/** One server-sent event (WHATWG HTML §9.2.6). */
export interface StreamEvent {
  readonly id: string | null
  readonly event: string | null
  readonly data: string
  readonly retryMs: number | null
}

/** An event whose data is too large to be held. Its chunks are UTF-8, and are read to their end before the next event. */
export interface LargeEvent extends Omit<StreamEvent, 'data'> {
  readonly chunks: AsyncIterable<Uint8Array>
}

/** What the gate hands back. Faults are thrown as GatewayError. */
export type Reply =
  /** Nothing was forwarded. */
  | ({ readonly kind: 'stopped'; readonly stop: Stop } & Delivery)
  /** Still undecided when the agent's patience ended. The approval stays open; how the agent comes back is its rung's affair. */
  | { readonly kind: 'pending'; readonly approval: Approval }
  | (AnswerHead & { readonly kind: 'whole'; readonly body: Uint8Array } & Delivery)
  | (AnswerHead & {
      readonly kind: 'stream'
      /**
       * Hands on every masked event; the outcome is recorded before the last one is written. Rejects with a
       * GatewayError where the upstream broke off; the agent must then be told. An approved call's goes on to its answer
       * also where `write` throws `AgentGone`.
       */
      relay(write: WriteEvent, writeLarge?: (event: LargeEvent) => Promise<void>): Promise<void>
    } & Delivery)
  | (AnswerHead & {
      readonly kind: 'pieces'
      /** Hands on the masked body. The outcome is recorded before its last piece is written. */
      relay(write: (piece: Uint8Array) => void | Promise<void>): Promise<void>
    } & Delivery)

export type WriteEvent = (event: StreamEvent, isAnswer: boolean) => void | Promise<void>

/** To be called once the agent has the answer whole: until then the next identical call gets the same one. */
export interface Delivery {
  /** Null where nothing waits for the agent. */
  readonly delivered: (() => void) | null
}

/** The catalogue of an upstream's tools. proxy/catalogue implements it. */
export interface Catalogue {
  /**
   * The tool as its server lists it now; null where it lists no such tool. `fresh` asks the server again; otherwise
   * a copy of bounded age may serve. Rejects with GatewayError `upstream_unreachable`.
   */
  definition(upstream: string, tool: string, age: 'fresh' | 'cached'): Promise<JsonObject | null>
  /** What is known without waiting; null where nothing is. */
  known(upstream: string, tool: string): JsonObject | null
}

/** The agent's connection ended before it had its answer. An approval that it waited for stays open. */
export class AgentGone extends Error {
  override readonly name = 'AgentGone'
  /** What it waited for is an identical call's answer, which is on its way. */
  readonly isUnderWay: boolean
  constructor(message: string, options: { readonly cause?: unknown; readonly isUnderWay?: boolean } = {}) {
    super(message, { cause: options.cause })
    this.isUnderWay = options.isUnderWay ?? false
  }
}

/** A fault after the fence: it is kept like an answer, for the agent that went away. */
export class RunFault extends GatewayError implements Delivery {
  readonly delivered: () => void
  constructor(fault: GatewayError, delivered: () => void) {
    super(fault.code, fault.message, { cause: fault.cause })
    this.delivered = delivered
  }
}

/** This gateway stops and can't wait for the upstream any longer: nobody knows whether the call runs. */
export class CutOff extends Error {
  override readonly name = 'CutOff'
}
