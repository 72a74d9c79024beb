/**
 * The agent's endpoint over real HTTP, in this process: the real gate, policy, forwarder and masking, before upstreams
 * that a test makes up. The token is the name of whoever calls. What must be held or looked up has no place here.
 */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { createStaticBroker } from '../../proxy/broker/static.ts'
import { createSender, targetOf } from '../../proxy/forward/http-proxy.ts'
import { createHttpServer } from '../../proxy/http-server.ts'
import type { EndpointOptions } from '../../proxy/mcp/endpoint.ts'
import { createEndpoint } from '../../proxy/mcp/endpoint.ts'
import { createWaitingRoom } from '../../proxy/mcp/waiting.ts'
import type { AuditEvent } from '../../src/audit/events.ts'
import { epochMs } from '../../src/brands.ts'
import type { GateOptions } from '../../src/gate/gate.ts'
import { createGate } from '../../src/gate/gate.ts'
import type { Principal } from '../../src/identity/principal.ts'
import { createIds } from '../../src/ids.ts'
import { createMasker } from '../../src/masking/masker.ts'
import type { Sealer } from '../../src/sealing/seal.ts'
import { createSealer } from '../../src/sealing/seal.ts'
import { Secret } from '../../src/secret.ts'
import { aPrincipal } from './examples.ts'
import { policyOf } from './policies.ts'
import { silentLog } from './redis.ts'

export interface Seen {
  readonly method: string
  readonly upstream: string
  readonly headers: http.IncomingHttpHeaders
  /** As it came, byte for byte. */
  readonly body: string
}

export type Upstream = (seen: Seen, response: http.ServerResponse) => void

export interface Wire {
  readonly url: string
  readonly seen: readonly Seen[]
  readonly recorded: readonly AuditEvent[]
  /** A request as `who`, to the upstream `files` unless another is named. */
  send(who: string, init?: RequestInit & { readonly upstream?: string }): Promise<Response>
  close(): void
}

export const ORIGIN = 'https://app.example'

export function aSealer(): Sealer {
  const ring = [{ secret: new Secret(randomBytes(32).toString('base64url')), isActive: true }]
  return createSealer({ ring: () => ring, randomBytes })
}

export async function startWire(options: {
  readonly upstream: Upstream
  readonly rules?: string
  readonly people?: Readonly<Record<string, Principal>>
  readonly sealer?: Sealer
}): Promise<Wire> {
  const { upstream, rules = '  - { id: all, effect: allow, match: { method: "*" } }', people = {} } = options
  const seen: Seen[] = []
  const recorded: AuditEvent[] = []
  const behind = http.createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    const name = request.url?.slice(1) ?? ''
    const entry = { method: request.method ?? '', upstream: name, headers: request.headers, body }
    seen.push(entry)
    upstream(entry, response)
  })
  const app = (await import('express')).default()
  const server = createHttpServer(app)
  const portOf = async (of: http.Server) => {
    await once(of.listen(0, '127.0.0.1'), 'listening')
    return (of.address() as AddressInfo).port
  }
  const [behindPort, port] = await Promise.all([portOf(behind), portOf(server)])
  const target = (name: string) => targetOf(new URL(`http://127.0.0.1:${behindPort}/${name}`))
  const sender = createSender()
  const waitingRoom = createWaitingRoom({ now: () => epochMs(Date.now()) })
  const ids = createIds(randomBytes)
  const never = () => {
    throw new Error('is not to be asked')
  }
  const endpoint = createEndpoint({
    targets: new Map([
      ['files', target('files')],
      ['pg-dev', target('pg-dev')],
    ]),
    authenticator: {
      authenticate: ({ rawHeaders }: { rawHeaders: readonly string[] }) => {
        const at = rawHeaders.findIndex((name) => name.toLowerCase() === 'authorization')
        const name = at === -1 ? null : (rawHeaders[at + 1]?.replace('Bearer ', '') ?? null)
        return name === null
          ? { ok: false, failure: { kind: 'missing', description: 'no token' } }
          : { ok: true, principal: people[name] ?? aPrincipal({ subject: name }), expiresAt: 0 }
      },
      challenge: () => ({
        status: 401,
        code: 'unauthenticated',
        headers: { 'www-authenticate': 'Bearer' },
        message: 'no token',
      }),
    },
    gate: createGate({
      policy: policyOf(rules),
      freezes: { stops: () => null },
      channels: ['console'],
      holds: { open: never, wait: never },
      approvals: { get: never, apply: never },
      grants: { get: never, consume: never, end: never },
      standingGrants: { use: never, end: never },
      continuations: { wrap: never, take: never },
      recorder: { record: async (event: AuditEvent) => void recorded.push(event) },
      broker: createStaticBroker(new Map()),
      catalogue: { definition: never, known: () => null },
      masker: createMasker(),
      clock: { now: () => epochMs(Date.now()) },
      ids,
      log: silentLog,
    } as unknown as GateOptions),
    catalogue: { definition: never, known: () => null },
    sessions: { touch: () => 'ses_1' },
    rounds: { read: () => null },
    modernHolds: NOTHING_HELD,
    legacyHolds: NOTHING_HELD,
    sender,
    waitingRoom,
    sealer: options.sealer ?? aSealer(),
    newId: (prefix: 'call') => ids.next(prefix),
    origins: new Set([ORIGIN]),
    hosts: new Set([`127.0.0.1:${port}`]),
    bodyBytesMax: 1024 * 1024,
    touchMs: 60_000,
    draining: new AbortController().signal,
    log: silentLog,
  } as unknown as EndpointOptions)
  app.all('/mcp/:upstream', (request, response) => void endpoint.serve(request, response, request.params.upstream))
  const url = `http://127.0.0.1:${port}`
  return {
    url,
    seen,
    recorded,
    send(who, { upstream: name = 'files', headers, ...init } = {}) {
      const own = { authorization: `Bearer ${who}`, 'content-type': 'application/json', accept: BOTH }
      return fetch(`${url}/mcp/${name}`, { method: 'POST', ...init, headers: { ...own, ...headers } })
    },
    close() {
      endpoint.close()
      waitingRoom.close()
      sender.close()
      for (const one of [server, behind]) {
        one.close()
        one.closeAllConnections()
      }
    },
  }
}

const BOTH = 'application/json, text/event-stream'

/** For a policy by which nothing is held. */
export const NOTHING_HELD = {
  attach: ({ left }: { left: AbortSignal }) => ({
    gone: left,
    patience: null,
    end: null,
    held: () => Promise.reject(new Error('is not to be held')),
    forwarded: () => undefined,
    close: () => undefined,
  }),
  cancelled: async () => false,
}

/** Answers each request with its own id, and `initialize` with a session that later requests must name. */
export const echoing: Upstream = ({ method, headers, body }, response) => {
  if (method !== 'POST') return void response.writeHead(200, { 'content-type': 'text/event-stream' }).end()
  const message = JSON.parse(body) as { id?: unknown; method?: string; params?: unknown }
  if (message.method === undefined || message.id === undefined) return void response.writeHead(202).end()
  const session = message.method === 'initialize' ? `upstream-session-${body.length}` : headers['mcp-session-id']
  response.writeHead(200, {
    'content-type': 'application/json',
    ...(session === undefined ? {} : { 'mcp-session-id': session }),
  })
  response.end(JSON.stringify({ jsonrpc: '2.0', id: message.id, result: { echo: message.params ?? null } }))
}

export const request = (id: number | string, method: string, params: object = {}) =>
  JSON.stringify({ jsonrpc: '2.0', id, method, params })
