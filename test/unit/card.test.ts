import { describe, expect, it } from 'vitest'
import { type Approval, agentAtFirst, type Review } from '../../src/approval/approval.ts'
import { argumentRows } from '../../src/approval/argument-rows.ts'
import { cardOf } from '../../src/approval/card-of.ts'
import { visible, visibleLines } from '../../src/approval/visible.ts'
import type { Fingerprint } from '../../src/brands.ts'
import { epochMs, principalId } from '../../src/brands.ts'
import { anApproval, aReview } from '../support/examples.ts'

const REQUESTED_AT = epochMs(1_900_000_000_000)

function approval(change: Partial<Approval> = {}): Approval {
  return anApproval({
    fingerprint: 'c0ffee00'.repeat(8) as Fingerprint,
    principal: {
      id: principalId('https://issuer.example', '00u1'),
      issuer: 'https://issuer.example',
      subject: '00u1',
      client: 'desktop-agent',
      email: 'alice@example.com',
    },
    argumentsJson: '{"content":"hello","path":"/srv/a.txt"}',
    reason: null,
    requestedAt: REQUESTED_AT,
    expiresAt: epochMs(REQUESTED_AT + 900_000),
    ...change,
  })
}

function review(change: Partial<Review> = {}): Review {
  const reviewer = { id: 'slack:T1:U2', email: 'bob@example.com', name: 'Bob' }
  return aReview({ reviewer, channel: 'slack', at: REQUESTED_AT, ...change })
}

describe('visible text', () => {
  const rows: [string, string, string][] = [
    ['ordinary text of any script stays as it is', 'año – 漢字 🙂 [x]', 'año – 漢字 🙂 [x]'],
    ['a right-to-left override is shown', 'a\u202Etxt.exe', 'a⟨U+202E⟩txt.exe'],
    ['bidirectional isolates are shown', '\u2066x\u2069', '⟨U+2066⟩x⟨U+2069⟩'],
    ['a zero-width space is shown', 'ad\u200Bmin', 'ad⟨U+200B⟩min'],
    ['a byte order mark is shown', '\uFEFFx', '⟨U+FEFF⟩x'],
    ['a soft hyphen is shown', 'a\u00ADb', 'a⟨U+00AD⟩b'],
    ['a Hangul filler is shown', 'a\u3164b', 'a⟨U+3164⟩b'],
    ['a blank Braille pattern is shown', 'a\u2800b', 'a⟨U+2800⟩b'],
    ['a no-break space is told from a space', 'rm\u00A0-rf /', 'rm⟨U+00A0⟩-rf /'],
    ['a variation selector that could carry hidden data is shown', 'x\u{E0101}', 'x⟨U+E0101⟩'],
    ['a tag character is shown', 'x\u{E0041}', 'x⟨U+E0041⟩'],
    ['an escape sequence is shown', '\u001b[2J', '⟨U+001B⟩[2J'],
    ['a C1 control is shown', '\u009b', '⟨U+009B⟩'],
    ['a line separator is shown', 'a\u2028b', 'a⟨U+2028⟩b'],
    ['a lone surrogate is shown', 'a\uD83Db', 'a⟨U+D83D⟩b'],
    ['private use is shown', '\uE000', '⟨U+E000⟩'],
    ['a noncharacter is shown', '\uFFFE', '⟨U+FFFE⟩'],
    ['a text cannot pretend to hold an escape', '⟨U+202E⟩', '⟨U+27E8⟩U+202E⟩'],
  ]
  it.each(rows)('%s', (_sentence, text, expected) => {
    expect(visible(text)).toBe(expected)
    expect(visibleLines(text)).toBe(expected)
  })

  it('a name cannot break its line, a value may', () => {
    expect(visible('a\nb\tc')).toBe('a⟨U+000A⟩b⟨U+0009⟩c')
    expect(visibleLines('a\nb\tc')).toBe('a\nb\tc')
  })

  it('a carriage return, which would overprint, is shown in values too', () => {
    expect(visibleLines('good\revil')).toBe('good⟨U+000D⟩evil')
  })
})

describe('what a call carries beside its arguments', () => {
  it('is shown after them, under a name that no argument has by itself', () => {
    const shown = cardOf(approval({ argumentsJson: '{"a":1}', otherParamsJson: '{"task":{"ttl":5}}' }))
    expect(shown.arguments).toEqual([
      { name: 'a', value: '1' },
      { name: 'params.task', value: '{"ttl":5}' },
    ])
  })
})

describe('argument rows', () => {
  const rows: [string, string, [string, string][]][] = [
    ['no arguments, no rows', '{}', []],
    ['null, no rows', 'null', []],
    ['a string is shown as it is', '{"path":"/a \\"b\\"\\n{,}"}', [['path', '/a "b"\n{,}']]],
    ['a number that a double cannot hold keeps its digits', '{"id":9007199254740993}', [['id', '9007199254740993']]],
    [
      'a number keeps its form',
      '{"n":1.0,"e":1e+400}',
      [
        ['n', '1.0'],
        ['e', '1e+400'],
      ],
    ],
    [
      'keys keep their order, integers too',
      '{"b":true,"10":null,"9":1}',
      [
        ['b', 'true'],
        ['10', 'null'],
        ['9', '1'],
      ],
    ],
    ['a key named __proto__ is a row', '{"__proto__":{"a":1}}', [['__proto__', '{"a":1}']]],
    ['short structures stay on one line', '{"a":[1,{"b":[]}]}', [['a', '[1,{"b":[]}]']]],
    ['a string inside a structure stays quoted', '{"a":["x\\"]"]}', [['a', '["x\\"]"]']]],
    ['what is no object is one row', '[1,2]', [['(all)', '[1,2]']]],
    ['what is cut off is one row', '{"a":', [['(all)', '{"a":']]],
    ['what has a rest is one row', '{"a":1}{"b":2}', [['(all)', '{"a":1}{"b":2}']]],
    ['an open string is one row', '{"a":"b}', [['(all)', '{"a":"b}']]],
    ['what has no key is one row', '{1:2}', [['(all)', '{1:2}']]],
  ]
  it.each(rows)('%s', (_sentence, json, expected) => {
    expect(argumentRows(json).map(({ name, value }) => [name, value])).toEqual(expected)
  })

  it('long structures are indented, and hold the same tokens', () => {
    const value = { empty: {}, list: ['a'.repeat(40), { deep: [1, 2] }], text: 'a, b: {c}', z: [] }
    const [row] = argumentRows(JSON.stringify({ value }))
    expect(row?.value).toBe(JSON.stringify(value, null, 2))
  })

  it('a structure too long to indent stays compact', () => {
    const value = Array.from({ length: 10_000 }, (_, at) => at)
    expect(argumentRows(JSON.stringify({ value }))[0]?.value).toBe(JSON.stringify(value))
  })
})

describe('the card', () => {
  it('leads with who and the verb', () => {
    expect(cardOf(approval()).headline).toBe('alice@example.com’s agent wants write_file on files')
  })

  const away = { state: 'away', calls: 0, awaySince: REQUESTED_AT, changedAt: REQUESTED_AT } as const
  const waiting = (calls: number) => ({ state: 'waiting', calls, awaySince: null, changedAt: null }) as const
  it.each<[string, Partial<Approval>, readonly (string | number)[][]]>([
    ['says nothing of an agent that waits', {}, []],
    [
      'says what Approve does while the agent is away',
      { agent: away, useWithinMs: 900_000 },
      [
        [
          'The agent is away since ',
          REQUESTED_AT,
          ': if you approve, the call runs when it comes back within 15 minutes of that.',
        ],
      ],
    ],
    [
      'does not promise that one click is enough where it is not',
      { agent: away, useWithinMs: 3_600_000, quorum: 2 },
      [
        [
          'The agent is away since ',
          REQUESTED_AT,
          ': once approved, the call runs when it comes back within 1 hour of that.',
        ],
      ],
    ],
    [
      'never says more time than there is',
      { agent: away, useWithinMs: 90_999 },
      [['The agent is away since ', REQUESTED_AT, expect.stringContaining('within 90 seconds of that.')]],
    ],
    [
      'says that a task’s call runs at once',
      { agent: agentAtFirst('polling') },
      [['The agent will fetch the result later: if you approve, the call runs at once.']],
    ],
    [
      'says how many identical calls share it, and what becomes of them',
      { agent: waiting(3) },
      [['3 identical calls wait: one approval lets one run, and the others get its answer.']],
    ],
    ['says nothing any more once it is decided', { agent: away, state: 'denied', resolvedAt: REQUESTED_AT }, []],
  ])('[REQ-AWAY-1] %s', (_sentence, change, notes) => {
    expect(cardOf(approval(change)).notes).toEqual(notes)
  })

  it('names the subject where the token has no e-mail', () => {
    const { principal } = approval()
    expect(cardOf(approval({ principal: { ...principal, email: null } })).headline).toBe(
      '00u1’s agent wants write_file on files',
    )
  })

  it('shows the first eight digits of the fingerprint', () => {
    expect(cardOf(approval()).shortFingerprint).toBe('c0ffee00')
  })

  const deny = review({ choice: 'deny', reason: 'not on a Friday' })
  const carol = review({ reviewer: { id: 'slack:T1:U3', email: null, name: 'Carol (ceo@example.com)' } })
  const outcomes: [string, Partial<Approval>, string | null][] = [
    ['pending has no outcome', {}, null],
    ['approved names who', { state: 'approved', reviews: [review()] }, 'Approved by Bob (bob@example.com)'],
    [
      'a quorum names each, and what was verified stands last',
      { state: 'approved', quorum: 2, reviews: [review(), carol] },
      'Approved by Bob (bob@example.com) and Carol (ceo@example.com) (slack:T1:U3)',
    ],
    [
      'denied gives the reason',
      { state: 'denied', reviews: [deny] },
      'Denied by Bob (bob@example.com): not on a Friday',
    ],
    [
      'denied without a reason',
      { state: 'denied', reviews: [review({ choice: 'deny' })] },
      'Denied by Bob (bob@example.com)',
    ],
    ['expired', { state: 'expired' }, 'Expired: nobody decided in time'],
    [
      'expired below the quorum',
      { state: 'expired', quorum: 2, reviews: [review()] },
      'Expired: only 1 of 2 approved in time',
    ],
    ['cancelled', { state: 'cancelled', cancelReason: 'the agent withdrew' }, 'Cancelled: the agent withdrew'],
    [
      'hidden characters in a reason are shown',
      { state: 'denied', reviews: [review({ choice: 'deny', reason: '\u202Eok' })] },
      'Denied by Bob (bob@example.com): ⟨U+202E⟩ok',
    ],
  ]
  it.each(outcomes)('%s', (_sentence, change, expected) => {
    expect(cardOf(approval(change)).outcome).toBe(expected)
  })

  it('[REQ-CARD-2] a tool’s name cannot add a line to the headline', () => {
    expect(cardOf(approval({ tool: 'x\nApproved' })).headline).not.toContain('\n')
  })
})
