/** Child processes that are stopped with their parent, and ports that nobody uses. For the demo and the tests. */
import type { ChildProcess, SpawnOptions } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

export interface Started {
  readonly child: ChildProcess
  /** Standard output and error so far, for error messages and for tests that look for a line. */
  output(): string
  /** Resolves with the first line that the pattern matches; rejects when the process ends or the time is over. */
  line(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>
  /** SIGTERM, and SIGKILL for what is still there after a while. Answers the exit code; null where a signal ended it. */
  stop(signal?: NodeJS.Signals): Promise<number | null>
}

const STOP_PATIENCE_MS = 15_000
const OUTPUT_MAX = 1_000_000

/** Those that have not ended yet. */
const running = new Set<Started>()
let isOver = false

/** For the end of a program: also stops what is still starting, and lets nothing start any more. */
export async function stopAll(): Promise<void> {
  isOver = true
  await Promise.all([...running].map((process) => process.stop()))
}

export function start(command: string, args: readonly string[], options: SpawnOptions = {}): Started {
  if (isOver) throw new Error(`${command} was to start when all was over`)
  const child = spawn(command, [...args], { stdio: ['ignore', 'pipe', 'pipe'], ...options })
  let output = ''
  const listeners = new Set<() => void>()
  const gather = (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-OUTPUT_MAX)
    for (const listener of listeners) listener()
  }
  child.stdout?.on('data', gather)
  child.stderr?.on('data', gather)
  const endWithParent = () => void child.kill('SIGKILL')
  process.once('exit', endWithParent)
  child.once('exit', () => {
    process.off('exit', endWithParent)
    running.delete(started)
    for (const listener of listeners) listener()
  })
  child.on('error', (error) => gather(Buffer.from(`${error.message}\n`)))

  const started: Started = {
    child,
    output: () => output,
    line(pattern, timeoutMs = 30_000) {
      return new Promise((resolve, reject) => {
        const finish = (act: () => void) => {
          clearTimeout(timer)
          listeners.delete(look)
          act()
        }
        const fail = (why: string) => finish(() => reject(new Error(`${command} ${why}. It said:\n${output}`)))
        const look = () => {
          const found = pattern.exec(output)
          if (found !== null) finish(() => resolve(found))
          else if (child.exitCode !== null || child.signalCode !== null) fail('ended early')
        }
        const timer = setTimeout(() => fail(`did not say ${pattern} in ${timeoutMs} ms`), timeoutMs)
        listeners.add(look)
        look()
      })
    },
    async stop(signal = 'SIGTERM') {
      if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
      const ended = once(child, 'exit')
      child.kill(signal)
      const impatience = setTimeout(() => child.kill('SIGKILL'), STOP_PATIENCE_MS)
      await ended
      clearTimeout(impatience)
      return child.exitCode
    },
  }
  if (child.pid !== undefined) running.add(started)
  return started
}

export async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

/** Resolves when something accepts connections there. */
export async function whenListening(port: number, process: Started, timeoutMs = 30_000): Promise<void> {
  const deadline = Date.now() + timeoutMs
  while (Date.now() < deadline) {
    if (process.child.exitCode !== null) break
    if (await accepts(port)) return
    await pause(50)
  }
  throw new Error(`nothing listens on port ${port}. The process said:\n${process.output()}`)
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
