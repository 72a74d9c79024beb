/**
 * The official conformance suite, installed at the first use into the project's .cache, by its own lockfile, so that
 * nobody who only builds or runs the gateway has to fetch it. It needs Node 22; where this is an older one, a Node 22 is
 * fetched beside it as a package. No install script runs.
 */
import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { copyFile, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Check } from './comparison.ts'

export const REVISIONS = ['2025-11-25', '2026-07-28'] as const
export type Revision = (typeof REVISIONS)[number]

const NODE_VERSION = '22.23.3'
const NODE_MAJOR_MIN = 22
/** One run takes seconds; a scenario that hangs must not hang the comparison for ever. */
const RUN_MAX_MS = 5 * 60_000
const LOCKED = ['package.json', 'package-lock.json']

/** Not to be had here: offline, or a platform without a Node package. Whoever compares says so, or skips. */
export class SuiteUnavailable extends Error {
  override readonly name = 'SuiteUnavailable'
}

export interface Suite {
  run(url: string, revision: Revision, watch: Watch): Promise<readonly Check[]>
}

export interface Watch {
  /** Ends the run early; it rejects then. */
  readonly signal: AbortSignal
  onScenario(name: string): void
}

/** @param root the checkout; @param progress told when something has to be fetched */
export async function openSuite(root: string, progress: (line: string) => void): Promise<Suite> {
  const sources = path.join(root, 'test/conformance/suite')
  const lock = await readFile(path.join(sources, 'package-lock.json'))
  const key = createHash('sha256').update(lock).update(`${NODE_VERSION} ${nodePackage()}`).digest('hex').slice(0, 12)
  const directory = path.join(root, '.cache/conformance', key)
  if (!existsSync(directory)) await install(sources, directory, progress)
  const program = path.join(directory, 'node_modules/@modelcontextprotocol/conformance/dist/index.js')
  const node = isNodeNewEnough()
    ? process.execPath
    : path.join(directory, 'node/node_modules', nodePackage(), nodeFile())
  return { run: (url, revision, watch) => run({ node, program, directory }, { url, revision, ...watch }) }
}

function isNodeNewEnough(): boolean {
  return Number(process.versions.node.split('.')[0]) >= NODE_MAJOR_MIN
}

function nodePackage(): string {
  return `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`
}

function nodeFile(): string {
  return process.platform === 'win32' ? 'bin/node.exe' : 'bin/node'
}

// ---- install

/** Into a folder aside, which becomes the real one when all is there: of two installs at once, the first counts. */
async function install(sources: string, directory: string, progress: (line: string) => void): Promise<void> {
  const aside = `${directory}.${randomBytes(4).toString('hex')}`
  try {
    progress('Fetching the conformance suite (once, about a quarter of a minute) …')
    await mkdir(path.join(aside, 'node'), { recursive: true })
    for (const file of LOCKED) await copyFile(path.join(sources, file), path.join(aside, file))
    await npm(['ci', '--ignore-scripts'], aside)
    if (!isNodeNewEnough()) {
      progress(`Fetching Node ${NODE_VERSION}, which the suite needs (once) …`)
      await writeFile(path.join(aside, 'node/package.json'), '{ "private": true }\n')
      await npm(
        ['install', '--ignore-scripts', '--no-package-lock', `${nodePackage()}@${NODE_VERSION}`],
        path.join(aside, 'node'),
      )
    }
    await rename(aside, directory).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
    })
  } finally {
    await rm(aside, { recursive: true, force: true })
  }
}

/** What npm says where there is no way to its registry, or no such package in it. */
const UNREACHABLE = /\bcode (ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ENOTCACHED|E404)\b/

async function npm(args: readonly string[], cwd: string): Promise<void> {
  const viaNpm = process.env.npm_execpath?.endsWith('.js') === true
  const [command, first] = viaNpm ? [process.execPath, [process.env.npm_execpath as string]] : ['npm', []]
  const all = [...first, ...args, '--no-audit', '--no-fund', '--loglevel=error']
  const { code, output } = await ended(command, all, { cwd, shell: process.platform === 'win32' && !viaNpm })
  if (code === 0) return
  const unreachable = UNREACHABLE.exec(output)?.[1]
  if (unreachable !== undefined)
    throw new SuiteUnavailable(`npm could not fetch the suite or its Node (${unreachable}).`)
  throw new Error(`npm ${args[0]} failed:\n${output}`)
}

// ---- run

async function run(
  { node, program, directory }: { node: string; program: string; directory: string },
  { url, revision, signal, onScenario }: { url: string; revision: Revision } & Watch,
): Promise<readonly Check[]> {
  const results = path.join(directory, `results-${randomBytes(4).toString('hex')}`)
  try {
    const args = [program, 'server', '--url', url, '--requirements', revision, '--output-dir', results]
    const { output } = await ended(node, args, { cwd: directory, timeout: RUN_MAX_MS, signal }, (line) => {
      const name = /^=== Running scenario: (.+) ===$/.exec(line)?.[1]
      if (name !== undefined) onScenario(name)
    })
    // Its exit code says whether all passed, which is not the question here.
    if (!/^Total: \d+ passed/m.test(output)) throw new Error(`The suite did not end:\n${output.slice(-4000)}`)
    return await readResults(results)
  } finally {
    await rm(results, { recursive: true, force: true })
  }
}

interface WrittenCheck {
  readonly id: string
  readonly name: string
  readonly status: string
  readonly errorMessage?: string
}

/** A folder for each scenario: server-<scenario>-<time>. */
async function readResults(directory: string): Promise<readonly Check[]> {
  const checks: Check[] = []
  for (const folder of (await readdir(directory)).sort()) {
    const scenario = /^server-(.+)-\d{4}-\d{2}-\d{2}T[\d-]+Z$/.exec(folder)?.[1]
    if (scenario === undefined) throw new Error(`The suite left a folder that is not understood here: ${folder}`)
    const written = JSON.parse(await readFile(path.join(directory, folder, 'checks.json'), 'utf8')) as WrittenCheck[]
    for (const { id, name, status, errorMessage } of written) {
      checks.push({ scenario, id, name, status, message: errorMessage ?? null })
    }
  }
  return checks
}

function ended(
  command: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly shell?: boolean; readonly timeout?: number; readonly signal?: AbortSignal },
  onLine: (line: string) => void = () => undefined,
): Promise<{ readonly code: number | null; readonly output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, [...args], { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    let unfinished = ''
    const gather = (chunk: Buffer) => {
      output += chunk.toString()
      const lines = (unfinished + chunk.toString()).split('\n')
      unfinished = lines.pop() ?? ''
      for (const line of lines) onLine(line)
    }
    child.stdout.on('data', gather)
    child.stderr.on('data', gather)
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, output }))
  })
}
