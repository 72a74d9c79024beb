/** The person behind an agent, in their private talk with the app: reminds, cancels, answers; and others who try to. */
import { afterEach, describe, expect, it } from 'vitest'
import {
  ANSWER_BLOCK,
  ANSWER_INPUT,
  ANSWER_VIEW,
  REQUESTER_ANSWER_ACTION,
  REQUESTER_CANCEL_ACTION,
  REQUESTER_REMIND_ACTION,
} from '../../bots/slack/actions.ts'
import type { Approval } from '../../src/approval/approval.ts'
import { cardOf } from '../../src/approval/card-of.ts'
import { epochMs } from '../../src/brands.ts'
import { ALICE, BOB, pendingApproval, type SlackGateway, startSlackGateway } from '../support/slack-gateway.ts'

let gateway: SlackGateway
afterEach(() => gateway.close())

const question = {
  kind: 'question',
  by: { id: 'slack:T0FAKE:U2', email: 'bob@example.com', name: 'Bob' },
  text: 'Which month?',
  at: epochMs(1_900_000_000_000),
} as const

/** Asked a while ago, so that a reminder is not too early. Answers the ts of what the requester was told. */
async function told(change: Partial<Approval> = {}): Promise<string> {
  gateway = await startSlackGateway()
  const approval = pendingApproval({ requestedAt: epochMs(Date.now() - 120_000), ...change })
  gateway.approvals.open(approval)
  const ref = await gateway.post(cardOf(approval), 'slack:requester')
  return (JSON.parse(ref) as { ts: string }).ts
}
const now = async () => (await gateway.approvals.listPending())[0] ?? (await gateway.approvals.listResolved(1))[0]
const click = (messageTs: string, actionId: string, userId = ALICE.id) =>
  gateway.slack.click({ messageTs, actionId, userId })

describe('the person behind the agent', () => {
  it('reminds the others', async () => {
    const ts = await told()
    expect((await click(ts, REQUESTER_REMIND_ACTION)).ok).toBe(true)
    expect((await now())?.reminders.count).toBe(1)
    expect(gateway.slack.ephemerals).toEqual([])
  })

  it('is told that it is too early to remind again, and nothing happens', async () => {
    const ts = await told()
    await click(ts, REQUESTER_REMIND_ACTION)
    await click(ts, REQUESTER_REMIND_ACTION)
    expect((await gateway.slack.waitForEphemeral(() => true)).text).toContain('Give them a minute')
    expect((await now())?.reminders.count).toBe(1)
  })

  it('takes the question back', async () => {
    const ts = await told()
    expect((await click(ts, REQUESTER_CANCEL_ACTION)).ok).toBe(true)
    expect(await now()).toMatchObject({ state: 'cancelled', cancelReason: 'alice@example.com took it back.' })
  })

  it('answers what a reviewer asked', async () => {
    const ts = await told({ remarks: [question] })
    await click(ts, REQUESTER_ANSWER_ACTION)
    const view = await gateway.slack.waitForView(({ modal }) => modal.callback_id === ANSWER_VIEW)
    expect(JSON.stringify(view.modal)).toContain('Which month?')
    const values = { [ANSWER_BLOCK]: { [ANSWER_INPUT]: '  March.  ' } }
    const ack = await gateway.slack.submitView({ viewId: view.id, userId: ALICE.id, values })
    expect([ack.ok, view.open]).toEqual([true, false])
    expect((await now())?.remarks.at(-1)).toMatchObject({ kind: 'answer', text: 'March.', by: { name: 'Alice' } })
  })

  it('keeps what they wrote where it was decided meanwhile, and is told so', async () => {
    const ts = await told({ remarks: [question] })
    await click(ts, REQUESTER_ANSWER_ACTION)
    const view = await gateway.slack.waitForView(() => true)
    await click(ts, REQUESTER_CANCEL_ACTION)
    const values = { [ANSWER_BLOCK]: { [ANSWER_INPUT]: 'March.' } }
    const ack = await gateway.slack.submitView({ viewId: view.id, userId: ALICE.id, values })
    expect(ack.body).toMatchObject({
      response_action: 'errors',
      errors: { [ANSWER_BLOCK]: expect.stringContaining('already cancelled') },
    })
    expect(view.open).toBe(true)
    expect((await now())?.remarks).toHaveLength(1)
  })
})

describe('anybody else who gets at the buttons', () => {
  it('cancels nothing', async () => {
    const ts = await told()
    await click(ts, REQUESTER_CANCEL_ACTION, BOB.id)
    expect((await gateway.slack.waitForEphemeral(() => true)).text).toContain('Only the person behind the agent')
    expect((await now())?.state).toBe('pending')
  })

  it('opens no window of what is decided', async () => {
    const ts = await told({ remarks: [question] })
    await click(ts, REQUESTER_CANCEL_ACTION)
    await click(ts, REQUESTER_ANSWER_ACTION, BOB.id)
    expect((await gateway.slack.waitForEphemeral(() => true)).text).toContain('decided already')
    expect(gateway.slack.views).toEqual([])
  })

  it('answers nothing, although the window opened', async () => {
    const ts = await told({ remarks: [question] })
    await click(ts, REQUESTER_ANSWER_ACTION, BOB.id)
    const view = await gateway.slack.waitForView(() => true)
    const values = { [ANSWER_BLOCK]: { [ANSWER_INPUT]: 'Any.' } }
    const ack = await gateway.slack.submitView({ viewId: view.id, userId: BOB.id, values })
    expect(ack.body).toMatchObject({
      errors: { [ANSWER_BLOCK]: 'Only the person behind the agent can do that.' },
    })
    expect((await now())?.remarks).toHaveLength(1)
  })

  it('forges no other approval’s id: what is no id of ours is not understood', async () => {
    const ts = await told()
    const payload = gateway.slack.payloadOf({ messageTs: ts, actionId: REQUESTER_CANCEL_ACTION, userId: ALICE.id })
    const actions = payload.actions.map((action) => ({ ...action, value: '../apr_x' }))
    await gateway.slack.deliver({ payload: { ...payload, actions } })
    expect((await gateway.slack.waitForEphemeral(() => true)).text).toContain('not one of this gateway')
    expect((await now())?.state).toBe('pending')
  })
})
