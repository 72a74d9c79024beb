/**
 * A verified activity, as far as we read it: who, in which conversation, about which message, and what is asked.
 *
 * learn.microsoft.com/microsoftteams/platform/bots/how-to/conversations/subscribe-to-conversation-events;
 * learn.microsoft.com/microsoftteams/platform/task-modules-and-cards/cards/universal-actions-for-adaptive-cards/overview
 */
import { z } from 'zod'
import { isObject, type JsonObject } from '../../src/json/value.ts'
import type { Conversation } from '../../src/ports.ts'
import { mriOf } from './checks.ts'
import type { CommandWords, TeamsUser } from './feature.ts'

/** Ids of Teams are some 100 to 300 characters long; they become keys in Redis and names in our own ids. */
const ID_MAX = 500
/** A message of Teams has 28 KB at most, in UTF-16. */
const TEXT_MAX = 28 * 1024
const MEMBERS_MAX = 1000
const ENTITIES_MAX = 100

const id = z.string().min(1).max(ID_MAX)
const oid = z.guid().transform((value) => value.toLowerCase())
const account = z.object({ id, aadObjectId: oid.nullish() })
const named = z.object({ id }).nullish()
const object = z.custom<JsonObject>((value) => isObject(value as never))

const Activity = z.object({
  type: z.string().max(ID_MAX),
  name: z.string().max(ID_MAX).nullish(),
  id: id.nullish(),
  replyToId: id.nullish(),
  action: z.string().max(ID_MAX).nullish(),
  text: z.string().max(TEXT_MAX).nullish(),
  serviceUrl: z.string().max(ID_MAX),
  from: account,
  recipient: z.object({ isTargeted: z.boolean().nullish().catch(null) }),
  conversation: z.object({ id, conversationType: z.string().nullish() }),
  channelData: z
    .object({
      channel: named,
      team: z.object({ id, aadGroupId: oid.nullish().catch(null) }).nullish(),
      settings: z.object({ selectedChannel: named }).nullish(),
    })
    .nullish(),
  membersAdded: z.array(account).max(MEMBERS_MAX).nullish(),
  membersRemoved: z.array(account).max(MEMBERS_MAX).nullish(),
  entities: z.array(z.unknown()).max(ENTITIES_MAX).nullish(),
  value: object.nullish().catch(null),
})

export interface Incoming {
  readonly type: string
  /** Of an invoke. */
  readonly name: string | null
  readonly id: string | null
  /** Of the message whose card was clicked. */
  readonly messageId: string | null
  /** What a channel's thread began with. */
  readonly threadId: string | null
  readonly conversation: Conversation
  /** Null where no person of Entra acted. */
  readonly user: TeamsUser | null
  /** Nobody else in the conversation sees it. */
  readonly isTargeted: boolean
  /** Of the compose action, which people have in every conversation of theirs: the bot may not be in this one. */
  readonly isCompose: boolean
  /** The app was put into a conversation for the first time, or again; no upgrade of it. */
  readonly isInstallation: boolean
  readonly value: JsonObject
  /** Null where the message isn't for us: in a channel without our mention. */
  readonly words: CommandWords | null
  /** The bot was put into these, or taken out of them. */
  readonly joined: readonly Conversation[]
  readonly left: readonly string[]
}

export type ParsedActivity =
  | { readonly ok: true; readonly incoming: Incoming }
  /** Names members, never a value. */
  | { readonly ok: false; readonly problem: string }

export function parseActivity(
  activity: JsonObject,
  ours: { readonly appId: string; readonly tenantId: string },
): ParsedActivity {
  const parsed = Activity.safeParse(activity)
  if (!parsed.success) {
    return { ok: false, problem: [...new Set(parsed.error.issues.map(({ path }) => path.join('.')))].join(', ') }
  }
  const { data } = parsed
  const found = conversationIn(data, ours.tenantId)
  if (found === null) return { ok: false, problem: 'conversation.conversationType' }
  const { conversation, threadId } = found
  const isTargeted = data.recipient.isTargeted === true
  const isToUs = isTargeted || conversation.kind === 'personal'
  return {
    ok: true,
    incoming: {
      ...{ type: data.type, name: data.name ?? null, id: data.id ?? null, conversation, threadId, isTargeted },
      isCompose: isCompose(data),
      isInstallation: data.type === 'installationUpdate' && data.action === 'add',
      messageId: data.replyToId ?? null,
      user: userIn(data, ours.tenantId),
      value: data.value ?? {},
      words: data.type === 'message' ? wordsIn(data, { isToUs, ...ours }) : null,
      ...movesIn(data, conversation, mriOf(ours.appId)),
    },
  }
}

type Data = z.infer<typeof Activity>

const KINDS: ReadonlyMap<string, Conversation['kind']> = new Map([
  ['channel', 'channel'],
  ['groupchat', 'groupChat'],
  ['personal', 'personal'],
])
/** In a channel's thread the conversation is called `19:…@thread.tacv2;messageid=1700000000000`. */
const THREAD = /^([^;]+)(?:;messageid=([^;]+))?$/

function conversationIn(data: Data, tenantId: string): { conversation: Conversation; threadId: string | null } | null {
  const parts = THREAD.exec(data.conversation.id)
  // Where somebody writes has no meaning for what they then ask for, and needs no kind that we know.
  const kind = kindOf(data) ?? (isCompose(data) ? 'groupChat' : null)
  if (parts?.[1] === undefined || kind === null) return null
  const conversation: Conversation = {
    ...{ id: parts[1], kind, tenantId, serviceUrl: data.serviceUrl },
    oid: kind === 'personal' ? (userIn(data, tenantId)?.oid ?? null) : null,
    teamGroupId: kind === 'channel' ? (data.channelData?.team?.aadGroupId ?? null) : null,
  }
  return { conversation, threadId: parts[2] ?? null }
}

function isCompose({ type, name }: Data): boolean {
  return type === 'invoke' && name?.startsWith('composeExtension/') === true
}

/** Some events of a team name no conversationType. */
function kindOf({ conversation, channelData }: Data): Conversation['kind'] | null {
  const written = conversation.conversationType?.toLowerCase()
  if (written !== undefined) return KINDS.get(written) ?? null
  if (channelData?.team !== undefined && channelData.team !== null) return 'channel'
  return conversation.id.startsWith('a:') ? 'personal' : null
}

function userIn({ from }: Data, tenantId: string): TeamsUser | null {
  // `28:` is another bot; it decides nothing, whatever Entra calls it.
  if (from.aadObjectId === null || from.aadObjectId === undefined || from.id.startsWith('28:')) return null
  return { oid: from.aadObjectId, tenantId, mri: from.id }
}

function movesIn(data: Data, conversation: Conversation, us: string): Pick<Incoming, 'joined' | 'left'> {
  const { type, action, membersAdded, membersRemoved } = data
  const isAbout = (accounts: Data['membersAdded']) => accounts?.some((one) => one.id.toLowerCase() === us) ?? false
  // An upgrade removes and adds; what is in between is no uninstallation (action `remove-upgrade`).
  const isIn = type === 'installationUpdate' ? action?.startsWith('add') : isAbout(membersAdded)
  const isOut = type === 'installationUpdate' ? action === 'remove' : isAbout(membersRemoved)
  const rooms = new Set([conversation.id, ...roomsIn(data)])
  return {
    joined: isIn ? [...rooms].map((room) => ({ ...conversation, id: room })) : [],
    left: isOut ? [...rooms] : [],
  }
}

/** An installation in a team is told of its first channel, and names the one that was chosen. */
function roomsIn({ channelData }: Data): readonly string[] {
  return [channelData?.team?.id, channelData?.channel?.id, channelData?.settings?.selectedChannel?.id].filter(
    (room) => room !== undefined && room !== null,
  )
}

const Mention = z.object({
  type: z.literal('mention'),
  text: z.string().min(1).max(ID_MAX),
  mentioned: z.object({ id, aadObjectId: oid.nullish().catch(null) }),
})

/**
 * The words with their mentions numbered. An app that may read a channel's messages is sent all of them: only one that
 * mentions us, or is written to us alone, is for us.
 */
function wordsIn(data: Data, about: { readonly appId: string; readonly isToUs: boolean }): CommandWords | null {
  const mentions = (data.entities ?? []).flatMap((entity) => {
    const mention = Mention.safeParse(entity)
    return mention.success ? [mention.data] : []
  })
  const isUs = ({ mentioned }: z.infer<typeof Mention>) => mentioned.id.toLowerCase() === mriOf(about.appId)
  if (!about.isToUs && !mentions.some(isUs)) return null
  const mentioned: { mri: string; oid: string | null }[] = []
  let text = ''
  let rest = data.text ?? ''
  const open = [...mentions]
  for (;;) {
    const next = earliest(rest, open)
    if (next === null) break
    open.splice(open.indexOf(next), 1)
    const at = rest.indexOf(next.text)
    text += plain(rest.slice(0, at))
    rest = rest.slice(at + next.text.length)
    if (isUs(next)) continue
    text += `<at:${mentioned.length}>`
    mentioned.push({ mri: next.mentioned.id, oid: next.mentioned.aadObjectId ?? null })
  }
  return { text: (text + plain(rest)).trim(), mentioned }
}

/** Of two people of one name the first comes first, as Teams lists them. */
function earliest(text: string, mentions: readonly z.infer<typeof Mention>[]): z.infer<typeof Mention> | null {
  const placed = mentions.map((mention) => ({ mention, at: text.indexOf(mention.text) })).filter(({ at }) => at >= 0)
  return placed.sort((one, other) => one.at - other.at)[0]?.mention ?? null
}

/** What somebody wrote can't pretend to be a mention: `<at:0>` stands for people alone. */
function plain(text: string): string {
  return text.replaceAll('&nbsp;', ' ').replaceAll('\u00a0', ' ').replaceAll('<at:', '< at:')
}
