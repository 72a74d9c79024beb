/**
 * What people see of an approval: the same facts in every channel, in the order in which one decides by them.
 *
 * The headline leads with who and the verb, because a phone's notification shows little more. A person's name is what
 * they chose themselves, so what the channel verified (e-mail, else account) always stands last, in parentheses.
 */

import type { AccessRequest } from '../access/access.ts'
import { epochMs } from '../brands.ts'
import { standingGrantOf } from '../grant/standing.ts'
import type { Reviewer } from '../people/reviewer.ts'
import type { Approval, LostRun, Remark, Review } from './approval.ts'
import { argumentRows } from './argument-rows.ts'
import type { Card, CardNote, CardRemark, CardReview, CardStanding, Untrusted } from './card.ts'
import { inWords } from './in-words.ts'
import { presenceNotes } from './presence-notes.ts'
import { demandsOf, riskOf } from './risk.ts'
import { visible, visibleLines } from './visible.ts'
import { whyAsked } from './why-asked.ts'

const SHORT_FINGERPRINT_DIGITS = 8

export function cardOf(approval: Approval): Card {
  return {
    approvalId: approval.id,
    state: approval.state,
    version: approval.version,
    ...asked(approval),
    rule: approval.rule,
    reason: approval.reason,
    why: whyAsked(approval),
    statedReason: approval.statedReason === null ? null : visibleLines(approval.statedReason),
    risk: riskOf(approval),
    demands: demandsOf(approval),
    strength: approval.strength,
    readAll: approval.readAll,
    allowForMs: approval.allowForMs,
    isAccess: approval.access !== null,
    standing: standingOf(approval),
    requestedAt: approval.requestedAt,
    expiresAt: approval.expiresAt,
    shortFingerprint: approval.fingerprint.slice(0, SHORT_FINGERPRINT_DIGITS),
    quorum: approval.quorum,
    reviews: approval.reviews.map(cardReview),
    remark: cardRemark(approval.remarks.at(-1)),
    remarks: approval.remarks.length,
    remindedAt: approval.reminders.lastAt,
    escalatedAt: approval.steps.findLast(({ type, doneAt }) => type === 'escalate' && doneAt !== null)?.doneAt ?? null,
    notes: approval.state === 'pending' ? presenceNotes(approval) : grantNotes(approval),
    outcome: outcomeOf(approval),
    resolvedAt: approval.resolvedAt,
    asksWhetherItRan: approval.run?.state === 'unknown',
  }
}

function asked(approval: Approval): Pick<Card, 'headline' | 'agent' | 'upstream' | 'tool' | 'arguments'> {
  const { principal, access } = approval
  const owner = principal.email ?? principal.subject
  const where = { upstream: visible(approval.upstream), tool: visible(approval.tool) }
  if (access !== null) {
    return {
      ...where,
      headline: visible(accessHeadline(access)),
      agent: visible(`all agents of ${access.ownerEmail}, asked for by ${person(access.requester)}`),
      arguments: accessRows(access),
    }
  }
  return {
    ...where,
    headline: visible(`${owner}’s agent wants ${approval.tool} on ${approval.upstream}`),
    agent: visible(`${principal.client ?? 'unnamed client'} for ${owner}, signed in at ${principal.issuer}`),
    arguments: [...cardRows(approval.argumentsJson, ''), ...cardRows(approval.otherParamsJson, 'params.')],
  }
}

function accessHeadline({ requester, tools, upstream, durationMs, extends: longer }: AccessRequest): string {
  const isAll = tools.length === 1 && tools[0] === '*'
  const what = isAll ? 'all tools' : `${tools.length} tool${tools.length === 1 ? '' : 's'}`
  const wish = `${longer === null ? 'access' : 'more access'} to ${what} on ${upstream} for ${inWords(durationMs)}`
  return `${requester.email ?? requester.id} asks for ${wish}`
}

/** One name a line: what a reviewer lets pass must not hide in the middle of a list. */
function accessRows({ tools, reason }: AccessRequest): Card['arguments'] {
  return [
    { name: visible('tools'), value: tools.map(visible).join('\n') as Untrusted },
    { name: visible('reason'), value: visibleLines(reason) },
  ]
}

/** What the call carries beside its arguments changes what it does, so it is shown; its rows say that they are no arguments. */
function cardRows(json: string, prefix: string): Card['arguments'] {
  return argumentRows(json).map(({ name, value }) => ({ name: visible(prefix + name), value: visibleLines(value) }))
}

/** For how long the like passes once this is approved; null: it was this call alone. */
function allowedMs({ access, allowedForMs }: Approval): number | null {
  return access === null ? allowedForMs : access.durationMs
}

function standingOf(approval: Approval): CardStanding | null {
  const forMs = allowedMs(approval)
  if (approval.state !== 'approved' || approval.resolvedAt === null || forMs === null) return null
  const { resolvedAt, standing } = approval
  const until = standing?.until ?? epochMs(resolvedAt + forMs)
  return { grantId: standingGrantOf(approval), until, endedAt: standing?.ended?.at ?? null }
}

function grantNotes({ standing }: Approval): readonly CardNote[] {
  if (!standing?.ended) return []
  const { state, at, by } = standing.ended
  if (state === 'expired') return [['What it let pass ended ', at, ': calls like it ask again.']]
  const who = by === null ? 'the gateway' : visible(person(by))
  return [['Revoked ', at, ` by ${who}: calls like it ask again.`]]
}

function cardReview(review: Review): CardReview {
  return {
    by: visible(person(review.reviewer)),
    choice: review.choice,
    reason: review.reason === null ? null : visible(review.reason),
    at: review.at,
  }
}

function cardRemark(remark: Remark | undefined): CardRemark | null {
  if (remark === undefined) return null
  const { kind, by, text, at } = remark
  return { kind, by: visible(person(by)), text: visibleLines(text), at }
}

function person(reviewer: Reviewer): string {
  const verified = reviewer.email ?? reviewer.id
  return reviewer.name === verified ? verified : `${reviewer.name} (${verified})`
}

function outcomeOf(approval: Approval): Untrusted | null {
  const text = outcomeText(approval)
  return text === null ? null : visible(text)
}

/** First what matters more by now. */
function runText(run: LostRun | null): string {
  if (run === null) return ''
  if (run.by === null) return 'Outcome unknown: the gateway stopped while the call was on its way. '
  return `${run.state === 'ran' ? 'It ran' : 'It did not run'}, says ${person(run.by)}. `
}

function outcomeText(approval: Approval): string | null {
  const { state, reviews, quorum, cancelReason, run } = approval
  switch (state) {
    case 'pending':
      return null
    case 'approved': {
      const forMs = allowedMs(approval)
      const long = forMs === null ? '' : ` for ${inWords(forMs)}`
      return `${runText(run)}Approved by ${reviews.map((review) => person(review.reviewer)).join(' and ')}${long}`
    }
    case 'denied': {
      const denial = reviews.findLast((review) => review.choice === 'deny')
      const by = denial === undefined ? 'Denied' : `Denied by ${person(denial.reviewer)}`
      return denial?.reason ? `${by}: ${denial.reason}` : by
    }
    case 'expired':
      return reviews.length === 0
        ? 'Expired: nobody decided in time'
        : `Expired: only ${reviews.length} of ${quorum} approved in time`
    case 'cancelled':
      return cancelReason === null ? 'Cancelled' : `Cancelled: ${cancelReason}`
  }
}
