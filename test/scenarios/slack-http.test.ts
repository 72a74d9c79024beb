/** Slack over HTTP: what people see and click, and what Slack refuses on the way. */
import { afterEach, describe, expect, it } from 'vitest'
import {
  APPROVE_ACTION,
  DENY_ACTION,
  DENY_WITH_REASON_ACTION,
  IT_DID_NOT_RUN_ACTION,
  IT_RAN_ACTION,
  MORE_ACTION,
  NEXT_PAGE_ACTION,
  PREVIOUS_PAGE_ACTION,
  REASON_BLOCK,
  REASON_INPUT,
  SHOW_ALL_ACTION,
} from '../../bots/slack/actions.ts'
import { ACK_WITHIN_MS, CLICK_API_TIMEOUT_MS } from '../../bots/slack/limits.ts'
import type { Approval } from '../../src/approval/approval.ts'
import { cardOf } from '../../src/approval/card-of.ts'
import type { ApprovalId, CallId } from '../../src/brands.ts'
import { epochMs } from '../../src/brands.ts'
import { ChannelBusy, type MessageRef } from '../../src/ports.ts'
import type { FakeView } from '../support/fake-slack-world.ts'
import { ALICE, BOB, CAROL, pendingApproval, type SlackGateway, startSlackGateway } from '../support/slack-gateway.ts'
import { aSummary } from '../support/summaries.ts'

let gateway: SlackGateway
afterEach(() => gateway.close())

const ID = pendingApproval().id
const click = (messageTs: string, actionId: string, userId = BOB.id) =>
  gateway.slack.click({ messageTs, actionId, userId })
const shows = (messageTs: string, text: string) =>
  gateway.slack.waitForMessage(({ ts, blocks }) => ts === messageTs && JSON.stringify(blocks).includes(text))
/** More…, then one of its buttons: the window that it opens. */
async function chooseMore(messageTs: string, actionId: string, userId = BOB.id): Promise<FakeView> {
  expect(await click(messageTs, MORE_ACTION, userId)).toMatchObject({ ok: true })
  const more = await gateway.slack.waitForView(({ open, userId: whose }) => open && whose === userId)
  expect(await gateway.slack.clickInView({ viewId: more.id, actionId, userId })).toMatchObject({ ok: true })
  return gateway.slack.views.findLast(({ open, userId: whose }) => open && whose === userId) ?? more
}
const stored = (id: ApprovalId = ID): Promise<Approval | null> => gateway.approvals.get(id)

describe('a click', () => {
  it('[REQ-REVIEW-4] approves: stored before it is acknowledged, and the card says who and has no buttons', async () => {
    gateway = await startSlackGateway()
    const ts = await gateway.ask()
    const ack = await click(ts, APPROVE_ACTION)
    expect(ack).toMatchObject({ ok: true, status: 200, attempts: 1 })
    expect(await stored()).toMatchObject({ state: 'approved' })
    const card = await shows(ts, 'Approved by Bob (bob@example.com)')
    expect(JSON.stringify(card.blocks)).not.toContain(APPROVE_ACTION)
    expect(gateway.slack.ephemerals).toEqual([])
    expect((await stored())?.reviews[0]?.reviewer).toEqual({
      id: 'slack:T0FAKE:U2',
      email: 'bob@example.com',
      name: 'Bob',
    })
  })

  it('denies at once', async () => {
    gateway = await startSlackGateway()
    const ts = await gateway.ask()
    expect(await click(ts, DENY_ACTION)).toMatchObject({ ok: true })
    expect(await stored()).toMatchObject({ state: 'denied' })
    await shows(ts, 'Denied by Bob (bob@example.com)')
  })

  it('denies with a reason, which the card shows', async () => {
    gateway = await startSlackGateway()
    const ts = await gateway.ask()
    const view = await chooseMore(ts, DENY_WITH_REASON_ACTION)
    expect(await stored()).toMatchObject({ state: 'pending' })
    const values = { [REASON_BLOCK]: { [REASON_INPUT]: ' Not on a Friday. ' } }
    expect(await gateway.slack.submitView({ viewId: view.id, userId: BOB.id, values })).toMatchObject({ ok: true })
    expect(view.open).toBe(false)
    await shows(ts, 'Denied by Bob (bob@example.com): Not on a Friday.')
  })

  it('a reason that comes too late is refused in its own window', async () => {
    gateway = await startSlackGateway()
    const ts = await gateway.ask()
    const view = await chooseMore(ts, DENY_WITH_REASON_ACTION)
    await click(ts, APPROVE_ACTION, CAROL.id)
    const values = { [REASON_BLOCK]: { [REASON_INPUT]: 'no' } }
    const ack = await gateway.slack.submitView({ viewId: view.id, userId: BOB.id, values })
    expect(ack.body).toMatchObject({
      response_action: 'errors',
      errors: { [REASON_BLOCK]: expect.stringContaining('already approved') },
    })
    expect(await stored()).toMatchObject({ state: 'approved' })
  })

  it('two people approve where the rule asks for two, and the card counts', async () => {
    gateway = await startSlackGateway()
    const ts = await gateway.ask({ quorum: 2 })
    await click(ts, APPROVE_ACTION)
    await shows(ts, 'Approved so far, 1 of 2: ')
    await click(ts, APPROVE_ACTION)
    expect((await gateway.slack.waitForEphemeral(({ userId }) => userId === BOB.id)).text).toContain('already reviewed')
    await click(ts, APPROVE_ACTION, CAROL.id)
    await shows(ts, 'Approved by Bob (bob@example.com) and Carol (carol@example.com)')
  })

  it('[REQ-ONCE-1] says whether a lost call ran, once, and the card says who said so and asks no more', async () => {
    gateway = await startSlackGateway()
    const ts = await gateway.ask()
    await click(ts, APPROVE_ACTION)
    await gateway.approvals.apply(ID, { type: 'run_lost', callId: 'call_1' as CallId, at: epochMs(Date.now()) })
    await shows(ts, 'Outcome unknown: the gateway stopped while the call was on its way')
    expect(await click(ts, IT_RAN_ACTION, ALICE.id)).toMatchObject({ ok: true })
    await gateway.slack.waitForEphemeral(({ userId }) => userId === ALICE.id)
    expect(await stored()).toMatchObject({ run: { state: 'unknown' } })
    const copy = await gateway.postUnknownCopy(ID)
    expect(await click(ts, IT_DID_NOT_RUN_ACTION, CAROL.id)).toMatchObject({ ok: true })
    const card = await shows(ts, 'It did not run, says Carol (carol@example.com). Approved by Bob')
    expect(JSON.stringify(card.blocks)).not.toContain(IT_RAN_ACTION)
    expect(await click(copy, IT_RAN_ACTION)).toMatchObject({ ok: true })
    const told = await gateway.slack.waitForEphemeral(({ userId }) => userId === BOB.id)
    expect(JSON.stringify(told)).toContain('Carol has already said that it did not run')
    await shows(copy, 'It did not run, says Carol')
    expect(await stored()).toMatchObject({ run: { state: 'did_not_run', by: { name: 'Carol' } } })
  })

  it('of the agent’s owner changes nothing, and only the owner is told', async () => {
    gateway = await startSlackGateway()
    const ts = await gateway.ask()
    expect(await click(ts, APPROVE_ACTION, ALICE.id)).toMatchObject({ ok: true })
    const told = await gateway.slack.waitForEphemeral(() => true)
    expect(told).toMatchObject({ userId: ALICE.id, via: 'response_url' })
    expect(await stored()).toMatchObject({ state: 'pending' })
    expect(gateway.slack.messages[0]?.edits).toBe(0)
  })

  it('[REQ-REVIEW-5] of someone whom the rule does not name changes nothing', async () => {
    gateway = await startSlackGateway()
    const ts = await gateway.ask({ from: ['carol@example.com'] })
    await click(ts, APPROVE_ACTION)
    expect((await gateway.slack.waitForEphemeral(({ userId }) => userId === BOB.id)).text).toContain(
      'the rule asks for',
    )
    expect(await stored()).toMatchObject({ state: 'pending' })
    await click(ts, APPROVE_ACTION, CAROL.id)
    expect(await stored()).toMatchObject({ state: 'approved' })
  })

  it('on a copy that nobody else knows of is told that it is too late, and repaints that copy', async () => {
    gateway = await startSlackGateway()
    const ts = await gateway.ask()
    const copy = await gateway.postUnknownCopy(ID)
    await click(ts, APPROVE_ACTION)
    await shows(ts, 'Approved by Bob')
    expect(JSON.stringify(gateway.slack.messages.find((one) => one.ts === copy)?.blocks)).toContain(APPROVE_ACTION)
    await click(copy, DENY_ACTION, CAROL.id)
    expect((await gateway.slack.waitForEphemeral(({ userId }) => userId === CAROL.id)).text).toContain(
      'already approved',
    )
    await shows(copy, 'Approved by Bob')
    expect(await stored()).toMatchObject({ state: 'approved' })
  })

  it('after the deadline changes nothing although no job has run', async () => {
    gateway = await startSlackGateway()
    const ts = await gateway.ask({ expiresAt: epochMs(Date.now() - 1) })
    await click(ts, APPROVE_ACTION)
    expect((await gateway.slack.waitForEphemeral(() => true)).text).toContain('deadline has passed')
    expect(await stored()).toMatchObject({ state: 'pending' })
  })
})

describe('when something fails, the person is told and can click again', () => {
  it('the store is away', async () => {
    gateway = await startSlackGateway()
    const ts = await gateway.ask()
    gateway.approvals.away = true
    expect(await click(ts, APPROVE_ACTION)).toMatchObject({ ok: true })
    const told = await gateway.slack.waitForEphemeral(({ userId }) => userId === BOB.id)
    expect(told.text).toMatch(/Redis cannot be reached.*please click again/)
    gateway.approvals.away = false
    await click(ts, APPROVE_ACTION)
    expect(await stored()).toMatchObject({ state: 'approved' })
  })

  it('a review that hangs is not acknowledged; it may still count, and the next click is told so', async () => {
    gateway = await startSlackGateway()
    const ts = await gateway.ask()
    const release = gateway.stallReviews()
    const ack = await click(ts, APPROVE_ACTION)
    expect(ack.ok).toBe(false)
    expect(ack.error).toMatch(/operation_timeout|http_503/)
    expect(await stored()).toMatchObject({ state: 'pending' })
    const copy = await gateway.postUnknownCopy(ID)
    release()
    await shows(ts, 'Approved by Bob')
    await click(copy, APPROVE_ACTION, CAROL.id)
    expect((await gateway.slack.waitForEphemeral(({ userId }) => userId === CAROL.id)).text).toContain(
      'already approved',
    )
  })

  it('a refusal reaches the person by another way where the response_url is used up', async () => {
    gateway = await startSlackGateway()
    const ts = await gateway.ask()
    gateway.slack.failNext('response_url', { error: 'used_url' })
    await click(ts, APPROVE_ACTION, ALICE.id)
    const told = await gateway.slack.waitForEphemeral(() => true)
    expect(told).toMatchObject({
      userId: ALICE.id,
      via: 'chat.postEphemeral',
      text: expect.stringContaining('acts for you'),
    })
  })

  it('Slack does not say who clicked within the time that a click has', async () => {
    gateway = await startSlackGateway()
    const ts = await gateway.ask()
    gateway.slack.failNext('users.info', { delayMs: CLICK_API_TIMEOUT_MS + 500 })
    const ack = await click(ts, APPROVE_ACTION)
    expect(ack.ok).toBe(true)
    expect(ack.tookMs).toBeLessThan(ACK_WITHIN_MS)
    expect((await gateway.slack.waitForEphemeral(() => true)).text).toContain('did not tell who you are')
    expect(await stored()).toMatchObject({ state: 'pending' })
  })

  it('a rate limit on users.info decides nothing', async () => {
    gateway = await startSlackGateway()
    const ts = await gateway.ask()
    gateway.slack.failNext('users.info', { retryAfterSec: 30 })
    await click(ts, APPROVE_ACTION)
    expect(await stored()).toMatchObject({ state: 'pending' })
    await click(ts, APPROVE_ACTION)
    expect(await stored()).toMatchObject({ state: 'approved' })
  })

  it('a missing scope decides nothing, and no answer hangs', async () => {
    gateway = await startSlackGateway({ scopes: ['chat:write'] })
    const ts = await gateway.ask()
    expect(await click(ts, APPROVE_ACTION)).toMatchObject({ ok: true })
    expect(await stored()).toMatchObject({ state: 'pending' })
  })

  it('a workspace that cannot be asked for answers 503, and Slack’s next try works', async () => {
    gateway = await startSlackGateway({ failAtStart: { method: 'auth.test', error: 'fatal_error' } })
    const ts = await gateway.ask()
    gateway.slack.failNext('auth.test', { error: 'fatal_error' })
    const ack = await gateway.slack.click({ messageTs: ts, actionId: APPROVE_ACTION, userId: BOB.id, retries: 1 })
    expect(ack).toMatchObject({ ok: true, attempts: 2 })
    expect(await stored()).toMatchObject({ state: 'approved' })
  })
})

describe('who clicked', () => {
  it('is asked once in five minutes', async () => {
    gateway = await startSlackGateway()
    const asked = () => gateway.slack.calls.filter(({ method }) => method === 'users.info').length
    for (const id of ['apr_one', 'apr_two'] as ApprovalId[]) await click(await gateway.ask({ id }), APPROVE_ACTION)
    expect(asked()).toBe(1)
    gateway.time.aheadMs = 5 * 60_000 + 1
    const payload = gateway.slack.payloadOf({
      messageTs: await gateway.ask({ id: 'apr_three' as ApprovalId }),
      actionId: APPROVE_ACTION,
      userId: BOB.id,
    })
    await gateway.slack.deliver({ payload, timestampSec: Math.floor(Date.now() / 1000) + 240 })
    expect(asked()).toBe(2)
  })

  it('a refusal is asked anew: whoever becomes a member need not wait', async () => {
    gateway = await startSlackGateway()
    gateway.slack.addUser({ id: 'U9', name: 'dave', email: 'dave@example.com', isGuest: true })
    const ts = await gateway.ask()
    await click(ts, APPROVE_ACTION, 'U9')
    gateway.slack.addUser({ id: 'U9', name: 'dave', email: 'dave@example.com' })
    await click(ts, APPROVE_ACTION, 'U9')
    expect(await stored()).toMatchObject({ state: 'approved' })
  })
})

describe('all arguments', () => {
  it('open in a window, page by page', async () => {
    gateway = await startSlackGateway()
    const content = Array.from({ length: 4000 }, (_, at) => `line ${at}`).join('\n')
    const ts = await gateway.ask({ argumentsJson: JSON.stringify({ content }) })
    expect(await click(ts, SHOW_ALL_ACTION)).toMatchObject({ ok: true })
    const view = await gateway.slack.waitForView(({ open }) => open)
    const at = () => JSON.stringify(view.modal)
    expect(at()).toContain('Page 1 of 6')
    await gateway.slack.clickInView({ viewId: view.id, actionId: NEXT_PAGE_ACTION, userId: BOB.id })
    expect(at()).toContain('Page 2 of 6')
    await gateway.slack.clickInView({ viewId: view.id, actionId: PREVIOUS_PAGE_ACTION, userId: BOB.id })
    expect(at()).toContain('Page 1 of 6')
    expect(at()).toContain('line 0')
  })

  it('of an approval that is gone say so', async () => {
    gateway = await startSlackGateway()
    const ts = await gateway.ask({ argumentsJson: JSON.stringify({ content: 'x'.repeat(10_000) }) })
    const payload = gateway.slack.payloadOf({ messageTs: ts, actionId: SHOW_ALL_ACTION, userId: BOB.id })
    const actions = payload.actions.map((action) => ({ ...action, value: 'apr_gone' }))
    await gateway.slack.deliver({ payload: { ...payload, actions } })
    expect((await gateway.slack.waitForEphemeral(() => true)).text).toContain('no longer kept')
    expect(gateway.slack.views).toEqual([])
  })
})

describe('posting', () => {
  it('unfurls nothing, formats nothing in the notification, and remembers where the card is', async () => {
    gateway = await startSlackGateway()
    const ref = await gateway.post(cardOf(pendingApproval({ tool: '<!channel>*x*' })))
    const { args } = await gateway.slack.waitForMessage(() => true)
    expect(args).toMatchObject({ unfurl_links: 'false', unfurl_media: 'false', mrkdwn: 'false', parse: 'none' })
    expect(args.text).toBe('alice@example.com’s agent wants &lt;!channel&gt;∗x∗ on files')
    expect(JSON.parse(ref)).toEqual({ channel: 'C0APPROVALS', ts: gateway.slack.messages[0]?.ts })
  })

  it('[REQ-CARD-4] a rate limit becomes "later", with Slack’s own time', async () => {
    gateway = await startSlackGateway({ burst: 1, messagesPerSecond: 0.5 })
    await gateway.ask()
    const busy = await gateway.post(cardOf(pendingApproval())).catch((error: unknown) => error)
    expect(busy).toBeInstanceOf(ChannelBusy)
    expect(busy).toMatchObject({ retryAfterMs: 2000 })
  })

  it('a rate limit stalls no other call', async () => {
    gateway = await startSlackGateway({ burst: 1, messagesPerSecond: 0.01 })
    const ts = await gateway.ask()
    await expect(gateway.post(cardOf(pendingApproval()))).rejects.toBeInstanceOf(ChannelBusy)
    await click(ts, APPROVE_ACTION)
    await shows(ts, 'Approved by Bob')
  })

  it('a repaint that is rate limited is "later" too', async () => {
    gateway = await startSlackGateway()
    const ref = await gateway.post(cardOf(pendingApproval()))
    gateway.slack.failNext('chat.update', { retryAfterSec: 7 })
    const busy = gateway.channel.update(ref, cardOf(pendingApproval({ state: 'expired' })), 'slack')
    await expect(busy).rejects.toMatchObject({ name: 'ChannelBusy', retryAfterMs: 7000 })
  })

  it('a refusal names Slack’s word and the cure, and nothing of the card', async () => {
    gateway = await startSlackGateway()
    gateway.slack.failNext('chat.postMessage', { error: 'not_in_channel' })
    const failed = await gateway.post(cardOf(pendingApproval())).catch((error: Error) => error)
    expect(failed).toMatchObject({ code: 'not_in_channel' })
    expect(String(failed)).toContain('not_in_channel. Invite the app to the channel')
    expect(String(failed)).not.toContain('/srv/a.txt')
  })

  it('a card that someone deleted needs no repainting', async () => {
    gateway = await startSlackGateway()
    const ref = await gateway.post(cardOf(pendingApproval()))
    gateway.slack.deleteMessage((JSON.parse(ref) as { ts: string }).ts)
    await expect(
      gateway.channel.update(ref, cardOf(pendingApproval({ state: 'expired' })), 'slack'),
    ).resolves.toBeUndefined()
  })

  it('a reference that is none of ours is refused', async () => {
    gateway = await startSlackGateway()
    await expect(gateway.channel.update('{}' as MessageRef, cardOf(pendingApproval()), 'slack')).rejects.toThrow()
  })

  it('a summary goes to its own channel, its details below it', async () => {
    gateway = await startSlackGateway()
    const summary = aSummary({ calls: { succeeded: 2 }, recordingId: 'rec_1' })
    const ref = await gateway.channel.summarise(summary, 'slack')
    const message = await gateway.slack.waitForMessage(({ channel }) => channel === 'C0SUMMARIES')
    for (const part of ['2 calls', 'rec_1']) expect(JSON.stringify(message.blocks)).toContain(part)
    await gateway.channel.detail?.(ref as MessageRef, summary)
    const details = await gateway.slack.waitForMessage(({ threadTs }) => threadTs === message.ts)
    for (const part of ['2 succeeded', summary.recordingHash]) expect(JSON.stringify(details.blocks)).toContain(part)
  })
})
