/**
 * A real HTTP server that lets in whom the authenticator lets in, and a clock that the test moves. Raw headers go over
 * the wire as the test writes them, two of a name included.
 */
import { once } from 'node:events'
import { createServer, request as httpRequest, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Authenticator, createAuthenticator } from '../../proxy/authenticate/authenticator.ts'
import { epochMs } from '../../src/brands.ts'
import type { IssuerOptions } from '../../src/identity/issuer.ts'
import type { Log } from '../../src/ports.ts'
import { SCOPES } from './oidc-issuer.ts'

export const PUBLIC_URL = 'https://gateway.example.com'

export interface Answered {
  readonly status: number
  readonly challenge: string | undefined
  readonly body: Record<string, unknown>
}

export interface Door {
  readonly authenticator: Authenticator
  readonly stale: { issuer: string; staleMs: number }[]
  readonly warnings: string[]
  advance(ms: number): void
  now(): number
  /** Header names and values in turn, as they go over the wire. */
  send(headers: readonly string[], path?: string): Promise<Answered>
  show(token: string, upstream?: string): Promise<Answered>
  close(): Promise<void>
}

const doors: Door[] = []

export async function openDoor(issuers: readonly IssuerOptions[]): Promise<Door> {
  const stale: Door['stale'] = []
  const warnings: string[] = []
  let offsetMs = 0
  const clock = { now: () => epochMs(Date.now() + offsetMs) }
  const note = (message: string, fields: Parameters<Log['warn']>[1]) => {
    warnings.push(`${message} ${JSON.stringify(fields)}`)
  }
  const authenticator = createAuthenticator({
    issuers,
    publicUrl: PUBLIC_URL,
    clock,
    log: { info() {}, warn: note, error: note },
    onStaleKeys: ({ issuer, staleMs }) => stale.push({ issuer, staleMs }),
    scopesOf: () => SCOPES,
  })
  const server = await serve(authenticator)
  const { port } = server.address() as AddressInfo
  const send: Door['send'] = (headers, path = '/mcp/files') => get(port, path, headers)
  const door: Door = {
    authenticator,
    stale,
    warnings,
    advance: (ms) => {
      offsetMs += ms
    },
    now: clock.now,
    send,
    show: (token, upstream = 'files') => send(['Authorization', `Bearer ${token}`], `/mcp/${upstream}`),
    async close() {
      authenticator.close()
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
  doors.push(door)
  return door
}

async function serve(authenticator: Authenticator): Promise<Server> {
  const server = createServer(async (request, response) => {
    const { rawHeaders, url = '' } = request
    const upstream = url.split('?')[0]?.split('/')[2] ?? ''
    const authentication = await authenticator.authenticate({ rawHeaders, url }, upstream)
    if (authentication.ok) return response.end(JSON.stringify(authentication.principal))
    const { status, headers, message, code } = authenticator.challenge(upstream, authentication.failure)
    return response.writeHead(status, headers).end(JSON.stringify({ code, message }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

async function get(port: number, path: string, headers: readonly string[]): Promise<Answered> {
  const request = httpRequest({ port, host: '127.0.0.1', path, headers: ['Host', 'gateway.example.com', ...headers] })
  request.end()
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  const text = Buffer.concat(await response.toArray()).toString()
  const challenge = response.headers['www-authenticate']
  return { status: response.statusCode ?? 0, challenge, body: JSON.parse(text) as Record<string, unknown> }
}

export function trusted(issuer: string, more: Partial<IssuerOptions> = {}): IssuerOptions {
  return { issuer, allowInsecureLoopbackIssuer: true, ...more }
}

export async function closeDoors(): Promise<void> {
  await Promise.all(doors.splice(0).map((door) => door.close()))
}
