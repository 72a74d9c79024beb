/**
 * Reads a directory's segments, checking every line's place in the chain on the way. Streams: a segment is never in
 * memory as a whole, only what the caller keeps of it.
 *
 * Events behind the first broken line are still handed out, marked `trusted: false`, so that a person can look at them;
 * nothing that counts or hashes may use them.
 */
import { open, stat } from 'node:fs/promises'
import { basename } from 'node:path'
import type {
  ChainFault,
  ChainState,
  PreviousSegment,
  ReadLine,
  RecordedEvent,
  SegmentHeader,
} from '../../src/audit/chain.ts'
import { LINE_MAX_BYTES, readLine, recordedEvent, splitLines } from '../../src/audit/chain.ts'
import type { SessionOverview } from '../../src/audit/timeline.ts'
import { addToOverview, isTooMany } from '../../src/audit/timeline.ts'
import type { EpochMs, SessionId } from '../../src/brands.ts'
import { isObject } from '../../src/json/value.ts'
import { listSegmentFiles, segmentIdOf } from './segment.ts'

const LINE_FEED = 0x0a
const CHUNK_BYTES = 256 * 1024
/** What one session may bring into memory: some 200 MB of usual events. */
const SESSION_MAX_EVENTS = 200_000
/** A file's last write and our clock may differ by the file system's granularity; NFS and FAT count in seconds. */
const MTIME_SLACK_MS = 5_000

export interface ReadEvent extends RecordedEvent {
  readonly trusted: boolean
}

export interface SegmentReport {
  readonly file: string
  /** Null where not even the header could be read. */
  readonly segment: string | null
  readonly events: number
  /** `line` counts from 0, the header. */
  readonly problem: { readonly line: number; readonly why: ChainFault | 'misnamed' } | null
  /** The end of a crash: the last line is not whole, and was never acknowledged. */
  readonly torn: boolean
  /** Whether the segment that its header names holds the hash that it names. `missing`: moved away, or removed. */
  readonly previous: 'none' | 'found' | 'missing' | 'broken'
}

export interface Selection {
  /** Hand out the events of this session alone; every line is checked all the same. */
  readonly session?: SessionId
  /** Leave out the segments whose last write was before. */
  readonly writtenSince?: EpochMs
}

/** Rejects where the directory or a file can't be read. Files in the order of their names. */
export async function readSegments(
  directory: string,
  selection: Selection,
  visit: (event: ReadEvent) => void,
): Promise<readonly SegmentReport[]> {
  const files = await select(listSegmentFiles(directory), selection.writtenSince)
  // One after the other: a month has thousands of files, and there are not that many descriptors.
  const headers: (SegmentHeader | null)[] = []
  for (const file of files) headers.push(await readHeaderOf(file))
  const promised = new Map<string, Set<string>>()
  for (const header of headers) promise(promised, header?.previous ?? null)

  const reports: SegmentReport[] = []
  const kept = new Set<string>()
  for (const file of files) {
    const expected = promised.get(segmentIdOf(file)) ?? new Set()
    reports.push(await readSegment(file, selection.session, visit, (hash) => expected.has(hash) && kept.add(hash)))
  }
  // By name, so that emptying a file doesn't pass for moving it away.
  const present = new Set(files.map(segmentIdOf))
  return reports.map((report, index) => {
    const previous = headers[index]?.previous ?? null
    if (previous === null) return report
    if (!present.has(previous.segment)) return { ...report, previous: 'missing' }
    return { ...report, previous: kept.has(previous.hash) ? 'found' : 'broken' }
  })
}

/** Oldest first. Built from trusted events alone: the reports say where others were left out. */
export async function listSessions(
  directory: string,
): Promise<{ sessions: readonly SessionOverview[]; segments: readonly SegmentReport[] }> {
  const sessions = new Map<SessionId, SessionOverview>()
  const segments = await readSegments(directory, {}, (event) => {
    if (event.trusted) addToOverview(sessions, event.event)
    if (isTooMany(sessions)) throw new RangeError('more sessions than can be listed: move old segments elsewhere')
  })
  return { sessions: [...sessions.values()].sort((a, b) => a.startedAt - b.startedAt), segments }
}

/** In the order of the files; `inOrder` sorts. */
export async function readSession(
  directory: string,
  session: SessionId,
  writtenSince?: EpochMs,
): Promise<{ events: readonly ReadEvent[]; segments: readonly SegmentReport[] }> {
  const events: ReadEvent[] = []
  const selection = writtenSince === undefined ? { session } : { session, writtenSince }
  const segments = await readSegments(directory, selection, (event) => {
    events.push(event)
    if (events.length > SESSION_MAX_EVENTS) throw new RangeError(`a session of more than ${SESSION_MAX_EVENTS} events`)
  })
  return { events, segments }
}

export function isBroken({ problem, previous }: SegmentReport): boolean {
  return problem !== null || previous === 'broken'
}

async function select(files: readonly string[], writtenSince: EpochMs | undefined): Promise<readonly string[]> {
  if (writtenSince === undefined) return files
  const writtenAt = await Promise.all(files.map(async (file) => (await stat(file)).mtimeMs))
  return files.filter((_, index) => (writtenAt[index] ?? 0) >= writtenSince - MTIME_SLACK_MS)
}

function promise(promised: Map<string, Set<string>>, previous: PreviousSegment | null): void {
  if (previous === null) return
  const hashes = promised.get(previous.segment) ?? new Set()
  promised.set(previous.segment, hashes.add(previous.hash))
}

async function readHeaderOf(file: string): Promise<SegmentHeader | null> {
  for await (const line of linesOf(file)) {
    if (line.end === 'torn') return null
    const read = readLine(line.bytes, null)
    return read.ok && 'header' in read ? read.header : null
  }
  return null
}

async function readSegment(
  file: string,
  session: SessionId | undefined,
  visit: (event: ReadEvent) => void,
  seen: (hash: string) => void,
): Promise<SegmentReport> {
  const report = {
    file,
    segment: null as string | null,
    events: 0,
    problem: null as SegmentReport['problem'],
    torn: false,
  }
  let state: ChainState | null = null
  let number = 0
  const deliver = (event: RecordedEvent | null, trusted: boolean) => {
    if (event !== null && isWanted(event, session)) visit({ ...event, trusted })
  }
  for await (const { bytes, end } of linesOf(file)) {
    if (end === 'torn') {
      report.torn = true
      break
    }
    const read: ReadLine | null = report.problem === null ? readLine(bytes, state) : null
    if (read?.ok && 'header' in read && read.header.segment !== segmentIdOf(file)) {
      report.problem = { line: number, why: 'misnamed' }
    } else if (read?.ok) {
      state = read.state
      seen(state.hash)
      if ('header' in read) report.segment = read.header.segment
      else {
        report.events += 1
        deliver(recordedEvent(read.json, state), true)
      }
    } else {
      if (read !== null) report.problem = { line: number, why: read.why }
      deliver(parseDoubtful(bytes, report.segment ?? basename(file)), false)
    }
    number += 1
  }
  // Nothing but a torn header is what a crash while creating the file leaves behind: no problem, and no events.
  return { ...report, previous: 'none' }
}

function isWanted({ event }: RecordedEvent, session: SessionId | undefined): boolean {
  return session === undefined || event.session_id === session
}

/** A line behind a break, as far as it can be shown at all. */
function parseDoubtful(line: Uint8Array, segment: string): RecordedEvent | null {
  try {
    const json = JSON.parse(Buffer.from(line).toString('utf8'))
    if (!isObject(json) || typeof json.at !== 'number' || typeof json.type !== 'string') return null
    const seq = typeof json.seq === 'number' ? json.seq : -1
    return recordedEvent(json, { segment, seq, hash: typeof json.hash === 'string' ? json.hash : '' })
  } catch {
    return null
  }
}

interface FileLine {
  readonly bytes: Uint8Array
  readonly end: 'whole' | 'torn'
}

async function* linesOf(file: string): AsyncGenerator<FileLine> {
  const handle = await open(file, 'r')
  try {
    let parts: Uint8Array[] = []
    let partBytes = 0
    for (;;) {
      const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(CHUNK_BYTES), 0, CHUNK_BYTES, null)
      if (bytesRead === 0) break
      parts.push(buffer.subarray(0, bytesRead))
      partBytes += bytesRead
      // readLine refuses it by its length, so that a file without line feeds can't fill the memory.
      if (partBytes >= LINE_MAX_BYTES + CHUNK_BYTES) return yield { bytes: Buffer.concat(parts), end: 'whole' }
      if (!parts.at(-1)?.includes(LINE_FEED)) continue
      const { lines, tail } = splitLines(Buffer.concat(parts))
      for (const bytes of lines) yield { bytes, end: 'whole' }
      parts = [tail]
      partBytes = tail.length
    }
    if (partBytes > 0) yield { bytes: Buffer.concat(parts), end: 'torn' }
  } finally {
    await handle.close()
  }
}
