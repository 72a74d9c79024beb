/**
 * Who calls: the verified (issuer, subject) behind the agent's token, and the person it acts for.
 *
 * Built only by proxy/authenticate from a token whose signature, issuer, audience and times were checked.
 */
import type { PrincipalId } from '../brands.ts'
import type { JsonObject } from '../json/value.ts'

export interface Principal {
  readonly id: PrincipalId
  readonly issuer: string
  readonly subject: string
  /** OAuth client (Okta `cid`, Entra `azp`/`appid`, Auth0 and Keycloak `azp`); null where the token names none. */
  readonly client: string | null
  /** The owner's e-mail as the issuer states it, lower-cased; null where the token has none. */
  readonly email: string | null
  /**
   * The same, or null where only a name says so that its bearer may have chosen (see claims.ts). Whoever may not review
   * is told by `email`; whom a grant is for, by this.
   */
  readonly vouchedEmail: string | null
  readonly groups: readonly string[]
  readonly scopes: readonly string[]
  /** All verified claims, for `jwt.*` in policy conditions. */
  readonly claims: JsonObject
}

/** What cards, recordings and logs keep of a principal: no claims, no groups. */
export interface PrincipalSummary {
  readonly id: PrincipalId
  readonly issuer: string
  readonly subject: string
  readonly client: string | null
  readonly email: string | null
  /** What else the token calls its owner, lower-cased; left out where there is nothing else. See namesOf. */
  readonly otherNames?: readonly string[]
}

/** Every call asks for it, and a token's principal is one object for as long as the token is remembered. */
const summaries = new WeakMap<Principal, PrincipalSummary>()

export function summarisePrincipal(principal: Principal): PrincipalSummary {
  const known = summaries.get(principal)
  if (known !== undefined) return known
  const summary = summaryOf(principal)
  summaries.set(principal, summary)
  return summary
}

function summaryOf(principal: Principal): PrincipalSummary {
  const { id, issuer, subject, client, email } = principal
  const known = [email?.toLowerCase(), subject.toLowerCase()]
  const otherNames = claimedNames(principal.claims).filter((name) => !known.includes(name))
  return { id, issuer, subject, client, email, ...(otherNames.length === 0 ? {} : { otherNames }) }
}

/** What issuers call a person by, mapped to the owner's e-mail or not, vouched for or not: see claims.ts. */
const NAMING_CLAIMS = ['email', 'preferred_username', 'upn'] as const

function claimedNames(claims: JsonObject): readonly string[] {
  return NAMING_CLAIMS.flatMap((claim) => {
    const name = claims[claim]
    return typeof name === 'string' && name !== '' ? [name.toLowerCase()] : []
  })
}

/**
 * Every name that the token gives its owner, lower-cased. For the safe side alone: whoever goes by one of them may not
 * review, and is stopped with the agent. A grant, by contrast, follows only a vouched address.
 */
export function namesOf(
  principal: Pick<PrincipalSummary, 'email' | 'subject' | 'otherNames'> & { readonly claims?: JsonObject },
): readonly string[] {
  const { email, subject, otherNames = [], claims = {} } = principal
  return [
    ...(email === null ? [] : [email.toLowerCase()]),
    subject.toLowerCase(),
    ...otherNames,
    ...claimedNames(claims),
  ]
}
