/** No promise without a test, and no test that cites a promise which isn't there. */
import { readdirSync, readFileSync } from 'node:fs'
import { parseSync, Visitor } from 'vite'
import { describe, expect, it } from 'vitest'
import { requirements } from '../requirements.ts'

const tests = new URL('../', import.meta.url)

describe('requirements', () => {
  const cited = new Set(testFiles().flatMap(citationsIn))
  const known = requirements.map(({ id }) => id)

  it('have distinct, well-formed ids', () => {
    expect(known.filter((id) => !/^REQ-[A-Z]+-\d+$/.test(id))).toEqual([])
    expect(known.length).toBe(new Set(known).size)
  })

  it('are each cited by a test', () => {
    const uncited = requirements.filter(({ id }) => !cited.has(id)).map(({ id, promise }) => `${id}: ${promise}`)
    expect(uncited).toEqual([])
  })

  it('are all that tests cite', () => {
    expect([...cited].filter((id) => !known.includes(id))).toEqual([])
  })
})

describe('a citation', () => {
  it.each([
    ['in a title counts', `it('[REQ-A-1] holds', () => {})`, ['REQ-A-1']],
    ['in a table’s row counts', `it.each([['[REQ-A-1] [REQ-B-2] holds', 1]])('%s', () => {})`, ['REQ-A-1', 'REQ-B-2']],
    ['in a template counts', `it(\`[REQ-A-1] \${x}\`, () => {})`, ['REQ-A-1']],
    ['in a comment does not', `// [REQ-A-1]`, []],
    ['without brackets does not', `it('REQ-A-1', () => {})`, []],
    ['in a skipped test does not', `it.skip('[REQ-A-1]', () => {}); describe.todo('[REQ-A-2]')`, []],
  ])('%s', (_sentence, text, expected) => {
    expect(citationsIn(text)).toEqual(expected)
  })
})

function citationsIn(text: string): readonly string[] {
  const cited: string[] = []
  let skipped = 0
  const add = (value: unknown) => {
    if (skipped > 0 || typeof value !== 'string') return
    for (const [, id] of value.matchAll(/\[(REQ-[A-Z]+-\d+)\]/g)) cited.push(id as string)
  }
  const isSkip = (node: { callee: object }) =>
    'property' in node.callee && ['skip', 'todo'].includes((node.callee.property as { name?: string }).name ?? '')
  new Visitor({
    CallExpression: (node) => {
      if (isSkip(node)) skipped += 1
    },
    'CallExpression:exit': (node) => {
      if (isSkip(node)) skipped -= 1
    },
    Literal: (node) => add(node.value),
    TemplateElement: (node) => add(node.value.cooked),
  }).visit(parseSync('x.ts', text, { lang: 'ts' }).program)
  return cited
}

/** Every test but this one, whose examples are no citations. */
function testFiles(): readonly string[] {
  return readdirSync(tests, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.test.ts') && !path.endsWith('requirements.test.ts'))
    .map((path) => readFileSync(new URL(path, tests), 'utf8'))
}
