/**
 * One issuer's public keys, and how old they may be. Nothing here runs on a timer of its own: age is looked at when
 * keys are needed, by the injected clock.
 *
 *   age of keys      what happens
 *   0 … 8 min        used
 *   8 … 10 min       used, and read anew in the background
 *   10 min … 1 h 10  read anew first; where that fails they are *stale*: used, audited, and read anew every 10 s
 *   beyond           nobody gets in (503): a key revoked an hour ago could be a stolen one
 *
 * A key id that the set does not have is read for at most once in 30 s, so that made-up ids cost the issuer nothing
 * and cost us one request; it is never answered from stale keys, which can't tell a new key from no key.
 */
import { createLocalJWKSet, type JWK, type LocalJWKSet } from 'jose'
import type { EpochMs } from '../../src/brands.ts'
import { isSecure } from '../../src/identity/issuer.ts'
import type { Clock } from '../../src/ports.ts'
import { fetchJson } from './fetch-json.ts'

export const KEYS_REFRESH_AFTER_MS = 8 * 60_000
/** Issuers publish a key well before they sign with it; ten minutes is what jose and most gateways use. */
export const KEYS_FRESH_MS = 10 * 60_000
/** How long an issuer's outage is bridged, from when the keys were no longer fresh. */
export const KEYS_STALE_MAX_MS = 60 * 60_000
export const KEYS_RETRY_AFTER_MS = 10_000
export const UNKNOWN_KEY_COOL_DOWN_MS = 30_000
/** Published sets hold two to a dozen. */
const KEYS_MAX = 100

/** One published set. A later set with the same keys is the same object, so that claims verified under it stay valid. */
export interface KeySet {
  readonly ids: ReadonlySet<string>
  readonly resolve: LocalJWKSet
  /** What the set was made from, to compare with the next. */
  readonly text: string
}

export type KeyAnswer = { readonly keys: KeySet } | { readonly missing: 'unknown_key' | 'unavailable' }

export interface IssuerKeysOptions {
  readonly issuer: string
  readonly allowInsecureLoopbackIssuer: boolean
  readonly clock: Clock
  /** Called once for each time that stale keys begin to be used. */
  onStaleKeys(use: { readonly issuer: string; readonly staleMs: number; readonly at: EpochMs }): void
  /** Called for each reading that failed; the message says why. */
  onFailure(failure: { readonly issuer: string; readonly problem: string }): void
}

export class IssuerKeys {
  readonly #options: IssuerKeysOptions
  readonly #stop = new AbortController()
  #keys: KeySet | null = null
  #readAt = 0
  /** Known until a reading fails or an unknown key asks for the whole way again. */
  #jwksUri: URL | null = null
  #reading: Promise<boolean> | null = null
  /** Set by a failed reading, cleared by the next that succeeds. */
  #failedAt: number | null = null
  #problem: string | null = null
  #soughtUnknownAt = Number.NEGATIVE_INFINITY
  #staleReported = false

  constructor(options: IssuerKeysOptions) {
    this.#options = options
  }

  /** The keys if they can be used at once, without waiting; starts a reading in the background where one is due. */
  current(): KeySet | null {
    const keys = this.#keys
    if (keys === null) return null
    const now = this.#options.clock.now()
    const age = elapsed(this.#readAt, now)
    if (age < KEYS_REFRESH_AFTER_MS) return keys
    if (age < KEYS_FRESH_MS) {
      this.#readInBackground(now)
      return keys
    }
    // Stale keys are for an issuer that was asked and failed; one that was not asked yet is asked first.
    if (this.#failedAt === null || age >= KEYS_FRESH_MS + KEYS_STALE_MAX_MS) return null
    this.#readInBackground(now)
    this.#reportStale(now, age - KEYS_FRESH_MS)
    return keys
  }

  /** Keys among which is the one named, reading them where needed. */
  async holding(keyId: string): Promise<KeyAnswer> {
    const keys = this.current() ?? (await this.#load())
    if (keys === null) return { missing: 'unavailable' }
    return keys.ids.has(keyId) ? { keys } : this.#seek(keyId)
  }

  /** Reads the keys unless they are fresh; the problem, or null. */
  async warm(): Promise<string | null> {
    await this.#load()
    return this.#failedAt === null ? null : (this.#problem ?? 'unknown')
  }

  get size(): number {
    return this.#keys?.ids.size ?? 0
  }

  close(): void {
    this.#stop.abort()
  }

  async #load(): Promise<KeySet | null> {
    const now = this.#options.clock.now()
    if (this.#keys !== null && elapsed(this.#readAt, now) < KEYS_FRESH_MS) return this.#keys
    if (!this.#coolingDown(now) && (await this.#read())) return this.#keys
    return this.current()
  }

  /** Looks for a key that the set does not have. */
  async #seek(keyId: string): Promise<KeyAnswer> {
    const now = this.#options.clock.now()
    if (elapsed(this.#soughtUnknownAt, now) >= UNKNOWN_KEY_COOL_DOWN_MS) {
      this.#soughtUnknownAt = now
      this.#jwksUri = null // the issuer may have moved its keys
      if (!this.#coolingDown(now)) await this.#read()
    } else if (this.#reading !== null) {
      await this.#reading // the same search, begun by another call
    }
    const keys = this.#keys
    if (keys?.ids.has(keyId)) return { keys } // a set read since the caller looked
    return { missing: this.#failedAt === null ? 'unknown_key' : 'unavailable' }
  }

  #coolingDown(now: number): boolean {
    return this.#failedAt !== null && elapsed(this.#failedAt, now) < KEYS_RETRY_AFTER_MS
  }

  #readInBackground(now: number): void {
    if (this.#reading === null && !this.#coolingDown(now)) void this.#read()
  }

  /** One reading at a time, shared by all who wait; true where it succeeded. Never rejects. */
  #read(): Promise<boolean> {
    this.#reading ??= this.#fetch()
      .then(
        (text) => this.#accept(text),
        (error: unknown) => this.#refuse(error),
      )
      .finally(() => {
        this.#reading = null
      })
    return this.#reading
  }

  async #fetch(): Promise<KeySet> {
    this.#jwksUri ??= await this.#discover()
    return parseKeySet(await fetchJson(this.#jwksUri, this.#stop.signal), this.#keys)
  }

  /** OpenID Connect Discovery 1.0 §4; the metadata must name this very issuer (§4.3, RFC 8414 §3.3). */
  async #discover(): Promise<URL> {
    const { issuer, allowInsecureLoopbackIssuer } = this.#options
    // §4.1: "any terminating / MUST be removed before appending". Auth0's issuers end in one.
    const url = new URL(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`)
    const metadata = await fetchJson(url, this.#stop.signal)
    if (!isRecord(metadata)) throw new Error('its metadata is not a JSON object')
    if (metadata.issuer !== issuer)
      throw new Error('its metadata names another issuer; copy `issuer` from there exactly')
    const { jwks_uri } = metadata
    if (typeof jwks_uri !== 'string' || !URL.canParse(jwks_uri)) throw new Error('its metadata names no jwks_uri')
    const jwksUri = new URL(jwks_uri)
    if (!isSecure(jwksUri, allowInsecureLoopbackIssuer)) throw new Error('its jwks_uri is not https')
    return jwksUri
  }

  #accept(keys: KeySet): boolean {
    this.#keys = keys
    this.#readAt = this.#options.clock.now()
    this.#failedAt = null
    this.#problem = null
    this.#staleReported = false
    return true
  }

  #refuse(error: unknown): boolean {
    if (this.#stop.signal.aborted) return false
    this.#failedAt = this.#options.clock.now()
    this.#jwksUri = null
    this.#problem = describe(error)
    this.#options.onFailure({ issuer: this.#options.issuer, problem: this.#problem })
    return false
  }

  #reportStale(at: EpochMs, staleMs: number): void {
    if (this.#staleReported) return
    this.#staleReported = true
    this.#options.onStaleKeys({ issuer: this.#options.issuer, staleMs, at })
  }
}

/**
 * Keeps the keys that can verify a signature and that a token can name. A set without any is refused, and the one
 * before stays: an issuer that publishes nothing has a fault, and has not revoked everything.
 */
function parseKeySet(document: unknown, before: KeySet | null): KeySet {
  const keys = isRecord(document) && Array.isArray(document.keys) ? document.keys.filter(isVerifyingKey) : []
  if (keys.length === 0) throw new Error('its key set holds no key that could verify a signature')
  if (keys.length > KEYS_MAX) throw new Error(`its key set holds more than ${KEYS_MAX} keys`)
  const text = JSON.stringify(keys)
  if (before?.text === text) return before
  return { ids: new Set(keys.map((key) => key.kid)), resolve: createLocalJWKSet({ keys }), text }
}

const KEY_TYPES: readonly unknown[] = ['RSA', 'EC', 'OKP']

/** `oct` is a shared secret and has no place in a published set; without `kid` no token can mean a key. */
function isVerifyingKey(key: unknown): key is JWK & { kty: string; kid: string } {
  if (!isRecord(key) || typeof key.kid !== 'string' || !KEY_TYPES.includes(key.kty)) return false
  return key.use === undefined || key.use === 'sig'
}

/** Either way: a clock that was set back must make keys look old, and never young for ever. */
function elapsed(since: number, now: number): number {
  return Math.abs(now - since)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** fetch hides the reason ("fetch failed") in its cause. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return 'it cannot be reached'
  if (error.name === 'TimeoutError') return 'it did not answer in time'
  return error.cause instanceof Error ? `it cannot be reached (${error.cause.message})` : error.message
}
