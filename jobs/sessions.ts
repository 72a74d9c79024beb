/**
 * Which session a call belongs to: one principal, one upstream, from the first call until nobody called for `idleMs`.
 *
 * A call of a known session costs a look into a map. That must never answer with a session which has been ended: the
 * worker in another process ends one only when Redis' `touchedAt` is `idleMs` old (session-store.ts, END), and this
 * process answers from memory only for half of `idleMs` after it *sent* a touch that Redis confirmed. Both spans are
 * measured by clocks that don't step, so that at least half of `idleMs` lies between such a call and the earliest end.
 * Touches since then are sent together every quarter of it, at most every few seconds.
 *
 * A session begins in three steps: Redis has it, `session.started` is recorded, the job that ends it stands. Only then
 * is it marked as announced; whoever finds one that isn't repeats the two last steps, both of which may be repeated.
 */
import { performance } from 'node:perf_hooks'
import type { SessionId } from '../src/brands.ts'
import { GatewayError } from '../src/errors.ts'
import type { PrincipalSummary } from '../src/identity/principal.ts'
import type { Clock, Ids, Recorder, Sessions } from '../src/ports.ts'
import { openQueue } from './queues.ts'
import type { RedisHandle } from './redis.ts'
import type { SessionJob } from './session-store.ts'
import { ANNOUNCE, endJob, FLUSH, SESSIONS_QUEUE, sessionKeys, TOUCH } from './session-store.ts'

const FLUSH_MAX_MS = 3_000
/** Some 300 bytes each. One more costs the oldest its place, and its next call a round trip. */
const CACHED_SESSIONS_MAX = 10_000
/** Redis runs nothing else meanwhile: 1,000 take it about a millisecond. */
const FLUSH_BATCH_MAX = 1_000

export interface SessionsOptions {
  readonly redis: RedisHandle
  readonly recorder: Recorder
  readonly clock: Clock
  readonly ids: Ids
  readonly idleMs: number
}

export interface SessionRegistry extends Sessions {
  /** Sends the touches that are still due. Never rejects. */
  close(): Promise<void>
}

interface Known {
  readonly id: SessionId
  /** performance.now() when the last touch that Redis confirmed was sent. */
  confirmedAt: number
  /** Touched since. */
  dirty: boolean
}

export function createSessions(options: SessionsOptions): SessionRegistry {
  const { redis, idleMs } = options
  const keys = sessionKeys(redis)
  const queue = openQueue<SessionJob>(redis, SESSIONS_QUEUE)
  const known = new Map<string, Known>()
  const opening = new Map<string, Promise<SessionId>>()
  const isFresh = ({ confirmedAt }: Known) => performance.now() - confirmedAt < idleMs / 2

  const open = async (pair: string, principal: PrincipalSummary, upstream: string): Promise<SessionId> => {
    const confirmedAt = performance.now()
    const { id, announced } = await touchInRedis(options, principal, upstream)
    if (!announced) {
      const at = options.clock.now()
      await options.recorder.record({ type: 'session.started', at, session_id: id, principal, upstream }, 'written')
      await queue.add(endJob(id, idleMs))
      await redis.runInTime(ANNOUNCE, [keys.session(id)], [])
    }
    known.delete(pair)
    known.set(pair, { id, confirmedAt, dirty: false })
    const oldest = known.size > CACHED_SESSIONS_MAX ? known.keys().next().value : undefined
    if (oldest !== undefined) known.delete(oldest)
    return id
  }

  const flush = async (): Promise<void> => {
    for (const [pair, session] of known) if (!session.dirty && !isFresh(session)) known.delete(pair)
    const dirty = [...known].filter(([, session]) => session.dirty)
    for (let from = 0; from < dirty.length; from += FLUSH_BATCH_MAX) {
      await flushBatch(dirty.slice(from, from + FLUSH_BATCH_MAX))
    }
  }

  const flushBatch = async (batch: readonly (readonly [string, Known])[]): Promise<void> => {
    const sentAt = performance.now()
    for (const [, session] of batch) session.dirty = false
    try {
      const answers = await redis.run(
        FLUSH,
        batch.map(([, { id }]) => keys.session(id)),
        [],
      )
      for (const [index, [pair, session]] of batch.entries()) {
        if (Array.isArray(answers) && answers[index] === 1) session.confirmedAt = sentAt
        else if (known.get(pair) === session) known.delete(pair)
      }
    } catch {
      // jobs/redis.ts has said that Redis is away. They stay due, and their calls stop before the session could end.
      for (const [, session] of batch) session.dirty = true
    }
  }

  const timer = setInterval(() => void flush(), Math.min(FLUSH_MAX_MS, idleMs / 4)).unref()

  return {
    touch(principal, upstream) {
      const pair = `${upstream}\n${principal.id}`
      const session = known.get(pair)
      if (session !== undefined && isFresh(session)) {
        session.dirty = true
        return session.id
      }
      // Many first calls at once are one question to Redis, and one session.started.
      const asked = opening.get(pair) ?? open(pair, principal, upstream).finally(() => opening.delete(pair))
      opening.set(pair, asked)
      return asked
    },
    async close() {
      clearInterval(timer)
      await flush()
      await queue.close()
    },
  }
}

async function touchInRedis(
  { redis, ids }: SessionsOptions,
  principal: PrincipalSummary,
  upstream: string,
): Promise<{ id: SessionId; announced: boolean }> {
  const keys = sessionKeys(redis)
  const args = [ids.next('ses'), keys.sessionPrefix]
  const [word, id, announced] = await redis.runInTime(TOUCH, [keys.pair(principal.id, upstream), keys.open], args)
  if (word !== 'open' || typeof id !== 'string') throw new GatewayError('internal', 'session-touch answered otherwise')
  return { id: id as SessionId, announced: announced === '1' }
}
