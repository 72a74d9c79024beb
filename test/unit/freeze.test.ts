/** What a freeze is about, and what people may write for one. */
import { describe, expect, it } from 'vitest'
import { visible } from '../../src/approval/visible.ts'
import type { AuditEvent } from '../../src/audit/events.ts'
import type { ApprovalId, GrantId } from '../../src/brands.ts'
import { epochMs } from '../../src/brands.ts'
import { GatewayError } from '../../src/errors.ts'
import type { FreezeAuthority } from '../../src/freeze/desk.ts'
import { createFreezeDesk, operatorsMay, shellMay } from '../../src/freeze/desk.ts'
import type { Freeze, FreezeScope } from '../../src/freeze/freeze.ts'
import { freezeText, isFrozenBy, parseScope, scopeName } from '../../src/freeze/freeze.ts'
import { grantIdOf } from '../../src/grant/grant.ts'
import type { StandingGrant } from '../../src/grant/standing.ts'
import { summarisePrincipal } from '../../src/identity/principal.ts'
import { peopleOf } from '../../src/people/people.ts'
import type { Notice } from '../../src/ports.ts'
import { anApproval, aPrincipal, aReviewer } from '../support/examples.ts'
import { createMemoryApprovalStore } from '../support/memory-approval-store.ts'
import { silentLog } from '../support/redis.ts'

const ALICE: FreezeScope = { kind: 'agent', owner: 'alice@example.com' }
const FILES: FreezeScope = { kind: 'upstream', upstream: 'files' }
const ALL: FreezeScope = { kind: 'all' }
const BOB = aReviewer('bob@example.com')

describe('which calls a freeze stops', () => {
  const call = (change: Parameters<typeof aPrincipal>[0] = {}, upstream = 'files') => ({
    principal: aPrincipal(change),
    upstream,
  })
  it.each<[string, FreezeScope, ReturnType<typeof call>, boolean]>([
    ['all of them', ALL, call(), true],
    ['those to the upstream', FILES, call(), true],
    ['none to another upstream', FILES, call({}, 'mail'), false],
    ['those of the owner’s agents, by the e-mail of the token', ALICE, call({ subject: '00u1' }), true],
    ['also where the token writes it in capitals', ALICE, call({ subject: '00u1', email: 'Alice@Example.COM' }), true],
    ['also where only the subject is the address', ALICE, call({ subject: 'Alice@example.com', email: null }), true],
    [
      'those whose token names the owner by an address that its issuer calls unverified',
      ALICE,
      call({ subject: '00u1', email: null, claims: { email: 'alice@example.com', email_verified: false } }),
      true,
    ],
    [
      'those whose token has the name beside another address',
      ALICE,
      call({ subject: '00u1', email: 'a.smith@example.com', claims: { upn: 'Alice@example.com' } }),
      true,
    ],
    [
      'none that only writes the name elsewhere',
      ALICE,
      call({ subject: '00u1', email: null, claims: { note: 'alice@example.com', email: ['alice@example.com'] } }),
      false,
    ],
    [
      'those of whom only the names are kept, as of a stored approval',
      ALICE,
      {
        ...call(),
        principal: summarisePrincipal(
          aPrincipal({ subject: '00u1', email: 'a.smith@example.com', claims: { upn: 'Alice@example.com' } }),
        ),
      } as unknown as ReturnType<typeof call>,
      true,
    ],
    ['none of another owner', ALICE, call({ subject: 'bob@example.com', email: 'bob@example.com' }), false],
    [
      'none of an owner whose address only begins so',
      ALICE,
      call({ subject: 'x', email: 'alice@example.com.evil' }),
      false,
    ],
    ['none whose token names no person', ALICE, call({ subject: 'svc', email: null }), false],
  ])('%s', (_sentence, scope, stopped, expected) => {
    expect(isFrozenBy(scope, stopped)).toBe(expected)
  })
})

describe('what people write for a scope', () => {
  it.each<[string, string, string]>([
    ['all', 'all', 'all'],
    ['an upstream with its kind', 'upstream:files', 'upstream:files'],
    ['an upstream alone', 'files', 'upstream:files'],
    ['an agent with its kind', 'agent:alice@example.com', 'agent:alice@example.com'],
    ['an address alone', 'alice@example.com', 'agent:alice@example.com'],
    ['an address in other letters', 'Alice@EXAMPLE.com', 'agent:alice@example.com'],
    ['a subject that is no address', 'agent:00u1abc', 'agent:00u1abc'],
    ['an upstream that is called all', 'upstream:all', 'upstream:all'],
  ])('%s', (_sentence, text, name) => {
    const parsed = parseScope(text, ['files', 'mail', 'all'])
    expect(parsed.ok && scopeName(parsed.scope)).toBe(name)
  })

  it.each<[string, string, RegExp]>([
    ['a mistyped upstream gets a suggestion', 'upstream:fils', /no upstream “fils”.*Did you mean files\?/],
    ['an unknown one hears which there are', 'database', /Configured: files, mail/],
    ['a zero-width character in an address', 'ali\u200bce@example.com', /⟨U\+200B⟩.*holds characters/],
    ['a reversed address', '\u202emoc.elpmaxe@ecila', /⟨U\+202E⟩.*holds characters/],
    ['an upstream with a no-break space', 'files\u00a0', /⟨U\+00A0⟩.*holds characters/],
    ['two names', 'agent:alice@example.com bob@example.com', /holds characters/],
    ['no agent', 'agent:', /No agent is named/],
    ['an endless name', `${'a'.repeat(400)}@example.com`, /No agent is named/],
    ['another kind', 'team:sre', /no upstream “team:sre”/],
    ['nothing', '', /no upstream/],
  ])('%s is refused by a sentence', (_sentence, text, message) => {
    const parsed = parseScope(text, ['files', 'mail'])
    expect(parsed.ok ? '' : visible(parsed.message)).toMatch(message)
  })
})

it('[REQ-FREEZE-3] tells the agent what stands still, by whom, since when and why', () => {
  const freeze: Freeze = { scope: ALICE, by: BOB, at: epochMs(Date.UTC(2030, 0, 1)), reason: 'A leaked token' }
  expect(freezeText(freeze)).toBe(
    'bob (bob@example.com) has stopped every call of alice@example.com’s agents since 2030-01-01T00:00:00.000Z. ' +
      'Reason: A leaked token.',
  )
})

// ---- the desk

const pending = (id: string, change: Parameters<typeof anApproval>[0] = {}) =>
  anApproval({ id: `apr_${id}` as ApprovalId, ...change })
const OTHERS = { principal: aPrincipal({ subject: 'carol@example.com', email: 'carol@example.com' }), upstream: 'mail' }

function aStandingGrant(id: string, change: Partial<StandingGrant>): StandingGrant {
  return {
    id: `stg_${id}` as GrantId,
    state: 'active',
    approvalId: `apr_${id}` as ApprovalId,
    sessionId: anApproval().sessionId,
    holder: { kind: 'owner', email: 'alice@example.com' },
    upstream: 'files',
    tools: ['*'],
    rule: null,
    reason: null,
    approvedBy: [],
    openedAt: epochMs(1_000),
    expiresAt: epochMs(9_000),
    endedAt: null,
    endedBy: null,
    uses: {},
    ...change,
  }
}

/** The desk on approvals and grants in memory; one thing may fail. */
function aDesk(
  options: { authority?: FreezeAuthority; fails?: 'record' | 'approvals' | 'notices'; standing?: StandingGrant[] } = {},
) {
  const { authority = shellMay, fails } = options
  const store = createMemoryApprovalStore()
  const freezes = new Map<string, Freeze>()
  const steps: string[] = []
  const events: AuditEvent[] = []
  const notices: [string, Notice][] = []
  const standing = options.standing ?? []
  const revoked: string[] = []
  const failing = (what: typeof fails) => {
    if (fails === what) throw new GatewayError(what === 'record' ? 'recording_failed' : 'store_unavailable', 'away')
  }
  let now = 5_000
  const desk = createFreezeDesk({
    authority,
    freezes: {
      async add(freeze) {
        steps.push('add')
        const known = freezes.get(scopeName(freeze.scope)) ?? freeze
        freezes.set(scopeName(freeze.scope), known)
        return known
      },
      async remove(scope) {
        steps.push('remove')
        return freezes.delete(scopeName(scope))
      },
      list: async () => [...freezes.values()],
    },
    approvals: {
      ...store,
      async listPending() {
        failing('approvals')
        return store.listPending()
      },
    },
    grants: { end: async (id) => revoked.push(id) > 0 },
    listUnused: async () => ['apr_unused' as ApprovalId, 'apr_others' as ApprovalId, 'apr_gone' as ApprovalId],
    standingGrants: {
      listActive: async ({ offset, max }) => ({ grants: standing.slice(offset, offset + max), total: standing.length }),
      async end(id, { by }) {
        const at = standing.findIndex((grant) => grant.id === id)
        const [grant] = at < 0 ? [] : standing.splice(at, 1)
        return grant === undefined ? null : { ...grant, state: 'revoked', endedAt: epochMs(now), endedBy: by }
      },
    },
    recorder: {
      async record(event) {
        failing('record')
        steps.push(event.type)
        events.push(event)
      },
    },
    notices: {
      async send(id, notice) {
        failing('notices')
        notices.push([id, notice])
      },
    },
    clock: { now: () => epochMs(now++) },
    log: silentLog,
  })
  return { desk, store, freezes, steps, events, notices, revoked, standing }
}

describe('the desk', () => {
  it('[REQ-FREEZE-3] ends the holds and grants in its scope, and no others, and says who did', async () => {
    const standing = [
      aStandingGrant('owner', {}),
      aStandingGrant('agent', { holder: { kind: 'agent', principal: aPrincipal() }, upstream: 'mail' }),
      aStandingGrant('carol', { holder: { kind: 'owner', email: 'carol@example.com' } }),
    ]
    const world = aDesk({ standing })
    const { desk, store, events, notices, revoked } = world
    store.open(pending('waits'))
    store.open(pending('carols', OTHERS))
    store.open(pending('unused', { state: 'approved' }))
    store.open(pending('others', { state: 'approved', ...OTHERS }))
    const outcome = await desk.freeze({ scope: ALICE, by: BOB, reason: ' A leaked token ' })
    expect(outcome).toMatchObject({ ok: true, ended: { approvals: 1, grants: 3 }, note: null })
    expect(await store.get('apr_waits' as ApprovalId)).toMatchObject({
      state: 'cancelled',
      cancelReason: expect.stringMatching(/bob \(bob@example.com\) has stopped.*A leaked token\. Ask bob/),
    })
    expect((await store.get('apr_carols' as ApprovalId))?.state).toBe('pending')
    expect(revoked).toEqual([grantIdOf('apr_unused' as ApprovalId)])
    expect(standing.map(({ id }) => id)).toEqual(['stg_carol'])
    expect(events).toMatchObject([
      { type: 'freeze.frozen', scope: ALICE, by: BOB, reason: 'A leaked token', already: false, session_id: null },
      { type: 'approval.resolved', state: 'cancelled', approval_id: 'apr_waits' },
      { type: 'grant.ended', state: 'revoked', approval_id: 'apr_unused' },
    ])
    expect(notices).toMatchObject([
      ['frozen:agent:alice@example.com:5000', { type: 'frozen', ended: { approvals: 1, grants: 3 } }],
    ])
  })

  it('finds every standing grant, of however many pages', async () => {
    const { desk, standing } = aDesk({ standing: Array.from({ length: 250 }, (_, at) => aStandingGrant(`g${at}`, {})) })
    expect(await desk.freeze({ scope: ALL, by: BOB, reason: null })).toMatchObject({ ended: { grants: 250 } })
    expect(standing).toEqual([])
  })

  it('frozen again, the first stays, what came since is ended, and the recording has both', async () => {
    const { desk, store, events } = aDesk()
    await desk.freeze({ scope: ALICE, by: BOB, reason: null })
    store.open(pending('late'))
    const carol = aReviewer('carol@example.com')
    const outcome = await desk.freeze({ scope: ALICE, by: carol, reason: 'me too' })
    expect(outcome).toMatchObject({ ok: true, freeze: { by: BOB }, ended: { approvals: 1 } })
    const frozen = events.filter(({ type }) => type === 'freeze.frozen')
    expect(frozen).toMatchObject([
      { by: BOB, already: false },
      { by: carol, already: true, reason: 'me too' },
    ])
  })

  it.each<['record' | 'approvals' | 'notices', RegExp]>([
    ['record', /could not be recorded/],
    ['approvals', /freezing again tries again/],
    ['notices', /could not be told/],
  ])('[REQ-FREEZE-1] a freeze stands, and says what is missing, where %s fails', async (fails, note) => {
    const { desk, freezes } = aDesk({ fails })
    const outcome = await desk.freeze({ scope: ALL, by: BOB, reason: null })
    expect(outcome).toMatchObject({ ok: true, note: expect.stringMatching(note) })
    expect([...freezes.keys()]).toEqual(['all'])
  })

  it('[REQ-FREEZE-1] ends the holds and grants, all of them, where nothing can be recorded', async () => {
    const { desk, store, revoked, standing } = aDesk({ fails: 'record', standing: [aStandingGrant('owner', {})] })
    store.open(pending('first'))
    store.open(pending('second'))
    store.open(pending('unused', { state: 'approved' }))
    const outcome = await desk.freeze({ scope: ALICE, by: BOB, reason: null })
    expect(outcome).toMatchObject({ ended: { approvals: 2, grants: 2 }, note: 'It could not be recorded.' })
    expect(await store.listPending()).toEqual([])
    expect(revoked).toEqual([grantIdOf('apr_unused' as ApprovalId)])
    expect(standing).toEqual([])
  })

  it('ends the grants although the approvals could not be read', async () => {
    const { desk, standing } = aDesk({ fails: 'approvals', standing: [aStandingGrant('owner', {})] })
    const outcome = await desk.freeze({ scope: ALICE, by: BOB, reason: null })
    expect(outcome).toMatchObject({ ended: { grants: 1 }, note: expect.stringMatching(/freezing again tries again/) })
    expect(standing).toEqual([])
  })

  it('tells that it stands before it ends anything', async () => {
    const { desk, steps } = aDesk()
    await desk.freeze({ scope: ALL, by: BOB, reason: null, onStanding: () => steps.push('told') })
    expect(steps.slice(0, 3)).toEqual(['add', 'told', 'freeze.frozen'])
  })

  it('thaws only after it is recorded, and not where that fails', async () => {
    const { desk, steps, freezes } = aDesk()
    await desk.freeze({ scope: ALICE, by: BOB, reason: null })
    expect(await desk.thaw({ scope: ALICE, by: BOB })).toMatchObject({ ok: true, freeze: null })
    expect(steps.slice(-2)).toEqual(['freeze.thawed', 'remove'])
    expect(freezes.size).toBe(0)

    const broken = aDesk({ fails: 'record' })
    await broken.desk.freeze({ scope: ALICE, by: BOB, reason: null })
    await expect(broken.desk.thaw({ scope: ALICE, by: BOB })).rejects.toMatchObject({ code: 'recording_failed' })
    expect(broken.freezes.size).toBe(1)
  })

  it('thaws what is named and nothing else', async () => {
    const { desk, freezes } = aDesk()
    await desk.freeze({ scope: ALL, by: BOB, reason: null })
    expect(await desk.thaw({ scope: FILES, by: BOB })).toMatchObject({
      ok: false,
      message: expect.stringMatching(/Nothing has stopped every call to “files”/),
    })
    expect([...freezes.keys()]).toEqual(['all'])
  })
})

describe('[REQ-FREEZE-2] who may', () => {
  const group = { emails: new Set(['bob@example.com']), reviewerIds: new Set<string>() }
  const people = peopleOf(new Map([['sre', { ...group, lookedUp: [] }]]))
  const carol = aReviewer('carol@example.com')
  it.each<[string, readonly string[] | null, 'freeze' | 'thaw', FreezeScope, typeof BOB, RegExp | null]>([
    ['an operator freezes all', ['sre'], 'freeze', ALL, BOB, null],
    ['an operator thaws all', ['sre'], 'thaw', ALL, BOB, null],
    ['another does not freeze', ['sre'], 'freeze', ALL, carol, /Only sre \(people\.operators\) may freeze/],
    ['another does not thaw', ['sre'], 'thaw', ALL, carol, /Only sre/],
    [
      'whoever the agent acts for freezes their own',
      ['sre'],
      'freeze',
      { kind: 'agent', owner: 'carol@example.com' },
      carol,
      null,
    ],
    [
      'by another of their addresses too',
      ['sre'],
      'freeze',
      { kind: 'agent', owner: 'carol@example.com' },
      { ...carol, email: 'c@example.com', otherAddresses: ['carol@example.com'] },
      null,
    ],
    ['and does not thaw it', ['sre'], 'thaw', { kind: 'agent', owner: 'carol@example.com' }, carol, /Only sre/],
    ['nor freezes another’s', ['sre'], 'freeze', ALICE, carol, /own agents/],
    ['without operators anyone freezes', null, 'freeze', ALL, carol, null],
    ['without operators nobody thaws from chat', null, 'thaw', ALL, BOB, /countersign thaw/],
    [
      'a person without an address is not the owner of nameless agents',
      ['sre'],
      'freeze',
      { kind: 'agent', owner: '' },
      { ...carol, email: null },
      /Only sre/,
    ],
  ])('%s', async (_sentence, operators, action, scope, by, refusal) => {
    const said = await operatorsMay(people, operators)(action, { scope, by })
    if (refusal === null) expect(said).toBeNull()
    else expect(said).toMatch(refusal)
  })

  it('whoever may not changes nothing, and nothing is recorded as theirs', async () => {
    const { desk, steps, notices } = aDesk({ authority: operatorsMay(people, ['sre']) })
    expect(await desk.freeze({ scope: ALL, by: carol, reason: null })).toMatchObject({ ok: false })
    expect(await desk.thaw({ scope: ALL, by: carol })).toMatchObject({ ok: false })
    expect(steps).toEqual([])
    expect(notices).toEqual([])
  })
})
