/** Approvals in each state, at their longest, and with text that would do something: what every chat's cards are held against. */
import { ACCESS_TOOL, type Approval, agentAtFirst, type Review } from '../../src/approval/approval.ts'
import type { CallId } from '../../src/brands.ts'
import { epochMs, principalId } from '../../src/brands.ts'
import { aReview } from './examples.ts'
import { MARK } from './poisons.ts'
import { pendingApproval } from './slack-gateway.ts'

export const ASKED_AT = epochMs(Date.UTC(2030, 0, 2, 3, 4, 5))

export function approval(change: Partial<Approval> = {}): Approval {
  return pendingApproval({ requestedAt: ASKED_AT, expiresAt: epochMs(ASKED_AT + 900_000), ...change })
}

export function review(choice: Review['choice'], change: Partial<Review> = {}): Review {
  const reviewer = { id: 'slack:T0FAKE:U2', email: 'bob@example.com', name: 'Bob' }
  return aReview({ reviewer, choice, channel: 'slack', at: epochMs(ASKED_AT + 60_000), ...change })
}

export const resolvedAt = epochMs(ASKED_AT + 60_000)
export const alice = { id: 'slack:T0FAKE:U1', email: 'alice@example.com', name: 'Alice' }
export const carol = { id: 'slack:T0FAKE:U3', email: 'carol@example.com', name: 'Carol' }

export const approvedByBob = { state: 'approved', resolvedAt, reviews: [review('approve')] } as const
export const lostRun = { callId: 'call_run' as CallId, at: epochMs(ASKED_AT + 90_000) } as const

export const away: Approval['agent'] = {
  state: 'away',
  calls: 0,
  awaySince: epochMs(ASKED_AT + 60_000),
  changedAt: epochMs(ASKED_AT + 75_000),
}

export const access: Approval['access'] = {
  requester: alice,
  ownerEmail: 'alice@example.com',
  upstream: 'files',
  tools: ['read_file', 'write_file', 'list_directory'],
  durationMs: 3_600_000,
  reason: 'Incident 4711',
  extends: null,
}

export const STATES: [string, Approval][] = [
  ['pending', approval()],
  ['pending-without-arguments', approval({ argumentsJson: '{}', reason: null })],
  ['pending-below-quorum', approval({ quorum: 2, reviews: [review('approve')] })],
  [
    'pending-cut',
    approval({ argumentsJson: JSON.stringify({ content: 'line\n'.repeat(20_000), empty: '', path: '/a' }) }),
  ],
  ['pending-away', approval({ agent: away })],
  ['pending-polling', approval({ agent: agentAtFirst('polling') })],
  [
    'pending-shared',
    approval({ agent: { state: 'waiting', calls: 3, awaySince: null, changedAt: epochMs(ASKED_AT) } }),
  ],
  ['approved', approval({ state: 'approved', resolvedAt, reviews: [review('approve')] })],
  [
    'approved-by-two',
    approval({
      state: 'approved',
      quorum: 2,
      resolvedAt,
      reviews: [review('approve'), review('approve', { reviewer: carol })],
    }),
  ],
  ['denied', approval({ state: 'denied', resolvedAt, reviews: [review('deny', { reason: 'Not on a Friday.' })] })],
  ['expired', approval({ state: 'expired', resolvedAt: epochMs(ASKED_AT + 900_000) })],
  ['approved-unknown', approval({ ...approvedByBob, run: { ...lostRun, state: 'unknown', by: null } })],
  ['approved-did-not-run', approval({ ...approvedByBob, run: { ...lostRun, state: 'did_not_run', by: carol } })],
  ['cancelled', approval({ state: 'cancelled', resolvedAt, cancelReason: 'the agent withdrew' })],
  [
    'pending-sql',
    approval({
      tool: 'run_sql',
      argumentsJson: JSON.stringify({
        database: 'customers',
        dry_run: false,
        sql: 'DELETE FROM accounts\nWHERE id = 7',
      }),
      annotations: { readOnly: false, destructive: true, openWorld: null },
      statedReason: 'Clean up *test* accounts',
      from: ['dba'],
      quorum: 2,
      strength: 'confirm',
      allowForMs: [900_000, 3_600_000],
    }),
  ],
  ['pending-step-up', approval({ strength: 'step_up' })],
  ['pending-read-all', approval({ readAll: true, argumentsJson: JSON.stringify({ content: 'line\n'.repeat(2_000) }) })],
  ['pending-reminded', approval({ reminders: { count: 2, lastAt: epochMs(ASKED_AT + 120_000) } })],
  [
    'pending-escalated',
    approval({
      from: ['dba', 'dba-leads'],
      steps: [
        {
          type: 'escalate',
          at: epochMs(ASKED_AT + 300_000),
          doneAt: epochMs(ASKED_AT + 300_100),
          from: ['dba-leads'],
          rooms: [],
        },
      ],
    }),
  ],
  ['pending-out-of-hours', approval({ from: ['oncall'], isOutOfHours: true })],
  [
    'pending-asked',
    approval({ remarks: [{ kind: 'question', by: carol, text: 'Which tenant?', at: epochMs(ASKED_AT + 60_000) }] }),
  ],
  [
    'pending-answered',
    approval({
      remarks: [
        { kind: 'question', by: carol, text: 'Which tenant?', at: epochMs(ASKED_AT + 60_000) },
        { kind: 'answer', by: alice, text: 'The demo tenant alone.', at: epochMs(ASKED_AT + 90_000) },
      ],
    }),
  ],
  [
    'approved-for-a-while',
    approval({
      ...approvedByBob,
      allowedForMs: 900_000,
      reviews: [review('approve', { allowForMs: 900_000, reason: 'Checked the path.' })],
    }),
  ],
  [
    'approved-for-a-while-revoked',
    approval({
      ...approvedByBob,
      allowedForMs: 900_000,
      reviews: [review('approve', { allowForMs: 900_000 })],
      standing: { until: null, ended: { state: 'revoked', at: epochMs(ASKED_AT + 300_000), by: carol } },
    }),
  ],
  [
    'access-extended-and-expired',
    approval({
      ...approvedByBob,
      access,
      tool: ACCESS_TOOL,
      standing: {
        until: epochMs(ASKED_AT + 7_200_000),
        ended: { state: 'expired', at: epochMs(ASKED_AT + 7_200_000), by: null },
      },
    }),
  ],
  ['access-pending', approval({ access, tool: ACCESS_TOOL })],
  ['access-granted', approval({ ...approvedByBob, access, tool: ACCESS_TOOL })],
  ['expired-below-quorum', approval({ state: 'expired', quorum: 2, resolvedAt, reviews: [review('approve')] })],
]

export const long = (length: number, text = 'x') => text.repeat(Math.ceil(length / text.length)).slice(0, length)
export const many = (count: number, value: string) =>
  JSON.stringify(
    Object.fromEntries(Array.from({ length: count }, (_, at) => [`argument${String(at).padStart(4, '0')}`, value])),
  )

export const EVERYTHING_LONG: Partial<Approval> = {
  statedReason: long(5000, '漢'),
  from: Array.from({ length: 50 }, () => long(300, '漢')),
  remarks: [{ kind: 'answer', by: { ...carol, name: long(500, '漢') }, text: long(2000, '漢'), at: ASKED_AT }],
  reminders: { count: 3, lastAt: ASKED_AT },
  readAll: true,
  strength: 'confirm',
  annotations: { readOnly: false, destructive: true, openWorld: true },
  upstream: long(5000, '漢'),
  tool: long(5000, '"'),
  rule: long(5000, '\\'),
  reason: long(5000, '🙂'),
  argumentsJson: many(200, long(3000, '漢')),
  principal: {
    id: principalId('https://issuer.example', 'x'),
    issuer: long(5000, '漢'),
    subject: long(5000),
    client: long(5000, '漢'),
    email: null,
  },
}
export const longNotes = (howMany: number) =>
  Array.from({ length: howMany }, () =>
    review('approve', { reviewer: { ...carol, name: long(500, '漢') }, reason: long(1000, '漢'), allowForMs: 900_000 }),
  )
export const EXTREMES: [string, Partial<Approval>][] = [
  ['an argument of 100 kB', { argumentsJson: JSON.stringify({ content: long(100_000) }) }],
  ['100 kB of four-byte characters', { argumentsJson: JSON.stringify({ content: long(100_000, '🙂') }) }],
  ['100 kB of quotes, which double in JSON', { argumentsJson: JSON.stringify({ content: long(100_000, '"') }) }],
  ['100 kB of controls, which grow eightfold', { argumentsJson: JSON.stringify({ content: long(100_000, '\u202e') }) }],
  ['100 kB of line breaks', { argumentsJson: JSON.stringify({ content: long(100_000, '\n') }) }],
  ['a thousand arguments', { argumentsJson: many(1000, 'value') }],
  ['a thousand empty arguments', { argumentsJson: many(1000, '') }],
  ['fifty long arguments', { argumentsJson: many(50, long(5000)) }],
  ['an argument with a name of 10 kB', { argumentsJson: JSON.stringify({ [long(10_000, '名')]: 1 }) }],
  ['everything long at once', EVERYTHING_LONG],
  [
    'everything long, half approved with long notes, escalated, and away',
    {
      ...EVERYTHING_LONG,
      quorum: 100,
      reviews: longNotes(50),
      agent: { state: 'away', calls: 0, awaySince: ASKED_AT, changedAt: ASKED_AT },
      steps: Array.from({ length: 5 }, () => ({
        type: 'escalate' as const,
        ...{ at: ASKED_AT, doneAt: ASKED_AT, from: [long(300, '漢')], rooms: [] },
      })),
    },
  ],
  [
    'everything long, approved with long notes for a while, and revoked',
    {
      ...EVERYTHING_LONG,
      ...{ state: 'approved', resolvedAt, allowedForMs: 900_000, reviews: longNotes(50) },
      standing: {
        until: null,
        ended: { state: 'revoked', at: resolvedAt, by: { ...carol, name: long(5000, '漢') } },
      },
    },
  ],
  [
    'a quorum of a hundred with long names',
    {
      state: 'approved',
      resolvedAt,
      argumentsJson: many(30, long(1000)),
      reviews: Array.from({ length: 100 }, () => review('approve', { reviewer: { ...carol, name: long(500, '漢') } })),
    },
  ],
]

export const poisoned = (poison: string): Approval => {
  const text = `${MARK}${poison}${MARK}`
  return approval({
    upstream: text,
    tool: text,
    rule: text,
    reason: text,
    from: [text],
    statedReason: text,
    remarks: [{ kind: 'answer', by: { id: text, email: null, name: text }, text, at: ASKED_AT }],
    argumentsJson: JSON.stringify({ [text]: text, list: [text, { [text]: text }], long: text.repeat(2000) }),
    principal: { id: principalId('https://i.example', text), issuer: text, subject: text, client: text, email: text },
  })
}
export const outcomes = (poison: string): [string, Approval][] => {
  const reviewer = { id: 'slack:T0FAKE:U2', email: `${poison}@x`, name: `${MARK}${poison}` }
  const reviews = [review('deny', { reviewer, reason: `${MARK}${poison}` })]
  return [
    ['pending', poisoned(poison)],
    ['half approved', { ...poisoned(poison), quorum: 2, reviews }],
    ['denied', { ...poisoned(poison), state: 'denied', resolvedAt, reviews }],
    ['approved with a note', { ...poisoned(poison), ...approvedByBob, reviews: noted(reviewer, `${MARK}${poison}`) }],
    ['asked for access', { ...poisoned(poison), access: poisonedAccess(`${MARK}${poison}`) }],
    ['cancelled', { ...poisoned(poison), state: 'cancelled', resolvedAt, cancelReason: `${MARK}${poison}` }],
  ]
}

export const noted = (reviewer: Review['reviewer'], reason: string) => [review('approve', { reviewer, reason })]
export const poisonedAccess = (text: string): Approval['access'] => ({
  requester: { id: text, email: text, name: text },
  ownerEmail: text,
  upstream: text,
  tools: [text, text],
  durationMs: 60_000,
  reason: text,
  extends: null,
})
