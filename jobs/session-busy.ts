/**
 * Whether something of a session may still happen: a question that waits for people, or a permission that waits for
 * its call. Its summary would be wrong a moment later, so it is not ended yet.
 *
 * Asked once when a session has been idle for long, so it reads the two indexes instead of keeping a third.
 */
import type { GrantId, SessionId } from '../src/brands.ts'
import type { ApprovalStore, Grants } from '../src/ports.ts'
import { approvalKeys } from './approvals/keys.ts'
import type { RedisHandle } from './redis.ts'

export function sessionBusy(services: {
  readonly redis: RedisHandle
  readonly store: ApprovalStore
  readonly grants: Grants
}): (session: SessionId) => Promise<boolean> {
  const { redis, store, grants } = services
  const { activeGrants } = approvalKeys(redis)
  return async (session) => {
    const pending = await store.listPending()
    if (pending.some(({ sessionId }) => sessionId === session)) return true
    const ids = await redis.call('ZRANGE', activeGrants, 0, -1)
    for (const id of Array.isArray(ids) ? ids : []) {
      const grant = await grants.get(String(id) as GrantId)
      if (grant?.state === 'active' && grant.sessionId === session) return true
    }
    return false
  }
}
