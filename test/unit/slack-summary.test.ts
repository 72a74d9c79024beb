/** What the channel reads when a session ends: the message, and its details in the thread. */
import { describe, expect, it } from 'vitest'
import { BLOCKS_BYTES_MAX } from '../../bots/slack/limits.ts'
import { summaryDetails, summaryMessage } from '../../bots/slack/summary-blocks.ts'
import { jsonBytes } from '../../bots/slack/text.ts'
import type { SessionSummary } from '../../src/audit/summary.ts'
import type { GrantId } from '../../src/brands.ts'
import { MARK, POISONS } from '../support/poisons.ts'
import { ruleMessageBlocks } from '../support/slack-block-rules.ts'
import { textsOf } from '../support/slack-text-walker.ts'
import { aSummary } from '../support/summaries.ts'

const quiet = { calls: {}, tools: [], approvals: [], grants: [], masked: [] }
const lost = aSummary({
  unknownOutcomes: 2,
  unknownResolved: 1,
  tools: [{ tool: 'write_file', calls: { succeeded: 3 }, unknownOutcomes: 2 }],
  grants: [
    { id: 'stg_a' as GrantId, tools: ['*'], used: 0, ended: null, endedBy: null },
    { id: 'stg_b' as GrantId, tools: null, used: 1, ended: 'revoked', endedBy: 'bob@example.com' },
    { id: 'stg_c' as GrantId, tools: ['move_file'], used: 1, ended: 'revoked', endedBy: null },
  ],
  approvals: [
    { tool: 'write_file', state: 'approved', reviewers: ['bob', 'carol'], decidedAfterMs: 700, isHasty: true },
    { tool: 'move_file', state: 'expired', reviewers: [], decidedAfterMs: null, isHasty: false },
  ],
})
const long = (character: string) => character.repeat(500)
const many = (character: string): Partial<SessionSummary> => ({
  tools: Array.from({ length: 1000 }, (_, at) => ({
    tool: `${at}${long(character)}`,
    calls: { succeeded: 1 },
    unknownOutcomes: 0,
  })),
  approvals: Array.from({ length: 1000 }, () => ({
    tool: long(character),
    state: 'approved' as const,
    reviewers: [long(character)],
    decidedAfterMs: 1,
    isHasty: true,
  })),
  grants: Array.from({ length: 1000 }, (_, at) => ({
    id: `stg_${at}` as GrantId,
    tools: [long(character)],
    used: 1,
    ended: 'revoked' as const,
    endedBy: long(character),
  })),
  masked: Array.from({ length: 1000 }, (_, at) => ({ detector: `${at}${long(character)}`, count: at })),
})

const textIn = (value: unknown) =>
  textsOf(value)
    .map(({ text }) => text)
    .join('')

describe('the message', () => {
  const rows: readonly [sentence: string, summary: SessionSummary, text: string][] = [
    ['says what was decided and masked', aSummary(), '1 approved, 1 denied, 1 denied by policy, 2 masked'],
    ['says that there was nothing of it', aSummary(quiet), 'Nothing held, denied or masked'],
    [
      'asks to look into what nobody knows',
      lost,
      '1 approved, 1 expired, 1 denied by policy, 2 masked, 2 with an unknown outcome (1 found out since): check what they did',
    ],
  ]
  it.each(rows)('%s, in one line', (_sentence, summary, text) => {
    const [header, matter, context] = summaryMessage(summary).blocks
    expect(textIn(matter)).toBe(text)
    expect(textIn(header)).toMatch(/^alice@example.com’s agent on files: \d+ calls$/)
    expect(textIn(context)).toMatch(/^Took 31 m 0 s, until.*Recording rec_example2…; details in the thread$/)
  })

  it('names the whole recording, its hash and how to check it in the thread', () => {
    const { recordingId, recordingHash } = aSummary()
    const text = textIn(summaryDetails(aSummary()).blocks)
    for (const part of [recordingId, recordingHash, `countersign audit show ${recordingId} --config`]) {
      expect(text).toContain(part)
    }
  })
})

const FORMS = [
  ['summary', summaryMessage],
  ['summary-details', summaryDetails],
] as const

describe.each(FORMS)('%s', (name, render) => {
  it.each([
    ['', aSummary()],
    ['-quiet', aSummary(quiet)],
    ['-lost', lost],
  ])('%j looks as agreed', async (suffix, summary) => {
    const { blocks } = render(summary)
    expect(ruleMessageBlocks(JSON.stringify(blocks))).toMatchObject({ ok: true })
    await expect(`${JSON.stringify(render(summary), null, 2)}\n`).toMatchFileSnapshot(
      `golden/slack/${name}${suffix}.json`,
    )
  })

  it.each(['x', '漢', '"', '🙂', '\u202e'])('Slack takes a thousand of everything, made of %j', (character) => {
    const { blocks } = render(aSummary(many(character)))
    expect(ruleMessageBlocks(JSON.stringify(blocks))).toMatchObject({ ok: true })
    expect(jsonBytes(blocks)).toBeLessThanOrEqual(BLOCKS_BYTES_MAX)
  })

  it.each(POISONS)('%j does nothing in it', (poison) => {
    const text = `${MARK}${poison}`
    const message = render(
      aSummary({
        upstream: text,
        principal: { ...aSummary().principal, email: text },
        tools: [{ tool: text, calls: { succeeded: 1 }, unknownOutcomes: 0 }],
        approvals: [{ tool: text, state: 'denied', reviewers: [text], decidedAfterMs: 1, isHasty: false }],
        grants: [{ id: 'stg_a' as GrantId, tools: [text], used: 1, ended: 'revoked', endedBy: text }],
        masked: [{ detector: text, count: 1 }],
      }),
    )
    const found = textsOf(message.blocks)
    expect(found.some((one) => one.text.includes(MARK))).toBe(true)
    for (const one of found) if (one.formats) expect(one.text).not.toContain(MARK)
    expect(message.text).not.toMatch(/[<>*~`]/)
  })
})
