/**
 * One MCP server as a child process. It leads a process group of its own, because a command is often a launcher (npx,
 * a shell script) whose children would outlive it; the group is what is ended.
 *
 * The order of the end is MCP's (2026-07-28 basic/transports/stdio, "Shutdown"): its input is closed, it gets time to
 * go, then SIGTERM, then SIGKILL. Whatever of the group is left when its leader has gone is ended, too, also where the
 * leader went by itself.
 */
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { spawn } from 'node:child_process'
import { setTimeout as pause } from 'node:timers/promises'
import { GatewayError } from '../../src/errors.ts'
import { EVENT_BYTES_MAX } from '../response/sse.ts'
import { createLineReader } from './lines.ts'

/** One line is one message; the same limit as for an answer over HTTP. */
export const LINE_BYTES_MAX = EVENT_BYTES_MAX
/** What may wait for a server that doesn't read, before it is taken for stuck. */
const UNREAD_BYTES_MAX = 2 * LINE_BYTES_MAX
/** How much of a line of standard error is looked at. */
const ERROR_LINE_BYTES_MAX = 8 * 1024
/** How long a server may take to go after its input has ended, and again after SIGTERM. */
const GRACE_MS = 2_000
const GROUP_LOOK_MS = 25
/** How long what was written before the end is waited for. */
const LAST_LINES_MS = 200

export interface ServerCommand {
  readonly command: readonly [string, ...string[]]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
}

export interface ServerProcess {
  /** Undefined where it could not be started; then `ended` says so. */
  readonly pid: number | undefined
  /** One message. Throws GatewayError `upstream_unreachable` where the server has gone or doesn't read. */
  write(line: string): void
  /** Resolves with why it is no more, in words for the agent; never rejects. Its whole group has then been told to go. */
  readonly ended: Promise<string>
  /** Ends it. Resolves when nothing of its group is left, or nothing more can be done. */
  stop(why: string): Promise<void>
}

export function startServerProcess(
  { command, cwd, env }: ServerCommand,
  listeners: { readonly onLine: (line: Buffer) => void; readonly onErrorLine: (line: Buffer) => void },
): ServerProcess {
  const [program, ...args] = command
  // Windows has no process groups in this sense; there the leader alone is ended.
  const hasGroup = process.platform !== 'win32'
  const child = spawn(program, args, { cwd, env, shell: false, detached: hasGroup, windowsHide: true })
  const { pid } = child
  let asked: string | null = null

  const signal = (name: NodeJS.Signals | 0): boolean => {
    if (pid === undefined) return false
    try {
      return process.kill(hasGroup ? -pid : pid, name)
    } catch {
      // ESRCH: nobody is left. EPERM: it has become another user, and isn't ours to end.
      return false
    }
  }
  const endWithGateway = () => void signal('SIGKILL')
  atExit(endWithGateway)

  const gone = whenGone(child)
  const swept = gone.then(async () => {
    await endGroup(signal)
    groups.delete(endWithGateway)
    if (groups.size === 0) process.off('exit', endAll)
  })
  const stop = async (why: string): Promise<void> => {
    asked ??= why
    child.stdin.end()
    if (!(await within(GRACE_MS, gone))) signal('SIGTERM')
    if (!(await within(GRACE_MS, gone))) signal('SIGKILL')
    await within(GRACE_MS, swept)
  }
  readLines(child, listeners, () => {
    void stop(`sent a line of more than ${LINE_BYTES_MAX} bytes`)
    signal('SIGKILL')
  })
  return {
    pid,
    ended: gone.then((how) => asked ?? how),
    stop,
    write(line) {
      if (asked !== null || child.exitCode !== null || child.signalCode !== null || !child.stdin.writable) {
        throw new GatewayError('upstream_unreachable', 'The MCP server’s process has ended.')
      }
      if (child.stdin.writableLength > UNREAD_BYTES_MAX) {
        throw new GatewayError('upstream_unreachable', 'The MCP server’s process does not read its input.')
      }
      child.stdin.write(`${line}\n`)
    },
  }
}

/** A gateway that ends without stopping in order (a second signal) leaves nobody behind. */
const groups = new Set<() => void>()

function atExit(end: () => void): void {
  // One listener for all: Node takes more than ten of them for a leak.
  if (groups.size === 0) process.once('exit', endAll)
  groups.add(end)
}

function endAll(): void {
  for (const end of groups) end()
}

function readLines(
  child: ChildProcessWithoutNullStreams,
  { onLine, onErrorLine }: { onLine: (line: Buffer) => void; onErrorLine: (line: Buffer) => void },
  onTooLong: () => void,
): void {
  const output = createLineReader({ bytesMax: LINE_BYTES_MAX, onLine, onTooLong })
  child.stdout.on('data', (chunk: Buffer) => output.feed(chunk))
  // Too long a line of standard error is only a line that is not logged.
  const error = createLineReader({ bytesMax: ERROR_LINE_BYTES_MAX, onLine: onErrorLine, onTooLong: () => undefined })
  child.stderr.on('data', (chunk: Buffer) => error.feed(chunk))
  child.stderr.on('end', () => error.end())
  // What breaks here is told by the process's end.
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream.on('error', () => undefined)
}

/**
 * By `exit`, not `close`: a grandchild that keeps the pipes open must not keep us waiting. What was written before the
 * exit may still be in the pipe, so its end is waited for, but not for long.
 */
function whenGone(child: ChildProcessWithoutNullStreams): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      if (child.pid === undefined) resolve(`could not be started (${error.code ?? 'unknown'})`)
    })
    child.once('exit', (code, signal) => {
      const tell = () => resolve(signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`)
      if (child.stdout.readableEnded) return tell()
      const patience = setTimeout(tell, LAST_LINES_MS)
      child.stdout.once('end', () => {
        clearTimeout(patience)
        tell()
      })
      return undefined
    })
  })
}

/** Of a launcher's children some need a moment to see that it has gone. */
async function endGroup(signal: (name: NodeJS.Signals | 0) => boolean): Promise<void> {
  if (!signal('SIGTERM')) return
  for (let waited = 0; waited < GRACE_MS; waited += GROUP_LOOK_MS) {
    if (!signal(0)) return
    await pause(GROUP_LOOK_MS)
  }
  signal('SIGKILL')
}

async function within(ms: number, event: Promise<unknown>): Promise<boolean> {
  const timeout = new AbortController()
  const late = pause(ms, false, { signal: timeout.signal }).catch(() => false)
  const happened = await Promise.race([event.then(() => true), late])
  timeout.abort()
  return happened
}
