/**
 * What clients' patience was seen to be (src/mcp/client-budget.ts), shared by replicas and kept for a week:
 *
 *   client-budgets       hash  by kind of client: { budgetMs, seenMs } as JSON
 *   client-budgets-seen  zset  the same kinds, by when they were seen
 *
 * A hold asks without a round trip: every replica reads all of it now and then, and there is little of it. Names are
 * the clients' own claims, so a kind is a digest, and of too many kinds the oldest goes. Losing one costs a client one
 * call that ends in its own time-out.
 */
import { createHash } from 'node:crypto'
import type { ClientKind } from '../src/mcp/client-budget.ts'
import { clientName, isSameWait, learnedFrom } from '../src/mcp/client-budget.ts'
import type { ClientBudgets, Log } from '../src/ports.ts'
import type { RedisHandle, RedisReply } from './redis.ts'
import { defineScript } from './redis.ts'

const KEPT_MS = 7 * 24 * 60 * 60 * 1_000
/** Some 100 bytes each: a replica reads 100 KB a time at most. */
const KINDS_MAX = 1_000
const READ_EVERY_MS = 30_000

/**
 * KEYS  1 client-budgets  2 client-budgets-seen
 * ARGV  1 kind  2 its JSON  3 kept for, ms  4 most kinds
 */
const LEARN = defineScript(
  'client-budget-learn',
  `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], now, ARGV[1])
local gone = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now - ARGV[3])
for _, kind in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1 - ARGV[4])) do gone[#gone + 1] = kind end
for _, kind in ipairs(gone) do
  redis.call('HDEL', KEYS[1], kind)
  redis.call('ZREM', KEYS[2], kind)
end
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ARGV[3]) end
return 1
`,
)

interface Seen {
  /** Null: seen once, and not sure yet. */
  readonly budgetMs: number | null
  /** How long it had waited when it gave up. */
  readonly seenMs: number
}

export interface ClientBudgetsService extends ClientBudgets {
  /** Reads again what the other replicas learned. */
  refresh(): Promise<void>
  close(): void
}

export function startClientBudgets(redis: RedisHandle, log: Log): ClientBudgetsService {
  const keys = [redis.key('client-budgets'), redis.key('client-budgets-seen')]
  const known = new Map<string, Seen>()
  const refresh = async () => {
    const read = parse(await redis.call('HGETALL', keys[0] as string))
    known.clear()
    for (const [kind, seen] of read) known.set(kind, seen)
  }
  const quietly = (work: Promise<unknown>) =>
    void work.catch(() => log.warn('what clients’ patience is could not be read or kept'))
  const timer = setInterval(() => quietly(refresh()), READ_EVERY_MS)
  timer.unref()
  quietly(refresh())
  return {
    learnedMs: (kind) => known.get(digestOf(kind))?.budgetMs ?? null,
    gaveUp(kind, waitedMs, how) {
      const budgetMs = learnedFrom(waitedMs)
      if (budgetMs === null) return
      const digest = digestOf(kind)
      const before = known.get(digest)
      // Who only left may have been stopped by a person: sure is what happens twice after the same time.
      const isSure = how === 'said' || (before !== undefined && isSameWait(before.seenMs, waitedMs))
      const seen: Seen = { budgetMs: isSure ? budgetMs : (before?.budgetMs ?? null), seenMs: Math.round(waitedMs) }
      known.set(digest, seen)
      quietly(redis.run(LEARN, keys, [digest, JSON.stringify(seen), KEPT_MS, KINDS_MAX]))
    },
    refresh,
    close: () => clearInterval(timer),
  }
}

function digestOf({ client, oauthClient, hasToken }: ClientKind): string {
  const text = JSON.stringify([clientName(client), oauthClient, hasToken])
  return createHash('sha256').update(text).digest('base64url').slice(0, 22)
}

/** Only `gaveUp` writes the values, so that they need no second check of every field. */
function parse(reply: RedisReply): (readonly [string, Seen])[] {
  if (!Array.isArray(reply)) return []
  const found: (readonly [string, Seen])[] = []
  for (let at = 0; at + 1 < reply.length; at += 2) {
    found.push([String(reply[at]), JSON.parse(String(reply[at + 1])) as Seen])
  }
  return found
}
