/**
 * Decides one message. deny beats require_approval beats allow beats the default (deny); among equals the first in
 * the file decides.
 *
 *   a name that nobody can see whole   builtin:invalid-name, denied: no rule's author thought of it
 *   a denying rule                     denied
 *   a handshake method                 builtin:handshake, allowed: without it no client can even ask
 *   a rule that asks for approval      require_approval
 *   an allowing rule                   allowed
 *   nothing                            default, denied
 *
 * A condition that fails counts as true where its rule restricts and as false where it allows. `evaluate` never throws.
 *
 * Rules are looked up by upstream, method and tool, and the few that are about them are remembered, so that a thousand
 * rules cost what three do; a rule without a condition costs nothing, and ends the list.
 */
import type { PolicyVersion } from '../brands.ts'
import { RESPONSE_METHOD, SESSION_END_METHOD, STREAM_METHOD } from '../mcp/message.ts'
import type { AccessRule } from './access-rules.ts'
import type { CallScope, Condition, Conditions } from './conditions.ts'
import type { ApprovalTerms, Decision, Effect, OutlookInput, Policy, PolicyInput } from './decision.ts'
import { type Match, matcher, matchesUpstream, type Target } from './match.ts'
import { decisionsForOwner, outlookOf } from './outlook.ts'

export interface Rule {
  readonly id: string
  readonly effect: Effect
  readonly match: Match
  readonly condition: Condition | null
  /** What it says where it decides. */
  readonly decision: Decision
}

export interface RuleSummary {
  readonly id: string
  readonly effect: Effect
  readonly match: Match
  readonly conditional: boolean
  readonly reason: string | null
}

export interface CompiledPolicy extends Policy {
  /** In the order of the file. */
  readonly rules: readonly RuleSummary[]
  /** Whether a condition reads `tool.annotations`: the gateway must then know the definitions of tools. */
  readonly needsToolDefinition: boolean
  /** Who may ask for elevated access to what; in the order of the file. */
  readonly access: readonly AccessRule[]
  /** Every room that something may be put to people in, by a rule, an escalation or `access`: `slack:C0123`. */
  readonly rooms: readonly string[]
  /**
   * What a call of some agent of this principal's owner may come to, strictest first; of the principal only the e-mail
   * counts. Pure, like `outlook`.
   */
  decisionsForOwner(input: OutlookInput): readonly Decision[]
}

/** What every client needs before it can call anything, and tells nothing that a rule would guard. */
export const HANDSHAKE_METHODS: ReadonlySet<string> = new Set([
  'initialize',
  'notifications/initialized',
  'ping',
  'server/discover',
  'tools/list',
  'notifications/cancelled',
  'notifications/progress',
  SESSION_END_METHOD,
  STREAM_METHOD,
  // It answers what the server asked within a call that policy let through, on a session bound to this principal.
  RESPONSE_METHOD,
])

/** MCP 2025-11-25, tools: names SHOULD have at most 128 characters. Twice that is no name any more. */
export const NAME_CHARS_MAX = 256
/** Remembered look-ups. An agent that invents names only makes its own calls look rules up again. */
export const TARGETS_REMEMBERED_MAX = 4_096

const DEFAULT_DECISION: Decision = Object.freeze({ effect: 'deny', rule: 'default', reason: null, approval: null })
const HANDSHAKE: Decision = Object.freeze({ effect: 'allow', rule: 'builtin:handshake', reason: null, approval: null })
const INVALID_NAME: Decision = Object.freeze({
  effect: 'deny',
  rule: 'builtin:invalid-name',
  reason: `The name is missing, longer than ${NAME_CHARS_MAX} characters, or has characters that cannot be seen.`,
  approval: null,
})

const PRECEDENCE: Readonly<Record<Effect, number>> = { deny: 0, require_approval: 1, allow: 2 }

/** What may apply to one target, in the order of precedence, and what holds if none of it does. */
interface Candidates {
  readonly conditional: readonly (Rule & { readonly condition: Condition })[]
  readonly otherwise: Decision
}

export function compilePolicy(
  rules: readonly Rule[],
  conditions: Conditions,
  version: PolicyVersion,
  access: readonly AccessRule[] = [],
): CompiledPolicy {
  const index = new RuleIndex(rules)
  return Object.freeze({
    version,
    evaluate: (input: PolicyInput) => decide(index.candidates(input), conditions, input),
    outlook: (input: OutlookInput) => outlookOf(index.candidates(input), conditions, input),
    access,
    rooms: roomsNamed([...rules.map(({ decision }) => decision.approval), ...access.map(({ terms }) => terms)]),
    decisionsForOwner: (input: OutlookInput) => decisionsForOwner(index.candidates(input), conditions, input),
    // Only tools/call can be put to people: load.ts refuses any other rule that asks for approval.
    canHold: (upstream: string) =>
      rules.some(({ effect, match }) => effect === 'require_approval' && matchesUpstream(match, upstream)),
    rules: rules.map(({ id, effect, match, condition, decision }) =>
      Object.freeze({ id, effect, match, conditional: condition !== null, reason: decision.reason }),
    ),
    needsToolDefinition: rules.some((rule) => rule.condition?.reads.some(([root]) => root === 'tool') === true),
  })
}

function roomsNamed(asked: readonly (ApprovalTerms | null)[]): readonly string[] {
  const terms = asked.filter((one) => one !== null)
  const later = terms.flatMap(({ steps }) => steps.flatMap((step) => (step.type === 'escalate' ? step.rooms : [])))
  return [...new Set([...terms.flatMap(({ rooms }) => rooms), ...later])]
}

function decide({ conditional, otherwise }: Candidates, conditions: Conditions, input: PolicyInput): Decision {
  let scope: CallScope | null = null
  for (const rule of conditional) {
    scope ??= conditions.scope(input)
    const answer = rule.condition.test(scope)
    if (answer === 'true' || (answer === 'failed' && rule.effect !== 'allow')) return rule.decision
  }
  return otherwise
}

class RuleIndex {
  readonly #rules: readonly { readonly rule: Rule; readonly matches: (target: Target) => boolean }[]
  readonly #remembered = new Map<string, Candidates>()

  constructor(rules: readonly Rule[]) {
    // A stable sort: the order of the file decides among equals.
    const ordered = [...rules].sort((a, b) => PRECEDENCE[a.effect] - PRECEDENCE[b.effect])
    this.#rules = ordered.map((rule) => ({ rule, matches: matcher(rule.match, rule.effect) }))
  }

  candidates(target: Target): Candidates {
    if (!isVisibleName(target.method) || !hasRightTool(target)) return { conditional: [], otherwise: INVALID_NAME }
    // No name here has a line feed: `isVisibleName`, and the settings for upstreams.
    const key = `${target.upstream}\n${target.method}\n${target.tool ?? ''}`
    let found = this.#remembered.get(key)
    if (found === undefined) {
      found = this.#find(target)
      if (this.#remembered.size >= TARGETS_REMEMBERED_MAX) this.#forgetOldest()
      this.#remembered.set(key, found)
    }
    return found
  }

  #find(target: Target): Candidates {
    const conditional: (Rule & { condition: Condition })[] = []
    const handshake = HANDSHAKE_METHODS.has(target.method)
    for (const { rule, matches } of this.#rules) {
      if (handshake && rule.effect !== 'deny') break
      if (!matches(target)) continue
      const { condition } = rule
      if (condition === null) return { conditional, otherwise: rule.decision }
      conditional.push({ ...rule, condition })
    }
    return { conditional, otherwise: handshake ? HANDSHAKE : DEFAULT_DECISION }
  }

  #forgetOldest(): void {
    for (const key of this.#remembered.keys()) {
      this.#remembered.delete(key)
      return
    }
  }
}

/** A tools/call has a tool's name, and nothing else has. */
function hasRightTool({ method, tool }: Target): boolean {
  return method === 'tools/call' ? tool !== null && isVisibleName(tool) : tool === null
}

/** \p{C}: control, format (zero-width, bidirectional), surrogates, private use, unassigned; \p{Z}: spaces of all kinds. */
const INVISIBLE = /[\p{C}\p{Zl}\p{Zp}]|^\p{Z}|\p{Z}$/u

function isVisibleName(name: string): boolean {
  return name !== '' && name.length <= NAME_CHARS_MAX && !INVISIBLE.test(name)
}
