/**
 * Reads, judges and masks what an upstream answered, one whole JSON-RPC message at a time: masking by chunks leaks at
 * the seams. Unchanged messages keep their original bytes.
 *
 * An answer that strict reading refuses is withheld: with a duplicate key, the value that masking saw and the one that
 * the agent's parser picks could differ.
 */
import type { Finding, Outcome } from '../audit/events.ts'
import { GatewayError } from '../errors.ts'
import { parseStrict } from '../json/strict.ts'
import type { JsonValue } from '../json/value.ts'
import { isObject } from '../json/value.ts'
import type { Masker } from '../masking/masker.ts'
import type { RpcId } from '../mcp/message.ts'
import type { Secret } from '../secret.ts'
import type { StreamEvent, UpstreamAnswer } from './call.ts'

interface Masked {
  readonly findings: readonly Finding[]
  readonly outcome: Outcome
}

const encoder = new TextEncoder()

export function maskAnswer(
  masker: Masker,
  answer: Extract<UpstreamAnswer, { kind: 'whole' }>,
  secrets: readonly Secret[],
): Masked & { readonly body: Uint8Array } {
  const { body, headers, status } = answer
  if (body.length === 0) return { body, findings: [], outcome: status < 400 ? 'succeeded' : 'upstream_failed' }
  if (isJson(headers['content-type'])) {
    const { value, changed, findings, outcome } = maskMessageText(masker, body, secrets)
    return {
      body: changed ? encoder.encode(JSON.stringify(value)) : body,
      findings,
      outcome: outcome ?? byStatus(status),
    }
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
): Masked & {
  readonly event: StreamEvent /** The request that this event answers. */
  readonly answers: RpcId | null
} {
  // A priming event has an id and no data (MCP 2025-11-25 basic/transports, "Streamable HTTP").
  if (event.data === '') return { event, findings: [], outcome: 'succeeded', answers: null }
  const { value, changed, findings, outcome } = maskMessageText(masker, encoder.encode(event.data), secrets)
  const masked = changed ? { ...event, data: JSON.stringify(value) } : event
  return { event: masked, findings, outcome: outcome ?? 'succeeded', answers: outcome === null ? null : idOf(value) }
}

function maskMessageText(masker: Masker, bytes: Uint8Array, secrets: readonly Secret[]) {
  const parsed = parseStrict(bytes)
  if (!parsed.ok) throw withheld(parsed.problem.message)
  const messages = Array.isArray(parsed.value) ? parsed.value : [parsed.value]
  const masked = masker.maskMessage(parsed.value, secrets)
  return { ...masked, outcome: messages.map(outcomeOf).find((outcome) => outcome !== null) ?? null }
}

function withheld(detail: string): GatewayError {
  return new GatewayError('upstream_bad_answer', `The MCP server's answer was withheld: ${detail}`)
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

function byStatus(status: number): Outcome {
  return status < 400 ? 'succeeded' : 'upstream_failed'
}

function isJson(contentType: string | undefined): boolean {
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
