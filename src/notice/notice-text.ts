/**
 * What people are told besides cards and summaries, independent of the channel: each channel renders this and adds
 * nothing. The headline says what happened and who did it; the facts are what one looks up next.
 */
import type { Untrusted } from '../approval/card.ts'
import { visible } from '../approval/visible.ts'
import type { EpochMs } from '../brands.ts'
import { type FreezeScope, scopeName } from '../freeze/freeze.ts'
import type { StandingGrant } from '../grant/standing.ts'
import type { Reviewer } from '../people/reviewer.ts'
import type { Notice } from '../ports.ts'

export interface NoticeText {
  readonly headline: Untrusted
  readonly facts: readonly NoticeFact[]
  readonly at: EpochMs
  /** Something was stopped: it should catch the eye. */
  readonly isWarning: boolean
}

export interface NoticeFact {
  /** A word of ours. */
  readonly name: string
  readonly value: Untrusted
}

/** A grant for all tools of an upstream may have used hundreds; those used most say what it was for. */
const TOOLS_SHOWN_MAX = 20

export function noticeText(notice: Notice): NoticeText {
  switch (notice.type) {
    case 'grant_ended':
      return grantEnded(notice.grant)
    case 'frozen':
      return frozen(notice)
    case 'thawed':
      return {
        headline: visible(`Thawed by ${personOf(notice.by)}: ${scopeInWords(notice.scope)}`),
        facts: [fact('Scope', scopeName(notice.scope))],
        at: notice.at,
        isWarning: false,
      }
  }
}

function frozen({ freeze, ended }: Extract<Notice, { type: 'frozen' }>): NoticeText {
  return {
    headline: visible(`Frozen by ${personOf(freeze.by)}: ${scopeInWords(freeze.scope)}`),
    facts: [
      fact('Scope', scopeName(freeze.scope)),
      ...(freeze.reason === null ? [] : [fact('Why', freeze.reason)]),
      fact('Ended by it', `${counted(ended.approvals, 'waiting call')} and ${counted(ended.grants, 'grant')}`),
    ],
    at: freeze.at,
    isWarning: true,
  }
}

function grantEnded(grant: StandingGrant): NoticeText {
  const { holder, upstream, tools, state, endedBy, endedAt, expiresAt, approvedBy, reason } = grant
  const whose = holder.kind === 'owner' ? holder.email : (holder.principal.email ?? holder.principal.subject)
  const how =
    state === 'expired' ? 'expired' : `was revoked${endedBy === null ? ' by the gateway' : ` by ${personOf(endedBy)}`}`
  return {
    headline: visible(`The access of ${whose}’s ${holder.kind === 'owner' ? 'agents' : 'agent'} to ${upstream} ${how}`),
    facts: [
      fact('Done under it', usesInWords(grant.uses)),
      fact('Tools', tools.includes('*') ? 'all' : tools.slice(0, TOOLS_SHOWN_MAX).join(', ') + more(tools.length)),
      fact('Approved by', approvedBy.length === 0 ? 'nobody named' : approvedBy.map(personOf).join(' and ')),
      ...(reason === null ? [] : [fact('Asked for', reason)]),
      fact('Grant', grant.id),
    ],
    at: endedAt ?? expiresAt,
    isWarning: false,
  }
}

/** Most used first. */
function usesInWords(uses: StandingGrant['uses']): string {
  const byTool = Object.entries(uses)
    .filter(([, count]) => count > 0)
    .sort(([a, many], [b, most]) => most - many || a.localeCompare(b))
  if (byTool.length === 0) return 'nothing'
  const total = byTool.reduce((sum, [, count]) => sum + count, 0)
  const shown = byTool.slice(0, TOOLS_SHOWN_MAX).map(([tool, count]) => `${tool} ×${count.toLocaleString('en')}`)
  return `${counted(total, 'call')}: ${shown.join(', ')}${more(byTool.length)}`
}

function more(tools: number): string {
  return tools > TOOLS_SHOWN_MAX ? ` and ${counted(tools - TOOLS_SHOWN_MAX, 'more tool')}` : ''
}

function scopeInWords(scope: FreezeScope): string {
  switch (scope.kind) {
    case 'all':
      return 'every call of every agent'
    case 'upstream':
      return `every call to ${scope.upstream}`
    case 'agent':
      return `every call of ${scope.owner}’s agents`
  }
}

function personOf({ email, id, name }: Reviewer): string {
  const verified = email ?? id
  return name === verified ? verified : `${name} (${verified})`
}

function fact(name: string, value: string): NoticeFact {
  return { name, value: visible(value) }
}

function counted(number: number, thing: string): string {
  return `${number.toLocaleString('en')} ${thing}${number === 1 ? '' : 's'}`
}
