/** What the person behind an agent sees of their request. */
import { describe, expect, it } from 'vitest'
import { answerView } from '../../bots/slack/answer-view.ts'
import { requesterMessage } from '../../bots/slack/requester.ts'
import type { AccessRequest } from '../../src/access/access.ts'
import type { Approval, Remark } from '../../src/approval/approval.ts'
import { cardOf } from '../../src/approval/card-of.ts'
import { epochMs } from '../../src/brands.ts'
import { aReview } from '../support/examples.ts'
import { ruleMessageBlocks, ruleModal } from '../support/slack-block-rules.ts'
import { pendingApproval } from '../support/slack-gateway.ts'
import { textsOf } from '../support/slack-text-walker.ts'

const ASKED_AT = epochMs(Date.UTC(2030, 0, 2, 3, 4, 5))
const resolvedAt = epochMs(ASKED_AT + 60_000)
const bob = { id: 'slack:T0FAKE:U2', email: 'bob@example.com', name: 'Bob' }
const alice = { id: 'slack:T0FAKE:U1', email: 'alice@example.com', name: 'Alice' }
const by = (choice: 'approve' | 'deny', reason: string | null = null) =>
  aReview({ reviewer: bob, choice, reason, channel: 'slack', at: resolvedAt })
const question: Remark = { kind: 'question', by: bob, text: 'Which month?', at: resolvedAt }
const answer: Remark = { kind: 'answer', by: alice, text: 'March.', at: resolvedAt }
const access: AccessRequest = {
  requester: alice,
  ownerEmail: 'alice@example.com',
  upstream: 'files',
  tools: ['write_file'],
  durationMs: 3_600_000,
  reason: 'Moving the archive.',
  extends: null,
}

function approval(change: Partial<Approval> = {}): Approval {
  return pendingApproval({ requestedAt: ASKED_AT, expiresAt: epochMs(ASKED_AT + 900_000), ...change })
}

const STATES: [string, Approval][] = [
  ['pending', approval({ from: ['dba', 'ops'] })],
  ['pending-anyone', approval()],
  ['pending-below-quorum', approval({ from: ['dba'], quorum: 2, reviews: [by('approve')] })],
  ['pending-question', approval({ from: ['dba'], remarks: [question] })],
  ['pending-answered', approval({ from: ['dba'], remarks: [question, answer] })],
  ['pending-reminded', approval({ from: ['dba'], reminders: { count: 2, lastAt: resolvedAt } })],
  ['pending-access', approval({ access, from: ['dba'] })],
  ['approved', approval({ state: 'approved', resolvedAt, reviews: [by('approve', 'Go ahead.')] })],
  [
    'access-revoked',
    approval({
      ...{ state: 'approved', resolvedAt, access, reviews: [by('approve')] },
      standing: { until: null, ended: { state: 'revoked', at: epochMs(ASKED_AT + 300_000), by: bob } },
    }),
  ],
  ['denied', approval({ state: 'denied', resolvedAt, reviews: [by('deny', 'Not on a Friday.')] })],
  ['expired', approval({ state: 'expired', resolvedAt: epochMs(ASKED_AT + 900_000) })],
  ['cancelled', approval({ state: 'cancelled', resolvedAt, cancelReason: 'alice@example.com took it back.' })],
]
const messageOf = (one: Approval) => requesterMessage(one, cardOf(one))
const buttonsOf = (one: Approval) =>
  messageOf(one).blocks.flatMap((block) =>
    block.type === 'actions' ? block.elements.map((element) => ('action_id' in element ? element.action_id : '')) : [],
  )

describe('each state', () => {
  it.each(STATES)('%s looks as agreed', async (name, one) => {
    const message = messageOf(one)
    expect(ruleMessageBlocks(JSON.stringify(message.blocks))).toMatchObject({ ok: true })
    await expect(`${JSON.stringify(message, null, 2)}\n`).toMatchFileSnapshot(`golden/slack/requester-${name}.json`)
  })

  it.each(STATES)(
    '%s has buttons only while it is pending, Answer only while a question waits, never Approve',
    (name, one) => {
      const usual = one.state === 'pending' ? ['requester_remind', 'requester_cancel'] : []
      expect(buttonsOf(one)).toEqual(name === 'pending-question' ? ['requester_answer', ...usual] : usual)
    },
  )
})

describe('text from outside', () => {
  const evil = '<!channel> *x* \u202e _y_ <https://evil.example|z> :smile:'
  const hostile = approval({
    tool: evil,
    upstream: evil,
    argumentsJson: JSON.stringify({ [evil]: evil }),
    from: [evil],
    remarks: [{ ...question, text: evil, by: { ...bob, email: evil } }],
    reviews: [{ ...by('approve'), reviewer: { ...bob, email: evil } }],
    quorum: 2,
  })

  it('formats, links and mentions nothing, and hides nothing', () => {
    const { text, blocks } = messageOf(hostile)
    expect(text).not.toMatch(/[<>*`~\u202e]/)
    for (const { text: shown, formats } of textsOf(blocks)) {
      expect(shown).not.toContain('\u202e')
      if (formats) expect(shown).not.toMatch(/channel>|\*x|evil/)
    }
  })

  it('stays within what Slack takes, however long', () => {
    const long = '😀"\\'.repeat(20_000)
    const one = approval({
      tool: long,
      upstream: long,
      argumentsJson: JSON.stringify(Object.fromEntries(Array.from({ length: 50 }, (_, at) => [`${at}${long}`, long]))),
      from: [long],
      remarks: [question, answer, question].map((remark) => ({ ...remark, text: long })),
      reviews: [{ ...by('approve'), reviewer: { ...bob, email: long } }],
      quorum: 2,
    })
    expect(ruleMessageBlocks(JSON.stringify(messageOf(one).blocks))).toMatchObject({ ok: true })
    expect(ruleModal(JSON.stringify(answerView(one)))).toMatchObject({ ok: true })
  })
})

it('the window to answer in shows the question that waits', () => {
  const later: Remark = { ...question, text: 'And which year?' }
  const view = answerView(approval({ remarks: [question, answer, later] }))
  expect(ruleModal(JSON.stringify(view))).toMatchObject({ ok: true })
  expect(JSON.stringify(view)).toContain('And which year?')
  expect(JSON.stringify(view)).not.toContain('Which month?')
})
