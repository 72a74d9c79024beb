/**
 * Approvals in Redis: reads, decides with transition(), and sets by compare-and-set on the version. Of several events
 * at once (two clicks, a deadline, a cancel) exactly one finds the version that it read; the others read again and are
 * told what it had become.
 *
 * In the same step as a resolution: the grants, the inboxes of the replicas that wait, the pending index, the cards that
 * are due, the change stream and, for a review, that it is not recorded yet. So no crash of ours can fall between a
 * decision and the news of it.
 */
import { ACCESS_PENDING_MAX } from '../../src/access/access.ts'
import type { Approval, ApprovalEvent } from '../../src/approval/approval.ts'
import { agentAtFirst, isOfGrant, transition } from '../../src/approval/approval.ts'
import type { ApprovalId, EpochMs } from '../../src/brands.ts'
import { epochMs } from '../../src/brands.ts'
import { GatewayError } from '../../src/errors.ts'
import { grantIdOf, openGrant } from '../../src/grant/grant.ts'
import type { StandingGrant } from '../../src/grant/standing.ts'
import { GRANTS_PER_HOLDER_MAX, isExtendedBy, openStandingGrant } from '../../src/grant/standing.ts'
import type { ApprovalStore, OpenedHold } from '../../src/ports.ts'
import { RESULT_LIFE_MS, type RunState } from '../../src/run/run.ts'
import { grantFields, parseGrant } from '../grant-fields.ts'
import type { Inbox } from '../inbox.ts'
import type { RedisHandle, RedisReply, Script } from '../redis.ts'
import { ownerEmailOf, parseStandingGrant, standingGrantFields } from '../standing-grant-fields.ts'
import type { ApprovalKeys } from './keys.ts'
import { approvalKeys } from './keys.ts'
import { APPLY, ARM, ATTACH, OPEN, READ_ARMED, READ_MANY } from './scripts.ts'

/** People look at what was decided this week; the recording has it for longer. */
export const RESOLVED_KEPT_MS = 7 * 24 * 60 * 60 * 1_000
/** Nobody can review more. With arguments of 10 KB they are 100 MB of Redis, and each may have half a megabyte. */
export const PENDING_MAX = 10_000
/** One agent gone wild must not fill everyone's channel. The settings say how many are too many: holds.maxPerAgent. */
export const PENDING_PER_AGENT_DEFAULT = 50
/** Half of all: one upstream that everybody calls must not take the others' room. */
export const PENDING_PER_UPSTREAM_MAX = 5_000
/** Only a lost race makes a conflict, and an approval takes a handful of events in its life. */
const CONFLICTS_MAX = 32
/** Readers that fall further behind read everything again. */
export const CHANGES_MAX = 10_000
/** A replica reads its inbox within milliseconds; one that is gone for a day does not come back under that name. */
export const INBOX_KEPT_MS = 24 * 60 * 60 * 1_000
export const INBOX_MESSAGES_MAX = 20_000
/**
 * For how long nobody waits before people are told: longer than the gap between two rounds, and than a client takes to
 * come back by itself (`retry: 5000`), once in vain.
 */
export const AWAY_AFTER_MS = 15_000
/** Identical calls come in bunches, and a client that comes back may be a moment ahead of its own cut connection. */
export const CALLS_SHOWN_AFTER_MS = 2_000
/** Each with its arguments, up to half a megabyte: Redis and we do nothing else while a page is read. */
const READ_PAGE = 50

type Applied = Awaited<ReturnType<ApprovalStore['apply']>>

/** What holds.ts needs besides. */
export interface RedisApprovalStore extends ApprovalStore {
  /** Opens, joins or finds granted. An opened one is not shown to anyone before `arm`. */
  open(approval: Approval): Promise<OpenedHold & { readonly armed: boolean }>
  /** False where it is no longer pending. */
  arm(id: ApprovalId): Promise<boolean>
  /** Cancels what could not be opened wholly, unless another call has joined it meanwhile. */
  withdraw(id: ApprovalId, event: ApprovalEvent): Promise<void>
  /** The pending ones requested before an instant, oldest first, and how many were requested later. */
  pendingIds(before: EpochMs): Promise<{ readonly ids: readonly ApprovalId[]; readonly younger: number }>
  /**
   * The run of an approved call ended although people were told that nobody knows. False where it was known already.
   */
  endLateRun(id: ApprovalId, answer: string, at: EpochMs): Promise<boolean>
  /**
   * As `get`, and from now on this replica's inbox hears of the resolution; `callsHere` of its calls wait for it. `calls`:
   * how many do on all replicas.
   */
  attach(id: ApprovalId, callsHere: number): Promise<{ readonly approval: Approval; readonly calls: number } | null>
}

export function createApprovalStore(options: {
  readonly redis: RedisHandle
  readonly inbox: Inbox
  /** How many open approvals one principal may have; PENDING_PER_AGENT_DEFAULT where left out. */
  readonly maxPerAgent?: number
}): RedisApprovalStore {
  const { redis, inbox, maxPerAgent = PENDING_PER_AGENT_DEFAULT } = options
  const keys = approvalKeys(redis)
  const get = async (id: ApprovalId) => parseApproval(await redis.call('HGET', keys.approval(id), 'json'))
  return {
    get,
    listPending: async () => readMany(redis, READ_ARMED, await members(redis, 'ZRANGE', keys.pending, 0, -1)),
    async listPendingPage({ offset, max }) {
      const ids = await members(redis, 'ZRANGE', keys.pending, offset, offset + max - 1)
      const total = Number(await redis.call('ZCARD', keys.pending))
      return { approvals: await readMany(redis, READ_ARMED, ids), total }
    },
    listResolved: async (max) =>
      readMany(redis, READ_MANY, await members(redis, 'ZREVRANGE', keys.resolved, 0, max - 1)),
    listUnknown: async () => readMany(redis, READ_MANY, await members(redis, 'ZRANGE', keys.unknownRuns, 0, -1)),
    apply: (id, event) => applyEvent(redis, { id, event }),
    withdraw: async (id, event) => void (await applyEvent(redis, { id, event, onlyUnjoined: true })),
    endLateRun: async (id, answer, at) =>
      (await applyEvent(redis, { id, event: { type: 'run_ended', at }, answer })).ok,
    open: (approval) => open(redis, approval, { replica: inbox.replica, maxPerAgent }),
    async arm(id) {
      const touched = [keys.approval(id), keys.changes, keys.cardsDue, keys.presenceDue]
      const [word] = await redis.runInTime(ARM, touched, [id, CHANGES_MAX, AWAY_AFTER_MS])
      return word === 'armed'
    },
    async attach(id, callsHere) {
      const { replica } = inbox
      const own = [keys.approval(id), keys.waiters(id), keys.attending(replica)]
      const touched = [...own, keys.attendingReplicas, keys.presenceDue]
      const [json, calls] = (await redis.run(ATTACH, touched, [
        replica,
        id,
        callsHere,
        keys.attending(''),
        CALLS_SHOWN_AFTER_MS,
      ])) as [RedisReply, number]
      const approval = parseApproval(json)
      return approval === null ? null : { approval, calls: Number(calls) }
    },
    async pendingIds(before) {
      const ids = await members(redis, 'ZRANGEBYSCORE', keys.pending, '-inf', `(${before}`)
      return { ids, younger: Number(await redis.call('ZCOUNT', keys.pending, before, '+inf')) }
    },
    async reviewRecorded(approval) {
      await redis.call('ZREM', keys.unrecordedReviews, keys.unrecordedReview(approval))
    },
    onChange(listener, signal) {
      if (signal.aborted) return
      signal.addEventListener('abort', inbox.onChange(listener), { once: true })
    },
  }
}

async function open(
  redis: RedisHandle,
  approval: Approval,
  { replica, maxPerAgent }: { readonly replica: string; readonly maxPerAgent: number },
) {
  const keys = approvalKeys(redis)
  const { id, fingerprint, principal } = approval
  const maxOfPrincipal = approval.access === null ? maxPerAgent : ACCESS_PENDING_MAX
  const [word, json, detail] = await redis.runInTime(
    OPEN,
    [
      keys.approval(id),
      keys.fingerprint(fingerprint),
      keys.pending,
      keys.ofPrincipal(principal.id),
      keys.onUpstream(approval.upstream),
      keys.waiters(id),
      keys.presenceDue,
      keys.stepsDue,
    ],
    [
      id,
      JSON.stringify(approval),
      approval.requestedAt,
      replica,
      PENDING_MAX,
      maxOfPrincipal,
      PENDING_PER_UPSTREAM_MAX,
      redis.key('approval', ''),
      redis.key('waiters', ''),
      redis.key('run', ''),
      approval.version,
      approval.sessionId,
      CALLS_SHOWN_AFTER_MS,
      approval.steps[0]?.at ?? '',
    ],
  )
  switch (word) {
    case 'opened':
      return { outcome: 'opened', approval, armed: false } as const
    case 'joined':
      return { outcome: 'joined', approval: known(parseApproval(json)), armed: detail === '1' } as const
    case 'granted':
      return {
        outcome: 'granted',
        approval: known(parseApproval(json)),
        grant: known(parseGrant(detail)),
        armed: true,
      } as const
    case 'begun':
    case 'settled':
      return { outcome: word, approval: known(parseApproval(json)), armed: true } as const
    case 'too_many':
      throw new GatewayError('too_many_holds', tooMany(json, approval, maxOfPrincipal))
    default:
      throw new GatewayError('internal', 'approval-open answered something else')
  }
}

/** For the agent, and for whoever runs the gateway. */
function tooMany(whose: RedisReply, { upstream, access }: Approval, maxOfPrincipal: number): string {
  const limit = 'Nobody was asked: the limit is'
  if (whose === 'principal') {
    const setting = access === null ? ' (holds.maxPerAgent)' : ''
    return `${limit} ${maxOfPrincipal} open approvals of one agent${setting}. Wait for people to decide, or cancel some.`
  }
  if (whose === 'upstream')
    return `${limit} ${PENDING_PER_UPSTREAM_MAX} open approvals of one upstream ("${upstream}").`
  return `${limit} ${PENDING_MAX} open approvals of all together.`
}

interface Application {
  readonly id: ApprovalId
  readonly event: ApprovalEvent
  readonly onlyUnjoined?: boolean
  /** Of a run that has ended. */
  readonly answer?: string
}

async function applyEvent(redis: RedisHandle, application: Application): Promise<Applied> {
  const { id, event } = application
  const key = approvalKeys(redis).approval(id)
  for (let attempt = 0; attempt < CONFLICTS_MAX; attempt++) {
    const before = parseApproval(await redis.call('HGET', key, 'json'))
    if (before === null) return { ok: false, refusal: 'unknown_approval' }
    const after = transition(before, event)
    if (!after.ok) return after
    const toSet = await withStandingGrant(redis, { before, approval: after.approval, event })
    const word = await set(redis, application, toSet)
    if (word === 'applied') return { ok: true, approval: toSet.approval }
    if (word === 'run_known') return { ok: false, refusal: 'run_known', approval: before }
    if (word === 'unknown') return { ok: false, refusal: 'unknown_approval' }
    if (word === 'joined') return { ok: false, refusal: 'already_resolved', approval: before }
    if (word === 'too_many_grants') return { ok: false, refusal: 'too_many_grants', approval: before }
  }
  throw new GatewayError('store_unavailable', 'this approval changes faster than it can be decided')
}

async function set(
  redis: RedisHandle,
  { event, onlyUnjoined, answer }: Application,
  { before, approval, standing, extended }: ToSet,
): Promise<RedisReply> {
  const keys = approvalKeys(redis)
  const { id } = approval
  const grant = isApproved(approval, event) && approval.access === null ? openGrant(approval, event.at) : null
  const touched = [
    keys.approval(id),
    keys.pending,
    keys.ofPrincipal(approval.principal.id),
    keys.onUpstream(approval.upstream),
    keys.resolved,
    keys.changes,
    keys.waiters(id),
    keys.fingerprint(approval.fingerprint),
    keys.cardsDue,
    keys.cards(id),
    keys.grant(grantIdOf(id)),
    keys.activeGrants,
    keys.unrecordedReviews,
    keys.run(id),
    keys.running,
    keys.unknownRuns,
    keys.activeStanding,
    keys.unshownStanding,
    ...standingKeys(keys, standing),
  ]
  const run = runChange(before, approval)
  const [word] = await redis.runInTime(APPLY, touched, [
    id,
    before.version,
    approval.version,
    approval.state,
    JSON.stringify(approval),
    approval.resolvedAt ?? '',
    keptMs(approval, event.at),
    CHANGES_MAX,
    keys.inbox(''),
    INBOX_KEPT_MS,
    INBOX_MESSAGES_MAX,
    onlyUnjoined ? '1' : '',
    isToBeRecorded(approval, event, onlyUnjoined) ? keys.unrecordedReview(approval) : '',
    isOfGrant(event) ? 'as_it_is' : (leadsHereUntil(approval, event) ?? ''),
    run?.from ?? '',
    run?.to ?? '',
    answer ?? '',
    event.at + (run?.to === 'unknown' ? RESOLVED_KEPT_MS : RESULT_LIFE_MS),
    grant?.id ?? '',
    grant?.expiresAt ?? '',
    ...counted(grant ? grantFields(grant) : []),
    ...standingArgs(keys, standing, extended),
  ])
  return word
}

/** What is to be set, and the standing grant that it opens, or that it makes end later where `extended` is not null. */
interface ToSet {
  readonly before: Approval
  readonly approval: Approval
  readonly standing: StandingGrant | null
  readonly extended: StandingGrant | null
}

/** A card of which people may still take something back is kept as long as that, and then like the others. */
function keptMs(approval: Approval, at: EpochMs): number {
  const { state, resolvedAt, standing } = approval
  const opened = state === 'approved' && resolvedAt !== null ? openStandingGrant(approval, resolvedAt) : null
  if (opened === null) return RESOLVED_KEPT_MS
  return RESOLVED_KEPT_MS + Math.max(0, (standing?.until ?? opened.expiresAt) - at)
}

function isApproved(approval: Approval, event: ApprovalEvent): boolean {
  return event.type === 'reviewed' && approval.state === 'approved'
}

/**
 * The approval says what came of it: where the grant that it was to extend has ended, it opens one of its own; and an
 * extension makes nothing end earlier.
 */
async function withStandingGrant(
  redis: RedisHandle,
  { before, approval, event }: { before: Approval; approval: Approval; event: ApprovalEvent },
): Promise<ToSet> {
  const standing = isApproved(approval, event) ? openStandingGrant(approval, event.at) : null
  const { access } = approval
  if (standing === null || access === null || access.extends === null) {
    return { before, approval, standing, extended: null }
  }
  const key = approvalKeys(redis).standingGrant(access.extends)
  const found = parseStandingGrant(await redis.call('HGETALL', key))
  const extended = found && isExtendedBy(found, standing, redis.serverNow()) ? found : null
  const durationMs = Math.max(access.durationMs, (extended?.expiresAt ?? 0) - event.at)
  const settled = { ...approval, access: { ...access, durationMs, extends: extended?.id ?? null } }
  return { before, approval: settled, standing: openStandingGrant(settled, event.at), extended }
}

function standingKeys(keys: ApprovalKeys, standing: StandingGrant | null): readonly string[] {
  if (standing === null) return []
  const email = ownerEmailOf(standing)
  return [
    keys.standingGrant(standing.id),
    keys.standingOf(standing.holder),
    keys.standingIn(standing.sessionId),
    ...(email === null ? [] : [keys.standingFor(email)]),
  ]
}

function standingArgs(
  keys: ApprovalKeys,
  standing: StandingGrant | null,
  extended: StandingGrant | null,
): readonly (string | number)[] {
  if (standing === null) return ['']
  const { id, expiresAt, approvedBy } = standing
  if (extended !== null) return ['extend', id, expiresAt, extended.expiresAt, JSON.stringify(approvedBy)]
  return ['open', id, expiresAt, GRANTS_PER_HOLDER_MAX, ...counted(standingGrantFields(keys, standing))]
}

/** A list in the midst of a script's arguments. */
function counted(list: readonly string[]): readonly (string | number)[] {
  return [list.length, ...list]
}

/** By whoever applies it. The end of a standing grant is recorded by its own job. A deadline's job runs again until it is recorded; a half-opened hold was never asked about. */
function isToBeRecorded(approval: Approval, event: ApprovalEvent, onlyUnjoined = false): boolean {
  if (isOfGrant(event)) return false
  return event.type === 'reviewed' || (event.type === 'cancelled' && !onlyUnjoined) || approval.run !== null
}

/** What the run is to be now, and what it must have been. Null where the event is none of its. */
function runChange(before: Approval, after: Approval): { from: RunState; to: RunState } | null {
  if (before.run?.state === after.run?.state) return null
  return { from: before.run?.state ?? 'running', to: after.run?.state ?? 'finished' }
}

/**
 * Until when an identical call is led to this approval instead of asking people anew; null for no longer: it expired, or
 * people said that it did not run.
 */
function leadsHereUntil(approval: Approval, event: ApprovalEvent): EpochMs | null {
  switch (approval.state) {
    case 'approved':
      // Access that was asked for is no call that comes back.
      if (approval.access !== null) return null
      if (event.type === 'reviewed') return openGrant(approval, event.at).expiresAt
      if (approval.run?.state === 'did_not_run') return null
      return epochMs(event.at + (approval.run?.state === 'unknown' ? RESOLVED_KEPT_MS : RESULT_LIFE_MS))
    case 'denied':
    case 'cancelled':
      return epochMs(event.at + RESULT_LIFE_MS)
    default:
      return null
  }
}

async function members(redis: RedisHandle, ...command: [string, ...(string | number)[]]): Promise<ApprovalId[]> {
  const [name, ...args] = command
  const reply = await redis.call(name, ...args)
  return Array.isArray(reply) ? (reply as ApprovalId[]) : []
}

async function readMany(redis: RedisHandle, script: Script, ids: readonly ApprovalId[]): Promise<Approval[]> {
  const keys = approvalKeys(redis)
  const approvals: Approval[] = []
  for (let start = 0; start < ids.length; start += READ_PAGE) {
    const page = ids.slice(start, start + READ_PAGE).map((id) => keys.approval(id))
    const reply = await redis.run(script, page, [])
    for (const json of Array.isArray(reply) ? reply : []) {
      const approval = parseApproval(json)
      if (approval) approvals.push(approval)
    }
  }
  return approvals
}

/** Only the scripts above write this text, so that it needs no second check of every field. */
function parseApproval(json: RedisReply): Approval | null {
  if (typeof json !== 'string') return null
  return { ...UNKNOWN_TO_EARLIER, ...(JSON.parse(json) as Approval) }
}

/** What an earlier version wrote has none of these. */
const UNKNOWN_TO_EARLIER = {
  run: null,
  agent: agentAtFirst('waiting'),
  access: null,
  annotations: null,
  statedReason: null,
  strength: 'click',
  readAll: false,
  allowForMs: [],
  allowedForMs: null,
  rooms: [],
  isOutOfHours: false,
  steps: [],
  reminders: { count: 0, lastAt: null },
  remarks: [],
  standing: null,
} as const satisfies Partial<Approval>

function known<T>(value: T | null): T {
  if (value === null) throw new GatewayError('internal', 'approval-open answered no approval')
  return value
}
