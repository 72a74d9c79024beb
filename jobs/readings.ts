/**
 * Who has opened what didn't fit on their card.
 *
 *   readings:<approval>   set   `<reviewer> <page>/<pages>` for each page that somebody saw
 */
import type { Readings } from '../src/ports.ts'
import type { RedisHandle } from './redis.ts'

/** Longer than any deadline that policy can give. */
const KEPT_MS = 2 * 24 * 60 * 60 * 1_000

export function createReadings(redis: RedisHandle): Readings {
  const keyOf = (approvalId: string) => redis.key('readings', approvalId)
  return {
    async seen({ approvalId, reviewerId, page, pages }) {
      await redis.call('SADD', keyOf(approvalId), `${reviewerId} ${page}/${pages}`)
      await redis.call('PEXPIRE', keyOf(approvalId), KEPT_MS)
    },
    async hasSeenAll(approvalId, reviewerId) {
      const reply = await redis.call('SMEMBERS', keyOf(approvalId))
      const seen = new Set(Array.isArray(reply) ? reply.map(String) : [])
      const own = [...seen].find((entry) => entry.startsWith(`${reviewerId} `))
      const pages = Number(/\/(\d+)$/.exec(own ?? '')?.[1] ?? 0)
      return (
        pages > 0 &&
        Array.from({ length: pages }, (_, at) => at + 1).every((page) => seen.has(`${reviewerId} ${page}/${pages}`))
      )
    },
  }
}
