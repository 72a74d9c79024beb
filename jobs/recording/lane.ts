/**
 * One segment's writes and syncs. A write is acknowledged at once where `written` was asked for; who asked for `synced`
 * waits for an fdatasync that began after the write. One is in flight at a time: those who come meanwhile share the
 * next. Without anyone waiting the group is synced GROUP_SYNC_MS after its first write.
 */
import type { SealedLine } from '../../src/audit/chain.ts'
import { sealJson } from '../../src/audit/chain.ts'
import { GatewayError } from '../../src/errors.ts'
import type { Segment } from './segment.ts'

/** How long an allowed call's intent may be in the page cache alone. */
export const GROUP_SYNC_MS = 5

export interface Waiting {
  readonly json: string
  readonly durability: 'written' | 'synced'
  readonly resolve: () => void
  readonly reject: (error: GatewayError) => void
}

export interface Lane {
  readonly segment: Segment
  readonly unsyncedEvents: number
  readonly unsyncedBytes: number
  /** Throws where the segment can't take the group; then none of it is acknowledged. */
  write(group: readonly Waiting[]): void
  /** Takes no more writes; resolves when it is synced (or has failed) and closed. */
  retire(): Promise<void>
  /** After a fault: everyone who waits for the disk is refused. */
  abandon(error: GatewayError): void
}

export function createLane(segment: Segment, on: { end(): void; fault(error: unknown): void }): Lane {
  let unsyncedEvents = 0
  let unsyncedBytes = 0
  let awaited: Waiting[] = []
  let timer: NodeJS.Timeout | undefined
  let syncing: Promise<void> | null = null
  let ended = false

  const end = () => {
    if (ended) return
    ended = true
    clearTimeout(timer)
    // Closing under a running fdatasync would let it sync whichever file is given the number next.
    if (syncing === null) segment.close()
    else void syncing.finally(() => segment.close())
    on.end()
  }

  const schedule = () => {
    if (syncing !== null || ended || unsyncedEvents === 0) return
    if (awaited.length > 0) void syncNow()
    else timer ??= setTimeout(() => void syncNow(), GROUP_SYNC_MS)
  }

  const syncNow = (): Promise<void> => {
    clearTimeout(timer)
    timer = undefined
    syncing ??= sync().finally(() => {
      syncing = null
      schedule()
    })
    return syncing
  }

  const sync = async (): Promise<void> => {
    const covered = { awaited, events: unsyncedEvents, bytes: unsyncedBytes }
    awaited = []
    try {
      await segment.sync()
    } catch (error) {
      rejectAll(covered.awaited, refusal(describe(error)))
      return on.fault(error)
    }
    unsyncedEvents -= covered.events
    unsyncedBytes -= covered.bytes
    for (const { resolve } of covered.awaited) resolve()
  }

  return {
    segment,
    get unsyncedEvents() {
      return unsyncedEvents
    },
    get unsyncedBytes() {
      return unsyncedBytes
    },
    write(group) {
      const lines = sealAll(group, segment)
      const before = segment.bytes
      segment.append(lines)
      unsyncedEvents += group.length
      unsyncedBytes += segment.bytes - before
      for (const waiting of group) {
        if (waiting.durability === 'synced') awaited.push(waiting)
        else waiting.resolve()
      }
      schedule()
    },
    async retire() {
      while (!ended && unsyncedEvents > 0) await syncNow()
      end()
    },
    abandon(error) {
      rejectAll(awaited, error)
      awaited = []
      end()
    },
  }
}

function sealAll(group: readonly Waiting[], { state: from }: Segment): readonly SealedLine[] {
  let state = from
  return group.map(({ json }) => {
    const sealed = sealJson(json, state)
    state = sealed.state
    return sealed
  })
}

export function rejectAll(group: readonly Waiting[], error: GatewayError): void {
  for (const { reject } of group) reject(error)
}

export function refusal(why: string): GatewayError {
  return new GatewayError('recording_failed', `The recording can't be written: ${why}.`)
}

/** The system's code where there is one: its message would add the path, which is the operator's business. */
export function describe(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  return (error as NodeJS.ErrnoException).code ?? error.message
}
