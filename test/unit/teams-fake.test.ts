/** The fake Teams refuses what Microsoft documents as refused: a test of the tests' own ground. */

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { JsonObject } from '../../src/json/value.ts'
import { type FakeTeams, startFakeTeams } from '../support/fake-teams.ts'
import { cardProblems } from '../support/fake-teams-card-rules.ts'
import {
  APPROVALS,
  type FakePerson,
  GROUP_CHAT,
  OTHER_TENANT,
  SUMMARIES,
  TEAM,
  TEAM_GROUP,
} from '../support/fake-teams-world.ts'

const ALICE = { oid: 'aaaaaaaa-0000-4000-8000-000000000001', name: 'Alice', email: 'alice@example.com', groups: ['g1'] }
const BOB = { oid: 'bbbbbbbb-0000-4000-8000-000000000002', name: 'Bob', email: 'bob@example.com' }
const STRANGER: FakePerson = {
  oid: 'cccccccc-0000-4000-8000-000000000003',
  name: 'Stranger',
  tenantId: OTHER_TENANT,
  userRole: 'federated',
}

const CARD: JsonObject = {
  type: 'AdaptiveCard',
  version: '1.5',
  body: [
    { type: 'RichTextBlock', inlines: [{ type: 'TextRun', text: 'write_file' }] },
    { type: 'Input.Text', id: 'reason', label: 'Why', maxLength: 10 },
  ],
  actions: [
    { type: 'Action.Execute', title: 'Approve', verb: 'approve', data: { id: 'apr_1' } },
    {
      type: 'Action.ShowCard',
      title: 'Deny',
      card: {
        type: 'AdaptiveCard',
        version: '1.5',
        body: [{ type: 'Input.Text', id: 'denyReason', isRequired: true, errorMessage: 'Say why', label: 'Why' }],
        actions: [{ type: 'Action.Execute', title: 'Deny now', verb: 'deny', data: { id: 'apr_1' } }],
      },
    },
    { type: 'Action.Submit', title: 'Ask', data: { msteams: { type: 'task/fetch' }, dialog: 'ask' } },
  ],
}

let teams: FakeTeams
/** What the bot under test answers, and what it was sent. */
let answer: unknown = {}
const received: { headers: NodeJS.Dict<string | string[]>; activity: JsonObject }[] = []
const bot = createServer(async (request, response) => {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  received.push({ headers: request.headers, activity: JSON.parse(Buffer.concat(chunks).toString()) })
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
})

beforeAll(async () => {
  bot.listen(0, '127.0.0.1')
  await once(bot, 'listening')
  teams = await startFakeTeams({ users: [ALICE, BOB, STRANGER], groups: [{ id: 'g1', displayName: 'DBA' }] })
  teams.deliverTo(`http://127.0.0.1:${(bot.address() as AddressInfo).port}/api/messages`)
  await teams.install(APPROVALS, 'Alice')
})
beforeEach(() => {
  teams.forgetRates()
  received.length = 0
  answer = {}
})
afterAll(async () => {
  await teams.close()
  bot.close()
  bot.closeAllConnections()
})

async function token(change: Record<string, string> = {}, tenant = teams.tenantId): Promise<Response> {
  const form = {
    grant_type: 'client_credentials',
    client_id: teams.appId,
    client_secret: teams.appPassword,
    scope: teams.endpoints.scope,
  }
  const body = new URLSearchParams({ ...form, ...change })
  return fetch(`${teams.endpoints.login}/${tenant}/oauth2/v2.0/token`, { method: 'POST', body })
}

async function bearer(scope = teams.endpoints.scope): Promise<string> {
  return `Bearer ${((await (await token({ scope })).json()) as { access_token: string }).access_token}`
}

interface Body {
  readonly id?: string
  readonly activityId?: string
  readonly error?: { readonly code: string; readonly message: string }
  readonly [name: string]: unknown
}

async function call(method: string, path: string, body?: unknown, authorization?: string) {
  const url = `${teams.serviceUrl}v3/conversations${path}`
  const headers = { 'content-type': 'application/json', authorization: authorization ?? (await bearer()) }
  const response = await fetch(url, { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) })
  const text = await response.text()
  return { status: response.status, headers: response.headers, body: (text === '' ? {} : JSON.parse(text)) as Body }
}

const at = (id: string, rest = '') => `/${encodeURIComponent(id)}${rest}`
const message = (card: JsonObject = CARD) => ({
  type: 'message',
  summary: 'A call waits',
  attachments: [{ contentType: 'application/vnd.microsoft.card.adaptive', content: card }],
})
const post = async (card: JsonObject = CARD, to = APPROVALS) =>
  (await call('POST', at(to, '/activities'), message(card))).body.id as string

describe('the Bot Connector', () => {
  it('takes a message where the bot is installed, in each channel of the team, and edits it', async () => {
    const sent = await call('POST', at(SUMMARIES, '/activities'), message())
    expect(sent.status).toBe(201)
    const edited = await call('PUT', at(SUMMARIES, `/activities/${sent.body.id}`), message({ ...CARD, body: [] }))
    expect(edited).toMatchObject({ status: 200, body: { id: sent.body.id } })
    expect(teams.messages.find(({ id }) => id === sent.body.id)).toMatchObject({ edits: 1, summary: 'A call waits' })
  })

  it('begins a thread, and answers in it', async () => {
    const started = await call('POST', '', {
      isGroup: true,
      channelData: { channel: { id: APPROVALS } },
      activity: message(),
    })
    expect(started).toMatchObject({ status: 201, body: { id: `${APPROVALS};messageid=${started.body.activityId}` } })
    const reply = await call('POST', at(`${started.body.id}`, '/activities'), message())
    expect(teams.messages.find(({ id }) => id === reply.body.id)?.threadId).toBe(started.body.activityId)
  })

  it('makes one talk with a person, by object id, whom it shares a team with', async () => {
    const asked = { isGroup: false, members: [{ id: BOB.oid }], channelData: { tenant: { id: teams.tenantId } } }
    const [one, other] = [await call('POST', '', asked), await call('POST', '', asked)]
    expect([one.status, other.status, one.body.id]).toEqual([201, 201, other.body.id])
    expect((await call('POST', at(`${one.body.id}`, '/activities'), message())).status).toBe(201)
  })

  it('tells of members, one and page by page', async () => {
    const paged = await call('GET', at(APPROVALS, '/pagedmembers?pageSize=50'))
    expect(paged.body.members).toHaveLength(3)
    const bob = await call('GET', at(APPROVALS, `/members/${BOB.oid}`))
    expect(bob.body).toMatchObject({
      aadObjectId: BOB.oid,
      id: teams.mriOf('Bob'),
      userRole: 'user',
      tenantId: teams.tenantId,
    })
  })

  it('gives a message for one member to them alone', async () => {
    const targeted = { ...message(), recipient: { id: teams.mriOf('Bob') } }
    const sent = await call('POST', at(APPROVALS, '/activities?isTargetedActivity=true'), targeted)
    expect(teams.messages.find(({ id }) => id === sent.body.id)?.onlyTo).toBe(teams.mriOf('Bob'))
    const nobody = { ...message(), recipient: { id: '29:nobody' } }
    expect((await call('POST', at(APPROVALS, '/activities?isTargetedActivity=true'), nobody)).status).toBe(400)
  })

  const big = { ...message(), text: 'x'.repeat(41 * 1024) }
  const rows: [string, number, string, () => Promise<{ status: number; body: Body }>][] = [
    ['no token', 401, 'Unauthorized', () => call('POST', at(APPROVALS, '/activities'), message(), 'Bearer ')],
    [
      'a token for Graph',
      401,
      'Unauthorized',
      async () =>
        call('POST', at(APPROVALS, '/activities'), message(), await bearer(`${teams.endpoints.graph}/.default`)),
    ],
    [
      'the connector’s own token',
      401,
      'Unauthorized',
      async () => call('POST', at(APPROVALS, '/activities'), message(), `Bearer ${await teams.tokenOf()}`),
    ],
    [
      'a chat where the bot is not',
      403,
      'BotNotInConversationRoster',
      () => call('POST', at(GROUP_CHAT, '/activities'), message()),
    ],
    [
      'an unknown conversation',
      404,
      'ConversationNotFound',
      () => call('POST', at('19:x@thread.v2', '/activities'), message()),
    ],
    [
      'an edit of an unknown message',
      404,
      'ActivityNotFoundInConversation',
      () => call('PUT', at(APPROVALS, '/activities/1'), message()),
    ],
    [
      'an edit of another bot’s message',
      404,
      'ActivityNotFoundInConversation',
      () =>
        call('PUT', at(APPROVALS, `/activities/${teams.forge({ conversationId: APPROVALS, card: CARD })}`), message()),
    ],
    [
      'an edit from another conversation',
      404,
      'ActivityNotFoundInConversation',
      async () => call('PUT', at(SUMMARIES, `/activities/${await post()}`), message()),
    ],
    ['more than 80 KB of UTF-16', 413, 'MessageSizeTooBig', () => call('POST', at(APPROVALS, '/activities'), big)],
    [
      'a message without content',
      400,
      'BadSyntax',
      () => call('POST', at(APPROVALS, '/activities'), { type: 'message' }),
    ],
    [
      'a bad card',
      400,
      'BadSyntax',
      () => call('POST', at(APPROVALS, '/activities'), message({ ...CARD, version: '1.6' })),
    ],
    [
      'a talk with nobody',
      400,
      'BadSyntax',
      () => call('POST', '', { members: [{ id: '29:nobody' }], channelData: { tenant: { id: teams.tenantId } } }),
    ],
    [
      'a member who is none',
      404,
      'MemberNotFoundInConversation',
      () => call('GET', at(APPROVALS, '/members/29:nobody')),
    ],
  ]
  it.each(rows)('refuses %s: %i %s', async (_sentence, status, code, ask) => {
    const posted = teams.messages.length
    const refused = await ask()
    expect([refused.status, refused.body.error?.code]).toEqual([status, code])
    expect(
      teams.messages
        .slice(posted)
        .filter(({ from }) => from === teams.botMri)
        .every(({ edits }) => edits === 0),
    ).toBe(true)
  })

  it('limits messages of one conversation, and says when to come again', async () => {
    const token = await bearer()
    const all = await Promise.all(
      Array.from({ length: 8 }, () => call('POST', at(APPROVALS, '/activities'), message(), token)),
    )
    const throttled = all.filter(({ status }) => status === 429)
    expect(throttled).toHaveLength(1)
    expect(throttled[0]?.headers.get('retry-after')).toBe('1')
    expect((await call('POST', at(SUMMARIES, '/activities'), message(), token)).status).toBe(201)
  })

  it('loses an answer where a test asks, and refuses a revoked token', async () => {
    const before = teams.messages.length
    teams.failNext('send', { isAnswerLost: true })
    await expect(call('POST', at(APPROVALS, '/activities'), message())).rejects.toThrow()
    expect(teams.messages).toHaveLength(before + 1)
    const old = await bearer()
    teams.revokeTokens()
    expect((await call('POST', at(APPROVALS, '/activities'), message(), old)).status).toBe(401)
    expect((await call('POST', at(APPROVALS, '/activities'), message())).status).toBe(201)
  })
})

describe('Entra', () => {
  const rows: [string, number, string, Record<string, string>][] = [
    ['a wrong secret', 401, 'invalid_client', { client_secret: 'no' }],
    ['an unknown app', 400, 'unauthorized_client', { client_id: ALICE.oid }],
    ['a scope that is none', 400, 'invalid_scope', { scope: 'User.Read' }],
    ['an unknown resource', 400, 'invalid_resource', { scope: 'https://nothing.example/.default' }],
    ['another grant', 400, 'unsupported_grant_type', { grant_type: 'password' }],
  ]
  it.each(rows)('refuses %s', async (_sentence, status, error, change) => {
    const refused = await token(change)
    expect([refused.status, ((await refused.json()) as { error: string }).error]).toEqual([status, error])
  })

  it('refuses another tenant', async () => expect((await token({}, OTHER_TENANT)).status).toBe(400))

  it('gives a managed identity its token for the header of the machine alone', async () => {
    const { IDENTITY_ENDPOINT, IDENTITY_HEADER } = teams.identityEnvironment
    const url = `${IDENTITY_ENDPOINT}?resource=https://api.botframework.com&api-version=2019-08-01&client_id=${teams.appId}`
    const given = await fetch(url, { headers: { 'x-identity-header': IDENTITY_HEADER } })
    const { access_token } = (await given.json()) as { access_token: string }
    expect((await call('GET', at(APPROVALS, '/members'), undefined, `Bearer ${access_token}`)).status).toBe(200)
    expect((await fetch(url)).status).toBe(401)
  })
})

describe('Graph', () => {
  async function graph(path: string, body?: object) {
    const authorization = await bearer(`${teams.endpoints.graph}/.default`)
    const headers = { authorization, 'content-type': 'application/json' }
    const init = body === undefined ? { headers } : { method: 'POST', headers, body: JSON.stringify(body) }
    const response = await fetch(path.startsWith('http') ? path : `${teams.endpoints.graph}/v1.0${path}`, init)
    return { status: response.status, body: (await response.json()) as Body }
  }

  it('tells of a person what was selected, and of groups those that they are in', async () => {
    const alice = await graph(`/users/${ALICE.oid}?$select=mail,accountEnabled`)
    expect(alice.body).toEqual({ mail: 'alice@example.com', accountEnabled: true })
    expect((await graph(`/users/${ALICE.oid}/checkMemberGroups`, { groupIds: ['g1'] })).body.value).toEqual(['g1'])
    expect((await graph(`/users/${BOB.oid}/checkMemberGroups`, { groupIds: ['g1'] })).body.value).toEqual([])
  })

  it('pages a channel’s messages, newest first, and lists a thread’s answers', async () => {
    const [first, second] = [await post(), await post()]
    const reply = await call('POST', at(`${APPROVALS};messageid=${first}`, '/activities'), message())
    const messages = `/teams/${TEAM_GROUP}/channels/${encodeURIComponent(APPROVALS)}/messages`
    const page = await graph(`${messages}?$top=1`)
    expect(page.body.value).toMatchObject([{ id: second, from: { application: { id: teams.appId } } }])
    expect((await graph(String(page.body['@odata.nextLink']))).body.value).toMatchObject([{ id: first }])
    expect((await graph(`${messages}/${first}/replies`)).body.value).toMatchObject([
      { id: reply.body.id, replyToId: first },
    ])
  })

  it('tells of threads since a time, and takes no other filter', async () => {
    const delta = `/teams/${TEAM_GROUP}/channels/${encodeURIComponent(APPROVALS)}/messages/delta?$filter=`
    const before = new Date(Date.now() - 1).toISOString()
    const id = await post()
    const found = await graph(`${delta}${encodeURIComponent(`lastModifiedDateTime gt ${before}`)}`)
    expect(found.body.value).toMatchObject([{ id }])
    expect(found.body['@odata.deltaLink']).toContain('$deltatoken')
    expect((await graph(`${delta}${encodeURIComponent("summary eq 'x'")}`)).status).toBe(400)
  })

  it('refuses what it must', async () => {
    expect((await graph('/users/nobody')).body.error?.code).toBe('Request_ResourceNotFound')
    expect((await graph(`/users/${STRANGER.oid}`)).status).toBe(404)
    const many = { groupIds: Array.from({ length: 21 }, () => 'g1') }
    expect((await graph(`/users/${ALICE.oid}/checkMemberGroups`, many)).status).toBe(400)
    teams.setPermissions([])
    const denied = await graph(`/users/${ALICE.oid}`)
    expect([denied.status, denied.body.error?.code]).toEqual([403, 'Authorization_RequestDenied'])
    teams.setPermissions(['User.Read.All', 'GroupMember.Read.All', 'ChannelMessage.Read.All', 'Chat.Read.All'])
    expect((await fetch(`${teams.endpoints.graph}/v1.0/users/${ALICE.oid}`)).status).toBe(401)
  })
})

describe('a card', () => {
  const withBody = (...body: JsonObject[]): JsonObject => ({ type: 'AdaptiveCard', version: '1.5', body })
  const rows: [string, JsonObject, string][] = [
    ['an unknown element', withBody({ type: 'Badge' }), 'Badge'],
    ['an element of 1.6', withBody({ type: 'Carousel', pages: [] }), 'Carousel'],
    ['a property of 1.6', withBody({ type: 'Input.Text', id: 'a', labelPosition: 'above' }), 'labelPosition'],
    ['an unknown property', withBody({ type: 'TextBlock', text: 'a', colour: 'good' }), 'colour'],
    ['an unknown value', withBody({ type: 'TextBlock', text: 'a', size: 'enormous' }), 'enormous'],
    ['an input without a name', withBody({ type: 'Input.Text' }), 'no id'],
    ['two inputs of one name', withBody({ type: 'Input.Text', id: 'a' }, { type: 'Input.Text', id: 'a' }), 'twice'],
    ['an action without a verb', { ...withBody(), actions: [{ type: 'Action.Execute', title: 'a' }] }, 'no verb'],
    ['a refresh for object ids', { ...withBody(), refresh: refresh([ALICE.oid]) }, 'no MRI'],
    ['a refresh for 61', { ...withBody(), refresh: refresh(Array.from({ length: 61 }, (_, at) => `29:${at}`)) }, '61'],
  ]
  it.each(rows)('with %s is refused', (_sentence, card, named) => {
    expect(cardProblems(card).join('; ')).toContain(named)
  })

  it('with tables, columns, facts and a refresh is taken', () => {
    const table = {
      type: 'Table',
      columns: [{ width: 1 }],
      rows: [
        { type: 'TableRow', cells: [{ type: 'TableCell', items: [{ type: 'TextBlock', text: 'a', wrap: true }] }] },
      ],
    }
    const columns = { type: 'ColumnSet', columns: [{ type: 'Column', width: 'stretch', items: [] }] }
    const facts = { type: 'FactSet', facts: [{ title: 'a', value: 'b' }] }
    const card = { ...withBody(table, columns, facts), msteams: { width: 'Full' }, refresh: refresh(['29:1']) }
    expect(cardProblems(card)).toEqual([])
    expect(cardProblems(CARD)).toEqual([])
  })

  function refresh(userIds: string[]): JsonObject {
    return { action: { type: 'Action.Execute', verb: 'refresh' }, userIds }
  }
})

describe('people', () => {
  it('click with what they typed and the data of the action, signed by the connector', async () => {
    const messageId = await post()
    answer = { statusCode: 200, type: 'application/vnd.microsoft.activity.message', value: 'Approved' }
    const seen = await teams.click({ user: 'Bob', messageId, action: 'approve', inputs: { reason: 'fine' } })
    expect(seen).toEqual({ kind: 'message', text: 'Approved' })
    expect(received[0]?.headers.authorization).toMatch(/^Bearer ey/)
    expect(received[0]?.activity).toMatchObject({
      ...{ type: 'invoke', name: 'adaptiveCard/action', channelId: 'msteams', replyToId: messageId },
      from: { id: teams.mriOf('Bob'), aadObjectId: BOB.oid },
      conversation: {
        conversationType: 'channel',
        id: `${APPROVALS};messageid=${messageId}`,
        tenantId: teams.tenantId,
      },
      value: {
        action: { type: 'Action.Execute', verb: 'approve', data: { id: 'apr_1', reason: 'fine' } },
        trigger: 'manual',
      },
    })
  })

  it('must fill in what is required, and only a ShowCard’s own action sends what is in it', async () => {
    const messageId = await post()
    await expect(teams.click({ user: 'Bob', messageId, action: 'deny' })).rejects.toThrow('must be filled in')
    await expect(
      teams.click({ user: 'Bob', messageId, action: 'approve', inputs: { denyReason: 'a' } }),
    ).rejects.toThrow('no input')
    await teams.click({ user: 'Bob', messageId, action: 'Deny now', inputs: { denyReason: 'no' } })
    expect(received[0]?.activity.value).toMatchObject({ action: { data: { id: 'apr_1', denyReason: 'no' } } })
  })

  it('see a card of their own where refresh names them, until the message is edited', async () => {
    const own = { ...CARD, actions: [{ type: 'Action.Execute', title: 'Mine', verb: 'mine' }] }
    const refresh = { action: { type: 'Action.Execute', verb: 'view' }, userIds: [teams.mriOf('Bob')] }
    const messageId = await post({ ...CARD, refresh })
    answer = { statusCode: 200, type: 'application/vnd.microsoft.card.adaptive', value: own }
    expect(await teams.look({ user: 'Bob', messageId })).toEqual(own)
    expect(received[0]?.activity.value).toMatchObject({ action: { verb: 'view' }, trigger: 'automatic' })
    expect(await teams.look({ user: 'Alice', messageId })).toEqual({ ...CARD, refresh })
    await call('PUT', at(APPROVALS, `/activities/${messageId}`), message())
    expect(await teams.look({ user: 'Bob', messageId })).toEqual(CARD)
  })

  const rows: [string, unknown][] = [
    ['no type', { statusCode: 200, value: 'hi' }],
    [
      'a card that Teams does not draw',
      { statusCode: 200, type: 'application/vnd.microsoft.card.adaptive', value: {} },
    ],
    ['a message that is no text', { statusCode: 200, type: 'application/vnd.microsoft.activity.message', value: {} }],
  ]
  it.each(rows)('see that something went wrong where the bot answers %s', async (_sentence, wrong) => {
    answer = wrong
    const seen = await teams.click({ user: 'Bob', messageId: await post(), action: 'approve' })
    expect(seen).toMatchObject({ kind: 'error', code: 'SomethingWentWrong' })
  })

  it('open a dialog from a card, and submit it', async () => {
    const card = {
      type: 'AdaptiveCard',
      version: '1.5',
      body: [{ type: 'Input.Text', id: 'why', value: 'because' }],
      actions: [{ type: 'Action.Submit', title: 'Send', data: { dialog: 'ask' } }],
    }
    answer = {
      task: {
        type: 'continue',
        value: { title: 'Ask', card: { contentType: 'application/vnd.microsoft.card.adaptive', content: card } },
      },
    }
    const opened = await teams.openDialog({ user: 'Bob', messageId: await post(), action: 'ask' })
    expect(opened).toMatchObject({ kind: 'dialog', title: 'Ask' })
    answer = { task: { type: 'message', value: 'Thanks' } }
    const dialogId = opened.kind === 'dialog' ? opened.id : ''
    expect(await teams.submitDialog({ dialogId })).toEqual({ kind: 'message', text: 'Thanks' })
    expect(received[1]?.activity).toMatchObject({
      name: 'task/submit',
      value: { data: { dialog: 'ask', why: 'because' } },
    })
    await expect(teams.submitDialog({ dialogId })).rejects.toThrow('no dialog')
  })

  it('say something with mentions, and the bot is told of its installation', async () => {
    await teams.say({ user: 'Alice', conversation: 'personal', text: '@{bot} freeze @{Bob}' })
    expect(received[0]?.activity).toMatchObject({
      ...{ type: 'message', text: '<at>Countersign</at> freeze <at>Bob</at>' },
      conversation: { conversationType: 'personal' },
    })
    await teams.install(APPROVALS, 'Alice')
    expect(received.slice(1).map(({ activity }) => [activity.type, activity.action])).toEqual([
      ['conversationUpdate', undefined],
      ['installationUpdate', 'add'],
    ])
    expect(received[1]?.activity).toMatchObject({
      membersAdded: [{ id: teams.botMri }],
      channelData: { team: { id: TEAM, aadGroupId: TEAM_GROUP }, settings: { selectedChannel: { id: APPROVALS } } },
    })
  })
})
