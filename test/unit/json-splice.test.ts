import { describe, expect, it } from 'vitest'
import { REMOVED, spliceJson } from '../../src/json/splice.ts'
import type { JsonValue } from '../../src/json/value.ts'
import { seeded } from '../support/seeded.ts'

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

  it('writes an object anew that lost a key', () => {
    expect(spliceJson('[1.0, {"x":1.0}]', [1, { x: 1 }], [1, { y: 1 }])).toBe('[1.0, {"y":1}]')
    expect(spliceJson('[1.0, {"x":1.0}]', [1, { x: 1 }], [1, { y: 1, z: 2 }])).toBe('[1.0, {"y":1,"z":2}]')
  })

  it.each<[string, string, (before: never) => JsonValue, string]>([
    ['behind the others', '[ {"x":1.0 } ]', ([a]: [object]) => [{ ...a, y: 2 }], '[ {"x":1.0,"y":2 } ]'],
    ['under a name with quotes', '{"x":1.0}', (a: object) => ({ ...a, '"': ['}'] }), '{"x":1.0,"\\"":["}"]}'],
    ['beside a changed one', '{"x":"x","n":1.0}', () => ({ x: 'new', n: 1, y: null }), '{"x":"new","n":1.0,"y":null}'],
    ['to an object without any', '[ { } ,1.0]', () => [{ y: 2 }, 1], '[ {"y":2} ,1.0]'],
  ])('adds a member %s', (_, text, change, expected) => {
    const before = JSON.parse(text) as never
    expect(spliceJson(text, before, change(before))).toBe(expected)
  })

  it.each([
    ['an escaped one', '["\\u00e9\\n"]', 'é\n"!"', '["\\u00e9\\n\\"!\\""]'],
    ['an empty one', '[ "" ]', 'new', '[ "new" ]'],
    ['one that ends in a backslash', '["\\\\"]', '\\n', '["\\\\n"]'],
  ])('adds to a string that got longer: %s', (_, text, longer, expected) => {
    expect(spliceJson(text, JSON.parse(text), [longer])).toBe(expected)
  })

  it.each([
    ['the first', '[ 1.0 , 2 , 3 ]', [0], '[ 2 , 3 ]'],
    ['one in the middle', '[ 1.0 , 2 , 3 ]', [1], '[ 1.0  , 3 ]'],
    ['the last', '[ 1.0 , 2 , 3 ]', [2], '[ 1.0 , 2  ]'],
    ['the first two', '[1.0,2,3]', [0, 1], '[3]'],
    ['the last two', '[1.0,2,3]', [1, 2], '[1.0]'],
    ['all', '[1.0, 2,3 ]', [0, 1, 2], '[ ]'],
    ['the only one', '[{"a":[1,"]"]}]', [0], '[]'],
  ])('takes out of an array %s', (_, text, gone, expected) => {
    const before = JSON.parse(text) as JsonValue[]
    const after = before.map((element, index) => (gone.includes(index) ? REMOVED : element))
    expect(spliceJson(text, before, after)).toBe(expected)
  })

  it('takes an element out of what is written anew, too', () => {
    expect(spliceJson('{"x":[1,2]}', { x: [1, 2] }, { y: [REMOVED, 2] })).toBe('{"y":[2]}')
  })

  it('reads back as what was asked for, whatever was taken out, added and changed at once', () => {
    const random = seeded(20_260_728)
    for (let round = 0; round < 3_000; round++) {
      const before = randomValue(random, 4)
      const text = spaced(before, random)
      const after = edited(before, random)
      expect(JSON.parse(spliceJson(text, before, after)), `${text} → ${JSON.stringify(after)}`).toEqual(without(after))
    }
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

// ---- random JSON, and random edits of it

type Random = (below: number) => number

const TEXTS = ['', 'a', '"', '\\', '},]', 'é\n', '{"a":1}', '__proto__']

function randomValue(random: Random, depth: number): JsonValue {
  const kind = random(depth === 0 ? 3 : 6)
  if (kind === 0) return random(1_000) / 4
  if (kind === 1) return [true, false, null][random(3)] ?? null
  if (kind === 2) return TEXTS[random(TEXTS.length)] ?? ''
  const inner = Array.from({ length: random(5) }, () => randomValue(random, depth - 1))
  return kind === 3 ? Object.fromEntries(inner.map((value, index) => [`${TEXTS[random(7)]}${index}`, value])) : inner
}

function edited(value: JsonValue, random: Random): JsonValue {
  if (random(4) === 0) return value
  if (typeof value === 'string') return random(2) === 0 ? `${value}${TEXTS[random(TEXTS.length)]}` : 'other'
  if (typeof value !== 'object' || value === null) return random(6) === 0 ? { new: 'value' } : value
  if (Array.isArray(value)) return value.map((each) => (random(3) === 0 ? REMOVED : edited(each, random)))
  const entries = Object.entries(value).map(([key, member]) => [key, edited(member, random)] as const)
  if (random(6) === 0) entries.shift()
  return Object.fromEntries(random(3) === 0 ? [...entries, ['added', randomValue(random, 1)]] : entries)
}

function without(value: JsonValue): JsonValue {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.filter((each) => each !== REMOVED).map(without)
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, without(member)]))
}

/** With spaces wherever JSON allows them. */
function spaced(value: JsonValue, random: Random): string {
  const space = () => ['', '', ' ', '\n\t'][random(4)] ?? ''
  const pad = (text: string) => `${space()}${text}${space()}`
  if (typeof value !== 'object' || value === null) return pad(JSON.stringify(value))
  if (Array.isArray(value)) return pad(`[${value.map((each) => spaced(each, random)).join(',') || space()}]`)
  const members = Object.entries(value).map(([key, member]) => `${pad(JSON.stringify(key))}:${spaced(member, random)}`)
  return pad(`{${members.join(',') || space()}}`)
}
