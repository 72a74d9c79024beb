/**
 * An ApprovalStore in memory: the whole port, on the same transition() as Redis, for tests of what stands above it.
 * Every method yields once, so that callers meet the interleavings that a real store has.
 */
import type { Approval } from '../../src/approval/approval.ts'
import { transition } from '../../src/approval/approval.ts'
import type { ApprovalId } from '../../src/brands.ts'
import { GatewayError } from '../../src/errors.ts'
import type { ApprovalStore } from '../../src/ports.ts'

export interface MemoryApprovalStore extends ApprovalStore {
  /** What jobs/holds does with a new approval. */
  open(approval: Approval): void
  /** As if Redis were away: every method rejects until it is set back. */
  away: boolean
}

export function createMemoryApprovalStore(): MemoryApprovalStore {
  const approvals = new Map<ApprovalId, Approval>()
  const listeners = new Set<(id: ApprovalId) => void>()

  const arrive = async (): Promise<void> => {
    await Promise.resolve()
    if (store.away) throw new GatewayError('store_unavailable', 'the store is away')
  }
  const set = (approval: Approval): void => {
    approvals.set(approval.id, approval)
    for (const listener of [...listeners]) listener(approval.id)
  }

  const store: MemoryApprovalStore = {
    away: false,
    open: set,
    get: async (id) => {
      await arrive()
      return approvals.get(id) ?? null
    },
    listPending: async () => {
      await arrive()
      const pending = [...approvals.values()].filter((approval) => approval.state === 'pending')
      return pending.sort((a, b) => a.requestedAt - b.requestedAt)
    },
    listPendingPage: async ({ offset, max }) => {
      const pending = await store.listPending()
      return { approvals: pending.slice(offset, offset + max), total: pending.length }
    },
    listResolved: async (max) => {
      await arrive()
      const resolved = [...approvals.values()].filter((approval) => approval.state !== 'pending')
      return resolved.sort((a, b) => (b.resolvedAt ?? 0) - (a.resolvedAt ?? 0)).slice(0, max)
    },
    listUnknown: async () => {
      await arrive()
      return [...approvals.values()].filter(({ run }) => run?.state === 'unknown')
    },
    apply: async (id, event) => {
      await arrive()
      const approval = approvals.get(id)
      if (approval === undefined) return { ok: false, refusal: 'unknown_approval' }
      const applied = transition(approval, event)
      if (applied.ok) set(applied.approval)
      return applied
    },
    reviewRecorded: arrive,
    onChange: (listener, signal) => {
      if (signal.aborted) return
      listeners.add(listener)
      signal.addEventListener('abort', () => listeners.delete(listener), { once: true })
    },
  }
  return store
}
