/** What the doctor says of Teams: each thing that can be wrong there and its cure, asked of the fake over HTTP. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { checkTeams } from '../../bots/teams/check.ts'
import { openTransport } from '../../bots/teams/open-transport.ts'
import { epochMs } from '../../src/brands.ts'
import type { TeamsSettings } from '../../src/config/settings.ts'
import type { Conversation, Conversations } from '../../src/ports.ts'
import { Secret } from '../../src/secret.ts'
import { type FakeTeams, startFakeTeams } from '../support/fake-teams.ts'
import { APPROVALS, OTHER_TENANT, PERMISSIONS, SUMMARIES, TENANT } from '../support/fake-teams-world.ts'

const clock = { now: () => epochMs(Date.now()) }
const log = { info: () => undefined, warn: () => undefined, error: () => undefined }
const ELSEWHERE = '19:elsewhere00000000000000000000000@thread.tacv2'

let teams: FakeTeams
beforeAll(async () => {
  teams = await startFakeTeams({
    conversations: [APPROVALS, SUMMARIES].map((id) => ({ id, kind: 'channel' as const, isInstalled: true })),
  })
})
afterAll(() => teams?.close())

function check(change: Partial<TeamsSettings> = {}, asked: { publicUrl?: string; rooms?: readonly string[] } = {}) {
  const settings: TeamsSettings = {
    ...{ appId: teams.appId, tenantId: teams.tenantId, appType: 'SingleTenant', library: 'botbuilder' },
    ...{ appPassword: new Secret(teams.appPassword), approvals: APPROVALS, summaries: SUMMARIES },
    ...{ email: 'mail', graph: true, endpoints: teams.endpoints },
    ...change,
  }
  const room = (id: string): Conversation => ({
    ...{ id, kind: 'channel', tenantId: TENANT, serviceUrl: teams.serviceUrl, oid: null, teamGroupId: null },
  })
  const conversations: Conversations = {
    remember: async () => undefined,
    get: async (id) => room(id),
    withPerson: async () => null,
    rooms: async () => [],
    forget: async () => undefined,
  }
  const transport = openTransport({ settings, clock, log })
  const { publicUrl = 'https://gateway.example.com', rooms = [] } = asked
  return checkTeams({ settings, transport, conversations, clock, log }, { publicUrl, rooms })
}

it('[REQ-DOCTOR-1] finds everything in place, a line each', async () => {
  const lines = await check()
  expect(lines.filter(({ ok }) => !ok)).toEqual([])
  expect(lines.map(({ what }) => what)).toEqual([
    expect.stringMatching(/messaging endpoint must be https:\/\/gateway\.example\.com\/api\/messages/),
    'the Bot Connector’s signing keys are named',
    'Entra gives the app a token for the Bot Connector',
    expect.stringMatching(/^Graph permission User\.Read\.All/),
    expect.stringMatching(/^Graph permission GroupMember\.Read\.All/),
    `the app is in ${APPROVALS}, of channels.teams.approvals`,
    `the app is in ${SUMMARIES}, of channels.teams.summaries`,
  ])
})

it.each<[string, () => Partial<TeamsSettings>, Parameters<typeof check>[1], RegExp, RegExp]>([
  ['the secret is wrong', () => ({ appPassword: new Secret('x') }), {}, /AADSTS7000215/, /value, not its ID/],
  ['the tenant is wrong', () => ({ tenantId: OTHER_TENANT }), {}, /AADSTS(90002|700016)/, /tenantId/],
  [
    'another cloud’s Entra cannot be reached',
    () => ({ endpoints: { ...teams.endpoints, login: 'http://127.0.0.1:1' } }),
    {},
    /gives the app a token/,
    /reach http:\/\/127\.0\.0\.1:1\./,
  ],
  [
    'the app is in no room that the policy names',
    () => ({}),
    { rooms: [`teams:${ELSEWHERE}`] },
    /not in 19:elsewhere/,
    /policy file/,
  ],
  ['the gateway is on loopback', () => ({}), { publicUrl: 'http://127.0.0.1:8080' }, /cannot send to/, /publicUrl/],
])('[REQ-DOCTOR-1] says that %s, and the cure', async (_sentence, change, asked, what, cure) => {
  const failing = (await check(change(), asked)).filter(({ ok }) => !ok)
  expect(failing).toEqual([{ ok: false, what: expect.stringMatching(what), cure: expect.stringMatching(cure) }])
})

it('[REQ-DOCTOR-1] says that the client secret has expired, and asks nothing further', async () => {
  teams.setSecretExpired(true)
  const lines = await check()
  teams.setSecretExpired(false)
  expect(lines.at(-1)).toEqual({
    ok: false,
    what: expect.stringContaining('AADSTS7000222'),
    cure: expect.stringMatching(/expired: create another/),
  })
  expect(lines.filter(({ ok }) => !ok)).toHaveLength(1)
})

it('[REQ-DOCTOR-1] says which permission of Graph is not consented to', async () => {
  teams.setPermissions(['User.Read.All'])
  const failing = (await check()).filter(({ ok }) => !ok)
  expect(failing).toMatchObject([{ what: expect.stringMatching(/GroupMember\.Read\.All/) }])
  teams.setPermissions(PERMISSIONS)
})
