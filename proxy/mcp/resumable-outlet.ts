/**
 * The HTTP response of one message whose stream may be cut before its answer, and whose client then comes back for it
 * (resume.ts). Until it is primed it is any other response.
 *
 *   first (an id: before the answer) … the answer, last (an id: behind it)
 *
 * Between them only these two ids count. The MCP server's own would make its client come back to the MCP server, which
 * was never told of the hold: they are left out, and a cut in the middle of the answer leads back here, where the whole
 * of it is kept.
 */
import type { StreamEvent } from '../../src/gate/call.ts'
import type { Headers, Pieces } from './outlet.ts'
import { ResponseOutlet } from './outlet.ts'

export class ResumableOutlet extends ResponseOutlet {
  #last: StreamEvent | null = null

  get isPrimed(): boolean {
    return this.#last !== null
  }

  /** Begins the stream with the first id, and ends it with the last. */
  prime(first: StreamEvent, last: StreamEvent): void {
    this.begin(200, {})
    this.#last = last
    if (!this.isGone) void super.event(first)
  }

  override event(event: StreamEvent): Promise<void> | void {
    if (this.#last === null || (event.id === null && event.retryMs === null)) return super.event(event)
    // The server's own priming event, or its wish when to come back: neither is for this client.
    if (event.data !== '') return super.event({ ...event, id: null, retryMs: null })
  }

  /** In this stream an answer is one event, behind which the last id comes. */
  override get pieces(): Pieces | null {
    return this.#last === null ? super.pieces : null
  }

  override whole(status: number, headers: Headers, body: Uint8Array | string): void {
    if (this.#last === null) {
      super.whole(status, headers, body)
      return
    }
    const data = typeof body === 'string' ? body : Buffer.from(body).toString('utf8')
    if (!this.isGone) void super.event({ id: null, event: 'message', data, retryMs: null })
    this.end()
  }

  override end(): void {
    if (this.#last !== null && !this.isGone) void super.event(this.#last)
    super.end()
  }

  /** Ends what will have no answer. A client that comes back hears that nothing is to come. */
  endUnanswered(): void {
    if (this.hasBegun) super.end()
    else super.whole(204, {}, '')
  }

  /** Ends a stream that is not over: its client comes back by itself, `retryMs` later. */
  endForNow(retryMs: number): void {
    if (!this.isGone) void super.event({ id: null, event: null, data: '', retryMs })
    super.end()
  }
}
