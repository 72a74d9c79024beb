/**
 * The Slack channel with everything real around it but the store: an Express app on loopback, the real transitions and
 * cards, and approvals in a Map. An accepted review repaints the card as the outbox would.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { createSlackChannel } from '../../bots/slack/slack-channel.ts'
import { type Approval, transition } from '../../src/approval/approval.ts'
import { cardOf } from '../../src/approval/card-of.ts'
import type { ApprovalId, CallId, Fingerprint, SessionId } from '../../src/brands.ts'
import { epochMs, principalId } from '../../src/brands.ts'
import { GatewayError } from '../../src/errors.ts'
import type { Clock, Log, MessageRef, ReviewOutcome, Reviews } from '../../src/ports.ts'
import { Secret } from '../../src/secret.ts'
import { type FakeSlack, startFakeSlack } from './fake-slack.ts'
import type { FakeSlackOptions, FakeUser } from './fake-slack-world.ts'

export const BOB: FakeUser = { id: 'U2', name: 'bob', displayName: 'Bob', email: 'Bob@example.com' }
export const CAROL: FakeUser = { id: 'U3', name: 'carol', displayName: 'Carol', email: 'carol@example.com' }
export const ALICE: FakeUser = { id: 'U1', name: 'alice', displayName: 'Alice', email: 'alice@example.com' }

export function pendingApproval(change: Partial<Approval> = {}): Approval {
  const requestedAt = epochMs(Date.now())
  return {
    id: 'apr_aaaaaaaaaaaaaaaaaaaaaaaaaa' as ApprovalId,
    state: 'pending',
    version: 0,
    fingerprint: 'c0ffee00'.repeat(8) as Fingerprint,
    callId: 'call_1' as CallId,
    sessionId: 'ses_1' as SessionId,
    principal: {
      id: principalId('https://issuer.example', '00u1'),
      issuer: 'https://issuer.example',
      subject: '00u1',
      client: 'desktop-agent',
      email: 'alice@example.com',
    },
    upstream: 'files',
    tool: 'write_file',
    argumentsJson: '{"content":"hello","path":"/srv/a.txt"}',
    rule: 'writes',
    reason: 'Writing needs a second pair of eyes.',
    from: [],
    quorum: 1,
    channels: [],
    requestedAt,
    expiresAt: epochMs(requestedAt + 900_000),
    useWithinMs: 600_000,
    reviews: [],
    resolvedAt: null,
    cancelReason: null,
    ...change,
  }
}

export interface SlackGatewayOptions extends FakeSlackOptions {
  readonly socketMode?: boolean
}

export type SlackGateway = Awaited<ReturnType<typeof startSlackGateway>>

export async function startSlackGateway({ socketMode = false, ...options }: SlackGatewayOptions = {}) {
  const slack = await startFakeSlack({ users: [ALICE, BOB, CAROL], ...options })
  const lines: string[] = []
  const approvals = new Map<ApprovalId, Approval>()
  const refs = new Map<ApprovalId, MessageRef[]>()
  const store = { down: false, submitted: 0 }
  const time = { aheadMs: 0 }
  const clock: Clock = { now: () => epochMs(Date.now() + time.aheadMs) }

  const reviews: Reviews = {
    async submit({ approvalId, reviewer, choice, reason, channel }) {
      store.submitted += 1
      if (store.down) throw new GatewayError('store_unavailable', 'Redis is away')
      const outcome = apply(approvals, { approvalId, reviewer, choice, reason, channel, at: clock.now() })
      if (outcome.ok) void repaint(outcome.approval)
      return outcome
    },
  }
  const slackChannel = createSlackChannel({
    botToken: new Secret(slack.botToken),
    signingSecret: new Secret(slack.signingSecret),
    appToken: socketMode ? new Secret(slack.appToken) : null,
    approvals: 'C0APPROVALS',
    summaries: 'C0SUMMARIES',
    apiUrl: slack.apiUrl,
    reviews,
    get: async (id) => {
      if (store.down) throw new GatewayError('store_unavailable', 'Redis is away')
      return approvals.get(id) ?? null
    },
    clock,
    log: linesLog(lines),
  })

  async function repaint(approval: Approval): Promise<void> {
    for (const ref of refs.get(approval.id) ?? []) await slackChannel.channel.update(ref, cardOf(approval))
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
    check: slackChannel.check,
    eventsUrl,
    approvals,
    store,
    time,
    lines: lines as readonly string[],
    /** Opens an approval and posts its card; answers the message's ts. */
    async ask(change: Partial<Approval> = {}): Promise<string> {
      const approval = pendingApproval(change)
      approvals.set(approval.id, approval)
      const ref = await slackChannel.channel.post(cardOf(approval))
      refs.set(approval.id, [...(refs.get(approval.id) ?? []), ref])
      return (JSON.parse(ref) as { ts: string }).ts
    },
    async close(): Promise<void> {
      await slackChannel.stop()
      server.close()
      server.closeAllConnections()
      await slack.close()
    },
  }
}

type Submitted = Parameters<Reviews['submit']>[0] & { readonly at: ReturnType<Clock['now']> }

function apply(approvals: Map<ApprovalId, Approval>, submitted: Submitted): ReviewOutcome {
  const approval = approvals.get(submitted.approvalId)
  if (approval === undefined) {
    return { ok: false, refusal: 'unknown_approval', message: 'There is no such approval.', approval: null }
  }
  if (submitted.reviewer.email === approval.principal.email) {
    return { ok: false, refusal: 'self_review', message: 'You cannot review your own agent’s call.', approval }
  }
  const { reviewer, choice, reason, channel, at } = submitted
  const result = transition(approval, { type: 'reviewed', review: { reviewer, choice, reason, channel, at }, at })
  if (!result.ok) {
    const message = `Too late: ${cardOf(approval).outcome ?? result.refusal}`
    return { ok: false, refusal: result.refusal, message, approval }
  }
  approvals.set(approval.id, result.approval)
  return { ok: true, approval: result.approval }
}

function linesLog(lines: string[]): Log {
  const write = (level: string) => (message: string, fields?: unknown) => {
    lines.push(`${level} ${message} ${JSON.stringify(fields ?? {})}`)
  }
  return { info: write('info'), warn: write('warn'), error: write('error') }
}
