/** A task that many tests need whole, and a store of tasks without Redis. */
import type { ApprovalId, CallId, TaskId } from '../../src/brands.ts'
import { epochMs } from '../../src/brands.ts'
import type { Tasks } from '../../src/ports.ts'
import type { Task, TaskState } from '../../src/task/task.ts'
import { isOpen, transition } from '../../src/task/task.ts'
import { aPrincipal } from './examples.ts'

export function aTask(state: TaskState = { step: 'waiting' }, change: Partial<Task> = {}): Task {
  const { id: principal, client } = aPrincipal()
  return {
    id: 'cst_example' as TaskId,
    version: 1,
    principal,
    client,
    upstream: 'files',
    callId: 'call_example' as CallId,
    approvalId: 'apr_example' as ApprovalId,
    rule: 'writes',
    createdAt: epochMs(1_000),
    updatedAt: epochMs(1_000),
    decisionUntil: epochMs(901_000),
    expiresAt: epochMs(5_401_000),
    round: 0,
    state,
    ...change,
  }
}

export function memoryTasks(...tasks: readonly Task[]): Tasks & { readonly woken: TaskId[] } {
  const known = new Map(tasks.map((task) => [task.id, task]))
  const woken: TaskId[] = []
  return {
    woken,
    async create(task) {
      known.set(task.id, task)
      return task
    },
    get: async (id) => known.get(id) ?? null,
    async apply(id, event) {
      const task = known.get(id)
      if (task === undefined) return { ok: false, refusal: 'unknown' }
      const changed = transition(task, event)
      if (changed.ok) known.set(id, changed.task)
      return changed
    },
    countFor: async (id) => [...known.values()].filter((task) => task.approvalId === id && isOpen(task)).length,
    wake: async ({ id }) => void woken.push(id),
  }
}
