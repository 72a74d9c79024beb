import { describe, expect, it } from 'vitest'
import { spliceJson } from '../../src/json/splice.ts'
import type { JsonValue } from '../../src/json/value.ts'

/** Replaces every "x" by "new", sharing what stays. */
function change(value: JsonValue): JsonValue {
  if (value === 'x') return 'new'
  if (value === null || typeof value !== 'object') return value
  const entries = Object.entries(value).map(([key, member]) => [key, change(member)] as const)
  if (entries.every(([key, member]) => (value as Record<string, JsonValue>)[key] === member)) return value
  return Array.isArray(value) ? entries.map(([, member]) => member) : Object.fromEntries(entries)
}

const splice = (text: string) => {
  const before = JSON.parse(text) as JsonValue
  return spliceJson(text, before, change(before))
}

describe('splicing JSON', () => {
  it.each([
    ['a bare string', ' "x" ', ' "new" '],
    ['a member', '{"a":"x"}', '{"a":"new"}'],
    ['an element', '["x"]', '["new"]'],
    ['several, in order', '["x",{"a":"x"},"y","x"]', '["new",{"a":"new"},"y","new"]'],
    ['spacing everywhere', '\n{ "a" : [ 1 , "x" ] , "b" : { } }\n', '\n{ "a" : [ 1 , "new" ] , "b" : { } }\n'],
    [
      'numbers as they were written',
      '[1.0,1E2,12345678901234567890,-0,"x"]',
      '[1.0,1E2,12345678901234567890,-0,"new"]',
    ],
    ['escapes as they were written', '{"\\u0061":"\\u0062\\"]}","c":"x"}', '{"\\u0061":"\\u0062\\"]}","c":"new"}'],
    ['a key that is escaped, before its change', '{"\\u0061\\"":"x"}', '{"\\u0061\\"":"new"}'],
    ['brackets and quotes in strings', '["]\\\\",{"}":"{\\""},"x"]', '["]\\\\",{"}":"{\\""},"new"]'],
    ['empty containers', '[[],{},[ ],{ },"x"]', '[[],{},[ ],{ },"new"]'],
    ['words', '[true,false,null,"x"]', '[true,false,null,"new"]'],
    ['keys that look like numbers', '{"b":1,"2":"x","1":2}', '{"b":1,"2":"new","1":2}'],
    ['an escaped spelling of what changed', '["\\u0078"]', '["new"]'],
  ])('changes only %s', (_, text, expected) => {
    expect(splice(text)).toBe(expected)
  })

  it('answers the same text where nothing changed', () => {
    expect(splice('{ "a" : 1.0 }')).toBe('{ "a" : 1.0 }')
  })

  it.each([
    ['has a key twice', '[ {"a":"secret","a":"x"} ]', '[ {"a":"new"} ]'],
    ['has a key twice, of different kinds', '[ {"a":[1],"a":{"b":"x"}} ]', '[ {"a":{"b":"new"}} ]'],
  ])('writes an object anew that %s', (_, text, expected) => {
    expect(splice(text)).toBe(expected)
  })

  it('writes an object anew whose keys changed', () => {
    expect(spliceJson('[1.0, {"x":1.0}]', [1, { x: 1 }], [1, { y: 1 }])).toBe('[1.0, {"y":1}]')
    expect(spliceJson('[1.0, {"x":1.0}]', [1, { x: 1 }], [1, { x: 1, y: 2 }])).toBe('[1.0, {"x":1,"y":2}]')
  })

  it('reads back as what was asked for', () => {
    const text = '{"a":["x",{"b":"x","c":[1,2,"x"]}],"d":{"e":{"f":"x"}},"g":"x"}'
    expect(JSON.parse(splice(text))).toEqual(change(JSON.parse(text)))
  })

  it('reads the text once, however deep the change lies in it', () => {
    const wide = JSON.stringify(Array.from({ length: 250_000 }, () => 'y'))
    const text = `${'{"a":'.repeat(1_000)}{"s":"x","b":${wide}}${'}'.repeat(1_000)}`
    const before = JSON.parse(text) as JsonValue
    const after = change(before)
    const startedAt = performance.now()
    const spliced = spliceJson(text, before, after)
    expect(performance.now() - startedAt).toBeLessThan(2_500)
    expect(spliced).toBe(text.replace('"x"', '"new"'))
  })
})
