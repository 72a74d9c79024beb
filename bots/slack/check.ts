/**
 * What `countersign doctor` says about Slack: one line each, with the cure where it fails. It asks only what changes
 * nothing. What Slack can't be asked, whether the signing secret is this app's and whether Slack reaches the gateway, is
 * looked at from here, and the line says how to tell that it is wrong.
 */
import type { webApi } from '@slack/bolt'
import type { SlackWorkspaceSettings } from '../../src/config/settings.ts'
import { placeIn } from '../../src/policy/place.ts'
import { ChannelBusy, type Clock, type Log } from '../../src/ports.ts'
import type { Secret } from '../../src/secret.ts'
import { API_TIMEOUT_MS, ROOMS_CHECKED_MAX, SIGNATURE_SKEW_MAX_MS } from './limits.ts'
import { BOT_SCOPES, SLASH_COMMANDS } from './scopes.ts'
import { asChannelError, createWeb, cureOf, platformError, type SlackWeb } from './web.ts'

export interface CheckLine {
  readonly ok: boolean
  readonly what: string
  readonly cure: string | null
}

export interface SlackToCheck {
  readonly botToken: Secret
  readonly signingSecret: Secret | null
  readonly appToken: Secret | null
  readonly apiUrl?: string | undefined
  /** Ids of the channels for cards and for summaries. */
  readonly approvals: string
  readonly summaries: string
  /** Further ones, by their names. */
  readonly workspaces: ReadonlyMap<string, SlackWorkspaceSettings>
  readonly clock: Clock
  readonly log: Log
}

interface Workspace extends SlackWorkspaceSettings {
  /** Null: the one of channels.slack itself. */
  readonly name: string | null
  /** Where the settings have it. */
  readonly settings: string
}

function workspacesOf({ workspaces, botToken, approvals, summaries }: SlackToCheck): readonly Workspace[] {
  const named = [...workspaces].map(([name, item]) => ({
    ...item,
    name,
    settings: `channels.slack.workspaces.${name}`,
  }))
  return [{ name: null, settings: 'channels.slack', botToken, approvals, summaries }, ...named]
}

export interface CheckSurroundings {
  /** Where Slack sends events to over HTTP. */
  readonly eventsUrl: string
  /** Rooms that the policy names, of whatever channel: `slack:C0123`. */
  readonly rooms: readonly string[]
}

export async function checkSlack(slack: SlackToCheck, { eventsUrl, rooms }: CheckSurroundings): Promise<CheckLine[]> {
  const { signingSecret, appToken, clock } = slack
  const heard: { skewMs: number | null } = { skewMs: null }
  const noteSkew = (skewMs: number) => {
    heard.skewMs = skewMs
  }
  const webWith = (token: Secret) =>
    createWeb({ ...slack, apiUrl: slack.apiUrl, token, timeoutMs: API_TIMEOUT_MS, fetch: timedFetch(clock, noteSkew) })
  const checked: Checked[] = []
  for (const workspace of workspacesOf(slack)) {
    checked.push(await checkWorkspace(webWith(workspace.botToken), workspace, roomsOf(workspace, rooms)))
  }
  const lines = [...checked.flatMap((each) => linesOf(each, checked)), ...checkTeams(checked)]
  if (appToken !== null) lines.push(await checkAppToken(webWith(appToken)))
  else if (signingSecret !== null) lines.push(checkSigningSecret(signingSecret), checkEventsUrl(eventsUrl))
  return heard.skewMs === null ? lines : [...lines, skewLine(heard.skewMs)]
}

interface Checked {
  readonly workspace: Workspace
  /** Null: not known. */
  readonly team: string | null
  readonly lines: readonly CheckLine[]
}

async function checkWorkspace(web: SlackWeb, workspace: Workspace, rooms: readonly Room[]): Promise<Checked> {
  const { settings } = workspace
  try {
    const answer = await web.auth.test()
    const granted = new Set(answer.response_metadata?.scopes ?? [])
    const accepted =
      answer.bot_id === undefined ? noBot(settings) : passed(`Slack accepts the bot token in ${teamIn(answer)}`)
    const scopes = Object.entries(BOT_SCOPES).map(([scope, why]) => scopeLine(scope, why, granted.has(scope)))
    const lines = [accepted, ...scopes, ...(await checkRooms(web, rooms))]
    return { workspace, team: answer.team_id ?? null, lines }
  } catch (error) {
    return { workspace, team: null, lines: [failed('Slack accepts the bot token', 'auth.test', error, settings)] }
  }
}

/** Of several workspaces each line names its own. */
function linesOf({ workspace, lines }: Checked, all: readonly Checked[]): readonly CheckLine[] {
  if (all.length === 1) return lines
  const place = workspace.name === null ? 'slack' : `slack/${workspace.name}`
  return lines.map((line) => ({ ...line, what: `${place}: ${line.what}` }))
}

/** Two tokens of one team: what comes from it would be answered by either, and a card for both would ask twice. */
function checkTeams(checked: readonly Checked[]): CheckLine[] {
  return checked.flatMap(({ workspace, team }, at) => {
    const first = checked.slice(0, at).find((other) => team !== null && other.team === team)
    if (first === undefined) return []
    const what = `${first.workspace.settings} and ${workspace.settings} are one workspace, ${team}`
    return [problem(what, `Remove ${workspace.settings}, or set the bot token of the workspace that it is meant for.`)]
  })
}

/** With a person's token everything would be posted in that person's name, and nothing would be known as ours. */
function noBot(settings: string): CheckLine {
  return problem(
    'Slack accepts the token, but it is a person’s and not the app’s',
    `Set ${settings}.botToken to the Bot User OAuth Token (xoxb-…) under OAuth & Permissions.`,
  )
}

function teamIn({ team, team_id: id }: webApi.AuthTestResponse): string {
  return team === undefined ? `workspace ${id ?? '?'}` : `the workspace ${team} (${id ?? '?'})`
}

function scopeLine(scope: string, why: string, ok: boolean): CheckLine {
  const cure = `Add ${scope} under OAuth & Permissions (see manifests/slack/manifest.json) and reinstall the app.`
  return { ok, what: `Slack scope ${scope}: ${why}`, cure: ok ? null : cure }
}

async function checkAppToken(appWeb: SlackWeb): Promise<CheckLine> {
  const what = 'Slack opens Socket Mode with the app token'
  try {
    await appWeb.apps.connections.open({})
    return passed(what)
  } catch (error) {
    return failed(what, 'apps.connections.open', error)
  }
}

// ---- Conversations

interface Room {
  readonly id: string
  /** What comes there. */
  readonly what: string
  /** Where its id stands. */
  readonly setBy: string
}

/** Each conversation once. */
function roomsOf(workspace: Workspace, named: readonly string[]): readonly Room[] {
  const { name, settings, approvals, summaries } = workspace
  const ofPolicy = named.map(placeIn).filter((place) => place?.channel === 'slack' && place.workspace === name)
  const all = [
    { id: approvals, what: 'cards', setBy: `${settings}.approvals` },
    ...(summaries === null ? [] : [{ id: summaries, what: 'summaries', setBy: `${settings}.summaries` }]),
    ...ofPolicy.map((place) => ({ id: place?.room ?? approvals, what: 'cards', setBy: 'the policy file' })),
  ]
  const byId = new Map<string, Room>()
  for (const room of all) {
    const known = byId.get(room.id)
    if (known === undefined) byId.set(room.id, room)
    else if (!known.what.includes(room.what)) byId.set(room.id, { ...known, what: `${known.what} and ${room.what}` })
  }
  return [...byId.values()]
}

async function checkRooms(web: SlackWeb, rooms: readonly Room[]): Promise<CheckLine[]> {
  const lines: CheckLine[] = []
  for (const room of rooms.slice(0, ROOMS_CHECKED_MAX)) lines.push(await checkRoom(web, room))
  const more = rooms.length - ROOMS_CHECKED_MAX
  return more > 0 ? [...lines, passed(`${more} more rooms of the policy were not asked about`)] : lines
}

/** docs.slack.dev/reference/methods/conversations.info */
async function checkRoom(web: SlackWeb, room: Room): Promise<CheckLine> {
  const { id, what, setBy } = room
  try {
    const { channel } = await web.conversations.info({ channel: id })
    const name = channel?.name === undefined ? id : `#${channel.name} (${id})`
    if (channel?.is_archived === true) {
      return problem(`${name}, for ${what}, is archived`, `Name another in ${setBy}, or bring it back.`)
    }
    if (channel?.is_member !== true) {
      return problem(`the app is not in ${name}, for ${what}`, 'Invite it, there: /invite @Countersign.')
    }
    const shared = channel.is_ext_shared === true ? '; people of other companies read along there' : ''
    return passed(`the app is in ${name}, for ${what}${shared}`)
  } catch (error) {
    if (platformError(error) !== 'channel_not_found') return failed(`the app is in ${id}`, 'conversations.info', error)
    const cure = `Correct the id (C…) in ${setBy}. Is the channel private, invite the app there: /invite @Countersign.`
    return problem(`Slack shows the app no channel ${id}, for ${what}`, cure)
  }
}

// ---- HTTP

/** As the app's page under Basic Information shows it. */
const SIGNING_SECRET = /^[0-9a-f]{32}$/

function checkSigningSecret(secret: Secret): CheckLine {
  if (!SIGNING_SECRET.test(secret.reveal())) {
    const cure =
      'Copy it from Basic Information → App Credentials → Signing Secret; it is neither a token nor the client secret.'
    return problem('channels.slack.signingSecret is not of 32 hexadecimal digits', cure)
  }
  const wrong = 'each request is refused with 401, and the log says "Request verification failed"'
  return passed(`the signing secret looks like one. Nobody can ask Slack whether it is this app’s: if not, ${wrong}`)
}

function checkEventsUrl(url: string): CheckLine {
  const { protocol, hostname } = new URL(url)
  if (protocol !== 'https:' || LOOPBACK.test(hostname)) {
    const cure =
      'Name the https address that the internet knows in gateway.publicUrl, or use Socket Mode: set appToken.'
    return problem(`Slack cannot send to ${url}`, cure)
  }
  const commands = Object.keys(SLASH_COMMANDS).join(', ')
  const wanted = `as Request URL of Event Subscriptions, Interactivity and ${commands}, and as Options Load URL`
  return passed(`the app’s settings in Slack must name ${url} ${wanted}; Slack tells there whether it answers`)
}

const LOOPBACK = /^(localhost|.*\.localhost|127(\.\d+){3}|\[::1\]|0\.0\.0\.0)$/

// ---- The clock

/**
 * How far ours is from Slack's at the least: the Date header has whole seconds, and the answer took its time. Negative:
 * ours is behind.
 */
function timedFetch(clock: Clock, noteSkew: (skewMs: number) => void): webApi.FetchFunction {
  return async (url, init) => {
    const sentAt = clock.now()
    const response = await fetch(url, init)
    const theirs = Date.parse(response.headers.get('date') ?? '')
    if (!Number.isNaN(theirs)) {
      const ahead = Math.max(0, sentAt - (theirs + 999))
      noteSkew(ahead > 0 ? ahead : Math.min(0, clock.now() - theirs))
    }
    return response
  }
}

function skewLine(skewMs: number): CheckLine {
  if (Math.abs(skewMs) <= SIGNATURE_SKEW_MAX_MS) return passed('this machine’s clock agrees with Slack’s')
  const what = `this machine’s clock is ${Math.round(Math.abs(skewMs) / 1000)} s ${skewMs > 0 ? 'ahead of' : 'behind'} Slack’s`
  const cure =
    'Let it be set by the network (timedatectl set-ntp true): requests whose signature seems old or of the future are refused, and deadlines on cards are wrong.'
  return problem(what, cure)
}

// ---- Lines

function passed(what: string): CheckLine {
  return { ok: true, what, cure: null }
}

function problem(what: string, cure: string): CheckLine {
  return { ok: false, what, cure }
}

function failed(what: string, method: string, error: unknown, settings = 'channels.slack'): CheckLine {
  const code = platformError(error)
  if (code === null) {
    if (asChannelError(method, error) instanceof ChannelBusy) {
      return problem(`${what}: Slack asks to wait`, 'Run this again in a minute.')
    }
    return problem(`${what}: Slack could not be reached for ${method}`, 'Let this machine reach slack.com over https.')
  }
  const app = method === 'apps.connections.open'
  const cure = app
    ? 'Turn Socket Mode on and make an app-level token with connections:write for channels.slack.appToken.'
    : cureOf(code, settings)
  return problem(`${what}: ${code}`, cure)
}
