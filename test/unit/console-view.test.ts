import { expect, test } from 'vitest'
import { PREVIEW_MAX_CHARS, PREVIEW_MAX_ROWS, previewView, summaryView, wholeView } from '../../bots/console/view.ts'
import { cardOf } from '../../src/approval/card-of.ts'
import { anApproval } from '../support/examples.ts'
import { aSummary } from '../support/summaries.ts'

function previewOf(args: unknown) {
  const approval = anApproval({ argumentsJson: JSON.stringify(args) })
  return previewView(approval, cardOf(approval))
}

function charsOf({ arguments: rows }: ReturnType<typeof previewView>): number {
  return rows.reduce((sum, { name, value }) => sum + name.length + value.length, 0)
}

const manyRows = Object.fromEntries(Array.from({ length: PREVIEW_MAX_ROWS + 1 }, (_, at) => [`k${at}`, at]))
const previews: [what: string, args: unknown, cutFromChars: number | null][] = [
  ['no arguments are whole', {}, null],
  ['short arguments are whole', { path: 'a.txt', content: 'hello' }, null],
  ['as many characters as fit are whole', { a: 'x'.repeat(PREVIEW_MAX_CHARS - 1) }, null],
  ['one character more is cut, and counted', { a: 'x'.repeat(PREVIEW_MAX_CHARS) }, PREVIEW_MAX_CHARS + 1],
  ['a long name is cut too', { ['n'.repeat(10_000)]: 1 }, 10_001],
  ['as many short ones as their sum exceeds', { a: 'x'.repeat(5_000), b: 'y'.repeat(5_000), c: 'z' }, 10_004],
  ['too many rows', manyRows, Object.entries(manyRows).join('').replaceAll(',', '').length],
]
test.each(previews)('%s', (_what, args, cutFromChars) => {
  const view = previewOf(args)
  expect(view.cutFromChars).toBe(cutFromChars)
  expect(charsOf(view)).toBeLessThanOrEqual(PREVIEW_MAX_CHARS)
  expect(view.arguments.length).toBeLessThanOrEqual(PREVIEW_MAX_ROWS)
})

test('a cut never falls between the halves of a character', () => {
  const view = previewOf({ a: `${'x'.repeat(PREVIEW_MAX_CHARS - 2)}🙂` })
  expect(view.arguments[0]?.value).toBe('x'.repeat(PREVIEW_MAX_CHARS - 2))
  expect(view.cutFromChars).not.toBeNull()
})

test('the whole view holds what the preview leaves out, and everything else of the card', () => {
  const approval = anApproval({ argumentsJson: JSON.stringify({ a: 'x'.repeat(50_000) }), version: 7 })
  const card = cardOf(approval)
  expect(wholeView(approval, card)).toEqual({ ...card, version: 7, cutFromChars: null })
  expect({ ...previewView(approval, card), arguments: card.arguments, cutFromChars: null }).toEqual(
    wholeView(approval, card),
  )
})

test('a summary’s untrusted texts are made visible', () => {
  const hostile = 'a\u202Eb'
  const { principal, ...rest } = aSummary()
  const view = summaryView({
    ...rest,
    principal: { ...principal, email: hostile },
    upstream: hostile,
    approvals: [{ tool: hostile, state: 'approved', reviewers: [hostile], decidedAfterMs: 42_000, isHasty: false }],
  })
  const shown = 'a⟨U+202E⟩b'
  expect([view.who, view.upstream, view.approvals]).toEqual([
    shown,
    shown,
    [{ tool: shown, state: 'approved', reviewers: [shown], decidedAfter: '42 s', isHasty: false }],
  ])
})

test('a principal without e-mail goes by its subject; outcomes are words', () => {
  const { principal, ...rest } = aSummary({ calls: { denied_by_policy: 2 } })
  const view = summaryView({ ...rest, principal: { ...principal, email: null, subject: 'svc-7' } })
  expect(view.who).toBe('svc-7')
  expect(view.calls).toEqual([{ outcome: 'denied by policy', count: 2 }])
})
