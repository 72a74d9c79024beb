/**
 * `npm run teams:playground`: the whole gateway, with an agent whose calls are held, in Microsoft's Agents Playground. What
 * you write, click and fill in there goes the way that it goes in Teams; see signing.ts. `--screenshots DIR` drives it in
 * a browser of its own, and ends.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { stopAll } from '../../demo/processes.ts'
import { startFakeTeams } from '../support/fake-teams.ts'
import { APPROVALS } from '../support/fake-teams-world.ts'
import { type Gateway, POLICY, startWorld } from '../support/gateway.ts'
import { setup } from '../support/loopback-tls.ts'
import { connectAgent } from '../support/mcp-clients.ts'
import { ALICE, BOB, teamsSettings } from '../support/teams-gateway.ts'
import { drive } from './drive.ts'
import { startSigning } from './signing.ts'
import { MRIS, startPlayground } from './tool.ts'

/** From dist/test/playground. */
const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const say = (line: string) => process.stdout.write(`${line}\n`)

const AGENT_RESTS_MS = 2000

/** So that the form for access has something to offer. */
const ACCESS = `
access:
  - id: writing-for-a-while
    match: { upstream: files, tool: [write_file, edit_file] }
    longest: 2h
    approval: { deadline: 15m }
    reason: "A migration writes much."
`

const options = new Command('teams:playground')
  .description('Opens the gateway in Microsoft’s Agents Playground (installed at first use, under its own licence).')
  .option('--screenshots <dir>', 'drives it in a browser, leaves pictures there, and ends')
  .option('--verbose', 'prints what passes between the two')
  .parse()
  .opts<{ screenshots?: string; verbose?: true }>()

type Closers = (() => unknown)[]

async function main(closers: Closers): Promise<void> {
  closers.push(await setup())
  const directory = await mkdtemp(path.join(tmpdir(), 'countersign-playground-'))
  closers.push(() => rm(directory, { recursive: true, force: true }), stopAll)
  const users = [
    { ...BOB, mri: MRIS.bob },
    { ...ALICE, mri: MRIS.alice },
  ]
  const teams = await startFakeTeams({ users })
  closers.push(() => teams.close())
  const mris = Object.fromEntries(users.map(({ oid, mri }) => [oid, mri]))
  const signing = await startSigning({ teams, mris, log: options.verbose ? say : () => undefined })
  closers.push(() => signing.close())
  say('Starting the playground, and the gateway with Redis, an OIDC provider and an MCP server …')
  const { botMri } = teams
  const playground = await startPlayground(ROOT, { messagesUrl: signing.messagesUrl, directory, botMri })
  const world = await startWorld()
  closers.push(() => world.close())
  const endpoints = { ...teams.endpoints, connectors: [signing.origin] }
  const gateway = await world.startGateway({
    policy: `${POLICY}${ACCESS}`,
    settings: `channels:\n${teamsSettings({ ...teams, endpoints })}\npeople: { groups: { sre: [${BOB.email}] }, operators: [sre] }`,
  })
  signing.lead({ gateway: gateway.url, playground: playground.url })
  teams.deliverTo(signing.messagesUrl)
  await teams.install(APPROVALS)
  const calls = new AbortController()
  closers.push(() => calls.abort())
  const answers = ask(gateway, { files: world.files, begin: signing.opened, signal: calls.signal })
  if (options.screenshots !== undefined) return drive(playground.url, options.screenshots, answers)
  say(`Open ${playground.url} and look into Operations, Approvals. Ctrl-C ends it.`)
  await new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, resolve)
  })
}

/** One call after another; each is held until somebody decides it. */
function ask(
  gateway: Gateway,
  { files, begin, signal }: { files: string; begin: Promise<void>; signal: AbortSignal },
): readonly string[] {
  const answers: string[] = []
  const run = async () => {
    await begin
    const agent = await connectAgent('modern', gateway.mcp, await gateway.token())
    for (let count = 1; !signal.aborted; count += 1) {
      const file = path.join(files, `note-${count}.txt`)
      const answer = await agent.call('write_file', {
        path: file,
        content: `Note ${count}: *not bold*, {{DATE(2000-01-01)}}`,
      })
      answers.push(answer.text)
      say(`call ${count}: ${answer.text.slice(0, 200)}`)
      // What is not held, because it was frozen for instance, is answered at once.
      await pause(AGENT_RESTS_MS, undefined, { signal })
    }
  }
  run().catch((error: unknown) => signal.aborted || say(`the agent stopped: ${String(error)}`))
  return answers
}

const closers: Closers = []
try {
  await main(closers)
} catch (error) {
  say(error instanceof Error ? (error.stack ?? error.message) : String(error))
  process.exitCode = 1
} finally {
  for (const close of closers.reverse()) await close()
}
