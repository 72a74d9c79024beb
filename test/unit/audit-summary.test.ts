import { describe, expect, test } from 'vitest'
import { recordingHash } from '../../src/audit/chain.ts'
import type { AuditEvent } from '../../src/audit/events.ts'
import { summariseSession } from '../../src/audit/summarise.ts'
import type { SessionSummary } from '../../src/audit/summary.ts'
import { addToOverview, type SessionOverview, timelineLine } from '../../src/audit/timeline.ts'
import type { CallId, GrantId, SessionId } from '../../src/brands.ts'
import { epochMs } from '../../src/brands.ts'
import {
  ALICE,
  agentAway,
  agentBack,
  ended,
  grantEnded,
  hasty,
  intent,
  intentUnder,
  outcome,
  outcomeUnknown,
  requested,
  resolved,
  reviewed,
  runResolved,
  SESSION,
  segmentOf,
  standingEnded,
  standingOpened,
  started,
} from '../support/audit-events.ts'

function summarise(events: readonly AuditEvent[]): SessionSummary | null {
  return summariseSession(segmentOf(events).recorded)
}

describe('the summary of a session', () => {
  const rows: readonly [says: string, events: readonly AuditEvent[], expected: Partial<SessionSummary>][] = [
    [
      'who, where and how long',
      [ended(60)],
      { principal: ALICE, upstream: 'files', startedAt: epochMs(0), endedAt: epochMs(60) },
    ],
    ['nothing where nothing happened', [ended(60)], { calls: {}, unknownOutcomes: 0, approvals: [], masked: [] }],
    [
      'calls by outcome',
      [intent(1, 'a'), outcome(2, 'a'), outcome(3, 'b', 'denied_by_policy'), outcome(4, 'c', 'succeeded'), ended(9)],
      { calls: { succeeded: 2, denied_by_policy: 1 }, unknownOutcomes: 0 },
    ],
    [
      'an intent without outcome as unknown',
      [intent(1, 'a'), intent(2, 'b'), outcome(3, 'b'), ended(9)],
      { unknownOutcomes: 1 },
    ],
    [
      'a lost call as unknown, also where its intent is not on the disk, and how many people found out about',
      [
        intent(1, 'a'),
        outcomeUnknown(2, 'a'),
        outcomeUnknown(3, 'b'),
        runResolved(4, 'b'),
        runResolved(4, 'b'),
        ended(9),
      ],
      { unknownOutcomes: 2, unknownResolved: 1 },
    ],
    [
      'a lost call whose outcome came after all as known',
      [intent(1, 'a'), outcomeUnknown(2, 'a'), outcome(3, 'a'), runResolved(4, 'a'), ended(9)],
      { unknownOutcomes: 0, unknownResolved: 0, calls: { succeeded: 1 } },
    ],
    [
      'a call as unknown that was told to come back before it went on, and then was lost',
      [outcome(1, 'a', 'pending'), intent(2, 'a'), outcomeUnknown(3, 'a'), ended(9)],
      { unknownOutcomes: 1 },
    ],
    [
      'a call as unknown that came back for its answer and was told so, or left again',
      [
        intent(1, 'a'),
        outcomeUnknown(2, 'a'),
        outcome(3, 'a', 'refused'),
        outcome(4, 'b', 'abandoned'),
        intent(5, 'b'),
        outcomeUnknown(6, 'b'),
        runResolved(7, 'a'),
        outcome(8, 'a', 'replayed'),
        ended(9),
      ],
      { unknownOutcomes: 2, unknownResolved: 1 },
    ],
    [
      'a call whose agent left while it was on its way, or that could not go on, as known',
      [
        intent(1, 'a'),
        outcome(2, 'a', 'abandoned'),
        intent(3, 'b'),
        outcomeUnknown(4, 'b'),
        outcome(5, 'b', 'refused', { error: 'store_unavailable' }),
        ended(9),
      ],
      { unknownOutcomes: 0 },
    ],
    [
      'a call once that was told to come back and did so, or whose end a crash had recorded twice',
      [
        outcome(1, 'a', 'pending'),
        intent(2, 'a'),
        outcome(3, 'a'),
        outcome(4, 'b', 'expired'),
        outcome(4, 'b', 'expired'),
        outcome(5, 'c', 'pending'),
        ended(9),
      ],
      { calls: { succeeded: 1, expired: 1, pending: 1 } },
    ],
    [
      'a listening stream that is still open as nothing unknown',
      [{ ...intent(1, 'a', null), method: 'stream/get' } as AuditEvent, ended(9)],
      { unknownOutcomes: 0 },
    ],
    [
      'an outcome that stands before its intent as known',
      [outcome(1, 'a'), intent(2, 'a'), ended(9)],
      { unknownOutcomes: 0, calls: { succeeded: 1 } },
    ],
    [
      'no housekeeping that went well, but all that did not',
      [
        outcome(1, 'a', 'succeeded', { method: 'tools/list', tool: null }),
        outcome(2, 'b', 'denied_by_policy', { method: 'tools/list', tool: null }),
        outcome(3, 'c', 'succeeded', { method: 'resources/read', tool: null }),
        ended(9),
      ],
      { calls: { denied_by_policy: 1, succeeded: 1 } },
    ],
    [
      'approvals with their state and everyone who reviewed',
      [
        requested(1, 'x', 'write_file'),
        reviewed(2, 'x', 'bob'),
        reviewed(3, 'x', 'carol'),
        resolved(3, 'x', 'approved'),
        grantEnded(4, 'x'),
        requested(5, 'y', 'move_file'),
        reviewed(6, 'y', 'bob', 'deny'),
        resolved(6, 'y', 'denied'),
        requested(7, 'z', 'edit_file'),
        ended(9),
      ],
      {
        approvals: [
          { tool: 'write_file', state: 'approved', reviewers: ['bob', 'carol'], decidedAfterMs: 2, isHasty: false },
          { tool: 'move_file', state: 'denied', reviewers: ['bob'], decidedAfterMs: 1, isHasty: false },
          { tool: 'edit_file', state: 'pending', reviewers: [], decidedAfterMs: null, isHasty: false },
        ],
      },
    ],
    [
      'how long the last review took, and whether one was faster than it can be read',
      [
        requested(1_000, 'x', 'write_file'),
        hasty(reviewed(1_500, 'x', 'bob')),
        reviewed(31_000, 'x', 'carol'),
        reviewed(31_000, 'x', 'carol'),
        resolved(31_000, 'x', 'approved'),
        requested(2_000, 'y', 'move_file'),
        reviewed(3_000, 'y', 'bob'),
        resolved(62_000, 'y', 'expired'),
        ended(99_000),
      ],
      {
        approvals: [
          { tool: 'write_file', state: 'approved', reviewers: ['bob', 'carol'], decidedAfterMs: 30_000, isHasty: true },
          { tool: 'move_file', state: 'expired', reviewers: ['bob'], decidedAfterMs: null, isHasty: false },
        ],
      },
    ],
    [
      'what each tool did, those called most first',
      [
        outcome(1, 'a', 'denied_by_policy', { tool: 'write_file' }),
        outcome(2, 'b'),
        outcome(3, 'c', 'pending'),
        intent(4, 'c'),
        outcome(5, 'c', 'tool_error'),
        intent(6, 'd', 'move_file'),
        outcome(7, 'e', 'succeeded', { method: 'tools/list', tool: null }),
        ended(9),
      ],
      {
        tools: [
          { tool: 'read_file', calls: { succeeded: 1, tool_error: 1 }, unknownOutcomes: 0 },
          { tool: 'move_file', calls: {}, unknownOutcomes: 1 },
          { tool: 'write_file', calls: { denied_by_policy: 1 }, unknownOutcomes: 0 },
        ],
      },
    ],
    [
      'standing grants with what they passed and how they ended, and none that were for one call',
      [
        standingOpened(1, 'x', ['write_file']),
        intentUnder(2, 'a', 'x'),
        intentUnder(3, 'b', 'x'),
        intentUnder(4, 'c', 'elsewhere'),
        grantEnded(5, 'single'),
        standingOpened(6, 'y', ['*']),
        standingEnded(7, 'x', 'revoked', 'bob'),
        standingEnded(8, 'elsewhere', 'expired'),
        ended(9),
      ],
      {
        grants: [
          { id: 'stg_x' as GrantId, tools: ['write_file'], used: 2, ended: 'revoked', endedBy: 'bob@example.com' },
          { id: 'stg_y' as GrantId, tools: ['*'], used: 0, ended: null, endedBy: null },
          { id: 'stg_elsewhere' as GrantId, tools: null, used: 1, ended: 'expired', endedBy: null },
        ],
      },
    ],
    [
      'a review that another clock put before the question',
      [reviewed(1, 'x', 'bob'), resolved(1, 'x', 'approved'), requested(2, 'x'), ended(9)],
      { approvals: [{ tool: 'write_file', state: 'approved', reviewers: ['bob'], decidedAfterMs: 0, isHasty: false }] },
    ],
    [
      'what was masked, by detector',
      [
        outcome(1, 'a', 'succeeded', {
          masked: [
            { detector: 'private-key', count: 1 },
            { detector: 'aws-key', count: 2 },
          ],
        }),
        outcome(2, 'b', 'tool_error', { masked: [{ detector: 'aws-key', count: 3 }] }),
        ended(9),
      ],
      {
        masked: [
          { detector: 'aws-key', count: 5 },
          { detector: 'private-key', count: 1 },
        ],
      },
    ],
    ['nothing that came after its end', [ended(5), outcome(6, 'late')], { calls: {}, endedAt: epochMs(5) }],
    ['up to the last event where it has no end yet', [outcome(6, 'a')], { endedAt: epochMs(6) }],
  ]
  test.each(rows)('says %s', (_says, events, expected) => {
    expect(summarise([started(0), ...events])).toMatchObject(expected)
  })

  test('names the recording and the hash that the recording itself gives', () => {
    const { recorded } = segmentOf([started(0), intent(1, 'a'), outcome(2, 'a'), ended(3)])
    expect(summariseSession(recorded)).toMatchObject({ recordingId: 'rec_one', recordingHash: recordingHash(recorded) })
  })

  test('is null without session.started: it never guesses whose session it was', () => {
    expect(summarise([outcome(1, 'a'), ended(2)])).toBeNull()
    expect(summarise([])).toBeNull()
  })
})

describe('the list of sessions', () => {
  test('keeps sessions apart and counts what each did, in whatever order events come', () => {
    const other = 'ses_two' as SessionId
    const sessions = new Map<SessionId, SessionOverview>()
    const events: AuditEvent[] = [
      outcome(7, 'a'),
      started(3),
      requested(4, 'x'),
      started(5, other),
      outcome(8, 'b', 'expired'),
      { type: 'service.stopped', at: epochMs(9), session_id: null },
      ended(10),
    ]
    for (const event of events) addToOverview(sessions, event)
    expect([...sessions.keys()]).toEqual([SESSION, other])
    expect(sessions.get(SESSION)).toEqual({
      sessionId: SESSION,
      principal: ALICE,
      upstream: 'files',
      startedAt: 3,
      endedAt: 10,
      events: 5,
      calls: { succeeded: 1, expired: 1 },
      held: 1,
    })
    expect(sessions.get(other)).toMatchObject({ endedAt: null, events: 1, held: 0 })
  })
})

describe('a line of the timeline', () => {
  const rows: readonly [what: string, event: AuditEvent, text: string, tone: string][] = [
    ['an intent names tool and rule', intent(1, 'a'), 'read_file: allow by readers', 'plain'],
    ['a message without a tool is called by its method', intent(1, 'a', null), 'tools/list: allow by readers', 'plain'],
    [
      'an outcome says what was masked',
      outcome(1, 'a', 'succeeded', { masked: [{ detector: 'aws-key', count: 2 }] }),
      'read_file: succeeded, 3 ms, masked aws-key ×2',
      'good',
    ],
    [
      'a failure names its code',
      outcome(1, 'a', 'upstream_failed', { error: 'upstream_unreachable' }),
      'read_file: upstream_failed, 3 ms, upstream_unreachable',
      'bad',
    ],
    ['a review names the person', reviewed(1, 'x', 'bob'), 'approve by bob@example.com in console', 'good'],
    ['a denial is bad news', reviewed(1, 'x', 'bob', 'deny'), 'deny by bob@example.com in console', 'bad'],
    ['a question says where it was asked', requested(1, 'x'), 'write_file: held by writers, asked in console', 'open'],
    [
      'an agent that left says since when',
      agentAway(1, 'x', Date.UTC(2030, 0, 2, 3, 4, 5)),
      'the agent is away since 2030-01-02T03:04:05.000Z',
      'open',
    ],
    ['one that came back', agentBack(1, 'x'), 'the agent is back', 'plain'],
    ['a start says who and where', started(1), 'alice@example.com on files', 'plain'],
  ]
  test.each(rows)('%s', (_what, event, text, tone) => {
    expect(timelineLine(event)).toMatchObject({ text, tone, at: 1 })
  })

  test('an event of a later version is shown by its type instead of ending the command', () => {
    const unknown = { type: 'call.teleported', at: 1, session_id: SESSION, call_id: 'call_a' } as unknown as AuditEvent
    expect(timelineLine(unknown)).toMatchObject({ type: 'call.teleported', callId: 'call_a' as CallId, tone: 'bad' })
  })
})
