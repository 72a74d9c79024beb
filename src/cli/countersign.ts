#!/usr/bin/env node
/** The command `countersign`. Exit codes: 0 ok, 1 no, 2 wrong usage. */
import { Command, CommanderError } from 'commander'
import { recordingsOf } from '../main.ts'
import { registerAudit } from './audit.ts'
import { registerDoctor } from './doctor.ts'
import { registerFreeze } from './freeze.ts'
import { registerGrants } from './grants.ts'
import { CommandError, loadSettings } from './load.ts'
import { registerMask } from './mask.ts'
import { registerPasskeys } from './passkeys.ts'
import { registerServe } from './serve.ts'
import { VERSION } from './version.ts'

const setExitCode = (code: 0 | 1 | 2) => {
  process.exitCode = code
}

const program = new Command('countersign')
  .description('An approval gateway between AI agents and their MCP servers.')
  .version(VERSION)
  .exitOverride()
  .showHelpAfterError('(--help shows how)')

registerServe(program, process.env)
registerDoctor(program, { env: process.env, output: process.stdout, setExitCode })
registerFreeze(program, { env: process.env, output: process.stdout, setExitCode })
registerMask(program, { input: process.stdin, output: process.stdout, errors: process.stderr, env: process.env })
registerGrants(program, { env: process.env, output: process.stdout, setExitCode })
registerPasskeys(program, { env: process.env, output: process.stdout, setExitCode })
registerAudit(program, {
  recordingsDirectory: async (file) => recordingsOf((await loadSettings(file, process.env)).value, file),
  digestZone: async (file) => (await loadSettings(file, process.env)).value.recordings.digest?.zone ?? 'UTC',
  output: process.stdout,
  env: process.env,
  setExitCode,
})

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
