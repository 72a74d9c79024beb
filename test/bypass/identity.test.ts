/** Every way round identity that anyone thought of. Rows are never deleted. */
import { createHmac, createPrivateKey, createPublicKey, type JsonWebKey, sign } from 'node:crypto'
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

/** Each with the reason for which it must fail: one that fails for another would prove nothing. */
const table: readonly (readonly [string, string, Attack])[] = [
  [
    '[REQ-IDENTITY-5] alg none, without a signature',
    'algorithm is not allowed',
    ({ claims }) => `${part({ alg: 'none', kid: 'first' })}.${part(claims)}.`,
  ],
  [
    'alg NONE in capitals',
    'algorithm is not allowed',
    ({ claims }) => `${part({ alg: 'NONE', kid: 'first' })}.${part(claims)}.`,
  ],
  [
    'alg none with a real token’s signature',
    'algorithm is not allowed',
    ({ claims, real }) => join({ alg: 'none', kid: 'first' }, claims, real),
  ],
  ['no alg at all', 'algorithm is not allowed', ({ claims, real }) => join({ kid: 'first' }, claims, real)],
  [
    'an alg that is a list',
    'algorithm is not allowed',
    ({ claims, real }) => join({ alg: ['RS256'], kid: 'first' }, claims, real),
  ],
  ['HS256 with the public key’s PEM as the secret', 'algorithm is not allowed', ({ claims }) => hmac(claims, pem())],
  [
    'HS256 with the public key’s PEM, without its last line end',
    'algorithm is not allowed',
    ({ claims }) => hmac(claims, pem().trimEnd()),
  ],
  [
    'HS256 with the public key’s DER',
    'algorithm is not allowed',
    ({ claims }) => hmac(claims, publicKey().export({ type: 'spki', format: 'der' })),
  ],
  ['HS256 with the modulus', 'algorithm is not allowed', ({ claims }) => hmac(claims, String(okta.keys[0]?.n))],
  ['HS256 with the empty secret', 'algorithm is not allowed', ({ claims }) => hmac(claims, '')],
  [
    'the thief’s own key in the header (jwk)',
    'not one that its issuer',
    ({ claims }) => okta.forge(claims, { jwk: publicPart(thief) }, thief),
  ],
  [
    'the thief’s own key set in the header (jku)',
    'not one that its issuer',
    ({ claims }) => okta.forge(claims, { jku: 'https://thief.example/' }, thief),
  ],
  [
    'the thief’s key under the real kid',
    'signature does not fit',
    ({ claims }) => okta.forge(claims, { kid: 'first' }, thief),
  ],
  [
    'a kid that is a path',
    'not one that its issuer',
    ({ claims }) => okta.forge(claims, { kid: '../../dev/null' }, thief),
  ],
  [
    'a kid that every object has',
    'not one that its issuer',
    ({ claims }) => okta.forge(claims, { kid: '__proto__' }, thief),
  ],
  ['no kid', 'does not name its key', ({ claims }) => okta.forge(claims, { kid: undefined as unknown as string })],
  [
    'a critical extension that nobody here knows',
    'not a JWT that can be verified',
    ({ claims }) => rs256({ kid: 'first', crit: ['exp2'], exp2: 1 }, claims),
  ],
  [
    '[REQ-IDENTITY-3] the issuer with other letters in capitals',
    'issuer is not one',
    ({ claims }) => okta.forge({ ...claims, iss: okta.issuer.toUpperCase() }),
  ],
  [
    'the issuer with a slash at its end',
    'by a slash at the end',
    ({ claims }) => okta.forge({ ...claims, iss: `${okta.issuer}/` }),
  ],
  [
    'the issuer with its path climbed',
    'issuer is not one',
    ({ claims }) => okta.forge({ ...claims, iss: `${okta.issuer}/../default` }),
  ],
  [
    'the issuer in a list',
    'names no issuer',
    ({ claims }) => okta.forge({ ...claims, iss: [okta.issuer] as unknown as string }),
  ],
  [
    'an issuer that every object has',
    'issuer is not one',
    ({ claims }) => okta.forge({ ...claims, iss: 'constructor' }),
  ],
  [
    'the audience in an object',
    'names no audience',
    ({ claims }) => okta.forge({ ...claims, aud: { 0: FILES } as unknown as string }),
  ],
  [
    'the audience in a list of lists',
    'names no audience',
    ({ claims }) => okta.forge({ ...claims, aud: [[FILES]] as unknown as string[] }),
  ],
  [
    '[REQ-IDENTITY-4] a token for the next upstream',
    'another audience',
    ({ claims }) => okta.forge({ ...claims, aud: `${PUBLIC_URL}/mcp/database` }),
  ],
  [
    'a token for the gateway and not the route',
    'another audience',
    ({ claims }) => okta.forge({ ...claims, aud: PUBLIC_URL }),
  ],
  [
    'an expiry of nearly for ever, as text',
    'exp is not as it must be',
    ({ claims }) => okta.forge({ ...claims, exp: '1e99' as unknown as number }),
  ],
  [
    'an expiry of null',
    'exp is not as it must be',
    ({ claims }) => okta.forge({ ...claims, exp: null as unknown as number }),
  ],
  [
    'an ID token of the same issuer',
    'another audience',
    ({ claims }) => okta.forge({ ...claims, aud: String(claims.cid), nonce: 'n' }),
  ],
  [
    'a token bound to a key that the thief lacks',
    'bound to a key',
    ({ claims }) => okta.forge({ ...claims, cnf: { jkt: 'thumbprint' } }),
  ],
  [
    'the payload changed',
    'signature does not fit',
    ({ claims, real }) => real.replace(/\.[^.]*\./, `.${part({ ...claims, sub: 'root' })}.`),
  ],
  ['the signature cut', 'signature does not fit', ({ real }) => real.slice(0, -8)],
  ['the signature gone', 'signature does not fit', ({ real }) => real.replace(/[^.]*$/, '')],
  ['one part more', 'not a signed JWT', ({ real }) => `${real}.e30`],
  ['the token twice with a comma', 'not a signed JWT', ({ real }) => `${real}, Bearer ${real}`],
]

/** The real token is shown first, so that a remembered one cannot open the door to its likes. */
test.each(table)('%s', async (_sentence, reason, attack) => {
  const door = await openDoor([trusted(okta.issuer)])
  const claims = okta.claimsFor(ALICE, FILES, Date.now())
  const real = await okta.forge(claims)
  expect((await door.show(real)).status).toBe(200)
  const token = await attack({ claims, real })
  expect(token).not.toBe(real)
  const answer = await door.show(token)
  expect(answer.status).toBe(401)
  expect(answer.challenge).toContain('error="invalid_token"')
  expect(answer.body.message).toContain(reason)
})

function part(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

function join(header: unknown, claims: unknown, real: string): string {
  return `${part(header)}.${part(claims)}.${real.split('.')[2]}`
}

function publicPart({ kty, n, e }: Pick<SigningKey, 'kty' | 'n' | 'e'>): Record<string, string> {
  return { kty: String(kty), n: String(n), e: String(e) }
}

function signingKey(): JsonWebKey {
  const [key] = okta.keys
  if (key === undefined) throw new Error('the issuer has no key')
  return { ...key } as JsonWebKey
}

function publicKey() {
  return createPublicKey({ key: publicPart(signingKey()), format: 'jwk' })
}

function pem(): string {
  return publicKey().export({ type: 'spki', format: 'pem' }).toString()
}

function hmac(claims: unknown, secret: string | Buffer): string {
  const signed = `${part({ alg: 'HS256', kid: 'first' })}.${part(claims)}`
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
}

/** With the issuer's own key, and a header that no library would write. */
function rs256(header: Record<string, unknown>, claims: unknown): string {
  const signed = `${part({ alg: 'RS256', ...header })}.${part(claims)}`
  const key = createPrivateKey({ key: signingKey(), format: 'jwk' })
  return `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`
}
