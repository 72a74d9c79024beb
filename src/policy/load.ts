/**
 * The policy file → a policy that can be trusted: every problem at once, and only after the file's own tests passed.
 *
 * A policy whose tests fail is not loaded: whoever wrote them said what must hold, and it does not.
 */
import { createHash } from 'node:crypto'
import type { PolicyVersion } from '../brands.ts'
import { isEmail } from '../config/fields.ts'
import { type Path, type Problem, problem, say, suggestion, zodProblems } from '../config/problems.ts'
import { readYaml, type YamlFile } from '../config/yaml-file.ts'
import { canonicalJson } from '../json/canonical.ts'
import type { AccessRule } from './access-rules.ts'
import { approvalBlock } from './approval-block.ts'
import { type ApprovalBlock, type ApprovalSurroundings, approvalTerms } from './approval-terms.ts'
import { type Condition, Conditions } from './conditions.ts'
import type { ApprovalTerms, Decision } from './decision.ts'
import { type CompiledPolicy, compilePolicy, type Rule } from './evaluate.ts'
import { isLiteral } from './glob.ts'
import { coverage, TOOL_CALLS } from './match.ts'
import { type AccessRuleFile, type PolicyFile, policyFile, type RuleFile } from './policy-file.ts'
import { runPolicyTests } from './run-tests.ts'

/** What the policy's names are checked against: the settings say what there is. */
export interface PolicySurroundings extends ApprovalSurroundings {
  /** The policy file's name, for messages; nothing is read from the disk here. */
  readonly file: string
  readonly upstreams: readonly string[]
}

export type LoadedPolicy =
  | { readonly ok: true; readonly policy: CompiledPolicy; readonly warnings: readonly Problem[] }
  | { readonly ok: false; readonly problems: readonly Problem[] }

/** Part of the version: the same file means something else once this file's rules of reading it change. */
const ENGINE = 'countersign-policy/1'

export function loadPolicy(text: string, surroundings: PolicySurroundings): LoadedPolicy {
  const yaml = readYaml(text)
  if (!yaml.ok) return yaml
  const parsed = policyFile.safeParse(yaml.value)
  if (!parsed.success) return { ok: false, problems: zodProblems(parsed.error, yaml.lineOf) }
  const loader = new Loader(yaml, surroundings)
  const rules = parsed.data.rules.map((rule, at) => loader.rule(rule, at))
  const access = parsed.data.access.map((entry, at) => loader.accessRule(entry, at))
  loader.testNames(parsed.data)
  if (loader.problems.length > 0) return { ok: false, problems: loader.problems }

  const policy = compilePolicy(rules, loader.conditions, versionOf(yaml), access)
  const failures = runPolicyTests(policy, parsed.data.tests)
  for (const { at, message, cure } of failures) loader.add(['tests', at], say(message, cure))
  if (failures.length > 0) return { ok: false, problems: loader.problems }
  return { ok: true, policy, warnings: unreachable(rules, yaml) }
}

/** Over the parsed file: comments and spacing change nothing, and neither does the order of keys. */
function versionOf(yaml: YamlFile): PolicyVersion {
  const digest = createHash('sha256')
    .update(`${ENGINE}\n${canonicalJson(yaml.value)}`)
    .digest('hex')
  return digest as PolicyVersion
}

class Loader {
  readonly problems: Problem[] = []
  readonly conditions = new Conditions()
  readonly #yaml: YamlFile
  readonly #surroundings: PolicySurroundings
  readonly #ids = new Set<string>()

  constructor(yaml: YamlFile, surroundings: PolicySurroundings) {
    this.#yaml = yaml
    this.#surroundings = surroundings
  }

  add(path: Path, message: string): void {
    this.problems.push(problem(path, message, this.#yaml.lineOf))
  }

  rule(rule: RuleFile, at: number): Rule {
    const path = ['rules', at]
    if (this.#ids.has(rule.id)) this.add([...path, 'id'], say('another rule has this id', 'Give each rule its own.'))
    this.#ids.add(rule.id)
    this.#match(rule, path)
    const approval = this.#approval(rule, path)
    const condition = rule.when === undefined ? null : this.#condition(rule.when, [...path, 'when'])
    const decision = { effect: rule.effect, rule: rule.id, reason: rule.reason ?? null, approval }
    return {
      id: rule.id,
      effect: rule.effect,
      match: rule.match,
      condition,
      decision: Object.freeze<Decision>(decision),
    }
  }

  /** Ids are shared with the rules: cards, recordings and refusals name either in the same place. */
  accessRule(entry: AccessRuleFile, at: number): AccessRule {
    const path = ['access', at]
    if (this.#ids.has(entry.id)) this.add([...path, 'id'], say('another rule has this id', 'Give each rule its own.'))
    this.#ids.add(entry.id)
    this.#match({ match: entry.match, effect: 'allow' }, path)
    for (const [index, name] of entry.for.entries()) this.#group(name, [...path, 'for', index])
    const terms = this.#accessTerms(entry, path)
    const { id, match, for: askers, longest: longestMs, reason = null } = entry
    return Object.freeze<AccessRule>({ id, match, for: askers, terms, longestMs, reason })
  }

  /** How long access lasts, whoever asks for it chooses; and no grant opens another. */
  #accessTerms({ approval: block = approvalBlock.parse({}) }: AccessRuleFile, path: Path): ApprovalTerms {
    const cure = 'Remove it; longest says for how long access may be asked for.'
    if (block.allow_for.length > 0) {
      this.add([...path, 'approval', 'allow_for'], say('is for calls, and this is about access', cure))
    }
    if (block.accepts_grants !== undefined) {
      this.add([...path, 'approval', 'accepts_grants'], say('is for calls, and this is about access', cure))
    }
    return this.#terms({ ...block, allow_for: [], accepts_grants: false }, path)
  }

  testNames(file: PolicyFile): void {
    const ids = [...this.#ids]
    for (const [at, test] of file.tests.entries()) {
      this.#known(test.call.upstream, this.#surroundings.upstreams, 'upstream', ['tests', at, 'call', 'upstream'])
      const { rule } = test.expect
      if (rule === undefined || rule === 'default' || rule.startsWith('builtin:')) continue
      this.#known(rule, ids, 'rule', ['tests', at, 'expect', 'rule'])
    }
  }

  #match({ match, effect }: Pick<RuleFile, 'match' | 'effect'>, path: Path): void {
    for (const [at, name] of (match.upstream ?? []).entries()) {
      if (isLiteral(name))
        this.#known(name, this.#surroundings.upstreams, 'upstream', [...path, 'match', 'upstream', at])
    }
    const methods = match.method ?? TOOL_CALLS
    if (effect === 'require_approval' && methods.some((method) => method !== 'tools/call')) {
      const cure = 'Leave method out, and deny or allow the other methods by rules of their own.'
      this.add([...path, 'match', 'method'], say('only tools/call can be put to people', cure))
    }
    if (match.tool !== undefined && !methods.some((method) => !isLiteral(method) || method === 'tools/call')) {
      this.add([...path, 'match', 'tool'], say('these methods have no tool', 'Remove tool, or add method: tools/call.'))
    }
  }

  #approval(rule: RuleFile, path: Path): ApprovalTerms | null {
    if (rule.effect !== 'require_approval') {
      if (rule.approval !== undefined) {
        this.add([...path, 'approval'], say('this rule asks nobody', 'Remove it, or use effect: require_approval.'))
      }
      return null
    }
    return this.#terms(rule.approval ?? approvalBlock.parse({}), path)
  }

  #terms(block: ApprovalBlock, path: Path): ApprovalTerms {
    const add = (within: Path, message: string) => this.add([...path, 'approval', ...within], message)
    return Object.freeze(approvalTerms(block, this.#surroundings, add))
  }

  #condition(expression: string, path: Path): Condition | null {
    const compiled = this.conditions.compile(expression)
    if (compiled.ok) return compiled.condition
    for (const { at, message, cure } of compiled.problems) {
      const where = at === null ? '' : ` (line ${at.line}, column ${at.column} of the condition)`
      this.add(path, say(`${message}${where}`, cure))
    }
    return null
  }

  #group(name: string, path: Path): void {
    if (!isEmail(name)) this.#known(name, this.#surroundings.groups, 'group', path)
  }

  #known(name: string, known: readonly string[], what: string, path: Path): void {
    if (!known.includes(name)) this.add(path, say(`unknown ${what} ${name}`, suggestion(name, known)))
  }
}

/** Each is compared with each rule, so that more would make the start slow for a hint. */
const COMPARED_MAX = 1_000

/** Only what is certain: a rule without a condition that is about all of a later or weaker rule's calls. */
function unreachable(rules: readonly Rule[], yaml: YamlFile): Problem[] {
  const order = ['deny', 'require_approval', 'allow']
  const rank = (rule: Rule) => order.indexOf(rule.effect)
  const wide = rules
    .map((rule, at) => ({ rule, at, covers: coverage(rule.match) }))
    .filter(({ rule }) => rule.condition === null)
    .slice(0, COMPARED_MAX)
  return rules.flatMap((rule, at) => {
    const before = wide.find((other) => {
      const ahead = rank(other.rule) < rank(rule) || (other.rule.effect === rule.effect && other.at < at)
      return ahead && other.covers(rule.match)
    })
    if (before === undefined) return []
    const message = `rule ${rule.id} never decides: ${before.rule.id} comes first for all of its calls`
    return [problem(['rules', at], say(message, 'Remove one, or give the first a condition.'), yaml.lineOf)]
  })
}
