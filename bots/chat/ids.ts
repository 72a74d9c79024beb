/** Ids that come back from a chat, where anyone may have written them. Null where they can be none of ours. */
import type { ApprovalId, GrantId } from '../../src/brands.ts'

export function approvalIdIn(text: unknown): ApprovalId | null {
  return typeof text === 'string' && /^apr_[a-z0-9]{1,64}$/.test(text) ? (text as ApprovalId) : null
}

/** As `standingGrantIdOf` makes them. */
export function grantIdIn(text: unknown): GrantId | null {
  return typeof text === 'string' && /^stg_[a-z0-9]{1,64}$/.test(text) ? (text as GrantId) : null
}
