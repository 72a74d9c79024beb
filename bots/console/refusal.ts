/**
 * Every way the console says no, in one table: the status, what is wrong, and what to do. A browser that navigates
 * reads it as a page, a script as JSON. None of them tells whether something is pending.
 */
import type { Request, Response } from 'express'
import { GatewayError } from '../../src/errors.ts'
import { messagePage } from './pages.ts'

export const REFUSALS = {
  not_loopback: {
    status: 403,
    message: 'The console answers only on the machine that runs the gateway.',
    cure: 'Open it there, or forward the port with ssh -L.',
  },
  wrong_host: {
    status: 403,
    message: 'This Host is not the console’s.',
    cure: 'Open the link exactly as the gateway printed it.',
  },
  foreign_page: { status: 403, message: 'This request came from another page.', cure: 'Use the console’s own page.' },
  wrong_method: { status: 405, message: 'The console takes GET and POST.', cure: 'Use the console’s own page.' },
  signed_out: {
    status: 401,
    message: 'You are not signed in to the console.',
    cure: 'Open the one-time link that the gateway printed when it started. If it was used or is too old, restart the gateway: it prints a new one and keeps what is pending.',
  },
  bad_link: {
    status: 403,
    message: 'This link no longer opens the console.',
    cure: 'A link works once and for ten minutes. Restart the gateway: it prints a new one and keeps what is pending.',
  },
  too_many_tabs: { status: 503, message: 'Too many tabs are open on this console.', cure: 'Close some of them.' },
  bad_request: { status: 400, message: 'This is not a request of the console’s page.', cure: 'Reload the page.' },
  unsupported_body: {
    status: 415,
    message: 'This content type or encoding is not taken.',
    cure: 'Send JSON without a content encoding.',
  },
  too_large: { status: 413, message: 'This is larger than a review can be.', cure: 'Shorten the reason.' },
  not_found: { status: 404, message: 'There is no such page in the console.', cure: 'Go to /console.' },
  unknown_approval: {
    status: 404,
    message: 'There is no such approval here.',
    cure: 'Reload the page; it may have been cleared away.',
  },
  internal: {
    status: 500,
    message: 'The console failed; nothing was decided.',
    cure: 'The gateway’s log has the details. Try again.',
  },
} as const satisfies Record<string, { status: number; message: string; cure: string }>

export type RefusalCode = keyof typeof REFUSALS

export function refuse(req: Request, res: Response, code: RefusalCode): void {
  const { status, message, cure } = REFUSALS[code]
  send(req, res, { status, code, message, cure })
}

/** Faults below us (Redis away, recording not writable) keep their own code; anything else is ours and says little. */
export function refuseFault(req: Request, res: Response, error: unknown): void {
  if (error instanceof GatewayError) {
    send(req, res, { status: error.httpStatus, code: error.code, message: error.message, cure: error.cure })
  } else refuse(req, res, bodyFault(error) ?? 'internal')
}

function send(req: Request, res: Response, no: { status: number; code: string; message: string; cure: string }): void {
  const { status, code, message, cure } = no
  res.status(status)
  // `document`: a person navigated here. Accept is the fallback for clients without fetch metadata.
  const navigates =
    (req.headers['sec-fetch-dest'] ?? 'document') === 'document' && req.accepts(['json', 'html']) === 'html'
  if (navigates) res.type('html').send(messagePage({ title: message, text: cure }))
  else res.json({ error: { code, message, cure } })
}

/** body-parser's own errors, told apart by their documented `type`; null: not one of them. */
export function bodyFault(error: unknown): RefusalCode | null {
  const type = error instanceof Error && 'type' in error ? error.type : undefined
  switch (type) {
    case 'entity.too.large':
    case 'parameters.too.many':
      return 'too_large'
    case 'encoding.unsupported':
    case 'charset.unsupported':
      return 'unsupported_body'
    case 'entity.parse.failed':
    case 'request.aborted':
    case 'request.size.invalid':
      return 'bad_request'
    default:
      return null
  }
}
