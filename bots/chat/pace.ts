/**
 * Keeps to a chat's rate limits ahead of time, and after "later" leaves that lane alone until it is over. A lane is what
 * the chat counts by itself: a method, or messages into one conversation. A busy room must hold up neither another nor
 * the repaint of what was decided.
 *
 * Nobody waits here. Who comes too early is told when to come back, each a little later than the one before, so that they
 * do not all come at once.
 */
import { ChannelBusy, type Clock } from '../../src/ports.ts'

/** Lanes whose pace is remembered; one that is forgotten starts anew. */
const LANES_MAX = 2000
/** Nobody in a queue is told to wait longer than this before asking again. */
const QUEUE_WAIT_MAX_MS = 60_000

/** In any time of `n × everyMs` no more than `burst + n` messages. */
export interface Limit {
  readonly burst: number
  readonly everyMs: number
}

export interface Lane {
  readonly method: string
  /** Set: messages into this conversation. */
  readonly conversation?: string
}

export interface Pace {
  /** Rejects as `asChannelError` says; with ChannelBusy also without asking the chat. */
  run<Answer>(lane: Lane, call: () => Promise<Answer>): Promise<Answer>
}

export interface PaceOptions {
  readonly clock: Pick<Clock, 'now'>
  /** Of messages into one conversation; all of them hold. */
  readonly limits: readonly [Limit, ...Limit[]]
  /**
   * The chat's own error as ours: ChannelBusy, of this lane alone or of all; ChannelRefused; another where nobody can
   * tell.
   */
  readonly asChannelError: (method: string, error: unknown) => unknown
}

interface LaneState {
  /** The chat said "later": closed until then. */
  closedUntil: number
  /** For each limit, when the next message would be due, had each waited for its turn (GCRA: theoretical arrival time). */
  readonly dueAt: number[]
  /** The last turn that was given to one who came too early. */
  turnAt: number
}

export function createPace({ clock, limits, asChannelError }: PaceOptions): Pace {
  const lanes = new Map<string, LaneState>()
  const laneOf = (key: string): LaneState => {
    const known = lanes.get(key)
    if (known !== undefined) return known
    if (lanes.size >= LANES_MAX) lanes.delete(lanes.keys().next().value ?? '')
    const state = { closedUntil: 0, dueAt: limits.map(() => 0), turnAt: 0 }
    lanes.set(key, state)
    return state
  }
  return {
    async run({ method, conversation }, call) {
      const lane = laneOf(conversation === undefined ? method : `${method} ${conversation}`)
      takeTurn(lane, clock.now(), { limits, isMessage: conversation !== undefined })
      try {
        return await call()
      } catch (error) {
        const told = asChannelError(method, error)
        if (told instanceof ChannelBusy && told.isForThisOnly) {
          lane.closedUntil = Math.max(lane.closedUntil, clock.now() + told.retryAfterMs)
          lane.turnAt = Math.max(lane.turnAt, lane.closedUntil)
        }
        throw told
      }
    },
  }
}

function takeTurn(
  lane: LaneState,
  now: number,
  { limits, isMessage }: { readonly limits: PaceOptions['limits']; readonly isMessage: boolean },
): void {
  let openAt = lane.closedUntil
  let { everyMs } = limits[0]
  if (isMessage) {
    for (const [at, limit] of limits.entries()) {
      const heldUntil = (lane.dueAt[at] ?? 0) - (limit.burst - 1) * limit.everyMs
      if (heldUntil <= openAt) continue
      openAt = heldUntil
      everyMs = limit.everyMs
    }
  }
  if (openAt > now) {
    const turnAt = Math.max(openAt, lane.turnAt + everyMs)
    const waitMs = Math.min(turnAt - now, Math.max(openAt - now, QUEUE_WAIT_MAX_MS))
    // Whoever is further behind gets a turn when it asks again: turns that nobody can take would hold up all the others.
    if (waitMs === turnAt - now) lane.turnAt = turnAt
    throw new ChannelBusy(waitMs, { isForThisOnly: true })
  }
  if (!isMessage) return
  for (const [at, limit] of limits.entries()) lane.dueAt[at] = Math.max(lane.dueAt[at] ?? 0, now) + limit.everyMs
}
