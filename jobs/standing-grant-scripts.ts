/** What happens to a standing grant in one step, as Lua. It is opened by the script that approves: approvals/scripts.ts. */
import { defineScript, REFUSE_LATE } from './redis.ts'

/**
 * Finds a grant that passes a call, and counts the call.
 *
 * KEYS  1 those of this agent  2 those of its owner, or again 1  3 the call's fingerprint
 * ARGV  1 notAfter  2 upstream  3 tool  4 rule  5 prefix of standing grants' keys  6 most looked at  7 prefix of
 *       approvals' keys  8 prefix of runs' keys  9 most fields of a grant  10 what tools beyond that are counted as
 * Answers  ok, the grant's fields... | none | late
 *          | led (an identical call's approval, answer or denial waits, or people have denied this very call)
 */
export const USE_STANDING = defineScript(
  'standing-grant-use',
  `${REFUSE_LATE}
local at = string.format('%.0f', now)
local function pass(index)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', index, '(' .. at, '+inf', 'LIMIT', 0, ARGV[6])) do
    local key = ARGV[5] .. id
    local grant = redis.call('HMGET', key, 'state', 'expiresAt', 'upstream', 'rule', 'tool:*', 'tool:' .. ARGV[3])
    local isOpen = grant[1] == 'active' and tonumber(grant[2]) > now
    local isOfRule = grant[4] == '' or grant[4] == ARGV[4]
    if isOpen and grant[3] == ARGV[2] and isOfRule and (grant[5] or grant[6]) then return key end
  end
end
local key = pass(KEYS[1]) or pass(KEYS[2])
if not key then return {'none'} end

if redis.call('EXISTS', KEYS[3] .. ':denied') == 1 then return {'led'} end
local led = redis.call('GET', KEYS[3])
if led then
  local approval = redis.call('HMGET', ARGV[7] .. led, 'state', 'grant')
  if approval[1] == 'denied' or approval[1] == 'cancelled' then return {'led'} end
  if approval[2] then
    local once = redis.call('HMGET', approval[2], 'state', 'expiresAt')
    if once[1] == 'active' and tonumber(once[2]) > now then return {'led'} end
    if redis.call('EXISTS', ARGV[8] .. led) == 1 then return {'led'} end
  end
end
local use = 'use:' .. ARGV[3]
if redis.call('HEXISTS', key, use) == 0 and redis.call('HLEN', key) >= tonumber(ARGV[9]) then use = 'use:' .. ARGV[10] end
redis.call('HINCRBY', key, use, 1)
return {'ok', redis.call('HGETALL', key)}
`,
)

/**
 * Active ones, those that end first at first.
 *
 * KEYS  1 an index by expiresAt
 * ARGV  1 offset  2 most  3 prefix of standing grants' keys
 * Answers  how many there are, then the fields of each of the page
 */
export const LIST_STANDING = defineScript(
  'standing-grant-list',
  `
local time = redis.call('TIME')
local after = '(' .. string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local found = {redis.call('ZCOUNT', KEYS[1], after, '+inf')}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], after, '+inf', 'LIMIT', ARGV[1], ARGV[2])) do
  found[#found + 1] = redis.call('HGETALL', ARGV[3] .. id)
end
return found
`,
)

/**
 * Ends an active one. Expired is only what has: it may have been extended since somebody looked.
 *
 * KEYS  1 grant  2 active ones  3 unreported ones  4 changes
 * ARGV  1 notAfter  2 its id  3 'expired' or 'revoked'  4 who ended it, as JSON, or ''  5 kept for, ms  6 most changes kept
 * Answers  ended, its fields... | unchanged | late
 */
export const END_STANDING = defineScript(
  'standing-grant-end',
  `${REFUSE_LATE}
local grant = redis.call('HMGET', KEYS[1], 'state', 'expiresAt', 'holder', 'owned', 'session', 'approval')
if grant[1] ~= 'active' then
  redis.call('ZREM', KEYS[2], ARGV[2])
  return {'unchanged'}
end
local isOver = tonumber(grant[2]) <= now
if isOver ~= (ARGV[3] == 'expired') then return {'unchanged'} end
local at = string.format('%.0f', now)
redis.call('HSET', KEYS[1], 'state', ARGV[3], 'endedAt', isOver and grant[2] or at, 'endedBy', ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
redis.call('ZREM', KEYS[2], ARGV[2])
redis.call('ZREM', grant[3], ARGV[2])
if grant[4] ~= '' then redis.call('ZREM', grant[4], ARGV[2]) end
redis.call('SREM', grant[5], ARGV[2])
redis.call('ZADD', KEYS[3], at, ARGV[2])
redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[6], '*', 'id', grant[6])
return {'ended', redis.call('HGETALL', KEYS[1])}
`,
)

/**
 * A later end is shown; unless it was made to end later still meanwhile.
 *
 * KEYS  1 those that are not shown yet
 * ARGV  1 the grant's id  2 the end that is shown
 * Answers  1, or 0 where it has another
 */
export const SHOWN_STANDING = defineScript(
  'standing-grant-shown',
  `
local due = redis.call('ZSCORE', KEYS[1], ARGV[1])
if due and tonumber(due) ~= tonumber(ARGV[2]) then return 0 end
redis.call('ZREM', KEYS[1], ARGV[1])
return 1
`,
)
