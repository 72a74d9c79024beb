import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { homedir, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, describe, expect, it } from 'vitest'
import { cacheDirectoryOf, startEmbeddedRedis } from '../../jobs/embedded-redis.ts'
import { connectRedis, inspectRedis } from '../../jobs/redis.ts'
import { silentLog, systemClock } from '../support/redis.ts'
import { until } from '../support/until.ts'

const cacheDirectory = cacheDirectoryOf({ xdgCacheHome: process.env.XDG_CACHE_HOME, home: homedir() })
const cleanups: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function freshDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'countersign embedded "quoted" '))
  cleanups.push(() => rm(directory, { recursive: true, force: true }))
  return directory
}

async function startIn(directory: string) {
  const redis = await startEmbeddedRedis({ directory, log: silentLog, path: process.env.PATH ?? '', cacheDirectory })
  cleanups.push(() => redis.stop())
  return redis
}

async function connectTo(url: string) {
  const redis = connectRedis({ url, keyPrefix: 'test', clock: systemClock, log: silentLog })
  await redis.whenReady()
  return redis
}

/** A process of its own that starts the embedded Redis as a gateway does, and then only lives. */
async function startGatewayProcess(directory: string) {
  const built = await mkdtemp(join(tmpdir(), 'countersign-built-'))
  cleanups.push(() => rm(built, { recursive: true, force: true }))
  const root = resolve(import.meta.dirname, '../..')
  await promisify(execFile)(process.execPath, [
    join(root, 'node_modules/typescript/bin/tsc'),
    '-p',
    root,
    '--noCheck',
    '--outDir',
    built,
  ])
  await symlink(join(root, 'node_modules'), join(built, 'node_modules'))
  await writeFile(join(built, 'package.json'), '{ "type": "module" }')
  const gateway = spawn(
    process.execPath,
    ['--input-type=module', '--eval', GATEWAY_SOURCE, join(built, 'jobs/embedded-redis.js'), directory, cacheDirectory],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  cleanups.push(async () => gateway.kill('SIGKILL'))
  const [line] = await once(gateway.stdout, 'data')
  return { process: gateway, redisPid: Number(line) }
}

const GATEWAY_SOURCE = `
  const [module, directory, cacheDirectory] = process.argv.slice(1)
  const { startEmbeddedRedis } = await import(module)
  const log = { info() {}, warn() {}, error() {} }
  const redis = await startEmbeddedRedis({ directory, log, path: process.env.PATH, cacheDirectory })
  console.log(redis.pid)
  setInterval(() => {}, 1_000_000)
`

const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

describe('the embedded Redis', () => {
  it('is what doctor wants of a Redis, and keeps its password out of argv and away from other users', async () => {
    const directory = await freshDirectory()
    const embedded = await startIn(directory)
    const redis = await connectTo(embedded.url)
    const findings = await inspectRedis(redis)
    await redis.close()
    expect(findings.filter((finding) => !finding.ok)).toEqual([])

    const password = new URL(embedded.url).password
    const { stdout } = await promisify(execFile)('ps', ['-o', 'args=', '-p', String(embedded.pid)])
    expect(stdout).toContain('redis-server')
    expect(stdout).not.toContain(password)
    expect((await stat(join(directory, 'endpoint.json'))).mode & 0o077).toBe(0)
    expect(await readFile(join(directory, 'endpoint.json'), 'utf8')).toContain(password)
  })

  it('refuses who has no password', async () => {
    const embedded = await startIn(await freshDirectory())
    const url = new URL(embedded.url)
    url.password = ''
    const stranger = connectRedis({ url: url.href, keyPrefix: 'test', clock: systemClock, log: silentLog })
    cleanups.push(() => stranger.close())
    await expect(stranger.whenReady(AbortSignal.timeout(1_000))).rejects.toThrow()
  })

  it('ends with a graceful stop and keeps its data and its port for the next start', async () => {
    const directory = await freshDirectory()
    const first = await startIn(directory)
    const writer = await connectTo(first.url)
    await writer.call('SET', 'remembered', 'yes')
    await writer.close()
    await first.stop()
    expect(isAlive(first.pid)).toBe(false)

    const second = await startIn(directory)
    expect(new URL(second.url).port).toBe(new URL(first.url).port)
    const reader = await connectTo(second.url)
    expect(await reader.call('GET', 'remembered')).toBe('yes')
    await reader.close()
  })

  it('is left running by a stop while another gateway is connected', async () => {
    const directory = await freshDirectory()
    const first = await startIn(directory)
    const second = await startIn(directory)
    const user = await connectTo(second.url)
    await first.stop()
    expect(await user.call('PING')).toBe('PONG')
    await user.close()
    await second.stop()
    expect(isAlive(first.pid)).toBe(false)
  })

  it('is found again and adopted after its gateway was killed', async () => {
    const directory = await freshDirectory()
    const gateway = await startGatewayProcess(directory)
    gateway.process.kill('SIGKILL')
    await once(gateway.process, 'exit')
    expect(isAlive(gateway.redisPid)).toBe(true)

    const adopted = await startIn(directory)
    expect(adopted.how).toBe('found running')
    expect(adopted.pid).toBe(gateway.redisPid)
    await adopted.stop()
    expect(isAlive(gateway.redisPid)).toBe(false)
  })

  it('starts one server when two gateways start at once', async () => {
    const directory = await freshDirectory()
    const [first, second] = await Promise.all([startIn(directory), startIn(directory)])
    expect(first.pid).toBe(second.pid)
    expect(first.url).toBe(second.url)
  })

  it('starts again on its data after the server was killed, and past a lock whose holder is gone', async () => {
    const directory = await freshDirectory()
    const first = await startIn(directory)
    process.kill(first.pid, 'SIGKILL')
    await until('the killed server is gone', () => !isAlive(first.pid))
    const holder = spawn('true')
    await once(holder, 'exit')
    await writeFile(join(directory, 'starting.lock'), `${holder.pid}\n`)
    const second = await startIn(directory)
    expect(second.pid).not.toBe(first.pid)
    expect(second.how).not.toBe('found running')
  })

  it('is not started a second time while the first one lives, also where that does not answer', async () => {
    const directory = await freshDirectory()
    const first = await startIn(directory)
    process.kill(first.pid, 'SIGSTOP')
    const starting = startIn(directory)
    let settled = false
    void starting.finally(() => {
      settled = true
    })
    const askedAt = Date.now()
    await until('looks at it have failed', () => Date.now() - askedAt > 2_500)
    expect(settled).toBe(false)
    process.kill(first.pid, 'SIGCONT')
    expect(await starting).toMatchObject({ pid: first.pid, how: 'found running' })
  })

  it('tells its password to nobody who has taken its port meanwhile', async () => {
    const directory = await freshDirectory()
    const first = await startIn(directory)
    await first.stop()
    const { port, password } = new URL(first.url)
    const heard: string[] = []
    const stranger = createServer((socket) => {
      socket.on('data', (data) => {
        heard.push(data.toString())
        socket.write('+OK\r\n')
      })
      socket.on('error', () => undefined)
    })
    await once(stranger.listen(Number(port), '127.0.0.1'), 'listening')
    cleanups.push(async () => stranger.close())

    const second = await startIn(directory)
    expect(new URL(second.url).port).not.toBe(port)
    expect(heard.join('')).not.toContain(password)
  })

  it('opens its data to its user alone, also in a directory that was there before', async () => {
    const directory = await freshDirectory()
    await chmod(directory, 0o755)
    await startIn(directory)
    expect((await stat(directory)).mode & 0o777).toBe(0o700)
  })
})
