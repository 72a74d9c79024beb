/**
 * Where the answer of one message goes. Usually that is one HTTP response; the messages of a batch share one. Whoever
 * answers needn't know which.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { LargeEvent, StreamEvent } from '../../src/gate/call.ts'
import { AgentGone } from '../../src/gate/call.ts'
import { formatEvent, formatHead, formatPiece, messageEvent } from '../response/sse.ts'

export type Headers = Readonly<Record<string, string>>

export interface Outlet {
  /** Whether its client takes an event stream, in which it can be told of something before its answer. */
  readonly takesStream: boolean
  /** A stream's head is on its way: the HTTP status can no longer say anything. */
  readonly hasBegun: boolean
  /** The client left: nobody reads what is written. */
  readonly isGone: boolean
  /** The client reads more slowly than we write: what can be left out is. */
  readonly isFull: boolean
  /** Begins a stream; nothing, where one has begun. Its head goes out with the first event, or soon by itself. */
  begin(status: number, headers: Headers): void
  /** Resolves when more may be written. Rejects with AgentGone. */
  event(event: StreamEvent): Promise<void> | void
  /** A sign of life, which no client takes for a message. Left out where the client does not read. */
  comment(text: string): void
  /** The whole answer at once; where a stream has begun, its body is the last event. */
  whole(status: number, headers: Headers, body: Uint8Array | string): void
  /** The stream has nothing more to say. */
  end(): void
  /** For a large answer; null where its response is shared with others, and it must come whole. */
  readonly pieces: Pieces | null
  /** Calls back once all that was written has left for the client; never where the client left before. */
  whenSent(callback: () => void): void
}

export interface Pieces {
  /** An event whose data comes in chunks. Rejects with AgentGone. */
  event(event: LargeEvent): Promise<void>
  /** A part of the body. Resolves when more may be written; throws AgentGone. `end` ends it. */
  body(status: number, headers: Headers, piece: Uint8Array): Promise<void> | void
}

export const STREAM_HEADERS = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache, no-transform',
  // Tells nginx not to buffer (MCP 2026-07-28 streamable-http, "Receiving Messages").
  'x-accel-buffering': 'no',
} as const

/**
 * How long a stream's head waits for its first event, to go out in one write with it. No longer: a client that listens
 * may never get an event and must still learn that its stream stands.
 */
const HEAD_WAITS_MS = 50

export function takesStream({ headers }: IncomingMessage): boolean {
  return headers.accept?.includes('text/event-stream') ?? false
}

/** One message's own HTTP response. */
export class ResponseOutlet implements Outlet {
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  #head: { readonly status: number; readonly headers: Headers } | null = null
  #headTimer: NodeJS.Timeout | null = null
  /** A large answer has begun, and its end has not come. */
  #isWithin = false

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.#request = request
    this.#response = response
  }

  get takesStream(): boolean {
    return takesStream(this.#request)
  }

  get hasBegun(): boolean {
    return this.#response.headersSent
  }

  get isGone(): boolean {
    return this.#response.destroyed
  }

  get isFull(): boolean {
    return this.#response.writableNeedDrain
  }

  begin(status: number, headers: Headers): void {
    if (this.hasBegun || this.#head !== null) return
    this.#head = { status, headers: { ...headers, ...STREAM_HEADERS } }
    // A stream may outlive every default of Node's server.
    this.#response.setTimeout(0)
    this.#headTimer = setTimeout(() => {
      this.#sendHead()
      this.#response.flushHeaders()
    }, HEAD_WAITS_MS)
  }

  event(event: StreamEvent): Promise<void> | void {
    if (this.isGone) throw new AgentGone('the agent left while its answer was streaming')
    this.#sendHead()
    if (!this.#response.write(formatEvent(event))) return drained(this.#response)
  }

  get pieces(): Pieces | null {
    return {
      event: (event) => this.#largeEvent(event),
      body: (status, headers, piece) => this.#bodyPiece(status, headers, piece),
    }
  }

  async #largeEvent(event: LargeEvent): Promise<void> {
    this.#sendHead()
    await this.#write(`${formatHead(event)}data: `)
    this.#isWithin = true
    for await (const chunk of event.chunks) await this.#write(formatPiece(chunk))
    this.#isWithin = false
    await this.#write('\n\n')
  }

  #bodyPiece(status: number, headers: Headers, piece: Uint8Array): Promise<void> | void {
    if (!this.hasBegun) {
      this.#response.setTimeout(0)
      this.#response.writeHead(status, headers)
      this.#isWithin = true
    }
    return this.#write(piece)
  }

  #write(text: string | Uint8Array): Promise<void> | void {
    if (this.isGone) throw new AgentGone('the agent left while its answer was streaming')
    if (!this.#response.write(text)) return drained(this.#response)
  }

  comment(text: string): void {
    // Within an event's data it would be data.
    if (this.isGone || this.isFull || this.#isWithin) return
    this.#sendHead()
    this.#response.write(`: ${text}\n\n`)
  }

  whole(status: number, headers: Headers, body: Uint8Array | string): void {
    this.#forgetHead()
    if (this.#isWithin) {
      // A fault in the middle of a large answer: whatever were added, its client could take it for a part of that.
      this.#response.destroy()
      return
    }
    if (this.hasBegun) {
      this.#response.end(messageEvent(typeof body === 'string' ? body : Buffer.from(body).toString('utf8')))
      return
    }
    // A refused body may still be on its way; closing says that nobody reads it.
    if (!this.#request.complete) this.#response.shouldKeepAlive = false
    const bytes = typeof body === 'string' ? Buffer.from(body) : body
    // RFC 9110 §8.6: a 204 has no Content-Length.
    const length = status === 204 ? {} : { 'content-length': String(bytes.length) }
    this.#response.writeHead(status, { ...headers, ...length })
    this.#response.end(bytes)
  }

  end(): void {
    this.#sendHead()
    this.#response.end()
  }

  whenSent(callback: () => void): void {
    whenWritten(this.#response, callback)
  }

  #sendHead(): void {
    const head = this.#head
    this.#forgetHead()
    if (head !== null && !this.hasBegun) this.#response.writeHead(head.status, head.headers)
  }

  #forgetHead(): void {
    this.#head = null
    if (this.#headTimer !== null) clearTimeout(this.#headTimer)
    this.#headTimer = null
  }
}

/** A slow reader slows the upstream down instead of filling our memory. */
export function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const go = () => {
      response.off('drain', go)
      response.off('close', go)
      resolve()
    }
    response.once('drain', go)
    response.once('close', go)
  })
}

/** Calls back once all that was written has left for the client; never where the client left before. */
export function whenWritten(response: ServerResponse, callback: () => void): void {
  if (response.destroyed) return
  if (response.writableEnded) response.once('finish', callback)
  // Behind everything else that waits to be sent; to the client it is nothing.
  else response.write(':\n\n', (error) => (error ? undefined : callback()))
}
