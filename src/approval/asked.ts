/**
 * Who is asked when a question comes up, and what happens if nobody decides: what a rule says in durations and hours of
 * the day, as instants and names.
 */
import { type EpochMs, epochMs } from '../brands.ts'
import type { ApprovalTerms, TermsStep } from '../policy/decision.ts'
import { reviewersAt } from '../policy/hours.ts'
import type { Approval, ApprovalStep } from './approval.ts'

export function askedAt(terms: ApprovalTerms, at: EpochMs): Pick<Approval, 'from' | 'isOutOfHours' | 'steps'> {
  const { from, isOutOfHours } = reviewersAt(terms, at)
  return { from, isOutOfHours, steps: stepsFrom(terms.steps, at, from) }
}

/**
 * An escalation names only whom it adds, so that it can be told who was asked first. Where it adds nobody and no room,
 * because those on call out of hours are whom it would wake, it reminds them.
 */
function stepsFrom(steps: readonly TermsStep[], at: EpochMs, from: readonly string[]): ApprovalStep[] {
  const asked = new Set(from)
  return steps.map((step) => {
    const due = { at: epochMs(at + step.afterMs), doneAt: null }
    // Where anyone may decide already, nobody can be added.
    const added = step.type === 'remind' || from.length === 0 ? [] : step.from.filter((name) => !asked.has(name))
    for (const name of added) asked.add(name)
    const rooms = step.type === 'remind' ? [] : step.rooms
    const type = added.length === 0 && rooms.length === 0 ? 'remind' : 'escalate'
    return { ...due, type, from: added, rooms }
  })
}
