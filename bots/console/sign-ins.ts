/**
 * The cookie that a browser gets for a one-time link, and what it is worth: everything, so no script and no other site
 * gets at it (HttpOnly, SameSite=Strict), and after one shift it is worth nothing.
 */
import type { Request, Response } from 'express'
import type { Clock } from '../../src/ports.ts'
import { createTokens } from './tokens.ts'

/** One shift. Then the console asks for a new link. */
export const SIGN_IN_LIFE_MS = 12 * 3_600_000
const SIGN_INS_MAX = 16
/** Cookies of one name that a browser may send: another port of this host can set its own beside ours. */
const COOKIES_MAX = 8

export interface SignIns {
  start(req: Request, res: Response): void
  /** The cookie that signs this request in; null: none does. */
  of(req: Request): string | null
  /** Still signed in with this cookie? */
  check(cookie: string): boolean
  end(req: Request, res: Response): void
  clear(): void
}

export interface SignInsOptions {
  readonly loopbackUrl: string
  readonly publicUrl: string | null
  readonly clock: Clock
  readonly random: (bytes: number) => Uint8Array
}

export function createSignIns({ loopbackUrl, publicUrl, clock, random }: SignInsOptions): SignIns {
  const tokens = createTokens({ lifeMs: SIGN_IN_LIFE_MS, max: SIGN_INS_MAX, clock, random })
  // Named by port: two gateways on one machine would overwrite each other's, since cookies know no ports.
  const name = `countersign_console_${new URL(loopbackUrl).port || '80'}`
  const attributes = (req: Request) => {
    const secure = publicUrl?.startsWith('https:') && req.headers.host?.toLowerCase() === new URL(publicUrl).host
    return { httpOnly: true, sameSite: 'strict', path: '/console', secure: secure === true } as const
  }
  const sent = (req: Request): string[] => cookiesNamed(name, req.headers.cookie ?? '')
  return {
    start: (req, res) => void res.cookie(name, tokens.issue(), { ...attributes(req), maxAge: SIGN_IN_LIFE_MS }),
    of: (req) => sent(req).find((cookie) => tokens.check(cookie)) ?? null,
    check: (cookie) => tokens.check(cookie),
    end: (req, res) => {
      for (const cookie of sent(req)) tokens.take(cookie)
      res.clearCookie(name, attributes(req))
    },
    clear: () => tokens.clear(),
  }
}

function cookiesNamed(name: string, header: string): string[] {
  return header
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`))
    .slice(0, COOKIES_MAX)
    .map((pair) => pair.slice(name.length + 1))
}
