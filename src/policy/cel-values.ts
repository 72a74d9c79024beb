/**
 * JSON as CEL sees it, wrapped when it is reached and not before.
 *
 * The package's own conversion must not see what an agent wrote: it takes `{"$typeName":
 * "google.protobuf.StringValue", "value": "x"}` for the text "x", so that an allowing rule would judge something
 * else than the upstream gets; it throws on a key `constructor`; and its maps say that a key whose value is null is
 * not there. Here an object is a map of its own keys, whatever they are called.
 *
 * Numbers: a JSON number without a fraction is a CEL int, any other a double; `==`, `<` and their like compare across
 * both, arithmetic does not mix them (1 + 1.5 is an error, as in CEL).
 */
import { type CelError, type CelList, type CelMap, type CelValue, isCelList, isCelMap } from '@bufbuild/cel'
import type { JsonObject, JsonValue } from '../json/value.ts'
import type { Work } from './work.ts'

export function celValue(value: JsonValue, work: Work): CelValue {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : value
  if (typeof value !== 'object' || value === null) return value
  const wrapped = Array.isArray(value) ? new JsonList(value, work) : new JsonMap(value, work)
  // Types only: the package closes its interfaces to other implementations by a symbol that it does not export.
  return wrapped as unknown as CelValue
}

/** A map of named values of ours, some of which may be errors: whoever reads those has a condition that fails. */
export function celRecord(entries: Readonly<Record<string, CelValue | CelError>>): CelMap {
  return new NamedValues(entries) as unknown as CelMap
}

// Registered symbols (Symbol.for): the package's way to know its types across copies of itself. `assertRecognised`
// below stops the start if a new version of the package no longer does.
const MAP = Symbol.for('@bufbuild/cel/map')
const LIST = Symbol.for('@bufbuild/cel/list')

class JsonMap {
  readonly [MAP] = true
  readonly #object: JsonObject
  readonly #work: Work

  constructor(object: JsonObject, work: Work) {
    this.#object = object
    this.#work = work
  }

  get size(): number {
    const { length } = Object.keys(this.#object)
    this.#work.spend(length)
    return length
  }

  /** JSON's keys are texts: no other kind of key is ever in here. */
  get(key: unknown): CelValue | undefined {
    this.#work.spend(1)
    if (typeof key !== 'string' || !Object.hasOwn(this.#object, key)) return undefined
    return celValue(this.#object[key] as JsonValue, this.#work)
  }

  has(key: unknown): boolean {
    this.#work.spend(1)
    return typeof key === 'string' && Object.hasOwn(this.#object, key)
  }

  *keys(): IterableIterator<string> {
    for (const key of Object.keys(this.#object)) {
      this.#work.spend(1)
      yield key
    }
  }

  *entries(): IterableIterator<[string, CelValue]> {
    for (const key of this.keys()) yield [key, celValue(this.#object[key] as JsonValue, this.#work)]
  }

  *values(): IterableIterator<CelValue> {
    for (const [, value] of this.entries()) yield value
  }

  forEach(callback: (value: CelValue, key: string, map: unknown) => void): void {
    for (const [key, value] of this.entries()) callback(value, key, this)
  }

  [Symbol.iterator](): IterableIterator<[string, CelValue]> {
    return this.entries()
  }
}

class JsonList {
  readonly [LIST] = true
  readonly #array: readonly JsonValue[]
  readonly #work: Work

  constructor(array: readonly JsonValue[], work: Work) {
    this.#array = array
    this.#work = work
  }

  get size(): number {
    return this.#array.length
  }

  get(index: number): CelValue | undefined {
    this.#work.spend(1)
    if (!Number.isInteger(index) || index < 0 || index >= this.#array.length) return undefined
    return celValue(this.#array[index] as JsonValue, this.#work)
  }

  *values(): IterableIterator<CelValue> {
    for (const value of this.#array) {
      this.#work.spend(1)
      yield celValue(value, this.#work)
    }
  }

  [Symbol.iterator](): IterableIterator<CelValue> {
    return this.values()
  }
}

/**
 * A list that map() and filter() make by adding one entry at a time. The longest view of an array may grow it in
 * place, because shorter views never look past their own end; so that n entries cost n steps and not n².
 */
class GrownList {
  readonly [LIST] = true
  readonly size: number
  readonly #array: CelValue[]

  constructor(array: CelValue[]) {
    this.#array = array
    this.size = array.length
  }

  with(more: Iterable<CelValue>): GrownList {
    const array = this.#array.length === this.size ? this.#array : this.#array.slice(0, this.size)
    for (const value of more) array.push(value)
    return new GrownList(array)
  }

  /** Whether adding costs a copy. */
  get isOutgrown(): boolean {
    return this.#array.length !== this.size
  }

  get(index: number): CelValue | undefined {
    return Number.isInteger(index) && index >= 0 && index < this.size ? this.#array[index] : undefined
  }

  *values(): IterableIterator<CelValue> {
    for (let at = 0; at < this.size; at++) yield this.#array[at] as CelValue
  }

  [Symbol.iterator](): IterableIterator<CelValue> {
    return this.values()
  }
}

/** `a + b`. */
export function celConcat(a: CelList, b: CelList, work: Work): CelList {
  const left: unknown = a
  const grown = left instanceof GrownList ? left : null
  work.spend(1 + b.size + (grown !== null && !grown.isOutgrown ? 0 : a.size))
  return (grown ?? new GrownList([...a])).with(b) as unknown as CelList
}

/** `mcp`, `mcp.tool`, `principal` and `tool`: read by name only; their fields are checked when the policy is loaded. */
class NamedValues {
  readonly [MAP] = true
  readonly #entries: Readonly<Record<string, CelValue | CelError>>

  constructor(entries: Readonly<Record<string, CelValue | CelError>>) {
    this.#entries = entries
  }

  get size(): number {
    return Object.keys(this.#entries).length
  }

  get(key: unknown): CelValue | CelError | undefined {
    return typeof key === 'string' && Object.hasOwn(this.#entries, key) ? this.#entries[key] : undefined
  }

  has(key: unknown): boolean {
    return typeof key === 'string' && Object.hasOwn(this.#entries, key)
  }

  keys(): IterableIterator<string> {
    return Object.keys(this.#entries).values()
  }

  entries(): IterableIterator<[string, CelValue | CelError]> {
    return Object.entries(this.#entries).values()
  }

  [Symbol.iterator](): IterableIterator<[string, CelValue | CelError]> {
    return this.entries()
  }
}

/** Called when conditions are compiled: a version of the package that sees our maps otherwise must not start. */
export function assertRecognised(work: Work): void {
  const map: unknown = celValue({}, work)
  const list: unknown = celValue([], work)
  const record: unknown = celRecord({})
  if (isCelMap(map) && isCelMap(record) && isCelList(list)) return
  throw new Error('@bufbuild/cel no longer recognises the wrapped values; see policy/cel-values.ts')
}
