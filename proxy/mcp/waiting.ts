/**
 * Keeps agents' streams alive while nothing happens on them: people think, or an MCP server works. One timer for all of
 * them: ten thousand streams cost one tick.
 *
 * Comments keep proxies from closing an idle stream; progress keeps clients' own time-outs from firing, where the
 * client gave a token (MCP 2025-11-25 and 2026-07-28 basic/…/progress: the value must grow with each notification).
 */
import type { Approval } from '../../src/approval/approval.ts'
import type { EpochMs } from '../../src/brands.ts'
import type { RpcId } from '../../src/mcp/message.ts'
import type { Clock } from '../../src/ports.ts'
import type { Outlet } from './outlet.ts'

/** Below the 60 s after which common clients and proxies give an idle connection up, with room for a lost tick. */
const TICK_MS = 10_000

interface Waiting {
  readonly outlet: Outlet
  /** Null for a stream that waits for the MCP server alone. */
  readonly approval: Approval | null
  readonly progressToken: RpcId | null
  progress: number
  /** Nobody waits for a person any more, and progress is the MCP server's to tell. */
  isForwarded: boolean
}

export interface WaitingRoom {
  /** Starts the stream of a held call, and keeps it alive until `leave`. Only for a client that takes one. */
  enter(outlet: Outlet, approval: Approval, progressToken: RpcId | null): void
  /** The MCP server answers with a stream, which is kept alive until `leave`. */
  streams(outlet: Outlet): void
  /** The call goes to the MCP server: from now on only comments keep the connection alive. */
  forwarded(outlet: Outlet): void
  leave(outlet: Outlet): void
  close(): void
}

export function createWaitingRoom(clock: Clock): WaitingRoom {
  const waiting = new Map<Outlet, Waiting>()
  const timer = setInterval(() => {
    for (const entry of waiting.values()) tell(entry, clock.now())
  }, TICK_MS)
  timer.unref()
  return {
    enter(outlet, approval, progressToken) {
      outlet.begin(200, {})
      // Decided before: it waits for the answer of an identical call that is under way.
      const isForwarded = approval.state !== 'pending'
      const entry: Waiting = { outlet, approval, progressToken, progress: 0, isForwarded }
      waiting.set(outlet, entry)
      tell(entry, clock.now())
    },
    streams(outlet) {
      waiting.set(outlet, { outlet, approval: null, progressToken: null, progress: 0, isForwarded: true })
    },
    forwarded(outlet) {
      const entry = waiting.get(outlet)
      if (entry !== undefined) entry.isForwarded = true
    },
    leave: (outlet) => void waiting.delete(outlet),
    close: () => clearInterval(timer),
  }
}

function tell(entry: Waiting, now: EpochMs): void {
  const { outlet, approval, progressToken } = entry
  if (entry.isForwarded || approval === null) {
    outlet.comment('waiting for the MCP server')
    return
  }
  if (progressToken === null) {
    outlet.comment('waiting for approval')
    return
  }
  // A client that doesn't read is not written to for ever: its next tick comes when it has read.
  if (outlet.isFull || outlet.isGone) return
  // Seconds since people were asked, because it must also grow where another replica told the client before.
  entry.progress = Math.max(entry.progress + 1, Math.floor((now - approval.requestedAt) / 1_000))
  const until = new Date(approval.expiresAt).toISOString()
  const message = `Waiting for a person to approve (approval ${approval.id}, rule "${approval.rule}", until ${until}).`
  const params = { progressToken, progress: entry.progress, message }
  const data = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/progress', params })
  void outlet.event({ id: null, event: 'message', data, retryMs: null })
}
