/**
 * Reads a YAML file that people write, strictly: one document, no duplicate keys (which of two would count?), no
 * tags, no anchors (a file of 1 kB can unfold to gigabytes, and a policy should read as it is written).
 *
 * `${NAME}` and `${NAME:-default}` are put into string values after parsing, so that a variable's value can hold any
 * character and still never becomes YAML. Keys take no variables: names of upstreams and rules stay greppable.
 */
import { isMap, isScalar, isSeq, LineCounter, type Node, type Pair, parseDocument } from 'yaml'
import type { JsonValue } from '../json/value.ts'
import { type Path, type Problem, pathText } from './problems.ts'

/** Settings and policies of thousands of rules stay below; what is larger was not written by people. */
export const FILE_CHARS_MAX = 1024 * 1024
/** Deeper than any setting, and far from where recursion runs out of stack. */
export const YAML_DEPTH_MAX = 64

const SYNTAX_PROBLEMS_MAX = 5

export type Environment = Readonly<Record<string, string | undefined>>

export interface YamlFile {
  readonly ok: true
  readonly value: JsonValue
  /** The line of the value at this path, or of the nearest thing around it that is there. */
  lineOf(path: Path): number | null
}

export type ReadYaml = YamlFile | { readonly ok: false; readonly problems: readonly Problem[] }

/** Without `env`, `${…}` stays as it is: policies and their tests take nothing from the environment. */
export function readYaml(text: string, options: { readonly env?: Environment } = {}): ReadYaml {
  if (text.length > FILE_CHARS_MAX) {
    const cure = `Keep it below ${FILE_CHARS_MAX} characters.`
    return { ok: false, problems: [{ path: '', line: null, message: 'the file is too large', cure }] }
  }
  const lines = new LineCounter()
  const document = parse(text, lines)
  if (document === null) {
    const cure = `Keep it below ${YAML_DEPTH_MAX} levels.`
    return { ok: false, problems: [{ path: '', line: null, message: 'the file is nested too deeply', cure }] }
  }
  const lineAt = (offset: number | undefined): number | null =>
    offset === undefined ? null : lines.linePos(offset).line
  // One mistake can make the parser complain on every line that follows.
  const complaints = [...document.errors, ...document.warnings].slice(0, SYNTAX_PROBLEMS_MAX)
  const problems: Problem[] = complaints.map((error) => ({
    path: '',
    line: lineAt(error.pos[0]),
    message: SYNTAX_MESSAGES[error.code] ?? 'not valid YAML here',
    cure: SYNTAX_CURES[error.code] ?? `Correct the YAML (${error.code}).`,
  }))
  if (problems.length > 0) return { ok: false, problems }

  const walk = new Walk(lineAt, options.env)
  walk.node(document.contents, [])
  if (walk.problems.length > 0) return { ok: false, problems: walk.problems }
  const value = (document.toJS({ maxAliasCount: 0 }) ?? null) as JsonValue
  return { ok: true, value, lineOf: (path) => walk.lineOf(path) }
}

/** Null where nesting runs the parser, which recurses, out of stack. */
function parse(text: string, lineCounter: LineCounter) {
  try {
    return parseDocument(text, {
      version: '1.2',
      schema: 'core',
      uniqueKeys: true,
      merge: false,
      strict: true,
      prettyErrors: false,
      lineCounter,
    })
  } catch (cause) {
    if (cause instanceof RangeError) return null
    throw cause
  }
}

const SYNTAX_MESSAGES: Readonly<Record<string, string>> = {
  DUPLICATE_KEY: 'this key is here twice',
  MULTIPLE_DOCS: 'the file has more than one document',
  RESOURCE_EXHAUSTION: 'the file is nested too deeply',
  TAB_AS_INDENT: 'a tab indents this line',
  TAG_RESOLVE_FAILED: 'YAML tags are not used here',
}
const SYNTAX_CURES: Readonly<Record<string, string>> = {
  DUPLICATE_KEY: 'Keep one of them.',
  MULTIPLE_DOCS: 'Remove everything from the second --- on.',
  RESOURCE_EXHAUSTION: `Keep it below ${YAML_DEPTH_MAX} levels.`,
  TAB_AS_INDENT: 'Indent with spaces.',
  TAG_RESOLVE_FAILED: 'Remove the tag; quote the value where it starts with an exclamation mark.',
}

/** One pass over the tree: notes lines, refuses what the header says, puts variables in. */
class Walk {
  readonly problems: Problem[] = []
  readonly #lines = new Map<string, number>()
  readonly #lineAt: (offset: number | undefined) => number | null
  readonly #env: Environment | undefined

  constructor(lineAt: (offset: number | undefined) => number | null, env: Environment | undefined) {
    this.#lineAt = lineAt
    this.#env = env
  }

  node(node: unknown, path: Path): void {
    if (node === null || node === undefined) return
    if (!isMap(node) && !isSeq(node) && !isScalar(node)) {
      this.#refuse(node as Node, path, 'YAML aliases are not used here', 'Write the value out.')
      return
    }
    this.#note(node, path)
    if (node.anchor) this.#refuse(node, path, 'YAML anchors are not used here', 'Write the value out.')
    if (path.length > YAML_DEPTH_MAX) this.#refuse(node, path, 'nested too deeply', 'Make it flatter.')
    else if (isScalar(node)) this.#scalar(node as { value: unknown }, path)
    else if (isSeq(node)) for (const [at, item] of node.items.entries()) this.node(item, [...path, at])
    else for (const pair of node.items) this.#pair(pair as Pair, path)
  }

  /** The value's own line, else its parent's: a missing key is reported where it should stand. */
  lineOf(path: Path): number | null {
    for (let length = path.length; length > 0; length--) {
      const line = this.#lines.get(pathText(path.slice(0, length)))
      if (line !== undefined) return line
    }
    return null
  }

  #pair(pair: Pair, path: Path): void {
    if (!isScalar(pair.key) || typeof pair.key.value === 'object') {
      this.#refuse(pair.key as Node, path, 'a key must be one plain word', 'Quote it if it has special characters.')
      return
    }
    const key = String(pair.key.value)
    if (key === '__proto__') {
      // An object's `__proto__` means something else to JavaScript than to whoever wrote it.
      this.#refuse(pair.key, path, 'the key __proto__ is refused', 'Choose another name.')
      return
    }
    this.#note(pair.key, [...path, key])
    this.node(pair.value, [...path, key])
  }

  #scalar(scalar: { value: unknown }, path: Path): void {
    if (this.#env === undefined || typeof scalar.value !== 'string') return
    const { text, problems } = interpolate(scalar.value, this.#env)
    scalar.value = text
    for (const problem of problems) this.problems.push({ path: pathText(path), line: this.lineOf(path), ...problem })
  }

  #note(node: { readonly range?: readonly number[] | null | undefined }, path: Path): void {
    const line = this.#lineAt(node.range?.[0])
    const key = pathText(path)
    if (line !== null && !this.#lines.has(key)) this.#lines.set(key, line)
  }

  #refuse(
    node: { readonly range?: readonly number[] | null | undefined } | null,
    path: Path,
    message: string,
    cure: string,
  ): void {
    this.problems.push({ path: pathText(path), line: this.#lineAt(node?.range?.[0]), message, cure })
  }
}

/** `$${` is a literal `${`. A default has no `}` and no variables of its own. */
const PLACEHOLDER = /\$\$\{|\$\{(?:([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\})?/g

const MALFORMED = {
  message: `a $\{ that is not $\{NAME} or $\{NAME:-default}`,
  cure: `Name one variable in letters, digits and _; write $$\{ for a literal $\{.`,
}

type Interpolated = { readonly text: string; readonly problems: readonly { message: string; cure: string }[] }

export function interpolate(text: string, env: Environment): Interpolated {
  const problems: { message: string; cure: string }[] = []
  const result = text.replace(PLACEHOLDER, (whole: string, name: string | undefined, fallback: string | undefined) => {
    if (whole === `$$\{`) return `$\{`
    if (name === undefined) {
      problems.push(MALFORMED)
      return whole
    }
    const value = Object.hasOwn(env, name) ? env[name] : undefined
    // As in a shell, `:-` also covers a variable that is set to nothing.
    if (fallback !== undefined) return value === undefined || value === '' ? fallback : value
    if (value !== undefined) return value
    problems.push({
      message: `the environment has no ${name}`,
      cure: `Set ${name}, or give a default: \${${name}:-default}.`,
    })
    return ''
  })
  return { text: result, problems }
}
