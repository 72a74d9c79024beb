/** Countersign itself as a contender: the real service on real settings, a real token, and a policy of some size. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { agentSignIn } from '../demo/agent-sign-in.ts'
import { startOidcIssuer } from '../demo/oidc-issuer.ts'
import { freePort, type Started, start } from '../demo/processes.ts'
import { type Contender, runningAt } from './contenders.ts'
import { TOOL } from './mcp-call.ts'

const CLIENT_ID = 'bench-agent'
const SCOPE = 'mcp:tools'
/** Rules that don't match: what a company's policy mostly consists of, for any one call. */
const OTHER_RULES = 100
const READY_TIMEOUT_MS = 90_000

export const countersign: Contender = {
  name: 'countersign',
  title: 'countersign',
  async start({ upstream, directory, progress }) {
    const home = join(directory, 'countersign')
    mkdirSync(home, { recursive: true })
    const port = await freePort()
    const origin = `http://127.0.0.1:${port}`
    const url = `${origin}/mcp/bench`
    const login = 'bench@example.com'
    const issuer = await startOidcIssuer({
      people: [{ login, uid: '00u1', groups: ['Engineering'] }],
      clientId: CLIENT_ID,
      scopes: [SCOPE],
    })
    writeFileSync(join(home, 'policy.yaml'), policy())
    const settingsFile = join(home, 'countersign.yaml')
    writeFileSync(settingsFile, settings({ origin, issuer: issuer.issuer, upstream: upstream.url, home }))
    const gateway = start(process.execPath, [program(), 'serve', '--config', settingsFile], { cwd: home })
    const running = runningAt(url, gateway)
    const stop = async () => {
      await running.stop()
      await issuer.stop()
    }
    try {
      progress('waiting for the gateway (its first start may fetch a Redis) …')
      await whenReady(`${origin}/readyz`, gateway)
      const token = await agentSignIn({
        ...{ issuer: issuer.issuer, clientId: CLIENT_ID, login, resource: url },
        scopes: ['openid', SCOPE],
      })
      return { ...running, headers: { authorization: `Bearer ${token}` }, stop }
    } catch (error) {
      await stop()
      throw error
    }
  },
}

function program(): string {
  return fileURLToPath(new URL('../src/cli/countersign.js', import.meta.url))
}

function settings(at: { origin: string; issuer: string; upstream: string; home: string }): string {
  return JSON.stringify({
    gateway: { listen: new URL(at.origin).host, publicUrl: at.origin },
    identity: { issuers: [{ issuer: at.issuer, allowInsecureLoopbackIssuer: true }], scopes: [SCOPE] },
    upstreams: {
      bench: {
        url: at.upstream,
        credential: { kind: 'static', header: 'Authorization', scheme: 'Bearer', secret: 'bench-upstream-secret-1' },
      },
    },
    policy: join(at.home, 'policy.yaml'),
    channels: { console: { enabled: true } },
    recordings: { directory: join(at.home, 'recordings') },
  })
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

async function whenReady(url: string, gateway: Started): Promise<void> {
  const deadline = Date.now() + READY_TIMEOUT_MS
  while (Date.now() < deadline) {
    if (gateway.child.exitCode !== null) break
    const response = await fetch(url).catch(() => null)
    await response?.body?.cancel()
    if (response?.ok) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`the gateway did not become ready. It said: ${gateway.output().slice(-2000)}`)
}
