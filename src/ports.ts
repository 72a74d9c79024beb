/**
 * What the core needs from the world, and where the edges meet. `proxy`, `bots` and `jobs` implement or use these
 * and never import each other; main.ts hands each what it needs.
 */
import type { AccessRequest } from './access/access.ts'
import type { Approval, ApprovalEvent, Refusal, Review, ReviewStrength, Transition } from './approval/approval.ts'
import type { Card } from './approval/card.ts'
import type { Reply } from './approval/replies.ts'
import type { Digest } from './audit/digest.ts'
import type { AuditEvent } from './audit/events.ts'
import type { SessionSummary } from './audit/summary.ts'
import type { WeekId } from './audit/week.ts'
import type {
  ApprovalId,
  CallId,
  EpochMs,
  Fingerprint,
  GrantId,
  IdPrefix,
  PrincipalId,
  SessionId,
  TaskId,
} from './brands.ts'
import type { Freezable, Freeze, FreezeScope } from './freeze/freeze.ts'
import type { Call } from './gate/call.ts'
import type { Fence, Grant } from './grant/grant.ts'
import type { StandingGrant, StandingGrantCall } from './grant/standing.ts'
import type { Principal, PrincipalSummary } from './identity/principal.ts'
import type { JsonObject } from './json/value.ts'
import type { ClientKind } from './mcp/client-budget.ts'
import type { Reviewer } from './people/reviewer.ts'
import type { ChannelName } from './policy/decision.ts'
import type { KeptAnswer, RunEnd } from './run/run.ts'
import type { Passkey, StepUpLink, StepUpVisit } from './step-up/step-up.ts'
import type { Task, TaskEvent, TaskTransition } from './task/task.ts'

export interface Clock {
  now(): EpochMs
}

export interface Ids {
  /** `<prefix>_` and 128 unguessable bits in lower-case base32. */
  next(prefix: IdPrefix): string
}

/** One line an event. Fields are ids and counts, never values; see style in CONTRIBUTING. */
export interface Log {
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
}
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>

/** The recording. jobs/recording implements it. */
export interface Recorder {
  /**
   * Resolves when the event has reached the file (`written`: survives our crash) or the disk (`synced`: survives
   * the machine's). Rejects with GatewayError `recording_failed`; the caller must then not go on.
   */
  record(event: AuditEvent, durability: 'written' | 'synced'): Promise<void>
}

/**
 * Approvals in Redis. jobs/approvals implements it. Every write that the request path waits for carries the
 * instant until which the caller waits: Redis refuses it later, so that a call refused here leaves no ghost there.
 * All methods reject with GatewayError `store_unavailable` within milliseconds when Redis is away.
 */
export interface ApprovalStore {
  get(id: ApprovalId): Promise<Approval | null>
  /** Oldest first. */
  listPending(): Promise<readonly Approval[]>
  /** A part of them, and how many there are. */
  listPendingPage(page: { readonly offset: number; readonly max: number }): Promise<{
    readonly approvals: readonly Approval[]
    readonly total: number
  }>
  /** Newest first; resolved ones that are still kept, at most `max`. */
  listResolved(max: number): Promise<readonly Approval[]>
  /** Approved calls of which nobody knows whether they ran, and people have not said. Oldest first. */
  listUnknown(): Promise<readonly Approval[]>
  /**
   * Applies one event by compare-and-set. In the same step: the waiting replicas' inboxes, the grant (where the
   * event approved it), the pending index and the change stream. Exactly one of several concurrent events wins.
   */
  apply(id: ApprovalId, event: ApprovalEvent): Promise<Transition | { ok: false; refusal: 'unknown_approval' }>
  /**
   * What a review, the loss of its run or a cancellation made of an approval is in the recording. Until then the store
   * knows that it is not, so that a review whose process died, or never heard that it was applied, is recorded by another.
   */
  reviewRecorded(approval: Approval): Promise<void>
  /** Calls back with each approval that was opened or changed, from any process, until the signal aborts. */
  onChange(listener: (id: ApprovalId) => void, signal: AbortSignal): void
}

export type OpenedHold =
  /** A new approval, durable, its deadline a delayed job, its cards queued. */
  | { readonly outcome: 'opened'; readonly approval: Approval }
  /** An identical call's approval that is still pending: one card for both. */
  | { readonly outcome: 'joined'; readonly approval: Approval }
  /** An identical call was approved meanwhile, and its grant is unused. */
  | { readonly outcome: 'granted'; readonly approval: Approval; readonly grant: Grant }
  /** An identical call's one run has begun, and nobody has had its answer yet: `Runs.wait` tells how it ended. */
  | { readonly outcome: 'begun'; readonly approval: Approval }
  /** An identical call was denied or cancelled while its agent was away: it must hear that once. */
  | { readonly outcome: 'settled'; readonly approval: Approval }

/** Parking calls. jobs/holds implements it. */
export interface Holds {
  /** Opens or joins, by fingerprint, in one step. Rejects with `store_unavailable`; then nothing stays behind. */
  open(approval: Approval): Promise<OpenedHold>
  /**
   * Resolves when the approval is no longer pending; also when it was resolved before the call, in another process,
   * or while Redis was away. Rejects with the signal's reason, or with `store_unavailable` where Redis has lost it.
   */
  wait(id: ApprovalId, signal: AbortSignal): Promise<Approval>
}

/**
 * A held call, whole, so that it outlives its connection: a task's call is made by a worker, and a client whose stream
 * was cut comes back for its answer on another replica. Arguments are in it, and never a credential.
 */
export interface ParkedCall {
  readonly callId: CallId
  readonly approvalId: ApprovalId
  readonly sessionId: SessionId
  /** Whole, with the token's claims: conditions are judged again before the call runs. */
  readonly principal: Principal
  readonly upstream: string
  /** The judged bytes, base64. */
  readonly bytes: string
  /** What goes upstream beside the credential: the Mcp-* headers made from the body, and the listed ones of the agent. */
  readonly headers: Readonly<Record<string, string>>
  /** What the agent's client is, as far as it said; see Call. */
  readonly client: string | null
}

/** Parked calls in Redis. jobs/parked-calls implements it. */
export interface ParkedCalls {
  /**
   * Durable when it resolves. Rejects with `store_unavailable`, and with `too_many_holds` where the parked calls of its
   * principal, or of all, take as much memory as they may.
   */
  park(call: ParkedCall, until: EpochMs): Promise<void>
  /** As `park`, for a call whose client waits on a connection: of one approval only the newest few are kept. */
  parkConnection(call: ParkedCall, until: EpochMs): Promise<void>
  get(id: CallId): Promise<ParkedCall | null>
  /** True for the first who takes it away. */
  forget(id: CallId): Promise<boolean>
}

/** What an upstream asked about an approved call, on its way through the client and back. */
export interface Continuations {
  /**
   * The state that the client brings back: ours, with the upstream's in it (null where it gave none), sealed for this
   * call. proxy/mcp/rounds implements it.
   */
  wrap(call: Call, approvalId: ApprovalId, upstreamState: string | null): string
  /** True for the first who takes it, ever. jobs/taken-nonces implements it. Rejects with `store_unavailable`. */
  take(nonce: string): Promise<boolean>
}

/** How long clients were seen to wait for a held call. jobs/client-budgets implements it. Never throws. */
export interface ClientBudgets {
  /** What this replica knows now: a held call must not wait for another round trip. Milliseconds; null where unknown. */
  learnedMs(kind: ClientKind): number | null
  /** The client stopped waiting by its own clock: it `said` so, or merely `left`. */
  gaveUp(kind: ClientKind, waitedMs: number, how: 'said' | 'left'): void
}

/** A request as its client names it. */
export interface RequestName {
  /** Over principal, OAuth client, upstream, MCP session and JSON-RPC id. */
  readonly digest: string
  /** Without a session two clients of one principal may mean two requests by it. */
  readonly hasSession: boolean
}

/** Why a held connection must end without an answer. */
export type HeldEnd =
  /** Its client's time-out fired: the question stays. */
  | 'timed_out'
  /** Its client took the call back. */
  | 'withdrawn'
  /** Its client came back for the answer over another connection. */
  | 'superseded'

/** A held call's connection. */
export interface HeldConnection {
  /** Not null where its client had cancelled it before it was held. */
  readonly cancelled: { readonly end: 'timed_out' | 'withdrawn'; readonly isAlone: boolean } | null
  /** Aborts, with a HeldEnd as its reason, when the connection must end without an answer. */
  readonly ended: AbortSignal
  /** The call goes to the MCP server, or is answered: cancelling it is no matter of a hold any more. */
  settled(): void
  /** The connection is over; its call may come back. After `settled` it does nothing. */
  left(): void
}

/** What a client took back while it was held. */
export interface CancelledHold {
  readonly callId: CallId
  readonly approvalId: ApprovalId
  /** No other connection, on any replica, waits for this approval. */
  readonly isAlone: boolean
}

/**
 * Which connections wait for which approval, on all replicas, so that a cancellation finds its call wherever it is
 * held. jobs/held-connections implements it. Rejects with `store_unavailable`.
 */
export interface HeldConnections {
  /**
   * This connection waits from now on. Others of the same call end as `superseded`.
   */
  attach(held: {
    readonly callId: CallId
    readonly approvalId: ApprovalId
    readonly request: RequestName
    readonly until: EpochMs
  }): Promise<HeldConnection>
  /**
   * Ends the call wherever it is held and forgets it, so that it can't come back. Null: no such call is held, or several
   * are, and nobody can tell which one is meant.
   */
  cancel(request: RequestName, end: 'timed_out' | 'withdrawn'): Promise<CancelledHold | null>
  /** How many connections wait for this approval, on all replicas. */
  countFor(id: ApprovalId): Promise<number>
}

/** Grants in Redis. jobs/grants implements it. */
export interface Grants {
  get(id: GrantId): Promise<Grant | null>
  /** The fence: at most one call ever gets `ok` for one grant. */
  consume(id: GrantId, expected: { fingerprint: Fingerprint; callId: CallId }): Promise<Fence>
  /** Ends an active grant; false where it had ended already. */
  end(id: GrantId, state: 'expired' | 'revoked'): Promise<boolean>
}

/**
 * The one run of each approved call, from the fence (`Grants.consume`, which writes that it runs) to its answer, kept
 * for whoever comes back for it. jobs/runs implements it. See run/run.ts.
 */
export interface Runs {
  /**
   * This replica has been heard of lately: until it falls silent, no other process takes its runs for lost. Asked
   * between the fence and the upstream: where people may already be told that nobody knows, the call must not start.
   */
  isVouchedFor(): boolean
  /**
   * How the run of this call ended. Never rejects, and never keeps an answer from its agent: what Redis can't be told
   * now, it is told when it is back.
   */
  end(id: ApprovalId, callId: CallId, answer: KeptAnswer): Promise<void>
  /** Null while it runs. Rejects with `store_unavailable`. */
  get(id: ApprovalId): Promise<RunEnd | null>
  /**
   * Resolves when the run is over; also when it was over before, ended in another process, or was lost. Rejects with
   * the signal's reason, or with `store_unavailable`.
   */
  wait(id: ApprovalId, signal: AbortSignal): Promise<RunEnd>
  /** Its agent has the answer, or the denial: from now on an identical call is a new call. Never rejects. */
  delivered(id: ApprovalId): Promise<void>
}

/** The audit unit: one principal, one upstream, from first call to idle time-out. jobs/sessions implements it. */
export interface Sessions {
  /**
   * The open session of this pair. Synchronous when this process knows it (the hot path); else one round trip to
   * Redis that finds it or starts it. Starting it records `session.started` and schedules its summary.
   */
  touch(principal: PrincipalSummary, upstream: string): SessionId | Promise<SessionId>
}

/** The handles of held calls, in Redis. jobs/tasks implements it. Rejects with `store_unavailable`. */
export interface Tasks {
  /** Durable when it resolves. Answers the open task that this client has for this approval already, where it has one. */
  create(task: Task): Promise<Task>
  get(id: TaskId): Promise<Task | null>
  /** Applies one event by compare-and-set: of several at once, each finds what the one before it made of the task. */
  apply(id: TaskId, event: TaskEvent): Promise<TaskTransition | { ok: false; refusal: 'unknown' }>
  /** How many open tasks wait for this approval. */
  countFor(id: ApprovalId): Promise<number>
  /** Has a worker look at it, on whichever replica. However often it is asked for, it is one job. */
  wake(task: Task, delayMs?: number): Promise<void>
}

/**
 * Where a card stands, as text: a channel's own place (`slack`, `console`), a room of it (`slack:C0123`), or the private
 * talk with the person behind the agent (`slack:requester`). Of several workspaces the first is `slack`; another is
 * named: `slack/acme`, `slack/acme:C0123`.
 */
export type Place = string

export const placeOfRequester = (channel: ChannelName): Place => `${channel}:requester`

/** Where a card was posted, in the channel's own terms. JSON text; only the channel reads it. */
export type MessageRef = string & { readonly __messageRef: true }

/** Slack, Teams and the console. bots/<name> implements it; the outbox in jobs calls it. */
export interface Channel {
  readonly name: ChannelName
  /** Has a private place (`slack:requester`) for the person behind the agent. */
  readonly tellsRequester?: true
  /** Where notices and summaries go; left out: the channel's own place alone. */
  readonly places?: { readonly notices: readonly Place[]; readonly summaries: readonly Place[] }
  /** Null: nobody is to be found in that place, so that nothing is ever posted there. */
  post(card: Card, place: Place): Promise<MessageRef | null>
  /** Repaints from state; never patches. */
  update(ref: MessageRef, card: Card, place: Place): Promise<void>
  /** A message in the card's thread. Left out: the card itself shows it all. */
  reply?(ref: MessageRef, reply: Reply, about: { readonly card: Card; readonly place: Place }): Promise<void>
  /**
   * Puts beside a posted card what did not fit on it; nothing where all of it did. A step of its own, so that a failure
   * posts no second card: it may be repeated, and a card without it is still a card. Where the channel has no such
   * place, it is left out.
   */
  attach?(ref: MessageRef, card: Card): Promise<void>
  /** Answers where it stands; null where the channel has no such place. */
  summarise(summary: SessionSummary, place: Place): Promise<MessageRef | null>
  /** What a summary has no room for, in its thread. Left out: the summary shows it all. */
  detail?(ref: MessageRef, summary: SessionSummary): Promise<void>
  /** The week's figures, where summaries go. Left out: the channel is none that people look up a week in. */
  digest?(digest: Digest, place: Place): Promise<void>
  notify(id: string, notice: Notice, place: Place): Promise<void>
  /**
   * A message that may have been posted at about that instant although nobody heard that it was: the answer was lost,
   * or whoever waited for it died. Rejects where it can't be told; with ChannelUnsure where it never can. Left out:
   * posting twice shows nothing twice.
   */
  find?(sent: Sent, at: EpochMs): Promise<MessageRef | null>
}

/** A conversation of Teams that the bot is in, and how it is reached. */
export interface Conversation {
  /** `19:…@thread.tacv2` a channel, `19:…@thread.v2` a group chat, `a:…` a talk of two. Never with `;messageid=`. */
  readonly id: string
  readonly kind: 'channel' | 'groupChat' | 'personal'
  readonly tenantId: string
  /** Where the connector answers for it; Microsoft may move it, so that the newest counts. */
  readonly serviceUrl: string
  /** The person of a personal talk, by Entra's object id; else null. */
  readonly oid: string | null
  /** The team's group id in Entra, where the conversation is a channel and Teams named it; else null. */
  readonly teamGroupId: string | null
}

/**
 * The conversations that Teams told of: a bot can write only where it was installed. jobs/conversations implements it.
 * Rejects with `store_unavailable`.
 */
export interface Conversations {
  /** Durable when it resolves. The newest word counts; what it leaves out (null) takes nothing away. */
  remember(conversation: Conversation): Promise<void>
  get(id: string): Promise<Conversation | null>
  /** The personal talk with this person. */
  withPerson(tenantId: string, oid: string): Promise<Conversation | null>
  /** Channels and group chats, those heard of last at first. An installation in a team names none but its first channel. */
  rooms(max: number): Promise<readonly Conversation[]>
  /** The bot was taken out of it. */
  forget(id: string): Promise<void>
}

/** What names a message of ours among all others. */
export type Sent =
  | { readonly kind: 'card'; readonly approvalId: ApprovalId; readonly place: Place }
  | { readonly kind: 'reply'; readonly ref: MessageRef; readonly replyId: string }
  | { readonly kind: 'notice'; readonly id: string; readonly place: Place }
  | { readonly kind: 'summary'; readonly sessionId: SessionId; readonly place: Place }
  | { readonly kind: 'digest'; readonly week: WeekId; readonly place: Place }

/** The `replyId` of a summary's details in its thread. */
export const SUMMARY_DETAILS = 'summary-details'

/** What people are told besides cards and summaries: short, once, in the channel. */
export type Notice =
  | { readonly type: 'grant_ended'; readonly grant: StandingGrant }
  | { readonly type: 'frozen'; readonly freeze: Freeze; readonly ended: { approvals: number; grants: number } }
  | { readonly type: 'thawed'; readonly scope: FreezeScope; readonly by: Reviewer; readonly at: EpochMs }

/** Tells people, in every channel, when it can. jobs implements it. */
export interface Notices {
  /** Durable when it resolves; the same `id` again tells nothing twice. Rejects with `store_unavailable`. */
  send(id: string, notice: Notice): Promise<void>
}

/** A channel that answered "later", and did nothing: the outbox waits at least so long. */
export class ChannelBusy extends Error {
  override readonly name = 'ChannelBusy'
  readonly retryAfterMs: number
  /** Only messages like this one have to wait; the channel itself knows which. */
  readonly isForThisOnly: boolean
  constructor(retryAfterMs: number, options: { cause?: unknown; isForThisOnly?: boolean } = {}) {
    super(`the channel asks to wait ${retryAfterMs} ms`, { cause: options.cause })
    this.retryAfterMs = retryAfterMs
    this.isForThisOnly = options.isForThisOnly ?? false
  }
}

/** A channel that said no, and did nothing. Any other error leaves it open whether the message was posted. */
export class ChannelRefused extends Error {
  override readonly name = 'ChannelRefused'
  /** The channel's own word for it. */
  readonly code: string
  constructor(message: string, options: { code: string; cause?: unknown }) {
    super(message, { cause: options.cause })
    this.code = options.code
  }
}

/** A channel that can't tell whether it posted a message, now or later: it is given up rather than posted twice. */
export class ChannelUnsure extends Error {
  override readonly name = 'ChannelUnsure'
}

/** Copies of cards that people acted on. jobs/seen-cards implements it. Rejects with `store_unavailable`. */
export interface SeenCards {
  /** Where nobody ever heard that this card was posted, this copy is the one that follows the approval from now on. */
  seen(id: ApprovalId, place: Place, ref: MessageRef): Promise<void>
}

/** One click. */
export interface ReviewClick {
  readonly approvalId: ApprovalId
  readonly reviewer: Reviewer
  readonly choice: Review['choice']
  readonly reason: string | null
  readonly channel: ChannelName
  /** Left out: one tap. */
  readonly strength?: ReviewStrength
  /** Left out or null: this call alone. */
  readonly allowForMs?: number | null
  /** Left out: nobody knows what was shown, so that it counts as incomplete. */
  readonly shown?: {
    /** SHA-256, hexadecimal, of what the clicked copy showed; null where an earlier version painted it and nobody knows. */
    readonly digest: string | null
    /** False where something didn't fit on it. */
    readonly isComplete: boolean
    /** The clicked copy shows something else than this approval asks: it can't be approved by it. */
    readonly isOutdated?: boolean
  }
}

/** What a channel's buttons call. src/review implements it; one click is one call. */
export interface Reviews {
  submit(click: ReviewClick): Promise<ReviewOutcome>
  /**
   * Asked again before an approved call runs: whether each who approved it still may. Null where they do. Rejects with
   * `directory_unavailable` where nobody can tell; then the call must not run.
   */
  stillMay(approval: Approval): Promise<Refusal | null>
  /** A reviewer asks the person behind the agent. */
  ask(click: RemarkClick): Promise<ReviewOutcome>
  /** That person answers. */
  answer(click: RemarkClick): Promise<ReviewOutcome>
  /** That person, or a reviewer, reminds the others. */
  remind(click: { readonly approvalId: ApprovalId; readonly reviewer: Reviewer }): Promise<ReviewOutcome>
  /** That person takes the question back. */
  cancel(click: { readonly approvalId: ApprovalId; readonly reviewer: Reviewer }): Promise<ReviewOutcome>
  /** Denies everything that this approval's agent asks for now, as far as this reviewer may. */
  denyAll(click: Omit<ReviewClick, 'choice'>): Promise<{ readonly denied: number; readonly refused: number }>
  /** What a person found out about a call whose gateway stopped while it was on its way. Who may review may say so. */
  resolveRun(click: {
    readonly approvalId: ApprovalId
    readonly reviewer: Reviewer
    readonly ran: boolean
  }): Promise<ReviewOutcome>
}

export type ReviewOutcome =
  | { readonly ok: true; readonly approval: Approval }
  | { readonly ok: false; readonly refusal: Refusal; readonly message: string; readonly approval: Approval | null }

export interface RemarkClick {
  readonly approvalId: ApprovalId
  readonly reviewer: Reviewer
  readonly text: string
}

/** Which reviewers opened what didn't fit on their card. jobs implements it. Rejects with `store_unavailable`. */
export interface Readings {
  /** This person saw a page (from 1) of `pages`. */
  seen(reading: {
    readonly approvalId: ApprovalId
    readonly reviewerId: string
    readonly page: number
    readonly pages: number
  }): Promise<void>
  hasSeenAll(approvalId: ApprovalId, reviewerId: string): Promise<boolean>
}

/**
 * The step-up pages' memory: links and visits, each under a secret that a link or a browser holds and of which only the
 * digest is kept. jobs/step-ups implements it. Rejects with `store_unavailable`.
 */
export interface StepUps {
  /** An earlier link of the same approval and reviewer works no more. */
  addLink(secret: string, link: StepUpLink): Promise<void>
  /** Changes nothing: what a chat's link preview may do. */
  peekLink(secret: string): Promise<StepUpLink | null>
  /** For the first who takes it, ever. */
  takeLink(secret: string): Promise<StepUpLink | null>
  addVisit(secret: string, visit: StepUpVisit): Promise<void>
  peekVisit(secret: string): Promise<StepUpVisit | null>
  /** For the first who takes it, ever. */
  takeVisit(secret: string): Promise<StepUpVisit | null>
}

/** Reviewers' passkeys, by the owner's e-mail address. jobs/passkeys implements it. Rejects with `store_unavailable`. */
export interface Passkeys {
  /** Oldest first. */
  list(email: string): Promise<readonly Passkey[]>
  /** `as` says what the owner was shown to have: of two who both add a first one, one is told that it is none. */
  add(email: string, passkey: Passkey, as: 'first' | 'further'): Promise<'added' | 'not_first' | 'known' | 'too_many'>
  /** It has just signed with this counter; false where the counter was there before, so that a copy of it is at work. */
  used(
    email: string,
    use: { readonly passkey: Passkey; readonly counter: number; readonly at: EpochMs },
  ): Promise<boolean>
  remove(email: string, id: string): Promise<boolean>
}

/** Who is in people.groups. */
export interface People {
  /**
   * True where one of the groups names this reviewer. Unknown groups have no members. `click`: what was looked up a
   * moment ago will do; `run`: it is looked up now. Rejects with `directory_unavailable` where it can't be told, unless
   * another group has them.
   */
  isMember(reviewer: Reviewer, groups: readonly string[], when: 'click' | 'run'): Promise<boolean>
  /**
   * The person as their channel knows them now; null where they may review no more (left, became a guest, has another
   * e-mail address). Rejects with `directory_unavailable` where the channel can't be asked.
   */
  current(reviewer: Reviewer): Promise<Reviewer | null>
}

/** A directory that knows groups: Slack's user groups and channels, Okta, what tokens say. Its edge implements it. */
export interface GroupSource {
  /** Whether it is about this member of a group as the settings write it, such as `slack:usergroup:S012AB`. */
  knows(member: string): boolean
  /** Rejects where it can't be told, or not in time. */
  isMember(reviewer: Reviewer, member: string, limits: LookUpLimits): Promise<boolean>
  /** For `countersign doctor`: whether this member can be looked up. Never rejects. */
  examine(member: string): Promise<Examined>
}

export interface LookUpLimits {
  /** How old an answer may be; 0: the directory is asked from now on. */
  readonly maxAgeMs: number
  /** How long whoever asks waits. */
  readonly patienceMs: number
}

export interface Examined {
  readonly ok: boolean
  readonly detail: string
  /** What to do about it; null where nothing is wrong. */
  readonly cure: string | null
}

/** A channel's own people. Its edge implements it. */
export interface PersonSource {
  /** Whether this reviewer's id is one that this channel gives. */
  knows(reviewer: Reviewer): boolean
  /** As People.current. Rejects where it can't be told, or not in time. */
  current(reviewer: Reviewer, limits: LookUpLimits): Promise<Reviewer | null>
}

/** Standing grants in Redis. jobs implements it. Rejects with `store_unavailable`. */
export interface StandingGrants {
  /**
   * The grant that passes this call, counted as used by it in the same step; null where none does. By Redis' clock, so
   * that one which was revoked or expired a moment ago passes nothing. None passes a call while an identical one's own
   * approval, its answer, or its denial waits for whoever comes back: what ran must not run again instead.
   */
  use(call: StandingGrantCall, fingerprint: Fingerprint): Promise<StandingGrant | null>
  get(id: GrantId): Promise<StandingGrant | null>
  /** Active ones, those that end first at first. */
  listActive(page: { readonly offset: number; readonly max: number; readonly ownerEmail?: string }): Promise<{
    readonly grants: readonly StandingGrant[]
    readonly total: number
  }>
  /** Ends an active one; null where it had ended already. */
  end(
    id: GrantId,
    end: { readonly state: 'expired' | 'revoked'; readonly by: Reviewer | null },
  ): Promise<StandingGrant | null>
}

/** What stands frozen. jobs implements it. */
export interface Freezes {
  /** From what this process knows, which is milliseconds behind Redis; null where nothing stops the call. */
  stops(call: Freezable): Freeze | null
  list(): Promise<readonly Freeze[]>
  /**
   * Durable when it resolves, and known to every replica within milliseconds. Answers the freeze that stands: where the
   * scope was frozen already, the earlier one; null where too many stand. Rejects with `store_unavailable`.
   */
  add(freeze: Freeze): Promise<Freeze | null>
  /** False where nothing of that name was frozen. */
  remove(scope: FreezeScope): Promise<boolean>
}

/** Freezing and thawing as people do it. src/freeze implements it: who may, what it ends, what is recorded and told. */
export interface FreezeDesk {
  freeze(order: {
    readonly scope: FreezeScope
    readonly by: Reviewer
    readonly reason: string | null
    /** Called once the freeze is durable: ending a thousand holds takes longer than stopping everything. */
    readonly onStanding?: (freeze: Freeze) => void
  }): Promise<FreezeOutcome>
  thaw(order: { readonly scope: FreezeScope; readonly by: Reviewer }): Promise<FreezeOutcome>
}

export type FreezeOutcome =
  | {
      readonly ok: true
      /** What stands; null after a thaw. */
      readonly freeze: Freeze | null
      readonly ended: { readonly approvals: number; readonly grants: number }
      /** What could not be done besides, for the person who asked; null where all was. */
      readonly note: string | null
    }
  /** `message` is for the person who asked. */
  | { readonly ok: false; readonly message: string }

/** A session that has ended and whose summary was posted. */
export interface EndedSession {
  readonly upstream: string
  readonly startedAt: EpochMs
  readonly endedAt: EpochMs
  readonly calls: number
  readonly recordingId: string
  readonly channel: ChannelName
  readonly ref: MessageRef
}

/** The sessions of each person's agents that ended lately. jobs/recent-sessions implements it. */
export interface RecentSessions {
  add(ownerEmail: string, session: EndedSession): Promise<void>
  /** Newest first. Rejects with `store_unavailable`. */
  list(page: { readonly ownerEmail: string; readonly offset: number; readonly max: number }): Promise<{
    readonly sessions: readonly EndedSession[]
    readonly total: number
  }>
}

/** The tools of an upstream, by name, as it lists them now or did a few minutes ago. proxy/catalogue implements it. */
export interface ToolListing {
  /** Rejects with `upstream_unreachable`, also where the list isn't there in time. */
  tools(
    upstream: string,
    look: { readonly age: 'fresh' | 'cached'; readonly withinMs: number },
  ): Promise<ReadonlyMap<string, JsonObject>>
}

/** Elevated access as people ask for it. src/access implements it. Messages are for the person who asked. */
export interface AccessDesk {
  /** Upstreams that policy lets this person ask for; by name. Rejects with `directory_unavailable`. */
  upstreams(requester: Reviewer): Promise<readonly string[]>
  /**
   * What of it this person may ask for. `cached`: as it was listed for a form that is open. Rejects with
   * `upstream_unreachable` where it can't be listed.
   */
  offer(requester: Reviewer, upstream: string, age?: 'fresh' | 'cached'): Promise<AccessOffer>
  preview(wish: Pick<AccessWish, 'requester' | 'upstream' | 'tools'>): Promise<AccessPreview>
  request(wish: AccessWish): Promise<AccessOutcome>
  /** The holder, whoever may review the grant's approval, and operators may. */
  revoke(order: { readonly grantId: GrantId; readonly by: Reviewer }): Promise<RevokeOutcome>
}

export type AccessWish = Omit<AccessRequest, 'ownerEmail'>

export interface AccessOffer {
  /** What the upstream lists now, as far as this person may ask for it. */
  readonly tools: readonly { readonly name: string; readonly description: string | null }[]
  /** Whether they may ask for `*`: all of them, and those that the upstream will list later. */
  readonly offersAll: boolean
  /** The longest that any entry offers for some of them. */
  readonly longestMs: number
}

export interface AccessPreview {
  /** Null where policy lets this person not ask for this; `sentences` say why. */
  readonly rule: string | null
  readonly from: readonly string[]
  readonly quorum: number
  readonly longestMs: number | null
  /** What policy will say of each tool under the grant, in short sentences of ours. Tools' names in them are untrusted. */
  readonly sentences: readonly string[]
}

/** What of the wish is wrong; null where it is none of its parts. */
export type AccessInput = 'upstream' | 'tools' | 'duration' | 'reason'

export type AccessOutcome =
  | { readonly ok: true; readonly approval: Approval; readonly wasAsked: boolean }
  | { readonly ok: false; readonly message: string; readonly input: AccessInput | null }

export type RevokeOutcome =
  | { readonly ok: true; readonly grant: StandingGrant }
  | { readonly ok: false; readonly message: string }

export type { PrincipalId }
