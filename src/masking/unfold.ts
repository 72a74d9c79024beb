/**
 * A text as its reader may finally see it: percent-encoding (RFC 3986 §2.1), JSON and JavaScript escapes undone, and
 * the characters that show nothing left out. Secrets hide behind all three. One layer is undone, not layers of layers.
 *
 * Only for looking: what is found is masked in the original text, at the places that `at` gives.
 */
export interface Unfolded {
  readonly text: string
  /** By place in `text`: the place in the original; one more for the end. */
  readonly at: Uint32Array
}

/** Soft hyphen, joiners, direction marks, variation selectors and the like. */
const INVISIBLE = /[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]|\u034f|[\ufe00-\ufe0f]/
const ESCAPE =
  /\\u([0-9a-fA-F]{4})|\\x([0-9a-fA-F]{2})|\\(["'\\/bfnrt])|%([0-7][0-9a-fA-F])|((?:%[c-fC-F][0-9a-fA-F])(?:%[89abAB][0-9a-fA-F]){1,3})/
const FOLDED_ONCE = new RegExp(`${ESCAPE.source}|${INVISIBLE.source}`)
const FOLDED = new RegExp(FOLDED_ONCE.source, 'g')
const SHORT: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' }

/** Whether an ASCII text may have something to undo. Native searches: this is asked of every text. */
export function isFolded(text: string): boolean {
  return text.includes('\\') || text.includes('%')
}

/** Null: the text is as it looks. */
export function unfold(text: string): Unfolded | null {
  if (!FOLDED_ONCE.test(text)) return null
  const at = new Uint32Array(text.length + 1)
  const pieces: string[] = []
  let length = 0
  let from = 0
  const keep = (to: number) => {
    for (let place = from; place < to; place++) at[length++] = place
    pieces.push(text.slice(from, to))
  }
  for (const match of text.matchAll(FOLDED)) {
    keep(match.index)
    const characters = meant(match)
    for (let unit = 0; unit < characters.length; unit++) at[length++] = match.index
    pieces.push(characters)
    from = match.index + match[0].length
  }
  keep(text.length)
  at[length] = text.length
  return { text: pieces.join(''), at }
}

/** What an escape stands for; nothing for an invisible character. */
function meant([, unicode, byte, short, percent, sequence]: RegExpMatchArray): string {
  const hex = unicode ?? byte ?? percent
  if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16))
  if (sequence !== undefined) return decoded(sequence)
  return short === undefined ? '' : (SHORT[short] ?? short)
}

/** Percent-encoded UTF-8, or as it is where that is no UTF-8. */
function decoded(sequence: string): string {
  try {
    return decodeURIComponent(sequence)
  } catch {
    return sequence
  }
}
