/**
 * What must happen in one step, as Lua. Kept as text in TypeScript so that a build needs no copying.
 *
 * Decisions are made in TypeScript (src/approval/approval.ts) on what was read; these scripts only compare the version
 * and set what was decided. Every one that a waiting caller runs refuses to run late (REFUSE_LATE).
 */
import { defineScript, REFUSE_LATE } from '../redis.ts'

/**
 * Opens an approval, or finds the one that an identical call joins, or whose answer or denial waits for it.
 *
 * KEYS  1 approval  2 fingerprint  3 pending  4 of principal  5 on upstream  6 waiters  7 presence due
 *       8 steps due
 * ARGV  1 notAfter  2 id  3 json  4 requestedAt  5 replica  6 most pending of all  7 most pending of one principal
 *       8 most pending of one upstream  9 prefix of approvals' keys  10 prefix of waiters' keys
 *       11 prefix of runs' keys  12 version  13 session  14 how soon another call is shown, ms
 *       15 when its first step is due, or ''
 * Answers  opened | joined, json, armed ('1' or '') | granted, json, grant's fields... | begun, json | settled, json
 *          | too_many, 'all' or 'principal' or 'upstream' | late
 */
export const OPEN = defineScript(
  'approval-open',
  `${REFUSE_LATE}
local known = redis.call('GET', KEYS[2])
if known then
  local approval = redis.call('HMGET', ARGV[9] .. known, 'json', 'state', 'armed', 'grant')
  local state = approval[2]
  if state == 'pending' then
    if known == ARGV[2] then return {'opened'} end
    redis.call('HINCRBY', ARGV[9] .. known, 'joins', 1)
    redis.call('SADD', ARGV[10] .. known, ARGV[5])
    redis.call('ZADD', KEYS[7], 'NX', now + ARGV[14], known .. ':calls')
    return {'joined', approval[1], approval[3] or ''}
  end
  if state == 'denied' or state == 'cancelled' then return {'settled', approval[1]} end
  if approval[4] then
    local grant = redis.call('HGETALL', approval[4])
    local fields = {}
    for i = 1, #grant, 2 do fields[grant[i]] = grant[i + 1] end
    if fields['state'] == 'active' and tonumber(fields['expiresAt']) > now then
      return {'granted', approval[1], grant}
    end
    if redis.call('EXISTS', ARGV[11] .. known) == 1 then return {'begun', approval[1]} end
  end
end
if redis.call('ZCARD', KEYS[3]) >= tonumber(ARGV[6]) then return {'too_many', 'all'} end
if redis.call('SCARD', KEYS[4]) >= tonumber(ARGV[7]) then return {'too_many', 'principal'} end
if redis.call('SCARD', KEYS[5]) >= tonumber(ARGV[8]) then return {'too_many', 'upstream'} end
redis.call('HSET', KEYS[1], 'json', ARGV[3], 'version', ARGV[12], 'state', 'pending', 'session', ARGV[13],
  'joins', '0', 'pointer', KEYS[2])
redis.call('SET', KEYS[2], ARGV[2])
redis.call('ZADD', KEYS[3], ARGV[4], ARGV[2])
redis.call('SADD', KEYS[4], ARGV[2])
redis.call('SADD', KEYS[5], ARGV[2])
redis.call('SADD', KEYS[6], ARGV[5])
if ARGV[15] ~= '' then redis.call('ZADD', KEYS[8], ARGV[15], ARGV[2] .. ':0') end
return {'opened'}
`,
)

/**
 * Shows an opened approval to people, once its deadline's job stands. Apart from OPEN, so that a card never appears for
 * an approval whose opening failed half-way.
 *
 * KEYS  1 approval  2 changes  3 cards due  4 presence due
 * ARGV  1 notAfter  2 id  3 most changes kept  4 after what time it is seen whether anyone waits, ms
 * Answers  armed | gone (unknown or resolved) | late
 */
export const ARM = defineScript(
  'approval-arm',
  `${REFUSE_LATE}
if redis.call('HGET', KEYS[1], 'state') ~= 'pending' then return {'gone'} end
if redis.call('HSETNX', KEYS[1], 'armed', '1') == 1 then
  redis.call('SADD', KEYS[3], ARGV[2])
  redis.call('ZADD', KEYS[4], 'NX', now + ARGV[4], ARGV[2])
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*', 'id', ARGV[2])
end
return {'armed'}
`,
)

/**
 * A step of an approval is taken, or never will be; the next one is to come.
 *
 * KEYS  1 steps due
 * ARGV  1 the step  2 the next one or ''  3 when it is due or ''
 * Answers  nothing
 */
export const STEP_TAKEN = defineScript(
  'approval-step-taken',
  `
redis.call('ZREM', KEYS[1], ARGV[1])
if ARGV[2] ~= '' then redis.call('ZADD', KEYS[1], ARGV[3], ARGV[2]) end
`,
)

/** What waits for an approval, or for the end of its run, hears of it in its replica's inbox. */
const WAKE = `
local function wake(waiters, id, prefix, most, kept)
  for _, replica in ipairs(redis.call('SMEMBERS', waiters)) do
    redis.call('XADD', prefix .. replica, 'MAXLEN', '~', most, '*', 'id', id)
    redis.call('PEXPIRE', prefix .. replica, kept)
  end
  redis.call('DEL', waiters)
end
`

/**
 * Sets what transition() made of an approval, where nobody else did meanwhile.
 *
 * KEYS  1 approval  2 pending  3 of principal  4 on upstream  5 resolved  6 changes  7 waiters  8 fingerprint
 *       9 cards due  10 cards  11 grant  12 active grants  13 unrecorded reviews  14 run  15 running  16 unknown runs
 *       17 active standing grants  18 those whose later end their cards don't show yet; where one is opened or extended:
 *       19 it  20 its holder's  21 its session's, and, where its owner is known, 22 those for that person's agents
 * ARGV  1 notAfter  2 id  3 version expected  4 version set  5 state  6 json  7 resolvedAt or ''  8 kept for, ms
 *       9 most changes kept  10 prefix of inboxes' keys  11 inbox kept for, ms  12 most messages in an inbox
 *       13 '1': only where no second call has joined  14 its name as an unrecorded review or ''
 *       15 until when an identical call is led here, '' for no longer, or 'as_it_is'  16 the run's state expected or '' for any
 *       17 the run's state set or ''  18 the run's answer or ''  19 until when the run is kept
 *       20 the grant's id or ''  21 its expiresAt  22 how many its fields and values are  23 they...
 *       then '' | 'open', a standing grant's id, its expiresAt, most of one holder, how many its fields and values are,
 *       they... | 'extend', its id, its new expiresAt, its expiresAt expected, more who approved it as a JSON list
 * Answers  applied | conflict (another version, or of the standing grant) | unknown | joined (13 is set, and one has)
 *          | run_known (the run has another state than 16) | too_many_grants (of that holder) | late
 */
export const APPLY = defineScript(
  'approval-apply',
  `${REFUSE_LATE}${WAKE}
local version = redis.call('HGET', KEYS[1], 'version')
if not version then return {'unknown'} end
if version ~= ARGV[3] then return {'conflict'} end
if ARGV[13] == '1' and redis.call('HGET', KEYS[1], 'joins') ~= '0' then return {'joined'} end
if ARGV[16] ~= '' and redis.call('HGET', KEYS[14], 'state') ~= ARGV[16] then return {'run_known'} end
local at = 23 + ARGV[22]
local standing = ARGV[at]
if standing == 'extend' then
  local known = redis.call('HMGET', KEYS[19], 'state', 'expiresAt')
  if known[1] ~= 'active' or known[2] ~= ARGV[at + 3] then return {'conflict'} end
elseif standing == 'open' then
  redis.call('ZREMRANGEBYSCORE', KEYS[20], '-inf', now)
  if redis.call('ZCARD', KEYS[20]) >= tonumber(ARGV[at + 3]) then return {'too_many_grants'} end
end
redis.call('HSET', KEYS[1], 'json', ARGV[6], 'version', ARGV[4], 'state', ARGV[5])
if redis.call('HEXISTS', KEYS[1], 'armed') == 1 then redis.call('SADD', KEYS[9], ARGV[2]) end
redis.call('XADD', KEYS[6], 'MAXLEN', '~', ARGV[9], '*', 'id', ARGV[2])
if ARGV[14] ~= '' then redis.call('ZADD', KEYS[13], now, ARGV[14]) end
if ARGV[5] == 'pending' then return {'applied'} end

redis.call('ZREM', KEYS[2], ARGV[2])
redis.call('SREM', KEYS[3], ARGV[2])
redis.call('SREM', KEYS[4], ARGV[2])
redis.call('ZADD', KEYS[5], ARGV[7], ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', now - ARGV[8])
redis.call('ZREMRANGEBYSCORE', KEYS[16], '-inf', now - ARGV[8])
redis.call('PEXPIRE', KEYS[1], ARGV[8])
redis.call('PEXPIRE', KEYS[10], ARGV[8])
wake(KEYS[7], ARGV[2], ARGV[10], ARGV[12], ARGV[11])
if ARGV[5] == 'denied' then redis.call('SET', KEYS[8] .. ':denied', ARGV[2], 'PX', ARGV[8]) end
if ARGV[20] ~= '' then
  redis.call('DEL', KEYS[8] .. ':denied')
  redis.call('HSET', KEYS[1], 'grant', KEYS[11])
  redis.call('HSET', KEYS[11], unpack(ARGV, 23, at - 1))
  redis.call('PEXPIREAT', KEYS[11], ARGV[21] + ARGV[8])
  redis.call('ZADD', KEYS[12], ARGV[21], ARGV[20])
end
if standing == 'open' then
  redis.call('HSET', KEYS[19], unpack(ARGV, at + 5))
elseif standing == 'extend' then
  local approvers = redis.call('HGET', KEYS[19], 'approvedBy')
  local earlier = redis.call('HGET', KEYS[19], 'extensions') or ''
  redis.call('HSET', KEYS[19], 'expiresAt', ARGV[at + 2], 'extensions', earlier .. ARGV[2] .. ' ',
    'approvedBy', string.sub(approvers, 1, -2) .. ',' .. string.sub(ARGV[at + 4], 2))
  redis.call('ZADD', KEYS[18], ARGV[at + 2], ARGV[at + 1])
  redis.call('XADD', KEYS[6], 'MAXLEN', '~', ARGV[9], '*', 'id', redis.call('HGET', KEYS[19], 'approval'))
end
if standing ~= '' then
  redis.call('PEXPIREAT', KEYS[19], ARGV[at + 2] + ARGV[8])
  redis.call('ZADD', KEYS[17], ARGV[at + 2], ARGV[at + 1])
  redis.call('ZADD', KEYS[20], ARGV[at + 2], ARGV[at + 1])
  if standing == 'open' then redis.call('SADD', KEYS[21], ARGV[at + 1]) end
  if KEYS[22] then redis.call('ZADD', KEYS[22], ARGV[at + 2], ARGV[at + 1]) end
end
if ARGV[17] ~= '' then
  redis.call('HSET', KEYS[14], 'state', ARGV[17], 'answer', ARGV[18])
  redis.call('PEXPIREAT', KEYS[14], ARGV[19])
  redis.call('ZREM', KEYS[15], ARGV[2])
  redis.call('ZREM', KEYS[16], ARGV[2])
  if ARGV[17] == 'unknown' then redis.call('ZADD', KEYS[16], now, ARGV[2]) end
end
if ARGV[15] ~= 'as_it_is' and redis.call('GET', KEYS[8]) == ARGV[2] then
  if ARGV[15] == '' then redis.call('DEL', KEYS[8]) else redis.call('PEXPIREAT', KEYS[8], ARGV[15]) end
end
return {'applied'}
`,
)

/**
 * Registers a replica that waits, and answers how the approval stands: one step, so that no decision falls in between.
 *
 * KEYS  1 approval  2 waiters  3 attending this replica  4 replicas that attend  5 presence due
 * ARGV  1 replica  2 id  3 how many of its calls wait there  4 prefix of attending  5 how soon another call is shown, ms
 * Answers  the approval's json, or nil where it is unknown; how many calls wait on all replicas
 */
export const ATTACH = defineScript(
  'approval-attach',
  `
local approval = redis.call('HMGET', KEYS[1], 'json', 'state')
if approval[2] ~= 'pending' then return {approval[1], 0} end
redis.call('SADD', KEYS[2], ARGV[1])
redis.call('HSET', KEYS[3], ARGV[2], ARGV[3])
redis.call('ZADD', KEYS[4], 'NX', 0, ARGV[1])
local calls = 0
for _, replica in ipairs(redis.call('ZRANGE', KEYS[4], 0, -1)) do
  calls = calls + (redis.call('HGET', ARGV[4] .. replica, ARGV[2]) or 0)
end
if calls > 1 then
  local time = redis.call('TIME')
  redis.call('ZADD', KEYS[5], 'NX', time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[5], ARGV[2] .. ':calls')
end
return {approval[1], calls}
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
 * The fence: takes a grant for one call, whose run begins in the same step.
 *
 * KEYS  1 grant  2 active grants  3 fingerprint  4 run  5 running
 * ARGV  1 notAfter  2 grant's id  3 fingerprint  4 call's id  5 approval's id  6 replica  7 kept for at most, ms
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
redis.call('HSET', KEYS[4], 'state', 'running', 'callId', ARGV[4], 'replica', ARGV[6])
redis.call('PEXPIRE', KEYS[4], ARGV[7])
redis.call('ZADD', KEYS[5], now, ARGV[5])
if redis.call('GET', KEYS[3]) == ARGV[5] then redis.call('PEXPIRE', KEYS[3], ARGV[7]) end
return {'ok', redis.call('HGETALL', KEYS[1])}
`,
)

/**
 * Keeps the answer of a run that is still running.
 *
 * KEYS  1 approval  2 run  3 running  4 waiters
 * ARGV  1 notAfter  2 approval's id  3 call's id  4 answer  5 its life, ms  6 prefix of inboxes' keys
 *       7 inbox kept for, ms  8 most messages in an inbox
 * Answers  ended | unknown (people were told that nobody knows) | over (ended, said by people, or another call's) | late
 */
export const END_RUN = defineScript(
  'run-end',
  `${REFUSE_LATE}${WAKE}
local run = redis.call('HMGET', KEYS[2], 'state', 'callId')
if run[2] ~= ARGV[3] then return {'over'} end
if run[1] == 'unknown' then return {'unknown'} end
if run[1] ~= 'running' then return {'over'} end
redis.call('HSET', KEYS[2], 'state', 'finished', 'answer', ARGV[4])
redis.call('PEXPIRE', KEYS[2], ARGV[5])
redis.call('ZREM', KEYS[3], ARGV[2])
local pointer = redis.call('HGET', KEYS[1], 'pointer')
if pointer and redis.call('GET', pointer) == ARGV[2] then redis.call('PEXPIRE', pointer, ARGV[5]) end
wake(KEYS[4], ARGV[2], ARGV[6], ARGV[8], ARGV[7])
return {'ended'}
`,
)

/**
 * Registers a replica that waits for a run, and answers how it stands.
 *
 * KEYS  1 run  2 waiters
 * ARGV  1 replica
 * Answers  state, callId, answer; each nil where there is none
 */
export const ATTACH_TO_RUN = defineScript(
  'run-attach',
  `
local run = redis.call('HMGET', KEYS[1], 'state', 'callId', 'answer')
if run[1] == 'running' then redis.call('SADD', KEYS[2], ARGV[1]) end
return run
`,
)

/**
 * Leads no identical call to this approval any more: its agent has the answer, or the denial. Not while it is open, or
 * while nobody knows: a call would then be made that may have run.
 *
 * KEYS  1 approval  2 run
 * ARGV  1 notAfter  2 approval's id
 * Answers  delivered | kept | late
 */
export const DELIVERED = defineScript(
  'run-delivered',
  `${REFUSE_LATE}
local approval = redis.call('HMGET', KEYS[1], 'state', 'pointer')
local run = redis.call('HGET', KEYS[2], 'state')
local isOver = run == 'finished' or run == 'ran' or approval[1] == 'denied' or approval[1] == 'cancelled'
if not isOver or not approval[2] or redis.call('GET', approval[2]) ~= ARGV[2] then return {'kept'} end
redis.call('DEL', approval[2])
return {'delivered'}
`,
)

/**
 * Which running runs are those of replicas that are silent.
 *
 * KEYS  1 running
 * ARGV  1 first place  2 last place  3 prefix of runs' keys  4 prefix of heartbeats' keys
 * Answers  how many were looked at, then approval, replica, callId of each whose replica is silent; empty text for none
 */
export const SILENT_RUNS = defineScript(
  'run-silent',
  `
local ids = redis.call('ZRANGE', KEYS[1], ARGV[1], ARGV[2])
local found = {#ids}
for _, id in ipairs(ids) do
  local run = redis.call('HMGET', ARGV[3] .. id, 'replica', 'callId')
  if not run[1] or redis.call('EXISTS', ARGV[4] .. run[1]) == 0 then
    found[#found + 1] = id
    found[#found + 1] = run[1] or ''
    found[#found + 1] = run[2] or ''
  end
end
return found
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
 * Remembers what was painted in a place; an approval whose every place is done with it is no longer due.
 *
 * KEYS  1 approval  2 cards  3 cards due
 * ARGV  1 approval's id  2 place  3 what was painted, as JSON  4 the version that the place is done with; empty: not yet
 *       5 the field of an attempt that is over; may be empty  6 every place that shows it...
 * Answers  settled | due
 */
export const PAINTED = defineScript(
  'card-painted',
  `
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
if ARGV[5] ~= '' then redis.call('HDEL', KEYS[2], ARGV[5]) end
if ARGV[4] ~= '' then redis.call('HSET', KEYS[2], ARGV[2] .. ':version', ARGV[4]) end
local keptMs = redis.call('PTTL', KEYS[1])
if keptMs >= 0 then redis.call('PEXPIRE', KEYS[2], keptMs) end
if ARGV[4] == '' then return {'due'} end
local version = redis.call('HGET', KEYS[1], 'version')
for i = 6, #ARGV do
  if version and redis.call('HGET', KEYS[2], ARGV[i] .. ':version') ~= version then return {'due'} end
end
redis.call('SREM', KEYS[3], ARGV[1])
return {'settled'}
`,
)
