/**
 * Tells people what is neither a card nor a summary: each notice once in each place of each channel, when the channel can.
 * A place that refuses holds up no other.
 *
 *   notice:<digest of its id>   hash   json, <place>: told, <place>:posting: when it was last tried
 *
 * Whoever sends may have no channel itself (a command in a shell, a gateway without bots): it writes the notice down and
 * adds a job a channel; a process that speaks to the channels takes them. The hash outlives the jobs, so that the same
 * id, sent again after it was told, tells nothing.
 */
import { createHash } from 'node:crypto'
import type { ChannelName } from '../src/policy/decision.ts'
import { type Channel, ChannelBusy, type Clock, type Log, type Notice, type Notices, type Place } from '../src/ports.ts'
import { waitOf } from './busy.ts'
import { postOnce } from './post-once.ts'
import { openQueue, type RunResult, startWorker } from './queues.ts'
import { defineScript, type RedisHandle } from './redis.ts'

/** Longer than anything sends a notice again, and than a channel is out of order. */
const KEPT_MS = 7 * 24 * 60 * 60 * 1_000

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

async function tell(options: NoticesWorkerOptions, channel: Channel, job: NoticeJob): Promise<RunResult> {
  const json = await options.redis.call('HGET', keyOf(options.redis, job.digest), 'json')
  if (typeof json !== 'string') return 'done'
  const notice = JSON.parse(json) as Notice
  const results: RunResult[] = []
  const faults: unknown[] = []
  for (const place of channel.places?.notices ?? [channel.name]) {
    await tellIn(options, { channel, place, notice, job }).then(
      (result) => results.push(result),
      (fault: unknown) => faults.push(fault),
    )
  }
  if (faults.length > 0) throw faults[0]
  return results.find((result) => result !== 'done') ?? 'done'
}

interface Told {
  readonly channel: Channel
  readonly place: Place
  readonly notice: Notice
  readonly job: NoticeJob
}

async function tellIn({ redis, clock, log }: NoticesWorkerOptions, told: Told): Promise<RunResult> {
  const { channel, place, notice, job } = told
  const key = keyOf(redis, job.digest)
  if ((await redis.call('HGET', key, place)) === 'told') return 'done'
  try {
    const result = await postOnce({
      redis,
      key,
      field: `${place}:posting`,
      channel,
      sent: { kind: 'notice', id: job.id, place },
      clock,
      log,
      isWanted: true,
      post: () => channel.notify(job.id, notice, place),
    })
    if (result.outcome === 'later') return { againInMs: result.againInMs }
  } catch (error) {
    if (!(error instanceof ChannelBusy)) throw error
    return { againInMs: waitOf(error) }
  }
  await redis.call('HSET', key, place, 'told')
  return 'done'
}
