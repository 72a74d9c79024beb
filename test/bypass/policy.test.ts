/**
 * Ways round policy that someone thought of. Rows are never deleted.
 *
 * A gap in an allowing rule is a refused call and no bypass; so each row says which decision would be one.
 */
import { describe, expect, it } from 'vitest'
import type { JsonValue } from '../../src/json/value.ts'
import { aPrincipal } from '../support/examples.ts'
import { aCall, policyOf, policyWhen } from '../support/policies.ts'

const json = (text: string): JsonValue => JSON.parse(text)

describe('a name that only looks like an allowed one', () => {
  const policy = policyOf('  - { id: readers, effect: allow, match: { tool: ["read_*", delete_draft] } }')
  it.each([
    ['in capitals', 'READ_FILE'],
    ['with one capital', 'Delete_draft'],
    ['with a Cyrillic а', 'delete_drаft'],
    ['in full-width letters', 'ｒｅａｄ＿file'],
    ['with a space behind', 'delete_draft '],
    ['with a space before', ' delete_draft'],
    ['with a no-break space behind', 'delete_draft\u00a0'],
    ['with a line feed behind', 'delete_draft\n'],
    ['with a line feed inside', 'read_file\ndelete_user'],
    ['with a NUL behind', 'read_file\u0000.txt'],
    ['with a zero-width space', 'read_\u200bfile'],
    ['with a bidirectional override', 'read_\u202eelif'],
    ['with a soft hyphen', 'read_fi\u00adle'],
    ['with a lone surrogate', 'read_\ud800'],
    ['with a private character', 'read_\ue000'],
    ['with a line separator', 'read_\u2028x'],
    ['too long', `read_${'a'.repeat(300)}`],
    ['empty', ''],
    ['with something before', 'thread_file'],
    ['a glob itself', '*'],
  ])('%s', (_sentence, tool) => {
    expect(policy.evaluate(aCall({ tool })).effect).toBe('deny')
  })

  it('missing altogether', () => {
    const all = policyOf('  - { id: all, effect: allow }')
    expect(all.evaluate(aCall({ tool: null }))).toMatchObject({ effect: 'deny', rule: 'builtin:invalid-name' })
  })
})

describe('a name that a lenient server takes for a denied one', () => {
  const policy = policyOf(
    '  - { id: no-delete, effect: deny, match: { tool: "delete_*" } }\n  - { id: all, effect: allow }',
  )
  it.each([
    ['in capitals', 'DELETE_USER'],
    ['with one capital', 'Delete_user'],
    ['in full-width letters', 'ｄｅｌｅｔｅ＿user'],
    ['with a full-width underscore', 'delete＿user'],
    ['in mathematical letters', '𝐝𝐞𝐥𝐞𝐭𝐞_user'],
    ['with a space before', ' delete_user'],
    ['with a tab before', '\tdelete_user'],
    ['with a zero-width joiner', 'de\u200dlete_user'],
    ['with a byte-order mark before', '\ufeffdelete_user'],
    ['with a NUL behind', 'delete_user\u0000'],
  ])('%s', (_sentence, tool) => {
    expect(policy.evaluate(aCall({ tool })).effect).toBe('deny')
  })

  it('is also found where the rule itself is in capitals', () => {
    const shouting = policyOf(
      '  - { id: no, effect: deny, match: { tool: "DELETE_*" } }\n  - { id: all, effect: allow }',
    )
    expect(shouting.evaluate(aCall({ tool: 'delete_user' })).rule).toBe('no')
  })
})

describe('a method that only looks like another', () => {
  const policy = policyOf('  - { id: all, effect: allow }')
  it.each([
    ['in capitals', 'Initialize'],
    ['with a space behind', 'ping '],
    ['with a slash behind', 'tools/list/'],
    ['tools/call in capitals', 'TOOLS/CALL'],
    ['tools/call with a line feed', 'tools/call\nread_file'],
    ['of JavaScript', 'constructor'],
    ['empty', ''],
  ])('%s', (_sentence, method) => {
    expect(policy.evaluate(aCall({ method, tool: null })).effect).toBe('deny')
  })

  it('with a tool of its own: rules for tools do not allow it', () => {
    expect(policy.evaluate(aCall({ method: 'resources/read', tool: 'read_file' })).effect).toBe('deny')
  })

  it('whose name and tool run together: one call’s decision is not another’s', () => {
    const readers = policyOf('  - { id: readers, effect: allow, match: { tool: read_file } }')
    expect(readers.evaluate(aCall({ tool: 'read_file' })).effect).toBe('allow')
    expect(readers.evaluate(aCall({ method: 'tools/call\nread_file', tool: null })).effect).toBe('deny')
    expect(readers.evaluate(aCall({ upstream: 'files\ntools/call', method: 'read_file', tool: null })).effect).toBe(
      'deny',
    )
  })
})

describe('an argument that is not what an allowing condition thought of', () => {
  const allows = (condition: string, args: JsonValue) =>
    policyWhen('allow', condition).evaluate(aCall({ arguments: args })).effect === 'allow'
  const isOk = 'mcp.tool.arguments.path == "ok"'
  const isTmp = 'mcp.tool.arguments.path.startsWith("/tmp/")'

  it('lets the honest ones through', () => {
    expect(allows(isOk, { path: 'ok' })).toBe(true)
    expect(allows(isTmp, { path: '/tmp/x' })).toBe(true)
  })

  it.each<[string, string, JsonValue]>([
    // The conversion of @bufbuild/cel 0.6.1 takes the first two for the text "ok".
    [
      'a map in the shape of a protobuf text',
      isOk,
      json('{"path":{"$typeName":"google.protobuf.StringValue","value":"ok"}}'),
    ],
    [
      'a map in the shape of a protobuf value',
      isOk,
      json('{"path":{"$typeName":"google.protobuf.Value","kind":{"case":"stringValue","value":"ok"}}}'),
    ],
    ['a list of the text', isOk, { path: ['ok'] }],
    ['a list that prints like the text', isTmp, { path: ['/tmp/x'] }],
    ['a list of many', isTmp, { path: ['/tmp/x', '/etc/passwd'] }],
    ['a map with methods like a text’s', isTmp, json('{"path":{"startsWith":"/tmp/","toString":"/tmp/"}}')],
    ['the key under __proto__', isOk, json('{"__proto__":{"path":"ok"}}')],
    ['the key under constructor', isOk, json('{"constructor":{"prototype":{"path":"ok"}}}')],
    ['the key in other letters', isOk, { Path: 'ok' }],
    ['the key with a space', isOk, { 'path ': 'ok' }],
    ['arguments in a list', isOk, [{ path: 'ok' }]],
    ['arguments as text', isOk, '{"path":"ok"}'],
    ['arguments that are null', isOk, null],
    ['true for "true"', 'mcp.tool.arguments.dry_run', { dry_run: 'true' }],
    ['1 for true', 'mcp.tool.arguments.dry_run', { dry_run: 1 }],
    ['a list for true', 'mcp.tool.arguments.dry_run', { dry_run: [true] }],
    ['the empty text for a small number', 'int(mcp.tool.arguments.n) < 10', { n: '' }],
    ['a number in text', 'mcp.tool.arguments.n < 10', { n: '5' }],
    ['a number that is none', 'mcp.tool.arguments.n < 10', { n: Number.NaN }],
    ['a number that has no end', 'mcp.tool.arguments.n < 10', { n: Number.POSITIVE_INFINITY }],
    ['what every object has', 'has(mcp.tool.arguments.hasOwnProperty)', {}],
    ['what every list has', 'mcp.tool.arguments.a.length == 1', { a: [1] }],
    [
      'one wrong entry among the right ones',
      'mcp.tool.arguments.a.all(p, p.startsWith("/tmp/"))',
      { a: ['/tmp/x', ['/tmp/y']] },
    ],
    ['a text that is no list', 'mcp.tool.arguments.a.all(p, p == "x")', { a: 'x' }],
    [
      'so long a list that nobody looks at its end',
      'mcp.tool.arguments.a.all(p, p == 1) || true',
      { a: new Array(200_000).fill(1) },
    ],
    ['a line feed before the end', 'mcp.tool.arguments.path.matches("^/tmp/[a-z]+$")', { path: '/tmp/x\n/etc/passwd' }],
    ['a line feed at the end', 'mcp.tool.arguments.path.matches("^/tmp/[a-z]+$")', { path: '/tmp/x\n' }],
  ])('%s', (_sentence, condition, args) => {
    expect(allows(condition, args)).toBe(false)
  })
})

describe('an argument that is not what a denying condition thought of', () => {
  const denies = (condition: string, args: JsonValue) =>
    policyWhen('deny', condition).evaluate(aCall({ arguments: args })).rule === 'asked'
  const isEtc = 'mcp.tool.arguments.path.startsWith("/etc/")'

  it('lets the honest ones through', () => {
    expect(denies(isEtc, { path: '/tmp/x' })).toBe(false)
  })

  it.each<[string, string, JsonValue]>([
    ['a list in the place of a text', isEtc, { path: ['/etc/passwd'] }],
    ['a map in the place of a text', isEtc, { path: { value: '/etc/passwd' } }],
    [
      'a map in the shape of a protobuf text',
      isEtc,
      json('{"path":{"$typeName":"google.protobuf.StringValue","value":"/tmp"}}'),
    ],
    ['nothing in its place', isEtc, {}],
    ['null in its place', isEtc, { path: null }],
    ['null behind a key', 'has(mcp.tool.arguments.force)', { force: null }],
    ['null behind a key, asked for with in', '"force" in mcp.tool.arguments', { force: null }],
    ['arguments in a list', 'has(mcp.tool.arguments.force)', [{ force: true }]],
    ['a key that breaks the conversion', isEtc, json('{"constructor":1,"path":"/etc/passwd"}')],
    ['a number where a text was meant', 'mcp.tool.arguments.amount > 100', { amount: '1000' }],
    ['a fraction where an int was meant', 'mcp.tool.arguments.amount % 2 == 0', { amount: 2.5 }],
    ['a number beyond every int', 'mcp.tool.arguments.amount > 100', { amount: 1e300 }],
    [
      'a text too long to be read',
      'mcp.tool.arguments.sql.matches("(?i)drop")',
      { sql: `${' '.repeat(4_000_000)}drop table x` },
    ],
    [
      'a list too long to be read',
      'mcp.tool.arguments.a.exists(p, p == "x")',
      { a: [...new Array(200_000).fill('y'), 'x'] },
    ],
    ['one bad entry before the forbidden one', 'mcp.tool.arguments.a.exists(p, p.contains("x"))', { a: [1, 'x'] }],
    [
      'other case, where the pattern ignores it',
      'mcp.tool.arguments.sql.matches("(?i)\\\\bdrop\\\\b")',
      { sql: 'dRoP table x' },
    ],
  ])('%s', (_sentence, condition, args) => {
    expect(denies(condition, args)).toBe(true)
  })
})

describe('a principal that is not who a condition thought of', () => {
  it.each<[string, string, Parameters<typeof aPrincipal>[0]]>([
    ['whose token has no e-mail', 'principal.email.endsWith("@example.com")', { email: null }],
    ['whose claim is a list', 'jwt.role == "admin"', { claims: { role: ['admin'] } }],
    ['whose claim is inherited', 'jwt.constructor == "admin" || jwt.toString == "x"', { claims: {} }],
    ['whose groups only contain the word', '"dba" in principal.groups', { groups: ['no-dba', 'dba '] }],
    [
      'whose claim is a protobuf in disguise',
      'jwt.role == "admin"',
      { claims: { role: { $typeName: 'google.protobuf.StringValue', value: 'admin' } } },
    ],
  ])('%s', (_sentence, condition, change) => {
    const call = aCall({ principal: aPrincipal(change) })
    expect(policyWhen('allow', condition).evaluate(call).effect).toBe('deny')
  })
})

describe('a call that should keep the gateway busy', () => {
  // Counted work, not time: each of these took the unguarded functions seconds to minutes. The generous limit is the
  // test's own time-out.
  const nasty = `${'a'.repeat(300_000)}!`
  it.each<[string, string, JsonValue]>([
    ['a pattern that makes others backtrack', 'mcp.tool.arguments.a.matches("^(a+)+$")', { a: nasty }],
    ['alternatives that overlap', 'mcp.tool.arguments.a.matches("^(a|aa|a?)*$")', { a: nasty }],
    ['counted repeats', 'mcp.tool.arguments.a.matches("^(.{1,300}b)+$")', { a: nasty }],
    [
      'texts searched for texts',
      'mcp.tool.arguments.a.contains(mcp.tool.arguments.b)',
      { a: 'a'.repeat(3_000_000), b: `${'a'.repeat(80_000)}b${'a'.repeat(80_000)}` },
    ],
    ['replacing every letter', 'mcp.tool.arguments.a.replace("a", "bb").contains("a")', { a: 'a'.repeat(3_000_000) }],
    [
      'lists times lists',
      'mcp.tool.arguments.a.all(x, mcp.tool.arguments.a.all(y, x.b == y.b))',
      { a: new Array(5_000).fill(1) },
    ],
    [
      'lists made longer and longer',
      'mcp.tool.arguments.a.map(x, mcp.tool.arguments.a + mcp.tool.arguments.a).size() == 0',
      { a: new Array(3_000).fill(1) },
    ],
    ['errors by the thousand', 'mcp.tool.arguments.a.exists(x, x.b.c == 1)', { a: new Array(40_000).fill(1) }],
  ])(
    '%s',
    (_sentence, condition, args) => {
      expect(policyWhen('allow', condition).evaluate(aCall({ arguments: args })).effect).toBe('deny')
    },
    20_000,
  )
})
