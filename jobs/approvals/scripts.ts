/**
 * What must happen in one step, as Lua. Kept as text in TypeScript so that a build needs no copying.
 *
 * Decisions are made in TypeScript (src/approval/approval.ts) on what was read; these scripts only compare the version
 * and set what was decided. Every one that a waiting caller runs refuses to run late (REFUSE_LATE).
 */
import { defineScript, REFUSE_LATE } from '../redis.ts'

/**
 * Opens an approval, or finds the one that an identical call joins.
 *
 * KEYS  1 approval  2 fingerprint  3 pending  4 of principal  5 waiters
 * ARGV  1 notAfter  2 id  3 json  4 requestedAt  5 replica  6 most pending of all
 *       7 most pending of one principal  8 prefix of approvals' keys  9 prefix of waiters' keys  10 version  11 session
 * Answers  opened | joined, json, armed ('1' or '') | granted, json, grant's fields... | too_many, 'all' or 'principal'
 *          | late
 */
export const OPEN = defineScript(
  'approval-open',
  `${REFUSE_LATE}
local known = redis.call('GET', KEYS[2])
if known then
  local approval = redis.call('HMGET', ARGV[8] .. known, 'json', 'state', 'armed', 'grant')
  if approval[2] == 'pending' then
    if known == ARGV[2] then return {'opened'} end
    redis.call('HINCRBY', ARGV[8] .. known, 'joins', 1)
    redis.call('SADD', ARGV[9] .. known, ARGV[5])
    return {'joined', approval[1], approval[3] or ''}
  end
  if approval[4] then
    local grant = redis.call('HGETALL', approval[4])
    local fields = {}
    for i = 1, #grant, 2 do fields[grant[i]] = grant[i + 1] end
    if fields['state'] == 'active' and tonumber(fields['expiresAt']) > now then
      return {'granted', approval[1], grant}
    end
  end
end
if redis.call('ZCARD', KEYS[3]) >= tonumber(ARGV[6]) then return {'too_many', 'all'} end
if redis.call('SCARD', KEYS[4]) >= tonumber(ARGV[7]) then return {'too_many', 'principal'} end
redis.call('HSET', KEYS[1], 'json', ARGV[3], 'version', ARGV[10], 'state', 'pending', 'session', ARGV[11],
  'joins', '0')
redis.call('SET', KEYS[2], ARGV[2])
redis.call('ZADD', KEYS[3], ARGV[4], ARGV[2])
redis.call('SADD', KEYS[4], ARGV[2])
redis.call('SADD', KEYS[5], ARGV[5])
return {'opened'}
`,
)

/**
 * Shows an opened approval to people, once its deadline's job stands. Apart from OPEN, so that a card never appears for
 * an approval whose opening failed half-way.
 *
 * KEYS  1 approval  2 changes  3 cards due
 * ARGV  1 notAfter  2 id  3 most changes kept
 * Answers  armed | gone (unknown or resolved) | late
 */
export const ARM = defineScript(
  'approval-arm',
  `${REFUSE_LATE}
if redis.call('HGET', KEYS[1], 'state') ~= 'pending' then return {'gone'} end
if redis.call('HSETNX', KEYS[1], 'armed', '1') == 1 then
  redis.call('SADD', KEYS[3], ARGV[2])
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*', 'id', ARGV[2])
end
return {'armed'}
`,
)

/**
 * Sets what transition() made of an approval, where nobody else did meanwhile.
 *
 * KEYS  1 approval  2 pending  3 of principal  4 resolved  5 changes  6 waiters  7 fingerprint  8 cards due  9 cards
 *       10 grant  11 active grants  12 unrecorded reviews
 * ARGV  1 notAfter  2 id  3 version expected  4 version set  5 state  6 json  7 resolvedAt or ''  8 kept for, ms
 *       9 most changes kept  10 prefix of inboxes' keys  11 inbox kept for, ms  12 most messages in an inbox
 *       13 '1': only where no second call has joined  14 its name as an unrecorded review or ''  15 the grant's id or ''
 *       16 its expiresAt  17 its fields and values...
 * Answers  applied | conflict (another version) | unknown | joined (13 is set, and one has) | late
 */
export const APPLY = defineScript(
  'approval-apply',
  `${REFUSE_LATE}
local version = redis.call('HGET', KEYS[1], 'version')
if not version then return {'unknown'} end
if version ~= ARGV[3] then return {'conflict'} end
if ARGV[13] == '1' and redis.call('HGET', KEYS[1], 'joins') ~= '0' then return {'joined'} end
redis.call('HSET', KEYS[1], 'json', ARGV[6], 'version', ARGV[4], 'state', ARGV[5])
if redis.call('HEXISTS', KEYS[1], 'armed') == 1 then redis.call('SADD', KEYS[8], ARGV[2]) end
redis.call('XADD', KEYS[5], 'MAXLEN', '~', ARGV[9], '*', 'id', ARGV[2])
if ARGV[14] ~= '' then redis.call('ZADD', KEYS[12], now, ARGV[14]) end
if ARGV[5] == 'pending' then return {'applied'} end

redis.call('ZREM', KEYS[2], ARGV[2])
redis.call('SREM', KEYS[3], ARGV[2])
redis.call('ZADD', KEYS[4], ARGV[7], ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', now - ARGV[8])
redis.call('PEXPIRE', KEYS[1], ARGV[8])
redis.call('PEXPIRE', KEYS[9], ARGV[8])
for _, replica in ipairs(redis.call('SMEMBERS', KEYS[6])) do
  local inbox = ARGV[10] .. replica
  redis.call('XADD', inbox, 'MAXLEN', '~', ARGV[12], '*', 'id', ARGV[2])
  redis.call('PEXPIRE', inbox, ARGV[11])
end
redis.call('DEL', KEYS[6])
if ARGV[15] ~= '' then
  redis.call('HSET', KEYS[1], 'grant', KEYS[10])
  redis.call('HSET', KEYS[10], unpack(ARGV, 17))
  redis.call('PEXPIREAT', KEYS[10], ARGV[16] + ARGV[8])
  redis.call('ZADD', KEYS[11], ARGV[16], ARGV[15])
  redis.call('PEXPIREAT', KEYS[7], ARGV[16])
elseif redis.call('GET', KEYS[7]) == ARGV[2] then
  redis.call('DEL', KEYS[7])
end
return {'applied'}
`,
)

/**
 * Registers a replica that waits, and answers how the approval stands: one step, so that no decision falls in between.
 *
 * KEYS  1 approval  2 waiters
 * ARGV  1 replica
 * Answers  the approval's json, or nil where it is unknown
 */
export const ATTACH = defineScript(
  'approval-attach',
  `
local approval = redis.call('HMGET', KEYS[1], 'json', 'state')
if approval[2] == 'pending' then redis.call('SADD', KEYS[2], ARGV[1]) end
return approval[1]
`,
)

/**
 * KEYS  approvals
 * Answers  their json, nil for each that is gone
 */
export const READ_MANY = defineScript(
  'approval-read-many',
  `
local found = {}
for i, key in ipairs(KEYS) do found[i] = redis.call('HGET', key, 'json') end
return found
`,
)

/**
 * As READ_MANY, without those that are not armed: they have no deadline yet, and may be withdrawn.
 *
 * KEYS  pending approvals
 * Answers  the json of those that people may be asked
 */
export const READ_ARMED = defineScript(
  'approval-read-armed',
  `
local found = {}
for _, key in ipairs(KEYS) do
  local approval = redis.call('HMGET', key, 'json', 'armed')
  if approval[1] and approval[2] then found[#found + 1] = approval[1] end
end
return found
`,
)

/**
 * Whether one of them is of this session, without reading their arguments.
 *
 * KEYS  approvals
 * ARGV  1 session
 * Answers  1 or 0
 */
export const HAS_SESSION = defineScript(
  'approval-has-session',
  `
for _, key in ipairs(KEYS) do
  if redis.call('HGET', key, 'session') == ARGV[1] then return 1 end
end
return 0
`,
)

/**
 * The fence: takes a grant for one call.
 *
 * KEYS  1 grant  2 active grants  3 fingerprint
 * ARGV  1 notAfter  2 grant's id  3 fingerprint  4 call's id  5 approval's id
 * Answers  ok, grant's fields... | unknown | consumed | expired | revoked | late
 */
export const CONSUME = defineScript(
  'grant-consume',
  `${REFUSE_LATE}
local grant = redis.call('HMGET', KEYS[1], 'state', 'fingerprint', 'expiresAt')
if not grant[1] or grant[2] ~= ARGV[3] then return {'unknown'} end
if grant[1] ~= 'active' then return {grant[1]} end
if now >= tonumber(grant[3]) then return {'expired'} end
redis.call('HSET', KEYS[1], 'state', 'consumed', 'consumedBy', ARGV[4], 'endedAt', string.format('%.0f', now))
redis.call('ZREM', KEYS[2], ARGV[2])
if redis.call('GET', KEYS[3]) == ARGV[5] then redis.call('DEL', KEYS[3]) end
return {'ok', redis.call('HGETALL', KEYS[1])}
`,
)

/**
 * Ends a grant that nobody took.
 *
 * KEYS  1 grant  2 active grants
 * ARGV  1 notAfter  2 grant's id  3 'expired' or 'revoked'
 * Answers  ended | unchanged | late
 */
export const END = defineScript(
  'grant-end',
  `${REFUSE_LATE}
redis.call('ZREM', KEYS[2], ARGV[2])
if redis.call('HGET', KEYS[1], 'state') ~= 'active' then return {'unchanged'} end
redis.call('HSET', KEYS[1], 'state', ARGV[3], 'endedAt', string.format('%.0f', now))
return {'ended'}
`,
)

/**
 * Remembers a painted card; an approval whose every card is as new as itself is no longer due.
 *
 * KEYS  1 approval  2 cards  3 cards due
 * ARGV  1 approval's id  2 channel  3 { ref, version } as JSON  4 version  5 every channel that shows it...
 * Answers  settled | due
 */
export const PAINTED = defineScript(
  'card-painted',
  `
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3], ARGV[2] .. ':version', ARGV[4])
local keptMs = redis.call('PTTL', KEYS[1])
if keptMs >= 0 then redis.call('PEXPIRE', KEYS[2], keptMs) end
local version = redis.call('HGET', KEYS[1], 'version')
for i = 5, #ARGV do
  if version and redis.call('HGET', KEYS[2], ARGV[i] .. ':version') ~= version then return {'due'} end
end
redis.call('SREM', KEYS[3], ARGV[1])
return {'settled'}
`,
)
