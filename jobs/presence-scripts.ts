/** Whether anyone waits for an approval, as Lua; see approvals/scripts.ts for why they are text. */
import { defineScript } from './redis.ts'

const NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`

/**
 * How many calls of one replica wait from now on, where fewer do. A later entry replaces an earlier one: the time of
 * grace is that since the last of them left.
 *
 * KEYS  1 attending this replica  2 presence due
 * ARGV  1 grace, ms  2 prefix of approvals' keys  3 approval, how many; and so on
 * Answers  1
 */
export const LEAVE = defineScript(
  'presence-leave',
  `${NOW}
for i = 3, #ARGV, 2 do
  local id, calls = ARGV[i], ARGV[i + 1]
  if calls == '0' then redis.call('HDEL', KEYS[1], id) else redis.call('HSET', KEYS[1], id, calls) end
  if redis.call('HGET', ARGV[2] .. id, 'state') == 'pending' then
    if calls == '0' then redis.call('ZADD', KEYS[2], now + ARGV[1], id)
    else redis.call('ZADD', KEYS[2], 'NX', now + ARGV[1], id .. ':calls') end
  end
end
return 1
`,
)

/**
 * Makes due what replicas that fell silent attended to, forgets those that are long gone, and answers what is due.
 *
 * KEYS  1 replicas that attend  2 presence due
 * ARGV  1 grace for a replica that was just found silent, ms  2 silent for so long it is gone, ms
 *       3 prefix of attending  4 prefix of heartbeats  5 how many to leave out  6 how many to answer
 * Answers  approval, or <approval>:calls, since when it is due; and so on
 */
export const DUE = defineScript(
  'presence-due',
  `${NOW}
for _, replica in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local silentSince = tonumber(redis.call('ZSCORE', KEYS[1], replica))
  if redis.call('EXISTS', ARGV[4] .. replica) == 1 then
    if silentSince ~= 0 then redis.call('ZADD', KEYS[1], 0, replica) end
  elseif silentSince == 0 then
    redis.call('ZADD', KEYS[1], now, replica)
    for _, id in ipairs(redis.call('HKEYS', ARGV[3] .. replica)) do
      redis.call('ZADD', KEYS[2], 'NX', now + ARGV[1], id)
    end
  elseif now - silentSince > tonumber(ARGV[2]) then
    redis.call('DEL', ARGV[3] .. replica)
    redis.call('ZREM', KEYS[1], replica)
  end
end
return redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'WITHSCORES', 'LIMIT', ARGV[5], ARGV[6])
`,
)

/**
 * KEYS  1 replicas that attend  2 tasks of the approval
 * ARGV  1 approval  2 prefix of attending  3 prefix of heartbeats  4 prefix of tasks' keys
 * Answers  how many calls wait on replicas that live; how many open tasks there are
 */
export const PRESENT = defineScript(
  'presence-of',
  `
local calls, tasks = 0, 0
for _, replica in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local here = redis.call('HGET', ARGV[2] .. replica, ARGV[1])
  if here and redis.call('EXISTS', ARGV[3] .. replica) == 1 then calls = calls + here end
end
for _, task in ipairs(redis.call('HVALS', KEYS[2])) do
  if redis.call('HGET', ARGV[4] .. task, 'open') == '1' then tasks = tasks + 1 end
end
return {calls, tasks}
`,
)

/**
 * An approval has been looked at; not where it became due anew meanwhile.
 *
 * KEYS  1 presence due
 * ARGV  1 approval, or <approval>:calls  2 since when it was due
 */
export const SEEN = defineScript(
  'presence-seen',
  `
if redis.call('ZSCORE', KEYS[1], ARGV[1]) == ARGV[2] then redis.call('ZREM', KEYS[1], ARGV[1]) end
return 1
`,
)
