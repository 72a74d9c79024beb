/** The console over HTTP, without a browser: the link, the data, the clicks and the events. */
import { afterEach, expect, test } from 'vitest'
import { LINK_LIFE_MS, REASON_MAX_CHARS } from '../../bots/console/console.ts'
import { SIGN_IN_LIFE_MS } from '../../bots/console/sign-ins.ts'
import { PREVIEW_MAX_CHARS } from '../../bots/console/view.ts'
import { cardOf } from '../../src/approval/card-of.ts'
import { wholeDigest } from '../../src/approval/shown.ts'
import type { ApprovalId } from '../../src/brands.ts'
import { epochMs } from '../../src/brands.ts'
import type { MessageRef } from '../../src/ports.ts'
import { type ConsoleRig, click, cookieOf, type RigOptions, redeem, startConsoleRig } from '../support/console-rig.ts'
import { aReviewer } from '../support/examples.ts'
import { aSummary } from '../support/summaries.ts'

let rig: ConsoleRig
afterEach(() => rig?.stop())

async function start(options?: RigOptions): Promise<void> {
  rig = await startConsoleRig(options)
}

const codeOf = (link: string) => new URL(link).searchParams.get('code') ?? ''
const stateFor = async (cookie: string) =>
  JSON.parse((await rig.send('/console/api/state', { headers: { Cookie: cookie } })).text)

test('a link leads by a page and one POST to the console', async () => {
  await start()
  const link = rig.console.newLink()
  expect(link).toMatch(new RegExp(`^${rig.url}/console/open\\?code=[\\w-]{43}$`))
  const page = await rig.send(link)
  expect(page.status).toBe(200)
  expect(page.text).toContain(`value="${codeOf(link)}"`)
  expect(page.text).toContain('<button class="primary">Open the console</button>')

  const redeemed = await redeem(rig, codeOf(link))
  expect([redeemed.status, redeemed.headers.location]).toEqual([303, '/console'])
  const cookie = redeemed.headers['set-cookie']?.[0] ?? ''
  expect(cookie).toMatch(
    /^countersign_console_\d+=[\w-]{43}; Max-Age=43200; Path=\/console; Expires=.+; HttpOnly; SameSite=Strict$/,
  )
  const shell = await rig.send('/console', { headers: { Cookie: cookieOf(redeemed) } })
  expect(shell.status).toBe(200)
  expect(shell.text).toContain('Waiting for you')
})

test('looking at a link, however often, does not use it up', async () => {
  await start()
  const link = rig.console.newLink()
  for (let at = 0; at < 3; at += 1) expect((await rig.send(link)).status).toBe(200)
  expect((await redeem(rig, codeOf(link))).status).toBe(303)
})

test('[REQ-CARD-5] a link works once, and not after its life', async () => {
  await start()
  const [used, old] = [codeOf(rig.console.newLink()), codeOf(rig.console.newLink())]
  expect((await redeem(rig, used)).status).toBe(303)
  const second = await redeem(rig, used)
  expect([second.status, second.headers['set-cookie']]).toEqual([403, undefined])
  expect(second.text).toContain('This link no longer opens the console.')
  rig.advance(LINK_LIFE_MS)
  expect((await redeem(rig, old)).status).toBe(403)
})

test('of two who post the same code at once, one gets in', async () => {
  await start()
  const code = codeOf(rig.console.newLink())
  const answers = await Promise.all([redeem(rig, code), redeem(rig, code), redeem(rig, code)])
  expect(answers.map((answer) => answer.status).sort()).toEqual([303, 403, 403])
})

test('a sign-in ends after a shift, and a sign-out at once', async () => {
  await start()
  const [first, second] = [await rig.signIn(), await rig.signIn()]
  const signOut = await rig.send('/console/api/sign-out', {
    method: 'POST',
    headers: { Origin: rig.url, Cookie: first },
  })
  expect(signOut.status).toBe(200)
  expect((await rig.send('/console', { headers: { Cookie: first } })).status).toBe(401)
  rig.advance(SIGN_IN_LIFE_MS - 1_000)
  expect((await rig.send('/console', { headers: { Cookie: second } })).status).toBe(200)
  rig.advance(1_000)
  expect((await rig.send('/console', { headers: { Cookie: second } })).status).toBe(401)
})

test('behind an https name the cookie is for https alone', async () => {
  await start({ publicUrl: 'https://gateway.example.com' })
  const headers = { Host: 'gateway.example.com', Origin: 'https://gateway.example.com' }
  const redeemed = await redeem(rig, codeOf(rig.console.newLink()), headers)
  expect(redeemed.status).toBe(303)
  expect(redeemed.headers['set-cookie']?.[0]).toContain('; Secure')
})

test('the state holds what is pending, what was decided and who sits here', async () => {
  await start()
  const cookie = await rig.signIn()
  const [done, open] = [rig.ask({ tool: 'delete_file' }), rig.ask()]
  await rig.reviewElsewhere(done.id, aReviewer('carol@example.com'), 'deny', 'not on a Friday')
  await rig.console.channel.summarise(aSummary(), 'console')
  const state = await stateFor(cookie)
  expect(state.reviewer).toEqual({ name: 'bob@example.com' })
  expect(state.pending.map((card: { approvalId: string }) => card.approvalId)).toEqual([open.id])
  expect(state.decided[0]).toMatchObject({
    approvalId: done.id,
    state: 'denied',
    outcome: 'Denied by carol (carol@example.com): not on a Friday',
  })
  expect(state.sessions).toHaveLength(1)
})

test('a question that a rule sends to other channels only is neither shown nor decided here', async () => {
  await start()
  const cookie = await rig.signIn()
  const elsewhere = rig.ask({ channels: ['slack'] })
  const everywhere = rig.ask({ channels: [] })
  const state = await stateFor(cookie)
  expect(state.pending.map((card: { approvalId: string }) => card.approvalId)).toEqual([everywhere.id])
  const answer = await click(rig, cookie, { approvalId: elsewhere.id, choice: 'approve', reason: null })
  expect(answer.status).toBe(404)
  expect((await rig.send(`/console/api/approvals/${elsewhere.id}`, { headers: { Cookie: cookie } })).status).toBe(404)
  expect(rig.clicks).toEqual([])
})

test('long arguments come cut in the stream and whole on demand', async () => {
  await start()
  const cookie = await rig.signIn()
  const content = 'x'.repeat(PREVIEW_MAX_CHARS * 3)
  const approval = rig.ask({ argumentsJson: JSON.stringify({ content }) })
  const [card] = (await stateFor(cookie)).pending
  expect(card.cutFromChars).toBe('content'.length + content.length)
  const whole = JSON.parse(
    (await rig.send(`/console/api/approvals/${approval.id}`, { headers: { Cookie: cookie } })).text,
  )
  expect(whole.card.arguments).toEqual([{ name: 'content', value: content }])
})

test('one click is one review, by the reviewer of the settings', async () => {
  await start({ reviewer: 'Bob@Example.com' })
  const cookie = await rig.signIn()
  const approval = rig.ask()
  const answer = await click(rig, cookie, { approvalId: approval.id, choice: 'deny', reason: '  too broad ' })
  expect(answer.status).toBe(200)
  expect(JSON.parse(answer.text)).toMatchObject({
    ok: true,
    card: { state: 'denied', outcome: 'Denied by bob@example.com: too broad' },
  })
  const reviewer = { id: 'console:bob@example.com', email: 'bob@example.com', name: 'bob@example.com' }
  expect(rig.clicks).toMatchObject([
    {
      ...{ approvalId: approval.id, reviewer, choice: 'deny', reason: 'too broad', channel: 'console' },
      ...{ strength: 'click', allowForMs: null },
    },
  ])
})

test('[REQ-ONCE-1] a lost call waits for people before everything else, and one click says whether it ran', async () => {
  await start()
  const cookie = await rig.signIn()
  const say = (approvalId: string, ran: unknown) =>
    rig.send('/console/api/runs', {
      method: 'POST',
      headers: { Origin: rig.url, Cookie: cookie, 'Content-Type': 'application/json' },
      body: JSON.stringify({ approvalId, ran }),
    })
  const open = rig.ask()
  const lost = rig.ask({ tool: 'delete_file' })
  await rig.reviewElsewhere(lost.id, aReviewer('carol@example.com'), 'approve')
  expect((await say(lost.id, true)).status, 'its end is known').toBe(409)
  await rig.store.apply(lost.id, { type: 'run_lost', callId: lost.callId, at: epochMs(rig.now()) })
  const state = await stateFor(cookie)
  expect(state.pending).toMatchObject([
    { approvalId: lost.id, asksWhetherItRan: true, outcome: expect.stringContaining('Outcome unknown') },
    { approvalId: open.id, asksWhetherItRan: false },
  ])
  expect(state.decided).toEqual([])
  expect((await say(lost.id, 'yes')).status).toBe(400)
  expect((await say(rig.ask({ channels: ['slack'] }).id, true)).status).toBe(404)
  const answer = await say(lost.id, false)
  expect(answer.status).toBe(200)
  expect(JSON.parse(answer.text)).toMatchObject({ ok: true, card: { asksWhetherItRan: false } })
  expect((await stateFor(cookie)).decided).toMatchObject([
    { approvalId: lost.id, outcome: 'It did not run, says bob@example.com. Approved by carol (carol@example.com)' },
  ])
})

test('without a reviewer in the settings it is an operator without an e-mail', async () => {
  await start({ reviewer: null })
  const approval = rig.ask()
  await click(rig, await rig.signIn(), { approvalId: approval.id, choice: 'approve', reason: null })
  expect(rig.clicks[0]?.reviewer).toEqual({ id: 'console:operator', email: null, name: 'console operator' })
})

test('[REQ-REVIEW-3] a late click changes nothing and is told so', async () => {
  await start()
  const cookie = await rig.signIn()
  const approval = rig.ask()
  await rig.reviewElsewhere(approval.id, aReviewer('carol@example.com'), 'deny')
  const answer = await click(rig, cookie, { approvalId: approval.id, choice: 'approve', reason: null })
  expect(answer.status).toBe(409)
  expect(JSON.parse(answer.text)).toMatchObject({
    ok: false,
    refusal: 'already_resolved',
    message: 'Your click changed nothing: this was already denied by carol.',
    card: { state: 'denied' },
  })
})

test('[REQ-REVIEW-2] the agent’s owner is told that someone else has to decide', async () => {
  await start({ reviewer: 'alice@example.com' })
  const approval = rig.ask()
  const answer = await click(rig, await rig.signIn(), { approvalId: approval.id, choice: 'approve', reason: null })
  expect([answer.status, JSON.parse(answer.text).refusal]).toEqual([403, 'self_review'])
  expect((await rig.store.get(approval.id))?.state).toBe('pending')
})

test('with the store away a click fails in words, and nothing is decided', async () => {
  await start()
  const cookie = await rig.signIn()
  const approval = rig.ask()
  rig.store.away = true
  const answer = await click(rig, cookie, { approvalId: approval.id, choice: 'approve', reason: null })
  expect([answer.status, JSON.parse(answer.text).error.code]).toEqual([503, 'store_unavailable'])
  rig.store.away = false
  expect((await rig.store.get(approval.id))?.state).toBe('pending')
})

const id = `apr_${'a'.repeat(26)}`
const bad: [what: string, body: unknown, headers: Record<string, string>, status: number][] = [
  ['no JSON', '{', {}, 400],
  ['a choice that is none', { approvalId: id, choice: 'maybe', reason: null }, {}, 400],
  ['a field too many', { approvalId: id, choice: 'approve', reason: null, reviewer: 'eve' }, {}, 400],
  ['a missing reason', { approvalId: id, choice: 'approve' }, {}, 400],
  ['an id of another kind', { approvalId: 'gnt_a', choice: 'approve', reason: null }, {}, 400],
  ['a reason that is too long', { approvalId: id, choice: 'deny', reason: 'x'.repeat(REASON_MAX_CHARS + 1) }, {}, 400],
  ['a body that is too large', { approvalId: id, choice: 'deny', reason: 'x'.repeat(5_000) }, {}, 413],
  ['a form', 'approvalId=x', { 'Content-Type': 'application/x-www-form-urlencoded' }, 415],
  ['text that is JSON', { approvalId: id, choice: 'approve', reason: null }, { 'Content-Type': 'text/plain' }, 415],
  ['a compressed body', 'x', { 'Content-Encoding': 'br' }, 415],
  ['an approval that does not exist', { approvalId: id, choice: 'approve', reason: null }, {}, 404],
]
test.each(bad)('a click with %s is refused', async (_what, body, headers, status) => {
  await start()
  const answer = await click(rig, await rig.signIn(), body, headers)
  expect(answer.status).toBe(status)
  expect(JSON.parse(answer.text).error).toMatchObject({ message: expect.any(String), cure: expect.any(String) })
  expect(rig.clicks).toEqual([])
})

test('a notice is told once, to open tabs and to those that come later', async () => {
  await start()
  const cookie = await rig.signIn()
  const events = await rig.events(cookie)
  await events.next('state')
  const by = aReviewer('carol@example.com')
  const thawed = { type: 'thawed', scope: { kind: 'all' }, by, at: epochMs(1_900_000_000_000) } as const
  await rig.console.channel.notify('thaw-1', thawed, 'console')
  await rig.console.channel.notify('thaw-1', thawed, 'console')
  await rig.console.channel.notify('thaw-2', thawed, 'console')
  const told = [await events.next('notice'), await events.next('notice')]
  expect(told.map(({ notice }) => notice.id)).toEqual(['thaw-1', 'thaw-2'])
  expect(told[0]?.notice.headline).toContain('every call of every agent')
  expect((await stateFor(cookie)).notices.map((notice: { id: string }) => notice.id)).toEqual(['thaw-2', 'thaw-1'])
})

test('a tab gets the whole state, then each change by itself', async () => {
  await start()
  const first = rig.ask()
  const events = await rig.events(await rig.signIn())
  expect((await events.next('state')).pending).toHaveLength(1)
  const second = rig.ask({ tool: 'delete_file' })
  expect((await events.next('card')).card).toMatchObject({ approvalId: second.id, state: 'pending', version: 1 })
  await rig.reviewElsewhere(first.id, aReviewer('carol@example.com'), 'approve')
  expect((await events.next('card')).card).toMatchObject({ approvalId: first.id, state: 'approved', version: 2 })
  await rig.console.channel.summarise(aSummary({ upstream: 'pg-prod' }), 'console')
  expect((await events.next('session')).summary.upstream).toBe('pg-prod')
})

test('what the outbox posts and repaints reaches the tabs, read afresh from the store', async () => {
  await start()
  const approval = rig.ask()
  const events = await rig.events(await rig.signIn())
  await events.next('state')
  const card = cardOf(approval)
  const ref = await rig.console.channel.post(card, 'console')
  expect((await events.next('card')).card.approvalId).toBe(approval.id)
  await rig.reviewElsewhere(approval.id, aReviewer('carol@example.com'), 'approve')
  await events.next('card')
  await rig.console.channel.update(ref as MessageRef, card, 'console')
  expect((await events.next('card')).card.state).toBe('approved')
})

test('a change that happens while a tab joins is not lost', async () => {
  await start()
  const cookie = await rig.signIn()
  const opening = rig.events(cookie)
  const asked = Array.from({ length: 20 }, () => rig.ask().id)
  const events = await opening
  const seen = new Set<ApprovalId>(
    (await events.next('state')).pending.map((card: { approvalId: ApprovalId }) => card.approvalId),
  )
  while (!asked.every((one) => seen.has(one))) seen.add((await events.next('card')).card.approvalId)
})

test('with the store away the tabs are told, and get the whole state once it is back', async () => {
  await start()
  const events = await rig.events(await rig.signIn())
  await events.next('state')
  rig.store.away = true
  const missed = rig.ask()
  expect(await events.next('trouble')).toEqual({ code: 'store_unavailable' })
  rig.store.away = false
  const pending = (await events.next('state')).pending
  expect(pending.map((card: { approvalId: string }) => card.approvalId)).toEqual([missed.id])
})

test('tabs are bounded, and one that leaves makes room', async () => {
  await start()
  const cookie = await rig.signIn()
  const tabs = await Promise.all(Array.from({ length: 32 }, () => rig.events(cookie)))
  const refused = await rig.send('/console/events', { headers: { Cookie: cookie } })
  expect([refused.status, JSON.parse(refused.text).error.code]).toEqual([503, 'too_many_tabs'])
  tabs[0]?.close()
  await expect
    .poll(
      () =>
        rig.events(cookie).then(
          () => true,
          () => false,
        ),
      { timeout: 20_000 },
    )
    .toBe(true)
})

test('closing ends every stream and refuses a new link', async () => {
  await start()
  const events = await rig.events(await rig.signIn())
  await events.next('state')
  rig.console.close()
  await events.ended
  expect(() => rig.console.newLink()).toThrow('the console is closed')
})

test('neither a code nor a cookie nor an argument is ever logged', async () => {
  await start()
  const link = rig.console.newLink()
  const cookie = cookieOf(await redeem(rig, codeOf(link)))
  await redeem(rig, 'wrong-code')
  const approval = rig.ask({ argumentsJson: '{"content":"the-argument"}' })
  await click(rig, cookie, { approvalId: approval.id, choice: 'deny', reason: 'the-reason' })
  expect(rig.logged.join('\n')).toMatch(/console link redeemed.+console link refused.+console review/s)
  for (const secret of [codeOf(link), cookie.split('=')[1] ?? '', 'wrong-code', 'the-argument', 'the-reason']) {
    expect(rig.logged.join('\n')).not.toContain(secret)
  }
})

test('approves for a time that the rule offers, and for no other', async () => {
  await start()
  const cookie = await rig.signIn()
  const approval = rig.ask({ allowForMs: [60_000] })
  const approve = (allowForMs: unknown) =>
    click(rig, cookie, { approvalId: approval.id, choice: 'approve', reason: null, allowForMs })
  expect((await stateFor(cookie)).pending[0].allowForMs).toEqual([60_000])
  for (const odd of ['60000', -1, 1.5]) expect((await approve(odd)).status).toBe(400)
  expect((await approve(61_000)).status).toBe(403)
  expect((await approve(60_000)).status).toBe(200)
  expect(rig.clicks.at(-1)).toMatchObject({ allowForMs: 60_000 })
})

test('[REQ-CHOICE-5] the digest of what the page showed is in the review', async () => {
  await start()
  const cookie = await rig.signIn()
  const { id } = rig.ask({ statedReason: 'the weekly clean-up' })
  expect((await click(rig, cookie, { approvalId: id, choice: 'approve', reason: null })).status).toBe(200)
  const approval = await rig.store.get(id)
  expect(approval?.reviews[0]?.shownDigest).toBe(approval && wholeDigest(cardOf(approval)))
})
