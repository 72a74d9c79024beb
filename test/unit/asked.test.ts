import { describe, expect, it } from 'vitest'
import { askedAt } from '../../src/approval/asked.ts'
import { epochMs } from '../../src/brands.ts'
import type { TermsStep, WorkingHours } from '../../src/policy/decision.ts'
import { isWithin } from '../../src/policy/hours.ts'
import { someTerms } from '../support/examples.ts'

const at = (instant: string) => epochMs(Date.parse(instant))

const hours = (change: Partial<WorkingHours> = {}): WorkingHours => ({
  days: [1, 2, 3, 4, 5],
  fromMinute: 9 * 60,
  toMinute: 18 * 60,
  zone: 'Europe/Berlin',
  otherwise: ['oncall'],
  ...change,
})
const always = { days: [0, 1, 2, 3, 4, 5, 6], fromMinute: 0, toMinute: 24 * 60 }

describe('a rule’s hours', () => {
  it.each<[string, WorkingHours, string, boolean]>([
    ['the first minute is in', hours(), '2026-01-30T08:00:00Z', true],
    ['the moment before is out', hours(), '2026-01-30T07:59:59.999Z', false],
    ['the last minute is in', hours(), '2026-01-30T16:59:59.999Z', true],
    ['the minute that it ends at is out', hours(), '2026-01-30T17:00:00Z', false],
    ['Saturday is out', hours(), '2026-01-31T10:00:00Z', false],
    ['Sunday evening here is Monday morning there', hours({ zone: 'Asia/Tokyo' }), '2026-02-01T23:30:00Z', false],
    [
      'Monday at nine there, while it is Monday midnight here',
      hours({ zone: 'Asia/Tokyo' }),
      '2026-02-02T00:00:00Z',
      true,
    ],
    ['in winter nine o’clock is eight UTC', hours(), '2026-03-27T07:30:00Z', false],
    ['in summer it is seven UTC', hours(), '2026-03-30T07:30:00Z', true],
    ['in summer the day ends at sixteen UTC', hours(), '2026-03-30T16:00:00Z', false],
    ['after summer it ends at seventeen UTC again', hours(), '2026-10-26T16:30:00Z', true],
    [
      'the night on which an hour is left out: what was before three o’clock is two minutes before it',
      hours({ ...always, fromMinute: 3 * 60 }),
      '2026-03-29T00:59:00Z',
      false,
    ],
    ['and then it is three o’clock', hours({ ...always, fromMinute: 3 * 60 }), '2026-03-29T01:00:00Z', true],
    [
      'an hour that is left out never comes',
      hours({ ...always, fromMinute: 120, toMinute: 180 }),
      '2026-03-29T01:00:00Z',
      false,
    ],
    [
      'an hour that comes twice is in the first time',
      hours({ ...always, fromMinute: 120, toMinute: 180 }),
      '2026-10-25T00:30:00Z',
      true,
    ],
    ['and the second', hours({ ...always, fromMinute: 120, toMinute: 180 }), '2026-10-25T01:30:00Z', true],
    ['midnight begins a day', hours({ ...always, days: [1], toMinute: 60 }), '2026-02-01T23:00:00Z', true],
    [
      'midnight is no hour 24 of the day before',
      hours({ ...always, days: [0], fromMinute: 23 * 60 }),
      '2026-02-01T23:00:00Z',
      false,
    ],
    ['the last moment of a day that ends at 24:00', hours({ ...always, days: [0] }), '2026-02-01T22:59:59.999Z', true],
    ['a zone of three quarters of an hour', hours({ zone: 'Asia/Kathmandu' }), '2026-01-30T03:15:00Z', true],
    ['and the minute before', hours({ zone: 'Asia/Kathmandu' }), '2026-01-30T03:14:00Z', false],
  ])('%s', (_sentence, given, instant, expected) => {
    expect(isWithin(given, at(instant))).toBe(expected)
  })
})

const IN_HOURS = at('2026-01-30T10:00:00Z')
const AT_NIGHT = at('2026-01-30T22:00:00Z')

describe('who is asked', () => {
  const remind: TermsStep = { type: 'remind', afterMs: 60_000 }
  const escalate = (from: string[], rooms: string[] = [], afterMs = 120_000): TermsStep => ({
    type: 'escalate',
    afterMs,
    from,
    rooms,
  })

  it('the rule’s reviewers, at all hours where it has none', () => {
    expect(askedAt(someTerms({ from: ['dba'] }), AT_NIGHT)).toEqual({ from: ['dba'], isOutOfHours: false, steps: [] })
  })

  it('the rule’s reviewers in its hours', () => {
    const asked = askedAt(someTerms({ from: ['dba'], hours: hours() }), IN_HOURS)
    expect(asked).toMatchObject({ from: ['dba'], isOutOfHours: false })
  })

  it('[REQ-STEPS-2] others out of them, and not the rule’s', () => {
    const asked = askedAt(someTerms({ from: ['dba'], hours: hours() }), AT_NIGHT)
    expect(asked).toMatchObject({ from: ['oncall'], isOutOfHours: true })
  })

  it('where anyone may decide, out of hours still only those who are named', () => {
    expect(askedAt(someTerms({ hours: hours() }), AT_NIGHT)).toMatchObject({ from: ['oncall'], isOutOfHours: true })
  })

  it('steps become instants', () => {
    const { steps } = askedAt(
      someTerms({ from: ['dba'], steps: [remind, escalate(['leads'], ['slack:C1'])] }),
      IN_HOURS,
    )
    expect(steps).toEqual([
      { type: 'remind', at: IN_HOURS + 60_000, doneAt: null, from: [], rooms: [] },
      { type: 'escalate', at: IN_HOURS + 120_000, doneAt: null, from: ['leads'], rooms: ['slack:C1'] },
    ])
  })

  it('an escalation names only whom it adds', () => {
    const terms = someTerms({
      from: ['dba'],
      steps: [escalate(['dba', 'leads']), escalate(['leads', 'cto'], [], 180_000)],
    })
    expect(askedAt(terms, IN_HOURS).steps.map(({ from }) => from)).toEqual([['leads'], ['cto']])
  })

  it('an escalation to those who are asked already, because it is night, reminds them', () => {
    const terms = someTerms({ from: ['dba'], hours: hours(), steps: [escalate(['oncall'])] })
    expect(askedAt(terms, AT_NIGHT).steps).toMatchObject([{ type: 'remind', from: [] }])
    expect(askedAt(terms, IN_HOURS).steps).toMatchObject([{ type: 'escalate', from: ['oncall'] }])
  })

  it('where anyone may decide in hours, an escalation adds nobody, which would shut out the others', () => {
    const terms = someTerms({ hours: hours(), steps: [escalate(['leads'])] })
    expect(askedAt(terms, IN_HOURS).steps).toMatchObject([{ type: 'remind', from: [] }])
    expect(askedAt(terms, AT_NIGHT).steps).toMatchObject([{ type: 'escalate', from: ['leads'] }])
  })
})
