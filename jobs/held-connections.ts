/**
 * The connections that wait for approvals, on all replicas. Decides where a client's cancellation goes: its message may
 * come to any replica, and its call may be held by another, or by none while its client is on the way back.
 *
 * A cancellation is one script: it forgets the parked call, counts who else waits, and tells every replica. So a call
 * whose client is coming back at that moment either finds nothing parked, or hears of its end like any other.
 *
 * Connections of a replica that died stay in the set; they count only while their replica says that it lives.
 */
import type { CallId } from '../src/brands.ts'
import type { HeldConnection, HeldConnections, HeldEnd, Log } from '../src/ports.ts'
import { approvalKeys } from './approvals/keys.ts'
import type { Inbox } from './inbox.ts'
import { FORGET_PARKED, parkedKeys } from './parked-calls.ts'
import type { RedisHandle, RedisReply } from './redis.ts'
import { defineScript } from './redis.ts'

const ALIVE_EVERY_MS = 10_000
/** Three beats: one that is late kills nobody. */
const ALIVE_FOR_MS = 30_000
/** Cancellations that replicas have not read yet; they read within milliseconds. */
const ENDS_MAX = 10_000
/** A cancellation may overtake its own request on the way to another replica, where that one reads a tool's definition. */
const CANCELLED_KEPT_MS = 60_000

/** `othersOf(attached, call, prefix)`: how many connections of other calls, of replicas that live; drops the rest. */
const OTHERS = `
local function othersOf(attached, call, replicas)
  local others = 0
  for _, member in ipairs(redis.call('SMEMBERS', attached)) do
    local replica, waiting = string.match(member, '^(%S+) %S+ (%S+)$')
    if waiting == call or redis.call('EXISTS', replicas .. replica) == 0 then redis.call('SREM', attached, member)
    else others = others + 1 end
  end
  return others
end
`

/**
 * KEYS  1 attached  2 held ends  3 held request
 * ARGV  1 call  2 connection  3 replica  4 approval  5 until  6 most ends kept  7 prefix of replicas
 * Answers  attached | cancelled, end, how many others wait
 */
const ATTACH = defineScript(
  'held-attach',
  `${OTHERS}
local before = redis.call('GET', KEYS[3]) or ''
local was = string.match(before, '^cancelled (%S+)$')
if was then return {'cancelled', was, othersOf(KEYS[1], ARGV[1], ARGV[7])} end
local call = string.match(before, '^(%S+) ')
local held = ARGV[1] .. ' ' .. ARGV[4]
if before == 'several' or (call and call ~= ARGV[1]) then held = 'several' end
redis.call('SET', KEYS[3], held, 'PXAT', ARGV[5])
redis.call('SADD', KEYS[1], ARGV[3] .. ' ' .. ARGV[2] .. ' ' .. ARGV[1])
redis.call('PEXPIREAT', KEYS[1], ARGV[5])
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[6], '*', 'id', ARGV[1] .. ' ' .. ARGV[2] .. ' superseded')
return {'attached'}
`,
)

/**
 * KEYS  1 held request  2 held ends  3 sizes of parked calls  4 their ends  5 their bytes
 * ARGV  1 end  2 cancelled kept for, ms, or 0  3 prefix of attached  4 prefix of replicas  5 prefix of parked calls
 *       6 most ends kept
 * Answers  unknown | held, call, approval, how many others wait
 */
const CANCEL = defineScript(
  'held-cancel',
  `${OTHERS}${FORGET_PARKED}
local held = redis.call('GET', KEYS[1]) or ''
if held == 'several' then return {'unknown'} end
if ARGV[2] ~= '0' then redis.call('SET', KEYS[1], 'cancelled ' .. ARGV[1], 'PX', ARGV[2])
else redis.call('DEL', KEYS[1]) end
local call, approval = string.match(held, '^(%S+) (apr%S+)$')
if not call then return {'unknown'} end
forgetParked(call, ARGV[5], KEYS[3], KEYS[4], KEYS[5])
local others = othersOf(ARGV[3] .. approval, call, ARGV[4])
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[6], '*', 'id', call .. ' - ' .. ARGV[1])
return {'held', call, approval, others}
`,
)

/**
 * KEYS  1 attached
 * ARGV  1 prefix of replicas
 * Answers  how many wait
 */
const COUNT = defineScript('held-count', `${OTHERS}\nreturn othersOf(KEYS[1], '', ARGV[1])`)

/**
 * A request's name stays unless it names this call: after a cancellation it says so, for whoever is late.
 *
 * KEYS  1 attached  2 held request
 * ARGV  1 member  2 call
 */
const SETTLE = defineScript(
  'held-settle',
  `
redis.call('SREM', KEYS[1], ARGV[1])
if string.match(redis.call('GET', KEYS[2]) or '', '^(%S+) ') == ARGV[2] then redis.call('DEL', KEYS[2]) end
return 1
`,
)

export interface HeldConnectionsService extends HeldConnections {
  close(): void
}

interface Local {
  readonly connection: string
  readonly ending: AbortController
}

export function startHeldConnections(options: {
  readonly redis: RedisHandle
  readonly inbox: Inbox
  readonly log: Log
}): HeldConnectionsService {
  const { redis, inbox, log } = options
  const keys = approvalKeys(redis)
  const here = new Map<CallId, Set<Local>>()
  let count = 0
  const quietly = (work: Promise<unknown>) => void work.catch(() => log.warn('held connections: Redis was not told'))
  const beat = () => quietly(redis.call('SET', keys.replica(inbox.replica), '1', 'PX', ALIVE_FOR_MS))
  beat()
  const beating = setInterval(beat, ALIVE_EVERY_MS)
  beating.unref()
  const stopListening = inbox.onHeldEnd((text) => {
    const [callId, spared, end] = text.split(' ') as [CallId, string, HeldEnd]
    for (const local of here.get(callId) ?? []) if (local.connection !== spared) local.ending.abort(end)
  })
  return {
    async attach({ callId, approvalId, request, until }): Promise<HeldConnection> {
      count += 1
      const local: Local = { connection: `${inbox.replica}/${count}`, ending: new AbortController() }
      // First here, then in Redis: a cancellation that comes in between is heard.
      const forget = remember(here, callId, local)
      const attached = keys.attached(approvalId)
      const requested = keys.heldRequest(request.digest)
      const args = [callId, local.connection, inbox.replica, approvalId, until, ENDS_MAX, keys.replica('')]
      const reply = await redis.run(ATTACH, [attached, keys.heldEnds, requested], args).catch((error: unknown) => {
        forget()
        throw error
      })
      const cancelled = parseCancelled(reply)
      if (cancelled !== null) local.ending.abort(cancelled.end)
      const member = `${inbox.replica} ${local.connection} ${callId}`
      let isOver = false
      const over = (tell: () => Promise<unknown>) => {
        if (isOver) return
        isOver = true
        forget()
        quietly(tell())
      }
      return {
        cancelled,
        ended: local.ending.signal,
        settled: () => over(() => redis.run(SETTLE, [attached, requested], [member, callId])),
        left: () => over(() => redis.call('SREM', attached, member)),
      }
    },
    async cancel(request, end) {
      const parked = parkedKeys(redis)
      const prefixes = [redis.key('attached', ''), keys.replica(''), parked.prefix]
      // Without a session a later request of another client could be taken for this one.
      const args = [end, request.hasSession ? CANCELLED_KEPT_MS : 0, ...prefixes, ENDS_MAX]
      const touched = [keys.heldRequest(request.digest), keys.heldEnds, ...parked.counted]
      const reply = await redis.run(CANCEL, touched, args)
      const [word, callId, approvalId, others] = reply as [string, CallId, never, number]
      return word === 'held' ? { callId, approvalId, isAlone: Number(others) === 0 } : null
    },
    countFor: async (id) => Number(await redis.run(COUNT, [keys.attached(id)], [keys.replica('')])),
    close() {
      clearInterval(beating)
      stopListening()
      quietly(redis.call('DEL', keys.replica(inbox.replica)))
    },
  }
}

function parseCancelled(reply: RedisReply): HeldConnection['cancelled'] {
  const [word, end, others] = reply as [string, 'timed_out' | 'withdrawn', number]
  return word === 'cancelled' ? { end, isAlone: Number(others) === 0 } : null
}

function remember(here: Map<CallId, Set<Local>>, callId: CallId, local: Local): () => void {
  const locals = here.get(callId) ?? new Set()
  here.set(callId, locals.add(local))
  return () => {
    locals.delete(local)
    if (locals.size === 0) here.delete(callId)
  }
}
