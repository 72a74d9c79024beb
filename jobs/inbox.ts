/**
 * One blocking read a process, on four streams: its own inbox (approvals resolved that one of its connections waits
 * for), the changes of all approvals (for the console and the cards), the ends of held connections, which whoever
 * holds one looks for its own in (held-connections.ts), and that what stands frozen has changed (freezes.ts).
 *
 * Streams and not pub/sub, because a message sent while the connection was cut is then still there: the reader goes on
 * after the last id that it saw. A Redis that lost its data starts its ids anew, below that; `reset` goes back then.
 * Whoever needs more certainty (holds.ts) reads again after each reconnect.
 */
import { randomUUID } from 'node:crypto'
import type { ApprovalId } from '../src/brands.ts'
import type { Log } from '../src/ports.ts'
import { approvalKeys } from './approvals/keys.ts'
import type { BlockingConnection, RedisHandle, RedisReply } from './redis.ts'

/** Bounds how long a reader with an outdated position sleeps. Below the worker connection's socket time-out. */
const BLOCK_MS = 5_000
const MESSAGES_MAX = 500
const RETRY_MS = 250

export interface Inbox {
  /** This process among those that wait: names its inbox stream. */
  readonly replica: string
  /** An approval that this replica waits for was resolved. Answers how to stop. */
  onResolved(listener: (id: ApprovalId) => void): () => void
  /** An approval was opened or changed, by any process. Answers how to stop. */
  onChange(listener: (id: ApprovalId) => void): () => void
  /** A held connection is to end, of this replica or another; in held-connections.ts' own words. Answers how to stop. */
  onHeldEnd(listener: (text: string) => void): () => void
  /** Something was frozen or thawed, by any process. Answers how to stop. */
  onFreeze(listener: () => void): () => void
  close(): Promise<void>
}

/** Also while Redis is away: it reads as soon as it can. */
export async function startInbox(redis: RedisHandle, log: Log): Promise<Inbox> {
  const replica = randomUUID()
  const keys = approvalKeys(redis)
  // Redis is not there yet: then from the beginning, which is bounded, so that nothing falls in between.
  const now = (key: string) => (redis.isReady() ? newestId(redis, key) : '0-0')
  const streams: Stream[] = [
    { key: keys.inbox(replica), lastId: '0-0', listeners: new Set() },
    { key: keys.changes, lastId: await now(keys.changes), listeners: new Set() },
    { key: keys.heldEnds, lastId: await now(keys.heldEnds), listeners: new Set() },
    { key: keys.freezeChanges, lastId: await now(keys.freezeChanges), listeners: new Set() },
  ]
  const connection = redis.blocking()
  const stopping = new AbortController()
  const forget = redis.onReconnect(() => {
    reset(redis, streams).catch(() => log.warn('inbox: positions not checked after a reconnect'))
  })
  const reading = readUntil(stopping.signal, { connection, streams, log })
  const listenTo =
    <Text extends string>(stream: Stream) =>
    (listener: (text: Text) => void) => {
      const heard = listener as (text: string) => void
      stream.listeners.add(heard)
      return () => void stream.listeners.delete(heard)
    }
  return {
    replica,
    onResolved: listenTo<ApprovalId>(streams[0] as Stream),
    onChange: listenTo<ApprovalId>(streams[1] as Stream),
    onHeldEnd: listenTo(streams[2] as Stream),
    onFreeze: listenTo(streams[3] as Stream),
    async close() {
      forget()
      stopping.abort()
      connection.close()
      await reading
    },
  }
}

interface Stream {
  readonly key: string
  lastId: string
  readonly listeners: Set<(text: string) => void>
}

async function readUntil(
  signal: AbortSignal,
  { connection, streams, log }: { connection: BlockingConnection; streams: Stream[]; log: Log },
): Promise<void> {
  while (!signal.aborted) {
    const positions = streams.map((stream) => stream.lastId)
    const command = ['COUNT', MESSAGES_MAX, 'BLOCK', BLOCK_MS, 'STREAMS', ...streams.map((s) => s.key), ...positions]
    try {
      for (const { key, id, text } of parseMessages(await connection.call('XREAD', ...command))) {
        const stream = streams.find((candidate) => candidate.key === key)
        if (stream) deliver(stream, { id, text }, log)
      }
    } catch {
      // The connection reconnects by itself; this only keeps a refused command from spinning.
      if (!signal.aborted) await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
    }
  }
}

function deliver(stream: Stream, message: { id: string; text: string }, log: Log): void {
  stream.lastId = message.id
  for (const listener of stream.listeners) {
    try {
      listener(message.text)
    } catch {
      log.error('inbox: a listener failed', { message: message.text })
    }
  }
}

/** [[stream, [[id, ['id', text]], …]], …], or null when nothing came in time. */
function parseMessages(reply: RedisReply): { key: string; id: string; text: string }[] {
  const streams = Array.isArray(reply) ? (reply.length > 0 && !Array.isArray(reply[0]) ? pairs(reply) : reply) : []
  return streams.flatMap(([key, messages]) =>
    (messages as [string, string[]][]).map(([id, fields]) => ({ key, id, text: String(fields[1]) })),
  )
}

/** RESP3 answers a map, which ioredis flattens: [stream, messages, stream, messages]. */
function pairs(flat: unknown[]): [string, unknown][] {
  return flat.flatMap((key, index) => (index % 2 === 0 ? [[String(key), flat[index + 1]] as [string, unknown]] : []))
}

async function newestId(redis: RedisHandle, key: string): Promise<string> {
  const reply = await redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)
  const newest = Array.isArray(reply) ? reply[0] : undefined
  return Array.isArray(newest) ? String(newest[0]) : '0-0'
}

async function reset(redis: RedisHandle, streams: readonly Stream[]): Promise<void> {
  for (const stream of streams) {
    const newest = await newestId(redis, stream.key)
    if (isBefore(newest, stream.lastId)) stream.lastId = '0-0'
  }
}

/** Stream ids are `<milliseconds>-<sequence>`. */
function isBefore(a: string, b: string): boolean {
  const [aMs = 0, aSequence = 0] = a.split('-').map(Number)
  const [bMs = 0, bSequence = 0] = b.split('-').map(Number)
  return aMs < bMs || (aMs === bMs && aSequence < bSequence)
}
