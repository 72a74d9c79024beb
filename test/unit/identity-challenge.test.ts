import { describe, expect, test } from 'vitest'
import { createAuthenticator } from '../../proxy/authenticate/authenticator.ts'
import { readBearer, TOKEN_CHARS_MAX } from '../../proxy/authenticate/bearer.ts'
import type { AuthenticationFailure } from '../../proxy/authenticate/failure.ts'
import { challengeFor, invalidToken } from '../../proxy/authenticate/failure.ts'
import { VERIFIED_FOR_MS, VERIFIED_TOKENS_MAX, VerifiedTokens } from '../../proxy/authenticate/verified-tokens.ts'
import type { VerifiedToken } from '../../proxy/authenticate/verify.ts'
import { resourceMetadata } from '../../proxy/resource-metadata.ts'
import { epochMs } from '../../src/brands.ts'
import type { IssuerOptions } from '../../src/identity/issuer.ts'
import { issuerProblems } from '../../src/identity/issuer.ts'

describe('the challenge', () => {
  const place = { publicUrl: 'https://gw.example.com', upstream: 'files', scopes: ['mcp:call', 'openid'] }
  const where = 'resource_metadata="https://gw.example.com/.well-known/oauth-protected-resource/mcp/files"'
  const what = 'scope="mcp:call openid"'

  const table: readonly (readonly [string, AuthenticationFailure, number, string])[] = [
    [
      'says nothing of an error where no token was sent (RFC 6750 §3.1)',
      { kind: 'missing', description: 'no access token was sent' },
      401,
      `Bearer ${where}, ${what}`,
    ],
    [
      'says what is wrong with a token',
      invalidToken('expired', 'the token is expired'),
      401,
      `Bearer ${where}, ${what}, error="invalid_token", error_description="the token is expired"`,
    ],
    [
      'is 400 for a request that sends more than one',
      { kind: 'invalid_request', description: 'there is more than one' },
      400,
      `Bearer ${where}, ${what}, error="invalid_request", error_description="there is more than one"`,
    ],
    [
      'is 503 and blames no token where the issuer’s keys cannot be read',
      { kind: 'unavailable', issuer: 'https://issuer.example.com', description: 'the issuer’s keys cannot be read' },
      503,
      `Bearer ${where}, ${what}`,
    ],
    [
      'cannot be broken out of by a quote, a line end or a letter beyond ASCII',
      invalidToken('wrong_claim', 'a"b\\c\r\nx: y’é'),
      401,
      `Bearer ${where}, ${what}, error="invalid_token", error_description="a'b?c??x: y'?"`,
    ],
  ]

  test.each(table)('%s', (_sentence, failure, status, header) => {
    const challenge = challengeFor(failure, place)
    expect(challenge.status).toBe(status)
    expect(challenge.headers['www-authenticate']).toBe(header)
  })

  test('names no scope where none is asked for, and escapes the route’s name', () => {
    const failure: AuthenticationFailure = { kind: 'missing', description: 'no access token was sent' }
    const { headers } = challengeFor(failure, { ...place, upstream: 'a"b', scopes: [] })
    expect(headers['www-authenticate']).toBe(
      'Bearer resource_metadata="https://gw.example.com/.well-known/oauth-protected-resource/mcp/a%22b"',
    )
  })

  test('asks for patience only where waiting helps', () => {
    const failure: AuthenticationFailure = { kind: 'unavailable', issuer: 'i', description: 'd' }
    expect(challengeFor(failure, place).headers).toHaveProperty('retry-after')
    expect(challengeFor(invalidToken('expired', 'd'), place).headers).not.toHaveProperty('retry-after')
  })
})

describe('reading the token from the raw headers', () => {
  const table: readonly (readonly [string, readonly string[], string, string])[] = [
    ['takes the one token', ['Host', 'h', 'Authorization', 'Bearer a.b.c'], '/mcp/files', 'token a.b.c'],
    ['in any case of letters', ['AUTHORIZATION', 'bearer a.b.c'], '/mcp/files', 'token a.b.c'],
    ['not from a value that looks like the name', ['X-A', 'authorization', 'X-B', 'Bearer a.b.c'], '/', 'missing'],
    ['not from another header of that length', ['X-Authorizatio', 'Bearer a.b.c'], '/', 'missing'],
    [
      'not where there are two',
      ['authorization', 'Bearer a.b.c', 'Authorization', 'Bearer a.b.c'],
      '/',
      'invalid_request',
    ],
    ['not where the second is empty', ['authorization', 'Bearer a.b.c', 'Authorization', ''], '/', 'invalid_request'],
    [
      'not where the second is of another scheme',
      ['authorization', 'Bearer a', 'authorization', 'Basic b'],
      '/',
      'invalid_request',
    ],
    ['not from the URL', [], '/mcp/files?access_token=a.b.c', 'invalid_request'],
    [
      'not beside one in the URL, however written',
      ['authorization', 'Bearer a.b.c'],
      '/?x=1&%61ccess_token=',
      'invalid_request',
    ],
    ['whatever else the URL asks', ['authorization', 'Bearer a.b.c'], '/?my_access_token=1&token=2', 'token a.b.c'],
    ['not of another scheme', ['authorization', 'DPoP a.b.c'], '/', 'missing'],
    ['not without the scheme', ['authorization', 'a.b.c'], '/', 'missing'],
    ['not of a scheme that only begins so', ['authorization', 'BearerX a.b.c'], '/', 'missing'],
    ['not beyond the limit', ['authorization', `Bearer ${'x'.repeat(TOKEN_CHARS_MAX + 1)}`], '/', 'invalid_token'],
  ]

  test.each(table)('%s', (_sentence, rawHeaders, url, expected) => {
    const bearer = readBearer({ rawHeaders, url })
    expect('token' in bearer ? `token ${bearer.token}` : bearer.failure.kind).toBe(expected)
  })
})

describe('an issuer’s settings', () => {
  const issuer = 'https://issuer.example.com/oauth2/default'
  const table: readonly (readonly [string, Partial<IssuerOptions>, string | null])[] = [
    ['https alone is enough', {}, null],
    ['a slash at the end stays, for Auth0', { issuer: 'https://tenant.auth0.com/' }, null],
    ['every asymmetric algorithm may be named', { algorithms: ['PS512', 'ES384', 'EdDSA', 'Ed25519'] }, null],
    ['none is refused', { algorithms: ['none'] }, 'algorithm none is not allowed'],
    ['shared secrets are refused', { algorithms: ['RS256', 'HS256'] }, 'algorithm HS256 is not allowed'],
    ['no algorithm at all is refused', { algorithms: [] }, 'algorithms is empty'],
    ['http is refused', { issuer: 'http://issuer.example.com' }, 'must be https'],
    ['http on loopback is refused unless asked for', { issuer: 'http://127.0.0.1:8080' }, 'must be https'],
    ['http on loopback may be asked for', { issuer: 'http://127.0.0.1:8080', allowInsecureLoopbackIssuer: true }, null],
    ['also by IPv6', { issuer: 'http://[::1]:8080', allowInsecureLoopbackIssuer: true }, null],
    [
      'http elsewhere is refused even then',
      { issuer: 'http://127.0.0.1.example.com', allowInsecureLoopbackIssuer: true },
      'must be https',
    ],
    ['a query is refused', { issuer: `${issuer}?a=b` }, 'no query'],
    ['a fragment is refused', { issuer: `${issuer}#a` }, 'no fragment'],
    ['a password is refused', { issuer: 'https://u:p@issuer.example.com' }, 'no user name or password'],
    ['what is no URL is refused', { issuer: 'issuer.example.com' }, 'not a URL'],
    ['a list of no audience is refused', { audience: [] }, 'audience is an empty list'],
    ['an empty audience is refused', { audience: '' }, 'audience is empty'],
  ]

  test.each(table)('%s', (_sentence, change, problem) => {
    const problems = issuerProblems({ issuer, ...change })
    expect(problems).toEqual(problem === null ? [] : [expect.stringContaining(problem)])
  })

  test.each([
    ['no issuer', [], 'no issuer is configured'],
    ['one issuer twice', [{ issuer }, { issuer }], 'an issuer is named twice'],
    ['an issuer with HS256', [{ issuer, algorithms: ['HS256'] }], `${issuer}: algorithm HS256 is not allowed`],
  ])('an authenticator is not built with %s', (_sentence, issuers, problem) => {
    const log = { info() {}, warn() {}, error() {} }
    const world = { publicUrl: 'https://gw.example.com', clock: { now: () => epochMs(0) }, log, onStaleKeys() {} }
    expect(() => createAuthenticator({ issuers, ...world })).toThrow(problem)
  })
})

describe('verified tokens', () => {
  const token = (expiresAt: number) => ({ expiresAt: epochMs(expiresAt) }) as VerifiedToken

  test('are remembered for five minutes, or until they expire', () => {
    const tokens = new VerifiedTokens()
    tokens.set('long', token(10 * VERIFIED_FOR_MS), epochMs(0))
    tokens.set('short', token(1000), epochMs(0))
    expect(tokens.get('short', epochMs(999))).not.toBeNull()
    expect(tokens.get('short', epochMs(1000))).toBeNull()
    expect(tokens.get('long', epochMs(VERIFIED_FOR_MS - 1))).not.toBeNull()
    expect(tokens.get('long', epochMs(VERIFIED_FOR_MS))).toBeNull()
    expect(tokens.size).toBe(0)
  })

  test('that are expired within the skew are not remembered', () => {
    const tokens = new VerifiedTokens()
    tokens.set('late', token(1000), epochMs(1000))
    expect(tokens.size).toBe(0)
  })

  test('do not live on when the clock is set back', () => {
    const tokens = new VerifiedTokens()
    tokens.set('one', token(10 * VERIFIED_FOR_MS), epochMs(VERIFIED_FOR_MS))
    expect(tokens.get('one', epochMs(0))).toBeNull()
  })

  test('have a limit, and the one used longest ago goes first', () => {
    const tokens = new VerifiedTokens()
    for (let i = 0; i < VERIFIED_TOKENS_MAX; i++) tokens.set(`t${i}`, token(VERIFIED_FOR_MS), epochMs(0))
    tokens.get('t0', epochMs(1))
    tokens.set('more', token(VERIFIED_FOR_MS), epochMs(1))
    expect(tokens.size).toBe(VERIFIED_TOKENS_MAX)
    expect(tokens.get('t1', epochMs(1))).toBeNull()
    expect(tokens.get('t0', epochMs(1))).not.toBeNull()
  })
})

describe('the resource’s metadata (RFC 9728)', () => {
  const resource = { publicUrl: 'https://gw.example.com', upstream: 'files', issuers: ['https://i.example.com/'] }

  test('[REQ-IDENTITY-2] names the route as tokens must name it, the issuers exactly, and the header alone', () => {
    expect(resourceMetadata({ ...resource, scopes: ['mcp:call'] })).toEqual({
      resource: 'https://gw.example.com/mcp/files',
      authorization_servers: ['https://i.example.com/'],
      scopes_supported: ['mcp:call'],
      bearer_methods_supported: ['header'],
      resource_name: 'files',
    })
  })

  test('leaves scopes out where none is asked for: an empty list would say that there are none', () => {
    expect(resourceMetadata({ ...resource, scopes: [] })).not.toHaveProperty('scopes_supported')
  })
})
