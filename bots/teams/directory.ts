/**
 * People and groups as Entra and Teams know them. Members of people.groups name groups by id, because a name can be given
 * to another:
 *
 *   entra:group:<guid>                    whoever is in the group, also by way of another; asked of Microsoft Graph
 *   teams:team:19:…@thread.tacv2          the members of a team, as its first channel's id names it
 *   teams:channel:19:…                    those of a private or shared channel, or of a group chat
 *
 * The last two need no Graph: the bot asks for the members where it is installed. Guests and others who may not review
 * are refused there as everywhere (people.ts). Whoever reviews elsewhere, in Slack for instance, is found by their verified
 * e-mail address, where exactly one person has it.
 *
 * Whether somebody still may is asked of Graph. Without it, of the conversations that the bot is in: who is a member of
 * none of them any more has left. The connector doesn't say that an account is disabled.
 */
import type { TeamsSettings } from '../../src/config/settings.ts'
import { LookUps } from '../../src/people/look-ups.ts'
import { addressesOf, type Reviewer } from '../../src/people/reviewer.ts'
import type { Clock, Conversations, Examined, GroupSource, Log, LookUpLimits, PersonSource } from '../../src/ports.ts'
import { errorName } from '../chat/error-name.ts'
import { GROUP_MEMBERS_MAX, GROUPS_CACHED_MAX, REVIEWERS_CACHED_MAX } from '../chat/limits.ts'
import { PUBLIC_CLOUD } from './endpoints.ts'
import { createEntra, type Entra } from './entra.ts'
import { createGraph } from './graph.ts'
import { type GraphUser, judgeMember, judgeUser, type Ours, reviewerOf, withAddresses } from './people.ts'
import { createRooms } from './rooms.ts'
import type { TeamsMember, Transport } from './transport.ts'

const ENTRA = 'entra:group:'
const ROSTER = /^teams:(?:team|channel):(.+)$/
/** Each person in each group that is asked about. */
const MEMBERSHIPS_CACHED_MAX = 5_000
/** Rooms of the policy that are asked whether somebody is still there. */
const ROOMS_ASKED_MAX = 10

export interface TeamsDirectoryOptions {
  readonly settings: Pick<TeamsSettings, 'tenantId' | 'email' | 'approvals' | 'graph' | 'endpoints'>
  readonly transport: Pick<Transport, 'member' | 'members' | 'token'>
  readonly conversations: Conversations
  /** Ids of the conversations that the policy names. */
  readonly rooms: readonly string[]
  readonly clock: Clock
  readonly log: Log
}

export interface TeamsDirectory {
  readonly groups: GroupSource
  readonly persons: PersonSource
}

/** Null where the settings don't let the app ask Graph. */
export function openEntra({
  settings,
  transport,
  clock,
}: Pick<TeamsDirectoryOptions, 'settings' | 'transport' | 'clock'>): Entra | null {
  if (!settings.graph) return null
  const { graph: origin } = settings.endpoints ?? PUBLIC_CLOUD
  return createEntra(createGraph({ origin, token: transport.token, clock }))
}

export function createTeamsDirectory(options: TeamsDirectoryOptions): TeamsDirectory {
  const known = lookUpsOf(options)

  /** For whoever reads the log: the person who clicked hears no more than that nobody could tell. */
  function failed(what: string, about: string, error: unknown): never {
    options.log.error(what, { channel: 'teams', about, error: errorName(error) })
    throw error
  }

  return {
    groups: {
      knows: (member) => member.startsWith(ENTRA) || ROSTER.test(member),
      async isMember(reviewer, member, limits) {
        try {
          return await isMember(options, known, reviewer, member, askerOf(limits))
        } catch (error) {
          return failed('teams did not say who is in a group', member, error)
        }
      },
      examine: (member) => examine(options, known, member),
    },
    persons: {
      knows: ({ id }) => id.startsWith('teams:'),
      async current(reviewer, limits) {
        try {
          return await current(options, known, reviewer, askerOf(limits))
        } catch (error) {
          return failed('teams did not say who may still review', reviewer.id, error)
        }
      },
    },
  }
}

interface Asker {
  readonly maxAgeMs: number
  readonly patience: AbortSignal
}

const askerOf = ({ maxAgeMs, patienceMs }: LookUpLimits): Asker => ({
  maxAgeMs,
  patience: AbortSignal.timeout(patienceMs),
})

type Known = ReturnType<typeof lookUpsOf>

function lookUpsOf(options: TeamsDirectoryOptions) {
  const { transport, clock } = options
  const entra = openEntra(options)
  const rooms = createRooms(options)
  const asked = <Answer>(ask: (entra: Entra, key: string) => Promise<Answer>, max: number) =>
    new LookUps({ ask: (key) => (entra === null ? Promise.reject(fault('no_graph')) : ask(entra, key)), max, clock })
  return {
    users: asked((entra, oid) => entra.user(oid), REVIEWERS_CACHED_MAX),
    usersByAddress: asked((entra, address) => entra.userByAddress(address), REVIEWERS_CACHED_MAX),
    memberships: asked((entra, key) => {
      const [oid = '', group = ''] = key.split(' ')
      return entra.isInGroup(oid, group)
    }, MEMBERSHIPS_CACHED_MAX),
    group: (group: string) => (entra === null ? Promise.reject(fault('no_graph')) : entra.group(group)),
    rosters: new LookUps({
      ask: async (id) => transport.members(await rooms.named(id), GROUP_MEMBERS_MAX),
      max: GROUPS_CACHED_MAX,
      clock,
    }),
    /** By `<conversation> <object id>`. */
    members: new LookUps({
      ask: async (key) => {
        const [id = '', oid = ''] = key.split(' ')
        return transport.member(await rooms.named(id), oid)
      },
      max: REVIEWERS_CACHED_MAX,
      clock,
    }),
  }
}

function fault(code: keyof typeof CURES): Error {
  return Object.assign(new Error(`Teams: ${code}`), { code })
}

/** `teams:<tenant>:<object id>`, where it is of this tenant. */
function oidOf({ id }: Reviewer, { settings }: TeamsDirectoryOptions): string | null {
  const [, tenant, oid] = /^teams:([^:]+):([^:]+)$/.exec(id) ?? []
  return tenant === settings.tenantId ? (oid ?? null) : null
}

// ---- groups

async function isMember(
  options: TeamsDirectoryOptions,
  known: Known,
  reviewer: Reviewer,
  member: string,
  asker: Asker,
): Promise<boolean> {
  const own = oidOf(reviewer, options)
  const room = ROSTER.exec(member)?.[1]
  if (room !== undefined) return isListed(await known.rosters.get(room, asker), reviewer, own, options)
  const oid = own ?? (await oidByAddress(options, known, reviewer, asker))
  return oid !== null && known.memberships.get(`${oid} ${member.slice(ENTRA.length).toLowerCase()}`, asker)
}

async function oidByAddress(
  { settings }: TeamsDirectoryOptions,
  known: Known,
  { id, email }: Reviewer,
  asker: Asker,
): Promise<string | null> {
  // Of another tenant, an address says nothing about ours.
  if (email === null || id.startsWith('teams:')) return null
  return memberOf(await known.usersByAddress.get(email.toLowerCase(), asker), settings)
}

const memberOf = (user: GraphUser | null, ours: Ours): string | null =>
  user !== null && judgeUser(user, user.id, ours).ok ? user.id : null

/** The object id of the one full member who has this address; null: nobody, or Graph may not be asked. */
export async function oidByEmail(entra: Entra | null, email: string, ours: Ours): Promise<string | null> {
  return entra === null ? null : memberOf(await entra.userByAddress(email), ours)
}

function isListed(
  roster: readonly TeamsMember[],
  { id, email }: Reviewer,
  own: string | null,
  { settings }: TeamsDirectoryOptions,
): boolean {
  const people = roster.flatMap((member) => reviewerOf(member, settings) ?? [])
  if (own !== null) return people.some((person) => person.id === id)
  if (email === null || id.startsWith('teams:')) return false
  return people.filter((person) => addressesOf(person).includes(email.toLowerCase())).length === 1
}

// ---- people

async function current(
  options: TeamsDirectoryOptions,
  known: Known,
  reviewer: Reviewer,
  asker: Asker,
): Promise<Reviewer | null> {
  const { settings } = options
  const oid = oidOf(reviewer, options)
  if (oid === null) return null
  const who = settings.graph
    ? judgeUser(await known.users.get(oid, asker), oid, settings)
    : await whoIsThere(options, known, oid, asker)
  // With another address it may be somebody else's account by now, or turn out to be the agent's owner.
  if (who === null || !who.ok || who.reviewer.email !== reviewer.email) return null
  // What they were known by at the click counts on: it only keeps them from more.
  return withAddresses(who.reviewer, reviewer.otherAddresses ?? [])
}

/** Where the bot is: the first that has them tells. Null: none has; rejects where none could tell. */
async function whoIsThere(
  { settings, rooms, conversations }: TeamsDirectoryOptions,
  known: Known,
  oid: string,
  asker: Asker,
): Promise<ReturnType<typeof judgeMember> | null> {
  const talk = await conversations.withPerson(settings.tenantId, oid)
  const places = [...new Set([settings.approvals, ...(talk === null ? [] : [talk.id]), ...rooms])]
  const asked = await Promise.allSettled(
    places.slice(0, ROOMS_ASKED_MAX).map((id) => known.members.get(`${id} ${oid}`, asker)),
  )
  for (const answer of asked) {
    if (answer.status !== 'fulfilled' || answer.value === null) continue
    return answer.value.oid.toLowerCase() === oid ? judgeMember(answer.value, settings) : null
  }
  const failure = asked.find((answer) => answer.status === 'rejected')
  if (failure !== undefined) throw failure.reason
  return null
}

// ---- doctor

async function examine({ settings }: TeamsDirectoryOptions, known: Known, member: string): Promise<Examined> {
  const asker = { maxAgeMs: 0, patience: AbortSignal.timeout(EXAMINE_WITHIN_MS) }
  const room = ROSTER.exec(member)?.[1]
  try {
    if (room === undefined) {
      await known.group(member.slice(ENTRA.length))
      return { ok: true, detail: 'is a group of Entra that the app may ask about', cure: null }
    }
    const roster = await known.rosters.get(room, asker)
    const count = roster.filter((one) => reviewerOf(one, settings) !== null).length
    return { ok: true, detail: count === 1 ? '1 person who may review' : `${count} people who may review`, cure: null }
  } catch (error) {
    const code = errorName(error)
    return { ok: false, detail: `cannot be looked up: ${code}`, cure: cureOf(code) }
  }
}

const EXAMINE_WITHIN_MS = 30_000

const CURES = {
  no_graph: 'Set channels.teams.graph: true, and let an administrator consent to the app’s permissions.',
  no_token: 'Mend first what the lines about Teams say of the app’s token.',
  unreachable: 'Let this machine reach graph.microsoft.com over https.',
  ForbiddenOperationException: 'Add the app to that team or chat.',
  Authorization_RequestDenied:
    'Add the application permissions User.Read.All and GroupMember.Read.All of Microsoft Graph, and grant admin consent.',
  Request_ResourceNotFound: 'Copy the group’s Object ID from its overview in Entra.',
  BotNotInConversationRoster: 'Add the app to that team or chat.',
} as const

export function cureOf(code: string): string {
  const known: Readonly<Record<string, string>> = CURES
  return known[code] ?? 'Run this again in a minute; if it stays, look the word up at learn.microsoft.com.'
}
