import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createIds } from '../../src/ids.ts'

describe('ids', () => {
  it('are base32 of 128 bits behind their prefix', () => {
    const ids = createIds((count) => new Uint8Array(count).fill(0xff))
    expect(ids.next('call')).toBe(`call_${'7'.repeat(25)}4`)
  })

  it('never repeat, also across the pool’s refills', () => {
    const ids = createIds(randomBytes)
    const made = Array.from({ length: 2_000 }, () => ids.next('apr'))
    expect(new Set(made).size).toBe(made.length)
    for (const id of made) expect(id).toMatch(/^apr_[a-z2-7]{26}$/)
  })

  it('take every byte once', () => {
    let next = 0
    const ids = createIds((count) => Uint8Array.from({ length: count }, () => next++ % 251))
    const made = new Set(Array.from({ length: 251 }, () => ids.next('ses')))
    expect(made.size).toBe(251)
  })
})
