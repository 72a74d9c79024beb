/**
 * Elevated access from Teams to the agent and back, against the built gateway: asked for in the dialog, approved on its
 * card, used by the agent, revoked at home, held again; and what people write to the bot: home, access, status, freeze, thaw.
 */
import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { APPROVE_ACTION, DENY_ACTION } from '../../bots/chat/actions.ts'
import {
  ACCESS_DIALOG,
  ACCESS_DURATION_INPUT,
  ACCESS_REASON_INPUT,
  ACCESS_UPSTREAM_INPUT,
  toolsInputOf,
} from '../../bots/teams/access-dialog.ts'
import { HOME_REVOKE, HOME_SHOW } from '../../bots/teams/home-card.ts'
import type { SeenDialog } from '../support/fake-teams-client.ts'
import { APPROVALS, type FakeMessage, type FakePerson, GROUP_CHAT } from '../support/fake-teams-world.ts'
import { COMMAND, startWorld, UPSTREAM_KEY, type World } from '../support/gateway.ts'
import { type RawAgent, rawAgent, textOf } from '../support/raw-agent.ts'
import { ALICE, BOB, CAROL, startTeamsGateway, type TeamsGateway } from '../support/teams-gateway.ts'
import { textOf as wordsOf } from '../support/teams-part.ts'

/** A busy machine posts late. */
const PATIENCE_MS = 40_000
const GUEST: FakePerson = {
  oid: '99999999-0000-4000-8000-000000000009',
  ...{ name: 'Gus', email: 'gus@example.com', userRole: 'guest', userType: 'Guest' },
}

const POLICY = `
version: 1
defaults: { effect: deny }
rules:
  - id: writing
    match: { upstream: files, tool: "write_*" }
    effect: require_approval
    approval: { from: [ops] }
  - id: reading
    match: { upstream: files, tool: ["read_*", "list_*"] }
    effect: allow
access:
  - id: writers
    match: { upstream: files, tool: "write_*" }
    longest: 1h
    approval: { from: [ops] }
`

let world: World
let started: TeamsGateway
let agent: RawAgent
let serial = 0
const over = new AbortController()

beforeAll(async () => {
  world = await startWorld()
  started = await startTeamsGateway(world, {
    library: 'agents-hosting',
    teams: { users: [ALICE, BOB, CAROL, GUEST] },
    channels: '  console: { enabled: false }',
    gateway: {
      policy: POLICY,
      settings: 'people: { groups: { ops: [bob@example.com] }, operators: [ops] }',
    },
  })
  const { mcp } = started.gateway
  const raw = rawAgent(mcp, await started.gateway.token())
  await raw.initialize()
  agent = raw
}, 120_000)
afterAll(async () => {
  over.abort()
  await started?.close()
  await world?.close()
})

const json = (value: unknown) => JSON.stringify(value)
const inTalk = (who: string) => started.teams.personalConversation(who)

/** The bot's next message there, of which this holds. */
async function answered(conversationId: string, act: () => Promise<unknown>, holds = ''): Promise<FakeMessage> {
  const before = new Set(started.teams.messages.map(({ id }) => id))
  await act()
  return started.teams.waitForMessage(
    (one) =>
      !before.has(one.id) &&
      one.conversationId === conversationId &&
      one.from === started.teams.botMri &&
      (json(one.card) + one.text).includes(holds),
    PATIENCE_MS,
  )
}

const said = ({ text, summary }: FakeMessage) => text + summary
const say = (user: string, text: string, conversation = 'personal') => started.teams.say({ user, conversation, text })

async function written(): Promise<string> {
  const args = { path: path.join(world.files, `a${++serial}.txt`), content: 'x' }
  const body = {
    jsonrpc: '2.0',
    id: `call-${serial}`,
    method: 'tools/call',
    params: { name: 'write_file', arguments: args },
  }
  const { messages } = await agent.post(body, { signal: over.signal })
  const last = messages.at(-1)
  return last === undefined ? '' : textOf(last)
}

function opened(seen: SeenDialog): Extract<SeenDialog, { kind: 'dialog' }> {
  if (seen.kind !== 'dialog') throw new Error(json(seen))
  return seen
}

/** From its first screen on to what it says at the end. */
async function ask(first: Extract<SeenDialog, { kind: 'dialog' }>, reason: string): Promise<string> {
  const { teams } = started
  let { id, card } = first
  if (!json(card).includes(toolsInputOf('files'))) {
    const inputs = json(card).includes(ACCESS_UPSTREAM_INPUT) ? { [ACCESS_UPSTREAM_INPUT]: 'files' } : {}
    ;({ id, card } = opened(await teams.submitDialog({ dialogId: id, action: 'Show its tools', inputs })))
  }
  const chosen = {
    [toolsInputOf('files')]: 'write_file',
    [ACCESS_DURATION_INPUT]: '3600000',
    [ACCESS_REASON_INPUT]: reason,
  }
  const looked = opened(await teams.submitDialog({ dialogId: id, action: 'Look again', inputs: chosen }))
  expect(wordsOf(looked.card)).toContain('write_file: passes without a card')
  const done = opened(await teams.submitDialog({ dialogId: id, action: 'Ask', inputs: chosen }))
  const said = wordsOf(done.card)
  expect(await teams.submitDialog({ dialogId: id, action: 'Close' })).toEqual({ kind: 'closed' })
  return said
}

const requestCard = (reason: string) =>
  started.teams.waitForMessage(
    ({ conversationId, card }) => conversationId === APPROVALS && json(card).includes(reason),
    PATIENCE_MS,
  )

it('[REQ-TEAMS-4] welcomes whoever installs it for themselves, and the welcome leads home', async () => {
  const { teams } = started
  const welcome = await answered(inTalk('Carol'), () => teams.install(inTalk('Carol'), 'Carol'), 'write “home”')
  const home = await teams.click({ user: 'Carol', messageId: welcome.id, action: HOME_SHOW })
  expect(json(home)).toContain('Waits for you')
})

it('[REQ-ACCESS-1] access asked for in the dialog, approved in Teams, is the agent’s until it is revoked at home', async () => {
  const { teams, gateway } = started
  const opener = await answered(inTalk('Alice'), () => say('Alice', 'access'))
  const first = opened(await teams.openDialog({ user: 'Alice', messageId: opener.id, action: 'Ask for access…' }))
  expect(await ask(first, 'Migrating the archive')).toContain('Asked.')

  const card = await requestCard('Migrating the archive')
  expect(
    json(await teams.click({ user: 'Alice', messageId: card.id, action: APPROVE_ACTION, isBaseView: true })),
  ).toMatch(/You asked for this|yourself|acts for you/)
  await teams.click({ user: 'Bob', messageId: card.id, action: APPROVE_ACTION, isBaseView: true })
  await teams.waitForMessage((one) => one.id === card.id && json(one.card).includes('Approved by'), PATIENCE_MS)
  expect(await written()).toContain('Successfully wrote')

  const home = await answered(inTalk('Alice'), () => say('Alice', 'home'), HOME_REVOKE)
  const revoked = await teams.click({ user: 'Alice', messageId: home.id, action: HOME_REVOKE })
  expect(json(revoked)).toContain('None. Ask for one with')

  const held = written()
  const again = await teams.waitForMessage(
    (one) => one.conversationId === APPROVALS && json(one.card).includes(`a${serial}.txt`),
    PATIENCE_MS,
  )
  await teams.click({ user: 'Bob', messageId: again.id, action: DENY_ACTION, isBaseView: true })
  expect(await held).toContain('Denied by a reviewer')
  const ended = (await gateway.events()).filter(({ type }) => type === 'grant.ended')
  expect(ended).toContainEqual(expect.objectContaining({ state: 'revoked' }))
})

it('[REQ-ACCESS-4] by the compose action it is asked for from any conversation, of whoever wrote to the bot before', async () => {
  const { teams } = started
  const compose = (user: string) => teams.openCompose({ user, conversation: GROUP_CHAT, commandId: ACCESS_DIALOG })
  await say('Alice', 'help')
  expect(await ask(opened(await compose('Alice')), 'From a chat without the bot')).toContain('Asked.')
  const card = await requestCard('From a chat without the bot')
  expect(json(card.card)).toContain('alice@example.com asks for access')
  await teams.click({ user: 'Bob', messageId: card.id, action: DENY_ACTION, isBaseView: true })
  expect(json(await compose('Gus'))).toContain('does not know you yet')
  await say('Gus', 'help')
  expect(json(await compose('Gus'))).toContain('Guests cannot')
})

it('[REQ-FREEZE-2] freeze, thaw and status stop an agent and let it go on, for operators alone', async () => {
  const freeze = 'freeze files Odd deletions'
  expect(said(await answered(inTalk('Carol'), () => say('Carol', freeze)))).toContain('Only ops')
  expect(said(await answered(inTalk('Gus'), () => say('Gus', freeze)))).toContain('Guests cannot')
  expect(said(await answered(inTalk('Bob'), () => say('Bob', 'status')))).toContain('Nothing is frozen')
  expect(said(await answered(inTalk('Bob'), () => say('Bob', freeze)))).toContain('Frozen.')
  expect(await written()).toContain('has stopped every call')
  const mentioned = await answered(APPROVALS, () => say('Bob', '@{bot} status', APPROVALS), 'Frozen now')
  expect(said(mentioned), 'in a channel not what somebody wrote').not.toContain('Odd deletions')
  expect(said(await answered(inTalk('Bob'), () => say('Bob', 'thaw files')))).toContain('Thawed')
  const held = written()
  const card = await started.teams.waitForMessage(
    (one) => one.conversationId === APPROVALS && json(one.card).includes(`a${serial}.txt`),
    PATIENCE_MS,
  )
  await started.teams.click({ user: 'Bob', messageId: card.id, action: APPROVE_ACTION, isBaseView: true })
  expect(await held).toContain('Successfully wrote')
})

it('[REQ-DOCTOR-1] the doctor finds the app where Teams told the gateway that it is', async () => {
  const args = [COMMAND, 'doctor', '--config', started.gateway.settingsFile, '--json']
  const env = { ...process.env, UPSTREAM_KEY }
  const out = await promisify(execFile)(process.execPath, args, { env, timeout: 60_000 }).catch((error) => error)
  expect(String(out.stdout)).toContain(`"the app is in ${APPROVALS}, of channels.teams.approvals"`)
})
