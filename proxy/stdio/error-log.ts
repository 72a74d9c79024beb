/**
 * What a server writes to standard error goes into our log: masked, since servers like to print what they were started
 * with; shortened; and no more than so many lines a second, since one that is stuck can print without end.
 */
import type { Masker } from '../../src/masking/masker.ts'
import type { Clock, Log } from '../../src/ports.ts'
import type { Secret } from '../../src/secret.ts'

const TEXT_MAX = 500
const LINES_A_SECOND = 20
const LINES_AT_ONCE = 100

export function createErrorLog(options: {
  readonly upstream: string
  readonly secrets: readonly Secret[]
  readonly masker: Masker
  readonly clock: Clock
  readonly log: Log
}): (line: Buffer, pid: number | undefined) => void {
  const { upstream, secrets, masker, clock, log } = options
  let allowance = LINES_AT_ONCE
  let filledAt = clock.now()
  let dropped = 0
  return (line, pid) => {
    const now = clock.now()
    allowance = Math.min(LINES_AT_ONCE, allowance + ((now - filledAt) / 1000) * LINES_A_SECOND)
    filledAt = now
    if (allowance < 1) {
      dropped += 1
      return
    }
    allowance -= 1
    // Masked before it is cut: half a secret matches no pattern.
    const text = masker.maskText(line.toString('utf8'), secrets).value
    const shown = text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}…` : text
    log.info('an MCP server says', { upstream, pid, text: shown, lines_dropped: dropped > 0 ? dropped : undefined })
    dropped = 0
  }
}
