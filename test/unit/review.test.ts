/** Who may review, and what is recorded of it. */
import { describe, expect, it } from 'vitest'
import type { AccessRequest } from '../../src/access/access.ts'
import type { Approval, Refusal } from '../../src/approval/approval.ts'
import type { AuditEvent } from '../../src/audit/events.ts'
import type { CallId, GrantId } from '../../src/brands.ts'
import { epochMs } from '../../src/brands.ts'
import { GatewayError } from '../../src/errors.ts'
import { summarisePrincipal } from '../../src/identity/principal.ts'
import { peopleOf } from '../../src/people/people.ts'
import type { Reviewer } from '../../src/people/reviewer.ts'
import { createReviews, mayReview } from '../../src/review/review.ts'
import { anApproval, aPrincipal, aReviewer } from '../support/examples.ts'
import { createMemoryApprovalStore } from '../support/memory-approval-store.ts'
import { anAccessApproval, anAccessRequest } from '../support/standing-grants.ts'

const people = peopleOf(
  new Map([['dba', { emails: new Set(['bob@example.com']), reviewerIds: new Set(['slack:T1:U7']), lookedUp: [] }]]),
)
const BOB = aReviewer('bob@example.com')
const CAROL = aReviewer('carol@example.com')
const nameless: Reviewer = { id: 'console:operator', email: null, name: 'console operator' }
const of = (email: string | null, subject: string): Partial<Approval> => ({
  principal: { ...anApproval().principal, email, subject },
})

describe('who may review', () => {
  it.each<[string, Partial<Approval>, Reviewer, Refusal | null]>([
    ['anyone else, where the rule names nobody', {}, BOB, null],
    ['a console’s operator without a name, where the rule names nobody', {}, nameless, null],
    ['a member, where the rule names a group', { from: ['dba'] }, BOB, null],
    ['a member by the channel’s own id', { from: ['dba'] }, { id: 'slack:T1:U7', email: null, name: 'x' }, null],
    ['a member, for an agent whose owner is unknown', { from: ['dba'], ...of(null, '00u1') }, BOB, null],
    ['not the owner by the token’s e-mail', {}, aReviewer('alice@example.com'), 'self_review'],
    ['not the owner in other letters', {}, { ...BOB, email: 'ALICE@example.COM' }, 'self_review'],
    [
      'not the owner by the token’s subject',
      of(null, 'Alice@example.com'),
      aReviewer('alice@example.com'),
      'self_review',
    ],
    [
      'not the owner by another of the token’s names',
      {
        principal: summarisePrincipal(
          aPrincipal({ subject: '00u1', email: 'a.smith@example.com', claims: { upn: 'Bob@example.com' } }),
        ),
      },
      BOB,
      'self_review',
    ],
    [
      'not the owner by another of the person’s addresses',
      { from: ['dba'] },
      { ...BOB, otherAddresses: ['carol@example.com', 'Alice@example.com'] },
      'self_review',
    ],
    [
      'not who asks for access, by an address that two accounts share',
      {
        from: ['dba'],
        access: anAccessRequest({
          requester: { id: 'teams:t:1', email: 'b@corp.example', name: 'B', otherAddresses: ['bob@example.com'] },
        }),
      },
      BOB,
      'self_review',
    ],
    [
      'not a member by another of the person’s addresses',
      { from: ['dba'] },
      { ...CAROL, otherAddresses: ['bob@example.com'] },
      'not_a_reviewer',
    ],
    ['not the owner, although a member', { from: ['dba'], ...of('bob@example.com', '00u2') }, BOB, 'self_review'],
    ['not who is in no named group', { from: ['dba'] }, CAROL, 'not_a_reviewer'],
    ['not who is in an unknown group', { from: ['nobody'] }, BOB, 'not_a_reviewer'],
    ['not a nameless operator, where the rule names a group', { from: ['dba'] }, nameless, 'not_a_reviewer'],
    ['not anyone, where nobody knows the owner', of(null, '00u1'), BOB, 'owner_unknown'],
  ])('%s', async (_sentence, change, reviewer, refusal) => {
    expect(await mayReview(anApproval(change), reviewer, people, 'click')).toBe(refusal)
  })
})

function rig(options: { fails?: AuditEvent['type']; asked?: Partial<Approval>; allowForMs?: number } = {}) {
  const store = createMemoryApprovalStore()
  const approval = anApproval({ requestedAt: epochMs(0), expiresAt: epochMs(900_000), ...options.asked })
  store.open(approval)
  const recorded: AuditEvent[] = []
  const revoked: string[] = []
  /** Versions that were marked as recorded. */
  const marked: number[] = []
  const reviews = createReviews({
    readings: { seen: async () => undefined, hasSeenAll: async () => false },
    approvals: { ...store, reviewRecorded: async ({ version }) => void marked.push(version) },
    grants: {
      get: async () => null,
      consume: async () => ({ ok: false, refusal: 'unknown' }),
      end: async (id) => {
        revoked.push(id)
        return true
      },
    },
    standingGrants: {
      end: async (id) => {
        revoked.push(id)
        return null
      },
    },
    people,
    recorder: {
      record: async (event) => {
        if (event.type === options.fails) throw new GatewayError('recording_failed', 'the disk is full')
        recorded.push(event)
      },
    },
    clock: { now: () => epochMs(1_000) },
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
  })
  const submit = (reviewer: Reviewer, choice: 'approve' | 'deny' = 'approve') =>
    reviews.submit({
      ...{ approvalId: approval.id, reviewer, choice, reason: ' because ', channel: 'console' },
      allowForMs: options.allowForMs ?? null,
    })
  const lose = async () => {
    await submit(BOB)
    await store.apply(approval.id, { type: 'run_lost', callId: 'call_run' as CallId, at: epochMs(2_000) })
    recorded.splice(0)
  }
  const resolveRun = (reviewer: Reviewer, ran: boolean) =>
    reviews.resolveRun({ approvalId: approval.id, reviewer, ran })
  return { submit, lose, resolveRun, recorded, revoked, marked, store, approval }
}

describe('a review', () => {
  it('is recorded with what it opened', async () => {
    const { submit, recorded, marked } = rig()
    expect(await submit(BOB)).toMatchObject({ ok: true, approval: { state: 'approved' } })
    expect(recorded.map(({ type }) => type)).toEqual(['approval.reviewed', 'approval.resolved', 'grant.opened'])
    expect(marked).toEqual([2])
    expect(recorded[0]).toMatchObject({ review: { reviewer: BOB, choice: 'approve', reason: 'because' } })
  })

  it('changes nothing when it comes second, and says who was first', async () => {
    const { submit, recorded } = rig()
    await submit(BOB)
    const second = await submit(CAROL, 'deny')
    expect(second).toMatchObject({ ok: false, refusal: 'already_resolved', message: expect.stringContaining('by bob') })
    expect(recorded).toHaveLength(3)
  })

  it('of the owner is refused, recorded, and changes nothing', async () => {
    const { submit, recorded, store, approval } = rig()
    expect(await submit(aReviewer('alice@example.com'))).toMatchObject({ ok: false, refusal: 'self_review' })
    expect(recorded).toMatchObject([{ type: 'approval.review_refused', refusal: 'self_review' }])
    expect(await store.get(approval.id)).toMatchObject({ state: 'pending', version: 1 })
  })

  it('that can’t be recorded doesn’t count: the grant is revoked, and the person is not told that it did', async () => {
    const { submit, revoked, approval, marked } = rig({ fails: 'approval.reviewed' })
    await expect(submit(BOB)).rejects.toMatchObject({ code: 'recording_failed' })
    expect(revoked).toEqual([approval.id.replace('apr_', 'gnt_')])
    expect(marked).toEqual([])
  })
})

describe('a review for longer than one call', () => {
  const asked = { allowForMs: [60_000], from: ['dba'] }
  const extending = { ...anAccessApproval({ extends: 'stg_first' as GrantId }).access, durationMs: 60_000 }

  it('is recorded with both grants that it opened', async () => {
    const { submit, recorded, approval } = rig({ asked, allowForMs: 60_000 })
    expect(await submit(BOB)).toMatchObject({ ok: true, approval: { allowedForMs: 60_000 } })
    expect(recorded.slice(2)).toEqual([
      expect.objectContaining({ type: 'grant.opened', grant_id: approval.id.replace('apr_', 'gnt_') }),
      {
        ...{ type: 'grant.opened', at: 1_000, session_id: approval.sessionId, approval_id: approval.id },
        ...{ grant_id: approval.id.replace('apr_', 'stg_'), expires_at: 61_000 },
        standing: {
          holder: { kind: 'agent', principal: approval.principal },
          ...{ upstream: 'files', tools: ['write_file'], rule: 'writes' },
        },
      },
    ])
  })

  it('of access is recorded with the one grant that it opened, or made end later', async () => {
    const opening = rig({ asked: { ...asked, access: { ...extending, extends: null } as AccessRequest } })
    await opening.submit(BOB)
    expect(opening.recorded.slice(2)).toMatchObject([
      { type: 'grant.opened', standing: { holder: { kind: 'owner', email: 'alice@example.com' } }, expires_at: 61_000 },
    ])
    const later = rig({ asked: { ...asked, access: extending as AccessRequest } })
    await later.submit(BOB)
    expect(later.recorded.slice(2)).toMatchObject([
      { type: 'grant.extended', grant_id: 'stg_first', expires_at: 61_000 },
    ])
  })

  it('that can’t be recorded takes back all that it opened', async () => {
    const { submit, revoked, approval } = rig({ asked, allowForMs: 60_000, fails: 'approval.reviewed' })
    await expect(submit(BOB)).rejects.toMatchObject({ code: 'recording_failed' })
    expect(revoked).toEqual(['gnt_', 'stg_'].map((prefix) => approval.id.replace('apr_', prefix)))
  })

  it('is refused for a time that the rule does not offer', async () => {
    const { submit, store, approval } = rig({ asked, allowForMs: 90_000 })
    expect(await submit(BOB)).toMatchObject({ ok: false, refusal: 'not_offered' })
    expect(await store.get(approval.id)).toMatchObject({ state: 'pending' })
  })
})

describe('what a person says of a call of which nobody knows whether it ran', () => {
  it('[REQ-ONCE-1] counts, and is recorded with who said it', async () => {
    const { lose, resolveRun, recorded, marked } = rig()
    await lose()
    expect(await resolveRun(CAROL, false)).toMatchObject({ ok: true, approval: { run: { state: 'did_not_run' } } })
    expect(recorded).toEqual([
      {
        type: 'run.resolved',
        at: 1_000,
        session_id: anApproval().sessionId,
        approval_id: anApproval().id,
        call_id: 'call_run',
        ran: false,
        reviewer: CAROL,
      },
    ])
    expect(marked.at(-1)).toBe(4)
  })

  it('changes nothing when it comes second, and says who was first', async () => {
    const { lose, resolveRun, recorded } = rig()
    await lose()
    await resolveRun(CAROL, true)
    const second = await resolveRun(BOB, false)
    expect(second).toMatchObject({ ok: false, refusal: 'run_known', message: expect.stringContaining('carol has') })
    expect(recorded).toHaveLength(1)
  })

  it('is refused of a call whose end is known, and of the agent’s owner', async () => {
    const { submit, lose, resolveRun, store, approval } = rig()
    await submit(BOB)
    expect(await resolveRun(CAROL, true)).toMatchObject({ ok: false, refusal: 'run_known' })
    await lose()
    expect(await resolveRun(aReviewer('alice@example.com'), true)).toMatchObject({ ok: false, refusal: 'self_review' })
    expect(await store.get(approval.id)).toMatchObject({ run: { state: 'unknown' } })
  })
})
