/**
 * Who may speak to the console at all, decided before any route and in this order:
 *
 *   TCP peer is loopback -> Host is one of ours -> the page that asks is our own -> (per route) signed in
 *
 * The peer is the socket's, never X-Forwarded-For: that header is what an outsider would write. Host stops DNS
 * rebinding, where a foreign page's name is pointed at 127.0.0.1 and its script becomes "same-origin". Origin and
 * Sec-Fetch-Site stop other pages of this machine: cookies do not tell ports apart (RFC 6265 §8.5), so to the browser a
 * page of 127.0.0.1:3000 is the same *site* as ours, and SameSite=Strict alone lets it click Approve.
 */
import type { NextFunction, Request, RequestHandler, Response } from 'express'
import { refuse } from './refusal.ts'

const LOOPBACK_HOST = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?$/
const LOOPBACK_PEER = /^(?:127(?:\.\d{1,3}){3}|::1|::ffff:127(?:\.\d{1,3}){3})$/

export function isLoopbackPeer(address: string | undefined): boolean {
  return address !== undefined && LOOPBACK_PEER.test(address)
}

/** The origin that a page of ours has under this Host; null where the Host is none of ours. */
export function originOf(host: string | undefined, publicUrl: string | null): string | null {
  if (host === undefined) return null
  const lower = host.toLowerCase()
  if (publicUrl !== null && lower === new URL(publicUrl).host) return new URL(publicUrl).origin
  // Any port: through `ssh -L 9000:127.0.0.1:8080` the browser's Host is localhost:9000.
  return LOOPBACK_HOST.test(lower) ? new URL(`http://${lower}`).origin : null
}

/** A request that only reads may come without Origin; one that acts must say it comes from our own page. */
export function isOwnPage(request: {
  readonly acts: boolean
  readonly ownOrigin: string
  readonly origin: string | undefined
  readonly fetchSite: string | undefined
}): boolean {
  const { acts, ownOrigin, origin, fetchSite } = request
  if (acts) return origin === ownOrigin && (fetchSite === undefined || fetchSite === 'same-origin')
  return origin === undefined || origin === ownOrigin
}

export function guard(publicUrl: string | null): RequestHandler {
  return (req, res, next) => {
    secureHeaders(res)
    if (!isLoopbackPeer(req.socket.remoteAddress)) return refuse(req, res, 'not_loopback')
    const ownOrigin = originOf(req.headers.host, publicUrl)
    if (ownOrigin === null) return refuse(req, res, 'wrong_host')
    if (req.method !== 'GET' && req.method !== 'POST') return refuse(req, res, 'wrong_method')
    const { origin, 'sec-fetch-site': fetchSite } = req.headers
    const acts = req.method === 'POST'
    if (!isOwnPage({ acts, ownOrigin, origin, fetchSite: one(fetchSite) })) return refuse(req, res, 'foreign_page')
    next()
  }
}

/** Data is fetched by our page's script alone. Navigation (typed, or a link in a chat) gets pages, never data. */
export function onlyOwnScript(req: Request, res: Response, next: NextFunction): void {
  const fetchSite = one(req.headers['sec-fetch-site'])
  if (fetchSite !== undefined && fetchSite !== 'same-origin') refuse(req, res, 'foreign_page')
  else next()
}

/**
 * No inline script or style, nothing from elsewhere, no frame round us (an invisible one would steal the click), and no
 * string ever becomes markup (Trusted Types): an argument that holds HTML stays text even if a later change forgets.
 */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ')

function secureHeaders(res: Response): void {
  res.set({
    'Content-Security-Policy': CONTENT_SECURITY_POLICY,
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
  })
}

function one(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(',') : header
}
