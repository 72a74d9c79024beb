/**
 * Which groups of people.groups each person's own tokens name them in (`idp:dba`, or `idp:https://issuer.example|dba` of
 * one issuer alone). An identity provider that has no API for groups, or none that we may ask, says it in every token;
 * so whoever showed this gateway a token lately is known by it, and nobody else is.
 *
 *   idp:<SHA-256 of the e-mail>   hash   <SHA-256 of issuer and client>: { iat, until, issuer, groups }
 *
 * Of one client's tokens the newest counts, so that a group that was taken away is gone with the next token; other
 * clients' may not carry groups at all, and take nothing away. What a token says is kept for as long as it is good for,
 * and no longer than KNOWN_FOR_MS: a day later people have another job. Only groups that the settings name are kept.
 *
 * The hot path never waits for this, and a token is written once, not with every call.
 */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { EpochMs } from '../src/brands.ts'
import type { Principal } from '../src/identity/principal.ts'
import type { Clock, GroupSource, Log } from '../src/ports.ts'
import { defineScript, type RedisHandle } from './redis.ts'

const PREFIX = 'idp:'
/** For `countersign doctor`: there is no place where it could be looked up beforehand. */
export const KNOWN_BY_TOKENS =
  'has whoever showed the gateway a token that names it, for as long as that is good, or 12 hours'
export const KNOWN_FOR_MS = 12 * 60 * 60 * 1_000
/** Clients of one person: agents, mostly one or two. With dynamic registration anybody may have any number. */
export const CLIENTS_MAX = 32
/** Tokens of which this process knows that they are written; as many as proxy/authenticate keeps. */
const WRITTEN_MAX = 4_096

/**
 * KEYS  1 of the person
 * ARGV  1 the client's field  2 the entry, JSON  3 its iat  4 most entries
 * Answers  kept | older (a newer token of this client is known)
 */
const REMEMBER = defineScript(
  'signed-in-remember',
  `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local flat = redis.call('HGETALL', KEYS[1])
local count, oldest, oldestIat = 0, nil, nil
for i = 1, #flat, 2 do
  local entry = cjson.decode(flat[i + 1])
  if flat[i] == ARGV[1] then
    if entry['until'] > now and entry.iat > tonumber(ARGV[3]) then return 'older' end
  elseif entry['until'] <= now then
    redis.call('HDEL', KEYS[1], flat[i])
  else
    count = count + 1
    if not oldest or entry.iat < oldestIat then oldest, oldestIat = flat[i], entry.iat end
  end
end
if count >= tonumber(ARGV[4]) then redis.call('HDEL', KEYS[1], oldest) end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ${KNOWN_FOR_MS})
return 'kept'
`,
)

const Entry = z.object({ iat: z.number(), until: z.number(), issuer: z.string(), groups: z.array(z.string()) })

export interface SignedInGroups {
  readonly source: GroupSource
  /** A token was verified. Never throws, and nobody waits for it. */
  verified(token: { readonly principal: Principal; readonly expiresAt: EpochMs }): void
  /** Resolves when what was told so far is written, or is known not to be. */
  settled(): Promise<void>
}

/** `members`: those of the settings that are looked up; others than `idp:` are left out. */
export function createSignedInGroups(
  redis: RedisHandle,
  { members, clock, log }: { readonly members: readonly string[]; readonly clock: Clock; readonly log: Log },
): SignedInGroups {
  const wanted = new Set(members.filter((member) => member.startsWith(PREFIX)).map((member) => partsOf(member).group))
  const written = new Set<string>()
  const writing = new Set<Promise<void>>()

  async function remember(email: string, entry: z.infer<typeof Entry>, client: string, token: string): Promise<void> {
    try {
      const field = digest(`${entry.issuer}|${client}`)
      await redis.run(REMEMBER, [keyOf(redis, email)], [field, JSON.stringify(entry), entry.iat, CLIENTS_MAX])
    } catch {
      // The next check of this token tells it again.
      written.delete(token)
      log.warn('could not remember the groups of a token', { groups: entry.groups.length })
    }
  }

  return {
    verified({ principal, expiresAt }) {
      const { vouchedEmail: email, issuer, client, groups, claims } = principal
      // Whoever may choose their own address could take a colleague's groups away, or their own along.
      if (wanted.size === 0 || email === null) return
      const iat = typeof claims.iat === 'number' ? claims.iat : 0
      const token = [issuer, client ?? '', email, iat, expiresAt].join('|')
      if (written.has(token)) return
      if (written.size >= WRITTEN_MAX) written.delete(written.values().next().value ?? '')
      written.add(token)
      const until = Math.min(expiresAt, clock.now() + KNOWN_FOR_MS)
      const entry = { iat, until, issuer, groups: groups.filter((group) => wanted.has(group)) }
      const writes = remember(email, entry, client ?? '', token).finally(() => writing.delete(writes))
      writing.add(writes)
    },
    async settled() {
      await Promise.all(writing)
    },
    source: {
      knows: (member) => member.startsWith(PREFIX),
      async isMember({ email }, member) {
        if (email === null) return false
        const { issuer, group } = partsOf(member)
        const reply = await redis.call('HVALS', keyOf(redis, email))
        const entries = Array.isArray(reply) ? reply.map((item) => Entry.parse(JSON.parse(String(item)))) : []
        const now = clock.now()
        return entries.some(
          (entry) => entry.until > now && (issuer === null || entry.issuer === issuer) && entry.groups.includes(group),
        )
      },
      examine: async () => ({ ok: true, detail: KNOWN_BY_TOKENS, cure: null }),
    },
  }
}

/** An issuer has no bar in it (identity/issuer.ts), so the first one ends it. */
function partsOf(member: string): { readonly issuer: string | null; readonly group: string } {
  const named = member.slice(PREFIX.length)
  const bar = named.indexOf('|')
  return bar === -1 ? { issuer: null, group: named } : { issuer: named.slice(0, bar), group: named.slice(bar + 1) }
}

/** Addresses are no part of keys: a list of keys should name nobody. */
function keyOf(redis: RedisHandle, email: string): string {
  return redis.key('idp', digest(email.toLowerCase()))
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
