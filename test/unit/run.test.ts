import { describe, expect, it } from 'vitest'
import type { RunEvent, RunState } from '../../src/run/run.ts'
import { afterRunEvent } from '../../src/run/run.ts'

describe('the run of an approved call', () => {
  it.each<[string, RunState, RunEvent, RunState]>([
    ['finishes when its gateway says how it ended', 'running', 'ended', 'finished'],
    ['is unknown when its gateway is gone', 'running', 'lost', 'unknown'],
    ['finishes although it was unknown, where its gateway was only out of reach', 'unknown', 'ended', 'finished'],
    ['ran, as people found out', 'unknown', 'resolved_ran', 'ran'],
    ['did not run, as people found out', 'unknown', 'resolved_did_not_run', 'did_not_run'],
  ])('%s', (_sentence, state, event, after) => {
    expect(afterRunEvent(state, event)).toBe(after)
  })

  const finals: readonly RunState[] = ['finished', 'ran', 'did_not_run']
  const events: readonly RunEvent[] = ['ended', 'lost', 'resolved_ran', 'resolved_did_not_run']
  it.each(finals.flatMap((state) => events.map((event) => [state, event] as const)))(
    'that is %s stays so when %s comes late',
    (state, event) => {
      expect(afterRunEvent(state, event)).toBeNull()
    },
  )

  it.each<[string, RunState, RunEvent]>([
    ['that it ran while it still runs', 'running', 'resolved_ran'],
    ['that it did not run while it still runs', 'running', 'resolved_did_not_run'],
    ['that it is lost once more', 'unknown', 'lost'],
  ])('lets nobody say %s', (_sentence, state, event) => {
    expect(afterRunEvent(state, event)).toBeNull()
  })
})
