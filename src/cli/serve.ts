/** `countersign serve`: runs the service until a signal ends it. */
import path from 'node:path'
import type { Command } from 'commander'
import { InvalidArgumentError } from 'commander'
import type { Role } from '../main.ts'
import { ROLES, startService } from '../main.ts'
import type { Log } from '../ports.ts'
import { findRedis } from './find-redis.ts'
import type { Environment } from './load.ts'
import { CommandError, loadPolicyOf, loadSettings, recordingsOf } from './load.ts'
import { createLog } from './log.ts'
import { VERSION } from './version.ts'

export function registerServe(program: Command, env: Environment): void {
  program
    .command('serve')
    .description('run the gateway')
    .requiredOption('--config <file>', 'the settings file')
    .option('--roles <roles>', 'some of gateway,bots,jobs, to scale them apart', parseRoles, new Set(ROLES))
    .addHelpText('after', '\nExample:\n  $ countersign serve --config countersign.yaml')
    .action((options: { config: string; roles: ReadonlySet<Role> }) => serve(options, env))
}

function parseRoles(text: string): ReadonlySet<Role> {
  const names = text.split(',').map((name) => name.trim())
  const unknown = names.find((name) => !ROLES.includes(name as Role))
  if (unknown !== undefined) throw new InvalidArgumentError(`"${unknown}" is none of ${ROLES.join(', ')}.`)
  return new Set(names as Role[])
}

async function serve({ config, roles }: { config: string; roles: ReadonlySet<Role> }, env: Environment): Promise<void> {
  // From the first moment on: a signal while Redis starts must not leave it behind.
  const signal = signalled()
  const log = createLog((line) => process.stderr.write(line))
  const file = path.resolve(config)
  const settings = await loadSettings(file, env)
  const policy = await loadPolicyOf(settings.value, file)
  for (const warnings of [settings.warnings, policy.warnings]) if (warnings) process.stderr.write(`${warnings}\n`)
  warnAboutNode(log)
  const redis = await findRedis(settings.value, file, env, log)
  const service = await startService({
    settings: settings.value,
    policy: policy.value,
    redisUrl: redis.url,
    recordingsDirectory: recordingsOf(settings.value, file),
    settingsDirectory: path.dirname(file),
    environment: env,
    roles,
    version: VERSION,
    log,
  }).catch(async (error: unknown) => {
    await redis.stop()
    throw cannotListen(error) ?? error
  })
  process.stdout.write(`Countersign ${VERSION} listens on ${service.url}\n`)
  printConsoleLink(service.consoleLink())
  const failure = await Promise.race([signal, failureOf(service.ready)])
  await service.stop()
  await redis.stop()
  if (failure !== null) throw failure
  // All that is ours has ended. A request of a library's to a service that doesn't answer must not hold the process.
  process.exit(0)
}

/** A taken port, or one that only root may have. */
function cannotListen(error: unknown): CommandError | null {
  const { code, syscall } = error as NodeJS.ErrnoException
  if (syscall !== 'listen' && syscall !== 'getaddrinfo') return null
  return new CommandError(`The gateway cannot listen (${code}): free the address, or change gateway.listen.`, {
    cause: error,
  })
}

/** Resolves only when starting fails: what runs without some of its parts would look well and refuse everything. */
function failureOf(ready: Promise<void>): Promise<Error> {
  return new Promise((resolve) => {
    ready.catch((error: unknown) => resolve(error instanceof Error ? error : new Error(String(error))))
  })
}

function printConsoleLink(link: Promise<string | null>): void {
  link.then(
    (url) => {
      if (url !== null) process.stdout.write(`Approve in the console (this link works once, for 10 minutes): ${url}\n`)
    },
    () => undefined,
  )
}

/** Node 20 is past its end of life: it gets no more security fixes (github.com/nodejs/Release). */
function warnAboutNode(log: Log): void {
  const major = Number(process.versions.node.split('.')[0])
  if (major < 22 || major % 2 === 1) {
    log.warn('this line of Node.js gets no security fixes; run a service on Node 24', { node: process.versions.node })
  }
}

/** A second signal ends the process at once: someone insists. */
function signalled(): Promise<null> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => {
        process.once(signal, () => process.exit(1))
        resolve(null)
      })
    }
  })
}
