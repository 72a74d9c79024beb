/**
 * Sessions in Redis, so that replicas share them, and what they are called there.
 *
 *   session-of:<digest>   string  the open session of one principal and upstream
 *   session:<id>          hash    pair (its session-of key), startedAt, touchedAt, announced, endedAt; posted:<place>:
 *                                 where its summary stands, posted:<place>:details: that they are below it,
 *                                 posting:…: when either was last tried
 *   sessions-open         zset    by startedAt: those whose summary is not handed on yet
 *
 * All times in it are Redis' own. Who the principal is stands in the recording alone.
 */
import { createHash } from 'node:crypto'
import type { PrincipalId, SessionId } from '../src/brands.ts'
import type { Job } from './queues.ts'
import type { RedisHandle } from './redis.ts'
import { defineScript, REFUSE_LATE } from './redis.ts'

export const SESSIONS_QUEUE = 'sessions'

export interface SessionJob {
  readonly sessionId: SessionId
}

/** The job that ends a session. Its id follows from the session's: adding it again changes nothing. */
export function endJob(sessionId: SessionId, delayMs: number): Job<SessionJob> {
  return { id: `session-${sessionId}`, data: { sessionId }, delayMs }
}

/** How long an ended session's hash stays: longer than its summaries are tried. */
const KEPT_MS = 7 * 24 * 60 * 60 * 1000

export function sessionKeys({ key }: Pick<RedisHandle, 'key'>) {
  return {
    pair: (principal: PrincipalId, upstream: string) =>
      // An upstream's name has no line feed (config/settings.ts), so that no two pairs have one digest.
      key('session-of', createHash('sha256').update(`${upstream}\n${principal}`).digest('hex')),
    session: (id: SessionId) => key('session', id),
    sessionPrefix: key('session', ''),
    open: key('sessions-open'),
  }
}

/**
 * The open session of a pair, or a new one.
 *
 * KEYS  1 pair  2 sessions-open
 * ARGV  1 notAfter  2 id of a new session  3 prefix of sessions' keys
 * Answers  open, id, announced ('1' or '') | late
 */
export const TOUCH = defineScript(
  'session-touch',
  `${REFUSE_LATE}
local id = redis.call('GET', KEYS[1])
if not id then
  id = ARGV[2]
  redis.call('SET', KEYS[1], id)
  redis.call('HSET', ARGV[3] .. id, 'pair', KEYS[1], 'startedAt', now)
  redis.call('ZADD', KEYS[2], now, id)
end
redis.call('HSET', ARGV[3] .. id, 'touchedAt', now)
return {'open', id, redis.call('HGET', ARGV[3] .. id, 'announced') or ''}
`,
)

/**
 * Its start is recorded and its end's job stands.
 *
 * KEYS  1 session
 * ARGV  1 notAfter
 * Answers  announced | late
 */
export const ANNOUNCE = defineScript(
  'session-announce',
  `${REFUSE_LATE}
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], 'announced', '1') end
return {'announced'}
`,
)

/**
 * Touches many known sessions. Late is no harm: a session then lives a little longer.
 *
 * KEYS  sessions
 * Answers  for each 1, or 0 where it has ended
 */
export const FLUSH = defineScript(
  'session-flush',
  `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local answers = {}
for i, key in ipairs(KEYS) do
  local session = redis.call('HMGET', key, 'pair', 'endedAt')
  if session[1] and not session[2] then
    redis.call('HSET', key, 'touchedAt', now)
    answers[i] = 1
  else
    answers[i] = 0
  end
end
return answers
`,
)

/**
 * Ends a session that nobody touched for long enough. From then on a touch of its pair starts another.
 *
 * KEYS  1 session
 * ARGV  1 id  2 idle time, ms
 * Answers  ended, startedAt (also where it had ended before) | alive, ms until it may end | unknown
 */
export const END = defineScript(
  'session-end',
  `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local session = redis.call('HMGET', KEYS[1], 'pair', 'startedAt', 'touchedAt', 'endedAt')
if not session[1] then return {'unknown'} end
if session[4] then return {'ended', session[2]} end
local left = session[3] + ARGV[2] - now
if left > 0 then return {'alive', left} end
if redis.call('GET', session[1]) == ARGV[1] then redis.call('DEL', session[1]) end
redis.call('HSET', KEYS[1], 'endedAt', now)
return {'ended', session[2]}
`,
)

/**
 * Its summary is handed on to every channel's job.
 *
 * KEYS  1 session  2 sessions-open
 * ARGV  1 id
 */
export const FINISH = defineScript(
  'session-finish',
  `
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ${KEPT_MS})
return 1
`,
)
