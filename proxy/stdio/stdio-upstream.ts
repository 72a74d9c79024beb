/**
 * An upstream that is a command: an MCP server whose messages are lines on its standard streams, answered towards agents
 * as one over HTTP would be, in both eras. The gate sees the same exchange either way.
 *
 * By default each principal's session has a process of its own. What a server keeps in memory (a directory it was told
 * of, a log-in, a cache) then stays with the principal that it belongs to, and a server that one agent crashes is only
 * its own. `spawn: shared` gives that up for servers that are slow to start or large, and that keep nothing.
 */
import type { Lease } from '../../src/credential/lease.ts'
import type { Exchange, UpstreamAnswer } from '../../src/gate/call.ts'
import { AgentGone } from '../../src/gate/call.ts'
import type { ClientInfo } from './handshake.ts'
import type { StdioInquiry } from './inquiry.ts'
import { readPosted } from './inquiry.ts'
import type { ToolsPage } from './own-process.ts'
import { createOwnProcess } from './own-process.ts'
import type { ProcessesOptions } from './processes.ts'
import { createProcesses } from './processes.ts'
import { createLegacySessions } from './sessions.ts'
import { createStatelessAgents } from './stateless.ts'

export interface StdioUpstreamOptions extends ProcessesOptions {
  readonly spawn: 'per_session' | 'shared'
  readonly client: ClientInfo
}

export interface StdioUpstream {
  readonly kind: 'stdio'
  exchange(inquiry: StdioInquiry): Exchange
  /** For the catalogue: one page of tools, on a process of the gateway's own. */
  tools(lease: Lease, cursor: string | undefined): Promise<ToolsPage>
  /** Ends every process. */
  close(): Promise<void>
}

/** No principal's id: those have a bar. */
const OWN = 'gateway'
const SHARED_BY_MODERN = 'modern agents'

export function createStdioUpstream(options: StdioUpstreamOptions): StdioUpstream {
  const { spawn, client, clock } = options
  const processes = createProcesses(options)
  const isShared = spawn === 'shared'
  const own = createOwnProcess({
    processes,
    owner: OWN,
    client,
    onNotification: (message) => sessions.broadcast(message),
    isListening: () => isShared && sessions.isAnyListening(),
  })
  const sessions = createLegacySessions({ processes, shared: isShared ? own : null })
  const ownerOf = ({ principal }: StdioInquiry) => (isShared ? SHARED_BY_MODERN : principal)
  const stateless = createStatelessAgents({ processes, ownerOf, isShared, client, clock })

  async function answer(inquiry: StdioInquiry, lease: Lease): Promise<UpstreamAnswer> {
    if (inquiry.method === 'GET') return sessions.listen(inquiry)
    if (inquiry.method === 'DELETE') return sessions.end(inquiry)
    const posted = readPosted(inquiry.body)
    const isModern = posted.message.kind !== 'response' && posted.message.era === 'modern'
    return (isModern ? stateless : sessions).post(inquiry, posted, lease)
  }

  return {
    kind: 'stdio',
    exchange: (inquiry) => ({
      async send(lease) {
        try {
          return await answer(inquiry, lease)
        } catch (error) {
          if (inquiry.gone.aborted && !(error instanceof AgentGone)) {
            throw new AgentGone('the agent left while its call was running', { cause: error })
          }
          throw error
        }
      },
    }),
    tools: (lease, cursor) => own.tools(lease, cursor),
    close: () => processes.close(),
  }
}
