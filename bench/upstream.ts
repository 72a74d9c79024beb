/** The MCP server behind every contender: its own process, as little work as MCP lets it do. */
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { answerText, TOOL } from './mcp-call.ts'

const tool = {
  name: TOOL,
  description: 'Reads lines of a page.',
  inputSchema: { type: 'object', properties: { path: { type: 'string' }, lines: { type: 'object' } } },
}
const callResult = JSON.stringify({
  resultType: 'complete',
  content: [{ type: 'text', text: answerText }],
  isError: false,
})
const results: Readonly<Record<string, string>> = {
  'tools/call': callResult,
  'tools/list': JSON.stringify({ resultType: 'complete', tools: [tool], ttlMs: 60_000, cacheScope: 'public' }),
  'server/discover': JSON.stringify({
    resultType: 'complete',
    supportedVersions: ['2026-07-28', '2025-11-25'],
    capabilities: { tools: {} },
    serverInfo: { name: 'bench-upstream', version: '1.0.0' },
    ttlMs: 60_000,
    cacheScope: 'public',
  }),
  initialize: JSON.stringify({
    protocolVersion: '2025-11-25',
    capabilities: { tools: {} },
    serverInfo: { name: 'bench-upstream', version: '1.0.0' },
  }),
}

const server = http.createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const message = request.method === 'POST' ? parse(Buffer.concat(chunks)) : null
    if (message === null) {
      response.writeHead(request.method === 'POST' ? 400 : 405).end()
      return
    }
    if (message.id === undefined) {
      response.writeHead(202).end()
      return
    }
    const result = results[message.method ?? '']
    const outcome = result === undefined ? '"error":{"code":-32601,"message":"Method not found"}' : `"result":${result}`
    const body = Buffer.from(`{"jsonrpc":"2.0","id":${JSON.stringify(message.id)},${outcome}}`)
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': String(body.length) })
    response.end(body)
  })
})

function parse(body: Buffer): { id?: unknown; method?: string } | null {
  try {
    return JSON.parse(body.toString('utf8')) as { id?: unknown; method?: string }
  } catch {
    return null
  }
}

// Contenders keep their connections between rounds; a server that closes them would be measured instead.
server.keepAliveTimeout = 120_000
server.listen(0, '127.0.0.1', () => console.log(`listening on ${(server.address() as AddressInfo).port}`))
