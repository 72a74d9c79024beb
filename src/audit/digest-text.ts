/**
 * What a digest says, independent of where: Slack and the command line render this and add nothing. The rows are cut to
 * what people read; what is left out is counted.
 */
import type { Untrusted } from '../approval/card.ts'
import { spanInWords } from '../approval/in-words.ts'
import { visible } from '../approval/visible.ts'
import type { Reviewer } from '../people/reviewer.ts'
import {
  DIGEST_ROWS_MAX,
  type Digest,
  FIRSTS_WEEKS,
  isQuiet,
  type ReviewerInDigest,
  type ToolInDigest,
  toolName,
} from './digest.ts'

export interface DigestText {
  /** `Week 2026-W47: 12 approvals asked for, 340 calls` */
  readonly headline: string
  readonly sections: readonly DigestSection[]
  /** What makes the figures doubtful. */
  readonly warnings: readonly string[]
}

export interface DigestSection {
  readonly title: string
  readonly rows: readonly Untrusted[]
  /** How many rows are left out. */
  readonly more: number
}

export function digestText(digest: Digest): DigestText {
  const { week, approvals, calls } = digest
  const warnings = warningsAbout(digest)
  if (isQuiet(digest)) return { headline: `Week ${week}: nothing happened`, sections: [], warnings }
  const headline = `Week ${week}: ${counted(approvals.asked, 'approval')} asked for, ${counted(calls, 'call')}`
  const sections = [decisions(digest), reviewers(digest), ...tools(digest), access(digest), freezes(digest)]
  return { headline, sections: [...sections, firsts(digest)].filter(({ rows }) => rows.length > 0), warnings }
}

function decisions(digest: Digest): DigestSection {
  const { approvals, denialsWithReason, hasty, medianMs, deniedByPolicy, unknownOutcomes, unknownResolved } = digest
  const { approved, denied, expired, cancelled } = approvals
  const rows = [
    `${number(approved)} approved, ${number(denied)} denied, ${number(expired)} expired, ${number(cancelled)} cancelled`,
    ...(medianMs === null ? [] : [`half of the reviews came within ${spanInWords(medianMs)}`]),
    ...(denied === 0 ? [] : [`${counted(denialsWithReason, 'denial')} with a reason`]),
    ...(hasty === 0 ? [] : [`${counted(hasty, 'approval')} faster than it can be read`]),
    ...(deniedByPolicy === 0 ? [] : [`${counted(deniedByPolicy, 'call')} denied by policy`]),
    ...(unknownOutcomes === 0
      ? []
      : [`${counted(unknownOutcomes, 'call')} with an unknown outcome, ${number(unknownResolved)} of them found out`]),
  ]
  return section('Decisions', rows)
}

function reviewers({ reviewers: all }: Digest): DigestSection {
  return section('Reviewers', all.map(reviewerRow))
}

function reviewerRow({ reviewer, approved, denied, hasty, medianMs }: ReviewerInDigest): string {
  const parts = [
    `${number(approved)} approved`,
    ...(denied === 0 ? [] : [`${number(denied)} denied`]),
    ...(medianMs === null ? [] : [`median ${spanInWords(medianMs)}`]),
    ...(hasty === 0 ? [] : [`${number(hasty)} faster than it can be read`]),
  ]
  return `${personOf(reviewer)}: ${parts.join(', ')}`
}

function tools({ tools: called, held }: Digest): DigestSection[] {
  return [
    section('Tools called most', called.mostCalled.map(toolRow), called.total),
    section('Tools held most', held.mostHeld.map(toolRow), held.total),
  ]
}

function toolRow({ upstream, tool, calls, held, deniedByPolicy }: ToolInDigest): string {
  const parts = [
    counted(calls, 'call'),
    ...(held === 0 ? [] : [`held ${times(held)}`]),
    ...(deniedByPolicy === 0 ? [] : [`denied by policy ${times(deniedByPolicy)}`]),
  ]
  return `${toolName(upstream, tool)}: ${parts.join(', ')}`
}

function access({ grants }: Digest): DigestSection {
  const { opened, extended, used, expired, revoked } = grants
  const words = [
    [opened, `${counted(opened, 'grant')} opened`],
    [extended, `${number(extended)} extended`],
    [used, `${counted(used, 'call')} passed under them`],
    [expired, `${number(expired)} expired`],
    [revoked, `${number(revoked)} ended early`],
  ] as const
  const said = words.flatMap(([count, text]) => (count === 0 ? [] : [text]))
  return section('Elevated access', said.length === 0 ? [] : [said.join(', ')])
}

function freezes({ freezes: all }: Digest): DigestSection {
  const rows = all.map(({ what, scope, by, reason }) => {
    return `${scope} ${what} by ${personOf(by)}${reason === null ? '' : `: ${reason}`}`
  })
  return section('Freezes', rows)
}

function firsts({ firsts: found }: Digest): DigestSection {
  const rows = found?.shown.map(({ kind, name }) => `${kind}: ${name}`) ?? []
  return section('First seen this week', rows, found?.total)
}

function warningsAbout(digest: Digest): readonly string[] {
  const { brokenSegments, firsts: found, isCut } = digest
  return [
    ...(brokenSegments === 0
      ? []
      : [
          `The chain of ${counted(brokenSegments, 'recording file')} is broken: what follows the break is not counted. “countersign audit list” says where.`,
        ]),
    ...(isCut ? ['More happened than can be counted: the figures are too low.'] : []),
    ...(found === null && !isQuiet(digest)
      ? [`There is nothing in the ${FIRSTS_WEEKS} weeks before to tell what is new.`]
      : []),
  ]
}

function section(title: string, rows: readonly string[], total = rows.length): DigestSection {
  const shown = rows.slice(0, DIGEST_ROWS_MAX)
  return { title, rows: shown.map(visible), more: total - shown.length }
}

function personOf({ email, id, name }: Reviewer): string {
  const verified = email ?? id
  return name === verified ? verified : `${name} (${verified})`
}

function counted(many: number, thing: string): string {
  return `${number(many)} ${thing}${many === 1 ? '' : 's'}`
}

function times(many: number): string {
  return many === 1 ? 'once' : `${number(many)} times`
}

function number(many: number): string {
  return many.toLocaleString('en')
}
