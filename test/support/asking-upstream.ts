/**
 * A server of MCP 2026-07-28 that asks its client for more, and answers with a task of its own where the client knows
 * tasks: the two ways in which a call does not end with its first answer. Written on node:http, so that what it saw and
 * what it says is exactly what the test says.
 *
 *   ask      asks for a name, then greets; its `requestState` must come back
 *   insist   gives a state alone, and answers when that comes back
 *   delegate answers with its own task, which works, asks for a name, and ends
 *   number   answers with a number that a double would round
 */
import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'

export interface AskingUpstream {
  readonly url: string
  /** Messages but for its tools' list, in order. */
  readonly seen: readonly Message[]
  seenOf(method: string, name?: string): readonly Message[]
  /** The state of its one own task; the test moves it on. */
  own: { status: string; [member: string]: unknown }
  close(): Promise<void>
}

export interface Message {
  readonly id: number | string
  readonly method: string
  readonly params: { readonly name?: string; readonly [member: string]: unknown }
  readonly headers: http.IncomingHttpHeaders
}

export const OWN_TASK_ID = 'upstream task/7 ü'
const TOOLS = ['ask', 'insist', 'delegate', 'number'].map((name) => ({ name, inputSchema: { type: 'object' } }))
const ASK_NAME = {
  name: {
    method: 'elicitation/create',
    params: { message: 'Your name?', requestedSchema: { type: 'object', properties: { name: { type: 'string' } } } },
  },
}
const text = (said: string) => ({ resultType: 'complete', content: [{ type: 'text', text: said }] })

export async function startAskingUpstream(): Promise<AskingUpstream> {
  const seen: Message[] = []
  const server = http.createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    if (request.method !== 'POST') return void response.writeHead(405).end()
    const message = { ...JSON.parse(Buffer.concat(chunks).toString()), headers: request.headers } as Message
    if (message.method !== 'tools/list' && message.method !== 'server/discover') seen.push(message)
    const answer = answerOf(upstream, message)
    const body = typeof answer === 'string' ? answer : JSON.stringify({ jsonrpc: '2.0', id: message.id, ...answer })
    response.writeHead(200, { 'content-type': 'application/json' }).end(body)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const upstream: AskingUpstream = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    seen,
    seenOf: (method, name) =>
      seen.filter((message) => message.method === method && (name === undefined || message.params.name === name)),
    own: { status: 'working' },
    async close() {
      server.close()
      server.closeAllConnections()
    },
  }
  return upstream
}

function answerOf(upstream: AskingUpstream, { id, method, params, headers }: Message): object | string {
  switch (method) {
    case 'server/discover':
      return {
        result: {
          resultType: 'complete',
          supportedVersions: ['2026-07-28'],
          capabilities: { tools: {} },
          serverInfo: { name: 'asking', version: '1' },
          ttlMs: 0,
          cacheScope: 'private',
        },
      }
    case 'tools/list':
      return { result: { resultType: 'complete', tools: TOOLS, ttlMs: 0, cacheScope: 'private' } }
    case 'tools/call':
      return callOf(params, id)
    case 'tasks/get':
      if (params.taskId !== OWN_TASK_ID || headers['mcp-name'] === undefined) break
      return { result: { resultType: 'complete', ...ownTask(), ...upstream.own } }
    case 'tasks/update':
    case 'tasks/cancel':
      if (params.taskId !== OWN_TASK_ID) break
      upstream.own = { status: method === 'tasks/cancel' ? 'cancelled' : 'working' }
      return { result: { resultType: 'complete' } }
  }
  return { error: { code: -32602, message: 'no such thing' } }
}

function callOf(params: Message['params'], id: Message['id']): object | string {
  const { requestState, inputResponses } = params
  const answers = inputResponses as { name?: { content?: { name?: string } } } | undefined
  switch (params.name) {
    case 'ask':
      if (requestState !== 'state of the server') {
        return {
          result: { resultType: 'input_required', inputRequests: ASK_NAME, requestState: 'state of the server' },
        }
      }
      return { result: text(`Hello, ${answers?.name?.content?.name}!`) }
    case 'insist':
      if (requestState === undefined) return { result: { resultType: 'input_required', requestState: 'once more' } }
      return { result: text(`came back with ${String(requestState)}`) }
    case 'delegate':
      return { result: { resultType: 'task', ...ownTask(), status: 'working' } }
    case 'number':
      return `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":{"content":[],"structuredContent":{"n":9007199254740993}}}`
  }
  return { error: { code: -32602, message: 'no such tool' } }
}

function ownTask() {
  const at = '2026-11-24T10:00:00Z'
  return { taskId: OWN_TASK_ID, createdAt: at, lastUpdatedAt: at, ttlMs: null, pollIntervalMs: 500 }
}

export const NAME_REQUEST = ASK_NAME
