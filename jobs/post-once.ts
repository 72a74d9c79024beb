/**
 * Posts a message once, although posting is not idempotent and its answer can get lost.
 *
 *   write down that we try, and when ──► post ──► (the caller remembers it)
 *
 * Who finds such an attempt without a remembered message died in between, or never heard what became of it. Then the
 * channel is asked for that very message first, and it is adopted. Where it isn't there, it may still be on its way: it
 * is given up only after a while. Where the channel can't tell, nothing is posted. What the channel plainly refused was
 * not posted, and leaves no attempt.
 */
import type { EpochMs } from '../src/brands.ts'
import { epochMs } from '../src/brands.ts'
import { type Channel, ChannelBusy, ChannelRefused, type Clock, type MessageRef, type Sent } from '../src/ports.ts'
import type { RedisHandle } from './redis.ts'

/** Longer than a channel waits for its own answer (10 s), and than a request stays in anybody's queue. */
export const LOST_AFTER_MS = 20_000

export interface PostOnce<Posted> {
  readonly redis: Pick<RedisHandle, 'call'>
  /** The hash, and the field of it, in which the attempt is written down. */
  readonly key: string
  readonly field: string
  readonly channel: Pick<Channel, 'find'>
  readonly sent: Sent
  readonly clock: Clock
  /** False: nobody needs it any more. What was posted without our knowledge is still adopted. */
  readonly isWanted: boolean
  readonly post: () => Promise<Posted>
}

export type PostedOnce<Posted> =
  | { readonly outcome: 'posted'; readonly posted: Posted }
  /** It was posted before. */
  | { readonly outcome: 'adopted'; readonly ref: MessageRef }
  | { readonly outcome: 'unwanted' }
  | { readonly outcome: 'later'; readonly againInMs: number }

export async function postOnce<Posted>(options: PostOnce<Posted>): Promise<PostedOnce<Posted>> {
  const { channel, sent, clock } = options
  // Where nothing is shown twice by posting twice, there is nothing to write down.
  if (channel.find === undefined) return options.isWanted ? posted(await options.post()) : { outcome: 'unwanted' }
  const triedAt = await readAttempt(options)
  if (triedAt !== null) {
    const ref = await channel.find(sent, triedAt)
    if (ref !== null) return { outcome: 'adopted', ref }
    const leftMs = triedAt + LOST_AFTER_MS - clock.now()
    if (leftMs > 0) return { outcome: 'later', againInMs: leftMs }
  }
  if (!options.isWanted) return { outcome: 'unwanted' }
  return posted(await attempt(options))
}

function posted<Posted>(value: Posted): PostedOnce<Posted> {
  return { outcome: 'posted', posted: value }
}

async function attempt<Posted>({ redis, key, field, clock, post }: PostOnce<Posted>): Promise<Posted> {
  await redis.call('HSET', key, field, clock.now())
  try {
    return await post()
  } catch (error) {
    if (error instanceof ChannelBusy || error instanceof ChannelRefused) await redis.call('HDEL', key, field)
    throw error
  }
}

async function readAttempt<Posted>({ redis, key, field }: PostOnce<Posted>): Promise<EpochMs | null> {
  const at = await redis.call('HGET', key, field)
  return typeof at === 'string' ? epochMs(Number(at)) : null
}
