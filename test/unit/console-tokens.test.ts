import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { createTokens } from '../../bots/console/tokens.ts'
import { epochMs } from '../../src/brands.ts'

function tokensAt({ lifeMs = 1_000, max = 3 } = {}) {
  let now = 0
  const clock = { now: () => epochMs(now) }
  const tokens = createTokens({ lifeMs, max, clock, random: (bytes) => randomBytes(bytes) })
  return {
    tokens,
    advance: (ms: number) => {
      now += ms
    },
  }
}

test('a token holds 256 bits and no two are alike', () => {
  const { tokens } = tokensAt()
  const issued = new Set(Array.from({ length: 100 }, () => tokens.issue()))
  expect(issued.size).toBe(100)
  for (const token of issued) expect(Buffer.from(token, 'base64url')).toHaveLength(32)
})

test('a token can be checked again and again, but taken once', () => {
  const { tokens } = tokensAt()
  const token = tokens.issue()
  expect([tokens.check(token), tokens.check(token)]).toEqual([true, true])
  expect([tokens.take(token), tokens.take(token), tokens.check(token)]).toEqual([true, false, false])
})

test('taking a wrong token leaves the right one', () => {
  const { tokens } = tokensAt()
  const token = tokens.issue()
  expect(tokens.take(`${token}x`)).toBe(false)
  expect(tokens.check(token)).toBe(true)
})

const lives: [what: string, afterMs: number, lives: boolean][] = [
  ['lives until just before its end', 999, true],
  ['is dead at its end, not after it', 1_000, false],
  ['stays dead', 5_000, false],
]
test.each(lives)('a token %s', (_what, afterMs, alive) => {
  const { tokens, advance } = tokensAt({ lifeMs: 1_000 })
  const token = tokens.issue()
  advance(afterMs)
  expect(tokens.check(token)).toBe(alive)
  expect(tokens.take(token)).toBe(alive)
})

test('issuing more than the limit ends the oldest', () => {
  const { tokens } = tokensAt({ max: 3 })
  const issued = Array.from({ length: 5 }, () => tokens.issue())
  expect(issued.map(tokens.check)).toEqual([false, false, true, true, true])
})

test('a limit of one keeps one', () => {
  const { tokens } = tokensAt({ max: 1 })
  const issued = [tokens.issue(), tokens.issue()]
  expect(issued.map(tokens.check)).toEqual([false, true])
})

const wrong: [what: string, token: string][] = [
  ['an empty text', ''],
  ['a text of a token’s length', 'A'.repeat(43)],
  ['a text that is far too long', 'A'.repeat(1_000_000)],
]
test.each(wrong)('%s is no token', (_what, token) => {
  const { tokens } = tokensAt()
  tokens.issue()
  expect(tokens.check(token)).toBe(false)
  expect(tokens.take(token)).toBe(false)
})

test('after clear nothing opens', () => {
  const { tokens } = tokensAt()
  const token = tokens.issue()
  tokens.clear()
  expect(tokens.check(token)).toBe(false)
})
