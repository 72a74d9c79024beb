/**
 * Replaces secrets in what goes to the agent and into the recording, in this order for every string:
 *
 *   known field name -> JSON inside the string, leaf by leaf -> named detectors and the lent credential in the text
 *
 * Strings are looked at whole, after parsing: a secret written as `\u0067hp_…` or cut by a chunk's end is whole only
 * there. Types never change (a string stays a string), so that `structuredContent` goes on fitting its schema, unless
 * the schema asks for a pattern, a length or an enumeration that a replacement does not have.
 *
 * What was not changed comes back as the very same value, and the original bytes can be sent.
 */
import type { Finding } from '../audit/events.ts'
import { spliceJson } from '../json/splice.ts'
import { isObject, type JsonObject, type JsonValue } from '../json/value.ts'
import type { Secret } from '../secret.ts'
import { CREDENTIAL, type Form, findForms, formsOf } from './credential.ts'
import type { Detector } from './detector.ts'
import { DETECTORS } from './detectors.ts'
import { type FieldKind, fieldKind, isSecretValue, SECRET_FIELD } from './secret-fields.ts'
import { createTextScanner, type NamedSpan, type TextScanner } from './text-scan.ts'

export interface Masked<T> {
  readonly value: T
  /** By detector, in the order of their names. */
  readonly findings: readonly Finding[]
  readonly changed: boolean
}

/** `extra`: the credential lent for this call, looked for in every shape; see credential.ts. */
export interface Masker {
  maskText(text: string, extra: readonly Secret[]): Masked<string>
  maskValue(value: JsonValue, extra: readonly Secret[]): Masked<JsonValue>
  /** One JSON-RPC message. Never touches `jsonrpc`, `id` and `method`; see maskMessage below for what else it spares. */
  maskMessage(message: JsonValue, extra: readonly Secret[]): Masked<JsonValue>
}

export function createMasker(options: { readonly detectors?: readonly Detector[] } = {}): Masker {
  const scanner = createTextScanner(options.detectors ?? DETECTORS)
  const fields = new FieldKinds()
  const start = (extra: readonly Secret[]) => new Pass(scanner, fields, formsOf(extra))
  return {
    maskText: (text, extra) => {
      const pass = start(extra)
      return pass.report(text, pass.text(text, 0))
    },
    maskValue: (value, extra) => {
      const pass = start(extra)
      return pass.report(value, pass.value(value, 'other', 0))
    },
    maskMessage: (message, extra) => {
      const pass = start(extra)
      return pass.report(message, pass.message(message))
    },
  }
}

export function replacement(detector: string): string {
  return `[masked:${detector}]`
}

/** Deeper than the strict reader lets in (64), for JSON inside of JSON. What lies deeper is masked unseen. */
const DEPTH_MAX = 128
/** JSON within a string within JSON: three layers are more than any tool was seen to write. */
const NESTED_TEXT_MAX = 3
const TOO_DEEP = 'too-deep'

/** Members whose text is a handle that must come back unchanged, or the agent can't go on: only the credential counts. */
const HANDLES = new Set(['nextCursor', 'cursor', 'requestState'])
const ENVELOPE = new Set(['jsonrpc', 'id', 'method'])
const TEXTUAL = /^text\/|[/+](?:json|xml|yaml|x-yaml|toml|javascript|x-sh|x-pem-file|x-www-form-urlencoded)\b/i

class Pass {
  readonly scanner: TextScanner
  readonly fields: FieldKinds
  readonly forms: readonly Form[]
  counts: Map<string, number> | null = null
  nesting = 0

  constructor(scanner: TextScanner, fields: FieldKinds, forms: readonly Form[]) {
    this.scanner = scanner
    this.fields = fields
    this.forms = forms
  }

  report<T extends JsonValue>(before: T, after: T): Masked<T> {
    const findings = [...(this.counts ?? [])].map(([detector, count]) => ({ detector, count }))
    findings.sort((a, b) => (a.detector < b.detector ? -1 : 1))
    return { value: after, findings, changed: before !== after }
  }

  message(message: JsonValue): JsonValue {
    if (Array.isArray(message)) return mapSame(message, (each) => this.message(each))
    if (!isObject(message)) return this.value(message, 'other', 0)
    const masked = mapMembers(message, (key, member) => {
      if (ENVELOPE.has(key)) return member
      if ((key === 'result' || key === 'params') && isObject(member)) return this.payload(member)
      return this.member(message, key, member, 1)
    })
    return this.keys(masked)
  }

  /** A message's `result` or `params`: handles stand at its top and nowhere else. */
  payload(payload: JsonObject): JsonObject {
    const masked = mapMembers(payload, (key, member) =>
      HANDLES.has(key) && typeof member === 'string'
        ? this.credentialOnly(member)
        : this.member(payload, key, member, 2),
    )
    return this.keys(masked)
  }

  value(value: JsonValue, kind: FieldKind, depth: number): JsonValue {
    if (typeof value === 'string') return this.string(value, kind, depth)
    if (typeof value !== 'object' || value === null) return value
    if (depth >= DEPTH_MAX) return this.mask(TOO_DEEP)
    if (Array.isArray(value)) return mapSame(value, (each) => this.value(each, kind, depth + 1))
    return this.keys(mapMembers(value, (key, member) => this.member(value, key, member, depth + 1)))
  }

  member(parent: JsonObject, key: string, member: JsonValue, depth: number): JsonValue {
    if (typeof member === 'string' && isBinary(parent, key)) return this.binary(member, parent.mimeType)
    return this.value(member, this.kindOf(parent, key), depth)
  }

  /** `{"name": "DB_PASSWORD", "value": "…"}`, as lists of variables and headers are written, is a field too. */
  kindOf(parent: JsonObject, key: string): FieldKind {
    if (key !== 'value' && key !== 'Value') return this.fields.of(key)
    const name = parent.name ?? parent.key ?? parent.Name ?? parent.Key
    return typeof name === 'string' ? this.fields.of(name) : 'other'
  }

  string(text: string, kind: FieldKind, depth: number): string {
    if (kind !== 'other' && isSecretValue(kind, text)) return this.mask(SECRET_FIELD)
    return this.text(text, depth)
  }

  text(text: string, depth: number): string {
    const { spans, mayHoldMore } = this.scanner.scan(text, this.forms)
    if (mayHoldMore && looksLikeJson(text) && this.nesting < NESTED_TEXT_MAX) {
      const inner = this.innerJson(text, depth)
      // What the leaves held is gone; what lay across them, or beside a repeated key, is still to be looked for.
      if (inner !== text) return this.replace(inner, this.scanner.scan(inner, this.forms).spans)
    }
    return this.replace(text, spans)
  }

  innerJson(text: string, depth: number): string {
    let before: JsonValue
    try {
      before = JSON.parse(text) as JsonValue
    } catch {
      return text
    }
    this.nesting++
    const after = this.value(before, 'other', depth + 1)
    this.nesting--
    return before === after ? text : spliceJson(text, before, after)
  }

  /** Keys can hold secrets too. Two that become equal are told apart, so that no member is lost. */
  keys(value: JsonObject): JsonObject {
    const before = Object.keys(value)
    const after = before.map((key) => this.key(key))
    if (after.every((key, index) => key === before[index])) return value
    const taken = new Set<string>()
    const entries = after.map((key, index): [string, JsonValue] => {
      const name = taken.has(key) ? `${key}#${index}` : key
      taken.add(name)
      return [name, value[before[index] as string] as JsonValue]
    })
    return Object.fromEntries(entries)
  }

  key(key: string): string {
    if (this.fields.isPlain(key) && !this.holdsCredential(key)) return key
    const { spans } = this.scanner.scan(key, this.forms)
    if (spans.length === 0) this.fields.rememberPlain(key)
    return this.replace(key, spans)
  }

  credentialOnly(text: string): string {
    return this.holdsCredential(text) ? this.mask(CREDENTIAL) : text
  }

  holdsCredential(text: string): boolean {
    let found = false
    findForms(text, this.forms, () => {
      found = true
    })
    return found
  }

  /**
   * Base64 content: text in it is masked and encoded again. Of anything else only the credential counts, which makes
   * the whole content go: an image with a hole would be no image. Stays base64, as the schema of MCP asks.
   */
  binary(text: string, mimeType: JsonValue | undefined): string {
    if (this.holdsCredential(text)) return encode(this.mask(CREDENTIAL))
    if (typeof mimeType !== 'string' || !TEXTUAL.test(mimeType)) return text
    const decoded = Buffer.from(text, 'base64').toString('utf8')
    const masked = this.text(decoded, 0)
    return masked === decoded ? text : encode(masked)
  }

  replace(text: string, spans: readonly NamedSpan[]): string {
    if (spans.length === 0) return text
    const pieces: string[] = []
    let from = 0
    for (const { start, end, detector } of spans) {
      pieces.push(text.slice(from, start), this.mask(detector))
      from = end
    }
    pieces.push(text.slice(from))
    return pieces.join('')
  }

  mask(detector: string): string {
    this.counts ??= new Map()
    this.counts.set(detector, (this.counts.get(detector) ?? 0) + 1)
    return replacement(detector)
  }
}

/** Names repeat in every row and every call; looking at each name once is most of the walk's speed. */
class FieldKinds {
  readonly kinds = new Map<string, FieldKind>()
  readonly plain = new Set<string>()

  of(name: string): FieldKind {
    let kind = this.kinds.get(name)
    if (kind === undefined) {
      kind = fieldKind(name)
      if (this.kinds.size >= REMEMBERED_MAX) this.kinds.clear()
      if (name.length <= REMEMBERED_LENGTH_MAX) this.kinds.set(name, kind)
    }
    return kind
  }

  isPlain(name: string): boolean {
    return this.plain.has(name)
  }

  rememberPlain(name: string): void {
    if (name.length > REMEMBERED_LENGTH_MAX) return
    if (this.plain.size >= REMEMBERED_MAX) this.plain.clear()
    this.plain.add(name)
  }
}

/** Together at most about a megabyte, whatever an upstream sends. */
const REMEMBERED_MAX = 4_096
const REMEMBERED_LENGTH_MAX = 64

/** MCP schema: BlobResourceContents has `uri` and `blob`; ImageContent and AudioContent have `type` and `data`. */
function isBinary(parent: JsonObject, key: string): boolean {
  if (key === 'blob') return typeof parent.uri === 'string'
  return key === 'data' && (parent.type === 'image' || parent.type === 'audio')
}

function encode(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64')
}

function looksLikeJson(text: string): boolean {
  return /^\s{0,64}[[{"]/.test(text)
}

/** Like map, but answers the same array where nothing changed. */
function mapSame(list: JsonValue[], change: (value: JsonValue) => JsonValue): JsonValue[] {
  let changed: JsonValue[] | null = null
  for (let index = 0; index < list.length; index++) {
    const before = list[index] as JsonValue
    const after = change(before)
    if (after === before) continue
    changed ??= [...list]
    changed[index] = after
  }
  return changed ?? list
}

/** The same for the members of an object. */
function mapMembers(value: JsonObject, change: (key: string, member: JsonValue) => JsonValue): JsonObject {
  let changed: JsonObject | null = null
  for (const key of Object.keys(value)) {
    const before = value[key] as JsonValue
    const after = change(key, before)
    if (after === before) continue
    changed ??= { ...value }
    changed[key] = after
  }
  return changed ?? value
}
