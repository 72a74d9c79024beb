/**
 * What the demo prints: numbered steps with a tick each, and below a tick what it is about. A step that fails gets a
 * cross and the reason, and ends the demo.
 *
 * On a terminal the step that runs is shown while it runs, in one line that is written over; elsewhere each line is
 * written once. Everything from outside goes through the terminal's `visible`: it was an agent or a server that said it.
 */
import { visible } from '../src/approval/visible.ts'
import type { Output, Terminal, Tone } from '../src/cli/terminal.ts'
import { createTerminal } from '../src/cli/terminal.ts'

/** Characters. Narrower terminals wrap by themselves; wider ones are harder to read. */
const WIDTH = 80
const INDENT = ' '.repeat(5)
/** How often a wait is mentioned where lines can't be written over. */
const REMINDER_MS = 60_000

export interface TraceOutput extends Output {
  readonly columns?: number
}

export interface Step {
  /** Below the tick, in the demo's own words. */
  detail(text: string): void
  /** Below the tick, in somebody else's words: each line as it was said. */
  quote(text: string): void
  /** What is being waited for. */
  progress(text: string): void
}

export interface Trace {
  heading(text: string): void
  /** A paragraph. */
  say(text: string): void
  /** A line that must not be wrapped, because people click on it. */
  link(text: string): void
  /** Rejects with StepFailed, or with Interrupted as soon as the signal aborts. */
  step<T>(title: string, run: (step: Step) => Promise<T>): Promise<T>
}

/** Its reason has been printed. */
export class StepFailed extends Error {
  override readonly name = 'StepFailed'
}

export class Interrupted extends Error {
  override readonly name = 'Interrupted'
}

export function createTrace(
  output: TraceOutput,
  env: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal,
): Trace {
  const terminal = createTerminal(output, env)
  const canOverwrite = output.isTTY === true && env.TERM !== 'dumb'
  const interrupted = abortedBy(signal)
  let number = 0
  return {
    heading(text) {
      terminal.line()
      terminal.line(['strong', text])
    },
    say(text) {
      for (const line of wrap(text, WIDTH)) terminal.line(line)
    },
    link(text) {
      terminal.line(['strong', text])
    },
    async step(title, run) {
      number += 1
      const label = String(number).padStart(2)
      const below: (() => void)[] = []
      const live = liveLine(output, terminal, { canOverwrite, label, title })
      try {
        const result = await Promise.race([run(stepOf(terminal, below, live.progress)), interrupted])
        live.clear()
        printTitle(terminal, label, ['good', '✓'], title)
        for (const print of below) print()
        return result
      } catch (error) {
        live.clear()
        if (error instanceof Interrupted) throw error
        printTitle(terminal, label, ['bad', '✗'], title)
        for (const print of below) print()
        printReason(terminal, error)
        throw new StepFailed(title, { cause: error })
      }
    },
  }
}

function stepOf(terminal: Terminal, below: (() => void)[], progress: (text: string) => void): Step {
  return {
    detail(text) {
      below.push(() => {
        for (const line of wrap(text, WIDTH - INDENT.length)) terminal.line(['faint', `${INDENT}${line}`])
      })
    },
    quote(text) {
      below.push(() => {
        const lines = text.trimEnd().split('\n')
        const fitting = lines.flatMap((line) => wrap(line, WIDTH - INDENT.length - 2))
        for (const line of fitting) terminal.line(['faint', `${INDENT}│ `], line)
      })
    },
    progress,
  }
}

function printTitle(terminal: Terminal, label: string, mark: readonly [Tone, string], title: string): void {
  const [first = '', ...more] = wrap(title, WIDTH - INDENT.length)
  terminal.line(['faint', `${label} `], mark, ` ${first}`)
  for (const line of more) terminal.line(INDENT, line)
}

function printReason(terminal: Terminal, error: unknown): void {
  const reason = error instanceof Error ? error.message : String(error)
  for (const line of reason.trimEnd().split('\n')) {
    for (const part of wrap(line, WIDTH - INDENT.length)) terminal.line(INDENT, ['bad', part])
  }
}

function liveLine(
  output: TraceOutput,
  terminal: Terminal,
  { canOverwrite, label, title }: { canOverwrite: boolean; label: string; title: string },
): { progress(text: string): void; clear(): void } {
  let remindedAt = 0
  // "Erase in line" (ECMA-48 §8.3.41); shortened by one, because some terminals wrap at their last column.
  const draw = (text: string) => output.write(`\r\u001b[2K${visible(text).slice(0, (output.columns ?? WIDTH) - 1)}`)
  if (canOverwrite) draw(`${label} … ${title}`)
  return {
    progress(text) {
      if (canOverwrite) draw(`${label} … ${text}`)
      else if (Date.now() - remindedAt >= REMINDER_MS) {
        remindedAt = Date.now()
        terminal.line(`${label} … ${text}`)
      }
    },
    clear() {
      if (canOverwrite) output.write('\r\u001b[2K')
    },
  }
}

function abortedBy(signal: AbortSignal): Promise<never> {
  const aborted = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(new Interrupted()), { once: true })
  })
  // Between two steps nobody waits for it.
  aborted.catch(() => undefined)
  return aborted
}

/** Breaks at spaces. A word that is too long, such as a path, gets a line of its own. */
export function wrap(text: string, width: number): readonly string[] {
  const [indent = ''] = /^ */.exec(text) ?? []
  const lines: string[] = []
  let line = indent
  for (const word of text.slice(indent.length).split(' ')) {
    const isFirst = line.trim() === ''
    if (isFirst || line.length + 1 + word.length <= width) line = isFirst ? line + word : `${line} ${word}`
    else {
      lines.push(line)
      line = word
    }
  }
  return [...lines, line]
}
