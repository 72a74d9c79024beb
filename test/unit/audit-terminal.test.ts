import { expect, test } from 'vitest'
import { spanInWords } from '../../src/approval/in-words.ts'
import { count, instant, timeOfDay } from '../../src/cli/terminal.ts'

test.each([
  ['nothing', 0, '0 s'],
  ['a moment, rounded', 1_499, '1 s'],
  ['never less than nothing, when clocks disagree', -5_000, '0 s'],
  ['minutes and seconds', 252_000, '4 m 12 s'],
  ['whole hours', 7_200_000, '2 h 0 m'],
  ['days and hours, no more', 2 * 86_400_000 + 3_600_000 + 61_000, '2 d 1 h'],
])('a duration: %s', (_what, ms, text) => {
  expect(spanInWords(ms)).toBe(text)
})

test('times are UTC, and what is no time does not end the command', () => {
  expect(instant(Date.UTC(2026, 7, 1, 10, 11, 12, 999))).toBe('2026-08-01 10:11:12Z')
  expect(timeOfDay(Date.UTC(2026, 7, 1, 10, 11, 12, 999))).toBe('10:11:12.999')
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, 1e300]) {
    expect(instant(bad)).toBe('no time')
    expect(timeOfDay(bad)).toBe('--:--:--.---')
  }
})

test('one is one, all else is many', () => {
  expect([0, 1, 2].map((many) => count(many, 'call'))).toEqual(['0 calls', '1 call', '2 calls'])
})
