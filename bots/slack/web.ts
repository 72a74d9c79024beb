/**
 * Slack's Web API, with the choices that a caller who has its own queue needs: no retries and no waiting inside the
 * client (a 429 would stall every other call), a deadline on each request, and "later" told as ChannelBusy.
 */
import { webApi } from '@slack/bolt'
import { ChannelBusy, ChannelRefused, type Log } from '../../src/ports.ts'
import type { Secret } from '../../src/secret.ts'
import { RETRY_AFTER_DEFAULT_MS } from './limits.ts'
import { boltLogger } from './log.ts'

export type SlackWeb = webApi.WebClient

export interface WebOptions {
  readonly token: Secret | null
  readonly timeoutMs: number
  /** Slack's own where left out; another address only stands in for it. */
  readonly apiUrl: string | undefined
  readonly log: Log
  /** Left out: the platform's. */
  readonly fetch?: webApi.FetchFunction
}

export function webClientOptions({
  timeoutMs,
  apiUrl,
  log,
  fetch,
}: Omit<WebOptions, 'token'>): webApi.WebClientOptions {
  return {
    ...(fetch !== undefined && { fetch }),
    ...(apiUrl === undefined ? {} : { slackApiUrl: apiUrl }),
    logger: boltLogger(log),
    retryConfig: { retries: 0 },
    rejectRateLimitedCalls: true,
    timeout: timeoutMs,
    allowAbsoluteUrls: false,
  }
}

export function createWeb(options: WebOptions): SlackWeb {
  return new webApi.WebClient(options.token?.reveal(), webClientOptions(options))
}

/** Slack's word for why it refused, such as `message_not_found`; null where it gave none. */
export function platformError(error: unknown): string | null {
  return error instanceof webApi.WebAPIPlatformError ? error.data.error : null
}

/**
 * After these nobody knows whether the message was posted: for the first two Slack says that some of it may have been
 * done (docs.slack.dev/reference/methods/chat.postMessage), the others come from before or behind it.
 */
const UNSURE = new Set(['fatal_error', 'internal_error', 'request_timeout', 'service_unavailable', 'team_added_to_org'])

/**
 * Turns Slack's "later" and its "no" into ours and names the method and the cure; the request itself stays out of the
 * message. The `code` is Slack's word, which is what the log shows of it: whoever reads "Error" can't cure anything.
 */
export function asChannelError(method: string, error: unknown): Error {
  if (error instanceof webApi.WebAPIRateLimitedError) {
    return new ChannelBusy(error.retryAfter * 1000 || RETRY_AFTER_DEFAULT_MS, { cause: error })
  }
  const code = platformError(error)
  if (code === null) {
    const unreached = wasNotSent(error)
    const message = `Slack could not be reached for ${method}`
    return unreached === null
      ? new Error(message, { cause: error })
      : new ChannelRefused(message, { code: unreached, cause: error })
  }
  if (code === 'ratelimited') return new ChannelBusy(RETRY_AFTER_DEFAULT_MS, { cause: error })
  const message = `Slack refused ${method}: ${code}. ${cureOf(code)}`
  if (UNSURE.has(code)) return Object.assign(new Error(message, { cause: error }), { code })
  return new ChannelRefused(message, { code, cause: error })
}

/** There was no connection to send the request by, so that Slack never heard of it. */
const NO_CONNECTION = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT'])
/** fetch's error is wrapped by undici and by Slack's client. */
const CAUSES_MAX = 5

function wasNotSent(error: unknown): string | null {
  let cause = error
  for (let depth = 0; depth < CAUSES_MAX && cause instanceof Error; depth += 1) {
    if ('code' in cause && typeof cause.code === 'string' && NO_CONNECTION.has(cause.code)) return cause.code
    cause = cause.cause
  }
  return null
}

/** `settings`: where the settings have the workspace that it is about. */
export function cureOf(code: string, settings = 'channels.slack'): string {
  return (CURES[code] ?? 'See docs.slack.dev for this error.').replaceAll('channels.slack', settings)
}

const REINSTALL = 'Reinstall the app and set channels.slack.botToken anew.'
const CURES: Readonly<Record<string, string>> = {
  not_in_channel: 'Invite the app to the channel: /invite @Countersign.',
  channel_not_found: 'Check the channel’s id in channels.slack, and invite the app if the channel is private.',
  is_archived: 'Name a channel in channels.slack that is not archived.',
  missing_scope: 'Add the scopes of manifests/slack/manifest.json and reinstall the app.',
  invalid_auth: REINSTALL,
  not_authed: REINSTALL,
  token_revoked: REINSTALL,
  token_expired: REINSTALL,
  account_inactive: REINSTALL,
  restricted_action: 'A workspace setting forbids the app to post there; ask the workspace’s administrator.',
}
