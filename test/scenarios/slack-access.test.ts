/** /access in a person's Slack client: the form, what it previews, what a submission does, and every way round it. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { toolsBlockId } from '../../bots/slack/access-view.ts'
import {
  ACCESS_DURATION_BLOCK,
  ACCESS_DURATION_INPUT,
  ACCESS_NOTE_VIEW,
  ACCESS_REASON_BLOCK,
  ACCESS_REASON_INPUT,
  ACCESS_TOOLS_INPUT,
  ACCESS_UPSTREAM_INPUT,
} from '../../bots/slack/actions.ts'
import type { GrantId } from '../../src/brands.ts'
import type { AccessDesk } from '../../src/ports.ts'
import { ACCESS_POLICY, createDeskRig, type DeskRig } from '../support/access-desk.ts'
import type { FakeUser } from '../support/fake-slack-world.ts'
import { ALICE, BOB, CAROL, type SlackGateway, startSlackGateway } from '../support/slack-gateway.ts'

const GUEST: FakeUser = { id: 'U9', name: 'gus', email: 'gus@example.com', isGuest: true }
const UNCONFIRMED: FakeUser = { id: 'U8', name: 'una', email: 'una@example.com', isEmailConfirmed: false }
const PEOPLE = [ALICE, BOB, CAROL, GUEST, UNCONFIRMED]

const TWO_UPSTREAMS = `${ACCESS_POLICY}
  - id: rows
    match: { upstream: pg-prod, tool: "read_*" }
    for: editors
`

/** The desk that the gateway was started with asks the rig of the test that runs. */
function switchedDesk(rig: () => DeskRig): AccessDesk {
  return {
    upstreams: (...args) => rig().desk.upstreams(...args),
    offer: (...args) => rig().desk.offer(...args),
    preview: (...args) => rig().desk.preview(...args),
    request: (...args) => rig().desk.request(...args),
    revoke: (...args) => rig().desk.revoke(...args),
  }
}

describe.each<[string, boolean]>([
  ['over HTTP', false],
  ['over Socket Mode', true],
])('/access %s', (_sentence, socketMode) => {
  let gateway: SlackGateway
  let rig: DeskRig
  let seen = 0
  beforeAll(async () => {
    gateway = await startSlackGateway({
      socketMode,
      burst: 1000,
      users: PEOPLE,
      access: switchedDesk(() => rig),
      grants: { get: async (id: GrantId) => rig.grants.get(id) ?? null } as never,
    })
    if (socketMode) await gateway.slack.waitForConnections(1)
  })
  afterAll(() => gateway?.close())
  beforeEach(() => {
    rig = createDeskRig()
  })
  afterEach(() => {
    seen = gateway.slack.views.length
  })

  const text = (view: { modal: unknown }) => JSON.stringify(view.modal)
  /** The window that this test opened, once it shows something. */
  const shows = (part: string) =>
    gateway.slack.waitForView((view) => gateway.slack.views.indexOf(view) >= seen && text(view).includes(part))
  const open = async (userId = 'U1', typed = '') => {
    const ack = await gateway.slack.slash({ command: '/access', userId, text: typed })
    expect(ack.error, 'acknowledged within 3 s').toBe(null)
    return ack
  }
  const form = async () => {
    await open()
    return shows(ACCESS_TOOLS_INPUT)
  }
  const choose = (viewId: string, actionId: string, ...values: string[]) =>
    gateway.slack.choose({ viewId, userId: 'U1', actionId, values })
  const submit = (viewId: string, reason = 'Migrating the archive', userId = 'U1') =>
    gateway.slack.submitForm({ viewId, userId, texts: { [ACCESS_REASON_INPUT]: reason } })

  it('[REQ-ACCESS-4] opens a form at once, previews what policy will say, and asks', async () => {
    const view = await form()
    expect(text(view)).not.toContain('move_file')
    await choose(view.id, ACCESS_TOOLS_INPUT, 'write_file', 'drop_table')
    await shows('write_file: passes without a card')
    expect(text(view)).toContain('drop_table: still denied by rule off-limits')
    expect(text(view)).toContain('; 2 of them must approve; at most 4 hours')
    await choose(view.id, ACCESS_DURATION_INPUT, '7200000')
    const ack = await submit(view.id)
    expect(ack.body).toMatchObject({ response_action: 'update' })
    expect(text(view)).toContain('alice@example.com asks for access to 2 tools on files for 2 hours')
    const [approval] = await rig.approvals.listPending()
    expect(approval).toMatchObject({
      rule: 'writing',
      access: {
        requester: { id: 'slack:T0FAKE:U1', email: 'alice@example.com' },
        ownerEmail: 'alice@example.com',
        tools: ['drop_table', 'write_file'],
        durationMs: 7_200_000,
        reason: 'Migrating the archive',
      },
    })
  })

  it('a choice that comes later than its successor’s answer paints nothing over it', async () => {
    const view = await form()
    const first = choose(view.id, ACCESS_TOOLS_INPUT, 'read_file')
    const second = choose(view.id, ACCESS_TOOLS_INPUT, 'edit_file')
    await Promise.all([first, second])
    await shows('edit_file: still denied by the default')
    expect(text(view)).not.toContain('read_file: allowed')
  })

  it('what is too long is told under the input, and nobody is asked', async () => {
    const view = await form()
    await choose(view.id, ACCESS_TOOLS_INPUT, 'write_file')
    await choose(view.id, ACCESS_DURATION_INPUT, String(8 * 3_600_000))
    const ack = await submit(view.id)
    expect(ack.body).toEqual({
      response_action: 'errors',
      errors: { [ACCESS_DURATION_BLOCK]: 'At most 4h: rule writing offers no longer.' },
    })
    expect(await rig.approvals.listPending()).toEqual([])
  })

  it('[REQ-ACCESS-2] a tool that is gone since is told under the tools', async () => {
    const view = await form()
    await choose(view.id, ACCESS_TOOLS_INPUT, 'write_file')
    rig = createDeskRig({ tools: ['read_file'] })
    expect((await submit(view.id)).body).toEqual({
      response_action: 'errors',
      errors: { [toolsBlockId('files')]: 'One of these is not listed by files.' },
    })
  })

  it('a fault is told, and the form can be submitted again', async () => {
    const view = await form()
    await choose(view.id, ACCESS_TOOLS_INPUT, 'write_file')
    rig.fault = 'recording'
    expect((await submit(view.id)).body).toMatchObject({
      response_action: 'errors',
      errors: { [ACCESS_REASON_BLOCK]: expect.stringContaining('That failed') },
    })
    expect(await rig.approvals.listPending()).toEqual([])
  })

  it('an upstream that does not answer leaves the choice of another', async () => {
    rig.fault = 'listing'
    await open()
    const view = await shows('could not be listed')
    expect(text(view)).toContain(ACCESS_UPSTREAM_INPUT)
  })

  it('of several upstreams one is chosen first, and another one’s tools never stay', async () => {
    rig = createDeskRig({ policy: TWO_UPSTREAMS, editors: ['alice@example.com'] })
    await open()
    const view = await shows(ACCESS_UPSTREAM_INPUT)
    expect(text(view)).not.toContain(ACCESS_TOOLS_INPUT)
    await choose(view.id, ACCESS_UPSTREAM_INPUT, 'files')
    await shows(toolsBlockId('files'))
    await choose(view.id, ACCESS_TOOLS_INPUT, '*')
    await shows('And whatever it lists later')
    await choose(view.id, ACCESS_UPSTREAM_INPUT, 'pg-prod')
    await shows('It lists no tool now')
    await open('U1', 'files')
    await gateway.slack.waitForView(
      (other) =>
        gateway.slack.views.indexOf(other) > gateway.slack.views.indexOf(view) &&
        text(other).includes(toolsBlockId('files')),
    )
  })

  it('of more tools than a menu holds, those that are typed are found', async () => {
    const tools = Array.from({ length: 150 }, (_, at) => `read_${at}`)
    rig = createDeskRig({ tools: [...tools, 'read_größe', 'write_file'] })
    const view = await form()
    expect(text(view)).toContain('multi_external_select')
    const typing = { viewId: view.id, userId: 'U1', actionId: ACCESS_TOOLS_INPUT }
    expect((await gateway.slack.typeInMenu({ ...typing, typed: 'read_14' })).map(({ value }) => value)).toEqual([
      'read_14',
      ...Array.from({ length: 10 }, (_, at) => `read_14${at}`),
    ])
    const twice = [await gateway.slack.typeInMenu({ ...typing, typed: 'größe' })]
    twice.push(await gateway.slack.typeInMenu({ ...typing, typed: 'größe' }))
    expect(twice[1], 'the same again is answered again').toEqual(twice[0])
    const [umlaut] = twice[0] ?? []
    await choose(view.id, ACCESS_TOOLS_INPUT, 'read_140', String(umlaut?.value))
    await shows('read_größe: allowed anyway')
    await submit(view.id)
    const [approval] = await rig.approvals.listPending()
    expect(approval?.access?.tools).toEqual(['read_140', 'read_größe'])
  })

  it.each<[string, string, string]>([
    ['a guest', 'U9', 'Guests cannot'],
    ['a person without a confirmed address', 'U8', 'no confirmed e-mail address'],
  ])('[REQ-ACCESS-2] %s is told, and can submit nothing', async (_who, userId, part) => {
    await open(userId)
    const view = await shows(part)
    expect(view.modal.submit).toBe(undefined)
  })

  it('where policy offers nothing, the form says so', async () => {
    rig = createDeskRig({ policy: 'version: 1\nrules: []' })
    await open()
    expect((await shows('lets you ask for nothing')).modal.callback_id).toBe(ACCESS_NOTE_VIEW)
  })

  it('where Slack opens no form, the person is told', async () => {
    gateway.slack.failNext('views.open', { error: 'internal_error' })
    expect(JSON.stringify((await open()).body)).toContain('Slack did not open the form')
  })

  it('a workspace that we are not in opens nothing', async () => {
    const before = gateway.slack.views.length
    const ack = await gateway.slack.slash({ command: '/access', userId: 'U1', teamId: 'T0OTHER' })
    expect(ack.ok && !socketMode).toBe(false)
    expect(gateway.slack.views.length).toBe(before)
  })
})
