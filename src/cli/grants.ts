/**
 * `countersign grants list`, `countersign grants revoke` and `countersign holds list`: what passes without a card, and
 * what waits for people, from a shell when chat is down. No arguments of calls are printed: what a shell prints ends up
 * in files that nobody guards.
 */
import type { Command } from 'commander'
import { createApprovalStore } from '../../jobs/approvals/store.ts'
import { startInbox } from '../../jobs/inbox.ts'
import type { RedisHandle } from '../../jobs/redis.ts'
import { createStandingGrants, LISTED_MAX } from '../../jobs/standing-grants.ts'
import type { Approval } from '../approval/approval.ts'
import { spanInWords } from '../approval/in-words.ts'
import { nameOf } from '../audit/timeline.ts'
import type { GrantId } from '../brands.ts'
import type { StandingGrant } from '../grant/standing.ts'
import { atRedis, clock, type OperatorWorld, operatorOf, silent } from './at-redis.ts'
import { count, createTerminal, instant, type Terminal } from './terminal.ts'

interface Options {
  readonly config: string
  readonly by?: string
  readonly json?: boolean
}

export function registerGrants(program: Command, world: OperatorWorld): void {
  const grants = program.command('grants').description('what passes without a card for a while')
  withSettings(grants.command('list'))
    .description('list the active grants, those that end first at first')
    .addHelpText('after', '\nExample:\n  $ countersign grants list --config countersign.yaml')
    .action((options: Options) =>
      atRedis(options.config, world.env, ({ redis }) => listGrants(redis, terminalOf(world), options)),
    )
  withSettings(grants.command('revoke'))
    .argument('<id>', 'of the grant (stg_…)')
    .description('end a grant now')
    .option('--by <name>', 'what to call you; the user of this shell is recorded in any case')
    .addHelpText('after', REVOKE_HELP)
    .action(async (id: string, options: Options, command: Command) => {
      if (!/^stg_\w+$/.test(id)) command.error(`error: ${id} is no grant's id; grants list shows them`, { exitCode: 2 })
      await atRedis(options.config, world.env, ({ redis }) => revoke(redis, id as GrantId, options, world))
    })
  withSettings(program.command('holds').description('calls that wait for people').command('list'))
    .description('list what waits for approval, oldest first')
    .addHelpText('after', '\nExample:\n  $ countersign holds list --config countersign.yaml')
    .action((options: Options) =>
      atRedis(options.config, world.env, ({ redis }) => listHolds(redis, terminalOf(world), options)),
    )
}

function withSettings(command: Command): Command {
  return command.requiredOption('--config <file>', 'the settings file').option('--json', 'one JSON value a line')
}

const REVOKE_HELP = `
Example:
  $ countersign grants revoke stg_k3v… --by "Bob, on call" --config countersign.yaml

Calls that their MCP servers have already are not broken off.`

const terminalOf = ({ output, env }: OperatorWorld) => createTerminal(output, env)

// ---- grants

async function listGrants(redis: RedisHandle, terminal: Terminal, { json }: Options): Promise<void> {
  const standing = createStandingGrants(redis)
  for (let offset = 0; ; offset += LISTED_MAX) {
    const { grants, total } = await standing.listActive({ offset, max: LISTED_MAX })
    for (const grant of grants) {
      if (json) terminal.json(grant)
      else printGrant(terminal, grant)
    }
    if (total === 0 && !json) terminal.line('No active grants.')
    if (offset + LISTED_MAX >= total) return
  }
}

function printGrant(terminal: Terminal, grant: StandingGrant): void {
  const { id, tools, upstream, expiresAt, approvedBy, reason, rule } = grant
  terminal.line(['strong', id])
  terminal.line(`  ${tools.includes('*') ? 'all tools' : tools.join(', ')} on ${upstream}`)
  terminal.line(`  for ${holderOf(grant)}${rule === null ? '' : `, held by rule ${rule}`}`)
  terminal.line(['open', `  until ${instant(expiresAt)}, ${spanInWords(expiresAt - clock.now())} left`])
  terminal.line(['faint', `  approved by ${approvedBy.map(({ email, name }) => email ?? name).join(', ')}`])
  if (reason !== null) terminal.line(['faint', `  ${reason}`])
  terminal.line(`  ${usesOf(grant)}`)
}

function holderOf({ holder }: StandingGrant): string {
  if (holder.kind === 'owner') return `all agents of ${holder.email}`
  const { principal } = holder
  return `${nameOf(principal)}${principal.client === null ? '' : ` by ${principal.client}`}`
}

function usesOf({ uses }: StandingGrant): string {
  const byTool = Object.entries(uses).map(([tool, many]) => `${tool} ×${many}`)
  const total = Object.values(uses).reduce((sum, many) => sum + many, 0)
  return total === 0 ? 'it passed no call' : `it passed ${count(total, 'call')}: ${byTool.join(', ')}`
}

async function revoke(redis: RedisHandle, id: GrantId, { by, json }: Options, world: OperatorWorld): Promise<void> {
  const terminal = terminalOf(world)
  const standing = createStandingGrants(redis)
  const ended = await standing.end(id, { state: 'revoked', by: operatorOf(by) })
  const grant = ended ?? (await standing.get(id))
  if (json) terminal.json({ revoked: ended !== null, grant })
  else if (ended !== null) terminal.line(['good', `Revoked: `], usesOf(ended))
  else if (grant === null) terminal.line(['bad', 'There is no such grant, or none that is still known.'])
  else terminal.line(['bad', `It had ended already: ${grant.state === 'active' ? 'expired' : grant.state}.`])
  if (ended === null) world.setExitCode(1)
}

// ---- holds

async function listHolds(redis: RedisHandle, terminal: Terminal, { json }: Options): Promise<void> {
  const inbox = await startInbox(redis, silent)
  try {
    const pending = await createApprovalStore({ redis, inbox }).listPending()
    for (const approval of pending) {
      if (json) terminal.json(holdOf(approval))
      else printHold(terminal, approval)
    }
    if (pending.length === 0 && !json) terminal.line('Nothing waits.')
  } finally {
    await inbox.close()
  }
}

function holdOf({ id, principal, upstream, tool, rule, requestedAt, expiresAt, quorum, reviews, agent }: Approval) {
  return { id, principal, upstream, tool, rule, requestedAt, expiresAt, quorum, reviews: reviews.length, agent }
}

function printHold(terminal: Terminal, approval: Approval): void {
  const { id, principal, upstream, tool, rule, expiresAt, quorum, reviews, agent } = approval
  terminal.line(['strong', id])
  terminal.line(`  ${tool} on ${upstream}`)
  terminal.line(`  for ${nameOf(principal)}, held by rule ${rule}`)
  const left = expiresAt - clock.now()
  terminal.line(['open', `  until ${instant(expiresAt)}, ${left > 0 ? `${spanInWords(left)} left` : 'passed'}`])
  if (quorum > 1) terminal.line(`  ${reviews.length} of ${quorum} approvals`)
  if (approval.access === null && agent.state === 'away') terminal.line(['faint', '  the agent is away'])
}
