/**
 * One approval on the page. Built once, then repainted from each newer state: a reason that someone is typing and a box
 * that someone has scrolled stay as they are.
 *
 * Buttons that have just appeared or moved take no clicks for SETTLE_MS: a card that slides under the pointer must not
 * be approved by a click that was meant for its neighbour.
 */
import { el, say, timeElement, timeLeft } from './dom.js'
import { fact } from './session.js'

/** About the time in which a person notices that what they aim at has changed. */
const SETTLE_MS = 500
/** The countdown turns red. */
const URGENT_MS = 60_000
/** A second tap counts so long after the first. */
const CONFIRM_MS = 10_000
/** REASON_MAX_CHARS in console.ts. */
const REASON_MAX_CHARS = '500'

/**
 * @typedef {import('../view.ts').CardView} CardView
 * @typedef {{ message: string | null, card: CardView | null, link?: string | null }} Answer
 * @typedef {{
 *   review(click: { approvalId: string, choice: 'approve' | 'deny', reason: string | null, confirmed?: boolean, allowForMs?: number | null }): Promise<Answer>
 *   resolveRun(click: { approvalId: string, ran: boolean }): Promise<Answer>
 *   whole(approvalId: string): Promise<CardView>
 *   repaint(card: CardView): void
 * }} Actions
 * @typedef {ReturnType<typeof createCard>} CardOnPage
 */

/** Undecided, or nobody knows whether it ran. @param {CardView} view */
export function waits(view) {
  return view.state === 'pending' || view.asksWhetherItRan
}

/** @param {CardView} first @param {Actions} actions */
export function createCard(first, actions) {
  const id = first.approvalId
  const parts = buildParts(first)
  const { element, approve, approveFor, deny, reason, told, cut } = parts
  let view = first
  let settlesAt = 0
  let busy = false
  let wholeShown = first.cutFromChars === null
  /** Until when a second tap confirms the first. */
  let confirmsUntil = 0

  /** Told to assistive technology and to the eye; the click itself is refused by `ready`. */
  const showReadiness = () => {
    const settling = busy || performance.now() < settlesAt
    for (const button of [approve, ...approveFor.keys()]) {
      button.setAttribute('aria-disabled', String(settling || !wholeShown))
    }
    deny.setAttribute('aria-disabled', String(settling))
    for (const button of [parts.ran, parts.didNotRun]) button.setAttribute('aria-disabled', String(settling))
  }

  const settle = () => {
    settlesAt = performance.now() + SETTLE_MS
    showReadiness()
    setTimeout(showReadiness, SETTLE_MS + 1)
  }

  /** @param {Event} event */
  const ready = (event) => !busy && waits(view) && event.timeStamp >= settlesAt

  /** @param {boolean} ran */
  const resolveRun = async (ran) => {
    busy = true
    showReadiness()
    told.textContent = 'Noting it…'
    const { message, card } = await actions.resolveRun({ approvalId: id, ran })
    busy = false
    if (card !== null) actions.repaint(card)
    told.textContent = message ?? ''
    showReadiness()
  }

  /** @type {HTMLElement | null} */
  let asked = null
  let askedWords = ''

  const unask = () => {
    if (asked !== null) asked.textContent = askedWords
    asked = null
  }

  /** True for the second tap on the same button. Between the two, a moment in which none counts: a double tap is one. */
  const confirm = (/** @type {HTMLElement} */ button) => {
    const isSecond = button === asked && performance.now() < confirmsUntil
    unask()
    if (isSecond) return true
    confirmsUntil = performance.now() + CONFIRM_MS
    asked = button
    askedWords = button.textContent ?? ''
    button.textContent = `${askedWords}: press again`
    told.textContent = 'The rule asks for a second tap: press again if you mean it.'
    settle()
    setTimeout(() => performance.now() >= confirmsUntil && unask(), CONFIRM_MS + 1)
    return false
  }

  /** @param {'approve' | 'deny'} choice @param {number | null} allowForMs */
  const submit = async (choice, allowForMs = null) => {
    busy = true
    showReadiness()
    told.textContent = choice === 'approve' ? 'Approving…' : 'Denying…'
    const reasonGiven = choice === 'deny' ? reason.value.trim() || null : null
    const confirmed = choice === 'approve' && view.strength === 'confirm'
    const click = { approvalId: id, choice, reason: reasonGiven, confirmed, allowForMs }
    const { message, card, link } = await actions.review(click)
    busy = false
    if (card !== null) actions.repaint(card)
    told.textContent = message ?? stillNeeded(view)
    if (link) told.append(' ', signInLink(link))
    showReadiness()
  }

  for (const [button, allowForMs] of /** @type {const} */ ([[approve, null], ...approveFor])) {
    button.addEventListener('click', (event) => {
      if (!ready(event)) return
      if (wholeShown && view.strength === 'confirm' && !confirm(button)) return
      if (wholeShown) void submit('approve', allowForMs)
      else told.textContent = 'Show all of it first: you would approve what you have not been shown.'
    })
  }
  parts.controls.addEventListener('submit', (event) => {
    event.preventDefault()
    if (ready(event)) void submit('deny')
  })
  parts.ran.addEventListener('click', (event) => ready(event) && void resolveRun(true))
  parts.didNotRun.addEventListener('click', (event) => ready(event) && void resolveRun(false))
  parts.showWhole.addEventListener('click', async () => {
    try {
      const whole = await actions.whole(id)
      fillArguments(parts.args, whole)
      parts.args.dataset.all = 'true'
      wholeShown = true
      cut.hidden = true
      told.textContent = ''
    } catch {
      told.textContent = 'The arguments could not be fetched. Try again.'
    }
    showReadiness()
  })

  /** @param {CardView} next */
  const update = (next) => {
    if (next.version < view.version) return
    // Buttons that have just appeared take no clicks at first.
    if (next.asksWhetherItRan && !view.asksWhetherItRan) settle()
    view = next
    paint(parts, next)
  }

  /** Whether a newer state would show other notes, or more people asked: lines that move the buttons. */
  /** @param {CardView} next */
  const notesChange = (next) =>
    next.version >= view.version && JSON.stringify([next.notes, next.why]) !== JSON.stringify([view.notes, view.why])

  paint(parts, first)
  settle()
  return {
    id,
    element,
    update,
    notesChange,
    settle,
    view: () => view,
    focus: () => element.focus(),
    hasFocus: () => element.contains(document.activeElement),
    /** Decided and out of the way: what was asked is folded, not gone. */
    fold: () => {
      parts.ask.querySelector('summary')?.after(parts.because)
      parts.ask.open = false
      parts.ask.dataset.foldable = 'true'
    },
    /** It waits again. */
    unfold: () => {
      parts.ask.before(parts.because)
      parts.ask.open = true
      delete parts.ask.dataset.foldable
    },
    /** @param {number} now */
    tick: (now) => paintDeadline(parts, view, now),
    /** To be called once it is on the page: only then does a box know whether its text is longer. */
    measure: () => {
      if (wholeShown) offerShowAll(parts.args)
    },
  }
}

/** @param {CardView} view */
function buildParts(view) {
  const titleId = `title-${view.approvalId}`
  const reasonId = `reason-${view.approvalId}`
  const parts = {
    badge: el('p', { class: 'badge' }),
    deadline: el('p', { class: 'deadline', role: 'timer', 'aria-live': 'off' }),
    outcome: el('p', { class: 'outcome' }),
    reviews: el('ul', { class: 'reviews' }),
    args: el('dl', { class: 'arguments' }),
    cut: el('p', { class: 'cut' }),
    showWhole: el('button', { type: 'button', class: 'quiet' }, 'Show all of it'),
    approve: el('button', { type: 'button', class: 'approve' }, 'Approve'),
    /** Who signs in for an approval approves it alone. @type {Map<HTMLElement, number>} */
    approveFor: new Map(view.strength === 'step_up' ? [] : view.allowForMs.map((ms) => [approveForButton(ms), ms])),
    deny: el('button', { type: 'submit', class: 'deny' }, 'Deny'),
    reason: el('input', {
      id: reasonId,
      type: 'text',
      maxlength: REASON_MAX_CHARS,
      autocomplete: 'off',
      placeholder: 'Reason (optional)',
    }),
    ran: el('button', { type: 'button' }, 'It ran'),
    didNotRun: el('button', { type: 'button' }, 'It did not run'),
    because: why(view),
    asked: el('div', { class: 'asked' }),
    notes: el('div', { class: 'notes' }),
    told: el('p', { class: 'told', role: 'status' }),
  }
  const ask = el('details', { class: 'ask' }, el('summary', {}, 'What was asked'), parts.args, parts.cut, facts(view))
  ask.open = true
  const controls = el(
    'form',
    { class: 'controls' },
    parts.approve,
    ...parts.approveFor.keys(),
    el(
      'div',
      { class: 'denying' },
      el('label', { class: 'unseen', for: reasonId }, 'Reason for denying (optional)'),
      parts.reason,
      parts.deny,
    ),
  )
  const finding = el(
    'div',
    { class: 'finding' },
    el(
      'p',
      {},
      'Look on the MCP server whether it has happened, then say so here. Until then the agent is told not to repeat it.',
    ),
    el('div', { class: 'choices' }, parts.ran, parts.didNotRun),
  )
  const element = el(
    'article',
    { class: 'card', tabindex: '-1', 'aria-labelledby': titleId },
    el(
      'div',
      { class: 'top' },
      el('h3', { class: 'headline', id: titleId }, view.headline),
      parts.badge,
      parts.deadline,
    ),
    parts.outcome,
    parts.because,
    parts.asked,
    ask,
    parts.reviews,
    parts.notes,
    controls,
    finding,
    parts.told,
  )
  element.dataset.approval = view.approvalId
  fillArguments(parts.args, view)
  parts.cut.hidden = view.cutFromChars === null
  if (view.cutFromChars !== null) {
    const size = view.cutFromChars.toLocaleString('en')
    parts.cut.append(
      `Only the beginning of ${size} characters is shown; Approve waits until you have them all. `,
      parts.showWhole,
    )
  }
  return { ...parts, ask, controls, finding, element }
}

/** @param {string} url */
function signInLink(url) {
  const link = el('a', {}, 'Sign in to approve')
  link.href = url
  link.target = '_blank'
  link.rel = 'noopener'
  return link
}

/** @param {number} ms */
function approveForButton(ms) {
  const title = 'This call, and whatever else this agent asks of this tool under this rule until then'
  return el('button', { type: 'button', class: 'quiet', title }, `Approve for ${inWords(ms)}`)
}

/** The policy file's units: what it calls 90m is 90 minutes. @param {number} ms */
function inWords(ms) {
  const [unit, name] =
    ms % 3_600_000 === 0 ? [3_600_000, 'hour'] : ms % 60_000 === 0 ? [60_000, 'minute'] : [1_000, 'second']
  const many = ms / Number(unit)
  return `${many.toLocaleString('en')} ${name}${many === 1 ? '' : 's'}`
}

/** @param {CardView} view */
function stillNeeded(view) {
  const approvals = view.reviews.filter((review) => review.choice === 'approve').length
  return view.state === 'pending' ? `Your approval counts. ${view.quorum - approvals} more needed.` : ''
}

/** @param {CardView} view */
function why(view) {
  const because = view.reason === null ? '' : `: ${view.reason}`
  return el('p', { class: 'why' }, 'Held by rule ', el('code', {}, view.rule), because)
}

/** @param {CardView} view */
function facts(view) {
  return el(
    'dl',
    { class: 'facts' },
    ...(view.outcome === null ? fact('Risk', view.risk.join(', ')) : []),
    ...fact('Agent', view.agent),
    ...(view.statedReason === null ? [] : fact('It says', view.statedReason)),
    ...fact('Asked', timeElement(view.requestedAt)),
    ...fact('Fingerprint', el('code', {}, view.shortFingerprint)),
  )
}

/** @param {HTMLElement} list @param {CardView} view */
function fillArguments(list, view) {
  const rows = view.arguments.map(({ name, value }) =>
    el(
      'div',
      {},
      el('dt', {}, name),
      // Focusable: a box that scrolls must scroll from the keyboard too.
      el('dd', {}, el('pre', { tabindex: '0', role: 'region', 'aria-label': `Argument ${name}` }, value)),
    ),
  )
  list.replaceChildren(...(rows.length === 0 ? [el('p', { class: 'aside' }, 'No arguments.')] : rows))
}

/** A box whose text is longer than itself gets a button that opens it fully. */
/** @param {HTMLElement} list */
function offerShowAll(list) {
  for (const box of list.querySelectorAll('pre')) {
    if (box.scrollHeight <= box.clientHeight + 1 || box.nextElementSibling !== null) continue
    const button = el('button', { type: 'button', class: 'quiet' }, `Show all ${lengthOf(box.textContent ?? '')}`)
    button.addEventListener('click', () => {
      box.dataset.all = 'true'
      button.remove()
      box.focus()
    })
    box.after(button)
  }
}

/** @param {string} text */
function lengthOf(text) {
  const lines = text.split('\n').length
  return lines > 1 ? `${lines.toLocaleString('en')} lines` : `${text.length.toLocaleString('en')} characters`
}

/** @typedef {ReturnType<typeof buildParts>} Parts */

/** @param {Parts} parts @param {CardView} view */
function paint(parts, view) {
  const pending = view.state === 'pending'
  parts.element.dataset.state = view.state
  say(parts.badge, pending ? null : view.asksWhetherItRan ? 'outcome unknown' : view.state)
  parts.deadline.hidden = !pending
  parts.controls.hidden = !pending
  parts.finding.hidden = !view.asksWhetherItRan
  parts.element.dataset.unknown = String(view.asksWhetherItRan)
  if (!pending) parts.cut.hidden = parts.cut.hidden || parts.args.dataset.all === 'true'
  paintOutcome(parts.outcome, view)
  paintReviews(parts.reviews, view)
  paintNotes(parts.notes, view.notes)
  paintNotes(parts.asked, view.why)
}

/** What Approve will do, where that isn't plain; and why you are asked. */
/** @param {HTMLElement} element @param {CardView['notes']} notes */
function paintNotes(element, notes) {
  element.hidden = notes.length === 0
  const shown = (/** @type {string | number} */ part) => (typeof part === 'string' ? part : timeElement(part))
  element.replaceChildren(...notes.map((note) => el('p', {}, ...note.map(shown))))
}

/** @param {HTMLElement} element @param {CardView} view */
function paintOutcome(element, view) {
  element.hidden = view.outcome === null
  if (view.outcome === null) return
  element.replaceChildren(view.outcome)
  if (view.resolvedAt !== null) element.append(' · ', timeElement(view.resolvedAt))
}

/** Who has clicked so far, where one click is not enough. */
/** @param {HTMLElement} list @param {CardView} view */
function paintReviews(list, view) {
  list.hidden = view.quorum < 2
  if (list.hidden) return
  const approvals = view.reviews.filter((review) => review.choice === 'approve').length
  const items = view.reviews.map((review) =>
    el('li', {}, `${review.choice === 'approve' ? 'Approved' : 'Denied'} by ${review.by} · `, timeElement(review.at)),
  )
  list.replaceChildren(el('li', { class: 'quorum' }, `${approvals} of ${view.quorum} approvals`), ...items)
}

/** @param {Parts} parts @param {CardView} view @param {number} now */
function paintDeadline(parts, view, now) {
  if (view.state !== 'pending') return
  const left = view.expiresAt - now
  const text = timeLeft(left) ?? 'Deadline passed'
  if (parts.deadline.textContent !== text) parts.deadline.textContent = text
  parts.deadline.dataset.urgent = String(left < URGENT_MS)
}
