/** What the fake Slack knows: its workspace, its people, what was posted and what was asked of it. */
import { EventEmitter, once } from 'node:events'
import type { WebSocket } from 'ws'
import type { Block, Home, MenuOption, Modal } from './slack-block-rules.ts'

export interface FakeUser {
  readonly id: string
  readonly name: string
  readonly email?: string
  readonly displayName?: string
  readonly teamId?: string
  readonly deleted?: boolean
  readonly isBot?: boolean
  readonly isGuest?: boolean
  readonly isSingleChannelGuest?: boolean
  readonly isStranger?: boolean
  readonly isEmailConfirmed?: boolean
  /** Enterprise Grid: the workspaces of the organisation that have them as a member. */
  readonly enterpriseTeams?: readonly string[]
}

export interface FakeUserGroup {
  readonly users: readonly string[]
  readonly disabled?: boolean
}

export interface FakeChannel {
  readonly members: readonly string[]
  /** A private channel that the app was not invited to does not exist for it. */
  readonly isPrivate?: boolean
  readonly isAppIn?: boolean
  readonly name?: string
  readonly isArchived?: boolean
  /** Slack Connect: with another company's workspace. */
  readonly isShared?: boolean
}

/** messaging/message-metadata */
export interface FakeMetadata {
  readonly event_type: string
  readonly event_payload: Readonly<Record<string, unknown>>
}

export interface FakeMessage {
  readonly channel: string
  readonly ts: string
  text: string
  blocks: Block[]
  /** All arguments of the call that wrote it last. */
  args: Readonly<Record<string, string>>
  edits: number
  /** The message whose thread it is in; null: none. */
  readonly threadTs: string | null
  /** Shown in the channel too. */
  readonly isBroadcast: boolean
  metadata: FakeMetadata | null
  /** Who posted it. */
  readonly botId: string
}

export interface FakeEphemeral {
  readonly userId: string
  readonly channel: string
  readonly text: string
  readonly blocks: Block[]
  readonly via: 'response_url' | 'chat.postEphemeral' | 'command'
}

export interface FakeFile {
  readonly id: string
  readonly name: string
  readonly length: number
  /** Null until it was uploaded. */
  text: string | null
  /** Where it was shared; null until then. */
  channel: string | null
  threadTs: string | null
}

export interface FakeView {
  readonly id: string
  readonly userId: string
  hash: string
  modal: Modal
  open: boolean
  /** What the person has typed and chosen, as `view.state.values` has it. */
  state?: Record<string, Record<string, unknown>>
  /** Options that the app has suggested while the person typed. */
  suggested?: MenuOption[]
}

/** The Home tab as one person sees it. */
export interface FakeHome {
  readonly userId: string
  readonly id: string
  hash: string
  view: Home
  /** How often it was published. */
  published: number
}

export interface FakeFailure {
  readonly error?: string
  readonly retryAfterSec?: number
  readonly delayMs?: number
  /** It is done, and the connection is cut before the answer. */
  readonly isAnswerLost?: true
  /** It is done, and no answer ever comes. */
  readonly isAnswerHeld?: true
}

export interface FakeSlackOptions {
  readonly botToken?: string
  readonly appToken?: string
  readonly signingSecret?: string
  readonly teamId?: string
  readonly channels?: readonly string[]
  readonly scopes?: readonly string[]
  readonly users?: readonly FakeUser[]
  readonly userGroups?: Readonly<Record<string, FakeUserGroup>>
  readonly channelMembers?: Readonly<Record<string, FakeChannel>>
  /** apis/web-api/rate-limits: about one message a second and channel, with short bursts. */
  readonly messagesPerSecond?: number
  readonly burst?: number
  /** The token is a person's (xoxp-…). */
  readonly isPersonsToken?: boolean
  /** How far Slack's clock is ahead of this machine's. */
  readonly clockAheadMs?: number
}

export type World = ReturnType<typeof createWorld>

/** A further workspace that the same app is installed in. Ids of channels, people and messages may be the same in both. */
export type FakeTeamOptions = Omit<FakeSlackOptions, 'appToken' | 'signingSecret'> & {
  readonly teamId: string
  readonly botToken: string
}

/** The app is one for all its workspaces: its secrets, its sockets, and where it is told of clicks. */
export function createTeam(app: World, options: FakeTeamOptions): World {
  const { sockets, tickets, changed, appToken, signingSecret } = app
  return { ...createWorld({ ...options, appToken, signingSecret }), sockets, tickets, changed }
}

export function createWorld(options: FakeSlackOptions) {
  return {
    botToken: options.botToken ?? 'xoxb-fake-bot-token',
    appToken: options.appToken ?? 'xapp-fake-app-token',
    isPersonsToken: options.isPersonsToken ?? false,
    clockAheadMs: options.clockAheadMs ?? 0,
    signingSecret: options.signingSecret ?? '0123456789abcdef0123456789abcdef',
    teamId: options.teamId ?? 'T0FAKE',
    channels: new Set(options.channels ?? ['C0APPROVALS', 'C0SUMMARIES']),
    scopes: options.scopes ?? [
      'commands',
      'chat:write',
      'users:read',
      'users:read.email',
      'usergroups:read',
      'channels:read',
      'groups:read',
      'channels:history',
      'groups:history',
      'im:history',
      'im:write',
      'files:write',
    ],
    users: new Map((options.users ?? []).map((user) => [user.id, user])),
    userGroups: new Map(Object.entries(options.userGroups ?? {})),
    channelMembers: new Map(Object.entries(options.channelMembers ?? {})),
    messages: [] as FakeMessage[],
    ephemerals: [] as FakeEphemeral[],
    views: [] as FakeView[],
    files: [] as FakeFile[],
    homes: new Map<string, FakeHome>(),
    calls: [] as { method: string; args: Readonly<Record<string, string>>; error: string | null }[],
    failures: new Map<string, FakeFailure[]>(),
    /** The app was removed from this workspace. */
    isRevoked: false,
    triggers: new Map<string, { userId: string; at: number; used: boolean }>(),
    responseUrls: new Map<string, { userId: string; channel: string; at: number; uses: number }>(),
    buckets: new Map<string, { tokens: number; at: number }>(),
    rate: { perSecond: options.messagesPerSecond ?? 1, burst: options.burst ?? 20 },
    sockets: new Set<WebSocket>(),
    tickets: new Set<string>(),
    /** Socket Mode connections opened so far. */
    opened: 0,
    changed: new EventEmitter().setMaxListeners(100),
    eventsUrl: null as string | null,
    baseUrl: '',
    serial: 0,
  }
}

export async function waitFor<T>(
  world: { changed: EventEmitter },
  find: () => T | undefined,
  what: string,
  timeoutMs = 10_000,
): Promise<T> {
  const signal = AbortSignal.timeout(timeoutMs)
  for (;;) {
    const found = find()
    if (found !== undefined) return found
    await once(world.changed, 'change', { signal }).catch(() => {
      throw new Error(`no such ${what} within ${timeoutMs} ms`)
    })
  }
}
