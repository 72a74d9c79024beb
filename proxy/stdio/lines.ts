/**
 * Cuts a byte stream into lines, within a limit: over stdio each message is one line (MCP 2026-07-28
 * basic/transports/stdio). Bytes, not text: a chunk may end within a character.
 */
const NEWLINE = 0x0a
const RETURN = 0x0d

export interface LineReader {
  feed(chunk: Buffer): void
  /** What stands after the last newline when the stream ends. */
  end(): void
}

export function createLineReader(options: {
  readonly bytesMax: number
  readonly onLine: (line: Buffer) => void
  /** Once for each line that is longer; the rest of it is skipped. */
  readonly onTooLong: () => void
}): LineReader {
  const { bytesMax, onLine, onTooLong } = options
  let chunks: Buffer[] = []
  let length = 0
  let isSkipping = false

  function take(part: Buffer): void {
    if (isSkipping || part.length === 0) return
    length += part.length
    if (length <= bytesMax) {
      chunks.push(part)
      return
    }
    isSkipping = true
    chunks = []
    onTooLong()
  }

  function finish(): void {
    const line = chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)
    const isWhole = !isSkipping
    chunks = []
    length = 0
    isSkipping = false
    if (!isWhole) return
    // Windows' programs end lines with both.
    const text = line.at(-1) === RETURN ? line.subarray(0, -1) : line
    if (text.length > 0) onLine(text)
  }

  return {
    feed(chunk) {
      let from = 0
      for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
        take(chunk.subarray(from, at))
        finish()
        from = at + 1
      }
      take(chunk.subarray(from))
    },
    end: finish,
  }
}
