/** What a week's digest counts, and how Slack shows it. */
import { describe, expect, it, test } from 'vitest'
import { digestMessage } from '../../bots/slack/digest-blocks.ts'
import { BLOCKS_BYTES_MAX } from '../../bots/slack/limits.ts'
import { jsonBytes } from '../../bots/slack/text.ts'
import { createDigestTally, DIGEST_ROWS_MAX, type Digest } from '../../src/audit/digest.ts'
import type { AuditEvent } from '../../src/audit/events.ts'
import { startOf, type WeekId } from '../../src/audit/week.ts'
import { epochMs } from '../../src/brands.ts'
import type { Reviewer } from '../../src/people/reviewer.ts'
import {
  hasty,
  intent,
  intentUnder,
  outcomeUnknown,
  requested,
  resolved,
  reviewed,
  runResolved,
  standingEnded,
  standingOpened,
  started,
} from '../support/audit-events.ts'
import { aReviewer } from '../support/examples.ts'
import { MARK, POISONS } from '../support/poisons.ts'
import { ruleMessageBlocks } from '../support/slack-block-rules.ts'
import { textsOf } from '../support/slack-text-walker.ts'

const WEEK = '2026-W47' as WeekId
const FROM = startOf(WEEK, 'UTC')
const DAY = 86_400_000
/** So many seconds into the week. */
const t = (seconds: number) => FROM + seconds * 1000

function digestOf(events: readonly AuditEvent[], broken = 0): Digest {
  const tally = createDigestTally(WEEK, 'UTC')
  for (const event of events) tally.add(event)
  return tally.digest(broken)
}

const denied = (at: number, tool: string): AuditEvent => {
  const { type: _type, ...rest } = intent(at, 'denied', tool) as Extract<AuditEvent, { type: 'call.intent' }>
  return { ...rest, type: 'call.decided', effect: 'deny' } as AuditEvent
}
const because = (event: AuditEvent): AuditEvent =>
  event.type === 'approval.reviewed' ? { ...event, review: { ...event.review, reason: 'No.' } } : event
const frozen = (at: number, already = false): AuditEvent => ({
  type: 'freeze.frozen',
  at: epochMs(at),
  session_id: null,
  scope: { kind: 'upstream', upstream: 'files' },
  by: aReviewer('bob@example.com'),
  reason: 'Odd deletions.',
  already,
})

const A_WEEK: readonly AuditEvent[] = [
  started(FROM - 20 * DAY),
  intent(FROM - 20 * DAY, 'old'),
  reviewed(FROM - 20 * DAY, 'old', 'bob'),
  // Asked before midnight, answered after.
  requested(FROM - 30_000, 'night'),
  reviewed(t(30), 'night', 'bob'),
  resolved(t(30), 'night', 'approved'),
  started(t(1)),
  ...Array.from({ length: 5 }, (_, at) => intent(t(100 + at), `read${at}`)),
  denied(t(200), 'delete_file'),
  requested(t(300), 'x'),
  hasty(reviewed(t(301), 'x', 'bob')),
  resolved(t(301), 'x', 'approved'),
  intent(t(302), 'x', 'write_file'),
  outcomeUnknown(t(303), 'x'),
  runResolved(t(400), 'x'),
  requested(t(500), 'y', 'move_file'),
  because(reviewed(t(620), 'y', 'carol', 'deny')),
  because(reviewed(t(620), 'y', 'carol', 'deny')),
  resolved(t(620), 'y', 'denied'),
  resolved(t(620), 'y', 'denied'),
  requested(t(700), 'z', 'move_file'),
  resolved(t(760), 'z', 'expired'),
  standingOpened(t(800), 'x', ['write_file']),
  intentUnder(t(801), 'under', 'x'),
  standingEnded(t(900), 'x', 'revoked', 'bob'),
  standingEnded(t(901), 'other', 'expired'),
  frozen(t(1000)),
  frozen(t(1001), true),
]

describe('[REQ-DIGEST-1] the digest of a week', () => {
  const digest = digestOf(A_WEEK)
  const rows: readonly [says: string, found: unknown, expected: unknown][] = [
    ['calls that went on', digest.calls, 7],
    ['calls denied by policy', digest.deniedByPolicy, 1],
    [
      'what became of approvals, each once',
      digest.approvals,
      { asked: 3, approved: 2, denied: 1, expired: 1, cancelled: 0 },
    ],
    ['denials that say why', digest.denialsWithReason, 1],
    ['approvals faster than reading', digest.hasty, 1],
    ['how long reviews took, also of a question from the week before', digest.medianMs, 60_000],
    [
      'each reviewer',
      digest.reviewers.map(({ reviewer, ...figures }) => ({ who: reviewer.email, ...figures })),
      [
        { who: 'bob@example.com', approved: 2, denied: 0, hasty: 1, medianMs: 30_500 },
        { who: 'carol@example.com', approved: 0, denied: 1, hasty: 0, medianMs: 120_000 },
      ],
    ],
    [
      'tools called',
      digest.tools.mostCalled.map(({ tool, calls }) => [tool, calls]),
      [
        ['read_file', 5],
        ['write_file', 2],
      ],
    ],
    [
      'tools held',
      digest.held.mostHeld.map(({ tool, held }) => [tool, held]),
      [
        ['move_file', 2],
        ['write_file', 1],
      ],
    ],
    ['lost calls', [digest.unknownOutcomes, digest.unknownResolved], [1, 1]],
    ['standing grants', digest.grants, { opened: 1, extended: 0, used: 1, expired: 1, revoked: 1 }],
    [
      'freezes, each once',
      digest.freezes.map(({ what, scope, reason }) => [what, scope, reason]),
      [['frozen', 'upstream:files', 'Odd deletions.']],
    ],
    [
      'what was not seen in the four weeks before',
      digest.firsts?.shown.map(({ kind, name }) => `${kind} ${name}`),
      ['tool delete_file on files', 'tool move_file on files', 'reviewer carol@example.com'],
    ],
  ]
  it.each(rows)('counts %s', (_says, found, expected) => {
    expect(found).toEqual(expected)
  })

  it('is the same in whatever order the segments are read', () => {
    const { freezes: _freezes, ...expected } = digest
    expect(digestOf(A_WEEK.toReversed())).toMatchObject(expected)
  })

  it('counts a person once, through whatever accounts and addresses', () => {
    const as = (at: number, approval: string, who: Pick<Reviewer, 'id' | 'email' | 'otherAddresses'>): AuditEvent => {
      const event = reviewed(at, approval, 'x') as Extract<AuditEvent, { type: 'approval.reviewed' }>
      return { ...event, review: { ...event.review, reviewer: { ...who, name: 'Bob' } } }
    }
    const inTeams = { id: 'teams:t:bob', email: 'bob@example.com', otherAddresses: ['b.jones@corp.example.com'] }
    const inSlack = { id: 'slack:T1:U2', email: 'b.jones@corp.example.com' }
    const inConsole = { id: 'console:bob@example.com', email: 'bob@example.com' }
    const events = [
      started(FROM - 20 * DAY),
      as(FROM - 20 * DAY, 'old', inConsole),
      as(t(10), 'a', inSlack),
      as(t(20), 'b', inTeams),
      as(t(30), 'c', { id: 'teams:t:carol', email: 'carol@example.com' }),
    ]
    for (const order of [events, events.toReversed()]) {
      const { reviewers, firsts } = digestOf(order)
      expect(reviewers.map(({ approved }) => approved)).toEqual([2, 1])
      expect(firsts?.shown.map(({ name }) => name)).toEqual(['carol@example.com'])
    }
  })

  it.each<[string, AuditEvent[]]>([
    ['before it', [intent(FROM - 1, 'a'), resolved(FROM - 1, 'x', 'denied')]],
    ['after it', [intent(FROM + 7 * DAY, 'a'), resolved(FROM + 7 * DAY, 'x', 'denied')]],
  ])('counts nothing that happened %s', (_when, events) => {
    expect(digestOf(events)).toMatchObject({ calls: 0, approvals: { denied: 0 } })
  })

  it('does not call all new where nothing was recorded before', () => {
    expect(digestOf([intent(t(1), 'a')]).firsts).toBeNull()
    expect(digestOf([intent(FROM - 29 * DAY, 'a'), intent(t(1), 'a')]).firsts).toBeNull()
  })

  it('says so where an agent makes up more names than can be kept, and counts the rest', () => {
    const tally = createDigestTally(WEEK, 'UTC')
    for (let at = 0; at < 20_001; at += 1) tally.add(denied(t(1), `tool-${at}-${'x'.repeat(300)}`))
    tally.add(requested(t(2), 'x', 'tool-1'))
    expect(tally.digest(0)).toMatchObject({ isCut: true, approvals: { asked: 1 } })
  })
})

describe('in Slack', () => {
  const many = (text: string) =>
    Array.from({ length: 50 }, (_, at) => [
      requested(t(at), `${at}`, `${at}${text}`),
      reviewed(t(at), `${at}`, `${text}${at}`),
      intent(t(at), `${at}`, `${at}${text}`),
      frozen(t(at)),
    ]).flat()

  test.each<[string, Digest]>([
    ['digest', digestOf(A_WEEK)],
    ['digest-quiet', digestOf([])],
    ['digest-doubtful', digestOf([intent(t(1), 'a')], 2)],
  ])('%s looks as agreed', async (name, digest) => {
    const message = digestMessage(digest)
    expect(ruleMessageBlocks(JSON.stringify(message.blocks))).toMatchObject({ ok: true })
    await expect(`${JSON.stringify(message, null, 2)}\n`).toMatchFileSnapshot(`golden/slack/${name}.json`)
  })

  test.each(['x', '漢', '"', '\u202e'])('a week full of %j stays within what Slack takes', (character) => {
    const { blocks } = digestMessage(digestOf(many(character.repeat(150))))
    expect(ruleMessageBlocks(JSON.stringify(blocks))).toMatchObject({ ok: true })
    expect(jsonBytes(blocks)).toBeLessThanOrEqual(BLOCKS_BYTES_MAX)
  })

  test('lists no more than people read, and counts the rest', () => {
    const text = JSON.stringify(digestMessage(digestOf(many('a'))).blocks)
    expect(text).toContain(`and ${50 - DIGEST_ROWS_MAX} more`)
  })

  test.each(POISONS)('%j does nothing in it', (poison) => {
    const text = `${MARK}${poison}`
    const message = digestMessage(digestOf(many(text)))
    const found = textsOf(message.blocks)
    expect(found.some((one) => one.text.includes(MARK))).toBe(true)
    for (const one of found) if (one.formats) expect(one.text).not.toContain(MARK)
  })
})
