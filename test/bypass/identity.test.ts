/** Every way round identity that anyone thought of. Rows are never deleted. */
import { createHmac, createPublicKey, type JsonWebKey } from 'node:crypto'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { newSigningKey, type SigningKey } from '../../demo/oidc-issuer.ts'
import { closeDoors, openDoor, PUBLIC_URL, trusted } from '../support/identity-door.ts'
import { ALICE, startTestIssuer, type TestIssuer } from '../support/oidc-issuer.ts'

const FILES = `${PUBLIC_URL}/mcp/files`

let okta: TestIssuer
let thief: SigningKey

beforeAll(async () => {
  okta = await startTestIssuer({ keys: [newSigningKey('first')] })
  thief = newSigningKey('thief')
})
afterEach(closeDoors)
afterAll(() => okta.stop())

type Attack = (parts: { readonly claims: Record<string, unknown>; readonly real: string }) => string | Promise<string>

const table: readonly (readonly [string, Attack])[] = [
  ['alg none, without a signature', ({ claims }) => `${part({ alg: 'none', kid: 'first' })}.${part(claims)}.`],
  ['alg NONE in capitals', ({ claims }) => `${part({ alg: 'NONE', kid: 'first' })}.${part(claims)}.`],
  ['alg none with a real token’s signature', ({ claims, real }) => join({ alg: 'none', kid: 'first' }, claims, real)],
  ['no alg at all', ({ claims, real }) => join({ kid: 'first' }, claims, real)],
  ['an alg that is a list', ({ claims, real }) => join({ alg: ['RS256'], kid: 'first' }, claims, real)],
  ['HS256 with the public key’s PEM as the secret', ({ claims }) => hmac(claims, pem())],
  ['HS256 with the public key’s PEM, without its last line end', ({ claims }) => hmac(claims, pem().trimEnd())],
  [
    'HS256 with the public key’s DER',
    ({ claims }) => hmac(claims, publicKey().export({ type: 'spki', format: 'der' })),
  ],
  ['HS256 with the modulus', ({ claims }) => hmac(claims, String(okta.keys[0]?.n))],
  ['HS256 with the empty secret', ({ claims }) => hmac(claims, '')],
  ['the thief’s own key in the header (jwk)', ({ claims }) => okta.forge(claims, { jwk: publicPart(thief) }, thief)],
  [
    'the thief’s own key set in the header (jku)',
    ({ claims }) => okta.forge(claims, { jku: 'https://thief.example/' }, thief),
  ],
  ['the thief’s key under the real kid', ({ claims }) => okta.forge(claims, { kid: 'first' }, thief)],
  ['a kid that is a path', ({ claims }) => okta.forge(claims, { kid: '../../dev/null' }, thief)],
  ['a kid that every object has', ({ claims }) => okta.forge(claims, { kid: '__proto__' }, thief)],
  ['no kid', ({ claims }) => okta.forge(claims, { kid: undefined as unknown as string })],
  [
    'a critical extension that nobody here knows',
    ({ claims, real }) => join({ alg: 'RS256', kid: 'first', crit: ['b64'], b64: false }, claims, real),
  ],
  [
    'the issuer with other letters in capitals',
    ({ claims }) => okta.forge({ ...claims, iss: okta.issuer.toUpperCase() }),
  ],
  ['the issuer with a slash at its end', ({ claims }) => okta.forge({ ...claims, iss: `${okta.issuer}/` })],
  ['the issuer with its path climbed', ({ claims }) => okta.forge({ ...claims, iss: `${okta.issuer}/../default` })],
  ['the issuer in a list', ({ claims }) => okta.forge({ ...claims, iss: [okta.issuer] as unknown as string })],
  ['an issuer that every object has', ({ claims }) => okta.forge({ ...claims, iss: 'constructor' })],
  ['the audience in an object', ({ claims }) => okta.forge({ ...claims, aud: { 0: FILES } as unknown as string })],
  ['the audience in a list of lists', ({ claims }) => okta.forge({ ...claims, aud: [[FILES]] as unknown as string[] })],
  ['a token for the next upstream', ({ claims }) => okta.forge({ ...claims, aud: `${PUBLIC_URL}/mcp/database` })],
  ['a token for the gateway and not the route', ({ claims }) => okta.forge({ ...claims, aud: PUBLIC_URL })],
  [
    'an expiry of nearly for ever, as text',
    ({ claims }) => okta.forge({ ...claims, exp: '1e99' as unknown as number }),
  ],
  ['an expiry of null', ({ claims }) => okta.forge({ ...claims, exp: null as unknown as number })],
  ['an ID token of the same issuer', ({ claims }) => okta.forge({ ...claims, aud: String(claims.cid), nonce: 'n' })],
  [
    'a token bound to a key that the thief lacks',
    ({ claims }) => okta.forge({ ...claims, cnf: { jkt: 'thumbprint' } }),
  ],
  ['the payload changed', ({ claims, real }) => real.replace(/\.[^.]*\./, `.${part({ ...claims, sub: 'root' })}.`)],
  ['the signature cut', ({ real }) => real.slice(0, -8)],
  ['the signature gone', ({ real }) => real.replace(/[^.]*$/, '')],
  ['one part more', ({ real }) => `${real}.e30`],
  ['the token twice with a comma', ({ real }) => `${real}, Bearer ${real}`],
]

/** The real token is shown first, so that a remembered one cannot open the door to its likes. */
test.each(table)('%s', async (_sentence, attack) => {
  const door = await openDoor([trusted(okta.issuer)])
  const claims = okta.claimsFor(ALICE, FILES, Date.now())
  const real = await okta.forge(claims)
  expect((await door.show(real)).status).toBe(200)
  const token = await attack({ claims, real })
  expect(token).not.toBe(real)
  const answer = await door.show(token)
  expect(answer.status).toBe(401)
  expect(answer.challenge).toContain('error="invalid_token"')
})

function part(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

function join(header: unknown, claims: unknown, real: string): string {
  return `${part(header)}.${part(claims)}.${real.split('.')[2]}`
}

function publicPart({ kty, n, e }: SigningKey): Record<string, string> {
  return { kty: String(kty), n: String(n), e: String(e) }
}

function publicKey() {
  const [key] = okta.keys
  if (key === undefined) throw new Error('the issuer has no key')
  return createPublicKey({ key: publicPart(key) as JsonWebKey, format: 'jwk' })
}

function pem(): string {
  return publicKey().export({ type: 'spki', format: 'pem' }).toString()
}

function hmac(claims: unknown, secret: string | Buffer): string {
  const signed = `${part({ alg: 'HS256', kid: 'first' })}.${part(claims)}`
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
}
