/**
 * What the settings say about one issuer, and what must not be said. Checked here once, for the settings file and for
 * whoever builds an authenticator by hand.
 *
 * Asymmetric algorithms only: with HS256 in the list, anybody who can read the issuer's public keys can sign with
 * one of them as the secret (RFC 8725 §2.1), and `none` needs no key at all.
 */
import type { ClaimMapping, ClaimNames } from './claims.ts'

export interface IssuerOptions {
  /** Compared with `iss` character by character: RFC 8414 §3.3 and OpenID Connect Core §3.1.3.7 allow no normalising. */
  readonly issuer: string
  /** What `aud` must name, one of them. Left out: the route's own URL, `<publicUrl>/mcp/<name>`. */
  readonly audience?: string | readonly string[] | undefined
  /** Left out: RS256 alone. */
  readonly algorithms?: readonly string[] | undefined
  /** Names that replace those of DEFAULT_CLAIMS, one by one. */
  readonly claims?: ClaimOverrides | undefined
  /** http:// on a loopback address, for a demo or a test on one machine: anybody on the path can replace the keys. */
  readonly allowInsecureLoopbackIssuer?: boolean | undefined
}

export type ClaimOverrides = { readonly [Part in keyof ClaimMapping]?: ClaimNames | undefined }

export const DEFAULT_ALGORITHMS: readonly string[] = ['RS256']

export const SIGNATURE_ALGORITHMS: ReadonlySet<string> = new Set([
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
])

export function mergeClaims(defaults: ClaimMapping, overrides: ClaimOverrides = {}): ClaimMapping {
  const given = Object.entries(overrides).filter(([, names]) => names !== undefined)
  return { ...defaults, ...Object.fromEntries(given) }
}

/** Every problem, each with its cure; none: the empty list. */
export function issuerProblems(options: IssuerOptions): readonly string[] {
  const problems: string[] = []
  const insecure = options.allowInsecureLoopbackIssuer === true
  const url = issuerUrlProblem(options.issuer, insecure)
  if (url) problems.push(url)
  const algorithms = options.algorithms ?? DEFAULT_ALGORITHMS
  if (algorithms.length === 0) problems.push('algorithms is empty: leave it out for RS256, or name one')
  for (const algorithm of algorithms) {
    if (SIGNATURE_ALGORITHMS.has(algorithm)) continue
    problems.push(`algorithm ${algorithm} is not allowed: use one of ${[...SIGNATURE_ALGORITHMS].join(', ')}`)
  }
  const audiences = typeof options.audience === 'string' ? [options.audience] : options.audience
  if (audiences?.length === 0) problems.push('audience is an empty list: leave it out for the route’s own URL')
  if (audiences?.includes('')) problems.push('audience is empty: leave it out for the route’s own URL')
  return problems
}

function issuerUrlProblem(issuer: string, insecure: boolean): string | null {
  if (!URL.canParse(issuer)) return 'issuer is not a URL: copy it from the `issuer` of the provider’s metadata'
  const url = new URL(issuer)
  // RFC 8414 §2: "a URL that uses the "https" scheme and has no query or fragment components".
  if (url.search !== '' || url.hash !== '') return 'issuer must have no query and no fragment'
  if (url.username !== '' || url.password !== '') return 'issuer must hold no user name or password'
  if (issuer.includes('|')) return 'issuer must hold no |'
  return isSecure(url, insecure) ? null : 'issuer must be https (http on loopback needs allowInsecureLoopbackIssuer)'
}

/** https anywhere; http only on loopback, and only where the settings ask for it. */
export function isSecure(url: URL, allowInsecureLoopback: boolean): boolean {
  if (url.protocol === 'https:') return true
  return url.protocol === 'http:' && allowInsecureLoopback && isLoopback(url.hostname)
}

/** The whole of 127.0.0.0/8, ::1 and `localhost` (RFC 6761 §6.3); the URL parser has made every form of them canonical. */
function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname)
}
