/**
 * Every way of deciding in Teams without being one who may, or without having seen what is asked, that anyone found; against
 * what receives Teams' clicks, over HTTP. Whoever has an account can send any click, with any data, from any conversation
 * that they share with the bot: so most rows send what no card offers. Rows are never deleted.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  ANSWER_VIEW,
  APPROVE_ACTION,
  APPROVE_FOR_ACTION,
  APPROVE_VIEW,
  ASK_VIEW,
  DENY_ACTION,
  DENY_VIEW,
  IT_RAN_ACTION,
  NEXT_PAGE_ACTION,
  QUESTION_INPUT,
  REASON_INPUT,
  REMIND_ACTION,
  REQUESTER_ANSWER_ACTION,
  REQUESTER_CANCEL_ACTION,
  SHOW_ALL_ACTION,
} from '../../bots/chat/actions.ts'
import { REFRESH_ACTION } from '../../bots/teams/review-feature.ts'
import type { Approval, Review } from '../../src/approval/approval.ts'
import { type ApprovalId, epochMs } from '../../src/brands.ts'
import type { JsonObject } from '../../src/json/value.ts'
import type { Seen } from '../support/fake-teams-client.ts'
import { APPROVALS, type FakePerson, GROUP_CHAT, OTHER_TENANT, TEAM } from '../support/fake-teams-world.ts'
import { ALICE, BOB, CAROL, startTeamsPart, type TeamsPart, textOf } from '../support/teams-part.ts'

/** Of the tenant, and in no room of ours but a group chat. */
const MALLORY: FakePerson = {
  oid: 'aaaaaaaa-0000-4000-8000-00000000000a',
  ...{ name: 'Mallory', email: 'mallory@example.com', userPrincipalName: 'mallory@example.com', userRole: 'user' },
}
const STRANGERS: readonly (readonly [string, FakePerson, RegExp])[] = [
  ['a guest', stranger('b', { userRole: 'guest' }), /Guests cannot review/],
  ['a guest by the name alone', stranger('c', { userPrincipalName: 'g_x.example#EXT#@example.com' }), /Guests cannot/],
  ['a person of another tenant', stranger('d', { tenantId: OTHER_TENANT }), /Nothing was decided/],
  ['a federated person', stranger('e', { userRole: 'federated' }), /Nothing was decided/],
  ['whoever has no address', { oid: 'aaaaaaaa-0000-4000-8000-00000000000f', name: 'Nemo' }, /address/],
]

function stranger(digit: string, change: Partial<FakePerson>): FakePerson {
  const address = `${digit}@example.com`
  return {
    ...{ oid: `aaaaaaaa-0000-4000-8000-00000000000${digit}`, name: `Stranger ${digit}` },
    ...{ email: address, userPrincipalName: address, userRole: 'user', ...change },
  }
}

let part: TeamsPart
let serial = 0

beforeAll(async () => {
  const users = [ALICE, BOB, CAROL, MALLORY, ...STRANGERS.map(([, person]) => person)]
  const members = users.filter((one) => one !== MALLORY).map(({ oid }) => String(oid))
  part = await startTeamsPart({
    users,
    conversations: [
      { id: TEAM, kind: 'channel', members },
      { id: APPROVALS, kind: 'channel', members },
      { id: GROUP_CHAT, kind: 'groupChat', isInstalled: true },
    ],
  })
})
afterAll(() => part?.close())
/** Each row alone stays below Teams' limits; all at once would not. */
beforeEach(() => part.teams.forgetRates())

/** An approval of its own, and its card. */
function asked(change: Partial<Approval> = {}) {
  const id = `apr_case${++serial}` as ApprovalId
  const card = part.ask({ id, ...change })
  return { id, card, state: async () => (await part.approvals.get(id))?.state }
}

interface Forged {
  readonly user?: string
  readonly verb?: string
  /** In place of what the button carries. */
  readonly data?: (data: JsonObject) => JsonObject
}

/** A click as the person's client would send it, but for what is changed. */
async function click(messageId: string, { user = 'Bob', verb = APPROVE_ACTION, data }: Forged = {}): Promise<Seen> {
  return seenIn(await part.teams.raw({ activity: await clickOf(messageId, { user, verb, ...(data && { data }) }) }))
}

async function clickOf(messageId: string, { user = 'Bob', verb = APPROVE_ACTION, data }: Forged): Promise<JsonObject> {
  const activity = await part.teams.clickOf({ user, messageId, action: DENY_ACTION, isBaseView: true })
  const { action } = activity.value as { action: JsonObject & { data: JsonObject } }
  return { ...activity, value: { action: { ...action, verb, data: data?.(action.data) ?? action.data } } }
}

/** A dialog's request, fetched or submitted, as any program can send it. */
async function dialog(
  name: 'task/fetch' | 'task/submit',
  messageId: string,
  wanted: { readonly user?: string; readonly dialog: string; readonly data?: JsonObject },
): Promise<string> {
  const { value, ...activity } = await clickOf(messageId, { user: wanted.user ?? 'Bob' })
  const { data } = (value as { action: { data: JsonObject } }).action
  const sent = { data: { ...data, ...wanted.data, dialog: wanted.dialog }, context: { theme: 'default' } }
  const { body } = await part.teams.raw({ activity: { ...activity, name, value: sent } })
  return textOf({ body }) + JSON.stringify(body)
}

function seenIn({ status, body }: { status: number; body: unknown }): Seen {
  const { type, value } = (body ?? {}) as { type?: string; value?: unknown }
  if (type === 'application/vnd.microsoft.card.adaptive') return { kind: 'card', card: value as JsonObject }
  if (type === 'application/vnd.microsoft.activity.message') return { kind: 'message', text: String(value) }
  return { kind: 'error', status, code: String(type), text: JSON.stringify(body) }
}

const words = (seen: Seen): string => (seen.kind === 'card' ? textOf(seen.card) : seen.text)

describe('a click that may decide', () => {
  it('is one by a member of the room that it is asked in, as their own view shows', async () => {
    const { card, state, id } = asked()
    const seen = await click(card)
    expect(await state()).toBe('approved')
    expect(seen.kind).toBe('card')
    expect(words(seen)).toContain('Approved by Bob (bob@example.com)')
    expect((await part.approvals.get(id))?.reviews[0]).toMatchObject({ channel: 'teams', strength: 'click' })
  })

  it('denies with the reason that was written on the card', async () => {
    const { card, state, id } = asked()
    await part.teams.click({
      user: 'Carol',
      messageId: card,
      action: DENY_VIEW,
      inputs: { [REASON_INPUT]: ' not now ' },
    })
    expect(await state()).toBe('denied')
    expect((await part.approvals.get(id))?.reviews[0]?.reason).toBe('not now')
  })
})

describe('[REQ-REVIEW-2] whoever may not decide, decides nothing, and is told why', () => {
  const byBob: Review = {
    reviewer: { id: 'slack:T0FAKE:U2', email: 'bob@example.com', name: 'Bob' },
    ...{ choice: 'approve', reason: null, channel: 'slack', at: epochMs(1), strength: 'click', allowForMs: null },
    ...{ shownDigest: null, isHasty: false },
  }
  const rows: [string, string, Partial<Approval>, RegExp][] = [
    ['the agent’s owner', 'Alice', {}, /the agent acts for you/],
    ['the owner, whom the rule names', 'Alice', { from: ['alice@example.com'] }, /the agent acts for you/],
    ['a member of the room whom the rule does not name', 'Bob', { from: ['carol@example.com'] }, /the rule asks for/],
    ['who has approved in Slack, with the same address', 'Bob', { quorum: 2, reviews: [byBob] }, /already reviewed/],
    ['anyone, where nobody knows whose agent it is', 'Bob', { principal: nobodys() }, /doesn’t say for whom it acts/],
    ['anyone, where it is asked in another chat alone', 'Bob', { channels: ['slack'] }, /asked elsewhere/],
  ]
  it.each(rows)('%s', async (_sentence, user, change, why) => {
    const { card, state } = asked(change)
    expect(words(await click(card, { user }))).toMatch(why)
    expect(await state()).toBe('pending')
  })

  it.each(STRANGERS)('[REQ-WHO-4] %s, although in the room', async (_sentence, { name }, why) => {
    const { card, state } = asked()
    const submitted = part.submitted.length
    for (const verb of [APPROVE_ACTION, DENY_ACTION, REFRESH_ACTION]) {
      const seen = await click(card, { user: name, verb })
      expect(words(seen)).toMatch(why)
      expect(words(seen)).not.toContain('/srv/a.txt')
    }
    expect(part.submitted.length).toBe(submitted)
    expect(await state()).toBe('pending')
  })

  function nobodys(): Approval['principal'] {
    return {
      id: 'p' as Approval['principal']['id'],
      issuer: 'https://i.example',
      subject: 's',
      client: 'c',
      email: null,
    }
  }
})

describe('a card that was forwarded or copied', () => {
  it.each(['personal', GROUP_CHAT])('asks nobody outside of its room, and tells them nothing: %s', async (where) => {
    const { id, state } = asked()
    await part.teams.say({ user: 'Mallory', conversation: 'personal', text: 'hello' })
    const copy = await part.copy(id, where === 'personal' ? part.teams.personalConversation('Mallory') : where)
    const submitted = part.submitted.length
    for (const verb of [APPROVE_ACTION, DENY_ACTION, IT_RAN_ACTION, REFRESH_ACTION]) {
      const seen = await click(copy, { user: 'Mallory', verb })
      expect(seen).toMatchObject({ kind: 'message', text: expect.stringContaining('asked elsewhere, and of others') })
    }
    const pages = await dialog('task/fetch', copy, { user: 'Mallory', dialog: SHOW_ALL_ACTION })
    expect(pages).toContain('asked elsewhere, and of others')
    expect(pages).not.toContain('/srv/a.txt')
    expect(part.submitted.length).toBe(submitted)
    expect(await state()).toBe('pending')
  })

  it('still serves who is in its room, and whom the rule names', async () => {
    const open = asked()
    await click(await part.copy(open.id, GROUP_CHAT), { user: 'Bob' })
    expect(await open.state()).toBe('approved')
    const named = asked({ from: ['mallory@example.com'] })
    await click(await part.copy(named.id, GROUP_CHAT), { user: 'Mallory' })
    expect(await named.state()).toBe('approved')
  })

  it('is not taken for the message that we posted', async () => {
    const { id, card } = asked()
    const copy = await part.copy(id, GROUP_CHAT)
    await click(copy, { verb: REFRESH_ACTION })
    expect(part.seen.filter(([about]) => about === id)).toEqual([])
    await click(card, { verb: REFRESH_ACTION })
    expect(part.seen.filter(([about]) => about === id)).toEqual([
      [id, 'teams', JSON.stringify({ conversation: APPROVALS, message: card })],
    ])
  })
})

describe('a click that no card of ours offers', () => {
  const other = 'apr_other'
  const rows: [string, Forged][] = [
    ['an action that we never posted', { verb: 'countersign_grant_everything' }],
    ['a name of every object', { verb: 'countersign_constructor' }],
    ['the confirmation of a dialog', { verb: APPROVE_VIEW }],
    ['an id of another kind', { data: () => ({ subject: 'gnt_1:0123456789abcdef' }) }],
    ['an id with a path in it', { data: () => ({ subject: 'apr_1/../2:0123456789abcdef' }) }],
    ['an endless id', { data: () => ({ subject: `apr_${'a'.repeat(100_000)}` }) }],
    ['a subject that is no text', { data: (data) => ({ subject: [String(data.subject)] }) }],
    ['a subject in another’s members', { data: ({ subject }) => ({ toString: String(subject) }) }],
    ['none at all', { data: () => ({}) }],
    [
      'an approval without what its copy showed',
      { data: ({ subject }) => ({ subject: String(subject).split(':')[0] ?? '' }) },
    ],
    [
      'what another card showed',
      { data: ({ subject }) => ({ subject: `${String(subject).split(':')[0]}:0123456789abcdef` }) },
    ],
    ['an approval that is none', { data: ({ subject }) => ({ subject: String(subject).replace(/^[^:]*/, other) }) }],
    ['a time that the rule does not offer', { verb: `${APPROVE_FOR_ACTION}86400000` }],
    ['a time that is none', { verb: `${APPROVE_FOR_ACTION}` }],
    ['an endless time', { verb: `${APPROVE_FOR_ACTION}1e999` }],
  ]
  it.each(rows)('[REQ-CHOICE-5] %s decides nothing', async (_sentence, forged) => {
    const { card, state } = asked({ allowForMs: [900_000] })
    await click(card, forged)
    expect(await state()).toBe('pending')
  })

  it.each([APPROVE_ACTION, DENY_ACTION, DENY_VIEW, IT_RAN_ACTION])(
    '[REQ-CHOICE-5] %s in a card’s refresh, which Teams sends for whoever only looks at it, decides nothing',
    async (verb) => {
      const { card, state } = asked()
      const activity = await clickOf(card, { verb })
      const value = { ...(activity.value as JsonObject), trigger: 'automatic' }
      const seen = seenIn(await part.teams.raw({ activity: { ...activity, value } }))
      expect(seen).toMatchObject({ kind: 'message' })
      expect(await state()).toBe('pending')
    },
  )

  it.each([APPROVE_ACTION, `${APPROVE_FOR_ACTION}900000`, DENY_ACTION, REMIND_ACTION])(
    '[REQ-CHOICE-5] %s in a request for a dialog, which is answered each time that it comes, does nothing',
    async (name) => {
      const { card, state, id } = asked({ allowForMs: [900_000] })
      expect(await dialog('task/fetch', card, { dialog: name })).toContain('not one of this gateway’s')
      expect(await state()).toBe('pending')
      expect((await part.approvals.get(id))?.reminders.count).toBe(0)
    },
  )

  it('another approval’s subject on this card decides neither for whom it is not asked', async () => {
    const one = asked()
    const elsewhere = asked({ from: ['carol@example.com'] })
    const subject = subjectOf(await clickOf(elsewhere.card, {}))
    const seen = await click(one.card, { data: () => ({ subject }) })
    expect(words(seen)).toContain('the rule asks for')
    expect([await one.state(), await elsewhere.state()]).toEqual(['pending', 'pending'])
  })

  it('edits no message because a click names it', async () => {
    const decided = asked()
    const asking = asked()
    const subject = subjectOf(await clickOf(decided.card, {}))
    await click(decided.card, { verb: DENY_ACTION })
    const before = part.teams.calls.filter(({ operation }) => operation === 'update').length
    await click(asking.card, { data: () => ({ subject }) })
    expect(part.teams.calls.filter(({ operation }) => operation === 'update')).toHaveLength(before)
  })

  function subjectOf({ value }: JsonObject): string {
    return String((value as { action: { data: JsonObject } }).action.data.subject)
  }
})

describe('the same click again', () => {
  it('[REQ-CARD-3] replayed, or sent again by Teams, it runs nothing', async () => {
    const { card, state } = asked({ quorum: 2 })
    const activity = await clickOf(card, {})
    const submitted = part.submitted.length
    await Promise.all([part.teams.raw({ activity }), part.teams.raw({ activity })])
    await part.teams.raw({ activity })
    expect(part.submitted.length).toBe(submitted + 1)
    expect(await state()).toBe('pending')
  })

  it('by the same person it counts once, and by another it completes', async () => {
    const { card, state } = asked({ quorum: 2 })
    await click(card)
    expect(words(await click(card))).toContain('already reviewed')
    expect(await state()).toBe('pending')
    await click(card, { user: 'Carol' })
    expect(await state()).toBe('approved')
  })

  it('after a denial it changes nothing, and the person sees who denied', async () => {
    const { card, state } = asked()
    await click(card, { verb: DENY_ACTION, user: 'Carol' })
    const seen = words(await click(card))
    expect(seen).toContain('Your click changed nothing')
    expect(seen).toContain('Denied by Carol')
    expect(await state()).toBe('denied')
  })

  it('after the deadline it changes nothing', async () => {
    const { card, state } = asked({ expiresAt: epochMs(Date.now() - 1) })
    expect(words(await click(card))).toContain('the deadline has passed')
    expect(await state()).toBe('pending')
  })
})

it('a refresh decides nothing, and trusts no list', async () => {
  const { card, state } = asked()
  const submitted = part.submitted.length
  const seen = await click(card, {
    verb: REFRESH_ACTION,
    user: 'Alice',
    data: (data) => ({ ...data, viewer: 'reviewer' }),
  })
  expect(words(seen)).toContain('your own agent’s call')
  expect(JSON.stringify(seen)).not.toContain(APPROVE_ACTION)
  expect(part.submitted.length).toBe(submitted)
  expect(await state()).toBe('pending')
})

describe('a rule that wants more than one tap', () => {
  it('[REQ-CHOICE-2] a second one: a click on the card is not it, and the dialog’s button is', async () => {
    const { card, state, id } = asked({ strength: 'confirm' })
    expect(words(await click(card))).toContain('asks for a second tap')
    expect(await state()).toBe('pending')
    const opened = await part.teams.openDialog({
      user: 'Bob',
      messageId: card,
      action: APPROVE_ACTION,
      isBaseView: true,
    })
    if (opened.kind !== 'dialog') throw new Error(JSON.stringify(opened))
    expect(textOf(opened.card)).toContain('/srv/a.txt')
    expect(await state()).toBe('pending')
    const closed = await part.teams.submitDialog({ dialogId: opened.id, action: APPROVE_VIEW })
    expect(closed.kind).toBe('closed')
    expect(await state()).toBe('approved')
    expect((await part.approvals.get(id))?.reviews[0]?.strength).toBe('confirmed')
  })

  it('to sign in: neither a click nor a dialog is it, and the click leads there', async () => {
    const { card, state, id } = asked({ strength: 'step_up' })
    const seen = await click(card)
    expect(JSON.stringify(seen)).toContain(`https://gateway.example.com/step-up/${id}`)
    expect(await dialog('task/submit', card, { dialog: APPROVE_VIEW })).toContain('asks you to sign in')
    expect(await state()).toBe('pending')
  })

  it('to be read to the end: not before all pages were opened by the same person', async () => {
    const argumentsJson = JSON.stringify({ text: 'x'.repeat(30_000) })
    const { card, state } = asked({ readAll: true, argumentsJson })
    expect(words(await click(card))).toContain('open what did not fit')
    await dialog('task/fetch', card, { dialog: SHOW_ALL_ACTION })
    expect(words(await click(card))).toContain('open what did not fit')
    const turned = (page: number, user?: string) =>
      dialog('task/submit', card, {
        dialog: NEXT_PAGE_ACTION,
        data: { form: 'arguments', page },
        ...(user && { user }),
      })
    for (const page of [1, 2, 3, 4]) await turned(page, 'Carol')
    expect(words(await click(card))).toContain('open what did not fit')
    expect(await state()).toBe('pending')
    for (const page of [2, 3, 4]) await turned(page)
    await click(card)
    expect(await state()).toBe('approved')
  })

  it.each([0, -1, 1.5, 1e12, 'x', null])('page %j is the nearest one, or none', async (page) => {
    const { card, state } = asked({ readAll: true, argumentsJson: JSON.stringify({ text: 'x'.repeat(30_000) }) })
    await dialog('task/submit', card, { dialog: NEXT_PAGE_ACTION, data: { form: 'arguments', page } })
    await click(card)
    expect(await state()).toBe('pending')
  })

  it('a duration that is none of ours is not taken for this call alone', async () => {
    const { card, state } = asked({ allowForMs: [900_000] })
    for (const countersign_duration of ['forever', '86400000', ['once'], 900_000]) {
      await dialog('task/submit', card, { dialog: APPROVE_VIEW, data: { countersign_duration } })
    }
    expect(await state()).toBe('pending')
  })
})

it.each([
  [DENY_VIEW, { [REASON_INPUT]: 'Not on a Friday.' }],
  [ASK_VIEW, { [QUESTION_INPUT]: 'Which tenant?' }],
])('what was written in %s is not lost where the gateway can store nothing', async (name, data) => {
  const { card, state } = asked()
  const { apply } = part.approvals
  const away = async () => {
    throw new Error('away')
  }
  Object.assign(part.approvals, { apply: away })
  const seen = await dialog('task/submit', card, { dialog: name, data })
  Object.assign(part.approvals, { apply })
  expect(seen).toContain('That failed')
  expect(seen).toContain(`"value":"${Object.values(data).join()}"`)
  expect(await state()).toBe('pending')
})

describe('in the private talk with the person behind the agent', () => {
  const requesterClick = async (messageId: string, user: string, verb: string) => {
    const activity = await part.teams.clickOf({ user, messageId, action: REQUESTER_CANCEL_ACTION, isBaseView: true })
    const { action } = activity.value as { action: JsonObject }
    return seenIn(await part.teams.raw({ activity: { ...activity, value: { action: { ...action, verb } } } }))
  }

  it('nobody else takes it back, answers it, or is shown it', async () => {
    const { id, state } = asked()
    const talk = await part.tellRequester(id, 'Mallory')
    const seen = await requesterClick(talk, 'Mallory', REQUESTER_CANCEL_ACTION)
    expect(seen).toMatchObject({ kind: 'message', text: expect.stringContaining('Only the person behind the agent') })
    const activity = await part.teams.clickOf({
      ...{ user: 'Mallory', messageId: talk, action: REQUESTER_CANCEL_ACTION, isBaseView: true },
    })
    const data = { subject: id, dialog: REQUESTER_ANSWER_ACTION }
    for (const [name, dialogName] of [
      ['task/fetch', REQUESTER_ANSWER_ACTION],
      ['task/submit', ANSWER_VIEW],
    ] as const) {
      const value = { data: { ...data, dialog: dialogName, requester_answer_text: 'trust me' }, context: {} }
      const { body } = await part.teams.raw({ activity: { ...activity, name, value } })
      expect(JSON.stringify(body)).toContain('Only the person behind the agent')
    }
    expect(await state()).toBe('pending')
    expect((await part.approvals.get(id))?.remarks).toEqual([])
  })

  it('a request for a dialog takes nothing back', async () => {
    const { id, state } = asked()
    const talk = await part.tellRequester(id, 'Alice')
    const activity = await part.teams.clickOf({
      ...{ user: 'Alice', messageId: talk, action: REQUESTER_CANCEL_ACTION, isBaseView: true },
    })
    const value = { data: { subject: id, dialog: REQUESTER_CANCEL_ACTION }, context: {} }
    await part.teams.raw({ activity: { ...activity, name: 'task/fetch', value } })
    expect(await state()).toBe('pending')
  })

  it('she takes it back', async () => {
    const { id, state } = asked()
    const talk = await part.tellRequester(id, 'Alice')
    expect((await requesterClick(talk, 'Alice', REQUESTER_CANCEL_ACTION)).kind).toBe('card')
    expect(await state()).toBe('cancelled')
  })
})

it('the log holds neither secrets nor values', () => {
  const log = part.lines.join('\n')
  expect(log).not.toContain('/srv/a.txt')
  expect(log).not.toContain(String(BOB.email))
})
