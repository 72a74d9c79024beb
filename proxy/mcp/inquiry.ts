/** What is known of one message while it is answered. Filled in as it is read, so that a refusal can name its id. */
import type { IncomingMessage } from 'node:http'
import type { CallId } from '../../src/brands.ts'
import type { Era, RpcId } from '../../src/mcp/message.ts'
import type { ClientSession } from './client-session.ts'
import type { Outlet } from './outlet.ts'
import type { Waited } from './rounds.ts'

export interface Inquiry {
  readonly request: IncomingMessage
  readonly outlet: Outlet
  callId: CallId
  rpcId: RpcId | null
  era: Era
  isToolCall: boolean
  progressToken: RpcId | null
  /** Its client takes a task for an answer; see tasks.ts. */
  takesTasks: boolean
  /** What the agent's program calls itself; null where it never said. Its own word: good for patience, not for policy. */
  client: { readonly name: string | null }
  /** The session that the agent names; null in the modern era, and where it names none. */
  session: ClientSession | null
  /** What an earlier request of this call waited for; see rounds.ts. */
  waited: Waited | null
}

const UNNAMED = { name: null }

export function newInquiry(request: IncomingMessage, outlet: Outlet, callId: CallId): Inquiry {
  return {
    request,
    outlet,
    callId,
    rpcId: null,
    era: 'legacy',
    isToolCall: false,
    progressToken: null,
    takesTasks: false,
    client: UNNAMED,
    session: null,
    waited: null,
  }
}
