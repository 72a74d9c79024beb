/**
 * Which era a server speaks, found out as MCP says it (2026-07-28 basic/transports/stdio, "Backward Compatibility"), and
 * the gateway's own handshake with it, for its look at the tools and for processes that agents share.
 *
 * For itself the gateway begins with `initialize`: a server of the modern era alone answers it with an error (basic/
 * versioning, compatibility matrix), so the outcome is definite either way, where an old server may leave a
 * `server/discover` unanswered or go away on it.
 */
import { GatewayError } from '../../src/errors.ts'
import type { JsonObject } from '../../src/json/value.ts'
import { isObject } from '../../src/json/value.ts'
import type { Era } from '../../src/mcp/message.ts'
import { META_PROTOCOL_VERSION } from '../../src/mcp/message.ts'
import type { Peer } from './peer.ts'

export const MODERN_REVISION = '2026-07-28'
const LATEST_LEGACY_REVISION = '2025-11-25'
/** MCP 2026-07-28 basic/index, "Error Codes". */
export const UNSUPPORTED_VERSION = -32022
/** A launcher may have to fetch the program first. */
const INITIALIZE_WITHIN_MS = 60_000
/** A server that answers nothing to the probe for so long is taken for an old one. */
const PROBE_WITHIN_MS = 10_000

export interface Handshake {
  readonly era: Era
  /** The result of `initialize`, or of `server/discover`. */
  readonly result: JsonObject
}

export interface ClientInfo {
  readonly name: string
  readonly version: string
}

/** Rejects with GatewayError `upstream_unreachable` or `upstream_bad_answer`. */
export async function shakeHands(peer: Peer, client: ClientInfo): Promise<Handshake> {
  // No capabilities: nobody is there to answer a request of the server's.
  const params = { protocolVersion: LATEST_LEGACY_REVISION, capabilities: {}, clientInfo: { ...client } }
  const answer = await peer.ask('initialize', params, INITIALIZE_WITHIN_MS)
  if (answer === null) throw new GatewayError('upstream_unreachable', 'The MCP server does not answer `initialize`.')
  if (isObject(answer.result)) {
    peer.send(JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' }))
    return { era: 'legacy', result: answer.result }
  }
  const discovered = await discover(peer, client)
  if (discovered.era === 'modern' && discovered.result !== null) return { era: 'modern', result: discovered.result }
  throw new GatewayError(
    'upstream_bad_answer',
    'The MCP server refuses `initialize`, and does not know a later revision.',
  )
}

/**
 * `result` is null where the server is modern and does not speak the revision that was asked for. `isDefinite` is false
 * where it said nothing at all.
 */
export async function discover(
  peer: Peer,
  client: ClientInfo,
): Promise<{ readonly era: Era; readonly result: JsonObject | null; readonly isDefinite: boolean }> {
  const answer = await peer.ask('server/discover', { _meta: modernMeta(client) }, PROBE_WITHIN_MS)
  if (answer === null) return { era: 'legacy', result: null, isDefinite: false }
  const { result, error } = answer
  if (isObject(result) && hasModern(result.supportedVersions)) return { era: 'modern', result, isDefinite: true }
  const isRefusedVersion = isObject(error) && error.code === UNSUPPORTED_VERSION && isObject(error.data)
  const supported = isRefusedVersion && isObject(error.data) ? error.data.supported : undefined
  return { era: hasModern(supported) ? 'modern' : 'legacy', result: null, isDefinite: true }
}

export function modernMeta(client: ClientInfo): JsonObject {
  return {
    [META_PROTOCOL_VERSION]: MODERN_REVISION,
    'io.modelcontextprotocol/clientInfo': { ...client },
    'io.modelcontextprotocol/clientCapabilities': {},
  }
}

/** Revisions compare as text: they are ISO dates. */
function hasModern(versions: unknown): boolean {
  return (
    Array.isArray(versions) && versions.some((version) => typeof version === 'string' && version >= MODERN_REVISION)
  )
}
