/**
 * The hash chain of one segment, so that a recording which was changed afterwards says so.
 *
 * A segment is NDJSON. Line 0 is its header, every other line one event. Each line's last member is
 *
 *   hash = SHA-256, lower-case hexadecimal, over the exact bytes of the line before `,"hash":"…"}`
 *
 * and each event's `prev` is the hash of the line before it. Verifying cuts 75 bytes off a line and hashes the rest: it
 * never writes JSON again, so that no two JSON writers have to agree. The header names the segment that came before,
 * with a hash that occurs in it, so that cutting lines off the end of a finished segment shows too.
 *
 * What the chain alone can't show: lines cut off the end of the newest segment, and a chain that was computed anew from
 * some line on. Only a signature from elsewhere can.
 *
 * A line without its line feed is what a crash leaves behind: `torn`. Nobody was told that it had been recorded, so it
 * counts for nothing, and it is not tampering.
 *
 * A session's hash is SHA-256, lower-case hexadecimal, over its events' hashes, as hexadecimal text and without
 * separators, ordered by (`at`, segment id, `seq`), up to and including `session.ended`. For one segment by hand:
 *
 *   grep '"session_id":"ses_…"' FILE | jq -s -r 'sort_by(.at, .seq)[].hash' | tr -d '\n' | sha256sum
 */
import { hash as digest } from 'node:crypto'
import type { EpochMs, SessionId } from '../brands.ts'
import type { JsonObject } from '../json/value.ts'
import { isObject } from '../json/value.ts'
import type { AuditEvent } from './events.ts'

export const FORMAT_VERSION = 1

/** The largest line that is written or read, line feed included. Above any request body that the gateway accepts. */
export const LINE_MAX_BYTES = 16 * 1024 * 1024

/** The chain's end: what the next line must continue. */
export interface ChainState {
  readonly segment: string
  /** Of the last line; 0 after the header. */
  readonly seq: number
  readonly hash: string
}

/** The last good line of the segment that its writer continued from. */
export interface PreviousSegment {
  readonly segment: string
  readonly hash: string
}

export interface SegmentHeader {
  /** `seg_…` */
  readonly segment: string
  /** Names the writing process, not its machine: recordings are handed to third parties. */
  readonly replica: string
  readonly startedAt: EpochMs
  readonly previous: PreviousSegment | null
}

/** An event as it stands in a segment. */
export interface RecordedEvent {
  readonly segment: string
  readonly seq: number
  readonly hash: string
  readonly event: AuditEvent
}

export interface SealedLine {
  /** With its line feed. */
  readonly line: string
  readonly state: ChainState
}

/** The first line of a segment. */
export function sealHeader(header: SegmentHeader): SealedLine {
  const { segment, replica, startedAt, previous } = header
  const members = { type: 'segment', format: FORMAT_VERSION, segment, replica, started_at: startedAt, previous }
  return close(JSON.stringify(members).slice(0, -1), { segment, seq: 0 })
}

/** The line that continues the chain. The caller writes it or, where it can't, gives up the segment. */
export function sealLine(event: AuditEvent, state: ChainState): SealedLine {
  return sealJson(JSON.stringify(event), state)
}

/** The same for an event that is JSON text already: the recorder takes its snapshot before it knows the segment. */
export function sealJson(eventJson: string, state: ChainState): SealedLine {
  const seq = state.seq + 1
  return close(`{"seq":${seq},"prev":"${state.hash}",${eventJson.slice(1, -1)}`, { segment: state.segment, seq })
}

function close(open: string, { segment, seq }: Pick<ChainState, 'segment' | 'seq'>): SealedLine {
  const hash = sha256(open)
  return { line: `${open},"hash":"${hash}"}\n`, state: { segment, seq, hash } }
}

// ---- verifying

export type ChainFault =
  | 'header_missing' // the first line is no header of a format that we know
  | 'not_sealed' // the line does not end with a hash
  | 'hash_mismatch' // the line was edited
  | 'prev_mismatch' // a line before it was removed, inserted, edited or moved
  | 'seq_mismatch' // the same, seen by its number
  | 'not_an_event' // sealed, but nothing that a recorder writes
  | 'line_too_long'

export type ReadLine =
  | { readonly ok: true; readonly state: ChainState; readonly header: SegmentHeader }
  | { readonly ok: true; readonly state: ChainState; readonly json: JsonObject }
  | { readonly ok: false; readonly why: ChainFault }

/** Checks one line (without its line feed) against the chain before it; null: this is the segment's first line. */
export function readLine(line: Uint8Array, before: ChainState | null): ReadLine {
  if (line.length >= LINE_MAX_BYTES) return { ok: false, why: 'line_too_long' }
  const hash = sealOf(line)
  if (hash === null) return { ok: false, why: 'not_sealed' }
  if (sha256(line.subarray(0, line.length - SEAL_BYTES)) !== hash) return { ok: false, why: 'hash_mismatch' }
  const json = parse(line)
  if (json === null) return { ok: false, why: before === null ? 'header_missing' : 'not_an_event' }
  return before === null ? readHeader(json, hash) : readEvent(json, hash, before)
}

/** The seal of a line that is whole in itself, whatever came before it; null where it isn't. */
export function selfSealed(line: Uint8Array): string | null {
  const hash = sealOf(line)
  return hash !== null && sha256(line.subarray(0, line.length - SEAL_BYTES)) === hash ? hash : null
}

export type SegmentVerdict =
  | {
      readonly ok: true
      readonly header: SegmentHeader
      readonly events: readonly RecordedEvent[]
      readonly torn: boolean
    }
  /** `line` counts from 0, the header. */
  | { readonly ok: false; readonly line: number; readonly why: ChainFault }

/** Checks a whole segment. Whoever reads large ones folds `readLine` over them instead; see jobs/recording/reader.ts. */
export function verifySegment(bytes: Uint8Array): SegmentVerdict {
  const { lines, tail } = splitLines(bytes)
  const events: RecordedEvent[] = []
  let header: SegmentHeader | null = null
  let state: ChainState | null = null
  for (const [line, content] of lines.entries()) {
    const read = readLine(content, state)
    if (!read.ok) return { ok: false, line, why: read.why }
    state = read.state
    if ('header' in read) header = read.header
    else events.push(recordedEvent(read.json, read.state))
  }
  if (header === null) return { ok: false, line: 0, why: 'header_missing' }
  return { ok: true, header, events, torn: tail.length > 0 }
}

/** What follows the last line feed is the tail: empty, or torn. */
export function splitLines(bytes: Uint8Array): { lines: Uint8Array[]; tail: Uint8Array } {
  const lines: Uint8Array[] = []
  let start = 0
  for (let end = bytes.indexOf(LINE_FEED); end !== -1; end = bytes.indexOf(LINE_FEED, start)) {
    lines.push(bytes.subarray(start, end))
    start = end + 1
  }
  return { lines, tail: bytes.subarray(start) }
}

/**
 * Sealed lines come from a recorder of this format, so that their members are what events.ts says; what a recorder
 * never writes was refused by `readLine`.
 */
export function recordedEvent(json: JsonObject, { segment, seq, hash }: ChainState): RecordedEvent {
  const { seq: _seq, prev: _prev, hash: _hash, ...event } = json
  return { segment, seq, hash, event: event as unknown as AuditEvent }
}

const LINE_FEED = 0x0a
/** `,"hash":"`, 64 hexadecimal digits, `"}`. */
const SEAL = /^,"hash":"([0-9a-f]{64})"\}$/
const SEAL_BYTES = 75

function sealOf(line: Uint8Array): string | null {
  if (line.length <= SEAL_BYTES) return null
  return SEAL.exec(Buffer.from(line.subarray(line.length - SEAL_BYTES)).toString('latin1'))?.[1] ?? null
}

function readHeader(json: JsonObject, hash: string): ReadLine {
  const { type, format, segment, replica, started_at: startedAt, previous = null } = json
  const known = type === 'segment' && format === FORMAT_VERSION
  if (!known || typeof segment !== 'string' || typeof replica !== 'string' || typeof startedAt !== 'number') {
    return { ok: false, why: 'header_missing' }
  }
  const header = { segment, replica, startedAt: startedAt as EpochMs, previous: readPrevious(previous) }
  return { ok: true, state: { segment, seq: 0, hash }, header }
}

function readPrevious(value: unknown): PreviousSegment | null {
  const { segment, hash } = (value ?? {}) as Record<string, unknown>
  return typeof segment === 'string' && typeof hash === 'string' ? { segment, hash } : null
}

function readEvent(json: JsonObject, hash: string, before: ChainState): ReadLine {
  const { seq, prev, at, session_id: session, type } = json
  if (prev !== before.hash) return { ok: false, why: 'prev_mismatch' }
  if (seq !== before.seq + 1) return { ok: false, why: 'seq_mismatch' }
  const plausible = typeof at === 'number' && typeof type === 'string'
  if (!plausible || (session !== null && typeof session !== 'string')) return { ok: false, why: 'not_an_event' }
  return { ok: true, state: { segment: before.segment, seq: before.seq + 1, hash }, json }
}

function parse(line: Uint8Array): JsonObject | null {
  try {
    const value = JSON.parse(Buffer.from(line).toString('utf8'))
    return isObject(value) ? value : null
  } catch {
    return null
  }
}

function sha256(data: string | Uint8Array): string {
  return digest('sha256', data, 'hex')
}

// ---- a session's events across segments

/** A total order that any reader can repeat: no two events share a segment and a number. */
export function inOrder(events: readonly RecordedEvent[]): readonly RecordedEvent[] {
  return [...events].sort((a, b) => a.event.at - b.event.at || compare(a.segment, b.segment) || a.seq - b.seq)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** The events that the session's hash covers, in order: a late line does not change a hash that was published. */
export function coveredByHash(sessionEvents: readonly RecordedEvent[]): readonly RecordedEvent[] {
  const ordered = inOrder(sessionEvents)
  const end = ordered.findIndex(({ event }) => event.type === 'session.ended')
  return end === -1 ? ordered : ordered.slice(0, end + 1)
}

export function recordingHash(sessionEvents: readonly RecordedEvent[]): string {
  return sha256(
    coveredByHash(sessionEvents)
      .map(({ hash }) => hash)
      .join(''),
  )
}

/** `rec_…`: the session's id under another prefix. */
export function recordingId(session: SessionId): string {
  return session.replace(/^ses_/, 'rec_')
}

/** A session by either of its names. */
export function sessionOf(id: string): SessionId {
  return id.replace(/^rec_/, 'ses_') as SessionId
}
