/**
 * The embedded default: a real Redis on loopback, for a machine where nobody configured one. Decides which program
 * runs, that only this user can talk to it, and that a gateway that comes back finds the same data again.
 *
 *   program    redis-server or valkey-server on PATH, else out of Debian's packages without root (debian-packages.ts)
 *   endpoint   `endpoint.json` in the data directory, readable by its owner only: the port, a random password, because
 *              other users of the machine reach loopback too, and the process. The password is never in argv, where
 *              `ps` shows it, and is told to nobody but a living process of ours: a port that is free invites anyone
 *   lifetime   a graceful stop ends it, unless another gateway still uses it. A SIGKILL leaves it running; the next
 *              start finds it through `endpoint.json` and adopts it. While it lives no second one is started, also where
 *              it doesn't answer yet: two servers on one append-only file ruin it
 *   disk       `appendfsync always`: Redis syncs once for all writes of one turn of its loop. With `everysec` a power
 *              cut could bring a consumed grant back to life, and one approval would be two calls
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmod, mkdir, readFile, readlink, realpath, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer } from 'node:net'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { epochMs } from '../src/brands.ts'
import { GatewayError } from '../src/errors.ts'
import type { Clock, Log } from '../src/ports.ts'
import { fetchDebianPackage, findOnPath, PackageUnavailable, type Program } from './debian-packages.ts'
import { connectRedis, type RedisHandle } from './redis.ts'

/** A Redis with a large append-only file may need a while to load it. */
const START_TIMEOUT_MS = 30_000
const STOP_TIMEOUT_MS = 10_000
/** What is no Redis of ours answers wrongly or not at all within this. */
const PROBE_TIMEOUT_MS = 1_000
/** Whoever holds the lock touches it, however long fetching a program takes; an older one's holder was killed. */
const LOCK_TOUCH_MS = 5_000
const LOCK_STALE_MS = 40_000
const POLL_MS = 50
/** Someone else may take the free port between our look and Redis' bind. */
const PORT_ATTEMPTS_MAX = 5

export interface EmbeddedRedisSettings {
  /** Holds the data, the endpoint and Redis' log. One Redis a directory. */
  readonly directory: string
  readonly log: Log
  /** Where to look for a program: the PATH variable. */
  readonly path: string
  /** Where fetched programs are kept; see cacheDirectoryOf. */
  readonly cacheDirectory: string
  /** Chosen and kept in the data directory where left out. */
  readonly port?: number
}

export interface EmbeddedRedis {
  /** With its password: for connectRedis, not for logs. */
  readonly url: string
  /** For people: `redis-server 7.0.15 in /usr/bin`, `found running`. */
  readonly how: string
  readonly pid: number
  /** Ends it, unless someone else is still connected. Call it after every connection of our own is closed. */
  stop(): Promise<void>
}

interface Endpoint {
  readonly port: number
  readonly password: string
  readonly pid: number
}

/** Starts it, or finds the one that already runs on this directory. */
export async function startEmbeddedRedis(settings: EmbeddedRedisSettings): Promise<EmbeddedRedis> {
  await mkdir(settings.directory, { recursive: true, mode: 0o700 })
  const directory = await realpath(settings.directory)
  // What Redis writes there holds calls' arguments, and its files are as open as the umask lets them be.
  await chmod(directory, 0o700)
  return withLock(join(directory, 'starting.lock'), async () => {
    const known = await readEndpoint(directory)
    const running = known && (await findAgain(known, directory))
    if (running) return { ...surface(known, running.pid, settings.log), how: 'found running' }
    const program = await findOrFetchRedisServer({
      path: settings.path,
      cacheDirectory: settings.cacheDirectory,
      progress: (line) => settings.log.info(line),
    })
    const port = settings.port ?? known?.port ?? null
    // The password stays, so that whoever was connected before a crash can connect again.
    const password = known?.password ?? randomBytes(32).toString('base64url')
    return start(program, { directory, log: settings.log, port, password })
  })
}

export interface RedisProgram extends Program {
  readonly how: string
}

/** redis-server or valkey-server on PATH, else fetched. Rejects with PackageUnavailable, whose message has the cure. */
export async function findOrFetchRedisServer(options: {
  readonly path: string
  readonly cacheDirectory: string
  readonly progress: (line: string) => void
}): Promise<RedisProgram> {
  const installed = await findOnPath(['redis-server', 'valkey-server'], options.path)
  if (installed) return { path: installed, environment: {}, how: installed }
  try {
    const program = await fetchDebianPackage({
      packages: ['redis-server', 'redis-tools'], // the program itself lies in redis-tools
      binary: 'usr/bin/redis-server',
      cacheDirectory: options.cacheDirectory,
      progress: options.progress,
    })
    return { ...program, how: `${program.path}, fetched without installing` }
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : 'unknown'
    throw new PackageUnavailable(
      `There is no Redis, and fetching one failed: ${why}. Set REDIS_URL (or redis.url in the settings), or install ` +
        'one: `brew install redis`, `apt-get install redis-server`, `dnf install valkey`, or ' +
        '`docker run -d -p 127.0.0.1:6379:6379 redis:7 --appendonly yes` with REDIS_URL=redis://127.0.0.1:6379.',
      { cause },
    )
  }
}

/** XDG Base Directory Specification: $XDG_CACHE_HOME where it is absolute, else ~/.cache. */
export function cacheDirectoryOf(user: { readonly xdgCacheHome: string | undefined; readonly home: string }): string {
  const base = user.xdgCacheHome?.startsWith('/') ? user.xdgCacheHome : join(user.home, '.cache')
  return join(base, 'countersign')
}

async function start(
  program: RedisProgram,
  options: { readonly directory: string; readonly log: Log; readonly port: number | null; readonly password: string },
): Promise<EmbeddedRedis> {
  const { directory, log, password } = options
  for (let attempt = 0; attempt < PORT_ATTEMPTS_MAX; attempt++) {
    const wanted = attempt === 0 && options.port !== null && !(await isListening(options.port)) ? options.port : null
    const port = wanted ?? (await freePort())
    const { child, endpoint } = await launch(program, { port, password }, directory)
    if (!(await waitUntilRunning(child, endpoint, directory))) continue
    log.info('redis: embedded server started', { pid: endpoint.pid, port, program: program.how })
    return { ...surface(endpoint, endpoint.pid, log), how: program.how }
  }
  throw new GatewayError('store_unavailable', `the embedded Redis doesn't start; see ${join(directory, 'redis.log')}`)
}

/** In a process group of its own: Ctrl-C must reach us first, so that what is in flight is drained before Redis goes. */
async function launch(program: Program, at: Omit<Endpoint, 'pid'>, directory: string) {
  const child = spawn(program.path, ['-'], {
    cwd: directory,
    env: { ...program.environment },
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  child.unref()
  await once(child, 'spawn')
  child.stdin?.on('error', () => undefined) // it ended before it read its settings; waitUntilRunning sees that
  // Before it gets its settings and becomes a server: whoever starts after us, should we die now, must know of it.
  const endpoint = { ...at, pid: child.pid ?? 0 }
  await writeEndpoint(directory, endpoint)
  child.stdin?.end(configuration(endpoint, directory))
  return { child, endpoint }
}

function configuration({ port, password }: Endpoint, directory: string): string {
  const quote = (text: string) => `"${text.replace(/["\\]/g, '\\$&')}"`
  return [
    'bind 127.0.0.1',
    'protected-mode yes',
    `port ${port}`,
    `requirepass ${quote(password)}`,
    `dir ${quote(directory)}`,
    `logfile ${quote(join(directory, 'redis.log'))}`,
    'daemonize no',
    'save ""',
    'appendonly yes',
    'appendfsync always',
    'maxmemory-policy noeviction',
    '',
  ].join('\n')
}

/** False where it ended, or was ended because it took too long: it is gone before another one is started. */
async function waitUntilRunning(child: ChildProcess, endpoint: Endpoint, directory: string): Promise<boolean> {
  const deadlineAt = Date.now() + START_TIMEOUT_MS
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null
  while (!hasEnded() && Date.now() < deadlineAt) {
    if (await findRunning(endpoint, directory)) return true
    await delay(POLL_MS)
  }
  if (!hasEnded()) {
    child.ref()
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }
  return false
}

/** The server that was started before and still lives, once it answers: loading a large file takes a while. */
async function findAgain(known: Endpoint, directory: string): Promise<{ pid: number } | null> {
  const deadlineAt = Date.now() + START_TIMEOUT_MS
  while (await livesIn(known, directory)) {
    const running = await findRunning(known, directory)
    if (running) return running
    if (Date.now() > deadlineAt) {
      const why = `the Redis of ${directory} (process ${known.pid}) runs and doesn't answer; see its redis.log, or end it`
      throw new GatewayError('store_unavailable', why)
    }
    await delay(POLL_MS)
  }
  return null
}

/** Its number may have been given to another process meanwhile. Linux tells where a process works: proc(5). */
async function livesIn({ pid, port }: Endpoint, directory: string): Promise<boolean> {
  if (!isAlive(pid)) return false
  if (process.platform !== 'linux') return isListening(port)
  return (await readlink(`/proc/${pid}/cwd`).catch(() => null)) === directory
}

/** The Redis behind this endpoint, where it takes our password, is that process and keeps its data in our directory. */
async function findRunning(endpoint: Endpoint, directory: string): Promise<{ pid: number } | null> {
  if (!(await isListening(endpoint.port))) return null
  return withRedis(endpoint, async (redis) => {
    const settings = await redis.call('CONFIG', 'GET', 'dir')
    const theirs = Array.isArray(settings) ? String(settings[1]) : ''
    if (resolve(theirs) !== directory) return null
    const pid = /^process_id:(\d+)/m.exec(String(await redis.call('INFO', 'server')))?.[1]
    return Number(pid) === endpoint.pid ? { pid: endpoint.pid } : null
  }).catch(() => null)
}

async function withRedis<T>(endpoint: Endpoint, use: (redis: RedisHandle) => Promise<T>): Promise<T> {
  const redis = connectRedis({ url: urlOf(endpoint), keyPrefix: 'countersign-probe', clock: systemClock, log: silent })
  try {
    await redis.whenReady(AbortSignal.timeout(PROBE_TIMEOUT_MS))
    return await use(redis)
  } finally {
    await redis.close()
  }
}

const systemClock: Clock = { now: () => epochMs(Date.now()) }
const silent: Log = { info: () => undefined, warn: () => undefined, error: () => undefined }

const urlOf = ({ port, password }: Endpoint) => `redis://:${password}@127.0.0.1:${port}/0`

function surface(endpoint: Endpoint, pid: number, log: Log): Omit<EmbeddedRedis, 'how'> {
  return { url: urlOf(endpoint), pid, stop: () => stop(endpoint, pid, log) }
}

async function stop(endpoint: Endpoint, pid: number, log: Log): Promise<void> {
  const deadlineAt = Date.now() + STOP_TIMEOUT_MS
  if (!(await isListening(endpoint.port))) return
  // One that doesn't answer now may be in use: the next start finds it.
  const inUse = await withRedis(endpoint, (redis) => isUsedByOthers(redis)).catch(() => true)
  if (inUse) return log.info('redis: embedded server left running, others may use it', { pid })
  // SIGTERM is Redis' graceful stop: it writes and syncs what it has.
  if (!signal(pid, 'SIGTERM')) return
  while (isAlive(pid) && Date.now() < deadlineAt) await delay(POLL_MS)
  if (isAlive(pid)) log.warn('redis: embedded server does not stop', { pid })
}

/** Our own connections may still be closing: asked for up to a second before the answer counts. */
async function isUsedByOthers(redis: RedisHandle): Promise<boolean> {
  for (let left = PROBE_TIMEOUT_MS / POLL_MS; left > 0; left--) {
    const clients = String(await redis.call('CLIENT', 'LIST'))
      .trim()
      .split('\n')
    if (clients.every((line) => line.includes(' name=countersign-probe:'))) return false
    await delay(POLL_MS)
  }
  return true
}

function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name)
  } catch {
    return false
  }
}

const isAlive = (pid: number) => signal(pid, 0)

async function readEndpoint(directory: string): Promise<Endpoint | null> {
  try {
    const { port, password, pid } = JSON.parse(await readFile(join(directory, 'endpoint.json'), 'utf8'))
    const isWhole = Number.isInteger(port) && typeof password === 'string' && Number.isInteger(pid) && pid > 0
    return isWhole ? { port, password, pid } : null
  } catch {
    return null
  }
}

async function writeEndpoint(directory: string, endpoint: Endpoint): Promise<void> {
  const path = join(directory, 'endpoint.json')
  await writeFile(`${path}.new`, `${JSON.stringify(endpoint)}\n`, { mode: 0o600 })
  await rename(`${path}.new`, path)
}

/** Spares the usual case, that nothing is there, the wait for a connection. */
async function isListening(port: number): Promise<boolean> {
  const socket = connect({ host: '127.0.0.1', port })
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Two gateways that start at once on one directory must not start two servers on one append-only file. */
async function withLock<T>(path: string, critical: () => Promise<T>): Promise<T> {
  while (!(await takeLock(path))) await delay(POLL_MS)
  const touching = setInterval(() => void utimes(path, new Date(), new Date()).catch(() => undefined), LOCK_TOUCH_MS)
  try {
    return await critical()
  } finally {
    clearInterval(touching)
    await rm(path, { force: true })
  }
}

async function takeLock(path: string): Promise<boolean> {
  try {
    await writeFile(path, `${process.pid}\n`, { flag: 'wx', mode: 0o600 })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  const holder = Number(await readFile(path, 'utf8').catch(() => ''))
  const ageMs =
    Date.now() -
    (await stat(path)
      .then((file) => file.mtimeMs)
      .catch(() => Date.now()))
  // A holder that was killed leaves its lock behind; an empty file is one that is being written.
  if (ageMs > LOCK_STALE_MS || (holder > 0 && !isAlive(holder))) await rm(path, { force: true })
  return false
}
