/**
 * What may be used once, ever: whoever sets its key first has it. Kept for longer than the seal that carries it is
 * good for, so that a nonce can't be forgotten before it is useless.
 */
import type { Continuations } from '../src/ports.ts'
import type { RedisHandle } from './redis.ts'

export function createTakenNonces(redis: RedisHandle, keptMs: number): Pick<Continuations, 'take'> {
  return {
    async take(nonce) {
      return (await redis.call('SET', redis.key('taken', nonce), '1', 'NX', 'PX', keptMs)) === 'OK'
    },
  }
}
