/**
 * The Bot Connector's signing keys, with what each is endorsed for.
 *
 * Read under limits: a day old at most, or nothing passes; however many tokens name keys that nobody has, and while the
 * address is away too, it is asked no oftener than once in a while. learn.microsoft.com/azure/bot-service/rest-api/bot-framework-rest-connector-authentication, step 3
 * (a day; keys change without notice, endorsements stand beside them).
 */
import { type CryptoKey, importJWK } from 'jose'
import { z } from 'zod'
import type { Clock, Log } from '../../src/ports.ts'
import { errorName } from '../chat/error-name.ts'
import { boundedFetch } from './bounded-fetch.ts'

export interface ConnectorKey {
  readonly key: CryptoKey
  readonly endorsements: readonly string[]
}

export interface ConnectorKeys {
  /** Null: there is no such key. Rejects where that can't be told. */
  get(kid: string): Promise<ConnectorKey | null>
  /** Changes with the keys. */
  generation(): number
}

const KEYS_AGE_MAX_MS = 24 * 60 * 60_000
/** From then on they are read anew beside the work. */
const KEYS_FRESH_MS = 6 * 60 * 60_000
const ASKED_EVERY_MS = 10_000
const KEYS_TIMEOUT_MS = 5000
/** Microsoft publishes some ten. */
const KEYS_MAX = 100

const Metadata = z.object({ jwks_uri: z.url() })
const KeySet = z.object({
  keys: z
    .array(
      z.looseObject({
        kty: z.string(),
        kid: z.string().min(1),
        endorsements: z.array(z.string()).catch([]).default([]),
      }),
    )
    .max(KEYS_MAX),
})

export function createConnectorKeys(options: {
  readonly openIdMetadata: string
  readonly clock: Clock
  readonly log: Log
}): ConnectorKeys {
  const { openIdMetadata, clock, log } = options
  let keys: ReadonlyMap<string, ConnectorKey> = new Map()
  let readAt = Number.NEGATIVE_INFINITY
  let askedAt = Number.NEGATIVE_INFINITY
  let fault: unknown = null
  let generation = 0
  let reading: Promise<void> | null = null

  async function read(): Promise<void> {
    askedAt = clock.now()
    try {
      const found = await readKeys(openIdMetadata)
      if ([...found.keys()].join() !== [...keys.keys()].join()) generation++
      keys = found
      readAt = clock.now()
      fault = null
    } catch (error) {
      fault = error
      log.warn('the keys of the Bot Connector cannot be read', { channel: 'teams', error: errorName(error) })
    }
  }
  function ask(): Promise<void> | null {
    if (reading !== null) return reading
    if (clock.now() - askedAt < ASKED_EVERY_MS) return null
    reading = read().finally(() => {
      reading = null
    })
    return reading
  }
  return {
    async get(kid) {
      const age = clock.now() - readAt
      const known = age < KEYS_AGE_MAX_MS ? keys.get(kid) : undefined
      if (known !== undefined) {
        if (age > KEYS_FRESH_MS) void ask()
        return known
      }
      await ask()
      if (clock.now() - readAt >= KEYS_AGE_MAX_MS) throw new Error('the keys cannot be read', { cause: fault })
      const found = keys.get(kid)
      // A new key may be what this one is, and they could not be asked for it.
      if (found === undefined && fault !== null) throw new Error('the keys cannot be read anew', { cause: fault })
      return found ?? null
    },
    generation: () => generation,
  }
}

async function readKeys(openIdMetadata: string): Promise<ReadonlyMap<string, ConnectorKey>> {
  const { jwks_uri } = Metadata.parse(await readJson(openIdMetadata))
  if (openIdMetadata.startsWith('https:') && !jwks_uri.startsWith('https:'))
    throw new Error('the keys are not at https')
  const { keys } = KeySet.parse(await readJson(jwks_uri))
  const found = new Map<string, ConnectorKey>()
  for (const { endorsements, ...jwk } of keys) {
    if (jwk.kty !== 'RSA') continue
    const key = await importJWK(jwk, 'RS256')
    if (!(key instanceof Uint8Array)) found.set(jwk.kid, { key, endorsements })
  }
  return found
}

async function readJson(url: string): Promise<unknown> {
  const { status, text } = await boundedFetch(url, {
    method: 'GET',
    headers: { accept: 'application/json' },
    timeoutMs: KEYS_TIMEOUT_MS,
  })
  if (status !== 200) throw new Error(`it answered ${status}`)
  return JSON.parse(text)
}
