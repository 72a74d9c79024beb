/** A client of the official SDK finds its issuer from the gateway's 401 alone, over real HTTP. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  discoverOAuthProtectedResourceMetadata,
  extractWWWAuthenticateParams,
} from '@modelcontextprotocol/sdk/client/auth.js'
import express from 'express'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { challengeFor } from '../../proxy/authenticate/failure.ts'
import { resourceMetadataRouter } from '../../proxy/resource-metadata.ts'

const ISSUER = 'https://example.okta.com/oauth2/default'
const server = createServer()
let publicUrl: string

beforeAll(async () => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  publicUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const app = express()
  const upstreams = new Set(['files', 'a b'])
  app.use(resourceMetadataRouter({ publicUrl, issuers: [ISSUER], upstreams, scopesOf: () => ['mcp:call'] }))
  app.use('/mcp/:name', (request, response) => {
    const place = { publicUrl, upstream: request.params.name, scopes: ['mcp:call'] }
    const { status, headers, message } = challengeFor(
      { kind: 'missing', description: 'no access token was sent' },
      place,
    )
    response.status(status).set(headers).json({ message })
  })
  server.on('request', app)
})

afterAll(async () => {
  server.close()
  server.closeAllConnections()
  await once(server, 'close')
})

test.each(['files', 'a b'])(
  '[REQ-IDENTITY-1] the SDK reads the challenge of %s and follows it to the issuer',
  async (name) => {
    const url = `${publicUrl}/mcp/${encodeURIComponent(name)}`
    const challenge = extractWWWAuthenticateParams(await fetch(url, { method: 'POST' }))
    expect(challenge.scope).toBe('mcp:call')
    const metadata = await discoverOAuthProtectedResourceMetadata(url, challenge)
    expect(metadata).toMatchObject({ resource: url, authorization_servers: [ISSUER], resource_name: name })
  },
)

test('an upstream that does not exist has no metadata', async () => {
  const response = await fetch(`${publicUrl}/.well-known/oauth-protected-resource/mcp/nothing`)
  expect(response.status).toBe(404)
  expect(await response.json()).toMatchObject({ error: 'unknown_upstream' })
})

test('[REQ-CORS-1] a page may read it with the header that the SDK sends along', async () => {
  const url = `${publicUrl}/.well-known/oauth-protected-resource/mcp/files`
  const origin = 'https://anyone.example'
  const asked = { 'access-control-request-method': 'GET', 'access-control-request-headers': 'mcp-protocol-version' }
  const told = await fetch(url, { method: 'OPTIONS', headers: { origin, ...asked } })
  expect(told.status).toBe(204)
  expect(told.headers.get('access-control-allow-origin')).toBe('*')
  expect(told.headers.get('access-control-allow-headers')?.toLowerCase()).toContain('mcp-protocol-version')
  expect((await fetch(url, { headers: { origin } })).headers.get('access-control-allow-origin')).toBe('*')
})
