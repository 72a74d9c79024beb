/** What every channel does alike: the port, on Slack, Teams and the console. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Approval } from '../../src/approval/approval.ts'
import { cardOf } from '../../src/approval/card-of.ts'
import { type Reply, repliesTo } from '../../src/approval/replies.ts'
import { epochMs } from '../../src/brands.ts'
import { ChannelBusy, ChannelRefused, type MessageRef, type Notice } from '../../src/ports.ts'
import { refusalText } from '../../src/review/review.ts'
import { aFreshApproval, reviewed } from '../support/approvals.ts'
import { type ChannelDriver, consoleDriver, ownPlace, slackDriver, teamsDriver } from '../support/channel-drivers.ts'
import { aSummary } from '../support/summaries.ts'
import { until } from '../support/until.ts'

const BOB = { id: 'console:bob@example.com', email: 'bob@example.com', name: 'Bob' }

/** A channel that asks to wait did nothing: whoever posts comes back, as the outbox does. */
async function inTime<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
  const { answer } = await until('the channel takes it', async () => {
    try {
      return { answer: await ask() }
    } catch (error) {
      if (error instanceof ChannelBusy) return null
      throw error
    }
  })
  return answer
}

describe.each<[string, () => Promise<ChannelDriver>]>([
  ['Slack', slackDriver],
  ['Teams over botbuilder', () => teamsDriver('botbuilder')],
  ['Teams over agents-hosting', () => teamsDriver('agents-hosting')],
  ['the console', consoleDriver],
])('%s', (_name, start) => {
  let driver: ChannelDriver

  beforeAll(async () => {
    driver = await start()
  })
  afterAll(() => driver.close())

  async function posted(change: Partial<Approval> = {}): Promise<{ approval: Approval; ref: MessageRef }> {
    const { channel, store } = driver
    const approval = aFreshApproval({ channels: [channel.name], ...change })
    store.open(approval)
    const ref = await inTime(() => channel.post(cardOf(approval), ownPlace(channel)))
    if (ref === null) throw new Error('its own place is always there')
    return { approval, ref }
  }

  it('shows a card where its own answer says', async () => {
    const { approval, ref } = await posted()
    const text = await driver.shown(ref, approval)
    for (const part of [approval.tool, approval.upstream]) expect(text).toContain(part)
    const copies = (await driver.all()).filter((each) => each.includes(approval.id))
    expect(copies).toHaveLength(1)
  })

  it('repaints it in place from what is stored, however often, and offers nothing any more', async () => {
    const { channel, store } = driver
    const { approval, ref } = await posted()
    const before = (await driver.all()).length
    const applied = await store.apply(approval.id, reviewed('deny', 'bob'))
    if (!applied.ok) throw new Error(applied.refusal)
    for (let at = 0; at < 2; at += 1) {
      await inTime(() => channel.update(ref, cardOf(applied.approval), ownPlace(channel)))
    }
    const text = await driver.shown(ref, applied.approval)
    expect(text).toContain('Denied by bob')
    expect(text).not.toContain('_approve"')
    expect((await driver.all()).length).toBe(before)
  })

  it('[REQ-CHANNEL-4] tells whoever may not decide so, and them alone: nothing that others see changes', async () => {
    const { store } = driver
    const shown = await posted({ from: ['nobody@example.com'] })
    const before = await driver.all()
    const told = await driver.approve(shown)
    expect(told).toContain(refusalText('not_a_reviewer', shown.approval))
    expect(await driver.all()).toEqual(before)
    expect(await store.get(shown.approval.id)).toEqual(shown.approval)
  })

  it('[REQ-CHANNEL-4] takes the reason for a denial in a form, whole and as it was written', async () => {
    const { channel, store } = driver
    const shown = await posted()
    await driver.denySaying(shown, 'Not during the *freeze*, please.')
    const { state, reviews } = await until('it is denied', async () => {
      const now = await store.get(shown.approval.id)
      return now?.state === 'denied' && now
    })
    expect([state, reviews.length]).toEqual(['denied', 1])
    expect(reviews[0]).toMatchObject({
      ...{ choice: 'deny', reason: 'Not during the *freeze*, please.', channel: channel.name },
      reviewer: { email: 'bob@example.com' },
    })
  })

  it('[REQ-CHANNEL-4] tells whoever comes later what was decided, and decides nothing anew', async () => {
    const { store } = driver
    const shown = await posted()
    const applied = await store.apply(shown.approval.id, reviewed('deny', 'carol'))
    if (!applied.ok) throw new Error(applied.refusal)
    const told = await driver.approve(shown)
    expect(told).toContain(refusalText('already_resolved', applied.approval))
    expect((await store.get(shown.approval.id))?.reviews).toHaveLength(1)
  })

  it('says below the card, where it has such a place, what people should notice', async () => {
    const { channel, store } = driver
    const { approval, ref } = await posted({ requestedAt: epochMs(Date.now() - 120_000) })
    const applied = await store.apply(approval.id, { type: 'reminded', by: BOB, at: epochMs(Date.now()) })
    if (!applied.ok) throw new Error(applied.refusal)
    const about = { card: cardOf(applied.approval), place: ownPlace(channel) }
    const [reminder] = repliesTo(applied.approval) as [Reply]
    await inTime(async () => channel.reply?.(ref, reminder, about))
    const isThere = channel.reply !== undefined
    expect(await driver.below(ref)).toEqual(isThere ? [expect.stringContaining('Reminder')] : [])
  })

  it('tells what happened besides, with names that it was given', async () => {
    const { channel } = driver
    const thawed: Notice = {
      type: 'thawed',
      scope: { kind: 'upstream', upstream: 'pg-prod-7' },
      by: BOB,
      at: epochMs(Date.now()),
    }
    await inTime(() => channel.notify('notice-1', thawed, ownPlace(channel)))
    expect((await driver.all()).some((text) => text.includes('pg-prod-7'))).toBe(true)
  })

  it('sums a session up', async () => {
    const { channel } = driver
    const summary = aSummary()
    const ref = await inTime(() => channel.summarise(summary, ownPlace(channel)))
    if (ref !== null) await inTime(async () => channel.detail?.(ref, summary))
    expect((await driver.all()).join('\n')).toContain(summary.recordingId)
  })

  it('posts into no place that it doesn’t have', async () => {
    const { channel, store } = driver
    // The console has one place alone, and a policy can't name another.
    if (channel.places === undefined && channel.find === undefined) return
    const approval = aFreshApproval({ channels: [channel.name] })
    store.open(approval)
    await expect(channel.post(cardOf(approval), 'nowhere:19:x')).rejects.toBeInstanceOf(ChannelRefused)
  })
})
