/**
 * A security key in software: makes what an authenticator would (WebAuthn Level 3 §6.1, §6.5), and also what none would,
 * such as an old counter, another origin or a signature without the person's finger.
 */
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto'

export interface SoftPasskey {
  readonly id: string
  /** What the browser posts after navigator.credentials.create, for these creation options. */
  register(options: { readonly challenge: string }): string
  /** What it posts after navigator.credentials.get. */
  assert(options: { readonly challenge: string }, odd?: Odd): string
}

export interface Odd {
  readonly counter?: number
  readonly origin?: string
  readonly rpId?: string
  /** Without the person's finger, face or PIN. */
  readonly unverified?: boolean
  readonly type?: string
}

const USER_PRESENT = 0x01
const USER_VERIFIED = 0x04
const ATTESTED = 0x40

export function softPasskey(origin: string): SoftPasskey {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { x = '', y = '' } = publicKey.export({ format: 'jwk' })
  const rawId = randomBytes(32)
  const id = rawId.toString('base64url')
  let counter = 0
  const clientData = (type: string, challenge: string, from: string) =>
    Buffer.from(JSON.stringify({ type, challenge, origin: from, crossOrigin: false }))
  const authenticatorData = (rpId: string, flags: number, count: number) => {
    const counted = Buffer.alloc(4)
    counted.writeUInt32BE(count)
    return Buffer.concat([createHash('sha256').update(rpId).digest(), Buffer.from([flags]), counted])
  }
  const credential = (response: object) =>
    JSON.stringify({ id, rawId: id, type: 'public-key', clientExtensionResults: {}, response })
  return {
    id,
    register({ challenge }) {
      // COSE_Key of ES256 (RFC 9052 §7): {1: 2, 3: -7, -1: 1, -2: x, -3: y}
      const key = Buffer.concat([
        Buffer.from([0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20]),
        Buffer.from(x, 'base64url'),
        Buffer.from([0x22, 0x58, 0x20]),
        Buffer.from(y, 'base64url'),
      ])
      const authData = Buffer.concat([
        authenticatorData(new URL(origin).hostname, USER_PRESENT | USER_VERIFIED | ATTESTED, counter),
        Buffer.alloc(16),
        Buffer.from([0, rawId.length]),
        rawId,
        key,
      ])
      // {"fmt": "none", "attStmt": {}, "authData": bytes}
      const length = Buffer.from([0x59, authData.length >> 8, authData.length & 0xff])
      const attestation = Buffer.concat([
        Buffer.from([0xa3]),
        text('fmt'),
        text('none'),
        text('attStmt'),
        Buffer.from([0xa0]),
        text('authData'),
        length,
        authData,
      ])
      return credential({
        clientDataJSON: clientData('webauthn.create', challenge, origin).toString('base64url'),
        attestationObject: attestation.toString('base64url'),
        transports: ['usb'],
      })
    },
    assert({ challenge }, odd = {}) {
      counter = odd.counter ?? counter + 1
      const flags = odd.unverified ? USER_PRESENT : USER_PRESENT | USER_VERIFIED
      const authData = authenticatorData(odd.rpId ?? new URL(origin).hostname, flags, counter)
      const data = clientData(odd.type ?? 'webauthn.get', challenge, odd.origin ?? origin)
      const signed = Buffer.concat([authData, createHash('sha256').update(data).digest()])
      return credential({
        clientDataJSON: data.toString('base64url'),
        authenticatorData: authData.toString('base64url'),
        signature: sign('sha256', signed, privateKey).toString('base64url'),
      })
    },
  }
}

/** A CBOR text of up to 23 bytes. */
function text(value: string): Buffer {
  return Buffer.concat([Buffer.from([0x60 + value.length]), Buffer.from(value)])
}
