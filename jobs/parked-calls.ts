/**
 * Parked calls in Redis, each until its approval can no longer be used. Redis' memory is what bounds them: one exists
 * only beside an open approval, whose number is limited, and is at most as large as what may be held.
 */
import type { CallId } from '../src/brands.ts'
import type { ParkedCall, ParkedCalls } from '../src/ports.ts'
import type { RedisHandle } from './redis.ts'

export function createParkedCalls(redis: RedisHandle): ParkedCalls {
  const keyOf = (id: CallId) => redis.key('parked-call', id)
  return {
    async park(call, until) {
      await redis.call('SET', keyOf(call.callId), JSON.stringify(call), 'PXAT', until)
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
