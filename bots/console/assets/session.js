/**
 * What is told and asks for nothing. One ended session: who, where, what came of the calls, and which recording proves
 * it. One notice: a grant that ended, a freeze, its end.
 */
import { el, timeElement } from './dom.js'

/** @param {import('../view.ts').SummaryView} summary */
export function sessionElement(summary) {
  const calls = summary.calls.map(({ outcome, count }) => `${count} ${outcome}`)
  if (summary.unknownOutcomes > 0) {
    const found = summary.unknownResolved === 0 ? '' : ` (${summary.unknownResolved} found out since)`
    calls.push(`${summary.unknownOutcomes} with unknown outcome${found}`)
  }
  const approvals = summary.approvals.map(({ tool, state, reviewers, decidedAfter, isHasty }) => {
    const by = reviewers.length === 0 ? '' : ` by ${reviewers.join(' and ')}`
    const after = decidedAfter === null ? '' : ` after ${decidedAfter}`
    return `${tool} ${state}${by}${after}${isHasty ? ', faster than it can be read' : ''}`
  })
  const masked = summary.masked.map(({ detector, count }) => `${count} × ${detector}`)
  const element = el(
    'article',
    { class: 'card session' },
    el('h3', { class: 'headline' }, `${summary.who} on ${summary.upstream}`),
    el('p', { class: 'aside' }, timeElement(summary.startedAt), ' to ', timeElement(summary.endedAt)),
    el(
      'dl',
      { class: 'facts' },
      ...fact('Calls', calls.length === 0 ? 'none' : calls.join(', ')),
      ...fact('Approvals', approvals.length === 0 ? 'none' : approvals.join('; ')),
      ...fact('Masked', masked.length === 0 ? 'nothing' : masked.join(', ')),
      ...fact('Recording', el('code', {}, summary.recordingId)),
      ...fact('SHA-256', el('code', {}, summary.recordingHash)),
    ),
  )
  if (summary.unknownOutcomes > 0) element.dataset.warn = 'true'
  return element
}

/** @param {import('../view.ts').NoticeView} notice */
export function noticeElement({ headline, facts, at, isWarning }) {
  const element = el(
    'article',
    { class: 'card session' },
    el('h3', { class: 'headline' }, headline),
    el('p', { class: 'aside' }, timeElement(at)),
    el('dl', { class: 'facts' }, ...facts.flatMap(({ name, value }) => fact(name, value))),
  )
  if (isWarning) element.dataset.warn = 'true'
  return element
}

/** @param {string} name @param {Node | string} value */
export function fact(name, value) {
  return [el('dt', {}, name), el('dd', {}, value)]
}
