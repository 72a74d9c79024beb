/** Every way past Slack's signature, membership or single-click that anyone found. Rows are never deleted. */
import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { APPROVE_ACTION } from '../../bots/slack/actions.ts'
import { REQUEST_BYTES_MAX } from '../../bots/slack/limits.ts'
import type { ApprovalId } from '../../src/brands.ts'
import type { Delivery } from '../support/fake-slack-client.ts'
import type { FakeUser } from '../support/fake-slack-world.ts'
import { ALICE, BOB, type SlackGateway, startSlackGateway } from '../support/slack-gateway.ts'

let gateway: SlackGateway
let serial = 0
/** Into one room the gateway posts no faster than Slack allows. */
const ROOMS = Array.from({ length: 100 }, (_, at) => `C0CASE${String(at).padStart(3, '0')}`)

beforeAll(async () => {
  gateway = await startSlackGateway({ channels: ['C0APPROVALS', 'C0SUMMARIES', ...ROOMS] })
})
afterAll(() => gateway.close())

/** A pending approval of its own and the payload of Bob's click on it. */
async function asked(userId = 'U2') {
  const id = `apr_case${++serial}` as ApprovalId
  const messageTs = await gateway.ask({ id }, `slack:${ROOMS[serial % ROOMS.length]}`)
  return {
    id,
    messageTs,
    payload: gateway.slack.payloadOf({ messageTs, actionId: APPROVE_ACTION, userId }),
    state: async () => (await gateway.approvals.get(id))?.state,
  }
}

const nowSec = () => Math.floor(Date.now() / 1000)

describe('a forged or stale request decides nothing', () => {
  const rows: [string, number, (payload: unknown) => Delivery][] = [
    ['a wrong signature', 401, (payload) => ({ payload, signature: `v0=${'0'.repeat(64)}` })],
    ['an empty signature', 401, (payload) => ({ payload, signature: '' })],
    ['a signature of another version', 401, (payload) => ({ payload, signature: `v1=${'0'.repeat(64)}` })],
    ['a signature without its hash', 401, (payload) => ({ payload, signature: 'v0' })],
    ['two signatures', 401, (payload) => ({ payload, signature: `v0=${'0'.repeat(64)}, v0=${'1'.repeat(64)}` })],
    ['a timestamp six minutes old', 401, (payload) => ({ payload, timestampSec: nowSec() - 360 })],
    ['a timestamp two minutes in the future', 401, (payload) => ({ payload, timestampSec: nowSec() + 120 })],
    ['a timestamp in the year 9999', 401, (payload) => ({ payload, timestampSec: 253_402_300_799 })],
    [
      'a timestamp that only JavaScript reads as one',
      401,
      (payload) => ({ payload, headers: { 'x-slack-request-timestamp': `${nowSec()}e0` } }),
    ],
    ['no timestamp', 401, (payload) => ({ payload, headers: { 'x-slack-request-timestamp': '' } })],
    ['a JSON body called text', 415, (payload) => ({ payload, contentType: 'text/plain' })],
    ['a multipart body', 415, (payload) => ({ payload, contentType: 'multipart/form-data; boundary=x' })],
    ['a compressed body', 415, (payload) => ({ payload, headers: { 'content-encoding': 'gzip' } })],
    ['a body over the limit', 413, () => ({ payload: null, rawBody: `payload=${'x'.repeat(REQUEST_BYTES_MAX)}` })],
    ['a signed body that is no JSON', 400, () => ({ payload: null, rawBody: 'payload=%7B' })],
  ]
  it.each(rows)('[REQ-CARD-3] %s answers %i', async (_sentence, status, delivery) => {
    const { payload, state } = await asked()
    const submitted = gateway.submitted.length
    const ack = await gateway.slack.deliver(delivery(payload))
    expect(ack.status).toBe(status)
    expect(gateway.submitted.length).toBe(submitted)
    expect(await state()).toBe('pending')
  })

  it('a request without any signature answers 401, and its ssl_check opens nothing', async () => {
    const { payload, state } = await asked()
    const body = `ssl_check=1&payload=${encodeURIComponent(JSON.stringify(payload))}`
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    expect((await fetch(gateway.eventsUrl, { method: 'POST', headers, body })).status).toBe(401)
    expect(await state()).toBe('pending')
  })

  it('two timestamp headers answer 401', async () => {
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const stamp = String(nowSec())
      const sent = request(gateway.eventsUrl, { method: 'POST' }, (response) => resolve(response.statusCode))
      sent.setHeader('x-slack-request-timestamp', [stamp, stamp])
      sent.setHeader('x-slack-signature', `v0=${'0'.repeat(64)}`)
      sent.on('error', reject).end('x')
    })
    expect(status).toBe(401)
  })

  it('a body signed for one call does not decide another', async () => {
    const one = await asked()
    const other = await asked()
    const signature = `v0=${'a'.repeat(64)}`
    const rawBody = `payload=${encodeURIComponent(JSON.stringify(one.payload).replaceAll(one.id, other.id))}`
    expect((await gateway.slack.deliver({ payload: null, rawBody, signature })).status).toBe(401)
    expect([await one.state(), await other.state()]).toEqual(['pending', 'pending'])
  })

  it('a clock that runs a few seconds behind Slack’s still takes a click', async () => {
    const { payload, state } = await asked()
    expect((await gateway.slack.deliver({ payload, timestampSec: nowSec() + 5 })).status).toBe(200)
    expect(await state()).toBe('approved')
  })
})

describe('the same click again', () => {
  it('[REQ-CARD-3] replayed with its signature it runs nothing, and answers 200', async () => {
    const { payload, state } = await asked()
    const delivery = { payload, timestampSec: nowSec() }
    expect((await gateway.slack.deliver(delivery)).status).toBe(200)
    const submitted = gateway.submitted.length
    expect((await gateway.slack.deliver(delivery)).status).toBe(200)
    expect(gateway.submitted.length).toBe(submitted)
    expect(await state()).toBe('approved')
  })

  it('sent again by Slack with a new signature it runs nothing', async () => {
    const { payload } = await asked()
    await gateway.slack.deliver({ payload, timestampSec: nowSec() - 2 })
    const submitted = gateway.submitted.length
    const headers = { 'x-slack-retry-num': '1', 'x-slack-retry-reason': 'http_timeout' }
    expect((await gateway.slack.deliver({ payload, headers })).status).toBe(200)
    expect(gateway.submitted.length).toBe(submitted)
  })

  it('two at once count as one', async () => {
    const { payload } = await asked()
    const submitted = gateway.submitted.length
    const acks = await Promise.all([gateway.slack.deliver({ payload }), gateway.slack.deliver({ payload })])
    expect(acks.map((ack) => ack.status)).toEqual([200, 200])
    expect(gateway.submitted.length).toBe(submitted + 1)
  })

  it('a first delivery with a retry header is not dropped', async () => {
    const { payload, state } = await asked()
    await gateway.slack.deliver({ payload, headers: { 'x-slack-retry-num': '1' } })
    expect(await state()).toBe('approved')
  })
})

describe('whoever is no full member of the workspace decides nothing, and is told so', () => {
  const rows: [string, FakeUser, RegExp][] = [
    ['a guest', { id: 'UG1', name: 'guest', email: 'guest@example.com', isGuest: true }, /Guests cannot review/],
    ['a guest of one channel', { id: 'UG2', name: 'guest2', isSingleChannelGuest: true }, /Guests cannot review/],
    ['a bot', { id: 'UB1', name: 'robot', isBot: true }, /Bots cannot review/],
    ['a deactivated account', { id: 'UD1', name: 'gone', deleted: true }, /deactivated/],
    ['a stranger', { id: 'US1', name: 'stranger', isStranger: true }, /Guests cannot review/],
    ['a member of another workspace', { id: 'UO1', name: 'other', teamId: 'T0OTHER' }, /Only members/],
  ]
  it.each(rows)('%s', async (_sentence, user, message) => {
    gateway.slack.addUser(user)
    const { payload, state } = await asked(user.id)
    const submitted = gateway.submitted.length
    expect((await gateway.slack.deliver({ payload })).status).toBe(200)
    const told = await gateway.slack.waitForEphemeral((ephemeral) => ephemeral.userId === user.id)
    expect(told.text).toMatch(message)
    expect(gateway.submitted.length).toBe(submitted)
    expect(await state()).toBe('pending')
  })

  it('someone Slack does not know', async () => {
    const { payload, state } = await asked()
    const submitted = gateway.submitted.length
    await gateway.slack.deliver({ payload: { ...payload, user: { ...payload.user, id: 'UNKNOWN' } } })
    expect(gateway.submitted.length).toBe(submitted)
    expect(await state()).toBe('pending')
  })

  it('an unknown workspace answers 403 and says why', async () => {
    const { payload, state } = await asked()
    const ack = await gateway.slack.deliver({ payload: { ...payload, team: { id: 'T0OTHER', domain: 'other' } } })
    expect(ack.status).toBe(403)
    expect(ack.body).toEqual({ error: 'this gateway is not installed in that workspace' })
    expect(await state()).toBe('pending')
  })

  it('a name that claims another person’s address shows the verified one last', async () => {
    gateway.slack.addUser({ id: 'UF1', name: 'f', displayName: 'ceo@example.com', email: 'f@example.com' })
    const { payload, id } = await asked('UF1')
    await gateway.slack.deliver({ payload })
    expect((await gateway.approvals.get(id))?.reviews[0]?.reviewer).toEqual({
      id: 'slack:T0FAKE:UF1',
      email: 'f@example.com',
      name: 'ceo@example.com',
    })
  })

  it('an address set for oneself but not confirmed makes nobody else', async () => {
    gateway.slack.addUser({ id: 'UN1', name: 'n', email: 'ceo@example.com', isEmailConfirmed: false })
    const { payload, state } = await asked('UN1')
    await gateway.slack.deliver({ payload })
    expect((await gateway.slack.waitForEphemeral(({ userId }) => userId === 'UN1')).text).toContain(
      'no confirmed e-mail',
    )
    expect(await state()).toBe('pending')
  })

  it('without an address nobody can tell the agent’s owner from others, so nothing is decided', async () => {
    gateway.slack.addUser({ id: 'UN2', name: 'n2' })
    const { payload, state } = await asked('UN2')
    await gateway.slack.deliver({ payload })
    expect((await gateway.slack.waitForEphemeral(({ userId }) => userId === 'UN2')).text).toContain(
      'no confirmed e-mail',
    )
    expect(await state()).toBe('pending')
  })

  it('[REQ-REVIEW-2] the agent’s owner is told that it cannot approve', async () => {
    const { payload, state } = await asked(ALICE.id)
    await gateway.slack.deliver({ payload })
    const told = await gateway.slack.waitForEphemeral((ephemeral) => ephemeral.userId === ALICE.id)
    expect(told.text).toContain('the agent acts for you')
    expect(await state()).toBe('pending')
  })
})

describe('a signed click that no card of ours offers', () => {
  const rows: [string, Record<string, unknown>][] = [
    ['an action that we never posted', { action_id: 'countersign_grant_everything' }],
    ['an id of another kind', { value: 'gnt_1' }],
    ['an id with a path in it', { value: 'apr_1/../2' }],
    ['an endless id', { value: `apr_${'a'.repeat(1900)}` }],
  ]
  it.each(rows)('%s decides nothing', async (_sentence, change) => {
    const { payload, state } = await asked()
    const submitted = gateway.submitted.length
    const actions = [{ ...payload.actions[0], ...change }]
    expect((await gateway.slack.deliver({ payload: { ...payload, actions } })).status).toBe(200)
    expect(gateway.submitted.length).toBe(submitted)
    expect(await state()).toBe('pending')
  })
})

it('[REQ-CHOICE-5] what one card showed approves no other approval', async () => {
  const one = await asked()
  const other = await asked()
  const digest = String(one.payload.actions[0]?.value).split(':')[1]
  const actions = [{ ...one.payload.actions[0], value: `${other.id}:${digest}` }]
  expect((await gateway.slack.deliver({ payload: { ...one.payload, actions } })).status).toBe(200)
  await gateway.slack.waitForEphemeral(({ text }) => text.includes('that card is not what this approval asks now'))
  expect([await one.state(), await other.state()]).toEqual(['pending', 'pending'])
})

it('the log holds neither secrets nor values', () => {
  const log = gateway.lines.join('\n')
  expect(log).not.toContain(gateway.slack.signingSecret)
  expect(log).not.toContain(gateway.slack.botToken)
  expect(log).not.toContain('/srv/a.txt')
  expect(log).not.toContain(BOB.email)
})
