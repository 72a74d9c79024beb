/**
 * Whether something of a session may still happen: a question that waits for people, a permission that waits for its
 * call, or one that passes calls for a while. Its summary would be wrong a moment later, so it is not ended yet.
 *
 * Asked when a session has been idle for long, so it mostly reads the indexes that are there, and never what
 * is asked of people: that can be half a megabyte each.
 */
import type { ApprovalId, GrantId, SessionId } from '../src/brands.ts'
import type { Grants } from '../src/ports.ts'
import { approvalKeys } from './approvals/keys.ts'
import { HAS_SESSION } from './approvals/scripts.ts'
import type { RedisHandle } from './redis.ts'

const PAGE = 500

export function sessionBusy(services: {
  readonly redis: RedisHandle
  readonly grants: Grants
}): (session: SessionId) => Promise<boolean> {
  const { redis, grants } = services
  const keys = approvalKeys(redis)
  return async (session) => {
    if ((await redis.call('EXISTS', keys.standingIn(session))) === 1) return true
    const pending = await redis.call('ZRANGE', keys.pending, 0, -1)
    const approvals = Array.isArray(pending) ? pending.map((id) => keys.approval(id as ApprovalId)) : []
    for (let start = 0; start < approvals.length; start += PAGE) {
      if ((await redis.run(HAS_SESSION, approvals.slice(start, start + PAGE), [session])) === 1) return true
    }
    const ids = await redis.call('ZRANGE', keys.activeGrants, 0, -1)
    for (const id of Array.isArray(ids) ? ids : []) {
      const grant = await grants.get(String(id) as GrantId)
      if (grant?.state === 'active' && grant.sessionId === session) return true
    }
    return false
  }
}
