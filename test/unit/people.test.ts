import { describe, expect, it } from 'vitest'
import { peopleOf } from '../../src/people/people.ts'
import type { Reviewer } from '../../src/people/reviewer.ts'

const groups = new Map([
  ['dba', { emails: new Set(['alice@example.com']), reviewerIds: new Set(['slack:T1:U1']), lookedUp: [] }],
  ['empty', { emails: new Set<string>(), reviewerIds: new Set<string>(), lookedUp: [] }],
])
const people = peopleOf(groups)
const reviewer = (change: Partial<Reviewer>): Reviewer => ({ id: 'console:x', email: null, name: 'dba', ...change })

describe('a reviewer', () => {
  it.each<[string, Reviewer, string[], boolean]>([
    ['is in a group by e-mail', reviewer({ email: 'alice@example.com' }), ['dba'], true],
    ['is in a group by e-mail, however it is written', reviewer({ email: 'Alice@Example.com' }), ['dba'], true],
    ['is in a group by the channel’s id', reviewer({ id: 'slack:T1:U1' }), ['dba'], true],
    ['is in one of several groups', reviewer({ email: 'alice@example.com' }), ['empty', 'dba'], true],
    ['is who a rule names', reviewer({ email: 'bob@example.com' }), ['Bob@example.com'], true],
    ['is not in a group by name', reviewer({ name: 'alice@example.com' }), ['dba'], false],
    ['is not in a group by an id that is an address', reviewer({ id: 'alice@example.com' }), ['dba'], false],
    ['is not in another workspace’s group', reviewer({ id: 'slack:T2:U1' }), ['dba'], false],
    ['is not in an unknown group', reviewer({ email: 'alice@example.com' }), ['dbas'], false],
    [
      'is not in a group named like something of JavaScript',
      reviewer({ email: 'alice@example.com' }),
      ['constructor'],
      false,
    ],
    ['is in no group where none is asked for', reviewer({ email: 'alice@example.com' }), [], false],
    ['is nobody without an address where a rule names one', reviewer({}), ['@'], false],
    ['is not who a rule names by half', reviewer({ email: 'bob@example.com.evil' }), ['bob@example.com'], false],
  ])('%s', async (_sentence, who, names, member) => {
    expect(await people.isMember(who, names, 'click')).toBe(member)
  })
})
