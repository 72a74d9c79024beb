/**
 * Grants in Redis. The store opens them in the step that approves (approvals/store.ts); here they are taken and ended.
 *
 * `consume` is the fence before the upstream: one script that checks fingerprint, state and expiry by Redis' clock, and
 * sets `consumed`, and writes that the call's run has begun. A fence whose answer was lost stays taken, because nobody can tell whether the call went out.
 */
import type { ApprovalId, GrantId } from '../src/brands.ts'
import { GatewayError } from '../src/errors.ts'
import type { Fence, GrantRefusal } from '../src/grant/grant.ts'
import type { Grants } from '../src/ports.ts'
import { approvalKeys } from './approvals/keys.ts'
import { CONSUME, END } from './approvals/scripts.ts'
import { RESOLVED_KEPT_MS } from './approvals/store.ts'
import { parseGrant } from './grant-fields.ts'
import type { RedisHandle } from './redis.ts'

const REFUSALS: readonly unknown[] = ['unknown', 'consumed', 'expired', 'revoked'] satisfies GrantRefusal[]

/** @param replica whose runs begin with the fence; see runs.ts */
export function createGrants(redis: RedisHandle, replica: string): Grants {
  const keys = approvalKeys(redis)
  return {
    get: async (id) => parseGrant(await redis.call('HGETALL', keys.grant(id))),
    async consume(id, { fingerprint, callId }): Promise<Fence> {
      const approvalId = approvalIdOf(id)
      const [word, fields] = await redis.runInTime(
        CONSUME,
        [keys.grant(id), keys.activeGrants, keys.fingerprint(fingerprint), keys.run(approvalId), keys.running],
        [id, fingerprint, callId, approvalId, replica, RESOLVED_KEPT_MS],
      )
      const grant = word === 'ok' ? parseGrant(fields) : null
      if (grant) return { ok: true, grant }
      if (REFUSALS.includes(word)) return { ok: false, refusal: word as GrantRefusal }
      throw new GatewayError('internal', 'grant-consume answered something else')
    },
    async end(id, state) {
      const [word] = await redis.runInTime(END, [keys.grant(id), keys.activeGrants], [id, state])
      return word === 'ended'
    },
  }
}

/** The other way round of grantIdOf. */
function approvalIdOf(id: GrantId): ApprovalId {
  return id.replace(/^gnt_/, 'apr_') as ApprovalId
}

/** A page of ids; there are as many as approvals that their agents have not come back for. */
const UNUSED_PAGE = 500

/** The approvals whose grants nobody has used: those that a freeze takes back. */
export async function listUnused(redis: RedisHandle): Promise<readonly ApprovalId[]> {
  const { activeGrants } = approvalKeys(redis)
  const found: ApprovalId[] = []
  for (let start = 0; ; start += UNUSED_PAGE) {
    const reply = await redis.call('ZRANGE', activeGrants, start, start + UNUSED_PAGE - 1)
    const ids = Array.isArray(reply) ? reply.map(String) : []
    found.push(...ids.map((id) => approvalIdOf(id as GrantId)))
    if (ids.length < UNUSED_PAGE) return found
  }
}
