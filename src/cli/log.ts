/**
 * One line an event, on standard error: time, level, message, then fields by the names that the recordings use.
 * Ids and counts, never values.
 */
import type { Log, LogFields } from '../ports.ts'

type Level = 'info' | 'warn' | 'error'

export function createLog(write: (line: string) => void, now: () => Date = () => new Date()): Log {
  const line =
    (level: Level) =>
    (message: string, fields: LogFields = {}) =>
      write(`${now().toISOString()} ${level} ${message}${formatFields(fields)}\n`)
  return { info: line('info'), warn: line('warn'), error: line('error') }
}

function formatFields(fields: LogFields): string {
  let text = ''
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) text += ` ${name}=${formatValue(value)}`
  }
  return text
}

/** Quoted where it must be: a line break in a value must not begin a line of its own. */
function formatValue(value: string | number | boolean | null): string {
  const text = String(value)
  return /^[\x21-\x7e]+$/.test(text) && !text.includes('"') ? text : JSON.stringify(text)
}
