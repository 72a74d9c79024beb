/** The endpoint over real HTTP, with parts of a few lines behind it. */
import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, it } from 'vitest'
import type { EndpointOptions } from '../../proxy/mcp/endpoint.ts'
import { createEndpoint } from '../../proxy/mcp/endpoint.ts'
import { aPrincipal } from '../support/examples.ts'

const MODERN = 'io.modelcontextprotocol/protocolVersion'
const withHeader = (name: string) => ({ inputSchema: { properties: { region: { 'x-mcp-header': name } } } })

/** Posts a tools/call that mirrors its region as `Mcp-Param-Region`, and tells the answer's status. */
async function statusWhere(definitions: { readonly cached: object; readonly fresh: object }): Promise<number> {
  const server = http.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const endpoint = createEndpoint({
    targets: new Map([['files', {}]]),
    authenticator: { authenticate: () => ({ ok: true, principal: aPrincipal(), expiresAt: 0 }) },
    sessions: { touch: () => 'ses_1' },
    gate: { pass: async () => ({ kind: 'whole', status: 200, headers: {}, body: new Uint8Array(), delivered: null }) },
    catalogue: { definition: async (_upstream: string, _tool: string, age: 'cached' | 'fresh') => definitions[age] },
    modernHolds: { attach: () => ({ held: () => undefined, gone: new AbortController().signal, patience: null }) },
    waitingRoom: { leave: () => undefined },
    rounds: { read: () => null },
    newId: () => 'call_1',
    origins: new Set(),
    hosts: new Set([host]),
    bodyBytesMax: 4096,
    touchMs: 60_000,
    draining: new AbortController().signal,
  } as unknown as EndpointOptions)
  server.on('request', (request, response) => void endpoint.serve(request, response, 'files'))
  const params = { name: 'get', arguments: { region: 'eu' }, _meta: { [MODERN]: '2026-07-28' } }
  const answer = await fetch(`http://${host}/mcp/files`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': 'get',
      'mcp-param-region': 'eu',
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params }),
  })
  await answer.text()
  endpoint.close()
  server.close()
  server.closeAllConnections()
  return answer.status
}

it('looks a tool up again before it refuses an argument’s header: the server may have come to ask for it', async () => {
  expect(await statusWhere({ cached: withHeader('Region'), fresh: {} })).toBe(200)
  expect(await statusWhere({ cached: withHeader('Zone'), fresh: withHeader('Region') })).toBe(200)
  expect(await statusWhere({ cached: withHeader('Zone'), fresh: withHeader('Zone') })).toBe(400)
})
