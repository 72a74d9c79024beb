/**
 * Who may speak to the step-up pages, decided before any route: Host is gateway.publicUrl's, and what acts comes from a
 * page of ours. These pages stand on the network, so that a foreign page in the reviewer's browser is the one to fear:
 * Origin and Sec-Fetch-Site stop its forms, SameSite keeps the cookie from them, frame-ancestors keeps it from framing us.
 */
import type { RequestHandler, Response } from 'express'
import type { Refuse } from './refusal.ts'

export function guard(publicUrl: string, refuse: Refuse): RequestHandler {
  const { origin, host, port, protocol } = new URL(publicUrl)
  // Some proxies write the scheme's own port, which may be left out (RFC 9110 §4.2.3).
  const hosts = port === '' ? [host, `${host}:${protocol === 'https:' ? 443 : 80}`] : [host]
  return (request, response, next) => {
    secureHeaders(response)
    if (!hosts.includes(request.headers.host?.toLowerCase() ?? '')) return refuse(response, 'wrong_host')
    if (request.method !== 'GET' && request.method !== 'POST') return refuse(response, 'wrong_method')
    const site = request.headers['sec-fetch-site']
    const isOwn = request.headers.origin === origin && (site === undefined || site === 'same-origin')
    if (request.method === 'POST' && !isOwn) return refuse(response, 'foreign_page')
    next()
  }
}

/** Nothing inline, nothing from elsewhere, no frame round us, and no string ever becomes markup in a script. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ')

function secureHeaders(response: Response): void {
  response.set({
    'Content-Security-Policy': CONTENT_SECURITY_POLICY,
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
    // Never to another origin. Under no-referrer our own forms would say `Origin: null` (Fetch §3.2).
    'Referrer-Policy': 'same-origin',
    'X-Robots-Tag': 'noindex',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
  })
}
