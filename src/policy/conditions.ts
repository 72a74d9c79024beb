/**
 * `when`: CEL over one call. Compiled when the policy is loaded, evaluated within a counted amount of work.
 *
 * The answer has three values. `failed` (an error, a missing key, something that is not true or false, too much
 * work) is not false: the rule that asked decides, and a rule that restricts takes it for true.
 */
import { type CelEnv, type CelError, type CelValue, celEnv, celError, parse, plan } from '@bufbuild/cel'
import { suggestion } from '../config/problems.ts'
import { isObject, type JsonObject } from '../json/value.ts'
import { checkExpression, type ReadPath } from './cel-check.ts'
import { conditionFunctions, Patterns } from './cel-functions.ts'
import { assertRecognised, celRecord, celValue } from './cel-values.ts'
import type { PolicyInput } from './decision.ts'
import { Work } from './work.ts'

/** A screenful. A condition longer than that wants to be several rules. */
export const CONDITION_CHARS_MAX = 2_000

export type Answer = 'true' | 'false' | 'failed'

export interface Condition {
  /** The variables that decide it: see cel-check.ts. */
  readonly reads: readonly ReadPath[]
  test(call: CallScope): Answer
}

export interface ConditionProblem {
  /** 1-based, within the expression. */
  readonly at: { readonly line: number; readonly column: number } | null
  readonly message: string
  readonly cure: string
}

export type CompiledCondition =
  | { readonly ok: true; readonly condition: Condition }
  | { readonly ok: false; readonly problems: readonly ConditionProblem[] }

/** The variables of one call, made as conditions reach for them, and the work that its conditions may still do. */
export interface CallScope {
  readonly work: Work
  readonly variables: Variables
}

type Variables = Readonly<Record<'mcp' | 'jwt' | 'upstream' | 'principal' | 'tool' | 'now', CelValue | CelError>>

export class Conditions {
  readonly #patterns = new Patterns()
  readonly #env: CelEnv
  readonly #timestamp: (context: { text: string }) => CelValue | CelError
  /** Of the decision under way: evaluation is synchronous, so there is never a second one. */
  #work = new Work()

  constructor() {
    assertRecognised(this.#work)
    this.#env = celEnv({ funcs: conditionFunctions(this.#patterns, () => this.#work) })
    this.#timestamp = plan(this.#env, parse('timestamp(text)')) as (context: { text: string }) => CelValue | CelError
  }

  compile(expression: string): CompiledCondition {
    if (expression.length > CONDITION_CHARS_MAX) {
      const cure = `Keep it below ${CONDITION_CHARS_MAX} characters; several rules read better.`
      return { ok: false, problems: [{ at: null, message: 'the condition is too long', cure }] }
    }
    let parsed: ReturnType<typeof parse>
    try {
      parsed = parse(expression)
    } catch (error) {
      return { ok: false, problems: [syntaxProblem(error)] }
    }
    const { findings, reads } = checkExpression(parsed.expr, {
      functions: (name) => this.#env.funcs.find(name) !== undefined,
      pattern: (pattern) => this.#patterns.add(pattern),
      nearest: suggestion,
    })
    if (findings.length === 0) return this.#plan(parsed, reads)
    const positions = parsed.sourceInfo?.positions ?? {}
    const problems = findings.map(({ id, message, cure }) => {
      return { at: lineAndColumn(expression, positions[String(id)]), message, cure }
    })
    return { ok: false, problems }
  }

  #plan(parsed: ReturnType<typeof parse>, reads: readonly ReadPath[]): CompiledCondition {
    const evaluate = plan(this.#env, parsed) as (context: Variables) => CelValue | CelError
    const test = ({ work, variables }: CallScope): Answer => {
      this.#work = work
      return withoutStacks(() => {
        const result = evaluate(variables)
        // `a || b` forgets an error in `a` where `b` is true; running out of work is not forgotten.
        if (work.exceeded || typeof result !== 'boolean') return 'failed'
        return result ? 'true' : 'false'
      })
    }
    return { ok: true, condition: { reads, test } }
  }

  scope(input: PolicyInput): CallScope {
    const work = new Work()
    return { work, variables: new CallVariables(input, work, (text) => this.#timestamp({ text })) }
  }
}

/**
 * In CEL an error is a value: `all()` may make one an entry. Nobody reads their stacks, and with them 50,000 errors
 * took over a second.
 */
function withoutStacks(answer: () => Answer): Answer {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    return answer()
  } catch {
    return 'failed'
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}

// Made once: an error with its stack costs more than the rest of a decision.
const PARAMS_NOT_OBJECT = celError('the params are not an object')
const ARGUMENTS_NOT_OBJECT = celError('the arguments are not an object')
const NOT_TOOLS_CALL = celError('this is not a tools/call')
const NO_PARAMS = celError('a tools/call has mcp.tool.arguments')
const NO_NAME = celError('the tool has no name')
const NO_DEFINITION = celError('the tool’s definition is not known')
const ANNOTATIONS_NOT_OBJECT = celError('the tool’s annotations are not an object')

class CallVariables implements Variables {
  readonly #input: PolicyInput
  readonly #work: Work
  readonly #timestamp: (text: string) => CelValue | CelError
  #mcp: CelValue | undefined
  #principal: CelValue | undefined

  constructor(input: PolicyInput, work: Work, timestamp: (text: string) => CelValue | CelError) {
    this.#input = input
    this.#work = work
    this.#timestamp = timestamp
  }

  get mcp(): CelValue {
    this.#mcp ??= this.#makeMcp()
    return this.#mcp
  }

  get jwt(): CelValue {
    return celValue(this.#input.principal.claims, this.#work)
  }

  get upstream(): CelValue {
    return this.#input.upstream
  }

  get principal(): CelValue {
    const { issuer, subject, client, email, groups, scopes } = this.#input.principal
    this.#principal ??= celRecord({
      issuer,
      subject,
      client,
      email,
      groups: celValue([...groups], this.#work),
      scopes: celValue([...scopes], this.#work),
    })
    return this.#principal
  }

  /** Unknown is not "has no annotations": a condition that asks fails where the definition is not known. */
  get tool(): CelValue | CelError {
    const { toolDefinition } = this.#input
    if (toolDefinition === null) return NO_DEFINITION
    const { annotations } = toolDefinition
    if (annotations === undefined) return celRecord({ annotations: celValue({}, this.#work) })
    if (!isObject(annotations)) return ANNOTATIONS_NOT_OBJECT
    return celRecord({ annotations: celValue(annotations, this.#work) })
  }

  get now(): CelValue | CelError {
    return this.#timestamp(new Date(this.#input.now).toISOString())
  }

  #makeMcp(): CelValue {
    const { method, tool } = this.#input
    if (method !== 'tools/call') {
      const params = this.#objectOr(PARAMS_NOT_OBJECT)
      return celRecord({ method, params, tool: NOT_TOOLS_CALL })
    }
    const args = this.#objectOr(ARGUMENTS_NOT_OBJECT)
    const params = NO_PARAMS
    return celRecord({ method, params, tool: celRecord({ name: tool ?? NO_NAME, arguments: args }) })
  }

  /** MCP: `arguments` and `params` are objects, and may be left out. */
  #objectOr(otherwise: CelError): CelValue | CelError {
    const given = this.#input.arguments
    const object: JsonObject | null = given === null ? {} : isObject(given) ? given : null
    return object === null ? otherwise : celValue(object, this.#work)
  }
}

function syntaxProblem(error: unknown): ConditionProblem {
  const cure = 'Correct the CEL expression.'
  const known = error as { rawMessage?: unknown; location?: { start?: { line?: unknown; column?: unknown } } }
  if (typeof known.rawMessage !== 'string') {
    return { at: null, message: 'the condition is nested too deeply', cure: 'Make it flatter.' }
  }
  const { line, column } = known.location?.start ?? {}
  const at = typeof line === 'number' && typeof column === 'number' ? { line, column } : null
  return { at, message: `not valid CEL: ${known.rawMessage}`, cure }
}

function lineAndColumn(expression: string, offset: number | undefined): ConditionProblem['at'] {
  if (offset === undefined) return null
  const before = expression.slice(0, offset).split('\n')
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 }
}
