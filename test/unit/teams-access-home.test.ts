/** Elevated access and a person's home in Teams: what they show, within the limits of a card whatever is stored. */
import { describe, expect, it } from 'vitest'
import type { AccessForm } from '../../bots/chat/access-form.ts'
import { jsonBytes } from '../../bots/chat/clip.ts'
import { FIRST_PAGES, type HomeContent } from '../../bots/chat/home.ts'
import { HOME_ROWS_MAX } from '../../bots/chat/limits.ts'
import { accessDialog, askedDialog, choiceOf, NOTHING_WRITTEN } from '../../bots/teams/access-dialog.ts'
import { closedHomeCard, homeCard, welcomeMessage } from '../../bots/teams/home-card.ts'
import { CARD_BYTES_MAX } from '../../bots/teams/limits.ts'
import type { ApprovalId, GrantId, SessionId } from '../../src/brands.ts'
import { epochMs } from '../../src/brands.ts'
import type { StandingGrant } from '../../src/grant/standing.ts'
import type { JsonValue } from '../../src/json/value.ts'
import type { AccessOffer, AccessPreview, EndedSession, MessageRef } from '../../src/ports.ts'
import { cardProblems, everyObject } from '../support/fake-teams-card-rules.ts'
import { pendingApproval } from '../support/slack-gateway.ts'

const AT = epochMs(Date.UTC(2030, 0, 2, 3, 4, 5))
const HOUR = 3_600_000
const NASTY = '**x** [y](https://evil.example) {{DATE(2001-01-01T00:00:00Z)}} \u202e\u200b'

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
  sentences: ['write_file: passes without a card'],
}
const form: AccessForm = { upstreams: ['files', 'pg-prod'], upstream: 'files', offer, preview, problem: null }
const grant: StandingGrant = {
  ...{
    id: 'stg_one' as GrantId,
    state: 'active',
    approvalId: 'apr_one' as ApprovalId,
    sessionId: 'ses_one' as SessionId,
  },
  ...{ holder: { kind: 'owner', email: 'alice@example.com' }, upstream: 'files', tools: ['write_file'], rule: null },
  ...{ reason: 'Migrating', approvedBy: [], openedAt: AT, expiresAt: epochMs(AT + HOUR), endedAt: null, endedBy: null },
  uses: {},
}
const long = (length: number, text = 'x') => text.repeat(Math.ceil(length / text.length)).slice(0, length)
const tools = (count: number, name: (at: number) => string) =>
  Array.from({ length: count }, (_, at) => ({ name: name(at), description: NASTY }))

/** Within the limits, and nothing from outside where a client formats, links or counts time. */
function expectDrawn(card: JsonValue): void {
  expect(cardProblems(card)).toEqual([])
  expect(jsonBytes(card)).toBeLessThanOrEqual(CARD_BYTES_MAX)
  for (const one of everyObject(card)) {
    const texts = [one.text, one.title, one.label].filter((text) => typeof text === 'string')
    for (const text of texts) {
      expect(text).not.toMatch(/[\u202e\u200b]|\{\{DATE\(2001/)
      if (one.type !== 'TextRun') expect(text).not.toMatch(/\]\(|\*\*/)
    }
  }
}

describe('the dialog for access', () => {
  it.each<[string, Partial<AccessForm>]>([
    ['a form', {}],
    ['no server chosen', { upstream: null, offer: null, preview: null }],
    ['its tools being listed', { offer: null, preview: null }],
    ['no tools', { offer: { tools: [], offersAll: false, longestMs: HOUR } }],
    ['tools that would format and hide', { offer: { ...offer, tools: tools(3, (at) => `${NASTY}${at}`) } }],
    ['10,000 tools', { offer: { ...offer, tools: tools(10_000, (at) => `tool_${at}${long(100)}`) } }],
    [
      'sentences without end',
      { preview: { ...preview, sentences: Array.from({ length: 500 }, () => long(3000, NASTY)) } },
    ],
    ['groups without end', { preview: { ...preview, from: Array.from({ length: 50 }, () => long(60, '漢')) } }],
    [
      '200 servers',
      { upstreams: Array.from({ length: 200 }, (_, at) => `s${at}-${long(55)}`), upstream: `s190-${long(55)}` },
    ],
    ['a problem', { offer: null, problem: long(4000, NASTY) }],
  ])('[REQ-CARD-4] %s', (_sentence, change) => {
    const about = { written: NOTHING_WRITTEN, problem: { input: 'tools', message: long(3000, NASTY) } } as const
    expectDrawn(accessDialog({ kind: 'form', form: { ...form, ...change } }, about).card)
  })

  it('puts back all that was written, and says beside the input what is wrong', () => {
    const written = { upstream: 'files', tools: ['write_file', '*'], duration: '7200000', reason: 'For {{x}}' }
    const problem = { input: 'duration', message: 'Choose at most 1 hour.' } as const
    const { card } = accessDialog({ kind: 'form', form }, { written, problem })
    const inputs = [...everyObject(card)].filter(({ type }) => String(type).startsWith('Input.'))
    expect(inputs.map(({ value }) => value)).toEqual(['files', 'write_file,*', '7200000', 'For {\u2060{x}}'])
    const at = card.body.findIndex((one) => JSON.stringify(one).includes('at most 1 hour.'))
    expect(card.body[at - 1]).toMatchObject({ id: 'countersign_access_duration' })
  })

  it('[REQ-CARD-4] keeps what was chosen of many long names', () => {
    const many = { ...offer, tools: tools(5_000, (at) => `${long(140)}${at}`) }
    const chosen = many.tools.slice(4_900, 4_950).map(({ name }) => name)
    const written = { ...NOTHING_WRITTEN, upstream: 'files', tools: chosen, reason: long(500, '漢') }
    const { card } = accessDialog({ kind: 'form', form: { ...form, offer: many } }, { written, problem: null })
    expectDrawn(card)
    expect(JSON.stringify(card)).toContain(chosen.join(','))
    expect(JSON.stringify(card)).toContain('"dataset":"countersign_access_tools:files"')
  })

  it('[REQ-CARD-4] an extension, a refusal and what was asked', () => {
    const about = { written: NOTHING_WRITTEN, problem: null }
    expectDrawn(accessDialog({ kind: 'extension', grant: { ...grant, tools: [NASTY] }, preview }, about).card)
    expectDrawn(accessDialog({ kind: 'refusal', message: NASTY }, about).card)
    const approval = pendingApproval({ upstream: NASTY, from: [NASTY] })
    expectDrawn(askedDialog({ approval, wasAsked: true }).card)
    expect(choiceOf({ value: 'x', title: NASTY, about: null }).title).not.toMatch(/\*\*|\]\(/)
  })
})

describe('a home', () => {
  const session: EndedSession = {
    ...{ upstream: 'files', startedAt: AT, endedAt: epochMs(AT + HOUR), calls: 4, recordingId: 'rec_one' },
    ...{ channel: 'teams', ref: '{}' as MessageRef },
  }
  const many = <Item>(item: Item) => ({ items: Array.from({ length: HOME_ROWS_MAX }, () => item), total: 1_000 })
  const hostile = pendingApproval({ tool: long(5_000, NASTY), upstream: long(5_000, 'u') })
  const none = { items: [], total: 0 }
  const about = { pages: FIRST_PAGES, mri: '29:alice', said: null }
  const rows: [string, HomeContent][] = [
    ['empty', { pages: FIRST_PAGES, waiting: none, unseen: 0, requests: none, grants: none, sessions: none }],
    [
      'full, of texts without end that would format and hide',
      {
        ...{ pages: { waiting: 3, requests: 3, grants: 3, sessions: 3 }, unseen: 9_700, waiting: many(hostile) },
        requests: many({ ...hostile, state: 'cancelled', cancelReason: long(5_000, NASTY) }),
        grants: many({ grant: { ...grant, tools: Array.from({ length: 50 }, () => NASTY) }, isTheirs: true }),
        sessions: many({
          session: { ...session, recordingId: NASTY },
          link: 'https://teams.microsoft.com/l/message/19:x/1',
        }),
      },
    ],
  ]
  it.each(rows)('[REQ-CARD-4] %s', (_sentence, content) => {
    expectDrawn(homeCard(content, { ...about, said: long(3_000, NASTY) }))
  })

  it('[REQ-CARD-4] closed, and the welcome, which holds nothing of anybody', () => {
    expectDrawn(closedHomeCard(NASTY, about))
    expectDrawn(welcomeMessage().card)
  })

  it('asks once more before a grant is revoked, and refreshes for its person alone', () => {
    const content = { ...(rows[0]?.[1] as HomeContent), grants: { items: [{ grant, isTheirs: true }], total: 1 } }
    const card = homeCard(content, about)
    expect(card.refresh?.userIds).toEqual(['29:alice'])
    const unfolds = [...everyObject(card)].find(({ type }) => type === 'Action.ShowCard')
    expect(JSON.stringify(unfolds)).toContain('"verb":"countersign_home_revoke"')
  })
})
