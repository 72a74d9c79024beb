/**
 * Writes changed strings into a JSON text and leaves every other byte as it is: spacing, the order of keys, and
 * numbers that a double would round (a 64-bit id must not change because a secret beside it was masked).
 */
import { isObject, type JsonObject, type JsonValue } from './value.ts'

/**
 * `text` is what `before` was parsed from; `after` is `before` with some parts replaced, sharing all that stayed.
 * An object whose keys changed, or whose text has a key twice, is written anew: nothing of its old text may survive.
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
    else this.replace(after)
  }

  array(before: JsonValue[], after: JsonValue[]): void {
    this.at++
    for (let index = 0; index < before.length; index++) {
      this.value(before[index], after[index])
      this.punctuation()
    }
    if (before.length === 0) this.punctuation()
  }

  object(before: JsonObject, after: JsonObject): void {
    this.at++
    for (let left = Object.keys(before).length; left > 0; left--) {
      const key = this.key()
      this.value(before[key], after[key])
      this.punctuation()
    }
  }

  isWalkable(before: JsonObject, after: JsonObject): boolean {
    const keys = Object.keys(before)
    if (keys.length === 0 || keys.length !== Object.keys(after).length) return false
    if (keys.some((key) => !Object.hasOwn(after, key))) return false
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
    this.pieces.push(this.text.slice(this.copied, this.at), JSON.stringify(after ?? null))
    this.skip()
    this.copied = this.at
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
      const character = this.text[this.at]
      if (character === undefined) return
      if (character === '"') {
        this.skipString()
        continue
      }
      if (character === '{' || character === '[') depth++
      else if (character === '}' || character === ']') depth--
      if (depth === 0 && !'}]'.includes(character)) this.skipWord()
      else this.at++
    } while (depth > 0)
  }

  skipString(): void {
    this.at++
    for (;;) {
      const character = this.text[this.at]
      if (character === undefined) return
      this.at += character === '\\' ? 2 : 1
      if (character === '"') return
    }
  }

  skipWord(): void {
    while (this.at < this.text.length && !',]} \t\r\n'.includes(this.text[this.at] as string)) this.at++
  }
}

/**
 * Outside of strings, JSON has one colon a member and nowhere else. No pattern reads the strings: on one of many
 * megabytes the engine runs out of stack.
 */
function membersOfObjects(text: string): ReadonlyMap<number, number> {
  const members = new Map<number, number>()
  const open: number[] = []
  let inString = false
  for (let at = 0; at < text.length; at++) {
    const character = text[at]
    if (inString && character === '\\') at++
    else if (character === '"') inString = !inString
    else if (inString) continue
    else if (character === '{') {
      open.push(at)
      members.set(at, 0)
    } else if (character === '}') open.pop()
    else if (character === ':') members.set(open.at(-1) ?? -1, (members.get(open.at(-1) ?? -1) ?? 0) + 1)
  }
  return members
}
