/**
 * `npm run bench`: what an allowed call costs on its whole path through the gateway, beside the same call sent
 * directly, through nginx and through a bare express + http-proxy, in one run; and what ten thousand held calls cost.
 *
 * Everything is on loopback, and the run ends by itself: seconds × contenders, and a little to start them.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { bare, type Contender, direct, nginx, type Surroundings, startProgram } from './contenders.ts'
import { countersign } from './gateway.ts'
import { type HoldsReport, measureHolds } from './holds.ts'
import { startLoad } from './load.ts'
import { callHeaders } from './mcp-call.ts'
import { type Entrant, measure, type Row } from './measure.ts'

/** Enough to keep two cores busy, few enough that queues don't hide the cost of a call. */
const CONNECTIONS = 16
const ROUNDS = 5
/** Node compiles what is hot; the first seconds measure that instead. */
const WARM_UP_MS = 2_000
const SECONDS_MAX = 600
/** As many as may be pending at one time. */
const HOLDS_MAX = 10_000

const contenders: readonly Contender[] = [direct, nginx, bare, countersign]

const command = new Command('bench')
  .description('Measures an allowed call side by side with its peers, and prints ratios.')
  .option('--seconds <n>', 'how long each contender is measured, in all', parseSeconds, 10)
  .option('--only <group>', 'allowed or held: just these calls', parseGroup)
  .option('--holds <n>', 'how many calls are held at once', parseHolds, 10_000)
  .option('--json <file>', 'write the figures there, too')
  .addHelpText('after', '\nExample:\n  npm run bench -- --seconds 30 --json figures.json')
  .parse()
const options = command.opts<{ seconds: number; only?: Group; holds: number; json?: string }>()

type Group = 'allowed' | 'held'

function parseGroup(text: string): Group {
  if (text !== 'allowed' && text !== 'held') return command.error('--only must be allowed or held', { exitCode: 2 })
  return text
}

function parseHolds(text: string): number {
  const holds = Number(text)
  if (!(Number.isInteger(holds) && holds >= 10 && holds <= HOLDS_MAX)) {
    command.error(`--holds must be 10 to ${HOLDS_MAX}`, { exitCode: 2 })
  }
  return holds
}

function parseSeconds(text: string): number {
  const seconds = Number(text)
  if (!(seconds >= 1 && seconds <= SECONDS_MAX)) command.error(`--seconds must be 1 to ${SECONDS_MAX}`, { exitCode: 2 })
  return seconds
}

interface Results {
  readonly rows: readonly Row[]
  readonly held: HoldsReport | null
}

async function run(): Promise<Results> {
  const rows = options.only === 'held' ? [] : await runAllowed()
  return { rows, held: options.only === 'allowed' ? null : await runHeld() }
}

async function runHeld(): Promise<HoldsReport> {
  const directory = mkdtempSync(join(os.tmpdir(), 'countersign-bench-'))
  const process = startProgram('upstream.js', [])
  try {
    const [, port] = await process.line(/listening on (\d+)/)
    const upstream = `http://127.0.0.1:${port}/mcp`
    return await measureHolds({ holds: options.holds, upstream, directory, progress: say })
  } finally {
    await process.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}

async function runAllowed(): Promise<readonly Row[]> {
  const directory = mkdtempSync(join(os.tmpdir(), 'countersign-bench-'))
  const process = startProgram('upstream.js', [])
  const load = startLoad()
  const entrants: Entrant[] = []
  try {
    const [, port] = await process.line(/listening on (\d+)/)
    const upstream = { url: `http://127.0.0.1:${port}/mcp`, process }
    for (const contender of contenders) entrants.push(await enter(contender, { upstream, directory, progress: say }))
    const send = ({ url, headers }: NonNullable<Entrant['running']>, forMs: number) =>
      load.run({ url, headers: { ...callHeaders, ...headers }, connections: CONNECTIONS, forMs })
    say(`warming up; then ${ROUNDS} rounds, ${options.seconds} s in all for each, ${CONNECTIONS} connections`)
    for (const { contender, running } of entrants)
      if (running !== null) await warmUp(contender, () => send(running, WARM_UP_MS))
    const sliceMs = (options.seconds * 1000) / ROUNDS
    return await measure(entrants, { group: 'allowed call', rounds: ROUNDS, sliceMs, run: send, progress: say })
  } finally {
    await load.stop()
    for (const { running } of entrants) await running?.stop()
    await process.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}

async function warmUp({ title }: Contender, send: () => Promise<unknown>): Promise<void> {
  try {
    await send()
  } catch (cause) {
    throw new Error(`${title} failed while warming up: ${cause instanceof Error ? cause.message : cause}`, { cause })
  }
}

async function enter(contender: Contender, surroundings: Surroundings): Promise<Entrant> {
  try {
    const running = await contender.start(surroundings)
    say(`started: ${contender.title}`)
    return { contender, running, why: null }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    say(`not measured: ${contender.title}: ${why}`)
    return { contender, running: null, why }
  }
}

function say(line: string): void {
  console.error(line)
}

function print(rows: readonly Row[]): void {
  const figures = (row: Row) => [
    row.rps,
    row.p50Us,
    row.p99Us,
    row.cpuUs,
    row.ratios.direct,
    row.ratios.nginx,
    row.ratios.bare,
  ]
  const cell = (value: string | number | null) => String(value ?? '-').padStart(10)
  const titles = ['calls/s', 'p50 µs', 'p99 µs', 'CPU µs', '× direct', '× nginx', '× bare']
  console.log(`\n${'allowed call'.padEnd(26)}${titles.map(cell).join('')}`)
  for (const row of rows) {
    const tail =
      row.notMeasured === undefined
        ? figures(row).map(cell).join('')
        : `  not measured: ${row.notMeasured.split('\n', 1)[0]}`
    console.log(`${row.title.padEnd(26)}${tail}`)
  }
  console.log('\nCPU µs: the contender’s own processor time a call; of the direct call, the upstream’s.')
}

function printHeld({ holds, bytesPerHold, idleCpuPercent, openCpuUs, p50Us, p99Us, burst }: HoldsReport): void {
  const ms = (us: number) => `${(us / 1_000).toFixed(1)} ms`
  const known = (value: number | null, unit: string) => (value === null ? 'not known here' : `${value} ${unit}`)
  console.log(`\nheld calls: ${holds} at once, one process`)
  console.log(`  memory a hold            ${known(bytesPerHold, 'bytes')}`)
  console.log(`  CPU to open one          ${known(openCpuUs, 'µs')}`)
  console.log(`  CPU while all wait       ${known(idleCpuPercent, '% of a core')}`)
  console.log(`  click to answer, single  p50 ${ms(p50Us)}, p99 ${ms(p99Us)}`)
  console.log(`  ${`${burst.clicks} at once`.padEnd(25)}p50 ${ms(burst.p50Us)}, p99 ${ms(burst.p99Us)}`)
}

function finish({ rows, held }: Results): void {
  if (rows.length > 0) print(rows)
  if (held !== null) printHeld(held)
  if (options.json !== undefined) {
    const machine = `${os.cpus()[0]?.model ?? 'unknown'}, ${os.availableParallelism()} cores, ${os.platform()} ${os.arch()}`
    writeFileSync(
      options.json,
      `${JSON.stringify({ machine, node: process.version, results: [...rows, ...(held === null ? [] : [held])] }, null, 2)}\n`,
    )
    say(`written: ${options.json}`)
  }
  // nginx may be out of reach here; without our own row there is nothing to tell.
  if (rows.some(({ name, rps }) => name === 'countersign' && rps === null)) process.exitCode = 1
}

try {
  finish(await run())
} catch (error) {
  say(error instanceof Error ? error.message : String(error))
  process.exitCode = 1
}
