/**
 * Stands before Bolt's receiver and closes what Bolt leaves open: a timestamp in the future (its signature would stay
 * fresh for as long), numbers that only JavaScript reads as numbers, repeated headers, other encodings and media types.
 * The signature itself, its age and the size of the body are Bolt's to check, and tests hold it to that.
 */
import type { NextFunction, Request, Response } from 'express'
import type { Clock, Log } from '../../src/ports.ts'
import { SIGNATURE_AGE_MAX_MS, SIGNATURE_SKEW_MAX_MS } from './limits.ts'

export function createGate({ clock, log }: { clock: Clock; log: Log }) {
  return (request: Request, response: Response, next: NextFunction): void => {
    const refused = refusal(request, clock.now())
    if (refused === null) {
      next()
      return
    }
    log.warn('slack request refused', { channel: 'slack', status: refused.status, reason: refused.reason })
    // The body was not read: keeping the connection would mean reading it.
    response.set('connection', 'close').status(refused.status).json({ error: refused.reason })
  }
}

interface Refused {
  readonly status: 401 | 415
  readonly reason: string
}

function refusal({ headers }: Request, now: number): Refused | null {
  // Node joins repeated x- headers with a comma, so the patterns refuse those too.
  const stamp = headers['x-slack-request-timestamp']
  const signature = headers['x-slack-signature']
  if (typeof signature !== 'string' || !/^v0=[0-9a-f]{64}$/.test(signature)) return unsigned('a v0 signature')
  if (typeof stamp !== 'string' || !/^[0-9]{1,12}$/.test(stamp)) return unsigned('a timestamp')
  const age = now - Number(stamp) * 1000
  if (age > SIGNATURE_AGE_MAX_MS) return { status: 401, reason: 'the timestamp is older than five minutes' }
  if (age < -SIGNATURE_SKEW_MAX_MS) return { status: 401, reason: 'the timestamp is in the future' }
  if (headers['content-encoding'] !== undefined) return { status: 415, reason: 'no content encoding is accepted' }
  if (
    headers['content-type'] !== 'application/x-www-form-urlencoded' &&
    headers['content-type'] !== 'application/json'
  ) {
    return { status: 415, reason: 'only form-encoded and JSON bodies are accepted' }
  }
  return null
}

function unsigned(what: string): Refused {
  return { status: 401, reason: `the request lacks ${what}` }
}
