/**
 * Text that leaves us and must come back as it was, unread and unchanged: a session's id, the state of a request that a
 * client retries, a place in a stream. Whoever holds it learns nothing from it, and can use it only where it belongs.
 *
 *   cs1. base64url( key id, 4 bytes | nonce, 12 | AES-256-GCM ciphertext | tag, 16 )
 *
 * What it is for, and whom and what it is bound to, is authenticated but not in the text (GCM's additional data): a seal
 * made for one principal, upstream or purpose opens for no other, and the reader needs no comparison of its own.
 *
 * The newest active key seals, and every key of the ring opens. Nonces are random: NIST SP 800-38D §8.3 allows 2^32 of
 * them for one key, which within a key's week is seven thousand seals a second.
 */
import type { KeyObject } from 'node:crypto'
import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync } from 'node:crypto'
import { GatewayError } from '../errors.ts'
import type { Principal } from '../identity/principal.ts'
import type { JsonObject } from '../json/value.ts'
import type { Secret } from '../secret.ts'

export type SealPurpose = 'mcp-session' | 'request-state' | 'stream-event'

export interface Sealer {
  /** Visible ASCII. Throws GatewayError `internal` past SEALED_BYTES_MAX. */
  seal(purpose: SealPurpose, value: JsonObject, bound: string): string
  /** Null for anything that this purpose and this binding did not seal with a key of the ring; never throws. */
  open(purpose: SealPurpose, text: string, bound: string): JsonObject | null
}

/** 32 random bytes in base64url, which name themselves by a digest. */
export interface SealingKey {
  readonly secret: Secret
  /** False while other replicas may not know it yet: it then opens but does not seal. */
  readonly isActive: boolean
}

export interface SealerOptions {
  /** Newest first. Asked each time, because the ring grows; the same array while it did not. */
  readonly ring: () => readonly SealingKey[]
  /** Cryptographic randomness: node:crypto's. */
  readonly randomBytes: (count: number) => Uint8Array
}

export const SEAL_PREFIX = 'cs1.'
export const KEY_BYTES = 32
/** Of the sealed value's JSON. An upstream's state is wrapped in ours, and some servers keep all they know in theirs. */
export const SEALED_BYTES_MAX = 64 * 1024
const KEY_ID_BYTES = 4
const NONCE_BYTES = 12
const TAG_BYTES = 16
const OVERHEAD_BYTES = KEY_ID_BYTES + NONCE_BYTES + TAG_BYTES
const TEXT_CHARS_MAX = SEAL_PREFIX.length + Math.ceil(((SEALED_BYTES_MAX + OVERHEAD_BYTES) * 4) / 3)
const ALGORITHM = 'aes-256-gcm'

/** Whom and where a seal belongs to. Another OAuth client of the same person is another principal here. */
export function boundTo({ issuer, subject, client }: Principal, upstream: string): string {
  // An array of strings has one JSON text.
  return JSON.stringify([issuer, subject, client, upstream])
}

interface ReadyKey {
  readonly id: Uint8Array
  readonly key: KeyObject
  readonly isActive: boolean
}

export function createSealer({ ring, randomBytes }: SealerOptions): Sealer {
  let known: readonly SealingKey[] | null = null
  let keys: readonly ReadyKey[] = []
  const ready = () => {
    const now = ring()
    if (now !== known) {
      known = now
      keys = now.map(readyKey)
    }
    return keys
  }
  return {
    seal(purpose, value, bound) {
      const chosen = ready().find(({ isActive }) => isActive)
      if (chosen === undefined) throw new GatewayError('internal', 'There is no key to seal with.')
      const plain = Buffer.from(JSON.stringify(value))
      if (plain.length > SEALED_BYTES_MAX) {
        throw new GatewayError('internal', `More than ${SEALED_BYTES_MAX} bytes cannot be sealed.`)
      }
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv(ALGORITHM, chosen.key, nonce, { authTagLength: TAG_BYTES })
      cipher.setAAD(associated(purpose, bound))
      const parts = [chosen.id, nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]
      return SEAL_PREFIX + Buffer.concat(parts).toString('base64url')
    },
    open(purpose, text, bound) {
      if (!text.startsWith(SEAL_PREFIX) || text.length > TEXT_CHARS_MAX) return null
      const coded = text.slice(SEAL_PREFIX.length)
      const bytes = Buffer.from(coded, 'base64url')
      // Node skips what is not base64url: one seal would have many texts, and a list of used ones would miss most.
      if (bytes.length < OVERHEAD_BYTES || bytes.toString('base64url') !== coded) return null
      const id = bytes.subarray(0, KEY_ID_BYTES)
      const key = ready().find((candidate) => id.equals(candidate.id))?.key
      return key === undefined ? null : decrypt(key, bytes, associated(purpose, bound))
    },
  }
}

function decrypt(key: KeyObject, bytes: Buffer, aad: Buffer): JsonObject | null {
  const body = KEY_ID_BYTES + NONCE_BYTES
  try {
    const nonce = bytes.subarray(KEY_ID_BYTES, body)
    const decipher = createDecipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES })
    decipher.setAAD(aad)
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES))
    const plain = Buffer.concat([decipher.update(bytes.subarray(body, -TAG_BYTES)), decipher.final()])
    return JSON.parse(plain.toString('utf8')) as JsonObject
  } catch {
    return null
  }
}

/** No purpose holds a NUL, so no two pairs are one text. */
function associated(purpose: SealPurpose, bound: string): Buffer {
  return Buffer.from(`${purpose}\0${bound}`)
}

/** Neither the id nor the key in use is the secret itself; the id tells nothing of either (RFC 5869 §3.2). */
function readyKey({ secret, isActive }: SealingKey): ReadyKey {
  const bytes = Buffer.from(secret.reveal(), 'base64url')
  if (bytes.length !== KEY_BYTES) throw new GatewayError('internal', `A sealing key has ${KEY_BYTES} bytes.`)
  const derive = (info: string, length: number) => new Uint8Array(hkdfSync('sha256', bytes, '', info, length))
  return {
    id: derive('countersign seal key id', KEY_ID_BYTES),
    key: createSecretKey(derive('countersign seal', KEY_BYTES)),
    isActive,
  }
}
