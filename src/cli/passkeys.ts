/**
 * `countersign passkeys list` and `countersign passkeys remove`: for a person who has lost all of them, and can't remove
 * one by another. Whoever may read the settings can do so; the recording then shows a first passkey of a person who had
 * one before.
 */
import type { Command } from 'commander'
import { createPasskeys } from '../../jobs/passkeys.ts'
import type { RedisHandle } from '../../jobs/redis.ts'
import { visible } from '../approval/visible.ts'
import { isEmail } from '../config/fields.ts'
import { atRedis, type OperatorWorld } from './at-redis.ts'
import { count, createTerminal, instant } from './terminal.ts'

interface Options {
  readonly config: string
  readonly json?: boolean
}

export function registerPasskeys(program: Command, world: OperatorWorld): void {
  const passkeys = program.command('passkeys').description('what reviewers confirm their approvals with')
  withSettings(passkeys.command('list'))
    .description('list a person’s passkeys')
    .addHelpText('after', '\nExample:\n  $ countersign passkeys list bob@example.com --config countersign.yaml')
    .action((email: string, options: Options, command: Command) =>
      atRedis(options.config, world.env, ({ redis }) => list(redis, checked(email, command), options, world)),
    )
  withSettings(passkeys.command('remove'))
    .argument('[id]', 'of one passkey, as list shows it; left out: all of them')
    .description('remove a person’s passkeys, so that they can begin with a first one again')
    .addHelpText('after', REMOVE_HELP)
    .action((email: string, id: string | undefined, options: Options, command: Command) =>
      atRedis(options.config, world.env, ({ redis }) => remove(redis, { email: checked(email, command), id }, world)),
    )
}

const REMOVE_HELP = `
Example:
  $ countersign passkeys remove bob@example.com --config countersign.yaml

Make sure that it is they who ask: the next passkey that is added in their name is taken on trust.`

function withSettings(command: Command): Command {
  return command
    .argument('<email>', 'whose they are')
    .requiredOption('--config <file>', 'the settings file')
    .option('--json', 'one JSON value a line')
}

function checked(email: string, command: Command): string {
  if (!isEmail(email)) command.error(`error: ${email} is not an e-mail address`, { exitCode: 2 })
  return email.toLowerCase()
}

async function list(
  redis: RedisHandle,
  email: string,
  { json }: Options,
  { output, env }: OperatorWorld,
): Promise<void> {
  const terminal = createTerminal(output, env)
  const passkeys = await createPasskeys(redis).list(email)
  for (const { id, name, addedAt, usedAt } of passkeys) {
    if (json) terminal.json({ id, name, addedAt, usedAt })
    else {
      terminal.line(['strong', visible(name)])
      terminal.line(`  added ${instant(addedAt)}, ${usedAt === null ? 'never used' : `last used ${instant(usedAt)}`}`)
      terminal.line(['faint', `  ${id}`])
    }
  }
  if (passkeys.length === 0 && !json) terminal.line('No passkeys.')
}

async function remove(
  redis: RedisHandle,
  { email, id }: { email: string; id: string | undefined },
  { output, env, setExitCode }: OperatorWorld,
): Promise<void> {
  const passkeys = createPasskeys(redis)
  const wanted = id === undefined ? (await passkeys.list(email)).map((passkey) => passkey.id) : [id]
  let removed = 0
  for (const one of wanted) if (await passkeys.remove(email, one)) removed += 1
  const terminal = createTerminal(output, env)
  if (removed === 0) {
    terminal.line(['bad', 'There is no such passkey.'])
    setExitCode(1)
  } else terminal.line(['good', 'Removed: '], count(removed, 'passkey'))
}
