/**
 * Brings cards to the places that show them and keeps them true. The store marks an approval as due in the step that
 * opens or changes it; here each place gets a job, the job paints from the state as it is then (painting.ts), and what was
 * painted is remembered with its version. A card is due until every place is done with the approval's own version, so
 * that a crash between a decision and its repaint is made good by the next reconciliation.
 *
 * One job at a time for each channel, over every process: two versions of one card painted at once could be posted
 * twice, or end with the older.
 */
import type { Approval } from '../src/approval/approval.ts'
import type { Card } from '../src/approval/card.ts'
import type { ApprovalId } from '../src/brands.ts'
import type { ChannelName } from '../src/policy/decision.ts'
import { placeIn, placesOf } from '../src/policy/place.ts'
import { type Channel, type Clock, type Log, type Place, placeOfRequester } from '../src/ports.ts'
import { approvalKeys } from './approvals/keys.ts'
import type { RedisApprovalStore } from './approvals/store.ts'
import type { Inbox } from './inbox.ts'
import { paint } from './painting.ts'
import { type JobQueue, type JobWorker, limitQueue, openQueue, startWorker } from './queues.ts'
import { startReconciler } from './reconcile.ts'
import type { RedisHandle } from './redis.ts'

const PAGE = 100

interface CardJob {
  readonly kind: 'card'
  readonly approvalId: ApprovalId
  /** What an earlier version wrote has a channel in its place. */
  readonly place?: Place
  readonly channel: ChannelName
}

export interface OutboxSettings {
  readonly redis: RedisHandle
  readonly inbox: Inbox
  readonly store: RedisApprovalStore
  /** The channels that this process can reach. */
  readonly channels: readonly Channel[]
  readonly cardOf: (approval: Approval) => Card
  readonly clock: Clock
  readonly log: Log
}

export interface Outbox {
  close(): Promise<void>
}

export function startOutbox(settings: OutboxSettings): Outbox {
  const { redis, inbox, store, channels, log } = settings
  // Waits for Redis: a message that was posted must be remembered, or it would be looked for.
  const patient = redis.blocking()
  const queues = new Map(channels.map(({ name }) => [name, openQueue<CardJob>(redis, queueOf(name))]))
  const workers = new Map<ChannelName, JobWorker>()
  const places = (approval: Approval) => placesIn(channels, approval)
  const startPainting = (channel: Channel) =>
    startWorker<CardJob>({
      redis,
      queue: queueOf(channel.name),
      concurrency: 1,
      log,
      run: ({ data }) =>
        paint({ ...settings, channel, patient, places }, { id: data.approvalId, place: data.place ?? data.channel }),
    })
  const enqueue = async (id: ApprovalId) => {
    const approval = await store.get(id)
    if (approval === null) await redis.call('SREM', approvalKeys(redis).cardsDue, id)
    else await enqueueCards(approval, places(approval), queues)
  }
  const reconciler = startReconciler({
    redis,
    name: 'outbox',
    log,
    run: async () => {
      for (const channel of channels) {
        // Before the first job is taken, and again after Redis was away: it may have lost the limit.
        await limitQueue(redis, queueOf(channel.name), 1)
        if (!workers.has(channel.name)) workers.set(channel.name, startPainting(channel))
      }
      for await (const page of dueCards(redis)) await Promise.all(page.map(enqueue))
    },
  })
  const forget = inbox.onChange((id) => {
    enqueue(id).catch(() => reconciler.poke())
  })
  return {
    async close() {
      forget()
      await reconciler.close()
      await Promise.all([...workers.values()].map((worker) => worker.close()))
      await Promise.all([...queues.values()].map((queue) => queue.close()))
      patient.close()
    },
  }
}

/** A queue a channel: a busy channel must not hold up another. */
const queueOf = (channel: ChannelName) => `outbox-${channel}`

export interface PlaceOf {
  readonly channel: ChannelName
  readonly place: Place
}

/**
 * Where our channels show an approval; one that names no channel is shown in all. A channel that shows it tells the
 * person behind the agent too, in private.
 */
export function placesIn(channels: readonly Channel[], approval: Approval): readonly PlaceOf[] {
  const names = approval.channels.length === 0 ? channels.map(({ name }) => name) : approval.channels
  const all = placesOf({ channels: names, rooms: approval.rooms })
  return channels.flatMap(({ name, tellsRequester }) => {
    const own = all.filter((place) => placeIn(place)?.channel === name)
    const requester = tellsRequester === true && own.length > 0 ? [placeOfRequester(name)] : []
    return [...own, ...requester].map((place) => ({ channel: name, place }))
  })
}

async function enqueueCards(
  { id, version }: Approval,
  places: readonly PlaceOf[],
  queues: ReadonlyMap<ChannelName, JobQueue<CardJob>>,
): Promise<void> {
  for (const { channel, place } of places) {
    // BullMQ's ids hold no colon; a conversation of Teams has one of its own.
    const jobId = `card-${id}-${place.replaceAll(':', '-').replace('/', '_')}-${version}`
    await queues.get(channel)?.add({ id: jobId, data: { kind: 'card', approvalId: id, place, channel } })
  }
}

async function* dueCards(redis: RedisHandle): AsyncGenerator<ApprovalId[]> {
  const { cardsDue } = approvalKeys(redis)
  let cursor = '0'
  do {
    const reply = await redis.call('SSCAN', cardsDue, cursor, 'COUNT', PAGE)
    const [next, ids] = Array.isArray(reply) ? (reply as [string, ApprovalId[]]) : ['0', []]
    yield ids
    cursor = String(next)
  } while (cursor !== '0')
}
