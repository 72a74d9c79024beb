/**
 * Says why the people who see a card are the ones who are asked: by the rule, out of its hours, or because those before
 * them did not decide in time. Whoever is woken at night wants to know that it was no mistake.
 *
 * Groups and addresses are the policy author's words; everything else here is ours.
 */
import type { Approval, ApprovalStep } from './approval.ts'
import type { CardNote } from './card.ts'
import { visible } from './visible.ts'

/** Empty once it is decided: then nobody is asked. */
export function whyAsked(approval: Approval): readonly CardNote[] {
  if (approval.state !== 'pending') return []
  const escalations = approval.steps.filter((step) => step.type === 'escalate' && step.doneAt !== null)
  const later = new Set(escalations.flatMap(({ from }) => from))
  const first = approval.from.filter((name) => !later.has(name))
  return [firstAsked(approval, first), ...escalations.map((step) => escalated(step, approval.from))]
}

function firstAsked({ rule, isOutOfHours, access }: Approval, from: readonly string[]): CardNote {
  if (from.length === 0) {
    const except = access === null ? 'the person behind the agent' : 'the person who asks'
    return [`You are asked because rule ${visible(rule)} lets anyone here decide, except ${except}.`]
  }
  const why = isOutOfHours ? `is out of its hours, when it asks ${names(from)}` : `asks ${names(from)}`
  return [`You are asked because rule ${visible(rule)} ${why}.`]
}

function escalated({ at, doneAt, from }: ApprovalStep, mayReview: readonly string[]): CardNote {
  const added = from.filter((name) => mayReview.includes(name))
  const then = added.length === 0 ? ', so it is shown here too.' : `, so ${names(added)} may decide too.`
  return ['Nobody had decided by ', doneAt ?? at, then]
}

function names(list: readonly string[]): string {
  const shown: string[] = list.map(visible)
  const last = shown.pop() ?? ''
  return shown.length === 0 ? last : `${shown.join(', ')} or ${last}`
}
