/**
 * How a client of MCP 2026-07-28 waits for people, unless it takes a task: on the stream of its own request, for one
 * budget, and then in the next round (rounds.ts).
 *
 *   held ─► comments, or progress ─► decided: the answer
 *                │  its budget is used up ─► input_required; its client calls again by itself
 *                └─ the stream is cut, or this gateway stops or dies ─► its client comes back (resume.ts), or calls again
 */
import type { ServerResponse } from 'node:http'
import type { Approval } from '../../src/approval/approval.ts'
import type { EpochMs } from '../../src/brands.ts'
import { epochMs } from '../../src/brands.ts'
import type { Attachment, Call } from '../../src/gate/call.ts'
import type { RpcId } from '../../src/mcp/message.ts'
import type { Clock, HeldConnections, ParkedCalls } from '../../src/ports.ts'
import type { Sealer } from '../../src/sealing/seal.ts'
import type { Budgets } from './budget.ts'
import type { Endings } from './endings.ts'
import { createEndings } from './endings.ts'
import { placesOf, RESUMABLE_AFTER_MS } from './legacy-hold.ts'
import type { Outlet } from './outlet.ts'
import { parkedCallOf, parkIfRoom } from './parked.ts'
import { ResumableOutlet } from './resumable-outlet.ts'
import type { Cursor } from './resume.ts'
import type { WaitingRoom } from './waiting.ts'

/** One connection of a modern client, with its call. */
export interface ModernRequest {
  readonly call: Call
  readonly outlet: Outlet
  readonly progressToken: RpcId | null
  /** It waits by a task, and not here. */
  readonly takesTasks: boolean
  readonly client: string | null
  /** What it came back with after its stream was cut; null for a request of its own. */
  readonly cursor: Cursor | null
  /** How many rounds it has had. */
  readonly round: number
  /** What goes upstream beside the credential, for when the call is carried on without its request. */
  readonly headers: () => Readonly<Record<string, string>>
  readonly left: AbortSignal
  readonly response: ServerResponse
}

export interface ModernHolds {
  attach(request: ModernRequest): Attachment
}

export interface ModernHoldsOptions {
  readonly waitingRoom: WaitingRoom
  /** So that nobody else's cancellation takes back what this connection waits for. */
  readonly connections: Pick<HeldConnections, 'attach'>
  readonly parked: ParkedCalls
  readonly budgets: Budgets
  readonly sealer: Sealer
  readonly draining: AbortSignal
  readonly clock: Clock
}

export function createModernHolds(options: ModernHoldsOptions): ModernHolds {
  const endings = createEndings(options.draining)
  return { attach: (request) => attach({ ...options, endings }, request) }
}

interface Parts extends ModernHoldsOptions {
  readonly endings: Endings
}

const NO_PATIENCE = AbortSignal.abort()

function attach(options: Parts, request: ModernRequest): Attachment {
  const { takesTasks, left, response, outlet } = request
  let patience: AbortSignal | null = takesTasks ? NO_PATIENCE : null
  return {
    async held(approval) {
      if (takesTasks) return
      const now = options.clock.now()
      const answerBy = answerByOf(options, request, now)
      patience = patienceUntil(options, answerBy === null ? null : answerBy - now, response)
      await count(options, request, approval)
      // A client that takes no stream waits without a sign of life: better than refusing it.
      if (!outlet.takesStream) return
      await prime(options, request, { approval, arrivedAt: now, answerBy })
      options.waitingRoom.enter(outlet, approval, request.progressToken)
    },
    gone: left,
    get patience() {
      return patience
    },
    isPolling: takesTasks,
  }
}

/** It has no name by which its client could cancel it: to leave is all that it can do. */
async function count({ connections }: Parts, { call, response }: ModernRequest, approval: Approval): Promise<void> {
  const connection = await connections.attach({
    callId: call.id,
    approvalId: approval.id,
    request: { digest: call.id, hasSession: false },
    until: epochMs(approval.expiresAt + RESUMABLE_AFTER_MS),
  })
  if (response.closed) connection.settled()
  else response.once('close', connection.settled)
}

/** Null: until the gateway stops. */
function patienceUntil({ endings }: Parts, ms: number | null, response: ServerResponse): AbortSignal {
  const patience = endings()
  const timer = ms === null ? undefined : setTimeout(() => patience.abort(), Math.max(0, ms))
  const over = () => {
    clearTimeout(timer)
    patience.release()
  }
  // Who has left already is not told of again.
  if (response.closed) over()
  else response.once('close', over)
  return patience.signal
}

/** A client that comes back counts from when it first asked. */
function answerByOf(
  { budgets }: ModernHoldsOptions,
  { call, client, progressToken, cursor }: ModernRequest,
  now: EpochMs,
): EpochMs | null {
  if (cursor !== null) return cursor.answerBy
  const oauthClient = call.principal.client
  const budgetMs = budgets.patienceOf({ client, oauthClient, hasToken: progressToken !== null, era: 'modern' })
  return budgetMs === null ? null : epochMs(now + budgetMs)
}

/** The call is parked before the stream's head is written: whoever has an id to come back with finds it. */
async function prime(
  { parked, sealer }: ModernHoldsOptions,
  { call, outlet, cursor, client, round, headers }: ModernRequest,
  hold: { readonly approval: Approval; readonly arrivedAt: EpochMs; readonly answerBy: EpochMs | null },
): Promise<void> {
  if (cursor !== null || !(outlet instanceof ResumableOutlet)) return
  const { approval, arrivedAt, answerBy } = hold
  const until = epochMs(approval.expiresAt + RESUMABLE_AFTER_MS)
  const held = parkedCallOf({ call, approvalId: approval.id, headers: headers(), client })
  if (!(await parkIfRoom(parked, held, until))) return
  outlet.prime(...placesOf(sealer, call, { arrivedAt, answerBy, round }))
}
