/** Every way to more access than policy offers, or to another's, that anyone found, in Teams. Rows are never deleted. */
import { beforeEach, describe, expect, it } from 'vitest'
import type { WhoClicked } from '../../bots/chat/who-clicked.ts'
import { toolsInputOf } from '../../bots/teams/access-dialog.ts'
import { createAccessFeature } from '../../bots/teams/access-feature.ts'
import type { Asked, Feature } from '../../bots/teams/feature.ts'
import { createTeamsHome } from '../../bots/teams/home-feature.ts'
import { answerInvoke } from '../../bots/teams/invokes.ts'
import { adaptiveCard, words } from '../../bots/teams/text.ts'
import type { GrantId } from '../../src/brands.ts'
import type { JsonObject } from '../../src/json/value.ts'
import { createDeskRig, type DeskRig } from '../support/access-desk.ts'
import { pendingApproval } from '../support/slack-gateway.ts'

const log = { info: () => undefined, warn: () => undefined, error: () => undefined }
const tenantId = 'aaaaaaaa-0000-4000-8000-000000000000'

/** Guests, and whoever Teams knows nothing of, are refused before; see reviewers. */
const whoClicked = async ({ user: { oid } }: Asked): Promise<WhoClicked> =>
  oid === 'alice' || oid === 'bob'
    ? { ok: true, reviewer: { id: `teams:${tenantId}:${oid}`, email: `${oid}@example.com`, name: oid } }
    : { ok: false, message: 'Guests cannot review. Nothing was decided.' }

function askedBy(oid: string, kind: 'personal' | 'channel' = 'personal'): Asked {
  const conversation = { id: 'x', kind, tenantId, serviceUrl: 'https://smba.example', oid: null, teamGroupId: null }
  return { user: { oid, tenantId, mri: `29:${oid}` }, conversation, messageId: null }
}

let rig: DeskRig
let cancelled: string[]
let features: readonly Feature[]
beforeEach(() => {
  rig = createDeskRig()
  cancelled = []
  const get: DeskRig['approvals']['get'] = (id) => rig.approvals.get(id)
  const home = createTeamsHome({
    ...{ get, access: rig.desk, grants: null, whoClicked, log, linkTo: async () => null },
    reviews: {
      remind: async () => Promise.reject(new Error('not asked for')),
      answer: async () => Promise.reject(new Error('not asked for')),
      cancel: async ({ approvalId, reviewer }) => {
        cancelled.push(`${reviewer.id} ${approvalId}`)
        return { ok: false, refusal: 'not_the_requester', message: 'Only who asked may.', approval: null } as never
      },
    },
    approvals: {
      listPendingPage: async () => ({ approvals: await rig.approvals.listPending(), total: 0 }),
      listResolved: async () => [],
    },
    people: { isMember: async () => false },
    sessions: { list: async () => ({ sessions: [], total: 0 }) },
    places: { isFor: async () => false },
    paintApproval: async () => adaptiveCard({ body: [], fallbackText: words`painted` }),
  })
  features = [
    createAccessFeature({ desk: rig.desk, grants: { get: async (id) => rig.grants.get(id) ?? null }, whoClicked, log }),
    home.feature,
  ]
})

const invoke = async (asked: Asked, name: string, value: JsonObject): Promise<string> =>
  JSON.stringify(await answerInvoke({ name, value }, asked, { features, log }))

describe('a dialog that was tampered with', () => {
  const data = (tools: string, change: JsonObject = {}): JsonObject => ({
    dialog: 'countersign_access_ask',
    ...{ extends: null, listed: 'files', countersign_access_upstream: 'files', [toolsInputOf('files')]: tools },
    ...{ countersign_access_duration: '3600000', countersign_access_reason: 'Because', ...change },
  })
  const rows: [string, string, JsonObject][] = [
    ['a tool that policy does not offer', 'alice', data('move_file')],
    ['a tool that is not listed', 'alice', data('rm_rf')],
    ['one that is offered and one that is not', 'alice', data('write_file,move_file')],
    ['all tools', 'alice', data('*')],
    ['longer than policy offers', 'alice', data('write_file', { countersign_access_duration: '999999999' })],
    ['a duration that is no number', 'alice', data('write_file', { countersign_access_duration: 'forever' })],
    ['a duration that is no text', 'alice', data('write_file', { countersign_access_duration: 3_600_000 })],
    [
      'another upstream',
      'alice',
      data('write_file', { countersign_access_upstream: 'pg-prod', [toolsInputOf('pg-prod')]: 'write_file' }),
    ],
    ['a guest’s hand', 'gus', data('write_file')],
    ['nobody’s hand', 'nobody', data('write_file')],
    ['somebody else’s grant', 'bob', data('', { extends: 'stg_alices' })],
    ['a grant’s id of another kind', 'alice', data('write_file', { extends: 'gnt_x' })],
    ['extends that is no text', 'alice', data('write_file', { extends: { id: 'stg_alices' } })],
    ['an owner in the data', 'bob', data('move_file', { ownerEmail: 'alice@example.com' })],
    ['no reason', 'alice', data('write_file', { countersign_access_reason: ' ' })],
    ['no values at all', 'alice', { dialog: 'countersign_access_ask' }],
    ['a step that is none of ours', 'alice', data('write_file', { dialog: 'countersign_access_grant' })],
  ]
  describe.each(['task/submit', 'composeExtension/submitAction'])('%s', (name) => {
    it.each(rows)('[REQ-ACCESS-2] by %s asks nobody, and says so', async (_sentence, oid, forged) => {
      const holder = { kind: 'owner', email: 'alice@example.com' }
      rig.grants.set('stg_alices' as GrantId, { holder, state: 'active', upstream: 'files', tools: ['x'] } as never)
      const answer = await invoke(askedBy(oid), name, { commandId: 'countersign_access', data: forged })
      expect(answer).toMatch(/^\{"task":/)
      expect(answer).not.toContain('Asked.')
      expect(await rig.approvals.listPending()).toEqual([])
      expect(rig.events).toEqual([])
    })
  })

  it('[REQ-ACCESS-1] always asks for the agents of whoever submits, and posts nothing to where they are', async () => {
    const about = { commandId: 'countersign_access', data: data('write_file', { ownerEmail: 'alice@example.com' }) }
    const answer = await invoke(askedBy('bob', 'channel'), 'composeExtension/submitAction', about)
    expect(answer).toContain('Asked.')
    expect(answer).not.toContain('composeExtension')
    const [approval] = await rig.approvals.listPending()
    expect(approval?.access).toMatchObject({
      ownerEmail: 'bob@example.com',
      requester: { id: `teams:${tenantId}:bob` },
    })
  })

  it('[REQ-ACCESS-2] another person’s grant is not even shown', async () => {
    const holder = { kind: 'owner', email: 'alice@example.com' }
    rig.grants.set(
      'stg_alices' as GrantId,
      { holder, state: 'active', upstream: 'secret-files', tools: ['x'] } as never,
    )
    const forged = { dialog: 'countersign_access_extend', grant: 'stg_alices' }
    const answer = await invoke(askedBy('bob'), 'task/fetch', { data: forged })
    expect(answer).toContain('You have no such grant any more')
    expect(answer).not.toContain('secret-files')
  })

  it('[REQ-ACCESS-2] a guest finds no tools by typing', async () => {
    const query = { dataset: toolsInputOf('files'), queryText: '' }
    expect(await invoke(askedBy('gus'), 'application/search', query)).toContain('"results":[]')
    expect(await invoke(askedBy('alice'), 'application/search', query)).toContain('write_file')
  })
})

describe('a home that was tampered with', () => {
  const click = (asked: Asked, verb: string, data: JsonObject) =>
    invoke(asked, 'adaptiveCard/action', { action: { type: 'Action.Execute', verb, data }, trigger: 'manual' })

  it('shows nothing of anybody in a channel, and does nothing there', async () => {
    const answer = await click(askedBy('alice', 'channel'), 'countersign_home_take_back', { id: 'apr_one' })
    expect(answer).toContain('in our own talk')
    expect(cancelled).toEqual([])
  })

  it.each<[string, JsonObject]>([
    ['no id', {}],
    ['an id of another kind', { id: 'stg_x' }],
    ['an id that is no text', { id: { a: 1 } }],
  ])('takes back nothing by %s', async (_sentence, data) => {
    expect(await click(askedBy('alice'), 'countersign_home_take_back', data)).toContain('not one of this gateway')
    expect(cancelled).toEqual([])
  })

  it('says so where the desks refuse, in the name of whoever clicked', async () => {
    const answer = await click(askedBy('bob'), 'countersign_home_take_back', { id: 'apr_alices' })
    expect(answer).toContain('Only who asked may.')
    expect(cancelled).toEqual([`teams:${tenantId}:bob apr_alices`])
  })

  it('opens no approval that is asked elsewhere', async () => {
    const approval = pendingApproval({ tool: 'secret_tool' })
    rig.approvals.open(approval)
    const answer = await click(askedBy('bob'), 'countersign_home_review', { id: approval.id })
    expect(answer).not.toContain('painted')
    expect(answer).not.toContain('secret_tool')
  })

  it('tells a guest nothing but why', async () => {
    const answer = await click(askedBy('gus'), 'countersign_home_show', {})
    expect(answer).toContain('Guests cannot review')
    expect(answer).not.toContain('Waits for you')
  })
})
