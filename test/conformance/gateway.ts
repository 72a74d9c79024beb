/** The gateway of the comparison: the real service, a real OIDC provider, a real Redis, and a policy that allows all. */
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { agentSignIn } from '../../demo/agent-sign-in.ts'
import { startGateway } from '../../demo/gateway-process.ts'
import { startOidcIssuer } from '../../demo/oidc-issuer.ts'
import { freePort } from '../../demo/processes.ts'

const CLIENT_ID = 'conformance-agent'
const LOGIN = 'agent@example.com'
const SCOPES = ['mcp:call']
const UPSTREAM = 'everything'
export const MCP_PATH = `/mcp/${UPSTREAM}`

export interface ComparedGateway {
  readonly port: number
  readonly authorization: string
  stop(): Promise<void>
}

export interface GatewayOptions {
  readonly upstream: string
  /** Under which origin the suite knows it: the shim's. */
  readonly publicUrl: string
  readonly directory: string
  readonly progress: (line: string) => void
}

export async function startComparedGateway(options: GatewayOptions): Promise<ComparedGateway> {
  const { publicUrl, directory, progress } = options
  const port = await freePort()
  const people = [{ login: LOGIN, uid: '00u1agent', groups: [] }]
  const oidc = await startOidcIssuer({ people, clientId: CLIENT_ID, scopes: SCOPES })
  await mkdir(directory, { recursive: true })
  const settingsFile = path.join(directory, 'countersign.yaml')
  await writeFile(path.join(directory, 'policy.yaml'), JSON.stringify(ALLOW_ALL))
  await writeFile(settingsFile, JSON.stringify(settings(options, { port, issuer: oidc.issuer })))
  const gateway = startGateway(settingsFile, process.env)
  const stop = async () => {
    await gateway.stop()
    await oidc.stop()
  }
  try {
    await gateway.ready(progress)
    const resource = `${publicUrl}${MCP_PATH}`
    const token = await agentSignIn({
      issuer: oidc.issuer,
      clientId: CLIENT_ID,
      login: LOGIN,
      resource,
      scopes: SCOPES,
    })
    return { port, authorization: `Bearer ${token}`, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** JSON is YAML, too. */
const ALLOW_ALL = { version: 1, rules: [{ id: 'all', match: { method: '*' }, effect: 'allow' }] }

function settings({ upstream, publicUrl, directory }: GatewayOptions, own: { port: number; issuer: string }): object {
  const secret = 'conformance-upstream-key'
  return {
    gateway: { listen: `127.0.0.1:${own.port}`, publicUrl },
    identity: { issuers: [{ issuer: own.issuer, allowInsecureLoopbackIssuer: true }], scopes: SCOPES },
    upstreams: { [UPSTREAM]: { url: upstream, credential: { kind: 'static', header: 'X-API-Key', secret } } },
    policy: './policy.yaml',
    channels: { console: { reviewer: 'reviewer@example.com' } },
    recordings: { directory: path.join(directory, 'recordings') },
  }
}
