/**
 * What stands frozen, in Redis and in each process:
 *
 *   freezes          hash    by scope (freeze.ts, scopeName): the Freeze as JSON; and `revision`, how often it changed
 *   freezes-changed  stream  the revision, after each change
 *
 * The gate asks on every call, so it asks this process' own copy: without a round trip, and where nothing is frozen by one
 * look at an empty list. A change wakes every replica through the inbox's stream within milliseconds; the copy is also
 * read anew whenever Redis is back and every few seconds, so that a lost message delays a stop and never loses it. While
 * Redis is away what was known holds. Nothing passes a process that has not read it once.
 *
 * The revision only grows. A Redis that comes back with a lower one has lost what it knew, and whoever still knows a
 * freeze puts it back: an emergency stop must not end because a disk did.
 */
import type { Freeze } from '../src/freeze/freeze.ts'
import { isFrozenBy, scopeName } from '../src/freeze/freeze.ts'
import type { Freezes, Log } from '../src/ports.ts'
import { approvalKeys } from './approvals/keys.ts'
import type { Inbox } from './inbox.ts'
import type { RedisCommands, RedisHandle, RedisReply } from './redis.ts'
import { defineScript, REFUSE_LATE } from './redis.ts'

/** Bounds by how much a stop is late whose message was lost. */
const READ_EVERY_MS = 5_000
/** Every call is held against each of them. Who needs more means `all`. */
export const FREEZES_MAX = 200
/** Readers look at that something changed, never at what. */
const CHANGES_MAX = 100
const REVISION = 'revision'

/**
 * The first to freeze a scope stays: who, since when and why is what agents and people are told.
 *
 * KEYS  1 freezes  2 freezes-changed
 * ARGV  1 notAfter  2 scope  3 its JSON  4 most freezes  5 most messages
 * Answers  stands, the JSON that stands | too_many | late
 */
const ADD = defineScript(
  'freeze-add',
  `${REFUSE_LATE}
local known = redis.call('HGET', KEYS[1], ARGV[2])
if known then return {'stands', known} end
if redis.call('HLEN', KEYS[1]) > tonumber(ARGV[4]) then return {'too_many'} end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
local revision = redis.call('HINCRBY', KEYS[1], '${REVISION}', 1)
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[5], '*', 'id', revision)
return {'stands', ARGV[3]}
`,
)

/**
 * KEYS  1 freezes  2 freezes-changed
 * ARGV  1 notAfter  2 scope  3 most messages
 * Answers  removed | unknown | late
 */
const REMOVE = defineScript(
  'freeze-remove',
  `${REFUSE_LATE}
if redis.call('HDEL', KEYS[1], ARGV[2]) == 0 then return {'unknown'} end
local revision = redis.call('HINCRBY', KEYS[1], '${REVISION}', 1)
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*', 'id', revision)
return {'removed'}
`,
)

/**
 * KEYS  1 freezes  2 freezes-changed
 * ARGV  1 notAfter  2 the revision that was known  3 most messages  4 scope  5 its JSON  …
 * Answers  restored | known (its revision is no lower: it has lost nothing) | late
 */
const RESTORE = defineScript(
  'freeze-restore',
  `${REFUSE_LATE}
local revision = tonumber(redis.call('HGET', KEYS[1], '${REVISION}') or '0')
if revision >= tonumber(ARGV[2]) then return {'known'} end
for at = 4, #ARGV, 2 do redis.call('HSETNX', KEYS[1], ARGV[at], ARGV[at + 1]) end
redis.call('HSET', KEYS[1], '${REVISION}', ARGV[2] + 1)
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*', 'id', ARGV[2] + 1)
return {'restored'}
`,
)

export interface FreezesService extends Freezes {
  close(): void
}

interface Known {
  readonly revision: number
  readonly freezes: readonly Freeze[]
}

/** Waits for Redis, and for one reading, until the signal aborts. */
export async function startFreezes(services: {
  readonly redis: RedisHandle
  readonly inbox: Pick<Inbox, 'onFreeze'>
  readonly log: Log
  readonly signal: AbortSignal
}): Promise<FreezesService> {
  const { redis, inbox, log, signal } = services
  let known: Known = await readPatiently(redis, signal)
  const refresh = async () => {
    const read = await readAll(redis, redis)
    if (read.revision < known.revision) return restore(redis, known, log)
    known = read
  }
  const quietly = () =>
    void refresh().catch(() => log.warn('what is frozen could not be read again; what was known holds'))
  const timer = setInterval(quietly, READ_EVERY_MS)
  timer.unref()
  const stopListening = [inbox.onFreeze(quietly), redis.onReconnect(quietly)]
  // Between the reading and the listening something may have changed.
  quietly()
  return { ...commandsOf(redis, quietly), stops: (call) => stopOf(known.freezes, call), close }

  function close(): void {
    clearInterval(timer)
    for (const stop of stopListening) stop()
  }
}

/** For a command that changes or lists freezes, and passes no calls. */
export function createFreezes(redis: RedisHandle): Pick<Freezes, 'add' | 'remove' | 'list'> {
  return commandsOf(redis, () => undefined)
}

/** @param changed that this process reads it soon, too */
function commandsOf(redis: RedisHandle, changed: () => void): Pick<Freezes, 'add' | 'remove' | 'list'> {
  const keys = keysOf(redis)
  return {
    list: async () => [...(await readAll(redis, redis)).freezes].sort((a, b) => a.at - b.at),
    async add(freeze) {
      const args = [scopeName(freeze.scope), JSON.stringify(freeze), FREEZES_MAX, CHANGES_MAX]
      const [word, json] = await redis.runInTime(ADD, keys, args)
      changed()
      return word === 'stands' ? parseFreeze(json) : null
    },
    async remove(scope) {
      const [word] = await redis.runInTime(REMOVE, keys, [scopeName(scope), CHANGES_MAX])
      changed()
      return word === 'removed'
    },
  }
}

/** Hot: where nothing is frozen, it is one look at a length. */
function stopOf(freezes: readonly Freeze[], call: Parameters<Freezes['stops']>[0]): Freeze | null {
  if (freezes.length === 0) return null
  return freezes.find(({ scope }) => isFrozenBy(scope, call)) ?? null
}

async function restore(redis: RedisHandle, { revision, freezes }: Known, log: Log): Promise<void> {
  const entries = freezes.flatMap((freeze) => [scopeName(freeze.scope), JSON.stringify(freeze)])
  const [word] = await redis.runInTime(RESTORE, keysOf(redis), [revision, CHANGES_MAX, ...entries])
  // The next reading finds them there, beside whatever was frozen since.
  if (word === 'restored') log.error('Redis had lost what is frozen; it was put back', { freezes: freezes.length })
}

/** Whoever stops meanwhile must not wait for it. */
async function readPatiently(redis: RedisHandle, signal: AbortSignal): Promise<Known> {
  signal.throwIfAborted()
  const patient = redis.blocking()
  signal.addEventListener('abort', patient.close, { once: true })
  try {
    return await readAll(patient, redis)
  } finally {
    signal.removeEventListener('abort', patient.close)
    patient.close()
  }
}

async function readAll(commands: RedisCommands, handle: Pick<RedisHandle, 'key'>): Promise<Known> {
  const reply = await commands.call('HGETALL', keysOf(handle)[0])
  const flat: readonly unknown[] = Array.isArray(reply) ? reply : []
  const known = { revision: 0, freezes: [] as Freeze[] }
  for (let at = 0; at + 1 < flat.length; at += 2) {
    if (flat[at] === REVISION) known.revision = Number(flat[at + 1])
    else known.freezes.push(parseFreeze(flat[at + 1]))
  }
  return known
}

/** Only the scripts above write this text, so that it needs no second check of every field. */
function parseFreeze(json: RedisReply): Freeze {
  return JSON.parse(String(json)) as Freeze
}

/** `revision` is no scope's name: those are `all`, or have a colon. */
function keysOf(redis: Pick<RedisHandle, 'key'>): [string, string] {
  const { freezes, freezeChanges } = approvalKeys(redis)
  return [freezes, freezeChanges]
}
