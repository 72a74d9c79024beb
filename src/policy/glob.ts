/**
 * `*` (any run of characters, also none) and `?` (one code unit) over names; nothing else is special.
 *
 * Our own, because a pattern turned into a regular expression backtracks: `*a*a*a*b` against 256 times `a` would take
 * minutes. Here each literal stretch is found once, left to right, and never given back, so that the work is at most
 * pattern × name; both are short (GLOB_CHARS_MAX, NAME_CHARS_MAX).
 */

export const GLOB_CHARS_MAX = 256

export function isLiteral(pattern: string): boolean {
  return !/[*?]/.test(pattern)
}

export function globMatches(pattern: string, name: string): boolean {
  const [head = '', ...rest] = pattern.split('*')
  if (rest.length === 0) return name.length === head.length && stretchAt(head, name, 0)
  const tail = rest.pop() as string
  const end = name.length - tail.length
  if (end < head.length || !stretchAt(head, name, 0) || !stretchAt(tail, name, end)) return false
  let from = head.length
  for (const stretch of rest) {
    const at = findStretch(stretch, name, from, end)
    if (at === -1) return false
    from = at + stretch.length
  }
  return true
}

function findStretch(stretch: string, name: string, from: number, end: number): number {
  for (let at = from; at + stretch.length <= end; at++) if (stretchAt(stretch, name, at)) return at
  return -1
}

function stretchAt(stretch: string, name: string, at: number): boolean {
  for (let i = 0; i < stretch.length; i++) {
    if (stretch[i] !== '?' && stretch[i] !== name[at + i]) return false
  }
  return true
}
