/**
 * The way into a run: the suite can't send a token, so this passes everything on as it came and adds one. The direct
 * run goes through one as well, without a token, so that the two runs differ in the gateway alone.
 *
 * Host and Origin pass unchanged, because the suite sends wrong ones on purpose. Nothing is gathered: each chunk goes on
 * as it comes, and whoever leaves takes the other side along.
 */
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import http from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Shim {
  readonly origin: string
  /** From now on requests go there; before, there is nothing to go to. */
  lead(port: number, authorization: string | null): void
  close(): Promise<void>
}

export async function startShim(): Promise<Shim> {
  let leads: { readonly port: number; readonly authorization: string | null } | null = null
  const server = http.createServer((request, response) => {
    if (leads === null) response.writeHead(503).end()
    else pass(request, response, leads.port, leads.authorization)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    lead(port, authorization) {
      leads = { port, authorization }
    },
    async close() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

function pass(request: IncomingMessage, response: ServerResponse, port: number, authorization: string | null): void {
  const { method, url } = request
  const headers = withoutConnection(request.rawHeaders)
  if (authorization !== null) headers.push('Authorization', authorization)
  // A connection for each request: a kept one could end just when the next request takes it.
  const onward = http.request({ host: '127.0.0.1', port, method, path: url, headers, agent: false })
  onward.on('response', (answer) => {
    response.writeHead(answer.statusCode ?? 502, withoutConnection(answer.rawHeaders))
    response.flushHeaders()
    answer.pipe(response)
    answer.on('error', () => response.destroy())
  })
  onward.on('error', () => response.destroy())
  response.on('close', () => onward.destroy())
  request.pipe(onward)
}

/** Each side of the shim has connections of its own (RFC 9110 §7.6.1). */
function withoutConnection(rawHeaders: readonly string[]): string[] {
  const headers: string[] = []
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const [name = '', value = ''] = rawHeaders.slice(index, index + 2)
    if (!/^(?:connection|keep-alive)$/i.test(name)) headers.push(name, value)
  }
  return headers
}
