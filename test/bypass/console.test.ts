/** Ways to read or decide in the console without being its reviewer. Each is refused, and nothing reaches a review. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Approval } from '../../src/approval/approval.ts'
import { type Answer, type ConsoleRig, click, cookieOf, redeem, startConsoleRig } from '../support/console-rig.ts'

const SECRET = 'only-for-the-reviewer'
let rig: ConsoleRig
let approval: Approval
let cookie: string

beforeEach(async () => {
  rig = await startConsoleRig()
  approval = rig.ask({ argumentsJson: JSON.stringify({ content: SECRET }) })
  cookie = await rig.signIn()
})
afterEach(() => rig.stop())

const approve = () => ({ approvalId: approval.id, choice: 'approve', reason: null })

async function expectRefused(answer: Answer, status: number): Promise<void> {
  expect(answer.status).toBe(status)
  expect(answer.text).not.toContain(SECRET)
  expect(answer.text).not.toContain(approval.id)
  expect(answer.headers['set-cookie']).toBeUndefined()
  expect(rig.clicks).toEqual([])
  expect((await rig.store.get(approval.id))?.state).toBe('pending')
}

const READS = ['/console', '/console/events', '/console/api/state', '/console/api/approvals/ID']
const reads = () => READS.map((path) => path.replace('ID', approval.id))

test('without the attacks the same requests do read and decide', async () => {
  for (const path of reads().filter((one) => !one.endsWith('events'))) {
    expect((await rig.send(path, { headers: { Cookie: cookie } })).status).toBe(200)
  }
  expect((await click(rig, cookie, approve())).status).toBe(200)
})

const cookies: [what: string, forge: (real: string) => string][] = [
  ['no cookie', () => ''],
  ['a guessed cookie', (real) => `${real.split('=')[0]}=${'A'.repeat(43)}`],
  ['the first half of the cookie', (real) => real.slice(0, -20)],
  ['a cookie with something appended', (real) => `${real}A`],
  ['the right value under another name', (real) => real.replace('countersign', 'other')],
  ['an empty cookie', (real) => `${real.split('=')[0]}=`],
  ['a megabyte-like cookie', (real) => `${real.split('=')[0]}=${'A'.repeat(8_000)}`],
  [
    'the real one behind more of its name than are looked at',
    (real) => `${'x; '.replace('x', `${real.split('=')[0]}=A`).repeat(20)}${real}`,
  ],
]
test.each(cookies)('%s reads nothing and decides nothing', async (_what, forge) => {
  const headers = { Cookie: forge(cookie) }
  for (const path of reads()) await expectRefused(await rig.send(path, { headers }), 401)
  await expectRefused(await click(rig, headers.Cookie, approve()), 401)
})

test('the one-time code is no cookie, and the cookie is no code', async () => {
  const code = new URL(rig.console.newLink()).searchParams.get('code') ?? ''
  const [name, value] = cookie.split('=')
  await expectRefused(await rig.send('/console/api/state', { headers: { Cookie: `${name}=${code}` } }), 401)
  await expectRefused(await redeem(rig, value ?? ''), 403)
})

test('a cookie from before the console closed opens nothing afterwards', async () => {
  const link = rig.console.newLink()
  rig.console.close()
  for (const path of reads()) await expectRefused(await rig.send(path, { headers: { Cookie: cookie } }), 401)
  await expectRefused(await click(rig, cookie, approve()), 401)
  await expectRefused(await redeem(rig, new URL(link).searchParams.get('code') ?? ''), 403)
})

const foreignPages: [what: string, headers: Record<string, string>][] = [
  ['another site', { Origin: 'https://evil.example', 'Sec-Fetch-Site': 'cross-site' }],
  [
    'another port of this machine, which is the same site',
    { Origin: 'http://127.0.0.1:3000', 'Sec-Fetch-Site': 'same-site' },
  ],
  ['the other name of loopback', { Origin: 'http://localhost:1', 'Sec-Fetch-Site': 'cross-site' }],
  ['a sandboxed frame', { Origin: 'null', 'Sec-Fetch-Site': 'cross-site' }],
  ['a client that claims our origin against its own fetch metadata', { 'Sec-Fetch-Site': 'same-site' }],
  ['a form of another site, as text/plain', { Origin: 'https://evil.example', 'Content-Type': 'text/plain' }],
]
test.each(foreignPages)('[REQ-CARD-5] %s cannot click with the reviewer’s cookie', async (_what, headers) => {
  await expectRefused(await click(rig, cookie, approve(), headers), 403)
})

test.each(foreignPages.slice(0, 4))('%s cannot read with the reviewer’s cookie', async (_what, headers) => {
  for (const path of ['/console/events', '/console/api/state']) {
    await expectRefused(await rig.send(path, { headers: { Cookie: cookie, ...headers } }), 403)
  }
})

test('no foreign page may even frame, embed or be told of the data', async () => {
  const { headers } = await rig.send('/console/api/state', { headers: { Cookie: cookie } })
  expect(headers['content-security-policy']).toContain("frame-ancestors 'none'")
  expect(headers['cross-origin-resource-policy']).toBe('same-origin')
  expect(Object.keys(headers).filter((name) => name.startsWith('access-control-'))).toEqual([])
})

test('navigating to the data, as a link in a chat would, shows none', async () => {
  const headers = { Cookie: cookie, 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'navigate', Accept: 'text/html' }
  await expectRefused(await rig.send('/console/api/state', { headers }), 403)
})

test('a foreign page cannot redeem a code, nor sign the reviewer out', async () => {
  const code = new URL(rig.console.newLink()).searchParams.get('code') ?? ''
  await expectRefused(await redeem(rig, code, { Origin: 'https://evil.example' }), 403)
  const signOut = { method: 'POST', headers: { Cookie: cookie, Origin: 'https://evil.example' } }
  await expectRefused(await rig.send('/console/api/sign-out', signOut), 403)
  expect((await rig.send('/console', { headers: { Cookie: cookie } })).status).toBe(200)
  expect((await redeem(rig, code)).status).toBe(303)
})

const hosts = [
  'evil.example',
  'evil.example:80',
  'localhost.evil.example',
  '127.0.0.1.evil.example',
  'gateway.example.com',
]
test.each(hosts)('a name that was pointed at 127.0.0.1 (%s) gets nothing', async (host) => {
  const headers = { Cookie: cookie, Host: host }
  for (const path of reads()) await expectRefused(await rig.send(path, { headers }), 403)
  await expectRefused(await click(rig, cookie, approve(), { Host: host, Origin: `http://${host}` }), 403)
})

test('another machine gets nothing, whatever it says about where it comes from', async () => {
  rig.pretendPeer('203.0.113.9')
  const lies = { 'X-Forwarded-For': '127.0.0.1', Forwarded: 'for=127.0.0.1', 'X-Real-IP': '127.0.0.1' }
  for (const path of [...reads(), '/console/assets/console.js', new URL(rig.console.newLink()).href]) {
    await expectRefused(await rig.send(path, { headers: { Cookie: cookie, ...lies } }), 403)
  }
  await expectRefused(await click(rig, cookie, approve(), lies), 403)
  const code = new URL(rig.console.newLink()).searchParams.get('code') ?? ''
  await expectRefused(await redeem(rig, code, lies), 403)
})

const guesses: [what: string, code: string][] = [
  ['an empty code', ''],
  ['a code of the right length', 'A'.repeat(43)],
  ['a very long code', 'A'.repeat(3_000)],
  ['markup', '"><script>alert(1)</script>'],
]
test.each(guesses)('%s opens nothing', async (_what, code) => {
  rig.console.newLink()
  await expectRefused(await redeem(rig, code), 403)
  const page = await rig.send(`/console/open?code=${encodeURIComponent(code)}`)
  expect(page.text).not.toContain('<script>alert')
})

test('a code sent as a list, or twice, opens nothing', async () => {
  const code = new URL(rig.console.newLink()).searchParams.get('code') ?? ''
  const headers = { Origin: rig.url, 'Content-Type': 'application/x-www-form-urlencoded' }
  for (const body of [`code=x&code=${code}`, `code[]=${code}`, `code[length]=1&code[0]=${code}`]) {
    await expectRefused(await rig.send('/console/open', { method: 'POST', headers, body }), 403)
  }
})

const methods = ['HEAD', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE']
test.each(methods)('%s is not a way in', async (method) => {
  for (const path of [...reads(), '/console/api/reviews']) {
    await expectRefused(await rig.send(path, { method, headers: { Cookie: cookie, Origin: rig.url } }), 405)
  }
})

const paths = [
  '/console/assets/../console.ts',
  '/console/assets/..%2fconsole.ts',
  '/console/assets/__proto__',
  '/console/assets/tsconfig.json',
]
test.each(paths)('%s is no file of the page', async (path) => {
  expect([401, 404]).toContain((await rig.send(path, { headers: { Cookie: cookie } })).status)
})

test('one browser’s sign-out does not keep another’s cookie from working, nor revive its own', async () => {
  const other = await rig.signIn()
  await rig.send('/console/api/sign-out', { method: 'POST', headers: { Cookie: cookie, Origin: rig.url } })
  await expectRefused(await click(rig, cookie, approve()), 401)
  expect(cookieOf(await rig.send('/console', { headers: { Cookie: cookie } }))).toBe('')
  expect((await rig.send('/console/api/state', { headers: { Cookie: other } })).status).toBe(200)
})

test('a stream that was opened before the sign-out tells nothing after it', async () => {
  const events = await rig.events(cookie)
  await events.next('state')
  await rig.send('/console/api/sign-out', { method: 'POST', headers: { Cookie: cookie, Origin: rig.url } })
  rig.ask({ argumentsJson: JSON.stringify({ content: `${SECRET}-2` }) })
  await events.ended
  expect(events.unread()).toEqual(['signed-out'])
})
