import { describe, expect, it } from 'vitest'
import { readFrames } from '../../proxy/response/frames.ts'

const LARGE = 64
const big = 'x'.repeat(LARGE * 3)

/** Every frame as text, however the stream is cut; a large one's data apart from its head. */
async function frames(stream: string, size: number): Promise<(string | { head: string; data: string })[]> {
  const bytes = Buffer.from(stream)
  async function* source() {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
  }
  const found: (string | { head: string; data: string })[] = []
  for await (const frame of readFrames(source(), LARGE)) {
    if (frame.kind === 'whole') {
      found.push(Buffer.from(frame.bytes).toString())
      continue
    }
    const chunks: Uint8Array[] = []
    for await (const chunk of frame.chunks) chunks.push(chunk)
    found.push({ head: Buffer.from(frame.head).toString(), data: Buffer.concat(chunks).toString() })
  }
  return found
}

describe('the frames of an event stream', () => {
  it.each<[string, string, (string | { head: string; data: string })[]]>([
    ['two events', 'id: 1\ndata: a\n\ndata: b\n\n', ['id: 1\ndata: a\n\n', 'data: b\n\n']],
    ['CRLF', 'data: a\r\n\r\ndata: b\r\n\r\n', ['data: a\r\n\r\n', 'data: b\r\n\r\n']],
    ['CR alone', 'data: a\r\rdata: b\r\r', ['data: a\r\r', 'data: b\r\r']],
    ['a comment', ': hello\n\ndata: a\n\n', [': hello\n\n', 'data: a\n\n']],
    ['no event where the empty line is missing', 'data: a\n\ndata: b\n', ['data: a\n\n']],
  ])('%s', async (_sentence, stream, expected) => {
    for (const size of [1, 2, 3, 5, 1_000]) {
      // Where a chunk ends within CRLF, the LF comes as a frame of its own, which says nothing.
      expect((await frames(stream, size)).join('')).toBe(expected.join(''))
    }
    expect(await frames(stream, 1_000)).toEqual(expected)
  })

  it.each<[string, string, string]>([
    ['in one line', `data: ${big}\n\n`, big],
    ['without the space', `data:${big}\n\n`, big],
    ['in several lines', `data: ${big}\ndata:  ${big}\ndata:\n\n`, `${big}\n ${big}`],
    ['with CRLF', `data: ${big}\r\ndata: ${big}\r\n\r\n`, `${big}\n${big}`],
    ['with CR', `data: ${big}\rdata: ${big}\r\r`, `${big}\n${big}`],
  ])('a large event %s', async (_sentence, event, data) => {
    // What comes in one chunk is in memory already.
    for (const size of [1, 2, 7, 40]) {
      const found = await frames(`event: message\nid: 7\n${event}data: next\n\n`, size)
      expect(found.filter((frame) => frame !== '\n')).toEqual([
        { head: 'event: message\nid: 7\n', data },
        'data: next\n\n',
      ])
    }
  })

  it.each<[string, string]>([
    ['whose head has no end', `: ${big}\n`],
    ['with a field behind its data', `data: ${big}\nid: 7\n\n`],
    ['that breaks off', `data: ${big}`],
  ])('refuses a large event %s', async (_sentence, stream) => {
    for (const size of [1, 7, 50]) await expect(frames(stream, size)).rejects.toThrow(/MCP server/)
  })
})
