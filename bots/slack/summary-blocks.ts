/** The session's summary, readable at a glance: how many calls ended how, who approved what, what was masked. */
import type { types } from '@slack/bolt'
import { visible } from '../../src/approval/visible.ts'
import type { Outcome } from '../../src/audit/events.ts'
import type { SessionSummary } from '../../src/audit/summary.ts'
import type { SlackMessage } from './card-blocks.ts'
import { HEADER_MAX, NAME_BYTES_MAX, SUMMARY_ROWS_MAX } from './limits.ts'
import { clipped, code, count, date, fallbackText, label, line, note, plain, quoted, separated } from './text.ts'

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

export function summaryMessage(summary: SessionSummary): SlackMessage {
  const owner = summary.principal.email ?? summary.principal.subject
  const total = Object.values(summary.calls).reduce((sum, number) => sum + number, 0) + summary.unknownOutcomes
  const headline = visible(`${owner}’s agent on ${summary.upstream}: ${count(total, 'call')}`)
  const rows = [calls(summary), ...approvals(summary), ...masked(summary), ...recording(summary)]
  return {
    text: fallbackText(`Session ended – ${headline}`),
    blocks: [
      { type: 'header', text: plain(clipped(headline, HEADER_MAX)) },
      { type: 'rich_text', elements: separated(rows) },
      {
        type: 'context',
        elements: [{ type: 'mrkdwn', text: `From ${date(summary.startedAt)} to ${date(summary.endedAt)}` }],
      },
    ],
  }
}

function calls({ calls, unknownOutcomes, unknownResolved }: SessionSummary): types.RichTextSection {
  const words = Object.entries(WORDS).flatMap(([outcome, word]) => {
    const number = calls[outcome as Outcome] ?? 0
    return number === 0 ? [] : [`${number.toLocaleString('en')} ${word}`]
  })
  const known = words.length === 0 ? 'none' : words.join(', ')
  const elements = [label('Calls: '), quoted(known)]
  if (unknownOutcomes > 0) {
    const found = unknownResolved === 0 ? '' : ` (${unknownResolved} found out since)`
    elements.push(label(`, ${unknownOutcomes} with an unknown outcome${found}: check what they did`))
  }
  return line(...elements)
}

function approvals({ approvals }: SessionSummary): types.RichTextSection[] {
  if (approvals.length === 0) return [line(label('Approvals: '), quoted('none'))]
  const rows = approvals.slice(0, SUMMARY_ROWS_MAX).map(({ tool, state, reviewers }) => {
    const elements = [label('Approval: '), code(clipped(visible(tool), NAME_BYTES_MAX)), quoted(` ${state}`)]
    if (reviewers.length > 0) {
      elements.push(quoted(' by '), quoted(clipped(visible(reviewers.join(', ')), NAME_BYTES_MAX)))
    }
    return line(...elements)
  })
  return approvals.length > rows.length ? [...rows, rest(approvals.length - rows.length, 'approval')] : rows
}

function masked({ masked }: SessionSummary): types.RichTextSection[] {
  const shown = masked.slice(0, SUMMARY_ROWS_MAX).map(({ detector, count }) => `${detector} ×${count}`)
  const text = shown.length === 0 ? 'nothing' : shown.join(', ')
  const row = line(label('Masked: '), quoted(clipped(visible(text), 4 * NAME_BYTES_MAX)))
  return masked.length > shown.length ? [row, rest(masked.length - shown.length, 'detector')] : [row]
}

function recording({ recordingId, recordingHash }: SessionSummary): types.RichTextSection[] {
  return [
    line(label('Recording: '), code(clipped(recordingId, NAME_BYTES_MAX))),
    line(label('SHA-256: '), code(clipped(recordingHash, NAME_BYTES_MAX))),
  ]
}

function rest(number: number, thing: string): types.RichTextSection {
  return line(note(`and ${count(number, `more ${thing}`)}; the recording has them all`))
}
