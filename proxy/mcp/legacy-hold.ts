/**
 * How a client of MCP 2025-11-25 and earlier waits for people: on the stream of its own request.
 *
 *   held ─► comments, or progress ─► decided: the answer
 *                │  its budget is used up ─► the pending answer; an identical call joins the approval
 *                │  the stream is cut, or this gateway stops or dies ─► its client comes back (resume.ts), or calls again
 *                │  notifications/cancelled, a time-out ─► ends without an answer; the question stays
 *                └─ notifications/cancelled, any other ─► ends without an answer; the question is withdrawn
 *
 * A client that can come back is told how at the beginning: an event with an id, no data, and `retry` (2025-11-25
 * basic/transports, "Sending Messages to the Server", 6.). Earlier clients parse the empty data as JSON and fail; the
 * SDKs' servers leave them out by the same revision.
 */
import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Approval } from '../../src/approval/approval.ts'
import type { ApprovalId, EpochMs } from '../../src/brands.ts'
import { epochMs } from '../../src/brands.ts'
import type { Attachment, Call, StreamEvent } from '../../src/gate/call.ts'
import type { Principal } from '../../src/identity/principal.ts'
import { canonicalJson } from '../../src/json/canonical.ts'
import type { JsonObject } from '../../src/json/value.ts'
import type { ClientKind } from '../../src/mcp/client-budget.ts'
import { isTimeOut } from '../../src/mcp/client-budget.ts'
import type { RpcId } from '../../src/mcp/message.ts'
import type {
  ApprovalStore,
  Clock,
  HeldConnection,
  HeldConnections,
  HeldEnd,
  Log,
  ParkedCalls,
  Recorder,
  RequestName,
  Runs,
  Tasks,
} from '../../src/ports.ts'
import { recordCancelled } from '../../src/review/review.ts'
import type { Sealer } from '../../src/sealing/seal.ts'
import { RETRY_MS } from '../response/sse.ts'
import type { Budgets } from './budget.ts'
import type { Ending, Endings } from './endings.ts'
import { createEndings } from './endings.ts'
import type { Outlet } from './outlet.ts'
import { parkedCallOf, parkIfRoom } from './parked.ts'
import { ResumableOutlet } from './resumable-outlet.ts'
import type { Cursor } from './resume.ts'
import { sealCursor } from './resume.ts'
import type { WaitingRoom } from './waiting.ts'

const FIRST_RESUMABLE_REVISION = '2025-11-25'
/** After the deadline nobody decides any more; a client that comes back later than this hears nothing of use. */
export const RESUMABLE_AFTER_MS = 60 * 60 * 1_000
/** A card has a line for it. */
const REASON_LENGTH_MAX = 200

/** One connection of a legacy client, with its call. */
export interface LegacyRequest {
  readonly call: Call
  readonly request: IncomingMessage
  readonly outlet: Outlet
  readonly progressToken: RpcId | null
  /** `clientInfo.name` of its session; null where it is not known. */
  readonly client: string | null
  /** Its MCP session; null where it has none. */
  readonly session: string | null
  /** What it came back with; null for a call that comes for the first time. */
  readonly cursor: Cursor | null
  /** What goes upstream beside the credential, for when the call is carried on without its request. */
  readonly headers: () => Readonly<Record<string, string>>
  readonly left: AbortSignal
}

export interface LegacyAttachment extends Attachment {
  /** Why it is to end without an answer; null where nothing said so. */
  readonly end: HeldEnd | null
  /** The call goes to the MCP server. */
  forwarded(): void
  /** The connection is over, with or without its answer. */
  close(how: 'answered' | 'cut'): void
}

export interface LegacyHolds {
  attach(request: LegacyRequest): LegacyAttachment
  /**
   * Acts on a `notifications/cancelled` of this client. True where the call was held: then the MCP server knows nothing
   * of it. Never throws.
   */
  cancelled(by: {
    principal: Principal
    upstream: string
    session: string | null
    params: JsonObject
  }): Promise<boolean>
}

export interface LegacyHoldsOptions {
  readonly waitingRoom: WaitingRoom
  readonly connections: HeldConnections
  readonly parked: ParkedCalls
  readonly approvals: Pick<ApprovalStore, 'apply' | 'reviewRecorded'>
  readonly tasks: Pick<Tasks, 'countFor'>
  readonly runs: Pick<Runs, 'delivered'>
  readonly recorder: Recorder
  readonly budgets: Budgets
  readonly sealer: Sealer
  readonly draining: AbortSignal
  readonly clock: Clock
  readonly log: Log
}

interface Parts extends LegacyHoldsOptions {
  readonly endings: Endings
}

export function createLegacyHolds(options: LegacyHoldsOptions): LegacyHolds {
  const parts: Parts = { ...options, endings: createEndings(options.draining) }
  return {
    attach: (request) => attach(parts, request),
    async cancelled({ principal, upstream, session, params }) {
      const { requestId, reason } = params
      if (typeof requestId !== 'string' && typeof requestId !== 'number') return false
      const said = typeof reason === 'string' ? reason : null
      const end = isTimeOut(said) ? 'timed_out' : 'withdrawn'
      try {
        const name = requestName({ principal, upstream, session, id: requestId })
        const cancelled = await options.connections.cancel(name, end)
        if (cancelled === null) return false
        if (end === 'withdrawn' && cancelled.isAlone) await withdraw(options, cancelled.approvalId, said)
        return true
      } catch (error) {
        options.log.warn('a cancellation did not reach its call', { error: String(error) })
        return false
      }
    },
  }
}

/** Two clients may both have a request 1; two sessions of one client, too. */
function requestName(of: {
  principal: Principal
  upstream: string
  session: string | null
  id: RpcId | null
}): RequestName {
  const { principal, upstream, session, id } = of
  const text = canonicalJson([principal.id, principal.client, upstream, session, id])
  return { digest: createHash('sha256').update(text).digest('hex'), hasSession: session !== null }
}

/** No other connection waits for it; but a task of another client of its principal's may. */
async function withdraw(options: LegacyHoldsOptions, id: ApprovalId, said: string | null): Promise<void> {
  if ((await options.tasks.countFor(id)) > 0) return
  const at = options.clock.now()
  // As it came: cards make visible what can't be seen, like in every text of an agent's.
  const words = said === null || said.trim() === '' ? '' : `: ${cut(said)}`
  const applied = await options.approvals.apply(id, { type: 'cancelled', reason: `Withdrawn by the agent${words}`, at })
  if (!applied.ok) return
  // Who took it back needn't be told: the same call, made again, asks again.
  await options.runs.delivered(id)
  await recordCancelled(options.recorder, applied.approval, at)
  await options.approvals.reviewRecorded(applied.approval).catch(() => undefined)
}

function cut(text: string): string {
  if (text.length <= REASON_LENGTH_MAX) return text
  // By characters: half of one is no text.
  return `${Array.from(text.slice(0, REASON_LENGTH_MAX)).slice(0, -1).join('')}…`
}

/** Made for every legacy call; of what it may need nothing is made before the call is held. */
function attach(options: Parts, request: LegacyRequest): LegacyAttachment {
  const { left, call, cursor, outlet } = request
  const { clock, budgets, draining, endings } = options
  const arrivedAt = cursor?.arrivedAt ?? clock.now()
  const kind = kindOf(request)
  const resumable = resumableOutlet(request)
  let going: AbortController | null = null
  let patience: Ending | null = null
  let timer: NodeJS.Timeout | undefined
  let connection: HeldConnection | null = null
  let isForwarded = false
  const end = () => (connection?.ended.aborted ? (connection.ended.reason as HeldEnd) : null)
  const gone = () => {
    if (going !== null) return going
    going = new AbortController()
    if (left.aborted) going.abort()
    else left.addEventListener('abort', leave, { once: true })
    return going
  }
  const leave = () => gone().abort()
  return {
    get gone() {
      return gone().signal
    },
    get patience() {
      return patience?.signal ?? null
    },
    get end() {
      return end()
    },
    async held(approval) {
      const answerBy = cursor === null ? answerByOf(budgets, kind, arrivedAt) : cursor.answerBy
      const budget = endings()
      patience = budget
      if (answerBy !== null) timer = setTimeout(() => budget.abort(), Math.max(0, answerBy - clock.now()))
      const held = await hold(options, request, { approval, parks: resumable !== null && cursor === null })
      connection = held.connection
      const { cancelled, ended } = connection
      if (cancelled?.end === 'withdrawn' && cancelled.isAlone) await withdraw(options, approval.id, null)
      if (ended.aborted) return leave()
      ended.addEventListener('abort', leave, { once: true })
      if (held.isParked) resumable?.prime(...placesOf(options.sealer, call, { arrivedAt, answerBy, round: 0 }))
      if (outlet.takesStream) options.waitingRoom.enter(outlet, approval, request.progressToken)
    },
    forwarded() {
      isForwarded = true
      clearTimeout(timer)
      connection?.settled()
    },
    close(how) {
      clearTimeout(timer)
      patience?.release()
      if (connection === null) return
      const waitedMs = clock.now() - arrivedAt
      if (end() === 'timed_out') budgets.gaveUp(kind, waitedMs, 'said')
      // One that can come back was cut by anything but its own clock, of which it would have told us.
      else if (left.aborted && !isForwarded && resumable === null && !draining.aborted) {
        budgets.gaveUp(kind, waitedMs, 'left')
      }
      if (how === 'answered') connection.settled()
      else connection.left()
    },
  }
}

/** The ids before and behind the answer, as events. */
export function placesOf(
  sealer: Sealer,
  call: Call,
  when: Pick<Cursor, 'arrivedAt' | 'answerBy' | 'round'>,
): [first: StreamEvent, last: StreamEvent] {
  const event = (isOver: boolean, retryMs: number | null): StreamEvent => {
    const id = sealCursor(sealer, { ...when, callId: call.id, isOver }, call)
    return { id, event: null, data: '', retryMs }
  }
  return [event(false, RETRY_MS), event(true, null)]
}

function kindOf({ client, call, progressToken }: LegacyRequest): ClientKind {
  return { client, oauthClient: call.principal.client, hasToken: progressToken !== null }
}

function answerByOf(budgets: Budgets, kind: ClientKind, arrivedAt: EpochMs): EpochMs | null {
  const budgetMs = budgets.patienceOf({ ...kind, era: 'legacy' })
  return budgetMs === null ? null : epochMs(arrivedAt + budgetMs)
}

/** Null where its client can't come back. */
function resumableOutlet({ request, outlet, cursor }: LegacyRequest): ResumableOutlet | null {
  if (!(outlet instanceof ResumableOutlet) || !outlet.takesStream) return null
  const version = request.headers['mcp-protocol-version']
  const isKnown = typeof version === 'string' && version >= FIRST_RESUMABLE_REVISION
  return isKnown || cursor !== null ? outlet : null
}

/** Parked before the stream's head is written: whoever has an id to come back with finds its call. */
async function hold(
  { connections, parked }: LegacyHoldsOptions,
  { call, client, session, headers }: LegacyRequest,
  { approval, parks }: { approval: Approval; parks: boolean },
): Promise<{ readonly connection: HeldConnection; readonly isParked: boolean }> {
  const { principal, upstream, rpcId: id } = call
  const request = requestName({ principal, upstream, session, id })
  const until = epochMs(approval.expiresAt + RESUMABLE_AFTER_MS)
  const attaching = connections.attach({ callId: call.id, approvalId: approval.id, request, until })
  // Whichever fails first: what nobody has awaited yet must not end the process.
  attaching.catch(() => undefined)
  try {
    const isParked =
      parks &&
      (await parkIfRoom(parked, parkedCallOf({ call, approvalId: approval.id, headers: headers(), client }), until))
    return { connection: await attaching, isParked }
  } catch (error) {
    // Its connection is refused, so it must not count as one that waits.
    attaching.then((held) => held.left()).catch(() => undefined)
    throw error
  }
}
