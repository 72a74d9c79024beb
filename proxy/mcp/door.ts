/**
 * Which hosts and which web pages may talk to this gateway, decided before anyone is asked for a token.
 *
 * A page must not reach a gateway on its user's machine by a name that points there (DNS rebinding; MCP streamable-http,
 * "Security"). Pages of the origins that the settings name may, and are told so by CORS headers on every answer, refusals
 * included: a page that can't read a 401 can't sign in.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { GatewayError } from '../../src/errors.ts'

export interface Door {
  /** Origins that browsers may call from, and host names under which this gateway answers. */
  readonly origins: ReadonlySet<string>
  readonly hosts: ReadonlySet<string>
}

/** What clients send beyond what any page may, and what they need to read of an answer. */
const ALLOWED_HEADERS: ReadonlySet<string> = new Set([
  'accept',
  'authorization',
  'content-type',
  'last-event-id',
  'mcp-method',
  'mcp-name',
  'mcp-protocol-version',
  'mcp-session-id',
])
const PARAM_HEADER = /^mcp-param-[\w-]{1,64}$/
const EXPOSED_HEADERS = 'Mcp-Session-Id, WWW-Authenticate, Retry-After, Allow'
/** What a browser may ask for at once; more is no MCP client. */
const ASKED_HEADERS_MAX = 64
/** Browsers ask again after two hours whatever we say (Chromium's limit). Seconds. */
const PREFLIGHT_LIFE_S = 7_200

/** Throws GatewayError `origin_refused` or `host_refused`. Marks the answer as readable to a page that may call. */
export function checkDoor({ origins, hosts }: Door, request: IncomingMessage, response: ServerResponse): void {
  const { origin, host } = request.headers
  if (origin !== undefined) {
    if (!origins.has(origin)) {
      throw new GatewayError('origin_refused', 'Requests from this web origin are not accepted.')
    }
    response.setHeader('access-control-allow-origin', origin)
    response.setHeader('access-control-expose-headers', EXPOSED_HEADERS)
    response.setHeader('vary', 'Origin')
  }
  if (host === undefined || !hosts.has(host.toLowerCase())) {
    throw new GatewayError('host_refused', 'The Host header names another host than this gateway.')
  }
}

/** A browser's question whether its page may send what it wants to (WHATWG Fetch §3.2.2); it carries no token. */
export function isPreflight({ method, headers }: IncomingMessage): boolean {
  return method === 'OPTIONS' && headers.origin !== undefined && headers['access-control-request-method'] !== undefined
}

export function answerPreflight(request: IncomingMessage, response: ServerResponse): void {
  const asked = String(request.headers['access-control-request-headers'] ?? '').split(',', ASKED_HEADERS_MAX)
  const names = asked.map((name) => name.trim().toLowerCase())
  // The names with a parameter in them can't be listed, and `*` would leave Authorization out: so what was asked is said.
  const allowed = names.filter((name) => ALLOWED_HEADERS.has(name) || PARAM_HEADER.test(name))
  response.writeHead(204, {
    'access-control-allow-methods': 'POST, GET, DELETE',
    'access-control-allow-headers': allowed.join(', '),
    'access-control-max-age': String(PREFLIGHT_LIFE_S),
    vary: 'Origin, Access-Control-Request-Headers',
  })
  response.end()
}
