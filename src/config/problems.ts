/**
 * What is wrong with a file that people write: every problem at once, each with where it is and how to cure it.
 *
 * A message names keys and names, never a value: a mistyped line may hold a token.
 */
import type { z } from 'zod'

export interface Problem {
  /** `upstreams.files.url`, `rules[2].when`; empty: the file itself. */
  readonly path: string
  /** 1-based line of the file; null where the key is missing altogether. */
  readonly line: number | null
  readonly message: string
  readonly cure: string
}

export type Path = readonly (string | number)[]

export function pathText(path: Path): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`
    return text === '' ? step : `${text}.${step}`
  }, '')
}

/** For terminals: one paragraph a problem, in the order of the file. */
export function formatProblems(problems: readonly Problem[], file = ''): string {
  return [...problems]
    .sort((a, b) => (a.line ?? Number.MAX_SAFE_INTEGER) - (b.line ?? Number.MAX_SAFE_INTEGER))
    .map((problem) => {
      const where = [file, problem.line ?? ''].filter((part) => part !== '').join(':')
      const head = [where, problem.path].filter((part) => part !== '').join(' ')
      return `${head}${head === '' ? '' : ': '}${problem.message}\n    ${problem.cure}`
    })
    .join('\n')
}

const BETWEEN_MESSAGE_AND_CURE = '\n'
const BETWEEN_KEYS = '\u0000'

/** A message with its cure, in the one string that zod lets a check carry. */
export function say(message: string, cure: string): string {
  return `${message}${BETWEEN_MESSAGE_AND_CURE}${cure}`
}

/** The message of a strict object about keys that it doesn't know; `zodProblems` takes it apart again. */
export function sayUnknownKeys(keys: readonly string[], known: readonly string[], refused: RefusedKeys): string {
  return keys
    .map((key) => {
      if (Object.hasOwn(refused, key)) return refused[key] as string
      const near = nearest(key, known)
      return say(
        'unknown key',
        near === null ? `Known here: ${known.join(', ') || 'none'}.` : `Did you mean ${near}? Otherwise remove it.`,
      )
    })
    .join(BETWEEN_KEYS)
}

/** Keys that people will try, with what to say to them: made by `say`. */
export type RefusedKeys = Readonly<Record<string, string>>

export function zodProblems(error: z.ZodError, lineOf: (path: Path) => number | null): Problem[] {
  const problems = error.issues.flatMap((issue) => {
    const path = issue.path.map((step) => (typeof step === 'number' ? step : String(step)))
    if (issue.code !== 'unrecognized_keys') return [problem(path, issue.message, lineOf)]
    const messages = issue.message.split(BETWEEN_KEYS)
    return issue.keys.map((key, at) => problem([...path, key], messages[at] ?? 'unknown key', lineOf))
  })
  // What is empty is also no URL: the first check of a value says it, and the others would only repeat it.
  return problems.filter(({ path }, at) => problems.findIndex((other) => other.path === path) === at)
}

export function problem(path: Path, message: string, lineOf: (path: Path) => number | null): Problem {
  const [text = '', ...cure] = message.split(BETWEEN_MESSAGE_AND_CURE)
  return { path: pathText(path), line: lineOf(path), message: text, cure: cure.join(' ') || 'Correct it.' }
}

/** The known name that a typo most likely meant: one slip in three letters; null where none is so near. */
export function nearest(name: string, known: Iterable<string>): string | null {
  let best: string | null = null
  let least = Math.max(1, Math.floor(name.length / 3)) + 1
  for (const candidate of known) {
    const distance = editDistance(name.slice(0, 64), candidate.slice(0, 64))
    if (distance >= least) continue
    best = candidate
    least = distance
  }
  return best
}

/** `did you mean files?`, or what there is. */
export function suggestion(name: string, known: readonly string[]): string {
  const near = nearest(name, known)
  if (near !== null) return `Did you mean ${near}?`
  return known.length === 0 ? 'None is configured.' : `Configured: ${known.slice(0, 20).join(', ')}.`
}

/** Levenshtein's, one row at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const swap = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(swap, (row[j] as number) + 1, (next[j - 1] as number) + 1))
    }
    row = next
  }
  return row[b.length] as number
}
