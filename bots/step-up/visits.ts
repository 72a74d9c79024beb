/**
 * A browser's visit: its secret in a cookie, the rest in Redis, so that the issuer may send the browser back to any
 * replica.
 *
 * SameSite=Lax and not Strict, because the browser comes back from the issuer's site and must bring the cookie along; what
 * acts is a POST from our own origin, which Lax keeps foreign forms from as well.
 */
import type { Request, Response } from 'express'
import type { Clock, StepUps } from '../../src/ports.ts'
import type { StepUpVisit } from '../../src/step-up/step-up.ts'

/** 256 bits: not to be guessed. Longer input is none of ours. */
export const SECRET_BYTES = 32
export const SECRET = /^[A-Za-z0-9_-]{43}$/

export interface Visits {
  /** Under a new secret each time: one that was planted in the browser before is worth nothing after. */
  start(response: Response, visit: StepUpVisit): Promise<void>
  peek(request: Request): Promise<StepUpVisit | null>
  take(request: Request): Promise<StepUpVisit | null>
  end(response: Response): void
}

export interface VisitsOptions {
  readonly publicUrl: string
  readonly stepUps: StepUps
  readonly clock: Clock
  readonly random: (bytes: number) => Uint8Array
}

export function createVisits({ publicUrl, stepUps, clock, random }: VisitsOptions): Visits {
  const url = new URL(publicUrl)
  const secure = url.protocol === 'https:'
  // `__Host-`: no other host of the domain can set it (RFC 6265bis §4.1.3.2). On loopback there is no https to ask for, and
  // cookies know no ports: two gateways of one machine are told apart by the name.
  const name = secure ? '__Host-countersign_step_up' : `countersign_step_up_${url.port || '80'}`
  const attributes = { httpOnly: true, sameSite: 'lax', path: '/', secure } as const
  const alive = (visit: StepUpVisit | null) => (visit !== null && visit.endsAt > clock.now() ? visit : null)
  const secretOf = (request: Request) => cookieNamed(name, request.headers.cookie ?? '')
  return {
    async start(response, visit) {
      const secret = Buffer.from(random(SECRET_BYTES)).toString('base64url')
      await stepUps.addVisit(secret, visit)
      response.cookie(name, secret, { ...attributes, maxAge: Math.max(0, visit.endsAt - clock.now()) })
    },
    async peek(request) {
      const secret = secretOf(request)
      return secret === null ? null : alive(await stepUps.peekVisit(secret))
    },
    async take(request) {
      const secret = secretOf(request)
      return secret === null ? null : alive(await stepUps.takeVisit(secret))
    },
    end: (response) => void response.clearCookie(name, attributes),
  }
}

function cookieNamed(name: string, header: string): string | null {
  const pair = header
    .split(';')
    .map((part) => part.trim())
    .find((part) => part.startsWith(`${name}=`))
  const value = pair?.slice(name.length + 1) ?? ''
  return SECRET.test(value) ? value : null
}
