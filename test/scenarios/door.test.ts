/** What a browser's page may do, and what clients of the transport before hear. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Upstream, Wire } from '../support/wire.ts'
import { echoing, ORIGIN, request, startWire } from '../support/wire.ts'

let wire: Wire
let answer: Upstream = echoing
beforeAll(async () => {
  wire = await startWire({ upstream: (seen, response) => answer(seen, response) })
})
afterAll(() => wire?.close())

const preflight = (origin: string, asked: string) =>
  fetch(`${wire.url}/mcp/files`, {
    method: 'OPTIONS',
    headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': asked },
  })

describe('a page', () => {
  it('[REQ-CORS-1] of an allowed origin is told without a token what it may send', async () => {
    const asked = 'authorization,content-type,mcp-protocol-version,mcp-session-id,mcp-name,mcp-param-region,x-other'
    const told = await preflight(ORIGIN, asked)
    expect(told.status).toBe(204)
    expect(told.headers.get('access-control-allow-origin')).toBe(ORIGIN)
    expect(told.headers.get('access-control-allow-methods')).toBe('POST, GET, DELETE')
    expect(told.headers.get('access-control-allow-headers')?.split(', ')).toEqual(asked.split(',').slice(0, -1))
    expect(told.headers.get('vary')).toContain('Origin')
    expect(wire.seen).toHaveLength(0)
  })

  it('[REQ-CORS-1] of an allowed origin can read answers, and refusals too', async () => {
    const headers = { origin: ORIGIN }
    const answers = [
      await wire.send('alice', { headers, body: request(1, 'ping') }),
      await wire.send('alice', { headers, body: 'not JSON' }),
      await wire.send('alice', { headers, upstream: 'nowhere', body: request(1, 'ping') }),
      await fetch(`${wire.url}/mcp/files`, { method: 'POST', headers, body: '{}' }),
    ]
    expect(answers.map(({ status }) => status)).toEqual([200, 400, 404, 401])
    for (const { headers: sent } of answers) {
      expect(sent.get('access-control-allow-origin')).toBe(ORIGIN)
      expect(sent.get('access-control-expose-headers')).toContain('Mcp-Session-Id')
      expect(sent.get('access-control-expose-headers')).toContain('WWW-Authenticate')
      expect(sent.get('vary')).toBe('Origin')
    }
  })

  it('[REQ-CORS-1] of any other origin is told nothing, and nothing of it is forwarded', async () => {
    const before = wire.seen.length
    const evil = 'https://evil.example'
    for (const refused of [
      await preflight(evil, 'authorization'),
      await preflight('null', 'authorization'),
      await wire.send('alice', { headers: { origin: evil }, body: request(1, 'ping') }),
    ]) {
      expect(refused.status).toBe(403)
      expect(refused.headers.get('access-control-allow-origin')).toBeNull()
    }
    expect(wire.seen.length).toBe(before)
  })

  it('is no page where it names no origin: OPTIONS alone is not a method of this endpoint', async () => {
    const plain = await fetch(`${wire.url}/mcp/files`, {
      method: 'OPTIONS',
      headers: { authorization: 'Bearer alice' },
    })
    expect(plain.status).toBe(405)
    expect(plain.headers.get('allow')).toBe('POST, GET, DELETE')
    expect(plain.headers.get('access-control-allow-origin')).toBeNull()
  })
})

describe('the transport before streamable HTTP', () => {
  const listen = (headers: Record<string, string>) => wire.send('alice', { method: 'GET', headers })

  it('[REQ-FORWARD-7] is answered 405 with a sentence, where a client looks for it', async () => {
    const before = wire.seen.length
    const refused = await listen({ accept: 'text/event-stream' })
    expect(refused.status).toBe(405)
    expect(refused.headers.get('allow')).toBe('POST, GET, DELETE')
    expect(JSON.stringify(await refused.json())).toContain('HTTP+SSE transport of 2024-11-05 is not supported')
    expect(wire.seen.length).toBe(before)
  })

  it('is not what a client without a session speaks that names its revision', async () => {
    const stream = await listen({ 'mcp-protocol-version': '2025-06-18' })
    expect(stream.status).toBe(200)
    expect(stream.headers.get('x-accel-buffering')).toBe('no')
    expect(wire.seen.at(-1)?.method).toBe('GET')
  })

  it('[REQ-FORWARD-7] is refused with a sentence, where an upstream speaks it', async () => {
    answer = (_seen, response) =>
      void response
        .writeHead(200, { 'content-type': 'text/event-stream' })
        .end('event: endpoint\ndata: /messages?session=1\n\n')
    for (const refused of [
      await listen({ 'mcp-protocol-version': '2025-06-18' }),
      await wire.send('alice', { body: request(1, 'ping') }),
    ]) {
      expect(refused.status).toBe(502)
      const text = await refused.text()
      expect(text).toContain('speaks HTTP+SSE')
      expect(text, 'the second URL stays where it is').not.toContain('/messages')
    }
    answer = echoing
  })
})

describe('what tells a client the server’s era', () => {
  it.each([
    [
      400,
      '{"jsonrpc":"2.0", "id":null,"error":{"code":-32022,"message":"Unsupported","data":{"supported":["2025-11-25"]}}}',
    ],
    [400, '{ "jsonrpc" : "2.0", "id":1, "error":{"code":-32000,"message":"Bad Request: no session"} }'],
    [404, '{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"Method not found"}}'],
    [404, 'no such page'],
    [405, ''],
    [406, '{"jsonrpc":"2.0","error":{"code":-32000,"message":"Not Acceptable"},"id":null}'],
    [415, 'Unsupported Media Type'],
    [429, '{"slow":"down"}'],
    [501, 'not here'],
  ])('[REQ-FORWARD-8] passes as it is: %d %s', async (status, body) => {
    const type = body.startsWith('{') ? 'application/json' : 'text/plain'
    answer = (_seen, response) => void response.writeHead(status, { 'content-type': type, allow: 'POST' }).end(body)
    const passed = await wire.send('alice', { body: request(1, 'ping') })
    expect(passed.status).toBe(status)
    expect(await passed.text()).toBe(body)
    expect(passed.headers.get('content-type')).toBe(type)
    expect(passed.headers.get('allow')).toBe('POST')
    answer = echoing
  })

  it.each([401, 403])(
    'is not a %d: that is about the gateway’s credential, and the agent can’t cure it',
    async (status) => {
      const error = '{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Invalid Host"}}'
      answer = (_seen, response) =>
        void response.writeHead(status, { 'content-type': 'application/json', 'www-authenticate': 'Bearer' }).end(error)
      const refused = await wire.send('alice', { body: request(1, 'ping') })
      expect(refused.status).toBe(502)
      expect(refused.headers.get('www-authenticate')).toBeNull()
      answer = echoing
    },
  )
})
