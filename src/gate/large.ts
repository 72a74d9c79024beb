/**
 * Masks a large answer while it arrives, piece by piece: ten megabytes of rows pass through a gateway that holds one row
 * at a time. A piece is what masking looks at as one value (json/split.ts says which), so that what it does to the whole
 * and to the pieces is the same.
 *
 * What must be known of the whole (whether the tool failed, which call it answers) is known at its end, and the outcome
 * is recorded before the last byte is handed on: an answer whose outcome can't be recorded stays without its end, which
 * no reader takes for an answer.
 */
import { createHash } from 'node:crypto'
import type { Finding, Outcome } from '../audit/events.ts'
import { GatewayError } from '../errors.ts'
import { createSplitter, SplitError, type Step } from '../json/split.ts'
import { parseStrict } from '../json/strict.ts'
import type { Masker } from '../masking/masker.ts'
import type { RpcId } from '../mcp/message.ts'
import type { Secret } from '../secret.ts'
import { maskMessage } from './answer.ts'

/** The same limit as for an answer that is masked whole. */
export const PIECE_BYTES_MAX = 16 * 1024 * 1024

/** A name beside them says what these are (`{"name": "PASSWORD", "value": …}`), and it may not have come yet. */
const NAMED_BY_OTHERS = new Set(['value', 'Value'])

export interface LargeMask {
  /** The masked text so far, as far as it is whole. Throws GatewayError `upstream_bad_answer`. */
  feed(chunk: Uint8Array): readonly Uint8Array[]
  /** What the whole was. Throws GatewayError `upstream_bad_answer` where it broke off. */
  end(): LargeEnd
}

export interface LargeEnd {
  readonly findings: readonly Finding[]
  /** Null for what is no answer: a notification or a request of the server's. */
  readonly outcome: Outcome | null
  readonly id: RpcId | null
}

export function createLargeMask(masker: Masker, secrets: readonly Secret[]): LargeMask {
  const splitter = createSplitter({ pieceBytesMax: PIECE_BYTES_MAX })
  const findings = new Map<string, number>()
  const seen: Seen = { id: null, hasMethod: false, hasError: false, hasResult: false, isError: false }
  return {
    feed: (chunk) =>
      withheldWhere(() => splitter.feed(chunk).map((step) => maskStep({ masker, secrets, findings, seen }, step))),
    end() {
      withheldWhere(() => splitter.end())
      return {
        findings: [...findings]
          .map(([detector, count]) => ({ detector, count }))
          .sort((a, b) => (a.detector < b.detector ? -1 : 1)),
        outcome: outcomeOf(seen),
        id: seen.id,
      }
    },
  }
}

/**
 * Every masked piece. `conclude` gets what the whole was, and the digest of what was handed on, before the last piece is:
 * where it rejects, the answer stays without its end.
 */
export async function* maskedPieces(
  mask: LargeMask,
  chunks: AsyncIterable<Uint8Array>,
  conclude: (end: LargeEnd, digest: string) => Promise<void>,
): AsyncGenerator<Uint8Array> {
  const digest = createHash('sha256')
  let last: Uint8Array | null = null
  for await (const chunk of chunks) {
    const steps = mask.feed(chunk)
    if (steps.length === 0) continue
    if (last !== null) yield last
    last = steps.length === 1 ? (steps[0] as Uint8Array) : Buffer.concat(steps)
    digest.update(last)
  }
  await conclude(mask.end(), digest.digest('hex'))
  if (last !== null) yield last
}

interface Seen {
  id: RpcId | null
  hasMethod: boolean
  hasError: boolean
  hasResult: boolean
  isError: boolean
}

interface Masking {
  readonly masker: Masker
  readonly secrets: readonly Secret[]
  readonly findings: Map<string, number>
  readonly seen: Seen
}

function maskStep(masking: Masking, step: Step): Uint8Array {
  switch (step.kind) {
    case 'structure':
      return step.bytes
    case 'key':
      if (step.key === 'result') masking.seen.hasResult = true
      // A masked key could meet another one, and the first is on its way already.
      if (masking.masker.maskText(step.key, masking.secrets).changed) throw withheld('a secret in a key')
      return step.bytes
    case 'element':
      return maskPiece(masking, step.bytes, { before: `{"result":{${JSON.stringify(step.key)}:[`, after: ']}}' })
    case 'member':
      if (NAMED_BY_OTHERS.has(step.key)) throw withheld('too large to be masked as a whole')
      look(masking.seen, step)
      return maskPiece(
        masking,
        step.bytes,
        step.of === 'result'
          ? { before: `{"result":{${JSON.stringify(step.key)}:`, after: '}}' }
          : { before: `{${JSON.stringify(step.key)}:`, after: '}' },
      )
  }
}

/** Masked where it would stand in the whole, so that the same rules hold. */
function maskPiece(masking: Masking, bytes: Uint8Array, around: { before: string; after: string }): Uint8Array {
  const { masker, secrets, findings } = masking
  const message = Buffer.concat([Buffer.from(around.before), bytes, Buffer.from(around.after)])
  const masked = maskMessage(masker, message, secrets, null)
  for (const { detector, count } of masked.findings) findings.set(detector, (findings.get(detector) ?? 0) + count)
  if (masked.text === null) return bytes
  return Buffer.from(masked.text.slice(around.before.length, masked.text.length - around.after.length))
}

function look(seen: Seen, { of, key, bytes }: Extract<Step, { kind: 'member' }>): void {
  if (of === 'result') {
    if (key === 'isError') seen.isError = Buffer.from(bytes).toString('utf8') === 'true'
    return
  }
  if (key === 'method') seen.hasMethod = true
  if (key === 'error') seen.hasError = true
  if (key !== 'id') return
  const id = parseStrict(bytes)
  seen.id = id.ok && (typeof id.value === 'string' || typeof id.value === 'number') ? id.value : null
}

function outcomeOf({ hasMethod, hasError, hasResult, isError }: Seen): Outcome | null {
  if (hasMethod) return null
  if (hasError) return 'rpc_error'
  if (!hasResult) return null
  return isError ? 'tool_error' : 'succeeded'
}

function withheldWhere<T>(run: () => T): T {
  try {
    return run()
  } catch (error) {
    throw error instanceof SplitError ? withheld(error.message) : error
  }
}

function withheld(why: string): GatewayError {
  return new GatewayError('upstream_bad_answer', `The MCP server's answer was withheld: ${why}.`)
}
