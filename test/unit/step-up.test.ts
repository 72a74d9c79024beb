/** Signing in for one approval: who that is, what a passkey signs, and what the record says was shown. */
import { describe, expect, it, test } from 'vitest'
import { cardOf } from '../../src/approval/card-of.ts'
import type { Fingerprint } from '../../src/brands.ts'
import { DEFAULT_CLAIMS } from '../../src/identity/claims.ts'
import { mergeClaims } from '../../src/identity/issuer.ts'
import { challengeOf, isWhomWeAsked, shownDigest, whoSignedIn } from '../../src/step-up/step-up.ts'
import { anApproval, aReviewer } from '../support/examples.ts'

const ISSUER = 'https://example.okta.com/oauth2/default'
const EMAIL = 'bob@example.com'

describe('who signed in', () => {
  it.each<[string, Parameters<typeof whoSignedIn>[1], string | null]>([
    ['an address that the issuer verified', { sub: '1', email: 'Bob@Example.com', email_verified: true }, EMAIL],
    ['an address of which the issuer says nothing', { sub: '1', email: EMAIL }, EMAIL],
    ['an address that the issuer calls unverified', { sub: '1', email: EMAIL, email_verified: false }, null],
    ['an address that is verified in words', { sub: '1', email: EMAIL, email_verified: 'true' }, null],
    ['no address', { sub: '1' }, null],
    ['a subject that looks like an address', { sub: EMAIL }, null],
    ['a name that its bearer chose', { sub: '1', preferred_username: EMAIL }, null],
    ['nobody', { email: EMAIL }, null],
    ['a list of addresses', { sub: '1', email: [EMAIL] }, null],
  ])('%s', (_sentence, claims, email) => {
    const who = whoSignedIn(ISSUER, claims, DEFAULT_CLAIMS)
    expect(who.ok ? who.person.email : null).toBe(email)
  })

  it('reads the claim that the settings name, and where the ID token lacks it, `email`', () => {
    const mapping = mergeClaims(DEFAULT_CLAIMS, { email: 'https://a.example/mail' })
    for (const claims of [{ 'https://a.example/mail': EMAIL }, { email: EMAIL }]) {
      expect(whoSignedIn(ISSUER, { sub: '1', ...claims }, mapping)).toMatchObject({
        ok: true,
        person: { email: EMAIL },
      })
    }
  })

  it('is whom the link is for by the address alone, and never without one', () => {
    const person = { issuer: ISSUER, subject: '1', email: EMAIL }
    expect(isWhomWeAsked(aReviewer(EMAIL), person)).toBe(true)
    expect(isWhomWeAsked({ ...aReviewer(EMAIL), email: 'BOB@example.com' }, person)).toBe(true)
    expect(isWhomWeAsked(aReviewer('alice@example.com'), person)).toBe(false)
    expect(isWhomWeAsked({ id: `slack:T1:${EMAIL}`, email: null, name: EMAIL }, person)).toBe(false)
  })
})

test('a passkey signs the fingerprint, then a nonce; and to change passkeys, no fingerprint', () => {
  const nonce = Buffer.alloc(32, 7).toString('base64url')
  const fingerprint = 'ab'.repeat(32) as Fingerprint
  const challenge = Buffer.from(challengeOf(fingerprint, nonce))
  expect(challenge.toString('hex')).toBe(`${fingerprint}${'07'.repeat(32)}`)
  expect(Buffer.from(challengeOf('passkeys', nonce)).subarray(0, 32)).not.toEqual(challenge.subarray(0, 32))
})

describe('what was shown', () => {
  const digestOf = (change: Parameters<typeof anApproval>[0]) => {
    const approval = anApproval(change)
    return shownDigest(approval, cardOf(approval))
  }
  it.each<[string, Parameters<typeof anApproval>[0]]>([
    ['the last character of an argument', { argumentsJson: '{"content":"hellp","path":"a.txt"}' }],
    ['the fingerprint', { fingerprint: 'e'.repeat(64) as Fingerprint }],
    ['the rule', { rule: 'other' }],
  ])('is another digest where %s differs', (_sentence, change) => {
    expect(digestOf(change)).not.toBe(digestOf({}))
  })
  it('is the same digest whether or not the agent is still there', () => {
    expect(digestOf({ version: 9 })).toBe(digestOf({}))
  })
})
