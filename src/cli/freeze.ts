/**
 * `countersign freeze` and `countersign thaw`: the emergency stop from a shell. Needs the settings file and Redis, and
 * nothing else: no running gateway, no Slack. Whoever may read the settings could as well stop the gateway, so that
 * nobody is asked whether they may; who did it is recorded all the same.
 */
import { randomBytes } from 'node:crypto'
import path from 'node:path'
import type { Command } from 'commander'
import { createApprovalStore } from '../../jobs/approvals/store.ts'
import { createFreezes } from '../../jobs/freezes.ts'
import { createGrants, listUnused } from '../../jobs/grants.ts'
import { startInbox } from '../../jobs/inbox.ts'
import { createNotices } from '../../jobs/notices.ts'
import { startRecorder } from '../../jobs/recording/recorder.ts'
import { connectRedis, type RedisHandle } from '../../jobs/redis.ts'
import { createStandingGrants } from '../../jobs/standing-grants.ts'
import { visible } from '../approval/visible.ts'
import { epochMs } from '../brands.ts'
import { channelNames, type Settings } from '../config/settings.ts'
import { GatewayError } from '../errors.ts'
import { createFreezeDesk, shellMay } from '../freeze/desk.ts'
import { type FreezeScope, freezeText, parseScope, scopeName, scopeText } from '../freeze/freeze.ts'
import { createIds } from '../ids.ts'
import type { Clock, FreezeDesk, FreezeOutcome, Log, Recorder } from '../ports.ts'
import { operatorOf } from './at-redis.ts'
import { findRedis } from './find-redis.ts'
import type { Environment } from './load.ts'
import { CommandError, loadSettings, recordingsOf } from './load.ts'
import { count, createTerminal, type Output, type Terminal } from './terminal.ts'

export interface FreezeWorld {
  readonly env: Environment
  readonly output: Output
  setExitCode(code: 0 | 1): void
}

interface FreezeCommandOptions {
  readonly config: string
  readonly by?: string
  readonly reason?: string
  readonly json?: boolean
}

const clock: Clock = { now: () => epochMs(Date.now()) }
const silent: Log = { info: () => undefined, warn: () => undefined, error: () => undefined }
/** Redis answers in milliseconds or is not there. */
const REDIS_PATIENCE_MS = 3_000
const SCOPES = 'all, upstream:NAME, or agent:EMAIL of whom it acts for'

export function registerFreeze(program: Command, world: FreezeWorld): void {
  program
    .command('freeze')
    .argument('<what>', `${SCOPES}; or list, for what stands frozen`)
    .description('stop calls now, end what waits for approval, and take grants back')
    .requiredOption('--config <file>', 'the settings file')
    .option('--reason <text>', 'why: agents and people are told')
    .option('--by <name>', 'what to call you; the user of this shell is recorded in any case')
    .option('--json', 'one JSON value a line')
    .addHelpText('after', FREEZE_HELP)
    .action(async (what: string, options: FreezeCommandOptions, command: Command) => {
      if (what === 'list') return atDesk({ options, world }, (parts) => list(parts))
      return atDesk({ options, world }, async (parts) => {
        const { reason = null } = options
        const order = { scope: scopeOf(what, parts.settings, command), by: operatorOf(options.by), reason }
        return told(parts, order.scope, await parts.desk.freeze(order))
      })
    })
  program
    .command('thaw')
    .argument('<what>', SCOPES)
    .description('let calls through again; what the freeze ended stays ended')
    .requiredOption('--config <file>', 'the settings file')
    .option('--by <name>', 'what to call you; the user of this shell is recorded in any case')
    .option('--json', 'one JSON value a line')
    .addHelpText('after', '\nExample:\n  $ countersign thaw agent:alice@example.com --config countersign.yaml')
    .action((what: string, options: FreezeCommandOptions, command: Command) =>
      atDesk({ options, world }, async (parts) => {
        const order = { scope: scopeOf(what, parts.settings, command), by: operatorOf(options.by) }
        return told(parts, order.scope, await parts.desk.thaw(order))
      }),
    )
}

const FREEZE_HELP = `
Examples:
  $ countersign freeze all --reason "Leaked token" --config countersign.yaml
  $ countersign freeze agent:alice@example.com --config countersign.yaml
  $ countersign freeze list --config countersign.yaml

Calls that their MCP servers have already are not broken off.`

/** A mistake in usage ends with 2, and before anything is changed. */
function scopeOf(what: string, { upstreams }: Settings, command: Command): FreezeScope {
  const parsed = parseScope(what, [...upstreams.keys()])
  return parsed.ok ? parsed.scope : command.error(`error: ${visible(parsed.message)}`, { exitCode: 2 })
}

// ---- what is printed

interface Parts {
  readonly settings: Settings
  readonly desk: FreezeDesk
  readonly freezes: ReturnType<typeof createFreezes>
  readonly terminal: Terminal
  readonly isJson: boolean
  readonly world: FreezeWorld
}

async function list({ freezes, terminal, isJson }: Parts): Promise<void> {
  const standing = await freezes.list()
  for (const freeze of standing) {
    if (isJson) terminal.json({ scope: scopeName(freeze.scope), by: freeze.by, at: freeze.at, reason: freeze.reason })
    else terminal.line(['bad', scopeName(freeze.scope)], `: ${freezeText(freeze)}`)
  }
  if (standing.length === 0 && !isJson) terminal.line('Nothing is frozen.')
}

function told({ terminal, isJson, world }: Parts, scope: FreezeScope, outcome: FreezeOutcome): void {
  if (isJson) terminal.json({ scope: scopeName(scope), ...outcome })
  else if (!outcome.ok) terminal.line(['bad', outcome.message])
  else if (outcome.freeze === null) terminal.line(['good', `Thawed: ${scopeText(scope)} goes by policy again.`])
  else {
    const { approvals, grants } = outcome.ended
    terminal.line(['good', `Frozen. ${freezeText(outcome.freeze)}`])
    terminal.line(`Ended: ${count(approvals, 'approval')} that waited, ${count(grants, 'grant')}.`)
  }
  if (outcome.ok && outcome.note !== null && !isJson) terminal.line(['open', outcome.note])
  if (!outcome.ok || outcome.note !== null) world.setExitCode(1)
}

// ---- the desk

async function atDesk(
  { options, world }: { readonly options: FreezeCommandOptions; readonly world: FreezeWorld },
  work: (parts: Parts) => Promise<void>,
): Promise<void> {
  const file = path.resolve(options.config)
  const settings = (await loadSettings(file, world.env)).value
  const server = await findRedis(settings, file, world.env, silent)
  const redis = connectRedis({ url: server.url, keyPrefix: settings.redis.keyPrefix, clock, log: silent })
  const terminal = createTerminal(world.output, world.env)
  const freezes = createFreezes(redis)
  try {
    await redis.whenReady(AbortSignal.timeout(REDIS_PATIENCE_MS))
    await withDesk({ redis, settings, file }, (desk) =>
      work({ settings, desk, freezes, terminal, isJson: options.json === true, world }),
    )
  } catch (error) {
    throw asCommandError(error)
  } finally {
    await redis.close()
    await server.stop()
  }
}

async function withDesk(
  { redis, settings, file }: { readonly redis: RedisHandle; readonly settings: Settings; readonly file: string },
  work: (desk: FreezeDesk) => Promise<void>,
): Promise<void> {
  const inbox = await startInbox(redis, silent)
  const recording = recordWhenNeeded(recordingsOf(settings, file))
  const notices = createNotices(redis, channelNames(settings))
  try {
    await work(
      createFreezeDesk({
        authority: shellMay,
        freezes: createFreezes(redis),
        approvals: createApprovalStore({ redis, inbox }),
        grants: createGrants(redis, inbox.replica),
        listUnused: () => listUnused(redis),
        standingGrants: createStandingGrants(redis),
        recorder: recording.recorder,
        notices,
        clock,
        log: silent,
      }),
    )
  } finally {
    await notices.close()
    await recording.close()
    await inbox.close()
  }
}

/** A segment of its own, as every process writes one; none where nothing is to be recorded. */
function recordWhenNeeded(directory: string): { readonly recorder: Recorder; close(): Promise<void> } {
  const ids = createIds(randomBytes)
  let opened: ReturnType<typeof startRecorder> | null = null
  const open = () =>
    startRecorder({
      directory,
      replica: ids.next('seg'),
      sync: 'always',
      maxSegmentBytes: SEGMENT_BYTES_MAX,
      clock,
      ids,
      log: silent,
    })
  return {
    recorder: {
      async record(event, durability) {
        opened ??= open()
        await (await opened).record(event, durability)
      },
    },
    close: async () => (await opened?.catch(() => undefined))?.close(),
  }
}

/** Of one command's events. */
const SEGMENT_BYTES_MAX = 64 * 1024 * 1024

function asCommandError(error: unknown): unknown {
  if (error instanceof GatewayError) return new CommandError(`${error.message}. ${error.cure}`, { cause: error })
  const isTimeOut = error instanceof Error && error.name === 'TimeoutError'
  return isTimeOut ? new CommandError('Redis cannot be reached: start it, or correct redis.url (or REDIS_URL).') : error
}
