/** Which Redis a command works on: the same for the gateway and for whoever operates it. */
import { homedir } from 'node:os'
import path from 'node:path'
import { cacheDirectoryOf, startEmbeddedRedis } from '../../jobs/embedded-redis.ts'
import { parseRedisUrl } from '../../jobs/redis.ts'
import type { Settings } from '../config/settings.ts'
import type { Log } from '../ports.ts'
import { CommandError, type Environment } from './load.ts'

/** The settings, then REDIS_URL, then a real Redis of our own on loopback. */
export async function findRedis(
  settings: Settings,
  settingsFile: string,
  env: Environment,
  log: Log,
): Promise<{ url: string; stop(): Promise<void> }> {
  const configured = settings.redis.url?.reveal() ?? env.REDIS_URL
  if (configured) {
    try {
      parseRedisUrl(configured)
    } catch (cause) {
      throw new CommandError(`redis.url, or REDIS_URL: ${(cause as Error).message}.`, { cause })
    }
    return { url: configured, stop: async () => undefined }
  }
  const embedded = await startEmbeddedRedis({
    directory: path.join(path.dirname(settingsFile), '.countersign', 'redis'),
    log,
    path: env.PATH ?? '',
    cacheDirectory: cacheDirectoryOf({ xdgCacheHome: env.XDG_CACHE_HOME, home: homedir() }),
  })
  return embedded
}
