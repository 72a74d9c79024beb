/**
 * Each channel as its contract drives it: the real one, what people then see of it, and what they do there over HTTP, signed
 * as their chat signs it. Slack and Teams are their fakes, the console is its own pages.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import {
  APPROVE_ACTION,
  DENY_VIEW,
  DENY_WITH_REASON_ACTION,
  MORE_ACTION,
  REASON_INPUT,
} from '../../bots/chat/actions.ts'
import { REASON_BLOCK } from '../../bots/slack/actions.ts'
import { MESSAGES_PATH } from '../../bots/teams/inbound.ts'
import { openTransport } from '../../bots/teams/open-transport.ts'
import { createTeamsChannel } from '../../bots/teams/teams-channel.ts'
import type { Approval } from '../../src/approval/approval.ts'
import type { TeamsSettings } from '../../src/config/settings.ts'
import type { Channel, Conversation, FreezeDesk, MessageRef, People, Place } from '../../src/ports.ts'
import { createReviews } from '../../src/review/review.ts'
import { Secret } from '../../src/secret.ts'
import { click as clickInConsole, startConsoleRig } from './console-rig.ts'
import { type FakeTeams, startFakeTeams } from './fake-teams.ts'
import { APPROVALS, SUMMARIES, TEAM_GROUP } from './fake-teams-world.ts'
import { createMemoryApprovalStore, type MemoryApprovalStore } from './memory-approval-store.ts'
import { memoryReadings } from './memory-readings.ts'
import { systemClock as clock, silentLog as log, silentRecorder as recorder } from './redis.ts'
import { ALICE as ALICE_IN_SLACK, BOB as BOB_IN_SLACK, startSlackGateway } from './slack-gateway.ts'

export interface ChannelDriver {
  readonly channel: Channel
  readonly store: MemoryApprovalStore
  /** What people read where it stands, as one text; null: nothing is there. */
  shown(ref: MessageRef, approval: Approval): Promise<string | null>
  /** Texts of what stands below it. */
  below(ref: MessageRef): Promise<readonly string[]>
  /** Everything that people can see, as one text each. */
  all(): Promise<readonly string[]>
  /** Bob taps Approve on it. Answers what he alone is told. */
  approve(shown: Shown): Promise<string>
  /** Bob denies it in the form that the channel has for that. */
  denySaying(shown: Shown, reason: string): Promise<void>
  close(): Promise<void>
}

export interface Shown {
  readonly ref: MessageRef
  readonly approval: Approval
}

const ALICE = { oid: 'a11ce000-0000-4000-8000-000000000001', name: 'Alice', email: 'alice@example.com' }
const BOB = { oid: 'b0b00000-0000-4000-8000-000000000002', name: 'Bob', email: 'bob@example.com' }

export async function slackDriver(): Promise<ChannelDriver> {
  const gateway = await startSlackGateway({ users: [ALICE_IN_SLACK, BOB_IN_SLACK], messagesPerSecond: 100 })
  const { slack, channel, approvals: store } = gateway
  const userId = BOB_IN_SLACK.id
  const at = (ref: MessageRef) => String((JSON.parse(ref) as { ts: string }).ts)
  const textOf = ({ blocks, text }: (typeof slack.messages)[number]) => `${text} ${JSON.stringify(blocks)}`
  return {
    channel,
    store,
    async shown(ref) {
      const message = slack.messages.find(({ ts }) => ts === at(ref))
      return message === undefined ? null : textOf(message)
    },
    below: async (ref) => slack.messages.filter(({ threadTs }) => threadTs === at(ref)).map(textOf),
    all: async () => slack.messages.map(textOf),
    async approve({ ref }) {
      const before = slack.ephemerals.length
      await slack.click({ messageTs: at(ref), actionId: APPROVE_ACTION, userId })
      const told = await slack.waitForEphemeral((each) => slack.ephemerals.indexOf(each) >= before)
      if (told.userId !== userId) throw new Error(`${told.userId} was told`)
      return told.text
    },
    async denySaying({ ref }, reason) {
      await slack.click({ messageTs: at(ref), actionId: MORE_ACTION, userId })
      const more = await slack.waitForView(({ open }) => open)
      await slack.clickInView({ viewId: more.id, actionId: DENY_WITH_REASON_ACTION, userId })
      const form = slack.views.findLast(({ open }) => open) ?? more
      await slack.submitView({ viewId: form.id, userId, values: { [REASON_BLOCK]: { [REASON_INPUT]: reason } } })
    },
    close: () => gateway.close(),
  }
}

export async function teamsDriver(library: TeamsSettings['library']): Promise<ChannelDriver> {
  const room = { kind: 'channel', isInstalled: true } as const
  const teams = await startFakeTeams({
    users: [ALICE, BOB],
    conversations: [
      { ...room, id: APPROVALS, team: { id: APPROVALS, groupId: TEAM_GROUP, name: 'Operations' } },
      { ...room, id: SUMMARIES, team: { id: APPROVALS, groupId: TEAM_GROUP, name: 'Operations' } },
    ],
  })
  const store = createMemoryApprovalStore()
  const { channel, router, start, stop } = teamsChannel(teams, library, store)
  const server = createServer(express().use(router)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  teams.deliverTo(`http://127.0.0.1:${(server.address() as AddressInfo).port}${MESSAGES_PATH}`)
  await start()
  const at = (ref: MessageRef) => String((JSON.parse(ref) as { message: string }).message)
  const textOf = ({ card, summary }: (typeof teams.messages)[number]) => `${summary} ${JSON.stringify(card)}`
  const bobs = (ref: MessageRef) => ({ user: 'Bob', messageId: at(ref), isBaseView: true })
  return {
    channel,
    store,
    async shown(ref) {
      const message = teams.messages.find(({ id }) => id === at(ref))
      return message === undefined ? null : textOf(message)
    },
    below: async (ref) =>
      teams.messages.filter(({ id, threadId }) => threadId === at(ref) && id !== threadId).map(textOf),
    all: async () => teams.messages.map(textOf),
    approve: async ({ ref }) => JSON.stringify(await teams.click({ ...bobs(ref), action: APPROVE_ACTION })),
    async denySaying({ ref }, reason) {
      await teams.click({ ...bobs(ref), action: DENY_VIEW, inputs: { [REASON_INPUT]: reason } })
    },
    async close() {
      await stop()
      server.close()
      server.closeAllConnections()
      await teams.close()
    },
  }
}

const people: People = {
  isMember: async ({ email }, groups) => email !== null && groups.includes(email),
  current: async (reviewer) => reviewer,
}
const nobodyFreezes = async () => ({ ok: false, message: 'Nobody may.' }) as const
const desk: FreezeDesk = { freeze: nobodyFreezes, thaw: nobodyFreezes }

function teamsChannel(teams: FakeTeams, library: TeamsSettings['library'], store: MemoryApprovalStore) {
  const { serviceUrl, tenantId, appId, endpoints } = teams
  const settings: TeamsSettings = {
    ...{ appId, tenantId, appType: 'SingleTenant', appPassword: new Secret(teams.appPassword), endpoints },
    ...{ approvals: APPROVALS, summaries: SUMMARIES, library, email: 'mail', graph: false },
  }
  const known = new Map(
    [APPROVALS, SUMMARIES].map((id) => [
      id,
      { id, kind: 'channel', tenantId, serviceUrl, oid: null, teamGroupId: TEAM_GROUP } satisfies Conversation,
    ]),
  )
  const readings = memoryReadings()
  const delivered = new Set<string>()
  return createTeamsChannel({
    settings,
    transport: openTransport({ settings, clock, log }),
    seenCards: { seen: async () => undefined },
    conversations: {
      get: async (id) => known.get(id) ?? null,
      rooms: async () => [...known.values()],
      withPerson: async () => null,
      remember: async () => undefined,
      forget: async () => undefined,
    },
    reviews: createReviews({
      ...{ approvals: store, people, readings, recorder, clock, log },
      grants: {
        get: async () => null,
        consume: async () => ({ ok: false, refusal: 'unknown' }),
        end: async () => false,
      },
      standingGrants: { end: async () => null },
    }),
    ...{ readings, people, get: store.get, listPending: store.listPending },
    ...{ access: null, grants: null, home: null, stepUpLink: null },
    freezing: { desk, list: async () => [], upstreams: [] },
    isFirst: async (delivery) => delivered.size < delivered.add(delivery).size,
    ...{ clock, log },
  })
}

export async function consoleDriver(): Promise<ChannelDriver> {
  const rig = await startConsoleRig()
  const cookie = await rig.signIn()
  type Row = Readonly<Record<string, unknown>>
  type State = Readonly<Record<'pending' | 'decided' | 'sessions' | 'notices', readonly Row[]>>
  const state = async () => {
    const { text } = await rig.send('/console/api/state', { headers: { Cookie: cookie } })
    return JSON.parse(text) as State
  }
  return {
    channel: rig.console.channel,
    store: rig.store,
    async shown(_ref, { id }) {
      const { pending, decided } = await state()
      const found = [...pending, ...decided].find(({ approvalId }) => approvalId === id)
      return found === undefined ? null : JSON.stringify(found)
    },
    below: async () => [],
    async all() {
      const { pending, decided, sessions, notices } = await state()
      return [...pending, ...decided, ...sessions, ...notices].map((row) => JSON.stringify(row))
    },
    async approve({ approval: { id } }) {
      const { text } = await clickInConsole(rig, cookie, { approvalId: id, choice: 'approve', reason: null })
      return text
    },
    async denySaying({ approval: { id } }, reason) {
      await clickInConsole(rig, cookie, { approvalId: id, choice: 'deny', reason })
    },
    close: () => rig.stop(),
  }
}

/** Where a channel shows an approval that names no room. */
export const ownPlace = ({ name }: Channel): Place => name
