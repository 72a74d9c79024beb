/**
 * The permission that an approval opens: single use, for exactly one fingerprint, for a bounded time.
 *
 *   active ──consume──► consumed      the fence: taken before the upstream is called, by one call only
 *      ├────expire────► expired       a delayed job, when the agent never came back
 *      └────revoke────► revoked       a person took it back
 *
 * A grant is consumed once and never returns to active: a crash after the fence ends as `outcome_unknown`, and
 * nothing is retried, because the upstream may have acted.
 */

import type { Approval } from '../approval/approval.ts'
import type { ApprovalId, CallId, EpochMs, Fingerprint, GrantId, SessionId } from '../brands.ts'
import { epochMs } from '../brands.ts'

export type GrantState = 'active' | 'consumed' | 'expired' | 'revoked'

export interface Grant {
  readonly id: GrantId
  readonly state: GrantState
  readonly approvalId: ApprovalId
  readonly sessionId: SessionId
  readonly fingerprint: Fingerprint
  readonly openedAt: EpochMs
  readonly expiresAt: EpochMs
  /** The call that took it; null until consumed. */
  readonly consumedBy: CallId | null
  readonly endedAt: EpochMs | null
}

export type GrantRefusal = 'unknown' | 'consumed' | 'expired' | 'revoked'

export type Fence =
  | { readonly ok: true; readonly grant: Grant }
  | { readonly ok: false; readonly refusal: GrantRefusal }

/** A grant's id follows from its approval's: one each, so that either finds the other without an index. */
export function grantIdOf(id: ApprovalId): GrantId {
  return id.replace(/^apr_/, 'gnt_') as GrantId
}

/** The grant of an approval that has just become `approved`. */
export function openGrant(approval: Approval, at: EpochMs): Grant {
  return {
    id: grantIdOf(approval.id),
    state: 'active',
    approvalId: approval.id,
    sessionId: approval.sessionId,
    fingerprint: approval.fingerprint,
    openedAt: at,
    expiresAt: epochMs(at + approval.useWithinMs),
    consumedBy: null,
    endedAt: null,
  }
}
