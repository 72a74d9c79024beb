/** The dangers of the forwarder, each closed: over real HTTP, against servers that misbehave. */
import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import net from 'node:net'
import express from 'express'
import { afterEach, describe, expect, it } from 'vitest'
import { createStaticBroker } from '../../proxy/broker/static.ts'
import { ANSWER_BYTES_MAX, createExchange } from '../../proxy/forward/exchange.ts'
import type { Sender } from '../../proxy/forward/http-proxy.ts'
import { createSender, targetOf } from '../../proxy/forward/http-proxy.ts'
import { closeIdle, createHttpServer } from '../../proxy/http-server.ts'
import type { StreamEvent } from '../../src/gate/call.ts'
import { Secret } from '../../src/secret.ts'
import { until } from '../support/until.ts'

const SECRET = 's3cr3t-of-the-upstream'
const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

async function serverThat(handler: http.RequestListener) {
  // Without a time-out of its own, so that it shows what the gateway's side does.
  const server = http.createServer({ keepAliveTimeout: 0 }, handler).listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(() => {
    server.close()
    server.closeAllConnections()
  })
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp?tenant=7`)
}

function exchangeWith(url: URL, incoming: http.IncomingHttpHeaders = {}, gone = new AbortController().signal) {
  const sender: Sender = createSender()
  closers.push(() => sender.close())
  const exchange = createExchange({
    sender,
    target: targetOf(url),
    method: 'POST',
    incoming,
    mcpHeaders: { 'mcp-method': 'tools/call' },
    body: Buffer.from('{"n":12345678901234567890}'),
    gone,
    socket: new net.Socket(),
  })
  const credential = { kind: 'static', header: 'Authorization', scheme: 'Bearer', secret: new Secret(SECRET) } as const
  const broker = createStaticBroker(new Map([['files', credential]]))
  return { send: async () => exchange.send(await broker.lend('files')) }
}

describe('what reaches the upstream', () => {
  it('[REQ-FORWARD-2] is built from a list: no authorization, cookie, forwarded or hop-by-hop header of the agent passes', async () => {
    let seen: http.IncomingMessage | undefined
    let body = ''
    const url = await serverThat(async (request, response) => {
      seen = request
      for await (const chunk of request) body += chunk
      response.setHeader('content-type', 'application/json').end('{}')
    })
    await exchangeWith(url, {
      authorization: 'Bearer agent-token',
      cookie: 'session=1',
      'x-forwarded-for': '10.0.0.1',
      'x-forwarded-host': 'evil.example',
      'proxy-authorization': 'Basic x',
      connection: 'keep-alive, x-api-key',
      'x-api-key': 'spoofed',
      host: 'evil.example',
      'mcp-name': 'spoofed',
      accept: 'application/json, text/event-stream',
      'mcp-session-id': 'abc',
      'transfer-encoding': 'chunked',
    }).send()
    expect(seen?.headers).toEqual({
      'user-agent': 'countersign',
      'accept-encoding': 'identity',
      accept: 'application/json, text/event-stream',
      'mcp-session-id': 'abc',
      'mcp-method': 'tools/call',
      'content-type': 'application/json',
      'content-length': '26',
      authorization: `Bearer ${SECRET}`,
      host: url.host,
      connection: 'keep-alive',
    })
    expect(seen?.url).toBe('/mcp?tenant=7')
    expect(body, 'the judged bytes, not re-serialised').toBe('{"n":12345678901234567890}')
  })

  it('goes over a connection that is closed soon after its last answer, but not while an answer is awaited', async () => {
    const slow = 4_500
    let answers = 0
    const url = await serverThat((request, response) => {
      request.socket.once('close', () => {
        answers += 100
      })
      setTimeout(() => response.end('{}'), slow).unref()
    })
    await exchangeWith(url).send()
    answers += 1
    expect(answers, 'the answer that came late was not cut').toBe(1)
    await until('the idle connection is closed', () => answers === 101)
  })

  it('is closed when the agent leaves, before and after the answer has begun', async () => {
    for (const begins of [false, true]) {
      const left = new AbortController()
      let isClosed = false
      const url = await serverThat((_request, response) => {
        response.on('close', () => {
          isClosed = true
        })
        if (begins) response.setHeader('content-type', 'text/event-stream').write('data: {}\n\n')
        else left.abort()
      })
      const answer = exchangeWith(url, {}, left.signal).send()
      if (begins) {
        const begun = await answer
        left.abort()
        await expect(drain(begun)).rejects.toMatchObject({ name: 'AgentGone' })
      } else await expect(answer).rejects.toMatchObject({ name: 'AgentGone' })
      await until('the upstream socket is closed', () => isClosed)
    }
  })
})

describe('what comes back', () => {
  it.each<[string, http.RequestListener, string]>([
    [
      'a refusal of our credential',
      (_q, response) => response.writeHead(401, { 'www-authenticate': 'Bearer' }).end(),
      'upstream_refused_credential',
    ],
    [
      'a redirect',
      (_q, response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
      'upstream_bad_answer',
    ],
    [
      'an encoded answer',
      (_q, response) => response.writeHead(200, { 'content-encoding': 'br' }).end('x'),
      'upstream_bad_answer',
    ],
    ['an endless answer', (_q, response) => void flood(response), 'upstream_bad_answer'],
    [
      'an answer that breaks off',
      (_q, response) => void response.writeHead(200, { 'content-length': '9' }).write('x', () => response.destroy()),
      'upstream_unreachable',
    ],
    ['no answer at all', (_q, response) => void response.destroy(), 'upstream_unreachable'],
  ])('refuses %s', async (_sentence, handler, code) => {
    await expect(exchangeWith(await serverThat(handler)).send()).rejects.toMatchObject({ code })
  })

  it('is refused with a session’s id that no header has room for, and its connection is closed', async () => {
    let isClosed = false
    const url = await serverThat((_request, response) => {
      response.on('close', () => {
        isClosed = true
      })
      response.writeHead(200, { 'content-type': 'text/event-stream', 'mcp-session-id': 'x'.repeat(2_049) })
      response.write('data: {}\n\n')
    })
    await expect(exchangeWith(url).send()).rejects.toMatchObject({ code: 'upstream_bad_answer' })
    await until('the connection is closed', () => isClosed)
  })

  it('is refused where nobody listens, without naming the address', async () => {
    const url = await serverThat(() => undefined)
    for (const close of closers.splice(0)) close()
    const failure = await exchangeWith(url)
      .send()
      .catch((error: Error) => error)
    expect(failure).toMatchObject({ code: 'upstream_unreachable' })
    expect((failure as Error).message).not.toContain(url.port)
  })

  it('[REQ-FORWARD-3] passes listed headers only, and none that carries the credential', async () => {
    const url = await serverThat((_request, response) => {
      response.writeHead(200, {
        'content-type': 'application/json',
        'set-cookie': 'a=1',
        'x-powered-by': SECRET,
        'mcp-session-id': `prefix-${SECRET}`,
        'cache-control': 'no-store',
        allow: Buffer.from(`xy${SECRET}`).toString('base64'),
      })
      response.end('{}')
    })
    const answer = await exchangeWith(url).send()
    expect(answer.headers).toEqual({ 'content-type': 'application/json', 'cache-control': 'no-store' })
  })

  it('arrives as whole events however it is cut, with ids, names and comments sorted out', async () => {
    const text =
      ': hello\n\nid: 1\nretry: 500\ndata: \n\nevent: message\nid: 2\ndata: {"a":"ä"}\n\ndata: one\ndata: two\n\n'
    const url = await serverThat(async (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
      for (const byte of Buffer.from(text)) response.write(Buffer.from([byte]))
      response.end()
    })
    const events = await drain(await exchangeWith(url).send())
    expect(events).toEqual([
      { id: '1', event: null, data: '', retryMs: 500 },
      { id: '2', event: 'message', data: '{"a":"ä"}', retryMs: null },
      { id: null, event: null, data: 'one\ntwo', retryMs: null },
    ])
  })
})

async function drain(answer: Awaited<ReturnType<ReturnType<typeof exchangeWith>['send']>>): Promise<StreamEvent[]> {
  if (answer.kind !== 'stream') throw new Error('not a stream')
  const events: StreamEvent[] = []
  for await (const event of answer.events) {
    if ('chunks' in event) throw new Error('nobody asked for pieces')
    events.push(event)
  }
  return events
}

async function flood(response: http.ServerResponse) {
  response.setMaxListeners(0).on('error', () => undefined)
  const chunk = Buffer.alloc(1024 * 1024)
  for (let sent = 0; sent <= ANSWER_BYTES_MAX + chunk.length && !response.destroyed; sent += chunk.length) {
    if (!response.write(chunk)) await Promise.race([once(response, 'drain'), once(response, 'close')])
  }
}

describe('the server under Express', () => {
  it('makes requests and responses with Express’s prototypes, so that Express has nothing to change', async () => {
    const app = express()
    app.get('/x', (request, response) => void response.json({ path: request.path, ip: request.ip !== undefined }))
    const server = createHttpServer(app)
    const prototypes: unknown[] = []
    server.prependListener('request', (request, response) => {
      prototypes.push(Object.getPrototypeOf(request) === app.request, Object.getPrototypeOf(response) === app.response)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    closers.push(() => server.close())
    const answer = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/x`)
    expect(await answer.json()).toEqual({ path: '/x', ip: true })
    expect(prototypes).toEqual([true, true])
  })

  it('closes connections that wait or never asked, and lets a running request finish', async () => {
    const app = express()
    let finish: (() => void) | null = null
    app.get('/slow', (_request, response) => {
      finish = () => void response.send('done')
    })
    app.get('/quick', (_request, response) => void response.send('done'))
    const server = createHttpServer(app)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const connect = async (request: string) => {
      const socket = net.connect(port, '127.0.0.1')
      await once(socket, 'connect')
      if (request !== '') socket.write(`GET ${request} HTTP/1.1\r\nHost: x\r\n\r\n`)
      return socket
    }
    const silent = await connect('')
    const waiting = await connect('/quick')
    await once(waiting, 'data')
    const running = await connect('/slow')
    const finished = await until('the slow request is there', () => finish)
    server.close()
    closeIdle(server)
    await Promise.all([once(silent, 'close'), once(waiting.resume(), 'close')])
    finished()
    const [answer] = await once(running, 'data')
    expect(String(answer)).toContain('done')
    running.destroy()
  })
})
