/**
 * What receives clicks from Teams, with everything real around it but the store: an Express app on loopback, a library's own
 * verification, real reviews on real transitions, approvals in memory. Cards stand in the fake Teams as its bot's messages,
 * and are painted anew after each change, as the outbox does.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { cardMessage } from '../../bots/teams/card.ts'
import { welcomeMessage } from '../../bots/teams/home-card.ts'
import { createInbound, MESSAGES_PATH } from '../../bots/teams/inbound.ts'
import { openTransport } from '../../bots/teams/open-transport.ts'
import { createOwnPlaces } from '../../bots/teams/own-places.ts'
import { REQUESTER_PAINTING, REVIEW_PAINTING } from '../../bots/teams/painting.ts'
import { requesterMessage } from '../../bots/teams/requester-card.ts'
import { createRequesterFeature } from '../../bots/teams/requester-feature.ts'
import { createReviewFeature } from '../../bots/teams/review-feature.ts'
import { createReviewers } from '../../bots/teams/reviewers.ts'
import { createRooms } from '../../bots/teams/rooms.ts'
import type { Approval } from '../../src/approval/approval.ts'
import { cardOf } from '../../src/approval/card-of.ts'
import type { ApprovalId, Fingerprint } from '../../src/brands.ts'
import { epochMs, principalId } from '../../src/brands.ts'
import type { TeamsSettings } from '../../src/config/settings.ts'
import type { JsonObject } from '../../src/json/value.ts'
import type { Clock, Conversation, Log, MessageRef, People, Place, ReviewClick, Reviews } from '../../src/ports.ts'
import { createReviews } from '../../src/review/review.ts'
import { Secret } from '../../src/secret.ts'
import { anApproval } from './examples.ts'
import { type FakeTeams, startFakeTeams } from './fake-teams.ts'
import { APPROVALS, type FakePerson, type FakeTeamsOptions, SUMMARIES } from './fake-teams-world.ts'
import { createMemoryApprovalStore } from './memory-approval-store.ts'
import { memoryReadings } from './memory-readings.ts'

const person = (digit: string, name: string, email: string): FakePerson => ({
  oid: `aaaaaaaa-0000-4000-8000-00000000000${digit}`,
  ...{ name, email, userPrincipalName: email, userRole: 'user', userType: 'Member' },
})
/** The agent acts for her. */
export const ALICE = person('1', 'Alice', 'alice@example.com')
export const BOB = person('2', 'Bob', 'bob@example.com')
export const CAROL = person('3', 'Carol', 'carol@example.com')

export type TeamsPart = Awaited<ReturnType<typeof startTeamsPart>>

export interface TeamsPartOptions extends FakeTeamsOptions {
  readonly library?: TeamsSettings['library']
}

export async function startTeamsPart({ library = 'botbuilder', ...options }: TeamsPartOptions = {}) {
  const teams = await startFakeTeams({ users: [ALICE, BOB, CAROL], ...options })
  const time = { aheadMs: 0 }
  const clock: Clock = { now: () => epochMs(Date.now() + time.aheadMs) }
  const lines: string[] = []
  const log = linesLog(lines)
  const approvals = createMemoryApprovalStore()
  const readings = memoryReadings()
  const people: People = {
    isMember: async ({ email }, groups) => groups.includes(email ?? ''),
    current: async (reviewer) => reviewer,
  }
  const real = createReviews({
    ...{ approvals, people, readings, clock, log },
    grants: { get: async () => null, consume: async () => ({ ok: false, refusal: 'unknown' }), end: async () => false },
    standingGrants: { end: async () => null },
    recorder: { record: async () => {} },
  })
  const submitted: ReviewClick[] = []
  const reviews: Reviews = {
    ...real,
    async submit(click) {
      submitted.push(click)
      return real.submit(click)
    },
  }
  const settings = settingsOf(teams, library)
  const transport = openTransport({ settings, clock, log })
  await transport.ready()
  const rooms = new Map<string, Conversation>()
  const conversations = {
    get: async (id: string) => rooms.get(id) ?? null,
    withPerson: async () => null,
    rooms: async () => [...rooms.values()],
    remember: async (room: Conversation) => void rooms.set(room.id, room),
    forget: async (id: string) => void rooms.delete(id),
  }
  const reached = createRooms({ settings, conversations, log })
  const { whoClicked } = createReviewers({ ours: settings, transport, conversations, entra: null, clock, log })
  const seen: (readonly [ApprovalId, Place, MessageRef])[] = []
  const seenCards = { seen: async (...card: readonly [ApprovalId, Place, MessageRef]) => void seen.push(card) }
  const get = (id: ApprovalId) => approvals.get(id)
  const delivered = new Set<string>()
  const inbound = createInbound({
    ours: { ...settings, ...teams.endpoints },
    features: [
      createReviewFeature({
        ...{ approvals, reviews, readings, people, whoClicked, seenCards, log, access: null },
        places: createOwnPlaces({ approvalsRoom: settings.approvals, rooms: reached, transport, people }),
        stepUpLink: async (id) => `https://gateway.example.com/step-up/${id}`,
        painting: REVIEW_PAINTING,
      }),
      createRequesterFeature({
        ...{ reviews, get, whoClicked, seenCards, log },
        painting: REQUESTER_PAINTING,
      }),
    ],
    runCommand: async () => ({ message: null }),
    welcome: welcomeMessage(),
    isFirst: async (key) => delivered.size < delivered.add(key).size,
    ...{ transport, conversations, clock, log },
  })
  const server = createServer(express().use(inbound.router))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  teams.deliverTo(`http://127.0.0.1:${(server.address() as AddressInfo).port}${MESSAGES_PATH}`)
  await teams.install(APPROVALS)

  /** As the fake's own bot posts it. */
  function put(approval: Approval, conversationId: string): string {
    const { card } = cardMessage(cardOf(approval))
    return teams.forge({ conversationId, from: teams.botMri, card })
  }

  return {
    teams,
    approvals,
    submitted: submitted as readonly ReviewClick[],
    /** Messages that clicks named, as whoever sends is told. */
    seen: seen as readonly (readonly [ApprovalId, Place, MessageRef])[],
    time,
    lines: lines as readonly string[],
    /** Opens an approval; answers its card in the room for approvals, or in another conversation. */
    ask(change: Partial<Approval> = {}, conversationId = APPROVALS): string {
      const approval = pendingApproval(change)
      approvals.open(approval)
      return put(approval, conversationId)
    },
    /** Another copy, as people forward one. */
    async copy(id: ApprovalId, conversationId: string): Promise<string> {
      const approval = await approvals.get(id)
      if (approval === null) throw new Error(`no approval ${id}`)
      return put(approval, conversationId)
    },
    /** What the person behind the agent has in their personal talk. */
    async tellRequester(id: ApprovalId, who: string): Promise<string> {
      const approval = await approvals.get(id)
      if (approval === null) throw new Error(`no approval ${id}`)
      const { card } = requesterMessage(approval, cardOf(approval))
      return teams.forge({ conversationId: teams.personalConversation(who), from: teams.botMri, card })
    },
    async close(): Promise<void> {
      await inbound.settled()
      server.close()
      server.closeAllConnections()
      await teams.close()
    },
  }
}

function settingsOf(teams: FakeTeams, library: TeamsSettings['library']): TeamsSettings {
  return {
    ...{ appId: teams.appId, tenantId: teams.tenantId, appType: 'SingleTenant' },
    ...{ appPassword: new Secret(teams.appPassword), approvals: APPROVALS, summaries: SUMMARIES },
    ...{ library, email: 'mail', graph: false, endpoints: teams.endpoints },
  }
}

export function pendingApproval(change: Partial<Approval> = {}): Approval {
  const requestedAt = epochMs(Date.now())
  return anApproval({
    id: 'apr_aaaaaaaaaaaaaaaaaaaaaaaaaa' as ApprovalId,
    fingerprint: 'c0ffee00'.repeat(8) as Fingerprint,
    principal: {
      id: principalId('https://issuer.example', '00u1'),
      ...{ issuer: 'https://issuer.example', subject: '00u1', client: 'desktop-agent', email: 'alice@example.com' },
    },
    argumentsJson: '{"content":"hello","path":"/srv/a.txt"}',
    channels: ['teams'],
    requestedAt,
    expiresAt: epochMs(requestedAt + 900_000),
    ...change,
  })
}

/** The words on a card, however it draws them. */
export function textOf(card: JsonObject): string {
  const words: string[] = []
  const walk = (value: unknown): void => {
    if (Array.isArray(value)) for (const one of value) walk(one)
    else if (typeof value === 'object' && value !== null) {
      for (const [name, child] of Object.entries(value)) {
        if (typeof child === 'string' && (name === 'text' || name === 'title')) words.push(child)
        else if (name !== 'fallbackText' && name !== 'data') walk(child)
      }
    }
  }
  walk(card)
  return words.join(' ')
}

function linesLog(lines: string[]): Log {
  const write = (level: string) => (message: string, fields?: unknown) => {
    lines.push(`${level} ${message} ${JSON.stringify(fields ?? {})}`)
  }
  return { info: write('info'), warn: write('warn'), error: write('error') }
}
