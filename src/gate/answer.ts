/**
 * Reads and masks what an upstream answered, one whole JSON-RPC message at a time: masking by chunks leaks at the seams.
 * Of a list, only what policy could allow stays (listing.ts). Unchanged messages keep their original bytes.
 *
 * An answer that strict reading refuses is withheld: with a duplicate key, the value that masking saw and the one that
 * the agent's parser picks could differ.
 */
import type { Finding, Outcome } from '../audit/events.ts'
import { GatewayError } from '../errors.ts'
import { spliceJson } from '../json/splice.ts'
import type { StrictOptions } from '../json/strict.ts'
import { parseStrict } from '../json/strict.ts'
import type { JsonValue } from '../json/value.ts'
import { isObject } from '../json/value.ts'
import { holdsCredential } from '../masking/credential.ts'
import type { Masker } from '../masking/masker.ts'
import type { RpcId } from '../mcp/message.ts'
import type { Secret } from '../secret.ts'
import type { StreamEvent, UpstreamAnswer } from './call.ts'
import type { Shape } from './listing.ts'

interface Masked {
  readonly findings: readonly Finding[]
  readonly outcome: Outcome
}

const encoder = new TextEncoder()
/** Laxer than for what we judge: tables have many columns, and a 64-bit id passes through untouched. */
const ANSWER_LIMITS: Partial<StrictOptions> = { numbers: 'any', maxDepth: 128, maxKeys: 100_000 }

export function maskAnswer(
  masker: Masker,
  answer: Extract<UpstreamAnswer, { kind: 'whole' }>,
  secrets: readonly Secret[],
  shape: Shape | null = null,
): Masked & { readonly body: Uint8Array } {
  const { body, headers, status } = answer
  if (body.length === 0) return { body, findings: [], outcome: status < 400 ? 'succeeded' : 'upstream_failed' }
  if (isJson(headers['content-type'])) {
    const { text, findings, outcome } = maskMessage(masker, body, secrets, shape)
    return { body: text === null ? body : encoder.encode(text), findings, outcome: outcome ?? byStatus(status) }
  }
  if (shape?.withholdsOther && status < 400) {
    throw new GatewayError('upstream_bad_answer', "The MCP server's answer was withheld: a list that is not JSON.")
  }
  const text = decode(body)
  const masked = masker.maskText(text, secrets)
  return {
    body: masked.changed ? encoder.encode(masked.value) : body,
    findings: masked.findings,
    outcome: byStatus(status),
  }
}

export function maskEvent(
  masker: Masker,
  event: StreamEvent,
  secrets: readonly Secret[],
  shape: Shape | null = null,
): Masked & {
  readonly event: StreamEvent /** The request that this event answers. */
  readonly answers: RpcId | null
} {
  const head = maskHead(event, secrets)
  // A priming event has an id and no data (MCP 2025-11-25 basic/transports, "Streamable HTTP").
  if (event.data === '') return { event: head, findings: [], outcome: 'succeeded', answers: null }
  const { text, value, findings, outcome } = maskMessage(masker, encoder.encode(event.data), secrets, shape)
  const masked = text === null ? head : { ...head, data: text }
  return { event: masked, findings, outcome: outcome ?? 'succeeded', answers: outcome === null ? null : idOf(value) }
}

/** An id is a handle that must come back unchanged, so one that carries the credential is dropped; so is such a name. */
export function maskHead<Head extends Pick<StreamEvent, 'id' | 'event'>>(
  event: Head,
  secrets: readonly Secret[],
): Head {
  const clean = (text: string | null) => (text !== null && holdsCredential(text, secrets) ? null : text)
  const id = clean(event.id)
  const name = clean(event.event)
  return id === event.id && name === event.event ? event : { ...event, id, event: name }
}

/** `text` is null where nothing changes: the original bytes then stay what they are. */
export function maskMessage(masker: Masker, bytes: Uint8Array, secrets: readonly Secret[], shape: Shape | null) {
  const parsed = parseStrict(bytes, ANSWER_LIMITS)
  if (!parsed.ok) {
    // The problem's message quotes keys, and a key can be the credential.
    const { code, offset } = parsed.problem
    throw new GatewayError(
      'upstream_bad_answer',
      `The MCP server's answer was withheld: ${code.replaceAll('_', ' ')} at byte ${offset}.`,
    )
  }
  const { value: masked, findings } = masker.maskMessage(parsed.value, secrets)
  const value = shape === null ? masked : shape.apply(masked)
  return {
    value,
    findings,
    outcome: outcomeOf(parsed.value),
    text: value === parsed.value ? null : spliceJson(decode(bytes), parsed.value, value),
  }
}

/** Null for what is no answer: a notification or a request of the server's. */
function outcomeOf(message: JsonValue): Outcome | null {
  if (!isObject(message) || message.method !== undefined) return null
  if (message.error !== undefined) return 'rpc_error'
  if (message.result === undefined) return null
  return isObject(message.result) && message.result.isError === true ? 'tool_error' : 'succeeded'
}

function idOf(message: JsonValue): RpcId | null {
  if (!isObject(message)) return null
  return typeof message.id === 'string' || typeof message.id === 'number' ? message.id : null
}

export function byStatus(status: number): Outcome {
  return status < 400 ? 'succeeded' : 'upstream_failed'
}

export function isJson(contentType: string | undefined): boolean {
  return contentType !== undefined && /^application\/json\s*(?:;|$)/i.test(contentType)
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    throw new GatewayError('upstream_bad_answer', "The MCP server's answer is not UTF-8 text, so it was withheld.", {
      cause: error,
    })
  }
}
