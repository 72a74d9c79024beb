import { describe, expect, it } from 'vitest'
import { dueAt, latestDue, parseWeek, startOf, type WeekId, weekAt, weekFrom } from '../../src/audit/week.ts'
import { epochMs } from '../../src/brands.ts'

const week = (text: string) => text as WeekId
const at = (iso: string) => epochMs(Date.parse(iso))
const iso = (ms: number) => new Date(ms).toISOString()

describe('a week', () => {
  it.each([
    ['begins on Monday', '2026-11-16T00:00:00Z', 'UTC', '2026-W47'],
    ['ends on Sunday', '2026-11-22T23:59:59.999Z', 'UTC', '2026-W47'],
    ['has begun in Tokyo while it is Sunday in London', '2026-11-15T15:00:00Z', 'Asia/Tokyo', '2026-W47'],
    ['has not begun in New York while it is Monday in London', '2026-11-16T04:59:59Z', 'America/New_York', '2026-W46'],
    ['of the old year ends in the new one', '2027-01-03T12:00:00Z', 'UTC', '2026-W53'],
    ['of the new year begins in the old one', '2024-12-30T00:00:00Z', 'UTC', '2025-W01'],
  ])('%s', (_sentence, instant, zone, expected) => {
    expect(weekAt(at(instant), zone)).toBe(expected)
  })

  it.each([
    ['in the middle of a year', '2026-W47', -1, '2026-W46'],
    ['over the end of a year of 53 weeks', '2026-W53', 1, '2027-W01'],
    ['over the end of a year of 52 weeks', '2026-W01', -1, '2025-W52'],
  ])('is followed by the next %s', (_sentence, from, weeks, expected) => {
    expect(weekFrom(week(from), weeks)).toBe(expected)
  })

  it.each([
    ['2026-W53', true],
    ['2025-W53', false],
    ['2026-W00', false],
    ['2026-W54', false],
    ['2026-w47', false],
    ['2026-47', false],
    ['', false],
  ])('%j is one: %s', (text, isOne) => {
    expect(parseWeek(text) !== null).toBe(isOne)
  })

  it.each([
    ['in winter', '2026-W47', 'Europe/Berlin', '2026-11-15T23:00:00.000Z'],
    ['in summer', '2026-W31', 'Europe/Berlin', '2026-07-26T22:00:00.000Z'],
    ['where midnight is left out that day, at one', '2017-W42', 'America/Sao_Paulo', '2017-10-16T02:00:00.000Z'],
  ])('starts by the wall’s clock %s', (_sentence, of, zone, expected) => {
    expect(iso(startOf(week(of), zone))).toBe(expected)
  })

  it('of the change to summer time has 167 hours, of the change back 169', () => {
    const hours = (of: string) =>
      (startOf(weekFrom(week(of), 1), 'Europe/Berlin') - startOf(week(of), 'Europe/Berlin')) / 3_600_000
    expect([hours('2026-W13'), hours('2026-W43'), hours('2026-W44')]).toEqual([167, 169, 168])
  })
})

describe('a digest is due', () => {
  const sunday = { day: 6, zone: 'Europe/Berlin' }
  it.each([
    ['on Monday at nine', '2026-W46', { day: 0, minute: 540, zone: 'UTC' }, '2026-11-16T09:00:00.000Z'],
    ['on Friday in Berlin', '2026-W46', { day: 4, minute: 450, zone: 'Europe/Berlin' }, '2026-11-20T06:30:00.000Z'],
    [
      'an hour later where the clock has no half past two',
      '2026-W12',
      { ...sunday, minute: 150 },
      '2026-03-29T01:30:00.000Z',
    ],
    ['at the first of two half past twos', '2026-W42', { ...sunday, minute: 150 }, '2026-10-25T00:30:00.000Z'],
  ])('%s', (_sentence, of, schedule, expected) => {
    expect(iso(dueAt(week(of), schedule))).toBe(expected)
  })

  it.each([
    ['a moment before', '2026-11-16T08:59:59.999Z', '2026-W45'],
    ['just then', '2026-11-16T09:00:00Z', '2026-W46'],
    ['on Sunday evening', '2026-11-22T23:00:00Z', '2026-W46'],
  ])('the newest one %s', (_sentence, now, expected) => {
    expect(latestDue(at(now), { day: 0, minute: 540, zone: 'UTC' })).toBe(expected)
  })
})
