/**
 * Writes changes into a JSON text and leaves every other byte as it is: spacing, the order of keys, and numbers that a
 * double would round (a 64-bit id must not change because a secret beside it was masked, or an entry left out).
 */
import { isObject, type JsonObject, type JsonValue } from './value.ts'

/** Stands in an array of `after` for an element that is to go. */
export const REMOVED: JsonObject = Object.freeze({})

/**
 * `text` is what `before` was parsed from; `after` is `before` with some parts replaced, sharing all that stayed.
 * Objects may get more members; a string that only got longer is added to. An object that lost a key, or whose text
 * has a key twice, is written anew: nothing of its old text may survive. So is an array of another length.
 */
export function spliceJson(text: string, before: JsonValue, after: JsonValue): string {
  const splicer = new Splicer(text)
  splicer.value(before, after)
  return splicer.finish()
}

/** Walks the text beside both values. The text is known to be JSON, so only its structure is looked at. */
class Splicer {
  readonly text: string
  readonly pieces: string[] = []
  at = 0
  /** How much of the text is in the pieces, as it was or replaced. */
  copied = 0
  /** By place of an object's brace; counted once, because objects lie within objects. */
  members: ReadonlyMap<number, number> | null = null

  constructor(text: string) {
    this.text = text
  }

  finish(): string {
    this.pieces.push(this.text.slice(this.copied))
    return this.pieces.join('')
  }

  value(before: JsonValue | undefined, after: JsonValue | undefined): void {
    this.space()
    if (before === after) this.skip()
    else if (Array.isArray(before) && Array.isArray(after) && before.length === after.length) this.array(before, after)
    else if (isObject(before) && isObject(after) && this.isWalkable(before, after)) this.object(before, after)
    else if (typeof before === 'string' && typeof after === 'string' && after.startsWith(before)) {
      this.skipString()
      this.insert(this.at - 1, JSON.stringify(after.slice(before.length)).slice(1, -1))
    } else this.replace(after)
  }

  array(before: JsonValue[], after: JsonValue[]): void {
    let separator = this.at++
    let hasKept = false
    for (let index = 0; index < before.length; index++) {
      if (after[index] === REMOVED) {
        this.space()
        this.skip()
        this.cutElement(separator, hasKept)
      } else {
        this.value(before[index], after[index])
        hasKept = true
      }
      this.space()
      separator = this.at
      this.punctuation()
    }
    if (before.length === 0) this.punctuation()
  }

  /** Goes with the comma before it; where nothing was kept before it, with the one behind it. */
  cutElement(separator: number, hasKept: boolean): void {
    const end = this.at
    this.space()
    const isLast = this.text[this.at] !== ','
    this.cut(hasKept ? separator : separator + 1, hasKept || isLast ? end : this.at + 1)
  }

  object(before: JsonObject, after: JsonObject): void {
    const keys = Object.keys(before)
    this.at++
    let end = this.at
    for (let left = keys.length; left > 0; left--) {
      const key = this.key()
      this.value(before[key], after[key])
      end = this.at
      this.punctuation()
    }
    if (Object.keys(after).length === keys.length) return
    const added = Object.keys(after).filter((key) => !Object.hasOwn(before, key))
    this.insert(end, added.map((key) => `,${JSON.stringify(key)}:${written(after[key])}`).join(''))
  }

  isWalkable(before: JsonObject, after: JsonObject): boolean {
    const keys = Object.keys(before)
    if (keys.length === 0 || keys.some((key) => !Object.hasOwn(after, key))) return false
    return this.countMembers() === keys.length
  }

  /** How many members the text has here; more than the value has where JSON.parse dropped a repeated one. */
  countMembers(): number {
    this.members ??= membersOfObjects(this.text)
    return this.members.get(this.at) ?? 0
  }

  key(): string {
    this.space()
    const start = this.at
    this.skipString()
    const key = JSON.parse(this.text.slice(start, this.at)) as string
    this.punctuation()
    return key
  }

  replace(after: JsonValue | undefined): void {
    this.insert(this.at, written(after))
    this.skip()
    this.copied = this.at
  }

  insert(at: number, text: string): void {
    this.pieces.push(this.text.slice(this.copied, at), text)
    this.copied = at
  }

  cut(from: number, to: number): void {
    this.pieces.push(this.text.slice(this.copied, from))
    this.copied = to
  }

  space(): void {
    while (' \t\r\n'.includes(this.text[this.at] ?? 'end')) this.at++
  }

  /** The comma, colon or closing bracket that comes next. */
  punctuation(): string | undefined {
    this.space()
    return this.text[this.at++]
  }

  skip(): void {
    let depth = 0
    do {
      const code = this.text.charCodeAt(this.at)
      if (Number.isNaN(code)) return
      if (code === QUOTE) {
        this.skipString()
        continue
      }
      if (code === OPEN_OBJECT || code === OPEN_ARRAY) depth++
      else if (code === CLOSE_OBJECT || code === CLOSE_ARRAY) depth--
      else if (depth === 0) {
        this.skipWord()
        continue
      }
      this.at++
    } while (depth > 0)
  }

  skipString(): void {
    this.at = behindString(this.text, this.at)
  }

  skipWord(): void {
    while (this.at < this.text.length && !',]} \t\r\n'.includes(this.text[this.at] as string)) this.at++
  }
}

function written(value: JsonValue | undefined): string {
  return JSON.stringify(value ?? null, (_key, member) =>
    Array.isArray(member) ? member.filter((each) => each !== REMOVED) : member,
  )
}

const QUOTE = 0x22
const COLON = 0x3a
const OPEN_ARRAY = 0x5b
const BACKSLASH = 0x5c
const CLOSE_ARRAY = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

/**
 * From a string's first quote to behind its last. Most of a JSON text is strings, and `indexOf` runs through them many
 * times faster than a loop. No pattern reads them: on one of many megabytes the engine runs out of stack.
 */
function behindString(text: string, start: number): number {
  for (let from = start + 1; ; ) {
    const end = text.indexOf('"', from)
    if (end === -1) return text.length
    let backslashes = end
    while (backslashes > from && text.charCodeAt(backslashes - 1) === BACKSLASH) backslashes--
    if ((end - backslashes) % 2 === 0) return end + 1
    from = end + 1
  }
}

/** Outside of strings, JSON has one colon a member and nowhere else. */
function membersOfObjects(text: string): ReadonlyMap<number, number> {
  const members = new Map<number, number>()
  const open: { readonly at: number; count: number }[] = []
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) at = behindString(text, at) - 1
    else if (code === OPEN_OBJECT) open.push({ at, count: 0 })
    else if (code === COLON) (open.at(-1) as { count: number }).count++
    else if (code === CLOSE_OBJECT) {
      const closed = open.pop()
      if (closed !== undefined) members.set(closed.at, closed.count)
    }
  }
  return members
}
