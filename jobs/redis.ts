/**
 * The only file that knows ioredis. Decides how long anyone may wait for Redis, and what happens to a command that
 * nobody waits for any more.
 *
 *   request path   fails in milliseconds, never queues offline, never sends a command again: an agent's call waits for
 *                  it, and a refused call must not take effect later
 *   producer       the same properties, for BullMQ queues that the request path adds jobs to
 *   worker         waits and reconnects for ever: nobody waits for a worker, and a job lost is worse than a job late
 *
 * A command that timed out is ambiguous: it may still sit in a socket and run when Redis comes back. Scripts that the
 * request path runs therefore carry `notAfter`, an instant in Redis' own clock, and do nothing when Redis reads them
 * later. That instant is computed from a monotonic clock and an offset measured on the connection, so that neither a
 * skewed machine nor a stepped clock widens it.
 *
 * Every key and every queue lives under one hash tag, so that scripts and BullMQ work on Redis Cluster.
 */
import { createHash } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import { Redis } from 'ioredis'
import type { EpochMs } from '../src/brands.ts'
import { epochMs } from '../src/brands.ts'
import { GatewayError } from '../src/errors.ts'
import type { Clock, Log } from '../src/ports.ts'

/**
 * How long the request path waits for one answer of a Redis that is connected; without a connection it fails at once.
 * A healthy one answers in under 5 ms, but with `appendfsync always` a busy disk was seen to hold it up for 500 ms.
 */
export const COMMAND_TIMEOUT_MS = 1_000
/** A command that Redis reads later than this before our time-out is refused: whole milliseconds, and its answer's way. */
const LATE_MARGIN_MS = 20
/** How long one attempt to connect may take, and how long a socket may owe an answer before it is given up. */
const CONNECT_TIMEOUT_MS = 1_000
const REQUEST_SOCKET_TIMEOUT_MS = 2_000
/** Longer than any blocking read (BullMQ waits at most 10 s, the inbox 5 s): a silent socket is then a dead one. */
const WORKER_SOCKET_TIMEOUT_MS = 30_000
/** Reconnecting is cheap and a hold may be waiting: never more than a second between two attempts. */
const RECONNECT_MAX_MS = 1_000
const RECONNECT_STEP_MS = 50
/** Two quartz clocks drift by some 50 ppm: 3 ms between two measurements. */
const CLOCK_MEASURE_INTERVAL_MS = 60_000
/** Skew against Redis that `inspectRedis` reports: deadlines are set by our clock and enforced by Redis' clock. */
const CLOCK_SKEW_MAX_MS = 2_000
/** `XAUTOCLAIM`, `SET … NX GET` and what BullMQ recommends. Valkey began at 7.2. */
const REDIS_VERSION_MIN = [6, 2] as const

/** For BullMQ's `connection` option, and for nothing else. */
export type RawConnection = Redis

export type RedisArgument = string | number | Buffer

/** What a command answers, as RESP2 shapes: maps are flat lists, doubles are strings. Parse before use. */
export type RedisReply = unknown

export interface RedisCommands {
  /** Rejects only with GatewayError `store_unavailable`. */
  call(command: string, ...args: readonly RedisArgument[]): Promise<RedisReply>
  /** EVALSHA, and EVAL where Redis doesn't know the script yet. Rejects only with GatewayError `store_unavailable`. */
  run(script: Script, keys: readonly string[], args: readonly RedisArgument[]): Promise<RedisReply>
}

/** A connection of its own for blocking reads: waits for Redis, and rejects only when a read broke off or at `close`. */
export interface BlockingConnection extends RedisCommands {
  close(): void
}

export interface Script {
  readonly name: string
  readonly lua: string
  readonly sha1: string
}

export interface RedisHandle extends RedisCommands {
  /** `{<prefix>}:<parts joined by ':'>`. */
  key(...parts: readonly string[]): string
  /** BullMQ's `prefix` option. */
  readonly queuePrefix: string
  /** BullMQ's `connection` of every Queue. Shared; closed by `close`. */
  readonly producer: RawConnection
  /** BullMQ's `connection` of every Worker, which duplicates it for its blocking reads. Shared; closed by `close`. */
  readonly worker: RawConnection
  blocking(): BlockingConnection
  /**
   * Runs a script that writes for someone who waits. Its ARGV[1] is the instant, by Redis' clock, after which nobody
   * waits any more; it opens with REFUSE_LATE, answers a list whose first item is a word, and has no effect when late.
   */
  runInTime(script: Script, keys: readonly string[], args: readonly RedisArgument[]): Promise<readonly RedisReply[]>
  /** Now, by Redis' clock. */
  serverNow(): EpochMs
  /** Our clock minus Redis' clock, milliseconds, as last measured. */
  clockSkewMs(): number
  isReady(): boolean
  /** Resolves when commands can be sent; rejects with the signal's reason, or where `close` came first. */
  whenReady(signal?: AbortSignal): Promise<void>
  /** Called each time that Redis is back after it was away. Answers how to stop that. */
  onReconnect(listener: () => void): () => void
  close(): Promise<void>
}

export interface RedisSettings {
  readonly url: string
  /** Without braces; letters, digits, `_`, `-` and `.`. */
  readonly keyPrefix: string
  readonly clock: Clock
  readonly log: Log
}

/** The first lines of every script for `runInTime`. Leaves `now`, milliseconds by Redis' clock, to the lines below. */
export const REFUSE_LATE = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now > tonumber(ARGV[1]) then return {'late'} end
`

/** A Lua script. Each opens with its KEYS, its ARGV and its answers. */
export function defineScript(name: string, lua: string): Script {
  return { name, lua, sha1: createHash('sha1').update(lua).digest('hex') }
}

/** Starts to connect and answers at once; `whenReady` tells when commands can be sent. */
export function connectRedis(settings: RedisSettings): RedisHandle {
  if (!/^[\w.-]{1,64}$/.test(settings.keyPrefix)) throw new TypeError('the key prefix must match [A-Za-z0-9_.-]{1,64}')
  const endpoint = parseRedisUrl(settings.url)
  const hashTag = `{${settings.keyPrefix}}`
  const request = new Redis({ ...endpoint, ...REQUEST_OPTIONS, connectionName: `${settings.keyPrefix}:request` })
  const producer = new Redis({ ...endpoint, ...REQUEST_OPTIONS, connectionName: `${settings.keyPrefix}:producer` })
  const worker = new Redis({ ...endpoint, ...WORKER_OPTIONS, connectionName: `${settings.keyPrefix}:worker` })
  // Without a listener ioredis prints every failed attempt; the request connection's listener speaks for all three.
  producer.on('error', ignore)
  worker.on('error', ignore)
  const health = watch(request, settings)
  const commands = commandsOf(request, health.whyUnusable)
  const blockers = new Set<() => void>()

  const runInTime: RedisHandle['runInTime'] = async (script, keys, args) => {
    const reply = await commands.run(script, keys, [health.notAfter(), ...args])
    if (!Array.isArray(reply)) throw new GatewayError('internal', `the script ${script.name} answered no list`)
    if (reply[0] !== 'late') return reply
    // Slow, or Redis' clock was stepped: then every write would be late until the next measurement.
    health.measure()
    throw new GatewayError('store_unavailable', 'Redis was too slow, so nothing was written')
  }

  return {
    ...commands,
    ...health.surface,
    runInTime,
    key: (...parts) => `${hashTag}:${parts.join(':')}`,
    queuePrefix: `${hashTag}:queue`,
    producer,
    worker,
    blocking: () =>
      openBlocking({ ...endpoint, ...WORKER_OPTIONS, connectionName: `${settings.keyPrefix}:blocking` }, blockers),
    async close() {
      health.close()
      for (const closeBlocking of blockers) closeBlocking()
      for (const client of [request, producer, worker]) client.disconnect()
    },
  }
}

const SHARED_OPTIONS = {
  retryStrategy: (attempt: number) => Math.min(attempt * RECONNECT_STEP_MS, RECONNECT_MAX_MS),
  connectTimeout: CONNECT_TIMEOUT_MS,
}

const REQUEST_OPTIONS = {
  ...SHARED_OPTIONS,
  enableOfflineQueue: false,
  // A command whose connection broke may have run. Sending it again is for its sender to decide.
  autoResendUnfulfilledCommands: false,
  commandTimeout: COMMAND_TIMEOUT_MS,
  socketTimeout: REQUEST_SOCKET_TIMEOUT_MS,
  // 0: a command whose connection broke is rejected at once instead of at its time-out.
  maxRetriesPerRequest: 0,
}

/** BullMQ demands `maxRetriesPerRequest: null`, and without sending again such a command would hang for ever. */
const WORKER_OPTIONS = {
  ...SHARED_OPTIONS,
  autoResendUnfulfilledCommands: true,
  maxRetriesPerRequest: null,
  socketTimeout: WORKER_SOCKET_TIMEOUT_MS,
}

type BlockingOptions = RedisEndpoint & typeof WORKER_OPTIONS & { readonly connectionName: string }

const CLOSED = 'the connection to Redis was closed by us'

function ignore(): void {}

interface RedisEndpoint {
  readonly host: string
  readonly port: number
  readonly db: number
  readonly username?: string
  readonly password?: string
  readonly tls?: Record<string, never>
}

/**
 * Parsed here and not by ioredis, whose query parameters would override every option above. Never quotes the URL:
 * it may hold a password.
 */
export function parseRedisUrl(text: string): RedisEndpoint {
  const url = URL.canParse(text) ? new URL(text) : null
  const database = url?.pathname.replace(/^\//, '') ?? ''
  const [username, password] = [decoded(url?.username), decoded(url?.password)]
  const isWhole =
    url && /^rediss?:$/.test(url.protocol) && url.hostname && url.search === '' && /^\d{0,5}$/.test(database)
  if (!isWhole || username === null || password === null) {
    throw new TypeError(
      'a Redis URL looks like redis://[user:password@]host[:port][/database], or rediss:// for TLS; ' +
        'a % in the password is written %25',
    )
  }
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port || 6379),
    db: Number(database || 0),
    ...(username && { username }),
    ...(password && { password }),
    ...(url.protocol === 'rediss:' && { tls: {} }),
  }
}

/** Null where it is not percent-encoded, which decodeURIComponent throws for. */
function decoded(text = ''): string | null {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}

/**
 * ioredis, told to disconnect while it waits to reconnect, neither ends nor rejects what is queued: whoever reads would
 * wait for ever. So `close` rejects by itself.
 */
function openBlocking(options: BlockingOptions, open: Set<() => void>): BlockingConnection {
  const client = new Redis(options)
  client.on('error', ignore)
  const { call, run } = commandsOf(client, () => null)
  const unanswered = new Set<(reason: GatewayError) => void>()
  const untilClosed = <T>(answer: Promise<T>) =>
    new Promise<T>((resolve, reject) => {
      unanswered.add(reject)
      answer.then(resolve, reject).finally(() => unanswered.delete(reject))
    })
  const close = () => {
    open.delete(close)
    client.disconnect()
    for (const reject of unanswered) reject(new GatewayError('store_unavailable', CLOSED))
  }
  open.add(close)
  return {
    call: (...command) => untilClosed(call(...command)),
    run: (...script) => untilClosed(run(...script)),
    close,
  }
}

function commandsOf(client: Redis, whyUnusable: () => string | null): RedisCommands {
  const call = async (command: string, args: readonly RedisArgument[]): Promise<RedisReply> => {
    const obstacle = whyUnusable()
    if (obstacle !== null) throw new GatewayError('store_unavailable', obstacle)
    return client.call(command, ...args)
  }
  return {
    call: (command, ...args) => call(command, args).catch(throwStoreUnavailable),
    async run(script, keys, args) {
      const rest = [keys.length, ...keys, ...args]
      try {
        return await call('EVALSHA', [script.sha1, ...rest])
      } catch (error) {
        if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throwStoreUnavailable(error)
        return await call('EVAL', [script.lua, ...rest]).catch(throwStoreUnavailable)
      }
    },
  }
}

/**
 * Turns what ioredis or BullMQ threw into the coded fault. The driver's errors carry the command's arguments (an
 * approval's whole JSON), so that only the first word of a reply and the driver's own sentences go on.
 */
export function throwStoreUnavailable(error: unknown): never {
  if (error instanceof GatewayError) throw error
  throw new GatewayError('store_unavailable', describe(error))
}

function describe(error: unknown): string {
  const { name, message } = error instanceof Error ? error : new Error('unknown')
  if (message === 'Command timed out') return `Redis did not answer within ${COMMAND_TIMEOUT_MS} ms`
  if (name === 'ReplyError') return `Redis refused the command: ${message.split(' ', 1)[0]}`
  const system = (error as NodeJS.ErrnoException).code
  return system ? `Redis cannot be reached: ${system}` : 'Redis is not connected'
}

interface Health {
  readonly surface: Pick<RedisHandle, 'serverNow' | 'clockSkewMs' | 'isReady' | 'whenReady' | 'onReconnect'>
  /** Null when commands can be sent. */
  whyUnusable(): string | null
  /** Until when, by Redis' clock, a command sent now may take effect: the caller gives up then. */
  notAfter(): EpochMs
  measure(): void
  close(): void
}

/** Follows the request connection: measures the clock and checks the version before the first command goes out. */
function watch(client: Redis, { clock, log }: RedisSettings): Health {
  const reconnected = new Set<() => void>()
  const waiting = new Set<() => void>()
  let usable = false
  let everUsable = false
  let closed = false
  let complaint: string | null = null
  let offsetMs = 0 // Redis' clock minus our monotonic clock, at least
  let skewMs = 0

  const whyUnusable = () => (usable ? null : (complaint ?? 'Redis is not connected'))
  const measure = async () => {
    const sentAt = performance.now()
    const [seconds, micros] = parseTime(await client.time())
    const receivedAt = performance.now()
    const serverAt = seconds * 1_000 + micros / 1_000
    // Redis read its clock before we had the answer, so that the true offset is this or more: `notAfter` errs early.
    offsetMs = serverAt - receivedAt
    skewMs = Math.round(clock.now() - serverAt - (receivedAt - sentAt) / 2)
  }
  const becomeUsable = async () => {
    await measure()
    complaint = refuseOldVersion(await client.info('server'))
    if (complaint !== null) return log.error('redis: refused', { why: complaint })
    if (client.status !== 'ready') return
    usable = true
    log.info('redis: connected', { clock_skew_ms: skewMs, again: everUsable })
    for (const go of waiting) go()
    if (everUsable) for (const listener of reconnected) listener()
    everUsable = true
  }
  client.on('ready', () => {
    // A connection that can't answer two commands is not usable; dropping it makes ioredis try again.
    becomeUsable().catch(() => closed || client.disconnect(true))
  })
  client.on('close', () => {
    if (usable && !closed) log.warn('redis: connection lost')
    usable = false
  })
  let lastError = ''
  client.on('error', (error: Error) => {
    const why = describe(error)
    if (why !== lastError) log.warn('redis: cannot connect', { why })
    lastError = usable ? '' : why
  })
  const timer = setInterval(() => usable && measure().catch(ignore), CLOCK_MEASURE_INTERVAL_MS).unref()

  const serverNow = () => epochMs(Math.floor(performance.now() + offsetMs))

  return {
    whyUnusable,
    notAfter: () => epochMs(serverNow() + COMMAND_TIMEOUT_MS - LATE_MARGIN_MS),
    measure: () => void measure().catch(ignore),
    close() {
      closed = true
      usable = false
      complaint = CLOSED
      clearInterval(timer)
      for (const go of waiting) go()
    },
    surface: {
      serverNow,
      clockSkewMs: () => skewMs,
      isReady: () => usable,
      whenReady: (signal) =>
        waitUntilUsable({ waiting, isUsable: () => usable, whyUnusable, isClosed: () => closed }, signal),
      onReconnect(listener) {
        reconnected.add(listener)
        return () => void reconnected.delete(listener)
      },
    },
  }
}

function waitUntilUsable(
  state: { waiting: Set<() => void>; isUsable(): boolean; isClosed(): boolean; whyUnusable(): string | null },
  signal: AbortSignal | undefined,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = () => {
      state.waiting.delete(settle)
      signal?.removeEventListener('abort', settle)
      if (state.isUsable()) resolve()
      else
        reject(signal?.aborted ? signal.reason : new GatewayError('store_unavailable', state.whyUnusable() ?? 'closed'))
    }
    if (state.isUsable() || state.isClosed() || signal?.aborted) return settle()
    state.waiting.add(settle)
    signal?.addEventListener('abort', settle)
  })
}

function parseTime(reply: unknown): [seconds: number, micros: number] {
  const [seconds, micros] = Array.isArray(reply) ? reply.map(Number) : []
  if (!Number.isFinite(seconds) || !Number.isFinite(micros)) throw new TypeError('TIME answered something else')
  return [seconds as number, micros as number]
}

/** A sentence for people, or null where the version will do. */
export function refuseOldVersion(info: string): string | null {
  if (/^valkey_version:/m.test(info)) return null
  const version = /^redis_version:(\d+)\.(\d+)/m.exec(info)
  const [major, minor] = [Number(version?.[1]), Number(version?.[2])]
  const [majorMin, minorMin] = REDIS_VERSION_MIN
  if (major > majorMin || (major === majorMin && minor >= minorMin)) return null
  return `Redis ${majorMin}.${minorMin} or later, or Valkey, is needed; this one says ${version ? `${major}.${minor}` : 'nothing'}`
}

export interface RedisFinding {
  readonly check: string
  readonly ok: boolean
  readonly detail: string
  /** What to do where it is not ok. */
  readonly cure: string
}

/** What `countersign doctor` says of Redis. Rejects with `store_unavailable` where it cannot be asked. */
export async function inspectRedis(redis: RedisHandle): Promise<readonly RedisFinding[]> {
  const info = String(await redis.call('INFO'))
  const field = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? ''
  const eviction = field('maxmemory_policy')
  const skewMs = redis.clockSkewMs()
  const appendOnly = field('aof_enabled') === '1'
  const lastWrite = appendOnly ? field('aof_last_write_status') : field('rdb_last_bgsave_status')
  return [
    {
      check: 'version',
      ok: refuseOldVersion(info) === null,
      detail: field('valkey_version') ? `Valkey ${field('valkey_version')}` : `Redis ${field('redis_version')}`,
      cure: `Use Redis ${REDIS_VERSION_MIN.join('.')} or later, or Valkey.`,
    },
    {
      check: 'eviction',
      ok: eviction === 'noeviction',
      detail: `maxmemory-policy ${eviction}`,
      cure: 'Set maxmemory-policy noeviction: an evicted key is a lost approval.',
    },
    {
      check: 'persistence',
      ok: appendOnly && lastWrite === 'ok',
      detail: `appendonly ${appendOnly ? 'yes' : 'no'}, last write ${lastWrite}`,
      cure: 'Set appendonly yes: without it a restart of Redis forgets the open approvals.',
    },
    {
      check: 'clock',
      ok: Math.abs(skewMs) <= CLOCK_SKEW_MAX_MS,
      detail: `${skewMs} ms ahead of Redis`,
      cure: 'Synchronise the clocks (NTP): grants expire by Redis’ clock, deadlines are set by ours.',
    },
  ]
}
