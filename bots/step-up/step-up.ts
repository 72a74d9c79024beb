/**
 * The step-up pages: a reviewer signs in at the identity provider for one approval, where a click is not enough.
 *
 *   GET  /step-up/<code>      what is asked, whole            changes nothing
 *   POST /step-up/<code>      uses up the link, begins a visit ──► the issuer
 *   GET  /step-up/callback    who signed in? the same person as the link's reviewer, or nobody
 *   GET  /step-up/decide      what is asked, once more
 *   POST /step-up/decide      with a passkey where the settings ask for it ──► one review, stepped_up
 *   GET, POST /step-up/passkeys …   see passkey-pages.ts
 *
 * Codes and cookies are never logged: paths of these pages are not, and refusals name ids alone.
 */
import type { NextFunction, Request, Response } from 'express'
import express, { Router } from 'express'
import type { ApprovalId } from '../../src/brands.ts'
import { epochMs } from '../../src/brands.ts'
import type { SignInSettings } from '../../src/config/settings.ts'
import { GatewayError } from '../../src/errors.ts'
import type { Reviewer } from '../../src/people/reviewer.ts'
import type { Clock } from '../../src/ports.ts'
import { LINK_LIFE_MS } from '../../src/step-up/step-up.ts'
import { loadAssets } from './assets.ts'
import { type Desk, FORM_BYTES_MAX, type StepUpOptions } from './desk.ts'
import { guard } from './guard.ts'
import type { Site } from './pages.ts'
import { createPasskeyChecks, type PasskeyChecks } from './passkey-checks.ts'
import { mountPasskeyPages } from './passkey-pages.ts'
import { createRate } from './rate.ts'
import { bodyFault, createRefuse, refuseFault } from './refusal.ts'
import { decide, followLink, showDecide, showLink } from './review-pages.ts'
import { createSignInClient } from './sign-in.ts'
import { callback } from './sign-in-pages.ts'
import { createVisits, SECRET_BYTES } from './visits.ts'

const FORM_FIELDS_MAX = 8

export interface StepUp {
  /** To be mounted at /step-up, before any body parser. */
  readonly router: Router
  /** A link for this person alone, which works once, for ten minutes, and until they get a newer one. */
  link(approvalId: ApprovalId, reviewer: Reviewer): Promise<string>
}

export function createStepUp(options: StepUpOptions): StepUp {
  const { publicUrl, stepUps, clock, random, log } = options
  const site: Site = { base: `${new URL(publicUrl).pathname.replace(/\/+$/, '')}/step-up` }
  const redirectUri = `${publicUrl}/step-up/callback`
  let checks: Promise<PasskeyChecks> | null = null
  const desk: Desk = {
    ...options,
    site,
    refuse: createRefuse(site),
    visits: createVisits(options),
    rate: createRate(clock),
    clients: options.signIns.map((settings) => createSignInClient(settings, redirectUri, clock)),
    checks() {
      if (options.passkeysWanted === 'off') return null
      checks ??= createPasskeyChecks(publicUrl, log)
      return checks
    },
  }
  return {
    router: routerOf(desk, redirectUri),
    async link(approvalId, reviewer) {
      const code = Buffer.from(random(SECRET_BYTES)).toString('base64url')
      const approval = await options.approvals.get(approvalId)
      const latest = clock.now() + LINK_LIFE_MS
      const endsAt = epochMs(Math.min(latest, approval?.expiresAt ?? latest))
      await stepUps.addLink(code, { approvalId, reviewer, endsAt })
      return `${publicUrl}/step-up/${code}`
    },
  }
}

/** For `doctor`: each place to sign in can be read and has what signing in needs. */
export async function checkSignIn(settings: SignInSettings, publicUrl: string, clock: Clock): Promise<void> {
  await createSignInClient(settings, `${publicUrl}/step-up/callback`, clock).check()
}

function routerOf(desk: Desk, redirectUri: string): Router {
  const { publicUrl, refuse, site, log } = desk
  const router = Router()
  const assets = loadAssets()
  const form = express.urlencoded({
    extended: false,
    inflate: false,
    limit: FORM_BYTES_MAX,
    parameterLimit: FORM_FIELDS_MAX,
  })
  router.use(guard(publicUrl, refuse))
  router.get('/assets/:name', (request, response) => {
    const asset = assets.get(request.params.name)
    if (asset === undefined) return refuse(response, 'not_found')
    response.set('Content-Type', asset.contentType).send(asset.body)
  })
  router.get('/callback', (request, response) => callback(desk, redirectUri, request, response))
  router.get('/decide', (request, response) => showDecide(desk, request, response))
  router.post('/decide', form, (request, response) => decide(desk, request, response))
  mountPasskeyPages(router, desk, form)
  router.get('/:code', (request, response) => showLink(desk, request, response))
  router.post('/:code', form, (request, response) => followLink(desk, request, response))
  router.use((_request, response) => refuse(response, 'not_found'))
  router.use((error: unknown, _request: Request, response: Response, next: NextFunction) => {
    if (response.headersSent) return next(error)
    if (!(error instanceof GatewayError) && bodyFault(error) === null) {
      log.error('a step-up request failed', { error: error instanceof Error ? error.name : 'unknown' })
    }
    return refuseFault(site, response, error)
  })
  return router
}
