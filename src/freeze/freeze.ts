/**
 * The emergency stop: while it is frozen, no call of an agent, to an upstream, or at all goes through, whatever policy
 * or a grant says. A freeze also ends what was open: its approvals are cancelled and its grants revoked.
 */

import type { EpochMs } from '../brands.ts'
import type { PrincipalSummary } from '../identity/principal.ts'
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

export function isFrozenBy(
  scope: FreezeScope,
  call: { readonly principal: PrincipalSummary; readonly upstream: string },
): boolean {
  switch (scope.kind) {
    case 'all':
      return true
    case 'upstream':
      return scope.upstream === call.upstream
    case 'agent': {
      const { email, subject } = call.principal
      return scope.owner === email?.toLowerCase() || scope.owner === subject.toLowerCase()
    }
  }
}
