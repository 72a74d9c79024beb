/**
 * Sends one judged message to its upstream and reads the answer.
 *
 * The upstream's request is built from an allow-list, never copied: the agent's Authorization and cookies, spoofed
 * X-Forwarded-* and hop-by-hop headers have no way through. The answer's headers come back by an allow-list too, and
 * an answer that a decoder would have to unpack is refused: Node 20's Brotli decoder has a flaw without a fix there.
 */
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Lease } from '../../src/credential/lease.ts'
import { GatewayError } from '../../src/errors.ts'
import type { AnswerHead, Exchange, LargeEvent, StreamEvent, UpstreamAnswer } from '../../src/gate/call.ts'
import { AgentGone } from '../../src/gate/call.ts'
import { holdsCredential } from '../../src/masking/credential.ts'
import { EVENT_BYTES_MAX, readEvents } from '../response/sse.ts'
import type { Sender, Target, UpstreamRequest } from './http-proxy.ts'

/** A whole answer is masked as one value, so it is held in memory once. */
export const ANSWER_BYTES_MAX = EVENT_BYTES_MAX
/** A larger one goes through in pieces, where its agent and its call allow it. */
export const LARGE_BYTES = 1024 * 1024
/** A header line that agents and proxies accept has room for a session's id once it is sealed. Characters. */
const SESSION_ID_CHARS_MAX = 2_048
const USER_AGENT = 'countersign'

/**
 * What the agent may say to the upstream besides the body: the session and the event are those that its sealed ids named
 * (mcp/client-session.ts). Mcp-* headers are rebuilt from the body, see mcp/headers.ts.
 */
const REQUEST_HEADERS = ['accept', 'mcp-session-id', 'last-event-id'] as const
/** What the upstream may say to the agent besides the body. */
const ANSWER_HEADERS = ['content-type', 'mcp-session-id', 'cache-control', 'retry-after', 'allow'] as const

export interface ExchangeOptions {
  readonly sender: Sender
  readonly target: Target
  readonly method: UpstreamRequest['method']
  /** The agent's headers, of which the listed ones pass. */
  readonly incoming: Readonly<Record<string, string | string[] | undefined>>
  /** Made from the judged body. */
  readonly mcpHeaders: Readonly<Record<string, string>>
  readonly body: Uint8Array
  readonly gone: AbortSignal
  readonly socket: Socket
}

export function createExchange(options: ExchangeOptions): Exchange {
  return {
    async send(lease, { takesPieces } = { outlivesAgent: false, takesPieces: false }) {
      const { sender, target, method, body, gone, socket } = options
      try {
        const headers = upstreamHeaders(options, lease)
        const response = await sender.send({ method, target, headers, body, signal: gone, socket })
        return await readAnswer(response, { lease, gone, takesPieces })
      } catch (error) {
        if (gone.aborted) throw new AgentGone('the agent left while its call was running', { cause: error })
        throw error
      }
    },
  }
}

function upstreamHeaders(
  { incoming, mcpHeaders, method, body }: ExchangeOptions,
  lease: Lease,
): Record<string, string> {
  const headers: Record<string, string> = { 'user-agent': USER_AGENT, 'accept-encoding': 'identity' }
  Object.assign(headers, listedHeaders(incoming), mcpHeaders)
  if (method === 'POST') {
    headers['content-type'] = 'application/json'
    headers['content-length'] = String(body.length)
  }
  // Last, so that nothing of the agent's can stand where the credential goes.
  for (const [name, secret] of lease.headers) headers[name] = secret.reveal()
  return headers
}

/** Those that pass. */
export function listedHeaders(incoming: ExchangeOptions['incoming']): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const name of REQUEST_HEADERS) {
    const value = incoming[name]
    if (typeof value === 'string') headers[name] = value
  }
  return headers
}

interface Reading {
  readonly lease: Lease
  readonly gone: AbortSignal
  readonly takesPieces: boolean
}

async function readAnswer(response: IncomingMessage, reading: Reading): Promise<UpstreamAnswer> {
  const { lease, takesPieces } = reading
  const status = response.statusCode ?? 502
  const refusal = refusalOf(response, status)
  if (refusal !== null) {
    response.destroy()
    throw refusal
  }
  const head: AnswerHead = { status, headers: answerHeaders(response, lease) }
  if (status === 200 && isEventStream(head.headers['content-type'])) {
    return { ...head, kind: 'stream', events: guarded(response, reading, eventsOf(response, takesPieces)) }
  }
  const mayBeLarge = takesPieces && status === 200 && isJson(head.headers['content-type'])
  if (!mayBeLarge) return { ...head, kind: 'whole', body: await readWhole(response) }
  const begun = await readBegun(response)
  return 'body' in begun
    ? { ...head, kind: 'whole', body: begun.body }
    : { ...head, kind: 'pieces', chunks: guarded(response, reading, begun.chunks) }
}

/** The whole body where it is small, else what has come of it and what is still to come. */
async function readBegun(
  response: IncomingMessage,
): Promise<{ readonly body: Uint8Array } | { readonly chunks: AsyncIterable<Uint8Array> }> {
  const begun: Buffer[] = []
  let length = 0
  const iterator = (response as AsyncIterable<Buffer>)[Symbol.asyncIterator]()
  try {
    while (length <= LARGE_BYTES) {
      const { done, value } = await iterator.next()
      if (done === true) return { body: begun.length === 1 ? (begun[0] as Buffer) : Buffer.concat(begun) }
      begun.push(value)
      length += value.length
    }
  } catch (cause) {
    throw brokenOff(cause)
  }
  return { chunks: continued(begun, iterator) }
}

async function* continued(begun: Buffer[], iterator: AsyncIterator<Buffer>): AsyncGenerator<Uint8Array> {
  yield* begun.splice(0)
  for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value
}

function refusalOf(response: IncomingMessage, status: number): GatewayError | null {
  // Their challenge is about our credential; handing it on would send the agent to log in somewhere else.
  if (status === 401 || status === 403) {
    return new GatewayError(
      'upstream_refused_credential',
      `The MCP server refused the gateway's credential (${status}).`,
    )
  }
  // A redirect would carry the credential to a place that the settings don't name.
  if (status >= 300 && status < 400) {
    return new GatewayError('upstream_bad_answer', `The MCP server answered with a redirect (${status}).`)
  }
  // Refused here, where the connection is ended and the run with it: later nobody would read what still comes.
  if ((response.headers['mcp-session-id'] ?? '').length > SESSION_ID_CHARS_MAX) {
    return new GatewayError('upstream_bad_answer', `A session’s id exceeds ${SESSION_ID_CHARS_MAX} characters.`)
  }
  const encoding = response.headers['content-encoding']
  if (encoding !== undefined && encoding.trim().toLowerCase() !== 'identity') {
    return new GatewayError('upstream_bad_answer', 'The MCP server sent an encoded answer although asked not to.')
  }
  return null
}

/** A header that carries the credential back is dropped. */
function answerHeaders(response: IncomingMessage, lease: Lease): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const name of ANSWER_HEADERS) {
    const value = response.headers[name]
    if (typeof value !== 'string') continue
    if (holdsCredential(value, lease.secrets)) continue
    headers[name] = value
  }
  return headers
}

function isJson(contentType: string | undefined): boolean {
  return contentType !== undefined && /^application\/json\s*(?:;|$)/i.test(contentType)
}

function isEventStream(contentType: string | undefined): boolean {
  return contentType !== undefined && /^text\/event-stream\s*(?:;|$)/i.test(contentType)
}

function readWhole(response: IncomingMessage): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let length = 0
    response.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length > ANSWER_BYTES_MAX) {
        reject(new GatewayError('upstream_bad_answer', `The MCP server's answer exceeds ${ANSWER_BYTES_MAX} bytes.`))
        response.destroy()
        return
      }
      chunks.push(chunk)
    })
    response.on('end', () =>
      resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)),
    )
    response.on('error', (cause) => reject(brokenOff(cause)))
    response.on('aborted', () => reject(brokenOff(undefined)))
  })
}

async function* eventsOf(response: IncomingMessage, takesPieces: boolean): AsyncGenerator<StreamEvent | LargeEvent> {
  for await (const event of readEvents(response, takesPieces ? LARGE_BYTES : null)) {
    // Its events name a second URL for the answers, which the settings don't (MCP 2024-11-05 basic/transports).
    if (event.event === 'endpoint') {
      throw new GatewayError(
        'upstream_bad_answer',
        'The MCP server speaks HTTP+SSE, the transport before 2025-03-26, which is not supported: it needs a newer version, or a bridge.',
      )
    }
    yield event
  }
}

/** Says why a reading broke off, and leaves no connection behind. */
async function* guarded<Item>(
  response: IncomingMessage,
  { gone }: Reading,
  items: AsyncIterable<Item>,
): AsyncGenerator<Item> {
  try {
    yield* items
  } catch (error) {
    if (gone.aborted) throw new AgentGone('the agent left while its call was running', { cause: error })
    throw error instanceof GatewayError ? error : brokenOff(error)
  } finally {
    response.destroy()
  }
}

function brokenOff(cause: unknown): GatewayError {
  return new GatewayError('upstream_unreachable', 'The MCP server broke its answer off.', { cause })
}
