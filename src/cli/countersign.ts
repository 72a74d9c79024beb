#!/usr/bin/env node
/**
 * The command `countersign`. Exit codes: 0 ok, 1 no, 2 wrong usage.
 *
 * Only the code of the command that was asked for is loaded: all of it takes a second, and `mask` or `audit` in a script
 * needs none of what the gateway does. What is asked for in another way (help, a misspelt name) gets all of them.
 */
import { Command, CommanderError } from 'commander'
import { CommandError, loadSettings, recordingsOf } from './load.ts'
import { VERSION } from './version.ts'

const setExitCode = (code: 0 | 1 | 2) => {
  process.exitCode = code
}

const program = new Command('countersign')
  .description('An approval gateway between AI agents and their MCP servers.')
  .version(VERSION)
  .exitOverride()
  .showHelpAfterError('(--help shows how)')

const { env } = process
const world = { env, output: process.stdout, setExitCode }

/** In the order in which help lists them; each by the words that ask for it. */
const COMMANDS: readonly (readonly [words: readonly string[], register: () => Promise<void>])[] = [
  [['serve'], async () => (await import('./serve.ts')).registerServe(program, env)],
  [['doctor'], async () => (await import('./doctor.ts')).registerDoctor(program, world)],
  [['freeze', 'thaw'], async () => (await import('./freeze.ts')).registerFreeze(program, world)],
  [
    ['mask'],
    async () => {
      const { registerMask } = await import('./mask.ts')
      registerMask(program, { input: process.stdin, output: process.stdout, errors: process.stderr, env })
    },
  ],
  [['grants', 'holds'], async () => (await import('./grants.ts')).registerGrants(program, world)],
  [['teams'], async () => (await import('./teams.ts')).registerTeams(program, world)],
  [['passkeys'], async () => (await import('./passkeys.ts')).registerPasskeys(program, world)],
  [
    ['audit'],
    async () => {
      const { registerAudit } = await import('./audit.ts')
      registerAudit(program, {
        ...world,
        recordingsDirectory: async (file) => recordingsOf((await loadSettings(file, env)).value, file),
        digestZone: async (file) => (await loadSettings(file, env)).value.recordings.digest?.zone ?? 'UTC',
      })
    },
  ],
]

const [asked = ''] = process.argv.slice(2)
const wanted = COMMANDS.find(([words]) => words.includes(asked))
if (wanted !== undefined) await wanted[1]()
else if (asked !== '--version' && asked !== '-V') for (const [, register] of COMMANDS) await register()

try {
  await program.parseAsync()
} catch (error) {
  if (error instanceof CommanderError) {
    // Help and version are no mistakes; everything else that commander refuses is usage.
    setExitCode(error.exitCode === 0 ? 0 : 2)
  } else {
    const message =
      error instanceof CommandError || !(error instanceof Error)
        ? String((error as Error).message ?? error)
        : String(error.stack)
    process.stderr.write(`${message}\n`)
    setExitCode(1)
  }
}
