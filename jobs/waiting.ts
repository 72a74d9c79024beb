/**
 * The connections of this process that wait for something about an approval: its decision, or the end of its run. They
 * are woken by the inbox, and whatever they wait for is read again whenever Redis was away, because a wake-up may then
 * have been lost.
 */
import type { ApprovalId } from '../src/brands.ts'
import { GatewayError } from '../src/errors.ts'
import type { Log } from '../src/ports.ts'
import type { Inbox } from './inbox.ts'
import { startReconciler } from './reconcile.ts'
import type { RedisHandle } from './redis.ts'

/** How many are looked after at once when Redis is back. */
const PAGE = 100

export interface Waiting<T> {
  /** Rejects with the signal's reason, or with `store_unavailable` where `read` found it `Lost`. */
  wait(id: ApprovalId, signal: AbortSignal): Promise<T>
  close(): Promise<void>
}

export function startWaiting<T>(options: {
  readonly redis: RedisHandle
  readonly inbox: Inbox
  readonly log: Log
  readonly name: string
  /** Registers this replica and reads, in one step; null: not yet. Whatever it throws but `Lost` is tried again. */
  readonly read: (id: ApprovalId) => Promise<T | null>
}): Waiting<T> {
  const { redis, inbox, log, name } = options
  type Wake = (outcome: { ok: true; value: T } | { ok: false; error: unknown }) => void
  const waiters = new Map<ApprovalId, Set<Wake>>()
  // Those of which we can't be sure that Redis will tell us, or of which it just has.
  const unread = new Set<ApprovalId>()
  const settle = (id: ApprovalId, outcome: Parameters<Wake>[0]) => {
    const waiter = waiters.get(id)
    waiters.delete(id)
    for (const wake of waiter ?? []) wake(outcome)
  }
  const read = async (id: ApprovalId) => {
    // Before it is read: a wake-up that comes while the answer is on its way asks for another reading.
    unread.delete(id)
    if (!waiters.has(id)) return
    try {
      const value = await options.read(id)
      if (value !== null) settle(id, { ok: true, value })
    } catch (error) {
      if (!(error instanceof Lost)) {
        unread.add(id)
        throw error
      }
      settle(id, { ok: false, error: new GatewayError('store_unavailable', error.message) })
    }
  }
  const reconciler = startReconciler({
    redis,
    name,
    log,
    run: async () => {
      const ids = [...unread]
      for (let start = 0; start < ids.length; start += PAGE) {
        await Promise.all(ids.slice(start, start + PAGE).map(read))
      }
    },
  })
  const recheck = (id: ApprovalId) => {
    if (!waiters.has(id)) return
    unread.add(id)
    reconciler.poke()
  }
  const stops = [
    inbox.onResolved(recheck),
    redis.onReconnect(() => {
      for (const id of waiters.keys()) recheck(id)
    }),
  ]
  return {
    wait: (id, signal) =>
      new Promise<T>((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason)
        const waiter = waiters.get(id) ?? new Set()
        const wake: Wake = (outcome) => {
          signal.removeEventListener('abort', onAbort)
          if (outcome.ok) resolve(outcome.value)
          else reject(outcome.error)
        }
        const onAbort = () => {
          waiter.delete(wake)
          if (waiter.size === 0 && waiters.get(id) === waiter) waiters.delete(id)
          reject(signal.reason)
        }
        waiters.set(id, waiter.add(wake))
        signal.addEventListener('abort', onAbort, { once: true })
        recheck(id)
      }),
    async close() {
      for (const stop of stops) stop()
      await reconciler.close()
    },
  }
}

/** What is waited for is not in Redis, and will not be. */
export class Lost extends Error {
  override readonly name = 'Lost'
}
