/** Asking for elevated access and giving it back: who may, for what, and what comes of it. */
import { describe, expect, it } from 'vitest'
import { ACCESS_REASON_CHARS_MAX, ACCESS_TOOLS_MAX } from '../../src/access/access.ts'
import { ACCESS_TOOL } from '../../src/approval/approval.ts'
import type { ApprovalId, GrantId, SessionId } from '../../src/brands.ts'
import { epochMs } from '../../src/brands.ts'
import type { StandingGrant } from '../../src/grant/standing.ts'
import type { AccessWish } from '../../src/ports.ts'
import { isRequester } from '../../src/review/review.ts'
import { createDeskRig, TOOLS } from '../support/access-desk.ts'
import { anApproval } from '../support/examples.ts'

const ALICE = { id: 'slack:T0FAKE:U1', email: 'alice@example.com', name: 'Alice' }
const BOB = { id: 'slack:T0FAKE:U2', email: 'bob@example.com', name: 'Bob' }
const HOUR = 3_600_000

function aWish(change: Partial<AccessWish> = {}): AccessWish {
  return {
    requester: ALICE,
    upstream: 'files',
    tools: ['write_file'],
    durationMs: HOUR,
    reason: 'Migrating the archive',
    extends: null,
    ...change,
  }
}

function aGrant(change: Partial<StandingGrant> = {}): StandingGrant {
  return {
    id: 'stg_one' as GrantId,
    state: 'active',
    approvalId: 'apr_one' as ApprovalId,
    sessionId: 'ses_one' as SessionId,
    holder: { kind: 'owner', email: 'alice@example.com' },
    upstream: 'files',
    tools: ['write_file'],
    rule: null,
    reason: 'Migrating',
    approvedBy: [BOB],
    openedAt: epochMs(900_000),
    expiresAt: epochMs(1_900_000),
    endedAt: null,
    endedBy: null,
    uses: {},
    ...change,
  }
}

describe('a request for access', () => {
  it('[REQ-ACCESS-1] becomes an approval like any other, for the requester’s own agents', async () => {
    const { desk, approvals, events } = createDeskRig()
    const outcome = await desk.request(aWish({ tools: ['write_file', 'edit_file', 'write_file'] }))
    if (!outcome.ok) throw new Error(outcome.message)
    const { approval } = outcome
    expect(approval).toMatchObject({
      state: 'pending',
      upstream: 'files',
      tool: ACCESS_TOOL,
      argumentsJson: '{"duration":"1h","reason":"Migrating the archive","tools":["edit_file","write_file"]}',
      rule: 'writing',
      reason: 'Two of the DBAs say yes.',
      from: ['dba'],
      quorum: 2,
      channels: ['slack'],
      requestedAt: 1_000_000,
      expiresAt: 1_000_000 + HOUR,
      principal: { issuer: 'slack:T0FAKE', subject: 'U1', email: 'alice@example.com', client: null },
      access: { ownerEmail: 'alice@example.com', tools: ['edit_file', 'write_file'], durationMs: HOUR, extends: null },
    })
    expect(isRequester(approval, ALICE)).toBe(true)
    expect(isRequester(approval, { ...ALICE, id: 'console:alice@example.com' }), 'by another account').toBe(true)
    expect(await approvals.get(approval.id)).toEqual(approval)
    expect(events).toMatchObject([
      { type: 'approval.requested', approval_id: approval.id, tool: ACCESS_TOOL, rule: 'writing' },
    ])
  })

  it('the same once more joins the open one, and other words are another request', async () => {
    const { desk, events } = createDeskRig()
    const first = await desk.request(aWish())
    const second = await desk.request(aWish())
    const other = await desk.request(aWish({ reason: 'Something else' }))
    if (!first.ok || !second.ok || !other.ok) throw new Error('refused')
    expect([first.wasAsked, second.wasAsked, other.wasAsked]).toEqual([false, true, false])
    expect(second.approval.id).toBe(first.approval.id)
    expect(other.approval.id).not.toBe(first.approval.id)
    expect(events.length).toBe(2)
  })

  it.each<[string, Partial<AccessWish>, string | null, RegExp]>([
    ['without a confirmed e-mail address', { requester: { ...ALICE, email: null } }, null, /not confirmed/],
    ['of an unknown upstream', { upstream: 'other' }, 'upstream', /no such upstream/],
    ['of no tools', { tools: [] }, 'tools', /at least one/],
    [
      'of too many tools',
      { tools: Array.from({ length: ACCESS_TOOLS_MAX + 1 }, (_, at) => `t${at}`) },
      'tools',
      /at most 50/,
    ],
    ['[REQ-ACCESS-2] of a tool that the upstream doesn’t list', { tools: ['read_mail'] }, 'tools', /not listed/],
    ['of a tool with another case', { tools: ['Write_File'] }, 'tools', /not listed/],
    ['[REQ-ACCESS-2] of a tool that policy doesn’t offer', { tools: ['move_file'] }, 'tools', /No entry/],
    ['of tools that no single entry covers', { tools: ['read_file', 'write_file'] }, 'tools', /No entry/],
    ['of all tools where policy offers some', { tools: ['*'] }, 'tools', /No entry/],
    ['of all tools and one', { tools: ['*', 'write_file'] }, 'tools', /choose one of both/],
    ['[REQ-ACCESS-2] for longer than policy offers', { durationMs: 4 * HOUR + 1 }, 'duration', /At most 4h/],
    ['for no time', { durationMs: 0 }, 'duration', /at least 1m/],
    ['for a part of a millisecond', { durationMs: 60_000.5 }, 'duration', /at least 1m/],
    ['without a reason', { reason: '  \n ' }, 'reason', /what you need it for/],
    ['with a reason too long', { reason: 'x'.repeat(ACCESS_REASON_CHARS_MAX + 1) }, 'reason', /Keep it to 500/],
    ['on an upstream that policy offers nothing of', { upstream: 'pg-prod', tools: ['*'] }, 'tools', /No entry/],
  ])('%s asks nobody', async (_sentence, change, input, message) => {
    const { desk, events, approvals } = createDeskRig()
    const outcome = await desk.request(aWish(change))
    expect(outcome).toMatchObject({ ok: false, input, message: expect.stringMatching(message) })
    expect(events).toEqual([])
    expect(await approvals.listPending()).toEqual([])
  })

  it('a group’s entry is for its members alone', async () => {
    const { desk } = createDeskRig({ editors: ['bob@example.com'] })
    expect(await desk.request(aWish({ tools: ['move_file'] }))).toMatchObject({ ok: false })
    const outcome = await desk.request(aWish({ tools: ['*'], requester: BOB, durationMs: 24 * HOUR }))
    expect(outcome).toMatchObject({ ok: true, approval: { rule: 'editors-all', access: { tools: ['*'] } } })
  })

  it('the first entry that is for the person decides, also where a later one offers more', async () => {
    const { desk } = createDeskRig({ editors: ['bob@example.com'] })
    const outcome = await desk.request(aWish({ requester: BOB, durationMs: 24 * HOUR }))
    expect(outcome).toMatchObject({ ok: false, input: 'duration' })
  })

  it.each<[string, 'listing' | 'too_many', RegExp]>([
    ['whose tools can’t be listed', 'listing', /could not be listed/],
    ['beyond the limit of open requests', 'too_many', /10 requests open/],
  ])('%s is refused with a sentence', async (_sentence, fault, message) => {
    const rig = createDeskRig()
    rig.fault = fault
    expect(await rig.desk.request(aWish())).toMatchObject({ ok: false, message: expect.stringMatching(message) })
  })

  it('that can’t be recorded is taken back', async () => {
    const rig = createDeskRig()
    rig.fault = 'recording'
    await expect(rig.desk.request(aWish())).rejects.toMatchObject({ code: 'recording_failed' })
    expect(await rig.approvals.listPending()).toEqual([])
    expect(rig.forgotten.length).toBe(1)
  })

  it('that was denied a moment ago needs other words, and one that was taken back may be asked again', async () => {
    const rig = createDeskRig()
    const review = { choice: 'deny', reviewer: BOB } as never
    rig.opened = (approval) => ({ outcome: 'settled', approval: { ...approval, state: 'denied', reviews: [review] } })
    expect(await rig.desk.request(aWish())).toMatchObject({
      ok: false,
      input: 'reason',
      message: 'The same was denied a moment ago by Bob. Say what is different now.',
    })
    expect(rig.forgotten).toEqual([])
    rig.opened = (approval) => ({ outcome: 'settled', approval: { ...approval, state: 'cancelled' } })
    expect(await rig.desk.request(aWish())).toMatchObject({ ok: false, message: expect.stringMatching(/taken back/) })
    expect(rig.forgotten.length).toBe(1)
  })
})

describe('an extension', () => {
  it('[REQ-ACCESS-3] is a request of its own, about what the grant is about', async () => {
    const { desk, grants } = createDeskRig()
    grants.set('stg_one' as GrantId, aGrant())
    const outcome = await desk.request(
      aWish({ extends: 'stg_one' as GrantId, tools: ['drop_table'], upstream: 'pg-prod', durationMs: 2 * HOUR }),
    )
    expect(outcome).toMatchObject({
      ok: true,
      approval: {
        upstream: 'files',
        access: { tools: ['write_file'], extends: 'stg_one' },
        argumentsJson: '{"duration":"2h","extends":"stg_one","reason":"Migrating the archive","tools":["write_file"]}',
      },
    })
  })

  it.each<[string, StandingGrant | null, RegExp]>([
    ['an unknown grant', null, /no such grant/],
    ['somebody else’s grant', aGrant({ holder: { kind: 'owner', email: 'bob@example.com' } }), /no such grant/],
    [
      'a grant of one agent, which an approver gave it',
      aGrant({ holder: { kind: 'agent', principal: anApproval().principal } }),
      /no such grant/,
    ],
    ['a revoked grant', aGrant({ state: 'revoked' }), /has ended/],
    ['a grant past its end whose job has not run', aGrant({ expiresAt: epochMs(1_000_000) }), /has ended/],
  ])('of %s asks nobody', async (_sentence, grant, message) => {
    const { desk, grants, events } = createDeskRig()
    if (grant !== null) grants.set('stg_one' as GrantId, grant)
    const outcome = await desk.request(aWish({ extends: 'stg_one' as GrantId }))
    expect(outcome).toMatchObject({ ok: false, message: expect.stringMatching(message) })
    expect(events).toEqual([])
  })
})

describe('what is offered', () => {
  it('is what the upstream lists and policy lets this person ask for', async () => {
    const { desk } = createDeskRig({ editors: ['bob@example.com'] })
    expect(await desk.upstreams(ALICE)).toEqual(['files'])
    const offered = await desk.offer(ALICE, 'files')
    expect(offered).toMatchObject({ offersAll: false, longestMs: 8 * HOUR })
    expect(offered.tools.map(({ name }) => name)).toEqual(TOOLS.filter((name) => name !== 'move_file'))
    expect(await desk.offer(BOB, 'files')).toMatchObject({ offersAll: true, longestMs: 24 * HOUR })
  })

  it('is nothing without an entry, and nothing without a confirmed address', async () => {
    const { desk } = createDeskRig()
    expect(await desk.offer(ALICE, 'pg-prod')).toEqual({ tools: [], offersAll: false, longestMs: 0 })
    expect(await desk.upstreams({ ...ALICE, email: null })).toEqual([])
  })

  it('previews who is asked, for how long at most, and what policy will say of each tool', async () => {
    const { desk } = createDeskRig()
    expect(await desk.preview(aWish({ tools: ['write_file', 'edit_file', 'drop_table'] }))).toEqual({
      rule: 'writing',
      from: ['dba'],
      quorum: 2,
      longestMs: 4 * HOUR,
      sentences: [
        'write_file: passes without a card',
        'edit_file: still denied by the default',
        'drop_table: still denied by rule off-limits',
      ],
    })
    expect(await desk.preview(aWish({ tools: ['read_file'] }))).toMatchObject({
      rule: 'reading',
      from: [],
      sentences: ['read_file: allowed anyway, grant or not'],
    })
    expect(await desk.preview(aWish({ tools: ['read_file', 'write_file'] }))).toMatchObject({
      rule: null,
      longestMs: null,
      sentences: [expect.stringContaining('all of these together')],
    })
  })
})

describe('revoking', () => {
  const approval = anApproval({
    id: 'apr_one' as ApprovalId,
    from: [],
    access: { ...aWish(), ownerEmail: 'alice@example.com' },
  })
  it.each<[string, string, boolean]>([
    ['the holder may', 'alice@example.com', true],
    ['whoever may review its approval may', 'carol@example.com', true],
    ['an operator may', 'olga@example.com', true],
  ])('%s', async (_sentence, email, ok) => {
    const { desk, grants, approvals } = createDeskRig({ operators: ['olga@example.com'] })
    grants.set('stg_one' as GrantId, aGrant())
    approvals.open(approval)
    const by = { id: `console:${email}`, email, name: email }
    expect(await desk.revoke({ grantId: 'stg_one' as GrantId, by })).toMatchObject({ ok })
    expect(grants.get('stg_one' as GrantId)?.state).toBe(ok ? 'revoked' : 'active')
  })

  it.each<[string, typeof approval | null]>([
    ['whoever may not review its approval', { ...approval, from: ['dba'] }],
    ['anybody else where its approval is no longer kept', null],
  ])('%s may not', async (_sentence, kept) => {
    const { desk, grants, approvals } = createDeskRig()
    grants.set('stg_one' as GrantId, aGrant())
    if (kept !== null) approvals.open(kept)
    expect(await desk.revoke({ grantId: 'stg_one' as GrantId, by: BOB })).toMatchObject({ ok: false })
    expect(grants.get('stg_one' as GrantId)?.state).toBe('active')
  })

  it('what ended already, or never was, is told', async () => {
    const { desk, grants } = createDeskRig()
    expect(await desk.revoke({ grantId: 'stg_one' as GrantId, by: ALICE })).toMatchObject({ ok: false })
    grants.set('stg_one' as GrantId, aGrant({ state: 'expired' }))
    expect(await desk.revoke({ grantId: 'stg_one' as GrantId, by: ALICE })).toEqual({
      ok: false,
      message: 'It had ended already.',
    })
  })
})
