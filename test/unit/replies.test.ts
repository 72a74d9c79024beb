/** What belongs into the thread of a card, told from the approval alone. */
import { describe, expect, it } from 'vitest'
import { replyMessage } from '../../bots/slack/reply-blocks.ts'
import type { Approval, ApprovalStep, Remark } from '../../src/approval/approval.ts'
import { cardOf } from '../../src/approval/card-of.ts'
import { isCall, isToldByNewCard, repliesTo } from '../../src/approval/replies.ts'
import { epochMs } from '../../src/brands.ts'
import { aReview } from '../support/examples.ts'
import { ruleMessageBlocks } from '../support/slack-block-rules.ts'
import { pendingApproval } from '../support/slack-gateway.ts'
import { textsOf } from '../support/slack-text-walker.ts'

const ASKED_AT = epochMs(Date.UTC(2030, 0, 2, 3, 4, 5))
const minute = (minutes: number) => epochMs(ASKED_AT + minutes * 60_000)
const bob = { id: 'slack:T0FAKE:U2', email: 'bob@example.com', name: 'Bob' }
const alice = { id: 'slack:T0FAKE:U1', email: 'alice@example.com', name: 'Alice' }

function approval(change: Partial<Approval> = {}): Approval {
  return pendingApproval({ requestedAt: ASKED_AT, expiresAt: minute(15), ...change })
}
function step(type: ApprovalStep['type'], minutes: number, isDone: boolean, change: Partial<ApprovalStep> = {}) {
  return { type, at: minute(minutes), doneAt: isDone ? minute(minutes) : null, from: [], rooms: [], ...change }
}
const question: Remark = { kind: 'question', by: bob, text: 'Which month?', at: minute(2) }
const answer: Remark = { kind: 'answer', by: alice, text: 'March.', at: minute(3) }
const resolved = {
  state: 'denied',
  resolvedAt: minute(9),
  reviews: [aReview({ reviewer: bob, choice: 'deny' })],
} as const

describe('the replies to an approval', () => {
  it.each<[string, Partial<Approval>, string[]]>([
    ['none at first', {}, []],
    ['the last reminder alone', { reminders: { count: 3, lastAt: minute(5) } }, ['reminder-3']],
    [
      'an escalation that was taken, and none to come',
      { steps: [step('escalate', 5, true, { from: ['dba'] }), step('escalate', 9, false)] },
      ['step-1'],
    ],
    ['no step that only reminded', { steps: [step('remind', 5, true)] }, []],
    [
      'all in the order in which they happened',
      {
        remarks: [question, answer],
        reminders: { count: 1, lastAt: minute(1) },
        steps: [step('remind', 1, true), step('escalate', 4, true)],
      },
      ['reminder-1', 'remark-1', 'remark-2', 'step-2'],
    ],
    [
      'once it is decided, what was said and how it ended: nobody is called any more',
      {
        ...resolved,
        remarks: [question],
        reminders: { count: 1, lastAt: minute(1) },
        steps: [step('escalate', 4, true)],
      },
      ['remark-1', 'resolved'],
    ],
  ])('are %s', (_sentence, change, ids) => {
    expect(repliesTo(approval(change)).map(({ id }) => id)).toEqual(ids)
  })

  it('are questions and answers for whoever sees the card for the first time', () => {
    const all = repliesTo(approval({ remarks: [question], reminders: { count: 1, lastAt: minute(1) } }))
    expect(all.filter((reply) => !isToldByNewCard(reply)).map(({ id }) => id)).toEqual(['remark-1'])
    expect(all.filter(isCall).map(({ id }) => id)).toEqual(['reminder-1'])
  })
})

const THREAD: [string, Partial<Approval>, string][] = [
  ['reminder', { reminders: { count: 1, lastAt: minute(5) } }, 'slack'],
  ['escalated-to-people', { steps: [step('escalate', 5, true, { from: ['dba', 'ops'] })] }, 'slack'],
  ['escalated-to-a-room', { steps: [step('escalate', 5, true, { rooms: ['slack:C0OTHER'] })] }, 'slack:C0OTHER'],
  ['question', { remarks: [question] }, 'slack'],
  ['question-to-requester', { remarks: [question] }, 'slack:requester'],
  ['denied-to-requester', resolved, 'slack:requester'],
]

describe('in Slack', () => {
  const shown = (change: Partial<Approval>, place: string) => {
    const one = approval(change)
    return repliesTo(one).map((reply) => replyMessage(reply, { card: cardOf(one), place }))
  }

  it.each(THREAD)('%s looks as agreed', async (name, change, place) => {
    const [message] = shown(change, place)
    expect(ruleMessageBlocks(JSON.stringify(message?.blocks))).toMatchObject({ ok: true })
    await expect(`${JSON.stringify(message, null, 2)}\n`).toMatchFileSnapshot(`golden/slack/reply-${name}.json`)
  })

  it.each<[string, Partial<Approval>, string, (boolean | null)[]]>([
    ['a reminder is shown in the channel', THREAD[0]?.[1] ?? {}, 'slack', [true]],
    ['whom an escalation adds is told in the channel', THREAD[1]?.[1] ?? {}, 'slack', [true]],
    ['another room is no news for this one', THREAD[2]?.[1] ?? {}, 'slack', [false]],
    ['an answer is shown in the channel, its question is not', { remarks: [question, answer] }, 'slack', [false, true]],
    ['how it ended is on the card', resolved, 'slack', [null]],
    [
      'the requester sees questions, not their own answer',
      { remarks: [question, answer] },
      'slack:requester',
      [true, null],
    ],
    ['the requester is not reminded', THREAD[0]?.[1] ?? {}, 'slack:requester', [null]],
    [
      'the requester’s own cancelling is no news',
      { state: 'cancelled', resolvedAt: minute(1) },
      'slack:requester',
      [null],
    ],
  ])('%s', (_sentence, change, place, broadcast) => {
    expect(shown(change, place).map((message) => message?.isBroadcast ?? null)).toEqual(broadcast)
  })

  it('formats, mentions and hides nothing of what people and agents wrote', () => {
    const evil = '<!channel> *x* \u202e _y_ :smile:'
    const change = {
      tool: evil,
      steps: [step('escalate', 5, true, { from: [evil] })],
      remarks: [{ ...question, text: evil, by: { ...bob, email: null, id: evil } }],
      reminders: { count: 1, lastAt: minute(6) },
    }
    for (const place of ['slack', 'slack:requester']) {
      for (const message of shown(change, place)) {
        expect(message?.text ?? '').not.toMatch(/[<>*`~\u202e]/)
        for (const { text, formats } of textsOf(message?.blocks)) {
          expect(text).not.toContain('\u202e')
          if (formats) expect(text).toMatch(/^Decide by <!date\^\d+\^[^>]*>$/)
        }
      }
    }
  })

  it('takes the longest question, whole', () => {
    const [message] = shown({ remarks: [{ ...question, text: '😀'.repeat(1_000) }] }, 'slack')
    expect(ruleMessageBlocks(JSON.stringify(message?.blocks))).toMatchObject({ ok: true })
    expect(JSON.stringify(message?.blocks)).toContain('😀'.repeat(1_000))
  })
})
