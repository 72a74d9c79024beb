/**
 * Every way past the Bot Connector's signature, audience and tenant that anyone found, against both libraries. Rows are
 * never deleted. The Bot Framework signs no bodies: what an activity says is as true as whoever holds a fresh token.
 */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createInbound, type Inbound, MESSAGES_PATH } from '../../bots/teams/inbound.ts'
import { openTransport } from '../../bots/teams/open-transport.ts'
import { epochMs } from '../../src/brands.ts'
import type { TeamsSettings } from '../../src/config/settings.ts'
import type { JsonObject } from '../../src/json/value.ts'
import { Secret } from '../../src/secret.ts'
import { type FakeTeams, startFakeTeams } from '../support/fake-teams.ts'
import type { Ack, Delivery } from '../support/fake-teams-client.ts'
import { APP_ID, APPROVALS, OTHER_TENANT } from '../support/fake-teams-world.ts'

const BOB = { oid: 'bbbbbbbb-0000-4000-8000-000000000002', name: 'Bob', email: 'bob@example.com' }
const OTHER_APP = '99999999-0000-4000-8000-000000000099'
const nowSec = () => Math.floor(Date.now() / 1000)

describe.each(['botbuilder', 'agents-hosting'] as const)('over %s', (library) => {
  let teams: FakeTeams
  let server: Server
  let inbound: Inbound
  let url = ''
  /** What any feature or command was asked to do, and what was learned of conversations. */
  const ran: string[] = []

  beforeAll(async () => {
    teams = await startFakeTeams({ users: [BOB] })
    const { appId, tenantId, endpoints } = teams
    const clock = { now: () => epochMs(Date.now()) }
    const log = { info() {}, warn() {}, error() {} }
    const settings: TeamsSettings = {
      ...{ appId, tenantId, appType: 'SingleTenant', appPassword: new Secret(teams.appPassword), library, endpoints },
      ...{ approvals: APPROVALS, summaries: APPROVALS, email: 'mail', graph: false },
    }
    inbound = createInbound({
      welcome: { card: null, summary: 'Welcome' },
      ours: { appId, tenantId, issuer: endpoints.issuer, connectors: endpoints.connectors },
      transport: openTransport({ settings, clock, log }),
      features: [
        {
          prefix: 'countersign_',
          execute: async (_asked, name) => {
            ran.push(name)
            return { kind: 'message', text: 'done' }
          },
        },
      ],
      runCommand: async () => {
        ran.push('command')
        return { message: null }
      },
      conversations: {
        remember: async ({ id }) => void ran.push(`remember ${id}`),
        forget: async (id) => void ran.push(`forget ${id}`),
      },
      isFirst: async () => true,
      ...{ clock, log },
    })
    const app = express()
    app.use(inbound.router)
    server = createServer(app).listen(0, '127.0.0.1')
    await once(server, 'listening')
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}${MESSAGES_PATH}`
    teams.deliverTo(url)
    // One good click first: keys are read, and the rows below fail for what they say alone.
    expect((await teams.raw({ activity: clickOf() })).status).toBe(200)
  }, 60_000)
  afterAll(async () => {
    await inbound.settled()
    server.close()
    server.closeAllConnections()
    await teams.close()
  })

  let serial = 0
  /** A click of Bob's on a card of ours; none is a repetition of another. */
  function clickOf(change: JsonObject = {}): JsonObject {
    serial += 1
    return {
      ...teams.activityOf({ user: 'Bob', conversation: APPROVALS }),
      ...{ type: 'invoke', name: 'adaptiveCard/action', id: `f:${serial}`, replyToId: '1700000000000' },
      value: {
        action: { type: 'Action.Execute', verb: 'countersign_approve', data: { approval: `apr_${serial}` } },
        trigger: 'manual',
      },
      ...change,
    }
  }

  async function refused(delivery: Delivery): Promise<Ack> {
    ran.length = 0
    const ack = await teams.raw(delivery)
    await inbound.settled()
    expect(ran).toEqual([])
    return ack
  }

  it('[REQ-FORGED-1] a good click runs, once', async () => {
    ran.length = 0
    const activity = clickOf()
    const acks = [await teams.raw({ activity }), await teams.raw({ activity })]
    expect(acks.map(({ status }) => status)).toEqual([200, 200])
    expect(ran.filter((one) => one === 'countersign_approve')).toHaveLength(1)
  })

  const tokens: [string, () => Promise<Partial<Delivery>> | Partial<Delivery>][] = [
    ['no token', () => ({ authorization: null })],
    ['an empty token', () => ({ authorization: 'Bearer ' })],
    ['a token without its scheme', async () => ({ authorization: await teams.tokenOf() })],
    ['a token of another scheme', async () => ({ authorization: `Basic ${await teams.tokenOf()}` })],
    ['two tokens', async () => ({ authorization: `Bearer ${await teams.tokenOf()}, Bearer ${await teams.tokenOf()}` })],
    ['a token without its signature', async () => ({ authorization: `Bearer ${cut(await teams.tokenOf())}.` })],
    ['a token with another’s signature', async () => ({ authorization: `Bearer ${await mixed()}` })],
    ['an unsigned token (alg none)', () => ({ alg: 'none' })],
    ['a token signed by the public key as a secret (HS256)', () => ({ alg: 'HS256' })],
    ['a key that nobody published', () => ({ key: 'unknown' })],
    ['a key that nobody published, under the name of one that is', async () => ({ key: 'unknown', kid: await kid() })],
    ['a key of another channel', () => ({ key: 'otherChannel' })],
    ['a key without endorsements', () => ({ key: 'bare' })],
    ['a key of Entra', () => ({ key: 'entra' })],
    ['an audience that is another app', () => ({ claims: { aud: OTHER_APP } })],
    ['a list of audiences', () => ({ claims: { aud: [APP_ID, OTHER_APP] } })],
    ['no audience', () => ({ claims: { aud: undefined } })],
    ['Entra as the issuer', () => ({ claims: { iss: `https://sts.windows.net/${teams.tenantId}/` } })],
    [
      'the emulator as the issuer',
      () => ({ claims: { iss: 'https://sts.windows.net/d6d49420-f39b-4df7-a1dc-d59a935871db/' } }),
    ],
    ['no issuer', () => ({ claims: { iss: undefined } })],
    ['a serviceurl that is not the activity’s', () => ({ claims: { serviceurl: 'https://smba.example/emea/' } })],
    ['no serviceurl', () => ({ claims: { serviceurl: undefined } })],
    ['an expiry that is ten minutes past', () => ({ claims: { exp: nowSec() - 600, nbf: nowSec() - 1200 } })],
    ['no expiry', () => ({ claims: { exp: undefined } })],
    ['a beginning in ten minutes', () => ({ claims: { nbf: nowSec() + 600, exp: nowSec() + 1200 } })],
    ['our own token for the connector', async () => ({ authorization: `Bearer ${await ownToken()}` })],
  ]
  it.each(tokens)('[REQ-FORGED-1] %s is answered 401, and nothing runs', async (_sentence, forge) => {
    const { status, body } = await refused({ activity: clickOf(), ...(await forge()) })
    expect(status).toBe(401)
    expect(body).not.toHaveProperty('statusCode')
  })

  const conversation = (change: JsonObject) => ({
    conversation: { conversationType: 'channel', id: APPROVALS, tenantId: teams.tenantId, ...change },
  })
  /** botbuilder asks for the channel's endorsement first; our own check says what is wrong. */
  const BY_EITHER = library === 'botbuilder' ? 401 : 403
  const activities: [string, number, () => Partial<Delivery> & { activity: JsonObject }][] = [
    ['another tenant’s conversation', 403, () => ({ activity: clickOf(conversation({ tenantId: OTHER_TENANT })) })],
    [
      'another tenant’s channel data',
      403,
      () => ({ activity: clickOf({ channelData: { tenant: { id: OTHER_TENANT } } }) }),
    ],
    [
      'a person of another tenant',
      403,
      () => ({
        activity: clickOf({ from: { id: '29:1x', aadObjectId: BOB.oid, tenantId: OTHER_TENANT } }),
      }),
    ],
    [
      'no tenant at all',
      403,
      () => ({
        activity: clickOf({ conversation: { conversationType: 'channel', id: APPROVALS }, channelData: {} }),
      }),
    ],
    ['a tenant that is no text', 403, () => ({ activity: clickOf(conversation({ tenantId: 7 })) })],
    ['another bot as the recipient', 403, () => ({ activity: clickOf({ recipient: { id: `28:${OTHER_APP}` } }) })],
    ['no recipient', 403, () => ({ activity: clickOf({ recipient: {} }) })],
    ['another channel of the Bot Framework', BY_EITHER, () => ({ activity: clickOf({ channelId: 'webchat' }) })],
    ['the emulator as its channel', BY_EITHER, () => ({ activity: clickOf({ channelId: 'emulator' }) })],
    [
      'a person without an object id',
      403,
      () => ({ activity: clickOf({ from: { id: '29:1anonymous', name: 'Bob' } }) }),
    ],
    [
      'a bot that has an object id',
      403,
      () => ({ activity: clickOf({ from: { id: '28:another', aadObjectId: BOB.oid } }) }),
    ],
    ['an object id that is none', 400, () => ({ activity: clickOf({ from: { id: '29:1x', aadObjectId: 'bob' } }) })],
    [
      'a serviceUrl that is none of the connector’s, signed',
      403,
      () => {
        const serviceUrl = 'https://smba.example/emea/'
        return { activity: clickOf({ serviceUrl }), claims: { serviceurl: serviceUrl } }
      },
    ],
    [
      'a serviceUrl that hides its host behind a name',
      403,
      () => {
        const serviceUrl = `${teams.serviceUrl.replace('http://', 'http://x@')}`
        return { activity: clickOf({ serviceUrl }), claims: { serviceurl: serviceUrl } }
      },
    ],
    [
      'a serviceUrl that was changed after signing',
      401,
      () => ({ activity: clickOf({ serviceUrl: 'https://smba.example/' }) }),
    ],
    [
      'a body that names a member twice',
      400,
      () => {
        const activity = clickOf()
        return { activity, rawBody: JSON.stringify(activity).replace(/^\{/, '{"channelId":"msteams",') }
      },
    ],
    ['a body that is no JSON', 400, () => ({ activity: {}, rawBody: '{' })],
    ['a body that is a list', 400, () => ({ activity: {}, rawBody: '[]' })],
    ['a body over the limit', 413, () => ({ activity: clickOf({ text: 'x'.repeat(300 * 1024) }) })],
    ['a body called text', 415, () => ({ activity: clickOf(), headers: { 'content-type': 'text/plain' } })],
    [
      'a body that says it is compressed',
      415,
      () => ({ activity: clickOf(), headers: { 'content-encoding': 'gzip' } }),
    ],
  ]
  it.each(activities)('[REQ-FORGED-1] %s is refused, and nothing runs', async (_sentence, status, forge) => {
    expect((await refused(forge())).status).toBe(status)
  })

  it('[REQ-FORGED-1] an installation in another tenant is not remembered', async () => {
    const activity = { ...clickOf(conversation({ tenantId: OTHER_TENANT })), type: 'installationUpdate', action: 'add' }
    expect((await refused({ activity })).status).toBe(403)
  })

  const cut = (token: string) => token.split('.').slice(0, 2).join('.')
  async function mixed(): Promise<string> {
    const [good, other] = [await teams.tokenOf(), await teams.tokenOf({ claims: { aud: OTHER_APP } })]
    return `${cut(other)}.${good.split('.')[2]}`
  }
  async function kid(): Promise<string> {
    const [header = ''] = (await teams.tokenOf()).split('.')
    return (JSON.parse(Buffer.from(header, 'base64url').toString()) as { kid: string }).kid
  }
  async function ownToken(): Promise<string> {
    const body = new URLSearchParams({
      ...{ grant_type: 'client_credentials', client_id: teams.appId, client_secret: teams.appPassword },
      scope: teams.endpoints.scope,
    })
    const answer = await fetch(`${teams.endpoints.login}/${teams.tenantId}/oauth2/v2.0/token`, { method: 'POST', body })
    return ((await answer.json()) as { access_token: string }).access_token
  }
})
