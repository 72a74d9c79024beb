/** Every way to freeze or thaw by Slack without being allowed to, or somebody else than was meant. Rows are never deleted. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Ack } from '../support/fake-slack-client.ts'
import type { FakeUser } from '../support/fake-slack-world.ts'
import { BOB, type SlackGateway, startSlackGateway } from '../support/slack-gateway.ts'

let gateway: SlackGateway

const say = (text: string, userId = BOB.id, more: { isUnescaped?: boolean; teamId?: string } = {}) =>
  gateway.slack.command({ command: '/countersign', text, userId, ...more })
const textOf = ({ body }: Ack) => {
  const { response_type: type, blocks } = (body ?? {}) as {
    response_type?: string
    blocks?: { text: { text: string } }[]
  }
  expect(type, 'only this person sees it').toBe('ephemeral')
  return blocks?.map(({ text }) => text.text).join('\n') ?? ''
}
const frozen = () => [...gateway.frozen.keys()]

describe('[REQ-FREEZE-2] who may not', () => {
  beforeAll(async () => {
    gateway = await startSlackGateway({ operators: ['bob@example.com'] })
  })
  afterAll(() => gateway?.close())

  it.each<[string, FakeUser, RegExp]>([
    ['a guest', { id: 'UG1', name: 'guest', email: 'bob@example.com', isGuest: true }, /Guests cannot/],
    [
      'a member of another workspace',
      { id: 'UO1', name: 'other', email: 'bob@example.com', teamId: 'T0OTHER' },
      /Only members/,
    ],
    ['a bot', { id: 'UB1', name: 'robot', isBot: true }, /Bots cannot/],
    [
      'an address that is not confirmed',
      { id: 'UN1', name: 'n', email: 'bob@example.com', isEmailConfirmed: false },
      /no confirmed/,
    ],
    [
      'who is no operator',
      { id: 'UX1', name: 'x', email: 'x@example.com' },
      /Only bob@example\.com \(people\.operators\) may/,
    ],
  ])('%s', async (_sentence, user, told) => {
    gateway.slack.addUser(user)
    expect(textOf(await say('freeze all', user.id))).toMatch(told)
    expect(frozen()).toEqual([])
    expect(gateway.freezeEvents).toEqual([])
  })

  it('a command of another workspace is refused as a whole', async () => {
    expect((await say('freeze all', BOB.id, { teamId: 'T0OTHER' })).status).toBe(403)
    expect(frozen()).toEqual([])
  })

  it('a mention names whom its id names, whatever name stands beside it', async () => {
    await say('freeze <@U1|carol>', BOB.id, { isUnescaped: true })
    expect(frozen()).toEqual(['agent:alice@example.com'])
    await say('thaw alice@example.com')
  })

  it('a mention of somebody whom another workspace vouches for freezes nobody', async () => {
    gateway.slack.addUser({ id: 'UO2', name: 'stranger', email: 'alice@example.com', teamId: 'T0OTHER' })
    expect(textOf(await say('freeze @stranger'))).toMatch(/no confirmed address of theirs in this workspace/)
    expect(frozen()).toEqual([])
  })

  it('a forged signature runs nothing', async () => {
    const payload = gateway.slack.slashPayloadOf({ command: '/countersign', text: 'freeze all', userId: BOB.id })
    const rawBody = new URLSearchParams(payload).toString()
    const ack = await gateway.slack.deliver({ payload: null, rawBody, signature: `v0=${'0'.repeat(64)}` })
    expect(ack.status).toBe(401)
    expect(frozen()).toEqual([])
  })

  it('a thaw that is replayed, also with another body, does not undo a later freeze', async () => {
    await say('freeze files')
    const thaw = gateway.slack.slashPayloadOf({ command: '/countersign', text: 'thaw files', userId: BOB.id })
    await gateway.slack.sendSlash(thaw)
    await say('freeze files')
    await gateway.slack.sendSlash(thaw)
    await gateway.slack.sendSlash({ ...thaw, user_name: 'another' })
    expect(frozen()).toEqual(['upstream:files'])
    await say('thaw files')
  })

  it('an agent named in other letters is the same agent, frozen and thawed', async () => {
    await say('freeze ALICE@Example.com')
    expect(frozen()).toEqual(['agent:alice@example.com'])
    await say('thaw agent:alice@EXAMPLE.com')
    expect(frozen()).toEqual([])
  })

  it.each([
    ['a zero-width space', 'ali\u200bce@example.com'],
    ['a reversed text', '\u202emoc.elpmaxe@ecila'],
    ['a soft hyphen', 'al\u00adice@example.com'],
  ])('%s in a name freezes nobody in another’s place', async (_sentence, name) => {
    expect(textOf(await say(`freeze ${name}`))).toMatch(/holds characters that no name has/)
    expect(frozen()).toEqual([])
  })
})
