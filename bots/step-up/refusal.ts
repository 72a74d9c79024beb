/** Every way the step-up pages say no, in one table: the status, what is wrong, and what to do. */
import type { Response } from 'express'
import { GatewayError } from '../../src/errors.ts'
import { messagePage, type Site } from './pages.ts'

const AGAIN = 'Press Approve in the channel once more: it gives you a new link.'

export const REFUSALS = {
  wrong_host: {
    status: 403,
    title: 'This is not this gateway’s name',
    text: 'Open the link exactly as you were given it.',
  },
  wrong_method: { status: 405, title: 'These pages take GET and POST', text: 'Use the page’s own buttons.' },
  foreign_page: {
    status: 403,
    title: 'This came from another page',
    text: 'Nothing was decided. Open the link from the channel yourself, and use the page’s own buttons.',
  },
  not_found: { status: 404, title: 'There is no such page', text: AGAIN },
  bad_request: { status: 400, title: 'This is nothing that our page sends', text: `Nothing was decided. ${AGAIN}` },
  too_large: {
    status: 413,
    title: 'This is larger than it can be',
    text: 'Nothing was decided. Shorten what you wrote.',
  },
  too_many: {
    status: 429,
    title: 'Too many tries',
    text: 'Nothing was decided. Wait a minute, then begin again.',
  },
  link_gone: {
    status: 410,
    title: 'This link no longer works',
    text: `A link works once, for ten minutes, and only until a newer one is made. ${AGAIN}`,
  },
  no_email: {
    status: 403,
    title: 'The channel does not say who you are',
    text: 'It gave no e-mail address for you, so nobody can tell whether you are the one who signs in. Ask whoever runs it to let the app read addresses (in Slack: the scope users:read.email), or set channels.console.reviewer.',
  },
  visit_gone: {
    status: 410,
    title: 'This sign-in is over',
    text: `It lasts ten minutes and decides once. If you have just decided, that counts, and the card says so. Otherwise: ${AGAIN.toLowerCase()}`,
  },
  other_visit: {
    status: 409,
    title: 'Another approval was opened in this browser',
    text: `Nothing was decided, so that you don’t approve what another tab shows. ${AGAIN}`,
  },
  unknown_approval: { status: 404, title: 'This approval no longer exists', text: 'There is nothing left to decide.' },
  unknown_issuer: { status: 400, title: 'There is no such place to sign in', text: AGAIN },
  issuer_unavailable: {
    status: 502,
    title: 'The place where you sign in cannot be reached',
    text: `Nothing was decided. Try again soon: ${AGAIN.toLowerCase()} The gateway’s log says more, and countersign doctor checks it.`,
  },
  sign_in_failed: {
    status: 403,
    title: 'You were not signed in',
    text: `The place where you sign in refused, or its answer was not to be trusted. Nothing was decided. ${AGAIN}`,
  },
  email_not_verified: {
    status: 403,
    title: 'Your e-mail address is not verified',
    text: `The place where you signed in does not vouch for it. Nothing was decided. Have it verified there, then: ${AGAIN.toLowerCase()}`,
  },
  other_person: {
    status: 403,
    title: 'You are not the one this link is for',
    text: `You signed in as somebody else than the person who pressed Approve. Nothing was decided, and it was noted. ${AGAIN}`,
  },
  passkey_refused: {
    status: 403,
    title: 'The passkey did not fit',
    text: `It was tried too often, or was none of yours. Nothing was decided. ${AGAIN}`,
  },
  passkeys_off: {
    status: 404,
    title: 'This gateway asks for no passkeys',
    text: 'Whoever runs it can turn them on: people.passkeys in the settings.',
  },
  internal: {
    status: 500,
    title: 'The gateway failed',
    text: 'Nothing was decided. Its log has the details. Try again.',
  },
} as const satisfies Record<string, { status: number; title: string; text: string }>

export type RefusalCode = keyof typeof REFUSALS
export type Refuse = (response: Response, code: RefusalCode) => void

export function createRefuse(site: Site): Refuse {
  return (response, code) => {
    const { status, title, text } = REFUSALS[code]
    response.status(status).type('html').send(messagePage(site, { title, text }))
  }
}

/** Faults below us (Redis away, recording not writable) say what they are; anything else is ours and says little. */
export function refuseFault(site: Site, response: Response, error: unknown): void {
  if (!(error instanceof GatewayError)) {
    createRefuse(site)(response, bodyFault(error) ?? 'internal')
    return
  }
  const text = `Nothing was decided. ${error.cure}`
  response
    .status(error.httpStatus)
    .type('html')
    .send(messagePage(site, { title: error.message, text }))
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
    case 'entity.parse.failed':
    case 'request.aborted':
    case 'request.size.invalid':
      return 'bad_request'
    default:
      return null
  }
}
