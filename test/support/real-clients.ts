/**
 * The MCP clients that people use, as they come from npm: the official SDKs in this process, the others as the programs
 * that they are. Each makes one call with its own defaults, so that its own time-outs and ways of waiting are at work.
 *
 * The programs are locked in real-clients/ and installed into the project's cache when a test first asks for them:
 * together they are 155 MB, and each brings its own SDK, which shouldn't mix with ours.
 */
import { execFile } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { ClientOptions } from '@modelcontextprotocol/client'
import { Client as SdkV2Client, StreamableHTTPClientTransport as SdkV2Transport } from '@modelcontextprotocol/client'
import { Client as SdkV1Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { StreamableHTTPClientTransport as SdkV1Transport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { RequestOptions } from '@modelcontextprotocol/sdk/shared/protocol.js'

export interface RealClient {
  readonly name: string
  readonly version: string
  /** Rejects where the client itself gives up, with what it says then. */
  call(options: RealCall): Promise<RealAnswer>
}

export interface RealCall {
  readonly url: URL
  readonly token: string
  readonly tool: string
  readonly arguments: Readonly<Record<string, string>>
  readonly signal: AbortSignal
}

export interface RealAnswer {
  readonly text: string
  readonly isError: boolean
}

const root = fileURLToPath(new URL('../../', import.meta.url))
const cache = path.join(root, '.cache/real-clients/')

// ---- the official SDKs

type Waiting = Pick<RequestOptions, 'onprogress' | 'resetTimeoutOnProgress'>

/** Shows progress, which by itself does not lengthen the wait: the SDKs still give up 60 s after they called. */
export const PROGRESS: Waiting = { onprogress: () => undefined }
/** What an application asks for that wants to wait for as long as something moves. */
export const PROGRESS_THAT_RESETS: Waiting = { ...PROGRESS, resetTimeoutOnProgress: true }

/** `how` is also its name towards the gateway, which learns by name how long a client waits. */
export async function sdkV1(how: string, waiting: Waiting = {}): Promise<RealClient> {
  return {
    name: `SDK v1, ${how}`,
    version: await versionOf('@modelcontextprotocol/sdk', root),
    async call({ url, token, tool, arguments: args, signal }) {
      const client = new SdkV1Client({ name: `application-1-${how}`, version: '1.0.0' })
      await client.connect(new SdkV1Transport(url, { requestInit: bearer(token) }))
      const called = client.callTool({ name: tool, arguments: args }, undefined, { ...waiting, signal })
      return answerOf(await called.finally(() => client.close()))
    },
  }
}

export const MODERN: ClientOptions = { versionNegotiation: { mode: 'auto' } }

/** Left to itself this SDK speaks 2025-11-25; `MODERN` makes it ask for 2026-07-28 first. */
export async function sdkV2(how: string, options: ClientOptions = {}, waiting: Waiting = {}): Promise<RealClient> {
  return {
    name: `SDK v2, ${how}`,
    version: await versionOf('@modelcontextprotocol/client', root),
    async call({ url, token, tool, arguments: args, signal }) {
      const client = new SdkV2Client({ name: `application-2-${how}`, version: '1.0.0' }, options)
      await client.connect(new SdkV2Transport(url, { requestInit: bearer(token) }))
      const called = client.callTool({ name: tool, arguments: args }, { ...waiting, signal })
      return answerOf(await called.finally(() => client.close()))
    },
  }
}

const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })

// ---- the programs

/** Installs what real-clients/ locks. Fails where the registry can't be reached and nothing is cached. */
export async function installRealClients(): Promise<void> {
  const locked = fileURLToPath(new URL('real-clients/', import.meta.url))
  const script = (name: string) => import(pathToFileURL(path.join(root, 'scripts', name)).href)
  const { install } = (await script('install.mjs')) as { install(root: string): Promise<number> }
  const { withLock } = (await script('lock.mjs')) as { withLock<T>(root: string, work: () => Promise<T>): Promise<T> }
  await mkdir(cache, { recursive: true })
  const status = await withLock(cache, async () => {
    for (const file of ['package.json', 'package-lock.json']) await copyFile(locked + file, cache + file)
    return install(cache)
  })
  if (status !== 0) throw new Error('the clients could not be installed: npm ci failed, and says why above')
}

/** The MCP Inspector's command line. `modern` speaks 2026-07-28 with tasks, `legacy` (its default) 2025-11-25. */
export async function inspectorCli(era: 'modern' | 'legacy'): Promise<RealClient> {
  const packageName = '@modelcontextprotocol/inspector'
  const entry = `node_modules/${packageName}/clients/launcher/build/index.js`
  return {
    name: `Inspector CLI, ${era}`,
    version: await versionOf(packageName, cache),
    async call({ url, token, tool, arguments: args, signal }) {
      const ended = await run(entry, signal, () => [
        ...['--cli', url.href, '--transport', 'http', '--protocol-era', era, '--stored-auth-only', '--format', 'json'],
        ...['--header', `Authorization: Bearer ${token}`],
        ...['--method', 'tools/call', '--tool-name', tool, '--tool-args-json', JSON.stringify(args)],
      ])
      return answerIn(ended, (said) => (said as { result?: unknown }).result)
    },
  }
}

export async function mcporter(): Promise<RealClient> {
  return {
    name: 'mcporter',
    version: await versionOf('mcporter', cache),
    async call({ url, token, tool, arguments: args, signal }) {
      const ended = await run('node_modules/mcporter/dist/cli.js', signal, async (home) => {
        const config = path.join(home, 'mcporter.json')
        const gateway = { baseUrl: url.href, ...bearer(token) }
        await writeFile(config, JSON.stringify({ imports: [], mcpServers: { gateway } }))
        return ['--config', config, 'call', `gateway.${tool}`, '--args', JSON.stringify(args), '--output', 'json']
      })
      return answerIn(ended, resultOfMcporter)
    },
  }
}

/** It prints `structuredContent` alone where there is one, and where it gave up `{ server, tool, error, issue }`. */
function resultOfMcporter(said: unknown): unknown {
  if (hasContent(said)) return said
  const isFault = typeof said === 'object' && said !== null && 'issue' in said
  return isFault ? null : { content: [{ text: JSON.stringify(said) }] }
}

/** mcp-remote has no time-out of its own: what counts is the one of the client before it, here SDK v1's default. */
export async function mcpRemote(protocol: 'legacy' | 'auto'): Promise<RealClient> {
  return {
    name: `mcp-remote${protocol === 'auto' ? ' --protocol auto' : ''} behind SDK v1`,
    version: await versionOf('mcp-remote', cache),
    async call({ url, token, tool, arguments: args, signal }) {
      const home = await mkdtemp(path.join(tmpdir(), 'countersign-client-'))
      const client = new SdkV1Client({ name: 'a-desktop-application', version: '1.0.0' })
      const transport = new StdioClientTransport({
        command: process.execPath,
        args: [
          ...[path.join(cache, 'node_modules/mcp-remote/dist/proxy.js'), url.href],
          ...['--transport', 'http-only', '--protocol', protocol, '--header', `Authorization: Bearer ${token}`],
        ],
        env: environmentIn(home),
        stderr: 'ignore',
      })
      try {
        await client.connect(transport)
        return answerOf(await client.callTool({ name: tool, arguments: args }, undefined, { signal }))
      } finally {
        await client.close()
        await rm(home, { recursive: true, force: true })
      }
    },
  }
}

interface Ended {
  readonly out: string
  readonly err: string
}

/** The programs end with 1 or 5 where a tool's answer is an error: what they print decides, not their exit code. */
async function run(
  entry: string,
  signal: AbortSignal,
  argumentsIn: (home: string) => readonly string[] | Promise<readonly string[]>,
): Promise<Ended> {
  const home = await mkdtemp(path.join(tmpdir(), 'countersign-client-'))
  const args = [path.join(cache, entry), ...(await argumentsIn(home))]
  const options = { cwd: home, env: environmentIn(home), signal, killSignal: 'SIGKILL' as const }
  try {
    return await new Promise((resolve, reject) => {
      execFile(process.execPath, args, options, (error, out, err) => {
        if (error !== null && typeof error.code !== 'number') reject(error)
        else resolve({ out, err })
      })
    })
  } finally {
    await rm(home, { recursive: true, force: true })
  }
}

/** A home of its own: no settings, tokens or servers of whoever runs the tests. */
function environmentIn(home: string): Record<string, string> {
  return { PATH: process.env.PATH ?? '', HOME: home, MCP_AUTO_OPEN_ENABLED: 'false' }
}

function answerIn({ out, err }: Ended, pick: (said: unknown) => unknown): RealAnswer {
  let said: unknown
  try {
    said = pick(JSON.parse(out))
  } catch {
    throw new Error(`it printed no JSON: ${out}${err}`)
  }
  if (!hasContent(said)) throw new Error(out + err)
  return answerOf(said)
}

function hasContent(said: unknown): said is { readonly content: readonly { text?: string }[] } {
  return typeof said === 'object' && said !== null && 'content' in said && Array.isArray(said.content)
}

function answerOf(answer: object): RealAnswer {
  const { content, isError } = answer as { content: readonly { text?: string }[]; isError?: boolean }
  return { text: content.map(({ text }) => text ?? '').join('\n'), isError: isError === true }
}

async function versionOf(packageName: string, directory: string): Promise<string> {
  const text = await readFile(path.join(directory, 'node_modules', packageName, 'package.json'), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
