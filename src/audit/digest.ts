/**
 * What happened in one week, counted from its recorded events and from nothing else, in whatever order they come: the
 * segments of several replicas are read one after the other. What is kept of a week is bounded; where that was too
 * little, the digest says so instead of counting wrong.
 */
import type { ApprovalId, CallId, EpochMs, GrantId } from '../brands.ts'
import { scopeName } from '../freeze/freeze.ts'
import { isStandingGrantId } from '../grant/standing.ts'
import type { PrincipalSummary } from '../identity/principal.ts'
import type { Reviewer } from '../people/reviewer.ts'
import type { AuditEvent } from './events.ts'
import { createPersons } from './persons.ts'
import { startOf, type WeekId, weekFrom } from './week.ts'

/** What is new was not seen in so many weeks before. */
export const FIRSTS_WEEKS = 4
/** Rows of one kind that people still read; how many there are in all is said beside them. */
export const DIGEST_ROWS_MAX = 10
/** An approval waits a day at most; requests and answers by different clocks lie no further apart. */
const ASKED_BEFORE_MS = 2 * 86_400_000
/** Approvals, reviews and lost calls of a week: some 100 bytes each, and one every six seconds. */
const KEPT_MAX = 100_000
/** Names of tools, agents, reviewers and upstreams. Agents make up tools' names, and others sign up. */
const NAMES_MAX = 20_000
/** Of a name, so that no agent fills the memory with one: people tell names apart by less. */
const NAME_CHARS_MAX = 200
const FREEZES_MAX = 100

export interface Digest {
  readonly week: WeekId
  readonly zone: string
  readonly from: EpochMs
  readonly to: EpochMs
  /** That began in the week. */
  readonly sessions: number
  /** Tool calls that went to their upstream. */
  readonly calls: number
  readonly deniedByPolicy: number
  readonly unknownOutcomes: number
  /** Of those, the ones of which people have found out. */
  readonly unknownResolved: number
  readonly approvals: {
    readonly asked: number
    readonly approved: number
    readonly denied: number
    readonly expired: number
    readonly cancelled: number
  }
  /** Denials by reviewers that say why. */
  readonly denialsWithReason: number
  /** Approvals by reviewers, faster than what was shown can be read. */
  readonly hasty: number
  /** From the question to a review; null where there was none. */
  readonly medianMs: number | null
  /** Those with most reviews first. */
  readonly reviewers: readonly ReviewerInDigest[]
  readonly tools: { readonly total: number; readonly mostCalled: readonly ToolInDigest[] }
  /** Of the tools that people were asked about. */
  readonly held: { readonly total: number; readonly mostHeld: readonly ToolInDigest[] }
  readonly grants: {
    readonly opened: number
    readonly extended: number
    /** Calls that passed under one. */
    readonly used: number
    readonly expired: number
    /** Taken back before they would have ended. */
    readonly revoked: number
  }
  /** Oldest first. */
  readonly freezes: readonly FreezeInDigest[]
  /** Oldest first; null where nothing was recorded in the weeks before, or too much to compare with. */
  readonly firsts: { readonly total: number; readonly shown: readonly FirstInDigest[] } | null
  /** Segments whose chain is broken: what stands behind the break is not counted. */
  readonly brokenSegments: number
  /** More happened than can be counted. */
  readonly isCut: boolean
}

export interface ReviewerInDigest {
  readonly reviewer: Reviewer
  readonly approved: number
  readonly denied: number
  readonly hasty: number
  readonly medianMs: number | null
}

export interface ToolInDigest {
  readonly upstream: string
  readonly tool: string
  readonly calls: number
  readonly held: number
  readonly deniedByPolicy: number
}

export interface FreezeInDigest {
  readonly what: 'frozen' | 'thawed'
  readonly at: EpochMs
  /** See scopeName. */
  readonly scope: string
  readonly by: Reviewer
  readonly reason: string | null
}

export interface FirstInDigest {
  readonly kind: 'tool' | 'agent' | 'reviewer' | 'upstream'
  readonly name: string
  readonly at: EpochMs
}

export interface DigestTally {
  /** Takes trusted events alone; those of other weeks are left out. */
  add(event: AuditEvent): void
  digest(brokenSegments: number): Digest
}

/** From when on a digest needs the recordings. */
export function digestReadsFrom(week: WeekId, zone: string): EpochMs {
  return startOf(weekFrom(week, -FIRSTS_WEEKS), zone)
}

interface KeptReview {
  readonly approvalId: ApprovalId
  readonly reviewer: Reviewer
  readonly choice: 'approve' | 'deny'
  readonly at: EpochMs
  readonly isHasty: boolean
  readonly hasReason: boolean
}

type Counted = { -readonly [Key in keyof ToolInDigest]: ToolInDigest[Key] }
type Resolution = Exclude<keyof Digest['approvals'], 'asked'>

/** All that is kept while the events pass. */
class Kept {
  isCut = false
  wasRecordedBefore = false
  sessions = 0
  grantUses = 0
  readonly asked = new Map<ApprovalId, EpochMs>()
  readonly resolved = new Map<ApprovalId, Resolution>()
  readonly reviews = new Map<string, KeptReview>()
  readonly lost = new Map<CallId, true>()
  readonly found = new Map<CallId, true>()
  readonly tools = new Map<string, Counted>()
  readonly opened = new Map<GrantId, true>()
  readonly extended = new Map<string, true>()
  readonly ended = new Map<GrantId, 'expired' | 'revoked'>()
  readonly freezes = new Map<string, FreezeInDigest>()
  readonly before = new Map<string, Named>()
  readonly seen = new Map<string, Seen>()
  readonly persons = createPersons(NAMES_MAX)

  /** What is kept under the key; null where there is no room for another. */
  take<Key, Value>(map: Map<Key, Value>, key: Key, make: () => Value, max = KEPT_MAX): Value | null {
    const known = map.get(key)
    if (known !== undefined) return known
    if (map.size >= max) {
      this.isCut = true
      return null
    }
    const made = make()
    map.set(key, made)
    return made
  }
}

export function createDigestTally(week: WeekId, zone: string): DigestTally {
  const since = digestReadsFrom(week, zone)
  const from = startOf(week, zone)
  const to = startOf(weekFrom(week, 1), zone)
  const kept = new Kept()
  return {
    add(event) {
      if (event.at < since || event.at >= to) return
      if (event.type === 'approval.reviewed') kept.persons.add(event.review.reviewer)
      if (event.at >= from) addOfWeek(kept, event)
      else addFromBefore(kept, event, from)
    },
    digest(brokenSegments) {
      const isCut = kept.isCut || kept.persons.isFull
      return { week, zone, from, to, ...figures(kept, from), brokenSegments, isCut }
    },
  }
}

function addFromBefore(kept: Kept, event: AuditEvent, from: EpochMs): void {
  kept.wasRecordedBefore = true
  for (const { kind, key } of namesIn(event)) kept.take(kept.before, keyOf(kind, key), () => ({ kind, key }), NAMES_MAX)
  if (event.type !== 'approval.requested' || event.at < from - ASKED_BEFORE_MS) return
  kept.take(kept.asked, event.approval_id, () => event.at)
}

function addOfWeek(kept: Kept, event: AuditEvent): void {
  for (const named of namesIn(event)) {
    const key = keyOf(named.kind, named.key)
    const first = kept.take(kept.seen, key, () => ({ ...named, at: event.at }), NAMES_MAX)
    if (first !== null && event.at < first.at) kept.seen.set(key, { ...named, at: event.at })
  }
  switch (event.type) {
    case 'session.started':
      kept.sessions += 1
      break
    case 'call.decided':
      if (event.effect === 'deny') countTool(kept, event, 'deniedByPolicy')
      break
    case 'call.intent':
      countTool(kept, event, 'calls')
      if (event.grant_id !== null && isStandingGrantId(event.grant_id)) kept.grantUses += 1
      break
    case 'call.outcome_unknown':
      kept.take(kept.lost, event.call_id, () => true)
      break
    case 'run.resolved':
      kept.take(kept.found, event.call_id, () => true)
      break
    case 'freeze.frozen':
    case 'freeze.thawed':
      addFreeze(kept, event)
      break
    default:
      addOfApproval(kept, event)
  }
}

/** Of what stands in two recordings, because another finished what a crash had left half-done, the first counts. */
function addOfApproval(kept: Kept, event: AuditEvent): void {
  switch (event.type) {
    case 'approval.requested':
      if (!kept.asked.has(event.approval_id)) countTool(kept, event, 'held')
      kept.take(kept.asked, event.approval_id, () => event.at)
      break
    case 'approval.reviewed': {
      const { reviewer, choice, at, isHasty, reason } = event.review
      const review = { approvalId: event.approval_id, reviewer, choice, at, isHasty, hasReason: reason !== null }
      kept.take(kept.reviews, `${event.approval_id} ${reviewer.id}`, () => review)
      break
    }
    case 'approval.resolved':
      kept.take(kept.resolved, event.approval_id, () => event.state)
      break
    case 'grant.opened':
      if (event.standing !== undefined) kept.take(kept.opened, event.grant_id, () => true)
      break
    case 'grant.extended':
      kept.take(kept.extended, event.approval_id, () => true)
      break
    case 'grant.ended': {
      const { state } = event
      if (state !== 'consumed' && isStandingGrantId(event.grant_id)) kept.take(kept.ended, event.grant_id, () => state)
      break
    }
  }
}

type OfTool = { readonly upstream: string; readonly tool: string | null }

function countTool(kept: Kept, named: OfTool, what: 'calls' | 'held' | 'deniedByPolicy'): void {
  if (named.tool === null) return
  const [upstream, tool] = [clip(named.upstream), clip(named.tool)]
  const make = () => ({ upstream, tool, calls: 0, held: 0, deniedByPolicy: 0 })
  const counted = kept.take(kept.tools, keyOf(upstream, tool), make, NAMES_MAX)
  if (counted !== null) counted[what] += 1
}

function addFreeze(kept: Kept, event: Extract<AuditEvent, { type: `freeze.${string}` }>): void {
  if (event.type === 'freeze.frozen' && event.already) return
  const { scope, by, at } = event
  const what = event.type === 'freeze.frozen' ? 'frozen' : 'thawed'
  const reason = event.type === 'freeze.frozen' ? event.reason : null
  const freeze = { what, at, scope: scopeName(scope), by, reason } as const
  kept.take(kept.freezes, `${what} ${freeze.scope} ${at}`, () => freeze, FREEZES_MAX)
}

// ---- what can be seen for the first time

/** `key` tells it apart from others of its kind. */
type Named = Pick<FirstInDigest, 'kind'> & { readonly key: string }
type Seen = FirstInDigest & Named

function namesIn(event: AuditEvent): readonly Omit<Seen, 'at'>[] {
  switch (event.type) {
    case 'session.started':
      return [byName('agent', agentName(event.principal)), byName('upstream', clip(event.upstream))]
    case 'call.intent':
    case 'call.decided':
    case 'approval.requested':
      return [
        byName('upstream', clip(event.upstream)),
        ...(event.tool === null ? [] : [byName('tool', clip(toolName(event.upstream, event.tool)))]),
      ]
    case 'approval.reviewed':
      return [{ kind: 'reviewer', name: personName(event.review.reviewer), key: event.review.reviewer.id }]
    default:
      return []
  }
}

function byName(kind: FirstInDigest['kind'], name: string): Omit<Seen, 'at'> {
  return { kind, name, key: name }
}

export function toolName(upstream: string, tool: string): string {
  return `${tool} on ${upstream}`
}

function agentName({ email, subject, client }: PrincipalSummary): string {
  return clip(`${email ?? subject}’s agent${client === null ? '' : `, by client ${client}`}`)
}

function personName({ email, id }: Reviewer): string {
  return clip(email ?? id)
}

function keyOf(first: string, second: string): string {
  return `${first}\n${second}`
}

function clip(name: string): string {
  return name.length > NAME_CHARS_MAX ? `${name.slice(0, NAME_CHARS_MAX)}…` : name
}

// ---- the figures

function figures(
  kept: Kept,
  from: EpochMs,
): Omit<Digest, 'week' | 'zone' | 'from' | 'to' | 'brokenSegments' | 'isCut'> {
  const reviews = [...kept.reviews.values()]
  const tools = [...kept.tools.values()]
  const held = tools.filter((tool) => tool.held > 0)
  const called = tools.filter((tool) => tool.calls > 0)
  const states = [...kept.resolved.values()]
  const countOf = (wanted: Resolution) => states.filter((state) => state === wanted).length
  const ends = [...kept.ended.values()]
  return {
    sessions: kept.sessions,
    calls: tools.reduce((sum, { calls }) => sum + calls, 0),
    deniedByPolicy: tools.reduce((sum, { deniedByPolicy }) => sum + deniedByPolicy, 0),
    unknownOutcomes: kept.lost.size,
    unknownResolved: [...kept.found.keys()].filter((id) => kept.lost.has(id)).length,
    approvals: {
      asked: [...kept.asked.values()].filter((at) => at >= from).length,
      ...{ approved: countOf('approved'), denied: countOf('denied') },
      ...{ expired: countOf('expired'), cancelled: countOf('cancelled') },
    },
    denialsWithReason: reviews.filter(({ choice, hasReason }) => choice === 'deny' && hasReason).length,
    hasty: reviews.filter(isHastyApproval).length,
    medianMs: medianOf(kept, reviews),
    reviewers: reviewersIn(kept, reviews),
    tools: { total: called.length, mostCalled: most(called, 'calls') },
    held: { total: held.length, mostHeld: most(held, 'held') },
    grants: {
      opened: kept.opened.size,
      extended: kept.extended.size,
      used: kept.grantUses,
      expired: ends.filter((state) => state === 'expired').length,
      revoked: ends.filter((state) => state === 'revoked').length,
    },
    freezes: [...kept.freezes.values()].sort((a, b) => a.at - b.at),
    firsts: firstsIn(kept),
  }
}

function isHastyApproval({ choice, isHasty }: KeptReview): boolean {
  return choice === 'approve' && isHasty
}

function most(tools: readonly ToolInDigest[], by: 'calls' | 'held'): readonly ToolInDigest[] {
  const name = ({ upstream, tool }: ToolInDigest) => toolName(upstream, tool)
  return [...tools].sort((a, b) => b[by] - a[by] || (name(a) < name(b) ? -1 : 1)).slice(0, DIGEST_ROWS_MAX)
}

function reviewersIn(kept: Kept, reviews: readonly KeptReview[]): readonly ReviewerInDigest[] {
  const byPerson = new Map<string, KeptReview[]>()
  for (const review of reviews) {
    const key = kept.persons.of(review.reviewer)
    byPerson.set(key, [...(byPerson.get(key) ?? []), review])
  }
  return [...byPerson.values()]
    .map((own) => ({
      reviewer: (own[0] as KeptReview).reviewer,
      approved: own.filter(({ choice }) => choice === 'approve').length,
      denied: own.filter(({ choice }) => choice === 'deny').length,
      hasty: own.filter(isHastyApproval).length,
      medianMs: medianOf(kept, own),
    }))
    .sort((a, b) => b.approved + b.denied - a.approved - a.denied || (name(a) < name(b) ? -1 : 1))
}

const name = ({ reviewer }: ReviewerInDigest) => personName(reviewer)

/** Without those whose question stands elsewhere. Clocks of two replicas may disagree: no time is below zero. */
function medianOf({ asked }: Kept, reviews: readonly KeptReview[]): number | null {
  const times = reviews
    .flatMap(({ approvalId, at }) => {
      const askedAt = asked.get(approvalId)
      return askedAt === undefined ? [] : [Math.max(0, at - askedAt)]
    })
    .sort((a, b) => a - b)
  const [low, high] = [times[(times.length - 1) >> 1], times[times.length >> 1]]
  return low === undefined || high === undefined ? null : (low + high) / 2
}

function firstsIn({ before, seen, persons, wasRecordedBefore }: Kept): Digest['firsts'] {
  if (!wasRecordedBefore || before.size >= NAMES_MAX) return null
  const keyIn = ({ kind, key }: Named) => keyOf(kind, kind === 'reviewer' ? persons.of({ id: key }) : key)
  const known = new Set([...before.values()].map(keyIn))
  const firsts: FirstInDigest[] = []
  for (const first of [...seen.values()].sort((a, b) => a.at - b.at || (a.name < b.name ? -1 : 1))) {
    const key = keyIn(first)
    if (known.has(key)) continue
    known.add(key)
    firsts.push({ kind: first.kind, name: first.name, at: first.at })
  }
  return { total: firsts.length, shown: firsts.slice(0, DIGEST_ROWS_MAX) }
}

/** Nothing that anybody did. */
export function isQuiet(digest: Digest): boolean {
  const { sessions, calls, deniedByPolicy, unknownOutcomes, approvals, reviewers, grants, freezes } = digest
  const counts = [sessions, calls, deniedByPolicy, unknownOutcomes, ...Object.values(approvals), reviewers.length]
  return [...counts, ...Object.values(grants), freezes.length].every((count) => count === 0)
}
