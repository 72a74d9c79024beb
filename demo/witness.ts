/**
 * Stands between the gateway and the MCP server and notes what the server hears, so that the demo can show what did not
 * reach it: a held call before its approval, and the agent's token ever. Passes everything on unchanged.
 */
import { once } from 'node:events'
import type { IncomingHttpHeaders } from 'node:http'
import http from 'node:http'
import type { AddressInfo } from 'node:net'

/** The gateway accepts no larger bodies by default. */
const BODY_MAX_BYTES = 4 * 1024 * 1024
const HEARD_MAX = 10_000

export interface Heard {
  readonly at: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface Witness {
  readonly url: string
  readonly heard: readonly Heard[]
  /** The `tools/call` requests for one tool. */
  callsOf(tool: string): readonly Heard[]
  close(): void
}

export async function startWitness(upstream: string): Promise<Witness> {
  const target = new URL(upstream)
  const heard: Heard[] = []
  const server = http.createServer(async (request, response) => {
    const body = await readBody(request).catch(() => null)
    if (body === null || heard.length >= HEARD_MAX) return void response.writeHead(413).end()
    heard.push({ at: Date.now(), headers: request.headers, body: body.toString() })
    const options = { method: request.method ?? 'GET', headers: request.headers }
    const onward = http.request(target, options, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    onward.on('error', () => response.destroy())
    response.on('close', () => onward.destroy())
    onward.end(body)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}${target.pathname}`,
    heard,
    callsOf: (tool) => heard.filter(({ body }) => isCallOf(body, tool)),
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}

async function readBody(request: http.IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request) {
    bytes += (chunk as Buffer).length
    if (bytes > BODY_MAX_BYTES) throw new RangeError('too large')
    chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks)
}

function isCallOf(body: string, tool: string): boolean {
  if (body === '') return false
  const message = JSON.parse(body) as { method?: string; params?: { name?: string } }
  return message.method === 'tools/call' && message.params?.name === tool
}
