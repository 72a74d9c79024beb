/**
 * A grant that passes many calls for a bounded time: an approver chose "for 30 minutes", or a person asked for elevated
 * access and it was approved.
 *
 *   active ──expire──► expired      a delayed job; from `expiresAt` on it passes nothing, whatever the job does
 *      └────revoke───► revoked      a person took it back, or a freeze did
 *
 * It passes only what policy would have held (`require_approval`, by a rule that accepts grants): what a rule denies
 * stays denied, and each use is recorded with the call.
 */

import type { Approval } from '../approval/approval.ts'
import type { ApprovalId, EpochMs, GrantId, SessionId } from '../brands.ts'
import { epochMs } from '../brands.ts'
import type { PrincipalSummary } from '../identity/principal.ts'
import type { Reviewer } from '../people/reviewer.ts'

export type StandingGrantState = 'active' | 'expired' | 'revoked'

export interface StandingGrant {
  readonly id: GrantId
  readonly state: StandingGrantState
  readonly approvalId: ApprovalId
  readonly sessionId: SessionId
  readonly holder: GrantHolder
  readonly upstream: string
  /** Names of tools; ALL_TOOLS alone: all of the upstream's. */
  readonly tools: readonly string[]
  /** Only what this rule holds is passed; null: what any rule holds that accepts grants. */
  readonly rule: string | null
  readonly reason: string | null
  readonly approvedBy: readonly Reviewer[]
  readonly openedAt: EpochMs
  readonly expiresAt: EpochMs
  readonly endedAt: EpochMs | null
  /** Who took it back; null where it expired, or the gateway did. */
  readonly endedBy: Reviewer | null
  /** Calls that it passed, by tool; the last of very many tools together, as OTHER_TOOLS. */
  readonly uses: Readonly<Record<string, number>>
}

/** One agent of one person (a principal, as long as its OAuth client is the same), or all agents of one person. */
export type GrantHolder =
  | { readonly kind: 'agent'; readonly principal: PrincipalSummary }
  | { readonly kind: 'owner'; readonly email: string }

/**
 * A tool may be called so, and an agent may call one that nobody has: of that name no grant for a while is offered or
 * opened, since it would be one for all.
 */
export const ALL_TOOLS = '*'

/** Active at once, of one holder: each call is looked up among them, and nobody keeps an eye on more. */
export const GRANTS_PER_HOLDER_MAX = 100
/** No tool has a name with a space. */
export const OTHER_TOOLS = 'other tools'

/** `principal.email` only where the issuer vouches for it: see Principal.vouchedEmail. */
export interface StandingGrantCall {
  readonly principal: PrincipalSummary
  readonly upstream: string
  readonly tool: string
  readonly rule: string
}

/** Whether the grant is about this call; its state and its time are the store's to check, by Redis' clock. */
export function isAbout(grant: StandingGrant, call: StandingGrantCall): boolean {
  const { tools, holder, rule } = grant
  if (grant.upstream !== call.upstream || (rule !== null && rule !== call.rule)) return false
  if (!tools.includes(ALL_TOOLS) && !tools.includes(call.tool)) return false
  if (holder.kind === 'owner') return call.principal.email === holder.email
  return holder.principal.id === call.principal.id && holder.principal.client === call.principal.client
}

/** A standing grant's id follows from its approval's, beside that of the single-use grant. */
export function standingGrantIdOf(id: ApprovalId): GrantId {
  return id.replace(/^apr_/, 'stg_') as GrantId
}

/** Tells it from a single-use one where nothing but the id is known. */
export function isStandingGrantId(id: GrantId): boolean {
  return id.startsWith('stg_')
}

/** The grant that an approval opens, or makes end later. */
export function standingGrantOf({ id, access }: Approval): GrantId {
  return access?.extends ?? standingGrantIdOf(id)
}

/**
 * What an approval that became `approved` at `at` permits besides its own call; null where that is all. Where it
 * extends another grant, that one then ends when this one would.
 */
export function openStandingGrant(approval: Approval, at: EpochMs): StandingGrant | null {
  const { access, allowedForMs } = approval
  const approvers = approval.reviews.filter(({ choice }) => choice === 'approve')
  const common = {
    id: standingGrantOf(approval),
    state: 'active',
    approvalId: approval.id,
    sessionId: approval.sessionId,
    upstream: approval.upstream,
    approvedBy: approvers.map(({ reviewer }) => reviewer),
    openedAt: at,
    endedAt: null,
    endedBy: null,
    uses: {},
  } as const
  if (access !== null) {
    const { upstream, tools, reason, durationMs } = access
    const holder = { kind: 'owner', email: access.ownerEmail } as const
    return { ...common, holder, upstream, tools, rule: null, reason, expiresAt: epochMs(at + durationMs) }
  }
  if (allowedForMs === null || approval.tool === ALL_TOOLS) return null
  const holder = { kind: 'agent', principal: approval.principal } as const
  const reason = approvers.at(-1)?.reason ?? null
  const expiresAt = epochMs(at + allowedForMs)
  return { ...common, holder, tools: [approval.tool], rule: approval.rule, reason, expiresAt }
}

/** A grant can be made to end later only by an approval of the same thing. */
export function isExtendedBy(grant: StandingGrant, extension: StandingGrant, now: EpochMs): boolean {
  if (grant.state !== 'active' || grant.expiresAt <= now || grant.upstream !== extension.upstream) return false
  if (grant.holder.kind !== 'owner' || extension.holder.kind !== 'owner') return false
  const tools = new Set(grant.tools)
  const isSame = tools.size === new Set(extension.tools).size && extension.tools.every((tool) => tools.has(tool))
  return isSame && grant.holder.email === extension.holder.email
}

/** Whether it is for this person's agents, so that they may give it back. */
export function isHolder({ holder }: StandingGrant, { email }: Reviewer): boolean {
  if (email === null) return false
  if (holder.kind === 'owner') return holder.email === email
  return holder.principal.email === email || holder.principal.subject.toLowerCase() === email
}
