/** The console on a real HTTP server, with the real reviews over a store in memory, and a client that can lie. */
import { randomBytes } from 'node:crypto'
import { EventEmitter, once } from 'node:events'
import { createServer, type IncomingHttpHeaders, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { type Console, createConsole } from '../../bots/console/console.ts'
import { type Approval, transition } from '../../src/approval/approval.ts'
import { cardOf } from '../../src/approval/card-of.ts'
import type { AuditEvent } from '../../src/audit/events.ts'
import { type ApprovalId, epochMs } from '../../src/brands.ts'
import type { Reviewer } from '../../src/people/reviewer.ts'
import type { Log, ReviewOutcome, Reviews } from '../../src/ports.ts'
import { createReviews } from '../../src/review/review.ts'
import { anApproval, aReview } from './examples.ts'
import { createMemoryApprovalStore, type MemoryApprovalStore } from './memory-approval-store.ts'

export type Click = Parameters<Reviews['submit']>[0]

export interface ConsoleRig {
  readonly url: string
  readonly console: Console
  readonly store: MemoryApprovalStore
  /** Every click that reached reviews.submit, oldest first. */
  readonly clicks: readonly Click[]
  readonly logged: readonly string[]
  now(): number
  /** Moves the clock that the console and the reviews read. */
  advance(ms: number): void
  /** A pending approval, as jobs/holds would put it there; asked just now, for fifteen minutes. */
  ask(change?: Partial<Approval>): Approval
  /** Someone else's click, in another channel. */
  reviewElsewhere(
    id: ApprovalId,
    reviewer: Reviewer,
    choice: 'approve' | 'deny',
    reason?: string,
  ): Promise<ReviewOutcome>
  /** Makes every new connection look as if it came from this address; null: as it is. */
  pretendPeer(address: string | null): void
  /** Breaks every connection, as a restart or a tunnel's end would. */
  cut(): void
  send(path: string, options?: SendOptions): Promise<Answer>
  /** Opens a fresh one-time link as a browser would; the Cookie header to send from then on. */
  signIn(): Promise<string>
  events(cookie: string): Promise<EventsReader>
  stop(): Promise<void>
}

export interface SendOptions {
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly body?: string
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

export interface RigOptions {
  readonly reviewer?: string | null
  readonly publicUrl?: string | null
}

const MINUTES = 60_000

export async function startConsoleRig({
  reviewer = 'bob@example.com',
  publicUrl = null,
}: RigOptions = {}): Promise<ConsoleRig> {
  const app = express().disable('x-powered-by')
  const server = createServer(app).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  let aheadMs = 0
  let peer: string | null = null
  let asked = 0
  const clock = { now: () => epochMs(Date.now() + aheadMs) }
  const store = createMemoryApprovalStore()
  const clicks: Click[] = []
  const logged: string[] = []
  const log = logInto(logged)
  const real = createReviews({
    approvals: store,
    grants: { get: async () => null, consume: async () => ({ ok: false, refusal: 'unknown' }), end: async () => false },
    standingGrants: { end: async () => null },
    people: { isMember: async () => false, current: async (person) => person },
    readings: { seen: async () => undefined, hasSeenAll: async () => false },
    recorder: { record: async (_event: AuditEvent) => undefined },
    clock,
    log,
  })
  const reviews: Reviews = {
    ...real,
    submit: (click) => {
      clicks.push(click)
      return real.submit(click)
    },
  }
  const theConsole = createConsole({
    loopbackUrl: url,
    publicUrl,
    reviewer,
    store,
    reviews,
    cardOf,
    clock,
    random: randomBytes,
    log,
  })
  app.use('/console', theConsole.router)
  server.on('connection', (socket) => {
    if (peer !== null) Object.defineProperty(socket, 'remoteAddress', { value: peer })
  })

  const rig: ConsoleRig = {
    url,
    console: theConsole,
    store,
    clicks,
    logged,
    now: clock.now,
    advance: (ms) => {
      aheadMs += ms
    },
    ask: (change = {}) => {
      asked += 1
      const id = `apr_${String(asked).padStart(26, 'a').replace(/[01]/g, 'z')}` as ApprovalId
      const now = clock.now()
      const approval = anApproval({
        id,
        requestedAt: epochMs(now + asked),
        expiresAt: epochMs(now + 15 * MINUTES),
        ...change,
      })
      store.open(approval)
      return approval
    },
    reviewElsewhere: (approvalId, by, choice, reason) =>
      real.submit({ approvalId, reviewer: by, choice, reason: reason ?? null, channel: 'slack' }),
    pretendPeer: (address) => {
      peer = address
    },
    cut: () => server.closeAllConnections(),
    send: (path, options) => send(new URL(path, url), options),
    signIn: async () => {
      const link = new URL(theConsole.newLink())
      const answer = await redeem(rig, link.searchParams.get('code') ?? '')
      return cookieOf(answer)
    },
    events: (cookie) => readEvents(new URL('/console/events', url), cookie),
    stop: async () => {
      theConsole.close()
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
  return rig
}

/** What the link's page posts. */
export function redeem(rig: ConsoleRig, code: string, headers: Record<string, string> = {}): Promise<Answer> {
  return rig.send('/console/open', {
    method: 'POST',
    headers: { Origin: rig.url, 'Content-Type': 'application/x-www-form-urlencoded', ...headers },
    body: new URLSearchParams({ code }).toString(),
  })
}

/** What the page's buttons post. */
export function click(
  rig: ConsoleRig,
  cookie: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  return rig.send('/console/api/reviews', {
    method: 'POST',
    headers: { Origin: rig.url, Cookie: cookie, 'Content-Type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
}

export function cookieOf(answer: Answer): string {
  return answer.headers['set-cookie']?.[0]?.split(';')[0] ?? ''
}

/** Over node:http and not fetch, which forbids to set Host and Cookie freely. */
async function send(url: URL, { method = 'GET', headers = {}, body }: SendOptions = {}): Promise<Answer> {
  const outgoing = request(url, { method, headers, agent: false })
  outgoing.end(body)
  const [incoming] = await once(outgoing, 'response')
  let text = ''
  incoming.setEncoding('utf8')
  for await (const chunk of incoming) text += chunk
  return { status: incoming.statusCode, headers: incoming.headers, text }
}

export interface EventsReader {
  /** The next event of this name, past or to come. Each is handed out once. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into JSON whose shape view.ts states.
  next(name: string): Promise<any>
  /** The names of the events that nobody asked for yet. */
  unread(): string[]
  /** Resolves when the gateway has ended the stream. */
  readonly ended: Promise<unknown>
  close(): void
}

async function readEvents(url: URL, cookie: string): Promise<EventsReader> {
  const outgoing = request(url, { headers: { Cookie: cookie }, agent: false })
  outgoing.end()
  const [incoming] = await once(outgoing, 'response')
  if (incoming.statusCode !== 200) throw new Error(`events answered ${incoming.statusCode}`)
  const unread: { name: string; data: unknown }[] = []
  const arrivals = new EventEmitter()
  let buffer = ''
  incoming.setEncoding('utf8')
  incoming.on('data', (chunk: string) => {
    buffer += chunk
    const blocks = buffer.split('\n\n')
    buffer = blocks.pop() ?? ''
    for (const block of blocks) {
      const [, name = '', data = 'null'] = /^event: (.*)\ndata: (.*)$/.exec(block) ?? []
      unread.push({ name, data: JSON.parse(data) })
    }
    arrivals.emit('some')
  })
  incoming.on('error', () => undefined)
  return {
    next: async (name) => {
      for (;;) {
        const at = unread.findIndex((event) => event.name === name)
        if (at >= 0) return unread.splice(at, 1)[0]?.data
        await once(arrivals, 'some', { signal: AbortSignal.timeout(20_000) })
      }
    },
    unread: () => unread.map((event) => event.name),
    ended: new Promise((resolve) => incoming.once('close', resolve)),
    close: () => outgoing.destroy(),
  }
}

function logInto(lines: string[]): Log {
  const write = (message: string, fields?: object) => void lines.push(`${message} ${JSON.stringify(fields ?? {})}`)
  return { info: write, warn: write, error: write }
}

/** As if it had been decided a while ago. */
export function decided(approval: Approval, reviewer: Reviewer, choice: 'approve' | 'deny', at: number): Approval {
  const review = aReview({ reviewer, choice, channel: 'slack', at: epochMs(at) })
  return transition(approval, { type: 'reviewed', review, at: epochMs(at) }).approval
}
