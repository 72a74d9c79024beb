/**
 * Slack's rate limits (docs.slack.dev/apis/web-api/rate-limits): about one message a second into each conversation, and
 * after a 429 nothing of that method before its Retry-After is over. See bots/chat/pace.ts.
 */
import { ChannelBusy, type Clock } from '../../src/ports.ts'
import { createPace as createChatPace, type Pace } from '../chat/pace.ts'
import { POST_BURST_MAX, POST_EVERY_MS } from './limits.ts'
import { asChannelError } from './web.ts'

export type { Lane, Pace } from '../chat/pace.ts'

export function createPace(clock: Pick<Clock, 'now'>): Pace {
  return createChatPace({ clock, limits: [{ burst: POST_BURST_MAX, everyMs: POST_EVERY_MS }], asChannelError: ofLane })
}

/** Slack counts by method, and messages by conversation, so that others need not wait. */
function ofLane(method: string, error: unknown): Error {
  const told = asChannelError(method, error)
  if (!(told instanceof ChannelBusy)) return told
  return new ChannelBusy(told.retryAfterMs, { cause: told.cause, isForThisOnly: true })
}
