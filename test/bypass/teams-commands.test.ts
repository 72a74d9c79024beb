/**
 * Every way to freeze or thaw by Teams without being allowed to, or somebody else than was meant: through the library, the
 * endpoint and the commands, with the connector over HTTP. Rows are never deleted.
 */
import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createCommands } from '../../bots/teams/commands.ts'
import { createAddressOf, teamsFreezeCommands } from '../../bots/teams/freeze-commands.ts'
import { createInbound, type Inbound, MESSAGES_PATH } from '../../bots/teams/inbound.ts'
import { openTransport } from '../../bots/teams/open-transport.ts'
import { createReviewers } from '../../bots/teams/reviewers.ts'
import type { AuditEvent } from '../../src/audit/events.ts'
import { epochMs } from '../../src/brands.ts'
import type { TeamsSettings } from '../../src/config/settings.ts'
import { createFreezeDesk, operatorsMay } from '../../src/freeze/desk.ts'
import { type Freeze, scopeName } from '../../src/freeze/freeze.ts'
import type { JsonObject } from '../../src/json/value.ts'
import { Secret } from '../../src/secret.ts'
import { type FakeTeams, startFakeTeams } from '../support/fake-teams.ts'
import { APPROVALS, type FakePerson, OTHER_TENANT } from '../support/fake-teams-world.ts'
import { createMemoryApprovalStore } from '../support/memory-approval-store.ts'
import { silentLog } from '../support/redis.ts'

const oidOf = (n: number) => `0000000${n}-0000-4000-8000-000000000000`
const person = (n: number, name: string, more: Partial<FakePerson> = {}): FakePerson => {
  const email = `${name.toLowerCase()}@example.com`
  return { oid: oidOf(n), name, email, userPrincipalName: email, userRole: 'user', ...more }
}
const BOB = person(1, 'Bob')
const ALICE = person(2, 'Alice')
const CAROL = person(3, 'Carol')
const clock = { now: () => epochMs(Date.now()) }

let teams: FakeTeams
let server: Server
let inbound: Inbound
const standing = new Map<string, Freeze>()
const events: AuditEvent[] = []
const frozen = () => [...standing.keys()]

beforeAll(async () => {
  const anyPace = { send: [], members: [] }
  teams = await startFakeTeams({ users: [BOB, ALICE, CAROL], rate: anyPace })
  const settings: TeamsSettings = {
    ...{ appId: teams.appId, tenantId: teams.tenantId, appType: 'SingleTenant', library: 'botbuilder' },
    ...{ appPassword: new Secret(teams.appPassword), approvals: APPROVALS, summaries: APPROVALS },
    ...{ email: 'mail', graph: false, endpoints: teams.endpoints },
  }
  const transport = openTransport({ settings, clock, log: silentLog })
  await transport.ready()
  const approvals = createMemoryApprovalStore()
  const reviewers = createReviewers({
    ...{ ours: settings, transport, entra: null, clock, log: silentLog },
    conversations: { withPerson: async () => null },
  })
  const seen = new Set<string>()
  const { issuer, connectors } = teams.endpoints
  inbound = createInbound({
    welcome: { card: null, summary: 'Welcome' },
    ours: { appId: teams.appId, tenantId: teams.tenantId, issuer, connectors },
    features: [],
    runCommand: createCommands({
      commands: teamsFreezeCommands({
        desk: freezeDesk(approvals),
        list: async () => [...standing.values()],
        listPending: () => approvals.listPending(),
        upstreams: ['files', 'mail'],
        addressOf: createAddressOf({ ours: settings, transport }),
      }),
      whoActed: (asked) => reviewers.whoClicked(asked),
      log: silentLog,
    }),
    ...{ transport, clock, log: silentLog },
    conversations: { remember: async () => undefined, forget: async () => undefined },
    // As another replica answers, which shares nothing but the store.
    isFirst: async (delivery) => seen.size < seen.add(delivery).size,
  })
  server = express().use(inbound.router).listen(0, '127.0.0.1')
  await once(server, 'listening')
  teams.deliverTo(`http://127.0.0.1:${(server.address() as AddressInfo).port}${MESSAGES_PATH}`)
  await teams.install(APPROVALS)
})
afterAll(async () => {
  server?.close()
  await teams?.close()
})
afterEach(() => {
  standing.clear()
  events.length = 0
})

function freezeDesk(approvals: ReturnType<typeof createMemoryApprovalStore>) {
  return createFreezeDesk({
    authority: operatorsMay({ isMember: async ({ email }, groups) => groups.includes(email ?? '') }, [
      'bob@example.com',
    ]),
    freezes: {
      async add(freeze) {
        const name = scopeName(freeze.scope)
        standing.set(name, standing.get(name) ?? freeze)
        return standing.get(name) ?? null
      },
      remove: async (scope) => standing.delete(scopeName(scope)),
      list: async () => [...standing.values()],
    },
    approvals,
    grants: { end: async () => false },
    listUnused: async () => [],
    standingGrants: { listActive: async () => ({ grants: [], total: 0 }), end: async () => null },
    recorder: { record: async (event) => void events.push(event) },
    notices: { send: async () => undefined },
    ...{ clock, log: silentLog },
  })
}

const lastOfBot = () => teams.messages.filter(({ from }) => from === teams.botMri).at(-1)

/** Says it and waits until it is done; answers what the bot said then. */
async function say(text: string, who = BOB, conversation = APPROVALS, isTargeted = false): Promise<string> {
  const before = teams.messages.filter(({ from }) => from === teams.botMri).length
  await teams.say({ user: who.name, conversation, text, isTargeted })
  await inbound.settled()
  const said = teams.messages.filter(({ from }) => from === teams.botMri).slice(before)
  return said.map(({ summary }) => summary).join('\n')
}

describe('[REQ-FREEZE-2] who may not', () => {
  it.each<[string, FakePerson, RegExp]>([
    ['a guest', person(4, 'Guest', { email: 'bob@example.com', userRole: 'guest' }), /Guests cannot/],
    [
      'a guest by their sign-in name',
      person(4, 'Ext', { email: 'bob@example.com', userPrincipalName: 'bob_x#EXT#@example.com' }),
      /Guests cannot/,
    ],
    [
      'a member of another tenant',
      person(5, 'Other', { email: 'bob@example.com', tenantId: OTHER_TENANT, userRole: 'federated' }),
      /Only members/,
    ],
    ['who has no address', { ...person(6, 'Nobody'), email: '' }, /no .*e-mail/],
    ['who is no operator', person(7, 'X'), /Only bob@example\.com \(people\.operators\) may/],
  ])('%s', async (_sentence, user, told) => {
    teams.addUser(user)
    expect(await say('@{bot} freeze all', user)).toMatch(told)
    expect(await say('freeze all', user, 'personal')).toMatch(told)
    expect(await say('freeze all', user, APPROVALS, true)).toMatch(told)
    expect(frozen()).toEqual([])
    expect(events).toEqual([])
  })

  it('another bot gets no answer, and nothing runs', async () => {
    const activity = teams.messageOf({ user: 'Bob', conversation: APPROVALS, text: '@{bot} freeze all' })
    const from = { ...(activity.from as JsonObject), id: '28:00000000-0000-4000-8000-0000000000ff' }
    expect((await teams.raw({ activity: { ...activity, from } })).status).toBe(403)
    expect(frozen()).toEqual([])
  })

  it('a command of another tenant is refused as a whole', async () => {
    const activity = teams.messageOf({ user: 'Bob', conversation: APPROVALS, text: '@{bot} freeze all' })
    const channelData = { ...(activity.channelData as JsonObject), tenant: { id: OTHER_TENANT } }
    expect((await teams.raw({ activity: { ...activity, channelData } })).status).toBe(403)
    expect(frozen()).toEqual([])
  })

  it('a token that nobody signed runs nothing', async () => {
    const activity = teams.messageOf({ user: 'Bob', conversation: APPROVALS, text: '@{bot} freeze all' })
    expect((await teams.raw({ activity, authorization: null })).status).toBe(401)
    const token = await teams.tokenOf()
    const forged = `${token.slice(0, token.lastIndexOf('.'))}.${'A'.repeat(342)}`
    expect((await teams.raw({ activity, authorization: `Bearer ${forged}` })).status).toBe(401)
    expect(frozen()).toEqual([])
  })

  it('a name and an address that the message gives its writer count for nothing', async () => {
    const activity = teams.messageOf({ user: 'Carol', conversation: APPROVALS, text: '@{bot} freeze all' })
    const from = { ...(activity.from as JsonObject), name: 'Bob', email: 'bob@example.com', aadObjectId: BOB.oid }
    expect((await teams.raw({ activity: { ...activity, from } })).status).toBe(200)
    await inbound.settled()
    expect(frozen()).toEqual([])
  })
})

describe('[REQ-FREEZE-2] somebody else than was meant', () => {
  it('a mention names whom its id names, whatever name stands beside it', async () => {
    const activity = teams.messageOf({ user: 'Bob', conversation: APPROVALS, text: '@{bot} freeze @{Alice}' })
    const renamed = JSON.parse(JSON.stringify(activity).replaceAll('<at>Alice</at>', '<at>carol@example.com</at>'))
    await teams.raw({ activity: renamed })
    await inbound.settled()
    expect(frozen()).toEqual(['agent:alice@example.com'])
  })

  it('a mention of somebody whom another tenant vouches for freezes nobody', async () => {
    teams.addUser(person(8, 'Stranger', { email: 'alice@example.com', tenantId: OTHER_TENANT, userRole: 'federated' }))
    expect(await say('@{bot} freeze @{Stranger}')).toMatch(/no address of theirs in this tenant/)
    expect(frozen()).toEqual([])
  })

  it('a mention that somebody typed, with an address as its name, freezes nobody', async () => {
    expect(await say('@{bot} freeze <at>alice@example.com</at>')).toMatch(/does not say whom/)
    await say('@{bot} freeze <at:0>')
    expect(frozen()).toEqual([])
  })

  it('a person who is called like the bot does not hide it, nor the other way', async () => {
    teams.addUser(person(9, 'Countersign', { email: 'namesake@example.com' }))
    await say('@{bot} freeze @{Countersign}')
    expect(frozen()).toEqual(['agent:namesake@example.com'])
  })

  it('an agent named in other letters is the same agent, frozen and thawed', async () => {
    await say('@{bot} freeze ALICE@Example.com')
    expect(frozen()).toEqual(['agent:alice@example.com'])
    await say('@{bot} thaw agent:alice@EXAMPLE.com')
    expect(frozen()).toEqual([])
  })

  it.each([
    ['a zero-width space', 'ali\u200bce@example.com'],
    ['a reversed text', '\u202emoc.elpmaxe@ecila'],
    ['a soft hyphen', 'al\u00adice@example.com'],
  ])('%s in a name freezes nobody in another’s place', async (_sentence, name) => {
    expect(await say(`@{bot} freeze ${name}`)).toMatch(/holds characters that no name has/)
    expect(frozen()).toEqual([])
  })
})

describe('[REQ-COMMAND-1] what comes again', () => {
  it('a thaw that is replayed, also with another name in it, does not undo a later freeze', async () => {
    await say('@{bot} freeze files')
    const thaw = teams.messageOf({ user: 'Bob', conversation: APPROVALS, text: '@{bot} thaw files' })
    await teams.raw({ activity: thaw })
    await inbound.settled()
    expect(frozen()).toEqual([])
    await say('@{bot} freeze files')
    await teams.raw({ activity: thaw })
    await teams.raw({ activity: { ...thaw, from: { ...(thaw.from as JsonObject), name: 'Robert' } } })
    await inbound.settled()
    expect(frozen()).toEqual(['upstream:files'])
  })

  it('words in a channel that mention nobody are not for us', async () => {
    expect(await say('freeze all')).toBe('')
    expect(await say('@{Alice} freeze all')).toBe('')
    expect(frozen()).toEqual([])
  })
})

describe('what is quoted in an answer', () => {
  it('is drawn as it is: each line of it one, and nothing of it formats, links or becomes a time', async () => {
    await say('@{bot} freeze files **now** [here](https://evil.example) {{DATE(2000-01-01T00:00:00Z)}}')
    const body = JSON.stringify(lastOfBot()?.card)
    expect(body).toContain('**now** [here](https://evil.example) {\u2060{DATE(')
    expect(body).not.toContain('"TextBlock"')
    expect((lastOfBot()?.card as { body: unknown[] } | null)?.body).toHaveLength(3)
  })
})

describe('[REQ-COMMAND-2] who reads it', () => {
  it('what only its writer saw is answered to them alone, and in a channel to its thread', async () => {
    await say('status', BOB, APPROVALS, true)
    expect(lastOfBot()).toMatchObject({ conversationId: APPROVALS, onlyTo: teams.mriOf('Bob') })
    const { messageId } = await teams.say({ user: 'Bob', conversation: APPROVALS, text: '@{bot} status' })
    await inbound.settled()
    expect(lastOfBot()).toMatchObject({ conversationId: APPROVALS, onlyTo: null, threadId: messageId })
  })
})
