import { once } from 'node:events'
import { createServer, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { loopbackTls } from '../support/loopback-tls.ts'

const server = createServer(loopbackTls(), (_request, response) => response.end('hello'))
beforeAll(async () => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterAll(() => {
  server.close()
  server.closeAllConnections()
})

const port = () => (server.address() as AddressInfo).port

it('is trusted by fetch', async () => {
  expect(await (await fetch(`https://127.0.0.1:${port()}/`)).text()).toBe('hello')
})

it('is trusted by node:https', async () => {
  const asked = request(`https://localhost:${port()}/`).end()
  const [response] = await once(asked, 'response')
  response.resume()
  expect(response.statusCode).toBe(200)
})
