/** Sets the stage: the parts behind the demo, each a real one, each on a free port of this machine's loopback. */
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { BOB } from './cast.ts'
import type { SlackUse } from './example-files.ts'
import { policyText, settingsText, slackUseOf } from './example-files.ts'
import { startFilesystemUpstream } from './filesystem-upstream.ts'
import type { GatewayProcess } from './gateway-process.ts'
import { startGateway } from './gateway-process.ts'
import { freePort, start, stopAll } from './processes.ts'
import type { Step, Trace } from './trace.ts'
import { must } from './until.ts'
import type { Witness } from './witness.ts'
import { startWitness } from './witness.ts'
import type { PlantedFiles, Workspace } from './workspace.ts'
import { openWorkspace, plantFiles } from './workspace.ts'

const ISSUER = fileURLToPath(new URL('issuer-process.js', import.meta.url))
/** Long enough to read the card, short enough to be waited for. */
const DEADLINE_MINUTES = 10
export const DEADLINE_MS = DEADLINE_MINUTES * 60_000

export type Environment = Readonly<Record<string, string | undefined>>

export interface Play {
  readonly trace: Trace
  readonly env: Environment
  /** Null: a temporary one. */
  readonly directory: string | null
  /** What was started, in that order; ended in reverse, wherever the demo stands. */
  readonly closers: (() => Promise<void> | void)[]
}

export interface Setting {
  readonly workspace: Workspace
  readonly planted: PlantedFiles
  /** Whether people can decide in Slack too. */
  readonly isInSlack: boolean
  readonly issuer: string
  /** The MCP server's own key, which only the gateway holds. */
  readonly apiKey: string
  readonly witness: Witness
  readonly gateway: GatewayProcess
  /** The agent's endpoint. */
  readonly mcp: string
  /** Opens the console, once. */
  readonly consoleLink: string
}

export async function setTheStage(play: Play): Promise<Setting> {
  const { trace, env } = play
  const apiKey = randomBytes(24).toString('base64url')
  trace.heading('The parts, each on a free port that only this machine reaches')
  const { workspace, planted } = await plant(play)
  const witness = await startServer(play, workspace, apiKey)
  const issuer = await trace.step('A real OIDC provider, in the shape of Okta', startIssuer)
  const slack = slackUseOf(env)
  const gateway = await trace.step('Countersign itself, with a real Redis', (step) =>
    startGatewayOn(play, { workspace, upstream: witness.url, issuer, apiKey, slack }, step),
  )
  return { workspace, planted, issuer, apiKey, witness, ...gateway }
}

function plant({ trace, directory, closers }: Play) {
  return trace.step('A directory for the agent to work in', async (step) => {
    const workspace = await openWorkspace(directory)
    closers.push(() => workspace.close(), stopAll)
    const planted = await plantFiles(workspace.files, randomBytes(18).toString('hex'))
    step.detail(workspace.files)
    step.detail('notes.md has a secret in it, made up for this run; so has production.env')
    return { workspace, planted }
  })
}

function startServer({ trace, closers }: Play, { files }: Workspace, apiKey: string): Promise<Witness> {
  return trace.step('A real MCP server on it, closed to all who lack its key', async (step) => {
    const upstream = await startFilesystemUpstream({ directory: files, apiKey })
    const refused = await fetch(upstream.url, { method: 'POST' })
    await refused.body?.cancel()
    must(refused.status === 401, `Without the key it should answer 401, and it answered ${refused.status}.`)
    const witness = await startWitness(upstream.url)
    closers.push(() => witness.close())
    step.detail(`@modelcontextprotocol/server-filesystem behind mcp-proxy, ${upstream.url}`)
    step.detail(`A witness before it notes what reaches it: ${witness.url}`)
    return witness
  })
}

async function startIssuer(step: Step): Promise<string> {
  const running = start(process.execPath, [ISSUER])
  const [, issuer = ''] = await running.line(/^issuer (\S+)$/m)
  step.detail(issuer)
  return issuer
}

async function startGatewayOn(
  { env, closers }: Play,
  parts: Pick<Setting, 'workspace' | 'issuer' | 'apiKey'> & { readonly upstream: string; readonly slack: SlackUse },
  step: Step,
): Promise<Pick<Setting, 'gateway' | 'mcp' | 'consoleLink' | 'isInSlack'>> {
  const { workspace, upstream, issuer, apiKey, slack } = parts
  const { settingsFile, policyFile } = workspace
  const port = await freePort()
  // In a Redis that others use as well (REDIS_URL), no two runs must meet.
  const keyPrefix = `demo-${randomBytes(3).toString('hex')}`
  await writeFile(settingsFile, settingsText({ port, issuer, upstream, reviewer: BOB.login, keyPrefix, slack }))
  await writeFile(policyFile, policyText({ deadline: `${DEADLINE_MINUTES}m`, slack }))
  const gateway = startGateway(settingsFile, { ...env, FILES_API_KEY: apiKey })
  closers.push(() => endGateway(gateway, workspace))
  const consoleLink = await gateway.ready(step.progress)
  step.detail(`http://127.0.0.1:${port}`)
  step.detail(`${settingsFile}, with policy.yaml beside it, says what it does`)
  step.detail(redisUsed(env, gateway.output()))
  step.detail(slackUsed(slack, port, gateway.output()))
  const isInSlack = gateway.output().includes('slack socket mode connected')
  return { gateway, mcp: `http://127.0.0.1:${port}/mcp/files`, consoleLink, isInSlack }
}

async function endGateway(gateway: GatewayProcess, { directory, isKept }: Workspace): Promise<void> {
  await gateway.stop()
  if (isKept) await writeFile(path.join(directory, 'gateway.log'), gateway.output())
}

function redisUsed(env: Environment, log: string): string {
  if (env.REDIS_URL) return 'Redis: the one that REDIS_URL names'
  const [, port, program = ''] = /embedded server started .*port=(\d+) program=(.*)/.exec(log) ?? []
  return port === undefined ? 'Redis: the one of the run before' : `Redis, port ${port}: ${program.replaceAll('"', '')}`
}

function slackUsed(slack: SlackUse, port: number, log: string): string {
  const [, problem] = /error (slack (?:does not accept the bot token|socket mode not connected).*)/.exec(log) ?? []
  if (problem !== undefined) return `Slack: cannot be reached (${problem}); approve in the console`
  switch (slack.kind) {
    case 'socket':
      return 'Slack: connected by Socket Mode; the card appears there as well as in the console'
    case 'http':
      return (
        'Slack: the card is posted there, but clicks come back only by a public https URL that leads to ' +
        `http://127.0.0.1:${port}/slack/events. With SLACK_APP_TOKEN (Socket Mode) none is needed.`
      )
    case 'none':
      return `Slack: not connected (to do so, set ${slack.missing.join(', ')})`
  }
}
