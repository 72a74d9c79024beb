/**
 * `countersign teams package`: the app package for Teams, ready to upload, from the settings file and nothing else. The same
 * settings make the same bytes, so that whoever reviews a package can make it again.
 */
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Command } from 'commander'
import { zipSync } from 'fflate'
import { fillManifest } from '../../bots/teams/app-package.ts'
import { CommandError, type Environment, loadSettings } from './load.ts'
import { createTerminal, type Output } from './terminal.ts'
import { VERSION } from './version.ts'

export interface TeamsWorld {
  readonly env: Environment
  readonly output: Output
}

interface PackageOptions {
  readonly config: string
  readonly out: string
  readonly appVersion: string
  readonly json?: boolean
}

/** A zip knows no earlier year; of no meaning here. Built from local parts, as a zip stores local time. */
const MTIME = new Date(1980, 0, 1)
const ICONS = ['color.png', 'outline.png'] as const

export function registerTeams(program: Command, world: TeamsWorld): void {
  program
    .command('teams')
    .description('Microsoft Teams')
    .command('package')
    .description('write the app package to upload to Teams, with the ids of the settings')
    .requiredOption('--config <file>', 'the settings file')
    .option('--out <file>', 'where to write it', 'countersign-teams.zip')
    .option('--app-version <version>', 'higher than of the package that it replaces', VERSION)
    .option('--json', 'one JSON value')
    .addHelpText('after', HELP)
    .action(async (options: PackageOptions, command: Command) => {
      if (!/^\d{1,5}\.\d{1,5}\.\d{1,5}$/.test(options.appVersion)) {
        command.error('error: --app-version is three numbers, like 1.0.1', { exitCode: 2 })
      }
      const made = await makePackage(options, world.env)
      const terminal = createTerminal(world.output, world.env)
      if (options.json) return terminal.json(made)
      terminal.line(['good', `Wrote ${made.file}`], `, version ${made.version} of app ${made.appId}.`)
      terminal.line('Upload it: Teams admin center, Teams apps, Manage apps, Upload new app.')
    })
}

const HELP = `
Examples:
  $ countersign teams package --config countersign.yaml
  $ countersign teams package --config countersign.yaml --app-version 1.0.1 --out new.zip`

async function makePackage({ config, out, appVersion }: PackageOptions, env: Environment) {
  const { gateway, channels } = (await loadSettings(path.resolve(config), env)).value
  if (channels.teams === null) {
    throw new CommandError(`${config}: channels.teams is missing. Write it first: its ids go into the package.`)
  }
  const url = new URL(gateway.publicUrl)
  if (url.protocol !== 'https:') {
    throw new CommandError(`${config}: gateway.publicUrl is not https. Teams sends to https alone: put TLS in front.`)
  }
  const { appId, graph } = channels.teams
  const folder = manifestFolder()
  const text = await readFile(new URL('manifest.json', folder), 'utf8')
  const manifest = fillManifest(text, { appId, graph, host: url.hostname, version: appVersion })
  const icons = await Promise.all(ICONS.map(async (name) => [name, await readFile(new URL(name, folder))] as const))
  const files = { 'manifest.json': Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`), ...Object.fromEntries(icons) }
  const file = path.resolve(out)
  try {
    await writeFile(file, zipSync(files, { mtime: MTIME, level: 9 }))
  } catch (cause) {
    throw new CommandError(
      `${file} cannot be written (${(cause as NodeJS.ErrnoException).code}). Name another --out.`,
      {
        cause,
      },
    )
  }
  return { file, appId, version: appVersion, graph }
}

/** Beside the sources, and beside what is built of them. */
function manifestFolder(): URL {
  const folders = ['../../manifests/teams/', '../../../manifests/teams/'].map((up) => new URL(up, import.meta.url))
  const found = folders.find((folder) => existsSync(new URL('manifest.json', folder)))
  if (found === undefined) throw new CommandError('manifests/teams is not beside this program: install it whole.')
  return found
}
