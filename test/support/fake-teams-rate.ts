/**
 * Teams' limits for one bot in one conversation, and for one app in one tenant.
 * learn.microsoft.com/microsoftteams/platform/bots/how-to/rate-limit, "Per bot per thread limit"
 */
import type { Operation, World } from './fake-teams-world.ts'

type Windows = readonly (readonly [seconds: number, operations: number])[]

const SEND: Windows = [
  [1, 7],
  [2, 8],
  [30, 60],
  [3600, 1800],
]
const MEMBERS: Windows = [
  [1, 14],
  [2, 16],
  [30, 120],
  [3600, 3600],
]
/** "The global limit per app per tenant is 50 Requests Per Second". */
const GLOBAL: Windows = [[1, 50]]

/** Seconds to wait, or null. Only what is let through counts. */
export function overRate(world: World, operation: Operation, conversationId: string): number | null {
  const { kind, windows } = limitsOf(world, operation)
  const thread = timesOf(world, `${kind} ${conversationId}`)
  const all = timesOf(world, 'all')
  const now = Date.now()
  const waits = [
    ...windows.map((window) => waitFor(thread, window, now)),
    ...GLOBAL.map((one) => waitFor(all, one, now)),
  ]
  const waitMs = Math.max(...waits)
  if (waitMs > 0) return Math.ceil(waitMs / 1000)
  thread.push(now)
  all.push(now)
  return null
}

function limitsOf(world: World, operation: Operation): { kind: string; windows: Windows } {
  if (operation === 'members' || operation === 'member') {
    return { kind: 'members', windows: world.rate.members ?? MEMBERS }
  }
  // "All requests are subject to the same rate limiting policy": an edit counts like a message.
  return { kind: operation === 'create' ? 'create' : 'send', windows: world.rate.send ?? SEND }
}

function timesOf(world: World, key: string): number[] {
  const times = world.operations.get(key) ?? []
  world.operations.set(key, times)
  return times
}

function waitFor(times: readonly number[], [seconds, operations]: Windows[number], now: number): number {
  const within = times.filter((at) => at > now - seconds * 1000)
  const oldest = within.at(-operations)
  return oldest === undefined ? 0 : oldest + seconds * 1000 - now
}
