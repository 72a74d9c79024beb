/** Counts a session up from its recorded events, and from nothing else. */
import type { Review } from '../approval/approval.ts'
import type { ApprovalId, CallId, EpochMs, GrantId } from '../brands.ts'
import { isStandingGrantId } from '../grant/standing.ts'
import { STREAM_METHOD } from '../mcp/message.ts'
import type { RecordedEvent } from './chain.ts'
import { coveredByHash, recordingHash, recordingId } from './chain.ts'
import type { AuditEvent, Finding, Outcome } from './events.ts'
import type { ApprovalInSummary, GrantInSummary, SessionSummary, ToolInSummary } from './summary.ts'

type EventOf<Type extends AuditEvent['type']> = Extract<AuditEvent, { type: Type }>

/**
 * Reading and acting count; so does everything that did not succeed. What is left out is the protocol talking to
 * itself (initialize, tools/list, pings), which would bury three calls under thirty.
 */
const COUNTED_METHODS: ReadonlySet<string> = new Set(['tools/call', 'resources/read', 'prompts/get'])

/** Null where the recording has no `session.started`: then nobody can say whose session it was. */
export function summariseSession(sessionEvents: readonly RecordedEvent[]): SessionSummary | null {
  const events = coveredByHash(sessionEvents).map(({ event }) => event)
  const started = events.find((event) => event.type === 'session.started')
  const ended = events.at(-1)
  if (started === undefined || started.session_id === null || ended === undefined) return null
  return {
    sessionId: started.session_id,
    principal: started.principal,
    upstream: started.upstream,
    startedAt: started.at,
    endedAt: ended.at as EpochMs,
    calls: countCalls(events),
    unknownOutcomes: countUnknownOutcomes(events),
    unknownResolved: countResolvedOutcomes(events),
    tools: listTools(events),
    approvals: listApprovals(events),
    grants: listGrants(events),
    masked: addFindings(events),
    recordingId: recordingId(started.session_id),
    recordingHash: recordingHash(sessionEvents),
  }
}

export function isCounted({ outcome, method }: EventOf<'call.outcome'>): boolean {
  return outcome !== 'succeeded' || COUNTED_METHODS.has(method)
}

/**
 * Each call once for each way in which it ended. A call that was told to come back, and did so under the same id (a
 * task's, or one whose stream was cut), is one call; and what a crash had recorded a second time is one, too.
 */
export function countCalls(events: readonly AuditEvent[]): Partial<Record<Outcome, number>> {
  const calls: Counts = {}
  for (const { outcomes } of endsOf(events).values()) addTo(calls, outcomes)
  return calls
}

/** Those called most first, then by name. What has no tool is counted in `calls` alone. */
export function listTools(events: readonly AuditEvent[]): readonly ToolInSummary[] {
  const tools = new Map<string, { calls: Counts; unknown: Set<CallId> }>()
  const toolOf = (name: string) => {
    const tool = tools.get(name) ?? { calls: {}, unknown: new Set<CallId>() }
    tools.set(name, tool)
    return tool
  }
  for (const { tool, outcomes } of endsOf(events).values()) if (tool !== null) addTo(toolOf(tool).calls, outcomes)
  const unknown = unknownCalls(events)
  for (const { call_id: id, tool } of ofType(events, 'call.intent')) {
    if (tool !== null && unknown.has(id)) toolOf(tool).unknown.add(id)
  }
  return [...tools]
    .map(([tool, of]) => ({ tool, calls: of.calls, unknownOutcomes: of.unknown.size }))
    .sort((a, b) => totalOf(b) - totalOf(a) || (a.tool < b.tool ? -1 : 1))
}

export function totalOf({ calls, unknownOutcomes }: Pick<SessionSummary, 'calls' | 'unknownOutcomes'>): number {
  return Object.values(calls).reduce((sum, many) => sum + many, unknownOutcomes)
}

type Counts = Partial<Record<Outcome, number>>

function addTo(calls: Counts, outcomes: ReadonlySet<Outcome>): void {
  for (const outcome of outcomes) calls[outcome] = (calls[outcome] ?? 0) + 1
}

/** How each call ended, in all ways in which it did. */
function endsOf(events: readonly AuditEvent[]): ReadonlyMap<CallId, { tool: string | null; outcomes: Set<Outcome> }> {
  const ends = new Map<CallId, { tool: string | null; outcomes: Set<Outcome> }>()
  for (const event of ofType(events, 'call.outcome')) {
    if (!isCounted(event)) continue
    const end = ends.get(event.call_id) ?? { tool: event.tool, outcomes: new Set<Outcome>() }
    end.outcomes.add(event.outcome)
    ends.set(event.call_id, end)
  }
  const unknown = unknownCalls(events)
  for (const [id, { outcomes }] of ends) if (outcomes.size > 1 || unknown.has(id)) outcomes.delete('pending')
  return ends
}

/**
 * Intents without an end, and approved calls that were lost. A call that comes back for its answer, or is carried on as a
 * task, is the same call under the same id: what it was told meanwhile says nothing of how its run ended. A legacy
 * client's listening stream may outlive its session; it does nothing that could be unknown.
 */
function unknownCalls(events: readonly AuditEvent[]): ReadonlySet<CallId> {
  const intents = ofType(events, 'call.intent').filter(({ method }) => method !== STREAM_METHOD)
  const open = new Set(intents.map((event) => event.call_id))
  const outcomes = ofType(events, 'call.outcome')
  // The agent of a call that went on left it, or left before it went on; where that one was then lost, it is said below.
  for (const { call_id: id, outcome } of outcomes) if (outcome === 'abandoned') open.delete(id)
  for (const { call_id: id } of ofType(events, 'call.outcome_unknown')) open.add(id)
  for (const event of outcomes) if (isEndOfRun(event)) open.delete(event.call_id)
  return open
}

/** The others are also what a call is told that is not, or no longer, on its way. */
function isEndOfRun({ outcome, error }: EventOf<'call.outcome'>): boolean {
  switch (outcome) {
    case 'succeeded':
    case 'tool_error':
    case 'rpc_error':
    case 'upstream_failed':
    case 'detached':
      return true
    case 'refused':
      // With an error: after its intent the gateway found that it may not go on.
      return error !== null
    default:
      return false
  }
}

export function countUnknownOutcomes(events: readonly AuditEvent[]): number {
  return unknownCalls(events).size
}

/** A review may stand twice, recorded once more in another's place; a call is one call. */
export function countResolvedOutcomes(events: readonly AuditEvent[]): number {
  const unknown = unknownCalls(events)
  return new Set(ofType(events, 'run.resolved').flatMap(({ call_id: id }) => (unknown.has(id) ? [id] : []))).size
}

/** In the order in which they were asked for. Reviews may stand in another replica's segment, under another clock. */
export function listApprovals(events: readonly AuditEvent[]): readonly ApprovalInSummary[] {
  // Maps and not searches: an agent that asks all day makes thousands, and this runs beside the calls.
  const reviews = new Map<ApprovalId, Map<string, Review>>()
  for (const { approval_id: id, review } of ofType(events, 'approval.reviewed')) {
    // By person: whoever recorded a review in another's place may have recorded it a second time.
    const known = reviews.get(id) ?? new Map<string, Review>()
    reviews.set(id, known.set(review.reviewer.id, review))
  }
  const states = new Map<ApprovalId, ApprovalInSummary['state']>()
  for (const { approval_id: id, state } of ofType(events, 'approval.resolved')) {
    if (!states.has(id)) states.set(id, state)
  }
  const asked = new Map(ofType(events, 'approval.requested').map((event) => [event.approval_id, event]))
  return [...asked].map(([id, { tool, at }]) => {
    const given = [...(reviews.get(id)?.values() ?? [])]
    const state = states.get(id) ?? 'pending'
    return {
      tool,
      state,
      reviewers: given.map(({ reviewer }) => reviewer.name),
      decidedAfterMs: isByReview(state) && given.length > 0 ? Math.max(0, lastOf(given) - at) : null,
      isHasty: given.some(({ choice, isHasty }) => choice === 'approve' && isHasty),
    }
  })
}

function isByReview(state: ApprovalInSummary['state']): boolean {
  return state === 'approved' || state === 'denied'
}

function lastOf(reviews: readonly Review[]): number {
  return reviews.reduce((last, { at }) => Math.max(last, at), 0)
}

/** Those given here first. One may be given in one session and used in another of its holder. */
export function listGrants(events: readonly AuditEvent[]): readonly GrantInSummary[] {
  const grants = new Map<GrantId, GrantInSummary>()
  const learn = (id: GrantId, more: Partial<GrantInSummary>) => {
    const known = grants.get(id) ?? { id, tools: null, used: 0, ended: null, endedBy: null }
    grants.set(id, { ...known, ...more })
  }
  for (const { grant_id: id, standing } of ofType(events, 'grant.opened')) {
    if (standing !== undefined) learn(id, { tools: standing.tools })
  }
  for (const { grant_id: id } of ofType(events, 'call.intent')) {
    if (id !== null && isStandingGrantId(id)) learn(id, { used: (grants.get(id)?.used ?? 0) + 1 })
  }
  for (const { grant_id: id, state, by, uses } of ofType(events, 'grant.ended')) {
    if (uses === undefined || state === 'consumed') continue
    learn(id, { ended: state, endedBy: by ? (by.email ?? by.name) : null })
  }
  return [...grants.values()]
}

/** Totals by detector, the detectors in alphabetical order. */
export function addFindings(events: readonly AuditEvent[]): readonly Finding[] {
  const totals = new Map<string, number>()
  for (const { masked } of ofType(events, 'call.outcome')) {
    for (const { detector, count } of masked) totals.set(detector, (totals.get(detector) ?? 0) + count)
  }
  return [...totals]
    .map(([detector, count]) => ({ detector, count }))
    .sort((a, b) => (a.detector < b.detector ? -1 : 1))
}

function ofType<Type extends AuditEvent['type']>(events: readonly AuditEvent[], type: Type): readonly EventOf<Type>[] {
  return events.filter((event): event is EventOf<Type> => event.type === type)
}
