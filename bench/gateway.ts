/** Countersign itself as a contender: the real service on real settings, a real token, and a policy of some size. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { agentSignIn } from '../demo/agent-sign-in.ts'
import { startOidcIssuer } from '../demo/oidc-issuer.ts'
import { freePort, type Started, start } from '../demo/processes.ts'
import { type Contender, type Running, runningAt } from './contenders.ts'
import { callBody, callHeaders, TOOL } from './mcp-call.ts'

const CLIENT_ID = 'bench-agent'
const SCOPE = 'mcp:tools'
/** Rules that don't match: what a company's policy mostly consists of, for any one call. */
const OTHER_RULES = 100
const READY_TIMEOUT_MS = 90_000
const POLL_MS = 100

export interface Countersign extends Running {
  readonly started: Started
  readonly mcp: string
  /** An access token for one of the people and one of the routes. */
  tokenFor(login: string, resource: string): Promise<string>
}

export interface CountersignOptions {
  readonly home: string
  readonly upstream: string
  readonly logins: readonly string[]
  readonly policy: string
  readonly settings?: object
  readonly progress: (line: string) => void
}

/** Ready to answer calls. */
export async function startCountersign(options: CountersignOptions): Promise<Countersign> {
  const { home, upstream, logins, policy, progress } = options
  mkdirSync(home, { recursive: true })
  const origin = `http://127.0.0.1:${await freePort()}`
  const mcp = `${origin}/mcp/bench`
  const issuer = await startOidcIssuer({
    people: logins.map((login, index) => ({ login, uid: `00u${index}`, groups: ['Engineering'] })),
    clientId: CLIENT_ID,
    scopes: [SCOPE],
  })
  writeFileSync(join(home, 'policy.yaml'), policy)
  const settingsFile = join(home, 'countersign.yaml')
  const settings = { ...settingsOf({ origin, issuer: issuer.issuer, upstream, home }), ...options.settings }
  writeFileSync(settingsFile, JSON.stringify(settings))
  const started = start(process.execPath, [program(), 'serve', '--config', settingsFile], { cwd: home })
  const running = runningAt(mcp, started)
  const stop = async () => {
    await running.stop()
    await issuer.stop()
  }
  try {
    progress('waiting for the gateway (its first start may fetch a Redis) …')
    await untilOk('become ready', started, () => fetch(`${origin}/readyz`))
  } catch (error) {
    await stop()
    throw error
  }
  const scopes = ['openid', SCOPE]
  const tokenFor = (login: string, resource: string) =>
    agentSignIn({ issuer: issuer.issuer, clientId: CLIENT_ID, login, resource, scopes })
  return { ...running, started, mcp, tokenFor, stop }
}

export const countersign: Contender = {
  name: 'countersign',
  title: 'countersign',
  async start({ upstream, directory, progress }) {
    const login = 'bench@example.com'
    const home = join(directory, 'countersign')
    const gateway = await startCountersign({
      home,
      upstream: upstream.url,
      logins: [login],
      policy: policy(),
      progress,
    })
    try {
      const headers = { authorization: `Bearer ${await gateway.tokenFor(login, gateway.mcp)}` }
      await whenAnswering(gateway.mcp, headers, gateway.started)
      return { ...gateway, headers }
    } catch (error) {
      await gateway.stop()
      throw error
    }
  },
}

function program(): string {
  return fileURLToPath(new URL('../src/cli/countersign.js', import.meta.url))
}

function settingsOf(at: { origin: string; issuer: string; upstream: string; home: string }): object {
  return {
    gateway: { listen: new URL(at.origin).host, publicUrl: at.origin },
    identity: { issuers: [{ issuer: at.issuer, allowInsecureLoopbackIssuer: true }], scopes: [SCOPE] },
    upstreams: { bench: upstreamAt(at.upstream) },
    policy: join(at.home, 'policy.yaml'),
    channels: { console: { enabled: true } },
    recordings: { directory: join(at.home, 'recordings') },
  }
}

export function upstreamAt(url: string): object {
  const credential = { kind: 'static', header: 'Authorization', scheme: 'Bearer', secret: 'bench-upstream-secret-1' }
  return { url, credential }
}

function policy(): string {
  const others = Array.from({ length: OTHER_RULES }, (_unused, index) => ({
    id: `other-${index}`,
    match: { upstream: index % 2 === 0 ? 'bench' : 'be*', tool: [`delete_${index}`, `drop_${index}_*`] },
    effect: index % 3 === 0 ? 'deny' : 'require_approval',
    ...(index % 3 === 0 ? {} : { approval: { deadline: '15m' } }),
  }))
  const readers = {
    id: 'readers',
    match: { upstream: 'bench', tool: [TOOL, 'list_*'] },
    when: 'mcp.tool.arguments.path.startsWith("/handbook/")',
    effect: 'allow',
  }
  // JSON is YAML, too.
  return JSON.stringify({ version: 1, defaults: { effect: 'deny' }, rules: [...others, readers] })
}

/** Ready says that a call could pass; on a busy machine the issuer's keys may still be on their way. */
async function whenAnswering(url: string, headers: Record<string, string>, gateway: Started): Promise<void> {
  const call = () => fetch(url, { method: 'POST', headers: { ...callHeaders, ...headers }, body: callBody })
  await untilOk('answer a call', gateway, call)
}

async function untilOk(what: string, gateway: Started, ask: () => Promise<Response>): Promise<void> {
  const deadline = Date.now() + READY_TIMEOUT_MS
  while (Date.now() < deadline && gateway.child.exitCode === null) {
    const response = await ask().catch(() => null)
    await response?.body?.cancel()
    if (response?.ok) return
    await pause(POLL_MS)
  }
  throw new Error(`the gateway did not ${what}. It said: ${gateway.output().slice(-2000)}`)
}
