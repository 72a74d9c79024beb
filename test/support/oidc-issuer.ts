/**
 * The demo's real OIDC provider, with what tests need besides: counts of requests, answers put in place of the
 * provider's, and tokens that it would never issue, signed with its own key or another.
 */
import type { ServerResponse } from 'node:http'
import { type CompactJWSHeaderParameters, importJWK, type JWK, type JWTPayload, SignJWT } from 'jose'
import { agentSignIn } from '../../demo/agent-sign-in.ts'
import type { OidcIssuer, Person, SigningKey } from '../../demo/oidc-issuer.ts'
import { startOidcIssuer } from '../../demo/oidc-issuer.ts'

export const ALICE: Person = { login: 'alice@example.com', uid: '00u1alice', groups: ['dba', 'engineering'] }
export const BOB: Person = { login: 'bob@example.com', uid: '00u2bob', groups: ['engineering'] }
/** The issuer does not vouch for the address. */
export const CAROL: Person = { login: 'carol@example.com', uid: '00u3carol', groups: [], emailVerified: false }
export const CLIENT_ID = '0oa1agent'
export const SCOPES = ['mcp:call']

/** Longer than any outage that a test lets pass by its clock. */
const TTL_S = 6 * 3600

export interface Answer {
  readonly status: number
  readonly body?: string
  readonly headers?: Readonly<Record<string, string>>
}

export type IssuerDocument = '/jwks' | '/.well-known/openid-configuration' | '/token' | '/me'

export interface TestIssuer extends OidcIssuer {
  /** How often a document was asked for. */
  requests(path: IssuerDocument): number
  /** Answers so instead of the provider; null: the provider answers again. */
  answer(path: IssuerDocument, answer: Answer | null): void
  /** A real token by a real grant. */
  tokenFor(person: Person, resource: string): Promise<string>
  /** The claims of such a token, to change before signing. */
  claimsFor(person: Person, resource: string, nowMs: number): JWTPayload
  /** Who sits before the browser from now on; null: whomever the client names. */
  signsIn(login: string | null): void
  /** Signed, by default, with the key that the provider signs with. */
  forge(claims: JWTPayload, header?: Partial<CompactJWSHeaderParameters>, key?: SigningKey): Promise<string>
}

export async function startTestIssuer(options: { keys?: readonly SigningKey[] } = {}): Promise<TestIssuer> {
  const counts = new Map<string, number>()
  let before: string | null = null
  const answers = new Map<string, Answer>()
  const intercept = (path: string, response: ServerResponse): boolean => {
    counts.set(path, (counts.get(path) ?? 0) + 1)
    const answer = answers.get(path)
    if (answer === undefined) return false
    response.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers }).end(answer.body ?? '')
    return true
  }
  const settings = { people: [ALICE, BOB, CAROL], clientId: CLIENT_ID, scopes: SCOPES, accessTokenTtlSeconds: TTL_S }
  const oidc = await startOidcIssuer({
    ...settings,
    ...options,
    intercept,
    whoSignsIn: (hint) => before ?? hint,
  })
  const { issuer } = oidc
  // Getters and all: `keys` changes by rotation.
  return Object.assign(Object.create(oidc) as OidcIssuer, {
    requests: (path: IssuerDocument) => counts.get(path) ?? 0,
    answer(path: IssuerDocument, answer: Answer | null) {
      if (answer === null) answers.delete(path)
      else answers.set(path, answer)
    },
    signsIn(login: string | null) {
      before = login
    },
    tokenFor: ({ login }: Person, resource: string) =>
      agentSignIn({ issuer, clientId: CLIENT_ID, login, resource, scopes: SCOPES }),
    claimsFor: (person: Person, resource: string, nowMs: number) => oktaClaims(issuer, person, resource, nowMs),
    async forge(claims: JWTPayload, header: Partial<CompactJWSHeaderParameters> = {}, key?: SigningKey) {
      const signer = key ?? oidc.keys[0]
      if (signer === undefined) throw new Error('the issuer has no key')
      return new SignJWT(claims)
        .setProtectedHeader({ alg: 'RS256', kid: signer.kid, ...header })
        .sign(await importJWK(signer as JWK, header.alg ?? 'RS256'))
    },
  })
}

function oktaClaims(issuer: string, person: Person, resource: string, nowMs: number): JWTPayload {
  const iat = Math.floor(nowMs / 1000)
  const who = { sub: person.login, uid: person.uid, groups: [...person.groups], cid: CLIENT_ID, scp: SCOPES }
  return { ver: 1, iss: issuer, aud: resource, iat, exp: iat + TTL_S, jti: 'AT.forged', ...who }
}
