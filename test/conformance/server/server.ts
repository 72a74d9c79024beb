/**
 * The full-featured server of the comparison, as a program: MCP 2025-11-25 with sessions and 2026-07-28 without, on one
 * endpoint. `listening on PORT` is its first line.
 */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import type { NodeIncomingMessageLike } from '@modelcontextprotocol/node'
import {
  localhostHostValidation,
  localhostOriginValidation,
  NodeStreamableHTTPServerTransport,
  toNodeHandler,
  toWebRequest,
} from '@modelcontextprotocol/node'
import { createMcpHandler, isInitializeRequest, isLegacyRequest } from '@modelcontextprotocol/server'
import { createEventStore } from './event-store.ts'
import { createFeatures } from './features.ts'
import { taskRefusal } from './tasks.ts'

/** How soon a client whose stream ended comes back; the suite waits for it. */
const RETRY_MS = 300

const sessions = new Map<string, NodeStreamableHTTPServerTransport>()
const modern = createMcpHandler(() => createFeatures(() => modern.notify))
const modernListener = toNodeHandler(modern)
const [isRightHost, isRightOrigin] = [localhostHostValidation(), localhostOriginValidation()]

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (!isRightHost(request, response) || !isRightOrigin(request, response)) return
  const body = request.method === 'POST' ? await json(request).catch(() => undefined) : undefined
  if (request.method === 'POST' && body === undefined) return refuse(response, 400, 'Not JSON', -32700)
  const message = request as NodeIncomingMessageLike
  if (!(await isLegacyRequest(await toWebRequest(message, body)))) {
    const refusal = taskRefusal(body)
    return refusal === null
      ? modernListener(message, response, body)
      : answer(response, 400, { error: refusal, id: (body as { id: unknown }).id })
  }
  const sessionId = request.headers['mcp-session-id']
  if (Array.isArray(sessionId)) return refuse(response, 400, 'One session, please')
  const session = sessionId === undefined ? null : sessions.get(sessionId)
  if (session === undefined) return refuse(response, 404, 'Session not found')
  if (session !== null) return session.handleRequest(request, response, body)
  if (!isInitializeRequest(body)) return refuse(response, 400, 'Session ID required')
  await (await openSession()).handleRequest(request, response, body)
}

async function openSession(): Promise<NodeStreamableHTTPServerTransport> {
  const transport = new NodeStreamableHTTPServerTransport({
    sessionIdGenerator: () => randomUUID(),
    eventStore: createEventStore(),
    retryInterval: RETRY_MS,
    onsessioninitialized: (id) => void sessions.set(id, transport),
    onsessionclosed: (id) => void sessions.delete(id),
  })
  await createFeatures(() => modern.notify).connect(transport)
  return transport
}

function refuse(response: ServerResponse, status: number, message: string, code = -32000): void {
  answer(response, status, { error: { code, message }, id: null })
}

function answer(response: ServerResponse, status: number, message: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ jsonrpc: '2.0', ...message }))
}

const server = createServer((request, response) => {
  serve(request, response).catch((error: unknown) => {
    console.error(error)
    if (!response.headersSent) refuse(response, 500, 'Internal error')
    else response.destroy()
  })
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
console.log(`listening on ${(server.address() as AddressInfo).port}`)
