/**
 * Modern agents (MCP 2026-07-28): no sessions, so a process for each principal, or the one that all share.
 *
 * Each new process is probed first. A server of the modern era gets what the agent sent. An old one is not imitated:
 * the agent is answered as over HTTP by an old server (a 4xx that names no modern error), upon which a client of both
 * eras falls back to `initialize` (basic/versioning, compatibility matrix).
 */
import type { Lease } from '../../src/credential/lease.ts'
import { GatewayError } from '../../src/errors.ts'
import type { UpstreamAnswer } from '../../src/gate/call.ts'
import type { Clock } from '../../src/ports.ts'
import { converse, nothing, refusal } from './conversation.ts'
import type { ClientInfo } from './handshake.ts'
import { discover } from './handshake.ts'
import type { Posted, StdioInquiry } from './inquiry.ts'
import { takesStream } from './inquiry.ts'
import type { Processes, Running } from './processes.ts'

/** A server's era changes with its version alone. */
const KNOWN_OLD_MS = 10 * 60_000
/** It said nothing, or left: that may have had another cause. */
const THOUGHT_OLD_MS = 60_000
const OLD_SERVER = {
  code: -32600,
  message: 'This MCP server speaks only revisions of MCP that begin with `initialize` (2025-11-25 and earlier).',
}
/** basic/transports/streamable-http: what a server's errors are as a status of HTTP. */
const STATUS_BY_CODE: ReadonlyMap<unknown, number> = new Map([
  [-32601, 404],
  [-32020, 400],
  [-32021, 400],
  [-32022, 400],
])

export interface StatelessAgents {
  post(inquiry: StdioInquiry, posted: Posted, lease: Lease): Promise<UpstreamAnswer>
}

type Found = Running | 'old'

export function createStatelessAgents(options: {
  readonly processes: Processes
  /** Whose process one principal's messages go to. */
  readonly ownerOf: (inquiry: StdioInquiry) => string
  /** One process for all: then nothing that belongs to no request may reach anybody. */
  readonly isShared: boolean
  readonly client: ClientInfo
  readonly clock: Clock
}): StatelessAgents {
  const { processes, ownerOf, isShared, client, clock } = options
  const byOwner = new Map<string, Promise<Found>>()
  let oldUntil = 0

  async function begin(owner: string, lease: Lease, onEnd: () => void): Promise<Found> {
    const running: Running = processes.start({
      owner,
      era: 'modern',
      lease,
      // A modern server asks nothing by itself; what it notes without naming a request is about the only one there is.
      onUnasked: ({ id, text }) => {
        const [only, other] = running.peer.underway
        if (id === null && !isShared && only?.takesMessages && other === undefined) only.mailbox.put(text)
      },
      isListening: () => false,
    })
    void running.ended.then(onEnd)
    // Some old servers leave on a request before `initialize`.
    running.setProbing(true)
    const { era, isDefinite } = await probe(running)
    running.setProbing(false)
    if (era === 'modern') return running
    oldUntil = clock.now() + (isDefinite ? KNOWN_OLD_MS : THOUGHT_OLD_MS)
    void running.stop('speaks another revision')
    return 'old'
  }

  async function probe(running: Running): Promise<{ era: 'modern' | 'legacy'; isDefinite: boolean }> {
    try {
      return await discover(running.peer, client)
    } catch (error) {
      // Not there at all is no sign of age.
      if ((await running.ended).startsWith('could not be started')) throw error
      return { era: 'legacy', isDefinite: false }
    }
  }

  function processFor(owner: string, lease: Lease): Promise<Found> {
    const known = byOwner.get(owner)
    if (known !== undefined) return known
    if (clock.now() < oldUntil) return Promise.resolve('old')
    const forget = () => {
      if (byOwner.get(owner) === started) byOwner.delete(owner)
    }
    const started: Promise<Found> = begin(owner, lease, () => forget())
    byOwner.set(owner, started)
    started.catch(forget)
    return started
  }

  return {
    async post(inquiry, posted, lease) {
      const { message } = posted
      if (message.kind === 'response') throw new GatewayError('invalid_request', 'A modern server asks nothing.')
      const running = await processFor(ownerOf(inquiry), lease)
      const id = message.kind === 'request' ? message.id : null
      if (running === 'old') return refusal(400, OLD_SERVER, id)
      running.touch()
      if (message.kind === 'request') {
        const { gone, principal } = inquiry
        return converse(running.peer, posted, {
          scope: principal,
          takesMessages: takesStream(inquiry),
          gone,
          statusOf: statusOfAnswer,
        })
      }
      // Over HTTP a modern client cancels by leaving; by an id it could mean another client of the same principal.
      if (message.method !== 'notifications/cancelled') running.peer.send(posted.text)
      return nothing(202)
    },
  }
}

function statusOfAnswer(text: string): number {
  const { error } = JSON.parse(text) as { error?: { code?: unknown } }
  return STATUS_BY_CODE.get(error?.code) ?? 200
}
