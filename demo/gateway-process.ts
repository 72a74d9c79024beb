/**
 * The gateway as people run it: `countersign serve` in a process of its own, and the other commands beside it.
 *
 * It is ended in order, or its Redis would outlive it: the gateway is in a process group of its own, so that Ctrl-C in
 * the terminal reaches the demo alone, and it hears SIGTERM only when it listens to it.
 */
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Started } from './processes.ts'
import { start } from './processes.ts'
import { until } from './until.ts'

const COMMAND = fileURLToPath(new URL('../src/cli/countersign.js', import.meta.url))
const START_PATIENCE_MS = 60_000
/** The first start may have to fetch Redis through a slow network. */
const FETCH_PATIENCE_MS = 5 * 60_000
const FETCHING = /info (Fetching .*)/
/** From its start to its first line, on a busy machine. */
const LISTEN_PATIENCE_MS = 10_000
const LISTENS = /listens on (http:\S+)/
const CONSOLE_LINK = /(http:\S+\/console\/open\?code=\S+)/

export interface GatewayProcess {
  output(): string
  /** Resolves with the one-time link to the console, when calls can pass. */
  ready(progress: (text: string) => void): Promise<string>
  stop(): Promise<void>
}

export function startGateway(settingsFile: string, env: Readonly<Record<string, string | undefined>>): GatewayProcess {
  const running = start(process.execPath, [COMMAND, 'serve', '--config', settingsFile], { env, detached: true })
  return {
    output: running.output,
    async ready(progress) {
      try {
        const [, fetching] = await running.line(
          new RegExp(`${FETCHING.source}|${CONSOLE_LINK.source}`),
          START_PATIENCE_MS,
        )
        if (fetching !== undefined) progress(fetching)
        const [, link = ''] = await running.line(CONSOLE_LINK, FETCH_PATIENCE_MS)
        return link
      } catch (cause) {
        const why = hasEnded(running) ? 'ended' : 'cannot take calls yet'
        throw new Error(`The gateway ${why}. It said:\n${running.output()}`, { cause })
      }
    },
    stop: () => stop(running),
  }
}

async function stop(running: Started): Promise<void> {
  if (!hasEnded(running) && !LISTENS.test(running.output())) {
    // Fetching, it has no Redis yet, but children that are to end with it.
    if (FETCHING.test(running.output())) endGroup(running.child.pid)
    else await running.line(LISTENS, LISTEN_PATIENCE_MS).catch(() => undefined)
  }
  await running.stop()
  await endRedis(running.output())
}

function hasEnded({ child }: Started): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

function endGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGTERM')
  } catch {
    // Already gone.
  }
}

/** Only where the gateway was killed before it could do this itself. */
async function endRedis(log: string): Promise<void> {
  const pid = Number(/embedded server started pid=(\d+)/.exec(log)?.[1] ?? Number.NaN)
  const isThere = (signal: 0 | 'SIGTERM') => {
    try {
      return Number.isInteger(pid) && process.kill(pid, signal)
    } catch {
      return false
    }
  }
  if (isThere('SIGTERM')) await until('Redis has ended', () => !isThere(0)).catch(() => undefined)
}

export interface CommandRun {
  readonly code: number
  readonly output: string
}

/** Runs `countersign …`. Its exit code is what scripts see. */
export async function countersign(args: readonly string[]): Promise<CommandRun> {
  const running = start(process.execPath, [COMMAND, ...args])
  const [code] = (await once(running.child, 'close')) as [number | null]
  return { code: code ?? 1, output: running.output() }
}
