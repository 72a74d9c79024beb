/**
 * Every way past the people in Teams that anyone found, against two replicas of the whole gateway, each over another
 * library: deliveries that are forged or come again, clicks that were edited, clicks of others, people who change between
 * their click and the run, limits that bite. What came of each is read from the recording. Rows are never deleted.
 */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  APPROVE_ACTION,
  APPROVE_FOR_ACTION,
  APPROVE_VIEW,
  ASK_VIEW,
  DENY_ACTION,
  DENY_ALL_VIEW,
  DENY_VIEW,
  QUESTION_INPUT,
  REASON_INPUT,
  REQUESTER_CANCEL_ACTION,
  REVOKE_ACTION,
} from '../../bots/chat/actions.ts'
import type { JsonObject } from '../../src/json/value.ts'
import { META_REASON } from '../../src/mcp/message.ts'
import { type FakeTeams, startFakeTeams } from '../support/fake-teams.ts'
import type { Ack, Delivery } from '../support/fake-teams-client.ts'
import {
  APPROVALS,
  type FakeMessage,
  type FakePerson,
  OTHER_TENANT,
  SUMMARIES,
  TEAM,
} from '../support/fake-teams-world.ts'
import { type Gateway, type RecordedLine, startWorld, type World } from '../support/gateway.ts'
import { ALICE as ALICE_AT_ISSUER } from '../support/oidc-issuer.ts'
import { type RawAgent, rawAgent } from '../support/raw-agent.ts'
import { teamsSettings } from '../support/teams-gateway.ts'
import { until } from '../support/until.ts'

const DBA = 'dddddddd-0000-4000-8000-00000000000d'
/** One for each row that changes who is in it: at clicks what was looked up is known for half a minute. */
const OWN_GROUPS: Readonly<Record<string, string>> = {
  left: 'dddddddd-0000-4000-8000-000000000001',
  disabled: 'dddddddd-0000-4000-8000-000000000002',
  demoted: 'dddddddd-0000-4000-8000-000000000003',
}
const GROUPS = [DBA, ...Object.values(OWN_GROUPS)]
const person = (digit: string, name: string, more: Partial<FakePerson> = {}): FakePerson => ({
  oid: `0000000${digit}-0000-4000-8000-000000000000`,
  ...{ name, email: `${name.toLowerCase()}@example.com`, ...more },
})
const ALICE = person('1', 'Alice')
const BOB = person('2', 'Bob', { groups: GROUPS })
const CAROL = person('3', 'Carol', { groups: GROUPS })
const ERIN = person('4', 'Erin')
/** A full member whom no rule names. */
const MALLORY = person('5', 'Mallory')
/** The agent's owner by another account, whose mailbox has her address too. */
const ALICE_TOO = person('6', 'Alias', { proxyAddresses: ['smtp:Alice@Example.com'] })
const GUEST = person('7', 'Gus', { userRole: 'guest', userType: 'Guest', groups: [DBA] })
const STRANGER = person('8', 'Sid', { tenantId: OTHER_TENANT, groups: [DBA] })
const DISABLED = person('9', 'Dan', { accountEnabled: false, groups: [DBA] })
const PEOPLE = [ALICE, BOB, CAROL, ERIN, MALLORY, ALICE_TOO, GUEST, STRANGER, DISABLED]

/** A busy machine posts late. */
const PATIENCE_MS = 40_000
const ROOMS = 8
const roomId = (room: number) => `19:room${room}00000000000000000000000000@thread.tacv2`

/** Terms by the name that a path ends in. Their cards are spread over rooms, since one is paced. */
const TERMS: Readonly<Record<string, string>> = {
  plain: 'from: [ops]',
  bobs: 'from: [bobs]',
  carols: 'from: [carols]',
  confirm: 'from: [ops], strength: confirm',
  stepup: 'from: [ops], strength: step_up',
  while: 'from: [ops], allow_for: [15m]',
  two: 'from: [ops], quorum: 2',
  dba: 'from: [dba]',
  ...Object.fromEntries(Object.keys(OWN_GROUPS).map((name) => [name, `from: [${name}], quorum: 2`])),
}

const rule = (name: string, room: number) => `
  - id: by-${name}-${room}
    match: { upstream: files, tool: "*" }
    when: 'has(mcp.tool.arguments.path) && mcp.tool.arguments.path.endsWith("-${room}.${name}")'
    effect: require_approval
    approval: { ${TERMS[name]}, channel: ["teams:${roomId(room)}"] }`

const POLICY = `
version: 1
defaults: { effect: deny }
rules:${Object.keys(TERMS)
  .flatMap((name) => Array.from({ length: ROOMS }, (_, room) => rule(name, room)))
  .join('')}
`

let world: World
let teams: FakeTeams
let here: Gateway
let there: Gateway
let serial = 0
const over = new AbortController()

beforeAll(async () => {
  world = await startWorld()
  teams = await startFakeTeams({
    users: PEOPLE,
    groups: GROUPS.map((id) => ({ id, displayName: id })),
    conversations: [TEAM, APPROVALS, SUMMARIES, ...Array.from({ length: ROOMS }, (_, room) => roomId(room))].map(
      (id) => ({ id, kind: 'channel' as const }),
    ),
  })
  const replica = (library: 'botbuilder' | 'agents-hosting') =>
    world.startGateway({
      policy: POLICY,
      keyPrefix: 'replicas',
      signIn: '{ clientId: "0oa9gateway" }',
      settings: `
people:
  groups:
    ops: [bob@example.com, carol@example.com, alice@example.com]
    bobs: [bob@example.com]
    carols: [carol@example.com]
    dba: ["entra:group:${DBA}"]
${Object.entries(OWN_GROUPS)
  .map(([name, id]) => `    ${name}: ["entra:group:${id}"]`)
  .join('\n')}
  operators: [bobs]
channels:
${teamsSettings(teams, { library, graph: true })}
  console: { enabled: false }
`,
    })
  ;[here, there] = await Promise.all([replica('botbuilder'), replica('agents-hosting')])
  at(here)
  await teams.install(TEAM)
}, 120_000)
afterAll(async () => {
  over.abort()
  await world?.close()
  await teams?.close()
})

/** Teams' load balancer finds this replica from now on. */
const at = (gateway: Gateway) => teams.deliverTo(`${gateway.url}/api/messages`)
const json = (value: unknown) => JSON.stringify(value)

// ---- what an agent asks for

interface Asked {
  readonly file: string
  readonly id: string
  readonly card: FakeMessage
  /** What the agent is told in the end. */
  readonly answer: Promise<string>
  ran(): boolean
  isPending(): boolean
}

interface Wish {
  readonly args?: Record<string, unknown>
  readonly owner?: string
  readonly reason?: string
}

/** One for each token: its session at the MCP server is its own. */
const agents = new Map<string, Promise<RawAgent>>()

function agentOf(owner: string): Promise<RawAgent> {
  const known = agents.get(owner) ?? connect(owner)
  agents.set(owner, known)
  return known
}

async function connect(owner: string): Promise<RawAgent> {
  const claims = world.issuer.claimsFor({ ...ALICE_AT_ISSUER, login: owner }, here.mcp.href, Date.now())
  const agent = rawAgent(here.mcp, await world.issuer.forge(claims))
  await agent.initialize()
  return agent
}

async function call(file: string, { args = {}, owner = 'alice@example.com', reason }: Wish): Promise<string> {
  const params = {
    ...{ name: 'write_file', arguments: { path: file, content: 'x', ...args } },
    ...(reason !== undefined && { _meta: { [META_REASON]: reason } }),
  }
  const body = { jsonrpc: '2.0', id: `call-${++serial}`, method: 'tools/call', params }
  return (await (await agentOf(owner)).post(body, { signal: over.signal })).text
}

const fileOf = (terms: string) => path.join(world.files, `f${++serial}-${serial % ROOMS}.${terms}`)

async function asked(terms: string, wish: Wish = {}, file = fileOf(terms)): Promise<Asked> {
  const answer = call(file, wish)
  const refused = answer.then((text) => Promise.reject(new Error(`nobody was asked: ${text}`)))
  refused.catch(() => undefined)
  const card = await Promise.race([cardOf(file), refused])
  const id = /apr_[a-z0-9]+/.exec(json(card.card))?.[0] ?? ''
  return {
    ...{ file, id, card, answer },
    ran: () => existsSync(file),
    isPending: () => json(teams.messages.find((one) => one.id === card.id)?.card).includes(APPROVE_ACTION),
  }
}

const cardOf = (file: string) =>
  teams.waitForMessage(
    ({ conversationId, card }) => conversationId.startsWith('19:room') && json(card).includes(path.basename(file)),
    PATIENCE_MS,
  )
const isPainted = ({ card }: Asked, text: string) =>
  teams.waitForMessage((one) => one.id === card.id && json(one.card).includes(text), PATIENCE_MS)

// ---- what people do

const click = ({ card }: Asked, action: string, { name: user }: FakePerson = BOB) =>
  teams.click({ user, messageId: card.id, action, isBaseView: true })
/** The card as the person then has it, or what they are told. */
const told = async (one: Asked, action: string, who: FakePerson = BOB) => json(await click(one, action, who))

/** A click as the person's client would send it, but for what is changed. */
async function clickOf(one: Asked, { who = BOB, verb = APPROVE_ACTION, subject }: Edited = {}): Promise<JsonObject> {
  const activity = await teams.clickOf({
    ...{ user: who.name, messageId: one.card.id, action: DENY_ACTION, isBaseView: true },
  })
  const { action, ...value } = activity.value as { action: JsonObject & { data: JsonObject } }
  const data = { ...action.data, ...(subject !== undefined && { subject }) }
  return { ...activity, value: { ...value, action: { ...action, verb, data } } }
}

interface Edited {
  readonly who?: FakePerson
  readonly verb?: string
  readonly subject?: string
}

async function subjectOf(one: Asked): Promise<string> {
  const { value } = await clickOf(one)
  return String((value as { action: { data: { subject: string } } }).action.data.subject)
}

/** What a dialog would submit. */
async function submissionOf(one: Asked, data: JsonObject, who: FakePerson = BOB): Promise<JsonObject> {
  const activity = await clickOf(one, { who })
  const subject = await subjectOf(one)
  return { ...activity, name: 'task/submit', value: { data: { subject, ...data }, context: { theme: 'default' } } }
}

const send = (activity: JsonObject, how: Omit<Delivery, 'activity'> = {}): Promise<Ack> =>
  teams.raw({ activity, ...how })
const sent = async (activity: JsonObject): Promise<string> => json((await send(activity)).body)

async function recorded(type: string, { id }: Pick<Asked, 'id'>): Promise<readonly RecordedLine[]> {
  const events = [...(await here.events()), ...(await there.events())]
  return events.filter((event) => event.type === type && event.approval_id === id)
}

/** Nobody has decided anything, as the card and the recording have it. */
async function isUntouched(one: Asked): Promise<void> {
  expect(one.isPending()).toBe(true)
  expect(await recorded('approval.reviewed', one)).toEqual([])
  expect(one.ran()).toBe(false)
}

const runsOf = ({ file }: Asked) =>
  world.tap.callsOf('write_file').filter(({ body }) => body.includes(path.basename(file))).length

// ----

describe('a delivery that the Bot Connector did not make', () => {
  const nowSec = () => Math.floor(Date.now() / 1000)
  const rows: [string, number, (activity: JsonObject) => [JsonObject, Omit<Delivery, 'activity'>]][] = [
    ['without a token', 401, (activity) => [activity, { authorization: null }]],
    ['signed by a key that nobody knows', 401, (activity) => [activity, { key: 'unknown' }]],
    ['with a token that nobody signed', 401, (activity) => [activity, { alg: 'none' }]],
    ['with a token of yesterday', 401, (activity) => [activity, { claims: { exp: nowSec() - 86_400 } }]],
    ['for another app', 401, (activity) => [activity, { claims: { aud: OTHER_TENANT } }]],
    ['for another serviceUrl', 401, (activity) => [activity, { claims: { serviceurl: 'https://evil.example/' } }]],
    ['of another tenant', 403, (activity) => [{ ...activity, channelData: { tenant: { id: OTHER_TENANT } } }, {}]],
  ]

  it('[REQ-FORGED-1] is refused at either replica, and no review is recorded of it', async () => {
    const one = await asked('plain')
    const good = await clickOf(one)
    for (const replica of [here, there]) {
      at(replica)
      for (const [sentence, status, forge] of rows) {
        const [activity, how] = forge(good)
        expect((await send(activity, how)).status, sentence).toBe(status)
      }
    }
    at(here)
    await isUntouched(one)
    await click(one, DENY_ACTION)
  })
})

describe('a delivery that comes again', () => {
  it('[REQ-TEAMS-3] with its own token or another, at each replica, and after a restart: one review, one run', async () => {
    const one = await asked('plain')
    const activity = await clickOf(one)
    const authorization = `Bearer ${await teams.tokenOf()}`
    const acks = [
      await send(activity, { authorization }),
      await send(activity, { authorization }),
      await send(activity),
    ]
    at(there)
    acks.push(await send(activity, { authorization }), await send(activity))
    expect(await one.answer).toContain('Successfully wrote')
    await there.kill()
    await there.restart()
    acks.push(await send(activity, { authorization }), await send(activity))
    at(here)
    expect(acks.map(({ status }) => status)).toEqual(acks.map(() => 200))
    expect(await recorded('approval.reviewed', one)).toMatchObject([
      { review: { reviewer: { id: `teams:${teams.tenantId}:${BOB.oid}` }, choice: 'approve' } },
    ])
    expect(runsOf(one)).toBe(1)
    await isPainted(one, 'Approved by')
  })

  it('[REQ-TEAMS-3] at two replicas at once it is one review', async () => {
    const one = await asked('two')
    const activity = await clickOf(one)
    const first = send(activity)
    at(there)
    const second = send(activity)
    at(here)
    expect((await Promise.all([first, second])).map(({ status }) => status)).toEqual([200, 200])
    await isPainted(one, 'bob@example.com')
    expect(one.isPending(), 'a second person is still needed').toBe(true)
    expect(await recorded('approval.reviewed', one)).toHaveLength(1)
    await click(one, DENY_ACTION, CAROL)
  })

  it('[REQ-TEAMS-3] at another replica, a denial of all denies nothing that came since', async () => {
    const owner = 'dora@example.com'
    const first = await asked('plain', { owner })
    const activity = await submissionOf(first, { dialog: DENY_ALL_VIEW })
    await send(activity)
    await isPainted(first, 'Denied by')
    const later = await asked('plain', { owner })
    at(there)
    expect((await send(activity)).status).toBe(200)
    at(here)
    await isUntouched(later)
    await click(later, DENY_ACTION)
  })

  it('[REQ-TEAMS-3] at another replica, a question is asked once', async () => {
    const one = await asked('plain')
    const activity = await submissionOf(one, { dialog: ASK_VIEW, [QUESTION_INPUT]: 'Which tenant?' })
    await send(activity)
    at(there)
    await send(activity)
    at(here)
    expect(await recorded('approval.remarked', one)).toHaveLength(1)
    await click(one, DENY_ACTION)
  })
})

describe('a click that was edited', () => {
  it('to another approval, by somebody who may not review that one, decides neither, on the card and in dialogs', async () => {
    const [own, other] = [await asked('bobs'), await asked('carols', { owner: 'frank@example.com' })]
    const subject = await subjectOf(other)
    expect(await sent(await clickOf(own, { subject }))).toContain('asked elsewhere')
    for (const dialog of [APPROVE_VIEW, DENY_VIEW, DENY_ALL_VIEW, ASK_VIEW]) {
      const written = { [REASON_INPUT]: 'no', [QUESTION_INPUT]: 'Why?' }
      const said = await sent(await submissionOf(own, { dialog, ...written, subject }))
      expect(said, dialog).toMatch(/asked elsewhere|the rule asks for carols|Nothing was denied/)
    }
    await isUntouched(own)
    await isUntouched(other)
    expect(await recorded('approval.remarked', other)).toEqual([])
    await Promise.all([click(own, DENY_ACTION), click(other, DENY_ACTION, CAROL)])
  })

  it('[REQ-CHOICE-5] to what another card showed, or to digits that none did, approves nothing', async () => {
    const [one, other] = [await asked('plain'), await asked('confirm')]
    const digest = (await subjectOf(other)).split(':')[1]
    for (const subject of [`${one.id}:${digest}`, `${one.id}:${'0'.repeat(16)}`]) {
      expect(await sent(await clickOf(one, { subject }))).toContain('not what this approval asks now')
    }
    const mixed = `${other.id}:${(await subjectOf(one)).split(':')[1]}`
    expect(await sent(await submissionOf(other, { dialog: APPROVE_VIEW, subject: mixed }))).toContain('not what this')
    await isUntouched(one)
    await isUntouched(other)
    await Promise.all([click(one, DENY_ACTION), click(other, DENY_ACTION)])
  })

  it('to a time that the rule does not offer approves nothing', async () => {
    const one = await asked('while')
    for (const ms of ['86400000', '-1', '1e9', '0', 'ever']) {
      await sent(await submissionOf(one, { dialog: `${APPROVE_FOR_ACTION}${ms}` }))
      await sent(await clickOf(one, { verb: `${APPROVE_FOR_ACTION}${ms}` }))
    }
    await isUntouched(one)
    await click(one, DENY_ACTION)
  })

  it('[REQ-STEPUP-10] [REQ-CHOICE-2] where a second step or signing in is needed, no click on the card approves', async () => {
    const [confirm, stepUp] = [await asked('confirm'), await asked('stepup')]
    for (const one of [confirm, stepUp]) {
      for (const verb of [APPROVE_ACTION, `${APPROVE_FOR_ACTION}900000`]) await sent(await clickOf(one, { verb }))
    }
    expect(await sent(await submissionOf(stepUp, { dialog: APPROVE_VIEW }))).toMatch(/sign in/i)
    await isUntouched(confirm)
    await isUntouched(stepUp)
    await Promise.all([click(confirm, DENY_ACTION), click(stepUp, DENY_ACTION)])
  })
})

describe('a click of somebody who may not', () => {
  const rows: [string, FakePerson, RegExp][] = [
    ['the person whom the agent acts for', ALICE, /acts for you|own agent/],
    ['the same person by another account', ALICE_TOO, /acts for you|own agent/],
    ['somebody in none of the groups', MALLORY, /the rule asks for|not among those/],
    ['a guest, although in the group', GUEST, /Guests cannot review/],
    ['somebody of another tenant, although in the group', STRANGER, /Only members of this organisation/],
    ['a disabled account, although in the group', DISABLED, /deactivated/],
  ]
  it.each(['plain', 'dba'])(
    '[REQ-REVIEW-2] [REQ-WHO-4] decides nothing, and nothing is recorded (%s)',
    async (terms) => {
      const one = await asked(terms)
      for (const [sentence, who, why] of rows) {
        expect(await told(one, APPROVE_ACTION, who), sentence).toMatch(why)
      }
      await isUntouched(one)
      await click(one, DENY_ACTION)
      expect(await one.answer).toContain('denied')
      expect(await recorded('approval.reviewed', one)).toMatchObject([{ review: { choice: 'deny' } }])
    },
  )

  it('on the requester’s own message: it is not theirs to take back', async () => {
    await teams.say({ user: 'Erin', conversation: 'personal', text: 'help' })
    const one = await asked('plain', { owner: 'erin@example.com' })
    await send(await submissionOf(one, { dialog: ASK_VIEW, [QUESTION_INPUT]: 'Which tenant?' }))
    const talk = teams.personalConversation('Erin')
    const own = await teams.waitForMessage(
      ({ conversationId, card }) => conversationId === talk && json(card).includes(one.id),
      PATIENCE_MS,
    )
    const taken = await teams.clickOf({ user: 'Erin', messageId: own.id, action: REQUESTER_CANCEL_ACTION })
    for (const { oid, name } of [MALLORY, BOB]) {
      const from = { id: teams.mriOf(name), aadObjectId: oid, name }
      const conversation = { ...((await clickOf(one)).conversation as JsonObject) }
      expect(await sent({ ...taken, from, conversation, id: `f:${++serial}` })).toContain('Only the person')
    }
    await isUntouched(one)
    await send(taken)
    await until('it is taken back', () => !one.isPending(), PATIENCE_MS)
  })

  it('[REQ-GRANT-3] on Revoke: who is unrelated ends nothing, who approved it does', async () => {
    const owner = 'hugo@example.com'
    const one = await asked('while', { owner })
    await send(await submissionOf(one, { dialog: `${APPROVE_FOR_ACTION}900000` }))
    await isPainted(one, REVOKE_ACTION)
    const again = () => call(one.file, { owner, args: { content: `${++serial}` } })
    expect(await told(one, REVOKE_ACTION, MALLORY)).toMatch(/may revoke|can revoke|Only/)
    expect(await told(one, REVOKE_ACTION, GUEST)).toContain('Guests cannot')
    expect(await again()).toContain('Successfully wrote')
    expect(await told(one, REVOKE_ACTION)).toContain('Revoked')
    const next = again()
    const held = await teams.waitForMessage(
      (other) =>
        other.id !== one.card.id &&
        json(other.card).includes(path.basename(one.file)) &&
        json(other.card).includes(APPROVE_ACTION),
      PATIENCE_MS,
    )
    await teams.click({ user: 'Bob', messageId: held.id, action: DENY_ACTION, isBaseView: true })
    expect(await next).toContain('denied')
  })
})

describe('between the click and the run', () => {
  it.each<[string, string, Partial<FakePerson>]>([
    ['was taken out of the group', 'left', { groups: [] }],
    ['was disabled', 'disabled', { accountEnabled: false }],
    ['became a guest', 'demoted', { userRole: 'guest', userType: 'Guest' }],
  ])(
    '[REQ-WHO-2] whoever approved first %s: nothing runs, and the recording says why',
    async (_sentence, terms, change) => {
      const one = await asked(terms)
      await click(one, APPROVE_ACTION)
      await isPainted(one, 'bob@example.com')
      teams.changeUser('Bob', change)
      try {
        await click(one, APPROVE_ACTION, CAROL)
        expect(await one.answer).toContain('by someone who may approve it no longer')
      } finally {
        teams.addUser(BOB)
      }
      expect(one.ran()).toBe(false)
      expect(runsOf(one)).toBe(0)
      expect(await recorded('approval.review_lapsed', one)).toMatchObject([
        { reviewer: `teams:${teams.tenantId}:${BOB.oid}`, refusal: 'not_a_reviewer' },
      ])
      expect(await recorded('grant.ended', one)).toMatchObject([{ state: 'revoked' }])
    },
  )
})

describe('a click that comes too late', () => {
  it('[REQ-REVIEW-3] on what is decided, on the card and in dialogs opened before: nothing changes, and they are told', async () => {
    const one = await asked('while')
    const approve = await clickOf(one)
    const late = await Promise.all(
      [APPROVE_VIEW, DENY_VIEW, ASK_VIEW].map((dialog) =>
        submissionOf(one, { dialog, [REASON_INPUT]: 'no', [QUESTION_INPUT]: 'Why?' }),
      ),
    )
    await click(one, DENY_ACTION, CAROL)
    await isPainted(one, 'Denied by')
    for (const activity of [approve, ...late]) expect(await sent(activity)).toMatch(/already denied|Denied by/)
    expect(await one.answer).toContain('denied')
    expect(await recorded('approval.reviewed', one)).toHaveLength(1)
    expect(await recorded('approval.remarked', one)).toEqual([])
    expect(one.ran()).toBe(false)
  })
})

describe('limits that bite', () => {
  it('[REQ-DELIVERY-2] a storm of 429s: decisions count at once, and each call has one card in the end', async () => {
    for (let time = 0; time < 4; time += 1) {
      teams.failNext('send', { status: 429, retryAfterSec: 1 })
      teams.failNext('update', { status: 429, retryAfterSec: 1 })
    }
    const all = await Promise.all(Array.from({ length: 4 }, () => asked('plain')))
    for (const one of all.slice(0, 2)) await click(one, APPROVE_ACTION)
    for (const one of all.slice(2)) await click(one, DENY_ACTION)
    for (const [place, one] of all.entries()) {
      expect(await one.answer).toContain(place < 2 ? 'Successfully wrote' : 'denied')
      expect(one.ran()).toBe(place < 2)
      await isPainted(one, place < 2 ? 'Approved by' : 'Denied by')
      const cards = teams.messages.filter(
        ({ conversationId, id, threadId, card }) =>
          conversationId.startsWith('19:room') && threadId === id && json(card).includes(path.basename(one.file)),
      )
      expect(cards).toHaveLength(1)
    }
  })
})
