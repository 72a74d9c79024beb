/**
 * A real MCP server of the SDK that asks its clients back: sampling, elicitation, log messages, progress, cancellation,
 * and streams that are resumed. Each session counts its requests' and its events' ids from zero, so that the ids of two
 * sessions are always the same.
 */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import type { EventStore } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import type { CallToolResult, JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js'
import { CreateMessageResultSchema, ElicitResultSchema } from '@modelcontextprotocol/sdk/types.js'

export interface AskingServer {
  readonly url: string
  /** The bodies of POSTs, as they came. */
  readonly bodies: readonly string[]
  /** `last-event-id` of GETs that resumed a stream. */
  readonly resumed: readonly string[]
  /** By the name that the client gave itself: its calls of `endless` that are under way, and those that it took back. */
  readonly endless: { readonly running: Set<string>; readonly cancelled: Set<string> }
  /** Sends a notification on the listening stream of the client of this name. */
  notify(client: string): Promise<void>
  close(): void
}

const text = (value: string): CallToolResult => ({ content: [{ type: 'text', text: value }] })

export async function startAskingServer(): Promise<AskingServer> {
  const transports = new Map<string, StreamableHTTPServerTransport>()
  const servers = new Set<McpServer>()
  const bodies: string[] = []
  const resumed: string[] = []
  const endless = { running: new Set<string>(), cancelled: new Set<string>() }

  const open = async () => {
    const transport: StreamableHTTPServerTransport = new StreamableHTTPServerTransport({
      sessionIdGenerator: () => randomUUID(),
      eventStore: countingStore(),
      retryInterval: 100,
      onsessioninitialized: (id) => void transports.set(id, transport),
      onsessionclosed: (id) => void transports.delete(id),
    })
    const server = askingTools(endless)
    servers.add(server)
    await server.connect(transport as Parameters<McpServer['connect']>[0])
    return transport
  }

  const listener = http.createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    if (request.method === 'POST') bodies.push(body)
    if (request.headers['last-event-id'] !== undefined) resumed.push(String(request.headers['last-event-id']))
    const id = request.headers['mcp-session-id']
    const transport = id === undefined ? await open() : transports.get(String(id))
    if (transport === undefined) return void response.writeHead(404).end()
    await transport.handleRequest(request, response, body === '' ? undefined : JSON.parse(body))
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  return {
    url: `http://127.0.0.1:${(listener.address() as AddressInfo).port}/mcp`,
    bodies,
    resumed,
    endless,
    async notify(client) {
      for (const { server } of servers) {
        if (server.getClientVersion()?.name === client) await server.sendResourceUpdated({ uri: `for:${client}` })
      }
    },
    close() {
      listener.close()
      listener.closeAllConnections()
    },
  }
}

function askingTools(endless: { running: Set<string>; cancelled: Set<string> }): McpServer {
  const server = new McpServer(
    { name: 'asking', version: '1.0.0' },
    { capabilities: { logging: {}, resources: { subscribe: true }, tools: {} } },
  )
  const nameOf = () => server.server.getClientVersion()?.name ?? ''

  server.registerTool('whoami', {}, async (extra) => {
    const messages = [{ role: 'user' as const, content: { type: 'text' as const, text: `Who is ${nameOf()}?` } }]
    const params = { messages, maxTokens: 10 }
    const answer = await extra.sendRequest({ method: 'sampling/createMessage', params }, CreateMessageResultSchema)
    return text(`${nameOf()} answered as ${answer.model}`)
  })
  server.registerTool('consent', {}, async (extra) => {
    const requestedSchema = { type: 'object' as const, properties: { word: { type: 'string' as const } } }
    const params = { mode: 'form' as const, message: `Does ${nameOf()} agree?`, requestedSchema }
    const answer = await extra.sendRequest({ method: 'elicitation/create', params }, ElicitResultSchema)
    return text(`${nameOf()}: ${answer.action} ${String(answer.content?.word)}`)
  })
  server.registerTool('count', {}, async (extra) => {
    const progressToken = extra._meta?.progressToken
    for (const progress of [1, 2, 3]) {
      if (progressToken !== undefined) {
        const params = { progressToken, progress, message: `for ${nameOf()}` }
        await extra.sendNotification({ method: 'notifications/progress', params })
      }
      await extra.sendNotification({ method: 'notifications/message', params: { level: 'info', data: nameOf() } })
    }
    return text('counted')
  })
  server.registerTool('away', {}, async (extra) => {
    extra.closeSSEStream?.()
    return text(`back at ${nameOf()}`)
  })
  server.registerTool('endless', {}, async (extra) => {
    endless.running.add(nameOf())
    await once(extra.signal, 'abort')
    endless.running.delete(nameOf())
    endless.cancelled.add(nameOf())
    return text('never heard')
  })
  return server
}

/** As small servers do it: the ids of each session are 0, 1, 2. */
function countingStore(): EventStore {
  const events: { readonly stream: string; readonly message: JSONRPCMessage }[] = []
  return {
    storeEvent: async (stream, message) => String(events.push({ stream, message }) - 1),
    async replayEventsAfter(last, { send }) {
      const stream = events[Number(last)]?.stream ?? ''
      for (const [at, event] of events.entries()) {
        const isMessage = 'jsonrpc' in event.message
        if (at > Number(last) && event.stream === stream && isMessage) await send(String(at), event.message)
      }
      return stream
    },
  }
}
