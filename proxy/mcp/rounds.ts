/**
 * How a client of MCP 2026-07-28 that speaks no tasks waits for longer than its own time-out: before that comes, it gets
 * an `input_required` result that carries nothing but `requestState`, and calls again with it; a long poll of any length
 * (basic/patterns/mrtr, "Basic Workflow").
 *
 *   held, one leg's time ─► input_required, round 1 ─► … ─► round ROUNDS_MAX ─► the pending answer
 *
 * The state is sealed for the principal and the upstream, and names the approval, the call that it is for and when it
 * ends. It is taken out of the call before anyone judges it: what is judged, shown and forwarded is the call as its
 * author wrote it.
 *
 * The same wrapping carries an upstream's own state, once people have approved the call: the client's answer to what
 * the upstream asked then comes back as the same call, and is not held again.
 */
import { createHash } from 'node:crypto'
import type { Approval } from '../../src/approval/approval.ts'
import type { ApprovalId } from '../../src/brands.ts'
import { epochMs } from '../../src/brands.ts'
import { GatewayError } from '../../src/errors.ts'
import type { Call, Continuation } from '../../src/gate/call.ts'
import type { Principal } from '../../src/identity/principal.ts'
import { canonicalJson } from '../../src/json/canonical.ts'
import { editMembers, memberText } from '../../src/json/edit.ts'
import type { JsonObject, JsonValue } from '../../src/json/value.ts'
import { parseToolCall } from '../../src/mcp/message.ts'
import type { Clock, Continuations } from '../../src/ports.ts'
import type { Sealer } from '../../src/sealing/seal.ts'
import { boundTo, SEAL_PREFIX, SEALED_BYTES_MAX } from '../../src/sealing/seal.ts'

/**
 * The SDKs give a call up after ten rounds, whoever asks for them; two are left for what the upstream may want to ask
 * once the call is approved.
 */
export const ROUNDS_MAX = 8
/** How long the upstream's question may wait for its answer: as long as a person may need to find it. */
export const CONTINUATION_LIFE_MS = 60 * 60 * 1_000
/** A client that comes back later than this after the deadline hears nothing that its agent could still use. */
const WAITED_LIFE_MS = 10 * 60 * 1_000
/** What is sealed beside the client's own state and answers. */
const OWN_BYTES_MAX = 1_024

/** What an earlier leg left with the client. */
export interface Waited {
  readonly approvalId: ApprovalId
  /** How many `input_required` results this call has had. */
  readonly round: number
}

export interface Returned {
  /** The call without our state, byte for byte as its author wrote it. */
  readonly bytes: Uint8Array
  readonly params: JsonObject
  readonly waited: Waited | null
  readonly continues: Continuation | null
}

export interface Rounds extends Pick<Continuations, 'wrap'> {
  /**
   * Null where the call carries no state of ours. Throws GatewayError `invalid_params` for one that is forged, another's,
   * for another call, or over.
   */
  read(sent: { bytes: Uint8Array; params: JsonObject; principal: Principal; upstream: string }): Returned | null
  /** The next round's result for a call that is still held; null where its rounds are used up, or it can't be sealed. */
  next(call: Call, approval: Approval, waited: Waited | null): JsonObject | null
}

/** As sealed. Short names: the client sends it back every time. */
interface Sealed {
  /** `held`: still waiting. `asked`: approved, and the upstream has a question. */
  readonly kind: 'held' | 'asked'
  readonly approval: ApprovalId
  /** Of the tool and its arguments. */
  readonly digest: string
  readonly until: number
  readonly round: number
  readonly nonce: string
  /** What stood in the call where ours stands now. */
  readonly requestState?: string
  /** The client's answers that came with it: it sends them only once. */
  readonly inputResponses?: string
}

export function createRounds(options: {
  readonly sealer: Sealer
  readonly clock: Clock
  readonly newNonce: () => string
}): Rounds {
  const { sealer, clock, newNonce } = options
  const seal = (call: Pick<Call, 'principal' | 'upstream'>, state: Sealed) =>
    sealer.seal('request-state', state as unknown as JsonObject, boundTo(call.principal, call.upstream))
  return {
    read({ bytes, params, principal, upstream }) {
      const text = params.requestState
      if (typeof text !== 'string' || !text.startsWith(SEAL_PREFIX)) return null
      const state = sealer.open('request-state', text, boundTo(principal, upstream)) as unknown as Sealed | null
      if (state === null) throw refused('is not one that this gateway gave to this client')
      if (clock.now() >= state.until) throw refused('has expired')
      const returned = withoutOurs(bytes, params, state)
      const parsed = parseToolCall(returned.params)
      if (!parsed.ok || digestOf(parsed.call.tool, parsed.call.arguments) !== state.digest) {
        throw refused('belongs to another call')
      }
      const { approval: approvalId, nonce, round } = state
      return state.kind === 'held'
        ? { ...returned, waited: { approvalId, round }, continues: null }
        : { ...returned, waited: null, continues: { approvalId, nonce } }
    },
    next(call, approval, waited) {
      const round = (waited?.round ?? 0) + 1
      if (round > ROUNDS_MAX || call.tool === null) return null
      const theirs = ofTheClient(call.bytes)
      if (sizeOf(theirs) + OWN_BYTES_MAX > SEALED_BYTES_MAX) return null
      const requestState = seal(call, {
        kind: 'held',
        approval: approval.id,
        digest: digestOf(call.tool, call.arguments),
        until: epochMs(approval.expiresAt + WAITED_LIFE_MS),
        round,
        nonce: '',
        ...theirs,
      })
      return { resultType: 'input_required', requestState }
    },
    wrap(call, approvalId, upstreamState) {
      return seal(call, {
        kind: 'asked',
        approval: approvalId,
        digest: digestOf(call.tool ?? '', call.arguments),
        until: epochMs(clock.now() + CONTINUATION_LIFE_MS),
        round: 0,
        nonce: newNonce(),
        ...(upstreamState === null ? {} : { requestState: upstreamState }),
      })
    },
  }
}

function refused(what: string): GatewayError {
  return new GatewayError('invalid_params', `\`params.requestState\` ${what}. Call again without it.`)
}

function digestOf(tool: string, args: JsonValue): string {
  return createHash('sha256')
    .update(canonicalJson([tool, args]))
    .digest('base64url')
}

/** Puts back what stood in the call before ours was given out. */
function withoutOurs(bytes: Uint8Array, params: JsonObject, state: Sealed): Pick<Returned, 'bytes' | 'params'> {
  const { requestState, inputResponses } = state
  const changes: Record<string, string | null> = { requestState: null }
  if (requestState !== undefined) changes.requestState = JSON.stringify(requestState)
  // A client that answered something anew has its newer answers.
  if (inputResponses !== undefined && params.inputResponses === undefined) changes.inputResponses = inputResponses
  const text = editMembers(Buffer.from(bytes).toString('utf8'), ['params'], changes)
  const { requestState: _ours, ...rest } = params
  return {
    bytes: Buffer.from(text),
    params: {
      ...rest,
      ...(requestState === undefined ? {} : { requestState }),
      ...(changes.inputResponses === undefined
        ? {}
        : { inputResponses: JSON.parse(inputResponses ?? '') as JsonValue }),
    },
  }
}

function ofTheClient(bytes: Uint8Array): Pick<Sealed, 'requestState' | 'inputResponses'> {
  const text = Buffer.from(bytes).toString('utf8')
  const state = memberText(text, ['params', 'requestState'])
  const answers = memberText(text, ['params', 'inputResponses'])
  return {
    ...(state === null ? {} : { requestState: JSON.parse(state) as string }),
    ...(answers === null ? {} : { inputResponses: answers }),
  }
}

function sizeOf(theirs: Pick<Sealed, 'requestState' | 'inputResponses'>): number {
  return Buffer.byteLength(JSON.stringify(theirs))
}
