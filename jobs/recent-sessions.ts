/**
 * The sessions of each person's agents that ended lately, so that App Home can list them. The recording is the record;
 * this is forgotten by itself.
 *
 *   recent-sessions:<digest of the owner's e-mail>   zset   EndedSession as JSON, by endedAt
 */
import { createHash } from 'node:crypto'
import type { EndedSession, RecentSessions } from '../src/ports.ts'
import type { RedisHandle } from './redis.ts'

/** Some 300 bytes each; who looks further back reads the recordings. */
const KEPT_MAX = 100
const KEPT_MS = 30 * 24 * 60 * 60 * 1_000

export function createRecentSessions(redis: RedisHandle): RecentSessions {
  const keyOf = (email: string) =>
    redis.key('recent-sessions', createHash('sha256').update(email.toLowerCase()).digest('hex'))
  return {
    async add(ownerEmail, session) {
      const key = keyOf(ownerEmail)
      await redis.call('ZADD', key, session.endedAt, JSON.stringify(session))
      await redis.call('ZREMRANGEBYRANK', key, 0, -KEPT_MAX - 1)
      await redis.call('PEXPIRE', key, KEPT_MS)
    },
    async list({ ownerEmail, offset, max }) {
      const key = keyOf(ownerEmail)
      const [reply, total] = await Promise.all([
        redis.call('ZREVRANGE', key, offset, offset + max - 1),
        redis.call('ZCARD', key),
      ])
      const texts = Array.isArray(reply) ? reply : []
      return { sessions: texts.map((text) => JSON.parse(String(text)) as EndedSession), total: Number(total) }
    },
  }
}
