import { describe, expect, it } from 'vitest'
import type { ApprovalTerms } from '../../src/policy/decision.ts'
import { loadPolicy, type PolicySurroundings } from '../../src/policy/load.ts'
import { placeIn, placesOf } from '../../src/policy/place.ts'
import { someTerms } from '../support/examples.ts'
import { surroundings } from '../support/policies.ts'

const ACME = { ...surroundings, workspaces: ['slack/acme'] }

function loaded(block: string, more: Partial<PolicySurroundings> = {}, tests = '') {
  const rule = `{ id: a, effect: require_approval, approval: ${block} }`
  return loadPolicy(`version: 1\nrules:\n  - ${rule}\n${tests}`, { ...ACME, ...more })
}

/** What is said about an approval block, `path: message | cure`; the path is within the block. */
function problems(block: string, more: Partial<PolicySurroundings> = {}): string[] {
  const result = loaded(block, more)
  if (result.ok) return []
  return result.problems.map(
    ({ path, message, cure }) => `${path.replace('rules[0].approval', '')}: ${message} | ${cure}`,
  )
}

function terms(block: string, more: Partial<PolicySurroundings> = {}): ApprovalTerms {
  const result = loaded(block, more)
  if (!result.ok) throw new Error(result.problems.map(({ path, message }) => `${path}: ${message}`).join('\n'))
  const call = { upstream: 'files', method: 'tools/call', tool: 'x', arguments: {}, toolDefinition: null }
  const decision = result.policy.evaluate({ ...call, principal: {} as never, now: 0 as never })
  if (decision.approval === null) throw new Error('the rule asks nobody')
  return decision.approval
}

const OFFICE = 'days: mon-fri, from: "09:00", to: "18:00", zone: Europe/Berlin, otherwise: [editors]'
const PLACE_CURE =
  'Write slack, teams or console; a room by its id, like slack:C0123ABCD or teams:19:…@thread.tacv2; or slack/acme:C0123ABCD in a named workspace.'

describe('[REQ-POLICY-4] an approval block', () => {
  it.each<[string, string, string]>([
    [
      'a strength that is none',
      '{ strength: stepUp }',
      '.strength: must be one of click, confirm, step_up | Choose one of click, confirm, step_up.',
    ],
    ['a switch that is none', '{ read_all: yes please }', '.read_all: must be true or false | Write true or false.'],
    [
      'an offer that is too short',
      '{ allow_for: 30s }',
      '.allow_for[0]: too short | Choose a duration between 1m and 1d.',
    ],
    [
      'an offer that is too long',
      '{ allow_for: [15m, 2d] }',
      '.allow_for[1]: too long | Choose a duration between 1m and 1d.',
    ],
    [
      'too many offers',
      '{ allow_for: [1m, 2m, 3m, 4m, 5m, 6m] }',
      '.allow_for: has more than 5 entries | Keep it to 5.',
    ],
    [
      'an offer that grants could not keep, since the rule demands a second tap',
      '{ strength: confirm, allow_for: 15m }',
      '.allow_for: would pass nothing: the rule demands more than one tap | Write accepts_grants: true if later calls may pass without being asked about, or leave allow_for out.',
    ],
    [
      'an offer where the rule refuses grants',
      '{ accepts_grants: false, allow_for: 15m }',
      '.allow_for: would pass nothing: accepts_grants is false | Write accepts_grants: true if later calls may pass without being asked about, or leave allow_for out.',
    ],
    [
      'a reminder at the deadline',
      '{ remind: [5m, 15m] }',
      '.remind[1]: comes when the deadline has passed | The deadline is 15m: choose a shorter time, or a later deadline.',
    ],
    ['a reminder at once', '{ remind: 1ms }', '.remind[0]: too short | Choose a duration between 1s and 1d.'],
    [
      'an escalation after the deadline',
      '{ from: [dba], deadline: 10m, escalate: [{ after: 20m, from: [editors] }] }',
      '.escalate[0].after: comes when the deadline has passed | The deadline is 10m: choose a shorter time, or a later deadline.',
    ],
    [
      'an escalation to nobody',
      '{ from: [dba], escalate: [{ after: 5m }] }',
      '.escalate[0]: asks nobody else | Give from, channel or both; or write remind: to ask the same people again.',
    ],
    [
      'an escalation to those who are asked already',
      '{ from: [dba], channel: slack, escalate: [{ after: 5m, from: [dba], channel: slack }] }',
      '.escalate[0]: adds nobody and no room that is not asked before | Name others, or write remind:.',
    ],
    [
      'an escalation to people where anyone may decide',
      '{ escalate: [{ after: 5m, from: [dba] }] }',
      '.escalate[0].from: adds nobody: this rule lets anyone decide already | Name from in the rule, or escalate to a channel alone.',
    ],
    [
      'an escalation to an unknown group',
      '{ from: [dba], escalate: { after: 5m, from: [editor] } }',
      '.escalate[0].from[0]: unknown group editor | Did you mean editors?',
    ],
    [
      'an escalation without a time',
      '{ from: [dba], escalate: [{ from: [editors] }] }',
      '.escalate[0].after: is missing | Add it. Write one like 15m.',
    ],
    [
      'a misspelt key of an escalation',
      '{ from: [dba], escalate: [{ afer: 5m, from: [editors] }] }',
      '.escalate[0].afer: unknown key | Did you mean after? Otherwise remove it.',
    ],
    [
      'hours without days',
      '{ hours: { from: "09:00", to: "18:00", zone: UTC, otherwise: [dba] } }',
      '.hours.days: is missing | Add it. Write it as [one, two], or as lines that start with a dash.',
    ],
    [
      'a day that is none',
      `{ hours: { ${OFFICE.replace('mon-fri', 'mon-fry')} } }`,
      '.hours.days[0]: is not a day of the week | Write mon-fri, or a list like [mon, wed, fri].',
    ],
    [
      'a day that is half a range',
      `{ hours: { ${OFFICE.replace('mon-fri', 'mon-')} } }`,
      '.hours.days[0]: is not a day of the week | Write mon-fri, or a list like [mon, wed, fri].',
    ],
    [
      'a time that is none',
      `{ hours: { ${OFFICE.replace('09:00', '9am')} } }`,
      '.hours.from: is not a time of day | Write hours and minutes, like "09:00"; "24:00" is the end of the day.',
    ],
    [
      'a time after midnight',
      `{ hours: { ${OFFICE.replace('18:00', '24:30')} } }`,
      '.hours.to: is not a time of day | Write hours and minutes, like "09:00"; "24:00" is the end of the day.',
    ],
    [
      'hours over midnight',
      `{ hours: { ${OFFICE.replace('18:00', '06:00')} } }`,
      '.hours.to: is not after from | Give hours within one day; whoever is to be asked in the others stands in otherwise.',
    ],
    [
      'a zone that is none',
      `{ hours: { ${OFFICE.replace('Europe/Berlin', 'Europe/Atlantis')} } }`,
      '.hours.zone: is not a time zone | Write a name of the IANA time zone database, like Europe/Berlin or UTC.',
    ],
    [
      'an offset, which has no summer time',
      `{ hours: { ${OFFICE.replace('Europe/Berlin', '"+01:00"')} } }`,
      '.hours.zone: is not a time zone | Write a name of the IANA time zone database, like Europe/Berlin or UTC.',
    ],
    [
      'hours without reviewers for the others',
      '{ hours: { days: mon-fri, from: "09:00", to: "18:00", zone: UTC } }',
      '.hours.otherwise: is missing | Add it. Write it as [one, two], or as lines that start with a dash.',
    ],
    [
      'an unknown group out of hours',
      `{ hours: { ${OFFICE.replace('editors', 'dbas')} } }`,
      '.hours.otherwise[0]: unknown group dbas | Did you mean dba?',
    ],
    [
      'a room by its name',
      '{ channel: "slack:#prod" }',
      '.channel[0]: is not a channel: rooms go by their id | Copy the id from the room’s details, like C0123ABCD.',
    ],
    [
      'a talk of two, where nobody else could decide',
      '{ channel: "slack:D0123ABCD" }',
      `.channel[0]: is not a channel | ${PLACE_CURE}`,
    ],
    ['a room of the console', '{ channel: "console:C0123ABCD" }', `.channel[0]: is not a channel | ${PLACE_CURE}`],
    ['a room of nothing', '{ channel: "C0123ABCD" }', `.channel[0]: is not a channel | ${PLACE_CURE}`],
    [
      'a channel that is not configured',
      '{ channel: teams }',
      '.channel[0]: unknown channel teams | Configured: slack, console.',
    ],
    [
      'a workspace that is not configured',
      '{ channel: "slack/acne:C0123ABCD" }',
      '.channel[0]: unknown workspace slack/acne | Did you mean slack/acme?',
    ],
    [
      'an escalation to a workspace that is not configured',
      '{ escalate: [{ after: 5m, channel: slack/other }] }',
      '.escalate[0].channel[0]: unknown workspace slack/other | Configured: slack/acme.',
    ],
  ])('names %s', (_sentence, block, said) => {
    expect(problems(block)).toContain(said)
  })

  it('names a workspace where there is but one', () => {
    expect(problems('{ channel: slack/acme }', { workspaces: [] })).toContain(
      '.channel[0]: unknown workspace slack/acme | Name it in the settings, in channels.slack.workspaces.',
    )
  })

  it('refuses signing in where no issuer is configured for it, and only there', () => {
    const said =
      '.strength: no reviewer can sign in at the gateway | Configure signIn for an issuer in identity.issuers, or choose confirm.'
    expect(problems('{ strength: step_up }', { canStepUp: false })).toEqual([said])
    expect(problems('{ strength: confirm }', { canStepUp: false })).toEqual([])
    expect(problems('{ strength: step_up }', { canStepUp: true })).toEqual([])
  })

  it.each<[string, string, Partial<ApprovalTerms>]>([
    ['says nothing: one tap of one person, anywhere', '{}', {}],
    [
      'a second tap is asked for, so that grants don’t count',
      '{ strength: confirm }',
      { strength: 'confirm', acceptsGrants: false },
    ],
    ['two people are asked, so that grants don’t count', '{ quorum: 2 }', { quorum: 2, acceptsGrants: false }],
    ['all must be read, so that grants don’t count', '{ read_all: true }', { readAll: true, acceptsGrants: false }],
    ['grants don’t count', '{ accepts_grants: false }', { acceptsGrants: false }],
    [
      'grants count although two must sign in',
      '{ quorum: 2, strength: step_up, accepts_grants: true, allow_for: 15m }',
      { quorum: 2, strength: 'step_up', acceptsGrants: true, allowForMs: [900_000] },
    ],
    ['offers are in order, each once', '{ allow_for: [1h, 15m, 60m] }', { allowForMs: [900_000, 3_600_000] }],
    ['one reminder', '{ remind: 5m }', { steps: [{ type: 'remind', afterMs: 300_000 }] }],
    [
      'reminders and escalations, in the order of time',
      '{ from: dba, remind: [12m, 5m], escalate: [{ after: 10m, from: editors, channel: "slack:C0123ABCD" }] }',
      {
        from: ['dba'],
        steps: [
          { type: 'remind', afterMs: 300_000 },
          // The channel's own place goes on showing it.
          { type: 'escalate', afterMs: 600_000, from: ['editors'], rooms: ['slack', 'slack:C0123ABCD'] },
          { type: 'remind', afterMs: 720_000 },
        ],
      },
    ],
    [
      'an escalation into another channel',
      '{ channel: console, escalate: { after: 5m, channel: [slack, "slack:C0123ABCD"] } }',
      {
        channels: ['console'],
        steps: [{ type: 'escalate', afterMs: 300_000, from: [], rooms: ['slack', 'slack:C0123ABCD'] }],
      },
    ],
    [
      'two escalations: the second adds only what the first did not',
      '{ channel: console, escalate: [{ after: 6m, channel: ["slack:C0123ABCD", "slack:C0456ABCD"] }, { after: 5m, channel: "slack:C0123ABCD" }] }',
      {
        channels: ['console'],
        steps: [
          { type: 'escalate', afterMs: 300_000, from: [], rooms: ['slack:C0123ABCD'] },
          { type: 'escalate', afterMs: 360_000, from: [], rooms: ['slack:C0456ABCD'] },
        ],
      },
    ],
    ['a room', '{ channel: "slack:C0123ABCD" }', { channels: ['slack'], rooms: ['slack:C0123ABCD'] }],
    [
      'a channel’s own place beside a room',
      '{ channel: [slack, "slack:C0123ABCD"] }',
      { channels: ['slack'], rooms: ['slack', 'slack:C0123ABCD'] },
    ],
    [
      'workspaces, and rooms of them',
      '{ channel: [console, slack/acme, "slack/acme:G0123ABCD"] }',
      { channels: ['console', 'slack'], rooms: ['slack/acme', 'slack/acme:G0123ABCD'] },
    ],
    [
      'hours',
      `{ from: dba, hours: { ${OFFICE} } }`,
      {
        from: ['dba'],
        hours: {
          days: [1, 2, 3, 4, 5],
          fromMinute: 540,
          toMinute: 1080,
          zone: 'Europe/Berlin',
          otherwise: ['editors'],
        },
      },
    ],
    [
      'hours on single days, and over the end of the week',
      '{ hours: { days: [wed, Sat-mon], from: 0:00, to: "24:00", zone: UTC, otherwise: bob@example.com } }',
      { hours: { days: [0, 1, 3, 6], fromMinute: 0, toMinute: 1440, zone: 'UTC', otherwise: ['bob@example.com'] } },
    ],
    [
      'out of hours the day’s people are woken, who are asked at other times anyway',
      `{ from: dba, hours: { ${OFFICE} }, escalate: { after: 5m, from: dba } }`,
      {
        from: ['dba'],
        hours: {
          days: [1, 2, 3, 4, 5],
          fromMinute: 540,
          toMinute: 1080,
          zone: 'Europe/Berlin',
          otherwise: ['editors'],
        },
        steps: [{ type: 'escalate', afterMs: 300_000, from: ['dba'], rooms: [] }],
      },
    ],
  ])('means: %s', (_sentence, block, expected) => {
    expect(terms(block)).toEqual(someTerms(expected))
  })
})

describe('an approval block of access', () => {
  it.each<[string, string, string]>([
    ['an offer for later calls', 'allow_for: 15m', 'allow_for'],
    ['whether grants count', 'accepts_grants: true', 'accepts_grants'],
  ])('says nothing of %s', (_sentence, key, field) => {
    const text = `version: 1\nrules: []\naccess: [{ id: a, match: { upstream: '*', tool: '*' }, approval: { from: dba, strength: confirm, ${key} } }]`
    const result = loadPolicy(text, surroundings)
    expect(result.ok ? [] : result.problems).toMatchObject([
      { path: `access[0].approval.${field}`, message: 'is for calls, and this is about access' },
    ])
  })
})

describe('a policy’s own tests', () => {
  const withTest = (expectation: string, now = '2026-01-01T12:00:00Z') =>
    loaded(
      `{ from: dba, quorum: 2, strength: confirm, hours: { ${OFFICE} } }`,
      {},
      `tests:\n  - { name: t, call: { upstream: files, tool: x, now: "${now}" }, expect: { effect: require_approval, ${expectation} } }`,
    )
  const failure = (result: ReturnType<typeof withTest>) => (result.ok ? '' : (result.problems[0]?.message ?? ''))

  it('may expect strength, quorum and who is asked at that time', () => {
    expect(failure(withTest('strength: confirm, quorum: 2, from: [dba]'))).toBe('')
    expect(failure(withTest('from: editors', '2026-01-01T22:00:00Z'))).toBe('')
  })

  it.each<[string, string, string]>([
    ['another strength', 'strength: click', 'expected strength click, got confirm; rule a decided'],
    ['another quorum', 'quorum: 1', 'expected quorum 1, got 2; rule a decided'],
    ['other people', 'from: [editors]', 'expected from editors, got dba; rule a decided'],
  ])('fail on %s', (_sentence, expectation, said) => {
    expect(failure(withTest(expectation))).toBe(`test "t" fails: ${said}`)
  })

  it('fail where a call that asks nobody is expected to ask', () => {
    const text =
      'version: 1\nrules: [{ id: a, effect: allow }]\ntests: [{ name: t, call: { upstream: files, tool: x }, expect: { effect: allow, quorum: 2 } }]'
    const result = loadPolicy(text, surroundings)
    expect(result.ok ? '' : result.problems[0]?.message).toBe(
      'test "t" fails: expected quorum 2, got no approval; rule a decided',
    )
  })
})

describe('places', () => {
  it.each<[string, string, ReturnType<typeof placeIn>]>([
    ['a channel', 'slack', { channel: 'slack', workspace: null, room: null }],
    ['a room', 'slack:C0123ABCD', { channel: 'slack', workspace: null, room: 'C0123ABCD' }],
    ['a workspace', 'slack/acme-2', { channel: 'slack', workspace: 'acme-2', room: null }],
    ['a room of a workspace', 'slack/acme:G0123ABCD', { channel: 'slack', workspace: 'acme', room: 'G0123ABCD' }],
    ['no channel we know', 'irc', null],
    ['no room by that id', 'slack:c0123', null],
    ['a line that would end another', 'slack:C0123\n', null],
    ['no workspace', 'slack/:C0123ABCD', null],
  ])('%s', (_sentence, text, expected) => {
    expect(placeIn(text)).toEqual(expected)
  })

  it.each<[string, string[], string[], string[]]>([
    ['a channel’s own place', ['slack', 'console'], [], ['slack', 'console']],
    ['a room instead of it', ['slack', 'console'], ['slack:C0123ABCD'], ['console', 'slack:C0123ABCD']],
    ['both, where both are named', ['slack'], ['slack', 'slack:C0123ABCD'], ['slack', 'slack:C0123ABCD']],
    [
      'a room of a channel that was not asked at first',
      ['console'],
      ['slack:C0123ABCD'],
      ['console', 'slack:C0123ABCD'],
    ],
  ])('an approval is shown in %s', (_sentence, channels, rooms, expected) => {
    expect(placesOf({ channels: channels as ('slack' | 'console')[], rooms })).toEqual(expected)
  })
})

it('a policy names each room that cards may be posted into, also late ones and those of access', () => {
  const access =
    'access:\n  - { id: b, match: { upstream: files, tool: x }, longest: 1h, approval: { channel: "slack:C0ACCESS" } }'
  const block = '{ channel: [slack, "slack:C0ROOM"], escalate: { after: 5m, channel: "slack:C0LATER" } }'
  const result = loaded(block, {}, access)
  expect(result.ok && result.policy.rooms).toEqual(['slack', 'slack:C0ROOM', 'slack:C0ACCESS', 'slack:C0LATER'])
})
