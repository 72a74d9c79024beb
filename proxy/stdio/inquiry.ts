/** One judged message of an agent's on its way to a server over stdio, taken apart for its routing. */
import type { IncomingHttpHeaders } from 'node:http'
import type { PrincipalId } from '../../src/brands.ts'
import { GatewayError } from '../../src/errors.ts'
import { parseStrict } from '../../src/json/strict.ts'
import { isObject } from '../../src/json/value.ts'
import type { Message } from '../../src/mcp/message.ts'
import { classify } from '../../src/mcp/message.ts'
import type { JsonText } from './rewrite.ts'

export interface StdioInquiry {
  readonly principal: PrincipalId
  readonly method: 'POST' | 'GET' | 'DELETE'
  readonly incoming: IncomingHttpHeaders
  /** The judged bytes. */
  readonly body: Uint8Array
  readonly gone: AbortSignal
}

export type Posted = JsonText & { readonly message: Message }

/** Read again as it was judged: the same strict reader, the same classification. */
export function readPosted(body: Uint8Array): Posted {
  const parsed = parseStrict(body)
  const classified = parsed.ok ? classify(parsed.value) : null
  if (!parsed.ok || !isObject(parsed.value) || classified?.ok !== true) {
    throw new GatewayError('invalid_request', 'Only single JSON-RPC messages go to this MCP server.')
  }
  return { text: Buffer.from(body).toString('utf8'), value: parsed.value, message: classified.message }
}

/** MCP 2025-11-25 basic/transports, "Sending Messages": a client lists both, and must take either. */
export function takesStream({ incoming }: StdioInquiry): boolean {
  return String(incoming.accept ?? '').includes('text/event-stream')
}
