import { describe, expect, it } from 'vitest'
import type { MemberChanges } from '../../src/json/edit.ts'
import { editMembers, memberText } from '../../src/json/edit.ts'

describe('editMembers', () => {
  it.each<[string, string, string[], MemberChanges, string]>([
    ['removes the last member', '{"a":1,"b":2}', [], { b: null }, '{"a":1}'],
    ['removes the first member', '{"a":1,"b":2}', [], { a: null }, '{"b":2}'],
    ['removes the only member', '{ "a" : 1 }', [], { a: null }, '{}'],
    [
      'replaces a value and keeps how its key is written',
      '{"\\u0061" : 1, "b":2}',
      [],
      { a: '"x"' },
      '{"\\u0061" : "x","b":2}',
    ],
    ['adds a member to an empty object', '{"p":{ }}', ['p'], { a: '1' }, '{"p":{"a":1}}'],
    ['adds a member at the end', '{"a":1}', [], { b: '[2]' }, '{"a":1,"b":[2]}'],
    [
      'keeps numbers that a double would round',
      '{"p":{"n":9007199254740993,"s":"x"}}',
      ['p'],
      { s: null },
      '{"p":{"n":9007199254740993}}',
    ],
    [
      'reads no brace within a string',
      '{"p":{"t":"}\\"{,","s":1},"q":2}',
      ['p'],
      { s: null },
      '{"p":{"t":"}\\"{,"},"q":2}',
    ],
    ['leaves alone what has no such object', '{"p":[1]}', ['p'], { s: null }, '{"p":[1]}'],
    ['leaves alone what has no such member', '{"p":{"a":[{"s":1}]}}', ['p'], { s: null }, '{"p":{"a":[{"s":1}]}}'],
    ['keeps what stands around the object', ' {"a":{"s":1} , "b":true} ', ['a'], { s: null }, ' {"a":{} , "b":true} '],
  ])('%s', (_sentence, text, path, changes, expected) => {
    expect(editMembers(text, path, changes)).toBe(expected)
  })

  it('agrees with editing the value, whatever the text', () => {
    const values = [true, null, 1.5e-7, 'a"b\\', [], [1, [2, { s: 3 }]], {}, { s: { s: 1 } }, '[{"}]']
    for (const first of values) {
      for (const second of values) {
        for (const space of [undefined, 2, '\t']) {
          const text = JSON.stringify({ id: 1, params: { first, s: second, last: first } }, null, space)
          const { s: _, ...rest } = { first, s: second, last: first }
          expect(JSON.parse(editMembers(text, ['params'], { s: null }))).toEqual({ id: 1, params: rest })
          expect(JSON.parse(memberText(text, ['params', 's']) ?? 'missing')).toEqual(second)
        }
      }
    }
  })

  it('finds no member that is not there', () => {
    expect(memberText('{"params":{"a":1}}', ['params', 'b'])).toBeNull()
    expect(memberText('{"params":[]}', ['params', 'b'])).toBeNull()
  })
})
