/**
 * Bolt's own log lines, brought under our rule: ids and counts, never values. Its debug lines hold whole payloads and
 * its error objects hold requests, so only the first text of a warning or an error is kept, and an error's code.
 */
import { type Logger, LogLevel } from '@slack/bolt'
import type { Log } from '../../src/ports.ts'
import { errorName } from '../chat/error-name.ts'

export { errorName } from '../chat/error-name.ts'

const LINE_MAX = 300

export function boltLogger(log: Log): Logger {
  return {
    debug() {},
    info() {},
    warn: (...parts: unknown[]) => log.warn(sentence(parts), { channel: 'slack' }),
    error: (...parts: unknown[]) => log.error(sentence(parts), { channel: 'slack' }),
    setLevel() {},
    getLevel: () => LogLevel.WARN,
    setName() {},
  }
}

function sentence(parts: readonly unknown[]): string {
  const text = parts.find((part) => typeof part === 'string')
  return `slack: ${typeof text === 'string' ? text.slice(0, LINE_MAX) : errorName(parts[0])}`
}
