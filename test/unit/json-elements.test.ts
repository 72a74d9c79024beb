import { expect, it } from 'vitest'
import { elementsOf } from '../../src/json/elements.ts'

const sliced = (text: string) =>
  elementsOf(new TextEncoder().encode(text)).map((slice) => new TextDecoder().decode(slice))

it.each<[string, string, readonly string[]]>([
  ['none', '[]', []],
  ['none, with room between', ' [ \n\t ] ', []],
  ['one', '[{"a":1}]', ['{"a":1}']],
  [
    'two, each as it was written',
    '[ {"a" : 12345678901234567890 } ,\r\n{"b":1e2}\t]',
    ['{"a" : 12345678901234567890 }', '{"b":1e2}'],
  ],
  ['with commas and brackets inside strings', '["],[","}{"]', ['"],["', '"}{"']],
  [
    'with quotes and backslashes inside strings',
    String.raw`["\",", "\\", "\\\"]"]`,
    [String.raw`"\","`, String.raw`"\\"`, String.raw`"\\\"]"`],
  ],
  [
    'with arrays and objects inside each other',
    '[[1,[2,3]],{"a":[4,{"b":[5]}]},6]',
    ['[1,[2,3]]', '{"a":[4,{"b":[5]}]}', '6'],
  ],
  ['that are no objects', '[null,true,-1.5,"x"]', ['null', 'true', '-1.5', '"x"']],
  ['of letters beyond ASCII', '["é,","漢]","😀"]', ['"é,"', '"漢]"', '"😀"']],
])('finds the elements of an array: %s', (_sentence, text, expected) => {
  expect(sliced(text)).toEqual(expected)
  expect(sliced(text).map((element) => JSON.parse(element))).toEqual(JSON.parse(text))
})

it('says that something else is no array', () => {
  expect(() => sliced('{"a":1')).toThrow(TypeError)
})
