/**
 * Who may ask for elevated access to what, on whose approval and for how long: the policy file's `access`.
 *
 * An entry opens a door, so it matches like an allowing rule: character by character, and only where it covers every
 * tool that is asked for. Where no entry does, nobody can ask; an approver can't grant what policy doesn't offer. What
 * a grant passes is policy's own affair still: rules are asked at each call (grant/standing.ts).
 */
import type { ApprovalTerms } from './decision.ts'
import { type Match, matcher, matchesUpstream } from './match.ts'

export interface AccessRule {
  readonly id: string
  readonly match: Pick<Match, 'upstream' | 'tool'>
  /** Groups or e-mail addresses that may ask; empty: any full member of the channel. */
  readonly for: readonly string[]
  readonly terms: ApprovalTerms
  readonly longestMs: number
  readonly reason: string | null
}

export interface AccessTarget {
  readonly upstream: string
  /** `*` alone: all of them, also those that the upstream will list later. */
  readonly tools: readonly string[]
}

/** In the order of the file; the first that is for the person who asks decides. */
export function accessRulesFor(rules: readonly AccessRule[], { upstream, tools }: AccessTarget): readonly AccessRule[] {
  if (tools.length === 0) return []
  return rules.filter((rule) => {
    const matches = matcher(rule.match, 'allow')
    const coversAll = rule.match.tool === undefined || rule.match.tool.includes('*')
    return tools.every((tool) =>
      tool === '*'
        ? coversAll && matchesUpstream(rule.match, upstream)
        : matches({ upstream, method: 'tools/call', tool }),
    )
  })
}

/** Those that could be about some tool of this upstream. */
export function accessRulesOn(rules: readonly AccessRule[], upstream: string): readonly AccessRule[] {
  return rules.filter(({ match }) => matchesUpstream(match, upstream))
}
