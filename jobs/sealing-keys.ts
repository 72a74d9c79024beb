/**
 * The keys with which every replica seals and opens (src/sealing/seal.ts). They live in Redis, so that a session's id
 * given out by one replica is known to the next, and to a gateway that was restarted.
 *
 *   sealing-keys   zset   32 random bytes in base64url, scored by the instant of their making
 *
 * One script makes the first key, a successor of one that is a week old, and drops what nothing needs any more. A
 * successor seals only once every replica has read it: until then it opens. Whoever reads this Redis could forge a
 * session's id; they could as well approve calls, so the keys are no worse kept here than the approvals.
 */
import { randomBytes } from 'node:crypto'
import type { Log } from '../src/ports.ts'
import { KEY_BYTES, type SealingKey } from '../src/sealing/seal.ts'
import { Secret } from '../src/secret.ts'
import { defineScript, type RedisCommands, type RedisHandle, type RedisReply } from './redis.ts'

const MINUTE_MS = 60 * 1_000
const DAY_MS = 24 * 60 * MINUTE_MS
/** Bounds the seals made with one key; see seal.ts. */
export const ROTATE_AFTER_MS = 7 * DAY_MS
/**
 * A session's id is the longest-lived seal: it is good for 30 days after its key stopped sealing, and then its client
 * begins a new session, as the protocol has it for any that ended.
 */
export const KEPT_MS = ROTATE_AFTER_MS + 30 * DAY_MS
const READ_EVERY_MS = 5 * MINUTE_MS
/** Several readings, so that one that failed leaves no replica behind. */
export const ACTIVE_AFTER_MS = 4 * READ_EVERY_MS

/**
 * KEYS  1 sealing-keys
 * ARGV  1 a new key  2 rotate after  3 kept for  4 active after, milliseconds all three
 * Answers  key, 1 if it seals or 0, key, … newest first
 */
export const RING = defineScript(
  'sealing-ring',
  `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[3]))
local newest = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
if not newest or tonumber(newest) <= now - tonumber(ARGV[2]) then redis.call('ZADD', KEYS[1], now, ARGV[1]) end
local ring = redis.call('ZREVRANGE', KEYS[1], 0, -1, 'WITHSCORES')
for i = 2, #ring, 2 do
  -- The oldest has nobody before it who could seal.
  local active = tonumber(ring[i]) <= now - tonumber(ARGV[4]) or i == #ring
  ring[i] = active and 1 or 0
end
return ring
`,
)

export interface SealingKeys {
  /** Newest first; another array only when it changed. */
  ring(): readonly SealingKey[]
  close(): void
}

/** Waits for Redis, and for the ring, until the signal aborts: whoever stops meanwhile must not wait for it. */
export async function startSealingKeys(redis: RedisHandle, log: Log, signal: AbortSignal): Promise<SealingKeys> {
  signal.throwIfAborted()
  const patient = redis.blocking()
  signal.addEventListener('abort', patient.close, { once: true })
  let ring: readonly SealingKey[]
  try {
    ring = await readRing(patient, redis)
  } finally {
    signal.removeEventListener('abort', patient.close)
    patient.close()
  }
  const timer = setInterval(() => {
    readRing(redis, redis).then(
      (read) => {
        ring = read
      },
      () => log.warn('the sealing keys could not be read again; those known stay in use'),
    )
  }, READ_EVERY_MS)
  timer.unref()
  return { ring: () => ring, close: () => clearInterval(timer) }
}

/** One reading; makes what is due. Exported for tests, which have no week. */
export async function readRing(
  commands: RedisCommands,
  { key }: Pick<RedisHandle, 'key'>,
  { rotateAfterMs = ROTATE_AFTER_MS, keptMs = KEPT_MS, activeAfterMs = ACTIVE_AFTER_MS } = {},
): Promise<readonly SealingKey[]> {
  const candidate = randomBytes(KEY_BYTES).toString('base64url')
  return parseRing(await commands.run(RING, [key('sealing-keys')], [candidate, rotateAfterMs, keptMs, activeAfterMs]))
}

function parseRing(reply: RedisReply): readonly SealingKey[] {
  if (!Array.isArray(reply)) return []
  const ring: SealingKey[] = []
  for (let at = 0; at + 1 < reply.length; at += 2) {
    ring.push({ secret: new Secret(String(reply[at])), isActive: Number(reply[at + 1]) === 1 })
  }
  return ring
}
