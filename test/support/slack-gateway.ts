/**
 * The Slack channel with everything real around it but the store: an Express app on loopback, real reviews on real
 * transitions, approvals in memory. Each change repaints every copy of the card, as the outbox does.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import express from 'express'
import { createSlackChannel, type SlackOptions } from '../../bots/slack/slack-channel.ts'
import type { Approval } from '../../src/approval/approval.ts'
import type { Card } from '../../src/approval/card.ts'
import { cardOf } from '../../src/approval/card-of.ts'
import type { AuditEvent } from '../../src/audit/events.ts'
import type { ApprovalId, Fingerprint } from '../../src/brands.ts'
import { epochMs, principalId } from '../../src/brands.ts'
import { GatewayError } from '../../src/errors.ts'
import { createFreezeDesk, operatorsMay } from '../../src/freeze/desk.ts'
import { type Freeze, scopeName } from '../../src/freeze/freeze.ts'
import {
  ChannelBusy,
  type Clock,
  type Log,
  type MessageRef,
  type People,
  type Place,
  type Reviews,
} from '../../src/ports.ts'
import { createReviews } from '../../src/review/review.ts'
import { Secret } from '../../src/secret.ts'
import { anApproval } from './examples.ts'
import { type FakeSlack, startFakeSlack } from './fake-slack.ts'
import type { FakeSlackOptions, FakeTeamOptions, FakeUser } from './fake-slack-world.ts'
import { createMemoryApprovalStore } from './memory-approval-store.ts'
import { memoryReadings } from './memory-readings.ts'

export const BOB: FakeUser = { id: 'U2', name: 'bob', displayName: 'Bob', email: 'Bob@example.com' }
export const CAROL: FakeUser = { id: 'U3', name: 'carol', displayName: 'Carol', email: 'carol@example.com' }
export const ALICE: FakeUser = { id: 'U1', name: 'alice', displayName: 'Alice', email: 'alice@example.com' }

export function pendingApproval(change: Partial<Approval> = {}): Approval {
  const requestedAt = epochMs(Date.now())
  return anApproval({
    id: 'apr_aaaaaaaaaaaaaaaaaaaaaaaaaa' as ApprovalId,
    fingerprint: 'c0ffee00'.repeat(8) as Fingerprint,
    principal: {
      id: principalId('https://issuer.example', '00u1'),
      issuer: 'https://issuer.example',
      subject: '00u1',
      client: 'desktop-agent',
      email: 'alice@example.com',
    },
    argumentsJson: '{"content":"hello","path":"/srv/a.txt"}',
    channels: [],
    requestedAt,
    expiresAt: epochMs(requestedAt + 900_000),
    ...change,
  })
}

export interface SlackGatewayOptions extends FakeSlackOptions {
  /** Further workspaces; each is called like its team, in small letters. */
  readonly teams?: readonly FakeTeamOptions[]
  /** Addresses of those who may freeze and thaw. */
  readonly operators?: readonly string[] | null
  readonly socketMode?: boolean
  readonly access?: SlackOptions['access']
  readonly stepUpLink?: SlackOptions['stepUpLink']
  readonly grants?: SlackOptions['grants']
  readonly home?: Partial<NonNullable<SlackOptions['home']>>
  /** Speaks to this Slack instead of the fake one, which then only signs what is delivered. */
  readonly counterparty?: Pick<SlackOptions, 'approvals' | 'summaries'> & {
    readonly apiUrl: string
    readonly token: string
  }
  /** Slack refuses this once, while the gateway starts. */
  readonly failAtStart?: { readonly method: string; readonly error: string }
}

export type SlackGateway = Awaited<ReturnType<typeof startSlackGateway>>

export async function startSlackGateway({
  socketMode = false,
  failAtStart,
  access = null,
  stepUpLink = null,
  grants = null,
  operators = null,
  home,
  counterparty,
  ...options
}: SlackGatewayOptions = {}) {
  const slack = await startFakeSlack({ users: [ALICE, BOB, CAROL], ...options })
  if (failAtStart !== undefined) slack.failNext(failAtStart.method, { error: failAtStart.error })
  const lines: string[] = []
  const approvals = createMemoryApprovalStore()
  const refs = new Map<ApprovalId, MessageRef[]>()
  const time = { aheadMs: 0, storeAway: false }
  const clock: Clock = { now: () => epochMs(Date.now() + time.aheadMs) }
  const log = linesLog(lines)
  const readings = memoryReadings()
  const people: People = {
    isMember: async (reviewer, groups) => groups.includes(reviewer.email ?? ''),
    current: async (reviewer) => reviewer,
  }
  const real = createReviews({
    approvals,
    grants: { get: async () => null, consume: async () => ({ ok: false, refusal: 'unknown' }), end: async () => false },
    standingGrants: { end: async () => null },
    people,
    readings,
    recorder: { record: async () => {} },
    clock,
    log,
  })
  let stalled = Promise.resolve()
  const submitted: Parameters<Reviews['submit']>[0][] = []
  const reviews: Reviews = {
    ...real,
    async submit(click) {
      submitted.push(click)
      await stalled
      return real.submit(click)
    },
  }
  const standing = new Map<string, Freeze>()
  const seen = new Set<string>()
  const freezeEvents: AuditEvent[] = []
  const desk = createFreezeDesk({
    authority: operatorsMay({ isMember: async ({ email }, groups) => groups.includes(email ?? '') }, operators),
    freezes: {
      async add(freeze) {
        const name = scopeName(freeze.scope)
        standing.set(name, standing.get(name) ?? freeze)
        return standing.get(name) ?? null
      },
      remove: async (scope) => standing.delete(scopeName(scope)),
      list: async () => [...standing.values()],
    },
    approvals: {
      ...approvals,
      async listPending() {
        await stalledSweep
        return approvals.listPending()
      },
    },
    grants: { end: async () => false },
    listUnused: async () => [],
    standingGrants: { listActive: async () => ({ grants: [], total: 0 }), end: async () => null },
    recorder: { record: async (event) => void freezeEvents.push(event) },
    notices: { send: async () => undefined },
    clock,
    log,
  })
  let stalledSweep = Promise.resolve()
  const slackChannel = createSlackChannel({
    botToken: new Secret(counterparty?.token ?? slack.botToken),
    signingSecret: new Secret(slack.signingSecret),
    appToken: socketMode ? new Secret(slack.appToken) : null,
    approvals: counterparty?.approvals ?? 'C0APPROVALS',
    summaries: counterparty?.summaries ?? 'C0SUMMARIES',
    workspaces: new Map(
      (options.teams ?? []).map(({ teamId, botToken, channels }) => [
        teamId.toLowerCase(),
        { botToken: new Secret(botToken), approvals: channels?.[0] ?? 'C0APPROVALS', summaries: channels?.[1] ?? null },
      ]),
    ),
    apiUrl: counterparty?.apiUrl ?? slack.apiUrl,
    reviews,
    readings,
    get: (id) => approvals.get(id),
    listPending: () => approvals.listPending(),
    access,
    grants,
    home: { approvals, people, sessions: { list: async () => ({ sessions: [], total: 0 }) }, ...home },
    stepUpLink,
    freezing: { desk, list: async () => [...standing.values()], upstreams: ['files', 'mail'] },
    isFirst: async (delivery) => {
      if (time.storeAway) throw new GatewayError('store_unavailable', 'away')
      return seen.size < seen.add(delivery).size
    },
    clock,
    log,
  })

  const stopped = new AbortController()
  let repainting = Promise.resolve()
  async function repaint(id: ApprovalId): Promise<void> {
    const approval = await approvals.get(id)
    if (approval === null) return
    for (const ref of refs.get(id) ?? []) await slackChannel.channel.update(ref, cardOf(approval), 'slack')
  }
  approvals.onChange((id) => {
    repainting = repainting.then(() => repaint(id))
  }, stopped.signal)

  async function post(card: Card, place: Place = 'slack'): Promise<MessageRef> {
    const ref = await slackChannel.channel.post(card, place)
    if (ref === null) throw new Error(`nobody is to be found in ${place}`)
    return ref
  }

  const app = express()
  if (slackChannel.router !== null) app.use(slackChannel.router)
  const server = createServer(app)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const eventsUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/slack/events`
  if (!socketMode) slack.deliverTo(eventsUrl)
  await slackChannel.start()

  return {
    slack: slack as FakeSlack,
    channel: slackChannel.channel,
    /** Posts a card; fails where nobody is to be found in that place. */
    post,
    /** What the doctor finds. */
    check: ({ rooms = [] as readonly string[], publicUrl = 'https://gateway.example.com' } = {}) =>
      slackChannel.check({ rooms, publicUrl }),
    eventsUrl,
    approvals,
    submitted: submitted as readonly unknown[],
    time,
    lines: lines as readonly string[],
    /** Opens an approval and posts its card; answers the message's ts. */
    async ask(change: Partial<Approval> = {}, place: Place = 'slack'): Promise<string> {
      const approval = pendingApproval(change)
      approvals.open(approval)
      const ref = await inTurn(() => post(cardOf(approval), place))
      refs.set(approval.id, [...(refs.get(approval.id) ?? []), ref])
      return (JSON.parse(ref) as { ts: string }).ts
    },
    frozen: standing as ReadonlyMap<string, Freeze>,
    freezeEvents: freezeEvents as readonly AuditEvent[],
    /** Ending what a freeze stops takes until the answer is called. */
    stallSweeps(): () => void {
      let release = () => {}
      stalledSweep = new Promise((resolve) => {
        release = resolve
      })
      return release
    },
    /** Reviews take until the answer is called: a store that hangs. */
    stallReviews(): () => void {
      let release = () => {}
      stalled = new Promise((resolve) => {
        release = resolve
      })
      return release
    },
    /** A copy of the card that the outbox does not know of, as after a post whose answer was lost. */
    async postUnknownCopy(id: ApprovalId): Promise<string> {
      const approval = await approvals.get(id)
      if (approval === null) throw new Error(`no approval ${id}`)
      return (JSON.parse(await post(cardOf(approval))) as { ts: string }).ts
    },
    async close(): Promise<void> {
      stopped.abort()
      await repainting
      await slackChannel.stop()
      server.close()
      server.closeAllConnections()
      await slack.close()
    },
  }
}

function linesLog(lines: string[]): Log {
  const write = (level: string) => (message: string, fields?: unknown) => {
    lines.push(`${level} ${message} ${JSON.stringify(fields ?? {})}`)
  }
  return { info: write('info'), warn: write('warn'), error: write('error') }
}

/** As the outbox does where a room has had its messages of this second. */
async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof ChannelBusy)) throw error
    await pause(error.retryAfterMs)
    return inTurn(work)
  }
}
