/**
 * Splits canonical JSON into the rows that a card shows, by its text and never by its numbers.
 *
 * What people read must be what the fingerprint covers. `JSON.parse` and back would round 9007199254740993, and would
 * move keys that look like integers to the front; so tokens are cut from the text and only strings are decoded.
 * The input is our own canonical JSON, well-formed and bounded in depth by the strict reader; anything else is shown
 * as it stands, in one row.
 */
export interface ArgumentRow {
  readonly name: string
  readonly value: string
}

/** Shorter values stay on one line. Characters. */
const ONE_LINE_MAX = 72
/** Longer values stay compact: indenting multiplies their length by their depth. Characters. */
const INDENTED_MAX = 16_384
/** Deeper levels are indented no further. */
const INDENT_LEVELS_MAX = 16

const TOKEN = /"(?:[^"\\]|\\.)*"|[[\]{},:]|[^\s[\]{},:"]+/gsu

export function argumentRows(argumentsJson: string): readonly ArgumentRow[] {
  const tokens = argumentsJson.match(TOKEN) ?? []
  if (argumentsJson === 'null') return []
  if (tokens[0] !== '{' || tokens.join('') !== argumentsJson) return [whole(argumentsJson)]
  const rows: ArgumentRow[] = []
  let at = 1
  while (tokens[at] !== '}') {
    const name = decoded(tokens[at])
    if (name === null || tokens[at + 1] !== ':') return [whole(argumentsJson)]
    const end = endOfValue(tokens, at + 2)
    if (end === null) return [whole(argumentsJson)]
    rows.push({ name, value: shown(tokens.slice(at + 2, end)) })
    at = tokens[end] === ',' ? end + 1 : end
  }
  return at === tokens.length - 1 ? rows : [whole(argumentsJson)]
}

function whole(json: string): ArgumentRow {
  return { name: '(all)', value: json }
}

/** The index of the `,` or `}` behind the value that starts at `from`; null where the text ends before. */
function endOfValue(tokens: readonly string[], from: number): number | null {
  let depth = 0
  for (let at = from; at < tokens.length; at += 1) {
    const token = tokens[at]
    if (depth === 0 && (token === ',' || token === '}')) return at > from ? at : null
    if (token === '{' || token === '[') depth += 1
    if (token === '}' || token === ']') depth -= 1
  }
  return null
}

function shown(value: readonly string[]): string {
  if (value.length === 1) return decoded(value[0]) ?? value[0] ?? ''
  const compact = value.join('')
  return compact.length <= ONE_LINE_MAX || compact.length > INDENTED_MAX ? compact : indented(value)
}

function indented(tokens: readonly string[]): string {
  let text = ''
  let depth = 0
  const newLine = () => `\n${'  '.repeat(Math.min(depth, INDENT_LEVELS_MAX))}`
  tokens.forEach((token, at) => {
    const previous = tokens[at - 1]
    const closes = token === '}' || token === ']'
    if (closes) depth -= 1
    const afterOpening = previous === '{' || previous === '['
    if (closes ? !afterOpening : afterOpening || previous === ',') text += newLine()
    text += token === ':' ? ': ' : token
    if (token === '{' || token === '[') depth += 1
  })
  return text
}

function decoded(token: string | undefined): string | null {
  if (token === undefined || !token.startsWith('"')) return null
  try {
    const value: unknown = JSON.parse(token)
    return typeof value === 'string' ? value : null
  } catch {
    return null
  }
}
