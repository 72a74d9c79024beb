/** The policy file's `access`: what is refused, which entry decides, and what people are told that a grant will do. */
import { describe, expect, it } from 'vitest'
import { forecast } from '../../src/access/forecast.ts'
import { accessRulesFor, accessRulesOn } from '../../src/policy/access-rules.ts'
import type { CompiledPolicy } from '../../src/policy/evaluate.ts'
import { aPrincipal } from '../support/examples.ts'
import { load } from '../support/policies.ts'

const file = (access: string, rules = '[]') => `version: 1\nrules: ${rules}\naccess:\n${access}`

function problems(text: string): string[] {
  const loaded = load(text)
  return loaded.ok ? [] : loaded.problems.map(({ path, message, cure }) => `${path}: ${message} | ${cure}`)
}

function policy(text: string): CompiledPolicy {
  const loaded = load(text)
  if (!loaded.ok) throw new Error(problems(text).join('\n'))
  return loaded.policy
}

describe('an entry of `access`', () => {
  it.each<[string, string, string]>([
    [
      'without an id',
      '  - { match: { upstream: files, tool: "*" } }',
      'access[0].id: is missing | Add it. Use small letters, digits and -, up to 63.',
    ],
    [
      'of an unknown upstream',
      '  - { id: a, match: { upstream: file, tool: "*" } }',
      'access[0].match.upstream[0]: unknown upstream file | Did you mean files?',
    ],
    ['that doesn’t say to what', '  - { id: a }', 'access[0].match: is missing | Add it. Known here: upstream, tool.'],
    [
      'for an unknown group',
      '  - { id: a, match: { upstream: "*", tool: "*" }, for: dbas }',
      'access[0].for[0]: unknown group dbas | Did you mean dba?',
    ],
    [
      'on the approval of an unknown group',
      '  - { id: a, match: { upstream: "*", tool: "*" }, approval: { from: dbas } }',
      'access[0].approval.from[0]: unknown group dbas | Did you mean dba?',
    ],
    [
      'for longer than a week',
      '  - { id: a, match: { upstream: "*", tool: "*" }, longest: 8d }',
      'access[0].longest: too long | Choose a duration between 1m and 7d.',
    ],
    [
      'for seconds',
      '  - { id: a, match: { upstream: "*", tool: "*" }, longest: 30s }',
      'access[0].longest: too short | Choose a duration between 1m and 7d.',
    ],
    [
      'with a condition, which nobody could judge before there is a call',
      '  - { id: a, match: { upstream: "*", tool: "*" }, when: "true" }',
      'access[0].when: unknown key | Known here: id, match, for, approval, longest, reason.',
    ],
    [
      'with an effect',
      '  - { id: a, match: { upstream: "*", tool: "*" }, effect: allow }',
      'access[0].effect: unknown key | Known here: id, match, for, approval, longest, reason.',
    ],
    [
      'about a method',
      '  - { id: a, match: { upstream: files, tool: x, method: resources/read } }',
      'access[0].match.method: unknown key | Known here: upstream, tool.',
    ],
  ])('%s is refused', (_sentence, access, problem) => {
    expect(problems(file(access))).toEqual([problem])
  })

  it('may not have the id of a rule', () => {
    expect(problems(file('  - { id: a, match: { upstream: "*", tool: "*" } }', '[{ id: a, effect: allow }]'))).toEqual([
      'access[0].id: another rule has this id | Give each rule its own.',
    ])
  })

  it('asks like a rule, for a working day, where it says nothing', () => {
    const [rule] = policy(file('  - { id: a, match: { upstream: "*", tool: "*" } }')).access
    expect(rule).toMatchObject({ for: [], longestMs: 8 * 3_600_000, reason: null })
    expect(rule?.terms).toMatchObject({ from: [], quorum: 1, deadlineMs: 900_000 })
  })

  it('changes the policy’s version, since fingerprints of requests name it', () => {
    expect(policy(file('  - { id: a, match: { upstream: "*", tool: "*" }, longest: 1h }')).version).not.toBe(
      policy(file('  - { id: a, match: { upstream: "*", tool: "*" }, longest: 2h }')).version,
    )
  })
})

describe('which entries are about a wish', () => {
  const { access } = policy(
    file(`
  - { id: reading, match: { upstream: "pg-*", tool: "read_*" } }
  - { id: writing, match: { upstream: files, tool: [write_file, edit_file] } }
  - { id: all-of-files, match: { upstream: files, tool: "*" } }`),
  )
  it.each<[string, string, string[], string[]]>([
    ['one tool, in the order of the file', 'files', ['write_file'], ['writing', 'all-of-files']],
    ['all of the tools must be covered by one entry', 'files', ['write_file', 'move_file'], ['all-of-files']],
    ['a pattern covers what it matches', 'pg-prod', ['read_rows', 'read_tables'], ['reading']],
    ['one tool too many', 'pg-prod', ['read_rows', 'drop_table'], []],
    ['another case is another tool', 'pg-prod', ['Read_rows'], []],
    ['all tools only where the entry is about all', 'files', ['*'], ['all-of-files']],
    ['all tools never by a pattern', 'pg-prod', ['*'], []],
    ['no tools are nothing', 'files', [], []],
    ['an upstream that no entry is about', 'other', ['read_rows'], []],
  ])('%s', (_sentence, upstream, tools, expected) => {
    expect(accessRulesFor(access, { upstream, tools }).map(({ id }) => id)).toEqual(expected)
  })

  it('an upstream’s entries are those that could be about some tool of it', () => {
    expect(accessRulesOn(access, 'pg-dev').map(({ id }) => id)).toEqual(['reading'])
    expect(accessRulesOn(access, 'other')).toEqual([])
  })
})

describe('what policy will say under the grant', () => {
  const rules = `
  - { id: off-limits, match: { tool: read_file }, when: 'mcp.tool.arguments.path == "x"', effect: deny }
  - { id: never, match: { tool: drop_table }, effect: deny }
  - { id: mallory, match: { tool: list_files }, when: 'principal.email == "mallory@example.com"', effect: deny }
  - { id: interns, match: { tool: list_files }, when: '"interns" in principal.groups', effect: deny }
  - { id: writes, match: { tool: "write_*" }, effect: require_approval }
  - { id: reads, match: { tool: ["read_*", "list_*"] }, effect: allow }`
  const one = policy(`version: 1\nrules:${rules}`)
  const said = (tool: string, email = 'alice@example.com') =>
    forecast(
      tool,
      one.decisionsForOwner({
        upstream: 'files',
        method: 'tools/call',
        tool,
        params: {},
        principal: aPrincipal({ email, groups: [], claims: {} }),
        toolDefinition: null,
      }),
    )
  it.each<[string, string, string]>([
    ['what is held passes', 'write_file', 'write_file: passes without a card'],
    ['what is denied stays denied', 'drop_table', 'drop_table: still denied by rule never'],
    ['what no rule is about stays denied', 'other', 'other: still denied by the default'],
    [
      'what depends on the arguments names the rule',
      'read_file',
      'read_file: allowed anyway, grant or not; still denied where rule off-limits says so',
    ],
    [
      'what depends on the agent’s token may go either way, and what depends on the owner does not',
      'list_files',
      'list_files: allowed anyway, grant or not; still denied where rule interns says so',
    ],
  ])('%s', (_sentence, tool, expected) => {
    expect(said(tool)).toBe(expected)
  })

  it('the owner’s e-mail address is known', () => {
    expect(said('list_files', 'mallory@example.com')).toBe('list_files: still denied by rule mallory')
  })

  it('a rule that accepts no grants holds on', () => {
    const [held] = one.decisionsForOwner({
      upstream: 'files',
      method: 'tools/call',
      tool: 'write_file',
      params: {},
      principal: aPrincipal(),
      toolDefinition: null,
    })
    if (!held?.approval) throw new Error('write_file is held')
    const stubborn = { ...held, approval: { ...held.approval, acceptsGrants: false } }
    expect(forecast('write_file', [stubborn])).toBe('write_file: still held by rule writes, which accepts no grants')
    expect(forecast('write_file', [{ ...stubborn, rule: 'strict' }, held])).toBe(
      'write_file: passes without a card; still held by rule strict, which accepts no grants',
    )
  })
})
