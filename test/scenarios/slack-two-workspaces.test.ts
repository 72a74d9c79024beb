/** What goes out by itself to two workspaces, and what the doctor says of each. */
import { afterEach, expect, it } from 'vitest'
import { cardOf } from '../../src/approval/card-of.ts'
import { epochMs } from '../../src/brands.ts'
import type { MessageRef, Notice } from '../../src/ports.ts'
import { ALICE, BOB, pendingApproval, type SlackGateway, startSlackGateway } from '../support/slack-gateway.ts'

let gateway: SlackGateway
afterEach(() => gateway.close())

const acmeWith = (users: readonly (typeof ALICE)[]) => ({
  ...{ teamId: 'T0ACME', botToken: 'xoxb-acme', channels: ['C0ACME', 'C0ENDED'], users },
})
const acme = () => gateway.slack.inTeam('T0ACME')
const told = async (): Promise<MessageRef | null> => {
  const approval = pendingApproval()
  gateway.approvals.open(approval)
  return gateway.channel.post(cardOf(approval), 'slack:requester')
}

it.each<[string, (typeof ALICE)[], (typeof ALICE)[], string | undefined, string]>([
  ['in the first that knows them', [ALICE], [ALICE], undefined, 'D0U1'],
  ['in the second, where the first doesn’t know them', [BOB], [ALICE], 't0acme', 'D0U1'],
  ['in the second, where they are a guest of the first', [{ ...ALICE, isGuest: true }], [ALICE], 't0acme', 'D0U1'],
])('the person behind the agent is told %s, and repainted there', async (_sentence, users, there, workspace, talk) => {
  gateway = await startSlackGateway({ users, teams: [acmeWith(there)] })
  const ref = (await told()) as MessageRef
  expect(JSON.parse(ref)).toMatchObject({ channel: talk, ...(workspace !== undefined && { workspace }) })
  const { messages } = workspace === undefined ? gateway.slack : acme()
  await gateway.channel.update(ref, cardOf(pendingApproval({ state: 'cancelled', version: 2 })), 'slack:requester')
  expect(messages.map(({ channel, edits }) => [channel, edits])).toEqual([[talk, 1]])
})

it('nobody is told while the first can’t be reached: the second could make it two messages', async () => {
  gateway = await startSlackGateway({ teams: [acmeWith([ALICE])] })
  gateway.slack.failNext('users.lookupByEmail', { retryAfterSec: 3 })
  await expect(told()).rejects.toMatchObject({ name: 'ChannelBusy' })
  expect(acme().messages).toEqual([])
})

it('a card in a workspace that is not in the settings any more holds nothing up', async () => {
  gateway = await startSlackGateway()
  const ref = JSON.stringify({ workspace: 'gone', channel: 'C1', ts: '1.2' }) as MessageRef
  await expect(gateway.channel.update(ref, cardOf(pendingApproval()), 'slack/gone')).resolves.toBeUndefined()
  await expect(gateway.channel.post(cardOf(pendingApproval()), 'slack/gone')).rejects.toMatchObject({
    code: 'unknown_place',
  })
})

it('notices go to every workspace, summaries to those that want them', async () => {
  gateway = await startSlackGateway({ teams: [acmeWith([])] })
  expect(gateway.channel.places).toEqual({ notices: ['slack', 'slack/t0acme'], summaries: ['slack', 'slack/t0acme'] })
  const by = { id: 'slack:T0FAKE:U2', email: 'bob@example.com', name: 'Bob' }
  const thawed: Notice = { type: 'thawed', scope: { kind: 'all' }, by, at: epochMs(1_900_000_000_000) }
  for (const place of gateway.channel.places?.notices ?? []) await gateway.channel.notify('thaw-1', thawed, place)
  expect([gateway.slack, acme()].map(({ messages }) => messages.map(({ channel }) => channel))).toEqual([
    ['C0APPROVALS'],
    ['C0ACME'],
  ])
})

it('the doctor asks each, and names the one whose token is revoked and where it is set', async () => {
  gateway = await startSlackGateway({ teams: [acmeWith([])] })
  acme().setRevoked(true)
  const lines = await gateway.check()
  expect(lines).toContainEqual({
    ok: false,
    what: 'slack/t0acme: Slack accepts the bot token: token_revoked',
    cure: 'Reinstall the app and set channels.slack.workspaces.t0acme.botToken anew.',
  })
  expect(lines.filter(({ what }) => what.startsWith('slack: Slack accepts')).map(({ ok }) => ok)).toEqual([true])
})
