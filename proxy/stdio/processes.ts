/**
 * The server processes of one upstream: how many there may be, how long an unused one lives, and when a server that
 * ended by itself may be started again.
 *
 * The limits are by owner first, so that one principal's sessions can't keep others from having any: an owner at its
 * share loses its own longest unused process, never another's that is in use.
 */
import type { Lease } from '../../src/credential/lease.ts'
import { GatewayError } from '../../src/errors.ts'
import type { Masker } from '../../src/masking/masker.ts'
import type { Era } from '../../src/mcp/message.ts'
import type { Clock, Log } from '../../src/ports.ts'
import type { Secret } from '../../src/secret.ts'
import { createBackoff } from './backoff.ts'
import { childEnvironment } from './environment.ts'
import { createErrorLog } from './error-log.ts'
import type { Peer, Unasked } from './peer.ts'
import { createPeer } from './peer.ts'
import type { ServerProcess } from './server-process.ts'
import { startServerProcess } from './server-process.ts'

/** Of `maxProcesses`, what one owner may have. */
const OWNER_SHARE = 1 / 4
/** Where all processes are taken, another's goes that nobody has used or listened to for so long. */
const SPARE_MS = 60_000
const IDLE_LOOKS_PER_IDLE = 4
/** Lines that are no messages: the first is logged, and then each so many. */
const NOISE_LOGGED_EVERY = 1_000

export interface ProcessesOptions {
  readonly upstream: string
  readonly command: readonly [string, ...string[]]
  /** Absolute. */
  readonly cwd: string
  readonly env: ReadonlyMap<string, Secret>
  readonly idleMs: number
  readonly maxProcesses: number
  /** The gateway's own environment, of which little passes; see environment.ts. */
  readonly ambient: Readonly<Record<string, string | undefined>>
  readonly masker: Masker
  readonly clock: Clock
  readonly random: () => number
  readonly log: Log
}

export interface Running {
  readonly peer: Peer
  readonly ended: Promise<string>
  /** It is used now: its idle time starts anew. */
  touch(): void
  /** Its end is no failure from now on, or is again: some servers leave on a message that they don't know. */
  setProbing(isProbing: boolean): void
  stop(why: string): Promise<void>
}

export interface Processes {
  /** Throws GatewayError `upstream_unreachable`: too many, or it keeps ending. */
  start(options: {
    /** Whose failures and whose share it counts to. */
    readonly owner: string
    readonly era: Era
    readonly lease: Lease
    readonly onUnasked: (message: Unasked) => void
    /** True while a client waits for what the server says by itself: then it is not idle. */
    readonly isListening: () => boolean
  }): Running
  close(): Promise<void>
}

interface Entry {
  readonly owner: string
  readonly running: Running
  readonly isIdle: () => boolean
  usedAt: number
  /** Told to go: it counts no more, but the gateway waits for its end. */
  isLeaving: boolean
}

export function createProcesses(options: ProcessesOptions): Processes {
  const { upstream, idleMs, maxProcesses, clock, log } = options
  const backoff = createBackoff(clock, options.random)
  const entries = new Set<Entry>()
  let isClosed = false
  const ownerMax = Math.max(1, Math.floor(maxProcesses * OWNER_SHARE))

  const idle = setInterval(() => {
    for (const entry of entries) {
      if (entry.isIdle() && clock.now() - entry.usedAt >= idleMs) void entry.running.stop('was not used any more')
    }
  }, idleMs / IDLE_LOOKS_PER_IDLE)
  idle.unref()

  /** Makes room, or throws. */
  function makeRoom(owner: string): void {
    const all = [...entries].filter((entry) => !entry.isLeaving)
    const own = all.filter((entry) => entry.owner === owner)
    if (own.length < ownerMax && all.length < maxProcesses) return
    const spare = longestUnused(own) ?? (own.length < ownerMax ? longestUnused(all, clock.now() - SPARE_MS) : null)
    if (spare === null) {
      const whose = own.length >= ownerMax ? 'This principal has' : 'There are'
      throw unreachable(`${whose} as many processes of it as the settings allow, and all are in use.`)
    }
    void spare.running.stop('had to make room')
  }

  function begin({ owner, era, lease, onUnasked, isListening }: Parameters<Processes['start']>[0]): Entry {
    const environment = { ambient: options.ambient, platform: process.platform, env: options.env, lease }
    const env = childEnvironment(environment)
    const say = createErrorLog({ ...options, secrets: lease.secrets })
    let onLine: (line: Buffer) => void = () => undefined
    const server: ServerProcess = startServerProcess(
      { command: options.command, cwd: options.cwd, env },
      { onLine: (line) => onLine(line), onErrorLine: (line) => say(line, server.pid) },
    )
    const peer = createPeer(server, { era, onUnasked, onNoise: (count) => noticeNoise(options, server, count) })
    onLine = peer.onLine
    if (server.pid !== undefined)
      options.log.info('an MCP server started', { upstream: options.upstream, pid: server.pid })
    return entryOf(owner, server, peer, isListening)
  }

  function entryOf(owner: string, server: ServerProcess, peer: Peer, isListening: () => boolean): Entry {
    const startedAt = clock.now()
    let isExpected = false
    const running: Running = {
      peer,
      ended: server.ended,
      touch: () => {
        entry.usedAt = clock.now()
      },
      setProbing: (isProbing) => {
        isExpected = isProbing
      },
      stop: (why) => {
        isExpected = true
        entry.isLeaving = true
        return server.stop(why)
      },
    }
    const isIdle = () => peer.underway.size === 0 && !isListening()
    const entry: Entry = { owner, running, isIdle, usedAt: startedAt, isLeaving: false }
    void server.ended.then((reason) => {
      entries.delete(entry)
      log.info('an MCP server ended', { upstream, pid: server.pid, reason })
      if (!isExpected) backoff.ended(owner, { ranMs: clock.now() - startedAt, reason })
    })
    return entry
  }

  return {
    start(wanted) {
      if (isClosed) throw new GatewayError('draining', 'This gateway is stopping.')
      const refused = backoff.refusal(wanted.owner)
      if (refused !== null) {
        const { times, reason, waitMs } = refused
        const again = `It ended ${times} times in a row; it is started again in ${Math.ceil(waitMs / 1000)} s.`
        throw unreachable(`The MCP server’s process ${reason}. ${again}`)
      }
      makeRoom(wanted.owner)
      const entry = begin(wanted)
      entries.add(entry)
      return entry.running
    },
    async close() {
      isClosed = true
      clearInterval(idle)
      await Promise.all([...entries].map(({ running }) => running.stop('was stopped with the gateway')))
    },
  }
}

function longestUnused(entries: readonly Entry[], before = Number.POSITIVE_INFINITY): Entry | null {
  const idle = entries.filter((entry) => entry.isIdle() && entry.usedAt <= before)
  return idle.reduce<Entry | null>((oldest, entry) => (oldest && oldest.usedAt <= entry.usedAt ? oldest : entry), null)
}

function noticeNoise({ log, upstream }: ProcessesOptions, { pid }: ServerProcess, count: number): void {
  if (count % NOISE_LOGGED_EVERY !== 1) return
  log.warn('an MCP server wrote a line that is no message to its standard output', { upstream, pid, lines: count })
}

function unreachable(message: string): GatewayError {
  return new GatewayError('upstream_unreachable', message)
}
