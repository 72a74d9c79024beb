/** App Home, within Slack's limits whatever is stored. */
import { describe, expect, it } from 'vitest'
import { FIRST_PAGES, type HomeContent, pagesText, readPages } from '../../bots/chat/home.ts'
import { HOME_ROWS_MAX } from '../../bots/chat/limits.ts'
import { closedHomeView, homeView, reviewView } from '../../bots/slack/app-home-view.ts'
import type { ApprovalId, GrantId, SessionId } from '../../src/brands.ts'
import { epochMs } from '../../src/brands.ts'
import type { StandingGrant } from '../../src/grant/standing.ts'
import type { EndedSession, MessageRef } from '../../src/ports.ts'
import { aReview } from '../support/examples.ts'
import { ruleHome, ruleModal } from '../support/slack-block-rules.ts'
import { pendingApproval } from '../support/slack-gateway.ts'
import { textsOf } from '../support/slack-text-walker.ts'

const AT = epochMs(Date.UTC(2030, 0, 2, 3, 4, 5))
const bob = { id: 'slack:T0FAKE:U2', email: 'bob@example.com', name: 'Bob' }
const waiting = pendingApproval({ requestedAt: AT, expiresAt: epochMs(AT + 900_000) })
const denied = pendingApproval({
  id: 'apr_denied' as ApprovalId,
  requestedAt: AT,
  state: 'denied',
  resolvedAt: epochMs(AT + 60_000),
  reviews: [aReview({ reviewer: bob, choice: 'deny', reason: 'Not on a Friday.' })],
})
const grant: StandingGrant = {
  id: 'stg_one' as GrantId,
  state: 'active',
  approvalId: 'apr_one' as ApprovalId,
  sessionId: 'ses_one' as SessionId,
  holder: { kind: 'owner', email: 'alice@example.com' },
  upstream: 'files',
  tools: ['write_file', 'edit_file'],
  rule: null,
  reason: 'Migrating',
  approvedBy: [bob],
  openedAt: AT,
  expiresAt: epochMs(AT + 3_600_000),
  endedAt: null,
  endedBy: null,
  uses: { write_file: 3 },
}
const session: EndedSession = {
  upstream: 'files',
  startedAt: AT,
  endedAt: epochMs(AT + 600_000),
  calls: 4,
  recordingId: 'rec_one',
  channel: 'slack',
  ref: '{}' as MessageRef,
}
const none = { items: [], total: 0 }
const EMPTY: HomeContent = {
  pages: FIRST_PAGES,
  waiting: none,
  unseen: 0,
  requests: none,
  grants: none,
  sessions: none,
}
const link = 'https://fake.slack.com/archives/C0SUMMARIES/p1'
const FULL: HomeContent = {
  pages: FIRST_PAGES,
  waiting: { items: [waiting], total: 1 },
  unseen: 7,
  requests: { items: [waiting, denied], total: 2 },
  grants: {
    items: [
      { grant, isTheirs: true },
      { grant: { ...grant, holder: { kind: 'agent', principal: waiting.principal } }, isTheirs: false },
    ],
    total: 2,
  },
  sessions: {
    items: [
      { session, link },
      { session, link: null },
    ],
    total: 2,
  },
}

describe('each Home', () => {
  it.each<[string, unknown]>([
    ['home-empty', homeView(EMPTY)],
    ['home', homeView(FULL)],
    ['home-closed', closedHomeView('Guests cannot review. Nothing was decided.')],
  ])('%s looks as agreed', async (name, view) => {
    expect(ruleHome(JSON.stringify(view))).toMatchObject({ ok: true })
    await expect(`${JSON.stringify(view, null, 2)}\n`).toMatchFileSnapshot(`golden/slack/${name}.json`)
  })
})

describe('whatever is stored', () => {
  const many = <Item>(item: Item) => ({ items: Array.from({ length: HOME_ROWS_MAX }, () => item), total: 1_000 })
  const long = (text: string) => text.repeat(5_000)
  const nasty = '<!channel> *x* :tada: \u202e\u200b'
  const hostile = pendingApproval({
    tool: nasty + long('t'),
    upstream: long('u'),
    argumentsJson: `{"a":"${long('x')}"}`,
  })
  it.each<[string, HomeContent]>([
    [
      'full pages of four sections',
      {
        ...{ pages: { waiting: 3, requests: 3, grants: 3, sessions: 3 }, unseen: 9_700 },
        ...{ waiting: many(waiting), requests: many(denied), grants: many({ grant, isTheirs: true }) },
        sessions: many({ session, link }),
      },
    ],
    [
      'texts without end, that would format, mention and hide',
      {
        ...{ pages: FIRST_PAGES, unseen: 0 },
        ...{ waiting: many(hostile), requests: many({ ...hostile, state: 'cancelled', cancelReason: nasty }) },
        grants: many({
          grant: { ...grant, tools: Array.from({ length: 50 }, () => nasty + long('y')) },
          isTheirs: true,
        }),
        sessions: many({ session: { ...session, upstream: long('u'), recordingId: nasty }, link: null }),
      },
    ],
  ])('[REQ-CARD-4] %s stay within Slack’s limits, and format nothing', (_sentence, content) => {
    const view = homeView(content)
    expect(ruleHome(JSON.stringify(view))).toMatchObject({ ok: true })
    for (const { formats, text } of textsOf(view.blocks)) {
      if (formats) expect(text).not.toMatch(/channel|tada/)
      expect(text).not.toMatch(/[\u202e\u200b]/)
    }
    expect(ruleModal(JSON.stringify(reviewView(hostile)))).toMatchObject({ ok: true })
  })

  it.each<[string, string | undefined, unknown]>([
    [
      'its own pages',
      pagesText({ waiting: 1, requests: 0, grants: 2, sessions: 3 }),
      { waiting: 1, requests: 0, grants: 2, sessions: 3 },
    ],
    ['nothing', undefined, null],
    ['other text', 'x', null],
    ['too few', '1,2,3', null],
    ['a negative page', '-1,0,0,0', null],
    ['a page beyond all', '99999,0,0,0', null],
  ])('reads pages: %s', (_sentence, text, pages) => {
    expect(readPages(text)).toEqual(pages)
  })
})
