/**
 * The one place that knows http-proxy. It sends what it is given and hands back the raw response; it decides nothing.
 *
 * http-proxy 1.18.1 is old, and each of its dangers is closed here:
 * - It copies every header of the inbound request (Authorization, Cookie, X-Forwarded-*, those named by Connection).
 *   It therefore never sees the inbound request: a stand-in carries only the headers that the caller lists.
 * - It leaves the upstream's socket open when the agent goes away. `abort` destroys the upstream request.
 * - Its default agent opens a connection a call, and a small `maxSockets` starves held streams: the agent here keeps
 *   connections alive and has no limit of its own; the gateway's limits are elsewhere.
 * - It calls util._extend, which Node 24 warns about at run time; Object.assign does the same.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import http from 'node:http'
import https from 'node:https'
import { createRequire } from 'node:module'
import type { Socket } from 'node:net'
import { GatewayError } from '../../src/errors.ts'

const require = createRequire(import.meta.url)
;(require('node:util') as { _extend: unknown })._extend = Object.assign
const httpProxy = require('http-proxy') as typeof import('http-proxy')

export interface UpstreamRequest {
  readonly method: 'POST' | 'GET' | 'DELETE'
  readonly target: Target
  /** All of them: nothing else reaches the upstream but `host` and `connection`. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
  readonly signal: AbortSignal
  /** The agent's socket; http-proxy looks at it to tell whose reset an ECONNRESET was. */
  readonly socket: Socket
}

/** A URL taken apart once, in the shape that node:http wants. */
export interface Target {
  readonly protocol: string
  readonly hostname: string
  readonly port: string
  readonly path: string
  readonly host: string
}

export function targetOf(url: URL): Target {
  const { protocol, hostname, port, pathname, search, host } = url
  return { protocol, hostname: hostname.replace(/^\[|\]$/g, ''), port, path: `${pathname}${search}`, host }
}

export interface Sender {
  /** Resolves with the response's head. Rejects with GatewayError `upstream_unreachable`. */
  send(request: UpstreamRequest): Promise<IncomingMessage>
  close(): void
}

/**
 * How long an idle connection to an upstream is kept. Node's servers drop theirs after 5 s by default, and a call that is
 * sent at that moment fails although nothing is wrong: an approved one would have used its approval up.
 */
const IDLE_MS = 4_000

interface Pending {
  readonly request: UpstreamRequest
  resolve(response: IncomingMessage): void
  reject(error: Error): void
}

export function createSender(): Sender {
  // Node's agent ends only connections without a request after `timeout`; an answer that waits for long is not cut.
  const agents = {
    http: new http.Agent({ keepAlive: true, timeout: IDLE_MS }),
    https: new https.Agent({ keepAlive: true, timeout: IDLE_MS }),
  }
  const proxy = httpProxy.createProxyServer({ ignorePath: true, toProxy: true, selfHandleResponse: true })
  const pending = new WeakMap<object, Pending>()

  // `proxyReq` fires when the request has its socket: the first moment at which it can be destroyed.
  proxy.on('proxyReq', (upstreamRequest, standIn) => {
    const signal = pending.get(standIn)?.request.signal
    if (signal === undefined) return
    const destroy = () => upstreamRequest.destroy(new Error('the agent left'))
    if (signal.aborted) {
      destroy()
      return
    }
    signal.addEventListener('abort', destroy, { once: true })
    upstreamRequest.once('close', () => signal.removeEventListener('abort', destroy))
  })
  proxy.on('proxyRes', (response, standIn) => pending.get(standIn)?.resolve(response))
  proxy.on('econnreset', (error, standIn) => pending.get(standIn)?.reject(error))

  return {
    send(request) {
      return new Promise((resolve, reject) => {
        const fail = (cause: Error) => reject(unreachable(cause))
        const standIn = standInFor(request)
        pending.set(standIn, { request, resolve, reject: fail })
        const { target, body } = request
        const agent = target.protocol === 'https:' ? agents.https : agents.http
        // The body is one buffer; a stream of it would cost more than the rest of the call.
        const buffer = { pipe: (upstream: NodeJS.WritableStream) => void upstream.end(body) }
        proxy.web(
          standIn as IncomingMessage,
          UNUSED_RESPONSE,
          { target, agent, buffer: buffer as unknown as import('node:stream').Stream },
          fail,
        )
      })
    },
    close() {
      agents.http.destroy()
      agents.https.destroy()
    },
  }
}

/** What http-proxy takes for the inbound request: the listed headers, and no way back to the agent. */
function standInFor({ method, headers, target, socket }: UpstreamRequest): object {
  return { method, url: '', headers: { ...headers, host: target.host }, socket, connection: socket, on: ignore }
}

function ignore(): void {}

/** With `selfHandleResponse` http-proxy only asks whether it is finished. */
const UNUSED_RESPONSE = { headersSent: false, finished: false } as unknown as ServerResponse

/** The cause may name addresses, so the message doesn't quote it. */
function unreachable(cause: Error): GatewayError {
  return new GatewayError('upstream_unreachable', 'The MCP server could not be reached or broke the connection off.', {
    cause,
  })
}
