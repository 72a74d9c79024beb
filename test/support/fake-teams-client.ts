/**
 * Teams as people use it: what their clients send to the bot, and what they then see.
 *
 * learn.microsoft.com/microsoftteams/platform/bots/how-to/conversations/subscribe-to-conversation-events;
 * …/platform/task-modules-and-cards/cards/universal-actions-for-adaptive-cards/work-with-universal-actions-for-adaptive-cards;
 * …/platform/task-modules-and-cards/task-modules/task-modules-bots; …/platform/messaging-extensions/how-to/action-commands
 */
import { randomUUID } from 'node:crypto'
import { isObject, type JsonObject, type JsonValue } from '../../src/json/value.ts'
import { cardProblems, everyObject } from './fake-teams-card-rules.ts'
import { CARD_TYPE } from './fake-teams-connector.ts'
import { inboundToken, serviceUrlOf, type TokenOptions } from './fake-teams-tokens.ts'
import {
  botMri,
  type FakeDialog,
  type FakeMessage,
  type FakePerson,
  membersOf,
  mriOf,
  nextMessageId,
  personalRoom,
  personOf,
  type Room,
  roomOf,
  type World,
} from './fake-teams-world.ts'

/** A client gives up on an invoke: "the bot must respond within 10 seconds". */
const INVOKE_MS_MAX = 10_000

/** What the bot answered, as it came. */
export interface Ack {
  readonly status: number
  readonly body: JsonValue | null
}

/** What the person then sees. */
export type Seen =
  | { readonly kind: 'card'; readonly card: JsonObject }
  | { readonly kind: 'message'; readonly text: string }
  /** "Something went wrong": what the client says where the bot's answer is none. */
  | { readonly kind: 'error'; readonly status: number; readonly code: string; readonly text: string }

export type SeenDialog =
  | { readonly kind: 'dialog'; readonly id: string; readonly title: string; readonly card: JsonObject }
  | { readonly kind: 'message'; readonly text: string }
  | { readonly kind: 'closed' }
  | { readonly kind: 'error'; readonly status: number; readonly code: string; readonly text: string }

export type Inputs = Readonly<Record<string, string>>

export interface Delivery extends TokenOptions {
  readonly activity: JsonObject
  /** As it is; null: without the header. */
  readonly authorization?: string | null
  /** In place of the activity. */
  readonly rawBody?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** One request to the bot's endpoint, exactly as given. */
export async function deliver(world: World, delivery: Delivery): Promise<Ack> {
  const { activity, authorization, rawBody, headers } = delivery
  if (world.eventsUrl === '') throw new Error('deliverTo was not called')
  const bearer = authorization === undefined ? `Bearer ${await inboundToken(world, delivery)}` : authorization
  const response = await fetch(world.eventsUrl, {
    method: 'POST',
    headers: {
      'content-type': 'application/json; charset=utf-8',
      ...(bearer !== null && { authorization: bearer }),
      ...headers,
    },
    body: rawBody ?? JSON.stringify(activity),
    signal: AbortSignal.timeout(INVOKE_MS_MAX),
  })
  const text = await response.text()
  return { status: response.status, body: text === '' ? null : parsed(text) }
}

function parsed(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue
  } catch {
    return text
  }
}

/** The members that every activity of this person in this room has. */
export function activityOf(
  world: World,
  { person, room, threadId = null }: { person: FakePerson; room: Room; threadId?: string | null },
): JsonObject {
  const { tenantId } = world
  const { team } = room
  const at = new Date().toISOString()
  const id = threadId === null || room.kind !== 'channel' ? room.id : `${room.id};messageid=${threadId}`
  const inTeam =
    team === undefined
      ? {}
      : { teamsChannelId: room.id, teamsTeamId: team.id, channel: { id: room.id }, team: { id: team.id } }
  return {
    ...{ timestamp: at, localTimestamp: at, localTimezone: 'Europe/Berlin', locale: 'en-US' },
    ...{ serviceUrl: serviceUrlOf(world), channelId: 'msteams' },
    from: { id: mriOf(person), name: person.name, ...(person.oid !== null && { aadObjectId: person.oid }) },
    conversation: {
      ...(room.kind !== 'personal' && { isGroup: true }),
      ...{ conversationType: room.kind, tenantId, id },
      ...(room.name !== undefined && { name: room.name }),
    },
    recipient: { id: botMri(world), name: 'Countersign' },
    entities: [{ locale: 'en-US', country: 'US', platform: 'Web', timezone: 'Europe/Berlin', type: 'clientInfo' }],
    channelData: { ...inTeam, tenant: { id: tenantId } },
  }
}

export function invokeOf(
  world: World,
  about: { person: FakePerson; room: Room; message?: FakeMessage | null; name: string; value: JsonObject },
): JsonObject {
  const { message = null, name, value } = about
  const base = activityOf(world, { ...about, threadId: message?.threadId ?? null })
  return {
    ...base,
    ...{ type: 'invoke', id: `f:${randomUUID()}`, name, value },
    ...(message !== null && { replyToId: message.id }),
    channelData: { ...(base.channelData as JsonObject), source: { name: 'message' } },
  }
}

/** The bot is installed: in a team for all of its channels, in a chat, or for one person. */
export async function install(world: World, id: string, by?: string): Promise<readonly Ack[]> {
  const room = roomOf(world, id)
  room.isInstalled = true
  return tellOfInstallation(world, room, by, 'add')
}

/** It is taken out again; out of a team, out of all of its channels. */
export async function uninstall(world: World, id: string, by?: string): Promise<readonly Ack[]> {
  const room = roomOf(world, id)
  for (const one of world.rooms.values()) {
    if (one === room || (room.team !== undefined && one.team?.id === room.team.id)) one.isInstalled = false
  }
  return tellOfInstallation(world, room, by, 'remove')
}

async function tellOfInstallation(
  world: World,
  room: Room,
  by: string | undefined,
  action: 'add' | 'remove',
): Promise<readonly Ack[]> {
  if (world.eventsUrl === '') return []
  const person = by === undefined ? membersOf(world, room)[0] : personOf(world, by)
  if (person === undefined) throw new Error(`nobody is in ${room.id}`)
  // A team is told of by its first channel; the one that was chosen is in `settings`.
  const told = room.team === undefined ? room : { ...room, id: room.team.id }
  const base = activityOf(world, { person, room: told })
  const team = room.team
  const channelData = {
    ...(base.channelData as JsonObject),
    ...(team !== undefined && { team: { aadGroupId: team.groupId, name: team.name, id: team.id } }),
    ...(team !== undefined && { settings: { selectedChannel: { id: room.id } } }),
  }
  const event = action === 'add' ? 'teamMemberAdded' : 'teamMemberRemoved'
  const moved = { [action === 'add' ? 'membersAdded' : 'membersRemoved']: [{ id: botMri(world) }] }
  const activities: readonly JsonObject[] = [
    {
      ...{ ...base, type: 'conversationUpdate', id: `f:${randomUUID()}`, ...moved },
      channelData: { ...channelData, ...(team !== undefined && { eventType: event }) },
    },
    { ...base, type: 'installationUpdate', id: `f:${randomUUID()}`, action, channelData },
  ]
  const acks: Ack[] = []
  for (const activity of activities) acks.push(await deliver(world, { activity }))
  return acks
}

export interface Said {
  /** By object id, MRI or name. */
  readonly user: string
  /** `personal`: their talk with the bot. */
  readonly conversation: string
  /** `@{bot}` mentions the bot, `@{Bob}` a person. */
  readonly text: string
  /** Answers in the thread that this message began. */
  readonly threadId?: string
  /** Only they and the bot see it: …/agents-in-teams/targeted-messages */
  readonly isTargeted?: boolean
}

/** A message, whether the bot is to see it or not: in a channel it is told of those that mention it. */
export async function say(world: World, said: Said): Promise<Ack & { readonly messageId: string }> {
  const { activity, messageId } = messageOf(world, said)
  return { ...(await deliver(world, { activity })), messageId }
}

export function messageOf(world: World, said: Said): { activity: JsonObject; messageId: string } {
  const person = personOf(world, said.user)
  const room = said.conversation === 'personal' ? personalRoom(world, person) : roomOf(world, said.conversation)
  if (room.kind === 'personal') room.isInstalled = true
  const messageId = nextMessageId(world)
  const threadId = room.kind === 'channel' ? (said.threadId ?? messageId) : null
  const { text, mentions } = mentioned(world, said.text)
  const base = activityOf(world, { person, room, threadId })
  world.messages.push({
    ...{ id: messageId, conversationId: room.id, threadId, from: mriOf(person), activity: {}, card: null, text },
    ...{ onlyTo: said.isTargeted ? botMri(world) : null, summary: '', edits: 0, isDeleted: false },
    createdAt: Number(messageId),
  })
  const recipient = { ...(base.recipient as JsonObject), ...(said.isTargeted && { isTargeted: true }) }
  const entities = [...(base.entities as JsonValue[]), ...mentions]
  const html = { contentType: 'text/html', content: `<p>${text}</p>` }
  return {
    messageId,
    activity: {
      ...base,
      ...{ type: 'message', id: messageId, text, textFormat: 'plain', recipient, entities, attachments: [html] },
    },
  }
}

/** Mentions carry the MRI and the name, and no object id. */
function mentioned(world: World, written: string): { text: string; mentions: JsonValue[] } {
  const mentions: JsonValue[] = []
  const text = written.replace(/@\{([^}]+)\}/g, (_all, name: string) => {
    const shown = name === 'bot' ? 'Countersign' : personOf(world, name).name
    const id = name === 'bot' ? botMri(world) : mriOf(personOf(world, name))
    const tag = `<at>${shown}</at>`
    mentions.push({ type: 'mention', mentioned: { id, name: shown }, text: tag })
    return tag
  })
  return { text, mentions }
}

export interface Click {
  readonly user: string
  readonly messageId: string
  /** The action's title, or its verb, or the name of its dialog. */
  readonly action: string
  readonly inputs?: Inputs
  /** What is posted, without the view of their own that Teams would fetch first. */
  readonly isBaseView?: boolean
}

export function messageById(world: World, messageId: string): FakeMessage {
  const found = world.messages.find(({ id, isDeleted }) => id === messageId && !isDeleted)
  if (found === undefined) throw new Error(`there is no message ${messageId}`)
  return found
}

/** The card as this person sees it: those whom `refresh` names have theirs fetched when it comes into view. */
export async function look(
  world: World,
  { user, messageId }: { user: string; messageId: string },
): Promise<JsonObject> {
  const person = personOf(world, user)
  const message = messageById(world, messageId)
  const key = `${messageId} ${mriOf(person)}`
  const own = world.personal.get(key)
  if (own !== undefined) return own
  if (message.card === null) throw new Error(`message ${messageId} has no card`)
  const { refresh } = message.card
  const userIds = isObject(refresh) ? refresh.userIds : undefined
  if (!isObject(refresh) || !Array.isArray(userIds) || !userIds.includes(mriOf(person))) return message.card
  const seen = await execute(world, {
    person,
    message,
    action: refresh.action as JsonObject,
    inputs: {},
    trigger: 'automatic',
  })
  return seen.kind === 'card' ? seen.card : message.card
}

/** An Action.Execute of the card that the person sees. */
export async function click(world: World, wanted: Click): Promise<Seen> {
  const { person, message, action, inputs } = await found(world, wanted)
  if (action.type !== 'Action.Execute') throw new Error(`${wanted.action} is an ${action.type}`)
  return execute(world, { person, message, action, inputs, trigger: 'manual' })
}

/** The activity of a click that is not sent. */
export async function clickActivity(world: World, wanted: Click): Promise<JsonObject> {
  const { person, message, action, inputs } = await found(world, wanted)
  return executeActivity(world, { person, message, action, inputs, trigger: 'manual' })
}

async function found(world: World, { user, messageId, action: wanted, inputs = {}, isBaseView }: Click) {
  const person = personOf(world, user)
  const message = messageById(world, messageId)
  const card = isBaseView ? message.card : await look(world, { user, messageId })
  if (card === null) throw new Error(`message ${messageId} has no card`)
  const { action, within } = actionIn(card, wanted)
  return { person, message, action, inputs: filled(within, action, inputs) }
}

interface Executing {
  readonly person: FakePerson
  readonly message: FakeMessage
  readonly action: JsonObject
  readonly inputs: Inputs
  readonly trigger: 'manual' | 'automatic'
}

function executeActivity(world: World, { person, message, action, inputs, trigger }: Executing): JsonObject {
  const { id, verb, data } = action
  const sent = {
    ...{ type: 'Action.Execute', ...(id !== undefined && { id }), verb: verb ?? '' },
    data: { ...(isObject(data) ? data : {}), ...inputs },
  }
  const room = roomOf(world, message.conversationId)
  return invokeOf(world, { person, room, message, name: 'adaptiveCard/action', value: { action: sent, trigger } })
}

async function execute(world: World, executing: Executing): Promise<Seen> {
  const ack = await deliver(world, { activity: executeActivity(world, executing) })
  const seen = seenIn(ack)
  if (seen.kind === 'card') world.personal.set(`${executing.message.id} ${mriOf(executing.person)}`, seen.card)
  return seen
}

/** …/universal-actions-for-adaptive-cards, "Response format" */
function seenIn({ status, body }: Ack): Seen {
  if (status !== 200 || !isObject(body ?? undefined)) return wrong(status, 'the answer is no invoke response')
  const { statusCode, type, value } = body as JsonObject
  if (typeof statusCode !== 'number') return wrong(status, 'statusCode is missing')
  switch (type) {
    case CARD_TYPE: {
      const problems = statusCode === 200 ? cardProblems(value) : [`a card with statusCode ${statusCode}`]
      return problems.length === 0 ? { kind: 'card', card: value as JsonObject } : wrong(status, problems.join('; '))
    }
    case 'application/vnd.microsoft.activity.message':
      return statusCode === 200 && typeof value === 'string'
        ? { kind: 'message', text: value }
        : wrong(status, 'a message is a text with statusCode 200')
    case 'application/vnd.microsoft.error': {
      const { code, message } = isObject(value) ? value : {}
      return { kind: 'error', status: statusCode, code: String(code), text: String(message) }
    }
    default:
      return wrong(status, `unknown type ${JSON.stringify(type)}`)
  }
}

function wrong(status: number, text: string): { kind: 'error'; status: number; code: string; text: string } {
  return { kind: 'error', status, code: 'SomethingWentWrong', text }
}

/** An Action.Submit that fetches a dialog. */
export async function openDialog(world: World, wanted: Click): Promise<SeenDialog> {
  const { person, message, action, inputs } = await found(world, wanted)
  const data = isObject(action.data) ? action.data : {}
  if (action.type !== 'Action.Submit' || !isObject(data.msteams) || data.msteams.type !== 'task/fetch') {
    throw new Error(`${wanted.action} opens no dialog`)
  }
  const room = roomOf(world, message.conversationId)
  const value = { data: { ...data, ...inputs }, context: { theme: 'default' } }
  const ack = await deliver(world, { activity: invokeOf(world, { person, room, message, name: 'task/fetch', value }) })
  return dialogIn(world, ack, { mri: mriOf(person), conversationId: room.id, messageId: message.id, command: null })
}

export interface Compose {
  readonly user: string
  readonly conversation: string
  readonly commandId: string
  readonly context?: 'compose' | 'commandBox' | 'message'
}

/** The app's compose action, chosen below the box in which one writes. */
export async function openCompose(
  world: World,
  { user, conversation, commandId, context = 'compose' }: Compose,
): Promise<SeenDialog> {
  const person = personOf(world, user)
  const room = conversation === 'personal' ? personalRoom(world, person) : roomOf(world, conversation)
  const value = { commandId, commandContext: context, context: { theme: 'default' } }
  const activity = invokeOf(world, { person, room, name: 'composeExtension/fetchTask', value })
  const command = { id: commandId, context }
  const opened = { mri: mriOf(person), conversationId: room.id, messageId: null, command }
  return dialogIn(world, await deliver(world, { activity }), opened)
}

export interface Submission {
  readonly dialogId: string
  /** The action's title; the only one by default. */
  readonly action?: string
  readonly inputs?: Inputs
}

export async function submitDialog(world: World, submission: Submission): Promise<SeenDialog> {
  const dialog = dialogById(world, submission.dialogId)
  const ack = await deliver(world, { activity: submitActivity(world, submission) })
  return dialogIn(world, ack, dialog)
}

export function submitActivity(world: World, { dialogId, action: wanted, inputs = {} }: Submission): JsonObject {
  const dialog = dialogById(world, dialogId)
  const { action, within } = actionIn(dialog.card, wanted ?? null)
  if (action.type !== 'Action.Submit') throw new Error(`a dialog submits by Action.Submit, not by ${action.type}`)
  const data = { ...(isObject(action.data) ? action.data : {}), ...filled(within, action, inputs) }
  const person = personOf(world, dialog.mri)
  const room = roomOf(world, dialog.conversationId)
  const message = dialog.messageId === null ? null : messageById(world, dialog.messageId)
  const context = { theme: 'default' }
  if (dialog.command === null) {
    return invokeOf(world, { person, room, message, name: 'task/submit', value: { data, context } })
  }
  const value = { commandId: dialog.command.id, commandContext: dialog.command.context, data, context }
  return invokeOf(world, { person, room, name: 'composeExtension/submitAction', value })
}

function dialogById(world: World, id: string): FakeDialog {
  const dialog = world.dialogs.get(id)
  if (dialog === undefined || !dialog.isOpen) throw new Error(`no dialog ${id} is open`)
  return dialog
}

/** …/task-modules/task-modules-bots, "Responds to task/fetch or task/submit" */
function dialogIn(
  world: World,
  { status, body }: Ack,
  opened: Pick<FakeDialog, 'mri' | 'conversationId' | 'messageId' | 'command'> & { readonly id?: string },
): SeenDialog {
  const before = opened.id === undefined ? undefined : world.dialogs.get(opened.id)
  if (status !== 200) return wrong(status, 'the answer is no invoke response')
  if (body === null || (isObject(body) && Object.keys(body).length === 0)) {
    if (before === undefined) return wrong(status, 'no dialog came')
    before.isOpen = false
    return { kind: 'closed' }
  }
  const task = isObject(body) ? body.task : undefined
  if (!isObject(task)) return wrong(status, 'task is missing')
  if (task.type === 'message' && typeof task.value === 'string') {
    if (before !== undefined) before.isOpen = false
    return { kind: 'message', text: task.value }
  }
  const { value } = task
  const attachment = isObject(value) ? value.card : undefined
  if (task.type !== 'continue' || !isObject(value) || !isObject(attachment) || attachment.contentType !== CARD_TYPE) {
    return wrong(status, 'the task is neither a card nor a message')
  }
  const problems = [...cardProblems(attachment.content), ...dialogProblems(value, attachment.content)]
  if (problems.length > 0) return wrong(status, problems.join('; '))
  const { mri, conversationId, messageId, command } = opened
  const dialog: FakeDialog = before ?? {
    ...{ id: randomUUID(), mri, conversationId, messageId, command, isOpen: true },
    ...{ title: '', card: {} },
  }
  Object.assign(dialog, { title: String(value.title ?? ''), card: attachment.content })
  world.dialogs.set(dialog.id, dialog)
  return { kind: 'dialog', id: dialog.id, title: dialog.title, card: dialog.card }
}

const SIZES = ['small', 'medium', 'large']

function dialogProblems(value: JsonObject, card: JsonValue | undefined): readonly string[] {
  const { title, height, width } = value
  const isSize = (size: JsonValue | undefined) =>
    size === undefined || typeof size === 'number' || SIZES.includes(String(size))
  return [
    ...(typeof title === 'string' ? [] : ['the dialog has no title']),
    ...(isSize(height) && isSize(width) ? [] : ['height and width are small, medium, large or a number of pixels']),
    // "Action.Execute isn't supported in dialogs": they submit by Action.Submit.
    ...[...everyObject(card)]
      .filter(({ type }) => type === 'Action.Execute')
      .map(() => 'a dialog has no Action.Execute'),
  ]
}

export interface Typing {
  readonly user: string
  /** Where the menu is. */
  readonly dialogId?: string
  readonly messageId?: string
  readonly inputId: string
  readonly text: string
}

/** Typing in a menu whose options the bot has: …/cards/dynamic-search */
export async function choices(world: World, typing: Typing): Promise<readonly { title: string; value: string }[]> {
  const person = personOf(world, typing.user)
  const dialog = typing.dialogId === undefined ? null : dialogById(world, typing.dialogId)
  const message = typing.messageId === undefined ? null : messageById(world, typing.messageId)
  const card =
    dialog?.card ?? (message === null ? null : await look(world, { user: typing.user, messageId: message.id }))
  const room = roomOf(world, dialog?.conversationId ?? message?.conversationId ?? '')
  const input = [...everyObject(card ?? undefined)].find(({ id }) => id === typing.inputId)
  const query = input?.['choices.data']
  if (!isObject(query) || query.type !== 'Data.Query') throw new Error(`${typing.inputId} asks for no choices`)
  const value = { queryText: typing.text, queryOptions: { skip: 0, top: 15 }, dataset: query.dataset ?? '' }
  const ack = await deliver(world, {
    activity: invokeOf(world, { person, room, message, name: 'application/search', value }),
  })
  const body = isObject(ack.body ?? undefined) ? (ack.body as JsonObject) : {}
  const results = isObject(body.value) ? body.value.results : undefined
  if (
    ack.status !== 200 ||
    body.type !== 'application/vnd.microsoft.search.searchResponse' ||
    !Array.isArray(results)
  ) {
    throw new Error(`no choices came: ${ack.status} ${JSON.stringify(ack.body)}`)
  }
  return results as { title: string; value: string }[]
}

/** Someone edits a message of theirs. */
export async function edit(world: World, { messageId, text }: { messageId: string; text: string }): Promise<Ack> {
  const message = messageById(world, messageId)
  Object.assign(message, { text, edits: message.edits + 1 })
  const room = roomOf(world, message.conversationId)
  const base = activityOf(world, { person: personOf(world, message.from), room, threadId: message.threadId })
  const channelData = { ...(base.channelData as JsonObject), eventType: 'editMessage' }
  return deliver(world, { activity: { ...base, type: 'messageUpdate', id: messageId, text, channelData } })
}

/** The action of this title, verb or dialog, and everything whose inputs travel with it: a ShowCard's card, and the whole. */
function actionIn(card: JsonObject, wanted: string | null): { action: JsonObject; within: readonly JsonObject[] } {
  const all = [...actionsOf(card, [card])]
  const isWanted = ({ action }: { action: JsonObject }) => {
    const dialog = isObject(action.data) ? action.data.dialog : undefined
    return [action.title, action.verb, dialog].includes(wanted as string)
  }
  const fitting = wanted === null ? all.filter(({ action }) => action.type === 'Action.Submit') : all.filter(isWanted)
  const [first, ...more] = fitting
  if (first === undefined || (wanted === null && more.length > 0)) {
    const titles = all.map(({ action }) => action.title ?? action.verb).join(', ')
    throw new Error(`${fitting.length} actions fit ${wanted ?? 'submit'}; there are ${titles}`)
  }
  if (first.action.isEnabled === false) throw new Error(`${wanted} can't be clicked`)
  return first
}

function* actionsOf(
  value: JsonValue | undefined,
  within: readonly JsonObject[],
): Generator<{ action: JsonObject; within: readonly JsonObject[] }> {
  if (Array.isArray(value)) for (const one of value) yield* actionsOf(one, within)
  if (!isObject(value)) return
  if (typeof value.type === 'string' && value.type.startsWith('Action.')) yield { action: value, within }
  for (const [name, child] of Object.entries(value)) {
    if (name === 'data' || name === 'msteams' || name === 'refresh') continue
    yield* actionsOf(child, name === 'card' && isObject(child) ? [...within, child] : within)
  }
}

/** Every input of the card, with what it holds where nobody typed; those of a ShowCard only with its own actions. */
function filled(within: readonly JsonObject[], action: JsonObject, typed: Inputs): Record<string, string> {
  const inputs = within.flatMap((card) => [...inputsOf(card, true)])
  const known = new Set(inputs.map(({ id }) => id))
  for (const name of Object.keys(typed)) if (!known.has(name)) throw new Error(`the card has no input ${name}`)
  if (action.associatedInputs === 'none') return {}
  const values: Record<string, string> = {}
  for (const input of inputs) {
    const id = String(input.id)
    const value = typed[id] ?? defaultOf(input)
    if (input.isRequired === true && (value ?? '') === '') throw new Error(`${id} must be filled in`)
    if (typeof input.maxLength === 'number' && (value ?? '').length > input.maxLength)
      throw new Error(`${id} is too long`)
    if (value !== undefined) values[id] = value
  }
  return values
}

function* inputsOf(value: JsonValue | undefined, isTop: boolean): Generator<JsonObject> {
  if (Array.isArray(value)) for (const one of value) yield* inputsOf(one, false)
  if (!isObject(value) || (!isTop && value.type === 'AdaptiveCard')) return
  if (typeof value.type === 'string' && value.type.startsWith('Input.')) yield value
  for (const [name, child] of Object.entries(value)) if (name !== 'data') yield* inputsOf(child, false)
}

function defaultOf({ type, value, valueOff }: JsonObject): string | undefined {
  if (type === 'Input.Toggle') return String(value ?? valueOff ?? 'false')
  return value === undefined ? undefined : String(value)
}
