/** The least that passes a call on in our own stack: express and http-proxy, no policy, no identity, no recording. */
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import httpProxy from 'http-proxy'

const target = process.argv[2]
if (target === undefined) throw new Error('usage: bare-proxy UPSTREAM_URL')

const proxy = httpProxy.createProxyServer({
  target: new URL(target).origin,
  agent: new http.Agent({ keepAlive: true }),
})
proxy.on('error', (_error, _request, response) => {
  if (response instanceof http.ServerResponse) response.writeHead(502).end()
})
const app = express()
app.disable('x-powered-by')
app.post('/mcp', (request, response) => proxy.web(request, response))

const server = http.createServer(app)
server.keepAliveTimeout = 120_000
server.listen(0, '127.0.0.1', () => console.log(`listening on ${(server.address() as AddressInfo).port}`))
