/**
 * `npm run conformance`: runs the official conformance suite against one full-featured MCP server, directly and through
 * the gateway under a policy that allows all, and sets every check's status side by side. A difference is something
 * that the gateway changed, and the exit code is then 1.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command, Option } from 'commander'
import { start, stopAll } from '../../demo/processes.ts'
import type { Check, Row } from './comparison.ts'
import { compare, differences } from './comparison.ts'
import { MCP_PATH, startComparedGateway } from './gateway.ts'
import type { Shim } from './shim.ts'
import { startShim } from './shim.ts'
import type { Revision, Suite } from './suite.ts'
import { openSuite, REVISIONS } from './suite.ts'

/** From dist/test/conformance. */
const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const SERVER = fileURLToPath(new URL('server/server.js', import.meta.url))

/** As a shell says it of a program that Ctrl-C ended. */
const INTERRUPTED = 130

interface Compared {
  readonly requirements: Revision
  readonly rows: readonly Row[]
}

const options = new Command('conformance')
  .description('Compares what the official conformance suite says of an MCP server directly and through the gateway.')
  .addOption(new Option('--requirements <revision>', 'only this set of the suite').choices(REVISIONS))
  .option('--json <file>', 'write every check there, too')
  .addHelpText('after', '\nExample:\n  npm run conformance -- --requirements 2026-07-28 --json checks.json')
  .configureOutput({ outputError: (text, write) => write(text) })
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
  .parse()
  .opts<{ requirements?: Revision; json?: string }>()

/** A server for each way, so that both can be asked at once, and neither hears of what the other does. */
async function comparedSets(revisions: readonly Revision[], signal: AbortSignal): Promise<readonly Compared[]> {
  const suite = await openSuite(ROOT, say)
  const directory = await mkdtemp(path.join(tmpdir(), 'countersign-conformance-'))
  const closers: Closers = [() => rm(directory, { recursive: true, force: true }), stopAll]
  try {
    say('Starting the server, and the gateway with an OIDC provider and Redis …')
    const direct = await openShim(closers)
    direct.lead(await startServer(), null)
    const through = await openShim(closers)
    const upstream = `http://127.0.0.1:${await startServer()}${MCP_PATH}`
    const gateway = await startComparedGateway({ upstream, publicUrl: through.origin, directory, progress: say })
    closers.push(() => gateway.stop())
    through.lead(gateway.port, gateway.authorization)
    const sets: Compared[] = []
    for (const requirements of revisions) {
      const ask = (way: string, { origin }: Shim) => askSuite(suite, requirements, { way, origin, signal })
      const checks = await Promise.all([ask('directly', direct), ask('through the gateway', through)])
      sets.push({ requirements, rows: compare(...checks) })
    }
    return sets
  } finally {
    for (const close of closers.reverse()) await close()
  }
}

type Closers = (() => Promise<unknown>)[]

async function startServer(): Promise<number> {
  const [, port] = await start(process.execPath, [SERVER]).line(/^listening on (\d+)$/m)
  return Number(port)
}

async function openShim(closers: Closers): Promise<Shim> {
  const shim = await startShim()
  closers.push(() => shim.close())
  return shim
}

async function askSuite(
  suite: Suite,
  revision: Revision,
  { way, origin, signal }: { way: string; origin: string; signal: AbortSignal },
): Promise<readonly Check[]> {
  const startedAt = Date.now()
  let count = 0
  const onScenario = (scenario: string) => {
    count += 1
    passing(`${revision}, ${way}: ${count} ${scenario}`)
  }
  const checks = await suite.run(`${origin}${MCP_PATH}`, revision, { signal, onScenario })
  const seconds = ((Date.now() - startedAt) / 1000).toFixed(1)
  say(`${revision}, ${way}: ${count} scenarios, ${checks.length} checks (${seconds} s)`)
  return checks
}

// ---- what people see

function print(sets: readonly Compared[]): void {
  const cell = (status: string | null) => (status ?? 'not made').padEnd(12)
  for (const { requirements, rows } of sets) {
    const width = Math.max(...rows.map(({ scenario, check }) => scenario.length + check.length + 2))
    console.log(`\n${`--requirements ${requirements}`.padEnd(width)}  ${cell('direct')}through gateway`)
    for (const { scenario, check, direct, gateway, same, messages } of rows) {
      console.log(
        `${`${scenario}: ${check}`.padEnd(width)}  ${cell(direct)}${cell(gateway)}${same ? '' : '≠'}`.trimEnd(),
      )
      for (const message of messages) console.log(`    ${message}`)
    }
  }
}

function summary(sets: readonly Compared[]): string {
  const rows = sets.flatMap((set) => set.rows)
  const counts = new Map<string, number>()
  for (const { direct } of rows) counts.set(direct ?? 'not made', (counts.get(direct ?? 'not made') ?? 0) + 1)
  const directly = [...counts].map(([status, count]) => `${count} ${status}`).join(', ')
  return `${rows.length} checks (directly: ${directly}): ${differences(rows).length} differ through the gateway`
}

function say(line: string): void {
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K')
  console.error(line)
}

/** What is going on just now, for whoever watches; a log doesn't need it. */
function passing(line: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${line}`)
}

async function main(): Promise<number> {
  const interruption = new AbortController()
  const interrupt = () => {
    interruption.abort()
    // What is still starting ends, too, and whoever waits for it hears of it.
    void stopAll()
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, interrupt)
  try {
    const sets = await comparedSets(
      options.requirements === undefined ? REVISIONS : [options.requirements],
      interruption.signal,
    )
    print(sets)
    if (options.json !== undefined) {
      await writeFile(options.json, `${JSON.stringify({ node: process.version, sets }, null, 2)}\n`)
      say(`written: ${options.json}`)
    }
    console.log(`\n${summary(sets)}`)
    return sets.every(({ rows }) => rows.length > 0 && differences(rows).length === 0) ? 0 : 1
  } catch (error) {
    say(interruption.signal.aborted ? 'Interrupted.' : error instanceof Error ? error.message : String(error))
    return interruption.signal.aborted ? INTERRUPTED : 1
  }
}

process.exitCode = await main()
