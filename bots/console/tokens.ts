/**
 * Unguessable values with a bounded life: the code in a one-time link, and the cookie that a browser gets for it.
 *
 * Only digests are kept, so that a dump of this map opens nothing, and they are compared in constant time. They live
 * in memory on purpose: a restart signs every browser out. The gateway prints a fresh link at every start anyway, and
 * a sign-in that outlived the process would need a store of its own and a way to take it back.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { Clock } from '../../src/ports.ts'

/** 256 bits: not to be guessed however fast the loopback answers. */
const TOKEN_BYTES = 32
/** Longer input is not a token of ours; it is not worth hashing. */
const TOKEN_MAX_CHARS = 64

export interface Tokens {
  issue(): string
  /** True while it lives. */
  check(token: string): boolean
  /** As check, and it never works again. */
  take(token: string): boolean
  clear(): void
}

export interface TokensOptions {
  readonly lifeMs: number
  /** The oldest gives way to a new one, so that issuing can't fill the memory. */
  readonly max: number
  readonly clock: Clock
  readonly random: (bytes: number) => Uint8Array
}

interface Entry {
  readonly digest: Buffer
  readonly endsAt: number
}

export function createTokens({ lifeMs, max, clock, random }: TokensOptions): Tokens {
  let entries: Entry[] = []

  /** Looks at every entry even after a match: the time taken must not tell which, or whether. */
  const find = (token: string): Entry | undefined => {
    const now = clock.now()
    entries = entries.filter((entry) => entry.endsAt > now)
    if (token.length > TOKEN_MAX_CHARS) return undefined
    const digest = digestOf(token)
    let found: Entry | undefined
    for (const entry of entries) if (timingSafeEqual(entry.digest, digest)) found = entry
    return found
  }

  return {
    issue: () => {
      const token = Buffer.from(random(TOKEN_BYTES)).toString('base64url')
      entries = [...entries, { digest: digestOf(token), endsAt: clock.now() + lifeMs }].slice(-max)
      return token
    },
    check: (token) => find(token) !== undefined,
    take: (token) => {
      const found = find(token)
      entries = entries.filter((entry) => entry !== found)
      return found !== undefined
    },
    clear: () => {
      entries = []
    },
  }
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}
