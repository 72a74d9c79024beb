/**
 * Makes one place show one approval as it is now.
 *
 *   no message yet, approval open      post
 *   no message yet, approval resolved  nothing: people must not be asked what is decided, unless it asks whether the
 *                                      call ran
 *   nobody knows whether there is one  nothing, until somebody acts on it (seen-cards.ts)
 *   message, older than the approval   update
 *   then                               what belongs below it and beside the card, each once
 *
 * What was done is remembered after each step, so that one which fails repeats only itself.
 */
import type { Approval } from '../src/approval/approval.ts'
import type { Card } from '../src/approval/card.ts'
import { isCall, isToldByNewCard, type Reply, repliesTo } from '../src/approval/replies.ts'
import type { ApprovalId } from '../src/brands.ts'
import {
  type Channel,
  ChannelBusy,
  ChannelRefused,
  type Clock,
  type Log,
  type MessageRef,
  type Place,
} from '../src/ports.ts'
import { approvalKeys } from './approvals/keys.ts'
import { PAINTED } from './approvals/scripts.ts'
import type { RedisApprovalStore } from './approvals/store.ts'
import { waitOf } from './busy.ts'
import { postOnce } from './post-once.ts'
import type { RunResult } from './queues.ts'
import type { BlockingConnection, RedisHandle } from './redis.ts'
import { postingField, seenField } from './seen-cards.ts'

/** What lies beside a card goes another way than messages, which a network may let nobody go: for a few seconds. */
const ATTACH_TRIES_MAX = 4

export interface PaintSettings {
  readonly redis: RedisHandle
  /** Waits for Redis. */
  readonly patient: BlockingConnection
  readonly store: Pick<RedisApprovalStore, 'get'>
  readonly channel: Channel
  /** Every place that shows the approval. */
  readonly places: (approval: Approval) => readonly { readonly place: Place }[]
  readonly cardOf: (approval: Approval) => Card
  readonly clock: Clock
  readonly log: Log
}

/** What a place shows. */
interface Painted {
  /** Null: nothing was posted. */
  readonly ref: MessageRef | null
  /** Of the approval, as it stands there. */
  readonly version: number
  /** Nobody is to be found there, so that nothing ever will be posted. */
  readonly isNobody?: true
  /** It was given up: nobody knows whether it was posted. Where it was, whoever acts on it shows us (seen-cards.ts). */
  readonly isUnsure?: true
  readonly isAttached?: true
  /** How often it failed without a word why. */
  readonly attachTries?: number
  /** Ids of the replies that are there, or need not be. */
  readonly replied?: readonly string[]
}

interface Work extends PaintSettings {
  readonly approval: Approval
  readonly place: Place
  readonly card: Card
  /** People are still asked, whether to approve it or what became of it. */
  readonly isOpen: boolean
}

export async function paint(
  settings: PaintSettings,
  { id, place }: { readonly id: ApprovalId; readonly place: Place },
): Promise<RunResult> {
  const { store, clock } = settings
  const approval = await store.get(id)
  if (approval === null) return 'done'
  // Past its deadline and its job not run yet: that job's change brings us here again.
  const isAsked = approval.state === 'pending' && clock.now() < approval.expiresAt
  const isOpen = isAsked || approval.run?.state === 'unknown'
  const work: Work = { ...settings, approval, place, card: settings.cardOf(approval), isOpen }
  try {
    return await bringUp(work, await readPainted(work))
  } catch (error) {
    if (!(error instanceof ChannelBusy)) throw error
    return error.isForThisOnly ? { againInMs: waitOf(error) } : { pauseQueueMs: waitOf(error) }
  }
}

async function bringUp(work: Work, before: Painted | null): Promise<RunResult> {
  const { approval, isOpen } = work
  if (before?.isNobody) return settle(work, { ...before, version: approval.version })
  const shown = before?.ref ? before : ((await adoptSeen(work)) ?? (before?.isUnsure ? before : await post(work)))
  if (shown === 'not_now') return 'done'
  if ('againInMs' in shown) return shown
  if (shown.ref === null) return settle(work, { ...shown, version: approval.version })
  const fresh = await update(work, shown.ref, shown)
  const replied = await reply(work, shown.ref, fresh)
  if ('againInMs' in replied) return replied
  // Last, so that people are reminded and asked also where it fails.
  return settle(work, isOpen ? await attach(work, shown.ref, replied) : replied)
}

type Later = { readonly againInMs: number }

async function post(work: Work): Promise<Painted | Later | 'not_now'> {
  const { approval, place, card, channel, isOpen, redis, clock, log } = work
  const { id, version } = approval
  const field = postingField(place)
  const result = await postOnce({
    redis,
    key: approvalKeys(redis).cards(id),
    field,
    channel,
    sent: { kind: 'card', approvalId: id, place },
    clock,
    log,
    isWanted: isOpen,
    post: () => channel.post(card, place),
  })
  switch (result.outcome) {
    case 'later':
      return { againInMs: result.againInMs }
    case 'unwanted':
      return approval.state === 'pending' ? 'not_now' : { ref: null, version }
    case 'given_up':
      return remember(work, { ref: null, version, isUnsure: true }, field)
    case 'adopted':
      // It may be as it was long ago.
      return remember(work, { ref: result.ref, version: 0 }, field)
    case 'posted': {
      const ref = result.posted
      if (ref === null) return remember(work, { ref, version, isNobody: true }, field)
      const replied = repliesTo(approval)
        .filter(isToldByNewCard)
        .map((told) => told.id)
      return remember(work, { ref, version, replied }, field)
    }
  }
}

/** Null: nobody acted on a copy that we don't know. */
async function adoptSeen(work: Work): Promise<Painted | null> {
  const { redis, approval, place } = work
  const ref = await redis.call('HGET', approvalKeys(redis).cards(approval.id), seenField(place))
  if (typeof ref !== 'string') return null
  // It may be as it was long ago.
  return remember(work, { ref: ref as MessageRef, version: 0 }, postingField(place))
}

async function update(work: Work, ref: MessageRef, shown: Painted): Promise<Painted> {
  const { approval, card, place, channel } = work
  if (shown.version >= approval.version) return shown
  await channel.update(ref, card, place)
  return remember(work, { ...shown, version: approval.version })
}

/** A card without it is still a card: where it can't be had, that is said in the log and nothing else. */
async function attach(work: Work, ref: MessageRef, shown: Painted): Promise<Painted> {
  const { approval, card, channel, place, log } = work
  if (channel.attach === undefined || shown.isAttached) return shown
  try {
    await channel.attach(ref, card)
  } catch (error) {
    if (error instanceof ChannelBusy) throw error
    const attachTries = (shown.attachTries ?? 0) + 1
    const why = error instanceof ChannelRefused ? error.code : 'unknown'
    if (!(error instanceof ChannelRefused) && attachTries < ATTACH_TRIES_MAX) {
      await remember(work, { ...shown, attachTries })
      throw error
    }
    log.warn('outbox: the rest of a card cannot be put beside it', { approval_id: approval.id, place, why })
  }
  return remember(work, { ...shown, isAttached: true })
}

async function reply(work: Work, ref: MessageRef, shown: Painted): Promise<Painted | Later> {
  const { approval, channel } = work
  if (channel.reply === undefined) return shown
  let painted = shown
  for (const each of repliesTo(approval)) {
    if (painted.replied?.includes(each.id)) continue
    const field = `${work.place}:posting:${each.id}`
    const result = await postReply(work, { ref, reply: each, field })
    if (result.outcome === 'later') return { againInMs: result.againInMs }
    // One that came too late is done with too.
    painted = await remember(work, { ...painted, replied: [...(painted.replied ?? []), each.id] }, field)
  }
  return painted
}

function postReply(
  { redis, clock, log, channel, approval, card, place, isOpen }: Work,
  { ref, reply: each, field }: { readonly ref: MessageRef; readonly reply: Reply; readonly field: string },
) {
  return postOnce({
    redis,
    key: approvalKeys(redis).cards(approval.id),
    field,
    channel,
    sent: { kind: 'reply', ref, replyId: each.id },
    clock,
    log,
    // The deadline has passed, and its job has not run: nobody is to be reminded any more.
    isWanted: isOpen || !isCall(each),
    post: async () => channel.reply?.(ref, each, { card, place }),
  })
}

async function readPainted({ redis, approval, place }: Work): Promise<Painted | null> {
  const json = await redis.call('HGET', approvalKeys(redis).cards(approval.id), place)
  return typeof json === 'string' ? (JSON.parse(json) as Painted) : null
}

async function remember(work: Work, painted: Painted, attempt = ''): Promise<Painted> {
  await write(work, { painted, attempt, isDone: false })
  return painted
}

async function settle(work: Work, painted: Painted): Promise<RunResult> {
  await write(work, { painted, attempt: '', isDone: true })
  return 'done'
}

async function write(
  { redis, patient, approval, place, places }: Work,
  { painted, attempt, isDone }: { readonly painted: Painted; readonly attempt: string; readonly isDone: boolean },
): Promise<void> {
  const keys = approvalKeys(redis)
  const { id } = approval
  const shownIn = places(approval).map((each) => each.place)
  const remembered = [id, place, JSON.stringify(painted), isDone ? painted.version : '', attempt, ...shownIn]
  await patient.run(PAINTED, [keys.approval(id), keys.cards(id), keys.cardsDue], remembered)
}
