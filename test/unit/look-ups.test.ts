/** How old an answer of a directory may be, and how often it is asked. */
import { describe, expect, it } from 'vitest'
import { epochMs } from '../../src/brands.ts'
import { LookUps } from '../../src/people/look-ups.ts'
import { until } from '../support/until.ts'

const NEVER = new AbortController().signal

/** A directory whose answers the test gives, and a clock that it moves. */
function rig(max = 10) {
  const time = { now: 1_000 }
  const asked: { key: string; answer: (value: string) => void; fail: (error: Error) => void }[] = []
  const lookUps = new LookUps<string>({
    ask: (key) => new Promise((answer, fail) => asked.push({ key, answer, fail })),
    max,
    clock: { now: () => epochMs(time.now) },
  })
  const get = (maxAgeMs: number, key = 'dba', patience = NEVER) => lookUps.get(key, { maxAgeMs, patience })
  return { time, asked, get }
}

describe('what was looked up', () => {
  it('is asked for once by all who ask at once', async () => {
    const { asked, get } = rig()
    const both = Promise.all([get(30_000), get(30_000)])
    asked[0]?.answer('yes')
    expect(await both).toEqual(['yes', 'yes'])
    expect(asked).toHaveLength(1)
  })

  it('serves for as long as the asker allows, and no longer', async () => {
    const { asked, get, time } = rig()
    const first = get(30_000)
    asked[0]?.answer('yes')
    await first
    time.now += 29_999
    expect(await get(30_000)).toBe('yes')
    expect(asked).toHaveLength(1)
    time.now += 1
    const second = get(30_000)
    expect(asked).toHaveLength(2)
    asked[1]?.answer('no')
    expect(await second).toBe('no')
  })

  it('is as old as its question, not as its answer', async () => {
    const { asked, get, time } = rig()
    const first = get(30_000)
    time.now += 30_000
    asked[0]?.answer('yes')
    await first
    const second = get(30_000)
    expect(asked).toHaveLength(2)
    asked[1]?.answer('no')
    expect(await second).toBe('no')
  })

  it('serves nobody who wants it new, also in the same millisecond', async () => {
    const { asked, get } = rig()
    const first = get(0)
    asked[0]?.answer('yes')
    await first
    const second = get(0)
    expect(asked).toHaveLength(2)
    asked[1]?.answer('no')
    expect(await second).toBe('no')
  })

  it('that is under way serves nobody who wants it new: all of them share the next question', async () => {
    const { asked, get } = rig()
    const first = get(30_000)
    const later = Promise.all([get(0), get(0), get(0)])
    expect(asked).toHaveLength(1)
    asked[0]?.answer('yes')
    expect(await first).toBe('yes')
    await until('the next question', () => asked[1])
    asked[1]?.answer('no')
    expect(await later).toEqual(['no', 'no', 'no'])
    expect(asked).toHaveLength(2)
  })

  it('that failed is asked for anew, also by those who waited for the next', async () => {
    const { asked, get } = rig()
    const first = get(30_000)
    const next = get(0)
    asked[0]?.fail(new Error('away'))
    await expect(first).rejects.toThrow('away')
    await until('the next question', () => asked[1])
    asked[1]?.answer('yes')
    expect(await next).toBe('yes')
    expect(await get(30_000)).toBe('yes')
    expect(asked).toHaveLength(2)
  })

  it('is waited for as long as the asker has patience; the answer that comes later serves the next', async () => {
    const { asked, get } = rig()
    const impatient = new AbortController()
    const first = get(30_000, 'dba', impatient.signal)
    impatient.abort(new Error('too slow'))
    await expect(first).rejects.toThrow('too slow')
    asked[0]?.answer('yes')
    expect(await get(30_000)).toBe('yes')
    expect(asked).toHaveLength(1)
  })

  it('is not known any better after the clock was set back', async () => {
    const { asked, get, time } = rig()
    const first = get(30_000)
    asked[0]?.answer('yes')
    await first
    time.now -= 3_600_000
    const second = get(30_000)
    expect(asked).toHaveLength(2)
    asked[1]?.answer('no')
    expect(await second).toBe('no')
  })

  it('is kept for so many at most: those asked for least lately go first', async () => {
    const { asked, get } = rig(2)
    for (const key of ['a', 'b']) {
      const answer = get(30_000, key)
      asked.at(-1)?.answer(key)
      await answer
    }
    await get(30_000, 'a')
    const third = get(30_000, 'c')
    asked.at(-1)?.answer('c')
    await third
    expect(await get(30_000, 'a')).toBe('a')
    expect(asked.map(({ key }) => key)).toEqual(['a', 'b', 'c'])
    void get(30_000, 'b')
    expect(asked.map(({ key }) => key)).toEqual(['a', 'b', 'c', 'b'])
  })
})
