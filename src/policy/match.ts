/**
 * Which calls a rule is about: upstream, method and tool, before any condition.
 *
 * An allowing rule matches exactly, character by character. A restricting rule also matches a name that a lenient
 * server could take for the same: other case, full-width letters, a decomposed accent. So `deny delete_user` with
 * `allow *` does not let `Delete_User` through, and `allow read_file` does not let `Read_File` through either.
 */
import type { Effect } from './decision.ts'
import { globMatches, isLiteral } from './glob.ts'

export interface Match {
  readonly upstream?: readonly string[] | undefined
  readonly method?: readonly string[] | undefined
  readonly tool?: readonly string[] | undefined
}

export interface Target {
  readonly upstream: string
  readonly method: string
  readonly tool: string | null
}

/** A rule without `method` is about tools/call only: nobody who writes `tool: "*"` thinks of resources. */
export const TOOL_CALLS: readonly string[] = ['tools/call']

export function matcher(match: Match, effect: Effect): (target: Target) => boolean {
  const names = effect === 'allow' ? exactly : generously
  const upstream = match.upstream ? exactly(match.upstream) : always
  const method = names(match.method ?? TOOL_CALLS)
  const tool = match.tool ? names(match.tool) : always
  return (target) => {
    if (!upstream(target.upstream) || !method(target.method)) return false
    return match.tool === undefined || (target.tool !== null && tool(target.tool))
  }
}

/** Whether it could be about a call of this upstream. */
export function matchesUpstream({ upstream }: Match, name: string): boolean {
  return upstream === undefined || exactly(upstream)(name)
}

const always = () => true

function exactly(patterns: readonly string[]): (name: string) => boolean {
  const literals = new Set(patterns.filter(isLiteral))
  const globs = patterns.filter((pattern) => !isLiteral(pattern))
  return (name) => literals.has(name) || globs.some((glob) => globMatches(glob, name))
}

function generously(patterns: readonly string[]): (name: string) => boolean {
  const as = exactly(patterns)
  const folded = exactly(patterns.map(fold))
  return (name) => as(name) || folded(fold(name))
}

function fold(name: string): string {
  return name.normalize('NFKC').toLowerCase()
}

/** True only where it is certain that the rule of `wide` is about every call that the rule of `narrow` is about. */
export function coverage(wide: Match): (narrow: Match) => boolean {
  const upstream = patternCoverage(wide.upstream)
  const method = patternCoverage(wide.method ?? TOOL_CALLS)
  const tool = patternCoverage(wide.tool)
  return (narrow) => {
    // Where `wide` names tools, methods without a tool are not its own.
    if (wide.tool !== undefined && narrow.tool === undefined) return false
    return upstream(narrow.upstream) && method(narrow.method ?? TOOL_CALLS) && tool(narrow.tool)
  }
}

function patternCoverage(wide: readonly string[] | undefined): (narrow: readonly string[] | undefined) => boolean {
  if (wide === undefined || wide.includes('*')) return always
  const same = new Set(wide)
  const matches = exactly(wide)
  return (narrow) => narrow?.every((pattern) => same.has(pattern) || (isLiteral(pattern) && matches(pattern))) === true
}
