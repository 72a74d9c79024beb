/** A grant as the fields of a Redis hash, so that Lua can change one without encoding JSON. Empty text is null. */
import type { ApprovalId, CallId, Fingerprint, GrantId, SessionId } from '../src/brands.ts'
import { epochMs } from '../src/brands.ts'
import type { Grant, GrantState } from '../src/grant/grant.ts'
import type { RedisReply } from './redis.ts'

/** Field, value, field, value … */
export function grantFields(grant: Grant): string[] {
  return Object.entries(grant).flatMap(([field, value]) => [field, value === null ? '' : String(value)])
}

/** From HGETALL's flat list; null where there is no such grant. */
export function parseGrant(reply: RedisReply): Grant | null {
  if (!Array.isArray(reply) || reply.length === 0) return null
  const fields = new Map<string, string>()
  for (let i = 0; i < reply.length; i += 2) fields.set(String(reply[i]), String(reply[i + 1]))
  const text = (field: keyof Grant) => fields.get(field) ?? ''
  return {
    id: text('id') as GrantId,
    state: text('state') as GrantState,
    approvalId: text('approvalId') as ApprovalId,
    sessionId: text('sessionId') as SessionId,
    fingerprint: text('fingerprint') as Fingerprint,
    openedAt: epochMs(Number(text('openedAt'))),
    expiresAt: epochMs(Number(text('expiresAt'))),
    consumedBy: (text('consumedBy') || null) as CallId | null,
    endedAt: text('endedAt') === '' ? null : epochMs(Number(text('endedAt'))),
  }
}
