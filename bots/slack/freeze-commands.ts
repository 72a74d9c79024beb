/**
 * `/countersign freeze`, `thaw` and `status`. An emergency must be quick, so that freezing asks for nothing twice; thawing
 * everything does, because a slip there lets every agent loose.
 *
 * The command is registered with `should_escape`, so that a mention comes as `<@U123|name>`: the name is whatever its
 * owner chose, and only the id counts.
 */
import type { Approval } from '../../src/approval/approval.ts'
import { type FreezeScope, freezeText, parseScope, scopeName, scopeText } from '../../src/freeze/freeze.ts'
import type { Reviewer } from '../../src/people/reviewer.ts'
import type { FreezeDesk, FreezeOutcome, Freezes } from '../../src/ports.ts'
import { isRequester } from '../../src/review/review.ts'
import { COMMAND } from './actions.ts'
import type { Asked, Said, Subcommand } from './commands.ts'
import { FREEZE_PATIENCE_MS, STATUS_ROWS_MAX } from './limits.ts'
import { count } from './text.ts'
import { platformError, type SlackWeb } from './web.ts'
import type { WebOf } from './workspaces.ts'

export interface FreezeCommandsOptions {
  readonly desk: FreezeDesk
  readonly list: Freezes['list']
  readonly listPending: () => Promise<readonly Approval[]>
  /** Names, as the settings have them. */
  readonly upstreams: readonly string[]
  readonly webOf: WebOf
}

export function freezeCommands(options: FreezeCommandsOptions): readonly Subcommand[] {
  return [
    {
      name: 'freeze',
      usage: '@agent | upstream | all, and why',
      does: 'stops it now, ends its holds and grants, and says who did',
      run: (asked) => freeze(options, asked),
    },
    {
      name: 'thaw',
      usage: '@agent | upstream | all',
      does: 'lets it through again, by policy',
      run: (asked) => thaw(options, asked),
    },
    {
      name: 'status',
      usage: '',
      does: 'what stands frozen, how many wait, and your own requests',
      run: async ({ reviewer }) => ({ message: await status(options, reviewer) }),
    },
  ]
}

async function freeze(options: FreezeCommandsOptions, asked: Asked): Promise<Said> {
  const read = await readTarget(options, asked)
  if (!read.ok) return { message: read.message }
  const { scope, rest } = read
  const reason = rest === '' ? null : rest
  let outcome: Promise<FreezeOutcome> | undefined
  // Only once it stands may it be said to; ending what it stops may take longer than Slack waits.
  const early = new Promise<null>((resolve) => {
    const onStanding = () => void setTimeout(resolve, FREEZE_PATIENCE_MS, null)
    outcome = options.desk.freeze({ scope, by: asked.reviewer, reason, onStanding })
  })
  if (outcome === undefined) throw new TypeError('a promise runs its executor at once')
  const first = await Promise.race([outcome, early])
  if (first !== null) return { message: frozenText(scope, first) }
  const message = `Frozen: ${scopeText(scope)} is stopped now. What it was about to do is being ended…`
  return { message, later: outcome.then((ended) => frozenText(scope, ended)) }
}

function frozenText(scope: FreezeScope, outcome: FreezeOutcome): string {
  if (!outcome.ok) return `Nothing was frozen. ${outcome.message}`
  const { approvals, grants } = outcome.ended
  const lines = [
    `Frozen. ${outcome.freeze === null ? '' : freezeText(outcome.freeze)}`,
    `Ended: ${count(approvals, 'waiting call')} and ${count(grants, 'grant')}. Calls that a server has already go on there.`,
    `To let it through again: ${COMMAND} thaw ${scopeName(scope)}`,
  ]
  return [...lines, ...(outcome.note === null ? [] : [outcome.note])].join('\n')
}

async function thaw(options: FreezeCommandsOptions, asked: Asked): Promise<Said> {
  const read = await readTarget(options, asked)
  if (!read.ok) return { message: read.message }
  const { scope, rest } = read
  if (scope.kind === 'all' && rest.toLowerCase() !== 'confirm') {
    return {
      message: `This lets every agent call again. If that is meant: ${COMMAND} thaw all confirm\n${await frozenNow(options)}`,
    }
  }
  const outcome = await options.desk.thaw({ scope, by: asked.reviewer })
  if (!outcome.ok) return { message: `Nothing was thawed. ${outcome.message}` }
  const note = outcome.note === null ? '' : `\n${outcome.note}`
  return { message: `Thawed: ${scopeText(scope)} goes by policy again. What was ended stays ended.${note}` }
}

// ---- whom or what

type Target =
  | { readonly ok: true; readonly scope: FreezeScope; readonly rest: string }
  | { readonly ok: false; readonly message: string }

async function readTarget(options: FreezeCommandsOptions, { words, teamId }: Asked): Promise<Target> {
  const [, kind = '', word = '', rest = ''] = /^(?:(agent|upstream)\s+)?(\S*)\s*(.*)$/is.exec(words) ?? []
  const mention = /^(?:agent:)?<@([UW][A-Z0-9]{1,30})(?:\|[^>]*)?>$/.exec(word)?.[1]
  const named =
    mention === undefined
      ? unescaped(/^(?:agent:)?<mailto:[^|>]*\|([^>]*)>$/.exec(word)?.[1] ?? word)
      : await addressOf(options.webOf(teamId), mention, teamId)
  if (named === null) {
    const message =
      'Slack shows no confirmed address of theirs in this workspace. Name the agent by its owner’s e-mail.'
    return { ok: false, message }
  }
  if (/^@/.test(named)) return { ok: false, message: 'Pick the person from the list that Slack offers after @.' }
  const parsed = parseScope(
    mention !== undefined || kind !== '' ? `${kind || 'agent'}:${named}` : named,
    options.upstreams,
  )
  return parsed.ok ? { ...parsed, rest: unescaped(rest).trim() } : parsed
}

/** Of anyone of our workspace, also a guest or somebody who left: their agents may still be there. */
async function addressOf(web: SlackWeb, userId: string, teamId: string): Promise<string | null> {
  const { user } = await web.users.info({ user: userId }).catch((error: unknown) => {
    if (platformError(error) === null) throw error
    return { user: undefined }
  })
  if (user === undefined || user.id !== userId || user.is_email_confirmed === false) return null
  const isOurs = user.team_id === teamId || user.enterprise_user?.teams?.includes(teamId) === true
  return isOurs ? user.profile?.email || null : null
}

/** docs.slack.dev/messaging/formatting-message-text, "Escaping text" */
function unescaped(text: string): string {
  return text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&')
}

// ---- status

async function status(options: FreezeCommandsOptions, reviewer: Reviewer): Promise<string> {
  const [frozen, pending] = await Promise.all([frozenNow(options), options.listPending()])
  const own = pending.filter((approval) => isRequester(approval, reviewer))
  const rows = own
    .slice(0, STATUS_ROWS_MAX)
    .map(({ tool, upstream, rule, expiresAt }) => `• ${tool} on ${upstream} (${rule}), until ${utc(expiresAt)}`)
  const more = own.length - rows.length
  return [
    frozen,
    `${count(pending.length, 'call')} ${pending.length === 1 ? 'waits' : 'wait'} for people; ${own.length} of them for you.`,
    ...rows,
    ...(more > 0 ? [`… and ${more} more`] : []),
  ].join('\n')
}

async function frozenNow({ list }: FreezeCommandsOptions): Promise<string> {
  const freezes = await list()
  if (freezes.length === 0) return 'Nothing is frozen.'
  const shown = freezes.slice(0, STATUS_ROWS_MAX).map((freeze) => `• ${scopeName(freeze.scope)}: ${freezeText(freeze)}`)
  const more = freezes.length - shown.length
  return ['Frozen now:', ...shown, ...(more > 0 ? [`… and ${more} more`] : [])].join('\n')
}

const utc = (at: number) => `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`
