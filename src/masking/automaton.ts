/**
 * Finds every keyword of every detector in one pass (Aho and Corasick, 1975), so that a text without secrets costs
 * two table look-ups a character however many detectors there are.
 *
 * Letters are folded to one case and digits to one class, which keeps the table within the processor's cache and lets
 * the keyword `0000` mean any four digits. States are stored multiplied by the row's width, and the accepting ones
 * come last, so that the loop needs one addition, one load and one comparison.
 */
export interface Keyword {
  readonly owner: number
  readonly length: number
}

export interface Automaton {
  readonly classOf: Uint8Array
  readonly next: Uint16Array
  /** The first accepting state. */
  readonly accepting: number
  /** By state: the keywords that end there. */
  readonly found: ReadonlyMap<number, readonly Keyword[]>
}

/** Whatever is in no keyword, and everything beyond ASCII. */
const OTHER = 0
const ASCII = 128

interface Node {
  readonly children: Map<number, Node>
  readonly keywords: Keyword[]
  fail: Node | null
  state: number
}

/** `keywords[owner]` are that owner's. Lower-case ASCII, digits only as `0`. */
export function buildAutomaton(keywords: readonly (readonly string[])[]): Automaton {
  const { classOf, width } = classes(keywords.flat())
  const root = node()
  keywords.forEach((list, owner) => {
    for (const keyword of list) insert(root, keyword, classOf, { owner, length: keyword.length })
  })
  const order = linkFailures(root)
  const plain = order.filter((each) => each.keywords.length === 0)
  const accepting = order.filter((each) => each.keywords.length > 0)
  const states = [...plain, ...accepting]
  if (states.length * width > 0xffff) throw new RangeError('too many keywords for 16-bit states')
  states.forEach((each, index) => {
    each.state = index * width
  })
  const next = new Uint16Array(states.length * width)
  // Breadth first: the failure's row, which lies nearer to the root, is complete before it is copied.
  for (const each of order) {
    if (each.fail) next.copyWithin(each.state, each.fail.state, each.fail.state + width)
    for (const [symbol, child] of each.children) next[each.state + symbol] = child.state
  }
  const found = new Map(accepting.map((each) => [each.state, each.keywords]))
  return { classOf, next, accepting: plain.length * width, found }
}

/**
 * Whether the text has no keyword and nothing beyond ASCII, which is most text: the loop that everything runs through,
 * so it calls nothing and allocates nothing.
 */
export function isPlain(automaton: Automaton, text: string): boolean {
  const { classOf, next, accepting } = automaton
  let state = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code >= ASCII) return false
    state = next[state + (classOf[code] as number)] as number
    if (state >= accepting) return false
  }
  return true
}

/** Calls `onKeyword` for each keyword's end, left to right. */
export function scan(automaton: Automaton, text: string, onKeyword: (keyword: Keyword, end: number) => void): void {
  const { classOf, next, accepting, found } = automaton
  let state = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    state = next[state + (code < ASCII ? (classOf[code] as number) : OTHER)] as number
    if (state >= accepting) for (const keyword of found.get(state) as Keyword[]) onKeyword(keyword, at + 1)
  }
}

function node(): Node {
  return { children: new Map(), keywords: [], fail: null, state: 0 }
}

function classes(keywords: readonly string[]): { classOf: Uint8Array; width: number } {
  const classOf = new Uint8Array(ASCII).fill(OTHER)
  let width = OTHER + 1
  for (const character of new Set(keywords.join(''))) {
    const code = character.charCodeAt(0)
    if (code >= ASCII || /[A-Z1-9]/.test(character)) throw new RangeError(`not usable in a keyword: ${character}`)
    const members = character === '0' ? [...'0123456789'] : [character, character.toUpperCase()]
    for (const member of members) classOf[member.charCodeAt(0)] = width
    width++
  }
  return { classOf, width }
}

function insert(root: Node, word: string, classOf: Uint8Array, keyword: Keyword): void {
  let at = root
  for (const character of word) {
    const symbol = classOf[character.charCodeAt(0)] as number
    const child = at.children.get(symbol) ?? node()
    at.children.set(symbol, child)
    at = child
  }
  at.keywords.push(keyword)
}

/** Every node, breadth first, each linked to its longest proper suffix and given that suffix's keywords too. */
function linkFailures(root: Node): Node[] {
  const order = [root]
  for (const parent of order) {
    for (const [symbol, child] of parent.children) {
      let fallback = parent.fail
      while (fallback && !fallback.children.has(symbol)) fallback = fallback.fail
      child.fail = fallback?.children.get(symbol) ?? root
      child.keywords.push(...child.fail.keywords)
      order.push(child)
    }
  }
  return order
}
