/**
 * Whether an instant falls into a rule's hours, on the clock on the wall of its zone. Intl knows when summer time begins
 * where; an hour that comes twice in autumn counts both times, one that spring leaves out never comes.
 */
import type { EpochMs } from '../brands.ts'
import type { ApprovalTerms, WorkingHours } from './decision.ts'

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']

/** By zone: making one takes longer than using it. As many as the policy names, each checked when it was loaded. */
const clocks = new Map<string, Intl.DateTimeFormat>()

export function isWithin({ days, fromMinute, toMinute, zone }: WorkingHours, at: EpochMs): boolean {
  const parts = new Map(
    clockOf(zone)
      .formatToParts(at)
      .map(({ type, value }) => [type, value]),
  )
  const minute = Number(parts.get('hour')) * 60 + Number(parts.get('minute'))
  return days.includes(DAYS.indexOf(parts.get('weekday') ?? '')) && minute >= fromMinute && minute < toMinute
}

/** Who is asked then, before anything escalates. */
export function reviewersAt(
  { from, hours }: Pick<ApprovalTerms, 'from' | 'hours'>,
  at: EpochMs,
): { readonly from: readonly string[]; readonly isOutOfHours: boolean } {
  const isOutOfHours = hours !== null && !isWithin(hours, at)
  return { from: isOutOfHours ? hours.otherwise : from, isOutOfHours }
}

function clockOf(timeZone: string): Intl.DateTimeFormat {
  let clock = clocks.get(timeZone)
  if (clock === undefined) {
    clock = new Intl.DateTimeFormat('en-US', {
      timeZone,
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    })
    clocks.set(timeZone, clock)
  }
  return clock
}
