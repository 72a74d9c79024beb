/**
 * Reads JSON so that nobody downstream can read the same bytes differently.
 *
 * We judge what JSON.parse made of a body, and forward the body's bytes. Wherever two readers of one text may differ
 * (RFC 8259 §4 and §6 leave it open; RFC 7493, I-JSON, closes it), an agent could have one thing approved and another
 * done: the last or the first of two equal keys, 9007199254740993 exact or rounded, half a surrogate pair kept or
 * replaced. Such a text is refused, never repaired.
 *
 * One scan over the bytes checks the grammar and those rules; only then JSON.parse builds the value. The scan comes
 * first because its limits must hold before anything is allocated, and both must agree: whatever JSON.parse refuses
 * is refused here too.
 */
import type { JsonValue } from './value.ts'

export interface StrictOptions {
  /**
   * `exact`, the default, is for what we judge. `any` is for answers: the agent gets their own text, in which masking
   * changed strings alone (splice.ts), so a 64-bit id that our double rounds still arrives whole.
   */
  readonly numbers: 'exact' | 'any'
  /** Arrays and objects within each other. 64: no MCP message comes near it, and recursion over it is safe everywhere. */
  readonly maxDepth: number
  /** Members of one object. 10,000: bounds the set that finds equal keys. */
  readonly maxKeys: number
}

export const STRICT_DEFAULTS: StrictOptions = { numbers: 'exact', maxDepth: 64, maxKeys: 10_000 }

export type JsonProblemCode =
  | 'bad_utf8'
  | 'bom'
  | 'syntax'
  | 'duplicate_key'
  | 'unsafe_number'
  | 'lone_surrogate'
  | 'too_deep'
  | 'too_many_keys'
  | 'forbidden_key'

export interface JsonProblem {
  readonly code: JsonProblemCode
  /** Names the path and what is wrong there; never a value. */
  readonly message: string
  /** Bytes from the start. */
  readonly offset: number
}

export type StrictResult =
  | { readonly ok: true; readonly value: JsonValue }
  | { readonly ok: false; readonly problem: JsonProblem }

/** `ignoreBOM: true` means "do not strip it": a BOM is refused below, not swallowed. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function parseStrict(bytes: Uint8Array, options: Partial<StrictOptions> = STRICT_DEFAULTS): StrictResult {
  // RFC 8259 §8.1: must not be added; a reader may ignore it, so readers differ.
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return refuse('bom', '$: starts with a BOM', 0)
  const text = decode(bytes)
  if (text === null) return refuse('bad_utf8', '$: not valid UTF-8', firstBadByte(bytes))
  const problem = new Scan(bytes, { ...STRICT_DEFAULTS, ...options }).run()
  if (problem) return { ok: false, problem }
  try {
    return { ok: true, value: JSON.parse(text) as JsonValue }
  } catch {
    // The scan found nothing, so this can't happen; if it does, the text is refused all the same.
    return refuse('syntax', '$: not JSON', 0)
  }
}

function refuse(code: JsonProblemCode, message: string, offset: number): StrictResult {
  return { ok: false, problem: { code, message, offset } }
}

function decode(bytes: Uint8Array): string | null {
  try {
    return utf8.decode(bytes)
  } catch {
    return null
  }
}

/** The lenient decoder writes U+FFFD where the strict one stopped; before that place both agree byte for byte. */
function firstBadByte(bytes: Uint8Array): number {
  const lenient = new TextEncoder().encode(new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes))
  const at = lenient.findIndex((byte, index) => byte !== bytes[index])
  return at === -1 ? bytes.length : at
}

const QUOTE = 0x22
const COMMA = 0x2c
const MINUS = 0x2d
const DOT = 0x2e
const ZERO = 0x30
const NINE = 0x39
const COLON = 0x3a
const OPEN_ARRAY = 0x5b
const BACKSLASH = 0x5c
const CLOSE_ARRAY = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d
const LOWER_U = 0x75

/** Up to so many keys are compared pairwise by their bytes, which is cheaper than a set and bounded. */
const PAIRWISE_KEYS_MAX = 16
/** Every decimal of 15 significant digits survives a double (IEEE 754 binary64: DBL_DIG). */
const SAFE_DIGITS_MAX = 15
/** Characters of one key that a message repeats. */
const SHOWN_KEY_MAX = 40

/** The methods answer the offset behind what they read, or -1 once `problem` is set. */
class Scan {
  readonly bytes: Uint8Array
  readonly options: StrictOptions
  problem: JsonProblem | null = null
  /** Where the keys of all open objects start and end, innermost last; each object gives its `keys` back at its end. */
  readonly starts: number[] = []
  readonly ends: number[] = []
  keys = 0
  /** One step for each of the `level` open values: an array's index, or `~slot` of the member's key. */
  readonly path: number[] = []
  level = 0
  /** Whether the string read last had an escape. */
  escaped = false

  constructor(bytes: Uint8Array, options: StrictOptions) {
    this.bytes = bytes
    this.options = options
  }

  run(): JsonProblem | null {
    const end = this.value(0, 0)
    if (end >= 0 && this.space(end) !== this.bytes.length) this.fail('syntax', 'something follows the value', end)
    return this.problem
  }

  fail(code: JsonProblemCode, what: string, offset: number): -1 {
    this.problem = { code, message: `${this.where()}: ${what}`, offset }
    return -1
  }

  space(from: number): number {
    let at = from
    for (;;) {
      const byte = this.bytes[at]
      if (byte !== undefined && byte > 0x20) return at
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return at
      at++
    }
  }

  value(from: number, depth: number): number {
    const at = this.space(from)
    switch (this.bytes[at]) {
      case QUOTE:
        return this.string(at)
      case OPEN_OBJECT:
        return this.object(at, depth + 1)
      case OPEN_ARRAY:
        return this.array(at, depth + 1)
      case 0x74:
        return this.word(at, 'true')
      case 0x66:
        return this.word(at, 'false')
      case 0x6e:
        return this.word(at, 'null')
      default:
        return this.number(at)
    }
  }

  word(at: number, word: string): number {
    for (let index = 1; index < word.length; index++) {
      if (this.bytes[at + index] !== word.charCodeAt(index)) return this.fail('syntax', 'expected a value', at)
    }
    return at + word.length
  }

  array(open: number, depth: number): number {
    if (depth > this.options.maxDepth) return this.tooDeep(open)
    let at = this.space(open + 1)
    if (this.bytes[at] === CLOSE_ARRAY) return at + 1
    for (let index = 0; ; index++) {
      this.path[depth - 1] = index
      this.level = depth
      at = this.value(at, depth)
      if (at < 0) return at
      at = this.space(at)
      const next = this.bytes[at]
      if (next !== COMMA && next !== CLOSE_ARRAY) return this.fail('syntax', 'expected "," or "]" behind it', at)
      at++
      this.level = depth - 1
      if (next === CLOSE_ARRAY) return at
    }
  }

  object(open: number, depth: number): number {
    if (depth > this.options.maxDepth) return this.tooDeep(open)
    const first = this.keys
    let at = this.space(open + 1)
    if (this.bytes[at] === CLOSE_OBJECT) return at + 1
    let seen: Set<string> | null = null
    for (;;) {
      at = this.key(at)
      if (at < 0) return at
      this.path[depth - 1] = ~(this.keys - 1)
      this.level = depth
      if (seen === null && (this.escaped || this.keys - first > PAIRWISE_KEYS_MAX)) seen = this.setOf(first)
      if (!this.admitKey(first, seen)) return -1
      at = this.space(at)
      if (this.bytes[at] !== COLON) return this.fail('syntax', 'expected ":" behind the key', at)
      at = this.value(at + 1, depth)
      if (at < 0) return at
      at = this.space(at)
      const next = this.bytes[at]
      if (next !== COMMA && next !== CLOSE_OBJECT) return this.fail('syntax', 'expected "," or "}" behind it', at)
      at++
      this.level = depth - 1
      if (next === COMMA) continue
      this.keys = first
      return at
    }
  }

  tooDeep(at: number): -1 {
    return this.fail('too_deep', `more than ${this.options.maxDepth} levels deep`, at)
  }

  key(from: number): number {
    const start = this.space(from)
    if (this.bytes[start] !== QUOTE) return this.fail('syntax', 'expected a key in quotes', start)
    const end = this.string(start)
    if (end < 0) return end
    this.starts[this.keys] = start + 1
    this.ends[this.keys] = end - 1
    this.keys++
    return end
  }

  /** The keys of the innermost object before the one read last, as they read once unescaped. */
  setOf(first: number): Set<string> {
    const seen = new Set<string>()
    for (let slot = first; slot < this.keys - 1; slot++) seen.add(this.keyAt(slot))
    return seen
  }

  admitKey(first: number, seen: Set<string> | null): boolean {
    const slot = this.keys - 1
    const offset = (this.starts[slot] as number) - 1
    const key = seen ? this.keyAt(slot) : null
    if (slot - first >= this.options.maxKeys) {
      this.fail('too_many_keys', `more than ${this.options.maxKeys} members in one object`, offset)
    } else if (key === '__proto__' || (key === null && this.isProto(slot))) {
      // JSON.parse makes it an own member; code that copies members by assignment would set the prototype instead.
      this.fail('forbidden_key', 'this key is not accepted', offset)
    } else if (seen && key !== null ? seen.has(key) : this.repeats(first, slot)) {
      this.fail('duplicate_key', 'the key appears twice in one object', offset)
    } else if (seen && key !== null) {
      seen.add(key)
    }
    return this.problem === null
  }

  /** For a key without an escape: any other was looked up in the set. */
  isProto(slot: number): boolean {
    const start = this.starts[slot] as number
    return this.bytes[start] === 0x5f && (this.ends[slot] as number) - start === 9 && this.keyAt(slot) === '__proto__'
  }

  /** Compares bytes; right only while no key of the object has an escape, which is when `seen` takes over. */
  repeats(first: number, slot: number): boolean {
    const start = this.starts[slot] as number
    const length = (this.ends[slot] as number) - start
    for (let other = first; other < slot; other++) {
      const otherStart = this.starts[other] as number
      if ((this.ends[other] as number) - otherStart !== length) continue
      let same = 0
      while (same < length && this.bytes[otherStart + same] === this.bytes[start + same]) same++
      if (same === length) return true
    }
    return false
  }

  string(open: number): number {
    const { bytes } = this
    const { length } = bytes
    this.escaped = false
    let at = open + 1
    while (at < length) {
      const byte = bytes[at] as number
      if (byte === QUOTE) return at + 1
      if (byte === BACKSLASH) {
        this.escaped = true
        at = this.escape(at)
        if (at < 0) return at
      } else if (byte < 0x20) {
        return this.fail('syntax', 'a control character in a string', at)
      } else {
        at++
      }
    }
    return this.fail('syntax', 'a string does not end', open)
  }

  escape(at: number): number {
    const letter = this.bytes[at + 1]
    if (letter !== LOWER_U) {
      return isShortEscape(letter) ? at + 2 : this.fail('syntax', 'an unknown escape in a string', at)
    }
    const unit = this.hex(at + 2)
    if (unit < 0) return this.fail('syntax', 'expected four hexadecimal digits behind \\u', at)
    if (unit < 0xd800 || unit > 0xdfff) return at + 6
    const isPair = unit < 0xdc00 && this.bytes[at + 6] === BACKSLASH && this.bytes[at + 7] === LOWER_U
    const second = isPair ? this.hex(at + 8) : -1
    if (second < 0xdc00 || second > 0xdfff) {
      return this.fail('lone_surrogate', 'half of a surrogate pair in a string', at)
    }
    return at + 12
  }

  /** Four hexadecimal digits, or -1. */
  hex(at: number): number {
    let value = 0
    for (let index = at; index < at + 4; index++) {
      const digit = hexDigit(this.bytes[index])
      if (digit < 0) return -1
      value = value * 16 + digit
    }
    return value
  }

  number(start: number): number {
    const bytes = this.bytes
    let at = bytes[start] === MINUS ? start + 1 : start
    const integer = at
    at = this.digits(at)
    if (at === integer) return this.fail('syntax', 'expected a value', start)
    if (bytes[integer] === ZERO && at > integer + 1) return this.fail('syntax', 'a number with a leading zero', start)
    if (bytes[at] === DOT) {
      const fraction = at + 1
      at = this.digits(fraction)
      if (at === fraction) return this.fail('syntax', 'expected digits behind the decimal point', start)
    }
    const mantissa = at
    if (bytes[at] === 0x65 || bytes[at] === 0x45) {
      at++
      if (bytes[at] === 0x2b || bytes[at] === MINUS) at++
      const exponent = at
      at = this.digits(exponent)
      if (at === exponent) return this.fail('syntax', 'expected digits in the exponent', start)
    }
    const isSafe = (at === mantissa && at - integer <= SAFE_DIGITS_MAX) || this.options.numbers === 'any'
    if (isSafe || survives(latin1(bytes, start, at))) return at
    return this.fail('unsafe_number', 'a number that a 64-bit float cannot hold', start)
  }

  digits(from: number): number {
    let at = from
    for (;;) {
      const byte = this.bytes[at]
      if (byte === undefined || byte < ZERO || byte > NINE) return at
      at++
    }
  }

  keyAt(slot: number): string {
    const quoted = this.bytes.subarray((this.starts[slot] as number) - 1, (this.ends[slot] as number) + 1)
    return JSON.parse(utf8.decode(quoted)) as string
  }

  /** `$.params.arguments["a b"][3]`, for people. */
  where(): string {
    const steps = this.path.slice(0, this.level)
    return `$${steps.map((step) => (step < 0 ? shownKey(this.keyAt(~step)) : `[${step}]`)).join('')}`
  }
}

function shownKey(key: string): string {
  if (/^[A-Za-z_$][\w$-]{0,39}$/.test(key)) return `.${key}`
  const short = key.length > SHOWN_KEY_MAX ? `${key.slice(0, SHOWN_KEY_MAX)}…` : key
  return `[${JSON.stringify(short)}]`
}

function isShortEscape(letter: number | undefined): boolean {
  switch (letter) {
    case QUOTE:
    case BACKSLASH:
    case 0x2f: // slash
    case 0x62: // b
    case 0x66: // f
    case 0x6e: // n
    case 0x72: // r
    case 0x74: // t
      return true
    default:
      return false
  }
}

function hexDigit(byte: number | undefined): number {
  if (byte === undefined) return -1
  if (byte >= ZERO && byte <= NINE) return byte - ZERO
  const letter = byte | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  let text = ''
  for (let at = start; at < end; at++) text += String.fromCharCode(bytes[at] as number)
  return text
}

/**
 * Whether readers with doubles, with big integers and with decimals agree on this literal, as far as a whole number
 * is concerned. Digits far behind the decimal point may be lost, as in every JSON reader; whole numbers may not.
 */
function survives(literal: string): boolean {
  const value = Number(literal)
  if (!Number.isFinite(value)) return false
  const [mantissa = ''] = literal.split(/[eE]/)
  if (value === 0) return !/[1-9]/.test(mantissa) // 1e-400 is not nothing
  if (Math.abs(value) <= Number.MAX_SAFE_INTEGER) return true
  // 2^53 and more, written out: some read an exact integer, some a double. 1e300 reads the same everywhere.
  if (/^-?\d+$/.test(literal)) return false
  const [kept = ''] = value.toExponential().split('e')
  return significant(mantissa) === significant(kept)
}

function significant(mantissa: string): string {
  return mantissa.replace(/[-.]/g, '').replace(/^0+|0+$/g, '')
}
