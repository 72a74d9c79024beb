/** What a person reads of recordings: the list of sessions, and one session's events as short lines. */

import type { EpochMs, SessionId } from '../brands.ts'
import { scopeName } from '../freeze/freeze.ts'
import type { PrincipalSummary } from '../identity/principal.ts'
import { unreachable } from '../unreachable.ts'
import type { AuditEvent, Outcome } from './events.ts'
import { isCounted } from './summarise.ts'

/** More would not be read by anyone, and take some 100 MB. */
const LISTED_SESSIONS_MAX = 100_000

export interface SessionOverview {
  readonly sessionId: SessionId
  /** Null where the recording lacks `session.started`. */
  readonly principal: PrincipalSummary | null
  readonly upstream: string | null
  readonly startedAt: EpochMs
  /** Null: open, or its end stands elsewhere. */
  readonly endedAt: EpochMs | null
  readonly events: number
  readonly calls: Readonly<Partial<Record<Outcome, number>>>
  /** How many approvals were asked for. */
  readonly held: number
}

/** Takes trusted events alone; they may come in any order. */
export function addToOverview(sessions: Map<SessionId, SessionOverview>, event: AuditEvent): void {
  const id = event.session_id
  if (id === null) return
  const before = sessions.get(id) ?? newOverview(id, event.at)
  sessions.set(id, applyToOverview({ ...before, events: before.events + 1 }, event))
}

export function isTooMany(sessions: ReadonlyMap<SessionId, SessionOverview>): boolean {
  return sessions.size > LISTED_SESSIONS_MAX
}

function newOverview(sessionId: SessionId, startedAt: EpochMs): SessionOverview {
  return { sessionId, principal: null, upstream: null, startedAt, endedAt: null, events: 0, calls: {}, held: 0 }
}

function applyToOverview(overview: SessionOverview, event: AuditEvent): SessionOverview {
  const startedAt = event.at < overview.startedAt ? event.at : overview.startedAt
  const next = { ...overview, startedAt }
  switch (event.type) {
    case 'session.started':
      return { ...next, principal: event.principal, upstream: event.upstream }
    case 'session.ended':
      return { ...next, endedAt: event.at }
    case 'approval.requested':
      return { ...next, held: next.held + 1 }
    case 'call.outcome':
      if (!isCounted(event)) return next
      return { ...next, calls: { ...next.calls, [event.outcome]: (next.calls[event.outcome] ?? 0) + 1 } }
    default:
      return next
  }
}

/** Names come from agents, tokens and chat: whoever prints a line makes them visible first. */
export interface TimelineLine {
  readonly at: EpochMs
  readonly type: AuditEvent['type']
  /** Indented under the call that it belongs to. */
  readonly callId: string | null
  readonly text: string
  /** `good` and `bad` ask for a colour; `open` for attention. */
  readonly tone: 'plain' | 'good' | 'bad' | 'open'
}

export function timelineLine(event: AuditEvent): TimelineLine {
  const callId = 'call_id' in event ? event.call_id : null
  return { at: event.at, type: event.type, callId, ...describeSafely(event) }
}

/** A line behind a break, or of a later version, may lack what its type promises; it must still be shown. */
function describeSafely(event: AuditEvent): Described {
  try {
    return describe(event)
  } catch {
    return bad('(not readable by this version)')
  }
}

type Described = Pick<TimelineLine, 'text' | 'tone'>

const plain = (text: string): Described => ({ text, tone: 'plain' })
const good = (text: string): Described => ({ text, tone: 'good' })
const bad = (text: string): Described => ({ text, tone: 'bad' })
const open = (text: string): Described => ({ text, tone: 'open' })

function describe(event: AuditEvent): Described {
  switch (event.type) {
    case 'service.started':
      return plain(`gateway ${event.version}`)
    case 'service.stopped':
      return plain('')
    case 'identity.stale_keys_used':
      return bad(`${event.issuer}, ${event.stale_ms} ms old`)
    case 'session.started':
      return plain(`${nameOf(event.principal)} on ${event.upstream}`)
    case 'session.ended':
      return plain(event.why)
    case 'call.decided':
      return { text: `${what(event)}: ${event.effect} by ${event.rule}`, tone: DECIDED_TONE[event.effect] }
    case 'call.intent':
      return plain(`${what(event)}: ${event.effect} by ${event.rule}${approvedBy(event.approved_by)}`)
    case 'call.outcome':
      return describeOutcome(event)
    case 'call.outcome_unknown':
      return open('unknown: the gateway stopped while the call was on its way')
    case 'passkey.added':
      return plain(`${event.email}${event.is_first ? ', the first one' : ''}`)
    case 'passkey.removed':
      return plain(event.email)
    case 'freeze.frozen': {
      const { scope, by, reason, already } = event
      const text = `${scopeName(scope)} by ${by.email ?? by.name}${already ? ', as before' : ''}`
      return bad(`${text}${reason === null ? '' : `: ${reason}`}`)
    }
    case 'freeze.thawed':
      return open(`${scopeName(event.scope)} by ${event.by.email ?? event.by.name}`)
    default:
      return describeApproval(event)
  }
}

const DECIDED_TONE = { allow: 'plain', deny: 'bad', require_approval: 'open' } as const

type ApprovalOrGrantEvent = Extract<AuditEvent, { type: `approval.${string}` | `grant.${string}` | `run.${string}` }>

function describeApproval(event: ApprovalOrGrantEvent): Described {
  switch (event.type) {
    case 'approval.requested':
      return open(`${event.tool}: held by ${event.rule}, asked in ${event.channels.join(', ')}`)
    case 'approval.joined':
      return plain(event.approval_id)
    case 'approval.agent_away':
      return open(`the agent is away since ${new Date(event.since).toISOString()}`)
    case 'approval.agent_back':
      return plain('the agent is back')
    case 'approval.reminded':
      return plain(event.by === null ? 'by schedule' : `by ${event.by.email ?? event.by.name}`)
    case 'approval.escalated':
      return open(`to ${[...event.from, ...event.rooms].join(', ')}`)
    case 'approval.remarked': {
      const { kind, by, text } = event.remark
      return plain(`${kind} by ${by.email ?? by.name}: ${text}`)
    }
    case 'approval.reviewed': {
      const { choice, reviewer, channel, reason, isHasty } = event.review
      const hasty = isHasty ? ', faster than it can be read' : ''
      const text = `${choice} by ${reviewer.email ?? reviewer.name} in ${channel}${hasty}${reason ? `: ${reason}` : ''}`
      return choice === 'approve' ? good(text) : bad(text)
    }
    case 'approval.review_refused':
      return bad(`${event.reviewer}: ${event.refusal}`)
    case 'approval.review_lapsed':
      return bad(`${event.reviewer} may review no more: ${event.refusal}`)
    case 'approval.stepped_up':
      return plain(`${event.reviewer} signed in${event.passkey === null ? '' : ', with a passkey'}`)
    case 'approval.step_up_refused':
      return bad(`link of ${event.reviewer}: ${event.refusal}`)
    case 'approval.resolved':
      return event.state === 'approved' ? good(event.state) : bad(event.state)
    case 'grant.opened':
      return event.standing === undefined ? plain(event.grant_id) : open(describeStanding(event, event.standing))
    case 'grant.extended':
      return open(`${event.grant_id}: until ${new Date(event.expires_at).toISOString()}`)
    case 'grant.ended':
      return plain(describeEnd(event))
    case 'run.resolved':
      return plain(`${event.ran ? 'it ran' : 'it did not run'}, says ${event.reviewer.email ?? event.reviewer.name}`)
    default:
      return unreachable(event)
  }
}

type GrantEvent<Type extends string> = Extract<ApprovalOrGrantEvent, { type: Type }>

function describeStanding(
  { grant_id, expires_at }: GrantEvent<'grant.opened'>,
  { holder, upstream, tools }: StandingTerms,
): string {
  const who = holder.kind === 'owner' ? `all agents of ${holder.email}` : nameOf(holder.principal)
  return `${grant_id}: ${tools.join(', ')} on ${upstream} for ${who}, until ${new Date(expires_at).toISOString()}`
}

type StandingTerms = NonNullable<GrantEvent<'grant.opened'>['standing']>

function describeEnd({ state, by, uses }: GrantEvent<'grant.ended'>): string {
  const who = by ? ` by ${by.email ?? by.name}` : ''
  if (uses === undefined) return `${state}${who}`
  const passed = Object.entries(uses).map(([tool, many]) => `${tool} ×${many}`)
  return `${state}${who}; it passed ${passed.length === 0 ? 'no call' : passed.join(', ')}`
}

function approvedBy(reviewers: readonly string[]): string {
  return reviewers.length === 0 ? '' : `, approved by ${reviewers.join(', ')}`
}

function describeOutcome(event: Extract<AuditEvent, { type: 'call.outcome' }>): Described {
  const masked = event.masked.map(({ detector, count }) => `${detector} ×${count}`).join(', ')
  const parts = [
    `${what(event)}: ${event.outcome}`,
    `${event.duration_ms} ms`,
    ...(event.error === null ? [] : [event.error]),
    ...(masked === '' ? [] : [`masked ${masked}`]),
  ]
  return event.outcome === 'succeeded' || event.outcome === 'replayed' ? good(parts.join(', ')) : bad(parts.join(', '))
}

function what({ method, tool }: { readonly method: string; readonly tool: string | null }): string {
  return tool ?? method
}

export function nameOf({ email, subject }: PrincipalSummary): string {
  return email ?? subject
}
