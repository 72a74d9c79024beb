/**
 * How commands print. Colours only on a terminal, and not where NO_COLOR is set (no-color.org). Lines are kept short
 * enough for a phone. Everything that someone outside wrote goes through `visible`, or a tool's name could move the
 * cursor and overwrite the line that says what it did.
 */
import { styleText } from 'node:util'
import { visible } from '../approval/visible.ts'

export type Tone = 'plain' | 'good' | 'bad' | 'open' | 'faint' | 'strong'

const STYLES = { good: 'green', bad: 'red', open: 'yellow', faint: 'dim', strong: 'bold' } as const

export interface Output {
  readonly isTTY?: boolean
  write(text: string): unknown
}

export interface Terminal {
  /** One line; each part is made visible, then coloured. */
  line(...parts: readonly (string | readonly [Tone, string])[]): void
  /** One JSON value a line, for machines: no colours, nothing replaced. */
  json(value: unknown): void
}

export function createTerminal(output: Output, env: Readonly<Record<string, string | undefined>>): Terminal {
  const coloured = output.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb'
  const paint = (tone: Tone, text: string) =>
    coloured && tone !== 'plain' ? styleText(STYLES[tone], text, { validateStream: false }) : text
  return {
    line(...parts) {
      const painted = parts.map((part) => (typeof part === 'string' ? visible(part) : paint(part[0], visible(part[1]))))
      output.write(`${painted.join('')}\n`)
    },
    json(value) {
      output.write(`${JSON.stringify(value)}\n`)
    },
  }
}

/** `2026-08-01 10:11:12Z`: the same for every reader, wherever they are. */
export function instant(atMs: number): string {
  return isDate(atMs) ? `${new Date(atMs).toISOString().slice(0, 19).replace('T', ' ')}Z` : 'no time'
}

/** `10:11:12.345`, UTC. */
export function timeOfDay(atMs: number): string {
  return isDate(atMs) ? new Date(atMs).toISOString().slice(11, 23) : '--:--:--.---'
}

/** `1 call`, `2 calls`. */
export function count(many: number, one: string): string {
  return `${many} ${one}${many === 1 ? '' : 's'}`
}

/** The largest time that ECMAScript can format. */
function isDate(atMs: number): boolean {
  return Number.isFinite(atMs) && Math.abs(atMs) <= 8.64e15
}
