/** What the fake Teams knows: its tenant, its people, its conversations, what was posted and what was asked of it. */
import { EventEmitter, once } from 'node:events'
import type { JsonObject } from '../../src/json/value.ts'
import type { Keys } from './fake-teams-keys.ts'

export const TENANT = '11111111-1111-4111-8111-111111111111'
export const OTHER_TENANT = '99999999-9999-4999-8999-999999999999'
export const APP_ID = '22222222-2222-4222-8222-222222222222'
export const TEAM_GROUP = '33333333-3333-4333-8333-333333333333'
/** A team is called like its first channel. */
export const TEAM = '19:general0000000000000000000000000@thread.tacv2'
export const APPROVALS = '19:approvals00000000000000000000000@thread.tacv2'
export const SUMMARIES = '19:summaries00000000000000000000000@thread.tacv2'
export const GROUP_CHAT = '19:groupchat00000000000000000000000@thread.v2'

export interface FakePerson {
  /** Entra's object id. Null: nobody of Entra, such as an anonymous guest of a meeting. */
  readonly oid: string | null
  readonly name: string
  /** `29:…` by default; a bot's is `28:…`. */
  readonly mri?: string
  /** Their home; ours by default. */
  readonly tenantId?: string
  /** Entra's `mail`. */
  readonly email?: string
  readonly userPrincipalName?: string
  readonly userRole?: 'user' | 'guest' | 'anonymous' | 'federated'
  /** Entra's `userType` and `accountEnabled`, as Graph tells them. */
  readonly userType?: 'Member' | 'Guest'
  readonly accountEnabled?: boolean
  /** Exchange's: `SMTP:…` the main address, `smtp:…` an alias. */
  readonly proxyAddresses?: readonly string[]
  /** Ids of Entra groups that they are in, also by way of another group. */
  readonly groups?: readonly string[]
}

export interface FakeConversation {
  readonly id: string
  readonly kind: 'channel' | 'groupChat' | 'personal'
  /** Object ids, or MRIs where there is none; everybody by default. */
  readonly members?: readonly string[]
  /** Of a channel; the one team by default. */
  readonly team?: { readonly id: string; readonly groupId: string; readonly name: string }
  readonly name?: string
  /** The bot is in it from the start, and was told so before; else only after `install`. */
  readonly isInstalled?: boolean
}

export interface Room extends Omit<FakeConversation, 'members'> {
  members: readonly string[] | undefined
  isInstalled: boolean
  /** The person blocked the bot, or moderators did. */
  isBlocked: boolean
}

export interface FakeGroup {
  readonly id: string
  readonly displayName: string
}

export interface FakeMessage {
  readonly id: string
  /** Without `;messageid=`. */
  readonly conversationId: string
  /** The message whose thread it is in; its own id where it began one; null outside channels. */
  readonly threadId: string | null
  /** Whose: `28:…` or a person's. */
  readonly from: string
  /** The one member who sees it; null: all. */
  readonly onlyTo: string | null
  /** As it was sent last. */
  activity: JsonObject
  /** The Adaptive Card in it. */
  card: JsonObject | null
  text: string
  summary: string
  edits: number
  isDeleted: boolean
  readonly createdAt: number
}

/** An operation as the rate limits count them, and what can fail. */
export type Operation = 'send' | 'update' | 'delete' | 'create' | 'members' | 'member' | 'token' | 'graph' | 'keys'

export interface FakeFailure {
  /** 412, 5xx, 429 and the like: nothing is done. */
  readonly status?: number
  readonly code?: string
  readonly retryAfterSec?: number
  /** It is done, later. */
  readonly delayMs?: number
  /** It is done, and the connection is cut before the answer. */
  readonly isAnswerLost?: true
  /** It is done, and no answer ever comes. */
  readonly isAnswerHeld?: true
}

export interface FakeCall {
  readonly operation: Operation
  readonly method: string
  /** With its query, decoded. */
  readonly path: string
  readonly body: unknown
  readonly status: number
}

export interface FakeTeamsOptions {
  readonly appId?: string
  readonly appPassword?: string
  readonly tenantId?: string
  readonly users?: readonly FakePerson[]
  readonly conversations?: readonly FakeConversation[]
  readonly groups?: readonly FakeGroup[]
  /** Application permissions of Graph that an administrator consented to. */
  readonly permissions?: readonly string[]
  /** `iss` of the connector's tokens. */
  readonly issuer?: string
  readonly scope?: string
  /** Replaces Teams' own limits; see fake-teams-rate.ts. */
  readonly rate?: RateOptions
}

export interface RateOptions {
  /** [seconds, operations] for each conversation. */
  readonly send?: readonly (readonly [number, number])[]
  readonly members?: readonly (readonly [number, number])[]
}

export const PERMISSIONS = [
  'User.Read.All',
  'GroupMember.Read.All',
  'ChannelMessage.Read.All',
  'Chat.Read.All',
] as const

export type World = ReturnType<typeof createWorld>

const HOME_TEAM = { id: TEAM, groupId: TEAM_GROUP, name: 'Operations' }

export function createWorld(options: FakeTeamsOptions, keys: Keys) {
  const rooms = options.conversations ?? [
    { id: TEAM, kind: 'channel', name: 'General' },
    { id: APPROVALS, kind: 'channel', name: 'Approvals' },
    { id: SUMMARIES, kind: 'channel', name: 'Summaries' },
    { id: GROUP_CHAT, kind: 'groupChat' },
  ]
  return {
    appId: options.appId ?? APP_ID,
    appPassword: options.appPassword ?? 'fake~client~secret',
    isSecretExpired: false,
    tenantId: options.tenantId ?? TENANT,
    issuer: options.issuer ?? 'https://api.botframework.com',
    scope: options.scope ?? 'https://api.botframework.com/.default',
    permissions: [...(options.permissions ?? PERMISSIONS)] as string[],
    keys,
    people: new Map((options.users ?? []).map((person) => [mriOf(person), person])),
    groups: new Map((options.groups ?? []).map((group) => [group.id, group])),
    rooms: new Map(rooms.map((room) => [room.id, createRoom(room)])),
    messages: [] as FakeMessage[],
    calls: [] as FakeCall[],
    failures: new Map<Operation, FakeFailure[]>(),
    /** What one person sees in place of a card: by message and MRI. */
    personal: new Map<string, JsonObject>(),
    dialogs: new Map<string, FakeDialog>(),
    rate: options.rate ?? {},
    /** When each operation of each conversation was, in ms. */
    operations: new Map<string, number[]>(),
    changed: new EventEmitter().setMaxListeners(0),
    /** Tokens that Entra issued before are refused. */
    revokedBefore: 0,
    issued: 0,
    serial: 0,
    lastMessageAt: 0,
    eventsUrl: '',
    /** Connector, OIDC metadata, Graph and managed identity; and Entra. */
    baseUrl: '',
    loginUrl: '',
  }
}

export interface FakeDialog {
  readonly id: string
  readonly mri: string
  readonly conversationId: string
  readonly messageId: string | null
  /** A compose action's command; null: opened from a card. */
  readonly command: { readonly id: string; readonly context: string } | null
  title: string
  card: JsonObject
  isOpen: boolean
}

export function createRoom(room: FakeConversation): Room {
  const team = room.kind === 'channel' ? { team: room.team ?? HOME_TEAM } : {}
  return { ...room, ...team, members: room.members, isInstalled: room.isInstalled ?? false, isBlocked: false }
}

/** Theirs towards this bot alone. learn.microsoft.com/microsoftteams/platform/bots/how-to/get-teams-context */
export function mriOf(person: FakePerson): string {
  return person.mri ?? `29:1${Buffer.from(person.oid ?? person.name).toString('base64url')}`
}

export const botMri = (world: World): string => `28:${world.appId}`

export function personOf(world: World, who: string): FakePerson {
  const person = findPerson(world, who)
  if (person === null) throw new Error(`there is no ${who}`)
  return person
}

/** By MRI, object id or name. */
export function findPerson(world: World, who: string): FakePerson | null {
  return (
    world.people.get(who) ?? [...world.people.values()].find(({ oid, name }) => oid === who || name === who) ?? null
  )
}

export function roomOf(world: World, id: string): Room {
  const room = world.rooms.get(id)
  if (room === undefined) throw new Error(`there is no conversation ${id}`)
  return room
}

/** The talk of two; made where there is none yet. */
export function personalRoom(world: World, person: FakePerson): Room {
  const key = person.oid ?? mriOf(person)
  const id = `a:1${Buffer.from(key).toString('base64url')}`
  const room = world.rooms.get(id) ?? createRoom({ id, kind: 'personal', members: [key] })
  world.rooms.set(id, room)
  return room
}

export function membersOf(world: World, room: Room): readonly FakePerson[] {
  const { members } = room
  const all = [...world.people.values()]
  return members === undefined ? all : all.filter((person) => members.includes(person.oid ?? mriOf(person)))
}

/** Milliseconds since 1970, as Teams numbers messages; none twice. */
export function nextMessageId(world: World): string {
  world.lastMessageAt = Math.max(Date.now(), world.lastMessageAt + 1)
  return String(world.lastMessageAt)
}

export async function waitFor<T>(
  world: World,
  look: () => T | undefined,
  what: string,
  timeoutMs = 10_000,
): Promise<T> {
  const signal = AbortSignal.timeout(timeoutMs)
  for (;;) {
    const found = look()
    if (found !== undefined) return found
    try {
      await once(world.changed, 'change', { signal })
    } catch {
      const calls = world.calls.slice(-10).map(({ method, path, status }) => `${method} ${path} ${status}`)
      throw new Error(`no such ${what} came in ${timeoutMs} ms; the last calls:\n${calls.join('\n')}`)
    }
  }
}
