/**
 * Writes the recording: one open segment a process, everything of one turn of the event loop in one write, and one
 * fdatasync at a time that covers all who came meanwhile.
 *
 *   opening ──► open ──write or sync failed──► failed ──a new segment is durable──► open
 *                └────────── full ──► a new segment, chained to this one
 *
 * What was acknowledged is in the file (`written`) or on the disk (`synced`). Any error fails the whole batch and everyone
 * who waits for the disk, and nothing is accepted until a new segment has proved to be writable *and* syncable: a
 * recorder that forgets in silence is worse than none, because calls go through on its word. A line that was written
 * but not acknowledged may stay behind: an intent without outcome, which the summary shows as unknown.
 *
 * Nothing is ever truncated. After a crash or a failure the next segment names the last good line of the one before.
 */
import { mkdir } from 'node:fs/promises'
import type { PreviousSegment } from '../../src/audit/chain.ts'
import { LINE_MAX_BYTES } from '../../src/audit/chain.ts'
import type { AuditEvent } from '../../src/audit/events.ts'
import type { Clock, Ids, Log, Recorder } from '../../src/ports.ts'
import type { Lane, Waiting } from './lane.ts'
import { createLane, describe, refusal, rejectAll } from './lane.ts'
import type { Segment } from './segment.ts'
import { createSegment, findPrevious } from './segment.ts'

/** Small enough to copy and to read in a second; a busy gateway fills one in about ten minutes. */
export const SEGMENT_MAX_BYTES = 64 * 1024 * 1024
/** Events not yet on the disk. A disk that stalls for long must stop the calls, not fill the memory. */
const UNSYNCED_MAX_EVENTS = 20_000
const UNSYNCED_MAX_BYTES = 64 * 1024 * 1024
const REOPEN_MIN_MS = 100
const REOPEN_MAX_MS = 5_000
/** `seq`, `prev` and `hash` with their names. */
const SEAL_OVERHEAD_BYTES = 256

export interface RecorderOptions {
  /** Made where it is missing. Several replicas may share it. */
  readonly directory: string
  /** Names this process in its segments; no host name. */
  readonly replica: string
  /** `always`: `written` means `synced`. */
  readonly sync: 'group' | 'always'
  readonly maxSegmentBytes?: number
  readonly clock: Clock
  readonly ids: Ids
  readonly log: Log
}

export type RecordingHealth = { readonly ok: true } | { readonly ok: false; readonly why: string }

export interface FileRecorder extends Recorder {
  /** For readiness: whether a record would be accepted now. */
  canRecord(): RecordingHealth
  /** Writes and syncs what is left; records are refused from then on. Never rejects. */
  close(): Promise<void>
}

type State =
  | { readonly name: 'open'; readonly lane: Lane }
  | { readonly name: 'failed'; readonly why: string; readonly previous: PreviousSegment | null }
  | { readonly name: 'closed' }

/** Resolves when the first attempt to open a segment has ended, well or not: `canRecord` tells. Never rejects. */
export async function startRecorder(options: RecorderOptions): Promise<FileRecorder> {
  const recorder = new SegmentRecorder(options)
  await recorder.open()
  return recorder
}

class SegmentRecorder implements FileRecorder {
  readonly #options: RecorderOptions
  readonly #lanes = new Set<Lane>()
  #state: State = { name: 'failed', why: 'the first segment is not open yet', previous: null }
  #batch: Waiting[] = []
  #batchBytes = 0
  #reopenAfterMs = REOPEN_MIN_MS
  #reopenTimer: NodeJS.Timeout | undefined

  constructor(options: RecorderOptions) {
    this.#options = options
  }

  record(event: AuditEvent, durability: 'written' | 'synced'): Promise<void> {
    const why = this.#whyNot()
    if (why !== null) return Promise.reject(refusal(why))
    const json = JSON.stringify(event)
    const bytes = json.length + SEAL_OVERHEAD_BYTES
    // UTF-8 takes at most three bytes for one of JavaScript's code units.
    if (bytes * 3 > LINE_MAX_BYTES && Buffer.byteLength(json) + SEAL_OVERHEAD_BYTES > LINE_MAX_BYTES) {
      return Promise.reject(refusal(`an event of type ${event.type} is larger than ${LINE_MAX_BYTES} bytes`))
    }
    return new Promise((resolve, reject) => {
      // After the callbacks of this turn, so that all that they record is one write.
      if (this.#batch.length === 0) setImmediate(() => this.#flush())
      this.#batch.push({ json, durability: this.#options.sync === 'always' ? 'synced' : durability, resolve, reject })
      this.#batchBytes += bytes
    })
  }

  canRecord(): RecordingHealth {
    const why = this.#whyNot()
    return why === null ? { ok: true } : { ok: false, why }
  }

  async close(): Promise<void> {
    if (this.#state.name === 'closed') return
    this.#flush()
    clearTimeout(this.#reopenTimer)
    this.#state = { name: 'closed' }
    await Promise.all([...this.#lanes].map((lane) => lane.retire()))
  }

  /** Proves the whole way to the disk before anything is accepted. */
  async open(): Promise<void> {
    const previous = this.#state.name === 'failed' ? this.#state.previous : null
    let segment: Segment | null = null
    try {
      await mkdir(this.#options.directory, { recursive: true, mode: 0o700 })
      segment = newSegment(this.#options, previous ?? (await findPrevious(this.#options.directory)))
      await segment.sync()
    } catch (error) {
      segment?.discard()
      return this.#fail(error, previous)
    }
    if (this.#state.name === 'closed') return segment.close()
    this.#reopenAfterMs = REOPEN_MIN_MS
    this.#state = { name: 'open', lane: this.#laneOf(segment) }
    this.#options.log.info('recording: open', { segment: segment.state.segment })
  }

  #flush(): void {
    const group = this.#batch
    const bytes = this.#batchBytes
    this.#batch = []
    this.#batchBytes = 0
    if (this.#state.name !== 'open') {
      rejectAll(group, refusal(this.#whyNot() ?? 'it was closed'))
      return
    }
    if (group.length === 0) return
    try {
      const { segment } = this.#state.lane
      const maxBytes = this.#options.maxSegmentBytes ?? SEGMENT_MAX_BYTES
      // A segment takes one group at least, however large.
      if (segment.state.seq > 0 && segment.bytes + bytes > maxBytes) this.#rotate(this.#state.lane)
      this.#state.lane.write(group)
    } catch (error) {
      rejectAll(group, refusal(describe(error)))
      this.#fault(error)
    }
  }

  #rotate(full: Lane): void {
    this.#state = { name: 'open', lane: this.#laneOf(newSegment(this.#options, positionOf(full.segment))) }
    void full.retire()
  }

  #laneOf(segment: Segment): Lane {
    const lane = createLane(segment, {
      end: () => void this.#lanes.delete(lane),
      fault: (error) => this.#fault(error),
    })
    this.#lanes.add(lane)
    return lane
  }

  /** Also for the sync of a segment that was full: what follows it must not vouch for what may be lost. */
  #fault(error: unknown): void {
    if (this.#state.name === 'open') this.#fail(error, positionOf(this.#state.lane.segment))
    for (const lane of [...this.#lanes]) lane.abandon(refusal(describe(error)))
  }

  #fail(error: unknown, previous: PreviousSegment | null): void {
    if (this.#state.name === 'closed') return
    const why = describe(error)
    const news = this.#state.name === 'open' || this.#state.why !== why
    if (news) this.#options.log.error('recording: failed, nothing goes through', { why, segment: previous?.segment })
    this.#state = { name: 'failed', why, previous }
    this.#reopenTimer = setTimeout(() => void this.open(), this.#reopenAfterMs).unref()
    this.#reopenAfterMs = Math.min(this.#reopenAfterMs * 2, REOPEN_MAX_MS)
  }

  #whyNot(): string | null {
    if (this.#state.name === 'closed') return 'it is closed'
    if (this.#state.name === 'failed') return this.#state.why
    let events = this.#batch.length
    let bytes = this.#batchBytes
    for (const lane of this.#lanes) {
      events += lane.unsyncedEvents
      bytes += lane.unsyncedBytes
    }
    return events >= UNSYNCED_MAX_EVENTS || bytes >= UNSYNCED_MAX_BYTES ? 'the disk does not keep up' : null
  }
}

function newSegment({ directory, replica, clock, ids }: RecorderOptions, previous: PreviousSegment | null): Segment {
  return createSegment(directory, { segment: ids.next('seg'), replica, startedAt: clock.now(), previous })
}

function positionOf({ state }: Segment): PreviousSegment {
  return { segment: state.segment, hash: state.hash }
}
