/** Every way of using a second workspace to decide what one must not that anyone found. Rows are never deleted. */
import { afterEach, expect, it } from 'vitest'
import { APPROVE_ACTION } from '../../bots/slack/actions.ts'
import { cardOf } from '../../src/approval/card-of.ts'
import { ALICE, BOB, pendingApproval, type SlackGateway, startSlackGateway } from '../support/slack-gateway.ts'

/** Alice's second account has the id that Bob has in the first workspace; Bob's is a guest. */
const ALICE_AT_ACME = { ...ALICE, id: BOB.id }
const BOB_AT_ACME = { ...BOB, id: 'U7', isGuest: true }
const MALLORY = { id: 'U3', name: 'mallory', displayName: 'Carol', email: 'mallory@acme.example' }
const ACME = {
  ...{ teamId: 'T0ACME', botToken: 'xoxb-acme', channels: ['C0ACME'] },
  users: [ALICE_AT_ACME, BOB_AT_ACME, MALLORY],
}
const BOTH = { channels: ['slack'], rooms: ['slack', 'slack/t0acme'] } as const

let gateway: SlackGateway
afterEach(() => gateway.close())

const ID = pendingApproval().id
const state = async () => (await gateway.approvals.get(ID))?.state
const acme = () => gateway.slack.inTeam('T0ACME')
async function asked(change: Parameters<SlackGateway['ask']>[0] = {}): Promise<string> {
  gateway = await startSlackGateway({ teams: [ACME] })
  await gateway.ask({ ...BOTH, ...change })
  const approval = await gateway.approvals.get(ID)
  if (approval === null) throw new Error('the approval is gone')
  return (JSON.parse(await gateway.post(cardOf(approval), 'slack/t0acme')) as { ts: string }).ts
}

it.each<[string, { readonly id: string }, string]>([
  ['the agent’s owner by their account there', ALICE_AT_ACME, 'the agent acts for you'],
  ['a guest there who is a member here', BOB_AT_ACME, 'Guests cannot review'],
])('%s', async (_sentence, { id }, said) => {
  const ts = await asked()
  // Whoever has this id here is known to be a member.
  await gateway.slack.click({
    messageTs: gateway.slack.messages[0]?.ts ?? '',
    actionId: 'countersign_more',
    userId: BOB.id,
  })
  expect((await acme().click({ messageTs: ts, actionId: APPROVE_ACTION, userId: id })).ok).toBe(true)
  expect((await acme().waitForEphemeral(({ userId }) => userId === id)).text).toContain(said)
  expect(await state()).toBe('pending')
})

it('somebody there with the id and the name of one of those who may here', async () => {
  const ts = await asked({ from: ['carol@example.com'] })
  await acme().click({ messageTs: ts, actionId: APPROVE_ACTION, userId: MALLORY.id })
  expect((await acme().waitForEphemeral(({ userId }) => userId === MALLORY.id)).text).toContain('the rule asks for')
  expect(await state()).toBe('pending')
})

it('App Home there, of what anyone of the first workspace may decide', async () => {
  gateway = await startSlackGateway({ teams: [ACME] })
  await gateway.ask({ channels: ['slack'], rooms: [] })
  await acme().openHome({ userId: MALLORY.id })
  const home = await acme().waitForHome(MALLORY.id, () => true)
  expect(JSON.stringify(home.view)).not.toContain(ID)
  await gateway.slack.openHome({ userId: BOB.id })
  expect(JSON.stringify((await gateway.slack.waitForHome(BOB.id, () => true)).view)).toContain(ID)
})
