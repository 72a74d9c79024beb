/**
 * What the commands share that operate the running system: they need the settings file and its Redis, and neither a
 * gateway nor a channel. Whoever may read the settings could as well stop the gateway, so that nobody is asked whether
 * they may; who did it is recorded all the same.
 */
import { userInfo } from 'node:os'
import path from 'node:path'
import { connectRedis, type RedisHandle } from '../../jobs/redis.ts'
import { epochMs } from '../brands.ts'
import type { Settings } from '../config/settings.ts'
import { GatewayError } from '../errors.ts'
import type { Reviewer } from '../people/reviewer.ts'
import type { Clock, Log } from '../ports.ts'
import { findRedis } from './find-redis.ts'
import type { Environment } from './load.ts'
import { CommandError, loadSettings } from './load.ts'
import type { Output } from './terminal.ts'

export interface OperatorWorld {
  readonly env: Environment
  readonly output: Output
  setExitCode(code: 0 | 1): void
}

export const clock: Clock = { now: () => epochMs(Date.now()) }
export const silent: Log = { info: () => undefined, warn: () => undefined, error: () => undefined }
/** Redis answers in milliseconds or is not there. */
const REDIS_PATIENCE_MS = 3_000

/** Rejects with a CommandError where Redis is away. */
export async function atRedis(
  settingsFile: string,
  env: Environment,
  work: (parts: { readonly redis: RedisHandle; readonly settings: Settings }) => Promise<void>,
): Promise<void> {
  const file = path.resolve(settingsFile)
  const settings = (await loadSettings(file, env)).value
  const server = await findRedis(settings, file, env, silent)
  const redis = connectRedis({ url: server.url, keyPrefix: settings.redis.keyPrefix, clock, log: silent })
  try {
    await redis.whenReady(AbortSignal.timeout(REDIS_PATIENCE_MS))
    await work({ redis, settings })
  } catch (error) {
    throw asCommandError(error)
  } finally {
    await redis.close()
    await server.stop()
  }
}

function asCommandError(error: unknown): unknown {
  if (error instanceof GatewayError) return new CommandError(`${error.message}. ${error.cure}`, { cause: error })
  const isTimeOut = error instanceof Error && error.name === 'TimeoutError'
  return isTimeOut ? new CommandError('Redis cannot be reached: start it, or correct redis.url (or REDIS_URL).') : error
}

/** More is no name. */
const NAME_CHARS_MAX = 200

/**
 * The user of this shell, whatever `--by` says: that is a name to call them by, and an address that is merely typed
 * proves nobody's.
 */
export function operatorOf(by: string | undefined, userName: () => string = () => userInfo().username): Reviewer {
  const user = shellUser(userName)
  return { id: `shell:${user}`, email: null, name: by?.trim().slice(0, NAME_CHARS_MAX) || user }
}

/** A container may run under a number that has no name; that must not keep anyone from stopping things. */
function shellUser(userName: () => string): string {
  try {
    return userName()
  } catch {
    return `uid-${process.getuid?.() ?? 'unknown'}`
  }
}
