/**
 * Takes the one bearer token out of a request's raw headers.
 *
 * Raw, because Node keeps only the first of two `Authorization` headers in `request.headers` and says nothing: a
 * proxy before us that reads the last one would see another caller than we do. Runs on every call, so it looks at
 * lengths before it compares names.
 */
import type { AuthenticationFailure } from './failure.ts'
import { invalidToken } from './failure.ts'

export interface AuthenticatedRequest {
  /** `IncomingMessage.rawHeaders`: names and values in turn, as received. */
  readonly rawHeaders: readonly string[]
  /** Path and query as received. */
  readonly url: string
}

/** What Node accepts for all headers together, so a longer token can only come where somebody raised that limit. */
export const TOKEN_CHARS_MAX = 16_384

/** RFC 6750 §2.1 `b64token`, narrowed to a JWS in compact form: three base64url parts (RFC 7515 §7.1). */
const COMPACT_JWS = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$/

export type Bearer = { readonly token: string } | { readonly failure: AuthenticationFailure }

export function readBearer(request: AuthenticatedRequest): Bearer {
  // MCP 2026-07-28 basic/authorization: "Access tokens MUST NOT be included in the URI query string", where logs keep them.
  if (hasQueryToken(request.url)) return refused('an access token must not be in the URL; send it as Authorization')
  const values = authorizationValues(request.rawHeaders)
  const value = values[0]
  if (value === undefined) return missing('no access token was sent')
  if (values.length > 1) return refused('there is more than one Authorization header; send exactly one')
  if (!/^bearer /i.test(value)) return missing('the Authorization header is not of the Bearer scheme')
  const token = value.slice('bearer '.length)
  if (token.length > TOKEN_CHARS_MAX) {
    return { failure: invalidToken('too_long', `the token is longer than ${TOKEN_CHARS_MAX} characters`) }
  }
  return { token }
}

/** Not part of readBearer: a token that was verified before needs no second look at its shape. */
export function isCompactJws(token: string): boolean {
  return COMPACT_JWS.test(token)
}

function authorizationValues(rawHeaders: readonly string[]): readonly string[] {
  const values: string[] = []
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]
    if (name?.length !== 'authorization'.length || name.toLowerCase() !== 'authorization') continue
    values.push(rawHeaders[i + 1] ?? '')
  }
  return values
}

function hasQueryToken(url: string): boolean {
  const query = url.indexOf('?')
  return query !== -1 && new URLSearchParams(url.slice(query)).has('access_token')
}

function missing(description: string): Bearer {
  return { failure: { kind: 'missing', description } }
}

function refused(description: string): Bearer {
  return { failure: { kind: 'invalid_request', description } }
}
