/** Every way that anyone found to use another's MCP session, or to resume another's stream. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { principalId } from '../../src/brands.ts'
import { aPrincipal } from '../support/examples.ts'
import type { Wire } from '../support/wire.ts'
import { aSealer, echoing, request, startWire } from '../support/wire.ts'

const OTHER_ISSUER = 'https://other.example'
const people = {
  alice: aPrincipal({ subject: 'alice' }),
  mallory: aPrincipal({ subject: 'mallory' }),
  'alice by another client': aPrincipal({ subject: 'alice', client: 'another' }),
  'alice by no client': aPrincipal({ subject: 'alice', client: null }),
  'alice of another issuer': aPrincipal({
    subject: 'alice',
    issuer: OTHER_ISSUER,
    id: principalId(OTHER_ISSUER, 'alice'),
  }),
}
const sealer = aSealer()
let wire: Wire
beforeAll(async () => {
  wire = await startWire({ people, sealer, upstream: echoing })
})
afterAll(() => wire?.close())

async function begin(who: string): Promise<string> {
  const answer = await wire.send(who, { body: request(1, 'initialize', { clientInfo: { name: 'tester' } }) })
  return answer.headers.get('mcp-session-id') ?? ''
}

const naming = (id: string) => ({ headers: { 'mcp-session-id': id } })

describe('an MCP session', () => {
  it('[REQ-SESSION-1] is the agent’s by an id of ours; the upstream hears its own', async () => {
    const id = await begin('alice')
    expect(id).toMatch(/^cs1\.[\w-]+$/)
    const answer = await wire.send('alice', { ...naming(id), body: request(2, 'tools/call', { name: 'read' }) })
    expect(answer.status).toBe(200)
    expect(wire.seen.at(-1)?.headers['mcp-session-id']).toMatch(/^upstream-session-/)
    expect(answer.headers.get('mcp-session-id'), 'the same one, where the upstream repeats it').toBe(id)
  })

  it('outlives the gateway that gave it out', async () => {
    const id = await begin('alice')
    const next = await startWire({ people, sealer, upstream: echoing })
    const answer = await next.send('alice', { ...naming(id), body: request(2, 'ping') })
    expect(answer.status).toBe(200)
    expect(next.seen.at(-1)?.headers['mcp-session-id']).toMatch(/^upstream-session-/)
    next.close()
  })

  it.each<[string, string, (id: string) => string, string?]>([
    ['another subject', 'mallory', (id) => id],
    ['another client of the same person', 'alice by another client', (id) => id],
    ['a token that names no client', 'alice by no client', (id) => id],
    ['a namesake of another issuer', 'alice of another issuer', (id) => id],
    ['its owner on another upstream', 'alice', (id) => id, 'pg-dev'],
    [
      'its owner, changed by one character',
      'alice',
      (id) => `${id.slice(0, -5)}${id.at(-5) === 'A' ? 'B' : 'A'}${id.slice(-4)}`,
    ],
    ['its owner, cut short', 'alice', (id) => id.slice(0, -1)],
    ['its owner, twice', 'alice', (id) => `${id}, ${id}`],
    ['its owner by the upstream’s own id', 'alice', () => 'upstream-session-1'],
    ['its owner by nothing', 'alice', () => ''],
  ])('[REQ-SESSION-1] is 404 to %s, and the upstream hears nothing', async (_sentence, who, change, upstream) => {
    const id = await begin('alice')
    expect((await wire.send('alice', { ...naming(id), body: request(1, 'ping') })).status, 'it is known').toBe(200)
    const before = wire.seen.length
    for (const init of [{ body: request(7, 'ping') }, { method: 'GET' }, { method: 'DELETE' }]) {
      const answer = await wire.send(who, { ...naming(change(id)), ...init, ...(upstream ? { upstream } : {}) })
      expect(answer.status).toBe(404)
      expect(await answer.json()).toMatchObject({ jsonrpc: '2.0', error: { code: -32001 } })
    }
    expect(wire.seen.length).toBe(before)
  })

  it('is no other purpose’s seal', async () => {
    const bound = JSON.stringify([people.alice.issuer, 'alice', people.alice.client, 'files'])
    const state = sealer.seal('request-state', { s: 'upstream-session-1', c: null }, bound)
    expect((await wire.send('alice', { ...naming(state), body: request(1, 'ping') })).status).toBe(404)
  })

  it('is left out of what a modern message says, both ways', async () => {
    const meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' }
    const headers = { 'mcp-session-id': 'anything', 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'initialize' }
    const answer = await wire.send('alice', { headers, body: request(1, 'initialize', { _meta: meta }) })
    expect(answer.status).toBe(200)
    expect(answer.headers.get('mcp-session-id')).toBeNull()
    expect(wire.seen.at(-1)?.headers['mcp-session-id']).toBeUndefined()
  })
})

describe('a place in a stream', () => {
  /** What its owner got as the id of the upstream's event 7. */
  async function placeOf(who: string): Promise<string> {
    const streaming = await startWire({
      people,
      sealer,
      upstream: (_seen, response) =>
        void response.writeHead(200, { 'content-type': 'text/event-stream' }).end('id: 7\ndata: \n\n'),
    })
    const text = await (await streaming.send(who, LISTEN)).text()
    streaming.close()
    return /^id: (.*)$/m.exec(text)?.[1] ?? ''
  }
  const LISTEN = { method: 'GET', headers: { 'mcp-protocol-version': '2025-11-25' } }
  const from = (id: string) => ({ method: 'GET', headers: { ...LISTEN.headers, 'last-event-id': id } })

  it('[REQ-SESSION-2] is resumed by its owner, and the upstream hears its own id', async () => {
    const place = await placeOf('alice')
    expect((await wire.send('alice', from(place))).status).toBe(200)
    expect(wire.seen.at(-1)?.headers['last-event-id']).toBe('7')
  })

  it('[REQ-SESSION-2] is refused to others, by the upstream’s own id, and changed', async () => {
    const place = await placeOf('alice')
    const before = wire.seen.length
    const tries: [string, string][] = [
      ['mallory', place],
      ['alice', '7'],
      ['alice', ''],
      ['alice', `${place}A`],
    ]
    for (const [who, id] of tries) expect((await wire.send(who, from(id))).status, `${who} ${id}`).toBe(400)
    expect(wire.seen.length).toBe(before)
  })

  it('is nothing that a POST could name', async () => {
    const headers = { 'last-event-id': '7' }
    expect((await wire.send('alice', { headers, body: request(1, 'ping') })).status).toBe(200)
    expect(wire.seen.at(-1)?.headers['last-event-id']).toBeUndefined()
  })
})
