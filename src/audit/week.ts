/**
 * Weeks as ISO 8601 counts them (Monday first; week 1 holds the 4th of January), on the clock on the wall of a zone, and
 * when a week's digest is due. Intl knows when summer time begins where: an hour that spring leaves out is taken for the
 * one after it, one that autumn has twice for its first time. So a week may have 167 hours, or 169.
 */
import type { EpochMs } from '../brands.ts'
import { epochMs } from '../brands.ts'

/** `2026-W47`: sorts by time. */
export type WeekId = string & { readonly __weekId: true }

/** When, in the week after, the digest of a week is posted. */
export interface DigestSchedule {
  /** 0, Monday, to 6. */
  readonly day: number
  /** Since midnight. */
  readonly minute: number
  /** Of the IANA time zone database. */
  readonly zone: string
}

const DAY_MS = 86_400_000
const WEEK_DAYS = 7

/** Null where no year has such a week. */
export function parseWeek(text: string): WeekId | null {
  const [, year, week] = /^(\d{4})-W(\d{2})$/.exec(text) ?? []
  if (year === undefined || week === undefined || Number(week) === 0) return null
  const monday = mondayOf(text as WeekId)
  return weekOfDay(monday) === text ? (text as WeekId) : null
}

/** The week before, the week after. */
export function weekFrom(week: WeekId, weeks: number): WeekId {
  return weekOfDay(mondayOf(week) + weeks * WEEK_DAYS * DAY_MS)
}

export function weekAt(at: EpochMs, zone: string): WeekId {
  return weekOfDay(wallClock(at, zone))
}

/** Its first instant. */
export function startOf(week: WeekId, zone: string): EpochMs {
  return instantOf(mondayOf(week), zone)
}

export function dueAt(week: WeekId, { day, minute, zone }: DigestSchedule): EpochMs {
  return instantOf(mondayOf(week) + (WEEK_DAYS + day) * DAY_MS + minute * 60_000, zone)
}

/** The newest week whose digest is due. */
export function latestDue(now: EpochMs, schedule: DigestSchedule): WeekId {
  const last = weekFrom(weekAt(now, schedule.zone), -1)
  return dueAt(last, schedule) <= now ? last : weekFrom(last, -1)
}

// ---- days without a zone: the UTC instant that has the same numbers on the clock

/** Midnight of its Monday. */
function mondayOf(week: WeekId): number {
  const fourth = Date.UTC(Number(week.slice(0, 4)), 0, 4)
  return fourth - weekdayOf(fourth) * DAY_MS + (Number(week.slice(6)) - 1) * WEEK_DAYS * DAY_MS
}

function weekOfDay(day: number): WeekId {
  const thursday = day + (3 - weekdayOf(day)) * DAY_MS
  const year = new Date(thursday).getUTCFullYear()
  const week = 1 + Math.floor((thursday - Date.UTC(year, 0, 1)) / (WEEK_DAYS * DAY_MS))
  return `${year}-W${String(week).padStart(2, '0')}` as WeekId
}

/** 0: Monday. */
function weekdayOf(day: number): number {
  return (new Date(day).getUTCDay() + 6) % WEEK_DAYS
}

// ---- the clock on the wall

/** The earlier where there are two; where there is none, as if the clock had not been put forward yet. */
function instantOf(wall: number, zone: string): EpochMs {
  const candidates = [wall - DAY_MS, wall + DAY_MS].map((near) => wall - offsetAt(near, zone))
  const real = candidates.filter((at) => at + offsetAt(at, zone) === wall)
  return epochMs(real.length > 0 ? Math.min(...real) : Math.max(...candidates))
}

function offsetAt(at: number, zone: string): number {
  return wallClock(at, zone) - Math.floor(at / 1000) * 1000
}

function wallClock(at: number, zone: string): number {
  const part = new Map(
    clockOf(zone)
      .formatToParts(at)
      .map(({ type, value }) => [type, Number(value)]),
  )
  const of = (type: Intl.DateTimeFormatPartTypes) => part.get(type) ?? 0
  return Date.UTC(of('year'), of('month') - 1, of('day'), of('hour'), of('minute'), of('second'))
}

/** By zone: making one takes longer than using it. The settings name one, and a command another at most. */
const clocks = new Map<string, Intl.DateTimeFormat>()

function clockOf(timeZone: string): Intl.DateTimeFormat {
  const known = clocks.get(timeZone)
  if (known !== undefined) return known
  const clock = new Intl.DateTimeFormat('en-US', {
    timeZone,
    ...{ year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric' },
    hourCycle: 'h23',
  })
  clocks.set(timeZone, clock)
  return clock
}
