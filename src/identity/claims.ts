/**
 * Verified claims → principal, by a mapping that one table of names makes fit Okta, Entra, Auth0 and Keycloak.
 *
 * A claim of the wrong type is refused by name and never coerced: a policy that reads `groups` must not see the
 * letters of a string, nor `[object Object]` as an e-mail. A claim that is absent is null or empty, except the
 * subject, without which there is nobody to hold anything against.
 */
import { principalId } from '../brands.ts'
import type { JsonObject, JsonValue } from '../json/value.ts'
import { isObject } from '../json/value.ts'
import type { Principal } from './principal.ts'

/** Names tried in order; the first that is present counts. A name is a claim, or else a dotted path into objects. */
export type ClaimNames = string | readonly string[]

export interface ClaimMapping {
  readonly subject: ClaimNames
  readonly email: ClaimNames
  readonly groups: ClaimNames
  readonly client: ClaimNames
  readonly scopes: ClaimNames
}

/**
 * Okta access tokens carry `cid`, `scp` (array), `sub` (the login) and `groups` where configured; Entra `azp` (v2) or
 * `appid` (v1), `scp` (space-separated), `preferred_username` (v2) or `upn` (v1); Auth0 `azp`, `scope`; Keycloak
 * `azp`, `scope`, `realm_access.roles`; RFC 9068 §2.2 `client_id`, `scope`, `groups`.
 */
export const DEFAULT_CLAIMS: ClaimMapping = {
  subject: 'sub',
  email: ['email', 'preferred_username', 'upn'],
  groups: ['groups', 'realm_access.roles'],
  client: ['cid', 'azp', 'appid', 'client_id'],
  scopes: ['scp', 'scope'],
}

/** OpenID Connect Core 1.0 §2: `sub` must not exceed 255 ASCII characters. Ids, records and cards carry it whole. */
export const SUBJECT_CHARS_MAX = 255
/** RFC 5321 §4.5.3.1.3: a path is at most 256 octets, with its angle brackets. */
export const EMAIL_CHARS_MAX = 254

/** `groups_overage`: the issuer left the groups out because there are too many, so that they are unknown here. */
export type MappingNote = 'groups_overage'

export type MappedClaims =
  | { readonly ok: true; readonly principal: Principal; readonly notes: readonly MappingNote[] }
  | { readonly ok: false; readonly claim: string; readonly problem: string }

export function mapClaims(issuer: string, claims: JsonObject, mapping: ClaimMapping = DEFAULT_CLAIMS): MappedClaims {
  const read = new Reader(claims)
  const subject = read.subject(mapping.subject)
  const client = read.string(mapping.client)
  const groups = read.strings(mapping.groups, 'list')
  const scopes = read.strings(mapping.scopes, 'list or words')
  const email = read.email(mapping.email)
  const vouchedEmail = read.email(vouchedNames(mapping)) === email ? email : null
  if (subject === null || read.refusal !== null) return { ok: false, ...(read.refusal ?? noSubject(mapping)) }
  return {
    ok: true,
    principal: {
      id: principalId(issuer, subject),
      ...{ issuer, subject, client, email, vouchedEmail, groups, scopes, claims },
    },
    notes: groups.length === 0 && hasGroupsOverage(claims) ? ['groups_overage'] : [],
  }
}

/**
 * OpenID Connect Core 1.0 §5.1 says of `preferred_username` that it need not be unique and must not be relied on: where
 * people sign up by themselves, anybody may be called like a colleague's address. Who names the claim in the settings
 * vouches for it.
 */
function vouchedNames({ email }: ClaimMapping): ClaimNames {
  return email === DEFAULT_CLAIMS.email ? names(email).filter((name) => name !== 'preferred_username') : email
}

function noSubject(mapping: ClaimMapping) {
  return { claim: names(mapping.subject).join(' or '), problem: 'is missing or empty' }
}

/** Reads claims of one token and keeps the first thing that is wrong with them. */
class Reader {
  readonly #claims: JsonObject
  refusal: { readonly claim: string; readonly problem: string } | null = null

  constructor(claims: JsonObject) {
    this.#claims = claims
  }

  refuse(claim: string, problem: string): null {
    this.refusal ??= { claim, problem }
    return null
  }

  subject(wanted: ClaimNames): string | null {
    const subject = this.string(wanted)
    if (subject === null || subject.length <= SUBJECT_CHARS_MAX) return subject
    return this.refuse(names(wanted).join(' or '), `is longer than ${SUBJECT_CHARS_MAX} characters`)
  }

  /** The first named claim that is present. An empty string says nothing and counts as absent. */
  string(wanted: ClaimNames): string | null {
    for (const name of names(wanted)) {
      const value = find(this.#claims, name)
      if (value === undefined || value === null || value === '') continue
      return typeof value === 'string' ? value : this.refuse(name, 'must be a string')
    }
    return null
  }

  /** `list`: an array of strings. `list or words`: or one string with spaces between, as RFC 8693 §4.2 has `scope`. */
  strings(wanted: ClaimNames, shape: 'list' | 'list or words'): readonly string[] {
    for (const name of names(wanted)) {
      const value = find(this.#claims, name)
      if (value === undefined || value === null) continue
      if (shape === 'list or words' && typeof value === 'string') return value.split(' ').filter((word) => word !== '')
      if (isStrings(value)) return value
      this.refuse(name, `must be a list of strings${shape === 'list' ? '' : ', or one string with spaces between'}`)
      break
    }
    return []
  }

  /**
   * The owner's address: the first named claim that is one (Keycloak's `preferred_username` need not be), else `sub`
   * where that is one (Okta). An address that the issuer itself calls unverified is nobody's: without this a person
   * could write a colleague's address into the profile and then approve the own agent's calls.
   */
  email(wanted: ClaimNames): string | null {
    const verified = find(this.#claims, 'email_verified') ?? true
    if (typeof verified !== 'boolean') return this.refuse('email_verified', 'must be true or false')
    for (const name of [...(verified ? names(wanted) : []), 'sub']) {
      const value = find(this.#claims, name) ?? ''
      if (typeof value !== 'string') return this.refuse(name, 'must be a string')
      if (isEmail(value)) return value.toLowerCase()
    }
    return null
  }
}

function names(wanted: ClaimNames): readonly string[] {
  return typeof wanted === 'string' ? [wanted] : wanted
}

/** The whole name first: Auth0's namespaced claims (`https://example.com/groups`) have dots of their own. */
function find(claims: JsonObject, name: string): JsonValue | undefined {
  if (Object.hasOwn(claims, name)) return claims[name]
  let value: JsonValue | undefined = claims
  for (const step of name.split('.')) {
    if (!isObject(value) || !Object.hasOwn(value, step)) return undefined
    value = value[step]
  }
  return value
}

function isStrings(value: JsonValue): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}

/** One `@` between things without spaces. Enough to tell an address from a name; the issuer vouches for the rest. */
function isEmail(value: string): boolean {
  if (value.length > EMAIL_CHARS_MAX) return false
  const at = value.indexOf('@')
  return at > 0 && at < value.length - 1 && at === value.lastIndexOf('@') && !/[\s|]/.test(value)
}

/** Entra over 200 groups: `_claim_names` says where to ask instead, or `hasgroups` that there are any. */
function hasGroupsOverage(claims: JsonObject): boolean {
  const elsewhere = find(claims, '_claim_names')
  return (isObject(elsewhere) && Object.hasOwn(elsewhere, 'groups')) || find(claims, 'hasgroups') === true
}
