/**
 * What policy will say of a tool's calls while a grant stands, in one sentence a tool. A grant passes only what policy
 * would have held, and only where the rule accepts grants: what is denied stays denied, and whoever asks must know that
 * before they wait for people.
 *
 * Conditions on arguments, the time or the agent's token may go either way for a call that nobody has made, so that a
 * sentence may name several rules.
 */
import type { Decision } from '../policy/decision.ts'

/** `decisions`: what a call may come to, at least one; see CompiledPolicy. */
export function forecast(tool: string, decisions: readonly Decision[]): string {
  const denied = decisions.filter(({ effect }) => effect === 'deny')
  const held = decisions.filter(({ effect }) => effect === 'require_approval')
  const stubborn = held.filter(({ approval }) => approval?.acceptsGrants === false)
  const isPassed = held.length > stubborn.length
  const isAllowed = decisions.some(({ effect }) => effect === 'allow')
  if (!isPassed && !isAllowed && stubborn.length === 0) return `${tool}: still denied by ${named(denied)}`
  const parts = [
    ...(isPassed ? ['passes without a card'] : []),
    ...(!isPassed && isAllowed ? ['allowed anyway, grant or not'] : []),
    ...(stubborn.length > 0 ? [`still held by ${named(stubborn)}, which accepts no grants`] : []),
    ...(denied.length > 0 ? [`still denied where ${named(denied)} ${denied.length === 1 ? 'says' : 'say'} so`] : []),
  ]
  return `${tool}: ${parts.join('; ')}`
}

const RULES_NAMED_MAX = 3

function named(decisions: readonly Decision[]): string {
  const names = [...new Set(decisions.map(({ rule }) => (rule === 'default' ? 'the default' : `rule ${rule}`)))]
  const more = names.length - RULES_NAMED_MAX
  return names.slice(0, RULES_NAMED_MAX).join(', ') + (more > 0 ? ` and ${more} more` : '')
}
