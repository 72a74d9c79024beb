/** Tokens of a real OIDC provider, shown over real HTTP to a server that admits whom the authenticator admits. */
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { newSigningKey, type SigningKey } from '../../demo/oidc-issuer.ts'
import {
  IssuerKeys,
  KEYS_FRESH_MS,
  KEYS_REFRESH_AFTER_MS,
  KEYS_RETRY_AFTER_MS,
  KEYS_STALE_MAX_MS,
  UNKNOWN_KEY_COOL_DOWN_MS,
} from '../../proxy/authenticate/issuer-keys.ts'
import { VERIFIED_FOR_MS } from '../../proxy/authenticate/verified-tokens.ts'
import { CLOCK_SKEW_S } from '../../proxy/authenticate/verify.ts'
import { epochMs } from '../../src/brands.ts'
import { closeDoors, openDoor, PUBLIC_URL, trusted } from '../support/identity-door.ts'
import { ALICE, BOB, CLIENT_ID, SCOPES, startTestIssuer, type TestIssuer } from '../support/oidc-issuer.ts'

const FILES = `${PUBLIC_URL}/mcp/files`
const METADATA = '/.well-known/openid-configuration'

let okta: TestIssuer
let first: SigningKey
let second: SigningKey

beforeAll(async () => {
  first = newSigningKey('first')
  second = newSigningKey('second')
  okta = await startTestIssuer({ keys: [first] })
})

afterAll(() => okta.stop())

afterEach(async () => {
  okta.answer('/jwks', null)
  okta.answer(METADATA, null)
  okta.replaceKeys([first])
  await closeDoors()
})

const open = (issuers = [trusted(okta.issuer)]) => openDoor(issuers)

function base64url(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

describe('a valid token', () => {
  test('names the principal, the owner, the client, the groups and the scopes', async () => {
    const door = await open()
    const answer = await door.show(await okta.tokenFor(ALICE, FILES))
    expect(answer.status).toBe(200)
    expect(answer.body).toMatchObject({
      id: `${okta.issuer}|${ALICE.login}`,
      subject: ALICE.login,
      email: ALICE.login,
      client: CLIENT_ID,
      groups: ALICE.groups,
      scopes: SCOPES,
    })
    expect(answer.body.claims).toMatchObject({ uid: ALICE.uid, aud: FILES })
  })

  test('answers without a promise and without the issuer when it was verified before', async () => {
    const door = await open()
    const token = await okta.tokenFor(ALICE, FILES)
    await door.show(token)
    await okta.stop()
    const request = { rawHeaders: ['authorization', `bearer ${token}`], url: '/mcp/files' }
    const again = door.authenticator.authenticate(request, 'files')
    expect(again).toMatchObject({ ok: true, principal: { subject: ALICE.login } })
    await okta.start()
  })

  test('is good for its own route alone, also when it was verified before', async () => {
    const door = await open()
    const token = await okta.tokenFor(ALICE, FILES)
    expect((await door.show(token, 'files')).status).toBe(200)
    const elsewhere = await door.show(token, 'database')
    expect(elsewhere.status).toBe(401)
    expect(elsewhere.challenge).toContain('this resource is https://gateway.example.com/mcp/database')
  })

  test('is good for every route where the settings name the issuer’s audience', async () => {
    const door = await open([trusted(okta.issuer, { audience: ['api://other', PUBLIC_URL] })])
    const token = await okta.tokenFor(ALICE, PUBLIC_URL)
    expect((await door.show(token, 'files')).status).toBe(200)
    expect((await door.show(token, 'database')).status).toBe(200)
    expect((await door.show(await okta.tokenFor(ALICE, FILES))).status).toBe(401)
  })

  test('gets in from each of several issuers, and only with that issuer’s own key', async () => {
    const other = await startTestIssuer({ keys: [second] })
    const door = await open([trusted(okta.issuer), trusted(other.issuer)])
    const alice = await door.show(await okta.tokenFor(ALICE, FILES))
    const bob = await door.show(await other.tokenFor(BOB, FILES))
    const forged = await door.show(await other.forge(okta.claimsFor(ALICE, FILES, Date.now())))
    await other.stop()
    expect([alice.body.issuer, bob.body.issuer]).toEqual([okta.issuer, other.issuer])
    expect(forged.challenge).toContain('key (kid) is not one that its issuer publishes')
  })

  test('[REQ-IDENTITY-7] expires with the clock, after the skew and not before', async () => {
    const door = await open()
    const claims = okta.claimsFor(ALICE, FILES, door.now())
    const token = await okta.forge({ ...claims, exp: Math.floor(door.now() / 1000) + 60 })
    expect((await door.show(token)).status).toBe(200)
    door.advance(60_000 + CLOCK_SKEW_S * 500)
    expect((await door.show(token)).status).toBe(200)
    door.advance(CLOCK_SKEW_S * 1000)
    const expired = await door.show(token)
    expect(expired.status).toBe(401)
    expect(expired.challenge).toContain('error="invalid_token", error_description="the token is expired"')
  })
})

describe('a token that must not get in', () => {
  type Forgery = (claims: ReturnType<TestIssuer['claimsFor']>) => string | Promise<string>
  const without = (name: string): Forgery => {
    return ({ [name]: _gone, ...claims }) => okta.forge(claims)
  }
  const withClaims =
    (more: Record<string, unknown>): Forgery =>
    (claims) =>
      okta.forge({ ...claims, ...more })
  const withHeader =
    (header: Record<string, string>): Forgery =>
    (claims) =>
      okta.forge(claims, header)
  const nowS = () => Math.floor(Date.now() / 1000)

  const table: readonly (readonly [string, Forgery, string])[] = [
    ['[REQ-IDENTITY-6] has no exp', without('exp'), 'the token has no exp'],
    ['[REQ-IDENTITY-6] has no iat', without('iat'), 'the token has no iat'],
    ['[REQ-IDENTITY-6] has no sub', without('sub'), 'the token has no sub'],
    ['has no aud', without('aud'), 'the token names no audience (aud)'],
    ['has no iss', without('iss'), 'the token names no issuer (iss)'],
    ['has a sub that is a number', withClaims({ sub: 7 }), 'claim sub must be a string'],
    ['has an exp that is a string', withClaims({ exp: '9999999999' }), 'exp is not as it must be'],
    ['has groups in one string', withClaims({ groups: 'dba' }), 'claim groups must be a list of strings'],
    ['is issued in the future', (claims) => withClaims({ iat: nowS() + 120 })(claims), 'issued in the future'],
    ['is not valid yet', (claims) => withClaims({ nbf: nowS() + 120 })(claims), 'not valid yet'],
    [
      '[REQ-IDENTITY-4] is for another audience',
      withClaims({ aud: 'https://elsewhere.example' }),
      'for another audience (aud)',
    ],
    ['has an audience that only begins like ours', withClaims({ aud: `${FILES}/` }), 'for another audience (aud)'],
    [
      '[REQ-IDENTITY-3] is of an unknown issuer',
      withClaims({ iss: 'https://elsewhere.example' }),
      'is not one of this gateway',
    ],
    ['names the issuer with a slash more', (claims) => withClaims({ iss: `${okta.issuer}/` })(claims), 'by a slash at'],
    ['is bound to a key', withClaims({ cnf: { jkt: 'x' } }), 'bound to a key (cnf)'],
    ['is of another type', withHeader({ typ: 'logout+jwt' }), 'not an access token (typ)'],
    ['[REQ-IDENTITY-5] is signed by an algorithm not allowed', withHeader({ alg: 'PS256' }), 'allowed: RS256'],
    [
      '[REQ-IDENTITY-5] is signed by nobody (alg none)',
      (claims) => `${base64url({ alg: 'none', kid: 'first' })}.${base64url(claims)}.`,
      'allowed: RS256',
    ],
    [
      'is signed by another key under a known kid',
      (claims) => okta.forge(claims, { kid: 'first' }, second),
      'signature',
    ],
    ['has a payload changed after signing', tampered, 'signature does not fit'],
    ['is no JWT', () => 'mF_9.B5f-4.1JqM.x', 'not a signed JWT'],
    ['is a JWT in shape only', () => 'aaaa.bbbb.cccc', 'not a signed JWT'],
  ]

  test.each(table)('%s', async (_sentence, forge, description) => {
    const door = await open()
    const token = await forge(okta.claimsFor(ALICE, FILES, Date.now()))
    const answer = await door.show(token)
    expect(answer.status).toBe(401)
    expect(answer.body.code).toBe('unauthenticated')
    expect(answer.challenge).toContain('error="invalid_token"')
    expect(`${answer.challenge} ${answer.body.message}`).toContain(description)
    // Neither the answer nor the log may hold the token or a part that could be used.
    for (const part of token.split('.').filter((part) => part.length > 8)) {
      expect(JSON.stringify([answer, door.warnings])).not.toContain(part)
    }
  })

  test('an algorithm that is not allowed never costs the issuer a request', async () => {
    const door = await open()
    const before = okta.requests('/jwks')
    const header = base64url({ alg: 'HS256', kid: 'made-up' })
    await door.show(`${header}.${base64url(okta.claimsFor(ALICE, FILES, Date.now()))}.c2ln`)
    expect(okta.requests('/jwks')).toBe(before)
  })

  async function tampered(claims: ReturnType<TestIssuer['claimsFor']>): Promise<string> {
    const [header, , signature] = (await okta.forge(claims)).split('.')
    return `${header}.${base64url({ ...claims, sub: 'root@example.com' })}.${signature}`
  }
})

describe('a request that must not get in', () => {
  const challenge = `Bearer resource_metadata="${PUBLIC_URL}/.well-known/oauth-protected-resource/mcp/files", scope="mcp:call"`

  test.each([
    ['without a token', [], '/mcp/files'],
    ['with another scheme', ['Authorization', 'Basic YTpi'], '/mcp/files'],
  ])('%s is challenged without an error code', async (_sentence, headers, path) => {
    const door = await open()
    expect(await door.send(headers, path)).toMatchObject({ status: 401, challenge })
  })

  test('[REQ-IDENTITY-11] with two Authorization headers is refused although each would do', async () => {
    const door = await open()
    const value = `Bearer ${await okta.tokenFor(ALICE, FILES)}`
    const answer = await door.send(['Authorization', value, 'authorization', value])
    expect(answer.status).toBe(400)
    expect(answer.challenge).toContain('error="invalid_request", error_description="there is more than one')
  })

  test('with the token in the URL is refused, also beside a good header', async () => {
    const door = await open()
    const token = await okta.tokenFor(ALICE, FILES)
    const answer = await door.send(['Authorization', `Bearer ${token}`], `/mcp/files?a=1&access%5Ftoken=${token}`)
    expect(answer.status).toBe(400)
    expect(answer.challenge).toContain('must not be in the URL')
  })
})

describe('keys', () => {
  test('[REQ-IDENTITY-8] a made-up key id costs one reading in each cool-down, however many ask', async () => {
    const door = await open()
    await door.authenticator.warm()
    const token = await okta.forge(okta.claimsFor(ALICE, FILES, Date.now()), { kid: 'made-up' })
    const before = okta.requests('/jwks')
    const answers = await Promise.all(Array.from({ length: 20 }, () => door.show(token)))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([401]))
    expect(answers[0]?.challenge).toContain('not one that its issuer publishes')
    expect(okta.requests('/jwks') - before).toBe(1)
    door.advance(UNKNOWN_KEY_COOL_DOWN_MS)
    await door.show(token)
    await door.show(token)
    expect(okta.requests('/jwks') - before).toBe(2)
  })

  test('a key that the issuer has begun to sign with is found at once, by all who come with it', async () => {
    const door = await open()
    expect((await door.show(await okta.tokenFor(ALICE, FILES))).status).toBe(200)
    okta.replaceKeys([second, first])
    const before = okta.requests('/jwks')
    const tokens = await Promise.all([1, 2, 3].map(() => okta.tokenFor(BOB, FILES)))
    const answers = await Promise.all(tokens.map((token) => door.show(token)))
    expect(answers.map(({ body }) => body.subject)).toEqual([BOB.login, BOB.login, BOB.login])
    expect(okta.requests('/jwks') - before).toBe(1)
  })

  test('a key that the issuer took back opens nothing any more, not even to a token verified before', async () => {
    const door = await open()
    const token = await okta.tokenFor(ALICE, FILES)
    await door.show(token)
    okta.replaceKeys([second])
    door.advance(KEYS_REFRESH_AFTER_MS)
    const before = okta.requests('/jwks')
    await door.show(token) // still the old set, while the new one is being read
    await vi.waitFor(async () => expect((await door.show(token)).challenge).toContain('not one that its issuer'))
    expect(okta.requests('/jwks')).toBeGreaterThan(before)
  })

  test('are read anew in the background before they are stale', async () => {
    const door = await open()
    const token = await okta.tokenFor(ALICE, FILES)
    await door.show(token)
    const before = okta.requests('/jwks')
    door.advance(KEYS_REFRESH_AFTER_MS - VERIFIED_FOR_MS)
    await door.show(token)
    expect(okta.requests('/jwks')).toBe(before)
    door.advance(VERIFIED_FOR_MS)
    await door.show(token)
    await vi.waitFor(() => expect(okta.requests('/jwks')).toBe(before + 1))
  })

  test('[REQ-IDENTITY-9] of an issuer that is down are used for an hour more, which is audited, and then no longer', async () => {
    const door = await open()
    const token = await okta.tokenFor(ALICE, FILES)
    await door.show(token)
    await okta.stop()
    door.advance(KEYS_FRESH_MS + 1000)
    expect((await door.show(token)).status).toBe(200)
    expect((await door.show(token)).status).toBe(200)
    expect(door.stale).toEqual([{ issuer: okta.issuer, staleMs: expect.any(Number) }])
    expect(door.stale[0]?.staleMs).toBeGreaterThanOrEqual(1000)
    door.advance(KEYS_STALE_MAX_MS)
    const closed = await door.show(token)
    expect(closed).toMatchObject({ status: 503, body: { code: 'identity_unavailable' } })
    expect(closed.challenge).not.toContain('error=')
    expect(door.stale).toHaveLength(1)

    await okta.start()
    expect((await door.show(token)).status).toBe(503) // not asked again within the cool-down
    door.advance(KEYS_RETRY_AFTER_MS)
    expect((await door.show(token)).status).toBe(200)
  })

  test('each outage is audited on its own', async () => {
    const door = await open()
    const token = await okta.tokenFor(ALICE, FILES)
    await door.show(token)
    for (const outage of [1, 2]) {
      okta.answer('/jwks', { status: 500 })
      door.advance(KEYS_FRESH_MS)
      expect((await door.show(token)).status).toBe(200)
      expect(door.stale).toHaveLength(outage)
      okta.answer('/jwks', null)
      door.advance(KEYS_RETRY_AFTER_MS)
      const before = okta.requests('/jwks')
      await door.show(token)
      await vi.waitFor(() => expect(okta.requests('/jwks')).toBe(before + 1))
      expect(await door.authenticator.warm()).toMatchObject([{ ok: true, keys: 1, problem: null }])
    }
  })

  test('that are stale never answer for a key id that they do not have', async () => {
    const door = await open()
    await door.show(await okta.tokenFor(ALICE, FILES))
    okta.replaceKeys([second, first])
    const token = await okta.tokenFor(BOB, FILES)
    await okta.stop()
    door.advance(KEYS_FRESH_MS)
    expect(await door.show(token)).toMatchObject({ status: 503, body: { code: 'identity_unavailable' } })
    await okta.start()
    door.advance(UNKNOWN_KEY_COOL_DOWN_MS)
    expect((await door.show(token)).status).toBe(200)
  })

  const faults: readonly (readonly [
    string,
    '/jwks' | typeof METADATA,
    () => Parameters<TestIssuer['answer']>[1],
    string,
  ])[] = [
    ['an empty key set', '/jwks', () => ({ status: 200, body: '{"keys":[]}' }), 'holds no key that could verify'],
    ['a key set of shared secrets', '/jwks', () => ({ status: 200, body: SHARED }), 'holds no key that could verify'],
    ['a key set that is not JSON', '/jwks', () => ({ status: 200, body: '<html>' }), 'is not JSON'],
    ['a key set without end', '/jwks', () => ({ status: 200, body: 'x'.repeat(300_000) }), 'longer than 262144 bytes'],
    ['an error', '/jwks', () => ({ status: 500 }), 'status 500'],
    ['a compressed answer', '/jwks', () => ({ status: 200, headers: { 'content-encoding': 'br' } }), 'compressed'],
    ['a redirect', '/jwks', () => ({ status: 302, headers: { location: `${okta.issuer}/jwks?moved` } }), 'redirect'],
    [
      'metadata that names another issuer',
      METADATA,
      () => ({ status: 200, body: JSON.stringify({ issuer: `${okta.issuer}/`, jwks_uri: `${okta.issuer}/jwks` }) }),
      'names another issuer',
    ],
    [
      'metadata whose keys are not on https',
      METADATA,
      () => ({ status: 200, body: JSON.stringify({ issuer: okta.issuer, jwks_uri: 'http://keys.example.com/' }) }),
      'jwks_uri is not https',
    ],
  ]
  const SHARED = JSON.stringify({ keys: [{ kty: 'oct', kid: 'first', k: 'c2VjcmV0' }] })

  test.each(faults)('%s at first opens to nobody, and says why', async (_sentence, path, answer, problem) => {
    const door = await open()
    const token = await okta.tokenFor(ALICE, FILES)
    okta.answer(path, answer())
    expect(await door.show(token)).toMatchObject({ status: 503, body: { code: 'identity_unavailable' } })
    const [health] = await door.authenticator.warm()
    expect(health).toMatchObject({ ok: false, keys: 0, problem: expect.stringContaining(problem) })
    expect(door.warnings.join()).toContain(problem)
  })

  test.each(faults)('%s later leaves the keys that were known', async (_sentence, path, answer) => {
    const door = await open()
    const token = await okta.tokenFor(ALICE, FILES)
    await door.show(token)
    okta.answer('/jwks', { status: 500 }) // so that the way begins at the metadata again
    door.advance(KEYS_FRESH_MS)
    await door.show(token)
    okta.answer('/jwks', null)
    okta.answer(path, answer())
    door.advance(KEYS_RETRY_AFTER_MS)
    await door.show(token)
    await vi.waitFor(() => expect(door.warnings.filter((line) => line.includes('could not be read'))).toHaveLength(2))
    expect((await door.show(token)).status).toBe(200)
    expect(door.stale).toHaveLength(1)
  })

  test('a key that cannot be used is our trouble and not the token’s, and lets nobody in', async () => {
    const door = await open()
    const short = { kty: 'RSA', kid: 'first', use: 'sig', e: 'AQAB', n: Buffer.alloc(128, 0xab).toString('base64url') }
    okta.answer('/jwks', { status: 200, body: JSON.stringify({ keys: [short] }) })
    const answer = await door.show(await okta.tokenFor(ALICE, FILES))
    expect(answer).toMatchObject({ status: 503, body: { code: 'identity_unavailable' } })
    expect(door.warnings.join()).toContain('key cannot be used')
  })

  test('that have not changed are the same set after a reading, so that what was verified under it still holds', async () => {
    let now = Date.now()
    const keys = new IssuerKeys({
      issuer: okta.issuer,
      allowInsecureLoopbackIssuer: true,
      clock: { now: () => epochMs(now) },
      onStaleKeys() {},
      onFailure() {},
    })
    const read = async () => {
      now += KEYS_FRESH_MS
      const answer = await keys.holding('first')
      return 'keys' in answer ? answer.keys : null
    }
    const before = await read()
    expect(before).not.toBeNull()
    expect(await read()).toBe(before)
    okta.replaceKeys([second, first])
    expect(await read()).not.toBe(before)
  })

  test('are read by warm before anybody calls', async () => {
    const door = await open()
    expect(await door.authenticator.warm()).toEqual([{ issuer: okta.issuer, ok: true, keys: 1, problem: null }])
    const before = okta.requests('/jwks')
    await door.show(await okta.tokenFor(ALICE, FILES))
    expect(okta.requests('/jwks')).toBe(before)
  })
})
