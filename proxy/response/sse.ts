/**
 * Server-sent events, read from an upstream and written to an agent (WHATWG HTML §9.2). Events are whole before anyone
 * looks at them, since masking by chunks leaks at the seams.
 */
import type { IncomingMessage } from 'node:http'
import { createParser } from 'eventsource-parser'
import { GatewayError } from '../../src/errors.ts'
import type { StreamEvent } from '../../src/gate/call.ts'

/** One event holds one JSON-RPC message; the same limit as for a whole answer. */
export const EVENT_BYTES_MAX = 16 * 1024 * 1024

/** Ends when the upstream ends. Throws GatewayError `upstream_bad_answer` past the limit or for what is not UTF-8. */
export async function* readEvents(response: IncomingMessage): AsyncGenerator<StreamEvent> {
  const ready: StreamEvent[] = []
  let retryMs: number | null = null
  let unfinishedBytes = 0
  const parser = createParser({
    onEvent({ id, event, data }) {
      ready.push({ id: id ?? null, event: event ?? null, data, retryMs })
      retryMs = null
      unfinishedBytes = 0
    },
    onRetry(value) {
      retryMs = value
    },
  })
  const decoder = new TextDecoder('utf-8', { fatal: true })
  for await (const chunk of response as AsyncIterable<Uint8Array>) {
    unfinishedBytes += chunk.length
    parser.feed(decode(decoder, chunk))
    if (unfinishedBytes > EVENT_BYTES_MAX && ready.length === 0) {
      throw new GatewayError('upstream_bad_answer', `An event of the MCP server exceeds ${EVENT_BYTES_MAX} bytes.`)
    }
    yield* ready.splice(0)
  }
}

function decode(decoder: InstanceType<typeof TextDecoder>, chunk: Uint8Array): string {
  try {
    return decoder.decode(chunk, { stream: true })
  } catch (error) {
    throw new GatewayError('upstream_bad_answer', "The MCP server's event stream is not UTF-8 text.", { cause: error })
  }
}

/**
 * One event as it goes over the wire. Data may hold line breaks; an id or a name may not. Where only `retry` is told, no
 * event comes of it, and so nothing that a client could take for a message.
 */
export function formatEvent({ id, event, data, retryMs }: StreamEvent): string {
  let text = ''
  if (retryMs !== null) text += `retry: ${retryMs}\n`
  if (retryMs !== null && id === null && event === null && data === '') return `${text}\n`
  if (event !== null) text += `event: ${oneLine(event)}\n`
  if (id !== null) text += `id: ${oneLine(id)}\n`
  for (const line of data.split(/\r\n|\r|\n/)) text += `data: ${line}\n`
  return `${text}\n`
}

/** An event that carries one JSON-RPC message and nothing else. */
export function messageEvent(data: string): string {
  return formatEvent({ id: null, event: 'message', data, retryMs: null })
}

/** How long a client waits before it comes back. Clients try twice: a gateway that restarts has twice as long. */
export const RETRY_MS = 5_000
function oneLine(text: string): string {
  return text.replace(/[\r\n\0]/g, '')
}
