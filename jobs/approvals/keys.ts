/**
 * Every key of approvals and grants, in one place, because the scripts below share them. `redis.key` puts them all
 * under one hash tag: a script may then reach keys that it learns only from what it reads (an approval by its
 * fingerprint, the inboxes of its waiters), also on Redis Cluster.
 *
 *   approval:<id>            hash    json, version, state, session, joins, armed, grant (its key), pointer (its key)
 *   fingerprint:<hex>        string  the approval that an identical call joins, or whose answer it gets: the pointer
 *   fingerprint:<hex>:denied string  the approval by which people denied it, until they approve it: no standing grant
 *                                    passes it, because whoever gave that did not look at this call
 *   approvals-pending        zset    by requestedAt
 *   approvals-of:<digest>    set     the pending ones of one principal
 *   approvals-on:<upstream>  set     the pending ones of one upstream
 *   approvals-resolved       zset    by resolvedAt
 *   approvals-changed        stream  id of each approval opened or changed
 *   waiters:<id>             set     the replicas with a connection that waits
 *   inbox:<replica>          stream  id of each approval that was resolved
 *   attached:<id>            set     <replica> <connection> <call> of each connection that waits
 *   held-request:<digest>    string  <call> <approval>, `several`, or cancelled <end>; see held-connections.ts
 *   held-ends                stream  id: <call> <connection that stays> <end>, of connections that must end
 *   replica:<id>             string  lives as long as the replica does
 *   reviews-unrecorded       zset    <approval>:<how many reviews it has>, or <approval>:lost or :resolved for its run,
 *                                    or <approval>:cancelled, by when; until it is in the recording
 *   grant:<id>               hash    the fields of Grant; empty text for null
 *   grants-active            zset    by expiresAt
 *   standing:<id>            hash    the fields of StandingGrant; see standing-grant-fields.ts
 *   standing-of:<digest>     zset    by expiresAt: the active ones of one holder
 *   standing-for:<digest>    zset    by expiresAt: those of one person's agents, by the owner's e-mail
 *   standing-active          zset    by expiresAt
 *   standing-in:<session>    set     the active ones that were opened in it
 *   standing-unreported      zset    ended ones of which nobody has been told, by when they ended
 *   standing-unshown         zset    those that were made to end later, by then, until their cards say so
 *   run:<approval>           hash    state, callId, replica, answer
 *   runs-running             zset    approvals, by when their run began
 *   runs-unknown             zset    approvals of which people must say whether they ran, by when that was noticed
 *   heartbeat:<replica>      string  there while the replica lives
 *   attending:<replica>      hash    approval -> how many of its calls wait for it there
 *   attending-replicas       zset    the replicas that have one, by since when they are silent; 0: they were heard of
 *   presence-due             zset    approvals of which it must be seen whether anyone waits, or, as <approval>:calls,
 *                                    how many do; by when
 *   steps-due                zset    <approval>:<index> of the reminder or escalation that comes next, by when
 *   cards:<id>               hash    place -> what was painted there (painting.ts), <place>:version -> the version that
 *                                    it is done with, <place>:posting:<what> -> when that was last tried,
 *                                    <place>:seen -> a copy that somebody acted on (seen-cards.ts)
 *   cards-due                set     approvals whose cards are older than they are
 *   freezes                  hash    what stands frozen; see freezes.ts
 *   freezes-changed          stream  id: the revision of that hash, after each change
 */
import { createHash } from 'node:crypto'
import type { Approval } from '../../src/approval/approval.ts'
import type { ApprovalId, Fingerprint, GrantId, PrincipalId, SessionId } from '../../src/brands.ts'
import type { GrantHolder } from '../../src/grant/standing.ts'
import type { RedisHandle } from '../redis.ts'

export interface ApprovalKeys {
  approval(id: ApprovalId): string
  fingerprint(fingerprint: Fingerprint): string
  readonly pending: string
  ofPrincipal(principal: PrincipalId): string
  onUpstream(upstream: string): string
  readonly resolved: string
  readonly changes: string
  readonly unrecordedReviews: string
  /** What was done to an approval last, as its name among the unrecorded. */
  unrecordedReview(approval: Pick<Approval, 'id' | 'state' | 'reviews' | 'run'>): string
  waiters(id: ApprovalId): string
  inbox(replica: string): string
  attached(id: ApprovalId): string
  heldRequest(digest: string): string
  readonly heldEnds: string
  replica(id: string): string
  grant(id: GrantId): string
  readonly activeGrants: string
  standingGrant(id: GrantId): string
  standingOf(holder: GrantHolder): string
  standingFor(ownerEmail: string): string
  readonly activeStanding: string
  standingIn(session: SessionId): string
  readonly unreportedStanding: string
  readonly unshownStanding: string
  run(id: ApprovalId): string
  readonly running: string
  readonly unknownRuns: string
  heartbeat(replica: string): string
  attending(replica: string): string
  readonly attendingReplicas: string
  readonly presenceDue: string
  readonly stepsDue: string
  cards(id: ApprovalId): string
  readonly cardsDue: string
  readonly freezes: string
  readonly freezeChanges: string
}

export function approvalKeys({ key }: Pick<RedisHandle, 'key'>): ApprovalKeys {
  return {
    approval: (id) => key('approval', id),
    fingerprint: (fingerprint) => key('fingerprint', fingerprint),
    pending: key('approvals-pending'),
    ofPrincipal: (principal) => key('approvals-of', digestOf(principal)),
    onUpstream: (upstream) => key('approvals-on', upstream),
    resolved: key('approvals-resolved'),
    changes: key('approvals-changed'),
    unrecordedReviews: key('reviews-unrecorded'),
    unrecordedReview: ({ id, state, reviews, run }) => {
      if (state === 'cancelled') return `${id}:cancelled`
      return `${id}:${run === null ? reviews.length : run.by === null ? 'lost' : 'resolved'}`
    },
    waiters: (id) => key('waiters', id),
    inbox: (replica) => key('inbox', replica),
    attached: (id) => key('attached', id),
    heldRequest: (digest) => key('held-request', digest),
    heldEnds: key('held-ends'),
    replica: (id) => key('replica', id),
    grant: (id) => key('grant', id),
    activeGrants: key('grants-active'),
    standingGrant: (id) => key('standing', id),
    standingOf: (holder) => key('standing-of', digestOf(nameOfHolder(holder))),
    standingFor: (ownerEmail) => key('standing-for', digestOf(ownerEmail)),
    activeStanding: key('standing-active'),
    standingIn: (session) => key('standing-in', session),
    unreportedStanding: key('standing-unreported'),
    unshownStanding: key('standing-unshown'),
    run: (id) => key('run', id),
    running: key('runs-running'),
    unknownRuns: key('runs-unknown'),
    heartbeat: (replica) => key('heartbeat', replica),
    attending: (replica) => key('attending', replica),
    attendingReplicas: key('attending-replicas'),
    presenceDue: key('presence-due'),
    stepsDue: key('steps-due'),
    cards: (id) => key('cards', id),
    cardsDue: key('cards-due'),
    freezes: key('freezes'),
    freezeChanges: key('freezes-changed'),
  }
}

/** A subject is the issuer's text: its digest has a bounded length and no surprises. */
function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** No two holders have one name: JSON keeps apart what it lists. */
function nameOfHolder(holder: GrantHolder): string {
  if (holder.kind === 'owner') return JSON.stringify(['owner', holder.email])
  return JSON.stringify(['agent', holder.principal.id, holder.principal.client])
}
