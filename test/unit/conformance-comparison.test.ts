import { describe, expect, it } from 'vitest'
import { type Check, compare, differences } from '../conformance/comparison.ts'

const check = (id: string, status: string, change: Partial<Check> = {}): Check => ({
  scenario: 'ping',
  id,
  name: 'Ping',
  status,
  message: null,
  ...change,
})

describe('the comparison of two runs', () => {
  it.each<[string, readonly Check[], readonly Check[], readonly (readonly [string | null, string | null])[]]>([
    ['nothing where both say the same, good or bad', [check('a', 'FAILURE')], [check('a', 'FAILURE')], []],
    ['a check with another status', [check('a', 'SUCCESS')], [check('a', 'WARNING')], [['SUCCESS', 'WARNING']]],
    ['a check that only the direct run has', [check('a', 'INFO')], [], [['INFO', null]]],
    ['a check that only the gateway’s run has', [], [check('a', 'SUCCESS')], [[null, 'SUCCESS']]],
    [
      'the second of two cases under one id',
      [check('a', 'SUCCESS'), check('a', 'SUCCESS')],
      [check('a', 'SUCCESS'), check('a', 'FAILURE')],
      [['SUCCESS', 'FAILURE']],
    ],
    [
      'the same id in another scenario as another check',
      [check('a', 'SUCCESS')],
      [check('a', 'SUCCESS', { scenario: 'caching' })],
      [
        ['SUCCESS', null],
        [null, 'SUCCESS'],
      ],
    ],
    [
      'no difference where only the order is another',
      [check('a', 'SUCCESS'), check('b', 'FAILURE')],
      [check('b', 'FAILURE'), check('a', 'SUCCESS')],
      [],
    ],
  ])('finds %s', (_sentence, direct, gateway, found) => {
    expect(differences(compare(direct, gateway)).map((row) => [row.direct, row.gateway])).toEqual(found)
  })

  it('tells what the suite said of a difference, and nothing where there is none', () => {
    const rows = compare(
      [check('a', 'SUCCESS'), check('b', 'SUCCESS')],
      [check('a', 'FAILURE', { message: 'got 502' }), check('b', 'SUCCESS')],
    )
    expect(rows.map(({ messages }) => messages)).toEqual([['directly: SUCCESS', 'through the gateway: got 502'], []])
  })
})
