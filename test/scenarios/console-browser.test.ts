/** The console's page in a real browser: what a person on call sees, clicks and is told. */
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { LINK_LIFE_MS } from '../../bots/console/console.ts'
import { SIGN_IN_LIFE_MS } from '../../bots/console/sign-ins.ts'
import { PREVIEW_MAX_CHARS } from '../../bots/console/view.ts'
import { epochMs } from '../../src/brands.ts'
import { startBrowser } from '../support/browser.ts'
import { type ConsoleRig, startConsoleRig } from '../support/console-rig.ts'
import { aReviewer } from '../support/examples.ts'
import { aSummary } from '../support/summaries.ts'

const WAIT_MS = 20_000
let browser: Browser
let rig: ConsoleRig
/** One browser user, and the tab that every test starts with: a new one each time would mean a new process each time. */
let context: BrowserContext
let firstTab: Page
/** What the pages complained of: content policy violations, script errors. Must stay empty. */
let complaints: string[] = []

beforeAll(async () => {
  browser = await startBrowser()
  context = await newContext()
  firstTab = await context.newPage()
}, 600_000)
afterAll(() => browser?.close())

beforeEach(async () => {
  complaints = []
  rig = await startConsoleRig()
})
afterEach(async () => {
  await firstTab.unrouteAll()
  for (const page of context.pages()) if (page !== firstTab) await page.close()
  // Leaves the page before its server goes: a page that is cut off while it loads complains in the next test.
  await firstTab.goto('about:blank')
  await rig.stop()
  expect(complaints).toEqual([])
})

async function newContext(options: Parameters<Browser['newContext']>[0] = {}): Promise<BrowserContext> {
  const made = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options })
  made.setDefaultTimeout(WAIT_MS)
  await made.exposeFunction('complain', (text: string) => complaints.push(text))
  await made.addInitScript(`
    document.addEventListener('securitypolicyviolation', (event) => complain('policy: ' + event.violatedDirective + ' ' + event.blockedURI))
    window.alert = () => complain('alert')
  `)
  made.on('page', (page) => page.on('pageerror', (error) => complaints.push(`script: ${error.message}`)))
  return made
}

/** Signs in by a fresh one-time link and waits until the page is live. */
async function openConsole(page = firstTab): Promise<Page> {
  await page.goto(rig.console.newLink())
  await page.waitForSelector('#connection[data-state=live]')
  return page
}

const pendingCards = (page: Page) => page.locator('#pending-list .card')
const cardOn = (page: Page, id: string) => page.locator(`.card[data-approval="${id}"]`)

test('[REQ-CARD-5] the one-time link opens the console by itself, once', async () => {
  const link = rig.console.newLink()
  const page = firstTab
  await page.goto(link)
  await page.waitForSelector('#connection[data-state=live]')
  expect(new URL(page.url()).pathname).toBe('/console')
  expect(await page.textContent('#reviewer')).toBe('You are bob@example.com')

  const stranger = await newContext()
  const theirs = await stranger.newPage()
  await theirs.goto(link)
  await theirs.waitForSelector('text=This link no longer opens the console.')
  await theirs.goto(`${rig.url}/console`)
  await theirs.waitForSelector('text=You are not signed in to the console.')
  await stranger.close()
})

test('without scripts the link has a button that opens it', async () => {
  const plain = await browser.newContext({ javaScriptEnabled: false })
  const page = await plain.newPage()
  await page.goto(rig.console.newLink())
  await page.getByRole('button', { name: 'Open the console' }).click()
  await page.waitForURL(`${rig.url}/console`)
  expect(await page.textContent('noscript')).toContain('needs JavaScript')
  await plain.close()
})

test('an expired link says what to do', async () => {
  const link = rig.console.newLink()
  rig.advance(LINK_LIFE_MS)
  const page = firstTab
  await page.goto(link)
  await page.waitForSelector('text=This link no longer opens the console.')
  await page.waitForSelector('text=Restart the gateway: it prints a new one')
})

test('[REQ-CARD-1] a held call appears by itself, with everything one decides by', async () => {
  const page = await openConsole()
  await page.waitForSelector('text=Nothing is waiting.')
  expect(await page.title()).toBe('Countersign')
  const approval = rig.ask({
    rule: 'prod-writes',
    argumentsJson: '{"content":"hello","path":"/data/a.txt"}',
    annotations: { readOnly: null, destructive: true, openWorld: null },
    statedReason: 'the weekly clean-up',
  })
  const card = cardOn(page, approval.id)
  await card.waitFor()
  const text = await card.innerText()
  for (const part of [
    'alice@example.com’s agent wants write_file on files',
    'Held by rule prod-writes: Writing needs a second pair of eyes.',
    'the server calls it destructive',
    'the weekly clean-up',
    'content\nhello',
    'path\n/data/a.txt',
    'agent-client for alice@example.com, signed in at https://example.okta.com/oauth2/default',
    'ffffffff',
  ]) {
    expect(text).toContain(part)
  }
  expect(await card.locator('.deadline').innerText()).toMatch(/^1[45]:\d\d left$/)
  expect(await page.title()).toBe('(1) Countersign')
  expect(await page.textContent('#announcer')).toBe('New: alice@example.com’s agent wants write_file on files')
})

test('the countdown runs, by the gateway’s clock, and turns urgent in its last minute', async () => {
  const approval = rig.ask({ expiresAt: epochMs(rig.now() + 10 * 60_000) })
  const page = await openConsole()
  const deadline = cardOn(page, approval.id).locator('.deadline')
  const first = await deadline.innerText()
  expect(first).toMatch(/^(10:00|9:\d\d) left$/)
  expect(await deadline.getAttribute('data-urgent')).toBe('false')
  await expect.poll(() => deadline.innerText(), { timeout: WAIT_MS }).not.toBe(first)
  rig.advance(9 * 60_000)
  rig.ask() // the next event brings the gateway’s time along
  await expect.poll(() => deadline.getAttribute('data-urgent'), { timeout: WAIT_MS }).toBe('true')
  expect(await deadline.innerText()).toMatch(/^0:\d\d left$/)
})

test('[REQ-REVIEW-4] Approve is one click, one review, and is repainted in every tab', async () => {
  const approval = rig.ask()
  const [page, other] = [await openConsole(), await openConsole(await context.newPage())]
  await cardOn(page, approval.id).getByRole('button', { name: 'Approve' }).click()
  for (const tab of [page, other]) {
    const outcome = tab.locator('.card[data-state=approved] .outcome')
    await outcome.waitFor()
    expect(await outcome.innerText()).toMatch(/^Approved by bob@example\.com · \d\d:\d\d:\d\d$/)
    await tab.waitForSelector(`#decided-list [data-approval="${approval.id}"]`)
    expect(await tab.title()).toBe('Countersign')
  }
  expect(rig.clicks).toMatchObject([{ approvalId: approval.id, choice: 'approve', reason: null, channel: 'console' }])
})

test('Deny sends the reason that was typed; Enter in the reason denies', async () => {
  const approval = rig.ask()
  const page = await openConsole()
  const reason = cardOn(page, approval.id).getByLabel('Reason for denying')
  await reason.fill('wrong folder')
  await expect.poll(() => cardOn(page, approval.id).locator('.deny').getAttribute('aria-disabled')).toBe('false')
  await reason.press('Enter')
  await page.waitForSelector('text=Denied by bob@example.com: wrong folder')
  expect(rig.clicks).toMatchObject([{ choice: 'deny', reason: 'wrong folder' }])
})

test('a reason that is being typed outlives a repaint', async () => {
  const approval = rig.ask({ quorum: 3 })
  const page = await openConsole()
  const card = cardOn(page, approval.id)
  await card.getByLabel('Reason for denying').fill('half a sent')
  await rig.reviewElsewhere(approval.id, aReviewer('carol@example.com'), 'approve')
  await card.locator('text=1 of 3 approvals').waitFor()
  expect(await card.getByLabel('Reason for denying').inputValue()).toBe('half a sent')
})

test('below the quorum a click counts and says how many are needed; a second click of the same person is told', async () => {
  const approval = rig.ask({ quorum: 2 })
  const page = await openConsole()
  const card = cardOn(page, approval.id)
  await card.getByRole('button', { name: 'Approve' }).click()
  await card.locator('text=Your approval counts. 1 more needed.').waitFor()
  await card.locator('text=Approved by bob@example.com').waitFor()
  await card.getByRole('button', { name: 'Approve' }).click()
  await card.locator('text=You have already reviewed this one; another person is needed.').waitFor()
  expect((await rig.store.get(approval.id))?.reviews).toHaveLength(1)
})

test('[REQ-REVIEW-3] a late click is told plainly and changes nothing', async () => {
  const approval = rig.ask()
  const page = await openConsole()
  const card = cardOn(page, approval.id)
  await expect.poll(() => card.locator('.approve').getAttribute('aria-disabled')).toBe('false')
  // Between the press and its arrival someone else decides.
  await page.route('**/console/api/reviews', async (route) => {
    await rig.reviewElsewhere(approval.id, aReviewer('carol@example.com'), 'deny')
    await route.continue()
  })
  await card.getByRole('button', { name: 'Approve' }).click()
  await card.locator('text=Your click changed nothing: this was already denied by carol.').waitFor()
  expect(await card.getAttribute('data-state')).toBe('denied')
  expect(await card.locator('.controls').isVisible()).toBe(false)
})

test('a card that slid under the pointer takes no click at first', async () => {
  const [first, second] = [rig.ask(), rig.ask({ tool: 'delete_everything' })]
  const page = await openConsole()
  await expect.poll(() => cardOn(page, second.id).locator('.approve').getAttribute('aria-disabled')).toBe('false')
  await page.evaluate(`
    new MutationObserver((_, observer) => {
      if (document.querySelector('#pending-list [data-approval="${first.id}"]') !== null) return
      observer.disconnect()
      document.querySelector('[data-approval="${second.id}"] .approve').click()
      document.body.dataset.clicked = 'true'
    }).observe(document.querySelector('#pending-list'), { childList: true })
  `)
  await rig.reviewElsewhere(first.id, aReviewer('carol@example.com'), 'deny')
  await page.waitForSelector('body[data-clicked]')
  await expect.poll(() => cardOn(page, second.id).locator('.approve').getAttribute('aria-disabled')).toBe('false')
  expect(rig.clicks).toEqual([])
  await cardOn(page, second.id).getByRole('button', { name: 'Approve' }).click()
  await expect.poll(() => rig.clicks.length).toBe(1)
})

test('[REQ-CARD-2] what an agent writes stays text, wherever it lands', async () => {
  const hostile =
    '<img src=x onerror=alert(1)><script>alert(2)</script>"\'><b>\u202Etxt.exe\u200B {{7*7}} [x](javascript:alert(3))'
  const approval = rig.ask({
    tool: hostile,
    upstream: hostile,
    argumentsJson: JSON.stringify({ [hostile]: hostile, list: [hostile] }),
  })
  const denied = rig.ask({ tool: hostile })
  await rig.reviewElsewhere(denied.id, { id: 'slack:T:U', email: null, name: hostile }, 'deny', hostile)
  await rig.console.channel.summarise(
    aSummary({
      upstream: hostile,
      approvals: [{ tool: hostile, state: 'denied', reviewers: [hostile], decidedAfterMs: 42_000, isHasty: false }],
    }),
    'console',
  )
  const page = await openConsole()
  const card = cardOn(page, approval.id)
  const shown = hostile.replace('\u202E', '⟨U+202E⟩').replace('\u200B', '⟨U+200B⟩')
  expect(await card.locator('.headline').textContent()).toBe(`alice@example.com’s agent wants ${shown} on ${shown}`)
  expect(await card.locator('dt').first().textContent()).toBe(shown)
  expect(await card.locator('pre').first().textContent()).toBe(shown)
  expect(await page.locator('.session .headline').textContent()).toContain(shown)
  expect(await cardOn(page, denied.id).locator('.outcome').textContent()).toContain(shown)
  expect(await page.locator('main img, main script, main b, main a').count()).toBe(0)
  expect(await page.content()).not.toMatch(/[\u202E\u200B]/)
})

test('a long argument scrolls in its box until one asks for all of it', async () => {
  const lines = Array.from({ length: 100 }, (_, at) => `line ${at}`).join('\n')
  const approval = rig.ask({ argumentsJson: JSON.stringify({ content: lines }) })
  const page = await openConsole()
  const box = cardOn(page, approval.id).locator('pre')
  expect(await box.textContent()).toBe(lines)
  const heightOf = () => box.evaluate((element: { clientHeight: number }) => element.clientHeight)
  const before = await heightOf()
  await page.getByRole('button', { name: 'Show all 100 lines' }).click()
  expect(await heightOf()).toBeGreaterThan(before * 3)
})

test('what the page was not sent must be fetched before it can be approved', async () => {
  const content = `${'x'.repeat(PREVIEW_MAX_CHARS)} and then rm -rf /`
  const approval = rig.ask({ argumentsJson: JSON.stringify({ content }) })
  const page = await openConsole()
  const card = cardOn(page, approval.id)
  await expect.poll(() => card.locator('.deny').getAttribute('aria-disabled')).toBe('false')
  await card.locator('.approve').dispatchEvent('click')
  await card.locator('text=you would approve what you have not been shown').waitFor()
  expect(rig.clicks).toEqual([])
  await card.getByRole('button', { name: 'Show all of it' }).click()
  await expect.poll(() => card.locator('pre').textContent()).toBe(content)
  await card.getByRole('button', { name: 'Approve' }).click()
  await expect.poll(() => rig.clicks.length).toBe(1)
})

test('it can all be done from the keyboard, which goes on with the next card', async () => {
  const [first, second] = [rig.ask(), rig.ask({ tool: 'delete_file' })]
  const page = await openConsole()
  const approve = cardOn(page, first.id).locator('.approve')
  await expect.poll(() => approve.getAttribute('aria-disabled')).toBe('false')
  const focused = () =>
    page.evaluate(
      `document.activeElement.className + ' ' + (document.activeElement.closest('.card')?.dataset.approval ?? '')`,
    )
  for (let presses = 0; (await focused()) !== `approve ${first.id}`; presses += 1) {
    expect(presses).toBeLessThan(20)
    await page.keyboard.press('Tab')
  }
  expect(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle')).toBe('solid')
  await page.keyboard.press('Enter')
  await page.waitForSelector(`#decided-list [data-approval="${first.id}"]`)
  await expect.poll(focused).toBe(`card ${second.id}`)
})

test('[REQ-ONCE-1] a lost call comes back to the top, asks whether it ran, and goes when that is said', async () => {
  const [lost, open] = [rig.ask({ tool: 'delete_file' }), rig.ask()]
  const page = await openConsole()
  await rig.reviewElsewhere(lost.id, aReviewer('carol@example.com'), 'approve')
  await page.waitForSelector(`#decided-list [data-approval="${lost.id}"]`)
  await rig.store.apply(lost.id, { type: 'run_lost', callId: lost.callId, at: epochMs(rig.now()) })
  const card = page.locator(`#pending-list [data-approval="${lost.id}"]`)
  await card.waitFor()
  const order = await pendingCards(page).evaluateAll((cards) => cards.map((each) => each.getAttribute('data-approval')))
  expect(order).toEqual([lost.id, open.id])
  expect(await page.title()).toBe('(2) Countersign')
  expect(await card.innerText()).toContain('Outcome unknown: the gateway stopped while the call was on its way')
  expect(await card.getByRole('button', { name: 'Approve' }).isVisible()).toBe(false)
  await card.getByRole('button', { name: 'It did not run' }).click()
  await page.waitForSelector(`#decided-list [data-approval="${lost.id}"]`)
  const decidedText = await page.locator(`#decided-list [data-approval="${lost.id}"]`).innerText()
  expect(decidedText).toContain('It did not run, says bob@example.com')
  expect((await rig.store.get(lost.id))?.run).toMatchObject({ state: 'did_not_run' })
  expect(await page.locator('.finding').first().isVisible()).toBe(false)
})

test('[REQ-AWAY-1] a card says that its agent is away, and nothing any more once it is back', async () => {
  const page = await openConsole()
  const { id } = rig.ask({ useWithinMs: 900_000 })
  const card = cardOn(page, id)
  await card.waitFor()
  expect(await card.locator('.notes').isVisible()).toBe(false)
  const settled = `.card[data-approval="${id}"] .approve[aria-disabled=false]`
  await page.waitForSelector(settled)
  await page.evaluate(`
    new MutationObserver((changes, observer) => { window.unsettled = true; observer.disconnect() })
      .observe(document.querySelector('${settled}'), { attributeFilter: ['aria-disabled'] })
  `)
  const awaySince = epochMs(rig.now() - 15_000)
  await rig.store.apply(id, { type: 'agent_left', awaySince, at: epochMs(rig.now()) })
  await card.locator('.notes p').waitFor()
  expect(await card.locator('.notes').innerText()).toMatch(
    /^The agent is away since \d\d:\d\d:\d\d: if you approve, the call runs when it comes back within 15 minutes of that\.$/,
  )
  expect(await card.locator('.notes time').getAttribute('datetime')).toBe(new Date(awaySince).toISOString())
  // The new line has moved the buttons, so they took no clicks at first.
  await page.waitForFunction('window.unsettled === true')
  await rig.store.apply(id, { type: 'agent_came', state: 'waiting', calls: 2, at: epochMs(rig.now()) })
  await page.waitForSelector('text=2 identical calls wait: one approval lets one run, and the others get its answer.')
  expect(await card.locator('.notes p').count()).toBe(1)
  await rig.store.apply(id, { type: 'agent_came', state: 'waiting', calls: 1, at: epochMs(rig.now()) })
  await card.locator('.notes').waitFor({ state: 'hidden' })
})

test('[REQ-REASON-1] a card says why you are asked, since when others are too, and what the agent says it wants', async () => {
  const page = await openConsole()
  const step = { type: 'escalate', at: epochMs(rig.now()), doneAt: null, from: ['leads'], rooms: [] } as const
  const { id } = rig.ask({ from: ['dba'], steps: [step], statedReason: '<b>Ticket\u202E</b>' })
  const card = cardOn(page, id)
  await card.waitFor()
  expect(await card.locator('.asked').innerText()).toBe('You are asked because rule writes asks dba.')
  expect(await card.locator('.facts').innerText()).toContain('<b>Ticket⟨U+202E⟩</b>')
  await rig.store.apply(id, { type: 'step', index: 0, at: epochMs(rig.now()) })
  await card.locator('.asked p').nth(1).waitFor()
  expect(await card.locator('.asked p').nth(1).innerText()).toMatch(
    /^Nobody had decided by \d\d:\d\d:\d\d, so leads may decide too\.$/,
  )
})

test('a session’s summary appears by itself', async () => {
  const page = await openConsole()
  await rig.console.channel.summarise(aSummary({ unknownOutcomes: 1 }), 'console')
  const session = page.locator('.session')
  await session.waitFor()
  const text = await session.innerText()
  expect(text).toContain('alice@example.com on files')
  expect(text).toContain('14 succeeded, 1 denied by policy, 1 denied by reviewer, 1 with unknown outcome')
  expect(text).toContain(
    'write_file approved by bob@example.com after 42 s; move_file denied by carol@example.com after 3 m 10 s',
  )
  expect(text).toContain('2 × aws-access-key')
  expect(text).toContain('rec_example')
})

test('a line that breaks is said, and heals with the whole state', async () => {
  const first = rig.ask()
  const page = await openConsole()
  await context.setOffline(true)
  rig.cut()
  await page.waitForSelector('text=The line to the gateway is down.')
  await rig.reviewElsewhere(first.id, aReviewer('carol@example.com'), 'deny')
  const second = rig.ask({ tool: 'delete_file' })
  await context.setOffline(false)
  await page.waitForSelector('#connection[data-state=live]')
  await cardOn(page, second.id).waitFor()
  await page.waitForSelector(`[data-approval="${first.id}"][data-state=denied]`)
})

test('when the sign-in ends, an open page shows nothing any more', async () => {
  rig.ask()
  const page = await openConsole()
  await pendingCards(page).waitFor()
  rig.advance(SIGN_IN_LIFE_MS)
  rig.ask() // any event: the stream finds out when it would write
  await page.waitForSelector('text=You are signed out.')
  expect(await page.locator('.card').count()).toBe(0)
  expect(await page.textContent('#connection')).toBe('Signed out')
})

test('signing out empties the page and the browser’s sign-in', async () => {
  rig.ask()
  const page = await openConsole()
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.waitForSelector('text=You are signed out.')
  await page.reload()
  await page.waitForSelector('text=You are not signed in to the console.')
})

const looks: [what: string, options: { viewport: { width: number; height: number }; colorScheme: 'light' | 'dark' }][] =
  [
    ['on a phone, light', { viewport: { width: 375, height: 812 }, colorScheme: 'light' }],
    ['on a phone, dark', { viewport: { width: 375, height: 812 }, colorScheme: 'dark' }],
    ['on a small phone', { viewport: { width: 320, height: 640 }, colorScheme: 'light' }],
  ]
test.each(looks)('%s nothing scrolls sideways and every target can be hit', async (_what, options) => {
  const phone = await newContext(options)
  rig.ask({ argumentsJson: JSON.stringify({ ['long_name_'.repeat(20)]: 'unbroken'.repeat(200), n: 1 }) })
  const done = rig.ask({ tool: 'tool_'.repeat(40) })
  await rig.reviewElsewhere(done.id, aReviewer('carol@example.com'), 'deny', 'x'.repeat(300))
  await rig.console.channel.summarise(aSummary(), 'console')
  const page = await openConsole(await phone.newPage())
  await pendingCards(page).first().waitFor()
  expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(options.viewport.width)
  for (const name of ['Approve', 'Deny']) {
    const box = await pendingCards(page).first().getByRole('button', { name, exact: true }).boundingBox()
    expect(box?.height).toBeGreaterThanOrEqual(44)
    expect((box?.x ?? 0) + (box?.width ?? 999)).toBeLessThanOrEqual(options.viewport.width)
  }
  const background = await page.evaluate('getComputedStyle(document.body).backgroundColor')
  expect(background).toBe(options.colorScheme === 'dark' ? 'rgb(19, 22, 27)' : 'rgb(245, 244, 240)')
  await phone.close()
})
