/** Every way round signing in for one approval that anyone found. Rows are never deleted. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { TRIES_A_MINUTE_MAX } from '../../bots/step-up/rate.ts'
import { newSigningKey } from '../../demo/oidc-issuer.ts'
import type { Approval } from '../../src/approval/approval.ts'
import { LINK_LIFE_MS, TRIES_MAX } from '../../src/step-up/step-up.ts'
import { aReviewer } from '../support/examples.ts'
import { CAROL } from '../support/oidc-issuer.ts'
import { type SoftPasskey, softPasskey } from '../support/soft-passkey.ts'
import {
  CLIENT,
  type Page,
  passkeyOptions,
  type StepUpRig,
  startStepUpRig,
  type Visitor,
} from '../support/step-up-rig.ts'

const BOB = aReviewer('bob@example.com')
let rig: StepUpRig

const decide = (approval: Approval, more: Record<string, string> = {}) => ({
  approvalId: approval.id,
  choice: 'approve',
  ...more,
})

/** By the link, up to the page with the decision. */
async function signedIn(
  approval: Approval,
  visitor: Visitor = rig.visitor(),
): Promise<{ visitor: Visitor; page: Page }> {
  const page = await visitor.post(await rig.link(approval, BOB), {})
  return { visitor, page }
}

const pending = async (approval: Approval) => {
  expect(await rig.stateOf(approval)).toBe('pending')
  expect(rig.events.filter(({ type }) => type === 'approval.reviewed')).toEqual([])
}

describe('without passkeys', () => {
  beforeAll(async () => {
    rig = await startStepUpRig()
  })
  afterAll(() => rig.stop())
  beforeEach(() => {
    rig.issuer.signsIn(null)
    ;(rig.events as unknown[]).length = 0
  })

  test('[REQ-STEPUP-1] the person of the link signs in, sees all of it, and approves: stepped_up, once', async () => {
    const approval = rig.ask({
      argumentsJson: JSON.stringify({ path: 'a.txt', content: `${'x'.repeat(100_000)}tail` }),
    })
    const { visitor, page } = await signedIn(approval)
    expect(page).toMatchObject({ status: 200, url: `${rig.origin}/step-up/decide` })
    expect(page.text).toContain('xxxtail</pre>')
    expect(page.text).toContain('bob@example.com')
    const done = await visitor.post(`${rig.origin}/step-up/decide`, decide(approval, { reason: 'looked at it' }))
    expect(done.status).toBe(200)
    expect(done.text).toContain('<h1>Approved</h1>')
    expect(await rig.stateOf(approval)).toBe('approved')
    expect(rig.events).toMatchObject([
      { type: 'approval.stepped_up', reviewer: BOB.id, passkey: null, signed_in_as: { issuer: rig.issuer.issuer } },
      {
        type: 'approval.reviewed',
        review: {
          strength: 'stepped_up',
          reason: 'looked at it',
          shownDigest: expect.stringMatching(/^[0-9a-f]{64}$/),
        },
      },
      { type: 'approval.resolved', state: 'approved' },
      { type: 'grant.opened' },
    ])
    const again = await visitor.post(`${rig.origin}/step-up/decide`, decide(approval))
    expect(again.status).toBe(410)
    expect(rig.events).toHaveLength(4)
  })

  test.each(['click', 'confirmed'] as const)('[REQ-STEPUP-10] a %s alone is refused', async (strength) => {
    const approval = rig.ask()
    const outcome = await rig.click(approval, BOB, strength)
    expect(outcome).toMatchObject({ ok: false, refusal: 'step_up_needed' })
    await pending(approval)
  })

  test('[REQ-STEPUP-2] a link preview uses nothing up, and what it reads is in no other page’s frame', async () => {
    const approval = rig.ask()
    const link = await rig.link(approval, BOB)
    for (const agent of ['Slackbot-LinkExpanding 1.0', 'Mozilla/5.0']) {
      const seen = await fetch(link, { headers: { 'user-agent': agent, connection: 'close' } })
      expect(seen.status).toBe(200)
      expect(seen.headers.getSetCookie()).toEqual([])
      expect(seen.headers.get('content-security-policy')).toContain("frame-ancestors 'none'")
      expect(seen.headers.get('cache-control')).toBe('no-store')
      await seen.text()
    }
    expect((await rig.visitor().post(link, {})).status).toBe(200)
  })

  test('[REQ-STEPUP-3] somebody else who signs in by the link is sent away, and it is recorded', async () => {
    const approval = rig.ask()
    rig.issuer.signsIn('alice@example.com')
    const { visitor, page } = await signedIn(approval)
    expect(page.status).toBe(403)
    expect(page.text).toContain('You are not the one this link is for')
    expect(rig.events).toMatchObject([
      {
        type: 'approval.step_up_refused',
        approval_id: approval.id,
        reviewer: BOB.id,
        refusal: 'other_person',
        signed_in_as: { subject: 'alice@example.com' },
      },
    ])
    expect((await visitor.post(`${rig.origin}/step-up/decide`, decide(approval))).status).toBe(410)
    await pending(approval)
  })

  test('an address that the issuer does not vouch for is nobody’s', async () => {
    const approval = rig.ask()
    const link = await rig.link(approval, aReviewer(CAROL.login))
    const page = await rig.visitor().post(link, {})
    expect(page.status).toBe(403)
    expect(page.text).toContain('Your e-mail address is not verified')
    expect(rig.events).toMatchObject([{ type: 'approval.step_up_refused', refusal: 'email_not_verified' }])
    await pending(approval)
  })

  test('the issuer says no', async () => {
    const approval = rig.ask()
    rig.issuer.signsIn('nobody@example.com')
    const { page } = await signedIn(approval)
    expect(page.status).toBe(403)
    expect(rig.events).toMatchObject([{ type: 'approval.step_up_refused', refusal: 'sign_in_failed' }])
    await pending(approval)
  })

  test('a reviewer whose channel knows no address gets no further', async () => {
    const approval = rig.ask()
    const link = await rig.link(approval, { id: 'slack:T1:U9', email: null, name: 'Somebody' })
    expect((await rig.visitor().get(link)).status).toBe(403)
    expect((await rig.visitor().post(link, {})).status).toBe(403)
    await pending(approval)
  })

  test('[REQ-STEPUP-4] a link works once', async () => {
    const link = await rig.link(rig.ask(), BOB)
    expect((await rig.visitor().post(link, {})).status).toBe(200)
    const second = await rig.visitor().post(link, {})
    expect(second.status).toBe(410)
    expect(second.text).toContain('This link no longer works')
  })

  test('of two browsers that follow one link at once one gets on', async () => {
    const link = await rig.link(rig.ask(), BOB)
    const pages = await Promise.all([1, 2, 3].map(() => rig.visitor().post(link, {})))
    expect(pages.map(({ status }) => status).sort()).toEqual([200, 410, 410])
  })

  test('a newer link ends the one before', async () => {
    const approval = rig.ask()
    const [first, second] = [await rig.link(approval, BOB), await rig.link(approval, BOB)]
    expect((await rig.visitor().post(first, {})).status).toBe(410)
    expect((await rig.visitor().post(second, {})).status).toBe(200)
  })

  test('a link does not outlive its ten minutes, nor its approval', async () => {
    const approval = rig.ask()
    const link = await rig.link(approval, BOB)
    const short = rig.ask({ expiresAt: (Date.now() + 60_000) as Approval['expiresAt'] })
    const shortLink = await rig.link(short, BOB)
    rig.advance(60_001)
    expect((await rig.visitor().post(shortLink, {})).status).toBe(410)
    rig.advance(LINK_LIFE_MS - 60_001)
    expect((await rig.visitor().get(link)).status).toBe(410)
    expect((await rig.visitor().post(link, {})).status).toBe(410)
    rig.advance(-LINK_LIFE_MS)
  })

  test('a visit that began in time does not outlive its ten minutes', async () => {
    const approval = rig.ask({ expiresAt: (Date.now() + 3_600_000) as Approval['expiresAt'] })
    const { visitor } = await signedIn(approval)
    rig.advance(LINK_LIFE_MS)
    expect((await visitor.post(`${rig.origin}/step-up/decide`, decide(approval))).status).toBe(410)
    rig.advance(-LINK_LIFE_MS)
    await pending(approval)
  })

  test.each<[string, Record<string, string>]>([
    ['a foreign origin', { origin: 'https://evil.example' }],
    ['another port of this host', { origin: 'http://localhost:1' }],
    ['no origin', { origin: '' }],
    ['an opaque origin', { origin: 'null' }],
    ['a browser that says cross-site', { 'sec-fetch-site': 'cross-site' }],
    ['a browser that says same-site', { 'sec-fetch-site': 'same-site' }],
  ])('[REQ-STEPUP-5] a form from %s decides nothing and uses up nothing', async (_sentence, headers) => {
    const approval = rig.ask()
    const link = await rig.link(approval, BOB)
    expect((await rig.visitor().post(link, {}, headers)).status).toBe(403)
    const { visitor } = await signedIn(approval)
    expect((await visitor.post(`${rig.origin}/step-up/decide`, decide(approval), headers)).status).toBe(403)
    await pending(approval)
    expect((await visitor.post(`${rig.origin}/step-up/decide`, decide(approval))).status).toBe(200)
  })

  test('under another host’s name there is nothing, so that no foreign page becomes same-origin by its DNS', async () => {
    const { port } = new URL(rig.origin)
    const page = await rig.visitor().get(`http://127.0.0.1:${port}/step-up/decide`)
    expect(page.status).toBe(403)
    expect(page.text).toContain('This is not this gateway’s name')
  })

  test('a tab that shows one approval does not approve another that was opened after it', async () => {
    const [first, second] = [rig.ask(), rig.ask()]
    const { visitor } = await signedIn(first)
    await signedIn(second, visitor)
    const page = await visitor.post(`${rig.origin}/step-up/decide`, decide(first))
    expect(page.status).toBe(409)
    await pending(first)
    await pending(second)
  })

  test('an issuer’s answer fits the browser and the sign-in that asked for it, and no other', async () => {
    const approval = rig.ask()
    const { visitor } = await signedIn(approval)
    for (const query of ['code=x&state=y', '', 'code=x', 'state=x&error=access_denied']) {
      expect((await rig.visitor().get(`${rig.origin}/step-up/callback?${query}`)).status).toBe(410)
      expect((await visitor.get(`${rig.origin}/step-up/callback?${query}`)).status).toBe(410)
    }
    // And it did not end the visit.
    expect((await visitor.post(`${rig.origin}/step-up/decide`, decide(approval))).status).toBe(200)
  })

  test('a cookie of before the sign-in is worth nothing after it', async () => {
    const approval = rig.ask()
    const browser = rig.visitor()
    const url = await browser.leave(await rig.link(approval, BOB))
    const thief = browser.copy()
    expect((await browser.get(url.href)).url).toBe(`${rig.origin}/step-up/decide`)
    expect((await thief.get(`${rig.origin}/step-up/decide`)).status).toBe(410)
    expect((await thief.post(`${rig.origin}/step-up/decide`, decide(approval))).status).toBe(410)
    await pending(approval)
  })

  const second = () => Math.floor(Date.now() / 1000)
  /** As the issuer's token endpoint would answer for Bob. */
  const idToken = (nonce: string, odd: Record<string, unknown> = {}) => ({
    ...{ iss: rig.issuer.issuer, sub: 'bob@example.com', aud: CLIENT.clientId, email: 'bob@example.com' },
    ...{ iat: second(), exp: second() + 60, auth_time: second(), nonce },
    ...odd,
  })
  const forged = async (nonce: string, odd: Record<string, unknown>) => rig.issuer.forge(idToken(nonce, odd))
  const stranger = newSigningKey('stranger')

  test.each<[string, number, (nonce: string) => Promise<string>]>([
    ['in order', 200, (nonce) => forged(nonce, {})],
    ['of a sign-in before we asked', 403, (nonce) => forged(nonce, { auth_time: second() - 60 })],
    ['that does not say when', 403, (nonce) => forged(nonce, { auth_time: undefined })],
    ['for another sign-in', 403, () => forged('another nonce', {})],
    ['for another client', 403, (nonce) => forged(nonce, { aud: 'somebody' })],
    ['of another issuer', 403, (nonce) => forged(nonce, { iss: 'https://evil.example' })],
    ['that is over', 403, (nonce) => forged(nonce, { exp: second() - 60 })],
    ['of somebody else', 403, (nonce) => forged(nonce, { email: 'mallory@example.com' })],
    ['whose address is not verified', 403, (nonce) => forged(nonce, { email_verified: false })],
    ['whose address is text that says so', 403, (nonce) => forged(nonce, { email_verified: 'false' })],
    ['whose name is chosen by its bearer', 403, (nonce) => forged(nonce, { email: '', preferred_username: BOB.email })],
    [
      'that another key signed',
      403,
      async (nonce) => rig.issuer.forge(idToken(nonce), { kid: stranger.kid }, stranger),
    ],
    ['that another key signed under ours', 403, async (nonce) => rig.issuer.forge(idToken(nonce), {}, stranger)],
    ['that nobody signed', 403, async (nonce) => `${part({ alg: 'none' })}.${part(idToken(nonce))}.`],
  ])('[REQ-STEPUP-9] an ID token %s: %i', async (_sentence, status, make) => {
    const approval = rig.ask()
    const browser = rig.visitor()
    const url = await browser.leave(await rig.link(approval, BOB))
    const token = await make(url.searchParams.get('nonce') ?? '')
    const body = JSON.stringify({ access_token: 'at', token_type: 'Bearer', id_token: token })
    rig.issuer.answer('/token', { status: 200, body })
    rig.issuer.answer('/me', { status: 200, body: JSON.stringify({ sub: 'bob@example.com' }) })
    const query = new URLSearchParams({ code: 'c', state: url.searchParams.get('state') ?? '', iss: rig.issuer.issuer })
    const page = await browser.get(`${rig.origin}/step-up/callback?${query}`)
    rig.issuer.answer('/token', null)
    rig.issuer.answer('/me', null)
    expect(page.status).toBe(status)
    expect(rig.events.map(({ type }) => type)).toEqual(status === 200 ? [] : ['approval.step_up_refused'])
  })

  test.each<[string, string | null]>([
    ['another issuer’s name', 'https://evil.example'],
    ['no issuer’s name, where ours gives one', null],
  ])('an answer with %s is another issuer’s (RFC 9207)', async (_sentence, iss) => {
    const approval = rig.ask()
    const browser = rig.visitor()
    const url = await browser.leave(await rig.link(approval, BOB))
    const query = new URLSearchParams({ code: 'c', state: url.searchParams.get('state') ?? '' })
    if (iss !== null) query.set('iss', iss)
    expect((await browser.get(`${rig.origin}/step-up/callback?${query}`)).status).toBe(403)
    expect(rig.events).toMatchObject([{ type: 'approval.step_up_refused', refusal: 'sign_in_failed' }])
  })

  test('signing in is asked for anew, with PKCE, although the browser has a session at the issuer', async () => {
    const url = await rig.visitor().leave(await rig.link(rig.ask(), BOB))
    expect(Object.fromEntries(url.searchParams)).toMatchObject({
      prompt: 'login',
      max_age: '0',
      code_challenge_method: 'S256',
      code_challenge: expect.stringMatching(/^[\w-]{43}$/),
      redirect_uri: `${rig.origin}/step-up/callback`,
    })
  })

  test('two who decide by one visit at once are one decision', async () => {
    const approval = rig.ask({ quorum: 2 })
    const { visitor } = await signedIn(approval)
    const pages = await Promise.all(
      [visitor, visitor.copy(), visitor.copy()].map((one) =>
        one.post(`${rig.origin}/step-up/decide`, decide(approval)),
      ),
    )
    expect(pages.map(({ status }) => status).sort()).toEqual([200, 410, 410])
    expect(rig.events.filter(({ type }) => type === 'approval.reviewed')).toHaveLength(1)
  })

  test('the agent’s owner signs in for the own agent, and is refused as by a click', async () => {
    const approval = rig.ask()
    const visitor = rig.visitor()
    await visitor.post(await rig.link(approval, aReviewer('alice@example.com')), {})
    const page = await visitor.post(`${rig.origin}/step-up/decide`, decide(approval))
    expect(page.status).toBe(403)
    expect(page.text).toContain('the agent acts for you')
    await pending(approval)
  })

  test.each<[string, Record<string, string>]>([
    ['a time that the rule does not offer', { allowFor: '86400000' }],
    ['no number', { allowFor: '1e9' }],
    ['another choice', { choice: 'resolve' }],
    ['a field too many', { strength: 'stepped_up' }],
  ])('a form with %s approves nothing', async (_sentence, odd) => {
    const approval = rig.ask()
    const { visitor } = await signedIn(approval)
    const page = await visitor.post(`${rig.origin}/step-up/decide`, decide(approval, odd))
    expect([400, 403]).toContain(page.status)
    await pending(approval)
  })

  test('what an agent wrote is text on the page, whatever it is', async () => {
    const evil = '</pre><script>alert(1)</script><img src=x onerror=alert(2)>\u202e"\''
    const approval = rig.ask({ argumentsJson: JSON.stringify({ path: evil }), statedReason: evil })
    const { page } = await signedIn(approval)
    const before = await rig.visitor().get(await rig.link(approval, BOB))
    for (const { text } of [page, before]) {
      expect(text).toContain('&#60;script&#62;alert(1)')
      expect(text).toContain('⟨U+202E⟩')
      expect(text.replaceAll(/<script type="module" src="[^"]*">/g, '')).not.toMatch(/<script|<img src=x|\u202e/)
    }
  })

  test('neither codes, cookies nor addresses are in the log', async () => {
    const approval = rig.ask()
    const link = await rig.link(approval, BOB)
    const visitor = rig.visitor()
    await visitor.post(link, {})
    await visitor.post(`${rig.origin}/step-up/decide`, decide(approval))
    const text = rig.logged.join('\n')
    expect(text).toContain(approval.id)
    for (const secret of [link.split('/').at(-1) ?? '', ...visitor.cookies().values()]) {
      if (secret !== '') expect(text).not.toContain(secret)
    }
  })

  test('whoever guesses codes is stopped, and a person’s link still works', async () => {
    const guess = `${rig.origin}/step-up/${'A'.repeat(43)}`
    let status = 0
    for (let tries = 0; tries <= TRIES_A_MINUTE_MAX && status !== 429; tries += 1) {
      status = (await rig.visitor().get(guess)).status
    }
    expect(status).toBe(429)
    expect((await rig.visitor().post(await rig.link(rig.ask(), BOB), {})).status).toBe(200)
  })
})

describe('with passkeys', () => {
  let key: SoftPasskey

  beforeAll(async () => {
    rig = await startStepUpRig('required')
    key = softPasskey(rig.origin)
    const visitor = rig.visitor()
    rig.issuer.signsIn('bob@example.com')
    const page = await visitor.post(`${rig.origin}/step-up/sign-in`, {})
    const registration = key.register(passkeyOptions(page, 'add', 'create'))
    const added = await visitor.post(`${rig.origin}/step-up/passkeys/add`, { name: 'Key', registration })
    expect(added.text).toContain('Added.')
  })
  afterAll(() => rig.stop())
  beforeEach(() => {
    rig.issuer.signsIn('bob@example.com')
    ;(rig.events as unknown[]).length = 0
  })

  const approve = (visitor: Visitor, approval: Approval, assertion: string) =>
    visitor.post(`${rig.origin}/step-up/decide`, decide(approval, { assertion }))

  test('[REQ-STEPUP-6] the passkey signs this approval’s fingerprint, and then it counts', async () => {
    const approval = rig.ask()
    const { visitor, page } = await signedIn(approval)
    const options = passkeyOptions(page, 'approve', 'get')
    expect(Buffer.from(options.challenge, 'base64url').subarray(0, 32).toString('hex')).toBe(approval.fingerprint)
    const done = await approve(visitor, approval, key.assert(options))
    expect(done.text).toContain('<h1>Approved</h1>')
    expect(rig.events[0]).toMatchObject({
      type: 'approval.stepped_up',
      passkey: key.id,
      fingerprint: approval.fingerprint,
    })
  })

  test('[REQ-STEPUP-7] an assertion for an earlier, identical call is worth nothing for this one', async () => {
    const [first, second] = [rig.ask(), rig.ask()]
    expect(first.fingerprint).toBe(second.fingerprint)
    const one = await signedIn(first)
    const assertion = key.assert(passkeyOptions(one.page, 'approve', 'get'))
    expect((await approve(one.visitor, first, assertion)).status).toBe(200)
    ;(rig.events as unknown[]).length = 0
    const two = await signedIn(second)
    expect((await approve(two.visitor, second, assertion)).status).toBe(403)
    await pending(second)
  })

  test('an assertion fits one try: sent again after it failed, with all else right, it fails', async () => {
    const approval = rig.ask()
    const { visitor, page } = await signedIn(approval)
    const options = passkeyOptions(page, 'approve', 'get')
    expect((await approve(visitor, approval, key.assert(options, { unverified: true }))).status).toBe(403)
    expect((await approve(visitor, approval, key.assert(options))).status).toBe(403)
    await pending(approval)
    const fresh = await visitor.get(`${rig.origin}/step-up/decide`)
    expect((await approve(visitor, approval, key.assert(passkeyOptions(fresh, 'approve', 'get')))).status).toBe(200)
  })

  test.each<[string, (options: { challenge: string }) => string]>([
    ['none', () => ''],
    ['no JSON', () => '{'],
    ['of another fingerprint', ({ challenge }) => key.assert({ challenge: otherFingerprint(challenge) })],
    ['of the fingerprint alone', ({ challenge }) => key.assert({ challenge: fingerprintAlone(challenge) })],
    ['of somebody else’s key', (options) => softPasskey(rig.origin).assert(options)],
    ['of another origin', (options) => key.assert(options, { origin: 'https://evil.example' })],
    ['for another site’s id', (options) => key.assert(options, { rpId: 'evil.example' })],
    ['without the person’s finger', (options) => key.assert(options, { unverified: true })],
    ['whose counter went back', (options) => key.assert(options, { counter: 1 })],
    ['that is a registration', (options) => key.assert(options, { type: 'webauthn.create' })],
    [
      'with a key’s id and another key’s signature',
      (options) => renamed(softPasskey(rig.origin).assert(options), key.id),
    ],
  ])('an assertion %s approves nothing', async (_sentence, make) => {
    const approval = rig.ask()
    const { visitor, page } = await signedIn(approval)
    const counted = key.assert({ challenge: 'AA' }) // brings the key's own counter on
    expect(counted).toBeTruthy()
    const answer = await approve(visitor, approval, make(passkeyOptions(page, 'approve', 'get')))
    expect(answer.status).toBe(403)
    expect(answer.text).toContain('The passkey did not fit')
    await pending(approval)
  })

  test('whoever tries too often is sent away, and it is recorded', async () => {
    const approval = rig.ask()
    const { visitor } = await signedIn(approval)
    for (let tries = 1; tries < TRIES_MAX; tries += 1) expect((await approve(visitor, approval, '')).status).toBe(403)
    const last = await approve(visitor, approval, '')
    expect(last.text).toContain('The passkey did not fit')
    expect((await approve(visitor, approval, '')).status).toBe(410)
    expect(rig.events).toMatchObject([{ type: 'approval.step_up_refused', refusal: 'passkey_refused' }])
    await pending(approval)
  })

  test('a denial needs no passkey: it is the safe side', async () => {
    const approval = rig.ask()
    const { visitor } = await signedIn(approval)
    const form = decide(approval, { choice: 'deny', reason: 'not today' })
    expect((await visitor.post(`${rig.origin}/step-up/decide`, form)).text).toContain('<h1>Denied</h1>')
    expect(await rig.stateOf(approval)).toBe('denied')
  })

  test('[REQ-STEPUP-8] a stolen sign-in adds no second passkey and removes none', async () => {
    const thief = rig.visitor()
    const page = await thief.post(`${rig.origin}/step-up/sign-in`, {})
    expect(page.text).toContain('Passkeys of bob@example.com')
    const own = softPasskey(rig.origin)
    const options = passkeyOptions(page, 'add', 'create')
    const registration = own.register(options)
    const add = (visitor: Visitor, form: Record<string, string>) =>
      visitor.post(`${rig.origin}/step-up/passkeys/add`, { name: 'Mine', ...form })
    expect((await add(thief, { registration })).status).toBe(403)
    const again = await thief.get(`${rig.origin}/step-up/passkeys`)
    const next = passkeyOptions(again, 'add', 'create')
    expect((await add(thief, { registration: own.register(next), assertion: own.assert(next) })).status).toBe(403)
    const gone = await thief.post(`${rig.origin}/step-up/passkeys/remove`, { id: key.id, assertion: '' })
    expect(gone.status).toBe(403)
    expect(gone.text).toContain('Key')
    expect(rig.events.filter(({ type }) => type.startsWith('passkey.'))).toEqual([])
  })

  test('what was signed to change one’s passkeys approves no call, and the other way round', async () => {
    const approval = rig.ask()
    const { visitor, page } = await signedIn(approval)
    const managing = await visitor.get(`${rig.origin}/step-up/passkeys`)
    const forPasskeys = key.assert(passkeyOptions(managing, 'add', 'get'))
    expect((await approve(visitor, approval, forPasskeys)).status).toBe(403)
    await pending(approval)
    const other = await signedIn(rig.ask())
    const forApproval = key.assert(passkeyOptions(other.page, 'approve', 'get'))
    const form = { id: key.id, assertion: forApproval }
    expect((await other.visitor.post(`${rig.origin}/step-up/passkeys/remove`, form)).status).toBe(403)
    expect(page.status).toBe(200)
  })

  test('its owner adds a second one with the first, and removes it', async () => {
    const visitor = rig.visitor()
    const page = await visitor.post(`${rig.origin}/step-up/sign-in`, {})
    const options = passkeyOptions(page, 'add', 'create')
    const second = softPasskey(rig.origin)
    const form = { name: 'Second', registration: second.register(options), assertion: key.assert(options) }
    const added = await visitor.post(`${rig.origin}/step-up/passkeys/add`, form)
    expect(added.text).toContain('Added.')
    const removal = key.assert(passkeyOptions(added, 'passkeys/remove', 'get'))
    const gone = await visitor.post(`${rig.origin}/step-up/passkeys/remove`, { id: second.id, assertion: removal })
    expect(gone.text).toContain('Removed.')
    expect(rig.events).toMatchObject([
      { type: 'passkey.added', is_first: false, email: 'bob@example.com', passkey: second.id },
      { type: 'passkey.removed', passkey: second.id },
    ])
  })

  test('who has none where one is required is told to add one, and approves nothing before', async () => {
    const approval = rig.ask()
    rig.issuer.signsIn(null)
    const visitor = rig.visitor()
    const dora = aReviewer('alice@example.com')
    const page = await visitor.post(await rig.link(approval, dora), {})
    expect(page.text).toContain('you have none yet')
    await visitor.post(`${rig.origin}/step-up/decide`, decide(approval))
    await pending(approval)
  })
})

function part(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

function otherFingerprint(challenge: string): string {
  const bytes = Buffer.from(challenge, 'base64url')
  bytes[0] = (bytes[0] ?? 0) ^ 1
  return bytes.toString('base64url')
}

function fingerprintAlone(challenge: string): string {
  return Buffer.from(challenge, 'base64url').subarray(0, 32).toString('base64url')
}

/** Another key's assertion under the known key's id. */
function renamed(assertion: string, id: string): string {
  return JSON.stringify({ ...JSON.parse(assertion), id, rawId: id })
}
