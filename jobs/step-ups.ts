/**
 * What the step-up pages remember, each thing until it is used or its time is over.
 *
 *   step-up-link:<digest of its secret>                string  the link
 *   step-up-newest:<digest of approval and reviewer>   string  the digest of the newest link of the two
 *   step-up-visit:<digest of its secret>               string  the visit
 *
 * Only digests are kept, so that a dump of Redis opens nothing. Whoever takes a thing has it alone (GETDEL): a code that
 * is sent twice, or a form, finds nothing the second time.
 */
import { createHash } from 'node:crypto'
import type { EpochMs } from '../src/brands.ts'
import type { StepUps } from '../src/ports.ts'
import type { StepUpLink, StepUpVisit } from '../src/step-up/step-up.ts'
import type { RedisHandle } from './redis.ts'

export function createStepUps(redis: RedisHandle): StepUps {
  const linkKey = (digest: string) => redis.key('step-up-link', digest)
  const visitKey = (secret: string) => redis.key('step-up-visit', digestOf(secret))
  const put = (key: string, value: unknown, until: EpochMs) =>
    redis.call('SET', key, JSON.stringify(value), 'PXAT', until)
  const read = async <Value>(command: 'GET' | 'GETDEL', key: string): Promise<Value | null> => {
    const reply = await redis.call(command, key)
    // We wrote it, and nobody else writes here.
    return reply === null ? null : (JSON.parse(String(reply)) as Value)
  }
  return {
    async addLink(secret, link) {
      const digest = digestOf(secret)
      await put(linkKey(digest), link, link.endsAt)
      const newest = redis.key('step-up-newest', digestOf(JSON.stringify([link.approvalId, link.reviewer.id])))
      const before = await redis.call('SET', newest, digest, 'PXAT', link.endsAt, 'GET')
      if (before !== null && before !== digest) await redis.call('DEL', linkKey(String(before)))
    },
    peekLink: (secret) => read<StepUpLink>('GET', linkKey(digestOf(secret))),
    takeLink: (secret) => read<StepUpLink>('GETDEL', linkKey(digestOf(secret))),
    async addVisit(secret, visit) {
      await put(visitKey(secret), visit, visit.endsAt)
    },
    peekVisit: (secret) => read<StepUpVisit>('GET', visitKey(secret)),
    takeVisit: (secret) => read<StepUpVisit>('GETDEL', visitKey(secret)),
  }
}

function digestOf(secret: string): string {
  return createHash('sha256').update(secret).digest('hex')
}
