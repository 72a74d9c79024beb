/** What must be refused, each with an error that names what is wrong, and none of which reaches the upstream. */
import net from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Gateway, World } from '../support/gateway.ts'
import { startWorld } from '../support/gateway.ts'
import { ALICE } from '../support/oidc-issuer.ts'

let world: World
let gateway: Gateway
let token: string

beforeAll(async () => {
  world = await startWorld()
  gateway = await world.startGateway({ maxBodyBytes: 4096 })
  token = await gateway.token()
})
afterAll(() => world?.close())

const CALL =
  '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_text_file","arguments":{"path":"a"}}}'

async function post(options: {
  body?: string | Buffer
  path?: string
  headers?: Record<string, string>
  method?: string
}) {
  const { body = CALL, path = '/mcp/files', headers = {}, method = 'POST' } = options
  const answer = await fetch(`${gateway.url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...headers,
    },
    ...(method === 'GET' || method === 'HEAD' ? {} : { body: body as never }),
  })
  return { status: answer.status, headers: answer.headers, text: await answer.text() }
}

/** Byte by byte as a client of no manners sends it: fetch would tidy it up. */
async function raw(lines: readonly string[], body: string): Promise<string> {
  const { port, host } = new URL(gateway.url)
  const socket = net.connect(Number(port), '127.0.0.1')
  socket.end(
    [
      `POST /mcp/files HTTP/1.1`,
      `Host: ${host}`,
      ...lines,
      `Content-Length: ${body.length}`,
      'Connection: close',
      '',
      body,
    ].join('\r\n'),
  )
  let text = ''
  for await (const chunk of socket) text += chunk
  return text
}

describe('a malformed body', () => {
  const nested = (depth: number) =>
    `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":${'['.repeat(depth)}${']'.repeat(depth)}}}`
  it.each<[string, string | Buffer, number, number, RegExp]>([
    ['[REQ-INPUT-1] that is no JSON', '{"jsonrpc"', 400, -32700, /\$/],
    ['that is empty', '', 400, -32700, /./],
    ['[REQ-INPUT-2] with a duplicate key', CALL.replace('"path":"a"', '"path":"a","path":"b"'), 400, -32700, /path/],
    [
      'with a duplicate key in another spelling',
      CALL.replace('"path":"a"', '"path":"a","p\\u0061th":"b"'),
      400,
      -32700,
      /path/,
    ],
    ['[REQ-INPUT-3] that is too deep', nested(100), 400, -32700, /deep/],
    ['with a number that JavaScript rounds', CALL.replace('"a"}', '"a","n":9007199254740993}'), 400, -32700, /n/],
    ['with half a surrogate pair', CALL.replace('"a"}', '"\\ud800"}'), 400, -32700, /surrogate/],
    [
      'that is not UTF-8',
      Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xff]), Buffer.from('"}')]),
      400,
      -32700,
      /UTF-8/,
    ],
    ['that is a batch of batches', `[[${CALL}]]`, 400, -32600, /[Bb]atch/],
    ['without jsonrpc', '{"id":1,"method":"ping"}', 400, -32600, /jsonrpc/],
    [
      'with a tool’s name that is a list',
      CALL.replace('"read_text_file"', '["read_text_file"]'),
      400,
      -32602,
      /params\.name/,
    ],
    ['with arguments that are a list', CALL.replace('{"path":"a"}', '[]'), 400, -32602, /params\.arguments/],
    [
      '[REQ-INPUT-3] that is too large',
      `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"${'x'.repeat(5000)}"}}`,
      413,
      -32600,
      /4096 bytes/,
    ],
    ['with a tools/call that has no id', CALL.replace('"id":1,', ''), 400, -32600, /`id`/],
  ])('%s is refused', async (_sentence, body, status, code, message) => {
    const answer = await post({ body })
    expect(answer.status).toBe(status)
    const { error } = JSON.parse(answer.text) as { error: { code: number; message: string; data: { cure: string } } }
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) })
    expect(error.data.cure).not.toBe('')
    expect(world.tap.seen).toHaveLength(0)
  })
})

describe('a request of the wrong form', () => {
  const modern = CALL.replace(
    '"params":{',
    '"params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"},',
  )
  it.each<[string, Parameters<typeof post>[0], number, RegExp]>([
    ['[REQ-INPUT-4] another content type', { headers: { 'content-type': 'text/plain' } }, 415, /application\/json/],
    ['another charset', { headers: { 'content-type': 'application/json; charset=utf-16' } }, 415, /UTF-8/],
    ['[REQ-INPUT-4] an encoded body', { headers: { 'content-encoding': 'gzip' } }, 415, /Content-Encoding/],
    ['[REQ-INPUT-5] an unknown upstream', { path: '/mcp/nothere' }, 404, /nothere/],
    ['a path that can’t be decoded', { path: '/mcp/%zz' }, 400, /bad_request/],
    ['another path', { path: '/mcp' }, 404, /\/mcp\/<upstream>/],
    ['another method', { method: 'PUT' }, 405, /POST, GET and DELETE/],
    ['a foreign web origin', { headers: { origin: 'https://evil.example' } }, 403, /origin/],
    ['a modern body without its headers', { body: modern }, 400, /MCP-Protocol-Version/],
    [
      '[REQ-FORWARD-5] a header that names another tool than the body',
      {
        body: modern,
        headers: { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': 'list_allowed' },
      },
      400,
      /Mcp-Name/,
    ],
    [
      '[REQ-POLICY-6] [REQ-POLICY-1] a method without a rule',
      { body: '{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///etc/passwd"}}' },
      200,
      /Denied by policy rule \\"default\\"/,
    ],
    [
      '[REQ-POLICY-6] a method that MCP does not know',
      { body: '{"jsonrpc":"2.0","id":1,"method":"admin/shutdown"}' },
      200,
      /Denied by policy/,
    ],
    ['a notification without a rule', { body: '{"jsonrpc":"2.0","method":"notifications/unheard"}' }, 403, /denies/],
  ])('with %s is refused', async (_sentence, request, status, message) => {
    const answer = await post(request)
    expect(answer.status).toBe(status)
    expect(answer.text).toMatch(message)
    expect(world.tap.seen).toHaveLength(0)
  })

  it('with another method is told which are allowed', async () => {
    expect((await post({ method: 'PUT' })).headers.get('allow')).toBe('POST, GET, DELETE')
  })

  it('under another Host is refused: a browser that was tricked by DNS sends it', async () => {
    const { port } = new URL(gateway.url)
    const socket = net.connect(Number(port), '127.0.0.1')
    socket.end(
      `POST /mcp/files HTTP/1.1\r\nHost: evil.example\r\nAuthorization: Bearer ${token}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}`,
    )
    let text = ''
    for await (const chunk of socket) text += chunk
    expect(text).toMatch(/^HTTP\/1\.1 403 /)
    expect(text).toContain('Use gateway.publicUrl')
  })
})

describe('a token that is not good', () => {
  const now = () => Date.now()
  const resource = () => `${gateway.url}/mcp/files`
  it.each<[string, () => Promise<string | null>, RegExp]>([
    [
      'no token',
      async () => null,
      /^Bearer resource_metadata="[^"]+\/\.well-known\/oauth-protected-resource\/mcp\/files"/,
    ],
    [
      'an expired one',
      () => world.issuer.forge(world.issuer.claimsFor(ALICE, resource(), now() - 24 * 3600_000)),
      /error="invalid_token".*expired/,
    ],
    ['one for another audience', () => world.issuer.tokenFor(ALICE, `${gateway.url}/mcp/other`), /audience/],
    ['one without a signature', async () => unsigned(world.issuer.claimsFor(ALICE, resource(), now())), /algorithm/],
    [
      'one with an unknown key',
      () => world.issuer.forge(world.issuer.claimsFor(ALICE, resource(), now()), { kid: 'nobody' }),
      /key/,
    ],
    [
      'one of another issuer',
      () => world.issuer.forge({ ...world.issuer.claimsFor(ALICE, resource(), now()), iss: `${world.issuer.issuer}/` }),
      /issuer/,
    ],
    ['gibberish', async () => 'x.y.z', /invalid_token/],
  ])('%s: 401 with the challenge that says why', async (_sentence, make, challenge) => {
    const bad = await make()
    const answer = await fetch(`${gateway.url}/mcp/files`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(bad === null ? {} : { authorization: `Bearer ${bad}` }) },
      body: CALL,
    })
    expect(answer.status).toBe(401)
    expect(answer.headers.get('www-authenticate')).toMatch(challenge)
    if (bad !== null) expect(await answer.text()).not.toContain(bad)
    expect(world.tap.seen).toHaveLength(0)
  })

  it('two Authorization headers are refused, although Node shows only the first', async () => {
    const answer = await raw(
      [`Authorization: Bearer ${token}`, 'Authorization: Bearer other', 'Content-Type: application/json'],
      CALL,
    )
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
    expect(answer).toContain('more than one Authorization header')
    expect(world.tap.seen).toHaveLength(0)
  })

  it('names the issuers and the resource in the metadata that the challenge points to', async () => {
    const answer = await fetch(`${gateway.url}/.well-known/oauth-protected-resource/mcp/files`)
    expect(await answer.json()).toMatchObject({ resource: resource(), authorization_servers: [world.issuer.issuer] })
  })
})

function unsigned(claims: object): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part({ alg: 'none', typ: 'JWT' })}.${part(claims)}.`
}
