/**
 * Says what Approve will do, where that isn't plain: nobody waits for the call, or several do. A reviewer decides in
 * seconds, so there is nothing to read where one agent waits, which is what everybody expects.
 */
import type { Approval } from './approval.ts'
import type { CardNote } from './card.ts'
import { inWords } from './in-words.ts'

export function presenceNotes({ agent, useWithinMs, quorum, access }: Approval): readonly CardNote[] {
  // No call waits for it.
  if (access !== null) return []
  // One click may not be enough.
  const approved = quorum === 1 ? 'if you approve' : 'once approved'
  const notes: CardNote[] = []
  if (agent.state === 'away' && agent.awaySince !== null) {
    const when = `the call runs when it comes back within ${inWords(useWithinMs)} of that.`
    notes.push(['The agent is away since ', agent.awaySince, `: ${approved}, ${when}`])
  }
  if (agent.state === 'polling') {
    notes.push([`The agent will fetch the result later: ${approved}, the call runs at once.`])
  }
  if (agent.calls > 1) {
    const calls = agent.calls.toLocaleString('en')
    notes.push([`${calls} identical calls wait: one approval lets one run, and the others get its answer.`])
  }
  return notes
}
