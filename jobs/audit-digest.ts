/**
 * Tells the channel once a week what happened in it.
 *
 *   queue audit-digests, one job a week and channel, delayed until the week's digest is due
 *     not the newest week that is due, or told ──► nothing
 *     else ──► the recordings of the week, and of the weeks before, are read ──► Channel.digest, once (post-once.ts)
 *
 *   digests   hash   since: the first week that was planned; <place>: the newest week told there;
 *                    posting:<place>:<week>: when it was last tried
 *
 * A gateway that was down when a digest was due posts it when it is back: the newest one alone, because three at once
 * nobody reads. None is posted of a week that nobody had planned for: the first week after an installation has one.
 */
import { createDigestTally, type Digest, digestReadsFrom } from '../src/audit/digest.ts'
import { type DigestSchedule, dueAt, latestDue, type WeekId, weekFrom } from '../src/audit/week.ts'
import type { ChannelName } from '../src/policy/decision.ts'
import { type Channel, ChannelBusy, type Clock, type Log, type Place } from '../src/ports.ts'
import { waitOf } from './busy.ts'
import { postOnce } from './post-once.ts'
import { type JobQueue, openQueue, type RunResult, startWorker } from './queues.ts'
import { startReconciler } from './reconcile.ts'
import { isBroken, readSegments } from './recording/reader.ts'
import type { RedisHandle } from './redis.ts'

const QUEUE = 'audit-digests'

interface DigestJob {
  readonly week: WeekId
  readonly channel: ChannelName
}

export interface AuditDigestOptions {
  readonly redis: RedisHandle
  readonly schedule: DigestSchedule
  /** Where the segments are. What was recorded elsewhere is not counted. */
  readonly directory: string
  /** Those that take no digest are left out. */
  readonly channels: readonly Channel[]
  readonly clock: Clock
  readonly log: Log
}

interface Work extends AuditDigestOptions {
  readonly queue: JobQueue<DigestJob>
}

export function startAuditDigests(options: AuditDigestOptions): { close(): Promise<void> } {
  const { redis, log } = options
  const channels = options.channels.filter((each) => each.digest !== undefined && placesOf(each).length > 0)
  if (channels.length === 0) return { close: async () => undefined }
  const queue = openQueue<DigestJob>(redis, QUEUE)
  const work: Work = { ...options, channels, queue }
  // One at a time: reading five weeks of segments is work, and the calls go on beside it.
  const worker = startWorker<DigestJob>({
    redis,
    queue: QUEUE,
    concurrency: 1,
    log,
    run: ({ data }) => post(work, data),
  })
  const reconciler = startReconciler({ redis, name: QUEUE, log, run: () => plan(work) })
  return {
    async close() {
      await reconciler.close()
      await worker.close()
      await queue.close()
    },
  }
}

const keyOf = (redis: RedisHandle) => redis.key('digests')

/** Again at each start and every minute: however often, and by however many processes, it is one job. */
async function plan(work: Work): Promise<void> {
  const { redis, schedule, channels, queue, clock } = work
  const latest = latestDue(clock.now(), schedule)
  const next = weekFrom(latest, 1)
  await redis.call('HSETNX', keyOf(redis), 'since', next)
  const since = await redis.call('HGET', keyOf(redis), 'since')
  const weeks = typeof since === 'string' && since <= latest ? [latest, next] : [next]
  for (const channel of channels) {
    for (const week of weeks) {
      if ((await untold(work, channel, week)).length > 0) await queue.add(jobOf(work, week, channel.name))
    }
  }
}

/** Another schedule, another job: the older one finds that it is not due, or that all is told. */
function jobOf({ schedule, clock }: Work, week: WeekId, channel: ChannelName) {
  const at = dueAt(week, schedule)
  return {
    id: `digest-${week}-${channel}-${at / 60_000}`,
    data: { week, channel },
    delayMs: at - clock.now(),
  }
}

function placesOf({ places, name }: Channel): readonly Place[] {
  return places?.summaries ?? [name]
}

/** Where it is still to be told. */
async function untold({ redis }: Work, channel: Channel, week: WeekId): Promise<readonly Place[]> {
  const places = placesOf(channel)
  const told = await redis.call('HMGET', keyOf(redis), ...places)
  return places.filter((_, at) => {
    const newest = Array.isArray(told) ? told[at] : null
    return typeof newest !== 'string' || newest < week
  })
}

async function post(work: Work, { week, channel: name }: DigestJob): Promise<RunResult> {
  const { schedule, clock, log } = work
  const leftMs = dueAt(week, schedule) - clock.now()
  if (leftMs > 0) return { againInMs: leftMs }
  const channel = work.channels.find((each) => each.name === name)
  const places = channel === undefined ? [] : await untold(work, channel, week)
  if (channel === undefined || places.length === 0) return 'done'
  if (week !== latestDue(clock.now(), schedule)) {
    log.warn('digest: a week’s is no longer posted; countersign audit digest prints it', { week, channel: name })
    return 'done'
  }
  const digest = await readDigest(work, week)
  const results: RunResult[] = []
  const faults: unknown[] = []
  // A place that refuses holds up no other.
  for (const place of places) {
    await tell(work, { channel, place, digest }).then(
      (result) => results.push(result),
      (fault: unknown) => faults.push(fault),
    )
  }
  await work.queue.add(jobOf(work, weekFrom(week, 1), name))
  if (faults.length > 0) throw faults[0]
  return results.find((result) => result !== 'done') ?? 'done'
}

interface Telling {
  readonly channel: Channel
  readonly place: Place
  readonly digest: Digest
}

async function tell({ redis, clock, log }: Work, { channel, place, digest }: Telling): Promise<RunResult> {
  const key = keyOf(redis)
  const field = `posting:${place}:${digest.week}`
  const sent = { kind: 'digest', week: digest.week, place } as const
  try {
    const post = async () => channel.digest?.(digest, place)
    const result = await postOnce({ redis, key, field, channel, sent, clock, log, isWanted: true, post })
    if (result.outcome === 'later') return { againInMs: result.againInMs }
  } catch (error) {
    if (!(error instanceof ChannelBusy)) throw error
    return { againInMs: waitOf(error) }
  }
  await redis.call('HSET', key, place, digest.week)
  await redis.call('HDEL', key, field)
  return 'done'
}

async function readDigest({ directory, schedule, log }: Work, week: WeekId): Promise<Digest> {
  const digest = await digestOf(directory, { week, zone: schedule.zone })
  if (digest.brokenSegments > 0) {
    log.error('recording: the chain is broken', { week, segments: digest.brokenSegments })
  }
  return digest
}

/** Streams: nothing is in memory but what a digest counts with. Rejects where the directory can't be read. */
export async function digestOf(
  directory: string,
  { week, zone }: { readonly week: WeekId; readonly zone: string },
): Promise<Digest> {
  const tally = createDigestTally(week, zone)
  const segments = await readSegments(directory, { writtenSince: digestReadsFrom(week, zone) }, (read) => {
    if (read.trusted) tally.add(read.event)
  })
  return tally.digest(segments.filter(isBroken).length)
}
