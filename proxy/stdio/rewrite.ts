/**
 * Changes of ids in JSON-RPC messages, written into their text (json/splice.ts): everything else of a message that was
 * judged, and of an answer that will be masked, keeps its bytes.
 *
 * Two clients may use equal ids, and over stdio all of them share one channel. So each request gets an id of the
 * gateway's own, which is also its progress token, and what comes back gets the client's again.
 */
import { spliceJson } from '../../src/json/splice.ts'
import type { JsonObject, JsonValue } from '../../src/json/value.ts'
import { isObject } from '../../src/json/value.ts'
import type { RpcId } from '../../src/mcp/message.ts'

/** MCP 2026-07-28 basic/patterns/subscriptions: which `subscriptions/listen` a notification belongs to, by its id. */
export const META_SUBSCRIPTION_ID = 'io.modelcontextprotocol/subscriptionId'

export interface JsonText {
  readonly text: string
  /** What `text` was parsed from, strictly: no key twice. */
  readonly value: JsonObject
}

/** One line without a line break: outside of strings, where JSON allows none, they are only spacing. */
export function asLine(text: string): string {
  return text.replace(/[\r\n]+/g, ' ')
}

/** A client's request under our id, as the line for the server. */
export function requestLine({ text, value }: JsonText, id: number): string {
  const wantsProgress = progressTokenOf(value) !== null
  const params = wantsProgress ? { params: withMeta(value.params, 'progressToken', id) } : {}
  return asLine(rewritten({ text, value }, { id, ...params }))
}

/** A client's `notifications/cancelled` about the request that the server knows by our id. */
export function cancelledLine({ text, value }: JsonText, id: number): string {
  return asLine(rewritten({ text, value }, { params: withMember(value.params, 'requestId', id) }))
}

/** A server's answer under the client's id. */
export function answerText({ text, value }: JsonText, id: RpcId): string {
  const isOfSubscription = metaOf(value.result)?.[META_SUBSCRIPTION_ID] !== undefined
  const result = isOfSubscription ? { result: withMeta(value.result, META_SUBSCRIPTION_ID, id) } : {}
  return rewritten({ text, value }, { id, ...result })
}

/** A server's `notifications/progress` under the client's token. */
export function progressText({ text, value }: JsonText, token: RpcId): string {
  return rewritten({ text, value }, { params: withMember(value.params, 'progressToken', token) })
}

/** A server's notification of a subscription, under the id of the client's `subscriptions/listen`. */
export function subscriptionText({ text, value }: JsonText, id: RpcId): string {
  return rewritten({ text, value }, { params: withMeta(value.params, META_SUBSCRIPTION_ID, id) })
}

/** A server's `notifications/cancelled` of a subscription, likewise. */
export function cancelledText({ text, value }: JsonText, id: RpcId): string {
  return rewritten({ text, value }, { params: withMember(value.params, 'requestId', id) })
}

export function progressTokenOf(message: JsonObject): RpcId | null {
  return asId(metaOf(message.params)?.progressToken)
}

export function subscriptionIdOf(message: JsonObject): RpcId | null {
  return asId(metaOf(message.params)?.[META_SUBSCRIPTION_ID])
}

export function asId(value: JsonValue | undefined): RpcId | null {
  return typeof value === 'string' || typeof value === 'number' ? value : null
}

function metaOf(owner: JsonValue | undefined): JsonObject | null {
  return isObject(owner) && isObject(owner._meta) ? owner._meta : null
}

function rewritten({ text, value }: JsonText, change: JsonObject): string {
  return spliceJson(text, value, { ...value, ...change })
}

function withMember(owner: JsonValue | undefined, name: string, value: RpcId): JsonObject {
  return { ...(isObject(owner) ? owner : {}), [name]: value }
}

function withMeta(owner: JsonValue | undefined, name: string, value: RpcId): JsonObject {
  return { ...(isObject(owner) ? owner : {}), _meta: { ...metaOf(owner), [name]: value } }
}
