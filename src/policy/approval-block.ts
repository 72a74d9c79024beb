/**
 * A rule's `approval:` block as people write it, field by field: who is asked, where, how surely, and what happens while
 * nobody decides. What its fields mean together, and to the settings, approval-terms.ts checks.
 */
import { choice, duration, flag, integer, matching, oneOrMore, strict, text } from '../config/fields.ts'
import { say } from '../config/problems.ts'
import { zone } from '../config/zone.ts'
import { placeIn } from './place.ts'

/** An approval that asks more people than this asks nobody. */
export const QUORUM_MAX = 10
const DEFAULT_MS = 15 * 60_000
const WAIT_BOUNDS = { minMs: 10_000, maxMs: 86_400_000 }
/** Less is not worth a choice; whoever needs more than a day asks for access. */
const ALLOW_FOR_BOUNDS = { minMs: 60_000, maxMs: 86_400_000 }
/** As many buttons or entries as one takes in at a glance. */
const ALLOW_FOR_MAX = 5
/** Who has not come after so many is not coming. */
const STEPS_MAX = 5
/** Where the shortest deadline is ten seconds, a step may come after one. */
const STEP_BOUNDS = { minMs: 1_000, maxMs: WAIT_BOUNDS.maxMs }
const GROUPS_MAX = 50
/** A card is posted and repainted in each. */
const PLACES_MAX = 10

const groups = () => oneOrMore(text('dba'), GROUPS_MAX)

function places() {
  const cure =
    'Write slack, teams or console; a room by its id, like slack:C0123ABCD or teams:19:…@thread.tacv2; or slack/acme:C0123ABCD in a named workspace.'
  return oneOrMore(
    matching(
      /^[^#]*$/,
      'a channel: rooms go by their id',
      'Copy the id from the room’s details, like C0123ABCD.',
    ).refine((value) => placeIn(value) !== null, { error: say('is not a channel', cure) }),
    PLACES_MAX,
  )
}

const escalation = strict(
  {
    after: duration(STEP_BOUNDS),
    from: groups().optional(),
    channel: places().optional(),
  },
  {
    check: (value, add) => {
      if (value.from !== undefined || value.channel !== undefined) return
      add([], say('asks nobody else', 'Give from, channel or both; or write remind: to ask the same people again.'))
    },
  },
)

const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const
const DAYS_CURE = 'Write mon-fri, or a list like [mon, wed, fri].'

/** → 0 (Sunday) to 6. A range may go over the end of the week: `fri-mon`. */
const days = oneOrMore(
  text('mon-fri').transform((value, context) => {
    const [first, last = first, more] = value.split('-').map((day) => DAYS.indexOf(day.trim().toLowerCase() as 'sun'))
    if (first === undefined || first < 0 || last === undefined || last < 0 || more !== undefined) {
      context.addIssue({ code: 'custom', message: say('is not a day of the week', DAYS_CURE) })
      return []
    }
    return Array.from({ length: ((last - first + 7) % 7) + 1 }, (_, after) => (first + after) % 7)
  }),
  7,
).transform((ranges) => [...new Set(ranges.flat())].sort())

const TIME_CURE = 'Write hours and minutes, like "09:00"; "24:00" is the end of the day.'

/** → minutes since midnight. */
const timeOfDay = matching(/^([01]?\d|2[0-3]):[0-5]\d$|^24:00$/, 'a time of day', TIME_CURE).transform((value) => {
  const [hour, minute] = value.split(':').map(Number)
  return (hour ?? 0) * 60 + (minute ?? 0)
})

const hours = strict({
  days,
  from: timeOfDay,
  to: timeOfDay,
  zone: zone(),
  otherwise: groups(),
})

export const approvalBlock = strict({
  from: groups().default([]),
  quorum: integer({ min: 1, max: QUORUM_MAX, unit: 'reviewers' }).default(1),
  deadline: duration(WAIT_BOUNDS).default(DEFAULT_MS),
  use_within: duration(WAIT_BOUNDS).default(DEFAULT_MS),
  grant: choice('single_use').default('single_use'),
  channel: places().default([]),
  strength: choice('click', 'confirm', 'step_up').default('click'),
  read_all: flag().default(false),
  allow_for: oneOrMore(duration(ALLOW_FOR_BOUNDS), ALLOW_FOR_MAX).default([]),
  accepts_grants: flag().optional(),
  remind: oneOrMore(duration(STEP_BOUNDS), STEPS_MAX).default([]),
  escalate: oneOrMore(escalation, STEPS_MAX).default([]),
  hours: hours.optional(),
})
