/**
 * Reviewers' passkeys: public keys, which are no secrets, and counters, which must never go back.
 *
 *   passkeys:<e-mail>       hash   credential id -> the passkey, JSON, as it was added
 *   passkey-uses:<e-mail>   hash   credential id -> `<counter> <when>` of its last use
 *
 * By e-mail, as everywhere a person is one person through however many accounts: whoever gets an account of the same
 * address at another issuer can't begin with a first passkey there.
 */
import type { EpochMs } from '../src/brands.ts'
import type { Passkeys } from '../src/ports.ts'
import { PASSKEYS_MAX, type Passkey } from '../src/step-up/step-up.ts'
import type { RedisHandle } from './redis.ts'
import { defineScript } from './redis.ts'

/**
 * KEYS  1 the owner's passkeys
 * ARGV  1 credential id  2 passkey, JSON  3 first | further  4 most of one owner
 * Answers  added | not_first | known | too_many
 */
const ADD = defineScript(
  'passkey-add',
  `
local count = redis.call('HLEN', KEYS[1])
if ARGV[3] == 'first' and count > 0 then return 'not_first' end
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then return 'known' end
if count >= tonumber(ARGV[4]) then return 'too_many' end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 'added'
`,
)

/**
 * KEYS  1 the owner's passkeys  2 their uses
 * ARGV  1 credential id  2 counter as just signed  3 when  4 counter as it was added with
 * Answers  1, or 0 where it is gone or its counter has not grown; two zeros are no counter (WebAuthn Level 3 §7.2)
 */
const USED = defineScript(
  'passkey-used',
  `
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
local counter = tonumber(ARGV[2])
local before = tonumber(string.match(redis.call('HGET', KEYS[2], ARGV[1]) or ARGV[4], '^%d+'))
if (counter > 0 or before > 0) and counter <= before then return 0 end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2] .. ' ' .. ARGV[3])
return 1
`,
)

export function createPasskeys(redis: RedisHandle): Passkeys {
  const keyOf = (email: string) => redis.key('passkeys', email)
  const usesKeyOf = (email: string) => redis.key('passkey-uses', email)
  return {
    async list(email) {
      const [added, uses] = await Promise.all([
        redis.call('HVALS', keyOf(email)),
        redis.call('HGETALL', usesKeyOf(email)),
      ])
      const useOf = pairs(uses)
      return list(added)
        .map((text) => withUse(JSON.parse(text) as Passkey, useOf))
        .sort((one, other) => one.addedAt - other.addedAt)
    },
    async add(email, passkey, as) {
      const reply = await redis.run(ADD, [keyOf(email)], [passkey.id, JSON.stringify(passkey), as, PASSKEYS_MAX])
      return reply as Awaited<ReturnType<Passkeys['add']>>
    },
    async used(email, { passkey, counter, at }) {
      const keys = [keyOf(email), usesKeyOf(email)]
      return (await redis.run(USED, keys, [passkey.id, counter, at, passkey.counter])) === 1
    },
    async remove(email, id) {
      const removed = (await redis.call('HDEL', keyOf(email), id)) === 1
      await redis.call('HDEL', usesKeyOf(email), id)
      return removed
    },
  }
}

function withUse(passkey: Passkey, useOf: ReadonlyMap<string, string>): Passkey {
  const use = useOf.get(passkey.id)
  if (use === undefined) return passkey
  const [counter = '0', usedAt = '0'] = use.split(' ')
  return { ...passkey, counter: Number(counter), usedAt: Number(usedAt) as EpochMs }
}

function list(reply: unknown): readonly string[] {
  return Array.isArray(reply) ? reply.map(String) : []
}

function pairs(reply: unknown): ReadonlyMap<string, string> {
  const flat = list(reply)
  return new Map(flat.flatMap((name, at) => (at % 2 === 0 ? [[name, flat[at + 1] ?? ''] as const] : [])))
}
