/**
 * Binds an upstream's session to whom it was given: the agent never holds the upstream's own `Mcp-Session-Id`, but one
 * of ours that seals it for its issuer, subject, client and upstream.
 *
 * The gateway speaks to an upstream with one credential for all its agents, so the upstream can't tell them apart: the
 * bare id would let whoever learnt it read another's messages and answer in their place (MCP 2025-11-25
 * basic/security_best_practices, "Session Hijacking"). The same holds for the ids of events, by which a stream is resumed.
 *
 * Nothing is stored: a restarted gateway, or another replica, opens what this one sealed. An id that doesn't open is
 * answered 404, upon which a client begins anew (basic/transports, "Session Management").
 */
import type { IncomingHttpHeaders } from 'node:http'
import { GatewayError } from '../../src/errors.ts'
import type { LargeEvent, Reply, StreamEvent } from '../../src/gate/call.ts'
import type { Principal } from '../../src/identity/principal.ts'
import type { Era } from '../../src/mcp/message.ts'
import type { Sealer } from '../../src/sealing/seal.ts'
import { boundTo, SEAL_PREFIX } from '../../src/sealing/seal.ts'
import type { Headers } from './outlet.ts'

export interface ClientSession {
  /** What the agent sent. */
  readonly id: string
  readonly upstreamId: string
  /** `clientInfo.name` of the `initialize` that began it. */
  readonly clientName: string | null
}

/** What an answer's message was. */
export interface Asked {
  readonly era: Era
  readonly client: { readonly name: string | null }
  readonly session: ClientSession | null
}

/** Whose session it is. */
export interface Holder {
  readonly principal: Principal
  readonly upstream: string
}

export interface ClientSessions {
  /** Null where the agent names no session. Throws GatewayError `unknown_session`. */
  open(headers: IncomingHttpHeaders, holder: Holder): ClientSession | null
  /** The upstream's own id of the last event that the agent got; null where it names none. Throws `invalid_request`. */
  lastEventId(headers: IncomingHttpHeaders, holder: Holder): string | null
  /** A reply with our ids where the upstream's are, and without a session's id where the message has no session. */
  outgoing<R extends Reply>(reply: R, holder: Holder, inquiry: Asked): R
}

/** Before the seal of an upstream's event, so that it is no place in a held call's own stream (resume.ts). */
const EVENT_PREFIX = 'up.'
/** Opened ids that are remembered, at about a kilobyte each: opening one is a tenth of an allowed call's cost. */
const REMEMBERED_MAX = 4_096

interface Remembered extends ClientSession {
  readonly bound: string
}

export function createClientSessions(sealer: Sealer): ClientSessions {
  const remembered = new Map<string, Remembered>()
  const remember = (session: Remembered) => {
    for (const oldest of remembered.keys()) {
      if (remembered.size < REMEMBERED_MAX) break
      remembered.delete(oldest)
    }
    remembered.set(session.id, session)
    return session
  }
  const open = (id: string, bound: string) => {
    const known = remembered.get(id)
    // Whoever else sends it is answered as for an id that never was.
    if (known !== undefined) return known.bound === bound ? known : null
    const value = sealer.open('mcp-session', id, bound)
    if (value === null) return null
    const { s: upstreamId, c: clientName } = value as { s: string; c: string | null }
    return remember({ id, upstreamId, clientName, bound })
  }
  const outgoingHeaders = (
    headers: Headers,
    { principal, upstream }: Holder,
    { era, client, session }: Asked,
  ): Headers => {
    const { 'mcp-session-id': upstreamId, ...others } = headers
    if (upstreamId === undefined) return headers
    // MCP 2026-07-28 streamable-http, "Earlier Streamable HTTP Revisions": its messages have no session.
    if (era === 'modern') return others
    if (session?.upstreamId === upstreamId) return { ...others, 'mcp-session-id': session.id }
    const bound = boundTo(principal, upstream)
    const id = sealer.seal('mcp-session', { s: upstreamId, c: client.name }, bound)
    return { ...others, 'mcp-session-id': remember({ id, upstreamId, clientName: client.name, bound }).id }
  }
  const outgoingEvent = <Event extends StreamEvent | LargeEvent>(
    event: Event,
    { principal, upstream }: Holder,
  ): Event =>
    event.id === null
      ? event
      : {
          ...event,
          id: EVENT_PREFIX + sealer.seal('stream-event', { e: event.id }, boundTo(principal, upstream)),
        }
  return {
    open({ 'mcp-session-id': id }, { principal, upstream }) {
      if (id === undefined) return null
      const session = typeof id === 'string' ? open(id, boundTo(principal, upstream)) : null
      if (session !== null) return session
      throw new GatewayError('unknown_session', 'There is no such session of this client. Begin anew with initialize.')
    },
    lastEventId({ 'last-event-id': header }, { principal, upstream }) {
      const id = header?.toString()
      // Ours alone is a place in a held call's own stream, which resume.ts reads.
      if (id === undefined || id.startsWith(SEAL_PREFIX)) return null
      const sealed = id.startsWith(EVENT_PREFIX) ? id.slice(EVENT_PREFIX.length) : ''
      const value = sealer.open('stream-event', sealed, boundTo(principal, upstream))
      if (typeof value?.e === 'string') return value.e
      throw new GatewayError('invalid_request', 'Last-Event-ID names no event that this client got on this route.')
    },
    outgoing(reply, holder, inquiry) {
      if (reply.kind === 'stopped' || reply.kind === 'pending') return reply
      const headers = outgoingHeaders(reply.headers, holder, inquiry)
      if (reply.kind !== 'stream') return headers === reply.headers ? reply : { ...reply, headers }
      return {
        ...reply,
        headers,
        relay: (write, writeLarge) =>
          reply.relay(
            (event, isAnswer) => write(outgoingEvent(event, holder), isAnswer),
            writeLarge && ((event) => writeLarge(outgoingEvent(event, holder))),
          ),
      }
    },
  }
}
