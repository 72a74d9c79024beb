/**
 * What a card says and offers, in the order in which one decides: who wants what, how bad that can be, with which
 * arguments, until when, and the buttons. Why it is held and why you are asked stands small below them: on a phone the
 * first screen has to hold the decision. Each chat paints it whole each time; nothing is patched.
 */
import type { Card, CardNote } from '../../src/approval/card.ts'
import { visible } from '../../src/approval/visible.ts'
import type { EpochMs } from '../../src/brands.ts'
import {
  APPROVE_ACTION,
  DENY_ACTION,
  IT_DID_NOT_RUN_ACTION,
  IT_RAN_ACTION,
  MORE_ACTION,
  REVOKE_ACTION,
  SHOW_ALL_ACTION,
} from './actions.ts'
import { clipped, count } from './clip.ts'
import { type ADDED_SHOWN, NAME_BYTES_MAX, REASON_BYTES_MAX, REMARK_BYTES_MAX } from './limits.ts'
import { type Line, label, note, quoted } from './line.ts'
import type { ShownCall } from './shown-call.ts'

/** How much is shown of what people added; see ADDED_SHOWN. */
export type Added = (typeof ADDED_SHOWN)[number]

/** The first painting that fits, else the last. */
export function firstThatFits<Painting>(
  steps: readonly Added[],
  paint: (added: Added) => Painting,
  fits: (painting: Painting) => boolean,
): Painting {
  const [first, ...further] = steps
  if (first === undefined) throw new TypeError('nothing to paint')
  let painting = paint(first)
  for (const added of further) {
    if (fits(painting)) break
    painting = paint(added)
  }
  return painting
}

/** For notifications: the headline, and the outcome where there is one. Untrusted. */
export function cardNotification({ outcome, headline }: Card): string {
  return outcome === null ? headline : `${outcome} – ${headline}`
}

const LOOK =
  '\nLook on the MCP server whether it has happened, then say so here. Until then the agent is told not to repeat it.'

/** The outcome, where there is one, in the first line; else who approved so far. Then the approvers' notes. */
export function decisionLines(card: Card, added: Added): readonly Line[] {
  const approvals = card.reviews.filter(({ choice }) => choice === 'approve')
  const notes = notesOf(approvals, added)
  if (card.outcome !== null) {
    const outcome = label(clipped(card.outcome, added.outcomeBytes))
    return [card.asksWhetherItRan ? [outcome, note(LOOK)] : [outcome], ...notes]
  }
  if (approvals.length === 0) return []
  const names = clipped(approvals.map(({ by }) => by).join(', '), added.outcomeBytes)
  return [[label(`Approved so far, ${approvals.length} of ${card.quorum}: `), quoted(names)], ...notes]
}

function notesOf(approvals: Card['reviews'], added: Added): readonly Line[] {
  const withNote = approvals.filter(({ reason }) => reason !== null)
  const noted = withNote.slice(withNote.length - Math.min(withNote.length, added.notes))
  return noted.map(({ by, reason }) => [
    note('Note by '),
    quoted(clipped(by, NAME_BYTES_MAX)),
    note(': '),
    quoted(clipped(reason ?? '', REMARK_BYTES_MAX)),
  ])
}

/** What there is to fear and what the agent says, while people decide. */
export function stakeLines(card: Card, { statedReason, isComplete }: ShownCall): readonly Line[] {
  const lines: Line[] = []
  if (card.outcome === null) {
    const demands = [...card.demands, ...(card.readAll && !isComplete ? ['all of it opened first'] : [])]
    const takes = demands.length === 0 ? [] : [label(' Approving takes: '), note(demands.join(', '))]
    lines.push([...riskLine(card), ...takes])
  }
  if (statedReason !== null) lines.push([label('The agent says: '), quoted(statedReason)])
  return lines
}

export function riskLine({ risk }: Card): Line {
  return [label('Risk: '), note(`${risk.join(', ')}.`)]
}

/** The last question or answer; the others are in the thread. */
export function remarkLines({ remark, remarks }: Card): readonly Line[] {
  if (remark === null) return []
  const said = remark.kind === 'question' ? ' asks: ' : ' answers: '
  const earlier = remarks > 1 ? [note(` (${count(remarks - 1, 'earlier remark')})`)] : []
  const who = quoted(clipped(remark.by, NAME_BYTES_MAX))
  return [[who, label(said), quoted(clipped(remark.text, REMARK_BYTES_MAX)), ...earlier]]
}

/** Words of ours, and an instant after them. */
export interface WhenPart {
  readonly words: string
  readonly at: EpochMs | null
  /** Runs while one looks at it. */
  readonly isDeadline: boolean
}

export const at = (words: string, instant: EpochMs): WhenPart => ({ words, at: instant, isDeadline: false })
export const until = (words: string, instant: EpochMs): WhenPart => ({ words, at: instant, isDeadline: true })

export function whenParts(card: Card): readonly WhenPart[] {
  const { resolvedAt, expiresAt, standing, requestedAt, escalatedAt, remindedAt } = card
  const parts = [resolvedAt === null ? until('Decide by', expiresAt) : at('Decided', resolvedAt)]
  if (standing?.endedAt === null) parts.push(until('lasts until', standing.until))
  parts.push(at('asked', requestedAt))
  if (resolvedAt === null && escalatedAt !== null) parts.push(at('escalated', escalatedAt))
  if (resolvedAt === null && remindedAt !== null) parts.push(at('reminded', remindedAt))
  return [...parts, fingerprintPart(card)]
}

export function fingerprintPart({ shortFingerprint }: Card): WhenPart {
  return { words: `fingerprint ${shortFingerprint.replace(/[^0-9a-f]/g, '')}`, at: null, isDeadline: false }
}

/** Small and last: what one looks up, and does not decide by. Names in them are untrusted. */
export function belowLines(card: Card, { agent }: ShownCall, { why }: Added): readonly CardNote[] {
  const rule = clipped(visible(card.rule), NAME_BYTES_MAX)
  const because = card.reason === null ? '' : ` because: ${clipped(visible(card.reason), REASON_BYTES_MAX)}`
  const held: CardNote = [`${card.isAccess ? 'Asked' : 'Held'} by rule ${rule}${because}`]
  return [...card.notes, held, ...card.why.slice(-why), [`${card.isAccess ? 'For' : 'Agent:'} ${agent}`]]
}

export interface CardButton {
  readonly text: string
  readonly action: string
  readonly style: 'primary' | 'danger' | null
}

export function cardButtons(card: Card, shown: ShownCall): readonly CardButton[] {
  const buttons: CardButton[] = []
  const add = (text: string, action: string, style: CardButton['style'] = null) => buttons.push({ text, action, style })
  if (card.outcome === null) {
    add(APPROVE_LABELS[card.strength], APPROVE_ACTION, 'primary')
    add('Deny', DENY_ACTION, 'danger')
  }
  if (card.asksWhetherItRan) {
    add('It ran', IT_RAN_ACTION)
    add('It did not run', IT_DID_NOT_RUN_ACTION)
  }
  if (card.standing?.endedAt === null) add('Revoke', REVOKE_ACTION, 'danger')
  if (!shown.isComplete) add(card.isAccess ? 'Show all' : 'Show all arguments', SHOW_ALL_ACTION)
  if (card.outcome === null) add('More…', MORE_ACTION)
  return buttons
}

/** An ellipsis where something is still to do after the tap. */
const APPROVE_LABELS = { click: 'Approve', confirm: 'Approve…', step_up: 'Sign in to approve…' } as const
