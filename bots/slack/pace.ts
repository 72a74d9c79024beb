/**
 * Keeps to Slack's rate limits (docs.slack.dev/apis/web-api/rate-limits): about one message a second into each
 * conversation, and after a 429 nothing in that lane before its Retry-After is over. A lane is a method, or, for
 * messages, a method and a conversation: a busy room must hold up neither another nor the repaint of what was decided.
 *
 * Nobody waits here. Who comes too early is told when to come back, each a little later than the one before, so that they
 * do not all come at once.
 */
import { ChannelBusy, type Clock } from '../../src/ports.ts'
import { LANES_MAX, POST_BURST_MAX, POST_EVERY_MS, QUEUE_WAIT_MAX_MS } from './limits.ts'
import { asChannelError } from './web.ts'

export interface Lane {
  readonly method: string
  /** Set: messages into this conversation. */
  readonly conversation?: string
}

export interface Pace {
  /** Rejects as asChannelError says; with ChannelBusy also without asking Slack. */
  run<Answer>(lane: Lane, call: () => Promise<Answer>): Promise<Answer>
}

interface LaneState {
  /** Slack said 429: closed until then. */
  closedUntil: number
  /** When the next message would be due, had each waited for its turn (GCRA: theoretical arrival time). */
  dueAt: number
  /** The last turn that was given to one who came too early. */
  turnAt: number
}

export function createPace(clock: Pick<Clock, 'now'>): Pace {
  const lanes = new Map<string, LaneState>()
  const laneOf = (key: string): LaneState => {
    const known = lanes.get(key)
    if (known !== undefined) return known
    if (lanes.size >= LANES_MAX) lanes.delete(lanes.keys().next().value ?? '')
    const state = { closedUntil: 0, dueAt: 0, turnAt: 0 }
    lanes.set(key, state)
    return state
  }
  return {
    async run({ method, conversation }, call) {
      const lane = laneOf(conversation === undefined ? method : `${method} ${conversation}`)
      takeTurn(lane, clock.now(), conversation !== undefined)
      try {
        return await call()
      } catch (error) {
        const told = asChannelError(method, error)
        if (!(told instanceof ChannelBusy)) throw told
        lane.closedUntil = Math.max(lane.closedUntil, clock.now() + told.retryAfterMs)
        lane.turnAt = Math.max(lane.turnAt, lane.closedUntil)
        throw new ChannelBusy(told.retryAfterMs, { cause: told.cause, isForThisOnly: true })
      }
    },
  }
}

function takeTurn(lane: LaneState, now: number, isMessage: boolean): void {
  const burstMs = isMessage ? (POST_BURST_MAX - 1) * POST_EVERY_MS : Number.POSITIVE_INFINITY
  const openAt = Math.max(lane.closedUntil, lane.dueAt - burstMs)
  if (openAt > now) {
    const turnAt = Math.max(openAt, lane.turnAt + POST_EVERY_MS)
    const waitMs = Math.min(turnAt - now, Math.max(openAt - now, QUEUE_WAIT_MAX_MS))
    // Whoever is further behind gets a turn when it asks again: turns that nobody can take would hold up all the others.
    if (waitMs === turnAt - now) lane.turnAt = turnAt
    throw new ChannelBusy(waitMs, { isForThisOnly: true })
  }
  if (isMessage) lane.dueAt = Math.max(lane.dueAt, now) + POST_EVERY_MS
}
