/** The form for elevated access, within Slack's limits whatever an upstream lists. */
import { describe, expect, it } from 'vitest'
import { type AccessForm, toolValue } from '../../bots/chat/access-form.ts'
import {
  accessView,
  askedView,
  extensionView,
  matchingOptions,
  refusalView,
  skeletonView,
  toolOptions,
} from '../../bots/slack/access-view.ts'
import { ACCESS_TOOL } from '../../src/approval/approval.ts'
import type { ApprovalId, GrantId, SessionId } from '../../src/brands.ts'
import { epochMs } from '../../src/brands.ts'
import type { AccessOffer, AccessPreview } from '../../src/ports.ts'
import { ruleModal } from '../support/slack-block-rules.ts'
import { pendingApproval } from '../support/slack-gateway.ts'
import { textsOf } from '../support/slack-text-walker.ts'

const AT = epochMs(Date.UTC(2030, 0, 2, 3, 4, 5))
const HOUR = 3_600_000
const requester = { id: 'slack:T0FAKE:U1', email: 'alice@example.com', name: 'Alice' }

const offer: AccessOffer = {
  tools: [
    { name: 'write_file', description: 'Writes a file.' },
    { name: 'read_file', description: null },
  ],
  offersAll: true,
  longestMs: 4 * HOUR,
}
const preview: AccessPreview = {
  rule: 'writing',
  from: ['dba'],
  quorum: 2,
  longestMs: 4 * HOUR,
  sentences: ['write_file: passes without a card', 'read_file: still denied by rule never'],
}
const form: AccessForm = { upstreams: ['files', 'pg-prod'], upstream: 'files', offer, preview, problem: null }
const grant = {
  id: 'stg_one' as GrantId,
  state: 'active',
  approvalId: 'apr_one' as ApprovalId,
  sessionId: 'ses_one' as SessionId,
  holder: { kind: 'owner', email: 'alice@example.com' },
  upstream: 'files',
  tools: ['write_file'],
  rule: null,
  reason: 'Migrating',
  approvedBy: [],
  openedAt: AT,
  expiresAt: epochMs(AT + HOUR),
  endedAt: null,
  endedBy: null,
  uses: {},
} as const
const asked = pendingApproval({
  upstream: 'files',
  tool: ACCESS_TOOL,
  requestedAt: AT,
  expiresAt: epochMs(AT + HOUR),
  from: ['dba'],
  quorum: 2,
  access: {
    requester,
    ownerEmail: 'alice@example.com',
    upstream: 'files',
    tools: ['write_file'],
    durationMs: HOUR,
    reason: 'Migrating the archive',
    extends: null,
  },
})

describe('each window', () => {
  it.each<[string, unknown]>([
    ['access-skeleton', skeletonView()],
    ['access-refused', refusalView('Guests cannot review. Nothing was decided.')],
    ['access-no-upstream-chosen', accessView({ ...form, upstream: null, offer: null, preview: null })],
    ['access-listing', accessView({ ...form, offer: null, preview: null })],
    ['access-no-tool-chosen', accessView({ ...form, preview: null })],
    ['access-previewed', accessView(form)],
    ['access-extension', extensionView(grant, preview)],
    ['access-asked', askedView(asked, false)],
  ])('[REQ-CARD-1] %s looks as agreed', async (name, view) => {
    expect(ruleModal(JSON.stringify(view))).toMatchObject({ ok: true })
    await expect(`${JSON.stringify(view, null, 2)}\n`).toMatchFileSnapshot(`golden/slack/${name}.json`)
  })
})

const long = (length: number, text = 'x') => text.repeat(Math.ceil(length / text.length)).slice(0, length)
const tools = (count: number, name: (at: number) => string, description: string | null = null) =>
  Array.from({ length: count }, (_, at) => ({ name: name(at), description }))

describe('whatever an upstream lists', () => {
  it.each<[string, Partial<AccessForm>]>([
    ['no tools', { offer: { tools: [], offersAll: false, longestMs: HOUR } }],
    ['100 tools', { offer: { ...offer, offersAll: false, tools: tools(100, (at) => `tool_${at}`) } }],
    ['100 tools and all of them', { offer: { ...offer, tools: tools(100, (at) => `tool_${at}`) } }],
    ['10,000 tools', { offer: { ...offer, tools: tools(10_000, (at) => `tool_${at}`) } }],
    [
      'names of 256 characters that differ in the last',
      { offer: { ...offer, tools: tools(90, (at) => `${long(250)}${at}`, long(5000, '漢')) } },
    ],
    [
      'names that would format, mention and hide',
      { offer: { ...offer, tools: tools(3, (at) => `<!channel> *${at}*\u202e\u200b :tada:`, '<@U1> `x`') } },
    ],
    ['a description of blanks', { offer: { ...offer, tools: tools(3, (at) => `t${at}`, ' \n ') } }],
    [
      'more sentences than fit',
      { preview: { ...preview, sentences: Array.from({ length: 5000 }, (_, at) => long(3000, `${at} 🙂"`)) } },
    ],
    [
      'names of groups without end',
      { preview: { ...preview, from: Array.from({ length: 50 }, (_, at) => long(60, `g${at}`)) } },
    ],
    ['a policy for nobody', { preview: { rule: null, from: [], quorum: 0, longestMs: null, sentences: ['No.'] } }],
    ['200 upstreams', { upstreams: Array.from({ length: 200 }, (_, at) => `upstream-${at}`), upstream: 'upstream-7' }],
    ['an upstream with a long name', { upstreams: [long(63)], upstream: long(63) }],
    ['a minute at most', { offer: { ...offer, longestMs: 60_000 } }],
    ['a problem', { offer: null, problem: long(4000) }],
  ])('[REQ-CARD-4] %s stay within Slack’s limits, and format nothing', (_sentence, change) => {
    const view = accessView({ ...form, ...change })
    expect(ruleModal(JSON.stringify(view))).toMatchObject({ ok: true })
    for (const { formats, text } of textsOf(view.blocks)) {
      expect(formats, text).toBe(false)
      expect(text).not.toMatch(/[\u202e\u200b]/)
    }
  })

  it('more than a menu holds are found by typing', () => {
    const many = { ...offer, tools: tools(10_000, (at) => `tool_${at}`) }
    expect(JSON.stringify(accessView({ ...form, offer: many }))).toContain('multi_external_select')
    expect(JSON.stringify(accessView(form))).toContain('multi_static_select')
    expect(matchingOptions(many, '').length).toBe(100)
    expect(matchingOptions(many, 'TOOL_777').map(({ value }) => value)).toEqual([
      'tool_777',
      ...tools(10, (at) => `tool_777${at}`).map(({ name }) => name),
    ])
    expect(matchingOptions(many, 'no such')).toEqual([])
    expect(matchingOptions(many, 'all').map(({ value }) => value)).toEqual(['*'])
  })

  it('names that Slack can’t carry, or that play a digest, come back as theirs', () => {
    expect(toolValue('pg/read_rows:v1.2-x')).toBe('pg/read_rows:v1.2-x')
    for (const name of ['größe', 'a b', long(151), 'sha256:abc', '*', '"x"']) {
      expect(toolValue(name), name).toMatch(/^sha256:[0-9a-f]{32}$/)
    }
    const values = toolOptions({ ...offer, tools: tools(90, (at) => `${long(250)}${at}`) }).map(({ value }) => value)
    expect(new Set(values).size).toBe(values.length)
  })
})
