/**
 * What `npm run check|test|demo|bench|chaos|conformance|teams:playground` do. Plain JavaScript without packages, because it
 * has to run on a fresh clone: it looks at Node, installs what package-lock.json names, builds what changed, and only then
 * starts the work.
 *
 * `test` ends in the line `N passed, N failed`, alone, so that a machine can read it; a step that fails before the
 * tests counts as one failure, and a run without a single test is a failure too.
 */
import { spawn } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'
import { build, typeCheck } from './build.mjs'
import { install } from './install.mjs'
import { withLock } from './lock.mjs'
import { requireNode } from './node-version.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const results = `${root}.cache/vitest-${process.pid}.json`

const commands = {
  /** Seconds: what to run before each commit. */
  async check() {
    await prepare(install)
    const failed = [await step('format and lint', biome), await step('types', () => typeCheck(root))]
    report(await vitest(['test/architecture', 'test/unit']), failed)
  },
  async test() {
    await prepare(install)
    const failed = [
      await step('format and lint', biome),
      await step('types and build', () => withLock(root, () => build(root))),
    ]
    if (failed[1] !== 0) return report({ passed: 0, failed: 0 }, failed)
    report(await vitest([]), failed)
  },
  async build() {
    await prepare(install, build)
  },
  async demo(args) {
    await prepare(install, build)
    process.exitCode = await node(['dist/demo/demo.js', ...args])
  },
  async bench(args) {
    await prepare(install, build)
    process.exitCode = await node(['dist/bench/bench.js', ...args])
  },
  async chaos(args) {
    await prepare(install, build)
    process.exitCode = await node(['dist/test/chaos/chaos.js', ...args])
  },
  async conformance(args) {
    await prepare(install, build)
    process.exitCode = await node(['dist/test/conformance/conformance.js', ...args])
  },
  async 'teams:playground'(args) {
    await prepare(install, build)
    process.exitCode = await node(['dist/test/playground/playground.js', ...args])
  },
}

/** Under a lock: two runs in one checkout must not install into, or build, the same folder at the same time. */
async function prepare(...steps) {
  await withLock(root, async () => {
    for (const each of steps) {
      const status = await each(root)
      if (status !== 0) throw new Error(`${each.name} failed; the lines above say why`)
    }
  })
}

async function step(name, run) {
  const startedAt = Date.now()
  const status = await run()
  console.log(`${status === 0 ? 'ok' : 'FAILED'}: ${name} (${((Date.now() - startedAt) / 1000).toFixed(1)} s)`)
  return status === 0 ? 0 : 1
}

function biome() {
  return node(['node_modules/@biomejs/biome/bin/biome', 'check', '--error-on-warnings', '.'])
}

async function vitest(filters) {
  rmSync(results, { force: true })
  const status = await node([
    'node_modules/vitest/vitest.mjs',
    'run',
    '--allowOnly=false',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${results}`,
    ...filters,
  ])
  const counts = countTests()
  rmSync(results, { force: true })
  // Faults outside any test (a file that doesn't load, an unhandled rejection) show in the status alone.
  if (status !== 0 && counts.failed === 0) counts.failed = 1
  if (counts.passed + counts.failed === 0) {
    console.log('no test ran')
    counts.failed = 1
  }
  return counts
}

function countTests() {
  try {
    const report = JSON.parse(readFileSync(results, 'utf8'))
    if (report.numPendingTests > 0) console.log(`${report.numPendingTests} skipped`)
    return { passed: report.numPassedTests, failed: report.numFailedTests }
  } catch {
    console.log('vitest left no results')
    return { passed: 0, failed: 0 }
  }
}

function report(counts, failedSteps) {
  const failed = counts.failed + failedSteps.reduce((sum, each) => sum + each, 0)
  if (failed > 0 || counts.passed === 0) process.exitCode = 1
  console.log(`${counts.passed} passed, ${failed} failed`)
}

/** Runs one of the project's own programs in this terminal and passes signals on; answers its exit status. */
function node(args) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: 'inherit' })
    // From a terminal, Ctrl-C reaches the child by itself; the handler keeps us here until it has tidied up.
    const forward = { SIGINT: () => {}, SIGTERM: () => child.kill('SIGTERM'), SIGHUP: () => child.kill('SIGHUP') }
    if (!process.stdin.isTTY) forward.SIGINT = () => child.kill('SIGINT')
    for (const [signal, handler] of Object.entries(forward)) process.on(signal, handler)
    child.on('error', reject)
    child.on('close', (code, signal) => {
      for (const [name, handler] of Object.entries(forward)) process.off(name, handler)
      resolve(code ?? 128 + constants.signals[signal])
    })
  })
}

const [name = '', ...args] = process.argv.slice(2)
if (!Object.hasOwn(commands, name)) {
  console.error(`usage: node scripts/run.mjs ${Object.keys(commands).join('|')} [arguments]`)
  process.exit(2)
}
requireNode()
try {
  await commands[name](args)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
  if (name === 'test' || name === 'check') console.log('0 passed, 1 failed')
}
