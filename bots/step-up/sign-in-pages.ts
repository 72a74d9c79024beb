/**
 * To the issuer and back. The visit's cookie and `state` bind the answer to the browser that began, and the answer is
 * taken once. Whoever comes back must be the person whom the link was made for.
 */
import type { Request, Response } from 'express'
import { z } from 'zod'
import { epochMs } from '../../src/brands.ts'
import { GatewayError } from '../../src/errors.ts'
import {
  isWhomWeAsked,
  type SignedIn,
  type SigningIn,
  type StepUpRefusal,
  VISIT_LIFE_MS,
  type VisitPurpose,
  type WhoSignedIn,
} from '../../src/step-up/step-up.ts'
import { type Desk, newNonce } from './desk.ts'
import { goingPage } from './pages.ts'

const SIGN_IN_FORM = z.strictObject({ issuer: z.coerce.number().int().min(0).default(0) })

export async function beginSignIn(
  { visits, clients, clock, site, refuse, log }: Desk,
  request: Request,
  response: Response,
  { purpose, latest }: { purpose: VisitPurpose; latest: number },
): Promise<void> {
  const body = SIGN_IN_FORM.safeParse(request.body ?? {})
  const client = body.success ? clients[body.data.issuer] : undefined
  if (client === undefined) return refuse(response, 'unknown_issuer')
  const now = clock.now()
  try {
    const { url, remembered } = await client.begin(purpose.type === 'review' ? purpose.reviewer.email : null)
    const endsAt = epochMs(Math.min(now + VISIT_LIFE_MS, latest))
    await visits.start(response, {
      step: 'signing_in',
      purpose,
      issuer: client.issuer,
      ...remembered,
      startedAt: now,
      endsAt,
    })
    response.type('html').send(goingPage(site, url))
  } catch (error) {
    if (error instanceof GatewayError) throw error
    log.error('an issuer cannot be read to sign in', { issuer: client.issuer, error: errorCode(error) })
    refuse(response, 'issuer_unavailable')
  }
}

export async function callback(desk: Desk, redirectUri: string, request: Request, response: Response): Promise<void> {
  const { visits, clients, refuse, clock, log } = desk
  const seen = await visits.peek(request)
  // Somebody else's answer, or an old one, must not end this visit.
  if (seen?.step !== 'signing_in' || seen.state !== request.query.state) return refuse(response, 'visit_gone')
  const visit = await visits.take(request)
  const client = clients.find(({ issuer }) => issuer === seen.issuer)
  if (visit?.step !== 'signing_in' || client === undefined) return refuse(response, 'visit_gone')
  visits.end(response)
  const answer = new URL(redirectUri)
  answer.search = new URL(request.originalUrl, redirectUri).search
  let who: WhoSignedIn
  try {
    who = await client.finish(answer, visit)
  } catch (error) {
    if (error instanceof GatewayError) throw error
    log.warn('a reviewer was not signed in', { issuer: visit.issuer, error: errorCode(error) })
    return refused(desk, response, visit, 'sign_in_failed', null)
  }
  if (!who.ok) return refused(desk, response, visit, who.refusal, { issuer: visit.issuer, subject: who.subject })
  const { person } = who
  const { purpose } = visit
  if (purpose.type === 'review' && !isWhomWeAsked(purpose.reviewer, person)) {
    return refused(desk, response, visit, 'other_person', { issuer: person.issuer, subject: person.subject })
  }
  const latest = Math.min(clock.now() + VISIT_LIFE_MS, await lastMomentOf(desk, purpose))
  await visits.start(response, {
    step: 'signed_in',
    purpose,
    person,
    nonce: newNonce(desk),
    tries: 0,
    endsAt: epochMs(latest),
  })
  response.redirect(303, `${desk.site.base}/${purpose.type === 'review' ? 'decide' : 'passkeys'}`)
}

async function lastMomentOf({ approvals }: Desk, purpose: VisitPurpose): Promise<number> {
  if (purpose.type === 'passkeys') return Number.MAX_SAFE_INTEGER
  return (await approvals.get(purpose.approvalId))?.expiresAt ?? Number.MAX_SAFE_INTEGER
}

/** Sends away, and records for whom the link was and who came. */
export async function refused(
  { approvals, recorder, clock, refuse, log }: Desk,
  response: Response,
  { purpose }: SigningIn | SignedIn,
  refusal: StepUpRefusal,
  signedInAs: { readonly issuer: string; readonly subject: string | null } | null,
): Promise<void> {
  if (purpose.type === 'review') {
    const { approvalId, reviewer } = purpose
    const approval = await approvals.get(approvalId)
    log.warn('a step-up was refused', { approval_id: approvalId, reviewer: reviewer.id, refusal })
    await recorder.record(
      {
        type: 'approval.step_up_refused',
        at: clock.now(),
        session_id: approval?.sessionId ?? null,
        approval_id: approvalId,
        reviewer: reviewer.id,
        refusal,
        signed_in_as: signedInAs,
      },
      'written',
    )
  }
  refuse(response, refusal)
}

/** The library's own code or OAuth's, such as OAUTH_TIMEOUT or access_denied; its sentences may quote an answer. */
function errorCode(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' && /^\w{1,64}$/.test(code) ? code : 'unknown'
}
