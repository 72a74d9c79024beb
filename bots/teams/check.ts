/**
 * What `countersign doctor` says about Teams: one line each, with the cure where it fails. It asks only what changes
 * nothing. What Microsoft can't be asked, whether the bot's messaging endpoint is this gateway, is said.
 */
import type { TeamsSettings } from '../../src/config/settings.ts'
import { placeIn } from '../../src/policy/place.ts'
import { ChannelBusy, type Clock, type Conversations, type Log } from '../../src/ports.ts'
import { errorName } from '../chat/error-name.ts'
import { mriOf } from './checks.ts'
import { cureOf } from './directory.ts'
import { PUBLIC_CLOUD } from './endpoints.ts'
import { PEOPLE_PERMISSIONS } from './entra.ts'
import { MESSAGES_PATH } from './inbound.ts'
import { createRooms } from './rooms.ts'
import type { Transport } from './transport.ts'

export interface CheckLine {
  readonly ok: boolean
  readonly what: string
  readonly cure: string | null
}

export interface TeamsToCheck {
  readonly settings: TeamsSettings
  readonly transport: Pick<Transport, 'token' | 'member'>
  readonly conversations: Conversations
  readonly clock: Clock
  readonly log: Log
}

export interface CheckSurroundings {
  readonly publicUrl: string
  /** Rooms that the policy names, of whatever channel. */
  readonly rooms: readonly string[]
}

/** What `doctor` asks of the conversations that a policy names. */
const ROOMS_CHECKED_MAX = 20
const METADATA_TIMEOUT_MS = 5_000

export async function checkTeams(teams: TeamsToCheck, { publicUrl, rooms }: CheckSurroundings): Promise<CheckLine[]> {
  const { settings } = teams
  const lines = [checkEndpoint(publicUrl), await checkMetadata(settings)]
  const token = await checkToken(teams)
  lines.push(token)
  if (!token.ok) return lines
  if (settings.graph) lines.push(...(await checkGraph(teams)))
  for (const room of roomsOf(settings, rooms)) lines.push(await checkRoom(teams, room))
  return lines
}

// ---- the app

/** learn.microsoft.com/entra/identity-platform/reference-error-codes */
const TOKEN_CURES: Readonly<Record<string, string>> = {
  '7000215': 'Copy a client secret’s value, not its ID, from Certificates & secrets to channels.teams.appPassword.',
  '7000222':
    'The client secret has expired: create another under Certificates & secrets for channels.teams.appPassword.',
  '700016': 'Check channels.teams.appId and tenantId: this tenant has no such app registration.',
  '90002': 'Check channels.teams.tenantId: it is the Directory (tenant) ID of the app registration’s overview.',
  '500011': 'Check channels.teams.endpoints.scope: this cloud has no such resource.',
}

async function checkToken({ settings, transport }: TeamsToCheck): Promise<CheckLine> {
  const what = 'Entra gives the app a token for the Bot Connector'
  try {
    await transport.token((settings.endpoints ?? PUBLIC_CLOUD).scope)
    return passed(what)
  } catch (error) {
    const code = entraCodeIn(error)
    if (code !== null) {
      const cure = TOKEN_CURES[code] ?? `See https://login.microsoftonline.com/error?code=${code}.`
      return problem(`${what}: AADSTS${code}`, cure)
    }
    const cure =
      settings.appType === 'UserAssignedMSI'
        ? 'Run this where the managed identity of channels.teams.appId is assigned: on Azure alone.'
        : `Let this machine reach ${new URL((settings.endpoints ?? PUBLIC_CLOUD).login).origin}.`
    return problem(`${what}: ${errorName(error)}`, cure)
  }
}

/** Libraries wrap what Entra said, at most a few deep. */
function entraCodeIn(error: unknown, depth = 0): string | null {
  if (!(error instanceof Error) || depth > 4) return null
  const own = 'code' in error ? `${String(error.code)} ${error.message}` : error.message
  return /AADSTS(\d{4,8})/.exec(own)?.[1] ?? entraCodeIn(error.cause, depth + 1)
}

async function checkMetadata({ endpoints }: TeamsSettings): Promise<CheckLine> {
  const { openIdMetadata, issuer } = endpoints ?? PUBLIC_CLOUD
  const what = 'the Bot Connector’s signing keys are named'
  try {
    const signal = AbortSignal.timeout(METADATA_TIMEOUT_MS)
    const response = await fetch(openIdMetadata, { redirect: 'error', signal })
    const metadata: unknown = await response.json()
    const named = typeof metadata === 'object' && metadata !== null && 'issuer' in metadata ? metadata.issuer : null
    if (response.ok && named === issuer) return passed(what)
    return problem(
      `${what} by another issuer`,
      'Check channels.teams.endpoints: openIdMetadata and issuer are of one cloud.',
    )
  } catch {
    return problem(
      `${what}: they cannot be read`,
      `Let this machine reach ${new URL(openIdMetadata).origin} over https.`,
    )
  }
}

const LOOPBACK = /^(localhost|.*\.localhost|127(\.\d+){3}|\[::1\]|0\.0\.0\.0)$/

function checkEndpoint(publicUrl: string): CheckLine {
  const url = `${publicUrl}${MESSAGES_PATH}`
  const { protocol, hostname } = new URL(url)
  if (protocol === 'https:' && !LOOPBACK.test(hostname)) {
    return passed(
      `the bot’s messaging endpoint must be ${url}; nobody but Azure’s page of the bot can tell whether it is`,
    )
  }
  return problem(`Teams cannot send to ${url}`, 'Name the https address that the internet knows in gateway.publicUrl.')
}

// ---- Graph

/** learn.microsoft.com/entra/identity-platform/access-token-claims-reference: `roles` are what was consented to. */
async function checkGraph({ settings, transport }: TeamsToCheck): Promise<CheckLine[]> {
  const { graph } = settings.endpoints ?? PUBLIC_CLOUD
  try {
    const roles = rolesIn(await transport.token(`${graph}/.default`))
    if (roles === null) return []
    return Object.entries(PEOPLE_PERMISSIONS).map(([permission, why]) => {
      const ok = roles.includes(permission)
      const cure = `Add the application permission ${permission} of Microsoft Graph to the app, and grant admin consent.`
      return { ok, what: `Graph permission ${permission}: ${why}`, cure: ok ? null : cure }
    })
  } catch (error) {
    return [
      problem(`Entra gives the app a token for Graph: ${errorName(error)}`, cureOf('Authorization_RequestDenied')),
    ]
  }
}

/** Our own token, of which nothing is believed but what is told to whoever runs this. Null: it can't be read. */
function rolesIn(token: string): readonly string[] | null {
  try {
    const claims: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'))
    const roles = typeof claims === 'object' && claims !== null && 'roles' in claims ? claims.roles : []
    return Array.isArray(roles) ? roles.filter((role) => typeof role === 'string') : []
  } catch {
    return null
  }
}

// ---- conversations

interface Room {
  readonly id: string
  readonly setBy: string
}

/** Each once. */
function roomsOf({ approvals, summaries }: TeamsSettings, rooms: readonly string[]): readonly Room[] {
  const ofPolicy = rooms.map(placeIn).flatMap((place) => (place?.channel === 'teams' ? (place.room ?? []) : []))
  const all = [
    { id: approvals, setBy: 'channels.teams.approvals' },
    { id: summaries, setBy: 'channels.teams.summaries' },
    ...ofPolicy.slice(0, ROOMS_CHECKED_MAX).map((id) => ({ id, setBy: 'the policy file' })),
  ]
  return all.filter(({ id }, at) => all.findIndex((other) => other.id === id) === at)
}

/** The bot asks for itself: whether there is such a member is no matter, whether it may ask is. */
async function checkRoom({ settings, transport, conversations, log }: TeamsToCheck, room: Room): Promise<CheckLine> {
  const { id, setBy } = room
  try {
    const conversation = await createRooms({ settings, conversations, log }).named(id)
    await transport.member(conversation, mriOf(settings.appId))
    return passed(`the app is in ${id}, of ${setBy}`)
  } catch (error) {
    if (error instanceof ChannelBusy)
      return passed(`whether the app is in ${id} is not known before Teams has told of it`)
    const cure = `Install the app in its team or chat, or correct the id in ${setBy}.`
    return problem(`the app is not in ${id}, of ${setBy}: ${errorName(error)}`, cure)
  }
}

// ---- lines

function passed(what: string): CheckLine {
  return { ok: true, what, cure: null }
}

function problem(what: string, cure: string): CheckLine {
  return { ok: false, what, cure }
}
