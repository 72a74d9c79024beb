/**
 * The console: a channel like Slack, and the one that is there when nothing else is set up. A page on loopback where
 * pending approvals appear by themselves, for whoever opened the one-time link that the gateway printed.
 *
 *   link ──GET──► a page with a button ──POST──► cookie ──► page, events, reviews
 *
 * The link is the authentication: it is printed where only the operator reads, works once and shortly, and only a POST
 * redeems it, because previews and prefetches send GET. The console says who the reviewer is (one person, from the
 * settings); whether that person may review is decided by src/review, as for every channel.
 */
import type { NextFunction, Request, RequestHandler, Response } from 'express'
import express, { Router } from 'express'
import { z } from 'zod'
import type { Approval, Refusal } from '../../src/approval/approval.ts'
import type { Card } from '../../src/approval/card.ts'
import { wholeDigest } from '../../src/approval/shown.ts'
import type { ApprovalId } from '../../src/brands.ts'
import { GatewayError } from '../../src/errors.ts'
import type { Reviewer } from '../../src/people/reviewer.ts'
import type { ApprovalStore, Channel, Clock, Log, MessageRef, ReviewOutcome, Reviews } from '../../src/ports.ts'
import { unreachable } from '../../src/unreachable.ts'
import { loadAssets } from './assets.ts'
import { createFeed, type Feed, isShownHere } from './feed.ts'
import { guard, onlyOwnScript } from './guard.ts'
import { consolePage, openPage } from './pages.ts'
import { bodyFault, refuse, refuseFault } from './refusal.ts'
import { createSignIns, type SignIns } from './sign-ins.ts'
import { createTokens, type Tokens } from './tokens.ts'
import { previewView, wholeView } from './view.ts'

/** Long enough to walk over to the browser; the bad_link refusal names it. */
export const LINK_LIFE_MS = 10 * 60_000
const LINKS_MAX = 8
/** A review: an id, a choice and a reason of at most REASON_MAX_CHARS, in up to 4 bytes each. */
const BODY_MAX_BYTES = 4_096
export const REASON_MAX_CHARS = 500

export interface ConsoleOptions {
  /** Where this machine's browser reaches the gateway: what links are made of. `http://127.0.0.1:8080` */
  readonly loopbackUrl: string
  /** A second name that the console answers to (a proxy on this machine in front of it); null: loopback names alone. */
  readonly publicUrl: string | null
  /** The reviewer's e-mail, from the settings. Null: an operator without a name, who may review only where anyone may. */
  readonly reviewer: string | null
  readonly store: ApprovalStore
  readonly reviews: Reviews
  /** Where to sign in for one approval, for rules that ask for it; null: no issuer is set up for that. */
  readonly stepUpLink?: ((approvalId: ApprovalId, reviewer: Reviewer) => Promise<string>) | null
  readonly cardOf: (approval: Approval) => Card
  readonly clock: Clock
  /** Cryptographic randomness: `node:crypto`’s randomBytes. */
  readonly random: (bytes: number) => Uint8Array
  readonly log: Log
}

export interface Console {
  readonly channel: Channel
  /** To be mounted at /console, before any body parser. */
  readonly router: Router
  /** A fresh one-time link, to be shown to the operator alone. */
  newLink(): string
  /** Ends every stream and signs every browser out. */
  close(): void
}

export function createConsole(options: ConsoleOptions): Console {
  const { loopbackUrl, publicUrl, store, cardOf, clock, random, log } = options
  const reviewer = reviewerOf(options.reviewer)
  const links = createTokens({ lifeMs: LINK_LIFE_MS, max: LINKS_MAX, clock, random })
  const signIns = createSignIns(options)
  const feed = createFeed({ store, cardOf, reviewerName: reviewer.name, clock, log })
  let closed = false

  const router = Router()
  router.use(guard(publicUrl))
  mountPublicPages(router, { links, signIns, log, isClosed: () => closed })
  mountSignedIn(router, { ...options, signIns, feed, reviewer })
  router.use((req, res) => refuse(req, res, 'not_found'))
  router.use(faults(log))

  return {
    channel: channelOf(feed),
    router,
    newLink: () => {
      if (closed) throw new GatewayError('draining', 'the console is closed')
      return new URL(`/console/open?code=${links.issue()}`, loopbackUrl).href
    },
    close: () => {
      closed = true
      links.clear()
      signIns.clear()
      feed.close()
    },
  }
}

function reviewerOf(setting: string | null): Reviewer {
  if (setting === null) return { id: 'console:operator', email: null, name: 'console operator' }
  const email = setting.toLowerCase()
  return { id: `console:${email}`, email, name: email }
}

/**
 * The page draws what the store says, so posting and repainting are one thing: read that approval again and tell the
 * open tabs. With no tab open nothing is sent, and nothing is lost: a tab that opens later reads the whole state.
 */
function channelOf(feed: Feed): Channel {
  return {
    name: 'console',
    post: async (card) => {
      feed.touch(card.approvalId)
      return JSON.stringify({ approvalId: card.approvalId }) as MessageRef
    },
    update: async (_ref, card) => feed.touch(card.approvalId),
    async summarise(summary) {
      feed.summarise(summary)
      return null
    },
    notify: async (id, notice) => feed.notify(id, notice),
  }
}

/** What needs no cookie, and therefore holds no data: the link's page, and the files that give the pages their look. */
function mountPublicPages(
  router: Router,
  { links, signIns, log, isClosed }: { links: Tokens; signIns: SignIns; log: Log; isClosed: () => boolean },
): void {
  const assets = loadAssets()
  router.get('/assets/:name', (req, res) => {
    const asset = assets.get(req.params.name)
    if (asset === undefined) return refuse(req, res, 'not_found')
    res.set('Content-Type', asset.contentType).send(asset.body)
  })

  router.get('/open', (req, res) => {
    const { code } = req.query
    // Under no-referrer a form's POST says `Origin: null` (Fetch §3.2), and the guard could not tell it is ours.
    res.set('Referrer-Policy', 'same-origin')
    res.type('html').send(openPage(typeof code === 'string' ? code : ''))
  })

  const form = express.urlencoded({ extended: false, inflate: false, limit: BODY_MAX_BYTES, parameterLimit: 4 })
  router.post('/open', form, (req, res) => {
    const body = z.object({ code: z.string() }).safeParse(req.body)
    if (!body.success || isClosed() || !links.take(body.data.code)) {
      log.warn('console link refused')
      return refuse(req, res, 'bad_link')
    }
    signIns.start(req, res)
    log.info('console link redeemed')
    res.redirect(303, '/console')
  })
}

interface SignedIn extends Pick<ConsoleOptions, 'store' | 'reviews' | 'stepUpLink' | 'cardOf' | 'log'> {
  readonly signIns: SignIns
  readonly feed: Feed
  readonly reviewer: Reviewer
}

function mountSignedIn(router: Router, parts: SignedIn): void {
  const { signIns, feed, store, cardOf } = parts
  const signedIn: RequestHandler = (req, res, next) => {
    if (signIns.of(req) === null) refuse(req, res, 'signed_out')
    else next()
  }
  const data = [signedIn, onlyOwnScript]

  router.get('/', signedIn, (_req, res) => void res.type('html').send(consolePage()))

  router.get('/events', ...data, (req, res) => {
    const cookie = signIns.of(req)
    if (cookie === null) return refuse(req, res, 'signed_out')
    if (!feed.listen(res, () => signIns.check(cookie))) refuse(req, res, 'too_many_tabs')
  })

  router.get('/api/state', ...data, async (_req, res) => void res.json(await feed.state()))

  router.get('/api/approvals/:id', ...data, async (req, res) => {
    const approval = await store.get(req.params.id as ApprovalId)
    if (approval === null || !isShownHere(approval)) return refuse(req, res, 'unknown_approval')
    res.json({ card: wholeView(approval, cardOf(approval)) })
  })

  const json = express.json({ inflate: false, limit: BODY_MAX_BYTES })
  router.post('/api/reviews', ...data, json, reviewHandler(parts))
  router.post('/api/runs', ...data, json, runHandler(parts))

  router.post('/api/sign-out', ...data, (req, res) => {
    signIns.end(req, res)
    res.json({ ok: true })
  })
}

const APPROVAL_ID = z.string().regex(/^apr_[a-z0-9]{1,64}$/)
const CLICK = z.strictObject({
  approvalId: APPROVAL_ID,
  choice: z.enum(['approve', 'deny']),
  reason: z.string().trim().max(REASON_MAX_CHARS).nullable(),
  /** The second tap, which some rules ask for. */
  confirmed: z.boolean().default(false),
  allowForMs: z.int().positive().nullable().default(null),
})

/** One click is one call of reviews.submit. A refusal is an answer with its message, not an error. */
function reviewHandler(parts: SignedIn): RequestHandler {
  const { store, reviews, stepUpLink, cardOf, reviewer, log } = parts
  return async (req, res) => {
    if (!req.is('application/json')) return refuse(req, res, 'unsupported_body')
    const click = CLICK.safeParse(req.body)
    if (!click.success) return refuse(req, res, 'bad_request')
    const approvalId = click.data.approvalId as ApprovalId
    const approval = await store.get(approvalId)
    if (approval === null || !isShownHere(approval)) return refuse(req, res, 'unknown_approval')
    const { choice, confirmed, allowForMs } = click.data
    const outcome = await reviews.submit({
      approvalId,
      reviewer,
      choice,
      allowForMs,
      reason: click.data.reason || null,
      channel: 'console',
      strength: confirmed ? 'confirmed' : 'click',
      shown: { digest: wholeDigest(cardOf(approval)), isComplete: true },
    })
    log.info('console review', { approval_id: approvalId, choice, refusal: outcome.ok ? null : outcome.refusal })
    const needsMore = !outcome.ok && outcome.refusal === 'step_up_needed' && reviewer.email !== null
    const link = needsMore ? ((await stepUpLink?.(approvalId, reviewer)) ?? null) : null
    answerClick(parts, res, approvalId, outcome, link)
  }
}

const RUN_CLICK = z.strictObject({ approvalId: APPROVAL_ID, ran: z.boolean() })

/** What this person found out about a call of which nobody knows whether it ran. */
function runHandler(parts: SignedIn): RequestHandler {
  const { store, reviews, reviewer, log } = parts
  return async (req, res) => {
    if (!req.is('application/json')) return refuse(req, res, 'unsupported_body')
    const click = RUN_CLICK.safeParse(req.body)
    if (!click.success) return refuse(req, res, 'bad_request')
    const approvalId = click.data.approvalId as ApprovalId
    const approval = await store.get(approvalId)
    if (approval === null || !isShownHere(approval)) return refuse(req, res, 'unknown_approval')
    const { ran } = click.data
    const outcome = await reviews.resolveRun({ approvalId, reviewer, ran })
    log.info('console run resolved', { approval_id: approvalId, ran, refusal: outcome.ok ? null : outcome.refusal })
    answerClick(parts, res, approvalId, outcome)
  }
}

function answerClick(
  { feed, cardOf }: SignedIn,
  res: Response,
  id: ApprovalId,
  outcome: ReviewOutcome,
  link: string | null = null,
): void {
  feed.touch(id)
  const card = outcome.approval === null ? null : previewView(outcome.approval, cardOf(outcome.approval))
  if (outcome.ok) res.json({ ok: true, card })
  else {
    const { refusal, message } = outcome
    res.status(statusOf(refusal)).json({ ok: false, refusal, message, card, link })
  }
}

function statusOf(refusal: Refusal): number {
  switch (refusal) {
    case 'self_review':
    case 'owner_unknown':
    case 'not_a_reviewer':
    case 'not_the_requester':
    case 'confirm_needed':
    case 'step_up_needed':
    case 'not_all_read':
    case 'not_offered':
      return 403
    case 'unknown_approval':
      return 404
    case 'already_resolved':
    case 'already_reviewed':
    case 'too_early':
    case 'too_late':
    case 'run_known':
    case 'agent_known':
    case 'card_changed':
    case 'step_known':
    case 'reminded_lately':
    case 'too_many_remarks':
    case 'too_many_grants':
    case 'grant_known':
      return 409
    default:
      return unreachable(refusal)
  }
}

function faults(log: Log) {
  return (error: unknown, req: Request, res: Response, next: NextFunction): void => {
    if (res.headersSent) {
      next(error)
      return
    }
    if (!(error instanceof GatewayError) && bodyFault(error) === null) {
      log.error('console request failed', { path: req.path, error: error instanceof Error ? error.name : 'unknown' })
    }
    refuseFault(req, res, error)
  }
}
