/** Every way that anyone found to have the gateway judge one message and the upstream run another, or to get its secret back. */
import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { createStaticBroker } from '../../proxy/broker/static.ts'
import { createCatalogue } from '../../proxy/catalogue.ts'
import type { EndpointOptions } from '../../proxy/mcp/endpoint.ts'
import { createEndpoint } from '../../proxy/mcp/endpoint.ts'
import { createWaitingRoom } from '../../proxy/mcp/waiting.ts'
import type { SessionId } from '../../src/brands.ts'
import { epochMs } from '../../src/brands.ts'
import { maskAnswer, maskEvent } from '../../src/gate/answer.ts'
import { parseStrict } from '../../src/json/strict.ts'
import { createMasker } from '../../src/masking/masker.ts'
import { classify } from '../../src/mcp/message.ts'
import { Secret } from '../../src/secret.ts'
import { aPrincipal } from '../support/examples.ts'

function read(text: string) {
  const parsed = parseStrict(new TextEncoder().encode(text))
  if (!parsed.ok) throw new Error(parsed.problem.message)
  return classify(parsed.value)
}

describe('a message that a server without regard to case would read otherwise', () => {
  it.each<[string, string]>([
    [
      'a harmless method, and another one in capitals',
      '{"jsonrpc":"2.0","id":1,"method":"tools/list","Method":"tools/call","params":{"name":"delete_user"}}',
    ],
    [
      'harmless params, and others in capitals',
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read"},"PARAMS":{"name":"delete_user"}}',
    ],
    [
      'a harmless tool, and another one in capitals',
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","Name":"delete_user"}}',
    ],
    [
      'harmless arguments, and others in capitals',
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","arguments":{},"Arguments":{"path":"/"}}}',
    ],
    [
      'harmless arguments, and others with a long s',
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","argument\u017f":{"path":"/"}}}',
    ],
    [
      'a resource in capitals alone',
      '{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"URI":"file:///etc/passwd"}}',
    ],
  ])('is refused: %s', (_sentence, text) => {
    expect(read(text)).toMatchObject({ ok: false })
  })

  it('is not one that only has members of the server’s own', () => {
    expect(read('{"jsonrpc":"2.0","id":1,"method":"x","params":{"Title":"a","task":{}}}')).toMatchObject({ ok: true })
  })
})

describe('the upstream’s secret doesn’t come back', () => {
  const KEY = 'upstream-key-7f3a9c'
  const lent = [new Secret(KEY)]
  const masker = createMasker()

  it('as the id or the name of an event', () => {
    for (const data of ['', '{"jsonrpc":"2.0","id":1,"result":{}}']) {
      const event = { id: `at-${KEY}`, event: Buffer.from(KEY).toString('base64'), data, retryMs: null }
      expect(maskEvent(masker, event, lent).event).toEqual({ id: null, event: null, data, retryMs: null })
    }
    const harmless = { id: 'at-7', event: 'message', data: '', retryMs: null }
    expect(maskEvent(masker, harmless, lent).event, 'the agent resumes by this id').toBe(harmless)
  })

  it('as a key that is named in an error, because it stands there twice', () => {
    const headers = { 'content-type': 'application/json' }
    const body = new TextEncoder().encode(`{"jsonrpc":"2.0","id":1,"result":{"${KEY}":1,"${KEY}":2}}`)
    const answered = () => maskAnswer(masker, { kind: 'whole', status: 200, headers, body }, lent)
    expect(answered).toThrow(/duplicate key at byte \d+/)
    expect(answered).not.toThrow(KEY)
  })
})

describe('a call whose agent leaves while it is looked up', () => {
  const CALL = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"write"}}'
  const fails = () => {
    throw new Error('is not to be asked')
  }

  /** Cuts the connection where the named step would answer, and tells whether the gate was asked all the same. */
  async function leavingAt(step: 'token' | 'session') {
    let isJudged = false
    const server = http.createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const client = http.request({ port, method: 'POST', headers: { 'content-type': 'application/json' } })
    const [[request, response]] = (await Promise.all([
      once(server, 'request'),
      client.on('error', () => {}).end(CALL),
    ])) as [[http.IncomingMessage, http.ServerResponse], unknown]
    const leave = async () => {
      client.destroy()
      await once(response, 'close')
    }
    const endpoint = createEndpoint({
      targets: new Map([['files', { protocol: 'http:', hostname: '', port: '', path: '', host: '' }]]),
      authenticator: {
        async authenticate() {
          if (step === 'token') await leave()
          return { ok: true, principal: aPrincipal(), expiresAt: 0 }
        },
      },
      sessions: {
        async touch() {
          if (step === 'session') await leave()
          return 'ses_1' as SessionId
        },
      },
      gate: {
        async pass() {
          isJudged = true
          return { kind: 'whole', status: 200, headers: {}, body: new Uint8Array() }
        },
      },
      catalogue: { definition: fails, known: fails },
      sender: { send: fails, close: fails },
      waitingRoom: createWaitingRoom({ now: () => epochMs(Date.now()) }),
      rounds: { read: () => null },
      newId: () => 'call_1',
      origins: new Set(),
      hosts: new Set([`localhost:${port}`]),
      bodyBytesMax: 4096,
      touchMs: 60_000,
      draining: new AbortController().signal,
      log: { info: fails, warn: fails, error: fails },
    } as unknown as EndpointOptions)
    await endpoint.serve(request, response, 'files')
    endpoint.close()
    server.close()
    return isJudged
  }

  it('comes to an end and is not judged: nobody would hear of it, and an approval would be used up', async () => {
    expect(await leavingAt('token')).toBe(false)
    expect(await leavingAt('session')).toBe(false)
  })
})

describe('an upstream that packs its list of tools although asked not to', () => {
  async function look(encoding: 'identity' | 'gzip') {
    const results: Record<string, unknown> = {
      initialize: {
        protocolVersion: '2025-11-25',
        capabilities: { tools: {} },
        serverInfo: { name: 'packer', version: '1' },
      },
      'tools/list': { tools: [{ name: 'a', inputSchema: { type: 'object' } }] },
    }
    const server = http.createServer(async (request, response) => {
      let body = ''
      for await (const chunk of request) body += chunk
      if (body === '') return void response.writeHead(405).end()
      const { id, method } = JSON.parse(body) as { id?: number; method: string }
      if (id === undefined) return void response.writeHead(202).end()
      const answer = results[method] ? { result: results[method] } : { error: { code: -32601, message: 'unknown' } }
      const text = JSON.stringify({ jsonrpc: '2.0', id, ...answer })
      response.setHeader('content-type', 'application/json')
      if (encoding === 'identity') response.end(text)
      else response.setHeader('content-encoding', encoding).end(gzipSync(text))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const catalogue = createCatalogue({
      upstreams: new Map([['files', new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`)]]),
      broker: createStaticBroker(new Map()),
      clock: { now: () => epochMs(1_000) },
      log: { info: () => undefined, warn: () => undefined, error: () => undefined },
      version: '0',
    })
    try {
      return [...(await catalogue.look('files')).keys()]
    } finally {
      catalogue.close()
      server.close()
      server.closeAllConnections()
    }
  }

  it('is not unpacked for', async () => {
    expect(await look('identity')).toEqual(['a'])
    await expect(look('gzip')).rejects.toMatchObject({ code: 'upstream_unreachable' })
  })
})
