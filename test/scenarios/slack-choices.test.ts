/** What a reviewer can do in Slack beside a plain tap: each way through the windows, and what each refuses. */
import { afterEach, describe, expect, it } from 'vitest'
import {
  APPROVE_ACTION,
  APPROVE_FOR_ACTION,
  APPROVE_WITH_NOTE_ACTION,
  ASK_ACTION,
  DENY_ACTION,
  DENY_ALL_ACTION,
  DURATION_BLOCK,
  DURATION_INPUT,
  MORE_ACTION,
  NEXT_PAGE_ACTION,
  NOTE_BLOCK,
  NOTE_INPUT,
  QUESTION_BLOCK,
  QUESTION_INPUT,
  REASON_BLOCK,
  REASON_INPUT,
  REMIND_ACTION,
  REVOKE_ACTION,
  SHOW_ALL_ACTION,
} from '../../bots/slack/actions.ts'
import { shownCall } from '../../bots/slack/shown-call.ts'
import type { SlackOptions } from '../../bots/slack/slack-channel.ts'
import type { Approval } from '../../src/approval/approval.ts'
import { cardOf } from '../../src/approval/card-of.ts'
import type { ApprovalId } from '../../src/brands.ts'
import { epochMs } from '../../src/brands.ts'
import { openStandingGrant } from '../../src/grant/standing.ts'
import { ChannelRefused, type MessageRef } from '../../src/ports.ts'
import { createDeskRig } from '../support/access-desk.ts'
import type { FakeView } from '../support/fake-slack-world.ts'
import { ALICE, BOB, CAROL, pendingApproval, type SlackGateway, startSlackGateway } from '../support/slack-gateway.ts'

let gateway: SlackGateway
afterEach(() => gateway.close())

const ID = pendingApproval().id
const MINUTES_15 = 900_000
const stored = (id: ApprovalId = ID): Promise<Approval | null> => gateway.approvals.get(id)
const click = (messageTs: string, actionId: string, userId = BOB.id) =>
  gateway.slack.click({ messageTs, actionId, userId })
const topView = (userId = BOB.id) => gateway.slack.views.findLast(({ open, userId: whose }) => open && whose === userId)
const inView = (view: FakeView, actionId: string) =>
  gateway.slack.clickInView({ viewId: view.id, actionId, userId: view.userId })
const submit = (view: FakeView, values: Record<string, Record<string, string>> = {}) =>
  gateway.slack.submitView({ viewId: view.id, userId: view.userId, values })
const json = (value: unknown) => JSON.stringify(value)

async function opened(work: Promise<{ ok: boolean }>, userId = BOB.id): Promise<FakeView> {
  expect(await work).toMatchObject({ ok: true })
  const view = topView(userId)
  if (view === undefined) throw new Error('no window opened')
  return view
}

async function more(messageTs: string, actionId: string, userId = BOB.id): Promise<FakeView> {
  const view = await opened(click(messageTs, MORE_ACTION, userId), userId)
  return opened(inView(view, actionId), userId)
}

/** What came of it takes the window's place after the acknowledgement. */
const says = ({ id }: FakeView, text: string) =>
  gateway.slack.waitForView((view) => view.id === id && json(view.modal).includes(text))
const told = async (userId = BOB.id) => (await gateway.slack.waitForEphemeral((one) => one.userId === userId)).text
const LONG = JSON.stringify({ content: 'line\n'.repeat(5_000), path: '/srv/a.txt' })

describe('approving for a while', () => {
  it('[REQ-CHOICE-1] More offers each of the rule’s times, and one tap approves for it', async () => {
    gateway = await startSlackGateway()
    const ts = await gateway.ask({ allowForMs: [MINUTES_15, 3_600_000] })
    const view = await more(ts, `${APPROVE_FOR_ACTION}${MINUTES_15}`)
    expect(await stored()).toMatchObject({ state: 'approved', allowedForMs: MINUTES_15 })
    await says(view, 'Approved for 15 minutes.')
    await gateway.slack.waitForMessage(({ blocks }) => json(blocks).includes('for 15 minutes'))
  })

  it('is not offered where the rule does not allow it, and refused where someone asks for it all the same', async () => {
    gateway = await startSlackGateway()
    const ts = await gateway.ask()
    const view = await opened(click(ts, MORE_ACTION))
    expect(json(view.modal)).not.toContain(APPROVE_FOR_ACTION)
    const payload = gateway.slack.payloadOf({ messageTs: ts, actionId: APPROVE_ACTION, userId: BOB.id })
    const actions = payload.actions.map((action) => ({ ...action, action_id: `${APPROVE_FOR_ACTION}86400000` }))
    await gateway.slack.deliver({ payload: { ...payload, actions } })
    expect(await told()).toContain('does not offer to approve for that long')
    expect(await stored()).toMatchObject({ state: 'pending' })
  })

  it('a note and a time are given in one window, and the card shows both', async () => {
    gateway = await startSlackGateway()
    const ts = await gateway.ask({ allowForMs: [MINUTES_15] })
    const view = await more(ts, APPROVE_WITH_NOTE_ACTION)
    const values = {
      [DURATION_BLOCK]: { [DURATION_INPUT]: String(MINUTES_15) },
      [NOTE_BLOCK]: { [NOTE_INPUT]: ' Checked the path. ' },
    }
    expect(await submit(view, values)).toMatchObject({ ok: true })
    expect(topView()).toBeUndefined()
    expect(await stored()).toMatchObject({
      allowedForMs: MINUTES_15,
      reviews: [{ reason: 'Checked the path.', strength: 'confirmed' }],
    })
    await gateway.slack.waitForMessage(({ blocks }) => json(blocks).includes('Checked the path.'))
  })
})

describe('[REQ-CHOICE-2] a second tap', () => {
  it('the first one approves nothing: it shows all of it once more, and Confirm decides', async () => {
    gateway = await startSlackGateway()
    const ts = await gateway.ask({ strength: 'confirm' })
    const view = await opened(click(ts, APPROVE_ACTION))
    expect(await stored()).toMatchObject({ state: 'pending' })
    for (const text of ['wants write_file on files', '/srv/a.txt', 'hello']) expect(json(view.modal)).toContain(text)
    expect(await submit(view)).toMatchObject({ ok: true })
    expect(await stored()).toMatchObject({ state: 'approved', reviews: [{ strength: 'confirmed' }] })
  })

  it('what came too late is refused in the window, and what was written stays', async () => {
    gateway = await startSlackGateway()
    const ts = await gateway.ask({ strength: 'confirm' })
    const view = await opened(click(ts, APPROVE_ACTION))
    await click(ts, DENY_ACTION, CAROL.id)
    const ack = await submit(view, { [NOTE_BLOCK]: { [NOTE_INPUT]: 'fine' } })
    expect(json(ack.body)).toContain('already denied by Carol')
    expect(view.open).toBe(true)
  })

  it('the owner of the agent can open it and confirms nothing', async () => {
    gateway = await startSlackGateway()
    const ts = await gateway.ask({ strength: 'confirm' })
    const view = await opened(click(ts, APPROVE_ACTION, ALICE.id), ALICE.id)
    expect(json((await submit(view)).body)).toContain('the agent acts for you')
    expect(await stored()).toMatchObject({ state: 'pending' })
  })

  it('a denial takes one tap always', async () => {
    gateway = await startSlackGateway()
    const ts = await gateway.ask({ strength: 'step_up' })
    await click(ts, DENY_ACTION)
    expect(await stored()).toMatchObject({ state: 'denied' })
  })
})

describe('[REQ-CHOICE-3] signing in', () => {
  it('Approve answers with this person’s own link, and decides nothing', async () => {
    gateway = await startSlackGateway({
      stepUpLink: async (id, { email }) => `https://gw.example.com/s/${id}?${email}`,
    })
    const ts = await gateway.ask({ strength: 'step_up' })
    await click(ts, APPROVE_ACTION)
    const answer = await gateway.slack.waitForEphemeral(({ userId }) => userId === BOB.id)
    expect(json(answer.blocks)).toContain(`"url":"https://gw.example.com/s/${ID}?bob@example.com"`)
    expect(await stored()).toMatchObject({ state: 'pending' })
  })

  it('says so where the gateway has no page for it', async () => {
    gateway = await startSlackGateway()
    await click(await gateway.ask({ strength: 'step_up' }), APPROVE_ACTION)
    expect(await told()).toContain('no page for that')
    expect(await stored()).toMatchObject({ state: 'pending' })
  })
})

describe('[REQ-CHOICE-4] reading all of it first', () => {
  it('Approve is refused until this person has turned to the last page', async () => {
    gateway = await startSlackGateway()
    const ts = await gateway.ask({ readAll: true, argumentsJson: LONG })
    await click(ts, APPROVE_ACTION)
    expect(await told()).toContain('open what did not fit')
    const view = await opened(click(ts, SHOW_ALL_ACTION))
    const pages = Number(/Page 1 of (\d+)/.exec(json(view.modal))?.[1])
    expect(pages).toBeGreaterThan(2)
    for (let page = 2; page < pages; page += 1) await inView(view, NEXT_PAGE_ACTION)
    await click(ts, APPROVE_ACTION)
    expect(await stored()).toMatchObject({ state: 'pending' })
    await inView(view, NEXT_PAGE_ACTION)
    await click(ts, APPROVE_ACTION, CAROL.id)
    expect(await stored(), 'another person’s reading counts for nobody else').toMatchObject({ state: 'pending' })
    await click(ts, APPROVE_ACTION)
    expect(await stored()).toMatchObject({ state: 'approved', reviews: [{ reviewer: { name: 'Bob' } }] })
  })

  it('asks nothing more where the card showed it all', async () => {
    gateway = await startSlackGateway()
    await click(await gateway.ask({ readAll: true }), APPROVE_ACTION)
    expect(await stored()).toMatchObject({ state: 'approved' })
  })

  it('turning the pages of the window that confirms counts, and keeps what was chosen', async () => {
    gateway = await startSlackGateway()
    const ts = await gateway.ask({ readAll: true, strength: 'confirm', argumentsJson: LONG, allowForMs: [MINUTES_15] })
    const view = await opened(click(ts, APPROVE_ACTION))
    expect(json((await submit(view)).body)).toContain('open what did not fit')
    const pages = Number(/Page 1 of (\d+)/.exec(json(view.modal))?.[1])
    for (let page = 1; page < pages; page += 1) await inView(view, NEXT_PAGE_ACTION)
    expect(await submit(view)).toMatchObject({ ok: true })
    expect(await stored()).toMatchObject({ state: 'approved', allowedForMs: null })
  })
})

describe('[REQ-CHOICE-5] what was shown', () => {
  it('its digest stands in the review', async () => {
    gateway = await startSlackGateway()
    await click(await gateway.ask(), APPROVE_ACTION)
    const approval = (await stored()) as Approval
    expect(approval.reviews[0]?.shownDigest).toBe(shownCall(cardOf(approval)).digest)
  })

  it('a copy that shows something else approves nothing, is told so and is repainted', async () => {
    gateway = await startSlackGateway()
    const ts = await gateway.ask()
    const payload = gateway.slack.payloadOf({ messageTs: ts, actionId: APPROVE_ACTION, userId: BOB.id })
    const actions = payload.actions.map((action) => ({ ...action, value: `${ID}:0123456789abcdef` }))
    await gateway.slack.deliver({ payload: { ...payload, actions } })
    expect(await told()).toContain('that card is not what this approval asks now')
    expect(await stored()).toMatchObject({ state: 'pending' })
    await gateway.slack.waitForMessage((message) => message.ts === ts && message.edits === 1)
  })

  it('a copy of an earlier version, which carries no digest, still approves, unless all must be read', async () => {
    gateway = await startSlackGateway()
    for (const [id, readAll] of [
      ['apr_old', false],
      ['apr_oldlong', true],
    ] as const) {
      const messageTs = await gateway.ask({ id: id as ApprovalId, readAll })
      const payload = gateway.slack.payloadOf({ messageTs, actionId: APPROVE_ACTION, userId: BOB.id })
      await gateway.slack.deliver({
        payload: { ...payload, actions: payload.actions.map((action) => ({ ...action, value: id })) },
      })
    }
    expect(await stored('apr_old' as ApprovalId)).toMatchObject({ state: 'approved', reviews: [{ shownDigest: null }] })
    expect(await stored('apr_oldlong' as ApprovalId)).toMatchObject({ state: 'pending' })
  })
})

describe('the other choices', () => {
  it('[REQ-CHOICE-6] a question reaches the approval and stands on the card', async () => {
    gateway = await startSlackGateway()
    const view = await more(await gateway.ask(), ASK_ACTION)
    await submit(view, { [QUESTION_BLOCK]: { [QUESTION_INPUT]: 'Which <!channel> tenant?' } })
    expect(await stored()).toMatchObject({ remarks: [{ kind: 'question', text: 'Which <!channel> tenant?' }] })
    await gateway.slack.waitForMessage(({ blocks }) => json(blocks).includes('" asks: "'))
    expect(topView()).toBeUndefined()
  })

  it('a question of someone who may not review is refused in its window', async () => {
    gateway = await startSlackGateway()
    const view = await more(await gateway.ask({ from: ['carol@example.com'] }), ASK_ACTION)
    const ack = await submit(view, { [QUESTION_BLOCK]: { [QUESTION_INPUT]: 'Why?' } })
    expect(json(ack.body)).toContain('the rule asks for')
  })

  it('[REQ-CHOICE-7] denying all from this agent says before how many wait, and after how many were denied', async () => {
    gateway = await startSlackGateway()
    const ts = await gateway.ask()
    await gateway.ask({ id: 'apr_two' as ApprovalId })
    await gateway.ask({ id: 'apr_carols' as ApprovalId, from: ['carol@example.com'] })
    const view = await more(ts, DENY_ALL_ACTION)
    expect(json(view.modal)).toContain('3 calls')
    await submit(view, { [REASON_BLOCK]: { [REASON_INPUT]: 'It runs wild.' } })
    expect(json(view.modal)).toContain('Denied 2 calls. Of 1 more others decide')
    expect(await stored()).toMatchObject({ state: 'denied', reviews: [{ reason: 'It runs wild.' }] })
    expect(await stored('apr_two' as ApprovalId)).toMatchObject({ state: 'denied' })
    expect(await stored('apr_carols' as ApprovalId)).toMatchObject({ state: 'pending' })
  })

  it('reminds once in a minute', async () => {
    gateway = await startSlackGateway()
    const ts = await gateway.ask({ requestedAt: epochMs(Date.now() - 120_000) })
    await says(await more(ts, REMIND_ACTION), 'They were reminded.')
    expect(await stored()).toMatchObject({ reminders: { count: 1 } })
    const again = topView()
    if (again !== undefined) again.open = false
    await says(await more(ts, REMIND_ACTION), 'reminded a moment ago')
  })

  it('revokes what was approved for a while, as far as the desk lets this person', async () => {
    const orders: unknown[] = []
    const access: SlackOptions['access'] = {
      ...createDeskRig().desk,
      async revoke(order) {
        orders.push(order)
        const approval = await stored()
        const grant = approval === null ? null : openStandingGrant(approval, epochMs(Date.now()))
        return orders.length === 1 && grant !== null
          ? { ok: true, grant }
          : { ok: false, message: 'It has ended already.' }
      },
    }
    gateway = await startSlackGateway({ access })
    const ts = await gateway.ask({ allowForMs: [MINUTES_15] })
    await more(ts, `${APPROVE_FOR_ACTION}${MINUTES_15}`)
    await gateway.slack.waitForMessage(({ blocks }) => json(blocks).includes(REVOKE_ACTION))
    await click(ts, REVOKE_ACTION)
    expect(await told()).toContain('Revoked')
    await click(ts, REVOKE_ACTION, CAROL.id)
    expect(await told(CAROL.id)).toContain('ended already')
    expect(orders).toMatchObject([{ grantId: ID.replace('apr_', 'stg_'), by: { email: 'bob@example.com' } }, {}])
  })

  it('a window is not opened twice by one trigger, and a late one says so', async () => {
    gateway = await startSlackGateway()
    const ts = await gateway.ask()
    gateway.slack.failNext('views.open', { error: 'expired_trigger_id' })
    expect(await click(ts, MORE_ACTION)).toMatchObject({ ok: true })
    expect(await told()).toContain('please click again')
  })
})

describe('[REQ-CARD-6] what does not fit on the card is a file in its thread', () => {
  const post = async (change: Partial<Approval>) => {
    const approval = pendingApproval(change)
    gateway.approvals.open(approval)
    const ref = (await gateway.channel.post(cardOf(approval), 'slack')) as MessageRef
    return { ref, card: cardOf(approval) }
  }

  it('whole, visible, under a name of ours', async () => {
    gateway = await startSlackGateway()
    const content = `begin\u202e<!channel>\n${'x'.repeat(100_000)}\nend of it`
    const { ref, card } = await post({ argumentsJson: JSON.stringify({ content, '../evil': '' }) })
    await gateway.channel.attach?.(ref, card)
    const [file] = gateway.slack.files
    expect(file).toMatchObject({
      name: `arguments-${ID}.txt`,
      channel: 'C0APPROVALS',
      threadTs: (JSON.parse(ref) as { ts: string }).ts,
    })
    expect(file?.text).toContain('\n    end of it\n')
    expect(file?.text).toContain('    begin⟨U+202E⟩<!channel>\n')
    expect(file?.text).not.toContain('\u202e')
    expect(file?.text).toContain('x'.repeat(100_000))
  })

  it('nothing is uploaded where all of it is on the card', async () => {
    gateway = await startSlackGateway()
    const { ref, card } = await post({})
    await gateway.channel.attach?.(ref, card)
    expect(gateway.slack.files).toEqual([])
  })

  it('later is later, and posts no second card', async () => {
    gateway = await startSlackGateway()
    const { ref, card } = await post({ argumentsJson: LONG })
    gateway.slack.failNext('files.getUploadURLExternal', { retryAfterSec: 9 })
    await expect(gateway.channel.attach?.(ref, card)).rejects.toMatchObject({ name: 'ChannelBusy', retryAfterMs: 9000 })
    gateway.time.aheadMs = 9_000
    await gateway.channel.attach?.(ref, card)
    expect(gateway.slack.messages).toHaveLength(1)
    expect(gateway.slack.files.filter(({ text }) => text !== null)).toHaveLength(1)
  })

  it('a workspace that takes no files keeps its card, and Slack’s word is told with nothing of the call', async () => {
    gateway = await startSlackGateway()
    const { ref, card } = await post({ argumentsJson: LONG })
    gateway.slack.failNext('files.getUploadURLExternal', { error: 'file_uploads_disabled' })
    const refused = await Promise.resolve(gateway.channel.attach?.(ref, card)).catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(ChannelRefused)
    expect(refused).toMatchObject({ code: 'file_uploads_disabled' })
    expect(String(refused)).not.toContain('/srv/a.txt')
    expect(gateway.slack.messages).toHaveLength(1)
  })
})
