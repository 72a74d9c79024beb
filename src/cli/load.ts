/** Reads the settings file and the policy that it names, and prints every problem of either before anything starts. */
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import type { Problem } from '../config/problems.ts'
import { formatProblems } from '../config/problems.ts'
import type { Settings } from '../config/settings.ts'
import { channelNames, parseSettings } from '../config/settings.ts'
import type { CompiledPolicy } from '../policy/evaluate.ts'
import { loadPolicy } from '../policy/load.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** A sentence for people, and exit code 1: nothing that a stack trace would explain. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
}

export interface Loaded<T> {
  readonly value: T
  /** Formatted; empty where there are none. */
  readonly warnings: string
}

/** Throws CommandError with every problem, its place and its cure. */
export async function loadSettings(file: string, env: Environment): Promise<Loaded<Settings>> {
  const parsed = parseSettings(await readText(file, 'settings'), { env, file })
  if (!parsed.ok) throw problemsIn(file, parsed.problems)
  return { value: parsed.settings, warnings: formatProblems(parsed.warnings, file) }
}

/** Throws CommandError, as above. The path in the settings is relative to the settings file. */
export async function loadPolicyOf(settings: Settings, settingsFile: string): Promise<Loaded<CompiledPolicy>> {
  const file = path.resolve(path.dirname(settingsFile), settings.policy)
  const loaded = loadPolicy(await readText(file, 'policy'), {
    file,
    upstreams: [...settings.upstreams.keys()],
    groups: [...settings.people.groups.keys()],
    channels: channelNames(settings),
    workspaces: [...(settings.channels.slack?.workspaces.keys() ?? [])].map((name) => `slack/${name}`),
    canStepUp: settings.identity.signIns.length > 0,
  })
  if (!loaded.ok) throw problemsIn(file, loaded.problems)
  return { value: loaded.policy, warnings: formatProblems(loaded.warnings, file) }
}

/** Where the recordings lie: what is written is relative to the settings file. */
export function recordingsOf(settings: Settings, settingsFile: string): string {
  return path.resolve(path.dirname(settingsFile), settings.recordings.directory)
}

async function readText(file: string, what: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'does not exist' : 'cannot be read'
    throw new CommandError(`The ${what} file ${file} ${why}.`, { cause })
  }
}

function problemsIn(file: string, problems: readonly Problem[]): CommandError {
  const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`
  return new CommandError(`${count} in ${file}:\n${formatProblems(problems, file)}`)
}
