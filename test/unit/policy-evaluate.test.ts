import { describe, expect, it } from 'vitest'
import type { PolicyInput } from '../../src/policy/decision.ts'
import { HANDSHAKE_METHODS, TARGETS_REMEMBERED_MAX } from '../../src/policy/evaluate.ts'
import { someTerms } from '../support/examples.ts'
import { aCall, load, policyOf } from '../support/policies.ts'

const call = (upstream: string, tool: string, args = {}) => aCall({ upstream, tool, arguments: args })
const message = (method: string, params = {}) => aCall({ method, tool: null, arguments: params })

const POLICY = policyOf(String.raw`
  - { id: readers, effect: allow, match: { tool: ["list_*", "get_*", "read_*"] }, reason: Reading is free. }
  - { id: everything-in-dev, effect: allow, match: { upstream: pg-dev } }
  - id: prod-delete
    effect: require_approval
    match: { upstream: pg-prod, tool: "delete_*" }
    approval: { from: [dba, Bob@example.com], quorum: 2, deadline: 10m, use_within: 1h, channel: slack }
    reason: Deleting in production needs two.
  - id: writes
    effect: require_approval
    match: { tool: "write_?ile" }
  - id: no-drop
    effect: deny
    match: { upstream: "pg-*", tool: run_sql }
    when: 'mcp.tool.arguments.sql.matches("(?i)\\bdrop\\s+table\\b")'
    reason: Dropping tables goes through a migration.
  - { id: docs, effect: allow, match: { method: resources/read }, when: 'mcp.params.uri.startsWith("docs://")' }
  - { id: no-logs, effect: deny, match: { method: "logging/*" } }
`)

describe('a policy', () => {
  it.each<[string, PolicyInput, string, string]>([
    ['allows what a rule allows', call('files', 'read_file'), 'allow', 'readers'],
    ['matches one name of a list', call('files', 'list_directory'), 'allow', 'readers'],
    ['asks for what a rule wants approved', call('pg-prod', 'delete_user'), 'require_approval', 'prod-delete'],
    ['has ? stand for one character', call('files', 'write_file'), 'require_approval', 'writes'],
    ['does not have ? stand for two', call('files', 'write_ffile'), 'deny', 'default'],
    ['denies where a condition holds', call('pg-dev', 'run_sql', { sql: 'DROP  TABLE x' }), 'deny', 'no-drop'],
    ['goes on where it does not', call('pg-dev', 'run_sql', { sql: 'select 1' }), 'allow', 'everything-in-dev'],
    ['[REQ-POLICY-1] denies what no rule is about', call('files', 'run_sql'), 'deny', 'default'],
    ['denies another upstream’s tool', call('files', 'delete_user'), 'deny', 'default'],
    ['denies a tool whose name only starts like an allowed one', call('files', 'rea'), 'deny', 'default'],
    ['allows a resource by its params', message('resources/read', { uri: 'docs://a' }), 'allow', 'docs'],
    ['denies other resources', message('resources/read', { uri: 'file:///etc/passwd' }), 'deny', 'default'],
    ['[REQ-POLICY-6] denies a method that no rule names', message('prompts/get'), 'deny', 'default'],
    ['lets the agent answer what a server asked it', message('response'), 'allow', 'builtin:handshake'],
    ['denies a method that a rule denies', message('logging/setLevel'), 'deny', 'no-logs'],
    ['takes no tool rule for another method', message('list_things'), 'deny', 'default'],
    [
      'has no case of tools/call but its own',
      aCall({ method: 'Tools/Call', tool: 'read_file' }),
      'deny',
      'builtin:invalid-name',
    ],
  ])('%s', (_sentence, input, effect, rule) => {
    expect(POLICY.evaluate(input)).toMatchObject({ effect, rule })
  })

  it('gives the rule’s reason and the terms of its approval', () => {
    expect(POLICY.evaluate(call('pg-prod', 'delete_user'))).toEqual({
      effect: 'require_approval',
      rule: 'prod-delete',
      reason: 'Deleting in production needs two.',
      approval: someTerms({
        acceptsGrants: false,
        from: ['dba', 'Bob@example.com'],
        quorum: 2,
        deadlineMs: 600_000,
        useWithinMs: 3_600_000,
        channels: ['slack'],
      }),
    })
  })

  it('has terms for an approval that the rule says nothing of', () => {
    expect(POLICY.evaluate(call('files', 'write_file')).approval).toEqual(someTerms())
  })

  it('has neither reason nor approval by default', () => {
    expect(POLICY.evaluate(call('files', 'x'))).toEqual({
      effect: 'deny',
      rule: 'default',
      reason: null,
      approval: null,
    })
  })

  it('decides the same again, and for the call asked about, when it remembers', () => {
    const first = POLICY.evaluate(call('pg-dev', 'run_sql', { sql: 'drop table x' }))
    expect(POLICY.evaluate(call('pg-dev', 'run_sql', { sql: 'select 1' })).effect).toBe('allow')
    expect(POLICY.evaluate(call('pg-dev', 'run_sql', { sql: 'drop table x' }))).toEqual(first)
  })

  it('still decides rightly after more names than it remembers', () => {
    const policy = policyOf('  - { id: readers, effect: allow, match: { tool: "read_*" } }')
    const names = Array.from({ length: TARGETS_REMEMBERED_MAX + 100 }, (_, at) => `write_${at}`)
    expect(names.filter((name) => policy.evaluate(call('files', name)).effect !== 'deny')).toEqual([])
    expect(policy.evaluate(call('files', 'read_1')).effect).toBe('allow')
  })
})

describe('precedence', () => {
  const allow = '  - { id: a, effect: allow }'
  const ask = '  - { id: q, effect: require_approval }'
  const deny = '  - { id: d, effect: deny }'
  it.each([
    ['deny before both', [allow, ask, deny], 'd'],
    ['deny, first in the file', [deny, ask, allow], 'd'],
    ['require_approval before allow', [allow, ask], 'q'],
    ['require_approval, first in the file', [ask, allow], 'q'],
    ['allow before the default', [allow], 'a'],
    ['the first of two equals', [allow, '  - { id: b, effect: allow }'], 'a'],
    [
      'the first of two that ask',
      ['  - { id: p, effect: require_approval }', ask, deny.replace('}', ', when: "false" }')],
      'p',
    ],
  ])('[REQ-POLICY-2] %s', (_sentence, rules, decides) => {
    expect(policyOf(rules.join('\n')).evaluate(aCall()).rule).toBe(decides)
  })
})

describe('the handshake', () => {
  const empty = policyOf('  - { id: no-calls, effect: deny, match: { upstream: "*", tool: "*" } }')

  it.each([...HANDSHAKE_METHODS])('%s passes for any principal', (method) => {
    expect(empty.evaluate(message(method))).toEqual({
      effect: 'allow',
      rule: 'builtin:handshake',
      reason: null,
      approval: null,
    })
  })

  it('is these methods and no more', () => {
    expect([...HANDSHAKE_METHODS].sort()).toEqual([
      'initialize',
      'notifications/cancelled',
      'notifications/initialized',
      'notifications/progress',
      'ping',
      'response',
      'server/discover',
      'session/delete',
      'stream/get',
      'tools/list',
    ])
  })

  it.each([
    [
      'a rule that names the method denies it',
      '  - { id: no-list, effect: deny, match: { method: tools/list } }',
      'no-list',
    ],
    ['a rule for every method denies it', '  - { id: shut, effect: deny, match: { method: "*" } }', 'shut'],
    [
      'a rule for one upstream denies it there',
      '  - { id: f, effect: deny, match: { method: "*", upstream: files } }',
      'f',
    ],
    ['a condition that fails denies it', '  - { id: w, effect: deny, match: { method: "*" }, when: "jwt.x" }', 'w'],
    ['an allowing rule does not matter', '  - { id: z, effect: allow, match: { method: "*" } }', 'builtin:handshake'],
  ])('%s', (_sentence, rules, rule) => {
    expect(policyOf(rules).evaluate(message('tools/list')).rule).toBe(rule)
  })
})

describe('what the gateway is told of a policy', () => {
  it('says that it needs definitions only where a condition reads them', () => {
    expect(policyOf('  - { id: a, effect: allow }').needsToolDefinition).toBe(false)
    const reads = '  - { id: a, effect: allow, when: "tool.annotations.readOnlyHint" }'
    expect(policyOf(reads).needsToolDefinition).toBe(true)
  })

  it('has a version that comments, spaces and the order of keys do not change', () => {
    const version = (text: string) => {
      const loaded = load(text)
      return loaded.ok ? loaded.policy.version : 'refused'
    }
    const plain = version('version: 1\nrules:\n  - { id: a, effect: allow }\n')
    expect(plain).toMatch(/^[0-9a-f]{64}$/)
    expect(version('# why\nrules: [{ effect: allow,   id: "a" }]\nversion: 1')).toBe(plain)
    expect(version('version: 1\nrules:\n  - { id: a, effect: deny }\n')).not.toBe(plain)
    expect(version('version: 1\nrules:\n  - { id: a, effect: allow, reason: Because. }\n')).not.toBe(plain)
  })
})
