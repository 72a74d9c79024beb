/**
 * Every way past the people in Slack that anyone found, against two replicas of the whole gateway: clicks that come again,
 * clicks that were edited, clicks of others, texts that want to be something else, limits that bite. Rows are never
 * deleted. Slack signs what it delivers, so an edited click here stands for what a fault in a card or a window could send.
 */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  ACCESS_DURATION_INPUT,
  ACCESS_REASON_INPUT,
  ACCESS_TOOLS_INPUT,
  ANSWER_BLOCK,
  ANSWER_INPUT,
  ANSWER_VIEW,
  APPROVE_ACTION,
  APPROVE_FOR_ACTION,
  APPROVE_VIEW,
  APPROVE_WITH_NOTE_ACTION,
  ARGUMENTS_VIEW,
  ASK_ACTION,
  ASK_VIEW,
  DENY_ACTION,
  DENY_ALL_VIEW,
  DENY_VIEW,
  DENY_WITH_REASON_ACTION,
  DURATION_BLOCK,
  DURATION_INPUT,
  HOME_EXTEND_ACTION,
  HOME_REVIEW_ACTION,
  HOME_REVOKE_ACTION,
  HOME_TAKE_BACK_ACTION,
  MORE_ACTION,
  NEXT_PAGE_ACTION,
  NOTE_BLOCK,
  NOTE_INPUT,
  QUESTION_BLOCK,
  QUESTION_INPUT,
  REASON_BLOCK,
  REASON_INPUT,
  REQUESTER_ANSWER_ACTION,
  REQUESTER_CANCEL_ACTION,
  REQUESTER_REMIND_ACTION,
  REVIEW_VIEW,
  REVOKE_ACTION,
  SHOW_ALL_ACTION,
} from '../../bots/slack/actions.ts'
import { META_REASON } from '../../src/mcp/message.ts'
import { type FakeSlack, startFakeSlack } from '../support/fake-slack.ts'
import type { Ack } from '../support/fake-slack-client.ts'
import type { FakeMessage, FakeUser, FakeView } from '../support/fake-slack-world.ts'
import { type Gateway, type RecordedLine, startWorld, type World } from '../support/gateway.ts'
import { ALICE as ALICE_AT_ISSUER, CLIENT_ID } from '../support/oidc-issuer.ts'
import { type RawAgent, rawAgent } from '../support/raw-agent.ts'
import { textsOf } from '../support/slack-text-walker.ts'
import { until } from '../support/until.ts'

const ALICE: FakeUser = { id: 'U1', name: 'alice', email: 'alice@example.com' }
/** Another account with the same address. */
const ALICE_TOO: FakeUser = { id: 'U11', name: 'alice2', email: 'Alice@Example.com' }
const BOB: FakeUser = { id: 'U2', name: 'bob', displayName: 'Bob', email: 'bob@example.com' }
const CAROL: FakeUser = { id: 'U3', name: 'carol', email: 'carol@example.com' }
const ERIN: FakeUser = { id: 'U5', name: 'erin', email: 'erin@example.com' }
/** A full member whom no rule names. */
const MALLORY: FakeUser = { id: 'U6', name: 'mallory', email: 'mallory@example.com' }
const GUEST: FakeUser = { id: 'U9', name: 'gus', email: 'gus@example.com', isGuest: true }
const STRANGER: FakeUser = { id: 'U8', name: 'sid', email: 'sid@example.com', teamId: 'T0OTHER' }
const PEOPLE = [ALICE, ALICE_TOO, BOB, CAROL, ERIN, MALLORY, GUEST, STRANGER]

/** A busy machine posts late. */
const PATIENCE_MS = 40_000
const ROOMS = 12

/** Terms by the name that a path ends in. Their cards are spread over rooms, since one is paced. */
const TERMS: Readonly<Record<string, string>> = {
  plain: 'from: [ops]',
  bobs: 'from: [bobs]',
  carols: 'from: [carols], allow_for: [15m]',
  confirm: 'from: [ops], strength: confirm, allow_for: [15m], accepts_grants: true',
  stepup: 'from: [ops], strength: step_up, allow_for: [15m], accepts_grants: true',
  whole: 'from: [ops], read_all: true',
  while: 'from: [ops], allow_for: [15m]',
  two: 'from: [ops], quorum: 2',
}

const rule = (name: string, room: number) => `
  - id: by-${name}-${room}
    match: { upstream: files, tool: "*" }
    when: 'has(mcp.tool.arguments.path) && mcp.tool.arguments.path.endsWith("-${room}.${name}")'
    effect: require_approval
    approval: { ${TERMS[name]}, channel: ["slack:C0ROOM${room}"] }`

const POLICY = `
version: 1
defaults: { effect: deny }
rules:${Object.keys(TERMS)
  .flatMap((name) => Array.from({ length: ROOMS }, (_, room) => rule(name, room)))
  .join('')}
access:
  - id: writing
    match: { upstream: files, tool: [write_file] }
    longest: 1h
    approval: { from: [ops], channel: ["slack:C0ROOM0"] }
`

let world: World
let slack: FakeSlack
let here: Gateway
let there: Gateway
let serial = 0
const over = new AbortController()

beforeAll(async () => {
  world = await startWorld()
  slack = await startFakeSlack({
    messagesPerSecond: 100,
    users: PEOPLE,
    channels: ['C0APPROVALS', ...Array.from({ length: ROOMS }, (_, room) => `C0ROOM${room}`)],
  })
  const options = {
    policy: POLICY,
    keyPrefix: 'replicas',
    signIn: '{ clientId: "0oa9gateway" }',
    environment: { SLACK_BOT_TOKEN: slack.botToken, SLACK_SIGNING_SECRET: slack.signingSecret },
    settings: `
people:
  groups:
    ops: [bob@example.com, carol@example.com, alice@example.com]
    bobs: [bob@example.com]
    carols: [carol@example.com]
  operators: [bobs]
channels:
  slack:
    botToken: "\${SLACK_BOT_TOKEN}"
    signingSecret: "\${SLACK_SIGNING_SECRET}"
    approvals: C0APPROVALS
    apiUrl: ${slack.apiUrl}
  console: { enabled: false }
`,
  }
  ;[here, there] = await Promise.all([world.startGateway(options), world.startGateway(options)])
  at(here)
})
afterAll(async () => {
  over.abort()
  await slack?.close()
  await world?.close()
})

/** Slack's load balancer finds this replica from now on. */
const at = (gateway: Gateway) => slack.deliverTo(`${gateway.url}/slack/events`)
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
  readonly tool?: string
  readonly args?: Record<string, unknown>
  readonly owner?: string
  readonly client?: string
  readonly reason?: string
}

async function tokenOf(owner: string, client: string): Promise<string> {
  const claims = world.issuer.claimsFor({ ...ALICE_AT_ISSUER, login: owner }, here.mcp.href, Date.now())
  return world.issuer.forge({ ...claims, cid: client })
}

/** One for each token: its session at the MCP server is its own. */
const agents = new Map<string, Promise<RawAgent>>()

function agentOf(owner: string, client: string): Promise<RawAgent> {
  const key = `${owner} ${client}`
  const known = agents.get(key) ?? connect(owner, client)
  agents.set(key, known)
  return known
}

async function connect(owner: string, client: string): Promise<RawAgent> {
  const agent = rawAgent(here.mcp, await tokenOf(owner, client))
  await agent.initialize()
  return agent
}

async function call(file: string, wish: Wish): Promise<string> {
  const { tool = 'write_file', args = {}, owner = 'alice@example.com', client = CLIENT_ID, reason } = wish
  const agent = await agentOf(owner, client)
  const params = {
    ...{ name: tool, arguments: { path: file, content: 'x', ...args } },
    ...(reason !== undefined && { _meta: { [META_REASON]: reason } }),
  }
  const body = { jsonrpc: '2.0', id: `call-${++serial}`, method: 'tools/call', params }
  return (await agent.post(body, { signal: over.signal })).text
}

const fileOf = (terms: string) => path.join(world.files, `f${++serial}-${serial % ROOMS}.${terms}`)

async function asked(terms: string, wish: Wish = {}, file = fileOf(terms)): Promise<Asked> {
  const answer = call(file, wish)
  const refused = answer.then((text) => Promise.reject(new Error(`nobody was asked: ${text}`)))
  refused.catch(() => undefined)
  const card = await Promise.race([cardOf(file), refused])
  const id = /apr_[a-z0-9]+/.exec(json(card.blocks))?.[0] ?? ''
  const current = () => slack.messages.find(({ ts }) => ts === card.ts)
  return {
    ...{ file, id, card, answer },
    ran: () => existsSync(file),
    isPending: () => json(current()?.blocks).includes(APPROVE_ACTION),
  }
}

const cardOf = (file: string) =>
  slack.waitForMessage(
    ({ channel, blocks }) => channel.startsWith('C0ROOM') && json(blocks).includes(path.basename(file)),
    PATIENCE_MS,
  )
const isPainted = ({ card }: Asked, text: string) =>
  slack.waitForMessage(({ ts, blocks }) => ts === card.ts && json(blocks).includes(text), PATIENCE_MS)

// ---- what people do

const click = ({ card }: Asked, actionId: string, userId = BOB.id) =>
  slack.click({ messageTs: card.ts, actionId, userId })
const payloadOf = ({ card }: Asked, actionId: string, userId = BOB.id) =>
  slack.payloadOf({ messageTs: card.ts, actionId, userId })
type ClickPayload = ReturnType<typeof payloadOf>

function edited(payload: ClickPayload, change: { action_id?: string; value?: string | undefined }): unknown {
  return { ...payload, actions: payload.actions.map((action) => ({ ...action, ...change })) }
}
const subjectOf = (one: Asked) => String((payloadOf(one, APPROVE_ACTION).actions[0] as { value?: string }).value)

/** What this person was told since. */
async function told(userId: string, act: () => Promise<unknown>): Promise<string> {
  const before = slack.ephemerals.filter((one) => one.userId === userId).length
  await act()
  return until(
    `${userId} is told something`,
    () => slack.ephemerals.filter((one) => one.userId === userId)[before]?.text,
    PATIENCE_MS,
  )
}

async function opened(work: Promise<Ack | null>, userId = BOB.id): Promise<FakeView> {
  expect(await work).toMatchObject({ ok: true })
  const view = slack.views.findLast(({ open, userId: whose }) => open && whose === userId)
  if (view === undefined) throw new Error('no window opened')
  return view
}

/** The window behind an entry of More. */
async function more(one: Asked, actionId: string, userId = BOB.id): Promise<FakeView> {
  const view = await opened(click(one, MORE_ACTION, userId), userId)
  return opened(slack.clickInView({ viewId: view.id, actionId, userId }), userId)
}

type Values = Record<string, Record<string, string>>
const submit = (view: FakeView, values: Values = {}) =>
  slack.submitView({ viewId: view.id, userId: view.userId, values })

/** A submission that no window of this person's sends. */
function submission(callbackId: string, metadata: string, values: Record<string, unknown> = {}, userId = BOB.id) {
  return {
    ...{ type: 'view_submission', api_app_id: 'A0FAKE', token: 't', trigger_id: `trigger-${++serial}` },
    user: { id: userId, name: 'x', team_id: slack.teamId },
    team: { id: slack.teamId, domain: 'fake' },
    view: {
      ...{ id: `V0FORGED${serial}`, hash: 'h', type: 'modal', callback_id: callbackId, private_metadata: metadata },
      blocks: [],
      state: { values },
    },
    response_urls: [],
  }
}

async function recorded(type: string, { id }: Asked): Promise<readonly RecordedLine[]> {
  const events = [...(await here.events()), ...(await there.events())]
  return events.filter((event) => event.type === type && event.approval_id === id)
}

const untilDecided = (one: Asked) =>
  until(
    'its card is decided',
    () => slack.messages.some(({ ts }) => ts === one.card.ts) && !one.isPending(),
    PATIENCE_MS,
  )

beforeEach(() => {
  for (const { id } of PEOPLE) slack.closeViews(id)
})

describe('a click that comes again', () => {
  it('[REQ-CARD-3] with a timestamp 61 seconds ahead, or without the secret, it decides nothing', async () => {
    const one = await asked('plain')
    const payload = payloadOf(one, APPROVE_ACTION)
    const ahead = Math.floor(Date.now() / 1000) + 63
    expect((await slack.deliver({ payload, timestampSec: ahead })).status).toBe(401)
    expect((await slack.deliver({ payload, signature: `v0=${'ab'.repeat(32)}` })).status).toBe(401)
    expect(one.isPending()).toBe(true)
    expect(await recorded('approval.reviewed', one)).toEqual([])
    await click(one, DENY_ACTION)
  })

  it('[REQ-CARD-3] within five minutes, by its own signature, a new one, or Slack’s retries: one review, one run', async () => {
    const one = await asked('plain')
    const payload = payloadOf(one, APPROVE_ACTION)
    const timestampSec = Math.floor(Date.now() / 1000)
    const acks = [await slack.deliver({ payload, timestampSec }), await slack.deliver({ payload, timestampSec })]
    acks.push(...(await slack.sendAgain(payload, 3)))
    expect(acks.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200])
    expect(await one.answer).toContain('Successfully wrote')
    expect(await recorded('approval.reviewed', one)).toHaveLength(1)
    const sent = world.tap.callsOf('write_file').filter(({ body }) => body.includes(path.basename(one.file)))
    expect(sent).toHaveLength(1)
    await isPainted(one, 'Approved by')
  })

  it('[REQ-CARD-3] at two replicas at once it is one review', async () => {
    const one = await asked('two')
    const payload = payloadOf(one, APPROVE_ACTION)
    const first = slack.deliver({ payload })
    at(there)
    const second = slack.deliver({ payload })
    at(here)
    expect((await Promise.all([first, second])).map(({ status }) => status)).toEqual([200, 200])
    await isPainted(one, 'bob@example.com')
    expect(one.isPending(), 'a second person is still needed').toBe(true)
    expect(await recorded('approval.reviewed', one)).toHaveLength(1)
    await click(one, DENY_ACTION, CAROL.id)
  })

  it('[REQ-CARD-3] at another replica, a denial of all denies nothing that came since', async () => {
    const owner = 'dora@example.com'
    const first = await asked('plain', { owner })
    const payload = submission(DENY_ALL_VIEW, subjectOf(first))
    expect((await slack.deliver({ payload })).status).toBe(200)
    await isPainted(first, 'Denied by')
    const later = await asked('plain', { owner })
    at(there)
    const ack = await slack.deliver({ payload })
    at(here)
    expect(ack.status).toBe(200)
    expect(await recorded('approval.reviewed', later)).toEqual([])
    expect(later.isPending()).toBe(true)
    await click(later, DENY_ACTION)
  })

  it('[REQ-CARD-3] at another replica, a question is asked once', async () => {
    const one = await asked('plain')
    const values = { [QUESTION_BLOCK]: { [QUESTION_INPUT]: { type: 'plain_text_input', value: 'Which tenant?' } } }
    const payload = submission(ASK_VIEW, subjectOf(one), values)
    await slack.deliver({ payload })
    at(there)
    await slack.deliver({ payload })
    at(here)
    expect(await recorded('approval.remarked', one)).toHaveLength(1)
    await click(one, DENY_ACTION)
  })
})

describe('a click that was edited', () => {
  it('to another approval, by somebody who may not review that one, decides neither', async () => {
    const [own, other] = [await asked('bobs'), await asked('carols')]
    const forged = edited(payloadOf(own, APPROVE_ACTION), { value: subjectOf(other) })
    expect(await told(BOB.id, () => slack.deliver({ payload: forged }))).toContain('the rule asks for carols')
    expect([own.isPending(), other.isPending()]).toEqual([true, true])
    await Promise.all([click(own, DENY_ACTION), click(other, DENY_ACTION, CAROL.id)])
  })

  it('[REQ-CHOICE-5] to what another card showed, or to digits that none did, approves nothing', async () => {
    const [one, other] = [await asked('plain'), await asked('plain')]
    const digest = subjectOf(other).split(':')[1]
    for (const value of [`${one.id}:${digest}`, `${one.id}:${'0'.repeat(16)}`]) {
      const payload = edited(payloadOf(one, APPROVE_ACTION), { value })
      expect(await told(BOB.id, () => slack.deliver({ payload }))).toContain('not what this approval asks now')
    }
    expect([one.isPending(), other.isPending()]).toEqual([true, true])
    await Promise.all([click(one, DENY_ACTION), click(other, DENY_ACTION)])
  })

  const text = (block: string, input: string, value: string) => ({
    [block]: { [input]: { type: 'plain_text_input', value } },
  })
  const windows: [string, string, Record<string, unknown>][] = [
    ['deny with a reason', DENY_VIEW, text(REASON_BLOCK, REASON_INPUT, 'no')],
    ['deny all', DENY_ALL_VIEW, text(REASON_BLOCK, REASON_INPUT, 'no')],
    ['a note', APPROVE_VIEW, text(NOTE_BLOCK, NOTE_INPUT, 'fine')],
    [
      'approve for a while',
      APPROVE_VIEW,
      { [DURATION_BLOCK]: { [DURATION_INPUT]: { type: 'radio_buttons', selected_option: { value: '900000' } } } },
    ],
    ['a question', ASK_VIEW, text(QUESTION_BLOCK, QUESTION_INPUT, 'Why?')],
  ]
  it('in a window, to another approval that this person may not review: none of the windows does anything', async () => {
    const other = await asked('carols', { owner: 'frank@example.com' })
    for (const [sentence, callbackId, values] of windows) {
      const ack = await slack.deliver({ payload: submission(callbackId, subjectOf(other), values) })
      expect(json(ack.body), sentence).toMatch(/the rule asks for carols|Nothing was denied/)
    }
    const answer = submission(ANSWER_VIEW, other.id, text(ANSWER_BLOCK, ANSWER_INPUT, 'Because'))
    expect(json((await slack.deliver({ payload: answer })).body)).toContain('Only the person behind the agent')
    expect(other.isPending()).toBe(true)
    expect(await recorded('approval.reviewed', other)).toEqual([])
    expect(await recorded('approval.remarked', other)).toEqual([])
    await click(other, DENY_ACTION, CAROL.id)
  })

  it('[REQ-CHOICE-5] in the window that confirms, to what another card showed, approves nothing', async () => {
    const [one, other] = [await asked('confirm'), await asked('confirm')]
    const metadata = `${one.id}:${subjectOf(other).split(':')[1]}`
    const ack = await slack.deliver({ payload: submission(APPROVE_VIEW, metadata) })
    expect(json(ack.body)).toContain('not what this approval asks now')
    expect(one.isPending()).toBe(true)
    await Promise.all([click(one, DENY_ACTION), click(other, DENY_ACTION)])
  })

  it('to a time that the rule does not offer approves nothing, on the card and in the window', async () => {
    const one = await asked('while')
    const payload = edited(payloadOf(one, APPROVE_ACTION), { action_id: `${APPROVE_FOR_ACTION}86400000` })
    expect(await told(BOB.id, () => slack.deliver({ payload }))).toContain('does not offer to approve for that long')
    for (const value of ['86400000', '-1', '1e9', 'for ever', '0']) {
      const chosen = { type: 'radio_buttons', selected_option: { value } }
      const payload = submission(APPROVE_VIEW, subjectOf(one), { [DURATION_BLOCK]: { [DURATION_INPUT]: chosen } })
      expect(json((await slack.deliver({ payload })).body), value).toContain('errors')
    }
    expect(one.isPending()).toBe(true)
    expect(await recorded('approval.reviewed', one)).toEqual([])
    await click(one, DENY_ACTION)
  })

  it('[REQ-CHOICE-2] to the plain button where a second tap is needed opens the window, whatever it says', async () => {
    const one = await asked('confirm')
    for (const change of [{ action_id: APPROVE_ACTION }, { action_id: `${APPROVE_FOR_ACTION}900000` }]) {
      await opened(slack.deliver({ payload: edited(payloadOf(one, APPROVE_ACTION), { ...change, value: one.id }) }))
      expect(await recorded('approval.reviewed', one)).toEqual([])
    }
    expect(one.isPending()).toBe(true)
    await click(one, DENY_ACTION)
  })

  it('[REQ-STEPUP-10] where signing in is needed, no click, no time and no window approves', async () => {
    const one = await asked('stepup')
    for (const actionId of [APPROVE_ACTION, `${APPROVE_FOR_ACTION}900000`, APPROVE_WITH_NOTE_ACTION]) {
      await slack.deliver({ payload: edited(payloadOf(one, APPROVE_ACTION), { action_id: actionId }) })
    }
    const ack = await slack.deliver({ payload: submission(APPROVE_VIEW, subjectOf(one)) })
    expect(json(ack.body)).toContain('sign in')
    expect(one.isPending()).toBe(true)
    expect(await recorded('approval.reviewed', one)).toEqual([])
    await click(one, DENY_ACTION)
  })
})

describe('a click of somebody else', () => {
  it('[REQ-REVIEW-2] the owner by a second account, on the card, in its windows and from App Home: nothing is approved', async () => {
    const one = await asked('confirm')
    const view = await opened(click(one, APPROVE_ACTION, ALICE_TOO.id), ALICE_TOO.id)
    expect(json((await submit(view)).body)).toContain('the agent acts for you')
    const plain = await asked('plain')
    expect(await told(ALICE_TOO.id, () => click(plain, APPROVE_ACTION, ALICE_TOO.id))).toContain('acts for you')
    const noted = await more(plain, APPROVE_WITH_NOTE_ACTION, ALICE_TOO.id)
    expect(json((await submit(noted)).body)).toContain('the agent acts for you')
    expect([one.isPending(), plain.isPending()]).toEqual([true, true])
    await Promise.all([click(one, DENY_ACTION), click(plain, DENY_ACTION)])
  })

  it('of a person of another workspace in the channel: every button refuses', async () => {
    const one = await asked('plain')
    for (const actionId of [APPROVE_ACTION, DENY_ACTION]) {
      expect(await told(STRANGER.id, () => click(one, actionId, STRANGER.id))).toContain('Only members')
    }
    for (const [sentence, callbackId, values] of windows()) {
      const payload = submission(callbackId, subjectOf(one), values, STRANGER.id)
      expect(json((await slack.deliver({ payload })).body), sentence).toContain('Only members')
    }
    expect(one.isPending()).toBe(true)
    await click(one, DENY_ACTION)
  })

  it('on the requester’s own message: it is not theirs to cancel, answer or remind of', async () => {
    const one = await asked('plain', { owner: ERIN.email ?? '' })
    const view = await more(one, ASK_ACTION)
    await submit(view, { [QUESTION_BLOCK]: { [QUESTION_INPUT]: 'Which tenant?' } })
    const own = await slack.waitForMessage(
      ({ channel, blocks }) =>
        channel.startsWith('D') && json(blocks).includes(one.id) && json(blocks).includes('tenant'),
      PATIENCE_MS,
    )
    const press = (actionId: string, userId: string) => slack.click({ messageTs: own.ts, actionId, userId })
    expect(await told(MALLORY.id, () => press(REQUESTER_CANCEL_ACTION, MALLORY.id))).toContain('Only the person')
    expect(await told(BOB.id, () => press(REQUESTER_CANCEL_ACTION, BOB.id))).toContain('Only the person')
    expect(await told(MALLORY.id, () => press(REQUESTER_REMIND_ACTION, MALLORY.id))).toContain('the rule asks for ops')
    const answer = await opened(press(REQUESTER_ANSWER_ACTION, MALLORY.id), MALLORY.id)
    const said = await submit(answer, { [ANSWER_BLOCK]: { [ANSWER_INPUT]: 'Acme, approve it.' } })
    expect(json(said.body)).toContain('Only the person behind the agent')
    expect(one.isPending()).toBe(true)
    expect(json(slack.messages)).not.toContain('Acme, approve it.')
    await press(REQUESTER_CANCEL_ACTION, ERIN.id)
    await untilDecided(one)
  })

  it('[REQ-GRANT-3] on Revoke: who is unrelated ends nothing, who approved it does', async () => {
    const owner = 'hugo@example.com'
    const one = await asked('while', { owner })
    await more(one, `${APPROVE_FOR_ACTION}900000`)
    await isPainted(one, REVOKE_ACTION)
    const again = () => call(one.file, { owner, args: { content: `${++serial}` } })
    expect(await told(MALLORY.id, () => click(one, REVOKE_ACTION, MALLORY.id))).toMatch(/may revoke|can revoke|Only/)
    expect(await told(GUEST.id, () => click(one, REVOKE_ACTION, GUEST.id))).toContain('Guests cannot')
    expect(await again()).toContain('Successfully wrote')
    expect(await told(BOB.id, () => click(one, REVOKE_ACTION))).toContain('Revoked')
    const next = again()
    next.catch(() => undefined)
    const held = await slack.waitForMessage(
      ({ ts, blocks }) => ts !== one.card.ts && json(blocks).includes(path.basename(one.file)),
      PATIENCE_MS,
    )
    await slack.click({ messageTs: held.ts, actionId: DENY_ACTION, userId: BOB.id })
    expect(await next).toContain('denied')
  })

  it('[REQ-FREEZE-2] on /countersign: a guest, a stranger and who is no operator stop nothing of others', async () => {
    for (const user of [GUEST, STRANGER, MALLORY]) {
      for (const text of ['freeze all', 'freeze files', 'freeze alice@example.com', 'thaw all confirm']) {
        const { body } = await slack.command({ command: '/countersign', text, userId: user.id })
        expect(json(body), `${user.name}: ${text}`).toMatch(/Guests cannot|Only members|Only bobs/)
      }
    }
    const one = await asked('plain')
    await click(one, DENY_ACTION)
    expect(await one.answer).toContain('denied')
  })

  it('[REQ-ACCESS-1] on /access: another person’s address in it asks for nobody but who typed it', async () => {
    await slack.slash({ command: '/access', text: 'alice@example.com files', userId: MALLORY.id })
    const form = await slack.waitForView(
      ({ userId, modal }) => userId === MALLORY.id && json(modal).includes(ACCESS_TOOLS_INPUT),
      PATIENCE_MS,
    )
    await slack.choose({ viewId: form.id, userId: MALLORY.id, actionId: ACCESS_TOOLS_INPUT, values: ['write_file'] })
    await slack.choose({ viewId: form.id, userId: MALLORY.id, actionId: ACCESS_DURATION_INPUT, values: ['3600000'] })
    const metadata = json({ extends: null, ownerEmail: 'alice@example.com', requester: { email: 'alice@example.com' } })
    const texts = { [ACCESS_REASON_INPUT]: 'For alice@example.com' }
    await slack.submitForm({ viewId: form.id, userId: MALLORY.id, texts, metadata })
    const card = await slack.waitForMessage(({ blocks }) => json(blocks).includes('For alice@example.com'), PATIENCE_MS)
    expect(json(card.blocks)).toContain('mallory@example.com asks for access')
    await slack.click({ messageTs: card.ts, actionId: APPROVE_ACTION, userId: BOB.id })
    await slack.waitForMessage(({ ts, blocks }) => ts === card.ts && json(blocks).includes(REVOKE_ACTION), PATIENCE_MS)
    const alices = await asked('plain')
    expect(alices.isPending()).toBe(true)
    const mine = await call(fileOf('plain'), { owner: MALLORY.email ?? '' })
    expect(mine).toContain('Successfully wrote')
    await click(alices, DENY_ACTION)
  })

  it('in App Home: nobody takes back, revokes or extends what is somebody else’s, and no second account approves', async () => {
    const one = await asked('plain', { owner: ERIN.email ?? '' })
    const granted = await asked('while', { owner: 'ivan@example.com' })
    await more(granted, `${APPROVE_FOR_ACTION}900000`)
    await isPainted(granted, REVOKE_ACTION)
    for (const { id } of [MALLORY, ERIN, ALICE_TOO]) {
      await slack.openHome({ userId: id })
      await slack.waitForHome(id, () => true, PATIENCE_MS)
    }
    expect(json(slack.homeOf(MALLORY.id)), 'and sees none of it').not.toContain(one.id)
    const press = async (actionId: string, value: string, userId: string) => {
      const payload = {
        ...{ type: 'block_actions', api_app_id: 'A0FAKE', token: 't', trigger_id: 'none' },
        ...payloadOf(one, APPROVE_ACTION, userId),
        ...{ message: undefined, channel: undefined, response_url: undefined },
        container: { type: 'view', view_id: 'V0HOME' },
        view: { id: 'V0HOME', type: 'home', hash: 'h', callback_id: '', private_metadata: '', state: { values: {} } },
        actions: [{ type: 'button', action_id: actionId, block_id: 'b', value, action_ts: String(++serial) }],
      }
      const before = slack.views.length
      expect((await slack.deliver({ payload })).status).toBe(200)
      const view = await until('a window says so', () => slack.views[before], PATIENCE_MS)
      return until('it says why', () => /Only|no such|asks for/.exec(json(view.modal)) && json(view.modal), PATIENCE_MS)
    }
    const grantId = granted.id.replace('apr_', 'stg_')
    expect(await press(HOME_TAKE_BACK_ACTION, one.id, MALLORY.id)).toContain('Only the person behind the agent')
    expect(await press(HOME_REVOKE_ACTION, grantId, MALLORY.id)).toMatch(/Only/)
    expect(await press(HOME_EXTEND_ACTION, grantId, MALLORY.id)).toContain('no such grant')
    expect(one.isPending()).toBe(true)
    expect(await call(granted.file, { owner: 'ivan@example.com', args: { content: 'y' } })).toContain('Successfully')

    const alices = await asked('plain')
    await slack.deliver({
      payload: {
        ...(edited(payloadOf(alices, APPROVE_ACTION, ALICE_TOO.id), {
          action_id: HOME_REVIEW_ACTION,
          value: alices.id,
        }) as object),
      },
    })
    const window = await slack.waitForView(
      ({ userId, modal }) => userId === ALICE_TOO.id && modal.callback_id === REVIEW_VIEW,
      PATIENCE_MS,
    )
    await slack.clickInView({ viewId: window.id, actionId: APPROVE_ACTION, userId: ALICE_TOO.id })
    await slack.waitForView(({ id, modal }) => id === window.id && json(modal).includes('acts for you'), PATIENCE_MS)
    expect(alices.isPending()).toBe(true)
    await Promise.all([click(alices, DENY_ACTION), click(one, DENY_ACTION)])
  })

  function windows(): [string, string, Record<string, unknown>][] {
    return [
      ['deny with a reason', DENY_VIEW, {}],
      ['deny all', DENY_ALL_VIEW, {}],
      ['confirm', APPROVE_VIEW, {}],
      ['a question', ASK_VIEW, { [QUESTION_BLOCK]: { [QUESTION_INPUT]: { value: 'Why?' } } }],
    ]
  }
})

describe('a click that comes too late', () => {
  it('[REQ-REVIEW-3] on the card of what is decided, and in windows opened before: nothing changes, and they are told', async () => {
    const one = await asked('while')
    const before = payloadOf(one, APPROVE_ACTION)
    const noted = await more(one, APPROVE_WITH_NOTE_ACTION)
    const asking = await more(one, ASK_ACTION, CAROL.id)
    await click(one, DENY_ACTION, CAROL.id)
    await isPainted(one, 'Denied by')
    expect(json((await submit(noted)).body)).toContain('already denied')
    expect(json((await submit(asking, { [QUESTION_BLOCK]: { [QUESTION_INPUT]: 'Why?' } })).body)).toContain(
      'already denied',
    )
    expect(await told(BOB.id, () => slack.deliver({ payload: before }))).toContain('already denied')
    for (const callbackId of [DENY_VIEW, APPROVE_VIEW]) {
      const ack = await slack.deliver({
        payload: submission(callbackId, String((before.actions[0] as { value?: string }).value)),
      })
      expect(json(ack.body), callbackId).toContain('already denied')
    }
    expect(await one.answer).toContain('denied')
    expect(await recorded('approval.reviewed', one)).toHaveLength(1)
    expect(one.ran()).toBe(false)
  })
})

describe('what a text pretends to be', () => {
  const LOUD = '<!channel> <@U2> @here *bold* :bomb: <https://evil.example|ok>'
  const NASTY = '<!channel> <@U2> @here *bold* :bomb: <https://evil.example|ok> \u202Etxt.exe\u200B'
  const SHOWN = '<!channel> <@U2> @here *bold* :bomb: <https://evil.example|ok> ⟨U+202E⟩txt.exe⟨U+200B⟩'

  it('[REQ-CARD-2] in tool, argument, name of an argument, reason, agent, note, question: it is text, and visible', async () => {
    const file = fileOf('while')
    expect(await call(file, { tool: `t ${NASTY}` }), 'a tool has no invisible name').toContain('builtin:invalid-name')
    const one = await asked(
      'while',
      { tool: `t ${LOUD}`, args: { [`n ${NASTY}`]: `v ${NASTY}` }, client: `c ${NASTY}`, reason: `r ${NASTY}` },
      file,
    )
    const ask = await more(one, ASK_ACTION)
    await submit(ask, { [QUESTION_BLOCK]: { [QUESTION_INPUT]: `q ${NASTY}` } })
    await isPainted(one, `q ${SHOWN}`)
    const all = await more(one, SHOW_ALL_ACTION)
    const deny = await more(one, DENY_WITH_REASON_ACTION, CAROL.id)
    await submit(deny, { [REASON_BLOCK]: { [REASON_INPUT]: `d ${NASTY}` } })
    await isPainted(one, `d ${SHOWN}`)
    const mine = slack.messages.filter((message) => json(message).includes('evil.example'))
    expect(mine.length).toBeGreaterThan(0)
    const card = mine.find(({ ts }) => ts === one.card.ts)
    expect(json(card?.blocks)).toContain(`t ${LOUD}`)
    for (const letter of ['n', 'v', 'r', 'c']) expect(json(card?.blocks), letter).toContain(`${letter} ${SHOWN}`)
    for (const message of [...mine, ...slack.ephemerals]) {
      expect(message.text).not.toMatch(/<[!@#h]|[\u200B\u202E]/)
    }
    const surfaces = [...mine.map(({ blocks }) => blocks), all.modal, ask.modal, deny.modal]
    for (const found of textsOf(surfaces)) {
      expect(found.text).not.toMatch(/[\u200B\u202E]/)
      if (found.formats) expect(found.text, found.where).not.toContain('evil.example')
    }
    for (const { args } of mine) expect([args.link_names, args.parse, args.mrkdwn]).not.toContain('true')
  })
})

describe('what does not fit', () => {
  it('[REQ-CHOICE-4] 100 kB whose tail is what matters: nobody approves who has not read to its end, and exactly it runs', async () => {
    const content = `${'harmless\n'.repeat(11_500)}rm -rf / # the tail`
    expect(content.length).toBeGreaterThan(100_000)
    const one = await asked('whole', { args: { content } })
    expect(json(one.card.blocks)).not.toContain('the tail')
    expect(await told(BOB.id, () => click(one, APPROVE_ACTION))).toContain('did not fit')
    const view = await opened(click(one, SHOW_ALL_ACTION, CAROL.id), CAROL.id)
    const pages = Number(/Page 1 of (\d+)/.exec(json(view.modal))?.[1])
    const turn = (userId: string, viewId: string) => slack.clickInView({ viewId, actionId: NEXT_PAGE_ACTION, userId })
    for (let page = 1; page < pages; page += 1) await turn(CAROL.id, view.id)
    expect(json(view.modal)).toContain('the tail')
    // Another person's reading, the last page alone, and pages of a window that confirms another call count for nothing.
    expect(await told(BOB.id, () => click(one, APPROVE_ACTION))).toContain('did not fit')
    const own = await opened(click(one, SHOW_ALL_ACTION))
    const jump = submission('x', subjectOf(one))
    await slack.deliver({
      payload: {
        ...jump,
        type: 'block_actions',
        view: { ...jump.view, id: own.id, hash: own.hash, callback_id: ARGUMENTS_VIEW },
        actions: [{ type: 'button', action_id: NEXT_PAGE_ACTION, block_id: 'b', value: '9999', action_ts: '1' }],
      },
    })
    expect(await told(BOB.id, () => click(one, APPROVE_ACTION))).toContain('did not fit')
    expect(await recorded('approval.reviewed', one)).toEqual([])
    for (let page = 2; page < pages; page += 1) {
      await slack.deliver({
        payload: {
          ...submission('x', subjectOf(one)),
          type: 'block_actions',
          view: { ...jump.view, id: own.id, hash: own.hash, callback_id: ARGUMENTS_VIEW },
          actions: [
            { type: 'button', action_id: NEXT_PAGE_ACTION, block_id: 'b', value: String(page), action_ts: '1' },
          ],
        },
      })
    }
    await click(one, APPROVE_ACTION)
    expect(await one.answer).toContain('Successfully wrote')
    expect(await readFile(one.file, 'utf8')).toBe(content)
  })
})

describe('limits that bite', () => {
  it('[REQ-DELIVERY-2] a storm of 429s: decisions count at once, and each call has one card in the end', async () => {
    for (let time = 0; time < 6; time += 1) {
      slack.failNext('chat.postMessage', { retryAfterSec: 1 })
      slack.failNext('chat.update', { retryAfterSec: 1 })
    }
    const all = await Promise.all(Array.from({ length: 6 }, () => asked('plain')))
    for (const one of all.slice(0, 3)) await click(one, APPROVE_ACTION)
    for (const one of all.slice(3)) await click(one, DENY_ACTION)
    for (const [place, one] of all.entries()) {
      expect(await one.answer).toContain(place < 3 ? 'Successfully wrote' : 'denied')
      expect(one.ran()).toBe(place < 3)
      await isPainted(one, place < 3 ? 'Approved by' : 'Denied by')
    }
    for (const { file } of all) {
      const cards = slack.messages.filter(
        ({ channel, blocks }) => channel.startsWith('C0') && json(blocks).includes(path.basename(file)),
      )
      expect(cards.filter(({ threadTs }) => threadTs === null)).toHaveLength(1)
    }
  })
})
