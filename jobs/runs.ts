/**
 * The runs of approved calls in Redis. The fence (grants.ts) writes that a run began; here its answer is kept, whoever
 * comes back waits for it, and this replica says that it lives, so that the runs of one that does not are found
 * (lost-runs.ts).
 *
 *   heartbeat every BEAT_MS ──► a key that lives for HEARTBEAT_LIFE_MS ──► silent for longer: its runs are lost
 *
 * An end that Redis can't be told is kept here and told later: the agent that waits gets its answer all the same. Where
 * this process dies before, the run counts as lost, although the recording has its outcome: people then look there.
 */
import { performance } from 'node:perf_hooks'
import type { ApprovalId, CallId } from '../src/brands.ts'
import type { Clock, Log, Runs } from '../src/ports.ts'
import { KEPT_ANSWER_BYTES_MAX, type KeptAnswer, RESULT_LIFE_MS, type RunEnd, type RunState } from '../src/run/run.ts'
import { approvalKeys } from './approvals/keys.ts'
import { ATTACH_TO_RUN, DELIVERED, END_RUN } from './approvals/scripts.ts'
import { INBOX_KEPT_MS, INBOX_MESSAGES_MAX, type RedisApprovalStore } from './approvals/store.ts'
import type { Inbox } from './inbox.ts'
import { startReconciler } from './reconcile.ts'
import type { RedisHandle, RedisReply } from './redis.ts'
import { startWaiting } from './waiting.ts'

/** Three beats may be lost before a replica counts as silent. */
export const BEAT_MS = 4_000
export const HEARTBEAT_LIFE_MS = 15_000
/** How long before its key's end a replica stops vouching for itself: the way of a call from here to its upstream. */
const VOUCHED_MARGIN_MS = 3_000
/** Ends that Redis could not be told, whose answers are kept here, at most a megabyte each; of more, only that they ended. */
export const UNTOLD_ANSWERS_MAX = 256
/** Some 200 bytes each. More can't be kept: those runs seem to go on until this process ends, and then count as lost. */
const UNTOLD_MAX = 100_000

interface End {
  readonly id: ApprovalId
  readonly callId: CallId
  readonly answer: KeptAnswer
}

interface Services {
  readonly redis: RedisHandle
  readonly inbox: Inbox
  readonly store: Pick<RedisApprovalStore, 'endLateRun'>
  readonly clock: Clock
  readonly log: Log
}

export interface RunsService extends Runs {
  close(): Promise<void>
}

/** Resolves once this replica was heard of, or could not be: then it refuses calls until it was. */
export async function startRuns(services: Services): Promise<RunsService> {
  const { redis, inbox, log } = services
  const keys = approvalKeys(redis)
  const heartbeat = await startHeartbeat(services)
  const waiting = startWaiting<RunEnd>({
    ...{ redis, inbox, log, name: 'runs-waiting' },
    read: async (id) => parseEnd(await redis.run(ATTACH_TO_RUN, [keys.run(id), keys.waiters(id)], [inbox.replica])),
  })
  const untold = startUntold(services)
  return {
    isVouchedFor: heartbeat.isFresh,
    async end(id, callId, answer) {
      const end = { id, callId, answer: bounded(answer) }
      try {
        await tellEnd(services, end)
      } catch {
        untold.add(end)
      }
    },
    get: async (id) => parseEnd(await redis.call('HMGET', keys.run(id), 'state', 'callId', 'answer')),
    wait: waiting.wait,
    async delivered(id) {
      try {
        await redis.runInTime(DELIVERED, [keys.approval(id), keys.run(id)], [id])
      } catch {
        // An identical call then gets the same answer once more, until its life is over.
        log.warn('could not note that an answer was delivered', { approval_id: id })
      }
    },
    async close() {
      await Promise.all([waiting.close(), untold.close()])
      await heartbeat.close()
    },
  }
}

function bounded(answer: KeptAnswer): KeptAnswer {
  const isTooLarge = answer.kind === 'message' && Buffer.byteLength(answer.json) > KEPT_ANSWER_BYTES_MAX
  return isTooLarge ? { kind: 'not_kept' } : answer
}

/** A fault is a sentence. */
function withoutAnswer(answer: KeptAnswer): KeptAnswer {
  return answer.kind === 'message' ? { kind: 'not_kept' } : answer
}

async function tellEnd({ redis, store, clock, log }: Services, { id, callId, answer }: End): Promise<void> {
  const keys = approvalKeys(redis)
  const json = JSON.stringify(answer)
  const [word] = await redis.runInTime(
    END_RUN,
    [keys.approval(id), keys.run(id), keys.running, keys.waiters(id)],
    [id, callId, json, RESULT_LIFE_MS, keys.inbox(''), INBOX_KEPT_MS, INBOX_MESSAGES_MAX],
  )
  if (word !== 'unknown') return
  const isKnownNow = await store.endLateRun(id, json, clock.now())
  log.warn('a call ended that was taken for lost', { approval_id: id, call_id: callId, in_time: isKnownNow })
}

function startUntold(services: Services) {
  const { redis, log } = services
  const ends = new Map<ApprovalId, End>()
  const reconciler = startReconciler({
    redis,
    name: 'untold-runs',
    log,
    run: async () => {
      for (const [id, end] of ends) {
        await tellEnd(services, end)
        ends.delete(id)
      }
    },
  })
  return {
    add(end: End) {
      if (ends.size >= UNTOLD_MAX) return log.error('the end of a run could not be kept', { approval_id: end.id })
      // A run that nobody ends is waited for by whoever comes back for it, and never shown to people.
      ends.set(end.id, ends.size < UNTOLD_ANSWERS_MAX ? end : { ...end, answer: withoutAnswer(end.answer) })
      reconciler.poke()
    },
    close: reconciler.close,
  }
}

async function startHeartbeat({ redis, inbox }: Services) {
  const key = approvalKeys(redis).heartbeat(inbox.replica)
  let beatenAt = Number.NEGATIVE_INFINITY
  const beat = async () => {
    const sentAt = performance.now()
    try {
      await redis.call('SET', key, '1', 'PX', HEARTBEAT_LIFE_MS)
      beatenAt = sentAt
    } catch {
      // The next one comes; until then the last one counts, and then nothing is forwarded.
    }
  }
  const timer = setInterval(beat, BEAT_MS)
  timer.unref()
  const forget = redis.onReconnect(() => void beat())
  await beat()
  return {
    isFresh: () => performance.now() - beatenAt < HEARTBEAT_LIFE_MS - VOUCHED_MARGIN_MS,
    /** Nothing runs here any more, or nobody will ever hear how it ended: others need not wait to find that out. */
    async close() {
      clearInterval(timer)
      forget()
      await redis.call('DEL', key).catch(() => undefined)
    },
  }
}

/** Null while it runs. */
function parseEnd(reply: RedisReply): RunEnd | null {
  const [state, callId, answer] = (Array.isArray(reply) ? reply : []) as [RunState | null, CallId, string]
  switch (state) {
    case 'running':
      return null
    case 'finished':
      return { state, callId, answer: JSON.parse(answer) as KeptAnswer }
    case 'unknown':
    case 'ran':
    case 'did_not_run':
      return { state, callId }
    default:
      return { state: 'gone' }
  }
}
