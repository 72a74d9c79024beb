/**
 * How long a held call may keep its client waiting before it gets the pending answer: a client that gives up by itself
 * leaves its agent with an error, where the answer tells it how to come back.
 *
 * Which one counts, the most certain first: what the operator set, what this client showed us by giving up, what its
 * source says, and else what the protocol's SDKs do. A client's name is its own claim: it can shorten or lengthen its own
 * wait by it, and nothing else.
 */
import type { Era } from './message.ts'

/** Whose patience it is. */
export interface ClientKind {
  /** `clientInfo.name` of its `initialize`; null where it never said. */
  readonly client: string | null
  /** The OAuth client that its token names. Verified, so that no client can teach us about another's. */
  readonly oauthClient: string | null
  /** Whether this call came with a progress token: then progress may reset the client's clock, or not. */
  readonly hasToken: boolean
}

/** `holds` of the settings. */
export interface BudgetSettings {
  /** By `clientInfo.name` in lower case. Milliseconds. */
  readonly budgets: ReadonlyMap<string, number>
  /** The SDKs' requests time out after 60 s (DEFAULT_REQUEST_TIMEOUT_MSEC), and comments don't reset that clock. */
  readonly defaultBudgetMs: number
}

/** Whoever leaves earlier was stopped, or is no client that waits for people. */
const LEARNED_FROM_MS = 20_000
const LEARNED_MIN_MS = 15_000
/** Room for the way there and back, and for a timer that fires late. */
const LEARNED_SHARE = 0.8
/** Nobody waits for longer than a day (policy's longest deadline): what a replica's clock made of it is no measure. */
const LEARNED_FROM_MAX_MS = 24 * 60 * 60 * 1_000
/** A name is a key in Redis and in the settings. */
export const CLIENT_NAME_LENGTH_MAX = 128

/** Clients whose own time-out differs from the SDKs', by the beginning of their name. Nine tenths of it. */
const KNOWN: readonly { readonly prefix: string; readonly ms: number }[] = [
  // google-gemini/gemini-cli packages/core/src/tools/mcp-client.ts: MCP_DEFAULT_TIMEOUT_MSEC is 10 minutes.
  { prefix: 'gemini-cli-mcp-client', ms: 540_000 },
  // block/goose crates/goose/src/config: DEFAULT_EXTENSION_TIMEOUT is 300 s.
  { prefix: 'goose', ms: 270_000 },
]

/**
 * Milliseconds from the request's arrival; null: until the deadline.
 *
 * A client that gave a token and is not known waits until it has shown that progress doesn't keep it: the SDKs reset
 * their clock on progress only with `resetTimeoutOnProgress`, and many hosts set it. A modern client loses nothing by an
 * answer that brings it back, so nothing is risked for it.
 */
export function budgetOf(
  kind: ClientKind & { readonly era: Era },
  from: { readonly settings: BudgetSettings; readonly learnedMs: number | null },
): number | null {
  const name = clientName(kind.client)
  const configured = name === null ? undefined : from.settings.budgets.get(name)
  if (configured !== undefined) return configured
  if (from.learnedMs !== null) return from.learnedMs
  if (kind.hasToken && kind.era === 'legacy') return null
  return KNOWN.find(({ prefix }) => name?.startsWith(prefix))?.ms ?? from.settings.defaultBudgetMs
}

/** The budget that a client needs that gave up after so long; null where that tells nothing. */
export function learnedFrom(waitedMs: number): number | null {
  if (waitedMs < LEARNED_FROM_MS || waitedMs > LEARNED_FROM_MAX_MS) return null
  return Math.max(LEARNED_MIN_MS, Math.round(waitedMs * LEARNED_SHARE))
}

/** A time-out repeats itself; a person who closes a window doesn't. */
export function isSameWait(oneMs: number, otherMs: number): boolean {
  return Math.abs(oneMs - otherMs) <= Math.max(oneMs, otherMs) * 0.1
}

/** mcp-remote passes its client's name on and appends this; the time-out is that client's. */
const VIA_MCP_REMOTE = / \(via mcp-remote [^)]*\)$/

/** As the settings write it and Redis keeps it. Null for what is no name. */
export function clientName(claimed: string | null): string | null {
  const name = claimed?.trim().toLowerCase().replace(VIA_MCP_REMOTE, '') ?? ''
  return name === '' || name.length > CLIENT_NAME_LENGTH_MAX ? null : name
}

/**
 * What clients write where their own time-out fired, and nobody stopped anything:
 *   TypeScript SDK 1 and 2  `McpError: MCP error -32001: Request timed out`, `SdkError: Request timed out`, and for an
 *                           AbortSignal.timeout() of the caller `TimeoutError: The operation was aborted due to timeout`
 *   Go SDK                  the context's error, `context deadline exceeded`
 *   Rust SDK                `request timeout`
 * An abort by a person or an agent says `AbortError: This operation was aborted`, the caller's own words, or nothing.
 */
const TIME_OUT = /\btime[\s-]?d?[\s-]?out|timeout|-32001\b|deadline exceeded/i

export function isTimeOut(reason: string | null): boolean {
  return reason !== null && TIME_OUT.test(reason)
}
