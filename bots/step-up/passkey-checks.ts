/**
 * Passkeys by WebAuthn Level 3, whose CBOR, COSE and signatures a library reads. Loaded where the settings want passkeys
 * alone: it takes a second to load.
 *
 * User verification (finger, face, PIN) is required always: a key that is only plugged in proves a key, not a person.
 */

import { createHash } from 'node:crypto'
import type {
  AuthenticationResponseJSON,
  PublicKeyCredentialCreationOptionsJSON,
  PublicKeyCredentialRequestOptionsJSON,
  RegistrationResponseJSON,
} from '@simplewebauthn/server'
import type { EpochMs } from '../../src/brands.ts'
import type { Log } from '../../src/ports.ts'
import type { Passkey } from '../../src/step-up/step-up.ts'

/** How long the browser's dialogue waits. Milliseconds; the visit's end is the bound that counts. */
const DIALOGUE_MS = 5 * 60_000

export interface PasskeyChecks {
  requestOptions(
    challenge: Uint8Array<ArrayBuffer>,
    own: readonly Passkey[],
  ): Promise<PublicKeyCredentialRequestOptionsJSON>
  /** Null where the assertion is none, of another challenge, of none of these passkeys, or of a copy of one. */
  assertion(
    text: string,
    challenge: Uint8Array<ArrayBuffer>,
    own: readonly Passkey[],
  ): Promise<{ readonly passkey: Passkey; readonly counter: number } | null>
  creationOptions(
    challenge: Uint8Array<ArrayBuffer>,
    email: string,
    own: readonly Passkey[],
  ): Promise<PublicKeyCredentialCreationOptionsJSON>
  /** Null where it is none, or of another challenge. */
  registration(
    text: string,
    challenge: Uint8Array<ArrayBuffer>,
    named: { readonly name: string; readonly at: EpochMs },
  ): Promise<Passkey | null>
}

/** `publicUrl`: its origin is where browsers must have asked, its host whom the passkeys belong to. */
export async function createPasskeyChecks(publicUrl: string, log: Log): Promise<PasskeyChecks> {
  const library = await import('@simplewebauthn/server')
  const { hostname: rpID, origin } = new URL(publicUrl)
  const expected = (challenge: Uint8Array) => ({
    expectedChallenge: Buffer.from(challenge).toString('base64url'),
    expectedOrigin: origin,
    expectedRPID: rpID,
    requireUserVerification: true,
  })
  /** The library throws for whatever does not fit; its sentences quote what came. */
  const orNull = async <Value>(what: string, check: () => Promise<Value | null>): Promise<Value | null> => {
    try {
      return await check()
    } catch (error) {
      log.warn('a passkey was refused', { what, error: error instanceof Error ? error.name : 'unknown' })
      return null
    }
  }
  return {
    requestOptions: (challenge, own) =>
      library.generateAuthenticationOptions({
        rpID,
        challenge,
        allowCredentials: own.map(credentialOf),
        userVerification: 'required',
        timeout: DIALOGUE_MS,
      }),
    assertion: (text, challenge, own) =>
      orNull('assertion', async () => {
        const response = JSON.parse(text) as AuthenticationResponseJSON
        const passkey = own.find(({ id }) => id === response.id)
        if (passkey === undefined) return null
        const { id, publicKey, counter } = passkey
        const credential = { id, publicKey: Uint8Array.from(Buffer.from(publicKey, 'base64url')), counter }
        const checked = await library.verifyAuthenticationResponse({ response, credential, ...expected(challenge) })
        return checked.verified ? { passkey, counter: checked.authenticationInfo.newCounter } : null
      }),
    creationOptions: (challenge, email, own) =>
      library.generateRegistrationOptions({
        rpName: 'Countersign',
        rpID,
        userName: email,
        // The same for all of a person's passkeys, and no address in the clear (WebAuthn Level 3 §14.6.1).
        userID: Uint8Array.from(createHash('sha256').update(email).digest()),
        challenge,
        excludeCredentials: own.map(credentialOf),
        authenticatorSelection: { residentKey: 'preferred', userVerification: 'required' },
        timeout: DIALOGUE_MS,
      }),
    registration: (text, challenge, { name, at }) =>
      orNull('registration', async () => {
        const response = JSON.parse(text) as RegistrationResponseJSON
        const checked = await library.verifyRegistrationResponse({ response, ...expected(challenge) })
        if (!checked.verified) return null
        const { id, publicKey, counter, transports } = checked.registrationInfo.credential
        return {
          id,
          publicKey: Buffer.from(publicKey).toString('base64url'),
          counter,
          transports: transports ?? [],
          name,
          addedAt: at,
          usedAt: null,
        }
      }),
  }
}

function credentialOf({ id, transports }: Passkey) {
  return { id, transports: [...transports] }
}
