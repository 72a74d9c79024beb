/**
 * `freeze`, `thaw` and `status`. An emergency must be quick, so that freezing asks for nothing twice; thawing everything
 * does, because a slip there lets every agent loose.
 *
 * Where others read the answer too, it holds what the channel is told of a freeze in any case, and nothing of what one
 * person's agents ask for.
 */
import type { Approval } from '../../src/approval/approval.ts'
import { type FreezeScope, freezeText, parseScope, scopeName, scopeText } from '../../src/freeze/freeze.ts'
import type { Reviewer } from '../../src/people/reviewer.ts'
import type { FreezeDesk, FreezeOutcome, Freezes } from '../../src/ports.ts'
import { isRequester } from '../../src/review/review.ts'
import { count } from './clip.ts'
import type { NamedCommand, Said } from './commands.ts'
import { FREEZE_PATIENCE_MS, STATUS_ROWS_MAX } from './limits.ts'

export interface FreezeCommandsOptions {
  readonly desk: FreezeDesk
  readonly list: Freezes['list']
  readonly listPending: () => Promise<readonly Approval[]>
  /** Names, as the settings have them. */
  readonly upstreams: readonly string[]
}

export interface FreezeAsked {
  readonly reviewer: Reviewer
  /** What stands before a command's name where this was asked, with its space. */
  readonly call: string
  /** What follows the command's name, as the channel wrote it. Untrusted. */
  readonly words: string
  /** Nobody else reads the answer. */
  readonly isPrivate: boolean
  /** What the first word names, in the channel's own notation. */
  whois(word: string): Promise<NamedTarget>
  /** Undoes the channel's escapes. */
  plain(text: string): string
}

export type NamedTarget =
  | { readonly kind: 'person'; readonly email: string }
  /** As it was typed, without escapes. */
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'refused'; readonly message: string }

export interface FreezeCommand extends NamedCommand {
  run(asked: FreezeAsked): Promise<Said>
}

export function freezeCommands(options: FreezeCommandsOptions): readonly FreezeCommand[] {
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
      run: async (asked) => ({ message: await status(options, asked) }),
    },
  ]
}

async function freeze(options: FreezeCommandsOptions, asked: FreezeAsked): Promise<Said> {
  const read = await readTarget(options, asked)
  if (!read.ok) return { message: read.message }
  const { scope, rest } = read
  const reason = rest === '' ? null : rest
  let outcome: Promise<FreezeOutcome> | undefined
  // Only once it stands may it be said to; ending what it stops may take longer than a chat waits.
  const early = new Promise<null>((resolve) => {
    const onStanding = () => void setTimeout(resolve, FREEZE_PATIENCE_MS, null)
    outcome = options.desk.freeze({ scope, by: asked.reviewer, reason, onStanding })
  })
  if (outcome === undefined) throw new TypeError('a promise runs its executor at once')
  const first = await Promise.race([outcome, early])
  if (first !== null) return { message: frozenText(asked, scope, first) }
  const message = `Frozen: ${scopeText(scope)} is stopped now. What it was about to do is being ended…`
  return { message, later: outcome.then((ended) => frozenText(asked, scope, ended)) }
}

function frozenText({ call }: FreezeAsked, scope: FreezeScope, outcome: FreezeOutcome): string {
  if (!outcome.ok) return `Nothing was frozen. ${outcome.message}`
  const { approvals, grants } = outcome.ended
  const lines = [
    `Frozen. ${outcome.freeze === null ? '' : freezeText(outcome.freeze)}`,
    `Ended: ${count(approvals, 'waiting call')} and ${count(grants, 'grant')}. Calls that a server has already go on there.`,
    `To let it through again: ${call}thaw ${scopeName(scope)}`,
  ]
  return [...lines, ...(outcome.note === null ? [] : [outcome.note])].join('\n')
}

async function thaw(options: FreezeCommandsOptions, asked: FreezeAsked): Promise<Said> {
  const read = await readTarget(options, asked)
  if (!read.ok) return { message: read.message }
  const { scope, rest } = read
  if (scope.kind === 'all' && rest.toLowerCase() !== 'confirm') {
    const sure = `This lets every agent call again. If that is meant: ${asked.call}thaw all confirm`
    return { message: `${sure}\n${await frozenNow(options, asked)}` }
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

async function readTarget({ upstreams }: FreezeCommandsOptions, { words, whois, plain }: FreezeAsked): Promise<Target> {
  const [, kind = '', word = '', rest = ''] = /^(?:(agent|upstream)\s+)?(\S*)\s*(.*)$/is.exec(words) ?? []
  const named = await whois(word)
  if (named.kind === 'refused') return { ok: false, message: named.message }
  if (named.kind === 'text' && named.text.startsWith('@')) return { ok: false, message: MENTION_NOT_RESOLVED }
  const name = named.kind === 'person' ? named.email : named.text
  // A person is an agent's owner, whatever else is called like their address.
  const parsed = parseScope(named.kind === 'person' || kind !== '' ? `${kind || 'agent'}:${name}` : name, upstreams)
  return parsed.ok ? { ...parsed, rest: plain(rest).trim() } : parsed
}

const MENTION_NOT_RESOLVED = 'Pick the person from the list that is offered after @, or write their e-mail address.'

// ---- status

async function status(options: FreezeCommandsOptions, asked: FreezeAsked): Promise<string> {
  const [frozen, pending] = await Promise.all([frozenNow(options, asked), options.listPending()])
  const waiting = `${count(pending.length, 'call')} ${pending.length === 1 ? 'waits' : 'wait'} for people`
  if (!asked.isPrivate)
    return [frozen, `${waiting}. Ask me for status in our private talk for what is yours.`].join('\n')
  const own = pending.filter((approval) => isRequester(approval, asked.reviewer))
  const rows = own
    .slice(0, STATUS_ROWS_MAX)
    .map(({ tool, upstream, rule, expiresAt }) => `• ${tool} on ${upstream} (${rule}), until ${utc(expiresAt)}`)
  return [frozen, `${waiting}; ${own.length} of them for you.`, ...rows, ...moreThan(own, rows)].join('\n')
}

/** Who stopped it and why is for whoever asks by themselves, and for the channel that notices go to. */
async function frozenNow({ list }: FreezeCommandsOptions, { isPrivate }: FreezeAsked): Promise<string> {
  const freezes = await list()
  if (freezes.length === 0) return 'Nothing is frozen.'
  const shown = freezes.slice(0, STATUS_ROWS_MAX).map((freeze) => {
    const told = isPrivate ? freezeText(freeze) : `since ${utc(freeze.at)}`
    return `• ${scopeName(freeze.scope)}: ${told}`
  })
  return ['Frozen now:', ...shown, ...moreThan(freezes, shown)].join('\n')
}

function moreThan(all: readonly unknown[], shown: readonly unknown[]): readonly string[] {
  return all.length > shown.length ? [`… and ${all.length - shown.length} more`] : []
}

const utc = (at: number) => `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`
