/**
 * What policy could ever say about a call that nobody has made yet: the principal, the tool and its definition are
 * known, the arguments and the time are not. Lists are made by it, so it must never call impossible what `evaluate`
 * would let through; that it calls possible what no arguments could have allowed is the smaller harm, because each
 * call is judged anew.
 *
 * The rules are walked in the order in which `evaluate` walks them. A condition that reads only what is known is
 * evaluated and decides as it will then; one that reads anything else may go either way, so that both its rule and
 * what follows stay possible.
 *
 * Two things stay outside: a call whose arguments exhaust the work of conditions (work.ts) fails in whatever condition
 * comes next, and a definition that changes after it was listed is another definition.
 */
import { epochMs } from '../brands.ts'
import type { ReadPath } from './cel-check.ts'
import type { CallScope, Condition, Conditions } from './conditions.ts'
import type { Decision, Effect, Outlook, OutlookInput } from './decision.ts'

/** As the index finds them: deny before require_approval before allow, up to the first without a condition. */
interface Candidates {
  readonly conditional: readonly {
    readonly effect: Effect
    readonly condition: Condition
    readonly decision: Decision
  }[]
  readonly otherwise: Decision
}

const IMPOSSIBLE: Outlook = Object.freeze({ possible: false, approval: 'never' })
const ALLOWED: Outlook = Object.freeze({ possible: true, approval: 'never' })
const HELD: Outlook = Object.freeze({ possible: true, approval: 'always' })
const EITHER: Outlook = Object.freeze({ possible: true, approval: 'sometimes' })

export function outlookOf(candidates: Candidates, conditions: Conditions, input: OutlookInput): Outlook {
  const effects = possibleDecisions(candidates, conditions, input, isKnown).map(({ effect }) => effect)
  const mayBeAllowed = effects.includes('allow')
  if (effects.includes('require_approval')) return mayBeAllowed ? EITHER : HELD
  return mayBeAllowed ? ALLOWED : IMPOSSIBLE
}

/** The same where only the owner's e-mail address is known of the principal: whichever of their agents may call. */
export function decisionsForOwner(
  candidates: Candidates,
  conditions: Conditions,
  input: OutlookInput,
): readonly Decision[] {
  return possibleDecisions(candidates, conditions, input, (path, known) =>
    path[0] === 'principal' || path[0] === 'jwt'
      ? path[1] === 'email' && path[0] === 'principal'
      : isKnown(path, known),
  )
}

/** What may come of the call, strictest first: at least one decision. */
function possibleDecisions(
  { conditional, otherwise }: Candidates,
  conditions: Conditions,
  input: OutlookInput,
  isKnownHere: (path: ReadPath, input: OutlookInput) => boolean,
): readonly Decision[] {
  let scope: CallScope | null = null
  const possible: Decision[] = []
  for (const { effect, condition, decision } of conditional) {
    if (!condition.reads.every((path) => isKnownHere(path, input))) {
      possible.push(decision)
      continue
    }
    scope ??= scopeOf(conditions, input)
    const answer = condition.test(scope)
    if (answer === 'true' || (answer === 'failed' && effect !== 'allow')) return [...possible, decision]
  }
  return [...possible, otherwise]
}

/** The conditions that get this scope read neither the time nor a member of `params` that is not known. */
function scopeOf(conditions: Conditions, { params, ...known }: OutlookInput): CallScope {
  return conditions.scope({ ...known, arguments: params, now: epochMs(0) })
}

/** Follows conditions.ts: of a tools/call `mcp.params` always fails, and so does `mcp.tool` of anything else. */
function isKnown([root, field, member]: ReadPath, { method, params }: OutlookInput): boolean {
  if (root !== 'mcp') return root !== 'now'
  if (field === 'method') return true
  if (field === 'tool') return method !== 'tools/call' || member === 'name'
  if (field !== 'params') return false
  return method === 'tools/call' || (member !== undefined && Object.hasOwn(params, member))
}
