/**
 * Legacy agents (MCP 2025-11-25 and earlier): sessions by `Mcp-Session-Id`, which the bridge mints, over processes.
 *
 * A session belongs to the principal that began it; for anyone else there is none of that name (404). Each has a process
 * of its own, which ends with it, unless the settings let all share one: then the gateway has initialised that one, and
 * every agent's `initialize` is answered from its result.
 */
import { randomUUID } from 'node:crypto'
import type { PrincipalId } from '../../src/brands.ts'
import type { Lease } from '../../src/credential/lease.ts'
import { GatewayError } from '../../src/errors.ts'
import type { UpstreamAnswer } from '../../src/gate/call.ts'
import type { RpcId } from '../../src/mcp/message.ts'
import { converse, listen, nothing, refusal, whole } from './conversation.ts'
import { UNSUPPORTED_VERSION } from './handshake.ts'
import type { Posted, StdioInquiry } from './inquiry.ts'
import { takesStream } from './inquiry.ts'
import type { Mailbox } from './mailbox.ts'
import { createMailbox } from './mailbox.ts'
import type { OwnProcess } from './own-process.ts'
import type { Unasked } from './peer.ts'
import type { Processes, Running } from './processes.ts'

const SESSION_HEADER = 'mcp-session-id'
/** The SDKs' code and words for it; clients begin anew on the status. */
const SESSION_NOT_FOUND = { code: -32001, message: 'Session not found' }
/** What a modern client is to be told that tries GET or DELETE (MCP 2026-07-28 basic/transports/streamable-http). */
const ONLY_POST: UpstreamAnswer = { ...nothing(405), headers: { allow: 'POST' } }
const NO_SESSION = { code: -32000, message: 'Bad Request: Mcp-Session-Id header is required, from `initialize`' }
/** Requests of the server's that the client has not answered. */
const OPEN_REQUESTS_MAX = 1_000
/** Sessions on one shared process cost little, but not nothing. */
const SHARED_SESSIONS_MAX = 1_000

interface Session {
  readonly id: string
  readonly principal: PrincipalId
  /** Null where the process is shared: it may be another by now. */
  readonly running: Running | null
  /** What the server says by itself, until the client listens. */
  readonly outbox: Mailbox
  /** Ids of the server's requests that the client may answer. */
  readonly openRequests: Set<RpcId>
  listener: AbortController | null
}

export interface LegacySessions {
  post(inquiry: StdioInquiry, posted: Posted, lease: Lease): Promise<UpstreamAnswer>
  listen(inquiry: StdioInquiry): UpstreamAnswer
  end(inquiry: StdioInquiry): Promise<UpstreamAnswer>
  /** From the shared process, to all. */
  broadcast(message: Unasked): void
  isAnyListening(): boolean
}

export function createLegacySessions(options: {
  readonly processes: Processes
  /** Null where each session has a process of its own. */
  readonly shared: OwnProcess | null
}): LegacySessions {
  const { processes, shared } = options
  const sessions = new Map<string, Session>()

  function find({ incoming, principal }: StdioInquiry): Session | 'none' | 'unknown' {
    const id = incoming[SESSION_HEADER]
    if (typeof id !== 'string' || id === '') return 'none'
    const session = sessions.get(id)
    return session?.principal === principal ? session : 'unknown'
  }

  function newSession(principal: PrincipalId, running: Running | null): Session {
    const outbox = createMailbox()
    return { id: randomUUID(), principal, running, outbox, openRequests: new Set(), listener: null }
  }

  async function initialize(inquiry: StdioInquiry, posted: Posted, lease: Lease): Promise<UpstreamAnswer> {
    return shared === null ? initializeOwn(inquiry, posted, lease) : initializeShared(inquiry, posted, lease, shared)
  }

  async function initializeOwn(inquiry: StdioInquiry, posted: Posted, lease: Lease): Promise<UpstreamAnswer> {
    const { principal, gone } = inquiry
    const running: Running = processes.start({
      owner: principal,
      era: 'legacy',
      lease,
      onUnasked: (message) => deliver(session, running, message),
      isListening: () => session.listener !== null,
    })
    const session = newSession(principal, running)
    void running.ended.then(() => sessions.delete(session.id))
    let answer: UpstreamAnswer | null = null
    try {
      // `initialize` must not be cancelled (MCP 2025-11-25 basic/utilities/cancellation): without it the process goes.
      answer = await converse(running.peer, posted, {
        scope: session.id,
        takesMessages: false,
        gone,
        statusOf: () => 200,
      })
    } finally {
      if (answer?.kind !== 'whole' || !isResult(answer.body)) void running.stop('was not initialised')
      else sessions.set(session.id, session)
    }
    return sessions.has(session.id) ? withSession(answer, session) : answer
  }

  async function initializeShared(
    { principal }: StdioInquiry,
    { message }: Posted,
    lease: Lease,
    own: OwnProcess,
  ): Promise<UpstreamAnswer> {
    const id = message.kind === 'request' ? message.id : null
    const { era, result } = await own.get(lease)
    if (era === 'modern') {
      const text = `This MCP server speaks only MCP 2026-07-28 and later, which begins without \`initialize\`.`
      return refusal(200, { code: UNSUPPORTED_VERSION, message: text }, id)
    }
    const session = newSession(principal, null)
    sessions.set(session.id, session)
    const [oldest] = sessions.keys()
    if (sessions.size > SHARED_SESSIONS_MAX && oldest !== undefined) forget(sessions.get(oldest))
    return withSession(whole(200, JSON.stringify({ jsonrpc: '2.0', id, result })), session)
  }

  function forget(session: Session | undefined): void {
    if (session === undefined) return
    sessions.delete(session.id)
    session.listener?.abort()
  }

  async function request(inquiry: StdioInquiry, posted: Posted, session: Session, lease: Lease) {
    const running = await processOf(session, lease)
    running.touch()
    const takesMessages = takesStream(inquiry)
    const { gone } = inquiry
    return converse(running.peer, posted, { scope: session.id, takesMessages, gone, statusOf: () => 200 })
  }

  async function processOf(session: Session, lease: Lease): Promise<Running> {
    if (session.running !== null) return session.running
    if (shared === null) throw new GatewayError('internal', 'a session without a process')
    return (await shared.get(lease)).running
  }

  async function notify(posted: Posted, session: Session, lease: Lease): Promise<void> {
    const { message } = posted
    if (message.kind !== 'notification') return
    const running = await processOf(session, lease)
    running.touch()
    if (message.method === 'notifications/cancelled') running.peer.cancel(posted, session.id)
    // The gateway has said it to the shared process, and speaks for itself there.
    else if (session.running !== null || !HANDSHAKE_NOTICES.has(message.method)) running.peer.send(posted.text)
  }

  return {
    async post(inquiry, posted, lease) {
      const { message } = posted
      const id = message.kind === 'request' ? message.id : null
      if (message.kind === 'request' && message.method === 'initialize') return initialize(inquiry, posted, lease)
      const session = find(inquiry)
      if (session === 'none') return refusal(400, NO_SESSION, id)
      if (session === 'unknown') return refusal(404, SESSION_NOT_FOUND, id)
      if (message.kind === 'request') return request(inquiry, posted, session, lease)
      if (message.kind === 'notification') await notify(posted, session, lease)
      else if (session.openRequests.delete(message.id)) session.running?.peer.send(posted.text)
      return nothing(202)
    },
    listen(inquiry) {
      const session = find(inquiry)
      if (session === 'none') return ONLY_POST
      if (session === 'unknown') return refusal(404, SESSION_NOT_FOUND, null)
      // A client that lost its stream opens another, and the lost one may not have closed yet.
      session.listener?.abort()
      const listener = new AbortController()
      session.listener = listener
      session.running?.touch()
      const over = () => {
        if (session.listener === listener) session.listener = null
        session.running?.touch()
      }
      inquiry.gone.addEventListener('abort', over, { once: true })
      const events = listen(session.outbox, { gone: inquiry.gone, replaced: listener.signal })
      return { kind: 'stream', status: 200, headers: { 'content-type': 'text/event-stream' }, events }
    },
    async end(inquiry) {
      const session = find(inquiry)
      if (session === 'none') return ONLY_POST
      if (session === 'unknown') return refusal(404, SESSION_NOT_FOUND, null)
      forget(session)
      await session.running?.stop('was ended by its client')
      return nothing(200)
    },
    broadcast(message) {
      if (!FOR_ALL.test(message.method)) return
      for (const { outbox } of sessions.values()) outbox.put(message.text)
    },
    isAnyListening: () => [...sessions.values()].some(({ listener }) => listener !== null),
  }
}

const HANDSHAKE_NOTICES: ReadonlySet<string> = new Set([
  'notifications/initialized',
  'notifications/roots/list_changed',
])
/** Of a shared process nothing else may go to all: a log line or a resource's name can be about another's call. */
const FOR_ALL = /^notifications\/[a-z]+\/list_changed$/

/**
 * Where exactly one request is under way, what the server says is about it, and goes into its answer's stream, in order
 * with the answer; else it goes to the session's own stream, and waits for one.
 */
function deliver(session: Session, running: Running, message: Unasked): void {
  if (message.id !== null && session.openRequests.size < OPEN_REQUESTS_MAX) session.openRequests.add(message.id)
  const [only, other] = running.peer.underway
  if (only?.takesMessages && other === undefined) only.mailbox.put(message.text)
  else session.outbox.put(message.text)
}

function withSession(answer: UpstreamAnswer, { id }: Session): UpstreamAnswer {
  return { ...answer, headers: { ...answer.headers, [SESSION_HEADER]: id } }
}

function isResult(body: Uint8Array): boolean {
  const answer = JSON.parse(Buffer.from(body).toString('utf8')) as { result?: unknown }
  return answer.result !== undefined
}
