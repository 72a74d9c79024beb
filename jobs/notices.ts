/**
 * Tells people what is neither a card nor a summary: each notice once in each channel, when the channel can.
 *
 *   notice:<digest of its id>   hash   json, <channel>: told, <channel>:posting: when it was last tried
 *
 * Whoever sends may have no channel itself (a command in a shell, a gateway without bots): it writes the notice down and
 * adds a job a channel; a process that speaks to the channels takes them. The hash outlives the jobs, so that the same
 * id, sent again after it was told, tells nothing.
 */
import { createHash } from 'node:crypto'
import type { ChannelName } from '../src/policy/decision.ts'
import { type Channel, ChannelBusy, type Clock, type Log, type Notice, type Notices } from '../src/ports.ts'
import { postOnce } from './post-once.ts'
import { openQueue, type RunResult, startWorker } from './queues.ts'
import { defineScript, type RedisHandle } from './redis.ts'

/** Longer than anything sends a notice again, and than a channel is out of order. */
const KEPT_MS = 7 * 24 * 60 * 60 * 1_000
const BUSY_MAX_MS = 10 * 60 * 1_000

interface NoticeJob {
  readonly digest: string
  /** As its sender named it: what the channel finds it by. */
  readonly id: string
}

export interface NoticesService extends Notices {
  close(): Promise<void>
}

/** KEYS 1 notice   ARGV 1 json  2 kept for, ms */
const KEEP = defineScript(
  'notice-keep',
  `
redis.call('HSETNX', KEYS[1], 'json', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {'kept'}
`,
)

const queueOf = (channel: ChannelName) => `notices-${channel}`
const keyOf = (redis: RedisHandle, digest: string) => redis.key('notice', digest)

/** For whoever has something to tell. `channels`: all that the settings name, whether this process has them or not. */
export function createNotices(redis: RedisHandle, channels: readonly ChannelName[]): NoticesService {
  const queues = channels.map((name) => ({ name, queue: openQueue<NoticeJob>(redis, queueOf(name)) }))
  return {
    async send(id, notice) {
      const digest = createHash('sha256').update(id).digest('hex')
      await redis.run(KEEP, [keyOf(redis, digest)], [JSON.stringify(notice), KEPT_MS])
      await Promise.all(
        queues.map(({ name, queue }) => queue.add({ id: `notice-${digest}-${name}`, data: { digest, id } })),
      )
    },
    async close() {
      await Promise.all(queues.map(({ queue }) => queue.close()))
    },
  }
}

export interface NoticesWorkerOptions {
  readonly redis: RedisHandle
  /** Those that this process speaks to. */
  readonly channels: readonly Channel[]
  readonly clock: Clock
  readonly log: Log
}

export function startNoticesWorker(options: NoticesWorkerOptions): { close(): Promise<void> } {
  const workers = options.channels.map((channel) =>
    startWorker<NoticeJob>({
      redis: options.redis,
      queue: queueOf(channel.name),
      concurrency: 1,
      log: options.log,
      run: ({ data }) => tell(options, channel, data),
    }),
  )
  return { close: async () => void (await Promise.all(workers.map((worker) => worker.close()))) }
}

async function tell(
  { redis, clock }: NoticesWorkerOptions,
  channel: Channel,
  { digest, id }: NoticeJob,
): Promise<RunResult> {
  const key = keyOf(redis, digest)
  const reply = await redis.call('HMGET', key, 'json', channel.name)
  const [json, told] = Array.isArray(reply) ? reply : []
  if (typeof json !== 'string' || told === 'told') return 'done'
  try {
    const result = await postOnce({
      redis,
      key,
      field: `${channel.name}:posting`,
      channel,
      sent: { kind: 'notice', id },
      clock,
      isWanted: true,
      post: () => channel.notify(id, JSON.parse(json) as Notice),
    })
    if (result.outcome === 'later') return { againInMs: result.againInMs }
  } catch (error) {
    if (!(error instanceof ChannelBusy)) throw error
    return { againInMs: Math.min(error.retryAfterMs, BUSY_MAX_MS) }
  }
  await redis.call('HSET', key, channel.name, 'told')
  return 'done'
}
