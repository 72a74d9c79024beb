/**
 * What is said below an approval's card: that people were reminded, that others are asked now, questions and answers, how
 * it ended. Each has an id that follows from the approval alone, so that whoever posts them knows which are there already.
 * Which of them a place needs is for its channel to say.
 */
import type { EpochMs } from '../brands.ts'
import type { Approval, Remark } from './approval.ts'

export type Reply =
  /** Of several that nobody posted only the last counts: people are not told of having been reminded. */
  | { readonly id: string; readonly type: 'reminder'; readonly at: EpochMs }
  | {
      readonly id: string
      readonly type: 'escalated'
      readonly from: readonly string[]
      readonly rooms: readonly string[]
      readonly at: EpochMs
    }
  | { readonly id: string; readonly type: 'remark'; readonly remark: Remark; readonly at: EpochMs }
  | { readonly id: string; readonly type: 'resolved'; readonly at: EpochMs }

/** Oldest first. */
export function repliesTo(approval: Approval): readonly Reply[] {
  const { state, remarks, resolvedAt } = approval
  const replies: Reply[] = remarks.map((remark, at) => ({
    id: `remark-${at + 1}`,
    type: 'remark',
    remark,
    at: remark.at,
  }))
  // Whoever reads it later is asked for nothing any more.
  if (state === 'pending') replies.push(...calls(approval))
  else if (resolvedAt !== null) replies.push({ id: 'resolved', type: 'resolved', at: resolvedAt })
  return replies.sort((a, b) => a.at - b.at)
}

/** For people's attention. */
function calls({ steps, reminders: { count, lastAt } }: Approval): readonly Reply[] {
  const replies: Reply[] = steps.flatMap(({ type, doneAt, from, rooms }, index) =>
    type === 'escalate' && doneAt !== null
      ? [{ id: `step-${index + 1}`, type: 'escalated', from, rooms, at: doneAt } as const]
      : [],
  )
  if (count > 0 && lastAt !== null) replies.push({ id: `reminder-${count}`, type: 'reminder', at: lastAt })
  return replies
}

/** Nothing new to somebody who sees the card for the first time. */
export function isToldByNewCard({ type }: Reply): boolean {
  return type !== 'remark'
}

/** Calls for attention, and must not once nobody is asked any more. */
export function isCall({ type }: Reply): boolean {
  return type === 'reminder' || type === 'escalated'
}
