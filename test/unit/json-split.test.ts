import { describe, expect, it } from 'vitest'
import type { Step } from '../../src/json/split.ts'
import { createSplitter, SplitError } from '../../src/json/split.ts'

const PIECE_MAX = 1_000
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('utf8')

/** Fed in chunks of `size` bytes, so that every place is a seam once. */
function split(json: string, size: number): Step[] {
  const bytes = Buffer.from(json)
  const splitter = createSplitter({ pieceBytesMax: PIECE_MAX })
  const steps: Step[] = []
  for (let at = 0; at < bytes.length; at += size) steps.push(...splitter.feed(bytes.subarray(at, at + size)))
  splitter.end()
  return steps
}

const pieces = (steps: readonly Step[]) =>
  steps.flatMap((step) => {
    if (step.kind === 'structure' || step.kind === 'key') return []
    const where = step.kind === 'member' ? `${step.of}.${step.key}` : `${step.key}[]`
    return [`${where} = ${text(step.bytes)}`]
  })

describe('a response that is taken apart while it arrives', () => {
  it.each<[string, string, string[]]>([
    [
      'a tool’s result',
      '{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"a]}\\"{"}, {"n":[1]}],"isError":false}}',
      [
        'message.jsonrpc = "2.0"',
        'message.id = 7',
        'content[] = {"type":"text","text":"a]}\\"{"}',
        'content[] = {"n":[1]}',
        'result.isError = false',
      ],
    ],
    [
      'spaces everywhere',
      ' { "id" : -1.5e3 , "result" : { "contents" : [ "x" , true ] } } \n',
      ['message.id = -1.5e3', 'contents[] = "x"', 'contents[] = true'],
    ],
    ['empty containers', '{"result":{"content":[]}}', []],
    ['an empty result', '{"result":{}}', []],
    [
      'an error',
      '{"id":"a","error":{"code":1,"data":{"content":[1,2]}}}',
      ['message.id = "a"', 'message.error = {"code":1,"data":{"content":[1,2]}}'],
    ],
    ['a result that is no object', '{"result":[1,{"content":[2]}]}', ['message.result = [1,{"content":[2]}]']],
    ['content that is no array', '{"result":{"content":{"a":[1]}}}', ['result.content = {"a":[1]}']],
    ['keys that are written otherwise', '{"r\\u0065sult":{"content":[1]}}', ['content[] = 1']],
    ['letters beyond ASCII, cut anywhere', '{"result":{"content":["äöü€😀"]}}', ['content[] = "äöü€😀"']],
  ])('%s', (_sentence, json, expected) => {
    for (const size of [1, 2, 3, 7, 1_000]) {
      const steps = split(json, size)
      expect(pieces(steps)).toEqual(expected)
      expect(steps.map(({ bytes }) => text(bytes)).length).toBeGreaterThan(0)
      expect(Buffer.concat(steps.map(({ bytes }) => bytes)).toString('utf8')).toBe(json)
    }
  })

  it.each<[string, string]>([
    ['an array', '[{"result":{}}]'],
    ['two messages', '{"id":1}{"id":2}'],
    ['a missing comma', '{"id":1 "result":{}}'],
    ['a comma too many', '{"id":1,}'],
    ['a comma too many in an array', '{"result":{"content":[1,]}}'],
    ['a missing colon', '{"id" 1}'],
    ['a value that is missing', '{"id":,"result":{}}'],
    ['a bracket of the wrong kind', '{"result":{"content":[1}}'],
    ['a word that runs into a string', '{"id":1"x"}'],
    ['a text that breaks off', '{"result":{"content":[1,2]'],
    ['a text that breaks off in a string', '{"id":"x'],
    ['nothing', ''],
    ['a key twice', '{"id":1,"id":2}'],
    ['a key twice, written in two ways', '{"result":{"isError":true,"isErr\\u006fr":false}}'],
    ['a result twice', '{"result":{"content":[]},"result":{"content":[]}}'],
    ['a piece that is too large', `{"result":{"content":["${'x'.repeat(PIECE_MAX)}"]}}`],
    ['a key that is too large', `{"${'x'.repeat(PIECE_MAX)}":1}`],
  ])('refuses %s', (_sentence, json) => {
    for (const size of [1, 5, 10_000]) expect(() => split(json, size)).toThrow(SplitError)
  })

  it('holds no more than the piece that has begun', () => {
    const splitter = createSplitter({ pieceBytesMax: PIECE_MAX })
    splitter.feed(Buffer.from('{"result":{"content":['))
    for (let index = 0; index < 10_000; index++) {
      const element = `${index === 0 ? '' : ','}"${'x'.repeat(PIECE_MAX - 10)}"`
      expect(splitter.feed(Buffer.from(element)).at(-1)?.kind).toBe('element')
    }
    splitter.feed(Buffer.from(']}}'))
    expect(() => splitter.end()).not.toThrow()
  })

  it('agrees with JSON.parse, whatever it holds', () => {
    const values = [null, -0, 1e21, '', '\\', '"', '\u2028', [], {}, [[{}]], { content: [1] }, 'a'.repeat(50)]
    for (const first of values) {
      for (const second of values) {
        for (const space of [undefined, 1]) {
          const message = { jsonrpc: '2.0', id: first, result: { content: [first, second], more: second } }
          const steps = split(JSON.stringify(message, null, space), 3)
          const elements = steps.filter((step) => step.kind === 'element').map(({ bytes }) => JSON.parse(text(bytes)))
          expect(elements).toEqual(JSON.parse(JSON.stringify([first, second])))
        }
      }
    }
  })
})
