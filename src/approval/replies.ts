/**
 * What is said below an approval's card: that people were reminded, that others are asked now, questions and answers.
 * Each has an id that follows from the approval alone, so that whoever posts them knows which are there already.
 */
import type { EpochMs } from '../brands.ts'
import type { Approval, Remark } from './approval.ts'

export type Reply =
  /** Of several that nobody posted only the last counts: people are not reminded of having been reminded. */
  | { readonly id: string; readonly type: 'reminder'; readonly at: EpochMs }
  | {
      readonly id: string
      readonly type: 'escalated'
      readonly from: readonly string[]
      readonly rooms: readonly string[]
      readonly at: EpochMs
    }
  | { readonly id: string; readonly type: 'remark'; readonly remark: Remark; readonly at: EpochMs }

/** Oldest first. */
export function repliesTo({ state, steps, reminders, remarks }: Approval): readonly Reply[] {
  const replies: Reply[] = remarks.map((remark, at) => ({
    id: `remark-${at + 1}`,
    type: 'remark',
    remark,
    at: remark.at,
  }))
  // Whoever is told now is asked for nothing any more.
  if (state === 'pending') {
    for (const [index, { type, doneAt, from, rooms }] of steps.entries()) {
      if (type === 'escalate' && doneAt !== null) {
        replies.push({ id: `step-${index + 1}`, type: 'escalated', from, rooms, at: doneAt })
      }
    }
    const { count, lastAt } = reminders
    if (count > 0 && lastAt !== null) replies.push({ id: `reminder-${count}`, type: 'reminder', at: lastAt })
  }
  return replies.sort((a, b) => a.at - b.at)
}

/** A card that appears now says these by itself, or comes too late for them. */
export function isToldByNewCard({ type }: Reply): boolean {
  return type !== 'remark'
}
