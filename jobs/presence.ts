/**
 * Whether anyone waits for a decision, so that the card can say what Approve will do.
 *
 *   a call waits ─► its replica says so, in the step that registers it for the decision
 *   it leaves    ─► its replica says so a moment later, many at once ──grace──► the jobs role looks: away
 *   its replica falls silent (kill -9) ────────────────────────────────grace──► the same
 *   it comes back ─► the replica where it does changes the card at once
 *
 * Away is thus never decided by a timer that dies with its process: what is due is in Redis, and whoever has the jobs
 * role looks at it. A look compares with what the approval says, and changes nothing where that is so already.
 */
import type { AgentEvent, Approval } from '../src/approval/approval.ts'
import type { ApprovalId, EpochMs } from '../src/brands.ts'
import { epochMs } from '../src/brands.ts'
import type { Clock, Log, Recorder } from '../src/ports.ts'
import { approvalKeys } from './approvals/keys.ts'
import { AWAY_AFTER_MS, type RedisApprovalStore } from './approvals/store.ts'
import type { Inbox } from './inbox.ts'
import { DUE, LEAVE, PRESENT, SEEN } from './presence-scripts.ts'
import { startReconciler } from './reconcile.ts'
import type { RedisHandle } from './redis.ts'
import { BEAT_MS } from './runs.ts'

/** Longer than the gap between two rounds (a quarter of a second), so that mostly there is nothing to say. */
const LEAVING_TOLD_AFTER_MS = 1_000
/** In one script: it must not hold up decisions. */
const LEAVING_AT_ONCE_MAX = 500
const LOOK_EVERY_MS = 2_000
const PAGE = 100
/**
 * A replica's heartbeat lives as long as the grace. But where it was Redis that stood still every replica is silent
 * until its next beat, so that one is waited for.
 */
const SILENT_GRACE_MS = BEAT_MS + 1_500
/** Its clients have come back elsewhere, or are away; where it was only cut off, it registers anew when it is back. */
const SILENT_FORGOTTEN_MS = 10 * 60 * 1_000

/** The calls of this process that wait. */
export interface Attendance {
  /** One call more waits. Answers how to say that it doesn't any longer. */
  attend(id: ApprovalId): () => void
  /** How many wait, to be told Redis now. */
  tell(id: ApprovalId): number
  /** Tells what has left, as far as Redis can be told: else the heartbeat that ends does. */
  close(): Promise<void>
}

export function startAttendance(options: {
  readonly redis: RedisHandle
  readonly inbox: Inbox
  readonly log: Log
  readonly graceMs?: number
}): Attendance {
  const { redis, inbox, log, graceMs = AWAY_AFTER_MS } = options
  const keys = approvalKeys(redis)
  /** `told` is what Redis knows, or may. */
  const attended = new Map<ApprovalId, { calls: number; told: number }>()
  const changed = new Set<ApprovalId>()
  const tellChanges = async () => {
    while (changed.size > 0) {
      const ids = [...changed].slice(0, LEAVING_AT_ONCE_MAX)
      const args: (string | number)[] = []
      for (const id of ids) {
        changed.delete(id)
        const entry = attended.get(id)
        if (entry === undefined || entry.calls === entry.told) continue
        args.push(id, entry.calls)
        entry.told = entry.calls
        if (entry.calls === 0) attended.delete(id)
      }
      if (args.length === 0) continue
      const command = [graceMs, keys.approval('' as ApprovalId), ...args]
      await redis.run(LEAVE, [keys.attending(inbox.replica), keys.presenceDue], command).catch((error: unknown) => {
        // Nobody knows whether it was heard: it is said again.
        for (const id of ids) {
          const entry = attended.get(id) ?? { calls: 0, told: 0 }
          attended.set(id, { ...entry, told: -1 })
          changed.add(id)
        }
        throw error
      })
    }
  }
  const reconciler = startReconciler({ redis, name: 'attendance', log, run: tellChanges })
  return {
    attend(id) {
      const entry = attended.get(id) ?? { calls: 0, told: 0 }
      entry.calls += 1
      attended.set(id, entry)
      return () => {
        const now = attended.get(id)
        if (now === undefined) return
        now.calls -= 1
        changed.add(id)
        reconciler.poke(LEAVING_TOLD_AFTER_MS)
      }
    },
    tell(id) {
      const entry = attended.get(id)
      if (entry === undefined) return 0
      entry.told = entry.calls
      return entry.calls
    },
    async close() {
      await reconciler.close()
      if (redis.isReady()) await tellChanges().catch(() => undefined)
    },
  }
}

interface Services {
  readonly store: Pick<RedisApprovalStore, 'apply' | 'get'>
  readonly recorder: Recorder
  readonly clock: Clock
  readonly log: Log
}

/** For the replica that the agent of an approval came back to. */
export function cameBack(services: Services, approval: Approval, calls: number): Promise<void> {
  return change(services, approval, { type: 'agent_came', state: 'waiting', calls, at: services.clock.now() })
}

/** What is recorded here decides nothing, so that a call neither waits for it nor fails with it. */
async function change({ store, recorder, log }: Services, before: Approval, event: AgentEvent): Promise<void> {
  const applied = await store.apply(before.id, event)
  const wasAway = before.agent.state === 'away'
  if (!applied.ok || (event.type === 'agent_came' && !wasAway)) return
  const common = { at: event.at, session_id: before.sessionId, approval_id: before.id } as const
  await recorder
    .record(
      event.type === 'agent_left'
        ? { type: 'approval.agent_away', ...common, since: event.awaySince }
        : { type: 'approval.agent_back', ...common },
      'written',
    )
    .catch(() => log.warn('where an agent is could not be recorded', { approval_id: before.id }))
}

interface Due {
  readonly member: string
  readonly id: ApprovalId
  /** Only how many wait: it is too early to say that nobody does. */
  readonly isOfCalls: boolean
  /** As Redis writes it. */
  readonly since: string
}

/** For the jobs role: looks at what is due. */
export function startPresence(services: Services & { readonly redis: RedisHandle; readonly graceMs?: number }): {
  close(): Promise<void>
} {
  const { redis, log } = services
  const reconciler = startReconciler({
    redis,
    name: 'presence',
    log,
    run: async () => {
      // First, so that it is looked again also where something fails below.
      reconciler.poke(LOOK_EVERY_MS)
      for (let left = 0; ; ) {
        const due = await readDue(redis, left)
        const settled = await Promise.all(due.map((one) => look(services, one)))
        left += settled.filter((isSettled) => !isSettled).length
        if (due.length < PAGE) return
      }
    },
  })
  return reconciler
}

async function readDue(redis: RedisHandle, leftOut: number): Promise<readonly Due[]> {
  const keys = approvalKeys(redis)
  const args = [SILENT_GRACE_MS, SILENT_FORGOTTEN_MS, keys.attending(''), keys.heartbeat(''), leftOut, PAGE]
  const reply = await redis.run(DUE, [keys.attendingReplicas, keys.presenceDue], args)
  const texts = Array.isArray(reply) ? reply.map(String) : []
  return texts.flatMap((member, at) => (at % 2 === 0 ? [dueOf(member, texts[at + 1] ?? '')] : []))
}

function dueOf(member: string, since: string): Due {
  const [id, calls] = member.split(':') as [ApprovalId, string?]
  return { member, id, isOfCalls: calls !== undefined, since }
}

/** False where it must be looked at again: it has changed so lately that people need not be told yet. */
async function look(
  services: Services & { readonly redis: RedisHandle; readonly graceMs?: number },
  due: Due,
): Promise<boolean> {
  const { redis, store, clock, graceMs = AWAY_AFTER_MS } = services
  const approval = await store.get(due.id)
  // Who asks for access doesn't wait for a call's answer.
  if (approval?.state === 'pending' && approval.access === null) {
    const now = clock.now()
    const event = eventOf(await present(redis, due.id), epochMs(Number(due.since) - graceMs + redis.clockSkewMs()), now)
    const isNews = !(due.isOfCalls && event.type === 'agent_left') && isNewsOf(approval, event)
    if (isNews && isTooSoon(approval, event, graceMs)) return false
    if (isNews) await change(services, approval, event)
    // It may have come back in between, to a replica that read the approval before this change.
    if (isNews && event.type === 'agent_left') {
      const again = eventOf(await present(redis, due.id), event.awaySince, now)
      const left = await store.get(due.id)
      if (left !== null && again.type === 'agent_came') await change(services, left, again)
    }
  }
  await redis.run(SEEN, [approvalKeys(redis).presenceDue], [due.member, due.since])
  return true
}

async function present(redis: RedisHandle, id: ApprovalId): Promise<{ calls: number; tasks: number }> {
  const keys = approvalKeys(redis)
  const args = [id, keys.attending(''), keys.heartbeat(''), redis.key('task', '')]
  const reply = await redis.run(PRESENT, [keys.attendingReplicas, redis.key('tasks-of', id)], args)
  const [calls, tasks] = Array.isArray(reply) ? reply.map(Number) : []
  return { calls: calls ?? 0, tasks: tasks ?? 0 }
}

function eventOf({ calls, tasks }: { calls: number; tasks: number }, awaySince: EpochMs, at: EpochMs): AgentEvent {
  if (calls + tasks === 0) return { type: 'agent_left', awaySince, at }
  return { type: 'agent_came', state: calls > 0 ? 'waiting' : 'polling', calls: calls + tasks, at }
}

function isNewsOf({ agent }: Approval, event: AgentEvent): boolean {
  if (event.type === 'agent_left') return agent.state !== 'away'
  return agent.state !== event.state || agent.calls !== event.calls
}

/**
 * A client that comes and goes, or more and more calls: one repaint each time of grace. Away takes two, because coming
 * back is shown at once.
 */
function isTooSoon({ agent }: Approval, event: AgentEvent, graceMs: number): boolean {
  if (agent.changedAt === null) return false
  const isBack = event.type === 'agent_came' && agent.state === 'away'
  return !isBack && event.at < agent.changedAt + (event.type === 'agent_left' ? 2 : 1) * graceMs
}
