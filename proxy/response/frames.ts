/**
 * Cuts an event stream into its events' bytes (WHATWG HTML §9.2.5: events end with an empty line; lines end with CRLF, LF
 * or CR). An event that is large is not waited for: its data comes in chunks while it arrives.
 */
import { GatewayError } from '../../src/errors.ts'

/** What an upstream's answer is made of, in order. */
export type Frame =
  /** One event, or several, or comments, up to and with an empty line. */
  | { readonly kind: 'whole'; readonly bytes: Uint8Array }
  /** An event whose data is larger than `largeBytes`. Its chunks must be read to their end before the next frame. */
  | { readonly kind: 'large'; readonly head: Uint8Array; readonly chunks: AsyncIterable<Uint8Array> }

const LF = 0x0a
const CR = 0x0d
const SPACE = 0x20
const DATA = Buffer.from('data:')

export async function* readFrames(source: AsyncIterable<Uint8Array>, largeBytes: number): AsyncGenerator<Frame> {
  const reader = new Reader(source)
  for (;;) {
    const begun: Uint8Array[] = []
    let length = 0
    const lines = new Lines()
    for (;;) {
      const chunk = await reader.next()
      if (chunk === null) {
        // What has no empty line behind it is no event (WHATWG HTML §9.2.6).
        return
      }
      const end = lines.endOfEvent(chunk)
      if (end !== -1) {
        begun.push(chunk.subarray(0, end))
        reader.putBack(chunk.subarray(end))
        yield { kind: 'whole', bytes: begun.length === 1 ? (begun[0] as Uint8Array) : Buffer.concat(begun) }
        break
      }
      begun.push(chunk)
      length += chunk.length
      if (length <= largeBytes) continue
      const whole = Buffer.concat(begun)
      const dataAt = startOfData(whole)
      if (dataAt === -1) throw badEvent('has too much beside its data')
      reader.putBack(whole.subarray(dataAt))
      const data = new LargeData(reader)
      yield { kind: 'large', head: whole.subarray(0, dataAt), chunks: data.chunks() }
      if (!data.isOver) throw new GatewayError('internal', 'A large event was not read to its end.')
      break
    }
  }
}

class Reader {
  readonly #iterator: AsyncIterator<Uint8Array>
  #rest: Uint8Array | null = null

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#iterator = source[Symbol.asyncIterator]()
  }

  async next(): Promise<Uint8Array | null> {
    const rest = this.#rest
    this.#rest = null
    if (rest !== null) return rest
    const { done, value } = await this.#iterator.next()
    return done === true ? null : value
  }

  putBack(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#rest = bytes
  }
}

/** Finds the empty line, over the seams of chunks. */
class Lines {
  #isLineEmpty = true
  #wasCr = false

  /** The offset behind the empty line; -1 where this chunk has none. */
  endOfEvent(chunk: Uint8Array): number {
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at]
      if (byte === LF && this.#wasCr) {
        this.#wasCr = false
        continue
      }
      this.#wasCr = byte === CR
      if (byte !== LF && byte !== CR) {
        this.#isLineEmpty = false
        continue
      }
      if (this.#isLineEmpty) return byte === CR && chunk[at + 1] === LF ? at + 2 : at + 1
      this.#isLineEmpty = true
    }
    return -1
  }
}

/** Where the first line that begins with `data:` begins. */
function startOfData(bytes: Buffer): number {
  for (let at = bytes.indexOf(DATA); at !== -1; at = bytes.indexOf(DATA, at + 1)) {
    if (at === 0 || bytes[at - 1] === LF || bytes[at - 1] === CR) return at
  }
  return -1
}

/** The data of one event: the text behind each `data:`, its lines joined by LF. */
class LargeData {
  readonly #reader: Reader
  isOver = false

  constructor(reader: Reader) {
    this.#reader = reader
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    /** How much of `data:` and the space behind it this line has had; the rest is text. */
    let prefix = 0
    let isFirstLine = true
    let wasCr = false
    for (;;) {
      const chunk = await this.#reader.next()
      if (chunk === null) throw new GatewayError('upstream_unreachable', 'The MCP server broke its answer off.')
      let from = -1
      for (let at = 0; at < chunk.length; at++) {
        const byte = chunk[at] as number
        if (byte === LF && wasCr) {
          wasCr = false
          continue
        }
        wasCr = byte === CR
        if (byte === LF || byte === CR) {
          if (from !== -1) yield chunk.subarray(from, at)
          from = -1
          if (prefix === 0) {
            this.isOver = true
            // An LF that belongs to this CR is an empty line of its own to the next frame's reader, which is harmless.
            this.#reader.putBack(chunk.subarray(at + 1))
            return
          }
          if (prefix < DATA.length) throw badEvent('has a field behind its data')
          prefix = 0
          continue
        }
        if (prefix < DATA.length) {
          if (byte !== DATA[prefix]) throw badEvent('has a field behind its data')
          prefix += 1
          continue
        }
        if (prefix === DATA.length) {
          prefix += 1
          if (!isFirstLine) yield LINE_BREAK
          isFirstLine = false
          if (byte === SPACE) continue
        }
        if (from === -1) from = at
      }
      if (from !== -1) yield chunk.subarray(from)
    }
  }
}

const LINE_BREAK = Uint8Array.of(LF)

function badEvent(what: string): GatewayError {
  return new GatewayError('upstream_bad_answer', `A large event of the MCP server ${what}.`)
}
