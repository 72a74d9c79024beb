/**
 * A session's summary: what one takes in at a glance, and its details, where whoever wants to know finds each tool, each
 * approval and how to check the recording.
 */
import type { CardNote } from '../../src/approval/card.ts'
import { spanInWords } from '../../src/approval/in-words.ts'
import { visible } from '../../src/approval/visible.ts'
import type { Outcome } from '../../src/audit/events.ts'
import { totalOf } from '../../src/audit/summarise.ts'
import type { ApprovalInSummary, GrantInSummary, SessionSummary } from '../../src/audit/summary.ts'
import { clipped, count } from './clip.ts'
import { NAME_BYTES_MAX, SHORT_ID_CHARS, SUMMARY_ROWS_MAX } from './limits.ts'
import { code, type Line, label, quoted } from './line.ts'
import type { Section } from './sections.ts'

const WORDS: Readonly<Record<Outcome, string>> = {
  succeeded: 'succeeded',
  tool_error: 'failed in the tool',
  rpc_error: 'answered with an error',
  upstream_failed: 'lost to the upstream',
  denied_by_policy: 'denied by policy',
  denied_by_reviewer: 'denied by a reviewer',
  expired: 'expired',
  cancelled: 'cancelled',
  refused: 'refused',
  pending: 'told to come back',
  replayed: 'answered again without running',
  detached: 'answered on another stream',
  abandoned: 'abandoned by the agent',
}

/** Untrusted, and whole: each chat cuts its first line. */
export function summaryHeadline(summary: SessionSummary): string {
  const { principal, upstream } = summary
  const owner = principal.email ?? principal.subject
  return visible(`${owner}’s agent on ${upstream}: ${count(totalOf(summary), 'call')}`)
}

export function summaryNotification(summary: SessionSummary): string {
  return `Session ended – ${summaryHeadline(summary)}`
}

export function summaryWhen({ startedAt, endedAt, recordingId }: SessionSummary): readonly CardNote[] {
  return [
    [`Took ${spanInWords(endedAt - startedAt)}, until`, endedAt],
    [`Recording ${shortened(recordingId)}; details in the thread`],
  ]
}

/** What people decided, what was kept from the agent, and what somebody has to look into. */
export function summaryLine(summary: SessionSummary): Line {
  const { approvals, calls, masked, unknownOutcomes } = summary
  const inState = (wanted: ApprovalInSummary['state']) => approvals.filter(({ state }) => state === wanted).length
  const counts: readonly (readonly [number, string])[] = [
    [inState('approved'), 'approved'],
    [inState('denied'), 'denied'],
    [inState('expired'), 'expired'],
    [inState('cancelled'), 'cancelled'],
    [calls.denied_by_policy ?? 0, 'denied by policy'],
    [masked.reduce((sum, finding) => sum + finding.count, 0), 'masked'],
  ]
  const words = counts.flatMap(([number, word]) => (number === 0 ? [] : [`${number.toLocaleString('en')} ${word}`]))
  const said = words.length === 0 ? 'Nothing held, denied or masked' : words.join(', ')
  if (unknownOutcomes === 0) return [quoted(said)]
  return [quoted(`${said}, `), label(`${unknown(summary)}: check what they did`)]
}

function unknown({ unknownOutcomes, unknownResolved }: Pick<SessionSummary, 'unknownOutcomes' | 'unknownResolved'>) {
  const found = unknownResolved === 0 ? '' : ` (${unknownResolved.toLocaleString('en')} found out since)`
  return `${unknownOutcomes.toLocaleString('en')} with an unknown outcome${found}`
}

// ---- details

export function detailsNotification({ recordingId }: SessionSummary): string {
  return `Details of the session, recorded as ${recordingId}`
}

export function summarySections(summary: SessionSummary): readonly Section[] {
  return [calls(summary), tools(summary), approvals(summary), grants(summary), masked(summary)]
}

export function recordingLines({ recordingId, recordingHash }: SessionSummary): readonly Line[] {
  return [
    [label('Recording: '), code(clipped(recordingId, NAME_BYTES_MAX))],
    [label('SHA-256: '), code(clipped(recordingHash, NAME_BYTES_MAX))],
    [
      quoted('To check its chain, and this hash by it: '),
      code(clipped(`countersign audit show ${recordingId} --config countersign.yaml`, 2 * NAME_BYTES_MAX)),
    ],
  ]
}

function calls(summary: SessionSummary): Section {
  const words = outcomesInWords(summary.calls)
  return section('Calls', [...words, ...(summary.unknownOutcomes === 0 ? [] : [unknown(summary)])])
}

function tools({ tools }: SessionSummary): Section {
  const rows = tools.map(({ tool, calls, unknownOutcomes }) => {
    const words = [...outcomesInWords(calls), ...(unknownOutcomes === 0 ? [] : [`${unknownOutcomes} unknown`])]
    return `${name(tool)}: ${words.join(', ')}`
  })
  return section('Tools', rows)
}

function outcomesInWords(calls: SessionSummary['calls']): readonly string[] {
  return Object.entries(WORDS).flatMap(([outcome, word]) => {
    const number = calls[outcome as Outcome] ?? 0
    return number === 0 ? [] : [`${number.toLocaleString('en')} ${word}`]
  })
}

function approvals({ approvals }: SessionSummary): Section {
  const rows = approvals.map(({ tool, state, reviewers, decidedAfterMs, isHasty }) => {
    const by = reviewers.length === 0 ? '' : ` by ${name(reviewers.join(', '))}`
    const after = decidedAfterMs === null ? '' : ` after ${spanInWords(decidedAfterMs)}`
    return `${name(tool)} ${state}${by}${after}${isHasty ? ', faster than it can be read' : ''}`
  })
  return section('Approvals', rows)
}

function grants({ grants }: SessionSummary): Section {
  const rows = grants.map((grant) => {
    const tools = grant.tools === null ? 'a grant of another session' : toolsInWords(grant.tools)
    return `${tools}: passed ${count(grant.used, 'call')} here, ${endInWords(grant)}`
  })
  return section('Grants', rows)
}

function toolsInWords(tools: readonly string[]): string {
  return tools.includes('*') ? 'all tools' : name(tools.join(', '))
}

function endInWords({ ended, endedBy }: GrantInSummary): string {
  if (ended === null) return 'had not ended'
  return ended === 'expired' ? 'expired' : `ended early by ${name(endedBy ?? 'the gateway')}`
}

function masked({ masked }: SessionSummary): Section {
  return section(
    'Masked',
    masked.map(({ detector, count }) => `${name(detector)} ×${count.toLocaleString('en')}`),
  )
}

function section(title: string, rows: readonly string[]): Section {
  const shown = rows.slice(0, SUMMARY_ROWS_MAX)
  return { title, rows: shown, more: rows.length - shown.length }
}

function name(text: string): string {
  return clipped(visible(text), NAME_BYTES_MAX)
}

function shortened(id: string): string {
  return id.length > SHORT_ID_CHARS ? `${id.slice(0, SHORT_ID_CHARS)}…` : id
}
