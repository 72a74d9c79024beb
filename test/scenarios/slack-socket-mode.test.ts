/** Slack over a connection that we open: the same clicks, with nothing listening. */
import { afterEach, expect, it } from 'vitest'
import {
  APPROVE_ACTION,
  DENY_WITH_REASON_ACTION,
  MORE_ACTION,
  REASON_BLOCK,
  REASON_INPUT,
} from '../../bots/slack/actions.ts'
import type { ApprovalId } from '../../src/brands.ts'
import { ALICE, BOB, pendingApproval, type SlackGateway, startSlackGateway } from '../support/slack-gateway.ts'

let gateway: SlackGateway
afterEach(() => gateway.close())

const ID = pendingApproval().id
const state = async (id: ApprovalId = ID) => (await gateway.approvals.get(id))?.state
const approve = (messageTs: string, userId = BOB.id, teamId?: string) =>
  gateway.slack.click({ messageTs, actionId: APPROVE_ACTION, userId, ...(teamId !== undefined && { teamId }) })

it('a click approves, and the card is repainted', async () => {
  gateway = await startSlackGateway({ socketMode: true })
  const ts = await gateway.ask()
  expect(await approve(ts)).toMatchObject({ ok: true, status: null })
  expect(await state()).toBe('approved')
  await gateway.slack.waitForMessage(({ blocks }) => JSON.stringify(blocks).includes('Approved by Bob'))
})

it('nothing answers by HTTP', async () => {
  gateway = await startSlackGateway({ socketMode: true })
  expect((await fetch(gateway.eventsUrl, { method: 'POST', body: '{}' })).status).toBe(404)
})

it('a refused click is told to the person alone', async () => {
  gateway = await startSlackGateway({ socketMode: true })
  await approve(await gateway.ask(), ALICE.id)
  const told = await gateway.slack.waitForEphemeral(({ userId }) => userId === ALICE.id)
  expect(told.text).toContain('the agent acts for you')
  expect(await state()).toBe('pending')
})

it('a delivery that Slack sends again runs once', async () => {
  gateway = await startSlackGateway({ socketMode: true })
  const ts = await gateway.ask()
  const payload = gateway.slack.payloadOf({ messageTs: ts, actionId: APPROVE_ACTION, userId: BOB.id })
  expect(await gateway.slack.sendAgain(payload, 2)).toMatchObject([{ ok: true }, { ok: true }])
  expect(gateway.submitted).toHaveLength(1)
})

it('another workspace’s click is not acknowledged and decides nothing', async () => {
  gateway = await startSlackGateway({ socketMode: true })
  expect(await approve(await gateway.ask(), BOB.id, 'T0OTHER')).toMatchObject({ ok: false, error: 'operation_timeout' })
  expect(await state()).toBe('pending')
})

it('a reason is asked for and stored', async () => {
  gateway = await startSlackGateway({ socketMode: true })
  const ts = await gateway.ask()
  await gateway.slack.click({ messageTs: ts, actionId: MORE_ACTION, userId: BOB.id })
  const more = await gateway.slack.waitForView(({ open }) => open)
  await gateway.slack.clickInView({ viewId: more.id, actionId: DENY_WITH_REASON_ACTION, userId: BOB.id })
  const view = await gateway.slack.waitForView(({ open, id }) => open && id !== more.id)
  await gateway.slack.submitView({
    viewId: view.id,
    userId: BOB.id,
    values: { [REASON_BLOCK]: { [REASON_INPUT]: 'not now' } },
  })
  expect(await gateway.approvals.get(ID)).toMatchObject({ state: 'denied', reviews: [{ reason: 'not now' }] })
})

it('when Slack recycles the connection, a new one is opened and clicks work again', async () => {
  gateway = await startSlackGateway({ socketMode: true })
  const ts = await gateway.ask()
  await gateway.slack.recycleSockets()
  await gateway.slack.waitForConnections(2)
  expect(await approve(ts)).toMatchObject({ ok: true })
  expect(await state()).toBe('approved')
})

it('a refused app token while reconnecting is a log line, and the next attempt works', async () => {
  gateway = await startSlackGateway({ socketMode: true })
  const ts = await gateway.ask()
  gateway.slack.failNext('apps.connections.open', { error: 'invalid_auth' })
  gateway.slack.failNext('apps.connections.open', { retryAfterSec: 1 })
  await gateway.slack.recycleSockets()
  await gateway.slack.waitForConnections(2)
  expect(gateway.lines.filter((line) => line.includes('not connected')).join('\n')).toContain('invalid_auth')
  expect(await approve(ts)).toMatchObject({ ok: true })
})
