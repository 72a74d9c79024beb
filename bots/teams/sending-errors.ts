/**
 * What became of a request that failed, in the words that the outbox knows.
 *
 * learn.microsoft.com/microsoftteams/platform/bots/build-conversational-capability, status codes from bot conversational
 * APIs: 412, 429, 502, 503 and 504 are to be tried again. A 504, and a 500, of a request that makes something is not
 * among them here: whoever waited in vain behind the gateway doesn't know whether the message was posted, and it must
 * not be there twice.
 */
import { randomInt } from 'node:crypto'
import { ChannelBusy, ChannelRefused } from '../../src/ports.ts'
import { AnswerLost, type BoundedAnswer, NotSent } from './bounded-fetch.ts'

/** Where no time is named. Its own rates are per second and per 30 seconds. */
const RETRY_AFTER_DEFAULT_MS = 2000
const AWAY_RETRY_MS = 5000
/** Nobody is told to wait longer before asking again. */
const RETRY_AFTER_MAX_MS = 5 * 60_000
/** A code is one word of theirs. */
const CODE = /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/

/** `isRepeatable`: doing it twice is doing it once, as with reading and repainting. */
export function sendingError(answer: BoundedAnswer, { isRepeatable }: { readonly isRepeatable: boolean }): Error {
  const { status } = answer
  // Teams counts by thread and by bot and thread, so that others need not wait.
  if (status === 429 || status === 412) return busy(retryAfterMs(answer), { isForThisOnly: true })
  if (status === 502 || status === 503) return busy(retryAfterMs(answer, AWAY_RETRY_MS))
  if (status >= 500 || status === 408) {
    return isRepeatable ? busy(retryAfterMs(answer, AWAY_RETRY_MS)) : new AnswerLost(`Teams answered ${status}`)
  }
  const code = codeIn(answer.text) ?? `http_${status}`
  return new ChannelRefused(`Teams refused it: ${code}`, { code })
}

/** Of a request that got no answer. */
export function failureOf(error: unknown, { isRepeatable }: { readonly isRepeatable: boolean }): unknown {
  if (error instanceof NotSent || (error instanceof AnswerLost && isRepeatable))
    return busy(AWAY_RETRY_MS, { cause: error })
  return error
}

/** All replicas hear the same at once: jitter keeps them from coming back at once. */
function busy(
  waitMs: number,
  options: { readonly cause?: unknown; readonly isForThisOnly?: boolean } = {},
): ChannelBusy {
  return new ChannelBusy(waitMs + randomInt(Math.ceil(waitMs / 2) + 1), options)
}

function retryAfterMs({ headers }: BoundedAnswer, otherwiseMs = RETRY_AFTER_DEFAULT_MS): number {
  const written = headers.get('retry-after') ?? ''
  if (!/^[0-9]{1,6}$/.test(written)) return otherwiseMs
  return Math.min(Math.max(Number(written) * 1000, 1000), RETRY_AFTER_MAX_MS)
}

/** `{ error: { code, message } }`; the message may quote what was sent. */
export function codeIn(text: string): string | null {
  try {
    const body: unknown = JSON.parse(text)
    const error = typeof body === 'object' && body !== null && 'error' in body ? body.error : null
    const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : null
    return typeof code === 'string' && CODE.test(code) ? code : null
  } catch {
    return null
  }
}
