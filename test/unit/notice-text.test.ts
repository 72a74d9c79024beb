/** What a notice says, in every channel. */
import { describe, expect, it } from 'vitest'
import { noticeMessage } from '../../bots/slack/notice-blocks.ts'
import type { ApprovalId, GrantId, SessionId } from '../../src/brands.ts'
import { epochMs, principalId } from '../../src/brands.ts'
import type { StandingGrant } from '../../src/grant/standing.ts'
import { noticeText } from '../../src/notice/notice-text.ts'
import type { Notice } from '../../src/ports.ts'
import { ruleMessageBlocks } from '../support/slack-block-rules.ts'
import { textsOf } from '../support/slack-text-walker.ts'

const at = epochMs(Date.UTC(2030, 0, 2, 3, 4, 5))
const bob = { id: 'slack:T0FAKE:U2', email: 'bob@example.com', name: 'Bob' }

function grant(change: Partial<StandingGrant> = {}): StandingGrant {
  return {
    id: 'stg_a' as GrantId,
    state: 'expired',
    approvalId: 'apr_a' as ApprovalId,
    sessionId: 'ses_a' as SessionId,
    holder: { kind: 'owner', email: 'alice@example.com' },
    upstream: 'files',
    tools: ['write_file', 'delete_file'],
    rule: null,
    reason: 'Moving the archive.',
    approvedBy: [bob],
    openedAt: epochMs(at - 1_800_000),
    expiresAt: at,
    endedAt: at,
    endedBy: null,
    uses: { delete_file: 2, write_file: 1_300 },
    ...change,
  }
}

const principal = {
  id: principalId('https://issuer.example', '00u1'),
  issuer: 'https://issuer.example',
  subject: '00u1',
  client: 'desktop-agent',
  email: null,
}
const freeze = { scope: { kind: 'upstream', upstream: 'pg-prod' }, by: bob, at, reason: 'Odd deletions.' } as const
const ended = { approvals: 1, grants: 2 }

const NOTICES: [string, Notice, string][] = [
  [
    'grant-expired',
    { type: 'grant_ended', grant: grant() },
    'The access of alice@example.com’s agents to files expired',
  ],
  [
    'grant-revoked',
    {
      type: 'grant_ended',
      grant: grant({ state: 'revoked', endedBy: bob, tools: ['*'], uses: {}, holder: { kind: 'agent', principal } }),
    },
    'The access of 00u1’s agent to files was revoked by Bob (bob@example.com)',
  ],
  ['frozen-upstream', { type: 'frozen', freeze, ended }, 'Frozen by Bob (bob@example.com): every call to pg-prod'],
  [
    'frozen-all',
    { type: 'frozen', freeze: { ...freeze, scope: { kind: 'all' }, reason: null }, ended },
    'Frozen by Bob (bob@example.com): every call of every agent',
  ],
  [
    'thawed-agent',
    { type: 'thawed', scope: { kind: 'agent', owner: 'alice@example.com' }, by: bob, at },
    'Thawed by Bob (bob@example.com): every call of alice@example.com’s agents',
  ],
]

describe('each notice', () => {
  it.each(NOTICES)('%s says what happened and who did it', (_name, notice, headline) => {
    expect(noticeText(notice).headline).toBe(headline)
  })

  it.each(NOTICES)('%s looks in Slack as agreed', async (name, notice) => {
    const message = noticeMessage(noticeText(notice))
    expect(ruleMessageBlocks(JSON.stringify(message.blocks))).toMatchObject({ ok: true })
    await expect(`${JSON.stringify(message, null, 2)}\n`).toMatchFileSnapshot(`golden/slack/notice-${name}.json`)
  })
})

describe('what a grant was used for', () => {
  const done = (uses: StandingGrant['uses']) =>
    noticeText({ type: 'grant_ended', grant: grant({ uses }) }).facts.find(({ name }) => name === 'Done under it')
      ?.value

  it.each<[string, StandingGrant['uses'], string]>([
    ['nothing', {}, 'nothing'],
    ['one call', { write_file: 1 }, '1 call: write_file ×1'],
    ['most used first', { a: 1, b: 2_000, c: 1 }, '2,002 calls: b ×2,000, a ×1, c ×1'],
  ])('is counted by tool: %s', (_sentence, uses, text) => {
    expect(done(uses)).toBe(text)
  })

  it('stays short, and says so, where hundreds of tools were used', () => {
    const uses = Object.fromEntries(Array.from({ length: 300 }, (_, at) => [`tool_${at}`, 300 - at]))
    expect(done(uses)).toMatch(/^45,150 calls: tool_0 ×300, .* and 280 more tools$/)
  })
})

describe('text from outside', () => {
  const evil = '<!channel> *x* \u202e _y_ <https://evil.example|z> :smile:'
  const notices: Notice[] = [
    { type: 'frozen', freeze: { ...freeze, reason: evil, by: { ...bob, name: evil } }, ended },
    { type: 'grant_ended', grant: grant({ reason: evil, upstream: evil, tools: [evil], uses: { [evil]: 1 } }) },
    { type: 'thawed', scope: { kind: 'agent', owner: evil }, by: { ...bob, name: evil }, at },
  ]
  it.each(notices)('formats, links and mentions nothing, and hides nothing', (notice) => {
    const { text, blocks } = noticeMessage(noticeText(notice))
    expect(text).not.toMatch(/[<>*`~\u202e]/)
    for (const { formats, text: shown } of textsOf(blocks)) {
      expect(shown).not.toContain('\u202e')
      if (formats) expect(shown).toMatch(/^<!date\^\d+\^[^>]*>$/)
    }
  })

  it('cannot make a notice that Slack refuses', () => {
    const long = '😀"\\'.repeat(5_000)
    for (const notice of [
      { type: 'frozen', freeze: { ...freeze, reason: long, by: { ...bob, name: long } }, ended },
      { type: 'grant_ended', grant: grant({ reason: long, upstream: long, tools: [long], approvedBy: [bob, bob] }) },
    ] as Notice[]) {
      expect(ruleMessageBlocks(JSON.stringify(noticeMessage(noticeText(notice)).blocks))).toMatchObject({ ok: true })
    }
  })
})
