/** App Home in a person's Slack client: what it shows whom, and what its buttons do. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  APPROVE_ACTION,
  HOME_EXTEND_ACTION,
  HOME_REVIEW_ACTION,
  HOME_REVOKE_ACTION,
  HOME_TAKE_BACK_ACTION,
  REVIEW_VIEW,
} from '../../bots/slack/actions.ts'
import type { ApprovalId, GrantId } from '../../src/brands.ts'
import { epochMs } from '../../src/brands.ts'
import { openStandingGrant, type StandingGrant } from '../../src/grant/standing.ts'
import type { EndedSession, MessageRef, StandingGrants } from '../../src/ports.ts'
import { createDeskRig, type DeskRig } from '../support/access-desk.ts'
import { aReview } from '../support/examples.ts'
import { ALICE, BOB, CAROL, pendingApproval, type SlackGateway, startSlackGateway } from '../support/slack-gateway.ts'

const GUEST = { id: 'U9', name: 'gus', email: 'gus@example.com', isGuest: true }
const reviewerOf = ({ id, email, name }: { id: string; email?: string; name: string }) => ({
  id: `slack:T0FAKE:${id}`,
  email: email?.toLowerCase() ?? null,
  name,
})

function accessGrant(rig: DeskRig): StandingGrant {
  const id = 'apr_granted' as ApprovalId
  const access = {
    ...{ requester: reviewerOf(ALICE), ownerEmail: 'alice@example.com', upstream: 'files', tools: ['write_file'] },
    ...{ durationMs: 3_600_000, reason: 'Migrating', extends: null },
  }
  const approval = pendingApproval({ id, access, reviews: [aReview({ reviewer: reviewerOf(BOB) })] })
  const grant = openStandingGrant(approval, epochMs(Date.now()))
  if (grant === null) throw new Error('access opens a grant')
  rig.grants.set(grant.id, grant)
  rig.approvals.open(approval)
  return grant
}

/** What the desk's rig keeps, as Redis lists it. */
function grantsOf(rig: DeskRig): StandingGrants {
  const active = () => [...rig.grants.values()].filter(({ state }) => state === 'active')
  return {
    use: async () => null,
    get: async (id: GrantId) => rig.grants.get(id) ?? null,
    end: async () => null,
    async listActive({ ownerEmail }) {
      const grants = active().filter(
        ({ holder }) => ownerEmail === undefined || (holder.kind === 'owner' && holder.email === ownerEmail),
      )
      return { grants, total: grants.length }
    },
  }
}

describe('App Home', () => {
  let gateway: SlackGateway
  let rig: DeskRig
  let sessions: EndedSession[]
  beforeEach(async () => {
    rig = createDeskRig()
    rig.now = Date.now()
    sessions = []
    gateway = await startSlackGateway({
      burst: 1000,
      users: [ALICE, BOB, CAROL, GUEST],
      access: rig.desk,
      grants: grantsOf(rig),
      home: {
        sessions: {
          list: async ({ ownerEmail, offset, max }) => {
            const own = ownerEmail === 'alice@example.com' ? sessions : []
            return { sessions: own.slice(offset, offset + max), total: own.length }
          },
        },
      },
    })
  })
  afterEach(() => gateway?.close())

  const open = async (userId: string, part: string) => {
    expect((await gateway.slack.openHome({ userId })).error).toBe(null)
    return shows(userId, part)
  }
  const shows = (userId: string, part: string) =>
    gateway.slack.waitForHome(userId, ({ view }) => JSON.stringify(view).includes(part))
  const lacks = (userId: string, part: string) =>
    gateway.slack.waitForHome(userId, ({ view }) => !JSON.stringify(view).includes(part))

  it('[REQ-ACCESS-5] shows each person what waits for them, and their own requests', async () => {
    await gateway.ask()
    const bobs = JSON.stringify((await open('U2', 'Waits for you (1)')).view)
    expect(bobs).toContain('alice@example.com’s agent wants write_file on files')
    expect(bobs).toContain('Nothing lately.')
    const alices = JSON.stringify((await open('U1', 'What you and your agents asked (1)')).view)
    expect(alices).toContain('Nothing waits for you.')
    expect(alices).not.toContain(HOME_REVIEW_ACTION)
  })

  it('a question to others waits for nobody else', async () => {
    await gateway.ask({ from: ['carol@example.com'] })
    await open('U2', 'Nothing waits for you.')
    await open('U3', 'Waits for you (1)')
  })

  it('Review opens the card, whose buttons decide by the card’s own digest', async () => {
    await gateway.ask()
    await open('U2', 'Waits for you (1)')
    expect((await gateway.slack.clickInHome({ actionId: HOME_REVIEW_ACTION, userId: 'U2' })).ok).toBe(true)
    const view = await gateway.slack.waitForView(({ modal }) => modal.callback_id === REVIEW_VIEW)
    expect(JSON.stringify(view.modal)).toContain('/srv/a.txt')
    await gateway.slack.clickInView({ viewId: view.id, actionId: APPROVE_ACTION, userId: 'U2' })
    expect(gateway.submitted.at(-1)).toMatchObject({
      choice: 'approve',
      reviewer: { email: 'bob@example.com' },
      shown: { digest: expect.stringMatching(/^[0-9a-f]{64}$/), isComplete: true },
    })
    await gateway.slack.waitForView(({ modal }) => JSON.stringify(modal).includes('Approved by Bob'))
    await shows('U2', 'Nothing waits for you.')
  })

  it('one’s own request can be taken back', async () => {
    await gateway.ask()
    await open('U1', HOME_TAKE_BACK_ACTION)
    await gateway.slack.clickInHome({ actionId: HOME_TAKE_BACK_ACTION, userId: 'U1' })
    await shows('U1', 'alice@example.com took it back.')
    expect((await gateway.approvals.listPending()).length).toBe(0)
  })

  it('[REQ-ACCESS-5] a grant is revoked by its holder or its approver, and shown to nobody else', async () => {
    const grant = accessGrant(rig)
    await open('U1', 'Yours on files')
    await open('U2', 'alice@example.com on files')
    await open('U3', 'None. Ask for one with /access.')
    await gateway.slack.clickInHome({ actionId: HOME_REVOKE_ACTION, userId: 'U2' })
    await shows('U2', 'None. Ask for one with /access.')
    expect(rig.grants.get(grant.id)).toMatchObject({ state: 'revoked', endedBy: { email: 'bob@example.com' } })
    // Alice's Home is older: her click is told that nothing is left to revoke.
    await gateway.slack.clickInHome({ actionId: HOME_REVOKE_ACTION, userId: 'U1' })
    await gateway.slack.waitForView(({ modal }) => JSON.stringify(modal).includes('It had ended already.'))
    await shows('U1', 'None. Ask for one with /access.')
  })

  it('[REQ-ACCESS-3] Extend asks anew, for the same tools', async () => {
    const grant = accessGrant(rig)
    await open('U1', HOME_EXTEND_ACTION)
    await gateway.slack.clickInHome({ actionId: HOME_EXTEND_ACTION, userId: 'U1' })
    const view = await gateway.slack.waitForView(({ modal }) => modal.title.text === 'Extend access')
    const texts = { countersign_access_reason: 'It takes longer' }
    await gateway.slack.submitForm({ viewId: view.id, userId: 'U1', texts })
    const asked = (await rig.approvals.listPending()).find(({ access }) => access?.extends === grant.id)
    expect(asked?.access).toMatchObject({ tools: ['write_file'], upstream: 'files', ownerEmail: 'alice@example.com' })
    expect(rig.grants.get(grant.id)?.expiresAt).toBe(grant.expiresAt)
  })

  it('recent sessions link to their summaries, and are paged', async () => {
    const ts = await gateway.ask()
    const one = { upstream: 'files', startedAt: epochMs(1), endedAt: epochMs(2), calls: 1, channel: 'slack' } as const
    sessions = Array.from({ length: 7 }, (_, at) => ({
      ...one,
      recordingId: `rec_${at}`,
      ref: JSON.stringify({ channel: 'C0APPROVALS', ts: at === 0 ? ts : '1.1' }) as MessageRef,
    }))
    const first = JSON.stringify((await open('U1', 'rec_0')).view)
    expect(first).toContain(`https://fake.slack.com/archives/C0APPROVALS/p${ts.replace('.', '')}`)
    expect(first).not.toContain('rec_5')
    await gateway.slack.clickInHome({ actionId: 'countersign_home_page_sessions_next', userId: 'U1' })
    await shows('U1', 'rec_5')
    await lacks('U1', 'rec_0')
    await open('U2', 'None lately.')
  })

  it('a guest is told, and shown nothing', async () => {
    await gateway.ask()
    const home = await open('U9', 'Guests cannot')
    expect(home.view.blocks.length).toBe(1)
  })

  it('many openings are few paintings, and "later" is waited for', async () => {
    gateway.slack.failNext('views.publish', { retryAfterSec: 1 })
    for (let at = 0; at < 10; at += 1) await gateway.slack.openHome({ userId: 'U2' })
    await shows('U2', 'Nothing waits for you.')
    expect(gateway.slack.calls.filter(({ method }) => method === 'views.publish').length).toBeLessThan(5)
  })

  it('the Messages tab paints nothing', async () => {
    await gateway.slack.openHome({ userId: 'U2', tab: 'messages' })
    await open('U3', 'Nothing waits for you.')
    expect(gateway.slack.homeOf('U2')).toBe(null)
  })

  it.each<[string, string]>([
    ['a grant of another kind', 'gnt_abc'],
    ['an approval', 'apr_abc'],
    ['nothing of ours', '../../x'],
  ])('a button whose value was edited to %s changes nothing', async (_sentence, value) => {
    accessGrant(rig)
    const home = await open('U1', HOME_REVOKE_ACTION)
    const payload = {
      type: 'block_actions',
      user: { id: 'U1', team_id: 'T0FAKE' },
      team: { id: 'T0FAKE', domain: 'fake' },
      trigger_id: 'none',
      container: { type: 'view', view_id: home.id },
      view: { id: home.id, ...home.view },
      actions: [{ type: 'button', action_id: HOME_REVOKE_ACTION, block_id: 'b', value }],
    }
    await gateway.slack.sendAgain(payload, 1)
    expect([...rig.grants.values()].map(({ state }) => state)).toEqual(['active'])
  })
})
