/** The fake Slack refuses what Slack documents as refused: a lenient fake would prove nothing. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type FakeSlack, startFakeSlack } from '../support/fake-slack.ts'
import { ruleMessageBlocks, ruleModal } from '../support/slack-block-rules.ts'

const plain = (text: string) => ({ type: 'plain_text', text })
const button = (id: string) => ({ type: 'button', text: plain('x'), action_id: id })
const rich = (...elements: unknown[]) => ({ type: 'rich_text', elements })

describe('blocks', () => {
  const rows: [string, unknown[], string][] = [
    ['a type that does not exist', [{ type: 'heading', text: plain('x') }], 'invalid_blocks'],
    ['a field that does not exist', [{ type: 'divider', color: 'red' }], 'invalid_blocks'],
    ['fifty-one blocks', Array(51).fill({ type: 'divider' }), 'invalid_blocks'],
    ['a header of 151 characters', [{ type: 'header', text: plain('x'.repeat(151)) }], 'invalid_blocks'],
    ['a header in mrkdwn', [{ type: 'header', text: { type: 'mrkdwn', text: 'x' } }], 'invalid_blocks'],
    ['a section of 3001 characters', [{ type: 'section', text: plain('x'.repeat(3001)) }], 'invalid_blocks'],
    ['an empty text', [{ type: 'section', text: plain('') }], 'invalid_blocks'],
    [
      'an empty rich text',
      [rich({ type: 'rich_text_section', elements: [{ type: 'text', text: '' }] })],
      'invalid_blocks',
    ],
    [
      'twenty-six buttons',
      [{ type: 'actions', elements: Array.from({ length: 26 }, (_, at) => button(`b${at}`)) }],
      'invalid_blocks',
    ],
    ['two buttons of one action_id', [{ type: 'actions', elements: [button('b'), button('b')] }], 'invalid_blocks'],
    [
      'a button’s value of 2001 characters',
      [{ type: 'actions', elements: [{ ...button('b'), value: 'x'.repeat(2001) }] }],
      'invalid_blocks',
    ],
    [
      'a button’s label of 76 characters',
      [{ type: 'actions', elements: [{ ...button('b'), text: plain('x'.repeat(76)) }] }],
      'invalid_blocks',
    ],
    ['two blocks of one block_id', Array(2).fill({ type: 'divider', block_id: 'b' }), 'invalid_blocks'],
    ['a block_id of 256 characters', [{ type: 'divider', block_id: 'x'.repeat(256) }], 'invalid_blocks'],
    ['eleven elements of a context', [{ type: 'context', elements: Array(11).fill(plain('x')) }], 'invalid_blocks'],
    [
      'more than Slack takes in all',
      Array(5).fill({ type: 'section', text: plain('x'.repeat(2900)) }),
      'msg_blocks_too_long',
    ],
  ]
  it.each(rows)('%s is refused', (_sentence, blocks, error) => {
    expect(ruleMessageBlocks(JSON.stringify(blocks))).toMatchObject({ ok: false, error })
  })

  const modal = { type: 'modal', title: plain('x'), blocks: [{ type: 'divider' }] }
  const input = { type: 'input', label: plain('x'), element: { type: 'plain_text_input', action_id: 'i' } }
  const views: [string, unknown][] = [
    ['a title of 25 characters', { ...modal, title: plain('x'.repeat(25)) }],
    ['a question without a submit button', { ...modal, blocks: [input] }],
    ['private_metadata of 3001 characters', { ...modal, private_metadata: 'x'.repeat(3001) }],
    ['101 blocks', { ...modal, blocks: Array(101).fill({ type: 'divider' }) }],
  ]
  it.each(views)('a modal with %s is refused', (_sentence, view) => {
    expect(ruleModal(JSON.stringify(view))).toMatchObject({ ok: false, error: 'invalid_arguments' })
    expect(ruleModal(JSON.stringify(modal))).toMatchObject({ ok: true })
  })
})

describe('the Web API', () => {
  let slack: FakeSlack
  beforeAll(async () => {
    slack = await startFakeSlack({ scopes: ['chat:write'], burst: 3, users: [{ id: 'U2', name: 'bob' }] })
  })
  afterAll(() => slack.close())

  async function call(method: string, args: Record<string, string>, token: string | null = slack.botToken) {
    const headers = token === null ? {} : { authorization: `Bearer ${token}` }
    const response = await fetch(slack.apiUrl + method, { method: 'POST', headers, body: new URLSearchParams(args) })
    const answer = (await response.json()) as { ok: boolean; error?: string; ts?: string }
    return { status: response.status, retryAfter: response.headers.get('retry-after'), ...answer }
  }

  it('wants a token, and a known one', async () => {
    expect(await call('auth.test', {}, null)).toMatchObject({ ok: false, error: 'not_authed' })
    expect(await call('auth.test', {}, 'xoxb-other')).toMatchObject({ ok: false, error: 'invalid_auth' })
    expect(await call('apps.connections.open', {})).toMatchObject({ ok: false, error: 'invalid_auth' })
  })

  it('wants the scope of a method', async () => {
    expect(await call('users.info', { user: 'U2' })).toMatchObject({ error: 'missing_scope', needed: 'users:read' })
  })

  it('takes about one message a second and channel, then says how long to wait', async () => {
    const post = () => call('chat.postMessage', { channel: 'C0SUMMARIES', text: 'x' })
    for (let sent = 0; sent < 3; sent += 1) expect(await post()).toMatchObject({ ok: true })
    expect(await post()).toMatchObject({ status: 429, retryAfter: '1', error: 'ratelimited' })
    expect(await call('chat.postMessage', { channel: 'C0APPROVALS', text: 'x' })).toMatchObject({ ok: true })
  })

  it('knows its channels and messages', async () => {
    expect(await call('chat.postMessage', { channel: 'C0OTHER', text: 'x' })).toMatchObject({
      error: 'channel_not_found',
    })
    const gone = { channel: 'C0APPROVALS', ts: '1.2', text: 'x' }
    expect(await call('chat.update', gone)).toMatchObject({ error: 'message_not_found' })
    expect(await call('chat.postMessage', { channel: 'C0APPROVALS' })).toMatchObject({ error: 'no_text' })
  })

  it('takes a trigger_id once, and a response_url five times', async () => {
    const blocks = JSON.stringify([{ type: 'actions', elements: [button('b')] }])
    const { ts } = await call('chat.postMessage', { channel: 'C0APPROVALS', text: 'x', blocks })
    const payload = slack.payloadOf({ messageTs: ts ?? '', actionId: 'b', userId: 'U2' })
    const view = JSON.stringify({ type: 'modal', title: plain('x'), blocks: [] })
    const open = (trigger_id: string) => call('views.open', { trigger_id, view })
    expect(await open(payload.trigger_id)).toMatchObject({ ok: true })
    expect(await open(payload.trigger_id)).toMatchObject({ error: 'exchanged_trigger_id' })
    expect(await open('1.2.3')).toMatchObject({ error: 'invalid_trigger_id' })
    const respond = () => fetch(payload.response_url, { method: 'POST', body: JSON.stringify({ text: 'x' }) })
    for (let used = 0; used < 5; used += 1) expect((await respond()).status).toBe(200)
    expect((await respond()).status).toBe(404)
  })
})
