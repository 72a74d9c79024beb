/**
 * Decides who calls: one bearer token, checked against the issuers that the settings name, for one upstream's route.
 *
 * Fails closed: whatever is not a verified principal is a failure, and keys that cannot be read are one too. A token
 * that was verified before answers at once, without a promise, because every call of every agent passes here.
 */
import type { EpochMs } from '../../src/brands.ts'
import { DEFAULT_CLAIMS } from '../../src/identity/claims.ts'
import type { IssuerOptions } from '../../src/identity/issuer.ts'
import { DEFAULT_ALGORITHMS, issuerProblems, mergeClaims } from '../../src/identity/issuer.ts'
import type { Principal } from '../../src/identity/principal.ts'
import type { Clock, Log } from '../../src/ports.ts'
import { resourceUrl } from '../resource-metadata.ts'
import type { AuthenticatedRequest } from './bearer.ts'
import { readBearer } from './bearer.ts'
import type { AuthenticationFailure, Challenge } from './failure.ts'
import { challengeFor, invalidToken } from './failure.ts'
import { IssuerKeys } from './issuer-keys.ts'
import { digestOf, VerifiedTokens } from './verified-tokens.ts'
import type { Issuer, VerifiedToken } from './verify.ts'
import { verifyToken } from './verify.ts'

export type Authentication =
  | { readonly ok: true; readonly principal: Principal; readonly expiresAt: EpochMs }
  | { readonly ok: false; readonly failure: AuthenticationFailure }

export interface IssuerHealth {
  readonly issuer: string
  readonly ok: boolean
  /** How many usable keys are at hand. */
  readonly keys: number
  readonly problem: string | null
}

export interface AuthenticatorOptions {
  readonly issuers: readonly IssuerOptions[]
  /** Without a slash at its end: audiences are made from it and compared exactly. */
  readonly publicUrl: string
  readonly clock: Clock
  readonly log: Log
  /** For the recording (`identity.stale_keys_used`): once for each outage that stale keys bridge. */
  onStaleKeys(use: { readonly issuer: string; readonly staleMs: number; readonly at: EpochMs }): void
  /** A token's signature was checked, and it is good for the route. Not with every call; must not throw. */
  onVerified?(token: { readonly principal: Principal; readonly expiresAt: EpochMs }): void
  /** What a client should ask for, for a challenge's `scope`; left out: nothing is named. */
  scopesOf?(upstream: string): readonly string[]
}

export interface Authenticator {
  /** The upstream is the one of the route, already known to exist. Never throws or rejects. */
  authenticate(request: AuthenticatedRequest, upstream: string): Authentication | Promise<Authentication>
  challenge(upstream: string, failure: AuthenticationFailure): Challenge
  /** Reads every issuer's keys, so that the first call need not wait; one line each for `doctor`. */
  warm(): Promise<readonly IssuerHealth[]>
  close(): void
}

/** Throws a TypeError that lists every problem: the settings were to be checked before. */
export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  const { publicUrl, clock, log } = options
  const issuers = openIssuers(options)
  const tokens = new VerifiedTokens()

  async function verify(token: string, digest: string, upstream: string): Promise<Authentication> {
    const result = await verifyToken(token, { issuers, now: clock.now(), log })
    if ('failure' in result) return { ok: false, failure: result.failure }
    tokens.set(digest, result.verified, clock.now())
    const admitted = admit(result.verified, resourceUrl(publicUrl, upstream))
    if (admitted.ok) options.onVerified?.(admitted)
    return admitted
  }

  return {
    authenticate(request, upstream) {
      const bearer = readBearer(request)
      if ('failure' in bearer) return { ok: false, failure: bearer.failure }
      const digest = digestOf(bearer.token)
      const known = tokens.get(digest, clock.now())
      if (known !== null && known.issuer.keys.current() === known.keys) {
        return admit(known, resourceUrl(publicUrl, upstream))
      }
      return verify(bearer.token, digest, upstream)
    },
    challenge(upstream, failure) {
      return challengeFor(failure, { publicUrl, upstream, scopes: options.scopesOf?.(upstream) ?? [] })
    },
    warm: () => Promise.all([...issuers.values()].map(healthOf)),
    close() {
      for (const { keys } of issuers.values()) keys.close()
    },
  }
}

/** Asked on every call, for a token is good for the routes that it names and for no other. */
function admit(verified: VerifiedToken, resource: string): Authentication {
  const { principal, expiresAt, audiences, issuer } = verified
  const accepted = issuer.audiences.length > 0 ? issuer.audiences : [resource]
  if (audiences.some((audience) => accepted.includes(audience))) return { ok: true, principal, expiresAt }
  const description = `the token is for another audience (aud); this resource is ${accepted.join(' or ')}`
  return { ok: false, failure: invalidToken('wrong_audience', description) }
}

function openIssuers(options: AuthenticatorOptions): ReadonlyMap<string, Issuer> {
  const problems = options.issuers.flatMap((issuer) =>
    issuerProblems(issuer).map((problem) => `${issuer.issuer}: ${problem}`),
  )
  if (options.issuers.length === 0) problems.push('no issuer is configured')
  if (new Set(options.issuers.map(({ issuer }) => issuer)).size < options.issuers.length) {
    problems.push('an issuer is named twice')
  }
  if (problems.length > 0) throw new TypeError(problems.join('; '))
  return new Map(options.issuers.map((issuer) => [issuer.issuer, openIssuer(issuer, options)]))
}

function openIssuer(settings: IssuerOptions, { clock, log, onStaleKeys }: AuthenticatorOptions): Issuer {
  const { issuer, audience, algorithms = DEFAULT_ALGORITHMS, claims, allowInsecureLoopbackIssuer = false } = settings
  return {
    issuer,
    algorithms,
    claims: mergeClaims(DEFAULT_CLAIMS, claims),
    audiences: typeof audience === 'string' ? [audience] : (audience ?? []),
    keys: new IssuerKeys({
      issuer,
      allowInsecureLoopbackIssuer,
      clock,
      onStaleKeys(use) {
        log.warn('an issuer’s keys cannot be read; the last known ones are used', { issuer, stale_ms: use.staleMs })
        onStaleKeys(use)
      },
      onFailure: ({ problem }) => log.warn('an issuer’s keys could not be read', { issuer, problem }),
    }),
  }
}

async function healthOf({ issuer, keys }: Issuer): Promise<IssuerHealth> {
  const problem = await keys.warm()
  return { issuer, ok: problem === null, keys: keys.size, problem }
}
