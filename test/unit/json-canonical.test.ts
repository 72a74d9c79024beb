import { describe, expect, it } from 'vitest'
import { canonicalJson } from '../../src/json/canonical.ts'
import { parseStrict } from '../../src/json/strict.ts'
import type { JsonValue } from '../../src/json/value.ts'

/** A double by its bits, as RFC 8785 appendix B lists them. */
function double(hex: string): number {
  const view = new DataView(new ArrayBuffer(8))
  view.setBigUint64(0, BigInt(`0x${hex}`))
  return view.getFloat64(0)
}

describe('canonical JSON', () => {
  it('prints the example of RFC 8785 §3.2.2 as §3.2.3 orders it', () => {
    const value = {
      numbers: [Number('333333333.33333329'), 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
      string: '\u20ac$\u000f\nA\'\u0042\u0022\u005c\\"/',
      literals: [null, true, false],
    }
    expect(canonicalJson(value)).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    )
  })

  it('sorts keys by UTF-16 code units, as RFC 8785 §3.2.3 shows', () => {
    const value = {
      '\u20ac': 'Euro Sign',
      '\r': 'Carriage Return',
      '\ufb33': 'Hebrew Letter Dalet With Dagesh',
      '1': 'One',
      '\ud83d\ude00': 'Emoji: Grinning Face',
      '\u0080': 'Control',
      '\u00f6': 'Latin Small Letter O With Diaeresis',
    }
    const order = Object.values(JSON.parse(`{${canonicalJson(value).slice(1, -1).replace(/"1":/, '"one":')}}`))
    expect(order).toEqual([
      'Carriage Return',
      'One',
      'Control',
      'Latin Small Letter O With Diaeresis',
      'Euro Sign',
      'Emoji: Grinning Face',
      'Hebrew Letter Dalet With Dagesh',
    ])
  })

  // RFC 8785 appendix B.
  it.each([
    ['zero', '0000000000000000', '0'],
    ['minus zero', '8000000000000000', '0'],
    ['the smallest number', '0000000000000001', '5e-324'],
    ['the smallest negative number', '8000000000000001', '-5e-324'],
    ['the largest number', '7fefffffffffffff', '1.7976931348623157e+308'],
    ['the largest negative number', 'ffefffffffffffff', '-1.7976931348623157e+308'],
    ['the largest safe integer and one', '4340000000000000', '9007199254740992'],
    ['its negative', 'c340000000000000', '-9007199254740992'],
    ['about 2^68', '4430000000000000', '295147905179352830000'],
    ['below 1e23', '44b52d02c7e14af5', '9.999999999999997e+22'],
    ['just below 1e23', '44b52d02c7e14af6', '1e+23'],
    ['above 1e23', '44b52d02c7e14af7', '1.0000000000000001e+23'],
    ['below 1e21', '444b1ae4d6e2ef4e', '999999999999999700000'],
    ['just below 1e21', '444b1ae4d6e2ef4f', '999999999999999900000'],
    ['1e21', '444b1ae4d6e2ef50', '1e+21'],
    ['below 1e-6', '3eb0c6f7a0b5ed8c', '9.999999999999997e-7'],
    ['1e-6', '3eb0c6f7a0b5ed8d', '0.000001'],
    ['a third of a billion', '41b3de4355555553', '333333333.3333332'],
    ['the next one', '41b3de4355555554', '333333333.33333325'],
    ['the one after', '41b3de4355555555', '333333333.3333333'],
    ['round to even', '43143ff3c1cb0959', '1424953923781206.2'],
  ])('prints %s', (_, hex, text) => {
    expect(canonicalJson(double(hex))).toBe(text)
  })

  it.each<[string, JsonValue, string]>([
    ['null', null, 'null'],
    ['an empty array', [], '[]'],
    ['an empty object', {}, '{}'],
    ['the two-letter escapes', '\b\t\n\f\r"\\', '"\\b\\t\\n\\f\\r\\"\\\\"'],
    ['other controls in lower-case hexadecimal', '\u0000\u001b', '"\\u0000\\u001b"'],
    ['no escape for DEL, slash, line separators, pairs', '\u007f/\u2028😀', '"\u007f/\u2028😀"'],
    ['a backslash before "ud800"', '\\ud800', '"\\\\ud800"'],
    [
      'nested objects, each sorted',
      { b: [{ z: 1, a: 2 }], a: { d: 1, c: 2 } },
      '{"a":{"c":2,"d":1},"b":[{"a":2,"z":1}]}',
    ],
    ['keys that look like numbers', { 10: 1, 9: 2, a: 3 }, '{"10":1,"9":2,"a":3}'],
    ['a member named toJSON', { toJSON: 'text' }, '{"toJSON":"text"}'],
    ['one array twice in a value', ((shared: JsonValue[]) => [shared, shared])([1]), '[[1],[1]]'],
  ])('prints %s', (_, value, text) => {
    expect(canonicalJson(value)).toBe(text)
  })

  it.each<[string, JsonValue]>([
    ['a high surrogate alone', '\ud800'],
    ['a low surrogate alone in an array', ['\udc00']],
    ['a lone surrogate in a key', { a: { 'x\ud83d': 1 } }],
    ['NaN', Number.NaN],
    ['an infinity', [Number.NEGATIVE_INFINITY]],
    ['undefined', undefined as unknown as JsonValue],
  ])('throws on %s', (_, value) => {
    expect(() => canonicalJson(value)).toThrow()
  })

  it('reads back as the same value, and prints the same text again', () => {
    const text = canonicalJson({ b: [1.5, -0, 'é\u0001'], a: { '': null } })
    const again = parseStrict(new TextEncoder().encode(text))
    expect(again.ok && canonicalJson(again.value)).toBe(text)
  })
})
