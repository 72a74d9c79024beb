/**
 * Where reviewers look after their passkeys: sign in, then add or remove one.
 *
 *   the first one   on trust: a new sign-in at the issuer is all that stands behind it
 *   further ones    and every removal: signed by one that the person has, else whoever stole the issuer's sign-in would
 *                   take the old ones away and begin anew
 *
 * Who has lost all of them asks an operator, who removes them with `countersign passkeys remove`.
 */
import type { Request, RequestHandler, Response, Router } from 'express'
import { z } from 'zod'
import { challengeOf, type Passkey, type SignedIn, TRIES_MAX } from '../../src/step-up/step-up.ts'
import { type Desk, newNonce } from './desk.ts'
import { NAME_MAX_CHARS, passkeysPage, passkeysSignInPage } from './pages.ts'
import type { PasskeyChecks } from './passkey-checks.ts'
import { beginSignIn } from './sign-in-pages.ts'

export function mountPasskeyPages(router: Router, desk: Desk, form: RequestHandler): void {
  const { refuse, rate } = desk
  const wanted: RequestHandler = (_request, response, next) => {
    if (desk.passkeysWanted === 'off') refuse(response, 'passkeys_off')
    else next()
  }
  router.get('/passkeys', wanted, (request, response) => show(desk, request, response))
  router.post('/passkeys/add', wanted, form, (request, response) => change(desk, request, response, add))
  router.post('/passkeys/remove', wanted, form, (request, response) => change(desk, request, response, remove))
  router.post('/sign-in', wanted, form, (request, response) => {
    if (!rate.allows(request.socket.remoteAddress)) return refuse(response, 'too_many')
    const begin = { purpose: { type: 'passkeys' }, latest: Number.MAX_SAFE_INTEGER } as const
    return beginSignIn(desk, request, response, begin)
  })
}

async function show(desk: Desk, request: Request, response: Response): Promise<void> {
  const visit = await desk.visits.peek(request)
  if (visit?.step === 'signed_in') return send(desk, response, visit, null)
  const issuers = desk.clients.map(({ issuer }) => issuer)
  response.type('html').send(passkeysSignInPage(desk.site, issuers))
}

async function send(desk: Desk, response: Response, visit: SignedIn, told: string | null): Promise<void> {
  const { passkeys, site } = desk
  const { person, purpose } = visit
  const checks = await checksOf(desk)
  const challenge = challengeOf('passkeys', visit.nonce)
  const own = await passkeys.list(person.email)
  const creation = await checks.creationOptions(challenge, person.email, own)
  const request = own.length === 0 ? null : await checks.requestOptions(challenge, own)
  const isReviewOpen = purpose.type === 'review'
  response.type('html').send(passkeysPage(site, { person, passkeys: own, creation, request, isReviewOpen, told }))
}

async function checksOf(desk: Desk): Promise<PasskeyChecks> {
  const checks = await desk.checks()
  if (checks === null) throw new TypeError('the settings want no passkeys')
  return checks
}

/** Says what came of it. `isMisfit`: one try less. */
type Change = (
  desk: Desk,
  visit: SignedIn,
  body: unknown,
) => Promise<{ readonly told: string; readonly isMisfit: boolean }>

/** Each try takes the visit away and begins it anew, so that what was signed for one fits no other. */
async function change(desk: Desk, request: Request, response: Response, apply: Change): Promise<void> {
  const { visits, refuse } = desk
  const visit = await visits.take(request)
  if (visit?.step !== 'signed_in') return refuse(response, 'visit_gone')
  const fresh = { ...visit, nonce: newNonce(desk) }
  try {
    const { told, isMisfit } = await apply(desk, visit, request.body ?? {})
    const next = { ...fresh, tries: visit.tries + (isMisfit ? 1 : 0) }
    if (next.tries >= TRIES_MAX) {
      visits.end(response)
      return refuse(response, 'passkey_refused')
    }
    await visits.start(response, next)
    response.status(isMisfit ? 403 : 200)
    return await send(desk, response, next, told)
  } catch (error) {
    await visits.start(response, fresh).catch(() => undefined)
    throw error
  }
}

const MISFIT = { told: 'The passkey did not fit. Nothing was changed; try again.', isMisfit: true } as const
const ADD_FORM = z.strictObject({
  name: z.string().trim().min(1).max(NAME_MAX_CHARS),
  registration: z.string(),
  assertion: z.string().default(''),
})

async function add(desk: Desk, visit: SignedIn, body: unknown) {
  const { passkeys, recorder, clock } = desk
  const { person, nonce } = visit
  const form = ADD_FORM.safeParse(body)
  if (!form.success) return { told: 'Give it a name of at most 64 characters. Nothing was changed.', isMisfit: false }
  const own = await passkeys.list(person.email)
  const isFirst = own.length === 0
  if (!isFirst && !(await isConfirmed(desk, visit, own, form.data.assertion))) return MISFIT
  const named = { name: form.data.name, at: clock.now() }
  const passkey = await (await checksOf(desk)).registration(
    form.data.registration,
    challengeOf('passkeys', nonce),
    named,
  )
  if (passkey === null) return MISFIT
  const added = await passkeys.add(person.email, passkey, isFirst ? 'first' : 'further')
  if (added !== 'added') return { told: NOT_ADDED[added], isMisfit: false }
  const signed_in_as = { issuer: person.issuer, subject: person.subject }
  const common = { at: clock.now(), session_id: null, email: person.email, passkey: passkey.id, signed_in_as }
  try {
    await recorder.record({ type: 'passkey.added', ...common, is_first: isFirst }, 'synced')
  } catch (error) {
    // One that nobody can find in the recording must not approve anything.
    await passkeys.remove(person.email, passkey.id)
    throw error
  }
  return { told: 'Added. From now on your approvals by sign-in ask for it.', isMisfit: false }
}

const NOT_ADDED = {
  not_first: 'You have a passkey by now: confirm with it. Nothing was changed.',
  known: 'That passkey is here already. Nothing was changed.',
  too_many: 'You have as many as one person may have. Remove one first.',
} as const

const REMOVE_FORM = z.strictObject({ id: z.string().max(2_048), assertion: z.string() })

async function remove(desk: Desk, visit: SignedIn, body: unknown) {
  const { passkeys, recorder, clock } = desk
  const { person } = visit
  const form = REMOVE_FORM.safeParse(body)
  if (!form.success) return MISFIT
  const own = await passkeys.list(person.email)
  if (!(await isConfirmed(desk, visit, own, form.data.assertion))) return MISFIT
  const signed_in_as = { issuer: person.issuer, subject: person.subject }
  const common = { at: clock.now(), session_id: null, email: person.email, passkey: form.data.id, signed_in_as }
  if (!own.some(({ id }) => id === form.data.id)) return { told: 'It was gone already.', isMisfit: false }
  await recorder.record({ type: 'passkey.removed', ...common }, 'synced')
  await passkeys.remove(person.email, form.data.id)
  return { told: 'Removed.', isMisfit: false }
}

async function isConfirmed(desk: Desk, visit: SignedIn, own: readonly Passkey[], assertion: string): Promise<boolean> {
  const { passkeys, clock } = desk
  const challenge = challengeOf('passkeys', visit.nonce)
  const signed = await (await checksOf(desk)).assertion(assertion, challenge, own)
  return signed !== null && (await passkeys.used(visit.person.email, { ...signed, at: clock.now() }))
}
