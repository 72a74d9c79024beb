/**
 * `countersign doctor`: tries everything that the settings name, one line each, with the cure for what fails. Changes
 * nothing: no embedded Redis is started for it and no card is posted.
 */
import { existsSync } from 'node:fs'
import { access, constants, stat, statfs } from 'node:fs/promises'
import path from 'node:path'
import type { Command } from 'commander'
import { checkSignIn } from '../../bots/step-up/step-up.ts'
import { checkTeams } from '../../bots/teams/check.ts'
import { createConversations } from '../../jobs/conversations.ts'
import { connectRedis, inspectRedis } from '../../jobs/redis.ts'
import { KNOWN_BY_TOKENS } from '../../jobs/signed-in-groups.ts'
import { createAuthenticator } from '../../proxy/authenticate/authenticator.ts'
import { createStaticBroker } from '../../proxy/broker/static.ts'
import { createCatalogue } from '../../proxy/catalogue.ts'
import { openUpstreams } from '../../proxy/upstreams.ts'
import { epochMs } from '../brands.ts'
import type { Settings } from '../config/settings.ts'
import { GatewayError } from '../errors.ts'
import { credentialsOf, openDirectories, openSlack, openTeamsTransport } from '../main.ts'
import { createMasker } from '../masking/masker.ts'
import type { CompiledPolicy } from '../policy/evaluate.ts'
import type { Clock, Conversations, Log } from '../ports.ts'
import type { Environment } from './load.ts'
import { CommandError, loadPolicyOf, loadSettings, recordingsOf } from './load.ts'
import type { Output } from './terminal.ts'
import { createTerminal } from './terminal.ts'
import { VERSION } from './version.ts'

export interface Check {
  readonly check: string
  readonly ok: boolean
  readonly detail: string
  /** What to do about it; null where nothing is wrong. */
  readonly cure: string | null
}

export interface DoctorWorld {
  readonly env: Environment
  readonly output: Output
  setExitCode(code: 0 | 1): void
}

const clock: Clock = { now: () => epochMs(Date.now()) }
const silent: Log = { info: () => undefined, warn: () => undefined, error: () => undefined }
/** Redis answers in milliseconds or is not there. */
const REDIS_PATIENCE_MS = 3_000
/** Recordings of a busy day; below it the next night may fill the disk. */
const DISK_FREE_MIN_BYTES = 1024 ** 3

export function registerDoctor(program: Command, world: DoctorWorld): void {
  program
    .command('doctor')
    .description('check everything that the settings name')
    .requiredOption('--config <file>', 'the settings file')
    .option('--json', 'one JSON value a line')
    .addHelpText('after', '\nExample:\n  $ countersign doctor --config countersign.yaml')
    .action(async (options: { config: string; json?: boolean }) => {
      const terminal = createTerminal(world.output, world.env)
      let failed = 0
      for await (const check of examine(path.resolve(options.config), world.env)) {
        if (!check.ok) failed += 1
        if (options.json) terminal.json(check)
        else {
          terminal.line([check.ok ? 'good' : 'bad', check.ok ? 'ok    ' : 'FAILED'], ` ${check.check}: ${check.detail}`)
          if (check.cure !== null) terminal.line(['faint', `         ${check.cure}`])
        }
      }
      if (!options.json) terminal.line(failed === 0 ? 'Everything is in order.' : `${failed} of these must be mended.`)
      if (failed > 0) world.setExitCode(1)
    })
}

async function* examine(file: string, env: Environment): AsyncGenerator<Check> {
  let settings: Settings
  try {
    settings = (await loadSettings(file, env)).value
    yield passed('settings', file)
  } catch (error) {
    yield failedWith('settings', error, 'Correct the settings file.')
    return
  }
  const policy = await checkPolicy(settings, file)
  yield policy.check
  yield* checkRedis(settings, env)
  yield* checkIssuers(settings)
  yield* checkSignIns(settings)
  yield* checkUpstreams(settings, file, env)
  yield* checkSlack(settings, policy.rooms)
  const known = openKnown(settings, env)
  try {
    yield* checkTeamsApp(settings, { rooms: policy.rooms, conversations: known.conversations })
    yield* checkGroups(settings, { rooms: policy.rooms, conversations: known.conversations })
  } finally {
    await known.close()
  }
  yield* checkDisk(recordingsOf(settings, file))
}

async function checkPolicy(
  settings: Settings,
  file: string,
): Promise<{ readonly check: Check; readonly rooms: CompiledPolicy['rooms'] }> {
  try {
    const { value } = await loadPolicyOf(settings, file)
    const detail = `${value.rules.length} rules, version ${value.version.slice(0, 12)}`
    return { check: passed('policy', detail), rooms: value.rooms }
  } catch (error) {
    return { check: failedWith('policy', error, 'Correct the policy file.'), rooms: [] }
  }
}

async function* checkRedis(settings: Settings, env: Environment): AsyncGenerator<Check> {
  const url = settings.redis.url?.reveal() ?? env.REDIS_URL
  if (!url) {
    yield passed('redis', 'none configured: the gateway starts its own on loopback')
    return
  }
  const redis = connectRedis({ url, keyPrefix: settings.redis.keyPrefix, clock, log: silent })
  try {
    await redis.whenReady(AbortSignal.timeout(REDIS_PATIENCE_MS))
    for (const { check, ok, detail, cure } of await inspectRedis(redis)) {
      yield { check: `redis ${check}`, ok, detail, cure: ok ? null : cure }
    }
  } catch {
    yield problem('redis', 'cannot be reached', 'Start it, or correct redis.url (or REDIS_URL).')
  } finally {
    await redis.close()
  }
}

async function* checkIssuers(settings: Settings): AsyncGenerator<Check> {
  const { publicUrl } = settings.gateway
  const { issuers } = settings.identity
  const authenticator = createAuthenticator({ issuers, publicUrl, clock, log: silent, onStaleKeys: () => undefined })
  for (const { issuer, ok, keys, problem: why } of await authenticator.warm()) {
    if (ok) yield passed(`issuer ${issuer}`, `${keys} signing ${keys === 1 ? 'key' : 'keys'}`)
    else yield problem(`issuer ${issuer}`, why ?? 'its keys cannot be read', 'Check identity.issuers and the network.')
  }
  authenticator.close()
}

/** The client's id and secret show only when somebody signs in; what the issuer must know of us is told. */
async function* checkSignIns({ identity, gateway }: Settings): AsyncGenerator<Check> {
  for (const signIn of identity.signIns) {
    const check = `signing in at ${signIn.issuer}`
    try {
      await checkSignIn(signIn, gateway.publicUrl, clock)
      yield passed(check, `it must allow the redirect URI ${gateway.publicUrl}/step-up/callback`)
    } catch {
      const cure = 'It must be an OpenID Connect provider, by exactly this name; or remove its signIn.'
      yield problem(check, 'its metadata cannot be read, or lack what signing in needs', cure)
    }
  }
}

async function* checkUpstreams(settings: Settings, file: string, env: Environment): AsyncGenerator<Check> {
  const world = { masker: createMasker(), clock, log: silent, version: VERSION }
  const upstreams = openUpstreams(settings.upstreams, { ...world, directory: path.dirname(file), environment: env })
  const broker = createStaticBroker(credentialsOf(settings))
  const catalogue = createCatalogue({ upstreams: upstreams.sources, broker, clock, log: silent, version: VERSION })
  for (const [name, { kind }] of settings.upstreams) {
    try {
      const tools = await catalogue.look(name)
      yield passed(`upstream ${name}`, `${tools.size} tools`)
    } catch (error) {
      const key = kind === 'http' ? 'url' : 'command'
      yield failedWith(`upstream ${name}`, error, `Check that it runs, and upstreams.${name}.${key} and .credential.`)
    }
  }
  await upstreams.close()
}

async function* checkSlack(settings: Settings, rooms: CompiledPolicy['rooms']): AsyncGenerator<Check> {
  const refuse = () => Promise.reject(new GatewayError('internal', 'doctor takes no reviews'))
  const reviews = {
    submit: refuse,
    resolveRun: refuse,
    stillMay: refuse,
    ask: refuse,
    answer: refuse,
    remind: refuse,
    cancel: refuse,
    denyAll: refuse,
  }
  const freezing = { desk: { freeze: refuse, thaw: refuse }, list: refuse, upstreams: [] }
  const nobody = {
    ...{ reviews, readings: { seen: refuse }, access: null, grants: null, home: null, stepUpLink: null },
    ...{ freezing, isFirst: refuse },
  }
  const slack = await openSlack(
    { settings, clock, log: silent },
    { get: async () => null, listPending: async () => [] },
    nobody,
  )
  if (slack === null) return
  const { publicUrl } = settings.gateway
  for (const { ok, what, cure } of await slack.check({ publicUrl, rooms }))
    yield { check: 'slack', ok, detail: what, cure }
}

interface Where {
  readonly rooms: CompiledPolicy['rooms']
  readonly conversations: Conversations
}

async function* checkTeamsApp(settings: Settings, { rooms, conversations }: Where): AsyncGenerator<Check> {
  const { teams } = settings.channels
  const transport = openTeamsTransport({ settings, clock, log: silent })
  if (teams === null || transport === null) return
  const { publicUrl } = settings.gateway
  for (const line of await checkTeams(
    { settings: teams, transport, conversations, clock, log: silent },
    { publicUrl, rooms },
  )) {
    yield { check: 'teams', ok: line.ok, detail: line.what, cure: line.cure }
  }
}

/**
 * What Teams told the running gateway of, read and never changed: outside of Microsoft's public cloud nothing else says
 * how a conversation is reached. Where Redis is away, or the gateway starts its own, each is asked about where the
 * settings lead.
 */
function openKnown(
  settings: Settings,
  env: Environment,
): { readonly conversations: Conversations; close(): Promise<void> } {
  const url = settings.redis.url?.reveal() ?? env.REDIS_URL
  if (!url || settings.channels.teams === null) return { conversations: NO_CONVERSATIONS, close: async () => undefined }
  const redis = connectRedis({ url, keyPrefix: settings.redis.keyPrefix, clock, log: silent })
  const ready = redis.whenReady(AbortSignal.timeout(REDIS_PATIENCE_MS))
  // Told by checkRedis.
  ready.catch(() => undefined)
  const { get, withPerson, rooms } = createConversations(redis)
  return {
    conversations: {
      ...NO_CONVERSATIONS,
      get: (id) => ready.then(() => get(id)).catch(() => null),
      withPerson: (tenantId, oid) => ready.then(() => withPerson(tenantId, oid)).catch(() => null),
      rooms: (max) => ready.then(() => rooms(max)).catch(() => []),
    },
    close: () => redis.close(),
  }
}

const NO_CONVERSATIONS: Conversations = {
  remember: async () => undefined,
  get: async () => null,
  withPerson: async () => null,
  rooms: async () => [],
  forget: async () => undefined,
}

/** Each group elsewhere once, with the groups of people.groups that it is a member of. */
async function* checkGroups(settings: Settings, { rooms, conversations }: Where): AsyncGenerator<Check> {
  const namedIn = new Map<string, string[]>()
  for (const [name, { lookedUp }] of settings.people.groups) {
    for (const member of lookedUp) namedIn.set(member, [...(namedIn.get(member) ?? []), name])
  }
  const { groups: sources } = await openDirectories(
    { settings, clock, log: silent },
    { transport: openTeamsTransport({ settings, clock, log: silent }), conversations, rooms },
  )
  for (const [member, names] of namedIn) {
    const check = `people.groups ${names.join(', ')}`
    const source = sources.find((one) => one.knows(member))
    // What tokens say is looked up in no place that could be tried.
    if (source === undefined) yield passed(check, `${member}: ${KNOWN_BY_TOKENS}`)
    else {
      const { ok, detail, cure } = await source.examine(member)
      yield { check, ok, detail: `${member}: ${detail}`, cure }
    }
  }
}

async function* checkDisk(directory: string): AsyncGenerator<Check> {
  try {
    const nearest = nearestExisting(directory)
    await access(nearest, constants.W_OK)
    if (!(await stat(nearest)).isDirectory()) throw new Error('a file is in the way')
    const { bavail, bsize } = await statfs(nearest)
    const free = bavail * bsize
    const detail = `${directory}, ${Math.floor(free / 1024 ** 2)} MiB free`
    if (free >= DISK_FREE_MIN_BYTES) yield passed('recordings', detail)
    else yield problem('recordings', detail, 'Free at least 1 GiB: without space nothing goes through.')
  } catch {
    yield problem('recordings', `${directory} cannot be written`, 'Give this user the right to write there.')
  }
}

/** Where `serve` would make the directory: it makes it for its own user alone, so it is not to be made here. */
function nearestExisting(directory: string): string {
  return existsSync(directory) ? directory : nearestExisting(path.dirname(directory))
}

function passed(check: string, detail: string): Check {
  return { check, ok: true, detail, cure: null }
}

function problem(check: string, detail: string, cure: string): Check {
  return { check, ok: false, detail, cure }
}

/** Only messages that were written for people. */
function failedWith(check: string, error: unknown, cure: string): Check {
  const isOurs = error instanceof CommandError || error instanceof GatewayError
  return problem(check, isOurs ? error.message : 'failed', cure)
}
