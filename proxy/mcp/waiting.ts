/**
 * Keeps held agents' connections alive while people think. One timer for all of them: ten thousand holds cost one tick.
 *
 * Comments keep proxies from closing an idle stream; progress keeps clients' own time-outs from firing, where the
 * client gave a token (MCP 2025-11-25 and 2026-07-28 basic/…/progress: the value must grow with each notification).
 */
import type { ServerResponse } from 'node:http'
import type { Approval } from '../../src/approval/approval.ts'
import type { RpcId } from '../../src/mcp/message.ts'
import { messageEvent } from '../response/sse.ts'

/** Below the 60 s after which common clients and proxies give an idle connection up, with room for a lost tick. */
const TICK_MS = 10_000

export const STREAM_HEADERS = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache, no-transform',
  // Tells nginx not to buffer (MCP 2026-07-28 streamable-http, "Receiving Messages").
  'x-accel-buffering': 'no',
} as const

interface Waiting {
  readonly response: ServerResponse
  readonly approval: Approval
  readonly progressToken: RpcId | null
  progress: number
  /** Nobody waits for a person any more, and progress is the MCP server's to tell. */
  isForwarded: boolean
}

export interface WaitingRoom {
  /** Starts the stream, unless the agent accepts none, and keeps it alive until `leave`. */
  enter(response: ServerResponse, approval: Approval, progressToken: RpcId | null): void
  /** The call goes to the MCP server: from now on only comments keep the connection alive. */
  forwarded(response: ServerResponse): void
  leave(response: ServerResponse): void
  close(): void
}

export function createWaitingRoom(): WaitingRoom {
  const waiting = new Map<ServerResponse, Waiting>()
  const timer = setInterval(() => {
    for (const entry of waiting.values()) tell(entry)
  }, TICK_MS)
  timer.unref()
  return {
    enter(response, approval, progressToken) {
      response.writeHead(200, STREAM_HEADERS)
      // A held stream may outlive every default of Node's server.
      response.setTimeout(0)
      const entry: Waiting = { response, approval, progressToken, progress: 0, isForwarded: false }
      waiting.set(response, entry)
      tell(entry)
    },
    forwarded(response) {
      const entry = waiting.get(response)
      if (entry !== undefined) entry.isForwarded = true
    },
    leave: (response) => void waiting.delete(response),
    close: () => clearInterval(timer),
  }
}

function tell(entry: Waiting): void {
  const { response, approval, progressToken } = entry
  // A client that doesn't read is not written to for ever: its next tick comes when it has read.
  if (response.writableNeedDrain) return
  if (entry.isForwarded) {
    response.write(': waiting for the MCP server\n\n')
    return
  }
  if (progressToken === null) {
    response.write(': waiting for approval\n\n')
    return
  }
  entry.progress += 1
  const until = new Date(approval.expiresAt).toISOString()
  const message = `Waiting for a person to approve (approval ${approval.id}, rule "${approval.rule}", until ${until}).`
  const params = { progressToken, progress: entry.progress, message }
  response.write(messageEvent(JSON.stringify({ jsonrpc: '2.0', method: 'notifications/progress', params })))
}
