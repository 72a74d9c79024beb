/**
 * Posts a message once, although posting is not idempotent and its answer can get lost.
 *
 *   write down that we try, and when ──► post ──► (the caller remembers it)
 *
 * Who finds such an attempt without a remembered message died in between, or never heard what became of it. Then the
 * channel is asked for that very message first, and it is adopted. Where it isn't there, it may still be on its way: it
 * is given up only after a while. Where the channel can't tell, nothing is posted; where it never can, the message is
 * given up, and the log says so once. What the channel plainly refused was
 * not posted, and leaves no attempt.
 */
import type { EpochMs } from '../src/brands.ts'
import { epochMs } from '../src/brands.ts'
import {
  type Channel,
  ChannelBusy,
  ChannelRefused,
  ChannelUnsure,
  type Clock,
  type Log,
  type MessageRef,
  type Sent,
} from '../src/ports.ts'
import type { RedisHandle } from './redis.ts'

/** Longer than a channel waits for its own answer (10 s), and than a request stays in anybody's queue. */
export const LOST_AFTER_MS = 20_000

export interface PostOnce<Posted> {
  readonly redis: Pick<RedisHandle, 'call' | 'whenReady'>
  /** The hash, and the field of it, in which the attempt is written down. */
  readonly key: string
  readonly field: string
  readonly channel: Pick<Channel, 'find' | 'name'>
  readonly sent: Sent
  readonly clock: Clock
  readonly log: Log
  /** False: nobody needs it any more. What was posted without our knowledge is still adopted. */
  readonly isWanted: boolean
  readonly post: () => Promise<Posted>
}

export type PostedOnce<Posted> =
  | { readonly outcome: 'posted'; readonly posted: Posted }
  /** It was posted before. */
  | { readonly outcome: 'adopted'; readonly ref: MessageRef }
  | { readonly outcome: 'unwanted' }
  /** Nobody will ever know whether it was posted. */
  | { readonly outcome: 'given_up' }
  | { readonly outcome: 'later'; readonly againInMs: number }

export async function postOnce<Posted>(options: PostOnce<Posted>): Promise<PostedOnce<Posted>> {
  const { channel, sent, clock } = options
  // Where nothing is shown twice by posting twice, there is nothing to write down.
  if (channel.find === undefined) return options.isWanted ? posted(await options.post()) : { outcome: 'unwanted' }
  const triedAt = await readAttempt(options)
  if (triedAt !== null) {
    const found = await look(options, () => channel.find?.(sent, triedAt))
    if (found === 'never_known') return { outcome: 'given_up' }
    if (found !== null) return { outcome: 'adopted', ref: found }
    const leftMs = triedAt + LOST_AFTER_MS - clock.now()
    if (leftMs > 0) return { outcome: 'later', againInMs: leftMs }
  }
  if (!options.isWanted) return { outcome: 'unwanted' }
  return posted(await attempt(options))
}

async function look<Posted>(
  { channel, sent, log }: PostOnce<Posted>,
  find: () => Promise<MessageRef | null> | undefined,
): Promise<MessageRef | null | 'never_known'> {
  try {
    return (await find()) ?? null
  } catch (error) {
    if (!(error instanceof ChannelUnsure)) throw error
    // The sentence is the channel's own, with the cure and nothing of what was sent.
    log.error(`a message may have been posted or not, so it is not posted again: ${error.message}`, {
      channel: channel.name,
      kind: sent.kind,
      ...(sent.kind === 'card' && { approval_id: sent.approvalId, place: sent.place }),
      ...(sent.kind === 'summary' && { session_id: sent.sessionId, place: sent.place }),
    })
    return 'never_known'
  }
}

function posted<Posted>(value: Posted): PostedOnce<Posted> {
  return { outcome: 'posted', posted: value }
}

async function attempt<Posted>(options: PostOnce<Posted>): Promise<Posted> {
  const { redis, key, field, clock, post } = options
  await redis.call('HSET', key, field, clock.now())
  try {
    return await post()
  } catch (error) {
    if (error instanceof ChannelBusy || error instanceof ChannelRefused) await withdraw(options)
    throw error
  }
}

/** Redis is waited for: an attempt that is left there says that nobody knows, and some channels can never tell. */
async function withdraw<Posted>({ redis, key, field }: PostOnce<Posted>): Promise<void> {
  await redis.call('HDEL', key, field).catch(async () => {
    await redis.whenReady()
    await redis.call('HDEL', key, field)
  })
}

async function readAttempt<Posted>({ redis, key, field }: PostOnce<Posted>): Promise<EpochMs | null> {
  const at = await redis.call('HGET', key, field)
  return typeof at === 'string' ? epochMs(Number(at)) : null
}
