/**
 * Tasks in Redis, each until it is forgotten, and the workers that carry them on.
 *
 *   task:<id>                 hash    json, version, open
 *   tasks-of:<approval>       hash    owner -> task: an identical call of the same client gets the same task
 *   tasks-open                zset    by createdAt; what the reconciliation looks at
 *
 * A task is carried on by a job whose id follows from the task and its round, added by whichever replica hears first
 * that its approval was decided; the reconciliation adds those that nobody heard of. A job holds the task's id alone.
 * It may run again after a crash: what it may do then is in the task's state, whose `sent` is accepted once.
 *
 * Redis' memory is what bounds tasks: one is made only for an open approval, whose number is limited.
 */
import { createHash } from 'node:crypto'
import type { ApprovalId, TaskId } from '../src/brands.ts'
import { GatewayError } from '../src/errors.ts'
import type { ApprovalStore, Log, Tasks } from '../src/ports.ts'
import type { Task, TaskEvent } from '../src/task/task.ts'
import { isOpen, transition } from '../src/task/task.ts'
import type { Inbox } from './inbox.ts'
import type { JobQueue, RunResult } from './queues.ts'
import { openQueue, startWorker } from './queues.ts'
import { startReconciler } from './reconcile.ts'
import type { RedisHandle, RedisReply } from './redis.ts'
import { CREATE, OPEN_OF_APPROVAL, SAVE } from './task-scripts.ts'

const QUEUE = 'tasks'
/** Each may wait for an upstream for long; one slow upstream must not stop the others' tasks soon. */
const CONCURRENCY = 64
const PAGE = 100
/** Only a lost race makes a conflict, and few act on one task at once. */
const CONFLICTS_MAX = 16

interface TaskJob {
  readonly taskId: TaskId
}

/** How a worker carries one task on, as far as it can go now. proxy/mcp/task-runs implements it. */
export type RunTask = (id: TaskId) => Promise<'done' | { readonly againInMs: number }>

export interface RedisTasks extends Tasks {
  /** Those of an approval that are open. */
  openOf(id: ApprovalId): Promise<readonly Task[]>
  /** Oldest first; a task that has been forgotten is left out, and taken off the list. */
  listOpen(start: number, count: number): Promise<{ readonly tasks: readonly Task[]; readonly listed: number }>
  close(): Promise<void>
}

export function createTasks(redis: RedisHandle): RedisTasks {
  const queue = openQueue<TaskJob>(redis, QUEUE)
  const get = async (id: TaskId) => parseTask(await redis.call('HGET', redis.key('task', id), 'json'))
  const openOf = async (id: ApprovalId) => {
    const reply = await redis.run(OPEN_OF_APPROVAL, [redis.key('tasks-of', id)], [redis.key('task', '')])
    return Array.isArray(reply) ? reply.map(parseTask).filter((task) => task !== null) : []
  }
  return {
    get,
    openOf,
    create: (task) => create(redis, task),
    apply: (id, event) => apply(redis, get, { id, event }),
    countFor: async (id) => (await openOf(id)).length,
    wake: (task, delayMs = 0) => wake(queue, task, delayMs),
    listOpen: (start, count) => listOpen(redis, get, start, count),
    close: () => queue.close(),
  }
}

function wake(queue: JobQueue<TaskJob>, { id, round }: Task, delayMs: number): Promise<void> {
  // Each round is a job of its own: the one that makes it necessary may still be running under its id.
  return queue.add({ id: round === 0 ? `task-${id}` : `task-${id}-${round}`, data: { taskId: id }, delayMs })
}

async function create(redis: RedisHandle, task: Task): Promise<Task> {
  const keys = [redis.key('task', task.id), redis.key('tasks-of', task.approvalId), redis.key('tasks-open')]
  const [word, json] = await redis.runInTime(CREATE, keys, [
    task.id,
    JSON.stringify(task),
    task.version,
    ownerOf(task),
    task.createdAt,
    task.expiresAt,
    redis.key('task', ''),
  ])
  if (word === 'created') return task
  const known = word === 'known' ? parseTask(json) : null
  if (known === null) throw new GatewayError('internal', 'task-create answered something else')
  return known
}

async function apply(
  redis: RedisHandle,
  get: Tasks['get'],
  { id, event }: { id: TaskId; event: TaskEvent },
): ReturnType<Tasks['apply']> {
  for (let attempt = 0; attempt < CONFLICTS_MAX; attempt++) {
    const before = await get(id)
    if (before === null) return { ok: false, refusal: 'unknown' }
    const changed = transition(before, event)
    if (!changed.ok) return changed
    const word = await save(redis, before, changed.task)
    if (word === 'applied') return changed
    if (word === 'unknown') return { ok: false, refusal: 'unknown' }
  }
  throw new GatewayError('store_unavailable', 'the task changes faster than it can be read')
}

async function save(redis: RedisHandle, before: Task, task: Task): Promise<RedisReply> {
  const keys = [redis.key('task', task.id), redis.key('tasks-of', task.approvalId), redis.key('tasks-open')]
  const [word] = await redis.runInTime(SAVE, keys, [
    task.id,
    JSON.stringify(task),
    before.version,
    task.version,
    ownerOf(task),
    task.expiresAt,
    isOpen(task) ? '1' : '0',
  ])
  return word
}

async function listOpen(redis: RedisHandle, get: Tasks['get'], start: number, count: number) {
  const reply = await redis.call('ZRANGE', redis.key('tasks-open'), start, start + count - 1)
  const ids = Array.isArray(reply) ? reply.map((id) => String(id) as TaskId) : []
  const found = await Promise.all(ids.map(get))
  const forgotten = ids.filter((_, index) => found[index] === null)
  if (forgotten.length > 0) await redis.call('ZREM', redis.key('tasks-open'), ...forgotten)
  return { tasks: found.filter((task) => task !== null), listed: ids.length - forgotten.length }
}

/** Ids of clients are the issuer's text: their digest has a bounded length and no surprises. */
function ownerOf({ principal, client, upstream }: Task): string {
  return createHash('sha256')
    .update(JSON.stringify([principal, client, upstream]))
    .digest('base64url')
}

function parseTask(text: RedisReply): Task | null {
  // Only this file writes this text, so that it needs no second check of every field.
  return typeof text === 'string' ? (JSON.parse(text) as Task) : null
}

/** For the gateway role: carries tasks on when their approvals are decided, and when their clients have answered. */
export function startTaskRuns(services: {
  readonly redis: RedisHandle
  readonly inbox: Inbox
  readonly approvals: Pick<ApprovalStore, 'get'>
  readonly tasks: RedisTasks
  readonly log: Log
  /** How long `close` waits for those that run. */
  readonly drainMs: number
  readonly run: RunTask
  /** Breaks off those that run for longer: nobody knows how they end. */
  readonly cutOff: () => void
}): { close(): Promise<void> } {
  const { redis, inbox, approvals, tasks, log, drainMs, run, cutOff } = services
  const worker = startWorker<TaskJob>({
    redis,
    queue: QUEUE,
    concurrency: CONCURRENCY,
    log,
    drainMs,
    giveUp: cutOff,
    run: ({ data }): Promise<RunResult> => run(data.taskId),
  })
  const wakeDecided = async (id: ApprovalId, waiting: readonly Task[]) => {
    if (waiting.length === 0) return
    const approval = await approvals.get(id)
    // Added before it is decided, the job would be gone when it is; what Redis has lost is told the agent.
    if (approval?.state !== 'pending') await Promise.all(waiting.map((task) => tasks.wake(task)))
  }
  const reconciler = startReconciler({
    redis,
    name: QUEUE,
    log,
    run: async () => {
      for (let start = 0; ; ) {
        const page = await tasks.listOpen(start, PAGE)
        await Promise.all(
          page.tasks.map((task) =>
            task.state.step === 'waiting' ? wakeDecided(task.approvalId, [task]) : carryOn(task),
          ),
        )
        start += page.listed
        if (page.listed === 0) return
      }
    },
  })
  const carryOn = async (task: Task) => {
    const { step } = task.state
    if (step === 'running' || step === 'answering') await tasks.wake(task)
  }
  const forget = inbox.onChange((id) => {
    tasks
      .openOf(id)
      .then((open) =>
        wakeDecided(
          id,
          open.filter(({ state }) => state.step === 'waiting'),
        ),
      )
      .catch(() => reconciler.poke())
  })
  let closing: Promise<void> | null = null
  const close = async () => {
    forget()
    await reconciler.close()
    await worker.close()
  }
  return {
    close() {
      closing ??= close()
      return closing
    },
  }
}
