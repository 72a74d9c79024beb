/**
 * Parked calls in Redis, each until its approval can no longer be used, and how much of Redis they may take.
 *
 *   parked-call:<call>     string  the call
 *   parked-of:<approval>   zset    calls of connections, by when they came
 *   parked-sizes           hash    call -> <bytes> <owner>
 *   parked-until           zset    calls, by when they are forgotten
 *   parked-bytes           hash    owner -> bytes, and `all`
 *
 * Of connections' calls an approval has but the newest few: however often identical calls join it and leave, they don't
 * fill Redis. That alone is no bound, since an agent may have many approvals, of large arguments, and a call stays parked
 * after its decision. So their bytes are counted, too, in the step that parks or forgets one: an agent gone wild must not
 * fill the memory without which nobody can decide anything.
 */
import { createHash } from 'node:crypto'
import type { CallId, EpochMs } from '../src/brands.ts'
import { GatewayError } from '../src/errors.ts'
import type { ParkedCall, ParkedCalls } from '../src/ports.ts'
import type { RedisHandle } from './redis.ts'
import { defineScript } from './redis.ts'

/** Identical calls of one principal at once; whose call is dropped can't come back for it, and calls again. */
export const PARKED_CONNECTIONS_MAX = 16

const MIB = 1024 * 1024
/** Of all together: what a small Redis has beside everything else. */
const ALL_BYTES_MAX = 1024 * MIB
/** Of one principal: its most open approvals (200), each with the largest arguments. */
export const PRINCIPAL_BYTES_MAX = 128 * MIB

/** `forgetSize(call, sizes, ends, bytes)`: it is not counted any more. */
const FORGET_SIZE = `
local function forgetSize(call, sizes, ends, bytes)
  local size, owner = string.match(redis.call('HGET', sizes, call) or '', '^(%d+) (.+)$')
  if not size then return end
  redis.call('HDEL', sizes, call)
  redis.call('ZREM', ends, call)
  for _, whose in ipairs({owner, 'all'}) do
    if redis.call('HINCRBY', bytes, whose, -size) <= 0 then redis.call('HDEL', bytes, whose) end
  end
end
`

/**
 * `forgetParked(call, prefix, sizes, ends, bytes)`: takes a parked call away; 1 for the first who does. For scripts that
 * do so in one step with something else.
 */
export const FORGET_PARKED = `${FORGET_SIZE}
local function forgetParked(call, prefix, sizes, ends, bytes)
  forgetSize(call, sizes, ends, bytes)
  return redis.call('DEL', prefix .. call)
end
`

/**
 * KEYS  1 parked call  2 sizes  3 until  4 bytes  5 calls of the approval's connections, where it is one's
 * ARGV  1 call  2 its JSON  3 until  4 owner  5 most bytes of one owner  6 most of all
 *       7 most of the approval's connections  8 prefix of parked calls
 * Answers  parked | too_many, 'principal' or 'all'; one that is no larger than before is always parked
 */
const PARK = defineScript(
  'park-call',
  `${FORGET_PARKED}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now, 'LIMIT', 0, 100)) do
  forgetSize(gone, KEYS[2], KEYS[3], KEYS[4])
end
if KEYS[5] then
  redis.call('ZADD', KEYS[5], time[1] * 1000000 + time[2], ARGV[1])
  redis.call('PEXPIREAT', KEYS[5], ARGV[3])
  for _, old in ipairs(redis.call('ZRANGE', KEYS[5], 0, -1 - ARGV[7])) do
    forgetParked(old, ARGV[8], KEYS[2], KEYS[3], KEYS[4])
    redis.call('ZREM', KEYS[5], old)
  end
end
local before = tonumber(string.match(redis.call('HGET', KEYS[2], ARGV[1]) or '0', '^%d+'))
local more = #ARGV[2] - before
if more > 0 then
  if (redis.call('HGET', KEYS[4], ARGV[4]) or 0) + more > tonumber(ARGV[5]) then return {'too_many', 'principal'} end
  if (redis.call('HGET', KEYS[4], 'all') or 0) + more > tonumber(ARGV[6]) then return {'too_many', 'all'} end
end
forgetSize(ARGV[1], KEYS[2], KEYS[3], KEYS[4])
redis.call('SET', KEYS[1], ARGV[2], 'PXAT', ARGV[3])
redis.call('HSET', KEYS[2], ARGV[1], #ARGV[2] .. ' ' .. ARGV[4])
redis.call('ZADD', KEYS[3], ARGV[3], ARGV[1])
redis.call('HINCRBY', KEYS[4], ARGV[4], #ARGV[2])
redis.call('HINCRBY', KEYS[4], 'all', #ARGV[2])
return {'parked'}
`,
)

/**
 * KEYS  1 sizes  2 until  3 bytes
 * ARGV  1 call  2 prefix of parked calls
 * Answers  1, or 0 where it was not there
 */
const FORGET = defineScript(
  'forget-parked-call',
  `${FORGET_PARKED}
return forgetParked(ARGV[1], ARGV[2], KEYS[1], KEYS[2], KEYS[3])
`,
)

export function parkedKeys({ key }: Pick<RedisHandle, 'key'>) {
  return {
    call: (id: CallId) => key('parked-call', id),
    prefix: key('parked-call', ''),
    counted: [key('parked-sizes'), key('parked-until'), key('parked-bytes')],
  } as const
}

export function createParkedCalls(
  redis: RedisHandle,
  { principalBytesMax = PRINCIPAL_BYTES_MAX, allBytesMax = ALL_BYTES_MAX } = {},
): ParkedCalls {
  const keys = parkedKeys(redis)
  const park = async (call: ParkedCall, until: EpochMs, more: readonly string[]) => {
    // A subject is the issuer's text: its digest has a bounded length and no surprises.
    const owner = createHash('sha256').update(call.principal.id).digest('base64url')
    const limits = [principalBytesMax, allBytesMax, PARKED_CONNECTIONS_MAX]
    const args = [call.callId, JSON.stringify(call), until, owner, ...limits, keys.prefix]
    const [word, whose] = (await redis.run(PARK, [keys.call(call.callId), ...keys.counted, ...more], args)) as string[]
    if (word === 'parked') return
    const of = whose === 'all' ? 'all together' : 'one principal'
    throw new GatewayError('too_many_holds', `The held calls of ${of} take as much memory as they may.`)
  }
  return {
    park: (call, until) => park(call, until, []),
    parkConnection: (call, until) => park(call, until, [redis.key('parked-of', call.approvalId)]),
    async get(id) {
      const text = await redis.call('GET', keys.call(id))
      // Only `park` writes this text, so that it needs no second check of every field.
      return typeof text === 'string' ? (JSON.parse(text) as ParkedCall) : null
    },
    forget: async (id) => Number(await redis.run(FORGET, keys.counted, [id, keys.prefix])) === 1,
  }
}
