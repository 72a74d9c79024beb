/**
 * Several messages in one body, which MCP 2025-03-26 knew and later revisions took back (2025-03-26 basic/transports,
 * "Sending Messages to the Server"; 2025-06-18 changelog).
 *
 * Each element is a call of its own: judged alone, forwarded in a POST of its own by the very bytes of its slice, and
 * held, denied or answered whatever becomes of the others. So no element can hide behind another. Only a batch whose
 * shape is wrong is refused whole, before anything of it is judged.
 *
 *   requests, and the client takes a stream   one stream; each answer goes out when it is there
 *   requests, and it takes none               one JSON array, when all answers are there
 *   notifications and responses alone         202; the first fault, where every one of them was refused
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { GatewayError } from '../../src/errors.ts'
import type { JsonValue } from '../../src/json/value.ts'
import type { RpcId } from '../../src/mcp/message.ts'
import { classify } from '../../src/mcp/message.ts'
import type { Answers } from './batch-outlet.ts'
import { JsonAnswers, StreamAnswers, Unanswered } from './batch-outlet.ts'
import type { Outlet } from './outlet.ts'
import { takesStream } from './outlet.ts'

/** The one revision that has batches; its clients may leave the header out. */
const BATCH_REVISION = '2025-03-26'
/** Each element may hold a connection to the upstream, and a question to people. */
export const BATCH_ELEMENTS_MAX = 32

export interface Element {
  readonly bytes: Uint8Array
  readonly value: JsonValue
}

export function takesBatches({ headers }: IncomingMessage): boolean {
  const version = headers['mcp-protocol-version']
  return version === undefined || version === BATCH_REVISION
}

/** Throws GatewayError `invalid_request`; then nothing of the batch is judged. */
export function checkBatch(elements: readonly Element[]): void {
  if (elements.length === 0) throw refused('has no element')
  if (elements.length > BATCH_ELEMENTS_MAX) throw refused(`has more than ${BATCH_ELEMENTS_MAX} elements`)
  const ids = new Set<RpcId>()
  for (const { value } of elements) {
    const classified = classify(value)
    if (!classified.ok) throw new GatewayError(classified.code, `An element of the batch: ${classified.message}`)
    const { message } = classified
    if (message.kind === 'response') continue
    if (message.era === 'modern') throw refused('has an element of a revision without batches')
    if (message.method === 'initialize') throw refused('must not have `initialize` in it')
    if (message.kind !== 'request') continue
    // Both answers would go by one id, and each client would take the first for both.
    if (ids.has(message.id)) throw refused('has two requests of one id')
    ids.add(message.id)
  }
}

function refused(what: string): GatewayError {
  return new GatewayError('invalid_request', `The batch ${what}.`)
}

/** `pass` answers one element through its outlet, faults included; it never rejects. */
export async function answerBatch(
  { request, response }: { readonly request: IncomingMessage; readonly response: ServerResponse },
  elements: readonly Element[],
  pass: (element: Element, outlet: Outlet) => Promise<void>,
): Promise<void> {
  // Each element listens for the end of the one response.
  response.setMaxListeners(0)
  const answers: Answers = takesStream(request) ? new StreamAnswers(response) : new JsonAnswers(response)
  const unanswered = new Unanswered(response)
  const isRequest = elements.map(({ value }) => isRequestOf(value))
  const hasRequests = isRequest.includes(true)
  if (hasRequests) answers.begin()
  await Promise.all(elements.map((element, at) => pass(element, isRequest[at] ? answers.outlet() : unanswered)))
  if (hasRequests) answers.end()
  else unanswered.finish()
}

function isRequestOf(value: JsonValue): boolean {
  const classified = classify(value)
  return classified.ok && classified.message.kind === 'request'
}
