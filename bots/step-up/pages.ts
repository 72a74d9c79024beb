/**
 * The step-up pages, made whole on the server: what is decided by can be read without a script. Only passkeys need one.
 *
 * Everything that varies passes escapeHtml, and what an agent wrote passed visible() before, in the card.
 */
import type { Approval } from '../../src/approval/approval.ts'
import type { Card, CardNote } from '../../src/approval/card.ts'
import { inWords } from '../../src/approval/in-words.ts'
import { visible } from '../../src/approval/visible.ts'
import type { Passkey, SignedInPerson } from '../../src/step-up/step-up.ts'

export interface Site {
  /** Path of these pages: `/step-up`, below what gateway.publicUrl has. */
  readonly base: string
}

export const REASON_MAX_CHARS = 500
export const NAME_MAX_CHARS = 64

export function messagePage(site: Site, { title, text }: { readonly title: string; readonly text: string }): string {
  return page(site, { title, body: `<h1>${escapeHtml(title)}</h1>\n<p>${escapeHtml(text)}</p>` })
}

/** Shown by GET, which uses up nothing: a chat's link preview, or a mail scanner, must not burn the link. */
export function linkPage(
  site: Site,
  { code, approval, card, issuers }: { code: string; approval: Approval; card: Card; issuers: readonly string[] },
): string {
  if (card.state !== 'pending') return decidedPage(site, { approval, card, told: null })
  const buttons = issuers.map(
    (issuer, at) => `<form method="post" action="${escapeHtml(`${site.base}/${code}`)}">
<input type="hidden" name="issuer" value="${at}">
<button class="primary">Sign in to approve${issuers.length > 1 ? ` at ${escapeHtml(new URL(issuer).host)}` : ''}</button>
</form>`,
  )
  const text = 'This is all of it. Approving asks you to sign in first, and then once more whether you mean it.'
  return page(site, {
    title: 'Sign in to approve',
    script: true,
    body: `<p class="step">Step 1 of 2</p>
${cardHtml(approval, card)}
<div class="act">
<p>${text}</p>
${buttons.join('\n')}
</div>`,
  })
}

/**
 * Sends the browser on by itself. No redirect from the form: form-action would have to name the issuer, and every place
 * to which that sends people on (Chromium holds a form's whole chain of redirects to it).
 */
export function goingPage(site: Site, url: URL): string {
  return page(site, {
    title: 'Going to sign in',
    head: `<meta http-equiv="refresh" content="0; url=${escapeHtml(url.href)}">`,
    body: `<h1>Going to ${escapeHtml(url.host)} to sign in</h1>
<p><a href="${escapeHtml(url.href)}">Go on</a>, if nothing happens.</p>`,
  })
}

export interface DecidePage {
  readonly approval: Approval
  readonly card: Card
  readonly person: SignedInPerson
  /** `none`: signing in is enough. `missing`: one is asked for, and this person has none. */
  readonly passkey: 'none' | 'missing' | { readonly options: unknown }
  readonly passkeysOffered: boolean
  readonly told: string | null
}

export function decidePage(site: Site, parts: DecidePage): string {
  const { approval, card, person, told } = parts
  return page(site, {
    title: 'Approve?',
    script: true,
    body: `<p class="step">Step 2 of 2</p>
<p>You are signed in as <strong>${escapeHtml(visible(person.email))}</strong>.</p>
${cardHtml(approval, card)}
<div class="act">
${toldHtml(told)}
${approveHtml(site, parts)}
${denyHtml(site, approval)}
</div>
${parts.passkeysOffered ? `<p class="aside"><a href="${site.base}/passkeys">Your passkeys</a></p>` : ''}`,
  })
}

function approveHtml(site: Site, { approval, passkey }: DecidePage): string {
  if (passkey === 'missing') {
    return `<p>This gateway asks for a passkey, and you have none yet. <a href="${site.base}/passkeys">Add one</a>, then come back to this page.</p>`
  }
  const get = passkey === 'none' ? '' : ` data-get="${escapeHtml(JSON.stringify(passkey.options))}"`
  return `<form method="post" action="${site.base}/decide" id="approve"${get}>
<input type="hidden" name="approvalId" value="${escapeHtml(approval.id)}">
<input type="hidden" name="choice" value="approve">
<input type="hidden" name="assertion" value="">
${allowForHtml(approval)}
<label>Note for the record (optional)<input name="reason" maxlength="${REASON_MAX_CHARS}" autocomplete="off"></label>
<button class="approve">${passkey === 'none' ? 'Approve' : 'Approve with your passkey'}</button>
${passkey === 'none' ? '' : '<noscript><p class="told">A passkey needs JavaScript, which this browser has turned off.</p></noscript>'}
</form>`
}

function allowForHtml({ allowForMs }: Approval): string {
  if (allowForMs.length === 0) return ''
  const choices = allowForMs.map((ms) => `<option value="${ms}">The like for ${escapeHtml(inWords(ms))}</option>`)
  return `<label>For how long<select name="allowFor"><option value="">This call alone</option>${choices.join('')}</select></label>`
}

function denyHtml(site: Site, { id }: Approval): string {
  return `<form method="post" action="${site.base}/decide" id="deny">
<input type="hidden" name="approvalId" value="${escapeHtml(id)}">
<input type="hidden" name="choice" value="deny">
<label>Reason, which the agent gets (optional)<input name="reason" maxlength="${REASON_MAX_CHARS}" autocomplete="off"></label>
<button class="deny">Deny</button>
</form>`
}

/** What became of it. `told`: of this person's click; null: it was decided before. */
export function decidedPage(
  site: Site,
  { approval, card, told }: { approval: Approval; card: Card; told: string | null },
): string {
  return page(site, {
    title: told ?? card.outcome ?? 'Decided',
    script: true,
    body: `<h1>${escapeHtml(told ?? 'This was decided already')}</h1>
${cardHtml(approval, card)}
<p>You can close this page.</p>`,
  })
}

export interface PasskeysPage {
  readonly person: SignedInPerson
  readonly passkeys: readonly Passkey[]
  readonly creation: unknown
  /** Null where there is none to confirm with. */
  readonly request: unknown
  /** An approval waits on the other page. */
  readonly isReviewOpen: boolean
  readonly told: string | null
}

export function passkeysSignInPage(site: Site, issuers: readonly string[]): string {
  const buttons = issuers.map(
    (issuer, at) => `<form method="post" action="${site.base}/sign-in">
<input type="hidden" name="issuer" value="${at}">
<button class="primary">Sign in${issuers.length > 1 ? ` at ${escapeHtml(new URL(issuer).host)}` : ''}</button>
</form>`,
  )
  return page(site, {
    title: 'Your passkeys',
    body: `<h1>Your passkeys</h1>
<p>A passkey confirms the approvals that a click is not enough for. Sign in to add one or to take one away.</p>
<div class="act">${buttons.join('\n')}</div>`,
  })
}

export function passkeysPage(site: Site, parts: PasskeysPage): string {
  const { person, passkeys, isReviewOpen, told } = parts
  const back = isReviewOpen
    ? `<p><a class="button" href="${site.base}/decide">Back to what you were asked to approve</a></p>`
    : ''
  return page(site, {
    title: 'Your passkeys',
    script: true,
    body: `<h1>Passkeys of ${escapeHtml(visible(person.email))}</h1>
${toldHtml(told)}
${back}
${passkeys.length === 0 ? '<p>You have none yet.</p>' : `<ul class="passkeys">${passkeys.map((one) => passkeyHtml(site, parts, one)).join('\n')}</ul>`}
${addHtml(site, parts)}`,
  })
}

function passkeyHtml(site: Site, { request }: PasskeysPage, { id, name, addedAt, usedAt }: Passkey): string {
  const used = usedAt === null ? 'never used' : `last used ${timeHtml(usedAt)}`
  return `<li><div><strong>${escapeHtml(visible(name))}</strong><br><span class="aside">added ${timeHtml(addedAt)}, ${used}</span></div>
<form method="post" action="${site.base}/passkeys/remove" data-get="${escapeHtml(JSON.stringify(request))}">
<input type="hidden" name="id" value="${escapeHtml(id)}">
<input type="hidden" name="assertion" value="">
<button class="quiet">Remove</button>
</form></li>`
}

function addHtml(site: Site, { passkeys, creation, request }: PasskeysPage): string {
  const isFirst = passkeys.length === 0
  const text = isFirst
    ? 'The first one is taken on trust: whoever can sign in as you could add it. Every further one, and every removal, has to be confirmed with one that you have.'
    : 'Confirm with a passkey that you have; then add the new one.'
  const get = isFirst ? '' : ` data-get="${escapeHtml(JSON.stringify(request))}"`
  return `<form method="post" action="${site.base}/passkeys/add" id="add"${get} data-create="${escapeHtml(JSON.stringify(creation))}">
<h2>Add a passkey</h2>
<p>${text}</p>
<input type="hidden" name="assertion" value="">
<input type="hidden" name="registration" value="">
<label>Its name<input name="name" maxlength="${NAME_MAX_CHARS}" value="" placeholder="Work phone" autocomplete="off" required></label>
<button class="primary">${isFirst ? 'Add a passkey' : 'Confirm with a passkey you have'}</button>
<noscript><p class="told">A passkey needs JavaScript, which this browser has turned off.</p></noscript>
</form>`
}

function cardHtml(approval: Approval, card: Card): string {
  const because = card.reason === null ? '' : `: ${escapeHtml(card.reason)}`
  const stated =
    card.statedReason === null ? '' : `<p class="why">The agent says: <q>${escapeHtml(card.statedReason)}</q></p>`
  const risk = card.risk.length === 0 ? '' : `<p class="notes">${escapeHtml(card.risk.join(', '))}</p>`
  return `<article class="card" data-state="${card.state}" data-approval="${escapeHtml(card.approvalId)}">
<div class="top"><h2 class="headline">${escapeHtml(card.headline)}</h2>${badgeHtml(card)}</div>
${card.outcome === null ? '' : `<p class="outcome">${escapeHtml(card.outcome)}</p>`}
<p class="why">Held by rule <code>${escapeHtml(card.rule)}</code>${because}</p>
${stated}
${risk}
${argumentsHtml(card)}
<dl class="facts">
<dt>Agent</dt><dd>${escapeHtml(card.agent)}</dd>
<dt>Asked</dt><dd>${timeHtml(card.requestedAt)}</dd>
<dt>Fingerprint</dt><dd><code><strong>${card.shortFingerprint}</strong>${approval.fingerprint.slice(card.shortFingerprint.length)}</code></dd>
</dl>
${reviewsHtml(card)}
${[...card.why, ...card.notes].map((note) => `<p class="notes">${noteHtml(note)}</p>`).join('\n')}
</article>`
}

function badgeHtml({ state, expiresAt }: Card): string {
  if (state === 'pending') return `<p class="deadline">until ${timeHtml(expiresAt)}</p>`
  return `<p class="badge">${state}</p>`
}

/** Whole, and without boxes that scroll: nothing of it is out of sight. */
function argumentsHtml(card: Card): string {
  if (card.arguments.length === 0) return '<p class="aside">No arguments.</p>'
  const rows = card.arguments.map(
    ({ name, value }) => `<div><dt>${escapeHtml(name)}</dt><dd><pre data-all>${escapeHtml(value)}</pre></dd></div>`,
  )
  return `<dl class="arguments">${rows.join('\n')}</dl>`
}

function reviewsHtml({ quorum, reviews }: Card): string {
  if (quorum < 2) return ''
  const approvals = reviews.filter(({ choice }) => choice === 'approve').length
  const lines = reviews.map(
    ({ by, choice, at }) =>
      `<li>${choice === 'approve' ? 'Approved' : 'Denied'} by ${escapeHtml(by)} · ${timeHtml(at)}</li>`,
  )
  return `<ul class="reviews"><li class="quorum">${approvals} of ${quorum} approvals</li>${lines.join('')}</ul>`
}

function noteHtml(note: CardNote): string {
  return note.map((part) => (typeof part === 'string' ? escapeHtml(part) : timeHtml(part))).join('')
}

/** UTC for whoever has no script; the script shows it in the reader's time zone. */
function timeHtml(at: number): string {
  const iso = new Date(at).toISOString()
  return `<time datetime="${iso}">${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC</time>`
}

function toldHtml(told: string | null): string {
  return `<p class="told" id="told" role="status">${told === null ? '' : escapeHtml(told)}</p>`
}

function page(
  { base }: Site,
  { title, head = '', body, script = false }: { title: string; head?: string; body: string; script?: boolean },
): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
${head}
<title>${escapeHtml(title)} – Countersign</title>
<link rel="icon" href="${base}/assets/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="${base}/assets/console.css">
<link rel="stylesheet" href="${base}/assets/step-up.css">
${script ? `<script type="module" src="${base}/assets/step-up.js"></script>` : ''}
</head>
<body>
<header><p class="brand"><img src="${base}/assets/icon.svg" alt="" width="28" height="28">Countersign</p></header>
<main class="way">
${body}
</main>
</body>
</html>
`
}

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
