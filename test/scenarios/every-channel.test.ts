/**
 * One approval in Slack, in Teams and in the console at once, of the built gateway: whoever decides first decides for all,
 * and every copy says so, whichever process paints it.
 */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { APPROVE_ACTION, DENY_ACTION, REQUESTER_CANCEL_ACTION } from '../../bots/chat/actions.ts'
import type { ConsoleReviewer } from '../../demo/console-reviewer.ts'
import type { RedisHandle } from '../../jobs/redis.ts'
import { type FakeSlack, startFakeSlack } from '../support/fake-slack.ts'
import { APPROVALS } from '../support/fake-teams-world.ts'
import { startWorld, type World } from '../support/gateway.ts'
import { type Agent, connectAgent } from '../support/mcp-clients.ts'
import { startTeamsGateway, type TeamsGateway } from '../support/teams-gateway.ts'
import { until } from '../support/until.ts'

const ALICE = { id: 'U1', name: 'alice', displayName: 'Alice', email: 'alice@example.com' }
/** The same people are in Teams, with the same addresses. */
const BOB = { id: 'U2', name: 'bob', displayName: 'Bob', email: 'bob@example.com' }
const CAROL = { id: 'U3', name: 'carol', displayName: 'Carol', email: 'carol@example.com' }
/** What the fake Slack calls the app's talk with her. */
const ALICES_TALK = 'D0U1'

const POLICY = `
version: 1
defaults: { effect: deny }
rules:
  - id: writing
    match: { upstream: files, tool: write_file }
    effect: require_approval
    approval: { deadline: 15m }
  - id: two-people
    match: { upstream: files, tool: create_directory }
    effect: require_approval
    approval: { deadline: 15m, quorum: 2 }
`

let world: World
let redis: RedisHandle
let slack: FakeSlack
let started: TeamsGateway
let reviewer: ConsoleReviewer
let agent: Agent

beforeAll(async () => {
  world = await startWorld()
  slack = await startFakeSlack({ users: [ALICE, BOB, CAROL], messagesPerSecond: 100 })
  const { botToken, signingSecret, apiUrl } = slack
  const settings = { botToken, signingSecret, approvals: 'C0APPROVALS', apiUrl }
  started = await startTeamsGateway(world, {
    channels: `  slack: ${JSON.stringify(settings)}\n  console: { reviewer: dave@example.com }`,
    gateway: { policy: POLICY },
  })
  slack.deliverTo(`${started.gateway.url}/slack/events`)
  redis = await world.redis.connect(path.basename(started.gateway.directory))
  reviewer = await started.gateway.console()
  agent = await connectAgent('modern', started.gateway.mcp, await started.gateway.token())
})
afterAll(async () => {
  await agent?.close().catch(() => undefined)
  await started?.close()
  await slack?.close()
  await world?.close()
})

const file = (name: string) => path.join(world.files, name)

/** The agent's call, and the card of it in each channel once it is there. */
async function asked(name: string, tool: 'write_file' | 'create_directory' = 'write_file') {
  const args = tool === 'write_file' ? { path: file(name), content: 'x' } : { path: file(name) }
  const answer = agent.call(tool, args).catch(() => null)
  const [inSlack, inTeams, inConsole] = await Promise.all([
    slack.waitForMessage(({ channel, blocks }) => channel === 'C0APPROVALS' && says(blocks, name), 20_000),
    started.teams.waitForMessage(
      ({ conversationId, card }) => conversationId === APPROVALS && says(card, name),
      20_000,
    ),
    until('the console shows it', async () => (await reviewer.state()).json.pending.find((one) => says(one, name))),
  ])
  const id = inConsole.approvalId
  return {
    ...{ answer, id, inSlack, inTeams },
    /** All three copies say it, where they stand, and ask for nothing any more. */
    async settled(words: string): Promise<void> {
      await until(`Slack’s copy says ${words}`, () => says(inSlack.blocks, words))
      await until(`Teams’ copy says ${words}`, () => says(inTeams.card, words))
      const row = await until('the console lists it as decided', async () =>
        (await reviewer.state()).json.decided.find(({ approvalId }) => approvalId === id),
      )
      expect(row.outcome).toContain(words)
      for (const copy of [inSlack.blocks, inTeams.card]) expect(says(copy, `"${APPROVE_ACTION}"`)).toBe(false)
      expect(copies(name)).toEqual({ slack: 1, teams: 1 })
    },
    reviews: async () =>
      (await started.gateway.events()).filter(
        ({ type, approval_id }) => type === 'approval.reviewed' && approval_id === id,
      ),
  }
}

const says = (shown: unknown, words: string): boolean => JSON.stringify(shown).includes(words)

function copies(name: string) {
  const { teams } = started
  return {
    slack: slack.messages.filter(({ channel, blocks }) => channel === 'C0APPROVALS' && says(blocks, name)).length,
    teams: teams.messages.filter(({ conversationId, card }) => conversationId === APPROVALS && says(card, name)).length,
  }
}

const nobodyPaints = () =>
  until('no copy is being painted', async () => {
    const queues = ['slack', 'teams', 'console'].map((name) => `${redis.queuePrefix}:outbox-${name}:active`)
    const active = await Promise.all(queues.map((key) => redis.call('LLEN', key)))
    return active.every((length) => length === 0)
  })

type Asked = Awaited<ReturnType<typeof asked>>
const inTeams = ({ inTeams: { id } }: Asked, user: string, action: string) =>
  started.teams.click({ user, messageId: id, action, isBaseView: true })
const inSlack = ({ inSlack: { ts } }: Asked, { id }: { readonly id: string }, actionId: string) =>
  slack.click({ messageTs: ts, actionId, userId: id })

describe('[REQ-CHANNEL-1] one held call is shown in Slack, in Teams and in the console', () => {
  it('and approved in Teams, is approved everywhere', async () => {
    const one = await asked('approved-in-teams.txt')
    expect((await inTeams(one, 'Bob', APPROVE_ACTION)).kind).toBe('card')
    expect((await one.answer)?.isError).toBe(false)
    expect(existsSync(file('approved-in-teams.txt'))).toBe(true)
    await one.settled('Approved by Bob')
  })

  it('and denied in Slack, is denied everywhere', async () => {
    const one = await asked('denied-in-slack.txt')
    expect((await inSlack(one, CAROL, DENY_ACTION)).ok).toBe(true)
    expect((await one.answer)?.text).toContain('Denied by a reviewer')
    await one.settled('Denied by Carol')
    expect(existsSync(file('denied-in-slack.txt'))).toBe(false)
  })

  it('and denied in the console, is denied everywhere', async () => {
    const one = await asked('denied-in-console.txt')
    expect((await reviewer.click(one.id, 'deny', 'Not today')).body.ok).toBe(true)
    await one.settled('Denied by dave@example.com')
    for (const copy of [one.inSlack.blocks, one.inTeams.card]) expect(says(copy, 'Not today')).toBe(true)
  })

  it('and clicked in both chats at the same time, has one decision; who came later is told', async () => {
    const one = await asked('both-at-once.txt')
    const [seen] = await Promise.all([inTeams(one, 'Bob', APPROVE_ACTION), inSlack(one, CAROL, DENY_ACTION)])
    const answer = await one.answer
    const isApproved = answer?.isError === false
    await one.settled(isApproved ? 'Approved by Bob' : 'Denied by Carol')
    expect(existsSync(file('both-at-once.txt'))).toBe(isApproved)
    const reviews = await until('it is recorded', async () => {
      const all = await one.reviews()
      return all.length > 0 && all
    })
    expect(reviews.map(({ review }) => (review as { choice: string }).choice)).toEqual([
      isApproved ? 'approve' : 'deny',
    ])
    if (isApproved) {
      const late = await slack.waitForEphemeral(({ userId }) => userId === CAROL.id)
      expect(late.text).toContain('already approved')
    } else {
      expect(says(seen, 'already denied')).toBe(true)
    }
  })
})

describe('[REQ-CHANNEL-2] one person with one address in two chats', () => {
  it('is one of a quorum of two, and the second is somebody else in either', async () => {
    const one = await asked('two-people', 'create_directory')
    await inSlack(one, BOB, APPROVE_ACTION)
    await until('Teams’ copy counts him', () => says(one.inTeams.card, 'Bob'))
    const again = await inTeams(one, 'Bob', APPROVE_ACTION)
    expect(says(again, 'already')).toBe(true)
    expect((await reviewer.state()).json.pending.map(({ approvalId }) => approvalId)).toContain(one.id)
    expect(existsSync(file('two-people'))).toBe(false)
    await inTeams(one, 'Carol', APPROVE_ACTION)
    expect((await one.answer)?.isError).toBe(false)
    await one.settled('Carol')
    expect(await one.reviews()).toHaveLength(2)
  })
})

describe('[REQ-CHANNEL-3] the person behind the agent', () => {
  it('is told in private in Slack and in Teams, and what they do in one changes the other', async () => {
    const { teams } = started
    const one = await asked('taken-back.txt')
    const [told, toldInSlack] = await Promise.all([
      teams.waitForMessage(
        ({ conversationId, card }) =>
          conversationId === teams.personalConversation('Alice') && says(card, 'taken-back.txt'),
        20_000,
      ),
      slack.waitForMessage(({ channel, blocks }) => channel === ALICES_TALK && says(blocks, 'taken-back.txt'), 20_000),
    ])
    for (const message of [toldInSlack.blocks, told.card]) expect(says(message, APPROVE_ACTION)).toBe(false)
    await teams.click({ user: 'Alice', messageId: told.id, action: REQUESTER_CANCEL_ACTION, isBaseView: true })
    await one.settled('took it back')
    await until('her copy in Slack says so', () => says(toldInSlack.blocks, 'took it back'))
    await until('her copy in Teams says so', () => says(told.card, 'took it back'))
    const others = teams.messages.filter(
      ({ conversationId }) => conversationId.startsWith('a:') && conversationId !== teams.personalConversation('Alice'),
    )
    expect(others).toEqual([])
  })
})

describe('[REQ-CHANNEL-1] a gateway that is killed and started again', () => {
  it('repaints what was decided before, and takes one decision for all on what it had posted', async () => {
    const { gateway, teams } = started
    const [decided, open] = [await asked('decided-before.txt'), await asked('open-before.txt')]
    await teams.setDown(true)
    await inSlack(decided, BOB, DENY_ACTION)
    await until('Slack’s copy says so', () => says(decided.inSlack.blocks, 'Denied by Bob'))
    // Else the next process would wait until it is certain that this one is dead; slack-kill.test.ts does that.
    await nobodyPaints()
    expect(says(decided.inTeams.card, 'Denied by Bob')).toBe(false)
    await gateway.kill()
    await teams.setDown(false)
    await gateway.restart()
    reviewer = await gateway.console()
    await decided.settled('Denied by Bob')
    await inTeams(open, 'Carol', DENY_ACTION)
    await open.settled('Denied by Carol')
  })
})
