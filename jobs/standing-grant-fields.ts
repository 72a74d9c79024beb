/**
 * A standing grant as the fields of a Redis hash, so that Lua can tell what it passes, and count, without decoding JSON.
 *
 *   json                      what never changes
 *   state, expiresAt, approvedBy, endedAt, endedBy
 *   upstream, rule, tool:<name>...   what it passes; an empty rule: any
 *   extensions                ids of the approvals that made it end later, oldest first, each with a blank behind it
 *   use:<tool>                how many calls of it passed
 *   approval, session, holder, owned   its approval's id, and the keys of the indexes that it is in; `owned` may be empty
 */
import type { ApprovalId, EpochMs } from '../src/brands.ts'
import { epochMs } from '../src/brands.ts'
import type { StandingGrant, StandingGrantState } from '../src/grant/standing.ts'
import type { Reviewer } from '../src/people/reviewer.ts'
import type { ApprovalKeys } from './approvals/keys.ts'
import type { RedisReply } from './redis.ts'

/** Field, value, field, value … */
export function standingGrantFields(keys: ApprovalKeys, grant: StandingGrant): string[] {
  const { state, expiresAt, approvedBy, endedAt: _endedAt, endedBy: _endedBy, uses: _uses, ...constant } = grant
  const email = ownerEmailOf(grant)
  const fields = {
    json: JSON.stringify(constant),
    state,
    expiresAt: String(expiresAt),
    approvedBy: JSON.stringify(approvedBy),
    upstream: grant.upstream,
    rule: grant.rule ?? '',
    approval: grant.approvalId,
    session: keys.standingIn(grant.sessionId),
    holder: keys.standingOf(grant.holder),
    owned: email === null ? '' : keys.standingFor(email),
    ...Object.fromEntries(grant.tools.map((tool) => [`${TOOL}${tool}`, '1'])),
  }
  return Object.entries(fields).flat()
}

/** Which approvals it is shown on: the one that opened it, then those that made it end later. */
export function approvalsOf({ approvalId }: StandingGrant, extensions: RedisReply): readonly ApprovalId[] {
  const later = typeof extensions === 'string' ? extensions.split(' ').filter((id) => id !== '') : []
  return [approvalId, ...(later as ApprovalId[])]
}

/** Whose agents it is for, as far as that is known. */
export function ownerEmailOf({ holder }: StandingGrant): string | null {
  return holder.kind === 'owner' ? holder.email : holder.principal.email
}

export const TOOL = 'tool:'
export const USE = 'use:'

/** From HGETALL's flat list; null where there is no such grant. */
export function parseStandingGrant(reply: RedisReply): StandingGrant | null {
  if (!Array.isArray(reply) || reply.length === 0) return null
  const fields = new Map<string, string>()
  for (let i = 0; i < reply.length; i += 2) fields.set(String(reply[i]), String(reply[i + 1]))
  const text = (field: string) => fields.get(field) ?? ''
  const uses = [...fields].filter(([field]) => field.startsWith(USE))
  const { endedAt, endedBy } = { endedAt: text('endedAt'), endedBy: text('endedBy') }
  return {
    ...(JSON.parse(text('json')) as Constant),
    state: text('state') as StandingGrantState,
    expiresAt: epochMs(Number(text('expiresAt'))),
    approvedBy: distinct(JSON.parse(text('approvedBy')) as Reviewer[]),
    endedAt: endedAt === '' ? null : (Number(endedAt) as EpochMs),
    endedBy: endedBy === '' ? null : (JSON.parse(endedBy) as Reviewer),
    uses: Object.fromEntries(uses.map(([field, many]) => [field.slice(USE.length), Number(many)])),
  }
}

type Constant = Omit<StandingGrant, 'state' | 'expiresAt' | 'approvedBy' | 'endedAt' | 'endedBy' | 'uses'>

/** Who approved an extension may have approved the grant. */
function distinct(reviewers: readonly Reviewer[]): readonly Reviewer[] {
  return [...new Map(reviewers.map((reviewer) => [reviewer.id, reviewer])).values()]
}
