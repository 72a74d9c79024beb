/**
 * Takes a large JSON-RPC response apart while it arrives, so that it can be judged and handed on piece by piece:
 *
 *   { "jsonrpc": …, "id": …, "result": { "content": [ piece, piece, … ], "isError": … } }
 *
 * Only these three levels are opened: the message, its `result`, and in it the arrays in which MCP puts what is large
 * (`content` of a tool's result, `contents` of a resource). What lies deeper is one piece each, whole: masking looks at
 * a value with all that stands beside it.
 *
 * Strict like strict.ts where it reads itself; each piece must still be read by that.
 */

/** One step of the text. Together, in order, they are the whole text, byte for byte. */
export type Step =
  /** Structure: nothing to judge. */
  | { readonly kind: 'structure'; readonly bytes: Uint8Array }
  /** A key of the message or of its result. */
  | { readonly kind: 'key'; readonly key: string; readonly bytes: Uint8Array }
  /** A member's value, of the message or of its result. */
  | { readonly kind: 'member'; readonly of: 'message' | 'result'; readonly key: string; readonly bytes: Uint8Array }
  /** An element of one of the opened arrays. */
  | { readonly kind: 'element'; readonly key: string; readonly bytes: Uint8Array }

export type SplitProblem = 'syntax' | 'duplicate_key' | 'piece_too_large'

export interface Splitter {
  /** What is whole by now. Throws SplitError. */
  feed(chunk: Uint8Array): readonly Step[]
  /** Throws SplitError where the text has not ended. */
  end(): void
}

export class SplitError extends Error {
  override readonly name = 'SplitError'
  readonly problem: SplitProblem
  constructor(problem: SplitProblem) {
    super(problem.replaceAll('_', ' '))
    this.problem = problem
  }
}

/** Arrays of `result` in which MCP puts what is large. */
const OPENED = new Set(['content', 'contents'])
/** Keys of the two opened objects; MCP has some ten. */
const KEYS_MAX = 1_000

const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const BACKSLASH = 0x5c
const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

/** Where in an opened container the next byte stands. */
type Place = 'value' | 'key' | 'first key' | 'first value' | 'colon' | 'comma' | 'end'

interface Container {
  readonly kind: 'message' | 'result' | 'array'
  /** Of the member that holds it; for an array, `content` or `contents`. */
  readonly name: string
  readonly keys: Set<string>
  place: Place
  /** The key whose value comes next. */
  key: string
}

export function createSplitter(options: { readonly pieceBytesMax: number }): Splitter {
  return new Split(options.pieceBytesMax)
}

class Split implements Splitter {
  readonly pieceBytesMax: number
  readonly open: Container[] = []
  started = false
  ended = false
  /** Bytes of the piece or the key that has begun, from earlier chunks. */
  begun: Uint8Array[] = []
  begunLength = 0
  /** Within a piece or a key: how deep, and whether in a string. */
  reading: 'nothing' | 'key' | 'piece' = 'nothing'
  depth = 0
  inString = false
  escaped = false
  /** A piece that is a number or a word ends before the byte that follows it. */
  isWord = false

  constructor(pieceBytesMax: number) {
    this.pieceBytesMax = pieceBytesMax
  }

  feed(chunk: Uint8Array): readonly Step[] {
    const steps: Step[] = []
    /** From here on nothing is in a step yet. */
    let from = 0
    let at = 0
    while (at < chunk.length) {
      if (this.reading === 'nothing') {
        const begins = this.structure(chunk[at] as number)
        if (begins) {
          if (at > from) steps.push({ kind: 'structure', bytes: chunk.subarray(from, at) })
          from = at
          continue
        }
        at++
        continue
      }
      const end = this.advance(chunk, at)
      if (end === -1) break
      const bytes = this.take(chunk.subarray(from, end))
      steps.push(this.finish(bytes))
      from = end
      at = end
    }
    if (from < chunk.length) {
      if (this.reading === 'nothing') steps.push({ kind: 'structure', bytes: chunk.subarray(from) })
      else this.keep(chunk.subarray(from))
    }
    return steps
  }

  end(): void {
    if (!this.ended) throw new SplitError('syntax')
  }

  /** Reads one byte between pieces. True where a key or a piece begins with it. */
  structure(byte: number): boolean {
    if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) return false
    const container = this.open.at(-1)
    if (container === undefined) {
      if (this.started || byte !== OPEN_OBJECT) throw new SplitError('syntax')
      this.started = true
      this.open.push(openContainer('message', ''))
      return false
    }
    switch (container.place) {
      case 'first key':
      case 'key':
        if (byte === QUOTE) return this.begin('key')
        if (byte === CLOSE_OBJECT && container.place === 'first key') return this.close()
        throw new SplitError('syntax')
      case 'colon':
        if (byte !== COLON) throw new SplitError('syntax')
        container.place = 'value'
        return false
      case 'first value':
        if (byte === CLOSE_ARRAY) return this.close()
        return this.beginValue(container, byte)
      case 'value':
        return this.beginValue(container, byte)
      case 'comma':
        if (byte === (container.kind === 'array' ? CLOSE_ARRAY : CLOSE_OBJECT)) return this.close()
        if (byte !== COMMA) throw new SplitError('syntax')
        container.place = container.kind === 'array' ? 'value' : 'key'
        return false
      case 'end':
        throw new SplitError('syntax')
    }
  }

  beginValue(container: Container, byte: number): boolean {
    container.place = 'comma'
    const { kind, key } = container
    if (kind === 'message' && key === 'result' && byte === OPEN_OBJECT) {
      this.open.push(openContainer('result', key))
      return false
    }
    if (kind === 'result' && OPENED.has(key) && byte === OPEN_ARRAY) {
      this.open.push({ ...openContainer('array', key), place: 'first value' })
      return false
    }
    if (byte === COMMA || byte === CLOSE_ARRAY || byte === CLOSE_OBJECT || byte === COLON)
      throw new SplitError('syntax')
    return this.begin('piece')
  }

  begin(what: 'key' | 'piece'): true {
    this.reading = what
    this.depth = 0
    this.inString = false
    this.escaped = false
    this.isWord = false
    return true
  }

  close(): false {
    this.open.pop()
    if (this.open.length === 0) {
      // Whitespace may follow, and nothing else.
      this.ended = true
    }
    return false
  }

  /** The offset behind the end of what is being read, or -1 where this chunk does not have it. */
  advance(chunk: Uint8Array, start: number): number {
    for (let at = start; at < chunk.length; at++) {
      const byte = chunk[at] as number
      if (this.inString) {
        if (this.escaped) this.escaped = false
        else if (byte === BACKSLASH) this.escaped = true
        else if (byte === QUOTE) {
          this.inString = false
          if (this.depth === 0) return at + 1
        }
        continue
      }
      if (byte === QUOTE) {
        if (this.isWord) throw new SplitError('syntax')
        this.inString = true
      } else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
        if (this.isWord) throw new SplitError('syntax')
        this.depth++
      } else if (this.depth > 0) {
        if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) {
          this.depth--
          if (this.depth === 0) return at + 1
        }
      } else if (this.isWord && isAfterWord(byte)) return at
      else this.isWord = true
    }
    return -1
  }

  keep(bytes: Uint8Array): void {
    this.begunLength += bytes.length
    if (this.begunLength > this.pieceBytesMax) throw new SplitError('piece_too_large')
    // The chunk's memory is its reader's.
    this.begun.push(Uint8Array.from(bytes))
  }

  take(last: Uint8Array): Uint8Array {
    if (this.begunLength + last.length > this.pieceBytesMax) throw new SplitError('piece_too_large')
    if (this.begun.length === 0) return last
    const whole = Buffer.concat([...this.begun, last])
    this.begun = []
    this.begunLength = 0
    return whole
  }

  finish(bytes: Uint8Array): Step {
    const container = this.open.at(-1)
    if (container === undefined) throw new SplitError('syntax')
    const wasKey = this.reading === 'key'
    this.reading = 'nothing'
    if (wasKey) {
      container.key = keyOf(bytes)
      if (container.keys.has(container.key)) throw new SplitError('duplicate_key')
      if (container.keys.size >= KEYS_MAX) throw new SplitError('piece_too_large')
      container.keys.add(container.key)
      container.place = 'colon'
      return { kind: 'key', key: container.key, bytes }
    }
    if (container.kind === 'array') return { kind: 'element', key: container.name, bytes }
    return { kind: 'member', of: container.kind, key: container.key, bytes }
  }
}

function openContainer(kind: Container['kind'], name: string): Container {
  return { kind, name, keys: new Set(), place: 'first key', key: '' }
}

function isAfterWord(byte: number): boolean {
  return byte === COMMA || byte === CLOSE_OBJECT || byte === CLOSE_ARRAY || byte <= 0x20
}

function keyOf(bytes: Uint8Array): string {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as string
  } catch {
    throw new SplitError('syntax')
  }
}
