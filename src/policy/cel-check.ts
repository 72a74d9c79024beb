/**
 * What can be known of a condition before any call: names that do not exist, functions that do not exist, patterns
 * that do not compile, nesting that costs too much. The package parses CEL but checks no types or names; without
 * this a misspelt variable would fail at each call, and so silently turn a rule into "always" or "never".
 */
import type { parse } from '@bufbuild/cel'

export type Expression = ReturnType<typeof parse>['expr']
type Call = Extract<Expression['exprKind'], { case: 'callExpr' }>['value']
type Struct = Extract<Expression['exprKind'], { case: 'structExpr' }>['value']
type Comprehension = Extract<Expression['exprKind'], { case: 'comprehensionExpr' }>['value']

export interface Finding {
  /** The expression's id in the parser's table of positions. */
  readonly id: bigint
  readonly message: string
  readonly cure: string
}

export interface CheckOptions {
  readonly functions: (name: string) => boolean
  /** Compiles a pattern; the message where it does not. */
  readonly pattern: (pattern: string) => string | null
  readonly nearest: (name: string, known: readonly string[]) => string
}

/** `null`: any field, because its maker decides them. */
const VARIABLES: Readonly<Record<string, readonly string[] | null>> = {
  mcp: ['method', 'tool', 'params'],
  'mcp.tool': ['name', 'arguments'],
  jwt: null,
  upstream: [],
  principal: ['issuer', 'subject', 'client', 'email', 'groups', 'scopes'],
  tool: ['annotations'],
  now: [],
}
const ROOTS = Object.keys(VARIABLES).filter((name) => !name.includes('.'))

/** Types that can be named, as in `type(x) == string`. */
const TYPES = new Set(['int', 'uint', 'double', 'bool', 'string', 'bytes', 'list', 'map', 'null_type', 'type'])

/** Calls that the planner carries out itself, so that no function has their name. */
const PLANNED = new Set(['_&&_', '_||_', '_?_:_', '_[_]', '@not_strictly_false'])

/** An expression that people can still read; also keeps every walk far from the end of the stack. */
export const CONDITION_DEPTH_MAX = 64
/** `a.all(x, b.all(y, …))` is where lists of a call meet each other; a third level has no honest use. */
export const COMPREHENSIONS_NESTED_MAX = 2

export interface Checked {
  readonly findings: readonly Finding[]
  /** The variables that it reads, each as far as it names their fields: `mcp.params.uri`, but `mcp` in `mcp["params"]`. */
  readonly reads: readonly ReadPath[]
}

/** By segments: a field's name may hold a dot. */
export type ReadPath = readonly string[]

export function checkExpression(expression: Expression, options: CheckOptions): Checked {
  const check = new Checker(options)
  check.visit(expression, { depth: 1, comprehensions: 0, locals: new Set(), isRead: false })
  return { findings: check.findings, reads: check.reads }
}

interface Place {
  readonly depth: number
  readonly comprehensions: number
  readonly locals: ReadonlySet<string>
  /** Part of a path that is among the reads already. */
  readonly isRead: boolean
}

class Checker {
  readonly findings: Finding[] = []
  readonly reads: ReadPath[] = []
  readonly #options: CheckOptions

  constructor(options: CheckOptions) {
    this.#options = options
  }

  visit(expression: Expression | undefined, place: Place): void {
    if (expression === undefined) return
    const { exprKind: kind, id } = expression
    if (place.depth > CONDITION_DEPTH_MAX) {
      this.#find(id, 'nested too deeply', `Keep it below ${CONDITION_DEPTH_MAX} levels.`)
      return
    }
    const inner = { ...place, depth: place.depth + 1, isRead: false }
    const path = place.isRead ? undefined : segmentsOf(expression)
    if (path !== undefined && ROOTS.includes(path[0] as string) && !place.locals.has(path[0] as string)) {
      this.reads.push(path)
    }
    if (kind.case === 'identExpr') this.#name(id, kind.value.name, place)
    else if (kind.case === 'selectExpr') this.#field(expression, place)
    else if (kind.case === 'callExpr') this.#call(id, kind.value, inner)
    else if (kind.case === 'structExpr') this.#struct(id, kind.value, inner)
    else if (kind.case === 'comprehensionExpr') this.#comprehension(id, kind.value, inner)
    if (kind.case === 'selectExpr') {
      this.visit(kind.value.operand, { ...inner, isRead: place.isRead || path !== undefined })
    }
    if (kind.case === 'listExpr') for (const element of kind.value.elements) this.visit(element, inner)
  }

  #struct(id: bigint, struct: Struct, inner: Place): void {
    if (struct.messageName !== '') this.#find(id, 'messages are not used here', 'Use maps, like {"a": 1}.')
    for (const entry of struct.entries) {
      if (entry.keyKind.case === 'mapKey') this.visit(entry.keyKind.value, inner)
      this.visit(entry.value, inner)
    }
  }

  #name(id: bigint, name: string, place: Place): void {
    if (place.locals.has(name) || TYPES.has(name)) return
    if (!ROOTS.includes(name)) this.#find(id, `unknown variable ${name}`, this.#options.nearest(name, ROOTS))
  }

  /** `mcp.tol`: known maps have known fields. */
  #field(expression: Expression, place: Place): void {
    if (expression.exprKind.case !== 'selectExpr') return
    const { operand, field } = expression.exprKind.value
    const path = pathOf(operand)
    const root = path?.split('.')[0]
    if (path === undefined || root === undefined || place.locals.has(root)) return
    const known = Object.hasOwn(VARIABLES, path) ? VARIABLES[path] : null
    if (!known || known.includes(field)) return
    const cure = known.length === 0 ? `${path} has no fields.` : this.#options.nearest(field, known)
    this.#find(expression.id, `${path} has no field ${field}`, cure)
  }

  #call(id: bigint, call: Call, place: Place): void {
    this.visit(call.target, place)
    for (const argument of call.args) this.visit(argument, place)
    if (!PLANNED.has(call.function) && !this.#options.functions(call.function)) {
      this.#find(id, `unknown function ${call.function}`, 'Use a function of CEL or of its strings extension.')
    }
    if (call.function === 'matches') this.#pattern(id, call)
  }

  /** The pattern must be there when the policy is loaded: then it is checked, compiled once, and not the agent's. */
  #pattern(id: bigint, call: Call): void {
    const kind = call.args[0]?.exprKind
    const constant = kind?.case === 'constExpr' ? kind.value.constantKind : undefined
    if (constant?.case !== 'stringValue' || call.target === undefined) {
      this.#find(id, 'matches() needs its pattern as a text', 'Write value.matches("pattern").')
      return
    }
    const message = this.#options.pattern(constant.value)
    if (message !== null) this.#find(id, `the pattern of matches() is refused: ${message}`, 'Correct the RE2 pattern.')
  }

  #comprehension(id: bigint, value: Comprehension, place: Place): void {
    this.visit(value.iterRange, place)
    this.visit(value.accuInit, place)
    const comprehensions = place.comprehensions + 1
    if (comprehensions > COMPREHENSIONS_NESTED_MAX) {
      const cure = `Nest all(), exists(), map() and filter() at most ${COMPREHENSIONS_NESTED_MAX} deep.`
      this.#find(id, 'too many lists inside each other', cure)
      return
    }
    const locals = new Set([...place.locals, value.iterVar, value.iterVar2, value.accuVar])
    const inside = { ...place, comprehensions, locals }
    this.visit(value.loopCondition, inside)
    this.visit(value.loopStep, inside)
    this.visit(value.result, inside)
  }

  #find(id: bigint, message: string, cure: string): void {
    this.findings.push({ id, message, cure })
  }
}

/** `mcp.tool` for the expression that says so; undefined for any other. */
function pathOf(expression: Expression | undefined): string | undefined {
  if (expression?.exprKind.case === 'identExpr') return expression.exprKind.value.name
  if (expression?.exprKind.case !== 'selectExpr' || expression.exprKind.value.testOnly) return undefined
  const parent = pathOf(expression.exprKind.value.operand)
  return parent === undefined ? undefined : `${parent}.${expression.exprKind.value.field}`
}

/** The whole chain of names, also under `has()`; undefined where it begins with anything but a name. */
function segmentsOf(expression: Expression | undefined): ReadPath | undefined {
  if (expression?.exprKind.case === 'identExpr') return [expression.exprKind.value.name]
  if (expression?.exprKind.case !== 'selectExpr') return undefined
  const parent = segmentsOf(expression.exprKind.value.operand)
  return parent === undefined ? undefined : [...parent, expression.exprKind.value.field]
}
