/** Groups that are looked up elsewhere, and people who may have left. Directories are a few lines each. */
import { describe, expect, it } from 'vitest'
import type { GroupSettings } from '../../src/config/settings.ts'
import { GatewayError } from '../../src/errors.ts'
import { peopleOf } from '../../src/people/people.ts'
import type { Reviewer } from '../../src/people/reviewer.ts'
import type { GroupSource, LookUpLimits, PersonSource } from '../../src/ports.ts'

const BOB: Reviewer = { id: 'slack:T1:U2', email: 'bob@example.com', name: 'Bob' }
const CAROL: Reviewer = { id: 'console:carol@example.com', email: 'carol@example.com', name: 'carol' }

const group = (change: Partial<GroupSettings>): GroupSettings => ({
  emails: new Set(),
  reviewerIds: new Set(),
  lookedUp: [],
  ...change,
})

/** Answers by member; an Error is what it rejects with. */
function directory(answers: Record<string, boolean | Error | Promise<boolean>>) {
  const asked: { member: string; limits: LookUpLimits }[] = []
  const source: GroupSource = {
    knows: (member) => member in answers,
    async isMember(_reviewer, member, limits) {
      asked.push({ member, limits })
      const answer = await answers[member]
      if (answer instanceof Error) throw answer
      return answer ?? false
    },
    examine: async () => ({ ok: true, detail: '', cure: null }),
  }
  return { source, asked }
}

const AWAY = new Error('connection refused')

describe('a reviewer of groups that are looked up', () => {
  it.each<[string, Record<string, boolean | Error>, boolean | 'unavailable']>([
    ['is in the one that has them', { 'okta:DBA': true }, true],
    ['is in none that doesn’t', { 'okta:DBA': false, 'idp:dba': false }, false],
    ['is in one of several', { 'okta:DBA': false, 'slack:usergroup:S1': true }, true],
    ['is in one although another directory is away', { 'okta:DBA': AWAY, 'slack:usergroup:S1': true }, true],
    [
      'can’t be told where a directory is away and no other has them',
      { 'okta:DBA': AWAY, 'idp:dba': false },
      'unavailable',
    ],
    ['can’t be told where all are away', { 'okta:DBA': AWAY, 'idp:dba': AWAY }, 'unavailable'],
  ])('%s', async (_sentence, answers, expected) => {
    const { source } = directory(answers)
    const people = peopleOf(new Map([['dba', group({ lookedUp: Object.keys(answers) })]]), { groups: [source] })
    const answer = people.isMember(CAROL, ['dba'], 'click')
    if (expected !== 'unavailable') return expect(await answer).toBe(expected)
    await expect(answer).rejects.toMatchObject({ code: 'directory_unavailable' })
  })

  it('is not looked up where the settings name them, so that a directory that is away is no matter', async () => {
    const { source, asked } = directory({ 'okta:DBA': AWAY })
    const named = group({ emails: new Set(['carol@example.com']), lookedUp: ['okta:DBA'] })
    const people = peopleOf(new Map([['dba', named]]), { groups: [source] })
    expect(await people.isMember(CAROL, ['dba'], 'run')).toBe(true)
    expect(asked).toEqual([])
  })

  it('is in a group as soon as one says so, however long the others take', async () => {
    const { source } = directory({ 'okta:DBA': new Promise(() => undefined), 'slack:usergroup:S1': true })
    const people = peopleOf(new Map([['dba', group({ lookedUp: ['okta:DBA', 'slack:usergroup:S1'] })]]), {
      groups: [source],
    })
    expect(await people.isMember(CAROL, ['dba'], 'click')).toBe(true)
  })

  it('may be known from a moment ago at a click, and is asked about anew before a run', async () => {
    const { source, asked } = directory({ 'okta:DBA': false })
    const people = peopleOf(new Map([['dba', group({ lookedUp: ['okta:DBA'] })]]), { groups: [source] })
    await people.isMember(CAROL, ['dba'], 'click')
    await people.isMember(CAROL, ['dba'], 'run')
    expect(asked.map(({ limits }) => limits.maxAgeMs)).toEqual([30_000, 0])
  })

  it('is asked about once where two groups name the same one', async () => {
    const { source, asked } = directory({ 'okta:DBA': false })
    const both = new Map([
      ['dba', group({ lookedUp: ['okta:DBA'] })],
      ['ops', group({ lookedUp: ['okta:DBA'] })],
    ])
    await peopleOf(both, { groups: [source] }).isMember(CAROL, ['dba', 'ops'], 'click')
    expect(asked).toHaveLength(1)
  })

  it('is nobody’s where nothing is configured that knows the group', async () => {
    const people = peopleOf(new Map([['dba', group({ lookedUp: ['okta:DBA'] })]]))
    await expect(people.isMember(CAROL, ['dba'], 'click')).rejects.toMatchObject({ code: 'directory_unavailable' })
  })

  it('is told in a sentence, with the group and without what the directory said', async () => {
    const { source } = directory({ 'okta:DBA': new Error('401 with token 00secret') })
    const people = peopleOf(new Map([['dba', group({ lookedUp: ['okta:DBA'] })]]), { groups: [source] })
    const fault: unknown = await people.isMember(CAROL, ['dba'], 'click').catch((error) => error)
    expect(fault).toBeInstanceOf(GatewayError)
    expect(String(fault)).toContain('okta:DBA')
    expect(String(fault)).not.toContain('00secret')
  })
})

/** A workspace that knows Bob by this much. */
function workspace(answer: Reviewer | null | Error, prefix = 'slack:'): PersonSource {
  return {
    knows: ({ id }) => id.startsWith(prefix),
    async current() {
      if (answer instanceof Error) throw answer
      return answer
    },
  }
}

describe('who reviewed, before the call runs', () => {
  const now = { ...BOB, name: 'Robert' }
  it.each<[string, Reviewer, PersonSource[], Reviewer | null]>([
    ['is whom the channel knows now', BOB, [workspace(now)], now],
    ['is nobody who left', BOB, [workspace(null)], null],
    ['is found in the one of several workspaces that has them', BOB, [workspace(null), workspace(now)], now],
    ['is found although another workspace is away', BOB, [workspace(AWAY), workspace(now)], now],
    ['is nobody where no workspace is connected any more', BOB, [], null],
    ['is nobody where no tenant of Teams is connected any more', { ...BOB, id: 'teams:t:1' }, [workspace(now)], null],
    ['is who they were, where the channel has no people of its own', CAROL, [workspace(null)], CAROL],
  ])('%s', async (_sentence, reviewer, persons, expected) => {
    expect(await peopleOf(new Map(), { persons }).current(reviewer)).toEqual(expected)
  })

  it.each<[string, PersonSource[]]>([
    ['away', [workspace(AWAY)]],
    ['away, and the other doesn’t know them', [workspace(null), workspace(AWAY)]],
  ])('can’t be told where the workspace is %s', async (_sentence, persons) => {
    await expect(peopleOf(new Map(), { persons }).current(BOB)).rejects.toMatchObject({ code: 'directory_unavailable' })
  })
})
