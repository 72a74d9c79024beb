/**
 * Standing grants in Redis. The store opens them in the step that approves (approvals/store.ts); here calls are passed,
 * and grants listed and ended.
 *
 * `use` and `end` are one script each, and both go by Redis' clock, so that from the moment in which an end is answered,
 * and from `expiresAt` on, no call passes. One that was passed a moment before may still be on its way: no grant calls
 * it back. Whoever ends one tells nobody by that: its end is noted, and standing-grant-ends.ts records it and tells people.
 */
import type { GrantId } from '../src/brands.ts'
import { GatewayError } from '../src/errors.ts'
import type { GrantHolder, StandingGrant } from '../src/grant/standing.ts'
import { GRANTS_PER_HOLDER_MAX, isAbout, OTHER_TOOLS } from '../src/grant/standing.ts'
import type { StandingGrants } from '../src/ports.ts'
import { approvalKeys } from './approvals/keys.ts'
import { CHANGES_MAX, RESOLVED_KEPT_MS } from './approvals/store.ts'
import type { RedisHandle, RedisReply } from './redis.ts'
import { parseStandingGrant } from './standing-grant-fields.ts'
import { END_STANDING, LIST_STANDING, USE_STANDING } from './standing-grant-scripts.ts'

/** Its tools are ACCESS_TOOLS_MAX at most. A grant for all of an upstream's counts no more names than this is about. */
const FIELDS_MAX = 300
/** What one answer holds, some 2 KB each: Redis does nothing else meanwhile. */
export const LISTED_MAX = 200

export function createStandingGrants(redis: RedisHandle): StandingGrants {
  const keys = approvalKeys(redis)
  return {
    async use(call, fingerprint) {
      const { principal, upstream, tool, rule } = call
      const ofAgent = keys.standingOf({ kind: 'agent', principal })
      const ofOwner =
        principal.email === null ? ofAgent : keys.standingOf({ kind: 'owner', email: principal.email } as GrantHolder)
      const prefixes = [redis.key('approval', ''), redis.key('run', '')]
      const [word, fields] = await redis.runInTime(
        USE_STANDING,
        [ofAgent, ofOwner, keys.fingerprint(fingerprint)],
        [upstream, tool, rule, redis.key('standing', ''), GRANTS_PER_HOLDER_MAX, ...prefixes, FIELDS_MAX, OTHER_TOOLS],
      )
      if (word !== 'ok') return null
      const grant = known(parseStandingGrant(fields))
      // The script and this say the same; where they ever don't, the call is held.
      return isAbout(grant, call) ? grant : null
    },
    get: async (id) => parseStandingGrant(await redis.call('HGETALL', keys.standingGrant(id))),
    async listActive({ offset, max, ownerEmail }) {
      const index = ownerEmail === undefined ? keys.activeStanding : keys.standingFor(ownerEmail.toLowerCase())
      const page = [Math.max(0, offset), Math.min(Math.max(0, max), LISTED_MAX), redis.key('standing', '')]
      const reply = await redis.run(LIST_STANDING, [index], page)
      const [total, ...found] = (Array.isArray(reply) ? reply : [0]) as RedisReply[]
      const grants = found.map(parseStandingGrant).filter((grant): grant is StandingGrant => grant !== null)
      return { grants, total: Number(total) }
    },
    async end(id: GrantId, { state, by }) {
      const [word, fields] = await redis.runInTime(
        END_STANDING,
        [keys.standingGrant(id), keys.activeStanding, keys.unreportedStanding, keys.changes],
        [id, state, by === null ? '' : JSON.stringify(by), RESOLVED_KEPT_MS, CHANGES_MAX],
      )
      return word === 'ended' ? known(parseStandingGrant(fields)) : null
    },
  }
}

function known(grant: StandingGrant | null): StandingGrant {
  if (grant === null) throw new GatewayError('internal', 'a script of standing grants answered no grant')
  return grant
}
