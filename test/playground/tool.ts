/**
 * Microsoft's Agents Playground, installed at the first use into the project's .cache, by its own lockfile. Its licence is
 * one for evaluation and its telemetry is turned off here: neither the product nor its tests depend on it. No install
 * script runs.
 */
import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { freePort, type Started, start, whenListening } from '../../demo/processes.ts'
import { APPROVALS, TEAM, TEAM_GROUP, TENANT } from '../support/fake-teams-world.ts'
import { ALICE, BOB } from '../support/teams-gateway.ts'

export interface Playground {
  readonly url: string
  readonly process: Started
}

export const MRIS = { bob: '29:bob', alice: '29:alice' } as const

export async function startPlayground(
  root: string,
  about: { readonly messagesUrl: string; readonly directory: string; readonly botMri: string },
): Promise<Playground> {
  const cache = path.join(root, '.cache/teams-playground/')
  await install(root, cache)
  const config = path.join(about.directory, 'm365agentsplayground.yml')
  await writeFile(config, JSON.stringify(configOf(about.botMri)))
  const port = await freePort()
  const cli = path.join(cache, 'node_modules/@microsoft/m365agentsplayground/cli.js')
  const process_ = start(
    process.execPath,
    [
      ...[cli, 'start', '--app-endpoint', about.messagesUrl, '--channel-id', 'msteams', '--port', String(port)],
      '--disable-telemetry',
    ],
    {
      cwd: about.directory,
      // It opens a browser by itself unless it takes this for a machine without one.
      env: { ...process.env, M365_AGENTS_PLAYGROUND_CONFIG_PATH: config, BROWSER: 'none', CI: 'true' },
    },
  )
  await whenListening(port, process_)
  return { url: `http://127.0.0.1:${port}`, process: process_ }
}

async function install(root: string, cache: string): Promise<void> {
  const script = (name: string) => import(pathToFileURL(path.join(root, 'scripts', name)).href)
  const { install: run } = (await script('install.mjs')) as { install(root: string): Promise<number> }
  const { withLock } = (await script('lock.mjs')) as { withLock<T>(root: string, work: () => Promise<T>): Promise<T> }
  await mkdir(cache, { recursive: true })
  const status = await withLock(cache, async () => {
    for (const file of ['package.json', 'package-lock.json']) {
      await copyFile(path.join(root, 'test/playground/tool', file), path.join(cache, file))
    }
    return run(cache)
  })
  if (status !== 0) throw new Error('the playground could not be installed: npm ci failed, and says why above')
}

/** The playground wants at least five people beside whoever looks at it. */
const OTHERS = ['Carol', 'Dan', 'Erin', 'Frank']
const other = (name: string, at: number) => ({
  ...{ oid: `0000000${at}-0000-4000-8000-00000000000d`, name, email: `${name.toLowerCase()}@example.com` },
})

/** Who looks at it is Bob, who may decide; the agents act for Alice. */
function configOf(botMri: string) {
  const person = (id: string, { oid, name, email }: typeof BOB) => ({
    ...{ id, name, email, userPrincipleName: email, aadObjectId: oid, givenName: name, surname: '-' },
  })
  return {
    version: '0.1.1',
    tenantId: TENANT,
    bot: { id: botMri, name: 'Countersign' },
    currentUser: person(MRIS.bob, BOB),
    users: [person(MRIS.alice, ALICE), ...OTHERS.map((name, at) => person(`29:${at}`, other(name, at)))],
    personalChat: { id: 'a:bob-and-the-bot' },
    groupChat: { id: '19:group@thread.v2', name: 'Group chat' },
    team: { id: TEAM, name: 'Operations', aadGroupId: TEAM_GROUP, channels: [{ id: APPROVALS, name: 'Approvals' }] },
  }
}
