/** What the app asks of Microsoft Graph and believes of its answers, over HTTP: how long, how much, how often, from where. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createGraph, type Graph, GraphFault } from '../../bots/teams/graph.ts'
import { epochMs } from '../../src/brands.ts'
import { ChannelBusy } from '../../src/ports.ts'

let server: Server
let origin = ''
let asked: string[] = []
let answers: ((response: ServerResponse, request: IncomingMessage) => void)[] = []
let nowMs = 0
let scopes: string[] = []
let graph: Graph

beforeAll(async () => {
  server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers.authorization}`)
    const answer = answers.shift()
    if (answer === undefined) response.writeHead(500).end()
    else answer(response, request)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => {
  server.close()
  server.closeAllConnections()
})
beforeEach(() => {
  asked = []
  answers = []
  scopes = []
  nowMs = 1_000_000
  graph = createGraph({
    origin,
    token: async (scope) => {
      scopes.push(scope)
      return 'the-token'
    },
    clock: { now: () => epochMs(nowMs) },
  })
})

const json =
  (body: unknown, status = 200, headers: Record<string, string> = {}) =>
  (response: ServerResponse) =>
    void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
const list = (...names: string[]) => names.map((name) => ({ name }))

async function namesOf(path: string): Promise<unknown[]> {
  const found: unknown[] = []
  for await (const page of graph.pages(path)) found.push(page.map(({ name }) => name))
  return found
}

describe('throttling', () => {
  it.each<[string, number, Record<string, string>, number]>([
    ['as long as Graph says', 429, { 'retry-after': '7' }, 7_000],
    ['as long as it says where it is away', 503, { 'retry-after': '2' }, 2_000],
    ['a while where it says nothing', 429, {}, 10_000],
    ['a while where it says no number', 429, { 'retry-after': 'Fri, 01 Jan 2038 00:00:00 GMT' }, 10_000],
    ['no longer than five minutes', 429, { 'retry-after': '99999' }, 300_000],
    ['a second at least', 429, { 'retry-after': '0' }, 1_000],
  ])('waits %s, and asks nothing meanwhile', async (_sentence, status, headers, waitMs) => {
    answers.push(json({}, status, headers))
    const busy = await graph.get('/v1.0/users/x').catch((error: unknown) => error)
    expect(busy).toBeInstanceOf(ChannelBusy)
    expect(busy).toMatchObject({ retryAfterMs: waitMs })
    nowMs += waitMs - 1
    await expect(graph.get('/v1.0/users/y')).rejects.toMatchObject({ name: 'ChannelBusy', retryAfterMs: 1 })
    expect(asked).toHaveLength(1)
    nowMs += 1
    answers.push(json({ id: 'y' }))
    expect(await graph.get('/v1.0/users/y')).toEqual({ id: 'y' })
  })
})

describe('pages', () => {
  it('are asked for one after the other, and none before it is wanted', async () => {
    answers.push(json({ value: list('a', 'b'), '@odata.nextLink': `${origin}/v1.0/things?$skiptoken=2` }))
    answers.push(json({ value: list('c') }))
    expect(await namesOf('/v1.0/things?$top=2')).toEqual([['a', 'b'], ['c']])
    expect(asked).toEqual([
      'GET /v1.0/things?$top=2 Bearer the-token',
      'GET /v1.0/things?$skiptoken=2 Bearer the-token',
    ])
    answers.push(json({ value: list('a'), '@odata.nextLink': `${origin}/v1.0/things?$skiptoken=2` }))
    for await (const _page of graph.pages('/v1.0/things')) break
    expect(asked).toHaveLength(3)
  })

  it('go on where a conversation’s id comes back encoded otherwise', async () => {
    answers.push(json({ value: [], '@odata.nextLink': `${origin}/v1.0/chats/19%3Ax%40thread.v2/messages?p=2` }))
    answers.push(json({ value: list('a') }))
    expect(await namesOf('/v1.0/chats/19:x@thread.v2/messages')).toEqual([[], ['a']])
  })

  it.each<[string, unknown]>([
    ['another host', 'https://evil.example/v1.0/things?p=2'],
    ['another path', () => `${origin}/v1.0/users?p=2`],
    ['the same page again', () => `${origin}/v1.0/things`],
    ['no address', 'next'],
    ['no text', 7],
  ])('lead nowhere by a link to %s: the token goes there no further', async (_sentence, link) => {
    answers.push(json({ value: list('a'), '@odata.nextLink': typeof link === 'function' ? link() : link }))
    await expect(namesOf('/v1.0/things')).rejects.toMatchObject({ name: 'GraphFault', code: 'bad_answer' })
    expect(asked).toHaveLength(1)
  })

  it('that are no list are none', async () => {
    answers.push(json({ value: 'all' }))
    await expect(namesOf('/v1.0/things')).rejects.toMatchObject({ code: 'bad_answer' })
  })
})

describe('an answer', () => {
  it.each<[string, (response: ServerResponse) => void, string]>([
    ['of more than 4 MB', json({ text: 'x'.repeat(4 * 1024 * 1024) }), 'bad_answer'],
    ['that is encoded', json({}, 200, { 'content-encoding': 'gzip' }), 'bad_answer'],
    ['that is no object', json([]), 'bad_answer'],
    ['that is no JSON', (response) => void response.writeHead(200).end('<html>'), 'bad_answer'],
    [
      'that ends early',
      (response) => void response.writeHead(200, { 'content-length': '9' }).write('{', () => response.destroy()),
      'unreachable',
    ],
    ['to go elsewhere', json({}, 302, { location: 'http://127.0.0.1:1/' }), 'unreachable'],
    ['that says no', json({ error: { code: 'Authorization_RequestDenied' } }, 403), 'Authorization_RequestDenied'],
    ['that says no in a page', (response) => void response.writeHead(502).end('<html>'), 'http_502'],
    ['whose code is no word', json({ error: { code: 'x y\nz' } }, 400), 'http_400'],
  ])('%s is none, and says so by a code', async (_sentence, answer, code) => {
    answers.push(answer)
    const fault = await graph.get('/v1.0/users/x').catch((error: unknown) => error)
    expect(fault).toBeInstanceOf(GraphFault)
    expect(fault).toMatchObject({ code })
  })

  it('is waited for no longer than whoever asks has time', async () => {
    answers.push(() => undefined)
    await expect(graph.get('/v1.0/users/x', { signal: AbortSignal.timeout(50) })).rejects.toMatchObject({
      code: 'unreachable',
    })
  })

  it('needs a token for Graph alone, and without one nothing is asked', async () => {
    answers.push(json({}))
    await graph.get('/v1.0/users/x')
    expect(scopes).toEqual([`${origin}/.default`])
    const none = createGraph({
      origin,
      token: async () => Promise.reject(new Error('no')),
      clock: { now: () => epochMs(0) },
    })
    await expect(none.get('/v1.0/users/x')).rejects.toMatchObject({ code: 'no_token' })
    expect(asked).toHaveLength(1)
  })
})
