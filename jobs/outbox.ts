/**
 * Brings cards to the channels and keeps them true. The store marks an approval as due in the step that opens or
 * changes it; here each channel gets a job, the job paints from the state as it is then, and what was painted is
 * remembered with its version. A card is due until every channel shows the approval's own version, so that a crash
 * between a decision and its repaint is made good by the next reconciliation.
 *
 *   no message yet, approval open      post
 *   no message yet, approval resolved  nothing: people must not be asked what is decided, unless it asks whether the
 *                                      call ran
 *   message, older than the approval   update
 *
 * One job at a time for each channel, over every process: two versions of one card painted at once could be posted
 * twice, or end with the older. A crash between posting and remembering does post twice: no channel lets us ask.
 */
import type { Approval } from '../src/approval/approval.ts'
import type { Card } from '../src/approval/card.ts'
import type { ApprovalId } from '../src/brands.ts'
import type { ChannelName } from '../src/policy/decision.ts'
import { type Channel, ChannelBusy, type Clock, type Log, type MessageRef } from '../src/ports.ts'
import { approvalKeys } from './approvals/keys.ts'
import { PAINTED } from './approvals/scripts.ts'
import type { RedisApprovalStore } from './approvals/store.ts'
import type { Inbox } from './inbox.ts'
import { type JobQueue, type JobWorker, limitQueue, openQueue, type RunResult, startWorker } from './queues.ts'
import { startReconciler } from './reconcile.ts'
import type { BlockingConnection, RedisHandle } from './redis.ts'

const PAGE = 100
/** A channel that asks for more is asked again after this: Slack says seconds. */
const BUSY_MAX_MS = 10 * 60 * 1_000

interface CardJob {
  readonly kind: 'card'
  readonly approvalId: ApprovalId
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
  // Waits for Redis: a message that was posted must be remembered, or it would be posted again.
  const patient = redis.blocking()
  const queues = new Map(channels.map(({ name }) => [name, openQueue<CardJob>(redis, queueOf(name))]))
  const workers = new Map<ChannelName, JobWorker>()
  const startPainting = (channel: Channel) =>
    startWorker<CardJob>({
      redis,
      queue: queueOf(channel.name),
      concurrency: 1,
      log,
      run: ({ data }) => paint({ ...settings, channel, patient, shownOn: shownOn(channels) }, data.approvalId),
    })
  const enqueue = async (id: ApprovalId) => {
    const approval = await store.get(id)
    if (approval === null) await redis.call('SREM', approvalKeys(redis).cardsDue, id)
    else await enqueueCards(approval, shownOn(channels)(approval), queues)
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

/** Which of our channels show an approval; one that names none is shown on all. */
function shownOn(channels: readonly Channel[]) {
  return (approval: Approval): readonly ChannelName[] =>
    channels
      .map(({ name }) => name)
      .filter((name) => approval.channels.length === 0 || approval.channels.includes(name))
}

async function enqueueCards(
  { id, version }: Approval,
  names: readonly ChannelName[],
  queues: ReadonlyMap<ChannelName, JobQueue<CardJob>>,
): Promise<void> {
  for (const channel of names) {
    await queues
      .get(channel)
      ?.add({ id: `card-${id}-${channel}-${version}`, data: { kind: 'card', approvalId: id, channel } })
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

interface Painted {
  readonly ref: MessageRef | null
  readonly version: number
}

type PaintSettings = OutboxSettings & {
  readonly channel: Channel
  readonly patient: BlockingConnection
  readonly shownOn: (approval: Approval) => readonly ChannelName[]
}

async function paint(settings: PaintSettings, id: ApprovalId): Promise<RunResult> {
  const { redis, store, channel, clock } = settings
  const approval = await store.get(id)
  if (approval === null) return 'done'
  const painted = await readPainted(redis, id, channel.name)
  if (painted && painted.version >= approval.version) return remember(settings, approval, painted)
  // Past its deadline and its job not run yet: that job's change brings us here again.
  const isAsked = approval.state === 'pending' && clock.now() < approval.expiresAt
  const open = isAsked || approval.run?.state === 'unknown'
  if (!painted?.ref && approval.state === 'pending' && !open) return 'done'
  try {
    const ref = await show(settings, { approval, ref: painted?.ref ?? null, open })
    return await remember(settings, approval, { ref, version: approval.version })
  } catch (error) {
    if (error instanceof ChannelBusy) return { pauseQueueMs: Math.min(error.retryAfterMs, BUSY_MAX_MS) }
    throw error
  }
}

async function show(
  { channel, cardOf }: PaintSettings,
  { approval, ref, open }: { approval: Approval; ref: MessageRef | null; open: boolean },
): Promise<MessageRef | null> {
  if (ref !== null) {
    await channel.update(ref, cardOf(approval), channel.name)
    return ref
  }
  return open ? channel.post(cardOf(approval), channel.name) : null
}

async function readPainted(redis: RedisHandle, id: ApprovalId, channel: ChannelName): Promise<Painted | null> {
  const json = await redis.call('HGET', approvalKeys(redis).cards(id), channel)
  return typeof json === 'string' ? (JSON.parse(json) as Painted) : null
}

async function remember(
  { redis, patient, channel, shownOn: names }: PaintSettings,
  approval: Approval,
  painted: Painted,
): Promise<RunResult> {
  const keys = approvalKeys(redis)
  const { id } = approval
  const remembered = [id, channel.name, JSON.stringify(painted), painted.version, ...names(approval)]
  await patient.run(PAINTED, [keys.approval(id), keys.cards(id), keys.cardsDue], remembered)
  return 'done'
}
