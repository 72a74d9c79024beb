/**
 * The workspaces that the app is installed in: the one of channels.slack, and those that it names besides. The app has one
 * signing secret or app token for all of them; each installation has a bot token of its own, people of its own and rate
 * limits of its own (docs.slack.dev/apis/web-api/rate-limits: "per method per workspace per app"), so each has its own
 * clients and its own pace.
 *
 * Slack names the team with whatever it delivers, and signs it. Which token a team's is, each token is asked once; one
 * that Slack accepts no more stops what comes from its own workspace alone. An installation for a whole organisation
 * (Enterprise Grid) has one token for many teams and is not among them: what comes from it is refused.
 */
import type { SlackWorkspaceSettings } from '../../src/config/settings.ts'
import type { Clock, Log, Place } from '../../src/ports.ts'
import type { Secret } from '../../src/secret.ts'
import { API_TIMEOUT_MS, CLICK_API_TIMEOUT_MS } from './limits.ts'
import { createPace, type Pace } from './pace.ts'
import { createWeb, type SlackWeb } from './web.ts'

export interface SlackWorkspace {
  /** Its name in the settings; null: the one of channels.slack itself. */
  readonly name: string | null
  /** `slack`, `slack/acme`. */
  readonly place: Place
  /** Ids of the channels for cards and for summaries. */
  readonly approvals: string
  /** Null: its sessions are summarised elsewhere. */
  readonly summaries: string | null
  readonly web: SlackWeb
  /** Short deadline: it works within a click. */
  readonly clickWeb: SlackWeb
  readonly pace: Pace
  /** The team of its token, and our bot in it. Asked once; a failure is asked again. Rejects as Pace says. */
  ours(): Promise<Installation>
}

export interface Installation {
  readonly teamId: string
  readonly botId?: string
  readonly botUserId?: string
}

/** The client, with a short deadline, of a team whose delivery was authorised. */
export type WebOf = (team: string) => SlackWeb

export interface Workspaces {
  /** The one of channels.slack comes first. */
  readonly all: readonly SlackWorkspace[]
  readonly first: SlackWorkspace
  /** Null: the settings have none of this name (any more). */
  named(name: string | null): SlackWorkspace | null
  /** Null: the app is not ours in that team. Rejects where that can't be told. */
  ofTeam(teamId: string): Promise<SlackWorkspace | null>
  /** That of a team whose delivery was authorised. */
  authorised(team: string): SlackWorkspace
  readonly webOf: WebOf
}

export interface WorkspacesOptions {
  readonly botToken: Secret
  readonly approvals: string
  readonly summaries: string
  readonly workspaces: ReadonlyMap<string, SlackWorkspaceSettings>
  readonly apiUrl?: string | undefined
  readonly clock: Clock
  readonly log: Log
}

export function openWorkspaces(options: WorkspacesOptions): Workspaces {
  const { botToken, approvals, summaries } = options
  const first = openOne(options, null, { botToken, approvals, summaries })
  const all = [first, ...[...options.workspaces].map(([name, item]) => openOne(options, name, item))]
  const byTeam = new Map<string, SlackWorkspace>()
  return {
    all,
    first,
    named: (name) => all.find((workspace) => workspace.name === name) ?? null,
    async ofTeam(teamId) {
      const known = byTeam.get(teamId) ?? (await find(all, teamId))
      if (known !== null) byTeam.set(teamId, known)
      return known
    },
    authorised,
    webOf: (team) => authorised(team).clickWeb,
  }

  function authorised(team: string): SlackWorkspace {
    const workspace = byTeam.get(team)
    if (workspace === undefined) throw new TypeError('nothing was authorised for this team')
    return workspace
  }
}

/** Whoever has it answers for it, however long the others take; that nobody has it is known when all have said so. */
async function find(all: readonly SlackWorkspace[], teamId: string): Promise<SlackWorkspace | null> {
  const asked = all.map(async (workspace) => {
    if ((await workspace.ours()).teamId !== teamId) throw NOT_THIS_ONE
    return workspace
  })
  try {
    return await Promise.any(asked)
  } catch (error) {
    const fault = error instanceof AggregateError ? error.errors.find((one) => one !== NOT_THIS_ONE) : error
    if (fault === undefined) return null
    throw fault
  }
}

const NOT_THIS_ONE = new Error('is another team’s')

function openOne(
  { apiUrl, clock, log }: WorkspacesOptions,
  name: string | null,
  { botToken: token, approvals, summaries }: SlackWorkspaceSettings,
): SlackWorkspace {
  const clickWeb = createWeb({ token, timeoutMs: CLICK_API_TIMEOUT_MS, apiUrl, log })
  const pace = createPace(clock)
  let known: Promise<Installation> | null = null
  return {
    name,
    place: name === null ? 'slack' : `slack/${name}`,
    approvals,
    summaries,
    web: createWeb({ token, timeoutMs: API_TIMEOUT_MS, apiUrl, log }),
    clickWeb,
    pace,
    ours() {
      known ??= pace
        .run({ method: 'auth.test' }, () => installationOf(clickWeb))
        .catch((error) => {
          known = null
          throw error
        })
      return known
    },
  }
}

async function installationOf(web: SlackWeb): Promise<Installation> {
  const { team_id: teamId, bot_id: botId, user_id: botUserId } = await web.auth.test()
  if (teamId === undefined) throw new Error('Slack named no workspace for the bot token')
  return { teamId, ...(botId && { botId }), ...(botUserId && { botUserId }) }
}
