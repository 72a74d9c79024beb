/**
 * Server-sent events, read from an upstream and written to an agent (WHATWG HTML §9.2). Events are whole before anyone
 * looks at them, since masking by chunks leaks at the seams.
 */
import type { IncomingMessage } from 'node:http'
import { createParser } from 'eventsource-parser'
import { GatewayError } from '../../src/errors.ts'
import type { LargeEvent, StreamEvent } from '../../src/gate/call.ts'
import { readFrames } from './frames.ts'

/** One event holds one JSON-RPC message; the same limit as for a whole answer. */
export const EVENT_BYTES_MAX = 16 * 1024 * 1024

/**
 * Ends when the upstream ends. An event larger than `largeBytes` comes in chunks; null: none does, and one past
 * EVENT_BYTES_MAX is refused. Throws GatewayError `upstream_bad_answer`, also for what is not UTF-8.
 */
export async function* readEvents(
  response: IncomingMessage,
  largeBytes: number | null = null,
): AsyncGenerator<StreamEvent | LargeEvent> {
  const reader = createReader()
  for await (const frame of readFrames(response as AsyncIterable<Uint8Array>, largeBytes ?? EVENT_BYTES_MAX)) {
    if (frame.kind === 'whole') {
      yield* reader.read(frame.bytes)
      continue
    }
    if (largeBytes === null) {
      throw new GatewayError('upstream_bad_answer', `An event of the MCP server exceeds ${EVENT_BYTES_MAX} bytes.`)
    }
    // Its head, and data in the data's place.
    const [head] = reader.read(Buffer.concat([frame.head, Buffer.from('data: {}\n\n')]))
    if (head === undefined) throw new GatewayError('internal', 'An event has no head.')
    const { data: _, ...fields } = head
    yield { ...fields, chunks: frame.chunks }
  }
}

function createReader() {
  const ready: StreamEvent[] = []
  let retryMs: number | null = null
  const parser = createParser({
    onEvent({ id, event, data }) {
      ready.push({ id: id ?? null, event: event ?? null, data, retryMs })
      retryMs = null
    },
    onRetry(value) {
      retryMs = value
    },
  })
  const decoder = new TextDecoder('utf-8', { fatal: true })
  return {
    read(bytes: Uint8Array): readonly StreamEvent[] {
      parser.feed(decode(decoder, bytes))
      return ready.splice(0)
    },
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
export function formatEvent(event: StreamEvent): string {
  let text = formatHead(event)
  if (event.retryMs !== null && event.id === null && event.event === null && event.data === '') return `${text}\n`
  for (const line of event.data.split(/\r\n|\r|\n/)) text += `data: ${line}\n`
  return `${text}\n`
}

/** All of an event but its data. */
export function formatHead({ id, event, retryMs }: Omit<StreamEvent, 'data'>): string {
  let text = ''
  if (retryMs !== null) text += `retry: ${retryMs}\n`
  if (event !== null) text += `event: ${oneLine(event)}\n`
  if (id !== null) text += `id: ${oneLine(id)}\n`
  return text
}

/** A piece of an event's data, behind its first `data: `. A CR and an LF that two pieces share make two lines: to JSON one space more. */
export function formatPiece(piece: Uint8Array): Uint8Array {
  if (!piece.includes(LF) && !piece.includes(CR)) return piece
  const text = Buffer.from(piece).toString('latin1')
  return Buffer.from(text.replace(/\r\n|\r|\n/g, '\ndata: '), 'latin1')
}

const LF = 0x0a
const CR = 0x0d

/** An event that carries one JSON-RPC message and nothing else. */
export function messageEvent(data: string): string {
  return formatEvent({ id: null, event: 'message', data, retryMs: null })
}

/** How long a client waits before it comes back. Clients try twice: a gateway that restarts has twice as long. */
export const RETRY_MS = 5_000

function oneLine(text: string): string {
  return text.replace(/[\r\n\0]/g, '')
}
