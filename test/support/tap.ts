/** Stands before a real upstream and keeps what reached it: what the tests say about "the upstream saw" is read here. */
import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Seen {
  readonly method: string
  readonly headers: http.IncomingHttpHeaders
  readonly rawHeaders: readonly string[]
  readonly body: string
}

export interface Tap {
  readonly url: string
  readonly seen: readonly Seen[]
  /** The tools/call requests for one tool that reached the upstream. */
  callsOf(tool: string): readonly Seen[]
  /** Answers the next matching requests itself; null lets them through. For what no well-behaved server would say. */
  intercept: ((seen: Seen, response: http.ServerResponse) => boolean) | null
  /** Changes the text of answers, as a server does that redefines a tool. */
  rewrite: ((text: string) => string) | null
  /** Connections from the gateway that are open now. */
  readonly openSockets: number
  close(): Promise<void>
}

export async function startTap(upstream: string): Promise<Tap> {
  const target = new URL(upstream)
  const seen: Seen[] = []
  const server = http.createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks)
    const entry: Seen = {
      method: request.method ?? '',
      headers: request.headers,
      rawHeaders: request.rawHeaders,
      body: body.toString(),
    }
    seen.push(entry)
    if (tap.intercept?.(entry, response)) return
    const onward = http.request(
      {
        host: target.hostname,
        port: target.port,
        path: target.pathname,
        method: request.method,
        headers: request.headers,
      },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        const { rewrite } = tap
        if (rewrite === null) answer.pipe(response)
        else
          answer
            .on('data', (chunk: Buffer) => response.write(rewrite(chunk.toString())))
            .on('end', () => response.end())
      },
    )
    onward.on('error', () => response.destroy())
    response.on('close', () => onward.destroy())
    onward.end(body)
  })
  let openSockets = 0
  server.on('connection', (socket) => {
    openSockets += 1
    socket.once('close', () => {
      openSockets -= 1
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const tap: Tap = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${target.pathname}`,
    seen,
    callsOf: (tool) => seen.filter(({ body }) => isCallOf(body, tool)),
    intercept: null,
    rewrite: null,
    get openSockets() {
      return openSockets
    },
    async close() {
      server.close()
      server.closeAllConnections()
    },
  }
  return tap
}

function isCallOf(body: string, tool: string): boolean {
  if (body === '') return false
  const message = JSON.parse(body) as { method?: string; params?: { name?: string } }
  return message.method === 'tools/call' && message.params?.name === tool
}
