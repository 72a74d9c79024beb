/**
 * How authentication fails, and what the agent is told: enough to act on, never the token or a part of it.
 *
 * RFC 6750 §3.1 wants no error code where no bearer token was sent, `invalid_request` (400) where there was more than
 * one or it came by the wrong way, and `invalid_token` (401) otherwise. Keys that cannot be read are our trouble and
 * not the token's: 503, so that a client neither throws a good token away nor gets in with a bad one.
 */
import type { ErrorCode } from '../../src/errors.ts'
import { ERRORS } from '../../src/errors.ts'
import { metadataUrl } from '../resource-metadata.ts'

/** Stable words for logs and metrics; `description` is the sentence for people. */
export type AuthenticationFailure =
  | { readonly kind: 'missing'; readonly description: string }
  | { readonly kind: 'invalid_request'; readonly description: string }
  | { readonly kind: 'invalid_token'; readonly reason: TokenFault; readonly description: string }
  | { readonly kind: 'unavailable'; readonly issuer: string; readonly description: string }

export type TokenFault =
  | 'malformed'
  | 'too_long'
  | 'unknown_issuer'
  | 'algorithm_not_allowed'
  | 'wrong_type'
  | 'unknown_key'
  | 'bad_signature'
  | 'missing_claim'
  | 'wrong_claim'
  | 'expired'
  | 'not_yet_valid'
  | 'wrong_audience'
  | 'sender_constrained'

export function invalidToken(reason: TokenFault, description: string): AuthenticationFailure {
  return { kind: 'invalid_token', reason, description }
}

export interface Challenge {
  readonly status: number
  readonly code: ErrorCode
  readonly headers: Readonly<Record<string, string>>
  /** One sentence that names what is wrong, and the cure. */
  readonly message: string
}

/** How long a client should wait for keys to come back, in seconds; keys are asked for again after 10 s. */
const RETRY_AFTER_S = 10

export function challengeFor(
  failure: AuthenticationFailure,
  place: { readonly publicUrl: string; readonly upstream: string; readonly scopes: readonly string[] },
): Challenge {
  const code = CODES[failure.kind]
  const parameters = [`resource_metadata="${metadataUrl(place.publicUrl, place.upstream)}"`]
  if (place.scopes.length > 0) parameters.push(`scope="${quotable(place.scopes.join(' '))}"`)
  if (failure.kind === 'invalid_request' || failure.kind === 'invalid_token') {
    parameters.push(`error="${failure.kind}"`, `error_description="${quotable(failure.description)}"`)
  }
  return {
    status: ERRORS[code].http,
    code,
    headers: {
      'www-authenticate': `Bearer ${parameters.join(', ')}`,
      ...(failure.kind === 'unavailable' ? { 'retry-after': String(RETRY_AFTER_S) } : {}),
    },
    message: `${failure.description}. ${ERRORS[code].cure}`,
  }
}

const CODES = {
  missing: 'unauthenticated',
  invalid_request: 'invalid_request',
  invalid_token: 'unauthenticated',
  unavailable: 'identity_unavailable',
} as const satisfies Record<AuthenticationFailure['kind'], ErrorCode>

/** RFC 6750 §3: %x20-21 / %x23-5B / %x5D-7E, so neither quotes, backslashes, line ends nor letters beyond ASCII. */
function quotable(text: string): string {
  return text.replace(/["’]/g, "'").replace(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, '?')
}
