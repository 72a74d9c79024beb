/**
 * Parked calls in Redis, each until its approval can no longer be used. Redis' memory is what bounds them: they exist
 * only beside open approvals, whose number is limited, and each is at most as large as a body. Of connections' calls an
 * approval has but the newest few: however often identical calls join it and leave, they don't fill Redis.
 *
 *   parked-call:<id>          string  the call as JSON
 *   parked-of:<approval>      zset    calls of connections, by when they came
 */
import type { CallId } from '../src/brands.ts'
import type { ParkedCall, ParkedCalls } from '../src/ports.ts'
import type { RedisHandle } from './redis.ts'
import { defineScript } from './redis.ts'

/** Identical calls of one principal at once; whose call is dropped can't come back for it, and calls again. */
export const PARKED_CONNECTIONS_MAX = 16

/**
 * KEYS  1 parked call  2 calls of the approval's connections
 * ARGV  1 its JSON  2 until  3 call  4 most of them kept  5 prefix of parked calls
 */
const PARK = defineScript(
  'parked-call-park',
  `
local time = redis.call('TIME')
redis.call('SET', KEYS[1], ARGV[1], 'PXAT', ARGV[2])
redis.call('ZADD', KEYS[2], time[1] * 1000000 + time[2], ARGV[3])
redis.call('PEXPIREAT', KEYS[2], ARGV[2])
for _, id in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1 - ARGV[4])) do
  redis.call('DEL', ARGV[5] .. id)
  redis.call('ZREM', KEYS[2], id)
end
return 1
`,
)

export function createParkedCalls(redis: RedisHandle): ParkedCalls {
  const keyOf = (id: CallId) => redis.key('parked-call', id)
  return {
    async park(call, until) {
      await redis.call('SET', keyOf(call.callId), JSON.stringify(call), 'PXAT', until)
    },
    async parkConnection(call, until) {
      const keys = [keyOf(call.callId), redis.key('parked-of', call.approvalId)]
      const args = [JSON.stringify(call), until, call.callId, PARKED_CONNECTIONS_MAX, redis.key('parked-call', '')]
      await redis.run(PARK, keys, args)
    },
    async get(id) {
      const text = await redis.call('GET', keyOf(id))
      // Only `park` writes this text, so that it needs no second check of every field.
      return typeof text === 'string' ? (JSON.parse(text) as ParkedCall) : null
    },
    async forget(id) {
      return Number(await redis.call('DEL', keyOf(id))) === 1
    },
  }
}
