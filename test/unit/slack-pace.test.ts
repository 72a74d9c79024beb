/** When a message may go out, told from a clock that the test moves. */
import { webApi } from '@slack/bolt'
import { describe, expect, it } from 'vitest'
import { POST_BURST_MAX, POST_EVERY_MS } from '../../bots/slack/limits.ts'
import { createPace, type Lane } from '../../bots/slack/pace.ts'
import { epochMs } from '../../src/brands.ts'
import { ChannelBusy } from '../../src/ports.ts'

function rig() {
  let now = 1_900_000_000_000
  let sent = 0
  const pace = createPace({ now: () => epochMs(now) })
  const into = (conversation: string): Lane => ({ method: 'chat.postMessage', conversation })
  const answered = async () => {
    sent += 1
  }
  return {
    sent: () => sent,
    advance(ms: number) {
      now += ms
    },
    /** Null where it went out, else how long to wait. */
    async post(conversation = 'C1'): Promise<number | null> {
      try {
        await pace.run(into(conversation), answered)
        return null
      } catch (error) {
        if (error instanceof ChannelBusy) return error.retryAfterMs
        throw error
      }
    },
    /** What becomes of a call that Slack answers with a 429 of seven seconds, or that breaks. */
    async fail(how: 429 | 'socket hang up', lane: Lane = into('C1')): Promise<unknown> {
      const error = how === 429 ? new webApi.WebAPIRateLimitedError(7) : new Error(how)
      return pace.run(lane, () => Promise.reject(error)).catch((caught: unknown) => caught)
    },
  }
}

describe('messages into one conversation', () => {
  it('go out in a short burst, then one a second', async () => {
    const { post, advance, sent } = rig()
    for (let at = 0; at < POST_BURST_MAX; at += 1) expect(await post()).toBeNull()
    expect(await post()).toBe(POST_EVERY_MS)
    advance(POST_EVERY_MS)
    expect(await post()).toBeNull()
    expect(await post()).toBeGreaterThan(0)
    expect(sent()).toBe(POST_BURST_MAX + 1)
  })

  it('that come too early are told to come back one after the other', async () => {
    const { post } = rig()
    for (let at = 0; at < POST_BURST_MAX; at += 1) await post()
    expect([await post(), await post(), await post()]).toEqual([1_000, 2_000, 3_000])
  })

  it('hold up no other conversation', async () => {
    const { post } = rig()
    for (let at = 0; at <= POST_BURST_MAX; at += 1) await post()
    expect(await post('C2')).toBeNull()
  })

  it.each([50, 400])('%i at once all go out in time where each comes back when it was told to', async (storm) => {
    const { post, advance, sent } = rig()
    const waiting = new Map<number, number>()
    for (let id = 0; id < storm; id += 1) waiting.set(id, 0)
    let second = 0
    for (; waiting.size > 0 && second < 2 * storm; second += 1) {
      for (const [id, dueAt] of waiting) {
        if (dueAt > second * 1_000) continue
        const waitMs = await post()
        if (waitMs === null) waiting.delete(id)
        else waiting.set(id, second * 1_000 + waitMs)
      }
      advance(1_000)
    }
    expect(sent()).toBe(storm)
    expect(second).toBeLessThanOrEqual(storm)
  })
})

describe('a 429', () => {
  it('closes its lane for as long as Slack says, and is no one else’s matter', async () => {
    const { fail, post, advance, sent } = rig()
    expect(await fail(429)).toMatchObject({ name: 'ChannelBusy', retryAfterMs: 7_000, isForThisOnly: true })
    expect(await post()).toBeGreaterThanOrEqual(7_000)
    expect(await post('C2')).toBeNull()
    advance(6_999)
    expect(await post()).toBeGreaterThan(0)
    advance(1)
    expect(await post()).toBeNull()
    expect(sent()).toBe(2)
  })

  it('of one method closes no other', async () => {
    const { fail, post } = rig()
    await fail(429, { method: 'chat.update' })
    expect(await fail(429, { method: 'chat.update' })).toMatchObject({ name: 'ChannelBusy' })
    expect(await post()).toBeNull()
  })

  it('is nothing like a failure, which closes nothing', async () => {
    const { fail, post } = rig()
    expect(String(await fail('socket hang up'))).toContain('could not be reached')
    expect(await post()).toBeNull()
  })
})
