/**
 * Sets or removes members of one object in a JSON text and copies every other member as it stands: an argument that a
 * double would round must reach its server unrounded although a member beside it was ours.
 */

/** JSON texts by key; null removes the member, and a key that the object doesn't have is added at its end. */
export type MemberChanges = Readonly<Record<string, string | null>>

/**
 * @param text JSON that strict reading accepted, so that no key stands twice
 * @param path keys from the outermost object to the one that changes; where there is no such object, nothing changes
 */
export function editMembers(text: string, path: readonly string[], changes: MemberChanges): string {
  let at = skipSpace(text, 0)
  for (const key of path) {
    const member = text[at] === '{' ? membersAt(text, at).find((candidate) => candidate.key === key) : undefined
    if (member === undefined) return text
    at = member.valueAt
  }
  if (text[at] !== '{') return text
  const kept: string[] = []
  const added = new Map(Object.entries(changes))
  for (const { key, keyAt, valueAt, end } of membersAt(text, at)) {
    const change = added.get(key)
    added.delete(key)
    if (change === undefined) kept.push(text.slice(keyAt, end))
    else if (change !== null) kept.push(text.slice(keyAt, valueAt) + change)
  }
  for (const [key, value] of added) if (value !== null) kept.push(`${JSON.stringify(key)}:${value}`)
  return `${text.slice(0, at)}{${kept.join(',')}}${text.slice(skipValue(text, at))}`
}

/** The text of one member's value; null where there is no such member. */
export function memberText(text: string, path: readonly string[]): string | null {
  let at = skipSpace(text, 0)
  for (const key of path) {
    const member = text[at] === '{' ? membersAt(text, at).find((candidate) => candidate.key === key) : undefined
    if (member === undefined) return null
    at = member.valueAt
  }
  return text.slice(at, skipValue(text, at))
}

interface Member {
  readonly key: string
  readonly keyAt: number
  readonly valueAt: number
  readonly end: number
}

/** `at` is the object's brace. */
function membersAt(text: string, at: number): readonly Member[] {
  const members: Member[] = []
  let next = skipSpace(text, at + 1)
  while (text[next] === '"') {
    const keyAt = next
    const keyEnd = skipString(text, keyAt)
    const valueAt = skipSpace(text, skipSpace(text, keyEnd) + 1)
    const end = skipValue(text, valueAt)
    members.push({ key: JSON.parse(text.slice(keyAt, keyEnd)) as string, keyAt, valueAt, end })
    next = skipSpace(text, end)
    if (text[next] === ',') next = skipSpace(text, next + 1)
  }
  return members
}

function skipSpace(text: string, at: number): number {
  let next = at
  while (' \t\r\n'.includes(text[next] ?? 'end')) next++
  return next
}

function skipString(text: string, at: number): number {
  let next = at + 1
  while (next < text.length && text[next] !== '"') next += text[next] === '\\' ? 2 : 1
  return next + 1
}

function skipValue(text: string, at: number): number {
  let depth = 0
  let next = at
  while (next < text.length) {
    const character = text[next] as string
    if (character === '"') next = skipString(text, next)
    else {
      if (depth === 0 && ',]}'.includes(character)) return next
      if ('{['.includes(character)) depth++
      if ('}]'.includes(character)) depth--
      next++
      if (depth === 0 && '}]'.includes(character)) return next
    }
    if (depth === 0 && (character === '"' || ' \t\r\n'.includes(text[next] ?? ' '))) return next
  }
  return next
}
