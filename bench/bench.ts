/**
 * `npm run bench`: what an allowed call costs on its whole path through the gateway, beside the same call sent
 * directly, through nginx and through a bare express + http-proxy, in one run.
 *
 * Everything is on loopback, and the run ends by itself: seconds × contenders, and a little to start them.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { bare, type Contender, direct, nginx, type Surroundings, startProgram } from './contenders.ts'
import { countersign } from './gateway.ts'
import { startLoad } from './load.ts'
import { callHeaders } from './mcp-call.ts'
import { type Entrant, measure, type Row } from './measure.ts'

/** Enough to keep two cores busy, few enough that queues don't hide the cost of a call. */
const CONNECTIONS = 16
const ROUNDS = 5
/** Node compiles what is hot; the first seconds measure that instead. */
const WARM_UP_MS = 2_000
const SECONDS_MAX = 600

const contenders: readonly Contender[] = [direct, nginx, bare, countersign]

const command = new Command('bench')
  .description('Measures an allowed call side by side with its peers, and prints ratios.')
  .option('--seconds <n>', 'how long each contender is measured, in all', parseSeconds, 10)
  .option('--json <file>', 'write the figures there, too')
  .addHelpText('after', '\nExample:\n  npm run bench -- --seconds 30 --json figures.json')
  .parse()
const options = command.opts<{ seconds: number; json?: string }>()

function parseSeconds(text: string): number {
  const seconds = Number(text)
  if (!(seconds >= 1 && seconds <= SECONDS_MAX)) command.error(`--seconds must be 1 to ${SECONDS_MAX}`, { exitCode: 2 })
  return seconds
}

async function run(): Promise<readonly Row[]> {
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

function finish(rows: readonly Row[]): void {
  print(rows)
  if (options.json !== undefined) {
    const machine = `${os.cpus()[0]?.model ?? 'unknown'}, ${os.availableParallelism()} cores, ${os.platform()} ${os.arch()}`
    writeFileSync(options.json, `${JSON.stringify({ machine, node: process.version, results: rows }, null, 2)}\n`)
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
