import type { types } from '@slack/bolt'
import { describe, expect, it } from 'vitest'
import { approveView } from '../../bots/slack/approve-view.ts'
import { argumentsFile } from '../../bots/slack/arguments-file.ts'
import { argumentPages, argumentsView } from '../../bots/slack/arguments-view.ts'
import { askView } from '../../bots/slack/ask-view.ts'
import { cardMessage } from '../../bots/slack/card-blocks.ts'
import { denyAllView, denyView } from '../../bots/slack/deny-view.ts'
import { BLOCKS_BYTES_MAX, MESSAGE_TEXT_MAX, PAGE_BYTES_MAX } from '../../bots/slack/limits.ts'
import { moreView } from '../../bots/slack/more-view.ts'
import { callRows, shownCall } from '../../bots/slack/shown-call.ts'
import { jsonBytes } from '../../bots/slack/text.ts'
import type { Approval } from '../../src/approval/approval.ts'
import { cardOf } from '../../src/approval/card-of.ts'
import {
  ASKED_AT,
  approval,
  approvedByBob,
  away,
  carol,
  EXTREMES,
  long,
  many,
  outcomes,
  review,
  STATES,
} from '../support/card-examples.ts'
import { MARK, POISONS } from '../support/poisons.ts'
import { ruleMessageBlocks, ruleModal } from '../support/slack-block-rules.ts'
import { textsOf } from '../support/slack-text-walker.ts'

type ModalView = types.ModalView

describe('the card of each state', () => {
  it.each(STATES)('[REQ-CARD-1] %s looks as agreed', async (name, one) => {
    const message = cardMessage(cardOf(one))
    await expect(`${JSON.stringify(message, null, 2)}\n`).toMatchFileSnapshot(`golden/slack/${name}.json`)
  })

  it.each(STATES)('%s has buttons to decide only while it is pending', (_name, one) => {
    const json = JSON.stringify(cardMessage(cardOf(one)).blocks)
    expect(json.includes('countersign_approve')).toBe(one.state === 'pending')
    expect(json.includes('countersign_deny')).toBe(one.state === 'pending')
  })

  it.each(STATES)('%s offers to take back only what still lasts', (_name, one) => {
    const json = JSON.stringify(cardMessage(cardOf(one)).blocks)
    const lasts = one.state === 'approved' && (one.access !== null || one.allowedForMs !== null) && !one.standing?.ended
    expect(json.includes('countersign_revoke')).toBe(lasts)
    expect(json.includes('lasts until')).toBe(lasts)
  })

  it.each(STATES)('[REQ-ONCE-1] %s asks whether it ran only where nobody knows', (_name, one) => {
    const json = JSON.stringify(cardMessage(cardOf(one)).blocks)
    expect(json.includes('countersign_it_ran')).toBe(one.run?.state === 'unknown')
    expect(json.includes('countersign_it_did_not_run')).toBe(one.run?.state === 'unknown')
  })
})

const everyChoice = approval({ allowForMs: [900_000, 3_600_000], strength: 'confirm' })
const WINDOWS: [string, (one: Approval) => ModalView][] = [
  ['window-more', (one) => moreView(cardOf(one), one.id)],
  ['window-approve', (one) => approveView(cardOf(one), { subject: one.id, page: 1, allowForMs: 900_000 })],
  ['window-ask', (one) => askView(cardOf(one), one.id)],
  ['window-deny', (one) => denyView(one.id)],
  ['window-deny-all', (one) => denyAllView(one.id, 3)],
  ['window-arguments', (one) => argumentsView(cardOf(one), 1)],
]

describe('the windows', () => {
  it.each(WINDOWS)('%s looks as agreed, and Slack takes it', async (name, view) => {
    expect(ruleModal(JSON.stringify(view(everyChoice)))).toMatchObject({ ok: true })
    await expect(`${JSON.stringify(view(everyChoice), null, 2)}\n`).toMatchFileSnapshot(`golden/slack/${name}.json`)
  })

  it('More offers a decided one for reading alone', () => {
    const json = JSON.stringify(moreView(cardOf(approval(approvedByBob)), 'x'))
    expect(json).toContain('countersign_show_all')
    expect(json).not.toMatch(/countersign_(approve|deny|ask|remind)/)
  })

  it('where people sign in, More offers no way to approve', () => {
    expect(JSON.stringify(moreView(cardOf(approval({ strength: 'step_up' })), 'x'))).not.toContain(
      'countersign_approve',
    )
  })

  it('a rule with more times than Slack has room for offers the shortest', () => {
    const many = Array.from({ length: 40 }, (_, at) => (at + 1) * 60_000)
    const one = approval({ allowForMs: many })
    for (const [name, view] of WINDOWS) expect(ruleModal(JSON.stringify(view(one))), name).toMatchObject({ ok: true })
  })
})

describe('the digest of what was shown', () => {
  const digestOf = (change: Partial<Approval>) => shownCall(cardOf(approval(change)))

  const same: [string, Partial<Approval>][] = [
    ['a review', { quorum: 2, reviews: [review('approve')] }],
    ['its decision', approvedByBob],
    ['a reminder', { reminders: { count: 1, lastAt: ASKED_AT } }],
    ['a question', { remarks: [{ kind: 'question', by: carol, text: '?', at: ASKED_AT }] }],
    ['an agent that is away', { agent: away }],
    ['more people who are asked', { from: ['dba'] }],
  ]
  it.each(same)('%s changes nothing about it: a card repainted is the same card', (_sentence, change) => {
    expect(digestOf(change).digest).toBe(digestOf({}).digest)
  })

  const other: [string, Partial<Approval>][] = [
    ['another argument', { argumentsJson: '{"content":"hello","path":"/srv/b.txt"}' }],
    ['another tool', { tool: 'delete_file' }],
    ['another upstream', { upstream: 'prod' }],
    ['another rule', { rule: 'other' }],
    ['another stated reason', { statedReason: 'because' }],
    ['another approval', { id: 'apr_b' as Approval['id'] }],
    ['a value that moved into a name', { argumentsJson: '{"content":"","hello":"/srv/a.txt"}' }],
  ]
  it.each(other)('%s is another digest', (_sentence, change) => {
    expect(digestOf(change).digest).not.toBe(digestOf({}).digest)
  })

  it('what is cut changes it by its cut, and says that it was', () => {
    const one = digestOf({ argumentsJson: JSON.stringify({ content: long(3_000) }) })
    expect(one.isComplete).toBe(false)
    expect(one.digest).not.toBe(digestOf({ argumentsJson: JSON.stringify({ content: long(2_000) }) }).digest)
  })

  const incomplete: [string, Partial<Approval>][] = [
    ['a headline that is too long', { tool: long(200) }],
    ['a stated reason that is too long', { statedReason: long(600) }],
    ['an argument’s name that is too long', { argumentsJson: JSON.stringify({ [long(200)]: 1 }) }],
    ['a row too many', { argumentsJson: many(21, 'x') }],
  ]
  it.each(incomplete)('[REQ-CARD-6] %s is shown whole one tap away', (_sentence, change) => {
    const card = cardOf(approval(change))
    expect(shownCall(card).isComplete).toBe(false)
    expect(JSON.stringify(cardMessage(card).blocks)).toContain('countersign_show_all')
    const pages = JSON.stringify(argumentPages(card))
    for (const text of [change.tool, change.statedReason]) if (text) expect(pages).toContain(text)
  })
})

describe('[REQ-CARD-4] whatever the agent sends, Slack takes the card', () => {
  it.each([...STATES.map(([name, one]): [string, Partial<Approval>] => [name, one]), ...EXTREMES])(
    '%s',
    (_name, change) => {
      const { text, blocks } = cardMessage(cardOf(approval(change)))
      expect(ruleMessageBlocks(JSON.stringify(blocks))).toMatchObject({ ok: true })
      expect(jsonBytes(blocks)).toBeLessThanOrEqual(BLOCKS_BYTES_MAX)
      expect(text.length).toBeLessThan(MESSAGE_TEXT_MAX)
      expect(text).not.toBe('')
    },
  )

  it('says how much of a value is missing, outside of the value, and offers the rest', () => {
    const { blocks } = cardMessage(cardOf(approval({ argumentsJson: JSON.stringify({ content: long(100_000) }) })))
    const json = JSON.stringify(blocks)
    expect(json).toContain('98,000 characters of this value not shown here.')
    expect(json).toContain('countersign_show_all')
  })

  it('says how many arguments are missing', () => {
    const { blocks } = cardMessage(cardOf(approval({ argumentsJson: many(1000, 'value') })))
    expect(JSON.stringify(blocks)).toContain('980 more of 1,000 arguments not shown here.')
  })

  it('offers nothing more where all is shown', () => {
    expect(JSON.stringify(cardMessage(cardOf(approval())).blocks)).not.toContain('countersign_show_all')
  })
})

describe('the pages of all arguments', () => {
  it.each(EXTREMES)('%s: Slack takes every page', (_name, change) => {
    const card = cardOf(approval(change))
    const pages = argumentPages(card)
    for (const page of [1, Math.ceil(pages.length / 2), pages.length]) {
      expect(ruleModal(JSON.stringify(argumentsView(card, page)))).toMatchObject({ ok: true })
    }
    for (const elements of pages) expect(jsonBytes(elements)).toBeLessThan(PAGE_BYTES_MAX + 500)
  })

  it.each(EXTREMES)('%s: the pages together hold every character', (_name, change) => {
    const card = cardOf(approval(change))
    const shown = argumentPages(card)
      .flat()
      .flatMap((element) => (element.type === 'rich_text_preformatted' ? element.elements : []))
      .map((element) => ('text' in element ? element.text : ''))
      .join('')
    expect(shown).toBe(
      callRows(card)
        .map(({ value }) => value)
        .join(''),
    )
  })

  it.each<[string, Partial<Approval>]>([
    ['an argument’s name', { argumentsJson: JSON.stringify({ [`${'n'.repeat(400)}TAIL`]: 1 }) }],
    ['a nested name', { argumentsJson: JSON.stringify({ a: { [`${'n'.repeat(4_000)}TAIL`]: 1 } }) }],
    ['a client’s name', { principal: { ...approval().principal, client: `${'c'.repeat(400)}TAIL` } }],
    ['an issuer', { principal: { ...approval().principal, issuer: `https://${'i'.repeat(400)}.example/TAIL` } }],
    ['a tool’s name', { tool: `${'t'.repeat(200)}TAIL` }],
    ['a reason that the agent states', { statedReason: `${'r'.repeat(600)}TAIL` }],
  ])('show the tail of %s, and the card says that it is not all', (_name, change) => {
    const card = cardOf(approval(change))
    expect(JSON.stringify(cardMessage(card).blocks)).not.toContain('TAIL')
    expect(shownCall(card).isComplete).toBe(false)
    expect(JSON.stringify(cardMessage(card).blocks)).toContain('countersign_show_all')
    expect(JSON.stringify(argumentPages(card))).toContain('TAIL')
    expect(argumentsFile(card)?.text).toContain('TAIL')
  })

  const turns: [string, number, string[]][] = [
    ['the first page has no way back', 1, ['countersign_next_page']],
    ['a page between has both ways', 2, ['countersign_previous_page', 'countersign_next_page']],
    ['a page beyond the last is the last', 9999, ['countersign_previous_page']],
    ['a page before the first is the first', -1, ['countersign_next_page']],
  ]
  it.each(turns)('%s', (_sentence, page, actions) => {
    const card = cardOf(approval({ argumentsJson: JSON.stringify({ content: long(30_000) }) }))
    const found = [...JSON.stringify(argumentsView(card, page)).matchAll(/"action_id":"(\w+)"/g)].map(
      (match) => match[1],
    )
    expect(found).toEqual(actions)
  })

  it('the question for a reason is one that Slack takes', () => {
    expect(ruleModal(JSON.stringify(denyView(approval().id)))).toMatchObject({ ok: true })
  })
})

describe('text from outside cannot format, link, mention or hide', () => {
  it.each(POISONS)('[REQ-CARD-2] %j lands only where nothing is interpreted', (poison) => {
    for (const [state, one] of outcomes(poison)) {
      const card = cardOf(one)
      const texts = [
        ...textsOf(cardMessage(card).blocks),
        ...textsOf(argumentsView(card, 1)),
        ...WINDOWS.flatMap(([, view]) => textsOf(view(one))),
      ]
      expect(
        texts.some(({ text }) => text.includes(MARK)),
        state,
      ).toBe(true)
      for (const { text, formats, where } of texts) if (formats) expect(text, `${state} ${where}`).not.toContain(MARK)
    }
  })

  it.each(POISONS)('%j does nothing in the notification', (poison) => {
    for (const [state, one] of outcomes(poison)) {
      const { text } = cardMessage(cardOf(one))
      expect(text, state).not.toMatch(/[<>*~`]|(^|\s)_|:\w+:/)
      expect(text.replace(/&(amp|lt|gt);/g, ''), state).not.toContain('&')
    }
  })

  it('nothing invisible reaches Slack', () => {
    for (const [, one] of outcomes('\u202e\u200b\u2066\u{e0041}\u0007')) {
      const json = JSON.stringify([cardMessage(cardOf(one)), argumentsView(cardOf(one), 1)])
      for (const hidden of ['\u202e', '\u200b', '\u2066', '\u{e0041}']) expect(json).not.toContain(hidden)
      // Inside a structure the control stands as the six characters of its JSON escape, which JSON escapes once more.
      expect(json).not.toMatch(/(?<!\\)\\u0007/)
    }
  })

  it('the walker finds what it looks for', () => {
    const mrkdwn = [{ type: 'section', text: { type: 'mrkdwn', text: MARK } }]
    const emoji = [{ type: 'header', text: { type: 'plain_text', text: MARK } }]
    const link = [
      { type: 'rich_text', elements: [{ type: 'rich_text_section', elements: [{ type: 'link', url: MARK }] }] },
    ]
    for (const blocks of [mrkdwn, emoji, link]) {
      expect(textsOf(blocks).some(({ text, formats }) => formats && text.includes(MARK))).toBe(true)
    }
  })
})
