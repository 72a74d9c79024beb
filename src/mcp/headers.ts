/**
 * The Mcp-* request headers: checked against the judged body, then rebuilt from it, so that a server which routes by
 * header runs exactly what was judged (MCP 2026-07-28 streamable-http, "Server Validation").
 *
 * Legacy revisions know only `MCP-Protocol-Version`; their requests get no other Mcp-* header from us, whatever the
 * agent sent.
 */
import type { JsonObject, JsonValue } from '../json/value.ts'
import { isObject } from '../json/value.ts'
import type { Message } from './message.ts'
import { META_PROTOCOL_VERSION } from './message.ts'

export type HeaderCheck =
  | { readonly ok: true; readonly headers: Readonly<Record<string, string>> }
  | { readonly ok: false; readonly code: 'header_mismatch' | 'invalid_params'; readonly message: string }

type Incoming = Readonly<Record<string, string | string[] | undefined>>

/** The first revision whose headers must equal the body. Revisions compare as text: they are ISO dates. */
const FIRST_MODERN_REVISION = '2026-07-28'
const REVISION = /^\d{4}-\d{2}-\d{2}$/
/**
 * What a modern client may name: also what is no revision, for the server to answer with those that it knows. It says so
 * by an UnsupportedProtocolVersionError (streamable-http, "Protocol Version Header"), which only the server can fill.
 */
const REQUESTED_VERSION = /^[\x21-\x7e]{1,64}$/
/** Which parameter `Mcp-Name` mirrors (streamable-http, "Standard Request Headers"; tasks, "Routing Headers"). */
const NAME_SOURCE: Readonly<Record<string, 'name' | 'uri' | 'taskId'>> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
  'tasks/get': 'taskId',
  'tasks/update': 'taskId',
  'tasks/cancel': 'taskId',
}

/**
 * @param toolDefinition the called tool as its server lists it, for `Mcp-Param-*`; null where there is none
 * @returns the Mcp-* headers for the upstream request, lower-case names, all of them made from the body
 */
export function checkHeaders(incoming: Incoming, message: Message, toolDefinition: JsonObject | null): HeaderCheck {
  if (message.kind !== 'response' && message.era === 'modern') {
    return checkModernHeaders(incoming, message, toolDefinition)
  }
  const version = incoming['mcp-protocol-version']
  if (version === undefined) return { ok: true, headers: {} }
  if (typeof version !== 'string' || !REVISION.test(version)) {
    return mismatch('MCP-Protocol-Version must be one revision such as 2026-07-28.')
  }
  if (version < FIRST_MODERN_REVISION) return { ok: true, headers: { 'mcp-protocol-version': version } }
  // The header says which rules hold, and by those the body lacks a required member (basic/index, "Per-request
  // protocol fields"): -32602, not a mismatch.
  return {
    ok: false,
    code: 'invalid_params',
    message: `MCP-Protocol-Version is ${version}, but the body's _meta names no protocol version.`,
  }
}

function checkModernHeaders(
  incoming: Incoming,
  message: Exclude<Message, { kind: 'response' }>,
  toolDefinition: JsonObject | null,
): HeaderCheck {
  const meta = message.params._meta as JsonObject
  const version = meta[META_PROTOCOL_VERSION]
  if (typeof version !== 'string' || incoming['mcp-protocol-version'] !== version) {
    return mismatch(`MCP-Protocol-Version does not equal the body's _meta["${META_PROTOCOL_VERSION}"].`)
  }
  if (!REQUESTED_VERSION.test(version)) return mismatch('MCP-Protocol-Version must be a word of at most 64 characters.')
  if (incoming['mcp-method'] !== message.method) {
    return mismatch("Mcp-Method does not equal the body's method.")
  }
  const headers: Record<string, string> = {
    'mcp-protocol-version': version,
    'mcp-method': encodeHeader(message.method),
  }
  const source = NAME_SOURCE[message.method]
  if (source !== undefined) {
    const name = message.params[source]
    if (typeof name !== 'string' || decodeHeader(incoming['mcp-name']) !== name) {
      return mismatch(`Mcp-Name does not equal the body's params.${source}.`)
    }
    headers['mcp-name'] = encodeHeader(name)
  }
  if (message.method !== 'tools/call') return { ok: true, headers }
  return checkParamHeaders(incoming, message.params, toolDefinition, headers)
}

function mismatch(message: string): HeaderCheck {
  return { ok: false, code: 'header_mismatch', message }
}

/** True where the agent mirrors arguments into headers, so that the tool's definition is needed to check them. */
export function hasParamHeaders(incoming: Incoming): boolean {
  for (const name in incoming) if (name.startsWith('mcp-param-')) return true
  return false
}

function checkParamHeaders(
  incoming: Incoming,
  params: JsonObject,
  toolDefinition: JsonObject | null,
  headers: Record<string, string>,
): HeaderCheck {
  const expected = new Map<string, string>()
  if (toolDefinition !== null) collectParamHeaders(toolDefinition.inputSchema, params.arguments ?? {}, expected)
  for (const name in incoming) {
    if (!name.startsWith('mcp-param-')) continue
    const wanted = expected.get(name)
    const given = decodeHeader(incoming[name])
    if (wanted === undefined) {
      return mismatch(`The tool's schema designates no argument for the header ${name}.`)
    }
    if (given === null || !sameParam(given, wanted)) {
      return mismatch(`The header ${name} does not equal the argument that it mirrors.`)
    }
  }
  for (const [name, value] of expected) headers[name] = encodeHeader(value)
  return { ok: true, headers }
}

/** `x-mcp-header` stands on properties reached by a chain of `properties` keys only ("Schema Extension"). */
function collectParamHeaders(
  schema: JsonValue | undefined,
  value: JsonValue | undefined,
  into: Map<string, string>,
): void {
  if (!isObject(schema) || !isObject(value) || !isObject(schema.properties)) return
  for (const [key, property] of Object.entries(schema.properties)) {
    if (!isObject(property) || !Object.hasOwn(value, key)) continue
    const item = value[key]
    const name = property['x-mcp-header']
    if (
      typeof name === 'string' &&
      (typeof item === 'string' || typeof item === 'number' || typeof item === 'boolean')
    ) {
      into.set(`mcp-param-${name.toLowerCase()}`, String(item))
    }
    collectParamHeaders(property, item, into)
  }
}

/** 42.0 and 42 are equal ("Server Validation": integers compare as numbers). */
function sameParam(given: string, wanted: string): boolean {
  return given === wanted || (given.trim() !== '' && wanted.trim() !== '' && Number(given) === Number(wanted))
}

const SENTINEL = /^=\?base64\?([A-Za-z0-9+/]*={0,2})\?=$/

/** Null for a missing, repeated or malformed header ("Value Encoding"). */
function decodeHeader(value: string | string[] | undefined): string | null {
  if (typeof value !== 'string') return null
  const encoded = SENTINEL.exec(value)?.[1]
  if (encoded === undefined) return value
  const bytes = Buffer.from(encoded, 'base64')
  return bytes.toString('base64') === encoded ? bytes.toString('utf8') : null
}

/** As an `Mcp-*` header may carry it. */
export function encodeHeader(value: string): string {
  const isPlain = /^[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?$/.test(value) && !SENTINEL.test(value)
  return isPlain ? value : `=?base64?${Buffer.from(value, 'utf8').toString('base64')}?=`
}
