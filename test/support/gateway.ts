/**
 * The whole gateway as people run it: `countersign serve` in a process of its own, with a real Redis, a real OIDC
 * provider and a real MCP server behind a tap. One world a test file; each test may start gateways of its own in it.
 */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ConsoleReviewer } from '../../demo/console-reviewer.ts'
import { openConsole } from '../../demo/console-reviewer.ts'
import { startFilesystemUpstream } from '../../demo/filesystem-upstream.ts'
import type { Started } from '../../demo/processes.ts'
import { freePort, start } from '../../demo/processes.ts'
import type { TestIssuer } from './oidc-issuer.ts'
import { ALICE, startTestIssuer } from './oidc-issuer.ts'
import type { TestRedis } from './redis.ts'
import { startTestRedis } from './redis.ts'
import type { Tap } from './tap.ts'
import { startTap } from './tap.ts'

export const UPSTREAM_KEY = 'upstream-key-7f3a9c'
/** Seen from the tests' source, and from where they are built to. */
const DIST = import.meta.url.endsWith('.ts') ? '../../dist/' : '../../'
export const COMMAND = fileURLToPath(new URL(`${DIST}src/cli/countersign.js`, import.meta.url))

export interface World {
  readonly issuer: TestIssuer
  readonly redis: TestRedis
  readonly tap: Tap
  /** The directory that the MCP server serves. */
  readonly files: string
  startGateway(options?: GatewayOptions): Promise<Gateway>
  close(): Promise<void>
}

export interface GatewayOptions {
  /** Replaces the policy below. */
  readonly policy?: string
  /** YAML at the top level of the settings, for instance `channels: …`. */
  readonly settings?: string
  /** More upstreams beside `files`: YAML, two spaces in. */
  readonly upstreams?: string
  readonly reviewer?: string
  readonly maxBodyBytes?: number
  readonly environment?: Readonly<Record<string, string>>
  /** Does not wait for readiness: for a gateway that can't become ready. */
  readonly unready?: boolean
  readonly redisUrl?: string
  readonly recordings?: string
  /** Under which agents reach it, where something stands before it; `{port}` is the port that it listens on. */
  readonly publicUrl?: string
  /** YAML: where reviewers sign in, at the issuer. */
  readonly signIn?: string
  /** The same for two gateways makes them replicas; its own where left out. */
  readonly keyPrefix?: string
  /** As `--roles` takes them; all where left out. */
  readonly roles?: string
}

export interface Gateway {
  readonly url: string
  readonly mcp: URL
  readonly directory: string
  readonly recordings: string
  readonly settingsFile: string
  readonly process: Started
  token(resource?: string): Promise<string>
  /** The reviewer's console, opened by the link that this start printed. */
  console(): Promise<ConsoleReviewer>
  /** As a crash: nothing is said, nothing is closed. */
  kill(): Promise<void>
  /** The same settings, the same port, a new process. */
  restart(): Promise<void>
  stop(): Promise<number | null>
  /** Every recorded event so far, of all segments. */
  events(): Promise<readonly RecordedLine[]>
}

export interface RecordedLine {
  readonly type: string
  readonly [field: string]: unknown
}

export const POLICY = `
version: 1
defaults: { effect: deny }
rules:
  - id: no-secrets-dir
    match: { tool: "*" }
    when: 'has(mcp.tool.arguments.path) && mcp.tool.arguments.path.contains("forbidden")'
    effect: deny
    reason: "That directory is off limits."
  - id: writing
    match: { upstream: files, tool: ["write_file", "edit_file", "create_directory", "move_file"] }
    effect: require_approval
    reason: "Writing needs a second pair of eyes."
    approval: { deadline: 15m }
  - id: short
    match: { upstream: files, tool: directory_tree }
    effect: require_approval
    approval: { deadline: 10s }
  - id: reading
    match: { upstream: files, tool: ["read_*", "list_*", "get_*", "search_*"] }
    effect: allow
`

export async function startWorld(): Promise<World> {
  const directory = await mkdtemp(path.join(tmpdir(), 'countersign-world-'))
  const files = await mkdtemp(path.join(tmpdir(), 'countersign-files-'))
  const [issuer, redis, upstream] = await Promise.all([
    startTestIssuer(),
    startTestRedis(),
    startFilesystemUpstream({ directory: files, apiKey: UPSTREAM_KEY }),
  ])
  const tap = await startTap(upstream.url)
  const gateways: Gateway[] = []
  let count = 0
  const world: World = {
    issuer,
    redis,
    tap,
    files,
    async startGateway(options = {}) {
      count += 1
      const own = path.join(directory, `gateway-${count}`)
      const gateway = await startGateway(world, own, options)
      gateways.push(gateway)
      return gateway
    },
    async close() {
      await Promise.all(gateways.map((gateway) => gateway.process.stop()))
      await Promise.all([issuer.stop(), redis.stop(), tap.close(), upstream.stop()])
      await rm(directory, { recursive: true, force: true })
      await rm(files, { recursive: true, force: true })
    },
  }
  return world
}

async function startGateway(world: World, directory: string, given: GatewayOptions): Promise<Gateway> {
  const port = await freePort()
  const { publicUrl } = given
  const options = publicUrl === undefined ? given : { ...given, publicUrl: publicUrl.replace('{port}', String(port)) }
  const recordings = options.recordings ?? path.join(directory, 'recordings')
  const settingsFile = path.join(directory, 'countersign.yaml')
  await mkdir(directory, { recursive: true })
  await writeFile(path.join(directory, 'policy.yaml'), options.policy ?? POLICY)
  await writeFile(settingsFile, settingsOf(world, { port, recordings, options, directory }))
  const url = `http://127.0.0.1:${port}`
  let running = await launch(settingsFile, options)
  const gateway: Gateway = {
    url,
    mcp: new URL(`${options.publicUrl ?? url}/mcp/files`),
    directory,
    recordings,
    settingsFile,
    get process() {
      return running
    },
    token: (resource = `${options.publicUrl ?? url}/mcp/files`) => world.issuer.tokenFor(ALICE, resource),
    async console() {
      const [, link] = await running.line(/(http:\S+\/console\/open\?code=\S+)/)
      return openConsole(String(link))
    },
    async kill() {
      await running.stop('SIGKILL')
    },
    async restart() {
      running = await launch(settingsFile, options)
    },
    stop: () => running.stop(),
    events: () => readEvents(recordings),
  }
  return gateway
}

async function launch(settingsFile: string, options: GatewayOptions): Promise<Started> {
  const env = { ...process.env, REDIS_URL: '', UPSTREAM_KEY, ...options.environment }
  const roles = options.roles === undefined ? [] : ['--roles', options.roles]
  const running = start(process.execPath, [COMMAND, 'serve', '--config', settingsFile, ...roles], { env })
  try {
    await running.line(options.unready ? /listens on/ : / ready /)
  } catch (error) {
    await running.stop('SIGKILL')
    throw error
  }
  return running
}

function settingsOf(
  { issuer, redis, tap }: World,
  {
    port,
    recordings,
    options,
    directory,
  }: { port: number; recordings: string; options: GatewayOptions; directory: string },
): string {
  return `
gateway:
  listen: "127.0.0.1:${port}"
  ${options.maxBodyBytes === undefined ? '' : `maxBodyBytes: ${options.maxBodyBytes}`}
  ${options.publicUrl === undefined ? '' : `publicUrl: "${options.publicUrl}"`}
redis: { url: "${options.redisUrl ?? redis.url}", keyPrefix: "${options.keyPrefix ?? path.basename(directory)}" }
identity:
  issuers:
    - issuer: "${issuer.issuer}"
      allowInsecureLoopbackIssuer: true
      ${options.signIn === undefined ? '' : `signIn: ${options.signIn}`}
upstreams:
  files:
    url: ${tap.url}
    credential: { kind: static, header: X-API-Key, secret: "\${UPSTREAM_KEY}" }
${options.upstreams ?? ''}
policy: ./policy.yaml
recordings: { directory: "${recordings}" }
${options.settings ?? `channels: { console: { reviewer: ${options.reviewer ?? 'bob@example.com'} } }`}
`
}

async function readEvents(directory: string): Promise<readonly RecordedLine[]> {
  const names = (await readdir(directory)).filter((name) => name.endsWith('.ndjson')).sort()
  const texts = await Promise.all(names.map((name) => readFile(path.join(directory, name), 'utf8')))
  return texts.flatMap((text) =>
    text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as RecordedLine),
  )
}
