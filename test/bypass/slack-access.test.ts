/** Every way to more access than policy offers, or to another's, that anyone found. Rows are never deleted. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { toolsBlockId } from '../../bots/slack/access-view.ts'
import {
  ACCESS_DURATION_BLOCK,
  ACCESS_DURATION_INPUT,
  ACCESS_REASON_BLOCK,
  ACCESS_REASON_INPUT,
  ACCESS_VIEW,
  APPROVE_ACTION,
} from '../../bots/slack/actions.ts'
import type { GrantId } from '../../src/brands.ts'
import { createDeskRig, type DeskRig } from '../support/access-desk.ts'
import type { FakeUser } from '../support/fake-slack-world.ts'
import { ALICE, BOB, CAROL, type SlackGateway, startSlackGateway } from '../support/slack-gateway.ts'

const GUEST: FakeUser = { id: 'U9', name: 'gus', email: 'gus@example.com', isGuest: true }
const TWIN: FakeUser = { id: 'U7', name: 'alice2', email: 'Alice@example.com' }

let gateway: SlackGateway
let rig: DeskRig
beforeAll(async () => {
  gateway = await startSlackGateway({
    burst: 1000,
    users: [ALICE, BOB, CAROL, GUEST, TWIN],
    access: {
      upstreams: (...args) => rig.desk.upstreams(...args),
      offer: (...args) => rig.desk.offer(...args),
      preview: (...args) => rig.desk.preview(...args),
      request: (...args) => rig.desk.request(...args),
      revoke: (...args) => rig.desk.revoke(...args),
    },
  })
})
afterAll(() => gateway?.close())
beforeEach(() => {
  rig = createDeskRig()
})

describe('a form that was tampered with', () => {
  const values = (tools: string[], durationMs = '3600000', upstream = 'files') => ({
    countersign_access_upstream_block: {
      countersign_access_upstream: { type: 'static_select', selected_option: { value: upstream } },
    },
    [toolsBlockId(upstream)]: {
      countersign_access_tools: { type: 'multi_static_select', selected_options: tools.map((value) => ({ value })) },
    },
    [ACCESS_DURATION_BLOCK]: {
      [ACCESS_DURATION_INPUT]: { type: 'static_select', selected_option: { value: durationMs } },
    },
    [ACCESS_REASON_BLOCK]: { [ACCESS_REASON_INPUT]: { type: 'plain_text_input', value: 'Because' } },
  })
  const payload = (userId: string, state: object, metadata = '{"extends":null}') => ({
    type: 'view_submission',
    user: { id: userId, name: 'x', team_id: 'T0FAKE' },
    team: { id: 'T0FAKE', domain: 'fake' },
    view: {
      id: 'V0FORGED',
      hash: 'h',
      type: 'modal',
      callback_id: ACCESS_VIEW,
      private_metadata: metadata,
      blocks: [{ block_id: ACCESS_REASON_BLOCK }],
      state: { values: state },
    },
    response_urls: [],
  })
  const rows: [string, () => object][] = [
    ['a tool that policy does not offer', () => payload('U1', values(['move_file']))],
    ['a tool that is not listed', () => payload('U1', values(['rm_rf']))],
    ['all tools', () => payload('U1', values(['*']))],
    ['longer than policy offers', () => payload('U1', values(['write_file'], '999999999'))],
    ['a duration that is no number', () => payload('U1', values(['write_file'], 'forever'))],
    ['another upstream', () => payload('U1', values(['write_file'], '3600000', 'pg-prod'))],
    ['a guest’s hand', () => payload('U9', values(['write_file']))],
    ['nobody’s hand', () => payload('U0NOBODY', values(['write_file']))],
    ['somebody else’s grant', () => payload('U2', values([]), '{"extends":"stg_alices"}')],
    ['a grant’s id of another kind', () => payload('U1', values(['write_file']), '{"extends":"gnt_x"}')],
    ['metadata that is no JSON', () => payload('U1', values(['write_file']), '{')],
    [
      'an owner in the metadata',
      () => payload('U2', values(['move_file']), '{"extends":null,"ownerEmail":"alice@example.com"}'),
    ],
    ['no values at all', () => payload('U1', {})],
  ]
  it.each(rows)('[REQ-ACCESS-2] by %s asks nobody, and says so', async (_sentence, forged) => {
    const alices = { holder: { kind: 'owner', email: 'alice@example.com' }, state: 'active' } as never
    rig.grants.set('stg_alices' as GrantId, alices)
    const [ack] = await gateway.slack.sendAgain(forged(), 1)
    expect(ack?.body).toMatchObject({ response_action: 'errors' })
    expect(await rig.approvals.listPending()).toEqual([])
    expect(rig.events).toEqual([])
  })

  it('[REQ-ACCESS-1] always asks for the agents of whoever submits', async () => {
    await gateway.slack.sendAgain(
      payload('U2', values(['write_file']), '{"extends":null,"ownerEmail":"alice@example.com"}'),
      1,
    )
    const [approval] = await rig.approvals.listPending()
    expect(approval?.access).toMatchObject({ ownerEmail: 'bob@example.com', requester: { id: 'slack:T0FAKE:U2' } })
  })
})

describe('who asked for access approves it by no other way', () => {
  it.each<[string, string]>([
    ['their own click', 'U1'],
    ['a second account with the same address', 'U7'],
  ])('[REQ-ACCESS-1] %s', async (_sentence, userId) => {
    const outcome = await rig.desk.request({
      requester: { id: 'slack:T0FAKE:U1', email: 'alice@example.com', name: 'Alice' },
      ...{ upstream: 'files', tools: ['read_file'], durationMs: 3_600_000, reason: `By ${userId}`, extends: null },
    })
    if (!outcome.ok) throw new Error(outcome.message)
    const { access, principal, tool } = outcome.approval
    const messageTs = await gateway.ask({ id: outcome.approval.id, access, principal, tool, rule: 'reading' })
    await gateway.slack.click({ messageTs, actionId: APPROVE_ACTION, userId })
    await gateway.slack.waitForEphemeral((one) => one.userId === userId && one.text.includes('can’t review'))
    expect(await gateway.approvals.get(outcome.approval.id)).toMatchObject({ state: 'pending', reviews: [] })
  })
})
