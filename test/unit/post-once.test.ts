/** What a channel plainly did not take leaves no attempt behind, whatever Redis does meanwhile. */
import { describe, expect, it } from 'vitest'
import { type PostOnce, postOnce } from '../../jobs/post-once.ts'
import { epochMs } from '../../src/brands.ts'
import { GatewayError } from '../../src/errors.ts'
import { ChannelBusy, ChannelRefused, ChannelUnsure } from '../../src/ports.ts'
import { silentLog } from '../support/redis.ts'

/** One hash, in a Redis that goes away while the message is posted and is waited for. */
function redisThatGoesAway() {
  const fields = new Map<string, string>()
  let isAway = false
  return {
    fields,
    goAway: () => {
      isAway = true
    },
    whenReady: async () => {
      isAway = false
    },
    call: async (command: string, ...args: readonly (string | number)[]) => {
      if (isAway) throw new GatewayError('store_unavailable', 'Redis is not connected')
      const field = String(args[1])
      if (command === 'HSET') fields.set(field, String(args[2]))
      if (command === 'HDEL') fields.delete(field)
      return command === 'HGET' ? (fields.get(field) ?? null) : 1
    },
  }
}

describe('a message that a channel can never look up', () => {
  it.each<[string, Error]>([
    ['was put off', new ChannelBusy(1000)],
    ['was refused', new ChannelRefused('no', { code: 'no' })],
  ])('[REQ-DELIVERY-5] is posted later where it %s just as Redis went away', async (_name, outcome) => {
    const redis = redisThatGoesAway()
    const options: PostOnce<string> = {
      ...{ redis, key: 'cards:1', field: 'posting', clock: { now: () => epochMs(0) }, log: silentLog },
      channel: { name: 'teams', find: () => Promise.reject(new ChannelUnsure('nobody knows')) },
      sent: { kind: 'notice', id: 'n', place: 'teams' },
      isWanted: true,
      post: async () => {
        redis.goAway()
        throw outcome
      },
    }
    await expect(postOnce(options)).rejects.toBe(outcome)
    expect([...redis.fields]).toEqual([])
    expect(await postOnce({ ...options, post: async () => 'there' })).toEqual({ outcome: 'posted', posted: 'there' })
  })
})
