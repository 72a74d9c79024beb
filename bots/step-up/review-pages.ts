/**
 * What is asked, before and after signing in, and the decision itself.
 *
 * The link's GET changes nothing; its POST uses it up. The decision takes the visit away before it looks at anything, so
 * that of two that are sent at once one finds nothing; what fails without deciding gets the visit back under a new nonce.
 */
import type { Request, Response } from 'express'
import { z } from 'zod'
import type { Approval } from '../../src/approval/approval.ts'
import { channelOf } from '../../src/people/reviewer.ts'
import {
  challengeOf,
  type Passkey,
  type SignedIn,
  type StepUpLink,
  type StepUpVisit,
  shownDigest,
  TRIES_MAX,
  type VisitPurpose,
} from '../../src/step-up/step-up.ts'
import { type Desk, FORM_BYTES_MAX, newNonce } from './desk.ts'
import { decidedPage, decidePage, linkPage, REASON_MAX_CHARS } from './pages.ts'
import type { PasskeyChecks } from './passkey-checks.ts'
import { beginSignIn, refused } from './sign-in-pages.ts'
import { SECRET } from './visits.ts'

/** Null: it was refused. */
async function linkOf(
  { stepUps, clock, rate, refuse }: Desk,
  request: Request,
  response: Response,
  how: 'peekLink' | 'takeLink',
): Promise<StepUpLink | null> {
  const code = String(request.params.code)
  const link = SECRET.test(code) ? await stepUps[how](code) : null
  if (link !== null && link.endsAt > clock.now()) return link
  refuse(response, rate.allows(request.socket.remoteAddress) ? 'link_gone' : 'too_many')
  return null
}

export async function showLink(desk: Desk, request: Request, response: Response): Promise<void> {
  const { approvals, refuse, site, cardOf, clients } = desk
  const link = await linkOf(desk, request, response, 'peekLink')
  if (link === null) return
  if (link.reviewer.email === null) return refuse(response, 'no_email')
  const approval = await approvals.get(link.approvalId)
  if (approval === null) return refuse(response, 'unknown_approval')
  const issuers = clients.map(({ issuer }) => issuer)
  const code = String(request.params.code)
  response.type('html').send(linkPage(site, { code, approval, card: cardOf(approval), issuers }))
}

export async function followLink(desk: Desk, request: Request, response: Response): Promise<void> {
  const link = await linkOf(desk, request, response, 'takeLink')
  if (link === null) return
  const { approvalId, reviewer } = link
  if (reviewer.email === null) return desk.refuse(response, 'no_email')
  const approval = await desk.approvals.get(approvalId)
  if (approval === null) return desk.refuse(response, 'unknown_approval')
  await beginSignIn(desk, request, response, {
    purpose: { type: 'review', approvalId, reviewer },
    latest: approval.expiresAt,
  })
}

// ---- the decision

type ReviewVisit = SignedIn & { readonly purpose: Extract<VisitPurpose, { type: 'review' }> }

function asReview(visit: StepUpVisit | null): ReviewVisit | null {
  return visit?.step === 'signed_in' && visit.purpose.type === 'review' ? (visit as ReviewVisit) : null
}

export async function showDecide(desk: Desk, request: Request, response: Response): Promise<void> {
  const visit = asReview(await desk.visits.peek(request))
  if (visit === null) return desk.refuse(response, 'visit_gone')
  await sendDecide(desk, response, visit, null)
}

async function sendDecide(desk: Desk, response: Response, visit: ReviewVisit, told: string | null): Promise<void> {
  const { approvals, refuse, site, cardOf } = desk
  const approval = await approvals.get(visit.purpose.approvalId)
  if (approval === null) return refuse(response, 'unknown_approval')
  const card = cardOf(approval)
  if (approval.state !== 'pending') return void response.type('html').send(decidedPage(site, { approval, card, told }))
  const wanted = await passkeyWanted(desk, visit, approval)
  const passkey =
    wanted === 'none' || wanted === 'missing'
      ? wanted
      : { options: await wanted.checks.requestOptions(wanted.challenge, wanted.own) }
  const { person } = visit
  const passkeysOffered = desk.passkeysWanted !== 'off'
  response.type('html').send(decidePage(site, { approval, card, person, passkey, passkeysOffered, told }))
}

type PasskeyWanted =
  | 'none'
  | 'missing'
  | {
      readonly checks: PasskeyChecks
      readonly challenge: Uint8Array<ArrayBuffer>
      readonly own: readonly Passkey[]
    }

/** Whoever has one must use it, also where they are optional: else a thief of the other two would leave it out. */
async function passkeyWanted(desk: Desk, { person, nonce }: ReviewVisit, approval: Approval): Promise<PasskeyWanted> {
  const checks = await desk.checks()
  if (checks === null) return 'none'
  const own = await desk.passkeys.list(person.email)
  if (own.length === 0) return desk.passkeysWanted === 'required' ? 'missing' : 'none'
  return { checks, challenge: challengeOf(approval.fingerprint, nonce), own }
}

const DECIDE_FORM = z.strictObject({
  approvalId: z.string().max(80),
  choice: z.enum(['approve', 'deny']),
  reason: z.string().trim().max(REASON_MAX_CHARS).default(''),
  allowFor: z.union([z.literal(''), z.string().regex(/^\d{1,12}$/)]).default(''),
  assertion: z.string().max(FORM_BYTES_MAX).default(''),
})
type DecideForm = z.infer<typeof DECIDE_FORM>

export async function decide(desk: Desk, request: Request, response: Response): Promise<void> {
  const { visits, refuse } = desk
  const body = DECIDE_FORM.safeParse(request.body ?? {})
  if (!body.success) return refuse(response, 'bad_request')
  const seen = asReview(await visits.peek(request))
  if (seen === null) return refuse(response, 'visit_gone')
  // The cookie is the browser's, and two tabs share it: what the tab shows must be what the visit is for.
  if (seen.purpose.approvalId !== body.data.approvalId) return refuse(response, 'other_visit')
  const visit = asReview(await visits.take(request))
  if (visit === null) return refuse(response, 'visit_gone')
  try {
    await decideOnce(desk, response, visit, body.data)
  } catch (error) {
    // Nothing was decided, or nobody knows; whoever tries again signs anew.
    await visits.start(response, { ...visit, nonce: newNonce(desk) }).catch(() => undefined)
    throw error
  }
}

async function decideOnce(desk: Desk, response: Response, visit: ReviewVisit, form: DecideForm): Promise<void> {
  const { approvals, visits, refuse } = desk
  const approval = await approvals.get(visit.purpose.approvalId)
  if (approval === null) return refuse(response, 'unknown_approval')
  const wanted: PasskeyWanted = form.choice === 'approve' ? await passkeyWanted(desk, visit, approval) : 'none'
  if (wanted === 'missing') {
    await visits.start(response, visit)
    return sendDecide(desk, response, visit, null)
  }
  if (wanted === 'none') return submit(desk, response, { visit, approval, form, passkey: null })
  const passkey = await usedPasskey(desk, visit, wanted, form.assertion)
  if (passkey !== null) return submit(desk, response, { visit, approval, form, passkey: passkey.id })
  const again = { ...visit, nonce: newNonce(desk), tries: visit.tries + 1 }
  const { issuer, subject } = visit.person
  if (again.tries >= TRIES_MAX) {
    visits.end(response)
    return refused(desk, response, visit, 'passkey_refused', { issuer, subject })
  }
  await visits.start(response, again)
  response.status(403)
  return sendDecide(desk, response, again, 'The passkey did not fit. Nothing was decided; try again.')
}

async function usedPasskey(
  { passkeys, clock }: Desk,
  { person }: ReviewVisit,
  { checks, challenge, own }: Exclude<PasskeyWanted, string>,
  assertion: string,
): Promise<Passkey | null> {
  const signed = await checks.assertion(assertion, challenge, own)
  if (signed === null) return null
  return (await passkeys.used(person.email, { ...signed, at: clock.now() })) ? signed.passkey : null
}

async function submit(
  desk: Desk,
  response: Response,
  parts: { visit: ReviewVisit; approval: Approval; form: DecideForm; passkey: string | null },
): Promise<void> {
  const { reviews, recorder, visits, clock, site, cardOf, log } = desk
  const { visit, approval, form, passkey } = parts
  const { approvalId, reviewer } = visit.purpose
  const { issuer, subject } = visit.person
  await recorder.record(
    {
      type: 'approval.stepped_up',
      at: clock.now(),
      session_id: approval.sessionId,
      approval_id: approvalId,
      fingerprint: approval.fingerprint,
      reviewer: reviewer.id,
      signed_in_as: { issuer, subject },
      passkey,
    },
    'written',
  )
  const outcome = await reviews.submit({
    approvalId,
    reviewer,
    choice: form.choice,
    reason: form.reason || null,
    channel: channelOf(reviewer),
    strength: 'stepped_up',
    allowForMs: form.allowFor === '' ? null : Number(form.allowFor),
    shown: { digest: shownDigest(approval, cardOf(approval)), isComplete: true },
  })
  log.info('step-up review', {
    approval_id: approvalId,
    choice: form.choice,
    refusal: outcome.ok ? null : outcome.refusal,
  })
  visits.end(response)
  const now = outcome.approval ?? approval
  const told = outcome.ok ? toldOf(now, form.choice) : outcome.message
  response.status(outcome.ok ? 200 : 403)
  response.type('html').send(decidedPage(site, { approval: now, card: cardOf(now), told }))
}

function toldOf({ state, reviews, quorum }: Approval, choice: DecideForm['choice']): string {
  if (choice === 'deny') return 'Denied'
  const approvals = reviews.filter((review) => review.choice === 'approve').length
  return state === 'pending' ? `Your approval counts. ${quorum - approvals} more needed.` : 'Approved'
}
