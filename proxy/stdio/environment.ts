/**
 * The environment of an MCP server that the gateway starts: a few variables that programs can't do without, those of
 * the settings, and the lent credential. Never the gateway's own environment: it holds tokens of other upstreams, of
 * Slack and of Redis.
 */
import type { Lease } from '../../src/credential/lease.ts'
import type { Secret } from '../../src/secret.ts'

/** Where programs, the home, the language and temporary files are; nothing that people put secrets into. */
const PASSED = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'USER', 'LOGNAME', 'SHELL']
/** The same on Windows, and what its system libraries don't start without. */
const PASSED_ON_WINDOWS = [
  'PATH',
  'PATHEXT',
  'SYSTEMROOT',
  'SYSTEMDRIVE',
  'COMSPEC',
  'TEMP',
  'TMP',
  'USERPROFILE',
  'APPDATA',
  'LOCALAPPDATA',
  'PROGRAMFILES',
  'USERNAME',
]

export function childEnvironment(options: {
  /** The gateway's own. */
  readonly ambient: Readonly<Record<string, string | undefined>>
  readonly platform: NodeJS.Platform
  /** Of the settings. */
  readonly env: ReadonlyMap<string, Secret>
  readonly lease: Lease
}): Record<string, string> {
  const { ambient, platform, env, lease } = options
  const names = platform === 'win32' ? PASSED_ON_WINDOWS : PASSED
  const environment: Record<string, string> = {}
  for (const [name, value] of Object.entries(ambient)) {
    // Windows' names have no case: it says `Path`.
    const isPassed = names.includes(platform === 'win32' ? name.toUpperCase() : name)
    if (isPassed && value !== undefined) environment[name] = value
  }
  for (const [name, value] of env) environment[name] = value.reveal()
  // Last, so that nothing can stand where the credential goes.
  for (const [name, secret] of lease.environment ?? []) environment[name] = secret.reveal()
  return environment
}
