/** One approval in Slack and in the console at once, and what the channel reads when the session has ended. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { APPROVE_ACTION, DENY_ACTION } from '../../bots/slack/actions.ts'
import type { ConsoleReviewer } from '../../demo/console-reviewer.ts'
import type { FakeSlack } from '../support/fake-slack.ts'
import { startFakeSlack } from '../support/fake-slack.ts'
import type { Gateway, World } from '../support/gateway.ts'
import { COMMAND, startWorld } from '../support/gateway.ts'
import type { Agent } from '../support/mcp-clients.ts'
import { connectAgent } from '../support/mcp-clients.ts'
import { until } from '../support/until.ts'

const ALICE = { id: 'U1', name: 'alice', displayName: 'Alice', email: 'alice@example.com' }
const BOB = { id: 'U2', name: 'bob', displayName: 'Bob', email: 'bob@example.com' }

describe.each<[string, boolean]>([
  ['the Events API over HTTP', false],
  ['Socket Mode', true],
])('with Slack by %s', (_sentence, isSocketMode) => {
  let world: World
  let slack: FakeSlack
  let gateway: Gateway
  let reviewer: ConsoleReviewer
  let agent: Agent

  beforeAll(async () => {
    world = await startWorld()
    slack = await startFakeSlack({ users: [ALICE, BOB], messagesPerSecond: 100 })
    gateway = await world.startGateway({
      environment: {
        SLACK_BOT_TOKEN: slack.botToken,
        SLACK_SIGNING_SECRET: slack.signingSecret,
        SLACK_APP_TOKEN: slack.appToken,
      },
      settings: `
channels:
  slack:
    botToken: "\${SLACK_BOT_TOKEN}"
    signingSecret: "\${SLACK_SIGNING_SECRET}"
    appToken: "${isSocketMode ? slack.appToken : ''}"
    approvals: C0APPROVALS
    summaries: C0SUMMARIES
    apiUrl: ${slack.apiUrl}
  console: { reviewer: bob@example.com }
sessions: { idle: 3s }`,
    })
    slack.deliverTo(`${gateway.url}/slack/events`)
    if (isSocketMode) await slack.waitForConnections(1)
    reviewer = await gateway.console()
    agent = await connectAgent('modern', gateway.mcp, await gateway.token())
  })
  afterAll(async () => {
    await agent?.close()
    await slack?.close()
    await world?.close()
  })

  const cardFor = (name: string) => slack.waitForMessage(({ blocks }) => JSON.stringify(blocks).includes(name))
  const write = (name: string) => agent.call('write_file', { path: path.join(world.files, name), content: 'x' })

  it('shows the card in both, refuses the owner, counts one click, and repaints both with who decided', async () => {
    const call = write('slack-approved.txt')
    const card = await cardFor('slack-approved.txt')
    const text = JSON.stringify(card.blocks)
    for (const part of [
      'alice@example.com',
      'files',
      'write_file',
      'Writing needs a second pair of eyes.',
      'writing',
    ]) {
      expect(text).toContain(part)
    }
    const own = await slack.click({ messageTs: card.ts, actionId: APPROVE_ACTION, userId: ALICE.id })
    expect(own.ok, 'acknowledged within 3 s').toBe(true)
    const told = await slack.waitForEphemeral(({ userId }) => userId === ALICE.id)
    expect(told.text).toContain('the agent acts for you')
    expect(existsSync(path.join(world.files, 'slack-approved.txt'))).toBe(false)

    // A second client of Bob's that has not seen the repaint yet.
    const stale = slack.payloadOf({ messageTs: card.ts, actionId: DENY_ACTION, userId: BOB.id })
    expect((await slack.click({ messageTs: card.ts, actionId: APPROVE_ACTION, userId: BOB.id })).ok).toBe(true)
    expect((await call).isError).toBe(false)
    expect(existsSync(path.join(world.files, 'slack-approved.txt'))).toBe(true)
    const painted = await slack.waitForMessage(
      ({ ts, blocks }) => ts === card.ts && JSON.stringify(blocks).includes('Approved by'),
    )
    expect(JSON.stringify(painted.blocks)).not.toContain(APPROVE_ACTION)
    const decided = await until('the console repaints', async () =>
      (await reviewer.state()).json.decided.find(({ state }) => state === 'approved'),
    )
    expect(decided.outcome).toContain('bob@example.com')

    await slack.sendAgain(stale, 1)
    const late = await slack.waitForEphemeral(
      ({ userId, text: said }) => userId === BOB.id && said.includes('already approved'),
    )
    expect(late.text).toContain('changed nothing')
  })

  it('repaints Slack when the console decides', async () => {
    const call = write('console-denied.txt')
    const card = await cardFor('console-denied.txt')
    const shown = await until('the console shows it too', async () => (await reviewer.state()).json.pending[0])
    await reviewer.click(shown.approvalId, 'deny', 'Not now')
    expect((await call).text).toContain('Denied by a reviewer: Not now.')
    const painted = await slack.waitForMessage(
      ({ ts, blocks }) => ts === card.ts && JSON.stringify(blocks).includes('Denied by'),
    )
    expect(JSON.stringify(painted.blocks)).not.toContain(APPROVE_ACTION)
  })

  it('posts the session’s summary when it has been idle, with what the recording says', async () => {
    const session = (await gateway.events()).find(({ type }) => type === 'session.started')
    const recording = String(session?.session_id).replace('ses_', 'rec_')
    const summary = await slack.waitForMessage(
      ({ channel, blocks }) => channel === 'C0SUMMARIES' && JSON.stringify(blocks).includes('rec_'),
      60_000,
    )
    expect(JSON.stringify(summary.blocks)).toContain('1 approved, 1 denied')
    const details = await slack.waitForMessage(({ threadTs }) => threadTs === summary.ts)
    expect(JSON.stringify(details.blocks)).toContain(recording)
    expect(JSON.stringify(details.blocks)).toContain('Bob')
    const shown = await until('the console has it too', async () =>
      (await reviewer.state()).json.sessions.find(({ recordingId }) => recordingId === recording),
    )
    const show = await command('audit', 'show', recording, '--config', gateway.settingsFile)
    expect(show).toContain(shown.recordingHash)
    expect(show).toContain('write_file')
    expect(await command('audit', 'list', '--config', gateway.settingsFile)).toContain('alice@example.com')
  })

  it('passes the doctor, but for an address that Slack can’t reach', async () => {
    const printed = await command('doctor', '--config', gateway.settingsFile, '--json').catch(
      ({ stdout }: { stdout: string }) => stdout,
    )
    const lines = printed
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { check: string; ok: boolean; cure: string | null })
    const cures = lines.filter(({ ok }) => !ok).map(({ cure }) => cure)
    expect(cures).toEqual(isSocketMode ? [] : [expect.stringContaining('gateway.publicUrl')])
    expect(lines.map(({ check }) => check)).toEqual(
      expect.arrayContaining([
        'settings',
        'policy',
        `issuer ${world.issuer.issuer}`,
        'upstream files',
        'slack',
        'recordings',
      ]),
    )
  })

  /** Not synchronously: the issuer and Slack that the command asks live in this process. */
  async function command(...args: string[]): Promise<string> {
    const env = {
      ...process.env,
      UPSTREAM_KEY: 'upstream-key-7f3a9c',
      SLACK_BOT_TOKEN: slack.botToken,
      SLACK_SIGNING_SECRET: slack.signingSecret,
      SLACK_APP_TOKEN: slack.appToken,
    }
    return (await promisify(execFile)(process.execPath, [COMMAND, ...args], { env, timeout: 60_000 })).stdout
  }
})

describe('Slack accepts connections and never answers', () => {
  it('agents don’t wait for it: the console decides, and a stop is not held up', async () => {
    const world = await startWorld()
    let givenUp = 0
    const mute = http.createServer((request) => {
      request.on('close', () => {
        givenUp += 1
      })
    })
    mute.listen(0, '127.0.0.1')
    await once(mute, 'listening')
    const gateway = await world.startGateway({
      settings: `
channels:
  slack:
    botToken: xoxb-x
    appToken: xapp-x
    approvals: C0APPROVALS
    apiUrl: http://127.0.0.1:${(mute.address() as AddressInfo).port}/api/
  console: { reviewer: bob@example.com }`,
    })
    expect(givenUp, 'ready before the first question to Slack was given up').toBe(0)
    const agent = await connectAgent('modern', gateway.mcp, await gateway.token())
    const call = agent.call('write_file', { path: path.join(world.files, 'mute.txt'), content: 'x' })
    const reviewer = await gateway.console()
    const card = await until('the console shows it', async () => (await reviewer.state()).json.pending[0])
    await reviewer.click(card.approvalId, 'approve')
    expect((await call).isError).toBe(false)
    await agent.close()
    expect(await gateway.stop()).toBe(0)
    mute.closeAllConnections()
    mute.close()
    await world.close()
  })
})
