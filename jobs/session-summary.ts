/**
 * Ends sessions and tells the channels what happened in them.
 *
 *   queue sessions, delayed by the idle time
 *     touched since, or an approval or grant still open ──► delayed again
 *     else, in this order: no touch finds it any more (Redis) ──► session.ended on the disk ──► a job a channel
 *   queue session-summaries, one a channel ──► the recording is read again and handed to Channel.summarise
 *
 * Each step may be repeated after a crash: ending twice ends once, `session.ended` is looked for before it is recorded,
 * the jobs' ids follow from the session's. A summary is a message and, below it, its details: each is posted once, and
 * what was posted when its process died is found again (post-once.ts); a summary that appears twice makes people doubt it.
 */
import { summariseSession, totalOf } from '../src/audit/summarise.ts'
import type { SessionSummary } from '../src/audit/summary.ts'
import type { EpochMs, SessionId } from '../src/brands.ts'
import { epochMs } from '../src/brands.ts'
import type { ChannelName } from '../src/policy/decision.ts'
import type { Channel, Clock, Log, MessageRef, Place, RecentSessions, Recorder } from '../src/ports.ts'
import { ChannelBusy, SUMMARY_DETAILS } from '../src/ports.ts'
import { waitOf } from './busy.ts'
import { postOnce } from './post-once.ts'
import type { JobQueue, RunResult } from './queues.ts'
import { openQueue, startWorker } from './queues.ts'
import { startReconciler } from './reconcile.ts'
import { isBroken, type ReadEvent, readSegments } from './recording/reader.ts'
import type { RedisHandle } from './redis.ts'
import type { SessionJob } from './session-store.ts'
import { END, endJob, FINISH, SESSIONS_QUEUE, sessionKeys } from './session-store.ts'

const SUMMARIES_QUEUE = 'session-summaries'
/** Approvals and grants end by their own jobs; looking again is cheap. */
const BUSY_RECHECK_MAX_MS = 15_000
/** Reading segments is the work; two at a time leave the event loop to the calls. */
const CONCURRENCY = 2
/** How far a segment's last write, by the file system's clock, may lie before the session's start by Redis' clock. */
const CLOCKS_APART_MAX_MS = 5 * 60 * 1000
/** Events of one session that are kept in memory to be counted up: some 200 MB of usual ones. */
export const SUMMARY_EVENTS_MAX = 200_000
/** Open sessions looked at, oldest first; each is a small job. Redis runs nothing else while it adds a page of them. */
const RESUMED_MAX = 100_000
const RESUMED_PAGE = 500

export interface SessionSummaryOptions {
  readonly redis: RedisHandle
  readonly recorder: Recorder
  readonly clock: Clock
  readonly log: Log
  readonly idleMs: number
  /** Where the segments are. A session whose calls were recorded elsewhere can't be summarised here. */
  readonly directory: string
  readonly channels: readonly Channel[]
  readonly recent: Pick<RecentSessions, 'add'>
  /** Whether the session has a pending approval or an active grant. */
  isBusy(session: SessionId): Promise<boolean>
}

export interface SessionSummaryWorker {
  /** Finishes the jobs that are running. Never rejects. */
  close(): Promise<void>
}

interface SummaryJob extends SessionJob {
  readonly channel: ChannelName
}

interface Work extends SessionSummaryOptions {
  readonly ends: JobQueue<SessionJob>
  readonly summaries: JobQueue<SummaryJob>
}

export function startSessionSummaries(options: SessionSummaryOptions): SessionSummaryWorker {
  const { redis, log } = options
  const ends = openQueue<SessionJob>(redis, SESSIONS_QUEUE)
  const summaries = openQueue<SummaryJob>(redis, SUMMARIES_QUEUE)
  const work: Work = { ...options, ends, summaries }
  const shared = { redis, log, concurrency: CONCURRENCY }
  const workers = [
    startWorker<SessionJob>({ ...shared, queue: SESSIONS_QUEUE, run: ({ data }) => endSession(work, data) }),
    startWorker<SummaryJob>({ ...shared, queue: SUMMARIES_QUEUE, run: ({ data }) => postSummary(work, data) }),
  ]
  const reconciler = startReconciler({ redis, name: SESSIONS_QUEUE, log, run: () => resumeAll(work) })

  return {
    async close() {
      await reconciler.close()
      await Promise.all(workers.map((worker) => worker.close()))
      await Promise.all([ends.close(), summaries.close()])
    },
  }
}

/** A process that died between starting a session and scheduling its end left one that no job knows. */
async function resumeAll({ redis, ends, idleMs }: Work): Promise<void> {
  for (let start = 0; start < RESUMED_MAX; start += RESUMED_PAGE) {
    const page = await redis.call('ZRANGE', sessionKeys(redis).open, start, start + RESUMED_PAGE - 1)
    if (!Array.isArray(page) || page.length === 0) return
    await ends.addMany(page.map((id) => endJob(id as SessionId, idleMs)))
  }
}

async function endSession(work: Work, { sessionId }: SessionJob): Promise<RunResult> {
  const { redis, channels, summaries, idleMs } = work
  if (await work.isBusy(sessionId)) return { againInMs: Math.min(BUSY_RECHECK_MAX_MS, idleMs) }
  const keys = sessionKeys(redis)
  const answer = await redis.run(END, [keys.session(sessionId)], [sessionId, idleMs])
  const [word, value] = Array.isArray(answer) ? answer : []
  if (word === 'alive') return { againInMs: Number(value) }
  if (word === 'ended' && (await recordEnd(work, sessionId, epochMs(Number(value))))) {
    await summaries.addMany(
      channels.map(({ name }) => ({ id: `summary-${sessionId}-${name}`, data: { sessionId, channel: name } })),
    )
  }
  await redis.run(FINISH, [keys.session(sessionId), keys.open], [sessionId])
  return 'done'
}

/** False where nothing was recorded of the session here. Keeps no event: a session's end is recorded however long it was. */
async function recordEnd(work: Work, sessionId: SessionId, startedAt: EpochMs): Promise<boolean> {
  let lastAt = 0
  let isEnded = false
  await readTrusted(work, sessionId, startedAt, ({ event }) => {
    lastAt = Math.max(lastAt, event.at)
    isEnded ||= event.type === 'session.ended'
  })
  if (lastAt === 0) {
    work.log.warn('sessions: nothing of it is recorded here, so nobody is told of its end', { session_id: sessionId })
    return false
  }
  if (isEnded) return true
  // Another replica's clock may be ahead of ours; the end must come last.
  const at = epochMs(Math.max(work.clock.now(), lastAt))
  await work.recorder.record({ type: 'session.ended', at, session_id: sessionId, why: 'idle' }, 'synced')
  return true
}

async function readTrusted(
  { directory, log }: Work,
  session: SessionId,
  startedAt: EpochMs,
  visit: (event: ReadEvent) => void,
): Promise<void> {
  const writtenSince = epochMs(startedAt - CLOCKS_APART_MAX_MS)
  const segments = await readSegments(directory, { session, writtenSince }, (event) => {
    if (event.trusted) visit(event)
  })
  for (const { segment, problem } of segments.filter(isBroken)) {
    const why = problem?.why ?? 'lines missing'
    log.error('recording: the chain is broken', { session_id: session, segment, why })
  }
}

async function postSummary(work: Work, { sessionId, channel: name }: SummaryJob): Promise<RunResult> {
  const { log } = work
  const channel = work.channels.find((each) => each.name === name)
  if (channel === undefined) {
    const fields = { session_id: sessionId, channel: name }
    log.warn('sessions: a summary is for a channel that is no longer configured', fields)
    return 'done'
  }
  const summary = await readSummary(work, sessionId)
  if (summary === null) return 'done'
  const results: RunResult[] = []
  const faults: unknown[] = []
  // A place that refuses holds up no other.
  for (const place of channel.places?.summaries ?? [name]) {
    await postIn({ ...work, channel, place, summary }).then(
      (result) => results.push(result),
      (fault: unknown) => faults.push(fault),
    )
  }
  if (faults.length > 0) throw faults[0]
  return results.find((result) => result !== 'done') ?? 'done'
}

interface Telling extends Work {
  readonly channel: Channel
  readonly place: Place
  readonly summary: SessionSummary
}

type Later = { readonly againInMs: number }

/** It stands nowhere that has a thread, or nobody knows where, or an earlier version posted it, or died while it did. */
const NOWHERE = 'posted'
const WITHOUT_THREAD: ReadonlySet<string> = new Set([NOWHERE, 'posting'])

const marksOf = (place: Place) => [`posted:${place}`, `posted:${place}:details`] as const

async function postIn(telling: Telling): Promise<RunResult> {
  const { redis, place, summary } = telling
  const reply = await redis.call('HMGET', sessionKeys(redis).session(summary.sessionId), ...marksOf(place))
  const [told, detailed] = Array.isArray(reply) ? reply : []
  if (typeof told === 'string' && typeof detailed === 'string') return 'done'
  try {
    const at = typeof told === 'string' ? told : await tell(telling)
    return typeof at === 'string' ? await detail(telling, at) : at
  } catch (error) {
    if (!(error instanceof ChannelBusy)) throw error
    return { againInMs: waitOf(error) }
  }
}

/** Answers where it stands, as it is remembered. */
async function tell({ redis, channel, place, summary, clock, log }: Telling): Promise<string | Later> {
  const { sessionId } = summary
  const key = sessionKeys(redis).session(sessionId)
  const [mark] = marksOf(place)
  const sent = { kind: 'summary', sessionId, place } as const
  const post = () => channel.summarise(summary, place)
  const result = await postOnce({
    redis,
    key,
    field: `posting:${place}`,
    channel,
    sent,
    clock,
    log,
    isWanted: true,
    post,
  })
  if (result.outcome === 'later') return { againInMs: result.againInMs }
  const ref = result.outcome === 'adopted' ? result.ref : result.outcome === 'posted' ? result.posted : null
  await redis.call('HSET', key, mark, ref ?? NOWHERE)
  return ref ?? NOWHERE
}

async function detail(telling: Telling, at: string): Promise<RunResult> {
  const { redis, channel, place, summary, clock, log } = telling
  const key = sessionKeys(redis).session(summary.sessionId)
  const [, mark] = marksOf(place)
  if (!WITHOUT_THREAD.has(at)) {
    const ref = at as MessageRef
    // Of one place: App Home lists sessions, not messages. Again after a crash changes nothing.
    const isFirst = place === (channel.places?.summaries[0] ?? channel.name)
    if (isFirst) await remember(telling, summary, channel.name, ref)
    const field = `posting:${place}:details`
    const sent = { kind: 'reply', ref, replyId: SUMMARY_DETAILS } as const
    const isWanted = channel.detail !== undefined
    const post = async () => channel.detail?.(ref, summary)
    const result = await postOnce({ redis, key, field, channel, sent, clock, log, isWanted, post })
    if (result.outcome === 'later') return { againInMs: result.againInMs }
  }
  await redis.call('HSET', key, mark, 'posted')
  return 'done'
}

/** For App Home: who lacks it there has the message itself. */
async function remember(
  { recent, log }: Work,
  summary: SessionSummary,
  channel: ChannelName,
  ref: MessageRef,
): Promise<void> {
  const { principal, upstream, startedAt, endedAt, recordingId, sessionId } = summary
  const ownerEmail = principal.email
  if (ownerEmail === null) return
  await recent
    .add(ownerEmail, { upstream, startedAt, endedAt, calls: totalOf(summary), recordingId, channel, ref })
    .catch(() => log.warn('sessions: an ended one is not listed for its owner', { session_id: sessionId }))
}

/** Null, and the log says why, where nobody could read it or nothing can be said. */
async function readSummary(work: Work, sessionId: SessionId): Promise<SessionSummary | null> {
  const { redis, log } = work
  const startedAt = Number(await redis.call('HGET', sessionKeys(redis).session(sessionId), 'startedAt'))
  const events: ReadEvent[] = []
  let many = 0
  await readTrusted(work, sessionId, epochMs(startedAt), (event) => {
    many += 1
    if (many <= SUMMARY_EVENTS_MAX) events.push(event)
  })
  if (many > SUMMARY_EVENTS_MAX) {
    log.warn('sessions: too many events for a summary; the recording has them', { session_id: sessionId, events: many })
    return null
  }
  const summary = summariseSession(events)
  if (summary === null) {
    log.warn('sessions: its start is not recorded here, so there is no summary', { session_id: sessionId })
  }
  return summary
}
