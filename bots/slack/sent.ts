/**
 * What a message of ours says about itself where people don't see it, and how it is found by that.
 *
 * chat.postMessage is not idempotent and takes no key of its caller's, so each message carries metadata
 * (docs.slack.dev/messaging/message-metadata) that names it among all others. Any app can write such metadata: only a
 * message that our own bot posted is ours.
 */
import type { types, webApi } from '@slack/bolt'
import { z } from 'zod'
import type { EpochMs } from '../../src/brands.ts'
import { ChannelRefused, type MessageRef, type Sent } from '../../src/ports.ts'
import { nameOfSent } from '../chat/sent-name.ts'
import { FIND_AFTER_MS, FIND_BEFORE_MS, FIND_PAGE, FIND_PAGES_MAX } from './limits.ts'
import type { SlackWeb } from './web.ts'
import type { SlackWorkspace } from './workspaces.ts'

const Ref = z.object({ workspace: z.string().optional(), channel: z.string(), ts: z.string() })
/** Where a message stands, as Slack names it; in the workspace of this name in the settings, or in channels.slack's own. */
export type SlackRef = z.infer<typeof Ref>

export const readRef = (ref: MessageRef): SlackRef => Ref.parse(JSON.parse(ref))
export const writeRef = (ref: SlackRef): MessageRef => JSON.stringify(ref) as MessageRef
export const workspaceOf = ({ workspace }: SlackRef): string | null => workspace ?? null

export function metadataOf(sent: Sent): types.MessageMetadata {
  const { type, payload } = nameOfSent(sent)
  return { event_type: type, event_payload: payload }
}

interface Search {
  readonly workspace: Pick<SlackWorkspace, 'name' | 'web' | 'pace'>
  /** Of our bot, which alone posts what is ours. */
  readonly botId: string
  readonly sent: Sent
  readonly at: EpochMs
  /** The conversation, and for replies the message whose thread it is. */
  readonly within: { readonly channel: string; readonly threadTs?: string }
}

export function refIn({ name }: Pick<SlackWorkspace, 'name'>, ref: Omit<SlackRef, 'workspace'>): MessageRef {
  return writeRef(name === null ? ref : { workspace: name, ...ref })
}

/** Null: it was not posted. Rejects where that can't be told. */
export async function findSent(search: Search): Promise<MessageRef | null> {
  try {
    return await findOnPages(search)
  } catch (error) {
    // The thread went with its message, and so did what was in it.
    if (error instanceof ChannelRefused && error.code === 'thread_not_found') return null
    throw error
  }
}

async function findOnPages(search: Search): Promise<MessageRef | null> {
  const { within, at } = search
  const wanted = metadataOf(search.sent)
  const common = {
    channel: within.channel,
    oldest: slackTime(at - FIND_BEFORE_MS),
    latest: slackTime(at + FIND_AFTER_MS),
    limit: FIND_PAGE,
    include_all_metadata: true,
  }
  let cursor: string | undefined
  for (let page = 0; page < FIND_PAGES_MAX; page += 1) {
    const answer = await readPage(search, cursor === undefined ? common : { ...common, cursor })
    const found = answer.messages.find((message) => message.bot_id === search.botId && isIt(message.metadata, wanted))
    if (found?.ts !== undefined) return refIn(search.workspace, { channel: within.channel, ts: found.ts })
    if (!answer.next) return null
    cursor = answer.next
  }
  throw new Error('there are too many messages to tell whether it was posted')
}

type Page = Parameters<SlackWeb['conversations']['history']>[0]
type Message = NonNullable<webApi.ConversationsHistoryResponse['messages']>[number]

async function readPage(
  { workspace: { web, pace }, within }: Search,
  args: NonNullable<Page>,
): Promise<{ messages: readonly Pick<Message, 'ts' | 'bot_id' | 'metadata'>[]; next: string | undefined }> {
  const { threadTs } = within
  const answer =
    threadTs === undefined
      ? await pace.run({ method: 'conversations.history' }, () => web.conversations.history(args))
      : await pace.run({ method: 'conversations.replies' }, () => web.conversations.replies({ ...args, ts: threadTs }))
  return { messages: answer.messages ?? [], next: answer.response_metadata?.next_cursor }
}

function isIt(found: Message['metadata'], wanted: types.MessageMetadata): boolean {
  if (found?.event_type !== wanted.event_type) return false
  const payload: Readonly<Record<string, unknown>> = { ...found.event_payload }
  return Object.entries(wanted.event_payload).every(([key, value]) => payload[key] === value)
}

/** Seconds with microseconds. */
function slackTime(ms: number): string {
  return (ms / 1000).toFixed(6)
}
