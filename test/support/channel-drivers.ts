/**
 * Each channel as its contract drives it: the real one, and what people then see of it. Slack and Teams are their fakes over
 * HTTP, the console is its own pages.
 */
import { createOutgoing as createSlackOutgoing } from '../../bots/slack/outgoing.ts'
import { openWorkspaces } from '../../bots/slack/workspaces.ts'
import { openTransport } from '../../bots/teams/open-transport.ts'
import { createOutgoing as createTeamsOutgoing } from '../../bots/teams/outgoing.ts'
import type { Approval } from '../../src/approval/approval.ts'
import type { TeamsSettings } from '../../src/config/settings.ts'
import type { Channel, Conversation, MessageRef, Place } from '../../src/ports.ts'
import { Secret } from '../../src/secret.ts'
import { startConsoleRig } from './console-rig.ts'
import { startFakeSlack } from './fake-slack.ts'
import { startFakeTeams } from './fake-teams.ts'
import { APPROVALS, SUMMARIES, TEAM_GROUP } from './fake-teams-world.ts'
import { createMemoryApprovalStore, type MemoryApprovalStore } from './memory-approval-store.ts'
import { systemClock as clock, silentLog as log } from './redis.ts'

export interface ChannelDriver {
  readonly channel: Channel
  readonly store: MemoryApprovalStore
  /** What people read where it stands, as one text; null: nothing is there. */
  shown(ref: MessageRef, approval: Approval): Promise<string | null>
  /** Texts of what stands below it. */
  below(ref: MessageRef): Promise<readonly string[]>
  /** Everything that people can see, as one text each. */
  all(): Promise<readonly string[]>
  close(): Promise<void>
}

const ALICE = { oid: 'a11ce000-0000-4000-8000-000000000001', name: 'Alice', email: 'alice@example.com' }

export async function slackDriver(): Promise<ChannelDriver> {
  const slack = await startFakeSlack({
    users: [{ id: 'U1', name: 'alice', displayName: 'Alice', email: 'alice@example.com' }],
    channels: ['C0APPROVALS', 'C0SUMMARIES'],
    messagesPerSecond: 100,
  })
  const { apiUrl } = slack
  const rooms = { approvals: 'C0APPROVALS', summaries: 'C0SUMMARIES', workspaces: new Map() }
  const workspaces = openWorkspaces({ botToken: new Secret(slack.botToken), ...rooms, apiUrl, clock, log })
  const store = createMemoryApprovalStore()
  const channel = createSlackOutgoing({ workspaces, get: store.get, clock, log })
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
    close: () => slack.close(),
  }
}

export async function teamsDriver(): Promise<ChannelDriver> {
  const room = { kind: 'channel', isInstalled: true } as const
  const teams = await startFakeTeams({
    users: [ALICE],
    conversations: [
      { ...room, id: APPROVALS, team: { id: APPROVALS, groupId: TEAM_GROUP, name: 'Operations' } },
      { ...room, id: SUMMARIES, team: { id: APPROVALS, groupId: TEAM_GROUP, name: 'Operations' } },
    ],
  })
  const store = createMemoryApprovalStore()
  const { serviceUrl, tenantId, appId, endpoints } = teams
  const settings: TeamsSettings = {
    appId,
    tenantId,
    appType: 'SingleTenant',
    appPassword: new Secret(teams.appPassword),
    endpoints,
    approvals: APPROVALS,
    summaries: SUMMARIES,
    library: 'botbuilder',
    email: 'mail',
    graph: false,
  }
  const known = new Map(
    [APPROVALS, SUMMARIES].map((id) => [
      id,
      { id, kind: 'channel', tenantId, serviceUrl, oid: null, teamGroupId: TEAM_GROUP } satisfies Conversation,
    ]),
  )
  const channel = createTeamsOutgoing({
    settings,
    transport: openTransport({ settings, clock, log }),
    conversations: {
      get: async (id) => known.get(id) ?? null,
      rooms: async () => [...known.values()],
      withPerson: async () => null,
      remember: async () => undefined,
      forget: async () => undefined,
    },
    people: { isMember: async () => true },
    reviewerOf: () => null,
    oidByEmail: async () => null,
    graph: null,
    ...{ get: store.get, clock, log },
  })
  const at = (ref: MessageRef) => String((JSON.parse(ref) as { message: string }).message)
  const textOf = ({ card, summary }: (typeof teams.messages)[number]) => `${summary} ${JSON.stringify(card)}`
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
    close: () => teams.close(),
  }
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
    close: () => rig.stop(),
  }
}

/** Where a channel shows an approval that names no room. */
export const ownPlace = ({ name }: Channel): Place => name
