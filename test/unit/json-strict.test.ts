import { describe, expect, it } from 'vitest'
import { type JsonProblemCode, parseStrict } from '../../src/json/strict.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const raw = (...parts: (string | number)[]) =>
  Uint8Array.from(parts.flatMap((part) => (typeof part === 'number' ? [part] : [...bytes(part)])))
const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)
const members = (count: number) => `{${Array.from({ length: count }, (_, index) => `"k${index}":0`).join()}}`

const accepted: [string, string][] = [
  ['a bare null', 'null'],
  ['bare booleans', '[true,false]'],
  ['a bare string', '"text"'],
  ['a bare number', '-1'],
  ['an empty object', '{}'],
  ['an empty array', '[]'],
  ['the empty key', '{"":1}'],
  ['every kind of white space everywhere', ' \t\r\n{ \n"a" \t: [ 1 , 2 ] , "b" : { } } \r\n'],
  ['every short escape', '"\\" \\\\ \\/ \\b \\f \\n \\r \\t"'],
  ['a \\u escape in either case', '"\\u00e9\\u00E9"'],
  ['an escaped surrogate pair', '"\\ud83d\\ude00"'],
  ['two escaped pairs in a row', '"\\uD83D\\uDE00\\uD83D\\uDE01"'],
  ['raw text outside the basic plane', '"😀 é 漢"'],
  ['an escaped NUL', '"\\u0000"'],
  ['DEL and the line separators raw', '"\u007f\u2028\u2029"'],
  ['noncharacters', '"\\uffff\uffff"'],
  ['U+FFFD as such', '"\ufffd"'],
  ['an escaped backslash before the closing quote', '"\\\\"'],
  ['an escaped backslash before a u', '"\\\\ud800"'],
  ['zero and minus zero', '[0,-0,0.0,-0.0e1]'],
  ['fractions that no double holds exactly', '[0.1,3.141592653589793238462643383279]'],
  ['exponents of every form', '[1e2,1E2,1e+2,1e-2,1.5e10,0e5]'],
  ['the largest safe integers', '[9007199254740991,-9007199254740991]'],
  ['a safe integer with a fraction', '9007199254740991.0'],
  ['a large number that reads the same everywhere', '[1e300,1.7976931348623157e308,-1e20]'],
  ['the smallest numbers', '[5e-324,2.2250738585072014e-308]'],
  ['zero with any exponent', '[0e400,0.000e-999]'],
  ['equal keys in different objects', '{"a":{"a":1},"b":[{"a":1},{"a":2}]}'],
  ['keys that differ by case or form', '{"a":1,"A":2,"\u00e9":3,"e\u0301":4}'],
  ['keys of equal length', '{"ab":1,"ba":2,"aa":3}'],
  ['keys that start alike', '{"a":1,"ab":2,"abc":3}'],
  ['keys that only look like __proto__', '{"_proto__":1,"__proto":2,"__PROTO__":3,"constructor":4,"prototype":5}'],
  ['__proto__ as a value', '["__proto__"]'],
  ['64 levels', nested(64)],
  ['many keys', members(500)],
  ['a key with an escape among many', `{"\\u0061":1,${members(40).slice(1)}`],
]

const refused: [string, JsonProblemCode, string | Uint8Array, RegExp?][] = [
  // Bytes
  ['a BOM', 'bom', raw(0xef, 0xbb, 0xbf, '{}')],
  ['a lone continuation byte', 'bad_utf8', raw('"', 0x80, '"')],
  ['an overlong slash', 'bad_utf8', raw('"', 0xc0, 0xaf, '"')],
  ['a surrogate in UTF-8', 'bad_utf8', raw('"', 0xed, 0xa0, 0x80, '"')],
  ['a code point above U+10FFFF', 'bad_utf8', raw('"', 0xf4, 0x90, 0x80, 0x80, '"')],
  ['a sequence cut off at the end', 'bad_utf8', raw('"', 0xe2, 0x82)],
  ['UTF-16', 'bad_utf8', raw(0xff, 0xfe, '[', 0, ']', 0)],
  // Grammar
  ['nothing', 'syntax', ''],
  ['only white space', 'syntax', ' \n'],
  ['a second value', 'syntax', '{} {}'],
  ['a second line, as in NDJSON', 'syntax', '{}\n{}'],
  ['a NUL behind the value', 'syntax', '{}\u0000'],
  ['a trailing comma in an array', 'syntax', '[1,]'],
  ['a trailing comma in an object', 'syntax', '{"a":1,}'],
  ['a leading comma', 'syntax', '[,1]'],
  ['two commas', 'syntax', '[1,,2]'],
  ['a missing comma', 'syntax', '[1 2]', /^\$\[0\]: /],
  ['a missing colon', 'syntax', '{"a" 1}', /^\$\.a: /],
  ['a missing value', 'syntax', '{"a":}', /^\$\.a: /],
  ['an unquoted key', 'syntax', '{a:1}'],
  ['a number as key', 'syntax', '{1:1}'],
  ['single quotes', 'syntax', "{'a':1}"],
  ['an open object', 'syntax', '{"a":1'],
  ['an open array', 'syntax', '[1'],
  ['an open string', 'syntax', '"abc'],
  ['an open string that ends in a backslash', 'syntax', '"abc\\'],
  ['a wrong closing bracket', 'syntax', '[1}'],
  ['a closing bracket alone', 'syntax', ']'],
  ['a line comment', 'syntax', '[1] // one'],
  ['a block comment', 'syntax', '[/* one */1]'],
  ['a word in capitals', 'syntax', 'TRUE'],
  ['half a word', 'syntax', 'nul'],
  ['a word with a tail', 'syntax', 'truex'],
  ['undefined', 'syntax', '[undefined]'],
  ['NaN', 'syntax', '[NaN]'],
  ['Infinity', 'syntax', '[-Infinity]'],
  ['a plus sign', 'syntax', '+1'],
  ['a minus sign alone', 'syntax', '-'],
  ['a leading zero', 'syntax', '[01]'],
  ['a leading zero behind a minus', 'syntax', '-012'],
  ['a leading point', 'syntax', '.5'],
  ['a trailing point', 'syntax', '5.'],
  ['a point before an exponent', 'syntax', '5.e1'],
  ['an exponent without digits', 'syntax', '[1e,1]'],
  ['a signed exponent without digits', 'syntax', '1e+'],
  ['two exponents', 'syntax', '1e2e3'],
  ['hexadecimal', 'syntax', '0x10'],
  ['digit separators', 'syntax', '1_000'],
  ['full-width digits', 'syntax', '１'],
  ['a raw line feed in a string', 'syntax', '"a\nb"'],
  ['a raw tab in a key', 'syntax', '{"a\tb":1}'],
  ['a raw NUL in a string', 'syntax', '"\u0000"'],
  ['an unknown escape', 'syntax', '"\\x41"'],
  ['an escape with a capital U', 'syntax', '"\\U0041"'],
  ['too few hexadecimal digits', 'syntax', '"\\u00e"'],
  ['a hexadecimal digit out of range', 'syntax', '"\\u00eg"'],
  ['a form feed as white space', 'syntax', '[1,\f2]'],
  ['a no-break space as white space', 'syntax', '[\u00a01]'],
  // What two readers read differently
  ['[REQ-INPUT-2] a key twice', 'duplicate_key', '{"a":1,"a":2}', /^\$\.a: /],
  ['a key twice with equal values', 'duplicate_key', '{"a":1,"a":1}'],
  ['the empty key twice', 'duplicate_key', '{"":1,"":2}'],
  ['a key and its escaped form', 'duplicate_key', '{"a":1,"\\u0061":2}'],
  ['an escaped form and its key', 'duplicate_key', '{"\\u0061":1,"a":2}'],
  ['two escaped forms', 'duplicate_key', '{"\\u006eame":1,"n\\u0061me":2}'],
  ['a slash and its escaped form', 'duplicate_key', '{"a/b":1,"a\\/b":2}'],
  ['an escaped pair and the raw character', 'duplicate_key', '{"\\ud83d\\ude00":1,"😀":2}'],
  ['a key twice, far apart', 'duplicate_key', `${members(300).slice(0, -1)},"k7":1}`],
  ['a key twice around an object', 'duplicate_key', '{"a":{"b":{"c":[]}},"b":1,"a":2}'],
  ['a key twice deep within', 'duplicate_key', '{"p":{"list":[0,{"x y":1,"x y":2}]}}', /^\$\.p\.list\[1\]\["x y"\]: /],
  ['an integer one above the safe ones', 'unsafe_number', '[9007199254740992]', /^\$\[0\]: /],
  ['an integer that JSON.parse rounds', 'unsafe_number', '{"id":9007199254740993}', /^\$\.id: /],
  ['a negative one', 'unsafe_number', '-9007199254740993'],
  ['a 64-bit id', 'unsafe_number', '1234567890123456789'],
  ['a large power of two written out', 'unsafe_number', '18014398509481984'],
  ['a whole number lost behind a point', 'unsafe_number', '9007199254740993.0'],
  ['a whole number lost behind an exponent', 'unsafe_number', '9007199254740993e0'],
  ['a whole number lost by scaling', 'unsafe_number', '0.9007199254740993e16'],
  ['more than a double holds', 'unsafe_number', '1e309'],
  ['minus more than a double holds', 'unsafe_number', '-1e999999'],
  ['a very long number', 'unsafe_number', '1'.repeat(400)],
  ['something that a double reads as nothing', 'unsafe_number', '1e-400'],
  ['a high surrogate alone', 'lone_surrogate', '{"a":"\\ud800"}', /^\$\.a: /],
  ['a low surrogate alone', 'lone_surrogate', '"\\udc00"'],
  ['a pair in the wrong order', 'lone_surrogate', '"\\ude00\\ud83d"'],
  ['a high surrogate before a letter', 'lone_surrogate', '"\\ud83dx"'],
  ['a high surrogate before another escape', 'lone_surrogate', '"\\ud83d\\n"'],
  ['two high surrogates', 'lone_surrogate', '"\\ud83d\\ud83d\\ude00"'],
  ['a lone surrogate in a key', 'lone_surrogate', '{"\\udfff":1}'],
  ['[REQ-INPUT-3] 65 levels of arrays', 'too_deep', nested(65)],
  ['65 levels of objects', 'too_deep', `${'{"a":'.repeat(65)}1${'}'.repeat(65)}`],
  ['a hundred thousand open brackets', 'too_deep', '['.repeat(100_000)],
  ['too many members', 'too_many_keys', members(10_001)],
  ['__proto__ as key', 'forbidden_key', '{"__proto__":{"admin":true}}'],
  ['__proto__ deep within', 'forbidden_key', '[{"a":{"b":1,"__proto__":null}}]', /^\$\[0\]\.a\.__proto__: /],
  ['__proto__ with an escape', 'forbidden_key', '{"\\u005f_proto__":1}'],
  ['__proto__ among many keys', 'forbidden_key', `${members(40).slice(0, -1)},"__proto__":1}`],
]

describe('strict JSON', () => {
  it.each(accepted)('accepts %s, and reads it as JSON.parse does', (_, text) => {
    expect(parseStrict(bytes(text))).toEqual({ ok: true, value: JSON.parse(text) })
  })

  it.each(refused)('[REQ-INPUT-1] refuses %s as %s', (_, code, input, message = /^\$/) => {
    const result = parseStrict(typeof input === 'string' ? bytes(input) : input)
    expect(result).toMatchObject({ ok: false, problem: { code, message: expect.stringMatching(message) } })
  })

  it('never repeats a value in its message', () => {
    for (const text of [
      '{"token":"hunter2\n"}',
      '{"token":hunter2}',
      '["hunter2" "x"]',
      '{"hunter2":1234567890123456789}',
    ]) {
      const result = parseStrict(bytes(text))
      if (result.ok) throw new Error('must be refused')
      expect(result.problem.message).not.toMatch(/hunter2(?!: )|1234567/)
    }
  })

  it.each([
    ['the second of two keys', '{"é":1,"é":2}', 8],
    ['the number', '[1, 9007199254740993]', 4],
    ['the escape', '["\\ud800"]', 2],
    ['what follows', '1 x', 1],
    ['the value that is missing', '[1,]', 3],
  ])('gives the offset, in bytes, of %s', (_, text, offset) => {
    expect(parseStrict(bytes(text))).toMatchObject({ ok: false, problem: { offset } })
  })

  it('gives the offset of the first bad byte', () => {
    expect(parseStrict(raw('["é', 0xff, '"]'))).toMatchObject({ ok: false, problem: { code: 'bad_utf8', offset: 4 } })
  })

  it('shortens a long key in its message', () => {
    const result = parseStrict(bytes(`{"${'k '.repeat(5_000)}":}`))
    if (result.ok) throw new Error('must be refused')
    expect(result.problem.message.length).toBeLessThan(100)
  })

  it('accepts every number where it is asked to, and still nothing else', () => {
    const any = (text: string) => parseStrict(bytes(text), { numbers: 'any' })
    expect(any('[9007199254740993,1e999,1e-400]').ok).toBe(true)
    expect(any('[01]')).toMatchObject({ ok: false, problem: { code: 'syntax' } })
    expect(any('{"a":1,"a":1}')).toMatchObject({ ok: false, problem: { code: 'duplicate_key' } })
  })

  it('takes other limits', () => {
    expect(parseStrict(bytes('[[1]]'), { maxDepth: 1 })).toMatchObject({ ok: false, problem: { code: 'too_deep' } })
    expect(parseStrict(bytes('{"a":1,"b":2}'), { maxKeys: 1 })).toMatchObject({ problem: { code: 'too_many_keys' } })
    expect(parseStrict(bytes(members(20)), { maxKeys: 20 }).ok).toBe(true)
  })

  it('reads a part of a larger buffer', () => {
    expect(parseStrict(bytes('xx{"\\u0061":1}yy').subarray(2, -2))).toEqual({ ok: true, value: { a: 1 } })
  })

  it('agrees with JSON.parse on ten thousand damaged texts', () => {
    const random = numbers(20_261_124)
    const seeds = accepted.map(([, text]) => text).filter((text) => text.length < 200)
    for (let round = 0; round < 10_000; round++) {
      const text = damage(seeds[random(seeds.length)] as string, random)
      const result = parseStrict(bytes(text))
      const theirs = readOrNull(text)
      if (result.ok) expect({ value: result.value }, text).toEqual(theirs)
      else if (result.problem.code === 'syntax') expect(theirs, text).toBeNull()
    }
  })
})

function readOrNull(text: string): { value: unknown } | null {
  try {
    return { value: JSON.parse(text) }
  } catch {
    return null
  }
}

/** Park and Miller's generator: the same numbers on every run. */
function numbers(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state * 48_271) % 2_147_483_647
    return state % below
  }
}

function damage(text: string, random: (below: number) => number): string {
  const characters = [...text]
  const alphabet = [...'{}[]",:\\u0129.eE+-tfn \n/bda']
  for (let times = random(3) + 1; times > 0; times--) {
    const at = random(characters.length + 1)
    const letter = alphabet[random(alphabet.length)] as string
    characters.splice(at, random(2), ...(random(3) === 0 ? [] : [letter]))
  }
  return characters.join('')
}
