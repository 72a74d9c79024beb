/**
 * Verifies one access token, and says what is wrong with it in the order in which it is found out:
 *
 *   shape → issuer → algorithm → type → key → signature → times → required claims → who it is
 *
 * The payload is looked at before its signature only to choose the issuer. Everything that costs a request (a key
 * that is not known) comes after what costs nothing, so that `alg: none` never reaches the issuer. The audience is
 * the caller's to check: one token is verified once and may be shown at several routes.
 */
import {
  decodeJwt,
  decodeProtectedHeader,
  errors,
  type JWTPayload,
  jwtVerify,
  type ProtectedHeaderParameters,
} from 'jose'
import type { EpochMs } from '../../src/brands.ts'
import { epochMs } from '../../src/brands.ts'
import type { ClaimMapping } from '../../src/identity/claims.ts'
import { mapClaims } from '../../src/identity/claims.ts'
import type { Principal } from '../../src/identity/principal.ts'
import type { JsonObject } from '../../src/json/value.ts'
import type { Log } from '../../src/ports.ts'
import { isCompactJws } from './bearer.ts'
import type { AuthenticationFailure, TokenFault } from './failure.ts'
import { invalidToken } from './failure.ts'
import type { IssuerKeys, KeySet } from './issuer-keys.ts'

/** How far our clock and the issuer's may differ. Seconds; hosts with NTP differ by less than one. */
export const CLOCK_SKEW_S = 30

/** RFC 9068 §2.2 requires them too, and without `exp` jose would take a token for ever. */
const REQUIRED_CLAIMS = ['exp', 'iat', 'sub']

/**
 * RFC 9068 §4 wants `at+jwt`, but Entra, Keycloak and Auth0's default say `JWT` and Okta nothing. What an ID token says
 * of itself differs by vendor; that its audience is the client and not this resource is what keeps it out.
 */
const TOKEN_TYPES: readonly unknown[] = [undefined, 'at+jwt', 'application/at+jwt', 'jwt', 'application/jwt']

export interface Issuer {
  readonly issuer: string
  readonly algorithms: readonly string[]
  readonly claims: ClaimMapping
  /** Empty: the route's own URL. */
  readonly audiences: readonly string[]
  readonly keys: IssuerKeys
}

export interface VerifiedToken {
  readonly principal: Principal
  readonly issuer: Issuer
  /** The set that held the key; while it is the current one, the signature needs no second check. */
  readonly keys: KeySet
  readonly audiences: readonly string[]
  readonly expiresAt: EpochMs
}

export type Verification = { readonly verified: VerifiedToken } | { readonly failure: AuthenticationFailure }

export async function verifyToken(
  token: string,
  context: { readonly issuers: ReadonlyMap<string, Issuer>; readonly now: EpochMs; readonly log: Log },
): Promise<Verification> {
  const shape = readShape(token)
  if (shape === null) return failed('malformed', 'the token is not a signed JWT')
  const issuer = context.issuers.get(shape.payload.iss ?? '')
  if (issuer === undefined) return failed('unknown_issuer', unknownIssuer(shape.payload.iss, context.issuers))
  const fault = headerFault(shape.header, issuer)
  if (fault !== null) return { failure: fault }

  const answer = await issuer.keys.holding(shape.header.kid ?? '')
  if ('missing' in answer) return answer.missing === 'unknown_key' ? UNKNOWN_KEY : unavailable(issuer)
  const checked = await checkSignatureAndTimes(token, issuer, { keys: answer.keys, now: context.now, log: context.log })
  if ('failure' in checked) return checked
  return identify(checked.claims, issuer, { keys: answer.keys, log: context.log })
}

interface Shape {
  readonly header: ProtectedHeaderParameters
  readonly payload: JWTPayload
}

function readShape(token: string): Shape | null {
  if (!isCompactJws(token)) return null
  try {
    return { header: decodeProtectedHeader(token), payload: decodeJwt(token) }
  } catch {
    return null
  }
}

function unknownIssuer(iss: unknown, issuers: ReadonlyMap<string, Issuer>): string {
  if (typeof iss !== 'string') return 'the token names no issuer (iss)'
  const other = iss.endsWith('/') ? iss.slice(0, -1) : `${iss}/`
  const hint = issuers.has(other) ? ': it differs from a configured one by a slash at the end' : ''
  return `the token’s issuer is not one of this gateway’s${hint}`
}

function headerFault(header: ProtectedHeaderParameters, issuer: Issuer): AuthenticationFailure | null {
  if (typeof header.alg !== 'string' || !issuer.algorithms.includes(header.alg)) {
    const allowed = issuer.algorithms.join(', ')
    return invalidToken('algorithm_not_allowed', `the token’s signature algorithm is not allowed; allowed: ${allowed}`)
  }
  // RFC 7515 §4.1.9: compared without regard to case, and `application/` may be left out.
  const type: unknown = typeof header.typ === 'string' ? header.typ.toLowerCase() : header.typ
  if (!TOKEN_TYPES.includes(type)) return invalidToken('wrong_type', 'the token is not an access token (typ)')
  if (typeof header.kid !== 'string') return invalidToken('unknown_key', 'the token does not name its key (kid)')
  return null
}

async function checkSignatureAndTimes(
  token: string,
  issuer: Issuer,
  context: { readonly keys: KeySet; readonly now: EpochMs; readonly log: Log },
): Promise<{ readonly claims: JWTPayload } | { readonly failure: AuthenticationFailure }> {
  try {
    const { payload } = await jwtVerify(token, context.keys.resolve, {
      algorithms: [...issuer.algorithms],
      issuer: issuer.issuer,
      requiredClaims: REQUIRED_CLAIMS,
      clockTolerance: CLOCK_SKEW_S,
      currentDate: new Date(context.now),
    })
    // jose looks at iat only where a maximum age is asked for. A token from the future comes from a clock, or a hand, that errs.
    if (typeof payload.iat !== 'number') return failed('wrong_claim', 'the token’s iat must be a number')
    if (payload.iat > context.now / 1000 + CLOCK_SKEW_S) {
      return failed('not_yet_valid', 'the token is issued in the future (iat)')
    }
    return { claims: payload }
  } catch (error) {
    const fault = faultOf(error)
    if (fault !== null) return { failure: fault }
    // Not the token's fault: a published key that can't be used (an RSA key under 2048 bits, say). Fail closed.
    context.log.error('an issuer’s key cannot be used', { issuer: issuer.issuer, problem: String(error) })
    return unavailable(issuer)
  }
}

/** Null for what the token is not to blame for. */
function faultOf(error: unknown): AuthenticationFailure | null {
  if (error instanceof errors.JWTExpired) return invalidToken('expired', 'the token is expired')
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.reason === 'missing') return invalidToken('missing_claim', `the token has no ${error.claim}`)
    if (error.claim === 'nbf') return invalidToken('not_yet_valid', 'the token is not valid yet (nbf)')
    return invalidToken('wrong_claim', `the token’s ${error.claim} is not as it must be`)
  }
  if (error instanceof errors.JWSSignatureVerificationFailed) {
    return invalidToken('bad_signature', 'the token’s signature does not fit')
  }
  if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys) {
    return invalidToken('unknown_key', 'the token’s key (kid) does not fit its algorithm')
  }
  // `crit`, a payload that is not JSON, and whatever else jose finds wrong with the text itself.
  const { JWSInvalid, JWTInvalid, JOSENotSupported } = errors
  if (error instanceof JWSInvalid || error instanceof JWTInvalid || error instanceof JOSENotSupported) {
    return invalidToken('malformed', 'the token is not a JWT that can be verified here')
  }
  return null
}

function identify(
  payload: JWTPayload,
  issuer: Issuer,
  context: { readonly keys: KeySet; readonly log: Log },
): Verification {
  // RFC 9449 §6 and RFC 8705 §3 bind a token to a key whose proof is not checked here: taking it as a bearer token
  // would let a stolen one in.
  if (payload.cnf !== undefined) {
    return failed('sender_constrained', 'the token is bound to a key (cnf), which this gateway cannot check')
  }
  const claims = payload as JsonObject // made by JSON.parse
  const mapped = mapClaims(issuer.issuer, claims, issuer.claims)
  if (!mapped.ok) return failed('wrong_claim', `the token’s claim ${mapped.claim} ${mapped.problem}`)
  const audiences = readAudiences(payload.aud)
  if (audiences === null) return failed('missing_claim', 'the token names no audience (aud)')
  for (const note of mapped.notes) {
    context.log.warn('the token leaves groups out, so policy sees none', { note, principal: mapped.principal.id })
  }
  const { principal } = mapped
  const expiresAt = epochMs((payload.exp ?? 0) * 1000)
  return { verified: { principal, issuer, keys: context.keys, audiences, expiresAt } }
}

function readAudiences(aud: unknown): readonly string[] | null {
  if (typeof aud === 'string') return [aud]
  return Array.isArray(aud) && aud.every((one) => typeof one === 'string') ? aud : null
}

const UNKNOWN_KEY = failed('unknown_key', 'the token’s key (kid) is not one that its issuer publishes')

function unavailable(issuer: Issuer): { readonly failure: AuthenticationFailure } {
  return {
    failure: { kind: 'unavailable', issuer: issuer.issuer, description: 'the issuer’s keys cannot be read' },
  }
}

function failed(reason: TokenFault, description: string): { readonly failure: AuthenticationFailure } {
  return { failure: invalidToken(reason, description) }
}
