/**
 * People and groups as the workspace knows them: whether somebody still is a full member, and who is in a user group or
 * a channel. Members of people.groups name those by id, because a handle or a channel's name can be given to another:
 *
 *   slack:usergroup:S012AB   slack:channel:C0123   of the workspace of channels.slack
 *   slack/acme:…                                   of the one that the settings call acme
 *
 * Membership counts by Slack's id of a person. Whoever reviews elsewhere, in the console for instance, is found by their
 * verified e-mail address. A channel has guests, bots and people of other workspaces in it: they are refused as
 * everywhere (reviewers.ts), so being in one makes nobody a reviewer who could not be one.
 */
import { LookUps } from '../../src/people/look-ups.ts'
import type { Reviewer } from '../../src/people/reviewer.ts'
import type { Examined, GroupSource, LookUpLimits, PersonSource } from '../../src/ports.ts'
import { GROUPS_CACHED_MAX, REVIEWERS_CACHED_MAX } from '../chat/limits.ts'
import { errorName } from './log.ts'
import { judge } from './reviewers.ts'
import { openWorkspace, type Workspace, type WorkspaceOptions } from './workspace.ts'

export interface SlackDirectoryOptions extends WorkspaceOptions {
  /** Its name in the settings; null: the one of `slack:…`. */
  readonly workspace: string | null
}

export interface SlackDirectory {
  readonly groups: GroupSource
  readonly persons: PersonSource
}

export function createSlackDirectory(options: SlackDirectoryOptions): SlackDirectory {
  const workspace = openWorkspace(options)
  const prefix = options.workspace === null ? 'slack:' : `slack/${options.workspace}:`
  const known = lookUpsOf(workspace, prefix, options)

  /** For whoever reads the log: the person who clicked hears no more than that nobody could tell. */
  function failed(what: string, about: string, error: unknown): never {
    options.log.error(what, { channel: 'slack', about, error: errorName(error) })
    throw error
  }

  return {
    groups: {
      knows: (member) => member.startsWith(prefix),
      async isMember(reviewer, member, limits) {
        const asker = askerOf(limits)
        try {
          const [id, members] = await Promise.all([idHere(known, reviewer, asker), known.groups.get(member, asker)])
          return id !== null && members.has(id)
        } catch (error) {
          return failed('slack did not say who is in a group', member, error)
        }
      },
      async examine(member) {
        try {
          const { size } = await membersOf(workspace, member.slice(prefix.length))
          return { ok: true, detail: size === 1 ? '1 person' : `${size} people`, cure: null }
        } catch (error) {
          return examined(error)
        }
      },
    },
    persons: {
      knows: (reviewer) => ownIdOf(reviewer) !== null,
      async current(reviewer, limits) {
        try {
          return await current(known, reviewer, askerOf(limits))
        } catch (error) {
          return failed('slack did not say who may still review', reviewer.id, error)
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

function lookUpsOf(workspace: Workspace, prefix: string, { clock }: SlackDirectoryOptions) {
  return {
    team: new LookUps({ ask: () => workspace.team(), max: 1, clock }),
    groups: new LookUps({
      ask: (member) => membersOf(workspace, member.slice(prefix.length)),
      max: GROUPS_CACHED_MAX,
      clock,
    }),
    users: new LookUps({ ask: (id) => workspace.user(id), max: REVIEWERS_CACHED_MAX, clock }),
    usersByEmail: new LookUps({ ask: (email) => workspace.userByEmail(email), max: REVIEWERS_CACHED_MAX, clock }),
  }
}

/** A token's workspace never changes. */
const teamOf = ({ team }: Known, { patience }: Asker) => team.get('', { maxAgeMs: Number.POSITIVE_INFINITY, patience })

/** `usergroup:S012AB` or `channel:C0123`; the settings let nothing else pass. */
function membersOf(workspace: Workspace, group: string): Promise<ReadonlySet<string>> {
  const [kind, id = ''] = group.split(':')
  return kind === 'channel' ? workspace.channelMembers(id) : workspace.userGroup(id)
}

/** `slack:<team>:<user>`, as reviewers.ts makes it. */
function ownIdOf({ id }: Reviewer): { readonly team: string; readonly user: string } | null {
  const [, team, user] = /^slack:([^:]+):([^:]+)$/.exec(id) ?? []
  return team === undefined || user === undefined ? null : { team, user }
}

/** The person's id in this workspace; null where they are no full member of it. */
async function idHere(known: Known, reviewer: Reviewer, asker: Asker): Promise<string | null> {
  const own = ownIdOf(reviewer)
  const team = await teamOf(known, asker)
  if (own?.team === team) return own.user
  if (reviewer.email === null) return null
  const user = await known.usersByEmail.get(reviewer.email, asker)
  if (user?.id === undefined) return null
  const who = judge(user, user.id, team)
  return who.ok && who.reviewer.email === reviewer.email ? user.id : null
}

async function current(known: Known, reviewer: Reviewer, asker: Asker): Promise<Reviewer | null> {
  const own = ownIdOf(reviewer)
  if (own === null || own.team !== (await teamOf(known, asker))) return null
  const who = judge((await known.users.get(own.user, asker)) ?? undefined, own.user, own.team)
  // With another address it may be somebody else's account by now, or turn out to be the agent's owner.
  return who.ok && who.reviewer.email === reviewer.email ? who.reviewer : null
}

function examined(error: unknown): Examined {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const detail = code === '' ? 'cannot be looked up' : `cannot be looked up: ${code}`
  const told = error instanceof Error ? error.message : 'See docs.slack.dev for this error.'
  return { ok: false, detail, cure: GROUP_CURES[code] ?? told }
}

const GROUP_CURES: Readonly<Record<string, string>> = {
  no_such_subteam:
    'Copy the user group’s id (S…) from its page in Slack, and enable the group if it is disabled; a handle is no id.',
  plan_upgrade_required: 'User groups need a paid plan of Slack. Name a channel or e-mail addresses instead.',
  channel_not_found: 'Check the channel’s id, and invite the app if the channel is private: /invite @Countersign.',
  method_not_supported_for_channel_type: 'Name a channel; a direct message has no members that could review.',
  missing_scope: 'Add the scopes of manifests/slack/manifest.json and reinstall the app.',
}
