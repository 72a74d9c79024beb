/** What must happen to a task in one step, as Lua; see approvals/scripts.ts for why they are text. */
import { defineScript, REFUSE_LATE } from './redis.ts'

/**
 * Creates a task, or finds the open one that the same client has for the same approval.
 *
 * KEYS  1 task  2 tasks of the approval  3 open tasks
 * ARGV  1 notAfter  2 id  3 json  4 version  5 owner  6 createdAt  7 expiresAt  8 prefix of tasks' keys
 * Answers  created | known, json | late
 */
export const CREATE = defineScript(
  'task-create',
  `${REFUSE_LATE}
local known = redis.call('HGET', KEYS[2], ARGV[5])
if known then
  local task = redis.call('HMGET', ARGV[8] .. known, 'json', 'open')
  if task[2] == '1' then return {'known', task[1]} end
end
redis.call('HSET', KEYS[1], 'json', ARGV[3], 'version', ARGV[4], 'open', '1')
redis.call('PEXPIREAT', KEYS[1], ARGV[7])
redis.call('HSET', KEYS[2], ARGV[5], ARGV[2])
if redis.call('PTTL', KEYS[2]) < ARGV[7] - now then redis.call('PEXPIREAT', KEYS[2], ARGV[7]) end
redis.call('ZADD', KEYS[3], ARGV[6], ARGV[2])
return {'created'}
`,
)

/**
 * Sets what transition() made of a task, where nobody else did meanwhile.
 *
 * KEYS  1 task  2 tasks of the approval that it waits for now  3 open tasks
 * ARGV  1 notAfter  2 id  3 json  4 version expected  5 version set  6 owner  7 expiresAt  8 '1' while it is open
 * Answers  applied | conflict (another version) | unknown | late
 */
export const SAVE = defineScript(
  'task-save',
  `${REFUSE_LATE}
local version = redis.call('HGET', KEYS[1], 'version')
if not version then return {'unknown'} end
if version ~= ARGV[4] then return {'conflict'} end
redis.call('HSET', KEYS[1], 'json', ARGV[3], 'version', ARGV[5], 'open', ARGV[8])
redis.call('PEXPIREAT', KEYS[1], ARGV[7])
redis.call('HSET', KEYS[2], ARGV[6], ARGV[2])
if redis.call('PTTL', KEYS[2]) < ARGV[7] - now then redis.call('PEXPIREAT', KEYS[2], ARGV[7]) end
if ARGV[8] ~= '1' then redis.call('ZREM', KEYS[3], ARGV[2]) end
return {'applied'}
`,
)

/**
 * KEYS  1 tasks of the approval
 * ARGV  1 prefix of tasks' keys
 * Answers  the json of each that is open
 */
export const OPEN_OF_APPROVAL = defineScript(
  'task-open-of-approval',
  `
local open = {}
for _, id in ipairs(redis.call('HVALS', KEYS[1])) do
  local task = redis.call('HMGET', ARGV[1] .. id, 'json', 'open')
  if task[2] == '1' then open[#open + 1] = task[1] end
end
return open
`,
)
