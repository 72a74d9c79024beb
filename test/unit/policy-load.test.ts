import { describe, expect, it } from 'vitest'
import { formatProblems } from '../../src/config/problems.ts'
import { load } from '../support/policies.ts'

/** What is said about a policy of these rules (and tests), a line a problem: `path: message | cure`. */
function problems(text: string): string[] {
  const loaded = load(text)
  if (loaded.ok) return []
  return loaded.problems.map(({ path, message, cure }) => `${path}: ${message} | ${cure}`)
}

const rules = (...lines: string[]) => `version: 1\nrules:\n${lines.map((line) => `  - ${line}`).join('\n')}\n`

describe('a policy file', () => {
  it.each<[string, string, string]>([
    [
      'an unknown key',
      rules('{ id: a, efect: allow, effect: allow }'),
      'rules[0].efect: unknown key | Did you mean effect? Otherwise remove it.',
    ],
    ['a missing version', 'rules: []', 'version: must be 1 | Write version: 1.'],
    ['another version', 'version: 2\nrules: []', 'version: must be 1 | Write version: 1.'],
    [
      'shadow',
      'version: 1\nmode: shadow\nrules: []',
      'mode: shadow is not supported yet | Write enforce, or leave it out.',
    ],
    [
      'allow by default',
      'version: 1\ndefaults: { effect: allow }\nrules: []',
      'defaults.effect: only deny can be the default | Write deny, and a last rule that allows what should pass.',
    ],
    [
      'no rules',
      'version: 1',
      'rules: is missing | Add it. Write it as [one, two], or as lines that start with a dash.',
    ],
    [
      'an unknown effect',
      rules('{ id: a, effect: ask }'),
      'rules[0].effect: must be one of allow, deny, require_approval | Choose one of allow, deny, require_approval.',
    ],
    [
      'an id in capitals',
      rules('{ id: A, effect: allow }'),
      'rules[0].id: is not a rule’s id | Use small letters, digits and -, up to 63.',
    ],
    [
      'the id default',
      rules('{ id: default, effect: allow }'),
      'rules[0].id: is reserved | Choose an id other than default and builtin….',
    ],
    [
      'an id like our own',
      rules('{ id: builtin-x, effect: allow }'),
      'rules[0].id: is reserved | Choose an id other than default and builtin….',
    ],
    [
      'an id used twice',
      rules('{ id: a, effect: allow }', '{ id: a, effect: deny }'),
      'rules[1].id: another rule has this id | Give each rule its own.',
    ],
    [
      'an upstream that is not there',
      rules('{ id: a, effect: allow, match: { upstream: fils } }'),
      'rules[0].match.upstream[0]: unknown upstream fils | Did you mean files?',
    ],
    [
      'an upstream like no other',
      rules('{ id: a, effect: allow, match: { upstream: crm } }'),
      'rules[0].match.upstream[0]: unknown upstream crm | Configured: files, pg-prod, pg-dev.',
    ],
    [
      'an empty list of tools',
      rules('{ id: a, effect: allow, match: { tool: [] } }'),
      'rules[0].match.tool: is an empty list | Name at least one, or leave the key out.',
    ],
    [
      'a group that is not there',
      rules('{ id: a, effect: require_approval, approval: { from: [dbas] } }'),
      'rules[0].approval.from[0]: unknown group dbas | Did you mean dba?',
    ],
    [
      'a channel that is not configured',
      rules('{ id: a, effect: require_approval, approval: { channel: teams } }'),
      'rules[0].approval.channel[0]: unknown channel teams | Configured: slack, console.',
    ],
    [
      'a quorum of nobody',
      rules('{ id: a, effect: require_approval, approval: { quorum: 0 } }'),
      'rules[0].approval.quorum: is out of bounds | Write a whole number from 1 to 10, in reviewers.',
    ],
    [
      'half a quorum',
      rules('{ id: a, effect: require_approval, approval: { quorum: 1.5 } }'),
      'rules[0].approval.quorum: is out of bounds | Write a whole number from 1 to 10, in reviewers.',
    ],
    [
      'a deadline too near',
      rules('{ id: a, effect: require_approval, approval: { deadline: 9s } }'),
      'rules[0].approval.deadline: too short | Choose a duration between 10s and 1d.',
    ],
    [
      'a deadline too far',
      rules('{ id: a, effect: require_approval, approval: { deadline: 25h } }'),
      'rules[0].approval.deadline: too long | Choose a duration between 10s and 1d.',
    ],
    [
      'a grant for more than one call',
      rules('{ id: a, effect: require_approval, approval: { grant: 1h } }'),
      'rules[0].approval.grant: must be one of single_use | Choose one of single_use.',
    ],
    [
      'an approval that is not asked for',
      rules('{ id: a, effect: allow, approval: { quorum: 2 } }'),
      'rules[0].approval: this rule asks nobody | Remove it, or use effect: require_approval.',
    ],
    [
      'an approval of other methods',
      rules('{ id: a, effect: require_approval, match: { method: "tools/*" } }'),
      'rules[0].match.method: only tools/call can be put to people | Leave method out, and deny or allow the other methods by rules of their own.',
    ],
    [
      'a tool of a method that has none',
      rules('{ id: a, effect: deny, match: { method: ping, tool: x } }'),
      'rules[0].match.tool: these methods have no tool | Remove tool, or add method: tools/call.',
    ],
    [
      'a key that JavaScript would misread',
      rules('{ id: a, effect: allow, match: { __proto__: x } }'),
      'rules[0].match: the key __proto__ is refused | Choose another name.',
    ],
    [
      'the same key twice',
      rules('{ id: a, effect: deny, effect: allow }'),
      ': this key is here twice | Keep one of them.',
    ],
    [
      'an alias',
      'version: 1\nrules: &r []\ntests: *r\n',
      'tests: YAML aliases are not used here | Write the value out.',
    ],
  ])('[REQ-POLICY-4] names %s', (_sentence, text, said) => {
    expect(problems(text)).toContain(said)
  })

  it.each<[string, string, string]>([
    ['CEL that does not parse', 'mcp.tool.name ==', 'not valid CEL: found = but expecting end of input'],
    ['where it does not', 'true ++ 1', '(line 1, column 6 of the condition)'],
    ['an unknown variable', 'request.path == "x"', 'unknown variable request (line 1, column 1 of the condition)'],
    [
      'a misspelt field of ours',
      'mcp.tool.argument.x == 1',
      'mcp.tool has no field argument (line 1, column 9 of the condition) | Did you mean arguments?',
    ],
    ['a field of something without', 'upstream.name == "x"', 'upstream has no field name'],
    ['a misspelt field inside has()', 'has(principal.mail)', 'principal has no field mail'],
    ['an unknown function', 'now > today()', 'unknown function today'],
    ['a function that builds text', '"%d".format([1]) == "1"', 'unknown function format'],
    [
      'a pattern that does not compile',
      'upstream.matches("(a")',
      'the pattern of matches() is refused: missing closing ): `(a`',
    ],
    ['a pattern that looks behind', 'upstream.matches("(?<=a)b")', 'the pattern of matches() is refused'],
    [
      'a pattern with too many steps',
      'upstream.matches("a{900}b{900}c{900}")',
      'the pattern of matches() is refused: it compiles to more than 2000 steps',
    ],
    [
      'a pattern that the agent would choose',
      'upstream.matches(mcp.tool.arguments.x)',
      'matches() needs its pattern as a text',
    ],
    ['lists three deep', 'jwt.a.all(x, x.all(y, y.all(z, z)))', 'too many lists inside each other'],
    ['a condition nested too deeply', `${'('.repeat(70)}true${' == true)'.repeat(70)}`, 'nested too deeply'],
    ['a condition too long', `upstream == "${'x'.repeat(2_000)}"`, 'the condition is too long'],
    ['a message', 'google.protobuf.Duration{seconds: 1} == duration("1s")', 'messages are not used here'],
  ])('[REQ-POLICY-4] names %s in a condition', (_sentence, condition, said) => {
    const loaded = problems(rules(`{ id: a, effect: deny, when: ${JSON.stringify(condition)} }`))
    expect(loaded.join('\n')).toContain(`rules[0].when: `)
    expect(loaded.join('\n')).toContain(said)
  })

  it.each([
    ['parentheses', `${'('.repeat(990)}true${')'.repeat(990)}`],
    ['lists', `${'['.repeat(990)}1${']'.repeat(990)} == 1`],
    ['negations', `${'!'.repeat(1_900)}true`],
    ['conditionals', `${'true ? '.repeat(150)}true${' : false'.repeat(150)}`],
  ])('survives a condition of nothing but %s', (_what, condition) => {
    const file = rules(`{ id: a, effect: deny, when: ${JSON.stringify(condition)} }`)
    expect(() => load(file)).not.toThrow()
  })

  it('knows the variables that a comprehension brings', () => {
    expect(problems(rules(`{ id: a, effect: deny, when: 'jwt.roles.exists(role, role == "x")' }`))).toEqual([])
    expect(problems(rules(`{ id: a, effect: deny, when: 'jwt.a.all(x, true) && x' }`))[0]).toContain(
      'unknown variable x',
    )
  })

  it('[REQ-POLICY-4] names every problem at once, each with its line', () => {
    const text = rules('{ id: A, effect: allow }', '{ id: b, effect: nope }', '{ id: c, effect: deny, wen: "x" }')
    const loaded = load(text)
    expect(loaded.ok ? [] : loaded.problems.map(({ path, line }) => [path, line])).toEqual([
      ['rules[0].id', 3],
      ['rules[1].effect', 4],
      ['rules[2].wen', 5],
    ])
    expect(loaded.ok ? '' : formatProblems(loaded.problems, 'policy.yaml')).toContain(
      'policy.yaml:5 rules[2].wen: unknown key',
    )
  })

  it('names all that is wrong between rules and settings at once', () => {
    const text = rules('{ id: a, effect: allow, match: { upstream: x } }', '{ id: a, effect: deny, when: "y" }')
    expect(problems(text)).toHaveLength(3)
  })

  it('leaves variables alone: a policy takes nothing from the environment', () => {
    const literal = `'mcp.tool.arguments.a == "$\{HOME}"'`
    expect(problems(rules(`{ id: a, effect: deny, when: ${literal} }`))).toEqual([])
  })

  it('takes globs for upstreams that are not there yet, and addresses for people in no group', () => {
    const approval = 'approval: { from: [dba, carol@example.com] }'
    expect(problems(rules(`{ id: a, effect: require_approval, match: { upstream: "new-*" }, ${approval} }`))).toEqual(
      [],
    )
  })
})

describe('the tests of a policy file', () => {
  const withTests = (...tests: string[]) =>
    `${rules(
      '{ id: asks, effect: require_approval, match: { tool: "write_*" }, reason: Because. }',
      '{ id: office, effect: allow, match: { tool: pay }, when: "now.getHours() < 17 && \\"eng\\" in principal.groups" }',
      '{ id: quiet, effect: allow, match: { tool: look }, when: "tool.annotations.readOnlyHint" }',
      '{ id: docs, effect: allow, match: { method: resources/read }, when: "mcp.params.uri == \\"a\\"" }',
    )}tests:\n${tests.map((test) => `  - ${test}`).join('\n')}\n`

  it('pass where the policy does what they expect', () => {
    const text = withTests(
      '{ name: a, call: { upstream: files, tool: write_file }, expect: { effect: require_approval, rule: asks, reason: Because. } }',
      '{ name: b, call: { upstream: files, tool: pay, principal: { groups: [eng] } }, expect: { effect: allow } }',
      '{ name: c, call: { upstream: files, tool: pay, principal: { groups: [eng] }, now: "2026-01-01T18:00:00Z" }, expect: { effect: deny, rule: default } }',
      '{ name: d, call: { upstream: files, tool: look, annotations: { readOnlyHint: true } }, expect: { effect: allow } }',
      '{ name: e, call: { upstream: files, tool: look }, expect: { effect: deny } }',
      '{ name: f, call: { upstream: files, method: resources/read, arguments: { uri: a } }, expect: { effect: allow } }',
      '{ name: g, call: { upstream: files, method: initialize }, expect: { effect: allow, rule: "builtin:handshake" } }',
    )
    expect(problems(text)).toEqual([])
  })

  it('stop the policy where it does not', () => {
    const text = withTests(
      '{ name: writing is free, call: { upstream: files, tool: write_file }, expect: { effect: allow } }',
      '{ name: other rule, call: { upstream: files, tool: write_file }, expect: { effect: require_approval, rule: office } }',
      '{ name: fine, call: { upstream: files, tool: x }, expect: { effect: deny } }',
    )
    const cure = 'Correct the rules, or the test if it is the test that is wrong.'
    expect(problems(text)).toEqual([
      `tests[0]: test "writing is free" fails: expected effect allow, got require_approval; rule asks decided | ${cure}`,
      `tests[1]: test "other rule" fails: expected rule office, got asks | ${cure}`,
    ])
  })

  it.each([
    [
      'an unknown rule',
      '{ name: a, call: { upstream: files, tool: x }, expect: { effect: deny, rule: ask } }',
      'unknown rule ask',
    ],
    [
      'an unknown upstream',
      '{ name: a, call: { upstream: file, tool: x }, expect: { effect: deny } }',
      'unknown upstream file',
    ],
    [
      'an instant that is none',
      '{ name: a, call: { upstream: files, tool: x, now: noon }, expect: { effect: deny } }',
      'is not an instant',
    ],
    ['a call that expects nothing', '{ name: a, call: { upstream: files, tool: x } }', 'must be keys and values'],
  ])('are checked themselves: %s', (_sentence, test, said) => {
    const found = problems(withTests(test)).join('\n')
    expect(found === '' ? 'nothing' : found).toMatch(
      said === 'must be keys and values' ? /expect: is missing/ : new RegExp(said),
    )
  })
})

describe('rules that never decide', () => {
  const warnings = (...lines: string[]) => {
    const loaded = load(rules(...lines))
    return loaded.ok ? loaded.warnings.map(({ path, message }) => `${path}: ${message}`) : ['refused']
  }
  it.each<[string, string[], string[]]>([
    [
      'a rule for one tool after one for all',
      ['{ id: a, effect: allow }', '{ id: b, effect: allow, match: { tool: x } }'],
      ['b'],
    ],
    [
      'a weaker rule before a stronger one for the same',
      ['{ id: b, effect: allow, match: { tool: x } }', '{ id: a, effect: deny, match: { tool: "x*" } }'],
      ['b'],
    ],
    ['but not one with a condition', ['{ id: a, effect: allow, when: "true" }', '{ id: b, effect: allow }'], []],
    [
      'but not a stronger rule after a weaker one',
      ['{ id: a, effect: allow }', '{ id: b, effect: deny, match: { tool: x } }'],
      [],
    ],
    [
      'but not where globs only overlap',
      ['{ id: a, effect: allow, match: { tool: "x*" } }', '{ id: b, effect: allow, match: { tool: "*y" } }'],
      [],
    ],
    [
      'but not for another upstream',
      ['{ id: a, effect: allow, match: { upstream: files } }', '{ id: b, effect: allow }'],
      [],
    ],
    ['but not for other methods', ['{ id: a, effect: deny }', '{ id: b, effect: deny, match: { method: "*" } }'], []],
  ])('%s', (_sentence, lines, ids) => {
    expect(warnings(...lines)).toEqual(
      ids.map((id) => expect.stringContaining(`rule ${id} never decides: a comes first`)),
    )
  })
})
