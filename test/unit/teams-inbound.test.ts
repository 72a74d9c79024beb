/** The messaging endpoint, by HTTP: what is refused before anything of it counts, what is run once, and what is answered. */
import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { AdaptiveCard } from '../../bots/teams/card-elements.ts'
import { foreignIn } from '../../bots/teams/checks.ts'
import { linkToMessage } from '../../bots/teams/deep-link.ts'
import type { Asked, CommandWords, DialogAnswer, ExecuteAnswer, Feature } from '../../bots/teams/feature.ts'
import { createInbound, type Inbound, keyOf, MESSAGES_PATH, REQUEST_BYTES_MAX } from '../../bots/teams/inbound.ts'
import { featureOf } from '../../bots/teams/invokes.ts'
import { inert, words } from '../../bots/teams/text.ts'
import { type TeamsMessage, Unauthenticated } from '../../bots/teams/transport.ts'
import { epochMs } from '../../src/brands.ts'
import { GatewayError } from '../../src/errors.ts'
import type { JsonObject, JsonValue } from '../../src/json/value.ts'
import { ChannelBusy, type Conversation } from '../../src/ports.ts'
import { silentLog } from '../support/redis.ts'

const APP = '22222222-2222-4222-8222-222222222222'
const TENANT = '11111111-1111-4111-8111-111111111111'
const OTHER = '99999999-9999-4999-8999-999999999999'
const ALICE = 'aaaaaaaa-0000-4000-8000-00000000000a'
const ROOM = '19:approvals@thread.tacv2'
const SERVICE = 'https://smba.trafficmanager.net/emea/'
const OURS = {
  ...{ appId: APP, tenantId: TENANT, issuer: 'https://api.botframework.com' },
  connectors: ['https://smba.trafficmanager.net'],
}
const CLAIMS = { audience: APP, issuer: OURS.issuer, serviceUrl: SERVICE }
const CARD: AdaptiveCard = {
  ...{ type: 'AdaptiveCard', version: '1.5', fallbackText: words`A card` },
  body: [{ type: 'TextBlock', text: inert('Yours'), wrap: true }],
}

const WELCOME: TeamsMessage = { card: CARD, summary: 'Welcome' }

const activity = (change: JsonObject = {}): JsonObject => ({
  ...{ type: 'invoke', name: 'adaptiveCard/action', id: 'f:1', channelId: 'msteams', serviceUrl: SERVICE },
  from: { id: '29:alice', aadObjectId: ALICE },
  conversation: { id: `${ROOM};messageid=1700`, conversationType: 'channel', tenantId: TENANT },
  recipient: { id: `28:${APP}` },
  channelData: { tenant: { id: TENANT }, team: { id: '19:team@thread.tacv2' } },
  replyToId: '1701',
  value: { action: { type: 'Action.Execute', verb: 'test_approve', data: { id: 'apr_1' } }, trigger: 'manual' },
  ...change,
})

describe('what a verified activity must say', () => {
  const account = { id: '29:alice', aadObjectId: ALICE }
  it.each<[string, number, JsonObject, object?]>([
    ['is of another channel', 403, { channelId: 'webchat' }],
    ['is for another bot', 403, { recipient: { id: `28:${OTHER}` } }],
    ['names no recipient', 403, { recipient: null }],
    ['is of another tenant by its conversation', 403, { conversation: { id: ROOM, tenantId: OTHER } }],
    ['is of another tenant by its channel data', 403, { channelData: { tenant: { id: OTHER } } }],
    ['is from somebody of another tenant', 403, { from: { ...account, tenantId: OTHER } }],
    ['names no tenant at all', 403, { conversation: { id: ROOM }, channelData: {} }],
    ['names a tenant that is no text', 403, { channelData: { tenant: { id: [TENANT] } } }],
    ['names another serviceUrl than the token', 401, { serviceUrl: 'https://smba.trafficmanager.net/amer/' }],
    ['comes with a token of another issuer', 401, {}, { issuer: `https://sts.windows.net/${TENANT}/` }],
    ['comes with a token for another app', 401, {}, { audience: OTHER }],
    ['comes with a token without a serviceUrl', 401, {}, { serviceUrl: null }],
  ])('[REQ-TEAMS-1] is refused where it %s', (_name, status, change, claims = {}) => {
    expect(foreignIn({ activity: activity(change), claims: { ...CLAIMS, ...claims } }, OURS)).toMatchObject({ status })
  })

  it.each([
    'https://evil.example/emea/',
    'https://smba.trafficmanager.net.evil.example/',
    'http://smba.trafficmanager.net/emea/',
    'https://smba.trafficmanager.net@evil.example/',
    'https://user@smba.trafficmanager.net/emea/',
    'https://smba.trafficmanager.net:8443/emea/',
    'https://smba.trafficmanager.net/emea/?next=evil',
    'not an address',
  ])('[REQ-TEAMS-1] is refused where the connector would answer at %s', (serviceUrl) => {
    const verified = { activity: activity({ serviceUrl }), claims: { ...CLAIMS, serviceUrl } }
    expect(foreignIn(verified, OURS)).toMatchObject({ status: 403 })
  })

  it('passes where all of it is ours, in whatever case ids are written', () => {
    expect(foreignIn({ activity: activity(), claims: CLAIMS }, OURS)).toBeNull()
    const upper = activity({ channelData: { tenant: { id: TENANT.toUpperCase() } } })
    expect(foreignIn({ activity: upper, claims: { ...CLAIMS, audience: APP.toUpperCase() } }, OURS)).toBeNull()
  })
})

describe('the endpoint', () => {
  let server: Server
  let inbound: Inbound
  const taken = new Set<string>()
  const ran: { readonly how: string; readonly asked: Asked; readonly name: string; readonly data: JsonValue }[] = []
  const sent: { to: Conversation; message: TeamsMessage; options: object | undefined }[] = []
  const remembered: Conversation[] = []
  const forgotten: string[] = []
  /** What sending is answered next. */
  const faults: Error[] = []
  const commands: CommandWords[] = []
  let verdict: 'good' | 'forged' | 'unknown' = 'good'
  let answer: () => Promise<ExecuteAnswer & DialogAnswer>
  let failing = false
  let skewMs = 0

  const feature: Feature = {
    prefix: 'test_',
    refreshes: ['test_refresh'],
    execute: (asked, name, data) => run('execute', asked, name, data),
    openDialog: (asked, name, data) => run('open', asked, name, data),
    submitDialog: (asked, name, data) => run('submit', asked, name, data),
    choices: async (asked, name, query) => {
      await run('choices', asked, name, query)
      return Array.from({ length: 20 }, (_, at) => ({ title: `Tool ${at}`, value: `tool_${at}` }))
    },
  }
  function run(how: string, asked: Asked, name: string, data: JsonValue) {
    ran.push({ how, asked, name, data })
    return answer()
  }

  function open(answerWithinMs?: number): Inbound {
    return createInbound({
      ...{ ours: OURS, features: [feature], log: silentLog, clock: { now: () => epochMs(Date.now() + skewMs) } },
      transport: {
        verify: async (_authorization, given) => {
          if (verdict === 'forged') throw new Unauthenticated('no')
          if (verdict === 'unknown') throw new Error('the keys cannot be read')
          return { activity: given, claims: CLAIMS }
        },
        send: async (to, message, options) => {
          const fault = faults.shift()
          if (fault !== undefined) throw fault
          sent.push({ to, message, options })
          return '1800'
        },
      },
      runCommand: async (_asked, given) => {
        commands.push(given)
        return { message: 'Said' }
      },
      conversations: {
        remember: async (conversation) => {
          if (failing) throw new GatewayError('store_unavailable', 'away')
          remembered.push(conversation)
        },
        forget: async (id) => void forgotten.push(id),
      },
      welcome: WELCOME,
      isFirst: async (key) => !taken.has(key) && taken.add(key) !== undefined,
      ...(answerWithinMs !== undefined && { answerWithinMs }),
    })
  }

  beforeAll(async () => {
    reset()
    const app = express()
    app.use((request, response, next) => inbound.router(request, response, next))
    server = app.listen(0, '127.0.0.1')
    await once(server, 'listening')
  })
  afterAll(() => void server.close())
  const reset = () => {
    for (const list of [ran, sent, remembered, forgotten, commands, faults]) list.length = 0
    taken.clear()
    verdict = 'good'
    failing = false
    skewMs = 0
    answer = async () => ({ kind: 'message', text: 'Done' })
    inbound = open()
  }
  afterEach(reset)

  async function post(body: unknown, options: { headers?: Record<string, string>; method?: string } = {}) {
    const { port } = server.address() as AddressInfo
    const { headers, method = 'POST' } = options
    const response = await fetch(`http://127.0.0.1:${port}${MESSAGES_PATH}`, {
      method,
      headers: { authorization: 'Bearer a.b.c', 'content-type': 'application/json; charset=utf-8', ...headers },
      ...(method === 'POST' && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, body: text === '' ? null : (JSON.parse(text) as JsonObject) }
  }

  it.each<[string, number, unknown, { headers?: Record<string, string>; method?: string }?]>([
    ['another method', 405, '', { method: 'GET' }],
    ['no token', 401, activity(), { headers: { authorization: '' } }],
    ['another scheme', 401, activity(), { headers: { authorization: 'Basic YTpi' } }],
    ['an encoded body', 415, activity(), { headers: { 'content-encoding': 'gzip' } }],
    ['a form', 415, activity(), { headers: { 'content-type': 'application/x-www-form-urlencoded' } }],
    ['more than the limit', 413, activity({ text: 'x'.repeat(REQUEST_BYTES_MAX) })],
    ['no JSON', 400, '{"type":'],
    ['a list', 400, '[]'],
    ['a key twice', 400, `{"type":"message","type":"invoke"}`],
    ['too deep a value', 400, `${'{"a":'.repeat(80)}1${'}'.repeat(80)}`],
    ['no conversation', 400, activity({ conversation: { tenantId: TENANT } })],
    [
      'a conversation of no kind that we know',
      400,
      activity({ conversation: { id: ROOM, tenantId: TENANT, conversationType: 'meeting' } }),
    ],
    [
      'a conversation of a kind that every object has',
      400,
      activity({ conversation: { id: ROOM, tenantId: TENANT, conversationType: 'constructor' } }),
    ],
    ['nobody of Entra', 403, activity({ from: { id: '29:anonymous' } })],
    ['another bot', 403, activity({ from: { id: '28:bot', aadObjectId: ALICE } })],
    ['another tenant', 403, activity({ channelData: { tenant: { id: OTHER } } })],
  ])('[REQ-TEAMS-1] refuses %s, and runs nothing', async (_name, status, body, options) => {
    expect((await post(body, options)).status).toBe(status)
    expect([...ran, ...remembered, ...commands]).toEqual([])
  })

  it('[REQ-TEAMS-1] refuses what nobody vouches for with 401, and with 503 where that can’t be told', async () => {
    verdict = 'forged'
    expect((await post(activity())).status).toBe(401)
    verdict = 'unknown'
    expect((await post(activity())).status).toBe(503)
    expect(ran).toEqual([])
  })

  it('gives a click to its feature, with who, where and which message', async () => {
    answer = async () => ({ kind: 'card', card: CARD }) as never
    expect((await post(activity())).body).toEqual({
      ...{ statusCode: 200, type: 'application/vnd.microsoft.card.adaptive', value: CARD },
    })
    expect(ran).toMatchObject([
      {
        ...{ how: 'execute', name: 'test_approve', data: { id: 'apr_1' } },
        asked: {
          user: { oid: ALICE, tenantId: TENANT, mri: '29:alice' },
          conversation: { id: ROOM, kind: 'channel', tenantId: TENANT, serviceUrl: SERVICE },
          messageId: '1701',
        },
      },
    ])
  })

  it('says so where the button is none of ours', async () => {
    const other = activity({ value: { action: { verb: 'other_thing', data: {} } } })
    expect((await post(other)).body).toMatchObject({ value: 'This button is not one of this gateway’s.' })
  })

  it.each<[string, string, JsonObject, string, JsonValue]>([
    [
      'opens a dialog',
      'task/fetch',
      { data: { dialog: 'test_deny', id: 'apr_1' } },
      'open',
      { dialog: 'test_deny', id: 'apr_1' },
    ],
    [
      'submits a dialog',
      'task/submit',
      { data: { dialog: 'test_deny', reason: 'no' } },
      'submit',
      { dialog: 'test_deny', reason: 'no' },
    ],
    ['opens the compose action', 'composeExtension/fetchTask', { commandId: 'test_access' }, 'open', {}],
    [
      'submits the compose action',
      'composeExtension/submitAction',
      { commandId: 'test_access', data: { tool: 'x' } },
      'submit',
      { tool: 'x' },
    ],
  ])('%s', async (_name, name, value, how, data) => {
    answer = async () => ({ kind: 'dialog', title: 'Deny', card: CARD, size: 'small' }) as never
    expect((await post(activity({ name, value }))).body).toEqual({
      task: {
        type: 'continue',
        value: {
          ...{ title: 'Deny', height: 'small', width: 'small' },
          card: { contentType: 'application/vnd.microsoft.card.adaptive', content: CARD },
        },
      },
    })
    expect(ran).toMatchObject([{ how, data }])
    answer = async () => ({ kind: 'close' }) as never
    expect((await post(activity({ name, value, id: 'f:2' }))).body).toEqual({})
    answer = async () => ({ kind: 'message', text: 'Denied.' })
    expect((await post(activity({ name, value, id: 'f:3' }))).body).toEqual({
      task: { type: 'message', value: 'Denied.' },
    })
  })

  it('answers choices as they are typed, no more than Teams shows', async () => {
    const value = {
      queryText: 'too',
      queryOptions: { skip: 0, top: 15 },
      dataset: 'test_tools',
      data: { upstream: 'pg' },
    }
    const { body } = await post(activity({ name: 'application/search', value }))
    expect(body).toMatchObject({ statusCode: 200, type: 'application/vnd.microsoft.search.searchResponse' })
    expect(body).toHaveProperty('value.results.length', 15)
    expect(ran).toMatchObject([{ name: 'test_tools', data: { text: 'too', data: { upstream: 'pg' } } }])
  })

  it('answers what nothing of ours sends as a bot without a handler does', async () => {
    expect((await post(activity({ name: 'signin/verifyState', value: { state: '1' } }))).status).toBe(501)
    expect((await post(activity({ type: 'typing' }))).status).toBe(200)
    expect((await post(activity({ type: 'messageReaction' }))).status).toBe(200)
    expect(ran).toEqual([])
  })

  it('turns a fault into a sentence with its cure, never into a success', async () => {
    answer = async () => {
      throw new GatewayError('store_unavailable', 'secret details')
    }
    const { status, body } = await post(activity())
    expect(status).toBe(200)
    expect(body?.value).toMatch(/^That failed: Redis cannot be reached/)
    expect(JSON.stringify(body)).not.toContain('secret details')
  })

  it('answers a sentence in time where the work takes longer', async () => {
    inbound = open(5)
    let finish: (answer: ExecuteAnswer & DialogAnswer) => void = () => undefined
    answer = () => new Promise((resolve) => (finish = resolve))
    expect((await post(activity())).body?.value).toMatch(/^This takes longer/)
    finish({ kind: 'message', text: 'Done' })
    await inbound.settled()
    expect(ran).toHaveLength(1)
  })

  it('[REQ-TEAMS-3] runs a repeated click once, and shares the answer that is under way', async () => {
    let finish: (answer: ExecuteAnswer & DialogAnswer) => void = () => undefined
    answer = () => new Promise((resolve) => (finish = resolve))
    const first = post(activity())
    while (ran.length === 0) await new Promise((resolve) => setImmediate(resolve))
    const second = post(activity())
    // The second has arrived when a third, which reads only, was answered after it.
    await post(activity({ type: 'typing' }))
    finish({ kind: 'message', text: 'Done' })
    expect((await first).body?.value).toBe('Done')
    expect(['Done', 'This was received already; the card shows what came of it.']).toContain((await second).body?.value)
    expect(ran).toHaveLength(1)
  })

  it('[REQ-TEAMS-3] runs nothing again that this or another replica has run', async () => {
    await post(activity())
    expect((await post(activity())).body?.value).toMatch(/^This was received already/)
    taken.add(keyOf(activity({ id: 'f:elsewhere' })))
    expect((await post(activity({ id: 'f:elsewhere' }))).body?.value).toMatch(/^This was received already/)
    expect(ran).toHaveLength(1)
  })

  it('takes what a person does again, or sends otherwise, for another', async () => {
    const one = keyOf(activity())
    expect(keyOf(activity({ id: 'f:2' }))).not.toBe(one)
    expect(keyOf(activity({ replyToId: '1702' }))).not.toBe(one)
    expect(keyOf(activity({ from: { id: '29:bob' } }))).not.toBe(one)
    expect(keyOf(activity({ value: { action: { verb: 'test_deny' } } }))).not.toBe(one)
    expect(keyOf(activity({ timestamp: 'later' }))).toBe(one)
  })

  it('answers again what only reads', async () => {
    const refresh = activity({ value: { action: { verb: 'test_refresh', data: {} }, trigger: 'automatic' } })
    const opening = activity({ name: 'task/fetch', value: { data: { dialog: 'test_deny' } } })
    for (const asking of [refresh, refresh, opening, opening]) {
      expect(JSON.stringify((await post(asking)).body)).toContain('Done')
    }
    expect(ran).toHaveLength(4)
  })

  it('runs nothing but what shows where Teams sends it by itself, without a click', async () => {
    for (const verb of ['test_approve', 'test_refresh_', 'constructor', 'other_thing']) {
      const automatic = activity({ value: { action: { verb, data: {} }, trigger: 'automatic' }, id: `f:${verb}` })
      expect((await post(automatic)).body).toMatchObject({ value: 'This button is not one of this gateway’s.' })
    }
    expect(ran).toEqual([])
  })

  // ---- what is written

  const message = (text: string, change: JsonObject = {}) =>
    activity({ type: 'message', name: null, value: null, replyToId: null, id: '1702', text, ...change })
  const us = { type: 'mention', text: '<at>Countersign</at>', mentioned: { id: `28:${APP}`, name: 'Countersign' } }
  const bob = { type: 'mention', text: '<at>Bob</at>', mentioned: { id: '29:bob', name: 'Bob' } }

  it('takes words with its mention as a command, people in them by number, and answers in the thread', async () => {
    const text = '<at>Countersign</at>&nbsp;freeze <at>Bob</at> he wrote <at:0>'
    expect(await post(message(text, { entities: [bob, us] }))).toEqual({ status: 200, body: null })
    await inbound.settled()
    expect(commands).toEqual([{ text: 'freeze <at:0> he wrote < at:0>', mentioned: [{ mri: '29:bob', oid: null }] }])
    expect(sent).toMatchObject([{ to: { id: ROOM }, message: { summary: 'Said' }, options: { replyTo: '1700' } }])
  })

  it('leaves a channel’s other talk alone, and repeats no command', async () => {
    await post(message('freeze all'))
    await post(message('<at>Bob</at> freeze all', { entities: [bob] }))
    await inbound.settled()
    expect(commands).toEqual([])
    const command = message('<at>Countersign</at> thaw all', { entities: [us] })
    await post(command)
    await post(command)
    await inbound.settled()
    expect(commands).toHaveLength(1)
  })

  it('[REQ-TEAMS-2] says an answer again that Teams could not take, and none that it may have taken', async () => {
    faults.push(new ChannelBusy(1), new ChannelBusy(1))
    await post(message('<at>Countersign</at> help', { entities: [us] }))
    await inbound.settled()
    expect(sent).toHaveLength(1)
    faults.push(new Error('the answer was lost'))
    await post(message('<at>Countersign</at> help', { entities: [us], id: '1704' }))
    await inbound.settled()
    expect([sent, faults, commands].map(({ length }) => length)).toEqual([1, 0, 2])
  })

  it('answers to one person alone what they alone see', async () => {
    await post(message('status', { recipient: { id: `28:${APP}`, isTargeted: true } }))
    await inbound.settled()
    expect(sent).toMatchObject([{ options: { onlyTo: '29:alice' } }])
  })

  // ---- where it is

  it('remembers what it was put into before it says so, and forgets what it was taken out of', async () => {
    const about = {
      ...{ name: null, value: null, replyToId: null },
      conversation: { id: '19:team@thread.tacv2', conversationType: 'channel', tenantId: TENANT },
      channelData: {
        ...{ tenant: { id: TENANT }, team: { id: '19:team@thread.tacv2', aadGroupId: OTHER } },
        settings: { selectedChannel: { id: ROOM } },
      },
    }
    const install = activity({ type: 'installationUpdate', action: 'add', ...about })
    failing = true
    expect((await post(install)).status).toBe(503)
    failing = false
    expect((await post(install)).status).toBe(200)
    expect(remembered.map(({ id, kind, teamGroupId }) => [id, kind, teamGroupId])).toEqual([
      ['19:team@thread.tacv2', 'channel', OTHER],
      [ROOM, 'channel', OTHER],
    ])
    await post(activity({ type: 'installationUpdate', action: 'remove-upgrade', ...about }))
    expect(forgotten).toEqual([])
    await post(activity({ type: 'conversationUpdate', membersRemoved: [{ id: `28:${APP}` }], ...about }))
    expect(forgotten).toEqual(['19:team@thread.tacv2', ROOM])
  })

  it('[REQ-TEAMS-4] welcomes whoever installs it for themselves, once, and says nothing into a channel or at an upgrade', async () => {
    const talk = { id: 'a:talk', conversationType: 'personal', tenantId: TENANT }
    const own = {
      name: null,
      value: null,
      replyToId: null,
      conversation: talk,
      channelData: { tenant: { id: TENANT } },
    }
    const install = activity({ type: 'installationUpdate', action: 'add', ...own })
    await post(install)
    await post(install)
    await post(activity({ type: 'conversationUpdate', membersAdded: [{ id: `28:${APP}` }], ...own, id: 'f:2' }))
    await post(activity({ type: 'installationUpdate', action: 'add-upgrade', ...own, id: 'f:3' }))
    await post(activity({ type: 'installationUpdate', action: 'add', id: 'f:4', value: null }))
    await inbound.settled()
    expect(sent).toEqual([{ to: expect.objectContaining({ id: 'a:talk', oid: ALICE }), message: WELCOME }])
  })

  it('[REQ-TEAMS-4] answers the compose action wherever it is, and takes that place for none of its own', async () => {
    const dialog = { name: 'composeExtension/fetchTask', value: { commandId: 'test_ask' } }
    const talkOfTwo = { id: '19:x_y@unq.gbl.spaces', conversationType: 'personal', tenantId: TENANT }
    const places = [talkOfTwo, { id: '19:meeting@thread.v2', tenantId: TENANT }]
    for (const conversation of places) {
      const { status } = await post(activity({ ...dialog, conversation, channelData: { tenant: { id: TENANT } } }))
      expect(status).toBe(200)
    }
    expect(ran.map(({ asked }) => asked.isCompose)).toEqual([true, true])
    expect(remembered).toEqual([])
  })

  it('notes a conversation anew after a while, because another process may have forgotten it', async () => {
    const spoken = (id: string) => message('<at>Countersign</at> help', { entities: [us], id })
    await post(spoken('1703'))
    await post(spoken('1704'))
    expect(remembered).toHaveLength(1)
    skewMs = 10 * 60_000
    await post(spoken('1705'))
    await inbound.settled()
    expect(remembered.map(({ id }) => id)).toEqual([ROOM, ROOM])
  })

  it('notes a talk of two with its person, once', async () => {
    const conversation = { id: 'a:talk', conversationType: 'personal', tenantId: TENANT }
    await post(message('help', { conversation, channelData: { tenant: { id: TENANT } } }))
    await post(message('help', { conversation, channelData: { tenant: { id: TENANT } }, id: '1703' }))
    await inbound.settled()
    expect(remembered).toMatchObject([{ id: 'a:talk', kind: 'personal', oid: ALICE }])
  })
})

it('gives a name to the feature whose prefix fits longest', () => {
  const features = ['countersign_', 'countersign_access_', 'requester_'].map((prefix): Feature => ({ prefix }))
  expect(featureOf(features, 'countersign_access_ask')?.prefix).toBe('countersign_access_')
  expect(featureOf(features, 'countersign_approve')?.prefix).toBe('countersign_')
  expect(featureOf(features, 'other')).toBeNull()
})

const ROOM_OF_TEAM: Conversation = {
  ...{ id: ROOM, kind: 'channel', tenantId: TENANT, serviceUrl: SERVICE, oid: null, teamGroupId: OTHER },
}
it.each<[string, Conversation, boolean, string | null]>([
  [
    'of a channel, in its thread',
    ROOM_OF_TEAM,
    true,
    `https://teams.microsoft.com/l/message/19%3Aapprovals%40thread.tacv2/17?tenantId=${TENANT}&groupId=${OTHER}&parentMessageId=17`,
  ],
  [
    'of a chat',
    { ...ROOM_OF_TEAM, id: '19:chat@thread.v2', kind: 'groupChat', teamGroupId: null },
    true,
    `https://teams.microsoft.com/l/message/19%3Achat%40thread.v2/17?tenantId=${TENANT}&context=%7B%22contextType%22%3A%22chat%22%7D`,
  ],
  ['in a cloud whose client we don’t know', ROOM_OF_TEAM, false, null],
])('links to a message %s', (_name, conversation, isPublicCloud, link) => {
  expect(linkToMessage(conversation, '17', { isPublicCloud })).toBe(link)
})
