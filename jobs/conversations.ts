/**
 * The conversations of Teams that the bot is in, as they told of themselves: at its installation and with whatever they
 * send. A bot can't ask for them later, so they outlive every restart; the newest word counts, because Microsoft may move
 * a tenant to another connector. What an activity leaves out (a message names no group of its team) takes nothing away.
 *
 *   conversation:<id>       hash   kind, tenantId, serviceUrl, oid, teamGroupId
 *   conversations:<group>   zset   ids, by when they were heard of last; talks of two by themselves
 *   conversation-persons    hash   <tenant>:<oid> -> id of the personal talk
 *
 * Bounded: those heard of longest ago are forgotten first. A personal talk can be opened again, and there are as many as
 * people; rooms can't, so that no number of talks pushes one out.
 */
import type { Conversation, Conversations } from '../src/ports.ts'
import { defineScript, type RedisHandle } from './redis.ts'

/** Some 500 bytes each. */
export const TALKS_MAX = 50_000
export const ROOMS_MAX = 10_000

/** What takes one away, wherever it is. */
const DROP = `
local function drop(prefix, talks, rooms, persons, id)
  local known = redis.call('HMGET', prefix .. id, 'tenantId', 'oid')
  if known[1] and known[2] then
    local person = known[1] .. ':' .. known[2]
    if redis.call('HGET', persons, person) == id then redis.call('HDEL', persons, person) end
  end
  redis.call('DEL', prefix .. id)
  redis.call('ZREM', talks, id)
  redis.call('ZREM', rooms, id)
end
`

/**
 * KEYS  1 talks of two  2 rooms  3 persons
 * ARGV  1 prefix of conversations' keys  2 id  3 kind  4 tenant  5 service URL  6 object id or ''  7 team's group or ''
 *       8 most of its group
 * Answers  kept
 */
const REMEMBER = defineScript(
  'conversation-remember',
  `${DROP}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local group = KEYS[2]
if ARGV[3] == 'personal' then group = KEYS[1] end
local key = ARGV[1] .. ARGV[2]
redis.call('HSET', key, 'kind', ARGV[3], 'tenantId', ARGV[4], 'serviceUrl', ARGV[5])
if ARGV[6] ~= '' then
  redis.call('HSET', key, 'oid', ARGV[6])
  redis.call('HSET', KEYS[3], ARGV[4] .. ':' .. ARGV[6], ARGV[2])
end
if ARGV[7] ~= '' then redis.call('HSET', key, 'teamGroupId', ARGV[7]) end
redis.call('ZADD', group, now, ARGV[2])
local over = redis.call('ZCARD', group) - ARGV[8]
if over > 0 then
  for _, id in ipairs(redis.call('ZRANGE', group, 0, over - 1)) do drop(ARGV[1], KEYS[1], KEYS[2], KEYS[3], id) end
end
return 'kept'
`,
)

/**
 * KEYS  as REMEMBER
 * ARGV  1 prefix of conversations' keys  2 id
 * Answers  gone
 */
const FORGET = defineScript(
  'conversation-forget',
  `${DROP}
drop(ARGV[1], KEYS[1], KEYS[2], KEYS[3], ARGV[2])
return 'gone'
`,
)

/** The limits are a test's to lower. */
export function createConversations(
  redis: Pick<RedisHandle, 'key' | 'call' | 'run'>,
  { talksMax = TALKS_MAX, roomsMax = ROOMS_MAX }: { readonly talksMax?: number; readonly roomsMax?: number } = {},
): Conversations {
  const prefix = redis.key('conversation', '')
  const persons = redis.key('conversation-persons')
  const rooms = redis.key('conversations', 'rooms')
  const keys = [redis.key('conversations', 'talks'), rooms, persons]
  const get = async (id: string): Promise<Conversation | null> => {
    const fields = ['kind', 'tenantId', 'serviceUrl', 'oid', 'teamGroupId']
    const reply = await redis.call('HMGET', `${prefix}${id}`, ...fields)
    const [kind, tenantId, serviceUrl, oid, teamGroupId] = Array.isArray(reply) ? reply : []
    if (typeof kind !== 'string') return null
    return {
      id,
      kind: kind as Conversation['kind'],
      tenantId: String(tenantId),
      serviceUrl: String(serviceUrl),
      oid: typeof oid === 'string' ? oid : null,
      teamGroupId: typeof teamGroupId === 'string' ? teamGroupId : null,
    }
  }
  return {
    async remember({ id, kind, tenantId, serviceUrl, oid, teamGroupId }) {
      const max = kind === 'personal' ? talksMax : roomsMax
      await redis.run(REMEMBER, keys, [prefix, id, kind, tenantId, serviceUrl, oid ?? '', teamGroupId ?? '', max])
    },
    get,
    async withPerson(tenantId, oid) {
      const id = await redis.call('HGET', persons, `${tenantId}:${oid}`)
      return typeof id === 'string' ? get(id) : null
    },
    async rooms(max) {
      const ids = await redis.call('ZREVRANGE', rooms, 0, max - 1)
      const found = await Promise.all((Array.isArray(ids) ? ids : []).map((id) => get(String(id))))
      return found.filter((each) => each !== null)
    },
    async forget(id) {
      await redis.run(FORGET, keys, [prefix, id])
    },
  }
}
