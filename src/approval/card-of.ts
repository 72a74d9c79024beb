/**
 * What people see of an approval: the same facts in every channel, in the order in which one decides by them.
 *
 * The headline leads with who and the verb, because a phone's notification shows little more. A person's name is what
 * they chose themselves, so what the channel verified (e-mail, else account) always stands last, in parentheses.
 */

import type { Reviewer } from '../people/reviewer.ts'
import type { Approval, LostRun, Review } from './approval.ts'
import { argumentRows } from './argument-rows.ts'
import type { Card, CardReview, Untrusted } from './card.ts'
import { presenceNotes } from './presence-notes.ts'
import { visible, visibleLines } from './visible.ts'
import { whyAsked } from './why-asked.ts'

const SHORT_FINGERPRINT_DIGITS = 8

export function cardOf(approval: Approval): Card {
  const { principal } = approval
  const owner = principal.email ?? principal.subject
  const outcome = outcomeOf(approval)
  return {
    approvalId: approval.id,
    state: approval.state,
    headline: visible(`${owner}’s agent wants ${approval.tool} on ${approval.upstream}`),
    agent: visible(`${principal.client ?? 'unnamed client'} for ${owner}, signed in at ${principal.issuer}`),
    upstream: visible(approval.upstream),
    tool: visible(approval.tool),
    arguments: [...cardRows(approval.argumentsJson, ''), ...cardRows(approval.otherParamsJson, 'params.')],
    rule: approval.rule,
    reason: approval.reason,
    why: whyAsked(approval),
    statedReason: approval.statedReason === null ? null : visibleLines(approval.statedReason),
    requestedAt: approval.requestedAt,
    expiresAt: approval.expiresAt,
    shortFingerprint: approval.fingerprint.slice(0, SHORT_FINGERPRINT_DIGITS),
    quorum: approval.quorum,
    reviews: approval.reviews.map(cardReview),
    notes: approval.state === 'pending' ? presenceNotes(approval) : [],
    notedAt: approval.agent.changedAt,
    outcome,
    resolvedAt: approval.resolvedAt,
    asksWhetherItRan: approval.run?.state === 'unknown',
  }
}

/** What the call carries beside its arguments changes what it does, so it is shown; its rows say that they are no arguments. */
function cardRows(json: string, prefix: string): Card['arguments'] {
  return argumentRows(json).map(({ name, value }) => ({ name: visible(prefix + name), value: visibleLines(value) }))
}

function cardReview(review: Review): CardReview {
  return {
    by: visible(person(review.reviewer)),
    choice: review.choice,
    reason: review.reason === null ? null : visible(review.reason),
    at: review.at,
  }
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

function outcomeText({ state, reviews, quorum, cancelReason, run }: Approval): string | null {
  switch (state) {
    case 'pending':
      return null
    case 'approved':
      return `${runText(run)}Approved by ${reviews.map((review) => person(review.reviewer)).join(' and ')}`
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
