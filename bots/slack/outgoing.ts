/**
 * All that goes out to Slack by itself: cards, their repaints and threads, what the person behind an agent is told,
 * summaries and notices. When, and whether at all, is the outbox's to say; here is where and how.
 */
import type { Card } from '../../src/approval/card.ts'
import type { EpochMs } from '../../src/brands.ts'
import { noticeText } from '../../src/notice/notice-text.ts'
import { placeIn } from '../../src/policy/place.ts'
import {
  type ApprovalStore,
  type Channel,
  ChannelRefused,
  type Clock,
  type Log,
  type MessageRef,
  type Place,
  placeOfRequester,
  type Sent,
} from '../../src/ports.ts'
import { attachArguments } from './arguments-file.ts'
import { cardMessage, type SlackMessage } from './card-blocks.ts'
import { noticeMessage } from './notice-blocks.ts'
import { createPace, type Pace } from './pace.ts'
import { replyMessage } from './reply-blocks.ts'
import { requesterMessage } from './requester.ts'
import { createRequesters, type Requesters } from './requesters.ts'
import { findSent, metadataOf, readRef, type SlackRef, writeRef } from './sent.ts'
import { summaryMessage } from './summary-blocks.ts'
import type { SlackWeb } from './web.ts'

export interface OutgoingOptions {
  readonly web: SlackWeb
  /** Ids of the channels for cards and for summaries. */
  readonly approvals: string
  readonly summaries: string
  /** The workspace of the token, and our bot in it. */
  readonly ours: () => Promise<{ readonly teamId: string; readonly botId?: string }>
  readonly get: ApprovalStore['get']
  readonly clock: Clock
  readonly log: Log
}

interface Outgoing extends OutgoingOptions {
  readonly pace: Pace
  readonly requesters: Requesters
}

const REQUESTER = placeOfRequester('slack')

export function createOutgoing(options: OutgoingOptions): Channel {
  const pace = createPace(options.clock)
  const teamId = async () => (await options.ours()).teamId
  const requesters = createRequesters({ web: options.web, pace, teamId, clock: options.clock })
  const outgoing: Outgoing = { ...options, pace, requesters }
  return {
    name: 'slack',
    tellsRequester: true,
    async post(card, place) {
      const sent = { kind: 'card', approvalId: card.approvalId, place } as const
      const conversation = await conversationOf(outgoing, sent)
      const message = conversation === null ? null : await messageFor(outgoing, card, place)
      if (conversation === null || message === null) return null
      return writeRef(await post(outgoing, { conversation, message, sent }))
    },
    update: (ref, card, place) => update(outgoing, { ref, card, place }),
    async reply(ref, reply, about) {
      const message = replyMessage(reply, about)
      if (message === null) return
      const { channel, ts } = readRef(ref)
      const { isBroadcast, ...shown } = message
      const sent = { kind: 'reply', ref, replyId: reply.id } as const
      await post(outgoing, { conversation: channel, message: shown, sent, thread: { ts, isBroadcast } }).catch(
        isGone(outgoing, about.card),
      )
    },
    async attach(ref, card) {
      const { channel, ts } = readRef(ref)
      await attachArguments(card, { web: options.web, pace, channel, threadTs: ts })
    },
    async notify(id, notice) {
      const message = noticeMessage(noticeText(notice))
      await post(outgoing, { conversation: options.approvals, message, sent: { kind: 'notice', id } })
    },
    async summarise(summary) {
      return writeRef(
        await post(outgoing, { conversation: options.summaries, message: summaryMessage(summary), sent: null }),
      )
    },
    find: (sent, at) => find(outgoing, sent, at),
  }
}

interface Post {
  readonly conversation: string
  readonly message: SlackMessage
  readonly sent: Sent | null
  readonly thread?: { readonly ts: string; readonly isBroadcast: boolean }
}

async function post({ web, pace }: Outgoing, { conversation, message, sent, thread }: Post): Promise<SlackRef> {
  const quiet = { unfurl_links: false, unfurl_media: false, mrkdwn: false, parse: 'none', link_names: false } as const
  const named = sent === null ? {} : { metadata: metadataOf(sent) }
  const below = thread === undefined ? {} : { thread_ts: thread.ts, reply_broadcast: thread.isBroadcast }
  const { ts, channel } = await pace.run({ method: 'chat.postMessage', conversation }, () =>
    web.chat.postMessage({ channel: conversation, ...message, ...quiet, ...named, ...below }),
  )
  if (ts === undefined || channel === undefined) throw new Error('Slack did not say where the message is')
  return { channel, ts }
}

/** A message that someone deleted, or that Slack lets nobody change or answer any more, stays as it is. */
const GONE = new Set([
  'message_not_found',
  'thread_not_found',
  'cant_update_message',
  'edit_window_closed',
  'cannot_reply_to_message',
])

function isGone({ log }: Outgoing, card: Card): (error: unknown) => void {
  return (error) => {
    if (!(error instanceof ChannelRefused) || !GONE.has(error.code)) throw error
    log.warn('slack card is gone; nothing to repaint', { approval_id: card.approvalId, error: error.code })
  }
}

async function update(
  outgoing: Outgoing,
  { ref, card, place }: { readonly ref: MessageRef; readonly card: Card; readonly place: Place },
): Promise<void> {
  const { web, pace } = outgoing
  const { channel, ts } = readRef(ref)
  const message = await messageFor(outgoing, card, place)
  if (message === null) return
  // The metadata stays: docs.slack.dev/reference/methods/chat.update takes it away only where an empty one is given.
  await pace
    .run({ method: 'chat.update' }, () =>
      web.chat.update({ channel, ts, ...message, parse: 'none', link_names: false }),
    )
    .catch(isGone(outgoing, card))
}

/** Null: the approval is kept no longer. */
async function messageFor({ get }: Outgoing, card: Card, place: Place): Promise<SlackMessage | null> {
  if (place !== REQUESTER) return cardMessage(card)
  const approval = await get(card.approvalId)
  return approval === null ? null : requesterMessage(approval, card)
}

/** Null: nobody is to be found there. */
async function conversationOf(outgoing: Outgoing, sent: Sent): Promise<string | null> {
  switch (sent.kind) {
    case 'notice':
      return outgoing.approvals
    case 'reply':
      return readRef(sent.ref).channel
    case 'card': {
      if (sent.place !== REQUESTER) return roomIn(sent.place, outgoing.approvals)
      const approval = await outgoing.get(sent.approvalId)
      return approval === null ? null : outgoing.requesters.conversationWith(approval)
    }
  }
}

/** Never into another workspace's room of the same name than the one that the rule means. */
function roomIn(place: Place, own: string): string {
  const parsed = placeIn(place)
  if (parsed === null || parsed.workspace !== null) {
    throw new ChannelRefused(`channels.slack has no place "${place}"`, { code: 'unknown_place' })
  }
  return parsed.room ?? own
}

async function find(outgoing: Outgoing, sent: Sent, at: EpochMs): Promise<MessageRef | null> {
  const { web, pace, ours } = outgoing
  const channel = await conversationOf(outgoing, sent)
  if (channel === null) return null
  const { botId } = await ours()
  if (botId === undefined)
    throw new Error('Slack named no bot for the token, so its messages can’t be told from others')
  const within = sent.kind === 'reply' ? { channel, threadTs: readRef(sent.ref).ts } : { channel }
  return findSent({ web, pace, botId, sent, at, within })
}
