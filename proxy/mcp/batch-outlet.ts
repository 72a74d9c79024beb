/** Where the elements of a batch are answered: parts of one HTTP response. */
import type { ServerResponse } from 'node:http'
import type { StreamEvent } from '../../src/gate/call.ts'
import { AgentGone } from '../../src/gate/call.ts'
import { formatEvent, messageEvent } from '../response/sse.ts'
import type { Headers, Outlet } from './outlet.ts'
import { drained, STREAM_HEADERS, whenWritten } from './outlet.ts'

export interface Answers {
  begin(): void
  /** For one element. */
  outlet(): Outlet
  /** All elements are answered. */
  end(): void
}

/** Each answer goes out as it comes. */
export class StreamAnswers implements Answers {
  readonly #response: ServerResponse

  constructor(response: ServerResponse) {
    this.#response = response
  }

  begin(): void {
    this.#response.writeHead(200, STREAM_HEADERS)
    this.#response.setTimeout(0)
    this.#response.flushHeaders()
  }

  outlet(): Outlet {
    return new StreamPart(this.#response)
  }

  end(): void {
    this.#response.end()
  }
}

class StreamPart implements Outlet {
  readonly pieces = null
  readonly takesStream = true
  readonly hasBegun = true
  readonly #response: ServerResponse

  constructor(response: ServerResponse) {
    this.#response = response
  }

  get isGone(): boolean {
    return this.#response.destroyed
  }

  get isFull(): boolean {
    return this.#response.writableNeedDrain
  }

  begin(): void {}

  event({ data, event }: StreamEvent): Promise<void> | void {
    if (this.isGone) throw new AgentGone('the agent left while its answer was streaming')
    // The upstream's ids are of several streams, and can't tell one place in this one; what only carries an id is left out.
    if (data === '') return
    if (!this.#response.write(formatEvent({ data, event, id: null, retryMs: null }))) return drained(this.#response)
  }

  comment(text: string): void {
    if (!this.isGone && !this.isFull) this.#response.write(`: ${text}\n\n`)
  }

  whole(_status: number, _headers: Headers, body: Uint8Array | string): void {
    if (!this.isGone) this.#response.write(messageEvent(textOf(body)))
  }

  end(): void {}

  whenSent(callback: () => void): void {
    whenWritten(this.#response, callback)
  }
}

/** All answers at once, when the last of them is there. */
export class JsonAnswers implements Answers {
  readonly #response: ServerResponse
  readonly #texts: string[] = []

  constructor(response: ServerResponse) {
    this.#response = response
  }

  begin(): void {
    this.#response.setTimeout(0)
  }

  outlet(): Outlet {
    return new JsonPart(this.#response, this.#texts)
  }

  end(): void {
    const body = Buffer.from(`[${this.#texts.join(',')}]`)
    this.#response.writeHead(200, { 'content-type': 'application/json', 'content-length': String(body.length) })
    this.#response.end(body)
  }
}

class JsonPart implements Outlet {
  readonly pieces = null
  readonly takesStream = false
  readonly hasBegun = true
  readonly isFull = false
  readonly #response: ServerResponse
  readonly #texts: string[]

  constructor(response: ServerResponse, texts: string[]) {
    this.#response = response
    this.#texts = texts
  }

  get isGone(): boolean {
    return this.#response.destroyed
  }

  begin(): void {}

  event({ data }: StreamEvent): void {
    // Of a stream that its client did not ask for, only the answer has a place in an array.
    if (data !== '' && (JSON.parse(data) as { method?: unknown }).method === undefined) this.#texts.push(data)
  }

  comment(): void {}

  whole(_status: number, _headers: Headers, body: Uint8Array | string): void {
    this.#texts.push(textOf(body))
  }

  end(): void {}

  whenSent(callback: () => void): void {
    this.#response.once('finish', callback)
  }
}

/** For what has no answer: of a batch of nothing else, one status tells what became of it. */
export class Unanswered implements Outlet {
  readonly pieces = null
  readonly takesStream = false
  readonly hasBegun = false
  readonly isFull = false
  readonly #response: ServerResponse
  #isAccepted = false
  #refusal: { readonly status: number; readonly headers: Headers; readonly body: Uint8Array | string } | null = null

  constructor(response: ServerResponse) {
    this.#response = response
  }

  get isGone(): boolean {
    return this.#response.destroyed
  }

  begin(): void {
    this.#isAccepted = true
  }

  event(): void {}

  comment(): void {}

  whole(status: number, headers: Headers, body: Uint8Array | string): void {
    if (status < 400) this.#isAccepted = true
    else this.#refusal ??= { status, headers, body }
  }

  end(): void {}

  whenSent(callback: () => void): void {
    this.#response.once('finish', callback)
  }

  /** All elements are through. */
  finish(): void {
    const { status, headers, body } =
      this.#isAccepted || this.#refusal === null ? { status: 202, headers: {}, body: '' } : this.#refusal
    const bytes = Buffer.from(body)
    this.#response.writeHead(status, { ...headers, 'content-length': String(bytes.length) })
    this.#response.end(bytes)
  }
}

function textOf(body: Uint8Array | string): string {
  return typeof body === 'string' ? body : Buffer.from(body).toString('utf8')
}
