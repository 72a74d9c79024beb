/**
 * The step-up pages with a real OIDC provider, a real Redis and real reviews behind them, and a visitor: a browser by
 * hand, whose clock, cookies and forms are the test's.
 */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { createStepUp, type StepUp } from '../../bots/step-up/step-up.ts'
import { createPasskeys } from '../../jobs/passkeys.ts'
import { createStepUps } from '../../jobs/step-ups.ts'
import type { Approval, ReviewStrength } from '../../src/approval/approval.ts'
import { cardOf } from '../../src/approval/card-of.ts'
import type { AuditEvent } from '../../src/audit/events.ts'
import { type ApprovalId, epochMs } from '../../src/brands.ts'
import type { Reviewer } from '../../src/people/reviewer.ts'
import type { Log, ReviewOutcome } from '../../src/ports.ts'
import { createReviews } from '../../src/review/review.ts'
import { Secret } from '../../src/secret.ts'
import { anApproval } from './examples.ts'
import { createMemoryApprovalStore } from './memory-approval-store.ts'
import { startTestIssuer, type TestIssuer } from './oidc-issuer.ts'
import { startTestRedis } from './redis.ts'

export const CLIENT = { clientId: '0oa9gateway', clientSecret: 'gateway-secret-5b1f' }
const MINUTES = 60_000

export interface StepUpRig {
  readonly origin: string
  readonly issuer: TestIssuer
  readonly events: readonly AuditEvent[]
  readonly logged: readonly string[]
  advance(ms: number): void
  ask(change?: Partial<Approval>): Approval
  link(approval: Approval, reviewer: Reviewer): Promise<string>
  /** In the channel, by no link. */
  click(approval: Approval, reviewer: Reviewer, strength: ReviewStrength): Promise<ReviewOutcome>
  stateOf(approval: Approval): Promise<Approval['state'] | undefined>
  visitor(): Visitor
  stop(): Promise<void>
}

export interface Page {
  readonly status: number
  readonly url: string
  readonly text: string
  readonly headers: Headers
}

export interface Visitor {
  /** Follows redirects, and pages that send the browser on by themselves. */
  get(url: string): Promise<Page>
  post(url: string, form: Record<string, string>, headers?: Record<string, string>): Promise<Page>
  /** Up to the page that sends the browser to the issuer; where that would be. */
  leave(link: string): Promise<URL>
  cookies(): ReadonlyMap<string, string>
  /** Another browser with the same cookies. */
  copy(): Visitor
}

export async function startStepUpRig(passkeysWanted: 'off' | 'optional' | 'required' = 'off'): Promise<StepUpRig> {
  const [issuer, redis] = await Promise.all([startTestIssuer(), startTestRedis()])
  const handle = await redis.connect()
  const app = express().disable('x-powered-by')
  const server = createServer(app).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const origin = `http://localhost:${(server.address() as AddressInfo).port}`
  issuer.addClient({ ...CLIENT, redirectUri: `${origin}/step-up/callback` })

  let aheadMs = 0
  const clock = { now: () => epochMs(Date.now() + aheadMs) }
  const store = createMemoryApprovalStore()
  const events: AuditEvent[] = []
  const logged: string[] = []
  const write: Log['info'] = (message, fields) => void logged.push(`${message} ${JSON.stringify(fields ?? {})}`)
  const log = { info: write, warn: write, error: write }
  const recorder = { record: async (event: AuditEvent) => void events.push(event) }
  const real = createReviews({
    approvals: store,
    grants: { get: async () => null, consume: async () => ({ ok: false, refusal: 'unknown' }), end: async () => false },
    people: { isMember: async () => true, current: async (person) => person },
    readings: { seen: async () => undefined, hasSeenAll: async () => false },
    standingGrants: { end: async () => null },
    recorder,
    clock,
    log,
  })
  const stepUp: StepUp = createStepUp({
    publicUrl: origin,
    signIns: [
      {
        issuer: issuer.issuer,
        clientId: CLIENT.clientId,
        clientSecret: new Secret(CLIENT.clientSecret),
        scopes: ['openid', 'email', 'profile'],
        algorithms: undefined,
        claims: undefined,
        allowInsecureLoopbackIssuer: true,
      },
    ],
    passkeysWanted,
    approvals: store,
    reviews: real,
    stepUps: createStepUps(handle),
    passkeys: createPasskeys(handle),
    recorder,
    cardOf,
    clock,
    random: randomBytes,
    log,
  })
  app.use('/step-up', stepUp.router)
  let asked = 0
  return {
    origin,
    issuer,
    events,
    logged,
    advance: (ms) => {
      aheadMs += ms
    },
    ask(change = {}) {
      asked += 1
      const id = `apr_${String(asked).padStart(26, 'a').replace(/[01]/g, 'z')}` as ApprovalId
      const now = clock.now()
      const times = { requestedAt: now, expiresAt: epochMs(now + 15 * MINUTES) }
      const approval = anApproval({ id, ...times, strength: 'step_up', from: ['dba'], ...change })
      store.open(approval)
      return approval
    },
    link: (approval, reviewer) => stepUp.link(approval.id, reviewer),
    click: ({ id: approvalId }, reviewer, strength) =>
      real.submit({ approvalId, reviewer, strength, choice: 'approve', reason: null, channel: 'slack' }),
    stateOf: async ({ id }) => (await store.get(id))?.state,
    visitor: () => visitor(new Map()),
    async stop() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
      await issuer.stop()
      await redis.stop()
    },
  }
}

const HOPS_MAX = 10

function visitor(jar: Map<string, string>): Visitor {
  const send = async (url: string, init: RequestInit, hops = 0): Promise<Page> => {
    const { host } = new URL(url)
    const cookie = [...jar].flatMap(([key, value]) =>
      key.startsWith(`${host} `) ? [`${key.slice(host.length + 1)}=${value}`] : [],
    )
    const headers = { connection: 'close', ...(init.headers as Record<string, string>), cookie: cookie.join('; ') }
    const response = await fetch(url, { ...init, headers, redirect: 'manual' })
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      if (/Expires=Thu, 01 Jan 1970/.test(line)) jar.delete(`${host} ${name}`)
      else jar.set(`${host} ${name}`, value)
    }
    const text = await response.text()
    const refresh = /http-equiv="refresh" content="0; url=([^"]+)"/.exec(text)?.[1]
    const next = response.headers.get('location') ?? (refresh === undefined ? null : unescapeHtml(refresh))
    if (next === null || hops >= HOPS_MAX) return { status: response.status, url, text, headers: response.headers }
    return send(new URL(next, url).href, {}, hops + 1)
  }
  const form = (url: string, fields: Record<string, string>, headers: Record<string, string> = {}): RequestInit => ({
    method: 'POST',
    headers: { origin: new URL(url).origin, 'content-type': 'application/x-www-form-urlencoded', ...headers },
    body: new URLSearchParams(fields).toString(),
  })
  return {
    get: (url) => send(url, {}),
    post: (url, fields, headers) => send(url, form(url, fields, headers)),
    async leave(link) {
      const { text } = await send(link, form(link, {}), HOPS_MAX)
      return new URL(unescapeHtml(/content="0; url=([^"]+)"/.exec(text)?.[1] ?? ''))
    },
    cookies: () => jar,
    copy: () => visitor(new Map(jar)),
  }
}

/** The options that a form of the page carries for the browser's passkey dialogue. */
export function passkeyOptions(page: Page, form: string, attribute: 'get' | 'create'): { readonly challenge: string } {
  const tag = new RegExp(`<form[^>]*(?:id="${form}"|action="[^"]*/${form}")[^>]*>`).exec(page.text)?.[0] ?? ''
  const json = new RegExp(`data-${attribute}="([^"]*)"`).exec(tag)?.[1]
  if (json === undefined) throw new Error(`no ${attribute} options in form ${form}: ${page.text.slice(0, 2_000)}`)
  return JSON.parse(unescapeHtml(json))
}

function unescapeHtml(text: string): string {
  return text.replace(/&#(\d+);/g, (_all, code) => String.fromCharCode(Number(code)))
}
