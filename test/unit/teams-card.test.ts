/** What Teams is sent: how each card looks, that Teams takes it whatever an agent sends, and that no text does anything. */
import { describe, expect, it } from 'vitest'
import { jsonBytes } from '../../bots/chat/clip.ts'
import { cardMessage } from '../../bots/teams/card.ts'
import { BODY_BYTES_MAX, CARD_BYTES_MAX, REFRESH_PEOPLE_MAX } from '../../bots/teams/limits.ts'
import { noticeMessage } from '../../bots/teams/notice-card.ts'
import { replyMessage } from '../../bots/teams/reply-card.ts'
import { pagesOf, shownCall } from '../../bots/teams/shown-call.ts'
import { summaryDetails, summaryMessage } from '../../bots/teams/summary-card.ts'
import { fromInput, inert, inputValue, words } from '../../bots/teams/text.ts'
import type { Approval } from '../../src/approval/approval.ts'
import { cardOf } from '../../src/approval/card-of.ts'
import { ASKED_AT, approval, approvedByBob, carol, EXTREMES, many, outcomes, STATES } from '../support/card-examples.ts'
import { cardProblems } from '../support/fake-teams-card-rules.ts'
import { MARK, POISONS } from '../support/poisons.ts'
import { aSummary } from '../support/summaries.ts'
import { cardsOf, MRI, ownCardOf, VIEWERS } from '../support/teams-cards.ts'

interface Node {
  readonly [key: string]: unknown
}

/** Each object within, and the names of what it stands in. */
function nodesOf(value: unknown, path: readonly string[] = []): (readonly [Node, readonly string[]])[] {
  if (Array.isArray(value)) return value.flatMap((one) => nodesOf(one, path))
  if (typeof value !== 'object' || value === null) return []
  const own = value as Node
  return [[own, path], ...Object.entries(own).flatMap(([key, inner]) => nodesOf(inner, [...path, key]))]
}

function verbsOf(card: unknown): string[] {
  return nodesOf(card).flatMap(([node, path]) => {
    const { verb, data } = node as { verb?: string; data?: { dialog?: string } }
    return path.includes('refresh') ? [] : [verb ?? data?.dialog ?? []].flat()
  })
}

describe('the card of each state', () => {
  it.each(STATES)('[REQ-CARD-1] %s looks as agreed', async (name, one) => {
    const message = cardMessage(cardOf(one), [MRI])
    await expect(`${JSON.stringify(message, null, 2)}\n`).toMatchFileSnapshot(`golden/teams/${name}.json`)
  })

  const everything = approval({
    ...{ quorum: 2, allowForMs: [900_000, 3_600_000], statedReason: 'Nightly copy' },
    remarks: [{ kind: 'question', by: carol, text: 'Which tenant?', at: ASKED_AT }],
  })
  it.each(cardsOf(everything))('the %s of one that offers everything looks as agreed', async (name, card) => {
    await expect(`${JSON.stringify(card, null, 2)}\n`).toMatchFileSnapshot(`golden/teams/whole-${name}.json`)
  })

  it.each(STATES)('%s has buttons to decide only while it is pending', (_name, one) => {
    const verbs = verbsOf(cardMessage(cardOf(one)).card)
    const isPending = one.state === 'pending'
    expect(verbs.includes('countersign_approve')).toBe(isPending)
    expect(verbs.includes('countersign_deny')).toBe(isPending)
    expect(verbs.includes('countersign_deny_view')).toBe(isPending)
    const lasts = one.state === 'approved' && (one.access !== null || one.allowedForMs !== null) && !one.standing?.ended
    expect(verbs.includes('countersign_revoke')).toBe(lasts)
    expect(verbs.includes('countersign_it_ran')).toBe(one.run?.state === 'unknown')
  })

  it('where a second tap is wanted, Approve opens a dialog and nothing on the card approves', () => {
    const nodes = nodesOf(cardMessage(cardOf(approval({ strength: 'confirm' }))).card)
    const executed = nodes.filter(([{ type }]) => type === 'Action.Execute').map(([{ verb }]) => verb)
    expect(executed).not.toContain('countersign_approve')
    expect(JSON.stringify(nodes[0])).toContain('"msteams":{"type":"task/fetch"},"dialog":"countersign_approve"')
  })
})

describe('a person’s own view', () => {
  const half = approval({ quorum: 2, reviews: approvedByBob.reviews })
  const views = [
    ['reviewer', true, true, null],
    ['requester', false, false, 'This is your own agent’s call'],
    ['reviewed', false, true, 'it waits for 1 more'],
    ['bystander', false, false, 'You are not among those'],
    ['undecidable', false, false, 'Name the reviewers in the rule'],
  ] as const
  it.each(views)('of a %s: Approve %s, Deny %s', (viewer, mayApprove, mayDeny, said) => {
    const card = ownCardOf(half, viewer)
    expect(verbsOf(card).includes('countersign_approve')).toBe(mayApprove)
    expect(verbsOf(card).includes('countersign_deny')).toBe(mayDeny)
    if (said !== null) expect(JSON.stringify(card)).toContain(said)
  })

  it('shows the same call: its digest is the posted card’s', () => {
    const subjectOf = (card: unknown) => JSON.stringify(card).match(/"subject":"([^"]+)"/)?.[1]
    for (const viewer of VIEWERS)
      expect(subjectOf(ownCardOf(half, viewer))).toBe(subjectOf(cardMessage(cardOf(half), [MRI]).card))
  })

  it('says what its person was told, and is refreshed for them alone', () => {
    const card = ownCardOf(half, 'reviewer', 'You are too late.')
    expect(JSON.stringify(card)).toContain('You are too late.')
    expect(card.refresh?.userIds).toEqual([MRI])
  })
})

describe('[REQ-CARD-4] whatever the agent sends, Teams takes the card', () => {
  it.each([...STATES.map(([name, one]): [string, Partial<Approval>] => [name, one]), ...EXTREMES])(
    '%s',
    (_name, change) => {
      const one = approval(change)
      const people = Array.from({ length: 200 }, (_, at) => `29:${String(at).padStart(90, 'x')}`)
      const message = cardMessage(cardOf(one), people)
      expect(jsonBytes(message.card.body)).toBeLessThanOrEqual(BODY_BYTES_MAX)
      expect(message.card.refresh?.userIds.length ?? 0).toBeLessThanOrEqual(REFRESH_PEOPLE_MAX)
      expect(message.summary).not.toBe('')
      for (const [what, card] of [...cardsOf(one, 'x'.repeat(2000)), ['everybody’s', message.card] as const]) {
        expect(jsonBytes(card), what).toBeLessThanOrEqual(CARD_BYTES_MAX)
        expect(cardProblems(card), what).toEqual([])
        for (const [node] of nodesOf(card)) {
          if (node.type === 'ActionSet') expect((node.actions as unknown[]).length, what).toBeLessThanOrEqual(6)
        }
      }
    },
  )

  it('an argument of a megabyte, and ten thousand of them, are cut, said to be, and shown whole in pages', () => {
    for (const json of [JSON.stringify({ content: 'x'.repeat(1_000_000) }), many(10_000, 'value')]) {
      const card = cardOf(approval({ argumentsJson: json }))
      expect(shownCall(card).isComplete).toBe(false)
      expect(verbsOf(cardMessage(card).card)).toContain('countersign_show_all')
      expect(JSON.stringify(cardMessage(card).card)).toContain('not shown here.')
      expect(pagesOf(card)).toBeGreaterThan(10)
    }
  })

  it('with nobody to refresh for, nobody’s view is asked for: an empty list would be everybody', () => {
    expect(cardMessage(cardOf(approval()), []).card.refresh).toBeUndefined()
  })
})

describe('text from outside', () => {
  const poisons = [...POISONS, '{{DATE(2030-01-02T03:04:05Z)}}', '{{{{x', '[a](https://evil.example)', '<at>Bob</at>']

  it.each(poisons)('[REQ-CARD-7] %j stands in runs alone, or did lose its marks', (poison) => {
    for (const [state, one] of outcomes(poison)) {
      for (const [what, card] of cardsOf(one, `${MARK}${poison}${MARK}`)) {
        for (const [node] of nodesOf(card)) {
          for (const [key, text] of Object.entries(node)) {
            if (typeof text !== 'string' || !text.includes(MARK)) continue
            const where = `${state} ${what} ${key}`
            expect(text, where).not.toContain('{{')
            // What they wrote stands in its input as they wrote it.
            if (node.type === 'Input.Text' && key === 'value') continue
            expect(text.replaceAll('{\u2060', ''), where).not.toMatch(/[\u202e\u200b\u2060]/)
            if (node.type === 'TextRun') continue
            expect(key, where).toBe('fallbackText')
            expect(text, where).not.toMatch(/[*`~[\]<>\\&]|:\/\//)
          }
        }
      }
      expect(cardMessage(cardOf(one)).summary, state).not.toMatch(/[*`~[\]<>\\&]|:\/\/|\{\{/)
    }
  })

  it('does nothing in a summary, a notice or a thread', () => {
    const evil = `${MARK}*x* {{TIME(2030-01-02T03:04:05Z)}} [a](https://evil.example)`
    const remark = { kind: 'question', by: { ...carol, email: evil }, text: evil, at: ASKED_AT } as const
    const reply = replyMessage(
      { id: 'remark-1', type: 'remark', remark, at: ASKED_AT },
      { card: cardOf(approval()), place: 'teams' },
    )
    const summary = aSummary({ tools: [{ tool: evil, calls: { succeeded: 1 }, unknownOutcomes: 0 }], upstream: evil })
    const notice = noticeMessage({
      headline: evil,
      facts: [{ name: 'By', value: evil }],
      at: ASKED_AT,
      isWarning: true,
    } as never)
    for (const message of [reply, summaryMessage(summary), summaryDetails(summary), notice]) {
      expect(cardProblems(message?.card)).toEqual([])
      for (const [node] of nodesOf(message)) {
        for (const [key, text] of Object.entries(node)) {
          if (typeof text !== 'string' || !text.includes(MARK)) continue
          expect(text).not.toContain('{{')
          if (node.type !== 'TextRun') expect(`${key} ${text}`).not.toMatch(/[*[\]]|:\/\//)
        }
      }
    }
  })

  const titles: [string, string, string][] = [
    [
      'a name that is harmless stays as it is',
      'read_file on prod-1 (a.b@example.com)',
      'read_file on prod-1 (a.b@example.com)',
    ],
    ['Markdown becomes look-alikes', '*a* [b](c) `d`', '∗a∗ ［b］(c) ˋdˋ'],
    ['lines become one', 'a\n- b', 'a - b'],
    ['an address is none any more', 'https://evil.example', 'https꞉∕∕evil.example'],
  ]
  it.each(titles)('%s', (_sentence, text, expected) => expect(inert(text)).toBe(expected))

  it('words of ours take numbers and what is inert', () => expect(words`a ${1234} ${inert('*b*')}`).toBe('a 1,234 ∗b∗'))

  it('what was written comes back as it was written', () => {
    for (const text of ['{{{{x}}', '{{DATE(x)}}', 'plain', '{']) {
      expect(inputValue(text)).not.toContain('{{')
      expect(fromInput(inputValue(text))).toBe(text)
    }
  })
})
