/**
 * A rule that asks for signing in, with everything real: the gateway in its own process, an OIDC provider, a browser with
 * a virtual authenticator (WebAuthn Level 3 §11), and an agent that waits.
 */
import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import type { Browser, BrowserContext, CDPSession, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ConsoleReviewer } from '../../demo/console-reviewer.ts'
import { startBrowser } from '../support/browser.ts'
import type { Gateway, World } from '../support/gateway.ts'
import { COMMAND, startWorld, UPSTREAM_KEY } from '../support/gateway.ts'
import { type Agent, connectAgent } from '../support/mcp-clients.ts'
import { until } from '../support/until.ts'

const run = promisify(execFile)
const CLIENT = { clientId: '0oa9gateway', clientSecret: 'gateway-secret-5b1f' }
const POLICY = `
version: 1
defaults: { effect: deny }
rules:
  - id: writing
    match: { upstream: files, tool: write_file }
    effect: require_approval
    reason: "Writing needs a second pair of eyes."
    approval: { strength: step_up }
  - id: moving
    match: { upstream: files, tool: create_directory }
    effect: require_approval
    approval: { strength: confirm }
`
const WAIT_MS = 20_000
const PHONE = { width: 375, height: 740 }

let world: World
let gateway: Gateway
let reviewer: ConsoleReviewer
let agent: Agent
let browser: Browser
let context: BrowserContext
let page: Page
/** Content policy violations and script errors. Must stay empty. */
const complaints: string[] = []

beforeAll(async () => {
  ;[world, browser] = await Promise.all([startWorld(), startBrowser()])
  gateway = await world.startGateway({
    policy: POLICY,
    // A passkey belongs to a name, not to an address.
    publicUrl: 'http://localhost:{port}',
    signIn: `{ clientId: ${CLIENT.clientId}, clientSecret: "\${SIGN_IN_SECRET}" }`,
    environment: { SIGN_IN_SECRET: CLIENT.clientSecret },
    settings: 'channels: { console: { reviewer: bob@example.com } }\npeople: { passkeys: required }',
  })
  world.issuer.addClient({ ...CLIENT, redirectUri: `http://localhost:${new URL(gateway.url).port}/step-up/callback` })
  reviewer = await gateway.console()
  agent = await connectAgent('modern', gateway.mcp, await gateway.token())
  context = await browser.newContext({ viewport: { width: 1280, height: 900 } })
  context.setDefaultTimeout(WAIT_MS)
  await context.exposeFunction('complain', (text: string) => complaints.push(text))
  await context.addInitScript(
    `document.addEventListener('securitypolicyviolation', (event) => complain(event.violatedDirective + ' ' + event.blockedURI))`,
  )
  page = await context.newPage()
  page.on('pageerror', (error) => complaints.push(error.message))
}, 600_000)
afterAll(async () => {
  await agent?.close()
  await browser?.close()
  await world?.close()
})

/** The agent's call, its card, and the link that Approve gives for it. */
async function held(name: string, content = 'hello') {
  const call = agent.call('write_file', { path: path.join(world.files, name), content })
  const card = await until(`${name} waits`, async () =>
    (await reviewer.state()).json.pending.find((one) => one.arguments.some(({ value }) => value.endsWith(name))),
  )
  const answer = await reviewer.click(card.approvalId, 'approve')
  return { call, approvalId: card.approvalId, answer, link: answer.body.link ?? '' }
}

async function withAuthenticator(): Promise<CDPSession> {
  const session = await context.newCDPSession(page)
  await session.send('WebAuthn.enable')
  await session.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  })
  return session
}

const reviewsOf = async (approvalId: string) =>
  (await gateway.events()).filter(
    ({ type, approval_id }) => approval_id === approvalId && /stepped_up|step_up_refused|reviewed$/.test(type),
  )

test('[REQ-STEPUP-1] [REQ-STEPUP-6] [REQ-STEPUP-10] sign in, add a passkey, approve with it: the call runs', async () => {
  const tail = 'the tail of it'
  const { call, approvalId, answer, link } = await held('first.txt', `${'line after line\n'.repeat(400)}${tail}`)
  expect(answer).toMatchObject({ status: 403, body: { refusal: 'step_up_needed' } })
  expect(link).toMatch(new RegExp(`^http://localhost:${new URL(gateway.url).port}/step-up/[\\w-]{43}$`))

  await page.goto(link)
  expect(await page.textContent('.headline')).toBe('alice@example.com’s agent wants write_file on files')
  // Nothing of it is out of sight: no box of its own scrolls.
  expect(await page.textContent('article')).toContain(tail)
  const scrolls = await page
    .locator('article pre')
    .evaluateAll((all) => all.filter((e) => e.scrollHeight > e.clientHeight + 1).length)
  expect(scrolls).toBe(0)
  await page.getByRole('button', { name: 'Sign in to approve' }).click()
  await page.waitForURL('**/step-up/decide')
  await page.getByRole('link', { name: 'Add one' }).click()

  await withAuthenticator()
  await page.getByLabel('Its name').fill('Work laptop')
  await page.getByRole('button', { name: 'Add a passkey' }).click()
  await page.waitForSelector('text=Added.')
  expect(await page.textContent('.passkeys')).toContain('Work laptop')
  await page.getByRole('link', { name: 'Back to what you were asked to approve' }).click()

  expect(await page.textContent('article')).toContain(tail)
  await page.getByLabel('Note for the record (optional)').fill('read to the end')
  await page.getByRole('button', { name: 'Approve with your passkey' }).click()
  await page.waitForSelector('h1:text("Approved")')
  expect((await call).isError).toBe(false)
  expect(await reviewsOf(approvalId)).toMatchObject([
    { type: 'approval.stepped_up', passkey: expect.any(String), signed_in_as: { issuer: world.issuer.issuer } },
    { type: 'approval.reviewed', review: { strength: 'stepped_up', channel: 'console', reason: 'read to the end' } },
  ])
  expect(complaints).toEqual([])
})

test('on a phone, with the passkey there already: two taps, and the link is used up', async () => {
  await page.setViewportSize(PHONE)
  const { call, link } = await held('second.txt')
  await page.goto(link)
  await page.getByRole('button', { name: 'Sign in to approve' }).click()
  await page.waitForURL('**/step-up/decide')
  const wide = await page.evaluate('document.documentElement.scrollWidth > document.documentElement.clientWidth')
  expect(wide).toBe(false)
  await page.getByRole('button', { name: 'Approve with your passkey' }).dblclick()
  await page.waitForSelector('h1:text("Approved")')
  expect((await call).isError).toBe(false)
  await page.goto(link)
  await page.waitForSelector('text=This link no longer works')
  expect(complaints).toEqual([])
})

test('[REQ-STEPUP-3] somebody else at the keyboard is sent away; a denial needs no passkey', async () => {
  const { call, approvalId, link } = await held('third.txt')
  world.issuer.signsIn('alice@example.com')
  // Else the issuer asks first whether whom it knows there shall be signed out.
  await context.clearCookies({ domain: '127.0.0.1' })
  await page.goto(link)
  await page.getByRole('button', { name: 'Sign in to approve' }).click()
  await page.waitForSelector('text=You are not the one this link is for')
  expect(await reviewsOf(approvalId)).toMatchObject([{ type: 'approval.step_up_refused', refusal: 'other_person' }])
  world.issuer.signsIn(null)
  await context.clearCookies({ domain: '127.0.0.1' })
  const again = await reviewer.click(approvalId, 'approve')
  await page.goto(again.body.link ?? '')
  await page.getByRole('button', { name: 'Sign in to approve' }).click()
  await page.getByLabel('Reason, which the agent gets (optional)').fill('not today')
  await page.getByRole('button', { name: 'Deny' }).click()
  await page.waitForSelector('h1:text("Denied")')
  expect((await call).text).toContain('not today')
})

test('a passkey that the person holds back decides nothing, and can be tried again', async () => {
  const { call, link } = await held('fourth.txt')
  await page.goto(link)
  await page.getByRole('button', { name: 'Sign in to approve' }).click()
  await page.waitForURL('**/step-up/decide')
  await page.evaluate(`navigator.credentials.get = () => Promise.reject(new DOMException('', 'NotAllowedError'))`)
  await page.getByRole('button', { name: 'Approve with your passkey' }).click()
  await page.waitForSelector('text=No passkey was used, and nothing was sent.')
  await page.reload()
  await page.getByRole('button', { name: 'Approve with your passkey' }).click()
  await page.waitForSelector('h1:text("Approved")')
  expect((await call).isError).toBe(false)
})

test('an operator sees a person’s passkeys and removes them, for whoever has lost them all', async () => {
  const shell = async (...args: string[]) => {
    const { stdout } = await run(process.execPath, [COMMAND, ...args, '--config', gateway.settingsFile], {
      env: { ...process.env, REDIS_URL: '', UPSTREAM_KEY, SIGN_IN_SECRET: CLIENT.clientSecret },
    }).catch((error: { stdout: string }) => error)
    return stdout
  }
  expect(await shell('passkeys', 'list', 'Bob@example.com')).toContain('Work laptop')
  expect(await shell('passkeys', 'list', 'alice@example.com')).toBe('No passkeys.\n')
  expect(await shell('doctor')).toContain(`redirect URI http://localhost:${new URL(gateway.url).port}/step-up/callback`)
  expect(await shell('passkeys', 'remove', 'bob@example.com', 'other')).toBe('There is no such passkey.\n')
  expect(await shell('passkeys', 'remove', 'bob@example.com')).toBe('Removed: 1 passkey\n')
  expect(await shell('passkeys', 'list', 'bob@example.com')).toBe('No passkeys.\n')
})

test('in the console: the link under Approve, and a second tap where the rule asks for one', async () => {
  await page.setViewportSize({ width: 1280, height: 900 })
  await agent.close()
  await gateway.stop()
  await gateway.restart()
  const [, link] = await gateway.process.line(/(http:\S+\/console\/open\?code=\S+)/)
  await page.goto(String(link))
  await page.waitForSelector('#connection[data-state=live]')
  agent = await connectAgent('modern', gateway.mcp, await gateway.token())
  const moved = agent.call('create_directory', { path: path.join(world.files, 'new') })
  const card = page.locator('.card', { hasText: 'create_directory' })
  const approve = card.locator('button.approve')
  await expect.poll(() => approve.getAttribute('aria-disabled'), { timeout: WAIT_MS }).toBe('false')
  await approve.click()
  await card.locator('text=The rule asks for a second tap').waitFor()
  expect(await approve.textContent()).toBe('Approve: press again')
  await expect.poll(() => approve.getAttribute('aria-disabled'), { timeout: WAIT_MS }).toBe('false')
  await approve.click()
  expect((await moved).isError).toBe(false)

  const written = agent.call('write_file', { path: path.join(world.files, 'fifth.txt'), content: 'x' })
  const other = page.locator('.card[data-state=pending]', { hasText: 'fifth.txt' })
  await expect
    .poll(() => other.locator('button.approve').getAttribute('aria-disabled'), { timeout: WAIT_MS })
    .toBe('false')
  await other.locator('button.approve').click()
  const href = await other.getByRole('link', { name: 'Sign in to approve' }).getAttribute('href')
  await page.goto(href ?? '')
  await page.getByRole('button', { name: 'Sign in to approve' }).click()
  await page.getByRole('button', { name: 'Deny' }).click()
  await page.waitForSelector('h1:text("Denied")')
  expect((await written).isError).toBe(true)
  const reviewed = (await gateway.events()).filter(({ type }) => type === 'approval.reviewed')
  expect(reviewed.map(({ review }) => (review as { strength: string }).strength)).toContain('confirmed')
  expect(complaints).toEqual([])
})
