/**
 * Signing in anew for one approval, so that a stolen chat session alone can't approve what matters most.
 *
 *   link ──GET──► what is asked ──POST──► signing_in ──issuer──► signed_in ──POST──► a review, stepped_up
 *        changes nothing     the link is used up        the right person?    with a passkey where the settings ask
 *
 * The link is made for one approval and one reviewer. Whoever signs in must be that reviewer by e-mail, so that a link
 * that somebody else got is worth nothing. What a browser holds is a secret of which only the digest is kept; each step
 * takes the one before away, so that none can be done twice.
 */
import { createHash } from 'node:crypto'
import type { Approval } from '../approval/approval.ts'
import type { Card } from '../approval/card.ts'
import type { ApprovalId, EpochMs, Fingerprint } from '../brands.ts'
import type { ClaimMapping, ClaimNames } from '../identity/claims.ts'
import { mapClaims } from '../identity/claims.ts'
import { canonicalJson } from '../json/canonical.ts'
import type { JsonObject } from '../json/value.ts'
import type { Reviewer } from '../people/reviewer.ts'

/** To take out the phone, sign in and find the security key. The link's own, and again the visit's. */
export const LINK_LIFE_MS = 10 * 60_000
export const VISIT_LIFE_MS = 10 * 60_000

/** What a link is good for. */
export interface StepUpLink {
  readonly approvalId: ApprovalId
  readonly reviewer: Reviewer
  readonly endsAt: EpochMs
}

/** One browser's way through the pages. */
export type StepUpVisit = SigningIn | SignedIn

export type VisitPurpose =
  | { readonly type: 'review'; readonly approvalId: ApprovalId; readonly reviewer: Reviewer }
  /** To look after one's passkeys. */
  | { readonly type: 'passkeys' }

export interface SigningIn {
  readonly step: 'signing_in'
  readonly purpose: VisitPurpose
  readonly issuer: string
  readonly state: string
  readonly nonce: string
  readonly verifier: string
  readonly startedAt: EpochMs
  readonly endsAt: EpochMs
}

export interface SignedIn {
  readonly step: 'signed_in'
  readonly purpose: VisitPurpose
  readonly person: SignedInPerson
  /** Base64url of 32 random bytes, new after each failed try; see challengeOf. */
  readonly nonce: string
  readonly tries: number
  readonly endsAt: EpochMs
}

export interface SignedInPerson {
  readonly issuer: string
  readonly subject: string
  /** As the issuer vouches for it; lower case. */
  readonly email: string
}

/** A public key that a person's device or security key proves to have. */
export interface Passkey {
  /** The credential's id, base64url. */
  readonly id: string
  /** COSE key, base64url. */
  readonly publicKey: string
  /** As last signed. Many synchronised passkeys always say 0. */
  readonly counter: number
  readonly transports: readonly string[]
  /** The owner's words. */
  readonly name: string
  readonly addedAt: EpochMs
  readonly usedAt: EpochMs | null
}

/** Nobody carries more; each is offered to the browser with every approval. */
export const PASSKEYS_MAX = 10
/** A wrong finger, a cancelled dialogue: then the person begins again from the channel. */
export const TRIES_MAX = 5

/** Why somebody was sent away. Recorded. */
export type StepUpRefusal =
  /** The issuer signed in somebody else than the link is for. */
  | 'other_person'
  /** The issuer does not vouch for the e-mail address, or names none. */
  | 'email_not_verified'
  /** The issuer refused, or its answer is not to be trusted. */
  | 'sign_in_failed'
  /** The passkey is none of this person's, was used for something else, or is a copy. */
  | 'passkey_refused'

/**
 * What the passkey signs: the approval's fingerprint, then a nonce that is good for one try.
 *
 * The fingerprint alone could be replayed: an identical call that is asked for later has the same one, and the counters of
 * most passkeys stand still. With the nonce, which exists only in one browser's visit and goes with the try, an assertion
 * fits one try of one approval; with the fingerprint in it, what was signed says to everyone what was approved.
 */
export function challengeOf(subject: Fingerprint | 'passkeys', nonce: string): Uint8Array<ArrayBuffer> {
  const first = subject === 'passkeys' ? createHash('sha256').update(MANAGING).digest() : Buffer.from(subject, 'hex')
  return Uint8Array.from([...first, ...Buffer.from(nonce, 'base64url')])
}

/** Stands where the fingerprint would: a signature that changes a list of passkeys must never approve a call. */
const MANAGING = 'countersign: change my passkeys'

export type WhoSignedIn =
  | { readonly ok: true; readonly person: SignedInPerson }
  | { readonly ok: false; readonly refusal: 'email_not_verified'; readonly subject: string | null }

/**
 * The person behind an ID token's claims (and those of the userinfo endpoint), whose signature and times were checked.
 *
 * Stricter than for agents, because somebody approves by it: an address counts only where a claim of its own says it, and
 * never `sub` or a name that people choose themselves (see claims.ts).
 */
export function whoSignedIn(issuer: string, claims: JsonObject, mapping: ClaimMapping): WhoSignedIn {
  const subject = typeof claims.sub === 'string' ? claims.sub : null
  // The mapping is written for access tokens; `email` is what OpenID Connect Core §5.1 calls it in ID tokens.
  const email = vouchedEmail(issuer, claims, mapping.email) ?? vouchedEmail(issuer, claims, 'email')
  if (subject === null || email === null || claims.email_verified === false) {
    return { ok: false, refusal: 'email_not_verified', subject }
  }
  return { ok: true, person: { issuer, subject, email } }
}

function vouchedEmail(issuer: string, claims: JsonObject, email: ClaimNames): string | null {
  const only = { subject: 'sub', email, groups: [], client: [], scopes: [] }
  const mapped = mapClaims(issuer, { ...claims, sub: 'a subject is no address' }, only)
  return mapped.ok ? mapped.principal.vouchedEmail : null
}

/** Whether this is whom the link is for. A reviewer whose channel knows no address can't be told from anybody. */
export function isWhomWeAsked(reviewer: Reviewer, person: SignedInPerson): boolean {
  return reviewer.email !== null && reviewer.email.toLowerCase() === person.email
}

/** SHA-256, hexadecimal, of what the page shows to decide by: all of it, always. */
export function shownDigest(approval: Approval, card: Card): string {
  const { headline, agent, rule, reason, requestedAt, expiresAt } = card
  const rows = card.arguments.map(({ name, value }) => ({ name, value }))
  const shown = { headline, agent, rule, reason, requestedAt, expiresAt, fingerprint: approval.fingerprint, rows }
  return createHash('sha256').update(canonicalJson(shown)).digest('hex')
}
