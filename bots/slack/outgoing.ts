/**
 * All that goes out to Slack by itself: cards, their repaints and threads, what the person behind an agent is told,
 * summaries and notices. When, and whether at all, is the outbox's to say; here is where and how.
 *
 * Each message has its workspace: a card that of its place, what follows a card the one that its reference names.
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
  type LogFields,
  type MessageRef,
  type Place,
  placeOfRequester,
  type Sent,
  SUMMARY_DETAILS,
} from '../../src/ports.ts'
import { isGone } from '../chat/gone.ts'
import type { Requesters } from '../chat/requesters.ts'
import { attachArguments } from './arguments-file.ts'
import { cardMessage, type SlackMessage } from './card-blocks.ts'
import { digestMessage } from './digest-blocks.ts'
import { noticeMessage } from './notice-blocks.ts'
import { replyMessage } from './reply-blocks.ts'
import { requesterMessage } from './requester.ts'
import { createRequesters, type Talk } from './requesters.ts'
import { findSent, metadataOf, readRef, refIn, workspaceOf } from './sent.ts'
import { summaryDetails, summaryMessage } from './summary-blocks.ts'
import type { SlackWorkspace, Workspaces } from './workspaces.ts'

export interface OutgoingOptions {
  readonly workspaces: Pick<Workspaces, 'all' | 'named'>
  readonly get: ApprovalStore['get']
  readonly clock: Clock
  readonly log: Log
}

interface Outgoing extends OutgoingOptions {
  readonly requesters: Requesters<Talk>
}

const REQUESTER = placeOfRequester('slack')

export function createOutgoing(options: OutgoingOptions): Channel {
  const { workspaces } = options
  const outgoing: Outgoing = { ...options, requesters: createRequesters(workspaces, options.clock) }
  return {
    name: 'slack',
    tellsRequester: true,
    places: {
      notices: workspaces.all.map(({ place }) => place),
      summaries: workspaces.all.filter(({ summaries }) => summaries !== null).map(({ place }) => place),
    },
    async post(card, place) {
      const sent = { kind: 'card', approvalId: card.approvalId, place } as const
      const talk = await talkFor(outgoing, sent)
      const message = talk === null ? null : await messageFor(outgoing, card, place)
      if (talk === null || message === null) return null
      return post({ ...talk, message, sent })
    },
    update: (ref, card, place) => update(outgoing, { ref, card, place }),
    async reply(ref, reply, about) {
      const message = replyMessage(reply, about)
      const where = message === null ? null : standing(outgoing, ref, { approval_id: about.card.approvalId })
      if (message === null || where === null) return
      const { workspace, channel, ts } = where
      const { isBroadcast, ...shown } = message
      const sent = { kind: 'reply', ref, replyId: reply.id } as const
      const thread = { ts, isBroadcast }
      await post({ workspace, conversation: channel, message: shown, sent, thread }).catch(
        unlessGone(outgoing, { approval_id: about.card.approvalId }),
      )
    },
    async attach(ref, card) {
      const where = standing(outgoing, ref, { approval_id: card.approvalId })
      if (where === null) return
      const { workspace, channel, ts } = where
      await attachArguments(card, { ...workspace, channel, threadTs: ts })
    },
    async notify(id, notice, place) {
      const sent = { kind: 'notice', id, place } as const
      const message = noticeMessage(noticeText(notice))
      await post({ ...roomIn(outgoing, place), message, sent })
    },
    async summarise(summary, place) {
      const sent = { kind: 'summary', sessionId: summary.sessionId, place } as const
      return post({ ...summariesIn(outgoing, place), message: summaryMessage(summary), sent })
    },
    async detail(ref, summary) {
      const where = standing(outgoing, ref, { session_id: summary.sessionId })
      if (where === null) return
      const { workspace, channel, ts } = where
      const sent = { kind: 'reply', ref, replyId: SUMMARY_DETAILS } as const
      const thread = { ts, isBroadcast: false }
      await post({ workspace, conversation: channel, message: summaryDetails(summary), sent, thread }).catch(
        unlessGone(outgoing, { session_id: summary.sessionId }),
      )
    },
    async digest(digest, place) {
      const sent = { kind: 'digest', week: digest.week, place } as const
      await post({ ...summariesIn(outgoing, place), message: digestMessage(digest), sent })
    },
    find: (sent, at) => find(outgoing, sent, at),
  }
}

interface Post extends Talk {
  readonly message: SlackMessage
  readonly sent: Sent
  readonly thread?: { readonly ts: string; readonly isBroadcast: boolean }
}

async function post({ workspace, conversation, message, sent, thread }: Post): Promise<MessageRef> {
  const { web, pace } = workspace
  const quiet = { unfurl_links: false, unfurl_media: false, mrkdwn: false, parse: 'none', link_names: false } as const
  const below = thread === undefined ? {} : { thread_ts: thread.ts, reply_broadcast: thread.isBroadcast }
  const { ts, channel } = await pace.run({ method: 'chat.postMessage', conversation }, () =>
    web.chat.postMessage({ channel: conversation, ...message, ...quiet, metadata: metadataOf(sent), ...below }),
  )
  if (ts === undefined || channel === undefined) throw new Error('Slack did not say where the message is')
  return refIn(workspace, { channel, ts })
}

const GONE = new Set([
  'message_not_found',
  'thread_not_found',
  'cant_update_message',
  'edit_window_closed',
  'cannot_reply_to_message',
])

const unlessGone = ({ log }: Outgoing, fields: LogFields) => isGone(GONE, { chat: 'slack', log, fields })

async function update(
  outgoing: Outgoing,
  { ref, card, place }: { readonly ref: MessageRef; readonly card: Card; readonly place: Place },
): Promise<void> {
  const where = standing(outgoing, ref, { approval_id: card.approvalId })
  const message = where === null ? null : await messageFor(outgoing, card, place)
  if (where === null || message === null) return
  const { channel, ts } = where
  const { web, pace } = where.workspace
  // The metadata stays: docs.slack.dev/reference/methods/chat.update takes it away only where an empty one is given.
  await pace
    .run({ method: 'chat.update' }, () =>
      web.chat.update({ channel, ts, ...message, parse: 'none', link_names: false }),
    )
    .catch(unlessGone(outgoing, { approval_id: card.approvalId }))
}

/** Null: the approval is kept no longer. */
async function messageFor({ get }: Outgoing, card: Card, place: Place): Promise<SlackMessage | null> {
  if (place !== REQUESTER) return cardMessage(card)
  const approval = await get(card.approvalId)
  return approval === null ? null : requesterMessage(approval, card)
}

interface Standing {
  readonly workspace: SlackWorkspace
  readonly channel: string
  readonly ts: string
}

/** Null: in a workspace that the settings no longer have, where nobody can repaint it. */
function standing({ workspaces, log }: Outgoing, ref: MessageRef, fields: LogFields): Standing | null {
  const where = readRef(ref)
  const workspace = workspaces.named(workspaceOf(where))
  if (workspace === null) {
    log.warn('slack message is in a workspace that channels.slack no longer has; nothing to repaint or answer', fields)
    return null
  }
  return { workspace, channel: where.channel, ts: where.ts }
}

/** Null: nobody is to be found there. */
async function talkFor(outgoing: Outgoing, sent: Sent): Promise<Talk | null> {
  switch (sent.kind) {
    case 'notice':
      return roomIn(outgoing, sent.place)
    case 'summary':
    case 'digest':
      return summariesIn(outgoing, sent.place)
    case 'reply': {
      const where = standing(outgoing, sent.ref, {})
      return where === null ? null : { workspace: where.workspace, conversation: where.channel }
    }
    case 'card': {
      if (sent.place !== REQUESTER) return roomIn(outgoing, sent.place)
      const approval = await outgoing.get(sent.approvalId)
      return approval === null ? null : outgoing.requesters.conversationWith(approval)
    }
  }
}

/** Never into another workspace's room of the same name than the one that the rule means. */
function roomIn({ workspaces }: Outgoing, place: Place): Talk {
  const parsed = placeIn(place)
  const workspace = parsed?.channel === 'slack' ? workspaces.named(parsed.workspace) : null
  if (parsed === null || workspace === null) {
    throw new ChannelRefused(`channels.slack has no place "${place}"`, { code: 'unknown_place' })
  }
  return { workspace, conversation: parsed.room ?? workspace.approvals }
}

/** A workspace without a room for summaries has none of its own in `places`; whoever asks all the same means its cards'. */
function summariesIn(outgoing: Outgoing, place: Place): Talk {
  const { workspace } = roomIn(outgoing, place)
  return { workspace, conversation: workspace.summaries ?? workspace.approvals }
}

async function find(outgoing: Outgoing, sent: Sent, at: EpochMs): Promise<MessageRef | null> {
  const talk = await talkFor(outgoing, sent)
  if (talk === null) return null
  const { workspace, conversation: channel } = talk
  const { botId } = await workspace.ours()
  if (botId === undefined)
    throw new Error('Slack named no bot for the token, so its messages can’t be told from others')
  const within = sent.kind === 'reply' ? { channel, threadTs: readRef(sent.ref).ts } : { channel }
  return findSent({ workspace, botId, sent, at, within })
}
