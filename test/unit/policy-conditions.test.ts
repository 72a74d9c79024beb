import { describe, expect, it } from 'vitest'
import type { JsonValue } from '../../src/json/value.ts'
import { WORK_UNITS_MAX } from '../../src/policy/work.ts'
import { aPrincipal } from '../support/examples.ts'
import { aCall, policyOf, policyWhen } from '../support/policies.ts'

/** An allowing and a denying rule tell the three answers apart: a failure allows in neither. */
function answer(condition: string, args: JsonValue = {}, change: Parameters<typeof aCall>[0] = {}) {
  const input = aCall({ arguments: args, ...change })
  const allowed = policyWhen('allow', condition).evaluate(input).effect === 'allow'
  const denied = policyWhen('deny', condition).evaluate(input).rule === 'asked'
  return allowed === denied ? allowed : 'failed'
}

describe('a condition', () => {
  it.each<[string, string, JsonValue, boolean | 'failed']>([
    ['reads an argument', 'mcp.tool.arguments.a == "x"', { a: 'x' }, true],
    ['reads a nested one', 'mcp.tool.arguments.a.b[1].c', { a: { b: [0, { c: true }] } }, true],
    ['reads the tool’s name', 'mcp.tool.name == "read_file"', {}, true],
    ['reads the method', 'mcp.method == "tools/call"', {}, true],
    ['reads the upstream', 'upstream.startsWith("fi")', {}, true],
    ['knows a missing key', 'has(mcp.tool.arguments.a)', {}, false],
    ['knows a key that is null', 'has(mcp.tool.arguments.a)', { a: null }, true],
    ['knows a key that is null by `in`', '"a" in mcp.tool.arguments', { a: null }, true],
    ['knows a key that is not there by `in`', '"b" in mcp.tool.arguments', { a: null }, false],
    ['takes arguments that were left out for none', 'size(mcp.tool.arguments) == 0', null, true],
    [
      'counts keys and entries',
      'size(mcp.tool.arguments) == 1 && mcp.tool.arguments.a.size() == 2',
      { a: [1, 2] },
      true,
    ],
    ['walks lists', 'mcp.tool.arguments.a.all(x, x.startsWith("/tmp/"))', { a: ['/tmp/a', '/tmp/b'] }, true],
    ['walks lists and finds the other one', 'mcp.tool.arguments.a.exists(x, x == "c")', { a: ['a', 'b'] }, false],
    ['walks keys', 'mcp.tool.arguments.exists(key, key == "b")', { a: 1, b: 2 }, true],
    ['maps and filters', 'mcp.tool.arguments.a.filter(x, x > 1).map(x, x * 2) == [4, 6]', { a: [1, 2, 3] }, true],
    ['compares whole lists and maps', 'mcp.tool.arguments == {"a": [1, {"b": null}]}', { a: [1, { b: null }] }, true],
    ['matches anywhere', 'mcp.tool.arguments.a.matches("[0-9]+")', { a: 'x1y' }, true],
    ['matches anchored', 'mcp.tool.arguments.a.matches("^[0-9]+$")', { a: 'x1y' }, false],
    ['reads text case by case', 'mcp.tool.arguments.a.lowerAscii() == "x"', { a: 'X' }, true],
    ['replaces and splits', 'mcp.tool.arguments.a.replace("/", ".").split(".")[1] == "b"', { a: 'a/b' }, true],
    ['counts code points', 'size(mcp.tool.arguments.a) == 2', { a: '😀x' }, true],
  ])('%s', (_sentence, condition, args, wanted) => {
    expect(answer(condition, args)).toBe(wanted)
  })

  it.each<[string, string, JsonValue, boolean | 'failed']>([
    ['a whole number is an int', 'type(mcp.tool.arguments.a) == int', { a: 7 }, true],
    ['a fraction is a double', 'type(mcp.tool.arguments.a) == double', { a: 7.5 }, true],
    ['1.0 is 1 in JSON', 'type(mcp.tool.arguments.a) == int', JSON.parse('{"a":1.0}'), true],
    ['beyond 2^53 it is a double', 'type(mcp.tool.arguments.a) == double', { a: 1e300 }, true],
    ['both compare with both', 'mcp.tool.arguments.a < 8.5 && mcp.tool.arguments.b > 1', { a: 8, b: 1.5 }, true],
    ['both equal both', 'mcp.tool.arguments.a == 8.0 && 8 == mcp.tool.arguments.a', { a: 8 }, true],
    ['an int counts on', 'mcp.tool.arguments.a + 1 == 8', { a: 7 }, true],
    ['a double does not count on with an int', 'mcp.tool.arguments.a + 1 > 0', { a: 7.5 }, 'failed'],
    ['minus zero is zero', 'mcp.tool.arguments.a == 0', { a: -0 }, true],
    ['a number is not its text', 'mcp.tool.arguments.a == "7"', { a: 7 }, false],
    ['a text is not its number', 'mcp.tool.arguments.a == 7', { a: '7' }, false],
    ['a text does not compare with a number', 'mcp.tool.arguments.a < 8', { a: '7' }, 'failed'],
    ['a text can be made a number', 'int(mcp.tool.arguments.a) < 8', { a: '7' }, true],
    ['the empty text is no number', 'int(mcp.tool.arguments.a) < 8', { a: '' }, 'failed'],
    ['hexadecimal is no number', 'int(mcp.tool.arguments.a) < 18', { a: '0x10' }, 'failed'],
    ['a word is no number', 'double(mcp.tool.arguments.a) < 8.0', { a: 'x' }, 'failed'],
    ['division by zero fails', '1 / mcp.tool.arguments.a > 0', { a: 0 }, 'failed'],
  ])('numbers: %s', (_sentence, condition, args, wanted) => {
    expect(answer(condition, args)).toBe(wanted)
  })

  it.each<[string, string, JsonValue]>([
    ['a key that is missing', 'mcp.tool.arguments.a == "x"', {}],
    ['a step through something that is no map', 'mcp.tool.arguments.a.b == "x"', { a: 'x' }],
    ['a list where a text was thought of', 'mcp.tool.arguments.a.startsWith("x")', { a: ['x'] }],
    ['a map where a text was thought of', 'mcp.tool.arguments.a.matches("x")', { a: { x: 1 } }],
    ['null where a text was thought of', 'mcp.tool.arguments.a.contains("x")', { a: null }],
    ['an answer that is not true or false', 'mcp.tool.arguments.a', { a: 'true' }],
    ['an answer that is a number', 'mcp.tool.arguments.a', { a: 1 }],
    ['an answer that is null', 'mcp.tool.arguments.a', { a: null }],
    ['arguments that are a list', 'has(mcp.tool.arguments.a)', ['a']],
    ['arguments that are a text', 'has(mcp.tool.arguments.a)', 'a'],
    ['params of a tools/call', 'has(mcp.params.a)', {}],
    ['a definition that is not known', 'has(tool.annotations.readOnlyHint)', {}],
    ['a claim that is missing', 'jwt.department == "x"', {}],
    ['an index out of bounds', 'mcp.tool.arguments.a[1] == 1', { a: [1] }],
    ['a list that is no list', 'mcp.tool.arguments.a.all(x, x == 1)', { a: 'abc' }],
    ['one bad entry among good ones', 'mcp.tool.arguments.a.all(x, x.startsWith("/"))', { a: ['/a', 1] }],
    ['seconds that look like an instant', 'now > timestamp(1700000000)', {}],
  ])('[REQ-POLICY-3] fails, and so restricts, on %s', (_sentence, condition, args) => {
    expect(answer(condition, args)).toBe('failed')
  })

  it('knows what CEL knows of errors: true || error is true, false && error is false', () => {
    expect(answer('mcp.tool.arguments.x || true')).toBe(true)
    expect(answer('mcp.tool.arguments.x && false')).toBe(false)
    expect(answer('mcp.tool.arguments.x || false')).toBe('failed')
    expect(answer('mcp.tool.arguments.x && true')).toBe('failed')
  })

  it('[REQ-POLICY-3] a condition that fails asks people where its rule asks people', () => {
    const policy = policyOf(
      '  - { id: q, effect: require_approval, when: "mcp.tool.arguments.a > 1" }\n  - { id: a, effect: allow }',
    )
    expect(policy.evaluate(aCall()).rule).toBe('q')
    expect(policy.evaluate(aCall({ arguments: { a: 1 } })).rule).toBe('a')
  })
})

describe('who calls', () => {
  const principal = aPrincipal({
    groups: ['eng', 'dba'],
    scopes: ['mcp:tools'],
    claims: { sub: 'alice', dept: { name: 'eng' }, roles: ['a'], constructor: 'c' },
  })
  it.each([
    ['principal.email == "alice@example.com"', true],
    ['"dba" in principal.groups', true],
    ['"root" in principal.groups', false],
    ['"mcp:tools" in principal.scopes', true],
    ['principal.client == "agent-client"', true],
    ['principal.subject == "alice@example.com" && principal.issuer.startsWith("https://")', true],
    ['jwt.dept.name == "eng"', true],
    ['"a" in jwt.roles', true],
    ['jwt["constructor"] == "c"', true],
    ['has(jwt.toString)', false],
  ])('%s is %s', (condition, wanted) => {
    expect(answer(condition, {}, { principal })).toBe(wanted)
  })

  it('is null where the token names nobody', () => {
    const nobody = aPrincipal({ email: null, client: null })
    expect(answer('principal.email == null && principal.client == null', {}, { principal: nobody })).toBe(true)
    expect(answer('principal.email.endsWith("@example.com")', {}, { principal: nobody })).toBe('failed')
  })
})

describe('when, and on what', () => {
  it.each([
    ['now == timestamp("2026-01-31T09:30:00Z")', true],
    ['now < timestamp("2026-02-01T00:00:00Z")', true],
    ['now.getHours() >= 9 && now.getHours() < 17', true],
    ['now.getDayOfWeek() == 6', true],
    ['now - timestamp("2026-01-31T09:00:00Z") == duration("30m")', true],
  ])('%s is %s', (condition, wanted) => {
    expect(answer(condition)).toBe(wanted)
  })

  it('reads the annotations of a tool whose definition is known', () => {
    const condition = 'has(tool.annotations.readOnlyHint) && tool.annotations.readOnlyHint'
    expect(answer(condition, {}, { toolDefinition: { annotations: { readOnlyHint: true } } })).toBe(true)
    expect(answer(condition, {}, { toolDefinition: { annotations: {} } })).toBe(false)
    expect(answer(condition, {}, { toolDefinition: { name: 'x' } })).toBe(false)
    expect(answer(condition, {}, { toolDefinition: { annotations: 'readOnlyHint' } })).toBe('failed')
  })
})

describe('the work of a condition', () => {
  const numbers = (length: number) => Array.from({ length }, (_, at) => at)

  it.each<[string, string, JsonValue, boolean | 'failed']>([
    ['is enough for a long list', 'mcp.tool.arguments.a.all(x, x >= 0)', { a: numbers(WORK_UNITS_MAX - 10) }, true],
    ['ends on a longer one', 'mcp.tool.arguments.a.all(x, x >= 0)', { a: numbers(WORK_UNITS_MAX + 10) }, 'failed'],
    [
      'is enough for two lists',
      'mcp.tool.arguments.a.all(x, mcp.tool.arguments.a.exists(y, x == y))',
      { a: numbers(200) },
      true,
    ],
    [
      'ends where lists multiply',
      'mcp.tool.arguments.a.all(x, mcp.tool.arguments.a.exists(y, x == y))',
      { a: numbers(1000) },
      'failed',
    ],
    [
      'ends although the rest would be true',
      'mcp.tool.arguments.a.all(x, x < 0 || true) || true',
      { a: numbers(WORK_UNITS_MAX + 10) },
      'failed',
    ],
    [
      'is enough for a mapped list',
      'mcp.tool.arguments.a.map(x, x + 1).exists(x, x == 2000)',
      { a: numbers(2000) },
      true,
    ],
    ['ends on a long mapped list', 'mcp.tool.arguments.a.map(x, x + 1).size() > 0', { a: numbers(50_000) }, 'failed'],
    ['does not count what is not read', 'mcp.tool.arguments.b == 1', { a: numbers(500_000), b: 1 }, true],
    ['is enough to search a megabyte', 'mcp.tool.arguments.a.contains("zz")', { a: 'a'.repeat(1_000_000) }, false],
    [
      'ends where a text is searched for a long one',
      'mcp.tool.arguments.a.contains(mcp.tool.arguments.b)',
      { a: 'a'.repeat(4_000_000), b: `${'a'.repeat(100_000)}b${'a'.repeat(100_000)}` },
      'failed',
    ],
    [
      'is enough to replace in a long text',
      'mcp.tool.arguments.a.replace("a", "b").contains("a")',
      { a: 'a'.repeat(200_000) },
      false,
    ],
    [
      'ends on a text split to letters',
      'mcp.tool.arguments.a.split("").size() > 0',
      { a: 'a'.repeat(200_000) },
      'failed',
    ],
    [
      'is enough to match a long text',
      'mcp.tool.arguments.a.matches("^(a+)+$")',
      { a: `${'a'.repeat(200_000)}b` },
      false,
    ],
    ['ends on a longer one', 'mcp.tool.arguments.a.matches("^(a+)+$")', { a: 'a'.repeat(4_000_000) }, 'failed'],
  ])('%s', (_sentence, condition, args, wanted) => {
    expect(answer(condition, args)).toBe(wanted)
  })

  it('is one budget for all conditions of a call', () => {
    const spends = (id: string) => `  - { id: ${id}, effect: deny, when: "mcp.tool.arguments.a.exists(x, x < 0)" }`
    const rules = ['a', 'b', 'c'].map(spends).join('\n')
    const policy = policyOf(`${rules}\n  - { id: last, effect: allow }`)
    expect(policy.evaluate(aCall({ arguments: { a: numbers(15_000) } })).rule).toBe('last')
    expect(policy.evaluate(aCall({ arguments: { a: numbers(20_000) } })).rule).toBe('c')
    // And a new one for the next call.
    expect(policy.evaluate(aCall({ arguments: { a: numbers(15_000) } })).rule).toBe('last')
  })
})
