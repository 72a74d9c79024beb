/**
 * The functions of conditions: CEL's own, its strings extension, and our versions of those that would otherwise cost
 * without limit or answer what nobody meant.
 *
 *   matches      compiled once (0.3 ms a time otherwise), RE2, linear; the cost grows with pattern and text
 *   contains, indexOf, lastIndexOf, size, split, replace …   what they read is counted, and replace is linear
 *   a + b on lists   grown in place: the package chains them, and map() and filter() of 3,000 entries took 200 ms
 *   int, double of text   whole decimal text only: the package makes 0 of "" and 16 of "0x10"
 *   timestamp(int)   refused: CEL means seconds, the package takes milliseconds
 *
 * Left out: format and quote, which build text for people and not for conditions.
 */
import {
  type CelFunc,
  CelScalar,
  type CelType,
  type CelValue,
  celFunc,
  celMethod,
  isCelError,
  listType,
  objectType,
} from '@bufbuild/cel'
import { strings } from '@bufbuild/cel/ext'
import { RE2JS } from '@bufbuild/re2'
import { celConcat } from './cel-values.ts'
import type { Work } from './work.ts'

const { BOOL, DOUBLE, DYN, INT, STRING } = CelScalar
const LIST = listType(DYN)
const LEFT_OUT = new Set(['format', 'strings.quote'])

/** `.{1,500}` compiles to 1,000 steps; more is a pattern that nobody can read, and each character may visit each. */
export const PATTERN_STEPS_MAX = 2_000
/** Past this a search may look at each character more than once (Boyer-Moore's worst case). */
const NEEDLE_CHARS_FREE = 64

/** Patterns of this policy, compiled when it is loaded. */
export class Patterns {
  readonly #compiled = new Map<string, { readonly pattern: RE2JS; readonly steps: number }>()

  /** The message where it is refused. */
  add(pattern: string): string | null {
    try {
      const compiled = RE2JS.compile(pattern)
      const steps = compiled.re2().prog.numInst()
      if (steps > PATTERN_STEPS_MAX) return `it compiles to more than ${PATTERN_STEPS_MAX} steps`
      this.#compiled.set(pattern, { pattern: compiled, steps })
      return null
    } catch (error) {
      return error instanceof Error ? error.message.replace(/^error parsing regexp: /, '') : 'it does not compile'
    }
  }

  test(pattern: string, text: string, work: Work): boolean {
    const compiled = this.#compiled.get(pattern)
    if (compiled === undefined) throw new Error('a pattern that the policy does not have')
    work.read(text, patternFactor(compiled.steps))
    return compiled.pattern.test(text)
  }
}

/** About what a character costs against a plain read: measured 150 ns for 20 steps, up to each step in the worst case. */
function patternFactor(steps: number): number {
  return 8 + steps / 4
}

/** `work` gives the budget of the decision under way. */
export function conditionFunctions(patterns: Patterns, work: () => Work): CelFunc[] {
  const search = (text: string, wanted: string) => work().read(text, 1 + wanted.length / NEEDLE_CHARS_FREE)
  const extension = strings.filter((fn) => !LEFT_OUT.has(fn.name)).map((fn) => counted(fn, work))
  return [
    ...extension,
    celMethod('matches', STRING, [STRING], BOOL, function (pattern) {
      return patterns.test(pattern, this, work())
    }),
    celMethod('contains', STRING, [STRING], BOOL, function (wanted) {
      search(this, wanted)
      return this.includes(wanted)
    }),
    celMethod('indexOf', STRING, [STRING], INT, function (wanted) {
      search(this, wanted)
      return BigInt(this.indexOf(wanted))
    }),
    celMethod('lastIndexOf', STRING, [STRING], INT, function (wanted) {
      search(this, wanted)
      return BigInt(this.lastIndexOf(wanted))
    }),
    celMethod('replace', STRING, [STRING, STRING], STRING, function (wanted, replacement) {
      search(this, wanted)
      return this.split(wanted).join(replacement)
    }),
    celFunc('size', [STRING], INT, (text) => sizeOf(text, work())),
    celMethod('size', STRING, [], INT, function () {
      return sizeOf(this, work())
    }),
    celFunc('_+_', [LIST, LIST], LIST, (a, b) => celConcat(a, b, work())),
    celFunc('int', [STRING], INT, wholeNumber),
    celFunc('double', [STRING], DOUBLE, decimalNumber),
    celFunc('timestamp', [INT], objectType('google.protobuf.Timestamp'), () => {
      throw new Error('timestamp(int) is not used here: write timestamp("2026-01-31T00:00:00Z")')
    }),
  ]
}

/** CEL counts code points. */
function sizeOf(text: string, work: Work): bigint {
  work.read(text, 4)
  let size = 0
  for (const _ of text) size++
  return BigInt(size)
}

function wholeNumber(text: string): bigint {
  if (!/^-?\d{1,19}$/.test(text)) throw new Error('not a whole number')
  const value = BigInt(text)
  if (BigInt.asIntN(64, value) !== value) throw new Error('out of range')
  return value
}

function decimalNumber(text: string): number {
  if (!/^-?\d{1,300}(\.\d{1,300})?([eE][+-]?\d{1,3})?$/.test(text)) throw new Error('not a number')
  return Number(text)
}

/** The same function, after counting what it reads. Lists count their own entries. */
function counted(fn: CelFunc, work: () => Work): CelFunc {
  // split() can make one entry a character.
  const factor = fn.name === 'split' ? 64 : 8
  const call = (target: CelValue | undefined, args: CelValue[]) => {
    for (const value of [target, ...args]) if (typeof value === 'string') work().read(value, factor)
    const result = fn.call(0, target, args)
    if (result === undefined) throw new Error('no such overload')
    if (isCelError(result)) throw result
    return result
  }
  const implementation = function (this: CelValue | undefined, ...args: CelValue[]) {
    return call(fn.target === undefined ? undefined : this, args)
  }
  const types = fn.arguments as CelType[]
  return fn.target === undefined
    ? celFunc(fn.name, types, fn.result, implementation as never)
    : celMethod(fn.name, fn.target, types, fn.result, implementation as never)
}
