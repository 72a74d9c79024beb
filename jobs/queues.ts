/**
 * The only file that knows BullMQ's Queue and Worker. Jobs hold ids, never arguments or credentials, and each has an id
 * that follows from what it is for: added twice (a lost answer, two processes, a reconciliation) it is still one job.
 *
 * A job runs again after a crash, always (BullMQ: at least once). So every `run` looks at the state first and is
 * harmless the second time. What a run wants next is its answer, not an exception.
 */
import { DelayedError, Queue, RateLimitError, Worker } from 'bullmq'
import { GatewayError } from '../src/errors.ts'
import type { Log } from '../src/ports.ts'
import { type RedisHandle, throwStoreUnavailable } from './redis.ts'

/** With the longest delay between two this is a working day: who repairs a channel finds its cards still coming. */
const ATTEMPTS_MAX = 1_000
const BACKOFF_FIRST_MS = 500
const BACKOFF_MAX_MS = 30_000
/** A worker renews its lock at half of this; a killed one's jobs are taken over after lock and interval. */
const LOCK_MS = 15_000
const STALLED_INTERVAL_MS = 10_000
/** What runs may finish; then the process goes, and the job runs again elsewhere. */
const DRAIN_TIMEOUT_MS = 10_000
/** What was told to give up says so within milliseconds; a Redis that is away may keep it from that. */
const GIVE_UP_TIMEOUT_MS = 2_000
/** An event stream that nothing of ours reads. */
const EVENTS_MAX = 100

export interface Job<Data> {
  /** Letters, digits, `_` and `-`. */
  readonly id: string
  readonly data: Data
  /** From now; 0 where left out. */
  readonly delayMs?: number
}

/** For producers. Every method rejects with `store_unavailable` in milliseconds when Redis is away. */
export interface JobQueue<Data> {
  /** Nothing happens where a job of that id is there already. */
  add(job: Job<Data>): Promise<void>
  addMany(jobs: readonly Job<Data>[]): Promise<void>
  has(id: string): Promise<boolean>
  /** Nothing happens where it isn't there, or runs just now. */
  remove(id: string): Promise<void>
  close(): Promise<void>
}

export function openQueue<Data extends object>(redis: RedisHandle, name: string): JobQueue<Data> {
  const queue = openBullQueue(redis, name)
  const entry = ({ id, data, delayMs = 0 }: Job<Data>) => ({
    name,
    data,
    opts: { ...JOB_OPTIONS, jobId: id, delay: Math.max(0, Math.ceil(delayMs)) },
  })
  const attempt = async <T>(action: () => Promise<T>): Promise<T> => {
    // Only the request connection knows that the version will do and the clock is measured.
    if (!redis.isReady()) throw new GatewayError('store_unavailable', 'Redis is not connected')
    return action().catch(throwStoreUnavailable)
  }
  return {
    add: (job) => attempt(async () => void (await queue.add(name, job.data, entry(job).opts))),
    addMany: (jobs) => attempt(async () => void (await queue.addBulk(jobs.map(entry)))),
    has: (id) => attempt(async () => (await queue.getJob(id)) !== undefined),
    remove: (id) => attempt(async () => void (await queue.remove(id))),
    close: () => queue.close().catch(() => undefined),
  }
}

/** What a run answers. */
export type RunResult =
  | 'done'
  /** This job once more, later; no failed attempt. */
  | { readonly againInMs: number }
  /** No job of this queue, in any process, before then. This one comes first. */
  | { readonly pauseQueueMs: number }

export interface JobWorker {
  /** Takes no more jobs, lets those that run finish, within a bound. */
  close(): Promise<void>
}

export function startWorker<Data extends object>(options: {
  readonly redis: RedisHandle
  readonly queue: string
  readonly concurrency: number
  readonly log: Log
  /** How long `close` waits for what runs; DRAIN_TIMEOUT_MS where left out. */
  readonly drainMs?: number
  /** Breaks off what still runs then. Left out: it goes with its process. */
  readonly giveUp?: () => void
  /** `attempt` counts from 1; more than 1: an earlier run failed, was put off, or died somewhere in between. */
  readonly run: (job: { readonly id: string; readonly data: Data; readonly attempt: number }) => Promise<RunResult>
}): JobWorker {
  const { redis, log } = options
  const queue = openBullQueue(redis, options.queue)
  const worker = new Worker<Data>(
    options.queue,
    async (job, token) => {
      const result = await options.run({ id: job.id ?? '', data: job.data, attempt: job.attemptsStarted })
      if (result === 'done') return
      if ('againInMs' in result) {
        await job.moveToDelayed(Date.now() + Math.max(1, Math.ceil(result.againInMs)), token)
        throw new DelayedError()
      }
      await queue.rateLimit(Math.max(1, Math.ceil(result.pauseQueueMs)))
      throw new RateLimitError()
    },
    {
      connection: redis.worker,
      prefix: redis.queuePrefix,
      concurrency: options.concurrency,
      // No skipVersionCheck here: BullMQ would take Redis for an old one and wait in whole seconds for delayed jobs.
      lockDuration: LOCK_MS,
      stalledInterval: STALLED_INTERVAL_MS,
      // Stalling is what a deploy looks like; a job must survive any number of them.
      maxStalledCount: ATTEMPTS_MAX,
      settings: { backoffStrategy: backoffMs },
    },
  )
  // Redis away: redis.ts says so once. BullMQ would say it for every attempt of every worker.
  worker.on('error', () => undefined)
  worker.on('failed', (job, error) => {
    const last = job === undefined || job.attemptsMade >= ATTEMPTS_MAX
    const fields = { queue: options.queue, job: job?.id, attempt: job?.attemptsMade, why: whyOf(error) }
    if (last) log.error('job given up', fields)
    else log.warn('job failed, will run again', fields)
  })
  return {
    async close() {
      // With Redis away nothing can be finished, and BullMQ would wait for a reply that never comes.
      const closed = worker.close(!redis.isReady()).catch(() => undefined)
      if (!(await isDoneWithin(closed, options.drainMs ?? DRAIN_TIMEOUT_MS))) {
        log.warn('worker not drained in time; its jobs run again elsewhere', { queue: options.queue })
        if (options.giveUp !== undefined) {
          options.giveUp()
          await isDoneWithin(closed, GIVE_UP_TIMEOUT_MS)
        }
      }
      await queue.close().catch(() => undefined)
    },
  }
}

async function isDoneWithin(work: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const tooLong = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, ms, false)
  })
  const isDone = await Promise.race([work.then(() => true), tooLong])
  clearTimeout(timer)
  return isDone
}

/** At most so many jobs of a queue run at once, counted over every process. */
export async function limitQueue(redis: RedisHandle, name: string, concurrency: number): Promise<void> {
  const queue = openBullQueue(redis, name)
  try {
    await queue.setGlobalConcurrency(concurrency).catch(throwStoreUnavailable)
  } finally {
    // Also where Redis refuses it again and again: each queue listens to the shared connection until it is closed.
    await queue.close().catch(() => undefined)
  }
}

const JOB_OPTIONS = {
  attempts: ATTEMPTS_MAX,
  backoff: { type: 'bounded' },
  // A finished job that stayed would swallow the next one of its id; the recording is the history, not Redis.
  removeOnComplete: true,
  removeOnFail: true,
}

function openBullQueue(redis: RedisHandle, name: string): Queue {
  const queue = new Queue(name, {
    connection: redis.producer,
    prefix: redis.queuePrefix,
    skipVersionCheck: true,
    skipWaitingForReady: true,
    streams: { events: { maxLen: EVENTS_MAX } },
  })
  queue.on('error', () => undefined)
  return queue
}

/** Doubles up to the bound; half of it by chance, so that what failed together does not come back together. */
export function backoffMs(attemptsMade: number): number {
  const fullMs = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(attemptsMade - 1, 16))
  return Math.round(fullMs * (0.5 + Math.random() / 2))
}

/** A code or a class: a channel's message may quote what it was sent. */
function whyOf(error: unknown): string {
  if (error instanceof GatewayError) return error.code
  return error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.name) : 'unknown'
}
