/**
 * The emergency stop: while it is frozen, no call of an agent, to an upstream, or at all goes through, whatever policy
 * or a grant says. A freeze also ends what was open: its approvals are cancelled and its grants revoked.
 */

import { visible } from '../approval/visible.ts'
import type { EpochMs } from '../brands.ts'
import { suggestion } from '../config/problems.ts'
import type { StandingGrant } from '../grant/standing.ts'
import { namesOf } from '../identity/principal.ts'
import type { Reviewer } from '../people/reviewer.ts'

export type FreezeScope =
  | { readonly kind: 'all' }
  | { readonly kind: 'upstream'; readonly upstream: string }
  /** All agents of one person: by the owner's e-mail, or by the token's subject. Lower case. */
  | { readonly kind: 'agent'; readonly owner: string }

export interface Freeze {
  readonly scope: FreezeScope
  readonly by: Reviewer
  readonly at: EpochMs
  readonly reason: string | null
}

/** Shown to agents and people; more is cut. */
export const FREEZE_REASON_MAX = 500
/** RFC 5321 §4.5.3.1: no address is longer; subjects are shorter. */
const OWNER_LENGTH_MAX = 320

/** One text a scope: what the store keeps it under, and what the commands call it. `all`, `upstream:files`, `agent:a@b`. */
export function scopeName(scope: FreezeScope): string {
  switch (scope.kind) {
    case 'all':
      return 'all'
    case 'upstream':
      return `upstream:${scope.upstream}`
    case 'agent':
      return `agent:${scope.owner}`
  }
}

/** What one call is to a freeze; without its principal, no agent's. */
export interface Freezable {
  readonly principal?: FrozenPrincipal
  readonly upstream: string
}

/** Whoever stops `alice@example.com` means all that goes by that name: to stop one too many is the safe side. */
type FrozenPrincipal = Parameters<typeof namesOf>[0]

export function isFrozenBy(scope: FreezeScope, call: Freezable): boolean {
  switch (scope.kind) {
    case 'all':
      return true
    case 'upstream':
      return scope.upstream === call.upstream
    case 'agent':
      return call.principal !== undefined && namesOf(call.principal).includes(scope.owner)
  }
}

/** Whether a standing grant passes calls that this scope is about. */
export function isGrantFrozenBy(scope: FreezeScope, { holder, upstream }: StandingGrant): boolean {
  if (holder.kind === 'agent') return isFrozenBy(scope, { principal: holder.principal, upstream })
  return scope.kind === 'agent' ? scope.owner === holder.email.toLowerCase() : isFrozenBy(scope, { upstream })
}

export type ParsedScope =
  | { readonly ok: true; readonly scope: FreezeScope }
  /** `message` names the cure, and what was written: make it visible. */
  | { readonly ok: false; readonly message: string }

/** What people write: `all`, `upstream:files` or `files`, `agent:alice@example.com` or `alice@example.com`. */
export function parseScope(text: string, upstreams: readonly string[]): ParsedScope {
  // No upstream has a capital in its name, and people are found by theirs in whatever letters.
  const [, kind, name = ''] = /^(agent|upstream):(.*)$/s.exec(text.toLowerCase()) ?? [null, null, text.toLowerCase()]
  // A name that looks like another one must not freeze that one's neighbour in its place.
  if (visible(name) !== name || name.includes(' ')) return refused(`“${name}” holds characters that no name has`)
  if (kind === null && name === 'all') return { ok: true, scope: { kind: 'all' } }
  if (kind === 'agent' || (kind === null && name.includes('@'))) return agentScope(name)
  if (upstreams.includes(name)) return { ok: true, scope: { kind: 'upstream', upstream: name } }
  return refused(`There is no upstream “${name}”`, suggestion(name, upstreams))
}

function agentScope(name: string): ParsedScope {
  if (name === '' || name.length > OWNER_LENGTH_MAX) return refused('No agent is named')
  return { ok: true, scope: { kind: 'agent', owner: name } }
}

function refused(why: string, cure = 'Name all, an upstream, or an agent by its owner’s e-mail address.'): ParsedScope {
  return { ok: false, message: `${why}. ${cure}` }
}

/** To follow `frozen:` or `stopped`. */
export function scopeText(scope: FreezeScope): string {
  switch (scope.kind) {
    case 'all':
      return 'every call of every agent'
    case 'upstream':
      return `every call to “${scope.upstream}”`
    case 'agent':
      return `every call of ${scope.owner}’s agents`
  }
}

/** By name for people, by address for certainty. */
export function whoText({ name, email }: Reviewer): string {
  return email === null || email === name ? name : `${name} (${email})`
}

/** What agents read, and whoever asks what stands frozen: what, by whom, since when, why, and whom to ask. */
export function freezeText({ scope, by, at, reason }: Freeze): string {
  const why = reason === null ? '' : ` Reason: ${/[.!?]$/.test(reason) ? reason : `${reason}.`}`
  return `${whoText(by)} has stopped ${scopeText(scope)} since ${new Date(at).toISOString()}.${why}`
}
